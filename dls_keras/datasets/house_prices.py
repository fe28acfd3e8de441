"""Houses with their sizes and prices, made up."""

from typing import NamedTuple

import numpy as np

SLOPE, INTERCEPT = 3.0, 50.0  # thousand euros a square metre, thousand euros


class Houses(NamedTuple):
    """m houses."""

    x: np.ndarray  # (m,) float64, sizes in square metres, in [40, 200)
    y: np.ndarray  # (m,) float64, prices in thousand euros


def make_houses(m: int = 100, *, noise: float = 40.0, seed: int = 0) -> Houses:
    """m houses whose prices scatter around INTERCEPT + SLOPE times their size.

    Args:
        noise: standard deviation of the scatter, in thousand euros.
    """
    rng = np.random.default_rng(seed)
    x = rng.uniform(40, 200, m)
    return Houses(x, INTERCEPT + SLOPE * x + noise * rng.normal(size=m))
