"""Mistakes that show in the text of a function or in what it raises."""

import ast
import re
from collections.abc import Iterator

from dls_keras.grading.call_record import OutOfTime, Stopped

FIRST_LINE = 200  # characters of an error that are shown
TAKE_NONE = "isinstance", "print", "slice"  # functions for which None is no gap


def told(error: BaseException) -> str:
    """What the function raised, in one line."""
    if isinstance(error, OutOfTime):
        return str(error)
    if isinstance(error, SystemExit):
        return "calls sys.exit"
    if isinstance(error, Stopped | KeyboardInterrupt):
        return str(error) or type(error).__name__
    first = str(error).split("\n")[0][:FIRST_LINE]
    return f"raises {type(error).__name__}: {first}".rstrip(": ")


# Pattern of "Type: message" -> what to look at.
HINTS = {
    r"ValueError: shapes .* not aligned|matmul.*mismatch|Matrix size-incompatible": (
        "The inner sizes of a matrix product differ: print both shapes; a transpose is "
        "missing, the factors are in the wrong order, or * is meant."
    ),
    r"could not be broadcast|Incompatible shapes|incompatible shapes": (
        "Two shapes do not fit element by element: is a matrix product (np.dot) meant "
        "where * stands, or does a rank-1 array meet a matrix?"
    ),
    r"NotImplementedError": "Not written yet.",
    r"0-dimensional arrays can be converted|only (length|size)-1 arrays": (
        "A number is asked of an array with an axis: use np.squeeze(...).item(), not "
        "float(...); math.exp takes numbers only, np.exp arrays."
    ),
    r"UnboundLocalError|cannot access local variable": (
        "A variable is read before this function has given it a value."
    ),
    r"NameError: name '(\w+)'": (
        "{0} is neither an argument, nor set before in this function, nor defined at "
        "the top of the file (or its cell stopped)."
    ),
    r"KeyError: '?([^']+)'?": "There is no key {0}: print the keys of that dict.",
    r"IndexError": "An index is past the end: does a range go one too far?",
    r"ZeroDivisionError": "Something is divided by 0: is m taken from the right axis?",
    r"'NoneType'": (
        "Something is None that should be a value: a gap not filled, or a function "
        "without `return`."
    ),
    r"RecursionError": "It calls itself without end.",
    r"MemoryError|Unable to allocate|ResourceExhausted": (
        "It asks for more memory than is allowed (--memory): does a shape blow up, or "
        "a list grow for ever?"
    ),
    r"missing \d+ required (positional|keyword)|takes .* positional argument|"
    r"unexpected keyword argument": (
        "The arguments do not fit: compare the first line of the function with the "
        "course's, or that of the function that it calls."
    ),
    r"numpy' has no attribute '(int|bool|float|object)'": (
        "np.{0} is gone from NumPy: write {0}."
    ),
    r"tensorflow' has no attribute '(Session|placeholder|get_variable|"
    r"global_variables_initializer|reset_default_graph|contrib|set_random_seed)'": (
        "tf.{0} belongs to TensorFlow 1: TensorFlow 2 computes at once, without "
        "sessions and placeholders."
    ),
    r"has no attribute '(\w+)'": "There is no .{0} on it: print its type.",
    r"NotHere|ModuleNotFoundError|ImportError": (
        "A module is missing here; put it beside the file, or install it."
    ),
    r"KerasTensor cannot be used|KerasTensor is symbolic": (
        "Keras 3 wants keras.ops or a layer where a tf function meets a model's input."
    ),
    r"Only input tensors may be passed as positional": (
        "Keras 3 wants training= and mask= by keyword in the call of a layer."
    ),
    r"UnidentifiedImageError|FileNotFoundError": (
        "A file is not found: functions are tried in an empty folder."
    ),
    r"cannot compute .* as input|InvalidArgumentError.*(?:float|int)": (
        "The dtypes of two tensors differ: tf.cast one of them."
    ),
}


def hint(error: BaseException) -> str:
    """What to look at, given what was raised; "" if there is nothing to say."""
    if isinstance(error, OutOfTime):
        return "Does every loop come to an end? --timeout gives more time."
    if isinstance(error, SystemExit):
        return "A function ends by `return`."
    text = f"{type(error).__name__}: {error}"
    for pattern, words in HINTS.items():
        if match := re.search(pattern, text):
            return words.format(*match.groups())
    return ""


# Gaps.


def placeholder(function: ast.stmt) -> int | None:
    """The line of a gap that is still to be filled; None if there is none.

    A gap is `...`, `raise NotImplementedError`, a body without statements, a name set
    to None and to nothing else, or a None where a value must stand: in a range, in a
    sum, as the argument by position of a call, in what is gone through.
    """
    if isinstance(function, ast.ClassDef):
        found = (
            placeholder(f) for f in function.body if isinstance(f, ast.FunctionDef)
        )
        return next((line for line in found if line), None)
    body = [s for s in function.body if not _is_text(s)]
    if not body or all(isinstance(s, ast.Pass) for s in body):
        return function.lineno
    lines = [line for line in _gaps(function)]
    return min(lines) if lines else None


def _gaps(function) -> Iterator[int]:
    values = {}  # name -> what it is set to
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                parts = _matching(node.value, len(names))
                for name, part in zip(names, parts, strict=True):
                    if not isinstance(name, ast.Attribute):  # self.x may start as None
                        values.setdefault(ast.dump(name), []).append(
                            (part, node.lineno)
                        )
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
            values.setdefault(ast.dump(node.target), []).append((node, node.lineno))
        operands = []
        match node:
            case ast.Raise(exc=ast.Name(id=name) | ast.Call(func=ast.Name(id=name))):
                if name == "NotImplementedError":
                    yield node.lineno
            case ast.Expr(value=ast.Constant(value=value)) if value is ...:
                yield node.lineno
            case ast.Call(func=func) if getattr(func, "id", "") not in TAKE_NONE:
                operands = node.args[:2] if node.args else []
                operands = operands if all(map(_is_none, node.args)) else []
            case ast.BinOp():
                operands = [node.left, node.right]
            case ast.For() | ast.comprehension():
                operands = [node.iter]
            case ast.If() | ast.While():
                operands = [node.test]
            case ast.Attribute() | ast.Subscript():
                operands = [node.value]
        for operand in operands:
            if _is_none(operand):
                yield operand.lineno
    returns = [n for n in ast.walk(function) if isinstance(n, ast.Return)]
    if returns and all(n.value is not None and _is_none(n.value) for n in returns):
        yield returns[0].lineno
    for settings in values.values():
        if all(_is_none(part) for part, _ in settings):
            yield settings[0][1]


def _matching(value, count):
    if isinstance(value, ast.Tuple) and len(value.elts) == count:
        return value.elts
    return [value] * count


def _is_none(node):
    return isinstance(node, ast.Constant) and (node.value is None or node.value is ...)


def _is_text(statement):
    return isinstance(statement, ast.Expr) and (
        isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def layer_in_loop(function: ast.stmt) -> int | None:
    """The line where a loop makes a layer and calls it at once; None if none does."""
    for loop in ast.walk(function):
        if not isinstance(loop, ast.For | ast.While):
            continue
        for node in ast.walk(loop):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if name[:1].isupper() and name not in ("Input", "Model"):
                    return node.lineno
    return None


def mask_by_position(function: ast.stmt) -> int | None:
    """The line where an attention takes its mask as the fourth argument, or None."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and len(node.args) >= 4:
            name = getattr(node.func, "attr", "").lower()
            if "mha" in name or "attention" in name:
                return node.lineno
    return None
