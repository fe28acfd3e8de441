"""Car detection: YOLO looks once and boxes every car on the road (C4 W3 A1).

The picture is cut into a grid. For each cell and each of a few anchor shapes the
network says where a thing lies, how large it is, whether it is there at all, and
what it is:

    x = (sigmoid(tx) + column) / columns        w = anchor_w * exp(tw) / columns
    y = (sigmoid(ty) + row) / rows              h = anchor_h * exp(th) / rows
    score of class k = sigmoid(to) * softmax over k of the class logits

Boxes with a high score are kept, and of those that overlap only the best one
(non-max suppression).

Shapes: m pictures; a grid of rows x columns cells with 5 anchors each; n boxes. A
box is (y1, x1, y2, x2) unless said otherwise. Edition: 2021; in 2017
`yolo_filter_boxes` took the confidence first, `yolo_outputs` had it first, and
`predict` took the session first.
Paper: Redmon & Farhadi (2016), YOLO9000, https://arxiv.org/abs/1612.08242
"""

import colorsys
import random
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from dls_keras.converters import darknet as darknet_files
from dls_keras.core import augment, files, images, training, weights
from dls_keras.datasets import car_boxes
from dls_keras.fast import boxes as fast_boxes
from dls_keras.fast import inference
from dls_keras.fast.layers import Adam
from dls_keras.networks import darknet, yolo_v2

# The assignment: the course's functions under the course's signatures.


def yolo_filter_boxes(boxes, box_confidence, box_class_probs, threshold=0.6):
    """Keep the boxes whose best class scores at least `threshold`.

    Args:
        boxes: (..., 4) corners.
        box_confidence: (..., 1), that there is a thing.
        box_class_probs: (..., classes), what it is.

    Returns:
        scores (n,), boxes (n, 4), classes (n,) int64, in the order of the grid.
    """
    box_scores = box_confidence * box_class_probs
    box_classes = tf.argmax(box_scores, axis=-1)
    best_scores = tf.reduce_max(box_scores, axis=-1)
    keep = best_scores >= threshold
    return (
        tf.boolean_mask(best_scores, keep),
        tf.boolean_mask(boxes, keep),
        tf.boolean_mask(box_classes, keep),
    )


def iou(box1, box2):
    """Intersection over union of two boxes (x1, y1, x2, y2), a float in [0, 1]."""
    width = min(box1[2], box2[2]) - max(box1[0], box2[0])
    height = min(box1[3], box2[3]) - max(box1[1], box2[1])
    intersection = max(width, 0) * max(height, 0)
    area1, area2 = ((b[2] - b[0]) * (b[3] - b[1]) for b in (box1, box2))
    return intersection / (area1 + area2 - intersection)


def yolo_non_max_suppression(scores, boxes, classes, max_boxes=10, iou_threshold=0.5):
    """Of boxes that overlap keep the best, all classes together.

    Returns:
        scores, boxes, classes of at most `max_boxes` boxes, best first.
    """
    kept = tf.image.non_max_suppression(boxes, scores, max_boxes, iou_threshold)
    return tf.gather(scores, kept), tf.gather(boxes, kept), tf.gather(classes, kept)


def yolo_boxes_to_corners(box_xy, box_wh):
    """Centres (..., 2) and sizes (..., 2) as corners (..., 4): y1, x1, y2, x2."""
    low, high = box_xy - box_wh / 2, box_xy + box_wh / 2
    return tf.concat([low[..., ::-1], high[..., ::-1]], axis=-1)


def scale_boxes(boxes, image_shape):
    """Boxes (n, 4) in parts of the picture, in pixels of (height, width)."""
    height, width = image_shape
    return boxes * tf.constant([height, width, height, width], boxes.dtype)


def yolo_eval(
    yolo_outputs,
    image_shape=(720, 1280),
    max_boxes=10,
    score_threshold=0.6,
    iou_threshold=0.5,
):
    """From the network's boxes to the few that count.

    Args:
        yolo_outputs: what `yolo_head` returns.
        image_shape: (height, width) of the picture the boxes are drawn on.

    Returns:
        scores (n,), boxes (n, 4) in pixels, classes (n,); n is at most `max_boxes`.
    """
    box_xy, box_wh, box_confidence, box_class_probs = yolo_outputs
    boxes = yolo_boxes_to_corners(box_xy, box_wh)
    scores, boxes, classes = yolo_filter_boxes(
        boxes, box_confidence, box_class_probs, score_threshold
    )
    boxes = scale_boxes(boxes, image_shape)
    return yolo_non_max_suppression(scores, boxes, classes, max_boxes, iou_threshold)


def yolo_head(feats, anchors, num_classes):
    """The network's raw numbers as boxes (YOLOv2).

    Args:
        feats: (m, rows, columns, anchors * (5 + num_classes)).
        anchors: (n_a, 2), width and height in cells.

    Returns:
        box_xy and box_wh (m, rows, columns, n_a, 2) in parts of the picture,
        box_confidence (..., 1) and box_class_probs (..., num_classes).
    """
    feats = tf.convert_to_tensor(feats)
    rows, columns = feats.shape[1:3]
    feats = tf.reshape(feats, (-1, rows, columns, len(anchors), 5 + num_classes))
    size = tf.constant([columns, rows], feats.dtype)
    cells = tf.cast(_cells(rows, columns), feats.dtype)
    box_xy = (tf.sigmoid(feats[..., :2]) + cells) / size
    box_wh = tf.exp(feats[..., 2:4]) * tf.cast(anchors, feats.dtype) / size
    return (
        box_xy,
        box_wh,
        tf.sigmoid(feats[..., 4:5]),
        tf.nn.softmax(feats[..., 5:]),
    )


def read_classes(classes_path):
    """The class names of a file, one a line."""
    return [line.strip() for line in Path(classes_path).read_text().splitlines()]


def read_anchors(anchors_path):
    """The anchors of a file: its first line of comma-separated numbers as (n, 2)."""
    line = Path(anchors_path).read_text().splitlines()[0]
    return np.array([float(number) for number in line.split(",")]).reshape(-1, 2)


def get_colors_for_classes(num_classes):
    """One clear colour (r, g, b) of integers to 255 for each class."""
    hues = [colorsys.hsv_to_rgb(k / num_classes, 1.0, 1.0) for k in range(num_classes)]
    colors = [tuple(int(255 * c) for c in colour) for colour in hues]
    random.Random(10101).shuffle(colors)  # so that neighbouring classes differ
    return colors


def preprocess_image(img_path, model_image_size):
    """A picture file for the network.

    Returns:
        The PIL image, and (1, height, width, 3) float32 in [0, 1], stretched to
        `model_image_size`, (height, width).
    """
    image = images.read(img_path)
    return image, images.resized(image, *model_image_size)[np.newaxis]


def draw_boxes(image, boxes, box_classes, class_names, scores=None):
    """Draw boxes (n, 4), in pixels, with their class and score onto a PIL image."""
    pen = ImageDraw.Draw(image)
    thickness = max(1, (image.width + image.height) // 500)
    font = ImageFont.load_default(size=max(10, image.height // 40))
    colors = get_colors_for_classes(len(class_names))
    # Best boxes last, so that they lie on top.
    for i in reversed(range(len(boxes))):
        k = int(box_classes[i])
        label = class_names[k] + ("" if scores is None else f" {float(scores[i]):.2f}")
        y1, x1, y2, x2 = (float(edge) for edge in boxes[i])
        pen.rectangle((x1, y1, x2, y2), outline=colors[k], width=thickness)
        left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
        corner = (x1, y1 - bottom) if y1 > bottom else (x1, y1)
        pen.rectangle(pen.textbbox(corner, label, font=font), fill=colors[k])
        pen.text(corner, label, fill="black", font=font)


def predict(image_file, *, model=None, out=None):
    """Find the cars in a picture file and print how many there are.

    Args:
        model: a `Detector`; default: `load_pretrained()`.
        out: where to write the picture with its boxes, if anywhere.

    Returns:
        scores (n,), boxes (n, 4) in pixels and classes (n,), best first.
    """
    model = model or load_pretrained()
    boxes, scores, classes = infer(model, image_file)
    print(f"Found {len(boxes)} boxes for {image_file}")
    if out is not None:
        images.write(picture(model, image_file), out)
    return scores, boxes, classes


def _cells(rows, columns):
    """(column, row) of each cell, (rows, columns, 1, 2)."""
    return np.stack(np.meshgrid(range(columns), range(rows)), -1)[:, :, None]


# The application: the names that every assignment shares.


class Detector(NamedTuple):
    """A network and how to read it."""

    model: keras.Model
    heads: tuple[darknet.Head, ...]
    classes: tuple[str, ...]


HEIGHT, WIDTH = 192, 352  # of the compact network's input, in pixels
STRIDE = 16  # pixels a cell
ANCHORS = ((1.00, 0.70), (2.16, 1.22), (3.56, 1.43), (4.78, 2.18), (7.67, 3.50))
MAX_CARS = 8  # most boxes of one training picture


def load_data(drawn=332, seed=0):
    """Frames to learn from, then drawn roads, at the network's size.

    Returns:
        x (m, 192, 352, 3) uint8 and y (m, 8, 4) float32: boxes in parts of the
        picture, rows of zeros where there is no further car.
    """
    parts = [car_boxes.split_by_time(car_boxes.load_car_boxes())[0]]
    if drawn:
        parts.append(loosened(car_boxes.make_roads(drawn, seed=seed)))
    return TrainingData(
        np.concatenate([_shrink(part.images) for part in parts]),
        np.concatenate([_padded(part) for part in parts]),
    )


def loosened(pictures):
    """Drawn roads with boxes as loose as those people drew on the real frames.

    There a box is 13 % wider and 37 % taller than its car (judged by eye on nine
    frames); trained on both, a network would have to answer two questions at once.
    """
    height, width = pictures.images.shape[1:3]
    boxes = []
    for y1, x1, y2, x2 in (box.T for box in pictures.boxes):
        dy, dx = 0.18 * (y2 - y1), 0.065 * (x2 - x1)
        loose = np.stack([y1 - dy, x1 - dx, y2 + dy, x2 + dx], 1)
        boxes.append(loose.clip(0, [height, width, height, width]).astype("float32"))
    return pictures._replace(boxes=boxes)


class TrainingData(NamedTuple):
    """Pictures and their boxes, as `load_data` returns them."""

    x: np.ndarray
    y: np.ndarray


def build_model(cfg=None, classes=None):
    """Our compact YOLOv2 for cars, untrained, or the network of a Darknet cfg.

    Args:
        cfg: the text of a Darknet .cfg file.
        classes: the names of its classes; default: see `darknet_files.class_names`.
    """
    if cfg is not None:
        network = darknet.build(darknet.parse(cfg))
        return Detector(*network, darknet_files.class_names(network.heads, classes))
    model = yolo_v2.compact_yolo_v2((HEIGHT, WIDTH, 3), len(ANCHORS), 1)
    # Most cells are empty; saying so from the start spares the first epochs.
    bias = np.zeros((len(ANCHORS), 6), "float32")
    bias[:, 4] = -4.0
    model.layers[-1].bias.assign(bias.ravel())
    return Detector(model, (darknet.Head("region", ANCHORS, 1, STRIDE),), ("car",))


def train(
    detector,
    data,
    *,
    epochs=90,
    batch_size=16,
    learning_rate=0.001,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `detector` in place on mirrored, cropped and relit pictures.

    Returns:
        Each epoch's mean loss a picture (see `yolo_loss`).
    """
    keras.utils.set_random_seed(seed)
    model, head = detector.model, detector.heads[0]
    steps = len(data.x) // batch_size

    def loss_fn(x, boxes):
        return yolo_loss(model(x, training=True), boxes, head.anchors, head.classes)

    def change(seed, x, boxes):
        x, boxes = _crop(seed, tf.cast(x, tf.float32) / 255, boxes)
        return augment.light(seed, x, brightness=0.2, contrast=0.3, tint=0.05), boxes

    rate = training.warm_cosine(learning_rate, steps * epochs, warmup=steps)
    return training.fit(
        loss_fn,
        data,
        model.trainable_variables,
        Adam(rate, clipnorm=10.0),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        augment=change,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def yolo_loss(feats, boxes, anchors, num_classes=1):
    """How wrong the network is about one batch, a mean over its pictures.

    The cell that holds a box's centre answers for it, with the anchor nearest in
    shape: its place and size by squared error, its objectness by cross-entropy. All
    others shall see nothing, but for those that lie well on a box by chance.

    Args:
        feats: (m, rows, columns, n_a * (5 + num_classes)).
        boxes: (m, k, 4) in parts of the picture, zeros where there is none; all of
            class 0.
    """
    rows, columns, n_a = feats.shape[1], feats.shape[2], len(anchors)
    raw = tf.reshape(feats, (-1, rows, columns, n_a, 5 + num_classes))
    box_xy, box_wh, _, _ = yolo_head(feats, anchors, num_classes)

    size = tf.constant([columns, rows], tf.float32)
    corner, opposite = boxes[..., 1::-1], boxes[..., 3:1:-1]  # (x, y) in parts
    centre, extent = (corner + opposite) / 2 * size, (opposite - corner) * size
    there = extent[..., 0] > 0  # (m, k)
    # The anchor nearest in shape, by the overlap of boxes with one centre.
    anchors = tf.constant(anchors, tf.float32)
    common = tf.reduce_prod(tf.minimum(extent[:, :, None], anchors), -1)
    union = tf.reduce_prod(extent, -1)[..., None] + tf.reduce_prod(anchors, -1) - common
    anchor = tf.argmax(common / union, axis=-1, output_type=tf.int32)  # (m, k)
    cell = tf.clip_by_value(tf.cast(centre, tf.int32), 0, [columns - 1, rows - 1])
    picture = tf.broadcast_to(tf.range(tf.shape(boxes)[0])[:, None], tf.shape(anchor))
    where = tf.stack([picture, cell[..., 1], cell[..., 0], anchor], axis=-1)

    mine = tf.gather_nd(raw, where)  # (m, k, 5 + classes): the answers that count
    xy_error = tf.square(
        tf.sigmoid(mine[..., :2]) - (centre - tf.cast(cell, tf.float32))
    )
    shape = tf.gather(anchors, anchor)
    log_extent = tf.math.log(tf.maximum(extent, 1e-3) / shape)
    wh_error = tf.square(mine[..., 2:4] - log_extent)
    # Small boxes weigh more: a pixel's error costs them more overlap.
    weight = 2.0 - tf.reduce_prod(extent / size, -1)
    place = weight * tf.reduce_sum(xy_error + 0.5 * wh_error, -1)
    names = tf.nn.log_softmax(mine[..., 5:])[..., 0]
    found = tf.where(there, 5.0 * place - names, 0.0)

    truth = tf.scatter_nd(where, tf.cast(there, tf.float32), tf.shape(raw)[:4])
    truth = tf.minimum(truth, 1.0)
    overlap = _iou_with_any(yolo_boxes_to_corners(box_xy, box_wh), boxes)
    seen = tf.nn.sigmoid_cross_entropy_with_logits(truth, raw[..., 4])
    counts = (truth > 0) | (overlap < 0.5)
    seen = tf.where(counts, seen * (1.0 + 4.0 * truth), 0.0)
    total = tf.reduce_sum(found) + tf.reduce_sum(seen)
    return total / tf.cast(tf.shape(boxes)[0], tf.float32)


def load_pretrained(variant="default"):
    """A detector with trained weights.

    Args:
        variant: "default" is ours, shipped, which knows cars. "yolo-fastest-1.1-xl",
            "yolo-fastest-1.1" and "yolov2" are published ones of 80 classes, read
            from Darknet's files below `$DLS_KERAS_DATA/yolo` or the cache.
    """
    if variant == "default":
        detector = build_model()
        weights.load(detector.model, "car_detection")
        return detector
    cfg, weight_file = weights.find_published("car_detection", variant)
    model, heads = darknet_files.load(cfg, weight_file)
    return Detector(model, heads, darknet_files.COCO_CLASSES)


def infer(detector, image, *, max_boxes=20, score_threshold=0.5, iou_threshold=0.5):
    """Find things in a picture.

    Args:
        image: a picture of any size (path, PIL image or array); it is stretched to
            the network's input, and the boxes are stretched back.

    Returns:
        `fast_boxes.Detections`: boxes (n, 4) in pixels of `image`, best first, scores
        (n,) and classes (n,).
    """
    (found,) = find_all(
        detector,
        [image],
        max_boxes=max_boxes,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
    )
    return found


def find_all(detector, pictures, **settings):
    """The `fast_boxes.Detections` of many pictures, sixteen at a time through the net.

    Args:
        pictures: a sequence of what `images.read` takes.
        settings: keyword arguments of `fast_boxes.detect_all`.
    """
    answer, found = detector.model, []
    size = min(16, len(pictures))
    if len(pictures) > size:  # then folding and compiling pay
        answer = inference.frozen(detector.model)
    for start in range(0, len(pictures), 16):
        batch = [images.read(picture) for picture in pictures[start : start + 16]]
        # Bilinear as in Darknet: bicubic costs YOLO-Fastest 0.01 of its precision.
        x = [
            images.resized(
                *(image, *detector.model.input_shape[1:3]),
                resample=Image.Resampling.BILINEAR,
            )
            for image in batch
        ]
        # The last batch is filled up, for another size would be compiled anew.
        outputs = keras.tree.flatten(answer(np.resize(x, (size, *x[0].shape))))
        outputs = [np.asarray(output)[: len(batch)] for output in outputs]
        shapes = [(image.height, image.width) for image in batch]
        found += fast_boxes.detect_all(outputs, detector.heads, shapes, **settings)
    return found


# `fast_boxes.detect`, which `infer` calls, is the course's functions in NumPy;
# this is the same in one graph. Tests hold both to `yolo_head` and `yolo_eval`.


@tf.function
def detect_in_graph(
    feats, anchors, image_shape, max_boxes=10, score_threshold=0.6, iou_threshold=0.5
):
    """`fast_boxes.detect` for one YOLOv2 output: scores, boxes, classes.

    Args:
        feats: (rows, columns, n_a * (5 + classes)) float32.
        anchors: (n_a, 2) float32, in cells.
        image_shape: (height, width) float32.
    """
    rows, columns, n_a = feats.shape[0], feats.shape[1], anchors.shape[0]
    feats = tf.reshape(feats, (rows * columns * n_a, -1))
    threshold = tf.convert_to_tensor(score_threshold, tf.float32)
    alive = tf.where(feats[:, 4] >= tf.math.log(threshold / (1 - threshold)))[:, 0]
    feats = tf.gather(feats, alive)
    cells = tf.cast(_cells(rows, columns).reshape(-1, 2), tf.float32)
    size = tf.constant([columns, rows], tf.float32)
    box_xy = (tf.sigmoid(feats[:, :2]) + tf.gather(cells, alive // n_a)) / size
    box_wh = tf.exp(feats[:, 2:4]) * tf.gather(anchors, alive % n_a) / size
    scores, boxes, classes = yolo_filter_boxes(
        yolo_boxes_to_corners(box_xy, box_wh),
        tf.sigmoid(feats[:, 4:5]),
        tf.nn.softmax(feats[:, 5:]),
        threshold,
    )
    boxes *= tf.tile(tf.cast(image_shape, tf.float32), [2])
    return yolo_non_max_suppression(scores, boxes, classes, max_boxes, iou_threshold)


def average_precision_on(detector, pictures, *, names=("car",)):
    """AP@0.5 of a detector on a `roads.Roads`; `names` are one class together.

    Boxes count from a score of 0.005 on, as in Darknet's own evaluation.
    """
    wanted = [detector.classes.index(name) for name in names]
    found = find_all(detector, pictures.images, max_boxes=100, score_threshold=0.005)
    kept = [
        fast_boxes.Detections(*(part[np.isin(one.classes, wanted)] for part in one))
        for one in found
    ]
    return fast_boxes.average_precision(kept, pictures.boxes)


def evaluate(detector=None):
    """AP@0.5 as rows (what, ours, goal); Darknet's models where they are at hand."""
    real = car_boxes.load_car_boxes()
    _, last_fifth = car_boxes.split_by_time(real)
    detector = detector or load_pretrained()
    rows = [
        (
            "AP@0.5, last fifth of car_boxes",
            average_precision_on(detector, last_fifth),
            0.75,
        ),
        (
            "AP@0.5, 100 drawn roads never seen",
            average_precision_on(
                detector, loosened(car_boxes.make_roads(100, seed=10_000))
            ),
            None,
        ),
    ]
    if weights.available("car_detection", "yolo-fastest-1.1-xl"):
        vehicles = average_precision_on(
            load_pretrained("yolo-fastest-1.1-xl"), real, names=("car", "bus", "truck")
        )
        rows.append(("AP@0.5, YOLO-Fastest 1.1 XL on car_boxes", vehicles, 0.80))
    return rows


def picture(detector, image):
    """The picture with the boxes found in it, a PIL image."""
    image = images.read(image)
    boxes, scores, classes = infer(detector, image)
    draw_boxes(image, boxes, classes, detector.classes, scores)
    return image


def example():
    """The question of the tour: a real frame where data are at hand, else a drawing."""
    photo = files.in_data_folder("car_boxes/images/vid_4_29520.jpg")
    if photo:
        return "Where are the cars on this road?", photo
    return "Where are the cars on this drawn road?", example_road()


def example_road():
    """A drawn road with cars, (380, 676, 3) uint8."""
    return car_boxes.make_roads(3, seed=7).images[2]


def _iou_with_any(boxes, truths):
    """The best overlap of each box (m, ..., 4) with its picture's truths (m, k, 4)."""
    best = tf.zeros(tf.shape(boxes)[:-1])
    area = tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], -1)
    for truth in tf.unstack(truths, axis=1):  # one of k at a time spares memory
        truth = truth[:, None, None, None]
        low = tf.maximum(boxes[..., :2], truth[..., :2])
        high = tf.minimum(boxes[..., 2:], truth[..., 2:])
        common = tf.reduce_prod(tf.nn.relu(high - low), -1)
        other = tf.reduce_prod(truth[..., 2:] - truth[..., :2], -1)
        best = tf.maximum(best, common / (area + other - common + 1e-9))
    return tf.stop_gradient(best)


def _crop(seed, x, boxes):
    """A random window of each picture, half of them mirrored, with its boxes."""
    m = tf.shape(x)[0]
    draws = tf.random.stateless_uniform((5, m), seed)
    zoom = 0.65 + 0.5 * draws[0]  # of the picture that the window shows
    high, wide = zoom * (0.9 + 0.2 * draws[1]), zoom
    y1, x1 = (1.0 - high) * draws[2], (1.0 - wide) * draws[3]
    y2, x2 = y1 + high, x1 + wide
    mirrored = draws[4] < 0.5
    x1, x2 = tf.where(mirrored, x2, x1), tf.where(mirrored, x1, x2)
    mean = tf.reduce_mean(x)
    pictures = tf.raw_ops.CropAndResize(
        image=x - mean,  # beyond the border the window sees the mean
        boxes=tf.stack([y1, x1, y2, x2], 1),
        box_ind=tf.range(m),
        crop_size=x.shape[1:3],
    )
    start = tf.stack([y1, x1, y1, x1], 1)[:, None]
    length = tf.stack([y2 - y1, x2 - x1, y2 - y1, x2 - x1], 1)[:, None]
    moved = (boxes - start) / length
    low = tf.minimum(moved[..., :2], moved[..., 2:])  # a mirror swaps the corners
    high = tf.maximum(moved[..., :2], moved[..., 2:])
    clipped = tf.clip_by_value(tf.concat([low, high], -1), 0.0, 1.0)
    left = tf.reduce_prod(clipped[..., 2:] - clipped[..., :2], -1)
    visible = left > 0.25 * tf.reduce_prod(high - low, -1)
    return pictures + mean, tf.where(visible[..., None], clipped, 0.0)


def _shrink(pictures):
    """Pictures (m, height, width, 3) uint8 at the network's size."""
    small = np.empty((len(pictures), HEIGHT, WIDTH, 3), "uint8")
    for i, image in enumerate(pictures):
        small[i] = Image.fromarray(image).resize(
            (WIDTH, HEIGHT), Image.Resampling.BILINEAR
        )
    return small


def _padded(part):
    """The boxes of each picture in parts of it, (m, MAX_CARS, 4) float32."""
    height, width = part.images.shape[1:3]
    padded = np.zeros((len(part.boxes), MAX_CARS, 4), "float32")
    for row, boxes in zip(padded, part.boxes, strict=True):
        row[: len(boxes)] = boxes[:MAX_CARS] / (height, width, height, width)
    return padded
