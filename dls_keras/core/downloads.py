"""Downloads that continue, try again, and end: bounded in size and in time.

A download is written to a hidden partial file in the folder of its target,
".NAME.part", and gets its name only after its content was verified. If it fails or the
process is killed, the partial file stays, and the next call requests the rest of it
(HTTP's Range). The partial file is locked while it is written, so that a second process
waits and then finds the complete file.

The time-outs of requests begin again with each byte. A server that sends one byte in
each second would keep us for days; so every step runs in a thread that we wait for only
so long, and a download must receive `SLOWEST` bytes per second on average.
"""

import contextlib
import functools
import http.client
import io
import os
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar
from urllib.parse import urljoin

import requests
import urllib3

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.core.progress import progress

try:
    import fcntl
except ImportError:  # Windows has other locks
    fcntl = None  # type: ignore[assignment]

ATTEMPTS = 5  # requests in a row that bring nothing new
FIRST_WAIT = 1.0  # seconds before the second attempt, doubled before each further one
LONGEST_WAIT = 30.0  # seconds; a longer Retry-After of the server is shortened to it
CONNECT_TIMEOUT = 10.0  # seconds
READ_TIMEOUT = 30.0  # seconds for an answer, and for the next bytes of its body
PERIOD = 60.0  # seconds over which the rate is averaged
SLOWEST = 20_000  # bytes per second, averaged over a period
LARGEST = 1_000_000_000  # bytes of a file whose size is not known; VGG-19 has 5.3e8
REDIRECTS = 5
CHUNK = 1 << 18  # bytes that are read at once, at most
RETRIED = {429, 500, 502, 503, 504}  # HTTP answers that may be better a moment later

Result = TypeVar("Result")


class Failed(Exception):
    """A download failed; the message says why, in part of a sentence."""


class _Again(Exception):
    """An attempt failed, and another one may succeed after `wait` seconds."""

    def __init__(self, reason: str, wait: float | None = None):
        super().__init__(reason)
        self.wait = wait


def download(
    url: str,
    path: Path,
    *,
    check: Callable[[Path], None],
    size: int | None = None,
) -> None:
    """Download `url` to `path`, whose folder exists.

    Args:
        check: raises InputError unless the file at the given path is the right one. It
            must compare a hash: only this tells a complete file from a part of it.
        size: of the right file in bytes, if it is known.

    Raises:
        Failed: if the server does not send the file; what arrived is kept.
        InputError: what `check` raised, or if the file cannot be written.
    """
    try:
        with _opened(path.with_name(f".{path.name}.part")) as file:
            if path.is_file():  # another process downloaded it in the meantime
                return
            try:
                _Download(file, url, path.name, size).fill(check)
                os.replace(file.name, path)
            except OSError:  # the disk is full, or `path` is a folder
                with contextlib.suppress(OSError):
                    file.truncate(0)
                raise
            except Failed as failed:
                if not (length := _length(file)):
                    raise
                raise Failed(
                    f"{failed}; the next attempt continues after {files.size(length)}"
                ) from failed
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. Free some space, or "
            "choose another folder with DLS_KERAS_HOME."
        ) from error


def content(url: str, limit: int) -> bytes:
    """What the server sends for an address, which the user has typed.

    Only http and https are spoken, after redirects, too; nothing is written to disk.

    Args:
        limit: the largest number of bytes.

    Raises:
        InputError: if the server does not answer, or sends no or too much content, or
            `DLS_KERAS_OFFLINE` forbids it.
    """
    if files.offline():
        raise InputError(
            f"DLS_KERAS_OFFLINE forbids to open {url}. Unset it, or name a file."
        )
    try:
        return _body(url, limit)
    except (Failed, _Again) as error:
        raise InputError(
            f"Cannot read {url}: {error}. Check the address, or download it with "
            "another program and name the file."
        ) from error


def _body(url, limit):
    """The body of one answer, of at most `limit` bytes, at a sufficient rate."""
    received = io.BytesIO()
    since = time.monotonic()
    with (
        requests.Session() as session,
        contextlib.closing(
            _answer(session, url, {"Accept-Encoding": "identity"})
        ) as response,
    ):
        if response.status_code != 200:
            raise Failed(_described(response.status_code))
        announced = response.raw.length_remaining
        while chunk := _read(response):
            received.write(chunk)
            if max(announced or 0, received.tell()) > limit:
                raise Failed(f"it has more than {files.size(limit)}")
            seconds = time.monotonic() - since
            if seconds > PERIOD and received.tell() < SLOWEST * seconds:
                raise Failed(f"only {files.size(received.tell())} arrived so far")
    if not received.tell():
        raise Failed("the server sends no content")
    if announced and received.tell() < announced:
        raise Failed(f"only {received.tell()} of {announced} bytes arrived")
    return received.getvalue()


# The partial file.


@contextlib.contextmanager
def _opened(part: Path) -> Iterator[io.FileIO]:
    """The partial file, locked for this thread; it is deleted if it ends up empty."""
    file = _locked(part)
    try:
        yield file
    finally:
        if file.name != str(part) or not _length(file):
            Path(str(file.name)).unlink(missing_ok=True)
        file.close()


def _locked(part: Path) -> io.FileIO:
    """The file `part`, open and locked, after waiting for the process that has it.

    The system releases a lock when its process ends, however it ends. Where there are
    no locks (Windows, some network drives), the file has a name of this thread's own.
    """
    since, seen = time.monotonic(), -1
    while fcntl is not None:
        file = _open(part)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
                return file
        except FileNotFoundError:
            pass  # the other process has just renamed it
        except BlockingIOError:
            if _length(file) != seen:
                since, seen = time.monotonic(), _length(file)
            if time.monotonic() - since > 2 * PERIOD:
                file.close()
                raise Failed(
                    f"another process has held {part} for {2 * PERIOD:.0f} seconds "
                    "without progress"
                ) from None
            time.sleep(0.1)
        except OSError:  # no locks in this file system
            file.close()
            part.unlink(missing_ok=True)
            break
        file.close()
    own = f"{part.stem}.{os.getpid()}-{threading.get_ident()}.part"
    file = _open(part.with_name(own))
    file.truncate(0)
    return file


def _open(path: Path) -> io.FileIO:
    """A file for appending, unbuffered: each write reaches the file at once."""
    return open(path, "a+b", buffering=0)


def _length(file: io.FileIO) -> int:
    return os.fstat(file.fileno()).st_size


# Requests.


class _Download:
    """The download of one file; `file` is its partial file, open for appending."""

    def __init__(self, file: io.FileIO, url: str, name: str, size: int | None):
        self.file, self.url, self.name, self.size = file, url, name, size
        self.limit = LARGEST if size is None else size
        self.since, self.received = time.monotonic(), 0  # of the current period

    @property
    def length(self) -> int:
        """The number of bytes in the partial file."""
        return _length(self.file)

    def fill(self, check: Callable[[Path], None]) -> None:
        """Download to the partial file, continuing it, until `check` passes."""
        path = Path(str(self.file.name))
        if self.length > self.limit:
            self.file.truncate(0)
        if self.length and self.size in (None, self.length):
            with contextlib.suppress(InputError):
                return check(path)  # the process was killed before it could rename it
        with requests.Session() as session:
            for last in (False, True):
                continued = self.complete(session)
                os.fsync(self.file.fileno())
                try:
                    return check(path)
                except InputError:
                    # Its start may be of another version: then start again, once.
                    self.file.truncate(0)
                    if last or not continued:
                        raise

    def complete(self, session: requests.Session) -> bool:
        """Send requests until one is answered to its end; whether that continued."""
        failures, longest = 0, self.length
        while True:
            try:
                return self.get(session)
            except _Again as again:
                self.count(0, str(again))
                failures = failures + 1 if self.length <= longest else 1
                longest = max(longest, self.length)
                if failures >= ATTEMPTS:
                    raise Failed(f"{again}, {failures} times in a row") from again
                wait = again.wait
                if wait is None:
                    wait = FIRST_WAIT * 2 ** (failures - 1)
                time.sleep(min(wait, LONGEST_WAIT))

    def get(self, session: requests.Session) -> bool:
        """Append the body of one answer; whether it continued what there was."""
        start = self.length
        headers = {"Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with contextlib.closing(_answer(session, self.url, headers)) as response:
            status = response.status_code
            if status in RETRIED:
                raise _Again(_described(status), _retry_after(response))
            coding = response.headers.get("Content-Encoding", "identity")
            compressed = coding.lower() not in ("", "identity")
            begin, total = _content_range(response)
            continued = start > 0 and status == 206 and begin == start
            if start and status in (206, 416) and (compressed or not continued):
                self.file.truncate(0)
                raise _Again("the server does not continue the download", wait=0)
            if status != 200 and not continued:
                raise Failed(_described(status))
            if not continued:
                self.file.truncate(0)
                total = None if compressed else response.raw.length_remaining
            if total is not None and total > self.limit:
                self.file.truncate(0)
                raise Failed(f"the server announces {total} bytes, {self.expected}")
            try:
                self.append(response, total)
            except BaseException:
                if compressed:  # a Range would count the compressed bytes
                    self.file.truncate(0)
                raise
            if total is None and not compressed:
                total = self.size
            if total is not None and self.length < total:
                raise _Again(f"only {self.length} of {total} bytes arrived")
        return continued

    def append(self, response: requests.Response, total: int | None) -> None:
        """Append the body of an answer, and refuse it if it becomes too long."""
        goal = total or self.size or 0
        title = f"{self.name} ({files.size(goal)})" if goal else self.name
        with progress(title, total=goal) as bar:
            bar.advance(self.length)
            while chunk := _read(response):
                if self.length + len(chunk) > self.limit:
                    self.file.truncate(0)
                    raise Failed(f"the server sends more bytes, {self.expected}")
                rest = memoryview(chunk)
                while rest:
                    rest = rest[self.file.write(rest) :]
                bar.advance(len(chunk))
                self.count(len(chunk))

    def count(self, received: int, problem: str = "") -> None:
        """Count bytes; raise Failed if a period is over and had too few of them."""
        self.received += received
        if time.monotonic() - self.since < PERIOD:
            return
        if self.received < SLOWEST * PERIOD:
            raise Failed(
                f"only {files.size(self.received)} arrived within {PERIOD:g} seconds"
                + (f", then {problem}" if problem else "")
            )
        self.since, self.received = time.monotonic(), 0

    @property
    def expected(self) -> str:
        """The size for an error message."""
        return f"expected {'at most ' * (self.size is None)}{self.limit}"


def _answer(
    session: requests.Session, url: str, headers: dict[str, str]
) -> requests.Response:
    """The answer to a GET request after redirects, its body not yet read.

    requests would follow redirects itself, but reads the body of each without bound.
    """
    for _ in range(REDIRECTS + 1):
        send = functools.partial(_send, session, url, headers)
        try:
            response = _within(READ_TIMEOUT, send, late=requests.Response.close)
        except TimeoutError as error:
            raise _Again(f"no answer within {READ_TIMEOUT:g} seconds") from error
        try:
            target = session.get_redirect_target(response)
            if target is None:
                return response
            url = urljoin(url, target)
        except ValueError as error:
            response.close()
            raise Failed("the server redirects to an invalid address") from error
        response.close()
    raise Failed(f"the server redirects more than {REDIRECTS} times")


def _send(
    session: requests.Session, url: str, headers: dict[str, str]
) -> requests.Response:
    """The answer to one GET request, with the user's proxies and certificates."""
    try:
        request = session.prepare_request(requests.Request("GET", url, headers))
        settings = session.merge_environment_settings(url, {}, True, None, None)
        adapter = session.get_adapter(url)  # for http and https only
        timeout = (CONNECT_TIMEOUT, READ_TIMEOUT)
        return adapter.send(request, timeout=timeout, **settings)
    except (requests.ConnectionError, requests.Timeout) as error:
        raise _Again(_innermost(error)) from error
    except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as e:
        raise Failed(_innermost(e)) from e


def _read(response: requests.Response) -> bytes:
    """The next bytes of the body, decompressed; b"" at its end."""
    read = functools.partial(response.raw.read1, CHUNK, decode_content=True)
    try:
        return _within(READ_TIMEOUT, read)
    except BaseException as error:
        # Wake a thread that still reads: closing the response would wait for it.
        with contextlib.suppress(ValueError, RuntimeError, OSError):
            response.raw.shutdown()
        if isinstance(error, TimeoutError | urllib3.exceptions.ReadTimeoutError):
            raise _Again(f"nothing arrived for {READ_TIMEOUT:g} seconds") from error
        if isinstance(error, urllib3.exceptions.DecodeError):
            raise _Again("the compressed body is damaged") from error
        if isinstance(error, urllib3.exceptions.HTTPError):
            raise _Again("the connection ended too early") from error
        raise


def _within(
    seconds: float,
    call: Callable[[], Result],
    late: Callable[[Result], object] | None = None,
) -> Result:
    """The result of `call`, which runs in a thread of its own.

    Raises:
        TimeoutError: after `seconds`; if the result comes later, `late` gets it.
    """
    future: Future[Result] = Future()

    def work():
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    try:
        return future.result(seconds)
    except TimeoutError:
        if late is not None:
            future.add_done_callback(lambda f: f.exception() or late(f.result()))
        raise


# The words of an answer.


def _described(status: int) -> str:
    phrase = http.client.responses.get(status, "")
    return f"the server answers {status} {phrase}".strip()


def _retry_after(response: requests.Response) -> float | None:
    """The seconds that the server asks to wait, if it does."""
    try:
        return urllib3.Retry().get_retry_after(response.raw)
    except (urllib3.exceptions.HTTPError, ValueError, OverflowError):
        return None


def _content_range(response: requests.Response) -> tuple[int | None, int | None]:
    """Where the body begins in the file, and the length of the file, if stated."""
    text = response.headers.get("Content-Range", "")
    found = re.match(r"bytes (\d{1,18})-\d{1,18}/(\d{1,18})?", text)
    if not found:
        return None, None
    return int(found[1]), int(found[2]) if found[2] else None


def _innermost(error: BaseException) -> str:
    """The message of the first cause in one line, such as "Connection refused"."""
    by = "proxy: " if isinstance(error, requests.exceptions.ProxyError) else ""
    while inner := error.__cause__ or error.__context__:
        error = inner
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return by + " ".join(str(text).split())[:200]
