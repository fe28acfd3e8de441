"""Faces: real ones, drawn ones, cut-out ones, and the file of those who are known."""

import builtins

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from dls_keras.core import face_database, images
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import faces


@pytest.fixture
def att(tmp_path):
    """A small lie of the right shape."""
    images = np.random.default_rng(0).integers(0, 256, (400, 112, 92), "uint8")
    path = tmp_path / "att_faces.npz"
    np.savez(path, images=images, labels=np.repeat(np.arange(40, dtype="uint8"), 10))
    return path


# AT&T and the course's photos.


def test_att_pictures_become_squares_and_nothing_is_stretched(att):
    """The picture stands in the middle; beside it its border repeats."""
    x, y = faces.load_att(att)
    with np.load(att) as npz:
        original = npz["images"]
    assert x.shape == (400, 112, 112)
    assert y.dtype == "int64"
    np.testing.assert_array_equal(x[:, :, 10:-10], original)
    for outside, border in ((x[:, :, :10], 0), (x[:, :, -10:], -1)):
        expected = np.repeat(original[:, :, border, None], 10, axis=2)
        np.testing.assert_array_equal(outside, expected)


def test_what_is_no_att_file_is_told(att, tmp_path):
    """Missing, cut off, without labels, other shapes."""
    with pytest.raises(MissingFileError):
        faces.load_att(tmp_path / "none.npz")
    wrong = tmp_path / "wrong.npz"
    wrong.write_bytes(att.read_bytes()[:1000])
    with pytest.raises(InputError, match="not the AT&T faces"):
        faces.load_att(wrong)
    np.savez(wrong, images=np.zeros((400, 112, 92), "uint8"))
    with pytest.raises(InputError, match="labels"):
        faces.load_att(wrong)
    np.savez(wrong, images=np.zeros((3, 112, 92), "uint8"), labels=np.zeros(3))
    with pytest.raises(InputError, match=r"\(3, 112, 92\)"):
        faces.load_att(wrong)


def test_without_data_it_is_said_what_to_do(monkeypatch, tmp_path):
    """Where to put the files, and that people can be drawn."""
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    for load in (faces.load_att, faces.load_photos):
        with pytest.raises(MissingFileError, match="make_faces"):
            load()


@pytest.mark.data
def test_the_real_files_are_there():
    """Forty people, ten pictures each; twelve portraits, six photos of the camera."""
    x, y = faces.load_att()
    np.testing.assert_array_equal(y, np.repeat(np.arange(40), 10))
    portraits, camera, names = faces.load_photos()
    assert len(portraits) == 12
    assert len(camera) == len(names) == 6
    assert set(names) <= set(portraits)
    for path in (*portraits.values(), *camera):
        with Image.open(path) as photo:
            assert photo.size == (96, 96)


# Drawn people.


def test_drawn_people_keep_their_number_and_change_their_pose():
    """Pictures of one person differ, the same seed draws the same, another others."""
    x, y = faces.make_faces(3, 2, size=32)
    assert x.shape == (6, 32, 32, 3)
    assert x.dtype == "uint8"
    np.testing.assert_array_equal(y, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(x[:2], faces.make_faces(1, 2, size=32).x)
    assert (x[0] != x[1]).any()
    assert (x != faces.make_faces(3, 2, seed=1, size=32).x).any(axis=(1, 2, 3)).all()


def test_no_people_are_no_pictures():
    """Empty arrays of the usual shape."""
    x, y = faces.make_faces(0, size=32)
    assert x.shape == (0, 32, 32, 3)
    assert len(y) == 0


# Cutting a face out.


def test_without_opencv_it_is_said_what_to_install(monkeypatch):
    """And nothing else is tried."""
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"dls-keras\[faces\]"):
        faces.crop_face(np.zeros((50, 50), "uint8"))


def test_a_wall_has_no_face():
    """It is told, with the size of the photo."""
    pytest.importorskip("cv2", reason="needs OpenCV: pip install dls-keras[faces]")
    with pytest.raises(InputError, match="no face in this photo of 60 x 50"):
        faces.crop_face(np.full((50, 60, 3), 128, "uint8"))


@pytest.mark.data
def test_the_largest_face_of_a_photo_is_found():
    """A photo with a large face on the right and a small one on the left."""
    pytest.importorskip("cv2", reason="needs OpenCV: pip install dls-keras[faces]")
    kevin = images.read(faces.load_photos().portraits["kevin"])
    photo = Image.new("RGB", (500, 300), "grey")
    photo.paste(kevin.resize((120, 120)), (10, 100))
    photo.paste(kevin.resize((240, 240)), (220, 30))
    face = faces.crop_face(photo)
    assert face.width == face.height > 150  # a side of the small one has 120
    # Nearly the same as the face cut out of the original, enlarged.
    alone = faces.crop_face(kevin.resize((240, 240)))
    a, b = (np.asarray(f.convert("L").resize((32, 32)), float) for f in (face, alone))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9


# Who is known.


def unit(*shape, seed=0):
    """Drawn encodings of unit length."""
    x = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


NAMES = st.text(min_size=1).filter(lambda name: name.strip() and name.isprintable())


@given(
    names=st.lists(NAMES, unique=True, max_size=5),
    data=st.data(),
)
def test_a_database_comes_back_as_it_was(names, data, tmp_path_factory):
    """Names of any letters, their order, their encodings and the network's name."""
    known = face_database.Identities("net 0123")
    elements = st.floats(-1, 1, width=32)
    for name in names:
        x = data.draw(arrays.arrays("float32", (2, 4), elements=elements))
        x[:, 0] += 3  # so that no mean is zero
        known.add(name, x)
    path = tmp_path_factory.mktemp("known") / "door.npz"
    again = face_database.load(known.save(path))
    assert again.network == "net 0123"
    assert [*again] == [*known]
    for name in names:
        assert again[name].dtype == "float32"
        np.testing.assert_allclose(again[name], known[name], atol=1e-6)


def test_a_person_is_the_mean_direction_of_the_photos():
    """One row, of unit length, whatever their number."""
    known, x = face_database.Identities("net"), unit(3, 8)
    known.add("one", x[:1])
    known.add("three", x)
    np.testing.assert_allclose(known["one"], x[:1], atol=1e-6)
    mean = x.mean(0) / np.linalg.norm(x.mean(0))
    np.testing.assert_allclose(known["three"], mean[np.newaxis], atol=1e-6)


def test_who_cannot_be_added_or_removed_is_told():
    """A name taken, empty or unknown; encodings that are none."""
    known = face_database.Identities("net")
    known.add("ada", unit(1, 8))
    for name, x, message in (
        ("ada", unit(1, 8), "known already"),
        ("", unit(1, 8), "needs a name"),
        ("ada\0", unit(1, 8), "needs a name"),
        (7, unit(1, 8), "needs a name"),
        ("ben", unit(8), r"shape \(8,\)"),
        ("ben", unit(1, 9), r"expected \(k, 8\)"),
        ("ben", np.empty((0, 8)), "shape"),
        ("ben", np.full((1, 8), np.nan), "no direction"),
        ("ben", np.zeros((1, 8)), "no direction"),
    ):
        with pytest.raises(InputError, match=message):
            known.add(name, x)
    with pytest.raises(InputError, match="known are ada"):
        known.remove("ben")
    known.remove("ada")
    assert known == {}
    with pytest.raises(InputError, match="empty"):
        known.remove("ada")


def test_what_is_no_database_is_told(tmp_path):
    """Missing, damaged, other arrays, pickled objects, encodings of another length."""
    path = tmp_path / "door.npz"
    with pytest.raises(MissingFileError):
        face_database.load(path)
    known = face_database.Identities("net")
    known.add("ada", unit(1, 8))
    whole = known.save(path).read_bytes()
    names, network = np.array(["ada"]), np.array("net")
    path.write_bytes(whole[:-40])
    for spoil in (
        None,
        {"vectors": unit(1, 8), "names": names},
        {"vectors": unit(2, 8), "names": names, "network": network},
        {"vectors": 2 * unit(1, 8), "names": names, "network": network},
        {"vectors": unit(1, 8) * np.nan, "names": names, "network": network},
        {"vectors": unit(1, 8).astype("f8"), "names": names, "network": network},
        {"vectors": unit(1, 8), "names": np.array([{}]), "network": network},
        {"vectors": unit(2, 8), "names": np.array(["a", "a"]), "network": network},
    ):
        if spoil:
            np.savez(path, **spoil)
        with pytest.raises(InputError, match="no database of identities"):
            face_database.load(path)


def test_a_failed_save_leaves_the_old_file(tmp_path, monkeypatch):
    """As long as the new one is not whole, and nothing else lies about."""
    path = tmp_path / "door.npz"
    known = face_database.Identities("net")
    known.add("ada", unit(1, 8))
    known.save(path)

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(face_database.np, "savez", fail)
    known.add("ben", unit(1, 8))
    with pytest.raises(OSError, match="disk full"):
        known.save(path)
    assert [*tmp_path.iterdir()] == [path]
    assert [*face_database.load(path)] == ["ada"]
