"""OpenFace nn4.small2: a small version of FaceNet's inception network (2016).

The course provided this network in 2017. An inception block applies convolutions of
several sizes and pooling to the same input and concatenates the results:

    block(x) = [conv3x3(conv1x1(x)), conv5x5(conv1x1(x)), pool(x), conv1x1(x)]

Three blocks use L2 pooling, the square root of the sum of squares in a window. Pooled
maps are smaller than the other branches and are zero-padded to their size; if the
number of missing rows is odd, the end gets one more (3 and 4 in block 3a). Layers have
the names of Keras-OpenFace, which are those of its CSV files;
`converters.face_networks` reads them.

Edition: the course's `faceRecoModel` has the same layers with weights, channels first.
It uses average pooling instead of L2 pooling and leaves out the two response
normalisations; the published weights were trained with L2 pooling and with them. No
published file was available here: shapes and the 3,743,280 parameters are tested,
outputs are not.
Papers: Schroff, Kalenichenko & Philbin (2015), FaceNet,
https://arxiv.org/abs/1503.03832; Amos, Ludwiczuk & Satyanarayanan (2016), OpenFace.
"""

from typing import Any

import keras
from keras import layers

from dls_keras.core import settings
from dls_keras.fast.layers import BatchNormalization
from dls_keras.networks.normalization import LocalResponseNormalization

SIZE = 96  # height and width of a face, in pixels
EPSILON = 1e-5  # added to the variance in batch normalisation


@settings.keras_defaults()
def open_face() -> keras.Model:
    """The network, untrained; 3,743,280 parameters.

    Returns:
        A model from (m, 96, 96, 3) float32, RGB in [0, 1], to (m, 128) float32
        encodings of unit length.
    """
    face = keras.Input((SIZE, SIZE, 3), name="face")
    x = _convolution(face, "conv1", "bn1", 64, 7, strides=2)  # (m, 48, 48, 64)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2)(x)  # (m, 24, 24, 64)
    x = LocalResponseNormalization(name="lrn_1")(x)
    x = _convolution(x, "conv2", "bn2", 64, 1)
    x = _convolution(x, "conv3", "bn3", 192, 3)
    x = LocalResponseNormalization(name="lrn_2")(x)
    x = layers.ZeroPadding2D(1)(x)
    x = layers.MaxPooling2D(3, strides=2)(x)  # (m, 12, 12, 192)

    x = _inception(x, "3a", {3: (96, 128), 5: (16, 32)}, "max", 32, 64)
    x = _inception(x, "3b", {3: (96, 128), 5: (32, 64)}, "l2", 64, 64)
    x = _inception(x, "3c", {3: (128, 256), 5: (32, 64)}, "max", strides=2)
    x = _inception(x, "4a", {3: (96, 192), 5: (32, 64)}, "l2", 128, 256)
    x = _inception(x, "4e", {3: (160, 256), 5: (64, 128)}, "max", strides=2)
    x = _inception(x, "5a", {3: (96, 384)}, "l2", 96, 256)
    x = _inception(x, "5b", {3: (96, 384)}, "max", 96, 256)  # (m, 3, 3, 736)

    x = layers.AveragePooling2D(3, strides=1)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, name="dense_layer")(x)
    x = layers.UnitNormalization(name="encoding")(x)
    return keras.Model(face, x, name="open_face")


def _inception(x, block, windows, pool, pool_filters=None, filters=None, strides=1):
    """An inception block.

    Args:
        windows: {kernel size: (channels of the 1x1 convolution before, channels)}.
        pool: "max" (3x3 windows with stride 2) or "l2" (3x3 windows with stride 3).
        pool_filters: channels of the 1x1 convolution after pooling, if any.
        filters: channels of the 1x1 branch, if any.
        strides: 2 halves height and width.
    """
    name = f"inception_{block}"
    branches = []
    for size, (reduced, channels) in windows.items():
        at = f"{name}_{size}x{size}"
        y = _convolution(x, f"{at}_conv1", f"{at}_bn1", reduced, 1)
        y = _convolution(y, f"{at}_conv2", f"{at}_bn2", channels, size, strides=strides)
        branches.append(y)

    y = layers.MaxPooling2D(3, strides=2)(x) if pool == "max" else L2Pooling(3)(x)
    if pool_filters:
        y = _convolution(y, f"{name}_pool_conv", f"{name}_pool_bn", pool_filters, 1)
    missing = branches[0].shape[1] - y.shape[1]
    before, after = missing // 2, missing - missing // 2
    branches.append(layers.ZeroPadding2D(((before, after), (before, after)))(y))

    if filters:
        at = f"{name}_1x1"
        branches.append(_convolution(x, f"{at}_conv", f"{at}_bn", filters, 1))
    return layers.Concatenate(name=name)(branches)


def _convolution(x, conv, bn, filters, size, strides=1):
    """A zero-padded convolution, batch normalisation and relu."""
    if size > 1:
        x = layers.ZeroPadding2D(size // 2)(x)
    x = layers.Conv2D(filters, size, strides=strides, name=conv)(x)
    x = BatchNormalization(epsilon=EPSILON, name=bn)(x)
    return layers.Activation("relu")(x)


@keras.saving.register_keras_serializable(package="dls_keras")
class L2Pooling(layers.Layer):
    """L2 pooling: the root of the sum of squares in each window, without overlap.

    Args:
        pool_size: height and width of a window, and its stride.
    """

    def __init__(self, pool_size: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.pool_size = pool_size

    def call(self, x: Any) -> Any:
        size = self.pool_size
        mean = keras.ops.average_pool(
            keras.ops.square(x), size, strides=size, data_format="channels_last"
        )
        # The lower bound keeps the gradient of the root finite if all values are 0.
        return keras.ops.sqrt(keras.ops.maximum(mean * size**2, 1e-12))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"pool_size": self.pool_size}
