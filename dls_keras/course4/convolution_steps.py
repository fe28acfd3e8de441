"""Convolution and pooling, step by step: forward and back (C4 W1 A1).

A filter looks at the image through a window and says one number wherever the window
stands; each filter makes a channel of the result:

    Z[h, w, c] = sum(a_slice * W[..., c]) + b[c]       a_slice: the window at (h, w)
    n = floor((n_prev + 2 pad - f) / stride) + 1       windows along each side

Going back, a filter learns from all its windows, a pixel from all windows over it:

    dW[..., c] = sum over h, w of a_slice * dZ[h, w, c]      db[c] = sum of dZ[..., c]
    dA[x] = sum over k of W[k] dZ[(x - k) / stride], where that division leaves no rest

So dA is a convolution as well: of dZ, its numbers set `stride` apart in a frame of
zeros, with the filter turned around. All three sums are products of matrices once the
windows are written out as rows (im2col), one image at a time. Pooling takes the
maximum or the sum of f * f images, each shifted by a pixel. No loop runs over pixels,
and none of this asks for two axes: signals and volumes go the same way.

Shapes: m images of n_H x n_W pixels with n_C channels; W (f, f, n_C_prev, n_C), b
(1, 1, 1, n_C). float64 or float32, as it came. Edition: 2021; the first of 2017 added
b once for each weight of a filter. NumPy alone, no TensorFlow.
"""

import math
import numbers
import operator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from dls_keras.core.errors import InputError

# The assignment: the course's functions under the course's signatures.


def zero_pad(X, pad):
    """X with `pad` zeros before and behind each axis but the first and the last.

    Args:
        X: (m, n_H, n_W, n_C).

    Returns:
        (m, n_H + 2 pad, n_W + 2 pad, n_C).
    """
    return np.pad(X, ((0, 0), *[(pad, pad)] * (np.ndim(X) - 2), (0, 0)))


def conv_single_step(a_slice_prev, W, b):
    """What one filter answers to one window, a number.

    Args:
        a_slice_prev, W: (f, f, n_C_prev).
        b: one number, of any shape such as (1, 1, 1).
    """
    return np.sum(a_slice_prev * W) + np.asarray(b).item()


def conv_forward(A_prev, W, b, hparameters):
    """Let every filter look at every window.

    Args:
        A_prev: (m, n_H_prev, n_W_prev, n_C_prev).
        W: (f, f, n_C_prev, n_C); its window need not be square.
        b: (1, 1, 1, n_C).
        hparameters: dict of "stride", at least 1, and "pad", at least 0.

    Returns:
        Z: (m, n_H, n_W, n_C).
        cache: (A_prev, W, b, hparameters), for `conv_backward`.

    Raises:
        InputError: if the window is larger than the padded image, or shapes or
            settings do not fit.
    """
    return _convolve(A_prev, W, b, hparameters, axes=2)


def pool_forward(A_prev, hparameters, mode="max"):
    """The largest number, or the mean, of each window and channel.

    Args:
        A_prev: (m, n_H_prev, n_W_prev, n_C).
        hparameters: dict of "f" and "stride", each at least 1.
        mode: "max" or "average".

    Returns:
        A: (m, n_H, n_W, n_C).
        cache: (A_prev, hparameters), for `pool_backward`.

    Raises:
        InputError: if the window is larger than the image, or a setting is none.
    """
    if mode not in ("max", "average"):
        raise InputError(f'Expected mode "max" or "average", received {mode!r}.')
    join = np.maximum if mode == "max" else np.add
    first, *others = _shifted(A_prev, hparameters)
    A = first.copy()
    for pixels in others:
        join(A, pixels, out=A)
    if mode == "average":
        A = A / hparameters["f"] ** 2
    return A, (A_prev, hparameters)


def conv_backward(dZ, cache):
    """The gradients of what `conv_forward` took, for signals and volumes too.

    Args:
        dZ: shaped like Z.
        cache: as `conv_forward`, `conv1d_forward` or `conv3d_forward` left it.

    Returns:
        dA_prev, dW, db: shaped like A_prev, W and b. Pixels that no window reached
            have gradient 0.
    """
    A_prev, W, b, hparameters = cache
    stride, pad = hparameters["stride"], hparameters["pad"]
    *window, n_C_prev, n_C = W.shape
    sides = _output_sides([n + 2 * pad for n in A_prev.shape[1:-1]], window, stride)
    _check_gradient(dZ, (len(A_prev), *sides, n_C))

    # A row holds what became of one pixel: the dZ of each window that saw it, from the
    # filter's last pixel to its first.
    axes = tuple(range(len(window)))
    turned = np.flip(W, axes).swapaxes(-1, -2).reshape(-1, n_C_prev)
    dA_prev = np.empty(A_prev.shape, np.result_type(dZ, W, 1.0))
    dW = np.zeros((n_C_prev, len(turned)), np.result_type(A_prev, dZ, 1.0))
    canvas, place = _spread(dZ, A_prev.shape, window, stride, pad)
    for rows, a, da in zip(
        _im2col(dZ, canvas, place, window, 1), A_prev, dA_prev, strict=True
    ):
        np.matmul(rows, turned, out=da.reshape(-1, n_C_prev))
        dW += a.reshape(-1, n_C_prev).T @ rows
    dW = np.flip(np.moveaxis(dW.reshape(n_C_prev, *window, n_C), 0, -2), axes).copy()
    db = np.ones(dZ[..., 0].size, dZ.dtype) @ dZ.reshape(-1, n_C)  # a fast sum
    return dA_prev, dW, db.reshape(np.shape(b))


def create_mask_from_window(x):
    """Where x has its maximum: booleans shaped like x, several True in a tie.

    `pool_backward` asks the same of all windows at once.
    """
    return x == np.max(x)


def distribute_value(dz, shape):
    """An array of `shape`, (n_H, n_W), that shares dz out equally."""
    return np.full(shape, dz / np.prod(shape))


def pool_backward(dA, cache, mode="max"):
    """The gradient of what `pool_forward` took.

    Args:
        dA: (m, n_H, n_W, n_C), shaped like A.
        cache: as `pool_forward` left it.
        mode: "max" sends a window's gradient to its maximum, in a tie in full to
            each; "average" sends all pixels an equal share.

    Returns:
        (m, n_H_prev, n_W_prev, n_C).
    """
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    A, _ = pool_forward(A_prev, hparameters, mode)
    _check_gradient(dA, A.shape)
    dA_prev = np.zeros(A_prev.shape, np.result_type(dA, 1.0))
    for pixels, gradient in zip(
        _shifted(A_prev, hparameters), _shifted(dA_prev, hparameters), strict=True
    ):
        if mode == "average":
            gradient += dA / f**2
        elif stride < f:
            gradient += (pixels == A) * dA
        else:  # a pixel is in one window at most: nothing to add to
            np.multiply(pixels == A, dA, out=gradient)
    return dA_prev


# One axis and three, as the lectures have them: nothing changes but the shapes.


def conv1d_forward(A_prev, W, b, hparameters):
    """`conv_forward` along one axis, such as the heartbeats of an ECG over time.

    Args:
        A_prev: (m, n_prev, n_C_prev).
        W: (f, n_C_prev, n_C).
        b: (1, 1, n_C).

    Returns:
        Z: (m, n, n_C).
        cache: for `conv_backward`.
    """
    return _convolve(A_prev, W, b, hparameters, axes=1)


def conv3d_forward(A_prev, W, b, hparameters):
    """`conv_forward` through a volume, such as a CT scan or the frames of a film.

    Args:
        A_prev: (m, n_H_prev, n_W_prev, n_D_prev, n_C_prev).
        W: (f, f, f, n_C_prev, n_C).
        b: (1, 1, 1, 1, n_C).

    Returns:
        Z: (m, n_H, n_W, n_D, n_C).
        cache: for `conv_backward`.
    """
    return _convolve(A_prev, W, b, hparameters, axes=3)


# How windows become the rows of a matrix.


def _convolve(A_prev, W, b, hparameters, axes):
    """`conv_forward` for images of so many axes."""
    stride = _setting(hparameters, "stride", least=1)
    pad = _setting(hparameters, "pad", least=0)
    if not np.ndim(A_prev) == np.ndim(W) == axes + 2 or A_prev.shape[-1] != W.shape[-2]:
        raise InputError(
            f"Expected A_prev and W of {axes + 2} axes, the last of A_prev as long as "
            f"the last but one of W (the channels in); received shapes "
            f"{np.shape(A_prev)} and {np.shape(W)}."
        )
    if np.size(b) != W.shape[-1]:
        raise InputError(
            f"Expected one b for each of the {W.shape[-1]} filters, received "
            f"{np.size(b)}."
        )
    *window, _, n_C = W.shape
    canvas, place = _frame(A_prev, pad)
    sides = _output_sides(canvas.shape[:-1], window, stride)
    filters = W.reshape(-1, n_C)  # (f * f * n_C_prev, n_C)
    Z = np.empty((len(A_prev), *sides, n_C), np.result_type(A_prev, W, b, 1.0))
    biases = np.tile(np.ravel(b), (*sides, 1))  # for one image: long rows add faster
    for rows, z in zip(_im2col(A_prev, canvas, place, window, stride), Z, strict=True):
        np.matmul(rows, filters, out=z.reshape(-1, n_C))
        z += biases
    return Z, (A_prev, W, b, hparameters)


def _im2col(A, canvas, place, window, stride):
    """For each image its windows, one a row: (n_H * n_W, f * f * n_C_prev).

    A row of a window is f * n_C_prev neighbours in memory and copied as one. All
    images use the same memory, which so stays in the processor's cache.

    Args:
        canvas, place: as `_frame` or `_spread` makes them.
    """
    n_C = A.shape[-1]
    *heights, width = window
    sides = *heights, width * n_C
    steps = *[stride] * len(heights), stride * n_C
    runs = canvas.reshape(*canvas.shape[:-2], -1)  # a view, rows of n_W_prev * n_C_prev
    windows = sliding_window_view(runs, sides)
    windows = windows[*(slice(None, None, step) for step in steps)]
    patches = np.empty(windows.shape, A.dtype)  # (n_H, n_W, f, f * n_C_prev)
    rows = patches.reshape(-1, math.prod(sides))
    for image in A:
        place[...] = image
        patches[...] = windows
        yield rows


def _frame(A, pad):
    """A canvas of zeros for one image of A, padded, and its place there."""
    *sides, n_C = A.shape[1:]
    canvas = np.zeros((*(n + 2 * pad for n in sides), n_C), A.dtype)
    return canvas, canvas[*(slice(pad, pad + n) for n in sides)]


def _spread(dZ, shape, window, stride, pad):
    """A canvas for one image of dZ, and its place there: every `stride`-th pixel.

    The canvas has a window for each pixel of A_prev, of that shape, and none for the
    padding, which learns nothing.
    """
    sides = zip(shape[1:-1], window, strict=True)
    frame = [n_prev + 2 * pad + f - 1 for n_prev, f in sides]
    apart = [
        slice(f - 1, f + stride * (n - 1), stride)
        for n, f in zip(dZ.shape[1:-1], window, strict=True)
    ]
    inside = [slice(pad, size - pad) for size in frame]
    wide = np.zeros((*frame, dZ.shape[-1]), dZ.dtype)
    return wide[*inside], wide[*apart]


def _shifted(A, hparameters):
    """The pixel (i, j) of every window, (m, n_H, n_W, n_C), for each (i, j)."""
    f = _setting(hparameters, "f", least=1)
    stride = _setting(hparameters, "stride", least=1)
    n_H, n_W = _output_sides(A.shape[1:-1], (f, f), stride)
    for i, j in np.ndindex(f, f):
        yield A[:, i : i + stride * n_H : stride, j : j + stride * n_W : stride]


def _output_sides(sides, window, stride):
    """How many windows stand along each side, padding included."""
    if len(sides) != len(window) or any(map(operator.lt, sides, window)):
        raise InputError(
            f"A window of {_by(window)} does not fit into {_by(sides)} pixels, padding "
            "included. Take a smaller window or more padding."
        )
    return [(n - f) // stride + 1 for n, f in zip(sides, window, strict=True)]


def _setting(hparameters, name, least):
    """A whole number that the caller chose."""
    value = hparameters.get(name)
    if not isinstance(value, numbers.Integral) or value < least:
        raise InputError(
            f"Expected hparameters[{name!r}] to be a whole number from {least} on, "
            f"received {value!r}."
        )
    return value


def _check_gradient(gradient, shape):
    """Raise an InputError unless `gradient` has the shape of what it is taken by."""
    if np.shape(gradient) != shape:
        raise InputError(
            f"Expected a gradient shaped like the result, {shape}, received "
            f"{np.shape(gradient)}."
        )


def _by(sides):
    return " x ".join(map(str, sides))
