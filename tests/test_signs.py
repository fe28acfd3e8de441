"""SIGNS: reading the course's photos, near-duplicates, synthetic images."""

import io
import zipfile

import h5py
import numpy as np
import pytest
from PIL import Image

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog, signs
from dls_keras.datasets.draw import hands


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


def test_both_files_are_read(folder):
    """Images and labels are those that were written, training part first."""
    x, y, x_test, y_test = signs.load_signs()
    made = signs.make_signs(12, seed=12)[0], signs.make_signs(6, seed=6)[0]
    for ours, theirs in zip((x, x_test), made, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert y.tolist() == [*range(6), *range(6)] and y_test.tolist() == [*range(6)]
    assert x.dtype == x_test.dtype == np.uint8 and y.dtype == y_test.dtype == np.int64


def test_the_jpeg_archive_replaces_the_training_file(folder):
    """Training and validation photos sorted by name; its test photos are ignored."""
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
    # JPEG changes a grey level by one or two.
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


def store_flat_images(path):
    with h5py.File(path, "a") as file:
        flat = file["train_set_x"][()].reshape(12, -1)
        del file["train_set_x"]
        file["train_set_x"] = flat


@pytest.mark.parametrize(
    "damage, words",
    [
        (cut, r"not the course's train_signs\.h5.*damaged"),
        (point_to_lfs, "not the course's.*Git LFS pointer"),
        (take_the_other_file, "has no array 'train_set_x'"),
        (put_a_group_there, "has no array 'train_set_x'"),
        (store_flat_images, r"\(12, 12288\), expected \(12, 64, 64, 3\)"),
    ],
)
def test_a_wrong_training_file_raises_an_error(folder, damage, words):
    """The message names its path and what is wrong with it."""
    damage(folder / "train_signs.h5")
    with pytest.raises(InputError, match=f"{folder}/train_signs.h5 .*{words}"):
        signs.load_signs()


@pytest.mark.parametrize("content", [b"", b"a zip", None])
def test_a_wrong_archive_raises_an_error(folder, content):
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


def test_near_duplicates_are_found_in_any_order():
    """A copy with a little noise is one; another image is not."""
    x, y = signs.make_signs(30)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 3, (2, 64, 64, 3))
    copies = (x[[17, 4]] + noise).clip(0, 255).astype("uint8")
    x_test = np.concatenate([copies[:1], signs.make_signs(4, seed=1)[0], copies[1:]])
    data = signs.Signs(x, y, x_test, np.zeros(6, "int64"))
    found = signs.near_duplicates(data)
    assert found.tolist() == [True, False, False, False, False, True]
    direct = np.square(x_test[:, None].astype(float) - x).mean((2, 3, 4)).min(1) ** 0.5
    np.testing.assert_array_equal(found, direct < signs.DUPLICATE_RMS)


def test_an_image_is_a_near_duplicate_of_itself():
    """Rounding makes no root of a negative number where the difference is zero."""
    x, y = signs.make_signs(6)
    assert signs.near_duplicates(signs.Signs(x, y, x, y)).all()


@pytest.mark.parametrize("shuffled", [True, False])
def test_photos_are_shuffled_only_if_they_are_sorted_by_class(shuffled):
    """Together with their labels."""
    y = np.tile(np.arange(6), 30)
    y = y if shuffled else np.sort(y)
    x = y[:, None, None, None] * np.ones((180, 2, 2, 3))
    data = signs.shuffle_if_sorted(signs.Signs(x, y, x[:1], y[:1]))
    assert np.array_equal(data.y, y) == shuffled
    assert sorted(data.y) == sorted(y)
    np.testing.assert_array_equal(data.x[:, 0, 0, 0], data.y)


def test_synthetic_images_depend_on_the_seed_alone():
    """Image i is the same for any m."""
    (x, y), (more, labels) = signs.make_signs(7, seed=4), signs.make_signs(9, seed=4)
    np.testing.assert_array_equal(x, more[:7])
    assert y.tolist() == [0, 1, 2, 3, 4, 5, 0] == labels[:7].tolist()
    assert x.dtype == np.uint8 and y.dtype == np.int64
    assert (signs.make_signs(7, seed=5)[0] != x).any(axis=(1, 2, 3)).all()


def test_zero_images_are_an_empty_set():
    """`load_data` appends none by default."""
    x, y = signs.make_signs(0)
    assert x.shape == (0, 64, 64, 3) and y.shape == (0,)


@pytest.mark.parametrize("size", [16, 64, 200])
def test_hands_are_drawn_in_any_size(size):
    """No image is blank."""
    x, _ = signs.make_signs(6, size=size)
    assert x.shape == (6, size, size, 3)
    assert (x.std(axis=(1, 2, 3)) > 10).all()


def test_more_fingers_cover_more_of_the_wall():
    """One, two, four and five fingers of the same hand."""
    shares = []
    for fingers in (1, 2, 4, 5):
        x = [
            np.asarray(hands.hand(fingers, np.random.default_rng(seed)))
            for seed in range(20)
        ]
        # Skin has less blue than the wall: at most 151 and at least 168.
        shares.append(np.mean(np.array(x)[..., 2] < 155))
    assert (np.diff(shares) > 0.005).all()


@pytest.mark.data
def test_the_courses_photos_are_complete():
    """180 per class for training, 20 for testing."""
    data = signs.load_signs()
    assert data.x.shape == (1080, 64, 64, 3) and data.x_test.shape == (120, 64, 64, 3)
    assert np.bincount(data.y).tolist() == [180] * 6
    assert np.bincount(data.y_test).tolist() == [20] * 6


@pytest.mark.data
def test_twelve_test_photos_have_a_near_duplicate():
    """All show a zero."""
    data = signs.load_signs()
    found = signs.near_duplicates(data)
    assert found.sum() == 12 and (data.y_test[found] == 0).all()


@pytest.mark.data
def test_the_test_file_is_the_recorded_one():
    """Its hash is that of the declared download."""
    files.check_hash(catalog.find(signs.TEST), signs.TEST)
