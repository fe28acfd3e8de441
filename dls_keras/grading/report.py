"""Write reports as a table, a line of JSON, JUnit XML, or the rows of a CSV file."""

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any
from xml.etree import ElementTree

from dls_keras.grading.runner import BAD, Report, Verdict

COLOURS = {
    "ok": "green",
    "wrong": "red",
    "missing": "yellow",
    "not written": "yellow",
    "cannot run here": "magenta",
}
UNJUDGED = ("given", "provided", "unchecked")
WORDS = {
    "given": "Imported from another file, not checked",
    "provided": "Provided by the course, not checked",
    "unchecked": "No case can be run here",
    "missing": "The file does not define it",
}
LONGEST_CELL = 2000  # characters of a cell of a table
FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")  # the wide ones are of East Asian fonts
UNPRINTABLE = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


def printable(text: str) -> str:
    """`text` with "?" for control characters, which terminals and XML interpret."""
    return UNPRINTABLE.sub("?", text)


def sentence(verdict: Verdict) -> str:
    """The problem, the hint and the remarks of a verdict as one paragraph."""
    parts = [verdict.problem or WORDS.get(verdict.status, "")]
    parts += [verdict.hint, *(f"It {remark}" for remark in verdict.remarks)]
    ended = (
        part if part.endswith((".", "?", "!")) else f"{part}." for part in parts if part
    )
    return printable(" ".join(" ".join(ended).split()))


def summary(report: Report) -> str:
    """One line about a file: how many functions are right."""
    if report.error:
        return printable(f"{report.file}: {report.error}")
    checked = [v for v in report.verdicts if v.status in COLOURS]
    right = report.count("ok")
    words = f"{right} of {len(checked)} functions right"
    for status in ("missing", "not written", "cannot run here"):
        if count := report.count(status):
            words += f", {count} {status}"
    return printable(f"{report.file}: {words} ({report.seconds:.1f} s)")


def lines(report: Report) -> str:
    """One line per function: name, status and message, separated by tabs."""
    rows = [(v.function, v.status, sentence(v)) for v in report.verdicts]
    notes = (*report.notes, *filter(None, [report.error]))
    rows += [("note", "", printable(note)) for note in notes]
    return "\n".join("\t".join(row).rstrip() for row in rows)


def show(report: Report) -> None:
    """Print a table on the terminal, in colours if it supports them."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column(report.assignment, no_wrap=True)
    table.add_column("")
    table.add_column("message", overflow="fold")
    for verdict in report.verdicts:
        if verdict.status in COLOURS:
            table.add_row(
                Text(verdict.function),
                Text(verdict.status, style=COLOURS[verdict.status]),
                Text(sentence(verdict)),
            )
    console.print(table)
    for status in UNJUDGED:
        names = [v.function for v in report.verdicts if v.status == status]
        if names:
            console.print(Text(f"{WORDS[status]}: {', '.join(names)}", style="dim"))
    for note in (*report.notes, report.error):
        if note:
            console.print(Text(printable(note), style="dim"))


def as_json(report: Report, **more: Any) -> str:
    """A report as one line of JSON, with more fields.

    The object has `assignment`, `file`, `ok`, `seconds`, `error`, `notes` and
    `functions`, a list of objects with the fields of `runner.Verdict`.
    """
    functions = [verdict._asdict() for verdict in report.verdicts]
    fields: dict[str, Any] = report._asdict()
    del fields["verdicts"]
    fields |= {"ok": report.ok, "functions": functions}
    return json.dumps(_plain(fields | more), ensure_ascii=False, allow_nan=False)


def _plain(value):
    """`value` with NaN and infinities as strings, since JSON has no such numbers."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not -1e308 <= value <= 1e308:
        return str(value)
    return printable(value) if isinstance(value, str) else value


def as_junit(reports: Sequence[Report]) -> str:
    """JUnit XML: one test suite per file, one test case per function."""
    root = ElementTree.Element("testsuites")
    for report in reports:
        suite = ElementTree.SubElement(
            root,
            "testsuite",
            name=printable(report.file),
            tests=str(len(report.verdicts) or 1),
            failures=str(sum(map(report.count, BAD))),
            errors=str(int(bool(report.error))),
            skipped=str(sum(map(report.count, (*UNJUDGED, "cannot run here")))),
            time=f"{report.seconds:.2f}",
        )
        if report.error:
            case = _case(suite, report.assignment, "the file", 0)
            ElementTree.SubElement(case, "error", message=printable(report.error))
        for verdict in report.verdicts:
            case = _case(suite, report.assignment, verdict.function, verdict.seconds)
            kind = {"ok": "", **dict.fromkeys(BAD, "failure")}
            if tag := kind.get(verdict.status, "skipped"):
                ElementTree.SubElement(case, tag, message=sentence(verdict))
        notes = printable("\n".join(report.notes))
        ElementTree.SubElement(suite, "system-out").text = notes
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _case(suite, classname, name, seconds):
    return ElementTree.SubElement(
        suite, "testcase", classname=classname, name=name, time=f"{seconds:.3f}"
    )


def as_csv(reports: Sequence[Report]) -> str:
    """CSV: one row per file, with counts and the status of each function."""
    functions = list(dict.fromkeys(v.function for r in reports for v in r.verdicts))
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns(functions))
    for report in reports:
        writer.writerow([cell(value) for value in cells(report, functions)])
    return out.getvalue()


COUNTS = {"right": "ok", "wrong": "wrong", "missing": "missing"}


def columns(functions: Sequence[str]) -> list[str]:
    """The names of the columns of `cells`."""
    return ["file", *COUNTS, *functions, "remark"]


def cells(report: Report, functions: Sequence[str]) -> list[object]:
    """The row of a report: counts, the status of each function, and its notes."""
    statuses = {verdict.function: verdict.status for verdict in report.verdicts}
    counts = [report.count(status) for status in COUNTS.values()]
    remark = " ".join(filter(None, (report.error, *report.notes)))
    return [report.file, *counts, *(statuses.get(f, "") for f in functions), remark]


def cell(value: object) -> str:
    """The value as text that a spreadsheet does not evaluate as a formula.

    It has at most LONGEST_CELL characters.
    """
    text = printable(str(value))
    text = f"'{text}" if text.lstrip()[:1] in FORMULA else text
    return text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 4]} ..."
