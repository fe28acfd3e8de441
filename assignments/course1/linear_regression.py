# %% [markdown]
# # Linear regression: the price of a house
#
# The first picture of the first lecture: houses by size and price, and the line
# through them. You will see gradient descent find it, why the units of the input
# decide how long that takes, and that it ends where algebra says.
#
# The full run takes 4 seconds of one CPU core, most of them TensorFlow's start; so does
# `--quick`, which takes fewer steps. Slope and intercept agree with least squares to
# 2e-13.

# %%
import sys
from pathlib import Path

from dls_keras import plots
from dls_keras.course1 import linear_regression as lin
from dls_keras.datasets import house_prices

QUICK = "--quick" in sys.argv
OUT = Path("out/linear_regression")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# A hundred houses, made up: 3000 euros a square metre on top of 50,000, give or take
# 40,000.

# %%
data = lin.load_data()
for size, price in list(zip(*data, strict=True))[:4]:
    print(f"{size:6.1f} m²  {price:6.1f} thousand euros")
print(
    f"made with slope {house_prices.SLOPE:g} and intercept {house_prices.INTERCEPT:g}"
)

# %% [markdown]
# ## The idea
# A neuron without an activation, and the mean squared error:
#
# $$\hat y = w x + b\qquad J = \frac1m \sum_i (\hat y_i - y_i)^2\qquad
#   w \leftarrow w - \alpha \frac{\partial J}{\partial w}\qquad
#   b \leftarrow b - \alpha \frac{\partial J}{\partial b}$$
#
# Nobody derives the gradient here. TensorFlow watches how J comes about on a tape and
# walks back; the loop of all steps is compiled into one graph.

# %%
model = lin.build_model()
losses = lin.train(model, data, epochs=60 if QUICK else 200)
print(f"w = {model['w']:.6f}, b = {model['b']:.6f}, J = {losses[-1]:.2f}")

# %% [markdown]
# ## What algebra says
# The lowest point of this J has a formula, which few networks can say of theirs:
#
# $$w = \frac{\sum (x_i - \bar x)\,y_i}{\sum (x_i - \bar x)^2}\qquad
#   b = \bar y - w \bar x$$
#
# The line is not quite the one that the houses were made with: a hundred noisy ones do
# not tell it more exactly.

# %%
w, b = lin.least_squares(*data)
apart = max(abs(model["w"] - w), abs(model["b"] - b))
print(f"w = {w:.6f}, b = {b:.6f}: the descent is off by {apart:.1e}")

# %% [markdown]
# ## Units
# `lin.train` measures sizes from their mean, in units of their spread, and turns the
# line back into square metres at the end. So J is a round bowl, in which each step
# comes nearer by the same factor $1 - 2\alpha$, whatever the direction: with 0.5 one
# step is enough, above 1 it never arrives.

# %%
curves = {
    rate: lin.train(lin.build_model(), data, epochs=20, learning_rate=rate)
    for rate in (0.02, 0.1, 0.5, 0.95)
}
figure = plots.curves(curves, title="Scaled sizes, four learning rates")
plots.show(figure, OUT / "rates.png")

# %% [markdown]
# In square metres J is a long narrow trough. A step must be tiny, or it climbs the
# steep sides until no float holds the numbers; along the trough, to where b is right,
# such steps hardly move.

# %%
for rate in (1e-5, 5e-5, 1e-4):
    *line, walked = lin.gradient_descent(*data, 0.0, 0.0, 2000, rate)
    print(
        f"steps of {rate:g}: after 2000 of them w = {line[0]:.4g}, b = {line[1]:.4g}, "
        f"J = {walked[-1]:.4g}"
    )

# %% [markdown]
# ## The answer

# %%
price = lin.infer(model, 120)
print(f"a house of 120 m²: {price:.0f} thousand euros")
plots.show(lin.picture(model, 120), OUT / "houses.png")
