"""Short stories of which place lies where, each with a question: task 4 of bAbI.

    The kitchen is north of the hallway.
    The garden is south of the hallway.
    What is the hallway north of?  (The garden.)

The real set, 1,000 stories to learn from and 1,000 to test on, has three places in a
line in every story: both facts name the middle one, as the second place in two facts
of three, and the answer is always the place that a fact names first. `make_stories`
writes stories of exactly this grammar, `make_long_stories` freer ones: one to five
facts, lines that bend, and questions for either place of a fact.

One fact in five, such as "The bathroom is north of the garden.", occurs in no story
made to learn from, so that a reader can be tested on facts it has never seen.

Paper: Weston et al. (2016), "Towards AI-complete question answering",
https://arxiv.org/abs/1502.05698
"""

import json
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError

PLACES = ("bathroom", "bedroom", "garden", "hallway", "kitchen", "office")
STEPS = {"north": (0, 1), "east": (1, 0), "south": (0, -1), "west": (-1, 0)}
OPPOSITE = {"north": "south", "east": "west", "south": "north", "west": "east"}
WORDS = (*"the is of what . ?".split(), *STEPS, *PLACES)  # all there are
MOST_FACTS = len(PLACES) - 1  # of a story; each leads to a further place
HELD_OUT = 5  # facts whose number this divides are for testing

# What the publisher offers is one archive of all tasks, 15,719,851 bytes; the course
# has Arrow files, of which these are the content.
ARCHIVE = "https://www.thespermwhale.com/jaseweston/babi/tasks_1-20_v1-2.tar.gz"
_INSTEAD = (
    f"Unpack {ARCHIVE} and read its en/qa4_two-arg-relations_train.txt and _test.txt "
    "with dls_keras.datasets.stories.read, or write stories of the same grammar with "
    "dls_keras.datasets.stories.make_stories."
)
TRAIN = files.Remote(
    name="transformers/qa/babi_en_qa4_train.json",
    sha256="c110d2b54e21329aef6f9990599f66073546ca5de61df2325e23ad21fa618c33",
    licence="CC BY 3.0",
    instead=_INSTEAD,
)
TEST = files.Remote(
    name="transformers/qa/babi_en_qa4_test.json",
    sha256="3166b8c5b63601b0a2ae1072a3f0d6a6d201a38a66c7857e65ac109d9fe89f95",
    licence="CC BY 3.0",
    instead=_INSTEAD,
)


class Story(NamedTuple):
    """What is told, what is asked, the answer, and the fact that gives it, from 0."""

    facts: tuple[str, ...]
    question: str
    answer: str
    support: int


class Stories(NamedTuple):
    """1,000 stories to learn from and 1,000 to test on; 134 of these stand in both."""

    train: list[Story]
    test: list[Story]


def load_stories() -> Stories:
    """The real stories."""
    return Stories(read(files.find_data(TRAIN)), read(files.find_data(TEST)))


def read(path: str | Path) -> list[Story]:
    """The stories of a file, in JSON as the course has them or in bAbI's own format.

    Raises:
        InputError: if the file is neither.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"{path} does not exist. Expected stories of bAbI.")
    try:
        text = Path(path).read_text("utf-8")
        found = _from_json(text) if text.lstrip()[:1] == "[" else _from_lines(text)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} holds no stories ({error}). Expected lines such as '1 The office "
            "is north of the kitchen.' and '3 What is north of the kitchen?', a tab, "
            "the answer, a tab, the number of the fact; or the same in JSON."
        ) from error
    if not found:
        raise InputError(f"{path} holds no story. Expected facts and a question.")
    return found


def to_babi(story: Story) -> dict:
    """A story as the course's files have it: lists with an entry a sentence."""
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
    """A story that stands there as the course's files have it."""
    fields = record["story"]
    *facts, question = fields["text"]
    (support, *_) = fields["supporting_ids"][-1]
    return Story(
        tuple(facts), question, fields["answer"][-1], fields["id"].index(support)
    )


def make_stories(
    m: int, *, seed: int = 0, held_out: bool = False, turned: float = 0.5
) -> list[Story]:
    """m stories of the real ones' grammar: three places in a line, two facts.

    Args:
        held_out: ask about the facts for testing, instead of using only the others.
        turned: the share of the questions that have the opposite of the direction
            that the fact has; one half in the real ones.
    """
    return _make(m, seed, held_out, turned, _in_a_line)


def make_long_stories(
    m: int, *, seed: int = 0, held_out: bool = False, turned: float = 0.5
) -> list[Story]:
    """m stories of one to five facts, in any order, that ask for either place of one.

    No two places lie on one spot, and what is asked stands in one of the facts.

    Args:
        held_out, turned: as in `make_stories`.
    """
    return _make(m, seed, held_out, turned, _anyhow)


def is_held_out(fact: str) -> bool:
    """Whether a fact, such as "The office is north of the garden.", is for testing."""
    _, place, _, direction, _, _, other = fact.rstrip(".").split()
    number = len(PLACES) * PLACES.index(place) + PLACES.index(other)
    return (len(STEPS) * number + [*STEPS].index(direction)) % HELD_OUT == 0


def _make(m, seed, held_out, turned, draw):
    rng = np.random.default_rng(seed)
    stories = []
    while len(stories) < m:
        facts, asks_first = draw(rng)
        story = _told(rng, facts, asks_first, turned)
        tested = [is_held_out(fact) for fact in story.facts]
        if tested[story.support] if held_out else not any(tested):
            stories.append(story)
    return stories


def _in_a_line(rng):
    """Two places on opposite sides of a third; the first of a fact is asked for."""
    middle, one, another = rng.permutation(PLACES)[:3]
    direction = rng.choice([*STEPS])
    facts = (one, direction, middle), (another, OPPOSITE[direction], middle)
    # The middle comes second as often as in the real ones.
    return [f if rng.random() < 2 / 3 else _turned(f) for f in facts], True


def _anyhow(rng):
    """Places set one beside another on a map; either place of a fact is asked for."""
    first, *others = rng.permutation(PLACES)[: rng.integers(2, len(PLACES) + 1)]
    spots, facts = {(0, 0): first}, []
    for place in others:
        spot = 0, 0
        while spot in spots:
            beside = [*spots][rng.integers(len(spots))]
            direction = rng.choice([*STEPS])
            spot = tuple(np.add(beside, STEPS[direction]).tolist())
        spots[spot] = place
        fact = place, direction, spots[beside]
        facts.append(fact if rng.random() < 1 / 2 else _turned(fact))
    return [facts[i] for i in rng.permutation(len(facts))], rng.random() < 1 / 2


def _told(rng, facts, asks_first, turned):
    """Facts (place, direction, other) in words, and a question about one of them."""
    support = int(rng.integers(len(facts)))
    fact = facts[support]
    answer, true, other = fact if asks_first else _turned(fact)
    _, said, _ = _turned(fact) if rng.random() < turned else fact
    question = (
        f"What is {said} of the {other}?"
        if said == true
        else f"What is the {other} {said} of?"
    )
    told = tuple(f"The {place} is {d} of the {beside}." for place, d, beside in facts)
    return Story(told, question, str(answer), support)


def _turned(fact):
    """The same fact, told of the other place."""
    place, direction, other = fact
    return other, OPPOSITE[direction], place


def _from_json(text):
    return [from_babi(record) for record in json.loads(text)]


def _from_lines(text):
    """Numbered lines; one with an answer asks about the facts since number 1."""
    stories, facts = [], {}
    for number, line in enumerate(text.splitlines(), 1):
        found = re.fullmatch(r"(\d+) ([^\t]+?) *(?:\t([^\t]+)\t([\d ]+))?", line)
        if not found:
            raise ValueError(f"line {number}: {line[:60]!r}")
        index, sentence, answer, supports = found.groups()
        if index == "1":
            facts = {}
        if answer is None:
            facts[index] = sentence
            continue
        support = supports.split()[0]
        if support not in facts:
            raise ValueError(f"line {number}: there is no fact {support}")
        told = tuple(facts.values())
        stories.append(Story(told, sentence, answer, [*facts].index(support)))
    return stories
