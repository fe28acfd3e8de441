"""Introduction to TensorFlow: what the reference cases do not cover."""

from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core import files, weights
from dls_keras.core.errors import InputError
from dls_keras.course2 import tensorflow_introduction as ti
from dls_keras.datasets import signs

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def pretrained():
    return ti.load_pretrained()


@pytest.fixture(scope="module")
def synthetic():
    """48 synthetic images scaled as in `load_data`, and six more for testing."""
    x, y = signs.make_signs(54, seed=4)
    x = x.astype("float32") / 255
    return signs.Signs(x[:48], y[:48], x[48:], y[48:])


def slices(data):
    """The four `tf.data` sets that `model` takes."""
    make = tf.data.Dataset.from_tensor_slices
    x, x_test = (make(ti.columns(x).T) for x in (data.x, data.x_test))
    y, y_test = (make(y).map(ti.one_hot_matrix) for y in (data.y, data.y_test))
    return x, y, x_test, y_test


# The course's functions.


@settings(deadline=None)
@given(st.integers(1, 9), st.floats(0, 4), seeds)
def test_the_loss_is_minus_log_softmax(m, magnitude, seed):
    """Compared with float64 in a form that cannot overflow, for |z| up to 1e4."""
    rng = np.random.default_rng(seed)
    Z = rng.uniform(-1, 1, (6, m)) * 10**magnitude
    y = rng.integers(6, size=m)
    shifted = Z - Z.max(axis=0)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=0))
    loss = ti.compute_total_loss(
        tf.constant(Z, tf.float32), tf.one_hot(y, 6, axis=0)
    ).numpy()
    # float32 has seven digits.
    expected = -log_p[y, range(m)].sum()
    np.testing.assert_allclose(loss, expected, rtol=1e-5, atol=1e-6 * 10**magnitude)


def test_gradients_of_the_tape_equal_central_differences():
    """In float64, for each of the six arrays."""
    rng = np.random.default_rng(0)
    shapes = {"W1": (4, 7), "b1": (4, 1), "W2": (3, 4), "b2": (3, 1)}
    shapes |= {"W3": (6, 3), "b3": (6, 1)}
    parameters = {name: tf.Variable(rng.normal(size=n)) for name, n in shapes.items()}
    X, Y = tf.constant(rng.normal(size=(7, 5))), tf.constant(np.eye(6)[:, :5])

    def loss():
        return ti.compute_total_loss(ti.forward_propagation(X, parameters), Y)

    with tf.GradientTape() as tape:
        value = loss()
    gradients = tape.gradient(value, parameters)
    h = 1e-6  # the error falls with h^2 and grows with 1e-16 / h
    for name, variable in parameters.items():
        start, differences = variable.numpy(), np.empty(shapes[name])
        for index in np.ndindex(*shapes[name]):
            step = np.zeros(shapes[name])
            step[index] = h
            variable.assign(start + step)
            up = loss()
            variable.assign(start - step)
            differences[index] = (up - loss()) / (2 * h)
        variable.assign(start)
        np.testing.assert_allclose(gradients[name], differences, atol=1e-7)


def test_initial_parameters_are_equal_and_separate():
    """Each call makes new variables with the same numbers; NumPy's state is kept."""
    np.random.seed(5)
    state = np.random.get_state()[1].copy()
    first, second = ti.initialize_parameters(), ti.initialize_parameters()
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    second["W3"].assign_add(tf.ones((6, 12)))
    assert not np.array_equal(first["W3"], second["W3"])


def test_model_takes_adam_s_first_step(synthetic):
    """With one mini-batch each parameter changes by the learning rate.

    The cost and the training accuracy are those before the step.
    """
    parameters, costs, train_acc, test_acc = ti.model(
        *slices(synthetic), learning_rate=0.001, num_epochs=1, minibatch_size=48
    )
    start, X = ti.initialize_parameters(), ti.columns(synthetic.x)
    with tf.GradientTape() as tape:
        Z3 = ti.forward_propagation(X, start)
        loss = ti.compute_total_loss(Z3, tf.one_hot(synthetic.y, 6, axis=0))
    for name, g in tape.gradient(loss, start).items():
        # Adam divides by sqrt(v) + 1e-7, where sqrt(v) = sqrt(1 - 0.999) |g|.
        step = -0.001 * g / (np.abs(g) + 1e-7 / np.sqrt(0.001))
        np.testing.assert_allclose(parameters[name] - start[name], step, atol=1e-6)
    np.testing.assert_allclose(costs, [loss / 48], rtol=1e-5)
    assert train_acc == [pytest.approx(ti.accuracy(start, X, synthetic.y))]
    after = ti.accuracy(parameters, ti.columns(synthetic.x_test), synthetic.y_test)
    assert test_acc == [pytest.approx(after)]


def test_model_prints_three_lines_every_tenth_epoch(synthetic, capsys):
    """A smaller last mini-batch (48 = 20 + 20 + 8) counts, too."""
    sets = slices(synthetic)
    _, costs, train_acc, test_acc = ti.model(*sets, num_epochs=11, minibatch_size=20)
    assert len(costs) == len(train_acc) == len(test_acc) == 2
    assert costs[1] < costs[0]
    assert capsys.readouterr().out.splitlines() == [
        f"Cost after epoch 0: {costs[0]:f}",
        f"Train accuracy: {train_acc[0]:.7f}",
        f"Test accuracy: {test_acc[0]:.7f}",
        f"Cost after epoch 10: {costs[1]:f}",
        f"Train accuracy: {train_acc[1]:.7f}",
        f"Test accuracy: {test_acc[1]:.7f}",
    ]
    ti.model(*sets, num_epochs=1, print_cost=False)
    assert capsys.readouterr().out == ""


# The application.


def test_subtracting_the_mean_does_not_change_the_network(synthetic):
    """With learning rate 0 only the rounding of b1 changes."""
    model, start = ti.build_model(), ti.build_model()
    ti.train(model, synthetic, epochs=1, batch_size=16, learning_rate=0.0)
    for name in start:
        # W1 mean, a sum of 12288 float32, is added and subtracted again.
        np.testing.assert_allclose(model[name], start[name], atol=1e-6)


def test_training_lowers_the_loss_and_is_seeded(synthetic):
    """The same seed gives the same losses."""

    def losses(seed):
        settings = {"epochs": 12, "batch_size": 16, "seed": seed}
        return ti.train(ti.build_model(), synthetic, **settings)

    first = losses(3)
    assert losses(3) == first
    assert losses(4) != first
    assert first[-1] < 0.7 * first[0]


def test_held_out_synthetic_images_are_recognised(pretrained):
    """At least 90 % (97 % in the record)."""
    x, y = signs.make_signs(60, seed=20_000)
    X = ti.columns(x.astype("float32") / 255)
    assert ti.accuracy(pretrained, X, y) >= 0.9


def test_the_weights_file_is_in_half_precision():
    """600 kB instead of 1.2 MB."""
    with h5py.File(weights.find(weights.record("tensorflow_introduction"))) as file:
        assert {file[name].dtype for name in file} == {np.dtype("float16")}


@pytest.mark.data
def test_the_test_accuracy_is_that_of_the_record(pretrained):
    """On 120 photos, and on the 108 without a near-duplicate in training."""
    data = ti.load_data()
    test = ti.accuracy(pretrained, ti.columns(data.x_test), data.y_test)
    assert test == pytest.approx(0.925, abs=0.009)  # one photo more or less
    unique = ~signs.near_duplicates(signs.load_signs())
    x, y = data.x_test[unique], data.y_test[unique]
    assert ti.accuracy(pretrained, ti.columns(x), y) == pytest.approx(0.917, abs=0.01)


@pytest.mark.data
@pytest.mark.large
def test_the_printed_run_gives_the_printed_numbers(pretrained):
    """Within 0.05 in cost and 5 % of the photos, since their order is another one."""
    rows = ti.evaluate(pretrained)
    printed = [row for row in rows if row.equals is not None]
    assert len(printed) == 30
    for row in printed:
        assert row.ours == pytest.approx(row.equals, abs=0.05), row.what
    goals = [row for row in rows if row.at_least is not None]
    assert goals and all(row.ours >= row.at_least for row in goals)


@pytest.mark.data
def test_load_data_appends_synthetic_images():
    """1080 photos, then `make_signs`, all in [0, 1]."""
    data = ti.load_data(extra=3, seed=5)
    x, y = signs.make_signs(3, seed=5)
    assert data.x.shape == (1083, 64, 64, 3) and data.x.dtype == "float32"
    np.testing.assert_allclose(data.x[1080:] * 255, x, atol=1e-4)
    np.testing.assert_array_equal(data.y[1080:], y)
    assert data.x.min() == 0 and data.x.max() == 1


@pytest.mark.parametrize("size", [(64, 64), (5000, 3000)])
def test_photos_of_any_size_are_recognised(pretrained, size):
    """Also 15 megapixels; the six probabilities sum to one."""
    x, _ = signs.make_signs(6, seed=7)
    answer = ti.infer(pretrained, Image.fromarray(x[5]).resize(size))
    assert answer == "5"
    probabilities = answer.details["probabilities"]
    assert tuple(probabilities) == signs.CLASSES
    assert answer.confidence == max(probabilities.values())
    assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_grey_transparent_and_tiny_images_are_accepted(pretrained):
    """They are converted to RGB and resized."""
    hand = Image.fromarray(signs.make_signs(4, seed=3)[0][3])
    for image in (hand.convert("L"), hand.convert("RGBA"), Image.new("RGB", (1, 1))):
        assert ti.infer(pretrained, image) in signs.CLASSES


def test_invalid_images_raise_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "hand.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64, 3), np.nan)):
        with pytest.raises(InputError):
            ti.infer(pretrained, wrong)


def test_training_that_fails_leaves_the_model_as_it_was():
    """The mean photo, which `train` adds to the first bias, is subtracted again."""
    model = ti.build_model()
    before = {name: variable.numpy() for name, variable in model.items()}
    x, y = signs.make_signs(4, seed=0)
    with pytest.raises(InputError, match="does not fit 4 examples"):
        ti.train(model, SimpleNamespace(x=x, y=y), batch_size=8)
    for name, variable in model.items():
        np.testing.assert_allclose(variable, before[name], atol=1e-4)


def test_without_data_the_example_is_a_synthetic_image(pretrained, monkeypatch):
    """Three fingers; the picture shows the answer."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    question, hand = ti.example()
    assert "synthetic" in question
    answer = ti.infer(pretrained, hand)
    assert answer == "3"
    assert ti.picture(hand, answer).axes[0].get_title().startswith("3")


@pytest.mark.data
def test_with_data_the_example_is_the_photo_of_the_notebook(pretrained):
    """Two fingers."""
    question, photo = ti.example()
    assert photo == files.in_data_folder("signs/images/my_image.jpg")
    assert "synthetic" not in question
    assert ti.infer(pretrained, photo) == "2"
