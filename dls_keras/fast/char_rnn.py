"""Gradient descent on a character RNN, compiled by XLA with a hand-written gradient.

The network predicts each next character of a sequence; the loss is the cross-entropy,
summed over the sequence:

    a<t> = tanh(Wax x<t> + Waa a<t-1> + b)      y<t> = softmax(Wya a<t> + by)

Each sequence is one step of gradient descent, with the gradients clipped elementwise.
Within a sequence only two recurrences run step by step: the states in the forward pass
and their gradients in the backward pass. All other matrix products are computed once
for all T steps. With dY = Y - one_hot(target) and dZ the gradient with respect to the
argument of tanh:

    dZ<t> = (1 - a<t>^2) (Wya^T dY<t> + Waa^T dZ<t+1>)
    dWya = sum dY a^T       dWaa = sum dZ a<t-1>^T       dWax = sum dZ x^T

One call of the program processes every sequence once, in float64, with loops inside.
"""

import numpy as np
import tensorflow as tf

NAMES = ("Waa", "Wax", "Wya", "b", "by")  # the parameters, in the order of `_epoch`


def descend(
    parameters: dict[str, np.ndarray],
    x: np.ndarray,
    y: np.ndarray,
    lengths: np.ndarray,
    iterations: int,
    *,
    learning_rate: float,
    max_gradient: float,
) -> np.ndarray:
    """Train on one sequence per step, in order and from the start again after the last.

    The state after a sequence is the initial state of the next one.

    Args:
        parameters: Wax (n_a, n_x), Waa (n_a, n_a), Wya (n_y, n_a), b (n_a, 1) and by
            (n_y, 1), float64, updated in place.
        x: (m, T) int32, the indices of the inputs; an index outside the vocabulary,
            such as n_x, is a column of zeros.
        y: (m, T) int32, the indices of the targets; after the end of a sequence any
            index of the vocabulary.
        lengths: (m,) int32, the number of steps of each sequence.
        iterations: how many steps of gradient descent.
        learning_rate: the length of a step.
        max_gradient: gradients are clipped to [-max_gradient, max_gradient].

    Returns:
        (iterations,) float64, the loss of each sequence before its step, in nats.
    """
    m = len(x)
    settings = [tf.constant(s, tf.float64) for s in (learning_rate, max_gradient)]
    losses = []
    # On the CPU, since a GPU is slower for a chain of tiny products.
    with tf.device("/CPU:0"):
        state = [tf.constant(parameters[name], tf.float64) for name in NAMES]
        state.append(tf.zeros((1, parameters["b"].size), tf.float64))
        data = [tf.constant(array) for array in (x, y, lengths)]
        for first in range(0, iterations, m):
            n = min(m, iterations - first)
            some, *state = _epoch(*state, *data, tf.constant(n), *settings)
            losses.append(some.numpy()[:n])
    for name, array in zip(NAMES, state[:-1], strict=True):
        parameters[name][...] = array.numpy()
    return np.concatenate([np.empty(0), *losses])


@tf.function(jit_compile=True)
def _epoch(Waa, Wax, Wya, b, by, a, x, y, lengths, n, learning_rate, max_gradient):
    """One step for each of the first n sequences: losses, parameters, last state."""
    m, T = x.shape
    losses = tf.TensorArray(tf.float64, m, element_shape=())
    j = 0
    while j < n:
        # `tf.gather`, since indexing a constant by j would compile for every j.
        length = tf.gather(lengths, j)
        X = tf.one_hot(tf.gather(x, j), Wax.shape[1], dtype=tf.float64)  # (T, n_x)
        targets = tf.one_hot(tf.gather(y, j), Wya.shape[0], dtype=tf.float64)

        # Forward pass: only the states are computed step by step.
        inputs = X @ tf.transpose(Wax) + tf.transpose(b)  # (T, n_a)
        states = tf.TensorArray(tf.float64, T + 1, clear_after_read=False)
        states = states.write(0, a[0])
        Waa_T = tf.transpose(Waa)
        t = 0
        while t < length:
            recurrent = states.read(t)[tf.newaxis] @ Waa_T
            states = states.write(t + 1, tf.tanh(inputs[t] + recurrent[0]))
            t += 1
        A_prev, A = states.stack()[:-1], states.stack()[1:]  # (T, n_a)
        a = states.read(length)[tf.newaxis]
        mask = tf.sequence_mask(length, T, tf.float64)[:, tf.newaxis]
        P = tf.nn.softmax(A @ tf.transpose(Wya) + tf.transpose(by))  # (T, n_y)
        probabilities = tf.reduce_sum(P * targets, axis=1)
        loss = -tf.reduce_sum(tf.math.log(probabilities) * mask[:, 0])

        # Backward pass: only dZ is computed step by step.
        dY = (P - targets) * mask
        derivative = 1 - A * A  # tanh' = 1 - tanh^2
        dZ_output = derivative * (dY @ Wya)
        gradients = tf.TensorArray(tf.float64, T + 1, clear_after_read=False)
        gradients = gradients.write(length, tf.zeros_like(a[0]))
        t = length - 1
        while t >= 0:
            later = gradients.read(t + 1)[tf.newaxis] @ Waa
            gradients = gradients.write(t, dZ_output[t] + derivative[t] * later[0])
            t -= 1
        dZ = gradients.stack()[:-1]  # (T, n_a)

        def updated(parameter, gradient):
            gradient = tf.clip_by_value(gradient, -max_gradient, max_gradient)
            return parameter - learning_rate * gradient

        Waa = updated(Waa, tf.matmul(dZ, A_prev, transpose_a=True))
        Wax = updated(Wax, tf.matmul(dZ, X, transpose_a=True))
        Wya = updated(Wya, tf.matmul(dY, A, transpose_a=True))
        b = updated(b, tf.reduce_sum(dZ, axis=0)[:, tf.newaxis])
        by = updated(by, tf.reduce_sum(dY, axis=0)[:, tf.newaxis])
        losses = losses.write(j, loss)
        j += 1
    return losses.stack(), Waa, Wax, Wya, b, by, a
