# %% [markdown]
# # Residual networks
#
# A deeper network should be better, but for years it was not: beyond about twenty
# layers plain networks had a higher error, even on their training set. You will see the
# change of one line that solved this, a block that can be the identity, and a network
# that loses only a few percent of accuracy when one of its blocks is removed.
#
# With the pretrained weights the script takes seconds; they classify 119 of the
# course's 120 test photos of hand signs correctly, 99.2 %. The full run trains them: 68
# minutes on two CPU cores shared with other work. `--quick` trains for a few steps
# only, which is too short to learn anything, and takes 26 seconds.

# %%
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

from dls_keras import plots
from dls_keras.core.answers import percent
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import residual_networks as rn
from dls_keras.datasets import signs

QUICK = "--quick" in sys.argv
OUT = Path("out/residual_networks")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The hand signs of `convolution_application`; the full run adds 720 synthetic images to
# the training set. If the photos are not available, synthetic images replace them.

# %%
try:
    data, kind = rn.load_data(extra=0 if QUICK else 720), "photos"
except MissingFileError:
    x, y = signs.make_signs(240 if QUICK else 1200)
    cut, kind = len(x) * 9 // 10, "synthetic images"
    x = x.astype("float32") / 255
    data = signs.Signs(x[:cut], y[:cut], x[cut:], y[cut:])
print(f"{len(data.x)} {kind} to train on, {len(data.x_test)} to test on")
first = [int(np.argmax(data.y_test == label)) for label in range(6)]
names = [f"label {label}" for label in signs.CLASSES]
figure = plots.row(dict(zip(names, data.x_test[first], strict=True)))
plots.show(figure, OUT / "signs.png")

# %% [markdown]
# ## The idea
# A block learns what to *add* to its input:
#
# $$a^{[l+2]} = \mathrm{relu}\big(F(a^{[l]}) + a^{[l]}\big)$$
#
# F is three convolutions, 1 x 1, 3 x 3 and 1 x 1. To return its input unchanged, a
# plain layer would have to learn the identity, weight by weight; a residual block only
# has to learn F = 0. Here the scale of the last batch normalisation in F is set to
# zero:

# %%
X = keras.Input((8, 8, 16))
block = keras.Model(X, rn.identity_block(X, 3, [4, 4, 16], training=False))
a = np.abs(np.random.default_rng(0).normal(size=(2, 8, 8, 16))).astype("float32")
print(
    f"at random weights it changes its input by up to {np.abs(block(a) - a).max():.3f}"
)
scales = [part for part in block.layers if isinstance(part, layers.BatchNormalization)]
scales[-1].gamma.assign(np.zeros(16))
print(f"with F = 0 by up to {np.abs(block(a) - a).max()}")

# %% [markdown]
# In the backward pass the gradient also goes through the sum unchanged, past every F,
# to the first layer. Where a block changes the shape, a 1 x 1 convolution in the
# shortcut makes the same change.

# %%
shapes = rn.convolutional_block(X, 3, [4, 4, 32]).shape[1:]
print("(8, 8, 16) through a convolutional block:", shapes)

# %% [markdown]
# ## Fifty layers
# One convolution, sixteen such blocks of three, and a dense layer.

# %%
model = rn.build_model()
convolutions = sum(isinstance(part, layers.Conv2D) for part in model.layers)
print(f"{model.count_params():,} parameters in {convolutions} convolutions,")
print("(four of them in shortcuts, which are not counted) and one dense layer")

# %% [markdown]
# ## Training
# The four steps of `--quick` only show that it runs; the loss may even rise.

# %%
if QUICK:
    some = np.random.default_rng(0).permutation(len(data.x))[:32]
    small = data._replace(x=data.x[some], y=data.y[some])
    losses = rn.train(model, small, epochs=2, batch_size=16)
else:
    losses = rn.train(model, data)
    curve = plots.curve(losses, title="ResNet50", ylabel="cross-entropy (nats)")
    plots.show(curve, OUT / "loss.png")
    y_hat = model.predict(data.x_test, verbose=0).argmax(1)
    print(f"test accuracy: {np.mean(y_hat == data.y_test):.1%}")
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; of equal guesses: {np.log(6):.2f}")

# %% [markdown]
# ## The weights that ship with the package
# Twelve test photos have a near-duplicate in the training set, so the accuracy without
# them is printed, too.

# %%
shipped = rn.load_pretrained()
correct = shipped.predict(data.x_test, verbose=0).argmax(1) == data.y_test
as_bytes = data._replace(x=255 * data.x, x_test=255 * data.x_test)
unique = ~signs.near_duplicates(as_bytes)
print(f"test accuracy: {correct.mean():.1%}")
print(f"of the {unique.sum()} without near-duplicates: {correct[unique].mean():.1%}")
question, image = rn.example()
answer = rn.infer(shipped, image)
print(f"{question} {answer}, {percent(answer.confidence)}")
plots.show(rn.picture(image, answer), OUT / "answer.png")

# %% [markdown]
# ## What each block adds
# The norm of F, relative to the norm of the input a of its block. Every block adds
# something.

# %%
sums = [part for part in shipped.layers if isinstance(part, layers.Add)]
summands = keras.Model(shipped.input, [part.input for part in sums])
pairs = summands.predict(data.x_test[:12], verbose=0)
shares = [float(np.linalg.norm(F) / np.linalg.norm(a)) for F, a in pairs]
print(" ".join(f"{share:.2f}" for share in shares))
figure = plots.curve(
    shares, title="What each block adds", xlabel="block", ylabel="|F| / |a|"
)
plots.show(figure, OUT / "blocks.png")

# %% [markdown]
# And yet, with F = 0 in a single block, as above, the accuracy falls by a few percent
# only. A plain network without one of its layers would be useless. (Blocks 1, 4, 8 and
# 14 change the shape and cannot be removed.)

# %%
every = 3 if QUICK else 1
x_test, y_test = data.x_test[::every], data.y_test[::every]
for k in (3, 9, 16) if QUICK else (2, 3, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16):
    last_scale = shipped.layers[shipped.layers.index(sums[k - 1]) - 1].gamma
    kept = last_scale.numpy()
    last_scale.assign(np.zeros_like(kept))
    accuracy = np.mean(shipped.predict(x_test, verbose=0).argmax(1) == y_test)
    print(f"without block {k:2}: {accuracy:.1%} of {len(y_test)} test images")
    last_scale.assign(kept)

# %% [markdown]
# ## What it cannot do
# It knows six classes only: an image of another sign, or without a hand, is also
# classified as a number, and the confidence is meaningless for it.

# %%
noise = np.random.default_rng(0).random((64, 64, 3))
answer = rn.infer(shipped, noise)
print(f"coloured noise is classified as {answer}, {percent(answer.confidence)}")
