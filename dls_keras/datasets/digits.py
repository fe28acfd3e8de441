"""Handwritten digits: MNIST, synthetic digits, and Kaggle's tables.

MNIST holds 70,000 digits written by employees and students in the United States, as
grey images of 28 x 28 pixels, white on black: 60,000 for training and 10,000, by other
writers, for testing. Each digit was scaled into a box of 20 x 20 pixels and moved so
that its centre of mass is on pixel (14, 14). `prepare` does the same with any photo or
scan, and `make_digits` makes synthetic digits in this form. Kaggle's Digit Recognizer
has the same images as tables, see `read_csv` and `write_submission`.

Source: LeCun, Bottou, Bengio & Haffner (1998), "Gradient-based learning applied to
document recognition". Licence: CC BY-SA 3.0, as Keras's documentation states it.
"""

import csv
import itertools
import math
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from dls_keras.core import files, images, readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog
from dls_keras.datasets.draw import digits as draw_digits

SIZE = 28  # height and width of an image, in pixels
BOX = 20  # height and width of the box into which the digit is scaled
PIXELS = tuple(f"pixel{i}" for i in range(SIZE**2))  # the columns of Kaggle's tables
CLASSES = tuple("0123456789")
LARGEST = 128 * readers.MEGABYTE  # of an npz file; mnist.npz has 11
LARGEST_TABLE = (
    2 * LARGEST
)  # Kaggle's train.csv has 73, with ".0" after each number 136
LONGEST_LINE = 1 << 16  # characters; the columns of a table have 6,885
BLOCK = 1000  # lines of a table that are read at a time
LABELS = ("label", "labels", "class", "target")  # names of the column of the labels
ROW_NUMBERS = ("", "id", "index", "imageid", "rownames")  # names of their columns
UNNAMED = "unnamed:"  # pandas names a column without a name "Unnamed: 0"
A_TABLE = "a table of digits"
ADVICE = "Use Kaggle's train.csv or test.csv."

SYNTHETIC = (4000, 1000)  # digits in place of MNIST's for training and testing
(MNIST,) = catalog.DATA_SETS["mnist"].files
# The same images in the same order in smaller files, `images` and `labels` each.
PARTS = tuple(part.name for part in catalog.MNIST_PARTS[:-1])
TEST_PART = catalog.MNIST_PARTS[-1].name


# LeNet-5's codes: an image of 7 x 12 pixels for each digit. The idea is LeCun's, the
# images are ours.
CODES = """
..###.. ...##.. .#####. #######  ....##. ####### ..####. ####### .#####. .#####.
.#...#. ..###.. ##...## ......#  ...###. ##..... .##...# ##...## ##...## ##...##
##...## .####.. ......# .....##  ...#.#. ##..... ##..... #....## ##...## ##...##
##...## ...##.. ......# ....##.  ..##.#. ##..... ##..... .....#. ##...## ##....#
#.....# ...##.. .....## ...##..  ..#..#. ######. #.####. .....#. .##.##. ##...##
#.....# ...##.. ....##. ..####.  .##..#. #....## ###..## ....##. ..###.. .######
#.....# ...##.. ...##.. .....##  .#...#. ......# ##....# ....#.. .##.##. .....##
#.....# ...##.. ..##... ......#  ##...#. ......# ##....# ...##.. ##...## ......#
##...## ...##.. .##.... ......#  ####### ......# ##....# ...#... ##...## ......#
##...## ...##.. ##..... #.....#  .....#. #.....# ##...## ..##... ##...## .....##
.#...#. ...##.. ##..... ##...##  .....#. ##...## .##..#. ..#.... ##...## .##..#.
..###.. .###### ####### .#####.  .....#. .#####. ..###.. ..#.... .#####. ..####.
"""


class Digits(NamedTuple):
    """Digits: images (m, 28, 28) uint8, white on black, and labels (m,) int64."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_digits(*, synthetic: bool = False) -> Digits:
    """MNIST in its official order: 60,000 training and 10,000 test digits.

    They are read from `$DLS_KERAS_DATA/mnist` or the user's cache: mnist_train_0.npz to
    mnist_train_3.npz and mnist_test.npz, or else Keras's mnist.npz (11 MB).

    Args:
        synthetic: digits of `make_digits` in their place, which need no files.

    Raises:
        MissingFileError: if they are not on this machine.
        InputError: if a file does not hold these digits.
    """
    if synthetic:
        train = make_digits(SYNTHETIC[0])
        return Digits(*train, *make_digits(SYNTHETIC[1], seed=10_001))
    parts = [path for part in catalog.MNIST_PARTS if (path := catalog.place(part))]
    if len(parts) == len(catalog.MNIST_PARTS):
        pairs = [_read_npz(path, "images", "labels") for path in parts]
        x, y = (np.concatenate(arrays) for arrays in zip(*pairs[:-1], strict=True))
        return Digits(x, y, *pairs[-1])
    path = catalog.find(MNIST)
    return Digits(
        *_read_npz(path, "x_train", "y_train"), *_read_npz(path, "x_test", "y_test")
    )


def make_digits(m: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """m synthetic digits, 0 to 9 in turn, in the form of MNIST.

    Digit i does not depend on m. One CPU core makes a few hundred per second.

    Returns:
        x: (m, 28, 28) uint8, white on black.
        y: (m,) int64.
    """
    x = np.empty((m, SIZE, SIZE), "uint8")
    y = np.arange(m) % len(CLASSES)
    for i, digit in enumerate(y):
        ink = draw_digits.digit(int(digit), np.random.default_rng([seed, i]), size=64)
        x[i] = _centred(np.asarray(ink, "float32"))
    return x, y


def with_synthetic(data: Digits, m: int, *, seed: int = 0) -> Digits:
    """`data` with m digits of `make_digits` appended to the training digits."""
    x, y = make_digits(m, seed=seed)
    return data._replace(x=np.concatenate([data.x, x]), y=np.concatenate([data.y, y]))


def as_inputs(x: np.ndarray, size: int = SIZE) -> np.ndarray:
    """Digits (m, 28, 28) uint8 as inputs of a network, zero-padded to `size`.

    Returns:
        (m, size, size, 1) float32 in [0, 1].
    """
    pad = (size - SIZE) // 2
    x = np.pad(x, ((0, 0), (pad, pad), (pad, pad)))[..., np.newaxis]
    return x.astype("float32") / 255


def load_codes() -> np.ndarray:
    """`CODES` as numbers: (10, 84) float32, one digit per row, ink 1 and paper -1."""
    rows = [[list(row) for row in line.split()] for line in CODES.split("\n")[1:-1]]
    ink = np.array(rows) == "#"  # (12, 10, 7)
    return np.where(ink, 1, -1).swapaxes(0, 1).reshape(10, -1).astype("float32")


class Canvases(NamedTuple):
    """Images with digits and scribbles.

    Fields:
        images: (m, height, width) uint8, white on black.
        boxes: m arrays (k, 4) float32, (y1, x1, y2, x2) in pixels. They are squares; as
            in MNIST the digit itself has 20/28 of the side.
        labels: m arrays (k,) int64, the digits in the boxes.
    """

    images: np.ndarray
    boxes: list[np.ndarray]
    labels: list[np.ndarray]


def make_canvases(
    m: int,
    source: tuple[np.ndarray, np.ndarray] | None = None,
    *,
    size: tuple[int, int] = (160, 240),
    seed: int = 0,
) -> Canvases:
    """m canvases with two to six digits of different sizes, and scribbles between them.

    Their squares have sides of 28 to 64 pixels and do not overlap. Canvas i does not
    depend on m.

    Args:
        source: digits x (n, 28, 28) and y (n,) to choose from; by default 1,000 of
            `make_digits`.
        size: height and width, in pixels, at least 64 each.
    """
    x, y = source or make_digits(1000, seed=seed)
    canvases, boxes, labels = np.zeros((m, *size), "uint8"), [], []
    for i, canvas in enumerate(canvases):
        rng = np.random.default_rng([seed, i])
        squares = _free_squares(rng, size, rng.integers(8, 13))
        chosen = rng.integers(len(x), size=min(len(squares), int(rng.integers(2, 7))))
        for (y1, x1, y2, x2), k in zip(squares, chosen, strict=False):
            digit = Image.fromarray(x[k]).resize((x2 - x1, y2 - y1))
            place = canvas[y1:y2, x1:x2]
            np.maximum(place, np.asarray(digit), out=place)
        for y1, x1, y2, x2 in squares[len(chosen) :]:
            canvas[y1:y2, x1:x2] = draw_digits.scribble(rng, y2 - y1)
        boxes.append(np.array(squares[: len(chosen)], "float32").reshape(-1, 4))
        labels.append(y[chosen])
    return Canvases(canvases, boxes, labels)


def prepare(image: Any) -> np.ndarray:
    """A photo or scan of one digit in the form of MNIST, (28, 28) uint8.

    The ink, without specks, is scaled into 20 x 20 pixels and moved so that its centre
    of mass is on pixel (14, 14).

    Args:
        image: an image of any size (path, PIL image or array), the digit dark on light
            or light on dark.

    Raises:
        InputError: if there is no ink in the image.
    """
    strength = ink(image)
    parts, n = ndimage.label(strength > 0.25, np.ones((3, 3)))
    if n == 0:
        raise InputError(
            "Found no digit: the image has the same grey everywhere. Expected one "
            "digit, dark on light or light on dark."
        )
    sizes = np.bincount(parts.ravel())[1:]
    digit = np.isin(parts, 1 + np.flatnonzero(sizes >= 0.05 * sizes.max()))
    soft_edge = ndimage.binary_dilation(digit, np.ones((3, 3)))
    return _centred(strength * soft_edge)


def ink(image: Any) -> np.ndarray:
    """The amount of ink at each pixel, (height, width) float32 in [0, 1].

    The grey of the paper is modelled as a plane; darker, or lighter, pixels are ink. An
    image with a side of more than 512 pixels is reduced first.

    Args:
        image: an image of any size (path, PIL image or array).
    """
    small = images.read(image).convert("L")
    if max(small.size) > 512:
        small.thumbnail((512, 512), Image.Resampling.BOX)
    grey = np.asarray(small, "float32")
    contrast = grey - _plane(grey)
    # Ink covers less area than paper, so the skewness of the contrast has its sign.
    if np.mean(contrast**3) < 0:
        contrast = -contrast
    strength = np.maximum(contrast, 0)
    if (strongest := strength.max()) < 8:  # of 255: too little for writing
        return np.zeros_like(strength)
    full = np.quantile(strength[strength > strongest / 2], 0.9)
    return (strength / full).clip(0, 1)


def read_csv(path: str | Path) -> tuple[np.ndarray, np.ndarray | None]:
    """A table of digits: x (m, 28, 28) uint8, and y (m,) int64 or None without labels.

    The first line names the columns: the 784 pixels row by row, such as pixel0 to
    pixel783, pixel1 to pixel784 or 1x1 to 28x28, and optionally one of `LABELS`.
    Row numbers, columns without a name or with one of `ROW_NUMBERS`, are left out.
    Without a line of names, 785 cells are a label and the pixels. Cells are separated
    by commas, semicolons or tabs; pixels are whole numbers from 0 to 255. 42,000 rows
    take about a second, with decimals ten.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if a cell is not valid; the message names its line and column. Also
            if the labels may be in more than one column.
    """
    with readers.reading(path, A_TABLE, ADVICE):
        readers.check_size(path, LARGEST_TABLE)
        lines = ((n, text) for n, text in enumerate(_lines(path), 1) if text.strip())
        table, lines = _table(path, lines)
        blocks = []
        while block := list(itertools.islice(lines, BLOCK)):
            blocks.append(_numbers(table, block))
        if not blocks:
            raise InputError(f"{path} has no rows, only the names of the columns.")
        rows = np.concatenate(blocks)  # (m, 784 or 785) uint8
        x, y = rows[:, -(SIZE**2) :], rows[:, 0].astype("int64")
        unsure = table.labelled and not table.named and not y.any()
        if unsure and 0 < x[:, -1].max() < len(CLASSES):
            raise InputError(
                f"{path} may have its labels in the first or in the last column. Add a "
                "first line that names the columns: label, pixel0 to pixel783."
            )
        images = np.ascontiguousarray(x).reshape(-1, SIZE, SIZE)
        return images, y if table.labelled else None


def write_submission(labels: Iterable[int], path: str | Path) -> Path:
    """Write labels for Kaggle's test.csv in its format, completely or not at all.

    Two columns, `ImageId,Label`; the first image has number 1.
    """
    lines = [f"{i},{int(label)}" for i, label in enumerate(labels, start=1)]
    with files.atomic_write(path) as temporary:
        temporary.write_text("\n".join(["ImageId,Label", *lines, ""]), "utf-8")
    return Path(path)


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


def _centred(ink):
    """Ink (height, width), 0 where there is none, in the form of MNIST: uint8."""
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = BOX / max(ink.shape)
    height, width = (max(1, round(scale * side)) for side in ink.shape)
    small = Image.fromarray(ink * (255 / ink.max()))
    small = np.asarray(small.resize((width, height), Image.Resampling.BILINEAR))
    # The centre of mass goes to pixel (14, 14), counted from 0.
    mass = ndimage.center_of_mass(small)
    top, left = (
        int(np.clip(round(SIZE / 2 - centre), 0, SIZE - side))
        for centre, side in zip(mass, small.shape, strict=True)
    )
    image = np.zeros((SIZE, SIZE), "uint8")
    image[top : top + height, left : left + width] = np.rint(small).clip(0, 255)
    return image


def _plane(grey):
    """The plane a + b x + c y that fits most of the greys (height, width).

    Iteratively reweighted least squares, ten iterations on a few thousand pixels: the
    weight of a pixel is the inverse of its distance from the plane.
    """
    every = max(1, max(grey.shape) // 64)
    height, width = grey.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y], 2)  # (height, width, 3)
    points, greys = (
        terms[::every, ::every].reshape(-1, 3),
        grey[::every, ::every].ravel(),
    )
    plane = np.array([np.median(greys), 0, 0])
    for _ in range(10):
        weighted = points / (np.abs(greys - points @ plane) + 1.0)[:, np.newaxis]
        plane = np.linalg.lstsq(weighted.T @ points, weighted.T @ greys, rcond=None)[0]
    return terms @ plane


def _lines(path):
    """The lines of a table; a longer one than any table has is cut into several."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        while line := file.readline(LONGEST_LINE):
            yield line


class _Table(NamedTuple):
    """The form of a table: its columns, and those of the label and the pixels."""

    path: str | Path
    separator: str
    names: tuple[str, ...]
    used: tuple[int, ...]  # the columns of the label, if there is one, and the pixels
    named: bool  # whether the first line has the names

    @property
    def labelled(self) -> bool:
        return len(self.used) > SIZE**2

    def cells(self, lines):
        """The cells of each line (number, text), without quotes."""
        return csv.reader((text for _, text in lines), delimiter=self.separator)


def _table(path, lines):
    """The form of a table, and its lines (number, text) that hold numbers."""
    first = next(lines, (1, ""))
    separator = max(",;\t", key=first[1].count)
    cells = next(csv.reader([first[1]], delimiter=separator)) or [""]
    names = tuple(cell.strip() for cell in cells)
    if used := _used(names):
        table = _Table(path, separator, names, used, named=True)
        start = list(itertools.islice(lines, len(CLASSES) + 1))
        _check_unnamed(table, start)
        return table, itertools.chain(start, lines)
    numeric = not any(math.isnan(_number(cell)) for cell in cells)
    if not numeric or len(cells) - SIZE**2 not in (0, 1):
        raise InputError(
            f"{path}, line 1: expected the columns of {SIZE**2} pixels in order, "
            "such as pixel0 to pixel783 or 1x1 to 28x28, optionally with label; found "
            f"{len(cells)} columns, the first {readers.quoted(cells[0])}. {ADVICE}"
        )
    names = ("label", *PIXELS)[-len(cells) :]
    table = _Table(path, separator, names, tuple(range(len(names))), named=False)
    return table, itertools.chain([first], lines)


def _used(names):
    """The columns of the label, if there is one, and the pixels; () if unknown."""
    names = [name.lower() for name in names]
    labels = [i for i, name in enumerate(names) if name in LABELS]
    pixels = [
        i
        for i, name in enumerate(names)
        if name not in (*LABELS, *ROW_NUMBERS) and not name.startswith(UNNAMED)
    ]
    prefixes = {re.sub(r"\d+", "", names[i]) for i in pixels}
    numbers = [tuple(map(int, re.findall(r"\d{1,3}", names[i]))) for i in pixels]
    known = numbers in _NUMBERINGS and len(prefixes) == 1 and len(labels) < 2
    return (*labels, *pixels) if known else ()


# The numbers in the names of the pixels: (0,) to (783,), (1, 1) to (28, 28) and so on.
_NUMBERINGS = tuple(
    [tuple(i + first for i in index) for index in np.ndindex(shape)]
    for shape in ((SIZE**2,), (SIZE, SIZE))
    for first in (0, 1)
)


def _check_unnamed(table, start):
    """Raise InputError if a column without a name may hold the labels.

    Args:
        start: the first 11 lines with numbers; row numbers exceed 9 there.
    """
    rows = list(table.cells(start))
    for i, name in enumerate(table.names):
        if not table.labelled and (not name or name.lower().startswith(UNNAMED)):
            cells = [cell.strip() for row in rows for cell in row[i : i + 1]]
            counted = [[str(k + first) for k in range(len(cells))] for first in (0, 1)]
            if set(cells) <= set(CLASSES) and cells not in counted:
                raise InputError(
                    f"{table.path}, line 1: column {i + 1} has no name, and its digits "
                    "may be labels. Name it label, or id if it numbers the rows."
                )


def _numbers(table, block):
    """The label, if there is one, and the pixels of lines: (rows, 784 or 785) uint8."""
    largest = np.full(len(table.used), 255)
    largest[: len(largest) - SIZE**2] = len(CLASSES) - 1
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns that it takes 3.7 as 3
            cells = np.loadtxt(
                [text for _, text in block],
                "int32",
                comments=None,
                delimiter=table.separator,
                quotechar='"',
                ndmin=2,
            )
    except (ValueError, Warning):
        cells = np.empty((0, 0))
    if cells.shape[1] == len(table.names):
        numbers = cells[:, table.used]
        if ((numbers >= 0) & (numbers <= largest)).all():
            return numbers.astype("uint8")
    # Slower: decimals, names of rows, or an invalid cell.
    rows = zip(block, table.cells(block), strict=False)
    return np.array([_row(table, n, cells, largest) for (n, _), cells in rows])


def _row(table, line, cells, largest):
    """The label, if there is one, and the pixels of a line: (784 or 785,) uint8."""
    if len(cells) != len(table.names):
        raise InputError(
            f"{table.path}, line {line}: expected {len(table.names)} cells, one per "
            f"column, found {len(cells)}. The file may be truncated."
        )
    row = np.array([_number(cells[i]) for i in table.used])
    valid = (row >= 0) & (row <= largest) & (row == np.floor(row))
    if not valid.all():
        first = valid.argmin()
        column = table.used[first]
        raise InputError(
            f"{table.path}, line {line}, column {table.names[column]}: expected an "
            f"integer from 0 to {largest[first]}, found "
            f"{readers.quoted(cells[column], 40)}."
        )
    return row.astype("uint8")


def _number(cell):
    """The number in a cell, or NaN."""
    try:  # Python also takes digits of other scripts, and 1_0
        return float(cell) if cell.isascii() and "_" not in cell else math.nan
    except ValueError:
        return math.nan


def _read_npz(path: Path, x_name: str, y_name: str) -> tuple[np.ndarray, np.ndarray]:
    """Two arrays of an npz file: images (m, 28, 28) uint8, labels (m,) as int64."""
    arrays = readers.read_npz(
        path,
        "a file of MNIST",
        (x_name, y_name),
        limit=LARGEST,
        advice="Delete it and download it again.",
    )
    return readers.labelled_images(
        arrays[x_name], arrays[y_name], (SIZE, SIZE), len(CLASSES), path
    )
