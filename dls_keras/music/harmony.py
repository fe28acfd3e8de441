"""Harmony: how notes sit in chords, intervals by name, and chord symbols.

A pitch is a MIDI number, 60 the middle C, and a chord a sequence of pitches. Pitches
are spelt in one way, C C# D E- E F F# G G# A B- B with "-" for flat, as music21
spells what it reads from MIDI files; names of intervals ("m2" up, "P-4" down) and the
roots, qualities and scales of chords then come out as music21's, which the tests hold
beside them. Nothing here needs music21.
"""

import functools
import re
from collections.abc import Sequence

from dls_keras.core.errors import InputError

NAMES = ("C", "C#", "D", "E-", "E", "F", "F#", "G", "G#", "A", "B-", "B")
LETTERS = tuple("CDEFGAB".index(name[0]) for name in NAMES)  # of each pitch class
NATURALS = (0, 2, 4, 5, 7, 9, 11)  # pitch classes of the letters, and a major scale
DORIAN = (0, 2, 3, 5, 7, 9, 10)
PERFECT = (0, 3, 4)  # unison, fourth, fifth: intervals without major and minor

# Chord symbols: what stands behind the root's letter, and the tones in semitones.
QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "7": (0, 4, 7, 10),
    "maj7": (0, 4, 7, 11),
    "m7": (0, 3, 7, 10),
    "m7b5": (0, 3, 6, 10),
    "dim7": (0, 3, 6, 9),
    "7b9": (0, 4, 7, 10, 13),
    "9": (0, 4, 7, 10, 14),
    "maj9": (0, 4, 7, 11, 14),
    "m9": (0, 3, 7, 10, 14),
    "13": (0, 4, 10, 14, 21),
    "7sus4": (0, 5, 7, 10),
    "dim": (0, 3, 6),
    "aug": (0, 4, 8),
}


def place(pitch: int) -> int:
    """The line or space of a pitch on the staff, counted from that of MIDI's C-1."""
    return 7 * (pitch // 12) + LETTERS[pitch % 12]


def interval(before: int, after: int) -> tuple[int, int]:
    """The way between two pitches, in places on the staff and in semitones."""
    return place(after) - place(before), after - before


def interval_name(steps: int, semitones: int) -> str:
    """The name of an interval, "-" where it leads down: (-3, -5) is "P-4"."""
    down = steps < 0
    if down:
        steps, semitones = -steps, -semitones
    octaves, letter = divmod(steps, 7)
    excess = semitones - 12 * octaves - NATURALS[letter]  # over perfect or major
    if letter in PERFECT:
        quality = "A" * excess or "d" * -excess or "P"
    else:
        quality = "A" * excess or "d" * (-excess - 1) or "Mm"[-excess]
    return f"{quality}{'-' * down}{steps + 1}"


def semitones(name: str) -> int:
    """The semitones of an interval by its name, below 0 if it leads down."""
    quality, down, number = _INTERVAL.fullmatch(name).groups()
    octaves, letter = divmod(int(number) - 1, 7)
    perfect = letter in PERFECT
    if "A" in quality:
        excess = len(quality)
    elif "d" in quality:
        excess = -len(quality) - (not perfect)
    else:
        excess = -(quality == "m")
    size = 12 * octaves + NATURALS[letter] + excess
    return -size if down else size


_INTERVAL = re.compile(r"(P|M|m|A+|d+)(-?)([1-9]\d*)")


def root(chord: Sequence[int]) -> int:
    """The pitch above which the others stand in thirds, or most nearly so."""
    letters = {LETTERS[pitch % 12] for pitch in chord}

    def stacked(pitch):
        above = [(LETTERS[pitch % 12] + step) % 7 in letters for step in _THIRDS]
        return sum(present / (6 + i) for i, present in enumerate(above))

    return max(chord, key=stacked)


_THIRDS = (2, 4, 6, 1, 3, 5)  # steps up to the third, fifth, seventh and so on


def is_major(chord: Sequence[int]) -> bool:
    """Whether all thirds are major and all fifths, if there are any, perfect."""
    lowest = root(chord)
    sizes = {0: set(), 2: set(), 4: set()}
    for pitch in chord:
        step = (LETTERS[pitch % 12] - LETTERS[lowest % 12]) % 7
        sizes.setdefault(step, set()).add((pitch - lowest) % 12)
    return sizes[0] == {0} and sizes[2] == {4} and sizes[4] in ({7}, set())


@functools.cache
def scale(chord: tuple[int, ...]) -> frozenset[int]:
    """The pitch classes of the chord's scale, as far as they are spelt as in it.

    The scale is major for a major chord and dorian for any other, on the tonic whose
    scale has most of the chord's tones; of several the one nearest below C.
    """
    steps = NATURALS if is_major(chord) else DORIAN
    tones = {pitch % 12 for pitch in chord}
    tonic = max(range(12), key=lambda t: (sum((p - t) % 12 in steps for p in tones), t))
    first = 1 if tonic == 1 else LETTERS[tonic]  # D flat, never C sharp
    spelt = set()
    for degree, step in enumerate(steps):
        pitch_class, letter = (tonic + step) % 12, (first + degree) % 7
        doubly = (pitch_class - NATURALS[letter] + 6) % 12 - 6 not in (-1, 0, 1)
        if doubly or LETTERS[pitch_class] == letter:  # F double sharp is written G
            spelt.add(pitch_class)
    return frozenset(spelt)


def kind(pitch: int, chord: tuple[int, ...]) -> str:
    """How a note sits in a chord: "C" in it, "S" in its scale, "A" approaching, "X".

    A note approaches that is a semitone from a tone of the chord.
    """
    tones = {tone % 12 for tone in chord}
    if pitch % 12 in tones:
        return "C"
    if pitch % 12 in scale(chord):
        return "S"
    return "A" if {(pitch + 1) % 12, (pitch - 1) % 12} & tones else "X"


def chord(symbol: str) -> tuple[int, ...]:
    """The pitches of a chord symbol such as "Dm7", "Bbmaj7" or "F#7".

    The root comes first, in [36, 47], then the other tones, each once, in [52, 63]; a
    chord of three tones has its root there, too.

    Raises:
        InputError: if the symbol is not known; those that are known are listed.
    """
    found = re.fullmatch(r"([A-G])([#b]?)(.*)", symbol)
    if not found or found[3] not in QUALITIES:
        raise InputError(
            f"{symbol!r} is no chord symbol known here. Write a letter from A to G, "
            f"with # or b, and nothing or one of {', '.join(filter(None, QUALITIES))}."
        )
    low = _pitch_class(found[1], found[2])
    tones = [low + tone for tone in QUALITIES[found[3]]]
    upper = {52 + (tone - 52) % 12 for tone in tones[len(tones) > 4 :]}
    return 36 + low % 12, *sorted(upper)


def transposed(symbols: str, up: int) -> str:
    """A text of chord symbols and bars, each symbol so many semitones higher."""

    def moved(match):
        return _FLATS[(_pitch_class(*match.groups()) + up) % 12]

    return re.sub(r"([A-G])([#b]?)", moved, symbols)


def _pitch_class(letter, accidental):
    return NATURALS["CDEFGAB".index(letter)] + {"": 0, "#": 1, "b": -1}[accidental]


_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
