"""Residual networks, beyond the reference cases."""

import keras
import numpy as np
import pytest
from PIL import Image

from dls_keras.core import weights
from dls_keras.core.errors import InputError
from dls_keras.course4 import residual_networks as rn
from dls_keras.datasets import signs


@pytest.fixture(scope="module")
def pretrained():
    return rn.load_pretrained()


@pytest.fixture(scope="module")
def hand():
    """A synthetic image of a hand that shows three."""
    return Image.fromarray(signs.make_signs(4, seed=3)[0][3])


def test_an_identity_block_with_zero_kernels_is_the_identity():
    """F = 0 leaves relu(X), which is X where X is not negative."""
    X = np.random.default_rng(0).uniform(size=(2, 5, 6, 8)).astype("float32")
    out = rn.identity_block(X, 3, [4, 4, 8], initializer=lambda seed: "zeros")
    np.testing.assert_allclose(out, X, rtol=1e-6)


@pytest.mark.parametrize(("n", "s"), [(15, 1), (15, 2), (8, 2), (7, 3)])
def test_a_convolutional_block_divides_height_and_width_by_its_stride(n, s):
    """Rounded up."""
    X = np.zeros((1, n, n + 1, 3), "float32")
    out = rn.convolutional_block(X, 3, [2, 2, 7], s=s)
    assert out.shape == (1, -(-n // s), -(-(n + 1) // s), 7)


def test_the_network_has_the_parameters_of_the_course():
    """23,600,006 with six classes, of which 53,120 are moving statistics."""
    model = rn.ResNet50()
    assert model.count_params() == 23_600_006
    assert sum(np.prod(w.shape) for w in model.trainable_weights) == 23_546_886


def test_training_changes_the_weights_and_the_moving_statistics():
    """One step on eight synthetic images, at the size of the course."""
    x, y = signs.make_signs(8)
    data = signs.Signs(x.astype("float32") / 255, y, x[:0], y[:0])
    model = rn.build_model()
    before = [w.numpy() for w in model.weights]
    (loss,) = rn.train(model, data, epochs=1, batch_size=8)
    assert np.isfinite(loss)
    changed = [
        not np.array_equal(a, b) for a, b in zip(before, model.weights, strict=True)
    ]
    assert np.mean(changed) > 0.9


def test_held_out_synthetic_images_are_recognised(pretrained):
    """At least 95 % of 60."""
    x, y = signs.make_signs(60, seed=20_000)
    y_hat = pretrained.predict(x.astype("float32") / 255, verbose=0).argmax(1)
    assert np.mean(y_hat == y) >= 0.95


@pytest.mark.parametrize("size", [(64, 64), (640, 640), (5477, 3652)])
def test_photos_of_any_size_are_recognised(pretrained, hand, size):
    """A photo of 20 megapixels, too; the probabilities sum to one."""
    answer = rn.infer(pretrained, hand.resize(size))
    probabilities = answer.details["probabilities"]
    assert answer == "3"
    assert answer.confidence == max(probabilities.values())
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_any_mode_of_picture_is_accepted(pretrained, hand):
    """Grey and transparent pictures become RGB first; one pixel is a picture, too."""
    for picture in (hand.convert("L"), hand.convert("RGBA"), Image.new("RGB", (1, 1))):
        assert rn.infer(pretrained, picture) in signs.CLASSES


def test_input_that_is_not_a_picture_is_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "hand.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64, 3), np.nan)):
        with pytest.raises(InputError):
            rn.infer(pretrained, wrong)


@pytest.mark.data
def test_the_accuracy_on_test_photos_is_the_recorded_one(pretrained):
    """The goal, 98 %, is reached, and each row equals the metric in the record."""
    rows = rn.evaluate(pretrained)
    assert rows[0].ours >= rows[0].at_least == 0.98
    recorded = dict(weights.record("residual_networks").metrics)
    assert [row.what for row in rows] == list(recorded)
    for row in rows:
        assert 100 * row.ours == pytest.approx(float(recorded[row.what][:-2]), abs=0.1)


def test_half_precision_loses_nothing(pretrained):
    """The shipped numbers are float16 values held as float32."""
    kernel = pretrained.layers[-1].kernel
    as_half = keras.ops.convert_to_numpy(kernel).astype("float16").astype("float32")
    np.testing.assert_array_equal(kernel, as_half)
