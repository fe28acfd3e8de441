"""VGG-19's convolutions up to any layer, and a compact network that stands in for them.

VGG-19 stacks 3 x 3 convolutions and halves the picture between its five blocks; the
classifier on top is left out, as nobody asks the network what it sees. Style transfer
takes the activations of a few layers as its measure of likeness, so a network that
reproduces just those activations does as well, at a fraction of the work.

Paper: Simonyan & Zisserman (2015), https://arxiv.org/abs/1409.1556 (table 1, column E).
"""

import keras
from keras import layers

from dls_keras.core.errors import InputError

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # (channels, convolutions)
LAYERS = {  # the published names of the convolutions, with their channels
    f"block{block}_conv{i}": channels
    for block, (channels, convolutions) in enumerate(BLOCKS, start=1)
    for i in range(1, convolutions + 1)
}
MEANS = (103.939, 116.779, 123.68)  # of ImageNet's pictures: blue, green, red

# The deviation of each layer's activations under the published weights, over 400
# squares of photos: the unit in which `compact_vgg19` gives them.
SPREAD = {
    "block1_conv1": 39.5,
    "block2_conv1": 178.5,
    "block3_conv1": 239.0,
    "block3_conv3": 399.1,
    "block3_conv4": 742.5,
}


def vgg19(last="block5_conv4", *, dtype="float32"):
    """VGG-19 from a picture to the convolution `last`, untrained.

    The published weights see BGR in [0, 255] without ImageNet's mean; the model turns
    what it is given into that.

    Args:
        last: name of the last layer kept; up to block3_conv4 there are 2,325,568
            parameters, up to block5_conv4 20,024,384.

    Returns:
        A model from (m, n_H, n_W, 3) float32, RGB in [0, 1], any size, to the
        activations of `last`. Each block ends in 2 x 2 max-pooling.
    """
    if last not in LAYERS:
        raise InputError(
            f"VGG-19 has no convolution {last!r}. Choose one of {', '.join(LAYERS)}."
        )
    picture = keras.Input((None, None, 3), name="picture")
    x = layers.Rescaling(255.0, [-mean for mean in MEANS])(picture[..., ::-1])
    block = "block1"
    for name, channels in LAYERS.items():
        if not name.startswith(block):
            x = layers.MaxPooling2D(2, name=f"{block}_pool")(x)
            block = name.split("_")[0]
        x = layers.Conv2D(
            *(channels, 3), padding="same", activation="relu", dtype=dtype, name=name
        )(x)
        if name == last:
            break
    return keras.Model(picture, x, name="vgg19")


def compact_vgg19(width=128, *, dtype="float32"):
    """A small network with five of VGG-19's layers, under their names, untrained.

    A narrow trunk runs beneath; from it 1 x 1 convolutions spell each layer in VGG's
    channels.

    Returns:
        A model from (m, n_H, n_W, 3) float32, RGB in [0, 1], any size, to the layers
        of `SPREAD` in order, each in units of its spread.
    """

    def convolution(x, channels, window=3, name=None):
        return layers.Conv2D(
            *(channels, window),
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            dtype=dtype,
            name=name,
        )(x)

    picture = keras.Input((None, None, 3), name="picture")
    x = layers.Rescaling(4.0, -2.0)(picture)
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
    return keras.Model(picture, outputs, name="compact_vgg19")
