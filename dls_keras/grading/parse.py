"""Parse a learner's file into top-level statements, even if some have syntax errors.

If a notebook cell or a module cannot be parsed as a whole, it is split at its top-level
lines, and each piece is parsed by itself. So a syntax error in one function does not
hide the others. Lines that only a notebook understands (`%matplotlib`, `!pip install`)
are skipped. The outputs of a notebook are ignored.
"""

import ast
import re
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dls_keras.core import files, readers
from dls_keras.core.errors import InputError, MissingFileError

# The largest code of a file; more takes seconds to parse, and a GB of memory.
LARGEST = 500_000  # characters
MOST_LINES = 50_000
SUFFIXES = (".py", ".ipynb")
SHELL = re.compile(r"[ \t]*(?:[%!?]|[\w.]+ *= *[%!])|.*[\w)]\?+\s*$")
OTHER_LANGUAGE = re.compile(r"\s*%%(?!time|timeit|capture|prun|python3?\b)(\w+)")
DEFINES = re.compile(r"^(?:async )?(?:def|class) +(\w+)", re.MULTILINE)
STARTS = re.compile(r"[\w@]")  # the first character of an unindented statement
CONTINUES = re.compile(r"(?:else|elif|except|finally)\b")  # the preceding statement
STARTS_HERE = re.compile(r"#.*\b(?:START CODE|CODE STARTS?) HERE\b", re.IGNORECASE)
ENDS_HERE = re.compile(r"#.*\b(?:END CODE|CODE ENDS?) HERE\b", re.IGNORECASE)


class Statement(NamedTuple):
    """A top-level statement: its syntax tree, its cell or file, and its text."""

    node: ast.stmt
    cell: str
    text: str = ""


class Unparsable(NamedTuple):
    """A piece with a syntax error: the names that it would define, and a message.

    `unwritten` tells whether it has a place for code in which nothing is written.
    """

    defines: tuple[str, ...]
    message: str
    unwritten: bool = False


def read(path: Path) -> list[Statement | Unparsable]:
    """The top-level statements of a module (.py) or a notebook (.ipynb), in order.

    Raises:
        MissingFileError: if the file does not exist.
        InputError: if it has another suffix, the notebook is not valid, or the code is
            too long.
    """
    if not files.exists(path):
        raise MissingFileError(f"{path} does not exist. Name a .py or .ipynb file.")
    return [piece for cell, text in sources(path) for piece in _pieces(text, cell)]


def sources(path: Path) -> list[tuple[str, str]]:
    """The name of the module and its text, or those of each code cell, in order.

    Raises:
        InputError: as `read`.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"Expected a module (.py) or a notebook (.ipynb), received {path}."
        )
    if path.suffix.lower() == ".py":
        return [(path.name, _text(path))]
    cells = enumerate(_code_cells(path), start=1)
    return [(f"cell {number}", text) for number, text in cells]


def _text(path: Path) -> str:
    """The text of a module in its declared encoding, in UTF-16, or else in Latin-1."""
    with readers.reading(path, "a module of Python in UTF-8"):
        readers.check_size(path, 4 * LARGEST)  # a character has at most four bytes
        if encoding := readers.utf16(path):
            text = path.read_text(encoding)
        else:
            try:
                with tokenize.open(path) as file:
                    text = file.read()
            except (SyntaxError, LookupError, UnicodeError):  # or unknown encoding
                text = path.read_text("latin-1")
        if "\0" in text:
            raise ValueError("it contains zero bytes")
        _check_length([text])
        return text


def _code_cells(path: Path) -> list[str]:
    """The sources of the code cells of a notebook in format 3 or 4."""
    expected = "a valid notebook"
    advice = "Save it again in Jupyter, or export it as a .py file."
    notebook = readers.read_json(path, expected, advice=advice, or_utf16=True)
    with readers.reading(path, expected, advice):
        sheets = _list(notebook.get("worksheets", [notebook]))
        cells = [cell for sheet in sheets for cell in _list(sheet["cells"])]
        sources = [
            cell.get("source", cell.get("input", ""))
            for cell in cells
            if cell["cell_type"] == "code"
        ]
        texts = [s if isinstance(s, str) else "".join(_list(s)) for s in sources]
        _check_length(texts)
        return texts


def _check_length(texts):
    characters, lines = sum(map(len, texts)), sum(text.count("\n") for text in texts)
    if characters > LARGEST or lines > MOST_LINES:
        raise ValueError(
            f"its code has {characters:,} characters in {lines:,} lines, more than "
            f"{LARGEST:,} or {MOST_LINES:,}"
        )


def _list(value):
    if not isinstance(value, list):
        raise TypeError(f"expected a list, found {type(value).__name__}")
    return value


def _pieces(source, cell) -> Iterator[Statement | Unparsable]:
    """The statements of a cell; if it has a syntax error, those of its pieces."""
    if other := OTHER_LANGUAGE.match(source):
        yield Unparsable((), f"{cell} is {other[1]}, not Python; it is skipped.")
        return
    source = source.expandtabs() if "\t" in source else source
    tree = _parsed(source) or _parsed(_without_shell(source))
    if isinstance(tree, ast.Module):
        yield from _statements(tree, cell, source)
        return
    for first_line, piece in _split(_without_shell(source)):
        tree = _parsed(piece, first_line)
        if isinstance(tree, ast.Module):
            yield from _statements(tree, cell, source)
        else:
            yield _unparsable(piece, first_line, cell)


def _statements(tree, cell, source):
    """The statements of a tree, each with its lines and indented comments after it."""
    lines = source.split("\n")
    for node in tree.body:
        end = node.end_lineno or node.lineno
        while end < len(lines) and lines[end][:1] in ("", " "):
            end += 1
        yield Statement(node, cell, "\n".join(lines[node.lineno - 1 : end]))


def gaps(text: str) -> list[int]:
    """The lines, from 0, of places for code between two markers that are empty."""
    found, opened, empty = [], -1, False
    for number, line in enumerate(text.split("\n")):
        if STARTS_HERE.search(line):
            opened, empty = number, True
        elif opened >= 0 and ENDS_HERE.search(line):
            if empty:
                found.append(opened)
            opened = -1
        elif line.strip() and not line.strip().startswith("#"):
            empty = False
    return found + [opened] * (opened >= 0 and empty)


def _parsed(source, first_line=1) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that of "\d" in a string
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tree if first_line == 1 else ast.increment_lineno(tree, first_line - 1)


def _without_shell(source):
    """The source with lines that only a notebook understands replaced by empty ones."""
    return "\n".join(
        "" if SHELL.match(line) and not _parsed(line.strip()) else line
        for line in source.split("\n")
    )


def _split(source: str) -> list[tuple[int, str]]:
    """The source split where a statement may begin: (first line, piece) pairs."""
    pieces: list[tuple[int, list[str]]] = []
    decorated = False
    for number, line in enumerate(source.split("\n"), start=1):
        starts = STARTS.match(line) and not CONTINUES.match(line) and not decorated
        if starts or not pieces:
            pieces.append((number, []))
        pieces[-1][1].append(line)
        decorated = line.startswith("@") or (decorated and not line.strip())
    return [(number, "\n".join(lines)) for number, lines in pieces]


def _unparsable(piece, first_line, cell):
    try:
        compile(piece, cell, "exec")
        line, why = first_line, "it cannot be parsed"
    except SyntaxError as error:
        line, why = first_line + (error.lineno or 1) - 1, error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        line, why = first_line, str(error)
    defines = tuple(DEFINES.findall(piece))
    where = f" in {defines[0]}" if defines else ""
    message = f"{cell}, line {line}: syntax error{where}: {why}."
    return Unparsable(defines, message, bool(gaps(piece)))
