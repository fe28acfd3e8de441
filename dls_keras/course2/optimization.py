"""Optimization: mini-batches, momentum, RMSprop, Adam and decay (C2 W2 A1).

A step on a mini-batch costs a fraction of a step on all points and is almost as
good; what makes the steps noisy is averaged out by a moving average of the
gradients, and what makes some parameters steep and others flat by a moving average
of their squares. With g the gradient of a parameter at step t:

    v = beta1 v + (1 - beta1) g              momentum    p -= learning_rate v
    s = beta2 s + (1 - beta2) g^2            RMSprop     p -= learning_rate g / r
                                             Adam        p -= learning_rate v' / r'

where r = sqrt(s) + epsilon. The averages start from zero, so the first are too
small; Adam corrects that: v' = v / (1 - beta1^t) and likewise s'.

Shapes: m points as the columns of X (2, m), labels Y (1, m); layer l has W[l]
(n[l], n[l-1]) and b[l] (n[l], 1). Edition: 2021. In 2017 `compute_cost` was at
first the mean of the losses, Adam returned three values, not five, there was no
decay, and 10000 epochs were the default. NumPy alone, no TensorFlow. Paper: Kingma
& Ba (2015), https://arxiv.org/abs/1412.6980
"""

import numpy as np

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

MOONS = ("upper moon", "lower moon")  # of the labels 0 and 1
OPTIMIZERS = ("gd", "momentum", "rmsprop", "adam")

# The assignment: the course's functions under the course's signatures. Those that
# are the same as in the assignment on initialization are imported.


def initialize_parameters(layer_dims):
    """He's start (NumPy seed 3): dict of "W1", "b1", ..., "bL"."""
    return initialize_parameters_he(layer_dims)


def compute_cost(a3, Y):
    """The sum, not the mean, of the cross-entropies of a mini-batch, in nats."""
    return initialization.compute_loss(a3, Y) * np.size(Y)


def update_parameters_with_gd(parameters, grads, learning_rate):
    """One step of gradient descent: a new dict of parameters."""
    return initialization.update_parameters(parameters, grads, learning_rate)


def random_mini_batches(X, Y, mini_batch_size=64, seed=0):
    """All points once, shuffled, in batches; the last one may be smaller.

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
    """Zeros for each parameter: dict of "dW1", "db1", ..."""
    return {f"d{name}": np.zeros_like(value) for name, value in parameters.items()}


def update_parameters_with_momentum(parameters, grads, v, beta, learning_rate):
    """One step along the moving average of the gradients.

    Returns:
        parameters, v: both new dicts.
    """
    v = _averages(v, grads, beta)
    return update_parameters_with_gd(parameters, v, learning_rate), v


def initialize_adam(parameters):
    """Zeros for both averages: v of the gradients, s of their squares."""
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
    """Step t (from 1) along v', each parameter at its own pace.

    Returns:
        parameters, v, s, v_corrected, s_corrected: new dicts.
    """
    v = _averages(v, grads, beta1)
    s = _averages(s, {name: np.square(grads[name]) for name in s}, beta2)
    v_corrected = {name: value / (1 - beta1**t) for name, value in v.items()}
    s_corrected = {name: value / (1 - beta2**t) for name, value in s.items()}
    step = _scaled(v_corrected, s_corrected, epsilon)
    parameters = update_parameters_with_gd(parameters, step, learning_rate)
    return parameters, v, s, v_corrected, s_corrected


def update_lr(learning_rate0, epoch_num, decay_rate):
    """The learning rate of an epoch: learning_rate0 / (1 + decay_rate epoch_num)."""
    return learning_rate0 / (1 + decay_rate * epoch_num)


def schedule_lr_decay(learning_rate0, epoch_num, decay_rate, time_interval=1000):
    """The same, but the rate falls only once every `time_interval` epochs."""
    return update_lr(learning_rate0, epoch_num // time_interval, decay_rate)


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
    """Learn with a three-layer network; return the parameters.

    Args:
        optimizer: "gd", "momentum", "adam" or, beyond the course, "rmsprop".
        decay: a function such as `update_lr`, called after each epoch.
    """
    parameters = initialize_parameters(layers_dims)
    epochs = _epochs(
        parameters,
        (X, Y),
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


# Beside the assignment: what the lectures have, too.


def moving_average(values, beta=0.9, *, bias_correction=True):
    """The exponentially weighted average of a sequence, about 1 / (1 - beta) long.

    Args:
        values: (T, ...), in the order of time.
        bias_correction: divide by 1 - beta^t, the sum of the weights so far, as the
            average starts from zero.

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
    parameters, grads, s, learning_rate=0.001, beta=0.9, epsilon=1e-8
):
    """One step, each parameter divided by the root of its average squared gradient.

    Keras's RMSprop has its epsilon under the root.

    Args:
        s: the averages so far; zeros of `initialize_velocity` before the first step.

    Returns:
        parameters, s: both new dicts.
    """
    s = _averages(s, {name: np.square(grads[name]) for name in s}, beta)
    step = _scaled(grads, s, epsilon)
    return update_parameters_with_gd(parameters, step, learning_rate), s


def _epochs(
    parameters,
    data,
    optimizer,
    learning_rate0,
    epochs,
    *,
    mini_batch_size=64,
    beta=0.9,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    decay=None,
    decay_rate=1,
    seed=10,
):
    """Move `parameters` in place, an epoch at a time.

    Yields:
        The mean cost of the epoch's mini-batches, each before its step, and the
        learning rate for the next epoch.
    """
    if optimizer not in OPTIMIZERS:
        raise InputError(
            f"There is no optimizer {optimizer!r}. "
            f"Choose one of {', '.join(OPTIMIZERS)}."
        )
    X, Y, *_ = data
    learning_rate, t = learning_rate0, 0
    v, s = initialize_adam(parameters)
    for i in range(epochs):
        total = 0.0
        for x, y in random_mini_batches(X, Y, mini_batch_size, seed + i + 1):
            a3, cache = forward_propagation(x, parameters)
            total += compute_cost(a3, y)
            grads = backward_propagation(x, y, cache)
            if optimizer == "gd":
                moved = update_parameters_with_gd(parameters, grads, learning_rate)
            elif optimizer == "momentum":
                moved, v = update_parameters_with_momentum(
                    parameters, grads, v, beta, learning_rate
                )
            elif optimizer == "rmsprop":
                moved, s = update_parameters_with_rmsprop(
                    parameters, grads, s, learning_rate, beta, epsilon
                )
            else:
                t += 1
                settings = learning_rate, beta1, beta2, epsilon
                moved, v, s, _, _ = update_parameters_with_adam(
                    parameters, grads, v, s, t, *settings
                )
            parameters.update(moved)
        if decay:
            learning_rate = decay(learning_rate0, i, decay_rate)
        yield total / X.shape[1], learning_rate


def _averages(old, new, beta):
    """beta old + (1 - beta) new, of each array."""
    return {name: beta * old[name] + (1 - beta) * new[name] for name in old}


def _scaled(v, s, epsilon):
    """v / (sqrt(s) + epsilon), of each array."""
    return {name: v[name] / (np.sqrt(s[name]) + epsilon) for name in s}


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data():
    """The course's two moons, generated: `planar.Points`, 300 of them."""
    return planar.make_moons()


def build_model():
    """The network of the course, 5 and 2 hidden units, before it learns."""
    return initialize_parameters([2, 5, 2, 1])


def train(
    model,
    data,
    *,
    epochs=5000,
    batch_size=64,
    learning_rate=0.0007,
    optimizer="adam",
    decay=None,
    decay_rate=1,
    seed=10,
):
    """Fit `model` in place, with an optimizer of `OPTIMIZERS` at its course settings.

    Args:
        decay: None, `update_lr` or `schedule_lr_decay`.
        seed: epoch i, from 0, is shuffled by seed + i + 1.

    Returns:
        The mean cost of each epoch, in nats.
    """
    steps = _epochs(
        model,
        data,
        optimizer,
        learning_rate,
        epochs,
        mini_batch_size=batch_size,
        decay=decay,
        decay_rate=decay_rate,
        seed=seed,
    )
    return [cost for cost, _ in steps]


def infer(model, point):
    """Which moon a point belongs to.

    Args:
        point: two numbers, or a text of two such as "0.5, 1". The upper moon is an
            arch around (0, 0), the lower one a bowl around (1, 0.5).

    Returns:
        An `Answer`, "upper moon" or "lower moon"; `details` holds both
        "probabilities".
    """
    return initialization.infer(model, point, classes=MOONS)


def evaluate():
    """The course's printed runs, of both editions, as rows (what, ours, printed)."""
    data = load_data()
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
            decay=decay and globals()[decay],
        )
        name = run.id.removeprefix("moons_")
        rows += [
            (f"{name}: cost after epoch {i}", losses[int(i)], cost)
            for i, cost in expected["#0:printed_costs"].items()
        ]
        right = np.mean(predict_dec(model, data.x) == data.y)
        rows.append((f"{name}: accuracy", right, expected["#1:return"]["fraction"]))
    return rows


def picture(model, point):
    """The point on the plane as the network colours it, a matplotlib figure."""
    return initialization.picture(model, point, classes=MOONS, data=load_data())
