"""Check a learner's file, or the files of a class, in separate processes.

`check` returns the `Report` of one file, `check_all` yields those of many, several of
which are checked in parallel. The learner's code runs in a worker process with a time
limit per case and a memory limit, which sends what the functions returned; this process
compares it with the expected values. If a function does not end or ends the process,
the report says so, and a new worker checks the rest without it. This is a convenience,
not a sandbox: it does not protect against hostile code.
"""

import contextlib
import functools
import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from dls_keras import catalog
from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.grading import connection, executors, processes

TIMEOUT = 10.0  # seconds of CPU time per case
MEMORY = 2000  # megabytes that a worker may use in addition to its imports
IMPORT_TIMEOUT = 300.0  # seconds per import; the first import of TensorFlow is slow
# A worker is stopped after CLOCK_FACTOR * timeout + GRACE seconds of wall-clock time:
# on a busy machine a case takes longer than its CPU time.
CLOCK_FACTOR = 4
GRACE = 5.0
RESTARTS = 25  # at most so many workers per file
LONGEST_TEXT = 2000  # characters of a text that a worker sends
TEXTS = ("case", "problem", "where")  # fields of a verdict that a worker describes

# What a worker may say of a function: whether it is defined, and why it is not right.
DEFINED = ("defined", "missing", "provided", "given", "wrong", "not written")
NOT_RIGHT = ("wrong", "not written", "cannot run here")
BAD = ("wrong", "missing", "not written")  # with one of these a file is not right

# What decoding a message raises that no worker of ours has written.
NOT_IN_ORDER = (
    *(ValueError, TypeError, LookupError),
    *(AttributeError, ArithmeticError, RecursionError),
)


class Verdict(NamedTuple):
    """The result of checking one function.

    Attributes:
        status: "ok"; "wrong"; "missing"; "not written", a placeholder is left;
            "cannot run here", the code is of an older TensorFlow, Keras or NumPy;
            "given", imported from another file; "provided", a helper of the course
            that the file does not define; "unchecked", if none of its cases can be run.
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
        edition: the edition of the course by whose cases the function was judged.
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
    edition: str = ""


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
        """Whether some function is right, and none is wrong, missing or not written.

        A function that the learner should write and imports instead is not right, too.
        """
        taken = any(v.status == "given" and v.problem for v in self.verdicts)
        bad = self.error or taken or any(map(self.count, BAD))
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
    found, _ = _reference(row.name)
    return {name: [case.id for case in its[0].cases] for name, its in found.items()}


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
    paths: Iterable[Path],
    *,
    timeout: float = TIMEOUT,
    memory: int = MEMORY,
    workers: int = 1,
    executor: executors.Executor | None = None,
) -> Generator[Report, None, None]:
    """Yield the report of each file as it comes; `Report.file` says whose it is.

    A file that cannot be read has a report with an error; the others are still checked.

    Args:
        name: an assignment with reference values.
        paths: modules and notebooks.
        timeout: CPU time limit per case in seconds.
        memory: memory limit per file in megabytes, in addition to its imports.
        workers: how many files are checked in parallel, without an executor.
        executor: any executor with the `submit` of `concurrent.futures`, of threads,
            processes or other machines, which then need the same paths.
    """
    row, limits = known(name), {"timeout": timeout, "memory": memory}
    calls = ((row.name, str(path), limits) for path in paths)
    yield from executors.run_all(
        check_or_report, calls, failed, workers=workers, executor=executor
    )


def check_or_report(
    name: str,
    path: str,
    limits: Mapping[str, Any],
    *,
    threads: int = 1,
    stopped: threading.Event | None = None,
) -> Report:
    """As `check`, with the `limits` on time and memory; never raises an error."""
    try:
        return check(name, Path(path), threads=threads, stopped=stopped, **limits)
    except Exception as error:
        return failed(error, name, path)


def failed(error: Exception, name: str, path: str, *rest: Any) -> Report:
    """The report on a file whose check raised an error."""
    return Report(name, path, error=str(error) or type(error).__name__)


def check(
    name: str,
    path: Path,
    *,
    timeout: float = TIMEOUT,
    memory: int = MEMORY,
    threads: int | None = None,
    stopped: threading.Event | None = None,
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
        stopped: once another thread sets it, the check ends soon.

    Raises:
        InputError: if there is no such assignment, or the file cannot be read.
    """
    row, path = known(name), Path(path)
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist. Name a .py or .ipynb file.")
    started = time.monotonic()
    stopped = stopped or threading.Event()
    aborted: dict[str, str] = {}  # a function or statement -> how it ended the worker
    for _ in range(RESTARTS):
        task = {"assignment": row.name, "path": str(path.resolve()), "memory": memory}
        task |= {"timeout": timeout, "skip": list(aborted)}
        conversation = _Conversation(row.name, timeout, memory, aborted)
        ending = ""
        try:
            with connection.Worker(task, threads, stopped) as worker:
                conversation.hold(worker)
        except connection.WorkerEnded as ended:
            ending = str(ended)
        if not ending or conversation.last in aborted or stopped.is_set():
            break
        aborted[conversation.last] = ending
        for function in conversation.slow - aborted.keys():  # run them only once
            aborted[function] = f"takes longer than {timeout:g} seconds."
    report = conversation.report(path, time.monotonic() - started)
    if ending:
        error = f"The check did not finish: {conversation.last} {ending}"
        report = report._replace(error=error)
    return report


@contextlib.contextmanager
def sigterm_ends() -> Iterator[None]:
    """Let SIGTERM end the program within a block as `sys.exit` does.

    So the checks that are running stop their workers first.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@functools.lru_cache(maxsize=4)
def _reference(name):
    """The editions of each function, and the parameters of each function."""
    from dls_keras.grading import comparison

    references = comparison.references(name)
    by_function = comparison.editions_by_function(name, references)
    return by_function, comparison.signatures(references)


class _Conversation:
    """Receives the messages of one worker, and compares what they contain.

    The runner knows which message comes next, and takes no verdict from the worker:
    whether a case passed is decided here, from the values that the function returned.

    Attributes:
        last: the function or statement that the worker ran last.
        slow: the functions that exceeded the time limit of a case.
    """

    def __init__(
        self, name: str, timeout: float, memory: float, aborted: dict[str, str]
    ):
        self.name, self.memory, self.aborted = name, memory, aborted
        self.clock = timeout * CLOCK_FACTOR + GRACE
        self.last, self.slow = "the start", set[str]()
        self.defined: dict[str, dict] = {}
        self.notes: list[str] = []
        self.messages: dict[str, dict[str, str]] = {}
        self.seconds: dict[str, float] = {}
        self.remarks: dict[str, list[str]] = {}
        self.problems: dict[str, dict] = {}
        self.chosen: dict[str, Any] = {}  # function -> its edition

    def hold(self, worker: connection.Worker) -> None:
        """Exchange all messages with a worker.

        Raises:
            WorkerEnded: if it ends before, is stopped, or sends other messages.
            InputError: if it cannot read the file.
        """
        # While the worker starts.
        self.editions, self.signatures = _reference(self.name)
        message = worker.receive(IMPORT_TIMEOUT, "file")
        if "error" in message:
            raise InputError(message["error"])
        try:
            self._receive_definitions(worker, message["statements"])
            for function in self.editions:
                self._receive_facts(worker, function)
            self._receive_problems(worker)
        except NOT_IN_ORDER:
            # Only a message that the learner's code wrote is not in order.
            raise connection.WorkerEnded(connection.FOREIGN) from None

    def _receive_definitions(self, worker, statements):
        clock = IMPORT_TIMEOUT
        for _ in range(statements + 1):
            message = worker.receive(clock, "begin", "defined")
            used = min(float(message["used"]), processes.IMPORTS)
            worker.megabytes = used + self.memory + connection.SPARE
            if message["kind"] == "defined":
                self.defined = {f: self._status(message, f) for f in self.editions}
                self.notes = [_text(note) for note in message["notes"]]
                return
            self.last = _text(message["key"])
            clock = self.clock
            if message["importing"]:
                clock = IMPORT_TIMEOUT
                worker.megabytes += processes.IMPORTS
        raise ValueError("too many statements")

    def _status(self, message, function):
        """What the file defines as a function; no other helpers are provided."""
        from dls_keras.grading import course_helpers
        from dls_keras.reference import editions

        found = message["functions"][function]
        status, why = found["status"], _text(found["why"])
        if status not in DEFINED:
            raise ValueError("another status")
        helper = course_helpers.optional(self.name, function)
        if status == "provided" and not helper:
            if function not in course_helpers.helpers(self.name):
                status = "missing"
        if status == "given" and not helper:
            why = why or "It is imported from another file"
        parameters = found["parameters"]
        if parameters is not None:
            parameters = [str(parameter) for parameter in parameters]
        signs = [_text(label) for label in found["signs"]]
        name = _text(found["name"])
        return {"status": status, "why": why, "parameters": parameters} | {
            "seen": editions.Seen(name, parameters),
            "signs": signs,
        }

    def _receive_facts(self, worker, function):
        """Receive what the cases of one function gave, and compare it."""
        from dls_keras.grading import comparison, messages
        from dls_keras.reference import editions

        defined = self.defined[function]
        if defined["status"] != "defined" or function in self.aborted:
            return
        signature = self.signatures[function]
        form = comparison.older_form(
            self.name, function, defined["parameters"], signature
        )
        by_case: dict[str, str] = {}
        seen, signs = defined["seen"], defined["signs"]
        considered = editions.considered(self.editions[function], signs)
        plan = editions.Plan(considered)
        for variants in plan:
            timeout = False
            for case in variants:
                self.last = function
                message = worker.receive(self.clock, "facts")
                if (message["function"], message["case"]) != (function, case.id):
                    raise ValueError("another case")
                facts = messages.decode_facts(message["facts"])
                by_case[case.id] = comparison.judged(case, facts, form)
                timeout |= bool(message["timeout"])
            seconds = self.seconds.get(function, 0.0) + float(message["seconds"])
            self.seconds[function] = seconds
            self.remarks[function] = [_text(text) for text in message["remarks"]]
            if timeout:
                plan.did_not_end(variants)
        if not plan.ended:
            self.slow.add(function)
        edition = comparison.chosen(considered, seen, signs, by_case)
        self.chosen[function] = edition
        ran = [case.id for case in edition.cases if case.id in by_case]
        self.messages[function] = {name: by_case[name] for name in ran}

    def _receive_problems(self, worker):
        """Receive the descriptions of the functions that are wrong."""
        wrong = [f for f in self.messages if not self._right(f)]
        wrong = [f for f in wrong if f"a hint on {f}" not in self.aborted]
        if not wrong:
            return
        self.last = f"a hint on {wrong[0]}"
        results = {  # short, so that they fit into the pipe even if nobody reads it
            function: {case: words[:300] for case, words in found.items()}
            for function, found in self.messages.items()
        }
        labels = {function: one.label for function, one in self.chosen.items()}
        worker.send({"results": results, "editions": labels, "wrong": wrong})
        for function in wrong:
            self.last = f"a hint on {function}"
            message = worker.receive(self.clock, "problem")
            fields = {name: _text(message["fields"].get(name, "")) for name in TEXTS}
            fields["number"] = _numbers(message["fields"].get("number"))
            shape = message["fields"].get("shape")
            fields["shape"] = shape and [_numbers(one) for one in shape]
            fields["status"] = message["fields"].get("status", "wrong")
            if fields["status"] not in NOT_RIGHT:
                raise ValueError("another status")
            self.problems[function] = fields | {"hint": _text(message["hint"])}

    def _right(self, function):
        """Whether all cases of the function have been run and passed."""
        found = self.messages.get(function, {})
        if function not in self.chosen:
            return False
        count = len(self.chosen[function].cases)
        return len(found) == count and not any(found.values())

    def report(self, path: Path, seconds: float) -> Report:
        """The report on a file: what was received, and what ended a worker."""
        verdicts = [self._verdict(f) for f in self.defined if f not in self.aborted]
        verdicts += [
            Verdict(f, "wrong", problem=f"It {ending}")
            for f, ending in self.aborted.items()
            if f in self.defined
        ]
        order = list(self.defined)
        verdicts.sort(key=lambda verdict: order.index(verdict.function))
        notes = [
            f"{key} {ending}"
            for key, ending in self.aborted.items()
            if key not in self.defined and not key.startswith("a hint on ")
        ]
        return Report(
            assignment=self.name,
            file=str(path),
            verdicts=tuple(verdicts),
            notes=(*self.notes, *notes),
            seconds=round(seconds, 2),
        )

    def _verdict(self, function):
        from dls_keras.grading import comparison

        found = self.defined[function]
        if found["status"] != "defined":
            return Verdict(function, found["status"], problem=found["why"])
        if not any(edition.cases for edition in self.editions[function]):
            return Verdict(function, "unchecked")
        messages = self.messages.get(function, {})
        wrong = {case: words for case, words in messages.items() if words}
        status, problem = "ok", {}
        if not self._right(function):
            status = "wrong"
            case, words = next(iter(wrong.items()), ("", "Not all cases were run."))
            problem = {"case": case, "problem": words}
            problem |= self.problems.get(function, {})
            status = problem.pop("status", status)
        remarks, edition = self.remarks.get(function, []), self.chosen.get(function)
        if edition:
            remarks = [*comparison.remark(edition, status == "ok"), *remarks]
        return Verdict(
            function,
            status,
            edition=edition.label if edition else "",
            passed=len(messages) - len(wrong),
            cases=len(self.chosen[function].cases) if edition else 0,
            remarks=remarks,
            seconds=round(self.seconds.get(function, 0.0), 3),
            messages=messages,
            **problem,
        )


def _text(value):
    """A text that a worker sent, at most a few lines of it."""
    if not isinstance(value, str):
        raise TypeError(f"expected a text, received {type(value).__name__}")
    return value[:LONGEST_TEXT]


def _numbers(values):
    """A few numbers that a worker sent, or None."""
    if values is not None and not all(isinstance(v, int | float) for v in values):
        raise TypeError("expected numbers")
    return values
