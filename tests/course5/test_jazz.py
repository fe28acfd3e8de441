"""Jazz beyond its reference cases: training, and solos that can be played."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dls_keras import models
from dls_keras.cli.main import main
from dls_keras.core import files, weights
from dls_keras.core.errors import InputError
from dls_keras.course5 import jazz
from dls_keras.music import grammar, harmony, midi_and_wav, tunes
from dls_keras.music.tunes import HIGH, LOW, MEASURE, Tune

CHORDS = "Dm7 | G7 | Cmaj7 A7 | Dm7"


@pytest.fixture(scope="module")
def pretrained():
    return jazz.load_pretrained()


@pytest.fixture(scope="module")
def data():
    """Twelve windows of 30 tokens of one composed tune."""
    return jazz.load_data([tunes.make_tune(0)], m=12)


@pytest.fixture(scope="module")
def short(data):
    """The first four tokens of the windows."""
    Y = data.Y[:4].copy()
    Y[-1] = False
    return data._replace(X=data.X[:, :4], Y=Y)


def small_model(data):
    """Eight units and random biases, so that every array matters."""
    model = jazz.build_model(data.vocabulary, n_a=8)
    rng = np.random.default_rng(1)
    for name in ("bias", "dense_bias"):
        model[name] += rng.normal(size=model[name].shape).astype("float32")
    return model


def course_model(model, Tx):
    """The course's model with copies of the weights."""
    return jazz.djmodel(Tx, *jazz.course_layers(model))


def solo_of(model, chords, **settings):
    """The tune that `infer` returns."""
    return jazz.infer(model, chords, **settings).details["tune"]


# The course's functions.


def test_data_processing_samples_as_the_course_and_leaves_numpy_alone():
    """The course seeds NumPy's global generator instead."""
    corpus = [f"C,{i}" for i in range(50)]
    indices = {token: i for i, token in enumerate(corpus)}
    np.random.seed(5)
    state = np.random.get_state()[1].copy()
    X, Y, n_values = jazz.data_processing(corpus, indices, m=4, Tx=7)
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    np.random.seed(0)
    starts = [np.random.choice(len(corpus) - 7) for _ in range(4)]
    assert n_values == 50 and X.shape == (4, 7, 50) and Y.shape == (7, 4, 50)
    for i, start in enumerate(starts):
        assert X[i, 1:].argmax(axis=1).tolist() == list(range(start + 1, start + 7))
        assert not X[i, 0].any() and not Y[-1, i].any()
        np.testing.assert_array_equal(Y[:-1, i], X[i, 1:])


def test_shared_layers_are_counted_once():
    """41,678 parameters with 78 values, as the course prints in 2017."""
    model = jazz.build_model([str(i) for i in range(78)])
    assert course_model(model, 2).count_params() == 41_678
    assert sum(array.size for array in jazz.parameters(model)) == 41_678


def test_predict_and_sample_starts_with_zeros(data):
    """Their shapes are those of the model's inputs."""
    model = small_model(data)
    cell, densor, _ = jazz.course_layers(model)
    inference = jazz.music_inference_model(cell, densor, Ty=3)
    results, indices = jazz.predict_and_sample(inference)
    n = len(data.vocabulary)
    _, expected = jazz.predict_and_sample(
        inference, np.zeros((1, 1, n)), np.zeros((1, 8)), np.zeros((1, 8))
    )
    assert results.shape == (3, n) and indices.shape == (3, 1)
    np.testing.assert_array_equal(indices, expected)
    np.testing.assert_array_equal(results.argmax(axis=1), indices[:, 0])


def test_generate_music_plays_the_same_tokens_in_every_measure(data):
    """All lengths are multiples of a sixteenth note, all notes in the harmony."""
    model = small_model(data)
    cell, densor, _ = jazz.course_layers(model)
    inference = jazz.music_inference_model(cell, densor, Ty=6)
    tune = tunes.make_tune(3)
    solo = jazz.generate_music(
        inference, dict(enumerate(data.vocabulary)), tunes.measures(tune)
    )
    assert solo.chords == tune.chords and solo.length == tune.length
    onsets = [
        [n.offset % MEASURE for n in solo.notes if n.offset // MEASURE == i]
        for i in range(int(tune.length) // MEASURE)
    ]
    assert all(onset == onsets[0] for onset in onsets) and len(onsets[0]) > 1
    for note in solo.notes:
        assert note.offset % 0.25 == note.length % 0.25 == 0
        tones = tunes.chord_under(tune.chords, note.offset).pitches
        assert harmony.kind(note.pitch, tones) in "CS"


def test_djmodel_gives_the_same_numbers_after_saving_and_loading(short, tmp_path):
    """And after cloning."""
    model = small_model(short)
    network = course_model(model, 4)
    zeros = np.zeros((12, 8), "float32")
    inputs = [short.X.astype("float32"), zeros, zeros]
    network.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    cloned = keras.models.clone_model(network)
    cloned.set_weights(network.get_weights())
    for other in (loaded, cloned):
        for got, expected in zip(other(inputs), network(inputs), strict=True):
            np.testing.assert_array_equal(got, expected)


# Training.


def test_one_step_of_train_is_one_adam_step_of_djmodel(short):
    """All windows in one batch: the same loss, the same weights afterwards."""
    before, trained = small_model(short), small_model(short)
    network = course_model(before, 4)
    zeros = np.zeros((len(short.X), 8), "float32")
    with tf.GradientTape() as tape:
        outputs = network([short.X.astype("float32"), zeros, zeros])
        expected = sum(
            keras.ops.mean(keras.losses.categorical_crossentropy(y, y_hat))
            for y, y_hat in zip(short.Y.astype("float32"), outputs, strict=True)
        )
    variables = network.trainable_variables
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.apply(tape.gradient(expected, variables), variables)
    (loss,) = jazz.train(trained, short, epochs=1, batch_size=12, learning_rate=0.01)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    for name, variable in zip(jazz.PARAMETERS, variables, strict=True):
        # Adam's first step has length 0.01 whatever the gradient. So the weights may
        # differ where the gradient is nothing but rounding.
        assert (np.abs(trained[name] - variable.numpy()) < 1e-4).mean() > 0.995
        largest = np.abs(trained[name] - before[name]).max()
        assert largest == pytest.approx(0.01, rel=1e-3)


def test_training_overfits_one_tune(data):
    """The loss falls; the tokens of the model do not change."""
    model = jazz.build_model(data.vocabulary, n_a=16)
    values = model["values"].copy()
    epochs = []
    losses = jazz.train(
        model,
        data,
        epochs=60,
        batch_size=12,
        learning_rate=0.03,
        on_epoch=lambda epoch, loss: epochs.append(epoch),
    )
    assert losses[-1] < 0.4 * losses[0] and len(losses) == 60
    assert epochs == list(range(1, 61))
    np.testing.assert_array_equal(model["values"], values)


def test_data_that_do_not_fit_raise_an_input_error(data):
    """Too few tokens for a window; or another vocabulary than the model's."""
    tune = tunes.make_tune(0)
    with pytest.raises(InputError, match="more than the 30"):
        jazz.load_data([tune._replace(notes=tune.notes[:9])])
    with pytest.raises(InputError, match="build_model"):
        jazz.train(jazz.build_model(["C,1.000", "R,1.000"]), data)


def test_with_the_switch_the_tunes_are_composed(monkeypatch):
    """With their rests, in windows of a whole tune."""
    monkeypatch.setattr(jazz, "TRAINING_SEEDS", range(3))
    data = jazz.load_data(synthetic=True)
    corpus = grammar.tokens(tunes.make_tunes(range(3)))
    assert data.vocabulary == tuple(sorted(set(corpus)))
    assert any(token.startswith("R") for token in data.vocabulary)
    assert data.X.shape == (60, jazz.TX_TUNE, len(data.vocabulary))
    assert len(jazz.build_model()["values"]) == len(data.vocabulary)


def test_a_file_has_its_own_vocabulary(tmp_path):
    """Whatever tunes the model was trained on; a damaged file is an error."""
    data = jazz.load_data(tunes.make_tunes(range(2)), m=10)
    model = jazz.build_model(data.vocabulary, n_a=8)
    models.save(jazz, model, tmp_path / "mine.h5")
    loaded = models.load("jazz", str(tmp_path / "mine.h5"))
    for name, array in model.items():
        np.testing.assert_array_equal(loaded[name], array)
    del model["dense_bias"]
    models.save(jazz, model, tmp_path / "cut.h5")
    with pytest.raises(InputError, match="no such array for dense_bias"):
        models.load("jazz", str(tmp_path / "cut.h5"))


# Solos.


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.05, 2), st.integers(0, 99))
def test_a_solo_can_be_played(pretrained, seed, temperature, composed):
    """In range, quantised, without overlaps, from the beginning to the end."""
    tune = tunes.make_tune(composed)
    solo = solo_of(pretrained, tune, temperature=temperature, seed=seed)
    assert solo.chords == tune.chords and solo.length == tune.length
    assert len(solo.notes) > 10 and solo.notes[0].offset == 0
    for note, after in zip(solo.notes, solo.notes[1:], strict=False):
        assert note.offset + note.length <= after.offset + 1e-6
    for note in solo.notes:
        assert LOW <= note.pitch <= HIGH and note.length >= 0.25
        assert float(tunes.quantise(note.offset)) == note.offset
    assert solo.notes[-1].offset + solo.notes[-1].length <= tune.length


def test_the_seed_determines_the_solo(pretrained):
    """The same seed gives the same answer, another seed another solo."""
    answers = [jazz.infer(pretrained, CHORDS, seed=seed) for seed in (0, 1, 2)]
    assert answers[0] == jazz.infer(pretrained, CHORDS)
    assert len({answer.details["tune"].notes for answer in answers}) == 3


def test_the_chords_can_be_given_in_four_ways(pretrained, tmp_path):
    """As a tune, its seed, a MIDI file or chord symbols."""
    tune = tunes.make_tune(7)
    expected = jazz.infer(pretrained, tune)
    assert jazz.infer(pretrained, 7) == expected
    symbols = " | ".join(
        " ".join(c.symbol for c in measure) for measure in tunes.measures(tune)
    )
    assert jazz.infer(pretrained, symbols) == expected
    path = tmp_path / "tune.mid"
    midi_and_wav.write_midi(tune, path)
    for given_path in (path, str(path)):
        solo = solo_of(pretrained, given_path)
        assert len(solo.chords) == len(tune.chords) and solo.notes


@pytest.mark.parametrize(
    "tune", [None, 2.5, -1, "", "Dm7 Hm7", "no.mid", Tune((), (), 0.0)]
)
def test_input_that_is_not_a_tune_raises_an_input_error(pretrained, tune):
    """Whatever its type."""
    with pytest.raises(InputError):
        jazz.infer(pretrained, tune)


def test_a_temperature_of_zero_raises_an_input_error(pretrained):
    """It must be above 0."""
    with pytest.raises(InputError, match="temperature"):
        jazz.infer(pretrained, CHORDS, temperature=0)


def test_a_solo_always_ends(pretrained, data):
    """Untrained, nearly greedy, or without a token that can begin a measure."""
    assert solo_of(small_model(data), CHORDS).notes
    assert solo_of(pretrained, CHORDS, temperature=1e-9).notes
    model = jazz.build_model(["R,1.000", "C,0.250,<d5,P1>"], n_a=2)
    assert all(note.length == 0.25 for note in solo_of(model, CHORDS).notes)


def test_the_answer_describes_the_solo(pretrained):
    """In one line, and as JSON with every note."""
    answer = jazz.infer(pretrained, CHORDS)
    solo = answer.details["tune"]
    assert answer == f"a solo of {len(solo.notes)} notes over 5 chords"
    details = json.loads(answer.to_json())["details"]
    assert details["tune"]["notes"] == [note._asdict() for note in solo.notes]


def test_the_confidence_is_the_probability_of_a_typical_token(pretrained, data):
    """A uniform model gives 1 / n_values; low temperatures sample probable tokens."""
    model = jazz.build_model(data.vocabulary, n_a=2)
    model["dense_kernel"][...] = 0
    answer = jazz.infer(model, CHORDS)
    assert answer.confidence == pytest.approx(1 / len(data.vocabulary))
    low, high = (
        jazz.infer(pretrained, CHORDS, temperature=t).confidence for t in (0.1, 2)
    )
    assert 0 < high < low < 1


def test_improvising_does_not_import_tensorflow():
    """Nor Keras, music21 or matplotlib: from the weights to the file."""
    program = (
        "import sys, tempfile, pathlib\n"
        "from dls_keras.course5 import jazz\n"
        "answer = jazz.infer(jazz.load_pretrained(), 'Dm7 G7 Cmaj7')\n"
        "path = pathlib.Path(tempfile.mkdtemp()) / 'solo.mid'\n"
        "jazz.WRITERS['.mid'](answer, path)\n"
        "names = {'tensorflow', 'keras', 'music21', 'matplotlib', 'scipy.signal'}\n"
        "sys.exit(bool(names & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_a_written_solo_is_read_back(pretrained, tmp_path):
    """Note for note, from the file that the command line writes."""
    answer = jazz.infer(pretrained, 3)
    jazz.WRITERS[".mid"](answer, tmp_path / "solo.mid")
    assert tunes.load_tune(tmp_path / "solo.mid").notes == answer.details["tune"].notes


@pytest.mark.parametrize("ending", ["mid", "wav", "png"])
def test_the_command_line_writes_the_format_of_the_file_name(tmp_path, ending):
    """MIDI, sound or the piano roll, by the first bytes of the file."""
    out = tmp_path / f"solo.{ending}"
    CliRunner().invoke(main, ["infer", "jazz", CHORDS, "--out", str(out)])
    first = {"mid": b"MThd", "wav": b"RIFF", "png": b"\x89PNG"}[ending]
    assert out.read_bytes()[:4] == first


def test_the_piano_roll_shows_every_note_of_the_answer(pretrained):
    """Bars for the solo and the chords, chord symbols above; it can be rendered."""
    answer = jazz.infer(pretrained, CHORDS)
    solo = answer.details["tune"]
    figure = jazz.picture(CHORDS, answer)
    (axes,) = figure.axes
    FigureCanvasAgg(figure).draw()
    bars = [
        tuple(segment[:, 1].astype(int))
        for collection in axes.collections
        for segment in collection.get_segments()
    ]
    chords = [p for chord in solo.chords for p in chord.pitches]
    assert sorted(low for low, _ in bars) == sorted(
        [*chords, *(note.pitch for note in solo.notes)]
    )
    shown = [text.get_text() for text in axes.texts]
    assert shown == [chord.symbol for chord in solo.chords]


def test_evaluate_measures_what_the_record_states(pretrained):
    """Better than the bigram baseline, hardly copying, mostly in the harmony."""
    rows = {row.what: row for row in jazz.evaluate(pretrained)}
    for what, value in weights.record("jazz").metrics:
        expected = float(value.removesuffix(" %")) / 100
        assert rows[what].ours == pytest.approx(expected, abs=0.0051), what
    accuracy = rows["next-token accuracy, 20 held-out tunes"]
    assert accuracy.ours > 1.5 * accuracy.at_least


@pytest.mark.data
def test_the_course_s_data_have_the_course_s_shapes():
    """60 windows of 30 tokens out of 78; the chords of 18 measures."""
    path = files.find_data(tunes.COURSE)
    X, Y, n_values, indices_values, chords = jazz.load_music_utils(path)
    assert X.shape == (60, 30, 78) and Y.shape == (30, 60, 78) and n_values == 78
    assert sorted(indices_values) == list(range(78)) and len(chords) == 18
    np.testing.assert_array_equal(jazz.load_data().X, X)


def test_a_file_keeps_a_vocabulary_of_its_own(data, tmp_path):
    """With other numbers of tokens and units than the shipped file; it can be trained.

    Files whose arrays do not belong together are refused.
    """
    model = jazz.build_model(data.vocabulary, n_a=3)
    models.save(jazz, model, tmp_path / "mine.h5")
    loaded = models.load("jazz", str(tmp_path / "mine.h5"))
    assert loaded.keys() == model.keys()
    for name, array in model.items():
        np.testing.assert_array_equal(loaded[name], array)
    jazz.train(loaded, data, epochs=1, batch_size=4)
    assert jazz.infer(loaded, CHORDS).details["tune"].notes
    for name, wrong in [
        ("kernel", model["kernel"][:-1]),
        ("bias", model["bias"][:-1]),
        ("dense_kernel", np.zeros((10**6, 0), "float32")),
        ("dense_kernel", np.float32(1.0)),
        ("dense_bias", np.append(model["dense_bias"], 0)),
        ("values", model["values"][1:]),
        ("values", model["dense_bias"]),
        ("extra", model["bias"]),
    ]:
        with pytest.raises(InputError):
            jazz.from_arrays(model | {name: wrong})
    with pytest.raises(InputError):
        jazz.from_arrays({})
