"""Write an assignment as stubs to implement, in a module or a notebook.

A stub has the signature and the docstring of this package's function. Its body is
`raise NotImplementedError`; the body of the original is not copied.
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
from types import ModuleType
from typing import Any, NamedTuple

from dls_keras import catalog, models
from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.grading import course_helpers
from dls_keras.reference import cases

ENDINGS = (".py", ".ipynb")  # of a module, of a notebook
LIBRARIES = ("math", "numpy", "tensorflow", "keras")  # that a solution may import
METHODS = ("__init__", "call")  # the methods of a layer
WIDTH = 88
PLACEHOLDER = "raise NotImplementedError"


class Cell(NamedTuple):
    """A cell of Markdown or of code."""

    kind: str  # "markdown" or "code"
    text: str


def write(name: str, path: str | Path) -> int:
    """Write the stubs of an assignment as a module or, to NAME.ipynb, a notebook.

    Returns:
        The number of functions and classes to implement.

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
    """The stubs as a Python module with cells; running the module checks it."""
    cells = [
        f"# %% [markdown]\n{textwrap.indent(cell.text, '# ', lambda line: True)}"
        if cell.kind == "markdown"
        else f"# %%\n{cell.text}"
        for cell in _cells(name)
    ]
    last = f"""# %%
# Check your solution: run this file, or this command:
# dls-keras check {name} {shlex.quote(file)}
if __name__ == "__main__":
    from dls_keras.cli.main import main

    main(["check", "{name}", __file__])
"""
    lines = "\n\n".join([*cells, last]).split("\n")
    return "\n".join(line.rstrip() for line in lines)


def notebook(name: str, file: str) -> str:
    """The stubs as a notebook, nbformat 4.5; its last cell checks it."""
    command = f"!dls-keras check {name} {shlex.quote(file)}"
    last = Cell("code", f"# Save the notebook first.\n{command}")
    cells: list[dict[str, Any]] = []
    for number, cell in enumerate([*_cells(name), last]):
        code: dict[str, Any] = {}
        if cell.kind == "code":
            code = {"execution_count": None, "outputs": []}
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
    """The functions and classes to implement, in the order of the reference.

    The helpers that the course provides come last.

    Raises:
        InputError: if there is no such assignment, or it has no reference values.
    """
    solution = models.open_assignment(name)
    row = catalog.BY_NAME[name]
    if not row.reference:
        others = ", ".join(row.name for row in catalog.ASSIGNMENTS if row.reference)
        raise InputError(
            f"{name} has no reference values to check a solution with. Start one of "
            f"these: {others}."
        )
    found = [f for file in row.reference for f in cases.read(file).functions]
    known = [f for f in dict.fromkeys(found) if hasattr(solution, f)]
    helpers = course_helpers.helpers(name)
    return sorted(known, key=lambda function: function in helpers)


def _cells(name: str) -> Iterator[Cell]:
    """The idea, the imports, one cell per function, and how to import the helpers."""
    solution, row = models.open_assignment(name), catalog.BY_NAME[name]
    names, helpers = functions(name), course_helpers.helpers(name)
    objects = {function: getattr(solution, function) for function in names}
    idea = (inspect.getdoc(solution) or "").partition("\n\n")[2]
    yield Cell(
        "markdown",
        f"# {row.title}\n\nCourse {row.course}, week {row.week}. Replace each\n"
        f"`{PLACEHOLDER}` with your code; the last cell checks it.\n\n{idea}",
    )
    constants: dict[str, Any] = {}
    for thing in objects.values():
        constants |= _constants(thing)
    lines = _imports(solution)
    for constant, value in constants.items():
        lines += ["", f"{constant} = {pprint.pformat(value, sort_dicts=False)}"]
    yield Cell("code", "\n".join(lines))

    provided = [function for function in names if function in helpers]
    for function in names:
        if provided and function == provided[0]:
            yield Cell(
                "markdown",
                "## Provided by the course\n\nThe course's notebook imports these "
                "functions. Implement them too, or import\nthem from dls_keras, as the "
                "cell after them shows.",
            )
        yield Cell("code", _stub(_tree(objects[function])))
    if provided:
        statement = f"from {row.module} import {', '.join(provided)}"
        if len(statement) > WIDTH - 2:
            statement = _one_per_line(f"from {row.module} import (", provided, ")")
        yield Cell(
            "code",
            "# To import them from dls_keras, remove the first two characters of each "
            "line below.\n" + textwrap.indent(statement, "# "),
        )


def _tree(thing):
    """The syntax tree of a function or class, without annotations of arguments."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(thing))).body[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
    return tree


def _imports(solution: ModuleType) -> list[str]:
    """The import statements of a module, as far as they are of `LIBRARIES`."""
    lines = []
    for node in ast.parse(inspect.getsource(solution)).body:
        if isinstance(node, ast.Import) and node.names[0].name in LIBRARIES:
            lines.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module in LIBRARIES:
            lines.append(ast.unparse(node))
    return lines


def _constants(thing: Any) -> dict[str, Any]:
    """The module constants that the default values of a function use."""
    if inspect.isclass(thing):
        return {}
    signature, module_names = _tree(thing).args, vars(sys.modules[thing.__module__])
    named = {
        part.id
        for default in (*signature.defaults, *filter(None, signature.kw_defaults))
        for part in ast.walk(default)
        if isinstance(part, ast.Name)
    }
    return {
        name: module_names[name]
        for name in sorted(named)
        if not inspect.ismodule(module_names[name])
    }


def _stub(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The source of a function or class with placeholders for the bodies."""
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
    return f"{_signature(node)}\n{_docstring(doc)}    {PLACEHOLDER}"


def _signature(node: ast.FunctionDef) -> str:
    """The `def` line; if it is too long, one line per argument."""
    text = ast.unparse(node.args)
    line = f"def {node.name}({text}):"
    if len(line) <= WIDTH - 4:  # a method is indented by four spaces
        return line
    parts, depth = [""], 0
    for letter in text:
        depth += (letter in "([{") - (letter in ")]}")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return _one_per_line(f"def {node.name}(", map(str.strip, parts), "):")


def _one_per_line(start: str, parts: Iterable[str], end: str) -> str:
    """`start`, each part on a line of its own, and `end`."""
    return "\n".join([start, *(f"    {part}," for part in parts), end])


def _docstring(doc: str | None) -> str:
    """An indented docstring with a newline at its end; "" if there is none."""
    if not doc:
        return ""
    start = 'r"""' if "\\" in doc else '"""'
    end = '\n"""' if "\n" in doc else '"""'
    return textwrap.indent(f"{start}{doc}{end}", "    ") + "\n"
