"""A deep network, step by step: any number of layers, forward and back (C1 W4 A1).

Each layer is linear and then bends; the hidden ones with ReLU, the last with the
sigmoid. The forward pass keeps what the backward pass will ask for (the caches),
and the backward pass hands the gradient of a layer's output to the layer below:

    Z[l] = W[l] A[l-1] + b[l]             A[l] = g[l](Z[l])
    J = -1/m sum(Y log A[L] + (1 - Y) log(1 - A[L]))

    dA[L] = -Y / A[L] + (1 - Y) / (1 - A[L])
    dZ[l] = dA[l] * g[l]'(Z[l])           dA[l-1] = W[l].T dZ[l]
    dW[l] = 1/m dZ[l] A[l-1].T            db[l] = 1/m sum dZ[l]

Shapes: m examples as columns; layer l has n[l] units: W[l] (n[l], n[l-1]), b[l]
(n[l], 1), Z[l] and A[l] (n[l], m); A[0] is X, Y is (1, m). Edition: 2021; in 2017
`update_parameters` changed its argument, and the first version of that year summed
db over the units and called today's "dA0" "dA1". NumPy alone, no TensorFlow.
"""

import itertools

import numpy as np

from dls_keras.core.errors import InputError
from dls_keras.course1 import numpy_basics, planar_classification

TINY = np.finfo(float).tiny  # stands in for 0 where it would divide

# The assignment: the course's functions under the course's signatures.


def sigmoid(Z):
    """1 / (1 + e^-Z) of each element, and Z to remember: (A, cache)."""
    return numpy_basics.sigmoid(Z), Z


def relu(Z):
    """Each element, or 0 where it is negative, and Z to remember: (A, cache)."""
    return np.maximum(0, Z), Z


def sigmoid_backward(dA, cache):
    """dZ, the gradient before the sigmoid, from dA, the one after it."""
    A, _ = sigmoid(cache)
    return dA * _sigmoid_slope(A)


def relu_backward(dA, cache):
    """dZ, the gradient before the ReLU, which passes it on where Z is positive."""
    return np.where(np.greater(cache, 0), dA, 0.0)


def initialize_parameters(n_x, n_h, n_y):
    """Two layers: small normal weights (NumPy seed 1), zero biases.

    Returns:
        Dict of "W1" (n_h, n_x), "b1" (n_h, 1), "W2" (n_y, n_h), "b2" (n_y, 1).
    """
    draw = np.random.RandomState(1)  # the course's seed; nobody else's draws move
    return planar_classification.initialize_parameters(n_x, n_h, n_y, draw=draw)


def initialize_parameters_deep(layer_dims):
    """Any number of layers: small normal weights (NumPy seed 3), zero biases.

    Args:
        layer_dims: the units of each layer, the input first: [n[0], ..., n[L]].

    Returns:
        Dict of "W1" (n[1], n[0]), "b1" (n[1], 1), ..., "WL", "bL".
    """
    draw = np.random.RandomState(3)
    parameters = {}
    for layer, (n_prev, n) in enumerate(itertools.pairwise(layer_dims), start=1):
        parameters[f"W{layer}"] = draw.randn(n, n_prev) * 0.01
        parameters[f"b{layer}"] = np.zeros((n, 1))
    return parameters


def linear_forward(A, W, b):
    """Z = W A + b, and (A, W, b) to remember: (Z, cache)."""
    return W @ A + b, (A, W, b)


def linear_activation_forward(A_prev, W, b, activation):
    """One layer.

    Args:
        activation: "sigmoid" or "relu".

    Returns:
        A: (n[l], m).
        cache: the pair of what the linear part and the activation remember.
    """
    Z, linear_cache = linear_forward(A_prev, W, b)
    bend = _choose(activation, sigmoid=sigmoid, relu=relu)
    A, activation_cache = bend(Z)
    return A, (linear_cache, activation_cache)


def L_model_forward(X, parameters):
    """All layers, ReLU but for the last.

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
    """The gradients of the linear part's input, weights and biases.

    Args:
        dZ: (n[l], m).
        cache: (A_prev, W, b), as `linear_forward` remembers them.

    Returns:
        dA_prev, dW, db: shaped like A_prev, W and b.
    """
    A_prev, W, _ = cache
    m = A_prev.shape[1]
    dW = dZ @ A_prev.T / m
    db = np.sum(dZ, axis=1, keepdims=True) / m
    return W.T @ dZ, dW, db


def linear_activation_backward(dA, cache, activation):
    """One layer backward: (dA_prev, dW, db) from dA and the layer's cache."""
    linear_cache, activation_cache = cache
    unbend = _choose(activation, sigmoid=sigmoid_backward, relu=relu_backward)
    return linear_backward(unbend(dA, activation_cache), linear_cache)


def L_model_backward(AL, Y, caches):
    """All layers backward.

    Returns:
        Dict of "dA0", ..., "dA(L-1)", the gradients of each layer's input, and
        "dW1", "db1", ..., "dWL", "dbL".
    """
    grads = {}
    # -Y / AL + (1 - Y) / (1 - AL), over one denominator.
    dA = (AL - np.reshape(Y, AL.shape)) / _sigmoid_slope(AL)
    for layer in range(len(caches), 0, -1):
        activation = "sigmoid" if layer == len(caches) else "relu"
        dA, dW, db = linear_activation_backward(dA, caches[layer - 1], activation)
        grads[f"dA{layer - 1}"] = dA
        grads[f"dW{layer}"], grads[f"db{layer}"] = dW, db
    return grads


def update_parameters(params, grads, learning_rate):
    """One step down the gradient, as a new dict of parameters."""
    return planar_classification.update_parameters(params, grads, learning_rate)


def _sigmoid_slope(A):
    """A (1 - A), the sigmoid's slope where its value is A, never quite zero.

    Where A is 0 or 1 to the last bit its slope is lost. `L_model_backward` divides
    by it and `sigmoid_backward` multiplies, so any number in its place cancels.
    """
    slope = A * (1 - A)
    return np.where(np.abs(slope) < TINY, TINY, slope)


def _choose(activation, **known):
    """The function of that name."""
    if activation not in known:
        raise InputError(
            f"There is no activation {activation!r}. Choose one of {', '.join(known)}."
        )
    return known[activation]
