"""Streaming inference compared with the Keras model on the whole recording."""

import functools

import keras
import numpy as np
import tensorflow as tf
from forms import Form

from dls_keras.core import audio
from dls_keras.fast import streaming

WINDOW, HOP, KERNEL = 8, 4, 3
power = functools.partial(streaming.power_spectrogram, window=WINDOW, hop=HOP, rate=1.0)


@functools.cache
def network():
    """A small network: convolution, two GRUs, dense."""
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input((None, WINDOW // 2 + 1)),
            keras.layers.Conv1D(4, KERNEL),
            keras.layers.GRU(3, return_sequences=True),
            keras.layers.GRU(2, return_sequences=True),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )


def in_blocks(sound):
    """The outputs for a sound in pieces of several lengths."""
    blocks = np.split(sound, [1, 50, 53, 200], axis=1)
    model, reach = network(), (KERNEL - 1) * HOP + WINDOW
    outputs = streaming.stream(model, power, blocks, steps=7, hop=HOP, reach=reach)
    return np.concatenate(list(outputs), axis=1)


def whole(sound):
    """The outputs of the model for the whole sound."""
    return network()(power(sound), training=False)


def sounds(n):
    """Two sounds of n samples in [-1, 1]."""
    return (np.random.default_rng(0).uniform(-1, 1, (2, n)).astype("float32"),)


def spectrogram(x):
    """The NumPy form, one sound at a time."""
    return np.stack(
        [audio.power_spectrogram(one, window=WINDOW, hop=HOP, rate=1.0) for one in x]
    )


FORMS = [
    Form("streaming, 300 samples", in_blocks, whole, lambda: sounds(300)),
    Form("streaming, less than one block", in_blocks, whole, lambda: sounds(30)),
    Form(
        "power_spectrogram",
        lambda x: power(tf.constant(x)),
        spectrogram,
        lambda: sounds(101),
        rtol=1e-4,
        atol=1e-5,
    ),
]
