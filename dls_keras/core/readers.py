"""Read files of unknown origin: text, JSON, zip archives and NumPy's npz.

A file may be damaged, or made to do harm: to declare terabytes in a kilobyte, to take
its numbers from another file of the machine, to hold NaN, to nest without end. Every
reader here returns plain text, bytes or finite numbers that the file itself holds,
within bounds on their size and number, or raises one `InputError`:

    with readers.reading(path, "a table of digits"):
        ...  # any exception in this block becomes an InputError that names the file

Nothing is unpickled. `core.hdf5` reads HDF5 in the same way.
"""

import codecs
import contextlib
import json
import math
import zipfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError

MEGABYTE = 2**20
LARGEST_TEXT = 64 * MEGABYTE
LARGEST = 800 * MEGABYTE  # all arrays of a file; the largest known, VGG-19, needs 548
MOST_ARRAYS = 5_000  # in one file; the largest networks of Keras have about 1,500
MOST_MEMBERS = 100_000  # in a zip archive
MOST_LISTS = 1_000_000  # and objects in a JSON file, of 64 bytes or more each
MOST_VALUES = 4_000_000  # in a JSON file, of up to 60 bytes each
NUMBERS = "biufSU"  # the kinds of NumPy types that are read: no objects, no complex
COPY = "Use another copy of the file."


def quoted(content: str | bytes, most: int = 60) -> str:
    """What a file contains, cut and in quotes, for a message.

    >>> quoted("a" * 9, most=5)
    "'aaaaa'..."
    """
    return repr(content[:most]) + ("..." if len(content) > most else "")


@contextlib.contextmanager
def reading(path: str | Path, expected: str, advice: str = COPY) -> Iterator[None]:
    """Replace any exception that the block raises by an InputError about the file.

    Args:
        expected: what the file should be, such as "a wav file".
        advice: what to do if it is not.

    Raises:
        MissingFileError: if there is no file; the block is not run.
        InputError: instead of what a decoder raises for damaged bytes.
    """
    if not files.exists(path):
        raise MissingFileError(
            f"There is no file at {path}. Expected {expected}: check the path."
        )
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # a decoder may raise anything
        try:
            kind = files.what_is(path)
        except OSError as unreadable:
            kind = f"not readable ({unreadable.strerror})"
        first_line = (str(error) or type(error).__name__).split("\n")[0][:200]
        raise InputError(
            f"{path} is not {expected} ({first_line}); it is {kind}. {advice}"
        ) from error


def check_size(path: str | Path, limit: int) -> None:
    """Raise InputError if a file has more than `limit` bytes."""
    _check_size(path, Path(path).stat().st_size, limit)


def utf16(path: str | Path) -> str:
    """The encoding of a file of text in UTF-16, "" if it is in another encoding.

    It is known by its byte order mark, or by the zero bytes of its first letters.
    """
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    even, odd = start[::2], start[1::2]
    if len(odd) > 1 and 0 not in even and not any(odd):
        return "utf-16-le"
    return "utf-16-be" if len(odd) > 1 and 0 not in odd and not any(even) else ""


def read_text(
    path: str | Path,
    expected: str,
    *,
    limit: int = LARGEST_TEXT,
    advice: str = COPY,
    or_utf16: bool = False,
) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Args:
        limit: the largest size in bytes.
        or_utf16: whether the file may be in UTF-16, too.
    """
    with reading(path, expected, advice):
        check_size(path, limit)
        encoding = (or_utf16 and utf16(path)) or "utf-8-sig"
        text = Path(path).read_text(encoding)
        if "\0" in text:  # as in English text in UTF-16
            raise ValueError("it contains zero bytes")
        return text


def read_json(
    path: str | Path,
    expected: str,
    *,
    limit: int = LARGEST_TEXT,
    advice: str = COPY,
    or_utf16: bool = False,
) -> Any:
    """The content of a JSON file, as `read_text` reads it."""
    with reading(path, expected, advice):
        text = read_text(path, expected, limit=limit, advice=advice, or_utf16=or_utf16)
        lists, values = text.count("[") + text.count("{"), text.count(",")
        if lists > MOST_LISTS or values > MOST_VALUES:
            raise ValueError(
                f"more than {MOST_LISTS:,} lists and objects, or {MOST_VALUES:,} values"
            )
        return json.loads(text)


# Zip archives.


@contextlib.contextmanager
def opened_zip(
    path: str | Path, expected: str, advice: str = COPY
) -> Iterator[zipfile.ZipFile]:
    """An open zip archive, in a `reading` block; read its members with `member`."""
    with reading(path, expected, advice), zipfile.ZipFile(path) as archive:
        if len(archive.namelist()) > MOST_MEMBERS:
            raise InputError(
                f"{path} has {len(archive.namelist()):,} members, more than "
                f"{MOST_MEMBERS:,}. {advice}"
            )
        yield archive


def member(archive: zipfile.ZipFile, name: str, *, limit: int = LARGEST_TEXT) -> bytes:
    """The bytes of a member of a zip archive, at most `limit`."""
    with opened_member(archive, name, limit=limit) as file:
        # Without a number, `read` would decompress more than the declared size.
        return file.read(archive.getinfo(name).file_size)


def opened_member(
    archive: zipfile.ZipFile, name: str, *, limit: int = LARGEST_TEXT
) -> IO[bytes]:
    """A member of a zip archive as an open file, which ends at its declared size.

    Read it piece by piece, `read(n)`: each call then takes memory for n bytes.
    """
    return archive.open(_checked(archive, name, limit))


def _checked(archive, name, limit):
    """The entry of a member that is neither too large nor in an unusual format."""
    info = archive.getinfo(name)
    if info.flag_bits & 1:
        raise InputError(f"{name} in {archive.filename} is encrypted. Decrypt it.")
    # The other methods can ask for gigabytes to decompress a few bytes.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise InputError(
            f"{name} in {archive.filename} is not compressed with deflate. "
            "Unpack the archive and compress it again as an ordinary zip file."
        )
    _check_size(f"{name} in {archive.filename}", info.file_size, limit)
    return info


def read_npz(
    path: str | Path,
    expected: str,
    names: Collection[str] | None = None,
    *,
    limit: int = LARGEST,
    advice: str = COPY,
) -> dict[str, np.ndarray]:
    """The arrays of a file that `np.savez` wrote.

    Args:
        names: those to read; all must exist. Default: all in the file.
        limit: the largest size of all of them in bytes.
    """
    arrays = {}
    with opened_zip(path, expected, advice) as archive:
        stored = [n.removesuffix(".npy") for n in archive.namelist()]
        wanted = stored if names is None else names
        if len(wanted) > MOST_ARRAYS:
            raise InputError(
                f"{path} has {len(wanted):,} arrays, more than {MOST_ARRAYS:,}. "
                f"{advice}"
            )
        for name in wanted:
            if name not in stored:
                raise InputError(
                    f"{path} is not {expected}: it has no array {name!r}, but "
                    f"{', '.join(stored[:20]) or 'nothing'}. {advice}"
                )
            info = _checked(archive, f"{name}.npy", limit)
            limit -= info.file_size
            with archive.open(info) as file:
                _check_header(file, info.file_size, f"{name} in {path}")
            with archive.open(info) as file:
                array = np.lib.format.read_array(file, allow_pickle=False)
                if file.read(1):  # at the end, the checksum is compared
                    raise ValueError(f"{name} has more numbers than its shape")
            arrays[name] = checked_numbers(array, f"{name} in {path}", advice)
    return arrays


def _check_header(file, size, name):
    """Raise InputError unless an npy header declares what `size` bytes can hold."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    else:
        raise InputError(f"{name} has an unknown format {version}. {COPY}")
    check_kind(dtype, name)
    if min(shape, default=0) < 0 or math.prod(shape) * max(1, dtype.itemsize) > size:
        raise InputError(
            f"{name} declares shape {shape}, but has {size:,} bytes. {COPY}"
        )


# Numbers.


def checked_numbers(array: np.ndarray, name: str, advice: str = COPY) -> np.ndarray:
    """The array, once all its values are finite and in the range of float32.

    Raises:
        InputError: otherwise, or if it holds objects, complex numbers or text that
            is not Unicode.
    """
    check_kind(array.dtype, name)
    if array.dtype.kind == "f" and array.size:
        with np.errstate(invalid="ignore"):
            largest = max(abs(float(array.min())), abs(float(array.max())))
        if not largest <= float(np.finfo("float32").max):  # also if it is NaN
            what = (
                f"values up to {largest:g}" if math.isfinite(largest) else "NaN or inf"
            )
            raise InputError(
                f"{name} holds {what}, expected finite numbers in the range of "
                f"float32. {advice}"
            )
    if array.dtype.kind == "U":
        _check_size(name, array.nbytes, LARGEST_TEXT)
        # NumPy makes strings of any 32-bit numbers; Python cannot print them.
        codes = np.frombuffer(array.tobytes(), f"{array.dtype.str[0]}u4")
        surrogates = (codes >= 0xD800) & (codes <= 0xDFFF)
        if codes.max(initial=0) > 0x10FFFF or surrogates.any():
            raise InputError(f"{name} holds text that is not Unicode. {advice}")
    return array


def whole_numbers(
    array: np.ndarray, shape: tuple[int, ...], most: int, name: str, path: str | Path
) -> np.ndarray:
    """The array, once it has that shape and holds whole numbers from 0 to `most`.

    Args:
        name: of the array in the file at `path`, such as "labels", for the message.

    Raises:
        InputError: if the shape, the type or a value is another one, or it is empty.
    """
    if array.shape != shape:
        raise InputError(
            f"{path} holds {name} of shape {array.shape}, expected {shape}. {COPY}"
        )
    if not array.size:
        raise InputError(f"{path} holds no {name}: their shape is {shape}. {COPY}")
    expected = f"expected whole numbers from 0 to {most}. {COPY}"
    if array.dtype.kind not in "biuf":
        raise InputError(f"{path} holds {name} of type {array.dtype}, {expected}")
    low, high = array.min(), array.max()
    fractions = array.dtype.kind == "f" and (array != np.floor(array)).any()
    if fractions or not (low >= 0 and high <= most):
        raise InputError(
            f"{path} holds {name} with values from {low:g} to {high:g}, {expected}"
        )
    return array


def labelled_images(
    x: np.ndarray, y: np.ndarray, size: tuple[int, ...], classes: int, path: str | Path
) -> tuple[np.ndarray, np.ndarray]:
    """Images (m, *size) as uint8 and labels (m,) as int64, once both are valid.

    Raises:
        InputError: if an image has another size or values outside [0, 255], or a label
            is not from 0 to classes - 1.
    """
    x = whole_numbers(x, (y.size, *size), 255, "images", path)
    y = whole_numbers(y, (y.size,), classes - 1, "labels", path)
    return x.astype("uint8", copy=False), y.astype("int64")


def check_kind(dtype: np.dtype, name: str) -> None:
    """Raise InputError unless arrays of this type hold real numbers or text."""
    if dtype.kind not in NUMBERS or (dtype.kind == "f" and dtype.itemsize > 8):
        raise InputError(f"{name} has the type {dtype}, expected numbers. {COPY}")


def _check_size(name, size, limit):
    if size > limit:
        raise InputError(
            f"{name} has {files.size(size)}, more than the {files.size(limit)} that "
            f"are read. {COPY}"
        )
