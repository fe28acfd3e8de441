"""Car detection: YOLO predicts a box around every car in a single pass (C4 W3 A1).

The image is divided into a grid. For each cell and each of a few anchors (typical box
sizes) the network predicts the centre and the size of a box, whether an object is
there (the objectness), and the class of the object:

    x = (sigmoid(tx) + column) / columns        w = anchor_w * exp(tw) / columns
    y = (sigmoid(ty) + row) / rows              h = anchor_h * exp(th) / rows
    score of class k = sigmoid(to) * softmax over k of the class logits

Boxes with a high score are kept, and among overlapping boxes only the one with the
highest score (non-max suppression).

Shapes: m images; a grid of rows x columns cells with n_a anchors each; n boxes. A box
is (y1, x1, y2, x2) unless stated otherwise. Edition: 2021; in 2017 the confidence was
the first argument of `yolo_filter_boxes` and the first of `yolo_outputs`, and a
session was the first argument of `predict`.
Paper: Redmon & Farhadi (2016), YOLO9000, https://arxiv.org/abs/1612.08242
"""

import colorsys
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from dls_keras.converters import darknet as darknet_files
from dls_keras.core import (
    augment,
    examples,
    files,
    images,
    inputs,
    pretrained,
    readers,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row, detected
from dls_keras.core.detections import Detections, average_precision
from dls_keras.core.errors import InputError
from dls_keras.datasets import car_boxes
from dls_keras.fast import boxes as fast_boxes

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam
from dls_keras.networks import darknet, yolo_v2

# The assignment: the course's functions under the course's signatures.


def yolo_filter_boxes(boxes, box_confidence, box_class_probs, threshold=0.6):
    """Keep the boxes whose best class has a score of at least `threshold`.

    Args:
        boxes: (..., 4) corners.
        box_confidence: (..., 1), the probability of an object, in [0, 1].
        box_class_probs: (..., classes), the probability of each class.

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
    """Keep only the best of the boxes that overlap, whatever their classes are.

    Returns:
        scores, boxes, classes of at most `max_boxes` boxes, highest score first.
    """
    kept = tf.image.non_max_suppression(boxes, scores, max_boxes, iou_threshold)
    return tf.gather(scores, kept), tf.gather(boxes, kept), tf.gather(classes, kept)


def yolo_boxes_to_corners(box_xy, box_wh):
    """Corners (..., 4), y1, x1, y2, x2, from centres and sizes (..., 2), x first."""
    low, high = box_xy - box_wh / 2, box_xy + box_wh / 2
    return tf.concat([low[..., ::-1], high[..., ::-1]], axis=-1)


def scale_boxes(boxes, image_shape):
    """Convert boxes (n, 4) from fractions of the image to pixels.

    Args:
        image_shape: (height, width) of the image, in pixels.
    """
    height, width = image_shape
    return boxes * tf.constant([height, width, height, width], boxes.dtype)


def yolo_eval(
    yolo_outputs,
    image_shape=(720, 1280),
    max_boxes=10,
    score_threshold=0.6,
    iou_threshold=0.5,
):
    """Select the detected boxes from all boxes that the network predicts.

    Args:
        yolo_outputs: the result of `yolo_head` for one image.
        image_shape: (height, width) of the image, in pixels.

    Returns:
        scores (n,), boxes (n, 4) in pixels, classes (n,), highest score first; n is at
        most `max_boxes`.
    """
    box_xy, box_wh, box_confidence, box_class_probs = yolo_outputs
    boxes = yolo_boxes_to_corners(box_xy, box_wh)
    scores, boxes, classes = yolo_filter_boxes(
        boxes, box_confidence, box_class_probs, score_threshold
    )
    boxes = scale_boxes(boxes, image_shape)
    return yolo_non_max_suppression(scores, boxes, classes, max_boxes, iou_threshold)


def yolo_head(feats, anchors, num_classes):
    """Decode the outputs of the network (YOLOv2).

    Args:
        feats: (m, rows, columns, n_a * (5 + num_classes)).
        anchors: (n_a, 2), width and height in cells.

    Returns:
        box_xy and box_wh (m, rows, columns, n_a, 2) as fractions of the image,
        box_confidence (..., 1) and box_class_probs (..., num_classes).
    """
    feats = tf.convert_to_tensor(feats)
    rows, columns = feats.shape[1:3]
    feats = tf.reshape(feats, (-1, rows, columns, len(anchors), 5 + num_classes))
    size = tf.constant([columns, rows], feats.dtype)
    cells = np.stack(np.meshgrid(range(columns), range(rows)), axis=-1)
    cells = tf.cast(cells[:, :, np.newaxis], feats.dtype)  # (rows, columns, 1, 2)
    box_xy = (tf.sigmoid(feats[..., :2]) + cells) / size
    box_wh = tf.exp(feats[..., 2:4]) * tf.cast(anchors, feats.dtype) / size
    return (
        box_xy,
        box_wh,
        tf.sigmoid(feats[..., 4:5]),
        tf.nn.softmax(feats[..., 5:]),
    )


def read_classes(classes_path):
    """Read class names from a file with one name per line."""
    expected = "a list of class names, one per line"
    text = readers.read_text(classes_path, expected, limit=readers.MEGABYTE)
    if not text.strip():
        raise InputError(f"{classes_path} is empty. Expected {expected}.")
    return [line.strip() for line in text.splitlines()]


def read_anchors(anchors_path):
    """Read anchors (n, 2) from the first line of a file: numbers and commas."""
    expected = "a list of anchors, such as 0.57,0.68,1.87,2.06"
    text = readers.read_text(anchors_path, expected, limit=readers.MEGABYTE)
    with readers.reading(anchors_path, expected):
        line = text.splitlines()[0]
        anchors = np.array([float(number) for number in line.split(",")]).reshape(-1, 2)
        if readers.checked_numbers(anchors, f"The list in {anchors_path}").min() <= 0:
            raise ValueError("a width or height is not positive")
        return anchors


def get_colors_for_classes(num_classes):
    """A bright colour (r, g, b), integers in [0, 255], for each class."""
    hues = [colorsys.hsv_to_rgb(k / num_classes, 1.0, 1.0) for k in range(num_classes)]
    colors = [tuple(int(255 * c) for c in colour) for colour in hues]
    random.Random(10101).shuffle(colors)  # so that consecutive classes differ
    return colors


def preprocess_image(img_path, model_image_size):
    """Read an image file for the network.

    Args:
        model_image_size: (height, width) of the network's input.

    Returns:
        The PIL image, and the resized image (1, height, width, 3) float32 in [0, 1].
    """
    image = images.read(img_path)
    return image, images.resized(image, *model_image_size)[np.newaxis]


def draw_boxes(image, boxes, box_classes, class_names, scores=None):
    """Draw boxes (n, 4), in pixels, with class and score on a PIL image."""
    pen = ImageDraw.Draw(image)
    thickness = max(1, (image.width + image.height) // 500)
    font = ImageFont.load_default(size=max(10, image.height // 40))
    colors = get_colors_for_classes(len(class_names))
    # The best box comes first and is painted last, so that no other box covers it.
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
    """Detect objects in an image file and print how many there are.

    Args:
        model: a `Detector`; default: `load_pretrained()`.
        out: the path where the image with its boxes is written, if any.

    Returns:
        scores (n,), boxes (n, 4) in pixels and classes (n,), highest score first.
    """
    model = model or load_pretrained()
    image = images.read(image_file)
    ((boxes, scores, classes),) = find_all(model, [image])
    print(f"Found {len(boxes)} boxes for {image_file}")
    if out is not None:
        draw_boxes(image, boxes, classes, model.classes, scores)
        images.write(image, out)
    return scores, boxes, classes


# The application: the names that every assignment shares.


class Detector(NamedTuple):
    """A network, how its outputs are decoded, and the names of its classes."""

    model: keras.Model
    heads: tuple[darknet.Head, ...]
    classes: tuple[str, ...]


HEIGHT, WIDTH = 192, 352  # input size of the compact network, in pixels
STRIDE = 16  # side of a grid cell, in pixels
# (width, height) in cells: `yolo_v2.find_anchors` of the boxes of `load_data`.
ANCHORS = ((1.00, 0.70), (2.16, 1.22), (3.56, 1.43), (4.78, 2.18), (7.67, 3.50))
MAX_CARS = 8  # most boxes per training image


class TrainingData(NamedTuple):
    """Images and their boxes, as `load_data` returns them."""

    x: np.ndarray
    y: np.ndarray


def load_data(
    extra: int = 332, seed: int = 0, *, synthetic: bool = False
) -> TrainingData:
    """The first four fifths of the real frames, then synthetic images.

    Args:
        extra: how many synthetic images, from `car_boxes.make_roads`.
        synthetic: synthetic images in place of the frames, too; needs no files.

    Returns:
        x (m, 192, 352, 3) uint8, and y (m, 8, 4) float32, the boxes as fractions of
        the image, padded with rows of zeros.
    """
    frames = car_boxes.load_car_boxes(synthetic=synthetic)
    parts = [car_boxes.split_by_time(frames)[0]]
    if extra:
        parts.append(car_boxes.enlarged(car_boxes.make_roads(extra, seed=seed)))
    pairs = [car_boxes.training_arrays(p, HEIGHT, WIDTH, MAX_CARS) for p in parts]
    return TrainingData(*map(np.concatenate, zip(*pairs, strict=True)))


def build_model(
    cfg: str | None = None,
    classes: Sequence[str] | None = None,
    *,
    network: str = "compact",
) -> Detector:
    """Our compact YOLOv2 for cars, untrained, or the network of a Darknet cfg.

    Args:
        network: "yolo_v2" for the network of the course's `yolo.h5`, 80 classes.
        cfg: the text of a Darknet .cfg file.
        classes: the names of its classes; default: see `darknet_files.class_names`.
    """
    if cfg is not None:
        described = darknet.build(darknet.parse(cfg))
        return Detector(*described, darknet_files.class_names(described.heads, classes))
    if network == "yolo_v2":
        course = yolo_v2.yolo_v2(darknet_reorg=False)
        heads = (darknet.Head("region", yolo_v2.COCO_ANCHORS, 80, 32),)
        return Detector(course, heads, darknet_files.COCO_CLASSES)
    if network != "compact":
        raise InputError(
            f"car_detection has the networks compact and yolo_v2, not {network!r}."
        )
    model = yolo_v2.compact_yolo_v2((HEIGHT, WIDTH, 3), len(ANCHORS), 1)
    # Most cells are empty: initial objectness logits of -4 save the first epochs.
    bias = np.zeros((len(ANCHORS), 6), "float32")
    bias[:, 4] = -4.0
    model.layers[-1].bias.assign(bias.ravel())
    return Detector(model, (darknet.Head("region", ANCHORS, 1, STRIDE),), ("car",))


@examples.accepted(label_axes=2, pixels="uint8")
def train(
    detector: Detector,
    data: TrainingData,
    *,
    epochs: int = 90,
    batch_size: int = 16,
    learning_rate: float = 0.001,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `detector` in place with random crops, flips and colour jitter.

    Args:
        data: x (m, 192, 352, 3) uint8 and boxes (m, 8, 4), as `load_data` returns them.
        settings: further settings of `core.training.fit`.

    Returns:
        The mean of `yolo_v2.yolo_v2_loss` per image in each epoch.

    Raises:
        InputError: if the network has other outputs than those of YOLOv2.
    """
    kinds = [(head.kind, head.softmax) for head in detector.heads]
    if kinds != [("region", True)]:
        raise InputError(
            "Expected a detector with one region head and softmax=1 (YOLOv2), received "
            f"{', '.join(f'{kind}, softmax={softmax:d}' for kind, softmax in kinds)}. "
            "Use build_model() without a cfg, or train this network with Darknet."
        )
    keras.utils.set_random_seed(seed)
    model, head = detector.model, detector.heads[0]
    steps = len(data.x) // batch_size

    def loss_fn(x, boxes, training=True):
        feats = model(augment.scaled(x), training=training)
        box_xy, box_wh, _, _ = yolo_head(feats, head.anchors, head.classes)
        predicted = yolo_boxes_to_corners(box_xy, box_wh)
        return yolo_v2.yolo_v2_loss(feats, predicted, boxes, head.anchors)

    def augmented(seed, x, boxes):
        x, boxes = yolo_v2.random_crops(seed, augment.scaled(x), boxes)
        x = augment.colour_jitter(seed, x, brightness=0.2, contrast=0.3, tint=0.05)
        return x, boxes

    total = steps * epochs
    rate = training.cosine_decay_with_warmup(learning_rate, total, warmup=steps)
    return training.fit(
        loss_fn,
        data,
        model.trainable_variables,
        Adam(rate, clipnorm=10.0),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        augment=augmented,
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> Detector:
    """A detector with trained weights.

    Args:
        variant: "default" is the compact network, which detects cars; its weights ship
            with the package. "yolo-fastest-1.1-xl", "yolo-fastest-1.1" and "yolov2"
            are published detectors of 80 classes, loaded from Darknet's files in
            `$DLS_KERAS_DATA/yolo` or the cache, or downloaded.
    """
    if variant == "default":
        detector = build_model()
        weights.load(detector.model, "car_detection")
        return detector
    return load_darknet(*weights.find_published("car_detection", variant))


@settings.undisturbed()
def load_darknet(
    cfg_path: str | Path,
    weights_path: str | Path,
    *,
    classes: Sequence[str] | None = None,
    input_shape: tuple[int, int, int] | None = None,
    letter_box: bool | None = None,
) -> Detector:
    """The network of Darknet's two files.

    A classifier is loaded, too: it has no heads, and its `model` returns probabilities.

    Args:
        classes: the names of its classes; default: see `darknet_files.class_names`.
        input_shape: (height, width, channels) instead of that of the cfg.
        letter_box: whether `infer` keeps the aspect ratio of images, with grey bars.
            Default: as `letter_box` in the cfg's `[net]` states it, which is no unless
            given. The Darknet of pjreddie always does so and has no such option;
            AlexeyAB's does so only with `letter_box=1`.
    """
    model, heads = darknet_files.load(cfg_path, weights_path, input_shape=input_shape)
    if letter_box is not None:
        heads = tuple(head._replace(letter_box=letter_box) for head in heads)
    names = darknet_files.class_names(heads, classes) if heads else ()
    return Detector(model, heads, names)


@inputs.batched(inputs.PICTURE)
def infer(
    detector: Detector,
    photos: Any,
    *,
    max_boxes: int = 20,
    score_threshold: float = 0.5,
    iou_threshold: float = 0.5,
    letter_box: bool | None = None,
) -> list[Answer]:
    """Detect the objects in an image.

    Args:
        photos: an image of any size (path, PIL image, array, bytes), or a list of them;
            resized to the network's input.
        score_threshold: keep a box whose best class scores, in [0, 1], at least this.
        iou_threshold: drop a box whose IoU with a better one is higher than this.
        letter_box: whether the aspect ratio is kept, with grey bars; default: as the
            network was loaded (see `load_darknet`), which is no for our own.

    Returns:
        An `Answer` such as "2 cars". Its confidence is the highest score, None without
        boxes: the probability of an object times that of its class. `details["boxes"]`
        lists each box as {"class", "score", "box"}, the corners (y1, x1, y2, x2) in
        pixels of the photo, highest score first.
    """
    found = find_all(
        detector,
        photos,
        max_boxes=max_boxes,
        score_threshold=score_threshold,
        iou_threshold=iou_threshold,
        letter_box=letter_box,
    )
    return [detected(*one, detector.classes) for one in found]


def find_all(
    detector: Detector,
    pictures: Sequence[Any] | np.ndarray,
    *,
    max_boxes: int = 20,
    score_threshold: float = 0.5,
    iou_threshold: float = 0.5,
    letter_box: bool | None = None,
) -> list[Detections]:
    """The `Detections` in each of many images; arguments are those of `infer`.

    `fast_boxes.detect_images` decodes sixteen images at a time for the usual networks;
    a test compares it with `yolo_head` and `yolo_eval`, which serve for the others.

    Raises:
        InputError: if the network is not a detector of grey or RGB images.
    """
    model, heads = detector.model, detector.heads
    if not heads:
        raise InputError(
            "The network is a classifier, not a detector: its cfg has no [region] or "
            "[yolo] section; call `model` of the detector for its probabilities."
        )
    height, width, channels = model.input_shape[1:]
    if channels not in (1, 3):
        raise InputError(
            f"The network takes images of {channels} channels, expected 1 (grey) or 3 "
            "(RGB); call its `model` with arrays."
        )
    if letter_box is None:
        letter_box = heads[0].letter_box
    selection = {
        "max_boxes": max_boxes,
        "score_threshold": score_threshold,
        "iou_threshold": iou_threshold,
    }
    usual = all(  # as `fast_boxes` decodes them
        head == darknet.Head(*head[:4], letter_box=head.letter_box)
        and [head.stride * n for n in output.shape[1:3]] == [height, width]
        for head, output in zip(heads, model.outputs, strict=True)
    )
    if usual and channels == 3 and not letter_box:
        return fast_boxes.detect_images(model, heads, pictures, **selection)
    return [_find(detector, picture, letter_box, **selection) for picture in pictures]


def _find(detector, picture, letter_box, **selection):
    """The `Detections` in one image, for every kind of head and input."""
    *size, channels = detector.model.input_shape[1:]
    image = images.read(picture)
    source = image.convert("L") if channels == 1 else image
    x, covered = images.letter_boxed(source, *size, keep_aspect_ratio=letter_box)
    outputs = detector.model(x[np.newaxis, ..., :channels], training=False)
    decoded = [
        head.decode(y, size)
        for head, y in zip(detector.heads, keras.tree.flatten(outputs), strict=True)
    ]
    box_xy, box_wh, *rest = (
        tf.concat([tf.reshape(one, (-1, one.shape[-1])) for one in part], axis=0)
        for part in zip(*decoded, strict=True)
    )
    # From fractions of the input to fractions of the image, as Darknet does it: without
    # rounding the bars to pixels.
    box_xy = (box_xy - 0.5) / covered + 0.5
    scores, boxes, classes = yolo_eval(
        (box_xy, box_wh / covered, *rest), (image.height, image.width), **selection
    )
    return Detections(*map(np.asarray, (boxes, scores, classes)))


def average_precision_on(
    detector: Detector, roads: car_boxes.Roads, *, names: Sequence[str] = ("car",)
) -> float:
    """AP@0.5 of a detector, with the classes `names` taken as one class.

    Boxes count from a score of 0.005 on, as in Darknet's own evaluation.
    """
    if missing := set(names) - set(detector.classes):
        raise InputError(
            f"The detector has no class {', '.join(sorted(missing))}; its classes are "
            f"{', '.join(detector.classes)}. Choose some of these as `names`."
        )
    wanted = [detector.classes.index(name) for name in names]
    found = find_all(detector, roads.images, max_boxes=100, score_threshold=0.005)
    kept = [
        Detections(*(part[np.isin(one.classes, wanted)] for part in one))
        for one in found
    ]
    return average_precision(kept, roads.boxes)


def evaluate(detector: Detector | None = None, *, synthetic: bool = False) -> list[Row]:
    """AP@0.5 on held-out images; of YOLO-Fastest, too, if its files are available.

    Args:
        synthetic: only the row of synthetic images; needs no files.
    """
    detector = detector or load_pretrained()
    roads = car_boxes.enlarged(car_boxes.make_roads(100, seed=10_000))
    ap = average_precision_on(detector, roads)
    made = Row("AP@0.5, 100 held-out synthetic images", ap)
    if synthetic:
        return [made]
    real = car_boxes.load_car_boxes()
    _, held_out = car_boxes.split_by_time(real)
    ap = average_precision_on(detector, held_out)
    rows = [Row("AP@0.5, last 83 frames of car_boxes", ap, at_least=0.75), made]
    if weights.available("car_detection", "yolo-fastest-1.1-xl"):
        fastest = load_pretrained("yolo-fastest-1.1-xl")
        ap = average_precision_on(fastest, real, names=("car", "bus", "truck"))
        rows.append(Row("AP@0.5, YOLO-Fastest 1.1 XL on car_boxes", ap, at_least=0.80))
    return rows


def picture(image: Any, answer: Answer) -> Image.Image:
    """A copy of the image with the boxes of `answer`."""
    found = answer.details["boxes"]
    names = sorted({box["class"] for box in found})
    drawing = images.read(image)
    draw_boxes(
        drawing,
        [box["box"] for box in found],
        [names.index(box["class"]) for box in found],
        names,
        [box["score"] for box in found],
    )
    return drawing


def example() -> tuple[str, Any]:
    """The question of the tour: a real frame if available, else a synthetic image."""
    photo = files.in_data_folder("car_boxes/images/vid_4_29520.jpg")
    if photo:
        return "Where are the cars on this road?", photo
    road = car_boxes.make_roads(3, seed=7).images[2]  # (380, 676, 3) uint8
    return "Where are the cars in this synthetic image?", road
