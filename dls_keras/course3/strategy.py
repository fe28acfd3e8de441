"""Strategy: what to measure, and what to do next (C3 W1).

The lectures of this course base decisions on a few numbers. A single optimizing metric
chooses between models, and satisficing metrics need only reach a limit. The differences
between five errors show what limits a model:

    Bayes error                      the best that anybody can reach
      + avoidable bias               = error on the training set
      + variance                     = error on the training-dev set
      + data mismatch                = error on the dev set
      + overfitting to the dev set   = error on the test set

The training-dev set is held out, but has the distribution of the training set. If all
sets have the same distribution, the dev set takes its place. Error analysis, of a
hundred wrong examples by hand, shows how much each idea can improve at most.

Shapes: m examples, labels (m,) or (1, m); errors are shares in [0, 1]. NumPy alone.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dls_keras.core.errors import InputError

# A single number to compare models.


def precision(Y: ArrayLike, Y_hat: ArrayLike, positive: int = 1) -> float:
    """The share of positive examples among those predicted positive; 0 if none is.

    >>> precision([1, 1, 1, 0, 0], [1, 1, 0, 1, 0])
    0.6666666666666666
    """
    Y, Y_hat = _labels(Y, Y_hat)
    return _share((Y == positive) & (Y_hat == positive), Y_hat == positive)


def recall(Y: ArrayLike, Y_hat: ArrayLike, positive: int = 1) -> float:
    """The share of positive examples that are predicted positive; 0 if there are none.

    >>> recall([1, 1, 1, 1, 0], [1, 1, 0, 1, 0])
    0.75
    """
    Y, Y_hat = _labels(Y, Y_hat)
    return _share((Y == positive) & (Y_hat == positive), Y == positive)


def f1(Y: ArrayLike, Y_hat: ArrayLike, positive: int = 1) -> float:
    """The harmonic mean of precision and recall, 2 / (1 / P + 1 / R); 0 if one is 0.

    >>> f1([1, 1, 1, 1, 0], [1, 1, 0, 0, 0])
    0.6666666666666666
    """
    P, R = precision(Y, Y_hat, positive), recall(Y, Y_hat, positive)
    return 2 * P * R / (P + R) if P + R else 0.0


def error(Y: ArrayLike, Y_hat: ArrayLike, weights: Any = None) -> float:
    """The share of wrong predictions.

    Args:
        weights: (m,), the weight of each example; by default all are equal. In the
            lecture's example an image that must not be shown has weight 10.

    >>> error([1, 1, 0, 0], [1, 0, 0, 0])
    0.25
    >>> error([1, 1, 0, 0], [1, 0, 0, 0], weights=[1, 10, 1, 1])
    0.7692307692307693
    """
    Y, Y_hat = _labels(Y, Y_hat)
    return float(np.average(Y != Y_hat, weights=weights))


def choose(
    candidates: Mapping[str, Mapping[str, float]],
    optimizing: str,
    *,
    at_most: Mapping[str, float] | None = None,
    at_least: Mapping[str, float] | None = None,
    smallest: bool = False,
) -> str:
    """The name of the best candidate among those that satisfy all limits.

    Args:
        candidates: maps names to dicts of metrics.
        optimizing: the metric to maximise.
        at_most, at_least: map each satisficing metric to its limit.
        smallest: minimise the optimizing metric instead, such as an error.

    Raises:
        InputError: if no candidate satisfies the limits.

    >>> cats = {
    ...     "A": {"accuracy": 0.90, "milliseconds": 80},
    ...     "B": {"accuracy": 0.92, "milliseconds": 95},
    ...     "C": {"accuracy": 0.95, "milliseconds": 1500},
    ... }
    >>> choose(cats, "accuracy", at_most={"milliseconds": 100})
    'B'
    """
    at_most, at_least = at_most or {}, at_least or {}
    satisfying = {
        name: metrics[optimizing]
        for name, metrics in candidates.items()
        if all(metrics[key] <= limit for key, limit in at_most.items())
        and all(metrics[key] >= limit for key, limit in at_least.items())
    }
    if not satisfying:
        limits = [f"{key} <= {limit}" for key, limit in at_most.items()]
        limits += [f"{key} >= {limit}" for key, limit in at_least.items()]
        raise InputError(
            f"None of {len(candidates)} candidates has {' and '.join(limits)}. "
            "Relax a limit, or train another model."
        )
    return (min if smallest else max)(satisfying, key=satisfying.__getitem__)


# Training, dev and test sets.


class Split(NamedTuple):
    """Training, dev and test set: the number of examples of each, or their indices."""

    train: int | np.ndarray
    dev: int | np.ndarray
    test: int | np.ndarray


def split_sizes(m: int) -> Split:
    """The sizes of the training, dev and test sets for m examples.

    Dev and test set have a fifth of the examples each, but at most 10,000: the standard
    error of an accuracy of 97 % is then 0.17 percentage points. Of a million examples,
    that is 98 / 1 / 1 %.

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


def split(m: int, *, seed: int = 0) -> Split:
    """A random split of m examples: three arrays of indices.

    Dev and test set then have the same distribution, as the lectures require.

    >>> split(10).dev
    array([9, 0])
    """
    train, dev, _ = split_sizes(m)
    order = np.random.default_rng(seed).permutation(m)
    return Split(*np.split(order, [train, train + dev]))


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
        "compare dev examples with the training set by hand",
        "make the training set more similar: collect such data, or synthesize them",
    ),
    "overfitting to the dev set": ("get a bigger dev set",),
    "nothing": (
        "if users are not satisfied, change the metric or the dev and test sets",
    ),
}


def bayes_error(human_errors: Mapping[str, float]) -> float:
    """The lowest human error, an upper bound of the Bayes error.

    >>> bayes_error({"anybody": 0.03, "a doctor": 0.01, "a team of doctors": 0.005})
    0.005
    """
    return min(human_errors.values())


def gaps(
    train: float,
    dev: float,
    *,
    bayes: float = 0.0,
    train_dev: float | None = None,
    test: float | None = None,
) -> dict[str, float]:
    """What each cause contributes to the error, by its name in `REMEDIES`.

    Args:
        train, dev, bayes, train_dev, test: errors. Without `train_dev`, variance and
            data mismatch cannot be distinguished, and all sets are assumed to have the
            same distribution.

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


def next_step(found: Mapping[str, float]) -> tuple[str, tuple[str, ...]]:
    """The largest contribution to the error, and its remedies.

    Args:
        found: as returned by `gaps`.

    Returns:
        cause: a key of `REMEDIES`; "nothing" if no gap is positive.
        remedies: tuple of texts.

    >>> next_step(gaps(train=0.01, train_dev=0.015, dev=0.10))[0]
    'data mismatch'
    """
    cause = max(found, key=found.__getitem__)
    cause = cause if found[cause] > 0 else "nothing"
    return cause, REMEDIES[cause]


class Cause(NamedTuple):
    """A row of an error analysis."""

    tag: str
    examples: int  # how many wrong examples have this tag
    share: float  # of all wrong examples
    error_without: float  # the error if all of them were corrected


def error_analysis(tags: Sequence[Iterable[str]], dev_error: float) -> list[Cause]:
    """The causes of wrong predictions on dev examples, the most frequent first.

    Args:
        tags: for each wrong example that was examined, the possible causes, such as
            {"blurry", "dog"}; an example may have several or none.
        dev_error: the error on the whole dev set.

    Returns:
        List of `Cause`; the shares need not sum to 1.

    >>> examined = [{"dog"}] * 8 + [{"great cat"}] * 43 + [{"blurry"}] * 49
    >>> for row in error_analysis(examined, dev_error=0.10):
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
    """Labels and predictions as flat arrays of equal length."""
    Y, Y_hat = np.ravel(Y), np.ravel(Y_hat)
    if len(Y) != len(Y_hat) or len(Y) == 0:
        raise InputError(
            f"Received {len(Y)} labels and {len(Y_hat)} predictions. Expected one "
            "prediction for each label, and at least one."
        )
    return Y, Y_hat


def _share(some, of):
    """The number of True in `some`, relative to that in `of`; 0 if there are none."""
    return float(some.sum() / max(of.sum(), 1))
