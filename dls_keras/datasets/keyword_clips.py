"""Clips of ten seconds with the keyword "activate", other words and background noise.

The course has ten recordings of the word by three speakers, ten of other words, and
two backgrounds of ten seconds; their licence is not stated, and none of them ships with
this package. `make_recordings` generates words with the synthesiser of
`speech_synthesis`, and noises. `mix` overlays recordings of either kind on backgrounds
and labels the clips. It augments them: speed, pitch, level, reverberation and frequency
response, since ten recordings alone would be overfitted.
"""

import concurrent.futures
import multiprocessing
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.ndimage import median_filter

from dls_keras.core import audio
from dls_keras.core.audio import RATE, Clip
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog, speech_synthesis

MS = 10_000  # length of a clip
TY = 1375  # labels in it
WORD_ENDED = 50  # labels of 1 after the word, 0.36 s

FOLDER = "trigger_word/raw_data/"
FILES = {
    remote.name.removeprefix(FOLDER): remote
    for remote in catalog.DATA_SETS["recordings"].files
    if not remote.name.startswith(f"{FOLDER}dev/")  # which show what `infer` does
}
# Held out from training: one recording of the word by each speaker, every third other
# word, and the second background.
HELD_OUT = {
    "activates/3.wav",
    "activates/3_act2.wav",
    "activates/3_act3.wav",
    "negatives/3.wav",
    "negatives/3_2.wav",
    "negatives/5_1.wav",
    "backgrounds/2.wav",
}
HELD_OUT_WORDS = ("actor", "elevate", "late", "fish", "lemon", "open", "seven", "water")
NOISES = ("hiss", "hum", "wind", "babble")
HELD_OUT_NOISES = ("rain", "street")


class Recordings(NamedTuple):
    """Recordings of the keyword, of other words, and of backgrounds of 10 s."""

    activates: list[Clip]
    negatives: list[Clip]
    backgrounds: list[Clip]


class Spoken(NamedTuple):
    """m clips of 10 s at 44.1 kHz.

    x: (m, 441000) int16, sound.
    y: (m, 1375) float32, 1 in the 0.36 s after the word, else 0.
    ends: m tuples with the seconds at which the word ends.
    """

    x: np.ndarray
    y: np.ndarray
    ends: list[tuple[float, ...]]


def load_recordings(*, held_out: bool | None = None) -> Recordings:
    """The course's recordings, with the silence around the words trimmed.

    Args:
        held_out: True: those for testing; False: those for training; None: all.

    Raises:
        MissingFileError: if they are not on this machine.
    """
    found: dict[str, list[Clip]]
    found = {"activates": [], "negatives": [], "backgrounds": []}
    for name, remote in FILES.items():
        if held_out in (None, name in HELD_OUT):
            clip = audio.read(catalog.find(remote))
            kind = name.split("/")[0]
            found[kind].append(clip if kind == "backgrounds" else without_silence(clip))
    return Recordings(**found)


def without_silence(clip: Clip, below: float = 20.0, margin: int = 100) -> Clip:
    """The clip without the silence at its start and end.

    Clicks of less than 50 ms, such as a mouse click, count as silence; the release of a
    final "t" is within the margin.

    Args:
        below: frames of 10 ms count as silent if they are this many dB softer than the
            loudest frame.
        margin: ms of silence that are kept on either side.
    """
    hop = clip.frame_rate // 100
    sound = clip.samples[: len(clip.samples) // hop * hop, 0].astype("float64")
    power = np.mean(sound.reshape(-1, hop) ** 2, axis=1)
    power = median_filter(power, 11, mode="constant")
    (loud,) = np.nonzero(power > power.max(initial=0) * 10 ** (-below / 10))
    if not len(loud):
        return clip
    return clip[max(0, 10 * loud[0] - margin) : 10 * loud[-1] + 10 + margin]


def make_recordings(
    activates: int = 20,
    negatives: int = 40,
    backgrounds: int = 6,
    *,
    seed: int = 0,
    held_out: bool = False,
) -> Recordings:
    """Generated recordings: the keyword, other words, and noises of 10 s.

    Args:
        activates, negatives, backgrounds: how many of each, with different voices.
        held_out: other words, kinds of noise and voices, for testing. (The babble and
            the street noise contain all words but the keyword.)
    """
    rng = np.random.default_rng([seed, held_out])
    others = [
        word
        for word in speech_synthesis.WORDS
        if word != speech_synthesis.TRIGGER and (word in HELD_OUT_WORDS) == held_out
    ]
    kinds = HELD_OUT_NOISES if held_out else NOISES

    def say(word):
        return speech_synthesis.speak(word, speech_synthesis.draw_voice(rng), rng)

    return Recordings(
        [say(speech_synthesis.TRIGGER) for _ in range(activates)],
        [say(others[i % len(others)]) for i in range(negatives)],
        [make_noise(kinds[i % len(kinds)], rng) for i in range(backgrounds)],
    )


def make_noise(kind: str, rng: np.random.Generator) -> Clip:
    """10 s of "hiss", "hum", "wind", "babble", "rain" or "street", at -20 dBFS."""
    n = MS * RATE // 1000
    time = np.arange(n) / RATE

    def coloured(slope):
        """Coloured noise: an amplitude spectrum proportional to 1 / f^slope."""
        f = np.fft.rfftfreq(n, 1 / RATE)
        return np.fft.irfft(
            np.fft.rfft(rng.normal(size=n)) / np.maximum(f, 40) ** slope, n
        )

    def slowly():
        """A slowly varying gain between 0 and 2, with a mean of about 1."""
        return np.interp(time, np.linspace(0, MS / 1000, 25), rng.uniform(0, 2, 25))

    if kind == "hiss":
        sound = coloured(rng.uniform(0, 0.7))
    elif kind == "hum":
        mains = rng.choice([50, 60])
        tones = [
            np.sin(2 * np.pi * mains * k * time + rng.uniform(0, 6)) / k
            for k in range(1, 9)
        ]
        sound = np.sum(tones, axis=0) + 30 * coloured(0.5)
    elif kind == "wind":
        sound = coloured(rng.uniform(0.8, 1.2)) * slowly()
    elif kind == "babble":
        sound = np.zeros(n)
        words = [w for w in speech_synthesis.WORDS if w != speech_synthesis.TRIGGER]
        for _ in range(40):
            said = speech_synthesis.speak(
                rng.choice(words), speech_synthesis.draw_voice(rng), rng
            )
            start = rng.integers(n - len(said.samples))
            sound[start : start + len(said.samples)] += said.samples[:, 0]
    elif kind == "rain":
        drops = rng.normal(size=n) * (rng.uniform(size=n) < 0.002)
        drop = np.exp(-np.arange(200) / 30.0) * rng.normal(size=200)
        sound = np.convolve(drops, drop, mode="same")
        sound = sound / sound.std() + 0.5 * coloured(0.2)
    else:
        parts = [make_noise(part, rng) for part in ("babble", "wind", "hum")]
        sound = sum(part.samples[:, 0] * rng.uniform(0.3, 1) for part in parts)
    return Clip(_at_level(sound, -20))


def make_chime() -> Clip:
    """A bell of 0.8 s at -12 dBFS: three partials with exponential decay."""
    time = np.arange(int(0.8 * RATE)) / RATE
    partials = zip((1318.5, 2637.0, 3729.3), (4, 7, 10), (1, 0.5, 0.25), strict=True)
    bell = sum(
        a * np.sin(2 * np.pi * f * time) * np.exp(-d * time) for f, d, a in partials
    )
    return Clip(_at_level(bell, -12))


def mix(
    recordings: Recordings,
    m: int,
    *,
    seed: int = 0,
    vary: bool = True,
    processes: int = 1,
) -> Spoken:
    """m clips, each with 0 to 4 keywords and 0 to 4 other words that do not overlap.

    Each clip depends only on the seed and its index, not on the number of processes.

    Args:
        vary: augment each word (speed, pitch, frequency response, reverberation,
            level), the level of the background and of the whole clip, and use halves
            of the keyword and the reversed keyword as negatives. False: as in the
            course, with up to two other words, at -20 dBFS.

    Raises:
        InputError: if there are no recordings of a kind, a word lasts five seconds or
            longer, or m < 1.
    """
    if not all(recordings) or m < 1:
        raise InputError(
            f"Expected recordings of each kind and m > 0, received "
            f"{[len(kind) for kind in recordings]} recordings and m = {m}."
        )
    longest = max(map(len, recordings.activates + recordings.negatives))
    if longest >= 5000:
        raise InputError(
            f"A word must be shorter than 5 s, received one of {longest / 1000:.1f} s. "
            "Trim the recordings, for instance with `without_silence`."
        )
    processes = min(processes, m)
    sounds = Recordings(*([_mono(c) for c in kind] for kind in recordings))
    jobs = [(sounds, seed, range(k, m, processes), vary) for k in range(processes)]
    if processes == 1:
        parts = [_mixed(jobs[0])]
    else:
        context = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(processes, context) as pool:
            parts = list(pool.map(_mixed, jobs))
    x = np.empty((m, MS * RATE // 1000), np.int16)
    ends: list[tuple[float, ...]] = [()] * m
    for k, (sound, ended) in enumerate(parts):
        x[k::processes] = sound
        ends[k::processes] = ended
    return Spoken(x, np.stack([labels(one) for one in ends]), ends)


def training_recordings(seed: int = 0, *, real: bool = False) -> Recordings:
    """Generated recordings, and as many of the course's with `real`.

    Raises:
        MissingFileError: if these are not on this machine.
    """
    made = make_recordings(150, 300, 20, seed=seed)
    if not real:
        return made
    # The real ones are repeated to balance both kinds.
    pairs = zip(load_recordings(held_out=False), made, strict=True)
    return Recordings(*(a * (len(b) // len(a)) + b for a, b in pairs))


def f1(
    detections: Sequence[Sequence[float]],
    ends: Sequence[Sequence[float]],
    within: float = 0.5,
) -> float:
    """The F1 score of detections, in [0, 1]: 2 hits / (words + detections).

    A detection is a hit if it is within so many seconds of the end of a word that no
    earlier detection has hit. Misses, false alarms and double detections lower it.

    Args:
        detections, ends: for each clip the times of detections and of ends of words.
    """
    hits = total = 0
    for times, words in zip(detections, ends, strict=True):
        total += len(times) + len(words)
        left = list(words)
        for time in times:
            near = [end for end in left if abs(time - end) <= within]
            if near:
                left.remove(near[0])
                hits += 1
    return 2 * hits / total if total else 1.0


def example() -> Clip:
    """A synthetic clip of held-out generated voices that says the keyword 3 times."""
    made = make_recordings(4, 8, 2, seed=2, held_out=True)
    return Clip(mix(made, 1, seed=1, vary=False).x[0])


def labels(ends: Sequence[float]) -> np.ndarray:
    """(1375,) float32: 1 in the 50 steps after each of the ends, in seconds."""
    y = np.zeros(TY, "float32")
    for end in ends:
        first = int(1000 * end * TY / MS) + 1
        y[first : first + WORD_ENDED] = 1
    return y


def _mixed(job):
    """The clips of one worker: (k, 441000) int16, and the ends of the word."""
    sounds, seed, numbers, vary = job
    made = [_one(sounds, np.random.default_rng([seed, i]), vary) for i in numbers]
    return np.stack([sound for sound, _ in made]), [ends for _, ends in made]


def _one(sounds, rng, vary):
    """One clip (441000,) int16 and the seconds at which the word ends in it."""
    n = MS * RATE // 1000
    background = sounds.backgrounds[rng.integers(len(sounds.backgrounds))]
    canvas = np.resize(np.roll(background, rng.integers(n)), n).astype("float32")
    # The course attenuates its backgrounds by 20 dB and does not change the words.
    canvas = _scaled(canvas, rng.uniform(-65, -25)) if vary else canvas / 10
    taken, ends = [], []

    def insert(sound, is_word):
        if vary:
            sound = _varied(sound, rng)
        for _ in range(10):
            start = int(rng.integers(n - len(sound)))
            stop = start + len(sound)
            if all(stop < a or b < start for a, b in taken):
                canvas[start:stop] += sound
                taken.append((start, stop))
                if is_word:
                    ends.append(stop / RATE)
                return

    for _ in range(rng.integers(5)):
        insert(sounds.activates[rng.integers(len(sounds.activates))], True)
    for _ in range(rng.integers(5 if vary else 3)):  # the course: at most two
        sound = sounds.negatives[rng.integers(len(sounds.negatives))]
        if vary and rng.uniform() < 0.3:
            sound = sounds.activates[rng.integers(len(sounds.activates))]
            half = int(len(sound) * rng.uniform(0.35, 0.6))
            sound = [sound[::-1], sound[:half], sound[half:]][rng.integers(3)]
        insert(sound, False)
    if vary:
        if rng.uniform() < 0.15:  # a recording that stops early
            stop = max((stop for _, stop in taken), default=0)
            canvas[stop + int(rng.uniform(0, 0.5) * RATE) :] = 0
        return _at_level(canvas, rng.uniform(-38, -12)), tuple(sorted(ends))
    return _at_level(canvas, -20), tuple(sorted(ends))


def _varied(sound, rng):
    """An augmented word (n,): speed and pitch, frequency response, room, level."""
    # Resampling changes speed and pitch together; the speed varies within the word.
    knots = rng.uniform(-0.15, 0.15) + rng.normal(0, 0.08, 5)
    speed = np.exp(np.interp(np.linspace(0, 4, len(sound)), np.arange(5), knots))
    at = np.cumsum(speed)
    sound = np.interp(at[at < len(sound) - 1], np.arange(len(sound)), sound)
    echo = int(0.15 * RATE)
    n = len(sound) + echo
    spectrum = np.fft.rfft(sound, n)
    # The microphone: a smooth frequency response with a deviation of 5 dB.
    knots = np.array([0, 200, 600, 1500, 4000, 9000, 22050])
    f = np.fft.rfftfreq(n, 1 / RATE)
    spectrum *= 10 ** (np.interp(f, knots, rng.normal(0, 5, len(knots))) / 20)
    if rng.uniform() < 0.5:
        decay = np.exp(-np.arange(echo) / (RATE * rng.uniform(0.01, 0.05)))
        room = decay * rng.normal(size=echo) * rng.uniform(0, 0.03)
        room[0] += 1
        spectrum *= np.fft.rfft(room, n)
    varied = np.fft.irfft(spectrum, n)[: len(sound)]
    return _scaled(varied, rng.uniform(-30, -14))


def _mono(clip):
    """The first channel at 44.1 kHz."""
    return clip.set_frame_rate(RATE).samples[:, 0]


def _scaled(sound, decibels):
    """The sound at a level in dBFS, float; silence stays silence."""
    rms = np.sqrt(np.mean(np.square(sound, dtype="float64")))
    return sound * (audio.LOUDEST * 10 ** (decibels / 20) / rms if rms else 0)


def _at_level(sound, decibels):
    loudest = audio.LOUDEST - 1
    return np.clip(np.rint(_scaled(sound, decibels)), -loudest, loudest).astype("int16")
