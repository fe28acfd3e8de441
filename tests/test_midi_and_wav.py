"""MIDI files and sound: read by other programs, and analysed."""

import numpy as np
import pytest

from dls_keras.core import audio
from dls_keras.music import grammar, midi_and_wav, tunes
from dls_keras.music.tunes import Note, Tune


@pytest.fixture
def music21():
    return pytest.importorskip("music21", reason="needs music21: pip install music21")


# MIDI.


def test_a_written_tune_is_read_back(tmp_path):
    """Note for note and chord for chord, except for the chord symbols."""
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
        assert grammar.from_tune(again) == grammar.from_tune(tune)


def test_music21_reads_the_tempo_and_the_programs(music21, tmp_path):
    """With its own converter."""
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


def test_variable_length_quantities_are_those_of_the_standard():
    """Its examples."""
    table = {0: "00", 0x7F: "7f", 0x80: "8100", 0x2000: "c000", 0x1FFFFF: "ffff7f"}
    assert {n: midi_and_wav.variable_length(n).hex() for n in table} == table


# Sound.


def test_a_note_sounds_at_its_pitch_and_time():
    """The strongest frequency is the pitch's; there is silence before and after."""
    rate = 16_000
    tune = Tune((Note(2.0, 2.0, 69),), (), 8.0)  # A4, 440 Hz
    sound = midi_and_wav.samples(tune, tempo=120, rate=rate)
    assert sound.dtype == np.float32 and len(sound) == 5 * rate
    assert np.abs(sound).max() == pytest.approx(0.9)
    loud = np.flatnonzero(np.abs(sound) > 1e-3) / rate
    assert 1 <= loud[0] < 1.01 and 2 < loud[-1] <= 2.06
    spectrum = np.abs(np.fft.rfft(sound[rate : 2 * rate]))
    assert abs(spectrum.argmax() - 440) <= 1


def test_no_harmonic_is_above_the_nyquist_frequency():
    """It would be heard as a lower frequency (aliasing)."""
    rate = 8_000
    tune = Tune((Note(0.0, 4.0, 93),), (), 4.0)  # A6, 1760 Hz: two harmonics fit
    sound = midi_and_wav.samples(tune, tempo=60, rate=rate)
    powers = np.abs(np.fft.rfft(sound[:rate])) ** 2
    alias = rate - 3 * 1760
    assert powers[1740:1780].sum() > 0.9 * powers.sum()
    assert powers[alias - 20 : alias + 20].sum() < 1e-4 * powers.sum()


def test_offbeat_eighths_are_swung():
    """They are played on the third; beats, thirds and quarters are not moved."""
    offsets = [0, 1.5, 2 + 1 / 3, 3.25, 4.5]
    swung = [midi_and_wav.swing(offset) for offset in offsets]
    assert swung == pytest.approx([0, 1 + 2 / 3, 2 + 1 / 3, 3.25, 4 + 2 / 3])


def test_sound_is_written_as_wav(tmp_path):
    """Mono, a second longer than the tune."""
    path = tmp_path / "tune.wav"
    tune = Tune((Note(0, 1, 60), Note(6, 2, 64)), (), 8.0)
    midi_and_wav.write_wav(tune, path, tempo=240)
    clip = audio.read(path)
    assert clip.channels == 1 and clip.duration_seconds == pytest.approx(3, abs=1e-3)
    assert clip.dBFS > -30
