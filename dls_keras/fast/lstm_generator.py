"""An LSTM language model in NumPy, which reads or generates one token at a time.

The state a of a step is multiplied twice: by the recurrent kernel U for the next
gates, and by the kernel W_y of the output layer for the logits. With both kernels side
by side, and a 1 after a for the biases, each step needs one product of a vector and a
matrix:

    [z<t+1>, logits<t>] = [a<t>, 1] [[U, W_y], [b, b_y]]

The next token's row of the input kernel is added to z<t+1> (its one-hot product), and
`fast.lstm_numpy` computes a<t+1> from it. Tests compare the logits and the generated
tokens with the lesson's Keras models, `course5.jazz.djmodel` and
`music_inference_model`.

Shapes: n_values tokens in the vocabulary, n_a units.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from dls_keras.fast import lstm_numpy


def read(
    parameters: Sequence[np.ndarray], tokens: Iterable[int | None] = ()
) -> Iterator[np.ndarray]:
    """Yield the logits of the next token: first at the start, then after each token.

    The first input is all zeros, as in the course.

    Args:
        parameters: kernel (n_values, 4*n_a), recurrent kernel (n_a, 4*n_a) and bias
            (4*n_a,) of the LSTM, gates in the order i, f, c, o as in Keras; kernel
            (n_a, n_values) and bias (n_values,) of the output layer.
        tokens: indices, or None for a token outside the vocabulary (zeros). Each is
            requested only after the logits before it were yielded.

    Yields:
        (n_values,) float32.
    """
    kernel, recurrent, bias, dense_kernel, dense_bias = parameters
    n_a = len(recurrent)

    def pack(w):
        return lstm_numpy.pack_gates(w).reshape(*w.shape)

    # Halved, since the state holds 2 a.
    product = np.empty((n_a + 1, 4 * n_a + len(dense_bias)), "float32")
    np.divide(pack(recurrent), 2, product[:n_a, : 4 * n_a])
    np.divide(dense_kernel, 2, product[:n_a, 4 * n_a :])
    product[n_a] = np.append(pack(bias), dense_bias)
    kernel = pack(kernel)
    state = np.append(np.zeros(n_a, "float32"), np.float32(1))
    out = state @ product
    z, logits, a = out[: 4 * n_a], out[4 * n_a :], state[:n_a]  # views
    step = lstm_numpy.make_lstm_step(z.reshape(4, n_a))
    for token in itertools.chain([None], tokens):
        if token is not None:
            z += kernel[token]
        step(a)
        np.dot(state, product, out)
        yield logits.copy()


def generate(
    parameters: Sequence[np.ndarray], choose: Callable[[np.ndarray], int]
) -> Iterator[int]:
    """Yield tokens without end, each of which is the next input.

    Args:
        parameters: as in `read`.
        choose: a function from logits (n_values,) to the index of the next token, such
            as `np.argmax`.
    """
    chosen: list[int] = []
    # `read` requests a token only after the step that chose it.
    for logits in read(parameters, (chosen[-1] for _ in itertools.count())):
        chosen.append(int(choose(logits)))
        yield chosen[-1]
