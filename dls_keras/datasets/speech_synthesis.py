"""A small formant synthesiser that speaks words with random voices.

It is a source-filter model. The source is noise and, in voiced sounds, a pulse train at
the pitch; the filter, the vocal tract, has a few resonances, the formants, which move
from phoneme to phoneme:

    speech(t, f) = source(t, f) * product over formants F, B of
                   1 / |1 - (f/F)^2 + i f B / F^2|

A word is a list of phonemes, each with its formants, its duration, and the strengths of
voicing and noise. A voice has a pitch, a vocal tract length, which scales all formants,
and further parameters. The result is about as intelligible as a toy robot.
Formants of the vowels: Peterson & Barney (1952), means of men.
"""

from typing import NamedTuple

import numpy as np
from scipy.signal import istft, resample_poly, stft

from dls_keras.core.audio import RATE, Clip

TRIGGER = "activate"
WORDS = {
    "activate": "AE K T IH V EY IY T",
    # Words that sound similar.
    "active": "AE K T IH V",
    "actor": "AE K T ER",
    "cactus": "K AE K T AH S",
    "elevate": "EH L AH V EY IY T",
    "evaluate": "IH V AE L Y UW EY IY T",
    "private": "P R AA IY V AH T",
    "motivate": "M OW T IH V EY IY T",
    "captive": "K AE P T IH V",
    "late": "L EY IY T",
    # And words that do not.
    "baby": "B EY IY B IY",
    "banana": "B AH N AE N AH",
    "coffee": "K AO F IY",
    "dog": "D AO G",
    "fish": "F IH SH",
    "garden": "G AA R D AH N",
    "hello": "HH AH L OW UH",
    "kitchen": "K IH T SH AH N",
    "lemon": "L EH M AH N",
    "morning": "M AO R N IH NG",
    "music": "M Y UW Z IH K",
    "open": "OW UH P AH N",
    "paper": "P EY IY P ER",
    "river": "R IH V ER",
    "seven": "S EH V AH N",
    "sugar": "SH UH G ER",
    "table": "T EY IY B AH L",
    "water": "W AO T ER",
    "window": "W IH N D OW UH",
    "yellow": "Y EH L OW UH",
}


class Sound(NamedTuple):
    """One phoneme: formants in Hz, duration in ms, strengths in [0, 1]."""

    F1: float
    F2: float
    F3: float
    length: float
    beat: float = 1.0  # voicing
    breath: float = 0.0  # aspiration noise, filtered by the formants
    hiss: float = 0.0  # frication noise in a band around `centre`, in Hz
    centre: float = 4000.0
    width: float = 1500.0


SOUNDS = {
    "AE": Sound(660, 1720, 2410, 110),
    "AA": Sound(730, 1090, 2440, 120),
    "AO": Sound(570, 840, 2410, 120),
    "AH": Sound(640, 1190, 2390, 70),
    "EH": Sound(530, 1840, 2480, 90),
    "EY": Sound(480, 2000, 2550, 90),
    "ER": Sound(490, 1350, 1690, 120),
    "IH": Sound(390, 1990, 2550, 70),
    "IY": Sound(270, 2290, 3010, 80),
    "OW": Sound(500, 900, 2400, 90),
    "UH": Sound(440, 1020, 2240, 70),
    "UW": Sound(300, 870, 2240, 100),
    "L": Sound(360, 1000, 2700, 60, 0.6),
    "M": Sound(250, 1100, 2200, 70, 0.3),
    "N": Sound(250, 1500, 2500, 60, 0.3),
    "NG": Sound(250, 2000, 2600, 80, 0.3),
    "R": Sound(350, 1100, 1600, 60, 0.7),
    "W": Sound(300, 700, 2200, 60, 0.6),
    "Y": Sound(280, 2200, 3000, 50, 0.7),
    "HH": Sound(500, 1500, 2500, 60, 0, 0.3),
    "F": Sound(300, 1200, 2300, 90, 0, 0, 0.1, 6000, 4000),
    "S": Sound(300, 1700, 2600, 100, 0, 0, 0.5, 7000, 1500),
    "SH": Sound(300, 1900, 2600, 100, 0, 0, 0.5, 3500, 1000),
    "V": Sound(250, 1200, 2300, 50, 0.4, 0, 0.03, 6000, 4000),
    "Z": Sound(250, 1700, 2600, 80, 0.4, 0, 0.25, 7000, 1500),
    "P": Sound(300, 900, 2200, 25, 0, 0.1, 0.2, 1000, 1000),
    "T": Sound(300, 1700, 2700, 30, 0, 0.1, 0.5, 5000, 1800),
    "K": Sound(300, 1900, 2400, 35, 0, 0.1, 0.4, 2000, 700),
    "B": Sound(250, 900, 2200, 20, 0.3, 0.05, 0.1, 1000, 1000),
    "D": Sound(250, 1700, 2600, 20, 0.3, 0.05, 0.2, 4500, 1800),
    "G": Sound(250, 1900, 2400, 25, 0.3, 0.05, 0.2, 2000, 700),
}
CLOSED = {
    "P": 60,
    "T": 55,
    "K": 60,
    "B": 45,
    "D": 40,
    "G": 45,
}  # ms of closure before plosives

HALF = RATE // 2  # sample rate of the synthesiser
WINDOW, HOP = 256, 64  # of its short-time Fourier transform: 11.6 and 2.9 ms


class Voice(NamedTuple):
    """The parameters of a speaker."""

    pitch: float  # Hz
    size: (
        float  # of the vocal tract: 1 for men, 0.85 for children; divides the formants
    )
    speed: float
    breath: float  # noise in vowels
    fall: float  # of the pitch over a word, relative
    accent: np.ndarray  # (3,) factors of the formants


def draw_voice(rng: np.random.Generator) -> Voice:
    """A random voice of 85 to 270 Hz; high voices have a short vocal tract."""
    height = rng.uniform()
    return Voice(
        pitch=85 * 3.2**height,
        size=1.1 - 0.25 * height + rng.normal(0, 0.03),
        speed=rng.uniform(0.75, 1.3),
        breath=rng.uniform(0, 0.15),
        fall=rng.uniform(-0.1, 0.4),
        accent=np.exp(rng.normal(0, 0.05, 3)),
    )


def speak(word: str, voice: Voice, rng: np.random.Generator) -> Clip:
    """A mono clip at -20 dBFS of a word in `WORDS`; each call gives another one.

    The highest peaks, a few in 1,000 samples, are clipped.
    """
    tracks, frames = _tracks(WORDS[word].split(), voice, rng)
    n = frames * HOP
    time = np.arange(n) / HALF
    course = 1 + voice.fall * (0.5 - time / time[-1])
    course += 0.02 * np.sin(2 * np.pi * rng.uniform(3, 6) * time + rng.uniform(0, 6))
    turns = np.cumsum(voice.pitch * course / HALF)
    beats = np.diff(np.floor(turns), prepend=0) * np.sqrt(HALF / voice.pitch)
    hiss = rng.normal(size=n)

    f, _, beats = stft(beats, HALF, nperseg=WINDOW, noverlap=WINDOW - HOP)
    _, _, hiss = stft(hiss, HALF, nperseg=WINDOW, noverlap=WINDOW - HOP)
    tracks = tracks[:, np.minimum(np.arange(beats.shape[1]), frames - 1)]
    *formants, beat, breath, teeth, centre, width = tracks
    throat = 1 / (1 + f[:, None] / 300)  # spectral tilt of the source and the lips
    for F, B in zip([*formants, 3600, 4500], (70, 100, 150, 250, 300), strict=True):
        F = np.maximum(F / voice.size, 150)
        ratio = f[:, None] / F
        throat = throat / np.abs(1 - ratio**2 + 1j * ratio * B / F)
    mouth = np.exp(-(((f[:, None] - centre / voice.size) / width) ** 2))
    mixed = beats * throat * beat + hiss * (
        throat * (breath + voice.breath * beat) + mouth * teeth
    )
    _, sound = istft(mixed, HALF, nperseg=WINDOW, noverlap=WINDOW - HOP)
    sound = resample_poly(sound, 2, 1)
    sound = sound * (3276.8 / np.sqrt(np.mean(sound**2)))
    return Clip(np.clip(np.rint(sound), -32768, 32767).astype(np.int16))


def _tracks(names, voice, rng):
    """The parameters of all frames, (8, frames), and the number of frames.

    Between the middle of a phoneme and that of the next they are interpolated.
    """
    frame = 1000 * HOP / HALF  # ms
    places, values, now = [0.0], [], 30.0
    for name in names:
        sound = np.array(SOUNDS[name])
        sound[:3] *= voice.accent * np.exp(rng.normal(0, 0.04, 3))
        length = sound[3] * np.exp(rng.normal(0, 0.15)) / voice.speed
        sound[4:7] *= np.exp(rng.normal(0, 0.2, 3))
        if closed := CLOSED.get(name, 0) * np.exp(rng.normal(0, 0.2)) / voice.speed:
            quiet = sound.copy()
            quiet[4:7] = 0
            places += [now + 0.1 * closed, now + 0.95 * closed]
            values += [quiet, quiet]
            now += closed
        places += [now + 0.25 * length, now + 0.75 * length]
        values += [sound, sound]
        now += length
    silent_first, silent_last = values[0].copy(), values[-1].copy()
    silent_first[4:7] = silent_last[4:7] = 0
    values = np.delete(np.array([silent_first, *values, silent_last]), 3, axis=1)
    places.append(now + 40)
    frames = int((now + 60) / frame)
    at = np.arange(frames) * frame
    return np.array([np.interp(at, places, column) for column in values.T]), frames
