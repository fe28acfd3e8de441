# %% [markdown]
# # Neural style transfer
#
# A photo, rendered in the style of a painting. No weights are trained: gradient descent
# updates the pixels of an image until its activations in a network have the content of
# the photo and the style of the painting. You will see what style is as a number, how
# the image develops, and what the weight of the style cost changes.
#
# The full run renders five images of 400 x 300 pixels, one of them with VGG-19 if its
# weights are available, in 145 seconds on two CPU cores shared with other processes;
# `--quick` renders 160 x 120 pixels in 20 seconds. Measured by the compact network of
# this package, the style cost of the course's photo falls from 0.78 to 0.006. That
# network was trained for 12 minutes, which are not repeated here.

# %%
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from dls_keras import plots
from dls_keras.core import images
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import style_transfer as st
from dls_keras.datasets import paintings
from dls_keras.fast import style_costs

QUICK = "--quick" in sys.argv
OUT = Path("out/style_transfer")
(OUT / "steps").mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The images
# The course's Louvre and Monet's poppy field. If they are not available and cannot be
# downloaded, a synthetic landscape and a synthetic painting replace them.

# %%
try:
    pair = paintings.load_pictures()
except MissingFileError:
    pair = paintings.make_pictures()
plots.show(plots.row({"photo": pair.content, "style": pair.style}), OUT / "pair.png")

# %% [markdown]
# ## The idea
# The activations of a deep layer describe which object is where: that is the content,
# which should be the photo's. Which channels are active *together*, at any position, is
# the style: the Gram matrix of a layer, which should be the painting's.
#
# $$J_{content} = \frac{\sum (a_C - a_G)^2}{4\,n_H n_W n_C}\qquad G = A A^T\qquad
#   J_{style} = \frac{\sum (G_S - G_G)^2}{4\,n_C^2 (n_H n_W)^2}\qquad
#   J = \alpha J_{content} + \beta J_{style}$$
#
# Shuffling the positions of a layer changes the content but not the style:

# %%
a = tf.random.stateless_normal((1, 6, 8, 4), [0, 0])
positions = tf.random.experimental.stateless_shuffle(tf.range(48), [0, 1])
shuffled = tf.reshape(tf.gather(tf.reshape(a, (48, 4)), positions), a.shape)
print(f"content cost: {st.compute_content_cost([a], [shuffled]):.3f}")
print(f"style cost:   {st.compute_layer_style_cost(a, shuffled):.3f}")

# %% [markdown]
# ## The network
# The course uses VGG-19, 80 MB. Ours was trained by knowledge distillation to give the
# same activations in the first three blocks, at a thirtieth of the size. The first
# layers describe colours and brush strokes, the later ones how they are arranged.

# %%
network = st.load_pretrained()
print(f"{network.count_params():,} parameters")
side = 160 if QUICK else 400
small = [images.read(image) for image in pair]
for image in small:
    image.thumbnail((side, side))
x_C, x_S = (np.asarray(image, "float32")[np.newaxis] / 255 for image in small)
for (name, _), a, b in zip(st.SHALLOW, network(x_C), network(x_S), strict=True):
    print(f"{name}: photo {tuple(a.shape[1:])}, painting {tuple(b.shape[1:])}")

# %% [markdown]
# ## Style transfer
# It starts with the photo. Each step computes the gradient of J with respect to the
# pixels, not to the weights, and updates them.

# %%
steps = 32 if QUICK else 80
settings = {"size": side, "steps": steps}
answer = st.infer(network, pair, **settings, every=steps // 4, folder=OUT / "steps")
shown = {"0 steps": small[0]}
for k in range(steps // 4, steps + 1, steps // 4):
    shown[f"{k} steps"] = OUT / f"steps/{k:05}.png"
plots.show(plots.row(shown), OUT / "steps.png")
print(answer)
plots.show(st.picture(pair, answer), OUT / "answer.png")

# %% [markdown]
# ## Style against content
# `fast.style_costs` divides each cost by its value for activations of zero, so one pair
# of alpha and beta suits all images. The content cost of the photo itself is zero, its
# style cost is high.


# %%
def rendered(**more):
    """The result with other settings."""
    return st.infer(network, pair, **settings, **more).details["image"]


def tensor(image):
    """An image as an array (1, h, w, 3) float32 in [0, 1]."""
    return np.asarray(image, "float32")[np.newaxis] / 255


result = answer.details["image"]
costs = style_costs.relative_costs(network, x_C, x_S)
shown = {}
for beta in (0.1, 2, 40):
    one = result if beta == st.BETA else rendered(beta=beta)
    J_content, J_style = costs(tensor(one))
    print(f"beta {beta:5}: content {J_content:.3f}, style {J_style:.3f}")
    shown[f"beta {beta}"] = one
J_content, J_style = costs(x_C)
print(f"the photo:  content {J_content:.3f}, style {J_style:.3f}")
plots.show(plots.row(shown), OUT / "betas.png")

# %% [markdown]
# ## Smoothness
# Both costs hardly change with single outlying pixels, but people notice them. A third
# cost, the mean difference of neighbouring pixels (total variation), removes them. With
# too much weight it removes the brush strokes, too.

# %%
smooth = rendered(smoothness=8)
shown = {"without smoothness": result, "with smoothness": smooth}
for name, one in shown.items():
    print(f"{name}: total variation {st.total_variation(tensor(one)):.3f}")
plots.show(plots.row(shown), OUT / "smooth.png")

# %% [markdown]
# ## Limits
# The costs describe brush strokes, not objects: a face and a wall get the same strokes.
# The compact network explains half of the variance of VGG-19's third block. VGG-19
# transfers more of the style, and takes longer.

# %%
try:
    vgg = st.load_pretrained("vgg19_layers")
    print(f"VGG-19 up to its third block has {vgg.count_params():,} parameters")
    if not QUICK:
        other = st.infer(vgg, pair, **settings).details["image"]
        plots.show(plots.row({"ours": result, "VGG-19": other}), OUT / "vgg.png")
except MissingFileError:
    print("The weights of VGG-19 are not available.")
