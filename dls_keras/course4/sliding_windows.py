"""Sliding windows: one convolutional pass classifies all windows at once (C4 W3).

A classifier of small windows becomes a detector when it is applied to every window of
a large image, at several scales. If each window is cropped and classified separately,
neighbouring windows repeat almost all of the computation. But a dense layer after a
Flatten of h x w x n_C numbers is a convolution with a kernel of h x w:

    W^T flatten(A) + b  =  (A * K)[0, 0] + b      with K = W as (h, w, n_C, units)

So the whole classifier is a convolutional network. Applied to a large image it
classifies all windows, `stride` pixels apart, in one pass and with the same numbers.
Here it detects handwritten digits among scribbles.

Shapes: windows (n_H, n_W, n_C), m images of any size; a window of 28 x 28 grey pixels
has eleven classes, the last one for the background. A box is (y1, x1, y2, x2).
Paper: Sermanet et al. (2014), "OverFeat", https://arxiv.org/abs/1312.6229
"""

import itertools
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure
from PIL import Image

from dls_keras import plots
from dls_keras.core import (
    examples,
    files,
    images,
    inputs,
    pretrained,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row, detected
from dls_keras.core.detections import Detections, f1_score
from dls_keras.core.errors import InputError
from dls_keras.datasets import digit_windows, digits
from dls_keras.datasets.digit_windows import BACKGROUND, Windows
from dls_keras.fast import boxes as fast_boxes

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam

SIZE = digits.SIZE  # height and width of a window, in pixels
SCALE = 1.2  # factor between two sizes of the image
CLASSES = tuple("zero one two three four five six seven eight nine".split())


# The assignment: the convolutional implementation.

WINDOWED = (layers.Conv2D, layers.MaxPooling2D, layers.AveragePooling2D)
POINTWISE = (layers.Activation, layers.ReLU, layers.Dropout, layers.BatchNormalization)


@settings.keras_defaults()
def convolutional(model: keras.Model) -> keras.Model:
    """The model that gives, for every window of an image, the output of `model`.

    Dense layers become convolutions with the same weights; all weights are copied.

    Args:
        model: a Keras model with one chain of layers, from (m, n_H, n_W, n_C) to
            (m, classes): convolutions and poolings with padding "valid", activations,
            dropout, batch normalisation, dense layers, and one Flatten, directly
            followed by a dense layer (dropout and ReLU may be between them).

    Returns:
        A model from (m, height, width, n_C), for any height >= n_H and width >= n_W,
        to (m, rows, columns, classes); the windows are `stride(model)` apart. If
        `model` does not use its last pixels, because a pooling does not divide its
        input evenly, there may be further windows that extend beyond the image.

    Raises:
        InputError: if a layer is of another kind, is in another place, or has padding:
            a separate window would be zero-padded where the image has pixels.
    """
    X = A = keras.Input((None, None, model.input_shape[-1]))
    kernel = (1, 1)  # height and width of the next dense layer as a convolution
    for layer in _chain(model):
        if isinstance(layer, layers.Flatten):
            kernel = layer.input.shape[1:3]
        elif isinstance(layer, layers.Dense):
            convolution = layers.Conv2D(
                layer.units,
                kernel,
                activation=layer.activation,
                use_bias=layer.use_bias,
                dtype=layer.dtype_policy,
            )
            A = convolution(A)
            W, *b = layer.get_weights()  # W: (h * w * n_C, units)
            convolution.set_weights([W.reshape(convolution.kernel.shape), *b])
            kernel = (1, 1)
        else:
            copy = type(layer).from_config(layer.get_config())
            A = copy(A)
            copy.set_weights(layer.get_weights())
    return keras.Model(X, A)


def stride(model: keras.Model) -> tuple[int, int]:
    """Distance (down, right) in pixels between windows of `convolutional(model)`."""
    steps = [layer.strides for layer in _chain(model) if isinstance(layer, WINDOWED)]
    down, right = np.prod([(1, 1), *steps], axis=0)
    return int(down), int(right)


def crops(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """The windows of images (m, height, width, n_C), `stride(model)` apart.

    Returns:
        (m, rows, columns, n_H, n_W, n_C), a view of `pictures`.
    """
    (n_H, n_W, n_C), (down, right) = model.input_shape[1:], stride(model)
    views = np.lib.stride_tricks.sliding_window_view(
        pictures, (n_H, n_W, n_C), axis=(1, 2, 3)
    )
    return views[:, ::down, ::right, 0]


def crop_by_crop(model: keras.Model, pictures: np.ndarray) -> np.ndarray:
    """The outputs of `convolutional(model)`, with every window classified separately.

    Returns:
        (m, rows, columns, classes).
    """
    windows = crops(model, pictures)
    flat = np.reshape(windows, (-1, *model.input_shape[1:]))
    return model.predict_on_batch(flat).reshape(*windows.shape[:3], -1)


def multiplications(model: keras.Model, height: int, width: int) -> int:
    """The number of multiplications of `convolutional(model)` for one image."""
    total, shape = 0, (1, height, width, model.input_shape[-1])
    for layer in convolutional(model).layers[1:]:
        shape = layer.compute_output_shape(shape)
        if isinstance(layer, layers.Conv2D):
            total += int(np.prod(shape[1:3]) * np.prod(layer.kernel.shape))
    return total


def _chain(model):
    """The layers of a model in order, if `convolutional` can convert them all."""
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
                f"The layer {layer.name} has padding={layer.padding!r}: it would pad a "
                "separate window, but not a window inside an image. Use "
                "padding='valid'."
            )
    others = [x for x in chain if not isinstance(x, (layers.Dropout, layers.ReLU))]
    for layer, following in itertools.pairwise([*others, None]):
        # Any layer may follow a Flatten of a single pixel, which changes nothing.
        flattens = isinstance(layer, layers.Flatten)
        if flattens and layer.output.shape[1] > layer.input.shape[-1]:
            if not isinstance(following, layers.Dense):
                raise InputError(
                    f"No dense layer follows the layer {layer.name}, which flattens "
                    f"{layer.input.shape[1:]}; in an image the following layers would "
                    "have single pixels as input. Put a Dense directly after Flatten."
                )
    return chain


# The application: the names that every assignment shares.


class Detector(NamedTuple):
    """A classifier of windows, and the names of its classes without the background."""

    model: keras.Model
    classes: tuple[str, ...]


def load_data(
    m: int = 800,
    seed: int = 0,
    detector: Detector | None = None,
    *,
    synthetic: bool = False,
) -> Windows:
    """Training windows, with a digit or without, from random canvases.

    Args:
        m: number of canvases, half with MNIST's training digits, half with synthetic
            ones.
        detector: a trained detector; its hard negatives are added.
        synthetic: synthetic digits on all canvases; needs no files.

    Returns:
        `Windows`, in random order.
    """
    mnist = digits.load_digits(synthetic=synthetic)
    parts = [
        digits.make_canvases(m // 2, (mnist.x, mnist.y), seed=seed),
        digits.make_canvases(m - m // 2, digits.make_digits(5000), seed=seed + 1),
    ]
    rng, found = np.random.default_rng(seed), []
    for part in parts:
        canvases = zip(*part, strict=True)
        found += [digit_windows.sample_windows(*canvas, rng) for canvas in canvases]
        if detector:
            found.append(hard_negatives(detector, part, rng))
    x, y = (np.concatenate(arrays) for arrays in zip(*found, strict=True))
    order = rng.permutation(len(x))
    return Windows(x[order], y[order])


def hard_negatives(
    detector: Detector,
    canvases: digits.Canvases,
    rng: np.random.Generator,
    most: int = 30,
) -> Windows:
    """Windows of the background in which `detector` wrongly detects a digit.

    Args:
        most: at most this many windows per canvas, chosen at random.
    """
    network, steps = _compiled(detector), stride(detector.model)
    found = []
    for image, boxes in zip(canvases.images, canvases.boxes, strict=True):
        windows, _, _ = search_pyramid(network, Image.fromarray(image), steps, 0.5)
        found.append(digit_windows.negatives(image, boxes, windows, rng, most))
    return Windows(*map(np.concatenate, zip(*found, strict=True)))


@settings.keras_defaults()
def build_model() -> Detector:
    """A small untrained classifier of windows, as a `Detector`."""
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


@examples.accepted(pixels="uint8")
def train(
    detector: Detector,
    data: Windows,
    *,
    epochs: int = 12,
    batch_size: int = 128,
    learning_rate: float = 0.002,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `detector` in place on windows, with cosine decay of the learning rate.

    Args:
        data: x (m, 28, 28, 1) uint8 and y (m,), as `load_data` returns them.
        settings: further settings of `core.training.fit`.

    Returns:
        The mean cross-entropy of each epoch, in nats per window.
    """
    keras.utils.set_random_seed(seed)
    model = detector.model

    def loss_fn(x, y, training=True):
        y_hat = model(tf.cast(x, tf.float32) / 255, training=training)
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
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> Detector:
    """The detector with pretrained weights, verified by `core.weights.load`."""
    detector = build_model()
    weights.load(detector.model, "sliding_windows", variant, outputs=weights.features)
    return detector


@inputs.batched(inputs.PICTURE)
def infer(
    detector: Detector,
    photos: Any,
    *,
    threshold: float = 0.95,
    overlap: float = 0.3,
    max_boxes: int = 50,
) -> list[Answer]:
    """Detect the digits in an image, small and large ones.

    Args:
        photos: an image of any size (path, PIL image, array, bytes), or a list of them,
            dark on light or light on dark; if a side has more than 512 pixels, it is
            reduced for the search.
        threshold: keep a window whose best digit has at least this probability; 0.95
            was best on 120 validation canvases.
        overlap: drop a window whose IoU with a better one is higher than this.

    Returns:
        An `Answer` such as "2 sevens, 1 four". Its confidence is the highest softmax
        probability of a window, None without boxes. `details["boxes"]` lists each box
        as {"class", "score", "box"}, the corners (y1, x1, y2, x2) in pixels of the
        photo, highest score first.
    """
    found = find_all(detector, photos, threshold, overlap, max_boxes)
    return [detected(*one, detector.classes) for one in found]


def find_all(
    detector: Detector,
    pictures: Sequence[Any] | np.ndarray,
    threshold: float = 0.95,
    overlap: float = 0.3,
    max_boxes: int = 50,
) -> list[Detections]:
    """The `Detections` in each of many images; arguments are those of `infer`.

    `fast_boxes.non_max_suppression` keeps the best of the windows that overlap; a test
    compares it with that of TensorFlow, which the next assignment uses.
    """
    network, steps = _compiled(detector), stride(detector.model)
    found = []
    for image in map(images.read, pictures):
        ink = Image.fromarray(np.rint(digits.ink(image) * 255).astype("uint8"))
        boxes, scores, classes = search_pyramid(network, ink, steps, threshold)
        kept = fast_boxes.non_max_suppression(boxes, scores, max_boxes, overlap)
        scale = (image.height / ink.height, image.width / ink.width)
        boxes = (boxes[kept] * np.tile(scale, 2)).astype("float32")
        found.append(Detections(boxes, scores[kept], classes[kept]))
    return found


def search_pyramid(
    network: Callable, image: Image.Image, steps: tuple[int, int], threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All windows, at all sizes, in which the network detects a digit.

    The size of the window is fixed; the image becomes smaller (an image pyramid).

    Args:
        network: the result of `convolutional`.
        image: a PIL image "L", white on black.
        steps: distance (down, right) between two windows, in pixels.

    Returns:
        boxes (n, 4) in pixels of `image`, scores (n,) and classes (n,).
    """
    boxes, scores, classes = [np.empty((0, 4))], [np.empty(0, "f4")], [np.empty(0, int)]
    height, width = image.height, image.width
    while min(height, width) >= SIZE:
        small = image.resize((width, height), Image.Resampling.BILINEAR)
        x = np.asarray(small, "float32")[np.newaxis, ..., np.newaxis] / 255
        outputs = np.asarray(network(x))[0, ..., :BACKGROUND]  # (rows, columns, 10)
        best = outputs.max(2)
        indices = np.argwhere(best >= threshold)  # (n, 2): row and column
        corners = indices * steps
        scale = (image.height / height, image.width / width)
        boxes.append(np.hstack([corners, corners + SIZE]) * np.tile(scale, 2))
        scores.append(best[tuple(indices.T)])
        classes.append(outputs.argmax(2)[tuple(indices.T)])
        height, width = round(height / SCALE), round(width / SCALE)
    return np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes)


@settings.undisturbed()
def _compiled(detector):
    """The convolutional form as one graph, traced once for images of all sizes."""
    network = convolutional(detector.model)
    any_size = tf.TensorSpec((1, None, None, 1))
    return tf.function(lambda x: network(x, training=False), input_signature=[any_size])


def speed_up(
    model: keras.Model, pictures: np.ndarray, rounds: int = 7
) -> tuple[float, float]:
    """How many times faster one pass is than `crop_by_crop`.

    Both are timed alternately, after one warm-up round.

    Args:
        pictures: (m, height, width, n_C) float32.

    Returns:
        The ratio of the median times, and the largest difference of the outputs.
    """
    network = convolutional(model)
    seconds, outputs = [], []
    for _ in range(rounds + 1):
        for run in (
            lambda: network.predict_on_batch(pictures),
            lambda: crop_by_crop(model, pictures),
        ):
            start = time.perf_counter()
            outputs.append(run())
            seconds.append(time.perf_counter() - start)
    one_pass, by_crops = np.median(np.reshape(seconds[2:], (-1, 2)), axis=0)
    return by_crops / one_pass, np.abs(outputs[-1] - outputs[-2]).max()


def f1_on(detector: Detector, canvases: digits.Canvases) -> float:
    """F1 score of the digits that are detected and classified correctly."""
    found = find_all(detector, canvases.images)
    return f1_score(found, canvases.boxes, canvases.labels)


def evaluate(detector: Detector | None = None, *, synthetic: bool = False) -> list[Row]:
    """The speed-up of one pass, and F1 scores on held-out canvases.

    Args:
        synthetic: without the F1 score on MNIST's digits; needs no files.
    """
    detector = detector or load_pretrained()
    model = detector.model
    canvases = digits.make_canvases(200, digits.make_digits(1000, seed=9), seed=10_001)
    f1 = f1_on(detector, canvases)
    made = Row("F1, 200 canvases of held-out synthetic digits", f1)
    x = canvases.images[:1, ..., np.newaxis].astype("float32") / 255
    times, difference = speed_up(model, x)
    n = int(np.prod(crops(model, x).shape[1:3]))
    separate = n * multiplications(model, SIZE, SIZE)
    ratio = separate / multiplications(model, *x.shape[1:3])
    speed = [
        Row(f"largest difference, one pass and {n} crops", difference, at_most=1e-5),
        Row("speed-up of one pass", times),
        Row("reduction of multiplications, factor", ratio),
    ]
    if synthetic:
        return [*speed, made]
    mnist = digits.load_digits()
    real = digits.make_canvases(200, (mnist.x_test, mnist.y_test), seed=10_000)
    f1 = f1_on(detector, real)
    return [*speed, Row("F1, 200 canvases of MNIST's test digits", f1), made]


def picture(image: Any, answer: Answer) -> Figure:
    """The image with the boxes of `answer`."""
    found = answer.details["boxes"]
    labels = [f"{box['class']} {box['score']:.2f}" for box in found]
    return plots.boxes(image, [box["box"] for box in found], labels)


def example() -> tuple[str, np.ndarray]:
    """The question of the tour: a canvas with MNIST's test digits or synthetic ones."""
    kind, source = "synthetic", None
    if files.in_data_folder(digits.TEST_PART):
        mnist = digits.load_digits()
        kind, source = "handwritten", (mnist.x_test, mnist.y_test)
    canvas = digits.make_canvases(1, source, seed=7).images[0]
    return f"Which {kind} digits are on this canvas?", canvas
