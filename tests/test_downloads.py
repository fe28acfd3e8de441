"""Downloads end, whatever the server does: with the right file or with an error."""

import contextlib
import errno
import gzip
import hashlib
import http.server
import io
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import types

import pytest

from dls_keras.core import downloads, files
from dls_keras.core.errors import InputError, MissingFileError

fcntl = pytest.importorskip("fcntl")

CONTENT = bytes(range(256)) * 4000  # 1,024,000 bytes
SHA256 = hashlib.sha256(CONTENT).hexdigest()


# A server with faults. An answer is a function of the request's handler.


class _Handler(http.server.BaseHTTPRequestHandler):
    """Gives the answers of the list `server.answers` in turn, the last one for ever."""

    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        self.server.paths.append(self.path)
        answers = self.server.answers
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        with contextlib.suppress(ConnectionError):  # the client has gone
            answer(self)

    def head(self, status, **headers):
        """Send the status and the headers, `Content_Length` as Content-Length."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def pause(self, seconds):
        """Wait, but not longer than the test; return whether it goes on."""
        return not self.server.stopping.wait(seconds)

    def log_message(self, *args):
        """Print nothing."""


@pytest.fixture
def server():
    """A local server; `ranges` lists the Range headers of the requests."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.daemon_threads = False  # closing waits for them
        server.answers, server.ranges, server.paths = [whole], [], []
        server.stopping = threading.Event()
        server.url = f"http://127.0.0.1:{server.server_port}/x.bin"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.stopping.set()
        server.shutdown()
        thread.join()


def whole(handler, content=CONTENT, **headers):
    """All of the content, whatever the Range."""
    handler.head(200, Content_Length=len(content), **headers)
    handler.wfile.write(content)


def ranged(handler, until=None, shift=0):
    """The range that was asked for, cut off after byte `until` of the content."""
    start = int(re.match(r"bytes=(\d+)-|", handler.headers.get("Range", ""))[1] or 0)
    if start >= len(CONTENT):
        handler.head(416, Content_Range=f"bytes */{len(CONTENT)}")
        return
    place = f"bytes {start + shift}-{len(CONTENT) - 1}/{len(CONTENT)}"
    headers = {"Content_Length": len(CONTENT) - start}
    if start:
        headers["Content_Range"] = place
    handler.head(206 if start else 200, **headers)
    handler.wfile.write(CONTENT[start:until])


def cut(until, answer=ranged):
    """An answer that is cut off after byte `until` of the content."""
    return lambda handler: answer(handler, until)


def cut_without_ranges(handler):
    """The first 100 kB of the content, whatever the Range."""
    handler.head(200, Content_Length=len(CONTENT))
    handler.wfile.write(CONTENT[:100_000])


def status(code, **headers):
    """An answer with an error code."""
    return lambda handler: handler.head(code, **headers)


def endless(handler, code=200, **headers):
    """A body without announced length and without end."""
    handler.head(code, **headers)
    while handler.pause(0):
        handler.wfile.write(bytes(10_000))


def drip(handler):
    """A byte every 20 ms."""
    handler.head(200, Content_Length=len(CONTENT))
    for i in range(len(CONTENT)):
        handler.wfile.write(CONTENT[i : i + 1])
        if not handler.pause(0.02):
            break


def drip_of_headers(handler):
    """A byte of a header every 20 ms."""
    handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Long: ")
    while handler.pause(0.02):
        handler.wfile.write(b"x")


def silent(handler):
    """The first 100 kB, then nothing, with the connection open."""
    handler.head(200, Content_Length=len(CONTENT))
    handler.wfile.write(CONTENT[:100_000])
    handler.pause(60)


# Helpers


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """The folder of the downloads; short waits, no proxy."""
    monkeypatch.delenv("DLS_KERAS_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "FIRST_WAIT", 0.001)
    return tmp_path


def fetch(server, folder, **fields):
    """Fetch the server's file, return its content."""
    fields = {"sha256": SHA256, **fields}
    remote = files.Remote(name="x.bin", url=server.url, **fields)
    return files.fetch(remote, folder).read_bytes()


def fails(server, folder, kind=MissingFileError, **fields):
    """The message of a fetch that fails: at most three lines, with the url."""
    with pytest.raises(kind) as caught:
        fetch(server, folder, **fields)
    message = str(caught.value)
    assert message.count("\n") <= 2
    assert server.url in message
    assert str(folder / "x.bin") in message
    assert not (folder / "x.bin").exists()
    return message


def names(folder):
    """The names of the files in a folder, also of hidden ones."""
    return sorted(path.name for path in folder.iterdir())


def wait_until(condition):
    """Wait until a function returns a true value."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "nothing happened for a minute"
        time.sleep(0.01)


# Errors of a moment


@pytest.fixture
def waits(monkeypatch):
    """The seconds that downloads would have waited between attempts."""
    seconds = []
    clock = types.SimpleNamespace(monotonic=time.monotonic, sleep=seconds.append)
    monkeypatch.setattr(downloads, "time", clock)
    monkeypatch.setattr(downloads, "FIRST_WAIT", 1.0)
    return seconds


def test_a_busy_server_is_asked_again(server, folder, waits):
    """The waiting times double; a Retry-After is obeyed, up to half a minute."""
    date = "Fri, 01 Jan 2100 00:00:00 GMT"
    server.answers = [
        status(429, Retry_After=7),
        status(503, Retry_After=date),
        status(504, Retry_After="soon"),
        status(500),
        whole,
    ]
    assert fetch(server, folder) == CONTENT
    assert waits == [7, downloads.LONGEST_WAIT, 4, 8]
    assert names(folder) == ["x.bin"]


@pytest.mark.parametrize("code", sorted(downloads.RETRIED))
def test_a_server_that_stays_busy_is_an_error_after_five_requests(server, folder, code):
    """The message contains its answer."""
    server.answers = [status(code)]
    assert f"answers {code} " in (message := fails(server, folder))
    assert "5 times in a row" in message
    assert len(server.ranges) == downloads.ATTEMPTS == 5
    assert names(folder) == []


@pytest.mark.parametrize("code", [204, 304, 400, 403, 404, 410, 501])
def test_a_final_answer_is_not_asked_for_again(server, folder, code):
    """A file that does not exist will not exist a second later."""
    server.answers = [status(code)]
    assert f"answers {code} " in fails(server, folder)
    assert len(server.ranges) == 1
    assert names(folder) == []


def test_a_refused_connection_is_tried_five_times(folder, waits):
    """No server listens on the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x.bin"
    message = fails(types.SimpleNamespace(url=url), folder)
    assert "Connection refused, 5 times in a row" in message
    assert waits == [1, 2, 4, 8]
    assert names(folder) == []


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "file:///etc/hosts", "http://["])
def test_another_address_than_of_http_is_an_error(folder, url):
    """Files of this machine are not copied."""
    fails(types.SimpleNamespace(url=url), folder)
    assert names(folder) == []


# Continuing


def test_a_download_that_was_cut_off_is_continued(server, folder):
    """The second request asks for the rest only."""
    server.answers = [cut(300_000), ranged]
    assert fetch(server, folder) == CONTENT
    assert server.ranges == [None, "bytes=300000-"]
    assert names(folder) == ["x.bin"]


def test_each_byte_that_arrives_renews_the_attempts(server, folder):
    """A connection that is cut off after each 100 kB is enough."""
    server.answers = [cut(end) for end in range(100_000, 1_000_000, 100_000)]
    server.answers.append(ranged)
    assert fetch(server, folder) == CONTENT
    assert len(server.ranges) == 10


def test_a_server_without_ranges_sends_the_file_again(server, folder):
    """Its answer 200 starts again from the first byte."""
    server.answers = [cut(300_000), whole]
    assert fetch(server, folder) == CONTENT
    assert server.ranges == [None, "bytes=300000-"]


def test_the_next_call_continues_what_a_failed_one_kept(server, folder):
    """After five cuts at the same byte the call fails, and says what it keeps."""
    server.answers = [cut_without_ranges]
    message = fails(server, folder)
    assert "the next attempt continues after 100.0 kB" in message
    assert len(server.ranges) == 5
    assert names(folder) == [".x.bin.part"]
    server.answers, server.ranges[:] = [ranged], []
    assert fetch(server, folder) == CONTENT
    assert server.ranges == ["bytes=100000-"]
    assert names(folder) == ["x.bin"]


def test_a_closed_connection_without_announced_length_is_a_cut(server, folder):
    """If the size is known; otherwise only the hash shows it."""

    def unannounced(handler):
        handler.head(200)
        handler.wfile.write(CONTENT[:100_000])

    server.answers = [unannounced, ranged]
    assert fetch(server, folder, bytes=len(CONTENT)) == CONTENT
    assert server.ranges == [None, "bytes=100000-"]
    (folder / "x.bin").unlink()
    server.answers = [unannounced]
    assert "damaged" in fails(server, folder, InputError)
    assert names(folder) == []


@pytest.mark.parametrize(
    ("kept", "ranges"),
    [
        (CONTENT, []),  # killed before it was renamed
        (CONTENT[:10], ["bytes=10-"]),
        (b"another version", ["bytes=15-", None]),
        (bytes(len(CONTENT)), [f"bytes={len(CONTENT)}-", None]),  # answered by 416
        (b"", [None]),
    ],
)
def test_a_partial_file_is_used_or_replaced(server, folder, kept, ranges):
    """Whatever it holds, the right file comes out, and nothing else is left."""
    (folder / ".x.bin.part").write_bytes(kept)
    server.answers = [ranged]
    assert fetch(server, folder) == CONTENT
    assert server.ranges == ranges
    assert names(folder) == ["x.bin"]


def test_a_partial_file_that_is_too_long_is_not_continued(server, folder):
    """Its size is known."""
    (folder / ".x.bin.part").write_bytes(bytes(len(CONTENT) + 1))
    assert fetch(server, folder, bytes=len(CONTENT)) == CONTENT
    assert server.ranges == [None]


def test_a_range_at_another_place_is_not_appended(server, folder):
    """The download starts again."""
    (folder / ".x.bin.part").write_bytes(CONTENT[:10])
    server.answers = [lambda handler: ranged(handler, shift=1)]
    assert fetch(server, folder) == CONTENT
    assert server.ranges == ["bytes=10-", None]


FETCH = """
import sys
from pathlib import Path
from dls_keras.core import files
url, sha256, folder = sys.argv[1:]
files.fetch(files.Remote(name="x.bin", url=url, sha256=sha256), folder)
"""


@contextlib.contextmanager
def another_process(server, folder):
    """A process that fetches the server's file; it is killed at the end."""
    command = [sys.executable, "-c", FETCH, server.url, SHA256, str(folder)]
    with subprocess.Popen(command) as process:
        try:
            yield process
        finally:
            process.kill()


def has_begun(folder):
    """A function that says whether the partial file has 100 kB."""
    part = folder / ".x.bin.part"
    return lambda: part.exists() and part.stat().st_size == 100_000


def test_a_killed_download_leaves_a_partial_file_that_the_next_continues(
    server, folder
):
    """The target does not exist before it is complete."""
    server.answers = [silent, ranged]
    with another_process(server, folder) as process:
        wait_until(has_begun(folder))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert names(folder) == [".x.bin.part"]
    assert fetch(server, folder) == CONTENT
    assert server.ranges == [None, "bytes=100000-"]
    assert names(folder) == ["x.bin"]


# Two at once


def test_a_second_process_waits_for_the_first(server, folder):
    """The server gets one request."""
    second_waits = threading.Event()

    def in_two_parts(handler):
        handler.head(200, Content_Length=len(CONTENT))
        handler.wfile.write(CONTENT[:100_000])
        second_waits.wait(60)
        handler.wfile.write(CONTENT[100_000:])

    server.answers = [in_two_parts]
    with another_process(server, folder) as process:
        wait_until(has_begun(folder))
        threading.Timer(0.3, second_waits.set).start()
        assert fetch(server, folder) == CONTENT
        assert process.wait(60) == 0
    assert len(server.ranges) == 1
    assert names(folder) == ["x.bin"]


def test_a_process_that_does_not_go_on_is_an_error(server, folder, monkeypatch):
    """The message names the file that it holds."""
    monkeypatch.setattr(downloads, "PERIOD", 0.05)
    with open(folder / ".x.bin.part", "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"has held {file.name}" in fails(server, folder)
    assert server.ranges == []


def test_without_locks_each_download_has_its_own_file(server, folder, monkeypatch):
    """As on Windows, or on a network drive; it cannot be continued."""
    monkeypatch.setattr(downloads, "fcntl", None)
    (folder / ".x.bin.part").write_bytes(CONTENT[:10])
    server.answers = [cut_without_ranges]
    fails(server, folder)
    assert names(folder) == [".x.bin.part"]
    server.answers = [whole]
    assert fetch(server, folder) == CONTENT
    assert names(folder) == [".x.bin.part", "x.bin"]


def test_a_file_system_without_locks_is_recognized(server, folder, monkeypatch):
    """By the error of the system."""

    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(downloads.fcntl, "flock", refuse)
    assert fetch(server, folder) == CONTENT
    assert names(folder) == ["x.bin"]


# Bounds


def test_a_download_that_is_too_slow_ends(server, folder, monkeypatch):
    """Although a byte arrives in time for each time-out."""
    monkeypatch.setattr(downloads, "PERIOD", 0.2)
    server.answers = [drip]
    assert re.search(
        r"only \d+ bytes arrived within 0.2 seconds", fails(server, folder)
    )
    assert names(folder) == [".x.bin.part"]
    monkeypatch.setattr(downloads, "PERIOD", 60)
    server.answers = [ranged]
    assert fetch(server, folder) == CONTENT


def test_headers_that_are_too_slow_end(server, folder, monkeypatch):
    """requests' own time-out would begin again with each byte."""
    monkeypatch.setattr(downloads, "READ_TIMEOUT", 0.15)
    monkeypatch.setattr(downloads, "ATTEMPTS", 2)
    server.answers = [drip_of_headers]
    assert "no answer within 0.15 seconds, 2 times" in fails(server, folder)
    assert names(folder) == []


def test_a_silent_server_is_asked_again(server, folder, monkeypatch):
    """With a request for the rest."""
    monkeypatch.setattr(downloads, "READ_TIMEOUT", 1)
    server.answers = [silent, ranged]
    assert fetch(server, folder) == CONTENT
    assert server.ranges == [None, "bytes=100000-"]


@pytest.mark.parametrize("size", [None, 500_000])
def test_a_body_without_end_is_refused(server, folder, monkeypatch, size):
    """As soon as it is longer than the file, or than any that we know."""
    monkeypatch.setattr(downloads, "LARGEST", 600_000)
    server.answers = [endless]
    words = "expected 500000" if size else "expected at most 600000"
    assert f"sends more bytes, {words}" in fails(server, folder, bytes=size)
    assert names(folder) == []


def test_a_length_that_is_too_large_is_refused_before_the_body(server, folder):
    """One request, and no byte is written."""
    message = fails(server, folder, bytes=1000)
    assert "announces 1024000 bytes, expected 1000" in message
    assert len(server.ranges) == 1
    assert names(folder) == []


def test_a_body_longer_than_announced_has_a_wrong_hash(server, folder):
    """No more bytes are read than were announced."""

    def too_long(handler):
        handler.head(200, Content_Length=1000)
        handler.wfile.write(CONTENT)

    server.answers = [too_long]
    assert "damaged" in fails(server, folder, InputError)
    assert names(folder) == []


def test_a_body_shorter_than_announced_is_an_error(server, folder):
    """It is tried again; then the message says that the connection ended."""

    def too_short(handler):
        handler.head(200, Content_Length=2000)
        handler.wfile.write(CONTENT[:1000])

    server.answers = [too_short]
    assert "the connection ended too early" in fails(server, folder)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"<!DOCTYPE html><title>Log in</title>", "a web page"),
        (CONTENT[:-1], "damaged"),
    ],
)
@pytest.mark.parametrize("size", [None, len(CONTENT)])
def test_another_file_is_recognized_and_deleted(server, folder, content, words, size):
    """The message says what it is."""
    server.answers = [lambda handler: whole(handler, content)]
    assert words in fails(server, folder, InputError, bytes=size)
    assert len(server.ranges) == 1
    assert names(folder) == []


def test_a_full_disk_is_an_error_that_leaves_no_file(server, folder, monkeypatch):
    """Also no partial one, which would keep the disk full."""

    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads, "_open", lambda path: Full(path, "a+b"))
    with pytest.raises(InputError, match="x.bin: No space left on device"):
        fetch(server, folder)
    assert names(folder) == []


def test_a_folder_with_the_name_of_the_file_is_an_error(server, folder):
    """It is not replaced."""
    (folder / "x.bin").mkdir()
    with pytest.raises(InputError, match="Cannot write"):
        fetch(server, folder)
    assert names(folder) == ["x.bin"]


def test_a_file_without_hash_is_not_downloaded(server, folder):
    """Nothing could tell a complete file from a part of it."""
    assert "has no hash" in fails(server, folder, sha256=None)
    assert server.ranges == []


# Compressed bodies


def compressed(content):
    """An answer whose body is compressed by gzip."""
    return lambda handler: whole(handler, content, Content_Encoding="gzip")


def test_a_compressed_body_is_decompressed(server, folder):
    """Although we ask for none; its announced length is the compressed one."""
    server.answers = [compressed(gzip.compress(CONTENT))]
    assert fetch(server, folder, bytes=len(CONTENT)) == CONTENT


def test_a_compressed_body_that_is_cut_off_starts_again(server, folder):
    """A range would count the compressed bytes."""
    body = gzip.compress(CONTENT)

    def broken(handler):
        handler.head(200, Content_Length=len(body), Content_Encoding="gzip")
        handler.wfile.write(body[: len(body) // 2])

    server.answers = [broken, compressed(body)]
    assert fetch(server, folder) == CONTENT
    assert server.ranges == [None, None]


def test_a_compressed_range_is_not_appended(server, folder):
    """The download starts again."""
    (folder / ".x.bin.part").write_bytes(CONTENT[:10])

    def part(handler):
        handler.head(206, Content_Encoding="gzip", Content_Range="bytes 10-19/20")

    server.answers = [part, whole]
    assert fetch(server, folder) == CONTENT
    assert server.ranges == ["bytes=10-", None]


def test_a_small_body_that_decompresses_to_a_large_one_is_refused(
    server, folder, monkeypatch
):
    """As soon as it is too long; 10 MB have 10 kB."""
    monkeypatch.setattr(downloads, "LARGEST", 1_000_000)
    server.answers = [compressed(gzip.compress(bytes(10_000_000)))]
    assert "sends more bytes, expected at most 1000000" in fails(server, folder)
    assert names(folder) == []


def test_a_damaged_compressed_body_is_an_error(server, folder):
    """After five attempts."""
    server.answers = [compressed(b"not compressed")]
    assert "the compressed body is damaged, 5 times" in fails(server, folder)
    assert names(folder) == []


# Redirects and proxies


def test_a_redirect_is_followed(server, folder):
    """Its body is not read, so it may be without end."""
    server.answers = [lambda handler: endless(handler, 302, Location="/y.bin"), whole]
    assert fetch(server, folder) == CONTENT
    assert server.paths == ["/x.bin", "/y.bin"]


@pytest.mark.parametrize("location", ["file:///etc/hosts", "ftp://127.0.0.1/x", "//["])
def test_a_redirect_to_another_protocol_is_an_error(server, folder, location):
    """Only http and https are followed."""
    server.answers = [status(302, Location=location)]
    fails(server, folder)
    assert len(server.ranges) == 1
    assert names(folder) == []


def test_few_redirects_are_followed(server, folder):
    """A circle of them ends."""
    server.answers = [status(301, Location="/x.bin")]
    assert "redirects more than 5 times" in fails(server, folder)
    assert len(server.ranges) == 6


def test_the_proxy_of_the_environment_is_used(server, folder, monkeypatch):
    """It gets the whole address."""
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("NO_PROXY")
    monkeypatch.delenv("no_proxy", raising=False)
    server.url = "http://example.invalid/x.bin"
    assert fetch(server, folder) == CONTENT
    assert server.paths == ["http://example.invalid/x.bin"]


def test_the_progress_bar_knows_the_size(server, folder, monkeypatch):
    """After a cut it begins where the download continues."""
    bars = []

    @contextlib.contextmanager
    def progress(title, total):
        steps = []
        bars.append((title, total, steps))
        yield types.SimpleNamespace(advance=steps.append)

    monkeypatch.setattr(downloads, "progress", progress)
    server.answers = [cut(300_000), ranged]
    fetch(server, folder)
    (title, total, first), (_, _, second) = bars
    assert (title, total) == ("x.bin (1.0 MB)", len(CONTENT))
    assert (sum(first), second[0], sum(second)) == (300_000, 300_000, len(CONTENT))
