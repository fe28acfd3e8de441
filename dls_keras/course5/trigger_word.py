"""Trigger word detection: a network that listens for "activate" (C5 W3 A2).

The input is a spectrogram, the power of each frequency every 1.8 ms. A 1-D convolution
has a kernel of 15 of these frames and a stride of 4; two GRU layers follow, and a
sigmoid unit predicts, for each step, whether the word has just ended:

    x<f> = |FFT(window * 200 samples from sample 80 f)|^2      Tx = 5511 in 10 s
    a<t> = relu(BN(sum over k = 0 ... 14 of W_k x<4t+k> + b))  Ty = 1375
    y<t> = sigmoid(w GRU(GRU(a))<t> + b)

Labelled recordings are rare, so the training clips are synthesised: the word and other
words are overlaid on a background at known positions. The network is causal, so it can
process a recording of any length as a stream, block by block: `listen`.

Shapes: m clips, spectrograms (m, Tx, n_freq = 101), labels (m, Ty, 1).
Edition: 2021, which makes seven attempts to insert a clip and has Ty as an argument;
its `modelf` was `model` in 2017, with a GRU whose `reset_after` is False.
"""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras.converters import keras_h5
from dls_keras.core import (
    audio,
    examples,
    files,
    inputs,
    pretrained,
    settings,
    training,
    weights,
)
from dls_keras.core.answers import Answer, Row
from dls_keras.core.audio import RATE, Clip
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import keyword_clips
from dls_keras.fast import streaming

# Keras's Adam and Dropout on faster kernels; tests compare them.
from dls_keras.fast.layers import Adam, Dropout
from dls_keras.fast.recurrent import GRU

TX, TY, N_FREQ = 5511, 1375, 101
NFFT, STEP = 200, 80  # window length and hop of the spectrogram, in samples
FS = 8000  # Hz; the rate assumed by the course, which scales the spectrogram
KERNEL, STRIDE = 15, 4  # of the convolution, in frames
HOP = STRIDE * STEP  # samples from one output to the next: 7.3 ms
REACH = (KERNEL - 1) * STEP + NFFT  # receptive field of the convolution: 30 ms


# The assignment: the course's functions under the course's signatures.


def get_wav_info(wav_file):
    """The sample rate and the samples, (n,) or (n, channels) int16, of a wav file."""
    clip = audio.read(wav_file)
    return clip.frame_rate, clip.samples[:, 0] if clip.channels == 1 else clip.samples


def graph_spectrogram(wav_file):
    """The spectrogram (101, Tx) float64 of a wav file's first channel."""
    _, data = get_wav_info(wav_file)
    return spectrogram(data if data.ndim == 1 else data[:, 0]).T


def match_target_amplitude(sound, target_dBFS):
    """The sound with its level changed to `target_dBFS`."""
    return sound.apply_gain(target_dBFS - sound.dBFS)


def load_raw_audio(path):
    """The clips in the folders activates, negatives and backgrounds below `path`.

    Returns:
        activates, negatives, backgrounds: lists of `audio.Clip`, sorted by file name.
    """
    kinds = [Path(path) / kind for kind in ("activates", "negatives", "backgrounds")]
    found = [[audio.read(file) for file in sorted(k.glob("*.wav"))] for k in kinds]
    if not all(found):
        raise MissingFileError(
            f"Expected wav files in the folders activates, negatives and backgrounds "
            f"of {path}, found {[len(clips) for clips in found]}. Check the path."
        )
    return tuple(found)


def get_random_time_segment(segment_ms):
    """The first and last millisecond of a random segment of ten seconds."""
    start = np.random.randint(low=0, high=10_000 - segment_ms)
    return start, start + segment_ms - 1


def is_overlapping(segment_time, previous_segments):
    """Whether a segment (first ms, last ms) overlaps a previous one."""
    start, end = segment_time
    return any(start <= last and first <= end for first, last in previous_segments)


def insert_audio_clip(background, audio_clip, previous_segments):
    """Overlay a clip on the background without overlap; seven attempts are made.

    Returns:
        new_background: unchanged if no attempt succeeded.
        segment_time: (first ms, last ms), also appended to `previous_segments`; or
            (10000, 10000) if no attempt succeeded.
    """
    segment_ms = len(audio_clip)
    for _ in range(7):
        segment_time = get_random_time_segment(segment_ms)
        if not is_overlapping(segment_time, previous_segments):
            previous_segments.append(segment_time)
            return background.overlay(audio_clip, segment_time[0]), segment_time
    return background, (10_000, 10_000)


def insert_ones(y, segment_end_ms):
    """Set the 50 labels after the end of a segment to 1, in place; return y (1, Ty)."""
    Ty = y.shape[1]
    end = int(segment_end_ms * Ty / 10_000)
    y[0, end + 1 : end + 51] = 1
    return y


def create_training_example(background, activates, negatives, Ty):
    """A synthetic clip: 0 to 4 positives and 0 to 2 negatives, normalised to -20 dBFS.

    Args:
        background: a `Clip` of 10 s, which is attenuated by 20 dB.
        activates, negatives: lists of clips.

    Returns:
        x (101, Tx) float64 and y (1, Ty) float64.
    """
    background = background - 20
    y = np.zeros((1, Ty))
    previous_segments = []
    number = np.random.randint(0, 5)
    for i in np.random.randint(len(activates), size=number):
        background, (_, segment_end) = insert_audio_clip(
            background, activates[i], previous_segments
        )
        y = insert_ones(y, segment_end)
    number = np.random.randint(0, 3)
    for i in np.random.randint(len(negatives), size=number):
        background, _ = insert_audio_clip(background, negatives[i], previous_segments)
    background = match_target_amplitude(background, -20.0)
    return spectrogram(background.samples[:, 0]).T, y


@settings.keras_defaults()
def modelf(input_shape, *, gates="sigmoid", reset_after=True):
    """The course's network from (Tx, 101) to (Ty, 1), untrained.

    Args:
        gates, reset_after: of the GRUs; "keras2_hard_sigmoid" and False for the files
            of 2017.
    """
    kind = {
        "return_sequences": True,
        "recurrent_activation": keras_h5.gate_activation(gates),
        "reset_after": reset_after,
    }
    X_input = keras.Input(input_shape)
    X = layers.Conv1D(196, KERNEL, strides=STRIDE)(X_input)
    X = layers.BatchNormalization()(X)
    X = layers.Activation("relu")(X)
    X = Dropout(0.8)(X)
    X = GRU(128, **kind)(X)
    X = Dropout(0.8)(X)
    X = layers.BatchNormalization()(X)
    X = GRU(128, **kind)(X)
    X = Dropout(0.8)(X)
    X = layers.BatchNormalization()(X)
    X = Dropout(0.8)(X)
    X = layers.TimeDistributed(layers.Dense(1, activation="sigmoid"))(X)
    return keras.Model(X_input, X)


def detect_triggerword(filename, *, model=None):
    """The predictions (1, Ty, 1) for a wav file; `picture` plots them.

    Args:
        model: default: `load_pretrained()`.
    """
    samples = audio.mono(filename)
    return predict(model or load_pretrained(), samples[None])[..., None]


def chime_on_activate(
    filename, predictions, threshold, *, chime=None, output="chime_output.wav"
):
    """Write a wav file with a chime after each detection; return it as a clip.

    Args:
        predictions: (1, Ty, 1) from `detect_triggerword`.
        chime: a `Clip`; default: a bell.
    """
    clip = audio.read(filename)
    Ty = predictions.shape[1]
    for step in spikes(predictions[0, :, 0], threshold):
        position = int(1000 * step / Ty * clip.duration_seconds)
        clip = clip.overlay(chime or keyword_clips.make_chime(), position)
    audio.write(output, clip)
    return clip


def preprocess_audio(filename):
    """Trim or pad a wav file to ten seconds at 44.1 kHz, in place."""
    clip = audio.read(filename)[:10_000]
    padded = audio.silence(10_000, clip.frame_rate).overlay(clip)
    audio.write(filename, padded.set_frame_rate(RATE))


# The application: the names that every assignment shares.


def load_data(
    m: int = 32,
    seed: int = 0,
    *,
    processes: int = 1,
    recordings: bool = False,
    synthetic: bool = False,
) -> keyword_clips.Spoken:
    """m synthetic clips: x (m, 441000) int16, y (m, Ty).

    Args:
        processes: how many processes mix clips in parallel.
        recordings: half of the words and backgrounds are recordings of the course, as
            the shipped weights heard them; otherwise all are generated.
        synthetic: changes nothing without `recordings`, and replaces them with it.
    """
    sounds = keyword_clips.training_recordings(seed, real=recordings and not synthetic)
    return keyword_clips.mix(sounds, m, seed=seed, processes=processes)


@keras.saving.register_keras_serializable(package="dls_keras")
def log1p(x: tf.Tensor) -> tf.Tensor:
    """log(1 + x), under a name by which Keras finds it in a saved model."""
    return keras.ops.log1p(x)


@settings.keras_defaults()
def build_model(
    units: int = 64,
    *,
    network: str = "small",
    gates: str = "sigmoid",
    reset_after: bool = True,
) -> keras.Model:
    """A smaller network than the course's, for spectrograms of any length, untrained.

    It computes the logarithm of the power, as loudness is perceived.

    Args:
        network: "small", or "course" for the course's network, which has no logarithm
            and more units; `gates` and `reset_after` are those of `modelf`.
    """
    if network == "course":
        return modelf((None, N_FREQ), gates=gates, reset_after=reset_after)
    if network != "small":
        raise InputError(
            f"trigger_word has the networks small and course, not {network!r}."
        )
    X_input = keras.Input((None, N_FREQ))
    X = layers.Rescaling(10.0)(X_input)
    X = layers.Activation(log1p, name="logarithm")(X)
    X = layers.Conv1D(units, KERNEL, strides=STRIDE)(X)
    X = layers.BatchNormalization()(X)
    X = layers.Activation("relu")(X)
    X = Dropout(0.2)(X)
    X = GRU(units, return_sequences=True)(X)
    X = Dropout(0.3)(X)
    X = layers.BatchNormalization()(X)
    X = GRU(units, return_sequences=True)(X)
    X = Dropout(0.3)(X)
    X = layers.BatchNormalization()(X)
    X = layers.Dense(1, activation="sigmoid")(X)
    return keras.Model(X_input, X)


@examples.accepted(label_axes=1)
def train(
    model: keras.Model,
    data: keyword_clips.Spoken,
    *,
    epochs: int = 30,
    batch_size: int = 16,
    learning_rate: float = 0.002,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place; return each epoch's mean cross-entropy per step.

    Args:
        settings: further arguments of `core.training.fit`.
    """
    keras.utils.set_random_seed(seed)

    def loss_fn(x, y, training=True):
        y_hat = model(spectrograms(x), training=training)[..., 0]
        return tf.reduce_mean(keras.losses.binary_crossentropy(y, y_hat))

    steps = len(data.x) // batch_size
    return training.fit(
        loss_fn,
        (data.x, data.y),
        model.trainable_variables,
        Adam(
            keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps),
            clipnorm=1.0,
        ),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        jit_compile=False,  # on GPUs Keras uses cuDNN's GRU, which XLA cannot compile
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """The network with trained weights.

    Args:
        variant: "default" is shipped. "course" is the network of the course, which
            expects clips at about -20 dBFS.
    """
    if variant == "default":
        return weights.load(build_model(), "trigger_word")
    (path,) = weights.find_published("trigger_word", variant)
    return keras_h5.fill(modelf((None, N_FREQ)), keras_h5.read(path))


def predict(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """The probabilities (m, steps) float32 that the word has just ended.

    Args:
        x: (m, n) int16, sounds of equal length at 44.1 kHz.
    """
    # Ten seconds at a time: one shape, compiled once, for sounds of any length.
    return np.concatenate(list(_stream(model, [np.asarray(x)], TY)), axis=1)


def listen(
    model: keras.Model, blocks: Iterable[np.ndarray | Clip], *, steps: int = 55
) -> Iterator[np.ndarray]:
    """Streaming inference: the probabilities of a recording while it is being made.

    Between two blocks the sound that may belong to a later output (23 ms to 0.4 s) and
    the GRU states are kept, so a day of sound needs no more memory than a minute.

    Args:
        blocks: yields pieces (n,) int16 at 44.1 kHz, or clips, of any lengths.
        steps: outputs computed at a time; 55 are 0.4 s.

    Yields:
        (k,) float32, the probabilities of the next k steps; concatenated, they are
        those of `predict` for the whole recording.
    """
    pieces = (audio.mono(block)[None] for block in blocks)
    for probabilities in _stream(model, pieces, steps):
        yield probabilities[0]


def _stream(model, blocks, steps):
    """Probabilities (m, k), `steps` at a time, for sounds (m, n) that come in blocks.

    `fast.streaming` gives the outputs of the whole recording, as a test shows.
    """
    settings = {"steps": steps, "hop": HOP, "reach": REACH}
    for y in streaming.stream(model, _compiled_spectrograms, blocks, **settings):
        yield y[..., 0]


def seconds(step: int) -> float:
    """The start of the convolution's window at a step, in seconds: 7.3 ms per step."""
    return step * HOP / RATE


def spikes(
    probabilities: Sequence[float], threshold: float = 0.5, rest: int = 75
) -> list[int]:
    """The steps at which the word is detected.

    At these the probability exceeds the threshold, and more than `rest` steps (0.54 s,
    shorter than the word) have passed since the previous detection or the start.
    """
    found: list[int] = []
    last = -1
    for step in np.flatnonzero(np.asarray(probabilities) > threshold).tolist():
        if step - last > rest:
            found.append(step)
            last = step
    return found


@inputs.batched(inputs.SOUND, size=8)
def infer(model: keras.Model, sounds: Any, *, threshold: float = 0.5) -> list[Answer]:
    """Detect the word "activate": how often and when.

    Args:
        sounds: a path, the bytes or a file object of a wav file, a `Clip`, or samples
            (n,) at 44.1 kHz as `audio.mono` takes them, of any length; or a list of
            them. A recording whose loudest sample is below -30 dBFS is amplified.

    Returns:
        An `Answer` such as "3 times: at 3.8, 6.5 and 8.6 s". Its confidence is the
        mean of the maximum probabilities within 0.36 s after each detection; without
        a detection, one minus the maximum probability. `details` has "times" in seconds
        and "probabilities" (steps,).

    Raises:
        InputError: if the sound is empty or cannot be read.
    """
    recordings = [audio.amplified(audio.mono(sound)) for sound in sounds]
    if not all(samples.size for samples in recordings):
        raise InputError("The sound is empty. Expected one sample or more.")
    # A word at the very end is detected in half a second of silence after it.
    padded = [np.pad(samples, (0, RATE // 2)) for samples in recordings]
    y_hat = inputs.by_shape(padded, functools.partial(predict, model))
    pairs = zip(recordings, y_hat, strict=True)
    return [_answer(samples, p, threshold) for samples, p in pairs]


def _answer(samples, probabilities, threshold):
    """The answer for one recording, from the probabilities of its steps."""
    found = spikes(probabilities, threshold)
    times = [min(seconds(step), len(samples) / RATE) for step in found]
    peaks = [
        probabilities[step : step + keyword_clips.WORD_ENDED].max() for step in found
    ]
    return Answer(
        _describe(times),
        np.mean(peaks) if found else 1 - probabilities.max(),
        times=times,
        probabilities=probabilities,
        for_picture={"samples": samples},
    )


def _describe(times):
    """ "never", "once: at 3.8 s", "3 times: at 3.8, 6.5 and 8.6 s"."""
    if not times:
        return "never"
    *others, last = (f"{time:.1f}" for time in times)
    often = f"{len(times)} times" if others else "once"
    return f"{often}: at {' and '.join([', '.join(others)] * bool(others) + [last])} s"


def f1(
    model: keras.Model, data: keyword_clips.Spoken, *, threshold: float = 0.5
) -> float:
    """The F1 score of the detections, in [0, 1]: 2 hits / (words + detections).

    A detection is a hit if it is within half a second of the end of a word that no
    earlier detection has hit. Misses, false alarms and double detections lower it.
    """
    detections = []
    for start in range(0, len(data.x), 20):
        for p in predict(model, data.x[start : start + 20]):
            detections.append([seconds(step) for step in spikes(p, threshold)])
    return keyword_clips.f1(detections, data.ends)


def evaluate(model: keras.Model | None = None, *, synthetic: bool = False) -> list[Row]:
    """F1 on clips synthesised from held-out recordings and held-out generated voices.

    The rows of recordings need the course's data: one recording of each speaker, and
    the second background, are held out.

    Args:
        synthetic: only generated voices, so that no files are read.
    """
    model = model or load_pretrained()

    def score(recordings, **how):
        return f1(model, keyword_clips.mix(recordings, 100, seed=1, **how))

    made = keyword_clips.make_recordings(40, 80, 8, seed=1, held_out=True)
    generated = "F1, 100 clips of held-out generated voices"
    rows = [Row(generated, score(made), at_least=0.95)]
    if synthetic:
        return rows
    try:
        real = keyword_clips.load_recordings(held_out=True)
    except MissingFileError:
        return rows
    plain = score(real, vary=False)
    return [
        Row("F1, 100 clips of held-out recordings", plain, at_least=0.95),
        Row("F1, 100 clips of them, pitch and reverberation varied", score(real)),
        *rows,
    ]


def picture(sound: Any, answer: Answer) -> Any:
    """The waveform, the spectrogram and the probabilities, a matplotlib figure."""
    from dls_keras import plots  # lazy import of matplotlib

    samples = answer.for_picture["samples"]
    return plots.listening(
        samples / audio.LOUDEST,
        spectrogram(np.pad(samples, (0, max(0, NFFT - len(samples))))),
        answer.details["probabilities"],
        rate=RATE,
        hop=HOP,
        marks=answer.details["times"],
        title=f"{keyword_clips.speech_synthesis.TRIGGER!r} {answer}",
    )


def example() -> tuple[str, Any]:
    """The question of the tour: a recording of the course, if it is available."""
    if path := files.in_data_folder("trigger_word/raw_data/dev/1.wav"):
        return "When does somebody say 'activate' in the course's dev/1.wav?", str(path)
    sound = keyword_clips.example()
    return "When do generated voices say 'activate'?", sound


# The course's spectrogram (n,) -> (Tx, 101) float64. The course assumes a rate of 8000
# Hz, although its files have 44,100 Hz; this only scales the numbers.
spectrogram = functools.partial(audio.power_spectrogram, window=NFFT, hop=STEP, rate=FS)
# The same for sounds (m, n) in the graph: (m, Tx, 101) float32.
spectrograms = functools.partial(
    streaming.power_spectrogram, window=NFFT, hop=STEP, rate=FS
)
_compiled_spectrograms = tf.function(spectrograms)
