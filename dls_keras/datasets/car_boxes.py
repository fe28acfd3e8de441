"""Road pictures with a box around every car: real video frames, and drawn ones.

The real frames (`load_car_boxes`) are 415 pictures of one drive, looking out of
the side of a car across the road. They cannot be downloaded as one file, so
`make_roads` draws a stand-in of the same geometry: a camera 1.2 m above a road,
lanes and cars laid out in metres, projected by a pinhole camera, painted from
far to near. Detectors trained on both kinds answer both.

A box is (y1, x1, y2, x2): its upper left and lower right corner in pixels, rows
first as in TensorFlow, with (0, 0) at the picture's upper left corner.
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files, images
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets.draw import roads as draw_roads

HEIGHT, WIDTH = 380, 676  # of the real frames, pixels
HEADER = ["image", "xmin", "ymin", "xmax", "ymax"]

BOXES = files.Remote(
    name="car_boxes/boxes.csv",
    sha256="3a88f027a001a6e28c294231e5b854e1b900e0ab013a80b29ed06f43face6210",
    licence="none stated; on Kaggle as sshikamaru/car-object-detection",
    instead=(
        "Put the folder car_boxes (images/vid_4_*.jpg, boxes.csv and "
        "images_without_cars.txt) below the folder that DLS_KERAS_DATA names, "
        "or draw road scenes with dls_keras.datasets.car_boxes.make_roads."
    ),
)

# (width, height) in cells of 32 pixels: Darknet's yolov2.cfg, found by its authors
# on COCO with the k-means that `anchors` repeats.
YOLO_ANCHORS = (
    (0.57273, 0.677385),
    (1.87446, 2.06253),
    (3.33843, 5.47434),
    (7.88282, 3.52778),
    (9.77052, 9.16828),
)


class Roads(NamedTuple):
    """Pictures of roads and, for each, the boxes of its cars.

    Fields:
        images: (m, height, width, 3) uint8 RGB.
        boxes: m arrays (k, 4) float32, corners (y1, x1, y2, x2) in pixels; k is 0
            where there is no car.
        frames: (m,) int64, the frame's number in its video, ascending.
    """

    images: np.ndarray
    boxes: list[np.ndarray]
    frames: np.ndarray


def load_car_boxes(path: str | Path | None = None) -> Roads:
    """The 415 real frames, 355 of them with cars (559 boxes), in order of time.

    About 320 MB in memory. The boxes were drawn by hand and are loose, about 13 %
    wider and 37 % taller than the cars (judged by eye in nine frames); a few far or
    half-seen cars have none.

    Args:
        path: the folder car_boxes; by default the one in `$DLS_KERAS_DATA`.

    Raises:
        MissingFileError: if the folder or one of its files is not there.
        InputError: if a line of a list or a picture is not as expected.
    """
    table = files.find_data(BOXES, path and Path(path) / "boxes.csv")
    boxes = _read_boxes(table)
    boxes |= {name: [] for name in _read_names(table.parent, boxes)}
    names = sorted(boxes, key=_frame)
    pictures = np.empty((len(names), HEIGHT, WIDTH, 3), np.uint8)
    for picture, name in zip(pictures, names, strict=True):
        image = images.read(table.parent / "images" / name)
        if image.size != (WIDTH, HEIGHT):
            raise InputError(
                f"{name} is {image.width} x {image.height} pixels, expected "
                f"{WIDTH} x {HEIGHT}, to which the boxes refer. Take the original."
            )
        picture[:] = image
    return Roads(
        pictures,
        [np.array(boxes[name], np.float32).reshape(-1, 4) for name in names],
        np.array([_frame(name) for name in names], np.int64),
    )


def split_by_time(roads: Roads, last: float = 0.2) -> tuple[Roads, Roads]:
    """The earlier frames for training, the `last` share of them for testing.

    Neighbouring frames look alike: a random split would test on what was learnt.

    Raises:
        InputError: if either part would be empty.
    """
    order = np.argsort(roads.frames, kind="stable")
    cut = len(order) - round(last * len(order))
    if not 0 < cut < len(order):
        raise InputError(
            f"The last {last:g} of {len(order)} frames leaves one part empty. "
            "Choose a share between 0 and 1 that gives each part a frame."
        )

    def part(chosen):
        return Roads(
            roads.images[chosen], [roads.boxes[i] for i in chosen], roads.frames[chosen]
        )

    return part(order[:cut]), part(order[cut:])


def make_roads(
    m: int, *, height: int = HEIGHT, width: int = WIDTH, seed: int = 0
) -> Roads:
    """m drawn road scenes with 0 to 4 cars each, and the cars' exact boxes.

    Two thirds look across the road as the real frames do, the others along it or
    askew. Boxes end at the picture's edge; a car of which less than a fifth can be
    seen has none. Picture i is the same whatever m is. About 35 pictures a second
    on one CPU core.

    Raises:
        InputError: if m is not positive or the pictures are under 64 pixels.
    """
    if m < 1 or min(height, width) < 64:
        raise InputError(
            "Expected at least one picture of at least 64 x 64 pixels; received "
            f"m = {m}, height = {height}, width = {width}."
        )
    pictures = np.empty((m, height, width, 3), np.uint8)
    boxes = []
    for i, picture in enumerate(pictures):
        rng = np.random.default_rng([seed, i])
        picture[:], found = draw_roads.scene(rng, height, width)
        boxes.append(found)
    return Roads(pictures, boxes, np.arange(m, dtype=np.int64))


def road_photos() -> list[Path]:
    """The course's 1280 x 720 road photos in `$DLS_KERAS_DATA`; [] without them.

    Source: Drive.ai sample data set, Creative Commons Attribution 4.0.
    """
    folder = files.data_folder()
    return sorted(folder.glob("yolo/road_images/*.jpg")) if folder else []


def size_iou(sizes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes laid on one centre, (n, k) in [0, 1].

    Args:
        sizes: (n, 2) widths and heights.
        others: (k, 2) widths and heights, in the same unit.
    """
    overlap = np.minimum(sizes[:, None], others).prod(axis=-1)
    return overlap / (sizes.prod(axis=-1)[:, None] + others.prod(axis=-1) - overlap)


def anchors(boxes: Iterable[np.ndarray], k: int = 5, seed: int = 0) -> np.ndarray:
    """The k box sizes that stand best for all: k-means under the distance 1 - IoU.

    Of ten seeded starts the one with the highest mean IoU is kept. From Redmon &
    Farhadi (2017), YOLO9000, section 2, https://arxiv.org/abs/1612.08242

    Args:
        boxes: (n, 4) corners (y1, x1, y2, x2), or a list of such arrays.

    Returns:
        (k, 2) float32, (width, height) in the unit of the boxes, ascending by area.

    Raises:
        InputError: if the boxes have fewer than k different sizes.
    """
    corners = np.reshape([corner for box in boxes for corner in np.ravel(box)], (-1, 4))
    sizes = np.float64(corners)[:, [3, 2]] - np.float64(corners)[:, [1, 0]]
    different = np.unique(sizes, axis=0)
    if not 1 <= k <= len(different):
        raise InputError(
            f"Expected k from 1 to {len(different)}, the number of different box "
            f"sizes; received {k}."
        )
    rng = np.random.default_rng(seed)
    starts = [rng.choice(different, k, replace=False) for _ in range(10)]
    best = max((_k_means(sizes, start) for start in starts), key=lambda found: found[0])
    return best[1][np.argsort(best[1].prod(axis=1))].astype(np.float32)


def _k_means(sizes, centres):
    """Move the centres (k, 2) to the means of their boxes until they rest.

    Returns:
        The mean IoU of the boxes with their nearest centre, and the centres.
    """
    for _ in range(100):  # the means need not raise the IoU, so rounds may circle
        before, nearest = centres, size_iou(sizes, centres).argmax(axis=1)
        centres = np.array(
            [
                sizes[nearest == i].mean(axis=0) if (nearest == i).any() else centre
                for i, centre in enumerate(before)
            ]
        )
        if np.array_equal(centres, before):
            break
    return size_iou(sizes, centres).max(axis=1).mean(), centres


def _frame(name):
    """The frame number in "vid_4_1020.jpg", or None where the name holds none."""
    found = re.fullmatch(r"vid_\d+_(\d+)\.jpg", name)
    return int(found[1]) if found else None


def _read_boxes(table):
    """The boxes of each picture: {name: [(y1, x1, y2, x2), ...]}."""
    boxes = {}
    with open(table, newline="", encoding="utf-8", errors="replace") as file:
        lines = csv.reader(file)
        if (header := next(lines, [])) != HEADER:
            raise InputError(
                f"{table}, line 1: expected {','.join(HEADER)}, found "
                f"{','.join(header)!r}. Take the original file."
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
                    f"{WIDTH} x {HEIGHT} pixels, found {','.join(line)!r}."
                )
            boxes.setdefault(name, []).append((y1, x1, y2, x2))
    return boxes


def _read_names(folder, boxes):
    """The names listed as pictures without cars; none may have `boxes`."""
    path = folder / "images_without_cars.txt"
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist. {BOXES.instead}")
    names = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, name in enumerate(names, start=1):
        if _frame(name) is None or name in boxes:
            raise InputError(
                f"{path}, line {number}: expected vid_4_FRAME.jpg, a picture that "
                f"boxes.csv does not list; found {name!r}."
            )
    return names
