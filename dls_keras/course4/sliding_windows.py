"""Sliding windows: one convolutional pass looks through all windows at once (C4 W3).

A classifier that knows a small window finds things in a large picture when the window
slides over it, at several scales. Crop by crop, neighbouring windows repeat nearly all
of each other's work. A dense layer behind a Flatten of h x w x n_C numbers, though, is
a convolution whose window is h x w:

    W^T flatten(A) + b  =  (A * K)[0, 0] + b      with K = W as (h, w, n_C, units)

so the whole classifier is a convolution. Given the large picture it answers for every
window at once, `stride` pixels apart, with the same numbers. Here it looks for
handwritten digits among scribbles.

Shapes: windows (n_H, n_W, n_C), m pictures of any size; a window of 28 x 28 greys has
eleven answers, the last for "nothing". A box is (y1, x1, y2, x2).
Paper: Sermanet et al. (2014), "OverFeat", https://arxiv.org/abs/1312.6229
"""

import itertools
import time
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image

from dls_keras import plots
from dls_keras.core import files, images, training, weights
from dls_keras.core.errors import InputError
from dls_keras.datasets import digits
from dls_keras.fast import boxes as fast_boxes
from dls_keras.fast.layers import Adam

SIZE = digits.SIZE  # height and width of a window, in pixels
SCALE = 1.2  # from one size of the picture to the next
CLASSES = tuple("zero one two three four five six seven eight nine".split())
NOTHING = len(CLASSES)  # the class of a window without a digit


# The assignment: the convolutional implementation.

WINDOWED = (layers.Conv2D, layers.MaxPooling2D, layers.AveragePooling2D)
POINTWISE = (layers.Activation, layers.ReLU, layers.Dropout, layers.BatchNormalization)


def convolutional(model):
    """The model that gives for each window of a picture what `model` gives for it.

    Dense layers become convolutions with the same weights; all weights are copied.

    Args:
        model: a Keras model of one chain of layers, from (m, n_H, n_W, n_C) to
            (m, classes): convolutions and poolings with padding "valid", activations,
            dropout, batch normalisation, one Flatten right before a dense layer (but
            for dropout and ReLU), dense layers.

    Returns:
        A model from (m, height, width, n_C), of any height and width from n_H and n_W
        on, to (m, rows, columns, classes): the windows are `stride(model)` apart. If
        `model` never uses its last pixels, since a pooling does not come out even,
        there may be windows more whose last pixels lie outside the picture.

    Raises:
        InputError: if a layer is of another kind, stands elsewhere, or pads: at the
            border of a window it would see zeros, where in the picture are pixels.
    """
    X = A = keras.Input((None, None, model.input_shape[-1]))
    window = (1, 1)  # of the next dense layer
    for layer in _chain(model):
        if isinstance(layer, layers.Flatten):
            window = layer.input.shape[1:3]
        elif isinstance(layer, layers.Dense):
            convolution = layers.Conv2D(
                layer.units,
                window,
                activation=layer.activation,
                use_bias=layer.use_bias,
                dtype=layer.dtype_policy,
            )
            A = convolution(A)
            W, *b = layer.get_weights()  # W: (h * w * n_C, units)
            convolution.set_weights([W.reshape(convolution.kernel.shape), *b])
            window = (1, 1)
        else:
            copy = type(layer).from_config(layer.get_config())
            A = copy(A)
            copy.set_weights(layer.get_weights())
    return keras.Model(X, A)


def stride(model):
    """Pixels (down, right) from one window of `convolutional(model)` to the next."""
    steps = [layer.strides for layer in _chain(model) if isinstance(layer, WINDOWED)]
    return tuple(int(step) for step in np.prod([(1, 1), *steps], axis=0))


def crops(model, pictures):
    """The windows of pictures (m, height, width, n_C), `stride(model)` apart.

    Returns:
        (m, rows, columns, n_H, n_W, n_C), a view.
    """
    (n_H, n_W, n_C), (down, right) = model.input_shape[1:], stride(model)
    views = np.lib.stride_tricks.sliding_window_view(
        pictures, (n_H, n_W, n_C), axis=(1, 2, 3)
    )
    return views[:, ::down, ::right, 0]


def crop_by_crop(model, pictures):
    """What `convolutional(model)` gives, the slow way: each window by itself."""
    windows = crops(model, pictures)
    flat = np.reshape(windows, (-1, *model.input_shape[1:]))
    return model.predict_on_batch(flat).reshape(*windows.shape[:3], -1)


def multiplications(model, height, width):
    """How often `convolutional(model)` multiplies for one (height, width) picture."""
    total, shape = 0, (1, height, width, model.input_shape[-1])
    for layer in convolutional(model).layers[1:]:
        shape = layer.compute_output_shape(shape)
        if isinstance(layer, layers.Conv2D):
            total += int(np.prod(shape[1:3]) * np.prod(layer.kernel.shape))
    return total


def _chain(model):
    """The layers of a model that `convolutional` can turn, in order."""
    chain = [one for one in model.layers if not isinstance(one, layers.InputLayer)]
    for layer in chain:
        if not isinstance(layer, (*WINDOWED, *POINTWISE, layers.Flatten, layers.Dense)):
            raise InputError(
                f"The layer {layer.name} is a {type(layer).__name__}, which has no "
                "convolutional form here. Use convolutions, poolings, activations, "
                "dropout, batch normalisation, Flatten and dense layers."
            )
        if isinstance(layer, WINDOWED) and layer.padding != "valid":
            raise InputError(
                f"The layer {layer.name} has padding {layer.padding!r}: a window by "
                "itself would be padded, one in a picture not. Use padding='valid'."
            )
    weighty = [x for x in chain if not isinstance(x, (layers.Dropout, layers.ReLU))]
    for layer, after in itertools.pairwise([*weighty, None]):
        flattens = isinstance(layer, layers.Flatten)
        if flattens and layer.output.shape[1] > layer.input.shape[-1]:
            if not isinstance(after, layers.Dense):
                raise InputError(
                    f"No dense layer follows the layer {layer.name}, which flattens "
                    f"{layer.input.shape[1:]}: what comes behind it would see single "
                    "pixels. Put a Dense right behind Flatten."
                )
    return chain


# The application: the names that every assignment shares.


class Detector(NamedTuple):
    """A classifier of windows, and the names of its classes but "nothing"."""

    model: keras.Model
    classes: tuple[str, ...]


class Windows(NamedTuple):
    """Windows x (m, 28, 28, 1) uint8 and y (m,) int64, a digit or `NOTHING`."""

    x: np.ndarray
    y: np.ndarray


def load_data(m=800, seed=0, detector=None):
    """Windows to learn from, cut out of canvases: with a digit well inside, or none.

    Args:
        m: canvases, half with MNIST's training digits, half with drawn ones.
        detector: a `Detector`; the windows where it sees a digit and there is none
            come on top (hard negatives).

    Returns:
        `Windows`, in random order.
    """
    mnist = digits.load_digits()
    parts = [
        digits.make_canvases(m // 2, (mnist.x, mnist.y), seed=seed),
        digits.make_canvases(m - m // 2, digits.make_digits(5000), seed=seed + 1),
    ]
    rng, found = np.random.default_rng(seed), []
    for part in parts:
        found += [cut_windows(*scene, rng) for scene in zip(*part, strict=True)]
        if detector:
            found.append(mistakes(detector, part, rng))
    x, y = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    order = rng.permutation(len(x))
    return Windows(x[order], y[order])


def cut_windows(image, boxes, labels, rng, near=24, far=40):
    """Windows of one canvas, at random, to learn from.

    A window that overlaps a box by 0.6 (intersection over union) shows its digit, one
    that overlaps none by 0.4 shows nothing, others are left out.

    Args:
        image: (height, width) uint8.
        boxes, labels: (k, 4) and (k,), the digits on the canvas.
        near: windows about each box.
        far: windows anywhere.

    Returns:
        `Windows`.
    """
    centres = np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2] * near)
    sides = np.concatenate([boxes[:, 2] - boxes[:, 0]] * near)
    spread = rng.choice([0.08, 0.3], len(sides))  # half of them are meant to miss
    centres = centres + (spread * sides)[:, None] * rng.normal(0, 1, centres.shape)
    sides = sides * np.exp(rng.normal(0, spread))
    anywhere = rng.uniform(np.log(SIZE), np.log(min(image.shape)), far)
    sides = np.append(sides, np.exp(anywhere))[:, None]
    centres = np.append(centres, rng.uniform((0, 0), image.shape, (far, 2)), axis=0)

    windows = np.concatenate([centres - sides / 2, centres + sides / 2], 1)
    inside = (windows[:, :2] >= 0).all(1) & (windows[:, 2:] <= image.shape).all(1)
    kept, y = [], []
    for window in windows[inside]:
        ious = fast_boxes.box_ious(window, boxes)
        if ious.max(initial=0) < 0.4:
            y.append(NOTHING)
        elif ious.max() >= 0.6:
            y.append(labels[ious.argmax()])
        else:
            continue
        kept.append(window)
    return Windows(_cut(Image.fromarray(image), kept), np.array(y, "int64"))


def mistakes(detector, canvases, rng, most=30):
    """Windows where `detector` sees a digit and there is none.

    Args:
        canvases: a `digits.Canvases`.
        most: as many of each canvas, chosen at random.

    Returns:
        `Windows`, all of the class `NOTHING`.
    """
    network, steps = _network(detector), stride(detector.model)
    found = []
    for image, boxes in zip(canvases.images, canvases.boxes, strict=True):
        picture = Image.fromarray(image)
        windows, _, _ = search(network, picture, steps, threshold=0.5)
        overlaps = [fast_boxes.box_ious(w, boxes).max(initial=0) for w in windows]
        wrong = windows[np.array(overlaps) < 0.4]
        found.append(_cut(picture, rng.permutation(wrong)[:most]))
    x = np.concatenate(found)
    return Windows(x, np.full(len(x), NOTHING))


def _cut(picture, windows):
    """The windows (n, 4) of a PIL image "L", each scaled to (28, 28, 1) uint8."""
    bilinear = Image.Resampling.BILINEAR
    x = [
        np.asarray(picture.resize((SIZE, SIZE), bilinear, (x1, y1, x2, y2)))
        for y1, x1, y2, x2 in windows
    ]
    return np.reshape(x, (-1, SIZE, SIZE, 1)).astype("uint8")


def build_model():
    """A small classifier of windows, untrained, as a `Detector`."""
    model = keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 1)),
            layers.Conv2D(16, 5, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dropout(0.3),
            layers.Dense(len(CLASSES) + 1, activation="softmax"),
        ],
        name="windows",
    )
    return Detector(model, CLASSES)


def train(
    detector,
    data,
    *,
    epochs=12,
    batch_size=128,
    learning_rate=0.002,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `detector` in place on windows; the rate falls to zero along a cosine.

    Returns:
        Each epoch's mean cross-entropy, in nats.
    """
    keras.utils.set_random_seed(seed)
    model = detector.model

    def loss_fn(x, y):
        y_hat = model(tf.cast(x, tf.float32) / 255, training=True)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    steps = max(1, epochs * (len(data.x) // batch_size))
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    return training.fit(
        loss_fn,
        data,
        model.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def load_pretrained(variant="default"):
    """The detector with shipped weights, checked (see `core.weights.load`)."""
    detector = build_model()
    weights.load(detector.model, "sliding_windows", variant)
    return detector


def infer(detector, image, *, threshold=0.95, overlap=0.3, max_boxes=50):
    """Find the digits in a picture, large and small.

    Args:
        image: a picture of any size (path, PIL image or array), dark on light or light
            on dark; one with a side over 512 pixels is searched at that size.
        threshold: keep a window whose best digit scores at least this, in [0, 1];
            0.95 was best on 120 canvases of other seeds than those measured.
        overlap: drop a window that overlaps a better one by more than this.

    Returns:
        `fast_boxes.Detections`: boxes (n, 4) in pixels of `image`, best first, scores
        (n,) and classes (n,).
    """
    return find_all(detector, [image], threshold, overlap, max_boxes)[0]


def find_all(detector, pictures, threshold=0.95, overlap=0.3, max_boxes=50):
    """What `infer` finds in each of many pictures."""
    network, steps = _network(detector), stride(detector.model)
    found = []
    for picture in map(images.read, pictures):
        ink = Image.fromarray(np.rint(digits.ink(picture) * 255).astype("uint8"))
        boxes, scores, classes = search(network, ink, steps, threshold)
        kept = fast_boxes.non_max_suppression(boxes, scores, max_boxes, overlap)
        scale = (picture.height / ink.height, picture.width / ink.width)
        boxes = (boxes[kept] * np.tile(scale, 2)).astype("float32")
        found.append(fast_boxes.Detections(boxes, scores[kept], classes[kept]))
    return found


def search(network, picture, steps, threshold):
    """All windows of all sizes that see a digit.

    The window stays as it is; the picture becomes smaller by and by.

    Args:
        network: what `convolutional` returns.
        picture: a PIL image "L", white on black.
        steps: pixels (down, right) between two windows.

    Returns:
        boxes (n, 4) in pixels of `picture`, scores (n,) and classes (n,).
    """
    boxes, scores, classes = [np.empty((0, 4))], [np.empty(0, "f4")], [np.empty(0, int)]
    height, width = picture.height, picture.width
    while min(height, width) >= SIZE:
        small = picture.resize((width, height), Image.Resampling.BILINEAR)
        x = np.asarray(small, "float32")[np.newaxis, ..., np.newaxis] / 255
        answers = np.asarray(network(x))[0, ..., :NOTHING]  # (rows, columns, 10)
        best = answers.max(2)
        places = np.argwhere(best >= threshold)
        corners = places * steps
        scale = (picture.height / height, picture.width / width)
        boxes.append(np.hstack([corners, corners + SIZE]) * np.tile(scale, 2))
        scores.append(best[tuple(places.T)])
        classes.append(answers.argmax(2)[tuple(places.T)])
        height, width = round(height / SCALE), round(width / SCALE)
    return tuple(map(np.concatenate, (boxes, scores, classes)))


def _network(detector):
    """The convolutional form as one graph, traced once for pictures of all sizes."""
    network = convolutional(detector.model)
    any_size = tf.TensorSpec((1, None, None, 1))
    return tf.function(lambda x: network(x, training=False), input_signature=[any_size])


def speed_up(model, pictures, rounds=7):
    """How much longer `crop_by_crop` takes than one pass, and the largest difference.

    Both run in turn, after one round to warm up; the ratio is that of the medians.

    Args:
        pictures: (m, height, width, n_C) float32.
    """
    network = convolutional(model)
    seconds, answers = [], []
    for _ in range(rounds + 1):
        for answer in (
            lambda: network.predict_on_batch(pictures),
            lambda: crop_by_crop(model, pictures),
        ):
            start = time.perf_counter()
            answers.append(answer())
            seconds.append(time.perf_counter() - start)
    one_pass, by_crops = np.median(np.reshape(seconds[2:], (-1, 2)), axis=0)
    return by_crops / one_pass, np.abs(answers[-1] - answers[-2]).max()


def found_and_read(detector, canvases):
    """The F1 score of a detector of digits: right boxes with the right digit."""
    hits = boxes = truths = 0
    found = find_all(detector, canvases.images)
    for one, truth, labels in zip(found, canvases.boxes, canvases.labels, strict=True):
        free = np.ones(len(truth), bool)
        for box, digit in zip(one.boxes, one.classes, strict=True):
            right = fast_boxes.box_ious(box, truth) * (free & (labels == digit))
            if len(truth) and right.max() >= 0.5:
                free[right.argmax()] = False
                hits += 1
        boxes, truths = boxes + len(one.boxes), truths + len(truth)
    return 2 * hits / (boxes + truths)


def evaluate(detector=None):
    """What one pass saves, and how well new canvases are read: (what, ours, goal)."""
    detector = detector or load_pretrained()
    model, mnist = detector.model, digits.load_digits()
    written = digits.make_canvases(200, (mnist.x_test, mnist.y_test), seed=10_000)
    drawn = digits.make_canvases(200, digits.make_digits(1000, seed=9), seed=10_001)
    x = written.images[:1, ..., np.newaxis].astype("float32") / 255
    times, difference = speed_up(model, x)
    n = int(np.prod(crops(model, x).shape[1:3]))
    alone = multiplications(model, SIZE, SIZE)
    fewer = n * alone / multiplications(model, *x.shape[1:3])
    return [
        (f"one pass against {n} crops, largest difference", difference, None),
        ("one pass is faster, times", times, None),
        ("one pass multiplies less, times", fewer, None),
        ("F1, 200 canvases of test digits", found_and_read(detector, written), None),
        ("F1, 200 canvases of drawn digits", found_and_read(detector, drawn), None),
    ]


def picture(detector, image):
    """The picture with the boxes found in it, a matplotlib figure."""
    boxes, scores, classes = infer(detector, image)
    labels = [
        f"{detector.classes[k]} {score:.2f}"
        for k, score in zip(classes, scores, strict=True)
    ]
    return plots.boxes(image, boxes, labels)


def example():
    """The question of the tour: a canvas of test digits, or of drawn ones."""
    if files.in_data_folder(digits.TEST_PART):
        mnist = digits.load_digits()
        source, who = (mnist.x_test, mnist.y_test), "written"
    else:
        source, who = None, "drawn"
    canvas = digits.make_canvases(1, source, seed=7).images[0]
    return f"Which digits are {who} on this canvas?", canvas
