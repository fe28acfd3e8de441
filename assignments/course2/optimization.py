# %% [markdown]
# # Optimization methods
#
# Gradient descent, momentum, RMSprop and Adam walk down the same cost. You will see who
# arrives first, why mini-batches are enough, what a moving average does, and how a
# falling learning rate rescues the slow ones.
#
# The full run takes 16 seconds of one CPU core, `--quick` 5, with fewer epochs. After
# 5000 epochs gradient descent has 71.7 % of the points right and Adam 94.3 %, as the
# course prints it.

# %%
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.course2 import optimization as opt

QUICK = "--quick" in sys.argv
OUT = Path("out/optimization")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# 300 points of two moons that reach into each other, point for point the course's.

# %%
data = opt.load_data()
print("x", data.x.shape, "y", data.y.shape)

# %% [markdown]
# ## Mini-batches
# A step on 64 points costs a fifth of one on 300, and is almost as good. Each epoch all
# points are shuffled, then cut; the last batch may be smaller.

# %%
batches = opt.random_mini_batches(*data, mini_batch_size=64, seed=0)
print("batches of", ", ".join(str(y.size) for _, y in batches))

# %% [markdown]
# ## Moving averages
# What makes single steps noisy is averaged out:
#
# $$v_t = \beta v_{t-1} + (1 - \beta)\,g_t\qquad v'_t = \frac{v_t}{1 - \beta^t}$$
#
# is about the mean of the last $1 / (1 - \beta)$ values. It starts from zero, so the
# first averages are too small; the division corrects that. A year from July on:

# %%
days = np.arange(365)
warmth = 10 + 9 * np.cos(2 * np.pi * days / 365)
measured = warmth + np.random.default_rng(0).normal(scale=3, size=365)
figure = Figure(figsize=(5.6, 3.4), layout="constrained")
axes = figure.subplots()
axes.scatter(days, measured, s=4, color="#b8c4d0")
for beta in (0.9, 0.98):
    (line,) = axes.plot(opt.moving_average(measured, beta), label=f"beta {beta}")
    raw = opt.moving_average(measured, beta, bias_correction=False)
    axes.plot(raw, ":", color=line.get_color(), label=f"beta {beta}, not corrected")
axes.set(title="Moving averages", xlabel="day, from July on", ylabel="degrees")
axes.grid(alpha=0.3)
axes.legend(fontsize=8, loc="upper center")
plots.show(figure, OUT / "averages.png")

# %% [markdown]
# ## Four ways down
# Momentum steps along the average v of the gradients. RMSprop divides each parameter's
# step by the root of s, the average of its squared gradients, so steep and flat
# directions advance alike. Adam does both, with corrected averages:
#
# $$\text{momentum: } p \leftarrow p - \alpha v\qquad
#   \text{RMSprop: } p \leftarrow p - \alpha \frac{g}{\sqrt s + \varepsilon}\qquad
#   \text{Adam: } p \leftarrow p - \alpha \frac{v'}{\sqrt{s'} + \varepsilon}$$

# %%
epochs = 1000 if QUICK else 5000


def report(name, network, losses):
    """Print how far a training got."""
    right = np.mean(opt.predict_dec(network, data.x) == data.y)
    print(f"{name:24} cost {losses[0]:.4f} -> {losses[-1]:.4f}, {right:.1%} right")


curves = {}
for name in opt.OPTIMIZERS:
    network = opt.build_model()
    curves[name] = opt.train(network, data, epochs=epochs, optimizer=name)
    report(name, network, curves[name])
    figure = plots.decision_boundary(
        lambda X, network=network: opt.predict_dec(network, X),
        *data,
        title=f"{name}, {epochs} epochs",
    )
    plots.show(figure, OUT / f"{name}.png")
figure = plots.curves(curves, title="Four optimizers", xlabel="epoch")
plots.show(figure, OUT / "cost.png")

# %% [markdown]
# Momentum is no faster than gradient descent here: with steps as short as 0.0007 the
# gradients of 2000 steps hardly differ, and an average of equals is one of them. It is
# not a law that Adam wins, either; it was given a good step length, the others not.

# %% [markdown]
# ## A falling learning rate
# Long steps first, short ones later. `update_lr` divides by $1 + \text{decay} \cdot
# \text{epoch}$, which after a thousand epochs leaves nothing to walk with; the other
# schedule does so only every thousand epochs.

# %%
for name in ("gd", "momentum", "adam"):
    network = opt.build_model()
    losses = opt.train(
        network,
        data,
        epochs=epochs,
        learning_rate=0.1,
        optimizer=name,
        decay=opt.schedule_lr_decay,
    )
    report(f"{name}, from 0.1 down", network, losses)
for name in ("update_lr", "schedule_lr_decay"):
    rates = [getattr(opt, name)(0.1, epoch, 1) for epoch in (0, 1, 999, 1000, 4999)]
    print(f"{name:18}", "  ".join(f"{rate:.5f}" for rate in rates))

# %% [markdown]
# ## The answer

# %%
network = opt.build_model()
opt.train(network, data, epochs=500 if QUICK else 2000, learning_rate=0.01)
answer = opt.infer(network, "0.5, 1")
print(f"(0.5, 1): {answer}, {answer.confidence:.1%}")
plots.show(opt.picture(network, "0.5, 1"), OUT / "answer.png")
