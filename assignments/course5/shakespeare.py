# %% [markdown]
# # Writing like Shakespeare
#
# Two LSTM layers read forty characters of a sonnet and predict the next one. You will
# prepare the windows of text, train the network for a short time, and continue a line
# with it, and with the course's own weights if they are available.
#
# The full run takes 2 minutes of CPU time, `--quick` 20 seconds. The course's model,
# trained for 350 epochs, predicts 41 % of the next characters of the sonnets.

# %%
import sys
from pathlib import Path

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course5 import shakespeare as sp
from dls_keras.datasets import sonnets

QUICK = "--quick" in sys.argv
OUT = Path("out/shakespeare")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# All sonnets if the course's file is available, otherwise the seven that are part of
# this package. The text becomes windows of 40 characters, one every three characters,
# and the character after each. Both are one-hot: 37 characters and the line break.

# %%
try:
    data = sp.load_data()
except MissingFileError:
    data = sp.load_data(synthetic=True)
print("x", data.x.shape, " y", data.y.shape)
window = "".join(sonnets.CHARACTERS[i] for i in data.x[50].argmax(axis=1))
print(f"{window!r} is followed by {sonnets.CHARACTERS[data.y[50].argmax()]!r}")
shares = dict(zip(sonnets.CHARACTERS, data.y.mean(axis=0), strict=True))
frequent = sorted(shares, key=shares.get, reverse=True)[:12]
bars = {"space" if c == " " else c: shares[c] for c in frequent}
figure = plots.probabilities(bars, title="The most frequent characters")
plots.show(figure, OUT / "characters.png")

# %% [markdown]
# ## The network
# The first LSTM returns its state at every step, the second only the last one, from
# which a softmax predicts the next character:
#
# $$\hat y = \mathrm{softmax}\left(W a^{\langle 40\rangle} + b\right)\qquad
#   L = -\log \hat y_{\,\mathrm{next}}$$
#
# The untrained network generates random characters:

# %%
model = sp.build_model()
print(f"{model.count_params():,} parameters")
start = "from fairest "
print(sp.infer(model, start, lines=1))

# %% [markdown]
# ## Training
# A few epochs teach it the frequency of the letters and the length of words. The course
# trained its weights for 350 epochs.

# %%
if QUICK:
    data = sp.Windows(data.x[:2560], data.y[:2560])
losses = sp.train(model, data, epochs=4, learning_rate=0.005)
curve = plots.curve(
    losses, title="Training loss", ylabel="cross-entropy per character, nats"
)
plots.show(curve, OUT / "loss.png")
print(f"cross-entropy per character: {losses[-1]:.2f} nats")
answer = sp.infer(model, start, lines=1 if QUICK else 3)
print(answer)
plots.show(sp.picture(start, answer), OUT / "trained.png")

# %% [markdown]
# ## The course's weights
# They belong to the course and are not shipped, but downloaded if that is possible.
# They were trained with Keras 2, whose `hard_sigmoid` differs from that of Keras 3;
# `load_pretrained` builds the network with the old one.

# %%
try:
    poet = sp.load_pretrained()
except MissingFileError:
    print("The course's weights are not available.")
else:
    answer = sp.infer(poet, start, lines=2 if QUICK else 4)
    print(answer)
    plots.show(sp.picture(start, answer), OUT / "poem.png")

# %% [markdown]
# ## What it cannot do
# It imitates spelling, words and the length of lines. It sees forty characters, about
# one line, so it can neither rhyme nor continue a thought into the next line.
