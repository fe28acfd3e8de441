"""Optimization: properties beyond the reference cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course2 import initialization
from dls_keras.course2 import optimization as opt
from dls_keras.datasets import planar

seeds = st.integers(0, 2**32 - 1)
betas = st.floats(0, 0.999)
RATE = 2.0**-6  # exact in float32, the type in which Keras stores it


def problem(steps=12):
    """Random parameters of a layer, and random gradients for each step."""
    rng = np.random.default_rng(0)
    shapes = {"W1": (3, 2), "b1": (3, 1)}
    parameters = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    grads = [
        {f"d{name}": rng.normal(size=shape) for name, shape in shapes.items()}
        for _ in range(steps)
    ]
    return parameters, grads


def keras_steps(optimizer, parameters, grads, before=lambda optimizer, t: None):
    """The parameters after each step of a Keras optimizer, in float64."""
    import keras

    variables = [keras.Variable(p, dtype="float64") for p in parameters.values()]
    optimizer.build(variables)
    for t, step in enumerate(grads, start=1):
        before(optimizer, t)
        optimizer.apply([step[f"d{name}"] for name in parameters], variables)
        yield dict(zip(parameters, [v.numpy().copy() for v in variables], strict=True))


def assert_equal(parameters, expected):
    for name, value in expected.items():
        np.testing.assert_allclose(parameters[name], value, rtol=1e-10, err_msg=name)


# Mini-batches.


@given(st.integers(1, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
def test_the_mini_batches_contain_every_point_once_with_its_label(m, size, seed):
    """All batches but the last are full; the global generator is not used."""
    X, Y = np.arange(2 * m).reshape(2, m), 10 * np.arange(m).reshape(1, m)
    state = np.random.get_state()[1].copy()
    batches = opt.random_mini_batches(X, Y, size, seed)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    sizes = [x.shape[1] for x, _ in batches]
    assert sizes == [size] * (m // size) + [m % size] * (m % size > 0)
    x, y = (np.hstack(parts) for parts in zip(*batches, strict=True))
    np.testing.assert_array_equal(y, 10 * x[:1])
    np.testing.assert_array_equal(x[1], x[0] + m)
    assert sorted(x[0]) == list(range(m))


# Optimizers, step by step compared with those of Keras.


def test_gradient_descent_is_sgd_of_keras():
    """Twelve steps."""
    import keras

    parameters, grads = problem()
    sgd = keras.optimizers.SGD(RATE)
    for t, expected in enumerate(keras_steps(sgd, parameters, grads)):
        parameters = opt.update_parameters_with_gd(parameters, grads[t], RATE)
        assert_equal(parameters, expected)


def test_momentum_is_sgd_of_keras_with_a_smaller_learning_rate():
    """Keras sums the gradients, the course averages them: a factor of 1 - beta."""
    import keras

    parameters, grads = problem()
    sgd = keras.optimizers.SGD(RATE * 0.25, momentum=0.75)
    v = opt.initialize_velocity(parameters)
    for t, expected in enumerate(keras_steps(sgd, parameters, grads)):
        parameters, v = opt.update_parameters_with_momentum(
            parameters, grads[t], v, 0.75, RATE
        )
        assert_equal(parameters, expected)


def test_rmsprop_is_rmsprop_of_keras():
    """Twelve steps without epsilon, which Keras has inside the root."""
    import keras

    parameters, grads = problem()
    rmsprop = keras.optimizers.RMSprop(RATE, rho=0.875, epsilon=0.0)
    s = opt.initialize_velocity(parameters)
    for t, expected in enumerate(keras_steps(rmsprop, parameters, grads)):
        parameters, s = opt.update_parameters_with_rmsprop(
            parameters, grads[t], s, RATE, 0.875, epsilon=0.0
        )
        assert_equal(parameters, expected)


@pytest.mark.parametrize("epsilon", [1e-8, 0.1])
def test_adam_is_adam_of_keras(epsilon):
    """Keras adds epsilon before it corrects s, so its epsilon has to be smaller."""
    import keras

    def set_epsilon(adam, t):
        adam.epsilon = epsilon * np.sqrt(1 - 0.984375**t)

    parameters, grads = problem()
    adam = keras.optimizers.Adam(RATE, beta_1=0.875, beta_2=0.984375)
    v, s = opt.initialize_adam(parameters)
    steps = keras_steps(adam, parameters, grads, set_epsilon)
    for t, expected in enumerate(steps, start=1):
        parameters, v, s, *_ = opt.update_parameters_with_adam(
            parameters, grads[t - 1], v, s, t, RATE, 0.875, 0.984375, epsilon
        )
        assert_equal(parameters, expected)


def test_the_corrected_averages_of_adam_are_moving_averages():
    """v' is the average of the gradients so far, s' that of their squares."""
    parameters, grads = problem()
    v, s = opt.initialize_adam(parameters)
    history = np.array([step["dW1"] for step in grads])
    means = opt.moving_average(history, 0.9)
    squares = opt.moving_average(history**2, 0.999)
    for t, step in enumerate(grads, start=1):
        parameters, v, s, v_corrected, s_corrected = opt.update_parameters_with_adam(
            parameters, step, v, s, t
        )
        np.testing.assert_allclose(v_corrected["dW1"], means[t - 1], rtol=1e-12)
        np.testing.assert_allclose(s_corrected["dW1"], squares[t - 1], rtol=1e-12)


def test_a_step_does_not_modify_its_arguments():
    """Parameters, gradients and averages, with each optimizer."""
    parameters, (grads, *_) = problem()
    v, s = opt.initialize_adam(parameters)
    arguments = {**parameters, **grads}
    before = {name: value.copy() for name, value in arguments.items()}
    opt.update_parameters_with_gd(parameters, grads, 0.1)
    opt.update_parameters_with_momentum(parameters, grads, v, 0.9, 0.1)
    opt.update_parameters_with_rmsprop(parameters, grads, s)
    opt.update_parameters_with_adam(parameters, grads, v, s, 1)
    for name, value in before.items():
        np.testing.assert_array_equal(arguments[name], value)
    for average in (*v.values(), *s.values()):
        assert not average.any()


# Moving averages.


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=30), betas)
def test_a_moving_average_is_a_weighted_mean(values, beta):
    """The weights are (1 - beta) beta^age, divided by their sum if corrected."""
    ages = np.arange(len(values))[::-1]
    weights = (1 - beta) * float(beta) ** ages
    plain = opt.moving_average(values, beta, bias_correction=False)
    corrected = opt.moving_average(values, beta)
    # The rounding error of 30 additions of numbers up to 100.
    assert plain[-1] == pytest.approx(weights @ values, abs=1e-11)
    expected = np.average(values, weights=weights)
    # For beta = 0.999, 1 - beta^t is about 1e-3 with an absolute error of 1e-16.
    assert corrected[-1] == pytest.approx(expected, abs=1e-9)


@given(st.floats(-1e3, 1e3), betas, st.integers(1, 50))
def test_the_average_of_a_constant_is_the_constant(value, beta, length):
    """From the first value on, because of the bias correction."""
    averages = opt.moving_average(np.full(length, value), beta)
    np.testing.assert_allclose(averages, value, rtol=1e-10, atol=1e-15)


# Decay.


@given(st.floats(1e-4, 1), st.integers(0, 5000), st.floats(0, 2))
def test_decay_is_inverse_time_decay_of_keras(rate, epoch, decay_rate):
    """`update_lr` without and `schedule_lr_decay` with a staircase."""
    from keras.optimizers.schedules import InverseTimeDecay

    smooth = InverseTimeDecay(rate, 1, decay_rate)(epoch)
    stairs = InverseTimeDecay(rate, 1000, decay_rate, staircase=True)(epoch)
    # Keras computes in float32.
    assert opt.update_lr(rate, epoch, decay_rate) == pytest.approx(
        float(smooth), rel=1e-5
    )
    scheduled = opt.schedule_lr_decay(rate, epoch, decay_rate)
    assert scheduled == pytest.approx(float(stairs), rel=1e-5)


# The model.


def test_a_batch_of_all_points_is_plain_gradient_descent():
    """With the costs of the assignment on initialization, up to the order of sums."""
    data = opt.load_data()
    costs = opt.train(
        opt.build_model(),
        data,
        epochs=20,
        batch_size=300,
        learning_rate=0.1,
        optimizer="gd",
    )
    expected = initialization.train(
        opt.build_model(), data, epochs=20, learning_rate=0.1
    )
    np.testing.assert_allclose(costs, expected, rtol=1e-12)


def test_the_cost_is_the_sum_of_the_losses():
    """Over the points of a mini-batch."""
    a3, Y = np.array([[0.5, 0.25, 0.75]]), np.array([[1, 0, 0]])
    expected = -np.log(0.5) - np.log(0.75) - np.log(0.25)
    assert opt.compute_cost(a3, Y) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("optimizer", "cost"),
    [("gd", 0.702405), ("momentum", 0.702413), ("adam", 0.702166)],
)
def test_the_first_epoch_has_the_cost_that_the_course_prints(optimizer, cost, capsys):
    """To six decimals, in the course's format."""
    opt.model(*opt.load_data(), [2, 5, 2, 1], optimizer, num_epochs=2)
    assert capsys.readouterr().out == f"Cost after epoch 0: {cost}\n"


def test_model_prints_the_decayed_rate(capsys):
    """Two lines every thousandth epoch; nothing with print_cost=False."""
    X, Y = (part[:, :4] for part in opt.load_data())
    parameters = opt.model(
        X,
        Y,
        [2, 2, 1, 1],
        "gd",
        learning_rate=0.1,
        num_epochs=1001,
        decay=opt.schedule_lr_decay,
    )
    assert parameters["W1"].shape == (2, 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "learning rate after epoch 0: 0.100000"
    assert lines[2].startswith("Cost after epoch 1000: ")
    assert lines[3] == "learning rate after epoch 1000: 0.050000"
    opt.model(X, Y, [2, 2, 1, 1], "gd", num_epochs=1, print_cost=False)
    assert capsys.readouterr().out == ""


def test_an_unknown_optimizer_raises_an_error_that_lists_the_known_ones():
    """The message names the requested and the available optimizers."""
    with pytest.raises(InputError, match="'sgd'.*gd, momentum, rmsprop, adam"):
        opt.model(*opt.load_data(), [2, 5, 2, 1], "sgd")


@pytest.mark.parametrize("optimizer", ["rmsprop", "adam"])
def test_adaptive_optimizers_are_faster_than_gradient_descent(optimizer):
    """After 200 epochs with the same learning rate: above 90 %, and below 85 %."""

    def accuracy(optimizer):
        model = opt.build_model()
        losses = opt.train(
            model, data, epochs=200, learning_rate=0.01, optimizer=optimizer
        )
        assert losses[-1] < losses[0]
        return np.mean(opt.predict_dec(model, data.x) == data.y)

    data = opt.load_data()
    assert accuracy(optimizer) > 0.9 > 0.85 > accuracy("gd")


def test_infer_names_the_moon_and_the_picture_shows_the_point():
    """The top of the upper moon and the bottom of the lower one."""
    model = opt.build_model()
    opt.train(model, opt.load_data(), epochs=200, learning_rate=0.01)
    assert opt.infer(model, "0, 1") == "upper moon"
    answer = opt.infer(model, (1, -0.5))
    assert answer == "lower moon"
    (axes,) = opt.picture((1, -0.5), answer).axes
    plane, points = axes.collections
    grid = planar.make_grid(opt.EXTENT).reshape(2, -1)
    np.testing.assert_array_equal(
        np.ravel(plane.get_array()), opt.predict_dec(model, grid)[0]
    )
    np.testing.assert_array_equal(points.get_offsets(), opt.load_data().x.T)
    assert axes.get_title() == "The star: lower moon"
    with pytest.raises(InputError, match="two finite numbers"):
        opt.infer(model, "the sky")


@pytest.mark.large
def test_evaluate_gives_the_numbers_of_the_course():
    """All costs to six decimals, all accuracies exactly."""
    rows = opt.evaluate()
    assert len(rows) == 5 * 6 + 2 * 11
    for row in rows:
        assert row.ours == pytest.approx(row.equals, abs=2e-6), row.what
