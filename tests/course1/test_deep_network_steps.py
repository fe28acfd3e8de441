"""Deep network, step by step: properties beyond the reference cases."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course1 import deep_network_steps as steps

layer_dims = st.lists(st.integers(1, 5), min_size=2, max_size=5)
seeds = st.integers(0, 2**32 - 1)


def problem(dims, m, seed):
    """Random parameters for these layers, X and Y; no unit is saturated."""
    rng = np.random.default_rng(seed)
    parameters = {}
    for layer in range(1, len(dims)):
        shape = dims[layer], dims[layer - 1]
        parameters[f"W{layer}"] = rng.normal(size=shape) / 3
        parameters[f"b{layer}"] = rng.normal(size=(dims[layer], 1)) / 3
    X = rng.normal(size=(dims[0], m))
    return parameters, X, rng.integers(2, size=(dims[-1], m))


def gradients(parameters, X, Y):
    AL, caches = steps.L_model_forward(X, parameters)
    return steps.L_model_backward(AL, Y, caches)


def central_difference(f, at, index, h=1e-5):
    """Of f in one element; the error is about 1e-8."""
    plus, minus = at.copy(), at.copy()
    plus[index] += h
    minus[index] -= h
    return (f(plus) - f(minus)) / (2 * h)


@settings(deadline=None)  # a busy machine is no failure
@given(layer_dims, st.integers(1, 4), seeds)
def test_the_gradient_equals_finite_differences_of_the_cost(dims, m, seed):
    """For every parameter and for the input, with any number of layers."""
    parameters, X, Y = problem(dims, m, seed)
    _, caches = steps.L_model_forward(X, parameters)
    # A ReLU has no derivative at 0: no Z may change its sign within h.
    assume(all(np.abs(cache[1]).min() > 1e-3 for cache in caches[:-1]))
    grads = gradients(parameters, X, Y)

    def cost(X, **changed):
        AL, _ = steps.L_model_forward(X, parameters | changed)
        return steps.compute_cost(AL, Y)

    for name, value in parameters.items():
        assert grads[f"d{name}"].shape == value.shape
        for index in np.ndindex(value.shape):
            expected = central_difference(
                lambda v, n=name: cost(X, **{n: v}), value, index
            )
            np.testing.assert_allclose(grads[f"d{name}"][index], expected, atol=1e-7)
    for index in np.ndindex(X.shape):
        # dA is the gradient of the sum of the losses, not of their mean.
        expected = m * central_difference(cost, X, index)
        np.testing.assert_allclose(grads["dA0"][index], expected, atol=1e-6)


@settings(deadline=None)
@given(seeds, st.sampled_from(["sigmoid", "relu"]))
def test_the_backward_pass_of_one_layer_equals_finite_differences(seed, activation):
    """dA_prev, dW and db, for any gradient dA of the layer's output."""
    rng = np.random.default_rng(seed)
    A_prev, W, b, dA = (rng.normal(size=s) for s in ((3, 4), (2, 3), (2, 1), (2, 4)))
    A, cache = steps.linear_activation_forward(A_prev, W, b, activation)
    assume(np.abs(cache[1]).min() > 1e-3)
    backward = steps.linear_activation_backward(dA, cache, activation)

    def weighted_sum(*layer):
        return np.sum(dA * steps.linear_activation_forward(*layer, activation)[0])

    layer = (A_prev, W, b)
    # dW and db are means over the four examples, dA_prev is not.
    for k, (got, m) in enumerate(zip(backward, (1, 4, 4), strict=True)):
        assert got.shape == layer[k].shape
        for index in np.ndindex(got.shape):
            expected = central_difference(
                lambda v, k=k: weighted_sum(*layer[:k], v, *layer[k + 1 :]),
                layer[k],
                index,
            )
            np.testing.assert_allclose(m * got[index], expected, atol=1e-7)


@settings(deadline=None)
@given(layer_dims, seeds)
def test_shapes_follow_from_the_layer_sizes(dims, seed):
    """Of parameters, activations, caches and gradients, for any depth."""
    parameters = steps.initialize_parameters_deep(dims)
    layers = range(1, len(dims))
    assert {name: value.shape for name, value in parameters.items()} == {
        **{f"W{k}": (dims[k], dims[k - 1]) for k in layers},
        **{f"b{k}": (dims[k], 1) for k in layers},
    }
    _, X, Y = problem(dims, 3, seed)
    AL, caches = steps.L_model_forward(X, parameters)
    assert AL.shape == (dims[-1], 3) and len(caches) == len(layers)
    grads = steps.L_model_backward(AL, Y, caches)
    assert {name: value.shape for name, value in grads.items()} == {
        **{f"dA{k - 1}": (dims[k - 1], 3) for k in layers},
        **{f"d{name}": value.shape for name, value in parameters.items()},
    }


@settings(deadline=None)
@given(st.floats(-1e4, 1e4), st.integers(0, 1))
def test_a_saturated_output_unit_has_the_correct_gradient(z, y):
    """dZ of the last layer is A - Y for any z, without a warning."""
    parameters = {"W1": np.array([[z]]), "b1": np.zeros((1, 1))}
    AL, caches = steps.L_model_forward(np.ones((1, 1)), parameters)
    assert 0 <= AL.item() <= 1
    grads = steps.L_model_backward(AL, np.array([[y]]), caches)
    assert grads["db1"].item() == pytest.approx(AL.item() - y, rel=1e-12, abs=1e-300)
    assert 0 <= steps.compute_cost(AL, np.array([[y]])) < 709


def test_the_gradient_of_the_output_is_that_of_the_textbook():
    """-Y / AL + (1 - Y) / (1 - AL), where neither term divides by zero."""
    rng = np.random.default_rng(0)
    AL, Y = rng.uniform(0.01, 0.99, (1, 20)), rng.integers(2, size=(1, 20))
    Z = rng.normal(size=(1, 20))  # unrelated to AL: the caller provides both
    caches = [((rng.normal(size=(3, 20)), rng.normal(size=(1, 3)), 0), Z)]
    dAL = -Y / AL + (1 - Y) / (1 - AL)
    expected = steps.linear_activation_backward(dAL, caches[0], "sigmoid")
    grads = steps.L_model_backward(AL, Y, caches)
    for name, value in zip(("dA0", "dW1", "db1"), expected, strict=True):
        np.testing.assert_allclose(grads[name], value, rtol=1e-12)


def test_keras_has_the_same_cost_and_gradient():
    """Dense layers in float64, differentiated by TensorFlow."""
    import keras
    import tensorflow as tf

    dims = [6, 5, 4, 1]
    parameters, X, Y = problem(dims, 10, 3)
    model = keras.Sequential([keras.Input((6,), dtype="float64")])
    for n in dims[1:]:
        activation = "relu" if n > 1 else "sigmoid"
        model.add(keras.layers.Dense(n, activation=activation, dtype="float64"))
    for k, layer in enumerate(model.layers, start=1):
        layer.set_weights([parameters[f"W{k}"].T, parameters[f"b{k}"][:, 0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(keras.losses.binary_crossentropy(Y.T, model(X.T)))
    AL, caches = steps.L_model_forward(X, parameters)
    np.testing.assert_allclose(loss, steps.compute_cost(AL, Y), rtol=1e-12)
    grads = steps.L_model_backward(AL, Y, caches)
    expected = tape.gradient(loss, model.trainable_variables)
    for k in (1, 2, 3):
        np.testing.assert_allclose(expected[2 * k - 2], grads[f"dW{k}"].T, rtol=1e-9)
        np.testing.assert_allclose(
            expected[2 * k - 1], grads[f"db{k}"][:, 0], rtol=1e-9
        )


def test_initialization_does_not_use_the_global_generator():
    """The next number of `np.random` is the same as without it."""
    np.random.seed(1)
    expected = np.random.rand()
    np.random.seed(1)
    steps.initialize_parameters(2, 2, 1)
    steps.initialize_parameters_deep([2, 2, 1])
    assert np.random.rand() == expected


def test_an_unknown_activation_raises_an_error_that_lists_the_known_ones():
    """In the forward and in the backward pass."""
    A, W, b = np.ones((2, 3)), np.ones((1, 2)), np.zeros((1, 1))
    with pytest.raises(InputError, match="'tanh'.*sigmoid, relu"):
        steps.linear_activation_forward(A, W, b, "tanh")
    _, cache = steps.linear_activation_forward(A, W, b, "relu")
    with pytest.raises(InputError, match="'tanh'.*sigmoid, relu"):
        steps.linear_activation_backward(np.ones((1, 3)), cache, "tanh")


def test_importing_the_lesson_does_not_import_tensorflow():
    """NumPy alone."""
    program = "import sys; import dls_keras.course1.deep_network_steps; "
    program += (
        "sys.exit(bool({'tensorflow', 'keras', 'torch', 'jax'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program])
    assert done.returncode == 0
