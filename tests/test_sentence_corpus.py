"""The short corpus and other texts as sentences of word indices."""

import numpy as np
import pytest

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import sentence_corpus
from dls_keras.datasets.sentence_corpus import END, LONGEST, MARKS, PADDING, UNKNOWN


def test_tokens_are_lower_case_words_and_commas():
    """Any of .!?;: ends a sentence; a single word is not a sentence."""
    found = sentence_corpus.sentences(
        "The sea, O keeper's-friend! Yes. Is it 5 o’clock? It is"
    )
    assert found == [
        ["the", "sea", ",", "o", "keeper's-friend"],
        ["is", "it", "5", "o’clock"],
        ["it", "is"],
    ]


def test_targets_are_the_inputs_shifted_by_one():
    """x begins with `END`, y ends with it; a word not in the vocabulary is unknown."""
    words = (*MARKS, "the", "sea", "is")
    x, y, _ = sentence_corpus.encode([["the", "sea", "is", "calm"]], words)
    assert x.shape == y.shape == (1, LONGEST + 1)
    assert x[0, :6].tolist() == [END, 2, 3, 4, UNKNOWN, 0]
    assert y[0, :6].tolist() == [2, 3, 4, UNKNOWN, END, PADDING]
    assert np.all(y[0, 5:] == PADDING)


def test_the_vocabulary_is_sorted_by_frequency_without_rare_words():
    """Words that occur once are left out; ties are in alphabetical order."""
    found = [["b", "a", "c"], ["b", "a", "b", "d"]]
    assert sentence_corpus.vocabulary(found) == (*MARKS, "b", "a")


def test_a_long_sentence_is_cut():
    """At `LONGEST` words, the length of a row."""
    (words,) = sentence_corpus.sentences("word " * 100 + ".")
    assert len(words) == LONGEST


def test_the_text_has_199_sentences_and_199_known_words():
    """In the vocabulary of the training sentences."""
    assert len(sentence_corpus.sentences(sentence_corpus.TEXT)) == 199
    training = sentence_corpus.split(sentence_corpus.TEXT)
    assert len(sentence_corpus.vocabulary(training)) == 199


def test_an_invalid_file_is_refused(tmp_path):
    """If it is missing, not UTF-8, or without a sentence."""
    path = tmp_path / "text.txt"
    with pytest.raises(MissingFileError, match="no file at"):
        sentence_corpus.load_text(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        sentence_corpus.load_text(path)
    path.write_text("word. 1. , .")
    with pytest.raises(InputError, match="contains no sentence"):
        sentence_corpus.load_text(path)
