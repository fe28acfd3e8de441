"""One HTML page per student: points, what is wrong, and hints.

All text is escaped, and the pages allow no scripts and no connections: nothing in the
text of a learner is interpreted.
"""

import hashlib
import html
import re
from collections.abc import Iterable
from pathlib import Path

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.grading import gradebook, report
from dls_keras.grading.classes import Checked
from dls_keras.grading.grades import NOT_COUNTED, Grade

LONGEST_NAME = 80  # characters of the name of a page
POLICY = "default-src 'none'; style-src 'unsafe-inline'"
STYLE = (
    "body{font:1rem/1.5 sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse}td,th{text-align:left;vertical-align:top;"
    "padding:.3rem .8rem .3rem 0;border-bottom:1px solid #ccc}"
    ".ok{color:#176117}.wrong{color:#a01818}"
)
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<h1>{title}</h1>
<p>{score}</p>
{remarks}<table>
<tr><th>function</th><th>points</th><th></th><th></th></tr>
{rows}</table>
</body>
</html>
"""


def create_folder(folder: Path) -> None:
    """Create the folder of the pages, unless it exists.

    Raises:
        InputError: if that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot create the folder {folder}: {error.strerror}. Choose another path."
        ) from error
    files.check_writable(folder / "page.html")


def write(checked: Checked, grade: Grade, folder: Path) -> Path:
    """Write the page of a submission into a folder; return its path."""
    path = folder / file_name(checked.submission.student)
    with files.atomic_write(path) as temporary:
        temporary.write_text(page(checked, grade), encoding="utf-8")
    return path


def file_name(student: str) -> str:
    """The name of the page of a student, the same on every machine.

    >>> file_name("ann"), file_name("../Ann Lee")
    ('ann.html', 'Ann_Lee-35e8d9ab.html')
    """
    plain = re.sub(r"[^\w-]+", "_", student).strip("_")[:LONGEST_NAME]
    if plain != student or plain != plain.lower():  # two students may have the same
        digest = hashlib.sha256(student.encode("utf-8", "surrogateescape")).hexdigest()
        plain = f"{plain}-{digest[:8]}"
    return f"{plain}.html"


def page(checked: Checked, grade: Grade) -> str:
    """The page of a submission, as HTML."""
    found = checked.report
    lines = [f"{_number(grade.score)} of {_number(grade.most)} points."]
    if edition := gradebook.edition(found):
        lines.append(f"Edition of the course: {edition}.")
    if grade.late not in ("", "no"):
        lost = f", {_number(grade.penalty)} points less" if grade.penalty else ""
        lines.append(f"Late: {grade.late}{lost}.")
    remarks = "".join(f"<p>{_text(n)}</p>\n" for n in (found.error, *found.notes) if n)
    points = {part.verdict.function: part for part in grade.parts}
    rows = [_row(v, points.get(v.function)) for v in found.verdicts]
    return PAGE.format(
        policy=POLICY,
        style=STYLE,
        title=_text(f"{found.assignment}: {checked.submission.student}"),
        score=_text(" ".join(lines)),
        remarks=remarks,
        rows="".join(rows),
    )


def _row(verdict, part):
    points = f"{_number(part.points)} / {_number(part.most)}" if part else ""
    kind = "ok" if verdict.status == "ok" else "wrong"
    kind = "" if verdict.status in NOT_COUNTED else kind
    cells: Iterable[str] = (verdict.function, points, verdict.status)
    first = "".join(f"<td>{_text(cell)}</td>" for cell in cells)
    words = _text(report.sentence(verdict))
    return f'<tr class="{kind}">{first}<td>{words}</td></tr>\n'


def _text(value):
    return html.escape(report.printable(str(value)))


def _number(value):
    """A number of points, with two decimals at most."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
