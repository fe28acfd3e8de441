"""Trigger word detection: a network that waits for "activate" (C5 W3 A2).

Sound becomes a spectrogram, the power of each frequency every 1.8 ms. A convolution
looks at 15 of these columns at a time and moves on by four; two layers of GRU remember
what was heard; and a unit says, for each step, whether the word has just ended:

    x<f> = |FFT(window * 200 samples from sample 80 f)|^2      Tx = 5511 in 10 s
    a<t> = relu(BN(sum over k = 0 ... 14 of W_k x<4t+k> + b))  Ty = 1375
    y<t> = sigmoid(w GRU(GRU(a))<t> + b)

Nobody has hours of such recordings with labels, so they are mixed: the word and other
words are laid over a background, and where they were laid is known. Because nothing
looks ahead, the network hears a recording of any length block by block: `listen`.

Shapes: m clips, spectrograms (m, Tx, n_freq = 101), labels (m, Ty, 1).
Edition: 2021, which tries an insertion seven times and takes Ty as an argument; its
`modelf` was `model` in 2017, with a GRU whose `reset_after` is False.
"""

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras.converters import keras_h5
from dls_keras.core import audio, files, training, weights
from dls_keras.core.answers import Answer
from dls_keras.core.audio import RATE, Clip
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import keyword_clips
from dls_keras.fast import recurrent
from dls_keras.fast.layers import Adam, Dropout
from dls_keras.fast.recurrent import GRU

TX, TY, N_FREQ = 5511, 1375, 101
NFFT, STEP = 200, 80  # samples in a window of the spectrogram, and between two
FS = 8000  # Hz; what the course takes for the rate, which scales the spectrogram
KERNEL, STRIDE = 15, 4  # columns under the convolution, and between two steps
HOP = STRIDE * STEP  # samples from one output to the next: 7.3 ms
REACH = (KERNEL - 1) * STEP + NFFT  # samples one output looks at: 30 ms
NO_SOUND = "There is no sound. Expected one sample or more; check the recording."


# The assignment: the course's functions under the course's signatures.


def get_wav_info(wav_file):
    """The rate and the samples, (n,) or (n, channels) int16, of a wav file."""
    clip = audio.read(wav_file)
    return clip.frame_rate, clip.samples[:, 0] if clip.channels == 1 else clip.samples


def graph_spectrogram(wav_file):
    """The spectrogram (101, Tx) float64 of a wav file's first channel.

    The course draws it, too; `picture` does that here.
    """
    _, data = get_wav_info(wav_file)
    return spectrogram(data if data.ndim == 1 else data[:, 0]).T


def match_target_amplitude(sound, target_dBFS):
    """The sound at a level of so many dBFS."""
    return sound.apply_gain(target_dBFS - sound.dBFS)


def load_raw_audio(path):
    """The clips in the folders activates, negatives and backgrounds below `path`.

    Returns:
        activates, negatives, backgrounds: lists of `audio.Clip`, by name of the file.
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
    """The first and last ms of a segment somewhere in ten seconds."""
    start = np.random.randint(low=0, high=10_000 - segment_ms)
    return start, start + segment_ms - 1


def is_overlapping(segment_time, previous_segments):
    """Whether a segment (first ms, last ms) shares a ms with an earlier one."""
    start, end = segment_time
    return any(start <= last and first <= end for first, last in previous_segments)


def insert_audio_clip(background, audio_clip, previous_segments):
    """Lay a clip over the background where no other one is; seven places are tried.

    Returns:
        new_background: as it was, if none of them was free.
        segment_time: (first ms, last ms), which also joins `previous_segments`; or
            (10000, 10000), which does not.
    """
    segment_ms = len(audio_clip)
    for _ in range(7):
        segment_time = get_random_time_segment(segment_ms)
        if not is_overlapping(segment_time, previous_segments):
            previous_segments.append(segment_time)
            return background.overlay(audio_clip, segment_time[0]), segment_time
    return background, (10_000, 10_000)


def insert_ones(y, segment_end_ms):
    """Set the 50 labels after a segment's end to 1, in place; return y (1, Ty)."""
    Ty = y.shape[1]
    end = int(segment_end_ms * Ty / 10_000)
    y[0, end + 1 : end + 51] = 1
    return y


def create_training_example(background, activates, negatives, Ty):
    """One mixed clip: up to four times the word, up to two others, at -20 dBFS.

    Args:
        background: a `Clip` of 10 s, which is lowered by 20 dB.
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


def modelf(input_shape):
    """The course's network from (Tx, 101) to (Ty, 1), untrained."""
    X_input = keras.Input(input_shape)
    X = layers.Conv1D(196, KERNEL, strides=STRIDE)(X_input)
    X = layers.BatchNormalization()(X)
    X = layers.Activation("relu")(X)
    X = Dropout(0.8)(X)
    X = GRU(128, return_sequences=True)(X)
    X = Dropout(0.8)(X)
    X = layers.BatchNormalization()(X)
    X = GRU(128, return_sequences=True)(X)
    X = Dropout(0.8)(X)
    X = layers.BatchNormalization()(X)
    X = Dropout(0.8)(X)
    X = layers.TimeDistributed(layers.Dense(1, activation="sigmoid"))(X)
    return keras.Model(X_input, X)


def detect_triggerword(filename, *, model=None):
    """The predictions (1, Ty, 1) for a wav file; `picture` draws them.

    Args:
        model: by default the one of `load_pretrained`.
    """
    samples = _samples(audio.read(filename))
    return predict(model or load_pretrained(), samples[None])[..., None]


def chime_on_activate(
    filename, predictions, threshold, *, chime=None, output="chime_output.wav"
):
    """Write a wav file in which a chime follows each word; return it as a clip.

    Args:
        predictions: (1, Ty, 1) of `detect_triggerword`.
        chime: a `Clip`; by default a bell.
    """
    clip = audio.read(filename)
    Ty = predictions.shape[1]
    for step in spikes(predictions[0, :, 0], threshold):
        position = int(1000 * step / Ty * clip.duration_seconds)
        clip = clip.overlay(chime or keyword_clips.make_chime(), position)
    audio.write(output, clip)
    return clip


def preprocess_audio(filename):
    """Cut a wav file to ten seconds or fill it up with silence, at 44.1 kHz, in place.

    `infer` and `listen` need none of this.
    """
    clip = audio.read(filename)[:10_000]
    padded = audio.silence(10_000, clip.frame_rate).overlay(clip)
    audio.write(filename, padded.set_frame_rate(RATE))


# The application: the names that every assignment shares.

_COMMIT = "cd9cb9a20b62aa2e1fbe52766a09f12edbb19001"
MY_AUDIO = files.Remote(
    name="trigger_word/audio_examples/my_audio.wav",
    sha256="ebeca83419e48d23d92e56c014df63c4dc685ab5dc8c005c416672e99ad0b1e9",
    instead="It is one of the course's audio_examples; put it to $DLS_KERAS_DATA.",
)
COURSE_SPIKES = 526, 887, 1180  # where the course's weights spike in it


def load_data(m=32, seed=0, *, processes=1):
    """m mixed clips `keyword_clips.Spoken`: x (m, 441000) int16, y (m, Ty).

    Half of what they are mixed of are the course's recordings, where these are at
    hand, half generated voices and noises; otherwise all of it is generated.
    """
    made = keyword_clips.make_recordings(150, 300, 20, seed=seed)
    try:
        real = keyword_clips.load_recordings(held_out=False)
    except MissingFileError:
        return keyword_clips.mix(made, m, seed=seed, processes=processes)
    # Repeated until there are as many of either kind.
    both = keyword_clips.Recordings(
        *(a * (len(b) // len(a)) + b for a, b in zip(real, made, strict=True))
    )
    return keyword_clips.mix(both, m, seed=seed, processes=processes)


def build_model(units=64):
    """A smaller network than the course's, for spectrograms of any length, untrained.

    It hears levels as ears do: what enters is the logarithm of the power.
    """
    X_input = keras.Input((None, N_FREQ))
    X = layers.Rescaling(10.0)(X_input)
    X = layers.Activation(keras.ops.log1p, name="logarithm")(X)
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


def train(
    model,
    data,
    *,
    epochs=30,
    batch_size=16,
    learning_rate=0.002,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place; return each epoch's mean cross-entropy, in nats a step."""
    keras.utils.set_random_seed(seed)

    def loss_fn(x, y):
        y_hat = model(_spectrograms(x), training=True)[..., 0]
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
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        jit_compile=False,  # on a GPU the GRUs are cuDNN's, which XLA does not know
    )


def load_pretrained(variant="default"):
    """The network with trained weights.

    Args:
        variant: "default" is ours, shipped. "course" is the course's, which expects
            clips at about -20 dBFS.
    """
    if variant == "default":
        return weights.load(build_model(), "trigger_word")
    (path,) = weights.find_published("trigger_word", variant)
    return keras_h5.fill(modelf((None, N_FREQ)), keras_h5.read(path))


def predict(model, x):
    """The probabilities (m, steps) float32 that the word has just ended.

    Args:
        x: (m, n) int16, sounds at 44.1 kHz of one length, as they are in the file.
    """
    # Ten seconds at a time: one shape, compiled once, for sounds of any length.
    return np.concatenate(list(_heard(model, [np.asarray(x)], TY)), axis=1)


def listen(model, blocks, *, steps=55):
    """The same for a recording that comes block by block, while it comes.

    What is kept from one to the next are 23 ms of sound and the states of the GRUs, so
    a day of sound needs no more memory than a minute.

    Args:
        blocks: yields pieces (n,) int16 at 44.1 kHz, or clips, of any lengths.
        steps: so many answers come at once; 55 are 0.4 s.

    Yields:
        (k,) float32, the probabilities of the next k steps, in all as many as `predict`
        gives for the whole.
    """
    pieces = (_samples(block)[None] for block in blocks)
    for probabilities in _heard(model, pieces, steps):
        yield probabilities[0]


def seconds(step):
    """When the convolution's window at a step begins, in seconds: 7.3 ms a step."""
    return step * HOP / RATE


def spikes(probabilities, threshold=0.5, rest=75):
    """The steps at which the word is heard.

    That is where the probability exceeds the threshold, and more than `rest` steps
    (0.54 s, shorter than the word) have passed since the last time or the start.
    """
    found, last = [], -1
    for step in np.flatnonzero(np.asarray(probabilities) > threshold):
        if step - last > rest:
            found.append(int(step))
            last = step
    return found


def infer(model, sound, *, threshold=0.5):
    """Count how often somebody says "activate", and say when.

    Args:
        sound: a path of a wav file, a `Clip`, or samples (n,) at 44.1 kHz as
            `audio.int16` takes them, of any length.

    Returns:
        An `Answer` such as "3 times: at 3.8, 6.5 and 8.6 s". `confidence` is the mean
        of the highest probabilities within 0.36 s after each time; where the word is
        not heard, one minus the highest anywhere. `details` has `times` in seconds and
        `probabilities` (steps,).
    """
    samples = _samples(sound)
    if not samples.size:
        raise InputError(NO_SOUND)
    # A word that ends with the recording is heard in half a second of silence after it.
    heard = np.pad(samples, (0, RATE // 2))
    probabilities = predict(model, heard[None])[0]
    found = spikes(probabilities, threshold)
    times = [min(seconds(step), len(samples) / RATE) for step in found]
    peaks = [
        probabilities[step : step + keyword_clips.WORD_ENDED].max() for step in found
    ]
    return Answer(
        _in_words(times),
        np.mean(peaks) if found else 1 - probabilities.max(),
        times=times,
        probabilities=probabilities,
    )


def _in_words(times):
    """ "never", "once: at 3.8 s", "3 times: at 3.8, 6.5 and 8.6 s"."""
    if not times:
        return "never"
    *others, last = (f"{time:.1f}" for time in times)
    if not others:
        return f"once: at {last} s"
    return f"{len(times)} times: at {', '.join(others)} and {last} s"


def f1(model, data, *, threshold=0.5, within=0.5):
    """F1 of the words heard, in [0, 1]: 2 hits / (words + times heard).

    A time heard is a hit if it lies within half a second before or after the end of a
    word that no earlier time has hit. So a word missed, a word heard where there is
    none, and a word heard twice each cost.

    Args:
        data: `keyword_clips.Spoken`.
    """
    hits = total = 0
    for start in range(0, len(data.x), 20):
        some = slice(start, start + 20)
        for p, ends in zip(predict(model, data.x[some]), data.ends[some], strict=True):
            times, left = [seconds(step) for step in spikes(p, threshold)], list(ends)
            total += len(times) + len(ends)
            for time in times:
                near = [end for end in left if abs(time - end) <= within]
                if near:
                    left.remove(near[0])
                    hits += 1
    return 2 * hits / total if total else 1.0


def evaluate(model=None):
    """F1 on mixed clips of recordings never trained on, as rows (what, ours, goal).

    The course's recordings, one of each speaker's, and its second background, are
    taken where they are at hand; voices that nobody has always.
    """
    model = model or load_pretrained()

    def score(recordings, **how):
        return f1(model, keyword_clips.mix(recordings, 100, seed=1, **how))

    made = keyword_clips.make_recordings(40, 80, 8, seed=1, held_out=True)
    rows = [("F1, 100 clips of generated voices never heard", score(made), 0.95)]
    try:
        real = keyword_clips.load_recordings(held_out=True)
        my_audio = audio.read(files.find_data(MY_AUDIO))
    except MissingFileError:
        return rows
    course = predict(load_pretrained("course"), _samples(my_audio)[None])[0]
    peaks = [step + course[step : step + 50].argmax() for step in spikes(course)]
    right = np.mean(np.isin(COURSE_SPIKES, peaks))
    return [
        ("F1, 100 clips of held-out recordings", score(real, vary=False), 0.95),
        ("F1, 100 clips of them, voices and rooms varied", score(real), None),
        *rows,
        ("course weights: spikes of my_audio at 526, 887, 1180", right, 1.0),
    ]


def picture(model, sound):
    """The waveform, the spectrogram and the probabilities, a matplotlib figure."""
    from dls_keras import plots

    answer = infer(model, sound)
    samples = _samples(sound)
    return plots.listening(
        samples / audio.LOUDEST,
        spectrogram(np.pad(samples, (0, max(0, NFFT - len(samples))))),
        answer.details["probabilities"],
        rate=RATE,
        hop=HOP,
        marks=answer.details["times"],
        title=f"{keyword_clips.speech_synthesis.TRIGGER!r} {answer}",
    )


def example():
    """The question of the tour: a real recording of the course, where it is at hand."""
    if path := files.in_data_folder("trigger_word/raw_data/dev/1.wav"):
        return "When does somebody say 'activate' in the course's dev/1.wav?", str(path)
    made = keyword_clips.make_recordings(4, 8, 2, seed=2, held_out=True)
    (sound,), _, _ = keyword_clips.mix(made, 1, seed=1, vary=False)
    return "When do generated voices say 'activate'?", Clip(sound)


# From sound to spectrograms.


def spectrogram(samples):
    """The power spectral density (Tx, 101) float64, as `matplotlib.mlab.specgram`.

    Windows of 200 samples every 80, Hann, for a rate taken as 8000 Hz: the numbers
    of the course, whose files have 44,100, are scaled so.

    Args:
        samples: (n,) int16, n at least 200, as they are in the file.
    """
    windows = np.lib.stride_tricks.sliding_window_view(samples, NFFT)[::STEP]
    hann = np.hanning(NFFT)
    power = np.abs(np.fft.rfft(windows * hann)) ** 2
    power[:, 1:-1] *= 2  # for the negative frequencies
    return power / (FS * np.sum(hann**2))


def _spectrograms(x):
    """The same for (m, n) sounds, in the graph: (m, Tx, 101) float32."""
    hann = np.hanning(NFFT)
    hann = np.float32(hann / np.sqrt(FS * np.sum(hann**2)))
    windows = tf.signal.frame(tf.cast(x, tf.float32), NFFT, STEP)
    waves = tf.signal.rfft(windows * hann)
    power = tf.math.real(waves) ** 2 + tf.math.imag(waves) ** 2
    return power * np.float32([1, *[2] * (N_FREQ - 2), 1])  # as in `spectrogram`


_compiled_spectrograms = tf.function(_spectrograms)  # 0.6 of the time of `spectrogram`


# The network, block by block.


def _heard(model, blocks, steps):
    """Probabilities (m, k), `steps` at a time, for sounds (m, n) in turn."""
    length = REACH + (steps - 1) * HOP  # samples that so many steps look at
    states, left = None, None
    for block in blocks:
        left = block if left is None else np.concatenate([left, block], axis=1)
        while left.shape[1] >= length:
            y, states = _answered(model, left[:, :length], states)
            left = left[:, steps * HOP :]
            yield y
    if left is None or not left.size:
        raise InputError(NO_SOUND)
    # The last block is filled up with silence, and what that gives is cut off. A sound
    # too short for one step has one all the same.
    k = max(states is None, (left.shape[1] - REACH) // HOP + 1)
    if k > 0:
        silence = np.zeros((len(left), length - left.shape[1]), left.dtype)
        y, _ = _answered(model, np.concatenate([left, silence], axis=1), states)
        yield y[:, :k]


def _answered(model, sound, states):
    """Probabilities (m, steps) for a block of sound, and the states after it."""
    if states is None:
        states = recurrent.start(model, len(sound))
    y, states = recurrent.advance(model, _compiled_spectrograms(sound), states)
    return y.numpy()[..., 0], states


def _samples(sound):
    """The first channel (n,) int16 at 44.1 kHz of a path, a clip or an array."""
    if isinstance(sound, (str, Path)):
        sound = audio.read(sound)
    elif not isinstance(sound, Clip):
        sound = Clip(audio.int16(sound))
    return sound.set_frame_rate(RATE).samples[:, 0]
