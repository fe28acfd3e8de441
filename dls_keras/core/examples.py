"""What `train` takes as data: what `load_data` returns, arrays, or a `tf.data.Dataset`.

    @examples.accepted(pixels="uint8")
    def train(model, data, *, epochs=20):
        ...  # data.x and data.y are arrays

The decorated function takes a named tuple with x and y as it is, and a plain pair
(x, y) or a `tf.data.Dataset` of pairs, batched or not, as arrays. It returns `Losses`,
a list.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dls_keras.core import files
from dls_keras.core.answers import Losses
from dls_keras.core.errors import InputError

LARGEST = 8_000_000_000  # bytes of a dataset, which is held in memory
EXPECTED = "Expected data as (x, y), a named tuple with x and y, or a tf.data.Dataset"


class Examples(NamedTuple):
    """Examples with their labels.

    Fields:
        x, y: arrays; examples first, or last for the lessons in NumPy.
    """

    x: Any
    y: Any


def accepted(
    label_axes: int | None = 0,
    *,
    pixels: str | None = None,
    columns: bool = False,
    float64: bool = False,
    prepare: Callable[[np.ndarray], np.ndarray] | None = None,
) -> Callable[[Callable], Callable]:
    """Decorate a `train`.

    Args:
        label_axes: the number of axes of one label: 0 for a class, 1 for a sequence of
            classes. None leaves lists as they are, and takes no dataset.
        pixels: "uint8" or "float32", the type of images, with values in [0, 255] or
            [0, 1]; either is converted to it.
        columns: whether the examples of arrays are columns: x (n_x, m) and y (1, m). A
            dataset has its examples first in any case. Columns keep their type, and of
            images only uint8 is converted, to float64.
        float64: whether numbers keep 64 bits.
        prepare: applied to x of a pair or a dataset, which `load_data` has done.
    """

    def as_examples(data):
        if data is None or hasattr(data, "x") or hasattr(data, "_fields"):
            return data
        if label_axes is None:
            return Examples(*map(list, _pair(data)))
        if hasattr(data, "as_numpy_iterator"):
            x, y = _of_dataset(data, label_axes)
            if columns:
                x, y = (np.reshape(a, (len(a), -1)).T for a in (x, y))
        else:
            x, y = map(_array, _pair(data))
            if not columns and y.ndim == label_axes + 2 and y.shape[-1] == 1:
                y = y[..., 0]
        if columns:
            y = np.atleast_2d(y)
            _check_lengths(x.shape[-1], y.shape[-1])
        else:
            _check_lengths(len(x), len(y))
            if label_axes == 0 and y.ndim == 2 and y.shape[1] == 1:
                y = y[:, 0]
            if not float64:
                x, y = _narrow(x), _narrow(y)
        if pixels and columns:
            x = x / 255 if x.dtype == np.uint8 else x
        elif pixels:
            x = _scaled(x, pixels)
        return Examples(prepare(x) if prepare else x, y)

    def decorate(train):
        @functools.wraps(train)
        def train_on(model, data, **settings):
            if settings.get("validation_data") is not None:
                x, y, *_ = as_examples(settings["validation_data"])
                settings["validation_data"] = (x, y)
            return Losses.of(train(model, as_examples(data), **settings))

        return train_on

    return decorate


def _pair(data):
    """The first two of a tuple or list of arrays."""
    if not isinstance(data, tuple | list) or len(data) < 2:
        found = f"{type(data).__name__}"
        if isinstance(data, tuple | list):
            found += f" of {len(data)}"
        raise InputError(f"{EXPECTED}; received {found}.")
    return data[:2]


def _check_lengths(m, labels):
    if m != labels:
        raise InputError(
            f"Expected as many labels as examples, received {m} examples and {labels} "
            "labels. Compare the shapes of x and y."
        )


def _array(values):
    """Numbers or texts as an array of at least one axis."""
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"The examples differ in shape: {error}") from error
    if array.dtype.kind in "OS" and all(isinstance(v, bytes) for v in array.flat):
        array = np.array([v.decode() for v in array.flat]).reshape(array.shape)
    if array.dtype.kind not in "biufU" or array.ndim == 0:
        raise InputError(
            f"{EXPECTED}; received an array of {array.dtype}, shape {array.shape}."
        )
    return array


def _narrow(array):
    """Numbers of 64 bits in 32 bits, which TensorFlow's models use."""
    if array.dtype == np.float64:
        return array.astype("float32")
    return array.astype("int32") if array.dtype == np.int64 else array


def _scaled(x, pixels):
    """Images of integers in [0, 255] or floats in [0, 1] as one of the two."""
    limit = 1 if x.dtype.kind == "f" else 255
    low, high = x.min(initial=0), x.max(initial=0)
    if x.dtype.kind not in "iuf" or not 0 <= low <= high <= limit:  # or NaN
        raise InputError(
            "Expected images of integers in [0, 255] or floats in [0, 1], received "
            f"{x.dtype} in [{low:g}, {high:g}]. Scale them first."
        )
    if x.dtype == pixels:
        return x
    if pixels == "uint8":
        return (np.rint(x * 255) if limit == 1 else x).astype("uint8")
    return x.astype("float32") / limit


# Datasets.


def _of_dataset(data: Any, label_axes: int) -> tuple[np.ndarray, np.ndarray]:
    """All examples and labels of a `tf.data.Dataset`, batched or not."""
    import tensorflow as tf

    advice = "Resize or pad the examples to one shape, and use `.take(n)`."
    specs = data.element_spec if isinstance(data.element_spec, tuple) else ()
    if [type(spec) for spec in specs] != [tf.TensorSpec] * 2:
        raise InputError(
            "Expected a dataset of pairs (x, y) of dense tensors, received "
            f"{data.element_spec}. {advice}"
        )
    if data.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InputError(f"The dataset has no end, as after `.repeat()`. {advice}")
    parts, size = [], 0
    try:
        for element in data:
            x, y = (_array(np.atleast_1d(tensor.numpy())) for tensor in element)
            size += x.nbytes + y.nbytes
            if size > LARGEST:
                raise InputError(
                    f"The dataset has more than {files.size(LARGEST)}, or no end. "
                    f"{advice}"
                )
            parts.append(_as_batch(x, y, element, label_axes))
        if not parts:
            raise InputError("The dataset is empty. Expected pairs (x, y).")
        x, y = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    except InputError:
        raise
    except Exception as error:  # of the user's functions, and for other shapes
        reason = (str(error) or type(error).__name__).split("\n")[0][:200]
        raise InputError(
            f"The dataset cannot be read as one array: {reason}. {advice}"
        ) from error
    return x, y


def _as_batch(x, y, element, label_axes):
    """One element of a dataset as a batch of examples and a batch of labels."""
    of_x, of_y = (v.shape.rank for v in element)
    if of_y == label_axes + 2 and y.shape[-1] == 1:  # a batch of (1,)
        return x, y[..., 0]
    one_label = of_y == label_axes + 1 and y.shape == (1,) and x.shape[:1] != (1,)
    if of_y == label_axes or one_label:  # not batched
        return (x if of_x == 0 else x[np.newaxis]), (
            y if of_y == 0 or one_label else y[np.newaxis]
        )
    if of_y == label_axes + 1 and of_x >= 1:
        return x, y
    raise InputError(
        f"Expected labels of {label_axes} axes, or of {label_axes + 1} in batches; "
        f"received one of shape {y.shape}. Convert the labels first."
    )
