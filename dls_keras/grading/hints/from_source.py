"""Hints from the source text of a function and from the exception that it raises."""

import ast
import re
import traceback
from collections.abc import Iterator

from dls_keras.grading.call_record import CallAborted, TimeLimitExceeded
from dls_keras.grading.namespace import DefinitionNode

FIRST_LINE = 200  # characters of an error message that are shown
# Keyword arguments of layers that are never None.
SIZES = ("filters", "kernel_size", "units", "n_filters", "target_shape")
TAKE_NONE = ("isinstance", "print", "slice")  # calls in which None is a valid argument


def described(error: BaseException) -> str:
    """How a call ended, in one line without its subject: "raises KeyError: 'w'"."""
    if isinstance(error, TimeLimitExceeded | CallAborted):
        return str(error)
    if isinstance(error, SystemExit):
        return "calls sys.exit"
    first = str(error).split("\n")[0][:FIRST_LINE]
    return f"raises {type(error).__name__}: {first}".rstrip(": ")


# A pattern of "Type: message" -> the hint; {0} is the first group of the pattern.
HINTS = {
    r"solutions of dls_keras": "",  # the message says what to do
    r"ValueError: shapes .* not aligned|matmul.*mismatch|Matrix size-incompatible": (
        "The inner sizes of a matrix product differ: print both shapes. Is a transpose "
        "missing, are the factors in the wrong order, or did you mean *?"
    ),
    r"could not be broadcast|Incompatible shapes|incompatible shapes": (
        "Two shapes do not match in an elementwise operation: did you mean a matrix "
        "product (np.dot) instead of *, or is a rank-1 array combined with a matrix?"
    ),
    r"0-dimensional arrays can be converted|only (length|size)-1 arrays": (
        "A single number is expected, but this is an array: use np.squeeze(...).item() "
        "instead of float(...), and np.exp instead of math.exp."
    ),
    r"UnboundLocalError|cannot access local variable": (
        "A variable is used before this function has assigned a value to it."
    ),
    r"NameError: name '(\w+)'": (
        "{0} is not an argument, not assigned before in this function, and not defined "
        "at the top of the file (or its cell failed)."
    ),
    r"KeyError: '?([^']+)'?": "There is no key {0}: print the keys of that dict.",
    r"IndexError": "An index is out of range: does a range go one step too far?",
    r"ZeroDivisionError": "Division by 0: is m taken from the right axis?",
    r"'NoneType'": (
        "A value is None: is a placeholder left, or does a function have no `return`?"
    ),
    r"RecursionError": "The function calls itself without end.",
    r"MemoryError|Unable to allocate|ResourceExhausted": (
        "It needs more memory than is allowed (--memory): is a shape too large, or "
        "does a list grow without end?"
    ),
    r"missing \d+ required (positional|keyword)|takes .* positional argument|"
    r"unexpected keyword argument": (
        "The arguments do not match: compare the `def` line of this function, and of "
        "the functions that it calls, with those of the course."
    ),
    r"numpy' has no attribute '(int|bool|float|object)'": (
        "np.{0} was removed from NumPy: write {0}."
    ),
    r"tensorflow' has no attribute '(Session|placeholder|get_variable|"
    r"global_variables_initializer|reset_default_graph|contrib|set_random_seed)'": (
        "tf.{0} belongs to TensorFlow 1: TensorFlow 2 computes eagerly, without "
        "sessions and placeholders."
    ),
    r"has no attribute '(\w+)'": "The object has no attribute {0}: print its type.",
    r"MissingImportError|ModuleNotFoundError|ImportError": (
        "A module is missing: install it, or put it in the folder of your file."
    ),
    r"KerasTensor cannot be used|KerasTensor is symbolic": (
        "In Keras 3, use keras.ops or a layer instead of a tf function on the symbolic "
        "inputs of a model."
    ),
    r"Only input tensors may be passed as positional": (
        "In Keras 3, pass training= and mask= by keyword when you call a layer."
    ),
    r"UnidentifiedImageError|FileNotFoundError": (
        "A file was not found: the functions are run in an empty folder."
    ),
    r"cannot compute .* as input|InvalidArgumentError.*(?:float|int)": (
        "The dtypes of two tensors differ: use tf.cast on one of them."
    ),
}


def hint(error: BaseException) -> str:
    """A hint about an exception; "" if there is none."""
    if isinstance(error, TimeLimitExceeded):
        return "Does every loop end? Use --timeout to allow more time."
    if isinstance(error, SystemExit):
        return "End a function with `return`."
    text = f"{type(error).__name__}: {error}"
    for pattern, words in HINTS.items():
        if match := re.search(pattern, text):
            return words.format(*match.groups())
    return ""


# Placeholders.


def placeholder(
    function: DefinitionNode, error: BaseException | None = None
) -> int | None:
    """The line of the first placeholder that is left in a function, or None.

    A placeholder is `...`, a body without statements, a name that is only ever set to
    None, or None where a value is required: in a range, a sum, a condition, a loop, as
    all arguments of a call, or as the size of a layer; also `raise
    NotImplementedError`, if it is the whole body or has raised `error`.
    """
    if isinstance(function, ast.ClassDef):
        found = (
            placeholder(f, error)
            for f in function.body
            if isinstance(f, ast.FunctionDef)
        )
        return next((line for line in found if line), None)
    body = [s for s in function.body if not _is_text(s)]
    if not body or all(isinstance(s, ast.Pass) for s in body):
        return function.lineno
    if _raises(body[0]):
        return body[0].lineno
    raised = _line_in(function, error)
    return min((*_placeholders(function), *raised), default=None)


def _raises(node):
    """Whether a statement is `raise NotImplementedError`."""
    match node:
        case ast.Raise(exc=ast.Name(id=raised) | ast.Call(func=ast.Name(id=raised))):
            return raised == "NotImplementedError"
    return False


def _line_in(function, error):
    """The line of a function that itself raised a NotImplementedError, as a list."""
    if not isinstance(error, NotImplementedError) or error.__traceback__ is None:
        return []
    last = traceback.extract_tb(error.__traceback__)[-1].lineno
    lines = [node.lineno for node in ast.walk(function) if _raises(node)]
    return [line for line in lines if line == last]


def _placeholders(function: ast.AST) -> Iterator[int]:
    """The lines of all placeholders."""
    values: dict[str, list[tuple[ast.AST, int]]] = {}  # target -> (value, line) pairs
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                names = target.elts if isinstance(target, ast.Tuple) else [target]
                parts = _assigned_parts(node.value, len(names))
                for name, part in zip(names, parts, strict=True):
                    if not isinstance(name, ast.Attribute):  # self.x may start as None
                        key = ast.dump(name)
                        values.setdefault(key, []).append((part, node.lineno))
        elif isinstance(node, ast.AugAssign | ast.AnnAssign | ast.For):
            values.setdefault(ast.dump(node.target), []).append((node, node.lineno))
        operands: list[ast.expr] = []
        match node:
            case ast.Expr(value=ast.Constant(value=value)) if value is ...:
                yield node.lineno
            case ast.Call(func=func) if getattr(func, "id", "") not in TAKE_NONE:
                operands = node.args[:2] if all(map(_is_none, node.args)) else []
            case ast.keyword(arg=argument) if argument in SIZES:
                operands = [node.value]
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


def _assigned_parts(value, count):
    """The values that `count` targets of an assignment receive."""
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
    """The line where a loop creates a layer, or None."""
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
    """The line where an attention layer receives a fourth positional argument."""
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and len(node.args) >= 4:
            name = getattr(node.func, "attr", "").lower()
            if "mha" in name or "attention" in name:
                return node.lineno
    return None
