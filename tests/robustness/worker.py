"""The process that reads mutants: it measures each read and compares its answer.

An outcome is "right", "refused" or one of `FAILURES`. It is right if the answer is
that of the valid file, or if it could be that of another valid file: it has the same
form, its numbers are finite, and it passes the `check` of its reader. (A flipped bit of
a weight makes another weight, which nobody can tell from a trained one.) Where a
file states its own length, a cut one must be refused or give the same answer.
"""

import dataclasses
import faulthandler
import importlib
import os
import resource
import shutil
import stat
import sys
import time
import traceback
import warnings
import zlib
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

SECONDS = 5.0  # that one read may take, without waiting for a processor
MEGABYTES = 1024  # by which the process may grow during a read
ROOM = 4 * 2**30  # bytes of address space that a read may take before it gets no more
LONGEST, MOST_LINES = 1000, 3  # of a message
CUTS = ("truncate", "truncate_at_a_power_of_two", "remove_the_last_byte")
TOKEN = b"TOPSECRET-TOKEN!"  # as float32 these are finite numbers

FAILURES = (
    "foreign exception",
    "crash",
    "hang",
    "too slow",
    "too much memory",
    "not finite",
    "wrong answer",
    "cut unnoticed",
    "half-changed model",
    "program started",
    "other file read",
    "long message",
)


class Task(NamedTuple):
    """One mutant: which reader, and which of its mutations."""

    reader: str
    seed: int
    number: int
    stored: str = ""  # a file that is read instead of a mutant


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    task: Task
    mutation: str
    file: str  # the mutated one, in the folder of the reader
    kind: str  # "right", "refused" or one of FAILURES
    message: str = ""
    where: str = ""  # file and line of the exception
    seconds: float = 0.0
    megabytes: float = 0.0


class Valid(NamedTuple):
    """A valid file that is ready to be mutated."""

    folder: Path
    path: Path
    answer: object


def main(connection, folder, *modules):
    """Answer tasks until the other end of the connection is closed.

    Args:
        modules: names of modules that add readers to the table.
    """
    folder = Path(folder)
    stderr = os.open(folder / "stderr", os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDWR)
    for old, new in ((null, 0), (null, 1), (stderr, 2)):
        os.dup2(old, new)
    faulthandler.enable()
    outside = _outside(folder)
    os.environ |= {
        "DLS_KERAS_HOME": str(folder / "home"),
        "DLS_KERAS_OFFLINE": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }
    for module in modules:
        importlib.import_module(module)
    watch = Watch(outside)
    valid = {}
    while True:
        try:
            task = connection.recv()
        except EOFError:
            return
        if task.reader not in valid:
            valid[task.reader] = prepare(task.reader, folder)
        name, path = mutant(task, valid[task.reader], folder, outside)
        file = str(path.relative_to(folder / "mutant"))
        connection.send((task, name, file))
        os.environ["DLS_KERAS_DATA"] = str(folder / "mutant")
        judgement = read(task, name, path, valid[task.reader].answer, watch)
        connection.send(Outcome(task, name, file, **judgement))


def prepare(name, folder):
    """Make the valid file of a reader, and read two copies of it."""
    from tests.robustness import table

    place, reader = folder / name, table.READERS[name]
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    os.environ["DLS_KERAS_DATA"] = str(place)
    valid = Valid(place, Path(reader.make(place)), None)
    first, second = (_answer(reader, valid, folder) for _ in range(2))
    if unlike(first, second, exactly=True) or not reader.check(first):
        raise ValueError(
            f"The answers for the valid file are not right: {first!r:.300}"
        )
    return valid._replace(answer=first)


def _answer(reader, valid, folder):
    """The answer for a copy of the valid file."""
    path = _copy(valid, folder)
    os.environ["DLS_KERAS_DATA"] = str(folder / "mutant")
    answer = reader.read(path)
    return _values(reader) if reader.variables else answer


def _copy(valid, folder):
    """Copy the folder of the valid file; return the path of the copied file."""
    place = folder / "mutant"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(valid.folder, place)
    return place / valid.path.relative_to(valid.folder)


def mutant(task, valid, folder, outside):
    """Write the mutant of a task; return the name of the mutation and the path."""
    from tests.robustness import mutations, table

    path = _copy(valid, folder)
    if task.stored:
        shutil.copy(task.stored, path)
        return "stored", path
    kinds = ("any", *table.READERS[task.reader].kinds)
    known = [change for kind in kinds for change in mutations.FOR[kind]]
    label = zlib.crc32(task.reader.encode())
    # All mutations take turns, in an order that differs between readers and seeds.
    turn, index = divmod(task.number, len(known))
    order = np.random.default_rng([label, task.seed, turn]).permutation(len(known))
    change = known[order[index]]
    rng = np.random.default_rng([label, task.seed, task.number, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        change(rng, path, outside)
    return change.__name__, path


def read(task, mutation, path, expected, watch):
    """Read a mutant and judge what happens; return the fields of an `Outcome`."""
    from tests.robustness import table

    reader = table.READERS[task.reader]
    before = after = _values(reader) if reader.variables else None
    answer = error = None
    start = _clock()
    with watch:
        try:
            answer = reader.read(path)
        except BaseException as raised:
            error = raised
    seconds = _clock() - start
    if reader.variables:
        after = _values(reader)
        _restore(reader, before)
        answer = after if error is None else None
    kind, message = judged(answer, error, expected, reader, mutation)
    programs = set(watch.started) - ({sys.executable} if reader.helper else set())
    worse = {
        "half-changed model": error is not None and unlike(before, after, exactly=True),
        "program started": programs,
        "other file read": watch.touched() or leaks(answer),
        "too much memory": watch.grown > MEGABYTES * 2**20,
        "too slow": seconds > SECONDS,
    }
    return {
        "kind": next((name for name, found in worse.items() if found), kind),
        "message": message or ", ".join(sorted(programs)),
        "where": _where(error),
        "seconds": round(seconds, 3),
        "megabytes": round(watch.grown / 2**20, 1),
    }


def judged(answer, error, expected, reader, mutation):
    """The kind of an outcome, and a message."""
    from dls_keras.core.errors import InputError

    if isinstance(error, InputError):
        if _is_short(error):
            return "refused", str(error)
        return "long message", f"{len(str(error)):,} characters"
    if error is not None:
        return "foreign exception", _described(error)
    if not unlike(expected, answer, exactly=True):
        return "right", ""
    if infinite(answer):
        return "not finite", f"{answer!r:.300}"
    if reader.complete and mutation in CUTS:
        return "cut unnoticed", f"{answer!r:.300}"
    problem = unlike(expected, answer)
    try:
        problem = problem or ("" if reader.check(answer) else "the check fails")
    except Exception as failed:
        problem = f"the check fails: {_described(failed)}"
    return ("wrong answer", f"{problem}: {answer!r:.300}") if problem else ("right", "")


def unlike(one, other, exactly=False):
    """How two answers differ in their form, or, if `exactly`, at all; "" if not.

    Lists and dicts may have any length, arrays any shape.
    """
    if type(one) is not type(other):
        return f"{type(other).__name__} in place of {type(one).__name__}"
    if isinstance(one, np.ndarray):
        kinds = "biuf" if one.dtype.kind in "biuf" else "SU"
        if other.dtype.kind not in kinds:
            return f"type {other.dtype} in place of {one.dtype}"
        same = one.dtype == other.dtype and np.array_equal(one, other)
        return "other values" if exactly and not same else ""
    if isinstance(one, dict):
        return unlike([*one.items()], [*other.items()], True) if exactly else ""
    if isinstance(one, tuple) or (isinstance(one, list) and exactly):
        if len(one) != len(other):
            return "other length"
        found = (unlike(a, b, exactly) for a, b in zip(one, other, strict=True))
        return next(filter(None, found), "")
    return "other values" if exactly and one != other else ""


def infinite(answer):
    """Whether an answer holds a number that is not finite."""
    if isinstance(answer, np.ndarray):
        return answer.dtype.kind in "fc" and not np.isfinite(answer).all()
    if isinstance(answer, dict):
        return any(map(infinite, answer.values()))
    if isinstance(answer, tuple | list):
        return any(map(infinite, answer))
    return isinstance(answer, float) and not np.isfinite(answer)


def leaks(answer):
    """Whether an answer holds the content of the file outside."""
    if isinstance(answer, np.ndarray):
        return TOKEN in answer.tobytes()
    if isinstance(answer, dict):
        return any(map(leaks, answer.values()))
    if isinstance(answer, tuple | list):
        return any(map(leaks, answer))
    return isinstance(answer, str) and TOKEN.decode() in answer


class Watch:
    """Measures a block: its memory, the programs it starts, the files it reads."""

    def __init__(self, outside):
        self.outside = outside
        self.secrets = [*outside.iterdir()]
        self.active, self.started, self.opened, self.grown = False, [], [], 0
        self.by_access_time = self._access_times_work()
        sys.addaudithook(self._audit)

    def __enter__(self):
        for secret in self.secrets:
            os.utime(secret, ns=(0, 10**9))
        self.started, self.opened = [], []
        self.base = _status("VmRSS")
        try:
            Path("/proc/self/clear_refs").write_text("5")  # resets VmHWM
        except OSError:
            self.base = max(self.base, _status("VmHWM"))
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        size = _status("VmSize") + ROOM
        resource.setrlimit(resource.RLIMIT_AS, (size, hard))
        self.children = 1024 * _largest_child()
        self.active = True

    def __exit__(self, *error):
        self.active = False
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
        largest, children = _status("VmHWM"), 1024 * _largest_child()
        # Linux counts the memory of this process for a child that it has just started.
        measured = children > max(self.children, 1.1 * largest)
        self.grown = max(largest - self.base, children if measured else 0)

    def touched(self):
        """Whether a file outside was opened, or read by a library."""
        read = any(secret.stat().st_atime_ns for secret in self.secrets)
        return bool(self.opened) or (self.by_access_time and read)

    def _access_times_work(self):
        """Whether the file system records when a file is read."""
        os.utime(self.secrets[0], ns=(0, 10**9))
        self.secrets[0].read_bytes()
        return self.secrets[0].stat().st_atime_ns != 0

    def _audit(self, event, arguments):
        if not self.active:
            return
        if event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
            self.started.append(os.fsdecode(arguments[0] or arguments[1][0]))
        elif event in ("os.system", "os.fork", "os.forkpty", "pty.spawn"):
            self.started.append(event)
        elif event == "open" and isinstance(arguments[0], str | bytes):
            if os.fsdecode(arguments[0]).startswith(str(self.outside)):
                self.opened.append(arguments[0])


def _outside(folder):
    """A folder with files that no reader should read."""
    outside = folder / "outside"
    outside.mkdir(exist_ok=True)
    (outside / "secret.bin").write_bytes(TOKEN * 4096)
    with h5py.File(outside / "secret.h5", "w") as file:
        file["secret"] = np.frombuffer(TOKEN * 16_384, "f4")
    return outside


def _values(reader):
    return [np.array(variable) for variable in reader.variables()]


def _restore(reader, values):
    for variable, value in zip(reader.variables(), values, strict=True):
        variable.assign(value)


def _clock():
    """Seconds, without those in which this thread waited for a processor."""
    try:
        waited = int(Path("/proc/self/schedstat").read_text().split()[1]) / 1e9
    except OSError:  # a kernel without this file
        waited = 0.0
    return time.perf_counter() - waited


def _largest_child():
    """The peak memory of the largest child that has ended, in kilobytes."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def _status(field):
    """A size in the kernel's description of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    return 0


def _described(error):
    return f"{type(error).__module__}.{type(error).__name__}: {error}"[:500]


def _is_short(error):
    """Whether a message has at most three lines and can be printed."""
    try:
        text = str(error).encode()
    except (UnicodeError, SystemError):
        return False
    return len(str(error)) <= LONGEST and text.count(b"\n") < MOST_LINES


def _where(error):
    """The last place in the package that an exception passed."""
    if error is None:
        return ""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if f"{os.sep}dls_keras{os.sep}" in f.filename]
    if not ours:
        return ""
    name = ours[-1].filename.rpartition(f"{os.sep}dls_keras{os.sep}")[2]
    return f"dls_keras/{name}:{ours[-1].lineno}"


def is_small_file(path):
    """Whether a mutant can be stored."""
    try:
        facts = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISREG(facts.st_mode) and facts.st_blocks * 512 <= 64 * 2**20 >= (
        facts.st_size
    )
