# %% [markdown]
# # The Transformer
#
# Recurrent networks read one word after another. A Transformer lets every word look at
# all others at once. You will see how it knows the order nevertheless, why the decoder
# must not look ahead, and where it looks while it translates dates.
#
# Pretrained weights answer in seconds, and are right on 1,000 of 1,000 days they have
# never seen. Training anew took 34 minutes on a share of two busy CPU cores; `--quick`
# takes 25 seconds of CPU time and learns for 32 steps, too few to write a date.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course5 import transformer as tr
from dls_keras.datasets import dates

QUICK = "--quick" in sys.argv
OUT = Path("out/transformer")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The dates of `date_translation`, as people write them and as machines want them. A
# character is a number from 1; 0 fills up what is shorter than 30.

# %%
data = tr.load_data(400 if QUICK else 50_000)
for human, machine in data.pairs[:5]:
    print(f"{human:30} {machine}")
print("read:   ", *data.x[0])
print("written:", *data.y[0])

# %% [markdown]
# ## Attention
# Each character asks with a query q, offers a key k and carries a value v. The values
# are averaged by how well their keys fit the query; the root keeps products of long
# vectors from driving the softmax to all or nothing:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\left(
#   \frac{QK^T}{\sqrt{d_k}} + (1 - \text{mask}) \cdot (-10^9)\right) V$$
#
# Three words, the second of them hidden by a mask:

# %%
q = k = np.array([[2, 0], [2, 0], [0, 2]], "float32")
v = np.array([[1, 0], [10, 0], [0, 1]], "float32")
output, looks = tr.scaled_dot_product_attention(q, k, v, np.array([1, 0, 1], "float32"))
print(looks.numpy().round(2))
print(output.numpy().round(2))

# %% [markdown]
# ## Masks and places
# While it learns, the decoder sees the whole right answer at once. The look-ahead mask
# hides from each character those that come later (dark), the padding mask the filling.
#
# Attention itself has no order: shuffle the words, and the averages stay. So each place
# adds waves of its own, from fast to slow, to what stands there:
#
# $$PE_{(pos,\,2i)} = \sin\frac{pos}{10000^{2i/d}}\qquad
#   PE_{(pos,\,2i+1)} = \cos\frac{pos}{10000^{2i/d}}$$

# %%
ahead = tr.create_look_ahead_mask(tr.TY)[0]
padding = np.repeat(tr.create_padding_mask(data.x[:10])[:, 0], 3, axis=0)
enlarged = {
    "look ahead": np.kron(ahead, np.ones((30, 30))),
    "padding of ten dates": np.kron(padding, np.ones((10, 10))),
}
shades = {
    title: np.repeat(0.3 + 0.5 * mask[..., np.newaxis], 3, axis=2)
    for title, mask in enlarged.items()
}
plots.show(plots.row(shades), OUT / "masks.png")
places = tr.positional_encoding(tr.TX, 64)[0].numpy()
waves = {f"number {i} of 64": places[:, i] for i in (0, 10, 20, 40)}
figure = plots.curves(waves, title="What a place adds", xlabel="place", ylabel="")
plots.show(figure, OUT / "places.png")

# %% [markdown]
# ## The network
# Two layers of four heads read, two write. Every sum with what came in, and every
# normalisation, is there so that gradients find their way down.

# %%
model = tr.build_model()
print(f"{model.count_params():,} parameters")

# %% [markdown]
# ## Learning

# %%
losses = tr.train(model, data, **({"epochs": 4, "batch_size": 50} if QUICK else {}))
curve = plots.curve(losses, title="Dates", ylabel="nats per character")
plots.show(curve, OUT / "loss.png")
unseen = dates.make_pairs(100 if QUICK else 1_000, seed=1, held_out=True)


def exact(model):
    """The share of dates on days never seen that come out without a mistake."""
    return np.mean([tr.infer(model, human) == machine for human, machine in unseen])


print(f"exact on days never seen: {exact(model):.1%}")

# %% [markdown]
# ## The weights that ship with the package

# %%
translator = tr.load_pretrained()
print(f"exact on days never seen: {exact(translator):.1%}")
for sentence, _ in tr.EXAMPLES:
    answer = tr.infer(translator, sentence)
    print(f"{sentence:24} {answer}   {answer.confidence:.1%}")

# %% [markdown]
# ## Where it looks
# A row for each character written, a column for each one read; the mean of the four
# heads of the last layer. It looks about the right letters rather than at one of them,
# since the encoder has already let the characters tell each other what they mean.

# %%
question, sentence = tr.example()
print(f"{question} {tr.infer(translator, sentence)}")
plots.show(tr.picture(translator, sentence), OUT / "attention.png")

# %% [markdown]
# ## What it cannot do
# It answers whatever is asked, with a date, and knows English dates alone. A calendar
# it has not: ask for the 30th of February.

# %%
for sentence in ("30 February 2012", "am 3. oktober 1990", "hello"):
    answer = tr.infer(translator, sentence)
    print(f"{sentence:24} {answer}   {answer.confidence:.1%}")
