"""Boxes that a detector finds: their overlap with true boxes, and scores of detectors.

A box is (y1, x1, y2, x2).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Detections(NamedTuple):
    """The boxes detected in one image, highest score first."""

    boxes: np.ndarray  # (n, 4) float32: y1, x1, y2, x2 in pixels of the image
    scores: np.ndarray  # (n,) float32 in [0, 1]
    classes: np.ndarray  # (n,) int64


def box_ious(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes (..., 4) with boxes (..., 4), with broadcasting.

    For a box (4,) and boxes (n, 4) the result is (n,), in [0, 1].
    """
    y1, x1, y2, x2 = (box[..., i] for i in range(4))
    v1, u1, v2, u2 = (boxes[..., i] for i in range(4))
    height = np.minimum(y2, v2) - np.maximum(y1, v1)
    width = np.minimum(x2, u2) - np.maximum(x1, u1)
    common = np.maximum(height, 0) * np.maximum(width, 0)
    areas = (y2 - y1) * (x2 - x1) + (v2 - v1) * (u2 - u1)
    return common / np.maximum(areas - common, 1e-12)


def average_precision(
    found: Sequence[Detections],
    truths: Sequence[np.ndarray],
    iou_threshold: float = 0.5,
) -> float:
    """Area under the precision-recall curve of one class (Pascal VOC, all points).

    A detected box is correct if its IoU with a true box of its image is at least
    `iou_threshold` and no box with a higher score was matched with that true box.

    Args:
        found: for each image its `Detections`.
        truths: for each image its true boxes (k, 4), in the same pixels.

    Returns:
        A float in [0, 1].
    """
    scores, correct = [], []
    for detections, truth in zip(found, truths, strict=True):
        free = np.ones(len(truth), bool)
        for box, score in zip(detections.boxes, detections.scores, strict=True):
            overlaps = box_ious(box, truth) * free if len(truth) else np.zeros(1)
            best = overlaps.argmax()
            hit = overlaps[best] >= iou_threshold
            if hit:
                free[best] = False
            scores.append(score)
            correct.append(hit)
    order = np.argsort(-np.array(scores), kind="stable")
    hits = np.cumsum(np.array(correct, float)[order])
    precision = hits / np.arange(1, len(hits) + 1)
    recall = hits / max(1, sum(len(truth) for truth in truths))
    # Precision at a recall: the highest precision at this recall or a higher one.
    precision = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def f1_score(
    found: Sequence[Detections],
    truths: Sequence[np.ndarray],
    classes: Sequence[np.ndarray],
    iou_threshold: float = 0.5,
) -> float:
    """F1 score of detection and classification: 2 hits / (detected + true boxes).

    A detected box is a hit if its IoU with a true box of its class is at least
    `iou_threshold` and no box with a higher score was matched with that true box.

    Args:
        found: for each image its `Detections`.
        truths: for each image its true boxes (k, 4), in the same pixels.
        classes: for each image the classes (k,) of its true boxes.

    Returns:
        A float in [0, 1].
    """
    hits = detected = 0
    for one, truth, labels in zip(found, truths, classes, strict=True):
        free = np.ones(len(truth), bool)
        for box, k in zip(one.boxes, one.classes, strict=True):
            ious = box_ious(box, truth) * (free & (labels == k))
            if len(truth) and ious.max() >= iou_threshold:
                free[ious.argmax()] = False
                hits += 1
        detected += len(one.boxes)
    return 2 * hits / (detected + sum(len(truth) for truth in truths))
