"""Questions about stories are answered by the words that stand there."""

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


def tiny(pieces):
    """One layer of two heads, eight numbers a word."""
    network = qa.SpanFinder(1, 8, 2, 16, len(pieces))
    network(np.zeros((1, qa.TX), "int32"))
    return qa.Reader(network, pieces)


def test_a_story_is_taken_apart_as_in_the_course():
    """Facts in one text; the answer's first mention, or the one that answers."""
    example = qa.get_question_and_facts(stories.to_babi(STORY))
    assert example == {
        "question": STORY.question,
        "sentences": " ".join(STORY.facts),
        "answer": "hallway",
    }
    for start, fact in ((0, 0), (len(STORY.facts[0]) + 1, 1)):
        place = qa.get_start_end_idx(example, start=start)
        first, behind = place["str_idx"], place["end_idx"]
        assert example["sentences"][first:behind] == "hallway"
        assert example["sentences"][:first].count(".") == fact
    assert qa.get_start_end_idx(example)["str_idx"] == 28


@given(st.integers(0, 10**6), st.sampled_from(MAKERS))
def test_the_pieces_between_the_ends_spell_the_answer(seed, make):
    """Whatever the story; behind the question, and in the fact that supports it."""
    (story,) = make(1, seed=seed)
    pieces = qa.default_pieces()
    (x,), ((first, last),), _ = qa.tokens([story], pieces)
    assert pieces.decode(x[first : last + 1]) == story.answer
    read = pieces.decode(x)
    asked, *told = read.replace("?", "?|").replace(".", ".|").split("|")[:-1]
    assert asked == story.question.lower().replace("?", " ?")
    assert len(told) == len(story.facts)
    before = pieces.decode(x[:first])
    assert before.count(".") == story.support


def test_longer_words_have_ends_of_their_own():
    """An answer of several pieces begins and ends in different ones."""
    pieces = word_pieces.WordPieces([*word_pieces.SPECIAL, "hall", "##way", "of", "a"])
    example = {"sentences": "a hallway of", "question": "a", "answer": "hallway"}
    aligned = qa.tokenize_align(example | qa.get_start_end_idx(example), pieces)
    ids = aligned["input_ids"]
    chosen = ids[aligned["start_positions"] : aligned["end_positions"] + 1]
    assert [pieces.vocab[i] for i in chosen] == ["hall", "##way"]
    assert len(ids) == len(aligned["attention_mask"]) == qa.TX
    assert sum(aligned["attention_mask"]) == 8


def test_an_answer_that_is_cut_off_has_no_place():
    """Its ends are Tx, as the course marks them."""
    example = {"sentences": "of " * 60 + "garden", "question": "?", "answer": "garden"}
    aligned = qa.tokenize_align(
        example | qa.get_start_end_idx(example), qa.default_pieces()
    )
    assert aligned["start_positions"] == aligned["end_positions"] == qa.TX


def test_the_longest_stories_just_fit():
    """Five facts and a question fill Tx pieces; no story is cut."""
    data = qa.load_data(400)
    assert np.count_nonzero(data.x, axis=1).max() == qa.TX
    assert data.y.max() < qa.TX
    assert (data.x.dtype, data.y.dtype) == ("int32", "int32")
    assert (data.x.shape, data.y.shape) == ((400, qa.TX), (400, 2))


def test_both_ends_are_probabilities_of_what_is_there(untrained):
    """They sum to one, nothing on the filling, which nothing looks at."""
    x = qa.load_data(8).x
    y_hat = untrained.model(x).numpy()
    assert y_hat.shape == (8, 2, qa.TX)
    np.testing.assert_allclose(y_hat.sum(-1), 1, atol=1e-5)
    filling = np.broadcast_to(x[:, None] == 0, y_hat.shape)
    assert filling.any() and y_hat[filling].max() == 0
    (short,) = x[(x == 0).sum(1) == (x == 0).sum(1).max()][:1]
    n = np.count_nonzero(short)
    alone = untrained.model(short[None, :n]).numpy()
    np.testing.assert_allclose(alone, untrained.model(short[None])[..., :n], atol=1e-5)


def test_the_answer_is_the_text_with_the_largest_sum():
    """Two mentions together outweigh one that is likelier than each."""
    pieces = qa.default_pieces()
    facts = "garden office garden"
    encoding = pieces.encode("what", facts, max_length=qa.TX, pad=True)
    ends = np.zeros(qa.TX)
    ends[3:6] = 0.3, 0.4, 0.3  # behind [CLS] what [SEP]
    assert qa._likeliest(facts, encoding, ends, np.eye(qa.TX)[4]) == "office"
    answer = qa._likeliest(facts, encoding, ends, ends)
    probabilities = answer.details["probabilities"]
    assert answer == "garden" == [*probabilities][0]
    assert probabilities["garden"] == pytest.approx(0.09 + 0.09)
    assert probabilities["office"] == pytest.approx(0.16)
    assert probabilities["garden office garden"] == pytest.approx(0.09)
    assert answer.confidence == probabilities[answer]
    assert facts[slice(*answer.details["span"])] == answer
    starts, behinds, inside = zip(*answer.details["inside"], strict=True)
    assert [facts[a:b] for a, b in zip(starts, behinds, strict=True)] == facts.split()
    # Of all that begin at or before a word and end at or behind it.
    np.testing.assert_allclose(inside, [0.3, 0.49, 0.3])


def test_training_lowers_the_loss():
    """Of a tiny reader, on stories of one fact."""
    told = [s for s in stories.make_long_stories(300) if len(s.facts) == 1][:48]
    keras.utils.set_random_seed(0)
    model = tiny(qa.default_pieces())
    data = qa.tokens(told, model.pieces)
    losses = qa.train(model, data, epochs=4, batch_size=16, learning_rate=0.02)
    assert losses[-1] < 0.8 * losses[0]


def test_pieces_and_weights_come_back_from_a_file(untrained, tmp_path, monkeypatch):
    """Rounded once to half precision, under any vocabulary."""
    path = tmp_path / "mine.h5"
    models.save(qa, untrained, path)
    back = models.load("question_answering", str(path))
    assert back.pieces.vocab == untrained.pieces.vocab
    for ours, theirs in zip(back.model.weights, untrained.model.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_stories_of_facts_never_learnt_are_answered(pretrained):
    """Those that `evaluate` takes, 200 of each kind."""
    for make in MAKERS:
        assert qa.exact(pretrained, make(200, seed=2, held_out=True)) >= 0.97


@pytest.mark.parametrize(
    "story",
    [
        "The kitchen is north of the hallway. What is the hallway south of?",
        ("The kitchen is north of the hallway.", "What is the hallway south of?"),
        (["The kitchen is north of the hallway."], " What is the hallway south of? "),
        "the KITCHEN is\nnorth of the hallway.\n\nWhat is the hallway south of?\n",
    ],
)
def test_a_story_is_told_in_many_ways(pretrained, story):
    """The answer stands as the story writes it."""
    answer = qa.infer(pretrained, story)
    assert answer.lower() == "kitchen"
    assert answer.confidence > 0.9


@pytest.mark.parametrize(
    ("story", "words"),
    [
        ("", "facts and a question"),
        ("What is north of the hallway?", "facts and a question"),
        ("The kitchen is north of the hallway.", "facts and a question"),
        (("The kitchen is north of the hallway.", ""), "facts and a question"),
        (("", "What is north of the hallway?"), "facts and a question"),
        (([1], "What?"), "facts and a question"),
        (3, "facts and a question"),
        (None, "facts and a question"),
        (
            "The cellar is north of the hallway. What is über the garden?",
            "'über', 'cellar'",
        ),
        ("The garden is north of the office. " * 6 + "What is that?", "at most 47"),
    ],
)
def test_what_cannot_be_read_is_told(pretrained, story, words):
    """No facts, no question, words that nobody taught it, too much at once."""
    with pytest.raises(InputError, match=words):
        qa.infer(pretrained, story)


def test_the_words_that_are_known_are_named(pretrained):
    """For whoever used another."""
    with pytest.raises(InputError) as caught:
        qa.infer(pretrained, "The cellar is north of the hallway. What is it?")
    assert " ".join(stories.WORDS) in str(caught.value)


def test_the_picture_shows_a_line_a_fact(pretrained):
    """The words in their order, the question and the answer above them."""
    story, _ = qa.example()
    (axes, *_) = qa.picture(pretrained, story).axes
    shown = " ".join(text.get_text() for text in axes.texts)
    facts = story[: story.rindex("What")]
    assert shown == facts.replace(".", " .").strip()
    assert len({text.get_position()[1] for text in axes.texts}) == 3
    assert axes.get_title() == "What is the office north of? hallway"


def test_an_open_question_is_answered_without_confidence(pretrained):
    """The facts do not mention the garden."""
    story = (
        "The kitchen is north of the hallway. The office is east of the kitchen. "
        "What is the garden south of?"
    )
    answer = qa.infer(pretrained, story)
    assert answer.confidence < 0.5


@pytest.mark.data
def test_the_real_stories_are_answered(pretrained):
    """The contract's number, on all 1,000."""
    assert qa.exact(pretrained, stories.load_stories().test) >= 0.98


@pytest.mark.data
def test_the_standard_vocabulary_reads_the_same_stories():
    """BERT's pieces: every word of the stories is one, and the ends are the same."""
    pieces = word_pieces.WordPieces.read(files.find_data(word_pieces.STANDARD))
    told = stories.make_long_stories(20)
    theirs, ours = qa.tokens(told, pieces), qa.tokens(told, qa.default_pieces())
    np.testing.assert_array_equal(theirs.y, ours.y)
    assert tiny(pieces).model(theirs.x[:2]).shape == (2, 2, qa.TX)
