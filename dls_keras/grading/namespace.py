"""The functions of a learner's file, defined without running the rest of it.

Of the top-level statements those are run that a function may need: imports,
definitions, and assignments to names that functions use as globals, with what these
need in turn. What only loads data, trains, tests, draws or prints is left alone, so a
notebook is opened in the time of its imports. A statement that fails leaves a note.

An import that fails binds a stand-in: the helpers of the course come from this
package, names that moved within Keras from their new place, and anything else
complains only when it is used.
"""

import ast
import contextlib
import importlib
import symtable
import sys
import types
from collections.abc import Callable, Iterable
from pathlib import Path

from dls_keras.grading.call_record import within
from dls_keras.grading.parse import Statement, Unreadable

DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
MODULE = "solution"

# Where Keras 3 keeps what older notebooks import from elsewhere.
KERAS_ROOMS = ("layers", "models", "utils", "initializers", "optimizers", "losses")
KERAS_ROOMS += ("applications", "activations", "regularizers", "callbacks", "backend")


class NotHere(ImportError):
    """Something was used whose module could not be imported."""


class Absent:
    """In the place of what could not be imported; using it raises NotHere."""

    def __init__(self, name, helpers):
        self._name, self._helpers = name, helpers

    def __getattr__(self, attribute):
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        if attribute in self._helpers:
            return self._helpers[attribute]()
        return Absent(f"{self._name}.{attribute}", self._helpers)

    def __call__(self, *args, **kwargs):
        raise NotHere(f"{self._name} could not be imported and is not here")


class Workspace:
    """The names that a file defines.

    Attributes:
        names: the file's global names, as its functions see them.
        nodes: function -> the statement that defines it.
        supplied: the names that are ours, since the file does not bring them.
        notes: sentences about cells and imports.
        unreadable: function -> why its definition is no Python.
    """

    def __init__(self, helpers: dict[str, Callable[[], object]]):
        module = types.ModuleType(MODULE)
        sys.modules[MODULE] = module  # where the file's classes say they are from
        self.names = module.__dict__
        self.nodes: dict[str, Statement] = {}
        self.supplied: set[str] = set()
        self.notes: list[str] = []
        self.unreadable: dict[str, str] = {}
        self._helpers = helpers

    def run(
        self,
        pieces: Iterable[Statement | Unreadable],
        begin: Callable[[str, bool], bool] = lambda key, importing: True,
        timeout: float = 10,
    ) -> None:
        """Run the statements that functions may need.

        Args:
            pieces: the file, as `cells.read` gives it.
            begin: called before each statement with its key, such as "cell 3, line
                1", and whether it imports; False leaves it out.
            timeout: seconds that a statement may take, unless it imports.
        """
        pieces = list(pieces)
        for piece in pieces:
            if isinstance(piece, Unreadable):
                self.notes.append(piece.message)
                self.unreadable |= dict.fromkeys(piece.defines, piece.message)
        for statement in needed([p for p in pieces if isinstance(p, Statement)]):
            key = f"{statement.cell}, line {statement.node.lineno}"
            importing = isinstance(statement.node, IMPORTS)
            if not begin(key, importing):
                continue
            limit = contextlib.nullcontext() if importing else within(timeout)
            try:
                with limit:
                    self._run(statement)
            except Exception as error:
                first_line = str(error).split("\n")[0][:200]
                self.notes.append(
                    f"{key} stopped: {type(error).__name__}: {first_line}."
                )
                if isinstance(statement.node, DEFINITIONS):
                    self.unreadable[statement.node.name] = self.notes[-1]
            except BaseException as error:  # sys.exit, or out of time
                self.notes.append(f"{key} stopped: {said(error)}.")

    def _run(self, statement):
        node = statement.node
        if isinstance(node, ast.Import):
            for alias in node.names:
                self._import(alias, statement)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                self._import_from(node, alias, statement)
        else:
            run(node, statement.cell, self.names)
            if isinstance(node, DEFINITIONS):
                self.nodes[node.name] = statement
                self.supplied.discard(node.name)

    def _import(self, alias, statement):
        try:
            run(ast.Import([alias]), statement.cell, self.names)
        except Exception as error:
            name = alias.asname or alias.name.split(".")[0]
            self.names[name] = Absent(alias.name, self._helpers)
            self._note_import(statement, alias.name, error, ())

    def _import_from(self, node, alias, statement):
        try:
            single = ast.ImportFrom(node.module, [alias], node.level)
            run(single, statement.cell, self.names)
            return
        except Exception as failed:
            error = failed
        module = node.module or "."
        if alias.name == "*" and "test" in module.lower():
            self._note_import(statement, module, error, ())
            return
        if alias.name == "*":
            for name in self._helpers:
                self._supply(name, name)
            self._note_import(statement, module, error, tuple(self._helpers))
            return
        name = alias.asname or alias.name
        if alias.name in self._helpers:
            self._supply(name, alias.name)
            self._note_import(statement, module, error, (alias.name,))
        elif (found := _moved(module, alias.name)) is not None:
            self.names[name] = found
        else:
            absent = Absent(f"{module}.{alias.name}", self._helpers)
            self.names[name] = absent
            self._note_import(statement, module, error, ())

    def _supply(self, name, helper):
        self.names[name] = self._helpers[helper]()
        self.supplied.add(name)

    def _note_import(self, statement, module, error, ours):
        """Say once a module that it is missing, and what stands in for it."""
        opening = f"{statement.cell}: {module} "
        missing = isinstance(error, ModuleNotFoundError)
        why = (
            "is not here" if missing else f"cannot be imported ({error})".split("\n")[0]
        )
        note = opening + why
        if ours:
            note = f"{note}; helpers of the course come from dls_keras instead"
        if not any(known.startswith(opening) for known in self.notes):
            self.notes.append(note + ".")


def run(node: ast.stmt, cell: str, names: dict) -> None:
    """Run one statement among `names`; errors in it name the cell."""
    tree = ast.fix_missing_locations(ast.Module([node], []))
    exec(compile(tree, cell, "exec"), names)


def said(error: BaseException) -> str:
    """An error that is no Exception, in words."""
    if isinstance(error, SystemExit):
        return "it calls sys.exit"
    return str(error) or type(error).__name__


def beside(path: Path) -> None:
    """Let the learner's file import the modules beside it, after all others."""
    sys.path.append(str(path.resolve().parent))


# Which statements are needed.


def needed(statements: list[Statement]) -> list[Statement]:
    """Imports, definitions, and what binds or changes a name that these use."""
    chosen, wanted = set(), set()
    for number, statement in enumerate(statements):
        if isinstance(statement.node, (*DEFINITIONS, *IMPORTS)) or _holds_one(
            statement.node
        ):
            chosen.add(number)
            wanted |= uses(statement.node)
    changes = [changed(statement.node) for statement in statements]
    grown = True
    while grown:
        grown = False
        for number, names in enumerate(changes):
            if number not in chosen and names & wanted:
                chosen.add(number)
                wanted |= uses(statements[number].node)
                grown = True
    return [statements[number] for number in sorted(chosen)]


def uses(node: ast.stmt) -> set[str]:
    """The global names that a statement uses, now or in its functions later."""

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


def changed(node: ast.stmt) -> set[str]:
    """The names that a statement binds, or whose value it changes.

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
    """The name on the left of `a.b[c].d`."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _holds_one(node) -> bool:
    """Whether an `if` or a `try` holds imports or definitions."""
    if not isinstance(node, ast.If | ast.Try | ast.With):
        return False
    test = getattr(node, "test", None)
    if test is not None and "__main__" in ast.dump(test):
        return False
    return any(isinstance(part, (*DEFINITIONS, *IMPORTS)) for part in ast.walk(node))


def _moved(module, name):
    """What `from module import name` meant, where Keras 3 keeps it; None if nothing."""
    if "keras" not in module.split("."):
        return None
    keras = importlib.import_module("keras")
    for place in (keras, *(getattr(keras, room, None) for room in KERAS_ROOMS)):
        if hasattr(place, name):
            return getattr(place, name)
    return None
