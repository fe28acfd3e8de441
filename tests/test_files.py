"""Files are found in a fixed order, fetched whole or not at all, written whole."""

import functools
import hashlib
import http.server
import os
import socket
import subprocess
import sys
import threading

import pytest

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError

CONTENT = b"seventeen bytes.\n" * 50_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class _Counting(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and writes down which paths were asked for."""

    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args):
        """Says nothing."""


@pytest.fixture
def server(tmp_path):
    """A server on this machine of the folder `served`; `asked` lists the requests."""
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
    """Empty folders for `$DLS_KERAS_DATA` and `$DLS_KERAS_HOME`, by these names."""
    folders = {}
    for name in ("DATA", "HOME"):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        monkeypatch.setenv(f"DLS_KERAS_{name}", str(folders[name]))
    monkeypatch.delenv("DLS_KERAS_OFFLINE", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folders


def good(server):
    """The file that the server has, under a name in a folder."""
    return files.Remote(name="set/x.bin", url=f"{server.url}/good.bin", sha256=SHA256)


def everything_below(folder):
    """All files, hidden ones too."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_a_file_is_looked_for_in_this_order(server, places, tmp_path):
    """Path, environment variable, cache, and only then the url."""
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
    """Who names a file wants that one: nothing is fetched in its place."""
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
def test_without_a_data_folder_nothing_is_in_it(monkeypatch, value):
    """An unset or wrong variable is no folder, and no error by itself."""
    if value is None:
        monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    else:
        monkeypatch.setenv("DLS_KERAS_DATA", value)
    assert files.data_folder() is None and files.in_data_folder("x") is None


def test_the_cache_folder_can_be_chosen(monkeypatch, tmp_path):
    """`$DLS_KERAS_HOME` if set, else a folder of the user's, named after us."""
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    assert files.home() == tmp_path
    monkeypatch.delenv("DLS_KERAS_HOME")
    assert files.home().name == "dls_keras" and files.home().is_absolute()


def test_a_wrong_download_leaves_nothing_behind(server, places):
    """The message holds both hashes; no file stays, not even a hidden one."""
    remote = files.Remote(name="x.bin", url=f"{server.url}/good.bin", sha256="0" * 64)
    with pytest.raises(InputError, match=f"sha256 {SHA256}, expected {'0' * 64}"):
        files.find_data(remote)
    assert everything_below(places["HOME"]) == []


def test_a_download_that_was_cut_leaves_nothing_behind(server, places):
    """Half of the bytes have another hash."""
    (server_file,) = everything_below(places["HOME"].parent / "served")
    server_file.write_bytes(CONTENT[: len(CONTENT) // 2])
    with pytest.raises(InputError, match="expected"):
        files.find_data(good(server))
    assert everything_below(places["HOME"]) == []


def test_a_web_page_in_place_of_the_file_is_named(server, places):
    """What a server hands out to log in is told from a file."""
    (server_file,) = everything_below(places["HOME"].parent / "served")
    server_file.write_text("<!DOCTYPE html><title>Log in</title>")
    with pytest.raises(InputError, match="a web page, not the file itself"):
        files.find_data(good(server))


def test_what_is_not_on_the_server_is_said_with_its_url(server, places):
    """404: the url, the hash and the place for a copy by hand stand in the message."""
    url = f"{server.url}/missing.bin"
    remote = files.Remote(name="x.bin", url=url, sha256=SHA256)
    with pytest.raises(MissingFileError, match="404") as caught:
        files.find_data(remote)
    assert all(text in str(caught.value) for text in (url, SHA256, "HOME/data/x.bin"))
    assert everything_below(places["HOME"]) == []


def test_a_refused_connection_is_one_sentence(places):
    """Nobody listens there: the user reads where, and what to do instead."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}/x.bin"
    remote = files.Remote(name="x.bin", url=url, sha256=SHA256)
    with pytest.raises(MissingFileError, match=f"Could not download x.bin from {url}"):
        files.find_data(remote)
    assert everything_below(places["HOME"]) == []


@pytest.mark.parametrize("value, online", [("1", False), ("0", True), ("", True)])
def test_offline_opens_no_connection(server, places, monkeypatch, value, online):
    """The server is not asked; the message says where to put which file."""
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
    """What was fetched before stays of use."""
    remote = good(server)
    files.find_data(remote)
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    assert files.find_data(remote).read_bytes() == CONTENT


def test_a_damaged_file_in_the_cache_is_refused(server, places):
    """It is hashed each time it is taken, and is not silently replaced."""
    remote = good(server)
    files.find_data(remote).write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="damaged.*Delete it"):
        files.find_data(remote)


def test_a_file_without_url_says_what_to_do_instead(places):
    """Some sets are no single file."""
    remote = files.Remote(name="photos", instead="Clone the repository of X.")
    with pytest.raises(MissingFileError, match="as one file. Clone the repository"):
        files.find_data(remote)


FETCH = """
import sys
from dls_keras.core import files
url, sha256 = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()  # both start at one word
path = files.find_data(files.Remote(name="x.bin", url=url, sha256=sha256))
print(files.sha256(path))
"""


def test_two_processes_may_fetch_one_file_at_once(server, places):
    """Both end with the good file, and nothing else lies beside it."""
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


def test_a_cache_that_cannot_be_made_is_one_sentence(server, places):
    """Here a file stands where the cache's folder should."""
    (places["HOME"] / "data").write_text("in the way")
    with pytest.raises(InputError, match="Cannot create the folder.*DLS_KERAS_HOME"):
        files.find_data(good(server))
    assert server.asked == []


def test_git_blob_is_the_id_that_git_gives(tmp_path):
    """Two ids that `git hash-object` prints."""
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
def test_any_hash_tells_the_true_file(tmp_path, which):
    """A right one passes in silence, a wrong one is named with its kind."""
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
def test_the_first_bytes_betray_what_a_file_is(tmp_path, start, words):
    """The usual stand-ins for a file that did not come are named."""
    (tmp_path / "file").write_bytes(start)
    assert words in files.what_is(tmp_path / "file")


def test_an_exception_leaves_the_old_file(tmp_path):
    """Neither the old content nor the folder changes."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(KeyError), files.atomic_write(path) as temporary:
        temporary.write_text("new and wrong")
        assert path.read_text() == "old"
        raise KeyError
    assert path.read_text() == "old" and everything_below(tmp_path) == [path]


def test_a_written_file_replaces_the_old_one(tmp_path):
    """The temporary name has the same suffix and is gone afterwards."""
    path = tmp_path / "file.txt"
    path.write_text("old")
    with files.atomic_write(path) as temporary:
        assert temporary.suffix == ".txt" and temporary.parent == tmp_path
        temporary.write_text("new")
    assert path.read_text() == "new" and everything_below(tmp_path) == [path]


@pytest.mark.parametrize("umask, mode", [(0o022, 0o644), (0o077, 0o600)])
def test_written_files_have_the_permissions_of_others(tmp_path, umask, mode):
    """As the umask says, although temporary files are private."""
    before = os.umask(umask)
    try:
        with files.atomic_write(tmp_path / "file") as temporary:
            temporary.write_text("new")
        assert os.umask(umask) == umask  # which stays as it was
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == mode


def test_a_missing_folder_is_named(tmp_path):
    """It is not made: a typing mistake would become a folder."""
    path = tmp_path / "none" / "file"
    with pytest.raises(MissingFileError, match="none does not exist"):
        with files.atomic_write(path):
            pytest.fail("the work began")
    assert not path.parent.exists()


def test_a_folder_is_no_file_to_write(tmp_path):
    """A folder in place of a file's name is told before the work."""
    with pytest.raises(InputError, match="it is a folder"):
        with files.atomic_write(tmp_path):
            pytest.fail("the work began")


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    """The system's own words stand in the sentence."""

    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.tempfile, "mkstemp", refuse)  # root may write anywhere
    with pytest.raises(InputError, match="Permission denied in the folder"):
        with files.atomic_write(tmp_path / "file"):
            pytest.fail("the work began")
