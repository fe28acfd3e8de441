"""Drop what TensorFlow logs when it is imported, if the user wants no log.

`TF_CPP_MIN_LOG_LEVEL=3` does not reach the first lines, which its libraries write when
they are loaded.
"""

import contextlib
import os
import re
import sys
import tempfile
from collections.abc import Iterator

FIRST = re.compile(
    rb"(WARNING: All log messages before absl|[IW]0000 |To enable the following).*\n"
)


@contextlib.contextmanager
def first_dropped() -> Iterator[None]:
    """Let the block, which may import TensorFlow, write none of its `FIRST` lines.

    Nothing happens unless TF_CPP_MIN_LOG_LEVEL is 3, as on the command line.
    """
    quiet = os.environ.get("TF_CPP_MIN_LOG_LEVEL") == "3"
    try:
        stderr = os.dup(2) if quiet and "tensorflow" not in sys.modules else None
    except OSError:  # stderr is closed
        stderr = None
    if stderr is None:
        yield
        return
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            with contextlib.suppress(OSError):  # stderr may be full
                os.write(2, FIRST.sub(b"", said.read()))
