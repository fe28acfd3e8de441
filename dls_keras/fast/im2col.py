"""Convolution as matrix products of unrolled windows (im2col), in NumPy.

The windows of one image, each written out as the row of a matrix, times the filters as
columns are the convolution of that image:

    Z = rows @ W + b      rows (n_H * n_W, f * f * n_C_prev), W (f * f * n_C_prev, n_C)

The gradient of the input is a convolution as well: of dZ, its entries `stride` apart
and zero-padded, with the flipped filters. Both gradients use one matrix, in which the
row of an input pixel holds dZ of every window that covers it:

    dA_prev = rows @ flipped W      dW = A_prev^T @ rows      db = sum of dZ

One image at a time, so that its matrix stays in the processor's cache. Pooling is the
maximum or the sum of f * f shifted views of the images. There is no loop over pixels.
The convolutions take any number of axes, such as signals and volumes; pooling takes
images.

Shapes: m images of n_H x n_W pixels with n_C channels; the window is (f, f). Arguments
are not checked.
"""

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


def convolve(
    A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, stride: int, pad: int
) -> np.ndarray:
    """Z (m, n_H, n_W, n_C), the convolution of zero-padded images with filters.

    Args:
        A_prev: (m, n_H_prev, n_W_prev, n_C_prev), or with any other number of axes
            between the first and the last.
        W: (f, f, n_C_prev, n_C), with as many axes as A_prev.
        b: n_C numbers in any shape.
    """
    *window, _, n_C = W.shape
    padded, image_in_padded = _zero_padded(A_prev, pad)
    sides = _output_sides(padded.shape[:-1], window, stride)
    filters = W.reshape(-1, n_C)  # (f * f * n_C_prev, n_C)
    Z = np.empty((len(A_prev), *sides, n_C), np.result_type(A_prev, W, b, 1.0))
    biases = np.tile(np.ravel(b), (*sides, 1))  # of one image: long rows add faster
    all_rows = _im2col(A_prev, padded, image_in_padded, window, stride)
    for rows, z in zip(all_rows, Z, strict=True):
        np.matmul(rows, filters, out=z.reshape(-1, n_C))
        z += biases
    return Z


def convolve_gradients(
    dZ: np.ndarray, A_prev: np.ndarray, W: np.ndarray, stride: int, pad: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of `convolve`: dA_prev, dW, and db as a vector (n_C,)."""
    *window, n_C_prev, n_C = W.shape
    axes = tuple(range(len(window)))
    flipped = np.flip(W, axes).swapaxes(-1, -2).reshape(-1, n_C_prev)
    dA_prev = np.empty(A_prev.shape, np.result_type(dZ, W, 1.0))
    dW = np.zeros((n_C_prev, len(flipped)), np.result_type(A_prev, dZ, 1.0))
    padded, dz_in_padded = _dilated(dZ, A_prev.shape, window, stride, pad)
    # Each row holds, for one input pixel, dZ of every window that covers it, in
    # reversed kernel order.
    all_rows = _im2col(dZ, padded, dz_in_padded, window, 1)
    for rows, a, da in zip(all_rows, A_prev, dA_prev, strict=True):
        np.matmul(rows, flipped, out=da.reshape(-1, n_C_prev))
        dW += a.reshape(-1, n_C_prev).T @ rows
    dW = np.flip(np.moveaxis(dW.reshape(n_C_prev, *window, n_C), 0, -2), axes).copy()
    db = np.ones(dZ[..., 0].size, dZ.dtype) @ dZ.reshape(-1, n_C)  # faster than sum
    return dA_prev, dW, db


def pool(A_prev: np.ndarray, f: int, stride: int, mode: str) -> np.ndarray:
    """The maximum or the mean of each f x f window and channel: (m, n_H, n_W, n_C).

    Args:
        A_prev: (m, n_H_prev, n_W_prev, n_C).
        mode: "max" or "average".
    """
    join = np.maximum if mode == "max" else np.add
    first, *others = _shifted_views(A_prev, f, stride)
    A = first.copy()
    for pixels in others:
        join(A, pixels, out=A)
    return A if mode == "max" else A / f**2


def pool_gradient(
    dA: np.ndarray, A_prev: np.ndarray, f: int, stride: int, mode: str
) -> np.ndarray:
    """The gradient of `pool`, shaped like A_prev.

    "max" gives the gradient of a window to each pixel that has the maximum, "average"
    an equal share to all.
    """
    A = pool(A_prev, f, stride, mode)
    dA_prev = np.zeros(A_prev.shape, np.result_type(dA, 1.0))
    views = _shifted_views(A_prev, f, stride), _shifted_views(dA_prev, f, stride)
    for pixels, gradient in zip(*views, strict=True):
        if mode == "average":
            gradient += dA / f**2
        elif stride < f:
            gradient += (pixels == A) * dA
        else:  # a pixel is in one window at most: nothing to add to
            np.multiply(pixels == A, dA, out=gradient)
    return dA_prev


def _im2col(images, padded, place, window, stride) -> Iterator[np.ndarray]:
    """For each image the matrix of its windows: (n_H * n_W, f * f * n_C).

    f * n_C numbers of a window are neighbours in memory and are copied as one run. All
    images use the same buffers, which therefore stay in the processor's cache.

    Args:
        padded: the buffer of zeros from which the windows are taken.
        place: the view of `padded` into which each image is copied.
    """
    n_C = images.shape[-1]
    *heights, width = window
    sides = *heights, width * n_C
    steps = *[stride] * len(heights), stride * n_C
    runs = padded.reshape(*padded.shape[:-2], -1)  # a view, rows of n_W_prev * n_C
    windows = sliding_window_view(runs, sides)
    windows = windows[*(slice(None, None, step) for step in steps)]
    patches = np.empty(windows.shape, images.dtype)  # (n_H, n_W, f, f * n_C)
    rows = patches.reshape(-1, math.prod(sides))
    for image in images:
        place[...] = image
        patches[...] = windows
        yield rows


def _zero_padded(images, pad):
    """A buffer of zeros for one padded image, and the view of the image in it."""
    *sides, n_C = images.shape[1:]
    padded = np.zeros((*(n + 2 * pad for n in sides), n_C), images.dtype)
    return padded, padded[*(slice(pad, pad + n) for n in sides)]


def _dilated(dZ, shape, window, stride, pad):
    """A buffer of zeros for dZ of one image, and the view of every `stride`-th pixel.

    The buffer has one window for each pixel of A_prev, whose shape is `shape`, and none
    for the padding, whose gradient is not needed.
    """
    sides = zip(shape[1:-1], window, strict=True)
    full = [n_prev + 2 * pad + f - 1 for n_prev, f in sides]
    dilated = [
        slice(f - 1, f + stride * (n - 1), stride)
        for n, f in zip(dZ.shape[1:-1], window, strict=True)
    ]
    without_padding = [slice(pad, size - pad) for size in full]
    buffer = np.zeros((*full, dZ.shape[-1]), dZ.dtype)
    return buffer[*without_padding], buffer[*dilated]


def _shifted_views(A, f, stride) -> Iterator[np.ndarray]:
    """Pixel (i, j) of every window as an array (m, n_H, n_W, n_C), for each (i, j)."""
    n_H, n_W = _output_sides(A.shape[1:-1], (f, f), stride)
    for i, j in np.ndindex(f, f):
        yield A[:, i : i + stride * n_H : stride, j : j + stride * n_W : stride]


def _output_sides(sides: Sequence[int], window: Sequence[int], stride: int):
    """How many windows fit along each side, padding included."""
    return [(n - f) // stride + 1 for n, f in zip(sides, window, strict=True)]
