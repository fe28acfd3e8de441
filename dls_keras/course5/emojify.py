"""Emojify: an emoji for a sentence, by word vectors and two LSTMs (C5 W2 A2).

In word vectors trained on billions of words "adore" is close to "love", so a network
trained on 132 labelled sentences generalises to words that are not among them. The
first version averages the vectors, and so ignores their order:

    z = W avg + b,   a = softmax(z),   "not happy" = "happy not"

The second version is a two-layer LSTM over the sequence of vectors.

Shapes: m sentences, vectors of 50 numbers, n_y = 5 emoji. Edition: 2021, which skips
words without a vector; in 2017 they were an error, `model` seeded its generator with 1,
and the average was taken over all words.
"""

import contextlib
import io
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from dls_keras.core import examples, inputs, pretrained, readers, settings, weights
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import emoji, glove
from dls_keras.datasets.emoji import read_csv as read_csv

MAX_LEN = 10  # longest sentence, in known words
LONGEST_VECTOR = 1000  # of a word; those of GloVe have up to 300 numbers


# The assignment: the course's functions under the course's signatures.


def softmax(x):
    """The softmax of a vector x: exp(x) divided by its sum."""
    e_x = np.exp(x - np.max(x))
    return e_x / e_x.sum()


def convert_to_one_hot(Y, C):
    """The labels Y, in any shape, as one-hot rows (m, C)."""
    return np.eye(C)[np.reshape(Y, -1)]


def label_to_emoji(label):
    """The emoji of a label from 0 to 4, a number or its text."""
    return emoji.EMOJI[int(label)]


def read_glove_vecs(glove_file):
    """The words of a GloVe file in alphabetical order, numbered from 1.

    Index 0 is reserved for padding.

    Returns:
        words_to_index, index_to_words: dicts, each the inverse of the other.
        word_to_vec_map: dict from words to vectors (n,) float64.
    """
    word_to_vec_map = dict(glove.read([glove_file]))
    words_to_index = _numbered(word_to_vec_map)
    return words_to_index, {i: w for w, i in words_to_index.items()}, word_to_vec_map


def sentence_to_avg(sentence, word_to_vec_map):
    """The mean vector (n,) of the words that have one; zeros if none has."""
    n = len(next(iter(word_to_vec_map.values())))
    known = [
        word_to_vec_map[w] for w in sentence.lower().split() if w in word_to_vec_map
    ]
    return np.mean(known, axis=0) if known else np.zeros(n)


def model(X, Y, word_to_vec_map, learning_rate=0.01, num_iterations=400):
    """Train softmax regression on averaged vectors, one sentence at a time.

    Args:
        X: (m,) sentences.
        Y: (m,) labels.

    Returns:
        pred: (m, 1) predicted labels at the last printed cost, every 100th epoch;
            W (n_y, n) and b (n_y,).
    """
    n_y, n = len(np.unique(Y)), len(next(iter(word_to_vec_map.values())))
    W = np.random.randn(n_y, n) / np.sqrt(n)  # Xavier
    b = np.zeros(n_y)
    Y_oh = convert_to_one_hot(Y, C=n_y)
    averages = [sentence_to_avg(sentence, word_to_vec_map) for sentence in X]
    for t in range(num_iterations):
        for avg, y in zip(averages, Y_oh, strict=True):
            a = softmax(W @ avg + b)
            cost = -np.sum(y * np.log(a))
            dz = a - y
            W = W - learning_rate * np.outer(dz, avg)
            b = b - learning_rate * dz
        if t % 100 == 0:
            print(f"Epoch: {t} --- cost = {cost}")
            pred = predict(X, Y, W, b, word_to_vec_map)
    return pred, W, b


def predict(X, Y, W, b, word_to_vec_map):
    """Predicted labels (m, 1) float64 of the sentences X; prints the accuracy."""
    scores = [W @ sentence_to_avg(sentence, word_to_vec_map) + b for sentence in X]
    pred = np.argmax(scores, axis=1).reshape(-1, 1).astype(float)
    print(f"Accuracy: {np.mean(pred[:, 0] == np.ravel(Y))}")
    return pred


def sentences_to_indices(X, word_to_index, max_len):
    """The sentences as rows of indices (m, max_len) float64, padded with 0.

    Words without an index are skipped; longer sentences are truncated.
    """
    X_indices = np.zeros((len(X), max_len))
    for row, sentence in zip(X_indices, X, strict=True):
        known = [
            word_to_index[w] for w in sentence.lower().split() if w in word_to_index
        ]
        row[: len(known)] = known[:max_len]
    return X_indices


@settings.keras_defaults()
def pretrained_embedding_layer(word_to_vec_map, word_to_index):
    """A frozen embedding layer that maps indices to word vectors.

    Returns:
        A built `keras.layers.Embedding`; row 0 is for padding.
    """
    from keras import layers  # lazy import: the first version needs NumPy alone

    n = len(next(iter(word_to_vec_map.values())))
    emb_matrix = np.zeros((len(word_to_index) + 1, n))
    for word, index in word_to_index.items():
        emb_matrix[index] = word_to_vec_map[word]
    embedding_layer = layers.Embedding(*emb_matrix.shape, trainable=False)
    embedding_layer.build((None,))
    embedding_layer.set_weights([emb_matrix])
    return embedding_layer


@settings.keras_defaults()
def Emojify_V2(input_shape, word_to_vec_map, word_to_index, *, gates="sigmoid"):
    """A model from indices (m, *input_shape) to softmaxes (m, 5).

    Args:
        gates: activation of the LSTMs' gates; "keras2_hard_sigmoid" for weights of
            Keras 1 and 2.
    """
    import keras
    from keras import layers

    from dls_keras.converters import keras_h5

    gate = {"recurrent_activation": keras_h5.gate_activation(gates)}
    sentence_indices = keras.Input(input_shape, dtype="int32")
    X = pretrained_embedding_layer(word_to_vec_map, word_to_index)(sentence_indices)
    X = layers.LSTM(128, return_sequences=True, **gate)(X)
    X = layers.Dropout(0.5)(X)
    X = layers.LSTM(128, **gate)(X)
    X = layers.Dropout(0.5)(X)
    X = layers.Dense(5)(X)
    X = layers.Activation("softmax")(X)
    return keras.Model(sentence_indices, X)


# The application: the names that every assignment shares.


class Emojifier(NamedTuple):
    """The second version and its vocabulary, numbered from 1."""

    model: Any  # a Keras model
    word_to_index: dict[str, int]


def load_data(
    composed: int = 0, times: int = 1, seed: int = 0, *, synthetic: bool = False
) -> emoji.Emoji:
    """The course's sentences, followed by `composed` ones of `emoji.make_emoji`.

    Args:
        times: how often each sentence of the course is repeated, to balance the two.
        synthetic: composed sentences in place of the course's; needs no files.
    """
    data = emoji.load_emoji(synthetic=synthetic)
    x, y = emoji.make_emoji(composed, seed=seed)
    return data._replace(
        x=np.concatenate([np.tile(data.x, times), x]),
        y=np.concatenate([np.tile(data.y, times), y]),
    )


def vocabulary(
    sentences: Iterable[str], vectors: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The vectors of all words of the sentences that have one."""
    words = sorted({w for sentence in sentences for w in sentence.lower().split()})
    return {word: vectors[word] for word in words if word in vectors}


def build_model(
    word_to_vec_map: Mapping[str, np.ndarray] | None = None, *, gates: str = "sigmoid"
) -> Emojifier:
    """The second version, untrained, for a vocabulary of word vectors.

    Args:
        word_to_vec_map: by default that of the shipped weights; for your own sentences
            `vocabulary(sentences, glove.load_glove())`, or all of GloVe.
        gates: as in `Emojify_V2`.
    """
    if word_to_vec_map is None:
        path = weights.verify(weights.record("emojify"))
        word_to_vec_map = _vectors(weights.load_arrays(path, known=True))
    word_to_index = _numbered(word_to_vec_map)
    network = Emojify_V2((MAX_LEN,), word_to_vec_map, word_to_index, gates=gates)
    return Emojifier(network, word_to_index)


@examples.accepted()
def train(
    model: Emojifier,
    data: emoji.Emoji,
    *,
    epochs: int = 30,
    batch_size: int = 32,
    learning_rate: float = 0.001,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train the LSTMs of `model` in place; return each epoch's mean cross-entropy.

    Args:
        settings: further arguments of `core.training.fit`.
    """
    import keras
    import tensorflow as tf

    from dls_keras.core import training
    from dls_keras.fast.layers import Adam

    keras.utils.set_random_seed(seed)
    network = model.model

    def indices(x):
        return sentences_to_indices(x, model.word_to_index, MAX_LEN).astype("int32")

    x = indices(data.x)
    if settings.get("validation_data"):
        x_val, y_val = settings["validation_data"]
        settings["validation_data"] = (indices(x_val), y_val)

    def loss_fn(x, y, training=True):
        y_hat = network(x, training=training)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    steps = len(x) // batch_size
    return training.fit(
        loss_fn,
        (x, data.y),
        network.trainable_variables,
        Adam(keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=[v for v in network.non_trainable_variables if v.dtype != "float32"],
        jit_compile=False,  # on GPUs Keras uses cuDNN's LSTM, which XLA cannot compile
        model=network,
        **settings,
    )


def to_arrays(model: Emojifier) -> dict[str, np.ndarray]:
    """The content of a weight file: the vocabulary, its vectors, and the LSTMs."""
    embedding, *trained = (variable.numpy() for variable in model.model.weights)
    arrays = {f"trained/{i}": array for i, array in enumerate(trained)}
    arrays["words"] = np.array([word.encode() for word in model.word_to_index])
    arrays["vectors"] = embedding[1:]  # row 0 is the padding
    return arrays


def from_arrays(
    arrays: Mapping[str, np.ndarray], *, gates: str = "sigmoid"
) -> Emojifier:
    """The model from the content of a weight file; the inverse of `to_arrays`."""
    model = build_model(_vectors(arrays), gates=gates)
    _, *trained = model.model.weights  # all but the embedding
    names = [f"trained/{i}" for i in range(len(trained))]
    weights.check_names(arrays, [*names, "words", "vectors"], "emojify")
    weights.assign(trained, [arrays[name] for name in names], "emojify")
    return model


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> Emojifier:
    """The second version with its shipped weights and vocabulary, verified."""

    def log_probabilities(model):
        x = sentences_to_indices(["i love you"], model.word_to_index, MAX_LEN)
        return np.log(model.model(x.astype("int32"), training=False))

    return weights.load(from_arrays, "emojify", variant, outputs=log_probabilities)


def _vectors(arrays):
    """The vectors of the words in a weight file, by word."""
    words, vectors = weights.texts(arrays, "words"), arrays.get("vectors")
    shape = () if vectors is None or vectors.dtype.kind != "f" else vectors.shape
    if len(shape) != 2 or shape[0] != len(words) or shape[1] > LONGEST_VECTOR:
        raise InputError(
            f"The weight file has {len(words):,} words and vectors of shape {shape}, "
            f"expected one of at most {LONGEST_VECTOR} numbers for each word. The file "
            "belongs to another model."
        )
    return dict(zip(words, readers.checked_numbers(vectors, "vectors"), strict=True))


def _numbered(words):
    """The words in alphabetical order, numbered from 1."""
    return {word: i for i, word in enumerate(sorted(words), 1)}


@inputs.batched()
def infer(model: Emojifier, sentences: Any) -> list[Answer]:
    """The emoji for a sentence with 1 to 10 words of the vocabulary, or for a list.

    A contraction is two words, as in the texts of GloVe: "don't" is "do n't".

    Returns:
        An `Answer`, the emoji; its confidence is the softmax probability.
        `details["probabilities"]` has one per class name, `details["unknown"]` the
        words that were skipped because they have no vector.

    Raises:
        InputError: if no word, or more than 10, are in the vocabulary.
    """
    words = [_words(sentence) for sentence in sentences]
    unknown = [_unknown(model, *pair) for pair in zip(sentences, words, strict=True)]
    texts = [" ".join(several) for several in words]
    x = sentences_to_indices(texts, model.word_to_index, MAX_LEN).astype("int32")
    y_hat = np.asarray(model.model(x, training=False)).tolist()
    best = np.argmax(y_hat, axis=1)
    return [
        Answer(
            label_to_emoji(k),
            p[k],
            probabilities=dict(zip(emoji.CLASSES, p, strict=True)),
            unknown=skipped,
        )
        for k, p, skipped in zip(best.tolist(), y_hat, unknown, strict=True)
    ]


def _unknown(model, sentence, words):
    """The words of a sentence that have no vector, if the others are 1 to 10."""
    unknown = [word for word in words if word.lower() not in model.word_to_index]
    known = len(words) - len(unknown)
    if not 0 < known <= MAX_LEN:
        raise InputError(
            f"{known} words of {sentence!r} are in the vocabulary, expected 1 to "
            f'{MAX_LEN}; a contraction such as "don\'t" is two words. Use a short '
            "English sentence."
        )
    return unknown


def _words(sentence):
    """The words of a sentence without punctuation, split as in the Penn Treebank.

    >>> _words("“Don’t go”—she’s here…")
    ['Do', "n't", 'go', 'she', "'s", 'here']
    """
    if not isinstance(sentence, str):
        raise InputError(
            f"Expected a sentence, received {type(sentence).__name__}. Pass a string."
        )
    text = unicodedata.normalize("NFKC", sentence.translate(_ASCII))
    text = _DASH_OR_ELLIPSIS.sub(" ", text).replace("–", "-")
    words = _WORD.findall(_CONTRACTION.sub(r" \1", text))
    # The training sentences say "I am", never "I'm".
    return ["am" if word.lower() == "'m" else word for word in words]


# Typographic marks and their ASCII forms; NFKC replaces "…" and all kinds of spaces.
_ASCII = str.maketrans(
    dict.fromkeys("‘’‚‛‹›ʼ′`´", "'")
    | dict.fromkeys("“”„‟«»″", '"')
    | dict.fromkeys("‐‑−", "-")
    | dict.fromkeys("—―", "--")
    | dict.fromkeys("\u00ad\u2060\ufeff")  # soft hyphen, no-break of width zero
    | {"\u200b": " "}
)
_DASH_OR_ELLIPSIS = re.compile(r"\.{2,}|-{2,}|–(?!\d)")  # but "3–2" is "3-2"
_SUFFIX = "'(?:s|m|d|re|ve|ll)"
_CONTRACTION = re.compile(rf"(?<=\w)(n't|{_SUFFIX})\b", re.IGNORECASE)
_MARKS = r""".,:;!?"'()\[\]{}¡¿-"""  # not part of a word at its beginning and end
_WORD = re.compile(
    rf"{_SUFFIX}(?=[{_MARKS}]*(?:\s|$))|[^\s{_MARKS}](?:\S*[^\s{_MARKS}])?",
    re.IGNORECASE,
)


def evaluate(model: Emojifier | None = None, *, synthetic: bool = False) -> list[Row]:
    """The accuracy of both versions on held-out sentences.

    The rows of the course's sentences need its data and GloVe.

    Args:
        synthetic: only the row of composed sentences, so that no files are read.
    """
    model = load_pretrained() if model is None else model
    x, y = emoji.make_emoji(500, seed=10_000)
    composed = Row("accuracy, 500 composed sentences", _accuracy(model, x, y))
    if synthetic:
        return [composed]
    try:
        data, vectors = load_data(), glove.load_glove()
    except MissingFileError:
        return [composed]
    test = _accuracy(model, data.x_test, data.y_test)
    name = f"test accuracy, the course's {len(data.x_test)} sentences"
    rows = [Row(name, test, at_least=0.85), composed]
    W, b = _averages(data, vectors)
    for part, x, y, goal in (
        ("train", data.x, data.y, 0.955),
        ("test", data.x_test, data.y_test, 0.804),
    ):
        averages = np.array([sentence_to_avg(s, vectors) for s in x])
        right = np.mean(np.argmax(averages @ W.T + b, axis=1) == y)
        name = f"first version: {part} accuracy, {len(x)} sentences"
        rows.append(Row(name, right, equals=goal))
    return rows


def _averages(data, vectors):
    """W and b of the first version, trained as in the course with seed 1."""
    state = np.random.get_state()
    np.random.seed(1)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            _, W, b = model(data.x, data.y, vectors)
    finally:
        np.random.set_state(state)
    return W, b


def _accuracy(model, x, y):
    x = sentences_to_indices(x, model.word_to_index, MAX_LEN).astype("int32")
    return np.mean(model.model.predict(x, verbose=0).argmax(1) == y)


def picture(sentence: str, answer: Answer) -> Any:
    """A bar chart of the probabilities, a matplotlib figure."""
    from dls_keras import plots  # lazy import of matplotlib

    names = dict(zip(emoji.EMOJI, emoji.CLASSES, strict=True))
    title = f"{' '.join(sentence.split())!r}: {names[answer]}"
    return plots.probabilities(answer.details["probabilities"], title=title)


def example() -> tuple[str, str]:
    """The question of the tour."""
    return "Which emoji fits: I adore my little sister?", "I adore my little sister"
