"""Detect objects in many images at once.

A score is the product of objectness and class probability, so it is at most the
objectness: the objectness logits alone discard almost all boxes. Only the remaining
candidates are decoded (softmax, exp) and compared in non-max suppression. For so few
boxes NumPy is faster than calling a TensorFlow graph. A test compares the results with
those of `yolo_head` and `yolo_eval` in `course4.car_detection`.

A box is (y1, x1, y2, x2).
"""

import itertools
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from PIL import Image

from dls_keras.core import images
from dls_keras.core.detections import Detections, box_ious
from dls_keras.fast import inference

BATCH = 16  # images per call of the network


def detect_images(
    model: keras.Model,
    heads: Sequence[Any],
    pictures: Sequence[Any] | np.ndarray,
    **settings: Any,
) -> list[Detections]:
    """The boxes in each of many images, sixteen at a time.

    The images are resized to the network's input without keeping the aspect ratio;
    boxes are in pixels of the original images.

    Args:
        model: a Keras model from (m, height, width, 3) float32, RGB in [0, 1].
        heads: for each output of the model its `networks.darknet.Head`.
        pictures: images of any size, as `core.images.read` takes them.
        settings: further arguments of `detect_all`.
    """
    predict, found = model, []
    height, width = model.input_shape[1:3]
    size = min(BATCH, len(pictures))
    if len(pictures) > size:  # then folding batch norms and compiling pay off
        predict = inference.freeze(model)
    for start in range(0, len(pictures), BATCH):
        batch = [images.read(picture) for picture in pictures[start : start + BATCH]]
        # Bilinear as in Darknet: with bicubic YOLO-Fastest has 0.01 less AP.
        bilinear = Image.Resampling.BILINEAR
        x = [images.resized(image, height, width, bilinear) for image in batch]
        # The last batch is padded with copies: another size would be compiled again.
        outputs = keras.tree.flatten(predict(np.resize(x, (size, height, width, 3))))
        outputs = [np.asarray(output)[: len(batch)] for output in outputs]
        shapes = [(image.height, image.width) for image in batch]
        found += detect_all(outputs, heads, shapes, **settings)
    return found


def detect_all(
    feats: Sequence[np.ndarray],
    heads: Sequence[Any],
    image_shapes: Sequence[tuple[int, int]],
    *,
    max_boxes: int = 10,
    score_threshold: float = 0.6,
    iou_threshold: float = 0.5,
) -> list[Detections]:
    """The boxes in each of m images.

    Args:
        feats: the outputs of the network, each (m, rows, columns, channels) float32.
        heads: for each output its `networks.darknet.Head`.
        image_shapes: (height, width) of each image, in pixels.
        max_boxes: keep at most this many boxes per image.
        score_threshold: keep a box whose best class scores, in [0, 1], at least this.
        iou_threshold: drop a box whose IoU with a better one is higher than this.
    """
    parts = [
        _decode_candidates(f, head, score_threshold)
        for f, head in zip(feats, heads, strict=True)
    ]
    owners, boxes, scores, classes = map(np.concatenate, zip(*parts, strict=True))
    boxes *= np.array([(*shape, *shape) for shape in image_shapes], "float32")[owners]
    kept = non_max_suppression(boxes, scores, max_boxes, iou_threshold, owners)
    owners, *found = owners[kept], boxes[kept], scores[kept], classes[kept]
    ends = np.searchsorted(owners, np.arange(len(image_shapes)), side="right")
    spans = itertools.pairwise([0, *ends.tolist()])
    return [Detections(*(part[i:j] for part in found)) for i, j in spans]


def _decode_candidates(feats, head, threshold):
    """The boxes of one output that score at least `threshold`.

    The best class is known from the logits; only its probability is computed.

    Returns:
        owners (n,), the index of the image of each box; boxes (n, 4) as fractions of
        the image; scores (n,) and classes (n,).
    """
    m, rows, columns, _ = feats.shape
    feats = feats.reshape(-1, 5 + head.classes)
    with np.errstate(divide="ignore"):
        logit = np.log(threshold) - np.log1p(-threshold)
    candidates = np.flatnonzero(feats[:, 4] >= logit)
    feats = feats[candidates]
    logits = feats[:, 5:]
    classes = logits.argmax(1)
    best = logits[np.arange(len(candidates)), classes]
    if head.kind == "region":
        probability = 1 / np.exp(logits - best[:, np.newaxis]).sum(1)
        unit = 1.0  # anchors are in cells
    else:
        probability = _sigmoid(best)
        unit = head.stride  # anchors are in pixels
    scores = _sigmoid(feats[:, 4]) * probability
    good = np.flatnonzero(scores >= threshold)
    grids = m, rows, columns, len(head.anchors)
    owners, row, column, anchor = np.unravel_index(candidates[good], grids)
    t = feats[good, :4]  # tx, ty, tw, th; all pairs below are (y, x)
    grid = np.array([rows, columns], "float32")
    centre = (_sigmoid(t[:, 1::-1]) + np.array([row, column], "float32").T) / grid
    shape = np.array(head.anchors, "float32")[anchor, ::-1] / (2 * unit * grid)
    half = np.exp(np.minimum(t[:, 3:1:-1], 30.0)) * shape
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    boxes, scores = boxes.astype("float32"), scores[good].astype("float32")
    return owners, boxes, scores, classes[good]


def non_max_suppression(
    boxes: np.ndarray,
    scores: np.ndarray,
    max_boxes: int,
    iou_threshold: float,
    owners: np.ndarray | None = None,
) -> np.ndarray:
    """Indices of the boxes (n, 4) to keep, highest score first, at most `max_boxes`.

    Args:
        iou_threshold: drop a box whose IoU with a better one is higher than this.
        owners: (n,) integers, the image of each box; default: all belong to one.
            Boxes of different images are not compared, `max_boxes` counts for each
            image, and the indices are sorted by image.
    """
    if not len(scores):
        return np.empty(0, int)
    if owners is None:
        owners = np.zeros(len(scores), int)
    order = np.lexsort((-scores, owners))
    boxes, owners = boxes[order], owners[order]
    kept: list[int] = []
    room = [max_boxes] * (owners[-1] + 1)
    # Each block of 64 boxes is compared with itself and with the boxes kept last, since
    # those of the same image are the last ones, at most `max_boxes`.
    for first in range(0, len(order), 64):
        block, own = boxes[first : first + 64], owners[first : first + 64]
        if not room[own[-1]]:
            continue  # all of them belong to an image that already has `max_boxes`
        earlier = kept[-max_boxes:]
        better = np.concatenate([boxes[earlier], block]) if earlier else block
        compatible = box_ious(better[:, np.newaxis], block) <= iou_threshold
        if first or own[0] != own[-1]:
            own_of_better = np.concatenate([owners[earlier], own])
            compatible |= own_of_better[:, np.newaxis] != own
        free: Any = compatible[: len(earlier)].all(0)
        for i, owner in enumerate(own.tolist()):
            if free[i] and room[owner]:
                kept.append(first + i)
                room[owner] -= 1
                free &= compatible[len(earlier) + i]
    return order[kept]


def _sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))
