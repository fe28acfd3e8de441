"""Every reference case, run and comparator of every assignment.

The id of a test is assignment-file-function-case.
"""

import importlib.util
import subprocess
import sys

import pytest

from dls_keras import catalog
from dls_keras.core import files
from dls_keras.reference import cases, values

FILES = sorted(path.stem for path in cases.FOLDER.glob("c*.json"))
# Trainings of a minute each with the lesson's code, run with -m large. The other tests
# compare the costs of `train`, its dual form, and the lesson's functions.
LONG = {"cat_two_layers", "cat_four_layers"}


def reference_data():
    """The folder with NAME.npz of each data set, next to `$DLS_KERAS_DATA`."""
    folder = files.data_folder()
    folder = folder and folder.parent / "reference" / "data"
    return folder if folder and folder.is_dir() else None


def parameters(kind):
    """The cases, runs or models of the assignments that exist, as parameters."""
    for assignment in catalog.ASSIGNMENTS:
        if importlib.util.find_spec(assignment.module) is None:
            continue
        for name in assignment.reference:
            for case in getattr(cases.read(name), kind):
                reason = cases.unmet(case, reference_data())
                marks = [pytest.mark.skip(reason=reason)] if reason else []
                marks += [pytest.mark.large] if case.id in LONG else []
                yield pytest.param(
                    assignment.name,
                    case,
                    id=f"{assignment.name}-{name}-{case.function}-{case.id}",
                    marks=marks,
                )


def check(assignment, case):
    module = catalog.load(assignment)
    outcome = cases.run_case(case, module, data_folder=reference_data())
    if not outcome.ok:
        pytest.fail(outcome.message, pytrace=False)


@pytest.mark.parametrize(("assignment", "case"), list(parameters("cases")))
def test_a_function_gives_the_values_of_the_course(assignment, case):
    """The result of a course function agrees with the reference case."""
    check(assignment, case)


@pytest.mark.parametrize(("assignment", "case"), list(parameters("runs")))
def test_a_run_gives_the_values_of_the_course(assignment, case):
    """A complete training ends with the values of the course."""
    check(assignment, case)


@pytest.mark.parametrize(("assignment", "case"), list(parameters("models")))
def test_a_model_has_the_layers_of_the_course(assignment, case):
    """A model agrees with the course's comparator, layer by layer."""
    check(assignment, case)


def test_every_reference_file_of_the_catalogue_is_shipped():
    """Each name in the catalogue has a file."""
    named = {name for row in catalog.ASSIGNMENTS for name in row.reference}
    assert named <= set(FILES)


@pytest.mark.parametrize("name", FILES)
def test_every_value_of_a_shipped_file_can_be_decoded(name):
    """No decoded value contains a key of the format."""
    marks = {"dtype", "npz", "dataset", "recipe", "arange", "tuple", "items", "set"}
    marks |= {"tensor", "variable", "tf_dataset", "function", "callable", "result"}
    marks |= {"glorot_normal", "agrees_with", "post"}
    reference = cases.read(name)
    sources = values.Sources(cases.FOLDER, function=str, result=lambda *place: place)
    for case in (*reference.cases, *reference.runs, *reference.models):
        if not cases.unmet(case):
            written = [*case.expected.values(), *case.expected_inputs.values()]
            for call in case.calls:
                written += [*call.inputs.values(), *(call.construct or {}).values()]
            for value in written:
                assert not marks & set(keys(values.decode(value, sources)))


def keys(value):
    """All keys of the dicts within a value, at any depth."""
    if isinstance(value, dict):
        yield from value
        value = list(value.values())
    if isinstance(value, list | tuple):
        for element in value:
            yield from keys(element)


def test_collecting_the_reference_tests_imports_no_tensorflow():
    """So that `pytest --collect-only` is fast; a case imports them when it runs."""
    program = (
        "import sys, pytest\n"
        f"code = pytest.main(['--collect-only', {__file__!r}])\n"
        "sys.exit(code or 'tensorflow' in sys.modules or 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True)
    assert done.returncode == 0, done.stdout.decode()[-500:]
