"""Synthetic words have the formants, the pitch and the pauses of their phonemes."""

import numpy as np
import pytest

from dls_keras.core.audio import RATE
from dls_keras.datasets import speech_synthesis


def voice(**changes):
    """A voice of 110 Hz with constant pitch and speed."""
    plain = dict(pitch=110, size=1, speed=1, breath=0.02, fall=0, accent=np.ones(3))
    return speech_synthesis.Voice(**(plain | changes))


def say(sounds, monkeypatch, **changes):
    """The samples of a word made of these phonemes."""
    monkeypatch.setitem(speech_synthesis.WORDS, "new", sounds)
    clip = speech_synthesis.speak("new", voice(**changes), np.random.default_rng(0))
    return clip.samples[:, 0].astype("float64")


def power(sound, low, high):
    """The mean power between two frequencies, in dB."""
    f = np.fft.rfftfreq(len(sound), 1 / RATE)
    inside = (low <= f) & (f < high)
    return 10 * np.log10(np.mean(np.abs(np.fft.rfft(sound)[inside]) ** 2))


@pytest.mark.parametrize("word", speech_synthesis.WORDS)
def test_every_word_has_a_plausible_length_and_level(word):
    """0.2 to 1.5 s at -20 dBFS; less than 1 % of the samples are clipped."""
    rng = np.random.default_rng(3)
    clip = speech_synthesis.speak(word, speech_synthesis.draw_voice(rng), rng)
    assert 200 < len(clip) < 1500
    assert -21 < clip.dBFS < -19.9
    assert np.mean(np.abs(clip.samples.astype(int)) >= 32_767) < 0.01


def test_vowels_have_their_formants(monkeypatch):
    """The second formant of "ee" is near 2,300 Hz, that of "ah" near 1,100 Hz."""
    ee, ah = (say(f"{v} {v} {v}", monkeypatch) for v in ("IY", "AA"))
    assert power(ee, 2100, 2500) > power(ee, 900, 1300) + 5
    assert power(ah, 900, 1300) > power(ah, 1700, 2100) + 5


def test_a_shorter_vocal_tract_has_higher_formants(monkeypatch):
    """They are divided by `size`: 1,090 Hz become 1,360 Hz at 0.8."""
    small = say("AA AA AA", monkeypatch, size=0.8)
    large = say("AA AA AA", monkeypatch, size=1)
    assert power(small, 1300, 1500) > power(large, 1300, 1500) + 3


@pytest.mark.parametrize("pitch", [90, 180])
def test_a_voice_has_its_pitch(monkeypatch, pitch):
    """The autocorrelation is largest at a lag of one period."""
    sound = say("AA AA AA", monkeypatch, pitch=pitch)[6000:14000]
    lags = np.arange(RATE // 300, RATE // 70)
    autocorrelation = [np.dot(sound[:-lag], sound[lag:]) for lag in lags]
    # The pitch varies by 2 %.
    best = lags[np.argmax(autocorrelation)]
    assert RATE / best == pytest.approx(pitch, rel=0.04)


def test_an_s_is_noise_of_high_frequencies(monkeypatch):
    """6 to 8 kHz have 20 dB more power than 0.1 to 3 kHz, where voices are."""
    sound = say("S S S", monkeypatch)
    assert power(sound, 6000, 8000) > power(sound, 100, 3000) + 20


def test_a_plosive_begins_with_silence(monkeypatch):
    """The "k" of "aka" has a part that is 40 dB quieter than the vowel."""
    sound = say("AA K AA", monkeypatch)
    levels = [np.mean(p**2) + 1e-9 for p in np.array_split(sound, len(sound) // 441)]
    middle = slice(len(levels) // 3, 2 * len(levels) // 3)
    assert min(levels[middle]) < 1e-4 * max(levels)


def test_the_generator_determines_the_sound():
    """The same seed gives the same samples, another seed gives others."""
    first, second, again = (
        speech_synthesis.speak("activate", voice(), np.random.default_rng(seed)).samples
        for seed in (0, 1, 0)
    )
    np.testing.assert_array_equal(first, again)
    assert first.shape != second.shape or (first != second).any()


def test_high_voices_have_short_vocal_tracts():
    """Pitch and size are negatively correlated, as in human voices."""
    rng = np.random.default_rng(0)
    voices = [speech_synthesis.draw_voice(rng) for _ in range(200)]
    assert np.corrcoef([(v.pitch, v.size) for v in voices], rowvar=False)[0, 1] < -0.6
