"""Content and style costs of neural style transfer for one content and style image.

Activations differ in scale by factors of ten between layers, and more between networks.
So each cost J of the course is divided by its value for activations of zero:

    J_content = J(a_C, a_G) / J(a_C, 0)
    J_style = mean over the style layers of J(a_S, a_G) / J(a_S, 0)

The constant factors of J cancel. Gram matrices are divided by n_H n_W, so that content
and style image may differ in size.

What does not change between two steps is computed once: the activations of the content
image, the Gram matrices of the style image, and the packing of the network's weights,
which are constants of the graph. A Gram matrix is one product, without a transposed
copy. A test compares the costs and their gradients with the lesson's functions.
"""

from collections.abc import Callable

import keras
import tensorflow as tf

from dls_keras.fast import inference


def relative_costs(
    model: keras.Model, content: tf.Tensor, style: tf.Tensor
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Both costs as a function of the generated image.

    Args:
        model: from an image to the activations of its style layers and, last, of its
            content layer.
        content, style: (1, h, w, 3) float32 in [0, 1].

    Returns:
        A function from an image of the size of `content` to the scalars J_content and
        J_style.
    """
    a_C = model(content)[-1]
    G_S = [_mean_gram(a) for a in model(style)[:-1]]
    network = inference.with_constant_weights(model)

    def costs(image):
        *a_G, a_last = network(image)
        J_style = [
            _relative_error(_mean_gram(a), G) for a, G in zip(a_G, G_S, strict=True)
        ]
        return _relative_error(a_last, a_C), tf.reduce_mean(J_style)

    return costs


def gram_matrices(a: tf.Tensor) -> tf.Tensor:
    """The Gram matrix of each image's activations, (m, n_C, n_C) float32.

    Args:
        a: (m, n_H, n_W, n_C) activations.
    """
    m, n_H, n_W, n_C = a.shape
    a = tf.reshape(tf.cast(a, tf.float32), (m, n_H * n_W, n_C))
    return tf.matmul(a, a, transpose_a=True)


def _mean_gram(a):
    """The Gram matrix of activations (1, n_H, n_W, n_C), divided by n_H n_W."""
    return gram_matrices(a)[0] / (a.shape[1] * a.shape[2])


def _relative_error(a, target):
    """The squared error divided by the squared norm of the target, a scalar."""
    a, target = tf.cast(a, tf.float32), tf.cast(target, tf.float32)
    # The norm is 0 for a black image in a network without biases.
    norm = tf.reduce_sum(tf.square(target)) + 1e-9
    return tf.reduce_sum(tf.square(a - target)) / norm
