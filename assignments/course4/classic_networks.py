# %% [markdown]
# # Classic networks: LeNet-5 and those after it
#
# From 1998 to 2014 networks became deeper, larger, and then smaller again. You will see
# four of them counted, and the first one read digits in the manner of its paper: its
# last layer holds ten little pictures, and it may say that something is no digit.
#
# Pretrained weights answer in seconds: 99.39 % of MNIST's 10,000 test digits. They took
# 6 minutes on two CPU cores shared with other work; that is the full run. `--quick`
# learns from 3000 digits, measures on 2000, and takes 27 seconds.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import classic_networks as cn
from dls_keras.datasets import digits

QUICK = "--quick" in sys.argv
OUT = Path("out/classic_networks")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## Four answers to one question
# Which layers, in which order? VGG-16 asks 3 x 3 windows alone and pays for it in its
# first dense layer, which has 103 of its 138 million parameters. GoogLeNet puts windows
# side by side, spares itself by 1 x 1 convolutions before them, and has no such layer.

# %%
for build in (cn.LeNet5, cn.AlexNet, cn.VGG16, cn.GoogLeNet):
    network = build()
    side, _, channels = network.input_shape[1:]
    parameters = f"{network.count_params():,}"
    print(
        f"{build.__name__:10} {side} x {side} x {channels}: {parameters:>12} parameters"
    )

# %% [markdown]
# ## The data
# MNIST's digits in a frame of two pixels, 32 x 32. Where they are not at hand and
# cannot be fetched, drawn digits stand in, with other numbers below.

# %%
try:
    data, kind = cn.load_data(drawn=0 if QUICK else 6000), "MNIST"
except MissingFileError:
    x, y = digits.make_digits(1200 if QUICK else 12_000)
    cut, kind = len(x) * 5 // 6, "drawn digits"
    framed = cn.framed(x[:cut]), y[:cut], cn.framed(x[cut:]), y[cut:]
    data = digits.Digits(*framed)
n, m = (3000, 2000) if QUICK else (len(data.x), 10_000)
data = digits.Digits(data.x[:n], data.y[:n], data.x_test[:m], data.y_test[:m])
print(f"{kind}: {len(data.x)} to learn from, {len(data.x_test)} to test on")

# %% [markdown]
# ## LeNet-5's last layers
# F6 has 84 units, 7 x 12. The network shall make them show the digit it sees, each as
# one drawing; a penalty says how far they are from each of the ten:
#
# $$\mathrm{penalty}_i = \sum_j (F6_j - \mathrm{code}_{ij})^2\qquad
#   \mathrm{loss} = \mathrm{penalty}_y +
#   \log\left(e^{-J} + \sum_i e^{-\mathrm{penalty}_i}\right)$$
#
# J is the penalty of an eleventh answer, "none": what is far from all ten codes is no
# digit. A softmax over ten could not say that.

# %%
codes = {
    str(k): (1 - code.reshape(12, 7)) / 2 for k, code in enumerate(cn.digit_codes())
}
plots.show(plots.row(codes), OUT / "codes.png")

# %% [markdown]
# Before them, each of the 16 maps of C3 sees only some of the six before it, so that
# not all learn the same; a row for each, a column for each that it sees.

# %%
for channel in range(6):
    row = ["#" if channel in seen else "." for seen in cn.TABLE_I]
    print(f"map {channel} of S2 goes to  {' '.join(row)}")

# %% [markdown]
# ## Learning

# %%
model = cn.build_model()
losses = cn.train(model, data, epochs=4 if QUICK else 20)
curve = plots.curve(losses, title="LeNet-5", ylabel="nats per digit")
plots.show(curve, OUT / "loss.png")
penalties = model.predict(data.x_test, batch_size=500, verbose=0)
print(f"test digits: {np.mean(penalties.argmin(1) == data.y_test):.2%}")

# %% [markdown]
# ## The weights that ship with the package
# Whoever may say "none" is right more often on the rest.

# %%
shipped = cn.load_pretrained()
penalties = shipped.predict(data.x_test, batch_size=500, verbose=0)
right = penalties.argmin(1) == data.y_test
none = penalties.min(1) > cn.J
print(f"shipped, test digits: {right.mean():.2%}")
print(f"{none.sum()} called none; of the others {right[~none].mean():.2%}")
question, image = cn.example()
answer = cn.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(cn.picture(shipped, image), OUT / "answer.png")

# %% [markdown]
# ## What it calls none
# The digits farthest from all codes: many could be read in two ways. And the same
# digits with their pixels shuffled, where a softmax would name one all the same.

# %%
nearest, distance = penalties.argmin(1), penalties.min(1)
farthest = np.argsort(-distance)[:6]
titles = [f"{i}: {distance[i]:.0f} from {nearest[i]}" for i in farthest]
figure = plots.row(dict(zip(titles, data.x_test[farthest], strict=True)))
plots.show(figure, OUT / "none.png")
pixels = data.x_test[:500].reshape(-1, 32 * 32)
shuffled = np.random.default_rng(0).permuted(pixels, axis=1)
far = shipped.predict(shuffled.reshape(-1, 32, 32, 1), verbose=0).min(1) > cn.J
print(f"of {len(far)} shuffled digits {far.mean():.1%} are none")
