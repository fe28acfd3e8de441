"""Hyperparameter search: at random, on the right scale, coarse to fine (C2 W3).

A grid of five by five tries only five values of each hyperparameter. Twenty-five random
points try twenty-five values of each, which is better when one hyperparameter matters
more than the other, as is usual. A value is a function of a number r that is uniform:

    linear        value = r              units of a layer
    log           value = 10^r           a learning rate from 0.0001 to 1: r in [-4, 0]
    log from one  value = 1 - 10^r       beta from 0.9 to 0.999: r in [-3, -1]

Then the search is repeated in a smaller space around the best trials.

The example is Adam on the moons of `optimization`: which settings have the smallest
cost on the dev points after a hundred epochs? The dev points are not used in training.
The best of many trials looks better on the dev points than it is, because it was
selected by them, so separate test points measure the final result once. NumPy alone,
no TensorFlow. Paper: Bergstra & Bengio (2012), "Random search for hyper-parameter
optimization", https://jmlr.org/papers/v13/bergstra12a.html
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dls_keras.core.answers import Row
from dls_keras.course2 import optimization
from dls_keras.datasets import planar

# For each scale the functions from a value to r and from r to the value.
SCALES: dict[str, tuple[Callable, Callable]] = {
    "linear": (lambda value: value, lambda r: r),
    "log": (np.log10, lambda r: 10.0**r),
    "log from one": (lambda value: np.log10(1 - value), lambda r: 1 - 10.0**r),
}


class Range(NamedTuple):
    """The values of a hyperparameter, both ends included."""

    low: float
    high: float
    scale: str = "linear"  # a key of `SCALES`
    # Whether values are rounded to integers; both ends are then half as likely.
    whole: bool = False


class Trial(NamedTuple):
    """One sample of the hyperparameters and its cost."""

    stage: int  # 1 for the coarse search, 2, 3, ... for finer ones
    values: dict[str, Any]
    cost: float


# The search space of the example; the names are those of `optimization.model`.
SPACE = {
    "learning_rate": Range(0.0001, 1, "log"),
    "mini_batch_size": Range(8, 256, "log", whole=True),
    "beta1": Range(0.5, 0.999, "log from one"),
    "n_h": Range(2, 20, whole=True),
}
COURSE = {"learning_rate": 0.0007, "mini_batch_size": 64, "beta1": 0.9, "n_h": 5}


# The lesson.


def sample(space: Mapping[str, Range], rng: np.random.Generator) -> dict[str, float]:
    """A random value of each hyperparameter of `space`."""
    return {name: value_at(where, rng.random()) for name, where in space.items()}


def value_at(where: Range, fraction: float) -> float:
    """The value at a fraction, in [0, 1], of a range, on its scale.

    >>> value_at(Range(0.0001, 1, "log"), 0.5)
    0.01
    >>> round(value_at(Range(0.9, 0.999, "log from one"), 0.5), 6)
    0.99
    """
    to_r, to_value = SCALES[where.scale]
    start, stop = to_r(where.low), to_r(where.high)
    value = to_value(start + fraction * (stop - start))
    value = min(max(value, where.low), where.high)  # because of rounding in 10^r
    return round(value) if where.whole else float(value)


def random_search(
    cost: Callable[..., float],
    space: Mapping[str, Range],
    trials: int = 25,
    *,
    stage: int = 1,
    seed: int = 0,
) -> list[Trial]:
    """Trials with random hyperparameters, sorted by cost.

    Args:
        cost: function of the hyperparameters as keyword arguments; NaN counts as
            infinite.
        trials: how many.

    Returns:
        List of `Trial`, the same for the same seed and stage.
    """
    rng = np.random.default_rng([seed, stage])
    samples = [sample(space, rng) for _ in range(trials)]
    found = [Trial(stage, values, float(cost(**values))) for values in samples]
    return sorted(found, key=_sort_key)


def narrow(space: Mapping[str, Range], trials: Sequence[Trial]) -> dict[str, Range]:
    """The part of `space` around the values of `trials`.

    Each range is that of the trials plus a tenth of its length on each side, limited to
    the range in `space`.
    """
    narrowed = {}
    for name, where in space.items():
        to_r, to_value = SCALES[where.scale]
        bounds = sorted((to_r(where.low), to_r(where.high)))
        r = [to_r(trial.values[name]) for trial in trials]
        margin = 0.1 * (max(r) - min(r))
        ends = np.clip([min(r) - margin, max(r) + margin], *bounds)
        low, high = sorted(to_value(end) for end in ends)
        narrowed[name] = where._replace(low=float(low), high=float(high))
    return narrowed


def coarse_to_fine(
    cost: Callable[..., float],
    space: Mapping[str, Range],
    trials: int = 25,
    *,
    stages: int = 2,
    keep: int = 5,
    seed: int = 0,
) -> list[Trial]:
    """Random search in `space`, then in smaller spaces around the best trials so far.

    Args:
        trials: per stage.
        keep: how many of the best trials define the space of the next stage.

    Returns:
        The trials of all stages, sorted by cost.
    """
    found: list[Trial] = []
    for stage in range(1, stages + 1):
        found += random_search(cost, space, trials, stage=stage, seed=seed)
        found.sort(key=_sort_key)
        space = narrow(space, found[:keep])
    return found


def table(trials: Sequence[Trial]) -> str:
    """The trials as a table of text, one row per trial.

    >>> print(table([Trial(1, {"learning_rate": 0.0123, "n_h": 5}, 0.2)]))
    stage  learning_rate  n_h  cost
        1         0.0123    5   0.2
    """
    names = list(trials[0].values)
    rows = [("stage", *names, "cost")]
    for trial in trials:
        numbers = (trial.stage, *trial.values.values(), trial.cost)
        rows.append(tuple(f"{number:.4g}" for number in numbers))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:>{w}}" for cell, w in zip(row, widths, strict=True))
        for row in rows
    )


def scatter(trials: Sequence[Trial], space: Mapping[str, Range]) -> Any:
    """The cost of the trials over each hyperparameter, a matplotlib figure."""
    from dls_keras import plots  # lazy import: a search needs no matplotlib

    panels: dict[str, Any] = {}
    logarithmic = ["cost"]
    for name, where in space.items():
        values = np.array([trial.values[name] for trial in trials])
        from_one = where.scale == "log from one"
        label = f"1 - {name}" if from_one else name
        panels[label] = 1 - values if from_one else values
        logarithmic += [label] * (where.scale != "linear")
    return plots.panels(
        panels,
        [trial.cost for trial in trials],
        groups=[f"stage {trial.stage}" for trial in trials],
        ylabel="cost",
        logarithmic=logarithmic,
    )


def _sort_key(trial):
    return math.inf if math.isnan(trial.cost) else trial.cost


# The application: the search for the best settings of Adam on the moons.


class Moons(NamedTuple):
    """Points (2, m) and classes (1, m): training, dev and test sets."""

    x: np.ndarray
    y: np.ndarray
    x_dev: np.ndarray
    y_dev: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_data(*, synthetic: bool = False) -> Moons:
    """The course's 300 points to train on, and 300 dev and 1000 test points.

    Args:
        synthetic: changes nothing, since these data are generated anyway.
    """
    parts = (
        planar.make_moons(),
        planar.make_moons(seed=4),
        planar.make_moons(1000, seed=5),
    )
    return Moons(*(array for part in parts for array in part))


def fit_adam(
    data: Moons, *, n_h: int, epochs: int = 100, **hyperparameters: Any
) -> dict[str, np.ndarray]:
    """The parameters of a network of n_h, 2 and 1 units after training with Adam.

    Args:
        hyperparameters: further arguments of `optimization.model`.
    """
    return optimization.model(
        data.x,
        data.y,
        [2, n_h, 2, 1],
        "adam",
        num_epochs=epochs,
        print_cost=False,
        **hyperparameters,
    )


def search(
    data: Moons,
    space: Mapping[str, Range] = SPACE,
    trials: int = 25,
    *,
    stages: int = 2,
    epochs: int = 100,
    seed: int = 0,
) -> list[Trial]:
    """`coarse_to_fine` with the mean cross-entropy on the dev points as the cost.

    50 trials take 4 s on one CPU core.
    """

    def cost(**values):
        return _cost(fit_adam(data, epochs=epochs, **values), data.x_dev, data.y_dev)

    return coarse_to_fine(cost, space, trials, stages=stages, seed=seed)


def evaluate(*, synthetic: bool = False) -> list[Row]:
    """Compare the course's settings with those that the search finds.

    The goal, 94 %, is the accuracy of the course's Adam after 5000 epochs, on its
    training points.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    data = load_data()
    trials = search(data)
    coarse = next(trial for trial in trials if trial.stage == 1)
    rows = []
    for what, values, goal in (
        ("the course's settings", COURSE, None),
        ("best of 25 coarse trials", coarse.values, 0.94),
        ("best after 25 finer trials", trials[0].values, 0.94),
    ):
        parameters = fit_adam(data, **values)
        y_hat = optimization.predict_dec(parameters, data.x_test)
        accuracy = np.mean(y_hat == data.y_test)
        dev_cost = _cost(parameters, data.x_dev, data.y_dev)
        rows += [
            Row(f"dev cost, {what}", dev_cost),
            Row(f"test accuracy, {what}", accuracy, at_least=goal),
        ]
    return rows


def _cost(parameters, X, Y):
    """The mean cross-entropy, in nats."""
    a3, _ = optimization.forward_propagation(X, parameters)
    return optimization.compute_cost(a3, Y) / Y.size
