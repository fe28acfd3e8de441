# %% [markdown]
# # Optimization methods
#
# Gradient descent, momentum, RMSprop and Adam minimise the same cost. You will compare
# their speed, see why mini-batches are enough, what a moving average does, and how
# learning rate decay helps the slower methods.
#
# The full run takes 16 seconds on one CPU core, `--quick` 5, with fewer epochs. After
# 5000 epochs the accuracy is 71.7 % with gradient descent and 94.3 % with Adam, as
# printed in the course.

# %%
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.core.answers import percent
from dls_keras.course2 import optimization as opt

QUICK = "--quick" in sys.argv
OUT = Path("out/optimization")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# 300 points of two interleaving moons: synthetic, and exactly the points of the course.

# %%
data = opt.load_data()
print("x", data.x.shape, "y", data.y.shape)

# %% [markdown]
# ## Mini-batches
# A step on 64 points costs a fifth of a step on 300, and is almost as good. In each
# epoch all points are shuffled and divided into batches; the last batch may be smaller.

# %%
batches = opt.random_mini_batches(*data, mini_batch_size=64, seed=0)
print("batches of", ", ".join(str(y.size) for _, y in batches))

# %% [markdown]
# ## Moving averages
# A moving average removes most of the noise of single steps:
#
# $$v_t = \beta v_{t-1} + (1 - \beta)\,g_t\qquad v'_t = \frac{v_t}{1 - \beta^t}$$
#
# It is about the mean of the last $1 / (1 - \beta)$ values. It starts from zero, so the
# first averages are too small; the division corrects this bias. An example, the
# temperatures of a year from July on:

# %%
days = np.arange(365)
climate = 10 + 9 * np.cos(2 * np.pi * days / 365)
measured = climate + np.random.default_rng(0).normal(scale=3, size=365)
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
# ## Four optimizers
# Momentum uses the average v of the gradients as its step. RMSprop divides the gradient
# of each parameter by the root of s, the average of its square, so that steps have
# similar sizes in steep and in flat directions. Adam does both, with corrected
# averages:
#
# $$\text{momentum: } p \leftarrow p - \alpha v\qquad
#   \text{RMSprop: } p \leftarrow p - \alpha \frac{g}{\sqrt s + \varepsilon}\qquad
#   \text{Adam: } p \leftarrow p - \alpha \frac{v'}{\sqrt{s'} + \varepsilon}$$

# %%
epochs = 1000 if QUICK else 5000


def report(name, network, losses):
    """Print the first and the last cost, and the accuracy."""
    accuracy = np.mean(opt.predict_dec(network, data.x) == data.y)
    print(f"{name:24} cost {losses[0]:.4f} -> {losses[-1]:.4f}, {accuracy:.1%}")


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
# Momentum is not faster than gradient descent here: with a learning rate of only 0.0007
# the gradients hardly change from step to step, and the average of almost equal
# gradients is about the same gradient. Adam is not always the best, either: 0.0007 is a
# good learning rate for Adam, and too small for the others.

# %% [markdown]
# ## Learning rate decay
# Large steps first, small ones later. `update_lr` divides by $1 + \text{decay} \cdot
# \text{epoch}$, so after a thousand epochs the learning rate is almost zero; the other
# schedule does so only once every thousand epochs.

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
    report(f"{name}, decay from 0.1", network, losses)
for name in ("update_lr", "schedule_lr_decay"):
    rates = [getattr(opt, name)(0.1, epoch, 1) for epoch in (0, 1, 999, 1000, 4999)]
    print(f"{name:18}", "  ".join(f"{rate:.5f}" for rate in rates))

# %% [markdown]
# ## The answer

# %%
network = opt.build_model()
opt.train(network, data, epochs=500 if QUICK else 2000, learning_rate=0.01)
answer = opt.infer(network, "0.5, 1")
print(f"(0.5, 1): {answer}, {percent(answer.confidence)}")
plots.show(opt.picture("0.5, 1", answer), OUT / "answer.png")
