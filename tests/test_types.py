"""Public functions have type hints, except the course's own functions."""

import ast

import pytest

from dls_keras import catalog
from dls_keras.core import files

SHARED = {*catalog.FIVE, "evaluate", "picture", "example"}
FILES = sorted(files.PACKAGE.rglob("*.py"))
# Functions that the cases of the course call, so they look like the course's own.
STAND_INS = files.PACKAGE / "reference" / "stand_ins.py"


def public_functions(path):
    """The public functions and methods of a module that should have type hints."""
    tree = ast.parse(path.read_text("utf-8"))
    in_course = path.parent.name in {f"course{n}" for n in catalog.COURSES}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            if not in_course or node.name in SHARED:
                yield node.name, node
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            if not in_course:
                for method in node.body:
                    public = isinstance(method, ast.FunctionDef)
                    if public and not method.name.startswith("_"):
                        yield f"{node.name}.{method.name}", method


def without_hints(function, is_method):
    """The parameters without a type hint, and "return" if the result has none."""
    arguments = function.args
    parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    if is_method and "staticmethod" not in map(ast.unparse, function.decorator_list):
        parameters = parameters[1:]
    parameters += [p for p in (arguments.vararg, arguments.kwarg) if p]
    missing = [p.arg for p in parameters if p.annotation is None]
    return missing + ["return"] * (function.returns is None)


@pytest.mark.parametrize(
    "path",
    [path for path in FILES if path != STAND_INS],
    ids=lambda path: str(path.relative_to(files.PACKAGE)),
)
def test_public_functions_have_type_hints(path):
    """Every parameter and the result; of assignments the shared functions."""
    missing = {
        name: hints
        for name, function in public_functions(path)
        if (hints := without_hints(function, "." in name))
    }
    assert missing == {}


def test_the_package_is_typed():
    """`py.typed` tells type checkers to read the hints."""
    assert (files.PACKAGE / "py.typed").is_file()
