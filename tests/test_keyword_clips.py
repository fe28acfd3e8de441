"""Clips are mixed of what was asked for, and labelled where the word ends."""

import numpy as np
import pytest

from dls_keras.core import audio
from dls_keras.core.audio import RATE, Clip
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import keyword_clips, speech_synthesis

QUIET = Clip(np.full(441_000, 3, np.int16))  # a background of no sound


@pytest.fixture(scope="module")
def made():
    return keyword_clips.make_recordings(3, 4, 2)


def tone(milliseconds, loud=8000):
    time = np.arange(RATE * milliseconds // 1000) / RATE
    return Clip((loud * np.sin(2 * np.pi * 500 * time)).astype(np.int16))


def test_a_mix_has_sound_and_labels(made):
    """Ten seconds at 44.1 kHz, 1375 labels."""
    x, y, ends = keyword_clips.mix(made, 3)
    assert (x.shape, x.dtype) == ((3, 441_000), np.int16)
    assert (y.shape, y.dtype) == ((3, 1375), np.float32)
    assert len(ends) == 3
    assert all(0 < end <= 10 for some in ends for end in some)


def test_the_word_ends_where_the_labels_begin():
    """With nothing else in the clip: sound before, and silence after."""
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
    """Two tones of 0.5 s never sound at once, so none is louder than one."""
    recordings = keyword_clips.Recordings([tone(500)], [tone(500)], [QUIET])
    x, _, _ = keyword_clips.mix(recordings, 12, vary=False)
    for sound in x.astype("float64"):
        loud = np.abs(sound) > 0.1 * np.abs(sound).max()
        edges = np.flatnonzero(loud)
        starts = np.split(edges, np.flatnonzero(np.diff(edges) > 200) + 1)
        assert all(len(one) <= 22_050 or len(one) > 44_000 for one in starts)


def test_unvaried_clips_are_at_the_level_of_the_course(made):
    """-20 dBFS."""
    for sound in keyword_clips.mix(made, 4, vary=False).x:
        assert -21 < Clip(sound).dBFS < -19.9  # some peaks are cut off


def test_a_clip_hangs_on_the_seed_and_its_number(made):
    """Not on how many there are."""
    few, many = keyword_clips.mix(made, 2, seed=5), keyword_clips.mix(made, 4, seed=5)
    np.testing.assert_array_equal(few.x, many.x[:2])
    assert few.ends == many.ends[:2]
    assert (keyword_clips.mix(made, 2, seed=6).x != few.x).any()


def test_several_processes_mix_the_same(made):
    """In the same order."""
    one, two = (keyword_clips.mix(made, 3, processes=n) for n in (1, 2))
    for a, b in zip(one[:2], two[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.ends == two.ends


def test_varied_words_differ_in_length_and_level():
    """From the recording, and from each other."""
    sound = tone(600).samples[:, 0]
    rng = np.random.default_rng(0)
    varied = [keyword_clips._varied(sound, rng) for _ in range(10)]
    assert len({len(one) for one in varied}) > 5
    assert all(0.6 < len(one) / len(sound) < 1.7 for one in varied)
    levels = [20 * np.log10(np.std(one) / 32768) for one in varied]
    assert -31 < min(levels) < -24 < -18 < max(levels) < -13


@pytest.mark.parametrize(
    ("recordings", "m"),
    [(keyword_clips.Recordings([], [QUIET], [QUIET]), 1), (None, 0)],
)
def test_nothing_to_mix_is_told(made, recordings, m):
    """No recordings of a kind, or no clips wanted."""
    with pytest.raises(InputError, match="Expected recordings of each kind"):
        keyword_clips.mix(recordings or made, m)


def test_a_word_that_is_none_is_told(made):
    """A recording of six seconds that should have been cut."""
    with pytest.raises(InputError, match=r"6\.0 s"):
        keyword_clips.mix(made._replace(negatives=[tone(6000)]), 1)


# Recordings.


def test_silence_and_clicks_around_a_word_are_cut_off():
    """100 ms stay on either side."""
    click = tone(20, 30_000)
    word = audio.silence(700).overlay(tone(400), 0)[:400]
    clip = click + audio.silence(600) + word + audio.silence(900)
    cut = keyword_clips.without_silence(clip)
    assert len(cut) == pytest.approx(600, abs=60)
    first = np.flatnonzero(np.abs(cut.samples) > 1000)[0] / RATE
    assert first == pytest.approx(0.1, abs=0.04)


def test_silence_alone_stays():
    """There is nothing to cut to."""
    assert len(keyword_clips.without_silence(audio.silence(300))) == 300


def test_generated_recordings_for_testing_share_nothing():
    """Neither words nor voices nor kinds of noise."""
    assert set(keyword_clips.HELD_OUT_WORDS) < set(speech_synthesis.WORDS) - {
        speech_synthesis.TRIGGER
    }
    assert not set(keyword_clips.NOISES) & set(keyword_clips.HELD_OUT_NOISES)
    ours, theirs = (
        keyword_clips.make_recordings(1, 1, 1, held_out=held_out)
        for held_out in (False, True)
    )
    for a, b in zip(ours, theirs, strict=True):
        assert (
            a[0].samples.shape != b[0].samples.shape
            or (a[0].samples != b[0].samples).any()
        )


@pytest.mark.parametrize(
    "kind", [*keyword_clips.NOISES, *keyword_clips.HELD_OUT_NOISES]
)
def test_every_kind_of_noise_lasts_ten_seconds(kind):
    """At -20 dBFS, but for peaks cut off."""
    noise = keyword_clips.make_noise(kind, np.random.default_rng(0))
    assert len(noise.samples) == 441_000
    assert -22 < noise.dBFS < -19.9


def test_the_chime_dies_away():
    """It is there, and its end cannot be heard."""
    chime = keyword_clips.make_chime()
    assert chime[:50].dBFS > -12 > -30 > chime[-50:].dBFS


def test_missing_recordings_are_told(monkeypatch, tmp_path):
    """With what to do about it."""
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    with pytest.raises(MissingFileError, match="make_recordings"):
        keyword_clips.load_recordings()


@pytest.mark.data
def test_the_recordings_of_the_course_are_parted():
    """Ten, ten and two; of these three, three and one are held out."""
    parts = [keyword_clips.load_recordings(held_out=h) for h in (None, True, False)]
    sizes = [tuple(map(len, part)) for part in parts]
    assert sizes == [(10, 10, 2), (3, 3, 1), (7, 7, 1)]
    assert all(500 < len(clip) < 2200 for clip in parts[0].activates)
