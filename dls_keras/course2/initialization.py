"""Initialization: where a network starts decides how far it gets (C2 W1 A1).

The same network, three layers deep, learns to tell two rings apart from three
different starts. With all weights zero its units stay copies of each other, and
it never does better than a coin. With large random weights it begins by being
wrong and sure of it, and saturated units learn slowly. He's scale keeps the
variance of the signal through each layer of ReLUs, which silence half of it:

    W[l] = randn(n[l], n[l-1]) * sqrt(2 / n[l-1])        b[l] = 0

    linear -> ReLU -> linear -> ReLU -> linear -> sigmoid
    J = -1/m sum(Y log a3 + (1 - Y) log(1 - a3))

Shapes: m points as the columns of X (n_x, m); labels Y (1, m), 0 or 1; layer l
has W[l] (n[l], n[l-1]) and b[l] (n[l], 1). Both editions agree. NumPy alone, no
TensorFlow. Paper: He et al. (2015), https://arxiv.org/abs/1502.01852
"""

import itertools
from typing import NamedTuple

import numpy as np

from dls_keras.core.answers import likeliest
from dls_keras.core.errors import InputError
from dls_keras.course1.numpy_basics import sigmoid
from dls_keras.course1.planar_classification import column
from dls_keras.datasets import planar
from dls_keras.reference import cases

HIDDEN = (10, 5)  # units of the two hidden layers
RINGS = ("outer ring", "inner ring")  # of the labels 0 and 1

# The accuracies that the course prints for each start, on both sets of points.
PRINTED = (("zeros", 0.5, 0.5), ("random", 0.83, 0.86), ("he", 0.99333, 0.96))

# The assignment: the course's functions under the course's signatures.


def relu(x):
    """Each element, or 0 where it is negative."""
    return np.maximum(0, x)


def scaled_normal(layers_dims, scale):
    """Standard normal weights times scale(n[l-1]), biases zero.

    What every start below has in common, and those of the next assignments.

    Args:
        layers_dims: the units of each layer, the input first: [n[0], ..., n[L]].
        scale: a function of the number of inputs of a layer.

    Returns:
        Dict of "W1" (n[1], n[0]), "b1" (n[1], 1), "W2", ..., "bL".
    """
    draw = np.random.RandomState(3)  # the course's seed; nobody else's draws move
    parameters = {}
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(layers_dims), start=1):
        parameters[f"W{layer}"] = draw.randn(n_out, n_in) * scale(n_in)
        parameters[f"b{layer}"] = np.zeros((n_out, 1))
    return parameters


def initialize_parameters_zeros(layers_dims):
    """All weights and biases zero."""
    parameters = scaled_normal(layers_dims, lambda n_in: 1.0)
    return {name: np.zeros_like(value) for name, value in parameters.items()}


def initialize_parameters_random(layers_dims):
    """Standard normal weights (NumPy seed 3) times 10, biases zero."""
    return scaled_normal(layers_dims, lambda n_in: 10.0)


def initialize_parameters_he(layers_dims):
    """Standard normal weights (NumPy seed 3) times sqrt(2 / n[l-1]), biases zero."""
    return scaled_normal(layers_dims, lambda n_in: np.sqrt(2 / n_in))


def forward_propagation(X, parameters):
    """The probability of label 1 for each point.

    Returns:
        a3: (1, m), in [0, 1].
        cache: (z1, a1, W1, b1, z2, a2, W2, b2, z3, a3, W3, b3).
    """
    W1, b1, W2, b2, W3, b3 = (
        parameters[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3")
    )
    z1 = W1 @ X + b1
    a1 = relu(z1)
    z2 = W2 @ a1 + b2
    a2 = relu(z2)
    z3 = W3 @ a2 + b3
    a3 = sigmoid(z3)
    return a3, (z1, a1, W1, b1, z2, a2, W2, b2, z3, a3, W3, b3)


def backward_propagation(X, Y, cache):
    """The gradient of the loss with respect to every value on the way.

    Returns:
        Dict of "dz3", "dW3", "db3", "da2", "dz2", "dW2", "db2", "da1", "dz1",
        "dW1", "db1", each shaped like what it is the gradient of.
    """
    z1, a1, W1, b1, z2, a2, W2, b2, z3, a3, W3, b3 = cache
    dz3 = 1 / X.shape[1] * (a3 - Y)
    da2 = W3.T @ dz3
    dz2 = da2 * (a2 > 0)
    da1 = W2.T @ dz2
    dz1 = da1 * (a1 > 0)
    return {
        "dz3": dz3,
        "dW3": dz3 @ a2.T,
        "db3": dz3.sum(axis=1, keepdims=True),
        "da2": da2,
        "dz2": dz2,
        "dW2": dz2 @ a1.T,
        "db2": dz2.sum(axis=1, keepdims=True),
        "da1": da1,
        "dz1": dz1,
        "dW1": dz1 @ X.T,
        "db1": dz1.sum(axis=1, keepdims=True),
    }


def update_parameters(parameters, grads, learning_rate):
    """One step down the gradient, as a new dict of parameters."""
    return {
        name: value - learning_rate * grads[f"d{name}"]
        for name, value in parameters.items()
    }


def compute_loss(a3, Y):
    """The mean cross-entropy, in nats; infinite where a label has probability 0."""
    # -(y log a + (1 - y) log(1 - a)): of the label that is true, so never 0 log 0.
    with np.errstate(divide="ignore"):  # log 0 = -inf
        return 1 / np.size(Y) * np.sum(-np.log(np.where(Y == 1, a3, 1 - a3)))


def predict(X, y, parameters):
    """1 where the probability exceeds one half, else 0: (1, m); prints the accuracy."""
    p = predict_dec(parameters, X).astype(int)
    print(f"Accuracy: {np.mean(p == y)}")
    return p


def predict_dec(parameters, X):
    """Whether the probability exceeds one half: (1, m) bool."""
    a3, _ = forward_propagation(X, parameters)
    return a3 > 0.5


def model(
    X,
    Y,
    learning_rate=0.01,
    num_iterations=15000,
    print_cost=True,
    initialization="he",
):
    """Learn with layers of 10, 5 and 1 units; return the parameters.

    Args:
        initialization: "zeros", "random" or "he".
    """
    parameters = _start(initialization, X.shape[0])
    steps = _descent(parameters, X, Y, learning_rate, num_iterations)
    for i, cost in enumerate(steps):
        if print_cost and i % 1000 == 0:
            print(f"Cost after iteration {i}: {cost}")
    return parameters


def _start(initialization, n_x):
    """The parameters of layers of n_x, 10, 5 and 1 units before they learn."""
    starts = {
        "zeros": initialize_parameters_zeros,
        "random": initialize_parameters_random,
        "he": initialize_parameters_he,
    }
    if initialization not in starts:
        raise InputError(
            f"There is no initialization {initialization!r}. "
            f"Choose one of {', '.join(starts)}."
        )
    return starts[initialization]([n_x, *HIDDEN, 1])


def _descent(parameters, X, Y, learning_rate, steps):
    """Move `parameters` in place; yield the loss before each of the steps."""
    for _ in range(steps):
        a3, cache = forward_propagation(X, parameters)
        grads = backward_propagation(X, Y, cache)
        yield compute_loss(a3, Y)
        parameters.update(update_parameters(parameters, grads, learning_rate))


# The application: the names that every assignment shares. The model is the dict of
# parameters.


class Circles(NamedTuple):
    """Points of two rings, to learn from and to test on."""

    x: np.ndarray  # (2, 300) float64
    y: np.ndarray  # (1, 300) int64, 1 for the inner ring
    x_test: np.ndarray  # (2, 100) float64
    y_test: np.ndarray  # (1, 100) int64


def load_data():
    """The course's points, generated: `Circles`."""
    return Circles(*planar.make_circles(), *planar.make_circles(100, seed=2))


def build_model(initialization="he"):
    """The network before it learns, its start "zeros", "random" or "he"."""
    return _start(initialization, 2)


def train(model, data, *, epochs=15000, learning_rate=0.01):
    """Fit `model` in place; return the loss before each of the steps, in nats."""
    X, Y, *_ = data
    return list(_descent(model, X, Y, learning_rate, epochs))


def infer(model, point, *, classes=RINGS):
    """Which ring a point belongs to.

    Args:
        point: two numbers, or a text of two such as "0.3, -0.7". The outer ring has
            radius 1, the inner one 0.8.
        classes: what labels 0 and 1 are called.

    Returns:
        An `Answer`, "outer ring" or "inner ring"; `details` holds both
        "probabilities".
    """
    p = forward_propagation(column(point), model)[0].item()
    return likeliest(classes, (1 - p, p))


def evaluate():
    """The course's printed runs, as rows (what, ours, printed).

    The losses of the random start hang on the last bit: units are saturated.
    """
    data = load_data()
    runs = {run.id: run.expected for run in cases.read("c2w1_initialization").runs}
    rows = []
    for start, train_accuracy, test_accuracy in PRINTED:
        model = build_model(start)
        losses = train(model, data)
        printed = runs.get(f"circles_{start}", {}).get("#0:printed_costs", {})
        rows += [
            (f"{start}: cost after iteration {i}", losses[int(i)], cost)
            for i, cost in printed.items()
        ]
        right = np.mean(predict_dec(model, data.x) == data.y)
        rows.append((f"{start}: train accuracy", right, train_accuracy))
        right = np.mean(predict_dec(model, data.x_test) == data.y_test)
        rows.append((f"{start}: test accuracy", right, test_accuracy))
    return rows


def picture(model, point, *, classes=RINGS, data=None):
    """The point on the plane as the network colours it, a matplotlib figure.

    Args:
        classes: what labels 0 and 1 are called.
        data: x and y, the points to show; by default those of `load_data`.
    """
    from dls_keras import plots  # matplotlib: late, so that answers come without it

    x, y, *_ = data or load_data()
    title = f"The star: {infer(model, point, classes=classes)}"
    figure = plots.decision_boundary(lambda X: predict_dec(model, X), x, y, title=title)
    figure.axes[0].plot(*column(point), "*", color="black", markersize=16)
    return figure
