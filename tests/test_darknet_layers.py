"""Darknet's boxes against a second implementation, letter boxes, defaults, and text.

`boxes_of` below is a second implementation of Darknet's decoding: Python's loops over
cells and anchors, with the formulas of its source, in float64. The network's outputs
come from `forward` in test_darknet.py, and weights from files that the tests write.
Boxes agree to 1e-3 pixels and scores to 1e-5 (float32).
"""

import json
import math
import re

import numpy as np
import pytest
from PIL import Image
from test_darknet import CFGS, forward, outputs_of, run, shape_of, write

from dls_keras.converters import darknet as converter
from dls_keras.core.errors import InputError
from dls_keras.course4 import car_detection as cd
from dls_keras.fast import inference
from dls_keras.networks import darknet

# Cells of 4 pixels; sizes that are no multiples of it give cells of other sizes.
NET = """
[net]
height={height}
width={width}
channels={channels}
letter_box={letter_box}

[convolutional]
filters=4
size=3
stride=2
pad=1
activation=leaky

[convolutional]
filters={filters}
size=3
stride=2
pad=1
activation={activation}
"""
REGION = "\n[region]\nanchors=0.6,0.9, 1.5,1.1\nclasses=3\nnum=2\n"
YOLO = "\n[yolo]\nmask=2,0\nanchors=5,7, 1,1, 9,4\nclasses=3\nnum=3\n"
HEADS = {
    "region": REGION,
    "region, softmax": REGION + "softmax=1\n",
    "yolo": YOLO,
    "scale_x_y": YOLO + "scale_x_y=1.5\n",
    "new_coords": YOLO + "scale_x_y=2\nnew_coords=1\n",
}
KEEP_ALL = {"max_boxes": 10_000, "score_threshold": 0.05, "iou_threshold": 1.0}


def network(head, height=16, width=16, channels=3, letter_box=0, filters=16):
    """A cfg with a head, whose last layer suits it."""
    return NET.format(
        height=height,
        width=width,
        channels=channels,
        letter_box=letter_box,
        filters=filters,
        activation="logistic" if "new_coords=1" in head else "linear",
    ) + head.replace("[yolo]", "[yolo]\nignore_thresh=.7\niou_loss=ciou")


def weights_for(cfg, seed=0):
    """Random weights, of both signs."""
    enough = np.random.default_rng(seed).normal(0, 0.7, 10_000).astype("float32")
    _, n = forward(cfg, enough, np.zeros(shape_of(cfg), "float32"))
    return enough[:n]


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


def boxes_of(feats, head, net, shape, letter_box):
    """(y1, x1, y2, x2, score, class) of each box in (rows, columns, channels).

    Args:
        head: the text of the head in the cfg.
        net: (height, width) of the network's input; `shape`: that of the image.
    """
    option = dict(re.findall(r"^(\w+)=(.*)$", head, re.M))
    anchors = np.array(option["anchors"].split(","), float).reshape(-1, 2)
    region = "[region]" in head
    if not region:
        anchors = anchors[[int(n) for n in option["mask"].split(",")]]
    scale, new = float(option.get("scale_x_y", 1)), option.get("new_coords") == "1"
    logistic = float if new else sigmoid
    rows, columns, _ = feats.shape
    new_h, new_w = net
    if letter_box and net[1] / shape[1] < net[0] / shape[0]:
        new_h = shape[0] * net[1] // shape[1]
    elif letter_box:
        new_w = shape[1] * net[0] // shape[0]
    found = []
    for row, column, a in np.ndindex(rows, columns, len(anchors)):
        tx, ty, tw, th, to, *logits = feats[row, column].reshape(len(anchors), -1)[a]
        x, y = ((logistic(t) * scale - 0.5 * (scale - 1)) for t in (tx, ty))
        x, y = (column + x) / columns, (row + y) / rows
        w, h = ((2 * t) ** 2 if new else math.exp(t) for t in (tw, th))
        w, h = w * anchors[a, 0], h * anchors[a, 1]
        w, h = (w / columns, h / rows) if region else (w / net[1], h / net[0])
        if letter_box:
            x = (x - (net[1] - new_w) / 2 / net[1]) / (new_w / net[1])
            y = (y - (net[0] - new_h) / 2 / net[0]) / (new_h / net[0])
            w, h = w * net[1] / new_w, h * net[0] / new_h
        if option.get("softmax") == "1":
            probabilities = np.exp(logits) / np.exp(logits).sum()
        else:
            probabilities = [logistic(t) for t in logits]
        k = int(np.argmax(probabilities))
        score = logistic(to) * probabilities[k]
        corners = (y - h / 2, x - w / 2, y + h / 2, x + w / 2)
        found.append((*np.multiply(corners, [*shape, *shape]), score, k))
    found = np.array([box for box in found if box[4] >= KEEP_ALL["score_threshold"]])
    return found[np.argsort(-found[:, 4])]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("net", "shape", "letter_box"),
    [
        ((16, 16), (16, 16), 0),
        ((12, 28), (12, 28), 0),
        ((14, 21), (14, 21), 0),  # 4 x 6 cells, of 3.5 x 3.5 pixels
        ((16, 16), (9, 16), 1),
        ((13, 22), (13, 17), 1),  # bars of 2 and 3 columns
        ((14, 21), (14, 21), 1),
    ],
)
@pytest.mark.parametrize("head", HEADS.values(), ids=HEADS)
def test_boxes_are_those_of_darknets_formulas(
    tmp_path, head, net, shape, letter_box, channels
):
    """Images fit the network without being resized, so NumPy computes the outputs."""
    cfg = network(head, *net, channels, letter_box)
    values = weights_for(cfg)
    pixels = np.random.default_rng(1).integers(0, 256, (*shape, channels), "uint8")
    x = np.full((*net, channels), 0.5, "float32")
    top, left = (net[0] - shape[0]) // 2, (net[1] - shape[1]) // 2
    x[top : top + shape[0], left : left + shape[1]] = pixels / np.float32(255)
    (feats,), _ = forward(cfg, values, x)
    expected = boxes_of(feats, head, net, shape, letter_box)

    detector = cd.load_darknet(*write(tmp_path, cfg, values))
    ((boxes, scores, classes),) = cd.find_all(detector, [pixels], **KEEP_ALL)
    assert len(expected) > 3
    np.testing.assert_allclose(scores, expected[:, 4], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(classes, expected[:, 5])
    np.testing.assert_allclose(boxes, expected[:, :4], rtol=1e-4, atol=1e-3)


def test_both_ways_of_decoding_agree(tmp_path):
    """`fast_boxes`, for the usual networks, and the lesson's functions; two heads."""
    cfg = network(YOLO) + "\n[route]\nlayers=-2\n" + YOLO
    detector = cd.load_darknet(*write(tmp_path, cfg, weights_for(cfg)))
    image = np.random.default_rng(2).integers(0, 256, (16, 16, 3), "uint8")
    settings = {"max_boxes": 5, "score_threshold": 0.2, "iou_threshold": 0.5}
    # A square image has no bars, so the letter box changes only the way.
    for one, other in zip(
        *cd.find_all(detector, [image], **settings),
        *cd.find_all(detector, [image], letter_box=True, **settings),
        strict=False,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-3)


# The reproductions: one layer that sees a red pixel, with objectness 6 there.


def red_pixel(*, head=YOLO, channels=3, **net):
    """A cfg of 32 x 32 pixels with cells of one pixel, and its 14 filters."""
    net = "".join(f"{key}={value}\n" for key, value in net.items())
    return (
        f"[net]\nwidth=32\nheight=32\nchannels={channels}\n{net}[convolutional]\n"
        f"filters=14\nactivation=linear\n{head}"
    )


def red_weights(channels=3, objectness=-6.0, red=(12.0, 0.0, 0.0)):
    """Class logits 2 and 1.5; the second anchor has no objects."""
    bias, kernel = np.zeros(14), np.zeros((14, 3))
    bias[[4, 5, 6, 11]] = objectness, 2, 1.5, -20
    kernel[4] = red
    return np.append(bias, kernel[:, :channels])


TWO = "[yolo]\nmask=0,1\nanchors=8,8, 2,2\nclasses=2\nnum=2\n"
TWO_REGION = "[region]\nanchors=4,4, 2,2\nclasses=2\ncoords=4\nnum=2\n"
SCORE = 1 / (1 + math.exp(-6)) / (1 + math.exp(-2))  # 0.8786


def one_red_pixel():
    image = np.zeros((32, 32, 3), "uint8")
    image[10, 20] = [255, 0, 0]
    return image


@pytest.mark.parametrize(
    ("softmax", "score"),
    [("", SCORE), ("softmax=0\n", SCORE), ("softmax=1\n", 0.6209)],
)
def test_classes_of_a_region_exclude_each_other_only_with_softmax(
    tmp_path, softmax, score
):
    """Its default is 0."""
    cfg = red_pixel(head=TWO_REGION + softmax)
    detector = cd.load_darknet(*write(tmp_path, cfg, red_weights()))
    answer = cd.infer(detector, one_red_pixel(), score_threshold=0.3)
    assert answer == "1 class 0"
    assert answer.confidence == pytest.approx(score, abs=1e-4)


def test_a_grey_network_takes_images_of_any_mode(tmp_path):
    """Colours become grey values, as Pillow computes them."""
    paths = write(tmp_path, red_pixel(head=TWO, channels=1), red_weights(1))
    detector = cd.load_darknet(*paths, classes=["a", "b"])
    white = one_red_pixel().max(2)
    for image in (white, Image.fromarray(white).convert("RGBA")):
        answer = cd.infer(detector, image, score_threshold=0.3)
        assert answer == "1 a"
        assert answer.confidence == pytest.approx(SCORE, abs=1e-4)
    # A red pixel has the grey value 76: objectness 12 * 76 / 255 - 6.
    ((_, scores, _),) = cd.find_all(detector, [one_red_pixel()], score_threshold=0.05)
    expected = sigmoid(12 * 76 / 255 - 6) * sigmoid(2)
    np.testing.assert_allclose(scores, [expected], rtol=1e-4)


def test_a_network_of_other_channels_is_not_given_images(tmp_path):
    """Such as one of four channels; its model takes arrays."""
    cfg = red_pixel(head=TWO, channels=4)
    detector = cd.load_darknet(*write(tmp_path, cfg, np.zeros(14 * 5)))
    with pytest.raises(InputError, match="images of 4 channels, expected 1 .* or 3"):
        cd.infer(detector, one_red_pixel())


SQUARE = (17 - 8, 41 - 8, 17 + 8, 41 + 8)  # y1, x1, y2, x2
STRETCHED = (16.5 - 4, 41 - 8, 16.5 + 4, 41 + 8)  # the upper of the two red rows


@pytest.mark.parametrize(
    ("net", "load", "infer", "box"),
    [
        ({"letter_box": 1}, None, None, SQUARE),
        ({}, True, None, SQUARE),
        ({}, None, True, SQUARE),
        ({}, None, None, STRETCHED),
        ({"letter_box": 0}, None, None, STRETCHED),
        ({"letter_box": 1}, False, None, STRETCHED),
        ({"letter_box": 1}, None, False, STRETCHED),
    ],
)
def test_a_letter_box_keeps_the_aspect_ratio(tmp_path, net, load, infer, box):
    """As the cfg or the user asks for it; 8 x 8 pixels of the input become 16 x 16."""
    values = red_weights(objectness=-12.0, red=(40.0, -40.0, -40.0))
    paths = write(tmp_path, red_pixel(head=TWO, **net), values)
    detector = cd.load_darknet(*paths, letter_box=load)
    image = np.zeros((32, 64, 3), "uint8")
    image[16:18, 40:42] = [255, 0, 0]
    answer = cd.infer(detector, image, score_threshold=0.3, letter_box=infer)
    np.testing.assert_allclose(answer.details["boxes"][0]["box"], box, atol=1e-3)
    # The head keeps it, so that a detector made of the parts does the same.
    again = cd.Detector(detector.model, detector.heads, ("a", "b"))
    (found,) = cd.find_all(again, [image], score_threshold=0.3, letter_box=infer)
    np.testing.assert_allclose(found.boxes[0], box, atol=1e-3)


@pytest.mark.parametrize("shape", [(1, 3000), (3000, 1), (1, 1)])
def test_extreme_images_fit_into_a_letter_box(tmp_path, shape):
    """At least one row and one column of the input show the image."""
    paths = write(tmp_path, red_pixel(head=TWO, letter_box=1), red_weights())
    detector = cd.load_darknet(*paths)
    assert cd.infer(detector, np.zeros(shape, "uint8")) == "nothing found"


def test_a_converted_file_keeps_what_the_cfg_says(tmp_path):
    """Letter box, independent classes and a comment in another encoding."""
    cfg = red_pixel(head=TWO_REGION, letter_box=1).replace("[conv", "# défaut\n[conv")
    values = red_weights(objectness=-12.0, red=(40.0, -40.0, -40.0))
    paths = write(tmp_path, cfg, values)
    paths[0].write_bytes(cfg.encode("latin-1"))
    image = np.zeros((32, 64, 3), "uint8")
    image[16:18, 40:42] = [255, 0, 0]
    Image.fromarray(image).save(tmp_path / "red.png")
    out = tmp_path / "red.h5"
    assert run("convert", "darknet", *paths, "--out", out).exit_code == 0
    result = run(
        *("infer", "car_detection", tmp_path / "red.png"),
        *("--weights", out, "--json"),
    )
    (box,) = json.loads(result.stdout)["details"]["boxes"]
    (found,) = cd.find_all(cd.load_darknet(*paths), [image])
    np.testing.assert_allclose(box["box"], found.boxes[0], rtol=1e-6)
    np.testing.assert_allclose(box["box"], (13, 37, 21, 45), atol=1e-3)


# Classifiers and other layers.


def test_a_classifier_is_loaded_but_detects_nothing(tmp_path):
    """Its model returns the probabilities; `infer` says what it is."""
    cfg = CFGS["classifier"]
    detector = cd.load_darknet(*write(tmp_path, cfg, weights_for(cfg)))
    x = np.random.default_rng(3).random((2, *shape_of(cfg)), "float32")
    np.testing.assert_allclose(np.sum(detector.model(x), axis=1), 1, rtol=1e-6)
    with pytest.raises(InputError, match="is a classifier, not a detector"):
        cd.infer(detector, one_red_pixel())


def test_heads_with_other_numbers_of_classes_are_an_error(tmp_path):
    """Their classes could not have the same names."""
    other = "[convolutional]\nfilters=12\nactivation=linear\n" + TWO
    cfg = red_pixel(head=TWO) + other.replace("classes=2", "classes=1")
    with pytest.raises(InputError, match=r"heads of the network have \[1, 2\] classes"):
        cd.load_darknet(*write(tmp_path, cfg, np.zeros(56 + 15 * 12)))


@pytest.mark.parametrize("cfg", CFGS.values(), ids=CFGS)
def test_layers_agree_on_values_of_both_signs(tmp_path, cfg):
    """Without batch norms, whose variances are positive; frozen for inference, too."""
    cfg = cfg.replace("batch_normalize=1", "batch_normalize=0")
    values = weights_for(cfg, seed=4) / 2
    network = converter.load(*write(tmp_path, cfg, values))
    x = np.random.default_rng(5).random(shape_of(cfg), "float32")
    expected, _ = forward(cfg, values, x)
    frozen = inference.freeze(network.model)(x[np.newaxis])
    frozen = frozen if isinstance(frozen, list) else [frozen]
    for one, two, other in zip(outputs_of(network, x), frozen, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(two[0], other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("groups=2", "groups=3", r"section 1 \[route\].*groups=3 from 4 channels"),
        ("group_id=1", "group_id=2", r"section 1 \[route\].*group_id=2 of groups=2"),
        ("from=5", "from=1", r"\[scale_channels\].*1 x 1 x 6 and 9 x 12 x 2"),
        ("from=8", "from=6", r"section 10 \[sam\] .*5 x 6 x 6 and 1 x 1 x 6"),
        ("from=5", "from=5\nscale_wh=1", "'scale_wh' with the value 1; only"),
        ("[sam]\nfrom=8\nactivation=leaky", "[softmax]", r"expected 1 x 1 x classes"),
        ("[sam]", "[Gaussian_yolo]", r"section 10 \[Gaussian_yolo\].*not a supported"),
        ("activation=mish", "activation=mish#best", "without a comment: Darknet"),
        ("[sam]", "[softmax]\ntree=9k.tree\n[sam]", "option 'tree', which is not"),
    ],
)
def test_an_error_in_a_layer_of_yolo_v4_names_the_section(old, new, message):
    """One line of a valid cfg is changed."""
    assert old in CFGS["v4"]
    with pytest.raises(InputError, match=message):
        darknet.build(darknet.parse(CFGS["v4"].replace(old, new, 1)))


# Published architectures, whose counts follow from the lengths of their weight files.


def conv(filters, size=3, stride=1):
    return (
        f"[convolutional]\nbatch_normalize=1\nfilters={filters}\nsize={size}\n"
        f"stride={stride}\npad=1\nactivation=leaky\n"
    )


def tiny_head(mask):
    return (
        "[convolutional]\nfilters=255\npad=1\nactivation=linear\n"
        f"[yolo]\nmask={mask}\nclasses=80\nnum=6\nscale_x_y=1.05\n"
        "anchors=10,14, 23,27, 37,58, 81,82, 135,169, 344,319\n"
    )


def tiny_end(layer):
    return (
        "[route]\nlayers=-4\n"
        + conv(128, 1)
        + (f"[upsample]\n[route]\nlayers=-1,{layer}\n" + conv(256) + tiny_head("0,1,2"))
    )


def yolo_v3_tiny():
    stages = "".join(
        conv(16 * 2**i) + "[maxpool]\nsize=2\nstride=2\n" for i in range(5)
    )
    middle = conv(512) + "[maxpool]\nsize=2\nstride=1\n" + conv(1024)
    return stages + middle + conv(256, 1) + conv(512) + tiny_head("3,4,5") + tiny_end(8)


def yolo_v4_tiny():
    stages = conv(32, 3, 2) + conv(64, 3, 2)
    for n in (64, 128, 256):
        stages += conv(n) + "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
        stages += conv(n // 2) + conv(n // 2) + "[route]\nlayers=-1,-2\n" + conv(n, 1)
        stages += "[route]\nlayers=-6,-1\n[maxpool]\nsize=2\nstride=2\n"
    end = conv(512) + conv(256, 1) + conv(512) + tiny_head("3,4,5") + tiny_end(23)
    return stages + end


@pytest.mark.parametrize(
    ("layers", "size"), [(yolo_v3_tiny, 35_434_956), (yolo_v4_tiny, 24_251_276)]
)
def test_tiny_yolos_have_the_parameters_of_the_published_files(layers, size):
    """The files have a header of 20 bytes, and 4 bytes for each number."""
    cfg = "[net]\nwidth=416\nheight=416\nchannels=3\n" + layers()
    model, heads = darknet.build(darknet.parse(cfg))
    assert model.count_params() == (size - 20) // 4
    assert [output.shape[1:] for output in model.outputs] == [
        (13, 13, 255),
        (26, 26, 255),
    ]
    assert [head.stride for head in heads] == [32, 16]


# The text of a cfg.

GOOD = red_pixel(head=TWO)


@pytest.mark.parametrize(
    "content",
    [
        GOOD.replace("[net]", "[net]\n# d\xe9faut").encode("latin-1"),
        GOOD.replace("[net]", "[net]\n; \x85").encode("latin-1"),
        GOOD.replace("[net]", "[net]\n# \u8bad\u7ec3").encode("gbk"),
        ("\ufeff# \u8bad\n" + GOOD).encode(),
        GOOD.replace("\n", "\r\n").encode(),
        GOOD.replace("\n", "  \t\n\n").replace("=", " = ").encode(),
        GOOD.replace("filters=14", "filters=14 # (classes+5)*2").encode(),
        GOOD.replace("=8,8, 2,2", "=8,8, 2,2, ; 1,1").encode(),
        GOOD.replace("[yolo]", "[yolo] # head").encode(),
        GOOD.replace("[convolutional]", "[conv] ;").encode(),
        GOOD.replace("[net]", "[network]\nbatch=64\nmosaic=1").encode(),
        GOOD.replace("filters", "stopbackward=1\ndontload=1\nfilters").encode(),
        GOOD.replace("filters", "learning_rate=2\nclip=1\nfilters").encode(),
        GOOD.replace(
            "[yolo]", "[dropout]\ndropblock=1\n[yolo]\ntruth_thresh=1"
        ).encode(),
        GOOD.replace("filters", "dilation=1\nbinary=0\nfilters").encode(),
    ],
    ids=range(15),
)
def test_a_cfg_is_read_as_darknet_reads_it(tmp_path, content):
    """Comments in any encoding, spaces, line ends, aliases, options of training."""
    paths = write(tmp_path, "", red_weights())
    paths[0].write_bytes(content)
    answer = cd.infer(cd.load_darknet(*paths), one_red_pixel())
    assert answer == "1 class 0"
    assert answer.confidence == pytest.approx(SCORE, abs=1e-4)
    # The text itself is read in the same way, with its byte order mark.
    text = content.decode("utf-8", "replace")
    assert cd.build_model(text).model.count_params() == 56


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_a_cfg_in_utf_16_is_an_error(tmp_path, encoding):
    """Darknet does not read it either."""
    paths = write(tmp_path, "", red_weights())
    paths[0].write_bytes(GOOD.encode(encoding))
    with pytest.raises(InputError, match="not the text of a Darknet .cfg"):
        cd.load_darknet(*paths)
