# %% [markdown]
# # Neural style transfer
#
# A photo, painted in the manner of a painting. No weight is learnt: gradient descent
# moves the pixels of a picture until a network sees the photo's things in it and the
# painting's strokes. You will see what "manner" is as a number, the picture come about,
# and what the weight of the style decides.
#
# Nothing is trained. The full run paints five times 400 x 300 pixels, one of them with
# VGG-19 where it is at hand, in 145 seconds on two CPU cores that did other work beside
# it; `--quick` paints 160 x 120 in 20 seconds. In the network's eyes the style cost of
# the course's photo, 0.78, falls to 0.006. The network itself took 12 minutes of
# training, which are not repeated here.

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

QUICK = "--quick" in sys.argv
OUT = Path("out/style_transfer")
(OUT / "steps").mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The pictures
# The course's Louvre and Monet's poppy field; where they are not at hand and cannot be
# fetched, a drawn landscape and a generated painting.

# %%
try:
    pair = paintings.load_pictures()
except MissingFileError:
    pair = paintings.make_pictures()
plots.show(
    plots.row({"photo": pair.content, "manner of": pair.style}), OUT / "pair.png"
)

# %% [markdown]
# ## The idea
# Deep in a network the activations say what is where: that is the content, and should
# be the photo's. Which channels answer *together*, wherever that is, is the manner; it
# is the Gram matrix of a layer, and should be the painting's.
#
# $$J_{content} = \frac{\sum (a_C - a_G)^2}{4\,n_H n_W n_C}\qquad G = A A^T\qquad
#   J_{style} = \frac{\sum (G_S - G_G)^2}{4\,n_C^2 (n_H n_W)^2}\qquad
#   J = \alpha J_{content} + \beta J_{style}$$
#
# To shuffle the places of a layer changes the content and leaves the manner:

# %%
a = tf.random.stateless_normal((1, 6, 8, 4), [0, 0])
places = tf.random.experimental.stateless_shuffle(tf.range(48), [0, 1])
shuffled = tf.reshape(tf.gather(tf.reshape(a, (48, 4)), places), a.shape)
print(f"content: {st.compute_content_cost([a], [shuffled]):.3f}")
print(f"style:   {st.compute_layer_style_cost(a, shuffled):.3f}")

# %% [markdown]
# ## The network that looks
# The course takes VGG-19, 80 MB. Ours has learnt to give the same activations in its
# first three blocks at a thirtieth of the size. What it looks at: the first layers see
# colours and strokes, the later ones how they are laid side by side.

# %%
network = st.load_pretrained()
print(f"{network.count_params():,} parameters")
side = 160 if QUICK else 400
small = [images.read(picture) for picture in pair]
for picture in small:
    picture.thumbnail((side, side))
looked = [network(np.asarray(p, "float32")[np.newaxis] / 255) for p in small]
for (name, _), a, b in zip(st.SHALLOW, *looked, strict=True):
    print(f"{name}: photo {tuple(a.shape[1:])}, painting {tuple(b.shape[1:])}")

# %% [markdown]
# ## Painting
# It begins with the photo. Each step asks the network for the gradient of J, not with
# respect to its weights but to the pixels, and moves these.

# %%
steps = 32 if QUICK else 80
settings = {"size": side, "steps": steps}
painted = st.infer(network, pair, **settings, every=steps // 4, folder=OUT / "steps")
shown = {"0 steps": small[0]}
for k in range(steps // 4, steps + 1, steps // 4):
    shown[f"{k} steps"] = OUT / f"steps/{k:05}.png"
plots.show(plots.row(shown), OUT / "steps.png")
question, _ = st.example()
print(question, "See for yourself:")
shown = {"photo": pair.content, "manner of": pair.style, "painted": painted}
plots.show(plots.row(shown), OUT / "answer.png")

# %% [markdown]
# ## Style against content
# The costs are taken relative to what they would be if the network saw nothing, so one
# alpha and one beta do for all pictures. The photo costs nothing by its content; what
# it lacks is manner.

# %%
x_C, x_S = (np.asarray(p, "float32")[np.newaxis] / 255 for p in small)
costs = st.relative_costs(network, x_C, x_S)
shown = {}
for beta in (0.1, 2, 40):
    one = painted if beta == st.BETA else st.infer(network, pair, **settings, beta=beta)
    J_content, J_style = costs(np.asarray(one, "float32")[np.newaxis] / 255)
    print(f"beta {beta:5}: content {J_content:.3f}, style {J_style:.3f}")
    shown[f"beta {beta}"] = one
J_content, J_style = costs(x_C)
print(f"the photo:  content {J_content:.3f}, style {J_style:.3f}")
plots.show(plots.row(shown), OUT / "betas.png")

# %% [markdown]
# ## Smoothness
# The network does not mind single pixels that stick out, people do. A third cost, the
# mean difference of neighbours, presses them flat; too much of it, and the strokes go,
# too.

# %%
smooth = st.infer(network, pair, **settings, smoothness=8)
for name, one in (("as painted", painted), ("smoothed", smooth)):
    variation = st.total_variation(np.asarray(one, "float32")[np.newaxis] / 255)
    print(f"{name}: neighbours differ by {variation:.3f}")
shown = {"as painted": painted, "smoothed": smooth}
plots.show(plots.row(shown), OUT / "smooth.png")

# %% [markdown]
# ## What it cannot do
# It knows strokes, not painting: a face and a wall get the same ones. And the small
# network explains half of what VGG-19 sees in its third block, so VGG-19, where its
# layers are at hand, paints more boldly, and takes longer.

# %%
try:
    vgg = st.load_pretrained("vgg19_layers")
    if not QUICK:
        both = {"ours": painted, "VGG-19": st.infer(vgg, pair, **settings)}
        plots.show(plots.row(both), OUT / "vgg.png")
    print(f"VGG-19 is at hand; so far it has {vgg.count_params():,} parameters")
except MissingFileError:
    print("VGG-19 is not at hand")
