"""What is promised about memory: streamed sound, word vectors, files of a class.

Each promise is measured in separate processes, as the increase over the memory at the
start of the work, so that imports do not count. Linux records the peak memory of a
process, which can be reset. The check of a class runs a tree of processes; their memory
is sampled while they run.
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
PAUSE = 0.005  # seconds between two samples of a tree of processes


class Memory(NamedTuple):
    """One promise: `megabytes` are at most `goal` times those of a baseline."""

    what: str
    megabytes: float
    baseline: float  # megabytes
    goal: float

    @property
    def ratio(self) -> float:
        """The memory divided by that of the baseline."""
        return self.megabytes / self.baseline

    @property
    def reached(self) -> bool:
        """Whether the promise is kept."""
        return self.ratio <= self.goal


def measure(quick: bool) -> list[Memory]:
    """All promises; a quick run has small sizes and shows only that it works."""
    return [promise(quick) for promise in (streaming, word_vectors, class_of_files)]


def table(rows: list[Memory]) -> list[str]:
    """Markdown; missed goals are bold."""
    lines = ["| what | MB | baseline, MB | ratio | goal |", "|---|---|---|---|---|"]
    for row in rows:
        ratio = f"{row.ratio:.3f}" if row.reached else f"**{row.ratio:.3f}**"
        numbers = f"{row.megabytes:.1f} | {row.baseline:.1f} | {ratio} | {row.goal:.2f}"
        lines.append(f"| {row.what} | {numbers} |")
    return lines


# The promises.


def streaming(quick: bool) -> Memory:
    """Detecting trigger words in a long recording, against its first minute."""
    minutes = 3 if quick else 60
    first, most = in_child(_listen, minutes)
    what = f"streaming {minutes} minutes of sound, against the first minute"
    return Memory(what, most, first, goal=1.1)


def word_vectors(quick: bool) -> Memory:
    """Reading a GloVe text, against the bytes of its vectors."""
    words = 20_000 if quick else 400_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vectors.txt"
        write_words(path, words)
        most, matrix = in_child(_read, str(path))
    return Memory(
        f"reading {words:,} word vectors, against the vectors alone", most, matrix, 1.3
    )


def class_of_files(quick: bool) -> Memory:
    """Checking the files of a class, against as many as are checked at a time."""
    from dls_keras.grading import runner

    many, few = 8 if quick else 100, runner.workers()
    what = f"checking {many} files, against {few}, one for each worker"
    # The workers do not reach their peaks at the same time in every run.
    baseline = max(check_files(few) for _ in range(3))
    return Memory(what, check_files(many), baseline, goal=1.1)


def write_words(path: Path, words: int) -> None:
    """Write a GloVe text of `words` words with 50 numbers each."""
    import numpy as np

    rows = np.random.default_rng(0).normal(size=(1000, 50))
    numbers = [" ".join(f"{number:.5g}" for number in row) for row in rows]
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"word{i} {numbers[i % 1000]}\n" for i in range(words))


def _listen(minutes):
    """Megabytes after a minute of sound, and their peak from then to the end."""
    import numpy as np

    from dls_keras.course5 import trigger_word

    model, rng = trigger_word.load_pretrained(), np.random.default_rng(0)
    before, after = _settled(), []

    def sound():
        for second in range(60 * minutes):
            if second == 60:
                after.append(_resident())
                _reset_peak()
            yield rng.integers(-3000, 3000, trigger_word.RATE, dtype="int16")

    for _ in trigger_word.listen(model, sound()):
        pass
    return after[0] - before, _peak() - before


def _read(path):
    """The peak megabytes while a GloVe text is read, and those of its vectors."""
    from dls_keras.datasets import glove

    vectors, most = growth(lambda: glove.load_glove(path))
    return most, vectors.matrix.nbytes / MEGABYTE


def check_files(files: int) -> float:
    """The peak megabytes of all processes while that many files are checked."""
    name = "numpy_basics"
    solution = (ROOT / "tests" / "submissions" / f"{name}.py").read_text("utf-8")
    program = "from dls_keras.cli.main import main; main()"
    with tempfile.TemporaryDirectory() as folder:
        for n in range(files):  # each has another mistake
            text = solution.replace("s * (1 - s)", f"s * ({n + 2} - s)")
            (Path(folder) / f"{n}.py").write_text(text, "utf-8")
        command = [sys.executable, "-c", program, "check", name, folder]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        most = 0.0
        while process.poll() is None:
            most = max(most, sum(map(_resident, _tree(process.pid))))
            time.sleep(PAUSE)
    if process.returncode != 1:  # mistakes were found
        code = process.returncode
        raise RuntimeError(f"The check ended with exit code {code}, expected 1.")
    return most


# Measuring.


def in_child(function: Callable, *arguments) -> Any:
    """Call a function of a module in a new Python process; return its result.

    Arguments and result are passed as JSON.
    """
    task = json.dumps([function.__module__, function.__name__, arguments])
    program = "from benchmarks import memory; memory.answer()"
    command = [sys.executable, "-c", program, task]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        code = done.returncode
        raise RuntimeError(f"{task} exited with {code}:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def answer() -> None:
    """Run in the child process: call the function and print its result."""
    module, name, arguments = json.loads(sys.argv[1])
    function = getattr(importlib.import_module(module), name)
    print(json.dumps(function(*arguments)))


def growth(work: Callable[[], Any]) -> tuple[Any, float]:
    """The result of `work`, and the increase of the peak memory in megabytes."""
    before = _settled()
    _reset_peak()
    result = work()
    return result, _peak() - before


def _settled():
    """The megabytes in use after free memory was returned to the system."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
    return _resident()


def _resident(pid="self", line="VmRSS"):
    """The megabytes that a process has in memory; 0 after it has ended."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        status = Path(f"/proc/{pid}/status").read_text()
        if line in status:  # missing while a process ends
            return int(status.split(f"{line}:")[1].split()[0]) * 1024 / MEGABYTE
    return 0.0


def _peak():
    """The peak megabytes of this process since `_reset_peak`."""
    return _resident(line="VmHWM")


def _reset_peak():
    Path("/proc/self/clear_refs").write_text("5")


def _tree(pid):
    """The ids of a process and of all its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            for child in task.read_text().split():
                yield from _tree(child)
