"""A full disk for tests: a limit on the size of files, beyond which writes fail."""

import contextlib
import resource
import signal


@contextlib.contextmanager
def full_disk(limit):
    """No file can have more than `limit` bytes in this block."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
