"""Short stories about the positions of places, each with a question: task 4 of bAbI.

    The kitchen is north of the hallway.
    The garden is south of the hallway.
    What is the hallway north of?  (The garden.)

The original data, 1,000 training and 1,000 test stories, has three places in a line in
every story: both facts name the middle one, as the second place in two thirds of the
facts, and the answer is always the first place of its fact. `make_stories` generates
stories of exactly this grammar. Those of `make_long_stories` vary more: one to five
facts, places anywhere on a grid, and questions for either place of a fact.

One fact in five, such as "The bathroom is north of the garden.", is held out: it occurs
in no training story, so that a model can be tested on facts that are new to it.

Paper: Weston et al. (2016), "Towards AI-complete question answering",
https://arxiv.org/abs/1502.05698
"""

import contextlib
import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog

PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
STEPS = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
OPPOSITE = {"north": "south", "east": "west", "south": "north", "west": "east"}
WORDS = (*"the is of what . ?".split(), *STEPS, *PLACES)  # the whole vocabulary
MAX_FACTS = len(PLACES) - 1  # per story; each fact adds a place
LARGEST = 4 * readers.MEGABYTE  # of a file; the course's have 220 kB
MOST_FACTS = 100  # of a story in a file
HELD_OUT = 5  # facts whose number is a multiple of this are held out

TRAIN, TEST = catalog.DATA_SETS["babi"].files


class Story(NamedTuple):
    """Facts, a question, its answer, and which fact contains the answer."""

    facts: tuple[str, ...]
    question: str
    answer: str
    support: int  # index of the supporting fact


class Stories(NamedTuple):
    """1,000 training and 1,000 test stories; 134 of the latter are in both."""

    train: list[Story]
    test: list[Story]


def load_stories() -> Stories:
    """The original stories of bAbI.

    Raises:
        MissingFileError: if the files are not on this machine.
    """
    return Stories(read(catalog.find(TRAIN)), read(catalog.find(TEST)))


def read(path: str | Path) -> list[Story]:
    """The stories of a file: JSON as in the course, or bAbI's own text format.

    Raises:
        MissingFileError: if the file does not exist.
        InputError: if it has neither format.
    """
    expected = "a file of stories"
    advice = (
        "Expected lines such as '1 The office is north of the kitchen.' and '3 What is "
        "north of the kitchen?', a tab, the answer, a tab, the number of the fact; or "
        "the same in JSON."
    )
    text = readers.read_text(path, expected, limit=LARGEST, advice=advice)
    with readers.reading(path, expected, advice):
        found = _from_json(text) if text.lstrip()[:1] == "[" else _from_lines(text)
    if not found:
        raise InputError(f"{path} has no story. Expected facts and a question.")
    return found


def to_babi(story: Story) -> dict:
    """A story in the form of the course's files: lists with one entry per sentence."""
    n = len(story.facts)
    return {
        "story": {
            "text": [*story.facts, story.question],
            "answer": [*[""] * n, story.answer],
            "id": [str(i + 1) for i in range(n + 1)],
            "supporting_ids": [*([] for _ in range(n)), [str(story.support + 1)]],
            "type": [*[0] * n, 1],
        }
    }


def from_babi(record: dict) -> Story:
    """The story of a record in the form of the course's files; see `to_babi`."""
    fields = record["story"]
    *facts, question = fields["text"]
    (support, *_) = fields["supporting_ids"][-1]
    return Story(
        tuple(facts), question, fields["answer"][-1], fields["id"].index(support)
    )


def split_question(story: str | tuple) -> tuple[str, str]:
    """The facts in one text, and the question.

    Args:
        story: a text with the question at its end, or a pair (facts, question), the
            facts in one text or in a list.

    Raises:
        InputError: if there are no facts, or no question that ends in "?".
    """
    if isinstance(story, str):
        *facts, question = re.split(r"(?<=[.!?])\s+", story.strip())
        story = facts, question
    with contextlib.suppress(TypeError, ValueError, AttributeError):  # another type
        facts, question = story
        text = (facts if isinstance(facts, str) else " ".join(facts)).strip()
        if text and question.strip().endswith("?"):
            return text, question.strip()
    raise InputError(
        "Expected facts followed by a question, such as 'The kitchen is north of the "
        f"hallway. What is the kitchen north of?', received {str(story)[:80]!r}."
    )


def make_stories(
    m: int, *, seed: int = 0, held_out: bool = False, opposite: float = 0.5
) -> list[Story]:
    """m stories of the original grammar: three places in a line, two facts.

    Args:
        held_out: ask about held-out facts; otherwise no fact is a held-out one.
        opposite: the share of the questions whose direction is the opposite of that in
            the supporting fact; 0.5 in the original stories.
    """
    return _make(m, seed, held_out, opposite, _three_places)


def make_long_stories(
    m: int, *, seed: int = 0, held_out: bool = False, opposite: float = 0.5
) -> list[Story]:
    """m stories of one to five facts in any order, with a question for either place.

    No two places have the same position, and one of the facts contains the answer.

    Args:
        held_out, opposite: as in `make_stories`.
    """
    return _make(m, seed, held_out, opposite, _places_on_a_grid)


def is_held_out(fact: str) -> bool:
    """Whether a fact, such as "The office is north of the garden.", is held out."""
    _, place, _, direction, _, _, other = fact.rstrip(".").split()
    number = len(PLACES) * PLACES.index(place) + PLACES.index(other)
    return (len(STEPS) * number + [*STEPS].index(direction)) % HELD_OUT == 0


def question_kind(story: Story) -> str:
    """The form of the question, and which place of its fact the answer is."""
    form = "What is X north of?" if " of?" in story.question else "What is north of X?"
    first = story.facts[story.support].split()[1] == story.answer
    return f"{form}, {'first' if first else 'second'} place of the fact"


def _make(m, seed, held_out, opposite, sample):
    rng = np.random.default_rng(seed)
    stories = []
    while len(stories) < m:
        facts, asks_first = sample(rng)
        story = _in_words(rng, facts, asks_first, opposite)
        tested = [is_held_out(fact) for fact in story.facts]
        if tested[story.support] if held_out else not any(tested):
            stories.append(story)
    return stories


def _three_places(rng):
    """Two places on opposite sides of a third; the question is for the first place."""
    middle, one, another = rng.permutation(PLACES)[:3]
    direction = rng.choice([*STEPS])
    facts = (one, direction, middle), (another, OPPOSITE[direction], middle)
    # The middle place is second as often as in the original stories.
    return [f if rng.random() < 2 / 3 else _inverse(f) for f in facts], True


def _places_on_a_grid(rng):
    """Each place next to an earlier one; the question is for either place of a fact."""
    first, *others = rng.permutation(PLACES)[: rng.integers(2, len(PLACES) + 1)]
    positions, facts = {(0, 0): first}, []
    for place in others:
        position = 0, 0
        while position in positions:
            neighbour = [*positions][rng.integers(len(positions))]
            direction = rng.choice([*STEPS])
            position = tuple(np.add(neighbour, STEPS[direction]).tolist())
        positions[position] = place
        fact = place, direction, positions[neighbour]
        facts.append(fact if rng.random() < 1 / 2 else _inverse(fact))
    return [facts[i] for i in rng.permutation(len(facts))], rng.random() < 1 / 2


def _in_words(rng, facts, asks_first, opposite):
    """The story of facts (place, direction, other), with a question about one."""
    support = int(rng.integers(len(facts)))
    fact = facts[support]
    answer, true, other = fact if asks_first else _inverse(fact)
    _, asked, _ = _inverse(fact) if rng.random() < opposite else fact
    question = (
        f"What is {asked} of the {other}?"
        if asked == true
        else f"What is the {other} {asked} of?"
    )
    sentences = tuple(f"The {a} is {d} of the {b}." for a, d, b in facts)
    return Story(sentences, question, str(answer), support)


def _inverse(fact):
    """The same fact with its places exchanged and the opposite direction."""
    place, direction, other = fact
    return other, OPPOSITE[direction], place


def _from_json(text):
    stories = []
    for record in json.loads(text):
        fields = ("text", "answer", "id", "supporting_ids")
        columns = [record["story"][name] for name in fields]
        if not all(isinstance(c, list) and len(c) == len(columns[0]) for c in columns):
            raise TypeError(f"{', '.join(fields)} are not lists of one length")
        story = from_babi(record)
        for text in (*story.facts, story.question, story.answer):
            _check(text)
        if not story.support < len(story.facts) <= MOST_FACTS:
            raise ValueError(f"fact {story.support} of {len(story.facts)} is not valid")
        stories.append(story)
    return stories


def _from_lines(text):
    """Stories from numbered lines; a question is about the facts since line 1."""
    stories, facts = [], {}
    for number, line in enumerate(text.splitlines(), 1):
        sentence, *rest = line.split("\t")
        index, _, sentence = sentence.rstrip(" ").partition(" ")
        if not index.isdecimal() or len(rest) not in (0, 2):
            raise ValueError(f"line {number}: {readers.quoted(line)}")
        _check(sentence)
        if index == "1":
            facts = {}
        if not rest:
            facts[index] = sentence
            if len(facts) > MOST_FACTS:
                raise ValueError(f"line {number}: more than {MOST_FACTS} facts")
            continue
        answer, supports = rest
        support, *_ = supports.split() or [supports]
        if support not in facts:
            raise ValueError(f"line {number}: there is no fact {support[:9]}")
        _check(answer)
        supporting = [*facts].index(support)
        stories.append(Story(tuple(facts.values()), sentence, answer, supporting))
    return stories


def _check(text):
    """Raise ValueError unless a fact, a question or an answer is a text."""
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"expected a text, received {str(text)[:60]!r}")
    text.encode()  # JSON may hold half a character
