"""The LSTM's step in NumPy against Keras's cell."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.converters.keras_h5 import keras2_hard_sigmoid
from dls_keras.fast import lstm_numpy


@pytest.mark.parametrize("gates", [None, keras2_hard_sigmoid])
@settings(max_examples=20)  # each builds a cell
@given(units=st.integers(1, 9), m=st.integers(1, 4), seed=st.integers(0, 999))
def test_steps_are_those_of_keras(gates, units, m, seed):
    """Ten of them, from zeros; the step writes twice the state."""
    rng = np.random.default_rng(seed)
    cell = keras.layers.LSTMCell(units, recurrent_activation=gates or "sigmoid")
    cell.build((m, 3))
    cell.set_weights([rng.normal(size=w.shape) for w in cell.get_weights()])
    kernel, recurrent, bias = cell.get_weights()
    states = [np.zeros((m, units), "float32")] * 2
    z, twice = np.empty((4, m, units), "float32"), np.zeros((m, units), "float32")
    step = lstm_numpy.stepper(z, gates)
    for x in rng.normal(size=(10, m, 3)).astype("float32"):
        h, states = cell(x, states)
        sums = x @ kernel + twice / 2 @ recurrent + bias
        z[...] = lstm_numpy.by_gate(sums, gates).swapaxes(0, 1)
        step(twice)
        np.testing.assert_allclose(twice / 2, h, atol=1e-5)


def test_weights_are_halved_in_a_copy():
    """All but those of c, where one tanh does for all gates."""
    w = np.float32([[1, 2, 3, 4, 5, 6, 7, 8]])
    halved = [[0.5, 1], [1.5, 2], [5, 6], [3.5, 4]]
    np.testing.assert_array_equal(lstm_numpy.by_gate(w), [halved])
    np.testing.assert_array_equal(
        lstm_numpy.by_gate(w, np.tanh), [[[1, 2], [3, 4], [5, 6], [7, 8]]]
    )
    np.testing.assert_array_equal(w, [[1, 2, 3, 4, 5, 6, 7, 8]])
