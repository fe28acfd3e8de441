"""VGG-19's published weights -> our network, from three formats.

Each reader returns {"block1_conv1": (kernel, bias), ...}: kernels (3, 3, n_C_prev, n_C)
and biases (n_C,), float32, for pictures in BGR; `fill` gives them to a network. The
arithmetic is the same in all three, what differs is how the numbers are kept:

* Keras's `.h5`, layers by name, with or without the classifier.
* MatConvNet's `imagenet-vgg-verydeep-19.mat`, layers conv1_1, relu1_1, ... in a row.
  It sees RGB where the others see BGR, so the first kernel's channels are turned
  round. Its older edition calls the arrays filters and biases.
* One `.npz` a layer, named after it, with the arrays kernel and bias.

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
    return {
        layer.name: tuple(layer.weights.values())
        for layer in keras_h5.read(path).layers
        if len(layer.weights) == 2
    }


def read_matconvnet(path: str | Path) -> Arrays:
    """The convolutions of MatConvNet's `imagenet-vgg-verydeep-19.mat`."""
    from scipy import io  # late: no other reader needs it

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
    except Exception as error:  # SciPy's reader and damaged bytes raise anything
        raise InputError(
            f"{path} is not MatConvNet's imagenet-vgg-verydeep-19.mat "
            f"({type(error).__name__}: {error}); it is {files.what_is(path)}. "
            "Fetch it again."
        ) from error
    return arrays


def read_npz(*paths: str | Path) -> Arrays:
    """The convolutions of files such as `block1_conv1.npz`, one a layer."""
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
                f"{files.what_is(path)}. Take another copy."
            ) from error
    return arrays


def fill(network: keras.Model, arrays: Mapping) -> None:
    """Give the convolutions of `network` the arrays of their names.

    Arrays of layers that `network` has not are left aside.

    Raises:
        InputError: if arrays are missing, of another shape or not finite; the network
            is then as it was.
    """
    convolutions = [layer for layer in network.layers if layer.weights]
    for layer in convolutions:
        expected = [tuple(variable.shape) for variable in layer.weights]
        came = [np.shape(array) for array in arrays.get(layer.name, ())]
        if came != expected:
            raise InputError(
                f"The weights of {layer.name} have the shapes {came or 'of nothing'}, "
                f"expected {expected}. Take the published weights of VGG-19."
            )
        if not all(np.isfinite(array).all() for array in arrays[layer.name]):
            raise InputError(
                f"The weights of {layer.name} hold NaN or infinite values. The file is "
                "damaged: fetch it again."
            )
    for layer in convolutions:
        layer.set_weights(arrays[layer.name])
