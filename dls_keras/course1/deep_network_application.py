"""Deep network application: cat or not, with two layers and with four (C1 W4 A2).

The layers of `deep_network_steps` classify the photos of `logistic_regression`. One
hidden layer of 7 units raises the test accuracy from 70 to 72 %, three of 20, 7 and 5
units raise it to 80 %:

    X -> [linear -> ReLU] x (L - 1) -> linear -> sigmoid -> cat if above one half

Training repeats the same four steps: forward pass, cost, backward pass, update.

Shapes: m photos as the columns of X (n_x, m), n_x = 12288; labels Y (1, m), 1 for a
cat; layer l has W[l] (n[l], n[l-1]) and b[l] (n[l], 1). Edition: 2021; in 2017 the two
models returned the parameters alone. NumPy alone, no TensorFlow.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from dls_keras.core import examples, files, images, inputs, pretrained, weights
from dls_keras.core.answers import Answer, Row, likeliest
from dls_keras.course1 import logistic_regression
from dls_keras.course1.deep_network_steps import (
    L_model_backward,
    L_model_forward,
    compute_cost,
    initialize_parameters,
    update_parameters,
)
from dls_keras.datasets import cats
from dls_keras.fast import dual_descent
from dls_keras.reference import cases

TWO_LAYERS = (12288, 7, 1)  # units of each layer, the input first
FOUR_LAYERS = (12288, 20, 7, 5, 1)

# Shipped weights: 82.0 % of the course's test photos, see `weights/records.toml`.

# The assignment: the course's functions under the course's signatures.


def initialize_parameters_deep(layer_dims):
    """Normal weights (NumPy seed 1) divided by sqrt(n[l-1]), zero biases.

    The division keeps the variance of the activations about the same in all layers.
    The function of this name in `deep_network_steps` has seed 3 and the factor 0.01.

    Args:
        layer_dims: the units of each layer, the input first: [n[0], ..., n[L]].

    Returns:
        Dict of "W1" (n[1], n[0]), "b1" (n[1], 1), ..., "WL", "bL".
    """
    # The course's seed, without a change of the global generator.
    rng = np.random.RandomState(1)
    parameters = {}
    for layer, (n_prev, n) in enumerate(itertools.pairwise(layer_dims), start=1):
        parameters[f"W{layer}"] = rng.randn(n, n_prev) / np.sqrt(n_prev)
        parameters[f"b{layer}"] = np.zeros((n, 1))
    return parameters


def two_layer_model(
    X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000, print_cost=False
):
    """Train a network with one hidden layer, from `initialize_parameters`.

    Args:
        layers_dims: (n_x, n_h, n_y).
        print_cost: print the cost before steps 0, 100, 200, ... and the last one.

    Returns:
        parameters: dict of "W1", "b1", "W2", "b2".
        costs: the cost before steps 0, 100, 200, ...
    """
    parameters = initialize_parameters(*layers_dims)
    return gradient_descent(parameters, X, Y, learning_rate, num_iterations, print_cost)


def L_layer_model(
    X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000, print_cost=False
):
    """Train a network with any number of layers, from `initialize_parameters_deep`.

    Args:
        layers_dims: the units of each layer, the input first: [n[0], ..., n[L]].
        print_cost: print the cost before steps 0, 100, 200, ... and the last one.

    Returns:
        parameters: dict of "W1", "b1", ..., "WL", "bL".
        costs: the cost before steps 0, 100, 200, ...
    """
    parameters = initialize_parameters_deep(layers_dims)
    return gradient_descent(parameters, X, Y, learning_rate, num_iterations, print_cost)


def gradient_descent(
    parameters: dict[str, np.ndarray],
    X: np.ndarray,
    Y: np.ndarray,
    learning_rate: float,
    num_iterations: int,
    print_cost: bool = False,
) -> tuple[dict[str, np.ndarray], list[float]]:
    """The training loop of both models, from any parameters.

    Returns:
        parameters: a new dict, after the last step.
        costs: the cost before steps 0, 100, 200, ...
    """
    costs = []
    for i in range(num_iterations):
        AL, caches = L_model_forward(X, parameters)
        cost = compute_cost(AL, Y)
        grads = L_model_backward(AL, Y, caches)
        parameters = update_parameters(parameters, grads, learning_rate)
        if i % 100 == 0:
            costs.append(cost)
        if print_cost and (i % 100 == 0 or i == num_iterations - 1):
            print(f"Cost after iteration {i}: {cost}")
    return parameters, costs


def predict(X, y, parameters):
    """1.0 where the probability of a cat exceeds one half, else 0.0: (1, m).

    Prints the accuracy with respect to the labels y.
    """
    probabilities, _ = L_model_forward(X, parameters)
    p = (probabilities > 0.5).astype(float)
    print(f"Accuracy: {np.mean(p == y)}")
    return p


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data(extra: int = 0, seed: int = 0, *, synthetic: bool = False) -> cats.Cats:
    """The photos of `logistic_regression.load_data`, as columns.

    Args:
        extra: how many pictures of `cats.make_cats(extra, seed=seed)` are appended to
            the 209 training photos.
        synthetic: pictures of `make_cats` in place of the photos; needs no files.

    Returns:
        `cats.Cats` with x (12288, 209 + extra) and x_test (12288, 50) float64;
        y (1, 209 + extra) and y_test (1, 50) int64; classes.
    """
    return logistic_regression.load_data(extra, seed, synthetic=synthetic)


def build_model(layers_dims: Sequence[int] = FOUR_LAYERS) -> dict[str, np.ndarray]:
    """The untrained network, by default with the course's four layers."""
    return initialize_parameters_deep(layers_dims)


@examples.accepted(pixels="float64", columns=True)
def train(
    model: dict[str, np.ndarray],
    data: tuple,
    *,
    epochs: int = 2500,
    learning_rate: float = 0.0075,
) -> list[float]:
    """Fit `model` in place; return the cost before each of the `epochs` steps.

    The steps are those of `gradient_descent`. `fast.dual_descent` computes them with
    the first layer in dual form, about 100 times as fast; a test compares the two. The
    loop is written in NumPy and takes no callbacks.

    Args:
        data: x (n_x, m) and y (1, m), 0 or 1; further entries are ignored. The last
            layer of `model` has one unit.
    """
    X, Y, *_ = data
    parameters, losses = dual_descent.deep_network(model, X, Y, epochs, learning_rate)
    model.update(parameters)
    return losses


@pretrained.or_own_file
def load_pretrained(variant: str = "default") -> dict[str, np.ndarray]:
    """The network with shipped weights, verified (see `core.weights.load`)."""

    def from_arrays(arrays):
        arrays = weights.like(build_model(), arrays)
        return {name: array.astype(float) for name, array in arrays.items()}

    def probability(parameters):
        x = np.random.default_rng(0).uniform(size=(12288, 1)).astype("float32")
        return L_model_forward(x, parameters)[0]

    return weights.load(
        from_arrays, "deep_network_application", variant, outputs=probability
    )


@inputs.batched(inputs.PICTURE)
def infer(model: dict[str, np.ndarray], photos: Any) -> list[Answer]:
    """Whether a photo of any size shows a cat.

    Args:
        photos: a photo as `images.read` takes it (path, PIL image, array, bytes),
            or a list of them.

    Returns:
        "cat" or "non-cat". The confidence is its probability, the output of the
        sigmoid or one minus it; `details["probabilities"]` holds both.
    """
    x = [images.resized(photo, cats.SIZE, cats.SIZE).ravel() for photo in photos]
    X = np.stack(x, axis=1)  # (12288, m)
    (probabilities,) = L_model_forward(X, model)[0]
    return [likeliest(cats.CLASSES, (1 - p, p)) for p in probabilities]


def evaluate(
    model: dict[str, np.ndarray] | None = None, *, synthetic: bool = False
) -> list[Row]:
    """Compare the course's runs with their printed numbers, and measure a model.

    The course's runs train on the 209 photos alone. `model` is by default the
    pretrained one, which was trained on synthetic pictures as well.

    Args:
        synthetic: only the accuracy on synthetic pictures; needs no files.
    """
    model = model or load_pretrained()

    def accuracy(model, X, Y):
        return np.mean((L_model_forward(X, model)[0] > 0.5) == Y)

    held_out = cats.make_cats(1000, seed=10_000)
    made = Row(
        "accuracy, 1,000 held-out synthetic pictures",
        accuracy(model, held_out.x.reshape(1000, -1).T / 255, held_out.y),
        at_least=0.95,
    )
    if synthetic:
        return [made]
    data = load_data()
    runs = {r.id: r.expected for r in cases.read("c1w4_deep_nn_application").runs}
    rows = []
    for title, run, network in (
        ("two layers", runs["cat_two_layers"], initialize_parameters(*TWO_LAYERS)),
        ("four layers", runs["cat_four_layers"], build_model()),
    ):
        costs = train(network, data)
        printed = {100 * i: cost for i, cost in enumerate(run["#0:costs"])}
        printed |= {int(i): cost for i, cost in run["#0:printed_costs"].items()}
        rows += [
            Row(f"{title}: cost after iteration {i}", costs[i], equals=cost)
            for i, cost in printed.items()
        ]
        for call, what, X, Y in (
            (1, "training accuracy, 209 photos", data.x, data.y),
            (2, "test accuracy, 50 photos", data.x_test, data.y_test),
        ):
            goal = run[f"#{call}:return"]["fraction"]
            rows.append(Row(f"{title}: {what}", accuracy(network, X, Y), equals=goal))
    return [
        *rows,
        Row(
            "test accuracy, the course's 50 photos",
            accuracy(model, data.x_test, data.y_test),
            at_least=0.80,
        ),
        made,
    ]


def picture(image: Any, answer: Answer) -> Any:
    """The photo next to the probability of each class, a matplotlib figure."""
    from dls_keras import plots  # lazy import: infer needs no matplotlib

    return plots.classification(image, answer)


def example() -> tuple[str, Any]:
    """The question of the tour: a photo without a cat, or a synthetic picture."""
    if photo := files.in_data_folder("catvnoncat/images/la_defense.jpg"):
        return "Is there a cat in this photo?", photo
    pictures = cats.make_cats(10, seed=2)
    return "Is there a cat in this synthetic picture?", pictures.x[pictures.y.argmin()]
