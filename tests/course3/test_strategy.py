"""Strategy: examples of the lectures, and metrics of scikit-learn."""

import doctest
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course3 import strategy

pairs = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1)
shares = st.floats(0, 1)


@pytest.fixture
def metrics():
    return pytest.importorskip("sklearn.metrics", reason="needs scikit-learn")


@pytest.mark.parametrize("seed", range(20))
def test_metrics_equal_those_of_scikit_learn(metrics, seed):
    """Three classes, weights, 1 to 20 examples of which none need be positive."""
    rng = np.random.default_rng(seed)
    m = seed + 1
    Y, Y_hat = rng.integers(3, size=(2, m))
    weights = rng.uniform(0.1, 10, m)
    for positive in range(3):
        of = {"labels": [positive], "average": "macro", "zero_division": 0}
        for ours, reference in (
            (strategy.precision, metrics.precision_score),
            (strategy.recall, metrics.recall_score),
            (strategy.f1, metrics.f1_score),
        ):
            expected = reference(Y, Y_hat, **of)
            assert ours(Y, Y_hat, positive) == pytest.approx(expected, rel=1e-14)
    for w in (None, weights):
        expected = metrics.zero_one_loss(Y, Y_hat, sample_weight=w)
        assert strategy.error(Y, Y_hat, w) == pytest.approx(expected, abs=1e-14)


@given(pairs)
def test_f1_is_between_precision_and_recall(pairs):
    """And never above their mean."""
    Y, Y_hat = np.transpose(pairs)
    P, R, F = (f(Y, Y_hat) for f in (strategy.precision, strategy.recall, strategy.f1))
    assert min(P, R) - 1e-15 <= F <= (P + R) / 2 + 1e-15
    assert strategy.precision(Y_hat, Y) == R  # roles exchanged


@given(pairs)
def test_error_is_the_share_of_wrong_predictions(pairs):
    """Of rows (1, m), too; a weight of 2 counts like an example twice."""
    Y, Y_hat = np.transpose(pairs)
    wrong = sum(a != b for a, b in pairs)
    assert strategy.error(Y[None], Y_hat[None]) == wrong / len(pairs)
    twice = strategy.error(np.append(Y, Y[0]), np.append(Y_hat, Y_hat[0]))
    weights = np.ones(len(Y))
    weights[0] = 2
    assert strategy.error(Y, Y_hat, weights) == pytest.approx(twice, rel=1e-14)


@pytest.mark.parametrize("Y_hat", [[], [1, 0, 1]])
def test_labels_without_predictions_raise_an_error(Y_hat):
    """The message names both numbers."""
    for metric in (strategy.precision, strategy.recall, strategy.f1, strategy.error):
        with pytest.raises(InputError, match=f"2 labels and {len(Y_hat)} predictions"):
            metric([1, 0], Y_hat)
    with pytest.raises(InputError, match="at least one"):
        strategy.error([], [])


CATS = {
    "A": {"accuracy": 0.90, "milliseconds": 80, "false alarms": 1},
    "B": {"accuracy": 0.92, "milliseconds": 95, "false alarms": 3},
    "C": {"accuracy": 0.95, "milliseconds": 1500, "false alarms": 0},
}


@pytest.mark.parametrize(
    ("limits", "best"),
    [
        ({}, "C"),
        ({"at_most": {"milliseconds": 100}}, "B"),
        ({"at_most": {"milliseconds": 95}}, "B"),
        ({"at_most": {"milliseconds": 100, "false alarms": 1}}, "A"),
        ({"at_least": {"milliseconds": 81}, "at_most": {"milliseconds": 99}}, "B"),
        ({"smallest": True}, "A"),
        ({"smallest": True, "at_least": {"accuracy": 0.91}}, "B"),
    ],
)
def test_the_best_candidate_within_the_limits_is_chosen(limits, best):
    """The limits themselves are allowed."""
    assert strategy.choose(CATS, "accuracy", **limits) == best


def test_limits_that_no_candidate_satisfies_raise_an_error():
    """The message names all of them."""
    limits = {"at_most": {"milliseconds": 10}, "at_least": {"accuracy": 0.5}}
    with pytest.raises(InputError, match="milliseconds <= 10 and accuracy >= 0.5"):
        strategy.choose(CATS, "accuracy", **limits)


@pytest.mark.parametrize(
    ("m", "percent"),
    [(100, (60, 20, 20)), (10_000, (60, 20, 20)), (1_000_000, (98, 1, 1))],
)
def test_the_sets_have_the_sizes_of_the_lectures(m, percent):
    """60 / 20 / 20 of up to ten thousand, 98 / 1 / 1 of a million."""
    assert strategy.split_sizes(m) == tuple(share * m // 100 for share in percent)


@given(st.integers(5, 300), st.integers(0, 2**32 - 1))
def test_every_example_belongs_to_one_set(m, seed):
    """Dev and test set have equal sizes; the same seed gives the same split."""
    parts = strategy.split(m, seed=seed)
    assert sorted(np.concatenate(parts)) == list(range(m))
    assert tuple(map(len, parts)) == strategy.split_sizes(m)
    assert len(parts.dev) == len(parts.test) >= 1
    for part, again in zip(parts, strategy.split(m, seed=seed), strict=True):
        np.testing.assert_array_equal(part, again)


def test_too_few_examples_raise_an_error():
    """With four, a set would be empty."""
    with pytest.raises(InputError, match="received 4"):
        strategy.split(4)


@given(shares, shares, shares, shares, shares)
def test_gaps_and_bayes_error_sum_to_the_test_error(bayes, train, train_dev, dev, test):
    """For positive and negative gaps."""
    found = strategy.gaps(train, dev, bayes=bayes, train_dev=train_dev, test=test)
    assert list(found) == list(strategy.REMEDIES)[:-1]
    assert bayes + sum(found.values()) == pytest.approx(test, abs=1e-12)
    short = strategy.gaps(train, dev, bayes=bayes)
    assert short["variance"] == pytest.approx(
        found["variance"] + found["data mismatch"], abs=1e-12
    )


@pytest.mark.parametrize(
    ("errors", "cause"),
    [
        # Examples of the lectures, in percent.
        ({"bayes": 1, "train": 8, "dev": 10}, "avoidable bias"),
        ({"bayes": 7.5, "train": 8, "dev": 10}, "variance"),
        ({"train": 1, "train_dev": 9, "dev": 10}, "variance"),
        ({"train": 1, "train_dev": 1.5, "dev": 10}, "data mismatch"),
        ({"train": 10, "train_dev": 11, "dev": 12}, "avoidable bias"),
        ({"train": 10, "train_dev": 11, "dev": 20}, "avoidable bias"),
        ({"train": 1, "dev": 1.5, "test": 6}, "overfitting to the dev set"),
        ({"bayes": 1, "train": 1, "dev": 1, "test": 1}, "nothing"),
        ({"bayes": 0.5, "train": 0.3, "dev": 0.3}, "nothing"),  # better than humans
    ],
)
def test_the_next_step_reduces_the_largest_gap(errors, cause):
    """Each cause has its own remedies."""
    found = strategy.gaps(**errors)
    assert strategy.next_step(found) == (cause, strategy.REMEDIES[cause])


def test_the_best_human_error_bounds_the_bayes_error():
    """That of a team, too."""
    assert strategy.bayes_error({"one": 0.007, "team": 0.005, "anybody": 0.03}) == 0.005


tagged = st.lists(st.sets(st.sampled_from(["blurry", "dog", "great cat"])), min_size=1)


@given(tagged, shares)
def test_error_analysis_counts_each_example_once_per_tag(tags, dev_error):
    """The most frequent first; `error_without` is the error if it were corrected."""
    rows = strategy.error_analysis([[*t, *t] for t in tags], dev_error)
    assert {row.tag for row in rows} == set().union(*tags)
    counts = [row.examples for row in rows]
    assert counts == sorted(counts, reverse=True)
    for row in rows:
        assert row.examples == sum(row.tag in t for t in tags)
        assert row.share == row.examples / len(tags)
        corrected = dev_error * sum(row.tag not in t for t in tags) / len(tags)
        assert row.error_without == pytest.approx(corrected, abs=1e-15)


def test_the_examples_in_docstrings_print_what_they_show():
    """With `doctest`."""
    failed, tried = doctest.testmod(strategy)
    assert failed == 0 and tried >= 10


def test_tensorflow_is_not_imported():
    """The module needs NumPy alone."""
    program = "import sys, dls_keras.course3.strategy; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras"} & set(done.stdout.split())
