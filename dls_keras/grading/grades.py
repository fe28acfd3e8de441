"""The grade of each submission: points, partial credit, late submissions.

A function counts its points times the share of its cases that pass. Functions that the
course or another file provides, and those that cannot be run here at all, count neither
points nor maximum. Without a table of points the functions that count share 100 points
equally.
"""

import csv
import datetime
import io
import math
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from dls_keras.core import readers
from dls_keras.core.errors import InputError
from dls_keras.grading.classes import Checked, looks_like
from dls_keras.grading.report import WORDS, printable
from dls_keras.grading.runner import Verdict
from dls_keras.grading.students import Submission

TOTAL = 100.0  # points that the functions share without a table
MOST_POINTS = 1e6
NOT_COUNTED = ("given", "provided", "unchecked")  # neither points nor maximum
JUDGED = ("ok", "wrong", "missing", "not written", "given", "provided")
LARGEST = 4 * readers.MEGABYTE  # a table that a teacher writes
DAY = 24 * 3600
MOST_ROWS = 50_000
POINTS = "a table of points, function,points in CSV or function = points in TOML"
TIMES = "a CSV table with the columns student,time"


class Person(NamedTuple):
    """What a table of times says about a student; "" for what it does not say."""

    time: datetime.datetime | None = None
    student_id: str = ""
    first_name: str = ""
    last_name: str = ""
    email: str = ""


class Rules(NamedTuple):
    """How submissions are graded.

    Attributes:
        functions: those of the assignment, which share the points if none are stated.
        points: function -> points; functions that are not listed have none.
        deadline: when a submission is late, or None.
        people: `key` of a student or number -> what is known.
        penalty: percent of the points that a late submission loses per day begun.
    """

    functions: Sequence[str] = ()
    points: Mapping[str, float] | None = None
    deadline: datetime.datetime | None = None
    people: Mapping[str, Person] = {}
    penalty: float = 0.0


class Part(NamedTuple):
    """The points of one function."""

    verdict: Verdict
    points: float
    most: float


class Grade(NamedTuple):
    """The grade of a submission.

    Attributes:
        parts: the functions that count, with their points.
        raw: the points of all functions.
        most: the points of a right solution.
        penalty: the points that are lost because the submission is late.
        late: "no", how late it is, "yes", or "" if that is not known.
        look_at: what a teacher should look at: a function without a judgement, a file
            that cannot be read, a time that is not known.
        person: what is known about the student.
    """

    parts: tuple[Part, ...]
    raw: float
    most: float
    penalty: float = 0.0
    late: str = ""
    look_at: tuple[str, ...] = ()
    person: Person = Person()

    @property
    def score(self) -> float:
        """The points after the penalty."""
        return round(self.raw - self.penalty, 2)


def key(text: str) -> str:
    """A name or number of a student, to look it up."""
    return " ".join(text.split()).casefold()


def grade(checked: Checked, rules: Rules) -> Grade:
    """The grade of a submission that has been checked."""
    verdicts = checked.report.verdicts
    if not verdicts:  # nothing can be read
        verdicts = tuple(Verdict(name, "missing") for name in rules.functions)
    counted = [v for v in verdicts if v.status not in NOT_COUNTED]
    parts = []
    for verdict in counted:
        most = TOTAL / len(counted)
        if rules.points is not None:
            most = rules.points.get(verdict.function, 0.0)
        parts.append(Part(verdict, most * _share(verdict), most))
    raw = round(sum(part.points for part in parts), 2)
    look_at = [f"{v.function}: {v.status}" for v in verdicts if v.status not in JUDGED]
    if checked.report.error:
        look_at.insert(0, "the file")
    person = _person(checked, rules)
    days, late = _lateness(checked, rules, person)
    if rules.deadline and not late:
        look_at.append("the time: not known")
    penalty = round(raw * min(100.0, rules.penalty * days) / 100, 2)
    most = round(sum(part.most for part in parts), 2)
    return Grade(tuple(parts), raw, most, penalty, late, tuple(look_at), person)


def first_problem(checked: Checked) -> tuple[str, str]:
    """The first problem of a submission and the hint on it; "" for none."""
    for words in looks_like(checked.looks_like, checked.report.assignment):
        return words, ""
    for verdict in checked.report.verdicts:
        if verdict.status not in ("ok", *NOT_COUNTED):
            words = verdict.problem or WORDS.get(verdict.status, verdict.status)
            return printable(f"{verdict.function}: {words}"), printable(verdict.hint)
    return printable(checked.report.error), ""


def _share(verdict):
    """The share of the points of a function, from 0 to 1."""
    if verdict.status == "ok":
        return 1.0
    if verdict.status != "wrong" or verdict.cases < 1:
        return 0.0
    return max(0, min(verdict.passed, verdict.cases - 1)) / verdict.cases


def _person(checked, rules):
    found = (rules.people.get(key(name)) for name in _names(checked.submission))
    return next(filter(None, found), Person())


def _names(submission):
    """What a table may call a student: the name, the number, or both."""
    plain = submission.student.removesuffix(f" ({submission.id})")
    return [name for name in (submission.student, submission.id, plain) if name]


def _lateness(checked, rules, person):
    """How many days late a submission is, begun ones included, and in words."""
    time = person.time
    if time is None and checked.submission.time and rules.deadline:
        time = datetime.datetime.fromisoformat(checked.submission.time)
        time = time.replace(tzinfo=rules.deadline.tzinfo)
    if rules.deadline and time:
        seconds = (time - rules.deadline).total_seconds()
        if seconds <= 0:
            return 0, "no"
        return math.ceil(seconds / DAY), f"{max(0.1, seconds / 3600):.1f} hours"
    return (1, "yes") if checked.submission.late else (0, "")


# Tables that a teacher writes.


def read_points(path: Path, functions: Collection[str]) -> dict[str, float]:
    """The points of each function, from a TOML or CSV file.

    Args:
        functions: those of the assignment.

    Raises:
        InputError: if it lists another function, or points that are no number from 0
            on.
    """
    with readers.reading(path, POINTS):
        text = readers.read_text(path, POINTS, limit=LARGEST, or_utf16=True)
        if path.suffix.lower() == ".toml":
            table = tomllib.loads(text)
            pairs = list(table.get("points", table).items())
        else:
            pairs = [(row[0].strip(), row[1]) for row in _rows(text) if len(row) > 1]
            if pairs and pairs[0][0].casefold() == "function":
                del pairs[0]
        found = {name: _points(path, name, value) for name, value in pairs}
    if unknown := [name for name in found if name not in functions]:
        raise InputError(
            f"{path} has points for {', '.join(unknown[:5])}, expected functions of "
            f"the assignment: {', '.join(functions)}."
        )
    if not any(found.values()):
        raise InputError(f"{path} has no points. Expected {POINTS}.")
    return found


def _points(path, name, value):
    try:
        if isinstance(value, str):
            value = float(value.strip().replace(",", "."))
        if not isinstance(value, bool) and 0 <= value <= MOST_POINTS:
            return float(value)
    except (TypeError, ValueError):
        pass
    raise InputError(
        f"{path} has the points {readers.quoted(str(value))} for {name}; expected a "
        f"number from 0 to {MOST_POINTS:,.0f}."
    )


def parse_time(text: str) -> datetime.datetime:
    """A time in ISO 8601, such as 2026-11-30T23:59 or 2026-11-30 23:59+01:00.

    Raises:
        InputError: if it is none.
    """
    try:
        return datetime.datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(
            f"Expected a time such as 2026-11-30T23:59, received "
            f"{readers.quoted(text)}."
        ) from None


def read_times(
    path: Path, deadline: datetime.datetime | None = None
) -> dict[str, Person]:
    """When each student submitted, from a CSV table: `key` -> what it says.

    It has the columns student and time, in ISO 8601, and perhaps student_id,
    first_name, last_name and email. The last time of a student counts.

    Raises:
        InputError: if a time cannot be read, or only one of time and deadline has a
            time zone.
    """
    with readers.reading(path, TIMES):
        rows = _rows(readers.read_text(path, TIMES, limit=LARGEST, or_utf16=True))
        header = [cell.strip().casefold().replace(" ", "_") for cell in rows[0]]
        if "student" in header and "time" in header:
            del rows[0]
        else:
            header = ["student", "time"]
        people: dict[str, Person] = {}
        for row in rows:
            cells = {n: c.strip() for n, c in zip(header, row, strict=False)}
            student, written = cells.pop("student", ""), cells.pop("time", "")
            time = parse_time(written) if written else None
            if time and deadline and (time.tzinfo is None) != (deadline.tzinfo is None):
                raise InputError(
                    f"{path} has the time {written}, and the deadline is "
                    f"{deadline.isoformat()}. Write a time zone, such as +00:00, in "
                    "both or in neither."
                )
            facts = {n: c for n, c in cells.items() if n in Person._fields}
            for name in filter(None, (student, facts.get("student_id"))):
                earlier = people.get(key(name), Person()).time
                last = max(filter(None, (earlier, time)), default=None)
                people[key(name)] = Person(time=last, **facts)
        return people


def without_submission(
    people: Iterable[str], submissions: Iterable[Submission]
) -> list[str]:
    """The students of a table of times who have no submission."""
    known = {key(name) for one in submissions for name in _names(one)}
    return sorted(set(people) - known)


def _rows(text):
    """The rows of a table whose cells are separated by a comma, semicolon or tab."""
    first = text.partition("\n")[0]
    separator = next((mark for mark in ";\t" if mark in first), ",")
    if text.count("\n") > MOST_ROWS or text.count(separator) > 20 * MOST_ROWS:
        raise ValueError(f"more than {MOST_ROWS:,} rows, or 20 cells in each")
    rows = csv.reader(io.StringIO(text), delimiter=separator)
    return [row for row in rows if any(cell.strip() for cell in row)]
