# %% [markdown]
# # Initialization
#
# The same network, the same data, three starts. You will see one of them learn nothing,
# one begin by being wrong and sure of it, and one that works, and the reason for each.
#
# The full run takes 3 seconds of one CPU core, `--quick` 2. Test accuracy: 50 % from
# zeros, 86 % from large random weights, 96 % from He's.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course2 import initialization as start

QUICK = "--quick" in sys.argv
OUT = Path("out/initialization")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Two rings, 300 points to learn from and 100 to test on: generated, point for point the
# course's.

# %%
data = start.load_data()
print("x", data.x.shape, "x_test", data.x_test.shape, f"{data.y.mean():.0%} inner ring")

# %% [markdown]
# ## The idea
# A layer sums n[l-1] numbers. If each weight has variance v, the sum's variance is that
# of the numbers times v n[l-1], and a ReLU then silences half of it. So the signal
# keeps its size from layer to layer if
#
# $$W^{[l]} \sim \mathcal N(0, 1)\cdot\sqrt{\frac{2}{n^{[l-1]}}}\qquad b^{[l]} = 0$$
#
# (He et al. 2015). What happens otherwise, through ten layers of 100 units:

# %%
draw = np.random.default_rng(0)
for name, scale in (("1 / n", 1 / 100), ("2 / n", 2 / 100), ("4 / n", 4 / 100)):
    A, spreads = draw.normal(size=(100, 500)), []
    for _ in range(10):
        A = start.relu(draw.normal(size=(100, 100)) * np.sqrt(scale) @ A)
        spreads.append(np.sqrt(np.mean(A**2)))
    print(f"variance {name}: layer 1 {spreads[0]:.2f}, layer 10 {spreads[-1]:.3g}")

# %% [markdown]
# ## Three starts
# Layers of 10, 5 and 1 units.
#
# * **Zeros.** All units of a layer compute the same, get the same gradient and stay the
#   same. Here it is worse: behind a ReLU at zero no gradient passes at all.
# * **Random, ten times a normal draw.** The last unit starts saturated, near 0 or 1,
#   and is sure where it is wrong. The first costs are large, or infinite where a
#   probability is 0 to the last bit; and the sigmoid's flat ends learn slowly.
# * **He's.**

# %%
epochs = 8000 if QUICK else 15_000
curves, networks = {}, {}
for name in ("zeros", "random", "he"):
    network = networks[name] = start.build_model(name)
    curves[name] = start.train(network, data, epochs=epochs)
    learnt = np.mean(start.predict_dec(network, data.x) == data.y)
    test = np.mean(start.predict_dec(network, data.x_test) == data.y_test)
    first, last = curves[name][0], curves[name][-1]
    print(
        f"{name:6} cost {first:.4f} -> {last:.4f}, learnt {learnt:.1%}, test {test:.1%}"
    )
figure = plots.curves(curves, title="Three starts")
figure.axes[0].set_ylim(0, 1.2)
plots.show(figure, OUT / "cost.png")

# %%
for name, network in networks.items():
    figure = plots.decision_boundary(
        lambda X, network=network: start.predict_dec(network, X),
        *(data.x_test, data.y_test),
        title=f"Start: {name}; the test points",
    )
    plots.show(figure, OUT / f"{name}.png")

# %% [markdown]
# ## Symmetry
# Not the zeros are the trouble with a zero start but that they are all alike. Biases
# may be zero, since random weights tell the units apart. The rank of W1 counts how many
# different directions its ten units look in; there can be two.

# %%
for name, network in networks.items():
    print(f"{name:6} W1 has rank {np.linalg.matrix_rank(network['W1'])}")

# %% [markdown]
# ## The answer

# %%
for point in ("0.8, 0", "0, -1"):
    answer = start.infer(networks["he"], point)
    print(f"({point}): {answer}, {answer.confidence:.1%}")
plots.show(start.picture(networks["he"], "0.8, 0"), OUT / "answer.png")
