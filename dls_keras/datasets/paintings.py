"""Images for style transfer: content images, style images and training crops.

`load_pictures` gives two of the course's photos and paintings (licence: none stated).
`make_scenes` generates synthetic landscapes and `make_paintings` synthetic paintings in
four styles: brush strokes along a vector field, stained glass, bands of rock, coloured
dots. `load_training_crops` gives square crops of all kinds, to train a network that
replaces VGG-19.
"""

import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial import cKDTree

from dls_keras.core import images
from dls_keras.core.errors import InputError
from dls_keras.datasets import alpaca, catalog

PICTURES = {  # the course's photos and paintings
    Path(remote.name).stem: remote for remote in catalog.DATA_SETS["paintings"].files
}


class Crops(NamedTuple):
    """Training images, x (m, size, size, 3) uint8 RGB."""

    x: np.ndarray


class SyntheticCrops(Crops):
    """Training images without photos, for training without any file."""


class Pair(NamedTuple):
    """A content image and a style image, RGB of any size."""

    content: Image.Image
    style: Image.Image


def load_pictures(content: str = "louvre", style: str = "monet_800600") -> Pair:
    """Two of the course's `PICTURES`, by default the Louvre and Monet's poppy field.

    Raises:
        MissingFileError: if they are not on this machine.
    """
    return Pair(*(images.read(catalog.find(PICTURES[n])) for n in (content, style)))


def make_pictures(seed: int = 0) -> Pair:
    """A synthetic landscape and a synthetic painting, 400 x 300 pixels each."""
    size = {"height": 300, "width": 400, "seed": seed}
    (scene,), (painting,) = make_scenes(1, **size), make_paintings(1, **size)
    return Pair(Image.fromarray(scene), Image.fromarray(painting))


def make_paintings(
    m: int, *, seed: int = 0, height: int = 192, width: int = 256
) -> np.ndarray:
    """m synthetic paintings (m, height, width, 3) uint8, in four styles by turns."""
    rng = np.random.default_rng(seed)
    styles = itertools.cycle((_strokes, _glass, _bands, _dots))
    paintings = np.empty((m, height, width, 3), "uint8")
    for painting, style in zip(paintings, styles, strict=False):
        painting[:] = style(rng, height, width)
    return paintings


def make_scenes(
    m: int, *, seed: int = 0, height: int = 192, width: int = 256
) -> np.ndarray:
    """m synthetic landscapes (m, height, width, 3) uint8: hills, trees, a house."""
    rng = np.random.default_rng(seed)
    scenes = np.empty((m, height, width, 3), "uint8")
    for scene in scenes:
        scene[:] = _landscape(rng, 2 * height, 2 * width).resize(
            (width, height), Image.Resampling.LANCZOS
        )
    return scenes


def crops(
    photos: Iterable[str | Path], m: int, *, size: int = 96, seed: int = 0
) -> np.ndarray:
    """m random square crops of photos, (m, size, size, 3) uint8.

    The crops are divided equally among the photos. The scale is random, from that of
    the photo to one at which the crop covers its shorter side.

    Raises:
        InputError: if there are no photos.
    """
    photos = list(photos)
    if not photos:
        raise InputError("There are no photos to crop. Pass the paths of at least one.")
    rng = np.random.default_rng(seed)
    found = np.empty((m, size, size, 3), "uint8")
    for k, path in enumerate(photos[:m]):
        photo = images.read(path)
        for i in range(k, m, len(photos)):  # photos take turns; each is read once
            side = min(photo.size)
            window = int(rng.uniform(min(size, side), side + 1))
            x, y = (int(rng.integers(0, n - window + 1)) for n in photo.size)
            found[i] = photo.resize(
                (size, size), Image.Resampling.LANCZOS, (x, y, x + window, y + window)
            )
    return found


def load_training_crops(
    photos: int = 2400,
    extra: int = 800,
    *,
    size: int = 96,
    seed: int = 0,
    synthetic: bool = False,
) -> Crops:
    """Crops to train a network that replaces VGG-19.

    Args:
        photos: how many crops of the photos of `datasets.alpaca`.
        extra: how many synthetic images: three quarters are paintings, one quarter
            landscapes.
        size: height and width of a crop in pixels.
        synthetic: the synthetic images alone, which need no files.

    Raises:
        MissingFileError: if the photos are not on this machine.
    """
    scenes = extra // 4
    shape = {"height": size, "width": size}
    parts = [
        make_paintings(extra - scenes, seed=seed, **shape),
        make_scenes(scenes, seed=seed, **shape),
    ]
    if synthetic:
        return SyntheticCrops(np.concatenate(parts))
    if photos:
        parts.append(crops(alpaca.photos()[0], photos, size=size, seed=seed))
    return Crops(np.concatenate(parts))


def _noise(rng, height, width, cells):
    """A smooth random field (height, width): mean 0, standard deviation about 1.

    Args:
        cells: random values along the width, between which it is interpolated.
    """
    rows = max(2, round(cells * height / width))
    coarse = rng.normal(size=(rows + 2, cells + 2)).astype("float32")
    field = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(field)


def _palette(rng, n=5):
    """n colours (n, 3) in [0, 255]: similar hues and one contrasting hue."""
    hue = rng.uniform() + rng.normal(0, 0.06, n)
    hue[-1] += rng.uniform(0.35, 0.65)
    saturation, value = rng.uniform(0.25, 0.95, n), np.linspace(0.25, 0.98, n)
    rng.shuffle(value)
    sector = (hue[:, None] * 6 + np.array([0, 4, 2])) % 6
    shares = np.clip(np.abs(sector - 3) - 1, 0, 1)
    return 255 * value[:, None] * (1 - saturation[:, None] * (1 - shares))


def _coloured(field, palette):
    """Map a field to the colours of a palette, low values to the first: (..., 3)."""
    ranks = np.clip((field + 1.7) / 3.4, 0, 1) * (len(palette) - 1)
    low = np.minimum(ranks.astype(int), len(palette) - 2)
    share = (ranks - low)[..., None]
    return palette[low] * (1 - share) + palette[low + 1] * share


def _patches(rng, height, width):
    """Smooth patches of colour, from which strokes and dots take their colours."""
    field = _noise(rng, height, width, 4) + 0.4 * _noise(rng, height, width, 12)
    return _coloured(field, _palette(rng))


def _strokes(rng, height, width):
    """Short brush strokes along a vector field, as in van Gogh's skies."""
    ground = _patches(rng, height, width)
    angle = np.pi * _noise(rng, height, width, 3)
    image = Image.fromarray(ground.astype("uint8")).resize((2 * width, 2 * height))
    pen = ImageDraw.Draw(image)
    length, thickness = rng.uniform(0.02, 0.06) * width, rng.uniform(2, 7)
    n = int(3 * height * width / (length * thickness))
    for y, x in zip(rng.integers(0, height, n), rng.integers(0, width, n), strict=True):
        colour = ground[y, x] + rng.normal(0, 22) + rng.normal(0, 9, 3)
        points = [(2 * x, 2 * y)]
        for _ in range(3):  # a stroke follows the vector field
            a, b = points[-1]
            turn = angle[min(int(b / 2), height - 1), min(int(a / 2), width - 1)]
            a, b = a + length * np.cos(turn), b + length * np.sin(turn)
            points.append(
                (min(max(a, 0), 2 * width - 1), min(max(b, 0), 2 * height - 1))
            )
        pen.line(points, _rgb(colour), round(thickness), joint="curve")
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def _glass(rng, height, width):
    """Stained glass: panes of coloured glass between lines of lead."""
    n = int(rng.integers(60, 300))
    points = rng.uniform(0, (height, width), (n, 2))
    pixels = np.stack(np.mgrid[:height, :width], -1).reshape(-1, 2)
    (near, second), owner = (part.T for part in cKDTree(points).query(pixels, 2))
    panes = _coloured(rng.normal(size=n), _palette(rng)) + rng.normal(0, 12, (n, 3))
    lead = rng.uniform(1.5, 4)
    shade = np.clip((second - near) / lead, 0, 1)[:, None]
    glow = 1 + 0.12 * _noise(rng, height, width, 24).reshape(-1, 1)
    picture = panes[owner[0]] * shade * glow + 25 * (1 - shade)
    return picture.clip(0, 255).reshape(height, width, 3)


def _bands(rng, height, width):
    """Curved bands of rock, coarse and fine."""
    y, x = np.mgrid[:height, :width] / width
    slope = rng.uniform(-1, 1)
    bend = rng.uniform(0.05, 0.2) * _noise(rng, height, width, 3)
    depth = y + slope * x + bend + 0.004 * _noise(rng, height, width, 40)
    coarse, fine = rng.uniform(4, 10), rng.uniform(25, 60)
    field = np.sin(2 * np.pi * coarse * depth) + 0.6 * np.sin(2 * np.pi * fine * depth)
    return _coloured(field, _palette(rng)).clip(0, 255)


def _dots(rng, height, width):
    """Pointillism: dots of pure colour, as in Seurat's paintings."""
    ground = _patches(rng, height, width)
    image = Image.fromarray(ground.astype("uint8")).resize((2 * width, 2 * height))
    pen = ImageDraw.Draw(image)
    radius = rng.uniform(2, 6)
    n = int(5 * height * width / radius**2)
    for y, x in zip(rng.integers(0, height, n), rng.integers(0, width, n), strict=True):
        colour = ground[y, x] + rng.normal(0, 40, 3)
        r = radius * rng.uniform(0.7, 1.2)
        pen.ellipse((2 * x - r, 2 * y - r, 2 * x + r, 2 * y + r), _rgb(colour))
    return np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))


def _landscape(rng, height, width):
    """Sky and sun, rows of hills, a meadow with trees and a house, as a PIL image."""
    dusk = rng.uniform()
    sky = np.array([[90, 150, 225], [200, 220, 245]]) * (1 - dusk)
    sky = sky + np.array([[70, 60, 120], [250, 170, 110]]) * dusk
    down = np.linspace(0, 1, height)[:, None, None]
    ground = sky[0] * (1 - down) + sky[1] * down + np.zeros((height, width, 1))
    cloud = np.clip(
        _noise(rng, height, width, 5) + _noise(rng, height, width, 17) / 2, 0, 1
    )
    ground += (255 - ground) * 0.75 * cloud[..., None] * (1 - down)
    image = Image.fromarray(ground.clip(0, 255).astype("uint8"))
    pen = ImageDraw.Draw(image)

    x, y = rng.uniform(0.15, 0.85) * width, rng.uniform(0.1, 0.3) * height
    r = rng.uniform(0.04, 0.08) * width
    pen.ellipse((x - r, y - r, x + r, y + r), (255, 244, 200))

    across = np.arange(width)
    for row in range(4):  # from distant hills, blue with haze, to the meadow
        near = row / 3
        base = height * (0.42 + 0.14 * row)
        rough = _noise(rng, 4, width, 4 + 2 * row)[0] * (1 - 0.6 * near)
        ridge = base - 0.07 * height * rough
        colour = (1 - near) * np.array([110, 130, 170]) + near * np.array([95, 140, 60])
        colour = _rgb(colour + rng.normal(0, 10, 3))
        outline = [*zip(across, ridge, strict=True), (width, height), (0, height)]
        pen.polygon(outline, colour)
        for x in rng.integers(0, width, int(rng.integers(0, 4 + 6 * row))):
            _tree(pen, rng, x, ridge[x], height * (0.02 + 0.04 * near))
    x = rng.uniform(0.15, 0.65) * width
    _house(pen, rng, x, ridge[int(x)] + 0.08 * height, 0.16 * height)
    return image


def _tree(pen, rng, x, y, size):
    """A trunk and round clusters of leaves, lit from above."""
    pen.line((x, y, x, y - 1.2 * size), (80, 60, 45), max(1, int(size / 5)))
    leaf = np.array([60, 105, 50]) * rng.uniform(0.7, 1.3)
    for light in (0.8, 1.0, 1.25):
        for _ in range(5):
            a = x + rng.normal(0, 0.4) * size
            b = y - (1.5 + light / 3 + rng.normal(0, 0.25)) * size
            r = size * rng.uniform(0.3, 0.55)
            pen.ellipse((a - r, b - r, a + r, b + r), _rgb(leaf * light))


def _house(pen, rng, x, y, size):
    """A wall with a door and windows, and a roof."""
    wide = size * rng.uniform(1.2, 1.6)
    wall = rng.uniform(190, 245, 3)
    pen.rectangle((x, y - size, x + wide, y), _rgb(wall))
    eaves = 0.15 * size
    roof = [(x - eaves, y - size), (x + wide + eaves, y - size)]
    roof.insert(1, (x + wide / 2, y - 1.75 * size))
    pen.polygon(roof, _rgb([rng.uniform(130, 200), 70, 50]))
    dark = (60, 55, 70)
    pen.rectangle((x + 0.42 * wide, y - 0.55 * size, x + 0.58 * wide, y), dark)
    for left in (0.12, 0.7):
        corner = (x + left * wide, y - 0.75 * size)
        pen.rectangle((*corner, corner[0] + 0.18 * wide, y - 0.4 * size), dark)


def _rgb(colour):
    """A colour as three integers in [0, 255]."""
    return tuple(int(c) for c in np.clip(colour, 0, 255))
