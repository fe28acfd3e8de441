"""Keras tutorial, the Happy House: only happy people may come in (C4 W2).

A camera at the door takes a photo, and a network predicts whether the person is happy.
It is the shallowest convolutional network of the course: one layer of 32 filters of
about the size of a mouth, batch normalisation, pooling and one sigmoid unit:

    p = sigmoid(w . flatten(max_pool(relu(batch_norm(conv(x))))) + b)

All positions share the filters, but w has 32,768 entries, one for each filter and
position: many parameters for the 600 photos of the course.

Shapes: m photos (m, 64, 64, 3); labels (m,), 1 for happy. Edition: 2017; in 2021 the
network became `happyModel` of `convolution_application`.
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
from dls_keras.datasets import smiles

# Keras's Adam, BatchNormalization and Conv2D on faster kernels; tests compare them.
from dls_keras.fast.layers import Adam, BatchNormalization, Conv2D

SIZE = 64  # height and width of a photo, in pixels
OURS = "happy_house"  # name of a network for square roots; any other sees x / 255
HELD_OUT = 50  # test photos that stay held out if the training photos are missing


# The assignment: the course's function under the course's signature.


@settings.keras_defaults()
def HappyModel(input_shape, *, dtype=None):
    """The untrained network for the Happy House.

    Args:
        input_shape: (n_H, n_W, n_C) of a photo.
        dtype: what the layers compute in; "mixed_bfloat16" trains 1.6 times as fast on
            CPUs with bfloat16 units. Weights and outputs are float32 in both cases.

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


def load_data(
    extra: int = 0, seed: int = 0, *, synthetic: bool = False
) -> smiles.Happy:
    """The course's photos, preprocessed: 600 for training and 150 for testing.

    Without train_happy.h5, 100 of the 150 test photos are used for training and the
    other 50 for testing.

    Args:
        extra: how many faces of `smiles.make_happy` are appended to the training
            photos.
        synthetic: faces of `make_happy` in place of the photos; needs no files.
    """
    data = smiles.load_happy(synthetic=synthetic)
    if len(data.x) == 0:
        x, y = data.x_test, data.y_test
        data = smiles.Happy(x[:-HELD_OUT], y[:-HELD_OUT], x[-HELD_OUT:], y[-HELD_OUT:])
    faces = smiles.make_happy(extra, seed=seed)
    return smiles.Happy(
        preprocess(np.concatenate([data.x, faces.x])),
        np.concatenate([data.y, faces.y]),
        preprocess(data.x_test),
        data.y_test,
    )


def preprocess(x: np.ndarray) -> np.ndarray:
    """The square roots of pixels in [0, 255], scaled to float32 in [0, 1].

    Many photos are taken against the light; the square root brightens dark faces.
    """
    return np.sqrt(np.asarray(x, "float32") / 255)


def build_model(dtype: str | None = None) -> keras.Model:
    """The untrained network for photos of 64 x 64 pixels.

    Args:
        dtype: as in `HappyModel`.
    """
    model = HappyModel((SIZE, SIZE, 3), dtype=dtype)
    model.name = OURS
    return model


@examples.accepted(pixels="uint8", prepare=preprocess)
def train(
    model: keras.Model,
    data: smiles.Happy | smiles.SyntheticHappy,
    *,
    epochs: int = 100,
    batch_size: int = 20,
    learning_rate: float = 0.0005,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place, with random affine transforms, flips and colour jitter.

    Afterwards it is one of ours: `infer` gives it square roots. The last layer has L2
    regularisation. The learning rate has a cosine decay to zero.

    Args:
        settings: further arguments of `core.training.fit`.

    Returns:
        The mean loss of each epoch: cross-entropy in nats, and the L2 penalty.
    """

    def loss_fn(x, y, training=True):
        y_hat = model(x, training=training)[:, 0]
        loss = keras.losses.binary_crossentropy(tf.cast(y, tf.float32), y_hat)
        return loss + 1e-4 * tf.reduce_sum(model.get_layer("fc").kernel ** 2)

    def change(seed, x, y):
        x = augment.affine(seed, x, rotation=0.05, shift=0.03, zoom=0.05, flip=True)
        x = augment.colour_jitter(seed, x, brightness=0.1, contrast=0.2, tint=0.05)
        return x, y

    model.name = OURS
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
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """The network with the shipped weights."""
    return weights.load(build_model(), "happy_house", variant, outputs=weights.features)


@inputs.batched(inputs.PICTURE)
def infer(model: keras.Model, photos: Any) -> list[Answer]:
    """Predict whether a person is happy.

    Args:
        model: one of ours, or one that was trained on x / 255 as in the course, such as
            a converted file.
        photos: a photo of any size (path, PIL image, array, bytes) with a face in the
            middle, or a list of them; resized to 64 x 64 without keeping the aspect
            ratio.

    Returns:
        An `Answer`, "happy" or "not happy". Its confidence is the probability of that
        class, from the sigmoid; `details["probabilities"]` holds both.
    """
    x = np.stack([images.resized(photo, SIZE, SIZE) for photo in photos])
    x = _inputs(model, preprocess(255 * x))
    probabilities = np.asarray(model(x, training=False))[:, 0]
    return [likeliest(smiles.CLASSES, (1 - p, p)) for p in probabilities.tolist()]


def _inputs(model, x):
    """What a network was trained on: the preprocessed images, or x / 255."""
    return x if model.name == OURS else x**2


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """Accuracy on held-out photos and on held-out synthetic faces.

    Args:
        synthetic: only the rows of synthetic faces; needs no files.
    """
    model = model or load_pretrained()
    faces = smiles.make_happy(300, seed=10_000)
    made = Row(
        "accuracy, 300 held-out synthetic faces",
        accuracy(model, preprocess(faces.x), faces.y),
    )
    if synthetic:
        return [made]
    data = load_data()
    return [
        Row(
            f"test accuracy, {len(data.y_test)} photos",
            accuracy(model, data.x_test, data.y_test),
            at_least=0.96,
        ),
        made,
    ]


def cross_validate(seed: int = 0) -> float:
    """The accuracy in 5-fold cross-validation on the course's 150 test photos.

    Each of five networks is trained on 120 of the photos and 100 synthetic faces, and
    tested on the other 30 photos. The same five people are in all folds.
    """
    data, synthetic = smiles.load_happy(), smiles.make_happy(100, seed=seed)
    x, y = data.x_test, data.y_test
    order = np.random.default_rng(seed).permutation(len(y))
    accuracies = []
    for fold in range(5):
        held_out = order[fold::5]
        others = np.setdiff1d(order, held_out)
        training_set = smiles.SyntheticHappy(
            preprocess(np.concatenate([x[others], synthetic.x])),
            np.concatenate([y[others], synthetic.y]),
        )
        keras.utils.set_random_seed(seed)
        model = build_model(dtype="mixed_bfloat16")
        train(model, training_set, seed=seed)
        accuracies.append(accuracy(model, preprocess(x[held_out]), y[held_out]))
    return float(np.mean(accuracies))


def accuracy(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """The share of correct predictions for preprocessed images x with labels y (m,)."""
    p = model.predict(_inputs(model, x), verbose=0)[:, 0]
    return np.mean((p > 0.5) == y)


def picture(image: Any, answer: Answer) -> Figure:
    """The photo next to the probability of each class."""
    return plots.classification(image, answer)


def example() -> tuple[str, Any]:
    """A question and its input: a photo if it is available, else a synthetic face."""
    if files.in_data_folder(smiles.TEST.name):
        return "Is the person at the door happy?", smiles.load_happy().x_test[-2]
    return "Is this synthetic person happy?", smiles.make_happy(2, seed=7).x[1]
