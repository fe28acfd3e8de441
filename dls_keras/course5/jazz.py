"""Jazz: a network improvises a solo over chords (C5 W1 A3).

A solo is a sequence of tokens, one per note or rest: how the note fits its chord, how
long it is and the interval from the preceding note, "C,0.500,<m2,P-4>" (see
`music.grammar`). An LSTM is trained to predict the next token; one output layer serves
all time steps:

    a<t>, c<t> = LSTM(x<t>, a<t-1>, c<t-1>)      y<t> = softmax(W a<t> + b)

To improvise, the network samples a token and takes it as its next input. Tokens contain
no absolute pitches, so what is learned over one tune can be played over any chords: the
pitches are chosen among those that fit.

Shapes: m windows of Tx = 30 tokens, n_values distinct tokens (the course calls tokens
values), n_a = 64 units. Edition: 2021, whose functions take the shared layers; in 2017
they were globals, `djmodel` took (Tx, n_a, n_values) and `music_inference_model` took
n_values and n_a before Ty.
Paper: Gillick, Tang & Keller (2010), "Machine learning of jazz grammars"; the
implementation follows Kim's deepjazz (2016). Improvising needs NumPy only, training
needs TensorFlow.
"""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dls_keras.core import inputs, pretrained, sampling, settings, weights
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.fast import lstm_generator
from dls_keras.music import grammar, metrics, midi_and_wav, tunes
from dls_keras.music.tunes import MEASURE, Tune

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TX = 30  # tokens per window in the course
TX_TUNE = 96  # tokens per window if there are many tunes: about one whole tune
N_A = 64
PARAMETERS = ("kernel", "recurrent_kernel", "bias", "dense_kernel", "dense_bias")
TRAINING_SEEDS = range(1000)  # of the composed tunes in the training set
HELD_OUT_SEEDS = range(5000, 5020)  # of the composed tunes for testing
RUN = 8  # tokens in a row that count as copied if a training tune has them, too

# What `dls-keras infer jazz CHORDS --out FILE` can write besides images.
WRITERS = {
    ".mid": lambda answer, path: midi_and_wav.write_midi(answer.details["tune"], path),
    ".wav": lambda answer, path: midi_and_wav.write_wav(answer.details["tune"], path),
}


# The assignment: the course's functions under the course's signatures.


def load_music_utils(file=None):
    """The course's training set, from its MIDI file.

    Returns:
        X (60, 30, n_values) and Y (30, 60, n_values), see `data_processing`; n_values;
        indices_values, a dict from indices to tokens; chords, a list of the chords of
        each measure, with offsets within the measure.
    """
    tune = tunes.load_tune(file)
    X, Y, vocabulary = load_data([tune], rests=False)
    indices_values = dict(enumerate(vocabulary))
    return X, Y, len(vocabulary), indices_values, tunes.measures(tune)


def data_processing(corpus, values_indices, m=60, Tx=30):
    """m windows of the corpus at random positions, the course's with its seed 0.

    Args:
        corpus: list of more than Tx tokens.
        values_indices: dict from the distinct tokens to their indices.

    Returns:
        X: (m, Tx, n_values) bool, one-hot tokens; the first step is all zeros.
        Y: (Tx, m, n_values) bool, one-hot, the token that follows each step; all zeros
            after the last step.
        n_values: the number of distinct tokens.
    """
    # The course's random numbers, without seeding NumPy's global generator.
    rng = np.random.RandomState(0)
    starts = [rng.choice(len(corpus) - Tx) for _ in range(m)]
    indices = np.array([values_indices[token] for token in corpus])
    windows = indices[np.array(starts)[:, np.newaxis] + np.arange(Tx)]
    X = np.eye(len(values_indices), dtype=bool)[windows]
    X[:, 0] = False
    Y = np.zeros_like(X)
    Y[:, :-1] = X[:, 1:]
    return X, Y.swapaxes(0, 1), len(values_indices)


@settings.keras_defaults()
def djmodel(Tx, LSTM_cell, densor, reshaper):
    """Model from [X (Tx, n_values), a0, c0 (n_a,)] to Tx softmaxes (n_values,).

    Args:
        LSTM_cell: an LSTM layer with `return_state`, shared by all time steps.
        densor: a Dense layer with softmax, shared, too.
        reshaper: a layer that reshapes (n_values,) to (1, n_values).
    """
    import keras  # lazy import: improvising needs NumPy only

    X = keras.Input((Tx, densor.units))
    a = a0 = keras.Input((LSTM_cell.units,), name="a0")
    c = c0 = keras.Input((LSTM_cell.units,), name="c0")
    outputs = []
    for t in range(Tx):
        a, _, c = LSTM_cell(reshaper(X[:, t, :]), initial_state=[a, c])
        outputs.append(densor(a))
    return keras.Model([X, a0, c0], outputs)


@settings.keras_defaults()
def music_inference_model(LSTM_cell, densor, Ty=100):
    """Model from [x0 (1, n_values), a0, c0 (n_a,)] to Ty softmaxes (n_values,).

    The most probable value of each step, one-hot, is the input of the next step.
    """
    import keras
    from keras import layers, ops

    x = x0 = keras.Input((1, densor.units), name="x0")
    a = a0 = keras.Input((LSTM_cell.units,), name="a0")
    c = c0 = keras.Input((LSTM_cell.units,), name="c0")
    outputs = []
    for _ in range(Ty):
        a, _, c = LSTM_cell(x, initial_state=[a, c])
        outputs.append(densor(a))
        most_probable = ops.argmax(outputs[-1], axis=-1)  # (m,)
        x = layers.RepeatVector(1)(ops.one_hot(most_probable, densor.units))
    return keras.Model([x0, a0, c0], outputs)


def predict_and_sample(
    inference_model, x_initializer=None, a_initializer=None, c_initializer=None
):
    """The values that the model generates, the most probable one of each step.

    Args:
        inference_model: the result of `music_inference_model`, with Ty outputs.
        x_initializer: (m, 1, n_values).
        a_initializer, c_initializer: (m, n_a). By default all three are zeros, m = 1.

    Returns:
        results: the values one-hot, (Ty, n_values), or (Ty, m, n_values) if m > 1.
        indices: (Ty, m).
    """
    inputs = [x_initializer, a_initializer, c_initializer]
    for i, initializer in enumerate(inputs):
        if initializer is None:
            inputs[i] = np.zeros((1, *inference_model.input_shape[i][1:]))
    indices = np.argmax(inference_model.predict(inputs, verbose=0), axis=-1)
    results = np.eye(inputs[0].shape[-1])[indices.squeeze()]
    return results, indices


def generate_music(inference_model, indices_tones, chords, diversity=0.5):
    """The course's solo, a `Tune` for `music.midi_and_wav.write_midi`.

    Every measure is played from the same tokens, the most probable ones; its chords and
    the sampled pitches differ.

    Args:
        indices_tones: dict from indices to tokens.
        chords: the chords of each measure, as `load_music_utils` returns them.
        diversity: has no effect, as in the course: no token is sampled.
    """
    _, indices = predict_and_sample(inference_model)
    tokens = ["C,0.25", *(indices_tones[i] for i in indices.ravel().tolist())]
    # Notes outside the harmony become chord tones.
    tokens = ["C" + token[1:] if token[0] in "AX" else token for token in tokens]
    pruned = grammar.prune_grammar(" ".join(tokens))
    rng = np.random.default_rng(0)
    solo, harmonies = [], []
    for i, measure in enumerate(chords):
        notes = grammar.unparse_grammar(pruned, measure, rng=rng)
        notes = grammar.clean_up_notes(grammar.prune_notes(notes), MEASURE)
        solo += [n._replace(offset=MEASURE * i + n.offset) for n in notes]
        harmonies += [h._replace(offset=MEASURE * i + h.offset) for h in measure]
    return Tune(tuple(solo), tuple(harmonies), float(MEASURE * len(chords)))


# The application. A model is a dict of arrays, its vocabulary among them.


class Jazz(NamedTuple):
    """Windows of tokens, one-hot, see `data_processing`, and the vocabulary."""

    X: np.ndarray
    Y: np.ndarray
    vocabulary: tuple[str, ...]


def load_data(
    solos: Sequence[Tune] | None = None,
    *,
    m: int | None = None,
    rests: bool | None = None,
    synthetic: bool = False,
) -> Jazz:
    """Windows of the tokens of tunes, the training set.

    A single tune is cut into windows of 30 tokens as in the course. Several tunes are
    cut into windows of 96, about a whole tune: a network that was trained on windows of
    30 tokens predicts poorly after the thirtieth.

    Args:
        solos: by default the course's tune.
        m: number of windows; by default 60 as in the course, or more if needed for
            each token to occur in three windows on average.
        rests: whether rests become tokens, too. By default they do, except in the
            course's tune: the corpus of 2017 has none.
        synthetic: the thousand composed tunes on which the shipped weights were
            trained; needs no files.

    Raises:
        InputError: if there are not more tokens than a window has.
    """
    if synthetic:
        solos = tunes.make_tunes(TRAINING_SEEDS)
    elif solos is None:
        rests = rests or False
        solos = [tunes.load_tune()]
    corpus = grammar.tokens(solos, rests=rests is not False)
    Tx = TX if len(solos) == 1 else TX_TUNE
    if len(corpus) <= Tx:
        raise InputError(
            f"The tunes have {len(corpus)} tokens; expected more than the {Tx} of a "
            "window. Use longer tunes, or more of them."
        )
    vocabulary = tuple(sorted(set(corpus)))
    indices = {token: i for i, token in enumerate(vocabulary)}
    X, Y, _ = data_processing(corpus, indices, m or max(60, 3 * len(corpus) // Tx), Tx)
    return Jazz(X, Y, vocabulary)


def build_model(
    vocabulary: Sequence[str] | None = None, *, n_a: int = N_A, seed: int = 0
) -> dict[str, np.ndarray]:
    """An untrained model for a vocabulary: a dict of float32 arrays, and the tokens.

    Args:
        vocabulary: n_values distinct tokens; by default those of the composed tunes,
            `load_data(synthetic=True).vocabulary`.

    Returns:
        "kernel" (n_values, 4*n_a), "recurrent_kernel" (n_a, 4*n_a) and "bias" (4*n_a,)
        of the LSTM, gates in the order i, f, c, o; "dense_kernel" (n_a, n_values) and
        "dense_bias" (n_values,) of the output layer; "values" (n_values,) bytes, the
        tokens.
    """
    if vocabulary is None:
        vocabulary = load_data(synthetic=True).vocabulary
    rng = np.random.default_rng(seed)
    n = len(vocabulary)

    def glorot(rows, columns):
        limit = np.sqrt(6 / (rows + columns))
        return rng.uniform(-limit, limit, (rows, columns))

    orthogonal, _ = np.linalg.qr(rng.normal(size=(4 * n_a, n_a)))
    forget = np.repeat([0.0, 1.0, 0.0, 0.0], n_a)  # Keras's initial bias
    arrays = glorot(n, 4 * n_a), orthogonal.T, forget, glorot(n_a, n), np.zeros(n)
    model = dict(zip(PARAMETERS, (a.astype("float32") for a in arrays), strict=True))
    return model | {"values": np.array([token.encode() for token in vocabulary])}


@settings.keras_defaults()
def course_layers(model: dict[str, np.ndarray]) -> tuple[Any, Any, Any]:
    """LSTM_cell, densor and reshaper for `djmodel`, with copies of the weights."""
    from keras import layers

    n_a, n_values = model["dense_kernel"].shape
    LSTM_cell = layers.LSTM(n_a, return_state=True)
    densor = layers.Dense(n_values, activation="softmax")
    LSTM_cell.build((None, 1, n_values))
    densor.build((None, n_a))
    *lstm, kernel, bias = parameters(model)
    LSTM_cell.set_weights(lstm)
    densor.set_weights([kernel, bias])
    return LSTM_cell, densor, layers.Reshape((1, n_values))


def parameters(model: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The model's trainable arrays in the order of `PARAMETERS`."""
    return [model[name] for name in PARAMETERS]


def from_arrays(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The model in a weight file, with the vocabulary of the file."""
    n = len(weights.texts(arrays, "values"))
    n_a = np.size(arrays.get("bias", range(4 * N_A))) // 4
    shapes = ((n, 4 * n_a), (n_a, 4 * n_a), (4 * n_a,), (n_a, n), (n,))
    expected = {
        name: np.broadcast_to(np.float32(0), shape)
        for name, shape in zip(PARAMETERS, shapes, strict=True)
    }
    return weights.like({**expected, "values": arrays["values"]}, arrays)


def train(
    model: dict[str, np.ndarray],
    data: Jazz,
    *,
    epochs: int = 20,
    batch_size: int = 32,
    learning_rate: float = 0.01,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Fit `model` in place; return each epoch's mean loss, in nats per window.

    The loss is the course's, see `window_loss`. The course lowers Adam's learning rate
    as 1 / (1 + 0.01 * step); here it follows a cosine decay to zero. To train on the
    course's 60 windows, use its 100 epochs and `batch_size=30`.

    Args:
        data: windows and a vocabulary of as many tokens as the model's.
        settings: further arguments of `core.training.fit`.

    Raises:
        InputError: if the vocabularies differ in size.
    """
    import keras

    from dls_keras.core import training
    from dls_keras.fast.layers import Adam

    X, Y, *_ = data
    if X.shape[2] != len(model["values"]):
        raise InputError(
            f"The data have {X.shape[2]} distinct tokens, the model has "
            f"{len(model['values'])}. Build it with build_model(data.vocabulary)."
        )
    variables = [keras.Variable(model[name], name=name) for name in PARAMETERS]

    def loss_fn(X, Y):
        return window_loss(X, Y, [variable.value for variable in variables])

    steps = len(X) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    losses = training.fit(
        loss_fn,
        (X, Y.swapaxes(0, 1)),
        variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        jit_compile=True,
        **settings,
    )
    for name, variable in zip(PARAMETERS, variables, strict=True):
        model[name][...] = variable.numpy()
    return losses


def window_loss(X: Any, Y: Any, parameters: Sequence[Any]) -> Any:
    """The loss of `djmodel`: the sum over time of its Tx cross-entropies.

    `fast.recurrent.lstm` computes the recurrence. Everything else is computed for all
    time steps at once; a test compares values and gradients with those of `djmodel`.

    Args:
        X, Y: (m, Tx, n_values) bool. The last step of Y is all zeros and adds no loss.
        parameters: the five tensors of `PARAMETERS`.

    Returns:
        A scalar tensor, in nats: each cross-entropy is a mean over the windows.
    """
    import tensorflow as tf

    from dls_keras.fast.recurrent import lstm

    kernel, recurrent, bias, dense_kernel, dense_bias = parameters
    # Time first: each step reads one contiguous block of memory.
    X, Y = (tf.cast(tf.transpose(one, (1, 0, 2)), tf.float32) for one in (X, Y))
    a = lstm(X, kernel, recurrent, bias)  # (Tx, m, n_a)
    logits = tf.tensordot(a, dense_kernel, 1) + dense_bias  # (Tx, m, n_values)
    losses = tf.nn.softmax_cross_entropy_with_logits(Y, logits)  # (Tx, m)
    return tf.reduce_sum(tf.reduce_mean(losses, axis=1))


@pretrained.or_own_file
def load_pretrained(variant: str = "default") -> dict[str, np.ndarray]:
    """The model with the shipped weights and their vocabulary."""

    def first_probabilities(model):
        logits = next(lstm_generator.read(parameters(model)))
        p = np.exp(logits - logits.max())
        return p / p.sum()

    return weights.load(from_arrays, "jazz", variant, outputs=first_probabilities)


@inputs.one_by_one()
def infer(
    model: dict[str, np.ndarray],
    tune: Tune | str | Path | int,
    *,
    temperature: float = 0.8,
    seed: int = 0,
) -> Answer:
    """Improvise a solo over the chords of a tune.

    Args:
        tune: a `tunes.Tune`, chord symbols such as "Dm7 G7 | Cmaj7", the path of a
            MIDI file, or the seed of a composed tune.
        temperature: above 0; with 1 tokens are sampled from the model's probabilities,
            lower values make probable tokens more frequent.

    Returns:
        An `Answer` such as "a solo of 20 notes over 3 chords". `details["tune"]` is the
        solo, a `tunes.Tune` over the same chords: its notes do not overlap, their
        pitches are in [60, 84]. The confidence is the geometric mean of the
        probabilities of the sampled tokens (at temperature 1).

    Raises:
        InputError: if the input is not a tune, or the temperature not above 0.
    """
    tune = tunes.as_tune(tune)
    rng = np.random.default_rng(seed)
    vocabulary = [grammar.parse(value.decode()) for value in model["values"]]
    # The first token begins a measure: it is a note, and has no interval.
    first = np.array([not t.interval and t.kind != "R" for t in vocabulary])
    allowed = itertools.chain([first | ~first.any()], itertools.repeat(True))
    probabilities = []

    def choose(logits):
        p = np.exp(logits - logits.max(), dtype=float)  # in proportion to the softmax
        index = sampling.categorical(p * next(allowed), temperature, rng)
        probabilities.append(p[index] / p.sum())
        return index

    # `lstm_generator` computes what `music_inference_model` does, but samples.
    indices = lstm_generator.generate(parameters(model), choose)
    placed = grammar.add_offsets(vocabulary[i] for i in indices)
    within = itertools.takewhile(lambda pair: pair[0] < tune.length, placed)
    notes = grammar.prune_notes(grammar.add_pitches(within, tune.chords, rng=rng))
    solo = tune._replace(notes=tuple(grammar.clean_up_notes(notes, tune.length)))
    confidence = sampling.geometric_mean([np.array(probabilities)])
    return Answer(str(solo), confidence, tune=solo)


def next_token_accuracy(model: dict[str, np.ndarray], solos: Sequence[Tune]) -> float:
    """The share of tokens that the model predicts from the true preceding ones."""
    indices = {value.decode(): i for i, value in enumerate(model["values"])}
    correct = []
    for tune in solos:
        # Tokens outside the vocabulary are None, which no prediction equals.
        true = [indices.get(token) for token in grammar.tokens([tune])]
        logits = lstm_generator.read(parameters(model), true)
        correct += [p.argmax() == i for p, i in zip(logits, true, strict=False)]
    return float(np.mean(correct))


def evaluate(
    model: dict[str, np.ndarray] | None = None, *, synthetic: bool = False
) -> list[Row]:
    """Next-token accuracy on held-out tunes, and metrics of solos over their chords.

    Args:
        synthetic: changes nothing, since the tunes are composed anyway.
    """
    model = load_pretrained() if model is None else model
    training = tunes.make_tunes(TRAINING_SEEDS)
    held_out = tunes.make_tunes(HELD_OUT_SEEDS)
    baseline = metrics.bigram_accuracy(training, held_out)
    solos = [infer(model, t, seed=i).details["tune"] for i, t in enumerate(held_out)]
    accuracy = f"next-token accuracy, {len(held_out)} held-out tunes"
    harmony = "notes in the chord or its scale"
    copied = metrics.copied(solos, training, RUN)
    return [
        Row(accuracy, next_token_accuracy(model, held_out), at_least=baseline),
        Row(f"{accuracy}, bigram baseline", baseline),
        Row(f"{harmony}, {len(solos)} solos", metrics.in_harmony(solos)),
        Row(f"{harmony}, held-out tunes", metrics.in_harmony(held_out)),
        Row(f"runs of {RUN} tokens copied from training tunes", copied),
    ]


def picture(tune: Tune | str | Path | int, answer: Answer) -> "Figure":
    """A piano roll of the solo over its chords, a matplotlib figure."""
    from dls_keras import plots  # lazy import: improvising does not need matplotlib

    solo = answer.details["tune"]
    return plots.piano_roll(solo.notes, solo.chords, title=str(answer))


def example() -> tuple[str, str]:
    """The question of the tour: a common chord progression (II-V-I with turnaround)."""
    chords = "Dm7 | G7 | Cmaj7 | A7 | Dm7 | G7 | Cmaj7 A7 | Dm7 G7"
    return "What could one improvise over Dm7, G7, Cmaj7, A7?", chords
