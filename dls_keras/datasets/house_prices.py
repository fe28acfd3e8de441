"""Synthetic houses with sizes and prices."""

from typing import NamedTuple

import numpy as np

SLOPE = 3.0  # thousand euros per square metre
INTERCEPT = 50.0  # thousand euros


class Houses(NamedTuple):
    """m houses."""

    x: np.ndarray  # (m,) float64, sizes in square metres, in [40, 200)
    y: np.ndarray  # (m,) float64, prices in thousand euros


def make_houses(m: int = 100, *, noise: float = 40.0, seed: int = 0) -> Houses:
    """m houses with prices INTERCEPT + SLOPE * size + Gaussian noise.

    Args:
        noise: standard deviation of the noise, in thousand euros.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(40, 200, m)
    return Houses(x, INTERCEPT + SLOPE * x + noise * rng.normal(size=m))
