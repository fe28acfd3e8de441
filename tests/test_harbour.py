"""The text of a year in a harbour, and other texts, as sentences of words."""

import numpy as np
import pytest

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import harbour


def test_words_are_lower_case_and_commas_are_words():
    """A stop of any kind ends a sentence; a single word is none."""
    found = harbour.sentences("The sea, O keeper's-friend! Yes. Is it 5 o’clock? It is")
    assert found == [
        ["the", "sea", ",", "o", "keeper's-friend"],
        ["is", "it", "5", "o’clock"],
        ["it", "is"],
    ]


def test_a_sentence_is_read_back_from_its_numbers():
    """x is the sentence behind a stop, y the sentence before it; unknown words too."""
    words = (*harbour.MARKS, "the", "sea", "is")
    x, y, _ = harbour.encode([["the", "sea", "is", "calm"]], words)
    assert x.shape == y.shape == (1, harbour.LONGEST + 1)
    assert x[0, :6].tolist() == [harbour.END, 2, 3, 4, harbour.UNKNOWN, 0]
    assert y[0, :6].tolist() == [2, 3, 4, harbour.UNKNOWN, 0, harbour.NOTHING]
    assert np.all(y[0, 5:] == harbour.NOTHING)


def test_the_vocabulary_is_sorted_by_frequency_and_leaves_rare_words_out():
    """Words that stand once are unknown; ties go by the alphabet."""
    found = [["b", "a", "c"], ["b", "a", "b", "d"]]
    assert harbour.vocabulary(found) == (*harbour.MARKS, "b", "a")


def test_a_long_sentence_is_cut():
    """At `LONGEST` words, so that every sentence has its row."""
    (words,) = harbour.sentences("word " * 100 + ".")
    assert len(words) == harbour.LONGEST


def test_our_text_has_the_sentences_and_words_of_the_record():
    """199 sentences, in few words."""
    assert len(harbour.sentences(harbour.OURS)) == 199
    assert len(harbour.vocabulary(harbour.split(harbour.OURS))) == 199


def test_what_is_no_text_is_told(tmp_path):
    """Missing, of other bytes, and without a sentence."""
    path = tmp_path / "text.txt"
    with pytest.raises(MissingFileError, match="no text at"):
        harbour.load_text(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="UTF-8"):
        harbour.load_text(path)
    path.write_text("word. 1. , .")
    with pytest.raises(InputError, match="no sentence"):
        harbour.load_text(path)
