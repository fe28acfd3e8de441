"""Hints from comparing the received numbers with the expected ones.

Each function below is a hint rule for one common mistake: given the received and the
expected array, it returns a hint, or "" if the rule does not apply. The rules do not
depend on the assignment.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from dls_keras.reference import compare


class Evidence(NamedTuple):
    """An array with a wrong value, and the call that returned it.

    Attributes:
        actual, expected: arrays of numbers.
        terms: the tolerances.
        arguments: the arguments of the call, before the call.
        used_random: whether the call used NumPy's global generator.
    """

    actual: np.ndarray
    expected: np.ndarray
    terms: compare.Terms
    arguments: dict[str, Any]
    used_random: bool = False

    def agrees(self, array: np.ndarray) -> bool:
        """Whether an array equals the expected one within the tolerances."""
        return not compare.difference(array, self.expected, self.terms)


Rule = Callable[[Evidence], str]


def hint(evidence: Evidence, *, certain: bool = False) -> str:
    """The hint of the first rule that applies, "" if none does.

    With `certain`, only rules that rarely apply by coincidence are tried.
    """
    if evidence.actual.shape != evidence.expected.shape:
        rules = () if certain else SHAPE_RULES
    else:
        rules = CERTAIN_RULES if certain else VALUE_RULES
    with np.errstate(all="ignore"):
        for rule in rules:
            if words := rule(evidence):
                return words
    return ""


# Rules for different shapes.


def _transposed(e):
    if e.actual.ndim != 2 or e.actual.T.shape != e.expected.shape:
        return ""
    if e.agrees(e.actual.T):
        return (
            "The numbers are right, but transposed: is a .T missing, or is there one "
            "too many?"
        )
    return "The shape is transposed: are rows and columns swapped, or is W transposed?"


def _rank_one(e):
    if e.actual.ndim != 1 or e.expected.ndim != 2 or e.actual.size != e.expected.size:
        return ""
    right = "The numbers are right, but this" if _reshaped(e) else "This"
    return (
        f"{right} is a rank-1 array of shape {e.actual.shape}, neither a row nor a "
        "column: use keepdims=True or .reshape to get a matrix."
    )


def _missing_axis(e):
    if e.actual.size != e.expected.size or e.actual.ndim >= e.expected.ndim:
        return ""
    if not _reshaped(e):
        return ""
    return "The numbers are right, but an axis is missing: keepdims=True keeps it."


def _number_in_array(e):
    if e.expected.ndim or e.actual.size != 1 or not _reshaped(e):
        return ""
    return (
        f"The number is right, but it is an array of shape {e.actual.shape}: convert "
        "it with np.squeeze, .item() or float()."
    )


def _other_order(e):
    if e.actual.size != e.expected.size:
        return ""
    if _reshaped(e):
        return (
            "The numbers are right and in the right order: only a reshape is missing."
        )
    if e.actual.ndim == e.expected.ndim and sorted(e.actual.shape) == sorted(
        e.expected.shape
    ):
        for axes in itertools.permutations(range(e.actual.ndim)):
            turned = e.actual.transpose(axes)
            if turned.shape == e.expected.shape and e.agrees(turned):
                return (
                    "The numbers are right, but the axes are in the wrong order: "
                    f".transpose{axes} of it would be right."
                )
    return ""


def _not_reduced(e):
    """A missing sum, mean or maximum, over all axes or over one."""
    if e.actual.size <= e.expected.size:
        return ""
    for name, reduce in (("sum", np.sum), ("mean", np.mean), ("maximum", np.max)):
        if e.agrees(np.asarray(reduce(e.actual))):
            return f"Its {name} would be right: is the {name} missing?"
        for axis in range(e.actual.ndim):
            for keep in (True, False):
                if e.agrees(reduce(e.actual, axis=axis, keepdims=keep)):
                    return (
                        f"Its {name} over axis {axis} would be right: is the {name} "
                        "missing?"
                    )
    return ""


def _broadcast(e):
    """A column combined with a row or a rank-1 array, which gives a matrix."""
    if e.actual.size <= e.expected.size or e.expected.ndim < 1:
        return ""
    sizes = set(e.expected.shape) | {1}
    if e.actual.ndim < 2 or not set(e.actual.shape) <= sizes | _sizes(e.arguments):
        return ""
    return (
        f"Broadcasting has expanded {e.expected.shape} to {e.actual.shape}: a rank-1 "
        "array or a row is combined with a column. Print both shapes before each "
        "+ - * /."
    )


def _over_reduced(e):
    if e.actual.size >= e.expected.size:
        return ""
    if e.actual.ndim == 0:
        return "It is one number, but an array is expected: is axis= missing in a sum?"
    if e.actual.ndim == e.expected.ndim:
        for axis, (received, wanted) in enumerate(
            zip(e.actual.shape, e.expected.shape, strict=True)
        ):
            if received == wanted - 1:
                return (
                    f"Axis {axis} is too short by one: does a loop or a slice stop too "
                    "early?"
                )
    return "Is a sum over the wrong axis, or over too many axes?"


SHAPE_RULES: tuple[Rule, ...] = (
    _number_in_array,
    _rank_one,
    _transposed,
    _missing_axis,
    _other_order,
    _not_reduced,
    _broadcast,
    _over_reduced,
)


# Rules for equal shapes with different values.


def _rounding(e):
    gap, size = np.abs(e.actual - e.expected), np.abs(e.expected)
    if np.isfinite(gap).all() and (gap <= 3e-6 * np.maximum(size, 1)).all():
        return "Only the last digits differ: is float32 used instead of float64?"
    return ""


def _not_finite(e):
    if np.isnan(e.actual).any() and not np.isnan(e.expected).any():
        return "There is a NaN, as from log(0), 0/0 or inf - inf: print the inputs."
    if np.isinf(e.actual).any() and not np.isinf(e.expected).any():
        return "There is an infinity, as from a division by 0, log(0), or a large exp."
    return ""


def _all_zeros(e):
    if not e.actual.any() and e.expected.any():
        return "All values are 0: are they ever assigned?"
    return ""


def _sign(e):
    return "Every sign is flipped: is a minus missing?" if e.agrees(-e.actual) else ""


def _whole_numbers(e):
    whole = (e.actual == np.floor(e.actual)).all()
    if whole and (e.expected != np.floor(e.expected)).any():
        for rounded in (np.floor, np.trunc, np.round):
            if np.array_equal(rounded(e.expected), e.actual):
                return (
                    "The numbers are rounded to whole numbers: is // used instead of "
                    "/, or an integer dtype (pixels are integers; divide by 255.)?"
                )
    return ""


def _named_factor(e):
    """All numbers differ by one factor, which is a quantity of the call."""
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
                f"Everything is {_short(value)} times too small: is there one division "
                f"by {name} too many, or is this factor missing?"
            )
    return ""


def _factor(e):
    r = _ratio(e)
    if not r or e.expected.size == 1:  # two single numbers always have a ratio
        return ""
    return (
        f"Everything is {_short(r)} times the expected value: is a constant factor "
        "wrong?"
    )


def _ratio(e):
    """The common factor of all numbers, 0 if there is none."""
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
    return f"that is {name}; is a division by it missing, or one factor too many?"


def _opposite_step(e):
    """W + learning_rate * dW instead of W - learning_rate * dW."""
    middle = (e.actual + e.expected) / 2
    for name, array in _arrays(e.arguments):
        if array.shape == middle.shape and np.allclose(middle, array, rtol=1e-6):
            if np.allclose(array, e.actual):
                return f"It is {name}, unchanged: is the new value stored?"
            return (
                f"It is {name} with a step in the opposite direction: is the sign of "
                "the step wrong?"
            )
    return ""


def _unchanged(e):
    for name, array in _arrays(e.arguments):
        if array.shape == e.actual.shape and array.size > 1:
            if np.array_equal(array, e.actual):
                return f"It is {name}, unchanged: is the new value computed and stored?"
    return ""


def _missing_term(e):
    """The difference is once or twice an argument, such as b."""
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
            return f"The difference is exactly {name}: is it missing?"
        if np.allclose(gap, -wide, rtol=1e-5, atol=1e-9):
            return f"The difference is exactly {name}: is it added once too often?"
        if np.allclose(gap, -2 * wide, rtol=1e-5, atol=1e-9):
            return f"The difference is twice {name}: did you add it, not subtract it?"
        if np.allclose(gap, 2 * wide, rtol=1e-5, atol=1e-9):
            return f"The difference is twice {name}: did you subtract it, not add it?"
    return ""


def _mask(e):
    """Some values should be 0; the others are right, but for a factor."""
    hidden = (e.expected == 0) & (e.actual != 0)
    if e.actual.size < 4 or not hidden.any() or hidden.all():
        return ""
    rest = np.where(hidden, 0, e.actual)
    if not rest.any() or not _ratio(e._replace(actual=rest)):
        return ""
    return (
        "Some of the values should be 0, and the others are right or have a common "
        "factor: is a mask (such as D1, or A > 0) not applied?"
    )


def _activation(e):
    x = e.actual
    if e.expected.size == 1 and e.expected in (0, 1):
        return ""  # many functions give 0 or 1
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
    inverses = {
        "sigmoid": np.log(x / (1 - x)),
        "tanh": np.arctanh(x),
        "square root": x * x,
        "square": np.sqrt(x),
        "exp": np.log(x),
        "log": np.exp(x),
    }
    for name, values in inverses.items():
        if np.isfinite(values).all() and e.agrees(values):
            return f"Without the {name} it would be right: is the {name} needed?"
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
                            f"It sums to 1 along axis {other} instead of axis {axis}: "
                            "is the axis of the softmax or norm wrong?"
                        )
                if np.isclose(e.actual.sum(), 1, atol=1e-4):
                    return (
                        "The whole array sums to 1, but it should sum to 1 along axis "
                        f"{axis}: is axis= missing in the sum?"
                    )
    return ""


def _norm_axis(e):
    if e.actual.ndim != 2:
        return ""
    square_a, square_e = e.actual**2, e.expected**2
    for axis in (0, 1):
        if np.allclose(square_e.sum(axis=axis), 1, atol=1e-4):
            if np.allclose(square_a.sum(axis=1 - axis), 1, atol=1e-4):
                return f"The norm is along axis {1 - axis}: did you mean axis {axis}?"
            if np.isclose(square_a.sum(), 1, atol=1e-4):
                return f"The norm is of the whole array: is axis={axis} missing?"
    return ""


def _reordered(e):
    if e.actual.ndim == 2 and e.agrees(e.actual.T):
        return "The numbers are right, but transposed."
    for axis in range(e.actual.ndim):
        if e.actual.shape[axis] > 1 and e.agrees(np.flip(e.actual, axis)):
            return f"The numbers are right, but reversed along axis {axis}."
        for step in (1, -1):
            if e.actual.shape[axis] > 2 and e.agrees(np.roll(e.actual, step, axis)):
                return f"The numbers are right, but shifted by one along axis {axis}."
    return ""


def _one_index(e):
    """Only the first or the last index of an axis is wrong, or only the first right."""
    wrong = ~np.isclose(e.actual, e.expected, rtol=1e-5, atol=1e-7, equal_nan=True)
    for axis in range(wrong.ndim):
        size = wrong.shape[axis]
        rest = tuple(n for n in range(wrong.ndim) if n != axis)
        where = np.flatnonzero(wrong.any(axis=rest))
        if size > 2 and list(where) == [size - 1]:
            return (
                f"Only the last index of axis {axis} is wrong: does a loop stop one "
                "step too early?"
            )
        if size > 2 and list(where) == [0]:
            return (
                f"Only the first index of axis {axis} is wrong: does a loop start one "
                "step too late?"
            )
        if size > 2 and list(where) == list(range(1, size)):
            return (
                f"Only the first index of axis {axis} is right: if a loop runs along "
                "it, does each step use the result of the previous step?"
            )
    return ""


def _offset(e):
    gap = e.actual - e.expected
    if e.actual.size > 1 and np.ptp(gap) < 1e-6 * max(1, abs(float(gap.flat[0]))):
        return (
            f"Every difference is {_short(float(gap.flat[0]))}: is a constant term "
            "missing, or one too many?"
        )
    return ""


def _other_random_numbers(e):
    if not e.used_random or e.actual.size < 2 or not e.actual.any():
        return ""
    if (e.actual >= 0).all() and (e.expected < 0).any():
        return (
            "The random numbers are never negative: np.random.rand is uniform on "
            "[0, 1), np.random.randn is normal."
        )
    a, b = float(np.std(e.actual)), float(np.std(e.expected))
    if not b:
        return ""
    if 0.2 < a / b < 5:
        return (
            "The shape and the scale are right, but these are other random numbers: "
            "is the seed set somewhere else, or are other random numbers generated "
            "first, or in another order or shape?"
        )
    return (
        f"The random numbers are {_short(a / b)} times as large as expected: is the "
        "factor that multiplies them wrong?"
    )


CERTAIN_RULES: tuple[Rule, ...] = (_rounding, _named_factor)
VALUE_RULES: tuple[Rule, ...] = (
    _not_finite,
    _sign,
    _all_zeros,
    _whole_numbers,
    _factor,
    _reordered,
    _mask,
    _activation,
    _opposite_step,
    _missing_term,
    _softmax_axis,
    _norm_axis,
    _unchanged,
    _offset,
    _other_random_numbers,
    _one_index,
)


# Quantities of the call.


def _reshaped(e):
    return e.agrees(e.actual.reshape(e.expected.shape))


def _arrays(arguments: dict[str, Any]) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of numbers among the arguments, with their names."""
    for name, value in _parts(arguments):
        array = _numbers(value)
        if array is not None and array.ndim:
            yield name, array


def _quantities(arguments: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """Possible factors: numbers x, 1 - x and x squared, sizes of arrays, and 255."""
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


def _parts(value: Any, name: str = "", depth: int = 3) -> Iterator[tuple[str, Any]]:
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


def _short(number: float) -> str:
    return f"{number:.6g}"
