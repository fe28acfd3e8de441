"""Linear regression: the line through a cloud of points, by gradient descent (C1 W4).

The course opens with it: one neuron without an activation guesses the price of a
house from its size. TensorFlow finds the gradient of the cost by itself, and all
the steps are one compiled graph, which Python enters once:

    y_hat = w x + b
    J = 1/m sum (y_hat - y)^2
    w <- w - learning_rate dJ/dw        b <- b - learning_rate dJ/db

With x measured from its mean in units of its spread, J is a round bowl: a step
multiplies the distance to its lowest point by 1 - 2 learning_rate in every
direction, so any rate below 1 arrives, and 1/2 does so at once. Here the lowest
point is known, too: `least_squares` solves for it.

Shapes: m points, x (m,) and y (m,); w and b are numbers. No notebook of the course.
"""

import numpy as np
import tensorflow as tf

from dls_keras.core.errors import InputError
from dls_keras.datasets import house_prices

NUMBER, COUNT = tf.TensorSpec([], tf.float64), tf.TensorSpec([], tf.int32)
NUMBERS = tf.TensorSpec([None], tf.float64)


def predict(w, b, x):
    """The line's height at each x."""
    return w * x + b


def mean_squared_error(w, b, x, y):
    """The cost J, in units of y squared."""
    return tf.reduce_mean((predict(w, b, x) - y) ** 2)


# With its signature, one graph serves any number of points and of steps.
@tf.function(input_signature=[NUMBERS, NUMBERS, NUMBER, NUMBER, COUNT, NUMBER])
def gradient_descent(x, y, w, b, steps, learning_rate):
    """Walk down the gradient from (w, b), every step in one graph.

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


def least_squares(x, y):
    """The slope and intercept of the lowest cost, in closed form: (w, b)."""
    across = x - np.mean(x)
    w = across @ y / (across @ across)
    return w, np.mean(y) - w * np.mean(x)


# The application: the names that every assignment shares. The model is the dict of
# "w" and "b", for x and y in their own units.


def load_data(m=100, seed=0):
    """m generated houses, a `houses.Houses`: x in square metres, y in 1000 euros."""
    return house_prices.make_houses(m, seed=seed)


def build_model():
    """The line before it learns: a dict of "w" and "b", both zero."""
    return {"w": 0.0, "b": 0.0}


def train(model, data, *, epochs=200, learning_rate=0.1):
    """Fit `model` in place; return the cost before each of the steps.

    Raises:
        InputError: if no two x differ.
    """
    x, y, *_ = (np.asarray(values, float) for values in data)
    centre, spread = (x.mean(), x.std()) if x.size else (0.0, 0.0)
    if not spread > 0:
        raise InputError(
            f"A line needs two points with different x; received {x.size} points "
            "without. Add others."
        )
    # w x + b = (w spread) (x - centre) / spread + (b + w centre)
    w, b, losses = gradient_descent(
        (x - centre) / spread,
        y,
        model["w"] * spread,
        model["b"] + model["w"] * centre,
        epochs,
        learning_rate,
    )
    model["w"] = float(w / spread)
    model["b"] = float(b - w / spread * centre)
    return losses.numpy().tolist()


def infer(model, size):
    """The price of a house, in thousand euros, from its size.

    Args:
        size: square metres, a number or a text of one such as "120".
    """
    return float(predict(model["w"], model["b"], _number(size)))


def evaluate(model=None):
    """The line beside that of least squares, as rows (what, ours, goal).

    `model` is by default trained anew.
    """
    data = load_data()
    if model is None:
        model = build_model()
        train(model, data)
    w, b = least_squares(*data)
    apart = max(abs(model["w"] - w), abs(model["b"] - b))
    return [
        ("slope, thousand euros a square metre", model["w"], w),
        ("intercept, thousand euros", model["b"], b),
        ("largest difference to least squares", apart, 1e-6),
    ]


def picture(model, size):
    """The houses, the line and the price it gives, a matplotlib figure."""
    from dls_keras import plots  # matplotlib: late, so that answers come without it

    price = infer(model, size)
    figure = plots.line(
        *load_data(),
        lambda x: predict(model["w"], model["b"], x),
        title=f"{_number(size):g} m²: {price:.0f} thousand euros",
        xlabel="size (m²)",
        ylabel="price (thousand euros)",
    )
    figure.axes[0].plot(_number(size), price, "*", color="black", markersize=16)
    return figure


def _number(size):
    """A size as a finite float, perhaps from a text."""
    try:
        number = float(size)
    except (TypeError, ValueError):
        number = np.nan
    if not np.isfinite(number):
        raise InputError(
            f"A size is one finite number of square metres, such as 120; received "
            f"{size!r}."
        )
    return number
