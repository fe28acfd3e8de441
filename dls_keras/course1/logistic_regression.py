"""Logistic regression with a neural network mindset: cat or not (C1 W2 A2).

A single neuron takes all 12288 numbers of a 64 x 64 photo. It computes their weighted
sum plus a bias, and the sigmoid turns the sum into the probability of a cat. Gradient
descent on the mean cross-entropy finds the weights:

    A = sigmoid(w.T X + b)
    J = -1/m sum(Y log A + (1 - Y) log(1 - A))
    dJ/dw = 1/m X (A - Y).T        dJ/db = 1/m sum(A - Y)
    w <- w - learning_rate dJ/dw   b <- b - learning_rate dJ/db

Shapes: m photos as the columns of X (n_x, m), n_x = 12288; labels Y (1, m), 1 for a
cat; weights w (n_x, 1), bias b. Edition: 2021; in 2017 `optimize` had no defaults and
`model` always printed the accuracies. NumPy alone, no TensorFlow.
"""

from typing import Any

import numpy as np

from dls_keras.core import examples, files, images, inputs, pretrained, weights
from dls_keras.core.answers import Answer, Row, likeliest
from dls_keras.course1.numpy_basics import sigmoid
from dls_keras.datasets import cats
from dls_keras.fast import dual_descent
from dls_keras.reference import cases

# Shipped weights: 76.0 % of the course's test photos, see `weights/records.toml`.

# The assignment: the course's functions under the course's signatures.


def initialize_with_zeros(dim):
    """Weights (dim, 1) and bias, all zero."""
    return np.zeros((dim, 1)), 0.0


def propagate(w, b, X, Y):
    """Forward and backward pass: the cost and its gradient.

    Returns:
        grads: dict of "dw", (n_x, 1), and "db", a number.
        cost: the mean cross-entropy, in nats.
    """
    m = X.shape[1]
    Z = w.T @ X + b  # (1, m)
    A = sigmoid(Z)
    # -(y log a + (1 - y) log(1 - a)) = log(1 + e^z) - y z, which is finite for any z.
    cost = np.sum(np.logaddexp(0, Z) - Y * Z) / m
    dw = X @ (A - Y).T / m
    db = np.sum(A - Y) / m
    return {"dw": dw, "db": db}, cost


def optimize(w, b, X, Y, num_iterations=100, learning_rate=0.009, print_cost=False):
    """Gradient descent from (w, b), which are not modified.

    Returns:
        params: dict of "w" and "b" after the last step.
        grads: dict of "dw" and "db" before the last step.
        costs: the cost before steps 0, 100, 200, ...
    """
    grads, costs = {}, []
    for i in range(num_iterations):
        grads, cost = propagate(w, b, X, Y)
        w = w - learning_rate * grads["dw"]
        b = b - learning_rate * grads["db"]
        if i % 100 == 0:
            costs.append(cost)
            if print_cost:
                print(f"Cost after iteration {i}: {cost:f}")
    return {"w": w, "b": b}, grads, costs


def predict(w, b, X):
    """1.0 where the probability of a cat exceeds one half, else 0.0: (1, m)."""
    return (sigmoid(w.T @ X + b) > 0.5).astype(float)


def model(
    X_train,
    Y_train,
    X_test,
    Y_test,
    num_iterations=2000,
    learning_rate=0.5,
    print_cost=False,
):
    """Train on the training photos and predict the labels of both sets.

    Returns:
        Dict of "costs" (before steps 0, 100, ...), "Y_prediction_test" and
        "Y_prediction_train" (1, m), "w", "b", "learning_rate", "num_iterations".
    """
    w, b = initialize_with_zeros(X_train.shape[0])
    params, _, costs = optimize(
        w, b, X_train, Y_train, num_iterations, learning_rate, print_cost
    )
    w, b = params["w"], params["b"]
    Y_prediction_test = predict(w, b, X_test)
    Y_prediction_train = predict(w, b, X_train)
    if print_cost:
        print(f"train accuracy: {_accuracy(Y_prediction_train, Y_train)} %")
        print(f"test accuracy: {_accuracy(Y_prediction_test, Y_test)} %")
    return {
        "costs": costs,
        "Y_prediction_test": Y_prediction_test,
        "Y_prediction_train": Y_prediction_train,
        "w": w,
        "b": b,
        "learning_rate": learning_rate,
        "num_iterations": num_iterations,
    }


def _accuracy(Y_prediction, Y):
    """The fraction of correct predictions, in percent."""
    return 100 - np.mean(np.abs(Y_prediction - Y)) * 100


# The application: the names that every assignment shares. The model is a dict of "w"
# and "b", such as `optimize` returns.


def load_data(extra: int = 0, seed: int = 0, *, synthetic: bool = False) -> cats.Cats:
    """The course's photos as columns of numbers in [0, 1].

    Args:
        extra: how many pictures of `cats.make_cats(extra, seed=seed)` are appended to
            the 209 training photos.
        synthetic: pictures of `make_cats` in place of the photos; needs no files.

    Returns:
        `cats.Cats` with x (12288, 209 + extra) and x_test (12288, 50) float64;
        y (1, 209 + extra) and y_test (1, 50) int64; classes.
    """
    photos = cats.load_cats(synthetic=synthetic)
    more = cats.make_cats(extra, seed=seed)
    return photos._replace(
        x=_columns(np.concatenate([photos.x, more.x])),
        y=np.concatenate([photos.y, more.y])[np.newaxis],
        x_test=_columns(photos.x_test),
        y_test=photos.y_test[np.newaxis],
    )


def build_model() -> dict[str, Any]:
    """The untrained neuron: a dict of "w" (12288, 1) and "b", all zero."""
    w, b = initialize_with_zeros(3 * cats.SIZE**2)
    return {"w": w, "b": b}


@examples.accepted(pixels="float64", columns=True)
def train(
    model: dict[str, Any],
    data: tuple,
    *,
    epochs: int = 2000,
    learning_rate: float = 0.005,
) -> list[float]:
    """Fit `model` in place; return the cost before each of the `epochs` steps.

    This is the gradient descent of `optimize`. `fast.dual_descent` computes the same
    steps from the inner products of the photos, about 50 times as fast; a test
    compares the two. The loop is written in NumPy and takes no callbacks.

    Args:
        data: x (n_x, m) and y (1, m); further entries are ignored.
    """
    X, Y, *_ = data
    model["w"], model["b"], losses = dual_descent.logistic_regression(
        model["w"], model["b"], X, Y, epochs, learning_rate
    )
    return losses


@pretrained.or_own_file
def load_pretrained(variant: str = "default") -> dict[str, Any]:
    """The neuron with shipped weights, verified (see `core.weights.load`)."""

    def from_arrays(arrays):
        arrays = weights.like(build_model(), arrays)
        return {"w": arrays["w"].astype(float), "b": float(arrays["b"])}

    def probability(model):
        x = np.random.default_rng(0).uniform(size=(12288, 1)).astype("float32")
        return sigmoid(model["w"].T @ x + model["b"])

    return weights.load(
        from_arrays, "logistic_regression", variant, outputs=probability
    )


@inputs.batched(inputs.PICTURE)
def infer(model: dict[str, Any], photos: Any) -> list[Answer]:
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
    (probabilities,) = sigmoid(model["w"].T @ X + model["b"])
    return [likeliest(cats.CLASSES, (1 - p, p)) for p in probabilities]


def evaluate(
    model: dict[str, Any] | None = None, *, synthetic: bool = False
) -> list[Row]:
    """Compare the course's run with its printed numbers, and measure a model.

    The course's run trains on the 209 photos alone. `model` is by default the
    pretrained one, which was trained on synthetic pictures as well.

    Args:
        synthetic: only the accuracy on synthetic pictures; needs no files.
    """
    model = model or load_pretrained()

    def accuracy(model, X, Y):
        return np.mean(predict(**model, X=X) == Y)

    held_out = cats.make_cats(1000, seed=10_000)
    made = Row(
        "accuracy, 1,000 held-out synthetic pictures",
        accuracy(model, _columns(held_out.x), held_out.y),
        at_least=0.90,
    )
    if synthetic:
        return [made]
    data = load_data()
    printed = cases.read("c1w2_logistic_regression").runs[0].expected

    zeros = build_model()
    run, _, costs = optimize(
        **zeros, X=data.x, Y=data.y, num_iterations=2000, learning_rate=0.005
    )
    losses = train(zeros, data)
    rows = [
        Row(f"course's run: cost after iteration {100 * i}", cost, equals=goal)
        for i, (cost, goal) in enumerate(zip(costs, printed["costs"], strict=True))
    ]
    for part, what, X, Y in (
        ("train", "training accuracy, 209 photos", data.x, data.y),
        ("test", "test accuracy, 50 photos", data.x_test, data.y_test),
    ):
        goal = printed[f"Y_prediction_{part}"]["fraction"]
        rows.append(Row(f"course's run: {what}", accuracy(run, X, Y), equals=goal))
    gap = np.abs(np.subtract(losses[::100], costs)).max()
    return [
        *rows,
        Row("largest difference of a cost in dual form", gap, at_most=1e-12),
        Row(
            "test accuracy, the course's 50 photos",
            accuracy(model, data.x_test, data.y_test),
            at_least=0.70,
        ),
        made,
    ]


def picture(image: Any, answer: Answer) -> Any:
    """The photo next to the probability of each class, a matplotlib figure."""
    from dls_keras import plots  # lazy import: infer needs no matplotlib

    return plots.classification(image, answer)


def example() -> tuple[str, Any]:
    """The question of the tour: a real photo if available, else a synthetic picture."""
    if photo := files.in_data_folder("catvnoncat/images/my_image2.jpg"):
        return "Is there a cat in this photo?", photo
    pictures = cats.make_cats(10, seed=2)
    return "Is there a cat in this synthetic picture?", pictures.x[pictures.y.argmax()]


def _columns(x):
    """Pictures (m, 64, 64, 3) uint8 as columns (12288, m) float64 in [0, 1]."""
    return x.reshape(len(x), -1).T / 255
