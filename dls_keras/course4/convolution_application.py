"""Convolutional model, application: a net of 1310 parameters reads signs (C4 W1 A2).

A convolution looks for the same small pattern everywhere, a pooling keeps where about
it was found, and a dense layer weighs the few numbers that are left:

    conv -> relu -> max pool -> conv -> relu -> max pool -> flatten -> dense -> softmax

The filters are shared by all places, so the network has a 235th of the parameters of
the dense one in `tensorflow_introduction`, and reads the same photos about as well.

Shapes: m photos (m, n_H, n_W, n_C), hand signs 64 x 64 x 3 in six classes; labels
one-hot, (m, 6). Edition: 2021, whose `happyModel` and `convolutional_model` are Keras
models. Below them stands what 2017 wrote as a graph of placeholders; `tf.function`
takes arrays where those stood, so `create_placeholders` has no counterpart, and
the weights hidden in the dense layer are arguments here, `fc_W` and `fc_b`.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.core import augment, files, images, training, weights
from dls_keras.core.answers import likeliest
from dls_keras.course2 import optimization
from dls_keras.course2.tensorflow_introduction import load_data
from dls_keras.course2.tensorflow_tutorial import convert_to_one_hot  # noqa: F401
from dls_keras.datasets import signs
from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D

SIZE = 64  # height and width of a photo, in pixels


# The assignment: the course's functions under the course's signatures.


def happyModel():
    """The network for the Happy House, untrained, as a stack of layers.

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


def convolutional_model(input_shape):
    """The network for hand signs, untrained, as a function from input to output.

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
    """All photos once, shuffled, in batches; the last one may be smaller.

    Args:
        X, Y: (m, n_H, n_W, n_C) and (m, n_y); in course 2 examples are columns.

    Returns:
        List of (X, Y), `mini_batch_size` photos each.
    """
    numbers = np.arange(len(X))[np.newaxis]  # (1, m), shuffled in place of the photos
    batches = optimization.random_mini_batches(numbers, numbers, mini_batch_size, seed)
    return [(X[chosen[0]], Y[chosen[0]]) for chosen, _ in batches]


def initialize_parameters():
    """The filters W1 (4, 4, 3, 8) and W2 (2, 2, 8, 16), a dict of variables.

    They are the draws of TensorFlow 1's Xavier initializer with the graph's seed 1
    and its own seed 0.
    """
    return {"W1": _xavier((4, 4, 3, 8), 0), "W2": _xavier((2, 2, 8, 16), 0)}


def _xavier(shape, seed):
    """Uniform in +-sqrt(6 / (n_in + n_out)), as TensorFlow 1 drew with these seeds."""
    limit = np.float32(np.sqrt(6 / (np.prod(shape[:-2]) * sum(shape[-2:]))))
    # Drawn in a graph of its own, as then: eagerly the seeds would count on.
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        draw = tf.raw_ops.RandomUniform(
            shape=shape, dtype=tf.float32, seed=1, seed2=seed
        )
        drawn = session.run(draw * (2 * limit) - limit)
    return tf.Variable(drawn)


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
    """Learn from photos X_train (m, 64, 64, 3) in [0, 1], shuffled in each epoch.

    Returns:
        train_accuracy, test_accuracy: shares of the photos that are read right.
        parameters: dict of the filters, and of "fc_W" and "fc_b" beside them.
    """
    parameters = initialize_parameters()
    parameters["fc_W"] = _xavier((64, 6), 45)
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


def build_model():
    """The network of 1310 parameters for hand signs, untrained."""
    return convolutional_model((SIZE, SIZE, 3))


def train(
    model,
    data,
    *,
    epochs=150,
    batch_size=32,
    learning_rate=0.01,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place on photos a little turned, moved and relit.

    The rate climbs for one epoch, since long first steps kill some of the eight filters
    for good, then falls to zero along a cosine.

    Returns:
        Each epoch's mean cross-entropy, in nats.
    """

    def loss_fn(x, y):
        y_hat = model(x, training=True)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    def change(seed, x, y):
        x = augment.affine(seed, x, rotation=0.15, shift=0.06, zoom=0.1)
        return augment.light(seed, x, brightness=0.1, contrast=0.1), y

    steps = len(data.x) // batch_size
    rate = training.warm_cosine(learning_rate, steps * epochs, warmup=steps)
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
    """The network with shipped weights, checked (see `core.weights.load`)."""
    return weights.load(build_model(), "convolution_application", variant)


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
        ("test accuracy, 120 photos", right.mean(), 0.9),
        (f"without twins, {no_twin.sum()} photos", right[no_twin].mean(), None),
        ("drawn hands, 600 never seen", np.mean(drawn == y_drawn), None),
    ]


def picture(model, image):
    """The photo beside the probability of each class, a matplotlib figure."""
    return plots.classification(image, infer(model, image))


def example():
    """The question of the tour: a real photo where data are at hand, else a drawing.

    Its few filters are made for photos: of drawn hands it reads an open one best.
    """
    if photo := files.in_data_folder("signs/images/my_image.jpg"):
        return "Which number does this hand show?", photo
    drawn, _ = signs.make_signs(6, seed=7)
    return "Which number does this drawn hand show?", drawn[5]
