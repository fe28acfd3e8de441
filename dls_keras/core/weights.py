"""Weight files: a record beside each model, a file that is checked before use.

A file is plain HDF5 with one data set for each variable, in the order of
`model.weights`, named after it: "012/conv2d/kernel". Half precision on disk is
allowed; values are read as float32. `load` trusts nothing: hash, number, names
and shapes are checked before the model is touched, and the model's answer to one
fixed input afterwards.
"""

import dataclasses
import os
import re
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """What there is to know about a weight file; stands beside its model.

    A name once released always means the same file: better weights get a new
    version. `metrics` are pairs of what was measured, and on which data, with the
    value; `golden` are the first outputs for the input that `probe` draws.
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


def choose(variants: Mapping, variant: str):
    """The entry of `variants` under the name `variant`.

    Raises:
        InputError: if there is none; those that exist are named.
    """
    if variant not in variants:
        raise InputError(
            f"There are no weights {variant!r} here. Choose one of "
            f"{', '.join(variants)}."
        )
    return variants[variant]


def find(record: Weights) -> Path:
    """Where the file is: `$DLS_KERAS_WEIGHTS`, shipped, the cache, or downloaded."""
    folders = [files.shipped_weights()]
    if folder := os.environ.get("DLS_KERAS_WEIGHTS"):
        folders.insert(0, Path(folder).expanduser())
    for folder in folders:
        if (folder / record.file).is_file():
            return folder / record.file
    remote = files.Remote(
        name=record.file,
        url=record.url,
        sha256=record.sha256,
        instead="It ships with the package: reinstall, or set DLS_KERAS_WEIGHTS to "
        f"the folder that holds it (sha256 {record.sha256}).",
    )
    return files.fetch(remote, files.home() / "weights")


def verify(record: Weights) -> Path:
    """The path of the file, once its hash is that of the record."""
    path = find(record)
    if (got := files.sha256(path)) != record.sha256:
        raise InputError(
            f"{path} has sha256 {got}, expected {record.sha256}. It is "
            f"{files.what_is(path)}. Delete it and run "
            f"`dls-keras weights fetch {record.name}`, or reinstall the package."
        )
    return path


def load(model, record: Weights):
    """Fill `model` with the file of `record`, checked; return the model.

    Raises:
        InputError: if the file is not the recorded one or does not fit the model,
            which is then as it was; or if the filled model gives another answer
            than the recorded one.
    """
    load_file(model, verify(record))
    got = golden(model)
    same = len(got) == len(record.golden)
    if not (same and np.allclose(got, record.golden, rtol=1e-2, atol=1e-3)):
        raise InputError(
            f"{record.name} was loaded but answers {got}, expected {record.golden}: "
            "the model was built with other settings than the weights were made for."
        )
    return model


def load_file(model, path: str | Path):
    """Fill `model` from any file that `save` wrote; return the model.

    Raises:
        InputError: if the file does not fit the model, which is then as it was.
    """
    arrays = load_arrays(path)
    variables = _names(model)
    if len(arrays) != len(variables):
        raise InputError(
            f"{path} holds {len(arrays)} arrays, the model has {len(variables)}. "
            "The file belongs to another model."
        )
    for name, variable in variables.items():
        array = arrays.get(name)
        if array is None or array.shape != tuple(variable.shape):
            found = "no such array" if array is None else f"shape {array.shape}"
            raise InputError(
                f"{path} has {found} for {name}, where the model expects shape "
                f"{tuple(variable.shape)}. The file belongs to another model."
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
        if not np.array_equal(variable.numpy(), arrays[name]):
            raise RuntimeError(f"{name} did not take the values of {path}.")
    return model


def load_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of a weight file by name, float16 widened to float32."""
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no weight file at {path}. Check the path.")
    arrays = {}

    def keep(name, item):
        if isinstance(item, h5py.Dataset):
            array = item[()]
            arrays[name] = array.astype("float32") if array.dtype == "f2" else array

    try:
        with h5py.File(path) as file:
            file.visititems(keep)
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} is no weight file that can be read; it is {files.what_is(path)}."
        ) from error
    return arrays


def save(model, path: str | Path, *, half: bool = False) -> Path:
    """Write the weights of `model` to `path`, in half precision where asked."""
    return save_arrays(
        {name: variable.numpy() for name, variable in _names(model).items()},
        path,
        half=half,
    )


def save_arrays(
    arrays: Mapping[str, np.ndarray], path: str | Path, *, half: bool = False
) -> Path:
    """Write arrays by name to a new file; an existing one is never overwritten.

    An array of bytes, such as a vocabulary, is written as it is.

    Raises:
        InputError: if the file exists, or a value is beyond half precision.
    """
    path = Path(path)
    if path.exists():
        raise InputError(
            f"{path} exists, and a released name is never overwritten. "
            "Choose the next version's name."
        )
    with files.atomic_write(path) as temporary, h5py.File(temporary, "w") as file:
        for name, array in arrays.items():
            array = np.asarray(array)
            shorten = half and array.dtype.kind == "f"
            if shorten and np.abs(array).max(initial=0) > np.finfo("float16").max:
                raise InputError(
                    f"{name} holds {np.abs(array).max():g}, and half precision ends at "
                    f"{np.finfo('float16').max}. Save it in full precision."
                )
            file[name] = array.astype("float16") if shorten else array
    return path


def facts(path: str | Path, model=None) -> dict:
    """The fields of a record that are read off the file and the model."""
    arrays = load_arrays(path)
    return {
        "file": Path(path).name,
        "sha256": files.sha256(path),
        "bytes": Path(path).stat().st_size,
        "params": sum(a.size for a in arrays.values() if a.dtype.kind != "S"),
        "golden": () if model is None else golden(load_file(model, path)),
    }


def golden(model) -> tuple[float, ...]:
    """The first five outputs for the input that `probe` draws."""
    outputs = model(probe(model), training=False)
    while isinstance(outputs, list | tuple | dict):
        outputs = outputs[0] if not isinstance(outputs, dict) else [*outputs.values()]
    return tuple(float(f"{v:.5g}") for v in np.ravel(outputs)[:5])


def probe(model):
    """One fixed example for each input of the model: uniform in [0, 1), seed 0.

    Sides that may have any length have 64.
    """
    import keras  # late: who only reads arrays needs no TensorFlow

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
