# %% [markdown]
# # Gradient checking
#
# A network with a wrong gradient may still learn, only worse, and there is no error
# message. You will see finite differences detect a mistake, find the gradient that has
# it, and learn which step size is best.
#
# The run takes one second on one CPU core, with or without `--quick`. The relative
# difference of a correct gradient is about 1e-7, that of a gradient with two mistakes
# 0.285.

# %%
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.course2 import gradient_checking as gc

QUICK = "--quick" in sys.argv
OUT = Path("out/gradient_checking")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The idea
# Change one parameter a little in both directions and see how the cost changes. This
# needs no algebra, so there is none that could be wrong:
#
# $$\frac{\partial J}{\partial\theta} \approx
#   \frac{J(\theta + \varepsilon) - J(\theta - \varepsilon)}{2\varepsilon}\qquad
#   \text{difference} = \frac{\lVert g - g_\approx\rVert}
#   {\lVert g\rVert + \lVert g_\approx\rVert}$$
#
# With steps in both directions the error is of order $\varepsilon^2$, with a step in
# one direction it is of order $\varepsilon$. The check takes two forward passes per
# parameter: too slow for training, fast enough to do once. Turn dropout off for it.

# %%
print(f"J = theta x at x = 2, theta = 4: difference {gc.gradient_check(2, 4):.2e}")

# %% [markdown]
# ## Three layers
# All 47 parameters of a small network become one column theta, and each entry is
# changed in turn.

# %%
rng = np.random.RandomState(1)  # the course's example
X, Y = rng.randn(4, 3), np.array([1, 1, 0])
parameters = {name: rng.randn(*shape) for name, shape in gc.SHAPES.items()}
theta, keys = gc.dictionary_to_vector(parameters)
print("theta", theta.shape, "of", ", ".join(dict.fromkeys(keys)))

cost, cache = gc.forward_propagation_n(X, Y, parameters)
correct = gc.backward_propagation_n(X, Y, cache)
difference = gc.gradient_check_n(parameters, correct, X, Y)
print(f"correct gradient: {difference:.3e}")

# %% [markdown]
# ## Two mistakes
# The notebook provides a backward pass with two mistakes for learners to find: dW2 is
# multiplied by 2 and db1 by 4. `gc.inject_mistakes` makes the same mistakes.

# %%
wrong = gc.inject_mistakes(correct)
print(f"with two mistakes: {gc.gradient_check_n(parameters, wrong, X, Y):.3e}")
for name, difference in gc.differences(parameters, wrong, X, Y).items():
    note = "  <- mistake" if difference > gc.TOLERANCE else ""
    print(f"  {name}: {difference:.1e}{note}")

# %% [markdown]
# ## The step size
# With a large step, the curvature of the cost causes an error (truncation error). With
# a small step, rounding errors dominate: J has 16 digits, and the two values that are
# subtracted differ in fewer and fewer of them. Here the minimum between the two is at
# 1e-4. The course's 1e-7 is smaller. This is why the threshold is 2e-7 and not lower,
# and why the difference of a correct gradient depends on rounding: yours may not equal
# the printed number.

# %%
epsilons = 10.0 ** np.arange(-11, 0, 0.5 if QUICK else 0.25)
figure = Figure(figsize=(5, 3.2), layout="constrained")
axes = figure.subplots()
for name, gradients in (("correct gradient", correct), ("two mistakes", wrong)):
    values = [gc.gradient_check_n(parameters, gradients, X, Y, e) for e in epsilons]
    axes.loglog(epsilons, values, ".-", label=name)
    best = epsilons[np.argmin(values)]
    print(f"{name}: minimum {min(values):.1e} at {best:.0e}")
axes.axhline(
    gc.TOLERANCE, color="#888888", ls="--", lw=1, label="the course's threshold"
)
axes.set(title="Step size", xlabel="epsilon", ylabel="relative difference")
axes.grid(alpha=0.3)
axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0.92))
plots.show(figure, OUT / "epsilon.png")
