"""Read HDF5 files of unknown origin, within bounds.

HDF5 may take arrays from other files of the machine (external links, external storage,
virtual data sets), link groups in circles, and declare terabytes in a kilobyte. Here
nothing is followed out of its place, and what a file declares is compared with its size
before it is read:

    with hdf5.opened("model.h5", "a weight file") as file:
        kernel = file.array("dense/kernel")

A damaged file can also crash the HDF5 library, or keep it in an endless loop. So
another process reads the whole file first: this module, run by `core.isolated`.
"""

import contextlib
import functools
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dls_keras.core import files, isolated, readers
from dls_keras.core.errors import InputError
from dls_keras.core.readers import COPY

DEEPEST = 20  # groups in groups
EXPANSION = 20  # bytes that a file may declare for each byte that it has


class File:
    """The groups, attributes and arrays of an open HDF5 file, read with bounds.

    Links to other places and other files are not followed, and arrays that lie in
    other files are not read. A `path` is that of a group or array in the file, such
    as "model_weights/dense"; "" is the file itself.
    """

    def __init__(self, file: h5py.File, path: Path):
        self._file, self.path = file, path
        self._size = path.stat().st_size
        self._most = min(readers.LARGEST, max(readers.MEGABYTE, EXPANSION * self._size))
        self._left = self._most

    def __contains__(self, path: str) -> bool:
        return self._find(path) is not None

    def groups(self, path: str = "") -> list[str]:
        """The names in a group."""
        return list(self._group(path))

    def array_paths(self) -> list[str]:
        """The paths of all arrays, in the order of the names."""
        return sorted(
            path for path, item in self._walk() if isinstance(item, h5py.Dataset)
        )

    def try_all(self) -> None:
        """Read every array and attribute, and forget it.

        What a reader refuses by an InputError is left to it, and so are types that
        NumPy does not have.
        """
        for path, _ in self._walk(strict=False):
            for read in (self.attributes, self.array):
                self._left = self._most
                with contextlib.suppress(InputError, TypeError):
                    read(path)

    def _walk(self, strict=True):
        """The paths and items of all groups and arrays.

        Args:
            strict: whether a link to another place, and a group that is met again or
                is nested too deep, raise InputError; else they are left out.
        """
        yield "", self._file
        seen = set()
        waiting = [("", self._file)]
        count = 0
        while waiting:
            prefix, group = waiting.pop()
            address = h5py.h5o.get_info(group.id).addr
            if address in seen or prefix.count("/") > DEEPEST:
                if not strict:
                    continue
                raise InputError(
                    f"{self.path} has a group with two names, or groups nested deeper "
                    f"than {DEEPEST}. {COPY}"
                )
            seen.add(address)
            count += len(group)
            if count > readers.MOST_ARRAYS:
                raise InputError(
                    f"{self.path} has more than {readers.MOST_ARRAYS:,} arrays and "
                    f"groups. {COPY}"
                )
            inner = []
            for name in group:
                if not strict and not _is_inside(group, name):
                    continue
                item = self._member(group, name)
                yield f"{prefix}{name}", item
                if isinstance(item, h5py.Group):
                    inner.append((f"{prefix}{name}/", item))
            waiting += reversed(inner)

    def attributes(self, path: str = "") -> dict[str, Any]:
        """The attributes of a group or array: numbers, text or arrays of them."""
        item = self._find(path)
        if item is None:
            raise InputError(f"{self.path} has no {path!r}. {COPY}")
        found = {}
        for name in item.attrs:
            attribute = item.attrs.get_id(name)
            self._spend(math.prod(attribute.shape) * attribute.dtype.itemsize, name)
            value = item.attrs[name]
            if not isinstance(value, h5py.Empty | h5py.Reference):
                found[name] = value
        return found

    def array(self, path: str) -> np.ndarray:
        """An array of finite numbers, or of bytes."""
        dataset = self._find(path)
        if not isinstance(dataset, h5py.Dataset):
            raise InputError(f"{self.path} has no array {path!r}. {COPY}")
        name = f"{path} in {self.path}"
        readers.check_kind(dataset.dtype, name)
        layout = dataset.id.get_create_plist()
        if layout.get_layout() == h5py.h5d.VIRTUAL or layout.get_external_count():
            raise InputError(f"{name} takes its numbers from another file. {COPY}")
        # Numbers in half precision are also copied to float32 when they are used.
        width = 6 if dataset.dtype == "f2" else dataset.dtype.itemsize
        self._spend(dataset.size * width, path)
        return readers.checked_numbers(np.asarray(dataset[()]), name)

    def arrays(self) -> dict[str, np.ndarray]:
        """All arrays by path."""
        return {path: self.array(path) for path in self.array_paths()}

    def _group(self, path):
        group = self._find(path)
        if not isinstance(group, h5py.Group):
            raise InputError(f"{self.path} has no group {path!r}. {COPY}")
        return group

    def _find(self, path):
        """The item at a path without links, or None."""
        item = self._file
        if path.count("/") > DEEPEST:
            return None
        for part in filter(None, path.split("/")):
            if not isinstance(item, h5py.Group) or part not in item:
                return None
            item = self._member(item, part)
        return item

    def _member(self, group, name):
        if not _is_inside(group, name):
            raise InputError(
                f"{name!r} in {self.path} is a link to another place, which is not "
                f"followed. {COPY}"
            )
        return group[name]

    def _spend(self, size, name):
        """Count declared bytes; raise InputError if they are too many."""
        self._left -= size
        if self._left < 0:
            raise InputError(
                f"{name!r} in {self.path} declares {files.size(size)}, too many for a "
                f"file of {files.size(self._size)}. {COPY}"
            )


def _is_inside(group, name):
    """Whether an item of a group is an item of the same file, and no link."""
    try:
        return isinstance(group.get(name, getlink=True), h5py.HardLink)
    except UnicodeDecodeError:  # h5py cannot look up a name that is not UTF-8
        return False


@contextlib.contextmanager
def opened(
    path: str | Path,
    expected: str,
    advice: str = COPY,
    *,
    known: bool = False,
    remote: files.Remote | None = None,
) -> Iterator[File]:
    """An open HDF5 file, in a `reading` block.

    Args:
        known: whether the hash of the file is a recorded one, so that reading it needs
            no trial in another process.
        remote: the record that states its hash.
    """
    with readers.reading(path, expected, advice):
        if not known and not (remote and files.is_known(path, remote)):
            status = os.stat(path)
            _try(os.path.realpath(path), status.st_size, status.st_mtime_ns)
        with h5py.File(path, "r") as file:
            yield File(file, Path(path))


@functools.lru_cache(maxsize=1000)
def _try(path, size, _):
    """Raise ValueError if another process cannot read a file; once for each state."""
    readers.check_size(path, readers.LARGEST)
    if h5py.is_hdf5(path):  # h5py refuses other files at once
        isolated.run(__name__, path, size=size)


def main() -> None:
    """Read the file that the argument names, with limits."""
    path = Path(sys.argv[1])
    isolated.limit(path.stat().st_size)
    try:
        with h5py.File(path, "r", locking=False) as file:
            File(file, path).try_all()
    except Exception as error:
        sys.exit(str(error).replace("\n", " ") or type(error).__name__)


if __name__ == "__main__":
    main()
