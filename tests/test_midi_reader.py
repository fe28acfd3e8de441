"""MIDI files of types 0 and 1 are read as music21 reads them, by track and channel."""

import struct
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.music import midi_and_wav, midi_reader, tunes
from dls_keras.music.midi_and_wav import variable_length

TICKS = 480  # per quarter note
SOLO = [(i, 1, pitch) for i, pitch in enumerate((60, 62, 64, 65, 67, 69, 71, 72))]
CHORDS = [(start, 4, pitch) for start in (0, 4) for pitch in (48, 52, 55, 59)]
DRUMS = [(i, 0.5, pitch) for i in range(8) for pitch in (36, 42)]


def events(notes, channel):
    """Note-ons and note-offs (tick, message) of notes in quarter notes."""
    ons = [(begin, bytes([0x90 | channel, pitch, 80])) for begin, _, pitch in notes]
    offs = [(b + n, bytes([0x80 | channel, pitch, 0])) for b, n, pitch in notes]
    return [(round(TICKS * at), message) for at, message in offs + ons]


def signature(at, numerator, denominator):
    """A time signature at a quarter note."""
    power = denominator.bit_length() - 1
    return round(TICKS * at), bytes([0xFF, 0x58, 4, numerator, power, 24, 8])


def midi(*tracks, kind=1, division=TICKS):
    """The bytes of a MIDI file, from lists of (tick, message)."""
    content = b"MThd" + struct.pack(">I3H", 6, kind, len(tracks), division)
    for track in tracks:
        data, now = b"", 0
        for tick, message in sorted(track, key=lambda event: event[0]):
            data += variable_length(tick - now) + message
            now = tick
        data += b"\0\xff\x2f\0"
        content += b"MTrk" + struct.pack(">I", len(data)) + data
    return content


@pytest.fixture
def load(tmp_path):
    """A function that loads the tune in the bytes of a MIDI file."""

    def load(content, **how):
        (tmp_path / "tune.mid").write_bytes(content)
        return tunes.load_tune(tmp_path / "tune.mid", **how)

    return load


# The second reader.


def parts_of_music21(content):
    """`read(content).parts` as music21 reads them, by track and channel."""
    music21 = pytest.importorskip("music21", reason="needs music21")
    from music21.midi import translate

    file = music21.midi.MidiFile()
    file.readstr(content)
    parts = {}
    for i, track in enumerate(file.tracks):
        timed = translate.getTimeForEvents(track)
        for _, event in timed:
            if event.isNoteOn():
                parts.setdefault((i, event.channel - 1), [])
        for note in translate.getNotesFromEvents(timed):
            quarter = file.ticksPerQuarterNote
            times = (Fraction(t, quarter) for t in (note.onTime, note.offTime))
            parts[i, note.event.channel - 1].append((*times, note.event.pitch))
    return parts


messages = st.one_of(
    st.builds(
        lambda status, pitch, velocity: bytes([status, pitch, velocity]),
        st.sampled_from([0x80, 0x90, 0x90, 0x93, 0x99, 0xA0, 0xB2, 0xE1]),
        st.integers(60, 63),
        st.sampled_from([0, 1, 127]),
    ),
    st.sampled_from(
        [
            b"\xc0\x05",
            b"\xd3\x7f",
            b"\xf0\x03\x7e\x09\xf7",
            b"\xff\x08\x02hi",  # the name of a program, which few readers know
            b"\xff\x59\x02\x0a\x00",  # a key signature with ten sharps
            b"\xff\x01\x03abc",
            b"\xff\x51\x03\x07\xa1\x20",
        ]
    ),
)
tracks = st.lists(st.tuples(st.integers(0, 70_000), messages), max_size=30).map(
    lambda track: [(0, b"\x90\x3c\x40"), *track]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(tracks, min_size=1, max_size=3))
def test_any_events_are_read_as_music21_reads_them(made):
    """Notes that overlap, end late or never; running status, and other events."""
    for track in made:
        track.sort(key=lambda event: event[0])
        for i in range(len(track) - 1, 0, -1):
            (_, before), (tick, message) = track[i - 1 : i + 1]
            if before[0] == message[0] < 0xF0:
                track[i] = tick, message[1:]  # the status is not repeated
    content = midi(*made)
    assert midi_reader.read(content).parts == parts_of_music21(content)


def test_composed_tunes_are_read_as_music21_reads_them():
    """Note for note."""
    for seed in range(5):
        content = midi_and_wav.midi(tunes.make_tune(seed))
        parts = midi_reader.read(content).parts
        assert list(parts) == [(1, 0), (2, 1)]
        assert parts == parts_of_music21(content)


@pytest.mark.data
def test_the_course_s_file_is_read_as_music21_reads_it():
    """19 parts, each in a track of its own, so that a part is a track."""
    content = files.find_data(tunes.COURSE).read_bytes()
    parts = midi_reader.read(content).parts
    assert [track for track, _ in parts] == list(range(6, 25))
    assert parts == parts_of_music21(content)


# Parts.


@pytest.mark.parametrize(
    "content",
    [
        midi(events(SOLO, 0), events(CHORDS, 1)),
        midi([], events(SOLO, 0), events(CHORDS, 0)),
        midi(events(SOLO, 0) + events(CHORDS, 1), kind=0),
        midi(events(CHORDS, 15) + events(SOLO, 3), kind=0),
        midi(events(SOLO, 2) + events(DRUMS, 9) + events(CHORDS, 12), kind=0),
        midi(events(DRUMS, 9), events(SOLO, 0), events(CHORDS, 1)),
        midi(events(SOLO, 0), events(CHORDS, 1)) + b"XFIH\0\0\0\2ab",
    ],
)
def test_the_first_parts_without_percussion_are_solo_and_chords(load, content):
    """In tracks of their own, or in channels of one track."""
    tune = load(content)
    assert [(n.offset, n.length, n.pitch) for n in tune.notes] == SOLO
    assert [(c.offset, c.length, len(c.pitches)) for c in tune.chords] == [
        (0, 4, 4),
        (4, 4, 4),
    ]
    assert tune.length == 8


def test_percussion_is_read_if_it_is_chosen(load):
    """It has a number like every part, so that type 1 files keep their numbers."""
    content = midi(events(DRUMS, 9), events(SOLO, 0), events(CHORDS, 1))
    assert {note.pitch for note in load(content, parts=(0, 2)).notes} == {42}
    assert load(content, parts=(1, 2)) == load(content)


def test_a_file_without_two_parts_is_refused_with_its_parts(load):
    """Percussion does not count."""
    words = r"2 parts with notes \(0: track 1, channel 4; 1: track 1, channel 10\)"
    with pytest.raises(InputError, match=words):
        load(midi(events(SOLO, 3) + events(DRUMS, 9), kind=0))
    with pytest.raises(InputError, match=r"8 notes of a solo and 0 chords.*channel 2"):
        load(midi(events(SOLO, 0) + events(CHORDS, 1), kind=0), parts=(0, 0))
    with pytest.raises(InputError, match="1 part with notes"):
        load(midi(events(SOLO, 0)))


# Time signatures.


def in_time(*signatures):
    """SOLO and CHORDS after a first track with time signatures."""
    return midi([signature(*s) for s in signatures], events(SOLO, 0), events(CHORDS, 1))


def test_measures_of_four_quarters_are_read(load):
    """Also if they are 2/2 or 8/8, or begin after a pickup that the span leaves out."""
    tune = load(in_time())
    assert load(in_time((0, 4, 4), (4, 2, 2), (8, 3, 4))) == tune
    assert load(in_time((0, 8, 8))) == tune
    part = load(in_time((0, 2, 4), (2, 4, 4)), span=(3, 8))
    assert [n.offset for n in part.notes] == [0, 1, 2, 3, 4, 5]  # from quarter note 2
    assert [c.offset for c in part.chords] == [2] and part.length == 8


@pytest.mark.parametrize(
    ("signatures", "words"),
    [
        ([(0, 3, 4)], "3/4 at quarter note 0, expected whole measures of 4/4"),
        ([(0, 4, 4), (4, 6, 8)], "6/8 at quarter note 4"),
        ([(0, 1, 4), (1, 4, 4)], "1/4 at quarter note 0"),
        ([(0, 4, 4), (2, 4, 4)], "4/4 at quarter note 2, expected whole measures"),
    ],
)
def test_other_measures_are_refused(load, signatures, words):
    """The lesson's tokens and chords count measures of four quarter notes."""
    with pytest.raises(InputError, match=words):
        load(in_time(*signatures))


# Damaged files.


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (midi(events(SOLO, 0), kind=2), "its type is 2, expected 0 or 1"),
        (midi(events(SOLO, 0), division=0xE728), "counts seconds"),
        (midi(events(SOLO, 0))[:-30], "is cut by 30"),
        (midi(events(SOLO, 0), [])[:-12], "1 of 2 tracks"),
        (midi([(0, b"\x3c\x40")]), "status 0"),
        (midi([(0, b"\xf8")]), "status 248"),
        (midi([(0, b"\x90\x3c\x90")]), "too few bytes"),
        (midi([(0, b"\xff\x01\x7f")]), "ends within an event"),
        (midi([(0, b"\xff\x01\xff\xff\xff\xff\x00")]), "more than four bytes"),
        (midi([(0, b"\xff\x58\x01\x04")]), "not enough values"),
    ],
)
def test_a_damaged_file_is_refused_with_the_reason(load, content, words):
    """One sentence about the file."""
    with pytest.raises(InputError, match=f"tune.mid is not a MIDI file .*{words}"):
        load(content)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_changed_bytes_are_read_or_refused(data):
    """Wherever they are."""
    content = bytearray(midi(events(SOLO, 0) + events(CHORDS, 1), kind=0))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(
            st.integers(0, 255)
        )
    try:
        midi_reader.read(bytes(content))
    except (ValueError, struct.error):
        pass
