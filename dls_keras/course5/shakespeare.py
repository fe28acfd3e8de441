"""Writing like Shakespeare: two LSTMs continue a poem, letter by letter (C5 W1 A2).

The optional part of the course's dinosaur assignment. The network reads a window of 40
characters and predicts the next one. Each generated character is appended to the text,
and the window moves on by one:

    a1<1>, ..., a1<Tx> = LSTM(x)      a2<Tx> = LSTM(a1)      y = softmax(W a2<Tx> + b)
    loss = - log y[next character]

A text shorter than 40 characters is zero-padded on the left, as in the course. The next
character is sampled from y with a temperature; below 1, likely characters become
likelier.

Shapes: x (m, Tx, 38), one-hot, Tx = 40; y (m, 38). Edition: 2021. The course's trained
weights are not shipped but downloaded; they come from Keras 2 and need its
`hard_sigmoid` for the gates. The course's functions that prepare the data, `build_data`
and `vectorization`, are in `dinosaurs`. Paper: Karpathy (2015), "The unreasonable
effectiveness of recurrent neural networks".
"""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.converters import keras_h5
from dls_keras.core import (
    examples,
    inputs,
    pretrained,
    sampling,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.course5.dinosaurs import build_data, vectorization
from dls_keras.datasets import sonnets
from dls_keras.datasets.sonnets import CHARACTERS

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam

TX = 40  # characters of a window
N_A = 128  # units of each LSTM
LONGEST_LINE = 80  # characters; a longer line is ended
CHAR_INDICES = {character: i for i, character in enumerate(CHARACTERS)}

# Cross-entropy per character in nats and accuracy, measured with Keras 2 on the windows
# at every 60th character of the sonnets.
MEASURED = {"default": (3.2216, 0.4137), "other": (2.2707, 0.4481)}


class Windows(NamedTuple):
    """Windows of a text and the character after each, one-hot."""

    x: np.ndarray  # (m, 40, 38) bool
    y: np.ndarray  # (m, 38) bool


def load_data(
    path: str | Path | None = None, *, stride: int = 3, synthetic: bool = False
) -> Windows:
    """Windows of a text, one every `stride` characters.

    Args:
        path: a text file; by default the course's, with all sonnets.
        synthetic: the seven sonnets of this package, `sonnets.TEXT`; needs no files.
    """
    text = sonnets.TEXT.lower() if synthetic else sonnets.load_text(path)
    X, Y = build_data(text, TX, stride)
    return Windows(*vectorization(X, Y, len(CHARACTERS), CHAR_INDICES, TX))


@settings.keras_defaults()
def build_model(gates: str | Callable = "sigmoid") -> keras.Model:
    """The course's network, untrained: (m, 40, 38) -> probabilities (m, 38).

    Args:
        gates: activation of the LSTMs' gates; "keras2_hard_sigmoid" for weights of
            Keras 1 and 2.
    """
    gates = keras_h5.gate_activation(gates)
    lstm = functools.partial(layers.LSTM, N_A, recurrent_activation=gates)
    x = keras.Input((TX, len(CHARACTERS)))
    a = layers.Dropout(0.5)(lstm(return_sequences=True)(x))
    a = layers.Dropout(0.5)(lstm()(a))
    return keras.Model(x, layers.Dense(len(CHARACTERS), activation="softmax")(a))


@examples.accepted(label_axes=1)
def train(
    model: keras.Model,
    data: Windows,
    *,
    epochs: int = 1,
    batch_size: int = 128,
    learning_rate: float = 0.001,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place with Adam.

    Args:
        settings: further arguments of `core.training.fit`.

    Returns:
        Each epoch's mean cross-entropy per character, in nats.
    """
    keras.utils.set_random_seed(seed)

    def loss_fn(x, y, training=True):
        y_hat = model(tf.cast(x, tf.float32), training=training)
        y = tf.cast(y, tf.float32)
        return tf.reduce_mean(keras.losses.categorical_crossentropy(y, y_hat))

    dropouts = [layer for layer in model.layers if isinstance(layer, layers.Dropout)]
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(learning_rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=[layer.seed_generator.state for layer in dropouts],
        jit_compile=False,  # on GPUs Keras uses cuDNN's LSTM, which XLA lacks
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """The network with weights that the course published, and the gates of Keras 2.

    Args:
        variant: "default" is the course's file after 350 epochs, which its notebook
            loads; "other" is the file next to it.
    """
    (path,) = weights.find_published("shakespeare", variant)
    model = build_model(keras_h5.keras2_hard_sigmoid)
    return keras_h5.fill(model, keras_h5.read(path))


def encode(texts: Sequence[str]) -> np.ndarray:
    """The last 40 characters of each text, one-hot, zero-padded on the left.

    Returns:
        (m, 40, 38) float32.
    """
    x = np.zeros((len(texts), TX, len(CHARACTERS)), "float32")
    for row, text in zip(x, texts, strict=True):
        for t, character in enumerate(reversed(text[-TX:].lower())):
            row[-1 - t, CHAR_INDICES[character]] = 1
    return x


def generate(
    model: keras.Model,
    start: str,
    *,
    lines: int = 4,
    temperature: float = 0.5,
    seed: int = 0,
    longest: int = LONGEST_LINE,
) -> tuple[str, np.ndarray]:
    """Continue a text until `lines` lines have ended.

    Args:
        start: a text in the 38 characters of the sonnets, in capitals or not.
        temperature: see `core.sampling.categorical`.
        longest: a line is ended after so many characters, the line break included.

    Returns:
        text: the characters after `start`, in lower case.
        probabilities: the model's probability of each of them.

    Raises:
        InputError: if `start` has another character, `lines` is not positive, or the
            temperature is not above 0.
    """
    if not isinstance(start, str):
        raise InputError(
            f"Expected a text to continue, received {type(start).__name__}."
        )
    sonnets.check(start)
    if lines < 1:
        raise InputError(f"Expected at least 1 line to generate, received {lines}.")
    rng = np.random.default_rng(seed)
    text, probabilities, column = start.lower(), [], 0
    newline = CHAR_INDICES["\n"]
    while lines:
        p = model.predict_on_batch(encode([text]))  # (1, 38)
        column += 1
        if column == longest:
            sampled = newline
        else:
            sampled = sampling.categorical(p.T.astype(float), temperature, rng).item()
        text += CHARACTERS[sampled]
        probabilities.append(p[0, sampled])
        if sampled == newline:
            lines, column = lines - 1, 0
    return text[len(start) :], np.array(probabilities, float)


@inputs.one_by_one()
def infer(
    model: keras.Model,
    start: str,
    *,
    lines: int = 5,
    temperature: float = 0.7,
    seed: int = 0,
) -> Answer:
    """The text `start` and its continuation by `lines` lines.

    Returns:
        An `Answer`: the whole text. Its confidence is the geometric mean of the
        generated characters' probabilities, 1 / perplexity. `details` holds the
        generated "lines" and the "probabilities" of each line's characters.
    """
    text, p = generate(model, start, lines=lines, temperature=temperature, seed=seed)
    rows = text.splitlines(keepends=True)
    ends = np.cumsum([len(row) for row in rows])[:-1]
    return Answer(
        (start + text).rstrip("\n"),
        sampling.geometric_mean([p]),
        lines=rows,
        probabilities=np.split(p, ends),
    )


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """Cross-entropy and accuracy of predicting every 60th character of the sonnets.

    They are measured on the course's file. Without a model, those of both published
    models, with the numbers that Keras 2 computes.

    Args:
        synthetic: on the last of the seven sonnets of this package; without a model,
            those of one that is trained on the other six now. Needs no files.
    """
    if synthetic:
        x, y = load_data(synthetic=True)
        cut = len(x) * 6 // 7
        if model is None:
            train(model := build_model(), Windows(x[:cut], y[:cut]), epochs=20)
        held_out = Windows(x[cut:], y[cut:])
        return _rows("sonnet 130 of the package: ", model, held_out, (None, None))
    data = load_data(stride=60)
    if model is not None:
        return _rows("", model, data, (None, None))
    return [
        row
        for variant, measured in MEASURED.items()
        for row in _rows(f"{variant}: ", load_pretrained(variant), data, measured)
    ]


def picture(start: str, answer: Answer) -> Figure:
    """The generated lines; a likelier character has a darker background."""
    rows = [[*line.rstrip("\n"), "↵"] for line in answer.details["lines"]]
    title = "generated characters and their probabilities"
    return plots.written(rows, answer.details["probabilities"], title=title)


def _rows(prefix, model, data, measured):
    p = model.predict_on_batch(data.x.astype("float32"))
    # 1e-9, as in the measurement with Keras 2, so that a probability of 0 is finite.
    nats = -np.log(p[data.y].astype(float) + 1e-9).mean()
    accuracy = np.mean(p.argmax(axis=1) == data.y.argmax(axis=1))
    return [
        Row(f"{prefix}cross-entropy per character, nats", nats, equals=measured[0]),
        Row(f"{prefix}next-character accuracy", accuracy, equals=measured[1]),
    ]
