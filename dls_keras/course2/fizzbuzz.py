"""FizzBuzz learned from binary digits, without a division (C2 W3).

In the game, players count and say "fizz" for a multiple of 3, "buzz" for a multiple of
5 and "fizzbuzz" for a multiple of both. The input of the network is ten binary digits d
of a number n; its output is a softmax over four words. It is trained on 101 to 1023 and
tested on 1 to 100.

The remainders of powers of two, divided by 15, repeat 1, 2, 4, 8, so the word depends
on one sum,

    S = sum over i of d_i * (2^i mod 15)  =  n  (mod 15)

from 0 to 33. The word changes many times along S, and a softmax of the digits alone
cannot represent that: it always predicts the number itself, which is correct 53 times
of a hundred. A hidden layer of relu units is piecewise linear with as many changes of
slope as it has units; a second layer is not needed. The digits are -1 and 1: with 0 and
1, three of ten networks make a mistake between 1 and 100.

Shapes: m numbers of ten digits, the lowest first; words 0 to 3. The game as a question
to programmers: Imran Ghory (2007), "Using FizzBuzz to find developers".
"""

from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import initializers, layers
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.core import examples, inputs, pretrained, settings, training, weights
from dls_keras.core.answers import Answer, Row, likeliest
from dls_keras.core.errors import InputError

# Keras's Adam in fewer operations; a test compares the two.
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


def binary_digits(n: Any) -> np.ndarray:
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
    """The word for each number, as an index into `WORDS`, by division.

    >>> fizzbuzz(np.array([1, 9, 10, 15]))
    array([0, 1, 2, 3])
    """
    n = np.asarray(n)
    return (n % 3 == 0) + 2 * (n % 5 == 0)


# The application: the names that every assignment shares.


def load_data(*, synthetic: bool = False) -> Numbers:
    """101 to 1023 for training, 1 to 100 for testing.

    Args:
        synthetic: changes nothing, since these data are generated anyway.
    """
    n, n_test = np.arange(101, LAST + 1), np.arange(1, 101)
    return Numbers(
        binary_digits(n), fizzbuzz(n), binary_digits(n_test), fizzbuzz(n_test)
    )


@settings.keras_defaults()
def build_model(hidden: tuple[int, ...] = (1024,), seed: int = 0) -> keras.Model:
    """An untrained network from digits (m, 10) to probabilities (m, 4).

    Args:
        hidden: the number of relu units of each hidden layer; () for none.
    """
    X = keras.Input((DIGITS,))
    A = X
    for i, units in enumerate(hidden):
        glorot = initializers.GlorotUniform(seed + i)
        A = layers.Dense(units, activation="relu", kernel_initializer=glorot)(A)
    glorot = initializers.GlorotUniform(seed + len(hidden))
    words = layers.Dense(len(WORDS), activation="softmax", kernel_initializer=glorot)
    return keras.Model(X, words(A), name="fizzbuzz")


@examples.accepted()
def train(
    model: keras.Model,
    data: Numbers,
    *,
    epochs: int = 200,
    batch_size: int = 71,  # 13 batches are the 923 numbers, none is dropped
    learning_rate: float = 0.005,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place with weight decay and a cosine decay to rate zero.

    With weight decay 0.3, networks of twenty seeds make no mistake between 1 and 100;
    without it, nine of ten make none.

    Args:
        settings: further arguments of `core.training.fit`.

    Returns:
        The mean cross-entropy of each epoch, in nats.
    """

    def loss_fn(x, y, training=True):
        y_hat = model(x, training=training)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    steps = max(1, epochs * (len(data.x) // batch_size))
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate, weight_decay=0.3),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        model=model,
        **settings,
    )


@pretrained.or_own_file
def load_pretrained(variant: str = "default") -> keras.Model:
    """The network with the shipped weights."""
    return weights.load(build_model(), "fizzbuzz", variant)


@inputs.batched(inputs.NUMBER, size=LAST)
def infer(model: keras.Model, numbers: Any) -> list[Answer]:
    """The word for a number.

    Args:
        numbers: an integer from 1 to 1023, or its decimal digits as text, or a list.

    Returns:
        An `Answer`, "fizz", "buzz", "fizzbuzz" or the number in digits. Its confidence
        is the softmax probability of that word; `details["probabilities"]` holds the
        probability of each of the four words.

    Raises:
        InputError: if it is no such number.
    """
    n = [_parse(number) for number in numbers]
    probabilities = np.asarray(model(binary_digits(n)))
    words = [(str(number), *WORDS[1:]) for number in n]
    return [likeliest(*pair) for pair in zip(words, probabilities, strict=True)]


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """The accuracy of `model`, and of smaller networks that are trained here.

    The smaller networks show what the hidden layer contributes.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    model = model or load_pretrained()
    data = load_data()

    def accuracy(model, x, y):
        return np.mean(np.argmax(model(x), axis=1) == y)

    test = accuracy(model, data.x_test, data.y_test)
    trained_on = accuracy(model, data.x, data.y)
    rows = [
        Row("accuracy, 1 to 100, held out", test, at_least=1.0),
        Row("training accuracy, 101 to 1023", trained_on, at_least=1.0),
    ]
    for what, hidden in (
        ("no hidden layer", ()),
        ("32 hidden units", (32,)),
        ("two layers of 128 units", (128, 128)),
    ):
        smaller = build_model(hidden)
        train(smaller, data)
        test = accuracy(smaller, data.x_test, data.y_test)
        rows.append(Row(f"accuracy, 1 to 100, {what}", test))
    return rows


def picture(number: int | str, answer: Answer) -> Figure:
    """The binary digits, highest first and ones bright, and a bar for each word."""
    digits = binary_digits([_parse(number)])[:, ::-1]
    squares = np.kron(np.where(digits > 0, 0.95, 0.3), np.pad(np.ones((30, 14)), 1))
    return plots.classification(squares, answer)


def example() -> tuple[str, str]:
    """A question and its input: a number that is not in the training set."""
    return "What does one say for 45 in FizzBuzz?", "45"


def _parse(number):
    """`number` as an integer from 1 to 1023."""
    try:
        n = int(str(number))
    except ValueError:
        n = None
    if n is None or not 1 <= n <= LAST:
        raise InputError(
            f"Expected an integer from 1 to {LAST} ({DIGITS} binary digits), received "
            f"{number!r}."
        )
    return n
