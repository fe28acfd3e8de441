"""Date translation: "25th of June, 2009" -> "2009-06-25" with attention (C5 W3 A1).

The encoder, a bidirectional LSTM, turns the sentence into one vector a<t'> per input
character; the decoder, another LSTM, outputs ten characters. Before each of them a
small network computes an energy for every position of the sentence from a<t'> and the
decoder's previous state, and the energies become the weights of an average:

    alpha<t,t'> = softmax over t' of energy(a<t'>, s<t-1>)
    context<t>  = sum over t' of alpha<t,t'> * a<t'>

So the decoder need not remember the whole sentence: at each step it reads the part
that it needs (additive attention).

Shapes: m dates, Tx = 30 characters in, Ty = 10 out, n_a = 32 units per direction of the
encoder, n_s = 64 in the decoder. Edition: 2021; in 2017 `modelf` was called `model`.
Paper: Bahdanau, Cho & Bengio (2015), https://arxiv.org/abs/1409.0473
"""

import datetime
from collections.abc import Iterable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.converters import keras_h5
from dls_keras.core import examples, inputs, pretrained, settings, training, weights
from dls_keras.core.answers import Answer, Row
from dls_keras.datasets import dates
from dls_keras.fast import attention_translator
from dls_keras.fast.attention_translator import PackedWeights

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam

TX = 30  # longest sentence kept, in characters
TY = 10  # "YYYY-MM-DD"
N_A, N_S = 32, 64


# The assignment: the course's functions under the course's signatures.


def softmax(x, axis=1):
    """exp(x) divided by its sum along `axis`; axis 1 is time in the attention."""
    return keras.ops.softmax(x, axis=axis)


@keras.saving.register_keras_serializable(package="dls_keras")
def softmax_over_time(x):
    """`softmax` over axis 1, the input time steps, under a name of its own.

    Keras saves a function named "softmax" as its own softmax, which is over the last
    axis: a model loaded from such a file would give other numbers without any error.
    """
    return softmax(x, axis=1)


def string_to_int(string, length, vocab):
    """The string as `length` indices: lower case, no commas, cut or padded.

    A character that is not in the vocabulary becomes the index of `<unk>`. The course
    inserts the text "<unk>" itself, which an array of indices cannot hold.
    """
    string = string.lower().replace(",", "")[:length]
    unknown = vocab.get("<unk>", "<unk>")
    ids = [vocab.get(character, unknown) for character in string]
    return ids + [vocab["<pad>"] for _ in range(length - len(ids))]


def int_to_string(ints, inv_vocab):
    """The list of characters that the indices stand for."""
    return [inv_vocab[i] for i in ints]


def preprocess_data(dataset, human_vocab, machine_vocab, Tx, Ty):
    """Pairs of texts as arrays of indices, and one-hot.

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


@settings.keras_defaults()
def attention_layers(Tx=TX):
    """The layers that all Ty attention steps share (the notebook's globals)."""
    return (
        layers.RepeatVector(Tx),
        layers.Concatenate(axis=-1),
        layers.Dense(10, activation="tanh", name="score"),
        layers.Dense(1, activation="relu", name="energy"),
        layers.Activation(softmax_over_time, name="attention_weights"),
        layers.Dot(axes=1),
    )


def one_step_attention(a, s_prev, *, shared=None):
    """The context that the decoder reads before it outputs one character.

    Args:
        a: (m, Tx, 2*n_a), the encoder's outputs.
        s_prev: (m, n_s), the decoder's state after the previous character.
        shared: result of `attention_layers`; None makes new, untrained layers.

    Returns:
        (m, 1, 2*n_a), the average of `a` over Tx under the attention weights.
    """
    shared = shared or attention_layers(a.shape[1])
    repeat, join, score, energy, normalise, average = shared
    pairs = join([a, repeat(s_prev)])  # (m, Tx, 2*n_a + n_s)
    energies = energy(score(pairs))  # (m, Tx, 1)
    alphas = normalise(energies)  # (m, Tx, 1), sums to 1 over Tx
    return average([alphas, a])


@settings.keras_defaults()
def modelf(Tx, Ty, n_a, n_s, human_vocab_size, machine_vocab_size, *, gates="sigmoid"):
    """Model from [X, s0, c0] to Ty softmaxes, each (m, machine_vocab_size).

    Args:
        gates: activation of the LSTMs' gates. Files of Keras 1 and 2 were trained with
            another one than the sigmoid, see `load_pretrained`.
    """
    X = keras.Input((Tx, human_vocab_size))
    s = s0 = keras.Input((n_s,), name="s0")
    c = c0 = keras.Input((n_s,), name="c0")
    shared = attention_layers(Tx)
    # The weight files contain these layer names. The order in which layers are created
    # determines their initial weights for a given seed.
    one_direction = layers.LSTM(n_a, return_sequences=True, recurrent_activation=gates)
    decoder = layers.LSTM(
        n_s, return_state=True, recurrent_activation=gates, name="writer"
    )
    output = layers.Dense(machine_vocab_size, activation="softmax", name="spell")
    encoder = layers.Bidirectional(one_direction, name="reader")

    a = encoder(X)  # (m, Tx, 2*n_a)
    outputs = []
    for _ in range(Ty):
        context = one_step_attention(a, s, shared=shared)  # (m, 1, 2*n_a)
        s, _, c = decoder(context, initial_state=[s, c])  # (m, n_s) each
        outputs.append(output(s))
    return keras.Model([X, s0, c0], outputs)


# The application: the names that every assignment shares.


# The sentences that the course translates as a demonstration, and the days they mean.
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
# What the 2021 notebook prints with its weights, wrong days included.
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


def load_data(
    m: int = 10_000, seed: int = 0, held_out: bool = False, *, synthetic: bool = False
) -> dates.Dates:
    """m generated dates, one-hot float32: x (m, Tx, 37) and y (m, Ty, 11).

    Args:
        held_out: generate days that are held out for testing, not training days.
        synthetic: changes nothing, since these data are generated anyway.
    """
    return dates.make_dates(m, tx=TX, seed=seed, held_out=held_out)


def build_model(gates: Any = "sigmoid") -> keras.Model:
    """The course's translator, untrained.

    Args:
        gates: as in `modelf`, or "keras2_hard_sigmoid" for weights of Keras 1 and 2.
    """
    gates = keras_h5.gate_activation(gates)
    vocab_sizes = len(dates.HUMAN_VOCAB), len(dates.MACHINE_VOCAB)
    model = modelf(TX, TY, N_A, N_S, *vocab_sizes, gates=gates)
    # Only the differences between energies count in the softmax. At 5 they start above
    # 0, where the ReLU has a gradient; from 0, the attention to the year died.
    model.get_layer("energy").bias.assign([5.0])
    return model


@examples.accepted(label_axes=2)
def train(
    model: keras.Model,
    data: dates.Dates,
    *,
    epochs: int = 30,
    batch_size: int = 100,
    learning_rate: float = 0.005,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Fit `model` in place; return each epoch's mean loss, in nats per date.

    The loss of a date is the sum of the cross-entropies of its Ty characters. The
    course lowers Adam's learning rate as 1 / (1 + 0.01 * step); a cosine decay to zero
    ends with fewer wrong dates and is used here.

    Args:
        data: x (m, Tx, 37) and y (m, Ty, 11), see `load_data`.
        settings: further arguments of `core.training.fit`.
    """
    keras.utils.set_random_seed(seed)

    def loss_fn(x, y, training=True):
        # The outputs of `modelf`, (m, Ty, 11): `forward` computes the same numbers and
        # gradients faster, and a test compares both.
        y_hat = attention_translator.forward(
            x, _weights(model), Ty=TY, gates=_gates(model)
        )
        losses = keras.losses.categorical_crossentropy(y, y_hat)  # (m, Ty)
        return tf.reduce_sum(losses) / losses.shape[0]

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
        jit_compile=True,
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """The translator with trained weights.

    Args:
        variant: "default" ships with the package. "course" is the course's file with
            the gates it was trained with, the `hard_sigmoid` of Keras 2. "course-2021"
            is the same file in the 2021 edition's LSTMs, whose sigmoid gates make some
            dates wrong.
    """
    if variant == "default":
        return weights.load(build_model(), "date_translation")
    (path,) = weights.find_published("date_translation", variant)
    contents = keras_h5.read(path)
    if variant == "course":
        return keras_h5.fill(build_model(keras_h5.keras2_hard_sigmoid), contents)
    return keras_h5.fill(build_model(), contents, gates="as built")


def packed(model: keras.Model) -> PackedWeights:
    """A copy of the model's weights in the layout that NumPy reads fastest.

    `translate` and `infer` accept it in place of the model and then need not repack
    the weights at every call: one date takes 0.4 ms instead of 1.2 on one CPU core.
    Later training of the model does not change the copy.
    """
    return attention_translator.pack(_weights(model), _gates(model))


def translate(
    model: keras.Model | PackedWeights, sentences: Iterable[str]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Translate many dates, in NumPy.

    For each character the most probable one is taken (greedy decoding), as in the
    course.

    Args:
        model: a translator, or the result of `packed`.
        sentences: n texts of at most 30 characters.

    Returns:
        translations: n texts "YYYY-MM-DD".
        probabilities: (n, Ty) float32, of each output character.
        attention: (n, Ty, Tx) float32, the attention weights; rows sum to 1.

    Raises:
        InputError: if a sentence is not a text, empty or too long.
    """
    arrays = model if isinstance(model, PackedWeights) else packed(model)
    ids = np.array([dates.indices(sentence, TX) for sentence in sentences])
    # The outputs of `modelf` and its attention weights, computed for low latency.
    y_hat, attention = attention_translator.decode(ids, arrays, Ty=TY)
    return dates.decode_all(y_hat.argmax(-1)), y_hat.max(-1), attention


@inputs.batched()
def infer(model: keras.Model | PackedWeights, sentences: Any) -> list[Answer]:
    """Translate one date, such as "5 April 09", into "YYYY-MM-DD".

    Args:
        model: as in `translate`.
        sentences: a text, or a list of texts.

    Returns:
        An `Answer`, a day of the calendar. Its confidence is the product of the ten
        characters' probabilities, `details["probabilities"]` (Ty,);
        `details["attention"]` (Ty, Tx) holds the attention weights.

    Raises:
        InputError: if the sentence is not a text, empty or too long, or if the
            translation cannot be right, see `dates.check`.
    """
    translated = list(zip(sentences, *translate(model, sentences), strict=True))
    for sentence, translation, _, _ in translated:
        dates.check(sentence, translation)
    return [
        Answer(translation, p.prod(), probabilities=p, attention=attention)
        for _, translation, p, attention in translated
    ]


def exact_match(
    model: keras.Model | PackedWeights, pairs: Sequence[tuple[str, str]]
) -> float:
    """The share of pairs (human, ISO) that are translated without a wrong character."""
    translations, _, _ = translate(model, [human for human, _ in pairs])
    return _equal(translations, [iso for _, iso in pairs])


def evaluate(
    model: keras.Model | PackedWeights | None = None, *, synthetic: bool = False
) -> list[Row]:
    """Exact matches on held-out days, and of the course's weights where available.

    Args:
        synthetic: without the course's weights, so that no files are read.
    """
    model = model or load_pretrained()
    held_out = dates.make_pairs(10_000, seed=1, held_out=True)
    rows = [
        Row(
            "exact matches, 10,000 dates on held-out days",
            exact_match(model, held_out),
            at_least=0.999,
        ),
        Row(
            f"exact matches, {len(EXAMPLES)} sentences of the course",
            exact_match(model, EXAMPLES),
            at_least=1.0,
        ),
    ]
    if weights.available("date_translation", "course") and not synthetic:
        # The range of dates of the generator that made the file's training set.
        span = datetime.date(1970, 1, 1), datetime.date(2017, 12, 31)
        pairs = dates.make_pairs(3000, seed=2, forms=dates.COURSE_FORMS, span=span)
        printed, _, _ = translate(load_pretrained("course-2021"), PRINTED_2021)
        rows += [
            Row(
                "course weights with the gates of Keras 2: exact matches, 3,000 dates",
                exact_match(load_pretrained("course"), pairs),
                at_least=0.99,
            ),
            Row(
                "course weights with sigmoid gates: outputs as printed in 2021",
                _equal(printed, list(PRINTED_2021.values())),
                equals=1.0,
            ),
        ]
    return rows


def picture(sentence: str, answer: Answer) -> Figure:
    """A heat map of the attention weights, a matplotlib figure."""
    return plots.attention(dates.clean(sentence), answer, answer.details["attention"])


def example() -> tuple[str, str]:
    """The question of the tour: a date that the course's own weights get wrong."""
    return "Which day is 20th February 2016?", "20th February 2016"


def _equal(texts, expected):
    """The share of equal texts."""
    return float(np.mean([a == b for a, b in zip(texts, expected, strict=True)]))


def _weights(model):
    """The model's weights, layer by layer."""
    encoder = model.get_layer("reader")
    others = (model.get_layer(n) for n in ("score", "energy", "writer", "spell"))
    found = encoder.forward_layer, encoder.backward_layer, *others
    return attention_translator.Weights(
        *(tuple(variable.value for variable in layer.weights) for layer in found)
    )


def _gates(model):
    """The activation of the LSTMs' gates."""
    return model.get_layer("writer").cell.recurrent_activation
