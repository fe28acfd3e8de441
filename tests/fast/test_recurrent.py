"""The GRU on a compiled loop gives the numbers of Keras's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dls_keras.fast import recurrent
from dls_keras.fast.recurrent import GRU


def pair(units=3, n=4, **arguments):
    """Our layer and Keras's, with the same weights, biases included."""
    layers = [one(units, **arguments) for one in (GRU, keras.layers.GRU)]
    rng = np.random.default_rng(1)
    for layer in layers:
        layer.build((None, None, n))
    values = [rng.normal(size=w.shape).astype("float32") for w in layers[0].weights]
    for layer in layers:
        layer.set_weights(values)
    return layers


def results(layer, x, h):
    """Outputs, and the gradients of a sum of them for the inputs and weights."""
    x, h = tf.constant(x), tf.constant(h)
    with tf.GradientTape() as tape:
        tape.watch([x, h])
        outputs = tf.nest.flatten(layer(x, initial_state=h))
        loss = tf.add_n([tf.reduce_sum(tf.sin(3 * y)) for y in outputs])
    return outputs, tape.gradient(loss, [x, h, *layer.trainable_variables])


def normal(*shape):
    return np.random.default_rng(2).normal(size=shape).astype("float32")


@pytest.fixture
def scans(monkeypatch):
    """Counts how often the compiled loop is taken."""
    calls = []
    original = recurrent._gru_scan

    def counting(*parameters):
        calls.append(1)
        return original(*parameters)

    monkeypatch.setattr(recurrent, "_gru_scan", counting)
    return calls


@pytest.mark.parametrize("T", [1, 2, 12])
def test_outputs_and_gradients_are_those_of_keras(T, scans):
    """For the inputs, the state at the start, both kernels and both biases."""
    ours, theirs = pair(return_sequences=True, return_state=True)
    x, h = normal(2, T, 4), normal(2, 3)
    expected, slopes = results(theirs, x, h)
    assert not scans
    found, gradients = results(ours, x, h)
    assert scans
    for our, their in zip([*found, *gradients], [*expected, *slopes], strict=True):
        # float32 sums in another order.
        np.testing.assert_allclose(our, their, rtol=1e-4, atol=1e-5)


def test_it_is_exact_over_a_thousand_steps():
    """Errors do not grow with the length, forward or backward."""
    ours, theirs = pair(return_sequences=True)
    x, h = normal(2, 1000, 4), np.zeros((2, 3), "float32")
    (found,), gradients = results(ours, x, h)
    (expected,), slopes = results(theirs, x, h)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    for our, their in zip(gradients, slopes, strict=True):
        np.testing.assert_allclose(our, their, atol=1e-5 * np.abs(their).max())


def test_by_default_the_last_state_comes_back():
    """As from any recurrent layer of Keras."""
    ours, theirs = pair()
    x = normal(2, 7, 4)
    assert ours(x).shape == (2, 3)
    np.testing.assert_allclose(ours(x), theirs(x), atol=1e-6)


def test_lengths_and_batches_may_be_unknown():
    """In a model for sounds of any length, and in its graph."""
    x = keras.Input((None, 4))
    ours, theirs = pair(return_sequences=True)
    model = keras.Model(x, ours(x))
    given = normal(3, 11, 4)
    graph = tf.function(model, input_signature=[tf.TensorSpec((None, None, 4))])
    for answer in (model(given), graph(given)):
        np.testing.assert_allclose(answer, theirs(given), atol=1e-6)


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
)
def test_what_does_not_fit_is_left_to_keras(arguments, scans):
    """And is what Keras gives, to the bit."""
    ours, theirs = pair(**arguments)
    x = normal(2, 5, 4)
    np.testing.assert_array_equal(ours(x), theirs(x))
    assert not scans


def test_masks_and_dropout_are_left_to_keras(scans):
    """Dropout only while it trains."""
    ours, theirs = pair(dropout=0.5, return_sequences=True)
    x, mask = normal(2, 5, 4), np.arange(5)[None] < [[5], [3]]
    np.testing.assert_array_equal(ours(x, mask=mask), theirs(x, mask=mask))
    ours(x, training=True)
    assert not scans
    ours(x)
    assert scans


def test_it_is_saved_and_loaded(tmp_path):
    """As a layer of its own, under the package's name."""
    ours, _ = pair(return_sequences=True)
    model = keras.Sequential([keras.Input((6, 4)), ours])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.layers[0]) is GRU
    np.testing.assert_array_equal(again(normal(2, 6, 4)), model(normal(2, 6, 4)))


def unrolled(*parameters):
    """The steps of `lstm` one by one, their gradient TensorFlow's."""
    return recurrent.lstm(*parameters, tf.sigmoid)


@pytest.mark.parametrize("T", [1, 2, 12])
@pytest.mark.parametrize("form", [recurrent.lstm, unrolled])
def test_an_lstm_gives_the_numbers_of_keras(T, form):
    """The states, and the gradients for the inputs, the kernels and the bias."""
    layer = keras.layers.LSTM(3, return_sequences=True)
    layer.build((None, T, 4))
    layer.set_weights([normal(*w.shape) for w in layer.weights])
    x = tf.constant(normal(2, T, 4))

    def ours(x):
        weights = (variable.value for variable in layer.weights)
        return tf.transpose(form(tf.transpose(x, (1, 0, 2)), *weights), (1, 0, 2))

    found = []
    for one in (ours, layer):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = one(x)
            loss = tf.reduce_sum(tf.sin(3 * y))
        watched = [x, *(variable.value for variable in layer.weights)]
        found.append([y, *tape.gradient(loss, watched)])
    for our, their in zip(*found, strict=True):
        # float32 sums in another order.
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-5)


def test_an_lstm_on_a_gpu_is_unrolled(monkeypatch):
    """There XLA's loop would start a kernel for each of its small operations."""
    monkeypatch.setattr(recurrent, "use_xla", lambda: True)
    monkeypatch.setattr(recurrent, "_lstm_scan", None)
    given = normal(5, 2, 4), normal(4, 12), normal(3, 12), normal(12)
    on_gpu = recurrent.lstm(*given)
    monkeypatch.undo()
    np.testing.assert_allclose(on_gpu, recurrent.lstm(*given), atol=1e-6)
