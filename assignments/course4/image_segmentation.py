# %% [markdown]
# # Image segmentation: every pixel of a street
#
# A box says about where a car is; a segmentation says of each pixel what it belongs to.
# You will see U-Net go down to learn what there is and up again to say where, what a
# score must count so that poles count, and where it is at a loss.
#
# Pretrained weights answer in seconds: mean IoU 0.552 over eleven classes on 233 test
# pictures, 86.9 % of their pixels. They took 85 minutes of training on two CPU cores
# shared with other work, in two runs; the full script makes the first, 69 minutes.
# `--quick` trains a network with a quarter of the channels for a moment, measures on
# three pictures, and takes 31 seconds.

# %%
import sys
from pathlib import Path

import keras
import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import image_segmentation as seg
from dls_keras.datasets import camvid

QUICK = "--quick" in sys.argv
OUT = Path("out/image_segmentation")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# CamVid: streets seen from a car, 192 x 256 pixels, a class for each of them. Where it
# is not at hand, drawn streets stand in, with other numbers below.

# %%
try:
    data, kind = seg.load_data(drawn=0 if QUICK else 65), "pictures"
except MissingFileError:
    sizes = (20, 5, 5) if QUICK else (400, 40, 40)
    parts = [camvid.make_streets(m, seed=seed) for seed, m in enumerate(sizes)]
    data, kind = camvid.Streets(*parts[0], *parts[1], *parts[2]), "drawn streets"
print(f"{len(data.x)} {kind} to learn from, {len(data.x_test)} to test on")
colours = camvid.COLOURS | {"(no class)": (0, 0, 0)}
figure = plots.segmentation(data.x[0], data.y[0], colours)
plots.show(figure, OUT / "truth.png")

# %% [markdown]
# Road, building and sky have most of the pixels, poles and signs hardly any. If each
# pixel counted alike, a network that never says "pole" would be nearly right; so pixels
# of rare classes weigh more, by the root of how rare they are.

# %%
weights = seg.class_weights(data.y)
for k in np.argsort(-weights):
    share = f"{np.mean(data.y == k):.1%} of the pixels"
    print(f"{camvid.CLASSES[k]:10} {share:19} each weighs {weights[k]:.2f}")

# %% [markdown]
# ## The idea
# Down: convolutions, and pooling halves the sides. Up: transposed convolutions double
# them, and a skip connection hands over what was seen at that size on the way down, so
# that edges stay sharp.
#
# $$a^{[l+1]} = \mathrm{pool}(\mathrm{conv}(\mathrm{conv}(a^{[l]})))\qquad
#   a^{[l-1]} = \mathrm{conv}(\mathrm{conv}([\mathrm{conv}^T(a^{[l]}),
#   \mathrm{skip}^{[l-1]}]))$$

# %%
keras.utils.set_random_seed(0)
model = seg.build_model(n_filters=8 if QUICK else 32, dtype="mixed_bfloat16")
print(f"{model.count_params():,} parameters")
half = keras.Input((192, 256, 3))
pooled, skip = seg.conv_block(half, 32)
print(f"down: {half.shape[1:]} -> {pooled.shape[1:]}, handed over {skip.shape[1:]}")
print(f"up:   {pooled.shape[1:]} -> {seg.upsampling_block(pooled, skip, 32).shape[1:]}")

# %% [markdown]
# ## Learning
# The loss is the weighted cross-entropy, and one minus the overlap of what was said and
# what is there, a mean over the classes:
#
# $$\mathrm{IoU}_c = \frac{\sum y_c \hat y_c}{\sum (y_c + \hat y_c - y_c \hat y_c)}$$

# %%
lesson = data._replace(x=data.x[:16], y=data.y[:16]) if QUICK else data
losses = seg.train(model, lesson, epochs=4 if QUICK else 120)
curve = plots.curve(losses, title="Streets", ylabel="cross-entropy + 1 - IoU")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")

# %% [markdown]
# ## The weights that ship with the package
# The mean over the classes asks for all of them alike; the share of right pixels is
# kind to whoever knows road and sky.

# %%
shipped = seg.load_pretrained()
test = slice(None, None, -(-len(data.x_test) // 3) if QUICK else 1)
counts = seg.confusion(shipped, data.x_test[test], data.y_test[test])
mean_iou, right, iou = seg.scores(counts)
print(f"mean IoU {mean_iou:.3f}, {right:.1%} of the pixels right")
for name, value in zip(camvid.CLASSES, iou, strict=True):
    print(f"  {name:10} {value:.2f}" if value == value else f"  {name:10} not there")
question, image = seg.example()
answer = seg.infer(shipped, image)
print(f"{question} {answer}")
mask = answer.details["mask"]
plots.show(plots.segmentation(image, mask, camvid.COLOURS), OUT / "answer.png")

# %% [markdown]
# ## What it confuses
# For each class what it is taken for most often, other than itself.

# %%
others = counts * (1 - np.eye(len(counts), dtype=int))
for k in np.argsort(-others.sum(axis=1))[:5]:
    taken = others[k].argmax()
    share = others[k, taken] / counts[k].sum()
    print(f"{share:5.1%} of {camvid.CLASSES[k]} is taken for {camvid.CLASSES[taken]}")

# %% [markdown]
# ## What it cannot do
# It knows streets. Anything else is made of the same eleven classes, to the last pixel;
# there is no answer for "I have never seen this".

# %%
rng = np.random.default_rng(0)
clouds = np.kron(rng.random((12, 16, 3)), np.ones((16, 16, 1)))
answer = seg.infer(shipped, clouds)
print(f"coloured tiles are {answer}; mean confidence {answer.confidence:.0%}")
mask = answer.details["mask"]
plots.show(plots.segmentation(clouds, mask, camvid.COLOURS), OUT / "tiles.png")
