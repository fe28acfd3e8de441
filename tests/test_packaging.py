"""The wheel contains the files of the checkout, and the installed package works."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
NEEDED = ("setup.cfg", "pyproject.toml", "README.md", "LICENSE", "dls_keras", "weights")

pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "setup.cfg").is_file(), reason="needs a checkout to build from"
)


def pip(*arguments, **options):
    """Run pip of this Python; fail with the output of pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, **options)
    if "No matching distribution found for setuptools" in run.stderr:
        pytest.skip("no package index from which to install the build tools")
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from a copy because a build writes files into its folder."""
    folder = tmp_path_factory.mktemp("wheel")
    no_caches = shutil.ignore_patterns("__pycache__")
    for name in NEEDED:
        if (CHECKOUT / name).is_dir():
            shutil.copytree(CHECKOUT / name, folder / name, ignore=no_caches)
        else:
            shutil.copy(CHECKOUT / name, folder)
    pip("wheel", ".", "--no-deps", "--wheel-dir", "built", cwd=folder)
    (path,) = (folder / "built").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel):
    """The folder into which the wheel is installed, without its requirements."""
    target = wheel.parent.parent / "installed"
    pip("install", "--no-deps", "--target", str(target), str(wheel))
    return target


def run(installed, *command):
    """The output of a command, run from / with the installed package."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("DLS_KERAS_")
    }
    environment |= {"PYTHONPATH": str(installed), "DLS_KERAS_OFFLINE": "1"}
    done = subprocess.run(
        command, cwd="/", env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def below(folder, *patterns):
    """The files below a folder, as paths relative to it."""
    found = (path for pattern in patterns for path in folder.rglob(pattern))
    return {path.relative_to(folder).as_posix() for path in found}


def test_the_wheel_contains_every_module_reference_and_weight_file(wheel):
    """Also those of a new subpackage; no tests."""
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    package = below(CHECKOUT / "dls_keras", "*.py", "*.json", "*.npz")
    weights = below(CHECKOUT / "weights", "*.h5", "*.npz", "*.md")
    assert {f"dls_keras/{name}" for name in package} <= names
    assert {f"dls_keras/weights/{name}" for name in weights} <= names
    assert any(name.endswith(".h5") for name in names)
    assert not [name for name in names if name.startswith(("tests/", "weights/"))]


LOOK = """
import json, sys
import dls_keras
heavy = sorted({"tensorflow", "keras", "numpy"} & set(sys.modules))
from dls_keras.core import files
from dls_keras.reference import cases
names = [path.stem for path in cases.FOLDER.glob("c*.json")]
print(json.dumps({
    "package": dls_keras.__file__,
    "heavy": heavy,
    "weights": sorted(path.name for path in files.shipped_weights().glob("*.h5")),
    "cases": {name: len(cases.read(name).cases) for name in names},
}))
"""


def test_the_installed_package_finds_its_files(installed):
    """Its weights and reference values, with no environment variable set."""
    found = json.loads(run(installed, sys.executable, "-c", LOOK))
    assert Path(found["package"]).is_relative_to(installed)
    assert set(found["weights"]) == below(CHECKOUT / "weights", "*.h5")
    references = below(CHECKOUT / "dls_keras/reference", "c*.json")
    assert {f"{name}.json" for name in found["cases"]} == references
    assert all(found["cases"].values())
    assert found["heavy"] == []  # `import dls_keras` imports none of them


ANSWER = """
from dls_keras.course1 import logistic_regression
from dls_keras.datasets import cats
x, y = cats.make_cats(40, seed=11)
neuron = logistic_regression.load_pretrained()
answers = [logistic_regression.infer(neuron, picture) for picture in x]
print(sum(answer == cats.CLASSES[c] for answer, c in zip(answers, y)))
"""


def test_the_installed_package_classifies_images(installed):
    """With shipped weights, offline: at least 85 % of 40 synthetic images."""
    assert int(run(installed, sys.executable, "-c", ANSWER)) >= 34  # of 40


def test_the_installed_command_runs(installed):
    """`dls-keras list` prints the assignments."""
    assert "logistic_regression" in run(installed, installed / "bin/dls-keras", "list")
