"""What the reference cases of dinosaur island cannot say, and the verses."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lessons import dinosaur_losses
from dls_keras.core import files, weights
from dls_keras.core.errors import InputError
from dls_keras.course5 import dinosaurs as ds
from dls_keras.datasets import dinosaur_names

TO_INDEX = {letter: i for i, letter in enumerate(ds.LETTERS)}
TO_LETTER = dict(enumerate(ds.LETTERS))
FEW = dinosaur_names.make_names(30)


@pytest.fixture(scope="module")
def namer():
    return ds.load_pretrained()


@pytest.fixture(scope="module")
def data():
    return ds.load_data(FEW)


def random_parameters(n_a, n_x, seed, scale=0.5):
    """Parameters large enough to saturate some units."""
    rng = np.random.default_rng(seed)
    shapes = {"Wax": (n_a, n_x), "Waa": (n_a, n_a), "Wya": (n_x, n_a)}
    shapes |= {"b": (n_a, 1), "by": (n_x, 1)}
    return {name: scale * rng.normal(size=shape) for name, shape in shapes.items()}


# The course's functions.


@settings(max_examples=10)
@given(st.integers(1, 4), st.integers(2, 5), st.integers(1, 6), st.integers(0, 9999))
def test_the_gradients_are_the_slopes_of_the_loss(n_a, n_x, T, seed):
    """Central differences of the loss by every parameter agree."""
    rng = np.random.default_rng(seed)
    parameters = random_parameters(n_a, n_x, seed)
    X, Y = [None, *rng.integers(n_x, size=T - 1)], rng.integers(n_x, size=T)
    a0 = rng.normal(size=(n_a, 1))
    _, cache = ds.rnn_forward(X, Y, a0, parameters, n_x)
    gradients, _ = ds.rnn_backward(X, Y, parameters, cache)
    for name, array in parameters.items():
        for i in np.ndindex(array.shape):
            kept, h, losses = array[i], 1e-5, []
            for array[i] in (kept + h, kept - h):
                losses.append(ds.rnn_forward(X, Y, a0, parameters, n_x)[0])
            array[i] = kept
            slope = (losses[0] - losses[1]) / (2 * h)
            # h^2 of third derivatives, and 1e-16 / h of rounding.
            assert gradients[f"d{name}"][i] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_sample_draws_as_the_course_does_and_leaves_numpy_s_generator_alone(namer):
    """The course seeds the global generator before every letter."""
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    ours = ds.sample(namer, TO_INDEX, 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    x, a, seed, indices = np.zeros((27, 1)), np.zeros((50, 1)), 3, []
    for counter in range(50):
        a, y = ds.rnn_step_forward(namer, a, x)
        np.random.seed(counter + seed)
        indices.append(np.random.choice(27, p=y.ravel()))
        if indices[-1] == 0:
            break
        x = np.eye(27)[:, indices[-1:]]
        seed += 1
    assert ours == indices


def test_a_name_without_end_is_ended_after_fifty_letters():
    """A newline that never comes is added."""
    parameters = random_parameters(4, 27, 0)
    parameters["by"][0] = -1e4
    indices = ds.sample(parameters, TO_INDEX, 0)
    assert len(indices) == 51 and indices[-1] == 0 and 0 not in indices[:-1]


def test_model_prints_the_course_s_lines(capsys):
    """Losses with six decimals, seven names, every thousand iterations."""
    _, last = ds.model(["ash\n", " elm"], TO_LETTER, TO_INDEX, 1001, n_a=3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20  # twice a loss, seven names, and two empty lines
    first = re.fullmatch(r"Iteration: 0, Loss: (\d+\.\d{6})", lines[0])
    # The running loss starts as that of seven letters; three and newline come.
    assert float(first[1]) == pytest.approx(6.997 * np.log(27), abs=1e-4)
    assert lines[10].startswith("Iteration: 1000, Loss: ")
    assert lines[1] == lines[9] == ""
    assert lines[-2:] == [last.rstrip("\n"), ""]
    ds.model(["ash", "elm"], TO_LETTER, TO_INDEX, 4, n_a=3, verbose=True)
    said = capsys.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("j")] == [
        "j = 0, idx = 0",
        "j = 2, idx = 0",
    ]


@settings(max_examples=20)
@given(st.text("abc \n", max_size=30), st.integers(1, 8), st.integers(1, 5))
def test_windows_stand_before_the_characters_that_follow_them(text, Tx, stride):
    """As many as fit, `stride` apart; one-hot they are read back."""
    X, Y = ds.build_data(text, Tx, stride)
    assert len(X) == len(Y) == max(0, -(-(len(text) - Tx) // stride))
    numbers = {character: i for i, character in enumerate("abc \n")}
    x, y = ds.vectorization(X, Y, 5, numbers, Tx)
    assert x.shape == (len(X), Tx, 5) and x.dtype == y.dtype == bool
    for i, (window, following) in enumerate(zip(X, Y, strict=True)):
        assert (window + following) in text and text.index(window) <= i * stride
        assert x[i].argmax(axis=1).tolist() == [numbers[c] for c in window]
        assert y[i].argmax() == numbers[following]


# The compiled loop.


def test_the_compiled_loop_walks_as_the_lesson_s_does(data):
    """All losses and parameters to 1e-12, over passes that begin and break off."""
    fast, slow = ds.build_model(), ds.build_model()
    losses = ds.descend(fast, data, 100)
    np.testing.assert_allclose(
        losses, dinosaur_losses(slow, data, 100), rtol=0, atol=1e-12
    )
    for name in slow:
        np.testing.assert_allclose(fast[name], slow[name], rtol=0, atol=1e-12)


def test_the_compiled_loop_clips_as_the_lesson_s_does(data):
    """A bias towards one letter makes gradients of a dozen; they count as 5."""
    fast, slow = ds.build_model(), ds.build_model()
    for model in (fast, slow):
        model["by"][3] = 20
    losses = ds.descend(fast, data, 2)
    np.testing.assert_allclose(
        losses, dinosaur_losses(slow, data, 2), rtol=0, atol=1e-12
    )
    # Two steps of 0.01 * 5 where it was expected in vain.
    assert slow["by"][3] == pytest.approx(20 - 2 * 0.01 * 5)
    np.testing.assert_allclose(fast["by"], slow["by"], rtol=0, atol=1e-12)


def test_training_gives_the_mean_loss_of_each_epoch(data):
    """Which falls; the program is traced once for all epochs."""
    model = ds.build_model()
    losses = ds.train(model, data, epochs=3)
    expected = ds.descend(ds.build_model(), data, 90).reshape(3, 30).mean(axis=1)
    np.testing.assert_array_equal(losses, expected)
    assert losses[2] < losses[1] < losses[0] < 14 * np.log(27)
    assert ds.train(model, data, epochs=0) == []


def test_the_program_is_traced_once_for_equal_shapes(data):
    """However many epochs and calls."""
    run = ds._compiled_pass()
    ds.descend(ds.build_model(), data, 5)
    before = run.experimental_get_tracing_count()
    for iterations in (1, 30, 70):
        ds.descend(ds.build_model(), data, iterations)
    assert run.experimental_get_tracing_count() == before


# Making names up.


def test_a_made_up_name_has_the_probabilities_of_reading_it(namer):
    """The loss of the lesson's reader is minus the sum of their logarithms."""
    names, probabilities = ds.invent(namer, 20, temperature=0.8, seed=4)
    assert len(set(names)) > 10
    for name, p in zip(names, probabilities, strict=True):
        letters = [TO_INDEX[letter] for letter in name]
        X, Y = [None, *letters], [*letters, 0]
        loss, _ = ds.rnn_forward(X, Y, np.zeros((50, 1)), namer)
        assert -np.log(p).sum() == pytest.approx(loss, rel=1e-9)
    total = sum(len(name) + 1 for name in names)
    mean = -np.log(np.concatenate(probabilities)).sum() / total
    assert ds.nats_per_letter(namer, names) == pytest.approx(mean, rel=1e-9)


def test_first_letters_come_as_often_as_the_model_says(namer):
    """4,000 names at temperature 1; a share's standard deviation is below 0.006."""
    names, _ = ds.invent(namer, 4000)
    _, p = ds.rnn_step_forward(namer, np.zeros((50, 1)), np.zeros((27, 1)))
    first = [TO_INDEX[name[0]] if name else 0 for name in names]
    shares = np.bincount(first, minlength=27) / len(names)
    np.testing.assert_allclose(shares, p[:, 0], atol=0.022)


def test_names_begin_as_asked_and_the_seed_decides(namer):
    """In capitals or not; a batch of one is a name, too."""
    answer = ds.infer(namer, "Tri")
    assert answer == ds.infer(namer, " tri ") != ds.infer(namer, "tri", seed=1)
    names = answer.split(", ")
    assert names == answer.details["rows"] and len(names) == 5
    assert all(name.startswith("Tri") for name in names)
    assert 0 < answer.confidence < 1
    assert ds.infer(namer, "", count=1).isalpha()


def test_a_cold_draw_writes_the_likeliest_letters(namer):
    """All names are then the same."""
    names, _ = ds.invent(namer, 5, temperature=1e-9)
    assert len(set(names)) == 1


def test_the_shipped_weights_know_how_names_are_spelt(namer, monkeypatch):
    """Better than the frequencies of letters, on names never read; mostly new."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    rows = ds.evaluate(namer)
    (_, blind, _), (_, ours, goal), (_, different, _), (_, new, _) = rows
    assert ours < 0.5 * blind == 0.5 * goal
    assert different > 0.9 and 0.9 < new < 1
    names, _ = ds.invent(namer, 1000)
    assert np.mean([name.endswith("saurus") for name in names]) > 0.3


@pytest.mark.parametrize(
    ("start", "options", "words"),
    [
        ("t-rex", {}, "'-'.*a to z"),
        ("a" * 50, {}, "50 letters"),
        (7, {}, "int"),
        ("", {"count": 0}, "0 names"),
        ("", {"temperature": 0}, "temperature"),
    ],
)
def test_what_is_no_beginning_of_a_name_is_told(namer, start, options, words):
    """One clear sentence."""
    with pytest.raises(InputError, match=words):
        ds.infer(namer, start, **options)


def test_the_picture_shows_every_letter(namer):
    """One cell a letter, and the end."""
    answer = ds.infer(namer, "mega")
    shown = [text.get_text() for text in ds.picture(namer, "mega").axes[0].texts]
    assert shown == [*"".join(f"{name}↵" for name in answer.details["rows"])]


def test_making_names_up_needs_no_tensorflow():
    """From the shipped weights to the answer."""
    program = (
        "import sys\n"
        "from dls_keras.course5 import dinosaurs as ds\n"
        "ds.infer(ds.load_pretrained(), 'tri')\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_without_data_the_names_are_ours(monkeypatch, tmp_path):
    """And a file or a list of one's own goes before."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    data = ds.load_data()
    assert sorted(data.names) == list(dinosaur_names.make_names())
    assert list(data.names) != sorted(data.names)
    (tmp_path / "trees.txt").write_text("Ash\nBirch\nElm\n")
    from_file = ds.load_data(tmp_path / "trees.txt")
    assert sorted(from_file.names) == ["ash", "birch", "elm"]
    assert from_file.names == ds.load_data(["ash", "birch", "elm"]).names


@pytest.mark.data
def test_the_printed_run_and_the_verses_are_measured_again():
    """Losses to six digits up to 12,000, names up to 4000, the loop to 1e-12."""
    rows = ds.evaluate()[4:]
    assert len(rows) == 6 + 2 + 1 + 4
    for what, ours, goal in rows:
        if what.startswith("loss"):
            assert f"{ours:.6f}" == f"{goal:.6f}", what
        elif what.startswith("names"):
            assert ours == 1, what
        elif what.startswith("largest"):
            assert ours < goal, what
        else:  # written with four decimals
            assert ours == pytest.approx(goal, abs=1e-4), what


# The verses.


@pytest.fixture(scope="module")
def poets():
    return {
        variant: ds.load_pretrained(variant)
        for variant in weights.published("dinosaurs")
    }


@pytest.fixture(scope="module")
def measured():
    """What was measured with Keras 2's gates, by file."""
    path = files.in_data_folder("reference_predictions_sequence.json")
    return json.loads(path.read_text())["shakespeare"]


def test_windows_are_the_last_forty_characters():
    """A shorter text stands at the end; capitals do not matter."""
    x = ds.windows(["Ab", "ab" * 50, ""])
    assert x.shape == (3, 40, 38)
    assert x[0, :38].sum() == 0 and x[2].sum() == 0
    letters = x.argmax(axis=2)
    assert [ds.VERSE_LETTERS[i] for i in letters[0, 38:]] == ["a", "b"]
    assert "".join(ds.VERSE_LETTERS[i] for i in letters[1]) == "ab" * 20


@pytest.mark.data
@pytest.mark.parametrize("variant", weights.published("dinosaurs"))
def test_the_next_character_is_as_likely_as_keras_2_says(poets, measured, variant):
    """Four prompts; the numbers were written with six decimals."""
    assert measured["vocabulary"] == ds.VERSE_LETTERS
    (remote,) = weights.published("dinosaurs")[variant]
    file = remote.name.rpartition("/")[2]
    expected = measured["models"][file]["next_char_distribution"]
    p = poets[variant].predict_on_batch(ds.windows(expected))
    np.testing.assert_allclose(p, list(expected.values()), atol=2e-6)


@pytest.mark.data
@pytest.mark.parametrize("variant", weights.published("dinosaurs"))
def test_a_cold_poet_continues_the_prompt_as_measured(poets, measured, variant):
    """The likeliest 120 characters, one by one."""
    (remote,) = weights.published("dinosaurs")[variant]
    file = remote.name.rpartition("/")[2]
    ((prompt, whole),) = measured["models"][file]["greedy_120_after_prompt"].items()
    text, p = ds.continue_verse(poets[variant], prompt, lines=8, temperature=1e-9)
    assert len(text) == len(p)
    shared = min(len(whole), len(prompt + text))
    assert (prompt + text)[:shared] == whole[:shared] and shared > 140


@pytest.mark.data
def test_the_poet_writes_as_many_lines_as_asked(poets):
    """The answer holds the prompt; the seed decides; rows have their letters."""
    poet = poets["shakespeare"]
    answer = ds.infer(poet, "Shall I ", count=2)
    assert answer.startswith("Shall I ")
    assert answer == ds.infer(poet, "Shall I ", count=2)
    assert len(answer.details["rows"]) == 2
    for row, p in zip(*answer.details.values(), strict=True):
        assert len(row) == len(p) <= ds.LONGEST_LINE and row.endswith("\n")


@pytest.mark.data
def test_a_line_without_end_is_ended(poets, monkeypatch):
    """Where the network would go on, the line breaks off; what was asked is written."""
    monkeypatch.setattr(ds, "LONGEST_LINE", 5)
    answer = ds.infer(poets["shakespeare"], "from fairest", count=3)
    rows = answer.details["rows"]
    assert len(rows) == 3 and max(map(len, rows)) == 5
    assert all(row.endswith("\n") for row in rows)


@pytest.mark.data
@pytest.mark.parametrize(
    ("start", "options", "words"),
    [
        ("Year 1609", {}, "'0'"),
        (None, {}, "NoneType"),
        ("o", {"count": 0}, "0 lines"),
        ("o", {"temperature": -1}, "temperature"),
    ],
)
def test_what_is_no_prompt_is_told(poets, start, options, words):
    """One clear sentence."""
    with pytest.raises(InputError, match=words):
        ds.infer(poets["shakespeare"], start, **options)


def test_an_unknown_variant_is_told():
    """The variants that exist are named."""
    with pytest.raises(InputError, match="default, shakespeare, shakespeare-other"):
        ds.load_pretrained("milton")
