"""Sound in NumPy arrays: wav files, and clips that are cut, laid over and made louder.

A `Clip` behaves as an `AudioSegment` of pydub, down to its int16 arithmetic: lengths
and places are in milliseconds, gains in decibels, a sum that is too loud is cut off.
Its levels are in dBFS, decibels below the loudest square wave there can be:

    dBFS = 20 log10(rms / 32768)

Files are wav of any rate, width and number of channels; every clip holds int16.
"""

import dataclasses
import warnings
from math import gcd
from pathlib import Path

import numpy as np
import scipy  # whose parts load, in most of a second, when they are used

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.files import atomic_write, what_is

RATE = 44_100  # samples a second, as on a compact disc and in the course
LOUDEST = 32_768


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """A piece of sound that never changes: each method gives a new one.

    `len` is its length in ms, `clip[500:1500]` the second in the middle, `clip + 6`
    is 6 dB louder, `clip + other` plays one after the other.

    Args:
        samples: (n,) or (n, channels) int16, kept as (n, channels).
        frame_rate: samples a second.
    """

    samples: np.ndarray
    frame_rate: int = RATE

    def __post_init__(self):
        samples = np.asarray(self.samples)
        if samples.dtype != np.int16 or samples.ndim not in (1, 2):
            raise InputError(
                "The samples of a clip are (n,) or (n, channels) int16, received "
                f"{samples.shape} {samples.dtype}. `audio.int16` converts others."
            )
        columns = samples[:, None] if samples.ndim == 1 else samples
        object.__setattr__(self, "samples", columns)

    @property
    def channels(self) -> int:
        """1 of mono, 2 of stereo."""
        return self.samples.shape[1]

    @property
    def duration_seconds(self) -> float:
        """The length in seconds, exact where `len` is rounded."""
        return len(self.samples) / self.frame_rate

    @property
    def rms(self) -> int:
        """The root of the mean square over all channels, cut to a whole number."""
        wide = self.samples.astype("float64")
        return int(np.sqrt(np.mean(wide**2))) if wide.size else 0

    @property
    def dBFS(self) -> float:
        """The level, at most 0; -inf for silence."""
        return 20 * np.log10(self.rms / LOUDEST) if self.rms else -np.inf

    def __len__(self) -> int:
        return round(1000 * self.duration_seconds)

    def __getitem__(self, milliseconds: slice) -> "Clip":
        start, stop, step = milliseconds.indices(len(self))
        if step != 1:
            raise InputError(f"A clip is cut in steps of 1 ms, received {step}.")
        start, stop = self._frame(start), self._frame(max(start, stop))
        if milliseconds.stop is None:
            stop = len(self.samples)  # what `len` rounds away belongs to the end
        return self._with(self.samples[start:stop])

    def __add__(self, other) -> "Clip":
        if not isinstance(other, Clip):
            return self.apply_gain(other)
        mine, its = self._alike(other)
        return mine._with(np.concatenate([mine.samples, its.samples]))

    def __sub__(self, decibels: float) -> "Clip":
        return self.apply_gain(-decibels)

    def apply_gain(self, decibels: float) -> "Clip":
        """The clip louder or, below 0, softer; rounded down, cut at the loudest."""
        if not self.samples.any():
            return self  # no gain makes silence sound
        louder = np.floor(self.samples * 10 ** (decibels / 20))
        return self._with(_cut(louder))

    def overlay(self, other: "Clip", position: int = 0) -> "Clip":
        """The clip with another laid over it from `position` ms on.

        The length stays; what of `other` reaches beyond is left out. The result has
        the larger rate and number of channels of the two.
        """
        mine, its = self._alike(other)
        start = mine._frame(position)
        room = mine.samples[start : start + len(its.samples)]
        mixed = mine.samples.copy()
        total = room.astype("int32") + its.samples[: len(room)]
        mixed[start : start + len(room)] = _cut(total)
        return mine._with(mixed)

    def set_frame_rate(self, rate: int) -> "Clip":
        """The same sound at another rate, by a polyphase filter (pydub: by lines)."""
        if rate == self.frame_rate:
            return self
        common = gcd(rate, self.frame_rate)
        wide = self.samples.astype("float64")
        up, down = rate // common, self.frame_rate // common
        filtered = scipy.signal.resample_poly(wide, up, down)
        return Clip(_cut(np.rint(filtered)), rate)

    def set_channels(self, channels: int) -> "Clip":
        """Of one channel several equal ones, of several their mean, rounded down."""
        if channels == self.channels:
            return self
        if self.channels == 1:
            return self._with(np.repeat(self.samples, channels, axis=1))
        if channels == 1:
            mean = np.floor(self.samples.mean(axis=1, keepdims=True))
            return self._with(mean.astype(np.int16))
        raise InputError(
            f"{self.channels} channels become 1 or stay, received {channels}."
        )

    def _frame(self, milliseconds):
        return min(int(milliseconds * self.frame_rate / 1000), len(self.samples))

    def _with(self, samples):
        return Clip(samples, self.frame_rate)

    def _alike(self, other):
        """Both clips with the larger rate and the larger number of channels."""
        rate = max(self.frame_rate, other.frame_rate)
        channels = max(self.channels, other.channels)
        return (c.set_frame_rate(rate).set_channels(channels) for c in (self, other))


def silence(milliseconds: int, frame_rate: int = RATE) -> Clip:
    """So many milliseconds of nothing, mono."""
    return Clip(np.zeros(int(milliseconds * frame_rate / 1000), np.int16), frame_rate)


def int16(samples: np.ndarray) -> np.ndarray:
    """Samples of another width as int16.

    Args:
        samples: integers that use their type's whole range (uint8 has 128 for
            silence), or floats in [-1, 1]; louder ones are cut off.

    Raises:
        InputError: if they are of another type, or not finite.
    """
    samples = np.asarray(samples)
    kind, width = samples.dtype.kind, 8 * samples.dtype.itemsize
    if samples.dtype == np.uint8:
        return (samples.astype(np.int16) - 128) << 8
    if kind == "i" and width >= 16:
        return (samples >> (width - 16)).astype(np.int16)
    if kind != "f":
        raise InputError(
            "Expected samples as uint8, int16, int32 or float, received "
            f"{samples.dtype}. Convert them first."
        )
    if not np.isfinite(samples).all():
        raise InputError("Some samples are infinite or no numbers. Mend the sound.")
    return _cut(np.rint(samples.astype("float64") * LOUDEST))


def read(path: str | Path) -> Clip:
    """The clip in a wav file of 8, 16, 24 or 32 bits or floats.

    Raises:
        MissingFileError: if there is no file.
        InputError: if it is no wav file that can be read, or one without sound.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no sound at {path}. Check the path.")
    try:
        with warnings.catch_warnings():
            # Of chunks that are no sound, such as the name of a song.
            warnings.simplefilter("ignore", scipy.io.wavfile.WavFileWarning)
            rate, samples = scipy.io.wavfile.read(path)
    except Exception as error:  # damage shows in many ways
        raise InputError(
            f"{path} is no wav file that can be read ({error}); it is "
            f"{what_is(path)}. Expected uncompressed sound; "
            "`ffmpeg -i FILE sound.wav` converts others."
        ) from error
    if not samples.size or not rate:
        raise InputError(f"{path} holds no sound: {samples.shape} at {rate} Hz.")
    return Clip(int16(samples), rate)


def write(path: str | Path, sound: Clip | np.ndarray, rate: int = RATE) -> None:
    """Write a wav file of 16 bits, whole or not at all.

    Args:
        sound: a clip, which has its own rate, or an array (n,) or (n, channels) as
            `int16` takes it.
        rate: samples a second, of an array.
    """
    clip = sound if isinstance(sound, Clip) else Clip(int16(sound), rate)
    with atomic_write(path) as temporary:
        scipy.io.wavfile.write(temporary, clip.frame_rate, clip.samples)


def _cut(samples):
    return np.clip(samples, -LOUDEST, LOUDEST - 1).astype(np.int16)
