"""Dinosaur names: gradients, the course's loop, generation, and what is printed."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course5 import dinosaurs as ds
from dls_keras.datasets import dinosaur_names

FEW = dinosaur_names.make_names(30)


@pytest.fixture(scope="module")
def model():
    return ds.load_pretrained()


def random_parameters(n_a, n_x, seed, scale=0.5):
    """Parameters large enough to saturate some units."""
    rng = np.random.default_rng(seed)
    shapes = {"Wax": (n_a, n_x), "Waa": (n_a, n_a), "Wya": (n_x, n_a)}
    shapes |= {"b": (n_a, 1), "by": (n_x, 1)}
    return {name: scale * rng.normal(size=shape) for name, shape in shapes.items()}


# The course's functions.


@settings(max_examples=10)
@given(st.integers(1, 4), st.integers(2, 5), st.integers(1, 6), st.integers(0, 9999))
def test_the_gradients_agree_with_central_differences(n_a, n_x, T, seed):
    """Of the loss, for every parameter."""
    rng = np.random.default_rng(seed)
    parameters = random_parameters(n_a, n_x, seed)
    X, Y = [None, *rng.integers(n_x, size=T - 1)], rng.integers(n_x, size=T)
    a0 = rng.normal(size=(n_a, 1))
    _, cache = ds.rnn_forward(X, Y, a0, parameters, n_x)
    gradients, _ = ds.rnn_backward(X, Y, parameters, cache)
    for name, array in parameters.items():
        for i in np.ndindex(array.shape):
            value, h, losses = array[i], 1e-5, []
            for array[i] in (value + h, value - h):
                losses.append(ds.rnn_forward(X, Y, a0, parameters, n_x)[0])
            array[i] = value
            numerical = (losses[0] - losses[1]) / (2 * h)
            # h^2 of third derivatives, and 1e-16 / h of rounding.
            assert gradients[f"d{name}"][i] == pytest.approx(
                numerical, rel=1e-6, abs=1e-8
            )


def test_sample_equals_the_course_s_and_leaves_numpy_s_global_generator_alone(model):
    """The course seeds the global generator before every letter."""
    np.random.seed(5)
    before = np.random.get_state()[1].copy()
    found = ds.sample(model, ds.CHAR_TO_IX, 3)
    np.testing.assert_array_equal(np.random.get_state()[1], before)
    x, a, seed, indices = np.zeros((27, 1)), np.zeros((50, 1)), 3, []
    for counter in range(50):
        a, y = ds.rnn_step_forward(model, a, x)
        np.random.seed(counter + seed)
        indices.append(np.random.choice(27, p=y.ravel()))
        if indices[-1] == 0:
            break
        x = np.eye(27)[:, indices[-1:]]
        seed += 1
    assert found == indices


def test_a_name_is_ended_after_fifty_letters():
    """A newline is appended if none was sampled."""
    parameters = random_parameters(4, 27, 0)
    parameters["by"][0] = -1e4
    indices = ds.sample(parameters, ds.CHAR_TO_IX, 0)
    assert len(indices) == 51 and indices[-1] == 0 and 0 not in indices[:-1]


def test_model_prints_the_course_s_lines(capsys):
    """Losses with six decimals, seven names, every thousand iterations."""
    dicts = ds.IX_TO_CHAR, ds.CHAR_TO_IX
    _, last = ds.model(["ash\n", " elm"], *dicts, 1001, n_a=3)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 20  # twice a loss, seven names, and two empty lines
    first = re.fullmatch(r"Iteration: 0, Loss: (\d+\.\d{6})", lines[0])
    # The moving average starts at the loss of 7 letters; a name has 3 and newline.
    assert float(first[1]) == pytest.approx(6.997 * np.log(27), abs=1e-4)
    assert lines[10].startswith("Iteration: 1000, Loss: ")
    assert lines[1] == lines[9] == ""
    assert lines[-2:] == [last.rstrip("\n"), ""]
    ds.model(["ash", "elm"], *dicts, 4, n_a=3, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("j")] == [
        "j = 0, idx = 0",
        "j = 2, idx = 0",
    ]


@settings(max_examples=20)
@given(st.text("abc \n", max_size=30), st.integers(1, 8), st.integers(1, 5))
def test_each_window_is_followed_by_its_next_character(text, Tx, stride):
    """As many windows as fit, `stride` apart; one-hot vectors decode to them."""
    X, Y = ds.build_data(text, Tx, stride)
    assert len(X) == len(Y) == max(0, -(-(len(text) - Tx) // stride))
    indices = {character: i for i, character in enumerate("abc \n")}
    x, y = ds.vectorization(X, Y, 5, indices, Tx)
    assert x.shape == (len(X), Tx, 5) and x.dtype == y.dtype == bool
    for i, (window, following) in enumerate(zip(X, Y, strict=True)):
        assert (window + following) in text and text.index(window) <= i * stride
        assert x[i].argmax(axis=1).tolist() == [indices[c] for c in window]
        assert y[i].argmax() == indices[following]


# The application.


def test_train_returns_the_mean_loss_of_each_epoch():
    """As the course's loop computes it, one name after the other."""
    data, model = ds.load_data(FEW), ds.build_model()
    losses = ds.train(model, data, epochs=3)
    loop = ds.descend(ds.build_model(), data.names, ds.CHAR_TO_IX, 90)
    expected = np.reshape(list(loop), (3, 30)).mean(axis=1)
    np.testing.assert_allclose(losses, expected, rtol=0, atol=1e-12)
    assert losses[2] < losses[1] < losses[0] < 14 * np.log(27)
    assert ds.train(model, data, epochs=0) == []


def test_the_confidence_is_one_over_the_perplexity_of_the_names(model):
    """The course's forward pass gives the letters the same probabilities."""
    answer = ds.infer(model, "", count=20, temperature=0.8, seed=4)
    names = [name.lower() for name in answer.details["names"]]
    assert len(set(names)) > 10
    assert 1 / answer.confidence == pytest.approx(ds.perplexity(model, names), rel=1e-9)


def test_first_letters_are_as_frequent_as_the_model_predicts(model):
    """4,000 names at temperature 1; a share's standard deviation is below 0.006."""
    answer = ds.infer(model, "", count=4000, temperature=1.0)
    _, p = ds.rnn_step_forward(model, np.zeros((50, 1)), np.zeros((27, 1)))
    names = answer.details["names"]
    first = [ds.CHAR_TO_IX[name[0].lower()] if name else 0 for name in names]
    shares = np.bincount(first, minlength=27) / len(names)
    np.testing.assert_allclose(shares, p[:, 0], atol=0.022)


def test_names_begin_with_the_given_letters_and_depend_on_the_seed(model):
    """Capitals do not matter."""
    answer = ds.infer(model, "Tri")
    assert answer == ds.infer(model, " tri ") != ds.infer(model, "tri", seed=1)
    names = answer.split(", ")
    assert names == answer.details["names"]
    assert len(names) == 5
    assert all(name.startswith("Tri") for name in names)
    assert ds.infer(model, "", count=1).isalpha()


def test_decoding_is_greedy_at_a_temperature_near_zero(model):
    """All names are the same, whatever the seed."""
    first, second = (
        ds.infer(model, "", count=5, temperature=1e-9, seed=seed) for seed in (0, 1)
    )
    assert first.details["names"] == second.details["names"]
    assert len(set(first.details["names"])) == 1


def test_the_shipped_model_halves_the_perplexity_of_letter_frequencies(model):
    """On held-out names; most of the names that it generates are new."""
    baseline, held_out, distinct, new = ds.evaluate(model, synthetic=True)
    assert held_out.at_most == baseline.ours
    assert held_out.ours < 0.5 * baseline.ours
    assert distinct.ours > 0.9
    assert 0.9 < new.ours < 1
    names = ds.infer(model, "", count=1000, temperature=1.0).details["names"]
    assert np.mean([name.endswith("saurus") for name in names]) > 0.3


@pytest.mark.parametrize(
    ("start", "options", "message"),
    [
        ("t-rex", {}, "'-'.*a to z"),
        ("a" * 50, {}, "received 50 letters"),
        (7, {}, "received int"),
        ("", {"count": 0}, "at least 1, received 0"),
        ("", {"temperature": 0}, "above 0; received 0"),
    ],
)
def test_invalid_arguments_are_refused(model, start, options, message):
    """The message states what was expected and what was received."""
    with pytest.raises(InputError, match=message):
        ds.infer(model, start, **options)


def test_the_picture_shows_every_letter(model):
    """One cell per letter, and one for the newline."""
    answer = ds.infer(model, "mega")
    shown = [text.get_text() for text in ds.picture("mega", answer).axes[0].texts]
    assert shown == [*"".join(f"{name}↵" for name in answer.details["names"])]


def test_generating_names_does_not_import_tensorflow():
    """From the shipped weights to the answer."""
    program = (
        "import sys\n"
        "from dls_keras.course5 import dinosaurs as ds\n"
        "ds.infer(ds.load_pretrained(), 'tri')\n"
        "sys.exit('tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_names_come_from_the_argument_or_from_the_package(tmp_path):
    """A file or a list; with the switch the package's list, shuffled."""
    data = ds.load_data(synthetic=True)
    assert sorted(data.names) == list(dinosaur_names.make_names())
    assert list(data.names) != sorted(data.names)
    (tmp_path / "trees.txt").write_text("Ash\nBirch\nElm\n")
    from_file = ds.load_data(tmp_path / "trees.txt")
    assert sorted(from_file.names) == ["ash", "birch", "elm"]
    assert from_file.names == ds.load_data(["ash", "birch", "elm"]).names


PRINTED_NAMES = {
    2000: "Liusskeomnolxeros Hmdaairus Hytroligoraurus Lecalosapaus Xusicikoraurus "
    "Abalpsamantisaurus Tpraneronxeros",
    4000: "Mivrosaurus Inee Ivtroplisaurus Mbaaisaurus Wusichisaurus Cabaselachus "
    "Toraperlethosdarenitochusthiamamumamaon",
}


@pytest.mark.data
def test_model_prints_the_names_of_the_notebooks(capsys):
    """Up to iteration 4000; after that training is chaotic."""
    names = dinosaur_names.load_names()
    ds.model(names, ds.IX_TO_CHAR, ds.CHAR_TO_IX, 4001)
    printed = capsys.readouterr().out
    for iteration, expected in PRINTED_NAMES.items():
        block = printed.split(f"Iteration: {iteration}, ")[1].split("\n\n")[1]
        assert block.split() == expected.split()


@pytest.mark.data
def test_the_losses_that_the_course_prints_are_reproduced():
    """All six digits, up to iteration 12,000."""
    rows = [row for row in ds.evaluate() if row.equals is not None]
    assert len(rows) == len(ds.PRINTED_LOSSES)
    assert [f"{row.ours:.6f}" for row in rows] == [f"{row.equals:.6f}" for row in rows]
