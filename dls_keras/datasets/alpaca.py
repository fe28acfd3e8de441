"""Alpacas, and other animals: photos of both in two folders, and drawn ones.

The course's set (C4 W2): 142 photos of alpacas (and llamas, vicunas, guanacos) and
185 of other animals, mostly bears, ostriches, giraffes, camels and red pandas. The
course reads them with `keras.utils.image_dataset_from_directory`, whose split is
repeated here: 262 photos to learn from and 65 to validate on, the same ones.
File names are those of Open Images (photos listed there as CC BY 2.0); the folder as
a whole states no licence. `make_alpacas` draws a stand-in.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files, images
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets.draw import animals

CLASSES = ("alpaca", "not alpaca")  # the names of the folders, in order
SIZE = 160  # height and width to which the course stretches a photo, in pixels
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # what Keras's loader takes


class Alpacas(NamedTuple):
    """Pictures (m, size, size, 3) uint8 RGB and labels (m,) int64, 0 for an alpaca."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray


def load_alpacas(path: str | Path | None = None, *, size: int = SIZE) -> Alpacas:
    """The course's photos, stretched to `size`: 262 to learn from, 65 to validate on.

    Args:
        path: the folder that holds `CLASSES` as folders; by default the folder
            alpaca below `$DLS_KERAS_DATA` or the user's cache.

    Raises:
        MissingFileError: if there is no such folder.
        InputError: if a folder has no photos, or one of them cannot be read.
    """
    parts = [*split(photos(path))]
    arrays = []
    for names, labels in parts:
        x = np.empty((len(names), size, size, 3), "uint8")
        for picture, name in zip(x, names, strict=True):
            picture[:] = np.rint(images.resized(name, size, size) * 255)
        arrays += [x, np.array(labels, "int64")]
    return Alpacas(*arrays)


def photos(path: str | Path | None = None) -> tuple[list[Path], list[int]]:
    """The photos' paths and labels, class by class, names in order.

    Raises:
        MissingFileError, InputError: as `load_alpacas`.
    """
    folder = Path(path) if path is not None else _folder()
    names: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(CLASSES):
        if not (folder / name).is_dir():
            raise MissingFileError(
                f"{folder} has no folder {name!r}. Expected the course's two folders "
                f"of photos, {' and '.join(map(repr, CLASSES))}."
            )
        found = [p for p in (folder / name).iterdir() if p.suffix.lower() in SUFFIXES]
        if not found:
            raise InputError(
                f"{folder / name} holds no pictures ({', '.join(SUFFIXES)}). "
                "Fetch the photos again."
            )
        names += sorted(found)
        labels += [label] * len(found)
    return names, labels


def split(photos: tuple, *, validation_split: float = 0.2, seed: int = 42) -> tuple:
    """(names, labels) shuffled and cut in two, as Keras's directory loader does.

    With the defaults these are the two parts of the course: the last fifth, rounded
    down, of one shuffle under NumPy's legacy generator is the validation part.
    """
    order = np.arange(len(photos[0]))
    np.random.RandomState(seed).shuffle(order)
    cut = len(order) - int(validation_split * len(order))
    return tuple(
        tuple([values[i] for i in part] for values in photos)
        for part in (order[:cut], order[cut:])
    )


def make_alpacas(m: int, *, seed: int = 0, size: int = SIZE) -> tuple:
    """m drawn animals: x (m, size, size, 3) uint8 and y (m,) int64, classes in turn.

    Every other one is an alpaca; the rest are bears, ostriches, giraffes and camels.
    Picture i is the same whatever m is. About 40 pictures a second on one CPU core.
    """
    x = np.empty((m, size, size, 3), "uint8")
    y = np.arange(m) % 2
    for i, label in enumerate(y):
        rng = np.random.default_rng([seed, i])
        kind = rng.choice([*animals.OTHERS]) if label else "alpaca"
        x[i] = animals.scene(kind, rng, size)
    return x, y


def _folder() -> Path:
    """The folder of the photos, in `$DLS_KERAS_DATA` or in the cache."""
    folders = [files.data_folder(), files.home() / "data"]
    for folder in filter(None, folders):
        if (folder / "alpaca").is_dir():
            return folder / "alpaca"
    raise MissingFileError(
        "The course's photos of alpacas are not here, and cannot be downloaded as one "
        f"file. Put the folders {' and '.join(map(repr, CLASSES))} into "
        f"{(folders[0] or folders[1]) / 'alpaca'}: they are dataset/ of "
        "github.com/phunggiahuy159/alpaca-classifier (commit bd6e4287683e) or Kaggle's "
        "sid4sal/alpaca-dataset-small. Or draw alpacas with "
        "dls_keras.datasets.alpaca.make_alpacas."
    )
