"""The table of data sets: where they are found, how they are fetched and verified."""

import contextlib
import dataclasses
import hashlib
import http.server
import io
import re
import shutil
import threading
import zipfile

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy import io as scipy_io

from dls_keras import catalog as assignments
from dls_keras.cli import main as cli
from dls_keras.core import downloads, files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import catalog, fingerprints, recipes

ROWS = list(catalog.DATA_SETS.values())
BUILT = ["football", "smiles", "att_faces", "alpacas", "car_boxes", "camvid"]


class _Handler(http.server.BaseHTTPRequestHandler):
    """Sends the bytes of `server.files` by path."""

    def do_GET(self):
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(content or b"")

    def log_message(self, *args):
        """Print nothing."""


@pytest.fixture
def server():
    """A local server of `files`; `asked` lists the paths of the requests."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        server.files, server.asked = {}, []
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


def serve(monkeypatch, server, name, content):
    """Let `content` be what a data set, or its one file, is downloaded from."""
    row = catalog.DATA_SETS[name]
    remote = row.download or row.files[0]
    hashed = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    known = hashed if remote.sha256 else {}
    moved = dataclasses.replace(remote, url=f"{server.url}/{name}", **known)
    part = {"download": moved} if row.download else {"files": (moved,)}
    monkeypatch.setitem(catalog.DATA_SETS, name, dataclasses.replace(row, **part))
    server.files[f"/{name}"] = content


def archive(name, members):
    """The zip archive of a repository, with other files beside those given."""
    download = catalog.DATA_SETS[name].download
    root = download.name.removesuffix(".zip")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(f"{root}/README.md", "a repository")
        for member, data in members.items():
            made.writestr(f"{root}/{member}", data)
    return content.getvalue()


def encoded(image, kind, **how):
    """An image as the bytes of a file."""
    content = io.BytesIO()
    image.save(content, kind, **how)
    return content.getvalue()


def run(*arguments):
    """The result of a command line."""
    return CliRunner().invoke(cli.main, ["data", *arguments])


# The table.


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_names_assignments_a_source_and_a_way_to_get_it(row):
    """Each downloaded file has a hash, unless a recipe compares what is in it."""
    assert set(row.used_by) <= set(assignments.BY_NAME)
    assert row.source and row.licence and row.content and row.bytes > 0
    assert row.can_be_fetched != bool(row.instead)
    remotes = [row.download] if row.download else row.files
    for remote in remotes:
        if remote.url:
            assert remote.url.startswith("https://")
            assert remote.sha256 or remote.git_blob or row.name in recipes.CHECKS


def test_each_file_belongs_to_one_data_set():
    """No name occurs twice."""
    names = [remote.name for row in ROWS for remote in row.files]
    assert len(set(names)) == len(names)


def test_no_address_of_a_data_set_stands_elsewhere():
    """Each file has one declaration, in the table."""
    sources = {p: p.read_text("utf-8") for p in files.PACKAGE.rglob("*.py")}
    hashes = [r.sha256 for row in ROWS for r in row.files if r.sha256]
    for digest in hashes:
        assert [p.name for p, text in sources.items() if digest in text] == [
            "catalog.py"
        ]


def test_every_recipe_has_a_row():
    """`recipes` has a function for each data set that is made from a download."""
    made = {row.name for row in ROWS if row.download}
    assert made == {*BUILT, "recordings"}
    assert set(recipes.CHECKS) == set(BUILT)
    assert all(callable(getattr(recipes, name)) for name in made)


def test_an_unknown_name_suggests_a_close_one():
    """The message names the command that lists all."""
    with pytest.raises(InputError, match="'car_boxes'.*dls-keras data list"):
        catalog.named("carboxes")


# Where files are found.


def test_the_data_folder_comes_before_the_cache(places):
    """A file in the data folder is taken as it is; nothing is downloaded."""
    (remote,) = catalog.DATA_SETS["dinosaurs"].files
    with pytest.raises(MissingFileError, match="`dls-keras data fetch dinosaurs`"):
        catalog.find(remote)
    cached = places["HOME"] / "data" / remote.name
    cached.parent.mkdir(parents=True)
    cached.write_text("not the course's names")
    with pytest.raises(InputError, match="has sha256 .* expected ad6465"):
        catalog.find(remote)
    own = places["DATA"] / remote.name
    own.parent.mkdir(parents=True)
    own.write_text("aachenosaurus")
    assert catalog.find(remote) == own
    with pytest.raises(MissingFileError, match="nowhere.txt does not exist"):
        catalog.find(remote, "nowhere.txt")


# Fetching.


def test_a_file_is_fetched_once(monkeypatch, places, server):
    """Then it is found in the cache, and verified."""
    serve(monkeypatch, server, "sonnets", b"From fairest creatures")
    (path,) = catalog.fetch("sonnets")
    assert path == places["HOME"] / "data/dinosaurus/shakespeare.txt"
    assert catalog.fetch("sonnets") == catalog.verify("sonnets") == [path]
    assert server.asked == ["/sonnets"]
    path.write_bytes(b"From other creatures")
    with pytest.raises(InputError, match="Delete it and fetch it again"):
        catalog.verify("sonnets")


def test_the_football_points_are_made_from_the_courses_matrix(
    monkeypatch, places, server
):
    """Other numbers than the course's are refused, and nothing stays."""
    content = io.BytesIO()
    numbers = {"X": np.zeros((211, 2)), "y": np.zeros((211, 1), "uint8")}
    scipy_io.savemat(content, numbers | {"Xval": [[0.0]], "yval": [[1]]})
    serve(monkeypatch, server, "football", content.getvalue())
    with pytest.raises(InputError, match="has sha256"):
        catalog.fetch("football")
    assert catalog.places("football") == []
    assert not (places["HOME"] / "data/courses12").exists()


@pytest.mark.parametrize("name", ["alpacas", "att_faces", "car_boxes", "camvid"])
@pytest.mark.parametrize(
    "content",
    [
        {"readme.txt": b"other files"},
        {"../../../dataset/alpaca/0123456789abcdef.jpg": b"outside"},
        {"CamVid/../../train/a.png": b"outside", "/att_faces/s1/1.pgm": b"outside"},
        {"CamVid/train/a.png": b"\x89PNG no image", "att_faces/s1/1.pgm": b"P5 9 9 "},
        {"dataset/alpaca/0123456789abcdef.jpg": b"no image", "data/vid_4_1.jpg": b""},
    ],
)
def test_another_archive_is_refused_and_leaves_nothing(
    name, content, monkeypatch, places, server
):
    """Nothing is written, wherever its members point, and the archive is deleted."""
    serve(monkeypatch, server, name, archive(name, content))
    with pytest.raises(InputError, match=f"/{name} sends is not the data set {name}"):
        catalog.fetch(name)
    assert catalog.places(name) == []
    assert not [p for p in places["HOME"].parent.rglob("*") if p.is_file()]


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda content: content[: len(content) // 2], "no complete zip archive"),
        (lambda content: b"<!DOCTYPE html><html>", "web page"),
        (lambda content: content.replace(b"alpaca-classifier-", b"alpaca-xxxxxxxxxx-"),
         "other folders than"),
    ],
)  # fmt: skip
def test_what_is_no_archive_of_the_repository_is_not_kept(
    spoil, words, monkeypatch, places, server
):
    """It is deleted, so that the next attempt downloads it again."""
    content = spoil(archive("alpacas", {"a": b"a"}))
    serve(monkeypatch, server, "alpacas", content)
    with pytest.raises(InputError, match=words):
        catalog.fetch("alpacas")
    assert not [p for p in places["HOME"].rglob("*") if p.is_file()]


def test_what_cannot_be_downloaded_says_what_to_do(places):
    """bAbI's publisher states no hash."""
    with pytest.raises(MissingFileError, match="tasks_1-20_v1-2.tar.gz"):
        catalog.fetch("babi")


def test_a_fingerprint_survives_reduction_but_not_exchange():
    """Six photos in the place of others, or in another order, are noticed."""
    rng = np.random.default_rng(0)
    photos = [
        Image.fromarray(rng.integers(0, 256, (6, 8, 3), "uint8")).resize((320, 240))
        for _ in range(30)
    ]
    expected = [fingerprints.fingerprint(photo) for photo in photos]
    for photo, bits in zip(photos, expected, strict=True):
        small = Image.open(io.BytesIO(encoded(photo.resize((160, 120)), "JPEG")))
        assert np.unpackbits(fingerprints.fingerprint(small) ^ bits).sum() <= 2
    others = [
        np.unpackbits(a ^ b).sum() for a, b in zip(expected, expected[1:], strict=False)
    ]
    assert np.mean(others) > fingerprints.MOST_BITS


# The recipes, with archives that are made from the real data.


def real(name):
    """The bytes of a file in the data folder."""
    return (files.data_folder() / name).read_bytes()


def members_of(name):
    """What the archive of a data set's repository holds, made from our copies."""
    folder = files.data_folder()
    if name == "recordings":
        there = folder / "trigger_word/raw_data"
        return {str(p.relative_to(there)): p.read_bytes() for p in there.rglob("*.wav")}
    if name == "smiles":
        kinds = {"smile": "positives/positives7", "no_smile": "negatives/negatives7"}
        found = {"SMILEs/positives/positives7/13199.jpg": b"not chosen"}
        with zipfile.ZipFile(folder / "happy/smiles_64x64_jpg.zip") as made:
            for member in made.namelist():
                kind, photo = member.split("/")
                found[f"SMILEs/{kinds[kind]}/{photo}"] = made.read(member)
        return found
    if name == "att_faces":
        x = np.load(folder / "faces/att_faces.npz")["images"]
        return {
            f"att_faces/s{i // 10 + 1}/{i % 10 + 1}.pgm": encoded(
                Image.fromarray(photo), "PPM"
            )
            for i, photo in enumerate(x)
        }
    if name == "alpacas":
        paths = (folder / "alpaca").glob("*/*.jpg")
        return {f"dataset/{p.parent.name}/{p.name}": p.read_bytes() for p in paths}
    if name == "car_boxes":
        frames = (folder / "car_boxes/images").glob("*.jpg")
        table = real("car_boxes/boxes.csv").replace(b"\n", b"\r\n")
        found = {f"data/training_images/{p.name}": p.read_bytes() for p in frames}
        return found | {"data/train_solution_bounding_boxes (1).csv": table}
    members = {}
    for split in ("train", "val", "test"):
        with zipfile.ZipFile(folder / f"camvid/camvid_{split}_256x192.zip") as made:
            for member in made.namelist():
                kind, stem = member[:-4].split("/")
                where = split if kind == "images" else f"{split}annot"
                image = Image.open(io.BytesIO(made.read(member)))
                members[f"CamVid/{where}/{stem}.png"] = encoded(
                    image, "PNG", compress_level=0
                )
    return members


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        *("recordings", "smiles", "att_faces"),
        *(pytest.param(n, marks=pytest.mark.large) for n in ("car_boxes", "camvid")),
        pytest.param("alpacas", marks=pytest.mark.large),
    ],
)
def test_a_recipe_makes_the_data_set(name, monkeypatch, places, server):
    """From an archive with the published names; the archive is deleted."""
    monkeypatch.undo()
    content = archive(name, members_of(name))
    for variable, folder in places.items():
        monkeypatch.setenv(f"DLS_KERAS_{variable}", str(folder))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    serve(monkeypatch, server, name, content)
    made = catalog.fetch(name)
    assert made == catalog.verify(name) and len(made) == len(
        catalog.DATA_SETS[name].files
    )
    assert not list(places["HOME"].rglob("*.zip")) or name in ("smiles", "camvid")
    assert not (
        places["HOME"] / "data" / catalog.DATA_SETS[name].download.name
    ).exists()


@pytest.mark.data
def test_the_football_points_have_the_known_hash(monkeypatch, tmp_path):
    """From a matrix in MATLAB's format, with labels of one byte."""
    arrays = dict(np.load(files.data_folder() / "courses12/french_football.npz"))
    arrays |= {name: arrays[name].astype("uint8") for name in ("y", "yval")}
    scipy_io.savemat(tmp_path / "data.mat", arrays)
    recipes.football(tmp_path / "data.mat", tmp_path / "made")
    name = "courses12/french_football.npz"
    made, known = np.load(tmp_path / "made" / name), np.load(files.data_folder() / name)
    for key in known:
        np.testing.assert_array_equal(made[key], known[key])
        assert made[key].dtype == known[key].dtype


@pytest.mark.data
@pytest.mark.parametrize("name", ["football", "att_faces", "smiles", "recordings"])
def test_our_copies_are_verified(name):
    """Their content has the hashes that a download is compared with."""
    assert catalog.verify(name) == catalog.places(name) != []


# The command line.


def test_the_list_says_where_data_sets_are(places):
    """A data set may be here, incomplete, or not here."""
    for name in ("dinosaurus/dinos.txt", "emojify/tesss.csv"):
        path = places["DATA"] / name
        path.parent.mkdir()
        path.write_text("x")
    result = run("list")
    assert result.exit_code == 0 and result.output == run().output
    rows = {
        line.split("\t")[0]: line.split("\t") for line in result.output.splitlines()
    }
    assert list(rows) == ["data set", *catalog.DATA_SETS]
    assert rows["dinosaurs"][4] == str(places["DATA"] / "dinosaurus")
    assert rows["emoji"][4] == "incomplete" and rows["cats"][4] == "not here"
    assert rows["cats"][1:4] == ["3.2 MB", "none stated", catalog.ABD.name]
    assert rows["cats"][5] == "logistic_regression, deep_network_application"


def test_fetch_path_and_verify_print_paths(monkeypatch, places, server):
    """As the commands for weights do; both of the first download if needed."""
    for name, command in (("sonnets", "fetch"), ("metheny", "path")):
        serve(monkeypatch, server, name, b"content")
        result = run(command, name)
        (path,) = catalog.places(name)
        assert (result.exit_code, result.stdout) == (0, f"{path}\n")
    result = run("verify")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"{name}\tok\t{catalog.places(name)[0]}" for name in ("sonnets", "metheny")
    ]
    path.write_text("damaged")
    result = run("verify", "metheny")
    assert result.exit_code == 2 and str(path) in result.stderr


def test_fetch_all_goes_on_after_a_failure(monkeypatch, places, server):
    """What cannot be downloaded is left out; a failure is reported at the end."""
    for name in list(catalog.DATA_SETS):
        if name not in ("sonnets", "metheny", "babi"):
            monkeypatch.delitem(catalog.DATA_SETS, name)
    serve(monkeypatch, server, "sonnets", b"content")
    serve(monkeypatch, server, "metheny", b"content")
    del server.files["/sonnets"]
    result = run("fetch", "--all")
    assert result.exit_code == 2
    assert re.match(r"metheny\t92.5 kB\t.*/jazz\n$", result.stdout)
    assert "1 of 2: sonnets, 94.3 kB" in result.stderr
    assert "404" in result.stderr and "babi" not in result.stderr


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["fetch"], "Name one data set, or pass --all."),
        (["fetch", "cats", "--all"], "Name one data set, or pass --all."),
        (["fetch", "dogs"], "There is no data set 'dogs'"),
        (["path", "dogs"], "There is no data set 'dogs'"),
        (["verify", "cats"], "The data set cats is not on this machine."),
    ],
)
def test_wrong_arguments_are_explained(arguments, words, places):
    """With the exit code of invalid input."""
    result = run(*arguments)
    assert result.exit_code == 2 and words in result.stderr


def test_a_data_set_on_a_full_disk_leaves_nothing(monkeypatch, places, server):
    """Neither a partial data set nor a temporary folder."""
    serve(monkeypatch, server, "att_faces", archive("att_faces", {"a": b"a"}))

    def full(path, folder):
        (folder / "faces").mkdir()
        (folder / "faces/att_faces.npz").write_text("part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recipes, "att_faces", full)
    with pytest.raises(OSError):
        catalog.fetch("att_faces")
    assert catalog.places("att_faces") == []
    shutil.rmtree(places["HOME"])
