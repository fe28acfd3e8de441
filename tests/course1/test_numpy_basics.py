"""NumPy basics: properties beyond the reference cases."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from dls_keras.course1 import numpy_basics as nb

numbers = st.floats(-1e4, 1e4)
matrices = arrays(float, array_shapes(min_dims=2, max_dims=2), elements=numbers)


@given(numbers)
def test_the_sigmoid_of_any_number_is_a_probability(x):
    """Both functions agree without a warning, and sigmoid(-x) = 1 - sigmoid(x)."""
    s = nb.sigmoid(x)
    assert np.ndim(s) == 0 and 0 <= s <= 1
    assert abs(s - nb.basic_sigmoid(x)) < 1e-15
    assert abs(s + nb.sigmoid(-x) - 1) < 1e-15
    if abs(x) < 700:  # where the textbook formula does not overflow
        np.testing.assert_allclose(s, 1 / (1 + math.exp(-x)), rtol=1e-14)


def test_basic_sigmoid_refuses_arrays():
    """Several numbers are a TypeError, as in the course's solution."""
    for x in ([1, 2, 3], np.array([1, 2, 3])):
        with pytest.raises(TypeError):
            nb.basic_sigmoid(x)


@given(st.floats(-30, 30))
def test_the_derivative_of_the_sigmoid_equals_central_differences(x):
    """To 1e-10."""
    h = 1e-5  # truncation error ~ h^2, rounding error ~ 1e-16 / h: both below 1e-10
    difference = (nb.sigmoid(x + h) - nb.sigmoid(x - h)) / (2 * h)
    assert abs(nb.sigmoid_derivative(x) - difference) < 1e-10


@settings(deadline=None)  # a busy machine is no failure
@given(matrices, numbers)
def test_each_row_of_a_softmax_is_a_distribution(x, shift):
    """Rows sum to one, keep their order, and do not depend on a constant offset."""
    p = nb.softmax(x)
    assert p.shape == x.shape and (p >= 0).all()
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-14)
    assert (np.diff(np.take_along_axis(p, np.argsort(x, axis=1), axis=1)) >= 0).all()
    # x + shift has a rounding error of 1e-12 at 1e4, and so has e^(x + shift).
    np.testing.assert_allclose(nb.softmax(x + shift), p, rtol=0, atol=1e-11)


@settings(deadline=None)
@given(arrays(float, (3, 4), elements=st.floats(-300, 300)))
def test_softmax_equals_the_textbook_formula_where_that_does_not_overflow(x):
    """e^x over the sum of its row."""
    e = np.exp(x)
    np.testing.assert_allclose(nb.softmax(x), e / e.sum(1, keepdims=True), rtol=1e-12)


def test_softmax_and_sigmoid_agree_for_two_classes():
    """The softmax of (x, 0) is sigmoid(x) and its complement."""
    x = np.linspace(-40, 40, 81)
    p = nb.softmax(np.stack([x, 0 * x], axis=1))
    np.testing.assert_allclose(p[:, 0], nb.sigmoid(x), rtol=1e-14)


@settings(deadline=None)
@given(arrays(float, (3, 4), elements=st.floats(-1e3, 1e3).filter(lambda v: v != 0)))
def test_normalized_rows_are_unit_vectors_in_the_same_direction(x):
    """Length one, and parallel to the rows of x."""
    # The squares of numbers below 1e-150 underflow, also in the course's solution.
    x = np.where(np.abs(x) < 1e-100, 1.0, x)
    rows = nb.normalize_rows(x)
    np.testing.assert_allclose((rows**2).sum(axis=1), 1, rtol=1e-14)
    lengths = np.sqrt((x**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(rows * lengths, x, rtol=1e-12)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_a_row_of_zeros_becomes_nan():
    """It has no direction; the other rows are not affected."""
    rows = nb.normalize_rows(np.array([[0.0, 0.0], [3.0, 4.0]]))
    assert np.isnan(rows[0]).all()
    np.testing.assert_allclose(rows[1], [0.6, 0.8], rtol=1e-15)


@settings(deadline=None)
@given(array_shapes(min_dims=3, max_dims=3, max_side=5))
def test_an_image_becomes_a_column_row_by_row(shape):
    """In the order of the image's elements in memory."""
    image = np.arange(math.prod(shape)).reshape(shape)
    column = nb.image2vector(image)
    np.testing.assert_array_equal(column, np.arange(math.prod(shape))[:, np.newaxis])


@settings(deadline=None)
@given(arrays(float, (2, 6), elements=st.floats(-100, 100)))
def test_losses_are_sums_over_the_differences(pair):
    """As computed element by element in Python, and symmetric."""
    y, yhat = pair
    differences = [a - b for a, b in zip(y, yhat, strict=True)]
    np.testing.assert_allclose(nb.L1(yhat, y), sum(map(abs, differences)), rtol=1e-12)
    np.testing.assert_allclose(
        nb.L2(yhat, y), sum(d * d for d in differences), rtol=1e-12
    )
    assert nb.L1(y, yhat) == nb.L1(yhat, y) and nb.L2(y, yhat) == nb.L2(yhat, y)


def test_importing_the_lesson_does_not_import_tensorflow():
    """The first assignment starts in a fraction of a second."""
    program = "import sys; import dls_keras.course1.numpy_basics; "
    program += (
        "sys.exit(bool({'tensorflow', 'keras', 'torch', 'jax'} & {*sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", program])
    assert done.returncode == 0
