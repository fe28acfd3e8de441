"""`dls-keras check`: correct, unfinished and hostile files, classes, formats."""

import csv
import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from learner_files import FOLDER, checked, notebook, solution, with_mistake, wrong

from dls_keras import catalog
from dls_keras.cli.main import main
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.grading import (
    comparison,
    course_editions,
    course_helpers,
    parse,
    runner,
)
from dls_keras.grading import report as reports

NUMPY = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if path.stem not in ("car_detection", "style_transfer")
)
# Functions that these solutions do not implement.
OPEN = {"recurrent_steps": {"lstm_cell_backward", "lstm_backward"}}


def run(*args):
    """The result of `dls-keras check ARGS`; it must not raise an exception."""
    result = CliRunner().invoke(main, ["check", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


# Correct solutions


@pytest.mark.parametrize("style", ["py", "2017", "2021"])
@pytest.mark.parametrize("name", NUMPY)
def test_a_correct_solution_is_right_in_every_style(tmp_path, name, style):
    """As a module, and as notebooks with magics, helpers and cells that fail."""
    path = write(tmp_path / "mine.py", solution(name))
    if style != "py":
        path = notebook(solution(name), tmp_path / "mine.ipynb", style)
    found, _ = checked(name, path)
    assert wrong(found) == OPEN.get(name, set())
    assert len(found) > len(wrong(found))


@pytest.mark.parametrize("name", ["style_transfer", "car_detection"])
def test_a_correct_solution_with_tensors_is_right(tmp_path, name):
    """Although the data and the networks that its cells load are missing."""
    found, _ = checked(name, notebook(solution(name), tmp_path / "mine.ipynb", "2021"))
    assert wrong(found) == set()


def test_statements_that_no_function_needs_are_not_run(tmp_path):
    """Statements that would fail or not end are skipped without a note."""
    text = solution("numpy_basics") + (
        "\nwhile True:\n    pass\nd = model(train)\nprint(1 / 0)\nx = input()\n"
    )
    found, space = checked("numpy_basics", write(tmp_path / "mine.py", text))
    assert wrong(found) == set()
    assert space.notes == []


def test_globals_that_functions_use_are_defined(tmp_path):
    """With the names that they need in turn, and with later changes to them."""
    text = with_mistake(
        "numpy_basics", ("return s * (1 - s)", "return TABLE[ONE] * s * (BASE - s)")
    )
    text += "\nBASE = 1\nONE = 'o' + 'ne'\nTABLE = {}\nTABLE['one'] = BASE\n"
    found, _ = checked("numpy_basics", write(tmp_path / "mine.py", text))
    assert wrong(found) == set()


# Cells that fail


def test_a_syntax_error_hides_no_other_function(tmp_path):
    """Only the function with the error is wrong, and the message names its line."""
    text = with_mistake(
        "numpy_basics", ("s = sigmoid(x)\n    return", "s = sigmoid(x\n    r")
    )
    found, space = checked("numpy_basics", write(tmp_path / "mine.py", text))
    assert wrong(found) == {"sigmoid_derivative"}
    assert "line 19" in space.undefined["sigmoid_derivative"]
    assert "'(' was never closed" in space.undefined["sigmoid_derivative"]


def test_magics_within_a_cell_are_skipped(tmp_path):
    """`%time`, `!ls`, `x = !ls`, `help?`, and whole cells of another language."""
    text = "# %%\n%%time\n%time x\nfiles = !ls\nnp?\n" + solution("numpy_basics")
    text += "\n# %%\n%%bash\ndef L1(: a syntax error\n# %%\n%%capture\nz = 1\n"
    found, space = checked("numpy_basics", notebook(text, tmp_path / "mine.ipynb"))
    assert wrong(found) == set()
    assert any("bash, not Python" in note for note in space.notes)


def test_a_missing_import_is_reported_once_and_raises_when_used(tmp_path):
    """The rest of the cell runs; only a function that uses the name is wrong."""
    text = "import torch_of_nowhere as t\nfrom torch_of_nowhere import nn\n"
    text += with_mistake("numpy_basics", ("np.abs(y - yhat)", "t.abs(y - yhat)"))
    found, space = checked("numpy_basics", write(tmp_path / "mine.py", text))
    assert wrong(found) == {"L1"}
    assert found["L1"][0]["status"] == "cannot run here"
    assert "torch_of_nowhere.abs could not be imported" in found["L1"][1]
    assert len([note for note in space.notes if "torch_of_nowhere" in note]) == 1


def test_a_statement_that_fails_is_reported(tmp_path):
    """In the notes, and in the hint of the function that needs its global."""
    text = with_mistake(
        "numpy_basics", ("np.abs(y - yhat)", "np.abs(y - yhat) * SCALE")
    )
    path = write(tmp_path / "mine.py", text + "\nSCALE = 1 / 0\n")
    found, space = checked("numpy_basics", path)
    assert "line 45 failed: ZeroDivisionError" in space.notes[0]
    assert "SCALE is not an argument" in found["L1"][1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ipynb", "version https://git-lfs", "is not a valid notebook"),
        ("a.ipynb", '{"cells": 3}', "is not a valid notebook"),
        ("a.txt", "", "Expected a module"),
        ("b/none.py", None, "does not exist"),
    ],
)
def test_an_invalid_file_is_an_input_error(tmp_path, name, content, words):
    """The message says what is wrong with it."""
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(InputError, match=words):
        parse.read(tmp_path / name)


def test_old_notebooks_and_encodings_are_read(tmp_path):
    """Format 3 with worksheets; a module in Latin-1 without a declaration."""
    sheet = {"cells": [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}]}
    write(tmp_path / "a.ipynb", json.dumps({"worksheets": [sheet], "nbformat": 3}))
    assert len(parse.read(tmp_path / "a.ipynb")) == 2
    (tmp_path / "a.py").write_bytes("# caf\xe9\nx = 1\n".encode("latin-1"))
    assert len(parse.read(tmp_path / "a.py")) == 1


# Functions with wrong callees, placeholders, and forms of other editions


def test_the_hint_names_the_wrong_function_that_is_called(tmp_path):
    """The learner is sent to the cause, not to the five functions that depend on it."""
    text = with_mistake("deep_network_steps", ("Z = np.dot(W, A) + b", "Z = None"))
    found, _ = checked("deep_network_steps", write(tmp_path / "mine.py", text))
    assert "Not implemented yet" in found["linear_forward"][1]
    for function in ("linear_activation_forward", "L_model_forward"):
        words = "It needs linear_forward, which is not written."
        assert found[function][1] == words


@pytest.mark.parametrize(
    "body",
    [
        "raise NotImplementedError",
        "pass",
        '"""Sum."""',
        "# YOUR CODE\n    loss = None\n    return loss",
        "return np.sum(None, None)",
        "for i in range(None):\n        pass\n    return i",
        "...",
    ],
)
def test_a_placeholder_is_reported_as_not_implemented(tmp_path, body):
    """The hint gives its line."""
    text = with_mistake("numpy_basics", ("return np.sum(np.abs(y - yhat))", body))
    found, _ = checked("numpy_basics", write(tmp_path / "mine.py", text))
    assert found["L1"][1].startswith("Not implemented yet: line ")


@pytest.mark.parametrize(
    ("name", "changes", "function", "remark"),
    [
        (
            "numpy_basics",
            [("normalize_rows", "normalizeRows")],
            "normalize_rows",
            "is called normalizeRows here",
        ),
        (
            "deep_network_steps",
            [],
            "update_parameters",
            "may change its first argument",
        ),
        (
            "optimization",
            [("return parameters, v, s, vc, sc", "return parameters, v, s")],
            "update_parameters_with_adam",
            "returns three values",
        ),
        ("car_detection", [], "yolo_filter_boxes", "another order than that of 2021"),
    ],
)
def test_the_form_of_2017_is_recognised(tmp_path, name, changes, function, remark):
    """The function is right, and a remark names the difference."""
    found, _ = checked(name, write(tmp_path / "mine.py", with_mistake(name, *changes)))
    verdict, _ = found[function]
    assert verdict["status"] == "ok"
    assert any(remark in text for text in verdict["remarks"])


def test_the_tuple_of_2017_is_recognised(tmp_path):
    """yolo_eval of 2017 unpacks its argument in another order."""
    order = "box_xy, box_wh, box_confidence, box_class_probs = yolo_outputs"
    old = "box_confidence, box_xy, box_wh, box_class_probs = yolo_outputs"
    path = write(tmp_path / "mine.py", with_mistake("car_detection", (order, old)))
    found, _ = checked("car_detection", path)
    verdict, _ = found["yolo_eval"]
    assert (verdict["status"], verdict["edition"]) == ("ok", "2017-2020")


BLOCK_2017 = """
from keras.layers import Activation, Add, BatchNormalization, Conv2D
from keras.initializers import glorot_uniform

def identity_block(X, f, filters, stage, block):
    F1, F2, F3 = filters
    name = "res" + str(stage) + block
    path = X
    for part, (size, kernel) in enumerate([(F1, 1), (F2, f), (F3, 1)]):
        path = Conv2D(size, kernel, padding="same", name=name + str(part))(path)
        path = BatchNormalization(axis=3)(path)
        if part < 2:
            path = Activation("relu")(path)
    return Activation("relu")(Add()([X, path]))
"""


def test_a_block_without_initializer_is_checked_by_shape(tmp_path):
    """The residual block of 2017 takes other arguments; the other functions miss."""
    found, _ = checked("residual_networks", write(tmp_path / "mine.py", BLOCK_2017))
    verdict, _ = found["identity_block"]
    assert verdict["status"] == "ok"
    assert "only shapes can be compared" in verdict["remarks"][0]


SHARED = """
from keras.layers import *
from keras.models import Model

Tx = 30
repeator = RepeatVector(Tx)
densor = Dense(10, activation="tanh")
dotor = Dot(axes=1)

def one_step_attention(a, s_prev):
    joined = Concatenate(axis=-1)([a, repeator(s_prev)])
    energies = Dense(1, activation="relu")(densor(joined))
    return dotor([Softmax(axis=1)(energies), a])

def modelf(Tx, Ty, n_a, n_s, human_vocab_size, machine_vocab_size):
    X = Input(shape=(Tx, human_vocab_size))
    s = s0 = Input(shape=(n_s,), name="s0")
    c = c0 = Input(shape=(n_s,), name="c0")
    a = Bidirectional(LSTM(n_a, return_sequences=True))(X)
    outputs = []
    for t in range(Ty):
        context = one_step_attention(a, s)
        s, _, c = LSTM(n_s, return_state=True)(context, initial_state=[s, c])
        outputs.append(Dense(machine_vocab_size, activation="softmax")(s))
    return Model(inputs=[X, s0, c0], outputs=outputs)
"""


def test_the_hint_names_the_loop_that_creates_layers(tmp_path):
    """The translator has too many parameters."""
    found, _ = checked("date_translation", write(tmp_path / "mine.py", SHARED))
    assert found["one_step_attention"][0]["status"] == "ok"
    assert "creates a layer inside a loop" in found["modelf"][1]


def test_every_helper_and_every_renamed_function_exists():
    """The tables name only functions of this package and of the reference."""
    for assignment in course_helpers.HELPERS:
        if assignment in catalog.BY_NAME:
            for load in course_helpers.helpers(assignment).values():
                assert callable(load())
    for assignment, function in course_editions.OLD_NAMES:
        if assignment in catalog.BY_NAME:
            row = catalog.BY_NAME[assignment]
            assert function in runner.case_names(row)


# Files that need a worker process

HOSTILE = """
import os, sys, ctypes
import numpy as np

def basic_sigmoid(x:
    return x

def sigmoid(x):
    while True:
        try:
            while True:
                pass
        except:
            pass

def sigmoid_derivative(x):
    sys.exit(0)

def image2vector(image):
    os._exit(3)

def normalize_rows(x):
    ctypes.string_at(0)

def softmax(x):
    return np.ones((10**4, 10**4))  # 800 MB

def L1(yhat, y):
    for _ in range(10**5):
        print("flood" * 10)
    return np.sum(np.abs(y - yhat))

def L2(yhat, y):
    assert "tensorflow" not in sys.modules
    return np.sum((y - yhat) ** 2)
"""


def test_a_function_that_ends_the_process_does_not_stop_the_others(
    tmp_path, monkeypatch
):
    """An endless loop, sys.exit, os._exit, a crash, too much memory or output."""
    monkeypatch.setattr(runner, "GRACE", 2)
    path = write(tmp_path / "mine.py", HOSTILE)
    report = runner.check("numpy_basics", path, timeout=0.5, memory=500)
    text = {verdict.function: reports.sentence(verdict) for verdict in report.verdicts}
    assert "'(' was never closed" in text["basic_sigmoid"]
    assert text["sigmoid"].startswith("It does not end: stopped after ")
    assert text["sigmoid_derivative"].startswith("It calls sys.exit")
    assert text["image2vector"].startswith("It ends the Python process (exit code 3)")
    assert text["normalize_rows"].startswith("It crashes the Python process (SIGSEGV")
    assert "more memory than is allowed" in text["softmax"]
    assert "prints more than 100,000 characters" in text["L1"]
    status = {verdict.function: verdict.status for verdict in report.verdicts}
    assert [f for f in status if status[f] == "ok"] == ["L1", "L2"]
    assert list(status) == list(runner.case_names(runner.known("numpy_basics")))


def test_an_endless_loop_at_the_top_is_reported(tmp_path):
    """If functions need the names that it changes; otherwise it is not run."""
    text = with_mistake(
        "numpy_basics", ("np.abs(y - yhat)", "np.abs(y - yhat) * SCALE")
    )
    text += "\nSCALE = 1\nwhile SCALE:\n    SCALE += 1\n"
    report = runner.check("numpy_basics", write(tmp_path / "a.py", text), timeout=0.3)
    assert report.notes == ("a.py, line 46 failed: it takes longer than 0.3 seconds.",)
    assert report.count("ok") == 7


def test_a_file_with_tensors_is_checked(tmp_path):
    """TensorFlow in the worker; a notebook of 2017 whose helper files are missing."""
    path = notebook(solution("car_detection"), tmp_path / "mine.ipynb", "2017")
    report = runner.check("car_detection", path, timeout=30)
    assert report.ok
    assert report.count("provided") == 7


def test_helpers_next_to_the_file_come_first(tmp_path):
    """A learner's own `dnn_utils_v2` is used, not the helpers of this package."""
    write(
        tmp_path / "dnn_utils_v2.py",
        "def sigmoid(Z):\n    return Z, Z\nrelu = sigmoid\n"
        "def sigmoid_backward(dA, cache):\n    return dA\nrelu_backward = sigmoid\n",
    )
    path = write(tmp_path / "mine.py", solution("deep_network_steps"))
    report = runner.check("deep_network_steps", path)
    found = {verdict.function: verdict.status for verdict in report.verdicts}
    assert found["sigmoid"] == "given"
    assert found["linear_activation_forward"] == "wrong"
    assert found["linear_forward"] == "ok"


# The command


def test_a_right_file_exits_with_0_and_a_wrong_one_with_1(tmp_path):
    """With one line per function; with --json one object."""
    path = write(tmp_path / "mine.py", solution("numpy_basics"))
    result = run("numpy_basics", path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "basic_sigmoid\tok"
    write(
        path,
        with_mistake("numpy_basics", ("np.exp(-x))\n    return s", "x)\n    return s")),
    )
    result = run("numpy_basics", path, "--json")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert (content["assignment"], content["file"]) == ("numpy_basics", str(path))
    assert content["ok"] is False
    by_name = {entry["function"]: entry for entry in content["functions"]}
    assert by_name["L1"]["status"] == "ok"
    entry = by_name["sigmoid"]
    assert (entry["status"], entry["passed"]) == ("wrong", 0)
    assert entry["cases"] >= 2
    assert len(entry["number"]) == len(entry["shape"]) == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["numpy_basic", "a.py"], "Did you mean 'numpy_basics'?"),
        (["strategy", "a.py"], "has no reference values"),
        (["numpy_basics", "nowhere.py"], "nowhere.py does not exist"),
        (["numpy_basics", "a.py", "--timeout", "0"], "0.0 is not in the range"),
        (["numpy_basics", "a.py", "--junit", "no/a.xml"], "folder no does not exist"),
        (["numpy_basics", "."], "Expected .py or .ipynb files in the folder"),
    ],
)
def test_an_invalid_command_exits_with_2(tmp_path, monkeypatch, args, words):
    """With a message on stderr and nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_a_bad_file_does_not_stop_the_check_of_a_class(tmp_path):
    """The CSV has one row and the XML one suite per file, bad files included."""
    folder = tmp_path / "class"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    write(folder / ".ipynb_checkpoints" / "old.py", "x = 1")
    write(folder / "ann.py", solution("numpy_basics"))
    text = with_mistake("numpy_basics", ("def L1", "def L3"), ("y - yhat))", "]"))
    write(folder / "bo.py", text)
    write(folder / "=cid.ipynb", "not JSON \x1b[31m")
    table, xml = tmp_path / "grades.csv", tmp_path / "grades.xml"
    result = run("numpy_basics", folder, "--csv", table, "--junit", xml, "--workers", 2)
    assert result.exit_code == 1
    assert "8 of 8 functions right" in result.stdout
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"].rsplit("/")[-1] for row in rows] == [
        *("=cid.ipynb", "ann.py", "bo.py"),
    ]
    assert [row["right"] for row in rows] == ["0", "8", "7"]
    assert rows[2]["L1"] == "missing"
    suites = ElementTree.parse(xml).getroot().findall("testsuite")
    assert [suite.get("errors") for suite in suites] == ["1", "0", "0"]
    assert [suite.get("failures") for suite in suites] == ["0", "0", "1"]
    assert len(list(tmp_path.iterdir())) == 3  # no temporary file is left


def test_reports_are_safe_for_xml_terminals_and_spreadsheets():
    """Control characters are replaced; a formula becomes text."""
    verdict = runner.Verdict("f", "wrong", problem="bad \x1b[31m\x00 \ud800 & <b>")
    report = runner.Report("a", "=1+1.py", (verdict,), ("\x07",))
    ElementTree.fromstring(reports.as_junit([report]).partition("?>")[2])
    assert "\x1b" not in reports.lines(report) + reports.as_json(report)
    assert "'=1+1.py" in reports.as_csv([report])
    assert "nan" in reports.as_json(
        report._replace(verdicts=(verdict._replace(number=[float("nan"), 1]),))
    )


def test_the_table_on_a_terminal_names_each_function(monkeypatch, capsys):
    """Helpers that are not checked share a line."""
    verdicts = [
        runner.Verdict("f", "ok"),
        runner.Verdict("g", "wrong", problem="it is 3, expected 4"),
        runner.Verdict("h", "provided"),
        runner.Verdict("i", "provided"),
    ]
    reports.show(runner.Report("a", "mine.py", tuple(verdicts), ("a note",)))
    shown = capsys.readouterr().out
    assert "it is 3, expected 4." in shown
    assert "h, i" in shown
    assert "a note" in shown


def test_workers_share_the_memory():
    """At least one, and fewer if each may use more memory."""
    assert runner.workers(10**9) == 1
    assert runner.workers(1) >= 1


# pytest


def pytest_run(*args, folder):
    """The finished process of `pytest ARGS` in a folder."""
    command = [sys.executable, "-m", "pytest", "-p", "dls_keras.grading.pytest_plugin"]
    command += ["-p", "no:cacheprovider", "-q", *map(str, args)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def counts(*functions):
    """How many cases these functions of numpy_basics have, and all others."""
    its_cases = comparison.cases_by_function(comparison.references("numpy_basics"))
    total = sum(map(len, its_cases.values()))
    chosen = sum(len(its_cases[function]) for function in functions)
    return chosen, total - chosen


def test_pytest_runs_one_test_per_case(tmp_path):
    """On the learner's file, which pytest itself does not import."""
    text = "assert 1 == 2\n" + with_mistake(
        "numpy_basics", ("s * (1 - s)", "s * (1 + s)")
    )
    path = write(tmp_path / "test_mine.py", text)
    done = pytest_run("--dls", "numpy_basics", "--dls-file", path, folder=tmp_path)
    assert done.returncode == 1
    failed, passed = counts("sigmoid_derivative")
    assert f"{failed} failed, {passed} passed" in done.stdout
    assert "sigmoid_derivative, case 2021-print" in done.stdout
    assert "Did you mean -, not +?" in done.stdout
    assert "Traceback" not in done.stdout


def test_pytest_checks_the_module_of_the_package_by_default(tmp_path):
    """It collects no other files; without --dls the plugin imports nothing."""
    write(tmp_path / "test_other.py", "def test_a():\n    pass\n")
    done = pytest_run("--dls", "numpy_basics", "-k", "softmax", folder=tmp_path)
    passed, deselected = counts("softmax")
    assert f"{passed} passed, {deselected} deselected" in done.stdout
    program = "def test_a():\n    import sys\n    assert 'numpy' not in sys.modules\n"
    write(tmp_path / "test_other.py", program)
    assert "1 passed" in pytest_run(folder=tmp_path).stdout
    assert "Did you mean" in pytest_run("--dls", "numpy_basic", folder=tmp_path).stderr


def test_a_missing_file_is_an_input_error(tmp_path):
    """A MissingFileError, as in the whole package."""
    with pytest.raises(MissingFileError):
        runner.check("numpy_basics", tmp_path / "none.py")
