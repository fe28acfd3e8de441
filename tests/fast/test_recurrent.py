"""The compiled GRU where the table of forms does not reach: options, lengths, files.

`rnn_forms.py` compares values and gradients with those of Keras.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dls_keras.fast import recurrent
from dls_keras.fast.recurrent import GRU


def pair(units=3, n=4, **arguments):
    """The package's layer and Keras's layer, with the same random weights."""
    layers = [one(units, **arguments) for one in (GRU, keras.layers.GRU)]
    rng = np.random.default_rng(1)
    for layer in layers:
        layer.build((None, None, n))
    values = [rng.normal(size=w.shape).astype("float32") for w in layers[0].weights]
    for layer in layers:
        layer.set_weights(values)
    return layers


def normal(*shape):
    return np.random.default_rng(2).normal(size=shape).astype("float32")


def compiles(function, x):
    """Whether the graph of the function contains a part that XLA must compile."""
    graph = tf.function(function).get_concrete_function(tf.constant(x)).graph
    attributes = [f.attr for f in graph.as_graph_def().library.function]
    return any(a["_XlaMustCompile"].b for a in attributes if "_XlaMustCompile" in a)


def test_rounding_errors_do_not_grow_over_a_thousand_steps():
    """Forward or backward."""
    x, found = tf.constant(normal(2, 1000, 4)), []
    for layer in pair(return_sequences=True):
        with tf.GradientTape() as tape:
            tape.watch(x)
            states = layer(x)
            loss = tf.reduce_sum(tf.sin(3 * states))
        found.append([states, *tape.gradient(loss, [x, *layer.trainable_variables])])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5 * np.abs(other).max())


def test_by_default_the_last_state_is_returned():
    """As by every recurrent layer of Keras."""
    fast, stock = pair()
    x = normal(2, 7, 4)
    assert fast(x).shape == (2, 3)
    np.testing.assert_allclose(fast(x), stock(x), atol=1e-6)


def test_lengths_and_batch_sizes_may_be_unknown():
    """In a model for sounds of any length, and in its graph."""
    x = keras.Input((None, 4))
    fast, stock = pair(return_sequences=True)
    model = keras.Model(x, fast(x))
    example = normal(3, 11, 4)
    graph = tf.function(model, input_signature=[tf.TensorSpec((None, None, 4))])
    for states in (model(example), graph(example)):
        np.testing.assert_allclose(states, stock(example), atol=1e-6)


@pytest.mark.parametrize(
    "arguments",
    [
        {"activation": "relu"},
        {"recurrent_activation": "hard_sigmoid"},
        {"go_backwards": True},
        {"unroll": True},
        {"use_bias": False},
        {"reset_after": False},
        {"dtype": "float64"},
    ],
    ids=str,
)
def test_options_that_the_loop_does_not_support_are_left_to_keras(arguments):
    """The results are Keras's, bit for bit."""
    fast, stock = pair(**arguments)
    x = normal(2, 5, 4)
    np.testing.assert_array_equal(fast(x), stock(x))
    assert not compiles(fast, x)


def test_masks_and_dropout_in_training_are_left_to_keras():
    """Outside training a layer with dropout uses the compiled loop."""
    fast, stock = pair(dropout=0.5, return_sequences=True)
    x, mask = normal(2, 5, 4), np.arange(5)[None] < [[5], [3]]
    np.testing.assert_array_equal(fast(x, mask=mask), stock(x, mask=mask))
    assert not compiles(lambda x: fast(x, mask=mask), x)
    assert not compiles(lambda x: fast(x, training=True), x)
    assert compiles(fast, x)


def test_a_saved_layer_is_loaded_under_the_package_s_name(tmp_path):
    """With the same results."""
    fast, _ = pair(return_sequences=True)
    model = keras.Sequential([keras.Input((6, 4)), fast])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.layers[0]) is GRU
    np.testing.assert_array_equal(again(normal(2, 6, 4)), model(normal(2, 6, 4)))


def test_on_a_gpu_the_steps_of_an_lstm_are_unrolled(monkeypatch):
    """XLA's loop would launch a kernel for each of its small operations."""
    x, *weights = normal(5, 2, 4), normal(4, 12), normal(3, 12), normal(12)
    assert compiles(lambda x: recurrent.lstm(x, *weights), x)
    monkeypatch.setattr(recurrent, "use_xla", lambda: True)
    assert not compiles(lambda x: recurrent.lstm(x, *weights), x)
