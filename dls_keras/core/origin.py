"""Networks whose weights another program trained: they keep its conventions.

Our own weights may have been trained on other inputs than the course's, such as square
roots of pixels. A converter marks the network that it fills, and the files of such a
network say so, too. The mark begins the network's name, which Keras keeps when it saves
or copies a model; a lesson with inputs of its own compares the name.
"""

from collections.abc import Mapping
from typing import Any

from dls_keras.core.errors import InputError
from dls_keras.core.readers import COPY, quoted

MARK = "converted_"
KEY = "converted"  # in the settings of a file


def mark(model: Any) -> None:
    """Mark a Keras model as one with weights that another program trained."""
    if not is_marked(model):
        model.name = f"{MARK}{model.name}"


def is_marked(model: Any) -> bool:
    """Whether `mark` was called with this model, or with the one it is a copy of."""
    return str(getattr(model, "name", "")).startswith(MARK)


def settings(model: Any) -> dict[str, Any]:
    """What a file of weights says about a marked network; {} for any other.

    Returns:
        The epsilon of each normalisation layer, under `KEY`.
    """
    if not is_marked(model):
        return {}
    return {KEY: [layer.epsilon for layer in _normalisations(model)]}


def restore(model: Any, settings: Mapping[str, Any]) -> None:
    """Mark a network as its file says.

    Raises:
        InputError: if the epsilons do not fit its normalisation layers.
    """
    if KEY not in settings:
        return
    epsilons, layers = settings[KEY], _normalisations(model)
    valid = isinstance(epsilons, list) and len(epsilons) == len(layers)
    if not valid or not all(isinstance(e, float) and 0 < e < 1 for e in epsilons):
        raise InputError(
            f"The file was saved with converted={quoted(repr(epsilons))}, expected the "
            f"epsilons of {len(layers)} normalisation layers. The file is damaged. "
            f"{COPY}"
        )
    for layer, epsilon in zip(layers, epsilons, strict=True):
        layer.epsilon = epsilon
    mark(model)


def _normalisations(model) -> list[Any]:
    """The layers that have an epsilon, those of models within the model, too."""
    found = []
    for layer in model.layers:
        if hasattr(layer, "layers"):
            found += _normalisations(layer)
        elif isinstance(getattr(layer, "epsilon", None), float):
            found.append(layer)
    return found
