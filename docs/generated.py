"""Generated pages of the documentation: one per assignment, and the gallery.

The text of an assignment comes from its module's docstring, its row in the catalogue
and the records of its weights; question, answer and picture come from the tour. So the
pages show what the package does today. mkdocs calls the two `on_…` functions.
"""

import ast
import contextlib
import html
import io
import json
import os
import re
import tempfile
from pathlib import Path
from unittest import mock

import tables  # docs/tables.py
from mkdocs.structure.files import File

from dls_keras import catalog, models
from dls_keras.cli import tour

ROOT = Path(__file__).parent.parent
WIDTH = 900  # the largest width or height of a picture, in pixels
# Notes of the reference files that are not for readers.
INTERNAL = "ref_stubs|skip_runner|pee[r]|independent solution|data/"
COPIED = {"decisions.md": "docs/decisions.md", "changelog.md": "CHANGELOG.md"}


@contextlib.contextmanager
def without_data():
    """Without the course's data and the cache, whose images may not be published."""
    hidden = {"DLS_KERAS_DATA": "", "DLS_KERAS_OFFLINE": "1"}
    with tempfile.TemporaryDirectory() as home:
        with mock.patch.dict(os.environ, hidden, DLS_KERAS_HOME=home):
            yield


def on_config(config):
    """Fill the menu of assignments, course by course."""
    courses = [
        {
            f"{course} {title}": [
                {a.name: f"assignments/{a.name}.md"}
                for a in catalog.ASSIGNMENTS
                if a.course == course
            ]
        }
        for course, title in catalog.COURSES.items()
    ]
    for entry in config.nav:
        if "Assignments" in entry:
            entry["Assignments"] = ["assignments/index.md", *courses]
    return config


def on_files(files, config):
    """Add the generated pages and pictures to those in `pages/`."""

    def add(name, content):
        files.append(File.generated(config, name, content=content))

    for name, source in COPIED.items():
        add(name, (ROOT / source).read_text("utf-8"))
    add(
        "assignments/index.md",
        f"# The assignments\n\n{_linked(tables.assignments())}\n",
    )
    with without_data():
        stops = {stop.assignment.name: stop for stop in tour.visit_all()}
    for assignment in catalog.ASSIGNMENTS:
        stop = stops.get(assignment.name)
        if stop and stop.picture:
            add(f"assignments/{assignment.name}.png", _png(stop.picture))
        add(f"assignments/{assignment.name}.md", page(assignment, stop))
    home = files.get_file_from_path("index.md")
    home.content_string = home.content_string.replace(
        "<!-- gallery -->", gallery([s for s in stops.values() if s.picture])
    )
    return files


def gallery(stops):
    """The pictures of the tour as tiles that link to their assignments."""
    tiles = [
        f'<a href="assignments/{stop.assignment.name}.html">'
        f'<img src="assignments/{stop.assignment.name}.png" loading="lazy" alt="">'
        f"<span><strong>{html.escape(stop.question)}</strong> "
        f"{html.escape(str(stop.answer))}</span></a>"
        for stop in stops
    ]
    return "\n".join(['<div class="gallery">', *tiles, "</div>"])


def page(assignment, stop):
    """The page of one assignment, as Markdown."""
    a = assignment
    tree = ast.parse((ROOT / f"{a.module.replace('.', '/')}.py").read_text("utf-8"))
    first, _, idea = ast.get_docstring(tree).partition("\n\n")
    parts = [
        f"# {a.title}",
        f"Course {a.course}, week {a.week} · `{a.module}`",
        f"**{prose(first)}**",
        _answered(stop),
        f"## The idea\n\n{prose(idea)}",
        _editions(a),
        _use(a),
        _weights(a),
        "## Functions\n",
        *(f"::: {a.module}.{name}" for name in public(tree)),
    ]
    return "\n\n".join(part for part in parts if part)


def public(tree):
    """The names of the documented functions and classes of a module, in its order."""
    return [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and ast.get_docstring(node)
    ]


def prose(docstring):
    """A docstring as Markdown; `<t>` is a time step, not a tag."""
    lines = docstring.splitlines()
    return "\n".join(
        line if line.startswith("    ") else _without_tags(line) for line in lines
    )


def _without_tags(line):
    """Escape `<`, `*` and `[` outside of backticks."""
    spans = re.split(r"(`[^`]*`)", line)
    spans[::2] = [
        re.sub(r"([*\[])", r"\\\1", html.escape(s, quote=False)) for s in spans[::2]
    ]
    return "".join(spans)


def _answered(stop):
    """The question of the tour with the answer from when the page was built."""
    if stop is None:
        return ""
    if stop.answer is None:
        raise RuntimeError(f"{stop.assignment.name} did not answer: {stop.error}")
    text = f"{prose(stop.question)} **{prose(str(stop.answer))}**\n{{ .answer }}"
    return f"{text}\n\n![]({stop.assignment.name}.png)" if stop.picture else text


def _editions(a):
    """The notes of the reference files on the editions of the course."""
    files = [ROOT / "dls_keras" / "reference" / f"{name}.json" for name in a.reference]
    notes = [
        note
        for file in files
        for note in json.loads(file.read_text("utf-8")).get("notes", ())
        if not re.search(INTERNAL, note)
    ]
    items = "\n".join(f"- {prose(note)}" for note in notes)
    return f"## Editions and numbers\n\n{items}" if notes else ""


def _use(a):
    """How to run it, in Python and in a shell."""
    lines = [f"from dls_keras import {a.name}", ""]
    if "example" in a.offers:
        lines += [
            f"model = {a.name}.load_pretrained()",
            f"question, given = {a.name}.example()",
            f"print(question, {a.name}.infer(model, given))",
        ]
    else:
        lines += [f"help({a.name})"]
    commands = [
        f"$ dls-keras {command} {a.name}"
        for command in ("info", "train", "evaluate")
        if command == "info" or command in a.offers
    ]
    if a.reference:
        commands += [
            f"$ dls-keras start {a.name}",
            f"$ dls-keras check {a.name} my_solution.py",
        ]
    python, console = "\n".join(lines), "\n".join(commands)
    return f"## Use\n\n```python\n{python}\n```\n\n```console\n{console}\n```"


def _weights(a):
    """The records of the shipped weights, and the names of published ones."""
    entries = [entry for entry in models.entries() if entry.name == a.name]
    if not entries:
        return ""
    sections = [tables.section(entry) for entry in entries if entry.record]
    names = ", ".join(f"`{entry.variant}`" for entry in entries if not entry.record)
    if names:
        sections.append(f"It also loads published weights: {names}.")
    return "## Weights\n\n" + "\n\n".join(sections)


def _linked(table):
    """The table of assignments with links to their pages."""
    return re.sub(r"\| `(\w+)` \|", r"| [\1](\1.md) |", table)


def _png(picture):
    """A picture of the tour as the bytes of a PNG file."""
    picture = picture.convert("RGB")
    picture.thumbnail((WIDTH, WIDTH))
    buffer = io.BytesIO()
    picture.save(buffer, "png", optimize=True)
    return buffer.getvalue()
