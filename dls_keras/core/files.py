"""Files: where they are found, how they are verified, downloaded and written.

A data file is searched for at a given path, below `$DLS_KERAS_DATA`, in the user's
cache, and last at its url. A download is compared with its hash before it is used.
"""

import contextlib
import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from dls_keras.core.errors import InputError, MissingFileError

PACKAGE = Path(__file__).resolve().parent.parent


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remote:
    """A file of another publisher, which we may download but never ship.

    `name` is its path below the data folder, such as "signs/test_signs.h5". One of
    `sha256`, `git_blob` (sha1 of "blob {length}\\0" and the content) and `md5`
    identifies it. `url` is None if it cannot be downloaded as a single file; `instead`
    then says what to do.
    """

    name: str
    url: str | None = None
    sha256: str | None = None
    git_blob: str | None = None
    md5: str | None = None  # if its publisher states no better hash
    licence: str = "none stated"
    instead: str = ""


def home() -> Path:
    """The user's cache folder: `$DLS_KERAS_HOME`, else the system's usual place."""
    if folder := os.environ.get("DLS_KERAS_HOME"):
        return Path(folder).expanduser()
    import pooch

    return Path(pooch.os_cache("dls_keras"))


def offline() -> bool:
    """Whether `DLS_KERAS_OFFLINE` forbids opening a connection."""
    return os.environ.get("DLS_KERAS_OFFLINE", "0") not in ("", "0")


def data_folder() -> Path | None:
    """The folder `$DLS_KERAS_DATA` with real data sets, if it is set and exists."""
    named = os.environ.get("DLS_KERAS_DATA")
    if not named:
        return None
    folder = Path(named).expanduser()
    return folder if folder.is_dir() else None


def in_data_folder(name: str) -> Path | None:
    """The file `name` below `$DLS_KERAS_DATA`, or None if there is none."""
    folder = data_folder()
    return folder / name if folder and (folder / name).is_file() else None


def shipped_weights() -> Path:
    """The folder of shipped weights, in a checkout or in an installed wheel."""
    inside = PACKAGE / "weights"
    return inside if inside.is_dir() else PACKAGE.parent / "weights"


def size(count: int) -> str:
    """A number of bytes in the largest unit that fits.

    >>> size(47_400_000), size(999)
    ('47.4 MB', '999 bytes')
    """
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} bytes"


def sha256(path: str | Path) -> str:
    """The sha256 of a file, 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def git_blob(path: str | Path) -> str:
    """The id under which git stores a file, 40 hexadecimal digits."""
    content = Path(path).read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def md5(path: str | Path) -> str:
    """The md5 of a file, 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def check_hash(path: str | Path, remote: Remote) -> None:
    """Raise InputError unless the file at `path` has the hash that `remote` states."""
    for hash_file in (sha256, git_blob, md5):
        expected = getattr(remote, hash_file.__name__)
        if expected and (got := hash_file(path)) != expected:
            raise InputError(
                f"{path} has {hash_file.__name__} {got}, expected {expected}. "
                f"The file is {what_is(path)}. Delete it and fetch it again."
            )


def what_is(path: str | Path) -> str:
    """A description of a wrong file from its first bytes, for an error message."""
    with open(path, "rb") as file:
        start = file.read(512).removeprefix(b"\xef\xbb\xbf").lstrip()
    if not start:
        return "empty"
    if start.startswith(b"version https://git-lfs"):
        return "a Git LFS pointer, not the file it points to (run `git lfs pull`)"
    if start[:1] == b"<" and b"html" in start.lower():
        return "a web page, not the file itself (open its url and look)"
    return "damaged, or another version"


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; move the file to `path` on success.

    An exception inside the block leaves an existing file at `path` unchanged.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise MissingFileError(
            f"Cannot write {path}: the folder {path.parent} does not exist. "
            "Create it, or choose another path."
        )
    if path.is_dir():
        raise InputError(
            f"Cannot write {path}: it is a folder. Give the path of a file."
        )
    try:  # The suffix stays: writers choose their format by it.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror} in the folder {path.parent}. "
            "Choose another path."
        ) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp gives 0o600
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def fetch(remote: Remote, folder: str | Path) -> Path:
    """Download `remote` into `folder` unless it exists; return its path.

    The download has a temporary name until its hash is verified, so that two processes
    that download the same file at once both get a complete one.
    """
    path = Path(folder) / remote.name
    if path.is_file():
        check_hash(path, remote)
        return path
    digest = remote.sha256 or remote.git_blob or remote.md5
    if remote.url is None:
        raise MissingFileError(
            f"{remote.name} cannot be downloaded as one file. {remote.instead}".strip()
        )
    if offline():
        raise MissingFileError(
            f"{remote.name} is not available and DLS_KERAS_OFFLINE forbids downloads. "
            f"Put the file with hash {digest} from {remote.url} at {path}, "
            "or unset DLS_KERAS_OFFLINE."
        )
    import pooch

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot create the folder {path.parent} for {remote.name}: "
            f"{error.strerror}. Set DLS_KERAS_HOME to a writable folder."
        ) from error
    with atomic_write(path) as temporary:
        try:
            pooch.HTTPDownloader(timeout=30)(remote.url, temporary, None)
        except OSError as error:  # requests' errors are OSErrors
            response = getattr(error, "response", None)
            if response is not None:
                response.close()  # pooch leaves it open
            raise MissingFileError(
                f"Could not download {remote.name} from {remote.url} ({error}). "
                f"Try again, or put the file with hash {digest} at {path} yourself."
            ) from error
        check_hash(temporary, remote)
    return path


def find_data(remote: Remote, path: str | Path | None = None) -> Path:
    """The data file at `path`, below `$DLS_KERAS_DATA`, in the cache, or downloaded.

    Raises:
        MissingFileError: if it is not found and cannot be downloaded.
    """
    if path is not None:
        if not Path(path).is_file():
            raise MissingFileError(f"{path} does not exist. Expected {remote.name}.")
        return Path(path)
    return in_data_folder(remote.name) or fetch(remote, home() / "data")
