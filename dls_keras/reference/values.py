"""Decode the values of the reference files into Python values.

JSON has numbers, strings, lists and dicts. Other values are objects with a special key:
`{"npz": "file.npz", "key": "X"}` is an array of a file, `{"between": [0, 1]}` a rule.
`decode` lists all of them in one `match`. TensorFlow is imported only if a value is a
tensor.
"""

import functools
import importlib
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from dls_keras.core.errors import InputError, MissingFileError

# Cases name a stand-in as "ref_stubs:NAME"; the module is imported when needed.
STAND_INS = "dls_keras.reference.stand_ins"

POST = {
    "mul": operator.mul,
    "add": operator.add,
    "sub": operator.sub,
    "div": operator.truediv,
    "mod": operator.mod,
    "pow": operator.pow,
    "gt": operator.gt,
    "lt": operator.lt,
    "neg": operator.neg,
    "abs": operator.abs,
    "T": np.transpose,
    "astype": lambda array, dtype: array.astype(dtype),
    "reshape": lambda array, shape: array.reshape(shape),
    "index": lambda array, text: array[index(text)],
    "onehot": lambda array, classes: np.eye(classes)[array.ravel().astype(int)],
}

RULES = {"shape_only", "any_of", "less_than", "greater_than", "between"}
RULES |= {"architecture"}  # not in the files: `cases` uses it for comparators

# (path, key) -> array: those that `preload` has read.
_PRELOADED: dict[tuple[Path, str], np.ndarray] = {}


class Rule(NamedTuple):
    """A condition on a result, in place of an expected value."""

    kind: str
    argument: object


class Sources(NamedTuple):
    """The sources of values that are not in the JSON text.

    `folder` contains the .npz files of the cases, `data_folder` those of the data sets;
    `function` looks up a function under test by name, and `result` the result of an
    earlier call of a run, by its number and a path.
    """

    folder: Path
    data_folder: Path | None = None
    function: Callable[[str], object] | None = None
    result: Callable[[int, str], object] | None = None


def decode(written: Any, sources: Sources) -> Any:
    """The Python value of `written`, which was read from a reference file.

    Each call creates new objects, so that a function which changes its arguments does
    not affect other cases.
    """

    def inner(value):
        return decode(value, sources)

    match written:
        case list():
            return [inner(value) for value in written]
        case {"dtype": dtype, "shape": shape, "data": data}:
            return np.array(data, dtype).reshape(shape)
        case {"recipe": recipe}:
            return _post(_draw(recipe, written.get("order", 0)), written)
        case {"npz": name, "key": key}:
            return _post(_load(sources.folder / name, key), written)
        case {"dataset": name, "key": key}:
            return _post(_load(dataset_path(name, sources.data_folder), key), written)
        case {"arange": bounds}:
            return _post(np.arange(*bounds, dtype=written.get("dtype")), written)
        case {"glorot_normal": draw}:
            return _glorot_normal(**draw)
        case {"tuple": values}:
            return tuple(inner(values))
        case {"items": pairs}:
            return {_key(inner(key)): inner(value) for key, value in pairs}
        case {"dict": entries}:
            return {key: inner(value) for key, value in entries.items()}
        case {"set": values}:
            return {_key(value) for value in inner(values)}
        case {"tensor": value}:
            return _tensorflow().constant(inner(value), dtype=written.get("dtype"))
        case {"variable": value}:
            return _tensorflow().Variable(inner(value), dtype=written.get("dtype"))
        case {"tf_dataset": [array]}:
            return _tensorflow().data.Dataset.from_tensor_slices(inner(array))
        case {"tf_dataset": arrays}:
            slices = tuple(inner(arrays))
            return _tensorflow().data.Dataset.from_tensor_slices(slices)
        case {"function": name}:
            assert sources.function is not None
            return sources.function(name)
        case {"callable": place}:
            return _installed(place)
        case {"result": number}:
            assert sources.result is not None
            return sources.result(number, written.get("path", ""))
        case {"agrees_with": value, "fraction": fraction}:
            atol = written.get("atol", 1e-6)
            return Rule("agrees_with", (inner(value), fraction, atol))
        case dict() if kinds := RULES & written.keys():
            kind = kinds.pop()
            return Rule(kind, inner(written[kind]))
        case dict():
            return {key: inner(value) for key, value in written.items()}
    return written


@functools.cache
def stand_ins() -> ModuleType:
    """The module of the stand-ins, imported at the first call."""
    return importlib.import_module(STAND_INS)


def datasets(written: Any) -> Iterator[str]:
    """The names of the data sets that a value needs."""
    if isinstance(written, dict):
        if "dataset" in written and "key" in written:
            yield written["dataset"]
        written = list(written.values())
    if isinstance(written, list):
        for value in written:
            yield from datasets(value)


def preload(written: Any, folder: Path) -> None:
    """Read the arrays of .npz files that a value needs, and keep them in memory.

    Afterwards `decode` needs no access to the folder.
    """
    if isinstance(written, dict):
        if "npz" in written and "key" in written:
            path, key = folder / written["npz"], written["key"]
            _PRELOADED[path, key] = _load(path, key)
        written = list(written.values())
    if isinstance(written, list):
        for value in written:
            preload(value, folder)


def dataset_path(name: str, data_folder: str | Path | None) -> Path:
    """The file of the data set `name`.

    Raises:
        MissingFileError: if there is no such file, or no folder is given.
    """
    if data_folder is None:
        raise MissingFileError(f"needs the data set {name}.npz and a folder with it")
    path = Path(data_folder) / f"{name}.npz"
    if not path.is_file():
        raise MissingFileError(f"needs the data set {path}, which does not exist")
    return path


def index(text: str) -> tuple:
    """The index that a text such as "[0,:4]" denotes."""

    def part(text):
        if text == "...":
            return ...
        bounds = [int(bound) if bound.strip() else None for bound in text.split(":")]
        return slice(*bounds) if len(bounds) > 1 else bounds[0]

    return tuple(part(piece.strip()) for piece in text.strip()[1:-1].split(","))


def _post(array, written):
    """`array` after the operations of `written["post"]`, in order."""
    for name, *arguments in written.get("post", ()):
        array = POST[name](array, *arguments)
    return array


def _draw(recipe, order):
    """A sample of NumPy's legacy generator, as `recipe` describes it."""
    generator = np.random.RandomState(recipe["seed"])
    args, kwargs = recipe.get("args", []), recipe.get("kwargs", {})
    earlier = recipe.get("before", [[recipe["method"], args, kwargs]] * order)
    for method, *arguments in earlier:
        _call_method(generator, method, *arguments)
    return _call_method(generator, recipe["method"], args, kwargs)


def _call_method(generator, method, args=(), kwargs=None):
    return getattr(generator, method)(*args, **(kwargs or {}))


def _glorot_normal(shape, seed):
    """A float32 sample of Keras 2's GlorotNormal(seed) on TensorFlow."""
    # 0.8796... is the standard deviation of a normal truncated at two of its own.
    deviation = np.sqrt(2 / sum(shape)) / 0.87962566103423978
    draw = _tensorflow().random.stateless_truncated_normal
    return draw(shape, seed=[seed, 0], stddev=deviation).numpy()


def _load(path, key):
    if (path, key) in _PRELOADED:
        return _PRELOADED[path, key].copy()
    with np.load(path) as arrays:
        if key not in arrays:
            raise InputError(f"{path} has no array {key!r}; it has {arrays.files}.")
        return arrays[key]


def _installed(place):
    """The object "module:attribute"; the attribute may have dots."""
    module, attribute = place.split(":")
    found = stand_ins() if module == "ref_stubs" else importlib.import_module(module)
    return operator.attrgetter(attribute)(found)


def _key(value):
    """A key of a dict: a list becomes a tuple."""
    return tuple(value) if isinstance(value, list) else value


def _tensorflow():
    import tensorflow

    return tensorflow
