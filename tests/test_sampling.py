"""Sampling: frequencies, temperatures, and the mean of probabilities."""

import numpy as np
import pytest

from dls_keras.core import sampling
from dls_keras.core.errors import InputError


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_frequencies_are_proportional_to_p_to_the_one_over_temperature(temperature):
    """60,000 samples from four probabilities, one of them 0."""
    p = np.array([[0.1], [0.6], [0.0], [0.3]])
    rng = np.random.default_rng(0)
    sampled = sampling.categorical(np.repeat(p, 60_000, 1), temperature, rng)
    expected = p[:, 0] ** (1 / temperature)
    frequencies = np.bincount(sampled, minlength=4) / 60_000
    assert frequencies[2] == 0
    # Four standard deviations of a frequency, which are at most 0.002 each.
    np.testing.assert_allclose(frequencies, expected / expected.sum(), atol=0.0085)


@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 5e-324])
def test_a_temperature_near_zero_gives_the_argmax(temperature):
    """Down to the smallest float, without an overflow."""
    p = np.random.default_rng(1).dirichlet(np.ones(9), size=100).T
    sampled = sampling.categorical(p, temperature, np.random.default_rng(2))
    np.testing.assert_array_equal(sampled, p.argmax(axis=0))


@pytest.mark.parametrize("temperature", [0, -1.0, np.nan, np.inf])
def test_an_invalid_temperature_is_refused(temperature):
    """The message states the range and a value to try."""
    with pytest.raises(InputError, match="above 0; received .*Try 1"):
        sampling.categorical(np.ones((2, 1)), temperature, np.random.default_rng(0))


def test_the_geometric_mean_is_the_inverse_of_the_perplexity():
    """Over all entries, whatever the lengths of the arrays."""
    p = [np.array([0.1, 0.9, 0.4]), np.array([0.2])]
    perplexity = np.exp(-np.mean(np.log([0.1, 0.9, 0.4, 0.2])))
    assert sampling.geometric_mean(p) == pytest.approx(1 / perplexity)
