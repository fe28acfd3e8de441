"""The editions of the course: what a function had to return in which of them.

The cases of the reference files follow the edition of 2021. `editions.json` lists where
another edition differs, one row per difference: the assignment, the function, the label
of the edition ("2017-2020"), what is different in words, and

    drop        cases of 2021 that this edition does not have
    expected    case id -> the expected values of this edition
    returns     the names of the returned values, if there are fewer
    reorder     an argument that is a tuple -> the positions of 2021 in its order
    may_change  true if the function may change its arguments
    cases       cases that only this edition has, or ids of cases that are superseded
    signs       how its template is recognised: `source`, patterns of its lines;
                `parameters`, the first ones; `without`, parameters that it lacks;
                `name`, that of the function
    certain     true if its signs leave no doubt: the cases of others are not run, such
                as one in which this edition tries for ever
    requires    signs without which the function is not judged by this edition; not its
                source, which the runner does not know

A function is right if it passes all cases of one edition. `Edition.cases` are those of
2021, changed as the rows say.
"""

import dataclasses
import functools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dls_keras.core import readers
from dls_keras.reference import cases
from dls_keras.reference.cases import Case

CURRENT = "2021"
FILE = cases.FOLDER / "editions.json"


class Edition(NamedTuple):
    """One edition of a function.

    Attributes:
        label: its years, such as "2017-2020".
        cases: all its cases.
        what: how it differs from that of 2021, "" for that of 2021.
        signs, requires: how it is recognised.
        certain: whether a function with its signs can be of no other edition.
    """

    label: str
    cases: tuple[Case, ...]
    what: str = ""
    signs: Mapping[str, Any] = {}
    requires: Mapping[str, Any] = {}
    certain: bool = False


class Seen(NamedTuple):
    """What is known of a learner's function: its name, parameters and source."""

    name: str
    parameters: Sequence[str] | None = None
    source: str = ""


@functools.cache
def differences() -> tuple[dict[str, Any], ...]:
    """The rows of `editions.json`."""
    content = readers.read_json(FILE, "the table of editions")
    return tuple(content["differences"])


def of(
    assignment: str, function: str, current: Sequence[Case], entry: Mapping[str, Any]
) -> tuple[Edition, ...]:
    """The editions of a function, that of 2021 first.

    Args:
        current: the cases of 2021.
        entry: the entry of the function in its reference file.
    """
    found = {CURRENT: Edition(CURRENT, tuple(current))}
    for row in differences():
        if (row["assignment"], row["function"]) != (assignment, function):
            continue
        label = row["edition"]
        before = found.get(label) or found[CURRENT]
        found[label] = Edition(
            label,
            _cases(before.cases, row, function, entry),
            "; ".join(filter(None, [before.what, row["what"]])),
            {**before.signs, **row.get("signs", {})},
            {**before.requires, **row.get("requires", {})},
            before.certain or row.get("certain", False),
        )
    return tuple(found.values())


def groups(editions: Iterable[Edition]) -> list[list[Case]]:
    """All cases, each once; those with the same call are together."""
    found: dict[int, dict[str, Case]] = {}
    for edition in editions:
        for case in edition.cases:
            call = found.setdefault(id(case.calls[0].inputs), {})
            call.setdefault(case.id, case)
    return [list(group.values()) for group in found.values()]


def considered(
    its_editions: Sequence[Edition], signs: Iterable[str]
) -> Sequence[Edition]:
    """The editions that a function may be of, by the labels whose signs it has."""
    certain = [one for one in its_editions if one.certain and one.label in signs]
    return certain[:1] or its_editions


class Plan:
    """Which cases of a function to run, in which order.

    After a case that did not end, those editions are left that do not have it.
    """

    def __init__(self, its_editions: Sequence[Edition]):
        self._groups = groups(its_editions)
        self._left = [{case.id for case in one.cases} for one in its_editions]

    def __iter__(self) -> Iterator[list[Case]]:
        for variants in self._groups:
            wanted = set().union(*self._left)
            if found := [case for case in variants if case.id in wanted]:
                yield found

    @property
    def ended(self) -> bool:
        """Whether an edition is left, of which all cases that have run ended."""
        return bool(self._left)

    def did_not_end(self, variants: Iterable[Case]) -> None:
        """Leave out the editions that have one of these cases."""
        names = {case.id for case in variants}
        self._left = [left for left in self._left if not left & names]


def possible(edition: Edition, seen: Seen) -> bool:
    """Whether a function may be judged by the edition."""
    return not edition.requires or _has(edition.requires, seen)


def recognised(edition: Edition, seen: Seen) -> bool:
    """Whether a function has the signs of the edition."""
    signs = {**edition.requires, **edition.signs}
    return bool(signs) and _has(signs, seen)


def _has(signs, seen):
    """Whether a function has all of some signs."""
    parameters = list(seen.parameters or ())
    first = signs.get("parameters", parameters[:0])
    absent = signs.get("without", ())
    patterns = signs.get("source", ())
    return (
        parameters[: len(first)] == list(first)
        and (not absent or seen.parameters is not None)
        and not set(absent) & set(parameters)
        and signs.get("name", seen.name) == seen.name
        and all(re.search(pattern, seen.source) for pattern in patterns)
    )


def _cases(current, row, function, entry):
    """The cases of the edition of a row."""
    dropped = row.get("drop", ())
    kept = [_changed(case, row) for case in current if case.id not in dropped]
    return (*kept, *(_new(case, row, function, entry) for case in row.get("cases", ())))


def _changed(case, row):
    """The case as the edition has it; the same object if nothing is different."""
    new = case
    if case.id in row.get("expected", {}):
        new = dataclasses.replace(new, expected=row["expected"][case.id])
    if returns := row.get("returns"):
        call = dataclasses.replace(new.calls[0], returns_order=tuple(returns))
        expected = {k: v for k, v in new.expected.items() if k.split("/")[0] in returns}
        new = dataclasses.replace(new, calls=(call,), expected=expected)
    if order := row.get("reorder"):
        given = case.calls[0].inputs.items()
        inputs = {name: _reordered(value, order.get(name)) for name, value in given}
        call = dataclasses.replace(case.calls[0], inputs=inputs)
        new = dataclasses.replace(new, calls=(call,))
    if row.get("may_change") and case.inputs_unchanged:
        new = dataclasses.replace(new, inputs_unchanged=())
    if new is not case:
        new = dataclasses.replace(new, id=f"{case.id} ({row['edition']})")
    return new


def _reordered(written, order):
    """A tuple of a reference file in another order."""
    if order is None:
        return written
    return {"tuple": [written["tuple"][number] for number in order]}


def _new(case, row, function, entry):
    """A case of this edition alone: written in the row, or superseded."""
    if isinstance(case, str):
        case = next(found for found in entry["cases"] if found["id"] == case)
        case = {**case, "skip_runner": ""}
    else:
        case = {**case, "id": f"{case['id']} ({row['edition']})"}
    returns = row.get("returns", entry.get("returns_order", ()))
    made = cases.single(function, {**entry, "returns_order": returns}, case)
    return _changed(made, {**row, "returns": (), "expected": {}})
