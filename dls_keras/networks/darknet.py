"""Darknet's network descriptions (`.cfg`) as Keras models: YOLOv2 to v4, classifiers.

A cfg is a list of sections. `[net]` states the input shape; each later section is one
layer, numbered from 0. Its input is the output of the preceding section; `[route]` and
`[shortcut]` name other sections by their numbers. The names of the Keras layers
contain these numbers, too (`conv_0`, `bn_0`, ...), so that `converters.darknet` finds
the layer of each weight.

Darknet differs from Keras in two ways: `pad=1` adds size // 2 zeros on *both* sides,
even if the stride is 2 ("same" would pad one side only), and `[reorg]` reorders
positions in its own way (see `Reorg`).

An option that is missing has Darknet's default. Options that concern only training are
ignored; any other option that is not supported is an error.

Source: the behaviour of https://github.com/pjreddie/darknet (public domain) and, for
YOLOv4, of https://github.com/AlexeyAB/darknet.
"""

import math
import re
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, ops

from dls_keras.core import settings
from dls_keras.core.errors import InputError
from dls_keras.core.readers import quoted
from dls_keras.fast.layers import BatchNormalization

INPUT_SHAPE = ("height", "width", "channels")  # options of [net]
EPSILON = 1e-5  # added to a variance before its square root is taken

# A cfg may come from anywhere. Within these bounds are all published networks of the
# supported kinds: YOLOv4 has 162 sections and 64 million parameters.
MOST_SECTIONS = 300
MOST_PARAMETERS = 70_000_000
MOST_OUTPUTS = 100_000_000  # numbers in the output of one section, for one image
MOST_NUMBERS = 100  # in an option
LARGEST_NUMBER = 1_000_000
COMMENT = re.compile("[#;]")
LINE_END = re.compile(r"\r\n?|\n")
ALIASES = {
    **{"[network]": "[net]", "[conv]": "[convolutional]", "[max]": "[maxpool]"},
    **{"[avg]": "[avgpool]", "[soft]": "[softmax]"},
}
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
        """The comma-separated numbers of the option `key`, converted to type `of`.

        As in Darknet, a comment may follow the numbers.
        """
        text = self.options.get(key, default)
        if text is None:
            raise InputError(f"{self} has no option {key!r}. Add it to the cfg.")
        parts = COMMENT.split(text)[0].rstrip(",").split(",")
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
        kind: "region" (YOLOv2) or "yolo" (YOLOv3 and v4: classes are independent,
            sigmoid).
        anchors: (width, height) of each anchor: in grid cells for "region", in
            pixels of the network's input for "yolo".
        classes: the number of classes.
        stride: side of a grid cell in pixels of the network's input.
        softmax: whether the classes of a "region" exclude each other.
        scale_x_y: s of YOLOv4: s * sigmoid(tx) - (s - 1) / 2 replaces sigmoid(tx), so
            that a centre can reach the border of its cell.
        new_coords: whether the network ends in sigmoids (Scaled-YOLOv4); the size of a
            box is then (2 * tw)^2 instead of exp(tw) times the anchor.
        letter_box: whether the network was trained with images that kept their aspect
            ratio, between grey bars.
    """

    kind: str
    anchors: tuple[tuple[float, float], ...]
    classes: int
    stride: int
    softmax: bool = True
    scale_x_y: float = 1.0
    new_coords: bool = False
    letter_box: bool = False

    def decode(self, feats: Any, input_size: tuple[int, int]) -> tuple[Any, ...]:
        """All boxes of an output of the network, as `yolo_head` of the course does it.

        Args:
            feats: (m, rows, columns, len(anchors) * (5 + classes)).
            input_size: (height, width) of the network's input, in pixels.

        Returns:
            box_xy and box_wh (m, rows, columns, len(anchors), 2) as fractions of the
            input, the objectness (..., 1) and the class probabilities (..., classes).
        """
        rows, columns = feats.shape[1:3]
        shape = (-1, rows, columns, len(self.anchors), 5 + self.classes)
        feats = ops.reshape(feats, shape)
        activated = feats if self.new_coords else ops.sigmoid(feats)
        grid = np.array([columns, rows], "float32")
        unit = grid if self.kind == "region" else np.array(input_size[::-1], "float32")
        cells = np.stack(np.meshgrid(range(columns), range(rows)), axis=-1)
        offset = activated[..., :2] * self.scale_x_y - (self.scale_x_y - 1) / 2
        box_xy = (offset + cells[:, :, np.newaxis].astype("float32")) / grid
        twh = feats[..., 2:4]
        factor = (2 * twh) ** 2 if self.new_coords else ops.exp(ops.minimum(twh, 30.0))
        box_wh = factor * np.array(self.anchors, "float32") / unit
        exclusive = self.kind == "region" and self.softmax
        classes = ops.softmax(feats[..., 5:]) if exclusive else activated[..., 5:]
        return box_xy, box_wh, activated[..., 4:5], classes


class Network(NamedTuple):
    """A Keras model and one head for each of its outputs, in the same order.

    The model takes (m, height, width, channels) float32 in [0, 1], RGB or grey. With
    one head (or none, as a classifier) it returns a tensor, with several heads a list.
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
    of two equal options the first is used. A comment may also follow a section's name.

    Raises:
        InputError: if a line is neither `[kind]` nor `option=value`, or there are more
            than `MOST_SECTIONS`.
    """
    if not isinstance(cfg_text, str):
        raise InputError(
            f"Expected the text of a Darknet .cfg, received {type(cfg_text).__name__}."
        )
    sections: list[Section] = []
    lines = LINE_END.split(cfg_text.removeprefix("\ufeff"))  # a byte order mark
    for line, text in enumerate(lines, start=1):
        text = "".join(text.split())
        if not text or text[0] in "#;":
            continue
        key, equals, value = text.partition("=")
        name = COMMENT.split(text)[0]
        if name[0] == "[" and name[-1] == "]":
            kind = ALIASES.get(name, name)[1:-1]
            sections.append(Section(kind, len(sections) - 1, line, {}))
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
    if not sections or sections[0].kind != "net":
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
    letter_box = bool(net.number("letter_box", "0"))
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
                heads.append(_head(section, x, image)._replace(letter_box=letter_box))
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
    return _activated(section, x, default="logistic")


def _maxpool(section, x, outputs):
    stride = section.number("stride", "1", least=1)
    size = section.number("size", str(stride), least=1)
    padding = section.number("padding", str(size - 1), least=0)
    if padding >= size:
        raise InputError(
            f"{section} has padding={padding} and size={size}, expected a padding of "
            f"at most {size - 1}. Correct that line."
        )
    name = f"maxpool_{section.index}"
    if padding == size - 1 and (size == 2 or stride == 1):
        return layers.MaxPooling2D(size, stride, "same", name=name)(x)
    # Darknet pads padding // 2 at the top and left, TensorFlow may pad less. With
    # stride 1 TensorFlow pads (size - 1) // 2, so the rest is cropped.
    x = layers.MaxPooling2D(size, 1, "same", name=f"window_{section.index}")(x)
    before = (size - 1) // 2 - padding // 2
    cropped = (before, size - 1 - padding - before)
    x = layers.Cropping2D((cropped, cropped), name=f"crop_{section.index}")(x)
    return layers.MaxPooling2D(1, stride, name=name)(x)


def _avgpool(section, x, outputs):
    name = f"avgpool_{section.index}"
    return layers.GlobalAveragePooling2D(keepdims=True, name=name)(x)


def _softmax(section, x, outputs):
    if x.shape[1:3] != (1, 1):
        raise InputError(
            f"{section} has an input of {_size(x)}, expected 1 x 1 x classes, the "
            "output of [avgpool]. Correct the cfg."
        )
    x = layers.Flatten(name=f"flatten_{section.index}")(x)
    return layers.Softmax(name=f"softmax_{section.index}")(x)  # (m, classes)


def _upsample(section, x, outputs):
    stride = section.number("stride", "2", least=1)
    return layers.UpSampling2D(stride, name=f"upsample_{section.index}")(x)


def _route(section, x, outputs):
    found = [_earlier(section, n, outputs) for n in section.numbers("layers")]
    groups = section.number("groups", "1", least=1)
    if groups > 1:
        group = section.number("group_id", "0", least=0)
        found = [
            _group(section, f"{section.index}_{i}", output, groups, group)
            for i, output in enumerate(found)
        ]
    if len(found) == 1:
        return found[0]
    if len({output.shape[1:3] for output in found}) > 1:
        raise InputError(
            f"{section} concatenates outputs of {', '.join(map(_size, found))}: "
            "heights and widths must be equal. Use an input height and width that are "
            "multiples of 32, or correct its option 'layers'."
        )
    return layers.Concatenate(name=f"route_{section.index}")(found)


def _group(section, name, x, groups, group):
    """Channels of `x` with the number `group` among `groups` equal parts."""
    H, W, C = x.shape[1:]
    if C % groups or group >= groups:
        raise InputError(
            f"{section} takes group_id={group} of groups={groups} from {C} channels; "
            "expected a group_id below groups, and channels that are a multiple of "
            "groups. Correct these options."
        )
    n_C = C // groups
    x = layers.Reshape((H * W, C, 1), name=f"flat_{name}")(x)
    cropped = ((0, 0), (group * n_C, C - (group + 1) * n_C))
    x = layers.Cropping2D(cropped, name=f"crop_{name}")(x)
    return layers.Reshape((H, W, n_C), name=f"group_{name}")(x)


def _shortcut(section, x, outputs):
    other = _earlier(section, section.number("from"), outputs)
    if other.shape != x.shape:
        raise InputError(
            f"{section} adds outputs of {_size(x)} and {_size(other)}, which must be "
            "equal. Correct its option 'from'."
        )
    x = layers.Add(name=f"shortcut_{section.index}")([x, other])
    return _activated(section, x)


def _product(section, x, outputs):
    """An earlier output times `x`: spatial attention, squeeze and excitation."""
    other = _earlier(section, section.number("from"), outputs)
    H, W, C = other.shape[1:]
    if x.shape[1:] != ((H, W, C) if section.kind == "sam" else (1, 1, C)):
        raise InputError(
            f"{section} multiplies outputs of {_size(x)} and {_size(other)}, which do "
            "not fit. Correct its option 'from'."
        )
    x = layers.Multiply(name=f"{section.kind}_{section.index}")([other, x])
    return _activated(section, x)


def _reorg(section, x, outputs):
    stride = section.number("stride", "1", least=1)
    return Reorg(stride, name=f"reorg_{section.index}")(x)


def _dropout(section, x, outputs):
    probability = section.number("probability", ".5", of=float)
    return layers.Dropout(probability, name=f"dropout_{section.index}")(x)


def _cost(section, x, outputs):
    return x  # the loss of Darknet's training


# Function and options of each kind of layer.
_LAYERS = {
    "convolutional": (
        _convolutional,
        "batch_normalize filters size stride pad padding groups activation",
    ),
    "maxpool": (_maxpool, "size stride padding"),
    "avgpool": (_avgpool, ""),
    "upsample": (_upsample, "stride"),
    "route": (_route, "layers groups group_id"),
    "shortcut": (_shortcut, "from activation"),
    "scale_channels": (_product, "from activation"),
    "sam": (_product, "from activation"),
    "reorg": (_reorg, "stride"),
    "dropout": (_dropout, "probability"),
    "softmax": (_softmax, ""),
    "cost": (_cost, "type scale ratio"),
}

# Options with Darknet's default, which is the only supported value.
_FIXED = {
    "convolutional": {
        **{"dilation": 1, "flipped": 0, "binary": 0, "xnor": 0, "bin_output": 0},
        **{"antialiasing": 0, "cbn": 0},
    },
    "maxpool": {"maxpool_depth": 0, "antialiasing": 0},
    "upsample": {"scale": 1},
    "shortcut": {"alpha": 1, "beta": 1},
    "scale_channels": {"scale_wh": 0},
    "reorg": {"reverse": 0, "flatten": 0, "extra": 0},
    "softmax": {"groups": 1, "temperature": 1, "spatial": 0},
    "region": {"coords": 4, "background": 0},
}

# Options that only Darknet's training uses; in a head, so are all that we do not know.
_OF_TRAINING = set(
    """stopbackward onlyforward dontload dontloadscales numload learning_rate
    dont_update burnin_update train_only_bn clip truth smooth dot noloss
    assisted_excitation dropblock dropblock_size dropblock_size_rel
    dropblock_size_abs""".split()
)

_HEADS = ("region", "yolo")


def _layer(section, x, outputs):
    if section.kind not in _LAYERS:
        raise InputError(
            f"{section} is not a supported kind of section. Supported are "
            f"{', '.join([*_LAYERS, *_HEADS])}."
        )
    layer, known = _LAYERS[section.kind]
    fixed = _FIXED.get(section.kind, {})
    names = known.split()
    if unknown := sorted({*section.options} - {*names, *fixed} - _OF_TRAINING):
        raise InputError(
            f"{section} has the option {unknown[0]!r}, which is not supported. "
            f"Supported are {', '.join(names) or 'none'}."
        )
    _check_fixed(section)
    return layer(section, x, outputs)


def _check_fixed(section):
    """Raise InputError if an option has another value than the only supported one."""
    for key, value in _FIXED.get(section.kind, {}).items():
        if (got := section.number(key, str(value), of=float)) != value:
            raise InputError(
                f"{section} has the option {key!r} with the value {got:g}; only "
                f"{key}={value} is supported."
            )


def _head(section, x, image):
    _check_fixed(section)
    if "tree" in section.options:
        raise InputError(
            f"{section} has the option 'tree', a hierarchy of classes (YOLO9000), "
            "which is not supported. Use a detector whose classes are a plain list."
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
    else:
        count = section.number("num", str(len(anchors)), least=1)
        if count > len(anchors):
            raise InputError(
                f"{section} has num={count}, but {len(anchors)} anchors. Correct one "
                "of these lines."
            )
        anchors = anchors[:count]
    classes = section.number("classes", "20", least=1)
    channels = len(anchors) * (5 + classes)
    if x.shape[-1] != channels:
        raise InputError(
            f"{section} has {len(anchors)} anchors and {classes} classes and so needs "
            f"{channels} channels; the preceding layer has filters={x.shape[-1]}. "
            f"Set filters={channels} there, or correct the anchors or classes."
        )
    rows, _ = x.shape[1:3]
    head = Head(section.kind, anchors, classes, image.shape[1] // rows)
    if section.kind == "region":
        return head._replace(softmax=bool(section.number("softmax", "0")))
    return head._replace(
        scale_x_y=section.number("scale_x_y", "1", of=float),
        new_coords=bool(section.number("new_coords", "0")),
    )


# Darknet's names of activations, and Keras's.
_ACTIVATIONS = {
    **{"logistic": "sigmoid", "swish": "silu"},
    **{name: name for name in "mish relu relu6 elu selu tanh".split()},
}


def _activated(section, x, default="linear"):
    activation = section.options.get("activation", default)
    name = f"{activation}_{section.index}"
    if activation == "linear":
        return x
    if activation == "leaky":
        return layers.LeakyReLU(0.1, name=name)(x)
    if activation not in _ACTIVATIONS:
        raise InputError(
            f"{section} has activation={quoted(activation)}, expected one of "
            f"linear, leaky, {', '.join(_ACTIVATIONS)}, without a comment: Darknet "
            "takes any other text as relu."
        )
    return layers.Activation(_ACTIVATIONS[activation], name=name)(x)


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
