"""Jazz: a network improvises a solo over chords (C5 W1 A3).

A solo becomes words that say how each note sits in its chord, how long it is and how
far it leapt, "C,0.500,<m2,P-4>" (see `music.tunes`). An LSTM learns which word
follows, with one softmax for all times:

    a<t>, c<t> = LSTM(x<t>, a<t-1>, c<t-1>)      y<t> = softmax(W a<t> + b)

and improvises by reading what it wrote. The words name no keys, so what it learnt over
one tune it plays over any chords, the pitches being chosen among those that fit.

Shapes: m windows of Tx = 30 words, n_values distinct words, n_a = 64 units. Edition:
2021, whose functions take the shared layers; in 2017 they were globals, `djmodel` took
(Tx, n_a, n_values) and `music_inference_model` n_values and n_a before Ty.
Paper: Gillick, Tang & Keller (2010), "Machine learning of jazz grammars"; the form is
that of Kim's deepjazz (2016). Improvising needs NumPy alone, training TensorFlow.
"""

import importlib.util
import itertools
import tempfile
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files, sampling, weights
from dls_keras.core.errors import InputError
from dls_keras.fast import lstm_numpy
from dls_keras.music import tunes
from dls_keras.music.midi_and_wav import write_midi, write_wav
from dls_keras.music.tunes import MEASURE, Tune

TX = 30  # words of a window in the course
WHOLE = 96  # and where there are many tunes, so that a window holds one
N_A = 64
PARAMETERS = ("kernel", "recurrent_kernel", "bias", "dense_kernel", "dense_bias")
LEARNT = range(1000)  # seeds of the tunes that the shipped weights learnt
UNSEEN = range(5000, 5020)  # of those that they are tested on
RUN = 8  # words in a row that count as copied
NEAR = 1 / 4 - 1e-6  # quarter notes: begins that are nearer are too near

WRITERS = {".mid": write_midi, ".wav": write_wav}  # of solos, for the command line


# The assignment: the course's functions under the course's signatures.


def load_music_utils(file=None):
    """What the course makes of its MIDI file; needs music21.

    Returns:
        X (60, 30, n_values) and Y (30, 60, n_values), see `data_processing`; n_values;
        indices_values, a dict from numbers to words; chords, a list of the chords of
        each measure, whose begins are counted from its own.
    """
    tune = tunes.load_tune(file)
    data = load_data([tune], rests=False)
    n_values = len(data.values)
    return data.X, data.Y, n_values, dict(enumerate(data.values)), tunes.measures(tune)


def data_processing(corpus, values_indices, m=60, Tx=30):
    """m windows of the corpus, their begins drawn as the course does, with seed 0.

    Args:
        corpus: list of more than Tx words.
        values_indices: dict from the distinct words to their numbers.

    Returns:
        X: (m, Tx, n_values) bool, one-hot, but the first step, where nothing came
            before, is all zero.
        Y: (Tx, m, n_values) bool, the word after each step; none after the last.
        n_values: the number of distinct words.
    """
    rng = np.random.RandomState(0)  # the same draws, and NumPy's own stay as they were
    starts = [rng.choice(len(corpus) - Tx) for _ in range(m)]
    indices = np.array([values_indices[word] for word in corpus])
    windows = indices[np.array(starts)[:, np.newaxis] + np.arange(Tx)]
    X = np.eye(len(values_indices), dtype=bool)[windows]
    X[:, 0] = False
    Y = np.zeros_like(X)
    Y[:, :-1] = X[:, 1:]
    return X, Y.swapaxes(0, 1), len(values_indices)


def djmodel(Tx, LSTM_cell, densor, reshaper):
    """Model from [X (Tx, n_values), a0, c0 (n_a,)] to Tx softmaxes (n_values,).

    Args:
        LSTM_cell: an LSTM layer with `return_state`, shared by all times.
        densor: a Dense layer with softmax, shared too.
        reshaper: a layer that makes (1, n_values) of (n_values,).
    """
    import keras  # late: to improvise needs NumPy alone

    X = keras.Input((Tx, densor.units))
    a = a0 = keras.Input((LSTM_cell.units,), name="a0")
    c = c0 = keras.Input((LSTM_cell.units,), name="c0")
    outputs = []
    for t in range(Tx):
        a, _, c = LSTM_cell(reshaper(X[:, t, :]), initial_state=[a, c])
        outputs.append(densor(a))
    return keras.Model([X, a0, c0], outputs)


def music_inference_model(LSTM_cell, densor, Ty=100):
    """Model from [x0 (1, n_values), a0, c0 (n_a,)] to Ty softmaxes (n_values,).

    The likeliest value of each time, one-hot, is the input of the next.
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
        likeliest = ops.argmax(outputs[-1], axis=-1)  # (m,)
        x = layers.RepeatVector(1)(ops.one_hot(likeliest, densor.units))
    return keras.Model([x0, a0, c0], outputs)


def predict_and_sample(
    inference_model, x_initializer=None, a_initializer=None, c_initializer=None
):
    """The likeliest values one after another.

    Args:
        inference_model: what `music_inference_model` makes, with Ty outputs.
        x_initializer: (m, 1, n_values).
        a_initializer, c_initializer: (m, n_a). By default all three are zeros, m = 1.

    Returns:
        results: their numbers one-hot, (Ty, n_values), with a further axis where m is
            more than 1.
        indices: (Ty, m).
    """
    given = [x_initializer, a_initializer, c_initializer]
    for i, initializer in enumerate(given):
        if initializer is None:
            given[i] = np.zeros((1, *inference_model.input_shape[i][1:]))
    indices = np.argmax(inference_model.predict(given, verbose=0), axis=-1)
    results = np.eye(given[0].shape[-1])[indices.squeeze()]
    return results, indices


def generate_music(inference_model, indices_tones, chords, diversity=0.5):
    """The solo that the course makes of its model, a `Tune`.

    Every measure is played from the same values, the likeliest; what differs are its
    chords and the pitches drawn. `write_midi` writes it.

    Args:
        indices_tones: dict from numbers to words.
        chords: the chords of each measure, as `load_music_utils` returns them.
        diversity: has no effect, as in the course: likeliest values have no choice.
    """
    _, indices = predict_and_sample(inference_model)
    words = ["C,0.25", *(indices_tones[i] for i in indices.ravel().tolist())]
    # Notes outside of the harmony become tones of the chord.
    words = ["C" + word[1:] if word[0] in "AX" else word for word in words]
    rng = np.random.default_rng(0)
    solo, harmonies = [], []
    for i, measure in enumerate(chords):
        notes = unparse_grammar(prune_grammar(" ".join(words)), measure, rng=rng)
        notes = clean_up_notes(prune_notes(notes), MEASURE)
        solo += [n._replace(offset=MEASURE * i + n.offset) for n in notes]
        harmonies += [h._replace(offset=MEASURE * i + h.offset) for h in measure]
    return Tune(tuple(solo), tuple(harmonies), float(MEASURE * len(chords)))


def unparse_grammar(m1_grammar, m1_chords, *, before=67, rng=None):
    """The notes that words tell, one behind the other, over the chords of a measure.

    Args:
        m1_grammar: words with blanks between.
        m1_chords: list of `tunes.Chord`.
        before: the pitch from which the first interval is counted.
        rng: the NumPy generator that draws pitches; by default of seed 0.
    """
    told = [tunes.parsed(word) for word in m1_grammar.split()]
    offsets = itertools.accumulate((word.length for word in told), initial=0)
    timed = zip(offsets, told, strict=False)
    return tunes.pitched(timed, m1_chords, before=before, rng=rng)


def prune_grammar(curr_grammar):
    """The words with lengths rounded to quarters of a quarter note, at least one."""
    pruned = []
    for word in curr_grammar.split():
        kind, length, *reach = word.split(",", 2)
        length = max(0.25, round(4 * float(length)) / 4)
        pruned.append(",".join([kind, f"{length:.3f}", *reach]))
    return " ".join(pruned)


def prune_notes(curr_notes):
    """The notes, their begins quantised, without those too near to the one before."""
    moved = [n._replace(offset=float(tunes.quantised(n.offset))) for n in curr_notes]
    pruned = []
    for note in sorted(moved):
        if not pruned or note.offset - pruned[-1].offset >= NEAR:
            pruned.append(note)
    return pruned


def clean_up_notes(curr_notes, end=float("inf")):
    """The notes, none beyond `end`, cut so that each ends before the next begins.

    What is cut becomes a multiple of a quarter or a third of a quarter note.
    """
    notes = [note for note in curr_notes if end - note.offset >= NEAR]
    ends = [*(note.offset for note in notes[1:]), end]
    cleaned = []
    for note, stop in zip(notes, ends, strict=False):
        room = stop - note.offset + 1e-6
        if note.length > room:
            note = note._replace(length=max(4 * room // 1 / 4, 3 * room // 1 / 3))
        cleaned.append(note)
    return cleaned


# The application. A model is a dict of arrays, the words among them.


class Jazz(NamedTuple):
    """Windows of words to learn from, see `data_processing`, and their words."""

    X: np.ndarray
    Y: np.ndarray
    values: tuple[str, ...]


def load_data(learnt=None, *, m=None, rests=None):
    """Windows of the words of tunes.

    A single tune is cut into windows of 30 words as in the course, several into windows
    of 96, a whole tune: a network that was taught on 30 words is lost after them.

    Args:
        learnt: a list of `tunes.Tune`. By default the course's where `$DLS_KERAS_DATA`
            has its file, else the thousand of `tunes.make_tune` that the shipped
            weights learnt.
        m: how many windows; by default 60 as in the course, or as many as make each
            word come three times.
        rests: whether rests are words, too; by default they are but in the course's
            tune, whose corpus of 2017 has none.

    Returns:
        A `Jazz`.

    Raises:
        InputError: if there are not more words than a window has.
    """
    if learnt is None:
        at_hand = files.in_data_folder(tunes.COURSE.name)
        rests = not at_hand if rests is None else rests
        learnt = [tunes.load_tune()] if at_hand else composed(LEARNT)
    corpus = tunes.words(learnt, rests=rests is not False)
    Tx = TX if len(learnt) == 1 else WHOLE
    if len(corpus) <= Tx:
        raise InputError(
            f"The tunes have {len(corpus)} words, expected more than the {Tx} of a "
            "window. Take longer ones, or more."
        )
    values = tuple(sorted(set(corpus)))
    indices = {value: i for i, value in enumerate(values)}
    X, Y, _ = data_processing(corpus, indices, m or max(60, 3 * len(corpus) // Tx), Tx)
    return Jazz(X, Y, values)


def composed(seeds):
    """The tunes that `tunes.make_tune` composes with these seeds."""
    return [tunes.make_tune(seed) for seed in seeds]


def build_model(values=None, *, n_a=N_A, seed=0):
    """An untrained model for a vocabulary, a dict of float32 arrays and the words.

    Args:
        values: n_values distinct words, such as `load_data().values`, the default.

    Returns:
        "kernel" (n_values, 4*n_a), "recurrent_kernel" (n_a, 4*n_a) and "bias" (4*n_a,)
        of the LSTM, gates in the order i, f, c, o; "dense_kernel" (n_a, n_values) and
        "dense_bias" (n_values,); "values" (n_values,) bytes.
    """
    values = load_data().values if values is None else values
    rng = np.random.default_rng(seed)
    n = len(values)

    def glorot(rows, columns):
        limit = np.sqrt(6 / (rows + columns))
        return rng.uniform(-limit, limit, (rows, columns))

    orthogonal, _ = np.linalg.qr(rng.normal(size=(4 * n_a, n_a)))
    forget = np.repeat([0.0, 1.0, 0.0, 0.0], n_a)  # gates open, as Keras begins
    arrays = glorot(n, 4 * n_a), orthogonal.T, forget, glorot(n_a, n), np.zeros(n)
    model = {
        name: array.astype("float32")
        for name, array in zip(PARAMETERS, arrays, strict=True)
    }
    return model | {"values": np.array([value.encode() for value in values])}


def course_layers(model):
    """The model as the course's shared layers, for `djmodel`: copies, trainable.

    Returns:
        LSTM_cell, densor, reshaper.
    """
    from keras import layers

    n_a, n_values = model["dense_kernel"].shape
    LSTM_cell = layers.LSTM(n_a, return_state=True)
    densor = layers.Dense(n_values, activation="softmax")
    LSTM_cell.build((None, 1, n_values))
    densor.build((None, n_a))
    *lstm, kernel, bias = (model[name] for name in PARAMETERS)
    LSTM_cell.set_weights(lstm)
    densor.set_weights([kernel, bias])
    return LSTM_cell, densor, layers.Reshape((1, n_values))


def train(
    model,
    data,
    *,
    epochs=20,
    batch_size=32,
    learning_rate=0.01,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place; return each epoch's mean loss, in nats a window.

    The loss is the course's, the sum of the cross-entropies of all times. The course
    lowers Adam's rate as 1 / (1 + 0.01 * step); here it follows a cosine to zero. Its
    60 windows want its 100 epochs, and `batch_size=30`.
    """
    import keras

    from dls_keras.core import training
    from dls_keras.fast.layers import Adam

    if data.X.shape[2] != len(model["values"]):
        raise InputError(
            f"The data have {data.X.shape[2]} distinct words, the model "
            f"{len(model['values'])}. Build it for them: build_model(data.values)."
        )
    variables = [keras.Variable(model[name], name=name) for name in PARAMETERS]

    def loss_fn(X, Y):
        return window_loss(X, Y, [variable.value for variable in variables])

    rate = keras.optimizers.schedules.CosineDecay(
        learning_rate, epochs * (len(data.X) // batch_size)
    )
    losses = training.fit(
        loss_fn,
        (data.X, data.Y.swapaxes(0, 1)),
        variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        jit_compile=True,
    )
    for name, variable in zip(PARAMETERS, variables, strict=True):
        model[name][...] = variable.numpy()
    return losses


def window_loss(X, Y, parameters):
    """What the course's `djmodel` loses on windows, in one product for all logits.

    The inputs of all gates and the softmaxes are computed for all times at once; what
    must go step by step, the recurrence, is `recurrent.lstm`.

    Args:
        X: (m, Tx, n_values) bool.
        Y: (m, Tx, n_values) bool, with no word after the last step.
        parameters: the five tensors of `PARAMETERS`.

    Returns:
        The sum over time of the cross-entropies, each a mean over the windows.
    """
    import tensorflow as tf

    from dls_keras.fast.recurrent import lstm

    kernel, recurrent, bias, dense_kernel, dense_bias = parameters
    # Time first: each step reads one block of memory.
    X, Y = (tf.cast(tf.transpose(one, (1, 0, 2)), tf.float32) for one in (X, Y))
    a = lstm(X, kernel, recurrent, bias)  # (Tx, m, n_a)
    logits = tf.tensordot(a, dense_kernel, 1) + dense_bias  # (Tx, m, n_values)
    nats = tf.nn.softmax_cross_entropy_with_logits(Y, logits)  # (Tx, m)
    return tf.reduce_sum(tf.reduce_mean(nats, axis=1))


def load_pretrained(variant="default"):
    """The model with shipped weights and vocabulary, checked."""

    def probabilities(model):
        logits = next(read(model))
        p = np.exp(logits - logits.max())
        return p / p.sum()

    return weights.load(dict, "jazz", variant, outputs=probabilities)


def read(model, indices=()):
    """Let the network read values, the first input being zeros.

    Args:
        indices: any iterable of numbers of values, None for one it does not know; it
            is asked for each only after the probabilities before it were given.

    Yields:
        The logits (n_values,) float32 of the value that follows, the first before
        anything was read: their softmax are its probabilities.
    """
    kernel, recurrent, bias, dense_kernel, dense_bias = (model[n] for n in PARAMETERS)
    n_a = len(recurrent)

    def by_gate(w):
        return lstm_numpy.pack_gates(w).reshape(*w.shape)

    # One product of twice a, and a 1 for the biases, makes the next gates and logits.
    product = np.empty((n_a + 1, 4 * n_a + len(dense_bias)), "float32")
    np.divide(by_gate(recurrent), 2, product[:n_a, : 4 * n_a])
    np.divide(dense_kernel, 2, product[:n_a, 4 * n_a :])
    product[n_a] = np.append(by_gate(bias), dense_bias)
    kernel = by_gate(kernel)
    state = np.append(np.zeros(n_a, "float32"), np.float32(1))
    out = state @ product
    z, logits, a = out[: 4 * n_a], out[4 * n_a :], state[:n_a]
    step = lstm_numpy.make_lstm_step(z.reshape(4, n_a))
    for index in itertools.chain([None], indices):
        if index is not None:
            z += kernel[index]
        step(a)
        np.dot(state, product, out)
        yield logits.copy()


def values(model, choose):
    """Values without end, each chosen by `choose` from the logits (n_values,).

    With `np.argmax` they are those of the course's `music_inference_model`.

    Yields:
        Numbers of values.
    """
    written = []
    # The network reads each value right after it was written.
    for logits in read(model, (written[-1] for _ in itertools.count())):
        written.append(int(choose(logits)))
        yield written[-1]


def infer(model, tune, *, temperature=0.8, seed=0):
    """A solo over the chords of a tune.

    Args:
        tune: a `tunes.Tune`, or what `tunes.meant` takes for one: chord symbols such as
            "Dm7 G7 | Cmaj7", the path of a MIDI file, the seed of a composed tune.
        temperature: more than 0; 1 draws words as the model learnt, less what is
            likelier.

    Returns:
        A `tunes.Tune` over the same chords. Its notes follow each other without
        overlapping and lie in [60, 84]; `write_midi` and `write_wav` write it.
    """
    tune = tunes.meant(tune)
    rng = np.random.default_rng(seed)
    spoken = [tunes.parsed(value.decode()) for value in model["values"]]
    # The first word begins a measure: it sounds, and has no interval.
    first = np.array([not word.reach and word.kind != "R" for word in spoken])
    allowed = itertools.chain([first | ~first.any()], itertools.repeat(True))

    def choose(logits):
        p = np.exp(logits - logits.max(), dtype=float)  # over their sum
        return sampling.categorical(p * next(allowed), temperature, rng)

    told = (spoken[i] for i in values(model, choose))
    timed = itertools.takewhile(lambda pair: pair[0] < tune.length, tunes.timed(told))
    notes = prune_notes(tunes.pitched(timed, tune.chords, rng=rng))
    return tune._replace(notes=tuple(clean_up_notes(notes, tune.length)))


def accuracy(model, played):
    """The share of the words of some tunes that the model, reading them, foretells."""
    numbers = {value.decode(): i for i, value in enumerate(model["values"])}
    right = []
    for tune in played:
        indices = [numbers.get(word) for word in tunes.words([tune])]
        foretold = (int(logits.argmax()) for logits in read(model, indices))
        right += [i == k for i, k in zip(foretold, indices, strict=False)]
    return np.mean(right)


def evaluate(model=None):
    """What was measured, as rows (what, ours, goal).

    How well the model foretells tunes that it never learnt; how its solos over their
    chords sit in the harmony, and how much of them is copied; where music21 is
    installed, whether their files read back; where the course's is at hand, its corpus.
    """
    model = load_pretrained() if model is None else model
    learnt, unseen = composed(LEARNT), composed(UNSEEN)
    following = _following(tunes.words(learnt))
    corpus = tunes.words(unseen)
    counted = [following.get(a) == b for a, b in itertools.pairwise(corpus)]
    solos = [infer(model, tune, seed=seed) for seed, tune in enumerate(unseen)]
    runs = {run for tune in learnt for run in _runs(tune)}
    copied = [run in runs for solo in solos for run in _runs(solo)]
    what = f"next word right, {len(unseen)} tunes never learnt"
    rows = [
        (f"{what}: what mostly follows the word before", np.mean(counted), None),
        (what, accuracy(model, unseen), np.mean(counted)),
        ("notes in chord or scale, 20 solos over them", _inside(solos), None),
        ("notes in chord or scale, they themselves", _inside(unseen), None),
        (f"runs of {RUN} words of solos that learnt tunes have", np.mean(copied), None),
    ]
    if importlib.util.find_spec("music21"):
        rows.append(("solos that music21 reads as written", _read_back(solos), 1))
        if files.in_data_folder(tunes.COURSE.name):
            grammars = tunes.grammar(tunes.load_tune())
            corpus = " ".join(grammars).split()
            rows += [
                ("the course's tune: measures", len(grammars), 18),
                ("the course's tune: words", len(corpus), 193),
                ("the course's tune: distinct words", len(set(corpus)), 78),
            ]
    return rows


def _following(corpus):
    """A dict from words to what mostly follows them."""
    counts = defaultdict(Counter)
    for first, word in itertools.pairwise(corpus):
        counts[first][word] += 1
    return {word: count.most_common(1)[0][0] for word, count in counts.items()}


def _runs(tune):
    """All runs of RUN words of a tune."""
    told = tunes.words([tune])
    return [tuple(told[i : i + RUN]) for i in range(len(told) - RUN + 1)]


def _inside(played):
    """The share of notes that are tones of their chord or of its scale."""
    return np.mean([word[0] in "CS" for word in tunes.words(played, rests=False)])


def _read_back(solos):
    """The share of solos whose MIDI files music21 reads note for note."""
    same = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "solo.mid"
        for solo in solos:
            write_midi(solo, path)
            same.append(tunes.load_tune(path).notes == solo.notes)
    return np.mean(same)


def picture(model, tune):
    """The solo over its chords as a piano roll, a figure."""
    from dls_keras import plots  # matplotlib: late, so that solos come without it

    solo = infer(model, tune)
    return plots.piano_roll(solo.notes, solo.chords, title=str(solo))


def example():
    """The question of the tour: chords that every player of jazz has practised."""
    changes = "Dm7 | G7 | Cmaj7 | A7 | Dm7 | G7 | Cmaj7 A7 | Dm7 G7"
    return "What could one improvise over Dm7, G7, Cmaj7, A7?", changes
