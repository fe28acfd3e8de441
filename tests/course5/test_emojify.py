"""Tests of Emojify that go beyond its reference cases."""

import subprocess
import sys

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from dls_keras.core import weights
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course5 import emojify
from dls_keras.datasets import emoji, glove

TABLE = {"good": np.array([1.0, 2.0]), "bad": np.array([-3.0, 0.5])}


@pytest.fixture(scope="module")
def pretrained():
    return emojify.load_pretrained()


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=9))
def test_softmax_equals_that_of_scipy(x):
    """Also for large numbers, without an overflow warning."""
    np.testing.assert_allclose(emojify.softmax(np.array(x)), softmax(x), rtol=1e-12)


def test_the_average_ignores_unknown_words():
    """Upper and lower case are the same; without a known word the average is zero."""
    avg = emojify.sentence_to_avg
    np.testing.assert_array_equal(avg("Good never bad", TABLE), [-1, 1.25])
    np.testing.assert_array_equal(avg("never", TABLE), [0, 0])
    np.testing.assert_array_equal(avg("", TABLE), [0, 0])


@given(
    st.lists(st.sampled_from(["good", "bad", "other"]), max_size=6), st.integers(1, 4)
)
def test_indices_of_known_words_are_truncated_or_zero_padded(words, max_len):
    """Unknown words are left out; the padding follows the words."""
    (row,) = emojify.sentences_to_indices(
        [" ".join(words)], {"good": 2, "bad": 1}, max_len
    )
    known = [{"good": 2, "bad": 1}[w] for w in words if w != "other"][:max_len]
    assert row.tolist() == known + [0] * (max_len - len(known))


def test_the_first_version_does_gradient_descent():
    """One epoch, one update per sentence, by the gradient of the cross-entropy."""
    np.random.seed(3)
    W0 = np.random.randn(2, 2) / np.sqrt(2)
    np.random.seed(3)
    X, Y = np.array(["good", "bad"]), np.array([0, 1])
    _, W, b = emojify.model(X, Y, TABLE, learning_rate=0.1, num_iterations=1)
    expected_W, expected_b = W0, np.zeros(2)
    for word, label in zip(X, Y, strict=True):
        e = TABLE[word]
        dz = softmax(expected_W @ e + expected_b) - np.eye(2)[label]
        expected_W = expected_W - 0.1 * np.outer(dz, e)
        expected_b = expected_b - 0.1 * dz
    np.testing.assert_allclose(W, expected_W, atol=1e-12)
    np.testing.assert_allclose(b, expected_b, atol=1e-12)


def test_training_lowers_the_loss_and_keeps_the_word_vectors():
    """The same seed gives the same losses, with dropout, too."""
    x, y = emoji.make_emoji(64)
    vectors = {w: np.random.default_rng(0).normal(size=8) for s in x for w in s.split()}
    data = emoji.Emoji(x, y, x[:0], y[:0])

    def run():
        keras.utils.set_random_seed(0)
        model = emojify.build_model(vectors)
        before = model.model.layers[1].get_weights()[0]
        losses = emojify.train(model, data, epochs=4, batch_size=16, learning_rate=0.01)
        np.testing.assert_array_equal(before, model.model.layers[1].get_weights()[0])
        return losses

    losses = run()
    assert losses[-1] < losses[0]
    assert losses == run()


def test_a_weight_file_contains_vocabulary_vectors_and_variables(tmp_path):
    """In half precision."""
    model = emojify.build_model(TABLE)
    path = weights.save_arrays(
        emojify.to_arrays(model), tmp_path / "emojify-v9.h5", half=True
    )
    arrays = weights.load_arrays(path)
    assert arrays["words"].tolist() == [b"bad", b"good"]
    np.testing.assert_array_equal(arrays["vectors"], [TABLE["bad"], TABLE["good"]])
    for i, variable in enumerate(model.model.trainable_variables):
        np.testing.assert_allclose(arrays[f"trained/{i}"], variable, atol=1e-3)


@pytest.mark.parametrize(
    ("sentence", "name"),
    [
        ("I love you, mother!", "heart"),
        ("Let us play football", "baseball"),
        ("What a great success", "smile"),
        ("I am so sad", "disappointed"),
        ("I want pizza for dinner", "fork and knife"),
    ],
)
def test_simple_sentences_get_the_right_emoji(pretrained, sentence, name):
    """Also with capitals and punctuation."""
    answer = emojify.infer(pretrained, sentence)
    assert answer == emoji.EMOJI[emoji.CLASSES.index(name)]
    probabilities = answer.details["probabilities"]
    assert max(probabilities, key=probabilities.get) == name
    assert answer.confidence == pytest.approx(probabilities[name])


def test_unknown_words_are_listed_in_the_details(pretrained):
    """They do not change the probabilities."""
    answer = emojify.infer(pretrained, "I love zxqv you")
    assert answer.details["unknown"] == ["zxqv"]
    known = emojify.infer(pretrained, "I love you")
    assert answer.details["probabilities"] == known.details["probabilities"]


@pytest.mark.parametrize(
    ("written", "tokens"),
    [
        ("I want “pizza”", "I want pizza"),
        ("‘Pizza’ for my «dear» friend…", "Pizza for my dear friend"),
        ("love—my friend – and\u00a0mother -- now", "love my friend and mother now"),
        ("good...bad…day", "good bad day"),
        ("we won 3–2", "we won 3-2"),
        ("a well‑known\u200bfriend\ufeff", "a well-known friend"),
        ("I’m happy, it's mother’s day!", "I am happy it 's mother 's day"),
        ("DON'T! can’t, won`t", "DO N'T ca n't wo n't"),
        ("we're, they've (she'll) I’d", "we 're they 've she 'll I 'd"),
        ("'it's my dogs' food'", "it 's my dogs food"),
        ("you shouldn’t’ve", "you should n't 've"),
        ("i 'm not happy, i do n't play", "i am not happy i do n't play"),
        ("o'brien is in the u.s.", "o'brien is in the u.s"),
    ],
)
def test_a_sentence_is_split_like_the_texts_of_glove(pretrained, written, tokens):
    """Typographic marks as ASCII marks; contractions and possessives."""
    assert emojify._words(written) == tokens.split()
    answer = emojify.infer(pretrained, written)
    x = emojify.sentences_to_indices([tokens], pretrained.word_to_index, 10)
    expected = np.asarray(pretrained.model(x.astype("int32"), training=False))[0]
    np.testing.assert_allclose(list(answer.details["probabilities"].values()), expected)


@pytest.mark.data
def test_sentences_of_the_course_are_split_by_blanks():
    """So that `infer` and the course's functions see the same words."""
    data = emojify.load_data(composed=500)
    for sentence in (*data.x, *data.x_test):
        assert emojify._words(sentence) == sentence.split()


@pytest.mark.parametrize("sentence", ["", "zxqv", "love " * 11, 3])
def test_an_invalid_sentence_is_an_error(pretrained, sentence):
    """No known word, too many words, not a string."""
    with pytest.raises(InputError, match="sentence"):
        emojify.infer(pretrained, sentence)


@pytest.mark.parametrize(
    "content", ["i love this\n", "ok,5\n", "ok,x\n", 'a,1\n"b,c"\n']
)
def test_a_table_with_a_wrong_label_is_an_error_with_its_line(tmp_path, content):
    """A missing label, one out of range, a word, a multi-line cell."""
    path = tmp_path / "table.csv"
    path.write_text(content)
    with pytest.raises(InputError, match=r"line [12]"):
        emojify.read_csv(path)
    with pytest.raises(MissingFileError):
        emojify.read_csv(tmp_path / "none.csv")


def test_synthetic_sentences_fit_the_network():
    """At most ten words, balanced classes, no placeholder; the seed determines them."""
    x, y = emoji.make_emoji(500)
    assert max(len(sentence.split()) for sentence in x) <= emojify.MAX_LEN
    assert np.bincount(y).tolist() == [100] * 5
    assert not any("{" in sentence for sentence in x)
    np.testing.assert_array_equal(x, emoji.make_emoji(500)[0])
    assert not np.array_equal(x, emoji.make_emoji(500, seed=1)[0])


def test_the_first_version_needs_no_tensorflow():
    """Importing the module and averaging words imports NumPy alone."""
    code = (
        "import sys; from dls_keras import emojify;"
        "emojify.sentence_to_avg('a', {'a': emojify.np.ones(2)});"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.data
def test_accuracies_on_the_sentences_of_the_course(pretrained):
    """44 of 56 test sentences; the first version is as accurate as in the course."""
    rows = {row.what: row for row in emojify.evaluate(pretrained)}
    second = rows["test accuracy, the course's 56 sentences"]
    assert second.ours == pytest.approx(44 / 56)
    for part in ("train accuracy, 132", "test accuracy, 56"):
        row = rows[f"first version: {part} sentences"]
        assert row.ours >= row.equals - 1e-3  # the course prints three digits


@pytest.mark.data
def test_the_files_of_the_course_have_the_expected_sentences():
    """132 for training and 56 for testing, counted per class."""
    data = emojify.load_data()
    assert np.bincount(data.y).tolist() == [22, 19, 38, 36, 17]
    assert np.bincount(data.y_test).tolist() == [7, 8, 18, 16, 7]
    assert not any("\t" in sentence for sentence in data.x_test)
    known = emojify.vocabulary(data.x, glove.load_glove())
    assert 200 < len(known) < 260
