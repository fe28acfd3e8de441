"""Boxes out of a detector's raw numbers, lazily, and how good they are.

A score is never above its objectness, so the objectness logits alone rule out all
but a few boxes; only these see a softmax, an exp and the non-max suppression. NumPy
answers sooner here than a graph would start. `course4.car_detection` spells out the
same steps one by one; tests hold both together.

A box is (y1, x1, y2, x2).
"""

import itertools
from typing import NamedTuple

import numpy as np


class Detections(NamedTuple):
    """The boxes found, best first."""

    boxes: np.ndarray  # (n, 4) float32: y1, x1, y2, x2 in pixels of the picture
    scores: np.ndarray  # (n,) float32 in [0, 1]
    classes: np.ndarray  # (n,) int64


def detect(feats, heads, image_shape, **settings):
    """The boxes of one picture, best first, as `Detections`.

    Args:
        feats: the network's outputs for the picture, (rows, columns, channels) each.
        heads: a `darknet.Head` for each of them.
        image_shape: (height, width) of the picture the boxes are drawn on.
        settings: keyword arguments of `detect_all`.
    """
    one = [np.asarray(part)[np.newaxis] for part in feats]
    return detect_all(one, heads, [image_shape], **settings)[0]


def detect_all(
    feats,
    heads,
    image_shapes,
    *,
    max_boxes=10,
    score_threshold=0.6,
    iou_threshold=0.5,
):
    """The boxes of m pictures, a list of `Detections`.

    Args:
        feats: the network's outputs, (m, rows, columns, channels) each.
        heads: a `darknet.Head` for each of them.
        image_shapes: (height, width) of each picture.
        score_threshold: keep a box whose best class scores, in [0, 1], at least this.
        iou_threshold: drop a box that overlaps a better one by more than this.
    """
    parts = [
        _survivors(f, head, score_threshold)
        for f, head in zip(feats, heads, strict=True)
    ]
    pictures, boxes, scores, classes = map(np.concatenate, zip(*parts, strict=True))
    boxes *= np.array([(*shape, *shape) for shape in image_shapes], "float32")[pictures]
    kept = non_max_suppression(boxes, scores, max_boxes, iou_threshold, pictures)
    pictures, *found = pictures[kept], boxes[kept], scores[kept], classes[kept]
    ends = np.searchsorted(pictures, np.arange(len(image_shapes)), side="right")
    spans = itertools.pairwise([0, *ends.tolist()])
    return [Detections(*(part[i:j] for part in found)) for i, j in spans]


def _survivors(feats, head, threshold):
    """The best of one output: number of the picture, box in parts of it, score, class.

    The best class is known from the logits; no other class's probability is computed.
    """
    m, rows, columns, _ = feats.shape
    feats = feats.reshape(-1, 5 + head.classes)
    with np.errstate(divide="ignore"):
        logit = np.log(threshold) - np.log1p(-threshold)
    alive = np.flatnonzero(feats[:, 4] >= logit)
    feats = feats[alive]
    logits = feats[:, 5:]
    classes = logits.argmax(1)
    best = logits[np.arange(len(alive)), classes]
    if head.kind == "region":
        chance = 1 / np.exp(logits - best[:, np.newaxis]).sum(1)
        unit = 1.0  # anchors count in cells
    else:
        chance = _sigmoid(best)
        unit = head.stride  # anchors count in pixels
    scores = _sigmoid(feats[:, 4]) * chance
    good = np.flatnonzero(scores >= threshold)
    cells = m, rows, columns, len(head.anchors)
    picture, row, column, anchor = np.unravel_index(alive[good], cells)
    t = feats[good, :4]  # tx, ty, tw, th; all pairs below are (y, x)
    grid = np.array([rows, columns], "float32")
    centre = (_sigmoid(t[:, 1::-1]) + np.array([row, column], "float32").T) / grid
    shape = np.array(head.anchors, "float32")[anchor, ::-1] / (2 * unit * grid)
    half = np.exp(np.minimum(t[:, 3:1:-1], 30.0)) * shape
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    numbers = boxes.astype("float32"), scores[good].astype("float32")
    return picture, *numbers, classes[good]


def non_max_suppression(boxes, scores, max_boxes, iou_threshold, pictures=None):
    """Indices of the boxes (n, 4) to keep, best first, at most `max_boxes`.

    Args:
        pictures: (n,) integers, where there are several: boxes of two pictures never
            meet, `max_boxes` is for each, and the indices come picture by picture.
    """
    if not len(scores):
        return np.empty(0, int)
    if pictures is None:
        pictures = np.zeros(len(scores), int)
    order = np.lexsort((-scores, pictures))
    boxes, pictures = boxes[order], pictures[order]
    kept, room = [], [max_boxes] * (pictures[-1] + 1)
    # Sixty-four at a time are compared with each other and with the last ones kept.
    for first in range(0, len(order), 64):
        some, of = boxes[first : first + 64], pictures[first : first + 64]
        if not room[of[-1]]:
            continue  # all of them are of a picture that has its boxes
        earlier = kept[-max_boxes:]
        better = np.concatenate([boxes[earlier], some]) if earlier else some
        apart = box_ious(better[:, np.newaxis], some) <= iou_threshold
        if first or of[0] != of[-1]:
            apart |= np.concatenate([pictures[earlier], of])[:, np.newaxis] != of
        free = apart[: len(earlier)].all(0)
        for i, picture in enumerate(of.tolist()):
            if free[i] and room[picture]:
                kept.append(first + i)
                room[picture] -= 1
                free &= apart[len(earlier) + i]
    return order[kept]


def box_ious(box, boxes):
    """Intersection over union of boxes (..., 4) with boxes (..., 4), broadcast."""
    y1, x1, y2, x2 = (box[..., i] for i in range(4))
    v1, u1, v2, u2 = (boxes[..., i] for i in range(4))
    height = np.minimum(y2, v2) - np.maximum(y1, v1)
    width = np.minimum(x2, u2) - np.maximum(x1, u1)
    common = np.maximum(height, 0) * np.maximum(width, 0)
    areas = (y2 - y1) * (x2 - x1) + (v2 - v1) * (u2 - u1)
    return common / np.maximum(areas - common, 1e-12)


def average_precision(found, truths, iou_threshold=0.5):
    """Area under the precision-recall curve of one class (Pascal VOC, all points).

    A box found is right when it overlaps a true box by `iou_threshold` that no
    better-scored box has taken.

    Args:
        found: for each picture its `Detections`.
        truths: for each picture its true boxes (k, 4), in the same pixels.

    Returns:
        A float in [0, 1].
    """
    scores, right = [], []
    for detections, truth in zip(found, truths, strict=True):
        free = np.ones(len(truth), bool)
        for box, score in zip(detections.boxes, detections.scores, strict=True):
            overlaps = box_ious(box, truth) * free if len(truth) else np.zeros(1)
            best = overlaps.argmax()
            hit = overlaps[best] >= iou_threshold
            if hit:
                free[best] = False
            scores.append(score)
            right.append(hit)
    order = np.argsort(-np.array(scores), kind="stable")
    hits = np.cumsum(np.array(right, float)[order])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / max(1, sum(len(truth) for truth in truths))
    # Precision at a recall is the best that any higher recall still has.
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def _sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))
