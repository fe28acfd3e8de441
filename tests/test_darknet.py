"""Darknet files: numbers against a second implementation, errors, and the round trip.

`forward` below is a second implementation of Darknet in plain NumPy, channels first,
for one image; it parses cfg and weights by itself. Outputs agree to 1e-4 of their scale
(float32, sums in another order), those of tiny networks to 1e-5.
"""

import json
import re
import struct

import keras
import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.cli.main import main
from dls_keras.converters import darknet as converter
from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course4 import car_detection
from dls_keras.networks import darknet

HEADER = struct.pack("<iiiQ", 0, 2, 5, 64)  # version 0.2.5, 64 images seen

V2 = """
[net]
height=8
width=12
channels=3

[convolutional]
batch_normalize=1
filters = 4
size=3
stride=1
pad=1
activation=leaky

[maxpool]
size=2
stride=2

# the coarse map
[convolutional]
filters=8
size=3
stride=1
pad=1
activation=leaky

[route]
layers=-3

[reorg]
stride=2

[route]
layers=-1,2

[convolutional]
size=1
stride=1
pad=1
filters=16
activation=linear

[region]
anchors = 0.5,1.5,  2,3
classes=3
num=2
softmax=1
"""

# What YOLOv4 adds, except its heads; the last layer has the default activation.
V4 = """
[net]
height=9
width=12
channels=1

[convolutional]
batch_normalize=1
filters=4
size=3
stride=1
pad=1
activation=mish

[route]
layers=-1
groups=2
group_id=1

[convolutional]
filters=4
size=1
stride=1
pad=1
activation=swish

[route]
layers=0,2
groups=4
group_id=3

[maxpool]
size=3
stride=2

[convolutional]
filters=6
size=3
stride=1
pad=1
activation=relu

[avgpool]

[convolutional]
filters=6
size=1
stride=1
pad=1
activation=relu6

[scale_channels]
from=5
activation=linear

[convolutional]
filters=6
size=1
stride=1
pad=1
activation=logistic

[sam]
from=8
activation=leaky

[maxpool]
size=4
stride=2
padding=1

[convolutional]
filters=7
size=1
stride=1
pad=1

[yolo]
anchors = 1,2
classes=2
num=1
"""

CLASSIFIER = """
[net]
height=6
width=4
channels=3

[convolutional]
filters=5
size=3
stride=1
pad=1
activation=leaky

[shortcut]
from=-1
activation=tanh

[convolutional]
filters=4
size=1
stride=1
pad=1
activation=linear

[avgpool]

[softmax]
groups=1

[cost]
type=sse
"""

V3 = """
[net]
height=16
width=8
channels=3

[convolutional]
batch_normalize=1
filters=4
size=3
stride=2
pad=1
activation=leaky

[convolutional]
batch_normalize=1
filters=4
groups=4
size=5
stride=1
pad=1
activation=linear

[dropout]
probability=.2

[shortcut]
from=-3
activation=leaky

[maxpool]
size=3
stride=1

[route]
layers=-1,3

[convolutional]
batch_normalize=1
filters=6
groups=2
size=3
stride=2
pad=1
activation=leaky

[maxpool]
size=2
stride=1

[convolutional]
size=1
stride=1
pad=0
filters=12
activation=linear

[yolo]
mask = 2,3
anchors = 1,2, 3,4, 5,6, 7,8
classes=1
num=4

[route]
layers=7

[upsample]
stride=2

[route]
layers=-1,3

[convolutional]
size=3
stride=1
padding=0
pad=1
filters=12
activation=linear

[yolo]
mask = 0,1
anchors = 1,2, 3,4, 5,6, 7,8
classes=1
num=4
"""


def reorg(x, s):
    """Darknet's loop, one number at a time: (c, h, w), stride s."""
    c, h, w = x.shape
    planes, out = c // s**2, np.empty(c * h * w, x.dtype)
    for k in range(c):
        for j in range(h):
            for i in range(w):
                plane, offset = k % planes, k // planes
                row, column = j * s + offset // s, i * s + offset % s
                source = column + w * s * (row + h * s * plane)
                out[i + w * (j + h * k)] = x.flat[source]
    return out.reshape(c * s**2, h // s, w // s)


def convolve(x, kernel, stride, padding, groups):
    """(c, h, w) convolved with (n, c/groups, k, k), zero-padded."""
    n, per_group, k, _ = kernel.shape
    x = np.pad(x, ((0, 0), (padding, padding), (padding, padding)))
    rows = range(0, x.shape[1] - k + 1, stride)
    columns = range(0, x.shape[2] - k + 1, stride)
    out = np.empty((n, len(rows), len(columns)), "float32")
    for g in range(groups):
        own = slice(g * n // groups, (g + 1) * n // groups)
        for j, row in enumerate(rows):
            for i, column in enumerate(columns):
                window = x[g * per_group :][
                    :per_group, row : row + k, column : column + k
                ]
                out[own, j, i] = np.tensordot(kernel[own], window, 3)
    return out


def pool(x, size, stride, padding):
    """Maximum over windows, the first of which begins padding // 2 before the edge."""
    h, w = ((n + padding - size) // stride + 1 for n in x.shape[1:])
    before = padding // 2
    x = np.pad(x, ((0, 0), (before, size), (before, size)), constant_values=-np.inf)
    return np.stack(
        [
            [
                x[:, j * stride :, i * stride :][:, :size, :size].max((1, 2))
                for i in range(w)
            ]
            for j in range(h)
        ],
    ).transpose(2, 0, 1)


ACTIVATIONS = {
    "linear": lambda x: x,
    "leaky": lambda x: np.where(x > 0, x, np.float32(0.1) * x),
    "relu": lambda x: np.maximum(x, 0),
    "relu6": lambda x: np.clip(x, 0, 6),
    "logistic": lambda x: 1 / (1 + np.exp(-x)),
    "swish": lambda x: x / (1 + np.exp(-x)),
    "mish": lambda x: x * np.tanh(np.log1p(np.exp(x))),
    "tanh": np.tanh,
}


def forward(cfg, values, x):
    """The outputs, (rows, columns, channels) each, and how many values were used."""
    outputs, heads, start = [], [], 0

    def take(*shape):
        nonlocal start
        start += int(np.prod(shape))
        return np.asarray(values[start - int(np.prod(shape)) : start]).reshape(shape)

    x = x.transpose(2, 0, 1)
    for kind, body in re.findall(r"^\[(\w+)\]([^\[]*)", cfg, re.M)[1:]:
        option = dict(re.findall(r"^(\w+) *= *(.*?) *$", body, re.M))
        size, stride = int(option.get("size", 1)), int(option.get("stride", 1))
        if kind == "convolutional":
            n, groups = int(option["filters"]), int(option.get("groups", 1))
            bias = take(n, 1, 1)
            if option.get("batch_normalize") == "1":
                scale, mean, variance = take(n, 1, 1), take(n, 1, 1), take(n, 1, 1)
            kernel = take(n, len(x) // groups, size, size)
            padding = size // 2 if option["pad"] == "1" else 0
            option.setdefault("activation", "logistic")
            x = convolve(x, kernel, stride, padding, groups)
            if option.get("batch_normalize") == "1":
                x = (x - mean) / np.sqrt(variance + 1e-5) * scale
            x = x + bias
        elif kind == "maxpool":
            x = pool(x, size, stride, int(option.get("padding", size - 1)))
        elif kind == "avgpool":
            x = x.mean((1, 2), keepdims=True)
        elif kind == "softmax":
            x = np.exp(x - x.max())
            x = x / x.sum()
        elif kind == "upsample":
            x = x.repeat(stride, 1).repeat(stride, 2)
        elif kind == "reorg":
            x = reorg(x, stride)
        elif kind == "shortcut":
            x = x + outputs[int(option["from"])]
        elif kind in ("scale_channels", "sam"):
            x = x * outputs[int(option["from"])]
        elif kind == "route":
            groups, group = int(option.get("groups", 1)), int(option.get("group_id", 0))
            parts = [outputs[int(n)] for n in option["layers"].split(",")]
            x = np.concatenate([np.split(part, groups)[group] for part in parts])
        elif kind in ("region", "yolo"):
            heads.append(x.transpose(1, 2, 0))
        x = ACTIVATIONS[option.get("activation", "linear")](x)
        outputs.append(x)
    return heads or [x.reshape(-1)], start


def numbers(cfg, seed=0):
    """As many random weights as `forward` uses, in [0, 1], as variances must be."""
    enough = np.random.default_rng(seed).random(10_000, "float32")
    _, n = forward(cfg, enough, np.zeros(shape_of(cfg), "float32"))
    return enough[:n]


def shape_of(cfg):
    found = dict(re.findall(r"^(height|width|channels) *= *(\d+)", cfg, re.M))
    return tuple(int(found[key]) for key in ("height", "width", "channels"))


def write(folder, cfg, values, header=HEADER):
    """The two files; returns their paths."""
    cfg_path, weights_path = folder / "net.cfg", folder / "net.weights"
    cfg_path.write_text(cfg)
    weights_path.write_bytes(header + np.asarray(values, "<f4").tobytes())
    return cfg_path, weights_path


def outputs_of(network, x):
    """The network's outputs for one image, as a list."""
    y = network.model(x[np.newaxis], training=False)
    return [np.asarray(output)[0] for output in (y if isinstance(y, list) else [y])]


CFGS = {"v2": V2, "v3": V3, "v4": V4, "classifier": CLASSIFIER}


@pytest.mark.parametrize("cfg", CFGS.values(), ids=CFGS)
def test_the_model_computes_what_darknet_computes(tmp_path, cfg):
    """Every kind of layer, with weights read from a file."""
    values = numbers(cfg)
    network = converter.load(*write(tmp_path, cfg, values))
    x = np.random.default_rng(1).random(shape_of(cfg), "float32")
    expected, _ = forward(cfg, values, x)
    got = outputs_of(network, x)
    assert len(got) == len(expected) == max(1, len(network.heads))
    for one, other in zip(got, expected, strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("cfg", CFGS.values(), ids=CFGS)
def test_the_model_computes_the_same_after_keras_saving(tmp_path, cfg):
    """As a .keras file, and as a clone with copied weights."""
    network = converter.load(*write(tmp_path, cfg, numbers(cfg)))
    network.model.save(tmp_path / "model.keras")
    clone = keras.models.clone_model(network.model)
    clone.set_weights(network.model.get_weights())
    x = np.random.default_rng(1).random(shape_of(cfg), "float32")
    for copy in (keras.models.load_model(tmp_path / "model.keras"), clone):
        for one, other in zip(
            outputs_of(network._replace(model=copy), x),
            outputs_of(network, x),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)


def test_heads_describe_the_outputs():
    """Anchors in the order of the mask, classes, and the side of a cell."""
    assert darknet.build(darknet.parse(V2)).heads == (
        darknet.Head("region", ((0.5, 1.5), (2, 3)), classes=3, stride=2),
    )
    assert darknet.build(darknet.parse(V3)).heads == (
        darknet.Head("yolo", ((5, 6), (7, 8)), classes=1, stride=4),
        darknet.Head("yolo", ((1, 2), (3, 4)), classes=1, stride=2),
    )


def test_the_input_may_be_larger_than_in_the_cfg():
    """The grids become larger, the number of weights stays."""
    network = darknet.build(darknet.parse(V3), input_shape=(32, 24, 3))
    shapes = [output.shape[1:3] for output in network.model.outputs]
    assert shapes == [(8, 6), (16, 12)]
    assert network.model.count_params() == len(numbers(V3))


@settings(max_examples=20, deadline=None)
@given(s=st.integers(1, 3), rows=st.integers(1, 3), columns=st.integers(1, 3))
def test_reorg_has_the_order_of_darknets_loop(s, rows, columns):
    """For several heights, widths and strides; all numbers differ."""
    shape = (2 * s * s, rows * s, columns * s)  # (c, h, w)
    x = np.arange(np.prod(shape), dtype="float32").reshape(shape)
    got = darknet.Reorg(s)(x.transpose(1, 2, 0)[np.newaxis])
    np.testing.assert_array_equal(got[0], reorg(x, s).transpose(1, 2, 0))


def test_the_usual_reorg_is_space_to_depth():
    """`darknet=False` gathers neighbours, like TensorFlow's operation."""
    x = np.random.default_rng(0).random((2, 6, 9, 5), "float32")
    got = darknet.Reorg(3, darknet=False)(x)
    np.testing.assert_array_equal(got, tf.nn.space_to_depth(x, 3))


def test_no_permutation_of_channels_turns_one_reorg_into_the_other():
    """Other *positions* are combined, so no permutation of a kernel compensates."""
    x = np.arange(4 * 4 * 4, dtype="float32").reshape(1, 4, 4, 4)
    in_darknet = np.asarray(darknet.Reorg(2)(x))[0, 0, 0]
    usual = np.asarray(darknet.Reorg(2, darknet=False)(x))[0, 0, 0]
    assert set(in_darknet) != set(usual)


def test_reorg_keeps_its_settings_in_keras_serialisation():
    """The stride and the order."""
    layer = keras.layers.deserialize(
        keras.layers.serialize(darknet.Reorg(3, darknet=False))
    )
    assert (layer.stride, layer.darknet) == (3, False)
    assert layer.compute_output_shape((None, 6, 9, 2)) == (None, 2, 3, 18)


@pytest.mark.parametrize(
    ("header", "version"),
    [
        (struct.pack("<iiii", 0, 1, 0, 7), (0, 1, 0, 7)),
        (struct.pack("<iiiQ", 0, 2, 0, 2**40), (0, 2, 0, 2**40)),
        (struct.pack("<iiiQ", 1, 0, 3, 7), (1, 0, 3, 7)),
    ],
)
def test_both_lengths_of_header_are_read(tmp_path, header, version):
    """The number of images seen is an int32 before version 0.2 and a uint64 since."""
    _, path = write(tmp_path, V2, [1.5, -2], header)
    *got, values = converter.read(path)
    assert tuple(got) == version
    np.testing.assert_array_equal(values, [1.5, -2])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        # Section 6 has 16 biases and a (1, 1, 24, 16) kernel.
        (numbers(V2)[:-1], r"weights end in section 6 \[convolutional\] \(line 36"),
        (
            numbers(V2)[:-1],
            r"kernel of shape \(1, 1, 24, 16\) it needs 400 numbers, but only 399",
        ),
        (numbers(V2)[:50], r"weights end in section 0 \[convolutional\].*50 of 50"),
        ([], r"weights end in section 0"),
        (np.append(numbers(V2), [0, 0]), r"2 of 822 numbers are left over"),
        (numbers(V3), r"left over|end in section"),
        (np.full_like(numbers(V2), np.nan), r"beta of section 0 .*not a number"),
        (-numbers(V2), r"moving_variance of section 0 .*negative"),
    ],
)
def test_weights_of_another_cfg_are_an_error(tmp_path, values, message):
    """The message names both files and the section."""
    paths = write(tmp_path, V2, values)
    with pytest.raises(InputError, match=message) as caught:
        converter.load(*paths)
    assert all(str(path) in str(caught.value) for path in paths)


def test_weights_that_do_not_fit_leave_the_model_unchanged():
    """If the last number is missing, none is assigned."""
    sections = darknet.parse(V2)
    model = darknet.build(sections).model
    before = model.get_weights()
    with pytest.raises(InputError):
        converter.fill(model, sections, numbers(V2)[:-1])
    for one, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
        (b"<!DOCTYPE html><html><body>404", "web page"),
        (b"[net]\nwidth=416\nheight=416\n", "not a Darknet .weights file"),
        (struct.pack("<iiiQf", 0, 2, 5, 0, 1)[:-1], "23 bytes.*cut off"),
        (struct.pack("<iii", 0, 2, 5), "12 bytes.*cut off"),
    ],
)
def test_a_file_of_another_format_is_an_error(tmp_path, content, message):
    """The message names the file and its format."""
    path = tmp_path / "x.weights"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        converter.read(path)
    assert str(path) in str(caught.value)


def test_missing_and_swapped_files_are_named(tmp_path):
    """In an InputError, not an error of NumPy or of a text codec."""
    cfg, weights = write(tmp_path, V2, numbers(V2))
    with pytest.raises(MissingFileError, match="nowhere.weights"):
        converter.load(cfg, tmp_path / "nowhere.weights")
    with pytest.raises(MissingFileError, match="nowhere.cfg"):
        converter.load(tmp_path / "nowhere.cfg", weights)
    with pytest.raises(InputError, match="net.cfg is not a Darknet .weights"):
        converter.load(weights, cfg)
    with pytest.raises(InputError, match="is not the text of a Darknet .cfg"):
        converter.load(weights, weights)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "[reorg]",
            "[crnn]",
            r"section 4 \[crnn\] \(line 30 of the cfg\).*not a supported",
        ),
        ("[reorg]", "reorg", r"Line 30 of the cfg is 'reorg'"),
        ("[net]", "", "Line 3 of the cfg is 'height=8', expected \\[net\\]"),
        ("[net]", "[region]", r"begins with \[net\]; this one .* \[region\]"),
        ("height=8", "", r"^\[net\] \(line 2 of the cfg\) has no option 'height'"),
        ("filters = 4", "filters=four", r"section 0 .*filters='four'"),
        ("filters = 4", "filters=4,5", r"section 0 .*2 numbers for 'filters'"),
        ("filters = 4", "filters=6", r"section 4 \[reorg\].*multiples of 4"),
        ("filters = 4", "filters=4\ndilation=2", "section 0 .*option 'dilation'"),
        ("filters = 4", "filters=4\nflipped=1", "option 'flipped' with the value 1"),
        ("activation=leaky", "activation=stair", "section 0 .*activation='stair'"),
        ("size=2", "size=2\npadding=2", r"section 1 \[maxpool\].*at most 1"),
        ("layers=-3", "layers=-4", r"section 3 \[route\].*refers to layer -4"),
        ("layers=-3", "layers=3", r"section 3 \[route\].*refers to layer 3"),
        ("layers=-1,2", "layers=-1,0", r"section 5 \[route\].*4 x 6 x 16, 8 x 12 x 4"),
        ("layers=-1,2", "layers=-1", r"output of section 2 .*is not used"),
        ("height=8", "height=9", r"section 4 \[reorg\].*9 x 12 x 4"),
        ("height=8", "height=0", r"each at least 1.*received \(0, 12, 3\)"),
        ("classes=3", "classes=4", r"section 7 \[region\].*needs 18.*filters=16"),
        ("num=2", "mask=1,2", r"section 7 \[region\].*mask=1,2 for 2 anchors"),
        ("num=2", "num=3", r"section 7 \[region\] .*num=3, but 2 anchors"),
        ("softmax=1", "tree=9k.tree", r"section 7 \[region\] .*'tree'.*YOLO9000"),
        ("softmax=1", "coords=5", r"section 7 \[region\] .*only coords=4"),
    ],
)
def test_an_error_in_a_cfg_names_the_section_and_the_line(old, new, message):
    """One line of a valid cfg is changed."""
    assert old in V2
    with pytest.raises(InputError, match=message):
        darknet.build(darknet.parse(V2.replace(old, new, 1)))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("filters=4", "filters=8", r"section 3 \[shortcut\].*8 x 4 x 4 and 8 x 4 x 8"),
        ("from=-3", "from=-3,-1", r"section 3 \[shortcut\].*2 numbers for 'from'"),
        ("groups=2", "groups=3", r"section 6 \[convolutional\].*8 x 4 x 8"),
        ("mask = 2,3", "mask=2,4", r"section 9 \[yolo\] .*mask=2,4 for 4 anchors"),
    ],
)
def test_an_error_in_a_cfg_of_yolo_v3_names_the_section(old, new, message):
    """Layers that YOLOv2 does not have, and an option that is not supported."""
    assert old in V3
    with pytest.raises(InputError, match=message):
        darknet.build(darknet.parse(V3.replace(old, new, 1)))


# The round trip through the command line.


def run(*args):
    """The result of `dls-keras ARGS`."""
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def photos(folder):
    """Paths of three random images of different sizes."""
    rng = np.random.default_rng(7)
    paths = [folder / f"photo_{i}.png" for i in range(3)]
    for path, size in zip(paths, [(30, 40), (64, 48), (8, 12)], strict=True):
        Image.fromarray(rng.integers(0, 256, (*size, 3), "uint8")).save(path)
    return paths


@pytest.mark.parametrize("names", [None, ["red", "dark green", "blue"]])
def test_a_converted_detector_finds_the_boxes_of_the_original(tmp_path, names):
    """`convert darknet`, then `infer --weights`: the same classes, scores, boxes."""
    values = numbers(V2)
    values[-400:] = (values[-400:] - 0.5) / 6  # the last layer: scores below 1
    paths = write(tmp_path, V2, values)
    out, options = tmp_path / "mine.h5", []
    if names:
        (tmp_path / "my.names").write_text("\n".join([*names, "", ""]))
        options = ["--names", tmp_path / "my.names"]
    result = run("convert", "darknet", *paths, *options, "--out", out)
    assert result.exit_code == 0

    images = photos(tmp_path)
    result = run("infer", "car_detection", *images, "--weights", out, "--json")
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    names = names or ["class 0", "class 1", "class 2"]
    original = car_detection.Detector(*converter.load(*paths), tuple(names))
    found = car_detection.find_all(original, images)
    assert sum(len(one.boxes) for one in found) > 3
    for answer, one in zip(answers, found, strict=True):
        boxes = answer["details"]["boxes"]
        assert [box["class"] for box in boxes] == [names[k] for k in one.classes]
        # A single image and a batch of three may differ in the last digits.
        scores = [box["score"] for box in boxes]
        np.testing.assert_allclose(scores, one.scores, rtol=1e-5)
        corners = np.reshape([box["box"] for box in boxes], (-1, 4))
        np.testing.assert_allclose(corners, one.boxes, rtol=1e-5, atol=1e-4)


def test_a_wrong_number_of_class_names_is_an_error(tmp_path):
    """One line, and no file is written."""
    paths = write(tmp_path, V2, numbers(V2))
    (tmp_path / "two.names").write_text("red\ngreen\n")
    out = tmp_path / "mine.h5"
    result = run(
        *("convert", "darknet", *paths, "--out", out),
        *("--names", tmp_path / "two.names"),
    )
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "has 3 classes, received 2 class names" in line and "--names" in line
    assert not out.exists()


def test_a_network_that_is_not_a_detector_has_no_class_names(tmp_path):
    """A cfg without heads, such as that of a classifier."""
    cfg = V2[: V2.index("[region]")]
    result = run(
        *("convert", "darknet", *write(tmp_path, cfg, numbers(V2))),
        *("--out", tmp_path / "mine.h5"),
    )
    assert result.exit_code == 2
    assert "not a detector: its cfg has no [region] or [yolo] section" in result.stderr


def test_default_class_names_depend_on_their_number():
    """COCO for 80 classes, Pascal VOC for 20, else numbers."""
    heads = {n: (darknet.Head("yolo", ((1, 1),), n, 32),) for n in (80, 20, 2)}
    assert converter.class_names(heads[80]) == converter.COCO_CLASSES
    assert converter.class_names(heads[20]) == converter.VOC_CLASSES
    assert converter.class_names(heads[2]) == ("class 0", "class 1")
    assert converter.class_names(heads[2], ["a", "b"]) == ("a", "b")


# Published files.


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "classes"),
    [("coco", converter.COCO_CLASSES), ("pascal", converter.VOC_CLASSES)],
)
def test_class_names_are_the_published_ones(name, classes):
    """Equal to the files that the course provides."""
    text = yolo_file(f"{name}_classes.txt").read_text()
    assert text.split("\n")[: len(classes)] == list(classes)


def yolo_file(name):
    """The path of a real Darknet file."""
    return files.data_folder() / "yolo" / name


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "params"),
    [("yolo-fastest-1.1-xl", 923_486), ("yolo-fastest-1.1", 346_062)],
)
def test_yolo_fastest_uses_every_byte_and_computes_the_same(name, params):
    """The published detectors against the second implementation, at 32 x 64.

    They are 84 convolutions deep, so the tolerance is 1e-4 of the largest output.
    """
    cfg = yolo_file(f"yolo_fastest/{name}.cfg")
    path = yolo_file(f"yolo_fastest/{name}.weights")
    values = converter.read(path).values
    assert len(values) == params
    assert path.stat().st_size == 20 + 4 * params
    network = converter.load(cfg, path, input_shape=(32, 64, 3))
    assert network.model.count_params() == params
    x = np.random.default_rng(0).random((32, 64, 3), "float32")
    expected, used = forward(cfg.read_text(), values, x)
    assert used == params
    for one, other in zip(outputs_of(network, x), expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4 * np.abs(other).max())


@pytest.mark.data
def test_weights_of_the_other_yolo_fastest_are_an_error():
    """The message says in which section they do not fit."""
    cfg = yolo_file("yolo_fastest/yolo-fastest-1.1.cfg")
    weights = yolo_file("yolo_fastest/yolo-fastest-1.1-xl.weights")
    with pytest.raises(InputError, match="xl.weights.*section"):
        converter.load(cfg, weights)


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "params"),
    [("yolov2-tiny", 11_237_145), ("yolov2-tiny-voc", 15_867_885)],
)
def test_the_tiny_cfgs_build(name, params):
    """The count of yolov2-tiny follows from the length of its published file."""
    network = darknet.build(darknet.parse(yolo_file(f"cfg/{name}.cfg").read_text()))
    assert network.model.count_params() == params
    assert network.model.output_shape[1:3] == (13, 13)  # the last pooling keeps 13
