"""Figures of data, predictions and training; each function returns a matplotlib figure.

`show` saves a figure and displays it in a notebook; `dls-keras infer … --out FILE`
saves the picture of an answer. Figures are created without pyplot's global state, so
they need no display and do not have to be closed.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from dls_keras.core import images
from dls_keras.core.answers import Answer, percent


def show(picture: Figure | Image.Image, path: str | Path) -> None:
    """Save a figure or a PIL image to `path`; in a notebook, display it, too."""
    if isinstance(picture, Figure):
        picture.savefig(path, dpi=150)
    else:
        images.write(picture, path)
    if "ipykernel" in sys.modules:
        from IPython.display import Image as NotebookImage
        from IPython.display import display

        display(NotebookImage(filename=path))


def curve(
    values: Sequence[float],
    *,
    title: str,
    xlabel: str = "epoch",
    ylabel: str = "loss",
) -> Figure:
    """One curve over 1, 2, …, such as the loss of each epoch."""
    figure, axes = _new(5, 3.2)
    axes.plot(np.arange(1, len(values) + 1), values, color="#1f5fa8")
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    return figure


def curves(
    series: Mapping[str, Sequence[float]],
    *,
    title: str,
    every: int = 1,
    xlabel: str = "iteration",
    ylabel: str = "cost",
) -> Figure:
    """Several curves in one diagram, such as the costs for three learning rates.

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


def decision_boundary(
    predict: Callable[[np.ndarray], np.ndarray] | np.ndarray,
    X: np.ndarray,
    Y: np.ndarray,
    *,
    extent: Sequence[float] | None = None,
    title: str = "",
) -> Figure:
    """The plane coloured by the predicted class, and data points by their true class.

    Args:
        predict: function from points (2, n) to their classes, n integers from 0 in
            any shape, such as (1, n); or the classes themselves, at the points of a
            regular grid (rows, columns) over `extent`, bottom row first.
        X: (2, m) points.
        Y: m true classes in any shape.
        extent: left, right, bottom and top of the plane; default: the range of X with
            a margin.
    """
    X, Y = np.asarray(X), np.ravel(Y)
    if extent is None:
        margin = 0.1 * np.ptp(X, axis=1).max()
        (left, bottom), (right, top) = X.min(axis=1) - margin, X.max(axis=1) + margin
    else:
        left, right, bottom, top = extent
    rows, columns = (300, 300) if callable(predict) else np.shape(predict)
    across, up = np.linspace(left, right, columns), np.linspace(bottom, top, rows)
    if callable(predict):
        grid = np.stack(np.meshgrid(across, up))  # (2, rows, columns)
        predict = predict(grid.reshape(2, -1))
    classes = np.reshape(predict, (rows, columns)).astype(int)
    most = max(classes.max(), Y.max(initial=1))
    colours = {"vmin": 0, "vmax": most, "cmap": "Spectral"}
    figure, axes = _new(4.8, 4.2)
    axes.pcolormesh(across, up, classes, alpha=0.4, rasterized=True, **colours)
    axes.scatter(*X, c=Y, s=16, edgecolors="#444444", linewidths=0.4, **colours)
    axes.set(title=title, xlabel="$x_1$", ylabel="$x_2$")
    return figure


def line(
    x: np.ndarray,
    y: np.ndarray,
    predict: Callable[[np.ndarray], np.ndarray],
    *,
    title: str,
    xlabel: str = "x",
    ylabel: str = "y",
) -> Figure:
    """Data points, and the predictions of a model as a line.

    Args:
        x, y: (m,) the points.
        predict: function from an array of x to as many predicted y.
    """
    figure, axes = _new(5, 3.4)
    axes.scatter(x, y, s=12, color="#b8c4d0")
    across = np.linspace(np.min(x), np.max(x), 200)
    axes.plot(across, predict(across), color="#1f5fa8")
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    axes.grid(alpha=0.3)
    return figure


def panels(
    x: Mapping[str, Sequence[float]],
    y: Sequence[float],
    *,
    groups: Sequence[str],
    ylabel: str,
    logarithmic: Sequence[str] = (),
) -> Figure:
    """Scatter plots of the same n values against several variables, side by side.

    Args:
        x: maps the label of each panel to n numbers.
        y: n numbers; those that are not finite are omitted.
        groups: n group names; each group has its own colour.
        logarithmic: labels, of panels or of y, whose axes are logarithmic.
    """
    heights, names = np.asarray(y), np.asarray(groups)
    figure = Figure(figsize=(2.5 * len(x) + 0.5, 2.8), layout="constrained")
    for axes, (label, values) in zip(
        figure.subplots(1, len(x), sharey=True, squeeze=False)[0],
        x.items(),
        strict=True,
    ):
        for name in np.unique(names):
            shown = (names == name) & np.isfinite(heights)
            axes.scatter(np.asarray(values)[shown], heights[shown], s=18, label=name)
        axes.set_xscale("log" if label in logarithmic else "linear")
        axes.set_yscale("log" if ylabel in logarithmic else "linear")
        axes.set(xlabel=label)
        axes.grid(alpha=0.3)
    figure.axes[0].set(ylabel=ylabel)
    figure.axes[-1].legend()
    return figure


def classification(image: Any, answer: Answer) -> Figure:
    """A photo next to a bar chart of an answer's class probabilities.

    Args:
        image: what `images.read` takes.
        answer: one with `details["probabilities"]`, such as `answers.likeliest` gives.
    """
    figure = Figure(figsize=(6.4, 3), layout="constrained")
    photo, bars = figure.subplots(1, 2)
    photo.imshow(images.read(image))
    title = f"{answer} ({percent(answer.confidence)})"
    photo.set(title=title, xticks=[], yticks=[])
    _bars(bars, answer.details["probabilities"])
    return figure


def probabilities(by_name: Mapping[str, float], *, title: str) -> Figure:
    """A bar chart of class probabilities."""
    figure, axes = _new(5, 0.4 * len(by_name) + 1)
    _bars(axes, by_name)
    axes.set(title=title)
    return figure


def boxes(
    image: Any,
    corners: Sequence,
    labels: Sequence[str],
    colours: Sequence[tuple[int, int, int]] | None = None,
) -> Figure:
    """A photo with labelled bounding boxes.

    Args:
        corners: (n, 4) boxes (y1, x1, y2, x2) in pixels of the image.
        labels: n texts.
        colours: n colours (r, g, b) of integers up to 255; default: yellow.
    """
    photo = images.read(image)
    colours = colours or [(255, 196, 0)] * len(corners)
    figure = Figure(figsize=(8, 8 * photo.height / photo.width), frameon=False)
    axes = figure.add_axes((0, 0, 1, 1))
    # Coordinates are measured from the outer edges of the pixels.
    axes.imshow(photo, aspect="auto", extent=(0, photo.width, photo.height, 0))
    axes.set_axis_off()
    for (y1, x1, y2, x2), label, rgb in zip(corners, labels, colours, strict=True):
        colour = np.array(rgb) / 255
        axes.plot([x1, x2, x2, x1, x1], [y1, y1, y2, y2, y1], color=colour, lw=2)
        ink = "black" if colour @ (0.3, 0.59, 0.11) > 0.5 else "white"
        axes.text(
            max(x1, 0),
            max(y1, 0),
            label,
            color=ink,
            fontsize=9,
            va="top" if y1 < photo.width / 40 else "bottom",  # stay inside the photo
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.5},
            clip_on=True,
        )
    axes.set(xlim=(0, photo.width), ylim=(photo.height, 0))
    return figure


def segmentation(
    image: Any, mask: np.ndarray, colours: Mapping[str, tuple[int, int, int]]
) -> Figure:
    """A photo next to a copy whose pixels are tinted by their class.

    Args:
        mask: (height, width) integer classes, in the size of the photo.
        colours: maps the name of each class to (r, g, b), integers up to 255; the first
            is class 0. The legend lists the classes that occur, largest first.
    """
    photo = np.asarray(images.read(image))
    counts = np.bincount(np.ravel(mask), minlength=len(colours))
    paints = np.array([*colours.values()]) / 255
    names = [*colours]
    seen = [k for k in np.argsort(-counts, kind="stable") if counts[k]]
    width = np.clip(6.8 * photo.shape[1] / photo.shape[0], 5, 14)
    columns = int(width / 1.6)
    height = 0.5 * width * photo.shape[0] / photo.shape[1]
    height += 0.25 * np.ceil(len(seen) / columns) + 0.1  # the rows of the legend
    figure = Figure(figsize=(width, height), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(photo)
    right.imshow(0.4 * photo / 255 + 0.6 * paints[mask])
    for axes in (left, right):
        axes.set_axis_off()
    figure.legend(
        [Patch(color=paints[k]) for k in seen],
        [f"{names[k]} {100 * counts[k] / counts.sum():.1f} %" for k in seen],
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
    )
    return figure


def row(pictures: Mapping[str, Any]) -> Figure:
    """Pictures side by side in the same height, each under its title.

    Args:
        pictures: maps the title of each to what `images.read` takes.
    """
    shown = {title: images.read(picture) for title, picture in pictures.items()}
    widths = [picture.width / picture.height for picture in shown.values()]
    figure = Figure(figsize=(3 * sum(widths), 3.3), layout="constrained")
    places = figure.subplots(1, len(shown), width_ratios=widths, squeeze=False)[0]
    for axes, (title, picture) in zip(places, shown.items(), strict=True):
        axes.imshow(picture)
        axes.set_title(title)
        axes.set_axis_off()
    return figure


def roc(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], *, title: str = ""
) -> Figure:
    """ROC curves: true acceptance rate over false acceptance rate.

    A curve crosses the dashed line at its equal error rate.

    Args:
        curves: maps the name of each curve to two increasing arrays of rates in [0, 1]:
            false acceptances, and true acceptances.
    """
    figure, axes = _new(5, 3.6)
    for name, (false_rate, true_rate) in curves.items():
        axes.step(false_rate, true_rate, where="post", label=str(name))
    equal = np.geomspace(1e-4, 1, 200)
    axes.plot(equal, 1 - equal, "--", color="#888888", lw=1)
    axes.set_xscale("log")
    axes.set(
        title=title,
        xlim=(1e-4, 1),
        ylim=(0.5, 1.005),
        xlabel="false acceptance rate",
        ylabel="true acceptance rate",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    return figure


def attention(sentence: str, translation: str, weights: np.ndarray) -> Figure:
    """The attention map: rows are output characters, columns input characters.

    Args:
        weights: (Ty, Tx); row t holds the attention weights of output character t.
    """
    weights = np.asarray(weights)[:, : len(sentence)]
    figure, axes = _new(0.28 * len(sentence) + 1.6, 3.4)
    shown = axes.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(len(sentence)), sentence.replace(" ", "␣"))
    axes.set_yticks(range(len(translation)), translation)
    axes.set(xlabel="input", ylabel="output")
    figure.colorbar(shown, label="attention")
    return figure


def listening(
    samples: np.ndarray,
    spectrogram: np.ndarray,
    probabilities: np.ndarray,
    *,
    rate: int,
    hop: int,
    marks: Sequence[float] = (),
    title: str = "",
) -> Figure:
    """A waveform, its spectrogram and a probability over the same time axis.

    Args:
        samples: (n,) in [-1, 1], at `rate` samples per second.
        spectrogram: (steps, n_freq), power at 0 Hz up to half the rate.
        probabilities: one per `hop` samples, in [0, 1].
        marks: times in seconds to mark in all three.
    """
    end = len(samples) / rate
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    wave, powers, chance = figure.subplots(3, 1, sharex=True)
    # Each column of pixels spans its samples from minimum to maximum.
    columns = np.array_split(np.asarray(samples), min(1500, len(samples)))
    at = np.linspace(0, end, len(columns))
    low, high = [c.min() for c in columns], [c.max() for c in columns]
    wave.fill_between(at, low, high, color="#1f5fa8", linewidth=0.5)
    wave.set(title=title, ylabel="amplitude")
    decibels = 10 * np.log10(np.asarray(spectrogram).T + 1e-12)
    top = decibels.max()
    powers.imshow(
        decibels,
        origin="lower",
        aspect="auto",
        extent=(0, end, 0, rate / 2000),
        vmin=top - 80,
        vmax=top,
        rasterized=True,
    )
    powers.set(ylabel="kHz")
    chance.plot(np.arange(len(probabilities)) * hop / rate, probabilities, "#1f5fa8")
    chance.axhline(0.5, color="#b8c4d0", linewidth=0.8)
    chance.set(xlabel="seconds", ylabel="probability", xlim=(0, end), ylim=(0, 1))
    for axes in (wave, powers, chance):
        for mark in marks:
            axes.axvline(mark, color="#c0504d", linestyle=":")
    return figure


def words(
    points: np.ndarray,
    names: Sequence[str],
    *,
    arrows: Sequence[tuple[int, int]] = (),
) -> Figure:
    """Words as labelled points of a plane, with arrows between some of them.

    Args:
        points: (n, 2).
        names: n words.
        arrows: pairs (i, j), from word i to word j.
    """
    points = np.asarray(points)
    figure, axes = _new(5.2, 4)
    axes.scatter(*points.T, s=14, color="#1f5fa8")
    for point, name in zip(points, names, strict=True):
        axes.annotate(name, point, xytext=(4, 4), textcoords="offset points")
    for i, j in arrows:
        arrow = {"arrowstyle": "->", "color": "#c0504d", "shrinkA": 4, "shrinkB": 4}
        axes.annotate("", points[j], xytext=points[i], arrowprops=arrow)
    axes.margins(0.2)
    axes.set(xticks=[], yticks=[])
    return figure


def written(
    rows: Sequence[Sequence[str]],
    probabilities: Sequence[Sequence[float]],
    *,
    title: str = "",
) -> Figure:
    """Generated text; the darker a token, the higher its probability.

    Args:
        rows: the lines, each a list of tokens: letters, or words.
        probabilities: for each line one probability per token, in [0, 1].
    """
    longest = max(sum(map(len, row)) + len(row) for row in rows)
    figure, axes = _new(max(4.8, 0.085 * longest + 0.8), 0.34 * len(rows) + 0.8)
    for y, (row, chances) in enumerate(zip(rows, probabilities, strict=True)):
        x = 0
        for piece, chance in zip(row, chances, strict=True):
            axes.text(
                x + len(piece) / 2 + 0.5,
                y,
                piece,
                family="monospace",
                fontsize=9,
                ha="center",
                va="center",
                color="white" if chance > 0.6 else "black",
                parse_math=False,
            )
            cell = (x, y - 0.4), len(piece) + 0.9, 0.8
            axes.add_patch(Rectangle(*cell, color=colormaps["Blues"](float(chance))))
            x += len(piece) + 1
    axes.set(title=title, xlim=(0, longest), ylim=(len(rows) - 0.5, -0.5))
    axes.set_axis_off()
    scale = ScalarMappable(Normalize(0, 1), "Blues")
    figure.colorbar(scale, ax=axes, label="probability", aspect=12)
    return figure


def spans(
    text: str, marked: Sequence[tuple[int, int, str]], labels: Sequence[str]
) -> Figure:
    """A text with highlighted spans, each label in its own colour.

    Args:
        marked: spans (start, end, label), `end` exclusive.
        labels: all possible labels, at most 12; the legend lists those that occur.
    """
    columns, size = 84, 8
    paints = dict(zip(labels, colormaps["Set3"](range(12)), strict=False))
    seen = [label for label in labels if any(label == kind for *_, kind in marked)]
    lines = list(_wrapped(text, columns))
    wide, high = 0.602 * size / 72, 1.5 * size / 72  # one character, in inches
    keys = high * 1.2 * np.ceil(len(seen) / 4)
    width, height = (columns + 4) * wide, (len(lines) + 1) * high
    figure = Figure(figsize=(width, height + keys + 0.1))
    share = height / (height + keys + 0.1)
    axes = figure.add_axes((0, 1 - share, 1, share))
    for y, (first, last) in enumerate(lines):
        for start, end, label in marked:
            left, right = max(start, first), min(end, last)
            if left < right:
                cell = (left - first, y - 0.45), right - left, 0.9
                axes.add_patch(Rectangle(*cell, color=paints[label]))
        line = text[first:last].replace("\t", " ")
        axes.text(
            0,
            y,
            line,
            parse_math=False,
            family="monospace",
            fontsize=size,
            va="center_baseline",
        )
    axes.set(xlim=(-2, columns + 2), ylim=(len(lines), -1))
    axes.set_axis_off()
    figure.legend(
        [Patch(color=paints[label]) for label in seen],
        seen,
        loc="lower center",
        ncols=4,
        frameon=False,
        fontsize=size,
        columnspacing=1.2,
        handlelength=1.2,
    )
    return figure


def _wrapped(text, columns):
    """Start and end of each line of a text; long lines are broken at spaces."""
    start = 0
    for line in text.split("\n"):
        end = start + len(line)
        while end - start > columns:
            cut = text.rfind(" ", start + 1, start + columns + 1)
            cut = start + columns if cut < 0 else cut
            yield start, cut
            start = cut + (text[cut] == " ")
        yield start, end
        start = end + 1


def piano_roll(notes: Sequence, chords: Sequence, *, title: str = "") -> Figure:
    """A piano roll of a solo in blue, over its chords in grey.

    Args:
        notes: tuples (offset, length, pitch): quarter notes, and MIDI note numbers.
        chords: tuples (offset, length, pitches, symbol).
    """
    end = max(offset + length for offset, length, *_ in [*notes, *chords])
    figure, axes = _new(max(6, 0.16 * end + 1), 4)
    for offset, length, pitches, symbol in chords:
        axes.hlines(pitches, offset, offset + length, color="#b8c4d0", lw=3)
        axes.text(
            offset, 1.015, symbol, fontsize=8, transform=axes.get_xaxis_transform()
        )
    for offset, length, pitch in notes:
        stop = offset + length - 0.06  # keeps repeated notes apart
        axes.hlines(pitch, offset, stop, color="#1f5fa8", lw=4)
    axes.set_title(title, pad=18)
    axes.set_xticks(np.arange(0, end + 1, 4))
    axes.set_yticks(range(36, 97, 12), [f"C{octave}" for octave in range(2, 8)])
    axes.set(xlim=(0, end), xlabel="quarter notes")
    axes.grid(alpha=0.3)
    return figure


def _bars(axes, by_name):
    """A bar per class; the largest in another colour."""
    best = max(by_name, key=by_name.get)
    colours = ["#1f5fa8" if name == best else "#b8c4d0" for name in by_name]
    axes.barh(list(by_name), list(by_name.values()), color=colours)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="probability")


def _new(width, height):
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
