"""Augmented images keep shape and range, and depend on nothing but their seed."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import augment

SEED = (3, 4)
AFFINE = {"rotation": 0.4, "shift": 0.2, "zoom": 0.3, "flip": True}
COLOUR = {"brightness": 0.3, "contrast": 0.5, "tint": 0.2}


def pictures(m=6, height=9, width=13, channels=3):
    """Random images in [0, 1]."""
    shape = (m, height, width, channels)
    return np.random.default_rng(0).uniform(size=shape).astype("float32")


@pytest.mark.parametrize(
    "change, amounts", [(augment.affine, AFFINE), (augment.colour_jitter, COLOUR)]
)
class TestBoth:
    """What holds for affine transforms and for colour jitter."""

    def test_the_same_seed_gives_the_same_images(self, change, amounts):
        """Whatever was sampled before; each half of the seed matters."""
        x = pictures()
        first = change(SEED, x, **amounts)
        tf.random.uniform((5,))
        np.testing.assert_array_equal(first, change(tf.constant(SEED), x, **amounts))
        for other in ((3, 5), (2, 4)):
            assert np.abs(first - change(other, x, **amounts)).max() > 0.01

    def test_each_image_is_changed_by_its_own_amounts(self, change, amounts):
        """Equal images of one batch become different."""
        x = np.repeat(pictures(1), 5, axis=0)
        out = change(SEED, x, **amounts).numpy()
        assert len(np.unique(out.reshape(5, -1), axis=0)) == 5

    def test_the_default_is_the_identity(self, change, amounts):
        """And so are amounts of zero."""
        x = pictures()
        # Coordinates are computed, so the weights of neighbours are 0 up to rounding.
        np.testing.assert_allclose(change(SEED, x), x, atol=1e-5)
        zeros = dict.fromkeys(amounts, 0)
        np.testing.assert_allclose(change(SEED, x, **zeros), x, atol=1e-5)

    def test_static_shapes_are_kept_in_a_graph(self, change, amounts):
        """Later steps are traced once; eager and graph give the same numbers."""
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
        """Images in [0, 1] stay there, however large the amounts."""
        x = np.round(pictures())  # only the ends of the range
        out = change(SEED, x, **{name: 3 * amount for name, amount in amounts.items()})
        assert out.numpy().min() >= 0 and out.numpy().max() <= 1 + 1e-6


def sampled_amounts(m):
    """Numbers in [-1, 1) for rotation, zoom, shift along x and y, and flip."""
    return tf.random.stateless_uniform((5, m), SEED, -1.0, 1.0).numpy()


def test_about_half_of_the_images_are_flipped():
    """Exactly left to right, and the others not at all."""
    x = pictures(400, 3, 4, 1)
    out = augment.affine(SEED, x, flip=True).numpy()
    flipped = np.isclose(out, x[:, :, ::-1], atol=1e-5).all(axis=(1, 2, 3))
    same = np.isclose(out, x, atol=1e-5).all(axis=(1, 2, 3))
    assert (flipped ^ same).all()
    # 200 expected, standard deviation 10.
    assert 150 < flipped.sum() < 250


@settings(max_examples=40)
@given(pixels=st.integers(-12, 12), place=st.integers(0, 5), upright=st.booleans())
def test_a_shift_by_whole_pixels_is_exact(pixels, place, upright):
    """Along either axis; the border is repeated."""
    side = 9
    x = pictures(6, *((side, 1) if upright else (1, side)))
    # The largest shift for which this image is shifted by so many pixels.
    amount = sampled_amounts(6)[3 if upright else 2, place]
    out = augment.affine(SEED, x, shift=pixels / side / amount).numpy()[place]
    sources = np.clip(np.arange(side) + pixels, 0, side - 1)
    expected = np.take(x[place], sources, axis=0 if upright else 1)
    # Coordinates are computed in float32 and rounded to 1e-6 of a pixel.
    np.testing.assert_allclose(out, expected, atol=1e-5)


def test_a_rotation_by_a_right_angle_is_exact():
    """On a square, about its centre, anticlockwise."""
    x = pictures(4, 7, 7)
    amount = sampled_amounts(4)[0, 2]
    out = augment.affine(SEED, x, rotation=np.pi / 2 / amount).numpy()[2]
    np.testing.assert_allclose(out, np.rot90(x[2]), atol=1e-4)


def test_a_zoom_above_zero_enlarges():
    """A square in the centre covers more, or fewer, pixels by the sampled scale."""
    x = np.zeros((8, 81, 81, 1), "float32")
    x[:, 30:51, 30:51] = 1  # 21 x 21
    out = augment.affine(SEED, x, zoom=0.5).numpy()
    sides = np.sqrt(out.sum(axis=(1, 2, 3)))
    # Half a pixel at each border is blurred.
    np.testing.assert_allclose(sides, 21 * (1 + 0.5 * sampled_amounts(8)[1]), atol=0.6)


def test_mixup_blends_images_and_labels_by_the_same_weights():
    """Less than half of another example; each example has its own weight."""
    m = 8
    x = np.repeat(np.arange(m, dtype="float32"), 4 * 4 * 3).reshape(m, 4, 4, 3)
    y = np.arange(m, dtype="float32")
    mixed_x, mixed_y = augment.mixup(SEED, tf.constant(x), tf.constant(y))
    # Images and labels have the same value i, so they must stay equal.
    expected = np.broadcast_to(mixed_y.numpy()[:, None, None, None], x.shape)
    np.testing.assert_allclose(mixed_x, expected, rtol=1e-5)
    weights = (mixed_y - y) / (np.roll(y, 1) - y)
    assert (0 <= weights.numpy()).all() and (weights.numpy() < 0.5).all()
    assert len(np.unique(weights)) == m
    again, _ = augment.mixup(SEED, tf.constant(x), tf.constant(y))
    np.testing.assert_array_equal(mixed_x, again)
