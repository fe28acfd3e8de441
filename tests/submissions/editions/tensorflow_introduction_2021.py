# ruff: noqa
# tensorflow_introduction of spring 2021: a mean, and one-hot of shape (depth, 1).
import numpy as np
import tensorflow as tf


def one_hot_matrix(label, depth=6):
    one_hot = tf.reshape(tf.one_hot(label, depth, axis=0), (depth, 1))
    return one_hot


def compute_cost(logits, labels):
    return tf.reduce_mean(
        tf.keras.losses.categorical_crossentropy(
            tf.transpose(labels), tf.transpose(logits), from_logits=True
        )
    )
