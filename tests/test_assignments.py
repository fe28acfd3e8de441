"""The scripts of `assignments/` have the common form, run, and convert to notebooks."""

import ast
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dls_keras import catalog

SCRIPTS = sorted((Path(__file__).parent.parent / "assignments").glob("course*/*.py"))
QUICKEST = "gradient_checking"  # takes a second; the others run with -m large
NAMED_TUPLE = {"_replace", "_asdict", "_fields"}  # public despite the underscore
CPU_SECONDS = 120  # one minute on two cores; independent of other processes

each = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)


def cells(path):
    """The cells as pairs (is markdown, text without the cell marker)."""
    first, *parts = re.split(r"^# %%(.*)\n", path.read_text("utf-8"), flags=re.M)
    assert first == ""
    marks, texts = parts[::2], parts[1::2]
    assert set(marks) <= {"", " [markdown]"}
    return [
        (mark != "", text.strip("\n")) for mark, text in zip(marks, texts, strict=True)
    ]


def prose(text):
    """The text of a markdown cell without the comment signs."""
    lines = text.split("\n")
    assert all(line == "#" or line.startswith("# ") for line in lines), text
    return "\n".join(line[2:] for line in lines)


def test_every_assignment_has_a_script():
    """The script has the name of the assignment."""
    assert {path.stem for path in SCRIPTS} == catalog.BY_NAME.keys()


@each
def test_a_script_belongs_to_an_assignment(path):
    """Name and folder agree with the catalogue; images are written to out/NAME."""
    row = catalog.BY_NAME[path.stem]
    assert path.parent.name == f"course{row.course}"
    assert f'Path("out/{row.name}")' in path.read_text("utf-8")


@each
def test_a_script_opens_with_a_title_and_its_duration(path):
    """One heading, then what the reader will see and how long it takes."""
    is_prose, text = cells(path)[0]
    assert is_prose
    title, *paragraphs = prose(text).split("\n\n")
    assert re.fullmatch(r"# [A-Z].{3,70}", title)
    assert len(paragraphs) >= 2
    opening = " ".join(paragraphs)
    assert "`--quick`" in opening
    assert re.search(r"\b(seconds?|minutes?|hours?)\b", opening)
    assert re.search(r"\d", opening)


@each
def test_a_script_consists_of_markdown_and_code_cells(path):
    """Code cells parse as Python; at least three headings divide the script."""
    found = cells(path)
    headings = [
        h for is_prose, t in found if is_prose for h in re.findall("^# ##? ", t)
    ]
    assert len(headings) >= 3
    for is_prose, text in found:
        if is_prose:
            prose(text)
        else:
            assert ast.parse(text).body, f"an empty cell: {text!r}"


@each
def test_a_script_uses_public_names_only(path):
    """No attribute or import begins with an underscore; `$$` comes in pairs."""
    source = path.read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        names = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        private = [name for name in names if re.match("_[a-z]", name)]
        assert set(private) <= NAMED_TUPLE
    for is_prose, text in cells(path):
        assert not is_prose or text.count("$$") % 2 == 0


def ran(path, folder):
    """The files that a script writes with --quick in a folder, offline."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, path, "--quick"],
        cwd=folder,
        env=os.environ | {"DLS_KERAS_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=900,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert spent < CPU_SECONDS
    assert done.stdout
    pictures = sorted((folder / "out" / path.stem).rglob("*.*"))
    assert set(folder.rglob("*.*")) <= {*pictures}, "a file outside out/NAME"
    return pictures


def is_picture(path):
    """Whether a file is an image that is not of one colour."""
    with Image.open(path) as image:
        return np.asarray(image.convert("L")).std() > 1


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(p, id=p.stem, marks=[pytest.mark.large] * (p.stem != QUICKEST))
        for p in SCRIPTS
    ],
)
def test_a_script_runs_and_writes_images(path, tmp_path):
    """It runs offline, in under a minute on two idle cores."""
    pictures = [p for p in ran(path, tmp_path) if p.suffix in (".png", ".jpg")]
    assert pictures
    assert all(map(is_picture, pictures))


@each
def test_a_script_converts_to_a_notebook(path):
    """Jupytext keeps each cell and adds no metadata of the machine."""
    jupytext = pytest.importorskip("jupytext")
    notebook = jupytext.read(path)
    found = cells(path)
    assert [cell.cell_type == "markdown" for cell in notebook.cells] == [
        is_prose for is_prose, _ in found
    ]
    assert [cell.source.strip("\n") for cell in notebook.cells] == [
        prose(text) if is_prose else text for is_prose, text in found
    ]
    assert notebook.metadata.keys() == {"jupytext"}
