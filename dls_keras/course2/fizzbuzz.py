"""FizzBuzz learnt from binary digits, without a division (C2 W3).

Counting aloud one says "fizz" for a multiple of 3, "buzz" for one of 5, "fizzbuzz"
for one of both. The network sees ten binary digits d of a number n and a softmax
chooses among four words. It learns from 101 to 1023 and counts from 1 to 100.

Powers of two repeat 1, 2, 4, 8 when divided by 15, so the word hangs on one sum,

    S = sum over i of d_i * (2^i mod 15)  =  n  (mod 15)

from 0 to 33. Along S the words come and go, which a softmax of the digits alone cannot
follow: it says the number at all times and is right 53 times of a hundred. One hidden
layer of relu units bends as often as it has units; a second layer is not needed. The
digits are -1 and 1: with 0 and 1, three of ten networks count to 100 with a mistake.

Shapes: m numbers, ten digits, the lowest first; words 0 to 3. The game as a
question to programmers: Imran Ghory (2007), "Using FizzBuzz to find developers".
"""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import initializers, layers

from dls_keras import plots
from dls_keras.core import training, weights
from dls_keras.core.answers import likeliest
from dls_keras.core.errors import InputError
from dls_keras.fast.layers import Adam

DIGITS = 10
LAST = 2**DIGITS - 1  # 1023
WORDS = ("the number", "fizz", "buzz", "fizzbuzz")


class Numbers(NamedTuple):
    """Numbers as digits (m, 10) float32 of -1 and 1, and their words (m,) int64."""

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


# The assignment.


def binary_digits(n):
    """The ten binary digits of each number, the lowest first: -1 for 0, 1 for 1.

    Args:
        n: (m,) integers from 0 to 1023.

    Returns:
        (m, 10) float32.

    >>> binary_digits([6])[0, :4]
    array([-1.,  1.,  1., -1.], dtype=float32)
    """
    bits = np.asarray(n)[:, np.newaxis] >> np.arange(DIGITS) & 1
    return 2 * bits.astype("float32") - 1


def fizzbuzz(n):
    """What to say at each number, as an index into `WORDS`, by division.

    >>> fizzbuzz(np.array([1, 9, 10, 15]))
    array([0, 1, 2, 3])
    """
    n = np.asarray(n)
    return (n % 3 == 0) + 2 * (n % 5 == 0)


# The application: the names that every assignment shares.


def load_data():
    """101 to 1023 to learn from and, as `x_test` and `y_test`, 1 to 100."""
    learn, test = np.arange(101, LAST + 1), np.arange(1, 101)
    return Numbers(
        binary_digits(learn), fizzbuzz(learn), binary_digits(test), fizzbuzz(test)
    )


def build_model(hidden=(1024,), seed=0):
    """From digits (m, 10) to probabilities (m, 4), through relu layers.

    Args:
        hidden: units of each hidden layer; () for none.
    """
    X = keras.Input((DIGITS,))
    A = X
    for i, units in enumerate(hidden):
        start = initializers.GlorotUniform(seed + i)
        A = layers.Dense(units, activation="relu", kernel_initializer=start)(A)
    start = initializers.GlorotUniform(seed + len(hidden))
    words = layers.Dense(len(WORDS), activation="softmax", kernel_initializer=start)
    return keras.Model(X, words(A), name="fizzbuzz")


def train(
    model,
    data,
    *,
    epochs=200,
    batch_size=71,  # 13 batches make up the 923 numbers, none is left over
    learning_rate=0.005,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place; return each epoch's mean cross-entropy, in nats.

    With weight decay 0.3 the networks of twenty seeds all count to 100 without a
    mistake; without it nine of ten do. 4 s on 2 busy CPU cores.
    """

    def loss_fn(x, y):
        y_hat = model(x, training=True)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    steps = len(data.x) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate, weight_decay=0.3),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def load_pretrained(variant="default"):
    """The network with shipped weights, checked (see `core.weights.load`)."""
    return weights.load(build_model(), "fizzbuzz", variant)


def infer(model, number):
    """What to say at `number`.

    Args:
        number: an integer from 1 to 1023, or its decimal digits as text.

    Returns:
        An `Answer`, "fizz", "buzz", "fizzbuzz" or the number in digits;
        `details["probabilities"]` holds one for each of these four.
    """
    n = _number(number)
    probabilities = np.asarray(model(binary_digits([n])))[0]
    words = (str(n), *WORDS[1:])
    return likeliest(words, probabilities)


def evaluate(model=None):
    """How often the word is right, as rows (what, ours, goal).

    Beside `model`, by default the pretrained one, smaller networks are trained, to
    show what the hidden layer is for.
    """
    model = model or load_pretrained()
    data = load_data()

    def accuracy(model, x, y):
        return np.mean(np.argmax(model(x), axis=1) == y)

    rows = [
        ("1 to 100, never trained on", accuracy(model, data.x_test, data.y_test), 1.0),
        ("101 to 1023", accuracy(model, data.x, data.y), 1.0),
    ]
    for what, hidden in (
        ("without a hidden layer", ()),
        ("with 32 hidden units", (32,)),
        ("with two layers of 128", (128, 128)),
    ):
        smaller = build_model(hidden)
        train(smaller, data)
        right = accuracy(smaller, data.x_test, data.y_test)
        rows.append((f"1 to 100, {what}", right, None))
    return rows


def picture(model, number):
    """The binary digits, the highest first and ones bright, beside the words."""
    digits = binary_digits([_number(number)])[:, ::-1]
    squares = np.kron(np.where(digits > 0, 0.95, 0.3), np.pad(np.ones((30, 14)), 1))
    return plots.classification(squares, infer(model, number))


def example():
    """The question of the tour: a number that the network has never seen."""
    return "What does one say at 45 in FizzBuzz?", "45"


def _number(given):
    """An integer from 1 to 1023 behind a number or a text."""
    try:
        n = int(str(given))
    except ValueError:
        n = None
    if n is None or not 1 <= n <= LAST:
        raise InputError(
            f"Expected a whole number from 1 to {LAST} ({DIGITS} binary digits), "
            f"received {given!r}. Choose one of these."
        )
    return n
