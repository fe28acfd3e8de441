"""Clips compute what pydub's segments do; WAV files of every sample type are read."""

import struct
import sys
import wave

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from scipy.io import wavfile

from dls_keras.core import audio
from dls_keras.core.audio import Clip
from dls_keras.core.errors import InputError, MissingFileError

SAMPLES = st_numpy.arrays(
    np.int16, st_numpy.array_shapes(min_dims=1, max_dims=2, max_side=50)
)


def tone(n=4410, rate=44_100, channels=1, loud=8000):
    """A tone of 440 Hz with a different phase in each channel."""
    phase = 2 * np.pi * 440 * np.arange(n)[:, None] / rate + np.arange(channels)
    return Clip((loud * np.sin(phase)).astype(np.int16), rate)


# Clips.


def test_length_is_in_milliseconds_and_rounded():
    """31,000 samples at 44.1 kHz last 702.9 ms."""
    assert len(tone(31_000)) == 703
    assert tone(31_000).duration_seconds == pytest.approx(0.70295, abs=1e-5)


def test_adjacent_slices_contain_every_sample_once():
    """Including the samples after the last full millisecond."""
    clip = tone(31_000)
    whole = clip[:250] + clip[250:-100] + clip[-100:]
    np.testing.assert_array_equal(whole.samples, clip.samples)
    assert len(clip[500:100]) == 0


@given(SAMPLES, st.floats(-40, 40))
def test_gain_rounds_down_and_clips_to_16_bits(samples, decibels):
    """As in `audioop.mul`, which pydub uses."""
    louder = Clip(samples).apply_gain(decibels)
    expected = np.floor(Clip(samples).samples * 10 ** (decibels / 20))
    np.testing.assert_array_equal(louder.samples, np.clip(expected, -32768, 32767))


def test_a_gain_of_6_db_changes_the_level_by_6_db():
    """Up to the rounding to 16 bits."""
    clip = tone()
    assert (clip + 6).dBFS - clip.dBFS == pytest.approx(6, abs=0.005)
    assert (clip - 6).dBFS - clip.dBFS == pytest.approx(-6, abs=0.005)


def test_the_level_of_a_full_square_wave_is_zero():
    """The level of silence is minus infinity, whatever the gain."""
    square = Clip(np.resize(np.array([-32768, 32767], np.int16), 1000))
    assert square.dBFS == pytest.approx(0, abs=3e-4)  # rms is truncated to 32767
    silence = audio.silence(10)
    assert silence.dBFS == -np.inf
    assert (silence + np.inf).rms == 0


@given(SAMPLES, SAMPLES, st.integers(0, 3))
def test_an_overlay_adds_the_samples_and_keeps_the_length(first, second, position):
    """Sums are clipped to 16 bits; the part after the end of the first is dropped."""
    first = Clip(first[..., :1].ravel(), 1000)
    second = Clip(second[..., :1].ravel(), 1000)
    mixed = first.overlay(second, position).samples[:, 0].astype(int)
    expected = first.samples[:, 0].astype(int)
    shared = max(0, min(len(second), len(first) - position))
    expected[position : position + shared] += second.samples[:shared, 0]
    np.testing.assert_array_equal(mixed, np.clip(expected, -32768, 32767))


def test_an_overlay_has_the_larger_rate_and_number_of_channels():
    """A mono clip of 22,050 Hz and a stereo clip of 44,100 Hz."""
    mixed = tone(1000, 22_050).overlay(tone(2000, 44_100, channels=2))
    assert (mixed.frame_rate, mixed.channels, len(mixed)) == (44_100, 2, 45)


def test_the_number_of_channels_can_be_changed():
    """Mono is the mean of both channels, rounded down as by `audioop.tomono`."""
    stereo = Clip(np.array([[1, 2], [-1, -2], [32767, 32767]], np.int16))
    np.testing.assert_array_equal(stereo.set_channels(1).samples[:, 0], [1, -2, 32767])
    assert stereo.set_channels(1).set_channels(2).channels == 2
    with pytest.raises(InputError, match="received channels=3"):
        stereo.set_channels(3)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000, 96_000])
def test_resampling_keeps_the_signal(rate):
    """It equals a tone generated at the new rate, except near both ends."""
    changed = tone(44_100 // 4).set_frame_rate(rate)
    expected = tone(len(changed.samples), rate).samples
    assert changed.frame_rate == rate
    middle = slice(rate // 50, -rate // 50)
    # The filter passes 440 Hz to within 1 %.
    np.testing.assert_allclose(changed.samples[middle], expected[middle], atol=80)


def test_a_clip_is_immutable():
    """Operations return new clips, and attributes cannot be set."""
    clip = tone()
    before = clip.samples.copy()
    clip.overlay(clip + 6, 10)
    np.testing.assert_array_equal(clip.samples, before)
    with pytest.raises(AttributeError):
        clip.frame_rate = 8000


@pytest.mark.parametrize(
    "samples", [np.zeros(5), np.zeros((2, 2, 2), np.int16), [[1, 2]]]
)
def test_invalid_samples_are_refused(samples):
    """The message names the expected type."""
    with pytest.raises(InputError, match="int16, received"):
        Clip(samples)


# Files.


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "step"),
    [("uint8", 256), ("int16", 1), ("int32", 1), ("float32", 1), ("float64", 1)],
)
def test_every_sample_type_is_read(tmp_path, dtype, step, channels):
    """With the precision of the type, and with the frame rate of the file."""
    clip = tone(1000, 11_025, channels)
    wide = clip.samples.astype("float64")
    stored = {
        "uint8": wide / 256 + 128,
        "int16": wide,
        "int32": wide * 65536,
        "float32": wide / 32768,
        "float64": wide / 32768,
    }[dtype]
    wavfile.write(tmp_path / "a.wav", 11_025, stored.astype(dtype))
    found = audio.read(tmp_path / "a.wav")
    assert (found.frame_rate, found.channels) == (11_025, channels)
    np.testing.assert_allclose(found.samples, clip.samples, atol=step)


def test_24_bit_samples_are_read(tmp_path):
    """SciPy cannot write them, so the bytes are packed here."""
    values = [0, 1 << 8, -(1 << 8), (1 << 23) - 1, -(1 << 23)]
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 3, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<i", v << 8)[1:] for v in values))
    found = audio.read(tmp_path / "a.wav").samples[:, 0]
    np.testing.assert_array_equal(found, [0, 1, -1, 32767, -32768])


@pytest.mark.parametrize("channels", [1, 2])
def test_writing_and_reading_keeps_a_clip(tmp_path, channels):
    """All samples and the frame rate are the same."""
    clip = tone(1234, 22_050, channels)
    audio.write(tmp_path / "a.wav", clip)
    found = audio.read(tmp_path / "a.wav")
    assert found.frame_rate == 22_050
    np.testing.assert_array_equal(found.samples, clip.samples)


def test_an_array_of_floats_is_written_as_16_bits(tmp_path):
    """Values outside [-1, 1] are clipped; they do not overflow."""
    audio.write(tmp_path / "a.wav", np.array([0, 0.5, 2, -2]), 8000)
    found = audio.read(tmp_path / "a.wav")
    np.testing.assert_array_equal(found.samples[:, 0], [0, 16384, 32767, -32768])


def test_a_file_that_is_not_wav_is_refused(tmp_path):
    """The message says how to convert it with ffmpeg."""
    with pytest.raises(MissingFileError, match="no file at .* a sound file"):
        audio.read(tmp_path / "none.wav")
    good = tmp_path / "good.wav"
    audio.write(good, tone())
    for content in (b"", b"ID3\x03an mp3", good.read_bytes()[:30]):
        (tmp_path / "bad.wav").write_bytes(content)
        with pytest.raises(InputError, match="ffmpeg"):
            audio.read(tmp_path / "bad.wav")


def test_a_wav_file_without_samples_is_refused(tmp_path):
    """The file has a header and no data."""
    audio.write(tmp_path / "a.wav", np.zeros(0, np.int16))
    with pytest.raises(InputError):
        audio.read(tmp_path / "a.wav")


@pytest.mark.parametrize("samples", [np.zeros(3, bool), np.array([np.nan])])
def test_booleans_and_nan_are_not_samples(samples):
    """Only finite numbers can be converted to 16 bits."""
    with pytest.raises(InputError):
        audio.int16(samples)


def mono_tone():
    """The samples of a tone, (4410,) int16, of full 16 bits."""
    return tone(loud=30_000).samples[:, 0]


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.99])
def test_a_file_that_is_cut_is_refused(tmp_path, fraction):
    """It would be a shorter sound otherwise, without a word."""
    audio.write(tmp_path / "a.wav", tone())
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(InputError, match="is cut"):
        audio.read(tmp_path / "cut.wav")


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0xFFFFFFFF - 36])
def test_a_file_of_unknown_length_ends_where_it_ends(tmp_path, length):
    """A program that writes to a pipe declares the largest length."""
    audio.write(tmp_path / "a.wav", tone())
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[4:8] = content[40:44] = length.to_bytes(4, "little")
    (tmp_path / "pipe.wav").write_bytes(content)
    found = audio.read(tmp_path / "pipe.wav")
    np.testing.assert_array_equal(found.samples, tone().samples)


@pytest.mark.parametrize("rate", [1, 100, 10**7])
def test_an_impossible_sample_rate_is_refused(tmp_path, rate):
    """Converting it would take gigabytes."""
    audio.write(tmp_path / "a.wav", mono_tone(), rate)
    with pytest.raises(InputError, match="samples per second"):
        audio.read(tmp_path / "a.wav")


@pytest.mark.parametrize("channel", [0, 1, 5])
def test_the_loudest_channel_is_heard(channel):
    """Also beside a channel with a constant offset, and with the channels first."""
    sound = np.zeros((22_050, 6), np.int16)
    sound[:, (channel + 1) % 6] = 9_000
    sound[:, channel] = np.resize(mono_tone(), 22_050)
    np.testing.assert_array_equal(audio.mono(sound), sound[:, channel])
    np.testing.assert_array_equal(audio.mono(sound.T), sound[:, channel])
    np.testing.assert_array_equal(audio.mono(audio.Clip(sound)), sound[:, channel])


@pytest.mark.parametrize("dtype", ["int32", "int64"])
@pytest.mark.parametrize("bits", [16, 24, 32])
def test_the_values_tell_how_many_bits_wide_integers_use(dtype, bits):
    """A list of Python's integers becomes int64, whatever its values are."""
    samples = mono_tone().astype(dtype) << (bits - 16)
    np.testing.assert_array_equal(audio.mono(samples), mono_tone())
    if bits == 16:
        np.testing.assert_array_equal(audio.mono(samples.tolist()), mono_tone())


def test_floats_in_the_range_of_integers_are_refused():
    """They would be clipped to a square wave."""
    with pytest.raises(InputError, match=r"floats in \[-1, 1\], received values up to"):
        audio.mono(mono_tone().astype("float32"))


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_compressed_sound_is_read_with_soundfile(tmp_path, suffix, monkeypatch):
    """Without that library, the message names the extra."""
    soundfile = pytest.importorskip("soundfile")
    samples = np.stack(
        [np.resize(mono_tone(), 44_100), np.zeros(44_100, np.int16)], axis=1
    )
    soundfile.write(tmp_path / f"a.{suffix}", samples, 44_100)
    found = audio.mono(tmp_path / f"a.{suffix}").astype(int)
    loudness = np.sqrt(np.mean(samples[:, 0].astype(int) ** 2))
    assert np.sqrt(np.mean(found**2)) == pytest.approx(loudness, rel=0.3)
    if suffix == "flac":
        np.testing.assert_array_equal(found, samples[:, 0])
    monkeypatch.setitem(sys.modules, "soundfile", None)
    with pytest.raises(InputError, match=r"dls-keras\[sound\]"):
        audio.read(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(
    "loud, expected", [(0, 0), (2, 8192), (1000, 8192), (1024, 1024)]
)
def test_a_quiet_recording_is_amplified(loud, expected):
    """Silence and louder recordings are not."""
    samples = np.array([0, loud, -loud // 2], np.int16)
    assert audio.amplified(samples).tolist() == [0, expected, -expected // 2]
