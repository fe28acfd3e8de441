"""The runner's end of a worker: start it, receive its messages, stop it at a limit.

A message is a line of JSON, an object with a `kind`. Nothing that arrives is trusted:
its length is limited, and a message of a kind that the runner does not wait for ends
the worker, since only the learner's code can have sent it.
"""

import contextlib
import json
import os
import queue
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from dls_keras.core import files
from dls_keras.grading import processes

LONGEST = 32 * 2**20  # bytes of a message; `messages` limits the values in it
TICK = 0.1  # seconds between two looks at the memory
PATIENCE = 5.0  # seconds for the end of the processes of a worker
SPARE = 100  # megabytes that a worker may use beyond its limit before it is stopped

FOREIGN = "writes to the pipe of the check, which only the checker may use."


class WorkerEnded(Exception):
    """The worker ended, or was stopped; the message says how: "crashes ..."."""


class Worker:
    """A worker process; a context manager that leaves no process and no file behind.

    Args:
        task: what the worker is to do, values of JSON.
        threads: how many threads its libraries may use, None for their own choice.
        stopped: once it is set, `receive` ends the worker.

    Attributes:
        megabytes: the memory that its processes may use.
    """

    def __init__(
        self, task: dict[str, Any], threads: int | None, stopped: threading.Event
    ):
        self.megabytes = float("inf")
        self._stopped, self._closed = stopped, False
        self._token = secrets.token_hex(16)
        name = f"dls_keras_check_{self._token}"
        self._folder = Path(tempfile.gettempdir(), name)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "dls_keras.grading.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(threads) | {processes.MARK: self._token},
            start_new_session=True,  # Ctrl-C is for the command, which stops workers
        )
        # Few lines wait in it, so that a flood of them does not fill the memory.
        self._lines: queue.Queue[bytes] = queue.Queue(maxsize=2)
        threading.Thread(target=self._listen, daemon=True).start()
        self._task = task | {"folder": str(self._folder)}
        self._watched = time.monotonic()

    def __enter__(self) -> "Worker":
        try:
            self.send(self._task)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()

    def send(self, message: dict[str, Any]) -> None:
        """Send a message to the worker.

        Raises:
            WorkerEnded: if it does not read it any more.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            raise WorkerEnded(self._ending()) from None

    def receive(self, seconds: float, *kinds: str) -> dict[str, Any]:
        """The next message.

        Args:
            seconds: the limit of wall-clock time.
            kinds: what kind of message it may be.

        Raises:
            WorkerEnded: if another message, none in time, or the end comes instead, or
                the processes of the worker use too much memory.
        """
        until, ended = time.monotonic() + seconds, False
        while True:
            try:
                line = self._lines.get(timeout=TICK)
            except queue.Empty:
                line = None
            if time.monotonic() - self._watched >= TICK:
                self._watched = time.monotonic()
                if why := processes.excess(self._process.pid, self.megabytes):
                    raise WorkerEnded(why)
            if line is not None:
                return self._message(line, kinds)
            if self._stopped.is_set():
                raise WorkerEnded("is stopped with the command.")
            if time.monotonic() > until:
                if ended:
                    raise WorkerEnded(self._ending())
                raise WorkerEnded(f"does not end: stopped after {seconds:g} seconds.")
            if not ended and self._process.poll() is not None:
                # Its last messages may still arrive; a daemon may hold the pipe open.
                until, ended = time.monotonic() + 2, True

    def _message(self, line, kinds):
        """The message in a line, which the worker's code has written."""
        if not line:
            raise WorkerEnded(self._ending())
        if len(line) > LONGEST:
            raise WorkerEnded(FOREIGN)
        try:
            message = json.loads(line)
            if message["kind"] in kinds:
                return message
        except (ValueError, TypeError, KeyError, RecursionError):
            pass
        raise WorkerEnded(FOREIGN)

    def _listen(self):
        """Put the lines of the worker into the queue; an empty one is the end."""
        stream = self._process.stdout
        assert stream is not None
        with stream, contextlib.suppress(OSError):
            while not self._closed:
                line = stream.readline(LONGEST + 1)
                self._lines.put(line)
                if not line or len(line) > LONGEST:
                    break

    def _ending(self):
        """How the worker ended by itself, in words, from its exit code."""
        try:
            code = self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return "closes the pipe of the check."
        if code >= 0:
            return f"ends the Python process (exit code {code})."
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        reasons = {"SIGKILL": "out of memory?", "SIGSEGV": "an error in compiled code"}
        reason = reasons.get(name)
        return f"crashes the Python process ({name}{', ' + reason if reason else ''})."

    def _close(self):
        """Stop the worker and all processes that it has started; remove its folder."""
        self._closed = True
        process = self._process
        with contextlib.suppress(OSError):
            process.stdin.close()  # the supervisor then ends everything
        try:
            code = process.wait(PATIENCE if hasattr(os, "fork") else 0)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait() or -1
        if code < 0:  # the supervisor may have been killed
            processes.kill_marked(self._token)
        shutil.rmtree(self._folder, ignore_errors=True)
        with contextlib.suppress(queue.Empty):
            while True:  # the listener may wait for a place
                self._lines.get_nowait()


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
