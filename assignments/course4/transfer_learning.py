# %% [markdown]
# # Transfer learning: alpaca or not
#
# A few hundred photos are too few to learn what fur is. A network that has seen a
# million knows; it only has never heard of our question. You will see its features, a
# new last layer on them, and how few photos that one needs.
#
# With MobileNetV2 at hand (see the module's docstring) 95.4 % of 65 photos are read
# rightly; the network that ships in its place, since MobileNetV2 may not, reads 75.4 %.
# It took 18 minutes of training on two busy CPU cores, MobileNetV2 being its teacher;
# the full run trains such a network for as long, without a teacher, and fine-tunes the
# other in two minutes. `--quick` takes a few steps only, and 16 seconds.

# %%
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import transfer_learning as tl
from dls_keras.datasets import alpaca

QUICK = "--quick" in sys.argv
OUT = Path("out/transfer_learning")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# 262 photos of alpacas (llamas and vicunas count) and of other animals to learn from,
# 65 to validate on. Where they are not at hand, drawn animals stand in.

# %%
try:
    data, kind = tl.load_data(drawn=0 if QUICK else 66), "pictures"
except MissingFileError:
    x, y = alpaca.make_alpacas(100 if QUICK else 400)
    cut, kind = len(x) * 4 // 5, "drawn pictures"
    data = alpaca.Alpacas(x[:cut], y[:cut], x[cut:], y[cut:])
print(f"{len(data.x)} {kind} to learn from, {len(data.x_val)} to validate on")
titles = [f"{place}: {alpaca.CLASSES[data.y[place]]}" for place in range(5)]
figure = plots.row(dict(zip(titles, data.x[:5], strict=True)))
plots.show(figure, OUT / "animals.png")

# %% [markdown]
# ## From scratch
# A network of nine convolutions, with nothing but these pictures to learn from.

# %%
keras.utils.set_random_seed(0)
scratch = tl.build_model("mixed_bfloat16")
print(f"{scratch.count_params():,} parameters")
lesson = data._replace(x=data.x[:48], y=data.y[:48]) if QUICK else data
losses = tl.train(scratch, lesson, epochs=2 if QUICK else 80)
curve = plots.curve(losses, title="From scratch", ylabel="nats per picture")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; guessing has {np.log(2):.2f}")
print(f"validation: {tl.accuracy(scratch, data.x_val, data.y_val):.1%}")

# %% [markdown]
# ## The idea
# MobileNetV2's last layer, a thousand classes, is taken off. The rest is frozen: each
# picture is then a row of 1280 features, the same in every epoch, and computed once.
#
# $$\text{logit} = w \cdot \text{mean over pixels of }
#   \mathrm{base}(\text{picture} / 127.5 - 1) + b$$
#
# Where its file is not at hand, the features are those of our shipped network. That one
# was made for this very question, and has seen the photos: not a transfer, but the same
# lines of code.

# %%
try:
    base, whose = tl.load_pretrained("imagenet_int8"), "MobileNetV2"
except MissingFileError:
    base, whose = tl.load_pretrained(), "our network"
x = tl.features(base, data.x)
x_val = tl.features(base, data.x_val)
print(f"{whose}: {data.x.shape} -> {x.shape}")

# %% [markdown]
# ## How many pictures does it take?
# A new head learns from the first so many. On good features some dozens do what
# hundreds do not from scratch.

# %%
counts, shares = [8, 24, 72, len(x)], []
for n in counts:
    keras.utils.set_random_seed(0)
    head = keras.Sequential(
        [keras.Input(x.shape[1:]), layers.Dropout(0.2), layers.Dense(1)]
    )
    tl.fit_head(head, x[:n], data.y[:n], batch_size=8, learning_rate=0.003)
    logits = head.predict(x_val, verbose=0)[:, 0]
    shares.append(np.mean((logits > 0) == data.y_val))
    print(f"{n:3} pictures: {shares[-1]:.1%}")

# %% [markdown]
# ## What it gets wrong
# The surest mistakes of the head that saw all pictures: what they are, and how probable
# an alpaca is in its eyes.

# %%
wrong = np.flatnonzero((logits > 0) != data.y_val)
worst = wrong[np.argsort(-np.abs(logits[wrong]))][:5]
print(f"{len(wrong)} of {len(logits)} wrong")
if len(wrong):
    p = 1 / (1 + np.exp(logits))
    names = [alpaca.CLASSES[data.y_val[i]] for i in worst]
    titles = [f"{name}, at {p[i]:.1%}" for name, i in zip(names, worst, strict=True)]
    figure = plots.row(dict(zip(titles, data.x_val[worst], strict=True)))
    plots.show(figure, OUT / "wrong.png")

# %% [markdown]
# ## Fine-tuning
# Then the upper layers of the base may follow, in steps small enough not to spoil what
# they know. Batch normalisation stays frozen: its means come from a million photos.

# %%
if tl.base_of(base) is not None:
    tl.unfreeze(base)
    free = sum(int(np.prod(v.shape)) for v in base.trainable_variables)
    print(f"{free:,} of {base.count_params():,} parameters may move")
    if not QUICK:
        tl.transfer(base, data)
        print(
            f"fine-tuned, validation: {tl.accuracy(base, data.x_val, data.y_val):.1%}"
        )

# %% [markdown]
# ## The weights that ship with the package
# Our own network learnt to imitate MobileNetV2's features beside the labels. It says
# how much is lost without the million photos. And either network has to choose between
# two answers: it has no third for a picture without an animal.

# %%
shipped = tl.load_pretrained()
right = tl.accuracy(shipped, data.x_val, data.y_val)
print(f"shipped, validation: {right:.1%}")
question, image = tl.example()
for name, network in ((whose, base), ("shipped", shipped)):
    answer = tl.infer(network, image)
    print(f"{name}: {question} {answer}, {answer.confidence:.1%}")
plots.show(tl.picture(shipped, image), OUT / "answer.png")
