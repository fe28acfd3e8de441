# %% [markdown]
# # Image segmentation: every pixel of a street scene
#
# A bounding box states roughly where a car is; a segmentation states the class of each
# pixel. You will see U-Net, an encoder and a decoder with skip connections; a score by
# which rare classes, such as poles, count as much as roads; and the errors of the
# network.
#
# The pretrained weights need seconds per image. Over eleven classes their mean IoU is
# 0.552 on 233 test images, and 86.9 % of the pixels are correct. They were trained for
# 85 minutes on two CPU cores shared with other work, in two runs; the full script makes
# the first, of 69 minutes. `--quick` trains a network with a quarter of the channels
# for a few steps, evaluates on three images, and takes 31 seconds.

# %%
import sys
from pathlib import Path

import keras
import numpy as np

from dls_keras import plots
from dls_keras.core.answers import percent
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import image_segmentation as seg
from dls_keras.datasets import camvid

QUICK = "--quick" in sys.argv
OUT = Path("out/image_segmentation")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# CamVid: street scenes from a car, 192 x 256 pixels, with the class of each pixel. If
# it is not available, synthetic images replace it, and the numbers below differ.

# %%
try:
    data, kind = seg.load_data(extra=0 if QUICK else 65), "images"
except MissingFileError:
    sizes = (20, 5, 5) if QUICK else (400, 40, 40)
    parts = [camvid.make_streets(m, seed=seed) for seed, m in enumerate(sizes)]
    data = camvid.Streets(*parts[0], *parts[1], *parts[2])
    kind = "synthetic images"
print(f"{len(data.x)} {kind} for training, {len(data.x_test)} for testing")
colours = camvid.COLOURS | {"(no class)": (0, 0, 0)}
figure = plots.segmentation(data.x[0], data.y[0], colours)
plots.show(figure, OUT / "truth.png")

# %% [markdown]
# Road, building and sky have most of the pixels, poles and signs very few. If all
# pixels had the same weight, a network that never predicts "pole" would have almost the
# lowest loss. So the weight of a pixel is the square root of the inverse frequency of
# its class.

# %%
weights = seg.class_weights(data.y)
for k in np.argsort(-weights):
    share = f"{np.mean(data.y == k):.1%} of the pixels"
    print(f"{camvid.CLASSES[k]:10} {share:19} weight {weights[k]:.2f}")

# %% [markdown]
# ## The idea
# In the encoder, pooling after two convolutions halves the sides. In the decoder,
# transposed convolutions double them, and a skip connection adds the encoder's features
# of that size, so that edges stay sharp.
#
# $$a^{[l+1]} = \mathrm{pool}(\mathrm{conv}(\mathrm{conv}(a^{[l]})))\qquad
#   a^{[l-1]} = \mathrm{conv}(\mathrm{conv}([\mathrm{conv}^T(a^{[l]}),
#   \mathrm{skip}^{[l-1]}]))$$

# %%
keras.utils.set_random_seed(0)
model = seg.build_model(n_filters=8 if QUICK else 32, dtype="mixed_bfloat16")
print(f"{model.count_params():,} parameters")
image = keras.Input((192, 256, 3))
pooled, skip = seg.conv_block(image, 32)
up = seg.upsampling_block(pooled, skip, 32)
print(f"encoder: {image.shape[1:]} -> {pooled.shape[1:]}, skip {skip.shape[1:]}")
print(f"decoder: {pooled.shape[1:]} -> {up.shape[1:]}")

# %% [markdown]
# ## Training
# The loss is the weighted cross-entropy plus one minus the mean over the classes of the
# soft IoU, the overlap of prediction and truth divided by their union:
#
# $$\mathrm{IoU}_c = \frac{\sum y_c \hat y_c}{\sum (y_c + \hat y_c - y_c \hat y_c)}$$

# %%
small = data._replace(x=data.x[:16], y=data.y[:16]) if QUICK else data
losses = seg.train(model, small, epochs=4 if QUICK else 120)
curve = plots.curve(losses, title="U-Net", ylabel="cross-entropy + 1 - IoU")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}")

# %% [markdown]
# ## The weights that ship with the package
# In the mean IoU all classes count the same. The pixel accuracy is mostly that of the
# frequent classes, such as road and sky.

# %%
shipped = seg.load_pretrained()
test = slice(None, None, -(-len(data.x_test) // 3) if QUICK else 1)
counts = seg.confusion(shipped, data.x_test[test], data.y_test[test])
mean_iou, accuracy, iou = seg.scores(counts)
print(f"mean IoU {mean_iou:.3f}, pixel accuracy {accuracy:.1%}")
for name, value in zip(camvid.CLASSES, iou, strict=True):
    print(f"  {name:10} {value:.2f}" if value == value else f"  {name:10} absent")
question, image = seg.example()
answer = seg.infer(shipped, image)
print(f"{question} {answer}")
plots.show(seg.picture(image, answer), OUT / "answer.png")

# %% [markdown]
# ## Confusion matrix
# The five classes with the most errors, and the class that each is most often confused
# with.

# %%
others = counts * (1 - np.eye(len(counts), dtype=int))
for k in np.argsort(-others.sum(axis=1))[:5]:
    predicted = others[k].argmax()
    share = others[k, predicted] / counts[k].sum()
    print(
        f"{share:5.1%} of {camvid.CLASSES[k]} is predicted {camvid.CLASSES[predicted]}"
    )

# %% [markdown]
# ## What it cannot do
# It was trained on street scenes. In any other image, too, each pixel gets one of the
# eleven classes; there is no class for "unknown".

# %%
rng = np.random.default_rng(0)
tiles = np.kron(rng.random((12, 16, 3)), np.ones((16, 16, 1)))
answer = seg.infer(shipped, tiles)
print(f"coloured tiles: {answer}; mean confidence {percent(answer.confidence)}")
plots.show(seg.picture(tiles, answer), OUT / "tiles.png")
