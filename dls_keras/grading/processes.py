"""Processes that run a learner's code: limits, and an end that leaves nothing behind.

    the command, which compares results
    └── the supervisor, `supervise`: starts the next one, and kills what it leaves
        └── the worker, which runs the learner's code
            └── whatever that code starts

The supervisor ends all processes below it when the worker ends, or when the command
ends, however that happens. It adopts processes whose parent has ended, so a daemon does
not escape. If the learner's code kills the supervisor, the kernel kills the worker, and
the command kills the rest, which it knows by an environment variable.

This is what Linux offers. On macOS processes in a session of their own escape, nothing
limits memory, and a worker outlives a supervisor that is killed. On Windows there is no
supervisor: the command ends only the worker itself. No system stops code that kills all
processes of the user, and none removes files that it writes outside its folder.
"""

import contextlib
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

MEGABYTE = 2**20
LARGEST_FILE = 500  # megabytes of a file that the learner's code may write
MOST_PROCESSES = 100  # that the learner's code may have at a time
IMPORTS = 700  # megabytes at most that the imports of a file may need; TensorFlow 250
IN_MEMORY = ("/memfd:", "/dev/shm/")  # nosec B108: nothing is written there
MARK = "DLS_KERAS_CHECK"  # environment variable: the token of a worker

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # of Linux's prctl


def _prctl(option, value):
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


# The supervisor.


def supervise(work: Callable[[], None], folder: Path) -> None:
    """Run `work` in a child process; end with it, or when standard input is closed.

    Nothing remains: its processes are killed and its folder is removed. The exit code
    is that of the child. Without `os.fork`, run `work` in this process.
    """
    if not hasattr(os, "fork"):
        work()
        return
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    supervisor, command = os.getpid(), os.getppid()
    child = os.fork()
    if child == 0:
        _become_worker(supervisor, work)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)  # so that the messages end with the worker
    code = _wait(child, command)
    _kill_all(child)
    shutil.rmtree(folder, ignore_errors=True)
    if code < 0:  # end by the same signal
        with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler
            signal.signal(-code, signal.SIG_DFL)
        os.kill(supervisor, -code)
    os._exit(code)


def _become_worker(supervisor, work):
    """Run `work` in a session of its own, and never return."""
    status = 1
    try:
        os.setsid()
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        if os.getppid() == supervisor:
            limit_files()
            work()
            status = 0
    finally:
        os._exit(status)


def _wait(child, command):
    """The exit code of the child, or 0 if standard input or the command ends before."""
    poll = select.poll()
    poll.register(0, 0)  # only its end, since the child reads the messages
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if poll.poll(50) or os.getppid() != command:
            return 0


def _kill_all(child, seconds=5):
    """Kill the session of the child, and all children, among them adopted ones."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        kill(descendants(os.getpid()))
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(0.005)


def kill(pids: Iterable[int]) -> None:
    """Kill these processes, as far as they exist."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def kill_marked(token: str, seconds: float = 2) -> None:
    """Kill the processes that have inherited the environment of a worker."""
    mark = f"{MARK}={token}".encode()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = [pid for pid in _pids() if mark in _read(f"/proc/{pid}/environ")]
        if not found:
            return
        kill(found)
        time.sleep(0.01)


# What the processes use.


def descendants(pid: int) -> list[int]:
    """The processes that `pid` has started, and those that they have started."""
    children: dict[int, list[int]] = {}
    for other in _pids():
        fields = _read(f"/proc/{other}/stat").rpartition(b")")[2].split()
        if fields:
            children.setdefault(int(fields[1]), []).append(other)
    found = [pid]
    for one in found:  # it grows
        found += children.get(one, [])
    return found[1:]


def excess(pid: int, megabytes: float) -> str:
    """Why the descendants of a process must be stopped, "" if they need not.

    Args:
        megabytes: the memory that they may use together, files in memory included.
    """
    pids = descendants(pid)
    if len(pids) > MOST_PROCESSES:
        return f"starts more than {MOST_PROCESSES} processes."
    # Forked processes share pages, which `_memory` counts more than once.
    for measure in (_memory, _memory_without_shares):
        own, shared = map(sum, zip((0, 0), *map(measure, pids), strict=True))
        shared = max(shared, _files_in_memory(pids))
        if own + shared <= megabytes * MEGABYTE:
            return ""
    return "needs more memory than is allowed (--memory)."


def memory_of_this_process() -> tuple[float, float]:
    """Its data and its resident memory without files, in megabytes; 0 if unknown."""
    sizes = _sizes("/proc/self/status")
    resident = sizes.get(b"RssAnon", 0) + sizes.get(b"RssShmem", 0)
    return sizes.get(b"VmData", 0) / MEGABYTE, resident / MEGABYTE


def _memory(pid):
    """(private, shared) resident bytes, without those that are a copy of a file."""
    sizes = _sizes(f"/proc/{pid}/status")
    return sizes.get(b"RssAnon", 0), sizes.get(b"RssShmem", 0)


def _memory_without_shares(pid):
    """As `_memory`; a page that n processes share counts 1/n for each of them."""
    sizes = _sizes(f"/proc/{pid}/smaps_rollup")
    if b"Pss_Anon" not in sizes:
        return _memory(pid)
    return sizes[b"Pss_Anon"], sizes.get(b"Pss_Shmem", 0)


def _files_in_memory(pids):
    """The bytes of the open files that are in memory, not on a disk."""
    found = {}
    for pid in pids:
        with contextlib.suppress(OSError):
            for number in os.listdir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    path = f"/proc/{pid}/fd/{number}"
                    if os.readlink(path).startswith(IN_MEMORY):
                        status = os.stat(path)
                        identity = status.st_dev, status.st_ino
                        found[identity] = status.st_blocks * 512
    return sum(found.values())


def _sizes(path):
    """The sizes in bytes that a file of /proc lists in kB, by name."""
    fields = (line.split() for line in _read(path).splitlines())
    return {f[0][:-1]: int(f[1]) * 1024 for f in fields if f[2:] == [b"kB"]}


def _pids():
    """The ids of all processes; none without /proc."""
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []


def _read(path):
    """The content of a file of /proc; nothing if the process has ended."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


# Limits of this process.


def limit_files() -> None:
    """Limit the size of each file that is written, and write no memory dumps."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit(resource.RLIMIT_FSIZE, LARGEST_FILE)


def _limit(kind, megabytes):
    """Set a limit, as far as the system allows as much."""
    import resource

    size, hard = int(megabytes * MEGABYTE), resource.getrlimit(kind)[1]
    size = size if hard == resource.RLIM_INFINITY else min(size, hard)
    resource.setrlimit(kind, (size, hard))


class MemoryLimit:
    """The limit of this process: what the imports need, and `megabytes` for the rest.

    The kernel refuses to give more than this, which Python reports as a MemoryError. It
    does not count shared memory, and code can remove the limit; `excess` holds then.
    """

    def __init__(self, megabytes: float):
        self.megabytes = megabytes
        self._data, self._resident = self._before = memory_of_this_process()
        self._importing = False

    def begin(self, importing: bool) -> float:
        """Set the limit of the next statement.

        Returns:
            The resident memory that the imports so far need, in megabytes.
        """
        data, resident = memory_of_this_process()
        if self._importing:
            self._data += min(max(0.0, data - self._before[0]), 4 * IMPORTS)
            self._resident += min(max(0.0, resident - self._before[1]), IMPORTS)
        self._before, self._importing = (data, resident), importing
        if data:
            import resource

            more = 4 * IMPORTS if importing else 0
            _limit(resource.RLIMIT_DATA, self._data + self.megabytes + more)
        return self._resident
