"""How long commands take, compared with importing TensorFlow alone."""

import subprocess
import sys

from benchmarks.timing import LATENCY, Benchmark


def command_help(quick):
    """`dls-keras --help`, at most a tenth of a second."""
    return _against_tensorflow("--help")


def command_list(quick):
    """`dls-keras list`, at most a tenth of a second."""
    return _against_tensorflow("list")


def command_jazz(quick):
    """`dls-keras infer jazz`, which does not import TensorFlow, at most a second."""
    return _against_tensorflow("infer", "jazz", "Dm7 G7 | Cmaj7")


WORKLOADS = {
    command_help: {LATENCY: 0.1},
    command_list: {LATENCY: 0.1},
    command_jazz: {LATENCY: 1.0},
}


def _against_tensorflow(*arguments):
    def run(*words):
        done = subprocess.run([sys.executable, *words], capture_output=True, check=True)
        return done.returncode

    program = "from dls_keras.cli.main import main; main()"
    return Benchmark(
        lambda: run("-c", program, *arguments),
        {"import tensorflow": lambda: run("-c", "import tensorflow")},
        lambda a, b: float(a != b),
        tolerance=0.0,
    )
