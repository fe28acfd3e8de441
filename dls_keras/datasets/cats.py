"""Cats and other objects, 64 x 64 pixels: the course's photos and synthetic pictures.

`load_cats` reads the photos of course 1, which are not distributed with the package.
`make_cats` renders pictures of cats and of seven other objects from polygons.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from dls_keras.core import files, hdf5, readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog

CLASSES = ("non-cat", "cat")
SIZE = 64  # height and width in pixels
SYNTHETIC = (209, 50)  # pictures in place of the training and the test photos
TRAIN, TEST = catalog.DATA_SETS["cats"].files


class Cats(NamedTuple):
    """The course's photos and their classes: a training and a test set."""

    x: np.ndarray  # (209, 64, 64, 3) uint8, RGB
    y: np.ndarray  # (209,) int64, an index into `classes`; 72 cats
    x_test: np.ndarray  # (50, 64, 64, 3) uint8
    y_test: np.ndarray  # (50,) int64; 33 cats
    classes: tuple[str, ...]  # ("non-cat", "cat")


class SyntheticCats(NamedTuple):
    """Pictures rendered by `make_cats`."""

    x: np.ndarray  # (m, 64, 64, 3) uint8, RGB
    y: np.ndarray  # (m,) int64, an index into `CLASSES`


def load_cats(path: str | Path | None = None, *, synthetic: bool = False) -> Cats:
    """The course's 209 training and 50 test photos.

    Args:
        path: folder with train_catvnoncat.h5 and test_catvnoncat.h5; by default
            `$DLS_KERAS_DATA/catvnoncat` or the cache.
        synthetic: pictures of `make_cats` in their place, which need no files.

    Raises:
        MissingFileError: if a file is in none of these places.
        InputError: if a file is damaged or has other contents.
    """
    if synthetic:
        train, test = make_cats(SYNTHETIC[0]), make_cats(SYNTHETIC[1], seed=10_001)
        return Cats(*train, *test, CLASSES)
    x, y = _read(TRAIN, "train", path)
    x_test, y_test = _read(TEST, "test", path)
    return Cats(x, y, x_test, y_test, CLASSES)


def _read(remote: files.Remote, part: str, folder: str | Path | None):
    """The pictures (m, 64, 64, 3) and classes (m,) of one of the two files."""
    name = Path(remote.name).name
    path = catalog.find(remote, folder and Path(folder) / name)
    with hdf5.opened(path, f"the course's {name}", remote=remote) as file:
        x, y = file.array(f"{part}_set_x"), file.array(f"{part}_set_y")
        classes = file.array("list_classes")[: len(CLASSES) + 1].tolist()
    if classes != [kind.encode() for kind in CLASSES]:
        raise InputError(
            f"{path} has the classes {readers.quoted(str(classes))}, expected "
            f"{CLASSES}. Use the course's {name}."
        )
    return readers.labelled_images(x, y, (SIZE, SIZE, 3), len(CLASSES), path)


def make_cats(m: int, *, seed: int = 0) -> SyntheticCats:
    """m synthetic pictures, about half of them cats, in place of the course's photos.

    A cat is shown by its head, with varying fur, markings, eyes, size, position and
    rotation, 90 % of them indoors. The other objects are a house, tree, ball, car,
    boat, flower or balloon, outdoors: as in the course's photos, the background is
    correlated with the class. For the same seed, the first pictures do not depend on m.
    """
    rng = np.random.default_rng(seed)
    x = np.empty((m, SIZE, SIZE, 3), "uint8")
    y = np.empty(m, "int64")
    for i in range(m):
        y[i] = rng.integers(2)
        x[i] = _render(rng, bool(y[i]))
    return SyntheticCats(x, y)


def _render(rng, cat):
    """One picture (64, 64, 3) uint8, rendered at four times the size and reduced."""
    side = 4 * SIZE
    if cat:
        subject, scene = _cat(rng), _indoors if rng.random() < 0.9 else _outdoors
        size, centre = rng.uniform(0.5, 0.85), rng.normal((0, 0.1), 0.12)
    else:
        subject, scene = OBJECTS[rng.integers(len(OBJECTS))](rng), _outdoors
        size, centre = rng.uniform(0.35, 0.75), rng.normal((0, 0.2), 0.15)
    angle = rng.normal(0, 0.12)  # radians
    cos, sin = np.cos(angle), np.sin(angle)
    rotation = np.array([(cos, sin), (-sin, cos)])

    image = Image.new("RGB", (side, side))
    canvas = ImageDraw.Draw(image)
    for outline, colour in scene(rng):
        canvas.polygon(_pixels(outline, side), fill=colour)
    for outline, colour in subject:
        canvas.polygon(_pixels(size * outline @ rotation + centre, side), fill=colour)
    # Illumination changes linearly from left to right; then sensor noise.
    light = np.linspace(*rng.uniform(0.8, 1.15, 2), SIZE)[:, None]
    picture = np.asarray(image.reduce(4)) * light
    picture += rng.normal(0, rng.uniform(0, 8), picture.shape)
    return picture.clip(0, 255).astype("uint8")


def _pixels(outline, side):
    """Points of the square [-1, 1] x [-1, 1] as a list of pixel coordinates."""
    return [tuple(point) for point in (outline + 1) * side / 2]


# A subject or scene is a list of polygons (outline, colour), later ones on top. An
# outline is an (n, 2) array of points (right, down) in [-1, 1] x [-1, 1], a colour RGB.

FURS = (
    (222, 140, 62),  # orange
    (128, 128, 132),  # grey
    (46, 42, 44),  # black
    (236, 230, 222),  # white
    (206, 176, 136),  # cream
    (124, 92, 66),  # brown
)
EYES = ((226, 190, 52), (120, 170, 70), (96, 156, 200))
WALLS = ((214, 200, 178), (176, 160, 150), (120, 92, 80), (70, 62, 66), (188, 180, 192))
CLOTHS = ((150, 60, 56), (96, 84, 120), (186, 150, 110), (90, 66, 52), (220, 214, 206))
SKIES = (
    (132, 186, 236),
    (96, 150, 220),
    (186, 212, 236),
    (160, 190, 200),
    (240, 170, 96),
)
GROUNDS = ((86, 146, 60), (60, 110, 50), (130, 160, 70), (150, 140, 120))
LEAVES = ((58, 122, 50), (90, 140, 50), (196, 120, 40))
PAINTS = (
    (208, 48, 44),
    (240, 200, 40),
    (52, 96, 190),
    (226, 110, 170),
    (240, 240, 236),
)
PINK = (216, 146, 146)
DARK = (28, 24, 26)
WHITE = (240, 238, 234)
GLASS = (170, 206, 226)


def _one_of(rng, colours):
    """One of the colours, with random brightness and a small random shift of hue."""
    colour = np.array(colours[rng.integers(len(colours))]) + rng.normal(0, 6, 3)
    return _shade(colour, rng.uniform(0.85, 1.15))


def _shade(colour, factor):
    return tuple(int(c) for c in np.clip(np.multiply(colour, factor), 0, 255))


def _ellipse(u, v, a, b):
    """The outline of an ellipse around (u, v) with semi-axes a and b."""
    t = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return np.column_stack([u + a * np.cos(t), v + b * np.sin(t)])


def _box(left, top, right, bottom):
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _line(start, end, width):
    """The outline of a straight line of this width, a rectangle."""
    start, end = np.array(start), np.array(end)
    right, down = end - start
    side = np.array((-down, right)) * width / 2 / np.hypot(right, down)
    return np.array([start + side, end + side, end - side, start - side])


def _pair(outline, colour):
    """A polygon and its mirror image."""
    return [(outline, colour), (outline * (-1, 1), colour)]


def _indoors(rng):
    """A wall, often a window or a picture on it, and a sofa or a carpet."""
    wall, height = _one_of(rng, WALLS), rng.uniform(0.1, 0.8)
    left = rng.uniform(-1, 0.4)
    parts = [(_box(-1, -1, 1, 1), wall)]
    if rng.random() < 0.5:
        frame = _box(left, -0.9, left + 0.6, rng.uniform(-0.4, 0.1))
        parts.append((frame, _one_of(rng, (WHITE, GLASS, *CLOTHS))))
    return [*parts, (_box(-1, height, 1, 1), _one_of(rng, CLOTHS))]


def _outdoors(rng):
    """Sky, often with clouds and hills, above grass or a path."""
    sky, ground = _one_of(rng, SKIES), _one_of(rng, GROUNDS)
    horizon = rng.uniform(-0.2, 0.4)
    parts = [(_box(-1, -1, 1, 1), sky)]
    for _ in range(rng.integers(4)):
        u, v = rng.uniform(-1, 1), rng.uniform(-0.9, -0.3)
        parts.append((_ellipse(u, v, rng.uniform(0.2, 0.5), 0.12), _shade(sky, 1.25)))
    if rng.random() < 0.5:
        hill = _ellipse(rng.uniform(-1, 1), horizon + 0.2, 1.2, rng.uniform(0.3, 0.6))
        parts.append((hill, _shade(ground, 0.75)))
    return [*parts, (_box(-1, horizon, 1, 1), ground)]


def _cat(rng):
    """A cat's head and shoulders from the front."""
    fur, eye = _one_of(rng, FURS), _one_of(rng, EYES)
    mark = _shade(fur, 0.62)
    ear = np.array([(-0.88, -0.2), (rng.uniform(-0.9, -0.65), -1.05), (-0.12, -0.6)])
    inside = 0.6 * ear + 0.4 * ear.mean(axis=0)
    parts = [
        (_ellipse(0, 1.35, rng.uniform(0.7, 1.1), 0.95), _shade(fur, 0.88)),
        *_pair(ear, fur),
        *_pair(inside, PINK),
        (_ellipse(0, 0, 0.92, 0.78), fur),
    ]
    if rng.random() < 0.5:  # tabby stripes
        parts += [(_line((0, -0.76), (0, -0.36), 0.1), mark)]
        parts += _pair(_line((0.32, -0.72), (0.2, -0.38), 0.1), mark)
        parts += _pair(_line((0.9, 0.08), (0.62, 0.12), 0.08), mark)
        parts += _pair(_line((0.86, 0.26), (0.6, 0.26), 0.08), mark)
    if rng.random() < 0.5:  # white muzzle
        parts += [(_ellipse(0, 0.42, 0.46, 0.34), WHITE)]
    opening, slit = rng.uniform(0.1, 0.22), rng.uniform(0.04, 0.12)
    parts += _pair(_ellipse(0.38, -0.08, 0.25, opening + 0.04), DARK)
    parts += _pair(_ellipse(0.38, -0.08, 0.21, opening), eye)
    parts += _pair(_ellipse(0.38, -0.08, slit, opening), DARK)
    parts += _pair(_ellipse(0.42, -0.14, 0.035, 0.035), WHITE)
    parts += [(np.array([(-0.13, 0.22), (0.13, 0.22), (0, 0.36)]), PINK)]
    parts += _pair(_line((0, 0.34), (0, 0.5), 0.05), DARK)
    parts += _pair(_line((0, 0.48), (0.2, 0.5), 0.05), DARK)
    whisker = WHITE if sum(fur) < 480 else _shade(fur, 0.5)
    for end in (0.2, 0.4, 0.6):
        parts += _pair(_line((0.3, 0.38), (1.15, end), 0.03), whisker)
    return parts


def _house(rng):
    wall, roof = _one_of(rng, (*PAINTS, *WALLS)), _one_of(rng, CLOTHS)
    door = rng.uniform(-0.5, 0.3)
    return [
        (_box(-0.8, -0.2, 0.8, 0.9), wall),
        (np.array([(-1, -0.2), (0, -1), (1, -0.2)]), roof),
        (_box(door, 0.3, door + 0.3, 0.9), _shade(roof, 0.6)),
        *_pair(_box(0.4, -0.05, 0.65, 0.2), GLASS),
    ]


def _tree(rng):
    leaf = _one_of(rng, LEAVES)
    crown = [
        (_ellipse(*rng.uniform((-0.45, -0.7), (0.45, 0.1)), 0.5, 0.42), _shade(leaf, f))
        for f in rng.uniform(0.8, 1.2, 7)
    ]
    return [(_box(-0.12, 0, 0.12, 1), (96, 66, 44)), *crown]


def _ball(rng):
    paint, band = _one_of(rng, PAINTS), _one_of(rng, PAINTS)
    return [
        (_ellipse(0.05, 0.78, 0.75, 0.14), DARK),  # shadow
        (_ellipse(0, 0, 0.8, 0.8), paint),
        (_ellipse(0, 0, 0.32, 0.8), band),
        (_ellipse(-0.4, -0.4, 0.1, 0.1), WHITE),
    ]


def _car(rng):
    paint = _one_of(rng, PAINTS)
    cabin = np.array([(-0.6, 0), (-0.35, -0.45), (0.35, -0.45), (0.6, 0)])
    return [
        (cabin, paint),
        (cabin * 0.8 - (0, 0.04), GLASS),
        (_box(-1, -0.02, 1, 0.42), paint),
        *_pair(_ellipse(0.55, 0.42, 0.24, 0.24), DARK),
        *_pair(_ellipse(0.55, 0.42, 0.1, 0.1), WHITE),
    ]


def _boat(rng):
    sail = _one_of(rng, PAINTS)
    return [
        (_box(-4, 0.55, 4, 4), (52, 104, 156)),  # sea
        (np.array([(-0.8, 0.4), (0.8, 0.4), (0.5, 0.75), (-0.5, 0.75)]), (120, 70, 44)),
        (_line((0, 0.4), (0, -1), 0.06), DARK),
        (np.array([(0.08, -0.9), (0.08, 0.3), (0.8, 0.3)]), sail),
        (np.array([(-0.08, -0.7), (-0.08, 0.3), (-0.6, 0.3)]), _shade(sail, 0.85)),
    ]


def _flower(rng):
    petal, leaf = _one_of(rng, PAINTS), _one_of(rng, LEAVES)
    turns = np.arange(7) * 2 * np.pi / 7
    return [
        (_line((0, 0), (0.1, 2), 0.1), leaf),
        (_ellipse(0.35, 0.9, 0.32, 0.14), leaf),
        *((_ellipse(0.5 * np.cos(t), 0.5 * np.sin(t), 0.3, 0.3), petal) for t in turns),
        (_ellipse(0, 0, 0.3, 0.3), (236, 190, 50)),
    ]


def _balloon(rng):
    paint = _one_of(rng, PAINTS)
    return [
        (_line((0, 0.6), (0.15, 2), 0.04), DARK),
        (_ellipse(0, -0.15, 0.62, 0.78), paint),
        (np.array([(0, 0.58), (0.1, 0.74), (-0.1, 0.74)]), paint),
        (_ellipse(-0.25, -0.45, 0.12, 0.18), _shade(paint, 1.4)),
    ]


OBJECTS = (_house, _tree, _ball, _car, _boat, _flower, _balloon)
