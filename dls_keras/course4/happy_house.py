"""Keras tutorial, the Happy House: who may come in smiles (C4 W2).

A camera at the door takes a photo, and a network says whether the person is happy.
It is the shallowest of the course's convolutional networks: one layer of 32 filters as
large as a mouth, batch normalisation, and one unit that weighs what was found where:

    p = sigmoid(w . flatten(max_pool(relu(batch_norm(conv(x))))) + b)

The filters are shared by all places, but the last unit weighs 32,768 numbers, one for
each filter and place: much to learn from the course's 600 photos, and from fewer.

Shapes: m photos (m, 64, 64, 3); labels (m,), 1 for happy. Edition: 2017; in 2021 the
network became `happyModel` of `convolution_application`.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.core import augment, files, images, training, weights
from dls_keras.core.answers import likeliest
from dls_keras.datasets import smiles
from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D

SIZE = 64  # height and width of a photo, in pixels
HELD_OUT = 50  # the last of the course's 150 test photos, where no others are at hand


# The assignment: the course's function under the course's signature.


def HappyModel(input_shape, *, dtype=None):
    """The network for the Happy House, untrained.

    Args:
        input_shape: (n_H, n_W, n_C) of a photo.
        dtype: what the layers compute in; "mixed_bfloat16" trains 1.6 times as
            fast on CPUs that multiply bfloat16. Weights and the answer stay float32.

    Returns:
        A model from (m, *input_shape) to (m, 1): the probability of a happy face.
    """
    X_input = keras.Input(input_shape)
    X = layers.ZeroPadding2D(3, dtype=dtype)(X_input)
    X = Conv2D(32, 7, name="conv0", dtype=dtype)(X)
    X = BatchNormalization(axis=3, name="bn0", dtype=dtype)(X)
    X = layers.Activation("relu", dtype=dtype)(X)
    X = layers.MaxPooling2D(2, name="max_pool", dtype=dtype)(X)
    X = layers.Flatten(dtype=dtype)(X)
    X = layers.Dense(1, activation="sigmoid", name="fc", dtype="float32")(X)
    return keras.Model(X_input, X, name="HappyModel")


# The application: the names that every assignment shares.


def load_data(drawn=0, seed=0):
    """The course's photos as `prepared`, with `drawn` faces behind those to learn from.

    Where train_happy.h5 is at hand, 600 to learn from and 150 to test on; else 100 and
    50 of those 150.
    """
    data = smiles.load_happy()
    if len(data.x) == 0:
        x, y = data.x_test, data.y_test
        data = smiles.Happy(x[:-HELD_OUT], y[:-HELD_OUT], x[-HELD_OUT:], y[-HELD_OUT:])
    drawings = smiles.make_happy(drawn, seed=seed)
    return smiles.Happy(
        prepared(np.concatenate([data.x, drawings.x])),
        np.concatenate([data.y, drawings.y]),
        prepared(data.x_test),
        data.y_test,
    )


def prepared(x):
    """Pixels of 0 to 255 as their square roots, float32 in [0, 1].

    At the course's door the sun stands behind the people; a root lifts their faces out
    of the dark.
    """
    return np.sqrt(np.asarray(x, "float32") / 255)


def build_model(dtype=None):
    """The network for photos of 64 x 64 pixels, untrained."""
    return HappyModel((SIZE, SIZE, 3), dtype=dtype)


def train(
    model,
    data,
    *,
    epochs=100,
    batch_size=20,
    learning_rate=0.0005,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place on turned, moved, mirrored and relit photos.

    The rate falls to zero along a cosine.

    Returns:
        Each epoch's mean cross-entropy, in nats.
    """

    def loss_fn(x, y):
        y_hat = model(x, training=True)[:, 0]
        loss = keras.losses.binary_crossentropy(tf.cast(y, tf.float32), y_hat)
        return loss + 1e-4 * tf.reduce_sum(model.get_layer("fc").kernel ** 2)

    def change(seed, x, y):
        x = augment.affine(seed, x, rotation=0.05, shift=0.03, zoom=0.05, flip=True)
        x = augment.light(seed, x, brightness=0.1, contrast=0.2, tint=0.05)
        return x, y

    steps = len(data.x) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, epochs * steps))
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
    """The network with shipped weights, checked (see `core.weights.load`)."""
    return weights.load(build_model(), "happy_house", variant)


def infer(model, image):
    """Say whether a person is happy.

    Args:
        image: a photo of any size (path, PIL image or array) with a face about the
            middle, stretched to 64 x 64.

    Returns:
        An `Answer`, "happy" or "not happy"; `details["probabilities"]` holds both.
    """
    x = prepared(255 * images.resized(image, SIZE, SIZE))
    p = float(np.asarray(model(x[np.newaxis], training=False))[0, 0])
    return likeliest(smiles.CLASSES, (1 - p, p))


def evaluate(model=None):
    """Accuracy on pictures never trained on, as rows (what, ours, goal)."""
    model = model or load_pretrained()
    data, drawn = load_data(), smiles.make_happy(300, seed=10_000)
    return [
        (
            f"test accuracy, {len(data.y_test)} photos of the course",
            accuracy(model, data.x_test, data.y_test),
            0.96,
        ),
        (
            "drawn faces, 300 never seen",
            accuracy(model, prepared(drawn.x), drawn.y),
            None,
        ),
    ]


def five_folds(seed=0):
    """The share of the course's 150 test photos that networks blind to them read right.

    Five networks learn from 120 of the photos each, and from drawn faces, and read the
    30 others. All folds show the same five people.
    """
    data, drawings = smiles.load_happy(), smiles.make_happy(100, seed=seed)
    x, y = data.x_test, data.y_test
    order = np.random.default_rng(seed).permutation(len(y))
    right = []
    for fold in range(5):
        unseen = order[fold::5]
        seen = np.setdiff1d(order, unseen)
        lesson = smiles.DrawnHappy(
            prepared(np.concatenate([x[seen], drawings.x])),
            np.concatenate([y[seen], drawings.y]),
        )
        keras.utils.set_random_seed(seed)
        model = build_model(dtype="mixed_bfloat16")
        train(model, lesson, seed=seed)
        right.append(accuracy(model, prepared(x[unseen]), y[unseen]))
    return float(np.mean(right))


def accuracy(model, x, y):
    """The share of prepared pictures x (m, 64, 64, 3) that are read as y (m,) says."""
    return np.mean((model.predict(x, verbose=0)[:, 0] > 0.5) == y)


def picture(model, image):
    """The photo beside the probability of each answer, a matplotlib figure."""
    return plots.classification(image, infer(model, image))


def example():
    """The question of the tour: a photo where data are at hand, else a drawing."""
    if files.in_data_folder(smiles.TEST.name):
        return "Is the person at the door happy?", smiles.load_happy().x_test[-2]
    return "Is this drawn person happy?", smiles.make_happy(2, seed=7).x[1]
