# ruff: noqa
# car_detection of 2017: Keras backend functions, another order, a session.
import numpy as np
import tensorflow as tf
from keras import backend as K
from yolo_utils import read_classes, read_anchors, generate_colors, scale_boxes
from yad2k.models.keras_yolo import yolo_head, yolo_boxes_to_corners


def yolo_filter_boxes(box_confidence, boxes, box_class_probs, threshold=0.6):
    box_scores = box_confidence * box_class_probs
    box_classes = K.argmax(box_scores, axis=-1)
    box_class_scores = K.max(box_scores, axis=-1)
    filtering_mask = box_class_scores >= threshold
    scores = tf.boolean_mask(box_class_scores, filtering_mask)
    boxes = tf.boolean_mask(boxes, filtering_mask)
    classes = tf.boolean_mask(box_classes, filtering_mask)
    return scores, boxes, classes


def iou(box1, box2):
    xi1, yi1 = np.maximum(box1[0], box2[0]), np.maximum(box1[1], box2[1])
    xi2, yi2 = np.minimum(box1[2], box2[2]), np.minimum(box1[3], box2[3])
    inter_area = max(yi2 - yi1, 0) * max(xi2 - xi1, 0)
    box1_area = (box1[3] - box1[1]) * (box1[2] - box1[0])
    box2_area = (box2[3] - box2[1]) * (box2[2] - box2[0])
    return inter_area / (box1_area + box2_area - inter_area)


def yolo_non_max_suppression(scores, boxes, classes, max_boxes=10, iou_threshold=0.5):
    max_boxes_tensor = K.variable(max_boxes, dtype="int32")
    K.get_session().run(tf.variables_initializer([max_boxes_tensor]))
    nms_indices = tf.image.non_max_suppression(
        boxes, scores, max_boxes_tensor, iou_threshold
    )
    scores = K.gather(scores, nms_indices)
    boxes = K.gather(boxes, nms_indices)
    classes = K.gather(classes, nms_indices)
    return scores, boxes, classes


def yolo_eval(
    yolo_outputs,
    image_shape=(720.0, 1280.0),
    max_boxes=10,
    score_threshold=0.6,
    iou_threshold=0.5,
):
    box_confidence, box_xy, box_wh, box_class_probs = yolo_outputs
    boxes = yolo_boxes_to_corners(box_xy, box_wh)
    scores, boxes, classes = yolo_filter_boxes(
        box_confidence, boxes, box_class_probs, score_threshold
    )
    boxes = scale_boxes(boxes, image_shape)
    return yolo_non_max_suppression(scores, boxes, classes, max_boxes, iou_threshold)
