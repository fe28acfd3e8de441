"""GRU and LSTM over long sequences: an XLA loop with a hand-written backward pass.

`GRU` has the name, weights and numbers of `keras.layers.GRU` (to 1e-5) and is several
times faster on CPUs for sequences of a thousand steps (measured: docs/decisions.md);
`lstm` computes all states of an LSTM. Three things make both fast. The products with
the input are computed for all steps at once, outside the loop. XLA compiles the loop,
in which each gate has an array of its own and only the states and their products with
U are stored. And the loop of the backward pass carries only the gradient of the state.

With x' = x W + b_i for all steps, one step of the GRU is

    g  = h<t-1> U + b_r                      for the three gates z, r, c side by side
    z  = sigmoid(x'_z + g_z)
    r  = sigmoid(x'_r + g_r)
    c  = tanh(x'_c + r g_c)
    h<t> = z h<t-1> + (1 - z) c

The forward pass stores h and h U. From these the backward pass recomputes all gates in
one batched operation, and with them all local derivatives, so that its loop only
multiplies and adds:

    d  = (1 - z) (1 - c^2)                              through tanh
    S  = [(h<t-1> - c) z (1 - z),  d g_c r (1 - r),  d r]      dg    = dh<t> S
    dh<t-1> = dh<t> z + dg U^T + dy<t-1>

The gradients of U and b_r are then one product and one sum over all steps.

An LSTM also has a cell state c:

    i, f, g, o = sigmoid, and tanh for g, of x' + h<t-1> U
    c<t> = f c<t-1> + i g
    h<t> = o tanh(c<t>)

Its backward pass carries dh and dc; again the local derivatives are computed first:

    dz  = [dc g i (1 - i),  dc c<t-1> f (1 - f),  dc i (1 - g^2),
           dh tanh(c<t>) o (1 - o)]
    dh<t-1> = dz U^T + dy<t-1>
    dc<t-1> = dc f + dh<t-1> o<t-1> (1 - tanh(c<t-1>)^2)
"""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from dls_keras.core.training import use_xla


@keras.saving.register_keras_serializable(package="dls_keras")
class GRU(keras.layers.GRU):
    """`keras.layers.GRU`, computed by the compiled loop where possible.

    Keras's own code runs on GPUs (cuDNN is faster), on another backend, in another
    precision than float32, and with a mask, dropout, other activations,
    `go_backwards`, `unroll`, `use_bias=False` or `reset_after=False`.
    """

    def inner_loop(
        self, sequences: Any, initial_state: Any, mask: Any, training: bool = False
    ) -> Any:
        if not self._can_use_loop(mask, training):
            return super().inner_loop(sequences, initial_state, mask, training=training)
        (h,) = keras.tree.flatten(initial_state)
        bias_input, bias_recurrent = tf.unstack(tf.convert_to_tensor(self.cell.bias))
        # Time first, so that each step reads one contiguous block of memory.
        x = tf.transpose(tf.convert_to_tensor(sequences), (1, 0, 2))
        x = _project(x, tf.convert_to_tensor(self.cell.kernel), bias_input, 3)
        U = tf.convert_to_tensor(self.cell.recurrent_kernel)
        h = tf.convert_to_tensor(h)
        states = _gru_scan(*x, U, bias_recurrent, h)  # (T, m, n_a)
        last = states[-1]
        # `RNN.call` returns the sequence or the last state, as `return_sequences` says.
        return last, tf.transpose(states, (1, 0, 2)), [last]

    def _can_use_loop(self, mask, training):
        return (
            keras.backend.backend() == "tensorflow"
            and not tf.config.list_physical_devices("GPU")
            and self.compute_dtype == self.variable_dtype == "float32"
            and self.cell.activation is keras.activations.tanh
            and self.cell.recurrent_activation is keras.activations.sigmoid
            and self.cell.reset_after
            and self.cell.use_bias
            and mask is None
            and not (training and (self.dropout or self.recurrent_dropout))
            and not self.go_backwards
            and not self.unroll
        )


def lstm(
    x: tf.Tensor,
    kernel: tf.Tensor,
    U: tf.Tensor,
    bias: tf.Tensor,
    gates: Callable = keras.activations.sigmoid,
) -> tf.Tensor:
    """All states of an LSTM whose initial states are zero, differentiable.

    On GPUs, and for gates with another activation than the sigmoid, the steps are
    unrolled and TensorFlow computes the gradient.

    Args:
        x: (T, m, n), the sequences, time first.
        kernel, U, bias: (n, 4*n_a), (n_a, 4*n_a) and (4*n_a,), the gates in Keras's
            order i, f, c, o.
        gates: the activation of i, f and o.

    Returns:
        (T, m, n_a), the states h.
    """
    x = _project(x, kernel, bias, 4)
    if gates is keras.activations.sigmoid and not use_xla():
        return _lstm_scan(*x, U)
    h = c = tf.zeros_like(x[0][0])
    states = []
    for x_t in zip(*map(tf.unstack, x), strict=True):
        i, f, g, o = (a + b for a, b in zip(x_t, tf.split(h @ U, 4, -1), strict=True))
        c = gates(f) * c + gates(i) * tf.tanh(g)
        h = gates(o) * tf.tanh(c)
        states.append(h)
    return tf.stack(states)


def _project(x, kernel, bias, k):
    """x W + b (T, m, n_a) for each of the k gates in `kernel` and `bias`.

    One array per gate, since XLA does not vectorise slices of a joint array: with
    those the loop was ten times slower.
    """
    parts = zip(tf.split(kernel, k, axis=-1), tf.split(bias, k), strict=True)
    return [tf.tensordot(x, W, 1) + b for W, b in parts]


# A tf.function, or in eager mode the tape would record the operations of the loop.
@tf.function(autograph=False)
@tf.custom_gradient
def _gru_scan(x_z, x_r, x_c, U, b, h):
    """All states (T, m, n_a) for x_z, x_r, x_c (T, m, n_a) and initial state h."""
    states, g = _gru_forward(x_z, x_r, x_c, U, b, h)

    def gradient(dy):
        return _gru_backward(x_z, x_r, x_c, U, b, h, states, g, dy)

    return states, gradient


@tf.function(jit_compile=True, autograph=False)
def _gru_forward(x_z, x_r, x_c, U, b, h):
    def step(h, _, x_z, x_r, x_c):
        g = h @ U
        g_z, g_r, g_c = tf.split(g + b, 3, axis=-1)
        z, r = _sigmoid(x_z + g_z), _sigmoid(x_r + g_r)
        return [z * h + (1 - z) * tf.tanh(x_c + r * g_c), g]

    return _loop(step, [h, h @ U], [x_z, x_r, x_c])


@tf.function(jit_compile=True, autograph=False)
def _gru_backward(x_z, x_r, x_c, U, b, h, states, g, dy):
    h_prev = tf.concat([h[None], states[:-1]], axis=0)  # h<t-1>
    g_z, g_r, g_c = tf.split(g + b, 3, axis=-1)
    z, r = _sigmoid(x_z + g_z), _sigmoid(x_r + g_r)
    c = tf.tanh(x_c + r * g_c)
    d = (1 - z) * (1 - c**2)
    S = tf.stack([(h_prev - c) * z * (1 - z), d * g_c * r * (1 - r), d * r], axis=1)
    U_T = tf.stack([tf.transpose(W) for W in tf.split(U, 3, axis=-1)])

    def step(dh, dy, z, S):  # (m, n_a), but S (3, m, n_a)
        return [dy + dh * z + tf.reduce_sum((dh * S) @ U_T, axis=0)]

    # Step t computes dh<t-1>, so it adds dy<t-1>.
    dy_prev = tf.concat([tf.zeros_like(dy[:1]), dy[:-1]], axis=0)
    (dh,) = _loop(step, [dy[-1]], [dy_prev, z, S], backward=True)
    dh_start, dh = dh[0], tf.concat([dh[1:], dy[-1:]], axis=0)
    dg = [dh * s for s in tf.unstack(S, axis=1)]
    db = tf.concat([tf.reduce_sum(g, (0, 1)) for g in dg], axis=0)
    # r multiplies g_c but not x'_c, whose gradient is therefore dh * d.
    return *dg[:2], dh * d, _gradient_of_U(h_prev, dg), db, dh_start


@tf.function(autograph=False)
@tf.custom_gradient
def _lstm_scan(x_i, x_f, x_g, x_o, U):
    """All states (T, m, n_a) for x_i, x_f, x_g, x_o (T, m, n_a), from zeros."""
    h, c, z = _lstm_forward(x_i, x_f, x_g, x_o, U)

    def gradient(dy):
        return _lstm_backward(x_i, x_f, x_g, x_o, U, h, c, z, dy)

    return h, gradient


@tf.function(jit_compile=True, autograph=False)
def _lstm_forward(x_i, x_f, x_g, x_o, U):
    def step(h, c, _, x_i, x_f, x_g, x_o):
        z = h @ U
        z_i, z_f, z_g, z_o = tf.split(z, 4, axis=-1)
        c = _sigmoid(x_f + z_f) * c + _sigmoid(x_i + z_i) * tf.tanh(x_g + z_g)
        return [_sigmoid(x_o + z_o) * tf.tanh(c), c, z]

    zeros = tf.zeros_like(x_i[0])
    return _loop(step, [zeros, zeros, zeros @ U], [x_i, x_f, x_g, x_o])


@tf.function(jit_compile=True, autograph=False)
def _lstm_backward(x_i, x_f, x_g, x_o, U, h, c, z, dy):
    h_prev, c_prev, dy_prev = (
        tf.concat([tf.zeros_like(s[:1]), s[:-1]], axis=0) for s in (h, c, dy)
    )
    z_i, z_f, z_g, z_o = tf.split(z, 4, axis=-1)
    i, f, o = _sigmoid(x_i + z_i), _sigmoid(x_f + z_f), _sigmoid(x_o + z_o)
    g, tanh_c = tf.tanh(x_g + z_g), tf.tanh(c)
    # The local derivatives: of c by z_i, z_f, z_g; of h by z_o; of h by c.
    S = [g * i * (1 - i), c_prev * f * (1 - f), i * (1 - g**2)]
    S_o, S_c = tanh_c * o * (1 - o), o * (1 - tanh_c**2)
    U_T = tf.transpose(U)

    def step(dh, dc, dy, S_c, f, S_o, *S):
        dz = tf.concat([*(dc * s for s in S), dh * S_o], axis=-1)
        dh = dy + dz @ U_T
        return [dh, dc * f + dh * S_c]

    last = [dy[-1], dy[-1] * S_c[-1]]
    S_c = tf.concat([tf.zeros_like(S_c[:1]), S_c[:-1]], axis=0)
    carried = _loop(step, last, [dy_prev, S_c, f, S_o, *S], backward=True)
    dh, dc = (
        tf.concat([earlier[1:], end[None]], axis=0)
        for earlier, end in zip(carried, last, strict=True)
    )
    dz = [*(dc * s for s in S), dh * S_o]
    return *dz, _gradient_of_U(h_prev, dz)


def _sigmoid(x):
    """By tanh, which XLA computes faster than 1 / (1 + exp(-x))."""
    return 0.5 + 0.5 * tf.tanh(0.5 * x)


def _gradient_of_U(h_prev, dz):
    """Sum over time and sequences of h<t-1>^T dz for each gate, side by side."""
    return tf.concat([tf.tensordot(h_prev, g, [[0, 1], [0, 1]]) for g in dz], axis=-1)


def _loop(step, carried, inputs, *, backward=False):
    """Run `step` over the first axis of the inputs and stack its results.

    Args:
        step: takes the states and a slice of each input, returns the next states.
        carried: the initial states.
        inputs: (T, ...) each.
        backward: run from the last step to the first.

    Returns:
        Each state (T, ...); entry t is what step t returned, in either direction.
    """
    T = tf.shape(inputs[0])[0]

    def body(i, carried, results):
        t = T - 1 - i if backward else i
        carried = step(*carried, *(a[t] for a in inputs))
        results = [r.write(t, state) for r, state in zip(results, carried, strict=True)]
        return i + 1, carried, results

    results = [tf.TensorArray(state.dtype, T) for state in carried]
    initial = tf.constant(0), carried, results
    _, _, results = tf.while_loop(lambda i, *_: i < T, body, initial)
    length = inputs[0].shape[:1]  # `stack` would forget it
    return [
        tf.ensure_shape(r.stack(), length + state.shape)
        for r, state in zip(results, carried, strict=True)
    ]
