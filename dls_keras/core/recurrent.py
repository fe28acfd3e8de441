"""Recurrent networks on a compiled loop with their gradients written by hand.

`GRU` has the name, weights and numbers of `keras.layers.GRU` (to 1e-5) and is several
times faster on CPUs over the thousand steps of a sound (measured: docs/decisions.md);
`lstm` is the loop of an LSTM for those who make its products themselves. Three things
make both fast: the products with the input leave the loop as one; the loop, K steps
unrolled, is compiled by XLA; and on the way back it carries nothing but dh.

With x' = x W + b_i computed for all steps at once, one step forward is

    g  = h<t-1> U + b_r                      the three gates z, r, h side by side
    z  = sigmoid(x'_z + g_z)
    r  = sigmoid(x'_r + g_r)
    c  = tanh(x'_h + r g_h)
    h<t> = z h<t-1> + (1 - z) c

Only h is kept. From it the gates of all steps are computed again at once, and with
them the slopes of everything under h<t>, which the loop backward has but to multiply:

    d  = (1 - z) (1 - c^2)                              of c's tanh
    S  = [(h<t-1> - c) z (1 - z),  d g_h r (1 - r),  d r]      dg    = dh<t> S
    dh<t-1> = dh<t> z + dg U^T + dy<t-1>

The gradients of U and b_r are then one product and one sum over all steps.

An LSTM keeps c as well, and its gates, which XLA has faster as tanh than as sigmoid:

    i, f, o = (1 + tanh(z / 2)) / 2,  g = tanh(z)       z = x' + h<t-1> U
    c<t> = f c<t-1> + i g
    h<t> = o tanh(c<t>)

The way back carries dh and dc, and every gate's slope is known before it begins:

    dc  = dc<t> + dh<t> o (1 - tanh(c<t>)^2)                    dc<t-1> = dc f
    dz  = [dc g i (1 - i),  dc c<t-1> f (1 - f),  dc i (1 - g^2),
           dh<t> tanh(c<t>) o (1 - o)]                          dh<t-1> = dz U^T
"""

import keras
import tensorflow as tf

from dls_keras.core.training import use_xla

K = 5  # steps in one turn of the loop: more are hardly faster and compile longer


@keras.saving.register_keras_serializable(package="dls_keras")
class GRU(keras.layers.GRU):
    """`keras.layers.GRU`; the stock code runs where the compiled loop does not fit.

    That is on GPUs (cuDNN is faster), on another backend or in half precision, and
    with a mask, dropout, other activations, `go_backwards`, `unroll` or
    `reset_after=False`.
    """

    def inner_loop(self, sequences, initial_state, mask, training=False):
        if not self._loop_fits(mask, training):
            return super().inner_loop(sequences, initial_state, mask, training=training)
        (h,) = keras.tree.flatten(initial_state)
        bias_input, bias_recurrent = tf.unstack(tf.convert_to_tensor(self.cell.bias))
        # Time first: each step reads one block of memory.
        x = tf.transpose(tf.convert_to_tensor(sequences), (1, 0, 2))
        x = tf.tensordot(x, tf.convert_to_tensor(self.cell.kernel), 1) + bias_input
        U = tf.convert_to_tensor(self.cell.recurrent_kernel)
        states = _scan(x, U, bias_recurrent, tf.convert_to_tensor(h))  # (T, m, n_a)
        last = states[-1]
        # `RNN.call` takes the sequence or the last state, as it was asked to return.
        return last, tf.transpose(states, (1, 0, 2)), [last]

    def _loop_fits(self, mask, training):
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


def lstm(x, U, gates=keras.activations.sigmoid):
    """All states (T, m, n_a) of an LSTM that begins with zeros.

    On GPUs, and with other gates than the sigmoid, the steps are unrolled and the
    gradient is TensorFlow's.

    Args:
        x: (T, m, 4*n_a), the inputs times their kernel plus the bias, gate order
            i, f, c, o as in Keras.
        U: (n_a, 4*n_a), the recurrent kernel.
        gates: their activation.
    """
    if gates is keras.activations.sigmoid and not use_xla():
        return _lstm_scan(x, U)
    h = c = tf.zeros_like(x[0, :, : U.shape[0]])
    states = []
    for z in tf.unstack(x):
        i, f, g, o = tf.split(z + h @ U, 4, axis=-1)
        c = gates(f) * c + gates(i) * tf.tanh(g)
        h = gates(o) * tf.tanh(c)
        states.append(h)
    return tf.stack(states)


def start(model, m: int) -> list[tf.Tensor]:
    """The states before anything was heard: zeros (m, units) for each GRU."""
    grus = [layer for layer in model.layers if isinstance(layer, keras.layers.GRU)]
    return [tf.zeros((m, gru.units)) for gru in grus]


@tf.function(autograph=False)
def advance(model, x, states):
    """What a model makes of the next part of a sequence, without training.

    Args:
        model: layers one after the other, its GRUs with all their outputs.
        x: (m, T, n), the part.
        states: the states of the GRUs after the part before; `start` at the start.

    Returns:
        The model's outputs for the part, and the states behind it.
    """
    after = []
    for layer in model.layers[1:]:
        # A dense layer takes all steps at once, without a TimeDistributed around it.
        layer = getattr(layer, "layer", layer)
        if isinstance(layer, keras.layers.GRU):
            x = layer(x, initial_state=states[len(after)])
            after.append(x[:, -1])
        else:
            x = layer(x)
    return x, after


@tf.function(autograph=False)  # a tape outside graphs would look into the loop
@tf.custom_gradient
def _scan(x, U, b, h):
    """All states (T, m, n_a) after h (m, n_a), for x (T, m, 3*n_a)."""
    states = _forward(x, U, b, h)

    def gradient(dy):
        return _backward(x, U, b, h, states, dy)

    return states, gradient


@tf.function(jit_compile=True, autograph=False)
def _forward(x, U, b, h):
    def step(carried, x):
        (h,) = carried
        x_z, x_r, x_c = tf.split(x, 3, axis=-1)
        g_z, g_r, g_c = tf.split(h @ U + b, 3, axis=-1)
        z, r = tf.sigmoid(x_z + g_z), tf.sigmoid(x_r + g_r)
        h = z * h + (1 - z) * tf.tanh(x_c + r * g_c)
        return [h], [h]

    _, (states,) = _loop(step, [h], [x])
    return states


@tf.function(jit_compile=True, autograph=False)
def _backward(x, U, b, h, states, dy):
    before = tf.concat([h[None], states[:-1]], axis=0)  # h<t-1>
    x_z, x_r, x_c = tf.split(x, 3, axis=-1)
    g_z, g_r, g_c = tf.split(tf.tensordot(before, U, 1) + b, 3, axis=-1)
    z, r = tf.sigmoid(x_z + g_z), tf.sigmoid(x_r + g_r)
    c = tf.tanh(x_c + r * g_c)
    d = (1 - z) * (1 - c**2)
    S = tf.concat([(before - c) * z * (1 - z), d * g_c * r * (1 - r), d * r], axis=-1)

    def step(carried, dy, z, S):
        dh = dy + carried[0]
        dg = tf.tile(dh, (1, 3)) * S
        return [dh * z + tf.matmul(dg, U, transpose_b=True)], [dh]

    start = [tf.zeros_like(h)]
    (dh_start,), (dh,) = _loop(step, start, [dy, z, S], backward=True)
    dg = tf.tile(dh, (1, 1, 3)) * S
    dx = tf.concat([dg[..., : -h.shape[-1]], dh * d], axis=-1)  # dx'_h lacks the r
    dU = tf.tensordot(before, dg, [[0, 1], [0, 1]])
    return dx, dU, tf.reduce_sum(dg, (0, 1)), dh_start


@tf.function(autograph=False)
@tf.custom_gradient
def _lstm_scan(x, U):
    """All states (T, m, n_a) after zeros, for x (T, m, 4*n_a)."""
    h, c, a = _lstm_forward(x, U)

    def gradient(dy):
        return _lstm_backward(U, h, c, a, dy)

    return h, gradient


@tf.function(jit_compile=True, autograph=False)
def _lstm_forward(x, U):
    """The states h and c (T, m, n_a), and the tanh of the gates (T, m, 4*n_a)."""
    n_a = U.shape[0]
    half = tf.repeat(tf.constant([0.5, 0.5, 1, 0.5], x.dtype), n_a)
    U = U * half

    def step(carried, x):
        h, c = carried
        a = tf.tanh(x + h @ U)
        i, f, g, o = _gates(a)
        c = f * c + i * g
        h = o * tf.tanh(c)
        return [h, c], [h, c, a]

    zeros = tf.zeros_like(x[0, :, :n_a])
    return _loop(step, [zeros, zeros], [x * half], results=3)[1]


@tf.function(jit_compile=True, autograph=False)
def _lstm_backward(U, h, c, a, dy):
    i, f, g, o = _gates(a)
    h_before, c_before = (tf.pad(s[:-1], [(1, 0), (0, 0), (0, 0)]) for s in (h, c))
    tanh_c = tf.tanh(c)
    # What dc and dh are multiplied by: the slopes of i, f, g; of o; and of c under h.
    S = tf.concat([g * i * (1 - i), c_before * f * (1 - f), i * (1 - g**2)], axis=-1)
    S_o, S_c = tanh_c * o * (1 - o), o * (1 - tanh_c**2)

    def step(carried, dy, f, S, S_o, S_c):
        dh, dc = dy + carried[0], carried[1]
        dc = dc + dh * S_c
        dz = tf.concat([tf.tile(dc, (1, 3)) * S, dh * S_o], axis=-1)
        return [tf.matmul(dz, U, transpose_b=True), dc * f], [dz]

    zeros = tf.zeros_like(dy[0])
    inputs = [dy, f, S, S_o, S_c]
    _, (dz,) = _loop(step, [zeros, zeros], inputs, backward=True)
    return dz, tf.tensordot(h_before, dz, [[0, 1], [0, 1]])


def _gates(a):
    """i, f, g, o of a<t> = tanh of z<t>, its parts under a sigmoid halved."""
    i, f, g, o = tf.split(a, 4, axis=-1)
    return 0.5 + 0.5 * i, 0.5 + 0.5 * f, g, 0.5 + 0.5 * o


def _loop(step, carried, inputs, *, results=1, backward=False):
    """Carry states along the first axis of the inputs, K steps in one turn.

    Args:
        step: takes the list of states and a slice of each input; returns the next
            states and a list of outputs.
        inputs: (T, m, ...) each. Zeros fill up the last turn; what they give is
            dropped, and on the way back they must leave states of zeros as they are.
        results: the number of outputs.

    Returns:
        The states at the end, and the list of outputs (T, ...).
    """
    T = tf.shape(inputs[0])[0]
    turns = (T + K - 1) // K
    filled = [tf.pad(a, [(0, turns * K - T), (0, 0), (0, 0)]) for a in inputs]
    order = range(K)[:: -1 if backward else 1]

    def turn(i, carried, outputs):
        first = K * (turns - 1 - i if backward else i)
        found = [None] * K
        for k in order:
            carried, found[k] = step(carried, *(a[first + k] for a in filled))
        columns = zip(outputs, zip(*found, strict=True), strict=True)
        return i + 1, carried, [o.write(first // K, tf.stack(c)) for o, c in columns]

    outputs = [tf.TensorArray(carried[0].dtype, turns) for _ in range(results)]
    start = tf.constant(0), carried, outputs
    _, carried, outputs = tf.while_loop(lambda i, *_: i < turns, turn, start)
    stacked = [output.stack() for output in outputs]  # (turns, K, ...)
    return carried, [
        tf.reshape(s, tf.concat([[turns * K], tf.shape(s)[2:]], axis=0))[:T]
        for s in stacked
    ]
