"""Assignments and their weights, found by the names that people type.

`open_assignment` imports a module, `entry` finds weights by NAME/VARIANT, `load`
returns a model with the weights of a variant or of a file, `save` writes such a file.
A model has one of three forms: a Keras model, a named tuple whose `model` is one, or
a dict of arrays. An assignment whose files hold more than its network's variables,
such as a vocabulary, offers `to_arrays(model)` and `from_arrays(arrays)`.
"""

import contextlib
import difflib
import inspect
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from dls_keras import catalog
from dls_keras.core import files, origin, readers, weights
from dls_keras.core.errors import InputError

SPARE = 100_000  # numbers of the states of dropout and the like, not in a file

# What TensorFlow's libraries log to stderr when they are loaded.
NOTES = re.compile(
    rb"(WARNING: All log messages before absl|[IW]0000 |To enable the following).*\n"
)


def open_assignment(name: str, *needed: str) -> ModuleType:
    """The module of the assignment `name`, imported now.

    Under TF_CPP_MIN_LOG_LEVEL=3, which the command line sets where the user has not,
    TensorFlow's first log lines are dropped, too: that variable does not reach them.

    Raises:
        InputError: if there is no such assignment, or it does not offer all of
            `needed`, such as "train".
    """
    with quietly():
        module = catalog.load(name)
    offers = catalog.BY_NAME[name].offers
    for function in needed:
        if function not in offers:
            rest = ", ".join(offers) or "the course's functions"
            raise InputError(f"{name} has no {function}. It has {rest}.")
    return module


class Entry(NamedTuple):
    """Weights of an assignment: a record of a shipped file, or published files."""

    name: str
    variant: str
    record: weights.Record | None
    remotes: tuple[files.Remote, ...] = ()


def entries(*names: str) -> list[Entry]:
    """All weights of the assignments `names`, by default of all."""
    found = []
    for name in names or catalog.BY_NAME:
        shipped, published = weights.shipped(name), weights.published(name)
        found += [Entry(name, variant, record) for variant, record in shipped.items()]
        found += [Entry(name, v, None, remotes) for v, remotes in published.items()]
    return found


def entry(text: str) -> Entry:
    """The weights that NAME, NAME/VARIANT or NAME/VERSION means.

    Raises:
        InputError: if there are none; a close name is suggested.
    """
    name, _, variant = text.partition("/")
    variant = variant or "default"
    catalog.check(name)
    found = entries(name)
    for one in found:
        if variant == one.variant:
            return one
    for one in entries():  # a released name stays when the assignment is renamed
        if one.record and text == one.record.name:
            return one
    if not found:
        raise InputError(
            f"{name} has no pretrained weights. Train it with `dls-keras train {name}` "
            "and pass the file with --weights."
        )
    known = [one.variant for one in found]
    close = difflib.get_close_matches(variant, known, n=1)
    raise InputError(
        f"{name} has no weights {variant!r}, only {', '.join(known)}."
        + (f" Did you mean {close[0]!r}?" if close else "")
    )


def paths(entry: Entry, *, check: bool = False) -> list[Path]:
    """Where the files are, downloaded if need be, their hashes compared if asked."""
    if entry.record:
        find = weights.verify if check else weights.find
        return [find(entry.record)]
    found = [files.find_data(remote) for remote in entry.remotes]
    if check:
        for path, remote in zip(found, entry.remotes, strict=True):
            files.check_hash(path, remote)
    return found


def load(name: str, choice: str = "default") -> Any:
    """The model of an assignment with weights.

    Args:
        choice: a variant, or else the path of a file that `save` wrote.

    Raises:
        InputError: if it is neither, or the file does not fit the assignment.
    """
    module = open_assignment(name)
    if choice in [one.variant for one in entries(name)]:
        return module.load_pretrained(choice)
    if not files.exists(choice):
        entry(f"{name}/{choice}")  # raises, and lists the variants
    arrays = weights.load_arrays(choice)  # and here for other kinds of file
    count = sum(array.size for array in arrays.values())
    stated = weights.load_settings(choice)
    settings = {key: stated[key] for key in stated if key != origin.KEY}
    if hasattr(module, "from_arrays"):
        _check_taken(module.from_arrays, settings, name)
        with _at_most(count):
            model = module.from_arrays(arrays, **settings)
        if _is_of_keras(model):
            origin.restore(network(model), stated)
        return model
    _check_settings(module, settings, arrays)
    with _at_most(count):
        model = build(module, settings)
    if isinstance(model, dict):
        return weights.like(model, arrays, choice)
    if not hasattr(network(model), "weights"):
        raise InputError(f"{name} reads no weight files. Choose one of its variants.")
    del arrays  # `load_file` reads them again
    weights.load_file(network(model), choice)
    origin.restore(network(model), stated)
    return model


def _check_settings(module, settings, arrays):
    """Raise InputError unless the settings of a file suit the assignment and the file.

    A setting has the type of its default. A size, such as a number of units, is that of
    an axis of an array, so that a short file cannot ask for a large model.
    """
    sizes = {size for array in arrays.values() for size in array.shape}
    takes = inspect.signature(module.build_model).parameters
    for key in settings.keys() & takes.keys():
        value, default = settings[key], takes[key].default
        several = value if isinstance(value, list) else [value]
        if isinstance(default, bool | str) or key == "seed":
            suits = type(value) is type(default)
        elif default is None or default is inspect.Parameter.empty:
            texts = all(isinstance(one, str) for one in several)
            suits = value is None or (texts and len({*several}) == len(several))
        else:
            whole = all(type(one) is int and one in sizes for one in several)
            listed = isinstance(value, list) == isinstance(default, tuple | list)
            suits = whole and listed and len(several) <= len(arrays)
        if not suits:
            raise InputError(
                f"The file was saved with {key}={readers.quoted(repr(value))}, which "
                "does not suit the model and the arrays of the file. The file is "
                f"damaged. {readers.COPY}"
            )


@contextlib.contextmanager
def _at_most(count):
    """Raise InputError before variables with more numbers than `count` are created."""
    if "tensorflow" not in sys.modules:
        yield
        return
    import tensorflow as tf

    left = count + SPARE

    def create(make, **arguments):
        nonlocal left
        value = arguments["initial_value"]
        with tf.Graph().as_default():  # computes the shape alone
            left -= math.prod((value() if callable(value) else value).shape)
        if left < 0:
            raise InputError(
                f"The file holds {count:,} numbers, fewer than the model with its "
                "settings. The file belongs to another model."
            )
        return make(**arguments)

    with tf.variable_creator_scope(create):
        yield


def build(module: ModuleType, settings: Mapping[str, Any]) -> Any:
    """An untrained model of an assignment, built with the settings of a file.

    A converted file names the settings that its weights were trained with, such as
    the activation of an LSTM's gates, and so `save` writes them next to the arrays.

    Raises:
        InputError: if `build_model` does not take such a setting, or not this value.
    """
    name = module.__name__.rpartition(".")[2]
    _check_taken(module.build_model, settings, name)
    if not settings:
        return module.build_model()
    try:
        return module.build_model(**settings)
    except InputError:
        raise
    except Exception as error:  # Keras and NumPy raise many kinds for wrong values
        raise InputError(
            f"{name} cannot be built with the settings of the file, "
            f"{readers.quoted(repr(settings))}: {error}. The file is damaged, or "
            "belongs to another model."
        ) from error


def _check_taken(function, settings, name):
    """Raise InputError unless a function of the assignment takes all settings."""
    takes = inspect.signature(function).parameters
    for key in settings:
        if key not in takes:
            raise InputError(
                f"The file was saved with the setting {readers.quoted(key)}, which the "
                f"model of {name} does not have. The file belongs to another model."
            )


def network(model: Any) -> Any:
    """The Keras model in any of the forms that assignments use."""
    if isinstance(model, dict):
        raise InputError(
            "Expected an assignment with a Keras model, received one whose model is a "
            "dict of arrays. Choose another assignment."
        )
    return getattr(model, "model", model)


def _is_of_keras(model):
    """Whether a model is a Keras model, or has one."""
    return not isinstance(model, Mapping) and hasattr(network(model), "layers")


def save(
    module: ModuleType,
    model: Any,
    path: Path,
    *,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained model of an assignment to a new file that `load` reads.

    A network that a converter filled is marked in the file, too, see `core.origin`.

    Args:
        settings: arguments of `build_model` that `load` needs, as JSON knows them.
    """
    stated = dict(settings or {})
    if _is_of_keras(model):
        stated |= origin.settings(network(model))
    if hasattr(module, "to_arrays"):
        arrays = module.to_arrays(model)
    else:
        by_name = isinstance(model, Mapping)
        arrays = model if by_name else weights.arrays(network(model))
    weights.save_arrays(arrays, path, settings=stated)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Drop TensorFlow's first log lines under TF_CPP_MIN_LOG_LEVEL=3."""
    if os.environ.get("TF_CPP_MIN_LOG_LEVEL") != "3":
        yield
        return
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            with contextlib.suppress(OSError):  # stderr may be full
                os.write(2, NOTES.sub(b"", said.read()))
