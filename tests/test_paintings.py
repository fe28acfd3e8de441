"""Images for style transfer, synthetic and real."""

import numpy as np
import pytest
from PIL import Image

from dls_keras.core import files, images
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog, paintings

SIZE = {"height": 48, "width": 64}


@pytest.mark.parametrize("make", [paintings.make_paintings, paintings.make_scenes])
def test_a_seed_gives_one_set_of_images(make):
    """In the requested size; another seed gives another set."""
    one, again, other = (make(4, seed=seed, **SIZE) for seed in (3, 3, 4))
    assert one.shape == (4, 48, 64, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert np.abs(one.astype(int) - other).mean(axis=(1, 2, 3)).min() > 5
    assert make(0, **SIZE).shape == (0, 48, 64, 3)


def test_paintings_have_many_colours_and_details():
    """Each has more than a hundred colours, and neighbouring pixels differ."""
    for painting in paintings.make_paintings(8, **SIZE):
        assert len(np.unique(painting.reshape(-1, 3), axis=0)) > 100
        assert np.abs(np.diff(painting.astype(int), axis=1)).mean() > 2


def test_crops_are_parts_of_their_photos(tmp_path):
    """The photos take turns; a crop never exceeds its photo."""
    for name, colour in (("a", (250, 0, 0)), ("b", (0, 0, 250))):
        images.write(Image.new("RGB", (50, 33), colour), tmp_path / f"{name}.png")
    crops = paintings.crops(sorted(tmp_path.iterdir()), 5, size=20)
    assert crops.shape == (5, 20, 20, 3)
    assert (crops[::2] == (250, 0, 0)).all()
    assert (crops[1::2] == (0, 0, 250)).all()


def test_training_crops_can_be_synthetic_only():
    """Three quarters of them paintings, the last quarter landscapes."""
    (x,) = paintings.load_training_crops(0, 8, size=40)
    size = {"height": 40, "width": 40}
    np.testing.assert_array_equal(x[:6], paintings.make_paintings(6, **size))
    np.testing.assert_array_equal(x[6:], paintings.make_scenes(2, **size))


def test_crops_of_no_photos_are_refused():
    """There is nothing to crop."""
    with pytest.raises(InputError, match="no photos"):
        paintings.crops([], 3)


@pytest.mark.data
def test_the_courses_images_have_the_recorded_hashes():
    """Each of them; the two defaults can be read."""
    for remote in paintings.PICTURES.values():
        files.check_hash(catalog.find(remote), remote)
    content, style = paintings.load_pictures()
    assert content.size == style.size == (800, 600)
