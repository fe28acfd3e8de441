"""Date translation: "25th of June, 2009" -> "2009-06-25" with attention (C5 W3 A1).

One LSTM reads the sentence in both directions; another writes ten characters.
Before each character a small network scores every position of the sentence
against the writer's state, and the scores become the weights of an average:

    alpha<t,t'> = softmax over t' of energy(a<t'>, s<t-1>)
    context<t>  = sum over t' of alpha<t,t'> * a<t'>

Shapes: m dates, Tx = 30 characters in, Ty = 10 out, n_a = 32 units per reading
direction, n_s = 64 in the writer. Edition: 2021; in 2017 `modelf` was `model`.
Paper: Bahdanau, Cho & Bengio (2015), https://arxiv.org/abs/1409.0473
"""

import datetime
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.converters import keras_h5
from dls_keras.core import training, weights
from dls_keras.core.answers import Answer
from dls_keras.datasets import dates
from dls_keras.fast import lstm_numpy
from dls_keras.fast.layers import Adam
from dls_keras.fast.recurrent import lstm

TX = 30  # longest sentence kept, in characters
TY = 10  # "YYYY-MM-DD"
N_A, N_S = 32, 64
AT_ONCE = 100  # sentences that NumPy translates together, for the sake of the cache


# The assignment: the course's functions under the course's signatures.


def softmax(x, axis=1):
    """exp(x) over its sum along `axis`; axis 1 is time in the attention."""
    return keras.ops.softmax(x, axis=axis)


def string_to_int(string, length, vocab):
    """The string as `length` indices: lower case, no commas, cut or padded.

    A character that is not in the vocabulary becomes the index of `<unk>`; the
    course puts that text itself, which no array of indices can hold.
    """
    string = string.lower().replace(",", "")[:length]
    unknown = vocab.get("<unk>", "<unk>")
    ids = [vocab.get(character, unknown) for character in string]
    return ids + [vocab["<pad>"] for _ in range(length - len(ids))]


def int_to_string(ints, inv_vocab):
    """The list of characters behind the indices."""
    return [inv_vocab[i] for i in ints]


def preprocess_data(dataset, human_vocab, machine_vocab, Tx, Ty):
    """Pairs of text as indices and one-hot.

    Args:
        dataset: list of m pairs (human date, ISO date).

    Returns:
        X (m, Tx), Y (m, Ty) int; Xoh (m, Tx, human), Yoh (m, Ty, machine) float32.
    """
    X = np.array([string_to_int(human, Tx, human_vocab) for human, _ in dataset])
    Y = np.array([string_to_int(iso, Ty, machine_vocab) for _, iso in dataset])
    Xoh = dates.one_hot(X, len(human_vocab))
    Yoh = dates.one_hot(Y, len(machine_vocab))
    return X, Y, Xoh, Yoh


def attention_layers(Tx=TX):
    """The layers that all Ty attention steps share (the notebook's globals)."""
    return (
        layers.RepeatVector(Tx),
        layers.Concatenate(axis=-1),
        layers.Dense(10, activation="tanh", name="score"),
        layers.Dense(1, activation="relu", name="energy"),
        layers.Activation(softmax, name="attention_weights"),
        layers.Dot(axes=1),
    )


def one_step_attention(a, s_prev, *, shared=None):
    """Look over the whole sentence once, before one character is written.

    Args:
        a: (m, Tx, 2*n_a), the reader's activations.
        s_prev: (m, n_s), the writer's state after the previous character.
        shared: result of `attention_layers`; None makes new, untrained layers.

    Returns:
        (m, 1, 2*n_a), the average of `a` over Tx under the attention weights.
    """
    shared = shared or attention_layers(a.shape[1])
    repeat, join, score, energy, normalise, average = shared
    pairs = join([a, repeat(s_prev)])  # (m, Tx, 2*n_a + n_s)
    alphas = normalise(energy(score(pairs)))  # (m, Tx, 1), sums to 1 over Tx
    return average([alphas, a])


def modelf(Tx, Ty, n_a, n_s, human_vocab_size, machine_vocab_size, *, gates="sigmoid"):
    """Model from [X, s0, c0] to Ty softmaxes, each (m, machine_vocab_size).

    Args:
        gates: activation of the LSTMs' gates; files of Keras 1 and 2 want theirs.
    """
    X = keras.Input((Tx, human_vocab_size))
    s = s0 = keras.Input((n_s,), name="s0")
    c = c0 = keras.Input((n_s,), name="c0")
    shared = attention_layers(Tx)
    read = layers.LSTM(n_a, return_sequences=True, recurrent_activation=gates)
    write = layers.LSTM(
        n_s, return_state=True, recurrent_activation=gates, name="writer"
    )
    spell = layers.Dense(machine_vocab_size, activation="softmax", name="spell")

    a = layers.Bidirectional(read, name="reader")(X)
    outputs = []
    for _ in range(Ty):
        context = one_step_attention(a, s, shared=shared)
        s, _, c = write(context, initial_state=[s, c])
        outputs.append(spell(s))
    return keras.Model([X, s0, c0], outputs)


# The application: the names that every assignment shares.


# The sentences on which the course tries its translator, with the days they mean.
EXAMPLES = (
    ("3 May 1979", "1979-05-03"),
    ("5 April 09", "2009-04-05"),
    ("20th February 2016", "2016-02-20"),
    ("21th of August 2016", "2016-08-21"),
    ("Tue 10 Jul 2007", "2007-07-10"),
    ("Saturday May 9 2018", "2018-05-09"),
    ("March 3 2001", "2001-03-03"),
    ("March 3rd 2001", "2001-03-03"),
    ("1 March 2001", "2001-03-01"),
    ("4th of july 2001", "2001-07-04"),
    ("Tuesday 09 Oct 1993", "1993-10-09"),
    ("25th of June, 2009", "2009-06-25"),
)
# What the 2021 notebook prints for its weights, wrong days included.
PRINTED_2021 = {
    "3 May 1979": "1979-05-33",
    "5 April 09": "2009-04-05",
    "21th of August 2016": "2016-08-20",
    "Tue 10 Jul 2007": "2007-07-10",
    "Saturday May 9 2018": "2018-05-09",
    "March 3 2001": "2001-03-03",
    "March 3rd 2001": "2001-03-03",
    "1 March 2001": "2001-03-01",
    "4th of july 2001": "2001-07-04",
}


def load_data(m=10_000, seed=0, held_out=False):
    """m generated dates, one-hot float32: x (m, Tx, 37) and y (m, Ty, 11)."""
    return dates.make_dates(m, tx=TX, seed=seed, held_out=held_out)


def build_model(gates="sigmoid"):
    """The course's translator, untrained.

    Args:
        gates: see `modelf`; "keras2_hard_sigmoid" for weights of Keras 1 and 2.
    """
    if gates == "keras2_hard_sigmoid":
        gates = keras_h5.keras2_hard_sigmoid
    vocab_sizes = len(dates.HUMAN_VOCAB), len(dates.MACHINE_VOCAB)
    return modelf(TX, TY, N_A, N_S, *vocab_sizes, gates=gates)


def train(
    model,
    data,
    *,
    epochs=30,
    batch_size=100,
    learning_rate=0.005,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place; return each epoch's mean loss, in nats per date.

    The course lowers Adam's rate as 1 / (1 + 0.01 * step); a cosine to zero ends
    at fewer wrong dates and is used here.
    """
    keras.utils.set_random_seed(seed)

    def loss_fn(x, y):
        y_hat = _read_and_write(x, _weights(model), _gates(model))
        return (
            tf.reduce_sum(keras.losses.categorical_crossentropy(y, y_hat)) / batch_size
        )

    steps = len(data.x) // batch_size
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(rate, clipnorm=5.0),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        jit_compile=True,
    )


def load_pretrained(variant="default"):
    """The translator with trained weights.

    Args:
        variant: "default" is ours, shipped. "course" is the course's file with the
            gates it was trained with, "course-2021" the same file in the 2021
            edition's LSTMs, whose sigmoid gates make some dates wrong.
    """
    if variant == "default":
        return weights.load(build_model(), "date_translation")
    (path,) = weights.find_published("date_translation", variant)
    contents = keras_h5.read(path)
    if variant == "course":
        return keras_h5.fill(build_model(keras_h5.keras2_hard_sigmoid), contents)
    return keras_h5.fill(build_model(), contents, gates="as built")


class Frozen(NamedTuple):
    """A translator's weights in the order in which NumPy reads them, see `frozen`."""

    weights: tuple
    gates: Callable | None  # in the place of the sigmoid


def frozen(model):
    """The translator as it is now, whatever it learns later.

    `translate` and `infer` take it in the place of the model, whose variables they
    need not read anew then: one date takes 0.4 ms in place of 1.2.
    """
    gates = _gates(model)
    gates = None if gates is keras.activations.sigmoid else gates
    variables = [w.numpy() for layer in _weights(model) for w in layer]
    return Frozen(_ordered(*variables, gates=gates), gates)


def translate(model, sentences):
    """Many dates at once, in NumPy.

    Args:
        model: a translator, or what `frozen` has made of one.
        sentences: n texts of at most 30 characters.

    Returns:
        translations: n texts "YYYY-MM-DD".
        probabilities: (n, Ty) float32, of each character written.
        attention: (n, Ty, Tx) float32, where each character looked; rows sum to 1.
    """
    ready = model if isinstance(model, Frozen) else frozen(model)
    ids = np.array([dates.indices(sentence, TX) for sentence in sentences])
    parts = [
        _read_and_write_numpy(ids[i : i + AT_ONCE], *ready)
        for i in range(0, len(ids), AT_ONCE)
    ]
    y_hat, attention = (np.concatenate(part) for part in zip(*parts, strict=True))
    return dates.decode_all(y_hat.argmax(-1)), y_hat.max(-1), attention


def infer(model, sentence):
    """Translate one date, such as "5 April 09", into "YYYY-MM-DD".

    Args:
        model: as in `translate`.

    Returns:
        An `Answer`: the text, its probability, and `details["attention"]` (Ty, Tx).
    """
    (translation,), probabilities, attention = translate(model, [sentence])
    return Answer(
        translation,
        probabilities[0].prod(),
        probabilities=probabilities[0],
        attention=attention[0],
    )


def exact(model, pairs):
    """The share of pairs (human, ISO) that are translated without a wrong character."""
    translations, _, _ = translate(model, [human for human, _ in pairs])
    return np.mean([t == iso for t, (_, iso) in zip(translations, pairs, strict=True)])


def evaluate(model=None):
    """Exact dates as rows (what, ours, goal); the course's weights where at hand."""
    model = model or load_pretrained()
    unseen = dates.make_pairs(10_000, seed=1, held_out=True)
    rows = [
        ("exact dates, 10,000 on days never seen", exact(model, unseen), 0.999),
        (
            f"exact, {len(EXAMPLES)} sentences of the course",
            exact(model, EXAMPLES),
            1.0,
        ),
    ]
    if weights.available("date_translation", "course"):
        # The days that the course's generator knew when the file was written.
        known = datetime.date(1970, 1, 1), datetime.date(2017, 12, 31)
        theirs = dates.make_pairs(3000, seed=2, forms=dates.COURSE_FORMS, span=known)
        course = load_pretrained("course")
        printed, _, _ = translate(load_pretrained("course-2021"), PRINTED_2021)
        rows += [
            (
                "course weights, gates of Keras 2, 3,000 dates",
                exact(course, theirs),
                0.99,
            ),
            (
                "course weights, sigmoid gates: outputs as printed in 2021",
                np.mean(
                    [
                        p == q
                        for p, q in zip(printed, PRINTED_2021.values(), strict=True)
                    ]
                ),
                1.0,
            ),
        ]
    return rows


def picture(model, sentence):
    """The map of where each character looked, a matplotlib figure."""
    answer = infer(model, sentence)
    text = " ".join(sentence.lower().replace(",", " ").split())
    return plots.attention(text, answer, answer.details["attention"])


def example():
    """The question of the tour: a date in a form that trips the course's weights."""
    return "Which day is 20th February 2016?", "20th February 2016"


# The fast forms: what `modelf` computes, without the concatenation and with the
# sentence's half of the scores computed once instead of Ty times. `train` uses the
# first, compiled by XLA, `translate` the second, in NumPy, which answers at once and
# whose loop costs less than a graph's; tests hold all forms together. Both keep time
# first while they read.


def _read_and_write(X, weights, gates):
    """Probabilities (m, Ty, machine) for X (m, Tx, human)."""
    forward, backward, (score_kernel, score_bias), energy, writer, spell = weights
    x = tf.transpose(X, (1, 0, 2))  # (Tx, m, human)
    ahead, back = lstm(x, *forward, gates), lstm(x[::-1], *backward, gates)
    a = tf.concat([ahead, back[::-1]], axis=-1)
    a = tf.transpose(a, (1, 0, 2))  # (m, Tx, 2*n_a)
    n = a.shape[-1]

    memory = tf.tensordot(a, score_kernel[:n], 1) + score_bias  # (m, Tx, 10)
    kernel = tf.concat(writer[:2], axis=0)  # (2*n_a + n_s, 4*n_s)
    write = _write if gates is keras.activations.sigmoid else _write_plainly(gates)
    s = write(memory, a, score_kernel[n:], *energy, kernel, writer[2])
    y_hat = tf.nn.softmax(tf.tensordot(s, spell[0], 1) + spell[1])  # (Ty, m, machine)
    return tf.transpose(y_hat, (1, 0, 2))


def _write_plainly(gates):
    """A function like `_write` with other gates; its gradient is TensorFlow's."""

    def write(*parameters):
        s, *_ = _writing(*parameters, gates)
        return s[1:]

    return write


@tf.custom_gradient
def _write(memory, a, query, energy, energy_bias, kernel, bias):
    """The writer's states (Ty, m, n_s), with the gradient by hand.

    TensorFlow's would add up Ty gradients of `a` and of each weight, one by one; here
    each is one product over all steps. With the slopes of the LSTM as in
    `fast.recurrent`, one step backward from dz is

        [dcontext, ds<t-1>] = dz K^T
        dalpha<t'>  = a<t'> . dcontext
        denergy<t'> = alpha<t'> (dalpha<t'> - sum of alpha dalpha)     0 if energy is
        dquery      = sum over t' of denergy<t'> e (1 - tanh^2)
        ds<t-1>    += dquery Q^T

    Args:
        memory: (m, Tx, 10), the sentence's half of the scores.
        a: (m, Tx, 2*n_a), what was read.
        query: (n_s, 10), makes the other half of the writer's state.
        energy, energy_bias: (10, 1) and (1,), make energies of the scores.
        kernel, bias: the writer's, (2*n_a + n_s, 4*n_s) and (4*n_s,).
    """
    given = memory, a, query, energy, energy_bias, kernel, bias
    s, c, i, f, g, o, energies, alphas, inputs = _writing(
        *given, keras.activations.sigmoid
    )

    def gradient(dy):
        tanh_c = tf.tanh(c[1:])
        S = [g * i * (1 - i), c[:-1] * f * (1 - f), i * (1 - g**2)]
        S_o, S_c = tanh_c * o * (1 - o), o * (1 - tanh_c**2)
        turned = tf.transpose(kernel)
        dh = dc = tf.zeros_like(dy[0])
        dmemory = tf.zeros_like(memory)
        found = []
        for t in reversed(range(TY)):
            dh += dy[t]
            dc += dh * S_c[t]
            dz = tf.concat([*(dc * slope[t] for slope in S), dh * S_o[t]], axis=-1)
            dcontext, dh = tf.split(dz @ turned, [a.shape[-1], -1], axis=-1)
            dc *= f[t]
            dalphas = (a @ dcontext[..., None])[..., 0]  # (m, Tx)
            mean = tf.reduce_sum(alphas[t] * dalphas, axis=1, keepdims=True)
            denergies = alphas[t] * (dalphas - mean)
            denergies = tf.where(energies[t] > 0, denergies, tf.zeros_like(denergies))
            scores = tf.tanh(memory + (s[t] @ query)[:, None])
            dscores = denergies[..., None] * energy[:, 0] * (1 - scores**2)
            dmemory += dscores
            dquery = tf.reduce_sum(dscores, axis=1)  # (m, 10)
            dh += tf.matmul(dquery, query, transpose_b=True)
            found.append((dz, dcontext, dquery, denergies))
        dz, dcontext, dquery, denergies = (
            tf.stack(one[::-1]) for one in zip(*found, strict=True)
        )
        scores = tf.tanh(memory + tf.tensordot(s[:-1], query, 1)[:, :, None])
        all_but_last = [[0, 1], [0, 1]]
        return (
            dmemory,
            tf.einsum("ymt,yma->mta", alphas, dcontext),
            tf.tensordot(s[:-1], dquery, all_but_last),
            tf.tensordot(scores, denergies, [[0, 1, 2]] * 2)[:, None],
            tf.reduce_sum(denergies)[None],
            tf.tensordot(inputs, dz, all_but_last),
            tf.reduce_sum(dz, (0, 1)),
        )

    return s[1:], gradient


def _writing(memory, a, query, energy, energy_bias, kernel, bias, gates):
    """The writer's steps: what `_write` takes, forward.

    Returns:
        s, c: (Ty + 1, m, n_s), the states, zeros first.
        i, f, g, o: (Ty, m, n_s), the gates.
        energies, alphas: (Ty, m, Tx).
        inputs: (Ty, m, 2*n_a + n_s), of the LSTM.
    """
    s = c = tf.zeros((tf.shape(a)[0], query.shape[0]))
    kept = []
    for _ in range(TY):
        scores = tf.tanh(memory + (s @ query)[:, None])  # (m, Tx, 10)
        energies = tf.nn.relu(tf.tensordot(scores, energy[:, 0], 1) + energy_bias)
        alphas = tf.nn.softmax(energies)  # (m, Tx)
        # A product: XLA is three times slower at summing what it has multiplied.
        context = (alphas[:, None] @ a)[:, 0]
        inputs = tf.concat([context, s], axis=-1)
        i, f, g, o = tf.split(inputs @ kernel + bias, 4, axis=-1)
        i, f, g, o = gates(i), gates(f), tf.tanh(g), gates(o)
        before = s, c
        c = f * c + i * g
        s = o * tf.tanh(c)
        kept.append((*before, i, f, g, o, energies, alphas, inputs))
    states, cells, *others = (tf.stack(one) for one in zip(*kept, strict=True))
    return tf.concat([states, s[None]], 0), tf.concat([cells, c[None]], 0), *others


def _read_and_write_numpy(ids, weights, gates):
    """Probabilities (m, Ty, machine) and attention (m, Ty, Tx) for ids (m, Tx).

    Each gate and direction has an array of its own, and all states are twice as large,
    as in `fast.lstm_numpy`.
    """
    ahead, back, recurrent, *score, energy, energy_bias, kernel, bias, spell, end = (
        weights
    )
    memory_kernel, score_bias, query = score
    (m, Tx), n_a, n_s = ids.shape, recurrent.shape[-1], kernel.shape[-1]

    x = np.empty((Tx, 4, 2, m, n_a), "float32")
    x[:, :, 0] = ahead.take(ids.T, axis=0).swapaxes(1, 2)
    x[:, :, 1] = back.take(ids.T[::-1], axis=0).swapaxes(1, 2)
    states = np.zeros((Tx + 1, 2, m, n_a), "float32")  # zeros first
    z = np.empty_like(x[0])
    step = lstm_numpy.make_lstm_step(z, gates)
    for t in range(Tx):
        np.matmul(states[t], recurrent, z)
        z += x[t]
        step(states[t + 1])
    a = np.concatenate([states[1:, 0], states[:0:-1, 1]], axis=-1)  # (Tx, m, 2*n_a)

    memory = memory_kernel @ a.reshape(Tx * m, -1).T + score_bias
    memory = memory.reshape(-1, Tx, m)  # of ten units
    scores = np.empty_like(memory)
    flat, read = scores.reshape(len(memory), -1), a.swapaxes(0, 1)
    inputs = np.zeros((m, 2 * n_a + n_s), "float32")
    context, s = inputs[:, None, : 2 * n_a], inputs[:, 2 * n_a :]
    z = np.empty((4, m, n_s), "float32")
    step = lstm_numpy.make_lstm_step(z, gates)
    written = np.empty((TY, m, n_s), "float32")
    attention = np.empty((TY, Tx, m), "float32")
    zeros = np.zeros_like(attention[0])
    for t, alphas in enumerate(attention):
        np.add(memory, np.dot(query, s.T)[:, None], scores)
        np.tanh(scores, scores)
        np.dot(energy, flat, alphas.reshape(-1))
        alphas += energy_bias
        np.maximum(alphas, zeros, out=alphas)
        _softmax(alphas, axis=0)
        np.matmul(alphas.T[:, None], read, context)
        np.matmul(inputs, kernel, z)
        z += bias
        step(s)
        written[t] = s
    y_hat = _softmax(written @ spell + end, axis=-1)
    return y_hat.swapaxes(0, 1), attention.transpose(2, 0, 1)


def _softmax(x, axis):
    """Along one axis of x, which is overwritten."""
    x -= np.maximum.reduce(x, axis, keepdims=True)
    np.exp(x, x)
    x /= np.add.reduce(x, axis, keepdims=True)
    return x


def _ordered(*weights, gates):
    """A matrix for each gate, and halved what reads states."""
    kernels, recurrents, biases = zip(weights[:3], weights[3:6], strict=True)
    score, score_bias, energy, energy_bias, *writer = weights[6:]
    kernel, recurrent, bias, spell, end = writer
    n = 2 * len(recurrents[0])

    def matrices(w):  # (units, 4*units) to (4, units, units)
        w = lstm_numpy.pack_gates(w / 2, gates)
        return np.ascontiguousarray(w.swapaxes(0, 1))

    return (
        *(
            lstm_numpy.pack_gates(k + b, gates)
            for k, b in zip(kernels, biases, strict=True)
        ),
        np.stack([matrices(w) for w in recurrents], axis=1),  # (4, 2, n_a, n_a)
        *(score[:n].T / 2, score_bias[:, None], score[n:].T / 2),
        *(energy[:, 0], energy_bias),
        matrices(np.concatenate([kernel, recurrent])),  # (4, 2*n_a + n_s, n_s)
        lstm_numpy.pack_gates(bias, gates)[:, None],
        *(spell / 2, end),
    )


def _weights(model):
    """The model's variables, layer by layer."""
    reader = model.get_layer("reader")
    others = (model.get_layer(n) for n in ("score", "energy", "writer", "spell"))
    found = (reader.forward_layer, reader.backward_layer, *others)
    return tuple(tuple(w.value for w in layer.weights) for layer in found)


def _gates(model):
    return model.get_layer("writer").cell.recurrent_activation
