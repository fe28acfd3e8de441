"""Check a learner's file, or the files of a class, in separate processes.

`check` returns the `Report` of one file, `check_all` yields those of many, several of
which are checked in parallel. The learner's code runs in a worker process with a time
limit per case and a memory limit. If a function does not end or ends the process, the
report says so, and a new worker checks the rest without it. This is a convenience, not
a sandbox: it does not protect against hostile code.
"""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent import futures
from pathlib import Path
from typing import NamedTuple

from dls_keras import catalog
from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError

TIMEOUT = 10.0  # seconds of CPU time per case
MEMORY = 2000  # megabytes that a worker may use in addition to its imports
IMPORT_TIMEOUT = 300.0  # seconds per import; the first import of TensorFlow is slow
# A worker is stopped after CLOCK_FACTOR * timeout + GRACE seconds of wall-clock time:
# on a busy machine a case takes longer than its CPU time.
CLOCK_FACTOR = 4
GRACE = 5.0
RESTARTS = 25  # at most so many workers per file

SUFFIXES = (".py", ".ipynb")


class Verdict(NamedTuple):
    """The result of checking one function.

    Attributes:
        status: "ok"; "wrong"; "missing"; "provided", a helper of the course that the
            file does not define; "unchecked", if none of its cases can be run.
        passed, cases: how many of how many cases passed.
        problem: a description of the first problem, or "".
        hint: the likely cause, in one or two sentences, or "".
        case: the id of the case with the first problem.
        where: the path of the wrong value in the result of that case.
        number: the received and the expected number where they differ most.
        shape: the received and the expected shape.
        remarks: further remarks, such as an older order of arguments.
        seconds: the duration of all cases.
        messages: case id -> what is wrong, "" if the case passed.
    """

    function: str
    status: str
    passed: int = 0
    cases: int = 0
    problem: str = ""
    hint: str = ""
    case: str = ""
    where: str = ""
    number: Sequence[float] | None = None
    shape: Sequence[Sequence[int]] | None = None
    remarks: Sequence[str] = ()
    seconds: float = 0.0
    messages: dict[str, str] = {}


class Report(NamedTuple):
    """The result of checking one file.

    Attributes:
        verdicts: one per function, in the order of the reference.
        notes: messages about cells and imports.
        seconds: the duration of the check.
        error: the reason why the file could not be checked, or "".
    """

    assignment: str
    file: str
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether some function is right, and none is wrong or missing."""
        bad = self.error or self.count("wrong") or self.count("missing")
        return not bad and self.count("ok") > 0

    def count(self, status: str) -> int:
        """How many functions have this status."""
        return sum(verdict.status == status for verdict in self.verdicts)


def known(name: str) -> catalog.Assignment:
    """The catalogue's row of an assignment that has reference values.

    Raises:
        InputError: if there is no such assignment, or it has no reference values.
    """
    if name not in catalog.BY_NAME:
        catalog.load(name)  # raises an InputError that suggests a similar name
    row = catalog.BY_NAME[name]
    if not row.reference:
        raise InputError(
            f"{name} has no reference values to check against: the course prints none."
        )
    return row


def package_file(row: catalog.Assignment) -> Path:
    """The file of this package's own solution of an assignment."""
    return files.PACKAGE / f"course{row.course}" / f"{row.name}.py"


def case_names(row: catalog.Assignment) -> dict[str, list[str]]:
    """The functions that are checked, each with the ids of its cases."""
    from dls_keras.grading import judge
    from dls_keras.reference import cases

    found = judge.cases_by_function(cases.read(name) for name in row.reference)
    return {name: [case.id for case in its_cases] for name, its_cases in found.items()}


def solutions(folder: Path) -> list[Path]:
    """The modules and notebooks in a folder, except hidden and cached ones.

    Raises:
        InputError: if there are none.
    """
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in SUFFIXES
        and path.is_file()
        and not any(
            part.startswith((".", "__")) for part in path.relative_to(folder).parts
        )
    ]
    if not found:
        raise InputError(
            f"Expected .py or .ipynb files in the folder {folder}, found none."
        )
    return found


def workers(memory: int = MEMORY) -> int:
    """How many files to check in parallel, as the cores and the memory allow."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    cores = cores or os.cpu_count() or 1
    try:
        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20
    except (AttributeError, ValueError, OSError):
        return cores
    return max(1, min(cores, installed // (memory + 1000)))  # 1000 for the imports


def check_all(
    name: str,
    paths: Sequence[Path],
    *,
    timeout: float = TIMEOUT,
    memory: int = MEMORY,
    workers: int = 1,
) -> Iterator[Report]:
    """Yield the report of each file, in the order of `paths`.

    A file that cannot be read has a report with an error; the others are still checked.

    Args:
        name: an assignment with reference values.
        paths: modules and notebooks.
        timeout: CPU time limit per case in seconds.
        memory: memory limit per file in megabytes, in addition to its imports.
        workers: how many files are checked in parallel.
    """
    threads = max(1, (os.cpu_count() or 1) // workers)

    def one(path):
        try:
            return check(name, path, timeout=timeout, memory=memory, threads=threads)
        except Exception as error:  # the other files are still checked
            return Report(name, str(path), error=str(error) or type(error).__name__)

    with futures.ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(one, paths)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check(
    name: str,
    path: Path,
    *,
    timeout: float = TIMEOUT,
    memory: int = MEMORY,
    threads: int | None = None,
) -> Report:
    """Run the reference cases of an assignment on the functions of a file.

    Args:
        name: an assignment with reference values.
        path: a module (.py) or a notebook (.ipynb).
        timeout: CPU time limit per case in seconds.
        memory: memory limit in megabytes, in addition to the imports, if the system
            supports one.
        threads: how many threads the libraries may use, by default as many as they
            choose.

    Raises:
        InputError: if there is no such assignment, or the file cannot be read.
    """
    row, path = known(name), Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist. Name a .py or .ipynb file.")
    started = time.monotonic()
    aborted: dict[str, str] = {}  # a function or statement -> how it ended the worker
    for _ in range(RESTARTS):
        task = {"assignment": row.name, "path": str(path.resolve()), "memory": memory}
        task |= {"timeout": timeout, "skip": list(aborted)}
        lines, last, ending = _run_worker(task, threads)
        if ending is None or last in aborted:
            break
        aborted[last] = ending
    for line in lines:
        if "error" in line:
            raise InputError(line["error"])
    report = _report(row.name, path, lines, aborted, time.monotonic() - started)
    if ending is not None:
        report = report._replace(error=f"The check did not finish: {last} {ending}")
    return report


def _run_worker(task, threads):
    """Let a worker process check a file.

    Returns:
        lines: the messages of the worker.
        last: the function or statement that it ran last.
        ending: None if the worker finished, otherwise how it ended, in words.
    """
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "dls_keras.grading.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(threads),
        start_new_session=True,  # so that it is stopped with the processes it started
        text=True,
        encoding="utf-8",
    )
    received = queue.Queue()

    def listen():
        for line in worker.stdout:
            # The learner's code may have written to the pipe.
            with contextlib.suppress(ValueError):
                received.put(json.loads(line))
        received.put(None)

    threading.Thread(target=listen, daemon=True).start()
    lines, last, limit = [], "the start", IMPORT_TIMEOUT
    try:
        with worker.stdin as stdin:
            stdin.write(json.dumps(task) + "\n")
        while True:
            try:
                line = received.get(timeout=limit)
            except queue.Empty:
                return lines, last, f"does not end: stopped after {limit:g} seconds."
            if line is None:
                return lines, last, _ending(worker.wait())
            lines.append(line)
            if "done" in line or "error" in line:
                return lines, last, None
            if "begin" in line:
                last, seconds = line["begin"], line["limit"]
                limit = (
                    IMPORT_TIMEOUT
                    if seconds is None
                    else seconds * CLOCK_FACTOR + GRACE
                )
    except BrokenPipeError:
        return lines, last, _ending(worker.wait())
    finally:
        _stop(worker)


def _environment(threads):
    """The worker's environment: this package, no library logs, a number of threads."""
    path = os.pathsep.join(
        [str(files.PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path, "PYTHONUTF8": "1"}
    if threads:
        for library in ("OMP", "TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OPENBLAS"):
            suffix = "_THREADS" if library.startswith("TF") else "_NUM_THREADS"
            quiet[library + suffix] = str(threads)
    return {**os.environ, **quiet}


def _ending(code):
    """How a worker ended by itself, in words, from its exit code."""
    if code >= 0:
        return f"ends the Python process (exit code {code})."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    reasons = {"SIGKILL": "out of memory?", "SIGSEGV": "an error in compiled code"}
    reason = reasons.get(name)
    return f"crashes the Python process ({name}{', ' + reason if reason else ''})."


def _stop(worker):
    """Stop a worker and all processes that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
        if hasattr(os, "killpg"):
            os.killpg(worker.pid, signal.SIGKILL)
        else:
            worker.kill()
    worker.wait()
    worker.stdout.close()


def _report(name, path, lines, aborted, seconds):
    """The report, from the worker's messages and from what ended a worker."""
    verdicts, messages, hints, notes, order = {}, {}, {}, [], []
    for line in lines:
        match line:
            case {"functions": names}:
                order = names
            case {"undefined": function, "provided": provided, "why": why}:
                status = "provided" if provided else "wrong" if why else "missing"
                verdicts[function] = Verdict(function, status, problem=why)
            case {"unchecked": function}:
                verdicts[function] = Verdict(function, "unchecked")
            case {"case": case, "function": function, "message": message}:
                messages.setdefault(function, {})[case] = message
            case {"verdict": fields}:
                verdicts[fields["function"]] = Verdict(**fields)
            case {"hint": hint, "function": function}:
                hints[function] = hint
            case {"notes": further}:
                notes += further
    for key, ending in aborted.items():
        if key.startswith(("cell ", f"{path.name}, ", "the ")):
            notes.append(f"{key} {ending}")
        elif not key.startswith("a hint on "):
            verdicts[key] = Verdict(key, "wrong", problem=f"It {ending}")
    return Report(
        assignment=name,
        file=str(path),
        verdicts=tuple(
            verdicts[function]._replace(
                hint=hints.get(function, ""), messages=messages.get(function, {})
            )
            for function in order
            if function in verdicts
        ),
        notes=tuple(notes),
        seconds=round(seconds, 2),
    )
