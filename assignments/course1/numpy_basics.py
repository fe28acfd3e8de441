# %% [markdown]
# # Python basics with NumPy
#
# Every network of this course is built from a few lines of NumPy. You will see what
# they compute, where the textbook formulas overflow, and how much faster one array
# expression is than a loop over its numbers.
#
# Nothing is trained: the run takes one second on one CPU core, with `--quick` a little
# less. The main result is the speed of the array expression: for a dot product of a
# million numbers it is 350 to 1800 times as fast as the loop, depending on the
# processor.

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
# It maps any number to a probability:
#
# $$\sigma(x) = \frac{1}{1 + e^{-x}}\qquad \sigma'(x) = \sigma(x)\,(1 - \sigma(x))$$
#
# `math.exp` takes one number, `np.exp` a whole array. The lesson begins with the first
# to show the advantage of the second.

# %%
print(nb.basic_sigmoid(1))
try:
    nb.basic_sigmoid([1, 2, 3])
except TypeError as error:
    print(f"a list: {error}")
print(nb.sigmoid(np.array([1, 2, 3])))

# %% [markdown]
# In the formula above, the sigmoid of -1000 needs $e^{1000}$, which is too large for a
# float64: NumPy warns of an overflow. For negative x the equal formula
# $e^x / (1 + e^x)$ does not overflow; `nb.sigmoid` always uses the formula whose
# exponent is not positive.

# %%
with np.errstate(over="ignore"):
    print(f"e^1000 = {np.exp(1000.0)}, sigmoid(-1000) = {nb.sigmoid(-1000.0)}")

# %% [markdown]
# The derivative is at most 1/4, and far from zero it is almost 0: a saturated unit
# learns nothing. Course 2 returns to this topic with the initialization of networks.

# %%
x = np.linspace(-8, 8, 401)
figure = Figure(figsize=(5, 3.2), layout="constrained")
axes = figure.subplots()
axes.plot(x, nb.sigmoid(x), label="sigmoid")
axes.plot(x, nb.sigmoid_derivative(x), label="derivative")
axes.set(title="The sigmoid", xlabel="x", ylabel="value")
axes.grid(alpha=0.3)
axes.legend()
plots.show(figure, OUT / "sigmoid.png")

# %% [markdown]
# ## A picture as a vector
# A photo is an array (height, width, 3); the first networks take one column of numbers.
# `reshape` returns it without copying any of them. (This picture is synthetic.)

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
# The norms are a column (m, 1), and NumPy repeats it for every column of x (m, n).
# `keepdims=True` keeps them a column. Without it their shape is (m,), which broadcasts
# along the wrong axis, or raises an error.

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
# A frequent mistake: an array of shape (5,) is neither a row nor a column. Its
# transpose is the array itself, and "column times row" is a single number. Use the
# shapes (5, 1) and (1, 5), as the course does.

# %%
flat = np.arange(5.0)
column = flat.reshape(5, 1)
print("flat:  ", flat.T.shape, np.dot(flat, flat.T))
print("column:", column.T.shape, np.dot(column, column.T).shape)

# %% [markdown]
# ## Losses
# How far predictions are from the truth, as the sum of the absolute differences or of
# their squares:
#
# $$L_1 = \sum_i |y_i - \hat y_i|\qquad L_2 = \sum_i (y_i - \hat y_i)^2$$

# %%
y_hat, y = np.array([0.9, 0.2, 0.1, 0.4, 0.9]), np.array([1, 0, 0, 1, 1])
print(f"L1 {nb.L1(y_hat, y):.2f}, L2 {nb.L2(y_hat, y):.2f}")

# %% [markdown]
# ## Speed
# The same dot product, in a loop and as one array expression.

# %%
m = 200_000 if QUICK else 1_000_000
a, b = np.random.default_rng(0).random((2, m))


def loop():
    """The sum of a[i] * b[i], one by one."""
    total = 0.0
    for i in range(m):
        total += a[i] * b[i]
    return total


# The minimum of several runs, because other work of the machine only adds time.
slow = min(timeit.repeat(loop, number=1, repeat=3))
fast = min(timeit.repeat(lambda: np.dot(a, b), number=1, repeat=30))
print(f"{m:,} products: loop {1000 * slow:.0f} ms, NumPy {1000 * fast:.2f} ms")
print(f"NumPy is {slow / fast:.0f} times as fast")
