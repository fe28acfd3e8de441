"""Pictures of what networks do: each function returns a matplotlib figure.

Only `show` writes and, in a notebook, shows one; `dls-keras infer … --out FILE` writes
the picture of an answer. Figures are made without pyplot's global state, so they need
no display and no closing.
"""

import sys

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from dls_keras.core import images
from dls_keras.core.answers import percent


def show(picture, path) -> None:
    """Write a figure or a PIL image to `path`; in a notebook, show it, too."""
    if isinstance(picture, Figure):
        picture.savefig(path, dpi=150)
    else:
        images.write(picture, path)
    if "ipykernel" in sys.modules:
        from IPython.display import Image, display

        display(Image(filename=path))


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
    figure = Figure(figsize=(6.4, 3), layout="constrained")
    photo, bars = figure.subplots(1, 2)
    photo.imshow(images.read(image))
    title = f"{answer} ({percent(answer.confidence)})"
    photo.set(title=title, xticks=[], yticks=[])
    _bars(bars, answer.details["probabilities"])
    return figure


def probabilities(by_name, *, title) -> Figure:
    """A bar a class, from a mapping of names to probabilities."""
    figure, axes = _new(5, 0.4 * len(by_name) + 1)
    _bars(axes, by_name)
    axes.set(title=title)
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


def segmentation(image, mask, colours) -> Figure:
    """A photo, and the class of each of its pixels as a colour laid over it.

    Args:
        mask: (height, width) integers, the photo's own size.
        colours: maps the name of each class to (r, g, b), integers to 255; the first
            is class 0. The legend holds the classes that occur, largest first.
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


def row(pictures) -> Figure:
    """Pictures side by side, as high as each other.

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


def roc(curves, *, title="") -> Figure:
    """What each threshold of a test lets in: wrongly across, rightly up.

    Where a curve meets the dashed line, both errors are equally frequent.

    Args:
        curves: maps the name of each test to two rising arrays of shares in [0, 1]:
            of what should be refused, and of what should be let in.
    """
    figure, axes = _new(5, 3.6)
    for name, (wrong, right) in curves.items():
        axes.step(wrong, right, where="post", label=str(name))
    equal = np.geomspace(1e-4, 1, 200)
    axes.plot(equal, 1 - equal, "--", color="#888888", lw=1)
    axes.set_xscale("log")
    axes.set(
        title=title,
        xlim=(1e-4, 1),
        ylim=(0.5, 1.005),
        xlabel="let in wrongly",
        ylabel="let in rightly",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
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


def listening(
    samples, spectrogram, probabilities, *, rate, hop, marks=(), title=""
) -> Figure:
    """A waveform, its spectrogram and a probability, one above the other.

    Args:
        samples: (n,) in [-1, 1], at `rate` samples a second.
        spectrogram: (steps, n_freq), powers of 0 Hz to half the rate.
        probabilities: one every `hop` samples, in [0, 1].
        marks: seconds to mark in all three.
    """
    end = len(samples) / rate
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    wave, powers, chance = figure.subplots(3, 1, sharex=True)
    # A pixel shows what lies between the lowest and the highest of its samples.
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


def words(points, names, *, arrows=()) -> Figure:
    """Words as points on a plane, with arrows between some of them.

    Args:
        points: (n, 2).
        names: n words.
        arrows: pairs (i, j): from the word i to the word j.
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


def written(rows, probabilities, *, title="") -> Figure:
    """Written text whose pieces are the darker, the more likely they were.

    Args:
        rows: the lines, each a list of pieces: letters, or words.
        probabilities: for each line as many numbers in [0, 1].
    """
    longest = max(sum(map(len, row)) + len(row) for row in rows)
    figure, axes = _new(max(4.8, 0.085 * longest + 0.8), 0.34 * len(rows) + 0.8)
    for y, (row, chances) in enumerate(zip(rows, probabilities, strict=True)):
        x = 0
        for piece, chance in zip(row, chances, strict=True):
            axes.text(
                *(x + len(piece) / 2 + 0.5, y),
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


def spans(text: str, marked, labels) -> Figure:
    """A text whose spans are marked, each label in its own colour.

    Args:
        marked: spans (start, end, label), `end` exclusive.
        labels: all labels there are, at most 12; the legend holds those that occur.
    """
    columns, size = 84, 8
    paints = dict(zip(labels, colormaps["Set3"].colors, strict=False))
    seen = [label for label in labels if any(label == kind for *_, kind in marked)]
    lines = list(_wrapped(text, columns))
    wide, high = 0.602 * size / 72, 1.5 * size / 72  # inches of a letter's cell
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
        font = {"family": "monospace", "fontsize": size, "va": "center_baseline"}
        axes.text(0, y, line, parse_math=False, **font)
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
    """Where the lines of a text begin and end, broken at blanks where too long."""
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


def piano_roll(notes, chords, *, title="") -> Figure:
    """A solo as bars, as long as its notes, over its chords in grey.

    Args:
        notes: tuples (offset, length, pitch): quarter notes, and MIDI numbers.
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
        stop = offset + length - 0.06  # so that repeated notes are told apart
        axes.hlines(pitch, offset, stop, color="#1f5fa8", lw=4)
    axes.set_title(title, pad=18)
    axes.set_xticks(np.arange(0, end + 1, 4))
    axes.set_yticks(range(36, 97, 12), [f"C{octave}" for octave in range(2, 8)])
    axes.set(xlim=(0, end), xlabel="quarter notes")
    axes.grid(alpha=0.3)
    return figure


def _bars(axes, by_name):
    """Probabilities as bars, the largest in another colour."""
    best = max(by_name, key=by_name.get)
    colours = ["#1f5fa8" if name == best else "#b8c4d0" for name in by_name]
    axes.barh(list(by_name), list(by_name.values()), color=colours)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="probability")


def _new(width, height):
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()
