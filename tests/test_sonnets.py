"""Shakespeare's sonnets: the seven of the package, and the course's file."""

import pytest

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import sonnets


def test_the_package_s_text_is_seven_sonnets_of_fourteen_lines():
    """In the characters of the course's file."""
    poems = sonnets.TEXT.strip().split("\n\n")
    assert [len(poem.splitlines()) for poem in poems] == [14] * 7
    sonnets.check(sonnets.TEXT)


def test_a_file_is_read_in_lower_case(tmp_path):
    """Whatever its line breaks."""
    path = tmp_path / "text.txt"
    path.write_bytes(b"Roses are red,\r\nviolets.")
    assert sonnets.load_text(path) == "roses are red,\nviolets."


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"in 1609", "the character '0'"), (b"\xff\xfe", "not UTF-8 text")],
)
def test_a_file_that_the_model_cannot_read_is_refused(tmp_path, content, message):
    """The message names the first character, or the encoding."""
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        sonnets.load_text(path)


def test_a_missing_file_is_reported(tmp_path):
    """Nothing is downloaded instead."""
    with pytest.raises(MissingFileError, match="text.txt"):
        sonnets.load_text(tmp_path / "text.txt")


@pytest.mark.data
def test_the_course_s_file_has_38_characters():
    """All of `CHARACTERS` occur in its 94,275 characters."""
    text = sonnets.load_text()
    assert len(text) == 94_275
    assert "".join(sorted(set(text))) == sonnets.CHARACTERS
