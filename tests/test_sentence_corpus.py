"""The text of a year in a harbour, and other texts, as sentences of words."""

import numpy as np
import pytest

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import sentence_corpus


def test_words_are_lower_case_and_commas_are_words():
    """A stop of any kind ends a sentence; a single word is none."""
    found = sentence_corpus.sentences(
        "The sea, O keeper's-friend! Yes. Is it 5 o’clock? It is"
    )
    assert found == [
        ["the", "sea", ",", "o", "keeper's-friend"],
        ["is", "it", "5", "o’clock"],
        ["it", "is"],
    ]


def test_a_sentence_is_read_back_from_its_numbers():
    """x is the sentence behind a stop, y the sentence before it; unknown words too."""
    words = (*sentence_corpus.MARKS, "the", "sea", "is")
    x, y, _ = sentence_corpus.encode([["the", "sea", "is", "calm"]], words)
    assert x.shape == y.shape == (1, sentence_corpus.LONGEST + 1)
    assert x[0, :6].tolist() == [
        sentence_corpus.END,
        2,
        3,
        4,
        sentence_corpus.UNKNOWN,
        0,
    ]
    assert y[0, :6].tolist() == [
        2,
        3,
        4,
        sentence_corpus.UNKNOWN,
        0,
        sentence_corpus.NOTHING,
    ]
    assert np.all(y[0, 5:] == sentence_corpus.NOTHING)


def test_the_vocabulary_is_sorted_by_frequency_and_leaves_rare_words_out():
    """Words that stand once are unknown; ties go by the alphabet."""
    found = [["b", "a", "c"], ["b", "a", "b", "d"]]
    assert sentence_corpus.vocabulary(found) == (*sentence_corpus.MARKS, "b", "a")


def test_a_long_sentence_is_cut():
    """At `LONGEST` words, so that every sentence has its row."""
    (words,) = sentence_corpus.sentences("word " * 100 + ".")
    assert len(words) == sentence_corpus.LONGEST


def test_our_text_has_the_sentences_and_words_of_the_record():
    """199 sentences, in few words."""
    assert len(sentence_corpus.sentences(sentence_corpus.OURS)) == 199
    assert (
        len(sentence_corpus.vocabulary(sentence_corpus.split(sentence_corpus.OURS)))
        == 199
    )


def test_what_is_no_text_is_told(tmp_path):
    """Missing, of other bytes, and without a sentence."""
    path = tmp_path / "text.txt"
    with pytest.raises(MissingFileError, match="no text at"):
        sentence_corpus.load_text(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        sentence_corpus.load_text(path)
    path.write_text("word. 1. , .")
    with pytest.raises(InputError, match="no sentence"):
        sentence_corpus.load_text(path)
