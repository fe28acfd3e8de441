"""Grammar: solos as tokens, and tokens as notes over other chords.

A token such as "C,0.250,<m2,P-4>" describes one note of a solo, or a rest, by

    how the note fits its chord: C is a chord tone, S another tone of the chord's scale,
    A an approach tone, a semitone away from a chord tone, X any other; R is a rest;
    its length in quarter notes;
    a range for the interval from the preceding note, whose ends are the true interval
    plus and minus a minor third. Whoever plays the token chooses a pitch within it.

Tokens contain no absolute pitches, so a network that is trained on them learns how
melodies move over chords, in any key. The grammar is that of Gillick, Tang & Keller
(2010), "Machine learning of jazz grammars", in the notation of deepjazz and the course.
"""

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from dls_keras.music import harmony
from dls_keras.music.tunes import (
    HIGH,
    LOW,
    MEASURE,
    Chord,
    Note,
    Tune,
    chord_under,
    quantise,
)

MIN_GAP = 1 / 4 - 1e-6  # the smallest distance between note onsets, in quarter notes


# From notes to tokens.


def from_tune(tune: Tune, *, rests: bool = False) -> list[str]:
    """The solo as tokens, one text for each measure in which a note begins.

    Args:
        rests: include rests, each in the measure in which it begins. Without them the
            course's tune gives exactly the corpus of 2017, 193 tokens of which 78 are
            distinct. With them it gives that of 2021, except for rounding and one rest
            of 71 quarter notes after the solo: 266 tokens of 275, 89 distinct of 90.
    """
    measures: dict[int, list[str]] = {}
    previous: dict[int, int] = {}  # the last pitch of each measure
    events = sorted(_events(tune, rests), key=lambda event: event[:2])
    for offset, _, length, pitch in events:
        measure = int(offset // MEASURE)
        token = f"R,{length:.3f}"
        if pitch is not None:
            kind = harmony.kind(pitch, chord_under(tune.chords, offset).pitches)
            token = f"{kind},{length:.3f}"
            if measure in previous:
                token += f",<{_interval_range(previous[measure], pitch)}>"
            previous[measure] = pitch
        measures.setdefault(measure, []).append(token)
    return [" ".join(tokens) for _, tokens in sorted(measures.items())]


def tokens(tunes: Iterable[Tune], *, rests: bool = True) -> list[str]:
    """All tokens of some tunes, in order."""
    texts = (text for tune in tunes for text in from_tune(tune, rests=rests))
    return [token for text in texts for token in text.split()]


def _events(tune, rests):
    """Notes and rests as (offset, whether it sounds, length, pitch or None)."""
    for offset, length, pitch in tune.notes:
        yield offset, True, length, pitch
    if rests:
        ends = [0.0, *(note.offset + note.length for note in tune.notes)]
        begins = [*(note.offset for note in tune.notes), tune.length]
        silent_from = -np.inf
        for end, begin in zip(ends, begins, strict=True):
            silent_from = max(silent_from, end)
            if begin - silent_from > 1e-6:
                yield silent_from, False, begin - silent_from, None


def _interval_range(before, after):
    """The interval between two pitches plus and minus a minor third."""
    steps, semitones = harmony.interval(before, after)
    upper = harmony.interval_name(steps + 2, semitones + 3)
    return f"{upper},{harmony.interval_name(steps - 2, semitones - 3)}"


# From tokens to notes.


class Token(NamedTuple):
    """A parsed token."""

    kind: str  # C, S, A, X or R
    length: Fraction  # in quarter notes
    interval: tuple[int, int] | None  # lowest and highest, in semitones


@functools.cache
def parse(token: str) -> Token:
    """Parse a token of `from_tune` or of the course."""
    kind, length, *names = token.split(",", 2)
    interval = None
    if names:
        a, b = map(harmony.semitones, names[0].strip("<>").split(","))
        interval = min(a, b), max(a, b)
    # "0.333" means a third: all lengths are multiples of a twelfth.
    return Token(kind, Fraction(round(12 * float(length)), 12), interval)


def add_offsets(tokens: Iterable[Token]) -> Iterator[tuple[Fraction, Token]]:
    """Each token with its offset in quarter notes, one after the other.

    In `from_tune` only the first note of a measure has no interval. So a note without
    an interval starts the next measure, unless it is the first note of its own.
    """
    offset, measure = Fraction(0), None
    for token in tokens:
        if token.kind != "R":
            if token.interval is None and offset // MEASURE == measure:
                offset = Fraction(MEASURE * (measure + 1))
            measure = offset // MEASURE
        yield offset, token
        offset += token.length


def add_pitches(
    placed: Iterable[tuple[float | Fraction, Token]],
    chords: Sequence[Chord],
    *,
    before: int = 67,
    rng: np.random.Generator | None = None,
) -> list[Note]:
    """The notes of placed tokens; pitches are sampled so that they fit the chords.

    Args:
        before: the pitch from which the first interval is counted.
        rng: samples the pitches; by default a generator with seed 0.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    notes = []
    for offset, token in placed:
        if token.kind == "R":
            continue
        chord = chord_under(chords, offset)
        before = _pitch(token, chord.pitches, before, rng)
        notes.append(Note(float(offset), float(token.length), before))
    return notes


def _pitch(token, chord, before, rng):
    """Sample a pitch of the token's kind within its interval from `before`.

    Each semitone further from the middle of the interval halves the probability. If no
    such pitch is within the interval, take the nearest; if there is none at all over
    this chord, take a chord tone.
    """
    low, high = token.interval or (-4, 4)
    centre = before + (low + high) / 2
    if not LOW <= centre <= HIGH:  # the opposite direction stays within the range
        centre = 2 * before - centre
    kinds = np.array([harmony.kind(pitch, chord) for pitch in range(LOW, HIGH + 1)])
    wanted = token.kind if token.kind in kinds else "C"
    pitches = LOW + np.flatnonzero(kinds == wanted)
    distance = np.abs(pitches - centre)
    within = distance <= max((high - low) / 2, distance.min())
    p = within * 0.5**distance
    return int(rng.choice(pitches, p=p / p.sum()))


# The course's functions for the tokens and notes of one measure.


def prune_grammar(curr_grammar: str) -> str:
    """The tokens with lengths rounded to sixteenth notes, at least one."""
    pruned = []
    for token in curr_grammar.split():
        kind, length, *interval = token.split(",", 2)
        rounded = max(0.25, round(4 * float(length)) / 4)
        pruned.append(",".join([kind, f"{rounded:.3f}", *interval]))
    return " ".join(pruned)


def unparse_grammar(
    m1_grammar: str,
    m1_chords: Sequence[Chord],
    *,
    before: int = 67,
    rng: np.random.Generator | None = None,
) -> list[Note]:
    """The notes of the tokens, one after the other, over the chords of a measure.

    Args:
        m1_grammar: tokens separated by spaces.
        before, rng: as in `add_pitches`.
    """
    parsed = [parse(token) for token in m1_grammar.split()]
    lengths = (token.length for token in parsed)
    offsets = itertools.accumulate(lengths, initial=Fraction(0))
    placed = zip(offsets, parsed, strict=False)
    return add_pitches(placed, m1_chords, before=before, rng=rng)


def prune_notes(curr_notes: Iterable[Note]) -> list[Note]:
    """The notes with quantised onsets, without those too close to the preceding one."""
    moved = [n._replace(offset=float(quantise(n.offset))) for n in curr_notes]
    pruned: list[Note] = []
    for note in sorted(moved):
        if not pruned or note.offset - pruned[-1].offset >= MIN_GAP:
            pruned.append(note)
    return pruned


def clean_up_notes(curr_notes: Sequence[Note], end: float = float("inf")) -> list[Note]:
    """The notes before `end`, shortened so that each ends before the next begins.

    A shortened length becomes a multiple of a quarter or a third of a quarter note.
    """
    notes = [note for note in curr_notes if end - note.offset >= MIN_GAP]
    ends = [*(note.offset for note in notes[1:]), end]
    cleaned = []
    for note, stop in zip(notes, ends, strict=False):
        available = stop - note.offset + 1e-6
        if note.length > available:
            length = max(4 * available // 1 / 4, 3 * available // 1 / 3)
            note = note._replace(length=length)
        cleaned.append(note)
    return cleaned
