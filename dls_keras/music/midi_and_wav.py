"""Playing tunes: written to MIDI files, and as sound by a small synthesiser.

A file holds the solo, on a jazz guitar, and the chords, on a piano, in parts of their
own. The sound is made of sines: each note of its first eight harmonics, which fade the
sooner the higher they are, as those of a plucked string do.
"""

from pathlib import Path

import numpy as np

from dls_keras.core import audio, files
from dls_keras.music.tunes import MEASURE, Tune

TEMPO = 132  # quarter notes a minute
TICKS = 480  # of a MIDI file, in a quarter note: thirds and quarters are whole
GUITAR, PIANO = 26, 0  # programs of General MIDI, from 0
LOUD, SOFT = 96, 60  # velocities of the solo and of the chords

# Of the n-th harmonic: how strong it is at first, and how fast it fades, in 1/s.
_STRENGTHS = 1 / np.arange(1, 9) ** 1.5
_FADING = 1.2 * np.arange(1, 9)
_ATTACK, _RELEASE = 0.006, 0.05  # seconds in which a note comes and goes


def write_midi(tune: Tune, path: str | Path, *, tempo: float = TEMPO) -> None:
    """Write the tune to a MIDI file, whole or not at all.

    Args:
        tempo: quarter notes a minute.
    """
    with files.atomic_write(path) as temporary:
        temporary.write_bytes(midi(tune, tempo=tempo))


def midi(tune: Tune, *, tempo: float = TEMPO) -> bytes:
    """The tune as the bytes of a MIDI file (format 1): tempo, solo, chords."""
    microseconds = round(60e6 / tempo).to_bytes(3, "big")
    conductor = b"\x00\xff\x51\x03" + microseconds
    conductor += b"\x00\xff\x58\x04" + bytes([MEASURE, 2, 24, 8])  # 4/4
    solo = [(n.offset, n.length, n.pitch) for n in tune.notes]
    chords = [(c.offset, c.length, p) for c in tune.chords for p in c.pitches]
    tracks = [
        conductor,
        _part(b"solo", 0, GUITAR, solo, LOUD),
        _part(b"chords", 1, PIANO, chords, SOFT),
    ]
    header = (1).to_bytes(2, "big") + len(tracks).to_bytes(2, "big")
    header += TICKS.to_bytes(2, "big")
    end = b"\x00\xff\x2f\x00"
    return _chunk(b"MThd", header) + b"".join(_chunk(b"MTrk", t + end) for t in tracks)


def _part(name, channel, program, notes, velocity):
    """The events of a part, each behind the ticks since the one before."""
    events = []
    for offset, length, pitch in notes:
        begin, end = round(TICKS * offset), round(TICKS * (offset + length))
        events.append((begin, 1, bytes([0x90 | channel, pitch, velocity])))
        events.append((end, 0, bytes([0x80 | channel, pitch, 0])))
    track = b"\x00\xff\x03" + bytes([len(name)]) + name
    track += b"\x00" + bytes([0xC0 | channel, program])
    now = 0
    for tick, _, event in sorted(events):  # a note ends before the next begins
        track += _number(tick - now) + event
        now = tick
    return track


def _chunk(kind, content):
    return kind + len(content).to_bytes(4, "big") + content


def _number(n):
    """A number in bytes of seven bits, all but the last marked by the eighth."""
    digits = [n & 127]
    while n := n >> 7:
        digits.append(n & 127 | 128)
    return bytes(reversed(digits))


def write_wav(tune: Tune, path: str | Path, *, tempo: float = TEMPO) -> None:
    """Write the sound of the tune to a wav file, whole or not at all."""
    audio.write(path, samples(tune, tempo=tempo))


def samples(tune: Tune, *, tempo: float = TEMPO, rate: int = audio.RATE) -> np.ndarray:
    """The sound of the tune, (n,) float32 in [-0.9, 0.9], swung.

    Eighths that lie halfway between two beats are played late, at two thirds.
    """
    notes = [(n.offset, n.length, n.pitch, LOUD) for n in tune.notes]
    notes += [
        (c.offset, c.length, p, SOFT / len(c.pitches))
        for c in tune.chords
        for p in c.pitches
    ]
    end = max([tune.length, *(offset + length for offset, length, *_ in notes)])
    sound = np.zeros(round(rate * (60 / tempo * end + 1)), "float32")
    for offset, length, pitch, velocity in notes:
        begin, end = (60 / tempo * _swung(at) for at in (offset, offset + length))
        note = velocity * _tone(440 * 2 ** ((pitch - 69) / 12), end - begin, rate)
        first = round(rate * begin)
        sound[first : first + len(note)] += note
    return 0.9 / np.abs(sound).max(initial=1e-9) * sound


def _swung(offset):
    beat, between = divmod(offset, 1)
    return beat + 2 / 3 if between == 0.5 else offset


def _tone(frequency, seconds, rate):
    """A plucked string of `frequency` in Hz that is stopped after so many seconds."""
    t = np.arange(round(rate * (seconds + _RELEASE))) / rate
    audible = np.arange(1, 9)[np.arange(1, 9) * frequency < rate / 2]
    phases = 2 * np.pi * frequency * audible[:, None] * t
    strengths = _STRENGTHS[: len(audible), None] * np.exp(
        -_FADING[: len(audible), None] * t
    )
    fade = np.clip((seconds + _RELEASE - t) / _RELEASE, 0, 1)
    return np.minimum(t / _ATTACK, fade) * (strengths * np.sin(phases)).sum(axis=0)
