"""Happy House: photos of people at a door, happy or not.

The course's data set, 64 x 64 RGB: 600 training photos and 150 test photos of the same
few people, taken in bursts. Licence: none stated. `load_smiles` reads 3000 grey images
of other faces, smiling or not, and `make_happy` makes synthetic faces.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files, readers
from dls_keras.datasets import course_h5
from dls_keras.datasets.draw import faces as draw_faces

CLASSES = ("not happy", "happy")
SIZE = 64  # pixels along each side of a photo

TRAIN = files.Remote(
    name="happy/train_happy.h5",  # 7,379,760 bytes
    url="https://raw.githubusercontent.com/cristian904/happy-house-dataset/"
    "405dd988c204597434a0d9789761ee223016666b/dataset/train_happy.h5",
    sha256="65cbc8a1b83b0b8fa76026f37ba6421a8a29f90a223c31799a1d808bc7d19566",
)
TEST = files.Remote(
    name="happy/test_happy.h5",
    url="https://raw.githubusercontent.com/abdur75648/"
    "Deep-Learning-Specialization-Coursera/cd9cb9a20b62aa2e1fbe52766a09f12edbb19001/"
    "Convolutional%20Neural%20Networks/week4/1%20Face_Recognition/datasets/"
    "test_happy.h5",
    sha256="5e23db2f28769de83214dce1411e651489d713f9e1ec5d1ca6a61b6222115add",
)
# A random sample of SMILEsmileD, which states no licence ("open source project"):
# smile/*.jpg and no_smile/*.jpg, 1500 each; a few have wrong labels.
SMILES = files.Remote(
    name="happy/smiles_64x64_jpg.zip",
    sha256="99091097f0c0ae7fcbe6b965b782a186d94e59ed6c6239d2953d0b0d370713e2",
    instead="Run `git clone https://github.com/hromi/SMILEsmileD` (commit 6afac66), "
    "zip 1500 JPEGs of SMILEs/positives/positives7 as smile/ and 1500 of "
    "SMILEs/negatives/negatives7 as no_smile/, and put the archive at "
    "$DLS_KERAS_DATA/happy/smiles_64x64_jpg.zip, or use the synthetic faces of "
    "`make_happy`.",
)


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


def load_happy() -> Happy:
    """The course's photos: 600 for training, 150 for testing.

    They are read from `$DLS_KERAS_DATA/happy`, from the user's cache, or downloaded. If
    that folder holds only test_happy.h5, the training photos are not downloaded, and
    `x` has shape (0, 64, 64, 3).

    Raises:
        MissingFileError: if they are not found and cannot be downloaded.
        InputError: if a file is damaged or holds something else.
    """
    x_test, y_test = course_h5.read(TEST, classes=len(CLASSES))
    if files.in_data_folder(TEST.name) and not files.in_data_folder(TRAIN.name):
        return Happy(x_test[:0], y_test[:0], x_test, y_test)
    x, y = course_h5.read(TRAIN, classes=len(CLASSES))
    return Happy(x, y, x_test, y_test)


def load_smiles(path: str | Path | None = None) -> Smiles:
    """3000 close-up faces, alternately not smiling and smiling.

    Args:
        path: the archive; by default `$DLS_KERAS_DATA/happy/smiles_64x64_jpg.zip`.

    Raises:
        MissingFileError: if the archive is missing; the message says how to make it.
        InputError: if it is damaged or holds something else.
    """
    path = files.find_data(SMILES, path)
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
