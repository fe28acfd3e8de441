# %% [markdown]
# # A deep network, step by step
#
# The building blocks of any deep network: the forward pass of a layer, its backward
# pass, and the loops over all layers. You will see activations computed through three
# layers and gradients computed in reverse order, compare them with the definition of
# the derivative, and train a network that is built from these functions.
#
# The full run takes 2 seconds on one CPU core, and so does `--quick` with fewer steps.
# At the end, a network of 2, 8 and 1 units classifies 96 % of 2000 held-out points of
# two interleaving moons correctly; a single neuron reaches 87 %.

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
# Layer l takes n[l-1] numbers per example and returns n[l]. Each example is a column,
# so the same W applies to all of them, and broadcasting adds b to every column.
#
# $$Z^{[l]} = W^{[l]} A^{[l-1]} + b^{[l]}\qquad A^{[l]} = g^{[l]}(Z^{[l]})$$

# %%
layer_dims = [5, 4, 3, 1]
parameters = steps.initialize_parameters_deep(layer_dims)
for name, value in parameters.items():
    print(name, value.shape)

# %% [markdown]
# ## The forward pass of one layer
# A linear map, then an activation: ReLU in the hidden layers, the sigmoid in the last.
# Each function also returns a cache: what the backward pass will need.

# %%
rng = np.random.default_rng(0)
X, Y = rng.normal(size=(5, 6)), np.array([[1, 0, 1, 1, 0, 0]])
Z, linear_cache = steps.linear_forward(X, parameters["W1"], parameters["b1"])
A, activation_cache = steps.relu(Z)
print("X", X.shape, "-> Z1", Z.shape, "-> A1", A.shape)
print(f"ReLU sets {np.mean(A == 0):.0%} of the {A.size} numbers to zero")

# %% [markdown]
# ## The forward pass of all layers
# L - 1 times linear and ReLU, once linear and sigmoid; then the cost,
#
# $$J = -\frac1m \sum_i y_i \log a_i^{[L]} + (1 - y_i) \log(1 - a_i^{[L]})$$

# %%
AL, caches = steps.L_model_forward(X, parameters)
print("AL", AL.shape, AL.round(4))
print(f"{len(caches)} caches, cost {steps.compute_cost(AL, Y):.6f}")

# %% [markdown]
# ## The backward pass of all layers
# It uses the caches. Given the gradient with respect to a layer's output, each step
# computes the gradients with respect to the layer's parameters and to its input:
#
# $$dZ^{[l]} = dA^{[l]} * g^{[l]\prime}(Z^{[l]})\qquad
#   dW^{[l]} = \frac1m dZ^{[l]} A^{[l-1]T}\qquad
#   db^{[l]} = \frac1m \sum_i dZ^{[l](i)}\qquad
#   dA^{[l-1]} = W^{[l]T} dZ^{[l]}$$
#
# The mean in db is taken over the examples, which are the columns: `axis=1,
# keepdims=True`. (An early version of the notebook summed over the units instead, and
# printed the corresponding values.)

# %%
grads = steps.L_model_backward(AL, Y, caches)
for name in sorted(grads):
    print(name, grads[name].shape)

# %% [markdown]
# ## Is it the gradient?
# Change one weight a little in both directions: the change of the cost divided by the
# change of the weight must be the gradient.

# %%


def cost_with(change):
    """The cost if W2[1, 2] is changed."""
    moved = parameters | {"W2": parameters["W2"].copy()}
    moved["W2"][1, 2] += change
    return steps.compute_cost(steps.L_model_forward(X, moved)[0], Y)


h = 1e-4
numerical = (cost_with(h) - cost_with(-h)) / (2 * h)
print(f"finite difference {numerical:.9e}, backward pass {grads['dW2'][1, 2]:.9e}")

# %% [markdown]
# ## Training
# Forward pass, cost, backward pass, update, and again. The initial weights of this
# lesson, normal numbers times 0.01, are too small for several layers, because every
# layer multiplies its input by such small numbers. Here they are rescaled to the usual
# standard deviation, one over the square root of the number of inputs; course 2
# explains why. For data as simple as these, a third layer brings no improvement.

# %%
points = planar.make_moons(200, seed=0)
held_out = planar.make_moons(2000, seed=1)


def train(layer_dims, epochs, learning_rate=0.5):
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
    trained, curve = train(layer_dims, 1000 if QUICK else 5000)
    name = " - ".join(map(str, layer_dims))
    costs[name] = curve
    accuracy = np.mean(classes(trained, held_out.x) == held_out.y)
    print(f"{name:13} cost {curve[-1]:.4f}, accuracy on held-out points {accuracy:.1%}")
plots.show(plots.curves(costs, title="Three networks"), OUT / "cost.png")

# %%
figure = plots.decision_boundary(
    lambda X: classes(trained, X), *points, title="Three layers and two moons"
)
plots.show(figure, OUT / "moons.png")
