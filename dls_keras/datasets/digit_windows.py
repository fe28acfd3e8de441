"""Labelled windows of canvases with digits, to train a sliding-window classifier.

A window is labelled with a digit if its IoU with the digit's box is at least 0.6, and
as background if its IoU with all boxes is below 0.4.

A box is (y1, x1, y2, x2).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from dls_keras.core.detections import box_ious
from dls_keras.datasets.digits import SIZE

BACKGROUND = 10  # the class of a window without a digit


class Windows(NamedTuple):
    """Windows x (m, 28, 28, 1) uint8 and y (m,) int64, a digit or `BACKGROUND`."""

    x: np.ndarray
    y: np.ndarray


def sample_windows(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    rng: np.random.Generator,
    near: int = 24,
    far: int = 40,
) -> Windows:
    """Random labelled windows of one canvas.

    Windows outside the canvas are dropped, and those with an IoU from 0.4 to 0.6.

    Args:
        image: (height, width) uint8.
        boxes, labels: (k, 4) and (k,), the digits on the canvas.
        near: number of windows near each box.
        far: number of windows anywhere.
    """
    centres = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2] * near)
    sides = np.concatenate([boxes[:, 2] - boxes[:, 0]] * near)
    spread = rng.choice([0.08, 0.3], len(sides))  # with 0.3 most windows miss the box
    centres = centres + (spread * sides)[:, None] * rng.normal(0, 1, centres.shape)
    sides = sides * np.exp(rng.normal(0, spread))
    anywhere = rng.uniform(np.log(SIZE), np.log(min(image.shape)), far)
    sides = np.append(sides, np.exp(anywhere))[:, None]
    centres = np.append(centres, rng.uniform((0, 0), image.shape, (far, 2)), axis=0)

    windows = np.concatenate([centres - sides / 2, centres + sides / 2], 1)
    inside = (windows[:, :2] >= 0).all(1) & (windows[:, 2:] <= image.shape).all(1)
    kept, y = [], []
    for window in windows[inside]:
        ious = box_ious(window, boxes)
        if ious.max(initial=0) < 0.4:
            y.append(BACKGROUND)
        elif ious.max() >= 0.6:
            y.append(labels[ious.argmax()])
        else:
            continue
        kept.append(window)
    return Windows(crop(Image.fromarray(image), kept), np.array(y, "int64"))


def negatives(
    image: np.ndarray,
    boxes: np.ndarray,
    windows: np.ndarray,
    rng: np.random.Generator,
    most: int,
) -> Windows:
    """Those of the given windows (n, 4) of one canvas that are background.

    Args:
        image, boxes: as in `sample_windows`.
        most: at most this many windows, chosen at random.
    """
    ious = [box_ious(window, boxes).max(initial=0) for window in windows]
    background = windows[np.array(ious) < 0.4]
    x = crop(Image.fromarray(image), rng.permutation(background)[:most])
    return Windows(x, np.full(len(x), BACKGROUND))


def crop(image: Image.Image, windows: Sequence[np.ndarray] | np.ndarray) -> np.ndarray:
    """The windows (n, 4) of a PIL image "L", each resized to (28, 28, 1) uint8."""
    bilinear = Image.Resampling.BILINEAR
    x = [
        np.asarray(image.resize((SIZE, SIZE), bilinear, (x1, y1, x2, y2)))
        for y1, x1, y2, x2 in windows
    ]
    return np.reshape(x, (-1, SIZE, SIZE, 1)).astype("uint8")
