"""Initialization: the initial weights decide how well a network trains (C2 W1 A1).

The same three-layer network learns to separate two concentric rings, from three
initializations. With all weights zero, the units of a layer remain identical, and the
accuracy stays at 50 %. With large random weights, the first outputs are confident and
wrong, and saturated units learn slowly. He initialization keeps the mean square of the
activations the same in all layers, although each ReLU sets about half of them to zero:

    W[l] = randn(n[l], n[l-1]) * sqrt(2 / n[l-1])        b[l] = 0

    linear -> ReLU -> linear -> ReLU -> linear -> sigmoid
    J = -1/m sum(Y log a3 + (1 - Y) log(1 - a3))

Shapes: m points as the columns of X (n_x, m); labels Y (1, m), 0 or 1; layer l
has W[l] (n[l], n[l-1]) and b[l] (n[l], 1). Both editions agree. NumPy alone, no
TensorFlow. Paper: He et al. (2015), https://arxiv.org/abs/1502.01852
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from dls_keras.core import examples, inputs
from dls_keras.core.answers import Answer, Row, likeliest
from dls_keras.core.errors import InputError
from dls_keras.course1.numpy_basics import sigmoid
from dls_keras.course1.planar_classification import class_map, columns, plot_answer
from dls_keras.datasets import planar
from dls_keras.reference import cases

HIDDEN = (10, 5)  # units of the two hidden layers
RINGS = ("outer ring", "inner ring")  # names of the labels 0 and 1
EXTENT = (-1.3, 1.3, -1.3, 1.3)  # left, right, bottom, top of the picture of the rings

# The accuracies that the course prints for each initialization, training and test.
PRINTED = (("zeros", 0.5, 0.5), ("random", 0.83, 0.86), ("he", 0.99333, 0.96))

# The assignment: the course's functions under the course's signatures.


def relu(x):
    """max(0, x) of each element."""
    return np.maximum(0, x)


def scaled_normal(
    layers_dims: Sequence[int], scale: Callable[[int], float]
) -> dict[str, np.ndarray]:
    """Standard normal weights (NumPy seed 3) times scale(n[l-1]), biases zero.

    The common part of the initializations below and of the next assignments.

    Args:
        layers_dims: the units of each layer, the input first: [n[0], ..., n[L]].
        scale: a function of the number of inputs of a layer.

    Returns:
        Dict of "W1" (n[1], n[0]), "b1" (n[1], 1), "W2", ..., "bL".
    """
    # The course's seed; the global generator is not used.
    rng = np.random.RandomState(3)
    parameters = {}
    for layer, (n_in, n_out) in enumerate(itertools.pairwise(layers_dims), start=1):
        parameters[f"W{layer}"] = rng.randn(n_out, n_in) * scale(n_in)
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
    """The forward pass: the probability of label 1 for each point.

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
    """The backward pass: the gradient of the loss.

    Returns:
        Dict of "dz3", "dW3", "db3", "da2", "dz2", "dW2", "db2", "da1", "dz1", "dW1",
        "db1", each in the shape of the variable after the d.
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
    """One step of gradient descent, as a new dict of parameters."""
    return {
        name: value - learning_rate * grads[f"d{name}"]
        for name, value in parameters.items()
    }


def compute_loss(a3, Y):
    """The mean cross-entropy, in nats; infinite if a true label has probability 0."""
    # One of the two terms of -(y log a + (1 - y) log(1 - a)) is 0. Only the other one
    # is computed, so 0 log 0 does not occur.
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


def gradient_descent(
    parameters: dict[str, np.ndarray],
    X: np.ndarray,
    Y: np.ndarray,
    steps: int,
    learning_rate: float,
) -> Iterator[float]:
    """Train `parameters` in place; yield the loss before each of the steps."""
    for _ in range(steps):
        a3, cache = forward_propagation(X, parameters)
        yield compute_loss(a3, Y)
        grads = backward_propagation(X, Y, cache)
        parameters.update(update_parameters(parameters, grads, learning_rate))


def model(
    X,
    Y,
    learning_rate=0.01,
    num_iterations=15000,
    print_cost=True,
    initialization="he",
):
    """Train a network of 10, 5 and 1 units; return the parameters.

    Args:
        print_cost: print the loss before steps 0, 1000, 2000, ...
        initialization: "zeros", "random" or "he".
    """
    parameters = _initialize(initialization, X.shape[0])
    losses = gradient_descent(parameters, X, Y, num_iterations, learning_rate)
    for i, cost in enumerate(losses):
        if print_cost and i % 1000 == 0:
            print(f"Cost after iteration {i}: {cost}")
    return parameters


def _initialize(initialization, n_x):
    """The initial parameters of a network of n_x inputs and 10, 5 and 1 units."""
    functions = {
        "zeros": initialize_parameters_zeros,
        "random": initialize_parameters_random,
        "he": initialize_parameters_he,
    }
    if initialization not in functions:
        raise InputError(
            f"There is no initialization {initialization!r}. "
            f"Choose one of {', '.join(functions)}."
        )
    return functions[initialization]([n_x, *HIDDEN, 1])


# The application: the names that every assignment shares. The model is the dict of
# parameters.


class Circles(NamedTuple):
    """Points of two rings: training and test points."""

    x: np.ndarray  # (2, 300) float64
    y: np.ndarray  # (1, 300) int64, 1 for the inner ring
    x_test: np.ndarray  # (2, 100) float64
    y_test: np.ndarray  # (1, 100) int64


def load_data(*, synthetic: bool = False) -> Circles:
    """The course's points, which are synthetic.

    Args:
        synthetic: changes nothing, since these data are generated anyway.
    """
    return Circles(*planar.make_circles(), *planar.make_circles(100, seed=2))


def build_model(initialization: str = "he") -> dict[str, np.ndarray]:
    """The untrained network.

    Args:
        initialization: "zeros", "random" or "he".
    """
    return _initialize(initialization, 2)


@examples.accepted(columns=True)
def train(
    model: dict[str, np.ndarray],
    data: tuple,
    *,
    epochs: int = 15000,
    learning_rate: float = 0.01,
) -> list[float]:
    """Fit `model` in place; return the loss before each of the steps, in nats.

    The loop is written in NumPy and takes no callbacks.
    """
    X, Y, *_ = data
    return list(gradient_descent(model, X, Y, epochs, learning_rate))


@inputs.batched(inputs.POINT)
def infer(
    model: dict[str, np.ndarray],
    points: Any,
    *,
    classes: Sequence[str] = RINGS,
    extent: tuple[float, float, float, float] = EXTENT,
) -> list[Answer]:
    """Which ring a point belongs to.

    Args:
        points: a point, which is two numbers or a string of two such as "0.3, -0.7", or
            a list of points. The outer ring has radius 1, the inner one 0.8.
        classes: the names of the labels 0 and 1.
        extent: left, right, bottom and top of the picture.

    Returns:
        One of `classes`, by default "outer ring" or "inner ring". The confidence is its
        probability, the output of the sigmoid or one minus it;
        `details["probabilities"]` holds both.
    """
    (probabilities,) = forward_propagation(columns(points), model)[0]
    drawn = class_map(lambda X: predict_dec(model, X), extent)
    return [likeliest(classes, (1 - p, p), for_picture=drawn) for p in probabilities]


def evaluate(*, synthetic: bool = False) -> list[Row]:
    """Compare the course's runs, one per initialization, with the printed numbers.

    The losses of the random initialization depend on rounding, as units are saturated.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    data = load_data()
    runs = {run.id: run.expected for run in cases.read("c2w1_initialization").runs}
    rows = []
    for name, train_accuracy, test_accuracy in PRINTED:
        model = build_model(name)
        losses = train(model, data)
        printed = runs.get(f"circles_{name}", {}).get("#0:printed_costs", {})
        rows += [
            Row(f"{name}: cost after iteration {i}", losses[int(i)], equals=cost)
            for i, cost in printed.items()
        ]
        for part, x, y, goal in (
            ("training", data.x, data.y, train_accuracy),
            ("test", data.x_test, data.y_test, test_accuracy),
        ):
            accuracy = np.mean(predict_dec(model, x) == y)
            rows.append(Row(f"{name}: {part} accuracy", accuracy, equals=goal))
    return rows


def picture(point: Any, answer: Answer, *, data: tuple | None = None) -> Any:
    """The point as a star among the data, on the network's classes of the plane.

    A matplotlib figure.

    Args:
        data: x and y, the points to show; by default those of `load_data`.
    """
    return plot_answer(point, answer, data or load_data(), title=f"The star: {answer}")
