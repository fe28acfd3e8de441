"""What the reference cases of jazz cannot say: the fast forms, and the solos."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from scipy.special import softmax

from dls_keras.cli.main import main
from dls_keras.core import files, weights
from dls_keras.core.errors import InputError
from dls_keras.course5 import jazz
from dls_keras.music import harmony, tunes
from dls_keras.music.tunes import HIGH, LOW, MEASURE, Note

CHANGES = "Dm7 | G7 | Cmaj7 A7 | Dm7"
NOTES = st.lists(
    st.builds(Note, st.floats(0, 16), st.floats(0.1, 4), st.integers(LOW, HIGH)),
    max_size=30,
)


@pytest.fixture(scope="module")
def player():
    return jazz.load_pretrained()


@pytest.fixture(scope="module")
def data():
    """Twelve windows of 30 words of one composed tune."""
    return jazz.load_data([tunes.make_tune(0)], m=12)


@pytest.fixture(scope="module")
def short(data):
    """The first four words of the windows."""
    Y = data.Y[:4].copy()
    Y[-1] = False
    return data._replace(X=data.X[:, :4], Y=Y)


def small_model(data):
    """Eight units and random biases, so that no part can be forgotten."""
    model = jazz.build_model(data.values, n_a=8)
    rng = np.random.default_rng(1)
    for name in ("bias", "dense_bias"):
        model[name] += rng.normal(size=model[name].shape).astype("float32")
    return model


def course_model(model, Tx):
    """The course's model with copies of the weights."""
    return jazz.djmodel(Tx, *jazz.course_layers(model))


# The course's functions.


def test_data_processing_draws_as_the_course_and_leaves_numpy_alone():
    """The course seeds the global generator."""
    corpus = [f"C,{i}" for i in range(50)]
    indices = {word: i for i, word in enumerate(corpus)}
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


def test_the_layers_of_2017_have_as_many_parameters():
    """41,678 with 78 values; the shared layers count once."""
    model = jazz.build_model([str(i) for i in range(78)])
    assert course_model(model, 2).count_params() == 41_678
    assert sum(model[name].size for name in jazz.PARAMETERS) == 41_678


def test_predict_and_sample_begins_with_zeros(data):
    """Of the sizes that the model takes, whatever they are."""
    model = small_model(data)
    cell, densor, _ = jazz.course_layers(model)
    inference = jazz.music_inference_model(cell, densor, Ty=3)
    results, indices = jazz.predict_and_sample(inference)
    n = len(data.values)
    given = jazz.predict_and_sample(
        inference, np.zeros((1, 1, n)), np.zeros((1, 8)), np.zeros((1, 8))
    )
    assert results.shape == (3, n) and indices.shape == (3, 1)
    np.testing.assert_array_equal(indices, given[1])
    np.testing.assert_array_equal(results.argmax(axis=1), indices[:, 0])


def test_the_course_s_way_makes_a_solo_too(data):
    """Every measure from the same values, quarters only, all in the harmony."""
    model = small_model(data)
    cell, densor, _ = jazz.course_layers(model)
    inference = jazz.music_inference_model(cell, densor, Ty=6)
    tune = tunes.make_tune(3)
    solo = jazz.generate_music(
        inference, dict(enumerate(data.values)), tunes.measures(tune)
    )
    assert solo.chords == tune.chords and solo.length == tune.length
    begins = [
        [n.offset % MEASURE for n in solo.notes if n.offset // MEASURE == i]
        for i in range(int(tune.length) // MEASURE)
    ]
    assert all(begin == begins[0] for begin in begins) and len(begins[0]) > 1
    for note in solo.notes:
        assert note.offset % 0.25 == note.length % 0.25 == 0
        tones = tunes.chord_under(tune.chords, note.offset).pitches
        assert harmony.kind(note.pitch, tones) in "CS"


def test_words_become_notes_one_behind_the_other():
    """Rests are waited for; a reach of one pitch leaves no choice."""
    chord = [tunes.Chord(0.0, 4.0, (48, 52, 55))]
    notes = jazz.unparse_grammar(
        "R,0.500 C,0.333,<P5,P5> C,1.000,<P-8,P-8>", chord, before=72
    )
    assert notes == [
        Note(0.5, pytest.approx(1 / 3), 79),
        Note(pytest.approx(5 / 6), 1.0, 67),
    ]


def test_pitches_are_drawn_around_the_middle_of_the_reach():
    """Of the tones of C7 within [60, 66]: 60 and 64, the nearer to 63 more often."""
    chord = [tunes.Chord(0.0, 4.0, (48, 52, 55, 58))]
    rng = np.random.default_rng(0)
    drawn = [
        jazz.unparse_grammar("C,1.000,<d5,P1>", chord, before=60, rng=rng)[0].pitch
        for _ in range(400)
    ]
    # 1/8 and 1/2 in proportion; the standard deviation of the share is 0.02.
    assert set(drawn) == {60, 64}
    assert np.mean([p == 64 for p in drawn]) == pytest.approx(0.8, abs=0.08)


@pytest.mark.parametrize("before", [LOW, HIGH])
def test_a_leap_out_of_the_range_goes_the_other_way(before):
    """Down from the lowest is up, up from the highest is down."""
    chord = [tunes.Chord(0.0, 4.0, (48, 52, 55, 58))]
    word = "C,1.000,<m7,M6>" if before == HIGH else "C,1.000,<M-6,m-7>"
    (note,) = jazz.unparse_grammar(word, chord, before=before)
    assert abs(note.pitch - before) in range(7, 13) and LOW <= note.pitch <= HIGH


def test_lengths_are_rounded_to_quarters():
    """As the course prunes its words; kinds and intervals stay."""
    pruned = jazz.prune_grammar("C,0.333,<m2,P-4> R,0.083 S,1.875")
    assert pruned == "C,0.250,<m2,P-4> R,0.250 S,2.000"


@given(NOTES)
def test_repaired_notes_can_be_played(notes):
    """On the grid, not too near, not overlapping, within the end; pitches stay."""
    repaired = jazz.clean_up_notes(jazz.prune_notes(notes), 12)
    ends = [*(note.offset for note in repaired[1:]), 12]
    for note, end in zip(repaired, ends, strict=False):
        assert end - note.offset >= 0.25 - 1e-6
        assert note.offset + note.length <= end + 1e-6
        assert 0.1 <= note.length
        assert float(tunes.quantised(note.offset)) == note.offset
    assert {note.pitch for note in repaired} <= {note.pitch for note in notes}
    assert bool(repaired) == any(tunes.quantised(n.offset) <= 11.75 for n in notes)


def test_notes_that_need_no_repair_are_left():
    """The composed tunes pass through unchanged."""
    notes = list(tunes.make_tune(5).notes)
    assert jazz.clean_up_notes(jazz.prune_notes(notes), 64) == notes


# The fast forms.


def course_loss(network, data):
    """The sum of the cross-entropies of the outputs of the course's model."""
    import keras

    zeros = np.zeros((len(data.X), 8), "float32")
    outputs = network([data.X.astype("float32"), zeros, zeros])
    return sum(
        keras.ops.mean(keras.losses.categorical_crossentropy(y, y_hat))
        for y, y_hat in zip(data.Y.astype("float32"), outputs, strict=True)
    )


def test_the_loss_is_that_of_the_course_s_model(short):
    """The sum of its Tx cross-entropies; single precision over four steps."""
    model = small_model(short)
    arrays = [model[name] for name in jazz.PARAMETERS]
    loss = jazz.window_loss(short.X, short.Y.swapaxes(0, 1), arrays)
    expected = course_loss(course_model(model, 4), short)
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)


def test_a_step_is_that_of_the_course_s_model(short):
    """One batch of all windows, Adam: the same loss and the same weights afterwards."""
    import keras
    import tensorflow as tf

    before, fast = small_model(short), small_model(short)
    network = course_model(before, 4)
    weights = network.trainable_variables
    with tf.GradientTape() as tape:
        expected = course_loss(network, short)
    optimizer = keras.optimizers.Adam(0.01)
    optimizer.apply(tape.gradient(expected, weights), weights)
    (loss,) = jazz.train(fast, short, epochs=1, batch_size=12, learning_rate=0.01)
    assert loss == pytest.approx(float(expected), rel=1e-5)
    for name, weight in zip(jazz.PARAMETERS, weights, strict=True):
        # Adam's first step has the length 0.01 whatever the gradient, so where that is
        # nothing but rounding the steps may differ.
        assert (np.abs(fast[name] - weight.numpy()) < 1e-4).mean() > 0.995
        moved = np.abs(fast[name] - before[name]).max()
        assert moved == pytest.approx(0.01, rel=1e-3)


def test_training_learns_a_tune_by_heart(data):
    """Losses fall, the graph is traced once, the words stay as they are."""
    model = jazz.build_model(data.values, n_a=16)
    named = model["values"].copy()
    losses = jazz.train(model, data, epochs=60, batch_size=12, learning_rate=0.03)
    assert losses[-1] < 0.4 * losses[0] and len(losses) == 60
    np.testing.assert_array_equal(model["values"], named)


def test_reading_in_numpy_is_the_course_s_model(short):
    """The probabilities after each word of a window, in single precision."""
    model = small_model(short)
    zeros = np.zeros((1, 8), "float32")
    outputs = course_model(model, 4)([short.X[:1].astype("float32"), zeros, zeros])
    indices = short.X[0, 1:].argmax(axis=1)
    logits = np.array(list(jazz.read(model, indices)))
    assert logits.dtype == np.float32 and logits.shape == (4, len(short.values))
    p = softmax(logits, axis=1)
    np.testing.assert_allclose(p, np.concatenate(outputs), atol=1e-6)


def test_writing_in_numpy_is_the_course_s_inference_model(data):
    """The likeliest value fed back, eight in a row."""
    model = small_model(data)
    cell, densor, _ = jazz.course_layers(model)
    inference = jazz.music_inference_model(cell, densor, Ty=8)
    _, indices = jazz.predict_and_sample(inference)
    ours = itertools.islice(jazz.values(model, np.argmax), 8)
    assert list(ours) == indices[:, 0].tolist()


# Solos.


@settings(max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.05, 2), st.integers(0, 99))
def test_a_solo_can_be_played(player, seed, temperature, composed):
    """In range, on the grid, without overlaps, from beginning to end."""
    tune = tunes.make_tune(composed)
    solo = jazz.infer(player, tune, temperature=temperature, seed=seed)
    assert solo.chords == tune.chords and solo.length == tune.length
    assert len(solo.notes) > 10 and solo.notes[0].offset == 0
    for note, after in zip(solo.notes, solo.notes[1:], strict=False):
        assert note.offset + note.length <= after.offset + 1e-6
    for note in solo.notes:
        assert LOW <= note.pitch <= HIGH and note.length >= 0.25
        assert float(tunes.quantised(note.offset)) == note.offset
    assert solo.notes[-1].offset + solo.notes[-1].length <= tune.length


def test_the_seed_decides(player):
    """The same again, or another solo."""
    solos = [jazz.infer(player, CHANGES, seed=seed) for seed in (0, 1, 2)]
    assert solos[0] == jazz.infer(player, CHANGES)
    assert len({solo.notes for solo in solos}) == 3


def test_what_is_played_over_can_be_given_in_four_ways(player, tmp_path):
    """A tune, its seed, its file, or symbols."""
    tune = tunes.make_tune(7)
    expected = jazz.infer(player, tune)
    assert jazz.infer(player, 7) == expected
    symbols = " | ".join(
        " ".join(c.symbol for c in measure) for measure in tunes.measures(tune)
    )
    assert jazz.infer(player, symbols) == expected
    pytest.importorskip("music21", reason="needs music21: pip install music21")
    path = tmp_path / "tune.mid"
    jazz.write_midi(tune, path)
    for given_path in (path, str(path)):
        solo = jazz.infer(player, given_path)
        assert len(solo.chords) == len(tune.chords) and solo.notes


@pytest.mark.parametrize("tune", [None, 2.5, -1, "", "Dm7 Hm7", "no.mid"])
def test_what_is_no_tune_is_told(player, tune):
    """One clear sentence."""
    with pytest.raises(InputError):
        jazz.infer(player, tune)


def test_an_untrained_player_and_a_cold_one_come_to_an_end(player, data):
    """However dull their words; even those of which none begins a measure."""
    assert jazz.infer(small_model(data), CHANGES).notes
    assert jazz.infer(player, CHANGES, temperature=1e-9).notes
    mute = jazz.build_model(["R,1.000", "C,0.250,<d5,P1>"], n_a=2)
    assert all(note.length == 0.25 for note in jazz.infer(mute, CHANGES).notes)


def test_a_temperature_of_nothing_is_told(player):
    """It must be above 0."""
    with pytest.raises(InputError, match="temperature"):
        jazz.infer(player, CHANGES, temperature=0)


def test_the_answer_says_what_it_is(player):
    """In a line, for the command line and the tour."""
    solo = jazz.infer(player, CHANGES)
    assert str(solo) == f"a solo of {len(solo.notes)} notes over 5 chords"


def test_data_that_cannot_be_learnt_are_told(data):
    """A model knows the words that it was built for; a window needs enough of them."""
    short_tune = tunes.make_tune(0)
    short_tune = short_tune._replace(notes=short_tune.notes[:9])
    with pytest.raises(InputError, match="more than the 30"):
        jazz.load_data([short_tune])
    with pytest.raises(InputError, match="build_model"):
        jazz.train(jazz.build_model(["C,1.000", "R,1.000"]), data)


def test_a_solo_is_read_back_by_music21(player, tmp_path):
    """Note for note."""
    pytest.importorskip("music21", reason="needs music21: pip install music21")
    path = tmp_path / "solo.mid"
    solo = jazz.infer(player, 3)
    jazz.write_midi(solo, path)
    assert tunes.load_tune(path).notes == solo.notes


@pytest.mark.parametrize("ending", ["mid", "wav", "png"])
def test_the_command_line_writes_what_the_name_ends_in(tmp_path, ending):
    """MIDI, sound or the piano roll, by the first bytes of the file."""
    out = tmp_path / f"solo.{ending}"
    CliRunner().invoke(main, ["infer", "jazz", CHANGES, "--out", str(out)])
    first = {"mid": b"MThd", "wav": b"RIFF", "png": b"\x89PNG"}[ending]
    assert out.read_bytes()[:4] == first


def test_the_piano_roll_shows_every_note(player):
    """Bars for the solo, bars for the chords, symbols above; it can be drawn."""
    figure = jazz.picture(player, CHANGES)
    solo = jazz.infer(player, CHANGES)
    (axes,) = figure.axes
    FigureCanvasAgg(figure).draw()
    drawn = [
        tuple(segment[:, 1].astype(int))
        for bars in axes.collections
        for segment in bars.get_segments()
    ]
    chords = [p for chord in solo.chords for p in chord.pitches]
    assert sorted(low for low, _ in drawn) == sorted(
        [*chords, *(note.pitch for note in solo.notes)]
    )
    shown = [text.get_text() for text in axes.texts]
    assert shown == [chord.symbol for chord in solo.chords]


@pytest.fixture(scope="module")
def rows(player):
    return {what: (ours, goal) for what, ours, goal in jazz.evaluate(player)}


def test_the_shipped_weights_foretell_tunes_they_never_learnt(rows):
    """As the record has it: better than counting, without copying, in the harmony."""
    measured = dict(weights.record("jazz").metrics)
    ours, goal = rows["next word right, 20 tunes never learnt"]
    assert ours > 1.5 * goal
    got = [ours, goal, *(ours for what, (ours, _) in rows.items() if "solos " in what)]
    written = [float(text.removesuffix(" %")) / 100 for text in measured.values()]
    np.testing.assert_allclose(got[:4], written, atol=0.0051)


def test_improvising_needs_no_tensorflow():
    """Nor Keras, music21 or matplotlib: from the weights to the file."""
    program = (
        "import sys, tempfile, pathlib\n"
        "from dls_keras.course5 import jazz\n"
        "solo = jazz.infer(jazz.load_pretrained(), 'Dm7 G7 Cmaj7')\n"
        "path = pathlib.Path(tempfile.mkdtemp()) / 'solo.mid'\n"
        "jazz.write_midi(solo, path)\n"
        "names = {'tensorflow', 'keras', 'music21', 'matplotlib', 'scipy.signal'}\n"
        "sys.exit(bool(names & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_without_data_the_tunes_are_ours(monkeypatch):
    """A thousand, with their rests, in windows of a whole tune."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setattr(jazz, "LEARNT", range(3))
    data = jazz.load_data()
    corpus = tunes.words(jazz.composed(range(3)))
    assert data.values == tuple(sorted(set(corpus)))
    assert any(value.startswith("R") for value in data.values)
    assert data.X.shape == (60, jazz.WHOLE, len(data.values))
    assert len(jazz.build_model()["values"]) == len(data.values)


@pytest.mark.data
def test_the_course_s_data_have_the_course_s_shapes():
    """60 windows of 30 words out of 78; the chords of 18 measures."""
    pytest.importorskip("music21", reason="needs music21: pip install music21")
    path = files.find_data(tunes.COURSE)
    X, Y, n_values, indices_values, chords = jazz.load_music_utils(path)
    assert X.shape == (60, 30, 78) and Y.shape == (30, 60, 78) and n_values == 78
    assert sorted(indices_values) == list(range(78)) and len(chords) == 18
    np.testing.assert_array_equal(jazz.load_data().X, X)


@pytest.mark.data
def test_the_course_s_corpus_is_measured(rows):
    """18 measures, 193 words, 78 of them distinct."""
    pytest.importorskip("music21", reason="needs music21: pip install music21")
    for what in ("measures", "words", "distinct words"):
        ours, goal = rows[f"the course's tune: {what}"]
        assert ours == goal
