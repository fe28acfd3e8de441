# %% [markdown]
# # Dinosaur island
#
# A network that reads names letter by letter can write them, too: it draws a letter,
# reads it, and draws the next. You will watch it begin with noise, find the endings and
# at last make up dinosaurs that nobody has dug up yet.
#
# The full run takes 15 seconds of CPU time, `--quick` 9. At each letter of names never
# read the shipped network hesitates among 6.31 letters; whoever only knows how frequent
# each letter is, among 16.7. Of 1,000 names that it makes up 99.7 % are in no list.

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
# The course's 1,536 names where they are at hand; otherwise the 853 of a list of our
# own, and then the losses and names below are others than the course prints.

# %%
data = dino.load_data()
print(f"{len(data.names)} names: {', '.join(data.names[:6])}, ...")
print("read:   ", data.x[0, : data.lengths[0]])
print("guessed:", data.y[0, : data.lengths[0]])

# %% [markdown]
# A name is read from a column of zeros on, and ends with newline, the letter 0. Letters
# are not equally frequent, as one look shows: every saurus has an s, an a and a u.

# %%
text = "\n".join(data.names) + "\n"
shares = {letter: text.count(letter) / len(text) for letter in set(text)}
frequent = sorted(shares, key=shares.get, reverse=True)[:12]
bars = {"end" if letter == "\n" else letter: shares[letter] for letter in frequent}
figure = plots.probabilities(bars, title="How often each letter comes next")
plots.show(figure, OUT / "letters.png")

# %% [markdown]
# ## The idea
# The plain cell of `recurrent_steps`, with a softmax over 27 letters at every step, and
# a name's loss is the surprise at all its letters together:
#
# $$a^{\langle t\rangle} = \tanh\left(W_{ax} x^{\langle t\rangle} +
#   W_{aa} a^{\langle t-1\rangle} + b\right)\qquad
#   L = -\sum_t \log \hat y^{\langle t\rangle}_{x^{\langle t+1\rangle}}$$
#
# One name is one step of gradient descent. Now and then a gradient explodes on its way
# back, and one leap would undo all that was learnt; so it is clipped first:

# %%
rng = np.random.default_rng(0)
names = ("dWaa", "dWax", "dWya", "db", "dby")
exploded = {name: 10 * rng.standard_normal((2, 2)) for name in names}
print("before:", exploded["dWaa"].round(1).tolist())
print("after: ", dino.clip(exploded, dino.CLIP)["dWaa"].round(1).tolist())

# %% [markdown]
# ## Learning
# The course's loop. Every thousand names it prints its running loss and what it writes.

# %%
number = {letter: i for i, letter in enumerate(dinosaur_names.LETTERS)}
letter = dict(enumerate(dinosaur_names.LETTERS))
steps = 2001 if QUICK else 8001
parameters, _ = dino.model(data.names, letter, number, steps)

# %% [markdown]
# `dino.train` takes the same steps as one compiled program, eleven times as fast, and
# gives the mean loss of each pass. Every tenth name is held back here for a test.

# %%
learnt = dino.load_data(dinosaur_names.split(data.names))
unseen = dinosaur_names.split(data.names, held_out=True)
network = dino.build_model()
losses = dino.train(network, learnt, epochs=10 if QUICK else 50)
curve = plots.curve(losses, title="Dinosaurs", ylabel="nats per name")
plots.show(curve, OUT / "loss.png")
perplexity = np.exp(dino.nats_per_letter(network, unseen))
print(f"hesitates among {perplexity:.2f} letters of {len(unseen)} names never read")

# %% [markdown]
# ## The weights that ship with the package
# They learnt from our own list. A darker letter was likelier: the beginnings are free,
# and once "saur" stands there is little left to decide.

# %%
shipped = dino.load_pretrained()
question, start = dino.example()
answer = dino.infer(shipped, start)
print(f"{question} {answer}")
plots.show(dino.picture(shipped, start), OUT / "names.png")

# %% [markdown]
# The temperature says how daring to be: below 1 likely letters become likelier.

# %%
for temperature in (0.3, 1.0, 1.5):
    print(f"at {temperature}: {dino.infer(shipped, '', temperature=temperature)}")
made_up, _ = dino.invent(shipped, 1000)
known = set(dinosaur_names.OURS)
print(f"in no list: {np.mean([name not in known for name in made_up]):.1%} of 1,000")

# %% [markdown]
# ## Verses
# The same idea with two LSTMs and Shakespeare's sonnets. The course's weights are not
# ours to hand out; where they are at hand they go on with a line.

# %%
try:
    poet = dino.load_pretrained("shakespeare")
    print(dino.infer(poet, "Shall I compare thee to a ", count=2 if QUICK else 4))
except MissingFileError:
    print("The weights of the verses are not at hand.")

# %% [markdown]
# ## What it cannot do
# It has no idea of a dinosaur, nor of Greek: it knows which letters follow which, and
# after a dozen of them its plain cell has forgotten how the name began.
