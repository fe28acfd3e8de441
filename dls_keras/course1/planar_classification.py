"""Planar data: one hidden layer learns a curved decision boundary (C1 W3 A1).

Red and blue points form a flower, and no straight line separates them: logistic
regression classifies 47 % of them correctly. Each hidden unit responds to one
direction of the plane, through a tanh; the output unit combines a few of them into a
curved boundary:

    A1 = tanh(W1 X + b1)           A2 = sigmoid(W2 A1 + b2)
    J = -1/m sum(Y log A2 + (1 - Y) log(1 - A2))

    dZ2 = A2 - Y                   dZ1 = W2.T dZ2 * (1 - A1^2)
    dW2 = 1/m dZ2 A1.T             dW1 = 1/m dZ1 X.T
    db2 = 1/m sum dZ2              db1 = 1/m sum dZ1

Shapes: m points as the columns of X (n_x, m), labels Y (1, m), 1 for blue; n_h
hidden units: W1 (n_h, n_x), b1 (n_h, 1), W2 (1, n_h), b2 (1, 1). Edition: 2021; in
2017 the weights came from seed 2 (see `nn_model`), `compute_cost` took the
parameters as a third argument that it did not use, and `predict` returned floats.
NumPy alone, no TensorFlow.
"""

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dls_keras.core import examples, inputs, pretrained, weights
from dls_keras.core.answers import Answer, Row, likeliest
from dls_keras.core.errors import InputError
from dls_keras.course1 import logistic_regression
from dls_keras.course1.numpy_basics import sigmoid
from dls_keras.datasets import planar
from dls_keras.reference import cases

COLOURS = ("red", "blue")  # of the classes 0 and 1
DATA_SETS: dict[str, Callable[..., planar.Points]] = {
    "flower": planar.make_flower,
    "circles": functools.partial(planar.make_circles, 200, noise=0.3, factor=0.5),
    "moons": functools.partial(planar.make_moons, 200),
    "blobs": planar.make_blobs,
    "quantiles": planar.make_quantiles,
}
EXTENT = (-5.0, 5.0, -5.0, 5.0)  # left, right, bottom, top of the flower's picture
HIDDEN_SIZES = (1, 2, 3, 4, 5, 20, 50)  # the course's comparison
TINY = np.finfo(float).tiny  # replaces 0 under a logarithm

# Shipped weights: 92.9 % of 10,000 held-out points, see `weights/records.toml`.

# The assignment: the course's functions under the course's signatures.


def load_planar_dataset():
    """The flower: X (2, 400) and Y (1, 400); seeds NumPy's global generator with 1."""
    np.random.seed(1)
    return tuple(planar.make_flower(seed=np.random))


def load_extra_datasets():
    """Five more sets of 200 points, sampled from NumPy's global generator.

    Returns:
        noisy_circles, noisy_moons, blobs, gaussian_quantiles, no_structure: pairs of
        points (200, 2) and labels (200,). The labels of the blobs are 0 to 5, which
        the course takes modulo 2; the last pair is noise, (200, 2) twice.
    """
    sets = [
        DATA_SETS["circles"](seed=np.random),
        DATA_SETS["moons"](seed=np.random),
        DATA_SETS["blobs"](),  # the course gives this set its own seed, 5
        DATA_SETS["quantiles"](seed=np.random),
    ]
    no_structure = np.random.rand(200, 2), np.random.rand(200, 2)
    return *((x.T, y[0]) for x, y in sets), no_structure


def layer_sizes(X, Y):
    """The number of units of each layer: (n_x, n_h, n_y), where n_h is always 4."""
    return X.shape[0], 4, Y.shape[0]


def initialize_parameters(n_x, n_h, n_y, *, rng=np.random):
    """Normal weights times 0.01 and zero biases: dict of "W1", "b1", "W2", "b2".

    Args:
        rng: the random generator, by default NumPy's global one in its current state;
            in 2017 the function seeded that with 2 first.
    """
    return {
        "W1": rng.randn(n_h, n_x) * 0.01,
        "b1": np.zeros((n_h, 1)),
        "W2": rng.randn(n_y, n_h) * 0.01,
        "b2": np.zeros((n_y, 1)),
    }


def forward_propagation(X, parameters):
    """The forward pass: the probability of label 1 for each point.

    Returns:
        A2: (1, m), in [0, 1].
        cache: dict of "Z1", "A1", "Z2", "A2".
    """
    Z1 = parameters["W1"] @ X + parameters["b1"]
    A1 = np.tanh(Z1)
    Z2 = parameters["W2"] @ A1 + parameters["b2"]
    A2 = sigmoid(Z2)
    return A2, {"Z1": Z1, "A1": A1, "Z2": Z2, "A2": A2}


def compute_cost(A2, Y):
    """The mean cross-entropy, a float in nats."""
    log_p = np.log(np.maximum(A2, TINY))
    log_not_p = np.log(np.maximum(1 - A2, TINY))
    return float(-np.sum(Y * log_p + (1 - Y) * log_not_p) / Y.shape[-1])


def backward_propagation(parameters, cache, X, Y):
    """The gradient of the cost: dict of "dW1", "db1", "dW2", "db2"."""
    m = X.shape[1]
    A1, A2 = cache["A1"], cache["A2"]
    dZ2 = A2 - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    return {
        "dW1": 1 / m * (dZ1 @ X.T),
        "db1": 1 / m * np.sum(dZ1, axis=1, keepdims=True),
        "dW2": 1 / m * (dZ2 @ A1.T),
        "db2": 1 / m * np.sum(dZ2, axis=1, keepdims=True),
    }


def update_parameters(parameters, grads, learning_rate=1.2):
    """One step of gradient descent, as a new dict of parameters."""
    return {
        name: value - learning_rate * grads[f"d{name}"]
        for name, value in parameters.items()
    }


def gradient_descent(
    parameters: dict[str, np.ndarray],
    X: np.ndarray,
    Y: np.ndarray,
    steps: int,
    learning_rate: float = 1.2,
) -> Iterator[float]:
    """Train `parameters` in place; yield the cost before each of the steps."""
    for _ in range(steps):
        A2, cache = forward_propagation(X, parameters)
        yield compute_cost(A2, Y)
        grads = backward_propagation(parameters, cache, X, Y)
        parameters.update(update_parameters(parameters, grads, learning_rate))


def nn_model(X, Y, n_h, num_iterations=10000, print_cost=False, *, seed=3):
    """Train n_h hidden units with learning rate 1.2; return the parameters.

    Args:
        num_iterations: steps of gradient descent.
        print_cost: print the cost before steps 0, 1000, 2000, ...
        seed: of NumPy's global generator. In 2017 the weights came from seed 2.
    """
    np.random.seed(seed)
    n_x, _, n_y = layer_sizes(X, Y)
    parameters = initialize_parameters(n_x, n_h, n_y)
    for i, cost in enumerate(gradient_descent(parameters, X, Y, num_iterations)):
        if print_cost and i % 1000 == 0:
            print(f"Cost after iteration {i}: {cost:f}")
    return parameters


def predict(parameters, X):
    """Whether the probability of label 1 exceeds one half: (1, m) bool."""
    A2, _ = forward_propagation(X, parameters)
    return A2 > 0.5


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data(name: str = "flower", *, synthetic: bool = False) -> planar.Points:
    """400 points of the flower, or 200 of another data set.

    Args:
        name: a key of `DATA_SETS`.
        synthetic: changes nothing, since these data are generated anyway.

    Returns:
        `planar.Points`: x (2, m) float64; y (1, m) int64, 0 or 1.
    """
    if name not in DATA_SETS:
        raise InputError(
            f"There is no data set {name!r}. Choose one of {', '.join(DATA_SETS)}."
        )
    points = DATA_SETS[name]()
    return points._replace(y=points.y % 2)


def build_model(n_h: int = 4, *, seed: int = 3) -> dict[str, np.ndarray]:
    """The untrained network: two inputs, n_h hidden units and one output."""
    return initialize_parameters(2, n_h, 1, rng=np.random.RandomState(seed))


@examples.accepted(columns=True)
def train(
    model: dict[str, np.ndarray],
    data: tuple,
    *,
    epochs: int = 10_000,
    learning_rate: float = 1.2,
) -> list[float]:
    """Fit `model` in place; return the cost before each of the steps, in nats.

    The loop is written in NumPy and takes no callbacks.
    """
    X, Y, *_ = data
    return list(gradient_descent(model, X, Y, epochs, learning_rate))


@pretrained.or_own_file
def load_pretrained(variant: str = "default") -> dict[str, np.ndarray]:
    """The network with shipped weights, verified (see `core.weights.load`)."""

    def logit(parameters):
        x = np.random.default_rng(0).uniform(size=(2, 1))
        _, cache = forward_propagation(x, parameters)
        return cache["Z2"]

    return weights.load(dict, "planar_classification", variant, outputs=logit)


@inputs.batched(inputs.POINT)
def infer(model: dict[str, np.ndarray], points: Any) -> list[Answer]:
    """Whether a point is in a red or in a blue petal.

    Args:
        points: a point, which is two numbers or a string of two such as "3, -1.5", or
            a list of points. The flower lies within 5 of (0, 0).

    Returns:
        "red" or "blue". The confidence is its probability, the output of the sigmoid
        or one minus it; `details["probabilities"]` holds both.
    """
    (probabilities,) = forward_propagation(columns(points), model)[0]
    drawn = class_map(lambda X: predict(model, X), EXTENT)
    return [likeliest(COLOURS, (1 - p, p), for_picture=drawn) for p in probabilities]


def evaluate(
    model: dict[str, np.ndarray] | None = None, *, synthetic: bool = False
) -> list[Row]:
    """Compare the course's runs with their printed numbers, and measure a model.

    The rows are the costs of four hidden units in both editions, the training
    accuracies for each hidden size and data set, and the accuracy of `model`, by
    default the pretrained one, on held-out points of the flower.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    model = model or load_pretrained()
    flower = load_data()
    runs = {r.id: r.expected for r in cases.read("c1w3_planar").runs}

    def accuracy(model, data):
        return np.mean(predict(model, data.x) == data.y)

    w, b = logistic_regression.initialize_with_zeros(2)
    line, *_ = logistic_regression.optimize(w, b, *flower, 2000, 0.1)
    correct = np.mean(logistic_regression.predict(**line, X=flower.x) == flower.y)
    goal = runs["planar_logistic_baseline"]["accuracy_percent"] / 100
    rows = [Row("logistic regression: accuracy", correct, equals=goal)]

    run, run_2017 = runs["planar_nh4_10000"], runs["planar_nh4_10000_2017"]
    for edition, seed, printed, goal in (
        (2021, 3, run["#0:printed_costs"], run["#1:return"]["fraction"]),
        (2017, 2, run_2017["costs"], run_2017["accuracy_percent"] / 100),
    ):
        network = build_model(seed=seed)
        costs = train(network, flower)
        rows += [
            Row(f"{edition}: cost after iteration {i}", costs[int(i)], equals=cost)
            for i, cost in printed.items()
        ]
        rows.append(Row(f"{edition}: accuracy", accuracy(network, flower), equals=goal))

    for n_h in HIDDEN_SIZES:
        network = build_model(n_h)
        train(network, flower, epochs=5000)
        name = f"planar_nh{n_h}_5000"
        goal = runs[name]["#1:return"]["fraction"] if name in runs else None
        what = f"{n_h} hidden unit{'s' * (n_h > 1)}: accuracy"
        rows.append(Row(what, accuracy(network, flower), equals=goal))
    for name in DATA_SETS:
        if name != "flower":
            data, network = load_data(name), build_model()
            train(network, data, epochs=5000)
            rows.append(Row(f"{name}: accuracy", accuracy(network, data)))
    held_out = planar.make_flower(10_000, seed=2)
    what = "accuracy, 10,000 held-out points"
    return [*rows, Row(what, accuracy(model, held_out), at_least=0.9)]


def picture(point: Any, answer: Answer) -> Any:
    """The point among those of the flower, on the network's classes of the plane.

    A matplotlib figure.
    """
    return plot_answer(
        point, answer, load_data(), title=f"The star is in a {answer} petal"
    )


def example() -> tuple[str, Any]:
    """The question of the tour: a point on the right of the flower."""
    return "Which colour is the petal at the point (3, 1.2)?", (3.0, 1.2)


def column(point: Any) -> np.ndarray:
    """Two numbers, or a string of two, as a column (2, 1).

    Raises:
        InputError: if there are not exactly two finite numbers.
    """
    numbers = point.replace(",", " ").split() if isinstance(point, str) else point
    try:
        x = np.array(numbers, dtype=float)
    except (TypeError, ValueError):
        x = np.empty(0)
    if x.size != 2 or not np.isfinite(x).all():
        raise InputError(
            'A point is two finite numbers, such as (3, -1.5) or "3, -1.5"; received '
            f"{point!r}."
        )
    return x.reshape(2, 1)


def columns(points: Sequence[Any]) -> np.ndarray:
    """m points as the columns of an array (2, m); see `column`."""
    return np.hstack([column(point) for point in points])


def class_map(
    predict: Callable[[np.ndarray], np.ndarray],
    extent: tuple[float, float, float, float],
) -> dict[str, Any]:
    """The predicted class at each point of a grid: what `plot_answer` needs.

    Args:
        predict: function from points (2, n) to their classes (1, n), bool or int.
        extent: left, right, bottom and top of the grid.
    """
    grid = planar.make_grid(extent)  # (2, rows, columns)
    classes = predict(grid.reshape(2, -1)).reshape(grid.shape[1:])
    return {"classes": classes, "extent": extent}


def plot_answer(point: Any, answer: Answer, data: tuple, *, title: str) -> Any:
    """The point as a star among the points x, y of `data`, on the answer's class map.

    A matplotlib figure.
    """
    from dls_keras import plots  # lazy import: infer needs no matplotlib

    x, y, *_ = data
    figure = plots.decision_boundary(
        answer.for_picture["classes"],
        x,
        y,
        extent=answer.for_picture["extent"],
        title=title,
    )
    figure.axes[0].plot(*column(point), "*", color="black", markersize=16)
    return figure
