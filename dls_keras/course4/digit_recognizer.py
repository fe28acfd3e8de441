"""Digit recognizer: two convolutions, augmentation and a vote read digits (C4 W1).

Two convolutions with windows of 5 x 5, pooling behind each, see strokes and how they
meet; two dense layers make one of ten digits of that; dropout keeps the dense layers
from learning by heart. Three habits of those who win competitions come on top, the last
two as functions for any model:

    augmentation    in every epoch each digit is turned, moved and zoomed anew
    ensemble        p(y | x) = mean over networks f of f(x)
    multi-crop      p(y | x) = mean over small moves t of f(t(x))

Shapes: m digits, 28 x 28 pixels, one channel, white ink on black in [0, 1]. Kaggle's
Digit Recognizer is the same digits as tables: `load_data(train_csv=...)`, `submit`.
Papers: LeCun et al. (1998), "Gradient-based learning applied to document recognition";
Krizhevsky, Sutskever & Hinton (2012), "ImageNet classification with deep convolutional
neural networks", which averages over networks and over crops.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.core import augment, files, training, weights
from dls_keras.core.answers import likeliest
from dls_keras.core.errors import InputError
from dls_keras.datasets import digits
from dls_keras.fast.layers import Adam, BatchNormalization

CROPS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # moves (down, right), in pixels


# The assignment: what wins a benchmark, as functions for any model.


def ensemble(models):
    """One model whose answer is the mean of the answers of `models`.

    Args:
        models: Keras models of one input shape and one output shape; their layers
            are used as they are, not copied.

    Raises:
        InputError: if there is none, or their shapes differ.
    """
    shapes = {(m.input_shape[1:], m.output_shape[1:]) for m in models}
    if len(shapes) != 1:
        raise InputError(
            "An ensemble needs models that take one input shape and give one output "
            f"shape; received {len(models)} models with {sorted(shapes)}."
        )
    X = keras.Input(models[0].input_shape[1:])
    # Layers of a model need names of their own, which models may share.
    members = [
        keras.Model(m.inputs[0], m.outputs[0], name=f"member_{i}")
        for i, m in enumerate(models)
    ]
    return keras.Model(X, layers.Average()([member(X) for member in members]))


def multi_crop(predict, x, moves=CROPS):
    """The mean of what `predict` answers to `x` moved by each of `moves`.

    Args:
        predict: a function from (m, n_H, n_W, n_C) to (m, classes).
        x: (m, n_H, n_W, n_C); what a move brings in from outside repeats the border.
        moves: whole pixels (down, right), none as large as the picture.

    Returns:
        (m, classes).
    """
    n_H, n_W = x.shape[1:3]
    reach = int(np.abs(moves).max())
    wide = np.pad(x, ((0, 0), (reach, reach), (reach, reach), (0, 0)), "edge")
    answers = [
        predict(wide[:, reach - down :, reach - right :][:, :n_H, :n_W])
        for down, right in moves
    ]
    return np.mean(answers, axis=0)


def submit(model, csv_in, csv_out):
    """Answer Kaggle's test.csv, five crops a digit; write and return the labels.

    Args:
        model: from (m, 28, 28, 1) to (m, 10): a network or an `ensemble`.
        csv_in: a table as `digits.read_csv` takes it.
        csv_out: where the submission goes, `ImageId,Label`.

    Returns:
        (m,) int64.
    """
    x, _ = digits.read_csv(csv_in)
    labels = multi_crop(_predictor(model), scaled(x)).argmax(1)
    digits.write_submission(labels, csv_out)
    return labels


def on_paper(x):
    """White on black, uint8, as a scan shows it: dark grey on light."""
    return (240 - 0.8 * x).astype("uint8")


def scaled(x):
    """Pictures (m, 28, 28) uint8 as the network takes them: (m, 28, 28, 1) float32."""
    return (x[..., np.newaxis] / np.float32(255)).astype("float32")


# The application: the names that every assignment shares.


def load_data(drawn=6000, seed=0, train_csv=None):
    """MNIST's digits, `drawn` ones of `digits.make_digits` behind those to learn.

    Args:
        train_csv: Kaggle's train.csv, to learn from its digits instead; the last tenth
            of them is then what to test on.

    Returns:
        `digits.Digits`, uint8.
    """
    if train_csv is None:
        x, y, x_test, y_test = digits.load_digits()
    else:
        x, y = digits.read_csv(train_csv)
        if y is None:
            raise InputError(f"{train_csv} has no column label. Take train.csv.")
        cut = len(x) - len(x) // 10
        (x, x_test), (y, y_test) = np.split(x, [cut]), np.split(y, [cut])
    x_drawn, y_drawn = digits.make_digits(drawn, seed=seed)
    return digits.Digits(
        np.concatenate([x, x_drawn]), np.concatenate([y, y_drawn]), x_test, y_test
    )


def build_model(dtype="float32"):
    """The network, untrained: 513,018 parameters.

    Windows stay inside the picture, since a digit leaves four pixels about it empty.
    Pooling comes first of the three cheap steps: the others then have a quarter to do.

    Args:
        dtype: "mixed_bfloat16" trains faster on processors that multiply in bfloat16;
            the parameters are the same.
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


def train(
    model,
    data,
    *,
    epochs=20,
    batch_size=128,
    learning_rate=0.002,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place on digits turned, moved and zoomed, never mirrored.

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
        x = tf.cast(x, tf.float32) / 255
        return augment.affine(seed, x, rotation=0.15, shift=0.07, zoom=0.1), y

    rate = training.warm_cosine(learning_rate, steps * epochs, warmup=steps)
    return training.fit(
        loss_fn,
        (data.x[..., np.newaxis], data.y),
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
    return weights.load(build_model(), "digit_recognizer", variant)


def infer(model, image):
    """Read one digit.

    Args:
        image: a photo or scan of any size (path, PIL image or array), the digit dark
            on light or light on dark; see `digits.prepare`.

    Returns:
        An `Answer`, "0" to "9"; `details["probabilities"]` holds one a digit.
    """
    x = scaled(digits.prepare(image)[np.newaxis])
    probabilities = np.asarray(model(x, training=False))[0]
    return likeliest(digits.CLASSES, probabilities)


def evaluate(model=None):
    """Accuracy on digits never trained on, as rows (what, ours, goal)."""
    predict = _predictor(model or load_pretrained())
    data = digits.load_digits()
    x, y = scaled(data.x_test), data.y_test
    # As if scanned: dark on paper, larger; `prepare` has to find and to reduce them.
    scans = [np.kron(on_paper(x), np.ones((4, 4), "uint8")) for x in data.x_test[:1000]]
    scans = scaled(np.stack([digits.prepare(scan) for scan in scans]))
    x_drawn, y_drawn = digits.make_digits(1000, seed=10_000)
    rows = [
        ("test accuracy, 10,000 digits", predict(x), y, 0.995),
        ("the same, five crops a digit", multi_crop(predict, x), y, 0.996),
        ("1,000 test digits as scans", predict(scans), y[:1000], None),
        ("drawn digits, 1,000 never seen", predict(scaled(x_drawn)), y_drawn, None),
    ]
    return [(what, np.mean(p.argmax(1) == y), goal) for what, p, y, goal in rows]


def picture(model, image):
    """The picture beside the probability of each digit, a matplotlib figure."""
    return plots.classification(image, infer(model, image))


def example():
    """The question of the tour: a test digit where data are at hand, else a drawing."""
    if files.in_data_folder(digits.TEST_PART):
        return "Which digit is this?", digits.load_digits().x_test[18]
    ink = digits.draw_digit(5, np.random.default_rng(3), 256)
    return "Which digit is drawn here?", on_paper(np.asarray(ink))


def _predictor(model):
    """`model` as a function of arrays, 500 examples at a time."""
    return lambda x: model.predict(x, batch_size=500, verbose=0)
