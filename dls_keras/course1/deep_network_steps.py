"""A deep network, step by step: forward and backward pass through L layers (C1 W4 A1).

Each layer is a linear map followed by an activation: ReLU in the hidden layers, the
sigmoid in the last. The forward pass keeps what the backward pass will need, in
caches; the backward pass turns the gradient with respect to a layer's output into the
gradients with respect to its parameters and its input, from the last layer to the
first:

    Z[l] = W[l] A[l-1] + b[l]             A[l] = g[l](Z[l])
    J = -1/m sum(Y log A[L] + (1 - Y) log(1 - A[L]))

    dA[L] = -Y / A[L] + (1 - Y) / (1 - A[L])
    dZ[l] = dA[l] * g[l]'(Z[l])           dA[l-1] = W[l].T dZ[l]
    dW[l] = 1/m dZ[l] A[l-1].T            db[l] = 1/m sum dZ[l]

Shapes: m examples as columns; layer l has n[l] units: W[l] (n[l], n[l-1]), b[l]
(n[l], 1), Z[l] and A[l] (n[l], m); A[0] is X, Y is (1, m). Edition: 2021; in 2017
`update_parameters` modified its argument, and the first version of that year summed
db over the units and called today's "dA0" "dA1". NumPy alone, no TensorFlow.
"""

import itertools

import numpy as np

from dls_keras.core.errors import InputError
from dls_keras.course1 import numpy_basics, planar_classification

TINY = np.finfo(float).tiny  # replaces 0 in a denominator

# The assignment: the course's functions under the course's signatures.


def sigmoid(Z):
    """1 / (1 + e^-Z) of each element, and Z for the backward pass: (A, cache)."""
    return numpy_basics.sigmoid(Z), Z


def relu(Z):
    """max(0, Z) of each element, and Z for the backward pass: (A, cache)."""
    return np.maximum(0, Z), Z


def sigmoid_backward(dA, cache):
    """dZ = dA * A (1 - A), with A = sigmoid(Z) of the cached Z."""
    A, _ = sigmoid(cache)
    return dA * _derivative_of_sigmoid(A)


def relu_backward(dA, cache):
    """dZ: dA where the cached Z is positive, else 0."""
    return np.where(np.greater(cache, 0), dA, 0.0)


def initialize_parameters(n_x, n_h, n_y):
    """Two layers: normal weights times 0.01 (NumPy seed 1), zero biases.

    Returns:
        Dict of "W1" (n_h, n_x), "b1" (n_h, 1), "W2" (n_y, n_h), "b2" (n_y, 1).
    """
    # The course's seed; the global generator is not used.
    rng = np.random.RandomState(1)
    return planar_classification.initialize_parameters(n_x, n_h, n_y, rng=rng)


def initialize_parameters_deep(layer_dims):
    """Any number of layers: normal weights times 0.01 (NumPy seed 3), zero biases.

    Args:
        layer_dims: the units of each layer, the input first: [n[0], ..., n[L]].

    Returns:
        Dict of "W1" (n[1], n[0]), "b1" (n[1], 1), ..., "WL", "bL".
    """
    rng = np.random.RandomState(3)
    parameters = {}
    for layer, (n_prev, n) in enumerate(itertools.pairwise(layer_dims), start=1):
        parameters[f"W{layer}"] = rng.randn(n, n_prev) * 0.01
        parameters[f"b{layer}"] = np.zeros((n, 1))
    return parameters


def linear_forward(A, W, b):
    """Z = W A + b, and (A, W, b) for the backward pass: (Z, cache)."""
    return W @ A + b, (A, W, b)


def linear_activation_forward(A_prev, W, b, activation):
    """The forward pass of one layer.

    Args:
        activation: "sigmoid" or "relu".

    Returns:
        A: (n[l], m).
        cache: the pair (linear_cache, activation_cache).
    """
    Z, linear_cache = linear_forward(A_prev, W, b)
    activate = _by_name(activation, sigmoid=sigmoid, relu=relu)
    A, activation_cache = activate(Z)
    return A, (linear_cache, activation_cache)


def L_model_forward(X, parameters):
    """The forward pass of all layers: ReLU in the hidden ones, sigmoid in the last.

    Args:
        parameters: dict of "W1", "b1", ..., "WL", "bL".

    Returns:
        AL: (n[L], m), probabilities.
        caches: list of the L layers' caches.
    """
    L = len(parameters) // 2
    A, caches = X, []
    for layer in range(1, L + 1):
        activation = "sigmoid" if layer == L else "relu"
        A, cache = linear_activation_forward(
            A, parameters[f"W{layer}"], parameters[f"b{layer}"], activation
        )
        caches.append(cache)
    return A, caches


def compute_cost(AL, Y):
    """The mean cross-entropy, a float in nats."""
    return planar_classification.compute_cost(AL, Y)


def linear_backward(dZ, cache):
    """The gradients with respect to the input, the weights and the biases.

    Args:
        dZ: (n[l], m).
        cache: (A_prev, W, b), as `linear_forward` returns it.

    Returns:
        dA_prev, dW, db: shaped like A_prev, W and b.
    """
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    dW = dZ @ A_prev.T / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    return W.T @ dZ, dW, db


def linear_activation_backward(dA, cache, activation):
    """The backward pass of one layer: (dA_prev, dW, db)."""
    linear_cache, activation_cache = cache
    activation_backward = _by_name(
        activation, sigmoid=sigmoid_backward, relu=relu_backward
    )
    dZ = activation_backward(dA, activation_cache)
    return linear_backward(dZ, linear_cache)


def L_model_backward(AL, Y, caches):
    """The backward pass of all layers.

    Returns:
        Dict of "dA0", ..., "dA(L-1)", the gradients with respect to each layer's
        input, and "dW1", "db1", ..., "dWL", "dbL".
    """
    grads = {}
    # -Y / AL + (1 - Y) / (1 - AL), brought to a common denominator.
    dA = (AL - np.reshape(Y, AL.shape)) / _derivative_of_sigmoid(AL)
    for layer in range(len(caches), 0, -1):
        activation = "sigmoid" if layer == len(caches) else "relu"
        dA, dW, db = linear_activation_backward(dA, caches[layer - 1], activation)
        grads[f"dA{layer - 1}"] = dA
        grads[f"dW{layer}"], grads[f"db{layer}"] = dW, db
    return grads


def update_parameters(params, grads, learning_rate):
    """One step of gradient descent, as a new dict of parameters."""
    return planar_classification.update_parameters(params, grads, learning_rate)


def _derivative_of_sigmoid(A):
    """A (1 - A), the derivative of the sigmoid in terms of its output, at least `TINY`.

    Where A rounds to 0 or 1 the product is 0. `L_model_backward` divides by it and
    `sigmoid_backward` multiplies by it, so any positive number in its place cancels.
    """
    derivative = A * (1 - A)
    return np.where(np.abs(derivative) < TINY, TINY, derivative)


def _by_name(activation, **functions):
    """The function of that name."""
    if activation not in functions:
        raise InputError(
            f"There is no activation {activation!r}. "
            f"Choose one of {', '.join(functions)}."
        )
    return functions[activation]
