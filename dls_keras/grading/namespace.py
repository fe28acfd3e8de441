"""Define the functions of a learner's file without running the rest of the file.

Of the top-level statements only these are executed: imports, definitions, and
assignments to global names that the functions use, together with what these need in
turn. Statements that only load data, train, test, plot or print are skipped, so a
notebook takes no longer than its imports. A statement that fails adds a note.

The name of a failed import is bound to a replacement: a helper of the course comes from
this package, a name that moved within Keras comes from its new module, and any other
name raises MissingImportError only when it is used.
"""

import ast
import contextlib
import importlib
import re
import symtable
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from dls_keras.grading import (
    course_files,
    guard,
    older_keras,
    older_numpy,
    older_tensorflow,
)
from dls_keras.grading.call_record import TimeLimitExceeded, time_limit
from dls_keras.grading.parse import Statement, Unparsable

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
MODULE = "solution"

# The modules of Keras 3 in which names are searched that moved.
KERAS_MODULES = (
    "layers",
    "models",
    "utils",
    "initializers",
    "optimizers",
    "losses",
    "applications",
    "activations",
    "regularizers",
    "callbacks",
    "backend",
)

DefinitionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Definition(NamedTuple):
    """A function or class of the file.

    Attributes:
        node: its syntax tree.
        cell: its cell or file.
        text: its lines, "" if they are not known.
        value: the function or class itself.
    """

    node: DefinitionNode
    cell: str
    text: str = ""
    value: Any = None


class MissingImportError(ImportError):
    """Code used a name whose import had failed."""


class MissingImport:
    """The value of a name whose import failed; calling it raises MissingImportError."""

    def __init__(
        self, name: str, helpers: dict[str, Callable[[], Any]], reason: str = ""
    ):
        self._name, self._helpers, self._reason = name, helpers, reason

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if attribute in self._helpers:
            return self._helpers[attribute]()
        name = f"{self._name}.{attribute}"
        return MissingImport(name, self._helpers, self._reason)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise MissingImportError(self._reason or f"{self._name} could not be imported")


class Namespace:
    """The global names that a file defines.

    Args:
        helpers: name -> a function that returns the helper of the course.
        older_stack: whether to allow what older versions of NumPy, Keras and TensorFlow
            did. This changes these libraries in the whole process.

    Attributes:
        names: the global variables, as the functions of the file see them.
        definitions: name -> the function or class that the learner wrote.
        provided: the names of helpers that come from this package.
        imported: name -> the other module from which it was imported.
        notes: messages about cells and imports.
        undefined: name -> the reason why its definition failed.
        unwritten: the names of `undefined` in which a place for code is empty.
        unbound: global names without a value -> why, if a file or module was missing.
    """

    def __init__(
        self, helpers: dict[str, Callable[[], Any]], older_stack: bool = False
    ):
        module = types.ModuleType(MODULE)
        sys.modules[MODULE] = module  # classes of the file look up their module here
        self.names = module.__dict__
        self.definitions: dict[str, Definition] = {}
        self.provided: set[str] = set()
        self.notes: list[str] = []
        self.undefined: dict[str, str] = {}
        self.imported: dict[str, str] = {}
        self.unwritten: set[str] = set()
        self.unbound: dict[str, str] = {}
        self._helpers, self._older_stack = helpers, older_stack
        self._used: set[str] = set()
        if older_stack:
            older_numpy.install()
            self.names |= older_numpy.FUNCTIONS

    def run(
        self,
        pieces: Iterable[Statement | Unparsable],
        begin: Callable[[str, bool], bool] = lambda key, importing: True,
        timeout: float = 10,
    ) -> None:
        """Execute the statements that the functions may need.

        Args:
            pieces: the file, as `parse.read` returns it.
            begin: called before each statement with its key, such as "cell 3, line
                1", and whether it is an import; if it returns False, the statement is
                skipped.
            timeout: the CPU time limit of a statement in seconds; imports have none.
        """
        pieces = list(pieces)
        for piece in pieces:
            if isinstance(piece, Unparsable):
                self.notes.append(piece.message)
                self.undefined |= dict.fromkeys(piece.defines, piece.message)
                self.unwritten |= set(piece.defines if piece.unwritten else ())
        statements = needed([p for p in pieces if isinstance(p, Statement)])
        self._used = set().union(*(used_names(one.node) for one in statements))
        for statement in statements:
            key = f"{statement.cell}, line {statement.node.lineno}"
            importing = isinstance(statement.node, IMPORTS)
            if not begin(key, importing):
                continue
            limit = contextlib.nullcontext() if importing else time_limit(timeout)
            try:
                with limit:
                    self._run(statement)
            except Exception as error:
                first_line = str(error).split("\n")[0][:200]
                note = f"{key} failed: {type(error).__name__}: {first_line}."
                self.notes.append(note)
                self._record_unbound(statement.node, error, note)
                if isinstance(statement.node, DEFINITIONS):
                    self.undefined[statement.node.name] = note
            except TimeLimitExceeded as error:
                self.notes.append(f"{key} failed: it {error}.")
            except SystemExit:
                self.notes.append(f"{key} failed: it calls sys.exit.")
            except BaseException as error:
                self.notes.append(
                    f"{key} failed: {str(error) or type(error).__name__}."
                )

    def taken(self) -> dict[str, str]:
        """The functions of other modules that an assignment binds, and their modules.

        As in `sigmoid = helpers.sigmoid`.
        """
        return {
            name: value.__module__ or "another file"
            for name, value in self.names.items()
            if isinstance(value, types.FunctionType)
            and name not in (*self.definitions, *self.provided, *self.imported)
            and value.__module__ not in (MODULE, older_numpy.__name__)
        }

    def own(self) -> dict[str, Any]:
        """The functions and classes that the file itself defines, by name.

        A name that was bound again to what the function returned, as in `model =
        model()`, still means the function.
        """
        foreign = {*self.provided, *self.imported, *self.taken()}
        found = {
            name: value
            for name, value in self.names.items()
            if callable(value)
            and name not in foreign
            and not isinstance(value, MissingImport)
        }
        for name, definition in self.definitions.items():
            value = found.get(name)
            if not isinstance(value, types.FunctionType | type):
                found[name] = definition.value
        return found

    def needs_graph(self, name: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a function of the file, or one that it calls, is of TensorFlow 1."""
        found = self.definitions.get(name)
        if not self._older_stack or found is None or name in seen:
            return False
        if older_tensorflow.GRAPH.search(ast.unparse(found.node)):
            return True
        called = used_names(found.node)
        return any(self.needs_graph(other, seen | {name}) for other in called)

    def _run(self, statement):
        node = statement.node
        if self._older_stack and isinstance(node, IMPORTS):
            if any(re.match(r"scipy\b", name) for name in imported_modules(node)):
                older_numpy.install_pictures()
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._import(alias, statement)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                self._import_from(node, alias, statement)
        if isinstance(node, IMPORTS):
            if self._older_stack and "tensorflow" in sys.modules:
                older_tensorflow.install()
                older_keras.install()
                older_keras.give_names()
        else:
            execute(node, statement.cell, self.names)
            if isinstance(node, DEFINITIONS):
                value, text = self.names.get(node.name), statement.text
                found = Definition(node, statement.cell, text, value)
                self.definitions[node.name] = found
                self.provided.discard(node.name)
                self.imported.pop(node.name, None)

    def _import(self, alias, statement):
        try:
            execute(ast.Import([alias]), statement.cell, self.names)
        except Exception as error:
            name = alias.asname or alias.name.split(".")[0]
            self.names[name] = self._missing(alias.name, error)
            self._note_import(statement, alias.name, error)

    def _import_from(self, node, alias, statement):
        try:
            single = ast.ImportFrom(node.module, [alias], node.level)
            self._record_imports(single, statement.cell)
            return
        except Exception as failed:
            error = failed
        module = node.module or "."
        if alias.name == "*":
            self._bring_along()
        if alias.name == "*" and "test" in module.lower():
            self._note_import(statement, module, error)
            return
        if alias.name == "*":
            for name in self._helpers:
                if name not in self.definitions:
                    self._provide(name, name)
            self._note_import(statement, module, error, provided=bool(self._helpers))
            return
        name = alias.asname or alias.name
        if alias.name in self._helpers:
            self._provide(name, alias.name)
            if not isinstance(error, guard.SolutionImportError):  # `start` suggests it
                self._note_import(statement, module, error, provided=True)
        elif (found := _moved(module, alias.name)) is not None:
            self.names[name] = found
        else:
            self.names[name] = self._missing(f"{module}.{alias.name}", error)
            self._note_import(statement, module, error)

    def _record_imports(self, node, cell):
        """Execute `from module import ...`; record what it binds."""
        before = dict(self.names)
        execute(node, cell, self.names)
        for name, value in self.names.items():
            if name not in before or before[name] is not value:
                self.imported[name] = node.module or "another file"
                self.provided.discard(name)

    def _record_unbound(self, node, error, note):
        """Record the names that a statement does not bind for want of a file."""
        missing = re.match(r"name '(\w+)' is not defined", str(error))
        follows = missing and missing[1] in self.unbound
        if follows or isinstance(error, OSError | ImportError):
            names = changed_names(node) - self.names.keys()
            self.unbound |= dict.fromkeys(names, note)

    def _bring_along(self):
        """Bind the modules that a helper file of the course brings along, if used."""
        for name in self._used & course_files.BROUGHT_ALONG.keys() - self.names.keys():
            if (found := course_files.brought_along(name)) is not None:
                self.names[name] = found
                self.imported[name] = "a helper file"

    def _missing(self, name, error):
        closed = isinstance(error, guard.SolutionImportError)
        return MissingImport(name, self._helpers, str(error) if closed else "")

    def _provide(self, name, helper):
        self.names[name] = self._helpers[helper]()
        self.provided.add(name)
        self.imported.pop(name, None)

    def _note_import(self, statement, module, error, provided=False):
        """Add one note per module: it is missing, and what replaces it."""
        opening = f"{statement.cell}: {module} "
        if isinstance(error, guard.SolutionImportError):
            opening = note = f"{statement.cell}: {error}"
            provided = False
        elif isinstance(error, ModuleNotFoundError):
            note = f"{opening}was not found"
        else:
            note = f"{opening}cannot be imported ({error})".split("\n")[0]
        if provided:
            note = f"{note}; the course's helpers come from dls_keras instead"
        if not any(known.startswith(opening) for known in self.notes):
            self.notes.append(note + ".")


def imported_modules(node: ast.Import | ast.ImportFrom) -> list[str]:
    """The full names of the modules that a statement imports."""
    if isinstance(node, ast.ImportFrom):
        return [node.module or "."]
    return [alias.name for alias in node.names]


def execute(node: ast.stmt, cell: str, names: dict[str, Any]) -> None:
    """Execute one statement in the namespace `names`; tracebacks name the cell."""
    if older_numpy.FUNCTIONS.keys() <= names.keys():
        node = older_numpy.rewritten(node)
    tree = ast.fix_missing_locations(ast.Module([node], []))
    exec(compile(tree, cell, "exec"), names)  # nosec B102: the learner's process


def allow_imports_next_to(path: Path) -> None:
    """Let the learner's file import modules of its own folder, searched last."""
    sys.path.append(str(path.resolve().parent))


# Which statements are needed.


def needed(statements: list[Statement]) -> list[Statement]:
    """Imports, definitions, and statements that bind or change a name they use."""
    chosen: set[int] = set()
    wanted: set[str] = set()
    for number, statement in enumerate(statements):
        if isinstance(statement.node, (*DEFINITIONS, *IMPORTS)) or _contains_definition(
            statement.node
        ):
            chosen.add(number)
            wanted |= used_names(statement.node)
    changes = [changed_names(statement.node) for statement in statements]
    grown = True
    while grown:
        grown = False
        for number, names in enumerate(changes):
            if number not in chosen and names & wanted:
                chosen.add(number)
                wanted |= used_names(statements[number].node)
                grown = True
    return [statements[number] for number in sorted(chosen)]


def used_names(node: ast.stmt) -> set[str]:
    """The global names that a statement reads, now or when its functions are called."""

    def tables(table):
        yield table
        for child in table.get_children():
            yield from tables(child)

    try:
        top = symtable.symtable(ast.unparse(node), "statement", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return set()
    return {
        symbol.get_name()
        for table in tables(top)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (table is top or symbol.is_global())
    }


def changed_names(node: ast.stmt) -> set[str]:
    """The names that a statement binds or whose value it changes.

    `a = 1`, `a, b = f()`, `a[0] = 1`, `a.x = 1` and `a.append(1)` all change `a`.
    """
    found = set()
    for part in ast.walk(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, ast.Subscript | ast.Attribute):
            stored = isinstance(part.ctx, ast.Store)
            if stored and (base := _base(part)):
                found.add(base)
    call = node.value if isinstance(node, ast.Expr) else None
    if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
        if call.func.attr in ("append", "extend", "update", "insert", "add"):
            found |= {base for base in [_base(call.func)] if base}
    return found


def _base(node) -> str:
    """The leftmost name of an expression such as `a.b[c].d`: "a"; or ""."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _contains_definition(node) -> bool:
    """Whether an `if`, `try` or `with` contains imports or definitions."""
    if not isinstance(node, ast.If | ast.Try | ast.With):
        return False
    test = getattr(node, "test", None)
    if test is not None and "__main__" in ast.dump(test):
        return False
    return any(isinstance(part, (*DEFINITIONS, *IMPORTS)) for part in ast.walk(node))


def _moved(module, name):
    """The object of `from module import name` in Keras 3, or None."""
    if "keras" not in module.split("."):
        return None
    keras = importlib.import_module("keras")
    for place in (keras, *(getattr(keras, part, None) for part in KERAS_MODULES)):
        if hasattr(place, name):
            return getattr(place, name)
    return None
