# %% [markdown]
# # Logistic regression: cat or not
#
# A single neuron takes all 12,288 numbers of a small photo and predicts whether it
# shows a cat. You will train it on 209 photos, look at its weights, and find out what
# an accuracy of 70 % means.
#
# The full run takes 5 seconds on one CPU core, `--quick` 3. On the course's photos it
# ends with the accuracies that the course prints: 99 % on the training photos and 70 %
# on 50 test photos. The weights that ship with the package, which were trained on
# synthetic pictures as well, reach 76 % on the test photos.

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
# The course's photos, 64 x 64 pixels, are not distributed with this package. If they
# are not available, the same number of synthetic pictures of cats and other objects
# replaces them, and the numbers below are different.

# %%
try:
    photos = cats.load_cats()
    kind = "photos"
except MissingFileError:
    photos = cats.Cats(*cats.make_cats(209), *cats.make_cats(50, seed=1), cats.CLASSES)
    kind = "synthetic pictures"
print(f"{len(photos.x)} {kind} for training, {photos.y.sum()} of them cats")
print(f"{len(photos.x_test)} for testing, {photos.y_test.sum()} of them cats")
chosen = [2, 7, 25, 3, 4]
titles = [f"{i}: {photos.classes[photos.y[i]]}" for i in chosen]
figure = plots.row(dict(zip(titles, photos.x[chosen], strict=True)))
plots.show(figure, OUT / "pictures.png")

# %% [markdown]
# Each picture becomes a column of numbers, divided by 255; m pictures are a matrix
# X (12288, m).

# %%
X, X_test = (x.reshape(len(x), -1).T / 255 for x in (photos.x, photos.x_test))
Y, Y_test = photos.y[np.newaxis], photos.y_test[np.newaxis]
print("X", X.shape, "Y", Y.shape)

# %% [markdown]
# ## The idea
# The neuron computes a weighted sum of the numbers and a bias, and the sigmoid turns it
# into the probability of a cat. The cost is the mean cross-entropy. Its gradient is a
# linear combination of the pictures, and the coefficient of each picture is the error
# of its prediction:
#
# $$A = \sigma(w^T X + b)\qquad
#   J = -\frac1m \sum_i y_i \log a_i + (1 - y_i) \log(1 - a_i)$$
# $$\frac{\partial J}{\partial w} = \frac1m X (A - Y)^T\qquad
#   \frac{\partial J}{\partial b} = \frac1m \sum_i (a_i - y_i)$$

# %%
w, b = lr.initialize_with_zeros(len(X))
grads, cost = lr.propagate(w, b, X, Y)
print(f"cost before the first step: {cost:.6f}, which is log 2 = {np.log(2):.6f}")

# %% [markdown]
# ## Training
# `lr.model` takes 2000 steps of gradient descent with learning rate 0.005. Each step is
# one matrix product over all pictures.

# %%
steps = 200 if QUICK else 2000
result = lr.model(X, Y, X_test, Y_test, steps, 0.005, print_cost=True)
curve = plots.curves(
    {"learning rate 0.005": result["costs"]}, title="Cat or not", every=100
)
plots.show(curve, OUT / "cost.png")

# %% [markdown]
# Since every gradient is a linear combination of the pictures, so is w: 209
# coefficients determine its 12,288 numbers. `lr.train` uses this dual form to compute
# the same steps about fifty times as fast; the costs are equal up to rounding.

# %%
network = lr.build_model()
losses = lr.train(network, (X, Y))
print(f"2000 steps: cost {losses[0]:.6f} -> {losses[-1]:.6f}")
gap = np.abs(np.subtract(result["costs"], losses[:steps:100])).max()
print(f"largest difference from the costs above: {gap:.1e}")

# %% [markdown]
# The learning rate matters. Of these three, the largest makes the cost oscillate at
# first and then is the fastest; with the smallest, the cost is still high at the end.

# %%
rates = {}
for rate in (0.01, 0.001, 0.0001):
    rates[rate] = lr.train(lr.build_model(), (X, Y), epochs=1500, learning_rate=rate)
figure = plots.curves(rates, title="Three learning rates")
plots.show(figure, OUT / "rates.png")

# %% [markdown]
# ## What an accuracy of 70 % means
# Two thirds of the course's test photos show a cat, so a classifier that always says
# "cat" has an accuracy of 66 %; this is the baseline for the 70 %. The gap between
# training and test accuracy is overfitting: 12,289 parameters were fitted to 209
# pictures.


# %%
def accuracy(model, X, Y):
    """The fraction of correct predictions."""
    return np.mean(lr.predict(**model, X=X) == Y)


print(f"training pictures: {accuracy(network, X, Y):.1%}")
print(f"test pictures:     {accuracy(network, X_test, Y_test):.1%}")
print(f"always 'cat':      {Y_test.mean():.1%}")

# %% [markdown]
# The weights can be shown as a picture, since each of them belongs to a pixel and a
# colour. Bright pixels are evidence for a cat.

# %%
weights = network["w"].reshape(cats.SIZE, cats.SIZE, 3)
scaled = (weights - weights.min()) / np.ptp(weights)
plots.show(plots.row({"the weights": scaled}), OUT / "weights.png")

# %% [markdown]
# ## The shipped weights
# They were trained on the photos and on 1000 synthetic pictures, so that they work for
# both.

# %%
shipped = lr.load_pretrained()
held_out = cats.make_cats(1000, seed=10_000)
synthetic = accuracy(shipped, held_out.x.reshape(1000, -1).T / 255, held_out.y)
test = accuracy(shipped, X_test, Y_test)
print(f"shipped weights, test pictures:                {test:.1%}")
print(f"shipped weights, held-out synthetic pictures:  {synthetic:.1%}")
question, image = lr.example()
answer = lr.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(lr.picture(image, answer), OUT / "answer.png")
