"""Hyperparameter search: at random, on the right scale, coarse to fine (C2 W3).

A grid of five by five tries five values of each hyperparameter; twenty-five random
points try twenty-five values of each, and one of the two hardly matters, nobody knows
which. A value is drawn uniformly in r, and what r is depends on what it stands for:

    linear        value = r              units of a layer
    log           value = 10^r           a learning rate from 0.0001 to 1: r in [-4, 0]
    log from one  value = 1 - 10^r       beta from 0.9 to 0.999: r in [-3, -1]

Then the search zooms into the box of the best trials and draws there again.

Here it looks for the Adam that gets furthest in a hundred epochs on the moons of
`optimization`, judged on dev points that no trial learns from; test points judge the
winner once, as the best of many trials looks better on dev points than it is. NumPy
alone, no TensorFlow. Paper: Bergstra & Bengio (2012), "Random search for
hyper-parameter optimization", https://jmlr.org/papers/v13/bergstra12a.html
"""

import math
from typing import NamedTuple

import numpy as np

from dls_keras.course2 import optimization
from dls_keras.datasets import planar

# From a value to r, and back.
SCALES = {
    "linear": (lambda value: value, lambda r: r),
    "log": (np.log10, lambda r: 10.0**r),
    "log from one": (lambda value: np.log10(1 - value), lambda r: 1 - 10.0**r),
}


class Range(NamedTuple):
    """Where a hyperparameter is looked for, both ends included."""

    low: float
    high: float
    scale: str = "linear"  # a key of `SCALES`
    whole: bool = False  # rounded to a whole number


class Trial(NamedTuple):
    """One draw of the hyperparameters, and what came of it."""

    stage: int  # 1 for the coarse search, 2, 3, ... for finer ones
    values: dict
    cost: float


# What the search on the moons is about; the names are those of `optimization.model`.
SPACE = {
    "learning_rate": Range(0.0001, 1, "log"),
    "mini_batch_size": Range(8, 256, "log", whole=True),
    "beta1": Range(0.5, 0.999, "log from one"),
    "n_h": Range(2, 20, whole=True),
}
COURSE = {"learning_rate": 0.0007, "mini_batch_size": 64, "beta1": 0.9, "n_h": 5}


# The assignment.


def sample(space, rng):
    """A value for each name in `space`, a dict of `Range`s, by a NumPy generator."""
    return {name: value_at(where, rng.random()) for name, where in space.items()}


def value_at(where, share):
    """The value at a share of the way through a `Range`, on its scale.

    >>> value_at(Range(0.0001, 1, "log"), 0.5)
    0.01
    >>> round(value_at(Range(0.9, 0.999, "log from one"), 0.5), 6)
    0.99
    """
    to_r, to_value = SCALES[where.scale]
    start, stop = to_r(where.low), to_r(where.high)
    value = to_value(start + share * (stop - start))
    value = min(max(value, where.low), where.high)  # 10^r rounds
    return round(value) if where.whole else float(value)


def random_search(cost, space, trials=25, *, stage=1, seed=0):
    """`trials` random draws from `space`, the cheapest first.

    Args:
        cost: function of the hyperparameters by name; a result that is no number
            counts as infinite.

    Returns:
        List of `Trial`; the same seed draws the same.
    """
    rng = np.random.default_rng([seed, stage])
    draws = [sample(space, rng) for _ in range(trials)]
    found = [Trial(stage, values, float(cost(**values))) for values in draws]
    return sorted(found, key=_price)


def narrowed(space, trials):
    """The part of `space` in which the values of `trials` lie, and a little around.

    A tenth of what they span is added on each side, but nothing outside of `space`.
    """
    box = {}
    for name, where in space.items():
        to_r, to_value = SCALES[where.scale]
        bounds = sorted((to_r(where.low), to_r(where.high)))
        r = [to_r(trial.values[name]) for trial in trials]
        margin = 0.1 * (max(r) - min(r))
        ends = np.clip([min(r) - margin, max(r) + margin], *bounds)
        low, high = sorted(to_value(end) for end in ends)
        box[name] = where._replace(low=float(low), high=float(high))
    return box


def coarse_to_fine(cost, space, trials=25, *, stages=2, keep=5, seed=0):
    """Search at random, then again and again around the `keep` best trials so far.

    Returns:
        The trials of all stages, the cheapest first.
    """
    found = []
    for stage in range(1, stages + 1):
        found += random_search(cost, space, trials, stage=stage, seed=seed)
        found.sort(key=_price)
        space = narrowed(space, found[:keep])
    return found


def table(trials):
    """The trials as a text, a line each, under their names.

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


def scatter(trials, space):
    """What each value cost, a panel a hyperparameter, a matplotlib figure."""
    from dls_keras import plots  # matplotlib: late, so that a search comes without it

    panels, logarithmic = {}, ["cost"]
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


def _price(trial):
    return math.inf if math.isnan(trial.cost) else trial.cost


# The application: the search on the moons.


class Moons(NamedTuple):
    """Points (2, m) and their classes (1, m): to learn from, to choose, to judge."""

    x: np.ndarray
    y: np.ndarray
    x_dev: np.ndarray
    y_dev: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_data():
    """The course's 300 points, and 300 and 1000 further ones of the same moons."""
    parts = (
        planar.make_moons(),
        planar.make_moons(seed=4),
        planar.make_moons(1000, seed=5),
    )
    return Moons(*(array for part in parts for array in part))


def fitted(data, *, n_h, epochs=100, **hyperparameters):
    """The parameters that Adam finds in `epochs` epochs, n_h and 2 hidden units."""
    return optimization.model(
        *(data.x, data.y, [2, n_h, 2, 1], "adam"),
        num_epochs=epochs,
        print_cost=False,
        **hyperparameters,
    )


def search(data, space=SPACE, trials=25, *, stages=2, epochs=100, seed=0):
    """The trials of a search for the least mean cross-entropy on the dev points.

    50 trials take 4 s of one CPU core.
    """

    def cost(**values):
        return _cost(fitted(data, epochs=epochs, **values), data.x_dev, data.y_dev)

    return coarse_to_fine(cost, space, trials, stages=stages, seed=seed)


def evaluate():
    """The course's settings and those found, as rows (what, ours, goal).

    The goal is what the course's Adam reaches in 5000 epochs, on its own points.
    """
    data = load_data()
    trials = search(data)
    coarse = next(trial for trial in trials if trial.stage == 1)
    rows = []
    for what, values, goal in (
        ("the course's Adam", COURSE, None),
        ("best of 25 coarse trials", coarse.values, 0.94),
        ("best of 25 more, finer ones", trials[0].values, 0.94),
    ):
        parameters = fitted(data, **values)
        right = optimization.predict_dec(parameters, data.x_test) == data.y_test
        rows += [
            (f"dev cost, {what}", _cost(parameters, data.x_dev, data.y_dev), None),
            (f"test accuracy, {what}", np.mean(right), goal),
        ]
    return rows


def _cost(parameters, X, Y):
    """The mean cross-entropy, in nats."""
    a3, _ = optimization.forward_propagation(X, parameters)
    return optimization.compute_cost(a3, Y) / Y.size
