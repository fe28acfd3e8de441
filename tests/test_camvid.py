"""CamVid is read in two layouts and checked; synthetic images depend on their seed."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.datasets import camvid
from dls_keras.datasets.draw import streets


@pytest.fixture(scope="module")
def synthetic():
    """Twelve synthetic images and their masks."""
    return camvid.make_streets(12, seed=1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`$DLS_KERAS_DATA/camvid`, an empty folder; nothing can be downloaded."""
    (tmp_path / "camvid").mkdir()
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    return tmp_path / "camvid"


def png(array):
    """The bytes of an array as PNG, which is lossless."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def write_archive(folder, split, x, y):
    """An archive of images 0.jpg, 1.jpg, …, in PNG format, which Pillow reads, too."""
    with zipfile.ZipFile(folder / f"camvid_{split}_256x192.zip", "w") as archive:
        for i in reversed(range(len(x))):
            archive.writestr(f"images/{i}.jpg", png(x[i]))
            archive.writestr(f"masks/{i}.png", png(y[i]))


def test_archives_are_read_in_the_order_of_their_names(folder, synthetic):
    """All three splits equal what was written."""
    written = {}
    for split, part in (("train", slice(3)), ("val", slice(3, 5)), ("test", [7])):
        written[split] = [array[part] for array in synthetic]
        write_archive(folder, split, *written[split])
    data = camvid.load_streets()
    for array, expected in zip(data, sum(written.values(), []), strict=True):
        np.testing.assert_array_equal(array, expected)
        assert array.dtype == np.uint8


def test_synthetic_images_are_appended_to_the_training_images(folder, synthetic):
    """And to no other split."""
    for split in camvid.SPLITS:
        write_archive(folder, split, synthetic[0][:2], synthetic[1][:2])
    data = camvid.load_streets(extra=3, seed=1)
    assert len(data.x) == len(data.y) == 5
    np.testing.assert_array_equal(data.x[2:], synthetic[0][:3])
    np.testing.assert_array_equal(data.y[2:], synthetic[1][:3])
    assert len(data.x_val) == len(data.x_test) == 2


def test_the_original_folder_replaces_the_archives(folder, synthetic):
    """Its larger images are reduced; masks without mixing classes."""
    x, y = (array[:2].repeat(2, axis=1).repeat(2, axis=2) for array in synthetic)
    for split in camvid.SPLITS:
        for kind, arrays in ((split, x), (f"{split}annot", y)):
            (folder / "CamVid" / kind).mkdir(parents=True)
            for i, array in enumerate(arrays):
                (folder / "CamVid" / kind / f"{i}.png").write_bytes(png(array))
    data = camvid.load_streets()
    np.testing.assert_array_equal(data.y_test, synthetic[1][:2])
    # Lanczos uses more than the four pixels of each new one.
    off = np.abs(data.x_test.astype(int) - synthetic[0][:2])
    assert off.mean() < 8


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda x, y: (x, y + 12), "values up to"),
        (lambda x, y: (x, np.stack([y] * 3, -1)), "mode RGB"),
        (lambda x, y: (x[:0], y[:0]), "no images"),
        (None, "is not .*not a zip file"),
    ],
)
def test_a_wrong_archive_is_an_error(folder, synthetic, spoil, words):
    """The message has its path and what is wrong with it."""
    if spoil is None:
        (folder / "camvid_val_256x192.zip").write_text("hello")
    else:
        write_archive(folder, "val", *spoil(synthetic[0][:1], synthetic[1][:1]))
    with pytest.raises(InputError, match=f"camvid_val_256x192.zip .*{words}"):
        camvid.load_split("val")


def test_an_image_without_its_mask_is_an_error(folder, synthetic):
    """In both layouts."""
    with zipfile.ZipFile(folder / "camvid_val_256x192.zip", "w") as archive:
        archive.writestr("images/a.jpg", png(synthetic[0][0]))
    with pytest.raises(InputError, match=r"masks/a\.png"):
        camvid.load_split("val")
    (folder / "CamVid" / "val").mkdir(parents=True)
    (folder / "CamVid" / "val" / "a.png").write_bytes(png(synthetic[0][0]))
    with pytest.raises(InputError, match=r"valannot/a\.png"):
        camvid.load_split("val")


def test_synthetic_images_depend_on_their_seed_only(synthetic):
    """Not on the number of images m."""
    x, y = camvid.make_streets(2, seed=1)
    np.testing.assert_array_equal(x, synthetic[0][:2])
    np.testing.assert_array_equal(y, synthetic[1][:2])
    assert (camvid.make_streets(2, seed=2)[0] != x).any(axis=(1, 2, 3)).all()
    assert camvid.make_streets(0)[0].shape == (0, 192, 256, 3)


def test_synthetic_images_have_every_class_and_no_void(synthetic):
    """Sky, road and pavement are in each of them, a bicyclist in some."""
    _, y = synthetic
    shares = np.stack([(y == k).mean(axis=(1, 2)) for k in range(len(camvid.CLASSES))])
    assert y.max() < camvid.VOID
    for name in ("sky", "road", "pavement"):
        assert (shares[camvid.CLASSES.index(name)] > 0).all(), name
    assert (shares.max(axis=1) > 0.002).all()


def test_the_constants_of_the_painter_are_the_indices_of_the_classes():
    """`streets.SKY` is the index of "sky", and so on."""
    for name in camvid.CLASSES:
        number = getattr(streets, name.upper())
        assert camvid.CLASSES[number] == name


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(16, 120), st.integers(16, 120))
def test_synthetic_images_may_have_any_size(seed, height, width):
    """With any seed."""
    x, y = streets.scene(np.random.default_rng(seed), height, width)
    assert x.shape == (height, width, 3) and x.dtype == np.uint8
    assert y.shape == (height, width) and y.dtype == np.uint8
    assert y.max() < camvid.VOID


def test_edges_of_image_and_mask_coincide(synthetic):
    """The image changes at an edge of the mask, and much less three columns away."""
    x, y = synthetic[0].astype(float).mean(axis=-1), synthetic[1]
    step = np.abs(np.diff(x, axis=2))
    edge = np.diff(y.astype(int), axis=2) != 0
    away = np.roll(edge, 3, axis=2) & ~edge
    assert step[edge].mean() > 2 * step[away].mean()


@pytest.mark.data
def test_camvid_is_complete():
    """367, 101 and 233 images, as published, with every class in each split."""
    data = camvid.load_streets()
    assert [len(part) for part in data] == [367, 367, 101, 101, 233, 233]
    for y in (data.y, data.y_val, data.y_test):
        assert np.unique(y).tolist() == [*range(12)]


@pytest.mark.data
def test_the_archives_have_the_recorded_hashes():
    """Those that are available."""
    for remote in camvid.SPLITS.values():
        if path := files.in_data_folder(remote.name):
            files.check_hash(path, remote)
