"""Sampling from the probabilities that a model predicts."""

from collections.abc import Sequence

import numpy as np

from dls_keras.core.errors import InputError


def categorical(
    p: np.ndarray, temperature: float, rng: np.random.Generator
) -> np.ndarray:
    """Sample one index per column of p, in proportion to p^(1/temperature).

    With independent numbers E_i from the exponential distribution, q_i / E_i is largest
    at index i with probability q_i / sum(q). So one argmax samples a whole batch (the
    Gumbel-max trick without its logarithms).

    Args:
        p: (n, m) probabilities, some of which may be 0; a column need not sum to one.
        temperature: 1 samples from p itself; below 1 likely indices become likelier.
        rng: the generator of the random numbers.

    Returns:
        (m,) indices of the n rows.

    Raises:
        InputError: if the temperature is not a finite number above 0.
    """
    if not (temperature > 0 and np.isfinite(temperature)):
        raise InputError(
            f"The temperature must be a finite number above 0; received {temperature}. "
            "Try 1, or 0.5 to prefer what is likelier."
        )
    q = (p / p.max(axis=0)) ** (1 / max(temperature, 1e-300))
    return np.argmax(q / rng.standard_exponential(q.shape), axis=0)


def geometric_mean(probabilities: Sequence[np.ndarray]) -> float:
    """The geometric mean of all numbers in some arrays, 1 / their perplexity.

    >>> round(geometric_mean([np.array([0.5, 0.5]), np.array([0.125, 0.125])]), 3)
    0.25
    """
    return float(np.exp(np.mean(np.log(np.concatenate(probabilities)))))
