"""Logistic regression: what the reference cases cannot say."""

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
    """Random w, b, X, Y of any shape; z stays within about [-10, 10]."""
    rng = np.random.default_rng(seed)
    w, X = rng.normal(size=(n_x, 1)), rng.normal(size=(n_x, m))
    return w, rng.normal(), X, rng.integers(2, size=(1, m))


@pytest.fixture(scope="module")
def drawn():
    """300 drawn pictures that no training saw, as columns and labels (1, m)."""
    x, y = cats.make_cats(300, seed=10_000)
    return x.reshape(300, -1).T / 255, y[np.newaxis]


@pytest.fixture(scope="module")
def neuron():
    return lr.load_pretrained()


@pytest.fixture(scope="module")
def cat():
    """A drawn cat, (64, 64, 3) uint8."""
    x, y = cats.make_cats(10, seed=2)
    return x[y.argmax()]


# The course's functions.


@settings(deadline=None)  # a busy machine is no failure
@given(st.floats(-1e4, 1e4))
def test_sigmoid_of_any_number_is_a_probability(z):
    """No overflow, no warning (here an error), and sigmoid(-z) = 1 - sigmoid(z)."""
    a = lr.sigmoid(z)
    assert np.ndim(a) == 0 and 0 <= a <= 1
    assert abs(a + lr.sigmoid(-z) - 1) < 1e-15
    if abs(z) < 700:  # where the textbook's form does not overflow
        np.testing.assert_allclose(a, 1 / (1 + np.exp(-z)), rtol=1e-14)


@settings(deadline=None)
@given(sizes, seeds)
def test_the_cost_is_the_textbook_s_cross_entropy(size, seed):
    """The form that cannot overflow gives the same number where both can."""
    w, b, X, Y = problem(*size, seed)
    A = lr.sigmoid(w.T @ X + b)
    expected = -np.mean(Y * np.log(A) + (1 - Y) * np.log(1 - A))
    # 1 - A keeps 16 digits of 1, about 11 of itself at z = 10.
    np.testing.assert_allclose(lr.propagate(w, b, X, Y)[1], expected, rtol=1e-9)


@pytest.mark.parametrize("z", [-1e4, 1e4])
def test_a_hopeless_mistake_has_a_finite_cost(z):
    """For |z| = 1e4 the cost is |z| where the label is missed, 0 where it is met."""
    X, Y = np.array([[z, z]]), np.array([[0, 1]])
    grads, cost = lr.propagate(np.ones((1, 1)), 0.0, X, Y)
    assert cost == 1e4 / 2
    assert grads["db"] == (0.5 if z > 0 else -0.5)


@settings(deadline=None)
@given(sizes, seeds)
def test_the_gradient_is_the_slope_of_the_cost(size, seed):
    """Central differences of the cost agree in every direction."""
    w, b, X, Y = problem(*size, seed)
    grads, _ = lr.propagate(w, b, X, Y)
    h = 1e-5  # the error falls with h^2 and grows with 1e-16 / h: both below 1e-10

    def slope(dw, db):
        up = lr.propagate(w + h * dw, b + h * db, X, Y)[1]
        down = lr.propagate(w - h * dw, b - h * db, X, Y)[1]
        return (up - down) / (2 * h)

    numerical = [slope(axis[:, np.newaxis], 0) for axis in np.eye(len(w))]
    np.testing.assert_allclose(grads["dw"].ravel(), numerical, atol=1e-8)
    np.testing.assert_allclose(grads["db"], slope(0, 1), atol=1e-8)


def test_the_keras_twin_has_the_same_cost_and_gradient(drawn):
    """Keras computes both from its own formulas, here in float64."""
    import keras
    import tensorflow as tf

    X, Y = drawn[0][:, :20], drawn[1][:, :20]
    w = np.random.default_rng(0).normal(scale=0.01, size=(len(X), 1))
    grads, cost = lr.propagate(w, 0.1, X, Y)
    twin = lr.keras_twin({"w": w, "b": 0.1})
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(Y.T, twin(X.T)))
    dw, db = tape.gradient(loss, twin.trainable_variables)
    np.testing.assert_allclose(loss, cost, rtol=1e-12)
    np.testing.assert_allclose(dw, grads["dw"], rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(db[0], grads["db"], rtol=1e-9)


def test_model_prints_the_course_s_lines(capsys):
    """Costs with six decimals, then both accuracies; nothing unless asked."""
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


# The dual form.


def loop(model, X, Y, epochs, learning_rate):
    """The lesson's loop, with the cost of every step."""
    w, b, losses = model["w"], model["b"], []
    for _ in range(epochs):
        grads, cost = lr.propagate(w, b, X, Y)
        w, b = w - learning_rate * grads["dw"], b - learning_rate * grads["db"]
        losses.append(cost)
    return w, b, losses


@settings(max_examples=25, deadline=None)
@given(sizes, seeds, st.integers(0, 250), st.floats(1e-3, 0.3))
def test_the_dual_form_walks_as_the_loop_does(size, seed, epochs, learning_rate):
    """Same costs and same end, from any start, in any number of steps."""
    w, b, X, Y = problem(*size, seed)
    model = {"w": w.copy(), "b": b}
    losses = lr.train(model, (X, Y), epochs=epochs, learning_rate=learning_rate)
    w, b, expected = loop({"w": w, "b": b}, X, Y, epochs, learning_rate)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model["w"], w, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model["b"], b, rtol=0, atol=1e-12)


def test_training_twice_is_training_longer(drawn):
    """70 steps and 80 more end where 150 do."""
    halves, whole = lr.build_model(), lr.build_model()
    losses = lr.train(halves, drawn, epochs=70) + lr.train(halves, drawn, epochs=80)
    expected = lr.train(whole, drawn, epochs=150)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(halves["w"], whole["w"], rtol=0, atol=1e-12)
    assert losses[-1] < 0.8 * losses[0]


@pytest.mark.data
def test_on_the_photos_all_2000_costs_agree_to_1e_12():
    """The contract of the dual form, on the course's own run."""
    data = lr.load_data()
    model = lr.build_model()
    w, b, expected = loop(model, data.x, data.y, 2000, 0.005)
    losses = lr.train(model, data, epochs=2000, learning_rate=0.005)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(model["w"], w, rtol=0, atol=1e-12)


# The application.


@pytest.mark.data
def test_evaluate_gives_the_course_s_numbers():
    """Costs as printed, 99.04 % and 70 %; the other rows reach their goals."""
    rows = {what: (ours, goal) for what, ours, goal in lr.evaluate()}
    costs = {i: rows.pop(f"cost after iteration {i}") for i in range(0, 2000, 100)}
    for ours, goal in costs.values():
        assert f"{ours:f}" == f"{goal:f}"
    assert rows.pop("train accuracy, 209 photos")[0] == pytest.approx(207 / 209)
    assert rows.pop("test accuracy, 50 photos")[0] == pytest.approx(35 / 50)
    ours, goal = rows.pop("largest difference of cost, dual form and loop")
    assert ours <= goal
    assert len(rows) == 2
    for ours, goal in rows.values():
        assert ours >= goal


@pytest.mark.data
def test_drawn_pictures_stand_behind_the_photos():
    """The first 209 columns are the photos, the rest `make_cats`; all in [0, 1]."""
    data = lr.load_data(drawn=3, seed=5)
    assert data.x.shape == (12288, 212) and data.x_test.shape == (12288, 50)
    assert data.y.shape == (1, 212) and data.y_test.shape == (1, 50)
    assert data.x.min() == 0 and data.x.max() == 1
    np.testing.assert_array_equal(data.x[:, :209], lr.load_data().x)
    x, y = cats.make_cats(3, seed=5)
    np.testing.assert_array_equal(data.x[:, 211].reshape(64, 64, 3) * 255, x[2])
    np.testing.assert_array_equal(data.y[0, 209:], y)


def test_the_pretrained_neuron_knows_drawn_cats(neuron, drawn):
    """Nine of ten pictures that it never saw."""
    assert np.mean(lr.predict(**neuron, X=drawn[0]) == drawn[1]) >= 0.9


def test_unknown_weights_are_refused_by_name():
    """The sentence says which there are."""
    with pytest.raises(InputError, match="'course'.*default"):
        lr.load_pretrained("course")


def test_infer_answers_as_predict_does(neuron):
    """A 64 x 64 picture goes through unchanged; the confidence is the answer's."""
    x, _ = cats.make_cats(8, seed=1)
    for picture in x:
        column = picture.reshape(-1, 1) / 255
        answer = lr.infer(neuron, picture)
        assert answer == cats.CLASSES[int(lr.predict(**neuron, X=column).item())]
        probabilities = answer.details["probabilities"]
        assert answer.confidence == max(probabilities.values()) >= 0.5
        p = lr.sigmoid(neuron["w"].T @ column + neuron["b"]).item()
        # `infer` takes the pixels in float32.
        assert probabilities["cat"] == pytest.approx(p, abs=1e-6)
        assert sum(probabilities.values()) == 1


def test_every_kind_of_picture_gets_its_answer(neuron, cat, tmp_path):
    """A file, a 20-megapixel photo, opaque RGBA and a grey picture in two shapes."""
    expected = lr.infer(neuron, cat)
    Image.fromarray(cat).save(tmp_path / "cat.png")
    assert lr.infer(neuron, tmp_path / "cat.png").confidence == expected.confidence
    rgba = np.dstack([cat, np.full((64, 64), 255, "uint8")])
    assert lr.infer(neuron, rgba).confidence == expected.confidence

    large = Image.fromarray(cat).resize((5000, 4000), Image.Resampling.NEAREST)
    large.save(tmp_path / "large.jpg")
    answer = lr.infer(neuron, tmp_path / "large.jpg")
    # Growing, JPEG and shrinking blur a little.
    assert answer == expected and abs(answer.confidence - expected.confidence) < 0.1

    grey = np.asarray(Image.fromarray(cat).convert("L"))
    colourless = lr.infer(neuron, np.dstack([grey] * 3))
    assert lr.infer(neuron, grey).details == colourless.details
    assert lr.infer(neuron, grey[:, :, np.newaxis]).details == colourless.details


def test_one_pixel_is_a_picture_of_one_colour(neuron):
    """A 1 x 1 picture is answered like the 64 x 64 one it is stretched to."""
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
def test_what_is_no_picture_gets_one_sentence(neuron, picture, words):
    """The sentence says what came."""
    with pytest.raises(InputError, match=words):
        lr.infer(neuron, picture)


def test_what_is_no_picture_file_is_named(neuron, tmp_path):
    """A missing file, and a text file named .jpg."""
    path = tmp_path / "cat.jpg"
    with pytest.raises(MissingFileError, match="cat.jpg"):
        lr.infer(neuron, path)
    path.write_text("a cat")
    with pytest.raises(InputError, match="not a picture"):
        lr.infer(neuron, path)


def test_the_tour_s_example_is_answered_rightly(neuron, monkeypatch):
    """Without data it is a drawn cat, and the question says so."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    question, drawn_cat = lr.example()
    assert "drawn" in question
    assert lr.infer(neuron, drawn_cat) == "cat"
    title = lr.picture(neuron, drawn_cat).axes[0].get_title()
    assert title.startswith("cat")


@pytest.mark.data
def test_with_data_the_example_is_a_photo(neuron):
    """The white cat among the course's own photos, seen as one."""
    question, photo = lr.example()
    assert photo == files.in_data_folder("catvnoncat/images/my_image2.jpg")
    assert "drawn" not in question
    assert lr.infer(neuron, photo) == "cat"


def test_nothing_imports_tensorflow():
    """Learning and answering start in a fraction of a second."""
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
