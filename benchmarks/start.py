"""How long a command takes, beside what importing TensorFlow alone takes."""

import subprocess
import sys

from benchmarks.timing import Contest


def command_help(quick):
    """`dls-keras --help`, at most a tenth of a second."""
    return _beside_tensorflow("--help")


def command_list(quick):
    """`dls-keras list`, at most a tenth of a second."""
    return _beside_tensorflow("list")


def command_jazz(quick):
    """A solo from a shell, under a second, without TensorFlow."""
    return _beside_tensorflow("infer", "jazz", "Dm7 G7 | Cmaj7")


WORKLOADS = {
    command_help: {"clock": 0.1},
    command_list: {"clock": 0.1},
    command_jazz: {"clock": 1.0},
}


def _beside_tensorflow(*arguments):
    def run(*words):
        done = subprocess.run([sys.executable, *words], capture_output=True, check=True)
        return done.returncode

    program = "from dls_keras.cli.main import main; main()"
    return Contest(
        lambda: run("-c", program, *arguments),
        {"import tensorflow": lambda: run("-c", "import tensorflow")},
        lambda ours, theirs: float(ours != theirs),
        tolerance=0.0,
    )
