"""YOLOv2, and a compact one of our own that two CPU cores can train.

Both look once at the whole picture and answer on a grid: for each cell and each
of its anchors x, y, width, height, the objectness and the class scores, as raw
numbers (`darknet.Head` says how to read them). A *passthrough* hands a finer map
of features to the coarse last layers: s x s positions become channels.

Paper: Redmon & Farhadi (2016), YOLO9000: Better, Faster, Stronger,
https://arxiv.org/abs/1612.08242 (Table 6 is the trunk, Darknet-19).
"""

import keras
from keras import layers

from dls_keras.fast.layers import BatchNormalization
from dls_keras.networks.darknet import EPSILON, Reorg


def yolo_v2(input_shape=(608, 608, 3), anchors=5, classes=80, *, darknet_reorg=True):
    """The published YOLOv2: 50,983,561 parameters at 5 anchors and 80 classes.

    The layers' names count the sections of Darknet's `yolov2.cfg`, so
    `converters.darknet.fill` finds the place of the published weights.

    Args:
        input_shape: (height, width, 3), both multiples of 32; the pictures are RGB,
            float32 in [0, 1].
        anchors: box shapes a cell.
        classes: kinds of things, told apart by one softmax.
        darknet_reorg: False for the weights of the course's `yolo.h5`, whose
            passthrough is `tf.nn.space_to_depth` (see `darknet.Reorg`).

    Returns:
        A model to (m, height/32, width/32, anchors * (5 + classes)) float32.
    """
    image = keras.Input(input_shape, name="image")
    x = _stage(image, 0, (32, 3))
    x = _stage(_halved(x, 1), 2, (64, 3))
    x = _stage(_halved(x, 3), 4, (128, 3), (64, 1), (128, 3))
    x = _stage(_halved(x, 7), 8, (256, 3), (128, 1), (256, 3))
    x = _stage(_halved(x, 11), 12, (512, 3), (256, 1), (512, 3), (256, 1), (512, 3))
    fine = x  # (m, height/16, width/16, 512)
    x = _stage(_halved(x, 17), 18, (1024, 3), (512, 1), (1024, 3), (512, 1), (1024, 3))
    # Darknet-19 ends here; what follows was added for detection.
    x = _stage(x, 23, (1024, 3), (1024, 3))
    fine = Reorg(2, darknet=darknet_reorg, name="reorg_27")(_stage(fine, 26, (64, 1)))
    x = _stage(layers.Concatenate(name="route_28")([fine, x]), 29, (1024, 3))
    y = layers.Conv2D(anchors * (5 + classes), 1, name="conv_30")(x)
    return keras.Model(image, y, name="yolo_v2")


def compact_yolo_v2(input_shape=(192, 352, 3), anchors=5, classes=1):
    """A YOLOv2 of 1,264,206 parameters and 0.52 GFLOP a picture (one class).

    The grid is twice as fine as YOLOv2's (stride 16), for cars of 15 pixels. A look
    around at stride 32 sees enough of the road to frame those of 200, and the
    passthrough, in the obvious order, brings their edges in from stride 8. Strided
    convolutions take the place of pooling, which spares a CPU the large maps: each
    3 x 3 convolution up to the last but one costs 39 MFLOP, the first 15, the last
    156. A training step of 16 pictures takes 0.24 s on two busy CPU cores.

    Args:
        input_shape: (height, width, 3), both multiples of 32; the pictures are RGB,
            float32 in [0, 1].
        anchors: box shapes a cell.
        classes: kinds of things, told apart by one softmax.

    Returns:
        A model to (m, height/16, width/16, anchors * (5 + classes)) float32.
    """
    image = keras.Input(input_shape, name="image")
    x = _convolution(image, 0, 16, 3, strides=2)
    x = _convolution(x, 1, 32, 3, strides=2)
    x = _convolution(x, 2, 64, 3, strides=2)
    fine = x = _stage(x, 3, (32, 1), (64, 3))  # (m, height/8, width/8, 64)
    x = _convolution(x, 5, 128, 3, strides=2)
    middle = x = _stage(x, 6, (64, 1), (128, 3), (64, 1), (128, 3))
    x = _convolution(x, 10, 256, 3, strides=2)
    around = _stage(x, 11, (128, 1), (256, 3), (64, 1))  # (m, height/32, width/32, 64)
    around = layers.UpSampling2D(2, name="upsample")(around)
    fine = Reorg(2, darknet=False, name="reorg")(_stage(fine, 14, (16, 1)))
    x = layers.Concatenate(name="passthrough")([fine, middle, around])
    x = _stage(x, 15, (128, 1), (256, 3))
    y = layers.Conv2D(anchors * (5 + classes), 1, name="conv_17")(x)
    return keras.Model(image, y, name="compact_yolo_v2")


def _convolution(x, index, filters, size, *, strides=1):
    """Convolution, batch normalisation, leaky ReLU."""
    x = layers.Conv2D(
        filters, size, strides, "same", use_bias=False, name=f"conv_{index}"
    )(x)
    x = BatchNormalization(epsilon=EPSILON, name=f"bn_{index}")(x)
    return layers.LeakyReLU(0.1, name=f"leaky_{index}")(x)


def _stage(x, first, *convolutions):
    """Convolutions (filters, size) one after another, numbered from `first`."""
    for index, (filters, size) in enumerate(convolutions, start=first):
        x = _convolution(x, index, filters, size)
    return x


def _halved(x, index):
    return layers.MaxPooling2D(2, name=f"maxpool_{index}")(x)
