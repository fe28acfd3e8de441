"""Happy House: reading and checking photos and smiles; synthetic faces."""

import io
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.datasets import smiles


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`$DLS_KERAS_DATA` with small files in the course's layout: 6 and 4 faces."""
    (tmp_path / "happy").mkdir()
    for part, m in (("train", 6), ("test", 4)):
        x, y = smiles.make_happy(m, seed=m)
        with h5py.File(tmp_path / f"happy/{part}_happy.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y.astype("int32")
    with zipfile.ZipFile(tmp_path / "happy/smiles_64x64_jpg.zip", "w") as archive:
        for i, name in enumerate(("smile/2", "no_smile/9", "no_smile/1", "smile/1")):
            photo = io.BytesIO()
            Image.new("L", (64, 64), 40 * i).save(photo, "JPEG")
            archive.writestr(f"{name}.jpg", photo.getvalue())
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    return tmp_path / "happy"


def test_both_files_are_read(folder):
    """Photos and labels are those that were written, training part first."""
    x, y, x_test, y_test = smiles.load_happy()
    np.testing.assert_array_equal(x, smiles.make_happy(6, seed=6).x)
    np.testing.assert_array_equal(x_test, smiles.make_happy(4, seed=4).x)
    assert y.tolist() == [0, 1, 0, 1, 0, 1] and y_test.tolist() == [0, 1, 0, 1]
    assert x.dtype == np.uint8 and y.dtype == y_test.dtype == np.int64


def test_without_the_training_file_there_are_no_training_photos(folder):
    """And nothing is downloaded."""
    (folder / "train_happy.h5").unlink()
    data = smiles.load_happy()
    assert data.x.shape == (0, 64, 64, 3) and data.y.shape == (0,)
    assert data.x_test.shape == (4, 64, 64, 3)


def test_smiles_alternate(folder):
    """Each class sorted by name; JPEG changes a grey level by one or two."""
    x, y = smiles.load_smiles()
    assert x.shape == (4, 64, 64) and x.dtype == np.uint8
    assert y.tolist() == [0, 1, 0, 1]
    assert np.abs(x[:, 0, 0] - [80.0, 120, 40, 0]).max() <= 2


def cut(path):
    path.write_bytes(path.read_bytes()[:3000])


def point_to_lfs(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00")


def take_the_other_file(path):
    path.write_bytes((path.parent / "test_happy.h5").read_bytes())


def store_flat_images(path):
    with h5py.File(path, "a") as file:
        flat = file["train_set_x"][()].reshape(6, -1)
        del file["train_set_x"]
        file["train_set_x"] = flat


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (cut, r"not the course's train_happy\.h5.*damaged"),
        (point_to_lfs, "not the course's.*Git LFS pointer"),
        (take_the_other_file, "has no array 'train_set_x'"),
        (store_flat_images, r"\(6, 12288\), expected \(6, 64, 64, 3\)"),
    ],
)
def test_a_wrong_training_file_raises_an_error(folder, damage, words):
    """The message names its path and what is wrong with it."""
    damage(folder / "train_happy.h5")
    with pytest.raises(InputError, match=f"{folder}/train_happy.h5 .*{words}"):
        smiles.load_happy()


@pytest.mark.parametrize("content", [b"", b"a zip", "readme.txt", "smile/1.jpg"])
def test_a_wrong_archive_raises_an_error(folder, content):
    """Empty, a text, an archive without photos, or one with a broken photo."""
    path = folder / "smiles_64x64_jpg.zip"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(content, "nothing")
    with pytest.raises(InputError, match=f"{path} is not the archive of smiles"):
        smiles.load_smiles()


def test_synthetic_faces_depend_on_the_seed_alone():
    """Image i is the same for any m."""
    (x, y), (more, labels) = smiles.make_happy(5, seed=4), smiles.make_happy(7, seed=4)
    np.testing.assert_array_equal(x, more[:5])
    assert y.tolist() == [0, 1, 0, 1, 0] == labels[:5].tolist()
    assert x.shape == (5, 64, 64, 3) and x.dtype == np.uint8 and y.dtype == np.int64
    assert (smiles.make_happy(5, seed=5).x != x).any(axis=(1, 2, 3)).all()


def test_zero_faces_are_an_empty_set():
    """In the shape of the others."""
    assert smiles.make_happy(0).x.shape == (0, 64, 64, 3)


@pytest.mark.data
def test_the_courses_test_photos_are_complete():
    """150 photos, 84 of them happy; the file has the declared hash."""
    data = smiles.load_happy()
    assert data.x_test.shape == (150, 64, 64, 3)
    assert np.bincount(data.y_test).tolist() == [66, 84]
    files.check_hash(files.find_data(smiles.TEST), smiles.TEST)


@pytest.mark.data
def test_three_thousand_smiles_are_complete():
    """Half of them smiling; the archive has the declared hash."""
    x, y = smiles.load_smiles()
    assert x.shape == (3000, 64, 64) and y.mean() == 0.5
    files.check_hash(files.find_data(smiles.SMILES), smiles.SMILES)
