"""Recurrent networks, step by step: RNN, LSTM and GRU in NumPy (C5 W1 A1).

A recurrent network processes a sequence one step at a time and stores what it has read
so far in a hidden state. The basic RNN cell computes a new state from the previous one
and the input. An LSTM has a cell state c as well, and gates that decide what to forget,
what to write to c and what to output. A GRU needs only two gates:

    RNN   a<t> = tanh(Wax x<t> + Waa a<t-1> + ba)       y<t> = softmax(Wya a<t> + by)
    LSTM  c<t> = f * c<t-1> + i * tanh(Wc [a<t-1>; x<t>] + bc)
          a<t> = o * tanh(c<t>)            f, i, o = sigmoid(W [a<t-1>; x<t>] + b)
    GRU   c<t> = u * tanh(Wc [r * c<t-1>; x<t>] + bc) + (1 - u) * c<t-1>

The backward pass (backpropagation through time) goes from the last step to the first.
Each cell passes the gradient of its previous state to the step before, and the
gradients of the shared weights are summed over the steps.

`lstm_backward` computes the true gradients. The notebook of 2017 passes neither the
gradient of the hidden state nor that of the cell state to the previous step, so the
numbers it prints (da0[2][3] = -0.0959 instead of 0.3128) fail a gradient check; 2021
is right. `rnn_cell_backward` was right in 2017, too, but printed other numbers, since
its example used a bias from an earlier cell of the notebook.

What such cells are used for: `language_model` predicts the next word of a text,
`dinosaurs` the next letter of a name.

Shapes: m sequences of T_x steps, x (n_x, m, T_x), states (n_a, m, T_x), outputs
(n_y, m, T_x). Edition: 2021. NumPy alone, in float64. Papers: Elman (1990); Hochreiter
& Schmidhuber (1997); Cho et al. (2014), https://arxiv.org/abs/1406.1078; Schuster &
Paliwal (1997) for bidirectional networks.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dls_keras.course1.numpy_basics import sigmoid

# The assignment: the course's functions under the course's signatures.


def softmax(x):
    """The softmax of x along axis 0: e^x, normalised to sum to one."""
    e = np.exp(x - np.max(x, axis=0))
    return e / np.sum(e, axis=0)


def rnn_cell_forward(xt, a_prev, parameters):
    """One step of the basic RNN cell.

    Args:
        xt: (n_x, m), the input of this step.
        a_prev: (n_a, m), the state after the previous step.
        parameters: dict of Wax (n_a, n_x), Waa (n_a, n_a), Wya (n_y, n_a),
            ba (n_a, 1), by (n_y, 1).

    Returns:
        a_next (n_a, m); yt_pred (n_y, m), columns that sum to one; and the cache
        (a_next, a_prev, xt, parameters) for the backward pass.
    """
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    a_next = np.tanh(Wax @ xt + Waa @ a_prev + parameters["ba"])
    yt_pred = softmax(Wya @ a_next + parameters["by"])
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


def rnn_forward(x, a0, parameters):
    """The basic RNN cell over all T_x steps.

    Args:
        x: (n_x, m, T_x).
        a0: (n_a, m), the initial state.

    Returns:
        a (n_a, m, T_x), y_pred (n_y, m, T_x), and the caches: (one per step, x).
    """
    a_next, states, outputs, caches = a0, [], [], []
    for xt in steps(x):
        a_next, yt_pred, cache = rnn_cell_forward(xt, a_next, parameters)
        states.append(a_next)
        outputs.append(yt_pred)
        caches.append(cache)
    return np.stack(states, axis=2), np.stack(outputs, axis=2), (caches, x)


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    """One step of the LSTM cell.

    Args:
        xt: (n_x, m).
        a_prev, c_prev: (n_a, m), hidden state and cell state after the previous step.
        parameters: dict of Wf, Wi, Wc, Wo (n_a, n_a + n_x), which multiply the state
            stacked on the input, bf, bi, bc, bo (n_a, 1), Wy (n_y, n_a), by (n_y, 1).

    Returns:
        a_next, c_next (n_a, m); yt_pred (n_y, m); and the cache (a_next, c_next,
        a_prev, c_prev, ft, it, cct, ot, xt, parameters).
    """
    p = parameters
    concat = np.concatenate([a_prev, xt])  # (n_a + n_x, m)
    ft = sigmoid(p["Wf"] @ concat + p["bf"])  # forget gate: how much of c to keep
    it = sigmoid(p["Wi"] @ concat + p["bi"])  # update gate: how much of cct to add
    cct = np.tanh(p["Wc"] @ concat + p["bc"])  # the candidate value
    ot = sigmoid(p["Wo"] @ concat + p["bo"])  # output gate: how much of c to output
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(p["Wy"] @ a_next + p["by"])
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


def lstm_forward(x, a0, parameters):
    """The LSTM cell over all T_x steps; the initial cell state is zero.

    Args:
        x: (n_x, m, T_x).
        a0: (n_a, m), the initial hidden state.

    Returns:
        a (n_a, m, T_x), y (n_y, m, T_x), c (n_a, m, T_x), and the caches: (one per
        step, x).
    """
    a_next, c_next = a0, np.zeros_like(a0)
    states, outputs, cells, caches = [], [], [], []
    for xt in steps(x):
        a_next, c_next, yt, cache = lstm_cell_forward(xt, a_next, c_next, parameters)
        states.append(a_next)
        outputs.append(yt)
        cells.append(c_next)
        caches.append(cache)
    a, y, c = (np.stack(s, axis=2) for s in (states, outputs, cells))
    return a, y, c, (caches, x)


def rnn_cell_backward(da_next, cache):
    """The gradients of one step of the basic RNN cell.

    Args:
        da_next: (n_a, m), the gradient of the loss with respect to a_next, through
            this step's output and all later steps.
        cache: as `rnn_cell_forward` returns it.

    Returns:
        Dict of dxt (n_x, m), da_prev (n_a, m), dWax, dWaa and dba (n_a, 1).
    """
    a_next, a_prev, xt, parameters = cache
    dz = da_next * (1 - a_next**2)  # tanh' = 1 - tanh^2
    return {
        "dxt": parameters["Wax"].T @ dz,
        "da_prev": parameters["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": np.sum(dz, axis=1, keepdims=True),
    }


def rnn_backward(da, caches):
    """The gradients of the basic RNN cell over all steps.

    Args:
        da: (n_a, m, T), the gradient with respect to each state through the output of
            its own step; if T is less than T_x, only the first T steps are used.
        caches: as `rnn_forward` returns them.

    Returns:
        Dict of dx (n_x, m, T), da0 (n_a, m), dWax, dWaa and dba.
    """
    step_caches, _ = caches
    dx, sums = [], {}
    da_prev = np.zeros_like(da[:, :, 0])
    for da_t, cache in reversed(list(zip(steps(da), step_caches, strict=False))):
        # A state influences the loss through its own output and through the next step.
        gradients = rnn_cell_backward(da_t + da_prev, cache)
        dx.append(gradients.pop("dxt"))
        da_prev = gradients.pop("da_prev")
        sums = {name: sums.get(name, 0) + g for name, g in gradients.items()}
    return {"dx": np.stack(dx[::-1], axis=2), "da0": da_prev, **sums}


def lstm_cell_backward(da_next, dc_next, cache):
    """The gradients of one step of the LSTM cell.

    Args:
        da_next, dc_next: (n_a, m), the gradients of the loss with respect to the
            hidden state and the cell state.
        cache: as `lstm_cell_forward` returns it.

    Returns:
        Dict of dxt (n_x, m), da_prev and dc_prev (n_a, m), dWf, dbf, dWi, dbi, dWc,
        dbc, dWo and dbo.
    """
    _, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters = cache
    n_a = len(a_prev)
    tanh_c = np.tanh(c_next)
    # c_next is used twice: for a_next and in the next step.
    dc = dc_next + da_next * ot * (1 - tanh_c**2)
    dz = {  # with respect to the argument of each sigmoid or tanh
        "f": dc * c_prev * ft * (1 - ft),
        "i": dc * cct * it * (1 - it),
        "c": dc * it * (1 - cct**2),
        "o": da_next * tanh_c * ot * (1 - ot),
    }
    concat = np.concatenate([a_prev, xt])
    dconcat = sum(parameters[f"W{gate}"].T @ dz[gate] for gate in dz)
    gradients = {"dxt": dconcat[n_a:], "da_prev": dconcat[:n_a], "dc_prev": dc * ft}
    for gate in dz:
        gradients[f"dW{gate}"] = dz[gate] @ concat.T
        gradients[f"db{gate}"] = np.sum(dz[gate], axis=1, keepdims=True)
    return gradients


def lstm_backward(da, caches):
    """The gradients of the LSTM cell over all steps.

    Args:
        da: (n_a, m, T), as for `rnn_backward`.
        caches: as `lstm_forward` returns them.

    Returns:
        Dict of dx (n_x, m, T), da0 (n_a, m), dWf, dbf, dWi, dbi, dWc, dbc, dWo, dbo.
    """
    step_caches, _ = caches
    dx, sums = [], {}
    da_prev = dc_prev = np.zeros_like(da[:, :, 0])
    for da_t, cache in reversed(list(zip(steps(da), step_caches, strict=False))):
        gradients = lstm_cell_backward(da_t + da_prev, dc_prev, cache)
        dx.append(gradients.pop("dxt"))
        da_prev, dc_prev = gradients.pop("da_prev"), gradients.pop("dc_prev")
        sums = {name: sums.get(name, 0) + g for name, g in gradients.items()}
    return {"dx": np.stack(dx[::-1], axis=2), "da0": da_prev, **sums}


def steps(x):
    """The T_x steps (n, m) of an array (n, m, T_x), in order."""
    return np.moveaxis(x, 2, 0)


# From the lectures: the GRU, bidirectional and deep RNNs.


def gru_cell_forward(
    xt: np.ndarray, c_prev: np.ndarray, parameters: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """One step of the GRU, whose hidden state is its memory cell (a = c).

    Args:
        xt: (n_x, m).
        c_prev: (n_a, m).
        parameters: dict of Wu, Wr, Wc (n_a, n_a + n_x), which multiply the state
            stacked on the input, bu, br, bc (n_a, 1), Wy (n_y, n_a), by (n_y, 1).

    Returns:
        c_next (n_a, m), and yt_pred (n_y, m).
    """
    p = parameters
    concat = np.concatenate([c_prev, xt])
    ut = sigmoid(p["Wu"] @ concat + p["bu"])  # update gate: how much of cct to use
    rt = sigmoid(p["Wr"] @ concat + p["br"])  # relevance gate: of c_prev for cct
    cct = np.tanh(p["Wc"] @ np.concatenate([rt * c_prev, xt]) + p["bc"])  # candidate
    c_next = ut * cct + (1 - ut) * c_prev
    return c_next, softmax(p["Wy"] @ c_next + p["by"])


def gru_forward(
    x: np.ndarray, c0: np.ndarray, parameters: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """The GRU over all T_x steps from c0 (n_a, m): c (n_a, m, T_x), y (n_y, m, T_x)."""
    c_next, states, outputs = c0, [], []
    for xt in steps(x):
        c_next, yt_pred = gru_cell_forward(xt, c_next, parameters)
        states.append(c_next)
        outputs.append(yt_pred)
    return np.stack(states, axis=2), np.stack(outputs, axis=2)


def rnn_states(
    x: np.ndarray, a0: np.ndarray, parameters: dict[str, np.ndarray]
) -> np.ndarray:
    """The states (n_a, m, T_x) of a basic RNN layer without outputs.

    Args:
        x: (n_x, m, T_x).
        a0: (n_a, m), the initial state.
        parameters: dict of Wax, Waa and ba.
    """
    a_next, states = a0, []
    for xt in steps(x):
        a_next = np.tanh(
            parameters["Wax"] @ xt + parameters["Waa"] @ a_next + parameters["ba"]
        )
        states.append(a_next)
    return np.stack(states, axis=2)


def bidirectional_rnn_forward(
    x: np.ndarray, a0: Sequence[np.ndarray], parameters: dict[str, Any]
) -> tuple[np.ndarray, np.ndarray]:
    """Two basic RNN layers, one of which reads the sequence from its end.

    Args:
        x: (n_x, m, T_x).
        a0: the initial states (n_a, m) of the forward and of the backward layer.
        parameters: dict of "forward" and "backward", each with Wax, Waa and ba; of Wya
            (n_y, 2 n_a), which multiplies the states of both, and by.

    Returns:
        a (2 n_a, m, T_x), where `a<t>` depends on the inputs before and after t; and
        y_pred (n_y, m, T_x).
    """
    forward = rnn_states(x, a0[0], parameters["forward"])
    backward = rnn_states(x[:, :, ::-1], a0[1], parameters["backward"])[:, :, ::-1]
    a = np.concatenate([forward, backward])
    return a, rnn_outputs(a, parameters)


def deep_rnn_forward(
    x: np.ndarray, a0: Sequence[np.ndarray], parameters: dict[str, Any]
) -> tuple[list[np.ndarray], np.ndarray]:
    """Stacked basic RNN layers: the states of one are the input of the next.

    Args:
        x: (n_x, m, T_x).
        a0: the initial state (n_a, m) of each layer.
        parameters: dict of "layers", each with Wax, Waa and ba, the first layer first;
            of Wya, which multiplies the states of the last layer, and by.

    Returns:
        a: the states (n_a, m, T_x) of each layer, and y_pred (n_y, m, T_x).
    """
    a: list[np.ndarray] = []
    for layer, initial in zip(parameters["layers"], a0, strict=True):
        a.append(rnn_states(a[-1] if a else x, initial, layer))
    return a, rnn_outputs(a[-1], parameters)


def rnn_outputs(a: np.ndarray, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """The outputs (n_y, m, T_x) of all steps for the states a (n_a, m, T_x)."""
    Wya, by = parameters["Wya"], parameters["by"]
    return softmax(np.tensordot(Wya, a, axes=1) + by[:, :, np.newaxis])
