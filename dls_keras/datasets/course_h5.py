"""Read the course's image files, such as train_signs.h5, and archives of photos."""

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dls_keras.core import files, hdf5, images, readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog

SIZE = 64  # height and width of an image, in pixels
MOST_PHOTOS = 10_000  # of one kind in an archive


def read(remote: files.Remote, classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """The images (m, 64, 64, 3) uint8 and labels (m,) int64 of a file, found by name.

    Args:
        classes: labels are from 0 to classes - 1.

    Raises:
        MissingFileError: if it is not on this machine.
        InputError: if it is damaged or holds something else.
    """
    path, name = catalog.find(remote), Path(remote.name).name
    part, _, _ = name.partition("_")  # "train" or "test"
    advice = "Delete it and download it again."
    with hdf5.opened(path, f"the course's {name}", advice, remote=remote) as file:
        x, y = file.array(f"{part}_set_x"), file.array(f"{part}_set_y").ravel()
    return readers.labelled_images(x, y, (SIZE, SIZE, 3), classes, path)


def read_photos(
    archive: zipfile.ZipFile, names: Sequence[str], mode: str
) -> np.ndarray:
    """Photos in a zip archive: (m, 64, 64) uint8, or (m, 64, 64, 3) if RGB.

    Args:
        archive: in the block of `readers.opened_zip`, which explains the errors.
        names: those of the photos in the archive.
        mode: what Pillow calls the kind of the photos, "L" for grey or "RGB".

    Raises:
        ValueError: if there are no names, or more than 10,000.
        InputError: if a photo is damaged or has another size or mode.
    """
    if not 0 < len(names) <= MOST_PHOTOS:
        raise ValueError(f"it contains {len(names):,} such photos")
    path, photos = archive.filename, []
    for name in names:
        content = io.BytesIO(readers.member(archive, name, limit=readers.MEGABYTE))
        with images.opened(content, f"{name} in {path}") as photo:
            if photo.mode != mode or photo.size != (SIZE, SIZE):
                raise InputError(
                    f"{name} in {path} has {photo.width} x {photo.height} pixels in "
                    f"the mode {photo.mode}, expected {SIZE} x {SIZE} in {mode}. "
                    f"{readers.COPY}"
                )
            photos.append(np.asarray(photo))
    return np.stack(photos)
