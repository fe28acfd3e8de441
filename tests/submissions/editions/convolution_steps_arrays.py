# ruff: noqa
# convolution_steps of 2018: b is an array of one element, which was a number then.
import numpy as np


def conv_single_step(a_slice_prev, W, b):
    s = a_slice_prev * W
    Z = np.sum(s)
    Z = Z + float(b)
    return Z


def conv_forward(A_prev, W, b, hparameters):
    (m, n_H_prev, n_W_prev, n_C_prev) = A_prev.shape
    (f, f, n_C_prev, n_C) = W.shape
    stride, pad = hparameters["stride"], hparameters["pad"]
    n_H = int((n_H_prev - f + 2 * pad) / stride) + 1
    n_W = int((n_W_prev - f + 2 * pad) / stride) + 1
    Z = np.zeros((m, n_H, n_W, n_C))
    P = np.pad(A_prev, ((0, 0), (pad, pad), (pad, pad), (0, 0)), "constant")
    for i in range(m):
        for h in range(n_H):
            for w in range(n_W):
                for c in range(n_C):
                    top, left = h * stride, w * stride
                    part = P[i, top : top + f, left : left + f, :]
                    Z[i, h, w, c] = np.sum(part * W[:, :, :, c]) + b[:, :, :, c]
    return Z, (A_prev, W, b, hparameters)


def create_mask_from_window(x):
    return np.array(x == np.max(x), dtype=np.bool)
