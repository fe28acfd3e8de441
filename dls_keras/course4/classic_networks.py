"""Classic networks: LeNet-5, AlexNet, VGG-16 and GoogLeNet as in their papers (C4 W2).

Four architectures from 1998 to 2014. Each is a table in its paper, and here a function
with the layers of that table, in its order.

    LeNet-5     conv, pool, conv, pool, dense: fewer and fewer pixels, more channels
    AlexNet     the same, larger; with relu, dropout and overlapping pooling
    VGG-16      only 3 x 3 convolutions; channels double where pooling halves the sides
    GoogLeNet   1 x 1, 3 x 3 and 5 x 5 in parallel, made cheaper by 1 x 1 convolutions

LeNet-5 is that of the paper, with details that later versions dropped: pooling layers
have parameters, most maps of C3 are connected to only some maps of S2, and the last
layer computes ten distances, from F6 to a fixed image, the code, of each digit:

    penalty[i] = sum over j of (F6[j] - code[i, j])^2
    loss = penalty[y] + log(e^-J + sum over i of e^-penalty[i])

This is cross-entropy with an eleventh class of constant penalty J: not a digit.

Shapes: m images of n_H x n_W pixels with n_C channels. From the lectures; the course
has no assignment on these networks. Papers: LeCun, Bottou, Bengio & Haffner (1998),
"Gradient-based learning applied to document recognition"; Krizhevsky, Sutskever &
Hinton (2012), "ImageNet classification with deep convolutional neural networks";
Simonyan & Zisserman (2015), https://arxiv.org/abs/1409.1556; Szegedy et al. (2015),
"Going deeper with convolutions", https://arxiv.org/abs/1409.4842
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from matplotlib.figure import Figure

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
from dls_keras.datasets import digits
from dls_keras.datasets.draw import digits as draw_digits

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam
from dls_keras.networks.normalization import LocalResponseNormalization

SIZE = 32  # height and width of LeNet-5's input, in pixels: MNIST's 28, zero-padded
J = 10.0  # the penalty of "none"; halfway between two codes both penalties are >= 20
NONE = "none"

# The maps of S2 to which each map of C3 is connected (LeCun et al., table I).
TABLE_I = (
    (0, 1, 2), (1, 2, 3), (2, 3, 4), (3, 4, 5), (0, 4, 5), (0, 1, 5),
    (0, 1, 2, 3), (1, 2, 3, 4), (2, 3, 4, 5), (0, 3, 4, 5), (0, 1, 4, 5),
    (0, 1, 2, 5), (0, 1, 3, 4), (1, 2, 4, 5), (0, 2, 3, 5), (0, 1, 2, 3, 4, 5),
)  # fmt: skip

# VGG-16's blocks, (filters, convolutions) (Simonyan & Zisserman, table 1, column D).
CONFIGURATION_D = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))

# Filters of GoogLeNet's modules, for `inception_module` (Szegedy et al., table 1).
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

Shape = tuple[int, int, int]
serializable = keras.saving.register_keras_serializable(package="dls_keras")

# LeNet-5, 1998.


@serializable
def squash(a: Any) -> Any:
    """LeCun's scaled tanh: f(1) = 1 and f(-1) = -1, where f'' is largest."""
    return 1.7159 * ops.tanh(2 / 3 * a)


@serializable
class PartialConv2D(layers.Layer):
    """A convolution in which each filter uses some of the channels, like LeNet-5's C3.

    Args:
        connections: for each filter the indices of its input channels.
        f: side of the window.
    """

    def __init__(self, connections: Sequence, f: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.connections, self.f = connections, f
        # Pairs of an input channel c and a filter k.
        self.pairs = [(c, k) for k, inputs in enumerate(connections) for c in inputs]

    def build(self, input_shape: Any) -> None:
        """Create one f x f kernel for each pair of an input channel and a filter."""
        self.kernel = self.add_weight(
            (len(self.pairs), self.f**2), "random_normal", name="kernel"
        )
        self.bias = self.add_weight((len(self.connections),), "zeros", name="bias")

    def call(self, X: Any) -> Any:
        """(m, n_H, n_W, n_C_prev) -> (m, n_H - f + 1, n_W - f + 1, n_C)."""
        n_C_prev, n_C = X.shape[-1], len(self.connections)
        W = ops.scatter(self.pairs, self.kernel, (n_C_prev, n_C, self.f**2))
        W = ops.reshape(ops.transpose(W, (2, 0, 1)), (self.f, self.f, n_C_prev, n_C))
        return ops.conv(X, W, data_format="channels_last") + self.bias

    def get_config(self) -> dict[str, Any]:
        """The arguments of the layer, for saving and cloning."""
        return super().get_config() | {"connections": self.connections, "f": self.f}


@serializable
class RadialBasis(layers.Layer):
    """The squared distance to the code of each digit: (m, 84) -> (m, 10)."""

    def call(self, X: Any) -> Any:
        """The penalties of the paper."""
        return ops.sum(ops.square(X[:, np.newaxis] - digits.load_codes()), axis=-1)


@settings.keras_defaults()
def LeNet5() -> keras.Model:
    """The paper's network for digits: 60,000 parameters, and ten fixed codes.

    Returns:
        A model from digits (m, 32, 32, 1), ink 1 on paper 0, to penalties (m, 10).
    """
    X_input = keras.Input((SIZE, SIZE, 1))
    A = layers.Rescaling(1.275, offset=-0.1)(X_input)  # -0.1 to 1.175, mean about 0
    A = layers.Conv2D(6, 5, activation=squash, name="C1")(A)  # (m, 28, 28, 6)
    A = _subsample(A, "S2")
    A = PartialConv2D(TABLE_I, 5, name="C3")(A)  # (m, 10, 10, 16)
    A = layers.Activation(squash)(A)
    A = _subsample(A, "S4")
    A = layers.Conv2D(120, 5, activation=squash, name="C5")(A)  # (m, 1, 1, 120)
    A = layers.Flatten()(A)
    A = layers.Dense(84, activation=squash, name="F6")(A)
    return keras.Model(X_input, RadialBasis(name="output")(A), name="LeNet5")


def _subsample(A, name):
    """Halve the sides: squash(coefficient * mean of four pixels + bias) per channel."""
    A = layers.AveragePooling2D(2)(A)
    return layers.DepthwiseConv2D(
        1, depthwise_initializer="ones", activation=squash, name=name
    )(A)


def penalty_loss(y: Any, penalties: Any) -> tf.Tensor:
    """The mean loss of LeNet-5 in nats; its formula is in the module's docstring.

    Args:
        y: (m,) integers, the true digits.
        penalties: (m, 10) float32.
    """
    logits = tf.pad(-penalties, ((0, 0), (0, 1)), constant_values=-J)  # and "none"
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
    return tf.reduce_mean(losses)


@settings.keras_defaults()
def LeNet5_modern(input_shape: Shape = (32, 32, 1), classes: int = 10) -> keras.Model:
    """The LeNet-5 of the lectures: plain pooling, all maps connected, relu, softmax.

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


@settings.keras_defaults()
def AlexNet(input_shape: Shape = (227, 227, 3), classes: int = 1000) -> keras.Model:
    """Eight layers with parameters: 60,965,224 for 1000 classes.

    conv2, conv4 and conv5 have two groups, since the paper used two GPUs, which
    exchanged channels only before conv3 and fc6. The paper states 224 pixels, but its
    maps of 55 x 55 need 227.

    Returns:
        A model from (m, *input_shape) to (m, classes), softmax.
    """
    X_input = keras.Input(input_shape)
    A = layers.Conv2D(96, 11, strides=4, activation="relu", name="conv1")(X_input)
    A = LocalResponseNormalization(depth_radius=2, bias=2.0)(A)
    A = layers.MaxPooling2D(3, strides=2)(A)  # (m, 27, 27, 96)
    A = _conv(A, 256, 5, "conv2", groups=2)
    A = LocalResponseNormalization(depth_radius=2, bias=2.0)(A)
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
    """A convolution with "same" padding, and relu."""
    return layers.Conv2D(
        filters, f, padding="same", activation="relu", name=name, **settings
    )(A)


# VGG-16, 2014.


@settings.keras_defaults()
def VGG16(input_shape: Shape = (224, 224, 3), classes: int = 1000) -> keras.Model:
    """Sixteen layers with parameters: 138,357,544 for 1000 classes.

    Layers have the names of `keras.applications.VGG16`, so its weights can be loaded.

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


@settings.keras_defaults()
def inception_module(A: Any, filters: Sequence[int], name: str = "inception") -> Any:
    """Convolutions of 1 x 1, 3 x 3 and 5 x 5 and a pooling branch, in parallel.

    Args:
        A: (m, n_H, n_W, n_C_prev).
        filters: six numbers: of the 1 x 1; of the 1 x 1 before the 3 x 3, and of the
            3 x 3; of the 1 x 1 before the 5 x 5, and of the 5 x 5; of the 1 x 1 after
            the pooling.

    Returns:
        (m, n_H, n_W, n_C): the channels of the four branches, concatenated.
    """
    n1, reduce3, n3, reduce5, n5, n_pool = filters
    branch1 = _conv(A, n1, 1, f"{name}_1x1")
    branch3 = _conv(A, reduce3, 1, f"{name}_3x3_reduce")
    branch3 = _conv(branch3, n3, 3, f"{name}_3x3")
    branch5 = _conv(A, reduce5, 1, f"{name}_5x5_reduce")
    branch5 = _conv(branch5, n5, 5, f"{name}_5x5")
    pool = layers.MaxPooling2D(3, strides=1, padding="same")(A)
    pool = _conv(pool, n_pool, 1, f"{name}_pool_projection")
    return layers.Concatenate(name=name)([branch1, branch3, branch5, pool])


@settings.keras_defaults()
def GoogLeNet(
    input_shape: Shape = (224, 224, 3), classes: int = 1000, auxiliary: bool = False
) -> keras.Model:
    """Nine inception modules; 6,998,552 parameters for 1000 classes.

    Args:
        auxiliary: whether 4a and 4d have auxiliary classifiers, which add a gradient to
            the layers before them; the paper weights their losses by 0.3.

    Returns:
        A model from (m, *input_shape) to (m, classes), softmax. With `auxiliary` it has
        three such outputs, the main classifier first.
    """
    X_input = keras.Input(input_shape)
    A = _conv(X_input, 64, 7, "conv1", strides=2)
    A = layers.MaxPooling2D(3, strides=2, padding="same")(A)
    A = LocalResponseNormalization(depth_radius=2, bias=2.0)(A)
    A = _conv(A, 64, 1, "conv2_reduce")
    A = _conv(A, 192, 3, "conv2")
    A = LocalResponseNormalization(depth_radius=2, bias=2.0)(A)
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
    """A small classifier on a layer in the middle of the network."""
    A = layers.AveragePooling2D(5, strides=3)(A)  # (m, 4, 4, n_C)
    A = _conv(A, 128, 1, f"{name}_conv")
    A = layers.Flatten()(A)
    A = layers.Dense(1024, activation="relu", name=f"{name}_dense")(A)
    A = layers.Dropout(0.7)(A)
    return layers.Dense(classes, activation="softmax", name=name)(A)


# The application: the names that every assignment shares. LeNet-5 recognises digits.


def load_data(
    extra: int = 6000, seed: int = 0, *, synthetic: bool = False
) -> digits.Digits:
    """MNIST, zero-padded to (m, 32, 32, 1), float32 in [0, 1].

    Args:
        extra: how many digits of `digits.make_digits` are appended to the training
            digits.
        synthetic: digits of `make_digits` in place of MNIST's; needs no files.
    """
    data = digits.load_digits(synthetic=synthetic)
    data = digits.with_synthetic(data, extra, seed=seed)
    x, x_test = digits.as_inputs(data.x, SIZE), digits.as_inputs(data.x_test, SIZE)
    return data._replace(x=x, x_test=x_test)


def build_model() -> keras.Model:
    """The paper's LeNet-5, untrained."""
    return LeNet5()


@examples.accepted(pixels="float32")
def train(
    model: keras.Model,
    data: digits.Digits,
    *,
    epochs: int = 20,
    batch_size: int = 64,
    learning_rate: float = 0.003,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place on randomly rotated, shifted and zoomed digits.

    The learning rate has a cosine decay to zero.

    Args:
        settings: further arguments of `core.training.fit`.

    Returns:
        The mean `penalty_loss` of each epoch, in nats.
    """

    def loss_fn(x, y, training=True):
        return penalty_loss(y, model(x, training=training))

    def change(seed, x, y):
        return augment.affine(seed, x, rotation=0.15, shift=0.05, zoom=0.1), y

    steps = max(1, epochs * (len(data.x) // batch_size))
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        augment=change,
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """LeNet-5 with the shipped weights: 99.39 % of MNIST's test digits."""
    return weights.load(build_model(), "classic_networks", variant)


@inputs.batched(inputs.PICTURE)
def infer(model: keras.Model, scans: Any) -> list[Answer]:
    """Recognise one digit.

    Args:
        model: a `LeNet5`.
        scans: a photo or scan of any size (path, PIL image, array, bytes), or a list of
            them, each digit dark on light or light on dark; see `digits.prepare`.

    Returns:
        An `Answer`, "0" to "9". Its confidence is the softmax probability of that digit
        among the ten digits and "none"; `details["probabilities"]` holds all eleven.
        "none" is the most probable one if the smallest penalty is larger than `J`.
    """
    A = digits.as_inputs(np.stack([digits.prepare(scan) for scan in scans]), SIZE)
    for layer in model.layers[1:-1]:
        A = layer(A)
    F6 = A  # (m, 84), the activations of the last layer but one
    penalties = np.asarray(model.layers[-1](F6), "float64")
    return [_answer(*pair) for pair in zip(penalties, np.asarray(F6), strict=True)]


def _answer(penalties, F6):
    """The answer for one digit, from ten penalties and the 84 activations."""
    odds = np.exp(-np.append(penalties, J))
    probabilities = odds / odds.sum()
    best = int(penalties.argmin())
    names = (*digits.CLASSES, NONE)
    return Answer(
        digits.CLASSES[best],
        probabilities[best],
        probabilities=dict(zip(names, map(float, probabilities), strict=True)),
        for_picture={"F6": np.reshape(F6, (12, 7))},
    )


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """Accuracy on held-out digits, and how many have only penalties above `J`.

    These are classified as "none": a few digits, most of the mistakes, and, as they
    should be, digits whose pixels were shuffled.

    Args:
        synthetic: only the rows of synthetic digits; needs no files.
    """
    model = model or load_pretrained()

    def predict(x):
        x = digits.as_inputs(x, SIZE)
        penalties = model.predict(x, batch_size=500, verbose=0)
        return penalties.argmin(1), penalties.min(1) > J

    x, y = digits.make_digits(1000, seed=10_000)
    made = Row("accuracy, 1,000 held-out synthetic digits", np.mean(predict(x)[0] == y))
    if synthetic:
        return [made]
    data = digits.load_digits()
    pixels = data.x_test[:1000].reshape(1000, -1)
    shuffled = np.random.default_rng(0).permuted(pixels, axis=1).reshape(-1, 28, 28)
    y_hat, none = predict(data.x_test)
    correct = y_hat == data.y_test
    return [
        Row("test accuracy, 10,000 digits", correct.mean(), at_least=0.99),
        Row('test digits classified as "none"', none.mean()),
        Row('test accuracy, digits not classified as "none"', correct[~none].mean()),
        Row('shuffled digits classified as "none"', predict(shuffled)[1].mean()),
        made,
    ]


def picture(image: Any, answer: Answer) -> Figure:
    """The image, the activations of F6 as an image, and the probabilities."""
    F6 = np.clip(0.5 - answer.for_picture["F6"] / 2, 0, 1)  # ink is dark
    F6 = np.kron(np.stack([F6] * 3, axis=-1), np.ones((32, 32, 1)))  # (384, 224, 3)
    photo = images.read(image)
    width = int(np.clip(384 * photo.width / photo.height, 1, 1000))
    parts = images.resized(photo, 384, width), np.ones((384, 24, 3)), F6
    return plots.classification(np.concatenate(parts, axis=1), answer)


def example() -> tuple[str, Any]:
    """A question and its input: a test digit if available, else a synthetic digit."""
    if files.in_data_folder(digits.TEST_PART):
        return "Which digit did somebody write here?", digits.load_digits().x_test[8]
    ink = draw_digits.digit(4, np.random.default_rng(1), 256)
    return "Which digit is this synthetic one?", 255 - np.asarray(ink)
