# %% [markdown]
# # Recurrent networks, step by step
#
# A recurrent network stores what it has read of a sequence in a hidden state. You will
# run the basic RNN cell and the LSTM cell in NumPy, compute their gradients through
# fifty time steps, and see in which of the two the gradient vanishes.
#
# It takes a second, with or without `--quick`. After fifty steps of the backward pass
# the gradient of the basic cell is 5e-9, that of the LSTM cell 0.06.

# %%
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course5 import recurrent_steps as rs

OUT = Path("out/recurrent_steps")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The basic RNN cell
# At every step the same weights combine the input with the previous hidden state:
#
# $$a^{\langle t\rangle} = \tanh\left(W_{ax} x^{\langle t\rangle} +
#   W_{aa} a^{\langle t-1\rangle} + b_a\right)\qquad
#   \hat y^{\langle t\rangle} =
#   \mathrm{softmax}\left(W_{ya} a^{\langle t\rangle} + b_y\right)$$
#
# Here m = 8 sequences of T_x = 50 steps are processed at once.

# %%
n_x, n_a, n_y, m, T_x = 3, 16, 5, 8, 50
rng = np.random.default_rng(0)


def random_weights(*shape):
    """Normal numbers, scaled by the square root of the number of inputs."""
    return rng.standard_normal(shape) / np.sqrt(shape[-1])


x, a0 = rng.standard_normal((n_x, m, T_x)), np.zeros((n_a, m))
basic = {"Wax": random_weights(n_a, n_x), "Waa": random_weights(n_a, n_a)}
basic |= {"Wya": random_weights(n_y, n_a)}
basic |= {"ba": np.zeros((n_a, 1)), "by": np.zeros((n_y, 1))}
a, y_pred, basic_caches = rs.rnn_forward(x, a0, basic)
print("x", x.shape, " a", a.shape, " y_pred", y_pred.shape)

# %% [markdown]
# ## The LSTM cell
# An LSTM has a cell state c next to its hidden state a. Three gates, numbers between 0
# and 1 that are computed from a and x, decide how much of c is forgotten (f), how much
# of a new value is added (i), and how much of c is output (o):
#
# $$c^{\langle t\rangle} = \Gamma_f * c^{\langle t-1\rangle} +
#   \Gamma_i * \tilde c^{\langle t\rangle}\qquad
#   a^{\langle t\rangle} = \Gamma_o * \tanh c^{\langle t\rangle}$$
#
# The bias of the forget gate is 2 here, so that before training the cell already keeps
# most of its state.

# %%
gated = {f"W{gate}": random_weights(n_a, n_a + n_x) for gate in "fico"}
gated |= {f"b{gate}": np.full((n_a, 1), 2.0 * (gate == "f")) for gate in "fico"}
gated |= {"Wy": random_weights(n_y, n_a), "by": np.zeros((n_y, 1))}
a, y, c, lstm_caches = rs.lstm_forward(x, a0, gated)
print("a", a.shape, " y", y.shape, " c", c.shape)

# %% [markdown]
# ## The backward pass
# How much does each input influence the last state? The gradient of the last state
# passes backward through all fifty steps. In the basic cell every step multiplies it by
# the same weights and by the derivative of tanh, and almost nothing is left: the
# gradient vanishes. In the LSTM it passes along the cell state, where a step multiplies
# it only by the forget gate.

# %%
da = np.zeros((n_a, m, T_x))
da[:, :, -1] = 1
norms = {}
for name, backward, caches in (
    ("basic RNN cell", rs.rnn_backward, basic_caches),
    ("LSTM cell", rs.lstm_backward, lstm_caches),
):
    dx = backward(da, caches)["dx"]  # (n_x, m, T_x)
    norm = np.linalg.norm(dx, axis=0).mean(axis=0)[::-1]
    norms[name] = np.log10(norm)
    print(f"{name}: at the first input {norm[-1]:.1g}, at the last {norm[0]:.1g}")
figure = plots.curves(
    norms,
    title="Gradient of the last state with respect to earlier inputs",
    xlabel="steps before the last",
    ylabel="log10 of the norm",
)
plots.show(figure, OUT / "gradients.png")

# %% [markdown]
# ## Gradient checking
# Formulas as long as these should be checked: change one number of the initial state by
# a small step in both directions, and compare the difference with the gradient.

# %%
step = np.zeros_like(a0)
step[2, 3] = 1e-6
last = [rs.lstm_forward(x, a0 + d, gated)[0][:, :, -1] for d in (step, -step)]
numerical = (last[0] - last[1]).sum() / 2e-6
computed = rs.lstm_backward(da, lstm_caches)["da0"][2, 3]
print(f"da0[2, 3] computed {computed:.8f}, numerical {numerical:.8f}")

# %% [markdown]
# ## What such cells are used for
# `language_model` predicts the next word of a text with a GRU, `dinosaurs` the next
# letter of a name with the basic cell.
