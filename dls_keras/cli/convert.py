"""The work of `dls-keras convert`: networks for the files of other programs.

A file of Keras 1 or 2 is read into the network of an assignment. Where the course's
network is not the one that we train, both are tried.
"""

import inspect
from pathlib import Path
from types import ModuleType
from typing import Any

from dls_keras import models
from dls_keras.converters import embeddings, keras_h5
from dls_keras.core.errors import InputError

# Settings of `build_model` for the course's network, where ours is another one.
COURSE: dict[str, dict[str, Any]] = {
    "car_detection": {"network": "yolo_v2"},
    "image_segmentation": {"n_classes": 23},
    "transfer_learning": {"network": "mobilenet_v2"},
    "trigger_word": {"network": "course"},
}

# Assignments that have files of Keras in the course.
WITH_FILES = (
    "happy_house, convolution_application, residual_networks, transfer_learning, "
    "car_detection, image_segmentation, date_translation, emojify, shakespeare and "
    "trigger_word"
)


def from_keras_h5(
    file: Path, name: str, model_json: Path | None, glove: Path | None, out: Path
) -> tuple[str, Any]:
    """Convert a file of Keras 1 or 2, and write the weights.

    Args:
        name: of the assignment.
        model_json: the architecture, if `file` holds weights only.
        glove: the word vectors of an embedding.

    Returns:
        What the file is, for a message, and the network.
    """
    module = models.open_assignment(name, "build_model")
    contents = keras_h5.read(file, model_json=model_json)
    takes = inspect.signature(module.build_model).parameters
    settings, source = _settings(contents, takes)
    arguments = {}
    if "word_to_vec_map" in takes:
        arguments["word_to_vec_map"] = _word_vectors(module, contents, glove)
    elif glove:
        raise InputError(f"{name} has no word vectors, so it takes no --glove.")
    model, settings = _filled(module, contents, settings, arguments)
    models.save(module, model, out, settings=settings)
    return source, models.network(model)


def _settings(contents, takes) -> tuple[dict[str, Any], str]:
    """The settings that are read off the file, and what it is, for a message."""
    settings: dict[str, Any] = {}
    source = f"Keras {contents.keras_version}"
    gates, stated = keras_h5.gates(contents), True
    recurrent = keras_h5.is_recurrent(contents)
    if gates is None and recurrent and "gates" in takes:
        gates, stated = keras_h5.default_gates(contents), False
        if gates is None:
            raise InputError(
                f"{contents.path} does not state the activation of its gates, and "
                f"Keras {contents.keras_version} had two defaults. Save the model as a "
                "whole, or pass its model.to_json() with --architecture."
            )
    if gates and "gates" in takes:
        settings["gates"] = gates
    if gates:
        source += f", {gates} gates{'' if stated else ' by default'}"
    reset_after = keras_h5.reset_after(contents)
    if reset_after is not None and "reset_after" in takes:
        settings["reset_after"] = reset_after
    return settings, source


def _word_vectors(module: ModuleType, contents, glove: Path | None):
    """The vectors of the file's words."""
    if glove is not None:
        _, _, vectors = module.read_glove_vecs(glove)
        return embeddings.word_vectors(contents, vectors, str(glove))
    shipped = module.to_arrays(module.build_model())
    words = [word.decode() for word in shipped["words"].tolist()]
    vectors = dict(zip(words, shipped["vectors"], strict=True))
    return embeddings.word_vectors(contents, vectors, "the shipped vocabulary")


def _filled(module, contents, settings, arguments) -> tuple[Any, dict[str, Any]]:
    """The network that the file fits, and the settings it was built with."""
    name = module.__name__.rpartition(".")[2]
    takes = inspect.signature(module.build_model).parameters
    errors = []
    for network in ([COURSE[name]] if name in COURSE else []) + [{}]:
        chosen = settings | network
        if "network" in takes and not network:  # ours has no other settings
            chosen = {}
        model = models.build(module, chosen | arguments)
        if isinstance(model, dict):
            raise InputError(
                f"{name} is computed in NumPy and has no file of Keras. The course has "
                f"such files for {WITH_FILES}: pass one of these with --model."
            )
        built = models.network(model)
        try:
            keras_h5.fill(built, contents)
        except InputError as problem:
            count = sum(len(layer.weights) for layer in contents.layers)
            errors.append((len(built.weights) != count, problem))
        else:
            return model, chosen
    raise min(errors, key=lambda pair: pair[0])[1]
