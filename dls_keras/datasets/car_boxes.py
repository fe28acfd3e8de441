"""Images of roads with a box around every car: real video frames and synthetic images.

The real frames (`load_car_boxes`) are 415 images of one drive, taken from the side of
a car across the road. `make_roads` renders synthetic images with a similar geometry:
lanes and cars have positions in metres, are projected by a pinhole camera above the
road, and are painted from far to near.

A box is (y1, x1, y2, x2): its upper left and lower right corner in pixels, rows first
as in TensorFlow, with (0, 0) at the upper left corner of the image.
"""

import csv
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from dls_keras.core import files, images, readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog
from dls_keras.datasets.draw import roads as draw_roads

HEIGHT, WIDTH = 380, 676  # of the real frames, in pixels
HEADER = ["image", "xmin", "ymin", "xmax", "ymax"]
A_TABLE = "a table of boxes"
MOST_FRAMES = 1_000  # which take 770 MB of memory

SYNTHETIC = 100  # images in place of the frames
BOXES = catalog.DATA_SETS["car_boxes"].files[0]


class Roads(NamedTuple):
    """Images of roads and the boxes of the cars in each.

    Fields:
        images: (m, height, width, 3) uint8 RGB.
        boxes: m arrays (k, 4) float32, corners (y1, x1, y2, x2) in pixels; k is 0
            for an image without cars.
        frames: (m,) int64, the number of each frame in its video, ascending.
    """

    images: np.ndarray
    boxes: list[np.ndarray]
    frames: np.ndarray


def load_car_boxes(path: str | Path | None = None, *, synthetic: bool = False) -> Roads:
    """The 415 real frames, 355 of them with cars (559 boxes), in order of time.

    They take about 320 MB of memory. The boxes were annotated by hand and are too
    large: about 13 % wider and 37 % taller than the cars (estimated on nine frames). A
    few distant or partly hidden cars have no box.

    Args:
        path: the folder car_boxes; default: the one in `$DLS_KERAS_DATA` or in the
            cache.
        synthetic: images of `make_roads` in their place, with boxes `enlarged`, which
            need no files.

    Raises:
        MissingFileError: if the folder or one of its files does not exist.
        InputError: if a line of a list or an image is not as expected.
    """
    if synthetic:
        return enlarged(make_roads(SYNTHETIC, seed=10_001))
    table = catalog.find(BOXES, path and Path(path) / "boxes.csv")
    boxes = _read_boxes(table)
    boxes |= {name: [] for name in _read_names(table.parent, boxes)}
    if not 0 < len(boxes) <= MOST_FRAMES:
        raise InputError(
            f"{table.parent} lists {len(boxes):,} images, expected 1 to "
            f"{MOST_FRAMES:,}. Fetch the data set again."
        )
    names = sorted(boxes, key=_frame)
    frames = np.empty((len(names), HEIGHT, WIDTH, 3), np.uint8)
    for frame, name in zip(frames, names, strict=True):
        image = images.read(table.parent / "images" / name)
        if image.size != (WIDTH, HEIGHT):
            raise InputError(
                f"{name} is {image.width} x {image.height} pixels, expected "
                f"{WIDTH} x {HEIGHT}, the size that the boxes refer to. Use the "
                "original image."
            )
        frame[:] = np.asarray(image)
    return Roads(
        frames,
        [np.array(boxes[name], np.float32).reshape(-1, 4) for name in names],
        np.array([_frame(name) for name in names], np.int64),
    )


def split_by_time(roads: Roads, last: float = 0.2) -> tuple[Roads, Roads]:
    """The earlier frames for training, the `last` fraction of them for testing.

    Neighbouring frames are near-duplicates, so a random split would put copies of
    training images into the test set.

    Raises:
        InputError: if either part would be empty.
    """
    order = np.argsort(roads.frames, kind="stable")
    cut = len(order) - round(last * len(order))
    if not 0 < cut < len(order):
        raise InputError(
            f"Splitting off the last {last:g} of {len(order)} frames leaves one part "
            "empty. Choose a fraction between 0 and 1 that gives each part a frame."
        )

    def part(chosen):
        return Roads(
            roads.images[chosen], [roads.boxes[i] for i in chosen], roads.frames[chosen]
        )

    return part(order[:cut]), part(order[cut:])


def make_roads(
    m: int, *, height: int = HEIGHT, width: int = WIDTH, seed: int = 0
) -> Roads:
    """m synthetic images of roads with 0 to 4 cars each, and the exact boxes.

    Two thirds look across the road like the real frames, the others along it or
    diagonally. Boxes are clipped to the image; a car of which less than a fifth is
    visible has no box. Image i does not depend on m. About 35 images per second on one
    CPU core.

    Raises:
        InputError: if m is not positive or a side is shorter than 64 pixels.
    """
    if m < 1 or min(height, width) < 64:
        raise InputError(
            "Expected at least one image of at least 64 x 64 pixels; received "
            f"m = {m}, height = {height}, width = {width}."
        )
    rendered = np.empty((m, height, width, 3), np.uint8)
    boxes = []
    for i, image in enumerate(rendered):
        rng = np.random.default_rng([seed, i])
        image[:], found = draw_roads.scene(rng, height, width)
        boxes.append(found)
    return Roads(rendered, boxes, np.arange(m, dtype=np.int64))


def enlarged(roads: Roads) -> Roads:
    """Synthetic roads with boxes enlarged to match the annotation style of the frames.

    A box becomes 13 % wider and 36 % taller. Without this a detector trained on both
    kinds of images would have to learn two conventions.
    """
    height, width = roads.images.shape[1:3]
    boxes = []
    for y1, x1, y2, x2 in (box.T for box in roads.boxes):
        dy, dx = 0.18 * (y2 - y1), 0.065 * (x2 - x1)
        large = np.stack([y1 - dy, x1 - dx, y2 + dy, x2 + dx], 1)
        boxes.append(large.clip(0, [height, width, height, width]).astype("float32"))
    return roads._replace(boxes=boxes)


def training_arrays(
    roads: Roads, height: int, width: int, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images at the input size of a network, and their boxes in one array.

    Returns:
        x: (m, height, width, 3) uint8, resized without keeping the aspect ratio.
        y: (m, most, 4) float32, the first `most` boxes as fractions of the image,
            padded with rows of zeros.
    """
    x = np.empty((len(roads.images), height, width, 3), "uint8")
    for small, image in zip(x, roads.images, strict=True):
        small[:] = Image.fromarray(image).resize(
            (width, height), Image.Resampling.BILINEAR
        )
    size = roads.images.shape[1:3]
    y = np.zeros((len(x), most, 4), "float32")
    for row, boxes in zip(y, roads.boxes, strict=True):
        row[: len(boxes)] = boxes[:most] / (*size, *size)
    return x, y


def road_photos() -> list[Path]:
    """The course's 1280 x 720 road photos in `$DLS_KERAS_DATA`, or [].

    Source: Drive.ai sample data set, Creative Commons Attribution 4.0.
    """
    folder = files.data_folder()
    return sorted(folder.glob("yolo/road_images/*.jpg")) if folder else []


def _frame(name):
    """The frame number in "vid_4_1020.jpg"; None if the name has another form."""
    found = re.fullmatch(r"vid_[0-9]{1,9}_([0-9]{1,9})\.jpg", name)
    return int(found[1]) if found else None


def _read_boxes(table):
    """The boxes of each image: {name: [(y1, x1, y2, x2), ...]}."""
    boxes = {}
    text = readers.read_text(table, A_TABLE, limit=readers.MEGABYTE)
    with readers.reading(table, A_TABLE):
        lines = csv.reader(io.StringIO(text))
        if (header := next(lines, [])) != HEADER:
            raise InputError(
                f"{table}, line 1: expected {','.join(HEADER)}, found "
                f"{readers.quoted(','.join(header))}. Use the original file."
            )
        for line in lines:
            try:
                name, *corners = line
                x1, y1, x2, y2 = map(float, corners)
                fits = 0 <= x1 < x2 <= WIDTH and 0 <= y1 < y2 <= HEIGHT
            except ValueError:
                fits = False
            if not fits or _frame(name) is None:
                raise InputError(
                    f"{table}, line {lines.line_num}: expected vid_4_FRAME.jpg and "
                    "xmin,ymin,xmax,ymax of a box inside "
                    f"{WIDTH} x {HEIGHT} pixels, found "
                    f"{readers.quoted(','.join(line))}."
                )
            boxes.setdefault(name, []).append((y1, x1, y2, x2))
    return boxes


def _read_names(folder, boxes):
    """The names in the list of images without cars; none of them may have boxes."""
    path = folder / "images_without_cars.txt"
    expected = "the list of images without cars"
    text = readers.read_text(path, expected, limit=readers.MEGABYTE)
    names = text.splitlines()
    for number, name in enumerate(names, start=1):
        if _frame(name) is None or name in boxes:
            raise InputError(
                f"{path}, line {number}: expected vid_4_FRAME.jpg, an image that "
                f"boxes.csv does not list; found {readers.quoted(name)}."
            )
    return names
