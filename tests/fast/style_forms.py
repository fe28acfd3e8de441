"""Relative costs of style transfer and Gram matrices against the lesson's functions."""

import functools

import keras
import numpy as np
import tensorflow as tf
from forms import Form

from dls_keras.course4 import style_transfer as st
from dls_keras.fast import style_costs


@functools.cache
def network():
    """A network to the activations of three tiny layers; the last is for content."""
    keras.utils.set_random_seed(0)
    outputs = [image := keras.Input((None, None, 3))]
    for channels in (6, 5, 4):
        layer = keras.layers.Conv2D(channels, 3, padding="same", activation="tanh")
        outputs.append(layer(outputs[-1]))
    return keras.Model(image, outputs[1:])


def costs(content, style, image):
    """By the fast form."""
    return style_costs.relative_costs(network(), content, style)(image)


def costs_by_the_lesson(content, style, image):
    """The course's costs, each divided by its value for activations of zero."""
    a_C, a_S, a_G = (network()(x) for x in (content, style, image))
    zeros = [tf.zeros_like(a) for a in a_G]
    content_cost, style_cost = st.compute_content_cost, st.compute_layer_style_cost
    J_style = [
        style_cost(S, G) / style_cost(S, zero)
        for S, G, zero in zip(a_S[:-1], a_G[:-1], zeros[:-1], strict=True)
    ]
    J_content = content_cost(a_C, a_G) / content_cost(a_C, zeros)
    return J_content, sum(J_style) / len(J_style)


def three_images():
    """Content, style and generated image, (1, 9, 7, 3) each."""
    images = np.random.default_rng(0).uniform(size=(3, 1, 9, 7, 3))
    return tuple(images.astype("float32"))


def grams_by_the_lesson(a):
    """`gram_matrix` of one image at a time."""
    m, n_H, n_W, n_C = a.shape
    unrolled = (tf.transpose(tf.reshape(one, (n_H * n_W, n_C))) for one in a)
    return tf.stack([st.gram_matrix(A) for A in unrolled])


def activations():
    """Random activations of three images."""
    return (np.random.default_rng(1).normal(size=(3, 4, 5, 6)).astype("float32"),)


# float32 sums in another order
FORMS = [
    Form(
        "relative costs of style transfer",
        costs,
        costs_by_the_lesson,
        three_images,
        gradients=True,
        rtol=1e-4,
        atol=1e-5,
    ),
    Form(
        "Gram matrices of a batch",
        style_costs.gram_matrices,
        grams_by_the_lesson,
        activations,
        gradients=True,
        rtol=1e-5,
        atol=1e-5,
    ),
]
