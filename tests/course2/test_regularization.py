"""Regularization: properties beyond the reference cases."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course2 import regularization as reg
from dls_keras.datasets import planar

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(*[st.integers(1, 5)] * 3)  # n[0], n[1], n[2]; one output
MOONS = planar.make_moons(120)


def problem(sizes, seed, m=5):
    """Random X, Y and parameters, including biases, of a three-layer network."""
    rng = np.random.default_rng(seed)
    widths = (*sizes, 1)
    parameters = {}
    for layer in (1, 2, 3):
        n_in, n_out = widths[layer - 1], widths[layer]
        parameters[f"W{layer}"] = rng.normal(size=(n_out, n_in)) / np.sqrt(n_in)
        parameters[f"b{layer}"] = rng.normal(size=(n_out, 1))
    return rng.normal(size=(sizes[0], m)), rng.integers(2, size=(1, m)), parameters


def central_differences(cost, parameters, h=1e-5):
    """Of `cost` in each weight and bias: dict of "dW1", ..."""
    found = {}
    for name, value in parameters.items():
        found[f"d{name}"] = np.empty_like(value)
        for index in np.ndindex(value.shape):
            costs = []
            for step in (h, -h):
                moved = value.copy()
                moved[index] += step
                costs.append(cost(parameters | {name: moved}))
            found[f"d{name}"][index] = (costs[0] - costs[1]) / (2 * h)
    return found


def assert_gradient(grads, expected, atol=1e-7):
    # Rounding error 1e-16 / 1e-5 and truncation error 1e-10 are far below.
    for name, value in expected.items():
        np.testing.assert_allclose(grads[name], value, atol=atol, err_msg=name)


# The course's functions.


@given(sizes, seeds, st.floats(0, 10))
def test_the_gradient_with_l2_equals_finite_differences(sizes, seed, lambd):
    """For every weight and bias; the penalty changes only dW1, dW2 and dW3."""
    X, Y, parameters = problem(sizes, seed)
    _, cache = reg.forward_propagation(X, parameters)
    # A ReLU has no derivative at 0: no Z may change its sign within h.
    assume(min(np.abs(cache[0]).min(), np.abs(cache[4]).min()) > 1e-3)

    def cost(parameters):
        A3, _ = reg.forward_propagation(X, parameters)
        return reg.compute_cost_with_regularization(A3, Y, parameters, lambd)

    grads = reg.backward_propagation_with_regularization(X, Y, cache, lambd)
    assert_gradient(grads, central_differences(cost, parameters))
    plain = reg.backward_propagation(X, Y, cache)
    for name in ("db1", "db2", "db3", "dZ1", "dA2"):
        np.testing.assert_array_equal(grads[name], plain[name])


@given(sizes, seeds, st.floats(0.3, 1))
def test_the_gradient_with_dropout_equals_finite_differences(sizes, seed, keep_prob):
    """The masks are the same in every call, so the cost is differentiable."""
    X, Y, parameters = problem(sizes, seed)

    def forward(parameters):
        return reg.forward_propagation_with_dropout(X, parameters, keep_prob)

    _, cache = forward(parameters)
    assume(min(np.abs(cache[0]).min(), np.abs(cache[5]).min()) > 1e-3)
    assume(np.abs(cache[10]).max() < 8)  # 1 - A3 loses digits near 0
    grads = reg.backward_propagation_with_dropout(X, Y, cache, keep_prob)
    expected = central_differences(
        lambda p: reg.compute_cost(forward(p)[0], Y), parameters
    )
    assert_gradient(grads, expected, atol=1e-6)  # rounding error 1e-16 e^8 / 1e-5


def test_keras_has_the_same_cost_and_gradient_with_l2():
    """Keras's regularizer is factor * sum(W^2), with the factor lambd / 2m."""
    import keras
    import tensorflow as tf

    X, Y, parameters = problem((3, 6, 4), 1, m=20)
    A3, cache = reg.forward_propagation(X, parameters)
    grads = reg.backward_propagation_with_regularization(X, Y, cache, 0.7)
    model = keras.Sequential([keras.Input((3,), dtype="float64")])
    for units, activation in [(6, "relu"), (4, "relu"), (1, "sigmoid")]:
        layer = keras.layers.Dense(
            units,
            activation=activation,
            kernel_regularizer=keras.regularizers.L2(0.7 / (2 * 20)),
            dtype="float64",
        )
        model.add(layer)
        W, b = (parameters[f"{kind}{len(model.layers)}"] for kind in "Wb")
        layer.set_weights([W.T, b[:, 0]])
    with tf.GradientTape() as tape:
        entropy = keras.losses.binary_crossentropy(Y.T, model(X.T))
        cost = tf.reduce_mean(entropy) + sum(model.losses)
    gradients = tape.gradient(cost, model.trainable_variables)
    # Keras stores the factor of its regularizer in float32, with 7 digits.
    expected = reg.compute_cost_with_regularization(A3, Y, parameters, 0.7)
    np.testing.assert_allclose(cost, expected, rtol=1e-6)
    names = [f"d{kind}{layer}" for layer in (1, 2, 3) for kind in "Wb"]
    for name, gradient in zip(names, gradients, strict=True):
        expected = grads[name].T.reshape(gradient.shape)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


def test_dropout_keeps_the_mean_of_the_activations():
    """The mean of A1 over 4000 masks is A1 without dropout."""
    X, _, parameters = problem((3, 8, 2), 2)
    _, plain = reg.forward_propagation(X, parameters)
    rng = np.random.RandomState(0)
    samples = np.array(
        [
            reg.forward_propagation_with_dropout(X, parameters, 0.8, rng=rng)[1][2]
            for _ in range(4000)
        ]
    )
    # A unit is 0 or A / 0.8: standard deviation A / 2, that of the mean A / 126.
    np.testing.assert_allclose(samples.mean(axis=0), plain[1], rtol=5 / 126)
    dropped = np.mean(samples[:, plain[1] > 0] == 0)
    assert dropped == pytest.approx(0.2, abs=0.01)


def test_keep_prob_1_is_no_dropout():
    """The output and the gradient are those of the plain network."""
    X, Y, parameters = problem((3, 4, 2), 3)
    A3, cache = reg.forward_propagation_with_dropout(X, parameters, 1)
    expected, plain = reg.forward_propagation(X, parameters)
    np.testing.assert_array_equal(A3, expected)
    grads = reg.backward_propagation_with_dropout(X, Y, cache, 1)
    for name, value in reg.backward_propagation(X, Y, plain).items():
        np.testing.assert_array_equal(grads[name], value)


def test_the_masks_of_the_course_are_the_same_in_every_call():
    """From seed 1, without the global generator; `rng` samples new ones."""
    X, _, parameters = problem((3, 9, 9), 4)
    np.random.seed(7)
    expected = np.random.rand(4)
    np.random.seed(7)
    first, second = (
        reg.forward_propagation_with_dropout(X, parameters, 0.5)[1] for _ in range(2)
    )
    np.testing.assert_array_equal(np.random.rand(4), expected)
    np.testing.assert_array_equal(first[1], second[1])
    np.testing.assert_array_equal(first[6], second[6])
    rng = np.random.RandomState(1)
    masks = [
        reg.forward_propagation_with_dropout(X, parameters, 0.5, rng=rng)[1][1]
        for _ in range(2)
    ]
    np.testing.assert_array_equal(masks[0], first[1])
    assert (masks[1] != first[1]).any()


@pytest.mark.parametrize("keep_prob", [0, -0.5, 1.5])
def test_a_keep_prob_outside_of_0_to_1_raises_an_error(keep_prob):
    """In the forward pass and in `model`."""
    X, Y, parameters = problem((2, 3, 2), 5)
    with pytest.raises(InputError, match=f"keep_prob is {keep_prob}"):
        reg.forward_propagation_with_dropout(X, parameters, keep_prob)
    with pytest.raises(InputError, match=f"keep_prob is {keep_prob}"):
        reg.model(X, Y, num_iterations=1, keep_prob=keep_prob)


def test_l2_and_dropout_at_once_raise_an_error():
    """The message has both values."""
    X, Y, _ = problem((2, 3, 2), 5)
    with pytest.raises(InputError, match="lambd=0.7 and keep_prob=0.86"):
        reg.model(X, Y, num_iterations=1, lambd=0.7, keep_prob=0.86)


def test_model_prints_every_ten_thousandth_cost(capsys):
    """As the course does, including the L2 penalty; nothing with print_cost=False."""
    X, Y, _ = problem((2, 3, 2), 5)
    reg.model(X, Y, num_iterations=3, lambd=0.7)
    start = reg.initialize_parameters([2, 20, 3, 1])
    A3, _ = reg.forward_propagation(X, start)
    cost = reg.compute_cost_with_regularization(A3, Y, start, 0.7)
    assert capsys.readouterr().out == f"Cost after iteration 0: {cost}\n"
    reg.model(X, Y, num_iterations=3, print_cost=False)
    assert capsys.readouterr().out == ""


# Beyond the assignment.


def test_a_larger_penalty_gives_smaller_weights():
    """After 500 steps on moons, with three values of lambd."""
    norms = []
    for lambd in (0, 1, 10):
        model = reg.build_model()
        reg.train(model, MOONS, epochs=500, lambd=lambd, keep_prob=1)
        norms.append(
            np.sqrt(sum(np.sum(model[f"W{layer}"] ** 2) for layer in (1, 2, 3)))
        )
    assert norms[0] > 1.2 * norms[1] > 1.2**2 * norms[2]


def test_early_stopping_returns_to_the_smallest_held_out_cost():
    """On 20 points of noisy moons, which the network soon overfits."""
    noisy = planar.make_moons(100, noise=0.4, seed=1)
    X, X_dev = np.split(noisy.x, [20], axis=1)
    Y, Y_dev = np.split(noisy.y, [20], axis=1)
    model = reg.build_model()
    costs, dev_costs = reg.early_stopping(model, X, Y, X_dev, Y_dev, patience=300)
    best = int(np.argmin(dev_costs))
    assert len(costs) == len(dev_costs) == best + 300 + 1 < 30000
    A3, _ = reg.forward_propagation(X_dev, model)
    assert reg.compute_cost(A3, Y_dev) == dev_costs[best]
    assert dev_costs[best] < 0.98 * dev_costs[-1] and costs[best] > costs[-1]
    # Up to there the steps are those of `train`.
    again = reg.build_model()
    expected = reg.train(again, (X, Y), epochs=best, keep_prob=1)
    assert costs[:best] == expected
    for name, value in again.items():
        np.testing.assert_array_equal(model[name], value)


def test_early_stopping_without_steps_does_not_change_the_model():
    """And returns no costs."""
    model = reg.build_model()
    assert reg.early_stopping(model, *MOONS, *MOONS, num_iterations=0) == ([], [])
    for name, value in reg.build_model().items():
        np.testing.assert_array_equal(model[name], value)


@given(st.integers(0, 5), st.floats(0.01, 1), seeds)
def test_augment_appends_noisy_copies_with_the_same_labels(copies, noise, seed):
    """The first m columns are the points themselves."""
    X, Y = MOONS.x, MOONS.y
    x, y = reg.augment(X, Y, copies, noise, seed)
    assert x.shape == (2, 120 * (copies + 1)) and y.shape == (1, 120 * (copies + 1))
    np.testing.assert_array_equal(x[:, :120], X)
    np.testing.assert_array_equal(y.reshape(-1, 120), np.repeat(Y, copies + 1, axis=0))
    differences = (x.reshape(2, -1, 120) - X[:, np.newaxis])[:, 1:]
    assert np.abs(differences).max(initial=0) < 6 * noise
    assert copies == 0 or np.std(differences) > 0.7 * noise
    np.testing.assert_array_equal(reg.augment(X, Y, copies, noise, seed)[0], x)


# The application.


def test_new_masks_depend_only_on_their_generator():
    """The losses are reproducible, and differ from those with the course's masks."""
    losses = [
        reg.train(reg.build_model(), MOONS, epochs=20, rng=rng)
        for rng in (np.random.RandomState(0), np.random.RandomState(0), None)
    ]
    assert losses[0] == losses[1] != losses[2]
    assert losses[2][-1] < losses[2][0]


@pytest.mark.data
def test_the_first_costs_on_the_football_points_are_those_of_the_course():
    """Plain, with L2 and with dropout, before the first step."""
    data = reg.load_data()
    for name, settings, printed, _ in reg.PRINTED:
        (loss,) = reg.train(reg.build_model(), data, **settings, epochs=1)
        assert loss == pytest.approx(printed[0], rel=1e-10), name


def test_the_picture_without_the_course_s_points_shows_the_position(
    monkeypatch, tmp_path
):
    """And the network's classes of the plane."""
    for name in ("DLS_KERAS_DATA", "DLS_KERAS_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    answer = reg.infer(reg.build_model(), (0.3, -0.5))
    (axes,) = reg.picture((0.3, -0.5), answer).axes
    assert len(axes.collections[1].get_offsets()) == 0 and len(axes.lines) == 1


@pytest.mark.data
def test_infer_names_the_team_and_the_picture_shows_the_position():
    """France is in the upper left part, the other team in the lower right."""
    data = reg.load_data()
    model = reg.build_model()
    reg.train(model, data, epochs=2000)
    assert reg.infer(model, "-0.6, 0.3") == "France"
    answer = reg.infer(model, (0.3, -0.5))
    assert answer == "the other team" and answer.confidence > 0.8
    (axes,) = reg.picture((0.3, -0.5), answer).axes
    plane, points = axes.collections
    grid = planar.make_grid(reg.EXTENT).reshape(2, -1)
    np.testing.assert_array_equal(
        np.ravel(plane.get_array()), reg.predict_dec(model, grid)[0]
    )
    np.testing.assert_array_equal(points.get_offsets(), data.x.T)
    assert axes.get_title() == "The star: the other team"


@pytest.mark.data
@pytest.mark.large
def test_evaluate_gives_the_numbers_of_the_course():
    """91.5, 93 and 95 % exactly; and the other methods are no worse than plain."""
    rows = {row.what: row for row in reg.evaluate()}
    for row in rows.values():
        if row.equals is not None:
            assert row.ours == pytest.approx(row.equals, rel=1e-6), row.what
    ours = {what: row.ours for what, row in rows.items()}
    plain = ours["plain: test accuracy"]
    stopped = "early stopping, a quarter of the points held out"
    assert ours["dropout, new masks in each step: test accuracy"] >= plain
    assert ours[f"{stopped}: test accuracy"] >= plain
    without = ours["same points without early stopping: test cost"]
    assert ours[f"{stopped}: test cost"] < 0.9 * without
    assert ours["data augmentation: test accuracy"] >= plain
