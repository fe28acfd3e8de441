"""Points of the plane in classes: a flower, circles, moons, blobs, quantiles, football.

All but the football are generated. The course made them with scikit-learn on NumPy's
global generator; the same algorithms draw here from a legacy generator of the same
seed, so that with the defaults the points are the course's own, in its order.
They come as courses 1 and 2 use them: a point is a column.
"""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError

# From the Deep Learning Specialization, course 2; licence: none stated.
FOOTBALL = files.Remote(
    name="courses12/french_football.npz",  # 6,511 bytes
    sha256="5f80ad5229ab1c4f71b17ce34c1b398359b3b83254478dfc8f50bec0d7e0c2f0",
    instead=(
        "Run `git clone https://github.com/abdur75648/"
        "Deep-Learning-Specialization-Coursera` (commit cd9cb9a), take data.mat of "
        "course 2's regularization (sha256 1218828095bf91d215622d00b2a5b8784c359e29d9"
        "d9c5734949b8e60c5bc231), read it with scipy.io.loadmat and save its X, y, "
        "Xval and yval with np.savez at $DLS_KERAS_DATA/courses12/french_football.npz;"
        " `make_moons` is a stand-in."
    ),
)


class Points(NamedTuple):
    """m points and the class of each."""

    x: np.ndarray  # (2, m) float64
    y: np.ndarray  # (1, m) int64, from 0


class Football(NamedTuple):
    """Where balls came down and who headed them, to learn from and to test on."""

    x: np.ndarray  # (2, 211) float64, places on the field
    y: np.ndarray  # (1, 211) int64, 1 for the French team; 106 of them
    x_test: np.ndarray  # (2, 200) float64
    y_test: np.ndarray  # (1, 200) int64; 87 of them


def load_football(path: str | Path | None = None) -> Football:
    """The points of "French football corporation", course 2's lesson on dropout.

    Args:
        path: french_football.npz; None looks in `$DLS_KERAS_DATA/courses12`, then
            in the cache.

    Raises:
        MissingFileError: if the file is in none of these places.
        InputError: if it is damaged or holds something else.
    """
    path = files.find_data(FOOTBALL, path)
    try:
        with open(path, "rb") as file:
            arrays = np.load(file)
            x, y, x_test, y_test = (arrays[k].T for k in ("X", "y", "Xval", "yval"))
    except (OSError, ValueError, LookupError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} does not hold the football points ({error}); it is "
            f"{files.what_is(path)}. Take another copy."
        ) from error
    if (x.shape, y.shape, x_test.shape) != ((2, 211), (1, 211), (2, 200)):
        raise InputError(
            f"{path} holds X {x.T.shape}, y {y.T.shape} and Xval {x_test.T.shape}, "
            "expected (211, 2), (211, 1) and (200, 2). Take the course's file."
        )
    return Football(x, y.astype("int64"), x_test, y_test.astype("int64"))


# Each of the generators below takes as `seed` an integer, or what there is to draw
# on: a `RandomState`, or `np.random` itself for NumPy's global generator.


def make_flower(m: int = 400, *, seed=1) -> Points:
    """A flower of eight petals, red (0) and blue (1): course 1's planar data.

    Each class follows half of the curve r = 4 sin(4 t), m // 2 points whose angle
    and radius are a little off.
    """
    draw = _generator(seed)
    x = []
    for start in (0, 3.12):  # 3.12 radians: the course's half turn
        t = np.linspace(start, start + 3.12, m // 2) + draw.randn(m // 2) * 0.2
        r = 4 * np.sin(4 * t) + draw.randn(m // 2) * 0.2
        x.append([r * np.sin(t), r * np.cos(t)])
    return Points(np.hstack(x), np.repeat([[0, 1]], m // 2, axis=1))


def make_circles(
    m: int = 300, *, noise: float = 0.05, factor: float = 0.8, seed=1
) -> Points:
    """The unit circle (0) around one of radius `factor` (1), in any order.

    The defaults are course 2's points to learn from; its points to test on are
    `make_circles(100, seed=2)`.

    Args:
        noise: standard deviation of what is added to each coordinate.
    """
    outer, inner = (
        np.linspace(0, 2 * np.pi, n, endpoint=False) for n in (m // 2, m - m // 2)
    )
    x = np.hstack([_circle(outer), factor * _circle(inner)])
    return _mixed(x, (m // 2, m - m // 2), _generator(seed), noise)


def make_moons(m: int = 300, *, noise: float = 0.2, seed=3) -> Points:
    """Two half circles that reach into each other, in any order.

    The defaults are course 2's points for the comparison of optimisers.

    Args:
        noise: standard deviation of what is added to each coordinate.
    """
    outer, inner = (np.linspace(0, np.pi, n) for n in (m // 2, m - m // 2))
    x = np.hstack([_circle(outer), 1 - _circle(inner) - [[0], [0.5]]])
    return _mixed(x, (m // 2, m - m // 2), _generator(seed), noise)


def make_blobs(m: int = 200, *, classes: int = 6, seed=5) -> Points:
    """A class around each of several places in [-10, 10] x [-10, 10], spread 1."""
    draw = _generator(seed)
    counts = [m // classes + (k < m % classes) for k in range(classes)]
    centres = draw.uniform(-10, 10, size=(classes, 2))
    x = [
        draw.normal(centre, 1, size=(count, 2))
        for centre, count in zip(centres, counts, strict=True)
    ]
    return _mixed(np.vstack(x).T, counts, draw)


def make_quantiles(
    m: int = 200, *, classes: int = 2, variance: float = 0.5, seed=0
) -> Points:
    """One cloud around the origin, cut into rings of equally many points.

    Class 0 is the innermost, and the last takes the points that are left over; m is
    at least `classes`.

    Args:
        variance: of each coordinate.
    """
    draw = _generator(seed)
    cloud = draw.multivariate_normal(np.zeros(2), variance * np.eye(2), m)
    x = cloud[np.argsort(np.sum(cloud**2, axis=1))]
    step = m // classes
    counts = [step] * (classes - 1) + [m - step * (classes - 1)]
    return _mixed(x.T, counts, draw)


def _generator(seed):
    return np.random.RandomState(seed) if isinstance(seed, int | np.integer) else seed


def _circle(t):
    """The points of the unit circle at the angles t, (2, n)."""
    return np.stack([np.cos(t), np.sin(t)])


def _mixed(x, counts, draw, noise=0.0):
    """Points that stand class by class, shuffled, and then each moved a little."""
    y = np.repeat(np.arange(len(counts)), counts)
    order = np.arange(len(y))
    draw.shuffle(order)
    x = x[:, order]
    if noise:
        # Drawn point by point, as rows; so the transpose.
        x = x + draw.normal(scale=noise, size=(len(y), 2)).T
    return Points(x, y[np.newaxis, order])
