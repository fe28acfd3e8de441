"""What we promise about memory: sound as it comes, word vectors, a class of files.

Each promise is measured in processes of its own, beyond what they had in memory when
their work began, so that imports do not count. Linux keeps the most that a process had
at a time and forgets it when asked to; the check of a class is a tree of processes,
which is watched while it works.
"""

import contextlib
import ctypes
import gc
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
MEGABYTE = 1e6
PAUSE = 0.005  # seconds between two looks at a tree of processes


class Memory(NamedTuple):
    """One promise: `megabytes` are at most `goal` times what stands beside them."""

    what: str
    megabytes: float
    beside: float  # megabytes
    goal: float

    @property
    def ratio(self) -> float:
        """How many times as much it is."""
        return self.megabytes / self.beside

    @property
    def reached(self) -> bool:
        """Whether the promise is kept."""
        return self.ratio <= self.goal


def measure(quick: bool) -> list[Memory]:
    """All promises; a quick run, of small sizes, shows that they can be measured."""
    return [promise(quick) for promise in (streaming, word_vectors, class_of_files)]


def table(rows: list[Memory]) -> list[str]:
    """Markdown, missed goals in bold."""
    lines = ["| what | MB | beside, MB | ratio | goal |", "|---|---|---|---|---|"]
    for row in rows:
        ratio = f"{row.ratio:.3f}" if row.reached else f"**{row.ratio:.3f}**"
        numbers = f"{row.megabytes:.1f} | {row.beside:.1f} | {ratio} | {row.goal:.2f}"
        lines.append(f"| {row.what} | {numbers} |")
    return lines


# The promises.


def streaming(quick: bool) -> Memory:
    """Trigger words in a long recording, beside its first minute."""
    minutes = 3 if quick else 60
    first, most = in_child(_listen, minutes)
    what = f"listening for {minutes} minutes, beside the first of them"
    return Memory(what, most, first, goal=1.1)


def word_vectors(quick: bool) -> Memory:
    """A GloVe text that is read, beside the bytes of its vectors."""
    words = 20_000 if quick else 400_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.txt"
        write_words(path, words)
        most, matrix = in_child(_read, str(path))
    return Memory(f"reading {words:,} words, beside their vectors", most, matrix, 1.3)


def class_of_files(quick: bool) -> Memory:
    """The check of a class, beside that of as many files as are checked at once."""
    from dls_keras.grading import runner

    many, few = 8 if quick else 100, runner.workers()
    what = f"checking {many} files, beside {few}, one for each worker"
    beside = max(_check(few) for _ in range(3))  # they peak together in one of them
    return Memory(what, _check(many), beside, goal=1.1)


def write_words(path: Path, words: int) -> None:
    """Write a GloVe text of so many words with 50 numbers each."""
    import numpy as np

    rows = np.random.default_rng(0).normal(size=(1000, 50))
    numbers = [" ".join(f"{number:.5g}" for number in row) for row in rows]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"word{i} {numbers[i % 1000]}\n" for i in range(words))


def _listen(minutes):
    """Megabytes after a minute of sound, and the most from then to the end."""
    import numpy as np

    from dls_keras.course5 import trigger_word

    model, rng = trigger_word.load_pretrained(), np.random.default_rng(0)
    before, after = _settled(), []

    def sound():
        for second in range(60 * minutes):
            if second == 60:
                after.append(_resident())
                _forget_peak()
            yield rng.integers(-3000, 3000, trigger_word.RATE, dtype="int16")

    for _ in trigger_word.listen(model, sound()):
        pass
    return after[0] - before, _peak() - before


def _read(path):
    """The most megabytes while a GloVe text is read, and those of its vectors."""
    from dls_keras.datasets import glove

    vectors, most = growth(lambda: glove.load_glove(path))
    return most, vectors.matrix.nbytes / MEGABYTE


def _check(files):
    """The most megabytes of all processes while so many files are checked."""
    name = "numpy_basics"
    solution = (ROOT / "tests" / "submissions" / f"{name}.py").read_text("utf-8")
    program = "from dls_keras.cli.main import main; main()"
    with tempfile.TemporaryDirectory() as folder:
        for n in range(files):  # each with a mistake of its own
            text = solution.replace("s * (1 - s)", f"s * ({n + 2} - s)")
            (Path(folder) / f"{n}.py").write_text(text, "utf-8")
        command = [sys.executable, "-c", program, "check", name, folder]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        most = 0.0
        while process.poll() is None:
            most = max(most, sum(map(_resident, _tree(process.pid))))
            time.sleep(PAUSE)
    if process.returncode != 1:  # as mistakes were found
        raise RuntimeError(f"The check ended in {process.returncode}, expected 1.")
    return most


# Measuring.


def in_child(function: Callable, *arguments) -> Any:
    """What a function of a module returns in a Python of its own; both ways JSON."""
    task = json.dumps([function.__module__, function.__name__, arguments])
    program = "from benchmarks import memory; memory.answer()"
    command = [sys.executable, "-c", program, task]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{task} ended in {done.returncode}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def answer() -> None:
    """What the child does."""
    module, name, arguments = json.loads(sys.argv[1])
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(*arguments)))


def growth(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of `work`, and the most megabytes beyond those before it."""
    before = _settled()
    _forget_peak()
    result = work()
    return result, _peak() - before


def _settled():
    """The megabytes in memory when all that is free has been given back."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    return _resident()


def _resident(pid="self", line="VmRSS"):
    """The megabytes that a process has in memory; none when it has ended."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        status = Path(f"/proc/{pid}/status").read_text()
        if line in status:  # not so while it ends
            return int(status.split(f"{line}:")[1].split()[0]) * 1024 / MEGABYTE
    return 0.0


def _peak():
    """The most that this process has had since `_forget_peak`."""
    return _resident(line="VmHWM")


def _forget_peak():
    Path("/proc/self/clear_refs").write_text("5")


def _tree(pid):
    """A process, those that it has started, and so on."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for child in task.read_text().split():
                yield from _tree(child)
