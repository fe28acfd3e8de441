"""Residual networks: ResNet50 recognises hand signs (C4 W2 A1).

A residual block learns what to add to its input. If its best output is its input, it
only has to learn F = 0, which is easier than learning the identity; and the gradient
reaches early layers unchanged through the sum. So networks of fifty layers can be
trained as well as networks of five:

    a<l+2> = relu(F(a<l>) + a<l>)

F is three convolutions (1x1, f x f, 1x1), each with batch normalisation. Where F
changes the shape, a 1x1 convolution in the shortcut makes the same change.

Shapes: m images, n_H x n_W pixels, n_C channels; hand signs are 64 x 64 x 3 in six
classes. Edition: 2021; in 2017 the blocks took (X, f, filters, stage, block), where
stage and block only named the layers, and later editions have no `training`.
Paper: He et al. (2016), "Deep residual learning", https://arxiv.org/abs/1512.03385
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import initializers, layers
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
from dls_keras.core.answers import Answer, Row, likeliest
from dls_keras.datasets import signs

# Keras's Adam, BatchNormalization and Conv2D on faster kernels; tests compare them.
from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D

SIZE = 64  # height and width of an image, in pixels

# Shipped weights: 99.2 % of the course's 120 test photos, see `weights/records.toml`.


# The assignment: the course's functions under the course's signatures.


@settings.keras_defaults()
def identity_block(
    X, f, filters, training=True, initializer=initializers.RandomUniform
):
    """A residual block whose input and output have the same shape.

    Args:
        X: (m, n_H, n_W, filters[2]).
        f: kernel size of the middle convolution.
        filters: channels of the three convolutions.
        training: whether batch normalisation uses the statistics of the batch (True)
            or the moving ones (False).
        initializer: called with seed=0 once for each convolution.

    Returns:
        (m, n_H, n_W, filters[2]).
    """
    X_shortcut = X
    X = _main_path(X, f, filters, 1, training, initializer)
    X = layers.Add()([X, X_shortcut])
    return layers.Activation("relu")(X)


@settings.keras_defaults()
def convolutional_block(
    X, f, filters, s=2, training=True, initializer=initializers.GlorotUniform
):
    """A residual block that changes the shape, with a 1x1 convolution in the shortcut.

    Args:
        X: (m, n_H, n_W, n_C).
        s: stride of the first convolution and of the shortcut.

    Returns:
        (m, ceil(n_H / s), ceil(n_W / s), filters[2]).
    """
    X_shortcut = X
    X = _main_path(X, f, filters, s, training, initializer)
    X_shortcut = Conv2D(
        filters[2], 1, strides=s, kernel_initializer=initializer(seed=0)
    )(X_shortcut)
    X_shortcut = BatchNormalization(axis=3)(X_shortcut, training=training)
    X = layers.Add()([X, X_shortcut])
    return layers.Activation("relu")(X)


def _main_path(X, f, filters, s, training, initializer):
    """F: convolutions 1x1, f x f and 1x1, each normalised, with relu between them."""
    F1, F2, F3 = filters
    X = Conv2D(F1, 1, strides=s, kernel_initializer=initializer(seed=0))(X)
    X = BatchNormalization(axis=3)(X, training=training)
    X = layers.Activation("relu")(X)
    X = Conv2D(F2, f, padding="same", kernel_initializer=initializer(seed=0))(X)
    X = BatchNormalization(axis=3)(X, training=training)
    X = layers.Activation("relu")(X)
    X = Conv2D(F3, 1, kernel_initializer=initializer(seed=0))(X)
    return BatchNormalization(axis=3)(X, training=training)


@settings.keras_defaults()
def ResNet50(input_shape=(64, 64, 3), classes=6, training=None):
    """The network of fifty layers, untrained.

    Args:
        training: passed to every batch normalisation; None leaves it to each call of
            the model.

    Returns:
        A model from (m, *input_shape) to (m, classes), softmax probabilities.
    """
    X_input = keras.Input(input_shape)
    X = layers.ZeroPadding2D(3)(X_input)
    X = layers.Conv2D(
        64, 7, strides=2, kernel_initializer=initializers.GlorotUniform(seed=0)
    )(X)
    X = BatchNormalization(axis=3)(X, training=training)
    X = layers.Activation("relu")(X)
    X = layers.MaxPooling2D(3, strides=2)(X)

    stages = (
        # (filters, stride, identity blocks after the convolutional one)
        ([64, 64, 256], 1, 2),
        ([128, 128, 512], 2, 3),
        ([256, 256, 1024], 2, 5),
        ([512, 512, 2048], 2, 2),
    )
    for filters, s, repeats in stages:
        X = convolutional_block(X, 3, filters, s, training)
        for _ in range(repeats):
            X = identity_block(X, 3, filters, training)

    X = layers.AveragePooling2D(2)(X)
    X = layers.Flatten()(X)
    X = layers.Dense(
        classes,
        activation="softmax",
        kernel_initializer=initializers.GlorotUniform(seed=0),
    )(X)
    return keras.Model(X_input, X, name="ResNet50")


# The application: the names that every assignment shares.


def load_data(extra: int = 0, seed: int = 0, *, synthetic: bool = False) -> signs.Signs:
    """The SIGNS photos, float32 in [0, 1].

    Args:
        extra: how many images of `signs.make_signs` are appended to the training
            photos.
        synthetic: images of `make_signs` in place of the photos; needs no files.
    """
    return signs.load_scaled(extra, seed=seed, synthetic=synthetic)


def build_model() -> keras.Model:
    """ResNet50 for hand signs, untrained."""
    return ResNet50((SIZE, SIZE, 3), len(signs.CLASSES))


@examples.accepted(pixels="float32")
def train(
    model: keras.Model,
    data: signs.Signs,
    *,
    epochs: int = 40,
    batch_size: int = 32,
    learning_rate: float = 0.001,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place, with random affine transforms, flips and colour jitter.

    The learning rate has a linear warmup of one epoch, then a cosine decay to zero.

    Args:
        settings: further arguments of `core.training.fit`.

    Returns:
        The mean cross-entropy of each epoch, in nats.
    """
    keras.utils.set_random_seed(seed)
    steps = len(data.x) // batch_size

    def loss_fn(x, y, training=True):
        y_hat = model(x, training=training)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    def change(seed, x, y):
        x = augment.affine(seed, x, rotation=0.35, shift=0.1, zoom=0.15, flip=True)
        x = augment.colour_jitter(seed, x, brightness=0.15, contrast=0.25, tint=0.05)
        return x, y

    rate = training.cosine_decay_with_warmup(
        learning_rate, steps * epochs, warmup=steps
    )
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        augment=change,
        model=model,
        **settings,
    )


@pretrained.or_own_file
def load_pretrained(variant: str = "default") -> keras.Model:
    """ResNet50 with the shipped weights."""
    return weights.load(build_model(), "residual_networks", variant)


@inputs.batched(inputs.PICTURE)
def infer(model: keras.Model, photos: Any) -> list[Answer]:
    """Recognise the number that a hand shows.

    Args:
        photos: a photo of any size (path, PIL image, array, bytes), or a list of them;
            resized to 64 x 64 without keeping the aspect ratio.

    Returns:
        An `Answer`, "0" to "5". Its confidence is the softmax probability of that
        class; `details["probabilities"]` holds the probability of each class.
    """
    x = np.stack([images.resized(photo, SIZE, SIZE) for photo in photos])
    probabilities = np.asarray(model(x, training=False))
    return [likeliest(signs.CLASSES, p) for p in probabilities]


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """Accuracy on held-out photos and on held-out synthetic images.

    Args:
        synthetic: only the rows of synthetic images; needs no files.
    """
    model = model or load_pretrained()
    x, y = signs.make_signs(600, seed=10_000)
    y_hat = model.predict(x.astype("float32") / 255, verbose=0).argmax(1)
    made = Row("accuracy, 600 held-out synthetic images", (y_hat == y).mean())
    if synthetic:
        return [made]
    data = load_data()
    correct = model.predict(data.x_test, verbose=0).argmax(1) == data.y_test
    unique = ~signs.near_duplicates(signs.load_signs())
    return [
        Row("test accuracy, 120 photos", correct.mean(), at_least=0.98),
        Row(
            f"test accuracy, {unique.sum()} photos without near-duplicates",
            correct[unique].mean(),
        ),
        made,
    ]


def picture(image: Any, answer: Answer) -> Figure:
    """The photo next to the probability of each class."""
    return plots.classification(images.read(image), answer)


def example() -> tuple[str, Any]:
    """A question and its input: a photo if it is available, else a synthetic image."""
    photo = files.in_data_folder("signs/images/my_image.jpg")
    if photo:
        return "Which number does this hand show?", photo
    synthetic, _ = signs.make_signs(6, seed=7)
    return "Which number does the synthetic hand show?", synthetic[3]
