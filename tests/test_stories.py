"""Generated stories have the original grammar, and every answer is correct."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import catalog, stories
from dls_keras.datasets.stories import OPPOSITE, PLACES, STEPS

MAKERS = (stories.make_stories, stories.make_long_stories)
both = pytest.mark.parametrize("make", MAKERS)


def parsed(fact):
    """(place, direction, other) of "The place is direction of the other."."""
    the, place, verb, direction, of, too, other = fact.removesuffix(".").split()
    assert (the, verb, of, too) == ("The", "is", "of", "the") and fact[-1] == "."
    return place, direction, other


def solved(story):
    """The answers that the facts contain, each with the index of its fact."""
    words = story.question.removesuffix("?").split()
    if words[-1] == "of":  # What is the hallway north of?
        _, _, _, other, direction, _ = words
        direction = OPPOSITE[direction]
    else:  # What is north of the hallway?
        _, _, direction, _, _, other = words
    found = []
    for i, (a, d, b) in enumerate(map(parsed, story.facts)):
        if (d, b) == (direction, other):
            found.append((a, i))
        if (OPPOSITE[d], a) == (direction, other):
            found.append((b, i))
    return found


def shape(story):
    """A story with its places replaced by 0, 1, 2 in their order of appearance."""
    names = {}
    for text in (*story.facts, story.question):
        for word in text.strip(".?").split():
            if word in PLACES:
                names.setdefault(word, str(len(names)))
    shown = " ".join((*story.facts, story.question, story.answer))
    for place, name in names.items():
        shown = shown.replace(place, name)
    return shown


@both
@pytest.mark.parametrize("held_out", [False, True])
def test_every_answer_is_the_only_correct_one(make, held_out):
    """By the rules of the compass alone; the supporting fact is correct, too."""
    for story in make(300, seed=1, held_out=held_out):
        assert solved(story) == [(story.answer, story.support)]


@both
def test_every_word_is_listed(make):
    """`WORDS` is the vocabulary of all stories."""
    text = " ".join(" ".join((*s.facts, s.question)) for s in make(100))
    used = text.lower().replace(".", " . ").replace("?", " ? ").split()
    assert set(used) == set(stories.WORDS)


@both
def test_a_seed_determines_the_stories(make):
    """More stories of the same seed continue them; another seed gives others."""
    assert make(20, seed=3) == make(20, seed=3) == make(30, seed=3)[:20]
    assert make(20, seed=3) != make(20, seed=4)


@both
def test_held_out_facts_are_in_no_training_story(make):
    """Every held-out story asks about one."""
    trained, tested = make(200), make(200, held_out=True)
    assert not any(stories.is_held_out(fact) for s in trained for fact in s.facts)
    assert all(stories.is_held_out(s.facts[s.support]) for s in tested)


def test_training_facts_have_every_place_in_every_role():
    """One fact in five is held out; the others have each place and direction."""
    facts = [(a, d, b) for a in PLACES for d in STEPS for b in PLACES if a != b]
    trained = [
        (a, d, b)
        for a, d, b in facts
        if not stories.is_held_out(f"The {a} is {d} of the {b}.")
    ]
    assert (len(facts), len(trained)) == (120, 96)
    assert {(a, d) for a, d, _ in trained} == {(a, d) for a in PLACES for d in STEPS}
    assert {(d, b) for _, d, b in trained} == {(d, b) for b in PLACES for d in STEPS}


def test_places_of_a_long_story_have_positions_on_a_grid():
    """One to five facts connect all places; no two have the same position."""
    made = stories.make_long_stories(300)
    assert {len(story.facts) for story in made} == {*range(1, stories.MAX_FACTS + 1)}
    for story in made:
        facts = [parsed(fact) for fact in story.facts]
        positions = {facts[0][0]: (0, 0)}
        for _ in facts:
            for a, d, b in facts:
                if b in positions:
                    positions[a] = tuple(np.add(positions[b], STEPS[d]).tolist())
                if a in positions:
                    positions[b] = tuple(np.subtract(positions[a], STEPS[d]).tolist())
        assert len(positions) == len(facts) + 1 == len({*positions.values()})


def test_long_stories_ask_four_kinds_of_question():
    """Each in about a quarter of the stories."""
    kinds = Counter(map(stories.question_kind, stories.make_long_stories(600)))
    assert len(kinds) == 4
    assert min(kinds.values()) > 100


def test_the_kind_of_a_question_names_form_and_answer():
    """The form of the question, and which place of the fact the answer is."""
    fact = "The kitchen is north of the hallway."
    for question, answer, kind in (
        ("What is north of the hallway?", "kitchen", "What is north of X?, first"),
        ("What is south of the kitchen?", "hallway", "What is north of X?, second"),
        ("What is the hallway south of?", "kitchen", "What is X north of?, first"),
        ("What is the kitchen north of?", "hallway", "What is X north of?, second"),
    ):
        story = stories.Story((fact,), question, answer, 0)
        assert stories.question_kind(story) == f"{kind} place of the fact"


@pytest.mark.parametrize(
    "story",
    [
        "A is B.  C is D.\nWhat is A?",
        ("A is B.  C is D.", " What is A? "),
        (["A is B.", "C is D."], "What is A?"),
    ],
)
def test_a_text_is_split_into_facts_and_question(story):
    """The facts as one text; pairs are accepted, too."""
    facts, question = stories.split_question(story)
    assert (facts.split(), question) == ("A is B. C is D.".split(), "What is A?")


@pytest.mark.parametrize(
    "story", ["", "What?", "A is B.", ("A is B.", ""), ("", "What?"), ([1], "What?"), 3]
)
def test_a_text_without_facts_or_question_is_rejected(story):
    """The message has an example."""
    with pytest.raises(InputError, match="facts followed by a question, such as"):
        stories.split_question(story)


@given(st.integers(0, 10**6), st.sampled_from(MAKERS))
def test_a_story_in_the_form_of_the_course_is_restored(seed, make):
    """Also after JSON."""
    (story,) = make(1, seed=seed)
    assert stories.from_babi(json.loads(json.dumps(stories.to_babi(story)))) == story


def lines(story):
    """A story in bAbI's own format, which has a blank before the tab."""
    facts = "".join(f"{i} {fact}\n" for i, fact in enumerate(story.facts, 1))
    n = len(story.facts)
    return f"{facts}{n + 1} {story.question} \t{story.answer}\t{story.support + 1}\n"


def test_files_of_both_formats_are_read(tmp_path):
    """The format is recognised by the content: numbered lines or JSON."""
    made = [*stories.make_long_stories(50), *stories.make_stories(50)]
    path = tmp_path / "stories.txt"
    path.write_text("".join(map(lines, made)))
    assert stories.read(path) == made
    path.write_text(json.dumps([stories.to_babi(story) for story in made]))
    assert stories.read(path) == made


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no story"),
        ("1 The office is north of the kitchen.\n", "no story"),
        ("The office is north of the kitchen.\n", "line 1"),
        ("1 A.\n2 What?\ta\t7\n", "line 2: there is no fact 7"),
        ("[1, 2]", "is not a file of stories"),
        ('[{"story": {"text": ["A.", "B?"]}}]', "answer|supporting"),
        ("[", "is not a file of stories"),
        (b"\xff\xfe", "is not a file of stories"),
    ],
)
def test_a_file_without_stories_is_reported(tmp_path, content, words):
    """With its path, and with the expected format."""
    path = tmp_path / "file.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=words) as caught:
        stories.read(path)
    assert str(path) in str(caught.value)


def test_a_path_that_does_not_exist_is_an_error(tmp_path):
    """The message says so."""
    with pytest.raises(MissingFileError, match="no file at"):
        stories.read(tmp_path / "none.txt")


@pytest.mark.data
def test_the_original_stories_have_one_answer_each():
    """1,000 and 1,000; the hashes of the files are right."""
    real = stories.load_stories()
    assert (len(real.train), len(real.test)) == (1000, 1000)
    for remote in (stories.TRAIN, stories.TEST):
        files.check_hash(catalog.find(remote), remote)
    for story in real.train + real.test:
        assert solved(story) == [(story.answer, story.support)]


@pytest.mark.data
def test_generated_stories_have_the_original_grammar():
    """The same 64 shapes with the same frequencies, up to sampling noise."""
    real = stories.load_stories()
    original = Counter(map(shape, real.train + real.test))
    made = Counter(map(shape, stories.make_stories(2000)))
    assert original.keys() == made.keys() and len(made) == 64
    # Chi-squared with 63 degrees of freedom: mean 63, standard deviation 11.
    statistic = sum((original[s] - n) ** 2 / (original[s] + n) for s, n in made.items())
    assert statistic < 110
