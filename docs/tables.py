"""The tables of README.md and weights/README.md, from the catalogue and the records.

A page marks the place of a table by two comments:

    <!-- table: assignments -->
    <!-- end of table -->

Maintainers run `python docs/tables.py` to fill in the tables; a test fails if a page is
out of date.
"""

import re
from collections.abc import Sequence

from dls_keras import catalog, models
from dls_keras.core import files

PAGES = ("README.md", "weights/README.md")
MARKED = re.compile(
    r"(<!-- table: (?P<name>\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL
)


# What an assignment may have besides the course's functions, and its label.
MORE = {"train": "training", "load_pretrained": "weights", "infer": "answers"}


def assignments() -> str:
    """All assignments, course by course."""
    rows = []
    for a in catalog.ASSIGNMENTS:
        more = [word for name, word in MORE.items() if name in a.offers]
        has = ", ".join(["functions", *more])
        rows.append((f"C{a.course} W{a.week}", f"`{a.name}`", a.title, has))
    return _markdown(("course", "assignment", "title", "has"), rows)


def weights() -> str:
    """The shipped weights, one line each."""
    header = "assignment", "weights", "size", "parameters", "measured", "data licence"
    rows = [
        (
            f"`{entry.name}`",
            f"`{entry.record.name}`",
            files.size(entry.record.bytes),
            f"{entry.record.params:,}",
            entry.record.measured,
            entry.record.licence,
        )
        for entry in models.entries()
        if entry.record
    ]
    return _markdown(header, rows)


def weight_records() -> str:
    """The whole records, one section each."""
    return "\n\n".join(section(entry) for entry in models.entries() if entry.record)


def section(entry: models.Entry) -> str:
    """The record of one shipped file, as a section."""
    name, variant, record, _ = entry
    assert record is not None
    facts = {
        "use": f'`dls_keras.{name}.load_pretrained("{variant}")`',
        "file": f"`{record.file}`, {record.bytes:,} bytes, sha256 `{record.sha256}`",
        "parameters": f"{record.params:,}",
        "input": record.input,
        "classes": ", ".join(record.classes),
        "measured": record.measured,
        "data": f"{record.data} ({record.licence})",
        "recipe": f"{record.recipe}; seed {record.seed}; {record.date}",
        "download": record.url,
    }
    lines = [f"- {name}: {_cell(value)}" for name, value in facts.items() if value]
    return "\n".join([f"### {record.name}", "", *lines])


TABLES = {
    "assignments": assignments,
    "weights": weights,
    "weight-records": weight_records,
}


def filled(page: str) -> str:
    """The text of a page with current tables between its marks.

    Raises:
        ValueError: if a mark names a table that does not exist.
    """

    def table(match):
        if match["name"] not in TABLES:
            raise ValueError(
                f"There is no table {match['name']!r}. Name one of {', '.join(TABLES)}."
            )
        return f"{match[1]}{TABLES[match['name']]()}\n{match[3]}"

    return MARKED.sub(table, page)


def main() -> None:
    """Fill the tables of all pages of this checkout."""
    for name in PAGES:
        path = files.PACKAGE.parent / name
        text = filled(path.read_text("utf-8"))
        with files.atomic_write(path) as temporary:
            temporary.write_text(text, "utf-8")
        print(path)


def _markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text):
    """A text on one line, with bars escaped: a bar would end the cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
