"""A step of an LSTM in NumPy, for one sequence or a few that want an answer at once.

A dozen NumPy calls a step end before a graph is compiled. Since

    2 sigmoid(z) = 1 + tanh(z / 2)

one tanh does for all four gates, and with states twice as large only c is halved:

    2 c<t> = (1 + tanh(z_f / 2)) c<t-1> + (1 + tanh(z_i / 2)) tanh(z_c)
    2 h<t> = (1 + tanh(z_o / 2)) tanh(c<t>)

So `by_gate` halves what makes z_i, z_f and z_o; who reads the states halves what it
multiplies them by. Halving is exact, so the numbers are those of the lesson.
"""

from collections.abc import Callable

import numpy as np

HALF = np.array(0.5, "float32")  # NumPy is slower with numbers that are no arrays
HALVED = np.float32([0.5, 0.5, 1, 0.5])  # i, f, c, o


def by_gate(w: np.ndarray, gates: Callable | None = None) -> np.ndarray:
    """Weights (..., 4*units) in Keras's order i, f, c, o as `stepper` takes them.

    Args:
        gates: as in `stepper`; with a function of its own nothing is halved.

    Returns:
        (..., 4, units).
    """
    if not gates:
        w = w * HALVED.repeat(w.shape[-1] // 4)  # rows are faster than (4, units)
    return w.reshape(*w.shape[:-1], 4, -1)


def stepper(z: np.ndarray, gates: Callable | None = None) -> Callable:
    """A function that takes one step: it moves c, at first zeros, and writes 2 h.

    Args:
        z: (4, ..., units) float32, which each call reads and overwrites: the sums of
            what `by_gate` has made.
        gates: a function of an array, in the place of the sigmoid.

    Returns:
        A function of `out`, (..., units), where twice h goes.
    """
    (i, f, g, o), c = z, np.zeros_like(z[0])
    added = np.ones_like(z)
    added[2] = 0
    tanh, add, multiply = np.tanh, np.add, np.multiply  # all write their last argument

    def step(out):
        if gates:
            for gate in (i, f, o):
                multiply(gates(gate), 2, gate)
            tanh(g, g)
        else:
            tanh(z, z)
            add(z, added, z)
        multiply(c, f, c)
        multiply(g, i, g)
        add(c, g, c)
        multiply(c, HALF, c)
        tanh(c, out)
        multiply(out, o, out)

    return step
