"""Named entities: names, employers and skills in a resume, by a transformer (C5 W4 A2).

Every word of a resume gets a label: "Name", "Degree", …, or "Empty" for most. Words are
cut into pieces of a small vocabulary, so that no name is unknown; the Encoder of
`transformer` lets all pieces look at each other; convolutions look at neighbours; a
softmax labels each piece,

    y_hat<t> = softmax(W a<t> + b),   loss = mean over labelled t of -log y_hat<t>[y<t>]

and neighbouring words of one label are an entity. Special pieces and the filling have
the label -100, which the loss leaves out.

Shapes: m texts in n windows of Tx pieces, 12 labels. Edition: 2021, which fine-tunes
DistilBERT from another library and leaves resumes longer than 512 pieces unread at
their end; ours is small, learns from scratch, and reads long texts in windows that
overlap. There the words of the labels (cut at blanks) are not the tokenizer's words
(cut at marks, too), so labels slip; here they are the same words.
"""

import itertools
from bisect import bisect_left, bisect_right
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras.core import training, weights, word_pieces
from dls_keras.core.answers import Answer
from dls_keras.core.errors import InputError
from dls_keras.core.word_pieces import WordPieces
from dls_keras.course5.transformer import Encoder, create_padding_mask
from dls_keras.datasets import resumes
from dls_keras.datasets.resumes import EMPTY, LABELS
from dls_keras.fast.layers import Adam

TX = 128  # pieces in a window
OVERLAP = 64  # pieces that a window shares with the next
LINE_END = "\u00b6"  # the pilcrow, a mark that hardly a resume has
IGNORED = -100  # the label of what the loss leaves out

EXAMPLE = """\
Marta Velindo
Data Analyst, Trisko Systems
Lisbon | marta.velindo@example.org

Seven years of experience in reporting; skilled in SQL, Tableau and forecasting.

WORK EXPERIENCE
Data Analyst, Trisko Systems, Lisbon, 2019 to present
- Built dashboards with Power BI for 40 users.
Junior Statistician at Port Kelva Insurance (2017 - 2019)
- Reported to Jonas Brettick, head of data quality.

EDUCATION
Master of Science in Statistics, Quorra University, 2017

SKILLS
Python, SQL, Tableau, Statistics"""


# The assignment: the course's functions under the course's signatures.


def mergeIntervals(intervals):
    """The spans in order, none over another: equal labels join, else the longer stays.

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
        As many pairs; spans of blanks alone are gone.
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
    """The label of every word of every text; "Empty" where no span begins or goes on.

    Args:
        data: pairs (text, spans), the spans without overlap.

    Returns:
        A list of labels a text, one a word of `word_pieces.words`.
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
        tokenizer: a `WordPieces`.
        examples: m texts.
        tags: for each text the labels of its words, as `clean_dataset` gives them.
        max_len: pieces in a window.
        overlap: pieces that a window shares with the next, fewer than `max_len`; None
            cuts off what does not fit into one window, as the course does.
        label_all_tokens: whether all pieces of a word carry its label, or only the
            first, and the others -100.

    Returns:
        x: (n, max_len) int32 ids, filled up with 0.
        y: (n, max_len) int32 places in `LABELS`; -100 for special pieces and filling.

    Raises:
        InputError: if a text has more words than labels, as where both were cut in
            different ways, or a label is none of `LABELS`.
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
                f"and marks of {text[:30]!r}, got {len(labels)} labels, "
                f"{labels[:5]} …. `clean_dataset` gives such labels."
            )
        previous = [None, *encoding.word_ids]
        aligned = [
            IGNORED
            if word is None or (word == before and not label_all_tokens)
            else _NUMBERS[labels[word]]
            for before, word in zip(previous, encoding.word_ids, strict=False)
        ]
        for part in _windows(len(aligned), max_len, overlap or 0):
            x.append(_filled(encoding.ids[part], max_len, 0))
            y.append(_filled(aligned[part], max_len, IGNORED))
    return np.array(x, "int32"), np.array(y, "int32")


_NUMBERS = {label: i for i, label in enumerate(LABELS)}


def _windows(length, max_len, overlap):
    """Slices of at most `max_len` that cover `length` places."""
    step = max_len - overlap
    count = 1 + max(0, -(-(length - max_len) // step))
    return [slice(i * step, i * step + max_len) for i in range(count)]


def _filled(row, length, value):
    return [*row, *[value] * (length - len(row))]


# The application: the names that every assignment shares.


def _with_line_ends(text):
    """The text with a mark, which is a word, in the place of each line end."""
    return text.replace("\n", LINE_END)


class PieceLabels(keras.Model):
    """(m, Tx, 12) probabilities of labels from pieces (m, Tx).

    Behind the Encoder stand two convolutions over five neighbours: where a name ends is
    told by what stands next to it, and attention is slow to learn what "next" is.
    """

    def __init__(self, vocab_size, num_layers, embedding_dim, num_heads, dropout_rate):
        super().__init__()
        self.encoder = Encoder(
            num_layers,
            embedding_dim,
            num_heads,
            fully_connected_dim=2 * embedding_dim,
            input_vocab_size=vocab_size,
            maximum_position_encoding=TX,
            dropout_rate=dropout_rate,
        )
        self.neighbours = [
            layers.Conv1D(2 * embedding_dim, 5, padding="same", activation="relu")
            for _ in range(2)
        ]
        self.label = layers.Dense(len(LABELS), activation="softmax")

    def call(self, x, training=None):
        """(m, Tx, 12) from ids (m, Tx) of at most 128 pieces, 0 where nothing is."""
        mask = create_padding_mask(x)  # (m, 1, Tx)
        there = tf.transpose(mask, (0, 2, 1))
        a = self.encoder(x, training=training, mask=mask)
        for convolution in self.neighbours:
            a = convolution(a * there)
        return self.label(a)


class Tagger(NamedTuple):
    """The network and the pieces that it reads."""

    model: PieceLabels
    pieces: WordPieces


def load_data(m=2000, seed=0, templates="train", path=None):
    """m invented resumes, or those of a file of the course's form, spans in order."""
    if path is None:
        data = resumes.make_resumes(m, seed=seed, templates=templates)
    else:
        data = resumes.load_resumes(path)
    pairs = [(text, mergeIntervals(spans)) for text, spans in zip(*data, strict=True)]
    return resumes.Resumes(data.x, [spans for _, spans in trim_entity_spans(pairs)])


def vocabulary(texts, size=2500):
    """The pieces that spell these texts best, at most `size`, for `build_model`."""
    return word_pieces.learn(map(_with_line_ends, texts), size)


def build_model(vocab=None):
    """Two layers of four heads and two convolutions, untrained, for a vocabulary.

    Args:
        vocab: by default that of the shipped weights; for your own texts that which
            `vocabulary` finds in them.
    """
    if vocab is None:
        path = weights.verify(weights.record("named_entities"))
        vocab = _vocabulary(weights.load_arrays(path))
    pieces = WordPieces(vocab)
    model = PieceLabels(
        len(pieces), num_layers=2, embedding_dim=64, num_heads=4, dropout_rate=0.1
    )
    model(np.zeros((1, TX), "int32"))  # makes the weights
    return Tagger(model, pieces)


def train(
    model,
    data,
    *,
    epochs=5,
    batch_size=32,
    learning_rate=0.0015,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place; return each epoch's mean cross-entropy, in nats a piece.

    The rate climbs for a twentieth of the steps, then falls to zero along a cosine.
    """
    keras.utils.set_random_seed(seed)
    network, pieces = model
    # Every fourth has blanks for line ends, as the course's file does.
    texts = [_with_line_ends(t) if i % 4 else t for i, t in enumerate(data.x)]
    tags = clean_dataset(zip(texts, data.y, strict=True))
    x, y = tokenize_and_align_labels(pieces, texts, tags, overlap=TX // 4)

    def loss_fn(x, y):
        labelled = tf.cast(y != IGNORED, tf.float32)
        y_hat = network(x, training=True)
        loss = keras.losses.sparse_categorical_crossentropy(tf.maximum(y, 0), y_hat)
        return tf.reduce_sum(loss * labelled) / tf.reduce_sum(labelled)

    steps = epochs * (len(x) // batch_size)
    rate = training.warm_cosine(learning_rate, steps, warmup=steps // 20)
    return training.fit(
        loss_fn,
        (x, y),
        network.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=[v for v in network.non_trainable_variables if v.dtype != "float32"],
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def to_arrays(model):
    """What a weight file of the model holds: the word pieces and the network."""
    arrays = {f"trained/{i}": v.numpy() for i, v in enumerate(model.model.weights)}
    arrays["vocab"] = np.array([piece.encode() for piece in model.pieces.vocab])
    return arrays


def from_arrays(arrays):
    """The model that `to_arrays` took apart."""
    model = build_model(_vocabulary(arrays))
    trained = model.model.weights
    weights.assign(
        trained,
        [arrays.get(f"trained/{i}") for i in range(len(trained))],
        "named_entities",
    )
    return model


def load_pretrained(variant="default"):
    """The network with shipped weights and word pieces, checked."""

    def confidences(model):
        (probabilities,) = word_probabilities(model, [example()[1]])
        return probabilities.max(axis=1)

    return weights.load(from_arrays, "named_entities", variant, outputs=confidences)


def _vocabulary(arrays):
    """The word pieces in a weight file."""
    return [piece.decode() for piece in arrays["vocab"]]


def word_probabilities(model, texts):
    """How likely each label is for each word.

    A word's probabilities are the mean of those of its pieces. Where two windows
    overlap, each says the half that is farther from its own edge.

    Returns:
        For each text an array (words, 12).
    """
    encodings = [model.pieces.encode(_with_line_ends(text)) for text in texts]
    parts = [_windows(len(encoding.ids), TX, OVERLAP) for encoding in encodings]
    x = [
        _filled(encoding.ids[part], TX, 0)
        for encoding, slices in zip(encodings, parts, strict=True)
        for part in slices
    ]
    rows = iter(model.model.predict(np.array(x, "int32"), batch_size=64, verbose=0))
    answers = []
    for encoding, slices in zip(encodings, parts, strict=True):
        pieces = np.zeros((len(encoding.ids), len(LABELS)))
        for part in slices:
            known = OVERLAP // 2 if part.start else 0
            inside = pieces[part]
            inside[known:] = next(rows)[known : len(inside)]
        words = np.array([-1 if w is None else w for w in encoding.word_ids])
        total = np.zeros((words.max() + 1, len(LABELS)))
        np.add.at(total, words[words >= 0], pieces[words >= 0])
        answers.append(total / np.bincount(words[words >= 0])[:, np.newaxis])
    return answers


def found(text, probabilities):
    """The entities of a text: neighbouring words whose likeliest label is the same.

    Marks alone are none.

    Args:
        probabilities: (words, 12) as `word_probabilities` gives them.

    Returns:
        A dict each, in order: "label", "text", "start", "end" (exclusive), and
        "confidence", the mean probability of the label over its words.
    """
    words = word_pieces.words(_with_line_ends(text))
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


def infer(model, text):
    """Find the entities of a resume, a text of any length.

    Returns:
        An `Answer`, "Name: …; Skills: …, …", with the mean confidence of the entities;
        `details["entities"]` holds them as `found` gives them.
    """
    if not word_pieces.words(text):
        raise InputError(
            f"Expected the text of a resume, got {text!r:.60}. Pass a text with words."
        )
    (probabilities,) = word_probabilities(model, [text])
    entities = found(text, probabilities)
    if not entities:
        return Answer("no entities", probabilities.max(axis=1).mean(), entities=[])
    by_label = {}  # each thing once, labels as they come
    for entity in entities:
        things = by_label.setdefault(entity["label"], {})
        things[" ".join(entity["text"].split())] = True
    return Answer(
        "; ".join(f"{label}: {', '.join(by_label[label])}" for label in by_label),
        np.mean([entity["confidence"] for entity in entities]),
        entities=entities,
    )


def f1_score(expected, got):
    """2 P R / (P + R) of two sets: P the share of `got` that is right, R that found."""
    if not expected and not got:
        return 1.0
    return 2 * len(expected & got) / (len(expected) + len(got))


def scores(model, data):
    """How well resumes are understood, each number over all of them.

    Returns:
        F1 of entities: one is right if its first and last character and its label are.
        F1 of words: of those whose label is not "Empty", right if their label is.
    """
    said = word_probabilities(model, data.x)
    texts = [_with_line_ends(text) for text in data.x]
    tags = clean_dataset(zip(texts, data.y, strict=True))
    entities, words = (set(), set()), (set(), set())
    for i, rows in enumerate(said):
        entities[0].update((i, *span) for span in data.y[i])
        entities[1].update(
            (i, e["start"], e["end"], e["label"]) for e in found(data.x[i], rows)
        )
        labels = [LABELS[row.argmax()] for row in rows]
        for side, row in zip(words, (tags[i], labels), strict=True):
            side.update((i, j, tag) for j, tag in enumerate(row) if tag != EMPTY)
    return f1_score(*entities), f1_score(*words)


def evaluate(model=None):
    """F1 on layouts and names that nobody learnt from, as rows (what, ours, goal)."""
    model = load_pretrained() if model is None else model
    unseen = load_data(300, seed=1, templates="test")
    flat = unseen._replace(x=[text.replace("\n", " ") for text in unseen.x])
    rows = []
    for data, what, goal in (
        (unseen, "300 resumes of unseen layouts and names", 0.95),
        (flat, "the same with blanks for line ends", None),
        (load_data(300, seed=1), "300 new ones in layouts of training", None),
    ):
        of_entities, of_words = scores(model, data)
        rows.append((f"F1 of entities: {what}", of_entities, goal))
        rows.append((f"F1 of words: {what}", of_words, None))
    return rows


def picture(model, text):
    """The text with its entities in the colours of their labels, a figure."""
    from dls_keras import plots  # matplotlib: late, so that answers come without it

    entities = infer(model, text).details["entities"]
    spans = [(e["start"], e["end"], e["label"]) for e in entities]
    return plots.spans(text, spans, LABELS[1:])


def example():
    """The question of the tour: a resume of nobody."""
    return "Who applies, and with what?", EXAMPLE
