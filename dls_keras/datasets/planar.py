"""Points of the plane in classes: flower, circles, moons, blobs, quantiles, football.

All but the football points are synthetic. The course generated them with scikit-learn
and NumPy's global random generator. The functions below use the same algorithms and a
legacy generator of the same seed, so that with the defaults the points are those of
the course, in the same order. Courses 1 and 2 keep points as columns, (2, m).
"""

from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from dls_keras.core import readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog

Seed = int | np.random.RandomState | ModuleType

(FOOTBALL,) = catalog.DATA_SETS["football"].files


class Points(NamedTuple):
    """m points and the class of each."""

    x: np.ndarray  # (2, m) float64
    y: np.ndarray  # (1, m) int64, from 0


class Football(NamedTuple):
    """Positions where a ball came down and who headed it: training and test points."""

    x: np.ndarray  # (2, 211) float64, positions on the field
    y: np.ndarray  # (1, 211) int64, 1 for the French team; 106 of them
    x_test: np.ndarray  # (2, 200) float64
    y_test: np.ndarray  # (1, 200) int64; 87 of them


def load_football(
    path: str | Path | None = None, *, synthetic: bool = False
) -> Football:
    """The points of "French football corporation", course 2's lesson on dropout.

    Args:
        path: french_football.npz; by default the one in `$DLS_KERAS_DATA/courses12`
            or in the cache.
        synthetic: two moons in their place, with as many points, from `make_moons`.

    Raises:
        MissingFileError: if the file is in none of these places.
        InputError: if it is damaged or has other contents.
    """
    if synthetic:
        train, test = make_moons(211, noise=0.35), make_moons(200, noise=0.35, seed=4)
        return Football(*train, *test)
    path = catalog.find(FOOTBALL, path)
    names = "X", "y", "Xval", "yval"
    arrays = readers.read_npz(
        path, "the file of football points", names, limit=readers.MEGABYTE
    )
    columns = []
    for points, labels, m in (("X", "y", 211), ("Xval", "yval", 200)):
        x = arrays[points]
        if x.shape != (m, 2) or x.dtype.kind not in "iuf":
            raise InputError(
                f"{path} holds {points} of shape {x.shape} and type {x.dtype}, "
                f"expected ({m}, 2) float64. Use the course's file."
            )
        y = readers.whole_numbers(arrays[labels], (m, 1), 1, labels, path)
        columns += [x.astype("float64", copy=False).T, y.astype("int64").T]
    return Football(*columns)


# The `seed` of each generator below is an integer or a generator: a `RandomState`, or
# `np.random` itself for NumPy's global one.


def make_flower(m: int = 400, *, seed: Seed = 1) -> Points:
    """A flower of eight petals, red (0) and blue (1): course 1's planar data.

    Each class consists of m // 2 points along half of the curve r = 4 sin(4 t), with
    noise in angle and radius.
    """
    rng = _generator(seed)
    x = []
    for start in (0, 3.12):  # the course's approximation of pi
        t = np.linspace(start, start + 3.12, m // 2) + rng.randn(m // 2) * 0.2
        r = 4 * np.sin(4 * t) + rng.randn(m // 2) * 0.2
        x.append([r * np.sin(t), r * np.cos(t)])
    return Points(np.hstack(x), np.repeat([[0, 1]], m // 2, axis=1))


def make_circles(
    m: int = 300, *, noise: float = 0.05, factor: float = 0.8, seed: Seed = 1
) -> Points:
    """The unit circle (0) around a circle of radius `factor` (1), shuffled.

    The defaults are course 2's training points; its test points are
    `make_circles(100, seed=2)`.

    Args:
        noise: standard deviation of the noise in each coordinate.
    """
    outer, inner = (
        np.linspace(0, 2 * np.pi, n, endpoint=False) for n in (m // 2, m - m // 2)
    )
    x = np.hstack([_circle(outer), factor * _circle(inner)])
    return _shuffled(x, (m // 2, m - m // 2), _generator(seed), noise)


def make_moons(m: int = 300, *, noise: float = 0.2, seed: Seed = 3) -> Points:
    """Two interleaving half circles, shuffled.

    The defaults are course 2's points for the comparison of optimizers.

    Args:
        noise: standard deviation of the noise in each coordinate.
    """
    outer, inner = (np.linspace(0, np.pi, n) for n in (m // 2, m - m // 2))
    x = np.hstack([_circle(outer), 1 - _circle(inner) - [[0], [0.5]]])
    return _shuffled(x, (m // 2, m - m // 2), _generator(seed), noise)


def make_blobs(m: int = 200, *, classes: int = 6, seed: Seed = 5) -> Points:
    """Gaussian clusters of variance 1, one per class, shuffled.

    Their centres are uniform in [-10, 10] x [-10, 10].
    """
    rng = _generator(seed)
    counts = [m // classes + (k < m % classes) for k in range(classes)]
    centres = rng.uniform(-10, 10, size=(classes, 2))
    x = [
        rng.normal(centre, 1, size=(count, 2))
        for centre, count in zip(centres, counts, strict=True)
    ]
    return _shuffled(np.vstack(x).T, counts, rng)


def make_quantiles(
    m: int = 200, *, classes: int = 2, variance: float = 0.5, seed: Seed = 0
) -> Points:
    """One Gaussian cluster around the origin, divided into rings of equal size.

    Class 0 is the innermost ring; the last one also has the remaining points. m is at
    least `classes`.

    Args:
        variance: of each coordinate.
    """
    rng = _generator(seed)
    cluster = rng.multivariate_normal(np.zeros(2), variance * np.eye(2), m)
    x = cluster[np.argsort(np.sum(cluster**2, axis=1))]
    step = m // classes
    counts = [step] * (classes - 1) + [m - step * (classes - 1)]
    return _shuffled(x.T, counts, rng)


def make_grid(extent: tuple[float, float, float, float], side: int = 120) -> np.ndarray:
    """The points of a regular grid over a rectangle, (2, side, side), bottom row first.

    Args:
        extent: left, right, bottom, top.
    """
    left, right, bottom, top = extent
    x, y = np.linspace(left, right, side), np.linspace(bottom, top, side)
    return np.stack(np.meshgrid(x, y))


def _generator(seed):
    return np.random.RandomState(seed) if isinstance(seed, int | np.integer) else seed


def _circle(t):
    """The points of the unit circle at the angles t, (2, n)."""
    return np.stack([np.cos(t), np.sin(t)])


def _shuffled(x, counts, rng, noise=0.0):
    """Points that are sorted by class, shuffled, and then with noise."""
    y = np.repeat(np.arange(len(counts)), counts)
    order = np.arange(len(y))
    rng.shuffle(order)
    x = x[:, order]
    if noise:
        # scikit-learn keeps points as rows and samples in that order; so the transpose.
        x = x + rng.normal(scale=noise, size=(len(y), 2)).T
    return Points(x, y[np.newaxis, order])
