"""Convolutional model, application: 1310 parameters recognise hand signs (C4 W1 A2).

A convolution detects the same small pattern at every position, pooling keeps its
approximate position, and a dense layer combines the few numbers that remain:

    conv -> relu -> max pool -> conv -> relu -> max pool -> flatten -> dense -> softmax

All positions share the filters, so the network has a 235th of the parameters of the
dense network in `tensorflow_introduction`, with about the same accuracy.

Shapes: m photos (m, n_H, n_W, n_C), hand signs 64 x 64 x 3 in six classes; labels
one-hot, (m, 6). Edition: 2021, whose `happyModel` and `convolutional_model` are Keras
models. After them comes the edition of 2017, which was a graph of placeholders. Today
`tf.function` takes arrays in their place, so there is no `create_placeholders`; the
weights of the dense layer, which 2017 left implicit, are the arguments `fc_W`, `fc_b`.
"""

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
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
from dls_keras.course2 import optimization, tensorflow_tutorial
from dls_keras.course2.tensorflow_introduction import load_data
from dls_keras.course2.tensorflow_tutorial import convert_to_one_hot  # noqa: F401
from dls_keras.datasets import signs

# Keras's Adam, BatchNormalization and Conv2D on faster kernels; tests compare them.
from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D

SIZE = 64  # height and width of a photo, in pixels


# The assignment: the course's functions under the course's signatures.


@settings.keras_defaults()
def happyModel():
    """The untrained network for the Happy House, in Keras's Sequential API.

    Returns:
        A model from (m, 64, 64, 3) to (m, 1): the probability of a happy face.
    """
    return keras.Sequential(
        [
            keras.Input((SIZE, SIZE, 3)),
            layers.ZeroPadding2D(3),
            Conv2D(32, 7),
            BatchNormalization(axis=3),
            layers.ReLU(),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )


@settings.keras_defaults()
def convolutional_model(input_shape):
    """The untrained network for hand signs, in Keras's functional API.

    Returns:
        A model from (m, *input_shape) to (m, 6): probabilities that sum to one.
    """
    X = keras.Input(input_shape)
    Z1 = Conv2D(8, 4, padding="same")(X)  # (m, 64, 64, 8)
    A1 = layers.ReLU()(Z1)
    P1 = layers.MaxPooling2D(8, strides=8, padding="same")(A1)  # (m, 8, 8, 8)
    Z2 = Conv2D(16, 2, padding="same")(P1)  # (m, 8, 8, 16)
    A2 = layers.ReLU()(Z2)
    P2 = layers.MaxPooling2D(4, strides=4, padding="same")(A2)  # (m, 2, 2, 16)
    F = layers.Flatten()(P2)  # (m, 64)
    outputs = layers.Dense(6, activation="softmax")(F)
    return keras.Model(X, outputs)


# The same network in the edition of 2017.


def random_mini_batches(X, Y, mini_batch_size=64, seed=0):
    """All photos once, shuffled, in mini-batches; the last one may be smaller.

    Args:
        X, Y: (m, n_H, n_W, n_C) and (m, n_y); in course 2 examples are columns.

    Returns:
        List of (X, Y), `mini_batch_size` photos each.
    """
    indices = np.arange(len(X))[np.newaxis]  # (1, m), shuffled in place of the photos
    batches = optimization.random_mini_batches(indices, indices, mini_batch_size, seed)
    return [(X[chosen[0]], Y[chosen[0]]) for chosen, _ in batches]


def initialize_parameters():
    """The filters W1 (4, 4, 3, 8) and W2 (2, 2, 8, 16), a dict of variables.

    They are those of TensorFlow 1's Xavier initializer with the graph seed 1 and the
    operation seed 0.
    """
    shapes = {"W1": (4, 4, 3, 8), "W2": (2, 2, 8, 16)}
    return {
        name: tf.Variable(tensorflow_tutorial.xavier(shape, seed=0))
        for name, shape in shapes.items()
    }


def forward_propagation(X, parameters, fc_W, fc_b):
    """The logits Z3 (m, 6) of photos X (m, 64, 64, 3); fc_W is (64, 6), fc_b (6,)."""
    Z1 = tf.nn.conv2d(X, parameters["W1"], strides=1, padding="SAME")
    P1 = tf.nn.max_pool2d(tf.nn.relu(Z1), 8, strides=8, padding="SAME")
    Z2 = tf.nn.conv2d(P1, parameters["W2"], strides=1, padding="SAME")
    P2 = tf.nn.max_pool2d(tf.nn.relu(Z2), 4, strides=4, padding="SAME")
    return tf.reshape(P2, (-1, fc_W.shape[0])) @ fc_W + fc_b


def compute_cost(Z3, Y):
    """The mean over the examples of the cross-entropy, in nats; both are (m, 6)."""
    return tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(Y, Z3))


def model(
    X_train,
    Y_train,
    X_test,
    Y_test,
    learning_rate=0.009,
    num_epochs=100,
    minibatch_size=64,
    print_cost=True,
):
    """Train on photos X_train (m, 64, 64, 3) in [0, 1], reshuffled in each epoch.

    Returns:
        train_accuracy, test_accuracy: shares of correct predictions, in [0, 1].
        parameters: dict of the filters, "fc_W" and "fc_b".
    """
    parameters = initialize_parameters()
    parameters["fc_W"] = tf.Variable(tensorflow_tutorial.xavier((64, 6), seed=45))
    parameters["fc_b"] = tf.Variable(tf.zeros(6))

    def logits(X):
        X = tf.cast(X, tf.float32)
        return forward_propagation(
            X, parameters, parameters["fc_W"], parameters["fc_b"]
        )

    def accuracy(X, Y):
        return float(np.mean(np.argmax(logits(X), axis=1) == np.argmax(Y, axis=1)))

    step = training.compile_step(
        lambda X, Y: compute_cost(logits(X), tf.cast(Y, tf.float32)),
        list(parameters.values()),
        Adam(learning_rate, epsilon=1e-8),  # TensorFlow 1's epsilon
    )
    full = max(1, len(X_train) // minibatch_size)  # the course divides by full batches
    for epoch in range(num_epochs):
        batches = random_mini_batches(X_train, Y_train, minibatch_size, seed=epoch + 4)
        cost = sum(float(step(X, Y)) for X, Y in batches) / full
        if print_cost and epoch % 5 == 0:
            print(f"Cost after epoch {epoch}: {cost:f}")
    train_accuracy, test_accuracy = accuracy(X_train, Y_train), accuracy(X_test, Y_test)
    print("Train Accuracy:", train_accuracy)
    print("Test Accuracy:", test_accuracy)
    return train_accuracy, test_accuracy, parameters


# The application: the names that every assignment shares. The photos are those of
# `tensorflow_introduction`.


def build_model() -> keras.Model:
    """The untrained network of 1310 parameters for hand signs."""
    return convolutional_model((SIZE, SIZE, 3))


@examples.accepted(pixels="float32")
def train(
    model: keras.Model,
    data: signs.Signs,
    *,
    epochs: int = 150,
    batch_size: int = 32,
    learning_rate: float = 0.01,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place, with random affine transforms and colour jitter.

    The learning rate has a linear warmup of one epoch, since large first steps kill
    some of the eight filters for good, then a cosine decay to zero.

    Args:
        settings: further arguments of `core.training.fit`.

    Returns:
        The mean cross-entropy of each epoch, in nats.
    """

    def loss_fn(x, y, training=True):
        y_hat = model(x, training=training)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    def change(seed, x, y):
        x = augment.affine(seed, x, rotation=0.15, shift=0.06, zoom=0.1)
        return augment.colour_jitter(seed, x, brightness=0.1, contrast=0.1), y

    steps = len(data.x) // batch_size
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
        augment=change,
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """The network with the shipped weights."""
    return weights.load(build_model(), "convolution_application", variant)


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
        Row("test accuracy, 120 photos", correct.mean(), at_least=0.9),
        Row(
            f"test accuracy, {unique.sum()} photos without near-duplicates",
            correct[unique].mean(),
        ),
        made,
    ]


def picture(image: Any, answer: Answer) -> Figure:
    """The photo next to the probability of each class."""
    return plots.classification(image, answer)


def example() -> tuple[str, Any]:
    """A question and its input: a photo if it is available, else a synthetic image.

    The few filters were trained on photos; of the synthetic hands they recognise an
    open hand best.
    """
    if photo := files.in_data_folder("signs/images/my_image.jpg"):
        return "Which number does this hand show?", photo
    synthetic, _ = signs.make_signs(6, seed=7)
    return "Which number does the synthetic hand show?", synthetic[5]
