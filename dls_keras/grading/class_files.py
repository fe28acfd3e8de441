"""The files of a class, in a folder or a zip archive, and in archives inside it.

Nothing of an archive is written to a path that the archive names, links are not
followed, and sizes are limited.
"""

import contextlib
import datetime
import io
import os
import re
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from dls_keras.core import readers
from dls_keras.core.errors import InputError
from dls_keras.grading import parse

EXPECTED = "a zip archive of submissions"
LARGEST = 64 * readers.MEGABYTE  # all files of one submission
CHECKPOINT = re.compile(r"-checkpoint\.(py|ipynb)", re.IGNORECASE)  # saved by Jupyter

LIBRARIES = {"site-packages", "node_modules"}  # folders of other people's code


class Entry(NamedTuple):
    """A file of a class.

    Attributes:
        place: its path below the root, or the name of a member of the archive; for a
            file in an archive inside that, a second part is the name of its member.
        parts: the parts of its path, to show and to group; two archives look like
            folders in it.
        modified: the time of its last change, to compare with others, in seconds.
        error: why it cannot be read, or "".
    """

    place: tuple[str, ...]
    parts: tuple[str, ...]
    modified: float = 0.0
    error: str = ""

    @property
    def path(self) -> str:
        """Its path below the root."""
        return "/".join(self.parts)

    @property
    def name(self) -> str:
        """Its name without folders."""
        return self.parts[-1]

    @property
    def stem(self) -> str:
        """Its name without folders and suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """Its suffix in lower case, such as ".py"."""
        return PurePosixPath(self.name).suffix.lower()

    @property
    def is_code(self) -> bool:
        """Whether it is a module, a notebook, or an archive that cannot be read."""
        return self.suffix in (*parse.SUFFIXES, ".zip")


class Root:
    """The folder or archive of a class, open for reading; a context manager.

    Raises:
        MissingFileError: if there is none.
        InputError: if it is an archive that cannot be read.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.is_folder = self.path.is_dir()
        self._stack = contextlib.ExitStack()
        if not self.is_folder:
            opened = readers.opened_zip(self.path, EXPECTED)
            self._archive = self._stack.enter_context(opened)

    def __enter__(self) -> "Root":
        return self

    def __exit__(self, *error: Any) -> None:
        self._stack.close()

    def entries(self) -> Iterator[Entry]:
        """The files of a class, except hidden and cached ones."""
        found = _in_folder(self.path) if self.is_folder else _members(self._archive)
        for entry in found:
            if _is_hidden(entry):
                continue
            if entry.suffix == ".zip" and not entry.error:
                yield from _in_nested(self, entry)
            else:
                yield entry

    def read(self, place: tuple[str, ...], *, limit: int | None = None) -> bytes:
        """The content of a file, at most `limit` bytes, by default `LARGEST`.

        Raises:
            InputError: if it is longer, or cannot be read.
        """
        limit = LARGEST if limit is None else limit
        path = self.path / place[0] if self.is_folder else self.path
        with readers.reading(path, "a file of a class"):
            if self.is_folder:
                readers.check_size(path, limit)
                content = path.read_bytes()
            else:
                content = readers.member(self._archive, place[0], limit=limit)
        if len(place) == 1:
            return content
        with readers.reading(path, EXPECTED), _nested(content) as inner:
            return readers.member(inner, place[1], limit=limit)


def reason(error: Exception) -> str:
    """Why a file cannot be read, in a sentence without its end."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else error
    return " ".join(str(words).split())[:300].rstrip(".") or type(error).__name__


def _is_hidden(entry):
    hidden = any(part.startswith((".", "__")) for part in entry.parts)
    if not LIBRARIES.isdisjoint(entry.parts):
        return True
    return hidden or CHECKPOINT.search(entry.name)


def _in_folder(root):
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder, name)
            with contextlib.suppress(OSError):
                status = path.lstat()
                is_link = stat.S_ISLNK(status.st_mode)
                if is_link or stat.S_ISREG(status.st_mode):
                    parts = path.relative_to(root).parts
                    error = "it is a link" if is_link else ""
                    yield Entry(("/".join(parts),), parts, status.st_mtime, error)


def _in_nested(root, entry):
    """The code files in an archive that a student submitted."""
    try:
        with _nested(root.read(entry.place)) as archive:
            found = list(_members(archive))
    except Exception as error:  # of a decoder
        yield entry._replace(error=reason(error))
        return
    for inner in found:
        if inner.suffix in parse.SUFFIXES and not _is_hidden(inner):
            place, parts = (*entry.place, *inner.place), (*entry.parts, *inner.parts)
            yield inner._replace(place=place, parts=parts)


def _nested(content):
    archive = zipfile.ZipFile(io.BytesIO(content))
    if len(archive.namelist()) > readers.MOST_MEMBERS:
        raise InputError(f"It has more than {readers.MOST_MEMBERS:,} members.")
    return archive


def _members(archive):
    for info in archive.infolist():
        split = _unicode(info).replace("\\", "/").split("/")
        parts = tuple(part for part in split if part not in ("", ".", ".."))
        error = ""
        if ".." in split or info.filename.startswith(("/", "\\")):
            error = "its path leads out of the archive"
        elif stat.S_ISLNK(info.external_attr >> 16):
            error = "it is a link"
        if parts and not info.is_dir():
            yield Entry((info.filename,), parts, _time(info), error)


def _unicode(info):
    """The name of a member; some programs write UTF-8 without declaring it."""
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            return info.filename.encode("cp437").decode("utf-8")
    return info.filename


def _time(info):
    """The time of a member in seconds; 0 if it has none."""
    try:
        return datetime.datetime(*info.date_time, tzinfo=datetime.UTC).timestamp()
    except ValueError:
        return 0.0
