"""Classic networks: LeNet-5, AlexNet, VGG-16 and GoogLeNet by their papers (C4 W2).

Four answers, from 1998 to 2014, to one question: which layers, in which order? Each is
a table in its paper, and here a function that reads like the table.

    LeNet-5     conv, pool, conv, pool, dense: fewer and fewer pixels, more channels
    AlexNet     the same, larger; with relu, dropout, and pools that overlap
    VGG-16      3 x 3 convolutions alone; their channels double where a pool halves
    GoogLeNet   1 x 1, 3 x 3 and 5 x 5 side by side, less work by a 1 x 1 before them

LeNet-5 is the paper's own, which says more than its descendants kept: pools have
parameters, most maps of C3 see only some of those of S2, and the last layer is ten
distances, each of F6 from a small picture of a digit that somebody drew:

    penalty[i] = sum over j of (F6[j] - code[i, j])^2
    loss = penalty[y] + log(e^-J + sum over i of e^-penalty[i])

This is cross-entropy with an eleventh class, at the fixed penalty J: no digit at all.

Shapes: m images of n_H x n_W pixels with n_C channels. Of the lectures; the course has
no assignment on it. Papers: LeCun, Bottou, Bengio & Haffner (1998), "Gradient-based
learning applied to document recognition"; Krizhevsky, Sutskever & Hinton (2012),
"ImageNet classification with deep convolutional neural networks"; Simonyan & Zisserman
(2015), https://arxiv.org/abs/1409.1556; Szegedy et al. (2015), "Going deeper with
convolutions", https://arxiv.org/abs/1409.4842
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from dls_keras import plots
from dls_keras.core import augment, files, images, training, weights
from dls_keras.core.answers import Answer
from dls_keras.datasets import digits
from dls_keras.fast.layers import Adam

SIZE = 32  # height and width of LeNet-5's input, in pixels: MNIST's 28 in a frame
J = 10.0  # the penalty of "none"; between two codes it is 20 to each, or more
NONE = "none"

# Which maps of S2 each map of C3 sees (LeCun et al., table I).
TABLE_I = (
    *((0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5)),
    *((0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5)),
    *((0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5)),
    (0, 1, 2, 3, 4, 5),
)

# What F6 learns to show for each digit, 7 x 12 pixels: our drawings, the paper's idea.
CODES = """
..###.. ...##.. .#####. #######  ....##. ####### ..####. ####### .#####. .#####.
.#...#. ..###.. ##...## ......#  ...###. ##..... .##...# ##...## ##...## ##...##
##...## .####.. ......# .....##  ...#.#. ##..... ##..... #....## ##...## ##...##
##...## ...##.. ......# ....##.  ..##.#. ##..... ##..... .....#. ##...## ##....#
#.....# ...##.. .....## ...##..  ..#..#. ######. #.####. .....#. .##.##. ##...##
#.....# ...##.. ....##. ..####.  .##..#. #....## ###..## ....##. ..###.. .######
#.....# ...##.. ...##.. .....##  .#...#. ......# ##....# ....#.. .##.##. .....##
#.....# ...##.. ..##... ......#  ##...#. ......# ##....# ...##.. ##...## ......#
##...## ...##.. .##.... ......#  ####### ......# ##....# ...#... ##...## ......#
##...## ...##.. ##..... #.....#  .....#. #.....# ##...## ..##... ##...## .....##
.#...#. ...##.. ##..... ##...##  .....#. ##...## .##..#. ..#.... ##...## .##..#.
..###.. .###### ####### .#####.  .....#. .#####. ..###.. ..#.... .#####. ..####.
"""

# VGG-16's blocks, (filters, convolutions) (Simonyan & Zisserman, table 1, column D).
CONFIGURATION_D = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

# Filters of GoogLeNet's modules in the order of its table 1 (Szegedy et al.), which is
# that of `inception_module`.
INCEPTION = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}


serializable = keras.saving.register_keras_serializable(package="dls_keras")

# LeNet-5, 1998.


@serializable
def squash(a):
    """1.7159 tanh(2/3 a): -1 and 1 stay what they are, where it bends most."""
    return 1.7159 * ops.tanh(2 / 3 * a)


@serializable
class PartialConv2D(layers.Layer):
    """A convolution whose filters each see some channels only, like LeNet-5's C3.

    Args:
        connections: for each filter the channels that it sees, numbers from 0.
        f: side of the window.
    """

    def __init__(self, connections, f, **settings):
        super().__init__(**settings)
        self.pairs = [(c, k) for k, seen in enumerate(connections) for c in seen]
        self.n_C, self.f = len(connections), f

    def build(self, input_shape):
        """Make one small kernel for each pair of a channel and a filter."""
        self.kernel = self.add_weight(
            (len(self.pairs), self.f**2), "random_normal", name="kernel"
        )
        self.bias = self.add_weight((self.n_C,), "zeros", name="bias")

    def call(self, X):
        """(m, n_H, n_W, n_C_prev) -> (m, n_H - f + 1, n_W - f + 1, n_C)."""
        n_C_prev = X.shape[-1]
        W = ops.scatter(self.pairs, self.kernel, (n_C_prev, self.n_C, self.f**2))
        W = ops.reshape(
            ops.transpose(W, (2, 0, 1)), (self.f, self.f, n_C_prev, self.n_C)
        )
        return ops.conv(X, W) + self.bias


@serializable
class RadialBasis(layers.Layer):
    """The squared distance from each digit's code: (m, 84) -> (m, 10)."""

    def call(self, X):
        """What the paper calls the penalties."""
        return ops.sum(ops.square(X[:, np.newaxis] - digit_codes()), axis=-1)


def digit_codes():
    """`CODES` as numbers, a digit a row: (10, 84) float32, ink 1 and paper -1."""
    drawn = [[list(row) for row in line.split()] for line in CODES.split("\n")[1:-1]]
    ink = np.array(drawn) == "#"  # (12, 10, 7)
    return np.where(ink, 1, -1).swapaxes(0, 1).reshape(10, -1).astype("float32")


def LeNet5():
    """The paper's network for digits: 60,000 parameters, and ten fixed codes.

    Returns:
        A model from digits (m, 32, 32, 1), ink 1 on paper 0, to penalties (m, 10).
    """
    X_input = keras.Input((SIZE, SIZE, 1))
    A = layers.Rescaling(1.275, offset=-0.1)(X_input)  # -0.1 to 1.175, mean about 0
    A = layers.Conv2D(6, 5, activation=squash, name="C1")(A)  # (m, 28, 28, 6)
    A = _subsample(A, "S2")
    A = squash(PartialConv2D(TABLE_I, 5, name="C3")(A))  # (m, 10, 10, 16)
    A = _subsample(A, "S4")
    A = layers.Conv2D(120, 5, activation=squash, name="C5")(A)  # (m, 1, 1, 120)
    A = layers.Flatten()(A)
    A = layers.Dense(84, activation=squash, name="F6")(A)
    return keras.Model(X_input, RadialBasis(name="output")(A), name="LeNet5")


def _subsample(A, name):
    """Halve the sides: the mean of four, times a coefficient, plus a bias, squashed."""
    A = layers.AveragePooling2D(2)(A)
    return layers.DepthwiseConv2D(
        1, depthwise_initializer="ones", activation=squash, name=name
    )(A)


def penalty_loss(y, penalties):
    """The mean loss of LeNet-5 in nats, as the module's docstring has it.

    Args:
        y: (m,) integers, the true digits.
        penalties: (m, 10) float32.
    """
    scores = tf.pad(-penalties, ((0, 0), (0, 1)), constant_values=-J)  # and "none"
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=scores)
    )


def LeNet5_modern(input_shape=(32, 32, 1), classes=10):
    """The lectures' LeNet-5: plain pools, all maps connected, relu, softmax.

    Returns:
        A model from (m, *input_shape) to (m, classes); 61,706 parameters.
    """
    X_input = keras.Input(input_shape)
    A = layers.Conv2D(6, 5, activation="relu")(X_input)
    A = layers.AveragePooling2D(2)(A)
    A = layers.Conv2D(16, 5, activation="relu")(A)
    A = layers.AveragePooling2D(2)(A)
    A = layers.Flatten()(A)
    A = layers.Dense(120, activation="relu")(A)
    A = layers.Dense(84, activation="relu")(A)
    A = layers.Dense(classes, activation="softmax")(A)
    return keras.Model(X_input, A, name="LeNet5_modern")


# AlexNet, 2012.


@serializable
class LocalResponseNormalization(layers.Layer):
    """Each channel made smaller where it or its neighbours answer loudly.

    b[c] = a[c] / (2 + 1e-4 (a[c-2]^2 + ... + a[c+2]^2))^0.75, at each pixel by itself.
    """

    def call(self, A):
        """(m, n_H, n_W, n_C) -> the same shape."""
        return tf.nn.local_response_normalization(
            A, depth_radius=2, bias=2, alpha=1e-4, beta=0.75
        )


def AlexNet(input_shape=(227, 227, 3), classes=1000):
    """Eight layers with parameters: 60,965,224 for 1000 classes.

    conv2, conv4 and conv5 are in two groups, since the paper's two processors exchanged
    channels before conv3 and fc6 only. It says 224 pixels; its 55 x 55 come from 227.

    Returns:
        A model from (m, *input_shape) to (m, classes), softmax.
    """
    X_input = keras.Input(input_shape)
    A = layers.Conv2D(96, 11, strides=4, activation="relu", name="conv1")(X_input)
    A = LocalResponseNormalization()(A)
    A = layers.MaxPooling2D(3, strides=2)(A)  # (m, 27, 27, 96)
    A = _conv(A, 256, 5, "conv2", groups=2)
    A = LocalResponseNormalization()(A)
    A = layers.MaxPooling2D(3, strides=2)(A)  # (m, 13, 13, 256)
    A = _conv(A, 384, 3, "conv3")
    A = _conv(A, 384, 3, "conv4", groups=2)
    A = _conv(A, 256, 3, "conv5", groups=2)
    A = layers.MaxPooling2D(3, strides=2)(A)  # (m, 6, 6, 256)
    A = layers.Flatten()(A)
    for name in ("fc6", "fc7"):
        A = layers.Dense(4096, activation="relu", name=name)(A)
        A = layers.Dropout(0.5)(A)
    A = layers.Dense(classes, activation="softmax", name="fc8")(A)
    return keras.Model(X_input, A, name="AlexNet")


def _conv(A, filters, f, name, **settings):
    """A convolution that keeps height and width, unless it strides, and relu."""
    return layers.Conv2D(
        filters, f, padding="same", activation="relu", name=name, **settings
    )(A)


# VGG-16, 2014.


def VGG16(input_shape=(224, 224, 3), classes=1000):
    """Sixteen layers with parameters: 138,357,544 for 1000 classes.

    They are named as in Keras's own VGG16, whose weights fit.

    Returns:
        A model from (m, *input_shape) to (m, classes), softmax.
    """
    A = X_input = keras.Input(input_shape)
    for block, (filters, repeats) in enumerate(CONFIGURATION_D, start=1):
        for i in range(1, repeats + 1):
            A = _conv(A, filters, 3, f"block{block}_conv{i}")
        A = layers.MaxPooling2D(2, name=f"block{block}_pool")(A)
    A = layers.Flatten(name="flatten")(A)
    for name in ("fc1", "fc2"):
        A = layers.Dense(4096, activation="relu", name=name)(A)
        A = layers.Dropout(0.5)(A)
    A = layers.Dense(classes, activation="softmax", name="predictions")(A)
    return keras.Model(X_input, A, name="VGG16")


# GoogLeNet, 2014.


def inception_module(A, filters, name="inception"):
    """Windows of 1 x 1, 3 x 3 and 5 x 5 and a pool, side by side.

    Args:
        A: (m, n_H, n_W, n_C_prev).
        filters: of the 1 x 1; of the 1 x 1 before the 3 x 3, of the 3 x 3; of the 1 x 1
            before the 5 x 5, of the 5 x 5; of the 1 x 1 behind the pool.

    Returns:
        (m, n_H, n_W, n_C): the channels of the first, third, fifth and sixth.
    """
    n1, reduce3, n3, reduce5, n5, n_pool = filters
    ones = _conv(A, n1, 1, f"{name}_1x1")
    threes = _conv(A, reduce3, 1, f"{name}_3x3_reduce")
    threes = _conv(threes, n3, 3, f"{name}_3x3")
    fives = _conv(A, reduce5, 1, f"{name}_5x5_reduce")
    fives = _conv(fives, n5, 5, f"{name}_5x5")
    pool = layers.MaxPooling2D(3, strides=1, padding="same")(A)
    pool = _conv(pool, n_pool, 1, f"{name}_pool_projection")
    return layers.Concatenate(name=name)([ones, threes, fives, pool])


def GoogLeNet(input_shape=(224, 224, 3), classes=1000, auxiliary=False):
    """Nine inception modules; 6,998,552 parameters for 1000 classes.

    Args:
        auxiliary: whether 4a and 4d get classifiers of their own, which bring a
            gradient to the layers before them; in the paper's loss they count 0.3.

    Returns:
        A model from (m, *input_shape) to (m, classes), softmax; with `auxiliary` to a
        list of three of these, that of the last layer first.
    """
    X_input = keras.Input(input_shape)
    A = _conv(X_input, 64, 7, "conv1", strides=2)
    A = layers.MaxPooling2D(3, strides=2, padding="same")(A)
    A = LocalResponseNormalization()(A)
    A = _conv(A, 64, 1, "conv2_reduce")
    A = _conv(A, 192, 3, "conv2")
    A = LocalResponseNormalization()(A)
    A = layers.MaxPooling2D(3, strides=2, padding="same")(A)  # (m, 28, 28, 192)
    heads = []
    for name, filters in INCEPTION.items():
        A = inception_module(A, filters, f"inception_{name}")
        if auxiliary and name in ("4a", "4d"):
            heads.append(_auxiliary_head(A, classes, f"auxiliary_{name}"))
        if name in ("3b", "4e"):
            A = layers.MaxPooling2D(3, strides=2, padding="same")(A)
    A = layers.GlobalAveragePooling2D()(A)
    A = layers.Dropout(0.4)(A)
    A = layers.Dense(classes, activation="softmax", name="classifier")(A)
    return keras.Model(X_input, [A, *heads] if auxiliary else A, name="GoogLeNet")


def _auxiliary_head(A, classes, name):
    """A small classifier on a layer in the middle."""
    A = layers.AveragePooling2D(5, strides=3)(A)  # (m, 4, 4, n_C)
    A = _conv(A, 128, 1, f"{name}_conv")
    A = layers.Flatten()(A)
    A = layers.Dense(1024, activation="relu", name=f"{name}_dense")(A)
    A = layers.Dropout(0.7)(A)
    return layers.Dense(classes, activation="softmax", name=name)(A)


# The application: the names that every assignment shares. LeNet-5 reads digits.


def framed(x):
    """Digits (m, 28, 28) uint8 as LeNet-5 takes them: (m, 32, 32, 1) float32."""
    frame = (SIZE - digits.SIZE) // 2
    x = np.pad(x, ((0, 0), (frame, frame), (frame, frame)))[..., np.newaxis]
    return x.astype("float32") / 255


def load_data(drawn=6000, seed=0):
    """MNIST's digits, framed, `drawn` ones of `make_digits` behind those to learn."""
    data = digits.load_digits()
    x_drawn, y_drawn = digits.make_digits(drawn, seed=seed)
    return digits.Digits(
        framed(np.concatenate([data.x, x_drawn])),
        np.concatenate([data.y, y_drawn]),
        framed(data.x_test),
        data.y_test,
    )


def build_model():
    """The paper's LeNet-5, untrained."""
    return LeNet5()


def train(
    model,
    data,
    *,
    epochs=20,
    batch_size=64,
    learning_rate=0.003,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place on digits slightly turned, moved and zoomed.

    The rate falls to zero along a cosine.

    Returns:
        Each epoch's mean `penalty_loss`.
    """

    def loss_fn(x, y):
        return penalty_loss(y, model(x, training=True))

    def change(seed, x, y):
        return augment.affine(seed, x, rotation=0.15, shift=0.05, zoom=0.1), y

    steps = len(data.x) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        augment=change,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def load_pretrained(variant="default"):
    """LeNet-5 with the weights that `WEIGHTS` describes, checked."""
    return weights.load(build_model(), "classic_networks", variant)


def infer(model, image):
    """Read one digit.

    Args:
        image: a photo or scan of any size (path, PIL image or array), the digit dark
            on light or light on dark; see `digits.prepare`.

    Returns:
        An `Answer`, "0" to "9"; `details["probabilities"]` holds one for each digit and
        for "none", which is above all others where the smallest penalty is above `J`.
    """
    x = framed(digits.prepare(image)[np.newaxis])
    penalties = np.asarray(model(x, training=False), "float64")[0]
    odds = np.exp(-np.append(penalties, J))
    probabilities = odds / odds.sum()
    best = int(penalties.argmin())
    names = (*digits.CLASSES, NONE)
    return Answer(
        digits.CLASSES[best],
        probabilities[best],
        probabilities=dict(zip(names, map(float, probabilities), strict=True)),
    )


def evaluate(model=None):
    """How it reads digits never trained on, as rows (what, ours, goal).

    "None" is told by penalties above `J`. To say it costs a few digits and catches most
    mistakes; and a digit whose pixels were shuffled should be none.
    """
    model = model or load_pretrained()
    data = digits.load_digits()
    x_drawn, y_drawn = digits.make_digits(1000, seed=10_000)
    pixels = data.x_test[:1000].reshape(1000, -1)
    shuffled = np.random.default_rng(0).permuted(pixels, axis=1)

    def answers(x):
        penalties = model.predict(framed(x), batch_size=500, verbose=0)
        return penalties.argmin(1), penalties.min(1) > J

    y_hat, none = answers(data.x_test)
    right = y_hat == data.y_test
    _, none_shuffled = answers(shuffled.reshape(-1, digits.SIZE, digits.SIZE))
    return [
        ("test accuracy, 10,000 digits", right.mean(), 0.99),
        ("test digits called none", none.mean(), None),
        ("accuracy of the others", right[~none].mean(), None),
        ("shuffled digits called none", none_shuffled.mean(), None),
        ("accuracy, 1,000 drawn digits", np.mean(answers(x_drawn)[0] == y_drawn), None),
    ]


def picture(model, image):
    """The picture, what F6 shows of it, and the probabilities: a matplotlib figure."""
    x = framed(digits.prepare(image)[np.newaxis])
    F6 = keras.Model(model.input, model.get_layer("F6").output)(x, training=False)
    shown = np.clip(0.5 - np.reshape(F6, (12, 7)) / 2, 0, 1)  # dark on paper
    shown = np.kron(shown, np.ones((32, 32)))  # (384, 224)
    photo = images.read(image)
    width = int(np.clip(384 * photo.width / photo.height, 1, 1000))
    photo = images.resized(photo, 384, width)
    gap = np.ones((384, 24, 3))
    both = np.concatenate([photo, gap, np.stack([shown] * 3, axis=-1)], axis=1)
    return plots.classification(both, infer(model, image))


def example():
    """The question of the tour: a test digit where data are at hand, else a drawing."""
    if files.in_data_folder(digits.TEST_PART):
        return "Which digit did somebody write here?", digits.load_digits().x_test[8]
    ink = digits.draw_digit(4, np.random.default_rng(1), 256)
    return "Which digit is drawn here?", 255 - np.asarray(ink)
