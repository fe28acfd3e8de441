"""Keep the solutions of this package from the learner's code in a worker.

`install` closes the lessons, their fast forms, the reference cases and the grading: the
learner's code can no longer import their modules, find them in `sys.modules`, or open
their files. The rest of dls_keras may be used. The runner compares the results in
another process in any case; the guard makes a solution that only calls ours fail with a
sentence that says why.

Code that searches the memory of its own process, or starts another process, can still
find a solution; so can whoever copies its text.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType
from typing import Any

from dls_keras import catalog
from dls_keras.core import files

CLOSED = (*(f"course{n}" for n in catalog.COURSES), "fast", "grading", "reference")

_hidden: dict[str, ModuleType] = {}
_closed_files: set[tuple[int, int]] = set()  # their identities on the disk
_here = threading.local()  # `open` in a thread that may use the closed modules


class SolutionImportError(ImportError):
    """The learner's code imported a module that contains solutions."""


def closed(module: str) -> bool:
    """Whether a module, by its full name, contains solutions or judges them."""
    package, _, rest = module.partition(".")
    return package == "dls_keras" and rest.split(".")[0] in CLOSED


def sentence(module: str) -> str:
    """Why the module cannot be used, and what to do."""
    return (
        f"{module} belongs to the solutions of dls_keras, which a checked file cannot "
        "use: write the function yourself"
    )


def install() -> None:
    """Close the solutions for all code of this process, except in `lifted`."""
    sys.meta_path.insert(0, _Finder())
    sys.addaudithook(_audit)
    _hide()


@contextlib.contextmanager
def lifted() -> Iterator[None]:
    """Let this thread use the closed modules within a block."""
    if not _closed_files:  # not installed
        yield
        return
    before = getattr(_here, "open", False)
    _here.open = True
    _show()
    try:
        yield
    finally:
        _here.open = before
        if not before:
            _hide()


class _Finder(MetaPathFinder):
    """Refuses to find the closed modules."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> None:
        """Raise SolutionImportError for a closed module."""
        if closed(fullname) and not getattr(_here, "open", False):
            raise SolutionImportError(sentence(fullname), name=fullname)


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to open the files of closed modules and of the reference cases."""
    if event != "open" or getattr(_here, "open", False):
        return
    try:
        found = _identity(arguments[0]) in _closed_files
    except (OSError, TypeError, ValueError):
        return
    if found:  # not an ImportError: whoever shows a traceback expects an OSError
        raise PermissionError(sentence(str(arguments[0])))


def _identity(path, stat=os.stat):  # a default, which no patch of os.stat changes
    """What a file has in common with the links to it."""
    status = stat(path)
    return status.st_dev, status.st_ino


def _hide() -> None:
    """Remove the closed modules from `sys.modules` and from the package."""
    for folder in CLOSED:
        for path, _, names in os.walk(files.PACKAGE / folder):
            for name in names:
                with contextlib.suppress(OSError):  # one may be temporary
                    _closed_files.add(_identity(os.path.join(path, name)))
    for name in [name for name in sys.modules if closed(name)]:
        _hidden[name] = sys.modules.pop(name)
        vars(sys.modules["dls_keras"]).pop(name.split(".")[1], None)


def _show() -> None:
    """Undo `_hide`."""
    sys.modules.update(_hidden)
    for name, module in _hidden.items():
        if name.count(".") == 1:
            setattr(sys.modules["dls_keras"], name.split(".")[1], module)
