"""The limits of `dls-keras check` hold, and nothing remains after it.

Each file does one kind of harm; the check reports it for the function, or notes it for
the statement, and checks the other functions.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from dls_keras.grading import processes, runner
from dls_keras.grading import report as reports

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="macOS and Windows have fewer limits"
)

HONEST = """
import numpy as np

def L2(yhat, y):
    return np.dot(y - yhat, y - yhat)
"""
MEMORY = "needs more memory than is allowed"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of temporary files, which each check leaves empty."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def checked(tmp_path, text, right=("L2",), **limits):
    """The report on a file, with the honest L2 at its end: (sentences, report)."""
    path = tmp_path / "mine.py"
    path.write_text(text + HONEST, encoding="utf-8")
    report = runner.check("numpy_basics", path, **limits)
    assert report.error == ""
    assert {v.function for v in report.verdicts if v.status == "ok"} == set(right)
    return {v.function: reports.sentence(v) for v in report.verdicts}, report


def running(path):
    """The processes whose ids a learner's file wrote to `path` and that still run."""
    found = []
    for pid in path.read_text().split():
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            if "State:\tZ" not in status:
                found.append(int(pid))
    return found


def gone(path, seconds=20):
    """Whether all these processes end within some seconds."""
    until = time.monotonic() + seconds
    while running(path) and time.monotonic() < until:
        time.sleep(0.05)
    return not running(path)


# Memory


def test_memory_is_limited_while_the_file_is_executed(tmp_path):
    """At the top level, too; the other statements are still executed."""
    text = "import numpy as np\nBIG = np.ones(437_500_000)\ndef sigmoid(x):\n"
    sentences, report = checked(tmp_path, f"{text}    return BIG[0]\n", memory=500)
    assert "line 2 failed" in report.notes[0] and "emory" in report.notes[0]
    assert "BIG" in sentences["sigmoid"]


# Each kind of memory, a piece at a time, until something stops it.
SHARED = """
import mmap
HELD = []
def sigmoid(x):
    for _ in range(60):
        HELD.append(mmap.mmap(-1, 50 * 2**20))
        HELD[-1].write(bytes(50 * 2**20))
    return 0.1
"""
FILES = """
import os
HELD = []
def sigmoid(x):
    for _ in range(60):
        HELD.append(os.memfd_create("a"))
        os.write(HELD[-1], bytes(50 * 2**20))
    return 0.1
"""
CHILDREN = """
import os, time
def sigmoid(x):
    for _ in range(20):
        if os.fork() == 0:
            held = bytearray(60 * 2**20)
            held[::4096] = bytes(len(held[::4096]))
            time.sleep(10**6)
    time.sleep(10**6)
"""
NO_LIMIT = """
import resource
HELD = []
def sigmoid(x):
    hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
    resource.setrlimit(resource.RLIMIT_DATA, (hard, hard))
    for _ in range(60):
        HELD.append(b"x" * (50 * 2**20))
    return 0.1
"""


@pytest.mark.parametrize("text", [SHARED, FILES, CHILDREN, NO_LIMIT])
def test_memory_that_the_kernel_does_not_limit_is_limited(tmp_path, text):
    """Shared memory, files in memory, many processes, and a limit that was removed."""
    sentences, _ = checked(tmp_path, text, memory=200)
    assert MEMORY in sentences["sigmoid"]


def test_shared_pages_are_counted_once(tmp_path):
    """Children of a function that has much memory do not exceed the limit."""
    text = """
import os, time
import numpy as np
def L1(yhat, y):
    held = np.ones(20 * 2**20)  # 160 MB
    children = [os.fork() for _ in range(1)]
    if 0 in children:
        time.sleep(1)
        os._exit(0)
    for child in children:
        os.waitpid(child, 0)
    return held[0] * np.sum(np.abs(y - yhat))
"""
    checked(tmp_path, text, ("L1", "L2"), memory=200)


def test_the_size_of_a_file_is_limited(tmp_path):
    """Writing more raises an exception in the learner's code."""
    text = """
def sigmoid(x):
    with open("large", "wb") as file:
        file.truncate(10**10)
"""
    sentences, _ = checked(tmp_path, text)
    assert "File too large" in sentences["sigmoid"]


# Output


def test_a_line_without_end_does_not_fill_the_memory_of_the_parent(tmp_path):
    """The pipe is read only as far as the longest message."""
    text = """
import os
def sigmoid(x):
    for number in range(3, 30):
        try:
            if "pipe" in os.readlink(f"/proc/self/fd/{number}"):
                for _ in range(500):
                    os.write(number, b"x" * 2**20)
        except OSError:
            pass
    return 0.1
"""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sentences, _ = checked(tmp_path, text)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "writes to the pipe of the check" in sentences["sigmoid"]
    assert after - before < 300 * 1024  # kB


QUIET = """
import os, sys, threading, time
import numpy as np

def forever():
    while True:
        time.sleep(0.01)

START = threading.Thread(target=forever).start()
START = threading.Thread(target=forever, daemon=True).start()

def sigmoid(x):
    while START is None:
        print("flood", flush=True)

def softmax(x):
    os.closerange(0, 100)
    return 0.1

def L1(yhat, y):
    os.killpg(0, 9)
    return START
"""


def test_threads_prints_and_closed_pipes_do_not_stop_the_check(tmp_path):
    """Endless printing takes too long; a closed pipe or a killed group is a crash."""
    sentences, _ = checked(tmp_path, QUIET, timeout=0.5)
    slow = ("takes longer than 0.5 seconds", "does not end")  # on a busy machine
    assert any(words in sentences["sigmoid"] for words in slow)
    assert "It ends the Python process" in sentences["softmax"]
    assert "It crashes the Python process (SIGKILL" in sentences["L1"]


# Processes

DAEMONS = """
import os, subprocess, sys, time
import numpy as np

def note(pid):
    with open({path!r}, "a") as file:
        print(pid, file=file)

def sigmoid(x):  # a daemon that keeps the pipe
    child = os.fork()
    if child == 0:
        os.setsid()
        daemon = os.fork()
        if daemon == 0:
            time.sleep(10**6)
        note(daemon)
        os._exit(0)
    os.waitpid(child, 0)
    return 1 / (1 + np.exp(-x))

def sigmoid_derivative(x):  # without our environment, in a session of its own
    program = [sys.executable, "-S", "-c", "import time; time.sleep(10**6)"]
    child = subprocess.Popen(program, env={{}}, start_new_session=True)
    note(child.pid)
    s = 1 / (1 + np.exp(-x))
    return s * (1 - s)

def L1(yhat, y):
    for _ in range(20):
        child = os.fork()
        if child == 0:
            time.sleep(10**6)
        note(child)
    return np.sum(np.abs(y - yhat))
"""


def test_daemons_and_children_are_killed(tmp_path):
    """The check does not wait for them, although they keep its pipe open."""
    path = tmp_path / "pids"
    started = time.monotonic()
    right = ("sigmoid", "sigmoid_derivative", "L1", "L2")
    checked(tmp_path, DAEMONS.format(path=str(path)), right)
    assert time.monotonic() - started < 60
    assert len(path.read_text().split()) >= 22
    assert gone(path, 0)


def test_too_many_processes_are_killed(tmp_path, monkeypatch):
    """A function that starts ever more of them."""
    monkeypatch.setattr(processes, "MOST_PROCESSES", 30)
    path = tmp_path / "pids"
    text = """
import os, time
def sigmoid(x):
    while True:
        child = os.fork()
        if child == 0:
            time.sleep(10**6)
        with open(PATH, "a") as file:
            print(child, file=file)
        time.sleep(0.005)
"""
    sentences, _ = checked(tmp_path, text.replace("PATH", repr(str(path))))
    assert "starts more than 30 processes" in sentences["sigmoid"]
    assert gone(path, 0)


PARENTS = """
import os, signal, time

def daemon():
    if os.fork() == 0:
        os.setsid()
        with open({path!r}, "a") as file:
            print(os.getpid(), file=file)
        time.sleep(10**6)
    time.sleep(0.3)

def sigmoid(x):
    daemon()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(10**6)

def softmax(x):
    os.kill(os.getppid(), signal.SIGTERM)
    return 0.1

def L1(yhat, y):
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(10**6)
"""


def test_a_file_that_kills_its_parent_ends_only_its_own_worker(tmp_path, monkeypatch):
    """The parent is a supervisor; whatever it leaves is killed."""
    monkeypatch.setattr(runner, "GRACE", 2)
    monkeypatch.setattr("dls_keras.grading.connection.PATIENCE", 1)
    path = tmp_path / "pids"
    sentences, _ = checked(tmp_path, PARENTS.format(path=str(path)), timeout=0.2)
    assert "It crashes the Python process (SIGKILL" in sentences["sigmoid"]
    assert "does not end" in sentences["L1"]
    assert gone(path, 0)


# The end of the command

SLEEPING = """
import os, time
def sigmoid(x):
    if os.fork() == 0:
        os.setsid()
    with open({path!r}, "a") as file:
        print(os.getpid(), file=file)
    time.sleep(10**6)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("several", [False, True], ids=["file", "class"])
def test_no_process_and_no_file_remains_after_a_signal(
    tmp_path, folder, number, several
):
    """For a file and for those of a class."""
    path, files = tmp_path / "pids", tmp_path / "class"
    files.mkdir()
    for name in ("a.py", "b.py"):
        (files / name).write_text(SLEEPING.format(path=str(path)))
    given = [files, "--workers", "2"] if several else [files / "a.py"]
    command = subprocess.Popen(
        [sys.executable, "-m", "dls_keras", "check", "numpy_basics", *map(str, given)],
        env={**os.environ, "TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    expected, until = 4 if several else 2, time.monotonic() + 60
    path.touch()
    while len(running(path)) < expected and time.monotonic() < until:
        time.sleep(0.05)
    assert len(running(path)) == expected
    command.send_signal(number)
    code = command.wait(20)
    assert code == (143 if number == signal.SIGTERM else -number)
    assert gone(path)
    until = time.monotonic() + 10
    while list(folder.iterdir()) and time.monotonic() < until:
        time.sleep(0.05)
    assert list(folder.iterdir()) == []
