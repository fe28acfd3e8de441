"""VGG-19's published weights -> our network, from three formats.

Each reader returns {"block1_conv1": (kernel, bias), ...}: kernels (3, 3, n_C_prev, n_C)
and biases (n_C,), float32, for images in BGR; `fill` assigns them to a network. The
weights are the same in all three formats:

* Keras's `.h5`, layers by name, with or without the classifier.
* MatConvNet's `imagenet-vgg-verydeep-19.mat`, a list of layers conv1_1, relu1_1, ...
  Its input is RGB, that of the others BGR, so the input channels of the first kernel
  are reversed. Its older edition names the arrays filters and biases.
* One `.npz` per layer, named after it, with the arrays kernel and bias.

Weights: Oxford's Visual Geometry Group, CC BY 4.0.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from dls_keras.converters import keras_h5
from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError

Arrays = dict[str, tuple[np.ndarray, np.ndarray]]


def read_keras(path: str | Path) -> Arrays:
    """The convolutions of Keras's `vgg19_weights_tf_dim_ordering_tf_kernels*.h5`."""
    arrays = {}
    for layer in keras_h5.read(path).layers:
        if len(layer.weights) == 2:
            kernel, bias = layer.weights.values()
            arrays[layer.name] = kernel, bias
    return arrays


def read_matconvnet(path: str | Path) -> Arrays:
    """The convolutions of MatConvNet's `imagenet-vgg-verydeep-19.mat`."""
    from scipy import io  # lazy import: only this reader needs it

    if not Path(path).is_file():
        raise MissingFileError(f"There is no file {path}. Check the path.")
    try:
        layers = io.loadmat(path, variable_names="layers", simplify_cells=True)[
            "layers"
        ]
        arrays = {}
        for layer in layers:
            match = re.fullmatch(r"conv(\d)_(\d)", layer["name"])
            if match:
                kernel, bias = (
                    layer["weights"]
                    if "weights" in layer
                    else (layer["filters"], layer["biases"])
                )
                arrays["block{}_conv{}".format(*match.groups())] = kernel, bias.ravel()
        kernel, bias = arrays["block1_conv1"]
        arrays["block1_conv1"] = kernel[:, :, ::-1], bias  # from RGB to BGR
    except Exception as error:  # damaged files raise errors of many kinds
        raise InputError(
            f"{path} is not MatConvNet's imagenet-vgg-verydeep-19.mat "
            f"({type(error).__name__}: {error}); it is {files.what_is(path)}. "
            "Download it again."
        ) from error
    return arrays


def read_npz(*paths: str | Path) -> Arrays:
    """The convolutions of files such as `block1_conv1.npz`, one per layer."""
    arrays = {}
    for path in map(Path, paths):
        if not path.is_file():
            raise MissingFileError(f"There is no file {path}. Check the path.")
        try:
            with open(path, "rb") as opened, np.load(opened) as file:
                arrays[path.stem] = file["kernel"], file["bias"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(
                f"{path} does not hold the arrays kernel and bias ({error}); it is "
                f"{files.what_is(path)}. Use another copy."
            ) from error
    return arrays


def fill(network: keras.Model, arrays: Mapping) -> None:
    """Assign the arrays to the convolutions of `network` by name.

    Arrays of layers that `network` does not have are ignored.

    Raises:
        InputError: if arrays are missing, of another shape or not finite; the network
            is then unchanged.
    """
    convolutions = [layer for layer in network.layers if layer.weights]
    for layer in convolutions:
        expected = [tuple(variable.shape) for variable in layer.weights]
        received = [np.shape(array) for array in arrays.get(layer.name, ())]
        if received != expected:
            raise InputError(
                f"Expected arrays of shape {expected} for {layer.name}, received "
                f"{received or 'none'}. Use the published weights of VGG-19."
            )
        if not all(np.isfinite(array).all() for array in arrays[layer.name]):
            raise InputError(
                f"The weights of {layer.name} hold NaN or infinite values. The file is "
                "damaged: download it again."
            )
    for layer in convolutions:
        layer.set_weights(arrays[layer.name])
