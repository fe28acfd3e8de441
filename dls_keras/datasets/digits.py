"""Handwritten digits: MNIST, drawn stand-ins, and Kaggle's tables of both kinds.

MNIST holds 70,000 digits that clerks and pupils of the United States wrote, as 28 x 28
greys, white ink on black: 60,000 to learn from and 10,000, by other writers, to test
on. Its makers scaled each digit into a box of 20 x 20 pixels and laid its centre of
mass onto the pixel (14, 14); `prepare` does the same with any photo or scan,
and `make_digits` draws digits of the same kind for whom has no data. Kaggle's Digit
Recognizer is the same pictures as tables, `read_csv` and `write_submission`.

Source: LeCun, Bottou, Bengio & Haffner (1998), "Gradient-based learning applied to
document recognition". Licence: CC BY-SA 3.0, as Keras's documentation states it.
"""

import csv
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from dls_keras.core import files, images
from dls_keras.core.errors import InputError, MissingFileError

SIZE = 28  # height and width of a picture, in pixels
BOX = 20  # into which the digit is scaled
PIXELS = tuple(f"pixel{i}" for i in range(SIZE**2))  # the columns of Kaggle's tables
CLASSES = tuple("0123456789")

MNIST = files.Remote(
    name="mnist/mnist.npz",
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    licence="CC BY-SA 3.0",
    instead="Draw digits with dls_keras.datasets.digits.make_digits.",
)
# The same pictures in the same order in smaller files, `images` and `labels` each.
PARTS = tuple(f"mnist/mnist_train_{i}.npz" for i in range(4))
TEST_PART = "mnist/mnist_test.npz"


class Digits(NamedTuple):
    """Digits: pictures (m, 28, 28) uint8, white on black, and labels (m,) int64."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_digits() -> Digits:
    """MNIST in its official order: 60,000 digits to learn from, 10,000 to test on.

    They come from `$DLS_KERAS_DATA/mnist` (mnist_train_0.npz to mnist_train_3.npz and
    mnist_test.npz, or else Keras's mnist.npz), from the user's cache, or from Keras's
    download of 11 MB.

    Raises:
        MissingFileError: if they are in none of these places.
        InputError: if a file is not what its name says.
    """
    parts = [files.in_data_folder(name) for name in (*PARTS, TEST_PART)]
    if all(parts):
        pairs = [_read_npz(path, "images", "labels") for path in parts]
        x, y = (np.concatenate(arrays) for arrays in zip(*pairs[:-1], strict=True))
        return Digits(x, y, *pairs[-1])
    path = files.find_data(MNIST)
    return Digits(
        *_read_npz(path, "x_train", "y_train"), *_read_npz(path, "x_test", "y_test")
    )


def make_digits(m: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """m drawn digits: x (m, 28, 28) uint8, white on black, and y (m,) int64, in turn.

    They are prepared as MNIST's are. Digit i is the same whatever m is. Some hundred a
    second on one CPU core.
    """
    x = np.empty((m, SIZE, SIZE), "uint8")
    y = np.arange(m) % len(CLASSES)
    for i, digit in enumerate(y):
        ink = draw_digit(int(digit), np.random.default_rng([seed, i]), size=64)
        x[i] = _centred(np.asarray(ink, "float32"))
    return x, y


class Canvases(NamedTuple):
    """Pictures with digits among scribbles.

    Fields:
        images: (m, height, width) uint8, white on black.
        boxes: m arrays (k, 4) float32, (y1, x1, y2, x2) in pixels: the squares of
            which 20/28 are the digit's own box, as in MNIST.
        labels: m arrays (k,) int64, the digits in the boxes.
    """

    images: np.ndarray
    boxes: list[np.ndarray]
    labels: list[np.ndarray]


def make_canvases(
    m: int, source: tuple | None = None, *, size=(160, 240), seed: int = 0
) -> Canvases:
    """m canvases with two to six digits of different sizes, and scribbles between.

    Digits are 28 to 64 pixels high (their squares), and squares do not overlap.

    Args:
        source: digits x (n, 28, 28) and y (n,) to choose from; by default 1,000 of
            `make_digits`.
        size: height and width, in pixels, at least 64 each.
    """
    x, y = source or make_digits(1000, seed=seed)
    pictures, boxes, labels = np.zeros((m, *size), "uint8"), [], []
    for i, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, i])
        squares = _free_squares(rng, size, rng.integers(8, 13))
        chosen = rng.integers(len(x), size=min(len(squares), rng.integers(2, 7)))
        for (y1, x1, y2, x2), k in zip(squares, chosen, strict=False):
            digit = Image.fromarray(x[k]).resize((x2 - x1, y2 - y1))
            picture[y1:y2, x1:x2] = np.maximum(picture[y1:y2, x1:x2], digit)
        for y1, x1, y2, x2 in squares[len(chosen) :]:
            picture[y1:y2, x1:x2] = _scribble(rng, y2 - y1)
        boxes.append(np.array(squares[: len(chosen)], "float32").reshape(-1, 4))
        labels.append(y[chosen])
    return Canvases(pictures, boxes, labels)


def prepare(image) -> np.ndarray:
    """A photo or scan of one digit as MNIST would hold it, (28, 28) uint8.

    What `ink` finds, but for specks, is scaled into 20 x 20 pixels, and its centre of
    mass is laid onto the pixel (14, 14).

    Args:
        image: a picture of any size (path, PIL image or array), the digit dark on
            light or light on dark.

    Raises:
        InputError: if there is no ink in the picture.
    """
    strength = ink(image)
    parts, n = ndimage.label(strength > 0.25, np.ones((3, 3)))
    if n == 0:
        raise InputError(
            "There is no digit in the picture: all of it has one grey. Hand in one "
            "digit, dark on light or light on dark."
        )
    sizes = np.bincount(parts.ravel())[1:]
    digit = np.isin(parts, 1 + np.flatnonzero(sizes >= 0.05 * sizes.max()))
    soft_edge = ndimage.binary_dilation(digit, np.ones((3, 3)))
    return _centred(strength * soft_edge)


def ink(image) -> np.ndarray:
    """How much ink there is at each pixel, (height, width) float32 in [0, 1].

    The paper is taken for a plane of even or slowly changing grey; what stands out from
    it, darker or lighter, is ink. A picture with a side over 512 pixels is reduced.

    Args:
        image: a picture of any size (path, PIL image or array).
    """
    grey = images.read(image).convert("L")
    if max(grey.size) > 512:
        grey.thumbnail((512, 512), Image.Resampling.BOX)
    grey = np.asarray(grey, "float32")
    contrast = grey - _plane(grey)
    # Ink covers less than paper, so it pulls the third moment to its own side.
    if np.mean(contrast**3) < 0:
        contrast = -contrast
    strength = np.maximum(contrast, 0)
    if (strongest := strength.max()) < 8:  # of 255: that is no writing
        return np.zeros_like(strength)
    full = np.quantile(strength[strength > strongest / 2], 0.9)
    return (strength / full).clip(0, 1)


def read_csv(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Kaggle's train.csv or test.csv: x (m, 28, 28) uint8 and y (m,) int64 or None.

    The first line names the columns, `label,pixel0,...,pixel783` or without `label`
    (y is then None); pixels are 0 to 255, row by row. 42,000 rows take seconds.

    Raises:
        InputError: if a cell is not as expected; its line and column are named.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no table at {path}. Check the path.")
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        header = file.readline().strip().split(",")
        labelled = header[:1] == ["label"]
        if tuple(header[labelled:]) != PIXELS:
            raise InputError(
                f"{path}, line 1: expected the columns pixel0 to pixel783, with or "
                f"without label before them; found {len(header)}, the first "
                f"{header[0][:40]!r}. Take Kaggle's train.csv or test.csv."
            )
        if not (first := file.readline().strip()):
            raise InputError(f"{path} holds no digits, only the names of the columns.")
        try:
            lines = itertools.chain([first], file)
            table = np.loadtxt(lines, "int16", delimiter=",", comments=None, ndmin=2)
        except ValueError:  # its message names no column; ours does
            table = np.full((1, len(header)), -1)
    largest = np.full(len(header), 255)
    largest[:labelled] = 9
    if table.shape[1] != len(header) or (table < 0).any() or (table > largest).any():
        raise InputError(_first_fault(path, header, largest))
    x = table[:, labelled:].astype("uint8").reshape(-1, SIZE, SIZE)
    return x, table[:, 0].astype("int64") if labelled else None


def write_submission(labels: Iterable[int], path: str | Path) -> Path:
    """Write the labels of Kaggle's test.csv as it wants them back; never half a file.

    Two columns, `ImageId,Label`; the first image is number 1.
    """
    lines = [f"{i},{int(label)}" for i, label in enumerate(labels, start=1)]
    with files.atomic_write(path) as temporary:
        temporary.write_text("\n".join(["ImageId,Label", *lines, ""]), "utf-8")
    return Path(path)


# How hands write each digit: strokes of a pen through points (x, y) in a unit box, y
# downwards. A stroke is a smooth curve; where the pen turns sharply a new one begins.
STROKES = {
    0: (
        (((0.6, 0), (0.2, 0.1), (0, 0.5), (0.2, 0.92), (0.55, 1), (0.9, 0.85))
         + ((1, 0.45), (0.85, 0.1), (0.5, 0.02)),),
        (((0.45, 0.03), (0.1, 0.25), (0.02, 0.65), (0.3, 1), (0.75, 0.93))
         + ((1, 0.55), (0.85, 0.1), (0.55, 0), (0.35, 0.1)),),
    ),
    1: (
        (((0.5, 0), (0.5, 0.5), (0.5, 1)),),
        (((0.55, 0), (0.5, 0.5), (0.48, 1)),),
        (((0.25, 0.25), (0.4, 0.15), (0.55, 0)), ((0.55, 0), (0.54, 0.5), (0.53, 1))),
        (((0.25, 0.22), (0.55, 0)), ((0.55, 0), (0.55, 1)), ((0.2, 1), (0.85, 0.98))),
    ),
    2: (
        (((0.05, 0.25), (0.3, 0.02), (0.75, 0.04), (0.88, 0.32), (0.55, 0.68))
         + ((0.05, 1),), ((0.05, 1), (0.5, 0.94), (0.98, 0.97))),
        (((0.05, 0.2), (0.4, 0), (0.82, 0.12), (0.8, 0.42), (0.45, 0.82), (0.12, 0.98))
         + ((0.03, 0.85), (0.25, 0.76), (0.6, 0.93), (1, 0.9)),),
    ),
    3: (
        (((0.06, 0.14), (0.42, 0), (0.84, 0.15), (0.74, 0.4), (0.38, 0.48)),
         ((0.38, 0.48), (0.85, 0.58), (0.92, 0.83), (0.5, 1), (0.04, 0.88))),
        (((0.06, 0.05), (0.85, 0.03)), ((0.85, 0.03), (0.4, 0.42)),
         ((0.4, 0.42), (0.85, 0.5), (0.95, 0.78), (0.55, 1), (0.02, 0.9))),
        (((0.1, 0.1), (0.5, 0), (0.85, 0.2), (0.6, 0.43), (0.5, 0.5), (0.75, 0.56))
         + ((0.9, 0.8), (0.5, 1), (0.05, 0.92)),),
    ),
    4: (
        (((0.12, 0), (0.03, 0.3), (0.08, 0.52), (0.5, 0.54), (0.98, 0.48)),
         ((0.82, 0.05), (0.74, 0.5), (0.7, 1))),
        (((0.25, 0), (0.02, 0.5)), ((0.02, 0.5), (0.5, 0.52), (0.85, 0.48)),
         ((0.9, 0), (0.82, 0.45), (0.75, 1))),
        (((0.65, 0), (0.35, 0.3), (0.02, 0.62)), ((0.02, 0.62), (0.5, 0.63), (1, 0.6)),
         ((0.65, 0), (0.66, 0.5), (0.63, 1))),
    ),
    5: (
        (((0.88, 0.03), (0.5, 0.02), (0.2, 0.04)), ((0.2, 0.04), (0.13, 0.42)),
         ((0.13, 0.42), (0.55, 0.36), (0.9, 0.62), (0.62, 0.96), (0.05, 0.93))),
        (((0.22, 0.05), (0.16, 0.4)),
         ((0.16, 0.4), (0.6, 0.4), (0.88, 0.68), (0.55, 1), (0.03, 0.9)),
         ((0.2, 0.05), (0.6, 0.05), (0.98, 0))),
    ),
    6: (
        (((0.72, 0), (0.3, 0.28), (0.04, 0.68), (0.3, 1), (0.75, 0.92), (0.88, 0.66))
         + ((0.55, 0.5), (0.2, 0.62), (0.08, 0.75)),),
        (((0.45, 0), (0.15, 0.35), (0.05, 0.75), (0.4, 1), (0.85, 0.88), (0.8, 0.6))
         + ((0.4, 0.55), (0.12, 0.8)),),
    ),
    7: (
        (((0.03, 0.08), (0.5, 0.06), (0.95, 0.02)), ((0.95, 0.02), (0.62, 0.45))
         + ((0.42, 1),)),
        (((0.05, 0.2), (0.08, 0.05)), ((0.08, 0.05), (0.92, 0.05)),
         ((0.92, 0.05), (0.7, 0.5), (0.6, 1))),
        (((0.03, 0.05), (0.9, 0.03)), ((0.9, 0.03), (0.6, 0.5), (0.45, 1)),
         ((0.25, 0.52), (0.85, 0.48))),
    ),
    8: (
        (((0.82, 0.14), (0.45, 0), (0.12, 0.18), (0.45, 0.45), (0.88, 0.74), (0.5, 1))
         + ((0.1, 0.78), (0.42, 0.48), (0.84, 0.24), (0.76, 0.08)),),
        (((0.5, 0.46), (0.15, 0.22), (0.5, 0), (0.85, 0.22), (0.5, 0.46), (0.08, 0.75))
         + ((0.5, 1), (0.92, 0.75), (0.5, 0.46)),),
    ),
    9: (
        (((0.86, 0.18), (0.5, 0), (0.1, 0.2), (0.28, 0.48), (0.74, 0.38), (0.87, 0.15)),
         ((0.87, 0.1), (0.82, 0.55), (0.68, 1))),
        (((0.84, 0.12), (0.45, 0.02), (0.08, 0.28), (0.35, 0.5), (0.78, 0.3))
         + ((0.88, 0.1), (0.86, 0.6), (0.6, 0.95), (0.12, 0.95)),),
    ),
}  # fmt: skip


def draw_digit(digit: int, rng: np.random.Generator, size: int = 128) -> Image.Image:
    """One digit as a hand might write it, white on black, mode "L".

    One of the styles of `STROKES`, its points moved, the whole made slim or wide,
    slanted, turned, and drawn with a round pen that may be fine or broad. It fills most
    of the picture and never reaches its border.
    """
    style = STROKES[digit][rng.integers(len(STROKES[digit]))]
    width = rng.uniform(0.45, 0.85)
    slant, turn = rng.normal(0.12, 0.16), rng.normal(0, 0.1)
    place = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    place = place @ [[width, -slant], [0, 1]]
    bend = rng.normal(0, 0.025, (2, 2))  # of the whole digit, a slow wave
    phase = rng.uniform(0, 2 * np.pi, 2)
    # A point that two strokes share moves as one.
    corners = dict.fromkeys(point for stroke in style for point in stroke)
    corners = {point: point + rng.normal(0, 0.03, 2) for point in corners}
    curves = []
    for stroke in style:
        curve = _smooth(np.array([corners[point] for point in stroke])) - 0.5
        wave = np.sin(np.pi * curve + phase)  # (n, 2)
        curves.append((curve + wave @ bend) @ place.T)
    path = np.concatenate(curves)
    low, high = path.min(0), path.max(0)
    pen = rng.uniform(0.075, 0.17)  # in parts of the digit's longer side
    scale = 4 * size * 0.9 / ((high - low).max() * (1 + pen))
    half = pen * scale * (high - low).max() / 2
    picture = Image.new("L", (4 * size, 4 * size))
    draw = ImageDraw.Draw(picture)
    for x, y in (path - (low + high) / 2) * scale + 2 * size:
        draw.ellipse((x - half, y - half, x + half, y + half), fill=255)
    return picture.reduce(4)


def _free_squares(rng, size, n):
    """Up to n squares (y1, x1, y2, x2) inside `size` that do not overlap."""
    squares = []
    for _ in range(20 * n):
        side = int(np.exp(rng.uniform(np.log(28), np.log(64))))
        y1, x1 = rng.integers(0, np.array(size) - side + 1)
        square = (int(y1), int(x1), int(y1) + side, int(x1) + side)
        if all(
            square[2] <= y1 or square[0] >= y2 or square[3] <= x1 or square[1] >= x2
            for y1, x1, y2, x2 in squares
        ):
            squares.append(square)
    return squares[:n]


def _scribble(rng, side):
    """What is no digit, (side, side) uint8: a cross, a zigzag, a box or dots."""
    kind = rng.integers(4)
    if kind == 0:
        curves = [[(0.2, 0.2), (0.8, 0.8)], [(0.2, 0.8), (0.8, 0.2)]]
    elif kind == 1:
        n = rng.integers(4, 7)
        curves = [[(0.1 + 0.8 * i / n, 0.35 + 0.3 * (i % 2)) for i in range(n + 1)]]
    elif kind == 2:
        curves = [[(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8), (0.2, 0.15)]]
    else:
        dots = rng.uniform(0.15, 0.85, (rng.integers(1, 5), 2))
        curves = [[(x, y), (x + 0.03, y)] for x, y in dots]
    turn = rng.uniform(-0.3, 0.3)
    place = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    picture = Image.new("L", (4 * side, 4 * side))
    draw = ImageDraw.Draw(picture)
    width = round(4 * side * rng.uniform(0.05, 0.12))
    for curve in curves:
        points = np.array(curve) + rng.normal(0, 0.03, (len(curve), 2)) - 0.5
        pixels = (0.5 + points @ place.T).clip(0.06, 0.94) * 4 * side
        draw.line([tuple(p) for p in pixels], fill=255, width=width, joint="curve")
    return np.asarray(picture.reduce(4))


def _smooth(points, steps=20):
    """A curve through points (n, 2): Catmull and Rom's, `steps` points a piece."""
    before = 2 * points[0] - points[1]
    after = 2 * points[-1] - points[-2]
    p = np.concatenate([[before], points, [after]])
    t = np.arange(steps)[:, None, None] / steps
    a, b, c, d = p[:-3], p[1:-2], p[2:-1], p[3:]
    pieces = 0.5 * (
        2 * b
        + (c - a) * t
        + (2 * a - 5 * b + 4 * c - d) * t**2
        + (3 * b - a - 3 * c + d) * t**3
    )  # (steps, n - 1, 2)
    return np.concatenate([pieces.swapaxes(0, 1).reshape(-1, 2), points[-1:]])


def _centred(ink):
    """Ink (height, width), 0 where there is none, in the way of MNIST: uint8."""
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(scale * side)) for side in ink.shape)
    small = Image.fromarray(ink * (255 / ink.max()))
    small = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    # MNIST's middle is pixel (14, 14), counted from 0.
    mass = ndimage.center_of_mass(small)
    top, left = (
        int(np.clip(round(SIZE / 2 - centre), 0, SIZE - side))
        for centre, side in zip(mass, small.shape, strict=True)
    )
    picture = np.zeros((SIZE, SIZE), "uint8")
    picture[top : top + height, left : left + width] = np.rint(small).clip(0, 255)
    return picture


def _plane(grey):
    """The plane a + b x + c y nearest to most of the greys (height, width).

    Least squares on some thousand pixels, ten times over; each time a pixel counts the
    less, the farther it is from the plane.
    """
    every = max(1, max(grey.shape) // 64)
    height, width = grey.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y], 2)  # (height, width, 3)
    some, greys = terms[::every, ::every].reshape(-1, 3), grey[::every, ::every].ravel()
    plane = np.array([np.median(greys), 0, 0])
    for _ in range(10):
        weighted = some / (np.abs(greys - some @ plane) + 1.0)[:, np.newaxis]
        plane = np.linalg.lstsq(weighted.T @ some, weighted.T @ greys, rcond=None)[0]
    return terms @ plane


def _first_fault(path, header, largest):
    """What is wrong in the first wrong cell of a table."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file)
        next(lines)
        for cells in lines:
            if cells and len(cells) != len(header):
                return (
                    f"{path}, line {lines.line_num}: expected {len(header)} cells, one "
                    f"a column, found {len(cells)}. Is the file cut off?"
                )
            for name, cell, most in zip(header, cells, largest, strict=False):
                if not (cell.strip().isdecimal() and int(cell) <= most):
                    return (
                        f"{path}, line {lines.line_num}, column {name}: expected a "
                        f"whole number from 0 to {most}, found {cell[:40]!r}."
                    )
    return f"{path} is not a table of digits. Take Kaggle's train.csv or test.csv."


def _read_npz(path: Path, pictures: str, labels: str) -> tuple:
    """Two arrays of an npz file: pictures (m, 28, 28) uint8, labels (m,) as int64."""
    try:
        # np.load leaves a damaged file open that it opened itself.
        with open(path, "rb") as opened, np.load(opened) as file:
            x, y = file[pictures], file[labels]
    except Exception as error:  # damage shows in many ways
        raise InputError(
            f"{path} does not hold the arrays {pictures} and {labels} ({error}); it is "
            f"{files.what_is(path)}. Delete it and fetch it again."
        ) from error
    if x.shape != (len(y), SIZE, SIZE) or x.dtype != np.uint8:
        raise InputError(
            f"{path} holds pictures {x.shape} {x.dtype}, expected ({len(y)}, 28, 28) "
            "uint8. Take MNIST's."
        )
    return x, y.astype("int64")
