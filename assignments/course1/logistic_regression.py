# %% [markdown]
# # Logistic regression: cat or not
#
# One neuron looks at all 12,288 numbers of a small photo at once and says whether there
# is a cat. You will see it learn from 209 photos, look at what it has learnt, and find
# out how much an accuracy of 70 % is worth.
#
# The full run takes 5 seconds of one CPU core, `--quick` 3. On the course's photos it
# ends as the course prints it: 99 % of the photos learnt from are right, and 70 % of 50
# others. The weights that ship with the package learnt from drawn pictures, too, and
# read 76 %.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course1 import logistic_regression as lr
from dls_keras.datasets import cats

QUICK = "--quick" in sys.argv
OUT = Path("out/logistic_regression")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The course's photos, 64 x 64 pixels, are not ours to hand out. Where they are not at
# hand, our own generator draws as many pictures of cats and of other things; every
# number below is then another one.

# %%
try:
    photos = cats.load_cats()
    kind = "photos"
except MissingFileError:
    photos = cats.Cats(*cats.make_cats(209), *cats.make_cats(50, seed=1), cats.CLASSES)
    kind = "drawn pictures"
print(f"{len(photos.x)} {kind} to learn from, {photos.y.sum()} of them cats")
print(f"{len(photos.x_test)} to test on, {photos.y_test.sum()} of them cats")
chosen = [2, 7, 25, 3, 4]
titles = [f"{i}: {photos.classes[photos.y[i]]}" for i in chosen]
figure = plots.row(dict(zip(titles, photos.x[chosen], strict=True)))
plots.show(figure, OUT / "pictures.png")

# %% [markdown]
# Each picture becomes a column, its numbers divided by 255; m pictures are a matrix
# X (12288, m).

# %%
X, X_test = (x.reshape(len(x), -1).T / 255 for x in (photos.x, photos.x_test))
Y, Y_test = photos.y[np.newaxis], photos.y_test[np.newaxis]
print("X", X.shape, "Y", Y.shape)

# %% [markdown]
# ## The idea
# The neuron weighs the numbers, adds a bias and squashes the sum into the probability
# of a cat. The cost is the mean surprise at the true labels, and its gradient is a
# mixture of the pictures, each as strong as the neuron was wrong about it:
#
# $$A = \sigma(w^T X + b)\qquad
#   J = -\frac1m \sum_i y_i \log a_i + (1 - y_i) \log(1 - a_i)$$
# $$\frac{\partial J}{\partial w} = \frac1m X (A - Y)^T\qquad
#   \frac{\partial J}{\partial b} = \frac1m \sum_i (a_i - y_i)$$

# %%
w, b = lr.initialize_with_zeros(len(X))
grads, cost = lr.propagate(w, b, X, Y)
print(f"cost before any step: {cost:.6f}, which is log 2 = {np.log(2):.6f}")

# %% [markdown]
# ## Learning
# `lr.model` walks down that gradient, 2000 steps of length 0.005, with one matrix
# product per step over all pictures.

# %%
steps = 200 if QUICK else 2000
learnt = lr.model(X, Y, X_test, Y_test, steps, 0.005, print_cost=True)
curve = plots.curves({"steps of 0.005": learnt["costs"]}, title="Cat or not", every=100)
plots.show(curve, OUT / "cost.png")

# %% [markdown]
# Since every gradient is a mixture of the pictures, w is one, too, and 209 numbers are
# enough to follow all 12,288. `lr.train` walks the same way in that form, equal in
# every cost up to rounding, some fifty times as fast.

# %%
network = lr.build_model()
losses = lr.train(network, (X, Y))
print(f"2000 steps: cost {losses[0]:.6f} -> {losses[-1]:.6f}")
apart = np.abs(np.subtract(learnt["costs"], losses[:steps:100])).max()
print(f"largest difference to the costs above: {apart:.1e}")

# %% [markdown]
# The step length matters. Of these three the longest jumps across the valley and back
# before it settles, and then is the first to arrive; the shortest is still on its way.

# %%
rates = {}
for rate in (0.01, 0.001, 0.0001):
    rates[rate] = lr.train(lr.build_model(), (X, Y), epochs=1500, learning_rate=rate)
figure = plots.curves(rates, title="Three learning rates")
plots.show(figure, OUT / "rates.png")

# %% [markdown]
# ## What it is worth
# Two thirds of the course's test photos show a cat, so whoever always says "cat" is
# right on 66 % of them: that is what 70 % has to be compared with. The gap between
# training and test is overfitting: 12,289 numbers were fitted to 209 pictures.


# %%
def accuracy(model, X, Y):
    """The share of right answers."""
    return np.mean(lr.predict(**model, X=X) == Y)


print(f"learnt pictures: {accuracy(network, X, Y):.1%}")
print(f"test pictures:   {accuracy(network, X_test, Y_test):.1%}")
print(f"always 'cat':    {Y_test.mean():.1%}")

# %% [markdown]
# The weights can be looked at, since each belongs to a pixel and a colour. Bright is
# what speaks for a cat.

# %%
weights = network["w"].reshape(cats.SIZE, cats.SIZE, 3)
scaled = (weights - weights.min()) / np.ptp(weights)
plots.show(plots.row({"the weights": scaled}), OUT / "weights.png")

# %% [markdown]
# ## The weights that ship with the package
# They learnt from the photos and from 1000 drawn pictures, so that they can answer
# about either.

# %%
shipped = lr.load_pretrained()
drawn = cats.make_cats(1000, seed=10_000)
right = accuracy(shipped, drawn.x.reshape(1000, -1).T / 255, drawn.y)
print(
    f"shipped weights, test pictures:          {accuracy(shipped, X_test, Y_test):.1%}"
)
print(f"shipped weights, drawn pictures unseen:  {right:.1%}")
question, image = lr.example()
answer = lr.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(lr.picture(shipped, image), OUT / "answer.png")
