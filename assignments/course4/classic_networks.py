# %% [markdown]
# # Classic networks: LeNet-5 and those after it
#
# From 1998 to 2014 networks became deeper, larger, and then smaller again. You will see
# the parameters of four of them, and the first one recognise digits as in its paper:
# its last layer compares with ten small images, and can reject what is not a digit.
#
# The shipped weights reach a test accuracy of 99.39 % on MNIST's 10,000 digits. The
# full run trains them in 6 minutes on two CPU cores shared with other work. `--quick`
# trains on 3000 digits, tests on 2000, and takes 27 seconds.

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
# ## Four architectures
# VGG-16 has only 3 x 3 convolutions; its first dense layer alone has 103 of its 138
# million parameters. GoogLeNet has convolutions of three sizes in parallel, reduces the
# channels before them by 1 x 1 convolutions, and has no such dense layer.

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
# MNIST's digits, zero-padded to 32 x 32. If they are not available and cannot be
# downloaded, synthetic digits replace them, and the numbers below differ.

# %%
try:
    data, kind = cn.load_data(extra=0 if QUICK else 6000), "MNIST"
except MissingFileError:
    x, y = digits.make_digits(1200 if QUICK else 12_000)
    x = digits.as_inputs(x, cn.SIZE)
    cut, kind = len(x) * 5 // 6, "synthetic digits"
    data = digits.Digits(x[:cut], y[:cut], x[cut:], y[cut:])
n, m = (3000, 2000) if QUICK else (len(data.x), 10_000)
data = digits.Digits(data.x[:n], data.y[:n], data.x_test[:m], data.y_test[:m])
print(f"{kind}: {len(data.x)} for training, {len(data.x_test)} for testing")

# %% [markdown]
# ## LeNet-5's last layers
# F6 has 84 units, 7 x 12. The network is trained so that their activations form an
# image of the digit, its code. The penalty of a digit is the squared distance to its
# code:
#
# $$\mathrm{penalty}_i = \sum_j (F6_j - \mathrm{code}_{ij})^2\qquad
#   \mathrm{loss} = \mathrm{penalty}_y +
#   \log\left(e^{-J} + \sum_i e^{-\mathrm{penalty}_i}\right)$$
#
# J is the penalty of an eleventh class, "none": an input far from all ten codes is not
# a digit. A softmax over ten classes cannot reject it.

# %%
codes = {
    str(k): (1 - code.reshape(12, 7)) / 2 for k, code in enumerate(digits.load_codes())
}
plots.show(plots.row(codes), OUT / "codes.png")

# %% [markdown]
# Each of the 16 maps of C3 is connected to only some of the six maps of S2, so that
# they learn different features. One row per map of S2, one column per map of C3:

# %%
for channel in range(6):
    row = ["#" if channel in inputs else "." for inputs in cn.TABLE_I]
    print(f"map {channel} of S2  {' '.join(row)}")

# %% [markdown]
# ## Training

# %%
model = cn.build_model()
losses = cn.train(model, data, epochs=4 if QUICK else 20)
curve = plots.curve(losses, title="LeNet-5", ylabel="loss (nats)")
plots.show(curve, OUT / "loss.png")
penalties = model.predict(data.x_test, batch_size=500, verbose=0)
print(f"test accuracy: {np.mean(penalties.argmin(1) == data.y_test):.2%}")

# %% [markdown]
# ## The shipped weights
# The accuracy is higher on the digits that are not rejected as "none".

# %%
shipped = cn.load_pretrained()
penalties = shipped.predict(data.x_test, batch_size=500, verbose=0)
correct = penalties.argmin(1) == data.y_test
none = penalties.min(1) > cn.J
print(f"shipped weights, test accuracy: {correct.mean():.2%}")
print(f'{none.sum()} are "none"; accuracy of the others: {correct[~none].mean():.2%}')
question, image = cn.example()
answer = cn.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(cn.picture(image, answer), OUT / "answer.png")

# %% [markdown]
# ## Inputs that are rejected
# The test digits farthest from all codes: many are ambiguous. And digits with shuffled
# pixels, for which a softmax would predict a digit.

# %%
nearest, distance = penalties.argmin(1), penalties.min(1)
farthest = np.argsort(-distance)[:6]
titles = [f"{i}: {distance[i]:.0f} from {nearest[i]}" for i in farthest]
figure = plots.row(dict(zip(titles, data.x_test[farthest], strict=True)))
plots.show(figure, OUT / "none.png")
pixels = data.x_test[:500].reshape(-1, 32 * 32)
shuffled = np.random.default_rng(0).permuted(pixels, axis=1)
far = shipped.predict(shuffled.reshape(-1, 32, 32, 1), verbose=0).min(1) > cn.J
print(f'of {len(far)} shuffled digits {far.mean():.1%} are "none"')
