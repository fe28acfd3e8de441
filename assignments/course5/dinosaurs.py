# %% [markdown]
# # Dinosaur island
#
# A character-level RNN predicts the next letter of a name, and so it can also generate
# names: it samples a letter, takes it as the next input, and samples again. You will
# see how the samples change during training, from random letters to dinosaurs that
# nobody has discovered yet.
#
# The full run takes 15 seconds of CPU time, `--quick` 9. The shipped model has a
# perplexity of 6.31 per letter on held-out names; a baseline that knows only the
# frequency of each letter has 16.7. Of 1,000 generated names 99.7 % are new.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course5 import dinosaurs as dino
from dls_keras.datasets import dinosaur_names

QUICK = "--quick" in sys.argv
OUT = Path("out/dinosaurs")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The course's 1,536 names if they are available; otherwise the 853 names of this
# package, with other losses and samples than the course prints.

# %%
try:
    data = dino.load_data()
except MissingFileError:
    data = dino.load_data(synthetic=True)
print(f"{len(data.names)} names: {', '.join(data.names[:6])}, ...")
print("inputs: ", data.x[0, : data.lengths[0]])
print("targets:", data.y[0, : data.lengths[0]])

# %% [markdown]
# The first input of a name is a column of zeros (27 in the array above), the last
# target is newline, the letter 0. Letters are not equally frequent: every "saurus" has
# an s, an a and a u.

# %%
text = "\n".join(data.names) + "\n"
shares = {letter: text.count(letter) / len(text) for letter in set(text)}
frequent = sorted(shares, key=shares.get, reverse=True)[:12]
bars = {"end" if letter == "\n" else letter: shares[letter] for letter in frequent}
figure = plots.probabilities(bars, title="The most frequent letters")
plots.show(figure, OUT / "letters.png")

# %% [markdown]
# ## The idea
# The basic RNN cell of `recurrent_steps`, with a softmax over 27 letters at every step.
# The loss of a name is the sum of the cross-entropies of its letters:
#
# $$a^{\langle t\rangle} = \tanh\left(W_{ax} x^{\langle t\rangle} +
#   W_{aa} a^{\langle t-1\rangle} + b\right)\qquad
#   L = -\sum_t \log \hat y^{\langle t\rangle}_{x^{\langle t+1\rangle}}$$
#
# Each name is one step of stochastic gradient descent. Sometimes a gradient explodes on
# its way through the time steps, and one such step would destroy the weights. So each
# entry is clipped first:

# %%
rng = np.random.default_rng(0)
names = ("dWaa", "dWax", "dWya", "db", "dby")
exploded = {name: 10 * rng.standard_normal((2, 2)) for name in names}
print("before:", exploded["dWaa"].round(1).tolist())
print("after: ", dino.clip(exploded, dino.CLIP)["dWaa"].round(1).tolist())

# %% [markdown]
# ## Training
# The course's loop. Every thousand names it prints the moving average of the loss and
# seven samples.

# %%
iterations = 2001 if QUICK else 8001
dino.model(data.names, dino.IX_TO_CHAR, dino.CHAR_TO_IX, iterations)

# %% [markdown]
# `dino.train` computes the same as one compiled program, eleven times as fast, and
# returns the mean loss of each epoch. Here every tenth name is held out.

# %%
training = dino.load_data(dinosaur_names.split(data.names))
held_out = dinosaur_names.split(data.names, held_out=True)
network = dino.build_model()
losses = dino.train(network, training, epochs=10 if QUICK else 50)
curve = plots.curve(
    losses, title="Training loss", ylabel="cross-entropy per name, nats"
)
plots.show(curve, OUT / "loss.png")
baseline = dino.unigram_perplexity(training.names, held_out)
print(f"perplexity of the unigram baseline: {baseline:.2f}")
print(f"perplexity of the network: {dino.perplexity(network, held_out):.2f}")

# %% [markdown]
# ## Generating names
# The shipped weights were trained on the list of this package. In the picture a
# likelier letter is darker: many letters are possible at the beginning, and after
# "saur" there is almost no choice.

# %%
shipped = dino.load_pretrained()
question, start = dino.example()
answer = dino.infer(shipped, start)
print(f"{question} {answer}")
plots.show(dino.picture(start, answer), OUT / "names.png")

# %% [markdown]
# The temperature changes the probabilities before sampling: below 1, likely letters
# become likelier.

# %%
for temperature in (0.3, 1.0, 1.5):
    answer = dino.infer(shipped, "", temperature=temperature)
    print(f"temperature {temperature}: {answer}")
samples = dino.infer(shipped, "", count=1000, temperature=1.0).details["names"]
new = np.mean([name.lower() not in dinosaur_names.NAMES for name in samples])
print(f"not in the list: {new:.1%} of 1,000")

# %% [markdown]
# ## What it cannot do
# It has no model of dinosaurs or of Greek, only of which letters follow each other.
# After a dozen letters the state of its basic cell no longer depends on how the name
# began. `shakespeare` uses LSTMs for longer texts.
