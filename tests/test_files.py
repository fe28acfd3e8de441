"""Files are looked up in a fixed order; downloads and writes are atomic."""

import functools
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading

import pytest

from dls_keras.core import downloads, files
from dls_keras.core.errors import InputError, MissingFileError

CONTENT = b"seventeen bytes.\n" * 50_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Counting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and records the requested paths."""

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        """Print nothing."""


@pytest.fixture
def server(tmp_path):
    """A local server of the folder `served`; `asked` is the list of requested paths."""
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "good.bin").write_bytes(CONTENT)
    handler = functools.partial(_Counting, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.asked = []
        server.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def places(monkeypatch, tmp_path):
    """Empty folders for `$DLS_KERAS_DATA` and `$DLS_KERAS_HOME`: a dict DATA, HOME."""
    folders = {}
    for name in ("DATA", "HOME"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        monkeypatch.setenv(f"DLS_KERAS_{name}", str(folders[name]))
    monkeypatch.delenv("DLS_KERAS_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(downloads, "FIRST_WAIT", 0.001)
    return folders


def good(server):
    """A `Remote` of the server's file, with the right hash."""
    return files.Remote(name="set/x.bin", url=f"{server.url}/good.bin", sha256=SHA256)


def everything_below(folder):
    """All files in a folder and its subfolders, including hidden ones."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_path_data_folder_cache_and_url_are_tried_in_this_order(
    server, places, tmp_path
):
    """A download is cached, so that the server receives one request."""
    remote = good(server)
    cached = places["HOME"] / "data/set/x.bin"
    assert files.find_data(remote) == cached and server.asked == ["/good.bin"]
    assert cached.read_bytes() == CONTENT
    assert files.find_data(remote) == cached and len(server.asked) == 1

    own = places["DATA"] / "set/x.bin"
    own.parent.mkdir()
    own.write_bytes(b"the user's own copy, taken as it is")
    assert files.find_data(remote) == own

    given = tmp_path / "given.bin"
    given.write_bytes(b"given")
    assert files.find_data(remote, given) == given
    assert files.find_data(remote, str(given)) == given
    assert len(server.asked) == 1


def test_a_path_that_does_not_exist_is_not_replaced_by_another_file(server, places):
    """The error names the path, and nothing is downloaded."""
    with pytest.raises(MissingFileError, match=r"no/where\.bin does not exist.*set/x"):
        files.find_data(good(server), "no/where.bin")
    assert server.asked == []


def test_the_data_folder_may_start_with_a_tilde(monkeypatch, tmp_path):
    """A quoted "~/data" means the same as an unquoted one."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_DATA", "~/data")
    assert files.data_folder() == tmp_path / "data"


@pytest.mark.parametrize("value", [None, "", "/no/such/folder"])
def test_without_a_data_folder_its_files_are_none(monkeypatch, value):
    """An unset variable or one that names no folder is not an error."""
    if value is None:
        monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    else:
        monkeypatch.setenv("DLS_KERAS_DATA", value)
    assert files.data_folder() is None and files.in_data_folder("x") is None


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    """It is `$DLS_KERAS_HOME` if set, else a folder dls_keras of the user's."""
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    assert files.home() == tmp_path
    monkeypatch.delenv("DLS_KERAS_HOME")
    assert files.home().name == "dls_keras" and files.home().is_absolute()


def test_a_download_with_a_wrong_hash_is_deleted(server, places):
    """The message contains both hashes."""
    remote = files.Remote(name="x.bin", url=f"{server.url}/good.bin", sha256="0" * 64)
    with pytest.raises(InputError, match=f"sha256 {SHA256}, expected {'0' * 64}"):
        files.find_data(remote)
    assert everything_below(places["HOME"]) == []


def test_a_truncated_download_is_deleted(server, places):
    """Its hash is wrong."""
    (server_file,) = everything_below(places["HOME"].parent / "served")
    server_file.write_bytes(CONTENT[: len(CONTENT) // 2])
    with pytest.raises(InputError, match="expected"):
        files.find_data(good(server))
    assert everything_below(places["HOME"]) == []


def test_a_downloaded_web_page_is_recognized(server, places):
    """For instance the login page of a server."""
    (server_file,) = everything_below(places["HOME"].parent / "served")
    server_file.write_text("<!DOCTYPE html><title>Log in</title>")
    with pytest.raises(InputError, match="a web page, not the file itself"):
        files.find_data(good(server))


def test_the_error_for_a_404_helps_to_download_by_hand(server, places):
    """The message contains the url, the hash and the path where the file belongs."""
    url = f"{server.url}/missing.bin"
    remote = files.Remote(name="x.bin", url=url, sha256=SHA256)
    with pytest.raises(MissingFileError, match="404") as caught:
        files.find_data(remote)
    assert all(text in str(caught.value) for text in (url, SHA256, "HOME/data/x.bin"))
    assert everything_below(places["HOME"]) == []


def test_a_refused_connection_is_an_error_that_names_the_url(places):
    """No server listens on the port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x.bin"
    remote = files.Remote(name="x.bin", url=url, sha256=SHA256)
    with pytest.raises(MissingFileError, match=f"Could not download x.bin from {url}"):
        files.find_data(remote)
    assert everything_below(places["HOME"]) == []


@pytest.mark.parametrize("value, online", [("1", False), ("0", True), ("", True)])
def test_offline_opens_no_connection(server, places, monkeypatch, value, online):
    """With DLS_KERAS_OFFLINE=1 the message names the url and the hash instead."""
    monkeypatch.setenv("DLS_KERAS_OFFLINE", value)
    remote = good(server)
    if online:
        assert files.find_data(remote).is_file() and len(server.asked) == 1
        return
    with pytest.raises(MissingFileError, match="DLS_KERAS_OFFLINE forbids") as caught:
        files.find_data(remote)
    assert all(text in str(caught.value) for text in (remote.url, SHA256))
    assert server.asked == []


def test_offline_still_reads_the_cache(server, places, monkeypatch):
    """A file that was downloaded before is used."""
    remote = good(server)
    files.find_data(remote)
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    assert files.find_data(remote).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_refused(server, places):
    """Its hash is compared at each use; the file is not replaced silently."""
    remote = good(server)
    files.find_data(remote).write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="damaged.*Delete it"):
        files.find_data(remote)


def test_the_error_for_a_file_without_url_gives_the_instructions(places):
    """Some data sets are not a single file that could be downloaded."""
    remote = files.Remote(name="photos", instead="Clone the repository of X.")
    with pytest.raises(MissingFileError, match="as one file. Clone the repository"):
        files.find_data(remote)


FETCH = """
import sys
from dls_keras.core import files
url, sha256 = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()  # both processes start at the same time
path = files.find_data(files.Remote(name="x.bin", url=url, sha256=sha256))
print(files.sha256(path))
"""


def test_two_processes_can_download_a_file_at_the_same_time(server, places):
    """Both return the right file, and no temporary file remains."""
    command = [sys.executable, "-c", FETCH, good(server).url, SHA256]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    both = [subprocess.Popen(command, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdout.readline() == "ready\n"
    for process in both:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in both:
        assert process.communicate(timeout=60)[0] == f"{SHA256}\n"
        assert process.returncode == 0
    assert everything_below(places["HOME"]) == [places["HOME"] / "data/x.bin"]


def test_a_cache_folder_that_cannot_be_created_is_an_error(server, places):
    """A file has the name of the folder."""
    (places["HOME"] / "data").write_text("not a folder")
    with pytest.raises(InputError, match="Cannot create the folder.*DLS_KERAS_HOME"):
        files.find_data(good(server))
    assert server.asked == []


def test_git_blob_is_the_id_that_git_computes(tmp_path):
    """The ids were printed by `git hash-object`."""
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert files.git_blob(path) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"
    path.write_bytes(b"hello\n")
    assert files.git_blob(path) == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_sha256_is_the_published_one(tmp_path):
    """The first example of FIPS 180-2."""
    (tmp_path / "file").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(tmp_path / "file") == expected


@pytest.mark.parametrize("which", ["sha256", "git_blob", "md5"])
def test_each_kind_of_hash_is_checked(tmp_path, which):
    """The error for a wrong hash names its kind and both values."""
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    right = getattr(files, which)(path)
    files.check_hash(path, files.Remote(name="x", **{which: right}))
    wrong = files.Remote(name="x", **{which: right[::-1]})
    with pytest.raises(InputError, match=f"{which} {right}, expected {right[::-1]}"):
        files.check_hash(path, wrong)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize(
    "start, words",
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (POINTER, "Git LFS pointer"),
        (b"<!DOCTYPE html>\n<html>", "web page"),
        (b"\n  <HTML><body>404</body></HTML>", "web page"),
        (b"\xef\xbb\xbf<!doctype html>", "web page"),
        (b"<!-- " + b"-" * 100 + b" --><html>", "web page"),
        (b"\x89HDF\r\n\x1a\n", "damaged"),
        (b"about html", "damaged"),
    ],
)
def test_what_is_recognizes_files_by_their_first_bytes(tmp_path, start, words):
    """Empty files, Git LFS pointers and web pages that replace the expected file."""
    (tmp_path / "file").write_bytes(start)
    assert words in files.what_is(tmp_path / "file")


def test_an_exception_while_writing_keeps_the_old_file(tmp_path):
    """No temporary file remains."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyError), files.atomic_write(path) as temporary:
        temporary.write_text("new and wrong")
        assert path.read_text() == "old"
        raise KeyError
    assert path.read_text() == "old" and everything_below(tmp_path) == [path]


def test_a_written_file_replaces_the_old_one(tmp_path):
    """The temporary file has the same suffix and is gone afterwards."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    with files.atomic_write(path) as temporary:
        assert temporary.suffix == ".txt" and temporary.parent == tmp_path
        temporary.write_text("new")
    assert path.read_text() == "new" and everything_below(tmp_path) == [path]


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600)])
def test_a_written_file_has_the_permissions_of_the_umask(tmp_path, umask, mode):
    """Although temporary files are readable by their owner alone."""
    before = os.umask(umask)
    try:
        with files.atomic_write(tmp_path / "file") as temporary:
            temporary.write_text("new")
        assert os.umask(umask) == umask  # the function leaves it unchanged
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_a_missing_folder_is_an_error_before_the_work(tmp_path):
    """It is not created, because the name may contain a typing error."""
    path = tmp_path / "none" / "file"
    with pytest.raises(MissingFileError, match="none does not exist"):
        with files.atomic_write(path):
            pytest.fail("the work began")
    assert not path.parent.exists()


def test_the_path_of_a_folder_is_an_error_before_the_work(tmp_path):
    """A folder cannot be replaced by a file."""
    with pytest.raises(InputError, match="it is a folder"):
        with files.atomic_write(tmp_path):
            pytest.fail("the work began")


def test_a_folder_without_write_permission_is_an_error(tmp_path, monkeypatch):
    """The message contains that of the system."""

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)  # root may write anywhere
    with pytest.raises(InputError, match="Permission denied in the folder"):
        with files.atomic_write(tmp_path / "file"):
            pytest.fail("the work began")
