"""Sound as NumPy arrays: wav files, and clips that are sliced, overlaid and amplified.

A `Clip` behaves like an `AudioSegment` of pydub, including its int16 arithmetic:
lengths and positions are in milliseconds, gains in decibels, and sums are clipped.
Levels are in dBFS, decibels relative to full scale:

    dBFS = 20 log10(rms / 32768)

Wav files may have any sample rate, sample width and number of channels; clips are
int16.
"""

import contextlib
import dataclasses
import io
import os
import struct
import warnings
from collections.abc import Iterator
from math import gcd
from pathlib import Path
from typing import IO, Any

import numpy as np
import scipy  # its submodules are imported lazily; they take most of a second

from dls_keras.core import files, readers
from dls_keras.core.errors import InputError
from dls_keras.core.files import atomic_write

RATE = 44_100  # samples per second, as on a compact disc and in the course
LOUDEST = 32_768  # full scale
LOUDEST_FLOAT = 2.0  # decoders exceed 1 a little; more is another scale
MOST_SAMPLES = 200_000_000  # of a compressed file: 75 minutes of stereo
RATES = (1_000, 768_000)  # samples per second that sound cards and files have
UNKNOWN_LENGTH = 0xFFFF_FF00  # a declared length beyond this is none
ADVICE = "Expected uncompressed sound; `ffmpeg -i FILE sound.wav` converts others."


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
        InputError: if they have another type, are not finite, or are floats of the
            range of integers.
    """
    samples = np.asarray(samples)
    if samples.dtype == np.uint8:
        return (samples.astype(np.int16) - 128) << 8
    if samples.dtype.kind == "i" and samples.dtype.itemsize > 1:
        return _shifted(samples, 8 * samples.dtype.itemsize)
    kind = samples.dtype.kind
    if kind != "f":
        raise InputError(
            "Expected samples as uint8, int16, int32 or float, received "
            f"{samples.dtype}. Convert them first."
        )
    if not np.isfinite(samples).all():
        raise InputError("Some samples are infinite or not a number. Remove them.")
    peak = np.abs(samples).max(initial=0)
    if peak > LOUDEST_FLOAT:
        raise InputError(
            f"Expected floats in [-1, 1], received values up to {peak:g}. Divide "
            "16-bit samples by 32768, or pass them as int16."
        )
    return _clip_to_int16(np.rint(samples.astype("float64") * LOUDEST))


def _shifted(samples, bits):
    """Integers of so many bits as int16."""
    return (samples >> (bits - 16)).astype(np.int16)


def read(source: str | Path | bytes | IO[bytes]) -> Clip:
    """The clip in a wav file of 8, 16, 24 or 32 bits or floats.

    With `soundfile` (extra `sound`) also in an mp3, flac or ogg file.

    Args:
        source: a path, the bytes of a file, or a binary file object, which is read
            from its beginning.

    Raises:
        MissingFileError: if there is no file.
        InputError: if it is not a sound file that can be read, or it is empty.
    """
    with _opened(source) as (file, name), warnings.catch_warnings():
        # About chunks other than sound, such as the title.
        warnings.simplefilter("ignore", scipy.io.wavfile.WavFileWarning)
        is_wav = _is_wav(file, name)
        file.seek(0)
        if is_wav:
            rate, samples = scipy.io.wavfile.read(file)
        else:
            rate, samples = _decoded(file, name)
    if not samples.size:
        raise InputError(f"{name} is empty: {samples.shape} samples at {rate} Hz.")
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            f"{name} has {rate} samples per second, expected {RATES[0]} to {RATES[1]}. "
            f"{ADVICE}"
        )
    return Clip(int16(samples), rate)


@contextlib.contextmanager
def _opened(source: Any) -> Iterator[tuple[IO[bytes], str]]:
    """The binary file of a source and its name; errors in the block are explained."""
    if isinstance(source, str | Path):
        path = files.expanded(source)
        with readers.reading(path, "a sound file", ADVICE), open(path, "rb") as file:
            yield file, str(source)
        return
    try:
        content = source
        if hasattr(source, "read"):
            if source.seekable():
                source.seek(0)
            content = source.read(readers.LARGEST + 1)
        if len(content) > readers.LARGEST:
            raise ValueError(f"it has more than {files.size(readers.LARGEST)}")
        yield io.BytesIO(content), "The sound"
    except InputError:
        raise
    except Exception as error:  # a decoder may raise anything
        first_line = (str(error) or type(error).__name__).split("\n")[0][:200]
        message = f"The sound is not a sound file ({first_line}). {ADVICE}"
        raise InputError(message) from error


def _decoded(file, name):
    """The rate and the samples of a compressed file, which `soundfile` decodes."""
    try:
        import soundfile  # lazy import of an extra
    except ImportError:
        raise InputError(
            f"{name} is not a wav file. {ADVICE} With "
            "`pip install 'dls-keras[sound]'`, mp3, flac and ogg files are read, too."
        ) from None
    with soundfile.SoundFile(file) as sound:
        if sound.frames * sound.channels > MOST_SAMPLES:
            raise InputError(
                f"{name} has {sound.frames:,} samples in {sound.channels} channels, "
                f"more than {MOST_SAMPLES:,}. Cut it first."
            )
        return sound.samplerate, sound.read(dtype="int16", always_2d=True)


def _is_wav(file, name):
    """Whether it is a wav file.

    A program that writes to a pipe does not know the length of what follows: it
    declares 0 or the largest number, and the samples end with the file.

    Raises:
        InputError: if it is one, but ends before its samples do.
    """
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    kind = file.read(4)
    if kind not in (b"RIFF", b"RIFX"):
        return False
    order = ">" if kind == b"RIFX" else "<"
    file.seek(12)  # after the kind, the size and "WAVE"
    while len(header := file.read(8)) == 8:
        chunk, length = struct.unpack(f"{order}4sI", header)
        left = size - file.tell()
        if chunk == b"data":
            if left < length < UNKNOWN_LENGTH:
                raise InputError(
                    f"{name} is cut: it declares {length:,} bytes of sound and has "
                    f"{left:,}. Use the complete file."
                )
            return True
        file.seek(length + length % 2, os.SEEK_CUR)
    return True


def mono(sound: Any, rate: int = RATE) -> np.ndarray:
    """The loudest channel (n,) int16 of a sound, at a sample rate.

    A microphone is often on one channel of several; a constant offset is not loud.

    Args:
        sound: a path, the bytes of a file or a file object, as `read` takes them, a
            clip, or an array (n,), (n, channels) or (channels, n) as `int16` takes it,
            which has this rate already. Of integers wider than 16 bits, the values
            tell how many bits they use: 16, 24 or 32.
    """
    in_a_file = isinstance(sound, str | Path | bytes | bytearray | memoryview)
    if in_a_file or hasattr(sound, "read"):
        sound = read(sound)
    elif not isinstance(sound, Clip):
        sound = Clip(_samples(sound), rate)
    samples = sound.samples
    if sound.channels > 1:
        loudest = np.argmax(samples.std(axis=0)) if samples.size else 0
        sound = Clip(samples[:, loudest], sound.frame_rate)
    return sound.set_frame_rate(rate).samples[:, 0]


def amplified(samples: np.ndarray, quiet: int = 1024, peak: int = 8192) -> np.ndarray:
    """A recording whose loudest sample is below `quiet`, amplified to `peak`.

    Louder recordings, and silence, are returned as they are.

    Args:
        samples: (n,) int16.
    """
    loudest = int(np.abs(samples.astype("int32")).max(initial=0))
    if not 0 < loudest < quiet:
        return samples
    return np.rint(samples * (peak / loudest)).astype(np.int16)


def _samples(array):
    """An array of unknown origin as int16, (n,) or (n, channels)."""
    array = np.asarray(array)
    if array.ndim == 2 and array.shape[0] < array.shape[1]:
        array = array.T  # channels first
    if array.dtype.kind == "i" and array.dtype.itemsize > 2 and array.size:
        largest = max(-int(array.min()), int(array.max()) + 1)
        for bits in (16, 24, 32):
            if largest <= 1 << (bits - 1):
                return _shifted(array, bits)
    return int16(array)


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
