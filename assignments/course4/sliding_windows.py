# %% [markdown]
# # Sliding windows in one pass
#
# A classifier of small pictures becomes a finder in large ones when its window slides
# over them. You will see that all windows together are one convolution, how much time
# that saves, and digits found among scribbles.
#
# Pretrained weights answer in seconds: F1 0.968 on 200 canvases with MNIST's test
# digits, 0.997 with drawn ones. They took two rounds of training, 3.3 minutes on two
# CPU cores shared with other work; the full script makes the first one and ends at
# 0.757, after 70 seconds in all. `--quick` learns from 40 canvases, in 14 seconds.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import sliding_windows as sw
from dls_keras.datasets import digits

QUICK = "--quick" in sys.argv
OUT = Path("out/sliding_windows")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Canvases of 160 x 240 with digits of several sizes, and scribbles between them. The
# digits are MNIST's or, where they are not at hand, drawn.

# %%
try:
    mnist = digits.load_digits()
    source, unseen = (mnist.x, mnist.y), (mnist.x_test, mnist.y_test)
    kind = "written"
except MissingFileError:
    source, unseen = digits.make_digits(500), digits.make_digits(200, seed=9)
    kind = "drawn"
canvases = digits.make_canvases(40, source)
tests = digits.make_canvases(6 if QUICK else 200, unseen, seed=10_000)
print(f"{kind} digits, as on the first canvas: {canvases.labels[0]}")
labels = [str(label) for label in canvases.labels[0]]
figure = plots.boxes(canvases.images[0], canvases.boxes[0], labels)
plots.show(figure, OUT / "canvas.png")

# %% [markdown]
# From them come windows of 28 x 28: with a digit that fills them, or with none, an
# eleventh class. Windows that hold half a digit are neither, and left out.

# %%
rng = np.random.default_rng(0)
parts = [sw.cut_windows(*scene, rng) for scene in zip(*canvases, strict=True)]
windows = sw.Windows(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))
names = (*sw.CLASSES, "nothing")
titles = [f"{i}: {names[windows.y[i]]}" for i in range(40, 48)]
figure = plots.row(dict(zip(titles, windows.x[40:48], strict=True)))
plots.show(figure, OUT / "windows.png")

# %% [markdown]
# ## Learning

# %%
detector = sw.build_model()
lesson = windows if QUICK or kind == "drawn" else sw.load_data()
print(f"{len(lesson.x)} windows, {np.mean(lesson.y == sw.NOTHING):.0%} with nothing")
losses = sw.train(detector, lesson, epochs=8 if QUICK else 12)
curve = plots.curve(losses, title="Windows", ylabel="nats per window")
plots.show(curve, OUT / "loss.png")

# %% [markdown]
# ## The idea
# A dense layer behind a Flatten of h x w x n_C numbers is a convolution whose window is
# h x w, with the same weights:
#
# $$W^T\,\mathrm{flatten}(A) + b = (A * K)_{0,0} + b\qquad
#   K = W \text{ as } (h, w, n_C, units)$$
#
# So the whole classifier is convolutions and poolings, and those take pictures of any
# size. Given the canvas it answers for every window at once.

# %%
model = detector.model
network = sw.convolutional(model)
x = tests.images[:1, ..., np.newaxis].astype("float32") / 255
for one, other in zip(model.layers[-3:], network.layers[-3:], strict=True):
    print(f"{type(one).__name__:8} {one.output.shape} -> {type(other).__name__}")
print(f"a window {model.input_shape[1:]} -> {model.output_shape[1:]}")
print(f"a canvas {x.shape[1:]} -> {tuple(network(x).shape[1:])}")
print(f"windows are {sw.stride(model)} pixels apart, as poolings go")

# %% [markdown]
# Crop by crop, neighbours repeat nearly all of each other's work. The answers agree up
# to rounding; how much sooner they are there depends on the machine, how much is
# multiplied does not.

# %%
times, difference = sw.speed_up(model, x, rounds=3 if QUICK else 7)
n = int(np.prod(sw.crops(model, x).shape[1:3]))
alone = n * sw.multiplications(model, sw.SIZE, sw.SIZE)
together = sw.multiplications(model, *x.shape[1:3])
print(f"{n} windows; largest difference {difference:.1e}")
print(f"one pass is {times:.0f} times as fast,")
print(f"and multiplies {together:,} times in place of {alone:,}")

# %% [markdown]
# ## Large and small
# The window stays 28 x 28, the canvas shrinks by a fifth again and again. At each size
# windows with a digit answer in clusters; of those that overlap the best is kept. The
# detector that learnt here, then the weights that ship, which learnt from twenty times
# as many windows and, in a second round, from their own mistakes.

# %%
shipped = sw.load_pretrained()
for name, one in (("trained here", detector), ("shipped", shipped)):
    score = sw.found_and_read(one, tests)
    print(f"{name}: F1 {score:.3f} on {len(tests.images)} canvases")
question, canvas = sw.example()
boxes, scores, classes = sw.infer(shipped, canvas)
print(question, *(shipped.classes[k] for k in classes))
plots.show(sw.picture(shipped, canvas), OUT / "answer.png")

# %% [markdown]
# ## What it cannot do
# Windows are squares without a context: digits that touch share one, and what it was
# not taught to be nothing can look like a digit. Here is a plain grid of lines.

# %%
grid = np.zeros((160, 240), "uint8")
grid[20::40] = grid[21::40] = 255
grid[:, 30::45] = grid[:, 31::45] = 255
boxes, scores, classes = sw.infer(shipped, grid)
seen = [f"{shipped.classes[k]} {s:.0%}" for k, s in zip(classes, scores, strict=True)]
print(f"in a grid of lines it sees {len(boxes)} digits:", *seen[:4])
plots.show(sw.picture(shipped, grid), OUT / "grid.png")
