"""The messages of a worker: plain values as JSON, compared by the runner.

The worker runs the learner's code, which can change everything in its process. So the
worker sends what the functions returned, and the runner, a process that this code does
not reach, compares it. Nothing is pickled, and sizes are limited:

    None, number, string, list   as in JSON
    other collections            {"tuple": [...]}, {"set": [...]}, {"dict": [pairs]}
    arrays and tensors           {"array": dtype, "shape": [...], "data": base64}
    arrays of texts              {"texts": nested list}
    Keras models                 {"model": parameters and layers}
    other objects                {"object": type, "shape": [...], "dtype": name}
"""

import base64
import math
from collections.abc import Mapping, Set
from typing import Any

import numpy as np

from dls_keras.grading.comparison import as_array
from dls_keras.reference import layer_tables
from dls_keras.reference.cases import Facts, NotFound

LARGEST = 16 * 2**20  # bytes of the values in one message
DEEPEST = 40  # nested collections

# The functions that the worker uses, in case the learner's code replaces them.
b64encode, asarray = base64.b64encode, np.asarray


class _Encoder:
    """Encodes values of at most `left` bytes."""

    def __init__(self, left: int = LARGEST):
        self.left = left

    def __call__(self, value: Any, depth: int = 0) -> Any:
        self._take(8)
        if depth > DEEPEST:
            raise ValueError(f"has more than {DEEPEST} nested collections")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            self._take(len(value))
            return str.__str__(value)
        if type(value) is float or type(value) is int and value.bit_length() < 1000:
            return value
        if isinstance(value, NotFound):
            return {"not_found": value.words[:2000]}
        if (array := _array(value)) is not None:
            return self._array(array, depth)
        if isinstance(value, Mapping):
            pairs = [[self(k, depth + 1), self(v, depth + 1)] for k, v in value.items()]
            return {"dict": pairs}
        if isinstance(value, list | tuple | Set):
            parts = [self(part, depth + 1) for part in value]
            if isinstance(value, list):
                return parts
            return {"set" if isinstance(value, Set) else "tuple": parts}
        if layer_tables.is_model(value):
            return {"model": self._model(value, depth)}
        if (array := as_array(value)) is not None:
            return self._array(array, depth)
        return self._object(value)

    def _take(self, size):
        self.left -= size
        if self.left < 0:
            raise ValueError(f"is larger than {LARGEST // 2**20} MB")

    def _array(self, array, depth):
        if array.dtype.kind not in "biuf":
            return {"texts": self(array.tolist(), depth + 1)}
        self._take(array.nbytes)
        data = b64encode(np.ascontiguousarray(array).tobytes()).decode("ascii")
        return {"array": array.dtype.str, "shape": list(array.shape), "data": data}

    def _model(self, model, depth):
        facts = layer_tables.facts(model)
        return self(
            [facts.total_params, facts.trainable_params, facts.layers], depth + 1
        )

    def _object(self, value: Any) -> dict[str, Any]:
        found: dict[str, Any] = {"object": type(value).__name__[:100]}
        if (shape := getattr(value, "shape", None)) is not None:
            found["shape"] = [None if n is None else int(n) for n in tuple(shape)]
        if (dtype := getattr(value, "dtype", None)) is not None:
            found["dtype"] = str(getattr(dtype, "name", dtype))[:100]
        return found


def _array(value):
    """An array, tensor or NumPy number as an array of numbers or texts, or None."""
    if not isinstance(value, int | float) and not hasattr(value, "__array__"):
        return None
    try:
        array = asarray(value)
    except Exception:  # a symbolic tensor, or an unusual object
        return None
    return array if array.dtype.kind in "biufOSU" else None


def encode(value: Any) -> Any:
    """`value` as a value of JSON.

    Raises:
        ValueError: if it is too large, or nested too deeply.
    """
    return _Encoder()(value)


def encode_facts(facts: Facts) -> dict[str, Any]:
    """The facts as values of JSON; a value that cannot be sent is `NotFound`."""
    encoder = _Encoder()

    def encoded(value):
        left = encoder.left
        try:
            return encoder(value)
        except Exception as error:  # an unusual object may raise anything
            encoder.left = left
            return encoder(NotFound(str(error) or type(error).__name__))

    return {
        "found": {key: encoded(value) for key, value in facts.found.items()},
        "arguments": {key: encoded(value) for key, value in facts.arguments.items()},
        "keys": encoded(facts.keys),
        "failure": facts.failure[:2000],
        "raised": list(facts.raised),
        "received": facts.received[:2000],
    }


def decode(written: Any) -> Any:
    """The value that `encode` wrote; an object has its type's name, shape and dtype.

    Raises:
        ValueError: if `encode` cannot have written it.
    """
    match written:
        case list():
            return [decode(part) for part in written]
        case {"tuple": list(parts)}:
            return tuple(decode(part) for part in parts)
        case {"set": list(parts)}:
            return {_key(decode(part)) for part in parts}
        case {"dict": list(pairs)}:
            return {_key(decode(key)): decode(value) for key, value in pairs}
        case {"array": str(dtype), "shape": list(shape), "data": str(data)}:
            return _decode_array(dtype, shape, data)
        case {"texts": texts}:
            return _decode_texts(texts)
        case {"not_found": str(words)}:
            return NotFound(words)
        case {"model": [int(total), int(trainable), list(layers)]}:
            facts = [decode(layer) for layer in layers]
            return layer_tables.ModelFacts(total, trainable, facts)
        case {"object": str(name)}:
            attributes: dict[str, Any] = {}
            if "shape" in written:
                attributes["shape"] = tuple(written["shape"])
            if "dtype" in written:
                attributes["dtype"] = str(written["dtype"])
            return type(name, (), attributes)()
        case dict():
            raise ValueError(f"unknown value with the keys {sorted(written)}")
    return written


def decode_facts(written: dict[str, Any]) -> Facts:
    """The facts that `encode_facts` wrote.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: if it cannot have written them.
    """
    keys = decode(written["keys"])
    return Facts(
        found={key: decode(value) for key, value in written["found"].items()},
        arguments={key: decode(value) for key, value in written["arguments"].items()},
        keys=keys if isinstance(keys, list) else None,
        failure=str(written["failure"]),
        raised=tuple(map(str, written["raised"])),
        received=str(written["received"]),
    )


def _key(value):
    """A value that may be a key: an array of numbers becomes a number or a tuple."""
    if isinstance(value, np.ndarray):
        return tuple(value.ravel().tolist())
    if isinstance(value, set):
        return frozenset(value)
    return tuple(value) if isinstance(value, list) else value


def _decode_array(dtype, shape, data):
    """The array; a number without dimensions is a NumPy scalar."""
    kind = np.dtype(dtype)
    if kind.kind not in "biuf" or math.prod(shape) * kind.itemsize > LARGEST:
        raise ValueError(f"unexpected array of {dtype} and shape {shape}")
    array = np.frombuffer(base64.b64decode(data), kind).reshape(shape)
    return array[()]


def _decode_texts(texts):
    """An array of Python objects, which may have any number of dimensions."""
    return np.array(decode(texts), dtype=object)
