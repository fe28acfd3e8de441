"""SIGNS: photos of a hand that shows 0, 1, 2, 3, 4 or 5.

The course's data set, 64 x 64 RGB: 1080 training images (180 per class) and 120 test
images (20 per class). Licence: none stated. `make_signs` makes synthetic images of
hands. Known leakage: 12 test images, all of a zero, have a near-duplicate among the
training images; `near_duplicates` finds them.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import readers
from dls_keras.datasets import catalog, course_h5
from dls_keras.datasets.draw import hands

CLASSES = ("0", "1", "2", "3", "4", "5")
# Root mean square difference of pixels, of 255, below which two images count as
# near-duplicates. Those of the 12 test images are below 4.6, the next one is at 6.2.
DUPLICATE_RMS = 5.5

SYNTHETIC = (1080, 120)  # images in place of the training and the test photos
TRAIN, TEST = catalog.DATA_SETS["signs"].files
# The same 1080 + 120 images as JPEG files, {train,val,test}_signs/{label}_IMG_{id}.jpg
# (CS230's copy); it does not preserve the order of train_signs.h5.
JPEGS = catalog.JPEGS.name
JPEG = re.compile(r"(?:train|val)_signs/([0-5])_.*\.jpg")


class Signs(NamedTuple):
    """Hand signs: images (m, 64, 64, 3) uint8 RGB and their labels (m,) int64."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_signs(*, synthetic: bool = False) -> Signs:
    """The course's images: 1080 for training, 120 for testing.

    They are read from `$DLS_KERAS_DATA/signs` (the h5 files, or the JPEG archive in
    place of train_signs.h5), or from the user's cache.

    Args:
        synthetic: images of `make_signs` in their place, which need no files.

    Raises:
        MissingFileError: if they are not on this machine.
        InputError: if a file is damaged or holds something else.
    """
    if synthetic:
        m, m_test = SYNTHETIC
        return Signs(*make_signs(m), *make_signs(m_test, seed=10_001))
    x_test, y_test = course_h5.read(TEST)
    archive = catalog.place(catalog.JPEGS)
    if archive and not catalog.place(TRAIN):
        x, y = _read_jpegs(archive)
    else:
        x, y = course_h5.read(TRAIN)
    return Signs(x, y, x_test, y_test)


def load_scaled(extra: int = 0, *, seed: int = 0, synthetic: bool = False) -> Signs:
    """The course's images as float32 in [0, 1].

    Args:
        extra: how many images of `make_signs` are appended to the training images.
        synthetic: as in `load_signs`.
    """
    data = load_signs(synthetic=synthetic)
    x, y = make_signs(extra, seed=seed)
    return Signs(
        np.concatenate([data.x, x]).astype("float32") / 255,
        np.concatenate([data.y, y]),
        data.x_test.astype("float32") / 255,
        data.y_test,
    )


def shuffle_if_sorted(data: Signs) -> Signs:
    """`data` with shuffled training images if they are sorted by class.

    The course's file is shuffled, its JPEG copy is sorted. Of eight orders that were
    tried, this one gives the training curves nearest to the printed ones.
    """
    if np.mean(data.y[1:] == data.y[:-1]) < 0.5:
        return data
    order = np.random.default_rng(5).permutation(len(data.y))
    return data._replace(x=data.x[order], y=data.y[order])


def near_duplicates(signs: Signs) -> np.ndarray:
    """Which test images have a near-duplicate in the training set: (m_test,) bool.

    Args:
        signs: uint8 images, or floats in [0, 255].
    """
    train = signs.x.reshape(len(signs.x), -1).astype("float32")
    test = signs.x_test.reshape(len(signs.x_test), -1).astype("float32")
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, in float64 since it cancels.
    squares = (
        np.square(test, dtype="float64").sum(1)[:, None]
        + np.square(train, dtype="float64").sum(1)
        - 2 * (test.astype("float64") @ train.T.astype("float64"))
    )
    return np.sqrt(squares.min(1).clip(0) / test.shape[1]) < DUPLICATE_RMS


def make_signs(
    m: int, *, seed: int = 0, size: int = 64
) -> tuple[np.ndarray, np.ndarray]:
    """m synthetic images of hands, the classes 0 to 5 in turn.

    Image i does not depend on m.

    Returns:
        x: (m, size, size, 3) uint8, RGB.
        y: (m,) int64.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(m) % len(CLASSES)
    x = np.empty((m, size, size, 3), "uint8")
    for i, fingers in enumerate(y):
        x[i] = hands.hand(int(fingers), rng, size)
    return x, y


def _read_jpegs(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """The training images of the JPEG archive, sorted by name."""
    with readers.opened_zip(path, "the archive of the SIGNS photos") as archive:
        found = [m for m in map(JPEG.fullmatch, sorted(archive.namelist())) if m]
        x = course_h5.read_photos(archive, [match[0] for match in found], "RGB")
        return x, np.array([int(match[1]) for match in found], "int64")
