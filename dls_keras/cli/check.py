"""The commands `dls-keras check` and `dls-keras grades`: one file, or a whole class.

What is known about a submission is printed and written as soon as it has been checked.
"""

import contextlib
import itertools
import re
import sys
from collections.abc import Callable, Collection, Container, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from dls_keras.cli.options import FILE, JSON, NAME, Number, in_a_folder, written
from dls_keras.core.errors import InputError

if TYPE_CHECKING:
    from dls_keras.grading.classes import Checked
    from dls_keras.grading.grades import Grade, Rules
    from dls_keras.grading.students import Submission

MOST_LISTED = 10  # names in a message


class Outputs(NamedTuple):
    """The files to write; None for those that are not wanted."""

    results: Path | None = None
    csv: Path | None = None
    nbgrader: Path | None = None
    feedback: Path | None = None
    junit: Path | None = None
    gradescope: Path | None = None


def _shard(context, option, text: str | None) -> tuple[int, int] | None:
    """The numbers of "2/8"."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
    number, count = map(int, found.groups()) if found else (0, 0)
    if not 1 <= number <= count:
        raise click.BadParameter(
            f"expected I/N with I from 1 to N, such as 1/8; received {text}."
        )
    return number, count


def _time(context, option, text: str | None) -> Any:
    if text is None:
        return None
    from dls_keras.grading import grades

    try:
        return grades.parse_time(text)
    except InputError as error:
        raise click.BadParameter(str(error)) from None


# Options of `check` and of `grades merge`.
GRADING = (
    click.option(
        "--points",
        type=FILE,
        metavar="FILE",
        help="Points per function, TOML or CSV.  [default: equal shares of 100]",
    ),
    click.option(
        "--deadline", metavar="TIME", callback=_time, help="Such as 2026-11-30T23:59."
    ),
    click.option(
        "--times", type=FILE, metavar="FILE", help="CSV with the columns student,time."
    ),
    click.option(
        "--late-penalty",
        "penalty",
        type=Number(0, 100),
        default=0,
        metavar="PERCENT",
        help="Points lost per day late, begun days included.",
    ),
    written("--csv", in_a_folder, "Write a CSV table, one row per student."),
    written("--nbgrader", in_a_folder, "Write CSV with the columns of nbgrader."),
    click.option(
        "--feedback",
        type=click.Path(file_okay=False, path_type=Path),
        metavar="DIR",
        help="Write one HTML page per student into this folder.",
    ),
    written("--junit", in_a_folder, "Write JUnit XML, one test case per function."),
)


def _grading_options(command: Callable) -> Callable:
    for option in reversed(GRADING):
        command = option(command)
    return command


@click.command()
@NAME
@click.argument("path", type=FILE, metavar="FILE|FOLDER|ZIP")
@JSON
@click.option(
    "--timeout",
    type=Number(min=0, min_open=True),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="CPU time limit per test.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    metavar="MB",
    help="Memory limit per file, beyond its imports.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Files checked in parallel.  [default: as cores and memory allow]",
)
@written("--results", in_a_folder, "Write JSON lines, to resume and to merge.")
@click.option("--resume", is_flag=True, help="Continue the file of --results.")
@click.option(
    "--shard", callback=_shard, metavar="I/N", help="Check part I of N of a class."
)
@written("--gradescope", in_a_folder, "Write results.json of one submission.")
@_grading_options
def check(
    name: str,
    path: Path,
    as_json: bool,
    timeout: float,
    memory: int,
    workers: int | None,
    resume: bool,
    shard: tuple[int, int] | None,
    **more: Any,
) -> int:
    """Check your own solution of NAME, or grade a class.

    FILE is a module (.py) or a notebook (.ipynb). Each function is ok, missing, or
    wrong, with a hint. FOLDER or ZIP holds the submissions of a class, as Coursera,
    Moodle, GitHub Classroom or Canvas export them; each student has one row.

    Your code runs in a separate process with limits; this is a convenience, not a
    sandbox against hostile code. The exit code is 0 if everything is right, 1 if
    something is wrong or missing.

    \b
        dls-keras check NAME mine.ipynb
        dls-keras check NAME class.zip --csv grades.csv
    """
    from dls_keras.grading import classes, runner, students

    runner.known(name)
    outputs = Outputs(**{field: more.pop(field) for field in Outputs._fields})
    limits: dict[str, Any] = {"timeout": timeout, "memory": memory}
    is_class = path.is_dir() or path.suffix.lower() == ".zip"
    graded = (*outputs._replace(junit=None, csv=None), *more.values(), resume, shard)
    if not is_class and not any(graded):
        return _check_file(name, path, as_json, outputs, limits)
    if resume and not outputs.results:
        raise click.UsageError("--resume continues the file of --results; name it.")
    if is_class and not outputs.gradescope:
        submissions, others = students.find(path, name)
        _list("These files are no submissions", others)
    else:
        submissions = (students.single(path, name),)
    rules = _rules(name, submissions, **more)
    if shard:
        submissions = tuple(students.shard(submissions, *shard))
        if not submissions:
            click.echo(f"No student is in part {shard[0]}/{shard[1]}.", err=True)
    earlier = _earlier(name, outputs.results, resume, submissions)
    left = [one for one in submissions if one.student not in earlier]
    workers = min(workers or runner.workers(memory), max(1, len(left)))
    new = classes.check_class(name, left, workers=workers, **limits)
    found = itertools.chain(earlier.values(), new)
    with runner.sigterm_ends(), contextlib.closing(new):
        return _grade(name, found, rules, outputs, as_json, submissions, earlier)


def _check_file(
    name: str, path: Path, as_json: bool, outputs: Outputs, limits: dict[str, Any]
) -> int:
    """Check one file, and print every function."""
    from dls_keras.core import progress
    from dls_keras.grading import classes, runner
    from dls_keras.grading import report as reports

    with runner.sigterm_ends(), progress.progress(name, 1) as bar:
        report = runner.check(name, path, **limits)
        bar.advance(note=path.name)
    other = classes.looks_like(classes.other_assignment(name, path), name)
    report = report._replace(notes=(*other, *report.notes))
    if as_json:
        click.echo(reports.as_json(report))
    elif sys.stdout.isatty():
        reports.show(report)
    else:
        click.echo(reports.lines(report))
    _write(outputs.junit, reports.as_junit, [report])
    _write(outputs.csv, reports.as_csv, [report])
    return 0 if report.ok else 1


def _earlier(
    name: str,
    path: Path | None,
    resume: bool,
    submissions: tuple["Submission", ...],
) -> dict[str, "Checked"]:
    """What a file of results has on submissions that have not changed since."""
    from dls_keras.grading import gradebook
    from dls_keras.grading.report import printable

    if not path or not path.exists():
        return {}
    if not resume:
        raise InputError(
            f"{path} already exists. Continue it with --resume, or choose another name."
        )
    read = gradebook.read_results(path, name)
    known = {checked.submission.student: checked for checked in read}
    found = {}
    for one in submissions:
        checked = known.get(printable(one.student))
        if checked and _unchanged(checked, one):
            found[one.student] = checked._replace(submission=one)
    return found


def _unchanged(checked: "Checked", submission: "Submission") -> bool:
    """Whether the check of a submission would find the same again."""
    from dls_keras.grading import students

    if submission.error:
        return checked.report.error == submission.error
    return checked.digest == students.digest(submission) != ""


def _rules(
    name: str,
    submissions: Collection["Submission"],
    *,
    points: Path | None,
    deadline: Any,
    times: Path | None,
    penalty: float,
) -> "Rules":
    """The rules that the options state."""
    from dls_keras.grading import grades, runner

    if deadline and not times and not any(one.time for one in submissions):
        raise click.UsageError("--deadline needs --times, a CSV table student,time.")
    functions = list(runner.case_names(runner.known(name)))
    people = grades.read_times(times, deadline) if times else {}
    _list(
        f"{times} has students without a submission",
        grades.without_submission(people, submissions),
    )
    return grades.Rules(
        functions,
        grades.read_points(points, functions) if points else None,
        deadline,
        people,
        penalty,
    )


def _grade(
    name: str,
    found: Iterable["Checked"],
    rules: "Rules",
    outputs: Outputs,
    as_json: bool,
    submissions: Collection["Submission"],
    earlier: Container[str] = (),
) -> int:
    """Print and write each submission as it comes; return the exit code.

    Args:
        earlier: the students that the file of results already has.
    """
    from dls_keras.core import progress
    from dls_keras.grading import gradebook, grades
    from dls_keras.grading import report as reports

    stdout, status, all_reports = sys.stdout, 0, []
    with contextlib.ExitStack() as stack:
        if not stdout.isatty():  # the rows show the progress there
            bar = stack.enter_context(progress.progress(name, len(submissions)))
        write = _opened(outputs, rules, earlier, stack)
        for checked in found:
            grade = grades.grade(checked, rules)
            write(checked, grade)
            if as_json:
                line = gradebook.record(checked, grade)
            else:
                line = _summary(checked, grade)
            click.echo(line, file=stdout)
            stdout.flush()
            if not stdout.isatty():
                bar.advance(note=checked.submission.student)
            if outputs.junit:
                all_reports.append(checked.report)
            status = status if checked.report.ok else 1
    all_reports.sort(key=lambda report: report.file)
    _write(outputs.junit, reports.as_junit, all_reports)
    return status


def _opened(
    outputs: Outputs,
    rules: "Rules",
    earlier: Container[str],
    stack: contextlib.ExitStack,
) -> Callable[["Checked", "Grade"], None]:
    """A function that writes a submission into all files that are wanted."""
    from dls_keras.core import files
    from dls_keras.grading import feedback, gradebook

    writers: list[Callable[[Checked, Grade], Any]] = []
    functions = rules.functions
    if folder := outputs.feedback:
        feedback.create_folder(folder)
        writers.append(lambda c, g: feedback.write(c, g, folder))
    if outputs.results:
        lines = stack.enter_context(gradebook.Results(outputs.results))

        def write_results(checked, grade):
            if checked.submission.student not in earlier:
                lines.write(gradebook.record(checked, grade))

        writers.append(write_results)
    if outputs.csv:
        columns = gradebook.header(functions)
        table = stack.enter_context(gradebook.Table(outputs.csv, columns, "student"))
        writers.append(lambda c, g: table.write(gradebook.row(c, g, functions)))
    if outputs.nbgrader:
        export = stack.enter_context(
            gradebook.Table(outputs.nbgrader, gradebook.NBGRADER, "student_id")
        )
        writers.append(lambda c, g: export.write(gradebook.nbgrader_row(c, g, rules)))
    if path := outputs.gradescope:

        def write_gradescope(checked, grade):
            with files.atomic_write(path) as temporary:
                text = gradebook.gradescope(checked, grade)
                temporary.write_text(text, encoding="utf-8")

        writers.append(write_gradescope)

    def write(checked, grade):
        for one in writers:
            one(checked, grade)

    return write


def _summary(checked, grade):
    """One line about a submission."""
    from dls_keras.grading import classes
    from dls_keras.grading import report as reports

    words = reports.summary(checked.report._replace(file=checked.submission.student))
    words = f"{words.rstrip('.')}, {grade.score:g} of {grade.most:g} points"
    if grade.late not in ("", "no"):
        words += f", late: {grade.late}"
    other = classes.looks_like(checked.looks_like, checked.report.assignment)
    return " ".join(reports.printable(" ".join([f"{words}.", *other])).split())


def _write(path, form, reports):
    if path:
        from dls_keras.core import files

        with files.atomic_write(path) as temporary:
            temporary.write_text(form(reports), encoding="utf-8")


def _list(title, names):
    """Print names to stderr, if there are any."""
    if names:
        from dls_keras.grading.report import printable

        more = f" and {len(names) - MOST_LISTED} more" * (len(names) > MOST_LISTED)
        shown = ", ".join(names[:MOST_LISTED])
        click.echo(f"{title}: {printable(shown)}{more}.", err=True)


@click.group()
def grades() -> None:
    """Merge and grade again the results of a class."""


@grades.command("merge")
@click.argument("paths", nargs=-1, required=True, type=FILE, metavar="FILE...")
@JSON
@written("--out", in_a_folder, "Write all results into one file, JSON lines.")
@_grading_options
def merge(paths: tuple[Path, ...], as_json: bool, out: Path | None, **more: Any) -> int:
    """Merge each FILE that `dls-keras check --results` wrote.

    Nothing is checked again: points, deadline and penalty may be others than before.
    A student who is in several files has the result of the last one.

    \b
        dls-keras grades merge part-*.jsonl --csv grades.csv --points points.toml
    """
    from dls_keras.grading import gradebook

    found: dict[str, Checked] = {}
    twice, name = [], ""
    for path in paths:
        own = {}
        for checked in gradebook.read_results(path, name):
            name = checked.report.assignment
            own[checked.submission.student] = checked
        twice += [student for student in own if student in found]
        found |= own
    if not found:
        raise InputError(f"{paths[0]} has no results. Expected those of a class.")
    _list("In several files, of which the last one counts", twice)
    if out and out.exists():
        raise InputError(f"{out} already exists; choose another name with --out.")
    outputs = Outputs(
        results=out, **{f: more.pop(f) for f in Outputs._fields if f in more}
    )
    ordered = sorted(found.values(), key=lambda one: one.submission.student.casefold())
    submissions = [checked.submission for checked in ordered]
    rules = _rules(name, submissions, **more)
    return _grade(name, ordered, rules, outputs, as_json, submissions)
