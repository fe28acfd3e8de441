"""Strategy: what to measure, and what the numbers say to do next (C3 W1).

The lectures of this course decide by a few numbers. One of them chooses between
models, a single metric to optimise under others that need only be good enough. Five
errors, compared in pairs, tell what holds a model back:

    Bayes error                      the best that anybody can reach
      + avoidable bias               = error on the training set
      + variance                     = error on the training-dev set
      + data mismatch                = error on the dev set
      + overfitting to the dev set   = error on the test set

The training-dev set is held out, but drawn as the training set is. Where all sets are
drawn alike it is the dev set. A hundred wrong examples, looked at one by one, tell
what the next idea can bring at best.

Shapes: m examples, labels (m,) or (1, m); errors are shares in [0, 1]. NumPy alone.
"""

from collections import Counter
from typing import NamedTuple

import numpy as np

from dls_keras.core.errors import InputError

# One number to compare models by.


def precision(Y, Y_hat, positive=1):
    """Of the examples predicted to be positive, the share that are; 0 if none is.

    >>> precision([1, 1, 1, 0, 0], [1, 1, 0, 1, 0])
    0.6666666666666666
    """
    Y, Y_hat = _labels(Y, Y_hat)
    return _share((Y == positive) & (Y_hat == positive), Y_hat == positive)


def recall(Y, Y_hat, positive=1):
    """Of the positive examples, the share that are predicted to be; 0 if none is.

    >>> recall([1, 1, 1, 1, 0], [1, 1, 0, 1, 0])
    0.75
    """
    Y, Y_hat = _labels(Y, Y_hat)
    return _share((Y == positive) & (Y_hat == positive), Y == positive)


def f1(Y, Y_hat, positive=1):
    """The harmonic mean of precision and recall, 2 / (1 / P + 1 / R); 0 if one is 0.

    >>> f1([1, 1, 1, 1, 0], [1, 1, 0, 0, 0])
    0.6666666666666666
    """
    P, R = precision(Y, Y_hat, positive), recall(Y, Y_hat, positive)
    return 2 * P * R / (P + R) if P + R else 0.0


def error(Y, Y_hat, weights=None):
    """The share of wrong predictions.

    Args:
        weights: (m,), how much each example counts; by default all the same. The
            lecture's cats: a picture that must not be shown counts ten times.

    >>> error([1, 1, 0, 0], [1, 0, 0, 0])
    0.25
    >>> error([1, 1, 0, 0], [1, 0, 0, 0], weights=[1, 10, 1, 1])
    0.7692307692307693
    """
    Y, Y_hat = _labels(Y, Y_hat)
    return float(np.average(Y != Y_hat, weights=weights))


def choose(candidates, optimizing, *, at_most=None, at_least=None, smallest=False):
    """The name of the best candidate among those that are good enough.

    Args:
        candidates: maps names to dicts of metrics.
        optimizing: the one metric to be as large as possible.
        at_most, at_least: map each satisficing metric to its limit.
        smallest: the optimizing metric shall be small, as an error.

    Raises:
        InputError: if no candidate is good enough.

    >>> cats = {
    ...     "A": {"accuracy": 0.90, "milliseconds": 80},
    ...     "B": {"accuracy": 0.92, "milliseconds": 95},
    ...     "C": {"accuracy": 0.95, "milliseconds": 1500},
    ... }
    >>> choose(cats, "accuracy", at_most={"milliseconds": 100})
    'B'
    """
    at_most, at_least = at_most or {}, at_least or {}
    enough = {
        name: metrics[optimizing]
        for name, metrics in candidates.items()
        if all(metrics[key] <= limit for key, limit in at_most.items())
        and all(metrics[key] >= limit for key, limit in at_least.items())
    }
    if not enough:
        limits = [f"{key} <= {limit}" for key, limit in at_most.items()]
        limits += [f"{key} >= {limit}" for key, limit in at_least.items()]
        raise InputError(
            f"Of {len(candidates)} candidates none has {' and '.join(limits)}. "
            "Loosen a limit, or train another model."
        )
    return (min if smallest else max)(enough, key=enough.get)


# Training, dev and test sets.


class Split(NamedTuple):
    """What belongs to the three sets: how many examples, or which."""

    train: int | np.ndarray
    dev: int | np.ndarray
    test: int | np.ndarray


def split_sizes(m):
    """How many of m examples go to the training, dev and test sets, a `Split`.

    Dev and test sets get a fifth each, as long as that is little; 10,000 are enough
    to tell 97.0 from 97.1 %, so more are left to training: 98 / 1 / 1 of a million.

    >>> split_sizes(1000)
    Split(train=600, dev=200, test=200)
    >>> split_sizes(1_000_000)
    Split(train=980000, dev=10000, test=10000)
    """
    if m < 5:
        raise InputError(
            f"Expected at least 5 examples to split, received {m}. Collect more."
        )
    held_out = min(m // 5, 10_000)
    return Split(m - 2 * held_out, held_out, held_out)


def split(m, *, seed=0):
    """The numbers of m examples, shuffled, as a `Split` of three arrays.

    So dev and test sets come from the same distribution, which the lectures demand.

    >>> split(10).dev
    array([9, 0])
    """
    sizes = split_sizes(m)
    order = np.random.default_rng(seed).permutation(m)
    return Split(*np.split(order, np.cumsum(sizes)[:-1]))


# Where the error comes from.

REMEDIES = {
    "avoidable bias": (
        "train a bigger model",
        "train longer, or with a better optimizer (momentum, RMSprop, Adam)",
        "search for another architecture or other hyperparameters",
    ),
    "variance": (
        "get more training data, or augment them",
        "regularize (L2, dropout, early stopping)",
        "search for another architecture or other hyperparameters",
    ),
    "data mismatch": (
        "look at dev examples to see how they differ from the training set",
        "make the training set more like them: collect such data, or synthesize them",
    ),
    "overfitting to the dev set": ("get a bigger dev set",),
    "nothing": (
        "if users are not content, change the metric or the dev and test sets",
    ),
}


def bayes_error(human_errors):
    """The lowest human error, which the Bayes error cannot exceed.

    >>> bayes_error({"anybody": 0.03, "a doctor": 0.01, "a team of doctors": 0.005})
    0.005
    """
    return min(human_errors.values())


def gaps(train, dev, *, bayes=0.0, train_dev=None, test=None):
    """What each cause adds to the error, a dict from its name, as in `REMEDIES`.

    Args:
        train, dev, bayes, train_dev, test: errors. Without `train_dev` there is no
            telling variance from data mismatch, and all sets are taken to be alike.

    >>> found = gaps(train=0.08, dev=0.10, bayes=0.01)
    >>> {name: round(gap, 3) for name, gap in found.items()}
    {'avoidable bias': 0.07, 'variance': 0.02}
    """
    found = {"avoidable bias": train - bayes}
    if train_dev is None:
        found["variance"] = dev - train
    else:
        found["variance"] = train_dev - train
        found["data mismatch"] = dev - train_dev
    if test is not None:
        found["overfitting to the dev set"] = test - dev
    return found


def next_step(found):
    """The cause that adds most to the error, and what helps against it.

    Args:
        found: what `gaps` returned.

    Returns:
        cause: a key of `REMEDIES`; "nothing" where no gap is above zero.
        remedies: tuple of texts.

    >>> next_step(gaps(train=0.01, train_dev=0.015, dev=0.10))[0]
    'data mismatch'
    """
    cause = max(found, key=found.get)
    cause = cause if found[cause] > 0 else "nothing"
    return cause, REMEDIES[cause]


class Cause(NamedTuple):
    """A row of an error analysis."""

    tag: str
    count: int  # of the wrong examples that carry the tag
    share: float  # of all wrong examples
    error_without: float  # what the error falls to if all of them are mended


def error_analysis(tags, dev_error):
    """The causes of wrong dev examples, the most frequent first.

    Args:
        tags: for each wrong example that was looked at, what may have misled the
            model, such as {"blurry", "dog"}; an example may have several or none.
        dev_error: of the whole dev set.

    Returns:
        List of `Cause`; the shares need not sum to 1.

    >>> looked_at = [{"dog"}] * 8 + [{"great cat"}] * 43 + [{"blurry"}] * 49
    >>> for row in error_analysis(looked_at, dev_error=0.10):
    ...     print(f"{row.tag:10}{row.share:5.0%}{row.error_without:8.1%}")
    blurry      49%    5.1%
    great cat   43%    5.7%
    dog          8%    9.2%
    """
    counts = Counter(tag for example in tags for tag in set(example))
    return [
        Cause(tag, count, count / len(tags), dev_error * (1 - count / len(tags)))
        for tag, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]


def _labels(Y, Y_hat):
    """Both as flat arrays of one length."""
    Y, Y_hat = np.ravel(Y), np.ravel(Y_hat)
    if len(Y) != len(Y_hat) or len(Y) == 0:
        raise InputError(
            f"There are {len(Y)} labels and {len(Y_hat)} predictions. "
            "Hand in one prediction for each label, and at least one."
        )
    return Y, Y_hat


def _share(some, of):
    """The share of `of` that are `some`, too; 0 where there are none."""
    return float(some.sum() / max(of.sum(), 1))
