"""Metrics of verification agree with direct counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core import verification


@given(
    pairs=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2).filter(
        lambda pairs: {same for _, same in pairs} == {True, False}
    )
)
def test_the_roc_holds_both_rates_at_every_threshold(pairs):
    """Also with equal distances; at the last threshold all pairs are accepted."""
    distances = np.array([d / 10 for d, _ in pairs])
    same = np.array([s for _, s in pairs])
    false_accepts, true_accepts, thresholds = verification.roc(distances, same)
    for i, threshold in enumerate(thresholds):
        accepted = distances <= threshold
        assert false_accepts[i] == pytest.approx(accepted[~same].mean())
        assert true_accepts[i] == pytest.approx(accepted[same].mean())
    assert false_accepts[-1] == true_accepts[-1] == 1
    rate, threshold = verification.equal_error_rate(distances, same)
    assert 0 <= rate <= 1
    assert threshold in thresholds


def test_the_equal_error_rate_of_two_normal_distributions():
    """With means 2 standard deviations apart it is 15.9 % (40,000 pairs)."""
    rng = np.random.default_rng(0)
    distances = np.concatenate([rng.normal(0, 1, 20_000), rng.normal(2, 1, 20_000)])
    rate, threshold = verification.equal_error_rate(
        distances, np.arange(40_000) < 20_000
    )
    assert rate == pytest.approx(0.1587, abs=0.005)
    assert threshold == pytest.approx(1, abs=0.03)


def test_every_pair_is_counted_once():
    """Distances agree with `np.linalg.norm` to 1e-3, since small ones lose digits."""
    rng = np.random.default_rng(0)
    encodings = rng.normal(size=(6, 4)).astype("float32")
    encodings /= np.linalg.norm(encodings, axis=1, keepdims=True)
    y = np.array([0, 0, 1, 1, 1, 2])
    distances, same = verification.pair_distances(encodings, y)
    assert len(distances) == 15
    assert same.sum() == 1 + 3
    first, second = np.triu_indices(6, 1)
    norms = np.linalg.norm(encodings[first] - encodings[second], axis=1)
    np.testing.assert_allclose(distances, norms, atol=1e-3)
    nearest = verification.nearest_is_same(encodings, y)
    full = np.full((6, 6), 9.0)
    full[first, second] = full[second, first] = norms
    np.testing.assert_array_equal(nearest, y[full.argmin(axis=1)] == y)


def test_balanced_accuracy_gives_both_kinds_of_pairs_the_same_weight():
    """One of two pairs of one person accepted, all eight others rejected: 75 %."""
    distances = np.array([0.1, 0.9, *[0.8] * 8])
    same = np.array([True, True, *[False] * 8])
    assert verification.balanced_accuracy(distances, same, 0.5) == 0.75
