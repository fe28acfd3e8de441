"""Resumes with the places of names, employers, degrees and seven things more.

The course's set, `ner.json`, holds the resumes of 220 real people; it is not linked
here, but `load_resumes` reads it and any file of its form. `make_resumes` invents
applicants instead: their names, employers, colleges and lives are composed by chance,
and laid out after `resume_templates`.

What the test has and nobody learns from: its layouts, with the order of fields in them,
and its sentences; and every invented word (in names of people, firms, colleges, clients
and projects), first name and town: those whose checksum `CHECK` divides. Headings,
designations, skills, degrees and the endings of firms ("Ltd") are the same on both
sides, and most words of the test's sentences stand among the 1,127 common ones that the
training talks with.
"""

import functools
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.files import atomic_write
from dls_keras.datasets import resume_templates as layouts

EMPTY = "Empty"  # what stands in no span
LABELS = (
    EMPTY,
    "Companies worked at",
    "Designation",
    "Skills",
    "Location",
    "College Name",
    "Degree",
    "Graduation Year",
    "Email Address",
    "Name",
    "Years of Experience",
    "UNKNOWN",
)
CHECK = 5  # words whose checksum it divides are for testing
SPLITS = {"train": layouts.TRAIN, "test": layouts.TEST}

Span = tuple[int, int, str]  # text[start:end] is a label's


class Resumes(NamedTuple):
    """m resumes: x their texts, y a list of spans (start, end, label) for each."""

    x: list[str]
    y: list[list[Span]]


def load_resumes(path: str | Path) -> Resumes:
    """The resumes of a file of the course's form, a JSON object a line.

    Of each object `content` is the text, and `annotation` a list of
    `{"label": [name], "points": [{"start", "end", "text"}]}`, `end` the last character.
    Line ends become blanks. Annotations without a label are left out. Where an offset
    is wrong, as 223 of 3,558 of the course's are, the text that stands beside it is
    looked for from there on; what is not found is left out. Spans may overlap.

    Raises:
        InputError: if a line is no such object; its number is named.
    """
    if not Path(path).is_file():
        raise MissingFileError(
            f"{path} does not exist. Expected resumes, a JSON object a line; "
            "`make_resumes` invents some."
        )
    data = Resumes([], [])
    try:
        lines = Path(path).read_text("utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text in UTF-8: {error}.") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            text = re.sub(r"\r\n|[\r\n]", lambda end: " " * len(end[0]), _text(record))
            spans = [
                span
                for annotation in record["annotation"] or ()
                for label in annotation["label"][:1]
                for point in annotation["points"]
                if (span := _span(text, point, label)) is not None
            ]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}, line {number}: expected a JSON object with a text `content` "
                f"and a list `annotation`, got {line[:60]!r} ({error!r:.80})."
            ) from error
        data.x.append(text)
        data.y.append(sorted(spans))
    return data


def _text(record):
    if not isinstance(record["content"], str):
        raise TypeError("content is no text")
    return record["content"]


def _span(text, point, label):
    """(start, end, label) where the text of the point stands; None if nowhere."""
    start, end = int(point["start"]), int(point["end"]) + 1
    if label not in LABELS:
        raise ValueError(f"{label!r} is none of the labels")
    if "text" in point:
        wanted = re.sub(r"[\r\n]", " ", point["text"])
        start = text.find(wanted, max(0, start))
        end = start + len(wanted)
    return (start, end, label) if 0 <= start < end <= len(text) else None


def write_resumes(data: Resumes, path: str | Path) -> None:
    """Write resumes in the course's form, for `load_resumes` and other programs."""
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8") as f:
        for text, spans in zip(data.x, data.y, strict=True):
            annotation = [
                {
                    "label": [label],
                    "points": [{"start": a, "end": b - 1, "text": text[a:b]}],
                }
                for a, b, label in spans
            ]
            record = {"content": text, "annotation": annotation}
            f.write(json.dumps(record, ensure_ascii=False) + "\n")


def make_resumes(m: int, *, seed: int = 0, templates: str = "train") -> Resumes:
    """m invented resumes; "test" has layouts and names that "train" never has.

    Raises:
        InputError: if `templates` is neither "train" nor "test".
    """
    if templates not in SPLITS:
        raise InputError(f"There are templates 'train' and 'test', not {templates!r}.")
    rng = np.random.default_rng([seed, templates == "test"])
    made = [_Applicant(rng, templates).resume() for _ in range(m)]
    return Resumes([text for text, _ in made], [spans for _, spans in made])


def held_out(word: str) -> bool:
    """Whether a word is one of those that only the test has."""
    return zlib.crc32(word.lower().encode()) % CHECK == 0


class _Applicant:
    """Somebody who never was; each method draws what a field is filled with.

    What stays the same through a resume is drawn once: who it is, the trade, the jobs
    and the schools, latest first.
    """

    def __init__(self, rng, templates):
        self.rng, self.test = rng, templates == "test"
        self.layouts = SPLITS[templates]
        self.piles = {}
        self.sep = self.pick(layouts.SEPARATORS)
        self.bullet = self.pick(("- ", "• ", "* ", "", "– "))
        self.listing = self.pick(layouts.LISTS)
        trade = layouts.TRADES[self.pick(sorted(layouts.TRADES))]
        self.roles, skills, self.subjects, topics = trade[0], *trade[1:]
        self.skills = tuple(skills.split("|"))
        self.subjects, self.topics = self.subjects.split("|"), topics.split("|")
        first, last = self.first_name(), self.family()
        middle = f"{self.first_name()} " if self.chance(0.15) else ""
        self.who = {"name": f"{first} {middle}{last}", **self.addresses(first, last)}
        self.who["city"], self.who["role"] = self.city(), self.role()
        self.who["degree"], self.who["college"] = self.degree(), self.college()

    # Chance.

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, things):
        return things[self.rng.integers(len(things))]

    def on_our_side(self, things):
        """One of those words that are for this split."""
        return self.drawn_for_our_side(lambda: self.pick(things))

    def drawn_for_our_side(self, draw):
        """The first word that `draw` gives and that is for this split."""
        return next(word for word in iter(draw, None) if held_out(word) == self.test)

    def deal(self, things):
        """One of them, none again before all were dealt."""
        pile = self.piles.setdefault(things, [])
        if not pile:
            pile.extend(str(thing) for thing in self.rng.permutation(things))
        return pile.pop()

    # A resume.

    def resume(self):
        """The text and its spans, sorted."""
        year = int(self.rng.integers(2012, 2025))
        jobs, schools = [], []
        for _ in range(self.rng.integers(1, 5)):
            start = year - int(self.rng.integers(1, 6))
            jobs.append(self.job(start, None if not jobs else year))
            year = start
        for _ in range(self.rng.integers(1, 3)):
            start = year - int(self.rng.integers(2, 6))
            schools.append(self.school(start, year))
            year = start
        self.who.update(role=jobs[0]["role"], company=jobs[0]["company"])
        self.who.update(degree=schools[0]["degree"], college=schools[0]["college"])
        self.who["graduated"] = schools[0]["graduated"]

        blocks = {"experience": jobs, "education": schools}
        order = [*self.rng.permutation(["experience", "education", "skills"])]
        order += ["extras"] * int(self.rng.integers(1, 4))
        if self.chance(0.7):
            order.insert(0, "summary")
        pieces = [*self.filled("header", self.who)]
        layout = {name: self.layout(name) for name in blocks}
        for section in order:
            pieces.append(("\n\n", None))
            if section in layouts.HEADINGS:
                pieces.append((self.heading(section), None))
            for i, facts in enumerate(blocks.get(section, [self.who])):
                # An entry looks like the one before it, most of the time.
                if section in layout and self.chance(0.2):
                    layout[section] = self.layout(section)
                pieces.append(("\n" * (i > 0), None))
                pieces += self.filled(section, facts, layout.get(section))
        return _joined(pieces)

    def heading(self, section):
        text = self.pick(layouts.HEADINGS[section])
        text = text.upper() if self.chance(0.5) else text
        return text + self.pick(("\n", ":\n", "\n", ": ")) if text else ""

    def layout(self, section):
        """One of the written layouts or, for training, one composed by chance."""
        if self.test or self.chance(0.4):
            return self.deal(self.layouts[section])
        if section == "duties":
            parts = map(self.pick, (layouts.VERBS, layouts.THINGS, layouts.ENDS))
            talk = (
                " ".join(parts).strip() if self.chance(0.6) else "{chatter} {chatter}"
            )
            return talk.capitalize() + self.pick((".", "", ";"))
        return self.composed(section)

    def composed(self, section):
        """Some fields in an order that they have in no layout of the test."""
        always, others = layouts.FIELDS[section]
        while True:
            fields = [*always, *(field for field in others if self.chance(0.5))]
            fields = [str(field) for field in self.rng.permutation(fields)]
            if section == "extras":
                fields.sort(key="heading".__ne__)  # the heading comes first
            layout = ""
            for field in fields:
                layout += self.pick(layouts.JOINTS) if layout else ""
                layout += self.pick(layouts.CAPTIONS) if self.chance(0.4) else ""
                layout += self.pick(layouts.FORMS.get(field, (f"{{{field}}}",)))
            if _order(section, layout) not in _orders_of_the_test(section):
                return layout + "\n{duties}" * (section == "experience")

    def filled(self, section, facts, layout=None):
        """The pieces of text of a layout, each with its label or None."""
        layout = self.layout(section) if layout is None else layout
        for i, part in enumerate(re.split(r"\{(\w+)\}", layout)):
            if i % 2 == 0:
                yield part, None
            elif part == "skills":
                yield from self.listed()
            elif part in ("duties", "duty"):
                count = 1 if part == "duty" else int(self.rng.integers(1, 5))
                for j in range(count):
                    bullet = self.bullet if part == "duties" else ""
                    yield "\n" * (j > 0) + bullet, None
                    yield from self.filled("duties", {})
            elif part == "sep":
                yield self.sep, None
            else:
                value = facts.get(part) or getattr(self, part)()
                yield value, layouts.LABELS.get(part)

    def listed(self):
        """Some skills, each labelled, and what parts them."""
        bullet = self.listing if self.listing.startswith("\n") else ""
        for i in range(self.rng.integers(3, 9)):
            yield self.listing if i else bullet, None
            yield self.skill(), "Skills"

    def job(self, start, end):
        current = end is None and self.chance(0.6)
        month = self.chance(0.6)
        now = self.pick(("present", "today", "now", "Present", "till date"))
        end = start + 1 if end is None else end
        return {
            "role": self.role(),
            "company": self.company(),
            "city": self.city(),
            "from": self.date_of(start, month),
            "to": now if current else self.date_of(end, month),
        }

    def school(self, start, end):
        return {
            "degree": self.degree(),
            "college": self.college(),
            "started": str(start),
            "graduated": str(end),
        }

    def date_of(self, year, month):
        if not month:
            return str(year)
        name = self.pick(layouts.MONTHS)
        number = 1 + layouts.MONTHS.index(name)
        forms = f"{name} {year}", f"{name[:3]} {year}", f"{number:02}/{year}"
        return self.pick(forms)

    # Fields.

    def word(self):
        """An invented word of two or three syllables, such as "Velmora"."""

        def invented():
            syllables = 2 + self.chance(0.3)
            word = "".join(
                self.pick(_ONSETS) + self.pick("aeiou" if i else "aaeeiouy")
                for i in range(syllables)
            )
            return (word + self.pick(_CODAS)).capitalize()

        return self.drawn_for_our_side(invented)

    def first_name(self):
        known = self.chance(0.6)
        return self.on_our_side(layouts.FIRST_NAMES) if known else self.word()

    def family(self):
        return self.drawn_for_our_side(lambda: self.word() + self.pick(_ENDINGS))

    def addresses(self, first, last):
        host = self.pick(("example.com", "example.org", "example.net"))
        host = self.pick(("", "mail.", f"{self.word().lower()}.")) + host
        first, last = first.lower(), last.lower()
        number = self.rng.integers(1, 99)
        user = self.pick((f"{first}.{last}", f"{first}{number}", f"{first[0]}{last}"))
        key = f"{self.rng.integers(1 << 32):08x}"
        path = f"resumes.example.com/r/{first}-{last}/{key}"
        return {"email": f"{user}@{host}", "link": path, "handle": first + last}

    def town(self):
        form = self.pick(
            ("{}", "{}", "Port {}", "New {}", "{}ville", "{}burg", "{}ton")
        )
        return form.format(self.word())

    def city(self):
        if self.chance(0.6):
            return self.on_our_side(layouts.CITIES)
        town = self.town()
        return f"{town}, {self.pick(layouts.REGIONS)}" if self.chance(0.5) else town

    def role(self):
        role = self.pick(self.roles)
        return f"{self.pick(layouts.LEVELS)} {role}" if self.chance(0.35) else role

    def invented(self, patterns):
        """A pattern with its capitals W, T, F, G replaced by invented names."""
        draw = {"W": self.word, "T": self.town, "F": self.family, "G": self.first_name}
        return re.sub(
            r"\b(?:WW|[WTFG])\b",
            lambda found: "".join(draw[letter]() for letter in found[0]),
            self.pick(patterns),
        )

    def company(self):
        return self.invented(layouts.FIRMS)

    def client(self):
        return self.invented(layouts.FIRMS)

    def college(self):
        return self.invented(layouts.COLLEGES)

    def degree(self):
        return self.pick(layouts.DEGREES).format(self.pick(self.subjects))

    def years(self):
        n = int(self.rng.integers(2, 25))
        words = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
        spoken = f"{self.pick(words)} years"
        return self.pick(
            (f"{n} years", f"{n}+ years", spoken, f"{n} yrs", f"{n}.5 years")
        )

    def skill(self):
        return self.deal(self.skills)

    def tool(self):
        return self.deal(self.skills)

    def topic(self):
        return self.pick(self.topics)

    def code(self):
        letters = "".join(self.pick("ABCDEFGHKLMNPRSTX") for _ in range(2))
        return f"{letters}-{self.rng.integers(10_000, 99_999)}"

    def person(self):
        return f"{self.first_name()} {self.family()}"

    def phone(self):
        a, b = self.rng.integers(100, 999, 2)
        return self.pick(
            (f"+{a % 90 + 1} 555 {b} {a}", f"555-{b}-{a}", f"(555) {b} {a}")
        )

    def year(self):
        return str(self.rng.integers(1996, 2026))

    def caption(self):
        """One to three common words, the first with a capital, or all in capitals."""
        text = " ".join(self.chatter().split()[:3]).capitalize()
        return text.upper() if self.chance(0.2) else text

    def chatter(self):
        """One to five common words without a meaning."""
        return " ".join(
            self.pick(layouts.COMMON) for _ in range(self.rng.integers(1, 6))
        )

    def date(self):
        day = self.rng.integers(1, 29)
        return f"{day} {self.pick(layouts.MONTHS)} {self.rng.integers(1960, 2026)}"

    def month(self):
        return self.pick(layouts.MONTHS)

    def few(self):
        return str(self.rng.integers(2, 9))

    def number(self):
        return str(self.rng.integers(2, 60))

    def grade(self):
        return self.pick(("A", "B+", "3.7", "1.8", "7.9/10", "first class", "good"))

    def award(self):
        return self.deal(layouts.AWARDS)

    def tongue(self):
        return self.deal(layouts.TONGUES)

    def hobby(self):
        return self.deal(layouts.HOBBIES)


def _order(section, layout):
    """The fields of `FIELDS` in a layout."""
    fields = {field for part in layouts.FIELDS[section] for field in part}
    return [field for field in re.findall(r"\{(\w+)\}", layout) if field in fields]


@functools.cache
def _orders_of_the_test(section):
    return [_order(section, layout) for layout in layouts.TEST[section]]


def _joined(pieces: Sequence[tuple[str, str | None]]) -> tuple[str, list[Span]]:
    """The text of the pieces, and the spans of those that have a label."""
    text, spans = "", []
    for piece, label in pieces:
        if label is not None:
            spans.append((len(text), len(text) + len(piece), label))
        text += piece
    return text, spans


_ONSETS = (
    *("b", "br", "c", "ch", "cr", "d", "dr", "f", "fl", "g", "gr", "h", "j", "k", "kl"),
    *("l", "m", "n", "p", "pr", "q", "r", "s", "sh", "sk", "st", "t", "th", "tr", "v"),
    *("w", "x", "y", "z", ""),
)
_CODAS = ("", "", "", "n", "r", "s", "l", "m", "x", "nt", "rd", "sk", "th", "k", "ra")
_ENDINGS = (
    *("", "", "", "", "", "son", "ov", "berg", "ez", "ini", "wala", "sen", "man", "ko"),
    *("dahl", "ic", "ton", "ley"),
)
