# %% [markdown]
# # Initialization
#
# The same network and the same data, with three initializations. You will see one that
# learns nothing, one whose first predictions are confident and wrong, and one that
# works, and the reason for each.
#
# The full run takes 3 seconds on one CPU core, `--quick` 2. Test accuracy: 50 % with
# zeros, 86 % with large random weights, 96 % with He initialization.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course2 import initialization as init

QUICK = "--quick" in sys.argv
OUT = Path("out/initialization")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Two rings, with 300 training and 100 test points: synthetic, and exactly the points of
# the course.

# %%
data = init.load_data()
print("x", data.x.shape, "x_test", data.x_test.shape, f"{data.y.mean():.0%} inner ring")

# %% [markdown]
# ## The idea
# A unit adds n[l-1] weighted numbers. If each weight has variance v, the variance of
# the sum is v n[l-1] times the mean square of the numbers, and a ReLU then sets half of
# the sums to zero. So the mean square of the activations is the same in all layers if
#
# $$W^{[l]} \sim \mathcal N(0, 1)\cdot\sqrt{\frac{2}{n^{[l-1]}}}\qquad b^{[l]} = 0$$
#
# (He et al. 2015). With other variances, in ten layers of 100 units:

# %%
rng = np.random.default_rng(0)
for name, variance in (("1 / n", 1 / 100), ("2 / n", 2 / 100), ("4 / n", 4 / 100)):
    A, sizes = rng.normal(size=(100, 500)), []
    for _ in range(10):
        A = init.relu(rng.normal(size=(100, 100)) * np.sqrt(variance) @ A)
        sizes.append(np.sqrt(np.mean(A**2)))
    print(f"variance {name}: layer 1 {sizes[0]:.2f}, layer 10 {sizes[-1]:.3g}")

# %% [markdown]
# ## Three initializations
# Layers of 10, 5 and 1 units.
#
# * **Zeros.** All units of a layer compute the same, get the same gradient and remain
#   the same. Here it is even worse: where all ReLUs are at zero, the gradient is zero.
# * **Random, normal times ten.** The output unit is saturated, near 0 or 1, and often
#   wrong. The first costs are large, or infinite where a probability is rounded to 0.
#   The derivative of the saturated sigmoid is small, so learning is slow.
# * **He.**

# %%
epochs = 8000 if QUICK else 15_000
curves, networks = {}, {}
for name in ("zeros", "random", "he"):
    network = networks[name] = init.build_model(name)
    curves[name] = init.train(network, data, epochs=epochs)
    train = np.mean(init.predict_dec(network, data.x) == data.y)
    test = np.mean(init.predict_dec(network, data.x_test) == data.y_test)
    first, last = curves[name][0], curves[name][-1]
    print(
        f"{name:6} cost {first:.4f} -> {last:.4f}, accuracy: training {train:.1%}, "
        f"test {test:.1%}"
    )
figure = plots.curves(curves, title="Three initializations")
figure.axes[0].set_ylim(0, 1.2)
plots.show(figure, OUT / "cost.png")

# %%
for name, network in networks.items():
    figure = plots.decision_boundary(
        lambda X, network=network: init.predict_dec(network, X),
        data.x_test,
        data.y_test,
        title=f"Initialization: {name}; the test points",
    )
    plots.show(figure, OUT / f"{name}.png")

# %% [markdown]
# ## Symmetry
# The problem of zero weights is not that they are zero, but that they are equal. Biases
# may be zero, since random weights make the units different. The rank of W1 is the
# number of independent directions among the weights of its ten units; for points of the
# plane it is at most two.

# %%
for name, network in networks.items():
    print(f"{name:6} W1 has rank {np.linalg.matrix_rank(network['W1'])}")

# %% [markdown]
# ## The answer

# %%
for point in ("0, -1", "0.8, 0"):
    answer = init.infer(networks["he"], point)
    print(f"({point}): {answer}, {answer.confidence:.1%}")
plots.show(init.picture("0.8, 0", answer), OUT / "answer.png")
