"""Assignments and their weights by the names that people type.

`opened` imports an assignment, `entry` finds weights by NAME/VARIANT, `load` gives a
model with weights of a variant or from a file, `save` writes such a file. A model
comes in three forms: a Keras model, a named tuple whose `model` is one, or a dict of
NumPy arrays.
"""

import difflib
import inspect
import os
import re
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import h5py
import numpy as np

from dls_keras import catalog
from dls_keras.core import files, weights
from dls_keras.core.errors import InputError

# What TensorFlow's libraries note on stderr when they are loaded.
NOTES = re.compile(
    rb"(WARNING: All log messages before absl|[IW]0000 |To enable the following).*\n"
)


def opened(name: str, *needed: str) -> ModuleType:
    """The module of the assignment `name`, imported now.

    Under TF_CPP_MIN_LOG_LEVEL=3, which the command line sets where the user has not,
    TensorFlow's first notes are dropped, too: that variable does not reach them.

    Raises:
        InputError: if there is no such assignment, or it does not offer all of
            `needed`, such as "train".
    """
    module = _quietly_loaded(name)
    offers = catalog.BY_NAME[name].offers
    for function in needed:
        if function not in offers:
            rest = ", ".join(offers) or "the course's functions"
            raise InputError(f"{name} offers no {function}, only {rest}.")
    return module


class Entry(NamedTuple):
    """Weights of an assignment: a record of ours, or published files."""

    name: str
    variant: str
    source: weights.Weights | files.Remote | tuple[files.Remote, ...]

    @property
    def ours(self) -> bool:
        return isinstance(self.source, weights.Weights)


def entries(*names: str) -> list[Entry]:
    """All weights of the assignments `names`, by default of all."""
    return [
        Entry(name, variant, source)
        for name in names or catalog.BY_NAME
        for kind in ("WEIGHTS", "PUBLISHED")
        for variant, source in getattr(opened(name), kind, {}).items()
    ]


def entry(text: str) -> Entry:
    """The weights that NAME, NAME/VARIANT or NAME/VERSION means.

    Raises:
        InputError: if there are none; a close name is suggested.
    """
    name, _, variant = text.partition("/")
    variant = variant or "default"
    found = entries(name)
    for one in found:
        if variant == one.variant or (one.ours and text == one.source.name):
            return one
    if not found:
        raise InputError(
            f"{name} comes without weights. What `dls-keras train {name}` writes, "
            "`--weights` takes."
        )
    known = [one.variant for one in found]
    close = difflib.get_close_matches(variant, known, n=1)
    raise InputError(
        f"{name} has no weights {variant!r}, only {', '.join(known)}."
        + (f" Did you mean {close[0]!r}?" if close else "")
    )


def paths(entry: Entry, *, check: bool = False) -> list[Path]:
    """Where the files are, downloaded if need be, hashed where asked."""
    source = entry.source
    if entry.ours:
        return [weights.verify(source) if check else weights.find(source)]
    remotes = source if isinstance(source, tuple) else (source,)
    found = [files.find_data(remote) for remote in remotes]
    if check:
        for path, remote in zip(found, remotes, strict=True):
            files.check_hash(path, remote)
    return found


def load(name: str, choice: str = "default") -> Any:
    """The model of an assignment with weights.

    Args:
        choice: a variant, or else the path of a file that `save` wrote.
    """
    module = opened(name)
    if choice in [one.variant for one in entries(name)]:
        return module.load_pretrained(choice)
    if not Path(choice).is_file():
        entry(f"{name}/{choice}")  # raises, and says what there is
    arrays = weights.load_arrays(choice)  # and here what else a file may be
    with h5py.File(choice) as file:
        model = build(module, file.attrs.get("gates"))
    if not isinstance(model, dict):
        weights.load_file(network(model), choice)
        return model
    expected, came = ({k: np.shape(v) for k, v in m.items()} for m in (model, arrays))
    if came != expected:
        raise InputError(
            f"{choice} holds {came}, where the model expects {expected}. "
            "The file belongs to another model."
        )
    return {key: arrays[key] for key in model}


def build(module: ModuleType, gates: str | None = None) -> Any:
    """An assignment's untrained model, with the gates that a converted file names.

    An LSTM's weights are worth little under other gates than those they were
    trained with, so `save` keeps their name beside the arrays.
    """
    if gates is None or "gates" not in inspect.signature(module.build_model).parameters:
        return module.build_model()
    from dls_keras.converters import keras_h5

    return module.build_model(gates=getattr(keras_h5, gates, gates))


def network(model: Any) -> Any:
    """The Keras model in what an assignment hands out."""
    if isinstance(model, dict):
        raise InputError("This model is no network of Keras but arrays of NumPy.")
    return getattr(model, "model", model)


def save(model: Any, path: Path, *, gates: str | None = None) -> None:
    """Write the weights of a model, in whichever form it comes, to a new file."""
    if isinstance(model, dict):
        weights.save_arrays(model, path)
    else:
        weights.save(network(model), path)
    if gates:
        with h5py.File(path, "r+") as file:
            file.attrs["gates"] = gates


def _quietly_loaded(name):
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        return catalog.load(name)
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            return catalog.load(name)
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            os.write(2, NOTES.sub(b"", said.read()))
