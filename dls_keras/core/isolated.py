"""Run a reader of files in a process of its own, with limits on time and memory.

A damaged file can crash a library written in C, or keep it in an endless loop. No
exception handler notices either of them. So such a file is first read by another
process:

    isolated.run("dls_keras.core.hdf5", "model.h5", size=1_000_000)

runs that module, which calls `limit` before it opens the file.
"""

import contextlib
import math
import os
import subprocess
import sys
import time

from dls_keras.core import files

MEMORY = 2**30  # bytes, in addition to four times the size of the file
SECONDS = 2  # of computing, in addition to one for each `BYTES_PER_SECOND`
BYTES_PER_SECOND = 20_000_000
START = 20  # seconds in which Python starts, also on a busy machine


def limit(size: int, *, output: int = 0) -> None:
    """Limit what this process may use, where the system supports it.

    Args:
        size: of the file that is read, in bytes.
        output: the largest file that may be written, in bytes.
    """
    try:
        import resource
    except ImportError:  # on Windows
        return
    seconds = math.ceil(time.process_time()) + SECONDS + size // BYTES_PER_SECOND
    for name, most in (
        ("RLIMIT_AS", MEMORY + 4 * size),
        ("RLIMIT_CPU", seconds),
        ("RLIMIT_FSIZE", output),
        ("RLIMIT_CORE", 0),
    ):
        # A system may lack a limit, refuse it, or have a lower one.
        with contextlib.suppress(AttributeError, ValueError, OSError):
            kind = getattr(resource, name)
            resource.setrlimit(kind, (most, resource.getrlimit(kind)[1]))


def run(module: str, *arguments: str | os.PathLike, size: int) -> None:
    """Run `python -m module arguments...`, which reads a file of so many bytes.

    Raises:
        ValueError: if it fails, crashes or is too slow; with the last line that it
            wrote to stderr, if there is one.
    """
    search = [str(files.PACKAGE.parent), os.environ.get("PYTHONPATH")]
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, search)),
        "OPENBLAS_NUM_THREADS": "1",  # each thread reserves memory
    }
    seconds = START + 4 * size / BYTES_PER_SECOND
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-m", module, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=environment,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it was not read in {seconds:.0f} seconds") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").split("\n")
        said = [line for line in lines if line.strip()]
        crashed = f"its reader crashed or took too long, status {done.returncode}"
        raise ValueError(said[-1] if said else crashed)
