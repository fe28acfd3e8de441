"""Cat pictures: reading the course's files, and the synthetic generator."""

import h5py
import numpy as np
import pytest

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import catalog, cats
from dls_keras.reference import cases

NAMES = ("train_catvnoncat.h5", "test_catvnoncat.h5")


def write(path, part, x, y, classes):
    with h5py.File(path, "w") as file:
        file[f"{part}_set_x"], file[f"{part}_set_y"] = x, y
        file["list_classes"] = classes


@pytest.fixture
def folder(tmp_path):
    """Two small files in the course's format: five and three synthetic pictures."""
    for name, part, m in zip(NAMES, ("train", "test"), (5, 3), strict=True):
        x, y = cats.make_cats(m, seed=m)
        write(tmp_path / name, part, x, y, np.array(cats.CLASSES, "S"))
    return tmp_path


def test_load_cats_returns_the_contents_of_both_files(folder):
    """Pictures and classes unchanged, the training set first."""
    data = cats.load_cats(folder)
    x, y, x_test, y_test, classes = data
    np.testing.assert_array_equal(x, cats.make_cats(5, seed=5).x)
    np.testing.assert_array_equal(y_test, cats.make_cats(3, seed=3).y)
    assert x.dtype == x_test.dtype == np.uint8 and y.dtype == y_test.dtype == np.int64
    assert classes == ("non-cat", "cat")


def truncate(path):
    path.write_bytes(path.read_bytes()[:2000])


def write_text(path):
    path.write_text("a cat")


def point_to_lfs(path):
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00")


def leave_a_key_out(path):
    with h5py.File(path, "a") as file:
        del file["train_set_y"]


def put_a_group_there(path):
    with h5py.File(path, "a") as file:
        del file["train_set_x"]
        file.create_group("train_set_x")


def name_classes_by_numbers(path):
    """As in the course's files of hand signs, which have the same keys."""
    with h5py.File(path, "a") as file:
        del file["list_classes"]
        file["list_classes"] = np.arange(6)


def halve_the_pictures(path):
    with h5py.File(path, "a") as file:
        x = file["train_set_x"][:, ::2, ::2]
        del file["train_set_x"]
        file["train_set_x"] = x


def swap_the_classes(path):
    with h5py.File(path, "a") as file:
        file["list_classes"][:] = np.array(cats.CLASSES[::-1], "S")


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        write_text,
        point_to_lfs,
        leave_a_key_out,
        put_a_group_there,
        name_classes_by_numbers,
        halve_the_pictures,
        swap_the_classes,
    ],
)
def test_a_damaged_or_wrong_file_raises_an_error_with_its_name(folder, damage):
    """And a file of Git LFS is recognised as a pointer."""
    path = folder / NAMES[0]
    damage(path)
    with pytest.raises(InputError, match=path.name) as caught:
        cats.load_cats(folder)
    assert ("Git LFS pointer" in str(caught.value)) == (damage is point_to_lfs)


def test_a_missing_file_raises_an_error_with_its_name(folder):
    """If a folder has only one of the two files."""
    (folder / NAMES[1]).unlink()
    with pytest.raises(MissingFileError, match=NAMES[1]):
        cats.load_cats(folder)


def test_synthetic_pictures_have_the_format_of_the_course():
    """Shape and types, both classes, and no two equal pictures."""
    x, y = cats.make_cats(40)
    assert x.shape == (40, 64, 64, 3) and x.dtype == np.uint8
    assert y.shape == (40,) and y.dtype == np.int64 and set(y) == {0, 1}
    assert len({picture.tobytes() for picture in x}) == 40


def test_a_seed_gives_the_same_pictures_for_every_m():
    """More pictures begin with the same ones; another seed gives others."""
    x, y = cats.make_cats(12, seed=3)
    again = cats.make_cats(5, seed=3)
    np.testing.assert_array_equal(again.x, x[:5])
    np.testing.assert_array_equal(again.y, y[:5])
    assert not np.array_equal(cats.make_cats(5, seed=4).x, x[:5])
    assert cats.make_cats(0).x.shape == (0, 64, 64, 3)


def test_make_cats_does_not_use_the_global_generator():
    """The next number of `np.random` is the same as without it."""
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    cats.make_cats(2)
    assert np.random.rand() == expected


@pytest.mark.data
def test_the_photos_are_those_of_the_course():
    """Hashes, sizes, numbers of cats, and the pixels that the course prints."""
    for remote in (cats.TRAIN, cats.TEST):
        files.check_hash(catalog.find(remote), remote)
    data = cats.load_cats()
    assert (len(data.x), data.y.sum()) == (209, 72)
    assert (len(data.x_test), data.y_test.sum()) == (50, 33)
    runs = cases.read("c1w2_logistic_regression").runs
    (checks,) = (run.expected for run in runs if run.id == "cat_data_checks")
    for x, part in ((data.x, "train"), (data.x_test, "test")):
        expected = checks[f"{part}_flat[0:10,1]"]
        assert x.reshape(len(x), -1).T[:10, 1].tolist() == expected
