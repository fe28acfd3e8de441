"""What the course's NumPy allowed and today's does not, for the learner's code alone.

Arrays of one element were numbers: `float(a)`, `"%f" % a` and `Z[i, j] = a` took them.
NumPy 2.4 refuses that, so `rewritten` puts calls of this module in their place.
`install` gives NumPy the names back that it has lost, `install_pictures` SciPy its
functions for pictures.
"""

import ast
import builtins
import copy
import importlib
import sys
import types
from typing import Any

import numpy as np

NAMES = {
    "int": int,
    "float": float,
    "bool": bool,
    "object": object,
    "str": str,
    "complex": complex,
    "float_": np.float64,
    "int_": np.int64,
    "infty": np.inf,
    "Inf": np.inf,
    "NaN": np.nan,
    "alltrue": np.all,
    "sometrue": np.any,
    "product": np.prod,
    "cumproduct": np.cumprod,
    "row_stack": np.vstack,
    "asscalar": lambda array: array.item(),
}
# Of the functions below among the learner's global names; a second underscore before it
# would be read as that of a private name in a class.
PREFIX = "_dls_keras_"


def install() -> None:
    """Define the names that NumPy had."""
    for name, value in NAMES.items():
        if not hasattr(np, name):
            setattr(np, name, value)


def install_pictures() -> None:
    """Define the functions for pictures that SciPy had, whose import takes memory."""
    for name in ("scipy.misc", "scipy.ndimage"):
        _add_pictures(name)


def _add_pictures(name):
    """Give a module of SciPy its functions that read and write pictures."""
    try:
        module = importlib.import_module(name)
    except ImportError:
        module = types.ModuleType(name)
        sys.modules[name] = module
        parent = sys.modules.get("scipy")
        if parent is not None:
            setattr(parent, name.split(".")[1], module)
    for function in (imread, imresize, imsave):
        if not hasattr(module, function.__name__):
            setattr(module, function.__name__, function)


def imread(name: Any, flatten: bool = False, mode: str | None = None) -> np.ndarray:
    """The picture of a file as an array of bytes, as `scipy.misc.imread` gave it."""
    from PIL import Image

    with Image.open(name) as picture:
        kind = mode or ("L" if flatten else picture.mode)
        return np.asarray(picture.convert("RGB" if kind == "P" else kind))


def imresize(array: np.ndarray, size: Any, **options: Any) -> np.ndarray:
    """A picture of (height, width) `size`, as `scipy.misc.imresize` made it."""
    from PIL import Image

    height, width = size[:2]
    return np.asarray(Image.fromarray(np.uint8(array)).resize((width, height)))


def imsave(name: Any, array: np.ndarray) -> None:
    """Write a picture to a file."""
    from PIL import Image

    Image.fromarray(np.uint8(array)).save(name)


# Arrays of one element.


def scalar(value: Any) -> Any:
    """The element of an array or tensor that has one, or else the value itself."""
    if getattr(value, "shape", ()) and np.size(value) == 1:
        return np.asarray(value).item()
    return value


def as_float(value: Any = 0.0) -> float:
    """`float(value)`; an array of one element is a number."""
    return builtins.float(scalar(value))


def as_int(value: Any = 0, *base: int) -> int:
    """`int(value)`; an array of one element is a number."""
    return builtins.int(scalar(value), *base)


def remainder(text: Any, values: Any) -> Any:
    """`text % values`; arrays of one element are numbers."""
    if isinstance(values, tuple):
        return text % tuple(map(scalar, values))
    return text % scalar(values)


def store(target: Any, index: Any, value: Any) -> None:
    """`target[index] = value`; an array of one element fits an element."""
    try:
        target[index] = value
    except (TypeError, ValueError):
        if scalar(value) is value:
            raise
        target[index] = scalar(value)


FUNCTIONS = {
    f"{PREFIX}{function.__name__}": function
    for function in (as_float, as_int, remainder, store)
}


def rewritten(node: ast.stmt) -> ast.stmt:
    """A copy of a definition that calls the functions of this module."""
    return _Rewriter().visit(copy.deepcopy(node))


class _Rewriter(ast.NodeTransformer):
    """Replaces conversions, formats and assignments to elements."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """`float(...)` and `int(...)`."""
        self.generic_visit(node)
        if isinstance(node.func, ast.Name) and node.func.id in ("float", "int"):
            node.func.id = f"{PREFIX}as_{node.func.id}"
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        """`"..." % (...)`."""
        self.generic_visit(node)
        text = isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        if isinstance(node.op, ast.Mod) and text:
            return self._call("remainder", node, node.left, node.right)
        return node

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        """`a[...] = value`, with one target."""
        self.generic_visit(node)
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Subscript):
            return node
        index = _index(target.slice)
        call = self._call("store", node, target.value, index, node.value)
        return ast.copy_location(ast.Expr(call), node)

    def _call(self, name, node, *arguments):
        function = ast.Name(PREFIX + name, ast.Load())
        call = ast.Call(function, list(arguments), [])
        return ast.copy_location(call, node)


def _index(node):
    """An expression for what stands between brackets: `1:2` becomes slice(1, 2)."""
    if isinstance(node, ast.Slice):
        bounds = [b or ast.Constant(None) for b in (node.lower, node.upper, node.step)]
        return ast.Call(ast.Name("slice", ast.Load()), bounds, [])
    if isinstance(node, ast.Tuple):
        return ast.Tuple([_index(part) for part in node.elts], ast.Load())
    return node
