"""Tunes: solos over chords, read from MIDI files, from chord symbols, or composed.

The course's file is a transcription of Pat Metheny's "And then I knew", a composition
under copyright. `make_tune` composes tunes that are free to use, by rules and a seed.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files, readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog
from dls_keras.music import harmony, midi_reader

MEASURE = 4  # quarter notes
LOW, HIGH = 60, 84  # the range of pitches of composed and generated solos

LARGEST_FILE = 250_000  # bytes; the course's file has 93 kB
MOST_NOTES = 10_000  # in a part
MOST_TOGETHER = 128  # notes that begin within a 64th note
LONGEST = 40_000  # quarter notes of a tune

(COURSE,) = catalog.DATA_SETS["metheny"].files
# The course's file: of the parts with notes the guitar (5) plays the solo and the piano
# (0) the chords; the span is where the solo begins and ends, in quarter notes.
COURSE_PARTS, COURSE_SPAN = (5, 0), (476, 548)


class Note(NamedTuple):
    """A note: its onset and its length in quarter notes, and its MIDI pitch."""

    offset: float  # of the onset, from the beginning of the tune
    length: float
    pitch: int  # 60 is middle C


class Chord(NamedTuple):
    """Pitches that sound together, and the chord's symbol if it is known."""

    offset: float
    length: float
    pitches: tuple[int, ...]
    symbol: str = ""


class Tune(NamedTuple):
    """A solo and its chords, each in order of their offsets.

    Offsets count from the beginning of the first measure; `length` is that of all
    measures in quarter notes.
    """

    notes: tuple[Note, ...]
    chords: tuple[Chord, ...]
    length: float

    def __str__(self):
        return f"a solo of {len(self.notes)} notes over {len(self.chords)} chords"


# Reading.


def load_tune(
    path: str | Path | None = None,
    *,
    parts: tuple[int, int] | None = None,
    span: tuple[float, float] | None = None,
) -> Tune:
    """The tune in a MIDI file, by default the course's.

    Offsets and lengths are quantised, see `quantise`; no note is shorter than a
    sixteenth note.

    Args:
        path: a MIDI file in 4/4.
        parts: (solo, chords), indices among the parts that have notes; a part is a
            channel of a track. Of the solo the highest voice is read, of the chords'
            part whatever has more than one pitch. By default the first two that are
            not percussion; for the course's file those of the course.
        span: where the solo begins and ends, in quarter notes. By default the whole
            file; for the course's file the course's solo.

    Raises:
        MissingFileError: if there is no such file on this machine.
        InputError: if the file is not a MIDI file, or has no solo with chords in 4/4
            there.
    """
    path = catalog.find(COURSE) if path is None else Path(path)
    with readers.reading(path, "a MIDI file"):
        readers.check_size(path, LARGEST_FILE)
        if parts is None and span is None and files.sha256(path) == COURSE.sha256:
            parts, span = COURSE_PARTS, COURSE_SPAN
        midi = midi_reader.read(path.read_bytes())
        solo, chords = (_grouped(notes) for notes in _chosen(path, midi, parts))
    ends = (offset + length for offset, length, _ in [*solo, *chords])
    begin, end = span or (0, max(ends, default=0))
    if end - begin > LONGEST:
        raise InputError(
            f"{path} has a tune of {float(end - begin):,.0f} quarter notes, expected "
            f"at most {LONGEST:,}. Choose a shorter `span`."
        )
    begin = _first_measure(path, midi, begin, end)
    notes = tuple(
        Note(float(offset - begin), float(length), max(pitches))
        for offset, length, pitches in solo
        if begin <= offset < end
    )
    chords = tuple(
        Chord(float(offset - begin), float(length), pitches)
        for offset, length, pitches in chords
        if begin <= offset < end and len(pitches) > 1
    )
    if not notes or not chords:
        raise InputError(
            f"{path} has {len(notes)} notes of a solo and {len(chords)} chords between "
            f"quarter notes {begin} and {end}; expected at least one of each. Choose "
            f"other `parts` of {_listed(midi)}, or another `span`."
        )
    count = -(-(end - begin) // MEASURE)  # measures, the last one rounded up
    return Tune(notes, chords, float(MEASURE * count))


def _chosen(path, midi, parts):
    """The notes of the solo's part and of the chords' part."""
    if parts is None:
        channels = (channel for _, channel in midi.parts)
        pitched = [i for i, c in enumerate(channels) if c != midi_reader.PERCUSSION]
        parts = tuple(pitched[:2])
    if len(parts) != 2 or not all(0 <= part < len(midi.parts) for part in parts):
        raise InputError(
            f"{path} has {_listed(midi)}; expected the indices of the solo and of the "
            f"chords among them, received {parts}. Choose others with `parts`."
        )
    for part in parts:
        notes = list(midi.parts.values())[part]
        if len(notes) > MOST_NOTES:
            raise ValueError(f"more than {MOST_NOTES:,} notes in part {part}")
        yield notes


def _listed(midi, most=20):
    """The parts of a MIDI file, for a message."""
    names = [
        f"{i}: track {track + 1}, channel {channel + 1}"
        for i, (track, channel) in enumerate(midi.parts)
    ]
    plural = "" if len(names) == 1 else "s"
    listed = f" ({'; '.join(names[:most])})" if names else ""
    return f"{len(names)} part{plural} with notes{listed}"


def _first_measure(path, midi, begin, end):
    """The onset of the measure in which `begin` is, in quarter notes.

    Raises:
        InputError: if a measure before `end` is not in 4/4.
    """
    origin = max((at for at in midi.signatures if at <= begin), default=0)
    for at, (numerator, denominator) in midi.signatures.items():
        whole = 4 * numerator == MEASURE * denominator and (at - origin) % MEASURE == 0
        if origin <= at < end and not whole:
            raise InputError(
                f"{path} has the time signature {numerator}/{denominator} at quarter "
                f"note {float(at):g}, expected whole measures of 4/4. Choose a `span` "
                "in 4/4, or another file."
            )
    return begin - (begin - origin) % MEASURE


def _grouped(notes):
    """Group the notes whose onsets and ends are within a 64th note of each other.

    Returns:
        A list of (offset, length, pitches), quantised.
    """
    events, taken = [], set()
    for i, (begin, end, pitch) in enumerate(notes):
        if i in taken:
            continue
        pitches = [pitch]
        for j in range(i + 1, len(notes)):
            its_begin, its_end, its_pitch = notes[j]
            if its_begin - begin >= _TOGETHER:
                break
            if j - i > MOST_TOGETHER:
                raise ValueError(
                    f"more than {MOST_TOGETHER} notes begin at {float(begin):g} "
                    "quarter notes"
                )
            if abs(its_end - end) <= _TOGETHER:
                taken.add(j)
                pitches.append(its_pitch)
        length = quantise(end - begin) or Fraction(1, 4)
        events.append((quantise(begin), length, tuple(pitches)))
    return events


_TOGETHER = Fraction(1, 16)


def quantise(x: float | Fraction) -> Fraction:
    """The nearest multiple of 1/4 or 1/3; in a tie the multiple of 1/4."""
    quarters, thirds = Fraction(round(4 * x), 4), Fraction(round(3 * x), 3)
    nearer = abs(quarters - x) <= abs(thirds - x)  # type: ignore[operator]
    return quarters if nearer else thirds


# Chords.


def chord_under(chords: Sequence[Chord], offset: float | Fraction) -> Chord:
    """The chord that sounds under a note.

    If chords begin in the note's measure: the last one that does not begin after the
    note, or else the first. Otherwise the last chord of an earlier measure, or the
    first of all.
    """
    measure = offset // MEASURE
    here = [chord for chord in chords if chord.offset // MEASURE == measure]
    here = here or [chord for chord in chords if chord.offset < offset]
    here = here or [chords[0]]
    return ([chord for chord in here if chord.offset <= offset] or here[:1])[-1]


def measures(tune: Tune) -> list[list[Chord]]:
    """The chords of each measure of a tune, with offsets within the measure."""
    count = int(max(chord.offset for chord in tune.chords) // MEASURE) + 1
    listed: list[list[Chord]] = [[] for _ in range(count)]
    for chord in tune.chords:
        i, offset = divmod(chord.offset, MEASURE)
        listed[int(i)].append(chord._replace(offset=offset))
    return listed


# Chord symbols.


def from_symbols(text: str) -> Tune:
    """Chords without a solo, from a text such as "Dm7 G7 | Cmaj7".

    "|" separates measures, and the chords of a measure have equal lengths. Without any
    "|" each chord fills a measure.

    Raises:
        InputError: if there is no chord, or one that `harmony.chord` does not know.
    """
    measures = text.split("|") if "|" in text else text.split()
    chords = []
    for i, symbols in enumerate(filter(None, map(str.split, measures))):
        length = MEASURE / len(symbols)
        for k, symbol in enumerate(symbols):
            pitches = harmony.chord(symbol)
            chords.append(Chord(MEASURE * i + k * length, length, pitches, symbol))
    if not chords:
        raise InputError(
            f"Expected chord symbols, received {text!r}. Write for example "
            "'Dm7 G7 | Cmaj7'."
        )
    end = chords[-1].offset + chords[-1].length
    return Tune((), tuple(chords), float(end))


def as_tune(given: Tune | str | Path | int) -> Tune:
    """A tune from any of the forms in which chords can be given.

    Args:
        given: a tune, a text of chord symbols, the path of a MIDI file, or the seed of
            a composed tune.

    Raises:
        InputError: if it is none of these, or has no chords; also as in `from_symbols`
            and `load_tune`.
    """
    if isinstance(given, Tune):
        if given.chords and given.length > 0:
            return given
        raise InputError(
            f"Expected a tune with chords, received one with {len(given.chords)} "
            f"chords and {given.length:g} quarter notes."
        )
    if isinstance(given, int) and given >= 0:
        return make_tune(given)
    if isinstance(given, str) and not given.lower().endswith((".mid", ".midi")):
        return from_symbols(given)
    if isinstance(given, str | Path):
        return load_tune(given)
    raise InputError(
        "Expected a tune, chord symbols such as 'Dm7 G7 | Cmaj7', the path of a MIDI "
        f"file or a seed, received {given!r}."
    )


# Composing.


def make_tunes(seeds: Iterable[int]) -> list[Tune]:
    """The tunes that `make_tune` composes with these seeds."""
    return [make_tune(seed) for seed in seeds]


def make_tune(seed: int = 0) -> Tune:
    """A tune composed by rules: a solo over 12 or 16 measures of chords.

    The seed determines the chord progression, its key, three rhythms of which the
    measures are made, and the melody: chord tones on the beats, steps of the scale or
    chord tones between them, and sometimes an approach tone a semitone away from a
    chord tone.
    """
    rng = np.random.default_rng(seed)
    form = _FORMS[rng.integers(len(_FORMS))]
    tune = from_symbols(harmony.transpose(form, int(rng.integers(12))))
    first, second, third = rng.choice(len(RHYTHMS), 3, replace=False)
    ending = ENDINGS[rng.integers(len(ENDINGS))]
    count = int(tune.length) // MEASURE
    rhythm = []
    for i in range(count):
        phrase = (RHYTHMS[first], RHYTHMS[second], RHYTHMS[first], ending)
        if (i // 4) % 3 == 1:  # the second phrase of a form differs from the first
            phrase = (RHYTHMS[third], RHYTHMS[second], RHYTHMS[third], ending)
        rhythm += [(MEASURE * i + offset, length) for offset, length in phrase[i % 4]]
    return tune._replace(notes=tuple(_melody(rhythm, tune.chords, rng)))


def _melody(rhythm, chords, rng):
    """Notes for offsets and lengths, chosen from the last one to the first.

    In this order the note to which an offbeat note leads is already known.
    """
    pitch, direction = int(rng.integers(64, 76)), int(rng.choice([-1, 1]))
    notes = []
    for offset, length in reversed(rhythm):
        chord = chord_under(chords, float(offset)).pitches
        kinds = "C"
        if offset % 1 and notes:  # off the beat
            kinds = "A" if rng.random() < 0.2 else "CS"
        if rng.random() < 0.2 or not LOW + 7 <= pitch <= HIGH - 7:
            direction = -1 if pitch > (LOW + HIGH) / 2 else 1
        nearby = [pitch + direction * step for step in range(1, 8)]
        fits = [p for p in nearby[:2] if harmony.kind(p, chord) in kinds]
        if not fits:
            kinds = kinds.replace("A", "C")
            fits = [p for p in nearby if harmony.kind(p, chord) in kinds]
        skip = len(fits) > 1 and rng.random() < 0.15
        pitch = fits[skip]
        notes.append(Note(float(offset), float(length), pitch))
    return reversed(notes)


def _rhythm(text):
    """(offset, length) of each note of a measure, from lengths; rests are in brackets.

    Lengths are in quarter notes.
    """
    offset, notes = Fraction(0), []
    for word in text.split():
        length = Fraction(word.strip("()"))
        if word[0] != "(":
            notes.append((offset, length))
        offset += length
    return notes


RHYTHMS = tuple(
    _rhythm(text)
    for text in (
        "1/2 1/2 1/2 1/2 1/2 1/2 1/2 1/2",
        "(1/2) 1/2 1/2 1/2 1/2 1/2 1",
        "1 1/2 1/2 1/3 1/3 1/3 1",
        "1/2 1 1/2 1/2 1/2 1",
        "(1) 1/2 1/2 1/2 1/2 1/2 1/2",
        "3/2 1/2 1/2 1/2 1",
        "1/3 1/3 1/3 1/2 1/2 1/2 1/2 1",
        "3/4 1/4 1/2 1/2 1 (1)",
        "1/2 1/2 1 (1/2) 1/2 1/2 1/2",
        "1 (1/2) 1/2 1/2 1/2 1/2 1/2",
    )
)
ENDINGS = tuple(
    _rhythm(text)
    for text in ("1/2 1/2 2 (1)", "2 (2)", "1 3/2 (3/2)", "1/2 3/2 (2)", "3 (1)")
)

# Common progressions, which nobody owns: turnarounds, blues, cadences along the circle
# of fifths.
_FORMS = (
    "C7 F7 C7 C7 F7 F7 C7 A7 Dm7 G7 C7 G7",
    "Cm7 Cm7 Cm7 Cm7 Fm7 Fm7 Cm7 Cm7 Ab7 G7 Cm7 G7",
    "Dm7 G7 Cmaj7 Am7 Dm7 G7 Cmaj7 Cmaj7 Fm7 Bb7 Ebmaj7 Cm7 Fm7 G7 Cmaj7 A7",
    "Am7 Dm7 G7 Cmaj7 Fmaj7 Bm7b5 E7 Am7 Am7 Dm7 G7 Cmaj7 Bm7b5 E7 Am7 Am7",
    "Cmaj7 | Am7 | Dm7 | G7 | Em7 | A7 | Dm7 G7 | Cmaj7 | "
    "Fmaj7 | Fm6 | Em7 | A7 | Dm7 | G7 | Cmaj7 A7 | Dm7 G7",
    "Cm7 Cm7 F7 F7 Bbmaj7 Bbmaj7 Ebmaj7 Ebmaj7 Am7b5 D7 Gm6 Gm6 Am7b5 D7 Gm6 G7",
)
