"""Check the submissions of a class, on this machine or with any executor."""

import threading
from collections.abc import Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from dls_keras.core.errors import InputError
from dls_keras.grading import class_files, definitions, executors, runner, students
from dls_keras.grading.runner import Report
from dls_keras.grading.students import Submission


class Checked(NamedTuple):
    """What the check of a submission found.

    Attributes:
        digest: that of its files, "" if they cannot be read.
        looks_like: another assignment that the file looks like, or "".
    """

    submission: Submission
    report: Report
    digest: str = ""
    looks_like: str = ""


def check_class(
    name: str,
    submissions: Iterable[Submission],
    *,
    timeout: float = runner.TIMEOUT,
    memory: int = runner.MEMORY,
    workers: int = 1,
    executor: executors.Executor | None = None,
) -> Generator[Checked, None, None]:
    """Yield what the check of each submission found, as it comes.

    Args:
        name: an assignment with reference values.
        submissions: those that `students.find` found.
        timeout, memory, workers, executor: as in `runner.check_all`.
    """
    row, limits = runner.known(name), {"timeout": timeout, "memory": memory}
    calls = ((row.name, submission, limits) for submission in submissions)
    yield from executors.run_all(
        check_one, calls, _failed, workers=workers, executor=executor
    )


def check_one(
    name: str,
    submission: Submission,
    limits: Mapping[str, Any],
    *,
    threads: int = 1,
    stopped: threading.Event | None = None,
) -> Checked:
    """Check one submission; its report has an error if it cannot be read.

    Args:
        limits: `timeout` and `memory`, as in `runner.check`.
        threads, stopped: as in `runner.check`.
    """
    if submission.error:
        return Checked(
            submission, Report(name, submission.path, error=submission.error), ""
        )
    digest = students.digest(submission)
    try:
        with students.opened(submission) as path:
            report = runner.check(
                name, path, threads=threads, stopped=stopped, **limits
            )
            other = other_assignment(name, path)
    except Exception as error:  # the other submissions are still checked
        return _failed(error, name, submission)._replace(digest=digest)
    notes = (*looks_like(other, name), *submission.notes, *report.notes)
    report = report._replace(file=submission.path, notes=notes)
    return Checked(submission, report, digest, other)


def other_assignment(name: str, path: Path) -> str:
    """The assignment that a file looks like, if that is not `name`, or ""."""
    try:
        names, _ = definitions.read(path)
    except (InputError, OSError):
        return ""
    return definitions.looks_like(names, name)


def looks_like(other: str, name: str) -> list[str]:
    """A note about another assignment, if there is one."""
    return [f"This looks like {other}, not {name}."] if other else []


def _failed(error, name, submission, *rest):
    words = f"{class_files.reason(error)}."
    if submission.notes:
        words = " ".join((words, *submission.notes))
    return Checked(submission, Report(name, submission.path, error=words))
