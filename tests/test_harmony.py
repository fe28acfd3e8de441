"""Harmony agrees with music21, and chord symbols have their usual meaning."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.music import harmony

PITCHES = st.integers(30, 90)
CHORDS = st.lists(PITCHES, min_size=2, max_size=6, unique=True).map(tuple)


@functools.cache
def music21():
    """The library, an independent implementation."""
    return pytest.importorskip("music21", reason="needs music21: pip install music21")


@settings(max_examples=40)
@given(PITCHES, PITCHES)
def test_intervals_are_named_as_music21_names_them(before, after):
    """Between two notes, and with a minor third added or subtracted."""
    interval, Note = music21().interval, music21().note.Note
    expected = interval.Interval(Note(before), Note(after))
    steps, semitones = harmony.interval(before, after)
    for third, plus in ((0, expected), (1, interval.add([expected, "m3"]))):
        name = harmony.interval_name(steps + 2 * third, semitones + 3 * third)
        assert name == plus.directedName
        assert harmony.semitones(name) == plus.semitones
    less = interval.subtract([expected, "m3"])
    assert harmony.interval_name(steps - 2, semitones - 3) == less.directedName


@settings(max_examples=25)
@given(CHORDS)
def test_roots_qualities_and_scales_are_those_of_music21(chord):
    """For any set of pitches, spelt as music21 spells MIDI."""
    m = music21()
    expected = m.chord.Chord([m.note.Note(pitch) for pitch in chord])
    assert harmony.root(chord) % 12 == expected.root().pitchClass
    assert harmony.is_major(chord) == (expected.quality == "major")
    kind = m.scale.MajorScale if harmony.is_major(chord) else m.scale.DorianScale
    names = {pitch.name for pitch in kind().derive(expected).getPitches()}
    spelt = {i for i, name in enumerate(harmony.NAMES) if name in names}
    assert harmony.scale(chord) == spelt


@given(st.integers(-30, 30), st.integers(-9, 9))
def test_the_name_of_an_interval_determines_its_semitones(steps, alteration):
    """For any number of steps, and however augmented or diminished."""
    octaves, letter = divmod(abs(steps), 7)
    size = 12 * octaves + harmony.NATURALS[letter] + alteration
    semitones = -size if steps < 0 else size
    assert harmony.semitones(harmony.interval_name(steps, semitones)) == semitones


@pytest.mark.parametrize("name", ["", "third", "P", "M0", "m-"])
def test_unknown_intervals_raise_an_input_error(name):
    """The message shows two valid names."""
    with pytest.raises(InputError, match="'m3' or 'P-4'"):
        harmony.semitones(name)


@given(CHORDS, PITCHES)
def test_the_kind_of_a_note_follows_from_the_chord_and_its_scale(chord, pitch):
    """C takes precedence over S, S over A, A over X."""
    near = {(tone - pitch) % 12 for tone in chord}
    expected = "X"
    if near & {1, 11}:
        expected = "A"
    if pitch % 12 in harmony.scale(chord):
        expected = "S"
    if 0 in near:
        expected = "C"
    assert harmony.kind(pitch, chord) == expected
    assert harmony.kind(pitch + 12, chord) == expected


@pytest.mark.parametrize(
    ("symbol", "root", "classes", "major"),
    [
        ("C", 0, {0, 4, 7}, True),
        ("Dm7", 2, {2, 5, 9, 0}, False),
        ("G7", 7, {7, 11, 2, 5}, True),
        ("Bbmaj7", 10, {10, 2, 5, 9}, True),
        ("F#m7b5", 6, {6, 9, 0, 4}, False),
        ("Cb", 11, {11, 3, 6}, None),
        ("E7b9", 4, {4, 8, 11, 2, 5}, None),
    ],
)
def test_a_chord_symbol_gives_its_pitches(symbol, root, classes, major):
    """The root is the bass, the other tones are within one octave."""
    bass, *upper = chord = harmony.chord(symbol)
    assert bass % 12 == root and 36 <= bass < 48
    assert {pitch % 12 for pitch in chord} == classes
    assert all(52 <= pitch < 64 for pitch in upper) and len(upper) >= 3
    assert major is None or harmony.is_major(chord) == major


@given(st.integers(-12, 24), st.sampled_from(sorted(harmony.QUALITIES)))
def test_transposing_shifts_every_pitch_class(up, quality):
    """And keeps bar lines and qualities."""
    text = harmony.transpose(f"C{quality} | Bb{quality} F#{quality}", up)
    symbols = text.replace("|", " ").split()
    assert text.count("|") == 1 and len(symbols) == 3
    for symbol, before in zip(symbols, ("C", "Bb", "F#"), strict=True):
        classes = {(p + up) % 12 for p in harmony.chord(before + quality)}
        assert {p % 12 for p in harmony.chord(symbol)} == classes


@pytest.mark.parametrize("symbol", ["", "H7", "Cmajor", "c", "C##", "7", "C/E"])
def test_unknown_chord_symbols_raise_an_input_error(symbol):
    """The message lists the known qualities."""
    with pytest.raises(InputError, match="m7b5"):
        harmony.chord(symbol)
