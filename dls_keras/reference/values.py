"""Values as the reference files write them, turned into Python's.

JSON knows numbers, strings, lists and dicts. Whatever else a case needs is an
object with a mark: `{"npz": "file.npz", "key": "X"}` is an array out of a file,
`{"between": [0, 1]}` a rule. `decode` lists every mark in one `match`.
TensorFlow is imported only when a value is a tensor.
"""

import importlib
import operator
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core.errors import InputError, MissingFileError

# Cases say "ref_stubs:NAME"; the stand-ins are found by name, only when asked for.
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
RULES |= {"architecture"}  # not of the format: how `cases` writes a comparator


class Rule(NamedTuple):
    """What a result must obey where no single value is expected."""

    kind: str
    argument: object


class Sources(NamedTuple):
    """Where the values come from that stand outside the JSON text.

    `folder` holds the .npz files of the cases, `data_folder` those of the data
    sets; `function` finds a function of the module under test by its name, and
    `result` what an earlier call of a run returned, by its number and a path.
    """

    folder: Path
    data_folder: Path | None = None
    function: Callable[[str], object] | None = None
    result: Callable[[int, str], object] | None = None


def decode(written, sources: Sources):
    """The Python value that `written`, read from a reference file, stands for.

    Every call makes new objects, so a function that changes its arguments harms
    no other case.
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
            return sources.function(name)
        case {"callable": place}:
            return _installed(place)
        case {"result": number}:
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


def datasets(written) -> Iterator[str]:
    """The names of the data sets that a written value asks for."""
    if isinstance(written, dict):
        if "dataset" in written and "key" in written:
            yield written["dataset"]
        written = list(written.values())
    if isinstance(written, list):
        for value in written:
            yield from datasets(value)


def dataset_path(name: str, data_folder: Path | None) -> Path:
    """The file of the data set `name`.

    Raises:
        MissingFileError: if there is no such file, or no folder was given.
    """
    if data_folder is None:
        raise MissingFileError(f"needs the data set {name}.npz and a folder with it")
    path = Path(data_folder) / f"{name}.npz"
    if not path.is_file():
        raise MissingFileError(f"needs the data set {path}, which is not there")
    return path


def index(text: str) -> tuple:
    """What stands between the brackets of "[0,:4]", to index an array with."""

    def part(text):
        if text == "...":
            return ...
        bounds = [int(bound) if bound.strip() else None for bound in text.split(":")]
        return slice(*bounds) if len(bounds) > 1 else bounds[0]

    return tuple(part(piece.strip()) for piece in text.strip()[1:-1].split(","))


def _post(array, written):
    """`array` after the steps of `written["post"]`, in their order."""
    for name, *arguments in written.get("post", ()):
        array = POST[name](array, *arguments)
    return array


def _draw(recipe, order):
    """The draw of a legacy generator that `recipe` describes."""
    generator = np.random.RandomState(recipe["seed"])
    args, kwargs = recipe.get("args", []), recipe.get("kwargs", {})
    earlier = recipe.get("before", [[recipe["method"], args, kwargs]] * order)
    for method, *arguments in earlier:
        _call_method(generator, method, *arguments)
    return _call_method(generator, recipe["method"], args, kwargs)


def _call_method(generator, method, args=(), kwargs=None):
    return getattr(generator, method)(*args, **(kwargs or {}))


def _glorot_normal(shape, seed):
    """The float32 draw that Keras 2's GlorotNormal(seed) gave on TensorFlow."""
    # 0.8796... is the deviation of a unit normal cut at two deviations.
    deviation = np.sqrt(2 / sum(shape)) / 0.87962566103423978
    draw = _tensorflow().random.stateless_truncated_normal
    return draw(shape, seed=[seed, 0], stddev=deviation).numpy()


def _load(path, key):
    with np.load(path) as arrays:
        if key not in arrays:
            raise InputError(f"{path} has no array {key!r}; it has {arrays.files}.")
        return arrays[key]


def _installed(place):
    """The attribute that "module:attribute" names; the attribute may have dots."""
    module, attribute = place.split(":")
    module = STAND_INS if module == "ref_stubs" else module
    return operator.attrgetter(attribute)(importlib.import_module(module))


def _key(value):
    """A list may be written as the key of a dict; Python wants a tuple there."""
    return tuple(value) if isinstance(value, list) else value


def _tensorflow():
    import tensorflow

    return tensorflow
