"""Initialization: properties beyond the reference cases."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course2 import initialization as init
from dls_keras.datasets import planar

seeds = st.integers(0, 2**32 - 1)
layers = st.lists(st.integers(1, 6), min_size=2, max_size=5)
three = st.tuples(*[st.integers(1, 5)] * 3, st.just(1))  # n[0] ... n[3]

INITIALIZATIONS = {
    "zeros": init.initialize_parameters_zeros,
    "random": init.initialize_parameters_random,
    "he": init.initialize_parameters_he,
}


def problem(sizes, m, seed):
    """Random X, Y and parameters, including biases, of a three-layer network."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for layer in (1, 2, 3):
        n_in, n_out = sizes[layer - 1], sizes[layer]
        parameters[f"W{layer}"] = rng.normal(size=(n_out, n_in))
        parameters[f"b{layer}"] = rng.normal(size=(n_out, 1))
    return rng.normal(size=(sizes[0], m)), rng.integers(2, size=(1, m)), parameters


@pytest.fixture(scope="module")
def trained():
    """The network after 3000 steps with a high learning rate."""
    model = init.build_model()
    init.train(model, init.load_data(), epochs=3000, learning_rate=0.3)
    return model


# The course's functions.


@given(layers, st.sampled_from(sorted(INITIALIZATIONS)))
def test_every_initialization_has_the_shapes_of_its_layers(layers_dims, name):
    """W[l] is (n[l], n[l-1]) and b[l] a column of zeros, without other entries."""
    parameters = INITIALIZATIONS[name](layers_dims)
    assert len(parameters) == 2 * (len(layers_dims) - 1)
    for layer in range(1, len(layers_dims)):
        n_in, n_out = layers_dims[layer - 1 : layer + 1]
        assert parameters[f"W{layer}"].shape == (n_out, n_in)
        np.testing.assert_array_equal(parameters[f"b{layer}"], np.zeros((n_out, 1)))


def test_initialization_does_not_use_the_global_generator():
    """Its numbers before and after are the same as without the call."""
    np.random.seed(7)
    expected = np.random.rand(4)
    np.random.seed(7)
    first = np.random.rand(2)
    init.initialize_parameters_he([5, 4, 1])
    np.testing.assert_array_equal([*first, *np.random.rand(2)], expected)


def test_he_initialization_keeps_the_size_of_the_activations():
    """Through eight layers of 400 ReLUs; with variance 1/n they become small."""
    a = h = np.random.default_rng(0).normal(size=(400, 50))
    he = init.initialize_parameters_he([400] * 9)
    half = init.scaled_normal([400] * 9, lambda n_in: np.sqrt(1 / n_in))
    for layer in range(1, 9):
        a = init.relu(he[f"W{layer}"] @ a)
        h = init.relu(half[f"W{layer}"] @ h)
    # The mean square of 400 units has a relative standard deviation of 11 % per layer,
    # and of a third after eight. Half the variance halves it in each layer: 1/256.
    assert 0.4 < np.mean(a**2) < 2.5
    assert np.mean(h**2) < 0.01


def test_units_with_equal_weights_remain_equal():
    """For any constant, not only zero, training keeps the rows of each W equal."""
    X, Y, parameters = problem((3, 4, 2, 1), 10, 0)
    equal = {name: np.full_like(value, 0.3) for name, value in parameters.items()}
    for _ in range(5):
        _, cache = init.forward_propagation(X, equal)
        grads = init.backward_propagation(X, Y, cache)
        equal = init.update_parameters(equal, grads, 0.5)
    for name in ("W1", "W2"):
        assert not np.allclose(equal[name], 0.3)
        # Up to rounding: sums over different rows may be in a different order.
        np.testing.assert_allclose(equal[name] - equal[name][0], 0, atol=1e-12)


@given(three, st.integers(1, 6), seeds)
def test_the_gradient_equals_finite_differences_of_the_loss(sizes, m, seed):
    """Central differences, for every weight and bias."""
    X, Y, parameters = problem(sizes, m, seed)
    _, cache = init.forward_propagation(X, parameters)
    z1, z2, z3 = cache[0], cache[4], cache[8]
    # A ReLU has no derivative at 0: no z may change its sign within h.
    assume(min(np.abs(z1).min(), np.abs(z2).min()) > 1e-3)
    assume(np.abs(z3).max() < 8)  # 1 - a3 loses digits near 0
    grads = init.backward_propagation(X, Y, cache)
    h = 1e-5  # rounding error 1e-16 e^8 / h and truncation error h^2 are below 1e-7

    def loss(name, index, step):
        moved = parameters[name].copy()
        moved[index] += step
        a3, _ = init.forward_propagation(X, parameters | {name: moved})
        return init.compute_loss(a3, Y)

    for name, value in parameters.items():
        for index in np.ndindex(value.shape):
            expected = (loss(name, index, h) - loss(name, index, -h)) / (2 * h)
            assert abs(grads[f"d{name}"][index] - expected) < 1e-6


def test_keras_has_the_same_loss_and_gradient():
    """Three Dense layers in float64, differentiated by TensorFlow."""
    import keras
    import tensorflow as tf

    X, Y, parameters = problem((3, 6, 4, 1), 20, 1)
    a3, cache = init.forward_propagation(X, parameters)
    grads = init.backward_propagation(X, Y, cache)
    model = keras.Sequential([keras.Input((3,), dtype="float64")])
    for layer, (units, activation) in enumerate(
        [(6, "relu"), (4, "relu"), (1, "sigmoid")], start=1
    ):
        model.add(keras.layers.Dense(units, activation=activation, dtype="float64"))
        W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
        model.layers[-1].set_weights([W.T, b[:, 0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(Y.T, model(X.T)))
    gradients = tape.gradient(loss, model.trainable_variables)
    # Keras clips probabilities at 1e-7; none of these is near.
    np.testing.assert_allclose(loss, init.compute_loss(a3, Y), rtol=1e-10)
    names = [f"d{kind}{layer}" for layer in (1, 2, 3) for kind in "Wb"]
    for name, gradient in zip(names, gradients, strict=True):
        expected = grads[name].T.reshape(gradient.shape)
        np.testing.assert_allclose(gradient, expected, rtol=1e-8, atol=1e-12)


@given(st.lists(st.floats(1e-9, 1 - 1e-9), min_size=1, max_size=9), seeds)
def test_the_loss_is_the_textbook_cross_entropy(a3, seed):
    """If no probability is 0 or 1, where the textbook formula is finite."""
    a3 = np.array([a3])
    Y = np.random.default_rng(seed).integers(2, size=a3.shape)
    expected = -np.mean(Y * np.log(a3) + (1 - Y) * np.log(1 - a3))
    np.testing.assert_allclose(init.compute_loss(a3, Y), expected, rtol=1e-12)


def test_the_loss_is_infinite_only_for_a_certain_wrong_prediction():
    """0 log 0 is 0, log 0 is minus infinity, and NaN remains NaN."""
    certain = np.array([[1.0, 0.0]])
    assert init.compute_loss(certain, np.array([[1, 0]])) == 0
    assert init.compute_loss(certain, np.array([[1, 1]])) == np.inf
    assert np.isnan(init.compute_loss(np.array([[np.nan, 0.5]]), np.array([[1, 1]])))


def test_predict_prints_the_accuracy(capsys):
    """In the course's format; the result is integers in the shape of y."""
    X, _, parameters = problem((2, 3, 2, 1), 8, 0)
    y = init.predict_dec(parameters, X).astype(int)
    y[0, :2] = 1 - y[0, :2]
    p = init.predict(X, y, parameters)
    assert capsys.readouterr().out == "Accuracy: 0.75\n"
    assert p.shape == y.shape and p.dtype.kind == "i"
    np.testing.assert_array_equal(p[0, 2:], y[0, 2:])


def test_model_prints_every_thousandth_loss(capsys):
    """As the course does, with all digits; nothing with print_cost=False."""
    X, Y, _ = problem((2, 1, 1, 1), 5, 3)
    parameters = init.model(X, Y, num_iterations=1001)
    start = init.initialize_parameters_he([2, 10, 5, 1])
    first = init.compute_loss(init.forward_propagation(X, start)[0], Y)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"Cost after iteration 0: {first}"
    assert [line.split(":")[0] for line in lines] == [
        "Cost after iteration 0",
        "Cost after iteration 1000",
    ]
    silent = init.model(X, Y, num_iterations=1001, print_cost=False)
    assert capsys.readouterr().out == ""
    for name, value in silent.items():
        np.testing.assert_array_equal(value, parameters[name])


def test_an_unknown_initialization_raises_an_error_that_lists_the_known_ones():
    """In `model` and in `build_model`."""
    with pytest.raises(InputError, match="'ones'.*zeros, random, he"):
        init.model(np.zeros((2, 3)), np.zeros((1, 3)), initialization="ones")
    with pytest.raises(InputError, match="'ones'.*zeros, random, he"):
        init.build_model("ones")


# The application.


def test_the_first_thousand_steps_have_the_costs_that_the_course_prints():
    """In its run with He initialization."""
    losses = init.train(init.build_model(), init.load_data(), epochs=1001)
    assert losses[0] == pytest.approx(0.8830537463419761, rel=1e-10)
    assert losses[1000] == pytest.approx(0.6879825919728063, rel=1e-10)


@settings(max_examples=10)
@given(seeds, st.integers(0, 5), st.integers(0, 5))
def test_training_can_be_continued(seed, first, second):
    """The parameters are the only state of training."""
    X, Y, _ = problem((2, 1, 1, 1), 7, seed)
    twice, once = init.build_model(), init.build_model()
    losses = [
        *init.train(twice, (X, Y), epochs=first),
        *init.train(twice, (X, Y), epochs=second),
    ]
    assert losses == init.train(once, (X, Y), epochs=first + second)
    for name in once:
        np.testing.assert_array_equal(twice[name], once[name])


def test_infer_names_the_ring(trained):
    """For points on each ring, in every form that a point may have."""
    outer = [init.infer(trained, (np.cos(t), np.sin(t))) for t in range(6)]
    inner = [init.infer(trained, (0.8 * np.cos(t), 0.8 * np.sin(t))) for t in range(6)]
    assert sum(answer == "outer ring" for answer in outer) >= 5
    assert sum(answer == "inner ring" for answer in inner) >= 5
    answer = init.infer(trained, "0.1, -0.79")
    probabilities = answer.details["probabilities"]
    assert sum(probabilities.values()) == pytest.approx(1)
    assert answer.confidence == max(probabilities.values())
    for point in ("0.1 -0.79", [0.1, -0.79], np.array([[0.1], [-0.79]])):
        assert init.infer(trained, point).details == answer.details


@pytest.mark.parametrize("point", ["here", "1", (1, 2, 3), (np.nan, 0), None])
def test_what_is_not_a_point_raises_an_error(trained, point):
    """The message gives an example of a point."""
    with pytest.raises(InputError, match="two finite numbers"):
        init.infer(trained, point)


def test_the_picture_shows_the_class_map_the_data_and_the_point(trained):
    """It needs no network: the classes of the plane are those of `predict_dec`."""
    answer = init.infer(trained, (0.1, -0.79))
    (axes,) = init.picture((0.1, -0.79), answer).axes
    plane, points = axes.collections
    grid = planar.make_grid(init.EXTENT).reshape(2, -1)
    np.testing.assert_array_equal(
        np.ravel(plane.get_array()), init.predict_dec(trained, grid)[0]
    )
    np.testing.assert_array_equal(points.get_offsets(), init.load_data().x.T)
    (star,) = axes.lines
    assert star.get_xydata().tolist() == [[0.1, -0.79]]
    assert axes.get_title() == "The star: inner ring"


@pytest.mark.large
def test_evaluate_gives_the_numbers_of_the_course():
    """Costs to six digits and accuracies exactly: 50 %, 83 % and 99.3 %."""
    rows = init.evaluate()
    assert len(rows) == 2 * 15 + 6
    for row in rows:
        assert row.ours == pytest.approx(row.equals, rel=1e-5), row.what
