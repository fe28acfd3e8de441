"""Digit recognizer: two convolutions, augmentation and an ensemble (C4 W1).

Two convolutions with kernels of 5 x 5, each followed by pooling, detect strokes and how
they are connected; two dense layers classify them as one of ten digits; dropout reduces
overfitting. Three methods that improve results on benchmarks are added, the last two as
functions for any model:

    augmentation    in every epoch each digit is randomly rotated, shifted and zoomed
    ensemble        p(y | x) = mean over networks f of f(x)
    multi-crop      p(y | x) = mean over small shifts t of f(t(x))

Multi-crop is a form of test-time augmentation. Shapes: m digits, 28 x 28 pixels, one
channel, white on black in [0, 1]. Kaggle's Digit Recognizer has the same digits in
tables: `load_data(train_csv=...)` and `submit`.
Papers: LeCun et al. (1998), "Gradient-based learning applied to document recognition";
Krizhevsky, Sutskever & Hinton (2012), "ImageNet classification with deep convolutional
neural networks", which averages over networks and over crops.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
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
    inputs,
    pretrained,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row, likeliest
from dls_keras.core.errors import InputError
from dls_keras.datasets import digits
from dls_keras.datasets.draw import digits as draw_digits

# Keras's Adam and BatchNormalization on faster kernels; tests compare them.
from dls_keras.fast.layers import Adam, BatchNormalization

CROPS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # shifts (down, right), in pixels


# The assignment: methods that improve results on benchmarks, for any model.


@settings.keras_defaults()
def ensemble(models: Sequence[keras.Model]) -> keras.Model:
    """One model whose output is the mean of the outputs of `models`.

    Args:
        models: Keras models with equal input shapes and equal output shapes. Their
            layers are shared, not copied.

    Raises:
        InputError: if there is none, or their shapes differ.
    """
    shapes = {(m.input_shape[1:], m.output_shape[1:]) for m in models}
    if len(shapes) != 1:
        raise InputError(
            "Expected models with equal input shapes and equal output shapes, at least "
            f"one; received {len(models)} models with {sorted(shapes)}."
        )
    X = keras.Input(models[0].input_shape[1:])
    # The layers of a model need different names, but two models may share a name.
    members = [
        keras.Model(m.inputs[0], m.outputs[0], name=f"member_{i}")
        for i, m in enumerate(models)
    ]
    return keras.Model(X, layers.Average()([member(X) for member in members]))


def multi_crop(
    predict: Callable[[np.ndarray], np.ndarray],
    x: np.ndarray,
    shifts: Sequence[tuple[int, int]] = CROPS,
) -> np.ndarray:
    """The mean prediction for `x` shifted by each of `shifts`.

    Args:
        predict: a function from (m, n_H, n_W, n_C) to (m, classes).
        x: (m, n_H, n_W, n_C); pixels from outside repeat the border.
        shifts: (down, right) in whole pixels, smaller than the image.

    Returns:
        (m, classes).
    """
    n_H, n_W = x.shape[1:3]
    pad = int(np.abs(shifts).max())
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "edge")
    predictions = [
        predict(padded[:, pad - down :, pad - right :][:, :n_H, :n_W])
        for down, right in shifts
    ]
    return np.mean(predictions, axis=0)


def submit(model: keras.Model, csv_in: str | Path, csv_out: str | Path) -> np.ndarray:
    """Classify Kaggle's test.csv with five crops per digit, and write the submission.

    Args:
        model: from (m, 28, 28, 1) to (m, 10): a network or an `ensemble`.
        csv_in: a table in the format of `digits.read_csv`.
        csv_out: the file to write, with the columns `ImageId,Label`.

    Returns:
        The labels, (m,) int64.
    """
    x, _ = digits.read_csv(csv_in)
    labels = multi_crop(_predictor(model), digits.as_inputs(x)).argmax(1)
    digits.write_submission(labels, csv_out)
    return labels


# The application: the names that every assignment shares.


def load_data(
    extra: int = 6000,
    seed: int = 0,
    train_csv: str | Path | None = None,
    *,
    synthetic: bool = False,
) -> digits.Digits:
    """MNIST, with synthetic digits in the training set; uint8.

    Args:
        extra: how many digits of `digits.make_digits` are appended to the training
            digits.
        train_csv: Kaggle's train.csv, whose digits replace MNIST; the last tenth of
            them is the test set.
        synthetic: digits of `make_digits` in place of MNIST's; needs no files.
    """
    if train_csv is None:
        data = digits.load_digits(synthetic=synthetic)
    else:
        x, y = digits.read_csv(train_csv)
        if y is None:
            raise InputError(
                f"{train_csv} has no column label. Use Kaggle's train.csv."
            )
        cut = len(x) - len(x) // 10
        data = digits.Digits(x[:cut], y[:cut], x[cut:], y[cut:])
    return digits.with_synthetic(data, extra, seed=seed)


@settings.keras_defaults()
def build_model(dtype: str = "float32") -> keras.Model:
    """The untrained network: 513,018 parameters.

    Convolutions are not padded, since the four outer pixels of a digit are empty.
    Pooling comes before batch normalisation and relu, which then process a quarter of
    the data.

    Args:
        dtype: what the layers compute in; "mixed_bfloat16" trains faster on processors
            with bfloat16 units. The parameters are float32 in both cases.
    """
    X = keras.Input((digits.SIZE, digits.SIZE, 1))
    A = X
    for filters in (48, 96):
        A = layers.Conv2D(filters, 5, use_bias=False, dtype=dtype)(A)
        A = layers.MaxPooling2D(dtype=dtype)(A)
        A = BatchNormalization(dtype=dtype)(A)
        A = layers.Activation("relu", dtype=dtype)(A)
        A = layers.SpatialDropout2D(0.1, dtype=dtype)(A)
    A = layers.Flatten(dtype=dtype)(A)  # (m, 4 * 4 * 96)
    A = layers.Dense(256, activation="relu", dtype=dtype)(A)
    A = layers.Dropout(0.5, dtype=dtype)(A)
    A = layers.Dense(len(digits.CLASSES), activation="softmax", dtype="float32")(A)
    return keras.Model(X, A, name="digit_recognizer")


@examples.accepted(pixels="uint8")
def train(
    model: keras.Model,
    data: digits.Digits,
    *,
    epochs: int = 20,
    batch_size: int = 128,
    learning_rate: float = 0.002,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place on randomly rotated, shifted and zoomed digits.

    Digits are not flipped. The learning rate has a linear warmup of one epoch, then a
    cosine decay to zero.

    Args:
        data: x (m, 28, 28) uint8 and y (m,), as `load_data` returns them.
        settings: further arguments of `core.training.fit`.

    Returns:
        The mean cross-entropy of each epoch, in nats.
    """
    keras.utils.set_random_seed(seed)
    steps = len(data.x) // batch_size

    def loss_fn(x, y, training=True):
        x = tf.reshape(augment.scaled(x), (-1, 28, 28, 1))
        y_hat = model(x, training=training)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    def change(seed, x, y):
        x = augment.scaled(x)
        return augment.affine(seed, x, rotation=0.15, shift=0.07, zoom=0.1), y

    rate = training.cosine_decay_with_warmup(
        learning_rate, steps * epochs, warmup=steps
    )
    return training.fit(
        loss_fn,
        (data.x.reshape(-1, 28, 28, 1), data.y),
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
    return weights.load(build_model(), "digit_recognizer", variant)


@inputs.batched(inputs.PICTURE)
def infer(model: keras.Model, scans: Any) -> list[Answer]:
    """Recognise one digit.

    Args:
        scans: a photo or scan of any size (path, PIL image, array, bytes), or a list of
            them, each digit dark on light or light on dark; see `digits.prepare`.

    Returns:
        An `Answer`, "0" to "9". Its confidence is the softmax probability of that
        digit; `details["probabilities"]` holds the probability of each digit.
    """
    x = digits.as_inputs(np.stack([digits.prepare(scan) for scan in scans]))
    probabilities = np.asarray(model(x, training=False))
    return [likeliest(digits.CLASSES, p) for p in probabilities]


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """Accuracy on held-out digits, also with five crops and as scans.

    Args:
        synthetic: only the rows of synthetic digits; needs no files.
    """
    predict = _predictor(model or load_pretrained())

    def accuracy(probabilities, y):
        return np.mean(probabilities.argmax(1) == y)

    x, y = digits.make_digits(1000, seed=10_000)
    made = Row(
        "accuracy, 1,000 held-out synthetic digits",
        accuracy(predict(digits.as_inputs(x)), y),
    )
    if synthetic:
        return [made]
    data = digits.load_digits()
    x, y = digits.as_inputs(data.x_test), data.y_test
    # Enlarged, dark on light: `prepare` has to find and to reduce them.
    scans = (np.kron(as_scan(x), np.ones((4, 4), "uint8")) for x in data.x_test[:1000])
    x_scans = digits.as_inputs(np.stack([digits.prepare(scan) for scan in scans]))
    return [
        Row("test accuracy, 10,000 digits", accuracy(predict(x), y), at_least=0.995),
        Row(
            "test accuracy, 10,000 digits, five crops each",
            accuracy(multi_crop(predict, x), y),
            at_least=0.996,
        ),
        Row(
            "accuracy, 1,000 test digits as scans", accuracy(predict(x_scans), y[:1000])
        ),
        made,
    ]


def picture(image: Any, answer: Answer) -> Figure:
    """The image next to the probability of each digit."""
    return plots.classification(image, answer)


def example() -> tuple[str, Any]:
    """A question and its input: a test digit if available, else a synthetic digit."""
    if files.in_data_folder(digits.TEST_PART):
        return "Which digit is this?", digits.load_digits().x_test[18]
    ink = draw_digits.digit(5, np.random.default_rng(3), 256)
    return "Which digit is this synthetic one?", as_scan(np.asarray(ink))


def as_scan(x: np.ndarray) -> np.ndarray:
    """Digits, white on black, uint8, as in a scan: dark on light grey."""
    return (240 - 0.8 * x).astype("uint8")


def _predictor(model):
    """`model` as a function of arrays, 500 examples at a time."""
    return lambda x: model.predict(x, batch_size=500, verbose=0)
