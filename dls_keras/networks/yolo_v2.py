"""YOLOv2, a compact version that two CPU cores can train, and what training needs.

The network sees the whole image once and predicts boxes on a grid: for each cell and
each anchor (a typical box size) the raw numbers tx, ty, tw, th, an objectness logit
and the class logits (`darknet.Head` describes them, `course4.car_detection.yolo_head`
decodes them). A *passthrough* is a skip connection from a finer feature map to the
coarse last layers: it turns s x s positions into channels.

Training needs anchors, which k-means finds among the true boxes; random crops; and a
loss, which assigns each true box to one cell and one anchor.

Shapes: m images; a grid of rows x columns cells with n_a anchors each; at most k true
boxes per image. A box is (y1, x1, y2, x2).
Paper: Redmon & Farhadi (2016), YOLO9000: Better, Faster, Stronger,
https://arxiv.org/abs/1612.08242 (Table 6 is the backbone, Darknet-19).
"""

from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras.core import settings
from dls_keras.core.errors import InputError
from dls_keras.fast.layers import BatchNormalization
from dls_keras.networks.darknet import EPSILON, Reorg

# (width, height) in cells of 32 pixels: those of Darknet's yolov2.cfg, which its
# authors found on COCO by the k-means of `find_anchors`.
COCO_ANCHORS = (
    (0.57273, 0.677385),
    (1.87446, 2.06253),
    (3.33843, 5.47434),
    (7.88282, 3.52778),
    (9.77052, 9.16828),
)


@settings.keras_defaults()
def yolo_v2(
    input_shape: tuple[int, int, int] = (608, 608, 3),
    anchors: int = 5,
    classes: int = 80,
    *,
    darknet_reorg: bool = True,
) -> keras.Model:
    """The published YOLOv2: 50,983,561 parameters with 5 anchors and 80 classes.

    The layer names carry the section numbers of Darknet's `yolov2.cfg`, so
    `converters.darknet.fill` can load the published weights.

    Args:
        input_shape: (height, width, 3), height and width multiples of 32; the images
            are RGB, float32 in [0, 1].
        anchors: number of anchors per cell.
        classes: number of classes, which exclude each other (softmax).
        darknet_reorg: False for the weights of the course's `yolo.h5`, whose
            passthrough is `tf.nn.space_to_depth` (see `darknet.Reorg`).

    Returns:
        A model to (m, height/32, width/32, anchors * (5 + classes)) float32.
    """
    image = keras.Input(input_shape, name="image")
    x = _stage(image, 0, (32, 3))
    x = _stage(_max_pool(x, 1), 2, (64, 3))
    x = _stage(_max_pool(x, 3), 4, (128, 3), (64, 1), (128, 3))
    x = _stage(_max_pool(x, 7), 8, (256, 3), (128, 1), (256, 3))
    x = _max_pool(x, 11)
    x = _stage(x, 12, (512, 3), (256, 1), (512, 3), (256, 1), (512, 3))
    fine = x  # (m, height/16, width/16, 512)
    x = _max_pool(x, 17)
    x = _stage(x, 18, (1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3))
    # Darknet-19 ends here; the layers below were added for detection.
    x = _stage(x, 23, (1024, 3), (1024, 3))
    fine = Reorg(2, darknet=darknet_reorg, name="reorg_27")(_stage(fine, 26, (64, 1)))
    x = _stage(layers.Concatenate(name="route_28")([fine, x]), 29, (1024, 3))
    y = layers.Conv2D(anchors * (5 + classes), 1, name="conv_30")(x)
    return keras.Model(image, y, name="yolo_v2")


@settings.keras_defaults()
def compact_yolo_v2(
    input_shape: tuple[int, int, int] = (192, 352, 3),
    anchors: int = 5,
    classes: int = 1,
) -> keras.Model:
    """A YOLOv2 of 1,264,206 parameters and 0.52 GFLOP per image (one class).

    The grid is twice as fine as YOLOv2's (stride 16), for cars of 15 pixels. A branch
    at stride 32 gives the receptive field needed for cars of 200 pixels, and a
    passthrough, in the order of `tf.nn.space_to_depth`, adds features of stride 8.
    Strided convolutions replace pooling, so no convolution runs on a large map: each
    3 x 3 convolution but the first and the last costs 39 MFLOP, the first 15 and the
    last 156. A training step of 16 images takes 0.24 s on two busy CPU cores.

    Args:
        input_shape: (height, width, 3), height and width multiples of 32; the images
            are RGB, float32 in [0, 1].
        anchors: number of anchors per cell.
        classes: number of classes, which exclude each other (softmax).

    Returns:
        A model to (m, height/16, width/16, anchors * (5 + classes)) float32.
    """
    image = keras.Input(input_shape, name="image")
    x = _convolution(image, 0, 16, 3, strides=2)
    x = _convolution(x, 1, 32, 3, strides=2)
    x = _convolution(x, 2, 64, 3, strides=2)
    fine = x = _stage(x, 3, (32, 1), (64, 3))  # (m, height/8, width/8, 64)
    x = _convolution(x, 5, 128, 3, strides=2)
    middle = x = _stage(x, 6, (64, 1), (128, 3), (64, 1), (128, 3))
    x = _convolution(x, 10, 256, 3, strides=2)
    coarse = _stage(x, 11, (128, 1), (256, 3), (64, 1))  # (m, height/32, width/32, 64)
    coarse = layers.UpSampling2D(2, name="upsample")(coarse)
    fine = Reorg(2, darknet=False, name="reorg")(_stage(fine, 14, (16, 1)))
    x = layers.Concatenate(name="passthrough")([fine, middle, coarse])
    x = _stage(x, 15, (128, 1), (256, 3))
    y = layers.Conv2D(anchors * (5 + classes), 1, name="conv_17")(x)
    return keras.Model(image, y, name="compact_yolo_v2")


def _convolution(x, index, filters, size, *, strides=1):
    """Convolution, batch normalisation, leaky ReLU."""
    x = layers.Conv2D(
        filters, size, strides, "same", use_bias=False, name=f"conv_{index}"
    )(x)
    x = BatchNormalization(epsilon=EPSILON, name=f"bn_{index}")(x)
    return layers.LeakyReLU(0.1, name=f"leaky_{index}")(x)


def _stage(x, first, *convolutions):
    """Consecutive convolutions (filters, size), numbered from `first`."""
    for index, (filters, size) in enumerate(convolutions, start=first):
        x = _convolution(x, index, filters, size)
    return x


def _max_pool(x, index):
    return layers.MaxPooling2D(2, name=f"maxpool_{index}")(x)


# Training: anchors.


def find_anchors(
    boxes: Iterable[np.ndarray], n_a: int = 5, seed: int = 0
) -> np.ndarray:
    """The n_a sizes that represent all boxes best: k-means with distance 1 - IoU.

    K-means is started ten times; the result with the highest mean IoU is returned
    (section 2 of the paper).

    Args:
        boxes: (n, 4) corners (y1, x1, y2, x2), or a list of such arrays.

    Returns:
        (n_a, 2) float32, (width, height) in the unit of the boxes, ascending by area.

    Raises:
        InputError: if the boxes have fewer than n_a different sizes.
    """
    edges = [edge for box in boxes for edge in np.ravel(box)]
    corners = np.array(edges, np.float64).reshape(-1, 4)
    sizes = corners[:, [3, 2]] - corners[:, [1, 0]]
    different = np.unique(sizes, axis=0)
    if not 1 <= n_a <= len(different):
        raise InputError(
            f"Expected n_a from 1 to {len(different)}, the number of different box "
            f"sizes; received {n_a}."
        )
    rng = np.random.default_rng(seed)
    starts = [rng.choice(different, n_a, replace=False) for _ in range(10)]
    found = [_k_means(sizes, start) for start in starts]
    _, anchors = max(found, key=lambda mean_iou_and_centres: mean_iou_and_centres[0])
    return anchors[np.argsort(anchors.prod(axis=1))].astype(np.float32)


def size_iou(sizes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of boxes with a common centre, (n, k) in [0, 1].

    Args:
        sizes: (n, 2) widths and heights.
        others: (k, 2) widths and heights, in the same unit.
    """
    overlap = np.minimum(sizes[:, None], others).prod(axis=-1)
    return overlap / (sizes.prod(axis=-1)[:, None] + others.prod(axis=-1) - overlap)


def _k_means(sizes, centres):
    """Run k-means from the given centres (k, 2) until they stop changing.

    Returns:
        The mean IoU of the boxes with their nearest centre, and the centres.
    """
    for _ in range(100):  # the mean need not raise the IoU, so k-means may cycle
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


# Training: data augmentation.


def random_crops(
    seed: tf.Tensor, x: tf.Tensor, boxes: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """A random crop of each image, half of them flipped, and the boxes in it.

    A crop shows 0.65 to 1.15 of the image's width; pixels outside the image have the
    mean of the batch. A box of which at most a quarter is left becomes zeros.

    Args:
        seed: (2,) int32, as for `tf.random.stateless_uniform`.
        x: (m, height, width, 3) float32.
        boxes: (m, k, 4) as fractions of the image, zeros where there is none.

    Returns:
        Images and boxes of the same shapes.
    """
    m = tf.shape(x)[0]
    draws = tf.random.stateless_uniform((5, m), seed)
    width = 0.65 + 0.5 * draws[0]  # of the crop, as a fraction of the image
    height = width * (0.9 + 0.2 * draws[1])
    y1, x1 = (1.0 - height) * draws[2], (1.0 - width) * draws[3]
    y2, x2 = y1 + height, x1 + width
    flipped = draws[4] < 0.5
    x1, x2 = tf.where(flipped, x2, x1), tf.where(flipped, x1, x2)
    mean = tf.reduce_mean(x)
    crops = tf.raw_ops.CropAndResize(
        image=x - mean,  # zero-padded, which is the mean
        boxes=tf.stack([y1, x1, y2, x2], 1),
        box_ind=tf.range(m),
        crop_size=x.shape[1:3],
    )
    start = tf.stack([y1, x1, y1, x1], 1)[:, None]
    length = tf.stack([y2 - y1, x2 - x1, y2 - y1, x2 - x1], 1)[:, None]
    moved = (boxes - start) / length
    low = tf.minimum(moved[..., :2], moved[..., 2:])  # a flip swaps left and right
    high = tf.maximum(moved[..., :2], moved[..., 2:])
    clipped = tf.clip_by_value(tf.concat([low, high], -1), 0.0, 1.0)
    area_left = tf.reduce_prod(clipped[..., 2:] - clipped[..., :2], -1)
    visible = area_left > 0.25 * tf.reduce_prod(high - low, -1)
    return crops + mean, tf.where(visible[..., None], clipped, 0.0)


# Training: the loss.


def yolo_v2_loss(
    feats: tf.Tensor,
    predicted: tf.Tensor,
    boxes: tf.Tensor,
    anchors: Sequence[tuple[float, float]],
) -> tf.Tensor:
    """YOLOv2 loss for objects of class 0, averaged over the images of a batch.

        loss = sum of 5 box_loss + class_loss    over the assigned anchors
             + sum of 5 obj_loss                 over the assigned anchors
             + sum of obj_loss                   over the other anchors

    Each true box is assigned to one anchor of one cell (`assigned_anchors`). box_loss
    is the squared error of the centre and half that of the log size, class_loss the
    cross-entropy of the class, obj_loss the binary cross-entropy of the objectness.
    The other anchors are trained towards objectness 0 unless their box has IoU >= 0.5
    with a true box; these have no loss.

    Args:
        feats: (m, rows, columns, n_a * (5 + classes)), the output of the network.
        predicted: (m, rows, columns, n_a, 4), the boxes decoded from `feats`, as
            fractions of the image.
        boxes: (m, k, 4), the true boxes as fractions of the image, zeros where there
            is none.
        anchors: (n_a, 2), width and height in cells.
    """
    rows, columns, n_a = feats.shape[1], feats.shape[2], len(anchors)
    raw = tf.reshape(feats, (-1, rows, columns, n_a, feats.shape[3] // n_a))
    anchors = tf.constant(anchors, tf.float32)
    size = tf.constant([columns, rows], tf.float32)
    corner, opposite = boxes[..., 1::-1], boxes[..., 3:1:-1]  # (x, y)
    centres = (corner + opposite) / 2 * size  # (m, k, 2), in cells
    sizes = (opposite - corner) * size
    is_object = sizes[..., 0] > 0  # (m, k)
    indices = assigned_anchors(centres, sizes, anchors, rows, columns)
    cells = tf.cast(indices[..., 2:0:-1], tf.float32)  # (column, row)

    assigned = tf.gather_nd(raw, indices)  # (m, k, 5 + classes)
    xy_loss = tf.square(tf.sigmoid(assigned[..., :2]) - (centres - cells))
    ratios = tf.maximum(sizes, 1e-3) / tf.gather(anchors, indices[..., 3])
    wh_loss = tf.square(assigned[..., 2:4] - tf.math.log(ratios))
    # An error of one pixel costs a small box more IoU, so small boxes weigh more.
    weights = 2.0 - tf.reduce_prod(sizes / size, -1)
    box_loss = weights * tf.reduce_sum(xy_loss + 0.5 * wh_loss, -1)
    class_loss = -tf.nn.log_softmax(assigned[..., 5:])[..., 0]
    box_and_class_loss = tf.where(is_object, 5.0 * box_loss + class_loss, 0.0)

    target = tf.scatter_nd(indices, tf.cast(is_object, tf.float32), tf.shape(raw)[:4])
    target = tf.minimum(target, 1.0)  # two boxes may have the same anchor
    obj_loss = tf.nn.sigmoid_cross_entropy_with_logits(target, raw[..., 4])
    counted = (target > 0) | (best_iou(predicted, boxes) < 0.5)
    obj_loss = tf.where(counted, obj_loss * (1.0 + 4.0 * target), 0.0)
    total = tf.reduce_sum(box_and_class_loss) + tf.reduce_sum(obj_loss)
    return total / tf.cast(tf.shape(boxes)[0], tf.float32)


def assigned_anchors(
    centres: tf.Tensor, sizes: tf.Tensor, anchors: tf.Tensor, rows: int, columns: int
) -> tf.Tensor:
    """The prediction that is trained to match each true box.

    It belongs to the cell that contains the centre of the box, and to the anchor whose
    size has the highest IoU with the box when both have the same centre.

    Args:
        centres: (m, k, 2), (x, y) in cells.
        sizes: (m, k, 2), (width, height) in cells.
        anchors: (n_a, 2), (width, height) in cells.

    Returns:
        (m, k, 4) int32: image, row, column and anchor.
    """
    common = tf.reduce_prod(tf.minimum(sizes[:, :, None], anchors), -1)
    union = tf.reduce_prod(sizes, -1)[..., None] + tf.reduce_prod(anchors, -1) - common
    anchor = tf.argmax(common / union, axis=-1, output_type=tf.int32)  # (m, k)
    cell = tf.clip_by_value(tf.cast(centres, tf.int32), 0, [columns - 1, rows - 1])
    image = tf.broadcast_to(tf.range(tf.shape(sizes)[0])[:, None], tf.shape(anchor))
    return tf.stack([image, cell[..., 1], cell[..., 0], anchor], axis=-1)


def best_iou(predicted: tf.Tensor, boxes: tf.Tensor) -> tf.Tensor:
    """The highest IoU of each predicted box with the true boxes of its image.

    Args:
        predicted: (m, rows, columns, n_a, 4) corners.
        boxes: (m, k, 4) corners in the same unit.

    Returns:
        (m, rows, columns, n_a) in [0, 1], without gradient.
    """
    best = tf.zeros(tf.shape(predicted)[:-1])
    area = tf.reduce_prod(predicted[..., 2:] - predicted[..., :2], -1)
    for box in tf.unstack(boxes, axis=1):  # one of the k at a time saves memory
        box = box[:, None, None, None]
        low = tf.maximum(predicted[..., :2], box[..., :2])
        high = tf.minimum(predicted[..., 2:], box[..., 2:])
        common = tf.reduce_prod(tf.nn.relu(high - low), -1)
        other = tf.reduce_prod(box[..., 2:] - box[..., :2], -1)
        best = tf.maximum(best, common / (area + other - common + 1e-9))
    return tf.stop_gradient(best)
