# ruff: noqa
# convolution_application of 2017, in TensorFlow 1.
import math
import numpy as np
import h5py
import scipy
import tensorflow as tf
from tensorflow.python.framework import ops
from cnn_utils import *


def create_placeholders(n_H0, n_W0, n_C0, n_y):
    X = tf.placeholder(tf.float32, shape=[None, n_H0, n_W0, n_C0])
    Y = tf.placeholder(tf.float32, shape=[None, n_y])
    return X, Y


def initialize_parameters():
    tf.set_random_seed(1)
    xavier = tf.contrib.layers.xavier_initializer
    W1 = tf.get_variable("W1", [4, 4, 3, 8], initializer=xavier(seed=0))
    W2 = tf.get_variable("W2", [2, 2, 8, 16], initializer=xavier(seed=0))
    return {"W1": W1, "W2": W2}


def compute_cost(Z3, Y):
    cost = tf.nn.softmax_cross_entropy_with_logits(logits=Z3, labels=Y)
    return tf.reduce_mean(cost)
