"""The recurrent cells: shapes, gradients, and agreement with the layers of Keras."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.course5 import recurrent_steps as rs

sizes = st.tuples(*(st.integers(1, 4) for _ in range(5)))  # n_x, n_a, n_y, m, T_x
seeds = st.integers(0, 2**32 - 1)
GATES = {"rnn": (), "lstm": "fico", "gru": "urc"}


def problem(kind, size, seed):
    """Random x, a0 and parameters of a cell, in float64."""
    n_x, n_a, n_y, m, T_x = size
    rng = np.random.default_rng(seed)
    x, a0 = rng.normal(size=(n_x, m, T_x)), rng.normal(size=(n_a, m))
    shapes = {"by": (n_y, 1)}
    if kind == "rnn":
        shapes |= {"Wax": (n_a, n_x), "Waa": (n_a, n_a), "ba": (n_a, 1)}
        shapes |= {"Wya": (n_y, n_a)}
    else:
        shapes |= {f"W{gate}": (n_a, n_a + n_x) for gate in GATES[kind]}
        shapes |= {f"b{gate}": (n_a, 1) for gate in GATES[kind]} | {"Wy": (n_y, n_a)}
    return x, a0, {name: rng.normal(size=shape) for name, shape in shapes.items()}


FORWARD = {"rnn": rs.rnn_forward, "lstm": rs.lstm_forward, "gru": rs.gru_forward}
BACKWARD = {"rnn": rs.rnn_backward, "lstm": rs.lstm_backward}


@pytest.mark.parametrize("kind", FORWARD)
@given(sizes, seeds)
@settings(max_examples=15)
def test_shapes_follow_the_sizes_and_outputs_sum_to_one(kind, size, seed):
    """For any sizes, down to one feature, one unit, one step."""
    n_x, n_a, n_y, m, T_x = size
    a, y, *_ = FORWARD[kind](*problem(kind, size, seed))
    assert a.shape == (n_a, m, T_x) and y.shape == (n_y, m, T_x)
    np.testing.assert_allclose(y.sum(axis=0), 1, rtol=1e-12)


@pytest.mark.parametrize("kind", BACKWARD)
@given(sizes, seeds)
@settings(max_examples=10)
def test_the_gradients_agree_with_central_differences(kind, size, seed):
    """Of the loss sum(da * a), for x, a0 and every parameter."""
    x, a0, parameters = problem(kind, size, seed)
    da = np.random.default_rng(seed + 1).normal(size=(*a0.shape, x.shape[2]))
    *_, caches = FORWARD[kind](x, a0, parameters)
    gradients = BACKWARD[kind](da, caches)
    arrays = {"dx": x, "da0": a0}
    arrays |= {f"d{name}": array for name, array in parameters.items()}
    assert set(gradients) == set(arrays) - {"dWya", "dWy", "dby"}
    for name, gradient in gradients.items():
        array = arrays[name]
        assert gradient.shape == array.shape
        numerical = np.empty_like(gradient)
        for i in np.ndindex(gradient.shape):
            value, h = array[i], 1e-5
            losses = []
            for array[i] in (value + h, value - h):
                losses.append(np.sum(da * FORWARD[kind](x, a0, parameters)[0]))
            array[i] = value
            numerical[i] = (losses[0] - losses[1]) / (2 * h)
        # h^2 of third derivatives, and 1e-16 / h of rounding: both near 1e-9.
        np.testing.assert_allclose(gradient, numerical, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("kind", BACKWARD)
def test_a_shorter_da_is_treated_as_zero_after_its_end(kind):
    """The course passes a da of 4 steps for 7."""
    x, a0, parameters = problem(kind, (3, 5, 2, 4, 7), 0)
    *_, caches = FORWARD[kind](x, a0, parameters)
    da = np.random.default_rng(1).normal(size=(5, 4, 7))
    da[:, :, 4:] = 0
    short, long = (BACKWARD[kind](d, caches) for d in (da[:, :, :4], da))
    assert short.pop("dx").shape == (3, 4, 4)
    assert np.all(long.pop("dx")[:, :, 4:] == 0)
    for name in long:
        np.testing.assert_allclose(short[name], long[name], rtol=1e-12)


def keras_weights(kind, parameters, n_a):
    """The cell's parameters as the weights of Keras's layer.

    Keras has separate kernels for the input and the state, with the gates side by
    side; the update gate of its GRU is z = 1 - u.
    """
    p = parameters
    if kind == "rnn":
        return [p["Wax"].T, p["Waa"].T, p["ba"][:, 0]]
    order = {"lstm": "ifco", "gru": "urc"}[kind]
    signs = [-1 if gate == "u" else 1 for gate in order]
    W = [s * p[f"W{gate}"].T for s, gate in zip(signs, order, strict=True)]
    b = [s * p[f"b{gate}"][:, 0] for s, gate in zip(signs, order, strict=True)]
    return [
        np.hstack([w[n_a:] for w in W]),
        np.hstack([w[:n_a] for w in W]),
        np.hstack(b),
    ]


def keras_layer(kind, n_a, **options):
    from keras import layers

    options |= {"return_sequences": True, "dtype": "float64"}
    if kind == "rnn":
        return layers.SimpleRNN(n_a, **options)
    if kind == "lstm":
        return layers.LSTM(n_a, **options)
    return layers.GRU(n_a, reset_after=False, **options)


def steps_last(z):
    """(m, T, n) of Keras as (n, m, T) of the course."""
    return np.transpose(np.asarray(z), (2, 0, 1))


@pytest.mark.parametrize("kind", FORWARD)
def test_a_cell_agrees_with_keras_s_layer(kind):
    """States and, where there is a backward pass, all gradients."""
    import tensorflow as tf

    x, a0, parameters = problem(kind, (3, 5, 2, 4, 6), 2)
    layer = keras_layer(kind, 5)
    inputs = tf.constant(np.transpose(x, (1, 2, 0)))
    first = tf.constant(a0.T)
    state = [first, tf.zeros_like(first)] if kind == "lstm" else first
    layer(inputs, initial_state=state)
    layer.set_weights(keras_weights(kind, parameters, 5))
    da = np.random.default_rng(3).normal(size=(5, 4, 6))
    variables = [v.value for v in layer.trainable_variables]
    with tf.GradientTape() as tape:
        tape.watch([inputs, first])
        states = layer(inputs, initial_state=state)
        loss = tf.reduce_sum(states * np.transpose(da, (1, 2, 0)))
    expected = tape.gradient(loss, [inputs, first, *variables])
    a, *_, caches = FORWARD[kind](x, a0, parameters)
    np.testing.assert_allclose(a, steps_last(states), rtol=1e-10)
    if kind in BACKWARD:
        gradients = BACKWARD[kind](da, caches)
        found = [np.transpose(gradients["dx"], (1, 2, 0)), gradients["da0"].T]
        named = {name: gradients.get(f"d{name}") for name in parameters}
        found += keras_weights(kind, named, 5)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-9, atol=1e-12)


def test_the_bidirectional_rnn_agrees_with_keras():
    """The states of both directions at one step are concatenated."""
    from keras import layers

    x, a0, forward = problem("rnn", (3, 5, 2, 4, 6), 4)
    backward = problem("rnn", (3, 5, 2, 4, 6), 5)[2]
    wrapped = layers.Bidirectional(keras_layer("rnn", 5), dtype="float64")
    inputs = np.transpose(x, (1, 2, 0))
    wrapped(inputs)
    wrapped.set_weights(
        keras_weights("rnn", forward, 5) + keras_weights("rnn", backward, 5)
    )
    Wya = np.random.default_rng(6).normal(size=(2, 10))
    parameters = {"forward": forward, "backward": backward}
    parameters |= {"Wya": Wya, "by": forward["by"]}
    zeros = np.zeros_like(a0)
    a, y = rs.bidirectional_rnn_forward(x, (zeros, zeros), parameters)
    np.testing.assert_allclose(a, steps_last(wrapped(inputs)), rtol=1e-10)
    expected = rs.softmax(Wya @ a[:, :, 3] + forward["by"])
    np.testing.assert_allclose(y[:, :, 3], expected, rtol=1e-12)


def test_the_deep_rnn_agrees_with_stacked_layers_of_keras():
    """The states of one layer are the input of the next."""
    x, a0, low = problem("rnn", (3, 5, 2, 4, 6), 7)
    high = problem("rnn", (5, 5, 2, 4, 6), 8)[2]
    stack = [keras_layer("rnn", 5), keras_layer("rnn", 5)]
    z = np.transpose(x, (1, 2, 0))
    expected = []
    for layer, parameters in zip(stack, (low, high), strict=True):
        layer(z)
        layer.set_weights(keras_weights("rnn", parameters, 5))
        z = np.asarray(layer(z))
        expected.append(steps_last(z))
    zeros = np.zeros_like(a0)
    parameters = {"layers": [low, high], "Wya": high["Wya"], "by": high["by"]}
    a, y = rs.deep_rnn_forward(x, [zeros, zeros], parameters)
    np.testing.assert_allclose(a, expected, rtol=1e-10)
    assert y.shape == (2, 4, 6)


def test_an_open_forget_gate_preserves_the_cell_state():
    """With f = 1, and i = 0 after step one, c<1> is unchanged after 50 steps."""
    x, a0, parameters = problem("lstm", (1, 1, 1, 1, 50), 0)
    for gate, bias in (("f", 1e4), ("i", 0.0)):
        parameters[f"W{gate}"] = np.array([[0.0, 1e4 if gate == "i" else 0.0]])
        parameters[f"b{gate}"] = np.array([[bias]])
    x[...] = -1.0
    x[0, 0, 0] = 1.0  # the update gate is open only here
    _, _, c, _ = rs.lstm_forward(x, a0, parameters)
    assert abs(c[0, 0, 0]) > 0.01
    assert np.all(c == c[0, 0, 0])


def test_the_cells_do_not_import_tensorflow():
    """Forward or backward."""
    program = (
        "import sys, numpy as np\n"
        "from dls_keras.course5 import recurrent_steps as rs\n"
        "x, one = np.ones((1, 1, 2)), np.ones((1, 1))\n"
        "p = {f'W{g}': np.ones((1, 2)) for g in 'fico'} | {'Wy': one, 'by': one}\n"
        "*_, caches = rs.lstm_forward(x, one, p | {f'b{g}': one for g in 'fico'})\n"
        "rs.lstm_backward(x, caches)\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
