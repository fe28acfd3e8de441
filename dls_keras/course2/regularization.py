"""Regularization: prevent a network from fitting the noise of its data (C2 W1 A2).

A network with more parameters than the data can determine fits single points, with a
ragged decision boundary. L2 regularization adds a penalty for large weights to the
cost, which makes the boundary smooth. Dropout sets random units to zero in each
training step, so that no unit can rely on another:

    L2       J = cross-entropy + lambd / 2m sum(W^2)    dW = ... + lambd / m W
    dropout  A = A * D / keep_prob,  D = 1 with probability keep_prob, else 0

The division by keep_prob keeps the mean of A (inverted dropout), so nothing needs to
change at test time. Two more methods of the lectures are included: `early_stopping`
returns to the parameters with the smallest cost on held-out points, and `augment`
adds perturbed copies of the training points.

Shapes: m positions on a football field as the columns of X (2, m); labels Y (1, m),
1 where a French player heads the ball; layer l has W[l] (n[l], n[l-1]) and b[l]
(n[l], 1). Both editions agree. In both, the dropout function seeds NumPy in each call,
so every training step uses the same masks. This is the default here, too; the argument
`rng` samples new ones. NumPy alone, no TensorFlow. Paper: Srivastava et al. (2014),
https://jmlr.org/papers/v15/srivastava14a.html
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from dls_keras.core import examples, inputs
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course2 import initialization
from dls_keras.course2.initialization import (  # noqa: F401
    compute_loss,
    forward_propagation,
    predict,
    predict_dec,
    relu,
    scaled_normal,
    sigmoid,
    update_parameters,
)
from dls_keras.datasets import planar

HIDDEN = (20, 3)  # units of the two hidden layers
TEAMS = ("the other team", "France")  # names of the labels 0 and 1
EXTENT = (-0.8, 0.5, -0.9, 0.8)  # left, right, bottom, top of the picture of the field

# What the course prints: name, settings, costs after each 10000 steps, and the
# accuracies on the training and the test points.
PRINTED = (
    (
        "plain",
        {"keep_prob": 1},
        (0.6557412523481002, 0.1632998752572417, 0.13851642423262905),
        (0.9478672985781991, 0.915),
    ),
    (
        "L2",
        {"keep_prob": 1, "lambd": 0.7},
        (0.6974484493131264, 0.2684918873282238, 0.2680916337127301),
        (0.9383886255924171, 0.93),
    ),
    (
        "dropout",
        {"keep_prob": 0.86},
        (0.6543912405149825, 0.0610169865749056, 0.060582435798513114),
        (0.9289099526066351, 0.95),
    ),
)

# The assignment: the course's functions under the course's signatures. Those that are
# the same as in the previous assignment are imported.


def initialize_parameters(layer_dims):
    """Standard normal weights (NumPy seed 3) / sqrt(n[l-1]), biases zero.

    Returns:
        Dict of "W1" (n[1], n[0]), "b1" (n[1], 1), "W2", ..., "bL".
    """
    return scaled_normal(layer_dims, lambda n_in: 1 / np.sqrt(n_in))


def compute_cost(a3, Y):
    """The mean cross-entropy, in nats; infinite if a true label has probability 0."""
    return compute_loss(a3, Y)


def compute_cost_with_regularization(A3, Y, parameters, lambd):
    """Cross-entropy plus the L2 penalty lambd / (2m) * sum(W**2)."""
    squares = sum(np.sum(np.square(parameters[name])) for name in ("W1", "W2", "W3"))
    return compute_cost(A3, Y) + lambd / (2 * Y.shape[1]) * squares


def backward_propagation(X, Y, cache):
    """The backward pass of `forward_propagation`.

    Returns:
        Dict of "dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1", "dW1",
        "db1"; dA and dZ are gradients of the sum of the losses, dW and db of their
        mean.
    """
    _, A1, _, _, _, A2, W2, _, _, A3, W3, _ = cache
    return _gradients(X, Y, A1, W2, A2, W3, A3)


def backward_propagation_with_regularization(X, Y, cache, lambd):
    """The backward pass with L2: dW also has the gradient of the penalty."""
    grads = backward_propagation(X, Y, cache)
    _, _, W1, _, _, _, W2, _, _, _, W3, _ = cache
    for name, W in (("dW1", W1), ("dW2", W2), ("dW3", W3)):
        grads[name] = grads[name] + lambd / X.shape[1] * W
    return grads


def forward_propagation_with_dropout(X, parameters, keep_prob=0.5, *, rng=None):
    """The forward pass with dropout: the probability of label 1 for each point.

    Args:
        keep_prob: the probability to keep a hidden unit, in (0, 1].
        rng: the `np.random.RandomState` from which the masks are sampled; None uses
            seed 1 in every call, as the course does.

    Returns:
        A3: (1, m).
        cache: (Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3), where A1 and A2
            are already masked and scaled, and the masks D1 and D2 are bool.

    Raises:
        InputError: if keep_prob is not in (0, 1].
    """
    if not 0 < keep_prob <= 1:
        raise InputError(
            f"keep_prob is {keep_prob}, expected a probability above 0 and up to 1."
        )
    rng = rng or np.random.RandomState(1)
    W1, b1, W2, b2, W3, b3 = (
        parameters[name] for name in ("W1", "b1", "W2", "b2", "W3", "b3")
    )
    Z1 = W1 @ X + b1
    A1 = relu(Z1)
    D1 = rng.rand(*A1.shape) < keep_prob
    A1 = A1 * D1 / keep_prob
    Z2 = W2 @ A1 + b2
    A2 = relu(Z2)
    D2 = rng.rand(*A2.shape) < keep_prob
    A2 = A2 * D2 / keep_prob
    Z3 = W3 @ A2 + b3
    A3 = sigmoid(Z3)
    return A3, (Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3)


def backward_propagation_with_dropout(X, Y, cache, keep_prob):
    """The backward pass with dropout: the same masks and scale apply to dA."""
    _, D1, A1, _, _, _, D2, A2, W2, _, _, A3, W3, _ = cache
    return _gradients(X, Y, A1, W2, A2, W3, A3, D1 / keep_prob, D2 / keep_prob)


def _gradients(X, Y, A1, W2, A2, W3, A3, mask1=1, mask2=1):
    """All gradients; the masks are the factors of dropout, 0 or 1 / keep_prob."""
    m = X.shape[1]
    dZ3 = A3 - Y
    dA2 = W3.T @ dZ3 * mask2
    dZ2 = dA2 * (A2 > 0)
    dA1 = W2.T @ dZ2 * mask1
    dZ1 = dA1 * (A1 > 0)
    return {
        "dZ3": dZ3,
        "dW3": 1 / m * dZ3 @ A2.T,
        "db3": 1 / m * dZ3.sum(axis=1, keepdims=True),
        "dA2": dA2,
        "dZ2": dZ2,
        "dW2": 1 / m * dZ2 @ A1.T,
        "db2": 1 / m * dZ2.sum(axis=1, keepdims=True),
        "dA1": dA1,
        "dZ1": dZ1,
        "dW1": 1 / m * dZ1 @ X.T,
        "db1": 1 / m * dZ1.sum(axis=1, keepdims=True),
    }


def gradient_descent(
    parameters: dict[str, np.ndarray],
    X: np.ndarray,
    Y: np.ndarray,
    steps: int,
    learning_rate: float,
    *,
    lambd: float = 0,
    keep_prob: float = 1,
    rng: Any = None,
) -> Iterator[float]:
    """Train `parameters` in place; yield the cost before each of the steps.

    Raises:
        InputError: if both L2 and dropout are requested; the course combines them
            nowhere.
    """
    if lambd and keep_prob != 1:
        raise InputError(
            f"lambd={lambd} and keep_prob={keep_prob} request L2 and dropout at once. "
            "Choose one: lambd=0, or keep_prob=1."
        )
    for _ in range(steps):
        if keep_prob == 1:
            A3, cache = forward_propagation(X, parameters)
            grads = backward_propagation_with_regularization(X, Y, cache, lambd)
        else:
            A3, cache = forward_propagation_with_dropout(
                X, parameters, keep_prob, rng=rng
            )
            grads = backward_propagation_with_dropout(X, Y, cache, keep_prob)
        yield compute_cost_with_regularization(A3, Y, parameters, lambd)
        parameters.update(update_parameters(parameters, grads, learning_rate))


def model(
    X,
    Y,
    learning_rate=0.3,
    num_iterations=30000,
    print_cost=True,
    lambd=0,
    keep_prob=1,
):
    """Train a network of 20, 3 and 1 units; return the parameters.

    Args:
        print_cost: print the cost before steps 0, 10000, 20000, ...
        lambd: the factor of the L2 penalty; 0 for none.
        keep_prob: the probability that dropout keeps a unit; 1 for no dropout.

    Raises:
        InputError: if both L2 and dropout are requested.
    """
    parameters = initialize_parameters([X.shape[0], *HIDDEN, 1])
    settings = {"lambd": lambd, "keep_prob": keep_prob}
    costs = gradient_descent(
        parameters, X, Y, num_iterations, learning_rate, **settings
    )
    for i, cost in enumerate(costs):
        if print_cost and i % 10000 == 0:
            print(f"Cost after iteration {i}: {cost}")
    return parameters


# Beyond the assignment: two more methods of the lectures.


def early_stopping(
    parameters: dict[str, np.ndarray],
    X: np.ndarray,
    Y: np.ndarray,
    X_dev: np.ndarray,
    Y_dev: np.ndarray,
    learning_rate: float = 0.3,
    num_iterations: int = 30000,
    patience: int = 2000,
) -> tuple[list[float], list[float]]:
    """Train `parameters` in place, and restore the best ones on held-out points.

    Training is that of `model` without L2 and dropout. The restored parameters are
    those with the smallest cost on the held-out points.

    Args:
        X_dev: (n_x, m_dev), held-out points; Y_dev (1, m_dev), their labels.
        patience: stop after this many steps without a smaller held-out cost.

    Returns:
        costs, dev_costs: before each step, in nats.
    """
    costs, dev_costs, best, kept = [], [], 0, dict(parameters)
    for cost in gradient_descent(parameters, X, Y, num_iterations, learning_rate):
        costs.append(cost)
        dev_costs.append(compute_cost(forward_propagation(X_dev, parameters)[0], Y_dev))
        if dev_costs[-1] <= dev_costs[best]:
            best, kept = len(dev_costs) - 1, dict(parameters)
        if len(dev_costs) - best > patience:
            break
    parameters.update(kept)
    return costs, dev_costs


def augment(
    X: np.ndarray, Y: np.ndarray, copies: int = 9, noise: float = 0.05, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """The points followed by copies with Gaussian noise (data augmentation).

    A position nearby belongs to the same team, as a mirrored cat is still a cat.

    Args:
        noise: standard deviation of the noise, in units of X.

    Returns:
        X: (n_x, (1 + copies) m).
        Y: (1, (1 + copies) m).
    """
    rng = np.random.default_rng(seed)
    moved = X + rng.normal(scale=noise, size=(copies, *X.shape))  # (copies, n_x, m)
    return np.hstack([X, *moved]), np.tile(Y, 1 + copies)


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data(*, synthetic: bool = False) -> planar.Football:
    """Positions where a ball came down and who headed it: the course's points.

    Args:
        synthetic: points of two moons in their place; needs no files.
    """
    return planar.load_football(synthetic=synthetic)


def build_model() -> dict[str, np.ndarray]:
    """The untrained network of the course."""
    return initialize_parameters([2, *HIDDEN, 1])


@examples.accepted(columns=True)
def train(
    model: dict[str, np.ndarray],
    data: tuple,
    *,
    epochs: int = 30000,
    learning_rate: float = 0.3,
    lambd: float = 0.0,
    keep_prob: float = 0.86,
    rng: np.random.RandomState | None = None,
) -> list[float]:
    """Fit `model` in place, by default with the course's dropout.

    The loop is written in NumPy and takes no callbacks.

    Args:
        lambd: the factor of the L2 penalty; needs keep_prob=1.
        keep_prob: the probability that dropout keeps a unit.
        rng: the generator that samples new masks in each step; None uses the same
            masks in every step, as the course does.

    Returns:
        The cost before each of the steps, in nats, including the L2 penalty.
    """
    X, Y, *_ = data
    return list(
        gradient_descent(
            model,
            X,
            Y,
            epochs,
            learning_rate,
            lambd=lambd,
            keep_prob=keep_prob,
            rng=rng,
        )
    )


@inputs.batched(inputs.POINT)
def infer(model: dict[str, np.ndarray], places: Any) -> list[Answer]:
    """Which team heads a ball that comes down at a position.

    Args:
        places: a position, which is two numbers within about 0.8 of (0, 0) or a string
            of two such as "0.3, -0.2", or a list of positions.

    Returns:
        "the other team" or "France". The confidence is its probability, the output of
        the sigmoid or one minus it; `details["probabilities"]` holds both.
    """
    return initialization.infer(model, places, classes=TEAMS, extent=EXTENT)


def evaluate(*, synthetic: bool = False) -> list[Row]:
    """Compare the course's runs with the printed numbers; measure the other methods.

    Args:
        synthetic: the same on the points of two moons, whose rows say so and are
            compared with nothing; needs no files.
    """
    data = load_data(synthetic=synthetic)

    def accuracies(name, model, train_goal=None, test_goal=None):
        return [
            Row(
                f"{name}: {part} accuracy",
                np.mean(predict_dec(model, X) == Y),
                equals=goal,
            )
            for part, X, Y, goal in (
                ("training", data.x, data.y, train_goal),
                ("test", data.x_test, data.y_test, test_goal),
            )
        ]

    rows = []
    for name, settings, printed, goals in PRINTED:
        network = build_model()
        losses = train(network, data, **settings)
        rows += [
            Row(
                f"{name}: cost after iteration {10000 * i}", losses[10000 * i], equals=c
            )
            for i, c in enumerate(printed)
        ]
        rows += accuracies(name, network, *goals)

    network = build_model()
    train(network, data, rng=np.random.RandomState(0))
    rows += accuracies("dropout, new masks in each step", network)

    dev = np.arange(data.y.size) % 4 == 0  # every fourth point is held out
    kept, held_out = ((data.x[:, part], data.y[:, part]) for part in (~dev, dev))
    stopped, network = build_model(), build_model()
    early_stopping(stopped, *kept, *held_out)
    train(network, kept, keep_prob=1)
    for name, trained in (
        ("early stopping, a quarter of the points held out", stopped),
        ("same points without early stopping", network),
    ):
        rows += accuracies(name, trained)
        A3, _ = forward_propagation(data.x_test, trained)
        rows.append(Row(f"{name}: test cost", compute_cost(A3, data.y_test)))

    network = build_model()
    train(network, augment(data.x, data.y), epochs=10000, keep_prob=1)
    rows += accuracies("data augmentation", network)
    if synthetic:
        rows = [Row(f"synthetic points, {row.what}", row.ours) for row in rows]
    return rows


def picture(place: Any, answer: Answer) -> Any:
    """The position as a star among the data, on the network's classes of the plane.

    A matplotlib figure. The course's points are shown where they are available.
    """
    points: tuple = (np.empty((2, 0)), np.empty((1, 0), "int64"))
    with contextlib.suppress(MissingFileError):
        points = load_data()
    return initialization.picture(place, answer, data=points)
