"""`dls-keras start`: an assignment as stubs with the signatures of the package."""

import ast
import inspect
import json
import sys
import types

import pytest
from click.testing import CliRunner

from dls_keras import catalog
from dls_keras.cli import main
from dls_keras.core.errors import InputError
from dls_keras.grading import skeleton
from dls_keras.reference import cases

ROWS = [row for row in catalog.ASSIGNMENTS if row.reference]
started = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)

# Harnesses of the cases, which no learner writes.
HARNESSES = {"as_model", "outputs_of", "weighted_outputs"}


def run(*args):
    """The result of a command line."""
    return CliRunner().invoke(main.main, list(map(str, args)))


def defined(text):
    """The functions and classes at the top of a source, by name."""
    kinds = (ast.FunctionDef, ast.ClassDef)
    return {n.name: n for n in ast.parse(text).body if isinstance(n, kinds)}


def made(row):
    """The module of stubs, executed."""
    module = types.ModuleType("stubs_of_a_learner")
    exec(compile(skeleton.module(row.name, "mine.py"), "mine.py", "exec"), vars(module))
    return module


@started
def test_every_function_of_the_reference_has_a_stub(row):
    """With the name, the signature and the docstring of the package's function."""
    found, solution = made(row), catalog.load(row.name)
    names = {f for file in row.reference for f in cases.read(file).functions}
    assert set(skeleton.functions(row.name)) == names - HARNESSES
    for name in names - HARNESSES:
        stub, function = getattr(found, name), getattr(solution, name)
        assert stub.__module__ != function.__module__
        assert inspect.getdoc(stub) == inspect.getdoc(function)
        assert _arguments(stub) == _arguments(function)


def _arguments(thing):
    """Names, kinds and the text of default values."""
    thing = thing.__init__ if inspect.isclass(thing) else thing
    return [
        (p.name, p.kind, str(p.default))
        for p in inspect.signature(thing).parameters.values()
    ]


@started
def test_a_stub_contains_no_part_of_the_solution(row):
    """Its body is a docstring and one raise statement."""
    for node in defined(skeleton.module(row.name, "mine.py")).values():
        methods = node.body if isinstance(node, ast.ClassDef) else [node]
        for method in methods:
            if isinstance(method, ast.Expr):  # the docstring of a class
                continue
            *docstring, last = method.body
            assert ast.unparse(last) == "raise NotImplementedError"
            assert all(isinstance(part, ast.Expr) for part in docstring)
            assert len(docstring) <= 1


@started
def test_a_stub_raises_not_implemented(row):
    """For any arguments."""
    found = made(row)
    for name in skeleton.functions(row.name):
        stub = getattr(found, name)
        first = stub.__init__ if inspect.isclass(stub) else stub
        parameters = inspect.signature(first).parameters.values()
        needed = [p for p in parameters if p.default is p.empty]
        with pytest.raises(NotImplementedError):
            first(*[None] * len([p for p in needed if p.kind is not p.KEYWORD_ONLY]))


@started
def test_a_notebook_holds_the_same_cells(row):
    """In nbformat 4.5, cells of Python but for the last, which checks the file."""
    content = json.loads(skeleton.notebook(row.name, "mine.ipynb"))
    assert (content["nbformat"], content["nbformat_minor"]) == (4, 5)
    assert len({cell["id"] for cell in content["cells"]}) == len(content["cells"])
    code = ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]
    assert code[-1].endswith(f"!dls-keras check {row.name} mine.ipynb")
    stubs = defined(skeleton.module(row.name, "mine.py"))
    assert defined("\n\n".join(code[:-1])).keys() == stubs.keys()


def test_a_notebook_is_valid():
    """By the schema of nbformat, where it is installed."""
    nbformat = pytest.importorskip("nbformat")
    content = skeleton.notebook("transformer", "mine.ipynb")
    nbformat.validate(nbformat.reads(content, as_version=4))


@started
def test_lines_are_not_long(row):
    """88 columns; lines of Markdown have two more for the comment mark."""
    text = skeleton.module(row.name, "mine.py")
    lines = [line for line in text.split("\n") if not line.startswith("# ")]
    assert [line for line in lines if len(line) > 88 or line != line.rstrip()] == []


def test_constants_of_a_signature_are_included():
    """`vector_to_dictionary` needs the shapes of the example."""
    found = made(catalog.BY_NAME["gradient_checking"])
    assert found.SHAPES == catalog.load("gradient_checking").SHAPES


def test_helpers_of_the_course_can_be_imported_from_the_package():
    """Without comment marks, the last cell before the check replaces their stubs."""
    text = skeleton.module("optimization", "mine.py")
    head, tail = text.split("# To import them from dls_keras", 1)
    lines = tail.split("\n\n# %%")[0].split("\n")[1:]
    space = {}
    exec(head + "\n".join(line.removeprefix("# ") for line in lines), space)
    assert space["sigmoid"](0) == 0.5
    with pytest.raises(NotImplementedError):
        space["update_lr"](1, 1, 1)


def test_start_writes_a_module_or_a_notebook(tmp_path, monkeypatch):
    """NAME.py or NAME.ipynb in the current folder, or the file of --out."""
    monkeypatch.chdir(tmp_path)
    result = run("start", "numpy_basics")
    assert result.stdout == (
        "numpy_basics.py: 8 functions to implement; "
        "`dls-keras check numpy_basics numpy_basics.py` checks them\n"
    )
    assert "def softmax(x):" in (tmp_path / "numpy_basics.py").read_text("utf-8")
    assert run("start", "numpy_basics", "--notebook").exit_code == 0
    assert run("start", "numpy_basics", "--out", "mine.ipynb").exit_code == 0
    first, second = (
        json.loads((tmp_path / name).read_text("utf-8"))
        for name in ("numpy_basics.ipynb", "mine.ipynb")
    )
    assert first["cells"][:-1] == second["cells"][:-1]
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "mine.ipynb",
        "numpy_basics.ipynb",
        "numpy_basics.py",
    ]


def test_start_never_overwrites_without_force(tmp_path):
    """An existing file may be an evening's work."""
    path = tmp_path / "mine.py"
    path.write_text("precious")
    result = run("start", "numpy_basics", "--out", path)
    assert result.exit_code == 2
    assert "already exists" in result.stderr
    assert path.read_text() == "precious"
    assert run("start", "numpy_basics", "--out", path, "--force").exit_code == 0
    assert "def softmax(x):" in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["numpy_basic"], "Did you mean 'numpy_basics'?"),
        (["strategy"], "Start one of these: numpy_basics, "),
        (["numpy_basics", "--out", "mine.txt"], "expected .py"),
        (["numpy_basics", "--notebook", "--out", "mine.py"], "expected .ipynb"),
        (["numpy_basics", "--out", "nowhere/mine.py"], "does not exist"),
    ],
)
def test_an_invalid_start_writes_nothing(args, words, tmp_path, monkeypatch):
    """The message says what is wrong."""
    monkeypatch.chdir(tmp_path)
    result = run("start", *args)
    assert result.exit_code == 2
    assert words in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_assignment_without_reference_values_is_an_input_error():
    """There would be nothing to check."""
    with pytest.raises(InputError, match="strategy has no reference values"):
        skeleton.functions("strategy")


def test_a_started_file_checks_itself(tmp_path):
    """Run as a program, it reports the functions that are not implemented."""
    import subprocess

    path = tmp_path / "mine.py"
    skeleton.write("numpy_basics", path)
    done = subprocess.run([sys.executable, path], capture_output=True, text=True)
    assert done.returncode == 1
    assert "softmax" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr
