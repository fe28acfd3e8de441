"""Darknet's network descriptions (`.cfg`) as Keras models: YOLOv2, YOLOv3 and similar.

A cfg is a list of sections. `[net]` states the input shape; each later section is one
layer, numbered from 0. Its input is the output of the preceding section; `[route]` and
`[shortcut]` name other sections by their numbers. The names of the Keras layers
contain these numbers, too (`conv_0`, `bn_0`, ...), so that `converters.darknet` finds
the layer of each weight.

Darknet differs from Keras in two ways: `pad=1` adds size // 2 zeros on *both* sides,
even if the stride is 2 ("same" would pad one side only), and `[reorg]` reorders
positions in its own way (see `Reorg`).

Source: the behaviour of https://github.com/pjreddie/darknet (public domain).
"""

import math
import re
from typing import Any, NamedTuple

import keras
from keras import layers, ops

from dls_keras.core import settings
from dls_keras.core.errors import InputError
from dls_keras.core.readers import quoted
from dls_keras.fast.layers import BatchNormalization

INPUT_SHAPE = ("height", "width", "channels")  # options of [net]
EPSILON = 1e-5  # added to a variance before its square root is taken

# A cfg may come from anywhere. Within these bounds are all published networks of the
# supported kinds: YOLOv3 has 107 sections and 62 million parameters.
MOST_SECTIONS = 300
MOST_PARAMETERS = 70_000_000
MOST_OUTPUTS = 100_000_000  # numbers in the output of one section, for one image
MOST_NUMBERS = 100  # in an option
LARGEST_NUMBER = 1_000_000
WRITTEN = {
    int: r"[+-]?[0-9]+",
    float: r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?",
}


class Section(NamedTuple):
    """One section of a cfg; `index` is -1 for `[net]` and counts the layers from 0."""

    kind: str
    index: int  # type: ignore[assignment]  # hides tuple.index
    line: int
    options: dict[str, str]

    def __str__(self) -> str:
        number = "" if self.index < 0 else f"section {self.index} "
        return f"{number}[{self.kind}] (line {self.line} of the cfg)"

    def numbers(
        self, key: str, default: str | None = None, *, of: type = int
    ) -> list[Any]:
        """The comma-separated numbers of the option `key`, converted to type `of`."""
        text = self.options.get(key, default)
        if text is None:
            raise InputError(f"{self} has no option {key!r}. Add it to the cfg.")
        parts = text.rstrip(",").split(",")
        written = re.compile(WRITTEN[of], re.IGNORECASE)
        if len(parts) > MOST_NUMBERS or not all(map(written.fullmatch, parts)):
            raise InputError(
                f"{self} has {key}={quoted(text)}, expected {of.__name__} numbers "
                "separated by commas. Correct that line."
            )
        found = [float(part) for part in parts]
        if not all(abs(number) <= LARGEST_NUMBER for number in found):
            raise InputError(
                f"{self} has {key}={quoted(text)}, expected numbers of at most "
                f"{LARGEST_NUMBER:,}. Correct that line."
            )
        return [of(number) for number in found]

    def number(
        self,
        key: str,
        default: str | None = None,
        *,
        of: type = int,
        least: int = -LARGEST_NUMBER,
    ) -> Any:
        """The one number of the option `key`, which is at least `least`."""
        found = self.numbers(key, default, of=of)
        if len(found) != 1:
            raise InputError(
                f"{self} has {len(found)} numbers for {key!r}, expected 1. Correct "
                "that line."
            )
        if found[0] < least:
            raise InputError(
                f"{self} has {key}={found[0]}, expected at least {least}. Correct "
                "that line."
            )
        return found[0]


class Head(NamedTuple):
    """How one output of a detector is decoded.

    An output is (m, rows, columns, len(anchors) * (5 + classes)): for each anchor
    tx, ty, tw, th, the objectness logit and the class logits.

    Attributes:
        kind: "region" (YOLOv2: classes exclude each other, softmax) or "yolo"
            (YOLOv3: classes are independent, sigmoid).
        anchors: (width, height) of each anchor: in grid cells for "region", in
            pixels of the network's input for "yolo".
        classes: the number of classes.
        stride: side of a grid cell in pixels of the network's input.
    """

    kind: str
    anchors: tuple[tuple[float, float], ...]
    classes: int
    stride: int


class Network(NamedTuple):
    """A Keras model and one head for each of its outputs, in the same order.

    The model takes (m, height, width, 3) float32, RGB in [0, 1]. With one head (or
    none) it returns a tensor, with several heads a list.
    """

    model: keras.Model
    heads: tuple[Head, ...]


@keras.saving.register_keras_serializable(package="dls_keras")
class Reorg(layers.Layer):
    """Move s x s positions into channels: (m, H, W, C) -> (m, H/s, W/s, s*s*C).

    The usual order gathers neighbours: position (s*y + i, s*x + j) goes to channels
    (s*i + j)*C onwards. That is `tf.nn.space_to_depth`, here `darknet=False`.

    Darknet's order is another one. Its loop computes the inverse operation, from
    (C, H, W) to (C/s², s*H, s*W), but YOLOv2 applies it where the forward operation
    is meant. So the C*H*W numbers, channel after channel, are read as C/s² planes of
    s*H x s*W, the neighbours in *these* planes are gathered to (C, H, W), and the
    result is read as (s*s*C, H/s, W/s):

        out[(s*i + j)*C/s² + c, y, x] = in_[c, s*y + i, s*x + j]

    with `in_` the (C/s², s*H, s*W) view. Positions that end in one pixel are not
    neighbours in the image, but Darknet's weights were trained in this order, and no
    permutation of the weights can compensate for it. YAD2K, and therefore the course's
    `yolo.h5`, kept these weights with the usual order: `darknet=False` reproduces the
    course's boxes.

    Args:
        stride: s; H and W are multiples of it and, for Darknet's order, C of s².
        darknet: whether to use Darknet's order.
    """

    def __init__(self, stride: int = 2, *, darknet: bool = True, **kwargs: Any):
        super().__init__(**kwargs)
        self.stride = stride
        self.darknet = darknet

    def build(self, input_shape: Any) -> None:
        s, (H, W, C) = self.stride, input_shape[1:]
        if H % s or W % s or (self.darknet and C % (s * s)):
            raise ValueError(
                f"Reorg with stride {s} expects a height and width that are multiples "
                f"of {s} and, in Darknet's order, channels that are multiples of "
                f"{s * s}; received {H} x {W} x {C}."
            )

    def call(self, x: Any) -> Any:
        s, (H, W, C) = self.stride, x.shape[1:]
        if not self.darknet:
            x = ops.reshape(x, (-1, H // s, s, W // s, s, C))
            x = ops.transpose(x, (0, 1, 3, 2, 4, 5))  # (m, H/s, W/s, s, s, C)
            return ops.reshape(x, (-1, H // s, W // s, s * s * C))
        x = ops.transpose(x, (0, 3, 1, 2))  # Darknet keeps channels first
        x = ops.reshape(x, (-1, C // (s * s), H, s, W, s))
        x = ops.transpose(x, (0, 3, 5, 1, 2, 4))  # (m, s, s, C/s², H, W)
        x = ops.reshape(x, (-1, s * s * C, H // s, W // s))
        return ops.transpose(x, (0, 2, 3, 1))

    def compute_output_shape(self, input_shape: Any) -> tuple:
        s, (m, H, W, C) = self.stride, input_shape
        return (m, H // s, W // s, s * s * C)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"stride": self.stride, "darknet": self.darknet}


def parse(cfg_text: str) -> list[Section]:
    """The sections of a cfg, `[net]` first.

    As in Darknet, spaces are ignored, lines that begin with # or ; are comments, and
    of two equal options the first is used.

    Raises:
        InputError: if a line is neither `[kind]` nor `option=value`, or there are more
            than `MOST_SECTIONS`.
    """
    if not isinstance(cfg_text, str):
        raise InputError(
            f"Expected the text of a Darknet .cfg, received {type(cfg_text).__name__}."
        )
    sections: list[Section] = []
    for line, text in enumerate(cfg_text.splitlines(), start=1):
        text = "".join(text.split())
        if not text or text[0] in "#;":
            continue
        key, equals, value = text.partition("=")
        if text[0] == "[" and text[-1] == "]":
            sections.append(Section(text[1:-1], len(sections) - 1, line, {}))
            if len(sections) > MOST_SECTIONS:
                raise InputError(
                    f"The cfg has more than {MOST_SECTIONS} sections, up to line "
                    f"{line}. Pass the cfg of a smaller network."
                )
        elif equals and sections:
            sections[-1].options.setdefault(key, value)
        else:
            raise InputError(
                f"Line {line} of the cfg is {quoted(text)}, expected "
                f"{'[section] or option=value' if sections else '[net]'}. "
                "Pass the text of a Darknet .cfg file."
            )
    if not sections or sections[0].kind not in ("net", "network"):
        raise InputError(
            "A Darknet cfg begins with [net]; this one "
            + (f"begins with {sections[0]}." if sections else "is empty.")
        )
    return sections


@settings.keras_defaults()
def build(
    sections: list[Section],
    *,
    input_shape: tuple[int, int, int] | None = None,
    most: int = MOST_PARAMETERS,
) -> Network:
    """The Keras model that a cfg describes, untrained, and its heads.

    Args:
        sections: what `parse` returns.
        input_shape: (height, width, channels) instead of the one in `[net]`. The
            weights do not depend on height and width; with a larger input the
            network detects smaller objects. Both must be multiples of the largest
            stride (32).
        most: the largest number of parameters.

    Raises:
        InputError: for a section or option that is not supported, or layers that do
            not fit together; the message names the section and its line.
    """
    net, *rest = sections
    shape = input_shape or tuple(net.number(key) for key in INPUT_SHAPE)
    if len(shape) != 3 or min(shape) < 1:
        raise InputError(
            "The input shape of a Darknet network is (height, width, channels), each "
            f"at least 1, such as (416, 416, 3); received {tuple(shape)}. "
            "Correct [net] in the cfg, or input_shape."
        )
    if math.prod(shape) > MOST_OUTPUTS:
        raise InputError(
            f"{net} has an input of {math.prod(shape):,} numbers, more than "
            f"{MOST_OUTPUTS:,}. Correct it, or use a smaller input_shape."
        )
    x = image = keras.Input(shape, name="image")
    outputs: list[Any] = []  # of all sections, for routes
    predictions, heads = [], []
    parameters = 0
    for section in rest:
        parameters += _parameters(section, x)
        if parameters > most:
            raise InputError(
                f"With {section} the network has {parameters:,} parameters, expected "
                f"at most {most:,}. Correct its size and filters, or use other weights."
            )
        try:
            if section.kind in _HEADS:
                heads.append(_head(section, x, image))
                predictions.append(x)
            else:
                x = _layer(section, x, outputs)
        except InputError:
            raise
        except Exception as error:  # Keras's errors for shapes that do not fit
            raise InputError(
                f"{section} cannot take an input of {_size(x)}; the network's input "
                f"is {_size(image)}: {error}"
            ) from error
        if not 1 <= math.prod(x.shape[1:]) <= MOST_OUTPUTS:
            raise InputError(
                f"{section} has an output of {_size(x)}, expected 1 to "
                f"{MOST_OUTPUTS:,} numbers. Correct the cfg, or use another input."
            )
        outputs.append(x)
    results = predictions or [x]
    try:
        model = keras.Model(
            image, results if len(results) > 1 else results[0], name="darknet"
        )
    except RecursionError as error:  # Keras calls itself once for each layer
        raise InputError(
            f"The network of {len(sections)} sections is too deep. Remove some."
        ) from error
    used = {layer.name for layer in model.layers}
    for section in rest:
        if section.kind == "convolutional" and f"conv_{section.index}" not in used:
            raise InputError(
                f"The output of {section} is not used. Remove the section, or name "
                "it in a [route]."
            )
    return Network(model, tuple(heads))


def _parameters(section, x):
    """How many parameters a section has."""
    if section.kind != "convolutional":
        return 0
    size, filters = section.number("size", "1"), section.number("filters", "1")
    channels = x.shape[-1] // section.number("groups", "1", least=1)
    normalize = section.number("batch_normalize", "0")
    return filters * (size * size * channels + (4 if normalize else 1))


# One function for each kind of layer: (section, x, outputs) -> the layer's output.


def _convolutional(section, x, outputs):
    size = section.number("size", "1", least=1)
    stride = section.number("stride", "1", least=1)
    filters = section.number("filters", "1", least=1)
    groups = section.number("groups", "1", least=1)
    normalize = section.number("batch_normalize", "0", least=0)
    padding = section.number("padding", "0", least=0)
    if section.number("pad", "0", least=0):
        padding = size // 2
    # With stride 1, "same" adds the same zeros without a copy of the input.
    same = stride == 1 and size == 2 * padding + 1
    if padding and not same:
        x = layers.ZeroPadding2D(padding, name=f"pad_{section.index}")(x)
    options = {
        "strides": stride,
        "padding": "same" if same else "valid",
        "use_bias": not normalize,
        "name": f"conv_{section.index}",
    }
    if 1 < groups == filters == x.shape[-1]:
        x = layers.DepthwiseConv2D(size, **options)(x)
    else:
        x = layers.Conv2D(filters, size, groups=groups, **options)(x)
    if normalize:
        x = BatchNormalization(epsilon=EPSILON, name=f"bn_{section.index}")(x)
    return _activated(section, x)


def _maxpool(section, x, outputs):
    stride = section.number("stride", "1", least=1)
    size = section.number("size", str(stride), least=1)
    if size != 2 and stride != 1:
        # Darknet pads (size - 1) // 2 at the top and left, TensorFlow may pad less.
        raise InputError(
            f"{section} has size={size} and stride={stride}; only size=2 or stride=1 "
            "is supported."
        )
    return layers.MaxPooling2D(size, stride, "same", name=f"maxpool_{section.index}")(x)


def _upsample(section, x, outputs):
    stride = section.number("stride", "2", least=1)
    return layers.UpSampling2D(stride, name=f"upsample_{section.index}")(x)


def _route(section, x, outputs):
    found = [_earlier(section, n, outputs) for n in section.numbers("layers")]
    if len(found) == 1:
        return found[0]
    if len({output.shape[1:3] for output in found}) > 1:
        raise InputError(
            f"{section} concatenates outputs of {', '.join(map(_size, found))}: "
            "heights and widths must be equal. Use an input height and width that are "
            "multiples of 32, or correct its option 'layers'."
        )
    return layers.Concatenate(name=f"route_{section.index}")(found)


def _shortcut(section, x, outputs):
    other = _earlier(section, section.number("from"), outputs)
    if other.shape != x.shape:
        raise InputError(
            f"{section} adds outputs of {_size(x)} and {_size(other)}, which must be "
            "equal. Correct its option 'from'."
        )
    x = layers.Add(name=f"shortcut_{section.index}")([x, other])
    return _activated(section, x)


def _reorg(section, x, outputs):
    stride = section.number("stride", "1", least=1)
    return Reorg(stride, name=f"reorg_{section.index}")(x)


def _dropout(section, x, outputs):
    probability = section.number("probability", ".5", of=float)
    return layers.Dropout(probability, name=f"dropout_{section.index}")(x)


# Function and options of each kind of layer. Any other option might change the
# numbers, so it is an error.
_LAYERS = {
    "convolutional": (
        _convolutional,
        "batch_normalize filters size stride pad padding groups activation".split(),
    ),
    "maxpool": (_maxpool, ["size", "stride"]),
    "upsample": (_upsample, ["stride"]),
    "route": (_route, ["layers"]),
    "shortcut": (_shortcut, ["from", "activation"]),
    "reorg": (_reorg, ["stride"]),
    "dropout": (_dropout, ["probability"]),
}

# Options of the heads that change how boxes are decoded, with the only supported
# value; the other options of a head concern Darknet's training.
_HEADS = {
    "region": {"coords": 4, "softmax": 1},
    "yolo": {"scale_x_y": 1, "new_coords": 0},
}


def _layer(section, x, outputs):
    if section.kind not in _LAYERS:
        raise InputError(
            f"{section} is not a supported kind of section. Supported are "
            f"{', '.join([*_LAYERS, *_HEADS])}."
        )
    layer, known = _LAYERS[section.kind]
    if unknown := sorted({*section.options} - {*known}):
        raise InputError(
            f"{section} has the option {unknown[0]!r}, which is not supported. "
            f"Supported are {', '.join(known)}."
        )
    return layer(section, x, outputs)


def _head(section, x, image):
    for key, value in _HEADS[section.kind].items():
        if (got := section.number(key, str(value), of=float)) != value:
            raise InputError(
                f"{section} has {key}={got:g}; only {key}={value} is supported."
            )
    sizes = section.numbers("anchors", of=float)
    if len(sizes) % 2 or min(sizes) <= 0:
        raise InputError(
            f"{section} has the anchors {sizes}, expected pairs of positive numbers, "
            "width and height. Correct that line."
        )
    anchors = tuple(zip(sizes[::2], sizes[1::2], strict=True))
    if "mask" in section.options:
        mask = section.numbers("mask")
        if not all(0 <= n < len(anchors) for n in mask):
            raise InputError(
                f"{section} has mask={section.options['mask']} for {len(anchors)} "
                "anchors, which are counted from 0. Correct its mask or its anchors."
            )
        anchors = tuple(anchors[n] for n in mask)
    classes = section.number("classes", "20", least=1)
    channels = len(anchors) * (5 + classes)
    if x.shape[-1] != channels:
        raise InputError(
            f"{section} has {len(anchors)} anchors and {classes} classes and so needs "
            f"{channels} channels; the preceding layer has filters={x.shape[-1]}. "
            f"Set filters={channels} there, or correct the anchors or classes."
        )
    return Head(section.kind, anchors, classes, image.shape[1] // x.shape[1])


def _activated(section, x):
    activation = section.options.get("activation", "linear")
    if activation == "leaky":
        return layers.LeakyReLU(0.1, name=f"leaky_{section.index}")(x)
    if activation != "linear":
        raise InputError(
            f"{section} has activation={activation}, expected leaky or linear."
        )
    return x


def _earlier(section, n, outputs):
    """The output of layer n or, if n is negative, of the layer -n before this one."""
    absolute = section.index + n if n < 0 else n
    if not 0 <= absolute < section.index:
        raise InputError(
            f"{section} refers to layer {n}; the layers before it are 0 to "
            f"{section.index - 1}. Correct that number."
        )
    return outputs[absolute]


def _size(x):
    """The shape of a tensor as "height x width x channels", for messages."""
    return " x ".join(map(str, x.shape[1:]))
