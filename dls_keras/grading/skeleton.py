"""An assignment to write yourself: its functions as stubs, in a module or a notebook.

A stub has the signature and the docstring of our function, and in place of its body
`raise NotImplementedError`. The bodies are never read into what is written.
"""

import ast
import inspect
import json
import pprint
import shlex
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from dls_keras import catalog, models
from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.grading import course_helpers
from dls_keras.reference import cases

ENDINGS = (".py", ".ipynb")  # of a module, of a notebook
LIBRARIES = ("math", "numpy", "tensorflow", "keras")  # that a solution may need
METHODS = ("__init__", "call")  # of a layer
WIDTH = 88
UNWRITTEN = "raise NotImplementedError"


class Cell(NamedTuple):
    """A cell of prose, in Markdown, or of code."""

    kind: str  # "markdown" or "code"
    text: str


def write(name: str, path: str | Path) -> int:
    """Write the stubs of an assignment as a module or, to NAME.ipynb, a notebook.

    Returns:
        How many functions and classes wait to be written.

    Raises:
        InputError: if there is no such assignment, or it has no reference values.
    """
    path = Path(path)
    render = notebook if path.suffix == ".ipynb" else module
    text = render(name, path.name)
    with files.atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return len(functions(name))


def module(name: str, file: str) -> str:
    """The stubs as a Python module in cells, which checks itself when it is run."""
    told = [
        f"# %% [markdown]\n{textwrap.indent(cell.text, '# ', lambda line: True)}"
        if cell.kind == "markdown"
        else f"# %%\n{cell.text}"
        for cell in _cells(name)
    ]
    last = f"""# %%
# Check what you have written: run this file, or say
# dls-keras check {name} {shlex.quote(file)}
if __name__ == "__main__":
    from dls_keras.cli.main import main

    main(["check", "{name}", __file__])
"""
    lines = "\n\n".join([*told, last]).split("\n")
    return "\n".join(line.rstrip() for line in lines)


def notebook(name: str, file: str) -> str:
    """The stubs as a notebook, nbformat 4.5, whose last cell checks it."""
    command = f"!dls-keras check {name} {shlex.quote(file)}"
    last = Cell("code", f"# Save the notebook first.\n{command}")
    cells = []
    for number, cell in enumerate([*_cells(name), last]):
        code = {"execution_count": None, "outputs": []} if cell.kind == "code" else {}
        cells.append(
            {
                "cell_type": cell.kind,
                "id": f"cell-{number}",
                "metadata": {},
                "source": cell.text.splitlines(keepends=True),
                **code,
            }
        )
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def functions(name: str) -> list[str]:
    """The functions and classes of an assignment's references that ours has.

    Those that a learner writes come first, what the course hands out last.
    """
    ours = models.open_assignment(name)
    row = catalog.BY_NAME[name]
    if not row.reference:
        able = ", ".join(row.name for row in catalog.ASSIGNMENTS if row.reference)
        raise InputError(
            f"{name} has no reference values to check a solution with. Start one of "
            f"these: {able}."
        )
    found = [f for file in row.reference for f in cases.read(file).functions]
    known = [function for function in dict.fromkeys(found) if hasattr(ours, function)]
    handed_out = course_helpers.helpers(name)
    return sorted(known, key=lambda function: function in handed_out)


def _cells(name: str) -> Iterator[Cell]:
    """The idea, the imports, a cell a function, and where to get the helpers."""
    ours, row = models.open_assignment(name), catalog.BY_NAME[name]
    names, handed_out = functions(name), course_helpers.helpers(name)
    things = {function: getattr(ours, function) for function in names}
    idea = inspect.getdoc(ours).split("\n\n", 1)[1]
    yield Cell(
        "markdown",
        f"# {row.title}\n\nCourse {row.course}, week {row.week}. Put your code where a "
        f"function says\n`{UNWRITTEN}`; the last cell checks it.\n\n{idea}",
    )
    constants = {}
    for thing in things.values():
        constants |= _constants(thing)
    lines = _imports(ours)
    for constant, value in constants.items():
        lines += ["", f"{constant} = {pprint.pformat(value, sort_dicts=False)}"]
    yield Cell("code", "\n".join(lines))

    given = [function for function in names if function in handed_out]
    for function in names:
        if given and function == given[0]:
            yield Cell(
                "markdown",
                "## Handed out by the course\n\nIts notebook imports these. Write "
                "them, too, or take ours: the cell behind\nthem says how.",
            )
        yield Cell("code", _stub(_tree(things[function])))
    if given:
        taken = f"from {row.module} import {', '.join(given)}"
        if len(taken) > WIDTH - 2:
            taken = _a_line_each(f"from {row.module} import (", given, ")")
        yield Cell(
            "code",
            "# To take ours, remove the first two characters of what follows.\n"
            + textwrap.indent(taken, "# "),
        )


def _tree(thing):
    """The syntax tree of a function or class, its arguments without annotations."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
    return tree


def _imports(ours) -> list[str]:
    """The lines with which our module imports what a solution may need, too."""
    lines = []
    for node in ast.parse(inspect.getsource(ours)).body:
        if isinstance(node, ast.Import) and node.names[0].name in LIBRARIES:
            lines.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module in LIBRARIES:
            lines.append(ast.unparse(node))
    return lines


def _constants(thing) -> dict[str, object]:
    """The constants of ours that the defaults of a signature name."""
    if inspect.isclass(thing):
        return {}
    signature, space = _tree(thing).args, vars(sys.modules[thing.__module__])
    named = {
        part.id
        for default in (*signature.defaults, *filter(None, signature.kw_defaults))
        for part in ast.walk(default)
        if isinstance(part, ast.Name)
    }
    return {n: space[n] for n in sorted(named) if not inspect.ismodule(space[n])}


def _stub(node) -> str:
    """A function or class without what it does."""
    doc = ast.get_docstring(node)
    if isinstance(node, ast.ClassDef):
        bases = ", ".join(map(ast.unparse, node.bases))
        methods = [
            textwrap.indent(_stub(method), "    ")
            for method in node.body
            if isinstance(method, ast.FunctionDef) and method.name in METHODS
        ]
        head = f"class {node.name}({bases}):\n{_docstring(doc)}"
        return "\n\n".join([head.rstrip("\n"), *methods])
    return f"{_signature(node)}\n{_docstring(doc)}    {UNWRITTEN}"


def _signature(node) -> str:
    """The line of a `def`; an argument a line where it would grow too long."""
    text = ast.unparse(node.args)
    line = f"def {node.name}({text}):"
    if len(line) <= WIDTH - 4:  # a method stands four spaces in
        return line
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return _a_line_each(f"def {node.name}(", map(str.strip, parts), "):")


def _a_line_each(start: str, parts: Iterable[str], end: str) -> str:
    return "\n".join([start, *(f"    {part}," for part in parts), end])


def _docstring(doc: str | None) -> str:
    """A docstring four spaces in, with its end of line; "" for none."""
    if not doc:
        return ""
    start = 'r"""' if "\\" in doc else '"""'
    end = '\n"""' if "\n" in doc else '"""'
    return textwrap.indent(f"{start}{doc}{end}", "    ") + "\n"
