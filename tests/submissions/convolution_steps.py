# ruff: noqa
# %%
import numpy as np
import h5py
import matplotlib.pyplot as plt
from public_tests import *

np.random.seed(1)


# %%
def zero_pad(X, pad):
    return np.pad(
        X, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "constant", constant_values=0
    )


# %%
def conv_single_step(a_slice_prev, W, b):
    s = np.multiply(a_slice_prev, W)
    Z = np.sum(s)
    return Z + np.squeeze(b).item()


# %%
def conv_forward(A_prev, W, b, hparameters):
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    (f, f, n_C_prev, n_C) = W.shape
    stride = hparameters["stride"]
    pad = hparameters["pad"]
    n_H = int((n_H_prev - f + 2 * pad) / stride) + 1
    n_W = int((n_W_prev - f + 2 * pad) / stride) + 1
    Z = np.zeros((m, n_H, n_W, n_C))
    A_prev_pad = zero_pad(A_prev, pad)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    a_slice = A_prev_pad[
                        i, h * stride : h * stride + f, w * stride : w * stride + f, :
                    ]
                    Z[i, h, w, c] = conv_single_step(
                        a_slice, W[:, :, :, c], b[:, :, :, c]
                    )
    return Z, (A_prev, W, b, hparameters)


# %%
def pool_forward(A_prev, hparameters, mode="max"):
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    f = hparameters["f"]
    stride = hparameters["stride"]
    n_H = int(1 + (n_H_prev - f) / stride)
    n_W = int(1 + (n_W_prev - f) / stride)
    A = np.zeros((m, n_H, n_W, n_C_prev))
    for h in range(n_H):
        for w in range(n_W):
            window = A_prev[
                :, h * stride : h * stride + f, w * stride : w * stride + f, :
            ]
            if mode == "max":
                A[:, h, w, :] = np.max(window, axis=(1, 2))
            elif mode == "average":
                A[:, h, w, :] = np.mean(window, axis=(1, 2))
    return A, (A_prev, hparameters)


# %%
def conv_backward(dZ, cache):
    (A_prev, W, b, hparameters) = cache
    (f, f, n_C_prev, n_C) = W.shape
    stride = hparameters["stride"]
    pad = hparameters["pad"]
    (m, n_H, n_W, n_C) = dZ.shape
    padded = zero_pad(A_prev, pad)
    d_padded = np.zeros(padded.shape)
    dW = np.zeros(W.shape)
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                rows = slice(h * stride, h * stride + f)
                columns = slice(w * stride, w * stride + f)
                for c in range(n_C):
                    d_padded[i, rows, columns, :] += W[:, :, :, c] * dZ[i, h, w, c]
                    dW[:, :, :, c] += padded[i, rows, columns, :] * dZ[i, h, w, c]
    db = np.sum(dZ, axis=(0, 1, 2), keepdims=True)
    inside = slice(pad, -pad) if pad else slice(None)
    return d_padded[:, inside, inside, :], dW, db


# %%
def create_mask_from_window(x):
    mask = x == np.max(x)
    return mask


# %%
def distribute_value(dz, shape):
    (n_H, n_W) = shape
    return np.ones(shape) * dz / (n_H * n_W)


# %%
def pool_backward(dA, cache, mode="max"):
    (A_prev, hparameters) = cache
    stride = hparameters["stride"]
    f = hparameters["f"]
    dA_prev = np.zeros(A_prev.shape)
    for i in range(dA.shape[0]):
        for h in range(dA.shape[1]):
            for w in range(dA.shape[2]):
                for c in range(dA.shape[3]):
                    rows = slice(h * stride, h * stride + f)
                    columns = slice(w * stride, w * stride + f)
                    if mode == "max":
                        mask = create_mask_from_window(A_prev[i, rows, columns, c])
                        dA_prev[i, rows, columns, c] += mask * dA[i, h, w, c]
                    elif mode == "average":
                        dA_prev[i, rows, columns, c] += distribute_value(
                            dA[i, h, w, c], (f, f)
                        )
    return dA_prev
