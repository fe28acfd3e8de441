"""Clips do the arithmetic of pydub, and files of every kind are read."""

import struct
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
    """A tone of 440 Hz, another phase in each channel."""
    phase = 2 * np.pi * 440 * np.arange(n)[:, None] / rate + np.arange(channels)
    return Clip((loud * np.sin(phase)).astype(np.int16), rate)


# Clips.


def test_length_is_in_milliseconds_and_rounded():
    """31,000 samples at 44.1 kHz last 702.9 ms."""
    assert len(tone(31_000)) == 703
    assert tone(31_000).duration_seconds == pytest.approx(0.70295, abs=1e-5)


def test_pieces_of_a_clip_make_the_clip():
    """Cut anywhere, no sample is lost or doubled, the odd last one included."""
    clip = tone(31_000)
    whole = clip[:250] + clip[250:-100] + clip[-100:]
    np.testing.assert_array_equal(whole.samples, clip.samples)
    assert len(clip[500:100]) == 0


@given(SAMPLES, st.floats(-40, 40))
def test_gain_rounds_down_and_stops_at_the_loudest(samples, decibels):
    """As `audioop.mul` does, on which pydub stands."""
    louder = Clip(samples).apply_gain(decibels)
    expected = np.floor(Clip(samples).samples * 10 ** (decibels / 20))
    np.testing.assert_array_equal(louder.samples, np.clip(expected, -32768, 32767))


def test_a_gain_changes_the_level_by_as_much():
    """6 dB up are 6 dB more, to the rounding of 16 bits."""
    clip = tone()
    assert (clip + 6).dBFS - clip.dBFS == pytest.approx(6, abs=0.005)
    assert (clip - 6).dBFS - clip.dBFS == pytest.approx(-6, abs=0.005)


def test_the_level_of_a_full_square_wave_is_zero():
    """And that of silence is minus infinity, which no gain changes."""
    square = Clip(np.resize(np.array([-32768, 32767], np.int16), 1000))
    assert square.dBFS == pytest.approx(0, abs=3e-4)  # rms is cut to 32767
    silence = audio.silence(10)
    assert silence.dBFS == -np.inf
    assert (silence + np.inf).rms == 0


@given(SAMPLES, SAMPLES, st.integers(0, 3))
def test_an_overlay_adds_and_keeps_the_length(mine, its, position):
    """Sums beyond 16 bits are cut off, what reaches beyond the end is left out."""
    mine, its = Clip(mine[..., :1].ravel(), 1000), Clip(its[..., :1].ravel(), 1000)
    mixed = mine.overlay(its, position).samples[:, 0].astype(int)
    expected = mine.samples[:, 0].astype(int)
    shared = max(0, min(len(its), len(mine) - position))
    expected[position : position + shared] += its.samples[:shared, 0]
    np.testing.assert_array_equal(mixed, np.clip(expected, -32768, 32767))


def test_an_overlay_takes_the_larger_rate_and_number_of_channels():
    """A mono clip at half the rate sounds in both channels."""
    mixed = tone(1000, 22_050).overlay(tone(2000, 44_100, channels=2))
    assert (mixed.frame_rate, mixed.channels, len(mixed)) == (44_100, 2, 45)


def test_stereo_becomes_the_mean_and_mono_both():
    """The mean is rounded down, as `audioop.tomono` does."""
    stereo = Clip(np.array([[1, 2], [-1, -2], [32767, 32767]], np.int16))
    np.testing.assert_array_equal(stereo.set_channels(1).samples[:, 0], [1, -2, 32767])
    assert stereo.set_channels(1).set_channels(2).channels == 2
    with pytest.raises(InputError, match="received channels=3"):
        stereo.set_channels(3)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 48_000, 96_000])
def test_another_rate_has_the_same_sound(rate):
    """A tone of 440 Hz made at the other rate, but for the filter's edges."""
    changed = tone(44_100 // 4).set_frame_rate(rate)
    expected = tone(len(changed.samples), rate).samples
    assert changed.frame_rate == rate
    middle = slice(rate // 50, -rate // 50)
    # The filter passes 440 Hz to within 1 %.
    np.testing.assert_allclose(changed.samples[middle], expected[middle], atol=80)


def test_a_clip_never_changes():
    """Not even the array of another clip made from it."""
    clip = tone()
    before = clip.samples.copy()
    clip.overlay(clip + 6, 10)
    np.testing.assert_array_equal(clip.samples, before)
    with pytest.raises(AttributeError):
        clip.frame_rate = 8000


@pytest.mark.parametrize(
    "samples", [np.zeros(5), np.zeros((2, 2, 2), np.int16), [[1, 2]]]
)
def test_what_is_no_samples_is_told(samples):
    """Their shape and type stand in the message."""
    with pytest.raises(InputError, match="int16, received"):
        Clip(samples)


# Files.


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    ("dtype", "step"),
    [("uint8", 256), ("int16", 1), ("int32", 1), ("float32", 1), ("float64", 1)],
)
def test_every_width_is_read(tmp_path, dtype, step, channels):
    """To within the width's own steps, at its own rate."""
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


def test_24_bits_are_read(tmp_path):
    """SciPy writes none, so they are packed here."""
    values = [0, 1 << 8, -(1 << 8), (1 << 23) - 1, -(1 << 23)]
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, 3, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<i", v << 8)[1:] for v in values))
    found = audio.read(tmp_path / "a.wav").samples[:, 0]
    np.testing.assert_array_equal(found, [0, 1, -1, 32767, -32768])


@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read(tmp_path, channels):
    """Sample for sample, with its rate."""
    clip = tone(1234, 22_050, channels)
    audio.write(tmp_path / "a.wav", clip)
    found = audio.read(tmp_path / "a.wav")
    assert found.frame_rate == 22_050
    np.testing.assert_array_equal(found.samples, clip.samples)


def test_arrays_are_written(tmp_path):
    """Floats too loud are cut off, not turned round."""
    audio.write(tmp_path / "a.wav", np.array([0, 0.5, 2, -2]), 8000)
    found = audio.read(tmp_path / "a.wav")
    np.testing.assert_array_equal(found.samples[:, 0], [0, 16384, 32767, -32768])


def test_what_is_no_wav_is_told(tmp_path):
    """What the file is, and how to make a wav of it."""
    with pytest.raises(MissingFileError, match="no sound file at"):
        audio.read(tmp_path / "none.wav")
    good = tmp_path / "good.wav"
    audio.write(good, tone())
    for content in (b"", b"ID3\x03an mp3", good.read_bytes()[:30]):
        (tmp_path / "bad.wav").write_bytes(content)
        with pytest.raises(InputError, match="ffmpeg"):
            audio.read(tmp_path / "bad.wav")


def test_a_wav_without_sound_is_told(tmp_path):
    """A header and nothing behind it."""
    audio.write(tmp_path / "a.wav", np.zeros(0, np.int16))
    with pytest.raises(InputError):
        audio.read(tmp_path / "a.wav")


@pytest.mark.parametrize("samples", [np.zeros(3, bool), np.array([np.nan])])
def test_samples_that_cannot_be_are_told(samples):
    """Neither truth values nor what is no number."""
    with pytest.raises(InputError):
        audio.int16(samples)
