"""Logistic regression: properties beyond the reference cases."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course1 import logistic_regression as lr
from dls_keras.datasets import cats

sizes = st.tuples(st.integers(1, 8), st.integers(1, 12))  # n_x, m
seeds = st.integers(0, 2**32 - 1)


def problem(n_x, m, seed):
    """Random w, b, X, Y of any shape; z is within about [-10, 10]."""
    rng = np.random.default_rng(seed)
    w, X = rng.normal(size=(n_x, 1)), rng.normal(size=(n_x, m))
    return w, rng.normal(), X, rng.integers(2, size=(1, m))


@pytest.fixture(scope="module")
def synthetic():
    """300 held-out synthetic pictures, as columns and labels (1, m)."""
    x, y = cats.make_cats(300, seed=10_000)
    return x.reshape(300, -1).T / 255, y[np.newaxis]


@pytest.fixture(scope="module")
def neuron():
    return lr.load_pretrained()


@pytest.fixture(scope="module")
def cat():
    """A synthetic picture of a cat, (64, 64, 3) uint8."""
    x, y = cats.make_cats(10, seed=2)
    return x[y.argmax()]


# The course's functions.


@settings(deadline=None)  # a busy machine is no failure
@given(st.floats(-1e4, 1e4))
def test_the_sigmoid_of_any_number_is_a_probability(z):
    """No overflow, no warning (an error here), and sigmoid(-z) = 1 - sigmoid(z)."""
    a = lr.sigmoid(z)
    assert np.ndim(a) == 0 and 0 <= a <= 1
    assert abs(a + lr.sigmoid(-z) - 1) < 1e-15
    if abs(z) < 700:  # where the textbook formula does not overflow
        np.testing.assert_allclose(a, 1 / (1 + np.exp(-z)), rtol=1e-14)


@settings(deadline=None)
@given(sizes, seeds)
def test_the_cost_is_the_textbook_cross_entropy(size, seed):
    """The formula that cannot overflow gives the same number where both are finite."""
    w, b, X, Y = problem(*size, seed)
    A = lr.sigmoid(w.T @ X + b)
    expected = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    # 1 - A has an absolute error of 1e-16, about 1e-11 relative to it at z = 10.
    np.testing.assert_allclose(lr.propagate(w, b, X, Y)[1], expected, rtol=1e-9)


@pytest.mark.parametrize("z", [-1e4, 1e4])
def test_a_confident_wrong_prediction_has_a_finite_cost(z):
    """For |z| = 1e4 the loss is |z| if the label is wrong, 0 if it is correct."""
    X, Y = np.array([[z, z]]), np.array([[0, 1]])
    grads, cost = lr.propagate(np.ones((1, 1)), 0.0, X, Y)
    assert cost == 1e4 / 2
    assert grads["db"] == (0.5 if z > 0 else -0.5)


@settings(deadline=None)
@given(sizes, seeds)
def test_the_gradient_equals_finite_differences_of_the_cost(size, seed):
    """Central differences, in every direction."""
    w, b, X, Y = problem(*size, seed)
    grads, _ = lr.propagate(w, b, X, Y)
    h = 1e-5  # truncation error ~ h^2, rounding error ~ 1e-16 / h: both below 1e-10

    def difference(dw, db):
        plus = lr.propagate(w + h * dw, b + h * db, X, Y)[1]
        minus = lr.propagate(w - h * dw, b - h * db, X, Y)[1]
        return (plus - minus) / (2 * h)

    numerical = [difference(axis[:, np.newaxis], 0) for axis in np.eye(len(w))]
    np.testing.assert_allclose(grads["dw"].ravel(), numerical, atol=1e-8)
    np.testing.assert_allclose(grads["db"], difference(0, 1), atol=1e-8)


def test_a_keras_neuron_has_the_same_cost_and_gradient(synthetic):
    """A Dense layer with a sigmoid in float64, differentiated by TensorFlow."""
    import keras
    import tensorflow as tf

    X, Y = synthetic[0][:, :20], synthetic[1][:, :20]
    w = np.random.default_rng(0).normal(scale=0.01, size=(len(X), 1))
    grads, cost = lr.propagate(w, 0.1, X, Y)
    neuron = keras.layers.Dense(1, activation="sigmoid", dtype="float64")
    neuron.build((None, len(X)))
    neuron.set_weights([w, np.array([0.1])])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(Y.T, neuron(X.T)))
    dw, db = tape.gradient(loss, neuron.trainable_variables)
    np.testing.assert_allclose(loss, cost, rtol=1e-12)
    np.testing.assert_allclose(dw, grads["dw"], rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(db[0], grads["db"], rtol=1e-9)


def test_model_prints_the_lines_of_the_course(capsys):
    """Costs with six decimals, then both accuracies; nothing by default."""
    X, Y = np.array([[1.0, -1.0]]), np.array([[1, 0]])
    result = lr.model(X, Y, X, 1 - Y, 101, 0.5, True)
    assert capsys.readouterr().out.splitlines() == [
        "Cost after iteration 0: 0.693147",
        f"Cost after iteration 100: {result['costs'][1]:f}",
        "train accuracy: 100.0 %",
        "test accuracy: 0.0 %",
    ]
    assert list(result) == [
        "costs",
        "Y_prediction_test",
        "Y_prediction_train",
        "w",
        "b",
        "learning_rate",
        "num_iterations",
    ]
    lr.model(X, Y, X, Y, 1)
    assert capsys.readouterr().out == ""


# Training; `tests/fast` compares the dual form with the loop on random problems.


def test_training_can_be_continued(synthetic):
    """70 steps and then 80 give the same model as 150 steps."""
    twice, once = lr.build_model(), lr.build_model()
    losses = lr.train(twice, synthetic, epochs=70) + lr.train(
        twice, synthetic, epochs=80
    )
    expected = lr.train(once, synthetic, epochs=150)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(twice["w"], once["w"], rtol=0, atol=1e-12)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.data
def test_train_gives_the_costs_and_weights_of_optimize_on_the_photos():
    """The course's own run: all 2000 steps, to 1e-12."""
    data, model = lr.load_data(), lr.build_model()
    params, _, costs = lr.optimize(
        **model, X=data.x, Y=data.y, num_iterations=2000, learning_rate=0.005
    )
    losses = lr.train(model, data)
    np.testing.assert_allclose(losses[::100], costs, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model["w"], params["w"], rtol=0, atol=1e-12)
    np.testing.assert_allclose(model["b"], params["b"], rtol=0, atol=1e-12)


# The application.


@pytest.mark.data
def test_evaluate_gives_the_numbers_of_the_course():
    """Costs as printed, 99.04 % and 70 %; all other rows meet their goals."""
    rows = {row.what: row for row in lr.evaluate()}
    for i in range(0, 2000, 100):
        row = rows.pop(f"course's run: cost after iteration {i}")
        assert f"{row.ours:f}" == f"{row.equals:f}"
    train = rows.pop("course's run: training accuracy, 209 photos")
    assert train.ours == pytest.approx(207 / 209)
    test = rows.pop("course's run: test accuracy, 50 photos")
    assert test.ours == pytest.approx(35 / 50)
    gap = rows.pop("largest difference of a cost in dual form")
    assert gap.ours <= gap.at_most
    assert len(rows) == 2
    for row in rows.values():
        assert row.ours >= row.at_least


@pytest.mark.data
def test_synthetic_pictures_are_appended_to_the_photos():
    """The first 209 columns are the photos, the rest `make_cats`; all in [0, 1]."""
    data = lr.load_data(extra=3, seed=5)
    assert data.x.shape == (12288, 212) and data.x_test.shape == (12288, 50)
    assert data.y.shape == (1, 212) and data.y_test.shape == (1, 50)
    assert data.x.min() == 0 and data.x.max() == 1
    np.testing.assert_array_equal(data.x[:, :209], lr.load_data().x)
    x, y = cats.make_cats(3, seed=5)
    np.testing.assert_array_equal(data.x[:, 211].reshape(64, 64, 3) * 255, x[2])
    np.testing.assert_array_equal(data.y[0, 209:], y)


def test_the_pretrained_neuron_recognises_synthetic_cats(neuron, synthetic):
    """At least 90 % of the held-out pictures."""
    assert np.mean(lr.predict(**neuron, X=synthetic[0]) == synthetic[1]) >= 0.9


def test_unknown_weights_raise_an_error_that_lists_the_known_ones():
    """The message names the requested and the available variants."""
    with pytest.raises(InputError, match="'course'.*default"):
        lr.load_pretrained("course")


def test_infer_agrees_with_predict(neuron):
    """A 64 x 64 picture is not resized; the confidence is the answer's probability."""
    x, _ = cats.make_cats(8, seed=1)
    for picture in x:
        column = picture.reshape(-1, 1) / 255
        answer = lr.infer(neuron, picture)
        assert answer == cats.CLASSES[int(lr.predict(**neuron, X=column).item())]
        probabilities = answer.details["probabilities"]
        assert answer.confidence == max(probabilities.values()) >= 0.5
        p = lr.sigmoid(neuron["w"].T @ column + neuron["b"]).item()
        # `infer` has the pixels in float32.
        assert probabilities["cat"] == pytest.approx(p, abs=1e-6)
        assert sum(probabilities.values()) == 1


def test_infer_accepts_every_kind_of_picture(neuron, cat, tmp_path):
    """A file, a 20-megapixel photo, opaque RGBA and a grey picture in two shapes."""
    expected = lr.infer(neuron, cat)
    Image.fromarray(cat).save(tmp_path / "cat.png")
    assert lr.infer(neuron, tmp_path / "cat.png").confidence == expected.confidence
    rgba = np.dstack([cat, np.full((64, 64), 255, "uint8")])
    assert lr.infer(neuron, rgba).confidence == expected.confidence

    large = Image.fromarray(cat).resize((5000, 4000), Image.Resampling.NEAREST)
    large.save(tmp_path / "large.jpg")
    answer = lr.infer(neuron, tmp_path / "large.jpg")
    # Enlarging, JPEG and reducing blur the picture a little.
    assert str(answer) == str(expected)
    assert abs(answer.confidence - expected.confidence) < 0.1

    grey = np.asarray(Image.fromarray(cat).convert("L"))
    expected = lr.infer(neuron, np.dstack([grey] * 3))
    assert lr.infer(neuron, grey).details == expected.details
    assert lr.infer(neuron, grey[:, :, np.newaxis]).details == expected.details


def test_a_single_pixel_is_resized_to_a_picture_of_one_colour(neuron):
    """A 1 x 1 picture has the answer of a 64 x 64 picture of its colour."""
    pixel = np.array([[[200, 120, 40]]], "uint8")
    wall = np.broadcast_to(pixel, (64, 64, 3))
    assert lr.infer(neuron, pixel).details == lr.infer(neuron, wall).details


@pytest.mark.parametrize(
    "picture, words",
    [
        (np.full((64, 64, 3), np.nan), "NaN"),
        (np.zeros((64, 64, 3)) - 1, "0, 1"),
        (np.zeros((3, 64, 64), "uint8"), "shape"),
        (np.zeros((0, 64, 3), "uint8"), "no pixels"),
    ],
)
def test_an_array_that_is_not_a_picture_raises_an_error(neuron, picture, words):
    """The message describes what was received."""
    with pytest.raises(InputError, match=words):
        lr.infer(neuron, picture)


def test_a_file_that_is_not_a_picture_raises_an_error(neuron, tmp_path):
    """The message names the path; for a missing file, and for text named .jpg."""
    path = tmp_path / "cat.jpg"
    with pytest.raises(MissingFileError, match="cat.jpg"):
        lr.infer(neuron, path)
    path.write_text("a cat")
    with pytest.raises(InputError, match="not an image"):
        lr.infer(neuron, path)


def test_the_example_of_the_tour_has_the_correct_answer(neuron, monkeypatch):
    """Without data it is a synthetic cat, and the question says so."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    question, image = lr.example()
    assert "synthetic" in question
    answer = lr.infer(neuron, image)
    assert answer == "cat"
    title = lr.picture(image, answer).axes[0].get_title()
    assert title.startswith("cat")


@pytest.mark.data
def test_with_data_the_example_is_a_photo(neuron):
    """The white cat of the course's own photos, recognised as a cat."""
    question, photo = lr.example()
    assert photo == files.in_data_folder("catvnoncat/images/my_image2.jpg")
    assert "synthetic" not in question
    assert lr.infer(neuron, photo) == "cat"


def test_training_and_inference_do_not_import_tensorflow():
    """So both start in a fraction of a second."""
    program = """if True:
        import sys
        from dls_keras.course1 import logistic_regression as lr
        from dls_keras.datasets import cats
        x, y = cats.make_cats(4)
        lr.train(lr.build_model(), (x.reshape(4, -1).T / 255, y[None]), epochs=3)
        lr.infer(lr.load_pretrained(), x[0])
        heavy = {"tensorflow", "keras", "torch", "jax"} & {*sys.modules}
        sys.exit(f"imported {heavy}" if heavy else 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
