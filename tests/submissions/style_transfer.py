# ruff: noqa
# %%
import numpy as np
import tensorflow as tf
from tensorflow.python.framework.ops import EagerTensor
import pprint
from public_tests import *

tf.random.set_seed(272)
img_size = 400
vgg = tf.keras.applications.VGG19(
    include_top=False, weights="pretrained-model/vgg19.h5"
)


# %%
def compute_content_cost(content_output, generated_output):
    a_C = content_output[-1]
    a_G = generated_output[-1]
    m, n_H, n_W, n_C = a_G.get_shape().as_list()
    a_C_unrolled = tf.reshape(a_C, shape=[m, n_H * n_W, n_C])
    a_G_unrolled = tf.reshape(a_G, shape=[m, n_H * n_W, n_C])
    return tf.reduce_sum(tf.square(a_C_unrolled - a_G_unrolled)) / (4 * n_H * n_W * n_C)


# %%
def gram_matrix(A):
    return tf.matmul(A, tf.transpose(A))


# %%
def compute_layer_style_cost(a_S, a_G):
    m, n_H, n_W, n_C = a_G.get_shape().as_list()
    a_S = tf.transpose(tf.reshape(a_S, [-1, n_C]))
    a_G = tf.transpose(tf.reshape(a_G, [-1, n_C]))
    GS = gram_matrix(a_S)
    GG = gram_matrix(a_G)
    return tf.reduce_sum(tf.square(GS - GG)) / (4.0 * n_C**2 * (n_H * n_W) ** 2)


# %%
STYLE_LAYERS = [
    ("block1_conv1", 0.2),
    ("block2_conv1", 0.2),
    ("block3_conv1", 0.2),
    ("block4_conv1", 0.2),
    ("block5_conv1", 0.2),
]


def compute_style_cost(
    style_image_output, generated_image_output, STYLE_LAYERS=STYLE_LAYERS
):
    J_style = 0
    a_S = style_image_output[:-1]
    a_G = generated_image_output[:-1]
    for i, weight in zip(range(len(a_S)), STYLE_LAYERS):
        J_style += weight[1] * compute_layer_style_cost(a_S[i], a_G[i])
    return J_style


# %%
@tf.function()
def total_cost(J_content, J_style, alpha=10, beta=40):
    return alpha * J_content + beta * J_style


# %%
content_image = np.array(Image.open("images/louvre_small.jpg"))
generated_image = tf.Variable(tf.image.convert_image_dtype(content_image, tf.float32))
