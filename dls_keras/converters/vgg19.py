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

import tempfile
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from dls_keras.converters import keras_h5, matconvnet
from dls_keras.core import isolated, readers, weights
from dls_keras.core.errors import InputError

PARTS = ("kernel", "bias")

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
    """The convolutions of MatConvNet's `imagenet-vgg-verydeep-19.mat`.

    The file is read by another process, which a damaged file may crash.
    """
    with (
        readers.reading(
            path, "MatConvNet's imagenet-vgg-verydeep-19.mat", "Download it again."
        ),
        tempfile.TemporaryDirectory() as folder,
    ):
        readers.check_size(path, readers.LARGEST)
        out = Path(folder, "convolutions.npz")
        size = Path(path).stat().st_size
        isolated.run(matconvnet.__name__, path, out, size=size)
        stored = readers.read_npz(out, "the result of `converters.matconvnet`")
    names = [name.removesuffix("/kernel") for name in stored if name.endswith("kernel")]
    return {name: (stored[f"{name}/kernel"], stored[f"{name}/bias"]) for name in names}


def read_npz(*paths: str | Path) -> Arrays:
    """The convolutions of files such as `block1_conv1.npz`, one per layer."""
    arrays = {}
    for path in map(Path, paths):
        layer = readers.read_npz(
            path, "a layer of VGG-19 with the arrays kernel and bias", PARTS
        )
        arrays[path.stem] = layer["kernel"], layer["bias"]
    return arrays


def fill(network: keras.Model, arrays: Mapping) -> None:
    """Assign the arrays to the convolutions of `network` by name.

    Arrays of layers that `network` does not have are ignored.

    Raises:
        InputError: if arrays are missing, of another shape or not finite; the network
            is then unchanged.
    """
    variables, values = [], []
    for layer in network.layers:
        found = arrays.get(layer.name, ())
        if len(layer.weights) not in (0, len(found)):
            raise InputError(
                f"Expected {len(layer.weights)} arrays for {layer.name}, received "
                f"{len(found)}. Use the published weights of VGG-19."
            )
        if layer.weights:
            variables += layer.weights
            values += found
    weights.assign(variables, values, network.name)
