"""Read MIDI files: the notes of each part, and the time signatures.

A MIDI file has tracks of events, and each event follows the previous one of its track
after a number of ticks. In a file of type 1 an instrument usually has its own track; a
file of type 0 has a single track, in which each instrument has its own channel. A part
is therefore a channel of a track.

Reference: MIDI Manufacturers Association (1996), "Standard MIDI Files 1.0".
"""

import struct
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

PERCUSSION = 9  # the channel of General MIDI's percussion, counted from 0
TIME_SIGNATURE, END_OF_TRACK = 0xFF58, 0xFF2F  # the status and type of meta events


class Midi(NamedTuple):
    """The content of a MIDI file; all times are in quarter notes.

    Fields:
        parts: the notes (begin, end, pitch) of each (track, channel) in which a note
            begins, both counted from 0.
        signatures: (numerator, denominator) of the time signatures, by their onsets.
    """

    parts: dict[tuple[int, int], list[tuple[Fraction, Fraction, int]]]
    signatures: dict[Fraction, tuple[int, int]]


def read(content: bytes) -> Midi:
    """The parts and time signatures in the bytes of a MIDI file.

    Raises:
        ValueError: if it is not a MIDI file, is cut, or counts seconds.
    """
    if not content.startswith(b"MThd"):
        raise ValueError("it does not begin with MThd")
    (_, header), *chunks = _chunks(content)
    kind, count, quarter = struct.unpack_from(">3H", header)
    if kind > 1:
        raise ValueError(f"its type is {kind}, expected 0 or 1")
    if not 0 < quarter < 0x8000:
        raise ValueError("it counts seconds, not ticks per quarter note")
    tracks = [data for name, data in chunks if name == b"MTrk"][:count]
    if len(tracks) < count:
        raise ValueError(f"it has {len(tracks)} of {count} tracks")
    events: dict[tuple[int, int], list[tuple[int, int, bool]]] = {}
    signatures = {}
    for i, track in enumerate(tracks):
        for tick, status, data in _events(track):
            if status == TIME_SIGNATURE:
                numerator, power, *_ = data
                signatures[Fraction(tick, quarter)] = numerator, 2**power
            elif 0x80 <= status < 0xA0:  # a note-on with velocity 0 is a note-off
                pitch, velocity = data
                event = tick, pitch, status >= 0x90 and velocity > 0
                events.setdefault((i, status & 15), []).append(event)
    parts = {
        part: _notes(events[part], quarter)
        for part in sorted(events)
        if any(begins for _, _, begins in events[part])
    }
    return Midi(parts, dict(sorted(signatures.items())))


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The header and the tracks: four letters, and the bytes."""
    place = 0
    while place + 8 <= len(content):
        name, length = struct.unpack_from(">4sI", content, place)
        place += 8 + length
        if place > len(content):
            raise ValueError(
                f"a track of {length:,} bytes is cut by {place - len(content):,}"
            )
        yield name, content[place - length : place]


def _events(track: bytes) -> Iterator[tuple[int, int, bytes]]:
    """The events of a track: (tick, status, data)."""
    place = tick = status = running = 0
    track += bytes(8)  # an event that is cut ends in them
    end = len(track) - 8
    while place < end and status != END_OF_TRACK:
        ticks, place = _variable_length(track, place)
        tick += ticks
        status = track[place]
        if status < 0x80:  # running status: that of the last event is not repeated
            status = running
        else:
            place += 1
        if status == 0xFF:
            status = status << 8 | track[place]
            length, place = _variable_length(track, place + 1)
        elif status in (0xF0, 0xF7):  # system exclusive
            length, place = _variable_length(track, place)
        elif 0x80 <= status < 0xF0:
            running = status
            length = 1 if 0xC0 <= status < 0xE0 else 2
            if max(track[place : place + length]) > 127:
                raise ValueError("an event has too few bytes")
        else:
            raise ValueError(f"an event has the status {status}")
        data = track[place : place + length]
        place += length
        if place > end:
            raise ValueError("a track ends within an event")
        yield tick, status, data


def _variable_length(track: bytes, place: int) -> tuple[int, int]:
    """The variable-length quantity at a place, and the place after it."""
    n = 0
    for i, byte in enumerate(track[place : place + 4], place + 1):
        n = n << 7 | byte & 127
        if byte < 128:
            return n, i
    raise ValueError("a number has more than four bytes")


def _notes(
    events: list[tuple[int, int, bool]], quarter: int
) -> list[tuple[Fraction, Fraction, int]]:
    """The notes of a part in the order of their onsets.

    A note ends with the next note-off of its pitch; without one it is left out.
    """
    notes, ends = [], {}
    for tick, pitch, begins in reversed(events):
        if not begins:
            ends[pitch] = tick
        elif pitch in ends:
            begin, end = Fraction(tick, quarter), Fraction(ends[pitch], quarter)
            notes.append((begin, end, pitch))
    return notes[::-1]
