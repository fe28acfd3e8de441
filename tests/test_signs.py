"""SIGNS: the course's photos are read with care, the drawn hands repeat."""

import io
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import signs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`$DLS_KERAS_DATA` with small files in the course's layout: 12 and 6 hands."""
    (tmp_path / "signs").mkdir()
    for part, m in (("train", 12), ("test", 6)):
        x, y = signs.make_signs(m, seed=m)
        with h5py.File(tmp_path / f"signs/{part}_signs.h5", "w") as file:
            file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y.astype("int32")
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    return tmp_path / "signs"


def test_both_files_are_read_as_they_were_written(folder):
    """Pictures and labels come back, training part first."""
    x, y, x_test, y_test = signs.load_signs()
    made = signs.make_signs(12, seed=12)[0], signs.make_signs(6, seed=6)[0]
    for ours, theirs in zip((x, x_test), made, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert y.tolist() == [*range(6), *range(6)] and y_test.tolist() == [*range(6)]
    assert x.dtype == x_test.dtype == np.uint8 and y.dtype == y_test.dtype == np.int64


def test_the_archive_of_photos_stands_in_for_the_training_file(folder):
    """Training and validation photos sorted by name; its test photos are left out."""
    (folder / "train_signs.h5").unlink()
    with zipfile.ZipFile(folder / "signs_64x64_jpg.zip", "w") as archive:
        for i, name in enumerate(
            (
                *("val_signs/5_IMG_1.jpg", "train_signs/3_IMG_2.jpg"),
                *("train_signs/0_IMG_9.jpg", "test_signs/1_IMG_4.jpg"),
                *("train_signs/notes.txt", "__MACOSX/train_signs/3_IMG_2.jpg"),
            )
        ):
            photo = io.BytesIO()
            Image.new("RGB", (64, 64), (40 * i, 0, 0)).save(photo, "JPEG")
            archive.writestr(name, photo.getvalue())
    data = signs.load_signs()
    assert data.y.tolist() == [0, 3, 5] and data.y.dtype == np.int64
    assert data.x.shape == (3, 64, 64, 3) and data.x.dtype == np.uint8
    # JPEG moves a level by one or two.
    assert np.abs(data.x[:, 0, 0, 0] - [80.0, 40, 0]).max() <= 2


def cut(path):
    path.write_bytes(path.read_bytes()[:3000])


def point_to_lfs(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00")


def take_the_other_file(path):
    path.write_bytes((path.parent / "test_signs.h5").read_bytes())


def put_a_group_there(path):
    with h5py.File(path, "a") as file:
        del file["train_set_x"]
        file.create_group("train_set_x")


def store_flat_pictures(path):
    with h5py.File(path, "a") as file:
        flat = file["train_set_x"][()].reshape(12, -1)
        del file["train_set_x"]
        file["train_set_x"] = flat


@pytest.mark.parametrize(
    "damage, words",
    [
        (cut, r"not the course's train_signs\.h5.*damaged"),
        (point_to_lfs, "not the course's.*Git LFS pointer"),
        (take_the_other_file, "not the course's.*train_set_x"),
        (put_a_group_there, "not the course's"),
        (store_flat_pictures, r"\(12, 12288\), expected \(12, 64, 64, 3\)"),
    ],
)
def test_a_file_that_is_not_the_courses_is_told(folder, damage, words):
    """Its path and what is wrong with it stand in the sentence."""
    damage(folder / "train_signs.h5")
    with pytest.raises(InputError, match=f"{folder}/train_signs.h5 .*{words}"):
        signs.load_signs()


@pytest.mark.parametrize("content", [b"", b"a zip", None])
def test_an_archive_that_is_none_is_told(folder, content):
    """Empty, a text, or an archive without photos."""
    (folder / "train_signs.h5").unlink()
    path = folder / "signs_64x64_jpg.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("readme.txt", "nothing")
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=f"{path} is not the archive of the SIGNS"):
        signs.load_signs()


def test_without_data_the_message_says_where_they_come_from(folder, monkeypatch):
    """Nothing is at hand and nothing may be fetched."""
    monkeypatch.delenv("DLS_KERAS_DATA")
    with pytest.raises(MissingFileError, match="test_signs.h5.*DLS_KERAS_OFFLINE"):
        signs.load_signs()


def test_twins_are_found_whatever_their_order():
    """A copy with a little noise is one; another picture is none."""
    x, y = signs.make_signs(30)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 3, (2, 64, 64, 3))
    copies = (x[[17, 4]] + noise).clip(0, 255).astype("uint8")
    x_test = np.concatenate([copies[:1], signs.make_signs(4, seed=1)[0], copies[1:]])
    data = signs.Signs(x, y, x_test, np.zeros(6, "int64"))
    found = signs.twins(data)
    assert found.tolist() == [True, False, False, False, False, True]
    direct = np.square(x_test[:, None].astype(float) - x).mean((2, 3, 4)).min(1) ** 0.5
    np.testing.assert_array_equal(found, direct < signs.TWIN_RMS)


def test_a_picture_is_the_twin_of_itself():
    """Where the difference is exactly zero no rounding makes a root of less."""
    x, y = signs.make_signs(6)
    assert signs.twins(signs.Signs(x, y, x, y)).all()


def test_drawn_hands_can_be_drawn_again():
    """The same seed gives the same hands, of which m only says how many."""
    (x, y), (more, labels) = signs.make_signs(7, seed=4), signs.make_signs(9, seed=4)
    np.testing.assert_array_equal(x, more[:7])
    assert y.tolist() == [0, 1, 2, 3, 4, 5, 0] == labels[:7].tolist()
    assert x.dtype == np.uint8 and y.dtype == np.int64
    assert (signs.make_signs(7, seed=5)[0] != x).any(axis=(1, 2, 3)).all()


def test_no_hands_are_an_empty_set():
    """`load_data` puts none behind the photos unless asked."""
    x, y = signs.make_signs(0)
    assert x.shape == (0, 64, 64, 3) and y.shape == (0,)


@pytest.mark.parametrize("size", [16, 64, 200])
def test_hands_are_drawn_in_any_size(size):
    """None is blank, and none fills the picture."""
    x, _ = signs.make_signs(6, size=size)
    assert x.shape == (6, size, size, 3)
    assert (x.std(axis=(1, 2, 3)) > 10).all()


def test_more_fingers_show_more_skin():
    """One, two, four and five fingers of the same hand cover ever more of the wall."""
    shares = []
    for fingers in (1, 2, 4, 5):
        hands = [
            np.asarray(signs.draw_hand(fingers, np.random.default_rng(seed)))
            for seed in range(20)
        ]
        # Skin has the least blue; at its brightest 151, where the wall has 168.
        shares.append(np.mean(np.array(hands)[..., 2] < 155))
    assert (np.diff(shares) > 0.005).all()


@pytest.mark.data
def test_the_courses_photos_are_all_there():
    """180 a class to learn from, 20 to test on."""
    data = signs.load_signs()
    assert data.x.shape == (1080, 64, 64, 3) and data.x_test.shape == (120, 64, 64, 3)
    assert np.bincount(data.y).tolist() == [180] * 6
    assert np.bincount(data.y_test).tolist() == [20] * 6


@pytest.mark.data
def test_twelve_test_photos_have_a_twin():
    """All show a zero."""
    data = signs.load_signs()
    found = signs.twins(data)
    assert found.sum() == 12 and (data.y_test[found] == 0).all()


@pytest.mark.data
def test_the_test_file_is_the_recorded_one():
    """Its hash is that of the record, so a download gives the same."""
    files.check_hash(files.find_data(signs.TEST), signs.TEST)
