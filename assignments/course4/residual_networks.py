# %% [markdown]
# # Residual networks
#
# Deeper ought to be better, and for years was not: beyond twenty layers plain networks
# learnt worse, even on what they had seen. You will see the change of one line that
# ended this, a block that can be the identity, and a network that hardly notices when
# one of its blocks is taken out.
#
# Pretrained weights answer in seconds: 119 of the course's 120 test photos of hand
# signs, 99.2 %. They took 68 minutes on two CPU cores shared with other work; that is
# the full run. `--quick` takes a few steps only, which is too little to learn anything,
# and 26 seconds.

# %%
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import residual_networks as rn
from dls_keras.datasets import signs

QUICK = "--quick" in sys.argv
OUT = Path("out/residual_networks")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The hand signs of `convolution_application`; in the full run 720 drawn hands join
# those to learn from. Where the photos are not at hand, drawn hands stand in.

# %%
try:
    data, kind = rn.load_data(drawn=0 if QUICK else 720), "pictures"
except MissingFileError:
    x, y = signs.make_signs(240 if QUICK else 1200)
    cut, kind = len(x) * 9 // 10, "drawn hands"
    x = x.astype("float32") / 255
    data = signs.Signs(x[:cut], y[:cut], x[cut:], y[cut:])
print(f"{len(data.x)} {kind} to learn from, {len(data.x_test)} to test on")
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
# F is three convolutions, 1 x 1, 3 x 3 and 1 x 1. To hand its input on unchanged a
# plain layer would have to learn the identity, weight by weight; this one only has to
# let F be zero. Here is such a block with the last scale of F set to zero:

# %%
X = keras.Input((8, 8, 16))
block = keras.Model(X, rn.identity_block(X, 3, [4, 4, 16], training=False))
a = np.abs(np.random.default_rng(0).normal(size=(2, 8, 8, 16))).astype("float32")
print(f"as drawn it changes its input by up to {np.abs(block(a) - a).max():.3f}")
scales = [part for part in block.layers if isinstance(part, layers.BatchNormalization)]
scales[-1].gamma.assign(np.zeros(16))
print(f"without F by up to {np.abs(block(a) - a).max()}")

# %% [markdown]
# The gradient, too, goes back through the sum unchanged, past every F, to the first
# layer. Where a block changes the shape, a 1 x 1 convolution brings the shortcut to
# size.

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
print("four of them in shortcuts, which nobody counts, and one dense layer")

# %% [markdown]
# ## Learning
# The four steps of `--quick` show that it runs, no more; the loss may rise in them.

# %%
if QUICK:
    some = np.random.default_rng(0).permutation(len(data.x))[:32]
    lesson = data._replace(x=data.x[some], y=data.y[some])
    losses = rn.train(model, lesson, epochs=2, batch_size=16)
else:
    losses = rn.train(model, data)
    curve = plots.curve(losses, title="ResNet50", ylabel="nats per picture")
    plots.show(curve, OUT / "loss.png")
    y_hat = model.predict(data.x_test, verbose=0).argmax(1)
    print(f"test pictures: {np.mean(y_hat == data.y_test):.1%}")
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; guessing has {np.log(6):.2f}")

# %% [markdown]
# ## The weights that ship with the package
# Twelve test photos have a near-identical twin among those to learn from, so the
# accuracy without them is given, too. Drawn hands are read as well.

# %%
shipped = rn.load_pretrained()
right = shipped.predict(data.x_test, verbose=0).argmax(1) == data.y_test
as_bytes = data._replace(x=255 * data.x, x_test=255 * data.x_test)
alone = ~signs.twins(as_bytes)
print(f"shipped, test pictures: {right.mean():.1%}")
print(f"the {alone.sum()} without a twin:  {right[alone].mean():.1%}")
question, image = rn.example()
answer = rn.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(rn.picture(shipped, image), OUT / "answer.png")

# %% [markdown]
# ## What each block adds
# The length of F beside that of what the block was given. None is idle.

# %%
sums = [part for part in shipped.layers if isinstance(part, layers.Add)]
look = keras.Model(shipped.input, [part.input for part in sums])
seen = look.predict(data.x_test[:12], verbose=0)
shares = [float(np.linalg.norm(F) / np.linalg.norm(a)) for F, a in seen]
print(" ".join(f"{share:.2f}" for share in shares))
figure = plots.curve(shares, title="What it adds", xlabel="block", ylabel="|F| / |a|")
plots.show(figure, OUT / "blocks.png")

# %% [markdown]
# And yet: with F set to zero in one block, as above, the others carry on. A plain
# network would answer nonsense with one of its layers gone. (Blocks 1, 4, 8 and 14
# change the shape and cannot go.)

# %%
every = 3 if QUICK else 1
x_test, y_test = data.x_test[::every], data.y_test[::every]
for k in (3, 9, 16) if QUICK else (2, 3, 5, 6, 7, 9, 10, 11, 12, 13, 15, 16):
    last_scale = shipped.layers[shipped.layers.index(sums[k - 1]) - 1].gamma
    kept = last_scale.numpy()
    last_scale.assign(np.zeros_like(kept))
    right = np.mean(shipped.predict(x_test, verbose=0).argmax(1) == y_test)
    print(f"without block {k:2}: {right:.1%} of {len(y_test)} test pictures")
    last_scale.assign(kept)

# %% [markdown]
# ## What it cannot do
# It knows six signs and no seventh: a thumb up, or a picture without a hand, gets a
# number, too, and a confidence that means nothing there.

# %%
noise = np.random.default_rng(0).random((64, 64, 3))
answer = rn.infer(shipped, noise)
print(f"coloured noise is a {answer}, {answer.confidence:.1%}")
