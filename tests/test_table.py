"""Tables, texts and help of the command line break between words."""

import contextlib
import io
import re

import pytest
from click.testing import CliRunner

from dls_keras import catalog
from dls_keras.cli import names, table
from dls_keras.cli.main import main
from dls_keras.core.errors import InputError

WIDTHS = pytest.mark.parametrize("columns", [60, 80])
COMMANDS = [
    [*group, *command]
    for group in ([], ["weights"], ["convert"])
    for command in [
        [],
        *([name] for name in (main.commands[group[0]] if group else main).commands),
    ]
]


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal, and keeps what is written."""

    def __init__(self):
        super().__init__(io.BytesIO(), "utf-8")

    def isatty(self):
        """Tables are drawn, lines wrapped."""
        return True


def on_terminal(columns, show, *args):
    """What a function prints on a terminal of so many columns."""
    stream = Terminal()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(stream):
        patch.setenv("COLUMNS", str(columns))
        with contextlib.suppress(SystemExit):  # of the command line
            show(*args)
    stream.flush()
    return stream.buffer.getvalue().decode()


def words(text):
    """The words of a text without the lines of a table and escape sequences."""
    return re.sub(r"\x1b\[[0-9;]*m|[─━]", "", text).split()


HEADER = ("assignment", "--weights", "size", "measured")
ROWS = [
    ("date_translation", "course-2021", "1.2 MB", "exact dates, held out: 99.98 %"),
    ("yolo", "yolo-fastest-1.1-xl", "2.7 MB", "average precision " * 3),
]


@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_a_table_breaks_no_word(columns):
    """Where it does not fit, each row is a paragraph."""
    text = on_terminal(columns, table.show, HEADER, ROWS)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert all(len(line) <= columns for line in plain.splitlines())
    expected = {word for row in ROWS for cell in row for word in cell.split()}
    assert expected <= set(words(text))
    assert ("─" in text) == (columns >= 80)


def test_a_table_has_no_colour_where_none_is_wanted(monkeypatch):
    """`NO_COLOR` stands for bold letters, too."""
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in on_terminal(120, table.show, HEADER, ROWS)
    assert "\x1b" not in on_terminal(120, main.main, ["list", "1"])
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b" in on_terminal(120, main.main, ["list", "1"])


@WIDTHS
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_breaks_no_word(command, columns):
    """Each word of the help on a narrow terminal stands in that of a wide one."""
    shown = on_terminal(columns, main.main, [*command, "--help"])
    assert all(len(line) <= columns for line in shown.splitlines())
    wide = on_terminal(200, main.main, [*command, "--help"])
    whole = {word.removesuffix("...") for word in words(wide)}
    assert {word.removesuffix("...") for word in words(shown)} <= whole


@WIDTHS
@pytest.mark.parametrize("command", [["list"], ["info", "fizzbuzz"], ["info", "yolo"]])
def test_texts_break_no_word(command, columns):
    """The list of assignments and their descriptions."""
    narrow = on_terminal(columns, main.main, command)
    assert all(len(line) <= columns for line in narrow.splitlines())
    assert words(narrow) == words(on_terminal(500, main.main, command))


# Names


def completed(text):
    """What the shell completes at the end of a command line."""
    *args, last = text.split(" ")[1:]
    env = {
        "_DLS_KERAS_COMPLETE": "bash_complete",
        "COMP_WORDS": text,
        "COMP_CWORD": str(len(args) + 1),
    }
    shown = CliRunner().invoke(main, [], env=env).stdout
    return [line.partition(",")[2] for line in shown.splitlines()]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("dls-keras inf", ["info", "infer"]),
        ("dls-keras infer date", ["date_translation"]),
        ("dls-keras train trig", ["trigger_word"]),
        ("dls-keras infer date_translation x --weights c", ["course", "course-2021"]),
        ("dls-keras infer date_translation --weights mine.h", ["mine.h"]),
        ("dls-keras weights path emoj", ["emojify"]),
        ("dls-keras weights fetch emojify/", ["emojify/default"]),
        ("dls-keras weights list word", ["word_vectors"]),
        ("dls-keras convert keras-h5 x.h5 --model happ", ["happy_house"]),
    ],
)
def test_the_shell_completes_names(text, names):
    """Of commands, assignments and weights; where none matches, of files."""
    assert completed(text) == names


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("yolo", "car_detection"),
        ("Neural style", "style_transfer"),
        ("emojify", "emojify"),
        ("face_recognition", "face_recognition"),
    ],
)
def test_an_assignment_is_found_by_words_of_its_title(text, name):
    """If they match one assignment only; a whole name always does."""
    assert names.found(text) == name


def test_words_of_several_titles_list_the_assignments():
    """And of none, as any unknown name."""
    with pytest.raises(InputError, match="date_translation, transformer"):
        names.found("dates translat")
    with pytest.raises(InputError, match="no assignment 'quantum'"):
        names.found("quantum")
    with pytest.raises(InputError, match="Did you mean 'car_detection'"):
        catalog.check("yolo")
