"""Streaming inference of a recurrent network, one block of sound at a time.

A network of convolutions without padding, GRUs and layers that act on each time step is
causal: its outputs for a block depend on the block, on a few samples before it, and on
the GRU states after the previous block. So a recording of any length needs constant
memory, and one compiled graph serves every block.
"""

from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np
import tensorflow as tf

from dls_keras.core.errors import InputError


def initial_states(model: keras.Model, m: int) -> list[tf.Tensor]:
    """The states at the start of a sequence: zeros (m, units) for each GRU."""
    grus = [layer for layer in model.layers if isinstance(layer, keras.layers.GRU)]
    return [tf.zeros((m, gru.units)) for gru in grus]


@tf.function(autograph=False)
def advance(
    model: keras.Model, x: tf.Tensor, states: list[tf.Tensor]
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Run a chain of layers in inference mode on the next part of a sequence.

    Args:
        model: a Sequential or functional model that is one chain of layers; its GRUs
            return all outputs.
        x: (m, T, n), the part.
        states: the GRU states after the previous part; first those of
            `initial_states`.

    Returns:
        The outputs for the part, and the GRU states after it.
    """
    after: list[tf.Tensor] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        # A dense layer handles all time steps at once, without TimeDistributed.
        layer = getattr(layer, "layer", layer)
        if isinstance(layer, keras.layers.GRU):
            x = layer(x, initial_state=states[len(after)])
            after.append(x[:, -1])
        else:
            x = layer(x)
    return x, after


def power_spectrogram(x: tf.Tensor, *, window: int, hop: int, rate: float) -> tf.Tensor:
    """The power spectral density of sounds, as `matplotlib.mlab.specgram` defines it.

    Args:
        x: (m, n) samples, n at least `window`.
        window, hop: samples per Hann window, and from one window to the next.
        rate: samples per second, which scale the density.

    Returns:
        (m, frames, window / 2 + 1) float32.
    """
    hann = np.hanning(window)
    hann = (hann / np.sqrt(rate * np.sum(hann**2))).astype("float32")
    windows = tf.signal.frame(tf.cast(x, tf.float32), window, hop)
    waves = tf.signal.rfft(windows * hann)
    power = tf.math.real(waves) ** 2 + tf.math.imag(waves) ** 2
    # Twice, for the negative frequencies, but for 0 and half the rate.
    return power * np.array([1, *[2] * (window // 2 - 1), 1], "float32")


def stream(
    model: keras.Model,
    features: Callable[[np.ndarray], tf.Tensor],
    blocks: Iterable[np.ndarray],
    *,
    steps: int,
    hop: int,
    reach: int,
) -> Iterator[np.ndarray]:
    """The outputs of a model for sounds that come in blocks.

    Args:
        features: a function from sounds (m, n) to the model's inputs.
        blocks: sounds (m, n), consecutive parts of any lengths.
        steps: outputs computed at a time.
        hop: samples from one output to the next.
        reach: samples in the receptive field of one output.

    Yields:
        (m, steps, ...) outputs; the last ones may be fewer.

    Raises:
        InputError: if the blocks have no samples.
    """
    length = reach + (steps - 1) * hop  # receptive field of so many outputs
    states, left = None, None

    def outputs(sound):
        nonlocal states
        if states is None:
            states = initial_states(model, len(sound))
        y, states = advance(model, features(sound), states)
        return y.numpy()

    for block in blocks:
        left = block if left is None else np.concatenate([left, block], axis=1)
        while left.shape[1] >= length:
            yield outputs(left[:, :length])
            left = left[:, steps * hop :]
    if left is None or not left.size:
        raise InputError(
            "The sound is empty. Expected one sample or more; check the recording."
        )
    # The last block is padded with silence, and outputs beyond the sound are dropped. A
    # sound that is shorter than one receptive field has one output.
    k = max(states is None, (left.shape[1] - reach) // hop + 1)
    if k > 0:
        silence = np.zeros((len(left), length - left.shape[1]), left.dtype)
        yield outputs(np.concatenate([left, silence], axis=1))[:, :k]
