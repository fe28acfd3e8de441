"""Tunes as MIDI files, and as sound by a small synthesiser.

A MIDI file has one track per part: the solo for a jazz guitar, the chords for a piano.
The synthesiser adds up sine oscillators (additive synthesis): eight harmonics per note,
of which the higher ones are softer and decay faster, as on a plucked string. The
envelope has a short attack and, after the note's end, a short release.
"""

from pathlib import Path

import numpy as np

from dls_keras.core import audio, files
from dls_keras.music.tunes import MEASURE, Tune

TEMPO = 132  # quarter notes per minute
TICKS = 480  # MIDI ticks per quarter note, divisible by 3 and by 4
GUITAR, PIANO = 26, 0  # General MIDI programs (instruments), counted from 0
LOUD, SOFT = 96, 60  # MIDI velocities of the solo and of the chords

HARMONICS = np.arange(1, 9)  # multiples of the note's frequency
AMPLITUDES = 1 / HARMONICS**1.5  # of each harmonic at the start of the note
DECAY = 1.2 * HARMONICS  # exponential decay rate of each harmonic, in 1/s
ATTACK, RELEASE = 0.006, 0.05  # of the envelope, in seconds


# MIDI.


def write_midi(tune: Tune, path: str | Path, *, tempo: float = TEMPO) -> None:
    """Write the tune to a MIDI file, completely or not at all.

    Args:
        tempo: quarter notes per minute.
    """
    with files.atomic_write(path) as temporary:
        temporary.write_bytes(midi(tune, tempo=tempo))


def midi(tune: Tune, *, tempo: float = TEMPO) -> bytes:
    """The tune as the bytes of a MIDI file of format 1.

    The first track has the tempo and the time signature, the second the solo, the
    third the chords.
    """
    microseconds = round(60e6 / tempo).to_bytes(3, "big")  # per quarter note
    conductor = b"\x00\xff\x51\x03" + microseconds
    conductor += b"\x00\xff\x58\x04" + bytes([MEASURE, 2, 24, 8])  # 4/4
    solo = [(n.offset, n.length, n.pitch) for n in tune.notes]
    chords = [(c.offset, c.length, p) for c in tune.chords for p in c.pitches]
    tracks = [
        conductor,
        _track(b"solo", 0, GUITAR, solo, LOUD),
        _track(b"chords", 1, PIANO, chords, SOFT),
    ]
    header = (1).to_bytes(2, "big") + len(tracks).to_bytes(2, "big")
    header += TICKS.to_bytes(2, "big")
    end = b"\x00\xff\x2f\x00"
    return _chunk(b"MThd", header) + b"".join(_chunk(b"MTrk", t + end) for t in tracks)


def _track(name, channel, program, notes, velocity):
    """The events of one part, each after the ticks since the previous event."""
    events = []
    for offset, length, pitch in notes:
        begin, end = round(TICKS * offset), round(TICKS * (offset + length))
        events.append((begin, 1, bytes([0x90 | channel, pitch, velocity])))  # note on
        events.append((end, 0, bytes([0x80 | channel, pitch, 0])))  # note off
    track = b"\x00\xff\x03" + bytes([len(name)]) + name
    track += b"\x00" + bytes([0xC0 | channel, program])
    now = 0
    for tick, _, event in sorted(events):  # at equal ticks "note off" comes first
        track += variable_length(tick - now) + event
        now = tick
    return track


def _chunk(kind, content):
    return kind + len(content).to_bytes(4, "big") + content


def variable_length(n: int) -> bytes:
    """A variable-length quantity of MIDI: seven bits per byte, most significant first.

    All bytes but the last have their eighth bit set.
    """
    digits = [n & 127]
    while n := n >> 7:
        digits.append(n & 127 | 128)
    return bytes(reversed(digits))


# Sound.


def write_wav(tune: Tune, path: str | Path, *, tempo: float = TEMPO) -> None:
    """Write the sound of the tune to a WAV file, completely or not at all."""
    audio.write(path, samples(tune, tempo=tempo))


def samples(tune: Tune, *, tempo: float = TEMPO, rate: int = audio.RATE) -> np.ndarray:
    """The sound of the tune with swing, (n,) float32 in [-0.9, 0.9].

    Args:
        tempo: quarter notes per minute.
        rate: samples per second.
    """
    notes = [(n.offset, n.length, n.pitch, float(LOUD)) for n in tune.notes]
    notes += [
        (c.offset, c.length, p, SOFT / len(c.pitches))
        for c in tune.chords
        for p in c.pitches
    ]
    end = max([tune.length, *(offset + length for offset, length, *_ in notes)])
    sound = np.zeros(round(rate * (60 / tempo * end + 1)), "float32")
    for offset, length, pitch, velocity in notes:
        begin, end = (60 / tempo * swing(at) for at in (offset, offset + length))
        note = velocity * _tone(440 * 2 ** ((pitch - 69) / 12), end - begin, rate)
        first = round(rate * begin)
        sound[first : first + len(note)] += note
    return 0.9 / np.abs(sound).max(initial=1e-9) * sound


def swing(offset: float) -> float:
    """The time of a note, in quarter notes: an offbeat x + 1/2 is played at x + 2/3."""
    beat, between = divmod(offset, 1)
    return beat + 2 / 3 if between == 0.5 else offset


def _tone(frequency, seconds, rate):
    """A note of a plucked string, stopped after some seconds; frequency in Hz."""
    t = np.arange(round(rate * (seconds + RELEASE))) / rate
    audible = HARMONICS * frequency < rate / 2  # below the Nyquist frequency
    phases = 2 * np.pi * frequency * HARMONICS[audible, None] * t
    amplitudes = AMPLITUDES[audible, None] * np.exp(-DECAY[audible, None] * t)
    release = np.clip((seconds + RELEASE - t) / RELEASE, 0, 1)
    envelope = np.minimum(t / ATTACK, release)
    return envelope * (amplitudes * np.sin(phases)).sum(axis=0)
