"""Check a learner's file, or a class of them, in processes that may be stopped.

`check` gives a `Report` of one file, `check_all` one after the other of many, several
at a time. The learner's code runs in a child process with a time limit a case and a
memory limit; what does not end, or ends Python, is stopped, told in a sentence, and
left out when the rest is tried again. It is a convenience, not a sandbox: code that
means harm can do it.
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

TIMEOUT = 10.0  # seconds of processor time a case
MEMORY = 2000  # megabytes that a child may use beyond what its imports take
IMPORTS = 300.0  # seconds an import may take; TensorFlow's first one is slow
PATIENCE = 4  # times as long on the clock, on a busy machine, and a few seconds more
GRACE = 5.0
RESTARTS = 25

SUFFIXES = (".py", ".ipynb")


class Verdict(NamedTuple):
    """What came of one function.

    Attributes:
        status: "ok"; "wrong"; "missing"; "given", a helper that the course hands out
            and the file leaves to it; "unchecked", if no case can be run here.
        passed, cases: how many of how many cases agree.
        problem: what is wrong first, in a sentence; "" if nothing is.
        hint: what may be the matter, in a sentence or two, or "".
        case: the id of that case; `where` in its result.
        number: the number that came and the expected one, where it differs most.
        shape: the shape that came and the expected one.
        remarks: further sentences, such as an older order of arguments.
        trials: case id -> what is wrong there, "" if it agrees.
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
    trials: dict[str, str] = {}


class Report(NamedTuple):
    """What came of one file; `error` says why it could not be checked at all."""

    assignment: str
    file: str
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong or missing."""
        bad = self.error or self.count("wrong") or self.count("missing")
        return not bad and self.count("ok") > 0

    def count(self, status: str) -> int:
        """How many functions have this status."""
        return sum(verdict.status == status for verdict in self.verdicts)


def known(name: str) -> catalog.Assignment:
    """The catalogue's row of an assignment that can be checked.

    Raises:
        InputError: if there is no such assignment, or it has no reference values.
    """
    if name not in catalog.BY_NAME:
        catalog.load(name)  # raises, and says which name is close
    row = catalog.BY_NAME[name]
    if not row.reference:
        raise InputError(
            f"{name} has no reference values to check against: the course prints none."
        )
    return row


def our_file(row: catalog.Assignment) -> Path:
    """The file of our own module of an assignment."""
    return files.PACKAGE / f"course{row.course}" / f"{row.name}.py"


def case_names(row: catalog.Assignment) -> dict[str, list[str]]:
    """The functions that are checked, each with the ids of its cases."""
    from dls_keras.grading import judge
    from dls_keras.reference import cases

    subjects = judge.subjects(cases.read(name) for name in row.reference)
    return {name: [case.id for case in found] for name, found in subjects.items()}


def solutions(folder: Path) -> list[Path]:
    """The modules and notebooks below a folder, without hidden and cached ones.

    Raises:
        InputError: if there is none.
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
        raise InputError(f"{folder} holds no .py or .ipynb file.")
    return found


def workers(memory: int = MEMORY) -> int:
    """How many files to check at once: a core each, and memory for all."""
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
    """A report of each file, in the order of `paths`, `workers` at a time.

    A file that cannot be read makes a report with an error; nothing stops the rest.
    """
    threads = max(1, (os.cpu_count() or 1) // workers)

    def one(path):
        try:
            return check(name, path, timeout=timeout, memory=memory, threads=threads)
        except Exception as error:  # whatever a file holds, the others are checked
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
        timeout: seconds of processor time that a case may take.
        memory: megabytes it may use, where the system can limit that.
        threads: how many the libraries may use, by default as many as they like.

    Raises:
        InputError: if there is no such assignment, or the file cannot be read.
    """
    row, path = known(name), Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist. Name a .py or .ipynb file.")
    started = time.monotonic()
    ended = {}  # what did not end -> a sentence
    for _ in range(RESTARTS):
        task = {"assignment": row.name, "path": str(path.resolve()), "memory": memory}
        task |= {"timeout": timeout, "leave_out": list(ended)}
        lines, last, sentence = _run_child(task, threads)
        if sentence is None or last in ended:
            break
        ended[last] = sentence
    for line in lines:
        if "error" in line:
            raise InputError(line["error"])
    report = _report(row.name, path, lines, ended, time.monotonic() - started)
    if sentence is not None:
        report = report._replace(error=f"The check did not end: {last} {sentence}")
    return report


def _run_child(task, threads):
    """What a child tells, what it did last, and why it ended early, if it did."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-m", "dls_keras.grading.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=_environment(threads),
        start_new_session=True,  # so that it can be stopped with what it started
        text=True,
        encoding="utf-8",
    )
    told = queue.Queue()

    def listen():
        for line in child.stdout:
            with contextlib.suppress(ValueError):  # of a learner's code that meddles
                told.put(json.loads(line))
        told.put(None)

    threading.Thread(target=listen, daemon=True).start()
    lines, last, limit = [], "the start", IMPORTS
    try:
        with child.stdin as stdin:
            stdin.write(json.dumps(task) + "\n")
        while True:
            try:
                line = told.get(timeout=limit)
            except queue.Empty:
                return lines, last, f"does not end: stopped after {limit:g} seconds."
            if line is None:
                return lines, last, _end(child.wait())
            lines.append(line)
            if "done" in line or "error" in line:
                return lines, last, None
            if "begin" in line:
                last = line["begin"]
                limit = (
                    IMPORTS
                    if line["limit"] is None
                    else line["limit"] * PATIENCE + GRACE
                )
    except BrokenPipeError:
        return lines, last, _end(child.wait())
    finally:
        _stop(child)


def _environment(threads):
    """The child's environment: this package, quiet libraries, so many threads."""
    path = os.pathsep.join(
        [str(files.PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": path, "PYTHONUTF8": "1"}
    if threads:
        for library in ("OMP", "TF_NUM_INTRAOP", "TF_NUM_INTEROP", "OPENBLAS"):
            suffix = "_THREADS" if library.startswith("TF") else "_NUM_THREADS"
            quiet[library + suffix] = str(threads)
    return {**os.environ, **quiet}


def _end(code):
    """Why a child has ended by itself, in words."""
    if code >= 0:
        return f"ends Python (exit code {code})."
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    reasons = {"SIGKILL": "out of memory?", "SIGSEGV": "a fault in compiled code"}
    reason = reasons.get(name)
    return f"crashes Python ({name}{', ' + reason if reason else ''})."


def _stop(child):
    """End a child and all that it has started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # it has ended
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
    child.wait()
    child.stdout.close()


def _report(name, path, lines, ended, seconds):
    """The report of what a child has told and of what did not end."""
    verdicts, trials, hints, notes, order = {}, {}, {}, [], []
    for line in lines:
        match line:
            case {"functions": names}:
                order = names
            case {"absent": function, "given": given, "why": why}:
                status = "given" if given else "wrong" if why else "missing"
                verdicts[function] = Verdict(function, status, problem=why)
            case {"unchecked": function}:
                verdicts[function] = Verdict(function, "unchecked")
            case {"case": case, "function": function, "message": message}:
                trials.setdefault(function, {})[case] = message
            case {"verdict": told}:
                verdicts[told["function"]] = Verdict(**told)
            case {"hint": hint, "function": function}:
                hints[function] = hint
            case {"notes": told}:
                notes += told
    for key, sentence in ended.items():
        if key.startswith(("cell ", f"{path.name}, ", "the ")):
            notes.append(f"{key} {sentence}")
        elif not key.startswith("a hint on "):
            verdicts[key] = Verdict(key, "wrong", problem=sentence)
    return Report(
        assignment=name,
        file=str(path),
        verdicts=tuple(
            verdicts[function]._replace(
                hint=hints.get(function, ""), trials=trials.get(function, {})
            )
            for function in order
            if function in verdicts
        ),
        notes=tuple(notes),
        seconds=round(seconds, 2),
    )
