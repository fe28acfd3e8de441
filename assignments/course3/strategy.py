# %% [markdown]
# # Strategy: what to do next
#
# A model is not good enough. Does it need more data, a bigger network, or other data?
# You will see a few numbers decide this: one metric, five errors, and an analysis of a
# hundred wrong predictions.
#
# There is nothing to train: it takes one second on one CPU core, with or without
# `--quick`. One result: correcting every dog that was classified as a cat would
# reduce a dev error of 10 % by 0.8 percentage points at most.

# %%
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.course3 import strategy

QUICK = "--quick" in sys.argv
OUT = Path("out/strategy")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## A single number
# Precision is the share of cats among the images that are classified as cats. Recall is
# the share of the cats that are found. With two numbers it is not clear which model is
# better; their harmonic mean is a single number:
#
# $$F_1 = \frac{2}{\frac1P + \frac1R}$$

# %%
rng = np.random.default_rng(0)
m = 2_000 if QUICK else 20_000
Y = (rng.random(m) < 0.3).astype(int)
scores = rng.normal(loc=1.8 * Y)  # a model's score, higher for cats
thresholds = np.linspace(-1, 3, 41)
rows = {"precision": [], "recall": [], "F1": []}
for threshold in thresholds:
    Y_hat = (scores > threshold).astype(int)
    rows["precision"].append(strategy.precision(Y, Y_hat))
    rows["recall"].append(strategy.recall(Y, Y_hat))
    rows["F1"].append(strategy.f1(Y, Y_hat))
best = np.argmax(rows["F1"])
print(f"best F1 {rows['F1'][best]:.3f} at a threshold of {thresholds[best]:.1f}")
figure = Figure(figsize=(5, 3.2), layout="constrained")
axes = figure.subplots()
for name, values in rows.items():
    axes.plot(thresholds, values, label=name)
axes.axvline(thresholds[best], color="#888888", ls="--", lw=1)
axes.set(title="The choice of a threshold", xlabel="threshold", ylabel="metric")
axes.grid(alpha=0.3)
axes.legend()
plots.show(figure, OUT / "threshold.png")

# %% [markdown]
# Other requirements become satisficing metrics: choose the most accurate model among
# those with a latency of at most 100 milliseconds.

# %%
models = {
    "A": {"accuracy": 0.90, "milliseconds": 80},
    "B": {"accuracy": 0.92, "milliseconds": 95},
    "C": {"accuracy": 0.95, "milliseconds": 1500},
}
print("chosen:", strategy.choose(models, "accuracy", at_most={"milliseconds": 100}))

# %% [markdown]
# If the metric prefers the wrong model, change the metric. Model A makes fewer
# mistakes, but shows some images that must not be shown; these get weight ten.

# %%
Y, A, B = np.zeros((3, 1000), int)  # a thousand images without a cat
A[:30] = 1  # 3 % are classified as a cat, the first 15 among them
B[100:150] = 1  # 5 %, none of the first 15
weights = np.where(np.arange(1000) < 15, 10, 1)
for name, Y_hat in (("A", A), ("B", B)):
    plain, weighted = strategy.error(Y, Y_hat), strategy.error(Y, Y_hat, weights)
    print(f"{name}: error {plain:.1%}, weighted {weighted:.1%}")

# %% [markdown]
# ## Three sets
# Dev and test set must be large enough to compare two models; a fixed share of the data
# is not needed.

# %%
for m in (100, 10_000, 1_000_000):
    print(f"{m:9,} examples:", *(f"{size:,}" for size in strategy.split_sizes(m)))

# %% [markdown]
# ## Where the error comes from
# The differences between five errors have names:
#
# $$\text{Bayes} \xrightarrow{\text{avoidable bias}} \text{training}
#   \xrightarrow{\text{variance}} \text{training-dev}
#   \xrightarrow{\text{data mismatch}} \text{dev}
#   \xrightarrow{\text{overfitting to dev}} \text{test}$$
#
# The lowest human error is used as an estimate of the Bayes error, which cannot be
# larger.

# %%
people = {"anybody": 0.03, "a doctor": 0.01, "a team of doctors": 0.005}
bayes = strategy.bayes_error(people)
print(f"Bayes error at most {bayes:.1%}")
situations = {
    "a small network": {"train": 0.08, "train_dev": 0.09, "dev": 0.10, "test": 0.10},
    "a big one": {"train": 0.01, "train_dev": 0.09, "dev": 0.10, "test": 0.10},
    "photos of another kind": {
        "train": 0.01,
        "train_dev": 0.015,
        "dev": 0.10,
        "test": 0.11,
    },
    "tuned for weeks": {"train": 0.01, "train_dev": 0.015, "dev": 0.02, "test": 0.06},
}
found = {}
for name, errors in situations.items():
    found[name] = strategy.gaps(bayes=bayes, **errors)
    cause, remedies = strategy.next_step(found[name])
    print(f"{name}: {cause} ({found[name][cause]:.1%})")
    for remedy in remedies:
        print(f"    {remedy}")

# %%
figure = Figure(figsize=(6.4, 3), layout="constrained")
axes = figure.subplots()
left = np.full(len(found), 100 * bayes)
axes.barh(list(found), left, color="#b8c4d0", label="Bayes error")
for cause in next(iter(found.values())):
    widths = np.array([100 * gaps[cause] for gaps in found.values()])
    axes.barh(list(found), widths, left=left, label=cause)
    left += widths
axes.invert_yaxis()
axes.set(xlabel="error (%)", title="Contributions to the error")
axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
plots.show(figure, OUT / "gaps.png")

# %% [markdown]
# ## Error analysis
# Examine a hundred wrong predictions on the dev set and note the possible causes of
# each. The share of a cause is an upper bound for the improvement: in the lecture's
# example 8 of 100 are dogs, so correcting all of them reduces a dev error of 10 % by
# 0.8 percentage points at most.

# %%
examined = [{"dog"}] * 8 + [{"great cat"}] * 30 + [{"great cat", "blurry"}] * 13
examined += [{"blurry"}] * 43 + [{"wrong label"}] * 6
print(f"{'cause':12} {'share':>6} {'error without':>14}")
for row in strategy.error_analysis(examined, dev_error=0.10):
    print(f"{row.tag:12} {row.share:6.0%} {row.error_without:14.1%}")
