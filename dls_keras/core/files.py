"""Files: where they are found, how they are verified, downloaded and written.

A data file is searched for at a given path, below `$DLS_KERAS_DATA`, in the user's
cache, and last at its url. A download is compared with its hash before it is used.
"""

import contextlib
import dataclasses
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from dls_keras.core.errors import InputError, MissingFileError, shortened

PACKAGE = Path(__file__).resolve().parent.parent
LARGEST_KNOWN = 2**30  # bytes of a file with a recorded hash but no recorded size


@dataclasses.dataclass(frozen=True, kw_only=True)
class Remote:
    """A file of another publisher, which we may download but never ship.

    `name` is its path below the data folder, such as "signs/test_signs.h5". One of
    `sha256`, `git_blob` (sha1 of "blob {length}\\0" and the content) and `md5`
    identifies it. `url` is None if it cannot be downloaded as a single file; `instead`
    then says what to do. `bytes` is its length, if it is known: a download that becomes
    longer is refused.
    """

    name: str
    url: str | None = None
    sha256: str | None = None
    git_blob: str | None = None
    md5: str | None = None  # if its publisher states no better hash
    licence: str = "none stated"
    instead: str = ""
    bytes: int | None = None


def home() -> Path:
    """The user's cache folder: `$DLS_KERAS_HOME`, else the system's usual place."""
    if folder := os.environ.get("DLS_KERAS_HOME"):
        return expanded(folder)
    import pooch

    return Path(pooch.os_cache("dls_keras"))


def exists(path: str | Path) -> bool:
    """Whether there is a regular file; False for a name that no file can have."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False


def expanded(path: str | Path) -> Path:
    """The path with the user's home folder for "~", if that is known."""
    try:
        return Path(path).expanduser()
    except RuntimeError:  # there is no such user
        return Path(path)


def offline() -> bool:
    """Whether `DLS_KERAS_OFFLINE` forbids opening a connection."""
    return os.environ.get("DLS_KERAS_OFFLINE", "0") not in ("", "0")


def data_folder() -> Path | None:
    """The folder `$DLS_KERAS_DATA` with real data sets, if it is set and exists."""
    named = os.environ.get("DLS_KERAS_DATA")
    if not named:
        return None
    folder = expanded(named)
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
    blob = b"blob %d\0" % len(content) + content
    return hashlib.sha1(blob, usedforsecurity=False).hexdigest()


def md5(path: str | Path) -> str:
    """The md5 of a file, 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def check_hash(path: str | Path, remote: Remote) -> None:
    """Raise InputError unless the file at `path` has the hash that `remote` states."""
    _check(path, remote, wrong_hash)


def _check(path, remote, wrong):
    if problem := wrong(path, remote):
        raise InputError(
            f"{path} has {problem}. The file is {what_is(path)}. Delete it and fetch "
            "it again."
        )


def wrong_hash(path: str | Path, remote: Remote) -> str:
    """How the hash of a file differs from that of `remote`; "" if it does not."""
    for hash_file in (sha256, git_blob, md5):
        expected = getattr(remote, hash_file.__name__)
        if expected and (got := hash_file(path)) != expected:
            return f"{hash_file.__name__} {got}, expected {expected}"
    return ""


def is_known(path: str | Path, remote: Remote) -> bool:
    """Whether a file has the hash that `remote` states; False if it states none."""
    if os.stat(path).st_size > (remote.bytes or LARGEST_KNOWN):  # before it is read
        return False
    states_one = remote.sha256 or remote.git_blob or remote.md5
    return bool(states_one) and not wrong_hash(path, remote)


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


def check_writable(path: str | Path, content: bytes = b"\0") -> None:
    """Raise InputError unless `content` can be written at `path`; leave no file."""
    path = Path(path)
    temporary = _temporary_file(path)
    try:
        temporary.write_bytes(content)
    except OSError as error:  # a full disk takes the name of a file, but not a byte
        raise _unwritable(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; move the file to `path` on success.

    An exception inside the block leaves an existing file at `path` unchanged, and no
    temporary file. If `path` is a symbolic link, the file that it names is replaced.

    Raises:
        InputError: if `path` cannot be written, or the disk is full.
    """
    path = Path(path)
    temporary = _temporary_file(path)
    try:
        yield temporary
        with open(temporary, "r+b") as file:
            # A library may ignore that the disk is full, as Pillow does for JPEG; then
            # one more byte does not fit, either.
            size = file.seek(0, os.SEEK_END)
            file.write(b"\0")
            file.truncate(size)
            os.fsync(file.fileno())
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp gives 0o600
        temporary.replace(os.path.realpath(path) if path.is_symlink() else path)
    except InputError:
        raise
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(temporary):
            raise  # about another file that the block opened
        raise _unwritable(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _temporary_file(path: Path) -> Path:
    """A new empty file in the folder where `path` is to be written.

    Raises:
        InputError: if no file can be written there.
    """
    if "\0" in str(path):
        raise InputError(f"Cannot write {str(path)!r}: a name has no NUL character.")
    try:
        if path.is_dir():
            raise InputError(
                f"Cannot write {path}: it is a folder. Give the path of a file."
            )
        if path.exists() and not path.is_file():
            raise InputError(
                f"Cannot write {path}: it is a device or a pipe. Give the path of a "
                "file."
            )
        if path.is_symlink():
            path = Path(os.path.realpath(path))
        if not path.parent.is_dir():
            if path.parent.exists():
                raise InputError(
                    f"Cannot write {path}: {path.parent} is not a folder. Choose "
                    "another path."
                )
            raise MissingFileError(
                f"Cannot write {path}: the folder {path.parent} does not exist. "
                "Create it, or choose another path."
            )
        with contextlib.suppress(FileNotFoundError):
            os.lstat(path)  # fails if the name is too long
        # The suffix stays: writers choose their format by it.
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=path.suffix)
    except InputError:
        raise
    except OSError as error:
        raise _unwritable(path, error) from error
    os.close(handle)
    return Path(name)


def _unwritable(path: Path, error: OSError) -> InputError:
    """The error of the operating system as one of the user's."""
    name, folder = (shortened(str(p), 300) for p in (path, path.parent))
    where = "the current folder" if folder == "." else f"the folder {folder}"
    return InputError(
        f"Cannot write {name}: {error.strerror or error} in {where}. Choose another "
        "path."
    )


def fetch(
    remote: Remote,
    folder: str | Path,
    *,
    wrong: Callable[[Path, Remote], str] = wrong_hash,
) -> Path:
    """Download `remote` into `folder` unless it exists; return its path.

    The download has a temporary name until its hash is verified. If it is interrupted,
    the next call continues it; see `core.downloads`.

    Args:
        wrong: what is wrong with a file, "" if nothing is; by default its hash. Another
            function must tell a complete file from a part of it, too.

    Raises:
        MissingFileError: if it cannot be downloaded.
        InputError: if the file has another hash, or the folder cannot be written.
    """
    path = Path(folder) / remote.name
    if path.is_file():
        _check(path, remote, wrong)
        return path
    digest = remote.sha256 or remote.git_blob or remote.md5
    if remote.url is None:
        raise MissingFileError(
            f"{remote.name} cannot be downloaded as one file. {remote.instead}".strip()
        )
    if digest is None and wrong is wrong_hash:
        raise MissingFileError(
            f"{remote.name} has no hash by which a download could be verified. "
            f"Put the file from {remote.url} at {path} yourself."
        )
    right = f"the file with hash {digest}" if digest else "the file"
    if offline():
        raise MissingFileError(
            f"{remote.name} is not available and DLS_KERAS_OFFLINE forbids downloads. "
            f"Put {right} from {remote.url} at {path}, or unset DLS_KERAS_OFFLINE."
        )
    from dls_keras.core import downloads  # lazy import: most files need no download

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot create the folder {path.parent} for {remote.name}: "
            f"{error.strerror}. Set DLS_KERAS_HOME to a writable folder."
        ) from error

    def check(part):
        if problem := wrong(part, remote):
            raise InputError(
                f"What {remote.url} sends for {remote.name} has {problem}.\n"
                f"It is {what_is(part)}, and was deleted.\n"
                f"Try again later, or put the right file at {path} yourself."
            )

    try:
        downloads.download(remote.url, path, check=check, size=remote.bytes)
    except downloads.Failed as failed:
        raise MissingFileError(
            f"Could not download {remote.name} from {remote.url}:\n{failed}.\n"
            f"Try again, or put {right} at {path} yourself."
        ) from failed
    return path


def find_data(remote: Remote, path: str | Path | None = None) -> Path:
    """The data file at `path`, below `$DLS_KERAS_DATA`, in the cache, or downloaded.

    Raises:
        MissingFileError: if it is not found and cannot be downloaded.
    """
    if path is not None:
        if not exists(path := expanded(path)):
            raise MissingFileError(f"{path} does not exist. Expected {remote.name}.")
        return path
    return in_data_folder(remote.name) or fetch(remote, home() / "data")
