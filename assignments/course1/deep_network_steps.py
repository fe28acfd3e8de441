# %% [markdown]
# # A deep network, step by step
#
# The parts of which any deep network is made: a layer forward, a layer backward, and
# the loops around them. You will see the numbers go up through three layers and their
# gradients come down again, check them against the definition of the derivative, and
# assemble a network that learns.
#
# The full run takes 2 seconds of one CPU core, so does `--quick` with fewer steps. At
# the end a network of 2, 8 and 1 units gets 96 % of 2000 points right that it has never
# seen, on two moons that reach into each other; a single neuron has 87 %.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course1 import deep_network_steps as steps
from dls_keras.datasets import planar

QUICK = "--quick" in sys.argv
OUT = Path("out/deep_network_steps")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The shapes
# Layer l takes n[l-1] numbers an example and gives n[l]. Examples stand side by side as
# columns, so the same W serves all of them, and b is stretched over the columns.
#
# $$Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}\qquad A^{[l]} = g^{[l]}(Z^{[l]})$$

# %%
layer_dims = [5, 4, 3, 1]
parameters = steps.initialize_parameters_deep(layer_dims)
for name, value in parameters.items():
    print(name, value.shape)

# %% [markdown]
# ## One layer forward
# A linear part, then a bend: ReLU in hidden layers, the sigmoid in the last. Each also
# hands back what it will need on the way back, its cache.

# %%
draw = np.random.default_rng(0)
X, Y = draw.normal(size=(5, 6)), np.array([[1, 0, 1, 1, 0, 0]])
Z, linear_cache = steps.linear_forward(X, parameters["W1"], parameters["b1"])
A, activation_cache = steps.relu(Z)
print("X", X.shape, "-> Z1", Z.shape, "-> A1", A.shape)
print(f"ReLU silenced {np.mean(A == 0):.0%} of the {A.size} numbers")

# %% [markdown]
# ## All layers forward
# L - 1 times linear and ReLU, once linear and sigmoid; then the cost,
#
# $$J = -\frac1m \sum_i y_i \log a_i^{[L]} + (1 - y_i) \log(1 - a_i^{[L]})$$

# %%
AL, caches = steps.L_model_forward(X, parameters)
print("AL", AL.shape, AL.round(4))
print(f"{len(caches)} caches, cost {steps.compute_cost(AL, Y):.6f}")

# %% [markdown]
# ## All layers backward
# What the caches are for. Given the gradient of a layer's output, it gives those of its
# parameters and hands down that of its input:
#
# $$dZ^{[l]} = dA^{[l]} * g^{[l]\prime}(Z^{[l]})\qquad
#   dW^{[l]} = \frac1m dZ^{[l]} A^{[l-1]T}\qquad
#   db^{[l]} = \frac1m \sum_i dZ^{[l](i)}\qquad
#   dA^{[l-1]} = W^{[l]T} dZ^{[l]}$$
#
# The mean in db goes over the examples, the columns: `axis=1, keepdims=True`. (An early
# version of the notebook summed over the units there, and printed values to match.)

# %%
grads = steps.L_model_backward(AL, Y, caches)
for name in sorted(grads):
    print(name, grads[name].shape)

# %% [markdown]
# ## Is it the gradient?
# Nudge one weight up and down: the cost must change by the nudge times the gradient.

# %%


def cost_with(change):
    """The cost once W2[1, 2] has been moved."""
    moved = parameters | {"W2": parameters["W2"].copy()}
    moved["W2"][1, 2] += change
    return steps.compute_cost(steps.L_model_forward(X, moved)[0], Y)


nudge = 1e-4
slope = (cost_with(nudge) - cost_with(-nudge)) / (2 * nudge)
print(f"nudged {slope:.9e}, backward {grads['dW2'][1, 2]:.9e}")

# %% [markdown]
# ## Learning
# Forward, cost, backward, a step, and again: that is all of it. The weights of this
# lesson, a hundredth of a normal draw, are too small for several layers, whose signal
# they shrink by that much each: here they are scaled up to one over the root of the
# inputs. Course 2 says why. On data as simple as these a third layer buys nothing.

# %%
points = planar.make_moons(200, seed=0)
unseen = planar.make_moons(2000, seed=1)


def learn(layer_dims, epochs, learning_rate=0.5):
    """The parameters after `epochs` steps, and the cost before each of them."""
    parameters = steps.initialize_parameters_deep(layer_dims)
    for layer, n in enumerate(layer_dims[:-1], start=1):
        parameters[f"W{layer}"] *= 100 / np.sqrt(n)
    costs = []
    for _ in range(epochs):
        AL, caches = steps.L_model_forward(points.x, parameters)
        costs.append(steps.compute_cost(AL, points.y))
        grads = steps.L_model_backward(AL, points.y, caches)
        parameters = steps.update_parameters(parameters, grads, learning_rate)
    return parameters, costs


def classes(parameters, X):
    """0 or 1 for each column of X."""
    return (steps.L_model_forward(X, parameters)[0] > 0.5).astype(int)


costs = {}
for layer_dims in ([2, 1], [2, 8, 1], [2, 8, 5, 1]):
    learnt, curve = learn(layer_dims, 1000 if QUICK else 5000)
    name = " - ".join(map(str, layer_dims))
    costs[name] = curve
    right = np.mean(classes(learnt, unseen.x) == unseen.y)
    print(f"{name:13} cost {curve[-1]:.4f}, {right:.1%} of 2000 new points right")
plots.show(plots.curves(costs, title="Three networks"), OUT / "cost.png")

# %%
figure = plots.decision_boundary(
    lambda X: classes(learnt, X), *points, title="Three layers and two moons"
)
plots.show(figure, OUT / "moons.png")
