"""Compare a result with its expected value and describe the difference.

`pick` follows a path such as "grads/dw" or "Z/[0,:4]/@mean" into a result;
`difference` compares the value there with the expected one and describes the first
difference. An empty string means that they agree.
"""

import itertools
import reprlib
from collections.abc import Mapping, Sequence, Set
from typing import Any, NamedTuple

import numpy as np

from dls_keras.reference import layer_tables
from dls_keras.reference.values import Rule, index


class Terms(NamedTuple):
    """The tolerance: |actual - expected| <= atol + rtol * |expected|."""

    atol: float = 1e-6
    rtol: float = 1e-6
    loose_scalar: bool = False  # an array of size 1 counts as a number
    exact_keys: bool = False  # a dict must not have other keys


DEFAULT = Terms()
EXACTLY = Terms(atol=0, rtol=0)


# Paths.


def pick(result: Any, path: str, order: Sequence[str] = ()) -> Any:
    """The value at `path` in the result of a call.

    Args:
        result: the result of the call.
        path: a name, then segments: keys, indices, attributes, "[0,:4]" to index an
            array, "@mean" and others to compute a value.
        order: the names of the elements, if the call returns a tuple.

    Raises:
        LookupError: if the path does not exist, or `result` is not such a tuple.
    """
    first, *segments = path.split("/")
    value = _element(result, first, order)
    for segment in segments:
        value = _step(value, segment)
    return value


def _element(result, name, order):
    """The element of the result that the first name of a path denotes."""
    if len(order) > 1 and not (
        isinstance(result, list | tuple) and len(result) == len(order)
    ):
        raise LookupError(
            f"expected a tuple of {len(order)} values ({', '.join(order)}), "
            f"received {described(result)}"
        )
    if name in order:
        return result if len(order) == 1 else result[order.index(name)]
    return result if name == "return" else _step(result, name)


def _step(value, segment):
    """The value at one segment of a path."""
    if segment.startswith("@"):
        return OPERATIONS[segment](value)
    if segment.startswith("["):
        return np.asarray(value)[index(segment)]
    number = int(segment) if segment.removeprefix("-").isdecimal() else None
    if isinstance(value, Mapping):
        for key in (segment, number):
            if key in value:
                return value[key]
    elif number is not None and hasattr(value, "__getitem__"):
        return value[number]
    elif hasattr(value, segment):
        return getattr(value, segment)
    raise LookupError(f"there is no {segment!r} in {described(value)}")


OPERATIONS = {
    "@mean": lambda value: numbers(value).mean(),
    "@sum": lambda value: numbers(value).sum(),
    "@min": lambda value: numbers(value).min(),
    "@max": lambda value: numbers(value).max(),
    "@norm": lambda value: np.linalg.norm(numbers(value)),
    "@std": lambda value: numbers(value).std(),
    "@shape": lambda value: list(_shape(value)),
    "@len": len,
    "@dtype": lambda value: _dtype(value),
    "@type": lambda value: type(value).__name__,
    "@keys": lambda value: value.keys(),
    "@params": lambda value: value.count_params(),
    "@layers": layer_tables.table,
    "@inputs": lambda value: [list(tensor.shape) for tensor in value.inputs],
    "@outputs": lambda value: [list(tensor.shape) for tensor in value.outputs],
    "@last_activation": lambda value: value.layers[-1].activation.__name__,
    "@weights": lambda value: value.get_weights(),
    "@numpy": np.asarray,
    "@int": int,
    "@str": str,
}


# What the operations of a path compute, in words.
WORDS = {
    "@mean": "the mean",
    "@sum": "the sum",
    "@min": "the minimum",
    "@max": "the maximum",
    "@norm": "the norm",
    "@std": "the standard deviation",
    "@shape": "the shape",
    "@len": "the length",
    "@dtype": "the dtype",
    "@type": "the type",
    "@keys": "the set of keys",
    "@params": "the number of parameters",
    "@layers": "the list of layers",
    "@inputs": "the list of input shapes",
    "@outputs": "the list of output shapes",
    "@last_activation": "the activation of the last layer",
    "@weights": "the list of weights",
}


def named(path: str) -> str:
    """A path in words: 'the mean of Z', "grads['dw']", "dxt[1, 2]", "the result"."""
    first, *segments = path.split("/")
    name, before = "the result" if first == "return" else first, []
    for segment in segments:
        if segment.startswith("@"):
            before += [WORDS[segment]] if segment in WORDS else []
        elif segment.startswith("["):
            name += segment
        elif segment.removeprefix("-").isdecimal():
            name += f"[{segment}]"
        else:
            name = segment if name == "the result" else f"{name}[{segment!r}]"
    return " of ".join([*reversed(before), name])


# Comparison.


def difference(actual: Any, expected: Any, terms: Terms = DEFAULT) -> str:
    """A description of how `actual` differs from `expected`; "" if it does not.

    Args:
        actual: any value; tensors and Keras variables count as arrays, bools as
            numbers, lists as tuples, and a list of numbers as an array.
        expected: a value from `values.decode`, or a `Rule`.
        terms: the tolerances, and two options.
    """
    if isinstance(expected, np.ndarray) and expected.dtype.kind not in "biuf":
        expected = expected.tolist()
    match expected:
        case Rule():
            return RULES[expected.kind](actual, expected.argument, terms)
        case Mapping():
            return _dict_difference(actual, expected, terms)
        case None:
            return "" if actual is None else _unlike(actual, expected)
        case str():
            agrees = isinstance(actual, str) and actual == expected
            return "" if agrees else _unlike(actual, expected)
        case Set():
            agrees = isinstance(actual, Set) and actual == expected
            return "" if agrees else _unlike(actual, expected)
        case list() | tuple() if isinstance(actual, Set):  # keys have no order
            return difference(actual, set(expected), terms)
        case list() | tuple() if not _is_block(expected):
            return _sequence_difference(actual, expected, terms)
    found, wanted = _array(actual), _array(expected)
    if found is None and wanted is None and actual == expected:  # objects
        return ""
    if found is None or wanted is None:
        return _unlike(actual, expected)
    if terms.loose_scalar and wanted.ndim == 0 and found.size == 1:
        found = found.reshape(())
    if found.shape != wanted.shape:
        return _unlike(actual, expected)
    return _array_difference(found, wanted, terms)


def _array_difference(actual, expected, terms):
    """The difference of two arrays of one shape, which is () for a number."""
    with np.errstate(invalid="ignore", over="ignore"):  # inf - inf, 0 * inf
        gap = np.abs(actual.astype(float) - expected.astype(float))
        limit = terms.atol + terms.rtol * np.abs(expected.astype(float))
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    wrong = ~(same | (np.isfinite(gap) & (gap <= limit)))
    if not wrong.any():
        return ""
    gap = np.where(wrong, np.nan_to_num(gap, nan=np.inf), 0)
    worst = np.unravel_index(np.argmax(gap), gap.shape)
    words = (
        f"{_unlike(actual[worst], expected[worst])}, "
        f"{gap[worst]:.2g} apart where {limit[worst]:.2g} is allowed"
    )
    if expected.ndim == 0:
        return words
    return (
        f"{wrong.sum()} of {wrong.size} values in shape {expected.shape} differ, "
        f"most at [{', '.join(map(str, worst))}]: {words}"
    )


def _sequence_difference(actual, expected, terms):
    """The difference of two lists or tuples, element by element."""
    if hasattr(actual, "__array__"):
        actual = np.asarray(actual).tolist()
    if not isinstance(actual, list | tuple):
        return _unlike(actual, expected)
    if len(actual) != len(expected):
        return f"expected {len(expected)} values, received {len(actual)}"
    for number, pair in enumerate(zip(actual, expected, strict=True)):
        if words := difference(*pair, terms):
            return f"element {number}: {words}"
    return ""


def _dict_difference(actual, expected, terms):
    """The difference of two dicts, at the expected keys."""
    if not isinstance(actual, Mapping):
        return _unlike(actual, expected)
    for key, value in expected.items():
        if key not in actual:
            return f"the key {key!r} is missing from {described(actual)}"
        if words := difference(actual[key], value, terms):
            return f"key {key!r}: {words}"
    further = [key for key in actual if key not in expected]
    if terms.exact_keys and further:
        return f"unexpected key {further[0]!r}"
    return ""


# Rules.


def _any_of(actual, accepted, terms):
    found = [difference(actual, value, terms) for value in accepted]
    if not all(found):
        return ""
    return f"none of {len(found)} accepted values; of the first, {found[0]}"


def _shape_only(actual, shape, terms):
    received = list(_shape(actual))
    return "" if received == shape else f"expected shape {shape}, received {received}"


def _within(actual, obeys, words):
    """Check a condition on every element; `words` describe it."""
    array = numbers(actual)
    if obeys(array).all():
        return ""
    if array.ndim == 0:
        return f"expected a number {words}, received {shown(array)}"
    span = f"{shown(array.min())} to {shown(array.max())}"
    return f"expected numbers {words}, received numbers from {span}"


def _less_than(actual, bound, terms):
    return _within(actual, lambda array: array < bound, f"less than {bound}")


def _greater_than(actual, bound, terms):
    return _within(actual, lambda array: array > bound, f"greater than {bound}")


def _between(actual, bounds, terms):
    low, high = bounds
    words = f"between {low} and {high}"
    return _within(actual, lambda array: (low <= array) & (array <= high), words)


def _agrees_with(actual, argument, terms):
    """The fraction of elements that equal those of a value, such as an accuracy."""
    value, fraction, atol = argument
    actual, value = numbers(actual), numbers(value)
    if actual.size != value.size:
        return f"expected shape {value.shape}, received shape {actual.shape}"
    share = np.mean(actual.ravel() == value.ravel())
    if abs(share - fraction) <= atol:
        return ""
    return (
        f"expected {shown(fraction)} of the elements to be right, received "
        f"{shown(share)}, where {atol:.2g} apart is allowed"
    )


RULES = {
    "any_of": _any_of,
    "shape_only": _shape_only,
    "less_than": _less_than,
    "greater_than": _greater_than,
    "between": _between,
    "agrees_with": _agrees_with,
    "architecture": lambda model, layers, terms: layer_tables.difference(model, layers),
}


# Convert and describe values.


def numbers(value: Any) -> np.ndarray:
    """`value` as an array of numbers.

    Raises:
        TypeError: if it is not numeric.
    """
    array = _array(value)
    if array is None:
        raise TypeError(f"expected numbers, received {described(value)}")
    return array


def _array(value):
    """`value` as an array of numbers, or None."""
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, NotImplementedError):  # ragged, or symbolic
        return None
    return array if array.dtype.kind in "biuf" else None


def _is_block(values):
    """Whether nested lists form a rectangular array of numbers."""

    def only_numbers(value):
        if isinstance(value, list | tuple):
            return len(value) > 0 and all(map(only_numbers, value))
        return isinstance(value, int | float)

    return only_numbers(values) and _array(values) is not None


def _shape(value):
    return tuple(value.shape) if hasattr(value, "shape") else np.shape(value)


def _dtype(value):
    dtype = value.dtype if hasattr(value, "dtype") else np.asarray(value).dtype
    return getattr(dtype, "name", str(dtype))  # in Keras it is a string


def _unlike(actual, expected):
    hint = " (is a `return` missing?)" if actual is None else ""
    return f"expected {described(expected)}, received {described(actual)}{hint}"


def described(value: Any) -> str:
    """A short description of `value`: "an array of shape (2, 1)"."""
    if value is None:
        return "None"
    if isinstance(value, str):
        return reprlib.repr(value)
    if isinstance(value, Mapping):
        return f"a dict with the keys {_listed(value)}" if value else "an empty dict"
    if isinstance(value, Set):
        return f"the set of {_listed(value)}" if value else "an empty set"
    if isinstance(value, list | tuple):
        if len(value) < 6 and all(v is None or np.isscalar(v) for v in value):
            return f"[{', '.join(map(described, value))}]"
        return f"a {type(value).__name__} of {len(value)} values"
    if hasattr(value, "shape") and tuple(value.shape):
        return f"an array of shape {tuple(value.shape)}"
    number = _array(value)
    if number is None:
        return f"an object of type {type(value).__name__}"
    return shown(number)


def _listed(keys, most=8):
    """The keys as text, at most the first few."""
    words = [reprlib.repr(key) for key in itertools.islice(keys, most)]
    return ", ".join(words + ["..."] * (len(keys) > most))


def shown(number: Any) -> str:
    """A number with at most ten digits."""
    number = np.asarray(number).item()
    return f"{number:.10g}" if isinstance(number, float) else str(number)
