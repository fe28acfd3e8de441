"""The reference suite on the versions of Python, TensorFlow and Keras that people have.

nox -f .ci/noxfile.py              lowest and newest, in continuous integration
nox -f .ci/noxfile.py -s matrix    all pairs, on demand
"""

import configparser
import re
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).parent.parent
TESTS = ("tests/test_reference.py", "tests/test_tour.py")
# TensorFlow with a Keras of its time; TensorFlow 2.21 is the first for Python 3.13.
PAIRS = (
    ("3.11", "2.18.0", "3.8.0"),
    ("3.12", "2.18.1", "3.8.0"),
    ("3.12", "2.19.1", "3.10.0"),
    ("3.12", "2.20.0", "3.12.0"),
    ("3.13", "2.21.0", "3.15.1"),
)

nox.options.sessions = ["lowest", "newest"]
nox.options.error_on_missing_interpreters = False


def lowest_versions() -> list[str]:
    """The lowest versions that setup.cfg allows, as constraints for pip."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", "utf-8")
    lines = setup["options"]["install_requires"].split()
    found = [re.match(r"([\w-]+)>=([\w.]+)", line).groups() for line in lines]
    # Old versions of requests and Matplotlib warn of what is newer than themselves.
    return [f"{name}=={lowest}" for name, lowest in found] + [
        "chardet<6",
        "pyparsing<3.3",
    ]


def run(session, constraints):
    """Install the package with these versions, and run the reference suite."""
    session.chdir(ROOT)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(constraints))
        file.flush()
        session.install(".[test]", "-c", file.name)
    session.run("pytest", *TESTS)


@nox.session(python="3.11")
def lowest(session):
    """The lowest versions of all dependencies."""
    run(session, lowest_versions())


@nox.session(python="3.13")
def newest(session):
    """The newest versions of all dependencies."""
    run(session, [])


@nox.session
@nox.parametrize(("python", "tensorflow", "keras"), PAIRS)
def matrix(session, tensorflow, keras):
    """TensorFlow and Keras of one time."""
    run(session, [f"tensorflow=={tensorflow}", f"keras=={keras}"])
