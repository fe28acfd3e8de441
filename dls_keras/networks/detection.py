"""Boxes out of a detector's raw numbers, lazily, and how good they are.

A score is never above its objectness, so the objectness logits alone rule out all
but a few boxes; only these see a softmax, an exp and the non-max suppression. NumPy
answers sooner here than a graph would start. `course4.car_detection` spells out the
same steps one by one; tests hold both together.

A box is (y1, x1, y2, x2).
"""

from typing import NamedTuple

import numpy as np


class Detections(NamedTuple):
    """The boxes found, best first."""

    boxes: np.ndarray  # (n, 4) float32: y1, x1, y2, x2 in pixels of the picture
    scores: np.ndarray  # (n,) float32 in [0, 1]
    classes: np.ndarray  # (n,) int64


def detect(
    feats,
    heads,
    image_shape,
    *,
    max_boxes=10,
    score_threshold=0.6,
    iou_threshold=0.5,
):
    """The boxes of one picture, best first.

    Args:
        feats: the network's outputs for one picture, (rows, columns, channels) each.
        heads: a `darknet.Head` for each of them.
        image_shape: (height, width) of the picture the boxes are drawn on.
        score_threshold: keep a box whose best class scores, in [0, 1], at least this.
        iou_threshold: drop a box that overlaps a better one by more than this.
    """
    found = [
        _survivors(f, head, score_threshold)
        for f, head in zip(feats, heads, strict=True)
    ]
    boxes, scores, classes = (np.concatenate(part) for part in zip(*found, strict=True))
    boxes = boxes * np.tile(np.float32(image_shape), 2)
    kept = non_max_suppression(boxes, scores, max_boxes, iou_threshold)
    return Detections(boxes[kept], scores[kept], classes[kept])


def _survivors(feats, head, threshold):
    """Boxes in parts of the picture, scores and classes of one output's best."""
    rows, columns, n_a = *feats.shape[:2], len(head.anchors)
    feats = feats.reshape(-1, 5 + head.classes)
    with np.errstate(divide="ignore"):
        logit = np.log(threshold) - np.log1p(-threshold)
    alive = np.flatnonzero(feats[:, 4] >= logit)
    cell, anchor = np.divmod(alive, n_a)
    feats = feats[alive]

    logits = feats[:, 5:]
    if head.kind == "region":
        exp = np.exp(logits - logits.max(1, keepdims=True))
        probabilities = exp / exp.sum(1, keepdims=True)
        unit = 1.0  # anchors count in cells
    else:
        probabilities = _sigmoid(logits)
        unit = head.stride  # anchors count in pixels
    scores = _sigmoid(feats[:, 4:5]) * probabilities
    classes = scores.argmax(1)
    scores = scores.max(1)
    good = scores >= threshold
    feats, cell, anchor = feats[good], cell[good], anchor[good]

    size = np.float32([columns, rows])
    corner = np.stack([cell % columns, cell // columns], 1)
    centre = (_sigmoid(feats[:, :2]) + corner) / size
    shape = np.float32(head.anchors)[anchor] / unit
    half = np.exp(np.minimum(feats[:, 2:4], 30.0)) * shape / size / 2
    boxes = np.concatenate([(centre - half)[:, ::-1], (centre + half)[:, ::-1]], 1)
    return boxes.astype("float32"), scores[good].astype("float32"), classes[good]


def non_max_suppression(boxes, scores, max_boxes, iou_threshold):
    """Indices of the boxes (n, 4) to keep, best first, at most `max_boxes`."""
    order = np.argsort(-scores, kind="stable")
    kept = []
    while len(order) and len(kept) < max_boxes:
        best, order = order[0], order[1:]
        kept.append(best)
        order = order[box_ious(boxes[best], boxes[order]) <= iou_threshold]
    return np.array(kept, "int64")


def box_ious(box, boxes):
    """Intersection over union of one box (4,) with each of (n, 4)."""
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    common = np.prod(np.maximum(sides, 0), axis=1)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    return common / np.maximum(area + areas - common, 1e-12)


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
