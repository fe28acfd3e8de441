# %% [markdown]
# # Linear regression: the price of a house
#
# The first example of the first lecture: houses by size and price, and the line through
# them. You will see gradient descent find this line, why the scale of the input
# determines how long that takes, and that the result is the closed-form solution.
#
# The full run takes 4 seconds on one CPU core, most of them for the start of
# TensorFlow; `--quick`, which takes fewer steps, needs about the same. Slope and
# intercept agree with least squares to 2e-13.

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
# A hundred synthetic houses: 50,000 euros plus 3000 euros per square metre, plus noise
# with a standard deviation of 40,000 euros.

# %%
data = lin.load_data()
for size, price in list(zip(*data, strict=True))[:4]:
    print(f"{size:6.1f} m²  {price:6.1f} thousand euros")
print(f"true slope {house_prices.SLOPE:g}, true intercept {house_prices.INTERCEPT:g}")

# %% [markdown]
# ## The idea
# A neuron without an activation, and the mean squared error:
#
# $$\hat y = w x + b\qquad J = \frac1m \sum_i (\hat y_i - y_i)^2\qquad
#   w \leftarrow w - \alpha \frac{\partial J}{\partial w}\qquad
#   b \leftarrow b - \alpha \frac{\partial J}{\partial b}$$
#
# Nobody has to derive the gradient. TensorFlow records the operations that compute J on
# a tape and differentiates them; the loop over all steps is compiled into one graph.

# %%
model = lin.build_model()
losses = lin.train(model, data, epochs=60 if QUICK else 200)
print(f"w = {model['w']:.6f}, b = {model['b']:.6f}, J = {losses[-1]:.2f}")

# %% [markdown]
# ## The closed form
# For this J there is a formula for the minimum, which does not exist for most networks:
#
# $$w = \frac{\sum (x_i - \bar x)\,y_i}{\sum (x_i - \bar x)^2}\qquad
#   b = \bar y - w \bar x$$
#
# The result is not exactly the line that the data were generated with: a hundred noisy
# points do not determine it more precisely.

# %%
w, b = lin.least_squares(*data)
difference = max(abs(model["w"] - w), abs(model["b"] - b))
print(f"w = {w:.6f}, b = {b:.6f}: difference {difference:.1e}")

# %% [markdown]
# ## The scale of the input
# `lin.train` standardises the sizes: it subtracts the mean and divides by the standard
# deviation, and it converts the line to square metres at the end. Then J has the same
# curvature in every direction, and each step multiplies the distance from the minimum
# by the same factor, $1 - 2\alpha$. With 0.5 one step is enough; above 1 gradient
# descent diverges.

# %%
curves = {
    rate: lin.train(lin.build_model(), data, epochs=20, learning_rate=rate)
    for rate in (0.02, 0.1, 0.5, 0.95)
}
figure = plots.curves(curves, title="Scaled sizes, four learning rates")
plots.show(figure, OUT / "rates.png")

# %% [markdown]
# With sizes in square metres J is a long, narrow valley. The learning rate must be
# tiny, or gradient descent diverges along the steep direction; and along the valley,
# where the correct b is, such small steps make hardly any progress.

# %%
for rate in (1e-5, 5e-5, 1e-4):
    *line, losses = lin.gradient_descent(*data, 0.0, 0.0, 2000, rate)
    print(
        f"learning rate {rate:g}: after 2000 steps w = {line[0]:.4g}, "
        f"b = {line[1]:.4g}, J = {losses[-1]:.4g}"
    )

# %% [markdown]
# ## The answer

# %%
answer = lin.infer(model, 120)
print(f"a house of 120 m²: {answer}")
plots.show(lin.picture(120, answer), OUT / "houses.png")
