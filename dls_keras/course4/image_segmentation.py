"""Image segmentation: U-Net names every pixel of a street (C4 W3 A2).

On the way down, convolutions and pooling learn what there is and lose where; on the
way up, transposed convolutions bring the size back, and at each size a skip
connection hands over what the way down saw there, so that edges stay sharp:

    down:  a<l+1> = pool(relu(conv(relu(conv(a<l>)))))
    up:    a<l-1> = relu(conv(relu(conv([transposed_conv(a<l>), skip<l-1>]))))

No layer knows the size of its input: the network is trained on crops and answers
whole pictures. Two losses are added. Cross-entropy counts pixels, of which rare
classes have few and therefore weigh more; the soft IoU counts classes, as the score
does:

    IoU_c = sum(y_c y_hat_c) / sum(y_c + y_hat_c - y_c y_hat_c)

Shapes: m pictures, n_H x n_W pixels, n_C channels or classes. Edition: 2021, whose
data are 23 classes of a simulator; the application here reads 11 classes of real
streets.
Paper: Ronneberger et al. (2015), "U-Net: convolutional networks for biomedical image
segmentation", https://arxiv.org/abs/1505.04597
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image

from dls_keras import plots
from dls_keras.core import augment, files, images, training, weights
from dls_keras.core.answers import Answer
from dls_keras.datasets import camvid
from dls_keras.fast.layers import Adam, Conv2D

SIZE = (192, 256)  # height and width of CamVid's pictures here, in pixels
CROP = (144, 192)  # height and width of what the network sees in training

STRIDE = 16  # four poolings: sides are multiples of it
LONGEST = 768  # the longer side of what the network is shown of a photo, in pixels
VIEWS = (0.75, 1.0, 1.25)  # sizes in which it looks at a picture, relative

# The assignment: the course's functions under the course's signatures.


def preprocess(image, mask):
    """A picture and its mask at the course's size, by nearest neighbour.

    Args:
        image: (n_H, n_W, 3), values kept as they are.
        mask: (n_H, n_W, 1) integers.

    Returns:
        input_image: (96, 128, 3).
        input_mask: (96, 128, 1).
    """
    input_image = tf.image.resize(image, (96, 128), method="nearest")
    input_mask = tf.image.resize(mask, (96, 128), method="nearest")
    return input_image, input_mask


def conv_block(inputs=None, n_filters=32, dropout_prob=0, max_pooling=True):
    """Two convolutions, then perhaps dropout, then perhaps half the size.

    Args:
        inputs: (m, n_H, n_W, n_C).
        dropout_prob: share of the outputs that training sets to zero.

    Returns:
        next_layer: (m, n_H / 2, n_W / 2, n_filters), full size without pooling.
        skip_connection: (m, n_H, n_W, n_filters), from before the pooling.
    """
    conv = _convolve(_convolve(inputs, n_filters), n_filters)
    if dropout_prob > 0:
        conv = layers.Dropout(dropout_prob)(conv)
    skip_connection = conv
    next_layer = layers.MaxPooling2D(2)(conv) if max_pooling else conv
    return next_layer, skip_connection


def upsampling_block(expansive_input, contractive_input, n_filters=32):
    """Twice the size, joined with what the way down saw there, two convolutions.

    Args:
        expansive_input: (m, n_H, n_W, n_C), from below.
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
    """A 3 x 3 convolution that keeps the size, and relu."""
    return Conv2D(
        n_filters, 3, padding="same", activation="relu", kernel_initializer="he_normal"
    )(X)


def unet_model(input_size=(96, 128, 3), n_filters=32, n_classes=23):
    """U-Net, untrained.

    Args:
        input_size: (n_H, n_W, n_C), sides in multiples of 16.
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
    # The logits keep full precision where all else computes in half.
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


def load_data(drawn=0, seed=0):
    """CamVid in three splits, `drawn` streets behind the pictures to learn from."""
    return camvid.load_streets(drawn, seed=seed)


def build_model(n_filters=32, dtype="float32"):
    """U-Net for streets, untrained, for pictures of any size in multiples of 16.

    Args:
        dtype: "mixed_bfloat16" computes in half precision; that trains
            1.8 times as fast on CPUs that multiply bfloat16, three times on those with
            AMX. Weights are the same.
    """
    usual = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        model = unet_model((*SIZE, 3), n_filters, len(camvid.CLASSES))
    finally:
        keras.config.set_dtype_policy(usual)
    # No weight depends on the size, so the model need not insist on one.
    model.input_spec = keras.InputSpec(shape=(None, None, None, 3))
    return model


def train(
    model,
    data,
    *,
    epochs=120,
    batch_size=8,
    learning_rate=0.001,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place on random crops, mirrored and relit.

    The rate climbs for two epochs, then falls to zero along a cosine.

    Args:
        data: x (m, n_H, n_W, 3) uint8 and y (m, n_H, n_W) uint8, of which
            `streets.VOID` is left out.

    Returns:
        Each epoch's mean loss: weighted cross-entropy in nats, and 1 - soft IoU.
    """
    keras.utils.set_random_seed(seed)
    weight = class_weights(data.y)
    steps = len(data.x) // batch_size

    def loss_fn(x, y):
        return segmentation_loss(y, model(x, training=True), weight)

    def change(seed, x, y):
        x, y = crop(seed, x, y)
        x = augment.light(seed + 1, x, brightness=0.25, contrast=0.5, tint=0.12)
        return x, y

    rate = training.warm_cosine(learning_rate, steps * epochs, warmup=2 * steps)
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
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def crop(seed, x, y, size=CROP, least=0.5):
    """The same random window of pictures and masks, half of them mirrored.

    A window has `least` to all of a picture's height and width, anywhere in it.

    Args:
        seed: (2,) int32, stateless.
        x: (m, n_H, n_W, 3), values to 255; interpolated between pixels.
        y: (m, n_H, n_W) integers, of which none is mixed with another.

    Returns:
        x: (m, *size, 3) float32 in [0, 1].
        y: (m, *size) int32.
    """
    m = tf.shape(x)[0]
    draws = tf.random.stateless_uniform((4, m), seed)
    side = least + (1.0 - least) * draws[0]
    top, left = (1.0 - side) * draws[1], (1.0 - side) * draws[2]
    bottom, right = top + side, left + side
    # A window whose right edge comes first is a mirrored one.
    mirrored = draws[3] < 0.5
    left, right = tf.where(mirrored, right, left), tf.where(mirrored, left, right)
    windows = tf.stack([top, left, bottom, right], axis=1)
    x = tf.image.crop_and_resize(x, windows, tf.range(m), size)
    y = tf.image.crop_and_resize(
        y[..., tf.newaxis], windows, tf.range(m), size, method="nearest"
    )
    return x / 255.0, tf.cast(y[..., 0], tf.int32)


def class_weights(y):
    """How much a pixel of each class weighs: sqrt(median share / its share).

    The root is a compromise: without weights rare classes hardly count, and with the
    full ratio it is cheap to paint a pole too thick.

    Args:
        y: masks of any shape; values from the number of classes on are void.

    Returns:
        (classes,) float32; a class that nobody has seen weighs as one pixel would.
    """
    n_classes = len(camvid.CLASSES)
    counts = np.bincount(np.ravel(y), minlength=n_classes)[:n_classes]
    return np.sqrt(np.median(counts) / np.maximum(counts, 1)).astype("float32")


def segmentation_loss(y, logits, weight):
    """Weighted cross-entropy, plus 1 - the mean over classes of the soft IoU.

    Args:
        y: (m, n_H, n_W) int32; pixels from `len(weight)` on count for nothing.
        logits: (m, n_H, n_W, n_C) float32.
        weight: (n_C,) float32.
    """
    n_classes = len(weight)
    known = tf.cast(y < n_classes, tf.float32)  # (m, n_H, n_W)
    truth = tf.one_hot(y, n_classes)  # (m, n_H, n_W, n_C), zeros where void
    weight = known * tf.gather(weight, tf.minimum(y, n_classes - 1))
    nats = tf.nn.softmax_cross_entropy_with_logits(truth, logits)
    cross_entropy = tf.math.divide_no_nan(
        tf.reduce_sum(weight * nats), tf.reduce_sum(weight)
    )
    y_hat = known[..., tf.newaxis] * tf.nn.softmax(logits)
    common = tf.reduce_sum(truth * y_hat, axis=(0, 1, 2))  # (n_C,)
    either = tf.reduce_sum(truth + y_hat, axis=(0, 1, 2)) - common
    # One pixel more on both sides: a class that is not there, and not seen, is right.
    return cross_entropy + 1.0 - tf.reduce_mean((common + 1.0) / (either + 1.0))


def load_pretrained(variant="default"):
    """U-Net with the weights that `WEIGHTS` describes, checked."""
    return weights.load(build_model(), "image_segmentation", variant)


def infer(model, image):
    """Name every pixel of a photo.

    The network sees the photo with its shorter side at 192 pixels, the scale that
    it learnt at, and the longer one in proportion, to at most 768.

    Args:
        image: a photo of any size (path, PIL image or array).

    Returns:
        An `Answer` with the largest classes and their shares, "road 41 %, sky 22 %,
        car 9 %"; its confidence is that of the mean pixel. `details["mask"]` is
        (height, width) uint8, the photo's own size, with indices of
        `streets.CLASSES`; `details["shares"]` is the share of each class.
    """
    photo = images.read(image)
    x = images.resized(photo, *_shown_size(photo.height, photo.width))
    y_hat = probabilities(model, x[np.newaxis])
    confidence = tf.reduce_mean(tf.reduce_max(y_hat, axis=-1))
    mask = Image.fromarray(create_mask(y_hat).numpy()[..., 0].astype("uint8"))
    mask = np.asarray(mask.resize(photo.size, Image.Resampling.NEAREST))
    counts = np.bincount(mask.ravel(), minlength=len(camvid.CLASSES))
    shares = dict(zip(camvid.CLASSES, (counts / mask.size).tolist(), strict=True))
    largest = sorted(shares, key=shares.get, reverse=True)[:3]
    text = ", ".join(f"{name} {shares[name]:.0%}" for name in largest if shares[name])
    return Answer(text.replace("%", " %"), confidence, shares=shares, mask=mask)


def probabilities(model, x):
    """What the network makes of pictures in three sizes and of their mirror images.

    One look, at the size it learnt at, takes a sixth of the time.

    Args:
        x: (m, n_H, n_W, 3) float32 in [0, 1], sides in multiples of 16.

    Returns:
        (m, n_H, n_W, n_C) float32, the mean of six looks; sums to 1 over the classes.
    """
    _, *sides, _ = x.shape
    total = 0.0
    for scale in VIEWS:
        size = [STRIDE * max(1, round(scale * side / STRIDE)) for side in sides]
        view = tf.image.resize(x, size, antialias=True)
        y_hat = tf.nn.softmax(model(view, training=False))
        mirrored = tf.nn.softmax(model(view[:, :, ::-1], training=False))
        total += tf.image.resize(y_hat + mirrored[:, :, ::-1], sides)
    return total / (2 * len(VIEWS))


def _shown_size(height, width):
    """Height and width at which the network sees a photo: multiples of 16."""
    scale = SIZE[0] / min(height, width)
    return tuple(
        min(STRIDE * round(scale * side / STRIDE), LONGEST) for side in (height, width)
    )


def confusion(model, x, y, batch_size=4):
    """How many pixels of each true class (rows) went to each class (columns).

    Args:
        x: (m, n_H, n_W, 3) uint8, sides in multiples of 16.
        y: (m, n_H, n_W) uint8, `streets.VOID` left out.

    Returns:
        (n_C, n_C) int64.
    """
    n_classes = len(camvid.CLASSES)
    answer = tf.function(lambda x: tf.argmax(probabilities(model, x), axis=-1))
    counts = np.zeros(n_classes**2, "int64")
    for start in range(0, len(x), batch_size):
        part = slice(start, start + batch_size)
        y_hat = answer(tf.constant(x[part], tf.float32) / 255.0).numpy()
        known = y[part] < n_classes
        pairs = n_classes * y[part][known].astype("int64") + y_hat[known]
        counts += np.bincount(pairs, minlength=n_classes**2)
    return counts.reshape(n_classes, n_classes)


def scores(counts):
    """Mean IoU, pixel accuracy, and the IoU of each class, from `confusion`.

    A class that neither is there nor was answered is left out of the mean.
    """
    right = np.diag(counts)
    union = counts.sum(axis=0) + counts.sum(axis=1) - right
    iou = np.divide(right, union, where=union > 0, out=np.full(len(right), np.nan))
    return np.nanmean(iou), right.sum() / counts.sum(), iou


def evaluate(model=None):
    """Mean IoU, pixel accuracy and IoU of each class on the test stretch, as rows."""
    model = model or load_pretrained()
    mean_iou, accuracy, iou = scores(confusion(model, *camvid.load_split("test")))
    drawn, *_ = scores(confusion(model, *camvid.make_streets(40, seed=10_000)))
    return [
        ("mean IoU of 11 classes, 233 test pictures", mean_iou, 0.55),
        ("pixel accuracy, 233 test pictures", accuracy, 0.88),
        *((f"IoU of {c}", v, None) for c, v in zip(camvid.CLASSES, iou, strict=True)),
        ("mean IoU, 40 drawn streets never seen", drawn, None),
    ]


def picture(model, image):
    """The photo beside itself in the colours of the classes, a matplotlib figure."""
    photo = images.read(image)
    return plots.segmentation(
        photo, infer(model, photo).details["mask"], camvid.COLOURS
    )


def example():
    """The question of the tour: a real street where data are at hand, else a drawn."""
    if files.in_data_folder(camvid.SPLITS["test"].name):
        return "What is where on this street?", camvid.load_split("test")[0][100]
    return "What is where on this drawn street?", camvid.make_streets(6, seed=7)[0][5]
