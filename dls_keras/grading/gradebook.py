"""Files with the grades of a class, written row by row while the check runs.

    Results     JSON lines, everything that is known; resumed, merged, graded again
    Table       CSV: grades for the teacher, or the columns that nbgrader exports
    gradescope  results.json of one submission, for Gradescope

Each row is on the disk before the next submission is reported. A table is sorted by
student at the end.
"""

import contextlib
import csv
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from dls_keras.core import files, readers
from dls_keras.core.errors import InputError
from dls_keras.grading import grades, report
from dls_keras.grading.classes import Checked
from dls_keras.grading.grades import Grade, Rules
from dls_keras.grading.runner import Report, Verdict
from dls_keras.grading.students import Submission

LONGEST_LINE = 16 * readers.MEGABYTE  # of JSON, about one submission
EXPECTED = "a file of results that `dls-keras check --results` wrote"
SUBMISSION = ("student", "id", "late", "time", "path")  # what results say about it

# The columns of `nbgrader export`.
NBGRADER = (
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name"),
    *("email", "raw_score", "late_submission_penalty", "score", "max_score"),
)


# Rows.


def header(functions: Sequence[str]) -> list[str]:
    """The columns of the table of grades."""
    name, *others, remark = report.columns(functions)
    own = ["student", name, "score", "max_score", "late", "penalty", "edition"]
    return [*own, *others, "look_at", "problem", "hint", remark]


def row(checked: Checked, grade: Grade, functions: Sequence[str]) -> list[object]:
    """The row of a submission in the table of grades."""
    file, *others, remark = report.cells(checked.report, functions)
    own = [checked.submission.student, file, grade.score, grade.most]
    own += [grade.late, grade.penalty or "", edition(checked.report)]
    problem, hint = grades.first_problem(checked)
    look_at = "; ".join(grade.look_at)
    return [*own, *others, look_at, problem, hint, remark]


def edition(found: Report) -> str:
    """The editions of the course that the functions of a file have, if known."""
    named = [getattr(part, "edition", "") for part in (found, *found.verdicts)]
    return ", ".join(dict.fromkeys(str(name) for name in named if name))


def nbgrader_row(checked: Checked, grade: Grade, rules: Rules) -> list[object]:
    """The row of a submission in a table with the columns of nbgrader."""
    person, submission = grade.person, checked.submission
    student_id = person.student_id or submission.id or submission.student
    times = [rules.deadline, person.time]
    due, submitted = (time.isoformat(" ") if time else "" for time in times)
    return [
        *(checked.report.assignment, due, submitted or submission.time, student_id),
        *(person.last_name, person.first_name, person.email),
        *(grade.raw, grade.penalty, grade.score, grade.most),
    ]


def record(checked: Checked, grade: Grade) -> str:
    """A submission, its report and its grade as one line of JSON."""
    submission = checked.submission._asdict()
    return report.as_json(
        checked.report,
        **{name: submission[name] for name in SUBMISSION},
        digest=checked.digest,
        looks_like=checked.looks_like,
        score=grade.score,
        max_score=grade.most,
        look_at=grade.look_at,
    )


def gradescope(checked: Checked, grade: Grade) -> str:
    """The results.json of a submission, as an autograder of Gradescope writes it."""
    tests = []
    for part in grade.parts:
        passed = part.verdict.status == "ok"
        tests.append(
            {
                "name": part.verdict.function,
                "score": round(part.points, 4),
                "max_score": round(part.most, 4),
                "status": "passed" if passed else "failed",
                "output": report.cell(report.sentence(part.verdict)),
                "output_format": "text",
                "visibility": "visible",
            }
        )
    remarks = filter(None, (checked.report.error, *checked.report.notes))
    content = {
        "score": grade.score,
        "output": report.printable("\n".join(remarks))[: report.LONGEST_CELL],
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "execution_time": round(checked.report.seconds),
        "tests": tests,
    }
    return json.dumps(content, indent=2) + "\n"


# Files.


class Results:
    """JSON lines, one per submission; a context manager.

    Args:
        path: the file. What it contains stays, without a last line that is incomplete.
    """

    def __init__(self, path: Path):
        files.check_writable(path)
        if path.exists():
            _cut(path)
        self._path, self._file = path, open(path, "a", encoding="utf-8")

    def write(self, line: str) -> None:
        """Append a line, and write it to the disk."""
        with _writing(self._path):
            self._file.write(line + "\n")
            self._file.flush()

    def __enter__(self) -> "Results":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError) if error else _writing(self._path):
            self._file.close()


class Table:
    """A CSV table, one row per submission; a context manager.

    Args:
        path: the file, which is replaced.
        columns: the names of the columns.
        by: the column by which the rows are sorted at the end.
    """

    def __init__(self, path: Path, columns: Sequence[str], by: str):
        files.check_writable(path)
        self._path, self._columns, self._by = path, columns, columns.index(by)
        self._file = open(path, "w", encoding="utf-8", newline="")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(columns)

    def write(self, cells: Iterable[object]) -> None:
        """Append a row, and write it to the disk."""
        with _writing(self._path):
            self._writer.writerow([report.cell(value) for value in cells])
            self._file.flush()

    def __enter__(self) -> "Table":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with contextlib.suppress(OSError) if error else _writing(self._path):
            self._file.close()
        if error is None:
            self._sort()

    def _sort(self):
        with open(self._path, encoding="utf-8", newline="") as file:
            columns, *rows = csv.reader(file)
        rows.sort(key=lambda row: (row[self._by].casefold(), row))
        with files.atomic_write(self._path) as temporary:
            with open(temporary, "w", encoding="utf-8", newline="") as file:
                csv.writer(file, lineterminator="\n").writerows([columns, *rows])


@contextlib.contextmanager
def _writing(path):
    """Name the file in an error of the operating system, such as a full disk."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"Cannot write {path}: {error.strerror or error}. The rows so far are in "
            "it; continue the file of --results with --resume."
        ) from error


def _cut(path):
    """Remove the last line of a file if it has no end."""
    with open(path, "r+b") as file:
        end = file.seek(0, 2)
        while end:
            start = max(0, end - 2**16)
            file.seek(start)
            last = file.read(end - start).rfind(b"\n")
            if last >= 0:
                end = start + last + 1
                break
            end = start
        file.truncate(end)


def read_results(path: Path, name: str = "") -> Iterator[Checked]:
    """The submissions in a file of results, in its order.

    A last line without an end is left out: the check was stopped while it wrote it.

    Args:
        name: the assignment that they must be of, if it is known.

    Raises:
        InputError: if it is another file, or of another assignment.
    """
    with readers.reading(path, EXPECTED), open(path, "rb") as file:
        while (line := file.readline(LONGEST_LINE)).endswith(b"\n"):
            checked = _from_record(json.loads(line))
            other = checked.report.assignment
            if name and other != name:
                raise InputError(
                    f"{path} has results of {other}, expected those of {name}. Name "
                    "another file."
                )
            yield checked
        if len(line) == LONGEST_LINE:
            raise ValueError("it has a longer line")


def _from_record(content):
    texts = {
        n: content[n] for n in ("student", "id", "time", "path", "digest", "looks_like")
    }
    texts |= {n: content[n] for n in ("assignment", "file", "error")}
    if not all(isinstance(text, str) for text in texts.values()):
        raise TypeError("a text is missing")
    submission = Submission(
        texts["student"],
        texts["id"],
        path=texts["path"],
        late=content["late"] is True,
        time=texts["time"],
    )
    found = Report(
        texts["assignment"],
        texts["file"],
        tuple(_verdict(fields) for fields in content["functions"]),
        tuple(str(note) for note in content["notes"]),
        float(content["seconds"]),
        texts["error"],
    )
    edition = {n: content[n] for n in ("edition",) if n in Report._fields}
    return Checked(
        submission, found._replace(**edition), texts["digest"], texts["looks_like"]
    )


def _verdict(fields: dict[str, Any]) -> Verdict:
    known = {name: fields[name] for name in Verdict._fields if name in fields}
    texts = [known["function"], known["status"], *known["remarks"]]
    texts += [known.get(name, "") for name in ("problem", "hint", "case", "where")]
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a text of a function is missing")
    numbers = [known.get(name, 0) for name in ("passed", "cases", "seconds")]
    if not all(isinstance(number, int | float) for number in numbers):
        raise TypeError("a number of a function is missing")
    return Verdict(**known)
