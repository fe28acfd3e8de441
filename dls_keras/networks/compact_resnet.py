"""A compact residual network for a few hundred images, and knowledge distillation.

Nine 3 x 3 convolutions with batch normalisation: one of stride 2, then four residual
blocks of two, each of which halves height and width. The shortcut of a block is 2 x 2
average pooling, then a 1 x 1 convolution (as in the "ResNet-D" of He et al. 2018,
https://arxiv.org/abs/1812.01187), so it uses all pixels where a strided convolution
would skip three quarters of them.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras.core import settings
from dls_keras.fast.layers import BatchNormalization

WIDTHS = (40, 80, 128, 192)  # channels of the four residual blocks


@settings.keras_defaults()
def compact_resnet(
    input_shape: tuple[int, int, int] = (160, 160, 3), *, dtype: str = "float32"
) -> keras.Model:
    """A network of 947,209 parameters for two classes, untrained.

    It ends with global average pooling, dropout and one linear unit, as
    `course4.transfer_learning.alpaca_model` does.

    Args:
        input_shape: (height, width, 3), height and width multiples of 32.
        dtype: a Keras dtype policy; "mixed_bfloat16" trains faster and has the same
            weights.

    Returns:
        A model from (m, *input_shape), RGB in [0, 255], to logits (m, 1) float32.
    """
    inputs = keras.Input(input_shape)
    X = layers.Rescaling(1 / 127.5, offset=-1.0, dtype=dtype)(inputs)
    X = _convolution(X, 24, 3, 2, dtype)
    X = layers.ReLU(dtype=dtype)(X)
    for filters in WIDTHS:
        X_shortcut = layers.AveragePooling2D(2, dtype=dtype)(X)
        X_shortcut = _convolution(X_shortcut, filters, 1, 1, dtype)
        X = _convolution(X, filters, 3, 2, dtype)
        X = layers.ReLU(dtype=dtype)(X)
        X = _convolution(X, filters, 3, 1, dtype)
        X = layers.Add(dtype=dtype)([X, X_shortcut])
        X = layers.ReLU(dtype=dtype)(X)
    X = layers.GlobalAveragePooling2D(dtype="float32")(X)
    X = layers.Dropout(0.2)(X)
    return keras.Model(inputs, layers.Dense(1)(X))


def _convolution(X, filters, f, s, dtype):
    """An f x f convolution of stride s, then batch normalisation."""
    X = layers.Conv2D(
        filters,
        f,
        strides=s,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        dtype=dtype,
    )(X)
    return BatchNormalization(dtype=dtype)(X)


# Training: knowledge distillation.


def distillation_loss(
    model: keras.Model, teacher: keras.Model, features: np.ndarray
) -> tuple[Callable, list]:
    """Knowledge distillation: a loss that trains `model` to imitate a teacher.

    A label is one bit per image. The teacher's features f are many numbers for each
    augmented view of it, and its probability p says how similar, for example, a camel
    is to an alpaca. So the labels are softened by p, and a linear layer, discarded
    after training, projects the features of `model` to those of the teacher:

        loss = cross-entropy((y + p) / 2, y_hat) + mean((projection - f)**2)

    Papers: Hinton et al. (2015), https://arxiv.org/abs/1503.02531 (soft labels); Romero
    et al. (2015), "FitNets", https://arxiv.org/abs/1412.6550 (feature matching).

    Args:
        model, teacher: from images to logits (m, 1); their last three layers are
            pooling, whose output are the features, dropout and a linear unit.
        features: (n, n_f), those of the teacher for some images; f is scaled to mean 0
            and standard deviation 1 over them.

    Returns:
        The loss, a function of a batch (x, y), and the variables of the projection.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0) + 0.01
    taught = keras.Model(teacher.input, [teacher.layers[-3].output, teacher.output])
    student = keras.Model(model.input, [model.layers[-3].output, model.output])
    project = layers.Dense(len(mean))
    project.build(student.outputs[0].shape)

    def loss_fn(x, y):
        f, logit = taught(x, training=False)
        f_hat, y_hat = student(x, training=True)
        y = (tf.cast(y, tf.float32)[:, None] + tf.sigmoid(logit)) / 2
        losses = keras.losses.binary_crossentropy(y, y_hat, from_logits=True)
        error = tf.square(project(f_hat) - (f - mean) / deviation)
        return tf.reduce_mean(losses) + tf.reduce_mean(error)

    return loss_fn, project.trainable_variables
