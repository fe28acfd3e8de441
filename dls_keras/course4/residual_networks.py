"""Residual networks: ResNet50 reads hand signs (C4 W2 A1).

A block learns what to add to its input instead of its whole output, so that a
block that has nothing to add can be the identity, and fifty layers train as
willingly as five:

    a<l+2> = relu(F(a<l>) + a<l>)

where F is three convolutions (1x1, f x f, 1x1), each with batch normalisation.
Where the shapes differ, a 1x1 convolution brings the shortcut to size.

Shapes: m images, n_H x n_W pixels, n_C channels; hand signs 64 x 64 x 3 in six
classes. Edition: 2021; in 2017 the blocks took (X, f, filters, stage, block), the
last two only to name layers, and later editions dropped `training`.
Paper: He et al. (2016), "Deep residual learning", https://arxiv.org/abs/1512.03385
"""

import keras
import numpy as np
import tensorflow as tf
from keras import initializers, layers

from dls_keras import plots
from dls_keras.core import augment, files, images, training, weights
from dls_keras.core.answers import likeliest
from dls_keras.datasets import signs
from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D

SIZE = 64  # height and width of a photo, in pixels


# The assignment: the course's functions under the course's signatures.


def identity_block(
    X, f, filters, training=True, initializer=initializers.RandomUniform
):
    """A block whose input and output have one shape.

    Args:
        X: (m, n_H, n_W, filters[2]).
        f: side of the middle convolution's window.
        filters: channels of the three convolutions.
        training: batch statistics (True) or running ones (False).
        initializer: called with seed=0 once for each convolution.

    Returns:
        (m, n_H, n_W, filters[2]).
    """
    X_shortcut = X
    X = _main_path(X, f, filters, 1, training, initializer)
    X = layers.Add()([X, X_shortcut])
    return layers.Activation("relu")(X)


def convolutional_block(
    X, f, filters, s=2, training=True, initializer=initializers.GlorotUniform
):
    """A block that changes shape: a 1x1 convolution stands in the shortcut.

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
    """Convolve 1x1, f x f and 1x1; normalise each, relu between them."""
    F1, F2, F3 = filters
    X = Conv2D(F1, 1, strides=s, kernel_initializer=initializer(seed=0))(X)
    X = BatchNormalization(axis=3)(X, training=training)
    X = layers.Activation("relu")(X)
    X = Conv2D(F2, f, padding="same", kernel_initializer=initializer(seed=0))(X)
    X = BatchNormalization(axis=3)(X, training=training)
    X = layers.Activation("relu")(X)
    X = Conv2D(F3, 1, kernel_initializer=initializer(seed=0))(X)
    return BatchNormalization(axis=3)(X, training=training)


def ResNet50(input_shape=(64, 64, 3), classes=6, training=None):
    """The network of fifty layers, untrained.

    Args:
        training: handed to every batch normalisation; None lets each call of the
            model say whether it trains.

    Returns:
        A model from (m, *input_shape) to (m, classes), softmax.
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
        # (filters, stride, identity blocks behind the first)
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


def load_data(drawn=0, seed=0):
    """The SIGNS photos, scaled to [0, 1] float32, with `drawn` hands behind them."""
    return signs.load_scaled(drawn, seed=seed)


def build_model():
    """ResNet50 for hand signs, untrained."""
    return ResNet50((SIZE, SIZE, 3), len(signs.CLASSES))


def train(
    model,
    data,
    *,
    epochs=40,
    batch_size=32,
    learning_rate=0.001,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place on turned, moved, mirrored and relit photos.

    The rate climbs for one epoch, then falls to zero along a cosine.

    Returns:
        Each epoch's mean cross-entropy, in nats.
    """
    keras.utils.set_random_seed(seed)
    steps = len(data.x) // batch_size

    def loss_fn(x, y):
        y_hat = model(x, training=True)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    def change(seed, x, y):
        x = augment.affine(seed, x, rotation=0.35, shift=0.1, zoom=0.15, flip=True)
        x = augment.light(seed, x, brightness=0.15, contrast=0.25, tint=0.05)
        return x, y

    rate = training.warm_cosine(learning_rate, steps * epochs, warmup=steps)
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
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def load_pretrained(variant="default"):
    """ResNet50 with the weights that `WEIGHTS` describes, checked."""
    return weights.load(build_model(), "residual_networks", variant)


def infer(model, image):
    """Read the number that a hand shows.

    Args:
        image: a photo of any size (path, PIL image or array), stretched to 64 x 64.

    Returns:
        An `Answer`, "0" to "5"; `details["probabilities"]` holds one a class.
    """
    x = images.resized(image, SIZE, SIZE)
    probabilities = np.asarray(model(x[np.newaxis], training=False))[0]
    return likeliest(signs.CLASSES, probabilities)


def evaluate(model=None):
    """Accuracy on photos never trained on, as rows (what, ours, goal)."""
    model = model or load_pretrained()
    data = load_data()
    right = model.predict(data.x_test, verbose=0).argmax(1) == data.y_test
    no_twin = ~signs.twins(signs.load_signs())
    x_drawn, y_drawn = signs.make_signs(600, seed=10_000)
    drawn = model.predict(x_drawn.astype("float32") / 255, verbose=0).argmax(1)
    return [
        ("test accuracy, 120 photos", right.mean(), 0.98),
        (f"without twins, {no_twin.sum()} photos", right[no_twin].mean(), None),
        ("drawn hands, 600 never seen", np.mean(drawn == y_drawn), None),
    ]


def picture(model, image):
    """The photo beside the probability of each class, a matplotlib figure."""
    answer = infer(model, image)
    return plots.classification(images.read(image), answer)


def example():
    """The question of the tour: a real photo where data are at hand, else a drawing."""
    photo = files.in_data_folder("signs/images/my_image.jpg")
    if photo:
        return "Which number does this hand show?", photo
    drawn, _ = signs.make_signs(6, seed=7)
    return "Which number does this drawn hand show?", drawn[3]
