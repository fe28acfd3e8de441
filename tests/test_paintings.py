"""Pictures for style transfer, drawn and real."""

import numpy as np
import pytest
from PIL import Image

from dls_keras.core import files, images
from dls_keras.core.errors import InputError
from dls_keras.datasets import paintings

SIZE = {"height": 48, "width": 64}


@pytest.mark.parametrize("make", [paintings.make_paintings, paintings.make_scenes])
def test_one_seed_draws_one_set(make):
    """In the size asked for; another seed draws another."""
    one, again, other = (make(4, seed=seed, **SIZE) for seed in (3, 3, 4))
    assert one.shape == (4, 48, 64, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert np.abs(one.astype(int) - other).mean(axis=(1, 2, 3)).min() > 5
    assert make(0, **SIZE).shape == (0, 48, 64, 3)


def test_paintings_are_full_of_colour_and_detail():
    """Each has more than a hundred colours, and neighbours that differ."""
    for painting in paintings.make_paintings(8, **SIZE):
        assert len(np.unique(painting.reshape(-1, 3), axis=0)) > 100
        assert np.abs(np.diff(painting.astype(int), axis=1)).mean() > 2


def test_crops_are_parts_of_their_photos(tmp_path):
    """The photos take turns; a square never reaches beyond its photo."""
    for name, colour in (("a", (250, 0, 0)), ("b", (0, 0, 250))):
        images.write(Image.new("RGB", (50, 33), colour), tmp_path / f"{name}.png")
    squares = paintings.crops(sorted(tmp_path.iterdir()), 5, size=20)
    assert squares.shape == (5, 20, 20, 3)
    assert (squares[::2] == (250, 0, 0)).all()
    assert (squares[1::2] == (0, 0, 250)).all()


def test_no_photos_are_told():
    """Rather than squares of nothing."""
    with pytest.raises(InputError, match="no photos"):
        paintings.crops([], 3)


@pytest.mark.data
def test_the_courses_pictures_are_the_recorded_ones():
    """Each by its hash, and each can be read."""
    for remote in paintings.PICTURES.values():
        files.check_hash(files.find_data(remote), remote)
    content, style = paintings.load_pictures()
    assert content.size == style.size == (800, 600)
