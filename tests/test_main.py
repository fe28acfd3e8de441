"""The package as a command."""

import subprocess
import sys

import dls_keras


def test_python_m_dls_keras_is_the_command():
    """With its exit codes: 0, and 2 for invalid input."""
    command = [sys.executable, "-m", "dls_keras"]
    done = subprocess.run([*command, "--version"], capture_output=True, text=True)
    assert done.stdout == f"dls-keras, version {dls_keras.__version__}\n"
    wrong = subprocess.run([*command, "lst"], capture_output=True, text=True)
    assert wrong.returncode == 2 and "Did you mean 'list'?" in wrong.stderr
