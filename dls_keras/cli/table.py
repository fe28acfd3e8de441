"""Tables and texts on stdout that break between words, whatever the terminal's width.

Where stdout is not a terminal, a row is one line with tabs and no line is wrapped.
"""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence

import click

SHORT = 24  # cells of at most so many characters do not wrap
NARROWEST = 20  # characters of a column that wraps
GAP = 3  # blanks between columns, and at the edge


def width() -> int:
    """The columns of the terminal; `COLUMNS` overrides them."""
    return shutil.get_terminal_size().columns


def without_colour() -> bool:
    """Whether `NO_COLOR` is set, see https://no-color.org."""
    return bool(os.environ.get("NO_COLOR"))


def wrapped(text: str, hang: int = 0) -> str:
    """A text whose lines fit the terminal, if stdout is one; words stay whole.

    Args:
        hang: by how many blanks the continuation of a line is indented in addition.
    """
    if not sys.stdout.isatty():
        return text
    lines: list[str] = []
    for line in text.split("\n"):
        indent = line[: len(line) - len(line.lstrip())] + hang * " "
        lines += _filled(line, width(), indent) if len(line) > width() else [line]
    return "\n".join(lines)


def show(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere one line per row, cells separated by tabs.

    On a terminal too narrow for a table, each row is a paragraph.
    """
    rows = list(rows)
    if not sys.stdout.isatty():
        for row in (header, *rows):
            click.echo("\t".join(" ".join(cell.split()) for cell in row))
    elif sum(map(_narrowest, header, zip(*rows, strict=True))) <= width():
        _show_table(header, rows)
    else:
        for row in rows:
            click.echo()
            for title, cell in zip(header, row, strict=True):
                line = f"{title}: {cell}" if title != header[0] else cell
                click.echo("\n".join(_filled(line, width(), "    ")))


def _filled(line, columns, indent):
    """Lines that break between words; a longer word is a line of its own."""
    return textwrap.wrap(
        line,
        columns,
        subsequent_indent=indent,
        drop_whitespace=True,
        break_long_words=False,
        break_on_hyphens=False,
    ) or [line]


def _narrowest(title, column):
    """The number of characters that a column needs so that no word breaks."""
    longest = max(map(len, column), default=0)
    words = [word for cell in (title, *column) for word in cell.split()]
    word = max(map(len, words), default=0)
    needed = longest if longest <= SHORT else max(word, NARROWEST)
    return max(len(title), needed) + GAP


def _show_table(header, rows):
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title, *column in zip(header, *rows, strict=True):
        short = max(map(len, column), default=0) <= SHORT  # numbers and names
        least = _narrowest(title, column) - GAP
        table.add_column(title, no_wrap=short, min_width=least)
    for row in rows:
        table.add_row(*map(Text, row))
    Console(color_system=None if without_colour() else "auto").print(table)
