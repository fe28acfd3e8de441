"""Quantised MobileNetV2 (int8) -> `keras.applications.MobileNetV2`.

A network for small chips is quantised: each kernel is stored as integers in [-127, 127]
with one scale per output channel. Its batch normalisations are folded into kernels and
biases. The file is an npz with three arrays per layer, under the names of Keras's
layers; kernels have Keras's layout:

    {layer}/kernel int8    {layer}/scale float32    {layer}/bias float32

    y = convolve(x, kernel * scale) + bias

Keras's network has batch normalisations, so they are set to add only the bias: mean 0,
variance 1, gamma = sqrt(1 + epsilon), beta = bias. Their original statistics are lost,
so they must stay in inference mode, also in fine-tuning.
"""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from dls_keras.core import readers, weights
from dls_keras.core.errors import InputError

CLASSIFIER = "predictions"  # the only layer that a base without top does not have
LARGEST = 100 * readers.MEGABYTE  # the published file has 4
NORMS = {"Conv1": "bn_Conv1", "Conv_1": "Conv_1_bn"}  # the others: {layer}_BN


class Layer(NamedTuple):
    """One layer of a file; `scale` and `bias` have one number per output channel."""

    kernel: np.ndarray  # int8
    scale: np.ndarray  # (n_C,) float32
    bias: np.ndarray  # (n_C,) float32

    @property
    def weights(self) -> np.ndarray:
        """The kernel as float32."""
        # The channels of a depthwise kernel (3, 3, n_C, 1) are on the third axis.
        scale = self.scale[:, None] if self.kernel.shape[-1] == 1 else self.scale
        with np.errstate(over="ignore"):  # `fill` refuses infinite weights
            return self.kernel.astype("float32") * scale


def read(path: str | Path) -> dict[str, Layer]:
    """The layers of a file by name.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if it is not such a file, or an array has a wrong type or shape.
    """
    arrays = readers.read_npz(
        path,
        "a quantised MobileNetV2",
        limit=LARGEST,
        advice="Expected an npz with kernel, scale and bias of each layer.",
    )
    names = dict.fromkeys(name.rpartition("/")[0] for name in arrays)
    parts = {f"{name}/{part}" for name in names for part in Layer._fields}
    if not names or arrays.keys() != parts:
        raise InputError(
            f"{path} holds {len(arrays)} arrays for {len(names)} layers, expected "
            "three per layer: kernel, scale and bias. Use the original file."
        )
    layers = {
        name: Layer(*(arrays[f"{name}/{part}"] for part in Layer._fields))
        for name in names
    }
    for name, (kernel, scale, bias) in layers.items():
        ok = (
            (kernel.dtype, scale.dtype, bias.dtype) == ("int8", "float32", "float32")
            and kernel.ndim in (2, 4)
            and scale.shape == bias.shape == (_channels(kernel),)
        )
        if not ok:
            raise InputError(
                f"{name} of {path} is not a layer: kernel {kernel.dtype} "
                f"{kernel.shape}, scale {scale.dtype} {scale.shape}, bias {bias.dtype} "
                f"{bias.shape}. Expected int8, then float32 with one number per "
                "channel. The file is damaged; use another copy."
            )
    return layers


def fill(model: keras.Model, layers: dict[str, Layer]) -> keras.Model:
    """Load the layers of a file into a MobileNetV2, or nothing unless all fit.

    Args:
        model: `keras.applications.MobileNetV2`, of any input size, with its
            classifier or without it (`include_top=False`).
        layers: what `read` returns.

    Returns:
        `model`.

    Raises:
        InputError: if the names of the layers or a shape differ, or a number is not
            valid; the model is then as it was.
    """
    own = {layer.name: layer for layer in model.layers if hasattr(layer, "kernel")}
    wanted = {
        name: layers[name] for name in layers if name in own or name != CLASSIFIER
    }
    if wanted.keys() != own.keys():
        raise InputError(
            f"The file has {len(layers)} layers, {model.name!r} has {len(own)} with a "
            f"kernel; they differ in {sorted(wanted.keys() ^ own.keys())}. "
            "Build keras.applications.MobileNetV2 with alpha=1."
        )
    for name, layer in wanted.items():
        shape = tuple(own[name].kernel.shape)
        if layer.kernel.shape != shape:
            raise InputError(
                f"{name} has a kernel of shape {layer.kernel.shape} in the file and "
                f"{shape} in {model.name!r}. Build keras.applications.MobileNetV2 "
                "with alpha=1."
            )
    variables, values = [], []
    for name, layer in wanted.items():
        variables.append(own[name].kernel)
        values.append(layer.weights)
        if own[name].use_bias:
            variables.append(own[name].bias)
            values.append(layer.bias)
            continue
        norm = model.get_layer(NORMS.get(name, f"{name}_BN"))
        variables += norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance
        # y = gamma (x - mean) / sqrt(variance + epsilon) + beta = x + bias
        shape = layer.bias.shape
        gamma = np.full(shape, np.sqrt(1 + norm.epsilon), "f4")
        values += gamma, layer.bias, np.zeros(shape, "f4"), np.ones(shape, "f4")
    weights.assign(variables, values, model.name)
    return model


def _channels(kernel):
    """The output channels of a kernel; the last axis of a depthwise one is 1."""
    return kernel.shape[-2] if kernel.shape[-1] == 1 else kernel.shape[-1]
