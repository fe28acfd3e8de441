# %% [markdown]
# # Recurrent networks, step by step
#
# A network that reads a sequence keeps what it has read in a state. You will run the
# plain cell and the LSTM in NumPy, send gradients back through fifty steps and see
# which of them brings them home, and then let a GRU learn to write from two hundred
# sentences about a harbour.
#
# The full run takes 10 seconds of CPU time, `--quick` 8. At each word of sentences that
# it has never read the shipped network hesitates among 20.7 words; whoever only knows
# how frequent each word is, among 52.6.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course5 import recurrent_steps as rs
from dls_keras.datasets import sentence_corpus

QUICK = "--quick" in sys.argv
OUT = Path("out/recurrent_steps")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The idea
# At every step the same weights mix what comes in with the state of the step before:
#
# $$a^{\langle t\rangle} = \tanh\left(W_{ax} x^{\langle t\rangle} +
#   W_{aa} a^{\langle t-1\rangle} + b_a\right)\qquad
#   \hat y^{\langle t\rangle} =
#   \mathrm{softmax}\left(W_{ya} a^{\langle t\rangle} + b_y\right)$$
#
# Here m = 8 sequences of T_x = 50 steps go through it at once.

# %%
n_x, n_a, n_y, m, T_x = 3, 16, 5, 8, 50
rng = np.random.default_rng(0)


def drawn(*shape):
    """Weights for about as many inputs as the last axis has."""
    return rng.standard_normal(shape) / np.sqrt(shape[-1])


x, a0 = rng.standard_normal((n_x, m, T_x)), np.zeros((n_a, m))
plain = {"Wax": drawn(n_a, n_x), "Waa": drawn(n_a, n_a), "Wya": drawn(n_y, n_a)}
plain |= {"ba": np.zeros((n_a, 1)), "by": np.zeros((n_y, 1))}
a, y_pred, plain_caches = rs.rnn_forward(x, a0, plain)
print("x", x.shape, " a", a.shape, " y_pred", y_pred.shape)

# %% [markdown]
# An LSTM keeps a memory c beside its state. Gates, numbers between 0 and 1 that are
# learnt like everything else, say what is forgotten (f), written (i) and shown (o):
#
# $$c^{\langle t\rangle} = \Gamma_f * c^{\langle t-1\rangle} +
#   \Gamma_i * \tilde c^{\langle t\rangle}\qquad
#   a^{\langle t\rangle} = \Gamma_o * \tanh c^{\langle t\rangle}$$
#
# The bias of the forget gate is 2 here, so that the cell keeps most of what it knows
# before it has learnt anything.

# %%
gated = {f"W{gate}": drawn(n_a, n_a + n_x) for gate in "fico"}
gated |= {f"b{gate}": np.full((n_a, 1), 2.0 * (gate == "f")) for gate in "fico"}
gated |= {"Wy": drawn(n_y, n_a), "by": np.zeros((n_y, 1))}
a, y, c, lstm_caches = rs.lstm_forward(x, a0, gated)
print("a", a.shape, " y", y.shape, " c", c.shape)

# %% [markdown]
# ## The way back
# What does the last state owe to each input? Its gradient travels back through all
# fifty steps. In the plain cell every step multiplies it by the same weights and by the
# slope of tanh, and next to nothing is left; the LSTM's memory is a road on which the
# forget gate alone takes toll.

# %%
da = np.zeros((n_a, m, T_x))
da[:, :, -1] = 1
arriving = {}
for name, backward, caches in (
    ("plain cell", rs.rnn_backward, plain_caches),
    ("LSTM", rs.lstm_backward, lstm_caches),
):
    dx = backward(da, caches)["dx"]  # (n_x, m, T_x)
    size = np.linalg.norm(dx, axis=0).mean(axis=0)[::-1]
    arriving[name] = np.log10(size)
    print(f"{name}: at the first input {size[-1]:.1g}, at the last {size[0]:.1g}")
figure = plots.curves(
    arriving,
    title="What reaches an earlier input",
    xlabel="steps back",
    ylabel="log10 of the gradient",
)
plots.show(figure, OUT / "gradients.png")

# %% [markdown]
# Formulas as long as these deserve a check: move one number of the first state a little
# to either side, and compare.

# %%
wiggle = np.zeros_like(a0)
wiggle[2, 3] = 1e-6
ends = [rs.lstm_forward(x, a0 + step, gated)[0][:, :, -1] for step in (wiggle, -wiggle)]
measured = (ends[0] - ends[1]).sum() / 2e-6
computed = rs.lstm_backward(da, lstm_caches)["da0"][2, 3]
print(f"da0[2, 3] computed {computed:.8f}, measured {measured:.8f}")

# %% [markdown]
# ## What it is for: the next word
# A language model guesses each next word of a text. This text was written for the
# package, a year in a small harbour, and every eighth sentence is kept for testing.

# %%
data, unseen = rs.load_data(), rs.load_data(held_out=True)
print(f"{len(data.x)} sentences to learn from, {len(unseen.x)} to test on")
for words in sentence_corpus.split(sentence_corpus.OURS)[:3]:
    print("  ", " ".join(words))
counts = np.bincount(data.y[data.y >= 0])
shares = {data.words[i]: counts[i] / counts.sum() for i in np.argsort(-counts)[:10]}
figure = plots.probabilities(shares, title="How often each word comes next")
plots.show(figure, OUT / "words.png")

# %% [markdown]
# A model is judged by its perplexity, e to the mean surprise: among how many words it
# still hesitates. Whoever only knows the bars above hesitates among these:

# %%
print(f"by frequencies alone: {rs.unigram_perplexity(data, unseen):.1f} words")

# %% [markdown]
# ## Learning
# A GRU, which does with two gates, between word vectors and a softmax.

# %%
writer = rs.build_model()
print(f"{writer.model.count_params():,} parameters, {len(writer.words)} words")
losses = rs.train(writer, data, epochs=8 if QUICK else 40)
curve = plots.curve(losses, title="The harbour", ylabel="nats per word")
plots.show(curve, OUT / "loss.png")
print(f"sentences learnt:     {rs.perplexity(writer, data):.1f} words")
print(f"sentences never read: {rs.perplexity(writer, unseen):.1f} words")

# %% [markdown]
# ## The weights that ship with the package
# They write by drawing a word, reading it, and drawing the next. The temperature says
# how daring to be: low, and only what is likely comes; high, and grammar goes.

# %%
shipped = rs.load_pretrained()
print(f"sentences never read: {rs.perplexity(shipped, unseen):.1f} words")
question, start = rs.example()
print(question)
for temperature in (0.2, 0.5, 1.5):
    answer = rs.infer(shipped, start, count=2, temperature=temperature)
    print(f"at {temperature}: {answer}")
plots.show(rs.picture(shipped, start), OUT / "written.png")

# %% [markdown]
# ## What it cannot do
# It knows the words that stand twice in its text and no others, and has no idea of a
# harbour: it knows what tends to follow. Across the end of a sentence it remembers
# nothing, so no story ever comes of it.
