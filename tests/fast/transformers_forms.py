"""The Transformer with joined products and a KV cache against the lesson's layers."""

import functools

import keras
import numpy as np
import tensorflow as tf
from forms import Form

from dls_keras.course5 import transformer as lesson
from dls_keras.fast import transformer as fast

TX, TY, START = 7, 5, 8


@functools.cache
def small_model():
    """Two layers of two heads; it gives the functions below its structure only."""
    model = lesson.Transformer(
        num_layers=2,
        embedding_dim=6,
        num_heads=2,
        fully_connected_dim=8,
        input_vocab_size=11,
        target_vocab_size=9,
        max_positional_encoding_input=TX,
        max_positional_encoding_target=TY,
        dropout_rate=0.0,
    )
    model.build((None, TX), (None, TY))
    return model


def inputs():
    """Padded sequences, decoder inputs, and a normal array for each weight."""
    rng = np.random.default_rng(0)
    x = rng.integers(1, 11, (3, TX)).astype("int32")
    x[np.arange(TX) >= np.array([[TX], [4], [1]])] = 0
    y = rng.integers(1, 9, (3, TY)).astype("int32")
    weights = [rng.normal(0, 0.5, w.shape) for w in small_model().weights]
    return x, y, *(w.astype("float32") for w in weights)


def with_weights(function):
    """`function(model, x, y)` as a function of the weights of the model, too."""

    def run(x, y, *weights):
        model = small_model()
        # Times 1: the gradient of an embedding is then an ordinary tensor.
        values = zip(model.weights, (1.0 * w for w in weights), strict=True)
        with keras.StatelessScope(state_mapping=values):
            return function(model, tf.constant(x), tf.constant(y))

    return run


def call(model, x, y):
    """The outputs of `Transformer.call` with all of its masks."""
    padding_mask = lesson.create_padding_mask(x)
    return model(
        x,
        y,
        enc_padding_mask=padding_mask,
        look_ahead_mask=lesson.create_look_ahead_mask(y.shape[1]),
        dec_padding_mask=padding_mask,
    )


@with_weights
def call_layers(model, x, y):
    """The probabilities after each prefix of y."""
    return call(model, x, y)[0]


@with_weights
def join_products(model, x, y):
    return fast.next_token_probabilities(model, x, y, lesson.FUNCTIONS)


@with_weights
def decode_without_cache(model, x, y):
    """Greedy decoding that runs the whole model once for each token."""
    y = np.full((len(x), 1 + TY), START)
    for t in range(TY):
        y_hat, attention_weights = call(model, x, tf.constant(y[:, :-1]))
        y[:, t + 1] = tf.argmax(y_hat[:, t], axis=-1)
    cross_attention = attention_weights["decoder_layer2_block2_decenc_att"]
    return y[:, 1:], tf.reduce_max(y_hat, axis=-1), tf.reduce_mean(cross_attention, 1)


@with_weights
def decode_with_cache(model, x, y):
    return fast.greedy_decode(model, x, START, TY, lesson.FUNCTIONS)


FORMS = [
    Form(
        "Transformer, teacher forcing",
        join_products,
        call_layers,
        inputs,
        gradients=True,
        rtol=1e-4,
        atol=1e-5,  # float32 sums in another order
    ),
    Form(
        "Transformer, greedy decoding",
        decode_with_cache,
        decode_without_cache,
        inputs,
        atol=1e-5,
    ),
]
