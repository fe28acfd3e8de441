"""Tunes: read from MIDI files, made from chord symbols, composed."""

import json
import sys
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.music import grammar, harmony, midi_and_wav, tunes
from dls_keras.music.tunes import Chord

C7 = (36, 52, 55, 58)  # C E G B-


def test_a_note_is_over_the_chord_of_its_measure():
    """The last chord before it, or the first of the measure, or an earlier one."""
    chords = [Chord(o, 1.0, C7, str(o)) for o in (1.0, 2.0, 2.0, 9.0)]
    for offset, symbol in ((0, 1.0), (1.5, 1.0), (2, 2.0), (7, 2.0), (8, 9.0)):
        assert tunes.chord_under(chords, offset).symbol == str(symbol)
    assert tunes.chord_under(chords, 2.5) is chords[2]
    assert tunes.chord_under(chords[3:], 0) is chords[3]


# Composing.


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_a_composed_tune_can_be_played(seed):
    """In range, without overlaps or large leaps, chord tones on the beats."""
    tune = tunes.make_tune(seed)
    assert tune == tunes.make_tune(seed)
    assert tune.length in (48, 64) and tune.chords[-1].offset < tune.length
    for note, after in zip(tune.notes, tune.notes[1:], strict=False):
        assert note.offset + note.length <= after.offset + 1e-9
        assert abs(after.pitch - note.pitch) <= 12
    assert all(tunes.LOW <= note.pitch <= tunes.HIGH for note in tune.notes)
    for note in tune.notes:
        tones = tunes.chord_under(tune.chords, note.offset).pitches
        kind = harmony.kind(note.pitch, tones)
        assert kind in "CSA" and (note.offset % 1 or kind == "C")


def test_composed_tunes_differ():
    """In progressions, keys, rhythms and melodies."""
    made = tunes.make_tunes(range(40))
    assert len({tune.notes for tune in made}) == 40
    assert len({tune.chords for tune in made}) > 25
    assert len({tuple(n.offset for n in tune.notes) for tune in made}) > 25


def test_rhythms_fit_into_one_measure():
    """Notes follow each other and end with the measure or before."""
    for rhythm in (*tunes.RHYTHMS, *tunes.ENDINGS):
        ends = [offset + length for offset, length in rhythm]
        offsets = [offset for offset, _ in rhythm]
        assert all(a <= b for a, b in zip(ends, offsets[1:], strict=False))
        assert ends[-1] <= tunes.MEASURE


# Chord symbols.


def test_chord_symbols_share_their_measure():
    """Measures are separated by bar lines; without any, each chord fills one."""
    tune = tunes.from_symbols("| Dm7 G7 | Cmaj7 |")
    assert [(c.offset, c.length, c.symbol) for c in tune.chords] == [
        (0, 2, "Dm7"),
        (2, 2, "G7"),
        (4, 4, "Cmaj7"),
    ]
    assert tune.length == 8 and tune.notes == ()
    assert [c.offset for c in tunes.from_symbols("Dm7 G7\nC").chords] == [0, 4, 8]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expected chord symbols, received ''"),
        (" | ", "Expected chord symbols"),
        ("Dm7 Q", "'Q'"),
    ],
)
def test_texts_without_chord_symbols_raise_an_input_error(text, message):
    """The message says what was received."""
    with pytest.raises(InputError, match=message):
        tunes.from_symbols(text)


# MIDI files.


def test_parts_and_span_can_be_chosen(tmp_path):
    """A span leaves notes out; the part of the chords is not a solo."""
    path = tmp_path / "tune.mid"
    tune = tunes.make_tune(1)
    midi_and_wav.write_midi(tune, path)
    part = tunes.load_tune(path, span=(8, 16))
    expected = [n for n in tune.notes if 8 <= n.offset < 16]
    assert [n.pitch for n in part.notes] == [n.pitch for n in expected]
    assert part.notes[0].offset == expected[0].offset - 8
    assert all(chord.offset < 8 for chord in part.chords) and part.length == 8
    with pytest.raises(InputError, match="0 chords"):
        tunes.load_tune(path, parts=(1, 0))
    with pytest.raises(InputError, match="2 parts"):
        tunes.load_tune(path, parts=(0, 5))


def test_files_that_are_not_midi_raise_an_input_error(tmp_path):
    """Missing, empty, or of another format."""
    with pytest.raises(MissingFileError, match="nowhere.mid"):
        tunes.load_tune(tmp_path / "nowhere.mid")
    for content in (b"", b"<html>", b"MThd\x00\x00\x00\x06"):
        (tmp_path / "bad.mid").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.mid"):
            tunes.load_tune(tmp_path / "bad.mid")


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_file_that_is_cut_in_a_track_is_refused(tmp_path, cut):
    """It would be a shorter solo."""
    midi_and_wav.write_midi(tunes.make_tune(0), tmp_path / "tune.mid")
    content = (tmp_path / "tune.mid").read_bytes()
    (tmp_path / "cut.mid").write_bytes(content[:-cut])
    with pytest.raises(InputError, match="is cut by"):
        tunes.load_tune(tmp_path / "cut.mid")


def test_reading_does_not_need_music21(monkeypatch, tmp_path):
    """Only the tests do."""
    monkeypatch.setitem(sys.modules, "music21", None)
    path = tmp_path / "tune.mid"
    midi_and_wav.write_midi(tunes.make_tune(0), path)
    assert tunes.load_tune(path).notes == tunes.make_tune(0).notes


@settings(max_examples=40)
@given(st.fractions(0, 50, max_denominator=480))
def test_quantising_takes_the_nearest_multiple(x):
    """No multiple of a quarter or a third is nearer; quarters win a tie."""
    got = tunes.quantise(x)
    grid = [Fraction(n, d) for d in (4, 3) for n in range(201)]
    nearest = min(abs(g - x) for g in grid)
    assert abs(got - x) == nearest
    ties = [g for g in grid if abs(g - x) == nearest]
    assert got.denominator in (1, 2, 4) or all(g.denominator == 3 for g in ties)


# The course's tune.


@pytest.fixture(scope="module")
def course():
    return tunes.load_tune()


@pytest.fixture(scope="module")
def published():
    return json.loads(files.in_data_folder("jazz/jazz_corpus.json").read_text())


@pytest.mark.data
def test_the_corpus_of_2017_is_reproduced(course, published):
    """18 measures, 193 tokens, 78 distinct, every token equal."""
    measures = grammar.from_tune(course)
    assert measures == published["corpus_78"]["grammars"]
    corpus = " ".join(measures).split()
    assert (len(measures), len(corpus), len(set(corpus))) == (18, 193, 78)


@pytest.mark.data
def test_the_vocabulary_of_2021_is_reproduced(course, published):
    """Except for one rest after the end.

    The sequence has 266 of its 275 tokens and 11 equal measures: music21 6.7 rounded
    differently.
    """
    measures = grammar.from_tune(course, rests=True)
    expected = published["corpus_90"]
    corpus = " ".join(measures).split()
    assert set(expected["values_sorted"]) - set(corpus) == {"R,71.000"}
    assert set(corpus) <= set(expected["values_sorted"]) and len(corpus) == 266
    equal = [a == b for a, b in zip(measures, expected["grammars"], strict=True)]
    assert sum(equal) == 11


@pytest.mark.data
def test_the_course_s_chords_are_reproduced(course, published):
    """Offsets and pitches, measure by measure."""
    for measure, listed in zip(
        tunes.measures(course), published["chords"].values(), strict=False
    ):
        for chord, expected in zip(measure, listed, strict=True):
            assert chord.offset == expected["offset"] % tunes.MEASURE
            names = [f"{harmony.NAMES[p % 12]}{p // 12 - 1}" for p in chord.pitches]
            assert names == expected["pitches"]


@pytest.mark.data
def test_the_course_s_file_is_recognised_by_its_hash(course):
    """So its parts and its span need not be given with a path."""
    path = files.find_data(tunes.COURSE)
    assert tunes.load_tune(str(path)) == course
