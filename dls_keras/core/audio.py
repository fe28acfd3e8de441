"""Sound as NumPy arrays: wav files, and clips that are sliced, overlaid and amplified.

A `Clip` behaves like an `AudioSegment` of pydub, including its int16 arithmetic:
lengths and positions are in milliseconds, gains in decibels, and sums are clipped.
Levels are in dBFS, decibels relative to full scale:

    dBFS = 20 log10(rms / 32768)

Wav files may have any sample rate, sample width and number of channels; clips are
int16.
"""

import dataclasses
import warnings
from math import gcd
from pathlib import Path

import numpy as np
import scipy  # its submodules are imported lazily; they take most of a second

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.files import atomic_write, what_is

RATE = 44_100  # samples per second, as on a compact disc and in the course
LOUDEST = 32_768  # full scale


@dataclasses.dataclass(frozen=True, eq=False)
class Clip:
    """An immutable piece of sound; each method returns a new one.

    `len(clip)` is its length in ms, `clip[500:1500]` a slice in ms, `clip + 6` is 6 dB
    louder, `clip + other` is the concatenation.

    Args:
        samples: (n,) or (n, channels) int16, stored as (n, channels).
        frame_rate: samples per second.
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
        """1 for mono, 2 for stereo."""
        return self.samples.shape[1]

    @property
    def duration_seconds(self) -> float:
        """The exact length in seconds; `len` is rounded."""
        return len(self.samples) / self.frame_rate

    @property
    def rms(self) -> int:
        """The root mean square over all channels, rounded down to an integer."""
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
            raise InputError(f"The step of a slice must be 1 ms, received {step}.")
        start, stop = self._frame(start), self._frame(max(start, stop))
        if milliseconds.stop is None:
            stop = len(self.samples)  # including what `len` rounds away
        return self._with(self.samples[start:stop])

    def __add__(self, other) -> "Clip":
        if not isinstance(other, Clip):
            return self.apply_gain(other)
        mine, its = self._alike(other)
        return mine._with(np.concatenate([mine.samples, its.samples]))

    def __sub__(self, decibels: float) -> "Clip":
        return self.apply_gain(-decibels)

    def apply_gain(self, decibels: float) -> "Clip":
        """The clip with a gain in dB, rounded down and clipped."""
        if not self.samples.any():
            return self  # silence
        louder = np.floor(self.samples * 10 ** (decibels / 20))
        return self._with(_clip_to_int16(louder))

    def overlay(self, other: "Clip", position: int = 0) -> "Clip":
        """The sum of the clip and another that starts at `position` ms.

        The length does not change; `other` is cut at the end. The result has the larger
        sample rate and number of channels of the two.
        """
        mine, its = self._alike(other)
        start = mine._frame(position)
        room = mine.samples[start : start + len(its.samples)]
        mixed = mine.samples.copy()
        total = room.astype("int32") + its.samples[: len(room)]
        mixed[start : start + len(room)] = _clip_to_int16(total)
        return mine._with(mixed)

    def set_frame_rate(self, rate: int) -> "Clip":
        """Resample with a polyphase filter (pydub interpolates linearly)."""
        if rate == self.frame_rate:
            return self
        common = gcd(rate, self.frame_rate)
        wide = self.samples.astype("float64")
        up, down = rate // common, self.frame_rate // common
        filtered = scipy.signal.resample_poly(wide, up, down)
        return Clip(_clip_to_int16(np.rint(filtered)), rate)

    def set_channels(self, channels: int) -> "Clip":
        """Repeat one channel, or average several, rounded down."""
        if channels == self.channels:
            return self
        if self.channels == 1:
            return self._with(np.repeat(self.samples, channels, axis=1))
        if channels == 1:
            mean = np.floor(self.samples.mean(axis=1, keepdims=True))
            return self._with(mean.astype(np.int16))
        raise InputError(
            f"A clip of {self.channels} channels can only be converted to 1, received "
            f"channels={channels}."
        )

    def _frame(self, milliseconds):
        return min(int(milliseconds * self.frame_rate / 1000), len(self.samples))

    def _with(self, samples):
        return Clip(samples, self.frame_rate)

    def _alike(self, other):
        """Both clips with the larger sample rate and number of channels."""
        rate = max(self.frame_rate, other.frame_rate)
        channels = max(self.channels, other.channels)
        return (c.set_frame_rate(rate).set_channels(channels) for c in (self, other))


def silence(milliseconds: int, frame_rate: int = RATE) -> Clip:
    """Silence of so many milliseconds, mono."""
    return Clip(np.zeros(int(milliseconds * frame_rate / 1000), np.int16), frame_rate)


def int16(samples: np.ndarray) -> np.ndarray:
    """Samples of another width as int16.

    Args:
        samples: integers that use the full range of their type (in uint8, 128 is
            silence), or floats in [-1, 1], which are clipped.

    Raises:
        InputError: if they have another type, or are not finite.
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
        raise InputError("Some samples are infinite or not a number. Remove them.")
    return _clip_to_int16(np.rint(samples.astype("float64") * LOUDEST))


def read(path: str | Path) -> Clip:
    """The clip in a wav file of 8, 16, 24 or 32 bits or floats.

    Raises:
        MissingFileError: if there is no file.
        InputError: if it is not a wav file that can be read, or it is empty.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no sound file at {path}. Check the path.")
    try:
        with warnings.catch_warnings():
            # About chunks other than sound, such as the title.
            warnings.simplefilter("ignore", scipy.io.wavfile.WavFileWarning)
            rate, samples = scipy.io.wavfile.read(path)
    except Exception as error:  # damaged files raise many types
        raise InputError(
            f"{path} is not a wav file that can be read ({error}); it is "
            f"{what_is(path)}. Expected uncompressed sound; "
            "`ffmpeg -i FILE sound.wav` converts other formats."
        ) from error
    if not samples.size or not rate:
        raise InputError(f"{path} is empty: {samples.shape} samples at {rate} Hz.")
    return Clip(int16(samples), rate)


def mono(sound: str | Path | Clip | np.ndarray, rate: int = RATE) -> np.ndarray:
    """The first channel (n,) int16 of a path, a clip or an array, at a sample rate.

    Args:
        sound: an array (n,) or (n, channels) as `int16` takes it has this rate already.
    """
    if isinstance(sound, str | Path):
        sound = read(sound)
    elif not isinstance(sound, Clip):
        sound = Clip(int16(sound), rate)
    return sound.set_frame_rate(rate).samples[:, 0]


def power_spectrogram(
    samples: np.ndarray, *, window: int, hop: int, rate: float
) -> np.ndarray:
    """The power spectral density, as `matplotlib.mlab.specgram` defines it.

    Args:
        samples: (n,), n at least `window`.
        window, hop: samples per Hann window, and from one window to the next.
        rate: samples per second, which scale the density.

    Returns:
        (frames, window / 2 + 1) float64.
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, window)[::hop]
    hann = np.hanning(window)
    power = np.abs(np.fft.rfft(windows * hann)) ** 2
    power[:, 1:-1] *= 2  # for the negative frequencies
    return power / (rate * np.sum(hann**2))


def write(path: str | Path, sound: Clip | np.ndarray, rate: int = RATE) -> None:
    """Write a 16-bit wav file, completely or not at all.

    Args:
        sound: a clip, or an array (n,) or (n, channels) as `int16` takes it.
        rate: samples per second of an array; a clip has its own.
    """
    clip = sound if isinstance(sound, Clip) else Clip(int16(sound), rate)
    with atomic_write(path) as temporary:
        scipy.io.wavfile.write(temporary, clip.frame_rate, clip.samples)


def _clip_to_int16(samples):
    return np.clip(samples, -LOUDEST, LOUDEST - 1).astype(np.int16)
