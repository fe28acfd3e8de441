"""Tunes: solos over chords, read from MIDI files, composed, and put into words.

A solo is told in words that say how each note sits in the harmony, how long it is, and
how it was reached, "C,0.250,<m2,P-4>":

    C in the chord, S in the chord's scale, A a semitone from a tone of the chord
    ("approach"), X none of these, R a rest;
    the length in quarter notes;
    the interval from the note before, a minor third wider and a minor third narrower:
    the range in which whoever plays from the words may choose

A network learns from words how to move through harmony, not which keys were pressed.
The grammar is that of Gillick, Tang & Keller (2010), "Machine learning of jazz
grammars", in the form in which deepjazz and the course write it.

The course's file is a transcription of Pat Metheny's "And then I knew", a composition
under copyright; `make_tune` composes one of our own, by rules and a seed.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.music import harmony

MEASURE = 4  # quarter notes
LOW, HIGH = 60, 84  # between which pitches our solos move

COURSE = files.Remote(
    name="jazz/original_metheny.mid",
    url="https://raw.githubusercontent.com/jisungk/deepjazz/"
    "9c3b11245db196311b9f0176e984a38725a7113a/midi/original_metheny.mid",
    sha256="0da8322ceab36b036682b5ece0c315193f7b701a3340a0ca5a523b107c6f428d",
    licence="none stated for the tune; carried by deepjazz, Apache-2.0",
)
# Of the parts with notes in the course's file the guitar plays the solo and the piano
# the chords; the solo begins and ends here, in quarter notes.
COURSE_PARTS, COURSE_SPAN = (5, 0), (476, 548)


class Note(NamedTuple):
    """A note: where it begins and how long it is, in quarter notes, and its pitch."""

    offset: float
    length: float
    pitch: int  # 60 is the middle C


class Chord(NamedTuple):
    """Pitches that sound together, and the chord's symbol where it is known."""

    offset: float
    length: float
    pitches: tuple[int, ...]
    symbol: str = ""


class Tune(NamedTuple):
    """A solo and the chords under it, in order, from the beginning of a measure on.

    `length` is that of all its measures, in quarter notes.
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
    """The tune in a MIDI file, by default the course's. Needs music21.

    Begins and lengths are `quantised`; no note is shorter than a quarter of a quarter
    note.

    Args:
        path: a MIDI file in 4/4.
        parts: which of its parts with notes plays the solo, of which the highest voice
            counts, and which the chords, of which single notes do not. By default 0
            and 1, and those of the course in the course's file.
        span: where the solo begins and ends, in quarter notes; by default the whole
            file, and the course's solo in the course's file.

    Raises:
        MissingFileError: if the file is nowhere, or music21 is not installed.
        InputError: if the file is no MIDI file, or has no solo with chords there.
    """
    path = files.find_data(COURSE) if path is None else Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no MIDI file at {path}. Check the path.")
    if parts is None and span is None and files.sha256(path) == COURSE.sha256:
        parts, span = COURSE_PARTS, COURSE_SPAN
    solo, chords = (_gathered(notes) for notes in _parts(path, parts or (0, 1)))
    begin, end = span or (0, max(o + length for o, length, _ in [*solo, *chords]))
    begin -= begin % MEASURE
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
            f"the quarter notes {begin} and {end}, expected some of each. Name other "
            "`parts`, or another `span`."
        )
    measures = -(-(end - begin) // MEASURE)  # the last one is rounded up
    return Tune(notes, chords, float(MEASURE * measures))


def _parts(path, chosen):
    """The notes of the chosen parts: (begin, end, pitch) in quarter notes."""
    try:
        from music21 import midi
        from music21.midi import translate
    except ImportError as error:
        raise MissingFileError(
            "MIDI files are read by music21, which is not installed. Run `pip install "
            "music21`, or take `make_tune()`."
        ) from error
    file = midi.MidiFile()
    try:
        file.open(str(path))
        file.read()
    except Exception as error:  # damage shows in many ways
        raise InputError(
            f"{path} is no MIDI file that can be read ({error}); it is "
            f"{files.what_is(path)}."
        ) from error
    finally:
        if file.file is not None:
            file.close()
    sounding = [
        track
        for track in file.tracks
        if any(event.isNoteOn() for event in track.events)
    ]
    if not all(0 <= part < len(sounding) for part in chosen):
        raise InputError(
            f"{path} has {len(sounding)} parts with notes; expected the solo in part "
            f"{chosen[0]} and the chords in part {chosen[1]}, counted from 0. Name "
            "others by `parts`."
        )
    quarter = file.ticksPerQuarterNote
    for part in chosen:
        timed = translate.getTimeForEvents(sounding[part])
        yield [
            (Fraction(n.onTime, quarter), Fraction(n.offTime, quarter), n.event.pitch)
            for n in translate.getNotesFromEvents(timed)
        ]


def _gathered(notes):
    """Notes that begin and end within a 64th of each other, as one event.

    Returns:
        A list of (begin, length, pitches), quantised.
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
            if abs(its_end - end) <= _TOGETHER:
                taken.add(j)
                pitches.append(its_pitch)
        length = quantised(end - begin) or Fraction(1, 4)
        events.append((quantised(begin), length, tuple(pitches)))
    return events


_TOGETHER = Fraction(1, 16)


def quantised(x: float | Fraction) -> Fraction:
    """The nearest multiple of 1/4 or 1/3; of two as near that of 1/4."""
    quarters, thirds = Fraction(round(4 * x), 4), Fraction(round(3 * x), 3)
    return quarters if abs(quarters - x) <= abs(thirds - x) else thirds


# From notes to words.


def grammar(tune: Tune, *, rests: bool = False) -> list[str]:
    """The solo in words, one text a measure in which a note begins.

    Args:
        rests: tell rests, too, each in the measure in which it begins. Without, the
            course's tune gives the corpus of 2017 exactly, 193 words of which 78 are
            distinct. With them that of 2021 comes out but for rounding and the rest of
            71 quarter notes after the solo: 266 words of 275, 89 distinct of 90.
    """
    measures, before = {}, {}
    events = sorted(_events(tune, rests), key=lambda event: event[:2])
    for offset, _, length, pitch in events:
        measure = int(offset // MEASURE)
        word = f"R,{length:.3f}"
        if pitch is not None:
            kind = harmony.kind(pitch, chord_under(tune.chords, offset).pitches)
            word = f"{kind},{length:.3f}"
            if measure in before:
                word += f",<{_reach(before[measure], pitch)}>"
            before[measure] = pitch
        measures.setdefault(measure, []).append(word)
    return [" ".join(words) for _, words in sorted(measures.items())]


def words(played: Iterable[Tune], *, rests: bool = True) -> list[str]:
    """All words of some tunes in order."""
    texts = (text for tune in played for text in grammar(tune, rests=rests))
    return [word for text in texts for word in text.split()]


def _events(tune, rests):
    """Notes and rests as (offset, whether it sounds, length, pitch or None)."""
    for offset, length, pitch in tune.notes:
        yield offset, True, length, pitch
    if rests:
        ends = [0.0, *(note.offset + note.length for note in tune.notes)]
        begins = [*(note.offset for note in tune.notes), tune.length]
        silent = -np.inf
        for end, begin in zip(ends, begins, strict=True):
            silent = max(silent, end)
            if begin - silent > 1e-6:
                yield silent, False, begin - silent, None


def _reach(before, after):
    """The interval between two pitches a minor third up and a minor third down."""
    steps, semitones = harmony.interval(before, after)
    wider = harmony.interval_name(steps + 2, semitones + 3)
    return f"{wider},{harmony.interval_name(steps - 2, semitones - 3)}"


def chord_under(chords: Sequence[Chord], offset: float) -> Chord:
    """The chord that a note is heard against.

    Of the chords that begin in the note's measure the last that is not later, or else
    the first; where none does, the last one before, or else the first of all.
    """
    measure = offset // MEASURE
    here = [chord for chord in chords if chord.offset // MEASURE == measure]
    here = here or [chord for chord in chords if chord.offset < offset] or chords[:1]
    return ([chord for chord in here if chord.offset <= offset] or here[:1])[-1]


# From words to notes.


class Word(NamedTuple):
    """A word read: `reach` are two semitones between which the interval lies, or None.

    `kind` is C, S, A, X or R; `length` in quarter notes, exact.
    """

    kind: str
    length: Fraction
    reach: tuple[int, int] | None


@functools.cache
def parsed(word: str) -> Word:
    """A word of `grammar` read, or of the course's."""
    kind, length, *reach = word.split(",", 2)
    if reach:
        a, b = map(harmony.semitones, reach[0].strip("<>").split(","))
        reach = min(a, b), max(a, b)
    # "0.333" is a third: all lengths are multiples of a twelfth.
    return Word(kind, Fraction(round(12 * float(length)), 12), reach or None)


def timed(told: Iterable[Word]) -> Iterator[tuple[Fraction, Word]]:
    """Words with their begins, one behind the other.

    In `grammar` the first note of a measure has no interval; so a note without one
    waits for the next measure, unless it is the first of its own.
    """
    offset, measure = Fraction(0), None
    for word in told:
        if word.kind != "R":
            if word.reach is None and offset // MEASURE == measure:
                offset = Fraction(MEASURE * (measure + 1))
            measure = offset // MEASURE
        yield offset, word
        offset += word.length


def pitched(
    placed: Iterable[tuple[float, Word]],
    chords: Sequence[Chord],
    *,
    before: int = 67,
    rng: np.random.Generator | None = None,
) -> list[Note]:
    """Notes for words with their begins, pitches drawn so that they fit the chords.

    Args:
        before: the pitch from which the first interval is counted.
        rng: what draws; by default of seed 0.
    """
    rng = np.random.default_rng(0) if rng is None else rng
    notes = []
    for offset, word in placed:
        if word.kind == "R":
            continue
        chord = chord_under(chords, offset)
        before = _pitch(word, chord.pitches, before, rng)
        notes.append(Note(float(offset), float(word.length), before))
    return notes


def _pitch(word, chord, before, rng):
    """A pitch of the word's kind within its reach, the likelier the more central.

    Where none is, the nearest; where the chord has no such pitches, one of its own.
    """
    low, high = word.reach or (-4, 4)
    centre = before + (low + high) / 2
    if not LOW <= centre <= HIGH:  # what would leave the range goes the other way
        centre = 2 * before - centre
    kinds = np.array([harmony.kind(pitch, chord) for pitch in range(LOW, HIGH + 1)])
    wanted = word.kind if word.kind in kinds else "C"
    pitches = LOW + np.flatnonzero(kinds == wanted)
    far = np.abs(pitches - centre)
    within = far <= max((high - low) / 2, far.min())
    p = within * 0.5**far
    return int(rng.choice(pitches, p=p / p.sum()))


def measures(tune: Tune) -> list[list[Chord]]:
    """The chords of each measure of a tune, their begins counted from its own."""
    count = int(max(chord.offset for chord in tune.chords) // MEASURE) + 1
    listed = [[] for _ in range(count)]
    for chord in tune.chords:
        i, offset = divmod(chord.offset, MEASURE)
        listed[int(i)].append(chord._replace(offset=offset))
    return listed


# Composing.


def from_symbols(text: str) -> Tune:
    """Chords to play over, without a solo, from a text such as "Dm7 G7 | Cmaj7".

    Each measure stands between bars and is shared equally by its chords; in a text
    without bars each chord has a measure of its own.

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
            "There are no chords to play over. Write some, such as 'Dm7 G7 | Cmaj7'."
        )
    end = chords[-1].offset + chords[-1].length
    return Tune((), tuple(chords), float(end))


def meant(given: Tune | str | Path | int) -> Tune:
    """The tune that is meant by a tune, chord symbols, a path of MIDI, or a seed.

    Raises:
        InputError: if it is none of these; and as `from_symbols` and `load_tune` do.
    """
    if isinstance(given, Tune):
        return given
    if isinstance(given, int) and given >= 0:
        return make_tune(given)
    if isinstance(given, Path) or str(given).lower().endswith((".mid", ".midi")):
        return load_tune(given)
    if isinstance(given, str):
        return from_symbols(given)
    raise InputError(
        "Expected a tune, chord symbols such as 'Dm7 G7 | Cmaj7', the path of a MIDI "
        f"file or a seed, received {given!r}."
    )


def make_tune(seed: int = 0) -> Tune:
    """A short tune of our own: a solo composed by rules over 12 or 16 measures.

    The seed draws a form, its key, three figures of rhythm of which the measures are
    made, and the line: a tone of the chord on each beat, a step of the scale between
    two beats, now and then a semitone's approach to the tone that follows.
    """
    rng = np.random.default_rng(seed)
    form = _FORMS[rng.integers(len(_FORMS))]
    tune = from_symbols(harmony.transposed(form, int(rng.integers(12))))
    first, second, third = rng.choice(len(_FIGURES), 3, replace=False)
    ending = _ENDINGS[rng.integers(len(_ENDINGS))]
    measures = int(tune.length) // MEASURE
    rhythm = []
    for i in range(measures):
        figures = (_FIGURES[first], _FIGURES[second], _FIGURES[first], ending)
        if (i // 4) % 3 == 1:  # the second phrase of the form answers the first
            figures = (_FIGURES[third], _FIGURES[second], _FIGURES[third], ending)
        rhythm += [(MEASURE * i + begin, length) for begin, length in figures[i % 4]]
    return tune._replace(notes=tuple(_line(rhythm, tune.chords, rng)))


def _line(rhythm, chords, rng):
    """Notes for begins and lengths: a walk through the chords, backwards in time.

    Going back, each note between the beats knows the one to which it leads.
    """
    pitch, direction = int(rng.integers(64, 76)), int(rng.choice([-1, 1]))
    notes = []
    for begin, length in reversed(rhythm):
        chord = chord_under(chords, float(begin)).pitches
        kinds = "C"
        if begin % 1 and notes:
            kinds = "A" if rng.random() < 0.2 else "CS"
        if rng.random() < 0.2 or not LOW + 7 <= pitch <= HIGH - 7:
            direction = -1 if pitch > (LOW + HIGH) / 2 else 1
        ways = [pitch + direction * step for step in range(1, 8)]
        fits = [p for p in ways[:2] if harmony.kind(p, chord) in kinds]
        if not fits:
            kinds = kinds.replace("A", "C")
            fits = [p for p in ways if harmony.kind(p, chord) in kinds]
        leap = len(fits) > 1 and rng.random() < 0.15
        pitch = fits[leap]
        notes.append(Note(float(begin), float(length), pitch))
    return reversed(notes)


def _figure(text):
    """Begins and lengths of a measure from its lengths in text, rests in brackets."""
    begin, notes = Fraction(0), []
    for word in text.split():
        length = Fraction(word.strip("()"))
        if word[0] != "(":
            notes.append((begin, length))
        begin += length
    return notes


_FIGURES = tuple(
    map(
        _figure,
        (
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
        ),
    )
)
_ENDINGS = tuple(
    map(_figure, ("1/2 1/2 2 (1)", "2 (2)", "1 3/2 (3/2)", "1/2 3/2 (2)", "3 (1)"))
)

# Progressions that nobody owns: turnarounds, blues, and cadences round the fifths.
_FORMS = (
    "C7 F7 C7 C7 F7 F7 C7 A7 Dm7 G7 C7 G7",
    "Cm7 Cm7 Cm7 Cm7 Fm7 Fm7 Cm7 Cm7 Ab7 G7 Cm7 G7",
    "Dm7 G7 Cmaj7 Am7 Dm7 G7 Cmaj7 Cmaj7 Fm7 Bb7 Ebmaj7 Cm7 Fm7 G7 Cmaj7 A7",
    "Am7 Dm7 G7 Cmaj7 Fmaj7 Bm7b5 E7 Am7 Am7 Dm7 G7 Cmaj7 Bm7b5 E7 Am7 Am7",
    "Cmaj7 | Am7 | Dm7 | G7 | Em7 | A7 | Dm7 G7 | Cmaj7 | "
    "Fmaj7 | Fm6 | Em7 | A7 | Dm7 | G7 | Cmaj7 A7 | Dm7 G7",
    "Cm7 Cm7 F7 F7 Bbmaj7 Bbmaj7 Ebmaj7 Ebmaj7 Am7b5 D7 Gm6 Gm6 Am7b5 D7 Gm6 G7",
)
