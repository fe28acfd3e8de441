# %% [markdown]
# # Convolution and pooling, step by step
#
# What a convolutional layer computes, forward and back, in NumPy alone. You will see
# filters find the edges of a hand, pooling make a picture small without losing them, a
# filter learnt from nothing but examples, and heartbeats found in an ECG.
#
# There is no long run: it takes 4 seconds on two CPU cores that did other work beside
# it, and so does `--quick`, which asks less of the loop. The number that comes out is
# how many times faster one matrix product is than a loop over the windows: 550 to
# 1000 by the processor, fewer with `--quick`.

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
# ## The picture
# A hand that our generator draws, so nothing has to be at hand. One channel, (1, 256,
# 256, 1): the first axis counts pictures, the last channels.

# %%
hand = signs.make_signs(6, seed=7, size=256)[0][5]
grey = hand.mean(axis=2) / 255
A_prev = grey[np.newaxis, :, :, np.newaxis]
print("A_prev", A_prev.shape)

# %% [markdown]
# ## A filter looks through a window
# Wherever the window stands the filter says one number: the sum of what it sees, pixel
# by pixel times its own weights, and a bias.
#
# $$Z_{h,w,c} = \sum_{i,j,k} a^{(h,w)}_{i,j,k} W_{i,j,k,c} + b_c$$
#
# Three filters by hand: one answers where it gets darker from left to right, one where
# it does so downwards, and one takes a mean.

# %%
across = np.array([[1.0, 0.0, -1.0], [2.0, 0.0, -2.0], [1.0, 0.0, -1.0]])
W = np.stack([across, across.T, np.full((3, 3), 1 / 9)], axis=-1)[:, :, np.newaxis]
b = np.zeros((1, 1, 1, 3))
one = cs.conv_single_step(A_prev[0, 100:103, 100:103], W[..., 0], b[..., 0])
Z, cache = cs.conv_forward(A_prev, W, b, {"stride": 1, "pad": 0})
print("W", W.shape, "-> Z", Z.shape)
print(f"the window at (100, 100): {one:.6f} alone, {Z[0, 100, 100, 0]:.6f} with all")
edges = np.abs(Z[0, :, :, :2]).clip(0, 1)
shown = {"hand": hand, "left to right": edges[..., 0], "downwards": edges[..., 1]}
shown["mean"] = Z[0, :, :, 2].clip(0, 1)
plots.show(plots.row(shown), OUT / "edges.png")

# %% [markdown]
# ## How large is the answer?
# A window of f x f fits $n - f + 1$ times along a side. Padding puts zeros around the
# picture, a stride leaves out places:
#
# $$n = \left\lfloor \frac{n_{prev} + 2\,pad - f}{stride} \right\rfloor + 1$$

# %%
for stride, pad in ((1, 0), (1, 1), (2, 1), (4, 1)):
    sides = cs.conv_forward(A_prev, W, b, {"stride": stride, "pad": pad})[0].shape[1:3]
    print(f"stride {stride}, pad {pad}: {sides[0]} x {sides[1]}")

# %% [markdown]
# ## Pooling
# The largest number of each window says whether an edge is anywhere in it, and forgets
# where. The mean forgets, besides, how strong it was: thin edges fade.

# %%
settings = {"f": 8, "stride": 8}
strongest = np.abs(Z[..., :1]).clip(0, 1)
pooled = {"the edges": strongest[0]}
for mode in ("max", "average"):
    A, _ = cs.pool_forward(strongest, settings, mode)
    pooled[f"{mode}, {A.shape[1]} x {A.shape[2]}"] = A[0]
plots.show(plots.row(pooled), OUT / "pooling.png")

# %% [markdown]
# ## Back
# A filter learns from all its windows, a pixel from all windows that saw it:
#
# $$dW_c = \sum_{h,w} a^{(h,w)}\, dZ_{h,w,c}\qquad db_c = \sum_{h,w} dZ_{h,w,c}\qquad
#   dA_x = \sum_k W_k\, dZ_{(x - k)/stride}$$
#
# The definition of the derivative agrees: one weight moved up and down, and the change
# of $J = \sum Z^2 / 2$, for which dZ is Z itself.

# %%
_, dW, _ = cs.conv_backward(Z, cache)
costs = []
for nudge in (1e-5, -1e-5):
    moved = W.copy()
    moved[0, 1, 0, 2] += nudge
    costs.append(np.sum(cs.conv_forward(A_prev, moved, *cache[2:])[0] ** 2) / 2)
slope = (costs[0] - costs[1]) / 2e-5
print(f"nudged {slope:.6f}, backward {dW[0, 1, 0, 2]:.6f}")

# %% [markdown]
# ## A filter that is learnt
# Nobody has to think of filters. Given noise and what the first filter above made of
# it, gradient descent finds that filter from zeros. (On photos it would take longer:
# their pixels are nearly as their neighbours, and share out the credit.)

# %%
noise = np.random.default_rng(0).normal(size=(8, 16, 16, 1))
one_filter, settings = W[..., :1], {"stride": 1, "pad": 0}
wanted, _ = cs.conv_forward(noise, one_filter, b[..., :1], settings)
learnt, bias, losses = np.zeros((3, 3, 1, 1)), np.zeros((1, 1, 1, 1)), []
for _ in range(40):
    answer, cache = cs.conv_forward(noise, learnt, bias, settings)
    losses.append(np.mean((answer - wanted) ** 2))
    _, dW, db = cs.conv_backward(2 * (answer - wanted) / wanted.size, cache)
    learnt, bias = learnt - 0.2 * dW, bias - 0.2 * db
print(learnt[:, :, 0, 0].round(4) + 0.0)  # + 0.0 makes -0 a 0
print(f"loss {losses[0]:.2f} -> {losses[-1]:.1e}")
curve = plots.curve(losses, title="A filter is found", xlabel="step")
plots.show(curve, OUT / "learnt.png")

# %% [markdown]
# ## Why no loop
# The windows written out as rows of a matrix (im2col) make the layer one product of
# matrices: the same numbers, sooner.

# %%
photo, filters = hand[np.newaxis, :64, :64] / 255, np.random.default_rng(1)
filters = filters.normal(size=(3, 3, 3, 8))
n = 31 if QUICK else 62


def loop():
    """The answers of 8 filters at n x n windows, one by one."""
    windows = (photo[0, h : h + 3, w : w + 3] for h in range(n) for w in range(n))
    found = [
        [cs.conv_single_step(a, filters[..., c], 0.0) for c in range(8)]
        for a in windows
    ]
    return np.reshape(found, (n, n, 8))


def product():
    """The same by `conv_forward`."""
    cut = photo[:, : n + 2, : n + 2]
    return cs.conv_forward(cut, filters, np.zeros((1, 1, 1, 8)), settings)[0][0]


print(f"largest difference: {np.abs(loop() - product()).max():.1e}")
# The least of several runs: whatever else the machine does only adds to a time.
slow = min(timeit.repeat(loop, number=1, repeat=3))
fast = min(timeit.repeat(product, number=1, repeat=20))
print(f"loop {1000 * slow:.0f} ms, product {1000 * fast:.2f} ms")
print(f"{slow / fast:.0f} times as fast")

# %% [markdown]
# ## One axis
# A heartbeat is a pattern in time. A filter shaped like one, slid along a noisy ECG,
# answers loudest at each beat. (Through a volume, such as a CT scan, `conv3d_forward`
# slides a cube in the same way.)

# %%
t = np.arange(-20, 21)
beat = np.exp(-((t / 2) ** 2)) - 0.3 * np.exp(-(((t - 6) / 3) ** 2))
beats = [60, 165, 262, 370]
ecg = np.random.default_rng(2).normal(0, 0.2, 440)
for place in beats:
    ecg[place - 20 : place + 21] += beat
answer, _ = cs.conv1d_forward(
    ecg[np.newaxis, :, np.newaxis],
    beat[:, np.newaxis, np.newaxis] / np.sum(beat**2),
    np.zeros((1, 1, 1)),
    {"stride": 1, "pad": 20},
)
loudest = answer[0, :, 0].reshape(4, 110).argmax(axis=1)  # of each quarter
print("beats at", *beats, "found at", *(loudest + 110 * np.arange(4)))
both = {"ECG": ecg, "what the filter says": answer[0, :, 0]}
ecg_curves = plots.curves(both, title="Heartbeats", xlabel="time", ylabel="")
plots.show(ecg_curves, OUT / "ecg.png")
