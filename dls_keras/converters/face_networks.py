"""Published face networks into Keras models: MXNet's npz, OpenFace's CSV and h5.

Each reader returns a dict of arrays in Keras's layout, named "layer/variable" after the
layers of our networks. `fill` assigns them and requires exactly one array for each
variable:

    fill(mobile_face_net(), read_mxnet("mobilefacenet.npz"))
    fill(open_face(), read_open_face_csv("weights"))

MobileFaceNet's npz has MXNet's names (`conv_1_conv2d_weight`) and kernels already
transposed to (rows, columns, in, out). OpenFace's folder has one CSV file per array
(`conv1_w.csv`, `bn1_m.csv`), with kernels in Torch's order (out, in, rows, columns);
its h5 file has the same layers as Keras 1 or 2 saved them.
"""

import math
import re
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from dls_keras.converters import keras_h5
from dls_keras.core import readers, weights
from dls_keras.core.errors import InputError

MXNET = re.compile(r"(.+?)_(weight|bias|gamma|beta|moving_mean|moving_var)")
MXNET_PARTS = {"weight": "kernel", "moving_var": "moving_variance"}

# The variables of a convolution or dense layer and of a batch normalisation, in Keras's
# order, with the endings of their CSV files.
WEIGHTED = {"kernel": "w", "bias": "b"}
NORMALISED = {"gamma": "w", "beta": "b", "moving_mean": "m", "moving_variance": "v"}
CHARACTERS = 30  # of a number in a CSV file, at most; float64 needs 25


def read_mxnet(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of MobileFaceNet in an npz file with MXNet's names.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if it is not an npz of arrays with MXNet's names.
    """
    arrays: dict[str, np.ndarray] = {}
    stored = readers.read_npz(path, "a readable npz of MobileFaceNet")
    for name, array in stored.items():
        match = MXNET.fullmatch(name)
        if match is None:
            raise InputError(
                f"{path} holds {readers.quoted(name)}; expected names that end in "
                "_weight, _bias, _gamma, _beta, _moving_mean or _moving_var. Use the "
                "npz of MobileFaceNet."
            )
        layer, part = match.groups()
        part = MXNET_PARTS.get(part, part)
        if layer.endswith("_relu"):  # PReLU's slopes, one per channel
            part, array = "alpha", array[np.newaxis, np.newaxis]
        if name == "fc1_weight":  # MXNet names it after the batch norm
            layer = "pre_fc1"
        if f"{layer}/{part}" in arrays:
            raise InputError(f"{path} holds {layer}/{part} twice. {readers.COPY}")
        arrays[f"{layer}/{part}"] = array
    arrays.pop("fc1/gamma", None)  # the graph sets fix_gamma: it is 1
    return arrays


def read_open_face_csv(folder: str | Path, model: keras.Model) -> dict[str, np.ndarray]:
    """The arrays of OpenFace's CSV files, transposed to Keras's layout.

    Args:
        folder: holds NAME_w.csv and so on; the files of the dense layer are
            dense_w.csv and dense_b.csv. Lines may have any length: only the number
            of values is checked.
        model: `networks.open_face.open_face()`, from which names and shapes are read.

    Raises:
        MissingFileError: if a file is missing.
        InputError: if a file does not hold the expected number of numbers.
    """
    folder, arrays = Path(folder), {}
    for layer in model.layers:
        ends = WEIGHTED if len(layer.weights) == 2 else NORMALISED
        for variable in layer.weights:
            name = "dense" if layer.name == "dense_layer" else layer.name
            path = folder / f"{name}_{ends[variable.name]}.csv"
            shape = tuple(variable.shape)
            numbers = _numbers(path, most=math.prod(shape))
            arrays[f"{layer.name}/{variable.name}"] = _transposed(numbers, shape, path)
    return arrays


def read_open_face_h5(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of OpenFace in an h5 file of Keras 1 or 2, by layer names.

    Lambda layers are ignored; `keras_h5.read` documents the errors.
    """
    arrays = {}
    for layer in keras_h5.read(path).layers:
        parts = {0: {}, 2: WEIGHTED, 4: NORMALISED}.get(len(layer.weights))
        if parts is None:
            raise InputError(
                f"{layer.name} of {path} has {len(layer.weights)} arrays, expected 2 "
                "or, in a batch normalisation, 4. It belongs to another network."
            )
        # Keras 1 called the variance running_std; the order never changed.
        for part, array in zip(parts, layer.weights.values(), strict=True):
            arrays[f"{layer.name}/{part}"] = array
    return arrays


def fill(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> keras.Model:
    """Assign the arrays to the variables of `model` by name; return the model.

    Raises:
        InputError: if names or shapes do not match or values are impossible; the model
            is then unchanged.
    """
    variables = {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
    }
    missing, unknown = variables.keys() - arrays.keys(), arrays.keys() - variables
    if missing or unknown:
        raise InputError(
            f"{model.name} has {len(variables)} variables, the file {len(arrays)} "
            f"arrays (missing: {_some(missing)}; unknown: {_some(unknown)}). "
            "The file belongs to another network."
        )
    values = [arrays[name] for name in variables]
    weights.assign([*variables.values()], values, model.name)
    return model


def _numbers(path, most):
    """The numbers of a CSV file, line by line, as one array: about `most`."""
    expected = "a list of numbers from the folder `weights` of Keras-OpenFace"
    limit = 1000 + CHARACTERS * most
    with readers.reading(path, expected, "Download it again."):
        text = readers.read_text(path, expected, limit=limit)
        if not text.isascii() or "_" in text:
            raise ValueError("it has other characters")
        numbers = np.array(re.split(r"[,\s]+", text.strip(", \n\r")), "float64")
        return readers.checked_numbers(numbers, str(path)).astype("float32")


def _transposed(values, shape, path):
    """Numbers in Torch's order as an array of Keras's `shape`.

    A kernel (out, in, rows, columns) becomes (rows, columns, in, out), the matrix of a
    dense layer (out, in) becomes (in, out); vectors do not change.
    """
    torch = (*shape[:-3:-1], *shape[:-2])
    if values.size != np.prod(shape):
        raise InputError(
            f"{path} holds {values.size:,} numbers, expected {np.prod(shape):,} for "
            f"{torch}. The file is truncated or belongs to another network."
        )
    array = values.reshape(torch).T  # (columns, rows, in, out) for a kernel
    return array.swapaxes(0, 1) if array.ndim == 4 else array


def _some(names):
    """At most three names, for a message."""
    names = sorted(names)
    return ", ".join(names[:3]) + " and others" * (len(names) > 3) or "none"
