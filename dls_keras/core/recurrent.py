"""The stock GRU layer on a compiled loop with its gradient written by hand.

Same name, weights and numbers as `keras.layers.GRU` (to 1e-5), several times faster
on CPUs over the thousand steps of a sound (measured: docs/decisions.md). Three things
make it so: the products with the input leave the loop as one; the loop, K steps
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
"""

import keras
import tensorflow as tf

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
    def step(h, x):
        x_z, x_r, x_c = tf.split(x, 3, axis=-1)
        g_z, g_r, g_c = tf.split(h @ U + b, 3, axis=-1)
        z, r = tf.sigmoid(x_z + g_z), tf.sigmoid(x_r + g_r)
        h = z * h + (1 - z) * tf.tanh(x_c + r * g_c)
        return h, h

    return _loop(step, h, x)[1]


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
        dh = dy + carried
        dg = tf.tile(dh, (1, 3)) * S
        return dh * z + tf.matmul(dg, U, transpose_b=True), dh

    dh_start, dh = _loop(step, tf.zeros_like(h), dy, z, S, backward=True)
    dg = tf.tile(dh, (1, 1, 3)) * S
    dx = tf.concat([dg[..., : -h.shape[-1]], dh * d], axis=-1)  # dx'_h lacks the r
    dU = tf.tensordot(before, dg, [[0, 1], [0, 1]])
    return dx, dU, tf.reduce_sum(dg, (0, 1)), dh_start


def _loop(step, carried, *inputs, backward=False):
    """Carry a state along the first axis of the inputs, K steps in one turn.

    Args:
        step: takes the state and a slice of each input; returns the next state and
            an output.
        inputs: (T, m, ...) each. Zeros fill up the last turn; what they give is
            dropped, and on the way back they must leave a state of zeros as it is.

    Returns:
        The state at the end, and the outputs (T, ...).
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
        return i + 1, carried, outputs.write(first // K, tf.stack(found))

    outputs = tf.TensorArray(carried.dtype, turns)
    start = tf.constant(0), carried, outputs
    _, carried, outputs = tf.while_loop(lambda i, *_: i < turns, turn, start)
    stacked = outputs.stack()  # (turns, K, ...)
    shape = tf.concat([[turns * K], tf.shape(carried)], axis=0)
    return carried, tf.reshape(stacked, shape)[:T]
