"""Runs mutants in worker processes and counts the outcomes.

A crash or an endless read costs one mutant: the worker is replaced.
"""

import collections
import concurrent.futures
import json
import multiprocessing
import os
import re
import shutil
import signal
import tempfile
import threading
from pathlib import Path

from tests.robustness import table, worker
from tests.robustness.worker import FAILURES, Outcome, Task

START = 180.0  # seconds for imports and for the valid file
STOP = 60.0  # seconds after which a read is stopped
ENDING = ".outcome.json"  # of the file that describes a stored mutant


class BrokenReader(Exception):
    """A reader does not read its valid file, so that mutants say nothing."""


class Child:
    """A worker process, which is replaced when it ends or is stopped.

    Args:
        folder: for the files of the worker.
        modules: names of modules that add readers to the table.
    """

    def __init__(self, folder, *modules):
        self.folder, self.modules = Path(folder), modules
        self.process = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.stop()

    def run(self, task):
        """The outcome of a task."""
        if self.process is None:
            self._start()
        self.connection.send(task)
        started = self._received(START)
        if isinstance(started, str):
            raise BrokenReader(f"{task.reader}: {self.stderr()[-2000:]}{started}")
        outcome = self._received(STOP)
        if isinstance(outcome, str):
            kind = "hang" if outcome.startswith("stopped") else "crash"
            last = self.stderr().strip().rpartition("\n")[2]
            return Outcome(*started, kind, f"{outcome} {last}", self._place())
        return outcome

    def _received(self, seconds):
        """The next message of the worker, or why there is none."""
        try:
            if self.connection.poll(seconds):
                return self.connection.recv()
        except (EOFError, OSError):
            code = self.stop(10)
            return signal.Signals(-code).name if code < 0 else f"exit code {code}"
        self.stop()
        return f"stopped after {seconds:g} seconds"

    def _place(self):
        """The last place in the package where a worker crashed, from its stderr."""
        found = re.findall(r'"[^"]*/(dls_keras/[^"]*)", line (\d+)', self.stderr())
        return ":".join(found[0]) if found else ""

    def stderr(self):
        """What the worker has written to stderr."""
        path = self.folder / "stderr"
        return path.read_text("utf-8", "replace") if path.exists() else ""

    def _start(self):
        (self.folder / "stderr").unlink(missing_ok=True)
        spawn = multiprocessing.get_context("spawn")
        self.connection, other = spawn.Pipe()
        self.process = spawn.Process(
            target=worker.main, args=(other, self.folder, *self.modules)
        )
        self.process.start()
        other.close()

    def stop(self, seconds=0.0):
        """Stop the process, unless it ends in so many seconds; return how it ended."""
        if self.process is None:
            return 0
        self.connection.close()
        self.process.join(seconds)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        code, self.process = self.process.exitcode, None
        return code


class Table:
    """Counts of the outcomes of each reader, and the failures."""

    def __init__(self):
        self.counts = collections.defaultdict(collections.Counter)
        self.failures = []
        self.broken = {}

    def add(self, outcome):
        """Count an outcome."""
        self.counts[outcome.task.reader][outcome.kind] += 1
        if outcome.kind in FAILURES:
            self.failures.append(outcome)

    def lines(self):
        """The table as text: reader, mutants, right, refused, failures."""
        titles = ("mutants", "right", "InputError", "failures")
        yield f"{'reader':26}" + "".join(f"{title:>12}" for title in titles)
        total = collections.Counter()
        for name in table.READERS:
            if name in self.broken:
                yield f"{name:26} is broken, see above"
            elif counts := self.counts.get(name):
                yield self._line(name, counts)
                total += counts
        yield self._line(f"all {len(self.counts)} readers", total)
        kinds = [f"{total[kind]} {kind}" for kind in FAILURES if total[kind]]
        yield "failures: " + (", ".join(kinds) or "none")

    def _line(self, name, counts):
        failures = sum(counts[kind] for kind in FAILURES)
        numbers = counts.total(), counts["right"], counts["refused"], failures
        return f"{name:26}" + "".join(f"{number:12}" for number in numbers)


def described(outcome):
    """A failure in one line."""
    task = outcome.task
    return (
        f"{task.reader} seed {task.seed} mutant {task.number} ({outcome.mutation}): "
        f"{outcome.kind} {outcome.where} [{outcome.seconds} s, "
        f"{outcome.megabytes} MB] {outcome.message[:300]!r}"
    )


def run(names, *, mutations, seed=0, jobs=1, keep=None, on_outcome=None):
    """Run so many mutants of each reader; return the `Table`.

    Args:
        jobs: how many workers run at a time.
        keep: a folder for the failing mutants.
        on_outcome: called with each outcome.
    """
    result, lock = Table(), threading.Lock()
    pieces = [
        (n, range(s, min(s + 500, mutations)))
        for n in names
        for s in range(0, mutations, 500)
    ]
    waiting = collections.deque(pieces)
    keep = keep and Path(keep)

    def work():
        with tempfile.TemporaryDirectory() as folder, Child(folder) as child:
            while True:
                with lock:
                    if not waiting:
                        return
                    name, numbers = waiting.popleft()
                for number in numbers:
                    if name in result.broken:
                        break
                    try:
                        outcome = child.run(Task(name, seed, number))
                    except BrokenReader as error:
                        result.broken[name] = str(error)
                        break
                    with lock:
                        result.add(outcome)
                        if keep and outcome.kind in FAILURES:
                            store(outcome, child.folder, keep)
                        if on_outcome:
                            on_outcome(outcome)

    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for future in [pool.submit(work) for _ in range(jobs)]:
            future.result()
    return result


def store(outcome, folder, keep):
    """Write a failing mutant and its outcome to a folder, for `replay`."""
    keep.mkdir(parents=True, exist_ok=True)
    name = "{}-{}-{}".format(*outcome.task)
    facts = vars(outcome) | {"task": outcome.task._asdict()}
    (keep / f"{name}{ENDING}").write_text(json.dumps(facts, indent=1) + "\n")
    mutant = folder / "mutant" / outcome.file
    if worker.is_small_file(mutant):
        shutil.copy(mutant, keep / f"{name}{mutant.suffix}")


def replay(path, *modules):
    """Read a stored mutant again; return the outcome. `modules` is as in `Child`."""
    path = Path(path)
    facts = json.loads(path.read_text())
    task = Task(**facts["task"])
    stem = path.name.removesuffix(ENDING)
    mutant = path.with_name(stem + Path(facts["file"]).suffix)
    if mutant.is_file():
        task = task._replace(stored=str(mutant.resolve()))
    with tempfile.TemporaryDirectory() as folder, Child(folder, *modules) as child:
        return child.run(task)


def processors():
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))
