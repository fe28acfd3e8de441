# %% [markdown]
# # The Transformer
#
# A recurrent network reads one token after another. In a Transformer, self-attention
# compares every token with all others at once. You will see how it knows the order of
# the tokens, why the decoder needs a causal mask, how greedy decoding works, and which
# characters it attends to while it translates dates.
#
# The pretrained weights answer in seconds and translate 1,000 of 1,000 dates on
# held-out days correctly. Training took 29 minutes on two CPU cores shared with other
# work; `--quick` takes 25 seconds of CPU time and trains for 32 steps, which is too
# short for correct dates.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import InputError
from dls_keras.course5 import transformer as tr
from dls_keras.datasets import dates

QUICK = "--quick" in sys.argv
OUT = Path("out/transformer")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The dates of `date_translation`: as people write them, and in ISO form. Each character
# is a token, a number from 1; shorter dates are padded with 0 to 30 tokens.

# %%
data = tr.load_data(400 if QUICK else 100_000)
for human, machine in data.pairs[:5]:
    print(f"{human:30} {machine}")
print("input: ", *data.x[0])
print("output:", *data.y[0])

# %% [markdown]
# ## Attention
# Each token has a query q, a key k and a value v. The output for a query is the mean of
# the values, weighted by how well their keys match it. Without the root, the products
# of long vectors would be large, and the softmax would select a single key:
#
# $$\mathrm{Attention}(Q, K, V) = \mathrm{softmax}\left(
#   \frac{QK^T}{\sqrt{d_k}} + (1 - \text{mask}) \cdot (-10^9)\right) V$$
#
# Three tokens, of which a mask excludes the second:

# %%
q = k = np.array([[2, 0], [2, 0], [0, 2]], "float32")
v = np.array([[1, 0], [10, 0], [0, 1]], "float32")
mask = np.array([1, 0, 1], "float32")
output, attention_weights = tr.scaled_dot_product_attention(q, k, v, mask)
print(attention_weights.numpy().round(2))
print(output.numpy().round(2))

# %% [markdown]
# ## Masks and positional encoding
# In training the decoder reads the whole correct output at once (teacher forcing). The
# look-ahead mask, also called causal mask, excludes for each token those after it
# (dark); the padding mask excludes the padding of the input.
#
# Attention itself ignores the order: if the tokens are permuted, the outputs are only
# permuted in the same way. Therefore a vector of sines and cosines, from high to low
# frequencies, is added for each position:
#
# $$PE_{(pos,\,2i)} = \sin\frac{pos}{10000^{2i/d}}\qquad
#   PE_{(pos,\,2i+1)} = \cos\frac{pos}{10000^{2i/d}}$$

# %%
causal = tr.create_look_ahead_mask(tr.TY)[0]
padding = np.repeat(tr.create_padding_mask(data.x[:10])[:, 0], 3, axis=0)
enlarged = {
    "look-ahead mask": np.kron(causal, np.ones((30, 30))),
    "padding masks of ten dates": np.kron(padding, np.ones((10, 10))),
}
shades = {
    title: np.repeat(0.3 + 0.5 * mask[..., np.newaxis], 3, axis=2)
    for title, mask in enlarged.items()
}
plots.show(plots.row(shades), OUT / "masks.png")
encoding = tr.positional_encoding(tr.TX, 64)[0].numpy()
waves = {f"column {i} of 64": encoding[:, i] for i in (0, 10, 20, 40)}
figure = plots.curves(waves, title="Positional encoding", xlabel="position", ylabel="")
plots.show(figure, OUT / "positions.png")

# %% [markdown]
# ## The network
# Two encoder layers and two decoder layers with four heads each. Residual connections
# and layer normalisations let the gradient reach the first layers.

# %%
model = tr.build_model()
print(f"{model.count_params():,} parameters")

# %% [markdown]
# ## Training

# %%
recipe = {"epochs": 4, "batch_size": 50} if QUICK else {"epochs": 6}
losses = tr.train(model, data, **recipe)
curve = plots.curve(losses, title="Dates", ylabel="cross-entropy per character")
plots.show(curve, OUT / "loss.png")
held_out = dates.make_pairs(100 if QUICK else 1_000, seed=1, held_out=True)


def exact_match(model):
    """The share of dates on held-out days that are translated without a mistake."""
    translations, _, _ = tr.translate(model, [human for human, _ in held_out])
    pairs = zip(translations, held_out, strict=True)
    return np.mean([text == machine for text, (_, machine) in pairs])


print(f"exact matches on held-out days: {exact_match(model):.1%}")

# %% [markdown]
# ## The weights that ship with the package

# %%
translator = tr.load_pretrained()
print(f"exact matches on held-out days: {exact_match(translator):.1%}")
for sentence, _ in tr.EXAMPLES:
    answer = tr.infer(translator, sentence)
    print(f"{sentence:24} {answer}   {answer.confidence:.1%}")

# %% [markdown]
# ## Greedy decoding
# The decoder is autoregressive: it predicts each character from those before it. Greedy
# decoding always appends the most probable one. In its plain form the decoder runs on
# the whole output so far at every step; only the prediction after the last character is
# new. `infer` keeps the keys and values of earlier characters (a KV cache) and runs the
# decoder on one character per step, which gives the same text.

# %%
question, sentence = tr.example()
x = dates.tokens([sentence])
y = np.full((1, tr.TY + 1), dates.START, "int32")
for t in range(tr.TY):
    y_hat, _ = translator(
        x,
        y[:, :-1],
        enc_padding_mask=tr.create_padding_mask(x),
        look_ahead_mask=tr.create_look_ahead_mask(tr.TY),
        dec_padding_mask=tr.create_padding_mask(x),
    )
    y[:, t + 1] = np.argmax(y_hat[:, t], axis=-1)
    print(dates.decode_tokens(y[:, 1 : t + 2])[0])
answer = tr.infer(translator, sentence)
print(f"{question} {answer}")

# %% [markdown]
# ## The attention weights
# One row per output character, one column per input character: the cross-attention of
# the last layer, averaged over its four heads. The weights are spread around the right
# characters, because the encoder has already combined each with its neighbours.

# %%
plots.show(tr.picture(sentence, answer), OUT / "attention.png")

# %% [markdown]
# ## Limits
# The network gives every input a date, and does not know the calendar: try the 30th of
# February. So `infer` compares its output with the sentence, and refuses what is no day
# of the calendar or does not agree.

# %%
for sentence in ("30 February 2012", "am 3. oktober 1990", "hello"):
    try:
        print(f"{sentence:24} {tr.infer(translator, sentence)}")
    except InputError as error:
        print(f"{sentence:24} {error}")
