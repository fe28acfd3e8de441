"""Resumes with the positions of names, employers, degrees and eight more labels.

The course's data, `ner.json`, are resumes of 220 real people; they are not linked here,
but `load_resumes` reads this file and any other of its format. `make_resumes` generates
synthetic resumes instead: names, employers, colleges and careers are sampled, and
arranged in the layouts of `resume_templates`.

Held out for the test split are its layouts, with their orders of fields, and its
sentences; and all invented words (in the names of people, companies, colleges, clients
and projects), first names and towns whose checksum is a multiple of `CHECK`. Headings,
designations, skills, degrees and the endings of companies ("Ltd") are the same in both
splits, and most words of the test sentences are among the 1,127 common words of which
training texts are composed.
"""

import functools
import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import readers
from dls_keras.core.errors import InputError
from dls_keras.core.files import atomic_write
from dls_keras.datasets import resume_templates as layouts

EMPTY = "Empty"  # the label of words outside all spans
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
CHECK = 5  # words whose checksum is a multiple of it are held out
LARGEST = 16 * readers.MEGABYTE  # of a file
LONGEST = 100_000  # characters of a resume
SEARCHED = 10_000  # characters after a wrong offset
SPLITS = {"train": layouts.TRAIN, "test": layouts.TEST}

EXAMPLE = """\
Marta Velindo
Data Analyst, Trisko Systems
Lisbon | marta.velindo@example.org

Seven years of experience in reporting; skilled in SQL, Tableau and forecasting.

WORK EXPERIENCE
Data Analyst, Trisko Systems, Lisbon, 2019 to present
- Built dashboards with Power BI for 40 users.
Junior Statistician at Port Kelva Insurance (2017 - 2019)
- Reported to Jonas Brettick, head of data quality.

EDUCATION
Master of Science in Statistics, Quorra University, 2017

SKILLS
Python, SQL, Tableau, Statistics"""

Span = tuple[int, int, str]  # text[start:end] has the label


class Resumes(NamedTuple):
    """m resumes: their texts x, and a list of spans (start, end, label) for each, y."""

    x: list[str]
    y: list[list[Span]]


def load_resumes(path: str | Path) -> Resumes:
    """The resumes of a file in the course's format, one JSON object per line.

    In each object, `content` is the text and `annotation` a list of
    `{"label": [name], "points": [{"start", "end", "text"}]}`, where `end` is the last
    character. Line ends become blanks. Annotations without a label are skipped. Where
    an offset is wrong, as 223 of 3,558 in the course's file, `text` is searched for in
    the 10,000 characters from that offset on, and skipped if it is not found. Spans may
    overlap.

    Raises:
        MissingFileError: if the file does not exist.
        InputError: if a line is not such an object; the message has its number.
    """
    data = Resumes([], [])
    expected = "a file of resumes in UTF-8, one JSON object per line"
    advice = "`make_resumes` generates synthetic resumes."
    text = readers.read_text(path, expected, limit=LARGEST, advice=advice)
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            content, spans = _resume(json.loads(line))
        except Exception as error:  # deep nesting causes a RecursionError
            raise InputError(
                f"{path}, line {number}: expected a JSON object with a text `content` "
                f"of at most {LONGEST:,} characters and a list `annotation`, received "
                f"{readers.quoted(line)} ({error!r:.80})."
            ) from error
        data.x.append(content)
        data.y.append(spans)
    if not data.x:
        raise InputError(f"{path} contains no resume. Expected {expected}.")
    return data


def _resume(record):
    """The text and the sorted spans of a JSON object."""
    text, annotations = record["content"], record["annotation"]
    if not isinstance(text, str) or len(text) > LONGEST:
        raise ValueError("content is not a text, or is too long")
    text.encode()  # JSON may hold half a character
    if not isinstance(annotations, list | None):
        raise TypeError("annotation is not a list")
    text = re.sub(r"\r\n|[\r\n]", lambda end: " " * len(end[0]), text)
    spans = [
        span
        for annotation in annotations or ()
        for label in annotation["label"][:1]
        for point in annotation["points"]
        if (span := _span(text, point, label)) is not None
    ]
    return text, sorted(spans)


def _span(text, point, label):
    """(start, end, label) of a point, None if its text is not found."""
    start, end = point["start"], point["end"] + 1
    if label not in LABELS or {type(start), type(end)} != {int}:
        raise ValueError(f"expected one of the labels, received {label!r:.40}")
    if "text" in point:
        wanted = re.sub(r"[\r\n]", " ", point["text"])
        start = max(0, start)
        start = text.find(wanted, start, start + len(wanted) + SEARCHED)
        end = start + len(wanted)
    return (start, end, label) if 0 <= start < end <= len(text) else None


def write_resumes(data: Resumes, path: str | Path) -> None:
    """Write resumes in the course's format, for `load_resumes` and other programs."""
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


def make_resumes(m: int, *, seed: int = 0, split: str = "train") -> Resumes:
    """m synthetic resumes.

    Args:
        split: "train", or "test" for held-out layouts and names.

    Raises:
        InputError: if `split` is neither.
    """
    if split not in SPLITS:
        raise InputError(f"split must be 'train' or 'test', received {split!r}.")
    rng = np.random.default_rng([seed, split == "test"])
    made = [_Applicant(rng, split).resume() for _ in range(m)]
    return Resumes([text for text, _ in made], [spans for _, spans in made])


def is_held_out(word: str) -> bool:
    """Whether a word is one of those that only the test split has."""
    return zlib.crc32(word.lower().encode()) % CHECK == 0


def compose_layout(section: str, rng: np.random.Generator) -> str:
    """A random layout of a section of a training resume, with fields in braces."""
    return _Applicant(rng, "train").compose(section)


class _Applicant:
    """An invented applicant; most methods sample the text of one field of a layout.

    What stays the same in a resume is sampled once: name, trade, separators, and the
    jobs and schools, latest first.
    """

    def __init__(self, rng: np.random.Generator, split: str):
        self.rng, self.test = rng, split == "test"
        self.layouts = SPLITS[split]
        self.decks: dict[tuple, list[str]] = {}  # shuffled choices, for `deal`
        self.sep = self.pick(layouts.SEPARATORS)
        self.bullet = self.pick(("- ", "• ", "* ", "", "– "))
        self.listing = self.pick(layouts.LISTS)
        trade = layouts.TRADES[self.pick(sorted(layouts.TRADES))]
        self.roles, skills, subjects, topics = trade
        self.skills = tuple(skills.split("|"))
        self.subjects, self.topics = subjects.split("|"), topics.split("|")
        first, last = self.first_name(), self.family()
        middle = f"{self.first_name()} " if self.chance(0.15) else ""
        self.who = {"name": f"{first} {middle}{last}", **self.addresses(first, last)}
        self.who["city"], self.who["role"] = self.city(), self.role()
        self.who["degree"], self.who["college"] = self.degree(), self.college()

    # Sampling.

    def chance(self, probability):
        """True with this probability."""
        return self.rng.random() < probability

    def pick(self, choices):
        """One of the choices."""
        return choices[self.rng.integers(len(choices))]

    def pick_in_split(self, words):
        """One of the words that belong to the split."""
        return self.sample_in_split(lambda: self.pick(words))

    def sample_in_split(self, sample):
        """The first word from `sample` that belongs to the split."""
        return next(
            word for word in iter(sample, None) if is_held_out(word) == self.test
        )

    def deal(self, choices):
        """One of the choices, without repetition until all have been dealt."""
        deck = self.decks.setdefault(choices, [])
        if not deck:
            deck.extend(str(choice) for choice in self.rng.permutation(choices))
        return deck.pop()

    # A resume.

    def resume(self):
        """The text of a resume and its spans, sorted."""
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
        parts = [*self.fill("header", self.who)]
        layout = {name: self.layout(name) for name in blocks}
        for section in order:
            parts.append(("\n\n", None))
            if section in layouts.HEADINGS:
                parts.append((self.heading(section), None))
            for i, facts in enumerate(blocks.get(section, [self.who])):
                # Most entries have the layout of the entry before them.
                if section in layout and self.chance(0.2):
                    layout[section] = self.layout(section)
                parts.append(("\n" * (i > 0), None))
                parts += self.fill(section, facts, layout.get(section))
        return _join(parts)

    def heading(self, section):
        """The heading of a section, which may be empty."""
        text = self.pick(layouts.HEADINGS[section])
        text = text.upper() if self.chance(0.5) else text
        return text + self.pick(("\n", ":\n", "\n", ": ")) if text else ""

    def layout(self, section):
        """A layout of the templates or, for training, a randomly composed one."""
        if self.test or self.chance(0.4):
            return self.deal(self.layouts[section])
        if section == "duties":
            parts = map(self.pick, (layouts.VERBS, layouts.THINGS, layouts.ENDS))
            sentence = (
                " ".join(parts).strip() if self.chance(0.6) else "{chatter} {chatter}"
            )
            return sentence.capitalize() + self.pick((".", "", ";"))
        return self.compose(section)

    def compose(self, section):
        """A layout of random fields, in an order that no test layout has."""
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
            if _order(section, layout) not in _test_orders(section):
                return layout + "\n{duties}" * (section == "experience")

    def fill(self, section, facts, layout=None):
        """The parts of a section's text, each with its label or None.

        Args:
            facts: the texts of some fields; the others are sampled.
            layout: default: a new one.
        """
        layout = self.layout(section) if layout is None else layout
        for i, part in enumerate(re.split(r"\{(\w+)\}", layout)):
            if i % 2 == 0:
                yield part, None
            elif part == "skills":
                yield from self.list_skills()
            elif part in ("duties", "duty"):
                count = 1 if part == "duty" else int(self.rng.integers(1, 5))
                for j in range(count):
                    bullet = self.bullet if part == "duties" else ""
                    yield "\n" * (j > 0) + bullet, None
                    yield from self.fill("duties", {})
            elif part == "sep":
                yield self.sep, None
            else:
                value = facts.get(part) or getattr(self, part)()
                yield value, layouts.LABELS.get(part)

    def list_skills(self):
        """Some skills, each labelled, and the separators between them."""
        bullet = self.listing if self.listing.startswith("\n") else ""
        for i in range(self.rng.integers(3, 9)):
            yield self.listing if i else bullet, None
            yield self.skill(), "Skills"

    def job(self, start, end):
        """The fields of a job; `end` is None for the latest, which may be current."""
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
        """The fields of a school or college."""
        return {
            "degree": self.degree(),
            "college": self.college(),
            "started": str(start),
            "graduated": str(end),
        }

    def date_of(self, year, month):
        """A date such as "2019" or, with a month, "Mar 2019"."""
        if not month:
            return str(year)
        name = self.pick(layouts.MONTHS)
        number = 1 + layouts.MONTHS.index(name)
        forms = f"{name} {year}", f"{name[:3]} {year}", f"{number:02}/{year}"
        return self.pick(forms)

    # The texts of fields, by the names that they have in the templates.

    def word(self):
        """An invented word of two or three syllables, such as "Velmora"."""

        def invented():
            syllables = 2 + self.chance(0.3)
            word = "".join(
                self.pick(_ONSETS) + self.pick("aeiou" if i else "aaeeiouy")
                for i in range(syllables)
            )
            return (word + self.pick(_CODAS)).capitalize()

        return self.sample_in_split(invented)

    def first_name(self):
        known = self.chance(0.6)
        return self.pick_in_split(layouts.FIRST_NAMES) if known else self.word()

    def family(self):
        return self.sample_in_split(lambda: self.word() + self.pick(_ENDINGS))

    def addresses(self, first, last):
        """An e-mail address, a link to a profile and a user name."""
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
            return self.pick_in_split(layouts.CITIES)
        town = self.town()
        return f"{town}, {self.pick(layouts.REGIONS)}" if self.chance(0.5) else town

    def role(self):
        role = self.pick(self.roles)
        return f"{self.pick(layouts.LEVELS)} {role}" if self.chance(0.35) else role

    def invented(self, patterns):
        """A pattern with its capitals W, T, F, G replaced by invented names."""
        names = {"W": self.word, "T": self.town, "F": self.family, "G": self.first_name}
        return re.sub(
            r"\b(?:WW|[WTFG])\b",
            lambda match: "".join(names[letter]() for letter in match[0]),
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
        in_words = f"{self.pick(words)} years"
        return self.pick(
            (f"{n} years", f"{n}+ years", in_words, f"{n} yrs", f"{n}.5 years")
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
        """One to five common words, filler text without a meaning."""
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
def _test_orders(section):
    """The orders of the fields in the test layouts of a section."""
    return [_order(section, layout) for layout in layouts.TEST[section]]


def _join(parts: Sequence[tuple[str, str | None]]) -> tuple[str, list[Span]]:
    """The text of all parts, and the spans of those that have a label."""
    text, spans = "", []
    for part, label in parts:
        if label is not None:
            spans.append((len(text), len(text) + len(part), label))
        text += part
    return text, spans


# Invented words consist of these and of vowels.
_ONSETS = (
    *"b br c ch cr d dr f fl g gr h j k kl l m n p pr q r s sh sk st t th tr v".split(),
    *"w x y z".split(),
    "",
)
_CODAS = "", "", "", *"n r s l m x nt rd sk th k ra".split()
_ENDINGS = (
    *[""] * 5,
    *"son ov berg ez ini wala sen man ko dahl ic ton ley".split(),
)
