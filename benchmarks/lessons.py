"""The course's own way, as plain as its notebooks have it: loops over everything.

Tests compare our vectorised functions with the convolutions here, too.
"""

import numpy as np

from dls_keras.course4 import convolution_steps as steps
from dls_keras.course5 import dinosaurs
from dls_keras.datasets.dinosaur_names import LETTERS

# Convolution and pooling: a loop over every window and channel.


def size(n_prev, f, stride, pad=0):
    """How many windows fit along a side."""
    return (n_prev + 2 * pad - f) // stride + 1


def windows(shape, f, stride):
    """Each (i, h, w) of the result and the pixels (i, rows, columns) of its window."""
    m, n_H, n_W, _ = shape
    for i, h, w in np.ndindex(m, size(n_H, f, stride), size(n_W, f, stride)):
        top, left = h * stride, w * stride
        yield (i, h, w), (i, slice(top, top + f), slice(left, left + f))


def conv_forward(A_prev, W, b, stride, pad):
    """Z of `convolution_steps.conv_forward`."""
    A_pad = steps.zero_pad(A_prev, pad)
    m, n_H, n_W, _ = A_pad.shape
    f, n_C = W.shape[0], W.shape[-1]
    Z = np.zeros((m, size(n_H, f, stride), size(n_W, f, stride), n_C))
    for place, window in windows(A_pad.shape, f, stride):
        for c in range(n_C):
            Z[*place, c] = steps.conv_single_step(A_pad[window], W[..., c], b[..., c])
    return Z


def conv_backward(dZ, A_prev, W, stride, pad):
    """dA_prev, dW, db of `convolution_steps.conv_backward`."""
    A_pad = steps.zero_pad(A_prev, pad)
    dA_pad, dW = np.zeros(A_pad.shape), np.zeros(W.shape)
    db = np.zeros((1, 1, 1, W.shape[-1]))
    for place, window in windows(A_pad.shape, W.shape[0], stride):
        for c in range(W.shape[-1]):
            dA_pad[window] += W[..., c] * dZ[*place, c]
            dW[..., c] += A_pad[window] * dZ[*place, c]
            db[..., c] += dZ[*place, c]
    _, n_H, n_W, _ = A_prev.shape
    return dA_pad[:, pad : pad + n_H, pad : pad + n_W], dW, db


def pool_forward(A_prev, f, stride, mode):
    """A of `convolution_steps.pool_forward`."""
    m, n_H, n_W, n_C = A_prev.shape
    A = np.zeros((m, size(n_H, f, stride), size(n_W, f, stride), n_C))
    answer = np.max if mode == "max" else np.mean
    for place, window in windows(A_prev.shape, f, stride):
        for c in range(n_C):
            A[*place, c] = answer(A_prev[*window, c])
    return A


def pool_backward(dA, A_prev, f, stride, mode):
    """dA_prev of `convolution_steps.pool_backward`."""
    dA_prev = np.zeros(A_prev.shape)
    for place, window in windows(A_prev.shape, f, stride):
        for c in range(A_prev.shape[-1]):
            if mode == "max":
                mask = steps.create_mask_from_window(A_prev[*window, c])
                dA_prev[*window, c] += mask * dA[*place, c]
            else:
                dA_prev[*window, c] += steps.distribute_value(dA[*place, c], (f, f))
    return dA_prev


# Names of dinosaurs: one letter at a time.


def dinosaur_losses(parameters, data, iterations, learning_rate=0.01):
    """The losses of the course's loop, the parameters changed in place."""
    a_prev, losses = np.zeros((len(parameters["b"]), 1)), []
    for j in range(iterations):
        letters = [LETTERS.index(c) for c in data.names[j % len(data.names)]]
        X, Y = [None, *letters], [*letters, 0]
        loss, _, a_prev = dinosaurs.optimize(X, Y, a_prev, parameters, learning_rate)
        losses.append(loss)
    return losses


# YOLO: every box is looked at.


def detect(feats, anchors, num_classes, image_shape, threshold=0.6, most=10):
    """Scores, boxes and classes of one picture, as a loop over cells and anchors."""
    rows, columns, _ = feats.shape
    feats = feats.reshape(rows, columns, len(anchors), 5 + num_classes)
    found = []
    for row, column, a in np.ndindex(rows, columns, len(anchors)):
        tx, ty, tw, th, to, *logits = feats[row, column, a]
        exp = np.exp(np.array(logits) - max(logits))
        probabilities = exp / exp.sum() / (1 + np.exp(-to))
        k = int(np.argmax(probabilities))
        if probabilities[k] < threshold:
            continue
        x = (1 / (1 + np.exp(-tx)) + column) / columns
        y = (1 / (1 + np.exp(-ty)) + row) / rows
        w = np.exp(tw) * anchors[a][0] / columns
        h = np.exp(th) * anchors[a][1] / rows
        box = [y - h / 2, x - w / 2, y + h / 2, x + w / 2]
        found.append((probabilities[k], np.array(box) * np.tile(image_shape, 2), k))
    found.sort(key=lambda one: -one[0])
    kept = []
    for one in found:
        if len(kept) < most and all(_iou(one[1], k[1]) <= 0.5 for k in kept):
            kept.append(one)
    return [np.array(part) for part in zip(*kept, strict=True)]


def _iou(a, b):
    height = min(a[2], b[2]) - max(a[0], b[0])
    width = min(a[3], b[3]) - max(a[1], b[1])
    common = max(height, 0) * max(width, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return common / (sum(areas) - common)
