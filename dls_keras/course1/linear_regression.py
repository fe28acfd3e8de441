"""Linear regression: fit a line to points by gradient descent (C1 W4).

The course begins with it: one neuron without an activation predicts the price of a
house from its size. TensorFlow computes the gradient of the cost by automatic
differentiation, and all steps run in one compiled graph, which Python calls once:

    y_hat = w x + b
    J = 1/m sum (y_hat - y)^2
    w <- w - learning_rate dJ/dw        b <- b - learning_rate dJ/db

`train` standardises x: it subtracts the mean and divides by the standard deviation.
Then J has the same curvature in every direction, and each step multiplies the distance
from the minimum by 1 - 2 learning_rate. So every learning rate below 1 converges, and
1/2 needs a single step. For linear regression the minimum is also known in closed
form; `least_squares` computes it.

Shapes: m points, x (m,) and y (m,); w and b are numbers. The course has no notebook
on it.
"""

from typing import Any

import numpy as np
import tensorflow as tf

from dls_keras.core import examples, inputs
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.datasets import house_prices

NUMBER, COUNT = tf.TensorSpec([], tf.float64), tf.TensorSpec([], tf.int32)
NUMBERS = tf.TensorSpec([None], tf.float64)


def predict(w: float | tf.Tensor, b: float | tf.Tensor, x: Any) -> Any:
    """w x + b for each x."""
    return w * x + b


def mean_squared_error(
    w: tf.Tensor, b: tf.Tensor, x: tf.Tensor, y: tf.Tensor
) -> tf.Tensor:
    """The cost J, in units of y squared."""
    return tf.reduce_mean((predict(w, b, x) - y) ** 2)


# With an input signature, TensorFlow traces one graph for any number of points and
# steps.
@tf.function(input_signature=[NUMBERS, NUMBERS, NUMBER, NUMBER, COUNT, NUMBER])
def gradient_descent(
    x: tf.Tensor,
    y: tf.Tensor,
    w: tf.Tensor,
    b: tf.Tensor,
    steps: tf.Tensor,
    learning_rate: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Gradient descent from (w, b), with all steps in one graph.

    Args:
        x, y: (m,) float64.
        steps: int32.

    Returns:
        w, b: after the last step.
        losses: (steps,) the cost before each step.
    """
    losses = tf.TensorArray(tf.float64, steps)
    for i in tf.range(steps):
        with tf.GradientTape() as tape:
            tape.watch((w, b))
            loss = mean_squared_error(w, b, x, y)
        dw, db = tape.gradient(loss, (w, b))
        w, b = w - learning_rate * dw, b - learning_rate * db
        losses = losses.write(i, loss)
    return w, b, losses.stack()


def least_squares(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The slope and intercept that minimise the cost, in closed form: (w, b)."""
    deviations = x - np.mean(x)
    w = deviations @ y / (deviations @ deviations)
    return w, np.mean(y) - w * np.mean(x)


# The application: the names that every assignment shares. The model is a dict of "w"
# and "b", for x and y in their original units.


def load_data(
    m: int = 100, seed: int = 0, *, synthetic: bool = False
) -> house_prices.Houses:
    """m synthetic houses: x in square metres, y in thousand euros, both (m,).

    Args:
        synthetic: changes nothing, since these data are generated anyway.
    """
    return house_prices.make_houses(m, seed=seed)


def build_model() -> dict[str, float]:
    """The untrained line: a dict of "w" and "b", both zero."""
    return {"w": 0.0, "b": 0.0}


@examples.accepted(float64=True)
def train(
    model: dict[str, float],
    data: tuple,
    *,
    epochs: int = 200,
    learning_rate: float = 0.1,
) -> list[float]:
    """Fit `model` in place; return the cost before each of the steps.

    All steps are one graph, which takes no callbacks.

    Raises:
        InputError: if there are fewer than two distinct x, or an x or y is not finite.
    """
    x, y, *_ = (np.asarray(values, float) for values in data)
    mean, deviation = (x.mean(), x.std()) if x.size else (0.0, 0.0)
    infinite = x.size + y.size - np.isfinite(x).sum() - np.isfinite(y).sum()
    if infinite or not deviation > 0:
        raise InputError(
            "A line needs at least two distinct x, and finite x and y; received "
            f"{np.unique(x).size} distinct x, and {infinite} values that are not "
            "finite. Add points with other x, or remove those with NaN or infinity."
        )
    # w x + b = (w deviation) (x - mean) / deviation + (b + w mean)
    w, b, losses = gradient_descent(
        (x - mean) / deviation,
        y,
        model["w"] * deviation,
        model["b"] + model["w"] * mean,
        epochs,
        learning_rate,
    )
    model["w"] = float(w / deviation)
    model["b"] = float(b - w / deviation * mean)
    return losses.numpy().tolist()


@inputs.batched(inputs.NUMBER)
def infer(model: dict[str, float], sizes: Any) -> list[Answer]:
    """The predicted price of a house.

    Args:
        sizes: square metres, a number or a string of one such as "120", or a list.

    Returns:
        Such as "410 thousand euros"; `details["price"]` is the price in thousand
        euros. The confidence is None, as the model predicts no distribution.
    """
    x = np.array([_number(size) for size in sizes])
    line = {"w": model["w"], "b": model["b"]}
    return [
        Answer(f"{price:.0f} thousand euros", price=price, for_picture=line)
        for price in np.asarray(predict(model["w"], model["b"], x)).tolist()
    ]


def evaluate(
    model: dict[str, float] | None = None, *, synthetic: bool = False
) -> list[Row]:
    """Compare a line with that of least squares.

    Args:
        model: by default a new one, trained on `load_data()`.
        synthetic: changes nothing, since no files are needed anyway.
    """
    data = load_data()
    if model is None:
        model = build_model()
        train(model, data)
    w, b = least_squares(*data)
    difference = max(abs(model["w"] - w), abs(model["b"] - b))
    return [
        Row("slope, thousand euros per square metre", model["w"], equals=w),
        Row("intercept, thousand euros", model["b"], equals=b),
        Row("largest difference from least squares", difference, at_most=1e-6),
    ]


def picture(size: Any, answer: Answer) -> Any:
    """The houses, the line and the predicted price as a star, a matplotlib figure."""
    from dls_keras import plots  # lazy import: infer needs no matplotlib

    figure = plots.line(
        *load_data(),
        lambda x: predict(**answer.for_picture, x=x),
        title=f"{_number(size):g} m²: {answer}",
        xlabel="size (m²)",
        ylabel="price (thousand euros)",
    )
    star = _number(size), answer.details["price"]
    figure.axes[0].plot(*star, "*", color="black", markersize=16)
    return figure


def _number(size):
    """A size as a finite float."""
    try:
        number = float(size)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise InputError(
            "A size is one finite number of square metres, such as 120; received "
            f"{size!r}."
        )
    return number
