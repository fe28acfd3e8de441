# %% [markdown]
# # Gradient checking
#
# A network with a wrong gradient may still learn, only worse, and nothing tells you.
# You will see the definition of the derivative find a planted mistake, name the
# gradient it sits in, and learn how long the nudge must be.
#
# It takes one second of one CPU core, with or without `--quick`. The relative
# difference of a right gradient is about 1e-7, that of the one with two mistakes 0.285.

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
# Nudge one parameter up and down and see what the cost does. No algebra is needed, so
# none can be wrong:
#
# $$\frac{\partial J}{\partial\theta} \approx
#   \frac{J(\theta + \varepsilon) - J(\theta - \varepsilon)}{2\varepsilon}\qquad
#   \text{difference} = \frac{\lVert g - g_\approx\rVert}
#   {\lVert g\rVert + \lVert g_\approx\rVert}$$
#
# Nudging to both sides makes the error one of $\varepsilon^2$, to one side it would be
# one of $\varepsilon$. It costs two forward passes a parameter: too slow to learn
# with, fast enough to check once. Switch dropout off while checking.

# %%
print(f"J = theta x at x = 2, theta = 4: difference {gc.gradient_check(2, 4):.2e}")

# %% [markdown]
# ## Three layers
# All 47 parameters of a small network go into one column theta, so that each can be
# nudged in turn.

# %%
draw = np.random.RandomState(1)  # the course's example
X, Y = draw.randn(4, 3), np.array([1, 1, 0])
parameters = {name: draw.randn(*shape) for name, shape in gc.SHAPES.items()}
theta, keys = gc.dictionary_to_vector(parameters)
print("theta", theta.shape, "of", ", ".join(dict.fromkeys(keys)))

cost, cache = gc.forward_propagation_n(X, Y, parameters)
right = gc.backward_propagation_n(X, Y, cache)
difference = gc.gradient_check_n(parameters, right, X, Y)
print(f"a right gradient: {difference:.3e}")

# %% [markdown]
# ## A planted mistake
# The notebook hands out a backward pass with two mistakes, dW2 twice and db1 four times
# too large, for learners to find. `gc.planted` makes them.

# %%
wrong = gc.planted(right)
print(f"with two mistakes: {gc.gradient_check_n(parameters, wrong, X, Y):.3e}")
for name, apart in gc.differences(parameters, wrong, X, Y).items():
    print(f"  {name}: {apart:.1e}", "  <- here" if apart > gc.TOLERANCE else "")

# %% [markdown]
# ## How long a nudge?
# A long one sees the cost bend, a short one drowns in rounding: J has 16 digits, and
# the two values that are subtracted differ in fewer and fewer of them. The valley
# between is at 1e-4 here. The course's 1e-7 stands on its left slope, which is why the
# threshold is no lower than 2e-7, and why the difference of a right gradient hangs on
# the last bits of your sums: yours need not be the printed one.

# %%
epsilons = 10.0 ** np.arange(-11, 0, 0.5 if QUICK else 0.25)
figure = Figure(figsize=(5, 3.2), layout="constrained")
axes = figure.subplots()
for name, gradients in (("right gradient", right), ("two mistakes", wrong)):
    apart = [gc.gradient_check_n(parameters, gradients, X, Y, e) for e in epsilons]
    axes.loglog(epsilons, apart, ".-", label=name)
    print(f"{name}: least {min(apart):.1e} at {epsilons[np.argmin(apart)]:.0e}")
axes.axhline(
    gc.TOLERANCE, color="#888888", ls="--", lw=1, label="the course's threshold"
)
axes.set(title="How long a nudge?", xlabel="epsilon", ylabel="relative difference")
axes.grid(alpha=0.3)
axes.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, 0.92))
plots.show(figure, OUT / "epsilon.png")
