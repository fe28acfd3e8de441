"""Deep network application: cat or not, with two layers and with four (C1 W4 A2).

The layers of `deep_network_steps` look at the photos that `logistic_regression`
saw. One hidden layer of 7 units brings the test photos from 70 to 72 % right, three
of 20, 7 and 5 units to 80 %:

    X -> [linear -> ReLU] x (L - 1) -> linear -> sigmoid -> cat if above one half

Every gradient of the first layer's weights is a mixture of the pictures, and there
are only 209 of them: so `train` walks the same way with 20 x 209 numbers in place
of 20 x 12288 (the dual form).

Shapes: m pictures as the columns of X (n_x, m), n_x = 12288; labels Y (1, m), 1
for a cat; layer l has W[l] (n[l], n[l-1]) and b[l] (n[l], 1). Edition: 2021; in
2017 the two models returned the parameters alone. NumPy alone, no TensorFlow.
"""

import itertools

import numpy as np

from dls_keras.core import files, images, weights
from dls_keras.core.answers import likeliest
from dls_keras.course1 import logistic_regression
from dls_keras.course1.deep_network_steps import (
    L_model_backward,
    L_model_forward,
    compute_cost,
    initialize_parameters,
    update_parameters,
)
from dls_keras.course1.logistic_regression import softplus
from dls_keras.datasets import cats
from dls_keras.reference import cases

TWO_LAYERS = (12288, 7, 1)
FOUR_LAYERS = (12288, 20, 7, 5, 1)

# As many drawn pictures as `logistic_regression` learns from, and the course's steps.
# From the photos alone 80 % of the test photos and 80.4 % of the drawn ones are right.
# Half precision on disk changes none of the answers counted.

# The assignment: the course's functions under the course's signatures.


def initialize_parameters_deep(layer_dims):
    """Normal weights (NumPy seed 1) over sqrt(n[l-1]), biases zero.

    So a signal keeps its size from layer to layer. The function of this name in
    `deep_network_steps` takes seed 3 and 0.01 times the weights.

    Args:
        layer_dims: the units of each layer, the input first: [n[0], ..., n[L]].

    Returns:
        Dict of "W1" (n[1], n[0]), "b1" (n[1], 1), ..., "WL", "bL".
    """
    draw = np.random.RandomState(1)  # the course's seed; nobody else's draws move
    parameters = {}
    for layer, (n_prev, n) in enumerate(itertools.pairwise(layer_dims), start=1):
        parameters[f"W{layer}"] = draw.randn(n, n_prev) / np.sqrt(n_prev)
        parameters[f"b{layer}"] = np.zeros((n, 1))
    return parameters


def two_layer_model(
    X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000, print_cost=False
):
    """Learn with one hidden layer, from `initialize_parameters`.

    Args:
        layers_dims: (n_x, n_h, n_y).
        print_cost: print each hundredth cost and the last.

    Returns:
        parameters: dict of "W1", "b1", "W2", "b2".
        costs: the cost before steps 0, 100, 200, ...
    """
    start = initialize_parameters(*layers_dims)
    return _learn(start, X, Y, learning_rate, num_iterations, print_cost)


def L_layer_model(
    X, Y, layers_dims, learning_rate=0.0075, num_iterations=3000, print_cost=False
):
    """Learn with any number of layers, from `initialize_parameters_deep`.

    Args:
        layers_dims: the units of each layer, the input first: [n[0], ..., n[L]].
        print_cost: print each hundredth cost and the last.

    Returns:
        parameters: dict of "W1", "b1", ..., "WL", "bL".
        costs: the cost before steps 0, 100, 200, ...
    """
    start = initialize_parameters_deep(layers_dims)
    return _learn(start, X, Y, learning_rate, num_iterations, print_cost)


def predict(X, y, parameters):
    """1.0 where the probability of a cat exceeds one half, else 0.0: (1, m).

    Prints the share that agrees with the labels y.
    """
    probabilities, _ = L_model_forward(X, parameters)
    p = (probabilities > 0.5).astype(float)
    print(f"Accuracy: {np.mean(p == y)}")
    return p


def _learn(parameters, X, Y, learning_rate, num_iterations, print_cost):
    """Walk down the gradient; return the parameters and every hundredth cost."""
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


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data(drawn=0, seed=0):
    """The course's photos as columns of numbers in [0, 1], a `cats.Cats`.

    `drawn` pictures of `cats.make_cats(drawn, seed=seed)` stand behind the 209
    training photos.

    Returns:
        x (12288, 209 + drawn) and x_test (12288, 50) float64; y (1, 209 + drawn)
        and y_test (1, 50) int64; classes.
    """
    return logistic_regression.load_data(drawn, seed)


def build_model(layers_dims=FOUR_LAYERS):
    """The network before it learns, by default the course's four layers."""
    return initialize_parameters_deep(layers_dims)


def train(model, data, *, epochs=2500, learning_rate=0.0075):
    """Fit `model` in place: the walk of the lesson, step for step, in dual form.

    A step moves W1 by a mixture of the pictures, -learning_rate / m dZ1 X.T. Let D
    be the sum of -learning_rate / m dZ1 over the steps so far; then

        W1 = W1_0 + D X.T               b1 = b1_0 + sum of D's columns
        Z1 = (W1_0 X + b1_0) + D K      K = X.T X + 1

    (the 1 is b1's), and K is computed once: in the first layer a step costs n_1 m^2
    multiplications in place of 3 n_1 n_x m. Above it, each bias is the weight of one
    more unit that is always 1. Costs equal those of `L_layer_model` to 1e-12 at a
    hundred times its speed: 2500 steps in 0.2 s on two CPU cores, of which 0.08 s are
    D K, at the rate of one core.

    Args:
        data: x (n_x, m) and y (1, m), 0 or 1; the last layer has one unit.

    Returns:
        The cost before each of the `epochs` steps, a list.
    """
    X, Y, *_ = data
    m, n_1 = X.shape[1], len(model["W1"])
    s = 2.0 * Y - 1  # (1, m), 1 for a cat and -1 for the rest
    half_s, one = s / 2, np.ones_like(s)
    K = X.T @ X + 1  # (m, m)
    Z1 = model["W1"] @ X + model["b1"]  # (n_1, m), before any step
    D = np.zeros((n_1, m))
    first = top = _Layer(np.empty((n_1, 0)), np.empty((0, m)))
    pairs = []  # of neighbours, from the first layer up
    for layer in range(2, len(model) // 2 + 1):
        Wb = np.hstack([model[f"W{layer}"], model[f"b{layer}"]])
        below, top = top, _Layer(Wb, np.ones((len(top.Z) + 1, m)))
        pairs.append((below, top))
    down, rate, losses = pairs[::-1], learning_rate / (2 * m) * s, []
    dot, add, multiply = np.dot, np.add, np.multiply  # all write their last argument
    for done in range(0, epochs, 50):  # whose temporaries need no new pages
        halves = np.empty((min(50, epochs - done), 1, m))
        for half in halves:  # s z / 2, (1, m)
            dot(D, K, first.Z)
            add(first.Z, Z1, first.Z)
            for below, above in pairs:
                np.maximum(below.Z, below.zeros, out=above.hidden)
                dot(above.Wb, above.A, above.Z)
            multiply(half_s, top.Z, half)
            # learning_rate / m (y - sigmoid(z)), as `logistic_regression.train` has it.
            np.tanh(half, top.dZ)
            np.subtract(one, top.dZ, top.dZ)
            multiply(rate, top.dZ, top.dZ)
            for below, above in down:
                dot(above.W_T, above.dZ, below.dZ)
                dot(above.dZ, above.A_T, above.dWb)
                add(above.Wb, above.dWb, above.Wb)
                np.greater(below.Z, below.zeros, below.alive)
                multiply(below.dZ, below.alive, below.dZ)
            add(D, first.dZ, D)
        # -(y log a + (1 - y) log(1 - a)) = log(1 + e^(-s z))
        losses += softplus(-2 * halves).mean(axis=(1, 2)).tolist()
    model["W1"] = model["W1"] + D @ X.T
    model["b1"] = model["b1"] + D.sum(axis=1, keepdims=True)
    for layer, (_, above) in enumerate(pairs, start=2):
        model[f"W{layer}"] = above.W_T.T.copy()
        model[f"b{layer}"] = above.Wb[:, -1:].copy()
    return losses


class _Layer:
    """What `train` writes to, step after step, for a layer of n units.

    A step is some forty small operations; without new arrays and views it takes a
    quarter less time.

    Args:
        Wb: (n, n_prev + 1), the weights and the bias.
        A: (n_prev + 1, m), what comes in; the last row stays 1.
    """

    def __init__(self, Wb, A):
        self.Wb, self.W_T, self.dWb = Wb, Wb[:, :-1].T, np.empty_like(Wb)
        self.A, self.A_T, self.hidden = A, A.T, A[:-1]
        self.Z, self.dZ, self.zeros = np.zeros((3, len(Wb), A.shape[1]))
        self.alive = np.empty(self.Z.shape, bool)


def load_pretrained(variant="default"):
    """The network with shipped weights, checked (see `core.weights.load`)."""

    def from_arrays(arrays):
        return {name: array.astype(float) for name, array in arrays.items()}

    def probability(parameters):
        x = np.random.default_rng(0).uniform(size=(12288, 1)).astype("float32")
        return L_model_forward(x, parameters)[0]

    return weights.load(
        from_arrays, "deep_network_application", variant, outputs=probability
    )


def infer(model, image):
    """Whether a photo of any size shows a cat.

    Args:
        image: what `images.read` takes: a path, a PIL image or an array.

    Returns:
        An `Answer`, "cat" or "non-cat"; `details` holds both "probabilities".
    """
    x = images.resized(image, cats.SIZE, cats.SIZE).reshape(-1, 1)
    p = L_model_forward(x, model)[0].item()
    return likeliest(cats.CLASSES, (1 - p, p))


def evaluate(model=None):
    """The course's printed runs and the shipped weights, as rows (what, ours, goal).

    The runs learn from the 209 photos alone, by `train`; `model`, by default the
    pretrained one, learnt from drawn pictures too.
    """
    model = model or load_pretrained()
    data, drawn = load_data(), cats.make_cats(1000, seed=10_000)
    runs = {r.id: r.expected for r in cases.read("c1w4_deep_nn_application").runs}

    def accuracy(model, X, Y):
        return np.mean((L_model_forward(X, model)[0] > 0.5) == Y)

    rows = []
    for title, run, network in (
        ("two layers", runs["cat_two_layers"], initialize_parameters(*TWO_LAYERS)),
        ("four layers", runs["cat_four_layers"], build_model()),
    ):
        costs = train(network, data)
        printed = {100 * i: cost for i, cost in enumerate(run["#0:costs"])}
        printed |= {int(i): cost for i, cost in run["#0:printed_costs"].items()}
        rows += [
            (f"{title}: cost after iteration {i}", costs[i], cost)
            for i, cost in printed.items()
        ]
        for part, step, X, Y in (
            ("train", 1, data.x, data.y),
            ("test", 2, data.x_test, data.y_test),
        ):
            what = f"{title}: {part} accuracy, {X.shape[1]} photos"
            goal = run[f"#{step}:return"]["fraction"]
            rows.append((what, accuracy(network, X, Y), goal))
    x = drawn.x.reshape(1000, -1).T / 255
    return [
        *rows,
        (
            "with drawn pictures learnt: test accuracy, 50 photos",
            accuracy(model, data.x_test, data.y_test),
            0.80,
        ),
        (
            "with drawn pictures learnt: 1000 drawn never seen",
            accuracy(model, x, drawn.y),
            0.95,
        ),
    ]


def picture(model, image):
    """The photo beside the probability of each class, a matplotlib figure."""
    from dls_keras import plots  # matplotlib: late, so that answers come without it

    return plots.classification(image, infer(model, image))


def example():
    """The question of the tour: a photo of no cat, drawn where no data are at hand."""
    if photo := files.in_data_folder("catvnoncat/images/la_defense.jpg"):
        return "Is there a cat in this photo?", photo
    drawn = cats.make_cats(10, seed=2)
    return "Is there a cat in this drawn picture?", drawn.x[drawn.y.argmin()]
