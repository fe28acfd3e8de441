"""Optimization: mini-batches, momentum, RMSprop, Adam and decay (C2 W2 A1).

A step on a mini-batch costs a fraction of a step on all points and is almost as good.
The gradients of mini-batches are noisy; a moving average of the gradients removes most
of the noise. Gradients of different parameters also differ in size; dividing by the
root of a moving average of their squares gives steps of similar size. With g the
gradient with respect to a parameter p at step t:

    v = beta1 v + (1 - beta1) g              momentum    p -= learning_rate v
    s = beta2 s + (1 - beta2) g^2            RMSprop     p -= learning_rate g / r
                                             Adam        p -= learning_rate v' / r'

where r = sqrt(s) + epsilon. The averages start from zero, so the first ones are too
small. Adam corrects this bias: v' = v / (1 - beta1^t), s' = s / (1 - beta2^t), and r'
is computed from s'.

Shapes: m points as the columns of X (2, m), labels Y (1, m); layer l has W[l]
(n[l], n[l-1]) and b[l] (n[l], 1). Edition: 2021. In 2017 `compute_cost` was at
first the mean of the losses, Adam returned three values instead of five, there was no
decay, and the default was 10000 epochs. NumPy alone, no TensorFlow. Paper: Kingma
& Ba (2015), https://arxiv.org/abs/1412.6980
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dls_keras.core import examples, inputs
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.course2 import initialization
from dls_keras.course2.initialization import (  # noqa: F401
    backward_propagation,
    forward_propagation,
    initialize_parameters_he,
    predict,
    predict_dec,
    relu,
    sigmoid,
)
from dls_keras.datasets import planar
from dls_keras.reference import cases

MOONS = ("upper moon", "lower moon")  # names of the labels 0 and 1
EXTENT = (-1.8, 2.7, -1.4, 1.9)  # left, right, bottom, top of the picture of the moons
OPTIMIZERS = ("gd", "momentum", "rmsprop", "adam")

# The assignment: the course's functions under the course's signatures. Those that are
# the same as in the assignment on initialization are imported.


def initialize_parameters(layer_dims):
    """He initialization (NumPy seed 3): dict of "W1", "b1", ..., "bL"."""
    return initialize_parameters_he(layer_dims)


def compute_cost(a3, Y):
    """The sum, not the mean, of the cross-entropies of a mini-batch, in nats."""
    return initialization.compute_loss(a3, Y) * np.size(Y)


def update_parameters_with_gd(parameters, grads, learning_rate):
    """One step of gradient descent: a new dict of parameters."""
    return initialization.update_parameters(parameters, grads, learning_rate)


def random_mini_batches(X, Y, mini_batch_size=64, seed=0):
    """All points, shuffled and divided into batches; the last one may be smaller.

    Returns:
        List of (X, Y), (n_x, mini_batch_size) and (1, mini_batch_size).
    """
    m = X.shape[1]
    order = np.random.RandomState(seed).permutation(m)
    X, Y = X[:, order], Y[:, order]
    return [
        (X[:, k : k + mini_batch_size], Y[:, k : k + mini_batch_size])
        for k in range(0, m, mini_batch_size)
    ]


def initialize_velocity(parameters):
    """Zeros in the shape of each parameter: dict of "dW1", "db1", ..."""
    return {f"d{name}": np.zeros_like(value) for name, value in parameters.items()}


def update_parameters_with_momentum(parameters, grads, v, beta, learning_rate):
    """One step along the moving average of the gradients.

    Returns:
        parameters, v: both new dicts.
    """
    v = _update_averages(v, grads, beta)
    return update_parameters_with_gd(parameters, v, learning_rate), v


def initialize_adam(parameters):
    """Zeros for both moving averages: v of the gradients, s of their squares."""
    return initialize_velocity(parameters), initialize_velocity(parameters)


def update_parameters_with_adam(
    parameters,
    grads,
    v,
    s,
    t,
    learning_rate=0.01,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
):
    """Step t (from 1) of Adam.

    Returns:
        parameters, v, s, v_corrected, s_corrected: new dicts.
    """
    v = _update_averages(v, grads, beta1)
    s = _update_averages(s, {name: np.square(grads[name]) for name in s}, beta2)
    v_corrected = {name: value / (1 - beta1**t) for name, value in v.items()}
    s_corrected = {name: value / (1 - beta2**t) for name, value in s.items()}
    step = _divided_by_root(v_corrected, s_corrected, epsilon)
    parameters = update_parameters_with_gd(parameters, step, learning_rate)
    return parameters, v, s, v_corrected, s_corrected


def update_lr(learning_rate0, epoch_num, decay_rate):
    """The learning rate of an epoch: learning_rate0 / (1 + decay_rate epoch_num)."""
    return learning_rate0 / (1 + decay_rate * epoch_num)


def schedule_lr_decay(learning_rate0, epoch_num, decay_rate, time_interval=1000):
    """Like `update_lr`, with the decay applied once every `time_interval` epochs."""
    return update_lr(learning_rate0, epoch_num // time_interval, decay_rate)


def mini_batch_descent(
    parameters: dict[str, np.ndarray],
    X: np.ndarray,
    Y: np.ndarray,
    optimizer: str,
    learning_rate0: float,
    epochs: int,
    *,
    mini_batch_size: int = 64,
    beta: float = 0.9,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    decay: Callable[[float, int, float], float] | None = None,
    decay_rate: float = 1,
    seed: int = 10,
) -> Iterator[tuple[float, float]]:
    """Train `parameters` in place, one epoch per iteration.

    Args:
        optimizer: one of `OPTIMIZERS`.
        decay: None or a function such as `update_lr`, called after each epoch.
        seed: epoch i, from 0, is shuffled with seed + i + 1.

    Yields:
        The mean loss of the epoch, each mini-batch before its step, and the learning
        rate of the next epoch.
    """
    if optimizer not in OPTIMIZERS:
        raise InputError(
            f"There is no optimizer {optimizer!r}. "
            f"Choose one of {', '.join(OPTIMIZERS)}."
        )
    learning_rate, t = learning_rate0, 0
    v, s = initialize_adam(parameters)
    for i in range(epochs):
        total = 0.0
        for x, y in random_mini_batches(X, Y, mini_batch_size, seed + i + 1):
            a3, cache = forward_propagation(x, parameters)
            total += compute_cost(a3, y)
            grads = backward_propagation(x, y, cache)
            if optimizer == "gd":
                updated = update_parameters_with_gd(parameters, grads, learning_rate)
            elif optimizer == "momentum":
                updated, v = update_parameters_with_momentum(
                    parameters, grads, v, beta, learning_rate
                )
            elif optimizer == "rmsprop":
                updated, s = update_parameters_with_rmsprop(
                    parameters, grads, s, learning_rate, beta, epsilon
                )
            else:
                t += 1
                settings = learning_rate, beta1, beta2, epsilon
                updated, v, s, _, _ = update_parameters_with_adam(
                    parameters, grads, v, s, t, *settings
                )
            parameters.update(updated)
        if decay:
            learning_rate = decay(learning_rate0, i, decay_rate)
        yield total / X.shape[1], learning_rate


def model(
    X,
    Y,
    layers_dims,
    optimizer,
    learning_rate=0.0007,
    mini_batch_size=64,
    beta=0.9,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    num_epochs=5000,
    print_cost=True,
    decay=None,
    decay_rate=1,
):
    """Train a three-layer network; return the parameters.

    Args:
        optimizer: "gd", "momentum", "adam" or, beyond the course, "rmsprop".
        print_cost: print the cost of epochs 0, 1000, 2000, ...
        decay: a function such as `update_lr`, called after each epoch.
    """
    parameters = initialize_parameters(layers_dims)
    epochs = mini_batch_descent(
        parameters,
        X,
        Y,
        optimizer,
        learning_rate,
        num_epochs,
        mini_batch_size=mini_batch_size,
        beta=beta,
        beta1=beta1,
        beta2=beta2,
        epsilon=epsilon,
        decay=decay,
        decay_rate=decay_rate,
    )
    for i, (cost, rate) in enumerate(epochs):
        if print_cost and i % 1000 == 0:
            print(f"Cost after epoch {i}: {cost:f}")
            if decay:
                print(f"learning rate after epoch {i}: {rate:f}")
    return parameters


def _update_averages(averages, values, beta):
    """beta average + (1 - beta) value, for each array."""
    return {
        name: beta * average + (1 - beta) * values[name]
        for name, average in averages.items()
    }


def _divided_by_root(v, s, epsilon):
    """v / (sqrt(s) + epsilon), for each array."""
    return {name: v[name] / (np.sqrt(s[name]) + epsilon) for name in s}


# Beyond the assignment: two more topics of the lectures.


def moving_average(
    values: Any, beta: float = 0.9, *, bias_correction: bool = True
) -> np.ndarray:
    """The exponentially weighted average of a sequence.

    It is about the mean of the last 1 / (1 - beta) values.

    Args:
        values: (T, ...), in the order of time.
        bias_correction: divide by 1 - beta^t, the sum of the weights so far; without
            it the first averages are too small, as the average starts from zero.

    Returns:
        (T, ...): the average up to each time.

    >>> moving_average([10, 20, 30], beta=0.5, bias_correction=False)
    array([ 5.  , 12.5 , 21.25])
    """
    values = np.asarray(values, float)
    averages, average = np.empty_like(values), 0.0
    for t, value in enumerate(values, start=1):
        average = beta * average + (1 - beta) * value
        averages[t - 1] = average / (1 - beta**t) if bias_correction else average
    return averages


def update_parameters_with_rmsprop(
    parameters: dict[str, np.ndarray],
    grads: dict[str, np.ndarray],
    s: dict[str, np.ndarray],
    learning_rate: float = 0.001,
    beta: float = 0.9,
    epsilon: float = 1e-8,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """One step of RMSprop: the gradient over the root of its mean square.

    Keras's RMSprop has epsilon inside the root.

    Args:
        s: the averages so far; before the first step those of `initialize_velocity`.

    Returns:
        parameters, s: both new dicts.
    """
    s = _update_averages(s, {name: np.square(grads[name]) for name in s}, beta)
    step = _divided_by_root(grads, s, epsilon)
    return update_parameters_with_gd(parameters, step, learning_rate), s


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data(*, synthetic: bool = False) -> planar.Points:
    """The course's 300 points of two moons, which are synthetic.

    Args:
        synthetic: changes nothing, since these data are generated anyway.
    """
    return planar.make_moons()


def build_model() -> dict[str, np.ndarray]:
    """The untrained network of the course, with 5 and 2 hidden units."""
    return initialize_parameters([2, 5, 2, 1])


@examples.accepted(columns=True)
def train(
    model: dict[str, np.ndarray],
    data: tuple,
    *,
    epochs: int = 5000,
    batch_size: int = 64,
    learning_rate: float = 0.0007,
    optimizer: str = "adam",
    decay: Callable | None = None,
    decay_rate: float = 1,
    seed: int = 10,
) -> list[float]:
    """Fit `model` in place with one of `OPTIMIZERS`, in the settings of the course.

    The loop is written in NumPy and takes no callbacks.

    Args:
        decay: None, `update_lr` or `schedule_lr_decay`.
        seed: epoch i, from 0, is shuffled with seed + i + 1.

    Returns:
        The mean loss of each epoch, in nats.
    """
    X, Y, *_ = data
    steps = mini_batch_descent(
        model,
        X,
        Y,
        optimizer,
        learning_rate,
        epochs,
        mini_batch_size=batch_size,
        decay=decay,
        decay_rate=decay_rate,
        seed=seed,
    )
    return [cost for cost, _ in steps]


@inputs.batched(inputs.POINT)
def infer(model: dict[str, np.ndarray], points: Any) -> list[Answer]:
    """Which moon a point belongs to.

    Args:
        points: a point, which is two numbers or a string of two such as "0.5, 1", or a
            list of points. The upper moon is an arch around (0, 0), the lower one a
            bowl around (1, 0.5).

    Returns:
        "upper moon" or "lower moon". The confidence is its probability, the output of
        the sigmoid or one minus it; `details["probabilities"]` holds both.
    """
    return initialization.infer(model, points, classes=MOONS, extent=EXTENT)


def evaluate(*, synthetic: bool = False) -> list[Row]:
    """Compare the course's runs, of both editions, with the printed numbers.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    data = load_data()
    decays = {"update_lr": update_lr, "schedule_lr_decay": schedule_lr_decay}
    rows = []
    for run in cases.read("c2w2_optimization").runs:
        inputs, expected = run.calls[0].inputs, run.expected
        decay = inputs.get("decay", {}).get("function")
        model = build_model()
        losses = train(
            model,
            data,
            epochs=inputs["num_epochs"],
            learning_rate=inputs.get("learning_rate", 0.0007),
            optimizer=inputs["optimizer"],
            decay=decays.get(decay),
        )
        name = run.id.removeprefix("moons_")
        rows += [
            Row(f"{name}: cost after epoch {i}", losses[int(i)], equals=cost)
            for i, cost in expected["#0:printed_costs"].items()
        ]
        accuracy = np.mean(predict_dec(model, data.x) == data.y)
        goal = expected["#1:return"]["fraction"]
        rows.append(Row(f"{name}: accuracy", accuracy, equals=goal))
    return rows


def picture(point: Any, answer: Answer) -> Any:
    """The point as a star among the data, on the network's classes of the plane.

    A matplotlib figure.
    """
    return initialization.picture(point, answer, data=load_data())
