"""The weights of the LSTM step in NumPy; `rnn_forms.py` compares its results."""

import numpy as np

from dls_keras.fast import lstm_numpy


def test_the_weights_of_the_sigmoid_gates_are_halved_in_a_copy():
    """Those of the candidate are not, nor is anything for another activation."""
    w = np.float32([[1, 2, 3, 4, 5, 6, 7, 8]])
    halved = [[0.5, 1], [1.5, 2], [5, 6], [3.5, 4]]
    np.testing.assert_array_equal(lstm_numpy.pack_gates(w), [halved])
    np.testing.assert_array_equal(
        lstm_numpy.pack_gates(w, np.tanh), [[[1, 2], [3, 4], [5, 6], [7, 8]]]
    )
    np.testing.assert_array_equal(w, [[1, 2, 3, 4, 5, 6, 7, 8]])
