# %% [markdown]
# # Digit recognizer
#
# MNIST is the first set everybody meets, and the first on which everybody is right
# nearly always; the last half per cent is the interesting part. You will see what
# augmentation, crops and a vote do for it, and the digits that are still read wrongly.
#
# Pretrained weights answer in seconds, with 99.61 % of the 10,000 test digits right.
# They took 12 minutes on two CPU cores shared with much other work; that is the full
# run. `--quick` learns from 2000 digits, measures on 2000, and takes 13 seconds.

# %%
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from dls_keras import plots
from dls_keras.core import augment
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import digit_recognizer as dr
from dls_keras.datasets import digits

QUICK = "--quick" in sys.argv
OUT = Path("out/digit_recognizer")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# 60,000 digits that clerks and pupils wrote, 28 x 28 greys, and 10,000 by other
# writers. Where they are not at hand and cannot be fetched, drawn digits stand in,
# which are easier: other numbers come out below.

# %%
m = 2000 if QUICK else 10_000  # how many to test on
try:
    data, kind = dr.load_data(drawn=0 if QUICK else 6000), "MNIST"
except MissingFileError:
    x, y = digits.make_digits(1200 if QUICK else 12_000)
    cut, kind = len(x) * 5 // 6, "drawn digits"
    data = digits.Digits(x[:cut], y[:cut], x[cut:], y[cut:])
x_test, y_test = data.x_test[:m], data.y_test[:m]
print(f"{kind}: {len(data.x)} to learn from, {len(x_test)} to test on")
titles = [f"{place}: {data.y[place]}" for place in range(8)]
plots.show(plots.row(dict(zip(titles, data.x[:8], strict=True))), OUT / "digits.png")

# %% [markdown]
# ## Augmentation
# A five that is turned by eight degrees is a five, so each epoch sees another one. The
# limits matter: turned by 180 degrees a six is a nine, and a mirrored three is nothing.

# %%
five = dr.scaled(data.x[:1])
shown = {"as it is": five[0]}
for i in range(5):
    changed = augment.affine(
        [0, i], tf.constant(five), rotation=0.15, shift=0.07, zoom=0.1
    )
    shown[f"draw {i + 1}"] = changed.numpy()[0].clip(0, 1)
plots.show(plots.row(shown), OUT / "augmented.png")

# %% [markdown]
# ## The network
# Two convolutions of 5 x 5, pooling behind each, two dense layers, dropout between, and
# a softmax over ten digits. (After few steps it reads worse than it has learnt to:
# batch normalisation answers by means that it has only begun to collect.)

# %%
model = dr.build_model(dtype="mixed_bfloat16")
print(f"{model.count_params():,} parameters")
lesson = data._replace(x=data.x[:2000], y=data.y[:2000]) if QUICK else data
recipe = {"epochs": 4, "batch_size": 10} if QUICK else {}
losses = dr.train(model, lesson, **recipe)
curve = plots.curve(losses, title="Digits", ylabel="nats per digit")
plots.show(curve, OUT / "loss.png")


# %%
def predictor(model):
    """The network as a function of digits (m, 28, 28, 1)."""
    return lambda x: model.predict(x, batch_size=500, verbose=0)


def accuracy(probabilities):
    """The share of right answers on the test digits."""
    return np.mean(probabilities.argmax(1) == y_test)


X_test = dr.scaled(x_test)
print(f"trained here: {accuracy(predictor(model)(X_test)):.2%}")

# %% [markdown]
# ## The weights that ship with the package, crops, and a vote
# The same digit moved by a pixel each way gives five answers, and two networks give
# two; the mean of the probabilities is the vote:
#
# $$p(y \mid x) = \frac{1}{|F||T|} \sum_{f \in F} \sum_{t \in T} f(t(x))$$
#
# A vote is as good as its voters: with one that has learnt little it gains nothing.

# %%
shipped = dr.load_pretrained()
p = predictor(shipped)(X_test)
print(f"shipped:         {accuracy(p):.2%}")
print(f"five crops:      {accuracy(dr.multi_crop(predictor(shipped), X_test)):.2%}")
both = dr.ensemble([shipped, model])
print(f"with that above: {accuracy(predictor(both)(X_test)):.2%}")

# %% [markdown]
# ## What it gets wrong
# The surest mistakes first. Of some, people would not agree either.

# %%
wrong = np.flatnonzero(p.argmax(1) != y_test)
print(f"{len(wrong)} of {len(p)} wrong")
worst = wrong[np.argsort(-p[wrong].max(1))][:6]
answers = [f"{p[i].argmax()} at {p[i].max():.0%}" for i in worst]
titles = [f"{i}: a {y_test[i]}, {a}" for i, a in zip(worst, answers, strict=True)]
if len(wrong):
    figure = plots.row(dict(zip(titles, x_test[worst], strict=True)))
    plots.show(figure, OUT / "wrong.png")

# %% [markdown]
# ## From paper
# Networks read what they have learnt to read: a digit of 20 x 20 pixels, white on
# black, its centre of mass in the middle. A photo has to become that first. That step,
# `digits.prepare`, decides as much about the answer as the network does.

# %%
ink = digits.draw_digit(5, np.random.default_rng(3), 256)
paper = dr.on_paper(np.asarray(ink))
shown = {"on paper": paper, "prepared": digits.prepare(paper)}
plots.show(plots.row(shown), OUT / "prepared.png")
question, image = dr.example()
answer = dr.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(dr.picture(shipped, image), OUT / "answer.png")

# %% [markdown]
# ## What it cannot do
# It has to name a digit, whatever it is shown. Here is the letter A.

# %%
letter = np.zeros((60, 60))
for i in range(10, 50):
    letter[i, [30 - i // 3, 31 - i // 3, 30 + i // 3, 31 + i // 3]] = 1
letter[36:38, 19:43] = 1
answer = dr.infer(shipped, letter)
plots.show(dr.picture(shipped, letter), OUT / "letter.png")
print(f"the letter A is a {answer}, {answer.confidence:.1%}")
