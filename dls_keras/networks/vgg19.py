"""VGG-19's convolutions up to any layer, and a compact network that replaces them.

VGG-19 stacks 3 x 3 convolutions and halves the image between its five blocks. Its
classifier is left out, since style transfer uses activations only. A network that gives
the same activations in the layers that style transfer reads can therefore replace it,
with a fraction of the operations. `compact_vgg19` is such a network, trained by
knowledge distillation: VGG-19 is the teacher, `distillation_loss` the loss.

Paper: Simonyan & Zisserman (2015), https://arxiv.org/abs/1409.1556 (table 1, column E).
"""

from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras.core import settings
from dls_keras.core.errors import InputError
from dls_keras.fast.style_costs import gram_matrices

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # (channels, convolutions)
LAYERS = {  # the published names of the convolutions, with their channels
    f"block{block}_conv{i}": channels
    for block, (channels, convolutions) in enumerate(BLOCKS, start=1)
    for i in range(1, convolutions + 1)
}
MEANS = (103.939, 116.779, 123.68)  # of ImageNet's images: blue, green, red

# The standard deviation of each layer's activations with the published weights, over
# 400 crops of photos. `compact_vgg19` gives activations divided by it.
SCALES = {
    "block1_conv1": 39.5,
    "block2_conv1": 178.5,
    "block3_conv1": 239.0,
    "block3_conv3": 399.1,
    "block3_conv4": 742.5,
}


@settings.keras_defaults()
def vgg19(last: str = "block5_conv4", *, dtype: str = "float32") -> keras.Model:
    """VGG-19 from an image to the convolution `last`, untrained.

    The published weights expect BGR in [0, 255] minus ImageNet's mean; the model
    converts its input to that.

    Args:
        last: name of the last layer. Up to block3_conv4 there are 2,325,568 parameters,
            up to block5_conv4 20,024,384.
        dtype: of the arithmetic; the variables are float32.

    Returns:
        A model from (m, n_H, n_W, 3) float32, RGB in [0, 1], of any size to the
        activations of `last`. Each block ends in 2 x 2 max-pooling.

    Raises:
        InputError: if VGG-19 has no such convolution.
    """
    if last not in LAYERS:
        raise InputError(
            f"VGG-19 has no convolution {last!r}. Choose one of {', '.join(LAYERS)}."
        )
    image = keras.Input((None, None, 3), name="picture")
    x = layers.Rescaling(255.0, [-mean for mean in MEANS])(image[..., ::-1])
    block = "block1"
    for name, channels in LAYERS.items():
        if not name.startswith(block):
            x = layers.MaxPooling2D(2, name=f"{block}_pool")(x)
            block = name.split("_")[0]
        x = layers.Conv2D(
            channels, 3, padding="same", activation="relu", dtype=dtype, name=name
        )(x)
        if name == last:
            break
    return keras.Model(image, x, name="vgg19")


@settings.keras_defaults()
def compact_vgg19(width: int = 128, *, dtype: str = "float32") -> keras.Model:
    """A small network with five of VGG-19's layers, under their names, untrained.

    Its convolutions have few channels; 1 x 1 convolutions project them to the channels
    of VGG-19.

    Args:
        width: channels of the third block before the projections.
        dtype: of the arithmetic; the variables are float32.

    Returns:
        A model from (m, n_H, n_W, 3) float32, RGB in [0, 1], of any size to the
        activations of the layers of `SCALES` in order, each divided by its scale.
    """

    def convolution(x, channels, window=3, name=None):
        return layers.Conv2D(
            channels,
            window,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            dtype=dtype,
            name=name,
        )(x)

    image = keras.Input((None, None, 3), name="picture")
    x = layers.Rescaling(4.0, -2.0)(image)
    block1_conv1 = convolution(x, 64, name="block1_conv1")
    x = convolution(x, 16)
    x = convolution(x, 32)
    x = layers.MaxPooling2D(2)(x)
    x = convolution(x, 64)
    block2_conv1 = convolution(x, 128, 1, name="block2_conv1")
    x = convolution(x, 64)
    x = layers.MaxPooling2D(2)(x)
    x = convolution(x, width)
    block3_conv1 = convolution(x, 256, 1, name="block3_conv1")
    x = convolution(x, width)
    x = convolution(x, width)
    block3_conv3 = convolution(x, 256, 1, name="block3_conv3")
    x = convolution(x, width)
    block3_conv4 = convolution(x, 256, 1, name="block3_conv4")
    outputs = [block1_conv1, block2_conv1, block3_conv1, block3_conv3, block3_conv4]
    return keras.Model(image, outputs, name="compact_vgg19")


def distillation_loss(
    names: Sequence[str],
    activations: Sequence[tf.Tensor],
    estimates: Sequence[tf.Tensor],
) -> tf.Tensor:
    """The error of a compact network's activations against VGG-19's, a scalar tensor.

    It is the mean over the layers of the sum of two errors: the mean squared error of
    the activations, divided by their variance, and the squared error of the Gram
    matrices, divided by their squared norm. The style cost depends on the second.

    Args:
        names: of the layers.
        activations: of VGG-19 (the teacher), (m, n_H, n_W, n_C) for each layer; no
            gradient flows to them.
        estimates: of the compact network (the student), in units of `SCALES`.
    """
    loss = 0.0
    for name, a, a_hat in zip(names, activations, estimates, strict=True):
        a = tf.stop_gradient(tf.cast(a, tf.float32)) / SCALES[name]
        a_hat = tf.cast(a_hat, tf.float32)
        G, G_hat = gram_matrices(a), gram_matrices(a_hat)
        error = tf.reduce_sum(tf.square(G_hat - G), (1, 2))
        loss += tf.reduce_mean(tf.square(a_hat - a))
        loss += tf.reduce_mean(error / tf.reduce_sum(tf.square(G), (1, 2)))
    return loss / len(names)


def explained_variance(
    names: Sequence[str],
    activations: Sequence[np.ndarray],
    estimates: Sequence[np.ndarray],
) -> dict[str, float]:
    """The share of the variance of VGG-19's layers that a compact network explains.

    Args:
        names, activations, estimates: see `distillation_loss`.

    Returns:
        {name: share}; 1 is a perfect estimate, 0 as good as the mean.
    """
    shares = {}
    for name, a, a_hat in zip(names, activations, estimates, strict=True):
        a = np.asarray(a) / SCALES[name]
        shares[name] = float(1 - np.mean(np.square(a - a_hat)) / np.var(a))
    return shares
