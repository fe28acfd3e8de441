# %% [markdown]
# # Sliding windows in one pass
#
# A classifier of small images becomes a detector when it is applied to every window of
# a large image. You will see that all windows together are one convolution, how much
# time this saves, and digits detected among scribbles.
#
# Pretrained weights are included: F1 0.968 on 200 canvases with MNIST's test digits,
# 0.997 with synthetic digits. They took two rounds of training, 3.3 minutes on two CPU
# cores shared with other work. The full script runs the first round and ends at 0.757,
# after 70 seconds in all. `--quick` trains on 40 canvases and takes 14 seconds.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import sliding_windows as sw
from dls_keras.datasets import digit_windows, digits

QUICK = "--quick" in sys.argv
OUT = Path("out/sliding_windows")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Canvases of 160 x 240 pixels with digits of several sizes, and scribbles between them.
# The digits are MNIST's or, if these are not available, synthetic.

# %%
try:
    mnist = digits.load_digits()
    source, held_out = (mnist.x, mnist.y), (mnist.x_test, mnist.y_test)
    kind = "handwritten"
except MissingFileError:
    source, held_out = digits.make_digits(500), digits.make_digits(200, seed=9)
    kind = "synthetic"
canvases = digits.make_canvases(40, source)
tests = digits.make_canvases(6 if QUICK else 200, held_out, seed=10_000)
print(f"{kind} digits; on the first canvas: {canvases.labels[0]}")
labels = [str(label) for label in canvases.labels[0]]
figure = plots.boxes(canvases.images[0], canvases.boxes[0], labels)
plots.show(figure, OUT / "canvas.png")

# %% [markdown]
# The classifier is trained on windows of 28 x 28 pixels: with a digit that fills the
# window, or without a digit, which is the eleventh class, the background. Windows that
# contain half a digit are not used.

# %%
rng = np.random.default_rng(0)
parts = [
    digit_windows.sample_windows(*canvas, rng) for canvas in zip(*canvases, strict=True)
]
windows = sw.Windows(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
names = (*sw.CLASSES, "background")
titles = [f"{i}: {names[windows.y[i]]}" for i in range(40, 48)]
figure = plots.row(dict(zip(titles, windows.x[40:48], strict=True)))
plots.show(figure, OUT / "windows.png")

# %% [markdown]
# ## Training

# %%
detector = sw.build_model()
data = windows if QUICK or kind == "synthetic" else sw.load_data()
print(f"{len(data.x)} windows, {np.mean(data.y == sw.BACKGROUND):.0%} background")
losses = sw.train(detector, data, epochs=8 if QUICK else 12)
curve = plots.curve(losses, title="Windows", ylabel="cross-entropy (nats)")
plots.show(curve, OUT / "loss.png")

# %% [markdown]
# ## The idea
# A dense layer after a Flatten of h x w x n_C numbers is a convolution with a kernel of
# h x w and the same weights:
#
# $$W^T\,\mathrm{flatten}(A) + b = (A * K)_{0,0} + b\qquad
#   K = W \text{ as } (h, w, n_C, units)$$
#
# So the whole classifier consists of convolutions and poolings, which accept images of
# any size. Applied to the canvas, it classifies all windows at once.

# %%
model = detector.model
network = sw.convolutional(model)
x = tests.images[:1, ..., np.newaxis].astype("float32") / 255
for one, other in zip(model.layers[-3:], network.layers[-3:], strict=True):
    print(f"{type(one).__name__:8} {one.output.shape} -> {type(other).__name__}")
print(f"a window {model.input_shape[1:]} -> {model.output_shape[1:]}")
print(f"a canvas {x.shape[1:]} -> {tuple(network(x).shape[1:])}")
print(f"windows are {sw.stride(model)} pixels apart: the strides of the poolings")

# %% [markdown]
# If each window is cropped and classified separately, neighbouring windows repeat
# almost all of the computation. The outputs agree up to rounding. The speed-up depends
# on the machine, the number of multiplications does not.

# %%
times, difference = sw.speed_up(model, x, rounds=3 if QUICK else 7)
n = int(np.prod(sw.crops(model, x).shape[1:3]))
separate = n * sw.multiplications(model, sw.SIZE, sw.SIZE)
together = sw.multiplications(model, *x.shape[1:3])
print(f"{n} windows; largest difference {difference:.1e}")
print(f"one pass is {times:.0f} times faster,")
print(f"with {together:,} multiplications instead of {separate:,}")

# %% [markdown]
# ## Several scales
# The window always has 28 x 28 pixels, while the canvas is reduced by a factor of 1.2
# again and again (an image pyramid). At each size, windows with a digit form clusters;
# of windows that overlap, the best is kept. First the detector trained here, then the
# pretrained weights. These had a second round of training with hard negatives:
# background that the first round took for digits.

# %%
pretrained = sw.load_pretrained()
for name, one in (("trained here", detector), ("pretrained", pretrained)):
    score = sw.f1_on(one, tests)
    print(f"{name}: F1 {score:.3f} on {len(tests.images)} canvases")
question, canvas = sw.example()
answer = sw.infer(pretrained, canvas)
print(question, answer)
plots.show(sw.picture(canvas, answer), OUT / "answer.png")

# %% [markdown]
# ## Limits
# Windows are squares without context: digits that touch share a window, and shapes that
# were not in the training set can be classified as digits. An example is a regular grid
# of lines.

# %%
grid = np.zeros((160, 240), "uint8")
grid[20::40] = grid[21::40] = 255
grid[:, 30::45] = grid[:, 31::45] = 255
answer = sw.infer(pretrained, grid)
print(f"in a grid of lines: {answer}")
plots.show(sw.picture(grid, answer), OUT / "grid.png")
