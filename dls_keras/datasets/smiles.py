"""Happy House: photos of people at a door, happy or not.

The course's data set, 64 x 64 RGB: 600 training photos and 150 test photos of the same
few people, taken in bursts. Licence: none stated. `load_smiles` reads 3000 grey images
of other faces, smiling or not, and `make_happy` makes synthetic faces.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import readers
from dls_keras.datasets import catalog, course_h5
from dls_keras.datasets.draw import faces as draw_faces

CLASSES = ("not happy", "happy")
SIZE = 64  # pixels along each side of a photo

SYNTHETIC = (300, 150)  # faces in place of the training and the test photos
TRAIN, TEST = catalog.DATA_SETS["happy"].files
# A random sample of SMILEsmileD: smile/*.jpg and no_smile/*.jpg, 1500 each; a few have
# wrong labels.
(SMILES,) = catalog.DATA_SETS["smiles"].files


class Happy(NamedTuple):
    """The course's photos, (m, 64, 64, 3) uint8 RGB; labels (m,) int64, 1 is happy."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


class Smiles(NamedTuple):
    """Faces, (m, 64, 64) uint8 grey; labels (m,) int64, 1 is smiling."""

    x: np.ndarray
    y: np.ndarray


class SyntheticHappy(NamedTuple):
    """Synthetic faces, (m, 64, 64, 3) uint8 RGB; labels (m,) int64, 1 is happy."""

    x: np.ndarray
    y: np.ndarray


def load_happy(*, synthetic: bool = False) -> Happy:
    """The course's photos: 600 for training, 150 for testing.

    They are read from `$DLS_KERAS_DATA/happy` or from the user's cache. If there is
    only test_happy.h5, `x` has shape (0, 64, 64, 3).

    Args:
        synthetic: faces of `make_happy` in their place, which need no files.

    Raises:
        MissingFileError: if they are not on this machine.
        InputError: if a file is damaged or holds something else.
    """
    if synthetic:
        train, test = make_happy(SYNTHETIC[0]), make_happy(SYNTHETIC[1], seed=10_001)
        return Happy(*train, *test)
    x_test, y_test = course_h5.read(TEST, classes=len(CLASSES))
    if not catalog.place(TRAIN):
        return Happy(x_test[:0], y_test[:0], x_test, y_test)
    x, y = course_h5.read(TRAIN, classes=len(CLASSES))
    return Happy(x, y, x_test, y_test)


def load_smiles(path: str | Path | None = None) -> Smiles:
    """3000 close-up faces, alternately not smiling and smiling.

    Args:
        path: the archive; by default happy/smiles_64x64_jpg.zip in `$DLS_KERAS_DATA` or
            in the cache.

    Raises:
        MissingFileError: if the archive is missing.
        InputError: if it is damaged or holds something else.
    """
    path = catalog.find(SMILES, path)
    parts = []
    with readers.opened_zip(path, "the archive of smiles") as archive:
        for kind in ("no_smile/", "smile/"):
            names = sorted(n for n in archive.namelist() if n.startswith(kind))
            parts.append(course_h5.read_photos(archive, names, "L"))
    m = min(map(len, parts))
    faces = np.stack([part[:m] for part in parts], axis=1)  # (m, 2, 64, 64)
    return Smiles(faces.reshape(-1, SIZE, SIZE), np.arange(2 * m) % 2)


def make_happy(m: int, *, seed: int = 0) -> SyntheticHappy:
    """m synthetic faces of different people, alternately not happy and happy.

    Happy faces smile, with or without visible teeth; the others look neutral, scowl or
    talk. Image i does not depend on m.
    """
    rng = np.random.default_rng(seed)
    y = np.arange(m) % 2
    x = np.empty((m, SIZE, SIZE, 3), "uint8")
    for i, happy in enumerate(y):
        smile = rng.uniform(0.5, 1) if happy else rng.uniform(-1, 0.1)
        identity, picture = rng.integers(2**31, size=2)
        x[i] = draw_faces.face(identity, size=SIZE, smile=smile, seed=picture)
    return SyntheticHappy(x, y)
