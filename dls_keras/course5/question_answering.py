"""Question answering: the words of a story that answer a question (C5 W4).

In extractive question answering the answer is a span of the given text. Question and
facts are one sequence of tokens, which the encoder of a Transformer reads; with z<i>,
its output for token i, two scores per token predict where the answer starts and ends:

    p_start(i) = softmax over i of (w_start z<i> + b_start),   p_end(j) likewise

The answer is the text whose mentions, from token i to token j with i <= j, have the
largest sum of p_start(i) p_end(j). So every answer occurs in the facts; the model
answers even questions that the facts leave open.

Shapes: m stories of Tx = 50 tokens (words, punctuation, special pieces and padding); d
numbers per token. Edition: 2021, which fine-tunes a DistilBERT of 66 million parameters
on one kind of story; the small encoder here is trained from scratch.
Paper: Devlin et al. (2019), "BERT", https://arxiv.org/abs/1810.04805, section 4.2
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.core import examples, inputs, pretrained, settings, training, weights
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.core.word_pieces import SPECIAL, UNKNOWN, Encoding, WordPieceTokenizer
from dls_keras.course5.transformer import Encoder, create_padding_mask
from dls_keras.datasets import catalog, stories
from dls_keras.datasets.stories import Story

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam

TX = 50  # five facts of 8 tokens, a question of 7, [CLS] and two [SEP]


# The assignment: the course's functions under the course's names.


def get_question_and_facts(story):
    """A story of bAbI as question, facts and answer.

    Args:
        story: {"story": {"text": [fact, ..., question], "answer": ["", ..., answer]}},
            the form of the course's files.

    Returns:
        dict of texts: "question", "sentences" (the facts in one text), "answer".
    """
    *facts, question = story["story"]["text"]
    answer = story["story"]["answer"][-1]
    return {"question": question, "sentences": " ".join(facts), "answer": answer}


def get_start_end_idx(story, *, start=0):
    """The position of the answer in the facts, in characters.

    Args:
        story: the result of `get_question_and_facts`.
        start: where the search begins. The course takes the first mention, which in
            one story of six is in a fact that does not answer the question.

    Returns:
        dict: "str_idx", of the first character; "end_idx", after the last.
    """
    str_idx = story["sentences"].find(story["answer"], start)
    return {"str_idx": str_idx, "end_idx": str_idx + len(story["answer"])}


def tokenize_align(example, tokenizer):
    """The tokens of question and facts, and the first and last token of the answer.

    The course puts the facts first. Here the question comes first, as in the paper:
    its position is then the same in every story, and training needs fewer steps.

    Args:
        example: one dict with the results of both functions above.
        tokenizer: a `WordPieceTokenizer`; a global variable in the course.

    Returns:
        dict: "input_ids" and "attention_mask", lists of length Tx; "start_positions"
        and "end_positions", indices of tokens, Tx if the answer was truncated.
    """
    encoding = tokenizer.encode(
        example["question"], example["sentences"], max_length=TX, pad=True
    )

    def position(character):
        """The index of the token of the facts that contains a character."""
        tokens = zip(encoding.offsets, encoding.type_ids, strict=True)
        for i, ((start, end), kind) in enumerate(tokens):
            if kind == 1 and start <= character < end:
                return i
        return TX

    return {
        "input_ids": encoding.ids,
        "attention_mask": encoding.attention_mask,
        "start_positions": position(example["str_idx"]),
        "end_positions": position(example["end_idx"] - 1),
    }


# The application: the functions that every assignment has.


@keras.saving.register_keras_serializable(package="dls_keras")
class SpanPredictor(keras.Model):
    """A Transformer encoder, and softmaxes over the tokens for both ends of a span."""

    def __init__(
        self,
        num_layers: int,
        embedding_dim: int,
        num_heads: int,
        fully_connected_dim: int,
        vocab_size: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.arguments = {
            "num_layers": num_layers,
            "embedding_dim": embedding_dim,
            "num_heads": num_heads,
            "fully_connected_dim": fully_connected_dim,
            "vocab_size": vocab_size,
        }
        self.encoder = Encoder(
            num_layers,
            embedding_dim,
            num_heads,
            fully_connected_dim,
            input_vocab_size=vocab_size,
            maximum_position_encoding=TX,
            dropout_rate=0.0,
        )
        self.ends = layers.Dense(2)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), **self.arguments}

    def build(self, x_shape):
        """Create all variables, by a call on a symbolic tensor."""
        self.compute_output_spec(keras.KerasTensor(x_shape))

    def call(self, x, training=None):
        """p_start and p_end, (m, 2, Tx), for tokens x (m, Tx); 0 at padding."""
        mask = create_padding_mask(x)  # (m, 1, Tx)
        z = self.encoder(x, training=training, mask=mask)
        scores = tf.transpose(self.ends(z), (0, 2, 1)) + (1.0 - mask) * -1.0e9
        return tf.nn.softmax(scores)


class Reader(NamedTuple):
    """A network and its tokenizer."""

    model: SpanPredictor
    tokenizer: WordPieceTokenizer


class Tokens(NamedTuple):
    """m stories: tokens x (m, Tx) int32, ends of the answers y (m, 2) int32."""

    x: np.ndarray
    y: np.ndarray
    stories: list[Story]


def default_tokenizer() -> WordPieceTokenizer:
    """A tokenizer whose pieces are the words of `datasets.stories`."""
    return WordPieceTokenizer([*SPECIAL, *stories.WORDS])


def load_data(
    m: int = 40_000,
    seed: int = 0,
    held_out: bool = False,
    opposite: float = 0.25,
    tokenizer: WordPieceTokenizer | None = None,
    *,
    synthetic: bool = False,
) -> Tokens:
    """m generated stories, one half of the original grammar, one half longer.

    Args:
        held_out: ask about held-out facts.
        opposite: the share of the questions whose direction is the opposite of that in
            the supporting fact. It is 0.5 in the original stories, but training is slow
            then: whether the direction in the question matches says nothing.
        tokenizer: as in `build_model`.
        synthetic: changes nothing, since these data are generated anyway.
    """
    how: dict[str, Any] = {"seed": seed, "held_out": held_out, "opposite": opposite}
    made = [
        *stories.make_stories(m - m // 2, **how),
        *stories.make_long_stories(m // 2, **how),
    ]
    return tokenize(made, tokenizer or default_tokenizer())


def tokenize(data: list[Story], tokenizer: WordPieceTokenizer) -> Tokens:
    """Stories as `Tokens`; the answer is the mention in the supporting fact."""
    x, y = [], []
    for story in data:
        example = get_question_and_facts(stories.to_babi(story))
        support = sum(len(fact) + 1 for fact in story.facts[: story.support])
        example |= get_start_end_idx(example, start=support)
        aligned = tokenize_align(example, tokenizer)
        x.append(aligned["input_ids"])
        y.append((aligned["start_positions"], aligned["end_positions"]))
    return Tokens(np.array(x, "int32"), np.array(y, "int32"), data)


@settings.keras_defaults()
def build_model(tokenizer: WordPieceTokenizer | None = None) -> Reader:
    """An untrained reader of three layers with two heads.

    Args:
        tokenizer: default: `default_tokenizer`.
    """
    tokenizer = tokenizer or default_tokenizer()
    network = SpanPredictor(
        num_layers=3,
        embedding_dim=64,
        num_heads=2,
        fully_connected_dim=128,
        vocab_size=len(tokenizer),
    )
    network.build((None, TX))
    return Reader(network, tokenizer)


@examples.accepted(label_axes=1)
def train(
    model: Reader,
    data: Tokens,
    *,
    epochs: int = 8,
    batch_size: int = 64,
    learning_rate: float = 0.001,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Fit `model` in place; return each epoch's mean cross-entropy, in nats.

    It is the mean over both ends of the answers. The learning rate has a linear warmup
    over a twentieth of the steps, then cosine decay.

    Args:
        settings: further arguments of `core.training.fit`.
    """
    keras.utils.set_random_seed(seed)
    network = model.model

    def loss_fn(x, y, training=True):
        y_hat = network(x, training=training)  # (m, 2, Tx)
        return tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, y_hat))

    steps = epochs * (len(data.x) // batch_size)
    rate = training.cosine_decay_with_warmup(learning_rate, steps, warmup=steps // 20)
    return training.fit(
        loss_fn,
        (data.x, data.y),
        network.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        model=network,
        **settings,
    )


def to_arrays(model: Reader) -> dict[str, np.ndarray]:
    """The arrays of a weight file: the variables and the vocabulary."""
    variables = enumerate(model.model.weights)
    arrays = {f"trained/{i:02}": variable.numpy() for i, variable in variables}
    return arrays | {"pieces": model.tokenizer.to_array()}


def from_arrays(arrays: dict[str, np.ndarray]) -> Reader:
    """The model whose `to_arrays` are `arrays`."""
    model = build_model(WordPieceTokenizer(weights.texts(arrays, "pieces")))
    variables = model.model.weights
    names = [f"trained/{i:02}" for i in range(len(variables))]
    weights.check_names(arrays, [*names, "pieces"], "question_answering")
    weights.assign(variables, [arrays[n] for n in names], "question_answering")
    return model


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> Reader:
    """The reader with the shipped weights and vocabulary, verified."""

    def outputs(model):
        facts = (
            "The kitchen is north of the hallway. The office is east of the kitchen."
        )
        answer = infer(model, (facts, "What is the garden south of?"))
        return [*answer.details["probabilities"].values()]

    return weights.load(from_arrays, "question_answering", variant, outputs=outputs)


def answer_all(model: Reader, pairs: Sequence[tuple[str, str]]) -> list[Answer]:
    """The answers for n pairs (facts, question) in one batch; see `infer`."""
    encodings = [_encode(model.tokenizer, *pair) for pair in pairs]
    x = np.array([encoding.ids for encoding in encodings], "int32")
    y_hat = model.model.predict_on_batch(x)  # (n, 2, Tx)
    return [
        best_answer(facts, encoding, *ends)
        for (facts, _), encoding, ends in zip(pairs, encodings, y_hat, strict=True)
    ]


@inputs.batched()
def infer(model: Reader, texts: Any) -> list[Answer]:
    """The words of the facts that answer a question about them.

    Args:
        texts: a text of one to five facts with the question at its end, such as "The
            kitchen is north of the hallway. What is the hallway south of?", or a pair
            (facts, question), the facts in one text or in a list; or a list of texts or
            pairs.

    Returns:
        An `Answer`. Its confidence is the probability of the text: the sum of
        p_start(i) p_end(j) over its mentions. `details["probabilities"]` maps texts to
        their probabilities, the answer first, without mentions below 0.01;
        `details["span"]` are start and end of the most probable mention in the text of
        the facts; `details["tokens"]` lists for each token of the facts (start, end,
        probability that the answer contains it).

    Raises:
        InputError: if there is no question or no fact, a word is not in the vocabulary,
            or the story has more than Tx tokens.
    """
    return answer_all(model, [stories.split_question(text) for text in texts])


def _encode(tokenizer, facts, question):
    """Facts and question as Tx tokens, all of them in the vocabulary."""
    encoding = tokenizer.encode(question, facts)
    if len(encoding.ids) > TX:
        raise InputError(
            f"Expected at most {TX - 3} words and punctuation marks, which is "
            f"{stories.MAX_FACTS} facts and a question; received "
            f"{len(encoding.ids) - 3}. Leave out some facts."
        )
    unknown = [
        (facts if kind else question)[start:end]
        for i, (start, end), kind in zip(
            encoding.ids, encoding.offsets, encoding.type_ids, strict=True
        )
        if i == tokenizer.ids[UNKNOWN]
    ]
    if unknown:
        known = [piece for piece in tokenizer.vocab if piece not in SPECIAL]
        raise InputError(
            f"{', '.join(map(repr, unknown))}: not in the vocabulary of {len(known)} "
            f"words and punctuation marks. Use these: {' '.join(known[:40])}."
        )
    return tokenizer.encode(question, facts, max_length=TX, pad=True)


def best_answer(
    facts: str, encoding: Encoding, start: np.ndarray, end: np.ndarray
) -> Answer:
    """The text with the largest sum of probabilities over its mentions; see `infer`.

    Args:
        encoding: of question and facts, in this order.
        start, end: (Tx,), p_start and p_end.
    """
    first = encoding.type_ids.index(1)  # the first token of the facts
    n = sum(encoding.type_ids) - 1  # without the last [SEP]
    offsets = encoding.offsets[first : first + n]
    # (n, n), from token i to token j >= i
    spans = np.triu(np.outer(start[first : first + n], end[first : first + n]))
    mentions = defaultdict(list)  # of each text: probability and position
    for i, j in np.argwhere(spans >= min(0.01, spans.max())):
        span = offsets[i][0], offsets[j][1]
        mentions[facts[slice(*span)]].append((float(spans[i, j]), span))
    sums = {text: sum(p for p, _ in found) for text, found in mentions.items()}
    probabilities = dict(sorted(sums.items(), key=lambda item: -item[1]))
    answer = next(iter(probabilities))
    _, span = max(mentions[answer])
    # A span contains token k if it starts at k or before and ends at k or after.
    tokens = [
        (*offset, float(spans[: k + 1, k:].sum())) for k, offset in enumerate(offsets)
    ]
    return Answer(
        answer,
        probabilities[answer],
        span=span,
        probabilities=probabilities,
        tokens=tokens,
    )


def exact_match(model: Reader, data: Sequence[Story]) -> float:
    """The share of the stories that are answered without a wrong character."""
    answers = answer_all(model, [(" ".join(s.facts), s.question) for s in data])
    equal = [a == s.answer for a, s in zip(answers, data, strict=True)]
    return sum(equal) / len(equal)


def evaluate(model: Reader | None = None, *, synthetic: bool = False) -> list[Row]:
    """Exact matches, on the original test stories where available.

    The original grammar allows only 7,680 stories, so most bAbI test stories are likely
    to occur in the generated training set, too. Those with a held-out fact cannot, and
    have their own row. The generated stories here all ask about held-out facts.

    Args:
        synthetic: only generated stories, so that no files are read.
    """
    model = load_pretrained() if model is None else model
    sets = []
    if not synthetic and catalog.places("babi"):
        test = stories.load_stories().test
        new = [story for story in test if any(map(stories.is_held_out, story.facts))]
        sets += [
            (f"{len(test):,} bAbI test stories", test, 0.98),
            (f"{len(new)} of them with held-out facts", new, None),
        ]
    short = stories.make_stories(1000, seed=2, held_out=True)
    long = stories.make_long_stories(1000, seed=2, held_out=True)
    sets += [
        ("1,000 generated stories about held-out facts", short, None),
        ("1,000 such stories of one to five facts", long, None),
    ]
    for kind in sorted({*map(stories.question_kind, long)}):
        data = [story for story in long if stories.question_kind(story) == kind]
        sets.append((f"of these: {kind}", data, None))
    return [
        Row(f"exact matches, {what}", exact_match(model, data), at_least=goal)
        for what, data, goal in sets
    ]


def picture(story: str | tuple, answer: Answer) -> Figure:
    """The facts, darker where a token more probably belongs to the answer, a figure."""
    facts, question = stories.split_question(story)
    lines: list[list[str]] = [[]]
    probabilities: list[list[float]] = [[]]
    for start, end, probability in answer.details["tokens"]:
        if lines[-1][-1:] == ["."]:  # one line per fact
            lines.append([])
            probabilities.append([])
        lines[-1].append(facts[start:end])
        probabilities[-1].append(probability)
    return plots.written(lines, probabilities, title=f"{question} {answer}")


def example() -> tuple[str, str]:
    """The question of the tour: three facts, of which one has the answer."""
    story = (
        "The garden is west of the hallway. The office is north of the hallway. "
        "The kitchen is east of the office. What is the office north of?"
    )
    return story, story
