"""Alpacas: photos are split as by Keras, synthetic images depend on their seed only."""

import keras
import numpy as np
import pytest
from PIL import Image

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import alpaca
from dls_keras.datasets.draw import animals


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`$DLS_KERAS_DATA` with 13 dark alpacas and 17 light other animals."""
    for name, level, m in zip(alpaca.CLASSES, (40, 200), (13, 17), strict=True):
        (tmp_path / "alpaca" / name).mkdir(parents=True)
        for i in range(m):
            photo = Image.new("RGB", (30 + i, 20), (level, level, 4 * i))
            photo.save(tmp_path / "alpaca" / name / f"{97 * i % 13:02}{i:02}.png")
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    return tmp_path / "alpaca"


@pytest.mark.parametrize(("share", "seed"), [(0.2, 42), (0.5, 0), (0.33, 7)])
def test_photos_are_split_as_by_keras(folder, share, seed):
    """Both parts of its directory loader, name by name."""
    parts = alpaca.split(alpaca.photos(), validation_split=share, seed=seed)
    for (names, labels), subset in zip(parts, ("training", "validation"), strict=True):
        expected = keras.utils.image_dataset_from_directory(
            folder,
            validation_split=share,
            seed=seed,
            subset=subset,
            verbose=False,
        )
        assert [str(name) for name in names] == expected.file_paths
        assert [alpaca.CLASSES[k] for k in labels] == [p.parent.name for p in names]


def test_photos_are_resized_and_keep_their_label(folder):
    """24 of 30 are for training, 6 for validation; an alpaca is 0."""
    x, y, x_val, y_val = alpaca.load_alpacas(size=8)
    assert x.shape == (24, 8, 8, 3) and x_val.shape == (6, 8, 8, 3)
    assert x.dtype == np.uint8 and y.dtype == np.int64
    np.testing.assert_array_equal(x[:, 0, 0, 0], np.where(y == 0, 40, 200))
    np.testing.assert_array_equal(x_val[:, 7, 7, 1], np.where(y_val == 0, 40, 200))
    assert len({tuple(p) for p in np.concatenate([x, x_val])[:, 0, 0]}) == 30
    again = alpaca.load_alpacas(folder, size=8)
    np.testing.assert_array_equal(again.x, x)


def test_files_that_are_not_photos_are_ignored(folder):
    """As by Keras."""
    (folder / "alpaca" / "notes.txt").write_text("cria")
    assert len(alpaca.photos()[0]) == 30


def test_a_missing_class_is_an_error(folder):
    """The message names the folder without it, or the folder that is empty."""
    with pytest.raises(MissingFileError, match="no folder 'alpaca'.*'not alpaca'"):
        alpaca.load_alpacas(folder / "alpaca")
    for photo in (folder / "not alpaca").iterdir():
        photo.unlink()
    with pytest.raises(InputError, match="not alpaca contains no photos"):
        alpaca.load_alpacas()


def test_a_damaged_photo_is_an_error(folder):
    """The message names its path."""
    path = sorted((folder / "alpaca").iterdir())[3]
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(InputError, match=path.name):
        alpaca.load_alpacas()


def test_the_cache_is_searched_too(tmp_path, monkeypatch):
    """Below `$DLS_KERAS_HOME`."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    for name in alpaca.CLASSES:
        (tmp_path / "data/alpaca" / name).mkdir(parents=True)
        Image.new("RGB", (9, 9)).save(tmp_path / "data/alpaca" / name / "a.jpg")
    assert sorted(alpaca.load_alpacas(size=4).y) == [0, 1]


def test_synthetic_images_depend_on_their_seed_only():
    """Not on the number of images m."""
    (x, y), (more, labels) = (alpaca.make_alpacas(m, seed=4, size=40) for m in (3, 5))
    np.testing.assert_array_equal(x, more[:3])
    assert y.tolist() == [0, 1, 0] and labels.tolist() == [0, 1, 0, 1, 0]
    assert x.dtype == np.uint8 and y.dtype == np.int64
    other, _ = alpaca.make_alpacas(3, seed=5, size=40)
    assert (other != x).any(axis=(1, 2, 3)).all()


def test_zero_synthetic_images_are_empty_arrays():
    """`load_data(synthetic=0)` appends them."""
    x, y = alpaca.make_alpacas(0)
    assert x.shape == (0, 160, 160, 3) and y.shape == (0,)


@pytest.mark.parametrize("kind", animals.KINDS)
def test_an_animal_covers_a_part_of_its_landscape(kind):
    """The image differs from the same landscape without it, but not everywhere."""
    for seed in range(3):
        scene = animals.scene(kind, np.random.default_rng(seed), 48)
        empty = animals.landscape(np.random.default_rng(seed), 144)
        empty = np.asarray(empty.resize((48, 48), Image.Resampling.LANCZOS), float)
        changed = np.abs(np.asarray(scene) - empty).max(axis=-1) > 40  # above the noise
        assert 0.01 < changed.mean() < 0.7
        assert scene.size == (48, 48)


def test_an_alpaca_has_a_longer_neck_than_a_bear_and_a_shorter_one_than_a_giraffe():
    """These proportions distinguish the classes."""
    necks = {kind: animal.neck[0] for kind, animal in animals.OTHERS.items()}
    assert necks["bear"] < animals.ALPACA.neck[0] < necks["giraffe"]


@pytest.mark.data
def test_the_courses_photos_are_complete():
    """142 alpacas and 185 others; 262 of them are for training."""
    names, labels = alpaca.photos()
    assert np.bincount(labels).tolist() == [142, 185]
    (_, training), (_, held_out) = alpaca.split((names, labels))
    assert np.bincount(training).tolist() == [117, 145]
    assert np.bincount(held_out).tolist() == [25, 40]
