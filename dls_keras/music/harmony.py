"""Harmony: intervals, chords and their scales, and how a note fits a chord.

A pitch is a MIDI note number (60 is middle C), and a chord a sequence of pitches. Each
pitch class has one spelling, C C# D E- E F F# G G# A B- B with "-" for flat, as music21
spells what it reads from MIDI files. Names of intervals ("m2" is a minor second up,
"P-4" a perfect fourth down), roots, qualities and scales of chords agree with those of
music21, as the tests check; this module itself does not need music21.
"""

import functools
import re
from collections.abc import Sequence

from dls_keras.core.errors import InputError

NAMES = ("C", "C#", "D", "E-", "E", "F", "F#", "G", "G#", "A", "B-", "B")
LETTERS = tuple("CDEFGAB".index(name[0]) for name in NAMES)  # of each pitch class
NATURALS = (0, 2, 4, 5, 7, 9, 11)  # pitch classes of the letters; the major scale
DORIAN = (0, 2, 3, 5, 7, 9, 10)
PERFECT = (0, 3, 4)  # unison, fourth and fifth are perfect, not major or minor

# Chord symbols without their root: the chord tones in semitones above the root.
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


def staff_position(pitch: int) -> int:
    """The line or space of a pitch on the staff, counted from MIDI pitch 0."""
    return 7 * (pitch // 12) + LETTERS[pitch % 12]


def interval(before: int, after: int) -> tuple[int, int]:
    """The interval between two pitches, in staff positions and in semitones."""
    return staff_position(after) - staff_position(before), after - before


def interval_name(steps: int, semitones: int) -> str:
    """The name of an interval, with "-" if it descends: (-3, -5) is "P-4"."""
    down = steps < 0
    if down:
        steps, semitones = -steps, -semitones
    octaves, letter = divmod(steps, 7)
    # Semitones more than in the perfect or major interval.
    excess = semitones - 12 * octaves - NATURALS[letter]
    if letter in PERFECT:
        quality = "A" * excess or "d" * -excess or "P"
    else:
        quality = "A" * excess or "d" * (-excess - 1) or "Mm"[-excess]
    return f"{quality}{'-' * down}{steps + 1}"


def semitones(name: str) -> int:
    """The number of semitones of a named interval, negative if it descends.

    Raises:
        InputError: if it is not the name of an interval.
    """
    found = _INTERVAL.fullmatch(name)
    if not found:
        raise InputError(
            f"Expected an interval such as 'm3' or 'P-4', received {name!r}."
        )
    quality, down, number = found.groups()
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
    """The pitch above which the chord tones come closest to a stack of thirds."""
    letters = {LETTERS[pitch % 12] for pitch in chord}

    def thirds_above(pitch):
        above = [(LETTERS[pitch % 12] + step) % 7 in letters for step in _THIRDS]
        return sum(present / (6 + i) for i, present in enumerate(above))

    return max(chord, key=thirds_above)


_THIRDS = (2, 4, 6, 1, 3, 5)  # steps up to the third, fifth, seventh and so on


def is_major(chord: Sequence[int]) -> bool:
    """Whether every third is major and every fifth, if there is one, perfect."""
    lowest = root(chord)
    sizes: dict[int, set[int]] = {0: set(), 2: set(), 4: set()}
    for pitch in chord:
        step = (LETTERS[pitch % 12] - LETTERS[lowest % 12]) % 7
        sizes.setdefault(step, set()).add((pitch - lowest) % 12)
    return sizes[0] == {0} and sizes[2] == {4} and sizes[4] in ({7}, set())


@functools.cache
def scale(chord: tuple[int, ...]) -> frozenset[int]:
    """The pitch classes of the chord's scale whose spelling agrees with the scale's.

    The scale is major for a major chord and Dorian for any other. Its tonic is the one
    whose scale contains most chord tones; among several, the highest below C.
    """
    steps = NATURALS if is_major(chord) else DORIAN
    tones = {pitch % 12 for pitch in chord}
    tonic = max(range(12), key=lambda t: (sum((p - t) % 12 in steps for p in tones), t))
    first = 1 if tonic == 1 else LETTERS[tonic]  # D flat, not C sharp
    spelt = set()
    for degree, step in enumerate(steps):
        pitch_class, letter = (tonic + step) % 12, (first + degree) % 7
        doubly = (pitch_class - NATURALS[letter] + 6) % 12 - 6 not in (-1, 0, 1)
        if doubly or LETTERS[pitch_class] == letter:  # F double sharp is written G
            spelt.add(pitch_class)
    return frozenset(spelt)


def kind(pitch: int, chord: tuple[int, ...]) -> str:
    """The function of a note over a chord, one letter.

    "C" is a chord tone, "S" another tone of the chord's scale, "A" an approach tone, a
    semitone away from a chord tone, and "X" any other.
    """
    tones = {tone % 12 for tone in chord}
    if pitch % 12 in tones:
        return "C"
    if pitch % 12 in scale(chord):
        return "S"
    return "A" if {(pitch + 1) % 12, (pitch - 1) % 12} & tones else "X"


def chord(symbol: str) -> tuple[int, ...]:
    """The pitches of a chord symbol such as "Dm7", "Bbmaj7" or "F#7".

    The bass is the root, in [36, 47]. The other tones are in [52, 63], each once; a
    triad repeats its root there.

    Raises:
        InputError: if the symbol is unknown; the message lists the known qualities.
    """
    found = re.fullmatch(r"([A-G])([#b]?)(.*)", symbol)
    if not found or found[3] not in QUALITIES:
        raise InputError(
            f"{symbol!r} is not a known chord symbol. Write a letter from A to G, then "
            "# or b if needed, then nothing or one of "
            f"{', '.join(filter(None, QUALITIES))}."
        )
    low = _pitch_class(found[1], found[2])
    tones = [low + tone for tone in QUALITIES[found[3]]]
    upper = {52 + (tone - 52) % 12 for tone in tones[len(tones) > 4 :]}
    return 36 + low % 12, *sorted(upper)


def transpose(symbols: str, up: int) -> str:
    """A text of chord symbols and bar lines, transposed up by some semitones."""

    def transposed_root(match):
        return _FLATS[(_pitch_class(*match.groups()) + up) % 12]

    return re.sub(r"([A-G])([#b]?)", transposed_root, symbols)


def _pitch_class(letter, accidental):
    return NATURALS["CDEFGAB".index(letter)] + {"": 0, "#": 1, "b": -1}[accidental]


_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
