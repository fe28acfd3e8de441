"""Who may import whom, read from the files themselves."""

import ast
import subprocess
import sys

import pytest

from dls_keras import catalog
from dls_keras.core import files

ORDER = [row.module for row in catalog.ASSIGNMENTS]
FILES = sorted(files.PACKAGE.rglob("*.py"))

# Each room, and the rooms it may use besides itself.
ROOMS = {
    "core": set(),
    "fast": {"core"},
    "datasets": {"core"},
    "music": {"core"},
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
    # The front of the house; it meets assignments by name, through the catalogue.
    "models": {"core", "converters", "catalog"},
    "grading": {"core", "reference", "catalog", "models"},
    "cli": {
        *("core", "converters", "catalog", "plots", ""),
        *("models", "grading"),
    },
    "": {"catalog"},  # dls_keras/__init__.py
    "__main__": {"cli"},
}


def module_of(path):
    """The dotted name of a file of the package."""
    parts = path.relative_to(files.PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def room_of(module):
    """The room of a module of ours: "core", "course", "" for the package itself."""
    room = (module.split(".") + [""])[1]
    return "course" if room in {f"course{n}" for n in catalog.COURSES} else room


MODULES = {module_of(path) for path in FILES}


def imports(source):
    """The modules of ours that a source imports, at its top or late."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "we import by full names"
            # `from dls_keras.core import files` imports the module files.
            whole = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (whole & MODULES) or {node.module}
    return {name for name in found if name.split(".")[0] == "dls_keras"}


def wrong(module, source):
    """The imports in a module's source that the rules forbid."""
    room, bad = room_of(module), set()
    for other in imports(source):
        if room_of(other) == "course" and room == "course":
            both = other in ORDER and module in ORDER
            if not both or ORDER.index(other) >= ORDER.index(module):
                bad.add(other)
        elif room_of(other) not in ROOMS[room] | {room}:
            bad.add(other)
    return bad


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_a_file_imports_only_what_its_room_may(path):
    """And every file stands in a room."""
    module = module_of(path)
    assert room_of(module) in ROOMS
    assert wrong(module, path.read_text("utf-8")) == set()


@pytest.mark.parametrize(
    ("module", "source", "bad"),
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
def test_the_rules_bite(module, source, bad):
    """Late imports, too, and assignments that look ahead."""
    assert wrong(module, source) == ({bad} if bad else set())


def test_no_file_is_a_drawer():
    """A good home has a noun for a name."""
    assert not {path.stem for path in FILES} & {"utils", "util", "helpers", "misc"}


@pytest.mark.parametrize(
    "module", ["dls_keras", "dls_keras.cli.main", "dls_keras.course5"]
)
def test_importing_the_front_is_light(module):
    """No TensorFlow, Keras or NumPy before somebody asks for an assignment."""
    program = f"import sys, {module}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras", "numpy"} & set(done.stdout.split())
