"""Regularization: keeping a network from learning the noise (C2 W1 A2).

A network with more parameters than the data can bind draws a border around single
points. L2 charges it for large weights, so the border stays smooth; dropout
silences units at random, so that none can rely on another:

    L2       J = cross-entropy + lambd / 2m sum(W^2)    dW = ... + lambd / m W
    dropout  A = A * D / keep_prob,  D = 1 with probability keep_prob, else 0

The division keeps the mean of A, so nothing changes when the network is used. Two
more ways of the lectures stand beside them: `early_stopping` takes the parameters
from when the loss on held-out points was smallest, and `augmented` makes more
points of the ones there are.

Shapes: m places on a football field as the columns of X (2, m); labels Y (1, m),
1 where a French player heads the ball; layer l has W[l] (n[l], n[l-1]) and b[l]
(n[l], 1). Both editions agree. In both, dropout seeds NumPy at every call, so a
training silences the same units of the same points at every step: that is here
the default, and `rng` draws anew. NumPy alone, no TensorFlow. Paper: Srivastava et
al. (2014), https://jmlr.org/papers/v15/srivastava14a.html
"""

import numpy as np

from dls_keras.core.errors import InputError
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
TEAMS = ("the other team", "France")  # of the labels 0 and 1

# What the course prints: name, settings, costs after each 10000 steps, and the
# accuracies on the points learnt and on the others.
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

# The assignment: the course's functions under the course's signatures. Those that
# are the same as in the assignment before are imported.


def initialize_parameters(layer_dims):
    """Standard normal weights (NumPy seed 3) / sqrt(n[l-1]), biases zero.

    Returns:
        Dict of "W1" (n[1], n[0]), "b1" (n[1], 1), "W2", ..., "bL".
    """
    return scaled_normal(layer_dims, lambda n_in: 1 / np.sqrt(n_in))


def compute_cost(a3, Y):
    """The mean cross-entropy, in nats; infinite where a label has probability 0."""
    return compute_loss(a3, Y)


def compute_cost_with_regularization(A3, Y, parameters, lambd):
    """The cross-entropy and, beside it, lambd / 2m times all squared weights."""
    squares = sum(np.sum(np.square(parameters[name])) for name in ("W1", "W2", "W3"))
    return compute_cost(A3, Y) + lambd / (2 * Y.shape[1]) * squares


def backward_propagation(X, Y, cache):
    """The gradient of the cost of `forward_propagation`.

    Returns:
        Dict of "dZ3", "dW3", "db3", "dA2", "dZ2", "dW2", "db2", "dA1", "dZ1",
        "dW1", "db1"; dA and dZ are those of the sum of the losses, dW and db
        those of their mean.
    """
    _, A1, _, _, _, A2, W2, _, _, A3, W3, _ = cache
    return _backward(X, Y, A1, W2, A2, W3, A3)


def backward_propagation_with_regularization(X, Y, cache, lambd):
    """The gradient with L2: each weight is also pulled towards zero."""
    grads = backward_propagation(X, Y, cache)
    _, _, W1, _, _, _, W2, _, _, _, W3, _ = cache
    for name, W in (("dW1", W1), ("dW2", W2), ("dW3", W3)):
        grads[name] = grads[name] + lambd / X.shape[1] * W
    return grads


def forward_propagation_with_dropout(X, parameters, keep_prob=0.5, *, rng=None):
    """The probability of label 1 when each hidden unit stays with keep_prob.

    Args:
        keep_prob: in (0, 1].
        rng: a `np.random.RandomState` to draw the masks from; None draws those of
            the course, from seed 1 at every call.

    Returns:
        A3: (1, m).
        cache: (Z1, D1, A1, W1, b1, Z2, D2, A2, W2, b2, Z3, A3, W3, b3), where A1
            and A2 are masked and scaled already, and D1 and D2 are bool.

    Raises:
        InputError: if keep_prob is no probability, or 0.
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
    """The gradient with dropout: a silenced unit passes nothing back."""
    _, D1, A1, _, _, _, D2, A2, W2, _, _, A3, W3, _ = cache
    return _backward(X, Y, A1, W2, A2, W3, A3, D1 / keep_prob, D2 / keep_prob)


def model(
    X,
    Y,
    learning_rate=0.3,
    num_iterations=30000,
    print_cost=True,
    lambd=0,
    keep_prob=1,
):
    """Learn with layers of 20, 3 and 1 units; return the parameters.

    Args:
        lambd: how much L2 charges; 0 for none.
        keep_prob: the probability that dropout keeps a unit; 1 for no dropout.

    Raises:
        InputError: if both are asked for, which the course leaves out.
    """
    parameters = initialize_parameters([X.shape[0], *HIDDEN, 1])
    steps = _descent(parameters, X, Y, learning_rate, num_iterations, lambd, keep_prob)
    for i, cost in enumerate(steps):
        if print_cost and i % 10000 == 0:
            print(f"Cost after iteration {i}: {cost}")
    return parameters


# Beside the assignment: two more ways of the lectures.


def early_stopping(
    parameters,
    X,
    Y,
    X_dev,
    Y_dev,
    learning_rate=0.3,
    num_iterations=30000,
    patience=2000,
):
    """Walk as `model` does without regularization, and end where it was best.

    `parameters` become, in place, those of the step whose cost on the held-out
    points was smallest.

    Args:
        X_dev: (n_x, m_dev), held-out points; Y_dev (1, m_dev), their labels.
        patience: stop after so many steps that brought no smaller cost.

    Returns:
        costs, dev_costs: of each step, in nats.
    """
    costs, dev_costs, best, kept = [], [], 0, dict(parameters)
    for cost in _descent(parameters, X, Y, learning_rate, num_iterations):
        costs.append(cost)
        dev_costs.append(compute_cost(forward_propagation(X_dev, parameters)[0], Y_dev))
        if dev_costs[-1] <= dev_costs[best]:
            best, kept = len(dev_costs) - 1, dict(parameters)
        if len(dev_costs) - best > patience:
            break
    parameters.update(kept)
    return costs, dev_costs


def augmented(X, Y, copies=9, spread=0.05, seed=0):
    """The points and, behind them, copies that are each moved a little.

    A place a step away belongs to the same team, as a mirrored cat is still a cat.

    Args:
        spread: standard deviation of the moves, in units of X.

    Returns:
        X: (n_x, (1 + copies) m).
        Y: (1, (1 + copies) m).
    """
    moves = np.random.default_rng(seed).normal(scale=spread, size=(copies, *X.shape))
    return np.hstack([X, *(X + moves)]), np.tile(Y, 1 + copies)


def _backward(X, Y, A1, W2, A2, W3, A3, share1=1, share2=1):
    """The gradients; a share is what dropout multiplied A with, 1 without it."""
    m = X.shape[1]
    dZ3 = A3 - Y
    dA2 = W3.T @ dZ3 * share2
    dZ2 = dA2 * (A2 > 0)
    dA1 = W2.T @ dZ2 * share1
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


def _descent(parameters, X, Y, learning_rate, steps, lambd=0, keep_prob=1, rng=None):
    """Move `parameters` in place; yield the cost before each of the steps."""
    if lambd and keep_prob != 1:
        raise InputError(
            f"lambd={lambd} and keep_prob={keep_prob} ask for L2 and dropout at once. "
            "Choose one: lambd=0, or keep_prob=1."
        )
    for _ in range(steps):
        if keep_prob != 1:
            A3, cache = forward_propagation_with_dropout(
                X, parameters, keep_prob, rng=rng
            )
            grads = backward_propagation_with_dropout(X, Y, cache, keep_prob)
        else:
            A3, cache = forward_propagation(X, parameters)
            grads = backward_propagation_with_regularization(X, Y, cache, lambd)
        yield compute_cost_with_regularization(A3, Y, parameters, lambd)
        parameters.update(update_parameters(parameters, grads, learning_rate))


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data():
    """Where balls came down and who headed them: `planar.Football`, real points."""
    return planar.load_football()


def build_model():
    """The network of the course before it learns."""
    return initialize_parameters([2, *HIDDEN, 1])


def train(
    model,
    data,
    *,
    epochs=30000,
    learning_rate=0.3,
    lambd=0.0,
    keep_prob=0.86,
    rng=None,
):
    """Fit `model` in place, by default with the course's dropout.

    Args:
        rng: a `np.random.RandomState` to draw new masks from at each step; None
            silences the same units of the same points at every step.

    Returns:
        The cost before each of the steps, in nats, with the charge of L2.
    """
    X, Y, *_ = data
    return list(_descent(model, X, Y, learning_rate, epochs, lambd, keep_prob, rng))


def infer(model, place):
    """Who heads a ball that comes down at a place.

    Args:
        place: two numbers within about 0.8 of (0, 0), or a text of two such as
            "0.3, -0.2".

    Returns:
        An `Answer`, "the other team" or "France"; `details` holds both
        "probabilities".
    """
    return initialization.infer(model, place, classes=TEAMS)


def evaluate():
    """The course's printed runs and the other ways, as rows (what, ours, goal)."""
    data = load_data()

    def accuracies(name, model, train_goal=None, test_goal=None):
        return [
            (f"{name}: {part} accuracy", np.mean(predict_dec(model, X) == Y), goal)
            for part, X, Y, goal in (
                ("train", data.x, data.y, train_goal),
                ("test", data.x_test, data.y_test, test_goal),
            )
        ]

    rows = []
    for name, settings, printed, goals in PRINTED:
        network = build_model()
        losses = train(network, data, **settings)
        rows += [
            (f"{name}: cost after iteration {10000 * i}", losses[10000 * i], cost)
            for i, cost in enumerate(printed)
        ]
        rows += accuracies(name, network, *goals)

    network = build_model()
    train(network, data, rng=np.random.RandomState(0))
    rows += accuracies("dropout, new masks at each step", network)

    dev = np.arange(data.y.size) % 4 == 0  # every fourth point is held out
    kept, held_out = ((data.x[:, part], data.y[:, part]) for part in (~dev, dev))
    stopped, network = build_model(), build_model()
    early_stopping(stopped, *kept, *held_out)
    train(network, kept, keep_prob=1)
    for name, ours in (
        ("early stopping, a quarter held out", stopped),
        ("the same points to the end", network),
    ):
        rows += accuracies(name, ours)
        A3, _ = forward_propagation(data.x_test, ours)
        rows.append((f"{name}: test cost", compute_cost(A3, data.y_test), None))

    network = build_model()
    train(network, augmented(data.x, data.y), epochs=10000, keep_prob=1)
    rows += accuracies("data augmentation", network)
    return rows


def picture(model, place):
    """The place on the field as the network colours it, a matplotlib figure."""
    return initialization.picture(model, place, classes=TEAMS, data=load_data())
