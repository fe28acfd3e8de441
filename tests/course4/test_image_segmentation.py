"""Image segmentation, beyond the reference cases."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras import plots
from dls_keras.core import weights
from dls_keras.core.errors import InputError
from dls_keras.course4 import image_segmentation as seg
from dls_keras.datasets import camvid

N_C = len(camvid.CLASSES)


@pytest.fixture(scope="module")
def pretrained():
    return seg.load_pretrained()


@pytest.fixture(scope="module")
def synthetic():
    """Twelve held-out synthetic images and their masks."""
    return camvid.make_streets(12, seed=20_000)


def test_the_skip_connection_is_the_input_of_the_pooling():
    """The next layer has the largest of each 2 x 2 of its pixels."""
    inputs = keras.Input((8, 6, 3))
    block = keras.Model(inputs, seg.conv_block(inputs, 5, dropout_prob=0.3))
    X = np.random.default_rng(0).normal(size=(2, 8, 6, 3)).astype("float32")
    next_layer, skip_connection = (np.asarray(a) for a in block(X, training=True))
    assert skip_connection.shape == (2, 8, 6, 5)
    np.testing.assert_array_equal(
        next_layer, skip_connection.reshape(2, 4, 2, 3, 2, 5).max(axis=(2, 4))
    )


def test_without_pooling_both_outputs_are_the_same():
    """As in the deepest block of the network."""
    next_layer, skip_connection = seg.conv_block(
        keras.Input((8, 6, 3)), 5, max_pooling=False
    )
    assert next_layer is skip_connection


@pytest.mark.parametrize("shape", [(16, 16), (48, 32), (144, 192)])
def test_one_network_is_for_images_of_any_size(shape, tmp_path):
    """It equals one that was built for that size; so does its copy from a file."""
    model = seg.build_model(n_filters=2)
    other = seg.unet_model((*shape, 3), 2, N_C)
    other.set_weights(model.get_weights())
    X = np.random.default_rng(0).uniform(size=(2, *shape, 3)).astype("float32")
    expected = other(X, training=False)
    assert expected.shape == (2, *shape, N_C)
    model.save(tmp_path / "unet.keras")
    for one in (model, keras.models.load_model(tmp_path / "unet.keras")):
        logits = one(X, training=False)
        np.testing.assert_allclose(logits, expected, rtol=1e-6, atol=1e-6)


def test_with_bfloat16_weights_and_logits_are_float32():
    """And the global dtype policy is restored."""
    model = seg.build_model(n_filters=2, dtype="mixed_bfloat16")
    assert {w.dtype for w in model.weights} == {"float32"}
    assert model.layers[1].compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"
    full = seg.build_model(n_filters=2)
    full.set_weights(model.get_weights())
    X = np.random.default_rng(0).uniform(size=(1, 32, 32, 3)).astype("float32")
    # 8 bits of mantissa: a few percent of the largest logit after 23 layers.
    half, exact = model(X), full(X)
    assert np.abs(half - exact).max() < 0.05 * np.abs(exact).max()


def test_the_dtype_policy_is_restored_after_an_error():
    """Such as a negative number of filters."""
    with pytest.raises(ValueError):
        seg.build_model(n_filters=-1, dtype="mixed_bfloat16")
    assert keras.config.dtype_policy().name == "float32"


@settings(max_examples=20)
@given(st.tuples(*2 * [st.integers(0, 2**31 - 1)]), st.floats(0.3, 1))
def test_crops_of_image_and_mask_agree(seed, least):
    """Images made of their masks stay so, except for half a pixel at edges."""
    y = np.random.default_rng(seed).integers(0, 12, (3, 6, 8)).astype("uint8")
    y = y.repeat(16, axis=1).repeat(16, axis=2)  # (3, 96, 128)
    x = 20 * y[..., np.newaxis].repeat(3, axis=-1)
    cropped_x, cropped_y = seg.crop(seed, x, y, size=(64, 96), least=least)
    assert cropped_x.shape == (3, 64, 96, 3) and cropped_y.shape == (3, 64, 96)
    shown = 255 / 20 * cropped_x[..., 0].numpy()
    cropped_y = cropped_y.numpy()
    assert set(cropped_y.ravel()) <= set(y.ravel())
    assert np.mean(np.abs(shown - cropped_y) < 1e-3) > 0.7
    assert np.corrcoef(shown.ravel(), cropped_y.ravel())[0, 1] > 0.95
    again_x, _ = seg.crop(seed, x, y, size=(64, 96), least=least)
    np.testing.assert_array_equal(cropped_x, again_x)


def test_the_largest_crop_is_the_image_or_the_flipped_image(synthetic):
    """Both occur, and image and mask are flipped together."""
    x, y = synthetic
    cropped_x, cropped_y = seg.crop((1, 2), x, y, size=(192, 256), least=1.0)
    flipped = 0
    for i in range(len(x)):
        step = -1 if (cropped_y[i] != y[i]).numpy().any() else 1
        flipped += step == -1
        np.testing.assert_array_equal(cropped_y[i], y[i, :, ::step])
        np.testing.assert_allclose(cropped_x[i] * 255, x[i, :, ::step], atol=0.02)
    assert 0 < flipped < len(x)


def test_class_weights_are_roots_of_inverse_frequencies():
    """Eleven classes, one four times as frequent as the others, one absent."""
    y = np.repeat(np.arange(N_C), 100)
    y = np.concatenate([y, np.zeros(300), np.full(5000, camvid.VOID)]).astype("uint8")
    y = np.delete(y, np.flatnonzero(y == 5))
    expected = np.ones(N_C)
    expected[0], expected[5] = 1 / 2, 10
    np.testing.assert_allclose(seg.class_weights(y), expected, rtol=1e-6)


def random_mask_and_logits(seed, shape=(2, 5, 6)):
    """A random mask that includes void, random logits, and random weights."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (*shape, N_C)).astype("float32")
    weight = rng.uniform(0.5, 3, N_C).astype("float32")
    return rng.integers(0, N_C + 1, shape).astype("int32"), logits, weight


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20)
def test_the_loss_equals_its_formulas_in_numpy(seed):
    """Cross-entropy by pixels, soft IoU by classes."""
    y, logits, weight = random_mask_and_logits(seed)
    known = y < N_C
    y_hat = np.exp(logits[known]) / np.exp(logits[known]).sum(-1, keepdims=True)
    truth = np.eye(N_C)[y[known]]
    nats = -np.log((truth * y_hat).sum(-1))
    cross_entropy = np.average(nats, weights=weight[y[known]])
    common = (truth * y_hat).sum(0)
    either = (truth + y_hat - truth * y_hat).sum(0)
    expected = cross_entropy + 1 - np.mean((common + 1) / (either + 1))
    got = seg.segmentation_loss(y, logits, weight)
    np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_void_pixels_have_no_gradient():
    """All others have one."""
    y, logits, weight = random_mask_and_logits(0)
    logits = tf.Variable(logits)
    with tf.GradientTape() as tape:
        loss = seg.segmentation_loss(y, logits, weight)
    has_gradient = np.abs(tape.gradient(loss, logits)).sum(-1) > 0
    np.testing.assert_array_equal(has_gradient, y < N_C)


def test_the_loss_of_an_all_void_image_is_zero():
    """Not NaN; a crop can be all void."""
    _, logits, weight = random_mask_and_logits(0)
    void = np.full(logits.shape[:3], camvid.VOID, "int32")
    assert float(seg.segmentation_loss(void, logits, weight)) == 0


def test_the_loss_of_a_perfect_prediction_is_zero():
    """If the probability of each true class is 1."""
    y, _, weight = random_mask_and_logits(0)
    logits = 100 * np.eye(N_C + 1, N_C, dtype="float32")[y]
    assert float(seg.segmentation_loss(y, logits, weight)) < 1e-5


def predicting(y_hat):
    """A model with given predictions for images 0, 1, …; x holds the number."""
    table = tf.one_hot(y_hat, N_C)
    return lambda x, training: tf.gather(
        table, tf.cast(tf.round(255 * x[:, 0, 0, 0]), tf.int32)
    )


def test_scores_equal_those_of_keras(monkeypatch):
    """MeanIoU that ignores void, and the accuracy of all other pixels."""
    monkeypatch.setattr(seg, "probabilities", lambda model, x: model(x, training=False))
    rng = np.random.default_rng(0)
    y = rng.integers(0, N_C + 1, (7, 8, 9)).astype("uint8")
    y_hat = np.where(rng.random(y.shape) < 0.6, y, rng.integers(0, N_C, y.shape))
    y_hat = np.minimum(y_hat, N_C - 1)
    x = (
        np.zeros((7, 8, 9, 3), "uint8")
        + np.arange(7, dtype="uint8")[:, None, None, None]
    )
    counts = seg.confusion(predicting(y_hat), x, y, batch_size=3)
    mean_iou, accuracy, iou = seg.scores(counts)
    expected = keras.metrics.MeanIoU(N_C, ignore_class=camvid.VOID)
    expected.update_state(y, y_hat)
    assert mean_iou == pytest.approx(float(expected.result()), rel=1e-6)
    assert accuracy == pytest.approx(np.mean(y_hat[y < N_C] == y[y < N_C]))
    assert iou.shape == (N_C,) and iou.mean() == pytest.approx(mean_iou)


def test_absent_classes_are_left_out_of_the_mean():
    """Two classes are present: one is right, one half right."""
    counts = np.zeros((N_C, N_C), int)
    counts[0, 0], counts[3, 3], counts[3, 0] = 4, 2, 2
    mean_iou, accuracy, iou = seg.scores(counts)
    assert mean_iou == pytest.approx((4 / 6 + 2 / 4) / 2)
    assert accuracy == 6 / 8
    assert np.isnan(iou).sum() == N_C - 2


def test_training_changes_every_weight():
    """Two steps on four random images with void pixels."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (4, 160, 200, 3)).astype("uint8")
    data = camvid.Streets(x, x[..., 0] % 12, *4 * [x[:0]])
    model = seg.build_model(n_filters=2)
    before = model.get_weights()
    (loss,) = seg.train(model, data, epochs=1, batch_size=2)
    assert np.isfinite(loss)
    for a, b in zip(before, model.get_weights(), strict=True):
        assert not np.array_equal(a, b)


@pytest.mark.parametrize(
    "size, expected",
    [
        ((192, 256), (192, 256)),
        ((3000, 4000), (192, 256)),
        ((1280, 720), (336, 192)),
        ((1, 1), (192, 192)),
        ((10, 5000), (192, 768)),
    ],
)
def test_a_photo_is_resized_to_the_scale_of_training(size, expected):
    """Its shorter side to 192 pixels, the longer one to at most 768."""
    assert seg.network_size(*size) == expected


@pytest.mark.parametrize("size", [(256, 192), (333, 444), (500, 90), (1, 1)])
def test_a_mask_has_the_size_of_its_photo(pretrained, synthetic, size):
    """And the shares are those of the mask."""
    answer = seg.infer(pretrained, Image.fromarray(synthetic[0][0]).resize(size))
    mask, shares = answer.details["mask"], answer.details["shares"]
    assert mask.shape == size[::-1] and mask.dtype == np.uint8
    assert list(shares) == list(camvid.CLASSES)
    assert sum(shares.values()) == pytest.approx(1)
    most = max(shares, key=shares.get)
    assert answer.startswith(f"{most} {shares[most]:.0%}".replace("%", " %"))
    assert shares[most] == pytest.approx((mask == camvid.CLASSES.index(most)).mean())
    assert 0 < answer.confidence <= 1


def test_synthetic_images_are_segmented(pretrained, synthetic):
    """The tour uses one if CamVid is not available."""
    mean_iou, accuracy, _ = seg.scores(seg.confusion(pretrained, *synthetic))
    assert mean_iou > 0.5 and accuracy > 0.9


def test_test_time_augmentation_averages_probabilities(pretrained, synthetic):
    """They sum to one; a flipped image has the flipped prediction."""
    x = synthetic[0][:1, :64, :96].astype("float32") / 255
    y_hat = seg.probabilities(pretrained, x).numpy()
    assert y_hat.shape == (1, 64, 96, N_C)
    np.testing.assert_allclose(y_hat.sum(-1), 1, atol=1e-5)
    flipped = seg.probabilities(pretrained, x[:, :, ::-1]).numpy()
    np.testing.assert_allclose(flipped[:, :, ::-1], y_hat, atol=1e-4)


def test_the_mask_does_not_depend_on_the_size_of_the_photo(pretrained, synthetic):
    """Of an image and of one three times as large, nearly all pixels agree."""
    small = seg.infer(pretrained, synthetic[0][1]).details["mask"]
    large = synthetic[0][1].repeat(3, axis=0).repeat(3, axis=1)
    large = seg.infer(pretrained, large).details["mask"][1::3, 1::3]
    assert np.mean(large == small) > 0.95


def test_input_that_is_not_a_picture_is_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, an array of four axes."""
    text = tmp_path / "street.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.zeros((1, 192, 256, 3), "uint8")):
        with pytest.raises(InputError):
            seg.infer(pretrained, wrong)


def test_the_figure_has_the_photo_and_the_colours_of_the_classes():
    """Photo left, blended with the colours right; a legend of the classes present."""
    photo = np.full((4, 6, 3), 100, "uint8")
    mask = np.zeros((4, 6), "uint8")
    mask[:, 4:] = 3
    figure = plots.segmentation(photo, mask, camvid.COLOURS)
    left, right = (axes.images[0].get_array() for axes in figure.axes)
    np.testing.assert_array_equal(left, photo)
    for part, name in ((right[:, :4], "sky"), (right[:, 4:], "road")):
        expected = 0.4 * 100 / 255 + 0.6 * np.array(camvid.COLOURS[name]) / 255
        np.testing.assert_allclose(part, np.broadcast_to(expected, part.shape))
    (legend,) = figure.legends
    assert [t.get_text() for t in legend.get_texts()] == ["sky 66.7 %", "road 33.3 %"]


def test_the_picture_of_an_answer_has_its_mask(pretrained, synthetic):
    """And the photo, unchanged."""
    answer = seg.infer(pretrained, synthetic[0][0])
    left, right = seg.picture(synthetic[0][0], answer).axes
    np.testing.assert_array_equal(left.images[0].get_array(), synthetic[0][0])
    mask = answer.details["mask"]
    expected = plots.segmentation(synthetic[0][0], mask, camvid.COLOURS).axes[1]
    np.testing.assert_array_equal(
        *(axes.images[0].get_array() for axes in (right, expected))
    )


@pytest.mark.data
def test_test_images_are_segmented(pretrained):
    """Every twentieth; the record has the scores of all."""
    x, y = camvid.load_split("test")
    mean_iou, accuracy, _ = seg.scores(seg.confusion(pretrained, x[::20], y[::20]))
    assert mean_iou > 0.45 and accuracy > 0.82


@pytest.mark.data
@pytest.mark.large
def test_the_record_has_the_scores_that_evaluate_measures(pretrained):
    """To the third digit, on test images and on synthetic ones."""
    recorded = dict(weights.record("image_segmentation").metrics)
    measured = {row.what: row.ours for row in seg.evaluate(pretrained)}
    shared = measured.keys() & recorded.keys()
    assert len(shared) == 3
    for what in shared:
        assert measured[what] == pytest.approx(float(recorded[what]), abs=1e-3), what
