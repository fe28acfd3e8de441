"""Recurrent networks on a compiled loop with their gradients written by hand.

`GRU` has the name, weights and numbers of `keras.layers.GRU` (to 1e-5) and is several
times faster on CPUs over the thousand steps of a sound (measured: docs/decisions.md);
`lstm` is the loop of an LSTM whose sequence has time first. Three things make both
fast: the products with the input leave the loop; XLA compiles the loop, every gate an
array of its own and nothing kept but states and their products; and on the way back it
carries the gradient of the state alone.

With x' = x W + b_i computed for all steps at once, one step forward is

    g  = h<t-1> U + b_r                      the three gates z, r, h side by side
    z  = sigmoid(x'_z + g_z)
    r  = sigmoid(x'_r + g_r)
    c  = tanh(x'_h + r g_h)
    h<t> = z h<t-1> + (1 - z) c

Only h and h U are kept. From them the gates of all steps are computed again at once,
and the slopes of everything under h<t>, which the loop backward has but to multiply:

    d  = (1 - z) (1 - c^2)                              of c's tanh
    S  = [(h<t-1> - c) z (1 - z),  d g_h r (1 - r),  d r]      dg    = dh<t> S
    dh<t-1> = dh<t> z + dg U^T + dy<t-1>

The gradients of U and b_r are then one product and one sum over all steps.

An LSTM keeps c as well:

    i, f, g, o = the sigmoids and, for g, the tanh of x' + h<t-1> U
    c<t> = f c<t-1> + i g
    h<t> = o tanh(c<t>)

Its way back carries dh and dc, and again every slope is known before it begins:

    dz  = [dc g i (1 - i),  dc c<t-1> f (1 - f),  dc i (1 - g^2),
           dh tanh(c<t>) o (1 - o)]
    dh<t-1> = dz U^T + dy<t-1>
    dc<t-1> = dc f + dh<t-1> o<t-1> (1 - tanh(c<t-1>)^2)
"""

import keras
import tensorflow as tf

from dls_keras.core.training import use_xla


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
        x = _for_gates(x, tf.convert_to_tensor(self.cell.kernel), bias_input, 3)
        U = tf.convert_to_tensor(self.cell.recurrent_kernel)
        h = tf.convert_to_tensor(h)
        states = _gru_scan(*x, U, bias_recurrent, h)  # (T, m, n_a)
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


def lstm(x, kernel, U, bias, gates=keras.activations.sigmoid):
    """All states (T, m, n_a) of an LSTM that begins with zeros.

    On GPUs, and with other gates than the sigmoid, the steps are unrolled and the
    gradient is TensorFlow's.

    Args:
        x: (T, m, n), the sequences, time first.
        kernel, U, bias: (n, 4*n_a), (n_a, 4*n_a) and (4*n_a,), the gates in the order
            i, f, c, o as in Keras.
        gates: their activation.
    """
    x = _for_gates(x, kernel, bias, 4)
    if gates is keras.activations.sigmoid and not use_xla():
        return _lstm_scan(*x, U)
    h = c = tf.zeros_like(x[0][0])
    states = []
    for given in zip(*map(tf.unstack, x), strict=True):
        i, f, g, o = (a + b for a, b in zip(given, tf.split(h @ U, 4, -1), strict=True))
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


def _for_gates(x, kernel, bias, k):
    """x W + b (T, m, n_a) for each of the k gates that kernel and bias join.

    XLA takes no vector instructions for slices of a joint array: that was ten times
    slower within the loop.
    """
    parts = zip(tf.split(kernel, k, axis=-1), tf.split(bias, k), strict=True)
    return [tf.tensordot(x, W, 1) + b for W, b in parts]


@tf.function(autograph=False)  # a tape outside graphs would look into the loop
@tf.custom_gradient
def _gru_scan(x_z, x_r, x_c, U, b, h):
    """All states (T, m, n_a) after h (m, n_a), for x_z, x_r, x_c (T, m, n_a)."""
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
    before = tf.concat([h[None], states[:-1]], axis=0)  # h<t-1>
    g_z, g_r, g_c = tf.split(g + b, 3, axis=-1)
    z, r = _sigmoid(x_z + g_z), _sigmoid(x_r + g_r)
    c = tf.tanh(x_c + r * g_c)
    d = (1 - z) * (1 - c**2)
    S = tf.stack([(before - c) * z * (1 - z), d * g_c * r * (1 - r), d * r], axis=1)
    turned = tf.stack([tf.transpose(W) for W in tf.split(U, 3, axis=-1)])

    def step(dh, dy, z, S):  # (m, n_a), but S (3, m, n_a)
        return [dy + dh * z + tf.reduce_sum((dh * S) @ turned, axis=0)]

    # Step t gives dh<t-1>, so dy comes one step late.
    late = tf.concat([tf.zeros_like(dy[:1]), dy[:-1]], axis=0)
    (dh,) = _loop(step, [dy[-1]], [late, z, S], backward=True)
    dh_start, dh = dh[0], tf.concat([dh[1:], dy[-1:]], axis=0)
    dg = [dh * s for s in tf.unstack(S, axis=1)]
    db = tf.concat([tf.reduce_sum(g, (0, 1)) for g in dg], axis=0)
    # The bias and the product are within r, what comes from the input is not.
    return *dg[:2], dh * d, _product(before, dg), db, dh_start


@tf.function(autograph=False)
@tf.custom_gradient
def _lstm_scan(x_i, x_f, x_g, x_o, U):
    """All states (T, m, n_a) after zeros, for x_i, x_f, x_g, x_o (T, m, n_a)."""
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
    h_before, c_before, late = (
        tf.concat([tf.zeros_like(s[:1]), s[:-1]], axis=0) for s in (h, c, dy)
    )
    z_i, z_f, z_g, z_o = tf.split(z, 4, axis=-1)
    i, f, o = _sigmoid(x_i + z_i), _sigmoid(x_f + z_f), _sigmoid(x_o + z_o)
    g, tanh_c = tf.tanh(x_g + z_g), tf.tanh(c)
    # What dc is multiplied by, and dh: the slopes of i, f, g; of o; and of c under h.
    S = [g * i * (1 - i), c_before * f * (1 - f), i * (1 - g**2)]
    S_o, S_c = tanh_c * o * (1 - o), o * (1 - tanh_c**2)
    turned = tf.transpose(U)

    def step(dh, dc, dy, S_c, f, S_o, *S):
        dz = tf.concat([*(dc * s for s in S), dh * S_o], axis=-1)
        dh = dy + dz @ turned
        return [dh, dc * f + dh * S_c]

    last = [dy[-1], dy[-1] * S_c[-1]]
    S_c = tf.concat([tf.zeros_like(S_c[:1]), S_c[:-1]], axis=0)
    found = _loop(step, last, [late, S_c, f, S_o, *S], backward=True)
    dh, dc = (
        tf.concat([one[1:], end[None]], axis=0)
        for one, end in zip(found, last, strict=True)
    )
    dz = [*(dc * s for s in S), dh * S_o]
    return *dz, _product(h_before, dz)


def _sigmoid(x):
    """By tanh, which XLA has faster than 1 / (1 + exp(-x))."""
    return 0.5 + 0.5 * tf.tanh(0.5 * x)


def _product(x, gates):
    """The sum over time and sequences of x^T by each gate, side by side."""
    return tf.concat([tf.tensordot(x, g, [[0, 1], [0, 1]]) for g in gates], axis=-1)


def _loop(step, carried, inputs, *, backward=False):
    """Carry states along the first axis of the inputs and keep them all.

    Args:
        step: takes the states and a slice of each input, returns the next states.
        carried: the states before.
        inputs: (T, ...) each.

    Returns:
        Each state (T, ...); on the way back entry t is what step t returned, too.
    """
    T = tf.shape(inputs[0])[0]

    def turn(i, carried, kept):
        t = T - 1 - i if backward else i
        carried = step(*carried, *(a[t] for a in inputs))
        kept = [k.write(t, state) for k, state in zip(kept, carried, strict=True)]
        return i + 1, carried, kept

    kept = [tf.TensorArray(state.dtype, T) for state in carried]
    start = tf.constant(0), carried, kept
    _, _, kept = tf.while_loop(lambda i, *_: i < T, turn, start)
    known = inputs[0].shape[:1]  # a length that is known stays known
    return [
        tf.ensure_shape(k.stack(), known + state.shape)
        for k, state in zip(kept, carried, strict=True)
    ]
