"""Changed pictures keep their shape and range, and are drawn again from their seed."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import augment

SEED = (3, 4)
ALL = {"rotation": 0.4, "shift": 0.2, "zoom": 0.3, "flip": True}
LIGHT = {"brightness": 0.3, "contrast": 0.5, "tint": 0.2}


def pictures(m=6, height=9, width=13, channels=3):
    """Random pictures in [0, 1]."""
    shape = (m, height, width, channels)
    return np.random.default_rng(0).uniform(size=shape).astype("float32")


@pytest.mark.parametrize(
    "change, amounts", [(augment.affine, ALL), (augment.light, LIGHT)]
)
class TestBoth:
    """What holds for places and for light."""

    def test_the_same_seed_gives_the_same_pictures(self, change, amounts):
        """Whatever was drawn before; each half of the seed matters."""
        x = pictures()
        first = change(SEED, x, **amounts)
        tf.random.uniform((5,))
        np.testing.assert_array_equal(first, change(tf.constant(SEED), x, **amounts))
        for other in ((3, 5), (2, 4)):
            assert np.abs(first - change(other, x, **amounts)).max() > 0.01

    def test_each_picture_is_changed_by_its_own_amounts(self, change, amounts):
        """Equal pictures of one batch come out different."""
        x = np.repeat(pictures(1), 5, axis=0)
        out = change(SEED, x, **amounts).numpy()
        assert len(np.unique(out.reshape(5, -1), axis=0)) == 5

    def test_nothing_asked_is_nothing_changed(self, change, amounts):
        """Zero amounts are the default, and the identity."""
        x = pictures()
        # Places are computed, so that weights of neighbours differ from 0 by rounding.
        np.testing.assert_allclose(change(SEED, x), x, atol=1e-5)
        zeros = dict.fromkeys(amounts, 0)
        np.testing.assert_allclose(change(SEED, x, **zeros), x, atol=1e-5)

    def test_shapes_stay_known_in_a_graph(self, change, amounts):
        """Steps behind it are traced once; eager and graph give the same."""
        traced = []

        @tf.function(input_signature=[tf.TensorSpec((6, None, 13, 3))])
        def call(x):
            out = change(SEED, x, **amounts)
            traced.append(out.shape.as_list())
            return out

        x = pictures()
        expected = change(SEED, x, **amounts)
        # Another order of the same arithmetic.
        np.testing.assert_allclose(call(x), expected, atol=1e-5)
        assert traced == [[6, None, 13, 3]] and expected.dtype == tf.float32

    def test_the_range_is_kept(self, change, amounts):
        """Pictures in [0, 1] stay there, however large the amounts."""
        x = np.round(pictures())  # black and white: nothing to spare
        out = change(SEED, x, **{name: 3 * amount for name, amount in amounts.items()})
        assert out.numpy().min() >= 0 and out.numpy().max() <= 1 + 1e-6


def drawn_amounts(m):
    """The numbers in [-1, 1) behind turn, zoom, move along x and y, and mirror."""
    return tf.random.stateless_uniform((5, m), SEED, -1.0, 1.0).numpy()


def test_about_half_of_the_pictures_are_mirrored():
    """Exactly left to right, and the others not at all."""
    x = pictures(400, 3, 4, 1)
    out = augment.affine(SEED, x, flip=True).numpy()
    mirrored = np.isclose(out, x[:, :, ::-1], atol=1e-5).all(axis=(1, 2, 3))
    same = np.isclose(out, x, atol=1e-5).all(axis=(1, 2, 3))
    assert (mirrored ^ same).all()
    # 200 expected, standard deviation 10.
    assert 150 < mirrored.sum() < 250


@settings(max_examples=40)
@given(pixels=st.integers(-12, 12), place=st.integers(0, 5), upright=st.booleans())
def test_whole_pixels_move_exactly(pixels, place, upright):
    """Along either side; the border is repeated where nothing comes in."""
    side = 9
    x = pictures(6, *((side, 1) if upright else (1, side)))
    # The shift with which this picture's draw means so many pixels.
    draw = drawn_amounts(6)[3 if upright else 2, place]
    out = augment.affine(SEED, x, shift=pixels / side / draw).numpy()[place]
    come_from = np.clip(np.arange(side) + pixels, 0, side - 1)
    expected = np.take(x[place], come_from, axis=0 if upright else 1)
    # Places are computed in float32 and rounded to 1e-6 of a pixel.
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_a_quarter_turn_is_a_quarter_turn():
    """On a square, about its middle, against the clock."""
    x = pictures(4, 7, 7)
    draw = drawn_amounts(4)[0, 2]
    out = augment.affine(SEED, x, rotation=np.pi / 2 / draw).numpy()[2]
    np.testing.assert_allclose(out, np.rot90(x[2]), atol=1e-4)


def test_zoom_above_zero_enlarges():
    """A square in the middle covers more, or less, by the drawn scale."""
    x = np.zeros((8, 81, 81, 1), "float32")
    x[:, 30:51, 30:51] = 1  # 21 x 21
    out = augment.affine(SEED, x, zoom=0.5).numpy()
    sides = np.sqrt(out.sum(axis=(1, 2, 3)))
    # Half a pixel at each border is blurred.
    np.testing.assert_allclose(sides, 21 * (1 + 0.5 * drawn_amounts(8)[1]), atol=0.6)
