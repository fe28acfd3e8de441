"""`dls-keras check`: right and half-finished files, hostile ones, classes, formats."""

import csv
import json
import subprocess
import sys
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from learner_files import FOLDER, judged, notebook, solution, spoilt, wrong

from dls_keras import catalog
from dls_keras.cli.main import main
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.grading import course_helpers, parse, runner
from dls_keras.grading import report as reports

NUMPY = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if path.stem not in ("car_detection", "style_transfer")
)
# Functions that these solutions leave open.
OPEN = {"recurrent_steps": {"lstm_cell_backward", "lstm_backward"}}


def run(*args):
    """The result of `dls-keras check ARGS`, which must not be a traceback."""
    result = CliRunner().invoke(main, ["check", *map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


# Right solutions


@pytest.mark.parametrize("style", ["py", "2017", "2021"])
@pytest.mark.parametrize("name", NUMPY)
def test_a_right_solution_is_right_in_every_style(tmp_path, name, style):
    """As a module, and as notebooks with magics, helpers and cells that fail."""
    path = write(tmp_path / "mine.py", solution(name))
    if style != "py":
        path = notebook(solution(name), tmp_path / "mine.ipynb", style)
    found, _ = judged(name, path)
    assert wrong(found) == OPEN.get(name, set())
    assert len(found) > len(wrong(found))


@pytest.mark.parametrize("name", ["style_transfer", "car_detection"])
def test_a_right_solution_with_tensors_is_right(tmp_path, name):
    """The data and the networks that its cells ask for are not there."""
    found, _ = judged(name, notebook(solution(name), tmp_path / "mine.ipynb", "2021"))
    assert wrong(found) == set()


def test_what_only_loads_trains_or_draws_is_not_run(tmp_path):
    """Cells that would fail, or last, leave no note: nothing needs them."""
    text = solution("numpy_basics") + (
        "\nwhile True:\n    pass\nd = model(train)\nprint(1 / 0)\nx = input()\n"
    )
    found, space = judged("numpy_basics", write(tmp_path / "mine.py", text))
    assert wrong(found) == set()
    assert space.notes == []


def test_globals_that_functions_use_are_there(tmp_path):
    """With what they need in turn, and what changes them afterwards."""
    text = spoilt(
        "numpy_basics", ("return s * (1 - s)", "return TABLE[ONE] * s * (BASE - s)")
    )
    text += "\nBASE = 1\nONE = 'o' + 'ne'\nTABLE = {}\nTABLE['one'] = BASE\n"
    found, _ = judged("numpy_basics", write(tmp_path / "mine.py", text))
    assert wrong(found) == set()


# Cells that break


def test_a_syntax_error_hides_no_other_function(tmp_path):
    """Of a module, only the function that has it is wrong, and its line is told."""
    text = spoilt(
        "numpy_basics", ("s = sigmoid(x)\n    return", "s = sigmoid(x\n    r")
    )
    found, space = judged("numpy_basics", write(tmp_path / "mine.py", text))
    assert wrong(found) == {"sigmoid_derivative"}
    assert "line 19" in space.unreadable["sigmoid_derivative"]
    assert "'(' was never closed" in space.unreadable["sigmoid_derivative"]


def test_magics_within_a_cell_are_left_out(tmp_path):
    """`%time`, `!ls`, `x = !ls`, `?help`, and whole cells of another language."""
    text = "# %%\n%%time\n%time x\nfiles = !ls\nnp?\n" + solution("numpy_basics")
    text += "\n# %%\n%%bash\ndef L1(: this is no Python\n# %%\n%%capture\nz = 1\n"
    found, space = judged("numpy_basics", notebook(text, tmp_path / "mine.ipynb"))
    assert wrong(found) == set()
    assert any("bash, not Python" in note for note in space.notes)


def test_missing_imports_are_told_once_and_used_late(tmp_path):
    """The rest of the cell goes on; only a function that uses the thing is wrong."""
    text = "import torch_of_nowhere as t\nfrom torch_of_nowhere import nn\n"
    text += spoilt("numpy_basics", ("np.abs(y - yhat)", "t.abs(y - yhat)"))
    found, space = judged("numpy_basics", write(tmp_path / "mine.py", text))
    assert wrong(found) == {"L1"}
    assert "torch_of_nowhere.abs could not be imported" in found["L1"][0]["problem"]
    assert len([note for note in space.notes if "torch_of_nowhere" in note]) == 1


def test_a_statement_that_fails_is_told(tmp_path):
    """A global that cannot be made, and the function that lacks it."""
    text = spoilt("numpy_basics", ("np.abs(y - yhat)", "np.abs(y - yhat) * SCALE"))
    path = write(tmp_path / "mine.py", text + "\nSCALE = 1 / 0\n")
    found, space = judged("numpy_basics", path)
    assert "line 45 stopped: ZeroDivisionError" in space.notes[0]
    assert "SCALE is neither an argument" in found["L1"][1]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.ipynb", "version https://git-lfs", "is no notebook that can be read"),
        ("a.ipynb", '{"cells": 3}', "is no notebook"),
        ("a.txt", "", "expected a module"),
        ("b/none.py", None, "does not exist"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path, name, content, words):
    """One sentence, exit code 2."""
    if content is not None:
        write(tmp_path / name, content)
    with pytest.raises(InputError, match=words):
        parse.read(tmp_path / name)


def test_old_notebooks_and_encodings_are_read(tmp_path):
    """Format 3 with worksheets; a module in Latin-1 that does not say so."""
    sheet = {"cells": [{"cell_type": "code", "input": ["a = 1\n", "b = 2"]}]}
    write(tmp_path / "a.ipynb", json.dumps({"worksheets": [sheet], "nbformat": 3}))
    assert len(parse.read(tmp_path / "a.ipynb")) == 2
    (tmp_path / "a.py").write_bytes("# caf\xe9\nx = 1\n".encode("latin-1"))
    assert len(parse.read(tmp_path / "a.py")) == 1


# Functions that lean on others, that are not written, that belong to an edition


def test_a_function_waits_for_the_one_that_it_calls(tmp_path):
    """The hint sends the learner to the cause, not to the five that follow from it."""
    text = spoilt("deep_network_steps", ("Z = np.dot(W, A) + b", "Z = None"))
    found, _ = judged("deep_network_steps", write(tmp_path / "mine.py", text))
    assert "Not written yet" in found["linear_forward"][1]
    for function in ("linear_activation_forward", "L_model_forward"):
        assert found[function][1].startswith("It is right as soon as linear_")


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
def test_a_gap_is_no_mistake(tmp_path, body):
    """A function of a half-solved notebook is told to be unwritten, not wrong."""
    text = spoilt("numpy_basics", ("return np.sum(np.abs(y - yhat))", body))
    found, _ = judged("numpy_basics", write(tmp_path / "mine.py", text))
    assert found["L1"][1].startswith("Not written yet: line ")


@pytest.mark.parametrize(
    ("name", "changes", "function", "remark"),
    [
        (
            "numpy_basics",
            [("normalize_rows", "normalizeRows")],
            "normalize_rows",
            "is called normalizeRows here",
        ),
        ("deep_network_steps", [], "update_parameters", "as in 2017"),
        (
            "optimization",
            [("return parameters, v, s, vc, sc", "return parameters, v, s")],
            "update_parameters_with_adam",
            "returns 3 values, as in 2017",
        ),
        ("car_detection", [], "yolo_filter_boxes", "another order than that of 2021"),
    ],
)
def test_the_form_of_2017_is_recognised(tmp_path, name, changes, function, remark):
    """And said; nothing is wrong with it."""
    found, _ = judged(name, write(tmp_path / "mine.py", spoilt(name, *changes)))
    verdict, _ = found[function]
    assert verdict["status"] == "ok"
    assert any(remark in told for told in verdict["remarks"])


def test_the_tuple_of_2017_is_recognised(tmp_path):
    """yolo_eval of 2017 unpacks what it is given in another order."""
    order = "box_xy, box_wh, box_confidence, box_class_probs = yolo_outputs"
    old = "box_confidence, box_xy, box_wh, box_class_probs = yolo_outputs"
    path = write(tmp_path / "mine.py", spoilt("car_detection", (order, old)))
    found, _ = judged("car_detection", path)
    assert "yolo_outputs in the order of 2017" in found["yolo_eval"][1]


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
    """The residual block of 2017 takes other arguments; the rest is missing."""
    found, _ = judged("residual_networks", write(tmp_path / "mine.py", BLOCK_2017))
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


def test_layers_made_anew_in_a_loop_are_told(tmp_path):
    """The translator has too many parameters, and the line is named."""
    found, _ = judged("date_translation", write(tmp_path / "mine.py", SHARED))
    assert found["one_step_attention"][0]["status"] == "ok"
    assert "makes a layer inside a loop" in found["modelf"][1]


def test_every_helper_and_old_name_is_there():
    """What the course hands out exists here, in assignments that stand."""
    for assignment in course_helpers.HELPERS:
        if assignment in catalog.BY_NAME:
            for load in course_helpers.helpers(assignment).values():
                assert callable(load())
    for assignment, function in course_helpers.OLD_NAMES:
        if assignment in catalog.BY_NAME:
            row = catalog.BY_NAME[assignment]
            assert function in runner.case_names(row)


# What needs a process of its own

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


def test_what_does_not_end_or_ends_python_stops_nothing_else(tmp_path, monkeypatch):
    """A loop, sys.exit, os._exit, a crash, a memory hog, a flood: a sentence each."""
    monkeypatch.setattr(runner, "GRACE", 2)
    path = write(tmp_path / "mine.py", HOSTILE)
    report = runner.check("numpy_basics", path, timeout=0.5, memory=500)
    told = {verdict.function: reports.sentence(verdict) for verdict in report.verdicts}
    assert "'(' was never closed" in told["basic_sigmoid"]
    assert told["sigmoid"].startswith("does not end: stopped after ")
    assert told["sigmoid_derivative"].startswith("calls sys.exit")
    assert told["image2vector"].startswith("ends Python (exit code 3)")
    assert told["normalize_rows"].startswith("crashes Python (SIGSEGV")
    assert "more memory than is allowed" in told["softmax"]
    assert "prints more than 100,000 characters" in told["L1"]
    status = {verdict.function: verdict.status for verdict in report.verdicts}
    assert [f for f in status if status[f] == "ok"] == ["L1", "L2"]
    assert list(status) == list(runner.case_names(runner.known("numpy_basics")))


def test_a_loop_at_the_top_is_told(tmp_path):
    """A statement that functions need and that does not end."""
    text = spoilt("numpy_basics", ("np.abs(y - yhat)", "np.abs(y - yhat) * SCALE"))
    text += "\nSCALE = 1\nwhile SCALE:\n    SCALE += 1\n"
    report = runner.check("numpy_basics", write(tmp_path / "a.py", text), timeout=0.3)
    assert report.notes == ("a.py, line 46 stopped: takes longer than 0.3 seconds.",)
    assert report.count("ok") == 7


def test_a_file_with_tensors_is_checked(tmp_path):
    """TensorFlow in the child; a notebook of 2017 with helpers that are not there."""
    path = notebook(solution("car_detection"), tmp_path / "mine.ipynb", "2017")
    report = runner.check("car_detection", path, timeout=30)
    assert report.ok
    assert report.count("given") == 7


def test_helpers_beside_the_file_come_first(tmp_path):
    """A learner's own `dnn_utils_v2` is used, not ours."""
    write(
        tmp_path / "dnn_utils_v2.py",
        "def sigmoid(Z):\n    return Z, Z\nrelu = sigmoid\n"
        "def sigmoid_backward(dA, cache):\n    return dA\nrelu_backward = sigmoid\n",
    )
    path = write(tmp_path / "mine.py", solution("deep_network_steps"))
    report = runner.check("deep_network_steps", path)
    found = {verdict.function: verdict.status for verdict in report.verdicts}
    assert found["sigmoid"] == "wrong"
    assert found["linear_forward"] == "ok"


# The command


def test_a_right_file_ends_in_0_and_a_wrong_one_in_1(tmp_path):
    """A line a function, tabs between; no expected array is shown in full."""
    path = write(tmp_path / "mine.py", solution("numpy_basics"))
    result = run("numpy_basics", path)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == "basic_sigmoid\tok"
    write(
        path, spoilt("numpy_basics", ("np.exp(-x))\n    return s", "x)\n    return s"))
    )
    result = run("numpy_basics", path, "--json")
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert (told["assignment"], told["file"]) == ("numpy_basics", str(path))
    assert told["ok"] is False
    by_name = {entry["function"]: entry for entry in told["functions"]}
    assert by_name["L1"]["status"] == "ok"
    entry = by_name["sigmoid"]
    assert (entry["status"], entry["passed"], entry["cases"]) == ("wrong", 0, 2)
    assert len(entry["number"]) == len(entry["shape"]) == 2


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["numpy_basic", "a.py"], "Did you mean 'numpy_basics'?"),
        (["strategy", "a.py"], "has no reference values"),
        (["numpy_basics", "nowhere.py"], "nowhere.py does not exist"),
        (["numpy_basics", "a.py", "--timeout", "0"], "0.0 is not in the range"),
        (["numpy_basics", "a.py", "--junit", "no/a.xml"], "folder no does not exist"),
        (["numpy_basics", "."], "holds no .py or .ipynb file"),
    ],
)
def test_a_mistake_in_the_command_ends_in_2(tmp_path, monkeypatch, args, words):
    """One sentence on stderr, nothing on stdout."""
    monkeypatch.chdir(tmp_path)
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in result.stderr


def test_a_class_is_checked_whatever_is_in_it(tmp_path):
    """A row a file in the CSV, a suite a file in the XML, bad files included."""
    folder = tmp_path / "class"
    (folder / ".ipynb_checkpoints").mkdir(parents=True)
    write(folder / ".ipynb_checkpoints" / "old.py", "x = 1")
    write(folder / "ann.py", solution("numpy_basics"))
    text = spoilt("numpy_basics", ("def L1", "def L3"), ("y - yhat))", "\0"))
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


def test_reports_hold_nothing_that_xml_or_a_spreadsheet_obeys():
    """Control characters go; a formula becomes text."""
    verdict = runner.Verdict("f", "wrong", problem="bad \x1b[31m\x00 \ud800 & <b>")
    report = runner.Report("a", "=1+1.py", (verdict,), ("\x07",))
    ElementTree.fromstring(reports.as_junit([report]).partition("?>")[2])
    assert "\x1b" not in reports.lines(report) + reports.as_json(report)
    assert "'=1+1.py" in reports.as_csv([report])
    assert "nan" in reports.as_json(
        report._replace(verdicts=(verdict._replace(number=[float("nan"), 1]),))
    )


def test_the_table_on_a_terminal_names_each_function(monkeypatch, capsys):
    """Verdicts in colours; helpers that are not judged share a line."""
    verdicts = [
        runner.Verdict("f", "ok"),
        runner.Verdict("g", "wrong", problem="it is 3, expected 4"),
        runner.Verdict("h", "given"),
        runner.Verdict("i", "given"),
    ]
    reports.show(runner.Report("a", "mine.py", tuple(verdicts), ("a note",)))
    shown = capsys.readouterr().out
    assert "it is 3, expected 4." in shown
    assert "h, i" in shown
    assert "a note" in shown


def test_workers_share_the_memory():
    """Never none, and fewer when each may take more."""
    assert runner.workers(10**9) == 1
    assert runner.workers(1) >= 1


# pytest


def pytest_run(*args, folder):
    """What `pytest ARGS` prints and returns in a folder."""
    command = [sys.executable, "-m", "pytest", "-p", "dls_keras.grading.pytest_plugin"]
    command += ["-p", "no:cacheprovider", "-q", *map(str, args)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_pytest_shows_a_test_a_case(tmp_path):
    """Of the learner's file, which pytest itself does not import; -k chooses."""
    text = "assert 1 == 2\n" + spoilt("numpy_basics", ("s * (1 - s)", "s * (1 + s)"))
    path = write(tmp_path / "test_mine.py", text)
    done = pytest_run("--dls", "numpy_basics", "--dls-file", path, folder=tmp_path)
    assert done.returncode == 1
    assert "1 failed, 14 passed" in done.stdout
    assert "sigmoid_derivative, case 2021-print" in done.stdout
    assert "s - meant, not +?" in done.stdout
    assert "Traceback" not in done.stdout


def test_pytest_checks_our_own_module_by_default(tmp_path):
    """And other files are left alone; without --dls the plugin is not noticed."""
    write(tmp_path / "test_other.py", "def test_a():\n    pass\n")
    done = pytest_run("--dls", "numpy_basics", "-k", "softmax", folder=tmp_path)
    assert "2 passed, 13 deselected" in done.stdout
    program = "def test_a():\n    import sys\n    assert 'numpy' not in sys.modules\n"
    write(tmp_path / "test_other.py", program)
    assert "1 passed" in pytest_run(folder=tmp_path).stdout
    assert "Did you mean" in pytest_run("--dls", "numpy_basic", folder=tmp_path).stderr


def test_a_missing_file_is_an_input_error(tmp_path):
    """As everywhere in this package."""
    with pytest.raises(MissingFileError):
        runner.check("numpy_basics", tmp_path / "none.py")
