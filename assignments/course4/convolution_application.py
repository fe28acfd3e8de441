# %% [markdown]
# # A convolutional network reads hand signs
#
# Course 2 read these photos with 308,000 numbers, one for each pixel and unit. You will
# see 1310 do as well: eight small patterns looked for everywhere, sixteen pairs of
# them, and a dense layer on the 64 numbers that are left.
#
# Pretrained weights answer in seconds: 91.7 % of the course's 120 test photos. The full
# run trains anew, for 150 epochs, takes 54 seconds on two CPU cores that did other work
# beside it, and ends at 96.7 %. `--quick` takes six epochs, and 16 seconds in all.

# %%
import sys
from pathlib import Path

import keras
import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import convolution_application as ca
from dls_keras.datasets import signs

QUICK = "--quick" in sys.argv
OUT = Path("out/convolution_application")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Hands that show 0 to 5: 1080 photos to learn from, 120 to test on. Where they are not
# at hand and cannot be fetched, drawn hands stand in, with other numbers below.

# %%
try:
    data, kind = ca.load_data(), "photos"
except MissingFileError:
    x, y = signs.make_signs(1200)
    x = x.astype("float32") / 255
    data, kind = signs.Signs(x[:1080], y[:1080], x[1080:], y[1080:]), "drawn hands"
print(f"{len(data.x)} {kind} to learn from, {len(data.x_test)} to test on")
first = [int(np.argmax(data.y == label)) for label in range(6)]
names = [f"label {label}" for label in signs.CLASSES]
figure = plots.row(dict(zip(names, data.x[first], strict=True)))
plots.show(figure, OUT / "signs.png")

# %% [markdown]
# ## The idea
# A pattern that matters at one place matters at all of them, so the weights of a filter
# are shared by all places; pooling keeps the strongest answer of each 8 x 8 pixels.
#
# $$X \rightarrow \text{conv}_{4 \times 4} \rightarrow \text{relu} \rightarrow
#   \text{max}_{8 \times 8} \rightarrow \text{conv}_{2 \times 2} \rightarrow \text{relu}
#   \rightarrow \text{max}_{4 \times 4} \rightarrow \text{flatten} \rightarrow
#   \text{dense} \rightarrow \text{softmax}$$

# %%
keras.utils.set_random_seed(3)
model = ca.build_model()
for layer in model.layers:
    shape = " x ".join(str(n) for n in layer.output.shape[1:])
    print(f"{type(layer).__name__:13} {shape:11} {layer.count_params():5} parameters")
print(f"{model.count_params()} in all")

# %% [markdown]
# ## Learning
# The photos are turned, moved and relit a little, each time anew: so small a network
# has no room to learn them by heart, but it should not rely on where a hand stands.


# %%
def accuracy(model, x, y):
    """The share of right answers."""
    return np.mean(model.predict(x, verbose=0).argmax(1) == y)


losses = ca.train(model, data, epochs=6 if QUICK else 150)
curve = plots.curve(losses, title="Hand signs", ylabel="nats per picture")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}; guessing has {np.log(6):.3f}")
print(f"test pictures: {accuracy(model, data.x_test, data.y_test):.1%}")

# %% [markdown]
# ## The weights that ship with the package
# Twelve test photos, all of a zero, have a near-identical twin among those to learn
# from, so the accuracy without them is the more honest one.

# %%
shipped = ca.load_pretrained()
print(f"shipped, test pictures: {accuracy(shipped, data.x_test, data.y_test):.1%}")
as_bytes = data._replace(x=255 * data.x, x_test=255 * data.x_test)
alone = ~signs.twins(as_bytes)
right = accuracy(shipped, data.x_test[alone], data.y_test[alone])
print(f"the {alone.sum()} without a twin:  {right:.1%}")
question, image = ca.example()
answer = ca.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(ca.picture(shipped, image), OUT / "answer.png")

# %% [markdown]
# ## What it sees
# The answers of the first eight filters to one picture, the four that answer most. On
# a photo one answers to the wall, another to skin, others to edges of one direction.

# %%
look = keras.Model(shipped.input, shipped.layers[2].output)
seen = data.x_test[np.argmax(data.y_test == 5)]
maps = np.asarray(look(seen[np.newaxis]))[0]  # (64, 64, 8), behind relu
loudest = np.argsort(-maps.sum(axis=(0, 1)))[:4]
shown = {"picture": seen}
shown |= {f"filter {c + 1}": maps[..., c] / maps[..., c].max() for c in loudest}
plots.show(plots.row(shown), OUT / "filters.png")

# %% [markdown]
# ## What it cannot do
# A row for each true sign, a column for each answer: neighbours are mixed up. And eight
# filters tuned to photos are lost on drawings, which a network with more room learns
# along with them (`residual_networks` reads all of them).

# %%
answers = shipped.predict(data.x_test, verbose=0).argmax(1)
table = np.zeros((6, 6), int)
np.add.at(table, (data.y_test, answers), 1)
print(table)
x_drawn, y_drawn = signs.make_signs(120, seed=10_000)
right = accuracy(shipped, x_drawn.astype("float32") / 255, y_drawn)
print(f"drawn hands: {right:.1%}")
