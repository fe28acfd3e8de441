"""Questions about stories are answered with words of the stories."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras import models
from dls_keras.core import files, word_pieces
from dls_keras.core.errors import InputError
from dls_keras.course5 import question_answering as qa
from dls_keras.datasets import stories

STORY = stories.Story(
    ("The kitchen is north of the hallway.", "The hallway is north of the garden."),
    "What is north of the garden?",
    "hallway",
    1,
)
MAKERS = (stories.make_stories, stories.make_long_stories)


@pytest.fixture(scope="module")
def pretrained():
    return qa.load_pretrained()


@pytest.fixture(scope="module")
def untrained():
    keras.utils.set_random_seed(1)
    return qa.build_model()


def tiny(tokenizer):
    """One layer of two heads, eight numbers per token."""
    network = qa.SpanPredictor(1, 8, 2, 16, len(tokenizer))
    network.build((None, qa.TX))
    return qa.Reader(network, tokenizer)


def test_question_facts_and_answer_are_those_of_the_course():
    """The position of the answer is its first mention, or the first after `start`."""
    example = qa.get_question_and_facts(stories.to_babi(STORY))
    assert example == {
        "question": STORY.question,
        "sentences": " ".join(STORY.facts),
        "answer": "hallway",
    }
    for start, fact in ((0, 0), (len(STORY.facts[0]) + 1, 1)):
        place = qa.get_start_end_idx(example, start=start)
        first, end = place["str_idx"], place["end_idx"]
        assert example["sentences"][first:end] == "hallway"
        assert example["sentences"][:first].count(".") == fact
    assert qa.get_start_end_idx(example)["str_idx"] == 28


@given(st.integers(0, 10**6), st.sampled_from(MAKERS))
def test_the_tokens_of_the_span_are_the_answer(seed, make):
    """In any story; they come after the question, in the supporting fact."""
    (story,) = make(1, seed=seed)
    tokenizer = qa.default_tokenizer()
    (x,), ((first, last),), _ = qa.tokenize([story], tokenizer)
    assert tokenizer.decode(x[first : last + 1]) == story.answer
    text = tokenizer.decode(x)
    question, *facts = text.replace("?", "?|").replace(".", ".|").split("|")[:-1]
    assert question == story.question.lower().replace("?", " ?")
    assert len(facts) == len(story.facts)
    before = tokenizer.decode(x[:first])
    assert before.count(".") == story.support


def test_an_answer_of_several_pieces_has_different_ends():
    """Its first and its last piece."""
    vocab = [*word_pieces.SPECIAL, "hall", "##way", "of", "a"]
    tokenizer = word_pieces.WordPieceTokenizer(vocab)
    example = {"sentences": "a hallway of", "question": "a", "answer": "hallway"}
    aligned = qa.tokenize_align(example | qa.get_start_end_idx(example), tokenizer)
    ids = aligned["input_ids"]
    span = ids[aligned["start_positions"] : aligned["end_positions"] + 1]
    assert [vocab[i] for i in span] == ["hall", "##way"]
    assert len(ids) == len(aligned["attention_mask"]) == qa.TX
    assert sum(aligned["attention_mask"]) == 8


def test_a_truncated_answer_has_the_ends_tx():
    """As in the course."""
    example = {"sentences": "of " * 60 + "garden", "question": "?", "answer": "garden"}
    aligned = qa.tokenize_align(
        example | qa.get_start_end_idx(example), qa.default_tokenizer()
    )
    assert aligned["start_positions"] == aligned["end_positions"] == qa.TX


def test_the_longest_stories_have_tx_tokens():
    """Five facts and a question; no story is truncated."""
    data = qa.load_data(400)
    assert np.count_nonzero(data.x, axis=1).max() == qa.TX
    assert data.y.max() < qa.TX
    assert (data.x.dtype, data.y.dtype) == ("int32", "int32")
    assert (data.x.shape, data.y.shape) == ((400, qa.TX), (400, 2))


def test_padding_has_no_influence(untrained):
    """Its probabilities are 0, and the others are the same without it."""
    x = qa.load_data(8).x
    y_hat = untrained.model(x).numpy()
    assert y_hat.shape == (8, 2, qa.TX)
    np.testing.assert_allclose(y_hat.sum(-1), 1, atol=1e-5)
    padding = np.broadcast_to(x[:, None] == 0, y_hat.shape)
    assert padding.any() and y_hat[padding].max() == 0
    (short,) = x[(x == 0).sum(1) == (x == 0).sum(1).max()][:1]
    n = np.count_nonzero(short)
    alone = untrained.model(short[None, :n]).numpy()
    np.testing.assert_allclose(alone, untrained.model(short[None])[..., :n], atol=1e-5)


def test_the_answer_is_the_text_with_the_largest_sum():
    """Two mentions together can outweigh one that is more probable than each."""
    tokenizer = qa.default_tokenizer()
    facts = "garden office garden"
    encoding = tokenizer.encode("what", facts, max_length=qa.TX, pad=True)
    ends = np.zeros(qa.TX)
    ends[3:6] = 0.3, 0.4, 0.3  # after [CLS] what [SEP]
    assert qa.best_answer(facts, encoding, ends, np.eye(qa.TX)[4]) == "office"
    answer = qa.best_answer(facts, encoding, ends, ends)
    probabilities = answer.details["probabilities"]
    assert answer == "garden" == [*probabilities][0]
    assert probabilities["garden"] == pytest.approx(0.09 + 0.09)
    assert probabilities["office"] == pytest.approx(0.16)
    assert probabilities["garden office garden"] == pytest.approx(0.09)
    assert answer.confidence == probabilities[answer]
    assert facts[slice(*answer.details["span"])] == answer
    starts, ends, probabilities = zip(*answer.details["tokens"], strict=True)
    assert [facts[a:b] for a, b in zip(starts, ends, strict=True)] == facts.split()
    # The sum over all spans that contain the token.
    np.testing.assert_allclose(probabilities, [0.3, 0.49, 0.3])


def test_training_lowers_the_loss():
    """Of a tiny reader, on stories of one fact."""
    made = [s for s in stories.make_long_stories(300) if len(s.facts) == 1][:48]
    keras.utils.set_random_seed(0)
    model = tiny(qa.default_tokenizer())
    data = qa.tokenize(made, model.tokenizer)
    losses = qa.train(model, data, epochs=4, batch_size=16, learning_rate=0.02)
    assert losses[-1] < 0.8 * losses[0]


def test_weights_and_vocabulary_are_restored_from_a_file(tmp_path):
    """With any vocabulary."""
    vocab = [*word_pieces.SPECIAL, "hall", "##way", "naïve"]
    model = qa.build_model(word_pieces.WordPieceTokenizer(vocab))
    models.save(qa, model, tmp_path / "mine.h5")
    loaded = models.load("question_answering", str(tmp_path / "mine.h5"))
    assert loaded.tokenizer.vocab == tuple(vocab)
    for found, expected in zip(
        loaded.model.get_weights(), model.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_file_of_another_model_is_reported(tmp_path):
    """One without a vocabulary, and one with other weights."""
    model = tiny(qa.default_tokenizer())
    for arrays in ({}, qa.to_arrays(model)):
        with pytest.raises(InputError, match="belongs to another model"):
            qa.from_arrays(arrays)


def test_a_saved_network_gives_the_same_numbers(untrained, tmp_path):
    """So does one that is built from its config and given the weights."""
    x = qa.load_data(4).x
    untrained.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    copy = qa.SpanPredictor.from_config(untrained.model.get_config())
    copy.build((None, qa.TX))
    copy.set_weights(untrained.model.get_weights())
    for network in (loaded, copy):
        assert type(network) is qa.SpanPredictor
        np.testing.assert_array_equal(network(x), untrained.model(x))


def test_stories_about_held_out_facts_are_answered(pretrained):
    """Those that `evaluate` takes, 200 of each form."""
    for make in MAKERS:
        assert qa.exact_match(pretrained, make(200, seed=2, held_out=True)) >= 0.97


@pytest.mark.parametrize(
    "story",
    [
        "The kitchen is north of the hallway. What is the hallway south of?",
        ("The kitchen is north of the hallway.", "What is the hallway south of?"),
        (["The kitchen is north of the hallway."], " What is the hallway south of? "),
        "the KITCHEN is\nnorth of the hallway.\n\nWhat is the hallway south of?\n",
    ],
)
def test_a_story_may_have_several_forms(pretrained, story):
    """The answer is spelled as in the story."""
    answer = qa.infer(pretrained, story)
    assert answer.lower() == "kitchen"
    assert answer.confidence > 0.9


@pytest.mark.parametrize(
    ("story", "words"),
    [
        ("The kitchen is north of the hallway.", "facts followed by a question"),
        (None, "facts followed by a question"),
        (
            "The cellar is north of the hallway. What is über the garden?",
            "'über', 'cellar'",
        ),
        ("The garden is north of the office. " * 6 + "What is that?", "at most 47"),
    ],
)
def test_an_invalid_story_is_reported(pretrained, story, words):
    """No facts or question, unknown words, too many facts."""
    with pytest.raises(InputError, match=words):
        qa.infer(pretrained, story)


def test_the_message_lists_the_vocabulary(pretrained):
    """If a word is not in it."""
    with pytest.raises(InputError) as caught:
        qa.infer(pretrained, "The cellar is north of the hallway. What is it?")
    assert " ".join(stories.WORDS) in str(caught.value)


def test_the_picture_has_a_line_per_fact(pretrained):
    """The title is the question and the answer."""
    story, _ = qa.example()
    (axes, *_) = qa.picture(story, qa.infer(pretrained, story)).axes
    shown = " ".join(text.get_text() for text in axes.texts)
    facts = story[: story.rindex("What")]
    assert shown == facts.replace(".", " .").strip()
    assert len({text.get_position()[1] for text in axes.texts}) == 3
    assert axes.get_title() == "What is the office north of? hallway"


def test_a_question_that_the_facts_leave_open_has_a_low_confidence(pretrained):
    """The facts do not mention the garden."""
    story = (
        "The kitchen is north of the hallway. The office is east of the kitchen. "
        "What is the garden south of?"
    )
    answer = qa.infer(pretrained, story)
    assert answer.confidence < 0.5


@pytest.mark.data
def test_the_original_stories_are_answered(pretrained):
    """At least 98 % of the 1,000 for testing."""
    assert qa.exact_match(pretrained, stories.load_stories().test) >= 0.98


@pytest.mark.data
def test_the_vocabulary_of_bert_gives_the_same_ends():
    """It has every word of the stories as one piece."""
    path = files.find_data(word_pieces.STANDARD)
    bert = word_pieces.WordPieceTokenizer.read(path)
    made = stories.make_long_stories(20)
    data = qa.tokenize(made, bert)
    np.testing.assert_array_equal(data.y, qa.tokenize(made, qa.default_tokenizer()).y)
    assert tiny(bert).model(data.x[:2]).shape == (2, 2, qa.TX)
