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

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.converters import keras_h5
from dls_keras.core import files, training, weights
from dls_keras.core.answers import Answer
from dls_keras.core.layers import Adam
from dls_keras.datasets import dates

TX = 30  # longest sentence kept, in characters
TY = 10  # "YYYY-MM-DD"
N_A, N_S = 32, 64

WEIGHTS = {
    "default": weights.Weights(
        name="date_translation/v1",
        file="date_translation-v1.h5",
        sha256="4ac9a9330bb76956a8b8efff9be064045b0bcfc6905d70d1b1ad9af4d7cd9eb3",
        bytes=266192,
        params=52_960,
        input="(m, 30, 37) one-hot float32, then two (m, 64) zero states",
        data="100,000 dates of dates.make_dates, days in eleven left out",
        licence="generated: Apache-2.0",
        recipe="train(build_model(), load_data(100_000), batch_size=200): 30 epochs of "
        "500 steps, 76 minutes on two CPU cores shared with other work; first weights "
        "unseeded",
        seed=0,
        metrics=(
            ("exact, 10,000 dates on days never seen", "100 %"),
            ("exact, 12 sentences of the course", "100 %"),
        ),
        golden=(1.1976e-10, 6.5933e-12, 0.99978, 1.2987e-10, 3.1177e-11),
        date="2026-11-21",
    )
}

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

_COURSE = files.Remote(
    name="nmt/nmt_model.h5",
    url="https://raw.githubusercontent.com/abdur75648/"
    "Deep-Learning-Specialization-Coursera/cd9cb9a20b62aa2e1fbe52766a09f12edbb19001/"
    "Sequence%20Models/week3/w3a1/models/model.h5",
    sha256="908b9a19d6528c5efcf0374b2eb7de6c79443269b8f53c1440268e6e3399e80a",
)
PUBLISHED = {"course": _COURSE, "course-2021": _COURSE}


def load_data(m=10_000, seed=0, held_out=False):
    """m generated dates, one-hot float32: x (m, Tx, 37) and y (m, Ty, 11)."""
    return dates.make_dates(m, tx=TX, seed=seed, held_out=held_out)


def build_model(gates="sigmoid"):
    """The course's translator, untrained."""
    return modelf(
        *(TX, TY, N_A, N_S),
        *(len(dates.HUMAN_VOCAB), len(dates.MACHINE_VOCAB)),
        gates=gates,
    )


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
        y_hat, _ = _read_and_write(x, _weights(model), _gates(model))
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
    )


def load_pretrained(variant="default"):
    """The translator with trained weights.

    Args:
        variant: "default" is ours, shipped. "course" is the course's file with the
            gates it was trained with, "course-2021" the same file in the 2021
            edition's LSTMs, whose sigmoid gates make some dates wrong.
    """
    entry = weights.choose(WEIGHTS | PUBLISHED, variant)
    if variant in WEIGHTS:
        return weights.load(build_model(), entry)
    contents = keras_h5.read(files.find_data(entry))
    if variant == "course":
        return keras_h5.fill(build_model(keras_h5.keras2_hard_sigmoid), contents)
    return keras_h5.fill(build_model(), contents, gates="as built")


def translate(model, sentences):
    """Many dates at once, in one compiled graph.

    Args:
        sentences: n texts of at most 30 characters.

    Returns:
        translations: n texts "YYYY-MM-DD".
        probabilities: (n, Ty) float32, of each character written.
        attention: (n, Ty, Tx) float32, where each character looked; rows sum to 1.
    """
    x = dates.one_hot([dates.indices(s, TX) for s in sentences], len(dates.HUMAN_VOCAB))
    y_hat, attention = _translate(tf.constant(x), _weights(model), _gates(model))
    y_hat = y_hat.numpy()
    translations = [dates.decode(ids) for ids in y_hat.argmax(-1)]
    return translations, y_hat.max(-1), attention.numpy()


def infer(model, sentence):
    """Translate one date, such as "5 April 09", into "YYYY-MM-DD".

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
    if files.in_data_folder(PUBLISHED["course"].name):
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


# The fast form: what `modelf` computes, without the concatenation and with the
# sentence's half of the scores computed once instead of Ty times. `train` and
# `translate` use it; a test holds both forms together.


def _read_and_write(X, weights, gates):
    """Probabilities (m, Ty, machine) and attention (m, Ty, Tx) for X (m, Tx, human)."""
    reader, score, energy, writer, spell = weights
    n_a, n_s = reader[1].shape[1], writer[1].shape[0]
    m, Tx = tf.shape(X)[0], X.shape[1]

    # Both directions advance in one product: the second reads the sentence reversed.
    kernel, recurrent, bias = reader  # (2, human, 4*n_a), (2, n_a, 4*n_a), (2, 4*n_a)
    both = tf.stack([X, X[:, ::-1]])  # (2, m, Tx, human)
    z = tf.matmul(both, kernel[:, None]) + bias[:, None, None]
    h = c = tf.zeros((2, m, n_a))
    states = []
    for t in range(Tx):
        h, c = _lstm_step(z[:, :, t] + tf.matmul(h, recurrent), c, gates)
        states.append(h)
    forward, backward = tf.unstack(tf.stack(states, axis=2))  # (m, Tx, n_a) each
    a = tf.concat([forward, backward[:, ::-1]], axis=-1)

    kernel, recurrent, bias = writer
    memory = a @ score[0][: 2 * n_a] + score[1]  # (m, Tx, 10)
    s = c = tf.zeros((m, n_s))
    outputs, attention = [], []
    for _ in range(TY):
        scores = tf.tanh(memory + (s @ score[0][2 * n_a :])[:, None])
        energies = tf.nn.relu(scores @ energy[0] + energy[1])  # (m, Tx, 1)
        alphas = tf.nn.softmax(energies, axis=1)
        context = tf.reduce_sum(alphas * a, axis=1)
        s, c = _lstm_step(context @ kernel + s @ recurrent + bias, c, gates)
        outputs.append(tf.nn.softmax(s @ spell[0] + spell[1]))
        attention.append(alphas[:, :, 0])
    return tf.stack(outputs, axis=1), tf.stack(attention, axis=1)


_translate = tf.function(_read_and_write)


def _lstm_step(z, c, gates):
    """One LSTM step from the sum z of its inputs; gate order i, f, c, o as in Keras."""
    i, f, g, o = tf.split(z, 4, axis=-1)
    c = gates(f) * c + gates(i) * tf.tanh(g)
    return gates(o) * tf.tanh(c), c


def _weights(model):
    """The model's variables as `_read_and_write` takes them, layer by layer."""
    reader = model.get_layer("reader")
    directions = zip(
        reader.forward_layer.weights, reader.backward_layer.weights, strict=True
    )
    others = (model.get_layer(n) for n in ("score", "energy", "writer", "spell"))
    return (
        tuple(tf.stack([f.value, b.value]) for f, b in directions),
        *(tuple(w.value for w in layer.weights) for layer in others),
    )


def _gates(model):
    return model.get_layer("writer").cell.recurrent_activation
