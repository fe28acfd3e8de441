"""Damaged and hostile data files: each reader refuses them with one short message."""

import io
import json
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from dls_keras.core import face_database, readers
from dls_keras.core.errors import InputError
from dls_keras.core.word_pieces import WordPieceTokenizer
from dls_keras.datasets import (
    camvid,
    car_boxes,
    cats,
    digits,
    dinosaur_names,
    emoji,
    faces,
    glove,
    planar,
    resumes,
    sentence_corpus,
    signs,
    smiles,
    sonnets,
    stories,
)
from dls_keras.grading import parse

MEGABYTE = 2**20


def refusal(read, path):
    """The message of the InputError that reading raises, "" if there is an answer."""
    try:
        read(path)
    except InputError as error:
        message = str(error)
        assert len(message) <= 900 and message.count("\n") < 3, message
        return message
    return ""


# Text.

PIXELS = ",".join(["0"] * 784)
COLUMNS = ",".join(("label", *digits.PIXELS))
STORY = stories.to_babi(stories.make_stories(1)[0])
RESUME = {
    "content": "Ines",
    "annotation": [{"label": ["Name"], "points": [{"start": 0, "end": 3}]}],
}
CELL = {"cell_type": "code", "source": "a = 1"}


def notebook(**fields):
    return json.dumps({"cells": [CELL]} | fields)


TEXTS = {  # the name of a file, its reader, and a valid content
    "emoji.csv": (emoji.read_csv, "i love you,0\nplay ball,1,,\n"),
    "digits.csv": (digits.read_csv, f"{COLUMNS}\n3,{PIXELS}\n"),
    "glove.txt": (lambda path: glove.read([path]), "the 1 2\nof 3 4\n"),
    "sonnets.txt": (sonnets.load_text, "Shall I compare thee\n"),
    "names.txt": (dinosaur_names.load_names, "Ash\nBirch\n"),
    "corpus.txt": (sentence_corpus.load_text, "The sea is grey. The sun is warm.\n"),
    "stories.txt": (stories.read, "1 A.\n2 B?\tc\t1\n"),
    "stories.json": (stories.read, json.dumps([STORY])),
    "resumes.json": (resumes.load_resumes, json.dumps(RESUME) + "\n"),
    "vocab.txt": (WordPieceTokenizer.read, "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n"),
    "lesson.ipynb": (parse.read, notebook()),
    "lesson.py": (parse.read, "a = 1\n"),
}
FAULTS = {
    "empty": lambda text: b"",
    "Latin-1": lambda text: "caf\xe9,0\n".encode("latin-1") + text.encode(),
    "UTF-16": lambda text: text.encode("utf-16"),
    "UTF-16 without a mark": lambda text: text.encode("utf-16-le"),
    "zero bytes": lambda text: text.encode().replace(text[1].encode(), b"\0", 1),
    "bytes": lambda text: bytes(range(256)) * 20,
    "a line without end": lambda text: b"y" * 3 * MEGABYTE,
    "a quote without end": lambda text: b'"' + b"y" * 200_000,
    "deep nesting": lambda text: b"[" * 100_000,
    "deep objects": lambda text: b'{"a":' * 100_000,
    "a number": lambda text: b"7",
    "null": lambda text: b"null",
    "a list of null": lambda text: b"[null]",
    "many lists": lambda text: b"[" + b"[]," * 2_000_000 + b"[]]",
}
ANSWERED = {  # a text may be any line; of a module, each statement is reported
    ("sonnets.txt", "a line without end"),
    ("sonnets.txt", "null"),
    ("names.txt", "null"),
    ("corpus.txt", "many lists"),  # commas count as words
    ("lesson.ipynb", "UTF-16"),
    ("lesson.ipynb", "UTF-16 without a mark"),
    *(
        ("lesson.py", fault)
        for fault in FAULTS
        if fault
        not in {
            "zero bytes",
            "bytes",
            "a line without end",
            "many lists",
        }
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("name", TEXTS)
def test_a_damaged_text_is_refused(tmp_path, name, fault):
    """Encodings, nesting, sizes; the message stays short whatever the file holds."""
    read, text = TEXTS[name]
    path = tmp_path / name
    path.write_bytes(FAULTS[fault](text))
    assert bool(refusal(read, path)) == ((name, fault) not in ANSWERED)


@pytest.mark.parametrize("name", TEXTS)
def test_a_valid_text_is_read(tmp_path, name):
    """With or without a byte order mark and a last line end; with those of Windows."""
    read, text = TEXTS[name]
    path = tmp_path / name
    for variant in (text, text.rstrip("\n"), "\ufeff" + text):
        path.write_text(variant, encoding="utf-8", newline="")
        assert refusal(read, path) == ""
    path.write_text(text, encoding="utf-8", newline="\r\n")
    assert refusal(read, path) == ""


def story(**fields):
    return json.dumps([{"story": STORY["story"] | fields}])


def resume(point=None, **fields):
    point = {"start": 0, "end": 3} | (point or {})
    annotation = [{"label": ["Name"], "points": [point]}]
    return json.dumps(RESUME | {"annotation": annotation} | fields)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("emoji.csv", "a,-7\n", "line 1.*0 to 4"),
        ("emoji.csv", "a,0\nb,inf\n", "line 2.*0 to 4"),
        ("emoji.csv", "a,1e300\n", "0 to 4"),
        ("emoji.csv", ",1\n", "expected a sentence"),
        ("emoji.csv", "y" * 301 + ",1\n", "at most 300 characters"),
        ("digits.csv", f"{COLUMNS}\n3.7,{PIXELS}\n", "line 2, column label.*'3.7'"),
        ("digits.csv", f"{COLUMNS}\ninf,{PIXELS}\n", "line 2, column label.*'inf'"),
        ("digits.csv", f"{COLUMNS}\n{10**400},{PIXELS}\n", "line 2, column label"),
        ("digits.csv", f"{COLUMNS}\n\u0663,{PIXELS}\n", "line 2, column label"),
        ("digits.csv", f"{COLUMNS}\n0_3,{PIXELS}\n", "line 2, column label.*'0_3'"),
        ("digits.csv", f"{COLUMNS}\n3,{PIXELS}\n" + "0," * 10**6, "line 3"),
        ("glove.txt", "a 1 2\nb 1e300 2\n", "line 2"),
        ("glove.txt", "a 1 2\nb inf 2\n", "line 2"),
        ("glove.txt", "a 1 2\n 1 2\n", "line 2"),
        ("glove.txt", "3 2\na 1 2\nb 1 2\n", "2 words, but .* declares 3"),
        ("glove.txt", "2 3\na 1 2\nb 1 2\n", "line 2: expected a word and 3 numbers"),
        ("stories.json", story(text="AB?"), "not lists of one length"),
        ("stories.json", story(text=["A.", 3, "B?"]), "expected a text, received '3'"),
        ("stories.json", story(answer=["", "", "\ud800"]), "surrogates"),
        ("stories.json", story(supporting_ids=[[], [], ["3"]]), "fact 2 of 2"),
        ("stories.json", story(supporting_ids=[[], [], []]), "not a file of stories"),
        ("stories.txt", "1 A.\n2 What?\t \t1\n", "expected a text"),
        ("stories.txt", "1 A.\n2 What?\ta\t \n", "there is no fact"),
        ("stories.txt", "1 " + " " * 10**6 + "x\n", "no story"),
        ("stories.txt", "1\n2 B?\tc\t1\n", "expected a text"),
        (
            "stories.txt",
            "".join(f"{i} A.\n" for i in range(1, 150)) + "150 B?\tc\t1",
            "line 101: more than 100 facts",
        ),
        ("resumes.json", resume({"start": "0"}), "line 1"),
        ("resumes.json", resume({"start": float("inf")}), "line 1"),
        ("resumes.json", resume({"text": 3}), "line 1"),
        ("resumes.json", resume(annotation={}), "annotation is not a list"),
        ("resumes.json", resume(content="\ud800"), "line 1"),
        ("resumes.json", resume(content="y" * 100_001), "at most 100,000 characters"),
        ("vocab.txt", "[PAD]\n[UNK]\n\n[CLS]\n[SEP]\n", "Piece 2 .* is empty"),
        ("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\na\n", "'a' more than once"),
        ("lesson.ipynb", notebook(cells={}), "expected a list, found dict"),
        ("lesson.ipynb", notebook(cells="abc"), "expected a list, found str"),
        ("lesson.ipynb", notebook(cells=[3]), "not a valid notebook"),
        ("lesson.ipynb", notebook(worksheets={}), "expected a list"),
        ("lesson.ipynb", notebook(cells=[CELL | {"source": 5}]), "expected a list"),
        ("lesson.ipynb", notebook(cells=[CELL | {"source": {"a": 1}}]), "a list"),
        ("lesson.ipynb", notebook(cells=[CELL | {"source": [1]}]), "not a valid"),
        (
            "lesson.ipynb",
            notebook(cells=[CELL | {"source": "#" * 2**21}]),
            "2,097,152 char",
        ),
    ],
)
def test_a_text_with_wrong_contents_is_refused(tmp_path, name, text, words):
    """Labels out of range, texts of other types, wrong nesting, cut files."""
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=words):
        TEXTS[name][0](path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"image\n",
        b'"' + b"y" * 200_000,
        b"image,xmin,ymin,xmax,ymax\n",
        b"image,xmin,ymin,xmax,ymax\nvid_4_" + b"9" * 5000 + b".jpg,1,2,30,40\n",
        b"image,xmin,ymin,xmax,ymax\nvid_4_10.jpg,1,2,inf,40\n",
        b"image,xmin,ymin,xmax,ymax\n\xe9,1,2,30,40\n",
        b"image,xmin,ymin,xmax,ymax\n"
        + b"".join(b"vid_4_%d.jpg,1,2,30,40\n" % i for i in range(2000)),
    ],
    ids=range(8),
)
def test_a_damaged_table_of_boxes_is_refused(tmp_path, content):
    """The images are read only if the table is valid."""
    (tmp_path / "boxes.csv").write_bytes(content)
    (tmp_path / "images_without_cars.txt").write_text("")
    message = refusal(car_boxes.load_car_boxes, tmp_path)
    assert message and "no image at" not in message


def test_a_declared_encoding_of_a_module_may_be_unknown(tmp_path):
    """Or none of text; then the module is read as Latin-1."""
    path = tmp_path / "lesson.py"
    for encoding in ("nonsense", "zlib", "rot13", "undefined", "idna"):
        path.write_text(f"# coding: {encoding}\na = 1\n")
        assert refusal(parse.read, path) == ""


# Arrays.

IMAGES = np.zeros((400, 112, 92), "uint8")
PEOPLE = np.repeat(np.arange(40), 10)
LABELS = [np.inf, np.nan, -7, 1e300, 0.5, 99]


def with_value(labels, value):
    """The labels, one of them changed."""
    changed = labels.astype("float64")
    changed.flat[1] = value
    return changed


def read_mnist(path):
    return digits._read_npz(path, "images", "labels")


def write_npz(path, x, y):
    np.savez(path, images=x, labels=y)


def write_football(path, x, y):
    np.savez(path, X=x, y=y, Xval=x[:200], yval=y[:200])


def write_cats(path, x, y):
    for part in ("train", "test"):
        with h5py.File(path.parent / f"{part}_catvnoncat.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y
            file["list_classes"] = np.array(cats.CLASSES, "S")


def write_signs(path, x, y):
    for part in ("train", "test"):
        with h5py.File(path.parent / f"{part}_signs.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y


ARRAYS = {  # writer, reader, valid images or points, valid labels
    "mnist": (write_npz, read_mnist, np.zeros((3, 28, 28), "uint8"), np.arange(3)),
    "att": (write_npz, faces.load_att, IMAGES, PEOPLE),
    "football": (
        write_football,
        planar.load_football,
        np.zeros((211, 2)),
        np.ones((211, 1), "uint8"),
    ),
    "cats": (
        write_cats,
        lambda path: cats.load_cats(path.parent),
        np.zeros((2, 64, 64, 3), "uint8"),
        np.arange(2),
    ),
    "signs": (
        write_signs,
        lambda path: signs.load_signs(),
        np.zeros((2, 64, 64, 3), "uint8"),
        np.arange(2),
    ),
}


@pytest.fixture
def array_file(tmp_path, monkeypatch):
    """A path in a data folder without other files."""
    (tmp_path / "signs").mkdir()
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    return tmp_path / "signs" / "arrays"


@pytest.mark.parametrize("kind", ARRAYS)
def test_labels_are_whole_numbers_of_a_class(array_file, kind):
    """Floats are taken if they are; NaN, inf, fractions, texts and others are not."""
    write, read, x, y = ARRAYS[kind]
    path = array_file.with_suffix(".npz")
    write(path, x, y.astype("float64"))
    assert refusal(read, path) == ""
    for wrong in (
        *(with_value(y, value) for value in LABELS),
        y.astype("S"),
        y[:-1],
        y[:0],
        np.stack([y, y]),
    ):
        write(path, x, wrong)
        assert str(path.parent) in refusal(read, path)


@pytest.mark.parametrize("kind", ARRAYS)
def test_images_and_points_have_the_right_shape_and_range(array_file, kind):
    """NaN and texts are refused; images are from 0 to 255."""
    write, read, x, y = ARRAYS[kind]
    path = array_file.with_suffix(".npz")
    for wrong in (
        x + np.nan,
        x.astype("S1"),
        x[..., :1],
        x[:0],
        *([] if kind == "football" else [x + 300.0, x + 0.5, x.astype("int64") - 1]),
    ):
        write(path, wrong, y)
        assert str(path.parent) in refusal(read, path)


@pytest.mark.parametrize(
    "changes",
    [
        {"names": np.array("ada")},
        {"names": np.array([b"ada"])},
        {"names": np.array([7])},
        {"names": np.array(["a\0b\x1b"])},
        {"names": np.array([["ada"]])},
        {"vectors": np.ones((1, 4), "f4")},
        {"vectors": np.full((1, 4), np.inf, "f4")},
        {"vectors": np.ones((1, 4), "f8") / 2},
        {"vectors": np.float32(1)},
        {"network": np.array(["net"])},
        {"network": np.array(3)},
    ],
    ids=range(11),
)
def test_a_database_of_other_arrays_is_refused(tmp_path, changes):
    """Names and the network are text, encodings float32 of length 1."""
    path = tmp_path / "door.npz"
    valid = {
        "names": np.array(["ada"]),
        "vectors": np.ones((1, 4), "f4") / 2,
        "network": np.array("net"),
    }
    np.savez(path, **valid)
    assert refusal(face_database.load, path) == ""
    np.savez(path, **valid | changes)
    assert refusal(face_database.load, path)


def test_a_vocabulary_in_a_weight_file_is_an_array_of_bytes():
    """In UTF-8; numbers and other bytes are refused."""
    for array in (np.arange(3), np.array(b"[PAD]"), np.array([b"\xff"]), np.array([])):
        with pytest.raises(InputError, match="vocabulary"):
            WordPieceTokenizer.from_array(array)


# Zip archives.


def encoded(mode, kind="PNG", size=(64, 64)):
    """The bytes of a black image."""
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


def zipped(members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


LINES = b"".join(b"word%d 0.%d -0.25\n" % (i, i) for i in range(500))
STREET = encoded("RGB", size=(256, 192)), encoded("L", size=(256, 192))
ARCHIVES = {  # the name of a file below the data folder, its members, its reader
    "glove.zip": ({"glove.6B.50d.txt": LINES}, lambda path: glove.read([path])),
    "happy/smiles.zip": (
        {"smile/1.jpg": encoded("L"), "no_smile/1.jpg": encoded("L")},
        smiles.load_smiles,
    ),
    "signs/signs_64x64_jpg.zip": (
        {"train_signs/0_1.jpg": encoded("RGB"), "val_signs/5_1.jpg": encoded("RGB")},
        signs._read_jpegs,
    ),
    "camvid/camvid_val_256x192.zip": (
        {"images/a.jpg": STREET[0], "masks/a.png": STREET[1]},
        lambda path: camvid.load_split("val"),
    ),
}


@pytest.fixture(params=ARCHIVES)
def archive(request, tmp_path, monkeypatch):
    """The path of a valid archive, its members and its reader."""
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    members, read = ARCHIVES[request.param]
    path = tmp_path / request.param
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zipped(members))
    return path, members, read


def test_a_cut_or_changed_archive_is_refused_or_read(archive):
    """The same answer or a message, for 60 lengths and 200 changed bytes."""
    path, _, read = archive
    whole = path.read_bytes()
    assert refusal(read, path) == ""
    for length in np.linspace(0, len(whole) - 1, 60, dtype=int):
        path.write_bytes(whole[:length])
        assert refusal(read, path)
    rng = np.random.default_rng(0)
    for place in rng.integers(len(whole), size=200):
        changed = bytearray(whole)
        changed[place] ^= 1 << rng.integers(8)
        path.write_bytes(changed)
        refusal(read, path)


def test_an_encrypted_archive_is_refused(archive):
    """Its flag is set in both headers of each member."""
    path, _, read = archive
    content = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        start = -1
        while (start := content.find(signature, start + 1)) >= 0:
            content[start + offset] |= 1
    path.write_bytes(content)
    assert "encrypted" in refusal(read, path)


def test_other_compression_and_other_members_are_refused(archive):
    """Bzip2 may expand without bound; a member may have another content."""
    path, members, read = archive
    path.write_bytes(zipped(members, zipfile.ZIP_BZIP2))
    assert "deflate" in refusal(read, path)
    for content in (b"nothing", b"", encoded("1"), encoded("RGBA", size=(2, 2))):
        path.write_bytes(zipped(dict.fromkeys(members, content)))
        assert refusal(read, path)


@pytest.mark.parametrize("declared", [None, 1000])
def test_a_bomb_is_refused_in_little_memory(archive, declared):
    """Members of 100 MB in a file of 100 kB, also if they declare 1,000 bytes."""
    path, members, read = archive
    content = bytearray(zipped(dict.fromkeys(members, b"y" * 100_000_000)))
    if declared:
        for signature, offset in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
            start = -1
            while (start := content.find(signature, start + 1)) >= 0:
                place = slice(start + offset, start + offset + 4)
                content[place] = declared.to_bytes(4, "little")
    path.write_bytes(content)
    tracemalloc.start()
    message = refusal(read, path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message and peak < 20 * MEGABYTE


def test_a_mask_of_another_size_is_refused(tmp_path, monkeypatch):
    """It would be resized to classes of other places."""
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    (tmp_path / "camvid").mkdir()
    members = {"images/a.jpg": STREET[0], "masks/a.png": encoded("L", size=(192, 256))}
    (tmp_path / "camvid/camvid_val_256x192.zip").write_bytes(zipped(members))
    with pytest.raises(InputError, match="192 x 256 pixels .* expected 256 x 192"):
        camvid.load_split("val")


def test_a_text_of_quoted_names_is_cut():
    """Of what a message quotes, the first characters are enough."""
    assert readers.quoted("y" * 61) == repr("y" * 60) + "..."
    assert readers.quoted(b"y\n") == r"b'y\n'"
