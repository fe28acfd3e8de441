"""Tunes read, told in words and composed; and written to files that others read."""

import json
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import audio, files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.music import harmony, midi_and_wav, tunes
from dls_keras.music.tunes import Chord, Note, Tune

C7 = (36, 52, 55, 58)  # C E G B-
SEEDS = st.integers(0, 10_000)


def over_c7(*notes, length=8.0):
    """A tune of these (offset, length, pitch) over two measures of C7."""
    chords = Chord(0.0, 4.0, C7), Chord(4.0, 4.0, C7)
    return Tune(tuple(Note(*note) for note in notes), chords, length)


# Words.


def test_a_tune_is_told_in_words():
    """By hand: chord, scale of F, approach to E, and none; and intervals."""
    tune = over_c7((0, 1, 60), (1, 0.5, 62), (2, 1 / 3, 63), (5, 1, 67))
    assert tunes.grammar(tune) == [
        "C,1.000 S,0.500,<P4,m-2> A,0.333,<d4,M-2>",
        "C,1.000",
    ]
    assert tunes.grammar(tune, rests=True) == [
        "C,1.000 S,0.500,<P4,m-2> R,0.500 A,0.333,<d4,M-2> R,2.667",
        "C,1.000 R,2.000",
    ]


def test_overlapping_notes_leave_no_rest():
    """What still sounds is no silence."""
    tune = over_c7((0, 4, 60), (1, 0.5, 64), (4.5, 3.5, 64))
    rests = [w for text in tunes.grammar(tune, rests=True) for w in text.split()]
    assert [word for word in rests if word[0] == "R"] == ["R,0.500"]


def test_a_note_is_heard_against_the_chord_of_its_measure():
    """The last before it; or the first of the measure; or what sounds on."""
    chords = [Chord(o, 1.0, C7, str(o)) for o in (1.0, 2.0, 2.0, 9.0)]
    for offset, symbol in ((0, 1.0), (1.5, 1.0), (2, 2.0), (7, 2.0), (8, 9.0)):
        assert tunes.chord_under(chords, offset).symbol == str(symbol)
    assert tunes.chord_under(chords, 2.5) is chords[2]
    assert tunes.chord_under(chords[3:], 0) is chords[3]


@settings(max_examples=25)
@given(SEEDS)
def test_words_tell_the_tune_again(seed):
    """From the words come the begins and kinds; the pitch is within the reach."""
    tune = tunes.make_tune(seed % 50)
    told = [tunes.parsed(w) for t in tunes.grammar(tune, rests=True) for w in t.split()]
    placed = list(tunes.timed(told))
    sounding = [(offset, word) for offset, word in placed if word.kind != "R"]
    for (offset, word), note in zip(sounding, tune.notes, strict=True):
        assert float(offset) == pytest.approx(note.offset, abs=1e-9)
        assert float(word.length) == pytest.approx(note.length, abs=1e-9)
    rng = np.random.default_rng(seed)
    played = tunes.pitched(placed, tune.chords, rng=rng)
    for note, (_, word) in zip(played, sounding, strict=True):
        tones = tunes.chord_under(tune.chords, note.offset).pitches
        assert tunes.LOW <= note.pitch <= tunes.HIGH
        assert harmony.kind(note.pitch, tones) in (word.kind, "C")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("R,0.083", ("R", Fraction(1, 12), None)),
        ("C,0.667,<m2,P-4>", ("C", Fraction(2, 3), (-5, 1))),
        ("A,0.250,<M-2,m-6>", ("A", Fraction(1, 4), (-8, -2))),
        ("X,1.500,<dd5,d1>", ("X", Fraction(3, 2), (-1, 5))),
    ],
)
def test_words_are_read(word, expected):
    """Thirds and twelfths exactly, intervals as semitones from the lower up."""
    assert tunes.parsed(word) == expected


# Composing.


@settings(max_examples=25)
@given(SEEDS)
def test_a_composed_tune_is_playable(seed):
    """In range, without overlaps or large leaps, most notes in the harmony."""
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
    """In forms, keys, rhythms and lines."""
    made = [tunes.make_tune(seed) for seed in range(40)]
    assert len({tune.notes for tune in made}) == 40
    assert len({tune.chords for tune in made}) > 25
    assert len({tuple(n.offset for n in tune.notes) for tune in made}) > 25


def test_figures_fill_their_measure():
    """One note behind the other, none beyond the bar."""
    for figure in (*tunes._FIGURES, *tunes._ENDINGS):
        ends = [begin + length for begin, length in figure]
        begins = [begin for begin, _ in figure]
        assert all(a <= b for a, b in zip(ends, begins[1:], strict=False))
        assert ends[-1] <= tunes.MEASURE


def test_symbols_share_their_measure():
    """With bars or without."""
    tune = tunes.from_symbols("| Dm7 G7 | Cmaj7 |")
    assert [(c.offset, c.length, c.symbol) for c in tune.chords] == [
        (0, 2, "Dm7"),
        (2, 2, "G7"),
        (4, 4, "Cmaj7"),
    ]
    assert tune.length == 8 and tune.notes == ()
    assert [c.offset for c in tunes.from_symbols("Dm7 G7\nC").chords] == [0, 4, 8]


@pytest.mark.parametrize(
    ("text", "words"), [("", "no chords"), (" | ", "no chords"), ("Dm7 Q", "'Q'")]
)
def test_what_are_no_chords_is_told(text, words):
    """One clear sentence."""
    with pytest.raises(InputError, match=words):
        tunes.from_symbols(text)


# Files.


@pytest.fixture
def music21():
    return pytest.importorskip("music21", reason="needs music21: pip install music21")


def test_a_written_tune_is_read_back(music21, tmp_path):
    """Note for note and chord for chord, the symbols excepted."""
    path = tmp_path / "tune.mid"
    for seed in range(3):
        tune = tunes.make_tune(seed)
        midi_and_wav.write_midi(tune, path)
        again = tunes.load_tune(path)
        assert again.notes == tune.notes and again.length == tune.length
        chords = [chord._replace(symbol="") for chord in tune.chords]
        for got, expected in zip(again.chords, chords, strict=True):
            assert got._replace(pitches=sorted(got.pitches)) == expected._replace(
                pitches=sorted(expected.pitches)
            )
        assert tunes.grammar(again) == tunes.grammar(tune)


def test_music21_hears_the_tempo_and_the_instruments(music21, tmp_path):
    """By its own converter, which shares no code with our reader."""
    path = tmp_path / "tune.mid"
    midi_and_wav.write_midi(tunes.make_tune(0), path, tempo=90)
    score = music21.converter.parse(path)
    marks = score.flatten().getElementsByClass("MetronomeMark")
    assert {round(mark.number) for mark in marks} == {90}
    file = music21.midi.MidiFile()
    file.open(path)
    file.read()
    file.close()
    events = [event for track in file.tracks for event in track.events]
    change = music21.midi.ChannelVoiceMessages.PROGRAM_CHANGE
    programs = [event.data for event in events if event.type == change]
    assert programs == [midi_and_wav.GUITAR, midi_and_wav.PIANO]
    pitches = [n.pitch.midi for n in score.parts[0].stripTies().flatten().notes]
    assert pitches == [note.pitch for note in tunes.make_tune(0).notes]


def test_numbers_of_midi_have_seven_bits_a_byte():
    """The examples of the standard."""
    table = {0: "00", 0x7F: "7f", 0x80: "8100", 0x2000: "c000", 0x1FFFFF: "ffff7f"}
    assert {n: midi_and_wav._number(n).hex() for n in table} == table


def test_a_part_can_be_chosen(music21, tmp_path):
    """What plays the chords is no solo; a span leaves notes out."""
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


def test_files_that_are_no_tunes_are_told(music21, tmp_path):
    """Missing, empty, or something else."""
    with pytest.raises(MissingFileError, match="nowhere.mid"):
        tunes.load_tune(tmp_path / "nowhere.mid")
    for content in (b"", b"<html>", b"MThd\x00\x00\x00\x06"):
        (tmp_path / "bad.mid").write_bytes(content)
        with pytest.raises(InputError, match=r"bad\.mid"):
            tunes.load_tune(tmp_path / "bad.mid")


def test_without_music21_the_reader_says_what_to_do(monkeypatch, tmp_path):
    """And composing, writing and playing go on."""
    monkeypatch.setitem(sys.modules, "music21", None)
    path = tmp_path / "tune.mid"
    midi_and_wav.write_midi(tunes.make_tune(0), path)
    with pytest.raises(MissingFileError, match="pip install music21"):
        tunes.load_tune(path)


@settings(max_examples=40)
@given(st.fractions(0, 50, max_denominator=480))
def test_quantising_goes_to_the_nearest(x):
    """No multiple of a quarter or a third is nearer; quarters win a tie."""
    got = tunes.quantised(x)
    grid = [Fraction(n, d) for d in (4, 3) for n in range(201)]
    nearest = min(abs(g - x) for g in grid)
    assert abs(got - x) == nearest
    ties = [g for g in grid if abs(g - x) == nearest]
    assert got.denominator in (1, 2, 4) or all(g.denominator == 3 for g in ties)


# Sound.


def test_a_note_sounds_at_its_pitch_and_time():
    """The strongest frequency is the pitch's; before and long after is silence."""
    rate = 16_000
    tune = Tune((Note(2.0, 2.0, 69),), (), 8.0)  # A4, 440 Hz
    sound = midi_and_wav.samples(tune, tempo=120, rate=rate)
    assert sound.dtype == np.float32 and len(sound) == 5 * rate
    assert np.abs(sound).max() == pytest.approx(0.9)
    loud = np.flatnonzero(np.abs(sound) > 1e-3) / rate
    assert 1 <= loud[0] < 1.01 and 2 < loud[-1] <= 2.06
    spectrum = np.abs(np.fft.rfft(sound[rate : 2 * rate]))
    assert abs(spectrum.argmax() - 440) <= 1


def test_offbeats_are_swung():
    """Halves come at two thirds; beats, thirds and quarters stay."""
    offsets = [0, 1.5, 2 + 1 / 3, 3.25, 4.5]
    swung = [midi_and_wav._swung(offset) for offset in offsets]
    assert swung == pytest.approx([0, 1 + 2 / 3, 2 + 1 / 3, 3.25, 4 + 2 / 3])


def test_sound_is_written_as_wav(tmp_path):
    """Mono, as long as the tune and its last echo."""
    path = tmp_path / "tune.wav"
    tune = over_c7((0, 1, 60), (6, 2, 64))
    midi_and_wav.write_wav(tune, path, tempo=240)
    clip = audio.read(path)
    assert clip.channels == 1 and clip.duration_seconds == pytest.approx(3, abs=1e-3)
    assert clip.dBFS > -30


# The course's tune.


@pytest.fixture(scope="module")
def course():
    pytest.importorskip("music21", reason="needs music21: pip install music21")
    return tunes.load_tune()


@pytest.fixture(scope="module")
def published():
    return json.loads(files.in_data_folder("jazz/jazz_corpus.json").read_text())


@pytest.mark.data
def test_the_course_s_corpus_comes_out(course, published):
    """18 measures, 193 words, 78 distinct, each word equal."""
    grammars = tunes.grammar(course)
    assert grammars == published["corpus_78"]["grammars"]
    corpus = " ".join(grammars).split()
    assert (len(grammars), len(corpus), len(set(corpus))) == (18, 193, 78)


@pytest.mark.data
def test_with_rests_the_words_of_2021_come_out(course, published):
    """All but a rest after the end; in a row 266 of 275, since music21 6.7 rounded."""
    grammars = tunes.grammar(course, rests=True)
    theirs = published["corpus_90"]
    corpus = " ".join(grammars).split()
    assert set(theirs["values_sorted"]) - set(corpus) == {"R,71.000"}
    assert set(corpus) <= set(theirs["values_sorted"]) and len(corpus) == 266
    same = [a == b for a, b in zip(grammars, theirs["grammars"], strict=True)]
    assert sum(same) == 11


@pytest.mark.data
def test_the_course_s_chords_come_out(course, published):
    """Begins and pitches, measure by measure."""
    for measure, listed in zip(
        tunes.measures(course), published["chords"].values(), strict=False
    ):
        for chord, expected in zip(measure, listed, strict=True):
            assert chord.offset == expected["offset"] % tunes.MEASURE
            names = [f"{harmony.NAMES[p % 12]}{p // 12 - 1}" for p in chord.pitches]
            assert names == expected["pitches"]


@pytest.mark.data
def test_the_course_s_file_is_known_by_its_content(course):
    """Wherever it lies, its parts and its solo are found."""
    path = files.find_data(tunes.COURSE)
    assert tunes.load_tune(str(path)) == course
