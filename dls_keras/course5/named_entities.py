"""Named entity recognition: names, employers and skills in a resume (C5 W4 A2).

Every word of a resume gets a label: "Name", "Degree", ..., or "Empty" for most words. A
WordPiece tokenizer splits words into pieces of a small vocabulary, so no name is
unknown. The encoder of `transformer` applies self-attention to the pieces, convolutions
combine each with its neighbours, and a softmax classifies each piece,

    y_hat<t> = softmax(W a<t> + b),   loss = mean over labelled t of -log y_hat<t>[y<t>]

Adjacent words with the same label are one entity. Special pieces and padding have the
label -100 and are excluded from the loss.

Shapes: m texts in n windows of Tx pieces, 12 labels. Edition: 2021, which fine-tunes
DistilBERT from another library and drops what follows the first 512 pieces of a resume.
The network here is small, is trained from scratch, and processes long texts in
overlapping windows. The course labels words that are split at blanks, but its tokenizer
splits at punctuation, too, so its labels shift. Here both use the same words.
"""

import itertools
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.core import (
    examples,
    inputs,
    pretrained,
    settings,
    training,
    weights,
    word_pieces,
)
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.core.word_pieces import WordPieceTokenizer
from dls_keras.course5.transformer import Encoder, create_padding_mask
from dls_keras.datasets import resumes
from dls_keras.datasets.resumes import EMPTY, LABELS, Resumes

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam

TX = 128  # pieces in a window
OVERLAP = 64  # pieces that a window shares with the next
LINE_END = "\u00b6"  # the pilcrow, a character that is rare in resumes
IGNORED = -100  # the label of pieces that are excluded from the loss
LABEL_IDS = {label: i for i, label in enumerate(LABELS)}


# The assignment: the course's functions under the course's signatures.


def mergeIntervals(intervals):
    """The spans sorted and without overlap.

    Overlapping spans of one label are joined; of two labels the longer span is kept.

    Args:
        intervals: (start, end, label) each, `end` exclusive.
    """
    merged = []
    for start, end, label in sorted(intervals):
        if not merged or merged[-1][1] <= start:
            merged.append((start, end, label))
            continue
        first, last, other = merged[-1]
        if label == other:
            merged[-1] = first, max(last, end), label
        elif end - start > last - first:
            merged[-1] = start, end, label
    return merged


def trim_entity_spans(data):
    """The spans without the blanks at their ends.

    Args:
        data: pairs (text, spans).

    Returns:
        The pairs; spans that contain only blanks are removed.
    """
    trimmed = []
    for text, spans in data:
        kept = []
        for start, end, label in spans:
            inside = text[start:end]
            start += len(inside) - len(inside.lstrip())
            end -= len(inside) - len(inside.rstrip())
            if start < end:
                kept.append((start, end, label))
        trimmed.append((text, kept))
    return trimmed


def clean_dataset(data):
    """The label of every word of every text, "Empty" outside the spans.

    Args:
        data: pairs (text, spans), the spans without overlap.

    Returns:
        For each text a list with one label per word of `word_pieces.words`.
    """
    tags = []
    for text, spans in data:
        words = word_pieces.words(text)
        starts, ends = [w.start for w in words], [w.end for w in words]
        labels = [EMPTY] * len(words)
        for start, end, label in spans:
            for i in range(bisect_right(ends, start), bisect_left(starts, end)):
                labels[i] = label
        tags.append(labels)
    return tags


def tokenize_and_align_labels(
    tokenizer, examples, tags, *, max_len=TX, overlap=None, label_all_tokens=True
):
    """Texts as windows of pieces, and the label of each piece.

    Args:
        tokenizer: a `WordPieceTokenizer`.
        examples: m texts.
        tags: for each text the labels of its words, as `clean_dataset` returns them.
        max_len: pieces in a window.
        overlap: pieces that a window shares with the next, fewer than `max_len`; None
            truncates each text to one window, as the course does.
        label_all_tokens: whether all pieces of a word have its label, or only the
            first, and the others -100.

    Returns:
        x: (n, max_len) int32 ids, padded with 0.
        y: (n, max_len) int32 indices of `LABELS`; -100 at special pieces and padding.

    Raises:
        InputError: if a text has more words than labels, or a label is not in `LABELS`.
    """
    x, y = [], []
    for text, labels in zip(examples, tags, strict=True):
        encoding = tokenizer.encode(
            text, max_length=max_len if overlap is None else None
        )
        words = {word for word in encoding.word_ids if word is not None}
        if len(labels) < len(words) or not {*labels} <= {*LABELS}:
            raise InputError(
                f"Expected one of {', '.join(LABELS)} for each of {len(words)} words "
                f"and punctuation marks of {text[:30]!r}, received {len(labels)} "
                f"labels, {labels[:5]} …. `clean_dataset` returns such labels."
            )
        previous = [None, *encoding.word_ids]
        aligned = [
            IGNORED
            if word is None or (word == before and not label_all_tokens)
            else LABEL_IDS[labels[word]]
            for before, word in zip(previous, encoding.word_ids, strict=False)
        ]
        x += word_pieces.split_windows(encoding.ids, max_len, overlap or 0)
        y += word_pieces.split_windows(aligned, max_len, overlap or 0, IGNORED)
    return np.array(x, "int32"), np.array(y, "int32")


# The application: the functions that every assignment has.


@keras.saving.register_keras_serializable(package="dls_keras")
class TokenClassifier(keras.Model):
    """A Transformer encoder, two convolutions and a softmax over labels per piece.

    The convolutions have kernels of five pieces. Where a name ends depends on the
    pieces next to it, and attention needs many steps to learn what "next" is.
    """

    def __init__(
        self, vocab_size: int, num_layers: int, embedding_dim: int, num_heads: int,
        dropout_rate: float, **kwargs: Any,
    ):  # fmt: skip
        super().__init__(**kwargs)
        self.arguments = {
            "vocab_size": vocab_size, "num_layers": num_layers,
            "embedding_dim": embedding_dim, "num_heads": num_heads,
            "dropout_rate": dropout_rate,
        }  # fmt: skip
        self.encoder = Encoder(
            num_layers,
            embedding_dim,
            num_heads,
            fully_connected_dim=2 * embedding_dim,
            input_vocab_size=vocab_size,
            maximum_position_encoding=TX,
            dropout_rate=dropout_rate,
        )
        self.convolutions = [
            layers.Conv1D(2 * embedding_dim, 5, padding="same", activation="relu")
            for _ in range(2)
        ]
        self.classify = layers.Dense(len(LABELS), activation="softmax")

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), **self.arguments}

    def build(self, x_shape):
        """Create all variables, by a call on a symbolic tensor."""
        self.compute_output_spec(keras.KerasTensor(x_shape))

    def call(self, x, training=None):
        """Probabilities (m, Tx, 12) from ids (m, Tx) of at most 128 pieces."""
        mask = create_padding_mask(x)  # (m, 1, Tx)
        is_piece = tf.transpose(mask, (0, 2, 1))
        a = self.encoder(x, training=training, mask=mask)
        for convolution in self.convolutions:
            a = convolution(a * is_piece)
        return self.classify(a)


class Tagger(NamedTuple):
    """A network and its tokenizer."""

    model: TokenClassifier
    tokenizer: WordPieceTokenizer


def mark_line_ends(text: str) -> str:
    """The text with each line end replaced by a mark, which is a word of its own."""
    return text.replace("\n", LINE_END)


def load_data(
    m: int = 2000,
    seed: int = 0,
    split: str = "train",
    path: str | None = None,
    *,
    synthetic: bool = False,
) -> Resumes:
    """m synthetic resumes, or those of a file in the course's format, spans cleaned.

    Args:
        split: "train", or "test" for held-out layouts and names.
        synthetic: changes nothing, since these data are generated anyway.
    """
    if path is None:
        data = resumes.make_resumes(m, seed=seed, split=split)
    else:
        data = resumes.load_resumes(path)
    pairs = [(text, mergeIntervals(spans)) for text, spans in zip(*data, strict=True)]
    return Resumes(data.x, [spans for _, spans in trim_entity_spans(pairs)])


def vocabulary(texts: Iterable[str], size: int = 2500) -> list[str]:
    """A vocabulary of at most `size` pieces for these texts, for `build_model`."""
    return word_pieces.learn_vocabulary(map(mark_line_ends, texts), size)


@settings.keras_defaults()
def build_model(vocab: Iterable[str] | None = None) -> Tagger:
    """An untrained tagger: two layers of four heads and two convolutions.

    Args:
        vocab: the pieces; default: those of the shipped weights. For other texts,
            `vocabulary` returns suitable ones.
    """
    if vocab is None:
        path = weights.verify(weights.record("named_entities"))
        arrays = weights.load_arrays(path, known=True)
        vocab = WordPieceTokenizer.from_array(arrays["vocab"]).vocab
    tokenizer = WordPieceTokenizer([*vocab])
    network = TokenClassifier(
        len(tokenizer), num_layers=2, embedding_dim=64, num_heads=4, dropout_rate=0.1
    )
    network.build((None, TX))
    return Tagger(network, tokenizer)


@examples.accepted(label_axes=None)
def train(
    model: Tagger,
    data: Resumes,
    *,
    epochs: int = 5,
    batch_size: int = 32,
    learning_rate: float = 0.0015,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Fit `model` in place; return each epoch's mean cross-entropy per piece, in nats.

    The learning rate has a linear warmup over 1/20 of the steps, then cosine decay.

    Args:
        settings: further arguments of `core.training.fit`.
    """
    keras.utils.set_random_seed(seed)
    network, tokenizer = model
    # Every fourth text has blanks for line ends, as the course's file does.
    texts = [mark_line_ends(t) if i % 4 else t for i, t in enumerate(data.x)]
    tags = clean_dataset(zip(texts, data.y, strict=True))
    x, y = tokenize_and_align_labels(tokenizer, texts, tags, overlap=TX // 4)

    def loss_fn(x, y):
        labelled = tf.cast(y != IGNORED, tf.float32)
        y_hat = network(x, training=True)
        loss = keras.losses.sparse_categorical_crossentropy(tf.maximum(y, 0), y_hat)
        return tf.reduce_sum(loss * labelled) / tf.reduce_sum(labelled)

    steps = epochs * (len(x) // batch_size)
    rate = training.cosine_decay_with_warmup(learning_rate, steps, warmup=steps // 20)
    return training.fit(
        loss_fn,
        (x, y),
        network.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        # The random states of dropout.
        state=[v for v in network.non_trainable_variables if v.dtype != "float32"],
        model=network,
        **settings,
    )


def to_arrays(model: Tagger) -> dict[str, np.ndarray]:
    """The arrays of a weight file: the variables and the vocabulary."""
    arrays = {f"trained/{i}": v.numpy() for i, v in enumerate(model.model.weights)}
    return arrays | {"vocab": model.tokenizer.to_array()}


def from_arrays(arrays: dict[str, np.ndarray]) -> Tagger:
    """The model whose `to_arrays` are `arrays`."""
    model = build_model(weights.texts(arrays, "vocab"))
    variables = model.model.weights
    names = [f"trained/{i}" for i in range(len(variables))]
    weights.check_names(arrays, [*names, "vocab"], "named_entities")
    weights.assign(variables, [arrays[name] for name in names], "named_entities")
    return model


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> Tagger:
    """The tagger with the shipped weights and vocabulary, verified."""

    def outputs(model):
        """The log-probabilities of the labels of a first piece."""
        ids = np.arange(1, TX + 1)[np.newaxis]
        return tf.math.log(model.model(ids.astype("int32"), training=False))

    return weights.load(from_arrays, "named_entities", variant, outputs=outputs)


def word_probabilities(model: Tagger, texts: list[str]) -> list[np.ndarray]:
    """The probabilities of the labels of each word, for each text (words, 12).

    They are the means over the pieces of the word. A piece in two windows has the
    output of the window in which it is farther from the edge.
    """
    encodings = [model.tokenizer.encode(mark_line_ends(text)) for text in texts]
    windows = [word_pieces.split_windows(e.ids, TX, OVERLAP) for e in encodings]
    x = np.array([window for several in windows for window in several], "int32")
    rows = iter(model.model.predict(x, batch_size=64, verbose=0))  # (Tx, 12) each
    results = []
    for encoding, several in zip(encodings, windows, strict=True):
        outputs = [next(rows) for _ in several]
        pieces = word_pieces.join_windows(outputs, len(encoding.ids), OVERLAP)
        results.append(word_pieces.mean_per_word(pieces, encoding.word_ids))
    return results


def group_entities(text: str, probabilities: np.ndarray) -> list[dict[str, Any]]:
    """The entities of a text: adjacent words whose most probable label is the same.

    Punctuation alone is not an entity.

    Args:
        probabilities: (words, 12), from `word_probabilities`.

    Returns:
        Dicts in the order of the text: "label", "text", "start", "end" (exclusive), and
        "confidence", the mean probability of the label over the words.
    """
    words = word_pieces.words(mark_line_ends(text))
    entities, i = [], 0
    for label, run in itertools.groupby(LABELS[row.argmax()] for row in probabilities):
        j = i + len(list(run))
        if label != EMPTY and any(word.text.isalnum() for word in words[i:j]):
            start, end = words[i].start, words[j - 1].end
            entities.append(
                {
                    "label": label,
                    "text": text[start:end],
                    "start": start,
                    "end": end,
                    "confidence": float(probabilities[i:j].max(axis=1).mean()),
                }
            )
        i = j
    return entities


@inputs.batched()
def infer(model: Tagger, texts: Any) -> list[Answer]:
    """Find the entities of a resume, a text of any length, or of a list of them.

    Returns:
        An `Answer`, "Name: ...; Skills: ..., ...", whose `details["entities"]` is the
        result of `group_entities`. Its confidence is the mean confidence of the
        entities; if there are none, the mean of the words' largest probabilities.

    Raises:
        InputError: if a text is not one or has no words.
    """
    for text in texts:
        if not word_pieces.words(text):
            raise InputError(f"Expected the text of a resume, received {text!r:.60}.")
    pairs = zip(texts, word_probabilities(model, texts), strict=True)
    return [_answer(text, probabilities) for text, probabilities in pairs]


def _answer(text, probabilities):
    """The answer for one text, from the probabilities of its words."""
    entities = group_entities(text, probabilities)
    if not entities:
        return Answer("no entities", probabilities.max(axis=1).mean(), entities=[])
    by_label: dict[str, dict] = {}  # each text once, in the order of the resume
    for entity in entities:
        texts = by_label.setdefault(entity["label"], {})
        texts[" ".join(entity["text"].split())] = True
    return Answer(
        "; ".join(f"{label}: {', '.join(texts)}" for label, texts in by_label.items()),
        np.mean([entity["confidence"] for entity in entities]),
        entities=entities,
    )


def f1_score(expected: set, predicted: set) -> float:
    """2 P R / (P + R), with precision P and recall R; 1 if both sets are empty."""
    if not expected and not predicted:
        return 1.0
    return 2 * len(expected & predicted) / (len(expected) + len(predicted))


def f1_scores(model: Tagger, data: Resumes) -> tuple[float, float]:
    """F1 of entities and F1 of words, each over all resumes together.

    An entity is correct if its first and last character and its label are. Words count
    if their label is not "Empty".
    """
    results = word_probabilities(model, data.x)
    texts = [mark_line_ends(text) for text in data.x]
    tags = clean_dataset(zip(texts, data.y, strict=True))
    entities: tuple[set, set] = set(), set()  # expected, predicted
    words: tuple[set, set] = set(), set()
    for i, rows in enumerate(results):
        entities[0].update((i, *span) for span in data.y[i])
        entities[1].update(
            (i, e["start"], e["end"], e["label"])
            for e in group_entities(data.x[i], rows)
        )
        labels = [LABELS[row.argmax()] for row in rows]
        for side, row in zip(words, (tags[i], labels), strict=True):
            side.update((i, j, tag) for j, tag in enumerate(row) if tag != EMPTY)
    return f1_score(*entities), f1_score(*words)


def evaluate(model: Tagger | None = None, *, synthetic: bool = False) -> list[Row]:
    """F1 on resumes with held-out layouts and names, and on layouts of training.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    model = load_pretrained() if model is None else model
    test = load_data(300, seed=1, split="test")
    flat = test._replace(x=[text.replace("\n", " ") for text in test.x])
    rows = []
    for data, what, goal in (
        (test, "300 resumes with held-out layouts and names", 0.95),
        (flat, "the same with blanks for line ends", None),
        (load_data(300, seed=1), "300 new resumes in training layouts", None),
    ):
        of_entities, of_words = f1_scores(model, data)
        rows.append(Row(f"F1 of entities, {what}", of_entities, at_least=goal))
        rows.append(Row(f"F1 of words, {what}", of_words))
    return rows


def picture(text: str, answer: Answer) -> Figure:
    """The text with its entities highlighted, one colour per label, a figure."""
    entities = answer.details["entities"]
    spans = [(e["start"], e["end"], e["label"]) for e in entities]
    return plots.spans(text, spans, LABELS[1:])


def example() -> tuple[str, str]:
    """The question of the tour, with an invented resume."""
    return "Which entities does this resume contain?", resumes.EXAMPLE
