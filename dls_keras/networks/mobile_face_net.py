"""MobileFaceNet: a face in 128 numbers, with a million parameters.

MobileNetV2's blocks (widen by a 1x1 convolution, look around by a depthwise 3x3
one, narrow by another 1x1) with two changes for faces: PReLU in place of ReLU6,
and at the end no average but a depthwise convolution as large as the map, 7x7, so
that the network learns how much each place of a face counts.

This is the variant "y1" of InsightFace, whose stages hold 4, 6 and 2 residual
blocks. Layers carry the names of its MXNet file, `converters.face_networks` fills
them. MXNet pads both sides where the stride is 2 ("same" would pad one side only).
Paper: Chen, Liu, Gao & Han (2018), https://arxiv.org/abs/1804.07573
"""

import keras
from keras import layers

from dls_keras.fast.layers import BatchNormalization, PReLU

SIZE = 112  # height and width of a face, in pixels
EPSILON = 0.001  # added to a variance before its root is taken

STAGES = (
    # (number, channels, widened in the first block, in the others, residual blocks)
    (3, 64, 128, 128, 4),
    (4, 128, 256, 256, 6),
    (5, 128, 512, 256, 2),
)


def mobile_face_net():
    """The network, untrained; 1,022,720 parameters.

    Returns:
        A model from (m, 112, 112, 3) float32, RGB in [0, 1], to (m, 128) float32
        encodings of unit length.
    """
    face = keras.Input((SIZE, SIZE, 3), name="face")
    # The published graph takes x in [0, 255] and begins with (x - 127.5) / 128.
    x = layers.Rescaling(255 / 128, offset=-127.5 / 128, name="scaled")(face)
    x = _convolution(x, "conv_1", 64, size=3, strides=2)
    x = _convolution(x, "conv_2_dw", size=3)
    for stage, channels, first, others, blocks in STAGES:
        x = _bottleneck(x, f"dconv_{stage - 1}{stage}_conv", channels, first, strides=2)
        for i in range(blocks):
            block = _bottleneck(x, f"res_{stage}_block{i}_conv", channels, others)
            x = layers.Add()([block, x])
    x = _convolution(x, "conv_6sep", 512)
    x = _convolution(x, "conv_6dw7_7", size=7, padding="valid", activated=False)
    x = layers.Flatten()(x)  # (m, 512), from (m, 1, 1, 512)
    x = layers.Dense(128, name="pre_fc1")(x)
    # `fix_gamma` of the graph: the file's gamma does not count.
    x = BatchNormalization(epsilon=2e-5, scale=False, name="fc1")(x)
    x = layers.UnitNormalization(name="encoding")(x)
    return keras.Model(face, x, name="mobile_face_net")


def _bottleneck(x, name, channels, widened, strides=1):
    """Widen, look around, narrow; nothing bends the narrow end."""
    x = _convolution(x, f"{name}_sep", widened)
    x = _convolution(x, f"{name}_dw", size=3, strides=strides)
    return _convolution(x, f"{name}_proj", channels, activated=False)


def _convolution(
    x, name, filters=None, size=1, strides=1, padding="same", activated=True
):
    """A convolution, depthwise without `filters`, normalised and bent by PReLU."""
    if strides > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name}_pad")(x)
        padding = "valid"
    options = {
        "strides": strides,
        "padding": padding,
        "use_bias": False,
        "name": f"{name}_conv2d",
    }
    if filters:
        x = layers.Conv2D(filters, size, **options)(x)
    else:
        x = layers.DepthwiseConv2D(size, **options)(x)
    x = BatchNormalization(epsilon=EPSILON, name=f"{name}_batchnorm")(x)
    if activated:
        x = PReLU(shared_axes=(1, 2), name=f"{name}_relu")(x)
    return x
