"""Each package may import only certain others; the imports are read from the files."""

import ast
import subprocess
import sys

import pytest

from dls_keras import catalog
from dls_keras.core import files

ORDER = [row.module for row in catalog.ASSIGNMENTS]
FILES = sorted(files.PACKAGE.rglob("*.py"))

# Each subpackage or module, and the others that it may import besides itself.
ALLOWED = {
    "core": set(),
    "fast": {"core"},
    "datasets": {"core"},
    "music": {"core", "datasets"},
    "networks": {"core", "fast"},
    "converters": {"core", "networks"},
    "plots": {"core", "music"},
    "reference": {"core"},
    "catalog": {"core"},
    "saving": set(),
    "course": {
        *("core", "fast", "datasets", "music", "networks", "converters", "plots"),
        *("catalog", "reference"),
    },
    # These load assignments by name, through the catalogue, and never import them.
    "models": {"core", "converters", "catalog"},
    "grading": {"core", "reference", "catalog", "models"},
    "cli": {
        *("core", "converters", "catalog", "plots", "datasets", ""),
        *("models", "grading"),
    },
    "": {"catalog", "saving"},  # dls_keras/__init__.py
    "__main__": {"cli"},
}


def module_of(path):
    """The dotted name of a file of the package."""
    parts = path.relative_to(files.PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def package_of(module):
    """The subpackage of a module: "core", "course"; "" for dls_keras/__init__.py."""
    package = (module.split(".") + [""])[1]
    return "course" if package in {f"course{n}" for n in catalog.COURSES} else package


MODULES = {module_of(path) for path in FILES}


def imports(source):
    """The dls_keras modules that a source imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import; use the full name"
            # `from dls_keras.core import files` imports the module files.
            full_names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (full_names & MODULES) or {node.module}
    return {name for name in found if name.split(".")[0] == "dls_keras"}


def forbidden(module, source):
    """The imports in a module's source that the rules forbid."""
    package, found = package_of(module), set()
    for other in imports(source):
        if package_of(other) == "course" and package == "course":
            both = other in ORDER and module in ORDER
            if not both or ORDER.index(other) >= ORDER.index(module):
                found.add(other)
        elif package_of(other) not in ALLOWED[package] | {package}:
            found.add(other)
    return found


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_module_imports_only_allowed_packages(path):
    """Every module belongs to a package of the table."""
    module = module_of(path)
    assert package_of(module) in ALLOWED
    assert forbidden(module, path.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    ("module", "source", "other"),
    [
        ("dls_keras.core.x", "from dls_keras import catalog", "dls_keras.catalog"),
        ("dls_keras.core.x", "import dls_keras.plots", "dls_keras.plots"),
        (
            "dls_keras.networks.x",
            "def f():\n    from dls_keras.datasets import car_boxes",
            "dls_keras.datasets.car_boxes",
        ),
        (ORDER[0], f"import {ORDER[1]}", ORDER[1]),
        (ORDER[1], f"import {ORDER[0]}", None),
        ("dls_keras.cli.main", f"from {ORDER[0]} import infer", ORDER[0]),
        ("dls_keras.plots", "from dls_keras.core import images", None),
    ],
)
def test_forbidden_imports_are_found(module, source, other):
    """Imports inside functions count, and so does a later assignment."""
    assert forbidden(module, source) == ({other} if other else set())


def test_no_module_is_named_utils():
    """A module is named after what it contains."""
    assert not {path.stem for path in FILES} & {"utils", "util", "helpers", "misc"}


@pytest.mark.parametrize(
    "module", ["dls_keras", "dls_keras.cli.main", "dls_keras.course5"]
)
def test_importing_the_package_imports_no_heavy_library(module):
    """TensorFlow, Keras and NumPy are imported only with an assignment."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras", "numpy"} & set(done.stdout.split())
