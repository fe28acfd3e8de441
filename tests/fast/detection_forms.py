"""Batched decoding and non-max suppression against `yolo_head` and `yolo_eval`."""

import functools

import numpy as np
from forms import Form

from dls_keras.core.detections import Detections, box_ious
from dls_keras.course4 import car_detection
from dls_keras.fast import boxes
from dls_keras.networks.darknet import Head

ANCHORS = ((1.0, 0.5), (2.0, 1.5), (3.0, 2.5))
HEAD = Head("region", ANCHORS, 4, 16)
SHAPES = ((720, 1280), (50, 60), (8, 8))  # (height, width) of the images


def outputs(m, seed, spread=2.0):
    """Random outputs of a network for m images of 6 x 9 cells."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, spread, (m, 6, 9, 3 * 9)).astype("float32")


def several():
    """Outputs for three images; the last one has no objects."""
    feats = outputs(3, seed=5)
    feats[2] -= 100
    return (feats,)


def detected(feats, **settings):
    """By the fast form."""
    return boxes.detect_all([feats], [HEAD], SHAPES[: len(feats)], **settings)


def detected_by_the_lesson(feats, **settings):
    """By the functions of the assignment, one image at a time."""
    found = []
    for one, shape in zip(feats, SHAPES, strict=False):
        decoded = car_detection.yolo_head(one[np.newaxis], ANCHORS, 4)
        scores, corners, classes = car_detection.yolo_eval(decoded, shape, **settings)
        found.append(Detections(corners, scores, classes))
    return found


def crowd(n, seed):
    """n overlapping boxes with different scores, each in one of three images."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 99, (n, 2))
    corners = np.hstack([corner, corner + rng.uniform(5, 30, (n, 2))])
    scores = rng.permutation(n) / (n + 1)
    return corners.astype("float32"), scores.astype("float32"), rng.integers(0, 3, n)


def kept(corners, scores, owners, most, iou_threshold):
    """Indices by the fast form."""
    return boxes.non_max_suppression(corners, scores, most, iou_threshold, owners)


def kept_by_the_lesson(corners, scores, owners, most, iou_threshold):
    """Indices by `yolo_non_max_suppression`, one image at a time."""
    indices = []
    for image in range(3):
        own = np.flatnonzero(owners == image)
        _, _, one = car_detection.yolo_non_max_suppression(
            scores[own], corners[own], own, most, iou_threshold
        )
        indices.append(one)
    return np.concatenate(indices)


def two_sets():
    """Boxes (12, 4) and (9, 4) as (x1, y1, x2, y2)."""
    corners, _, _ = crowd(21, seed=0)
    return corners[:12], corners[12:]


SETTINGS = [
    {},
    {"score_threshold": 0.05, "max_boxes": 100, "iou_threshold": 0.7},
    {"score_threshold": 0.3, "max_boxes": 3, "iou_threshold": 0.3},
    {"score_threshold": 0.95, "max_boxes": 1},
]

FORMS = [
    Form(
        f"boxes of {name}, {settings or 'default settings'}",
        functools.partial(detected, **settings),
        functools.partial(detected_by_the_lesson, **settings),
        inputs,
        # float32 by other formulas of the sigmoid and the softmax; boxes in pixels
        rtol=1e-4,
        atol=1e-3,
    )
    for settings in SETTINGS
    for name, inputs in {
        "one image": lambda: (outputs(1, seed=0),),
        "three images": several,
    }.items()
]
FORMS += [
    Form(
        f"non-max suppression, {n} boxes, at most {most}",
        functools.partial(kept, most=most, iou_threshold=iou_threshold),
        functools.partial(kept_by_the_lesson, most=most, iou_threshold=iou_threshold),
        functools.partial(crowd, n, seed=n),
    )
    for n in (0, 1, 50, 200)
    for most, iou_threshold in ((3, 0.2), (10, 0.5), (90, 0.8))
]
FORMS.append(
    Form(
        "intersection over union",
        lambda some, others: box_ious(some[:, np.newaxis], others),
        lambda some, others: np.array(
            [[car_detection.iou(one, other) for other in others] for one in some]
        ),
        two_sets,
    )
)
