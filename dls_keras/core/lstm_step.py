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

HALF = np.float32(0.5)


def by_gate(w: np.ndarray, gates: Callable | None = None) -> np.ndarray:
    """Weights (..., 4*units) in Keras's order i, f, c, o as `stepper` takes them.

    Args:
        gates: as in `stepper`; with a function of its own nothing is halved.

    Returns:
        (..., 4, units), in the order i, f, o, c.
    """
    w = w.reshape(*w.shape[:-1], 4, -1).take([0, 1, 3, 2], axis=-2)
    if not gates:
        w[..., :3, :] *= HALF
    return w


def stepper(z: np.ndarray, gates: Callable | None = None) -> Callable:
    """A function that takes one step: it moves c, at first zeros, and writes 2 h.

    Args:
        z: (4, ..., units) float32, which each call reads and overwrites: the sums of
            what `by_gate` has put in order.
        gates: a function of an array, in the place of the sigmoid.

    Returns:
        A function of `out`, (..., units), where twice h goes.
    """
    opened, (i, f, o, g), c = z[:3], z, np.zeros_like(z[0])

    def step(out):
        if gates:
            opened[...] = 2 * gates(opened)
            np.tanh(g, out=g)
        else:
            np.tanh(z, out=z)
            np.add(opened, 1, out=opened)
        np.multiply(c, f, out=c)
        np.multiply(g, i, out=g)
        np.add(c, g, out=c)
        np.multiply(c, HALF, out=c)
        np.tanh(c, out=out)
        np.multiply(out, o, out=out)

    return step
