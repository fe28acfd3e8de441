"""A learner's file as statements of Python, however broken some of them are.

A notebook's code cells and a module's text are read piece by piece: where a cell
cannot be read as a whole it is cut at its top-level lines, so that a slip of the pen
in one function hides no other. Lines that only a notebook understands (`%matplotlib`,
`!pip install`) are left out. Outputs are never looked at.
"""

import ast
import json
import re
import tokenize
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dls_keras.core.errors import InputError, MissingFileError

SUFFIXES = (".py", ".ipynb")
SHELL = re.compile(r"[ \t]*(?:[%!?]|[\w.]+ *= *[%!])|.*[\w)]\?+\s*$")
FOREIGN_CELL = re.compile(r"\s*%%(?!time|timeit|capture|prun|python3?\b)(\w+)")
DEFINES = re.compile(r"^(?:async )?(?:def|class) +(\w+)", re.MULTILINE)
STARTS = re.compile(r"[\w@]")  # of a statement that stands at the left edge
GOES_ON = re.compile(r"(?:else|elif|except|finally)\b")  # the statement before


class Statement(NamedTuple):
    """A top-level statement: its tree, and the name of the cell that holds it."""

    node: ast.stmt
    cell: str


class Unreadable(NamedTuple):
    """A piece that is no Python: what it would define, and why it cannot be read."""

    defines: tuple[str, ...]
    message: str


def read(path: Path) -> list[Statement | Unreadable]:
    """The statements of a module or a notebook, in their order.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if it is neither, or its notebook is not JSON.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist. Name a .py or .ipynb file.")
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"{path} ends in {path.suffix or 'nothing'}; expected a module (.py) or a "
            "notebook (.ipynb)."
        )
    if path.suffix == ".py":
        return list(_pieces(_text(path), path.name))
    return [
        piece
        for number, source in enumerate(_code_cells(path), start=1)
        for piece in _pieces(source, f"cell {number}")
    ]


def _text(path):
    """The text of a module, in the encoding that it declares."""
    try:
        with tokenize.open(path) as file:
            return file.read()
    except (SyntaxError, UnicodeDecodeError):
        return path.read_text("latin-1")


def _code_cells(path) -> list[str]:
    """The sources of a notebook's code cells, of format 3 or 4."""
    try:
        notebook = json.loads(path.read_text("utf-8-sig"))
        sheets = notebook.get("worksheets", [notebook])
        cells = [cell for sheet in sheets for cell in sheet["cells"]]
        sources = [
            cell.get("source", cell.get("input", ""))
            for cell in cells
            if cell["cell_type"] == "code"
        ]
        return [text if isinstance(text, str) else "".join(text) for text in sources]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is no notebook that can be read ({type(error).__name__}: {error})."
            " Save it again in Jupyter, or export it as a .py file."
        ) from None


def _pieces(source, cell) -> Iterator[Statement | Unreadable]:
    """The statements of a cell; where it is broken, those of its sound pieces."""
    if foreign := FOREIGN_CELL.match(source):
        yield Unreadable((), f"{cell} is {foreign[1]}, not Python, and is left out.")
        return
    source = source.expandtabs() if "\t" in source else source
    tree = _parsed(source) or _parsed(_without_shell(source))
    if isinstance(tree, ast.Module):
        yield from (Statement(node, cell) for node in tree.body)
        return
    for first_line, piece in _cut(_without_shell(source)):
        tree = _parsed(piece, first_line)
        if isinstance(tree, ast.Module):
            yield from (Statement(node, cell) for node in tree.body)
        else:
            yield _unreadable(piece, first_line, cell)


def _parsed(source, first_line=1) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "\d" in a string is no concern of ours
            tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return ast.increment_lineno(tree, first_line - 1)


def _without_shell(source):
    """The source with an empty line for each that only a notebook understands."""
    return "\n".join(
        "" if SHELL.match(line) and not _parsed(line.strip()) else line
        for line in source.split("\n")
    )


def _cut(source) -> list[tuple[int, str]]:
    """The source cut where a statement may begin: (first line, piece) pairs."""
    pieces, decorated = [], False
    for number, line in enumerate(source.split("\n"), start=1):
        starts = STARTS.match(line) and not GOES_ON.match(line) and not decorated
        if starts or not pieces:
            pieces.append((number, []))
        pieces[-1][1].append(line)
        decorated = line.startswith("@") or (decorated and not line.strip())
    return [(number, "\n".join(lines)) for number, lines in pieces]


def _unreadable(piece, first_line, cell):
    try:
        compile(piece, cell, "exec")
        line, why = first_line, "it cannot be read"
    except SyntaxError as error:
        line, why = first_line + (error.lineno or 1) - 1, error.msg
    except (ValueError, RecursionError, MemoryError) as error:
        line, why = first_line, str(error)
    defines = tuple(DEFINES.findall(piece))
    what = f"{defines[0]} is no Python" if defines else "no Python"
    return Unreadable(defines, f"{cell}, line {line}: {what}: {why}.")
