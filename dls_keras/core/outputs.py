"""Results of long work: finite numbers, which a full disk does not lose.

A training has diverged once its loss or a weight is NaN or infinite: what follows is
not finite either. `check_loss` and `check_finite` stop there, before a file is written.
`write_or_rescue` writes a result, into the temporary folder if its path fails.
"""

import math
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dls_keras.core import readers
from dls_keras.core.errors import InputError

NOT_SAVED = "It is not saved; train again with a smaller learning rate."


def check_loss(loss: float, epoch: int) -> None:
    """Raise InputError if the loss of an epoch, counted from 1, is NaN or infinite."""
    if not math.isfinite(loss):
        raise InputError(
            f"The training diverged: the loss of epoch {epoch} is {loss}, expected a "
            "finite number. Its weights are not saved; train again with a smaller "
            "learning rate."
        )


def check_finite(array: np.ndarray, name: str) -> None:
    """Raise InputError if an array of floats has NaN or values beyond float32."""
    readers.checked_numbers(array, name, NOT_SAVED)


def write_or_rescue(write: Callable[[Path], Any], path: str | Path, what: str) -> None:
    """Call `write` with `path`; if that fails, with a path in the temporary folder.

    Args:
        what: the beginning of a sentence that ends with the path, such as "The
            weights are in".

    Raises:
        InputError: if `path` cannot be written. It says where the result is, unless
            the temporary folder cannot be written, either.
    """
    path = Path(path)
    try:
        write(path)
    except (InputError, OSError) as error:
        elsewhere = _written_elsewhere(write, path.name)
        if elsewhere is None:
            raise
        raise InputError(f"{error} {what} {elsewhere}.") from error


def _written_elsewhere(write, name):
    """The path of the result in a new temporary folder, or None if that fails, too."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="dls-keras-"))
    except OSError:
        return None
    try:
        write(folder / name)
    except (InputError, OSError):
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return folder / name
