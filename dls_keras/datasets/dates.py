"""Dates as people write them, with the ISO date they mean.

Ten thousand and more are made in a second; nothing is downloaded. A form is drawn
for each date: those of the course's generator (babel's short, medium, long and
full English dates and nine patterns), and the ordinals and two-figure years that
people type beside them. Dates run from 1900 to 2099; where the year has two
figures, from 1970 to 2069, the span in which it says its century by itself (70 to
99 are 19xx; POSIX begins a year earlier). One day in eleven is never learnt from,
so that a translator can be tested on days it has not seen in any form.
"""

import calendar
import datetime
from typing import NamedTuple

import numpy as np

from dls_keras.core.errors import InputError

# The 35 characters of the course's generator, then two marks; k, q, x and z occur in
# no English date.
CHARACTERS = " ./0123456789abcdefghijlmnoprstuvwy"
HUMAN_VOCAB = {c: i for i, c in enumerate([*CHARACTERS, "<unk>", "<pad>"])}
MACHINE_VOCAB = {c: i for i, c in enumerate("-0123456789")}
LETTERS = np.array(list(MACHINE_VOCAB), "<U1")

SPAN = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
CENTURY = datetime.date(1970, 1, 1), datetime.date(2069, 12, 31)  # two-figure years
HELD_OUT = 11  # days whose number this divides are for testing

# Fields: d day, dd day of two figures, o ordinal day, M month, MM month of two
# figures, mmm and mmmm its short and full name, y year, yy its last two figures,
# www and wwww the weekday's short and full name. Commas are left out by reading.
COURSE_FORMS = (
    *("{M}/{d}/{yy}", "{mmm} {d} {y}", "{mmmm} {d} {y}"),
    *("{wwww} {mmmm} {d} {y}",) * 10,
    *("{d} {mmm} {y}", "{d} {mmmm} {y}", "{dd} {mmm} {y}") * 2,
    *("{d} {MM} {yy}", "{d} {mmmm} {y}", "{mmmm} {d} {y}"),
    *("{mmmm} {d} {y}", "{dd}.{MM}.{yy}"),
)
SPOKEN_FORMS = (
    *("{o} {mmmm} {y}", "{o} of {mmmm} {y}", "{mmmm} {o} {y}", "{o} {mmm} {y}"),
    *("{mmm} {o} {y}", "{o} of {mmm} {y}", "{d} {mmmm} {yy}", "{d} {mmm} {yy}"),
    *("{mmmm} {d} {yy}", "{www} {d} {mmm} {y}", "{wwww} {dd} {mmm} {y}"),
    *("{wwww} {mmm} {d} {y}", "{wwww} {d} {mmmm} {y}", "{www} {mmm} {d} {y}"),
    *("{www} {dd} {mmm} {y}", "{M}/{d}/{y}", "{dd}.{MM}.{y}", "{y} {mmmm} {d}"),
    *("{wwww} {o} {mmmm} {y}", "{d} of {mmmm} {y}", "{o} of {mmmm} {yy}"),
)


class Dates(NamedTuple):
    """m dates: x (m, Tx, 37) one-hot, y (m, Ty, 11) one-hot, and the pairs of text."""

    x: np.ndarray
    y: np.ndarray
    pairs: list[tuple[str, str]]


def make_pairs(
    m: int,
    *,
    seed: int = 0,
    forms=COURSE_FORMS + SPOKEN_FORMS,
    held_out: bool = False,
    span: tuple[datetime.date, datetime.date] = SPAN,
) -> list[tuple[str, str]]:
    """m pairs (as a person writes it, in ISO form), such as ("9 may 1998", ...).

    Args:
        forms: the forms to draw from, each equally often.
        held_out: take the days for testing, instead of the days to learn from.
        span: the first and the last day; two-figure years keep to `CENTURY`.
    """
    rng = np.random.default_rng(seed)
    pairs = []
    while len(pairs) < m:
        form = forms[rng.integers(len(forms))]
        first, last = span
        if "{yy}" in form:
            first, last = max(first, CENTURY[0]), min(last, CENTURY[1])
        day = int(rng.integers(first.toordinal(), last.toordinal() + 1))
        if (day % HELD_OUT == 0) == held_out:
            date = datetime.date.fromordinal(day)
            pairs.append((write_date(date, form), date.isoformat()))
    return pairs


def write_date(date: datetime.date, form: str) -> str:
    """A date in one of the forms, lower case: "thursday 25th of june 2009"."""
    month, weekday = calendar.month_name[date.month], calendar.day_name[date.weekday()]
    text = form.format(
        d=date.day,
        dd=f"{date.day:02}",
        o=f"{date.day}{_ordinal(date.day)}",
        M=date.month,
        MM=f"{date.month:02}",
        mmm=month[:3],
        mmmm=month,
        y=date.year,
        yy=f"{date.year % 100:02}",
        www=weekday[:3],
        wwww=weekday,
    )
    return text.lower()


def make_dates(m: int, *, tx: int = 30, seed: int = 0, held_out: bool = False) -> Dates:
    """m dates in one-hot float32, ready to learn from or to test on."""
    pairs = make_pairs(m, seed=seed, held_out=held_out)
    x = one_hot([indices(human, tx) for human, _ in pairs], len(HUMAN_VOCAB))
    y = [[MACHINE_VOCAB[c] for c in machine] for _, machine in pairs]
    return Dates(x, one_hot(y, len(MACHINE_VOCAB)), pairs)


def one_hot(ids, n: int) -> np.ndarray:
    """Indices of any shape as float32 rows of length n, 1 at the index."""
    return np.eye(n, dtype="float32")[np.asarray(ids)]


def indices(sentence: str, tx: int = 30) -> list[int]:
    """The sentence as tx indices into `HUMAN_VOCAB`, padded.

    Raises:
        InputError: if the sentence is no text, empty, or longer than tx characters
            once commas and outer blanks are gone.
    """
    if not isinstance(sentence, str):
        raise InputError(
            "A date is a text such as '5 April 09'; "
            f"received {type(sentence).__name__}."
        )
    text = " ".join(sentence.lower().replace(",", " ").split())
    if not text:
        raise InputError("The sentence is empty. Write a date, such as '5 April 09'.")
    if len(text) > tx:
        raise InputError(
            f"A date has at most {tx} characters; received {len(text)}: "
            f"{text[:40]!r}. Leave out all but the date."
        )
    unknown, pad = HUMAN_VOCAB["<unk>"], HUMAN_VOCAB["<pad>"]
    ids = [HUMAN_VOCAB.get(c, unknown) for c in text]
    return ids + [pad] * (tx - len(ids))


def decode(ids) -> str:
    """The text behind indices into `MACHINE_VOCAB`."""
    return decode_all([ids])[0]


def decode_all(ids) -> list[str]:
    """The texts behind rows of indices into `MACHINE_VOCAB`, (n, length)."""
    letters = LETTERS[np.asarray(ids)]
    return letters.view(f"<U{letters.shape[1]}")[:, 0].tolist()


def _ordinal(day: int) -> str:
    if 10 < day < 14:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
