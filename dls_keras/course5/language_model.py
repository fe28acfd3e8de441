"""A word-level language model: a GRU predicts the next word of a text (C5 W1).

An embedding turns each word into a vector, a GRU reads the vectors, and a softmax over
the vocabulary predicts the next word, as in the lectures on language models. The model
is trained with teacher forcing: the input of step t is the true previous word.
Its quality is the perplexity on held-out sentences, the exponential of the mean
cross-entropy per word: a uniform guess among k words has perplexity k.

    h<t> = GRU(embedding(word<t-1>), h<t-1>)        y<t> = softmax(W h<t> + b)
    perplexity = exp(- mean of log y<t>[word<t>])

It generates a sentence by sampling a word from y<t> and using it as the next input. A
temperature T samples in proportion to y^(1/T): below 1 likely words become likelier.

Shapes: m sentences of 31 steps, at most 30 words and the full stop; n_e = 64 numbers
per word vector, n_a = 64 units. Edition: none, the course has no such notebook; the
cells are those of `recurrent_steps`. Papers: Mikolov et al. (2010), "Recurrent neural
network based language model"; Cho et al. (2014), https://arxiv.org/abs/1406.1078.
"""

import re
from pathlib import Path
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
    sampling,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.course5.recurrent_steps import softmax
from dls_keras.datasets import sentence_corpus
from dls_keras.datasets.sentence_corpus import END, LONGEST, UNKNOWN, Sentences

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam


class LanguageModel(NamedTuple):
    """A Keras network from word indices to logits, and its vocabulary."""

    model: Any
    words: tuple[str, ...]


def load_data(
    path: str | Path | None = None, *, held_out: bool = False, synthetic: bool = False
) -> Sentences:
    """The sentences of a text as word indices.

    The vocabulary consists of the words that occur at least twice in the training
    sentences.

    Args:
        path: a text file; by default the text of this package, `sentence_corpus.TEXT`.
        held_out: return every eighth sentence, which is held out, instead of the
            training sentences.
        synthetic: changes nothing, since the text of this package needs no files.

    Raises:
        InputError: if the text is too short to hold out a sentence.
    """
    text = sentence_corpus.TEXT if path is None else sentence_corpus.load_text(path)
    training_sentences = sentence_corpus.split(text)
    chosen = sentence_corpus.split(text, held_out=held_out)
    if not chosen:
        raise InputError(
            f"Expected a text of at least {sentence_corpus.HELD_OUT} sentences, one of "
            f"which is held out; received {len(training_sentences)} sentences."
        )
    return sentence_corpus.encode(
        chosen, sentence_corpus.vocabulary(training_sentences)
    )


@settings.keras_defaults()
def build_model(
    words: tuple[str, ...] | None = None, *, n_e: int = 64, n_a: int = 64
) -> LanguageModel:
    """An embedding, a GRU and a dense layer that outputs logits, untrained.

    Args:
        words: the vocabulary, `load_data(path).words`; by default that of the text of
            this package.
        n_e, n_a: the lengths of a word vector and of the state.
    """
    words = words or load_data().words
    x = keras.Input((LONGEST + 1,), dtype="int32")
    vectors = layers.Dropout(0.5)(layers.Embedding(len(words), n_e)(x))
    states = layers.Dropout(0.5)(layers.GRU(n_a, return_sequences=True)(vectors))
    logits = layers.Dense(len(words))(states)
    return LanguageModel(keras.Model(x, logits), tuple(words))


@examples.accepted(label_axes=1)
def train(
    model: LanguageModel,
    data: Sentences,
    *,
    epochs: int = 40,
    batch_size: int = 16,
    learning_rate: float = 0.005,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place with Adam and cosine decay.

    Args:
        settings: further arguments of `core.training.fit`.

    Returns:
        Each epoch's mean cross-entropy per word, in nats.
    """
    keras.utils.set_random_seed(seed)
    network = model.model
    steps = len(data.x) // batch_size
    dropouts = [layer for layer in network.layers if isinstance(layer, layers.Dropout)]

    def loss_fn(x, y, training=True):
        return cross_entropy(network(x, training=training), y)

    return training.fit(
        loss_fn,
        (data.x, data.y),
        network.trainable_variables,
        Adam(keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=[layer.seed_generator.state for layer in dropouts],
        jit_compile=False,  # on GPUs Keras uses cuDNN's GRU, which XLA lacks
        model=network,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> LanguageModel:
    """The language model with shipped weights, trained on the text of this package."""
    model = build_model()
    weights.load(model.model, "language_model", variant)
    return model


def cross_entropy(logits: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The mean cross-entropy per word, in nats, without the padding.

    Args:
        logits: (m, T, n_words).
        y: (m, T), the indices of the words, or `sentence_corpus.PADDING`.
    """
    mask = tf.cast(y != sentence_corpus.PADDING, tf.float32)
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(y, 0), logits)
    return tf.reduce_sum(nats * mask) / tf.reduce_sum(mask)


def perplexity(model: LanguageModel, data: Sentences) -> float:
    """The exponential of the mean cross-entropy per word.

    Args:
        data: sentences encoded with the vocabulary of the model.
    """
    return float(np.exp(cross_entropy(model.model(data.x), data.y)))


def unigram_perplexity(data: Sentences, held_out: Sentences) -> float:
    """The perplexity of the unigram baseline, which knows only word frequencies.

    Args:
        data: the sentences in which words are counted, with add-one smoothing.
        held_out: the sentences to predict.
    """
    counts = 1 + np.bincount(data.y[data.y >= 0], minlength=len(data.words))
    nats = -np.log(counts / counts.sum())
    return float(np.exp(nats[held_out.y[held_out.y >= 0]].mean()))


def generate(
    model: LanguageModel,
    start: str = "",
    *,
    count: int = 1,
    temperature: float = 0.5,
    seed: int = 0,
) -> tuple[list[list[str]], list[np.ndarray]]:
    """Sample sentences word by word, a batch at once.

    Args:
        start: the words with which every sentence begins, fewer than 30.
        count: how many sentences.
        temperature: see `core.sampling.categorical`.

    Returns:
        sentences: `count` lists of words; the last word is ".", unless the sentence
            has 30 words without an end.
        probabilities: for each sentence the model's probability of each word, those of
            `start` included.

    Raises:
        InputError: if a word of `start` is not in the vocabulary, `start` is too long,
            `count` is not positive, or the temperature is not above 0.
    """
    if count < 1:
        raise InputError(f"Expected count to be at least 1, received {count}.")
    given = _indices(model, start)
    allowed = np.ones((len(model.words), 1))
    allowed[UNKNOWN] = 0  # never sampled
    rng = np.random.default_rng(seed)
    ids = np.full((count, LONGEST + 1), END, "int32")
    probabilities = np.empty((count, LONGEST))
    for t in range(LONGEST):
        logits = model.model.predict_on_batch(ids)[:, t].astype(float)
        p = softmax(logits.T)  # (n_words, count)
        if t < len(given):
            sampled = np.full(count, given[t])
        else:
            sampled = sampling.categorical(p * allowed, temperature, rng)
        ids[:, t + 1] = sampled
        probabilities[:, t] = p[sampled, np.arange(count)]
        if (ids[:, 1 : t + 2] == END).any(axis=1).all():
            break
    is_end = ids[:, 1:] == END
    lengths = np.where(is_end.any(axis=1), is_end.argmax(axis=1) + 1, LONGEST)
    sentences = [
        [model.words[i] for i in row[1 : n + 1]]
        for row, n in zip(ids, lengths, strict=True)
    ]
    return sentences, [p[:n] for p, n in zip(probabilities, lengths, strict=True)]


@inputs.one_by_one()
def infer(
    model: LanguageModel,
    start: str,
    *,
    count: int = 3,
    temperature: float = 0.5,
    seed: int = 0,
) -> Answer:
    """`count` sentences that begin with the words `start`, which may be "".

    Returns:
        An `Answer`: the sentences. Its confidence is the geometric mean of the words'
        probabilities, 1 / perplexity. `details` holds the "sentences" as lists of words
        and the "probabilities" of each sentence's words.
    """
    sentences, probabilities = generate(
        model, start, count=count, temperature=temperature, seed=seed
    )
    text = " ".join(" ".join(words) for words in sentences)
    text = text.replace(" ,", ",").replace(" .", ".")
    text = re.sub(r"(^|\. )\w", lambda match: match[0].upper(), text)
    return Answer(
        text,
        sampling.geometric_mean(probabilities),
        sentences=sentences,
        probabilities=probabilities,
    )


def evaluate(
    model: LanguageModel | None = None, *, synthetic: bool = False
) -> list[Row]:
    """Perplexities of the model, and of the unigram baseline on held-out sentences.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    model = model or load_pretrained()
    data, held_out = load_data(), load_data(held_out=True)
    baseline = unigram_perplexity(data, held_out)
    return [
        Row("perplexity, unigram baseline", baseline),
        Row(
            f"perplexity, {len(held_out.x)} held-out sentences",
            perplexity(model, held_out),
            at_most=baseline,
        ),
        Row(
            "perplexity, training sentences", perplexity(model, data), at_most=baseline
        ),
    ]


def picture(start: str, answer: Answer) -> Figure:
    """The sentences of an answer; a likelier word has a darker background."""
    return plots.written(
        answer.details["sentences"],
        answer.details["probabilities"],
        title="generated words and their probabilities",
    )


def example() -> tuple[str, str]:
    """The question of the tour: how sentences continue."""
    return 'How does a sentence continue that begins with "The keeper"?', "The keeper"


def _indices(model, start):
    """The indices of the words of `start`, validated."""
    if not isinstance(start, str):
        raise InputError(
            "Expected the first words of a sentence, such as 'The keeper'; received "
            f"{type(start).__name__}."
        )
    words = sentence_corpus.TOKEN.findall(start.lower().rstrip(" .!?;:"))
    known = model.words[len(sentence_corpus.MARKS) :]
    for word in words:
        if word not in known:
            raise InputError(
                f"The word {word!r} is not in the model's vocabulary. Use words of its "
                f"training text, such as {', '.join(known[:6])}."
            )
    if len(words) >= LONGEST:
        raise InputError(
            f"Expected fewer than {LONGEST} words to begin with, received {len(words)}."
        )
    return [model.words.index(word) for word in words]
