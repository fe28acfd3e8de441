"""What kind of mistake makes a number like this out of the expected one?

Each function below tries one hypothesis on what came and what was expected, and
returns a sentence, or "" where it does not hold. The hypotheses are those mistakes
that learners make most; none of them knows any assignment.
"""

import itertools
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from dls_keras.reference import compare


class Evidence(NamedTuple):
    """An array that differs, and what is known about the call that made it.

    `arguments` are those of the call, as they came; `drew` whether random numbers
    were drawn in it.
    """

    actual: np.ndarray
    expected: np.ndarray
    terms: compare.Terms
    arguments: dict
    drew: bool = False

    def agrees(self, array) -> bool:
        """Whether an array is as good as the expected one."""
        return not compare.difference(array, self.expected, self.terms)


def of_arrays(evidence: Evidence, *, sure: bool = False) -> str:
    """The first hypothesis that holds, as a sentence; "" if none does.

    With `sure`, only those are tried that are hardly ever true by chance.
    """
    if evidence.actual.shape != evidence.expected.shape:
        tried = () if sure else SHAPES
    else:
        tried = SURE if sure else VALUES
    with np.errstate(all="ignore"):
        for hypothesis in tried:
            if words := hypothesis(evidence):
                return words
    return ""


# Where the shapes differ.


def _transposed(e):
    if e.actual.ndim != 2 or e.actual.T.shape != e.expected.shape:
        return ""
    if e.agrees(e.actual.T):
        return "The numbers are right, but transposed: is a .T missing or one too many?"
    return (
        "The shape is transposed: are rows and columns exchanged, or is W transposed?"
    )


def _rank_one(e):
    if e.actual.ndim != 1 or e.expected.ndim != 2 or e.actual.size != e.expected.size:
        return ""
    right = "The numbers are right, but this" if _reshaped(e) else "This"
    return (
        f"{right} is a rank-1 array, {e.actual.shape}, neither row nor column: "
        "keepdims=True, or .reshape, keeps it a matrix."
    )


def _lost_axis(e):
    if e.actual.size != e.expected.size or e.actual.ndim >= e.expected.ndim:
        return ""
    if not _reshaped(e):
        return ""
    return "The numbers are right, but an axis is lost: keepdims=True keeps it."


def _wrapped_number(e):
    if e.expected.ndim or e.actual.size != 1 or not _reshaped(e):
        return ""
    return (
        f"The number is right, but wrapped in an array of shape {e.actual.shape}: "
        "np.squeeze, .item() or float() takes it out."
    )


def _other_order(e):
    if e.actual.size != e.expected.size:
        return ""
    if _reshaped(e):
        return "The numbers are right and in order; only the shape needs a reshape."
    if e.actual.ndim == e.expected.ndim and sorted(e.actual.shape) == sorted(
        e.expected.shape
    ):
        for axes in itertools.permutations(range(e.actual.ndim)):
            turned = e.actual.transpose(axes)
            if turned.shape == e.expected.shape and e.agrees(turned):
                return f"The numbers are right, but the axes are in the order {axes}."
    return ""


def _not_reduced(e):
    """A sum or a mean that was forgotten, over all or over one axis."""
    if e.actual.size <= e.expected.size:
        return ""
    for name, reduce in (("sum", np.sum), ("mean", np.mean), ("maximum", np.max)):
        if e.agrees(np.asarray(reduce(e.actual))):
            return f"The {name} of it would be right: is it missing?"
        for axis in range(e.actual.ndim):
            for keep in (True, False):
                if e.agrees(reduce(e.actual, axis=axis, keepdims=keep)):
                    return f"Its {name} over axis {axis} would be right: is it missing?"
    return ""


def _broadcast(e):
    """A column and a row, or a rank-1 array, that grew into a square."""
    if e.actual.size <= e.expected.size or e.expected.ndim < 1:
        return ""
    sizes = set(e.expected.shape) | {1}
    if e.actual.ndim < 2 or not set(e.actual.shape) <= sizes | _sizes(e.arguments):
        return ""
    return (
        f"Broadcasting has grown {e.expected.shape} to {e.actual.shape}: somewhere a "
        "rank-1 array or a row meets a column. Look at both shapes before each + - * /."
    )


def _over_reduced(e):
    if e.actual.size >= e.expected.size:
        return ""
    if e.actual.ndim == 0:
        return "One number where an array is expected: is an axis missing in a sum?"
    if e.actual.ndim == e.expected.ndim:
        for axis, (came, wanted) in enumerate(
            zip(e.actual.shape, e.expected.shape, strict=True)
        ):
            if came == wanted - 1:
                return f"Axis {axis} is one short: does a loop or slice stop early?"
    return "Is a sum taken over the wrong axis, or one axis too many?"


SHAPES = (_wrapped_number, _rank_one, _transposed, _lost_axis, _other_order)
SHAPES += (_not_reduced, _broadcast, _over_reduced)


# Where only the values differ.


def _rounding(e):
    gap, size = np.abs(e.actual - e.expected), np.abs(e.expected)
    if np.isfinite(gap).all() and (gap <= 3e-6 * np.maximum(size, 1)).all():
        return "Only the last digits differ: is float32 used where float64 is meant?"
    return ""


def _not_finite(e):
    if np.isnan(e.actual).any() and not np.isnan(e.expected).any():
        return "There is a NaN: log(0), 0/0 or inf - inf. Print what goes into it."
    if np.isinf(e.actual).any() and not np.isinf(e.expected).any():
        return "There is an infinity: a division by 0, log(0), or an exp too large."
    return ""


def _nothing_done(e):
    if not e.actual.any() and e.expected.any():
        return "It is all zeros: is it ever filled?"
    return ""


def _sign(e):
    return "Every sign is flipped: is a minus missing?" if e.agrees(-e.actual) else ""


def _whole_numbers(e):
    whole = (e.actual == np.floor(e.actual)).all()
    if whole and (e.expected != np.floor(e.expected)).any():
        for cut in (np.floor, np.trunc, np.round):
            if np.array_equal(cut(e.expected), e.actual):
                return (
                    "These are whole numbers, cut off: is // or an integer dtype used "
                    "(pixels are integers; divide by 255.) where / is meant?"
                )
    return ""


def _named_factor(e):
    """One factor between all numbers; which quantity of the call is it?"""
    r = _ratio(e)
    if not r:
        return ""
    for name, value in _quantities(e.arguments):
        if value in (0, 1) or not np.isfinite(value):
            continue
        if np.isclose(r, value, rtol=1e-5):
            return f"Everything is {_short(value)} times too large: {_missing(name)}"
        if np.isclose(r, 1 / value, rtol=1e-5):
            return (
                f"Everything is {_short(value)} times too small: is it divided by "
                f"{name} once too often, or is that factor missing?"
            )
    return ""


def _factor(e):
    r = _ratio(e)
    if not r or e.expected.size == 1:  # any number is some multiple of another
        return ""
    return f"Everything is {_short(r)} times the expected: is a constant factor wrong?"


def _ratio(e):
    """What all numbers are multiplied by, 0 if there is no such factor."""
    some = e.expected != 0
    if not some.any():
        return 0.0
    r = float(np.median(e.actual[some] / e.expected[some]))
    if not np.isfinite(r) or abs(r) < 1e-12 or not e.agrees(e.actual / r):
        return 0.0
    return r


def _missing(name):
    if name.startswith("the size"):
        return f"that is {name}; is 1/m missing?"
    return f"that is {name}; is a division by it missing, or a factor too many?"


def _downhill(e):
    """W + rate * dW where W - rate * dW is meant."""
    middle = (e.actual + e.expected) / 2
    for name, array in _arrays(e.arguments):
        if array.shape == middle.shape and np.allclose(middle, array, rtol=1e-6):
            if np.allclose(array, e.actual):
                return f"It is {name}, unchanged: is the new value stored?"
            return f"It went from {name} the other way: is it - where + stands?"
    return ""


def _unchanged(e):
    for name, array in _arrays(e.arguments):
        if array.shape == e.actual.shape and array.size > 1:
            if np.array_equal(array, e.actual):
                return f"It is {name}, unchanged: is the new value computed and stored?"
    return ""


def _forgotten_term(e):
    """The difference is one of the arguments, such as b."""
    gap = e.expected - e.actual
    if not np.abs(gap).max() > 0:
        return ""
    for name, array in _arrays(e.arguments):
        if not array.any():
            continue
        try:
            wide = np.broadcast_to(array, gap.shape)
        except ValueError:
            continue
        if np.allclose(gap, wide, rtol=1e-5, atol=1e-9):
            return f"The difference is exactly {name}: is it forgotten?"
        if np.allclose(gap, -wide, rtol=1e-5, atol=1e-9):
            return f"The difference is exactly {name}: is it there once too often?"
        if np.allclose(gap, -2 * wide, rtol=1e-5, atol=1e-9):
            return f"The difference is twice {name}: is it added, not subtracted?"
        if np.allclose(gap, 2 * wide, rtol=1e-5, atol=1e-9):
            return f"The difference is twice {name}: is it subtracted, not added?"
    return ""


def _activation(e):
    x = e.actual
    functions = {
        "the sigmoid": 1 / (1 + np.exp(-x)),
        "the tanh": np.tanh(x),
        "the ReLU": np.maximum(0, x),
        "the square root": np.sqrt(x),
        "the square": x * x,
        "the exp": np.exp(x),
        "the log": np.log(x),
        "the absolute value": np.abs(x),
        "1 minus it": 1 - x,
    }
    for name, values in functions.items():
        if np.isfinite(values).all() and e.agrees(values):
            return f"{name.capitalize()} of it would be right: is that step missing?"
    undone = {
        "sigmoid": np.log(x / (1 - x)),
        "tanh": np.arctanh(x),
        "square root": x * x,
        "square": np.sqrt(x),
        "exp": np.log(x),
        "log": np.exp(x),
    }
    for name, values in undone.items():
        if np.isfinite(values).all() and e.agrees(values):
            return f"A {name} has been taken that is not asked for."
    return ""


def _softmax_axis(e):
    if e.actual.ndim < 2:
        return ""
    for axis in range(e.expected.ndim):
        if np.allclose(e.expected.sum(axis=axis), 1, atol=1e-4):
            if not np.allclose(e.actual.sum(axis=axis), 1, atol=1e-4):
                for other in range(e.actual.ndim):
                    if np.allclose(e.actual.sum(axis=other), 1, atol=1e-4):
                        return (
                            f"It sums to 1 along axis {other}, expected along axis "
                            f"{axis}: is the axis of the softmax or norm wrong?"
                        )
                if np.isclose(e.actual.sum(), 1, atol=1e-4):
                    return (
                        f"All of it sums to 1, where it should along axis {axis}: "
                        "is axis= missing in the sum?"
                    )
    return ""


def _norm_axis(e):
    if e.actual.ndim != 2:
        return ""
    square_a, square_e = e.actual**2, e.expected**2
    for axis in (0, 1):
        if np.allclose(square_e.sum(axis=axis), 1, atol=1e-4):
            if np.allclose(square_a.sum(axis=1 - axis), 1, atol=1e-4):
                return f"The norm is taken along axis {1 - axis}; is {axis} meant?"
            if np.isclose(square_a.sum(), 1, atol=1e-4):
                return f"One norm is taken of all; is axis={axis} missing?"
    return ""


def _turned(e):
    if e.actual.ndim == 2 and e.agrees(e.actual.T):
        return "The numbers are right, but transposed."
    for axis in range(e.actual.ndim):
        if e.actual.shape[axis] > 1 and e.agrees(np.flip(e.actual, axis)):
            return f"The numbers are right, but in reverse along axis {axis}."
        for step in (1, -1):
            if e.actual.shape[axis] > 2 and e.agrees(np.roll(e.actual, step, axis)):
                return f"The numbers are right, but shifted by one along axis {axis}."
    return ""


def _one_place(e):
    """Wrong only at the first or last index of an axis, or right only there."""
    wrong = ~np.isclose(e.actual, e.expected, rtol=1e-5, atol=1e-7, equal_nan=True)
    for axis in range(wrong.ndim):
        size = wrong.shape[axis]
        rest = tuple(n for n in range(wrong.ndim) if n != axis)
        where = np.flatnonzero(wrong.any(axis=rest))
        if size > 2 and list(where) == [size - 1]:
            return f"Only the last of axis {axis} is wrong: does a loop stop one early?"
        if size > 2 and list(where) == [0]:
            return f"Only the first of axis {axis} is wrong: does a loop start late?"
        if size > 2 and list(where) == list(range(1, size)):
            return (
                f"Only the first of axis {axis} is right: if a loop runs along it, "
                "does it hand on the old value?"
            )
    return ""


def _offset(e):
    gap = e.actual - e.expected
    if e.actual.size > 1 and np.ptp(gap) < 1e-6 * max(1, abs(float(gap.flat[0]))):
        return f"Everything is off by the same {_short(float(gap.flat[0]))}."
    return ""


def _other_draw(e):
    if not e.drew or e.actual.size < 2 or not e.actual.any():
        return ""
    if (e.actual >= 0).all() and (e.expected < 0).any():
        return (
            "Random numbers, but none below 0: np.random.rand is uniform on [0, 1), "
            "np.random.randn is normal."
        )
    a, b = float(np.std(e.actual)), float(np.std(e.expected))
    if b and 0.2 < a / b < 5:
        return (
            "The shape and size are right, but it is another draw: is the seed set at "
            "another place, or is something drawn before, in another order or shape?"
        )
    return (
        f"Random numbers {_short(a / b)} times as large as expected: "
        "is the factor right by which the draw is multiplied?"
        if b
        else ""
    )


SURE = (_rounding, _named_factor)
VALUES = (_not_finite, _sign, _nothing_done, _whole_numbers, _factor)
VALUES += (_turned, _activation, _downhill, _forgotten_term, _softmax_axis, _norm_axis)
VALUES += (_unchanged, _offset, _other_draw, _one_place)


# The call's quantities.


def _reshaped(e):
    return e.agrees(e.actual.reshape(e.expected.shape))


def _arrays(arguments) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of numbers among the arguments, with the names they go by."""
    for name, value in _parts(arguments):
        array = _numbers(value)
        if array is not None and array.ndim:
            yield name, array


def _quantities(arguments) -> Iterator[tuple[str, float]]:
    """Numbers that may be factors: sizes of arrays, numbers, and 1 minus these."""
    parts = list(_parts(arguments))
    for name, value in parts:
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield name, float(value)
            yield f"1 - {name}", 1 - float(value)
            yield f"{name} squared", float(value) ** 2
    for name, value in parts:
        for axis, size in reversed(list(enumerate(np.shape(value)))):
            yield f"the size of axis {axis} of {name}", float(size)
    for name, value in parts:
        if np.size(value) > 1:
            yield f"the number of values in {name}", float(np.size(value))
    yield "255", 255.0


def _sizes(arguments):
    return {size for _, value in _parts(arguments) for size in np.shape(value)}


def _parts(value, name="", depth=3) -> Iterator[tuple[str, object]]:
    """Numbers and arrays within nested dicts, lists and tuples."""
    if isinstance(value, Mapping):
        for key, part in itertools.islice(value.items(), 40):
            yield from _parts(part, str(key), depth - 1) if depth else ()
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value[:40]):
            inner = f"{name}[{number}]"
            yield from _parts(part, inner, depth - 1) if depth else ()
    elif isinstance(value, int | float | np.ndarray | np.number):
        yield name, value
    elif hasattr(value, "shape") and hasattr(value, "__array__"):
        try:
            yield name, np.asarray(value)
        except Exception:
            return


def _numbers(value):
    array = np.asarray(value)
    return array.astype(float) if array.dtype.kind in "biuf" else None


def _short(number) -> str:
    return f"{number:.6g}"
