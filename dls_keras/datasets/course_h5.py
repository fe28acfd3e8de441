"""Read the image files of the course, such as train_signs.h5 and test_happy.h5."""

from pathlib import Path

import h5py
import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError

SIZE = 64  # height and width of an image, in pixels


def read(remote: files.Remote) -> tuple[np.ndarray, np.ndarray]:
    """The images (m, 64, 64, 3) uint8 and labels (m,) int64 of a file, found by name.

    Raises:
        MissingFileError: if it is not found and cannot be downloaded.
        InputError: if it is damaged or holds something else.
    """
    path, name = files.find_data(remote), Path(remote.name).name
    part, _, _ = name.partition("_")  # "train" or "test"
    try:
        with h5py.File(path) as file:
            x, y = file[f"{part}_set_x"][()], file[f"{part}_set_y"][()]
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path} is not the course's {name} ({error}); it is "
            f"{files.what_is(path)}. Delete it and download it again."
        ) from error
    if x.shape != (y.size, SIZE, SIZE, 3):
        raise InputError(
            f"{path} holds images of shape {x.shape}, expected ({y.size}, {SIZE}, "
            f"{SIZE}, 3). Use the course's {name}."
        )
    return x, y.astype("int64").ravel()
