"""Published face networks into Keras models: MXNet's npz, OpenFace's CSV and h5.

Each reader turns its format into one thing, a dict from "layer/variable" under the
names of our networks to an array in Keras's layout; `fill` then wants a variable
for every array and an array for every variable:

    fill(mobile_face_net(), read_mxnet("mobilefacenet.npz"))
    fill(open_face(), read_open_face_csv("weights"))

MobileFaceNet comes as npz under MXNet's names (`conv_1_conv2d_weight`), kernels
already turned to (rows, columns, in, out). OpenFace comes as a folder with one CSV
an array (`conv1_w.csv`, `bn1_m.csv`), kernels in Torch's order (out, in, rows,
columns); or as the h5 that Keras 1 or 2 wrote of the same layers.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from dls_keras.converters import keras_h5
from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError

MXNET = re.compile(r"(.+?)_(weight|bias|gamma|beta|moving_mean|moving_var)")
MXNET_PARTS = {"weight": "kernel", "moving_var": "moving_variance"}

# The variables of a convolution or dense layer and of a normalisation, in the order
# in which Keras keeps them; and what their CSV files end in.
WEIGHTED = {"kernel": "w", "bias": "b"}
NORMALISED = {"gamma": "w", "beta": "b", "moving_mean": "m", "moving_variance": "v"}


def read_mxnet(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of MobileFaceNet, saved from MXNet as npz.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if it is no npz of arrays under MXNet's names.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no file {path}. Name an existing one.")
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as npz:
            stored = {name: npz[name] for name in npz.files}
    except Exception as error:  # damage shows in many ways
        raise InputError(
            f"{path} is no npz that can be read ({error}); it is "
            f"{files.what_is(path)}. Take the npz of MobileFaceNet."
        ) from error
    arrays = {}
    for name, array in stored.items():
        match = MXNET.fullmatch(name)
        if match is None:
            raise InputError(
                f"{path} holds {name!r}, but MXNet's names end in _weight, _bias, "
                "_gamma, _beta, _moving_mean or _moving_var. Take the npz of "
                "MobileFaceNet."
            )
        layer, part = match.groups()
        part = MXNET_PARTS.get(part, part)
        if layer.endswith("_relu"):  # PReLU's slopes, one a channel
            part, array = "alpha", array[np.newaxis, np.newaxis]
        if name == "fc1_weight":  # named after the normalisation behind its layer
            layer = "pre_fc1"
        arrays[f"{layer}/{part}"] = array
    arrays.pop("fc1/gamma", None)  # the graph says fix_gamma: it counts as 1
    return arrays


def read_open_face_csv(folder: str | Path, model: keras.Model) -> dict[str, np.ndarray]:
    """The arrays of OpenFace's CSV files, turned to Keras's layout.

    Args:
        folder: holds NAME_w.csv and so on; those of the dense layer are called
            dense_w.csv and dense_b.csv. Lines may be of any length: only the number
            of values counts.
        model: `networks.open_face.open_face()`, which tells names and shapes.

    Raises:
        MissingFileError: if a file is missing.
        InputError: if a file holds something else, or too many or few numbers.
    """
    folder, arrays = Path(folder), {}
    for layer in model.layers:
        ends = WEIGHTED if len(layer.weights) == 2 else NORMALISED
        for variable in layer.weights:
            name = "dense" if layer.name == "dense_layer" else layer.name
            path = folder / f"{name}_{ends[variable.name]}.csv"
            arrays[f"{layer.name}/{variable.name}"] = _turned(
                _numbers(path), tuple(variable.shape), path
            )
    return arrays


def read_open_face_h5(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of OpenFace in a Keras 1 or 2 h5, by the names of the layers.

    The model's Lambdas stay unread; see `keras_h5.read` for what it refuses.
    """
    arrays = {}
    for layer in keras_h5.read(path).layers:
        parts = WEIGHTED if len(layer.weights) == 2 else NORMALISED
        # Keras 1 called the variance running_std; the order never changed.
        for part, array in zip(parts, layer.weights.values(), strict=False):
            arrays[f"{layer.name}/{part}"] = array
    return arrays


def fill(model: keras.Model, arrays: Mapping[str, np.ndarray]) -> keras.Model:
    """Give `model` the arrays under its layers' names; return it.

    Raises:
        InputError: if names, shapes or values do not fit; the model is then as it
            was.
    """
    variables = {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.weights
    }
    missing, foreign = variables.keys() - arrays.keys(), arrays.keys() - variables
    if missing or foreign:
        raise InputError(
            f"{model.name} has {len(variables)} variables, {len(arrays)} arrays came: "
            f"missing {_some(missing)}, foreign {_some(foreign)}. "
            "The file belongs to another network."
        )
    for name, variable in variables.items():
        array = arrays[name]
        if array.shape != tuple(variable.shape):
            raise InputError(
                f"{name} of {model.name} has shape {tuple(variable.shape)}, an array "
                f"{array.shape} came. The file belongs to another network."
            )
        if not np.isfinite(array).all() or (
            name.endswith("variance") and array.min() < 0
        ):
            raise InputError(
                f"What came for {name} of {model.name} cannot be that: it is "
                "negative, infinite or not a number. The file is damaged."
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return model


def _numbers(path):
    """The numbers of a CSV file, in the order of reading."""
    if not path.is_file():
        raise MissingFileError(
            f"There is no file {path}. Expected the folder `weights` of Keras-OpenFace."
        )
    try:
        return np.array(
            re.split(r"[,\s]+", path.read_text("ascii").strip(", \n\r")), "float32"
        )
    except ValueError as error:  # of a decoder, too
        raise InputError(
            f"{path} holds other things than numbers ({error}); it is "
            f"{files.what_is(path)}. Fetch it again."
        ) from error


def _turned(values, shape, path):
    """Numbers in Torch's order as an array of Keras's `shape`.

    A kernel (out, in, rows, columns) becomes (rows, columns, in, out), the matrix
    of a dense layer (out, in) becomes (in, out); vectors stay.
    """
    torch = (*shape[:-3:-1], *shape[:-2])
    if values.size != np.prod(shape):
        raise InputError(
            f"{path} holds {values.size:,} numbers, expected {np.prod(shape):,} for "
            f"{torch}. The file is cut off or belongs to another network."
        )
    turned = values.reshape(torch).T  # (columns, rows, in, out) of a kernel
    return turned.swapaxes(0, 1) if turned.ndim == 4 else turned


def _some(names):
    """A few of many names, for a message."""
    names = sorted(names)
    return ", ".join(names[:3]) + " and others" * (len(names) > 3) or "none"
