"""The small convolutional network: what the reference cases do not cover."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dls_keras.core.errors import InputError
from dls_keras.course4 import convolution_application as ca
from dls_keras.datasets import signs
from dls_keras.reference import cases, values


@pytest.fixture(scope="module")
def pretrained():
    return ca.load_pretrained()


@pytest.fixture(scope="module")
def reference():
    """The course's values, as they are in the file."""
    path = cases.FOLDER / "c4w1_convolution_application.json"
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def hands():
    """Twelve synthetic images, two per class, as (x, y) of the edition of 2017."""
    x, y = signs.make_signs(12, seed=3)
    return x.astype("float32") / 255, ca.convert_to_one_hot(y, 6).T


def test_both_editions_are_one_network(hands):
    """The Keras model with the weights of 2017 gives the softmax of its logits."""
    x, _ = hands
    parameters = ca.initialize_parameters()
    fc_W = tf.random.stateless_normal((64, 6), [0, 1])
    fc_b = tf.range(6.0)
    model = ca.convolutional_model((64, 64, 3))
    W1, W2 = parameters["W1"].numpy(), parameters["W2"].numpy()
    model.set_weights([W1, np.zeros(8), W2, np.zeros(16), fc_W, fc_b])
    Z3 = ca.forward_propagation(x, parameters, fc_W, fc_b)
    np.testing.assert_allclose(model(x), tf.nn.softmax(Z3), rtol=1e-4, atol=1e-6)


def test_the_initial_filters_of_2017_are_those_the_course_prints(reference):
    """To the eight digits of the notebook, in every call."""
    (case,) = reference["functions"]["initialize_parameters"]["cases"]
    for _ in range(2):
        parameters = ca.initialize_parameters()
        for name, printed in case["printed_values"].items():  # "W1[1, 1, 1]"
            values = parameters[name[:2]].numpy()[1, 1, 1]
            np.testing.assert_allclose(values, printed, atol=5e-9)


def test_the_logits_of_2017_are_those_the_course_prints(reference):
    """Given the weights of the dense layer, which that edition left implicit."""
    (case,) = reference["reference_only"]["forward_propagation"]["cases"]
    sources = values.Sources(cases.FOLDER, function=None, result=None)
    given = values.decode(case["inputs"], sources)
    Z3 = ca.forward_propagation(**given)
    expected = values.decode(case["expected"]["return"], sources)
    np.testing.assert_allclose(Z3, expected, atol=1e-4)


def test_mini_batches_hold_every_photo_once(hands):
    """With its label; the last mini-batch is smaller."""
    x, y = hands
    batches = ca.random_mini_batches(x, y, 5, seed=1)
    assert [len(X) for X, _ in batches] == [5, 5, 2]
    order = [
        np.flatnonzero((x == photo).all((1, 2, 3))) for X, _ in batches for photo in X
    ]
    order = np.concatenate(order)
    assert sorted(order) == list(range(12)) and list(order) != list(range(12))
    np.testing.assert_array_equal(np.concatenate([Y for _, Y in batches]), y[order])


def test_the_cost_of_equal_logits_is_log_6(hands):
    """In nats, for any labels."""
    _, y = hands
    cost = ca.compute_cost(tf.zeros((12, 6)), tf.constant(y, tf.float32))
    assert float(cost) == pytest.approx(np.log(6), rel=1e-6)


def test_the_model_of_2017_returns_trained_parameters(hands, capsys):
    """They give the accuracies it returns; every fifth cost is printed, and falls."""
    x, y = hands
    train, test, parameters = ca.model(x, y, x, y, num_epochs=11, minibatch_size=6)
    costs = [line.split()[-1] for line in capsys.readouterr().out.splitlines()[:3]]
    assert float(costs[0]) > float(costs[1]) > float(costs[2])
    Z3 = ca.forward_propagation(x, parameters, parameters["fc_W"], parameters["fc_b"])
    assert train == test == np.mean(np.argmax(Z3, 1) == np.argmax(y, 1))


def test_training_lowers_the_loss(hands):
    """On twelve synthetic images, 60 steps."""
    x, y = hands
    data = signs.Signs(x, y.argmax(1), x[:0], y[:0])
    keras.utils.set_random_seed(1)
    model = ca.build_model()
    losses = ca.train(model, data, epochs=60, batch_size=12)
    assert losses[-1] < 0.95 * losses[0]


def test_the_pretrained_network_has_1310_parameters(pretrained):
    """As in the course."""
    assert pretrained.count_params() == 1310


@pytest.mark.parametrize("build", [ca.build_model, ca.happyModel])
def test_saved_and_cloned_models_give_the_same_outputs(build, hands, tmp_path):
    """Bit by bit, with random weights."""
    model, (x, _) = build(), hands
    for weight in model.weights:
        weight.assign(np.random.default_rng(0).uniform(0, 1, weight.shape))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (loaded, clone):
        np.testing.assert_array_equal(other(x), model(x))


def test_without_data_the_example_is_a_synthetic_image(pretrained, monkeypatch):
    """An open hand."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    _, hand = ca.example()
    assert ca.infer(pretrained, hand) == "5"


@pytest.mark.parametrize("mode", ["L", "RGBA", "RGB"])
def test_photos_of_any_size_and_mode_are_classified(pretrained, mode):
    """Grey, transparent, not square: one of six classes, with all probabilities."""
    hand = Image.fromarray(signs.make_signs(4, seed=3)[0][3]).convert(mode)
    answer = ca.infer(pretrained, hand.resize((200, 90)))
    assert answer in signs.CLASSES
    probabilities = answer.details["probabilities"]
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert answer.confidence == pytest.approx(max(probabilities.values()))


def test_invalid_images_raise_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "hand.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64, 3), np.nan)):
        with pytest.raises(InputError):
            ca.infer(pretrained, wrong)


def test_the_picture_shows_the_answer(pretrained):
    """The photo, and a bar for each class."""
    hand = signs.make_signs(4, seed=3)[0][3]
    answer = ca.infer(pretrained, hand)
    photo, bars = ca.picture(hand, answer).axes
    assert answer in photo.get_title()
    assert len(bars.patches) == 6


@pytest.mark.data
def test_the_test_accuracy_reaches_its_goal(pretrained):
    """90 % of the course's 120 photos."""
    for row in ca.evaluate(pretrained):
        assert row.at_least is None or row.ours >= row.at_least, row.what
