"""Darknet's weight files into Keras models, every number accounted for.

A `.weights` file is a header and then little-endian float32, without names or
shapes: only the `.cfg` tells what they are. For each `[convolutional]` section,
in order,

    bias (n,)  [scale (n,)  mean (n,)  variance (n,)]  kernel (n, c/groups, k, k)

the three in brackets only with `batch_normalize=1`, where the bias is beta. A
cfg that belongs to another file is told by the numbers left over or missing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
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


class Weights(NamedTuple):
    """The content of a `.weights` file.

    `seen` counts the images of its training; `values` is (n,) float32.
    """

    major: int
    minor: int
    revision: int
    seen: int
    values: np.ndarray


def read(path: str | Path) -> Weights:
    """The header and the numbers of a `.weights` file.

    Raises:
        InputError: if the file is no such file; what it is instead is said.
    """
    if not Path(path).is_file():
        raise MissingFileError(f"There is no file {path}. Check the path.")
    content = Path(path).read_bytes()
    version = np.frombuffer(content[:12], "<i4") if len(content) >= 12 else ()
    # Larger version numbers would mean transposed kernels, which nobody published.
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
            f"{path} has {len(content):,} bytes, expected {header} of header and then "
            "4 a number. The file is cut off; fetch it again."
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
        input_shape: (height, width, 3) in place of the cfg's: a larger input finds
            smaller objects with the same weights.

    Raises:
        InputError: if a file is of another kind, or the two do not fit together.
    """
    file = read(weights_path)
    try:
        sections = darknet.parse(read_cfg(cfg_path))
        network = darknet.build(sections, input_shape=input_shape)
        fill(network.model, sections, file.values)
    except InputError as error:
        raise InputError(f"{cfg_path} with {weights_path}: {error}") from error
    return network


def read_cfg(path: str | Path) -> str:
    """The text of a .cfg file."""
    if not Path(path).is_file():
        raise MissingFileError(f"There is no file {path}. Check the path.")
    try:
        return Path(path).read_text("utf-8")
    except UnicodeDecodeError:
        raise InputError(
            f"{path} is not a Darknet .cfg: it is not text. Were the two files given "
            "in the wrong order?"
        ) from None


def class_names(
    heads: Sequence[darknet.Head], names: Sequence[str] | None = None
) -> tuple[str, ...]:
    """The names of the classes that a detector's heads score.

    Args:
        names: one a class. By default those of COCO where there are 80, of Pascal VOC
            where there are 20, else "class 0", "class 1" and so on.

    Raises:
        InputError: if there are more or fewer names than classes.
    """
    count = heads[0].classes if heads else 0
    if names is None:
        known = {80: COCO_CLASSES, 20: VOC_CLASSES}
        names = known.get(count, [f"class {k}" for k in range(count)])
    if len(names) != count:
        raise InputError(
            f"The network scores {count} classes, received {len(names)} names. Give "
            "one name for each class, in the order of its training."
        )
    return tuple(names)


def fill(model: keras.Model, sections: Sequence, values: np.ndarray) -> None:
    """Give `model` the weights `values`; touch nothing unless all of them fit.

    Args:
        model: has layers `conv_i` and `bn_i` for the convolutional sections i, such
            as `networks.darknet.build` gives them.
        sections: what `networks.darknet.parse` returns.
        values: (n,) float32, in the order of the file.

    Raises:
        InputError: if there are too few or too many numbers, or they cannot be
            weights; the message says in which section.
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
                f"{tuple(variables[-1].shape)} it takes {sum(sizes):,} numbers, "
                f"{left:,} of {len(values):,} are left. The file is cut off or belongs "
                "to another cfg."
            )
        for variable, size in zip(variables, sizes, strict=True):
            array = values[start : start + size]
            if not np.isfinite(array).all() or (
                variable.name == "moving_variance" and array.min() < 0
            ):
                raise InputError(
                    f"What the file holds for the {variable.name} of {section} cannot "
                    "be that: it is negative, infinite or not a number. The file is "
                    "damaged or belongs to another cfg."
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
    """Darknet's numbers in the shape of a Keras variable; only kernels are turned.

    Darknet walks a kernel's columns fastest, then rows, input channels and filters:
    (n, c, k, k). Keras keeps (k, k, c, n), or (k, k, n, 1) for a depthwise kernel,
    which has one channel a filter: (n, 1, k, k) and (1, n, k, k) are the same walk.
    """
    if len(variable.shape) == 1:
        return array
    k, _, channels, filters = variable.shape
    return array.reshape(filters, channels, k, k).transpose(2, 3, 1, 0)
