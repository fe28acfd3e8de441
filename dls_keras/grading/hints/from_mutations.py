"""Which one small change makes a function right?

A learner's slip is often a single operator, axis or factor. Each such place of a
function is changed in turn, as the slips of learners suggest, and the cases are run
again; where one change makes all of them pass, the mistake and its line are known.
What is said is a question about that line.
"""

import ast
import copy
import itertools
from collections.abc import Callable, Iterator

REDUCTIONS = {"sum", "mean", "max", "min", "norm", "argmax", "reduce_sum", "softmax"}
REDUCTIONS |= {"reduce_mean", "reduce_max", "prod", "amax"}
PRODUCTS = {"dot", "matmul"}
OTHER_NAMES = {
    "log2": ("log", "log2 is not the natural logarithm: is np.log meant?"),
    "log10": ("log", "log10 is not the natural logarithm: is np.log meant?"),
    "rand": ("randn", "rand is uniform: is randn, the normal one, meant?"),
    "max": ("argmax", "is the place (argmax) meant, not the value (max)?"),
    "argmax": ("max", "is the value (max) meant, not its place (argmax)?"),
    "reduce_sum": ("reduce_mean", "is a mean meant, not a sum?"),
    "reduce_mean": ("reduce_sum", "is a sum meant, not a mean?"),
    "floor": ("ceil", "is rounding up meant?"),
}
OTHER_WORDS = {
    "relu": ("sigmoid", "tanh"),
    "sigmoid": ("relu", "softmax"),
    "softmax": ("sigmoid",),
    "tanh": ("relu", "sigmoid"),
    "same": ("valid",),
    "valid": ("same",),
    "SAME": ("VALID",),
    "VALID": ("SAME",),
}
OTHER_SIGNS = {
    ast.Mult: (
        (ast.MatMult, "* multiplies element by element: is np.dot or @ meant?"),
        (ast.Div, "is a division meant, not a product?"),
    ),
    ast.MatMult: ((ast.Mult, "@ is the matrix product: is * meant?"),),
    ast.Add: ((ast.Sub, "is - meant, not +?"),),
    ast.Sub: ((ast.Add, "is + meant, not -?"),),
    ast.Div: (
        (ast.Mult, "is a product meant, not a division?"),
        (ast.FloorDiv, "is a whole number meant here (// or np.floor)?"),
    ),
    ast.FloorDiv: ((ast.Div, "// cuts to whole numbers: is / meant?"),),
    ast.Gt: ((ast.GtE, "is >= meant, not >?"), (ast.Lt, "is < meant, not >?")),
    ast.GtE: ((ast.Gt, "is > meant, not >=?"), (ast.LtE, "is <= meant, not >=?")),
    ast.Lt: ((ast.LtE, "is <= meant, not <?"), (ast.Gt, "is > meant, not <?")),
    ast.LtE: ((ast.Lt, "is < meant, not <=?"), (ast.GtE, "is >= meant, not <=?")),
}


def find(
    function: ast.stmt, passes: Callable[[ast.stmt], bool], more: Callable[[], bool]
) -> tuple[int, str] | None:
    """The line and the question of the first change under which `passes` holds.

    Args:
        function: the definition as the learner wrote it.
        passes: whether all cases agree with a definition.
        more: whether there is time for another try.
    """
    for target, build, question in changes(function):
        if not more():
            return None
        if passes(applied(function, target, build)):
            return getattr(target, "lineno", function.lineno), question
    return None


def applied(function: ast.stmt, target: ast.AST, build: Callable) -> ast.stmt:
    """A copy of the definition with `build` of the target in the target's place."""
    memo = {}
    whole = copy.deepcopy(function, memo)
    place = memo[id(target)]
    # `build` sees a copy of the copy, which it may take apart.
    return _Put(place, build(copy.deepcopy(place))).visit(whole)


class _Put(ast.NodeTransformer):
    """Replaces one node of a tree; by None, a statement goes."""

    def __init__(self, place, new):
        self.place, self.new = place, new

    def visit(self, node):
        return self.new if node is self.place else self.generic_visit(node)


def changes(function: ast.stmt) -> Iterator[tuple[ast.AST, Callable, str]]:
    """Places to change: (node, what is built of it, the question)."""
    nodes = [n for statement in function.body for n in ast.walk(statement)]
    for rule in (_signs, _calls, _statements, _transposes, _words, _bounds):
        for node in nodes:
            yield from ((node, *change) for change in rule(node))
    names = [argument.arg for argument in getattr(function, "args", _NONE).args]
    names += ["m"] * any(isinstance(n, ast.Name) and n.id == "m" for n in nodes)
    for rule in (lambda n: _terms(n, names), _minuses):
        for node in nodes:
            yield from ((node, *change) for change in rule(node))


def _signs(node):
    """Another operator, another comparison, no minus."""
    if isinstance(node, ast.BinOp):
        for kind, question in OTHER_SIGNS.get(type(node.op), ()):
            if not (kind is ast.Div and isinstance(node.right, ast.Constant)):
                yield lambda n, kind=kind: _with(n, op=kind()), question
        if isinstance(node.op, ast.MatMult):
            yield (
                lambda n: _with(n, left=n.right, right=n.left),
                "are the factors of the matrix product in the right order?",
            )
        if isinstance(node.op, ast.Pow):
            yield lambda n: n.left, "is this power right?"
        if isinstance(node.op, ast.Div):
            yield (
                lambda n: _with(n, right=ast.BinOp(n.right, ast.Pow(), _HALF)),
                "is a square root missing in this division?",
            )
        if _is_product(node.left) and isinstance(node.op, ast.FloorDiv | ast.Sub):
            yield (
                lambda n: _with(n.left, right=ast.BinOp(n.left.right, n.op, n.right)),
                "do brackets say what goes first?",
            )
        if isinstance(node.op, ast.Sub):
            yield (
                lambda n: _with(n, left=n.right, right=n.left),
                "are the two sides of - exchanged?",
            )
    elif isinstance(node, ast.Compare) and len(node.ops) == 1:
        for kind, question in OTHER_SIGNS.get(type(node.ops[0]), ()):
            yield lambda n, kind=kind: _with(n, ops=[kind()]), question
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield lambda n: n.operand, "is this minus right?"


def _calls(node):
    """Another function, axis, or order of factors."""
    if not isinstance(node, ast.Call):
        return
    name = _name(node.func)
    if name in PRODUCTS and len(node.args) == 2:
        yield (
            lambda n: ast.BinOp(n.args[0], ast.Mult(), n.args[1]),
            f"{name} is the matrix product: is *, element by element, meant?",
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
            "multiply goes element by element: is the matrix product (np.dot) meant?",
        )
    if name in REDUCTIONS:
        yield from _axes(node, name)
    if name in OTHER_NAMES and isinstance(node.func, ast.Attribute):
        other, question = OTHER_NAMES[name]
        yield lambda n: _with(n, func=_with(n.func, attr=other)), question
    if name in ("exp", "sqrt", "abs", "square", "log") and len(node.args) == 1:
        yield lambda n: n.args[0], f"is this {name} right?"
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
            f"this {name} drops an axis: does keepdims=True keep it?",
        )
    if axis is None:
        for number, more in itertools.product((0, 1, -1), ([], [keep])):
            added = [ast.keyword("axis", _number(number)), *more]
            yield (
                lambda n, added=added: _with(n, keywords=[*n.keywords, *added]),
                f"this {name} is over everything: is an axis missing?",
            )
        return
    for number, more in itertools.product((0, 1, -1), ([], [] if keeps else [keep])):
        new = ast.keyword("axis", _number(number))
        yield (
            lambda n, new=new, more=more: _with(
                n,
                keywords=[new if k.arg == "axis" else k for k in n.keywords] + more,
            ),
            f"does this {name} go over the right axis?",
        )


def _statements(node):
    """A statement too many, a change in place, a tuple in another order."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        if _name(node.value.func) in ("seed", "set_seed"):
            yield lambda n: ast.Pass(), "is this the place to set the seed?"
    if isinstance(node, ast.AugAssign):
        yield (
            lambda n: ast.Assign(
                [n.target],
                ast.BinOp(_read(n.target), n.op, n.value),
                lineno=n.lineno,
            ),
            "this changes an argument in place: is a new array meant?",
        )
        for kind, question in OTHER_SIGNS.get(type(node.op), ()):
            yield lambda n, kind=kind: _with(n, op=kind()), question
        if isinstance(node.op, ast.Add):
            yield (
                lambda n: ast.Assign([n.target], n.value, lineno=n.lineno),
                "is += meant here, or =?",
            )
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        if isinstance(node.targets[0], ast.Subscript | ast.Name):
            yield (
                lambda n: ast.AugAssign(n.targets[0], ast.Add(), n.value),
                "is += meant, so that sums build up?",
            )
    if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
        count = len(node.value.elts)
        if 2 <= count <= 4:
            for order in list(itertools.permutations(range(count)))[1:]:
                yield (
                    lambda n, order=order: _with(
                        n, value=_with(n.value, elts=[n.value.elts[i] for i in order])
                    ),
                    "are the values returned in the right order?",
                )


def _transposes(node):
    if _is_transpose(node):
        value = (lambda n: n.value) if isinstance(node, ast.Attribute) else None
        yield value or (lambda n: n.args[0]), "is this transpose one too many?"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        for side in ("left", "right"):
            yield (
                lambda n, side=side: _with(n, **{side: _transpose(getattr(n, side))}),
                "is a transpose missing in this matrix product?",
            )


def _words(node):
    """Another activation, another padding; True for False."""
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, str):
        for other in OTHER_WORDS.get(node.value, ()):
            yield (
                lambda n, other=other: ast.Constant(other),
                f"is {node.value!r} right here?",
            )
    elif isinstance(node.value, bool):
        yield (lambda n: ast.Constant(not n.value), f"is {node.value} right here?")


def _bounds(node):
    """A whole number, or a name in a range, index or key, that is one off."""
    if isinstance(node, ast.Constant) and type(node.value) is int:
        for step in (1, -1):
            yield (
                lambda n, step=step: _number(n.value + step),
                f"is the {node.value} here right?",
            )
    elif isinstance(node, ast.Call) and _name(node.func) in ("range", "str"):
        what = "range" if _name(node.func) == "range" else "index"
        for number, step in itertools.product(range(len(node.args)), (1, -1)):
            yield (
                lambda n, number=number, step=step: _with(
                    n, args=_changed(n.args, number, _plus(n.args[number], step))
                ),
                f"is this {what} one off?",
            )
    elif isinstance(node, ast.FormattedValue):
        for step in (1, -1):
            yield (
                lambda n, step=step: _with(n, value=_plus(n.value, step)),
                "is this index one off?",
            )


def _terms(node, names):
    """A whole term that lacks a sign, a root or a factor."""
    term = None
    if isinstance(node, ast.Assign | ast.Return) and node.value is not None:
        if not isinstance(node.value, ast.Tuple | ast.List | ast.Dict):
            term = "value"
    if term is None and not isinstance(node, ast.BinOp):
        return

    def put(build):
        if term is None:
            return build
        return lambda n: _with(n, value=build(n.value))

    if term:
        yield put(_negative), "is a minus missing?"
        root = put(lambda n: ast.BinOp(n, ast.Pow(), _HALF))
        yield root, "is a square root missing?"
    for name in names:
        for kind, word in ((ast.Div, "division by"), (ast.Mult, "factor")):
            yield (
                put(
                    lambda n, name=name, kind=kind: ast.BinOp(
                        n, kind(), ast.Name(name, ast.Load())
                    )
                ),
                f"is a {word} {name} missing?",
            )


def _minuses(node):
    """A minus before an argument that is a name."""
    if isinstance(node, ast.Call) and _name(node.func) not in ("range", "len", "print"):
        for number, argument in enumerate(node.args[:4]):
            if isinstance(argument, ast.Name):
                yield (
                    lambda n, number=number: _with(
                        n, args=_changed(n.args, number, _negative(n.args[number]))
                    ),
                    f"is the minus of {argument.id} missing?",
                )


# Pieces of trees.

_HALF = ast.Constant(0.5)
_NONE = ast.parse("lambda: 0", mode="eval").body.args


def _with(node, **fields):
    for name, value in fields.items():
        setattr(node, name, value)
    return node


def _changed(values, number, new):
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


def _read(target):
    """A target of an assignment, to be read instead."""
    target = copy.deepcopy(target)
    for part in ast.walk(target):
        if hasattr(part, "ctx"):
            part.ctx = ast.Load()
    target.ctx = ast.Load()
    return target


def _name(function):
    return getattr(function, "attr", getattr(function, "id", ""))
