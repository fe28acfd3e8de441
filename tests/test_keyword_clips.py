"""Clips contain the given recordings, and are labelled after the end of the word."""

import numpy as np
import pytest

from dls_keras.core import audio
from dls_keras.core.audio import RATE, Clip
from dls_keras.core.errors import InputError
from dls_keras.datasets import keyword_clips, speech_synthesis

QUIET = Clip(np.full(441_000, 3, np.int16))  # an inaudible background of 10 s


@pytest.fixture(scope="module")
def made():
    return keyword_clips.make_recordings(3, 4, 2)


def tone(milliseconds, loud=8000):
    time = np.arange(RATE * milliseconds // 1000) / RATE
    return Clip((loud * np.sin(2 * np.pi * 500 * time)).astype(np.int16))


def test_a_mix_has_sound_labels_and_end_times(made):
    """Each clip has ten seconds at 44.1 kHz and 1375 labels."""
    x, y, ends = keyword_clips.mix(made, 3)
    assert (x.shape, x.dtype) == ((3, 441_000), np.int16)
    assert (y.shape, y.dtype) == ((3, 1375), np.float32)
    assert len(ends) == 3
    assert all(0 < end <= 10 for some in ends for end in some)


def test_the_labels_begin_where_the_word_ends():
    """In a clip without noise there is sound before the end, and silence after it."""
    recordings = keyword_clips.Recordings([tone(500)], [tone(300, 0)], [QUIET])
    x, y, ends = keyword_clips.mix(recordings, 12, vary=False)
    assert sum(map(len, ends)) > 5
    for sound, label, some in zip(x, y, ends, strict=True):
        loud = np.abs(sound.astype(int)) > 500
        for end in some:
            sample = round(end * RATE)
            assert loud[sample - 441 : sample].any()
            assert not loud[sample : sample + 100].any()
            step = int(137.5 * end)
            assert label[step] == 0 or any(0 < end - e < 0.37 for e in some)
            assert label[step + 1 : step + 51].all()


def test_words_do_not_overlap():
    """Each stretch of sound is as long as one word of 0.5 s or several."""
    recordings = keyword_clips.Recordings([tone(500)], [tone(500)], [QUIET])
    x, _, _ = keyword_clips.mix(recordings, 12, vary=False)
    for sound in x.astype("float64"):
        loud = np.abs(sound) > 0.1 * np.abs(sound).max()
        edges = np.flatnonzero(loud)
        starts = np.split(edges, np.flatnonzero(np.diff(edges) > 200) + 1)
        assert all(len(one) <= 22_050 or len(one) > 44_000 for one in starts)


def test_clips_without_variation_have_the_level_of_the_course(made):
    """The level is -20 dBFS."""
    for sound in keyword_clips.mix(made, 4, vary=False).x:
        assert -21 < Clip(sound).dBFS < -19.9  # some peaks are clipped


def test_a_clip_depends_on_the_seed_and_its_index_alone(made):
    """It does not depend on the number of clips."""
    few, many = keyword_clips.mix(made, 2, seed=5), keyword_clips.mix(made, 4, seed=5)
    np.testing.assert_array_equal(few.x, many.x[:2])
    assert few.ends == many.ends[:2]
    assert (keyword_clips.mix(made, 2, seed=6).x != few.x).any()


def test_two_processes_make_the_clips_of_one(made):
    """In the same order."""
    one, two = (keyword_clips.mix(made, 3, processes=n) for n in (1, 2))
    for a, b in zip(one[:2], two[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.ends == two.ends


def word_durations_and_levels(*, vary):
    """Seconds and dBFS of the words in clips of one keyword over digital silence."""
    recordings = keyword_clips.Recordings(
        [tone(600)], [tone(300, 0)], [audio.silence(1000)]
    )
    durations, levels = [], []
    for sound in keyword_clips.mix(recordings, 12, vary=vary).x:
        loud = np.flatnonzero(np.abs(sound) > 2)
        for word in np.split(loud, np.flatnonzero(np.diff(loud) > 200) + 1):
            if len(word):
                durations.append((word[-1] - word[0]) / RATE)
                levels.append(20 * np.log10(np.std(sound[word[0] : word[-1]]) / 32768))
    return np.array(durations), np.array(levels)


def test_variation_changes_the_durations_and_levels_of_words():
    """Without it every word lasts as long as its recording of 0.6 s."""
    durations, _ = word_durations_and_levels(vary=False)
    np.testing.assert_allclose(durations, 0.6, atol=0.01)
    durations, levels = word_durations_and_levels(vary=True)
    assert len(np.unique(durations.round(2))) > 5
    assert 0.1 < durations.min() < durations.max() < 1.1
    assert np.ptp(levels) > 10


@pytest.mark.parametrize(
    ("recordings", "m"),
    [(keyword_clips.Recordings([], [QUIET], [QUIET]), 1), (None, 0)],
)
def test_recordings_of_each_kind_and_a_number_of_clips_are_needed(made, recordings, m):
    """A list without recordings or m = 0 is an error."""
    with pytest.raises(InputError, match="Expected recordings of each kind"):
        keyword_clips.mix(recordings or made, m)


def test_a_word_of_six_seconds_is_refused(made):
    """The message gives its duration."""
    with pytest.raises(InputError, match=r"6\.0 s"):
        keyword_clips.mix(made._replace(negatives=[tone(6000)]), 1)


# Recordings.


def test_silence_and_clicks_around_a_word_are_removed():
    """100 ms are kept on either side of the word."""
    click = tone(20, 30_000)
    word = audio.silence(700).overlay(tone(400), 0)[:400]
    clip = click + audio.silence(600) + word + audio.silence(900)
    cut = keyword_clips.without_silence(clip)
    assert len(cut) == pytest.approx(600, abs=60)
    first = np.flatnonzero(np.abs(cut.samples) > 1000)[0] / RATE
    assert first == pytest.approx(0.1, abs=0.04)


def test_a_clip_of_silence_is_kept():
    """There is no word to keep instead."""
    assert len(keyword_clips.without_silence(audio.silence(300))) == 300


def test_synthetic_recordings_for_training_and_testing_differ():
    """In words, voices and kinds of noise."""
    assert set(keyword_clips.HELD_OUT_WORDS) < set(speech_synthesis.WORDS) - {
        speech_synthesis.TRIGGER
    }
    assert not set(keyword_clips.NOISES) & set(keyword_clips.HELD_OUT_NOISES)
    training, testing = (
        keyword_clips.make_recordings(1, 1, 1, held_out=held_out)
        for held_out in (False, True)
    )
    for a, b in zip(training, testing, strict=True):
        assert (
            a[0].samples.shape != b[0].samples.shape
            or (a[0].samples != b[0].samples).any()
        )


@pytest.mark.parametrize(
    "kind", [*keyword_clips.NOISES, *keyword_clips.HELD_OUT_NOISES]
)
def test_every_kind_of_noise_lasts_ten_seconds(kind):
    """Its level is -20 dBFS, or less where peaks are clipped."""
    noise = keyword_clips.make_noise(kind, np.random.default_rng(0))
    assert len(noise.samples) == 441_000
    assert -22 < noise.dBFS < -19.9


def test_the_chime_fades_out():
    """Its first 50 ms are loud and its last 50 ms are quiet."""
    chime = keyword_clips.make_chime()
    assert chime[:50].dBFS > -12 > -30 > chime[-50:].dBFS


@pytest.mark.data
def test_the_recordings_of_the_course_are_split():
    """10 keywords, 10 other words, 2 backgrounds; 3, 3 and 1 are held out."""
    parts = [keyword_clips.load_recordings(held_out=h) for h in (None, True, False)]
    sizes = [tuple(map(len, part)) for part in parts]
    assert sizes == [(10, 10, 2), (3, 3, 1), (7, 7, 1)]
    assert all(500 < len(clip) < 2200 for clip in parts[0].activates)
