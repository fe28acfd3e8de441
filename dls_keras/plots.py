"""Pictures of what networks do: each function returns a matplotlib figure.

Nothing is shown or written here: `figure.savefig(path)` puts it where you say, and
`dls-keras infer … --out FILE` does that. Figures are made without pyplot's global
state, so they need no display and no closing.
"""

import numpy as np
from matplotlib.figure import Figure

from dls_keras.core import images


def curve(values, *, title, xlabel="epoch", ylabel="loss") -> Figure:
    """One curve over 1, 2, …, such as the loss of each epoch."""
    figure, axes = _new(5, 3.2)
    axes.plot(np.arange(1, len(values) + 1), values, color="#1f5fa8")
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    return figure


def curves(series, *, title, every=1, xlabel="iteration", ylabel="cost") -> Figure:
    """Several curves to compare, such as the costs under three learning rates.

    Args:
        series: maps the name of each curve to its values.
        every: the values are those at 0, `every`, 2 `every`, ...
    """
    figure, axes = _new(5.6, 3.4)
    for name, values in series.items():
        axes.plot(every * np.arange(len(values)), values, label=str(name))
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def decision_boundary(predict, X, Y, *, title="") -> Figure:
    """The plane in the colours of the classes that `predict` sees, and points on it.

    Args:
        predict: function from points (2, n) to their classes, n numbers from 0 in
            any shape, such as (1, n).
        X: (2, m) points.
        Y: m true classes in any shape.
    """
    X, Y = np.asarray(X), np.ravel(Y)
    margin = 0.1 * np.ptp(X, axis=1).max()
    (left, low), (right, high) = X.min(axis=1) - margin, X.max(axis=1) + margin
    across, up = np.linspace(left, right, 300), np.linspace(low, high, 300)
    grid = np.stack(np.meshgrid(across, up))  # (2, 300, 300)
    seen = np.reshape(predict(grid.reshape(2, -1)), grid.shape[1:]).astype(int)
    classes = {"vmin": 0, "vmax": max(seen.max(), Y.max(), 1), "cmap": "Spectral"}
    figure, axes = _new(4.8, 4.2)
    axes.pcolormesh(across, up, seen, alpha=0.4, rasterized=True, **classes)
    axes.scatter(*X, c=Y, s=16, edgecolors="#444444", linewidths=0.4, **classes)
    axes.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
    return figure


def line(x, y, predict, *, title, xlabel="x", ylabel="y") -> Figure:
    """Points, and the line that `predict` gives from the first x to the last.

    Args:
        predict: function from an array of x to as many heights.
        x, y: (m,) the points.
    """
    figure, axes = _new(5, 3.4)
    axes.scatter(x, y, s=12, color="#b8c4d0")
    across = np.linspace(np.min(x), np.max(x), 200)
    axes.plot(across, predict(across), color="#1f5fa8")
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    return figure


def panels(x, y, *, groups, ylabel, logarithmic=()) -> Figure:
    """The same n values over several others, side by side.

    Args:
        x: maps the label of each panel to n numbers.
        y: n numbers; those that are not finite are left out.
        groups: n names; each has its own colour.
        logarithmic: the labels, of panels or of y, whose axis is logarithmic.
    """
    y, groups = np.asarray(y), np.asarray(groups)
    figure = Figure(figsize=(2.5 * len(x) + 0.5, 2.8), layout="constrained")
    for axes, (label, values) in zip(
        figure.subplots(1, len(x), sharey=True, squeeze=False)[0],
        x.items(),
        strict=True,
    ):
        for name in np.unique(groups):
            shown = (groups == name) & np.isfinite(y)
            axes.scatter(np.asarray(values)[shown], y[shown], s=18, label=name)
        axes.set_xscale("log" if label in logarithmic else "linear")
        axes.set_yscale("log" if ylabel in logarithmic else "linear")
        axes.set(xlabel=label)
        axes.grid(alpha=0.3)
    figure.axes[0].set(ylabel=ylabel)
    figure.axes[-1].legend()
    return figure


def classification(image, answer) -> Figure:
    """A photo, and a bar a class with the probabilities of an `Answer`."""
    probabilities = answer.details["probabilities"]
    figure = Figure(figsize=(6.4, 3), layout="constrained")
    photo, bars = figure.subplots(1, 2)
    photo.imshow(images.read(image))
    photo.set(title=f"{answer} ({answer.confidence:.1%})", xticks=[], yticks=[])
    names = list(probabilities)
    colours = ["#1f5fa8" if name == answer else "#b8c4d0" for name in names]
    bars.barh(names, list(probabilities.values()), color=colours)
    bars.invert_yaxis()
    bars.set(xlim=(0, 1), xlabel="probability")
    return figure


def boxes(image, corners, labels, colours=None) -> Figure:
    """Boxes with a label each on their photo.

    Args:
        corners: (n, 4) boxes (y1, x1, y2, x2) in pixels of the image.
        labels: n texts.
        colours: n colours (r, g, b) of integers to 255; one colour by default.
    """
    photo = images.read(image)
    colours = colours or [(255, 196, 0)] * len(corners)
    figure = Figure(figsize=(8, 8 * photo.height / photo.width), frameon=False)
    axes = figure.add_axes((0, 0, 1, 1))
    # Corners count from the outer edges of the pixels.
    axes.imshow(photo, aspect="auto", extent=(0, photo.width, photo.height, 0))
    axes.set_axis_off()
    for (y1, x1, y2, x2), label, colour in zip(corners, labels, colours, strict=True):
        colour = np.array(colour) / 255
        axes.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=colour, lw=2)
        ink = "black" if colour @ (0.3, 0.59, 0.11) > 0.5 else "white"
        axes.text(
            *(max(x1, 0), max(y1, 0)),
            label,
            color=ink,
            fontsize=9,
            va="top" if y1 < photo.width / 40 else "bottom",  # never above the photo
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.5},
            clip_on=True,
        )
    axes.set(xlim=(0, photo.width), ylim=(photo.height, 0))
    return figure


def attention(sentence: str, translation: str, weights) -> Figure:
    """Where each written character looked.

    Args:
        weights: (Ty, Tx); row t are the attention weights of character t.
    """
    weights = np.asarray(weights)[:, : len(sentence)]
    figure, axes = _new(0.28 * len(sentence) + 1.6, 3.4)
    shown = axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(sentence)), sentence.replace(" ", "␣"))
    axes.set_yticks(range(len(translation)), translation)
    axes.set(xlabel="read", ylabel="written")
    figure.colorbar(shown, label="attention")
    return figure


def _new(width, height):
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
