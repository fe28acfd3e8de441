"""GloVe files are read as text or from a zip archive; invalid lines are reported."""

import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import glove


@pytest.fixture
def write(tmp_path):
    """Writes bytes to a file and returns its path."""

    def write(content, name="vectors.txt"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


@given(
    st.dictionaries(
        st.text(st.characters(categories=("L", "N", "P")), min_size=1),
        st.lists(st.floats(-9, 9), min_size=3, max_size=3),
        min_size=1,
        max_size=20,
    ),
    st.integers(1, 200),
)
def test_reading_returns_the_written_vectors(tmp_path_factory, vectors, block):
    """For words of any letters, punctuation and digits, and any block size."""
    path = tmp_path_factory.mktemp("glove") / "v.txt"
    lines = [f"{word} {' '.join(map(repr, v))}\n" for word, v in vectors.items()]
    path.write_text("".join(lines), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(glove, "BLOCK", block)
        got = glove.read([path])
    assert list(got) == list(vectors)
    for word, vector in vectors.items():
        np.testing.assert_array_equal(got[word], vector)


def test_word_vectors_are_a_mapping_onto_one_array(write):
    """A lookup returns a view; an unknown word raises KeyError."""
    vectors = glove.read([write(b"the 0.5 -1\nzebra 1 2\n")])
    assert vectors.matrix.dtype == np.float64
    assert vectors["zebra"].base is vectors.matrix
    assert (len(vectors), "the" in vectors, "cat" in vectors) == (2, True, False)
    with pytest.raises(KeyError):
        vectors["cat"]


def test_the_first_vector_of_a_repeated_word_is_kept(write):
    """Within a file and across several files."""
    first = write(b"a 1 2\na 3 4\nb 5 6\n")
    second = write(b"b 7 8\nc 9 0\n", "more.txt")
    vectors = glove.read([first, second])
    assert {word: list(v) for word, v in vectors.items()} == {
        "a": [1, 2],
        "b": [5, 6],
        "c": [9, 0],
    }


def test_words_with_blanks_and_a_header_line_are_read(write):
    """glove.840B has words with blanks; word2vec's text format has a header."""
    assert list(glove.read([write(b"a 1 2\n. . . 3 4\n")])) == ["a", ". . ."]
    assert list(glove.read([write(b"2 3\na 1 2 3\nb 4 5 6\n")])) == ["a", "b"]


def test_a_zip_archive_is_read(tmp_path):
    """Its only file, or that of the dimension; else the error lists the files."""
    path = tmp_path / "glove.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("glove.6B.50d.txt", "a 1 2\n")
    assert list(glove.load_glove(path)) == ["a"]
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("glove.6B.100d.txt", "b 1 2 3 4\n")
    assert list(glove.load_glove(path, dimension=100)) == ["b"]
    with pytest.raises(InputError, match=r"contains glove\.6B\.50d\.txt, .*100d\.txt"):
        glove.load_glove(path, dimension=300)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no word vectors"),
        (b"\n\n", "no word vectors"),
        (b"a\nb\n", "line 1: expected a word and 0 numbers"),
        (b"a 1 2\n\nb 3\n", "line 3: expected a word and 2 numbers"),
        (b"a 1 2\nb x 3\n", "line 2"),
        (b"a 1 2\nb nan 3\n", "line 2"),
        (b"\xff 1 2\n", "line 1"),
        (b"<html>\n<body>\n", "line 1"),
    ],
)
def test_an_invalid_line_is_reported_with_its_number(write, content, words):
    """Empty files, missing or invalid numbers, other encodings, web pages."""
    with pytest.raises(InputError, match=words):
        glove.read([write(content)])


def test_the_error_for_a_missing_file_names_the_download(tmp_path, monkeypatch):
    """It names the given path, or the archive in which GloVe is published."""
    with pytest.raises(MissingFileError, match=r"none\.txt"):
        glove.load_glove(tmp_path / "none.txt")
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    with pytest.raises(MissingFileError, match=r"glove\.6B\.100d\.txt.*glove\.6B\.zip"):
        glove.load_glove(dimension=100)


@given(st.lists(st.text(max_size=3)), st.text(max_size=3))
def test_an_index_behaves_like_a_dict(words, other):
    """It numbers the distinct words in order, also after pickling."""
    expected = {word: i for i, word in enumerate(dict.fromkeys(words))}
    index = pickle.loads(pickle.dumps(glove.Index(words)))
    assert [*index.items()] == [*expected.items()]
    assert index.get(other) == expected.get(other)
    assert index.add(other) == (other not in expected)
    assert index == {**expected, other: expected.get(other, len(expected))}


@pytest.mark.data
def test_the_parts_in_the_data_folder_are_read():
    """At least 14,208 words with 50 numbers each; the first word is "the"."""
    vectors = glove.load_glove()
    assert vectors.matrix.shape == (len(vectors), 50)
    assert len(vectors) >= 14_208
    assert next(iter(vectors)) == "the"
    assert vectors["the"][:3].tolist() == [0.418, 0.24968, -0.41242]
