"""Image segmentation: U-Net classifies every pixel of a street scene (C4 W3 A2).

The encoder, of convolutions and pooling, computes features of larger and larger regions
but loses their exact position. The decoder restores the size by transposed
convolutions; at each size a skip connection passes it the features of the encoder, so
that edges stay sharp:

    encoder: a<l+1> = pool(relu(conv(relu(conv(a<l>)))))
    decoder: a<l-1> = relu(conv(relu(conv([transposed_conv(a<l>), skip<l-1>]))))

The network is fully convolutional: it is trained on crops and applied to whole images.
Its loss is the sum of two. The cross-entropy is a mean over pixels; rare classes have
few of them, so these have larger weights. The soft IoU is a mean over classes, as the
score is:

    IoU_c = sum(y_c y_hat_c) / sum(y_c + y_hat_c - y_c y_hat_c)

Shapes: m images, n_H x n_W pixels, n_C channels or classes. Edition: 2021, whose data
have 23 classes of a simulator; the application here has 11 classes of real streets.
Paper: Ronneberger et al. (2015), "U-Net: convolutional networks for biomedical image
segmentation", https://arxiv.org/abs/1505.04597
"""

import functools
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure
from PIL import Image

from dls_keras import plots
from dls_keras.core import (
    augment,
    examples,
    files,
    images,
    inputs,
    pretrained,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row
from dls_keras.datasets import camvid

# Keras's Adam and Conv2D on faster kernels; tests compare them.
from dls_keras.fast.layers import Adam, Conv2D

SIZE = (192, 256)  # height and width of CamVid's images here, in pixels
CROP = (144, 192)  # height and width of the crops in training, in pixels

STRIDE = 16  # of the deepest layer, after four poolings: sides are multiples of it
LONGEST = 768  # limit of the longer side of an image in `infer`, in pixels
N_CLASSES = len(camvid.CLASSES)
SCALES = (0.75, 1.0, 1.25)  # of test-time augmentation, relative to the image

# Shipped weights: mean IoU 0.552 over 11 classes, see `weights/records.toml`.


# The assignment: the course's functions under the course's signatures.


def preprocess(image, mask):
    """An image and its mask at the course's size, by nearest-neighbour interpolation.

    Args:
        image: (n_H, n_W, 3); values are not changed.
        mask: (n_H, n_W, 1) integers.

    Returns:
        input_image: (96, 128, 3).
        input_mask: (96, 128, 1).
    """
    input_image = tf.image.resize(image, (96, 128), method="nearest")
    input_mask = tf.image.resize(mask, (96, 128), method="nearest")
    return input_image, input_mask


@settings.keras_defaults()
def conv_block(inputs=None, n_filters=32, dropout_prob=0, max_pooling=True):
    """Encoder block: two convolutions, optional dropout, optional max-pooling.

    Args:
        inputs: (m, n_H, n_W, n_C).
        dropout_prob: probability that an output is set to zero in training.

    Returns:
        next_layer: (m, n_H / 2, n_W / 2, n_filters), full size without pooling.
        skip_connection: (m, n_H, n_W, n_filters), the input of the pooling.
    """
    conv = _convolve(_convolve(inputs, n_filters), n_filters)
    if dropout_prob > 0:
        conv = layers.Dropout(dropout_prob)(conv)
    skip_connection = conv
    next_layer = layers.MaxPooling2D(2)(conv) if max_pooling else conv
    return next_layer, skip_connection


@settings.keras_defaults()
def upsampling_block(expansive_input, contractive_input, n_filters=32):
    """Decoder block: upsampling, concatenation of the skip connection, convolutions.

    Args:
        expansive_input: (m, n_H, n_W, n_C), from the previous block.
        contractive_input: (m, 2 n_H, 2 n_W, any), a skip connection.

    Returns:
        (m, 2 n_H, 2 n_W, n_filters).
    """
    up = layers.Conv2DTranspose(n_filters, 3, strides=2, padding="same")(
        expansive_input
    )
    merge = layers.Concatenate()([up, contractive_input])
    return _convolve(_convolve(merge, n_filters), n_filters)


def _convolve(X, n_filters):
    """A 3 x 3 "same" convolution, then relu."""
    return Conv2D(
        n_filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"
    )(X)


@settings.keras_defaults()
def unet_model(input_size=(96, 128, 3), n_filters=32, n_classes=23):
    """U-Net, untrained.

    Args:
        input_size: (n_H, n_W, n_C), sides in multiples of 16, or None for any.
        n_filters: channels at full size; each of the four poolings doubles them.

    Returns:
        A model from (m, *input_size) to logits (m, n_H, n_W, n_classes).
    """
    inputs = X = keras.Input(input_size)
    skip_connections = []
    for multiple, dropout_prob in ((1, 0), (2, 0), (4, 0), (8, 0.3)):
        X, skip_connection = conv_block(X, multiple * n_filters, dropout_prob)
        skip_connections.append(skip_connection)
    X, _ = conv_block(X, 16 * n_filters, dropout_prob=0.3, max_pooling=False)
    for multiple in (8, 4, 2, 1):
        X = upsampling_block(X, skip_connections.pop(), multiple * n_filters)
    X = _convolve(X, n_filters)
    # Logits are computed in full precision, whatever the dtype policy.
    logits = Conv2D(n_classes, 1, padding="same", dtype="float32")(X)
    return keras.Model(inputs, logits, name="unet")


def create_mask(pred_mask):
    """The most probable class of each pixel of the first example.

    Args:
        pred_mask: (m, n_H, n_W, n_classes), logits or probabilities.

    Returns:
        (n_H, n_W, 1) int64.
    """
    return tf.argmax(pred_mask, axis=-1)[0][..., tf.newaxis]


# The application: the names that every assignment shares.


def load_data(
    extra: int = 0, seed: int = 0, *, synthetic: bool = False
) -> camvid.Streets:
    """CamVid in three splits.

    Args:
        extra: how many images of `camvid.make_streets` are appended to the training
            images.
        synthetic: images of `make_streets` in place of CamVid's; needs no files.
    """
    return camvid.load_streets(extra, seed=seed, synthetic=synthetic)


def build_model(
    n_filters: int = 32, dtype: str = "float32", *, n_classes: int = N_CLASSES
) -> keras.Model:
    """U-Net for street scenes, untrained, for images of any size in multiples of 16.

    Args:
        n_filters: channels at full size.
        dtype: a Keras dtype policy; "mixed_bfloat16" computes in half precision, with
            the same weights. Training is then 1.8 times as fast on CPUs that multiply
            bfloat16, and 3 times with AMX.
        n_classes: 23 for weights of the course.
    """
    with settings.keras_defaults(dtype):
        return unet_model((None, None, 3), n_filters, n_classes)


@examples.accepted(label_axes=2, pixels="uint8")
def train(
    model: keras.Model,
    data: camvid.Streets,
    *,
    epochs: int = 120,
    batch_size: int = 8,
    learning_rate: float = 0.001,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place on random crops, with flips and colour jitter.

    The learning rate has a linear warmup of two epochs, then a cosine decay to zero.

    Args:
        data: x (m, n_H, n_W, 3) uint8 and y (m, n_H, n_W) uint8; pixels of
            `camvid.VOID` are ignored.
        settings: further arguments of `core.training.fit`.

    Returns:
        The mean loss of each epoch: weighted cross-entropy in nats plus 1 - soft IoU.
    """
    keras.utils.set_random_seed(seed)
    weight = class_weights(data.y)
    steps = len(data.x) // batch_size

    def loss_fn(x, y, training=True):
        logits = model(augment.scaled(x), training=training)
        return segmentation_loss(tf.cast(y, tf.int32), logits, weight)

    def change(seed, x, y):
        x, y = crop(seed, x, y)
        x = augment.colour_jitter(seed + 1, x, brightness=0.25, contrast=0.5, tint=0.12)
        return x, y

    rate = training.cosine_decay_with_warmup(
        learning_rate, steps * epochs, warmup=2 * steps
    )
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate, weight_decay=0.05, global_clipnorm=1.0),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        augment=change,
        model=model,
        **settings,
    )


def crop(
    seed: Any,
    x: tf.Tensor,
    y: tf.Tensor,
    size: tuple[int, int] = CROP,
    least: float = 0.5,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Random crops of images and masks, resized to `size`; half of them are flipped.

    Height and width of a crop are the same random fraction of those of the image,
    between `least` and 1.

    Args:
        seed: (2,) int32, stateless.
        x: (m, n_H, n_W, 3) in [0, 255]; resized by bilinear interpolation.
        y: (m, n_H, n_W) integers; resized by nearest-neighbour interpolation.

    Returns:
        x: (m, *size, 3) float32 in [0, 1].
        y: (m, *size) int32.
    """
    m = tf.shape(x)[0]
    amounts = tf.random.stateless_uniform((4, m), seed)
    side = least + (1.0 - least) * amounts[0]
    top, left = (1.0 - side) * amounts[1], (1.0 - side) * amounts[2]
    bottom, right = top + side, left + side
    # A box whose left and right edges are swapped is flipped.
    flipped = amounts[3] < 0.5
    left, right = tf.where(flipped, right, left), tf.where(flipped, left, right)
    boxes = tf.stack([top, left, bottom, right], axis=1)
    x = tf.image.crop_and_resize(x, boxes, tf.range(m), size)
    y = tf.image.crop_and_resize(
        y[..., tf.newaxis], boxes, tf.range(m), size, method="nearest"
    )
    return x / 255.0, tf.cast(y[..., 0], tf.int32)


def class_weights(y: np.ndarray) -> np.ndarray:
    """The weight of a pixel of each class: sqrt(median count / count of the class).

    The root is a compromise: without weights rare classes hardly count, and with the
    full ratio false positives of rare classes, such as poles that are too thick, cost
    too little.

    Args:
        y: masks of any shape; pixels of `camvid.VOID` are ignored.

    Returns:
        (n_C,) float32; a class without pixels has the weight of one with one pixel.
    """
    n_classes = N_CLASSES
    counts = np.bincount(np.ravel(y), minlength=n_classes)[:n_classes]
    return np.sqrt(np.median(counts) / np.maximum(counts, 1)).astype("float32")


def segmentation_loss(y: tf.Tensor, logits: tf.Tensor, weight: np.ndarray) -> tf.Tensor:
    """Weighted cross-entropy, plus 1 - the mean over classes of the soft IoU.

    Args:
        y: (m, n_H, n_W) int32; pixels with values from `len(weight)` on are ignored.
        logits: (m, n_H, n_W, n_C) float32.
        weight: (n_C,) float32.
    """
    n_classes = len(weight)
    known = tf.cast(y < n_classes, tf.float32)  # (m, n_H, n_W)
    truth = tf.one_hot(y, n_classes)  # (m, n_H, n_W, n_C), zeros for void pixels
    weight = known * tf.gather(weight, tf.minimum(y, n_classes - 1))
    nats = tf.nn.softmax_cross_entropy_with_logits(truth, logits)
    cross_entropy = tf.math.divide_no_nan(
        tf.reduce_sum(weight * nats), tf.reduce_sum(weight)
    )
    y_hat = known[..., tf.newaxis] * tf.nn.softmax(logits)
    intersection = tf.reduce_sum(truth * y_hat, axis=(0, 1, 2))  # (n_C,)
    union = tf.reduce_sum(truth + y_hat, axis=(0, 1, 2)) - intersection
    # Adding 1 to both gives IoU 1 to a class that is neither present nor predicted.
    return cross_entropy + 1.0 - tf.reduce_mean((intersection + 1.0) / (union + 1.0))


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """U-Net with the shipped weights."""

    def outputs(model):  # the recorded ones are for an image of `SIZE`
        x = np.random.default_rng(0).uniform(size=(1, *SIZE, 3)).astype("float32")
        return model(x, training=False)

    return weights.load(build_model(), "image_segmentation", variant, outputs=outputs)


@inputs.batched(inputs.PICTURE, size=4)
def infer(model: keras.Model, photos: Any) -> list[Answer]:
    """Classify every pixel of a photo.

    Args:
        photos: a photo of any size (path, PIL image, array, bytes), or a list of them;
            the network gets it at `network_size`.

    A network with the 23 classes of the course gets it as in the course: at 96 x 128,
    without keeping the aspect ratio, and once.

    Returns:
        An `Answer` with the three largest classes, "road 41 %, sky 22 %, car 9 %". Its
        confidence is the softmax probability of a pixel's class, averaged over all
        pixels. `details["mask"]` is (height, width) uint8, of the photo's own size,
        with indices of the classes; `details["shares"]` is the fraction of the pixels
        of each class.
    """
    photos = [images.read(photo) for photo in photos]
    n_classes = model.output_shape[-1]
    if n_classes == N_CLASSES:
        x = [images.resized(p, *network_size(p.height, p.width)) for p in photos]
        y_hat = inputs.by_shape(x, functools.partial(probabilities, model))
    else:
        x = [_as_in_the_course(photo) for photo in photos]
        y_hat = tf.nn.softmax(model(np.stack(x), training=False))
    sizes = [photo.size for photo in photos]
    return [_answer(*pair, n_classes) for pair in zip(y_hat, sizes, strict=True)]


def _as_in_the_course(photo):
    """The input of a network with the course's classes: (96, 128, 3)."""
    pixels = np.asarray(photo, "float32") / 255
    x, _ = preprocess(pixels, pixels[..., :1])
    return x


def _answer(y_hat, size, n_classes):
    """The answer for a photo of a size (width, height), from the probabilities."""
    confidence = tf.reduce_mean(tf.reduce_max(y_hat, axis=-1))
    small = create_mask(y_hat[tf.newaxis]).numpy()[..., 0].astype("uint8")
    mask = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.NEAREST))
    classes = [*_colours(n_classes)]
    counts = np.bincount(mask.ravel(), minlength=n_classes)
    shares = dict(zip(classes, (counts / mask.size).tolist(), strict=True))
    largest = sorted(shares, key=shares.__getitem__, reverse=True)[:3]
    text = ", ".join(f"{name} {shares[name]:.0%}" for name in largest if shares[name])
    return Answer(text.replace("%", " %"), confidence, shares=shares, mask=mask)


def _colours(n_classes):
    """The names and colours of CamVid's 11 classes, or of the course's 23."""
    return camvid.COLOURS if n_classes == N_CLASSES else camvid.CARLA_COLOURS


def network_size(height: int, width: int) -> tuple[int, int]:
    """Height and width at which the network gets a photo, multiples of 16.

    The shorter side becomes 192 pixels, the scale of the training images. The other one
    is in proportion, up to `LONGEST`.
    """
    scale = SIZE[0] / min(height, width)
    n_H, n_W = (
        min(STRIDE * round(scale * side / STRIDE), LONGEST) for side in (height, width)
    )
    return n_H, n_W


def probabilities(model: Callable, x: tf.Tensor) -> tf.Tensor:
    """Class probabilities with test-time augmentation: three scales, each also flipped.

    A single prediction, at scale 1, takes a sixth of the time.

    Args:
        x: (m, n_H, n_W, 3) float32 in [0, 1], sides in multiples of 16.

    Returns:
        (m, n_H, n_W, n_C) float32, the mean of six predictions.
    """
    _, *sides, _ = x.shape
    total = 0.0
    for scale in SCALES:
        size = [STRIDE * max(1, round(scale * side / STRIDE)) for side in sides]
        view = tf.image.resize(x, size, antialias=True)
        y_hat = tf.nn.softmax(model(view, training=False))
        flipped = tf.nn.softmax(model(view[:, :, ::-1], training=False))
        total += tf.image.resize(y_hat + flipped[:, :, ::-1], sides)
    return total / (2 * len(SCALES))


def confusion(
    model: Callable, x: np.ndarray, y: np.ndarray, batch_size: int = 4
) -> np.ndarray:
    """The confusion matrix: pixels of each true class (row) and predicted class.

    Args:
        x: (m, n_H, n_W, 3) uint8, sides in multiples of 16.
        y: (m, n_H, n_W) uint8; pixels of `camvid.VOID` are ignored.

    Returns:
        (n_C, n_C) int64.
    """
    n_classes = N_CLASSES
    predict = tf.function(lambda x: tf.argmax(probabilities(model, x), axis=-1))
    counts = np.zeros(n_classes**2, "int64")
    for start in range(0, len(x), batch_size):
        part = slice(start, start + batch_size)
        y_hat = predict(tf.constant(x[part], tf.float32) / 255.0).numpy()
        known = y[part] < n_classes
        pairs = n_classes * y[part][known].astype("int64") + y_hat[known]
        counts += np.bincount(pairs, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def scores(counts: np.ndarray) -> tuple[float, float, np.ndarray]:
    """Mean IoU, pixel accuracy, and the IoU of each class, from a confusion matrix.

    The mean leaves out classes that are neither present nor predicted; their IoU is
    NaN.
    """
    intersection = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - intersection
    iou = np.full(len(counts), np.nan)
    np.divide(intersection, union, where=union > 0, out=iou)
    return np.nanmean(iou), intersection.sum() / counts.sum(), iou


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """Mean IoU, pixel accuracy and the IoU of each class on held-out images.

    Args:
        synthetic: only the rows of synthetic images; needs no files.
    """
    model = model or load_pretrained()
    mean_iou, *_ = scores(confusion(model, *camvid.make_streets(40, seed=10_000)))
    made = Row("mean IoU, 40 held-out synthetic images", mean_iou)
    if synthetic:
        return [made]
    mean_iou, accuracy, iou = scores(confusion(model, *camvid.load_split("test")))
    return [
        Row("mean IoU, 11 classes, 233 test images", mean_iou, at_least=0.55),
        Row("pixel accuracy, 233 test images", accuracy, at_least=0.88),
        *(Row(f"IoU of {c}", v) for c, v in zip(camvid.CLASSES, iou, strict=True)),
        made,
    ]


def picture(image: Any, answer: Answer) -> Figure:
    """The photo, and the same photo in the colours of the predicted classes."""
    shares = answer.details["shares"]
    return plots.segmentation(
        images.read(image), answer.details["mask"], _colours(len(shares))
    )


def example() -> tuple[str, Any]:
    """A question and its input: a photo if it is available, else a synthetic image."""
    if files.in_data_folder(camvid.SPLITS["test"].name):
        image = camvid.load_split("test")[0][100]
        return "Which classes are in this street scene?", image
    image = camvid.make_streets(6, seed=7)[0][5]
    return "Which classes are in this synthetic street scene?", image
