"""How cost grows: time and memory against the size of the problem.

Each point is measured in a separate process. The memory is the increase of the peak
during the first call, including compilation (70 MB of the GRU's, for any length); the
time is the median of three to five later calls. The exponent p of size^p is fitted to
the larger half of the sizes: 1 means in proportion, 2 with the square, -1 half the time
on twice the cores.
"""

import math
import os
import statistics
import tempfile
import timeit
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import memory

SHORTEST = 0.02  # seconds that a timing lasts at least
LONGEST = 3.0  # seconds; after them the third of five timings is the last


class Curve(NamedTuple):
    """The costs of one workload at each of its sizes."""

    name: str
    unit: str  # of the sizes
    sizes: list[int]
    seconds: list[float]
    megabytes: list[float]


def measure(quick: bool) -> list[Curve]:
    """All curves; a quick run measures only the smallest size of each."""
    curves = []
    for work, (unit, sizes) in WORKLOADS.items():
        if quick:
            sizes = sizes[:1]
        elif work is cores:
            sizes = [n for n in sizes if n <= len(os.sched_getaffinity(0))]
        points = [memory.in_child(point, work.__name__, n, quick) for n in sizes]
        seconds, megabytes = map(list, zip(*points, strict=True))
        curves.append(
            Curve(work.__doc__.split(".")[0], unit, sizes, seconds, megabytes)
        )
    return curves


def point(name: str, size: int, quick: bool) -> tuple[float, float]:
    """Seconds and megabytes of one workload, measured in this process."""
    prepare = globals()[name]
    work = prepare(size, quick) if prepare is cores else prepare(size)
    _, megabytes = memory.growth(work)
    times = [timeit.timeit(work, number=1)]
    often = math.ceil(SHORTEST / times[0])
    while len(times) < 3 or (len(times) < 5 and sum(times) * often < LONGEST):
        times.append(timeit.timeit(work, number=often) / often)
    return statistics.median(times), megabytes


def exponent(sizes: Sequence[float], costs: Sequence[float]) -> float:
    """The p of size^p that fits the larger half of the sizes; NaN for a single one."""
    sizes, costs = _positive(sizes, costs)
    start = min(len(sizes) // 2, max(len(sizes) - 2, 0))
    if len(sizes) < 2:
        return math.nan
    x, y = ([math.log(v) for v in values[start:]] for values in (sizes, costs))
    return statistics.linear_regression(x, y).slope


def _positive(sizes, costs):
    """The points with a positive cost; a small increase of memory can measure 0."""
    known = [(n, cost) for n, cost in zip(sizes, costs, strict=True) if cost > 0]
    return [n for n, _ in known], [cost for _, cost in known]


# Table and figure.

SECONDS = {"s": 1.0, "ms": 1e-3, "µs": 1e-6}
MEGABYTES = {"GB": 1e3, "MB": 1.0, "kB": 1e-3}
BLUE, RED, GREY = "#1f5fa8", "#c0504d", "#999999"


def table(curves: list[Curve]) -> list[str]:
    """Markdown: the costs of the smallest and the largest size, and the exponents."""
    header = ("workload", "size", "time", "grows as", "memory", "grows as")
    rows = [header, ["---"] * len(header)]
    for name, unit, sizes, *costs in curves:
        row = [name, f"{_from_to(f'{n:,}' for n in sizes)} {unit}"]
        for values, units in zip(costs, (SECONDS, MEGABYTES), strict=True):
            power = exponent(sizes, values)
            row.append(_from_to(_in_units(value, units) for value in values))
            row.append("" if math.isnan(power) else f"size^{power:z.1f}")
        rows.append(row)
    return ["| " + " | ".join(row) + " |" for row in rows]


def picture(curves: list[Curve], path: Path) -> None:
    """Write a figure with one panel per curve: time on the left axis, memory right.

    Both axes have the same number of decades, so that slopes can be compared.
    """
    from matplotlib.figure import Figure

    across = 3
    down = len(curves) // across + 1  # one panel is for the legend
    figure = Figure(figsize=(10.2, 3 * down), layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    places = list(figure.subplots(down, across, squeeze=False).flat)
    for curve, axes in zip(curves, places, strict=False):
        lines = _panel(curve, axes)
    for axes in places[len(curves) :]:
        axes.set_axis_off()
    names = ("time", "memory", "in proportion to the size\n(to cores inversely)")
    places[len(curves)].legend(lines, names, loc="center", frameon=False)
    figure.savefig(path, dpi=110)


def _panel(curve, axes):
    """Plot a curve; return its lines of time, memory and proportional cost."""
    ends = [
        (min(known, default=1.0), max(known, default=1.0))
        for _, known in (_positive(curve.sizes, costs) for costs in curve[3:])
    ]
    decades = max(0.8, *(math.log10(most / least) for least, most in ends))
    # Time is in the upper part and memory in the lower part, so they rarely cross.
    floor, ground = (
        ends[0][1] / 10 ** (1.15 * decades),
        ends[1][0] / 10 ** (decades / 10),
    )
    limits = [(low, low * 10 ** (1.25 * decades)) for low in (floor, ground)]
    first, last = (
        (curve.sizes[0], curve.seconds[0]),
        (curve.sizes[-1], curve.seconds[-1]),
    )
    (n, cost), power = (last, 1) if last[1] >= first[1] else (first, -1)
    straight = [cost * (size / n) ** power for size in curve.sizes]
    lines = (
        _line(axes, curve.sizes, curve.seconds, SECONDS, limits[0], BLUE),
        _line(axes.twinx(), curve.sizes, curve.megabytes, MEGABYTES, limits[1], RED),
        *axes.plot(curve.sizes, straight, "--", color=GREY, lw=1, zorder=0),
    )
    axes.set_title(curve.name, fontsize=10)
    axes.set_xlabel(curve.unit, fontsize=9)
    axes.set_xticks(curve.sizes, [f"{size:,}" for size in curve.sizes], fontsize=8)
    axes.set_xticks([], minor=True)
    axes.grid(alpha=0.3)
    return lines


def _line(axes, sizes, costs, units, limits, colour):
    """Plot costs on logarithmic axes with ticks in their units; return the line."""
    from matplotlib.ticker import LogLocator

    (line,) = axes.plot(*_positive(sizes, costs), "o-", color=colour, ms=4)
    axes.set(xscale="log", yscale="log", ylim=limits)
    steps = (1, 2, 5) if limits[1] < 300 * limits[0] else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=steps, numticks=20))
    axes.yaxis.set_major_formatter(lambda cost, _: _in_units(cost, units))
    axes.set_yticks([], minor=True)
    axes.tick_params("y", colors=colour, labelsize=8)
    axes.spines["top"].set_visible(False)
    return line


def _in_units(value, units):
    """A number in a suitable unit."""
    *larger, smallest = units.items()
    fits = (pair for pair in larger if value >= 0.9995 * pair[1])
    unit, scale = next(fits, smallest)
    return f"{value / scale:.3g} {unit}"


def _from_to(texts):
    """ "first to last", or the only text."""
    texts = list(texts)
    return " to ".join(dict.fromkeys([texts[0], texts[-1]]))


# The workloads: each takes a size and returns a function to be measured.


def images(m):
    """Convolution, forward and backward pass."""
    import numpy as np

    from dls_keras.course4 import convolution_steps as steps

    rng = np.random.default_rng(0)
    A_prev, dZ = (rng.normal(size=(m, 28, 28, n_C)) for n_C in (8, 16))
    W, b = rng.normal(size=(3, 3, 8, 16)), np.zeros((1, 1, 1, 16))

    def work():
        Z, cache = steps.conv_forward(A_prev, W, b, {"stride": 1, "pad": 1})
        return Z, steps.conv_backward(dZ, cache)

    return work


def boxes(n):
    """Non-max suppression, ten boxes."""
    import numpy as np

    from dls_keras.fast import boxes as fast_boxes

    rng = np.random.default_rng(0)
    corners, scores = rng.random((n, 2)), rng.random(n)
    found = np.concatenate([corners, corners + rng.uniform(0.01, 0.3, (n, 2))], axis=1)
    found, scores = found.astype("float32"), scores.astype("float32")
    return lambda: fast_boxes.non_max_suppression(found, scores, 10, 0.5)


def sequence_length(T):
    """GRU of 128 units, forward and backward pass."""
    import numpy as np
    import tensorflow as tf

    from dls_keras.fast import recurrent

    x = tf.constant(np.random.default_rng(0).normal(size=(5, T, 128)), tf.float32)
    gru = recurrent.GRU(128, return_sequences=True)
    gru.build(x.shape)

    @tf.function
    def gradients(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(gru(x) ** 2)
        return tape.gradient(loss, [v.value for v in gru.trainable_variables])

    gradients(x[:, :20])  # so that only what longer sequences add is counted
    return lambda: [gradient.numpy() for gradient in gradients(x)]


def vocabulary(words):
    """Reading a GloVe file."""
    from dls_keras.datasets import glove

    folder = tempfile.TemporaryDirectory()
    path = Path(folder.name) / "vectors.txt"
    memory.write_words(path, words)

    def work(folder=folder):  # keeps the temporary folder alive
        return glove.load_glove(path)

    return work


def cores(n, quick):
    """Training step of ResNet50.

    A batch has 32 images of 64 x 64, or two in a quick run.
    """
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:n])  # before TensorFlow
    import keras
    import numpy as np
    import tensorflow as tf

    from dls_keras.core import training
    from dls_keras.course4 import residual_networks
    from dls_keras.fast.layers import Adam

    model = residual_networks.build_model()

    def loss_fn(x, y):
        y_hat = model(x, training=True)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    rng, m = np.random.default_rng(0), 2 if quick else 32
    x = tf.constant(rng.random((m, 64, 64, 3), dtype="float32"))
    y = tf.constant(rng.integers(0, 6, m))
    step = training.compile_step(loss_fn, model.trainable_variables, Adam(1e-4))
    return lambda: float(step(x, y))


WORKLOADS = {
    images: ("images of 28 x 28, 8 to 16 channels", [1, 4, 16, 64, 256]),
    boxes: ("candidate boxes", [10, 100, 1000, 10_000]),
    sequence_length: ("steps of five sequences", [50, 150, 500, 1500, 4000]),
    vocabulary: ("words of 50 numbers", [1000, 7000, 50_000, 400_000]),
    cores: ("cores", [1, 2]),
}
