"""Alpacas and other animals: the course's photos, and synthetic images.

The course's data set (C4 W2) has 142 photos of alpacas (and llamas, vicunas, guanacos)
and 185 of other animals, mostly bears, ostriches, giraffes, camels and red pandas. The
course reads it with `keras.utils.image_dataset_from_directory`; its split is reproduced
here: the same 262 photos for training and 65 for validation. File names are those of
Open Images (photos listed there as CC BY 2.0); the folder as a whole states no licence.
`make_alpacas` makes synthetic images, for use without the photos.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import images
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import catalog
from dls_keras.datasets.draw import animals

CLASSES = ("alpaca", "not alpaca")  # the names of the folders, in order
SIZE = 160  # height and width to which the course resizes a photo, in pixels
SYNTHETIC = (128, 64)  # images in place of the training and the validation photos
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # those Keras's loader reads


class Alpacas(NamedTuple):
    """Images (m, size, size, 3) uint8 RGB and labels (m,) int64, 0 for an alpaca."""

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray


def load_alpacas(
    path: str | Path | None = None, *, size: int = SIZE, synthetic: bool = False
) -> Alpacas:
    """The course's photos: 262 for training, 65 for validation.

    Args:
        path: the folder that contains the folders `CLASSES`; default: the folder
            alpaca in `$DLS_KERAS_DATA`, else in the user's cache.
        size: height and width to which photos are resized, in pixels; their aspect
            ratio is not kept.
        synthetic: images of `make_alpacas` in their place, which need no files.

    Raises:
        MissingFileError: if there is no such folder.
        InputError: if a folder has no photos, or a photo cannot be read.
    """
    if synthetic:
        train = make_alpacas(SYNTHETIC[0], size=size, seed=10_001)
        return Alpacas(*train, *make_alpacas(SYNTHETIC[1], size=size, seed=10_002))
    arrays = []
    for names, labels in split(photos(path)):
        x = np.empty((len(names), size, size, 3), "uint8")
        for picture, name in zip(x, names, strict=True):
            picture[:] = np.rint(images.resized(name, size, size) * 255)
        arrays += [x, np.array(labels, "int64")]
    return Alpacas(*arrays)


def photos(path: str | Path | None = None) -> tuple[list[Path], list[int]]:
    """The paths and labels of the photos, sorted by class, then by name.

    Raises:
        MissingFileError, InputError: as in `load_alpacas`.
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
                f"{folder / name} contains no photos ({', '.join(SUFFIXES)}). "
                "Fetch them again."
            )
        names += sorted(found)
        labels += [label] * len(found)
    return names, labels


def split(
    photos: tuple[Sequence, Sequence], *, validation_split: float = 0.2, seed: int = 42
) -> tuple[tuple[list, list], tuple[list, list]]:
    """Shuffle (paths, labels) and split them as Keras's directory loader does.

    The defaults are those of the course. The last part of the photos, shuffled by
    NumPy's legacy generator, is for validation: `validation_split` of them, rounded
    down.

    Returns:
        (paths, labels) for training and (paths, labels) for validation.
    """
    order = np.arange(len(photos[0]))
    np.random.RandomState(seed).shuffle(order)
    cut = len(order) - int(validation_split * len(order))
    names, labels = photos
    train, validation = (
        ([names[i] for i in part], [labels[i] for i in part])
        for part in (order[:cut], order[cut:])
    )
    return train, validation


def make_alpacas(
    m: int, *, seed: int = 0, size: int = SIZE
) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic images of animals: x (m, size, size, 3) uint8 RGB and y (m,) int64.

    Images 0, 2, 4, ... show alpacas; the others bears, ostriches, giraffes and camels.
    Image i does not depend on m. About 40 images per second on one CPU core.
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
    folders = catalog.places("alpacas")
    if not folders:
        raise catalog.missing("alpacas")
    return folders[0].parent
