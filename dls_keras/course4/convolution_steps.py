"""Convolution and pooling, step by step: forward and backward pass (C4 W1 A1).

A filter slides over the image. At each position it computes one number from the pixels
in its window, and each filter makes one channel of the result:

    Z[h, w, c] = sum(a_slice * W[..., c]) + b[c]       a_slice: the window at (h, w)
    n = floor((n_prev + 2 pad - f) / stride) + 1       windows along each side

In the backward pass the gradient of a filter is a sum over all its windows, and the
gradient of a pixel a sum over all windows that contain it:

    dW[..., c] = sum over h, w of a_slice * dZ[h, w, c]      db[c] = sum of dZ[..., c]
    dA[a_slice] += W[..., c] * dZ[h, w, c]                   for each h, w and c

Pooling has no parameters: it takes the maximum or the mean of each window and channel.

Each computation is here twice. The functions `..._by_loops` are the formulas above as
loops over windows and channels. The course's functions take the same arguments and
return the same numbers hundreds of times faster, as matrix products (`fast.im2col`).

Shapes: m images of n_H x n_W pixels with n_C channels; W (f, f, n_C_prev, n_C), b
(1, 1, 1, n_C). The course's functions return float64 or float32, like their arguments,
the loops float64. Edition: 2021; the first edition of 2017 added b once for each weight
of a filter. NumPy alone, no TensorFlow.
"""

import numbers

import numpy as np

from dls_keras.core.errors import InputError
from dls_keras.fast import im2col

# The assignment: the course's functions under the course's signatures.


def zero_pad(X, pad):
    """X with `pad` zeros before and after each axis but the first and the last.

    Args:
        X: (m, n_H, n_W, n_C).

    Returns:
        (m, n_H + 2 pad, n_W + 2 pad, n_C).
    """
    return np.pad(X, ((0, 0), *[(pad, pad)] * (np.ndim(X) - 2), (0, 0)))


def conv_single_step(a_slice_prev, W, b):
    """Apply one filter to one window: sum(a_slice_prev * W) + b, a number.

    Args:
        a_slice_prev, W: (f, f, n_C_prev).
        b: one number, of any shape such as (1, 1, 1).
    """
    return np.sum(a_slice_prev * W) + np.asarray(b).item()


def conv_forward_by_loops(
    A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, hparameters: dict[str, int]
) -> tuple[np.ndarray, tuple]:
    """`conv_forward` as a loop: one `conv_single_step` for each window and filter."""
    stride, pad = hparameters["stride"], hparameters["pad"]
    m, n_H_prev, n_W_prev, _ = A_prev.shape
    f, n_C = W.shape[0], W.shape[-1]
    n_H, n_W = (output_size(n, f, stride, pad) for n in (n_H_prev, n_W_prev))
    A_prev_pad = zero_pad(A_prev, pad)
    Z = np.zeros((m, n_H, n_W, n_C))
    for (i, h, w), window in _windows(Z.shape, f, stride):
        for c in range(n_C):
            a_slice = A_prev_pad[window]
            Z[i, h, w, c] = conv_single_step(a_slice, W[..., c], b[..., c])
    return Z, (A_prev, W, b, hparameters)


def conv_forward(A_prev, W, b, hparameters):
    """Convolve images with filters.

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
            hyperparameters do not fit.
    """
    # Computes `conv_forward_by_loops` by matrix products; a test compares the two.
    return _convolve(A_prev, W, b, hparameters, axes=2)


def pool_forward_by_loops(
    A_prev: np.ndarray, hparameters: dict[str, int], mode: str = "max"
) -> tuple[np.ndarray, tuple]:
    """`pool_forward` as a loop over windows and channels."""
    f, stride = hparameters["f"], hparameters["stride"]
    m, n_H_prev, n_W_prev, n_C = A_prev.shape
    n_H, n_W = (output_size(n, f, stride) for n in (n_H_prev, n_W_prev))
    A = np.zeros((m, n_H, n_W, n_C))
    pool = np.max if mode == "max" else np.mean
    for (i, h, w), window in _windows(A.shape, f, stride):
        for c in range(n_C):
            A[i, h, w, c] = pool(A_prev[*window, c])
    return A, (A_prev, hparameters)


def pool_forward(A_prev, hparameters, mode="max"):
    """The maximum, or the mean, of each window and channel.

    Args:
        A_prev: (m, n_H_prev, n_W_prev, n_C).
        hparameters: dict of "f" and "stride", each at least 1.
        mode: "max" or "average".

    Returns:
        A: (m, n_H, n_W, n_C).
        cache: (A_prev, hparameters), for `pool_backward`.

    Raises:
        InputError: if the window is larger than the image, or a hyperparameter or the
            mode is not valid.
    """
    _check_mode(mode)
    f = _hyperparameter(hparameters, "f", least=1)
    stride = _hyperparameter(hparameters, "stride", least=1)
    _check_window(A_prev.shape[1:-1], (f, f))
    # Computes `pool_forward_by_loops` from shifted views; a test compares the two.
    A = im2col.pool(A_prev, f, stride, mode)
    return A, (A_prev, hparameters)


def conv_backward_by_loops(
    dZ: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`conv_backward` as a loop over windows and filters, each as in the formulas."""
    A_prev, W, b, hparameters = cache
    stride, pad = hparameters["stride"], hparameters["pad"]
    A_prev_pad = zero_pad(A_prev, pad)
    dA_prev_pad, dW = np.zeros(A_prev_pad.shape), np.zeros(W.shape)
    db = np.zeros((1, 1, 1, W.shape[-1]))
    for (i, h, w), window in _windows(dZ.shape, W.shape[0], stride):
        for c in range(W.shape[-1]):
            dA_prev_pad[window] += W[..., c] * dZ[i, h, w, c]
            dW[..., c] += A_prev_pad[window] * dZ[i, h, w, c]
            db[..., c] += dZ[i, h, w, c]
    _, n_H_prev, n_W_prev, _ = A_prev.shape
    return dA_prev_pad[:, pad : pad + n_H_prev, pad : pad + n_W_prev], dW, db


def conv_backward(dZ, cache):
    """The gradients of a convolution.

    Args:
        dZ: shaped like Z.
        cache: as `conv_forward`, `conv1d_forward` or `conv3d_forward` returned it.

    Returns:
        dA_prev, dW, db: shaped like A_prev, W and b. Pixels that no window contains
            have gradient 0.
    """
    A_prev, W, b, hparameters = cache
    stride, pad = hparameters["stride"], hparameters["pad"]
    sides = zip(A_prev.shape[1:-1], W.shape[:-2], strict=True)
    n = [output_size(n_prev, f, stride, pad) for n_prev, f in sides]
    _check_gradient(dZ, (len(A_prev), *n, W.shape[-1]))
    # Computes `conv_backward_by_loops` by matrix products; a test compares the two.
    dA_prev, dW, db = im2col.convolve_gradients(dZ, A_prev, W, stride, pad)
    return dA_prev, dW, db.reshape(np.shape(b))


def create_mask_from_window(x):
    """Where x has its maximum: booleans shaped like x, several True in a tie."""
    return x == np.max(x)


def distribute_value(dz, shape):
    """An array of `shape`, (n_H, n_W), in which dz is distributed equally."""
    return np.full(shape, dz / np.prod(shape))


def pool_backward_by_loops(
    dA: np.ndarray, cache: tuple, mode: str = "max"
) -> np.ndarray:
    """`pool_backward` as a loop over windows and channels."""
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    dA_prev = np.zeros(A_prev.shape)
    for (i, h, w), window in _windows(dA.shape, f, stride):
        for c in range(A_prev.shape[-1]):
            if mode == "max":
                mask = create_mask_from_window(A_prev[*window, c])
                dA_prev[*window, c] += mask * dA[i, h, w, c]
            else:
                dA_prev[*window, c] += distribute_value(dA[i, h, w, c], (f, f))
    return dA_prev


def pool_backward(dA, cache, mode="max"):
    """The gradient of pooling.

    Args:
        dA: (m, n_H, n_W, n_C), shaped like A.
        cache: as `pool_forward` returned it.
        mode: "max" gives the gradient of a window to its maximum, in a tie the whole
            gradient to each of them; "average" gives all pixels an equal share.

    Returns:
        (m, n_H_prev, n_W_prev, n_C).

    Raises:
        InputError: if dA has another shape or the mode is not valid.
    """
    _check_mode(mode)
    A_prev, hparameters = cache
    f, stride = hparameters["f"], hparameters["stride"]
    m, n_H_prev, n_W_prev, n_C = A_prev.shape
    n_H, n_W = (output_size(n, f, stride) for n in (n_H_prev, n_W_prev))
    _check_gradient(dA, (m, n_H, n_W, n_C))
    # Computes `pool_backward_by_loops` from shifted views; a test compares the two.
    return im2col.pool_gradient(dA, A_prev, f, stride, mode)


# Convolution along one axis and three, as in the lectures. Only the shapes change;
# `conv_backward` computes the gradients of all of them.


def conv1d_forward(
    A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, hparameters: dict[str, int]
) -> tuple[np.ndarray, tuple]:
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


def conv3d_forward(
    A_prev: np.ndarray, W: np.ndarray, b: np.ndarray, hparameters: dict[str, int]
) -> tuple[np.ndarray, tuple]:
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


# Windows, and checks of arguments.


def output_size(n_prev: int, f: int, stride: int, pad: int = 0) -> int:
    """How many windows fit along a side: floor((n_prev + 2 pad - f) / stride) + 1.

    >>> output_size(28, f=5, stride=1), output_size(28, f=3, stride=2, pad=1)
    (24, 14)
    """
    return (n_prev + 2 * pad - f) // stride + 1


def _windows(shape, f, stride):
    """Each position (i, h, w) in a result of `shape`, and the index of its window."""
    for i, h, w in np.ndindex(shape[:-1]):
        top, left = h * stride, w * stride
        yield (i, h, w), (i, slice(top, top + f), slice(left, left + f))


def _convolve(A_prev, W, b, hparameters, axes):
    """Check the arguments of a convolution along `axes` axes, and compute it."""
    stride = _hyperparameter(hparameters, "stride", least=1)
    pad = _hyperparameter(hparameters, "pad", least=0)
    if not np.ndim(A_prev) == np.ndim(W) == axes + 2 or A_prev.shape[-1] != W.shape[-2]:
        raise InputError(
            f"Expected A_prev and W with {axes + 2} axes each, and as many channels in "
            f"the last axis of A_prev as in the last but one of W; received shapes "
            f"{np.shape(A_prev)} and {np.shape(W)}."
        )
    if np.size(b) != W.shape[-1]:
        raise InputError(
            f"Expected one b for each of the {W.shape[-1]} filters, received "
            f"{np.size(b)}."
        )
    _check_window([n + 2 * pad for n in A_prev.shape[1:-1]], W.shape[:-2])
    Z = im2col.convolve(A_prev, W, b, stride, pad)
    return Z, (A_prev, W, b, hparameters)


def _hyperparameter(hparameters, name, least):
    """The hyperparameter `name`, an integer that must be at least `least`."""
    value = hparameters.get(name)
    if not isinstance(value, numbers.Integral) or value < least:
        raise InputError(
            f"Expected hparameters[{name!r}] to be an integer of at least {least}, "
            f"received {value!r}."
        )
    return value


def _check_window(sides, window):
    """Raise an InputError unless the window fits into the (padded) image."""
    if len(sides) != len(window) or any(
        n < f for n, f in zip(sides, window, strict=True)
    ):
        raise InputError(
            f"A window of {_by(window)} does not fit into {_by(sides)} pixels, padding "
            "included. Use a smaller window or more padding."
        )


def _check_mode(mode):
    """Raise an InputError unless `mode` is a kind of pooling."""
    if mode not in ("max", "average"):
        raise InputError(f'Expected mode "max" or "average", received {mode!r}.')


def _check_gradient(gradient, shape):
    """Raise an InputError unless `gradient` has the shape of the forward result."""
    if np.shape(gradient) != shape:
        raise InputError(
            f"Expected a gradient shaped like the result, {shape}, received "
            f"{np.shape(gradient)}."
        )


def _by(sides):
    return " x ".join(map(str, sides))
