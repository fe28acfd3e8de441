"""SIGNS: photos of a hand that shows 0, 1, 2, 3, 4 or 5.

The course's set, 64 x 64 RGB: 1080 images to learn from (180 a class) and 120
to test on (20 a class). Licence: none stated. `make_signs` draws hands for whom
has no photos. Known fault of the set: 12 test images, all of a zero, have a
near-identical twin among the training images; `twins` finds them.
"""

import io
import re
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from dls_keras.core import files
from dls_keras.core.errors import InputError

CLASSES = ("0", "1", "2", "3", "4", "5")
TWIN_RMS = 5.5  # of 255; the 12 twins stand below 4.6, the next image at 6.2

TRAIN = files.Remote(
    name="signs/train_signs.h5",
    url="https://raw.githubusercontent.com/itsayushthada/Residual-Networks/"
    "e7f3097c4126cc2ab670e057ed24c284cb664e15/datasets/train_signs.h5",
    sha256="47480709d99f2ea6ae428ecc491fc6f65ff1d05336736dd859d5565e0ad3cf74",
)
TEST = files.Remote(
    name="signs/test_signs.h5",
    url="https://raw.githubusercontent.com/itsayushthada/Residual-Networks/"
    "e7f3097c4126cc2ab670e057ed24c284cb664e15/datasets/test_signs.h5",
    sha256="539fb746ed9e947eb244cfca73f4d1b03f9bf5524d609eeed2cd76ddb1b179be",
)
# The same 1080 + 120 images as JPEG files, {train,val,test}_signs/{label}_IMG_{id}.jpg
# (CS230's copy); the order of train_signs.h5 is lost in it.
JPEGS = "signs/signs_64x64_jpg.zip"


class Signs(NamedTuple):
    """Hand signs: images (m, 64, 64, 3) uint8 RGB and their labels (m,) int64."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_signs() -> Signs:
    """The course's images: 1080 to learn from, 120 to test on.

    They come from `$DLS_KERAS_DATA/signs` (the h5 files, or the JPEG archive in
    place of train_signs.h5), the cache, or a download.
    """
    x_test, y_test = _read_h5(files.find_data(TEST), "test")
    archive = files.in_data_folder(JPEGS)
    if archive and not files.in_data_folder(TRAIN.name):
        x, y = _read_jpegs(archive)
    else:
        x, y = _read_h5(files.find_data(TRAIN), "train")
    return Signs(x, y, x_test, y_test)


def load_scaled(drawn: int = 0, *, seed: int = 0) -> Signs:
    """The course's images as float32 in [0, 1], `drawn` hands behind those to learn."""
    data = load_signs()
    x_drawn, y_drawn = make_signs(drawn, seed=seed)
    return Signs(
        np.concatenate([data.x, x_drawn]).astype("float32") / 255,
        np.concatenate([data.y, y_drawn]),
        data.x_test.astype("float32") / 255,
        data.y_test,
    )


def twins(signs: Signs) -> np.ndarray:
    """Which test images stand among the training images too: (m_test,) bool.

    Two images are twins when their pixels differ by less than `TWIN_RMS`.
    """
    train = signs.x.reshape(len(signs.x), -1).astype("float32")
    test = signs.x_test.reshape(len(signs.x_test), -1).astype("float32")
    # |a - b|^2 = |a|^2 + |b|^2 - 2 a.b, in float64 since it cancels.
    squares = (
        np.square(test, dtype="float64").sum(1)[:, None]
        + np.square(train, dtype="float64").sum(1)
        - 2 * (test.astype("float64") @ train.T.astype("float64"))
    )
    return np.sqrt(squares.min(1).clip(0) / test.shape[1]) < TWIN_RMS


def make_signs(m: int, *, seed: int = 0, size: int = 64) -> tuple:
    """m drawn hands: x (m, size, size, 3) uint8 and y (m,) int64, classes in turn."""
    rng = np.random.default_rng(seed)
    y = np.arange(m) % len(CLASSES)
    x = np.empty((m, size, size, 3), "uint8")
    for i, fingers in enumerate(y):
        x[i] = draw_hand(int(fingers), rng, size)
    return x, y


def draw_hand(fingers: int, rng: np.random.Generator, size: int = 64) -> Image.Image:
    """A hand that shows `fingers` before a wall, drawn at 4 x and reduced.

    As in the photos zero is a ring of thumb and fingers, three is thumb, index and
    middle finger, and four hides the thumb.
    """
    scale = 4 * size
    wall = rng.uniform(185, 235) + rng.uniform(-8, 8, 3)
    skin = np.array([214, 160, 130]) * rng.uniform(0.62, 1.08) + rng.uniform(-9, 9, 3)
    image = Image.new("RGB", (scale, scale), _rgb(wall))
    shadow = Image.new("L", (scale, scale), 0)
    hand = Image.new("RGB", (scale, scale), _rgb(skin))
    shape = Image.new("L", (scale, scale), 0)
    creases = ImageDraw.Draw(hand)

    centre = np.array([0.5, 0.58]) + rng.uniform(-0.08, 0.08, 2)
    unit = rng.uniform(0.26, 0.36)  # the palm's width, of the picture's
    tilt = rng.uniform(-0.6, 0.6)
    side = rng.choice((-1, 1))  # left or right hand

    def place(x, y):
        """From the hand's own axes (x to the thumb, y to the fingertips) to pixels."""
        x, y = side * x, -y
        turned = (
            x * np.cos(tilt) - y * np.sin(tilt),
            x * np.sin(tilt) + y * np.cos(tilt),
        )
        return tuple((centre + unit * np.array(turned)) * scale)

    pen = ImageDraw.Draw(shape)

    def limb(points, width):
        """A line with round joints, `width` in palms."""
        pixels, half = [place(*p) for p in points], width * unit * scale / 2
        pen.line(pixels, fill=255, width=int(2 * half))
        for x, y in pixels:
            pen.ellipse((x - half, y - half, x + half, y + half), fill=255)

    limb([(0, -0.2), (rng.uniform(-0.5, 0.5), -3.0)], 0.62)  # the arm
    if fingers == 0:
        limb([(-0.2, -0.1), (0.15, 0.1)], 0.75)
        radius = rng.uniform(0.3, 0.42)
        turn = np.linspace(0, 2 * np.pi, 25)
        ring = [(0.15 + radius * np.cos(t), 0.6 + radius * np.sin(t)) for t in turn]
        limb(ring, rng.uniform(0.2, 0.3))
    else:
        limb([(-0.22, -0.12), (0.2, -0.12), (0.2, 0.3), (-0.22, 0.3), (-0.22, 0)], 0.55)
        _raise_fingers(fingers, rng, limb, creases, place, unit * scale, skin)

    light = rng.uniform(0.75, 1.1)
    hand = Image.blend(hand, Image.new("RGB", hand.size, _rgb(skin * light)), 0.35)
    offset = (int(rng.uniform(-0.06, 0.06) * scale), int(rng.uniform(0, 0.08) * scale))
    shadow.paste(shape, offset)
    shadow = shadow.filter(ImageFilter.GaussianBlur(scale / 22)).point(lambda v: v // 3)
    image.paste((90, 88, 90), mask=shadow)
    edge = shape.filter(ImageFilter.GaussianBlur(scale / 60))
    image.paste(_rgb(skin * 0.72), mask=shape)  # a darker rim, lit from the front
    image.paste(hand, mask=edge.point(lambda v: max(0, 2 * v - 255)))
    image = image.resize((size, size), Image.Resampling.LANCZOS)
    noisy = np.asarray(image) + rng.normal(0, rng.uniform(0, 3), (size, size, 3))
    return Image.fromarray(noisy.clip(0, 255).astype("uint8"))


def _raise_fingers(fingers, rng, limb, creases, place, palm, skin):
    """Draw the raised fingers as limbs and the folded ones as creases."""
    roots = (0.36, 0.13, -0.1, -0.33)  # index, middle, ring, little finger
    lengths = np.array((0.95, 1.05, 0.97, 0.78)) * rng.uniform(0.85, 1.1)
    raised = {1: 1, 2: 2, 3: 2, 4: 4, 5: 4}[fingers]
    spread = rng.uniform(0.12, 0.5)
    for i, (root, length) in enumerate(zip(roots, lengths, strict=True)):
        if i < raised:
            lean = spread * (root + 0.02) / 0.35
            tip = (root + length * np.sin(lean), 0.4 + length * np.cos(lean))
            limb([(root, 0.3), tip], 0.25)
        else:
            x, y = place(root, rng.uniform(0.28, 0.42))
            half = 0.13 * palm
            box = (x - half, y - half, x + half, y + half)
            creases.ellipse(box, fill=_rgb(skin * 0.8))
    if fingers in (3, 5):
        angle = rng.uniform(0.5, 1.1)
        tip = (0.4 + 0.75 * np.sin(angle), 0.75 * np.cos(angle))
        limb([(0.25, -0.2), tip], 0.27)
    else:
        creases.line(
            [place(0.4, -0.25), place(0.0, rng.uniform(0, 0.2))],
            fill=_rgb(skin * 0.78),
            width=int(0.2 * palm),
        )


def _rgb(colour):
    return tuple(int(c) for c in np.clip(colour, 0, 255))


def _read_h5(path: Path, part: str) -> tuple:
    """The images and labels of train_signs.h5 or test_signs.h5."""
    try:
        with h5py.File(path) as file:
            x, y = file[f"{part}_set_x"][()], file[f"{part}_set_y"][()]
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{path} is not the course's {part}_signs.h5 ({error}); it is "
            f"{files.what_is(path)}. Delete it and fetch it again."
        ) from error
    if x.shape != (len(y), 64, 64, 3):
        raise InputError(
            f"{path} holds pictures {x.shape}, expected ({len(y)}, 64, 64, 3). "
            f"Take the course's {part}_signs.h5."
        )
    return x, y.astype("int64")


def _read_jpegs(path: Path) -> tuple:
    """The training images of the JPEG archive, sorted by name."""
    images, labels = [], []
    try:
        with zipfile.ZipFile(path) as archive:
            for name in sorted(archive.namelist()):
                if match := re.match(r"(?:train|val)_signs/([0-5])_.*\.jpg$", name):
                    photo = Image.open(io.BytesIO(archive.read(name)))
                    images.append(np.asarray(photo))
                    labels.append(int(match[1]))
        return np.stack(images), np.array(labels, "int64")
    except (OSError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(
            f"{path} is not the archive of the SIGNS photos ({error}); it is "
            f"{files.what_is(path)}. Take another copy."
        ) from error
