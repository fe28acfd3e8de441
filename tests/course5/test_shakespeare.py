"""The character-level LSTM: windows, training, and the course's published weights."""

import json

import keras
import numpy as np
import pytest

from dls_keras.converters import keras_h5
from dls_keras.core import files, weights
from dls_keras.core.errors import InputError
from dls_keras.course5 import shakespeare as sp
from dls_keras.datasets import sonnets

VARIANTS = list(weights.published("shakespeare"))


@pytest.fixture(scope="module")
def published():
    return {variant: sp.load_pretrained(variant) for variant in VARIANTS}


@pytest.fixture(scope="module")
def measured():
    """What Keras 2 computed, by file."""
    path = files.in_data_folder("reference_predictions_sequence.json")
    return json.loads(path.read_text())["shakespeare"]


@pytest.fixture(scope="module")
def untrained():
    keras.utils.set_random_seed(0)
    return sp.build_model()


def test_the_course_publishes_two_models():
    """The first is the default."""
    assert VARIANTS == ["default", "other"]
    assert set(sp.MEASURED) == set(VARIANTS)


def test_texts_are_encoded_by_their_last_forty_characters():
    """A shorter text is zero-padded on the left; capitals do not matter."""
    x = sp.encode(["Ab", "ab" * 50, ""])
    assert x.shape == (3, 40, 38)
    assert x[0, :38].sum() == 0
    assert x[2].sum() == 0
    indices = x.argmax(axis=2)
    assert [sonnets.CHARACTERS[i] for i in indices[0, 38:]] == ["a", "b"]
    assert "".join(sonnets.CHARACTERS[i] for i in indices[1]) == "ab" * 20


def test_windows_of_the_data_are_those_that_the_model_reads(tmp_path):
    """`load_data` and `encode` agree on any text."""
    path = tmp_path / "text.txt"
    text = "Shall I compare thee to a summer's day? Thou art"
    path.write_text(text)
    x, y = sp.load_data(path, stride=2)
    starts = range(0, len(text) - 40, 2)
    np.testing.assert_array_equal(x, sp.encode([text[i : i + 40] for i in starts]))
    following = [sonnets.CHARACTERS[i] for i in y.argmax(axis=1)]
    assert following == [text[i + 40].lower() for i in starts]


def test_with_the_switch_the_text_is_that_of_the_package():
    """Seven sonnets."""
    assert len(sp.load_data(synthetic=True).x) == len(
        range(0, len(sonnets.TEXT) - 40, 3)
    )


def test_training_lowers_the_cross_entropy(monkeypatch):
    """From that of a uniform prediction; the seed decides every weight."""
    x, y = sp.load_data(stride=29, synthetic=True)
    data = sp.Windows(x[:64], y[:64])
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        model = sp.build_model()
        losses = sp.train(model, data, epochs=3, batch_size=32, learning_rate=0.01)
        runs.append((losses, model.get_weights()))
    assert runs[0][0] == runs[1][0]
    for one, other in zip(runs[0][1], runs[1][1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert runs[0][0][0] == pytest.approx(np.log(38), rel=0.05)
    assert runs[0][0][2] < 0.95 * runs[0][0][0]


def test_the_answer_has_as_many_lines_as_asked(untrained):
    """It begins with the prompt; each line has the probabilities of its characters."""
    answer = sp.infer(untrained, "Shall I ", lines=2)
    assert answer.startswith("Shall I ")
    assert answer == sp.infer(untrained, "Shall I ", lines=2)
    assert answer != sp.infer(untrained, "Shall I ", lines=2, seed=1)
    lines, p = answer.details["lines"], answer.details["probabilities"]
    assert len(lines) == len(p) == 2
    for line, probabilities in zip(lines, p, strict=True):
        assert len(line) == len(probabilities) <= sp.LONGEST_LINE
        assert line.endswith("\n")
    mean = np.exp(np.mean(np.log(np.concatenate(p))))
    assert answer.confidence == pytest.approx(mean)


def test_a_long_line_is_ended(untrained):
    """After `longest` characters."""
    text, _ = sp.generate(untrained, "from fairest", lines=3, longest=5)
    lines = text.splitlines(keepends=True)
    assert len(lines) == 3
    assert max(map(len, lines)) == 5


@pytest.mark.parametrize(
    ("start", "options", "message"),
    [
        ("Year 1609", {}, "character '0'"),
        (None, {}, "received NoneType"),
        ("o", {"lines": 0}, "at least 1 line .* received 0"),
        ("o", {"temperature": -1}, "above 0; received -1"),
    ],
)
def test_invalid_arguments_are_refused(untrained, start, options, message):
    """The message states what was expected and what was received."""
    with pytest.raises(InputError, match=message):
        sp.infer(untrained, start, **options)


def test_an_unknown_variant_is_refused():
    """The message lists those that exist."""
    with pytest.raises(InputError, match="'milton'.*default, other"):
        sp.load_pretrained("milton")


def test_the_picture_shows_every_character(untrained):
    """One cell per character, an arrow for a line break."""
    answer = sp.infer(untrained, "o", lines=1)
    (line,) = answer.details["lines"]
    shown = [text.get_text() for text in sp.picture("o", answer).axes[0].texts]
    assert "".join(shown) == line.replace("\n", "↵")


def test_a_saved_network_gives_the_same_probabilities(tmp_path):
    """With the gates of Keras 2, from a .keras file and as a clone."""
    model = sp.build_model("keras2_hard_sigmoid")
    x = sp.encode(["Shall I compare thee", "o"])
    expected = model.predict_on_batch(x)
    assert not np.allclose(expected, sp.build_model().predict_on_batch(x), atol=1e-6)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    for other in (loaded, clone):
        np.testing.assert_array_equal(other.predict_on_batch(x), expected)
        gates = other.layers[1].recurrent_activation
        assert gates is keras_h5.keras2_hard_sigmoid


@pytest.mark.data
@pytest.mark.parametrize("variant", VARIANTS)
def test_the_next_character_has_the_probabilities_of_keras_2(
    published, measured, variant
):
    """For four prompts; the numbers were recorded with six decimals."""
    assert measured["vocabulary"] == sonnets.CHARACTERS
    (remote,) = weights.published("shakespeare")[variant]
    file = remote.name.rpartition("/")[2]
    expected = measured["models"][file]["next_char_distribution"]
    p = published[variant].predict_on_batch(sp.encode(expected))
    np.testing.assert_allclose(p, list(expected.values()), atol=2e-6)


@pytest.mark.data
@pytest.mark.parametrize("variant", VARIANTS)
def test_greedy_generation_continues_the_prompt_as_keras_2_does(
    published, measured, variant
):
    """A temperature near zero takes the likeliest character, 120 times."""
    (remote,) = weights.published("shakespeare")[variant]
    file = remote.name.rpartition("/")[2]
    ((prompt, whole),) = measured["models"][file]["greedy_120_after_prompt"].items()
    text, p = sp.generate(published[variant], prompt, lines=8, temperature=1e-9)
    assert len(text) == len(p)
    shared = min(len(whole), len(prompt + text))
    assert (prompt + text)[:shared] == whole[:shared]
    assert shared > 140


@pytest.mark.data
def test_cross_entropy_and_accuracy_are_those_of_keras_2(published):
    """Of both models; the numbers were recorded with four decimals."""
    rows = sp.evaluate()
    assert len(rows) == 4
    for row in rows:
        assert row.ours == pytest.approx(row.equals, abs=1e-4), row.what
    single = sp.evaluate(published["default"])
    assert [row.ours for row in single] == [row.ours for row in rows[:2]]
    assert [row.equals for row in single] == [None, None]
