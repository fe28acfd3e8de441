# ruff: noqa
# %%
import argparse
import os
import scipy.io
import numpy as np
import tensorflow as tf
from keras import backend as K
from keras.models import load_model, Model
from yolo_utils import (
    read_classes,
    read_anchors,
    generate_colors,
    draw_boxes,
    scale_boxes,
)
from yad2k.models.keras_yolo import (
    yolo_head,
    yolo_boxes_to_corners,
    preprocess_true_boxes,
)


# %%
def yolo_filter_boxes(box_confidence, boxes, box_class_probs, threshold=0.6):
    box_scores = box_confidence * box_class_probs
    box_classes = tf.math.argmax(box_scores, axis=-1)
    box_class_scores = tf.math.reduce_max(box_scores, axis=-1)
    filtering_mask = box_class_scores >= threshold
    scores = tf.boolean_mask(box_class_scores, filtering_mask)
    boxes = tf.boolean_mask(boxes, filtering_mask)
    classes = tf.boolean_mask(box_classes, filtering_mask)
    return scores, boxes, classes


# %%
def iou(box1, box2):
    xi1 = max(box1[0], box2[0])
    yi1 = max(box1[1], box2[1])
    xi2 = min(box1[2], box2[2])
    yi2 = min(box1[3], box2[3])
    inter_area = max(xi2 - xi1, 0) * max(yi2 - yi1, 0)
    box1_area = (box1[2] - box1[0]) * (box1[3] - box1[1])
    box2_area = (box2[2] - box2[0]) * (box2[3] - box2[1])
    return inter_area / (box1_area + box2_area - inter_area)


# %%
def yolo_non_max_suppression(scores, boxes, classes, max_boxes=10, iou_threshold=0.5):
    nms_indices = tf.image.non_max_suppression(boxes, scores, max_boxes, iou_threshold)
    return (
        tf.gather(scores, nms_indices),
        tf.gather(boxes, nms_indices),
        tf.gather(classes, nms_indices),
    )


# %%
def yolo_eval(
    yolo_outputs,
    image_shape=(720.0, 1280.0),
    max_boxes=10,
    score_threshold=0.6,
    iou_threshold=0.5,
):
    box_xy, box_wh, box_confidence, box_class_probs = yolo_outputs
    boxes = yolo_boxes_to_corners(box_xy, box_wh)
    scores, boxes, classes = yolo_filter_boxes(
        box_confidence, boxes, box_class_probs, threshold=score_threshold
    )
    boxes = scale_boxes(boxes, image_shape)
    return yolo_non_max_suppression(scores, boxes, classes, max_boxes, iou_threshold)


# %%
sess = K.get_session()
class_names = read_classes("model_data/coco_classes.txt")
yolo_model = load_model("model_data/yolo.h5")
