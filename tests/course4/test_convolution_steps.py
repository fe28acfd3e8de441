"""Convolution, step by step: against loops, Keras, differences and the lectures."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course4 import convolution_steps as steps

seeds = st.integers(0, 2**32 - 1)


@st.composite
def problems(draw):
    """Images of any size, with a window that fits: A_prev, W, b, hyperparameters."""
    rng = np.random.default_rng(draw(seeds))
    m, n_C_prev, n_C = (draw(st.integers(1, 3)) for _ in range(3))
    f, stride, pad = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(pads)
    least = max(1, f - 2 * pad)
    n_H, n_W = (draw(st.integers(least, least + 6)) for _ in range(2))
    return (
        rng.normal(size=(m, n_H, n_W, n_C_prev)),
        rng.normal(size=(f, f, n_C_prev, n_C)),
        rng.normal(size=(1, 1, 1, n_C)),
        {"stride": stride, "pad": pad},
    )


pads = st.integers(0, 5)  # up to more than the window needs


def close(got, expected):
    """Equal up to rounding: sums of up to a hundred numbers near 1 in another order."""
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@given(problems())
def test_convolution_equals_its_loops(problem):
    """Forward and backward, for any stride, padding and sides, down to one pixel."""
    Z, cache = steps.conv_forward(*problem)
    close(Z, steps.conv_forward_by_loops(*problem)[0])
    dZ = np.cos(Z)
    expected = steps.conv_backward_by_loops(dZ, cache)
    for got, gradient in zip(steps.conv_backward(dZ, cache), expected, strict=True):
        close(got, gradient)


@given(problems(), st.sampled_from(["max", "average"]), st.booleans())
def test_pooling_equals_its_loops(problem, mode, ties):
    """Forward and backward, and with ties, which are frequent among integers."""
    A_prev, W, _, hparameters = problem
    f = min(len(W), *A_prev.shape[1:3])
    hparameters = {"f": f, "stride": hparameters["stride"]}
    A_prev = np.rint(A_prev) if ties else A_prev
    A, cache = steps.pool_forward(A_prev, hparameters, mode)
    close(A, steps.pool_forward_by_loops(A_prev, hparameters, mode)[0])
    dA = np.cos(3 * A)
    expected = steps.pool_backward_by_loops(dA, cache, mode)
    close(steps.pool_backward(dA, cache, mode), expected)


@given(problems())
def test_the_gradient_is_the_central_difference(problem):
    """Z is linear in each of A_prev, W and b: central differences are exact."""
    A_prev, W, b, hparameters = problem
    Z, cache = steps.conv_forward(A_prev, W, b, hparameters)
    rng = np.random.default_rng(A_prev.size)
    dZ = rng.normal(size=Z.shape)
    gradients = steps.conv_backward(dZ, cache)
    for i, gradient in enumerate(gradients):
        given = [A_prev, W, b]
        direction = rng.normal(size=given[i].shape)
        ends = []
        for sign in (1, -1):
            given[i] = (A_prev, W, b)[i] + sign * direction
            ends.append(np.sum(dZ * steps.conv_forward(*given, hparameters)[0]))
        slope = (ends[0] - ends[1]) / 2
        # A difference of sums of up to a few thousand numbers near 1.
        np.testing.assert_allclose(np.sum(gradient * direction), slope, atol=1e-9)


# The same in Keras, in float64. Its "same" padding differs, so its input is padded.


def keras_layer(kind, W, b, **settings):
    from keras import layers

    layer = getattr(layers, kind)(
        W.shape[-1], W.shape[:-2], dtype="float64", **settings
    )
    layer.build((None, *[None] * (W.ndim - 2), W.shape[-2]))
    layer.set_weights([W, b.ravel()])
    return layer


@pytest.mark.parametrize(
    ("kind", "forward", "sides"),
    [
        ("Conv1D", steps.conv1d_forward, (11,)),
        ("Conv2D", steps.conv_forward, (7, 9)),
        ("Conv3D", steps.conv3d_forward, (6, 5, 7)),
    ],
)
@pytest.mark.parametrize(("f", "stride", "pad"), [(3, 1, 1), (2, 2, 0), (4, 3, 2)])
def test_convolution_equals_keras_in_any_number_of_axes(
    kind, forward, sides, f, stride, pad
):
    """Conv1D, Conv2D and Conv3D: outputs, and gradients by `tf.GradientTape`."""
    import tensorflow as tf

    rng = np.random.default_rng(f)
    axes = len(sides)
    A_prev = rng.normal(size=(2, *sides, 3))
    W, b = (
        rng.normal(size=(*[f] * axes, 3, 4)),
        rng.normal(size=(1,) * (axes + 1) + (4,)),
    )
    Z, cache = forward(A_prev, W, b, {"stride": stride, "pad": pad})
    dZ = rng.normal(size=Z.shape)

    layer = keras_layer(kind, W, b, strides=stride)
    x = tf.constant(A_prev)
    with tf.GradientTape() as tape:
        tape.watch(x)
        padding = [(0, 0), *[(pad, pad)] * axes, (0, 0)]
        z = layer(tf.pad(x, padding))
        total = tf.reduce_sum(z * dZ)
    close(Z, z.numpy())
    expected = tape.gradient(total, [x, layer.kernel, layer.bias])
    for got, gradient in zip(steps.conv_backward(dZ, cache), expected, strict=True):
        close(got, np.reshape(gradient, got.shape))


@pytest.mark.parametrize(("f", "stride"), [(2, 2), (3, 2), (3, 1), (2, 3)])
def test_pooling_equals_keras(f, stride):
    """MaxPooling2D and AveragePooling2D, forward and backward; without ties."""
    import tensorflow as tf
    from keras import layers

    A_prev = np.random.default_rng(0).normal(size=(2, 7, 9, 3))
    for mode, kind in (
        ("max", layers.MaxPooling2D),
        ("average", layers.AveragePooling2D),
    ):
        A, cache = steps.pool_forward(A_prev, {"f": f, "stride": stride}, mode)
        x = tf.constant(A_prev)
        with tf.GradientTape() as tape:
            tape.watch(x)
            a = kind(f, strides=stride, dtype="float64")(x)
            total = tf.reduce_sum(tf.sin(a))
        close(A, a.numpy())
        close(
            steps.pool_backward(np.cos(A), cache, mode), tape.gradient(total, x).numpy()
        )


# The lectures.


def test_a_vertical_filter_finds_a_vertical_edge():
    """Six columns, the left half bright: its outputs are 0, 30, 30, 0."""
    image = np.zeros((1, 6, 6, 1))
    image[:, :, :3] = 10
    W = np.tile([1.0, 0, -1], (3, 1)).reshape(3, 3, 1, 1)
    Z, _ = steps.conv_forward(image, W, np.zeros((1, 1, 1, 1)), {"stride": 1, "pad": 0})
    np.testing.assert_array_equal(Z[0, :, :, 0], np.tile([0, 30, 30, 0], (4, 1)))


@pytest.mark.parametrize(
    ("forward", "axes", "n_prev", "channels"),
    [
        (steps.conv1d_forward, 1, 14, ((1, 16), (16, 32))),
        (steps.conv_forward, 2, 14, ((3, 16), (16, 32))),
        (steps.conv3d_forward, 3, 14, ((1, 16), (16, 32))),
    ],
)
def test_a_window_of_five_turns_14_into_10_and_10_into_6(
    forward, axes, n_prev, channels
):
    """16 filters and then 32, on a signal, an image and a volume."""
    A = np.zeros((1, *[n_prev] * axes, channels[0][0]))
    for side, (n_C_prev, n_C) in zip((10, 6), channels, strict=True):
        W, b = np.zeros((*[5] * axes, n_C_prev, n_C)), np.zeros(n_C)
        A, _ = forward(A, W, b, {"stride": 1, "pad": 0})
        assert A.shape == (1, *[side] * axes, n_C)


def test_a_filter_shaped_like_a_heartbeat_finds_it():
    """Its output is largest where the beat is in the signal."""
    beat = np.array([0.1, 1.5, -1, 0.4, 0.2])
    signal = np.random.default_rng(0).normal(scale=0.1, size=(1, 40, 1))
    signal[0, 17:22, 0] += beat
    Z, _ = steps.conv1d_forward(
        signal, beat.reshape(5, 1, 1), np.zeros((1, 1, 1)), {"stride": 1, "pad": 0}
    )
    assert Z.argmax() == 17


# Details.


def test_a_pixel_in_no_window_has_gradient_zero():
    """Stride 2 with a window of 1 skips every second of four pixels."""
    A_prev, W = np.ones((1, 4, 4, 1)), np.ones((1, 1, 1, 1))
    Z, cache = steps.conv_forward(A_prev, W, W, {"stride": 2, "pad": 0})
    dA_prev, dW, db = steps.conv_backward(np.ones(Z.shape), cache)
    expected = np.array([[1, 0, 1, 0], [0] * 4] * 2)
    np.testing.assert_array_equal(dA_prev[0, :, :, 0], expected)
    assert dW.item() == db.item() == 4


def test_every_maximum_of_a_tie_gets_the_gradient():
    """In a window of equal numbers, every pixel."""
    cache = np.zeros((1, 2, 2, 1)), {"f": 2, "stride": 2}
    dA_prev = steps.pool_backward(np.full((1, 1, 1, 1), 5.0), cache)
    np.testing.assert_array_equal(dA_prev, np.full((1, 2, 2, 1), 5.0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_results_have_the_dtype_of_the_arguments(dtype):
    """float32 in, float32 out, forward and backward."""
    A_prev, W = np.ones((1, 4, 4, 2), dtype), np.ones((2, 2, 2, 3), dtype)
    b = np.ones((1, 1, 1, 3), dtype)
    Z, cache = steps.conv_forward(A_prev, W, b, {"stride": 1, "pad": 1})
    A, pool_cache = steps.pool_forward(Z, {"f": 2, "stride": 2}, "average")
    dZ = steps.pool_backward(A, pool_cache, "average")
    gradients = steps.conv_backward(dZ, cache)
    assert {x.dtype for x in (Z, A, dZ, *gradients)} == {np.dtype(dtype)}


def test_integer_images_give_floating_point_results():
    """They are convolved and averaged like images of floats."""
    A_prev = np.arange(16).reshape(1, 4, 4, 1)
    W = np.arange(4).reshape(2, 2, 1, 1)
    convolution = A_prev, W, np.full((1, 1, 1, 1), 0.5), {"stride": 2, "pad": 0}
    Z, _ = steps.conv_forward(*convolution)
    close(Z, steps.conv_forward_by_loops(*convolution)[0])
    pooling = A_prev, {"f": 2, "stride": 2}, "average"
    A, cache = steps.pool_forward(*pooling)
    close(A, steps.pool_forward_by_loops(*pooling)[0])
    dA_prev = steps.pool_backward(np.ones(A.shape, int), cache, "average")
    np.testing.assert_array_equal(dA_prev, np.full(A_prev.shape, 0.25))


def test_arguments_are_not_changed():
    """Neither forward nor backward."""
    rng = np.random.default_rng(0)
    A_prev, W, b = (rng.normal(size=s) for s in ((2, 5, 5, 2), (2, 2, 2, 3), (3,)))
    before = [A_prev.copy(), W.copy(), b.copy()]
    Z, cache = steps.conv_forward(A_prev, W, b, {"stride": 1, "pad": 0})
    dZ = Z.copy()
    steps.conv_backward(dZ, cache)
    A, pool_cache = steps.pool_forward(Z, {"f": 2, "stride": 1})
    steps.pool_backward(A, pool_cache)
    for was, now in zip([*before, dZ], [A_prev, W, b, Z], strict=True):
        np.testing.assert_array_equal(was, now)


# Invalid input.


@pytest.mark.parametrize(
    ("shape", "f", "pad"), [((1, 2, 9, 1), 3, 0), ((1, 9, 2, 1), 5, 1)]
)
def test_a_window_that_does_not_fit_raises_an_error(shape, f, pad):
    """In height or in width, with the sizes; for pooling, too."""
    A_prev, W = np.ones(shape), np.ones((f, f, 1, 1))
    with pytest.raises(InputError, match=f"window of {f} x {f} does not fit"):
        steps.conv_forward(A_prev, W, np.ones(1), {"stride": 1, "pad": pad})
    with pytest.raises(InputError, match=f"window of {f} x {f} does not fit"):
        steps.pool_forward(A_prev, {"f": f, "stride": 1})


@pytest.mark.parametrize(
    "hparameters",
    [{"stride": 0, "pad": 0}, {"stride": 1, "pad": -1}, {"stride": 1.5, "pad": 0}]
    + [{"pad": 0}, {"stride": 1}],
)
def test_invalid_hyperparameters_raise_an_error(hparameters):
    """A stride of 0 or 1.5, a negative pad, a missing key."""
    A_prev, W = np.ones((1, 4, 4, 1)), np.ones((2, 2, 1, 1))
    with pytest.raises(InputError, match="Expected hparameters"):
        steps.conv_forward(A_prev, W, np.ones(1), hparameters)


def test_shapes_that_do_not_fit_raise_an_error():
    """Channels, axes, biases, gradients and modes."""
    A_prev, W = np.ones((1, 4, 4, 2)), np.ones((2, 2, 2, 3))
    settings = {"stride": 1, "pad": 0}
    with pytest.raises(InputError, match="as many channels"):
        steps.conv_forward(A_prev, W.swapaxes(2, 3), np.ones(2), settings)
    for forward in (steps.conv1d_forward, steps.conv3d_forward):
        with pytest.raises(InputError, match="axes"):
            forward(A_prev, W, np.ones(3), settings)
    with pytest.raises(InputError, match="one b for each of the 3 filters"):
        steps.conv_forward(A_prev, W, np.ones(2), settings)
    Z, cache = steps.conv_forward(A_prev, W, np.ones(3), settings)
    with pytest.raises(InputError, match="gradient shaped like the result"):
        steps.conv_backward(Z[:, 1:], cache)
    A, pool_cache = steps.pool_forward(A_prev, {"f": 2, "stride": 1})
    with pytest.raises(InputError, match="gradient shaped like the result"):
        steps.pool_backward(A[:, 1:], pool_cache)
    with pytest.raises(InputError, match="received 'median'"):
        steps.pool_forward(A_prev, {"f": 2, "stride": 1}, "median")
    with pytest.raises(InputError, match="received 'avg'"):
        steps.pool_backward(A, pool_cache, "avg")
    with pytest.raises(InputError, match="does not fit"):
        steps.pool_forward(A_prev[0], {"f": 2, "stride": 1})


def test_tensorflow_is_not_imported():
    """NumPy alone: a command that needs no network starts at once."""
    program = "import sys, dls_keras.course4.convolution_steps; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"tensorflow", "keras", "torch", "jax", "matplotlib"}
    assert not heavy & {*done.stdout.split()}
