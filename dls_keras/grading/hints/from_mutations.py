"""Hints from mutations: find a single edit with which all cases pass.

Many mistakes are a single wrong operator, axis or factor. The rules below list such
edits of a function, the most common mistakes first, and the cases are run with each
edit. An edit with which all cases pass locates the mistake; the hint is a question
about its line, not the correction itself.
"""

import ast
import copy
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

REDUCTIONS = {"sum", "mean", "max", "min", "norm", "argmax", "reduce_sum", "softmax"}
REDUCTIONS |= {"reduce_mean", "reduce_max", "prod", "amax"}
PRODUCTS = {"dot", "matmul"}
OTHER_FUNCTIONS = {
    "log2": ("log", "log2 is not the natural logarithm: did you mean np.log?"),
    "log10": ("log", "log10 is not the natural logarithm: did you mean np.log?"),
    "rand": ("randn", "rand is uniform: did you mean randn (normal distribution)?"),
    "max": ("argmax", "did you mean the index (argmax), not the value (max)?"),
    "argmax": ("max", "did you mean the value (max), not the index (argmax)?"),
    "reduce_sum": ("reduce_mean", "did you mean the mean, not the sum?"),
    "reduce_mean": ("reduce_sum", "did you mean the sum, not the mean?"),
    "floor": ("ceil", "did you mean to round up (ceil)?"),
}
OTHER_STRINGS = {
    "relu": ("sigmoid", "tanh"),
    "sigmoid": ("relu", "softmax"),
    "softmax": ("sigmoid",),
    "tanh": ("relu", "sigmoid"),
    "same": ("valid",),
    "valid": ("same",),
    "SAME": ("VALID",),
    "VALID": ("SAME",),
}
ACCUMULATES = "did you mean +=, to accumulate a sum?"
ROUNDS_DOWN = "did you mean a whole number (// or np.floor)?"
OTHER_OPERATORS = {
    ast.Mult: (
        (ast.MatMult, "* multiplies element by element: did you mean np.dot or @?"),
        (ast.Div, "did you mean a division, not a product?"),
    ),
    ast.MatMult: ((ast.Mult, "@ is the matrix product: did you mean *?"),),
    ast.Add: ((ast.Sub, "did you mean -, not +?"),),
    ast.Sub: ((ast.Add, "did you mean +, not -?"),),
    ast.Div: (
        (ast.Mult, "did you mean a product, not a division?"),
        (ast.FloorDiv, ROUNDS_DOWN),
    ),
    ast.FloorDiv: ((ast.Div, "// rounds down to whole numbers: did you mean /?"),),
    ast.Gt: ((ast.GtE, "did you mean >=, not >?"), (ast.Lt, "did you mean <, not >?")),
    ast.GtE: (
        (ast.Gt, "did you mean >, not >=?"),
        (ast.LtE, "did you mean <=, not >=?"),
    ),
    ast.Lt: ((ast.LtE, "did you mean <=, not <?"), (ast.Gt, "did you mean >, not <?")),
    ast.LtE: (
        (ast.Lt, "did you mean <, not <=?"),
        (ast.GtE, "did you mean >=, not <=?"),
    ),
}

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef
# A node to change, a function that builds its replacement, and the question to ask.
Mutation = tuple[ast.AST, Callable[[Any], Any], str]


def find(
    function: FunctionNode,
    passes: Callable[[FunctionNode], bool],
    time_left: Callable[[], bool],
    rounds: bool = False,
) -> tuple[int, str] | None:
    """The line and the question of the first mutation for which `passes` is true.

    Args:
        function: the definition that the learner wrote.
        passes: whether all cases pass with another definition.
        time_left: whether there is time for another mutation.
        rounds: whether a whole number may be missing, so that // may replace /.
    """
    loops = [n for n in ast.walk(function) if isinstance(n, ast.For | ast.While)]
    repeated = {id(node) for loop in loops for node in ast.walk(loop)}
    single = [
        [one]
        for one in mutations(function)
        if (rounds or one[2] != ROUNDS_DOWN)
        and (id(one[0]) in repeated or one[2] != ACCUMULATES)
    ]
    for changes in (*single, *twins(function, single)):
        if not time_left():
            return None
        if passes(mutated(function, *changes)):
            target, _, question = changes[0]
            return getattr(target, "lineno", function.lineno), question
    return None


def twins(
    function: FunctionNode, single: list[list[Mutation]]
) -> Iterator[list[Mutation]]:
    """The same mutation in lines that differ only in numbers, such as dW1 and dW2."""
    found: dict[tuple[str, str], dict[int, Mutation]] = {}
    for ((target, build, question),) in single:
        if isinstance(target, ast.expr | ast.stmt):
            text = re.sub(r"\d+", "0", ast.unparse(target))
            settings = "".join(map(_dumped, build.__defaults__ or ()))
            code = build.__code__.co_code
            key = text, f"{type(target).__name__} {question} {settings} {code!r}"
            found.setdefault(key, {})[id(target)] = (target, build, question)
    for group in found.values():
        lines = {getattr(target, "lineno", 0) for target, _, _ in group.values()}
        if 2 <= len(group) == len(lines) <= 8:
            yield list(group.values())


def _dumped(value):
    """A default of a mutation as text."""
    if isinstance(value, list):
        return "".join(map(_dumped, value))
    return ast.dump(value) if isinstance(value, ast.AST) else str(value)


def mutated(function: FunctionNode, *changes: Mutation) -> FunctionNode:
    """A copy of the definition in which `build(target)` replaces each target."""
    memo: dict[int, Any] = {}
    whole = copy.deepcopy(function, memo)
    for target, build, _ in changes:
        place = memo[id(target)]
        # `build` gets a copy of the copy, whose parts it may reuse.
        whole = _Replace(place, build(copy.deepcopy(place))).visit(whole)
    return whole


class _Replace(ast.NodeTransformer):
    """Replaces one node of a syntax tree."""

    def __init__(self, place, new):
        self.place, self.new = place, new

    def visit(self, node):
        return self.new if node is self.place else self.generic_visit(node)


def mutations(function: FunctionNode) -> Iterator[Mutation]:
    """The mutations of a function, the most common mistakes first."""
    nodes = [n for statement in function.body for n in ast.walk(statement)]
    for rule in (_operators, _calls, _statements, _transposes, _constants, _bounds):
        for node in nodes:
            yield from ((node, *change) for change in rule(node))
    names = [argument.arg for argument in function.args.args]
    names += ["m"] * any(isinstance(n, ast.Name) and n.id == "m" for n in nodes)
    for node in nodes:
        yield from ((node, *change) for change in _missing_factors(node, names))
    for node in nodes:
        yield from ((node, *change) for change in _missing_minus(node))


def _operators(node):
    """Another operator or comparison, other operands, no minus."""
    if isinstance(node, ast.BinOp):
        for kind, question in OTHER_OPERATORS.get(type(node.op), ()):
            if not (kind is ast.Div and isinstance(node.right, ast.Constant)):
                yield lambda n, kind=kind: _with(n, op=kind()), question
        if isinstance(node.op, ast.MatMult):
            yield (
                lambda n: _with(n, left=n.right, right=n.left),
                "are the factors of the matrix product in the right order?",
            )
        if isinstance(node.op, ast.Pow):
            yield lambda n: n.left, "is this power needed?"
        if isinstance(node.op, ast.Div):
            yield (
                lambda n: _with(n, right=ast.BinOp(n.right, ast.Pow(), _HALF)),
                "is a square root missing in this division?",
            )
        if _is_product(node.left) and isinstance(node.op, ast.FloorDiv | ast.Sub):
            yield (
                lambda n: _with(n.left, right=ast.BinOp(n.left.right, n.op, n.right)),
                "are brackets missing?",
            )
        if isinstance(node.op, ast.Sub):
            yield (
                lambda n: _with(n, left=n.right, right=n.left),
                "are the two sides of - in the right order?",
            )
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for kind, question in OTHER_OPERATORS.get(type(node.ops[0]), ()):
            yield lambda n, kind=kind: _with(n, ops=[kind()]), question
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda n: n.operand, "is this minus needed?"


def _calls(node):
    """Another function, another axis, another order of factors."""
    if not isinstance(node, ast.Call):
        return
    name = _name(node.func)
    if name in PRODUCTS and len(node.args) == 2:
        yield (
            lambda n: ast.BinOp(n.args[0], ast.Mult(), n.args[1]),
            f"{name} is the matrix product: did you mean *, element by element?",
        )
        yield (
            lambda n: _with(n, args=n.args[::-1]),
            f"are the factors of {name} in the right order?",
        )
        for number in (0, 1):
            if not _is_transpose(node.args[number]):
                yield (
                    lambda n, number=number: _with(
                        n, args=_changed(n.args, number, _transpose(n.args[number]))
                    ),
                    f"is a transpose missing in this {name}?",
                )
    if name == "multiply" and len(node.args) == 2:
        yield (
            lambda n: ast.BinOp(n.args[0], ast.MatMult(), n.args[1]),
            "multiply is element by element: did you mean a matrix product (np.dot)?",
        )
    if name in REDUCTIONS:
        yield from _axes(node, name)
    if name in OTHER_FUNCTIONS and isinstance(node.func, ast.Attribute):
        other, question = OTHER_FUNCTIONS[name]
        yield lambda n: _with(n, func=_with(n.func, attr=other)), question
    if name in ("exp", "sqrt", "abs", "square", "log") and len(node.args) == 1:
        yield lambda n: n.args[0], f"is this {name} needed?"
    if name == "exp" and len(node.args) == 1:
        yield (
            lambda n: _with(n, args=[_negative(n.args[0])]),
            "is the sign in this exp right?",
        )


def _axes(node, name):
    axis = next((k for k in node.keywords if k.arg == "axis"), None)
    keeps = any(k.arg in ("keepdims", "keep_dims") for k in node.keywords)
    keep = ast.keyword("keepdims", ast.Constant(True))
    if axis and not keeps:
        yield (
            lambda n: _with(n, keywords=[*n.keywords, keep]),
            f"this {name} drops an axis: is keepdims=True missing?",
        )
    if axis is None:
        for number, more in itertools.product((0, 1, -1), ([], [keep])):
            added = [ast.keyword("axis", _number(number)), *more]
            yield (
                lambda n, added=added: _with(n, keywords=[*n.keywords, *added]),
                f"this {name} is over the whole array: is axis= missing?",
            )
        return
    for number, more in itertools.product((0, 1, -1), ([], [] if keeps else [keep])):
        new = ast.keyword("axis", _number(number))
        yield (
            lambda n, new=new, more=more: _with(
                n,
                keywords=[new if k.arg == "axis" else k for k in n.keywords] + more,
            ),
            f"is this {name} over the right axis?",
        )


def _statements(node):
    """No seed, no change in place, = or +=, another order of returned values."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        if _name(node.value.func) in ("seed", "set_seed"):
            yield lambda n: ast.Pass(), "should the seed be set here?"
    if isinstance(node, ast.AugAssign):
        yield (
            lambda n: ast.Assign(
                [n.target],
                ast.BinOp(_as_value(n.target), n.op, n.value),
                lineno=n.lineno,
            ),
            "this changes an argument in place: should it create a new array?",
        )
        for kind, question in OTHER_OPERATORS.get(type(node.op), ()):
            yield lambda n, kind=kind: _with(n, op=kind()), question
        if isinstance(node.op, ast.Add):
            yield (
                lambda n: ast.Assign([n.target], n.value, lineno=n.lineno),
                "did you mean = instead of +=?",
            )
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        if isinstance(node.targets[0], ast.Subscript | ast.Name):
            yield (
                lambda n: ast.AugAssign(n.targets[0], ast.Add(), n.value),
                ACCUMULATES,
            )
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        count = len(node.value.elts)
        if 2 <= count <= 4:
            for order in list(itertools.permutations(range(count)))[1:]:
                yield (
                    lambda n, order=order: _with(
                        n, value=_with(n.value, elts=[n.value.elts[i] for i in order])
                    ),
                    "are the returned values in the right order?",
                )


def _transposes(node):
    if _is_transpose(node):
        value = (lambda n: n.value) if isinstance(node, ast.Attribute) else None
        yield value or (lambda n: n.args[0]), "is this transpose needed?"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        for side in ("left", "right"):
            yield (
                lambda n, side=side: _with(n, **{side: _transpose(getattr(n, side))}),
                "is a transpose missing in this matrix product?",
            )


def _constants(node):
    """Another activation or padding, True instead of False."""
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, str):
        for other in OTHER_STRINGS.get(node.value, ()):
            yield (
                lambda n, other=other: ast.Constant(other),
                f"is {node.value!r} the right value?",
            )
    elif isinstance(node.value, bool):
        yield (lambda n: ast.Constant(not n.value), f"is {node.value} the right value?")


def _bounds(node):
    """A whole number, or a bound, an index or a key, that is off by one."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        for step in (1, -1):
            yield (
                lambda n, step=step: _number(n.value + step),
                f"is {node.value} the right number?",
            )
    elif isinstance(node, ast.Call) and _name(node.func) in ("range", "str"):
        what = "range" if _name(node.func) == "range" else "index"
        for number, step in itertools.product(range(len(node.args)), (1, -1)):
            yield (
                lambda n, number=number, step=step: _with(
                    n, args=_changed(n.args, number, _plus(n.args[number], step))
                ),
                f"is this {what} off by one?",
            )
    elif isinstance(node, ast.FormattedValue):
        for step in (1, -1):
            yield (
                lambda n, step=step: _with(n, value=_plus(n.value, step)),
                "is this index off by one?",
            )


def _missing_factors(node, names):
    """A term that lacks a minus, a square root or a factor."""
    term = None
    if isinstance(node, ast.Assign | ast.Return) and node.value is not None:
        if not isinstance(node.value, ast.Tuple | ast.List | ast.Dict):
            term = "value"
    if term is None and not isinstance(node, ast.BinOp):
        return

    def in_term(build):
        if term is None:
            return build
        return lambda n: _with(n, value=build(n.value))

    if term:
        yield in_term(_negative), "is a minus missing?"
        root = in_term(lambda n: ast.BinOp(n, ast.Pow(), _HALF))
        yield root, "is a square root missing?"
    for name in names:
        for kind, word in ((ast.Div, "division by"), (ast.Mult, "factor")):
            yield (
                in_term(
                    lambda n, name=name, kind=kind: ast.BinOp(
                        n, kind(), ast.Name(name, ast.Load())
                    )
                ),
                f"is a {word} {name} missing?",
            )


def _missing_minus(node):
    """A minus before a variable that is an argument of a call."""
    if isinstance(node, ast.Call) and _name(node.func) not in ("range", "len", "print"):
        for number, argument in enumerate(node.args[:4]):
            if isinstance(argument, ast.Name):
                yield (
                    lambda n, number=number: _with(
                        n, args=_changed(n.args, number, _negative(n.args[number]))
                    ),
                    f"is a minus before {argument.id} missing?",
                )


# Parts of syntax trees.

_HALF = ast.Constant(0.5)


def _with(node, **fields):
    """The node with these fields changed, in place."""
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _changed(values, number, new):
    """A copy of a list with another element at one index."""
    return [*values[:number], new, *values[number + 1 :]]


def _number(value):
    return ast.Constant(value) if value >= 0 else _negative(ast.Constant(-value))


def _plus(node, step):
    return ast.BinOp(node, ast.Add(), _number(step))


def _negative(node):
    return ast.UnaryOp(ast.USub(), node)


def _transpose(node):
    return node.value if _is_transpose(node) else ast.Attribute(node, "T", ast.Load())


def _is_product(node):
    return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)


def _is_transpose(node):
    if isinstance(node, ast.Attribute):
        return node.attr == "T"
    return isinstance(node, ast.Call) and (
        _name(node.func) == "transpose" and len(node.args) == 1
    )


def _as_value(target):
    """A copy of an assignment's target as an expression that reads it."""
    target = copy.deepcopy(target)
    for part in ast.walk(target):
        if hasattr(part, "ctx"):
            part.ctx = ast.Load()
    target.ctx = ast.Load()
    return target


def _name(function):
    return getattr(function, "attr", getattr(function, "id", ""))
