"""The word-level language model: perplexity, generation, training, files."""

import keras
import numpy as np
import pytest

from dls_keras.core.errors import InputError
from dls_keras.course5 import language_model as lm
from dls_keras.datasets import sentence_corpus


@pytest.fixture(scope="module")
def model():
    return lm.load_pretrained()


def test_the_shipped_model_halves_the_perplexity_of_word_frequencies(model):
    """On held-out sentences; on training sentences it is lower still."""
    baseline, held_out, training = lm.evaluate(model)
    assert held_out.at_most == training.at_most == baseline.ours
    assert training.ours < held_out.ours < 0.5 * baseline.ours


def test_a_uniform_prediction_has_the_perplexity_of_the_vocabulary():
    """All logits are equal if the last layer is zero."""
    model = lm.build_model()
    dense = model.model.layers[-1]
    dense.set_weights([np.zeros_like(w) for w in dense.get_weights()])
    data = lm.load_data(held_out=True)
    assert lm.perplexity(model, data) == pytest.approx(len(model.words), rel=1e-5)


def test_one_sentence_in_eight_is_held_out():
    """The vocabulary is that of the training sentences in both parts."""
    data, held_out = lm.load_data(), lm.load_data(held_out=True)
    assert data.words == held_out.words
    total = len(sentence_corpus.sentences(sentence_corpus.TEXT))
    assert (len(data.x), len(held_out.x)) == (total - total // 8, total // 8)


def test_sentences_begin_with_the_given_words_and_end_with_a_full_stop(model):
    """Capitals do not matter; the same seed generates the same sentences."""
    answer = lm.infer(model, "THE keeper", count=4)
    assert answer == lm.infer(model, "the keeper.", count=4)
    assert answer != lm.infer(model, "the keeper", count=4, seed=1)
    sentences = answer.details["sentences"]
    assert len(sentences) == 4
    for words, p in zip(sentences, answer.details["probabilities"], strict=True):
        assert words[:2] == ["the", "keeper"]
        assert words.index(".") == len(words) - 1
        assert p.shape == (len(words),)
        assert np.all((p > 0) & (p < 1))
    assert answer.startswith("The keeper ")
    assert answer.endswith(".")


def test_the_confidence_is_one_over_the_perplexity_of_the_answer(model):
    """Reading the generated sentence gives the probabilities it was sampled with."""
    answer = lm.infer(model, "", count=1, temperature=1.0, seed=3)
    (words,) = answer.details["sentences"]
    data = sentence_corpus.encode([words[:-1]], model.words)
    assert 1 / answer.confidence == pytest.approx(lm.perplexity(model, data), rel=1e-4)


def test_the_unknown_word_is_never_generated(model):
    """At any temperature; a sentence has at most 30 words."""
    sentences, _ = lm.generate(model, count=200, temperature=50.0)
    unknown = sentence_corpus.MARKS[sentence_corpus.UNKNOWN]
    assert not any(unknown in words for words in sentences)
    assert max(map(len, sentences)) == sentence_corpus.LONGEST


@pytest.mark.parametrize(
    ("start", "options", "message"),
    [
        ("the pirate", {}, "'pirate' is not in .*vocabulary"),
        ("the " * 30, {}, "fewer than 30 words .* received 30"),
        (None, {}, "received NoneType"),
        ("the", {"count": 0}, "at least 1, received 0"),
        ("the", {"temperature": 0}, "above 0; received 0"),
    ],
)
def test_invalid_arguments_are_refused(model, start, options, message):
    """The message states what was expected and what was received."""
    with pytest.raises(InputError, match=message):
        lm.infer(model, start, **options)


def test_a_model_of_another_text_has_its_vocabulary(tmp_path):
    """The loss falls from that of a uniform prediction."""
    path = tmp_path / "text.txt"
    path.write_text("Ein Hund läuft. Der Hund schläft! Ein Vogel singt, oder?\n" * 8)
    data = lm.load_data(path)
    assert "läuft" in data.words
    assert "the" not in data.words
    model = lm.build_model(data.words, n_e=8, n_a=8)
    losses = lm.train(model, data, epochs=6, batch_size=7, learning_rate=0.05)
    assert losses[-1] < losses[0] < 1.2 * np.log(len(data.words))
    assert lm.infer(model, "ein", count=1).startswith("Ein ")


def test_a_text_too_short_to_hold_out_a_sentence_is_refused(tmp_path):
    """The message states how many sentences are needed."""
    path = tmp_path / "text.txt"
    path.write_text("One sentence. Another one.")
    with pytest.raises(InputError, match="at least 8 sentences.*received 2"):
        lm.load_data(path, held_out=True)


def test_a_saved_network_gives_the_same_logits(model, tmp_path):
    """From a .keras file, and as a clone with the same weights."""
    x = lm.load_data(held_out=True).x
    expected = model.model.predict_on_batch(x)
    model.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model.model)
    clone.set_weights(model.model.get_weights())
    for other in (loaded, clone):
        np.testing.assert_array_equal(other.predict_on_batch(x), expected)


def test_the_picture_shows_every_word(model):
    """One cell per word."""
    answer = lm.infer(model, "the sea")
    figure = lm.picture("the sea", answer)
    shown = [text.get_text() for text in figure.axes[0].texts]
    assert shown == [word for words in answer.details["sentences"] for word in words]
