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

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError

CLASSIFIER = "predictions"  # the only layer that a base without top does not have
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
        return self.kernel.astype("float32") * scale


def read(path: str | Path) -> dict[str, Layer]:
    """The layers of a file by name.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if it is not such a file, or an array has a wrong type or shape.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"There is no file at {path}. Check the path.")
    try:
        # If the file is damaged, np.load does not close what it opened itself.
        with open(path, "rb") as opened, np.load(opened) as arrays:
            names = dict.fromkeys(key.rpartition("/")[0] for key in arrays.files)
            layers = {
                name: Layer(*(arrays[f"{name}/{part}"] for part in Layer._fields))
                for name in names
            }
            count = len(arrays.files)
    except Exception as error:  # a damaged file can raise almost anything
        raise InputError(
            f"{path} is not a quantised MobileNetV2 ({error}): expected an npz with "
            f"kernel, scale and bias of each layer. The file is {files.what_is(path)}."
        ) from error
    if not layers or count != len(Layer._fields) * len(layers):
        raise InputError(
            f"{path} holds {count} arrays for {len(layers)} layers, expected three per "
            "layer: kernel, scale and bias. Use the original file."
        )
    for name, (kernel, scale, bias) in layers.items():
        ok = (
            (kernel.dtype, scale.dtype, bias.dtype) == ("int8", "float32", "float32")
            and kernel.ndim in (2, 4)
            and scale.shape == bias.shape == (_channels(kernel),)
            and np.isfinite(scale).all()
            and np.isfinite(bias).all()
        )
        if not ok:
            raise InputError(
                f"{name} of {path} is not a layer: kernel {kernel.dtype} "
                f"{kernel.shape}, scale {scale.dtype} {scale.shape}, bias {bias.dtype} "
                f"{bias.shape}. Expected int8, then float32 with one finite number per "
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
        InputError: if the names of the layers or a shape differ.
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
    for name, layer in wanted.items():
        own[name].kernel.assign(layer.weights)
        if own[name].use_bias:
            own[name].bias.assign(layer.bias)
            continue
        norm = model.get_layer(NORMS.get(name, f"{name}_BN"))
        # y = gamma (x - mean) / sqrt(variance + epsilon) + beta = x + bias
        norm.gamma.assign(np.full(layer.bias.shape, np.sqrt(1 + norm.epsilon), "f4"))
        norm.beta.assign(layer.bias)
        norm.moving_mean.assign(np.zeros(layer.bias.shape, "f4"))
        norm.moving_variance.assign(np.ones(layer.bias.shape, "f4"))
    return model


def _channels(kernel):
    """The output channels of a kernel; the last axis of a depthwise one is 1."""
    return kernel.shape[-2] if kernel.shape[-1] == 1 else kernel.shape[-1]
