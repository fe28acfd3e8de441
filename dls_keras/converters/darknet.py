"""Load Darknet's weight files into Keras models; every number must be used.

A `.weights` file is a header followed by little-endian float32 numbers, without names
or shapes: these are in the `.cfg`. The file holds for each `[convolutional]` section,
in order,

    bias (n,)  [scale (n,)  mean (n,)  variance (n,)]  kernel (n, c/groups, k, k)

The three arrays in brackets exist only with `batch_normalize=1`, where the bias is
beta. If a cfg belongs to another file, numbers are left over or missing, which is an
error.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from dls_keras.core import files, readers
from dls_keras.core.errors import InputError
from dls_keras.networks import darknet

# The 80 classes of COCO (Lin et al. 2014) in the order of Darknet's coco.names.
COCO_CLASSES = tuple(
    """person, bicycle, car, motorbike, aeroplane, bus, train, truck, boat,
    traffic light, fire hydrant, stop sign, parking meter, bench, bird, cat, dog,
    horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, handbag,
    tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat,
    baseball glove, skateboard, surfboard, tennis racket, bottle, wine glass, cup,
    fork, knife, spoon, bowl, banana, apple, sandwich, orange, broccoli, carrot,
    hot dog, pizza, donut, cake, chair, sofa, pottedplant, bed, diningtable, toilet,
    tvmonitor, laptop, mouse, remote, keyboard, cell phone, microwave, oven,
    toaster, sink, refrigerator, book, clock, vase, scissors, teddy bear,
    hair drier, toothbrush""".replace("\n    ", " ").split(", ")
)

# The 20 classes of Pascal VOC (Everingham et al. 2010) in the order of voc.names.
VOC_CLASSES = tuple(
    """aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow,
    diningtable, dog, horse, motorbike, person, pottedplant, sheep, sofa, train,
    tvmonitor""".replace("\n    ", " ").split(", ")
)


LARGEST_CFG = readers.MEGABYTE  # bytes; that of YOLOv4 has 12 kB
UNUSED = 1_000_000  # parameters missing in a file, below which `fill` says where


class Weights(NamedTuple):
    """The content of a `.weights` file.

    Attributes:
        major, minor, revision: the version of the format.
        seen: number of images seen in training.
        values: (n,) float32.
    """

    major: int
    minor: int
    revision: int
    seen: int
    values: np.ndarray


def read(path: str | Path) -> Weights:
    """The header and the numbers of a `.weights` file.

    Raises:
        InputError: if the file has another format; the message names it.
    """
    with readers.reading(path, "a Darknet .weights file"):
        readers.check_size(path, readers.LARGEST)
        content = Path(path).read_bytes()
    version = np.frombuffer(content[:12], "<i4") if len(content) >= 12 else ()
    # Larger version numbers mean transposed kernels, which no published file has.
    if len(version) == 0 or not all(0 <= number < 1000 for number in version):
        raise InputError(
            f"{path} is not a Darknet .weights file: its header does not begin with "
            f"a version such as 0.2.5. The file is {files.what_is(path)}."
        )
    major, minor, revision = map(int, version)
    seen_type = "<u8" if 10 * major + minor >= 2 else "<i4"
    header = 12 + np.dtype(seen_type).itemsize
    if len(content) < header or (len(content) - header) % 4:
        raise InputError(
            f"{path} has {len(content):,} bytes, expected a header of {header} bytes "
            "and 4 bytes for each number. The file is cut off; download it again."
        )
    seen = int(np.frombuffer(content[12:header], seen_type)[0])
    values = np.frombuffer(content, "<f4", offset=header)
    return Weights(major, minor, revision, seen, values)


def load(
    cfg_path: str | Path,
    weights_path: str | Path,
    *,
    input_shape: tuple[int, int, int] | None = None,
) -> darknet.Network:
    """The network that a .cfg file describes, with the weights of a .weights file.

    Args:
        input_shape: (height, width, channels) instead of that of the cfg: with a
            larger input the same weights detect smaller objects.

    Raises:
        MissingFileError: if a file does not exist.
        InputError: if a file has another format, or the two do not fit together.
    """
    file, text = read(weights_path), read_cfg(cfg_path)
    try:
        sections = darknet.parse(text)
        most = min(darknet.MOST_PARAMETERS, len(file.values) + UNUSED)
        network = darknet.build(sections, input_shape=input_shape, most=most)
        fill(network.model, sections, file.values)
    except InputError as error:
        raise InputError(f"{cfg_path} with {weights_path}: {error}") from error
    return network


def read_cfg(path: str | Path) -> str:
    """The text of a .cfg file, whose comments may be in any encoding.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if it is not a text file.
    """
    advice = "Are the two files in the right order, FILE.cfg FILE.weights?"
    with readers.reading(path, "the text of a Darknet .cfg", advice):
        readers.check_size(path, LARGEST_CFG)
        text = Path(path).read_bytes().decode("utf-8-sig", "replace")
        if "\0" in text:  # a binary file, or UTF-16
            raise ValueError("it contains zero bytes")
        return text


def class_names(
    heads: Sequence[darknet.Head], names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The names of the classes that a detector's heads score.

    Args:
        names: one for each class; default: those of COCO for 80 classes, those of
            Pascal VOC for 20 classes, else "class 0", "class 1" and so on.

    Raises:
        InputError: if the number of names differs from the number of classes, if one
            is not a text, if there are no heads, or if their classes differ.
    """
    if not heads:
        raise InputError(
            "The network is not a detector: its cfg has no [region] or [yolo] section. "
            "Use the cfg of a detector such as YOLOv2."
        )
    counts = {head.classes for head in heads}
    if len(counts) > 1:
        raise InputError(
            f"The heads of the network have {sorted(counts)} classes, expected one "
            "number. Correct the option 'classes' in the cfg."
        )
    (count,) = counts
    if names is None:
        known = {80: COCO_CLASSES, 20: VOC_CLASSES}
        names = known.get(count, [f"class {k}" for k in range(count)])
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InputError(
            "Expected a list of class names, each a text, received "
            f"{readers.quoted(str(names))}."
        )
    if len(names) != count:
        raise InputError(
            f"The network has {count} classes, received {len(names)} class names. Give "
            "one name for each class (--names FILE.names), in the order of training."
        )
    return tuple(names)


def fill(
    model: keras.Model, sections: Sequence[darknet.Section], values: np.ndarray
) -> None:
    """Assign `values` to the weights of `model`, all of them or none.

    Args:
        model: a model with layers `conv_i` and `bn_i` for the convolutional sections
            i, as `networks.darknet.build` names them.
        sections: the result of `networks.darknet.parse`.
        values: (n,) float32, in the order of the file.

    Raises:
        InputError: if there are too few or too many numbers, or some are not valid
            weights; the message names the section. The model is then unchanged.
    """
    start, assignments = 0, []
    for section in sections:
        if section.kind != "convolutional":
            continue
        variables = _variables(model, section)
        sizes = [int(np.prod(variable.shape)) for variable in variables]
        left = len(values) - start
        if sum(sizes) > left:
            raise InputError(
                f"The weights end in {section}: with its kernel of shape "
                f"{tuple(variables[-1].shape)} it needs {sum(sizes):,} numbers, but "
                f"only {left:,} of {len(values):,} are left. The file is cut off or "
                "belongs to another cfg."
            )
        for variable, size in zip(variables, sizes, strict=True):
            array = values[start : start + size]
            if not np.isfinite(array).all() or (
                variable.name == "moving_variance" and array.min() < 0
            ):
                raise InputError(
                    f"The {variable.name} of {section} is negative, infinite or not a "
                    "number in the file. The file is damaged or belongs to another cfg."
                )
            assignments.append((variable, _keras_layout(array, variable)))
            start += size
    if start < len(values):
        raise InputError(
            f"{len(values) - start:,} of {len(values):,} numbers are left over after "
            f"the last layer, {section}. The weights belong to another cfg."
        )
    for variable, array in assignments:
        variable.assign(array)


def _variables(model, section):
    """The variables of a convolutional section, in the order of the file."""
    convolution = model.get_layer(f"conv_{section.index}")
    if convolution.use_bias:
        return [convolution.bias, convolution.kernel]
    norm = model.get_layer(f"bn_{section.index}")
    return [
        *(norm.beta, norm.gamma, norm.moving_mean, norm.moving_variance),
        convolution.kernel,
    ]


def _keras_layout(array, variable):
    """Darknet's numbers in the shape of a Keras variable; only kernels are transposed.

    A Darknet kernel is (n, c, k, k) in row-major order: filters, input channels, rows,
    columns. A Keras kernel is (k, k, c, n), or (k, k, n, 1) if it is depthwise. Then
    each filter has one channel, and (n, 1, k, k) has the same order as (1, n, k, k).
    """
    if len(variable.shape) == 1:
        return array
    k, _, channels, filters = variable.shape
    return array.reshape(filters, channels, k, k).transpose(2, 3, 1, 0)
