"""Dates as people write them, each with the ISO date that it means.

The pairs are generated, ten thousand in a second; nothing is downloaded. Each date is
written in a random form: those of the course's generator (babel's short, medium, long
and full English dates and nine patterns), and forms that people type as well: ordinals,
two-digit years, ISO dates and other numbers. Dates run from 1900 to 2099. A year of two
digits means one from 1970 to 2069, as 70 to 99 are read as 19xx (POSIX starts a year
earlier, at 69). One day in eleven is held out: no form of it is ever in a training set.

Of three numbers, the first is the year if it has four digits. Otherwise the month is
first between slashes, and the day between dots, hyphens or spaces: 3/4/1999 is 4 March,
and 3.4.1999 is 3 April. The order is the other one only where the month would be over
12: 13/4/1999 is 13 April.
"""

import calendar
import datetime
import itertools
import re
import unicodedata
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
# mmm and mmmm its short and full name, mmm4 its short name with "sept", y year, yy its
# last two digits, www and wwww the weekday's short and full name. There are no commas:
# `clean` removes them.
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

DAYS = "{d}", "{dd}", "{o}", "{d} of", "{o} of"
MONTHS = "{mmm}", "{mmm4}", "{mmmm}"
YEARS = "{y}", "{yy}"
WORD_FORMS = (
    *map(" ".join, itertools.product(DAYS, MONTHS, YEARS)),
    *map(" ".join, itertools.product(MONTHS, DAYS[:3], YEARS)),
    *map(" ".join, itertools.product(["{y}"], MONTHS, DAYS[:3])),
    *map("".join, itertools.product(DAYS[:2], MONTHS, YEARS)),
)

DAY_FIRST = "{d} {M} {y}", "{dd} {MM} {y}", "{d} {M} {yy}", "{dd} {MM} {yy}"
MONTH_FIRST = "{M} {d} {y}", "{MM} {dd} {y}", "{M} {d} {yy}", "{MM} {dd} {yy}"
YEAR_FIRST = "{y} {MM} {dd}", "{y} {M} {d}"


def _separated(forms, separators):
    """Forms of numbers, written with each of the separators."""
    return [form.replace(" ", s) for form in forms for s in separators]


def _with_weekdays(forms):
    """Forms alone (half of the time), or after a weekday."""
    return [w + form for form in forms for w in ("", "", "{www} ", "{wwww} ")]


# These are used for days over 12 only, which cannot be the month.
OTHER_ORDER_FORMS = _with_weekdays(
    [*_separated(MONTH_FIRST, ".- "), *_separated(DAY_FIRST, "/")]
)
ADDED_FORMS = (
    *_with_weekdays(WORD_FORMS),
    *_with_weekdays(_separated(DAY_FIRST, ".- ")),
    *_with_weekdays(_separated(MONTH_FIRST, "/")),
    *_with_weekdays(_separated(YEAR_FIRST, "./- ")) * 2,
    *_with_weekdays(["{y}{MM}{dd}"]) * 4,
    *OTHER_ORDER_FORMS,
)

MONTH_NAMES = [name.lower() for name in calendar.month_name[1:]]
# The names that words stand for: a word may be the beginning of a name, as in "sept".
NAMES = {
    name[:length]: name
    for name in [*MONTH_NAMES, *map(str.lower, calendar.day_name)]
    for length in range(3, len(name) + 1)
}
PARTICLES = "st", "nd", "rd", "th", "of"

TYPOGRAPHY = str.maketrans(
    {",": " ", **dict.fromkeys("'‘’", ""), **dict.fromkeys("‐‒–—−", "-")}
)
SPACES_AT_SEPARATOR = re.compile(r"\s+(?=[./-])|(?<=[./-])\s+")
SEPARATOR_OF_WORDS = re.compile(r"[./-](?:(?<![0-9].)|(?![0-9]))")
COMPACT = re.compile(r"\b([0-9]{4})([0-9]{2})([0-9]{2})\b")


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
        date = datetime.date.fromordinal(day)
        allowed = date.day > 12 or form not in OTHER_ORDER_FORMS
        if allowed and (day % HELD_OUT == 0) == held_out:
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
        mmm4=month[:4] if date.month == 9 else month[:3],
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
    """The sentence, after `clean`, as tx indices into `HUMAN_VOCAB`, padded at the end.

    Raises:
        InputError: if the sentence is not a text, empty, or longer than tx characters.
    """
    text = clean(sentence, tx)
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


def clean(sentence: str, tx: int = 30) -> str:
    """The characters that a network reads: "Sept. 3rd, '11" becomes "sept 3rd 11".

    Upper case, commas, apostrophes, the word "the" and repeated spaces do not matter,
    nor does "of" in a sentence of more than tx characters. Dots, slashes and hyphens
    stay between two digits, without spaces around them; others become spaces.

    Raises:
        InputError: if the sentence is not a text.
    """
    if not isinstance(sentence, str):
        raise InputError(
            f"Expected a date as a text, received {type(sentence).__name__}. "
            "Write it as '5 April 09'."
        )
    text = unicodedata.normalize("NFKC", sentence).lower().translate(TYPOGRAPHY)
    text = SEPARATOR_OF_WORDS.sub(" ", SPACES_AT_SEPARATOR.sub("", text))
    words = [word for word in text.split() if word != "the"]
    if len(" ".join(words)) > tx:
        words = [word for word in words if word != "of"]
    return " ".join(words)


def check(sentence: str, iso: str) -> None:
    """Refuse a translation that cannot be right.

    A translation must be a day of the calendar. Its day, month and year must be the
    numbers of the sentence, in the order that this module states; the month may be a
    name. All words of the sentence must belong to dates.

    Args:
        iso: what a network returned for the sentence.

    Raises:
        InputError: with the reason, if one of these conditions does not hold.
    """
    text = clean(sentence)
    # Words, and characters other than digits and separators.
    pieces = re.findall(r"[^\W\d_]+|[^0-9 ./-]", text)
    unknown = [p for p in pieces if p not in NAMES and p not in PARTICLES]
    if not re.search("[0-9]", text):
        reason = "it contains no digits"
    elif unknown:
        reason = f"{unknown[0]!r} does not belong to a date"
    else:
        try:
            date = datetime.date.fromisoformat(iso)
        except ValueError:
            reason = f"the network returned {iso}, which is not a day of the calendar"
        else:
            if _agrees(text, date):
                return
            reason = f"the network returned {iso}, a different day"
    raise InputError(
        f"No date found in {sentence!r}: {reason}. Write a day from 1900 to 2099, such "
        "as '5 April 2009'."
    )


def _agrees(text, date):
    """Whether a clean sentence contains the numbers and the month of the day."""
    numbers = [int(n) for n in re.findall("[0-9]+", COMPACT.sub(r"\1 \2 \3", text))]
    months = {NAMES.get(word) for word in re.findall("[a-z]+", text)} & {*MONTH_NAMES}
    day, month = [date.day], [] if months else [date.month]
    if date.day > 12:
        orders = [day + month, month + day]
    else:
        orders = [month + day] if "/" in text else [day + month]
    years = [date.year]
    if CENTURY[0] <= date <= CENTURY[1]:
        years.append(date.year % 100)
    expected = [[date.year, *month, *day]]
    expected += [[*order, year] for order in orders for year in years]
    return numbers in expected and months <= {MONTH_NAMES[date.month - 1]}


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
