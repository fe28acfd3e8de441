"""Regularization: what the reference cases cannot say."""

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
    """Random X, Y and parameters of a three-layer network, biases too."""
    rng = np.random.default_rng(seed)
    widths = (*sizes, 1)
    parameters = {}
    for layer in (1, 2, 3):
        n_in, n_out = widths[layer - 1], widths[layer]
        parameters[f"W{layer}"] = rng.normal(size=(n_out, n_in)) / np.sqrt(n_in)
        parameters[f"b{layer}"] = rng.normal(size=(n_out, 1))
    return rng.normal(size=(sizes[0], m)), rng.integers(2, size=(1, m)), parameters


def slopes(cost, parameters, h=1e-5):
    """Central differences of `cost` by each weight and bias: dict of "dW1", ..."""
    found = {}
    for name, value in parameters.items():
        found[f"d{name}"] = np.empty_like(value)
        for place in np.ndindex(value.shape):
            costs = []
            for step in (h, -h):
                moved = value.copy()
                moved[place] += step
                costs.append(cost(parameters | {name: moved}))
            found[f"d{name}"][place] = (costs[0] - costs[1]) / (2 * h)
    return found


def assert_gradient(grads, expected):
    # Noise 1e-16 / 1e-5 and the curve's share 1e-10 are far below.
    for name, slope in expected.items():
        np.testing.assert_allclose(grads[name], slope, atol=1e-7, err_msg=name)


# The course's functions.


@given(sizes, seeds, st.floats(0, 10))
def test_the_gradient_with_l2_is_the_slope_of_the_cost_with_l2(sizes, seed, lambd):
    """For every weight and bias; lambd = 0 is the plain gradient."""
    X, Y, parameters = problem(sizes, seed)
    _, cache = reg.forward_propagation(X, parameters)
    # A ReLU has no slope at 0: no unit may pass it by a nudge.
    assume(min(np.abs(cache[0]).min(), np.abs(cache[4]).min()) > 1e-3)

    def cost(parameters):
        A3, _ = reg.forward_propagation(X, parameters)
        return reg.compute_cost_with_regularization(A3, Y, parameters, lambd)

    grads = reg.backward_propagation_with_regularization(X, Y, cache, lambd)
    assert_gradient(grads, slopes(cost, parameters))
    plain = reg.backward_propagation(X, Y, cache)
    for name in ("db1", "db2", "db3", "dZ1", "dA2"):
        np.testing.assert_array_equal(grads[name], plain[name])


@given(sizes, seeds, st.floats(0.3, 1))
def test_the_gradient_with_dropout_is_the_slope_under_its_masks(sizes, seed, keep_prob):
    """The course draws the same masks at every call, so the cost has a slope."""
    X, Y, parameters = problem(sizes, seed)

    def forward(parameters):
        return reg.forward_propagation_with_dropout(X, parameters, keep_prob)

    _, cache = forward(parameters)
    assume(min(np.abs(cache[0]).min(), np.abs(cache[5]).min()) > 1e-3)
    assume(np.abs(cache[10]).max() < 8)  # 1 - A3 loses digits as it nears 0
    grads = reg.backward_propagation_with_dropout(X, Y, cache, keep_prob)
    expected = slopes(lambda p: reg.compute_cost(forward(p)[0], Y), parameters)
    for name, slope in expected.items():  # e^8 / 1e-5 times 1e-16
        np.testing.assert_allclose(grads[name], slope, atol=1e-6, err_msg=name)


def test_keras_has_the_same_cost_and_gradient_with_l2():
    """Its regularizer sums l W^2; ours is l = lambd / 2m of that."""
    import keras
    import tensorflow as tf

    X, Y, parameters = problem((3, 6, 4), 1, m=20)
    A3, cache = reg.forward_propagation(X, parameters)
    grads = reg.backward_propagation_with_regularization(X, Y, cache, 0.7)
    twin = keras.Sequential([keras.Input((3,), dtype="float64")])
    for units, activation in [(6, "relu"), (4, "relu"), (1, "sigmoid")]:
        layer = keras.layers.Dense(
            units,
            activation=activation,
            kernel_regularizer=keras.regularizers.L2(0.7 / (2 * 20)),
            dtype="float64",
        )
        twin.add(layer)
        W, b = (parameters[f"{kind}{len(twin.layers)}"] for kind in "Wb")
        layer.set_weights([W.T, b[:, 0]])
    with tf.GradientTape() as tape:
        entropy = keras.losses.binary_crossentropy(Y.T, twin(X.T))
        cost = tf.reduce_mean(entropy) + sum(twin.losses)
    theirs = tape.gradient(cost, twin.trainable_variables)
    # Keras keeps the factor of its regularizer in float32's 7 digits.
    ours = reg.compute_cost_with_regularization(A3, Y, parameters, 0.7)
    np.testing.assert_allclose(cost, ours, rtol=1e-6)
    names = [f"d{kind}{layer}" for layer in (1, 2, 3) for kind in "Wb"]
    for name, gradient in zip(names, theirs, strict=True):
        expected = grads[name].T.reshape(gradient.shape)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


def test_dropout_keeps_the_mean_of_what_passes():
    """The mean of A1 over 4000 masks is A1 without dropout."""
    X, _, parameters = problem((3, 8, 2), 2)
    _, plain = reg.forward_propagation(X, parameters)
    rng = np.random.RandomState(0)
    draws = [
        reg.forward_propagation_with_dropout(X, parameters, 0.8, rng=rng)[1][2]
        for _ in range(4000)
    ]
    # A unit is 0 or A / 0.8: its spread is A / 2, that of the mean A / 126.
    np.testing.assert_allclose(np.mean(draws, axis=0), plain[1], rtol=5 / 126)
    assert np.mean(np.array(draws)[:, plain[1] > 0] == 0) == pytest.approx(
        0.2, abs=0.01
    )


def test_to_keep_all_units_is_no_dropout():
    """keep_prob = 1 gives the plain network and the plain gradient."""
    X, Y, parameters = problem((3, 4, 2), 3)
    A3, cache = reg.forward_propagation_with_dropout(X, parameters, 1)
    expected, plain = reg.forward_propagation(X, parameters)
    np.testing.assert_array_equal(A3, expected)
    grads = reg.backward_propagation_with_dropout(X, Y, cache, 1)
    for name, value in reg.backward_propagation(X, Y, plain).items():
        np.testing.assert_array_equal(grads[name], value)


def test_the_course_s_masks_are_the_same_at_every_call():
    """From seed 1, without moving the caller's generator; `rng` draws others."""
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
def test_what_is_no_probability_is_told(keep_prob):
    """By the function and by the training."""
    X, Y, parameters = problem((2, 3, 2), 5)
    with pytest.raises(InputError, match=f"keep_prob is {keep_prob}"):
        reg.forward_propagation_with_dropout(X, parameters, keep_prob)
    with pytest.raises(InputError, match=f"keep_prob is {keep_prob}"):
        reg.model(X, Y, num_iterations=1, keep_prob=keep_prob)


def test_l2_and_dropout_at_once_are_told():
    """The course allows one at a time."""
    X, Y, _ = problem((2, 3, 2), 5)
    with pytest.raises(InputError, match="lambd=0.7 and keep_prob=0.86"):
        reg.model(X, Y, num_iterations=1, lambd=0.7, keep_prob=0.86)


def test_model_prints_every_ten_thousandth_cost(capsys):
    """As the course does, the charge of L2 among it; and only when asked."""
    X, Y, _ = problem((2, 3, 2), 5)
    reg.model(X, Y, num_iterations=3, lambd=0.7)
    start = reg.initialize_parameters([2, 20, 3, 1])
    A3, _ = reg.forward_propagation(X, start)
    cost = reg.compute_cost_with_regularization(A3, Y, start, 0.7)
    assert capsys.readouterr().out == f"Cost after iteration 0: {cost}\n"
    reg.model(X, Y, num_iterations=3, print_cost=False)
    assert capsys.readouterr().out == ""


# Beside the assignment.


def test_a_larger_charge_leaves_smaller_weights():
    """500 steps on moons with three values of lambd."""
    norms = []
    for lambd in (0, 1, 10):
        model = reg.build_model()
        reg.train(model, MOONS, epochs=500, lambd=lambd, keep_prob=1)
        norms.append(
            np.sqrt(sum(np.sum(model[f"W{layer}"] ** 2) for layer in (1, 2, 3)))
        )
    assert norms[0] > 1.2 * norms[1] > 1.2**2 * norms[2]


def test_early_stopping_ends_where_the_held_out_cost_was_smallest():
    """On 20 noisy moons, which a network soon learns by heart."""
    noisy = planar.make_moons(100, noise=0.4, seed=1)
    X, Y, X_dev, Y_dev = (
        noisy.x[:, :20],
        noisy.y[:, :20],
        noisy.x[:, 20:],
        noisy.y[:, 20:],
    )
    model = reg.build_model()
    costs, dev_costs = reg.early_stopping(model, X, Y, X_dev, Y_dev, patience=300)
    best = int(np.argmin(dev_costs))
    assert len(costs) == len(dev_costs) == best + 300 + 1 < 30000
    A3, _ = reg.forward_propagation(X_dev, model)
    assert reg.compute_cost(A3, Y_dev) == dev_costs[best]
    assert dev_costs[best] < 0.98 * dev_costs[-1] and costs[best] > costs[-1]
    # The walk is that of `train`, cut off.
    again = reg.build_model()
    expected = reg.train(again, (X, Y), epochs=best, keep_prob=1)
    assert costs[:best] == expected
    for name, value in again.items():
        np.testing.assert_array_equal(model[name], value)


def test_early_stopping_without_steps_changes_nothing():
    """No cost, and the parameters that came."""
    model = reg.build_model()
    assert reg.early_stopping(model, *MOONS, *MOONS, num_iterations=0) == ([], [])
    for name, value in reg.build_model().items():
        np.testing.assert_array_equal(model[name], value)


@given(st.integers(0, 5), st.floats(0.01, 1), seeds)
def test_augmented_points_stand_behind_their_originals(copies, spread, seed):
    """The first m are the points themselves; each copy has its point's label."""
    X, Y = MOONS.x, MOONS.y
    x, y = reg.augmented(X, Y, copies, spread, seed)
    assert x.shape == (2, 120 * (copies + 1)) and y.shape == (1, 120 * (copies + 1))
    np.testing.assert_array_equal(x[:, :120], X)
    np.testing.assert_array_equal(y.reshape(-1, 120), np.repeat(Y, copies + 1, axis=0))
    moves = (x.reshape(2, -1, 120) - X[:, np.newaxis])[:, 1:]
    assert np.abs(moves).max(initial=0) < 6 * spread
    assert copies == 0 or np.std(moves) > 0.7 * spread
    np.testing.assert_array_equal(reg.augmented(X, Y, copies, spread, seed)[0], x)


# The application.


def test_training_with_new_masks_needs_its_generator_only():
    """Same generator, same losses; another one than the course's masks give."""
    losses = [
        reg.train(reg.build_model(), MOONS, epochs=20, rng=rng)
        for rng in (np.random.RandomState(0), np.random.RandomState(0), None)
    ]
    assert losses[0] == losses[1] != losses[2]
    assert losses[2][-1] < losses[2][0]


@pytest.mark.data
def test_the_first_costs_on_the_field_are_those_the_course_prints():
    """Plain, with L2 and with dropout, before the first step."""
    data = reg.load_data()
    for name, choices, printed, _ in reg.PRINTED:
        (loss,) = reg.train(reg.build_model(), data, **choices, epochs=1)
        assert loss == pytest.approx(printed[0], rel=1e-10), name


@pytest.mark.data
def test_infer_tells_the_team_and_the_picture_shows_the_place():
    """France is on the left above, the other team on the right below."""
    data = reg.load_data()
    model = reg.build_model()
    reg.train(model, data, epochs=2000)
    assert reg.infer(model, "-0.6, 0.3") == "France"
    answer = reg.infer(model, (0.3, -0.5))
    assert answer == "the other team" and answer.confidence > 0.8
    (axes,) = reg.picture(model, (0.3, -0.5)).axes
    assert axes.get_title() == "The star: the other team"
    assert any(len(drawn.get_offsets()) == 211 for drawn in axes.collections)


@pytest.mark.data
@pytest.mark.large
def test_evaluate_gives_the_course_s_numbers():
    """91.5, 93 and 95 % exactly; and the three other ways are no worse than plain."""
    rows = reg.evaluate()
    for what, ours, printed in rows:
        if printed is not None:
            assert ours == pytest.approx(printed, rel=1e-6), what
    ours = {what: value for what, value, _ in rows}
    plain = ours["plain: test accuracy"]
    assert ours["dropout, new masks at each step: test accuracy"] >= plain
    assert ours["early stopping, a quarter held out: test accuracy"] >= plain
    stopped = ours["early stopping, a quarter held out: test cost"]
    assert stopped < 0.9 * ours["the same points to the end: test cost"]
    assert ours["data augmentation: test accuracy"] >= plain
