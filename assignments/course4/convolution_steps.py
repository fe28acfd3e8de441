# %% [markdown]
# # Convolution and pooling, step by step
#
# What a convolutional layer computes, forward and backward, in NumPy alone. You will
# see filters that find the edges of a hand, pooling that reduces an image and keeps
# them, a filter that is learned from examples, and heartbeats that are found in an ECG.
#
# It takes 4 seconds on two busy CPU cores, with or without `--quick`, which makes the
# loop shorter. One result: a matrix product is 550 to 1000 times as fast as a loop over
# the windows, depending on the processor; with `--quick` the factor is smaller.

# %%
import sys
import timeit
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course4 import convolution_steps as cs
from dls_keras.datasets import signs

QUICK = "--quick" in sys.argv
OUT = Path("out/convolution_steps")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The image
# A synthetic image of a hand, so no data set is needed. It has one channel and shape
# (1, 256, 256, 1): the first axis is that of the images, the last that of the channels.

# %%
hand = signs.make_signs(6, seed=7, size=256)[0][5]
grey = hand.mean(axis=2) / 255
A_prev = grey[np.newaxis, :, :, np.newaxis]
print("A_prev", A_prev.shape)

# %% [markdown]
# ## A filter slides over the image
# At each position the filter computes one number: the sum of the pixels in its window,
# each multiplied by a weight, plus a bias.
#
# $$Z_{h,w,c} = \sum_{i,j,k} a^{(h,w)}_{i,j,k} W_{i,j,k,c} + b_c$$
#
# Three filters, chosen by hand: the first detects where the image gets darker from left
# to right, the second from top to bottom, and the third computes a mean.

# %%
across = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
W = np.stack([across, across.T, np.full((3, 3), 1 / 9)], axis=-1)[:, :, np.newaxis]
b = np.zeros((1, 1, 1, 3))
one = cs.conv_single_step(A_prev[0, 100:103, 100:103], W[..., 0], b[..., 0])
Z, cache = cs.conv_forward(A_prev, W, b, {"stride": 1, "pad": 0})
print("W", W.shape, "-> Z", Z.shape)
print(f"at (100, 100): one step {one:.6f}, convolution {Z[0, 100, 100, 0]:.6f}")
edges = np.abs(Z[0, :, :, :2]).clip(0, 1)
shown = {"hand": hand, "left to right": edges[..., 0], "top to bottom": edges[..., 1]}
shown["mean"] = Z[0, :, :, 2].clip(0, 1)
plots.show(plots.row(shown), OUT / "edges.png")

# %% [markdown]
# ## The size of the output
# A window of f x f fits $n - f + 1$ times along a side. Padding adds zeros around the
# image, and a stride skips positions:
#
# $$n = \left\lfloor \frac{n_{prev} + 2\,pad - f}{stride} \right\rfloor + 1$$

# %%
for stride, pad in ((1, 0), (1, 1), (2, 1), (4, 1)):
    sides = cs.conv_forward(A_prev, W, b, {"stride": stride, "pad": pad})[0].shape[1:3]
    print(f"stride {stride}, pad {pad}: {sides[0]} x {sides[1]}")

# %% [markdown]
# ## Pooling
# The maximum of a window shows whether it contains an edge, but not where. The mean
# also depends on how much of the window the edge fills: thin edges fade.

# %%
settings = {"f": 8, "stride": 8}
vertical = np.abs(Z[..., :1]).clip(0, 1)
pooled = {"the edges": vertical[0]}
for mode in ("max", "average"):
    A, _ = cs.pool_forward(vertical, settings, mode)
    pooled[f"{mode}, {A.shape[1]} x {A.shape[2]}"] = A[0]
plots.show(plots.row(pooled), OUT / "pooling.png")

# %% [markdown]
# ## The backward pass
# The gradient of a filter is a sum over all its windows, that of a pixel a sum over all
# windows that contain it:
#
# $$dW_c = \sum_{h,w} a^{(h,w)}\, dZ_{h,w,c}\qquad db_c = \sum_{h,w} dZ_{h,w,c}\qquad
#   dA_x = \sum_k W_k\, dZ_{(x - k)/stride}$$
#
# A central difference confirms it: one weight is changed up and down, and
# $J = \sum Z^2 / 2$ changes, for which dZ is Z itself.

# %%
_, dW, _ = cs.conv_backward(Z, cache)
costs = []
for epsilon in (1e-5, -1e-5):
    changed = W.copy()
    changed[0, 1, 0, 2] += epsilon
    costs.append(np.sum(cs.conv_forward(A_prev, changed, *cache[2:])[0] ** 2) / 2)
difference = (costs[0] - costs[1]) / 2e-5
print(f"central difference {difference:.6f}, conv_backward {dW[0, 1, 0, 2]:.6f}")

# %% [markdown]
# ## Learning a filter
# Filters need not be chosen by hand. Given noise and the output of the first filter
# above for it, gradient descent finds that filter, starting from zeros. (With photos it
# would take more steps: neighbouring pixels are strongly correlated.)

# %%
noise = np.random.default_rng(0).normal(size=(8, 16, 16, 1))
settings = {"stride": 1, "pad": 0}
target, _ = cs.conv_forward(noise, W[..., :1], b[..., :1], settings)
learned, bias, losses = np.zeros((3, 3, 1, 1)), np.zeros((1, 1, 1, 1)), []
for _ in range(40):
    output, cache = cs.conv_forward(noise, learned, bias, settings)
    losses.append(np.mean((output - target) ** 2))
    _, dW, db = cs.conv_backward(2 * (output - target) / target.size, cache)
    learned, bias = learned - 0.2 * dW, bias - 0.2 * db
print(learned[:, :, 0, 0].round(4) + 0.0)  # + 0.0 turns -0 into 0
print(f"loss {losses[0]:.2f} -> {losses[-1]:.1e}")
curve = plots.curve(losses, title="Learning a filter", xlabel="step")
plots.show(curve, OUT / "learned.png")

# %% [markdown]
# ## Loops and matrix products
# `conv_forward_by_loops` is the formula as a loop over windows and filters.
# `conv_forward` writes the windows out as the rows of a matrix (im2col), so that the
# layer is a matrix product: the same numbers in less time.

# %%
n = 31 if QUICK else 62
photo = hand[np.newaxis, : n + 2, : n + 2] / 255  # n x n windows
filters = np.random.default_rng(1).normal(size=(3, 3, 3, 8))
layer = photo, filters, np.zeros((1, 1, 1, 8)), settings


def loop():
    """The outputs of 8 filters, one window at a time."""
    return cs.conv_forward_by_loops(*layer)[0]


def product():
    """The outputs of 8 filters, as a matrix product."""
    return cs.conv_forward(*layer)[0]


print(f"largest difference: {np.abs(loop() - product()).max():.1e}")
# The minimum of several runs: other work on the machine only adds time.
slow = min(timeit.repeat(loop, number=1, repeat=3))
fast = min(timeit.repeat(product, number=1, repeat=20))
print(f"loop {1000 * slow:.0f} ms, product {1000 * fast:.2f} ms")
print(f"{slow / fast:.0f} times as fast")

# %% [markdown]
# ## One axis
# A heartbeat is a pattern in time. The output of a filter shaped like a heartbeat, slid
# along a noisy ECG, is largest at each beat. (`conv3d_forward` slides a cube through a
# volume, such as a CT scan, in the same way.)

# %%
t = np.arange(-20, 21)
beat = np.exp(-((t / 2) ** 2)) - 0.3 * np.exp(-(((t - 6) / 3) ** 2))
beats = [60, 165, 262, 370]
ecg = np.random.default_rng(2).normal(0, 0.2, 440)
for position in beats:
    ecg[position - 20 : position + 21] += beat
output, _ = cs.conv1d_forward(
    ecg[np.newaxis, :, np.newaxis],
    beat[:, np.newaxis, np.newaxis] / np.sum(beat**2),
    np.zeros((1, 1, 1)),
    {"stride": 1, "pad": 20},
)
largest = output[0, :, 0].reshape(4, 110).argmax(axis=1)  # in each quarter
print("beats at", *beats, "found at", *(largest + 110 * np.arange(4)))
both = {"ECG": ecg, "output of the filter": output[0, :, 0]}
ecg_curves = plots.curves(both, title="Heartbeats", xlabel="time", ylabel="")
plots.show(ecg_curves, OUT / "ecg.png")
