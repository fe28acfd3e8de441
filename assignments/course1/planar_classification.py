# %% [markdown]
# # Planar data, one hidden layer
#
# Red and blue points make up a flower, and no straight line parts them. You will see
# logistic regression fail on it, four hidden units draw a curved border, and what
# more of them do.
#
# The full run takes 5 seconds of one CPU core, `--quick` 3. Four hidden units end at 91
# % of the flower, where a line has 47 %.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course1 import logistic_regression as lr
from dls_keras.course1 import planar_classification as pc
from dls_keras.datasets import planar

QUICK = "--quick" in sys.argv
OUT = Path("out/planar_classification")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# They are generated, point for point the course's own: 400 in eight petals. A point
# is a column of X (2, 400).

# %%
flower = pc.load_data()
X, Y = flower
print("X", X.shape, "Y", Y.shape, f"{np.mean(Y):.0%} blue")

# %% [markdown]
# ## A line
# Logistic regression puts a straight border through the plane. It does worse than a
# coin: whatever side it chooses, the petals alternate.

# %%
w, b = lr.initialize_with_zeros(2)
line, *_ = lr.optimize(w, b, X, Y, 2000, 0.1)


def lines_colour(points):
    """The class that the line gives to each point."""
    return lr.predict(**line, X=points)


right = np.mean(lines_colour(X) == Y)
print(f"logistic regression: {right:.0%}")
figure = plots.decision_boundary(lines_colour, X, Y, title=f"A line: {right:.0%} right")
plots.show(figure, OUT / "line.png")

# %% [markdown]
# ## The idea
# A few hidden units each bend the plane along a line of their own, and the last unit
# puts a border through what they say:
#
# $$A^{[1]} = \tanh(W^{[1]} X + b^{[1]})\qquad
#   A^{[2]} = \sigma(W^{[2]} A^{[1]} + b^{[2]})$$
#
# The error goes back the way the numbers came, through the slope of tanh:
#
# $$dZ^{[2]} = A^{[2]} - Y\qquad
#   dZ^{[1]} = W^{[2]T} dZ^{[2]} * (1 - A^{[1]\,2})\qquad
#   dW^{[l]} = \frac1m dZ^{[l]} A^{[l-1]T}$$
#
# The first weights are small and drawn at random: two units that start alike get the
# same gradient, and stay alike forever.

# %%
network = pc.build_model()
for name, value in network.items():
    print(name, value.shape)

# %% [markdown]
# ## Learning
# 10,000 steps of length 1.2, as in the course. Such steps are long: at times the cost
# rises in between.

# %%
losses = pc.train(network, flower, epochs=3000 if QUICK else 10_000)
plots.show(plots.curve(losses, title="The flower", xlabel="step"), OUT / "cost.png")
right = np.mean(pc.predict(network, X) == Y)
print(f"cost {losses[0]:.4f} -> {losses[-1]:.4f}, {right:.1%} right")
figure = plots.decision_boundary(
    lambda points: pc.predict(network, points),
    *flower,
    title=f"Four hidden units: {right:.0%} right",
)
plots.show(figure, OUT / "four_units.png")

# %% [markdown]
# ## How many hidden units?
# Each with 5000 steps, judged on the points learnt and on 2000 new ones. From five
# on, more units buy nothing on new points; with 50 the border begins to follow single
# points. The new ones are noisy too, so nobody gets 100 %.

# %%
unseen = planar.make_flower(2000, seed=2)
for n_h in (1, 2, 4, 20) if QUICK else pc.HIDDEN_SIZES:
    other = pc.build_model(n_h)
    pc.train(other, flower, epochs=1500 if QUICK else 5000)
    learnt = np.mean(pc.predict(other, X) == Y)
    new = np.mean(pc.predict(other, unseen.x) == unseen.y)
    print(
        f"{n_h:2} hidden units: {learnt:6.1%} of the points learnt, {new:6.1%} of new"
    )

# %% [markdown]
# ## Other data
# The same four units on the course's further sets.

# %%
for name in pc.DATA_SETS:
    if name == "flower":
        continue
    data, other = pc.load_data(name), pc.build_model()
    pc.train(other, data, epochs=1500 if QUICK else 5000)
    right = np.mean(pc.predict(other, data.x) == data.y)
    print(f"{name:10} {right:.1%}")
    figure = plots.decision_boundary(
        lambda points, other=other: pc.predict(other, points),
        *data,
        title=f"{name.capitalize()}: {right:.0%} right",
    )
    plots.show(figure, OUT / f"{name}.png")

# %% [markdown]
# ## The weights that ship with the package
# Four hidden units after the course's 10,000 steps: 17 numbers.

# %%
shipped = pc.load_pretrained()
question, point = pc.example()
answer = pc.infer(shipped, point)
print(f"{question} {answer}, {answer.confidence:.2%}")
print(f"new points: {np.mean(pc.predict(shipped, unseen.x) == unseen.y):.1%}")
plots.show(pc.picture(shipped, point), OUT / "answer.png")
