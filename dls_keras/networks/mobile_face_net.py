"""MobileFaceNet: encodes a face in 128 numbers, with a million parameters.

It consists of MobileNetV2's inverted residuals (expand by a 1x1 convolution, depthwise
3x3 convolution, project by another 1x1 convolution) with two changes for faces: PReLU
instead of ReLU6, and global depthwise convolution instead of global average pooling, a
7x7 kernel as large as the map, so that the network learns a weight for each position of
the face.

This is the variant "y1" of InsightFace, whose stages have 4, 6 and 2 residual blocks.
Layers have the names of its MXNet file, from which `converters.face_networks` reads the
weights. With stride 2 MXNet pads both sides ("same" would pad one side only).
Paper: Chen, Liu, Gao & Han (2018), https://arxiv.org/abs/1804.07573
"""

import keras
from keras import layers

from dls_keras.core import settings
from dls_keras.fast.layers import BatchNormalization, PReLU

SIZE = 112  # height and width of a face, in pixels
EPSILON = 0.001  # added to the variance in batch normalisation

STAGES = (
    # (number, channels, expanded in the first block, in the others, residual blocks)
    (3, 64, 128, 128, 4),
    (4, 128, 256, 256, 6),
    (5, 128, 512, 256, 2),
)


@settings.keras_defaults()
def mobile_face_net() -> keras.Model:
    """The network, untrained; 1,022,720 parameters.

    Returns:
        A model from (m, 112, 112, 3) float32, RGB in [0, 1], to (m, 128) float32
        encodings of unit length.
    """
    face = keras.Input((SIZE, SIZE, 3), name="face")
    # The published graph takes x in [0, 255] and starts with (x - 127.5) / 128.
    x = layers.Rescaling(255 / 128, offset=-127.5 / 128, name="scaled")(face)
    x = _convolution(x, "conv_1", 64, size=3, strides=2)
    x = _convolution(x, "conv_2_dw", size=3)
    for stage, channels, first, others, blocks in STAGES:
        x = _bottleneck(x, f"dconv_{stage - 1}{stage}_conv", channels, first, strides=2)
        for i in range(blocks):
            block = _bottleneck(x, f"res_{stage}_block{i}_conv", channels, others)
            x = layers.Add()([block, x])
    x = _convolution(x, "conv_6sep", 512)
    x = _convolution(x, "conv_6dw7_7", size=7, padding="valid", activation=False)
    x = layers.Flatten()(x)  # (m, 512), from (m, 1, 1, 512)
    x = layers.Dense(128, name="pre_fc1")(x)
    # The graph sets `fix_gamma`: the gamma in the file is not used.
    x = BatchNormalization(epsilon=2e-5, scale=False, name="fc1")(x)
    x = layers.UnitNormalization(name="encoding")(x)
    return keras.Model(face, x, name="mobile_face_net")


def _bottleneck(x, name, channels, expanded, strides=1):
    """Inverted residual: expand, depthwise, project; no activation after the last."""
    x = _convolution(x, f"{name}_sep", expanded)
    x = _convolution(x, f"{name}_dw", size=3, strides=strides)
    return _convolution(x, f"{name}_proj", channels, activation=False)


def _convolution(
    x, name, filters=None, size=1, strides=1, padding="same", activation=True
):
    """A convolution (depthwise without `filters`), batch normalisation and PReLU."""
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
    if activation:
        x = PReLU(shared_axes=(1, 2), name=f"{name}_relu")(x)
    return x
