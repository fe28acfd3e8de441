"""Names of dinosaurs: the package's list, files of names, names as indices."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import dinosaur_names

words = st.text(st.sampled_from(dinosaur_names.LETTERS[1:]), min_size=1, max_size=50)


def test_the_list_has_853_sorted_and_distinct_names():
    """In letters a to z."""
    names = dinosaur_names.make_names()
    assert len(names) == 853
    assert list(names) == sorted(set(names))
    dinosaur_names.check(names)


def test_sampled_names_are_of_the_list_and_distinct():
    """The seed decides which."""
    some = dinosaur_names.make_names(100, seed=1)
    assert len(set(some)) == 100
    assert set(some) <= set(dinosaur_names.make_names())
    assert some == dinosaur_names.make_names(100, seed=1)
    assert some != dinosaur_names.make_names(100, seed=2)
    with pytest.raises(InputError, match="from 1 to 853 names, received 854"):
        dinosaur_names.make_names(854)


def test_one_name_in_ten_is_held_out():
    """Training names and held-out names are all names together."""
    names = dinosaur_names.make_names()
    training = dinosaur_names.split(names)
    held_out = dinosaur_names.split(names, held_out=True)
    assert (len(training), len(held_out)) == (767, 86)
    assert sorted(training + held_out) == list(names)


@given(st.lists(words, min_size=1, max_size=5))
def test_encoded_names_decode_to_themselves(names):
    """x is `NO_LETTER` and the name, y the name and newline; then both are padded."""
    x, y, lengths, kept = dinosaur_names.encode(names)
    assert kept == tuple(names)
    assert x.shape == y.shape == (len(names), max(map(len, names)) + 1)
    for name, inputs, targets, n in zip(names, x, y, lengths, strict=True):
        assert n == len(name) + 1
        assert "".join(dinosaur_names.LETTERS[i] for i in targets[:n]) == f"{name}\n"
        np.testing.assert_array_equal(inputs[1:n], targets[: n - 1])
        assert inputs[0] == dinosaur_names.NO_LETTER
        assert np.all(inputs[n:] == dinosaur_names.NO_LETTER)
        assert np.all(targets[n:] == dinosaur_names.NEWLINE)


def test_a_file_of_names_is_read_in_lower_case_without_blanks(tmp_path):
    """Empty lines and the line endings of Windows are ignored."""
    path = tmp_path / "names.txt"
    path.write_bytes(b"Ash\r\n\r\n  Birch \r\nElm")
    assert dinosaur_names.load_names(path) == ("ash", "birch", "elm")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "contains no name"),
        (b"\n \n", "contains no name"),
        (b"T-Rex", "'-'.*a to z"),
        ("Bäume".encode(), "'ä'"),
        (b"a" * 51, "51 letters"),
        (b"\xff\xfe", "UTF-8"),
    ],
)
def test_an_invalid_file_is_refused(tmp_path, content, message):
    """The message names the character, the length or the encoding."""
    path = tmp_path / "names.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        dinosaur_names.load_names(path)


def test_a_missing_file_is_reported(tmp_path):
    """Nothing is downloaded instead."""
    with pytest.raises(MissingFileError, match="names.txt"):
        dinosaur_names.load_names(tmp_path / "names.txt")


def test_an_empty_list_is_refused():
    """A model needs at least one name."""
    with pytest.raises(InputError, match="no names"):
        dinosaur_names.encode([])


@pytest.mark.data
def test_the_course_s_list_is_the_published_one():
    """1,536 names, 27 characters with the newline."""
    names = dinosaur_names.load_names()
    assert len(names) == 1536
    assert set("".join(names)) == set(dinosaur_names.LETTERS[1:])
