"""What the reference cases of trigger word detection cannot say."""

import itertools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import mlab

from dls_keras.core import audio, files
from dls_keras.core.audio import Clip
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course5 import trigger_word as tw
from dls_keras.datasets import keyword_clips
from dls_keras.fast import streaming
from dls_keras.reference import cases

FOLDER = "trigger_word/"


@pytest.fixture(scope="module")
def model():
    """A network of random weights whose outputs are spread over (0, 1)."""
    keras.utils.set_random_seed(1)
    model = tw.build_model(6)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * 20, bias])
    return model


@pytest.fixture(scope="module")
def pretrained():
    return tw.load_pretrained()


def noise(n, seed=0, loud=3000):
    """(n,) int16, white."""
    return np.random.default_rng(seed).normal(0, loud, n).astype(np.int16)


def data(name):
    """A real file's path."""
    return files.in_data_folder(FOLDER + name)


# Spectrograms.


def test_the_spectrogram_is_that_of_matplotlib():
    """To 1e-6 of each number, with and without samples left over."""
    for n in (280, 359, 5000):
        theirs, _, _ = mlab.specgram(noise(n), NFFT=200, Fs=8000, noverlap=120)
        np.testing.assert_allclose(tw.spectrogram(noise(n)).T, theirs, rtol=1e-6)


def test_the_graph_computes_the_same_spectrogram():
    """In float32, to 1e-6 of the largest number."""
    x = np.stack([noise(3000), noise(3000, seed=1)])
    expected = np.stack([tw.spectrogram(one) for one in x])
    found = tw.spectrograms(tf.constant(x))
    np.testing.assert_allclose(found, expected, atol=1e-6 * expected.max())


def test_the_spectrogram_is_that_of_the_first_channel(tmp_path):
    """As in the course."""
    left, right = noise(1000), noise(1000, seed=1)
    audio.write(tmp_path / "a.wav", np.stack([left, right], axis=1))
    rate, found = tw.get_wav_info(tmp_path / "a.wav")
    assert (rate, found.shape) == (44_100, (1000, 2))
    x = tw.graph_spectrogram(tmp_path / "a.wav")
    np.testing.assert_array_equal(x, tw.spectrogram(left).T)


# The course's synthesis.


def recorded(milliseconds):
    return Clip(noise(milliseconds * 441 // 10))


@pytest.mark.parametrize("number", [0, 1])
def test_labels_of_a_training_example_are_those_of_the_course(number):
    """The reference has no sound, so noise of the same lengths is used."""
    path = cases.FOLDER / "c5w3_trigger_word.json"
    example = json.loads(path.read_text())["reference_only"]["create_training_example"]
    case = example["cases"][number]
    inputs = case["inputs"]
    np.random.seed(case["seed_before"]["numpy"])
    x, y = tw.create_training_example(
        recorded(inputs["background_ms"]),
        [recorded(ms) for ms in inputs["activates_ms"]],
        [recorded(ms) for ms in inputs["negatives_ms"]],
        inputs["Ty"],
    )
    assert (x.shape, y.shape) == ((101, 5511), (1, 1375))
    assert np.flatnonzero(y[0]).tolist() == case["expected"]["ones of y"]


def test_our_labels_are_those_of_insert_ones():
    """Wherever a word ends."""
    for end in (0.0, 0.5, 3.1416, 9.7, 9.999):
        theirs = tw.insert_ones(np.zeros((1, 1375)), 1000 * end)
        np.testing.assert_array_equal(keyword_clips.labels([end]), theirs[0])


def test_raw_audio_is_read_from_its_folders(tmp_path):
    """Sorted by name; a folder without sound is an error."""
    for kind in ("activates", "negatives", "backgrounds"):
        (tmp_path / kind).mkdir()
        for name, n in (("2.wav", 882), ("1.wav", 441)):
            audio.write(tmp_path / kind / name, noise(n))
    activates, _, _ = tw.load_raw_audio(str(tmp_path))
    assert [len(clip) for clip in activates] == [10, 20]
    (tmp_path / "negatives" / "1.wav").unlink()
    (tmp_path / "negatives" / "2.wav").unlink()
    with pytest.raises(MissingFileError, match=r"\[2, 0, 2\]"):
        tw.load_raw_audio(str(tmp_path))


# Blocks.


def whole(model, sound):
    """The outputs of the Keras model for a whole recording at once."""
    x = tw.spectrogram(sound)[None].astype("float32")
    return np.asarray(model(x, training=False))[0, :, 0]


@pytest.fixture(scope="module")
def long_answer(model):
    """The outputs for 15 seconds, which are not a whole number of blocks."""
    return whole(model, noise(15 * 44_100))


def test_ten_seconds_have_1375_steps(model):
    """As in the course, whose spectrogram has 5511 columns."""
    assert tw.predict(model, noise(441_000)[None]).shape == (1, tw.TY)
    assert tw.spectrogram(noise(441_000)).shape == (tw.TX, tw.N_FREQ)


def test_a_long_recording_is_processed_in_blocks(model, long_answer):
    """Ten seconds at a time give the outputs of the whole, to 1e-5."""
    found = tw.predict(model, noise(15 * 44_100)[None])[0]
    assert np.ptp(long_answer) > 0.2
    np.testing.assert_allclose(found, long_answer, atol=1e-5)


def test_streaming_does_not_depend_on_the_lengths_of_the_pieces(model, long_answer):
    """Shorter than a window, empty, and longer than a block."""
    sound, cuts = noise(15 * 44_100), [7, 7, 500, 2000, 30_000, 300_000, 600_001]
    pieces = np.split(sound, cuts)
    found = np.concatenate(list(tw.listen(model, pieces)))
    np.testing.assert_allclose(found, long_answer, atol=1e-5)


def test_listening_yields_while_the_recording_goes_on(model):
    """An endless recording, in pieces of half a second."""
    asked = itertools.count()
    endless = (noise(22_050, seed=next(asked)) for _ in itertools.repeat(None))
    answers = tw.listen(model, endless)
    for _ in range(4):  # 4 * 55 * 320 samples and 1000 more are 3.3 pieces
        assert next(answers).shape == (55,)
    assert next(asked) == 4


def test_a_batch_gives_the_outputs_of_each_recording(model):
    """To 1e-5."""
    x = np.stack([noise(30_000), noise(30_000, seed=1)])
    together = tw.predict(model, x)
    for sound, found in zip(x, together, strict=True):
        alone = tw.predict(model, sound[None])[0]
        np.testing.assert_allclose(found, alone, atol=1e-5)


@pytest.mark.parametrize("n", [1, 1000, 1320])
def test_a_very_short_sound_has_one_step(model, n):
    """It is padded with silence."""
    padded = np.pad(noise(n), (0, 1320 - n))
    found = tw.predict(model, noise(n)[None])
    np.testing.assert_allclose(found[0], whole(model, padded), atol=1e-5)


def test_the_network_of_the_course_can_stream():
    """`modelf` with its TimeDistributed, over 20 steps in two parts."""
    keras.utils.set_random_seed(0)
    course = tw.modelf((91, 101))
    x = tw.spectrogram(noise(20 * 320 + 1000))[None].astype("float32")
    first, states = streaming.advance(
        course, x[:, :51], streaming.initial_states(course, 1)
    )
    second, _ = streaming.advance(course, x[:, 40:], states)
    found = np.concatenate([first, second], axis=1)
    np.testing.assert_allclose(found, course(x, training=False), atol=1e-5)


# Answers.


@given(
    st.lists(st.sampled_from([0.1, 0.6, 0.9]), max_size=400),
    st.sampled_from([0.0, 0.5, 0.7]),
)
def test_spikes_are_counted_as_the_course_counts_them(probabilities, threshold):
    """With a counter that restarts at each."""
    counter, expected = 0, []
    for step, p in enumerate(probabilities):
        counter += 1
        if p > threshold and counter > 75:
            expected.append(step)
            counter = 0
    assert tw.spikes(probabilities, threshold) == expected


@pytest.fixture
def detected(monkeypatch):
    """Makes the network detect the word at the given seconds of each clip."""

    def set_times(*times):
        def predict(model, x):
            p = np.zeros((len(x), 1375), "float32")
            for row, some in zip(p, times, strict=True):
                for time in some:
                    row[int(time / tw.seconds(1)) :][:50] = 0.9
            return p

        monkeypatch.setattr(tw, "predict", predict)

    return set_times


@pytest.mark.parametrize(
    ("times", "ends", "expected"),
    [
        ([2.0, 7.0], [1.9, 6.8], 1.0),
        ([2.0], [1.9, 6.8], 2 / 3),  # a word missed
        ([2.0, 4.0], [1.9], 2 / 3),  # a false alarm
        ([2.0], [1.4], 0.0),  # too late
        ([2.0, 2.6], [2.3], 2 / 3),  # one word detected twice
        ([], [], 1.0),
    ],
)
def test_f1_counts_hits(detected, times, ends, expected):
    """Twice the hits over all words and all detections."""
    detected(times)
    one = keyword_clips.Spoken(np.zeros((1, 10), np.int16), None, [tuple(ends)])
    assert tw.f1(None, one) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ([], "never"),
        ([3.8], "once: at 3.8 s"),
        ([3.8, 6.5, 8.6], "3 times: at 3.8, 6.5 and 8.6 s"),
    ],
)
def test_the_answer_says_when(detected, times, text):
    """To a tenth of a second; with a high confidence in either case."""
    detected(times)
    answer = tw.infer(None, noise(441_000))
    assert answer == text
    assert answer.confidence == pytest.approx(0.9 if times else 1)
    np.testing.assert_allclose(answer.details["times"], times, atol=0.01)


def test_paths_clips_and_arrays_give_the_same_answer(model, tmp_path):
    """Of any sample rate and number of channels; floats in [-1, 1], too."""
    left = Clip(noise(30_000))
    audio.write(tmp_path / "a.wav", left)
    expected = tw.infer(model, left).details["probabilities"]
    both = Clip(np.stack([left.samples[:, 0], noise(30_000, seed=1)], axis=1))
    for sound in (str(tmp_path / "a.wav"), both, left.samples / 32768):
        found = tw.infer(model, sound).details["probabilities"]
        np.testing.assert_array_equal(found, expected)
    slow = left.set_frame_rate(22_050)
    assert tw.infer(model, slow).details["probabilities"].shape == expected.shape


def test_a_word_at_the_very_end_is_detected(pretrained):
    """In a file with nothing but the word."""
    word = keyword_clips.make_recordings(1, 1, 1, seed=4).activates[0]
    assert tw.infer(pretrained, audio.silence(300) + word).startswith("once")


@pytest.mark.parametrize("sound", [np.zeros(0, np.int16), np.zeros(3, bool)])
def test_an_invalid_sound_is_an_error(model, sound):
    """Empty, or of another type."""
    with pytest.raises(InputError):
        tw.infer(model, sound)
    with pytest.raises(InputError, match="sound is empty"):
        list(tw.listen(model, []))


def test_the_example_without_data_is_answered_right(pretrained, monkeypatch):
    """As often as the synthetic clip has the word."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    question, clip = tw.example()
    assert "generated" in question
    made = keyword_clips.make_recordings(4, 8, 2, seed=2, held_out=True)
    _, _, (ends,) = keyword_clips.mix(made, 1, seed=1, vary=False)
    assert len(ends) == 3
    np.testing.assert_allclose(
        tw.infer(pretrained, clip).details["times"], ends, atol=0.3
    )


# Files in and out.


def test_a_chime_follows_each_word(tmp_path, monkeypatch):
    """In a new file of the same length, at the position of the step."""
    monkeypatch.chdir(tmp_path)
    audio.write("in.wav", np.zeros((88_200, 2), np.int16))
    predictions = np.zeros((1, 275, 1))
    predictions[0, 100:120] = predictions[0, 200:220] = 0.9
    returned = tw.chime_on_activate("in.wav", predictions, 0.5)
    written = audio.read("chime_output.wav")
    np.testing.assert_array_equal(written.samples, returned.samples)
    assert (written.channels, len(written)) == (2, 2000)
    (loud,) = np.nonzero(np.abs(written.samples[:, 0].astype(int)) > 50)
    assert loud[0] / 88_200 == pytest.approx(100 / 275, abs=1e-3)
    click = audio.Clip(np.full(44, 1000, np.int16))
    clicks = tw.chime_on_activate("in.wav", predictions, 0.5, chime=click)
    (starts,) = np.nonzero(np.diff(clicks.samples[:, 0].astype(int)) > 0)
    np.testing.assert_allclose(starts / 88_200, [100 / 275, 200 / 275], atol=1e-3)


def test_predictions_for_a_wav_file_have_the_courses_shape(model, tmp_path):
    """(1, Ty, 1)."""
    audio.write(tmp_path / "a.wav", noise(30_000))
    predictions = tw.detect_triggerword(tmp_path / "a.wav", model=model)
    assert predictions.shape == (1, (30_000 - 1320) // 320 + 1, 1)


@pytest.mark.parametrize("n", [22_050 * 3, 22_050 * 12])
def test_preprocessing_makes_ten_seconds(tmp_path, n):
    """Trimmed or padded, at 44.1 kHz, in place."""
    path = tmp_path / "a.wav"
    audio.write(path, noise(n), 22_050)
    tw.preprocess_audio(path)
    clip = audio.read(path)
    assert (clip.frame_rate, clip.samples.shape) == (44_100, (441_000, 1))
    assert (clip[-1000:].rms == 0) == (n == 22_050 * 3)


# Training.


def test_training_lowers_the_loss():
    """Ten steps on two clips."""
    recordings = keyword_clips.make_recordings(2, 2, 1)
    model = tw.build_model(4)
    losses = tw.train(model, keyword_clips.mix(recordings, 2), epochs=10, batch_size=2)
    assert losses[-1] < losses[0]


def test_data_need_no_files(monkeypatch, tmp_path):
    """Everything is generated; the course's recordings are asked for by name."""
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    made = keyword_clips.make_recordings(2, 2, 1)
    monkeypatch.setattr(keyword_clips, "make_recordings", lambda *_, **__: made)
    found, expected = tw.load_data(2, seed=3), keyword_clips.mix(made, 2, seed=3)
    np.testing.assert_array_equal(found.x, expected.x)
    found = tw.load_data(2, seed=3, recordings=True, synthetic=True)
    np.testing.assert_array_equal(found.x, expected.x)
    with pytest.raises(MissingFileError, match="data fetch recordings"):
        tw.load_data(2, recordings=True)


def test_an_unknown_variant_is_an_error():
    """The message lists the variants."""
    with pytest.raises(InputError, match="default, course"):
        tw.load_pretrained("best")


# The course's weights, and the shipped ones on held-out recordings.


def expected_predictions():
    folder = files.data_folder()
    text = (folder / "reference_predictions_sequence.json").read_text()
    return json.loads(text)["trigger_word"]


@pytest.mark.data
def test_the_spectrogram_of_the_course_is_reproduced():
    """All numbers of the record, to 1e-6."""
    check = expected_predictions()["spectrogram_check"]
    x = tw.graph_spectrogram(data("audio_examples/example_train.wav"))
    assert list(x.shape) == check["shape"]
    found = [x.sum(), x.max(), *x[:4, 0], x[50, 1000]]
    wanted = [check["sum"], check["max"], *check["[0:4,0]"], check["[50,1000]"]]
    np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.data
def test_the_predictions_of_the_courses_weights_are_reproduced():
    """Eight files, unchanged and at -20 dBFS.

    The reference scaled floats, and a clip has integers: that changes the
    probabilities of the quietest backgrounds by 0.0013.
    """
    model = tw.load_pretrained("course")
    for name, levels in expected_predictions()["models"]["model"].items():
        clip = audio.read(data(name))
        for level, wanted in levels.items():
            sound = clip if level == "raw" else tw.match_target_amplitude(clip, -20.0)
            p = tw.predict(model, sound.samples[None, :, 0])[0]
            atol = 2e-5 if level == "raw" else 2e-3
            np.testing.assert_allclose(p[::25], wanted["every_25th"], atol=atol)
            assert p.argmax() == wanted["argmax"], name
            runs = wanted["runs_above_0.5"]
            assert [p[a : b + 1].argmax() + a for a, b, _, _ in runs] == [
                step for _, _, _, step in runs
            ], name


@pytest.mark.data
def test_the_shipped_weights_detect_held_out_recordings(pretrained):
    """F1 on 20 clips synthesised as in the course; `evaluate` has more."""
    real = keyword_clips.load_recordings(held_out=True)
    assert tw.f1(pretrained, keyword_clips.mix(real, 20, seed=1, vary=False)) >= 0.9


@pytest.mark.data
def test_the_example_is_answered_as_by_the_courses_weights(pretrained):
    """They detect step 386 of dev/1.wav, 2.8 s, once it is at -20 dBFS."""
    _, path = tw.example()
    (time,) = tw.infer(pretrained, path).details["times"]
    assert time == pytest.approx(tw.seconds(386), abs=0.3)


def test_the_picture_shows_sound_spectrogram_and_answer(model):
    """Three diagrams over one time axis."""
    sound = noise(60_000)
    figure = tw.picture(sound, tw.infer(model, sound))
    parts = figure.axes
    assert [axes.get_ylabel() for axes in parts] == ["amplitude", "kHz", "probability"]
    assert len({axes.get_xlim() for axes in parts}) == 1


@pytest.mark.parametrize("decibels", [-30, -40])
def test_a_quiet_recording_has_the_answer_of_a_loud_one(decibels):
    """Also in the second of two channels, with a constant offset in the first."""
    model, (_, given) = tw.load_pretrained(), tw.example()
    loud = audio.mono(given)
    quiet = np.rint(loud * 10 ** (decibels / 20)).astype("int16")
    stereo = np.stack([np.full_like(quiet, 3000), quiet], axis=1)
    times = [tw.infer(model, one).details["times"] for one in (stereo, loud)]
    np.testing.assert_allclose(*times, atol=0.15)
