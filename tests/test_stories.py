"""Written stories follow the real ones' grammar, and every answer is right."""

import json
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import stories
from dls_keras.datasets.stories import OPPOSITE, PLACES, STEPS

MAKERS = (stories.make_stories, stories.make_long_stories)
both = pytest.mark.parametrize("make", MAKERS)


def parsed(fact):
    """(place, direction, other) of "The place is direction of the other."."""
    the, place, verb, direction, of, too, other = fact.removesuffix(".").split()
    assert (the, verb, of, too) == ("The", "is", "of", "the") and fact[-1] == "."
    return place, direction, other


def solved(story):
    """The answers that the facts give, each with the number of its fact."""
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
    """A story with its places called 0, 1, 2 in the order in which they come."""
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
def test_every_written_answer_is_the_only_right_one(make, held_out):
    """By the rules of the compass alone; the supporting fact too."""
    for story in make(300, seed=1, held_out=held_out):
        assert solved(story) == [(story.answer, story.support)]


@both
def test_every_word_is_listed(make):
    """A vocabulary of `WORDS` reads all stories."""
    text = " ".join(" ".join((*s.facts, s.question)) for s in make(100))
    used = text.lower().replace(".", " . ").replace("?", " ? ").split()
    assert set(used) == set(stories.WORDS)


@both
def test_a_seed_is_a_set_of_stories(make):
    """The same each time; another seed writes others; more of one seed go on."""
    assert make(20, seed=3) == make(20, seed=3) == make(30, seed=3)[:20]
    assert make(20, seed=3) != make(20, seed=4)


@both
def test_facts_for_testing_are_never_learnt(make):
    """They are in no story to learn from, and asked about in every other."""
    learnt, tested = make(200), make(200, held_out=True)
    assert not any(stories.is_held_out(fact) for s in learnt for fact in s.facts)
    assert all(stories.is_held_out(s.facts[s.support]) for s in tested)


def test_what_is_learnt_names_every_place_in_every_role():
    """One fact in five is for testing; the others still have all words anywhere."""
    facts = [(a, d, b) for a in PLACES for d in STEPS for b in PLACES if a != b]
    learnt = [
        (a, d, b)
        for a, d, b in facts
        if not stories.is_held_out(f"The {a} is {d} of the {b}.")
    ]
    assert (len(facts), len(learnt)) == (120, 96)
    assert {(a, d) for a, d, _ in learnt} == {(a, d) for a in PLACES for d in STEPS}
    assert {(d, b) for _, d, b in learnt} == {(d, b) for b in PLACES for d in STEPS}


def test_long_stories_are_maps():
    """One to five facts that lead to all places, no two of them on one spot."""
    told = stories.make_long_stories(300)
    assert {len(story.facts) for story in told} == {*range(1, stories.MOST_FACTS + 1)}
    for story in told:
        facts = [parsed(fact) for fact in story.facts]
        spots = {facts[0][0]: (0, 0)}
        for _ in facts:
            for a, d, b in facts:
                if b in spots:
                    spots[a] = tuple(np.add(spots[b], STEPS[d]).tolist())
                if a in spots:
                    spots[b] = tuple(np.subtract(spots[a], STEPS[d]).tolist())
        assert len(spots) == len(facts) + 1 == len({*spots.values()})


def test_long_stories_ask_for_either_place_in_either_way():
    """Four kinds of question, each in about a quarter of the stories."""
    kinds = Counter(
        (s.question.endswith(" of?"), parsed(s.facts[s.support])[0] == s.answer)
        for s in stories.make_long_stories(600)
    )
    assert min(kinds[a, b] for a in (True, False) for b in (True, False)) > 100


@given(st.integers(0, 10**6), st.sampled_from(MAKERS))
def test_a_story_comes_back_from_both_formats(seed, make):
    """The course's lists, and bAbI's numbered lines."""
    (story,) = make(1, seed=seed)
    assert stories.from_babi(json.loads(json.dumps(stories.to_babi(story)))) == story
    assert stories._from_lines(lines(story) * 2) == [story, story]


def lines(story):
    """A story in bAbI's own format, blank before the tab included."""
    told = "".join(f"{i} {fact}\n" for i, fact in enumerate(story.facts, 1))
    n = len(story.facts)
    return f"{told}{n + 1} {story.question} \t{story.answer}\t{story.support + 1}\n"


def test_files_of_both_formats_are_read(tmp_path):
    """Told apart by what they hold."""
    told = stories.make_long_stories(5)
    path = tmp_path / "stories.txt"
    path.write_text("".join(map(lines, told)))
    assert stories.read(path) == told
    path.write_text(json.dumps([stories.to_babi(story) for story in told]))
    assert stories.read(path) == told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "no story"),
        ("1 The office is north of the kitchen.\n", "no story"),
        ("The office is north of the kitchen.\n", "line 1"),
        ("1 A.\n2 What?\ta\t7\n", "line 2: there is no fact 7"),
        ("[1, 2]", "no stories"),
        ('[{"story": {"text": ["A.", "B?"]}}]', "answer|supporting"),
        ("[", "no stories"),
        (b"\xff\xfe", "no stories"),
    ],
)
def test_what_holds_no_stories_is_told(tmp_path, content, words):
    """With the file, and what would be right."""
    path = tmp_path / "file.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=words) as caught:
        stories.read(path)
    assert str(path) in str(caught.value)


def test_missing_stories_are_told_with_what_to_do(tmp_path, monkeypatch):
    """Where the archive is, and what writes stories instead."""
    with pytest.raises(MissingFileError, match="does not exist"):
        stories.read(tmp_path / "none.txt")
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    with pytest.raises(MissingFileError, match=r"tasks_1-20.*make_stories"):
        stories.load_stories()


@pytest.mark.data
def test_the_real_stories_are_what_they_should_be():
    """1,000 and 1,000 by hash, each answered by one of its facts."""
    real = stories.load_stories()
    assert (len(real.train), len(real.test)) == (1000, 1000)
    for remote in (stories.TRAIN, stories.TEST):
        files.check_hash(files.find_data(remote), remote)
    for story in real.train + real.test:
        assert solved(story) == [(story.answer, story.support)]


@pytest.mark.data
def test_written_stories_have_the_grammar_of_the_real_ones():
    """The same 64 shapes, and each as often, but for chance."""
    real = stories.load_stories()
    theirs = Counter(map(shape, real.train + real.test))
    ours = Counter(map(shape, stories.make_stories(2000)))
    assert theirs.keys() == ours.keys() and len(ours) == 64
    # Two counts of one mean: the sum of these has the mean 63 and deviation 11.
    assert sum((theirs[s] - n) ** 2 / (theirs[s] + n) for s, n in ours.items()) < 110
