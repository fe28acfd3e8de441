"""The tables of README.md and weights/README.md, made from the catalogue and records.

A page marks the place of a table by two comments:

    <!-- table: assignments -->
    <!-- end of table -->

and `python -m dls_keras.tables`, run in a checkout, fills in what belongs between
them. A test keeps both pages current.
"""

import re
from collections.abc import Sequence

from dls_keras import catalog, models
from dls_keras.core import files
from dls_keras.core.weights import Record

PAGES = ("README.md", "weights/README.md")
MARKED = re.compile(
    r"(<!-- table: (?P<name>\S+) -->\n).*?(<!-- end of table -->)", re.DOTALL
)


# What an assignment may have besides the course's functions, and how we call it.
MORE = {"train": "training", "load_pretrained": "weights", "infer": "answers"}


def size(count: int) -> str:
    """A number of bytes in the largest unit that leaves something: "47.4 MB"."""
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= length:
            return f"{count / length:.1f} {unit}"
    return f"{count} bytes"


def measured(record: Record) -> str:
    """The metrics of a record in one line."""
    return "; ".join(f"{what}: {value}" for what, value in record.metrics)


def assignments() -> str:
    """What there is, course by course."""
    rows = []
    for a in catalog.ASSIGNMENTS:
        more = [word for name, word in MORE.items() if name in a.offers]
        has = ", ".join(["functions", *more])
        rows.append((f"C{a.course} W{a.week}", f"`{a.name}`", a.title, has))
    return _markdown(("course", "assignment", "title", "has"), rows)


def weights() -> str:
    """The shipped weights in short."""
    header = ("weights", "size", "parameters", "measured", "licence of the data")
    rows = [
        (
            f"`{record.name}`",
            size(record.bytes),
            f"{record.params:,}",
            measured(record),
            record.licence,
        )
        for record in (entry.record for entry in models.entries())
        if record
    ]
    return _markdown(header, rows)


def weight_records() -> str:
    """All that the records say, one section each."""
    return "\n\n".join(section(entry) for entry in models.entries() if entry.record)


def section(entry: models.Entry) -> str:
    """What the record of one shipped file says."""
    name, variant, record, _ = entry
    facts = {
        "use": f'`dls_keras.{name}.load_pretrained("{variant}")`',
        "file": f"`{record.file}`, {record.bytes:,} bytes, sha256 `{record.sha256}`",
        "parameters": f"{record.params:,}",
        "input": record.input,
        "classes": ", ".join(record.classes),
        "measured": measured(record),
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
    """The text of a page with today's tables between its marks.

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
    """A text on one line; a bar in it would end the cell."""
    return " ".join(str(text).split()).replace("|", "\\|")


if __name__ == "__main__":
    main()
