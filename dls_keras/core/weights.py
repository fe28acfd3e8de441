"""Weight files: records of what ships, and loaders that check before they trust.

A file is plain HDF5 with one data set for each variable, in the order of
`model.weights`, named after it: "012/conv2d/kernel". A vocabulary is one more data
set, of bytes. Half precision on disk is allowed; values are read as float32.

`weights/records.toml`, next to the files, describes each of them. `load` checks the
file's hash and, before it changes a Keras model, the number, names and shapes of the
arrays; afterwards it checks the model's golden answer: its outputs for a fixed input.
"""

import collections
import dataclasses
import functools
import io
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dls_keras.core import files, hdf5, outputs, readers
from dls_keras.core.errors import InputError

A_FILE = "a weight file that can be read"
MOST_TEXTS = 500_000  # in a vocabulary; GloVe 6B has 400,000 words
ADVICE = "Expected HDF5, as `dls-keras train` writes it."


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of a shipped weight file, a table of `weights/records.toml`.

    A name once released always means the same file: better weights get a new
    version. `metrics` are pairs of what was measured, and on which data, with the
    value; `golden` holds up to five outputs for one fixed input.
    """

    name: str  # "date_translation/v1"
    file: str
    sha256: str
    bytes: int
    params: int
    input: str  # layout and range: preprocessing belongs to the weights
    classes: tuple[str, ...] = ()
    data: str
    licence: str  # of the data, as stated by its source
    recipe: str
    seed: int
    metrics: tuple[tuple[str, str], ...]
    golden: tuple[float, ...]
    date: str
    url: str | None = None

    @property
    def measured(self) -> str:
        """The metrics in one line."""
        return "; ".join(f"{what}: {value}" for what, value in self.metrics)


# Records.


def shipped(assignment: str) -> dict[str, Record]:
    """The records of the weights that ship for an assignment, by variant."""
    tables = _tables(files.shipped_weights()).get("shipped", {})
    return {v: _record(table) for v, table in tables.get(assignment, {}).items()}


def published(assignment: str) -> dict[str, tuple[files.Remote, ...]]:
    """The published files that an assignment can load, by variant."""
    tables = _tables(files.shipped_weights()).get("published", {})
    return {
        variant: tuple(files.Remote(**table) for table in several)
        for variant, several in tables.get(assignment, {}).items()
    }


def record(assignment: str, variant: str = "default") -> Record:
    """The record of one shipped file.

    Raises:
        InputError: if there is none; those that exist are named.
    """
    found = shipped(assignment)
    parts = _tables(files.shipped_weights()).get("parts", {}).get(assignment, {})
    if variant in parts:
        return _record(parts[variant])
    if variant not in found:
        known = ", ".join([*found, *published(assignment)])
        raise InputError(
            f"{assignment} has no weights {variant!r}. Choose one of {known}."
        )
    return found[variant]


def variant(assignment: str, text: str) -> str | None:
    """The variant that a name or a version means, None if there is none such.

    >>> variant("date_translation", "v3"), variant("date_translation", "mine.h5")
    ('default', None)
    """
    found = shipped(assignment)
    if text in found or text in published(assignment):
        return text
    versions = {r.name.rpartition("/")[2]: name for name, r in found.items()}
    return versions.get(text)


def find_published(assignment: str, variant: str) -> list[Path]:
    """The files of a published variant: local ones, else downloaded.

    Raises:
        InputError: if there is no such variant; those that exist are named.
        MissingFileError: if a file is neither on this machine nor can be downloaded.
    """
    remotes = published(assignment).get(variant)
    if remotes is None:
        record(assignment, variant)  # raises, unless the variant ships
        raise InputError(f"{assignment}/{variant} is shipped, not published.")
    return [files.find_data(remote) for remote in remotes]


def available(assignment: str, variant: str) -> bool:
    """Whether all files of a published variant are in the data folder."""
    remotes = published(assignment)[variant]
    return all(files.in_data_folder(remote.name) for remote in remotes)


@functools.cache
def _tables(folder: Path) -> dict[str, Any]:
    return tomllib.loads((folder / "records.toml").read_text("utf-8"))


def _record(table):
    return Record(**{key: _frozen(value) for key, value in table.items()})


def _frozen(value):
    """Lists as tuples, at every depth."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


# Files.


def find(record: Record) -> Path:
    """Where the file is: `$DLS_KERAS_WEIGHTS`, shipped, the cache, or downloaded."""
    folders = [files.shipped_weights()]
    if named := os.environ.get("DLS_KERAS_WEIGHTS"):
        folders.insert(0, files.expanded(named))
    for folder in folders:
        if (folder / record.file).is_file():
            return folder / record.file
    remote = files.Remote(
        name=record.file,
        url=record.url,
        sha256=record.sha256,
        bytes=record.bytes,
        instead="It ships with the package: reinstall, or set DLS_KERAS_WEIGHTS to "
        f"the folder that holds it (sha256 {record.sha256}).",
    )
    return files.fetch(remote, files.home() / "weights")


def verify(record: Record) -> Path:
    """The path of the file, once its hash is that of the record."""
    path = find(record)
    if (got := files.sha256(path)) != record.sha256:
        raise InputError(
            f"{path} has sha256 {got}, expected {record.sha256}. It is "
            f"{files.what_is(path)}. Delete it and reinstall the package, or restore "
            "it in a clone with `git checkout`."
        )
    return path


def load(
    model: Any,
    assignment: str,
    variant: str = "default",
    *,
    outputs: Callable[[Any], np.ndarray] | None = None,
) -> Any:
    """A model with shipped weights, after every check.

    Args:
        model: a Keras model, which is filled and returned; or, for models of another
            form, a function from the arrays of the file to the finished model.
        assignment, variant: which record of `weights/records.toml`.
        outputs: a function from the finished model to its outputs for a fixed input,
            of which the first five are compared with the record; default: those of a
            Keras model for `fixed_input`. Probabilities near 0 or 1 would agree with
            those of many models: `features` or logits are better then.

    Raises:
        InputError: if there is no such record, the file is not the recorded one or
            does not fit the model, which is then as it was; or if the outputs of the
            finished model differ from the recorded ones.
    """
    known = record(assignment, variant)
    path = verify(known)
    if hasattr(model, "weights"):
        load_file(model, path, known=True)
    else:
        model = model(load_arrays(path, known=True))
    got = golden(model) if outputs is None else _first_five(outputs(model))
    if not agrees(got, known.golden):
        raise InputError(
            f"{known.name} gives {got} for its fixed input, expected {known.golden}. "
            "The model was built with other settings than the weights were trained "
            "with: build it with the defaults."
        )
    return model


def agrees(got: Sequence[float], golden: Sequence[float]) -> bool:
    """Whether outputs are those of a record, to 1 % and 0.1 % of the largest."""
    if not len(got) == len(golden) > 0:
        return False
    return np.allclose(got, golden, rtol=1e-2, atol=1e-3 * np.abs(golden).max())


def load_file(model: Any, path: str | Path, *, known: bool = False) -> Any:
    """Fill `model` from any file that `save` wrote; return the model.

    Args:
        known: whether the hash of the file is a recorded one.

    Raises:
        InputError: if the file does not fit the model, which is then as it was.
    """
    arrays = load_arrays(path, known=known)
    variables = _names(model)
    if len(arrays) != len(variables):
        raise InputError(
            f"{path} holds {len(arrays)} arrays, the model has {len(variables)}. "
            "The file belongs to another model."
        )
    _assign([(v, arrays.get(name), name) for name, v in variables.items()], path)
    return model


def assign(
    variables: Sequence, values: Sequence[np.ndarray | None], owner: str
) -> None:
    """Give each variable its value; touch nothing unless all values fit.

    Raises:
        InputError: if a value is missing, has another shape or type, or is not valid;
            `owner` is named.
    """
    triples = [
        (variable, value, f"{variable.path} of {owner}")
        for variable, value in zip(variables, values, strict=True)
    ]
    _assign(triples, "The weight file")


def _assign(triples, source):
    """Give each variable its value; touch nothing unless all values fit.

    Args:
        triples: (variable, value or None, name of the value).
    """
    for variable, value, name in triples:
        if problem := _problem(variable, value):
            raise InputError(
                f"{source} has {problem} for {name}, where the model expects shape "
                f"{tuple(variable.shape)} and type {variable.dtype}. The file belongs "
                "to another model."
            )
        readers.checked_numbers(value, name)
    for variable, value, _ in triples:
        variable.assign(value.astype("float32") if value.dtype == "f8" else value)


def _problem(variable, value):
    """Why a variable cannot have this value, or None."""
    if value is None:
        return "no such array"
    if value.shape != tuple(variable.shape):
        return f"shape {value.shape}"
    if value.dtype.kind not in ("fiu" if "float" in variable.dtype else "iu"):
        return f"type {value.dtype}"
    if variable.name.endswith("variance") and value.min(initial=0) < 0:
        return "negative values"
    return None


def like(
    model: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    source: str | Path = "The weight file",
) -> dict[str, np.ndarray]:
    """The arrays of a model that is a dict, once they have the form of `model`.

    Raises:
        InputError: if a name, a shape or a type differs, or values are not valid.
    """
    for name in {**model, **arrays}:
        expected, received = (_form(one.get(name)) for one in (model, arrays))
        if received != expected:
            raise InputError(
                f"{source} has {received} for {name}, where the model expects "
                f"{expected}. The file belongs to another model."
            )
        if received.startswith("bytes"):
            texts(arrays, name)
        else:
            readers.checked_numbers(arrays[name], name)
    return {name: arrays[name] for name in model}


def _form(array):
    """The kind and shape of an array, for a message."""
    if array is None:
        return "no such array"
    array = np.asarray(array)
    kinds = {"S": "bytes"} | dict.fromkeys("biuf", "numbers")
    return f"{kinds.get(array.dtype.kind, array.dtype)} of shape {array.shape}"


def texts(arrays: Mapping[str, np.ndarray], name: str) -> list[str]:
    """The texts of an array of bytes, such as a vocabulary.

    Raises:
        InputError: if there is no such array, it is not a list of bytes, they are not
            UTF-8, or a text occurs twice.
    """
    array = arrays.get(name)
    if (
        array is None
        or (array.dtype.kind, array.ndim) != ("S", 1)
        or not 0 < array.size <= MOST_TEXTS
    ):
        raise InputError(
            f"The weight file has {_form(array)} for {name}, expected a list of 1 to "
            f"{MOST_TEXTS:,} texts as bytes. The file belongs to another model."
        )
    try:
        found = [text.decode() for text in array.tolist()]
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} in the weight file is not text in UTF-8 ({error}). {readers.COPY}"
        ) from error
    if len({*found}) < len(found):
        ((twice, _),) = collections.Counter(found).most_common(1)
        raise InputError(
            f"{name} in the weight file has {readers.quoted(twice)} twice. "
            f"{readers.COPY}"
        )
    return found


def check_names(arrays: Mapping[str, Any], names: Sequence[str], owner: str) -> None:
    """Raise InputError unless a weight file has exactly the arrays `names`."""
    for kind, several in (
        ("no array", {*names} - arrays.keys()),
        ("an unknown array", arrays.keys() - {*names}),
    ):
        if several:
            raise InputError(
                f"The weight file of {owner} has {kind} "
                f"{readers.quoted(min(several))}. The file belongs to another model."
            )


def load_arrays(path: str | Path, *, known: bool = False) -> dict[str, np.ndarray]:
    """The arrays of a weight file by name, float16 widened to float32.

    Args:
        known: whether the hash of the file is a recorded one.
    """
    with hdf5.opened(path, A_FILE, ADVICE, known=known) as file:
        return {
            name: array.astype("float32") if array.dtype == "f2" else array
            for name, array in file.arrays().items()
        }


def load_settings(path: str | Path) -> dict[str, Any]:
    """What `save_arrays` wrote as settings, {} where it wrote none."""
    with hdf5.opened(path, A_FILE, ADVICE) as file:
        settings = json.loads(file.attributes().get("settings", "{}"))
        if not isinstance(settings, dict):
            raise InputError(f"The settings in {path} are not a JSON object. {ADVICE}")
        return settings


def arrays(model: Any) -> dict[str, np.ndarray]:
    """The variables of a Keras model as arrays, by the names they have in a file."""
    return {name: variable.numpy() for name, variable in _names(model).items()}


def save(model: Any, path: str | Path, *, half: bool = False) -> Path:
    """Write the variables of a Keras model to a new file."""
    return save_arrays(arrays(model), path, half=half)


def save_arrays(
    arrays: Mapping[str, np.ndarray],
    path: str | Path,
    *,
    half: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Path:
    """Write arrays by name to a new file; an existing one is never overwritten.

    Args:
        arrays: numbers, and arrays of bytes, such as a vocabulary.
        half: whether floating-point numbers are stored in half precision.
        settings: small facts in JSON's types, which `load_settings` reads.

    Raises:
        InputError: if the file exists or cannot be written, a value is NaN or infinite,
            or it is beyond half precision.
    """
    path = Path(path)
    if os.path.exists(path):  # False for a name that is too long
        raise InputError(
            f"{path} already exists and is never overwritten. Choose another name."
        )
    content = io.BytesIO()  # libhdf5 ends the process if a disk is full
    with h5py.File(content, "w") as file:
        for name, array in arrays.items():
            array = np.asarray(array)
            outputs.check_finite(array, name)
            shorten = half and array.dtype.kind == "f"
            if shorten and np.abs(array).max(initial=0) > np.finfo("float16").max:
                raise InputError(
                    f"{name} holds {np.abs(array).max():g}, and half precision ends at "
                    f"{np.finfo('float16').max}. Save it in full precision."
                )
            file[name] = array.astype("float16") if shorten else array
        if settings:
            file.attrs["settings"] = json.dumps(dict(settings))
    with files.atomic_write(path) as temporary:
        temporary.write_bytes(content.getbuffer())
    return path


def facts(path: str | Path, model: Any = None) -> dict[str, Any]:
    """The fields of a record that are read off the file and the model."""
    arrays = load_arrays(path)
    return {
        "file": Path(path).name,
        "sha256": files.sha256(path),
        "bytes": Path(path).stat().st_size,
        "params": sum(a.size for a in arrays.values() if a.dtype.kind != "S"),
        "golden": () if model is None else golden(load_file(model, path)),
    }


def golden(model: Any) -> tuple[float, ...]:
    """The first five outputs of a Keras model for its `fixed_input`."""
    outputs = model(fixed_input(model), training=False)
    while isinstance(outputs, list | tuple | dict):
        outputs = outputs[0] if not isinstance(outputs, dict) else [*outputs.values()]
    return _first_five(outputs)


def features(model: Any) -> Any:
    """The inputs of the last layer of a Keras model for its `fixed_input`."""
    import keras  # lazy import: reading arrays needs no TensorFlow

    body = keras.Model(model.inputs, model.layers[-1].input)
    return body(keras.tree.flatten(fixed_input(model)), training=False)


def _first_five(outputs) -> tuple[float, ...]:
    """The first five numbers, to five digits."""
    return tuple(float(f"{v:.5g}") for v in np.ravel(outputs)[:5])


def fixed_input(model: Any) -> Any:
    """One example for each input of a Keras model: uniform in [0, 1), seed 0.

    Axes of any length have 64 entries.
    """
    import keras  # lazy import: reading arrays needs no TensorFlow

    rng = np.random.default_rng(0)
    return keras.tree.map_structure(
        lambda tensor: rng.uniform(
            size=(1, *(side or 64 for side in tensor.shape[1:]))
        ).astype("float32"),
        getattr(model, "input", model.inputs[0]),  # a new Sequential has no `input`
    )


def _names(model) -> dict:
    """The model's variables under the names they have in a file.

    The numbers that Keras appends to repeated layer names depend on what was built
    before, so they are left out; the position tells such layers apart.
    """
    return {
        f"{i:03}/{re.sub(r'_[0-9]+(?=/|$)', '', variable.path)}": variable
        for i, variable in enumerate(model.weights)
    }
