"""Dates as people write them, each with the ISO date that it means.

The pairs are generated, ten thousand in a second; nothing is downloaded. Each date is
written in a random form: those of the course's generator (babel's short, medium, long
and full English dates and nine patterns), and forms with ordinals or two-digit years
that people type as well. Dates run from 1900 to 2099. A year of two digits means one
from 1970 to 2069, as 70 to 99 are read as 19xx (POSIX starts a year earlier, at 69).
One day in eleven is held out: no form of it is ever in a training set.
"""

import calendar
import datetime
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dls_keras.core.errors import InputError

# The 35 characters of the course's generator, then two special tokens; k, q, x and z do
# not occur in English dates.
CHARACTERS = " ./0123456789abcdefghijlmnoprstuvwy"
HUMAN_VOCAB = {c: i for i, c in enumerate([*CHARACTERS, "<unk>", "<pad>"])}
MACHINE_VOCAB = {c: i for i, c in enumerate("-0123456789")}
START = 1 + len(MACHINE_VOCAB)  # the token that a decoder reads first
LETTERS = np.array(list(MACHINE_VOCAB), "<U1")

SPAN = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
CENTURY = datetime.date(1970, 1, 1), datetime.date(2069, 12, 31)  # two-digit years
HELD_OUT = 11  # days whose `toordinal()` is a multiple of this are held out

# Fields: d day, dd day of two digits, o ordinal day, M month, MM month of two digits,
# mmm and mmmm its short and full name, y year, yy its last two digits, www and wwww the
# weekday's short and full name. There are no commas: `indices` removes them.
COURSE_FORMS = (
    "{M}/{d}/{yy}",
    "{mmm} {d} {y}",
    "{mmmm} {d} {y}",
    *["{wwww} {mmmm} {d} {y}"] * 10,
    *["{d} {mmm} {y}", "{d} {mmmm} {y}", "{dd} {mmm} {y}"] * 2,
    "{d} {MM} {yy}",
    "{d} {mmmm} {y}",
    "{mmmm} {d} {y}",
    "{mmmm} {d} {y}",
    "{dd}.{MM}.{yy}",
)
ADDED_FORMS = (
    "{o} {mmmm} {y}",
    "{o} of {mmmm} {y}",
    "{mmmm} {o} {y}",
    "{o} {mmm} {y}",
    "{mmm} {o} {y}",
    "{o} of {mmm} {y}",
    "{d} {mmmm} {yy}",
    "{d} {mmm} {yy}",
    "{mmmm} {d} {yy}",
    "{www} {d} {mmm} {y}",
    "{wwww} {dd} {mmm} {y}",
    "{wwww} {mmm} {d} {y}",
    "{wwww} {d} {mmmm} {y}",
    "{www} {mmm} {d} {y}",
    "{www} {dd} {mmm} {y}",
    "{M}/{d}/{y}",
    "{dd}.{MM}.{y}",
    "{y} {mmmm} {d}",
    "{wwww} {o} {mmmm} {y}",
    "{d} of {mmmm} {y}",
    "{o} of {mmmm} {yy}",
)


class Dates(NamedTuple):
    """m dates: x (m, Tx, 37) and y (m, Ty, 11), one-hot, and the pairs of texts."""

    x: np.ndarray
    y: np.ndarray
    pairs: list[tuple[str, str]]


def make_pairs(
    m: int,
    *,
    seed: int = 0,
    forms: Sequence[str] = COURSE_FORMS + ADDED_FORMS,
    held_out: bool = False,
    span: tuple[datetime.date, datetime.date] = SPAN,
) -> list[tuple[str, str]]:
    """m pairs (date as a person writes it, ISO date), ("9 may 1998", "1998-05-09").

    Args:
        forms: sampled uniformly for each date.
        held_out: generate held-out days only; by default training days only.
        span: the first and the last day; two-digit years stay within `CENTURY`, too.
    """
    rng = np.random.default_rng(seed)
    pairs: list[tuple[str, str]] = []
    while len(pairs) < m:
        form = forms[int(rng.integers(len(forms)))]
        first, last = span
        if "{yy}" in form:
            first, last = max(first, CENTURY[0]), min(last, CENTURY[1])
        day = int(rng.integers(first.toordinal(), last.toordinal() + 1))
        if (day % HELD_OUT == 0) == held_out:
            date = datetime.date.fromordinal(day)
            pairs.append((write_date(date, form), date.isoformat()))
    return pairs


def write_date(date: datetime.date, form: str) -> str:
    """The date in one of the forms, in lower case: "thursday 25th of june 2009"."""
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
    """m dates as one-hot float32 arrays, see `make_pairs`; tx is the input length."""
    pairs = make_pairs(m, seed=seed, held_out=held_out)
    x = one_hot([indices(human, tx) for human, _ in pairs], len(HUMAN_VOCAB))
    y = [[MACHINE_VOCAB[c] for c in machine] for _, machine in pairs]
    return Dates(x, one_hot(y, len(MACHINE_VOCAB)), pairs)


class Tokens(NamedTuple):
    """m dates as tokens: x (m, Tx) int32, y (m, Ty) int32, and the pairs of text.

    Tokens are indices plus 1; token 0 is padding and `START` comes before each y.
    """

    x: np.ndarray
    y: np.ndarray
    pairs: list[tuple[str, str]]


def make_tokens(
    m: int, *, tx: int = 30, seed: int = 0, held_out: bool = False
) -> Tokens:
    """m dates as tokens, for networks with embeddings; arguments as in `make_dates`."""
    pairs = make_pairs(m, seed=seed, held_out=held_out)
    y = [[1 + MACHINE_VOCAB[c] for c in machine] for _, machine in pairs]
    return Tokens(
        tokens([human for human, _ in pairs], tx), np.array(y, "int32"), pairs
    )


def tokens(sentences: Iterable[str], tx: int = 30) -> np.ndarray:
    """Sentences as tokens (n, tx) int32, padded with 0.

    Raises:
        InputError: as `indices`.
    """
    ids = np.array([indices(sentence, tx) for sentence in sentences], "int32")
    # "<pad>" is the last entry of the vocabulary and becomes 0.
    return (ids + 1) % len(HUMAN_VOCAB)


def decode_tokens(rows: np.ndarray) -> list[str]:
    """The texts of rows of output tokens (n, length), which are from 1 to 11.

    An untrained network may output 0 or `START`; these become "-" and "9".
    """
    return decode_all(np.clip(np.asarray(rows) - 1, 0, len(MACHINE_VOCAB) - 1))


def one_hot(ids: ArrayLike, n: int) -> np.ndarray:
    """Indices of any shape (...) as one-hot vectors (..., n), float32."""
    return np.eye(n, dtype="float32")[np.asarray(ids)]


def indices(sentence: str, tx: int = 30) -> list[int]:
    """The sentence as tx indices into `HUMAN_VOCAB`, padded at the end.

    Upper case, commas and repeated spaces do not matter.

    Raises:
        InputError: if the sentence is not a text, empty, or longer than tx characters
            after commas and repeated spaces are removed.
    """
    if not isinstance(sentence, str):
        raise InputError(
            f"Expected a date as a text, received {type(sentence).__name__}. "
            "Write it as '5 April 09'."
        )
    text = " ".join(sentence.lower().replace(",", " ").split())
    if not text:
        raise InputError("The sentence is empty. Write a date such as '5 April 09'.")
    if len(text) > tx:
        raise InputError(
            f"Expected a date of at most {tx} characters, received {len(text)}: "
            f"{text[:40]!r}. Remove everything except the date."
        )
    unknown, pad = HUMAN_VOCAB["<unk>"], HUMAN_VOCAB["<pad>"]
    ids = [HUMAN_VOCAB.get(c, unknown) for c in text]
    return ids + [pad] * (tx - len(ids))


def decode(ids: ArrayLike) -> str:
    """The text of one row of indices into `MACHINE_VOCAB`."""
    return decode_all(np.asarray(ids)[np.newaxis])[0]


def decode_all(ids: ArrayLike) -> list[str]:
    """The n texts of rows of indices into `MACHINE_VOCAB`, (n, length)."""
    letters = LETTERS[np.asarray(ids)]
    return letters.view(f"<U{letters.shape[1]}")[:, 0].tolist()


def _ordinal(day: int) -> str:
    if 10 < day < 14:
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(day % 10, "th")
