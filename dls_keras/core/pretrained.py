"""Models with weights from a file of the user's own, in every assignment.

`load_pretrained` of an assignment loads what ships or was published. Decorated by
`or_own_file`, it also takes a version, such as "v1", and the path of a weight file, as
`dls-keras train` or `dls-keras convert` writes it.

A model has one of three forms: a Keras model, a named tuple whose `model` is one, or
a dict of arrays. An assignment whose files hold more than its network's variables,
such as a vocabulary, offers `to_arrays(model)` and `from_arrays(arrays)`.
"""

import contextlib
import functools
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from dls_keras.core import files, origin, readers, settings, weights
from dls_keras.core.errors import InputError, MissingFileError

SPARE = 100_000  # numbers of the states of dropout and the like, not in a file


def or_own_file(load_pretrained: Callable) -> Callable:
    """Decorate the `load_pretrained` of an assignment.

    The decorated function takes a variant, a version such as "v1", or else the path of
    a weight file (str or `pathlib.Path`, "~" is the home folder).

    Raises:
        InputError: if it is none of them, or the file does not fit the assignment.
    """
    name = load_pretrained.__module__.rpartition(".")[2]

    @functools.wraps(load_pretrained)
    def load(variant: str | Path = "default", **more: Any) -> Any:
        known = weights.variant(name, str(variant))
        if known is not None:
            return load_pretrained(known, **more)
        if files.exists(files.expanded(variant)):
            model = load_file(sys.modules[load_pretrained.__module__], variant)
            if more:
                raise InputError(
                    f"{', '.join(more)} cannot be set for a file: {variant} has its "
                    "own settings. Leave it out."
                )
            return model
        if Path(variant).suffix:
            variants = ", ".join([*weights.shipped(name), *weights.published(name)])
            raise MissingFileError(
                f"There is no file at {variant}. Check the path, or choose one of the "
                f"weights {variants}."
            )
        return load_pretrained(str(variant))  # raises, and lists the variants

    return load


def load_file(module: ModuleType, path: str | Path) -> Any:
    """The model of an assignment with the weights of a file.

    Args:
        module: the assignment, which offers `build_model` or `from_arrays`.

    Raises:
        InputError: if the file is not a weight file, or does not fit the assignment.
    """
    path = files.expanded(path)
    arrays = weights.load_arrays(path)
    stated = weights.load_settings(path)
    with settings.undisturbed() if "keras" in sys.modules else contextlib.nullcontext():
        own = {key: stated[key] for key in stated if key != origin.KEY}
        model = _filled(module, arrays, own, path)
        if is_of_keras(model):
            origin.restore(network(model), stated)
        return model


def _filled(module, arrays, own, path):
    """The model of an assignment, with the arrays and the settings of a file."""
    count = sum(array.size for array in arrays.values())
    if hasattr(module, "from_arrays"):
        _check_taken(module, module.from_arrays, own)
        with _at_most(count):
            return module.from_arrays(arrays, **own)
    _check_settings(module, own, arrays)
    with _at_most(count):
        model = build(module, own)
    if isinstance(model, dict):
        return weights.like(model, arrays, path)
    if not hasattr(network(model), "weights"):
        raise InputError(
            f"{_name(module)} reads no weight files. Choose one of its variants."
        )
    del arrays  # `weights.load_file` reads them again
    weights.load_file(network(model), path)
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
    _check_taken(module, module.build_model, settings)
    if not settings:
        return module.build_model()
    try:
        return module.build_model(**settings)
    except InputError:
        raise
    except Exception as error:  # Keras and NumPy raise many kinds for wrong values
        raise InputError(
            f"{_name(module)} cannot be built with the settings of the file, "
            f"{readers.quoted(repr(settings))}: {error}. The file is damaged, or "
            "belongs to another model."
        ) from error


def _check_taken(module, function, settings):
    """Raise InputError unless a function of the assignment takes all settings."""
    takes = inspect.signature(function).parameters
    for key in settings:
        if key not in takes:
            raise InputError(
                f"The file was saved with the setting {readers.quoted(key)}, which the "
                f"model of {_name(module)} does not have. The file belongs to another "
                "model."
            )


def _name(module):
    """The name of an assignment."""
    return module.__name__.rpartition(".")[2]


def is_of_keras(model: Any) -> bool:
    """Whether a model is a Keras model, or has one."""
    return not isinstance(model, Mapping) and hasattr(network(model), "layers")


def network(model: Any) -> Any:
    """The Keras model in any of the forms that assignments use."""
    if isinstance(model, dict):
        raise InputError(
            "Expected an assignment with a Keras model, received one whose model is a "
            "dict of arrays. Choose another assignment."
        )
    return getattr(model, "model", model)
