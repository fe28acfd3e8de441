"""An attention translator for training in TensorFlow and for inference in NumPy.

A bidirectional LSTM encodes a sentence; before each of Ty output characters additive
attention averages the encoder outputs a, and a decoder LSTM reads that average:

    energy<t,t'> = relu(w . tanh([a<t'>, s<t-1>] K + b) + v)
    alpha<t,t'>  = softmax over t' of energy<t,t'>
    context<t>   = sum over t' of alpha<t,t'> a<t'>

K and b belong to the score layer, w and v to the energy layer. With K_a the first 2 n_a
rows of K and K_s the last n_s, both forms here split the product:

    [a<t'>, s<t-1>] K + b = (a<t'> K_a + b) + s<t-1> K_s

The first term, the keys, does not depend on t: it is computed once, not Ty times, and
nothing is concatenated. `forward` computes the gradient of the decoder by hand and is
meant to be compiled by XLA. `decode` uses NumPy, where a small product takes less time
than one operation of a TensorFlow graph.

Shapes: m sentences of Tx characters, Ty characters out, n_a units per direction of the
encoder, n_s in the decoder, k in the score layer; "human" and "machine" are the sizes
of the two vocabularies. Tests compare both forms with the lesson's `modelf`.
Paper: Bahdanau, Cho & Bengio (2015), https://arxiv.org/abs/1409.0473
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from dls_keras.fast import lstm_numpy
from dls_keras.fast.recurrent import lstm

BATCH = 100  # sentences that `decode` computes together, few enough for the CPU cache

LSTM = tuple[Any, Any, Any]  # kernel, recurrent kernel, bias; gates in order i, f, c, o
Dense = tuple[Any, Any]  # kernel, bias


class Weights(NamedTuple):
    """The weights of a translator, layer by layer; tensors or arrays."""

    encoder_forward: LSTM  # (human, 4*n_a), (n_a, 4*n_a), (4*n_a,)
    encoder_backward: LSTM  # of the same shapes
    score: Dense  # (2*n_a + n_s, k), (k,)
    energy: Dense  # (k, 1), (1,)
    decoder: LSTM  # (2*n_a, 4*n_s), (n_s, 4*n_s), (4*n_s,)
    output: Dense  # (n_s, machine), (machine,)


# Training.


def forward(
    X: tf.Tensor,
    weights: Weights,
    *,
    Ty: int,
    gates: Callable = keras.activations.sigmoid,
) -> tf.Tensor:
    """The probabilities of all output characters, for training.

    Args:
        X: (m, Tx, human) float32, one-hot.
        weights: tensors.
        gates: the activation of the LSTMs' gates; with another than the sigmoid the
            gradient is TensorFlow's.

    Returns:
        (m, Ty, machine) float32, softmaxes.
    """
    x = tf.transpose(X, (1, 0, 2))  # (Tx, m, human): time first for the recurrence
    ahead = lstm(x, *weights.encoder_forward, gates=gates)
    back = lstm(x[::-1], *weights.encoder_backward, gates=gates)
    a = tf.concat([ahead, back[::-1]], axis=-1)
    a = tf.transpose(a, (1, 0, 2))  # (m, Tx, 2*n_a)
    n = a.shape[-1]

    score_kernel, score_bias = weights.score
    keys = tf.tensordot(a, score_kernel[:n], 1) + score_bias  # (m, Tx, k)
    *kernels, bias = weights.decoder
    kernel = tf.concat(kernels, axis=0)  # (2*n_a + n_s, 4*n_s)
    by_hand = gates is keras.activations.sigmoid
    states = _states(Ty) if by_hand else _states_by_autodiff(Ty, gates)
    s = states(keys, a, score_kernel[n:], *weights.energy, kernel, bias)

    output_kernel, output_bias = weights.output
    y_hat = tf.nn.softmax(tf.tensordot(s, output_kernel, 1) + output_bias)
    return tf.transpose(y_hat, (1, 0, 2))  # from (Ty, m, machine)


def _states_by_autodiff(Ty, gates):
    """`_states` for gates of any activation; TensorFlow computes the gradient."""

    def states(*inputs):
        s, *_ = _decode_steps(*inputs, Ty, gates)
        return s[1:]

    return states


def _states(Ty):
    """A function that returns the decoder states, with its gradient written by hand.

    TensorFlow's gradient would add up Ty gradients of `a` and of each weight, one by
    one; here each of them is one product over all steps. With the derivatives of the
    LSTM as in `fast.recurrent`, one step of the backward pass from dz is

        [dcontext, ds<t-1>] = dz K^T
        dalpha<t'>  = a<t'> . dcontext
        denergy<t'> = alpha<t'> (dalpha<t'> - sum of alpha dalpha); 0 where energy = 0
        dquery      = sum over t' of denergy<t'> w (1 - tanh^2)
        ds<t-1>    += dquery K_s^T
    """

    @tf.custom_gradient
    def states(keys, a, query_kernel, energy, energy_bias, kernel, bias):
        """The states (Ty, m, n_s) of the decoder.

        Args:
            keys: (m, Tx, k), the part of the scores that depends on a.
            a: (m, Tx, 2*n_a), the encoder outputs.
            query_kernel: (n_s, k), K_s; with a state it gives the other part.
            energy, energy_bias: (k, 1) and (1,).
            kernel, bias: of the decoder, (2*n_a + n_s, 4*n_s) and (4*n_s,).
        """
        inputs = keys, a, query_kernel, energy, energy_bias, kernel, bias
        s, c, i, f, g, o, energies, alphas, lstm_inputs = _decode_steps(
            *inputs, Ty, keras.activations.sigmoid
        )

        def gradient(dy):
            tanh_c = tf.tanh(c[1:])
            S = [g * i * (1 - i), c[:-1] * f * (1 - f), i * (1 - g**2)]
            S_o, S_c = tanh_c * o * (1 - o), o * (1 - tanh_c**2)
            kernel_T = tf.transpose(kernel)
            dh = dc = tf.zeros_like(dy[0])
            dkeys = tf.zeros_like(keys)
            steps = []
            for t in reversed(range(Ty)):
                dh += dy[t]
                dc += dh * S_c[t]
                dz = tf.concat([*(dc * slope[t] for slope in S), dh * S_o[t]], axis=-1)
                dcontext, dh = tf.split(dz @ kernel_T, [a.shape[-1], -1], axis=-1)
                dc *= f[t]
                dalphas = (a @ dcontext[..., None])[..., 0]  # (m, Tx)
                mean = tf.reduce_sum(alphas[t] * dalphas, axis=1, keepdims=True)
                denergies = alphas[t] * (dalphas - mean)
                denergies = tf.where(
                    energies[t] > 0, denergies, tf.zeros_like(denergies)
                )
                scores = tf.tanh(keys + (s[t] @ query_kernel)[:, None])
                dscores = denergies[..., None] * energy[:, 0] * (1 - scores**2)
                dkeys += dscores
                dquery = tf.reduce_sum(dscores, axis=1)  # (m, k)
                dh += tf.matmul(dquery, query_kernel, transpose_b=True)
                steps.append((dz, dcontext, dquery, denergies))
            dz, dcontext, dquery, denergies = (
                tf.stack(step[::-1]) for step in zip(*steps, strict=True)
            )
            queries = tf.tensordot(s[:-1], query_kernel, 1)  # (Ty, m, k)
            scores = tf.tanh(keys + queries[:, :, None])
            all_but_last = [[0, 1], [0, 1]]
            return (
                dkeys,
                tf.einsum("ymt,yma->mta", alphas, dcontext),
                tf.tensordot(s[:-1], dquery, all_but_last),
                tf.tensordot(scores, denergies, [[0, 1, 2]] * 2)[:, None],
                tf.reduce_sum(denergies)[None],
                tf.tensordot(lstm_inputs, dz, all_but_last),
                tf.reduce_sum(dz, (0, 1)),
            )

        return s[1:], gradient

    return states


def _decode_steps(keys, a, query_kernel, energy, energy_bias, kernel, bias, Ty, gates):
    """The Ty steps of the decoder; the tensors are those of `_states`.

    Returns:
        s, c: (Ty + 1, m, n_s), the states, the initial zeros included.
        i, f, g, o: (Ty, m, n_s), the gates.
        energies, alphas: (Ty, m, Tx).
        lstm_inputs: (Ty, m, 2*n_a + n_s), [context, s] of each step.
    """
    s = c = tf.zeros((tf.shape(a)[0], query_kernel.shape[0]))
    steps = []
    for _ in range(Ty):
        scores = tf.tanh(keys + (s @ query_kernel)[:, None])  # (m, Tx, k)
        energies = tf.nn.relu(tf.tensordot(scores, energy[:, 0], 1) + energy_bias)
        alphas = tf.nn.softmax(energies)  # (m, Tx)
        # A matrix product: XLA takes three times as long to multiply and then sum.
        context = (alphas[:, None] @ a)[:, 0]
        lstm_input = tf.concat([context, s], axis=-1)
        i, f, g, o = tf.split(lstm_input @ kernel + bias, 4, axis=-1)
        i, f, g, o = gates(i), gates(f), tf.tanh(g), gates(o)
        previous = s, c
        c = f * c + i * g
        s = o * tf.tanh(c)
        steps.append((*previous, i, f, g, o, energies, alphas, lstm_input))
    states, cells, *others = (tf.stack(step) for step in zip(*steps, strict=True))
    return tf.concat([states, s[None]], 0), tf.concat([cells, c[None]], 0), *others


# Inference.


class PackedWeights(NamedTuple):
    """A translator's weights as arrays in the layout that `decode` reads; see `pack`.

    The weights of each gate are an array of their own. Those that multiply states are
    halved, because `fast.lstm_numpy` keeps its states twice as large.
    """

    encoder_forward: np.ndarray  # (human, 4, n_a), kernel and bias added up
    encoder_backward: np.ndarray
    recurrent: np.ndarray  # (4, 2, n_a, n_a), of both directions
    key_kernel: np.ndarray  # (k, 2*n_a), K_a transposed
    key_bias: np.ndarray  # (k, 1)
    query_kernel: np.ndarray  # (k, n_s), K_s transposed
    energy: np.ndarray  # (k,)
    energy_bias: np.ndarray  # (1,)
    decoder: np.ndarray  # (4, 2*n_a + n_s, n_s)
    decoder_bias: np.ndarray  # (4, 1, n_s)
    output: np.ndarray  # (n_s, machine)
    output_bias: np.ndarray  # (machine,)
    gates: Callable | None  # the activation of the gates; None is the sigmoid


def pack(
    weights: Weights, gates: Callable = keras.activations.sigmoid
) -> PackedWeights:
    """Copy the weights into the layout of `decode`."""
    activation = None if gates is keras.activations.sigmoid else gates
    forward, backward, score, energy, decoder, output = (
        [np.array(array) for array in layer] for layer in weights
    )
    n = 2 * len(forward[1])

    def matrices(w):
        """(n, 4*units) as one matrix per gate, (4, n, units), halved."""
        w = lstm_numpy.pack_gates(w / 2, activation)
        return np.ascontiguousarray(w.swapaxes(0, 1))

    return PackedWeights(
        encoder_forward=lstm_numpy.pack_gates(forward[0] + forward[2], activation),
        encoder_backward=lstm_numpy.pack_gates(backward[0] + backward[2], activation),
        recurrent=np.stack([matrices(forward[1]), matrices(backward[1])], axis=1),
        key_kernel=score[0][:n].T / 2,
        key_bias=score[1][:, None],
        query_kernel=score[0][n:].T / 2,
        energy=energy[0][:, 0],
        energy_bias=energy[1],
        decoder=matrices(np.concatenate(decoder[:2])),
        decoder_bias=lstm_numpy.pack_gates(decoder[2], activation)[:, None],
        output=output[0] / 2,
        output_bias=output[1],
        gates=activation,
    )


def decode(
    ids: np.ndarray, packed: PackedWeights, *, Ty: int
) -> tuple[np.ndarray, np.ndarray]:
    """Translate sentences in NumPy, `BATCH` at a time.

    Args:
        ids: (m, Tx) int, indices of characters.

    Returns:
        probabilities: (m, Ty, machine) float32, softmaxes.
        attention: (m, Ty, Tx) float32, the weights alpha; rows sum to 1.
    """
    parts = [
        _decode_batch(ids[i : i + BATCH], packed, Ty) for i in range(0, len(ids), BATCH)
    ]
    y_hat, attention = (np.concatenate(part) for part in zip(*parts, strict=True))
    return y_hat, attention


def _decode_batch(ids, packed, Ty):
    (m, Tx), gates = ids.shape, packed.gates
    n_a, n_s = packed.recurrent.shape[-1], packed.decoder.shape[-1]

    # Encoder: both directions side by side, one array per gate.
    x = np.empty((Tx, 4, 2, m, n_a), "float32")
    x[:, :, 0] = packed.encoder_forward.take(ids.T, axis=0).swapaxes(1, 2)
    x[:, :, 1] = packed.encoder_backward.take(ids.T[::-1], axis=0).swapaxes(1, 2)
    states = np.zeros((Tx + 1, 2, m, n_a), "float32")  # the first are the initial zeros
    z = np.empty_like(x[0])
    step = lstm_numpy.make_lstm_step(z, gates)
    for t in range(Tx):
        np.matmul(states[t], packed.recurrent, z)
        z += x[t]
        step(states[t + 1])
    a = np.concatenate([states[1:, 0], states[:0:-1, 1]], axis=-1)  # (Tx, m, 2*n_a)

    # Attention and decoder. Arrays (k, Tx, m) keep the sum over k in one product.
    keys = packed.key_kernel @ a.reshape(Tx * m, -1).T + packed.key_bias
    keys = keys.reshape(-1, Tx, m)
    scores = np.empty_like(keys)
    flat_scores, values = scores.reshape(len(keys), -1), a.swapaxes(0, 1)
    inputs = np.zeros((m, 2 * n_a + n_s), "float32")
    context, s = inputs[:, None, : 2 * n_a], inputs[:, 2 * n_a :]  # two views
    query_kernel, kernel, bias = (
        packed.query_kernel,
        packed.decoder,
        packed.decoder_bias,
    )
    energy, energy_bias = packed.energy, packed.energy_bias
    z = np.empty((4, m, n_s), "float32")
    step = lstm_numpy.make_lstm_step(z, gates)
    outputs = np.empty((Ty, m, n_s), "float32")
    attention = np.empty((Ty, Tx, m), "float32")
    zeros = np.zeros_like(attention[0])
    for t, alphas in enumerate(attention):
        np.add(keys, np.dot(query_kernel, s.T)[:, None], scores)
        np.tanh(scores, scores)
        np.dot(energy, flat_scores, alphas.reshape(-1))
        alphas += energy_bias
        np.maximum(alphas, zeros, out=alphas)
        _softmax(alphas, axis=0)
        np.matmul(alphas.T[:, None], values, context)
        np.matmul(inputs, kernel, z)
        z += bias
        step(s)
        outputs[t] = s
    y_hat = _softmax(outputs @ packed.output + packed.output_bias, axis=-1)
    return y_hat.swapaxes(0, 1), attention.transpose(2, 0, 1)


def _softmax(x, axis):
    """Softmax along one axis; x is overwritten."""
    x -= np.maximum.reduce(x, axis, keepdims=True)
    np.exp(x, x)
    x /= np.add.reduce(x, axis, keepdims=True)
    return x
