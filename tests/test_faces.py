"""Faces: AT&T, the course's photos, synthetic people and face crops."""

import builtins

import numpy as np
import pytest
from PIL import Image

from dls_keras.core import images
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import faces


@pytest.fixture
def att(tmp_path):
    """A file of random numbers in the shapes of the AT&T faces."""
    images = np.random.default_rng(0).integers(0, 256, (400, 112, 92), "uint8")
    path = tmp_path / "att_faces.npz"
    np.savez(path, images=images, labels=np.repeat(np.arange(40, dtype="uint8"), 10))
    return path


# AT&T and the course's photos.


def test_att_photos_are_padded_to_squares(att):
    """The original is in the middle; its left and right borders are repeated."""
    x, y = faces.load_att(att)
    with np.load(att) as npz:
        original = npz["images"]
    assert x.shape == (400, 112, 112)
    assert y.dtype == "int64"
    np.testing.assert_array_equal(x[:, :, 10:-10], original)
    for outside, border in ((x[:, :, :10], 0), (x[:, :, -10:], -1)):
        expected = np.repeat(original[:, :, border, None], 10, axis=2)
        np.testing.assert_array_equal(outside, expected)


def test_a_file_without_the_att_faces_is_refused(att, tmp_path):
    """Missing, truncated, without labels, of other shapes."""
    with pytest.raises(MissingFileError):
        faces.load_att(tmp_path / "none.npz")
    wrong = tmp_path / "wrong.npz"
    wrong.write_bytes(att.read_bytes()[:1000])
    with pytest.raises(InputError, match="not the file of AT&T faces"):
        faces.load_att(wrong)
    np.savez(wrong, images=np.zeros((400, 112, 92), "uint8"))
    with pytest.raises(InputError, match="labels"):
        faces.load_att(wrong)
    np.savez(wrong, images=np.zeros((3, 112, 92), "uint8"), labels=np.zeros(3))
    with pytest.raises(InputError, match=r"\(3, 112, 92\)"):
        faces.load_att(wrong)


@pytest.mark.data
def test_the_real_files_hold_what_the_docstrings_say():
    """Forty people, ten photos each; twelve portraits, six photos of the camera."""
    x, y = faces.load_att()
    np.testing.assert_array_equal(y, np.repeat(np.arange(40), 10))
    portraits, camera, names = faces.load_photos()
    assert len(portraits) == 12
    assert len(camera) == len(names) == 6
    assert set(names) <= set(portraits)
    for path in (*portraits.values(), *camera):
        with Image.open(path) as photo:
            assert photo.size == (96, 96)


# Synthetic people.


def test_synthetic_faces_depend_on_seed_person_and_picture():
    """Images of one person differ; a seed repeats its people; another has others."""
    x, y = faces.make_faces(3, 2, size=32)
    assert x.shape == (6, 32, 32, 3)
    assert x.dtype == "uint8"
    np.testing.assert_array_equal(y, [0, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(x[:2], faces.make_faces(1, 2, size=32).x)
    assert (x[0] != x[1]).any()
    assert (x != faces.make_faces(3, 2, seed=1, size=32).x).any(axis=(1, 2, 3)).all()


def test_no_people_give_empty_arrays():
    """Of the usual shape."""
    x, y = faces.make_faces(0, size=32)
    assert x.shape == (0, 32, 32, 3)
    assert len(y) == 0


def test_training_faces_are_of_three_kinds(att, monkeypatch):
    """AT&T people 0 and 1, then three synthetic ones, each with its repeats."""
    load_att = faces.load_att
    monkeypatch.setattr(faces, "load_att", lambda synthetic: load_att(att))
    x, y, repeats = faces.load_training_faces(2, 3, 0, size=32)
    assert x.shape == (50, 32, 32, 3) and x.dtype == "uint8"
    np.testing.assert_array_equal(y, np.repeat(np.arange(5), 10))
    np.testing.assert_array_equal(x[20:], faces.make_faces(3, size=32).x)
    assert repeats == {0: 80, 1: 80, 2: 3, 3: 3, 4: 3}


# Face crops.


def test_the_message_without_opencv_says_what_to_install(monkeypatch):
    """The extra of this package."""
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "cv2":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(InputError, match=r"dls-keras\[faces\]"):
        faces.crop_face(np.zeros((50, 50), "uint8"))


def test_a_photo_without_a_face_is_refused():
    """The message holds its size."""
    pytest.importorskip("cv2", reason="needs OpenCV: pip install dls-keras[faces]")
    with pytest.raises(InputError, match="no face in this photo of 60 x 50"):
        faces.crop_face(np.full((50, 60, 3), 128, "uint8"))


@pytest.mark.data
def test_the_largest_face_of_a_photo_is_cropped():
    """A photo with a large face on the right and a small one on the left."""
    pytest.importorskip("cv2", reason="needs OpenCV: pip install dls-keras[faces]")
    kevin = images.read(faces.load_photos().portraits["kevin"])
    photo = Image.new("RGB", (500, 300), "grey")
    photo.paste(kevin.resize((120, 120)), (10, 100))
    photo.paste(kevin.resize((240, 240)), (220, 30))
    face = faces.crop_face(photo)
    assert face.width == face.height > 150  # a side of the small one has 120
    # Nearly the same as the crop of the original photo, enlarged.
    alone = faces.crop_face(kevin.resize((240, 240)))
    a, b = (np.asarray(f.convert("L").resize((32, 32)), float) for f in (face, alone))
    assert np.corrcoef(a.ravel(), b.ravel())[0, 1] > 0.9
