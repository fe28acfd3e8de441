"""NumPy basics: the functions that every network is built from (C1 W2 A1).

A network computes with whole arrays. One NumPy expression handles all elements at
once, element-wise functions keep the shape of their argument, and broadcasting
repeats a column, such as the norms of the rows, along the rows of a matrix:

    sigmoid(x) = 1 / (1 + e^-x)              sigmoid'(x) = s (1 - s),  s = sigmoid(x)
    softmax(x)_ij = e^x_ij / sum_k e^x_ik
    L1 = sum |y - yhat|                      L2 = sum (y - yhat)^2

The textbook formulas overflow where the exponent is large. The functions below use
equal formulas whose exponents are never positive, so they are correct for every x.

Edition: 2021; `normalize_rows` was called `normalizeRows` in 2017. NumPy alone, no
TensorFlow.
"""

import math

import numpy as np

# The assignment: the course's functions under the course's signatures.


def basic_sigmoid(x):
    """1 / (1 + e^-x) of a single number, computed with Python's `math`.

    Raises:
        TypeError: if x is a list or an array of several numbers. `sigmoid` takes
            arrays.
    """
    e = math.exp(-abs(x))
    return 1 / (1 + e) if x >= 0 else e / (1 + e)


def sigmoid(x):
    """1 / (1 + e^-x) of a number or of each element of an array.

    >>> sigmoid(np.array([-1e4, 0, 1e4]))
    array([0. , 0.5, 1. ])
    """
    # For x < 0 use e^x / (1 + e^x), so that the exponent is never positive.
    e = np.exp(-np.abs(x))
    return np.where(np.greater_equal(x, 0), 1, e) / (1 + e)


def sigmoid_derivative(x):
    """The derivative of the sigmoid at each element of x, in [0, 1/4]."""
    s = sigmoid(x)
    return s * (1 - s)


def image2vector(image):
    """The numbers of an image (height, width, channels) as one column, row by row."""
    return image.reshape(-1, 1)


def normalize_rows(x):
    """Each row of x divided by its Euclidean norm; a row of zeros becomes NaN."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def softmax(x):
    """The softmax of each row: positive numbers that sum to one, shaped like x.

    Args:
        x: (n, classes).

    >>> softmax(np.array([[0.0, 0.0], [1e4, 0.0]]))
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    # Subtracting the row's maximum changes nothing, as the factor e^-max cancels.
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def L1(yhat, y):
    """The sum of the absolute differences of two vectors."""
    return np.sum(np.abs(np.subtract(y, yhat)))


def L2(yhat, y):
    """The sum of the squared differences of two vectors."""
    difference = np.subtract(y, yhat)
    return np.dot(difference, difference)
