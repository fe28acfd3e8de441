"""One LSTM step in NumPy, for low-latency inference on small batches.

A dozen NumPy calls take less time than one call of a compiled graph. Because

    2 sigmoid(z) = 1 + tanh(z / 2)

one tanh computes all four gates, if z is halved for the three sigmoids. The step
stores 2 h instead of h, so that only c has to be halved:

    2 c<t> = (1 + tanh(z_f / 2)) c<t-1> + (1 + tanh(z_i / 2)) tanh(z_c)
    2 h<t> = (1 + tanh(z_o / 2)) tanh(c<t>)

`pack_gates` halves the weights that produce z_i, z_f and z_o; the caller also halves
every weight that multiplies h. Halving is exact in floating point, so it changes no
result.
"""

from collections.abc import Callable

import numpy as np

# A 0-d array, since NumPy would convert a Python number at every call.
HALF = np.array(0.5, "float32")
HALVED = np.array([0.5, 0.5, 1, 0.5], "float32")  # i, f, c, o


def pack_gates(w: np.ndarray, gates: Callable | None = None) -> np.ndarray:
    """Weights in the form that `make_lstm_step` needs; `w` itself is not changed.

    Args:
        w: (..., 4*units), in Keras's order i, f, c, o.
        gates: as in `make_lstm_step`; with a function, nothing is halved.

    Returns:
        (..., 4, units), halved for i, f and o.
    """
    if not gates:
        w = w * HALVED.repeat(w.shape[-1] // 4)  # long rows are faster than (4, units)
    return w.reshape(*w.shape[:-1], 4, -1)


def make_lstm_step(
    z: np.ndarray, gates: Callable | None = None
) -> Callable[[np.ndarray], None]:
    """Return `step(out)`, which updates the cell state c in place and writes 2 h.

    Args:
        z: (4, ..., units) float32, the gates' inputs W [h<t-1>; x<t>] + b with weights
            from `pack_gates`. The caller fills it before each step; the step
            overwrites it.
        gates: the activation of i, f and o, a function of an array, instead of the
            sigmoid.

    Returns:
        A function of `out`, (..., units) float32, to which it writes 2 h<t>. The cell
        state starts at 0.
    """
    (i, f, g, o), c = z, np.zeros_like(z[0])
    ones = np.ones_like(z)
    ones[2] = 0  # 1 + tanh for the gates, tanh alone for the candidate
    tanh, add, multiply = np.tanh, np.add, np.multiply  # the last argument is written

    def step(out):
        if gates:
            for gate in (i, f, o):
                multiply(gates(gate), 2, gate)
            tanh(g, g)
        else:
            tanh(z, z)
            add(z, ones, z)
        multiply(c, f, c)
        multiply(g, i, g)
        add(c, g, c)
        multiply(c, HALF, c)
        tanh(c, out)
        multiply(out, o, out)

    return step
