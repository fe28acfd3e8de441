"""Digit recognizer: ensembles, multi-crop, Kaggle's tables and predictions."""

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from dls_keras.core.errors import InputError
from dls_keras.course4 import digit_recognizer as dr
from dls_keras.datasets import digits
from dls_keras.datasets.draw import digits as draw_digits


def dense(seed, units=3, size=4):
    """A small softmax classifier of (size, size, 1) images."""
    X = keras.Input((size, size, 1))
    glorot = keras.initializers.GlorotUniform(seed)
    A = layers.Dense(units, activation="softmax", kernel_initializer=glorot)
    return keras.Model(X, A(layers.Flatten()(X)), name="same_name")


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).uniform(size=(5, 4, 4, 1)).astype("float32")


@pytest.fixture(scope="module")
def pretrained():
    return dr.load_pretrained()


def test_an_ensemble_returns_the_mean_output(x):
    """Of three networks, which may have the same name."""
    models = [dense(seed) for seed in range(3)]
    expected = np.mean([model(x) for model in models], axis=0)
    # float32, summed in another order
    np.testing.assert_allclose(dr.ensemble(models)(x), expected, rtol=1e-6)


def test_an_ensemble_of_one_is_the_network(x):
    """The mean of one output."""
    np.testing.assert_array_equal(dr.ensemble([dense(7)])(x), dense(7)(x))


def test_an_ensemble_shares_the_weights_of_its_members(x):
    """And has none of its own."""
    models = [dense(0), keras.Sequential([layers.Flatten(), layers.Dense(3)])]
    models[1].build((None, 4, 4, 1))
    both = dr.ensemble(models)
    for w in models[1].weights:
        w.assign(np.ones(w.shape))
    np.testing.assert_allclose(both(x), (models[0](x) + models[1](x)) / 2, rtol=1e-6)
    assert both.count_params() == 2 * models[0].count_params()


def test_saved_and_cloned_ensembles_give_the_same_outputs(x, tmp_path):
    """Bit by bit."""
    both = dr.ensemble([dense(0), dense(1)])
    both.save(tmp_path / "ensemble.keras")
    loaded = keras.models.load_model(tmp_path / "ensemble.keras")
    clone = keras.models.clone_model(both)
    clone.set_weights(both.get_weights())
    for other in (loaded, clone):
        np.testing.assert_array_equal(other(x), both(x))


@pytest.mark.parametrize("models", [[], [dense(0), dense(0, units=4)]])
def test_an_ensemble_of_different_shapes_raises_an_error(models):
    """And an ensemble of no model."""
    with pytest.raises(InputError, match=f"received {len(models)} models"):
        dr.ensemble(models)


def test_crops_are_shifted_images(x):
    """Down and right by their shift; the border is repeated."""
    inputs = []
    dr.multi_crop(lambda crop: inputs.append(crop) or crop.sum((1, 2)), x)
    assert len(inputs) == len(dr.CROPS) and (inputs[0] == x).all()
    crops = dict(zip(dr.CROPS, inputs, strict=True))
    np.testing.assert_array_equal(crops[1, 0][:, 1:], x[:, :-1])
    np.testing.assert_array_equal(crops[1, 0][:, 0], x[:, 0])
    np.testing.assert_array_equal(crops[0, -1][:, :, :-1], x[:, :, 1:])
    np.testing.assert_array_equal(crops[0, -1][:, :, -1], x[:, :, -1])


def test_all_crops_have_equal_weight(x):
    """The mean of the outputs; a constant stays constant."""
    pixel = dr.multi_crop(lambda x: x[:, 1, 1], x, ((0, 0), (1, 0), (0, 1)))
    expected = (x[:, 1, 1] + x[:, 0, 1] + x[:, 1, 0]) / 3
    np.testing.assert_allclose(pixel, expected, rtol=1e-6)
    assert (dr.multi_crop(lambda x: np.ones((len(x), 2)), x) == 1).all()


def test_the_network_has_the_layers_of_its_docstring():
    """Two convolutions, two dense layers, and dropout."""
    kinds = [type(layer) for layer in dr.build_model().layers]
    assert kinds.count(layers.Conv2D) == kinds.count(layers.Dense) == 2
    assert layers.Dropout in kinds
    assert dr.build_model().count_params() == 513_018
    assert dr.build_model("mixed_bfloat16").count_params() == 513_018


def test_training_lowers_the_loss():
    """On 96 synthetic digits; all weights and moving statistics change."""
    x, y = digits.make_digits(96)
    model = dr.build_model()
    before = [w.numpy() for w in model.weights]
    losses = dr.train(model, digits.Digits(x, y, x[:0], y[:0]), epochs=4, batch_size=32)
    assert losses[-1] < 0.6 * losses[0]
    for old, new in zip(before, model.weights, strict=True):
        assert (old != new.numpy()).any()


def write_table(path, x, y=None):
    """Kaggle's table of digits."""
    header = [*(["label"] if y is not None else []), *digits.PIXELS]
    rows = x.reshape(len(x), -1).tolist()
    if y is not None:
        rows = [[label, *row] for label, row in zip(y.tolist(), rows, strict=True)]
    path.write_text("\n".join(",".join(map(str, r)) for r in [header, *rows]))


def test_kaggle_s_table_replaces_mnist(tmp_path):
    """Its last tenth is the test set; synthetic digits are appended to the rest."""
    x, y = digits.make_digits(30, seed=3)
    write_table(tmp_path / "train.csv", x, y)
    data = dr.load_data(extra=5, train_csv=tmp_path / "train.csv")
    np.testing.assert_array_equal(data.x[:27], x[:27])
    np.testing.assert_array_equal(data.x_test, x[27:])
    assert len(data.x) == len(data.y) == 32 and data.y_test.tolist() == [7, 8, 9]


def test_a_training_table_without_labels_raises_an_error(tmp_path):
    """Kaggle's test.csv instead of train.csv."""
    write_table(tmp_path / "test.csv", digits.make_digits(2)[0])
    with pytest.raises(InputError, match="no column label"):
        dr.load_data(train_csv=tmp_path / "test.csv")


def test_a_submission_has_the_predictions_of_the_network(pretrained, tmp_path):
    """In the order of the table."""
    x, y = digits.make_digits(20, seed=77)
    write_table(tmp_path / "test.csv", x)
    labels = dr.submit(pretrained, tmp_path / "test.csv", tmp_path / "out.csv")
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines == ["ImageId,Label", *(f"{i + 1},{k}" for i, k in enumerate(labels))]
    assert np.mean(labels == y) >= 0.95


def test_held_out_synthetic_digits_are_recognised(pretrained):
    """At least 97 % of 200."""
    x, y = digits.make_digits(200, seed=20_000)
    y_hat = pretrained.predict(digits.as_inputs(x), verbose=0).argmax(1)
    assert np.mean(y_hat == y) >= 0.97


@pytest.mark.parametrize("size", [(28, 28), (640, 480), (4000, 3000)])
@pytest.mark.parametrize("scan", [True, False])
def test_digits_of_any_size_and_polarity_are_recognised(pretrained, size, scan):
    """Dark on light as in a scan, light on dark as in MNIST; not in the centre."""
    ink = np.asarray(draw_digits.digit(5, np.random.default_rng(3), 256))
    page = np.zeros((480, 640), "uint8")
    page[200:456, 300:556] = ink
    page = Image.fromarray(dr.as_scan(page) if scan else page).resize(size)
    answer = dr.infer(pretrained, page)
    assert answer == "5"
    probabilities = answer.details["probabilities"]
    assert answer.confidence == pytest.approx(max(probabilities.values()))
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_invalid_images_raise_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN, a blank page."""
    text = tmp_path / "digit.jpg"
    text.write_text("not a picture")
    nan, blank = np.full((28, 28), np.nan), np.ones((28, 28))
    for wrong in (text, tmp_path / "none.png", nan, blank):
        with pytest.raises(InputError):
            dr.infer(pretrained, wrong)


@pytest.mark.data
def test_the_test_accuracy_reaches_its_goal(pretrained):
    """99.5 % of MNIST's test digits with a single network."""
    data = digits.load_digits()
    x = digits.as_inputs(data.x_test)
    y_hat = pretrained.predict(x, batch_size=500, verbose=0).argmax(1)
    assert np.mean(y_hat == data.y_test) >= 0.995


@pytest.mark.data
@pytest.mark.large
def test_every_row_reaches_its_goal(pretrained):
    """With five crops per digit 99.6 %."""
    for row in dr.evaluate(pretrained):
        assert row.at_least is None or row.ours >= row.at_least, row.what
