"""Question answering: the words of a story that answer a question (C5 W4).

The encoder of a Transformer reads question and facts as one row of words, in which
each word looks at all others. Two scores a word then say where the answer begins and
where it ends: with z<i>, what the last layer makes of word i,

    p_start(i) = softmax over i of (w_start z<i> + b_start),   p_end(j) likewise,

and the answer is the text whose mentions, from i to j with i <= j, have the largest sum
of p_start(i) p_end(j). So the network says nothing that the story does not hold; but it
answers even what the story leaves open.

Shapes: m stories of Tx = 50 words, marks and special pieces, filled up with [PAD]; d
numbers a word. Edition: 2021, which fine-tunes a DistilBERT of 66 million parameters on
one kind of story; the small encoder here learns from nothing.
Paper: Devlin et al. (2019), "BERT", https://arxiv.org/abs/1810.04805, section 4.2
"""

import contextlib
import re
from collections import defaultdict
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.core import training, weights
from dls_keras.core.answers import Answer
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.word_pieces import SPECIAL, UNKNOWN, WordPieces
from dls_keras.course5.transformer import Encoder, create_padding_mask
from dls_keras.datasets import stories
from dls_keras.fast.layers import Adam

TX = 50  # five facts of 8, a question of 7, [CLS] and two [SEP]


# The assignment: the course's functions under the course's names.


def get_question_and_facts(story):
    """A story of bAbI as question, facts and answer.

    Args:
        story: {"story": {"text": [fact, ..., question], "answer": ["", ..., answer]}},
            as the course's files have it.

    Returns:
        dict of texts: "question", "sentences" (the facts in one text), "answer".
    """
    *facts, question = story["story"]["text"]
    answer = story["story"]["answer"][-1]
    return {"question": question, "sentences": " ".join(facts), "answer": answer}


def get_start_end_idx(story, *, start=0):
    """Where the answer stands in the facts, in characters.

    Args:
        story: what `get_question_and_facts` returns.
        start: where to look from. The course takes the first mention, which in one
            story of six stands in the fact that does not answer the question.

    Returns:
        dict: "str_idx", of the first character; "end_idx", behind the last.
    """
    str_idx = story["sentences"].find(story["answer"], start)
    return {"str_idx": str_idx, "end_idx": str_idx + len(story["answer"])}


def tokenize_align(example, tokenizer):
    """The pieces of question and facts, and the answer's first and last piece.

    The course puts the facts first. Here the question comes first, as in the paper: in
    its own place in every story, however long, it is learnt from sooner.

    Args:
        example: the dicts of both functions above in one.
        tokenizer: `core.word_pieces.WordPieces`; the course's is a global one.

    Returns:
        dict: "input_ids" and "attention_mask", lists of length Tx; "start_positions"
        and "end_positions", numbers of pieces, Tx where the answer was cut off.
    """
    encoding = tokenizer.encode(
        example["question"], example["sentences"], max_length=TX, pad=True
    )

    def position(character):
        """The piece of the facts that stands for a character."""
        pieces = zip(encoding.offsets, encoding.type_ids, strict=True)
        for i, ((first, behind), kind) in enumerate(pieces):
            if kind == 1 and first <= character < behind:
                return i
        return TX

    return {
        "input_ids": encoding.ids,
        "attention_mask": encoding.mask,
        "start_positions": position(example["str_idx"]),
        "end_positions": position(example["end_idx"] - 1),
    }


# The application: the names that every assignment shares.


class Tokens(NamedTuple):
    """m stories: pieces x (m, Tx) int32, the answer's first and last y (m, 2) int32."""

    x: np.ndarray
    y: np.ndarray
    stories: list[stories.Story]


class SpanFinder(keras.Model):
    """An encoder, and where the answer begins and ends as two softmaxes."""

    def __init__(
        self, num_layers, embedding_dim, num_heads, fully_connected_dim, vocab
    ):
        super().__init__()
        self.encoder = Encoder(
            num_layers,
            embedding_dim,
            num_heads,
            fully_connected_dim,
            input_vocab_size=vocab,
            maximum_position_encoding=TX,
            dropout_rate=0.0,
        )
        self.ends = layers.Dense(2)

    def call(self, x, training=None):
        """The probabilities (m, 2, Tx) of each piece of x (m, Tx), 0 on the filling."""
        mask = create_padding_mask(x)  # (m, 1, Tx)
        z = self.encoder(x, training=training, mask=mask)
        scores = tf.transpose(self.ends(z), (0, 2, 1)) + (1.0 - mask) * -1.0e9
        return tf.nn.softmax(scores)


class Reader(NamedTuple):
    """The network and the pieces in which it reads."""

    model: SpanFinder
    pieces: WordPieces


def default_pieces():
    """The words of `datasets.stories`, each one piece."""
    return WordPieces([*SPECIAL, *stories.WORDS])


def load_data(m=40_000, seed=0, held_out=False, turned=0.25, pieces=None):
    """m generated stories: half as the real ones, half longer and freer.

    Args:
        held_out: ask about the facts that nobody learns.
        turned: the share of the questions that turn their fact round. Of one half, as
            in the real stories, nothing is learnt for long: whether the right fact has
            the direction asked for or its opposite, is then even.
        pieces: as `build_model` takes them.
    """
    how = {"seed": seed, "held_out": held_out, "turned": turned}
    drawn = [
        *stories.make_stories(m - m // 2, **how),
        *stories.make_long_stories(m // 2, **how),
    ]
    return tokens(drawn, pieces or default_pieces())


def tokens(told, pieces):
    """Stories as `Tokens`, each answer where the fact that supports it has it."""
    x, y = [], []
    for story in told:
        example = get_question_and_facts(stories.to_babi(story))
        support = sum(len(fact) + 1 for fact in story.facts[: story.support])
        example |= get_start_end_idx(example, start=support)
        aligned = tokenize_align(example, pieces)
        x.append(aligned["input_ids"])
        y.append((aligned["start_positions"], aligned["end_positions"]))
    return Tokens(np.array(x, "int32"), np.array(y, "int32"), told)


def build_model(pieces=None):
    """An untrained reader of three layers of two heads.

    Args:
        pieces: `WordPieces` whose [PAD] is 0; by default the words of the stories.
    """
    pieces = pieces or default_pieces()
    network = SpanFinder(
        num_layers=3,
        embedding_dim=64,
        num_heads=2,
        fully_connected_dim=128,
        vocab=len(pieces),
    )
    network(np.zeros((1, TX), "int32"))  # makes the weights
    return Reader(network, pieces)


def train(
    model,
    data,
    *,
    epochs=8,
    batch_size=64,
    learning_rate=0.001,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place; return each epoch's mean loss, in nats an end.

    The rate climbs for a twentieth of the steps, then falls to zero along a cosine.
    """
    keras.utils.set_random_seed(seed)
    network = model.model

    def loss_fn(x, y):
        y_hat = network(x, training=True)  # (m, 2, Tx)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    steps = epochs * (len(data.x) // batch_size)
    rate = training.warm_cosine(learning_rate, steps, warmup=steps // 20)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        network.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def to_arrays(model):
    """What a weight file of the model holds: the word pieces and the network."""
    trained = enumerate(model.model.weights)
    arrays = {f"trained/{i:02}": variable.numpy() for i, variable in trained}
    arrays["pieces"] = np.array([piece.encode() for piece in model.pieces.vocab])
    return arrays


def from_arrays(arrays):
    """The model that `to_arrays` took apart."""
    pieces = [piece.decode() for piece in arrays["pieces"]]
    model = build_model(WordPieces(pieces))
    trained = model.model.weights
    weights.assign(
        trained,
        [arrays.get(f"trained/{i:02}") for i in range(len(trained))],
        "question_answering",
    )
    return model


def load_pretrained(variant="default"):
    """The reader with shipped weights and word pieces, checked."""

    def probabilities(model):
        facts = (
            "The kitchen is north of the hallway. The office is east of the kitchen."
        )
        (answer,) = answers(model, [(facts, "What is the garden south of?")])
        return [*answer.details["probabilities"].values()]

    return weights.load(
        from_arrays, "question_answering", variant, outputs=probabilities
    )


def answers(model, asked):
    """The answers to n questions at once, a list of `Answer`; see `infer`.

    Args:
        asked: n pairs of texts (facts, question).
    """
    encodings = [_encoded(model.pieces, facts, question) for facts, question in asked]
    x = np.array([encoding.ids for encoding in encodings], "int32")
    y_hat = model.model.predict_on_batch(x)  # (n, 2, Tx)
    return [
        _likeliest(facts, encoding, *ends)
        for (facts, _), encoding, ends in zip(asked, encodings, y_hat, strict=True)
    ]


def infer(model, story):
    """The words of the facts that answer a question about them.

    Args:
        story: a text of one to five facts with the question at its end, such as "The
            kitchen is north of the hallway. What is the hallway south of?", or a pair
            (facts, question), the facts in one text or in a list.

    Returns:
        An `Answer`; `details["span"]` are the first character of its likeliest mention
        in the text of the facts and the one behind its last,
        `details["probabilities"]` maps texts to their probability, the answer first,
        mentions below one in a hundred left out; `details["inside"]` has for each piece
        (start, end, probability that it belongs to the answer).

    Raises:
        InputError: if there is no question, no fact, a word that the model does not
            know, or more than it can read at once.
    """
    (answer,) = answers(model, [_told_and_asked(story)])
    return answer


def _told_and_asked(story):
    """The facts in one text, and the question."""
    if isinstance(story, str):
        *facts, question = re.split(r"(?<=[.!?])\s+", story.strip())
        story = facts, question
    with contextlib.suppress(TypeError, ValueError, AttributeError):  # no story
        facts, question = story
        facts = (facts if isinstance(facts, str) else " ".join(facts)).strip()
        if facts and question.strip().endswith("?"):
            return facts, question.strip()
    raise InputError(
        "Expected facts and a question behind them, such as 'The kitchen is north of "
        f"the hallway. What is the kitchen north of?', got {str(story)[:80]!r}."
    )


def _encoded(pieces, facts, question):
    """Facts and question as Tx pieces, all of them known."""
    encoding = pieces.encode(question, facts)
    if len(encoding.ids) > TX:
        raise InputError(
            f"Facts and question have {len(encoding.ids) - 3} words and marks, and at "
            f"most {TX - 3} are read: {stories.MOST_FACTS} facts. Leave some out."
        )
    unknown = [
        (facts if kind else question)[first:behind]
        for i, (first, behind), kind in zip(
            encoding.ids, encoding.offsets, encoding.type_ids, strict=True
        )
        if i == pieces.ids[UNKNOWN]
    ]
    if unknown:
        known = [piece for piece in pieces.vocab if piece not in SPECIAL]
        raise InputError(
            f"The model does not know {', '.join(map(repr, unknown))}. It knows "
            f"{len(known)} words and marks: {' '.join(known[:40])}. Use these."
        )
    return pieces.encode(question, facts, max_length=TX, pad=True)


def _likeliest(facts, encoding, start, end):
    """The text with the largest sum of probabilities over its mentions."""
    first = encoding.type_ids.index(1)  # of the pieces of the facts
    n = sum(encoding.type_ids) - 1  # without the last [SEP]
    offsets = encoding.offsets[first : first + n]
    # (n, n), from piece i to piece j >= i
    spans = np.triu(np.outer(start[first : first + n], end[first : first + n]))
    mentions = defaultdict(list)  # of each text: how likely, and where
    for i, j in np.argwhere(spans >= min(0.01, spans.max())):
        span = offsets[i][0], offsets[j][1]
        mentions[facts[slice(*span)]].append((float(spans[i, j]), span))
    sums = {text: sum(p for p, _ in found) for text, found in mentions.items()}
    probabilities = dict(sorted(sums.items(), key=lambda item: -item[1]))
    answer = next(iter(probabilities))
    _, span = max(mentions[answer])
    inside = [
        (*place, float(spans[: k + 1, k:].sum())) for k, place in enumerate(offsets)
    ]
    return Answer(
        answer,
        probabilities[answer],
        span=span,
        probabilities=probabilities,
        inside=inside,
    )


def evaluate(model=None):
    """Answers right to the letter, as rows (what, ours, goal).

    The grammar of the real stories allows for 7,680, so that most of those for testing
    are likely to be written for training, too. Those with a fact never learnt cannot
    be: they have a row of their own, and the written ones are all about such facts.
    """
    model = load_pretrained() if model is None else model
    rows = []
    with contextlib.suppress(MissingFileError):
        real = stories.load_stories().test
        new = [story for story in real if any(map(stories.is_held_out, story.facts))]
        rows += [
            (f"exact, {len(real):,} real test stories", exact(model, real), 0.98),
            (f"{len(new)} of them with facts never learnt", exact(model, new), None),
        ]
    short = stories.make_stories(1000, seed=2, held_out=True)
    long = stories.make_long_stories(1000, seed=2, held_out=True)
    kinds = defaultdict(list)
    for story in long:
        kinds[_kind(story)].append(story)
    return [
        *rows,
        ("exact, 1,000 written ones of facts never learnt", exact(model, short), None),
        ("exact, 1,000 such of one to five facts", exact(model, long), None),
        *(
            (f"of these: {kind}", exact(model, kinds[kind]), None)
            for kind in sorted(kinds)
        ),
    ]


def _kind(story):
    """What a story asks, in general words."""
    asked = "what is it north of" if " of?" in story.question else "what is north of it"
    named_first = story.facts[story.support].split()[1] == story.answer
    return f"{asked}, {'first' if named_first else 'second'} place of a fact"


def exact(model, told):
    """The share of the stories that are answered without a wrong letter."""
    given = answers(model, [(" ".join(s.facts), s.question) for s in told])
    return np.mean([a == s.answer for a, s in zip(given, told, strict=True)])


def picture(model, story):
    """The facts, each word the darker the likelier it belongs to the answer."""
    facts, question = _told_and_asked(story)
    answer = infer(model, (facts, question))
    rows, chances = [[]], [[]]
    for start, end, chance in answer.details["inside"]:
        if rows[-1][-1:] == ["."]:  # a line a sentence
            rows.append([])
            chances.append([])
        rows[-1].append(facts[start:end])
        chances[-1].append(chance)
    return plots.written(rows, chances, title=f"{question} {answer}")


def example():
    """The question of the tour, behind three facts around a corner."""
    story = (
        "The garden is west of the hallway. The office is north of the hallway. "
        "The kitchen is east of the office. What is the office north of?"
    )
    return story, story
