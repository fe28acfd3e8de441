# %% [markdown]
# # Python basics with NumPy
#
# A dozen lines of NumPy stand at the bottom of every network of this course. You will
# see what they compute, where the textbook's formulas break, and how much faster one
# array expression is than a loop over its numbers.
#
# Nothing is trained: it takes one second of one CPU core, with `--quick` a little less.
# The number that comes out is how many times faster the array expression is: 350 to
# 1800 by the processor, for a dot product of a million numbers.

# %%
import sys
import timeit
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.course1 import numpy_basics as nb
from dls_keras.datasets import cats

QUICK = "--quick" in sys.argv
OUT = Path("out/numpy_basics")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The sigmoid
# It squashes any number into a probability:
#
# $$\sigma(x) = \frac{1}{1 + e^{-x}}\qquad \sigma'(x) = \sigma(x)\,(1 - \sigma(x))$$
#
# `math.exp` takes one number, `np.exp` a whole array. The lesson begins with the first
# to show why one wants the second.

# %%
print(nb.basic_sigmoid(1))
try:
    nb.basic_sigmoid([1, 2, 3])
except TypeError as error:
    print(f"a list: {error}")
print(nb.sigmoid(np.array([1, 2, 3])))

# %% [markdown]
# Written down as above, the sigmoid of -1000 asks for $e^{1000}$, which no float64
# holds: NumPy warns of an overflow. For negative x the equal form
# $e^x / (1 + e^x)$ has no such trouble, and `nb.sigmoid` takes whichever exponent is
# not positive.

# %%
with np.errstate(over="ignore"):
    print(f"e^1000 = {np.exp(1000.0)}, sigmoid(-1000) = {nb.sigmoid(-1000.0)}")

# %% [markdown]
# The slope is at most 1/4, and far from zero there is none: a saturated unit learns
# nothing. Course 2 returns to this when it chooses a network's first weights.

# %%
x = np.linspace(-8, 8, 401)
figure = Figure(figsize=(5, 3.2), layout="constrained")
axes = figure.subplots()
axes.plot(x, nb.sigmoid(x), label="sigmoid")
axes.plot(x, nb.sigmoid_derivative(x), label="its slope")
axes.set(title="The sigmoid", xlabel="x", ylabel="value")
axes.grid(alpha=0.3)
axes.legend()
plots.show(figure, OUT / "sigmoid.png")

# %% [markdown]
# ## A picture as a vector
# A photo is an array (height, width, 3); the first networks want one column of numbers.
# `reshape` makes it without copying any of them. (The picture is drawn by our own
# generator.)

# %%
picture = cats.make_cats(10, seed=2).x[0]
column = nb.image2vector(picture)
print(f"{picture.shape} -> {column.shape}")
print("the same numbers in memory:", np.shares_memory(picture, column))
plots.show(plots.row({"64 x 64 x 3": picture}), OUT / "picture.png")

# %% [markdown]
# ## Broadcasting
# Each row divided by its length, and each row turned into probabilities:
#
# $$x_i \leftarrow \frac{x_i}{\lVert x_i\rVert}\qquad
#   \mathrm{softmax}(x)_{ij} = \frac{e^{x_{ij}}}{\sum_k e^{x_{ik}}}$$
#
# The norms are a column (m, 1), and NumPy stretches it over the columns of x (m, n).
# `keepdims=True` is what keeps it a column; without it they are a plain (m,), which
# broadcasts along the wrong axis, or not at all.

# %%
rows = np.array([[0.0, 3.0, 4.0], [2.0, 6.0, 4.0]])
print("norms", np.linalg.norm(rows, axis=1, keepdims=True).ravel())
print(nb.normalize_rows(rows))
scores = np.array([[9.0, 2.0, 5.0, 0.0, 0.0]])
probabilities = nb.softmax(scores)[0]
print("softmax", *(f"{p:.4f}" for p in probabilities), "sum", probabilities.sum())
names = [f"score {score:g} ({place})" for place, score in enumerate(scores[0], start=1)]
bars = plots.probabilities(
    dict(zip(names, probabilities, strict=True)), title="Softmax of five scores"
)
plots.show(bars, OUT / "softmax.png")

# %% [markdown]
# A trap that costs more evenings than any other: an array of shape (5,) is neither a
# row nor a column. Its transpose is itself, and "column times row" becomes one number.
# Write (5, 1) or (1, 5), as the course does, and the shapes tell you where you are.

# %%
flat = np.arange(5.0)
column = flat.reshape(5, 1)
print("flat:  ", flat.T.shape, np.dot(flat, flat.T))
print("column:", column.T.shape, np.dot(column, column.T).shape)

# %% [markdown]
# ## Losses
# How far a guess is from the truth, as the sum of distances or of their squares:
#
# $$L_1 = \sum_i |y_i - \hat y_i|\qquad L_2 = \sum_i (y_i - \hat y_i)^2$$

# %%
y_hat, y = np.array([0.9, 0.2, 0.1, 0.4, 0.9]), np.array([1, 0, 0, 1, 1])
print(f"L1 {nb.L1(y_hat, y):.2f}, L2 {nb.L2(y_hat, y):.2f}")

# %% [markdown]
# ## Why all this: speed
# The same dot product, a number at a time and at once.

# %%
m = 200_000 if QUICK else 1_000_000
a, b = np.random.default_rng(0).random((2, m))


def loop():
    """The sum of a[i] * b[i], one by one."""
    total = 0.0
    for i in range(m):
        total += a[i] * b[i]
    return total


# The least of several runs: whatever else the machine does only adds to a time.
slow = min(timeit.repeat(loop, number=1, repeat=3))
fast = min(timeit.repeat(lambda: np.dot(a, b), number=1, repeat=30))
print(f"{m:,} products: loop {1000 * slow:.0f} ms, NumPy {1000 * fast:.2f} ms")
print(f"NumPy is {slow / fast:.0f} times as fast")
