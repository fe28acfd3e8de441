"""Gradient descent in dual form against the lessons' loops, step by step."""

import numpy as np
from forms import Form

from dls_keras.course1 import deep_network_application as dna
from dls_keras.course1 import logistic_regression as lr
from dls_keras.fast import dual_descent


def logistic_regression(w, b, X, Y, steps, learning_rate):
    """The loop of `logistic_regression.optimize`, with the cost of every step."""
    losses = []
    for _ in range(steps):
        grads, cost = lr.propagate(w, b, X, Y)
        w, b = w - learning_rate * grads["dw"], b - learning_rate * grads["db"]
        losses.append(cost)
    return w, b, losses


def deep_network(parameters, X, Y, steps, learning_rate):
    """The loop of `deep_network_application`, with the cost of every step."""
    losses = []
    for _ in range(steps):
        AL, caches = dna.L_model_forward(X, parameters)
        losses.append(dna.compute_cost(AL, Y))
        grads = dna.L_model_backward(AL, Y, caches)
        parameters = dna.update_parameters(parameters, grads, learning_rate)
    return parameters, losses


def one_neuron(n_x, m, steps):
    """Random weights, bias, examples and labels; z is within about [-10, 10]."""

    def inputs():
        rng = np.random.default_rng(n_x + m)
        X, Y = rng.normal(size=(n_x, m)), rng.integers(2, size=(1, m))
        return rng.normal(size=(n_x, 1)), rng.normal(), X, Y, steps, 0.3

    return inputs


def layers(dims, m, steps):
    """Random parameters, biases included, and random examples and labels."""

    def inputs():
        rng = np.random.default_rng(m)
        parameters = dna.initialize_parameters_deep(dims)
        for layer in range(1, len(dims)):
            parameters[f"b{layer}"] = rng.normal(size=(dims[layer], 1)) / 10
        X, Y = rng.normal(size=(dims[0], m)), rng.integers(2, size=(1, m))
        return parameters, X, Y, steps, 0.05

    return inputs


FORMS = [
    # Steps are computed in blocks of 50.
    *(
        Form(
            f"logistic regression, n_x = {n_x}, m = {m}, {steps} steps",
            dual_descent.logistic_regression,
            logistic_regression,
            one_neuron(n_x, m, steps),
            rtol=0,
            atol=1e-12,
        )
        for n_x, m, steps in (
            (1, 1, 0),
            (1, 1, 3),
            (8, 3, 50),
            (2, 12, 130),
            (200, 20, 250),
        )
    ),
    *(
        Form(
            f"deep network, layers of {dims} units, m = {m}, {steps} steps",
            dual_descent.deep_network,
            deep_network,
            layers(dims, m, steps),
            rtol=0,
            atol=1e-9,  # rounding errors of 1e-16 grow in a deep network
        )
        for dims, m, steps in (
            ((3, 1), 4, 0),
            ((5, 1), 7, 50),
            ((8, 4, 1), 3, 120),
            ((2, 5, 3, 1), 10, 220),
            ((200, 5, 4, 3, 2, 1), 20, 101),
        )
    ),
]
