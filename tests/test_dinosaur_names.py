"""Names of dinosaurs: our own list, files of names, and names as numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import dinosaur_names

words = st.text(st.sampled_from(dinosaur_names.LETTERS[1:]), min_size=1, max_size=50)


def test_our_list_is_long_sorted_and_without_doubles():
    """Several hundred names in a to z."""
    names = dinosaur_names.make_names()
    assert len(names) == 853
    assert list(names) == sorted(set(names))
    dinosaur_names.check(names)


def test_drawn_names_are_of_the_list_and_differ():
    """The seed decides which."""
    some = dinosaur_names.make_names(100, seed=1)
    assert len(set(some)) == 100 and set(some) <= set(dinosaur_names.make_names())
    assert some == dinosaur_names.make_names(100, seed=1)
    assert some != dinosaur_names.make_names(100, seed=2)
    with pytest.raises(InputError, match="853"):
        dinosaur_names.make_names(854)


def test_a_split_parts_the_names():
    """One in ten is held out."""
    names = dinosaur_names.make_names()
    learnt = dinosaur_names.split(names)
    unseen = dinosaur_names.split(names, held_out=True)
    assert (len(learnt), len(unseen)) == (767, 86)
    assert sorted(learnt + unseen) == list(names)


@given(st.lists(words, min_size=1, max_size=5))
def test_names_are_read_back_from_their_numbers(names):
    """x is nothing and the name, y the name and newline; the rest is filling."""
    x, y, lengths, kept = dinosaur_names.encode(names)
    assert kept == tuple(names)
    assert x.shape == y.shape == (len(names), max(map(len, names)) + 1)
    for name, read, written, n in zip(names, x, y, lengths, strict=True):
        assert n == len(name) + 1
        assert "".join(dinosaur_names.LETTERS[i] for i in written[:n]) == f"{name}\n"
        np.testing.assert_array_equal(read[1:n], written[: n - 1])
        assert read[0] == dinosaur_names.NOTHING
        assert np.all(read[n:] == dinosaur_names.NOTHING)
        assert np.all(written[n:] == dinosaur_names.NEWLINE)


def test_a_file_of_names_is_read_without_blanks_and_capitals(tmp_path):
    """Empty lines are left out; Windows' line ends, too."""
    path = tmp_path / "names.txt"
    path.write_bytes(b"Ash\r\n\r\n  Birch \r\nElm")
    assert dinosaur_names.load_names(path) == ("ash", "birch", "elm")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no name"),
        (b"\n \n", "holds no name"),
        (b"T-Rex", "'-'.*a to z"),
        ("Bäume".encode(), "'ä'"),
        (b"a" * 51, "51 letters"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_what_is_no_list_of_names_is_told(tmp_path, content, message):
    """One sentence that names the mistake."""
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        dinosaur_names.load_names(path)


def test_a_missing_file_is_named(tmp_path):
    """And nothing is downloaded in its place."""
    with pytest.raises(MissingFileError, match="names.txt"):
        dinosaur_names.load_names(tmp_path / "names.txt")


def test_no_names_cannot_be_encoded():
    """There would be nothing to learn."""
    with pytest.raises(InputError, match="no names"):
        dinosaur_names.encode([])


@pytest.mark.data
def test_the_course_s_list_is_the_published_one():
    """1,536 names, 27 characters with the newline."""
    names = dinosaur_names.load_names()
    assert len(names) == 1536
    assert set("".join(names)) == set(dinosaur_names.LETTERS[1:])
