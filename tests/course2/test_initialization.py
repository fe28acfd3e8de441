"""Initialization: what the reference cases cannot say."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course2 import initialization as init

seeds = st.integers(0, 2**32 - 1)
layers = st.lists(st.integers(1, 6), min_size=2, max_size=5)
three = st.tuples(*[st.integers(1, 5)] * 3, st.just(1))  # n[0] ... n[3]

STARTS = {
    "zeros": init.initialize_parameters_zeros,
    "random": init.initialize_parameters_random,
    "he": init.initialize_parameters_he,
}


def problem(sizes, m, seed):
    """Random X, Y and parameters, biases too, of a three-layer network."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for layer in (1, 2, 3):
        n_in, n_out = sizes[layer - 1], sizes[layer]
        parameters[f"W{layer}"] = rng.normal(size=(n_out, n_in))
        parameters[f"b{layer}"] = rng.normal(size=(n_out, 1))
    return rng.normal(size=(sizes[0], m)), rng.integers(2, size=(1, m)), parameters


@pytest.fixture(scope="module")
def trained():
    """The network on the course's points after 3000 quick steps."""
    model = init.build_model()
    init.train(model, init.load_data(), epochs=3000, learning_rate=0.3)
    return model


# The course's functions.


@given(layers, st.sampled_from(sorted(STARTS)))
def test_every_start_has_the_shapes_of_its_layers(layers_dims, start):
    """W[l] is (n[l], n[l-1]), b[l] a column of zeros, and there is nothing else."""
    parameters = STARTS[start](layers_dims)
    assert len(parameters) == 2 * (len(layers_dims) - 1)
    for layer in range(1, len(layers_dims)):
        n_in, n_out = layers_dims[layer - 1 : layer + 1]
        assert parameters[f"W{layer}"].shape == (n_out, n_in)
        np.testing.assert_array_equal(parameters[f"b{layer}"], np.zeros((n_out, 1)))


def test_a_start_leaves_the_caller_s_generator_alone():
    """The seed 3 is the start's own; what is drawn before and after goes on."""
    np.random.seed(7)
    expected = np.random.rand(4)
    np.random.seed(7)
    first = np.random.rand(2)
    init.initialize_parameters_he([5, 4, 1])
    np.testing.assert_array_equal([*first, *np.random.rand(2)], expected)


def test_he_keeps_the_size_of_the_signal():
    """Through eight layers of 400 ReLUs, where a variance of 1/n loses it."""
    a = h = np.random.default_rng(0).normal(size=(400, 50))
    he = init.initialize_parameters_he([400] * 9)
    half = init.scaled_normal([400] * 9, lambda n_in: np.sqrt(1 / n_in))
    for layer in range(1, 9):
        a = init.relu(he[f"W{layer}"] @ a)
        h = init.relu(half[f"W{layer}"] @ h)
    # The mean square of 400 units strays by 11 % a layer, by a third in eight; half
    # the variance leaves 1/2 a layer, 1/256 in eight.
    assert 0.4 < np.mean(a**2) < 2.5
    assert np.mean(h**2) < 0.01


def test_units_that_start_alike_stay_alike():
    """Equal constants, not only zeros, keep the rows of each W equal for ever."""
    X, Y, parameters = problem((3, 4, 2, 1), 10, 0)
    alike = {name: np.full_like(value, 0.3) for name, value in parameters.items()}
    for _ in range(5):
        _, cache = init.forward_propagation(X, alike)
        grads = init.backward_propagation(X, Y, cache)
        alike = init.update_parameters(alike, grads, 0.5)
    for name in ("W1", "W2"):
        assert not np.allclose(alike[name], 0.3)
        # To the last bits: the sums of different rows may be taken in another order.
        np.testing.assert_allclose(alike[name] - alike[name][0], 0, atol=1e-12)


@given(three, st.integers(1, 6), seeds)
def test_the_gradient_is_the_slope_of_the_loss(sizes, m, seed):
    """Central differences agree for every weight and bias."""
    X, Y, parameters = problem(sizes, m, seed)
    _, cache = init.forward_propagation(X, parameters)
    z1, z2, z3 = cache[0], cache[4], cache[8]
    # A ReLU has no slope at 0: no unit may pass it by a nudge.
    assume(min(np.abs(z1).min(), np.abs(z2).min()) > 1e-3)
    assume(np.abs(z3).max() < 8)  # 1 - a3 loses digits as it nears 0
    grads = init.backward_propagation(X, Y, cache)
    h = 1e-5  # noise 1e-16 e^8 / h is below 1e-7, and the curve's share h^2 too

    def loss(name, place, step):
        moved = parameters[name].copy()
        moved[place] += step
        a3, _ = init.forward_propagation(X, parameters | {name: moved})
        return init.compute_loss(a3, Y)

    for name, value in parameters.items():
        for place in np.ndindex(value.shape):
            slope = (loss(name, place, h) - loss(name, place, -h)) / (2 * h)
            assert abs(grads[f"d{name}"][place] - slope) < 1e-6


def test_keras_has_the_same_loss_and_gradient():
    """Three Dense layers in float64 and a gradient tape."""
    import keras
    import tensorflow as tf

    X, Y, parameters = problem((3, 6, 4, 1), 20, 1)
    a3, cache = init.forward_propagation(X, parameters)
    grads = init.backward_propagation(X, Y, cache)
    twin = keras.Sequential([keras.Input((3,), dtype="float64")])
    for layer, (units, activation) in enumerate(
        [(6, "relu"), (4, "relu"), (1, "sigmoid")], start=1
    ):
        twin.add(keras.layers.Dense(units, activation=activation, dtype="float64"))
        W, b = parameters[f"W{layer}"], parameters[f"b{layer}"]
        twin.layers[-1].set_weights([W.T, b[:, 0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(Y.T, twin(X.T)))
    theirs = tape.gradient(loss, twin.trainable_variables)
    # Keras cuts probabilities at 1e-7, which none here comes near.
    np.testing.assert_allclose(loss, init.compute_loss(a3, Y), rtol=1e-10)
    names = [f"d{kind}{layer}" for layer in (1, 2, 3) for kind in "Wb"]
    for name, gradient in zip(names, theirs, strict=True):
        ours = grads[name].T.reshape(gradient.shape)
        np.testing.assert_allclose(gradient, ours, rtol=1e-8, atol=1e-12)


@given(st.lists(st.floats(1e-9, 1 - 1e-9), min_size=1, max_size=9), seeds)
def test_the_loss_is_the_textbook_s_cross_entropy(a3, seed):
    """Where no probability is 0 or 1, the formula as it is written."""
    a3 = np.array([a3])
    Y = np.random.default_rng(seed).integers(2, size=a3.shape)
    expected = -np.mean(Y * np.log(a3) + (1 - Y) * np.log(1 - a3))
    np.testing.assert_allclose(init.compute_loss(a3, Y), expected, rtol=1e-12)


def test_only_a_missed_certainty_costs_infinitely():
    """0 log 0 is 0, log 0 is minus infinity, and what is no number stays none."""
    certain = np.array([[1.0, 0.0]])
    assert init.compute_loss(certain, np.array([[1, 0]])) == 0
    assert init.compute_loss(certain, np.array([[1, 1]])) == np.inf
    assert np.isnan(init.compute_loss(np.array([[np.nan, 0.5]]), np.array([[1, 1]])))


def test_predict_prints_the_share_that_is_right(capsys):
    """The course's line, and integers of the shape of y."""
    X, _, parameters = problem((2, 3, 2, 1), 8, 0)
    y = init.predict_dec(parameters, X).astype(int)
    y[0, :2] = 1 - y[0, :2]
    p = init.predict(X, y, parameters)
    assert capsys.readouterr().out == "Accuracy: 0.75\n"
    assert p.shape == y.shape and p.dtype.kind == "i"
    np.testing.assert_array_equal(p[0, 2:], y[0, 2:])


def test_model_prints_every_thousandth_loss(capsys):
    """As the course does, with all digits; nothing where nothing is asked for."""
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


def test_an_unknown_start_is_told_with_the_known_ones():
    """One sentence, for the course's function and for ours."""
    with pytest.raises(InputError, match="'ones'.*zeros, random, he"):
        init.model(np.zeros((2, 3)), np.zeros((1, 3)), initialization="ones")
    with pytest.raises(InputError, match="'ones'.*zeros, random, he"):
        init.build_model("ones")


# The application.


def test_the_first_thousand_steps_cost_what_the_course_prints():
    """The quick part of its run with He's start."""
    losses = init.train(init.build_model(), init.load_data(), epochs=1001)
    assert losses[0] == pytest.approx(0.8830537463419761, rel=1e-10)
    assert losses[1000] == pytest.approx(0.6879825919728063, rel=1e-10)


@settings(max_examples=10)
@given(seeds, st.integers(0, 5), st.integers(0, 5))
def test_training_twice_is_training_longer(seed, first, second):
    """The model is moved in place, and nothing else is remembered."""
    X, Y, _ = problem((2, 1, 1, 1), 7, seed)
    halves, whole = init.build_model(), init.build_model()
    losses = [
        *init.train(halves, (X, Y), epochs=first),
        *init.train(halves, (X, Y), epochs=second),
    ]
    assert losses == init.train(whole, (X, Y), epochs=first + second)
    for name in whole:
        np.testing.assert_array_equal(halves[name], whole[name])


def test_infer_names_the_ring(trained):
    """Points on each ring, in every form that a point may have."""
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
def test_what_is_no_point_is_told(trained, point):
    """One sentence that says what a point is."""
    with pytest.raises(InputError, match="two finite numbers"):
        init.infer(trained, point)


def test_the_picture_shows_the_points_and_the_star(trained):
    """300 points, one star, and the answer above."""
    (axes,) = init.picture(trained, (0.1, -0.79)).axes
    assert axes.get_title() == "The star: inner ring"
    assert any(len(drawn.get_offsets()) == 300 for drawn in axes.collections)
    (star,) = axes.lines
    assert (star.get_xdata()[0], star.get_ydata()[0]) == (0.1, -0.79)


@pytest.mark.large
def test_evaluate_gives_the_course_s_numbers():
    """Costs to six digits, accuracies exactly; a coin's, 83 % and 99.3 %."""
    rows = init.evaluate()
    assert len(rows) == 2 * 15 + 6
    for what, ours, printed in rows:
        assert ours == pytest.approx(printed, rel=1e-5), what
