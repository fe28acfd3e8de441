"""Sampling many sequences at once from a recurrent network, in NumPy.

The network computes one step for all sequences. A sequence that has ended leaves the
batch, so that later steps cost less.
"""

from collections.abc import Callable, Sequence

import numpy as np

from dls_keras.core import sampling


def sample_sequences(
    step: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]],
    state: np.ndarray,
    symbols: int,
    *,
    start: Sequence[int],
    end: int,
    longest: int,
    temperature: float,
    rng: np.random.Generator,
) -> tuple[list[list[int]], list[np.ndarray]]:
    """Sample one sequence for each column of the initial state.

    Args:
        step: a function of the states (n_a, m) and the inputs (symbols, m), which are
            one-hot or, at the first step, zeros; it returns the new states and the
            probabilities (symbols, m) of the next symbol.
        state: (n_a, m), the initial states.
        symbols: how many symbols there are.
        start: the symbols with which every sequence begins.
        end: the symbol that ends a sequence.
        longest: a sequence has at most so many symbols.
        temperature, rng: as in `core.sampling.categorical`.

    Returns:
        sequences: m lists of symbols, without `end`.
        probabilities: for each sequence the probability of each symbol, `start`
            included, and of `end` if the sequence has ended.
    """
    m = state.shape[1]
    one_hot = np.eye(symbols)
    sampled = np.full((m, longest), end)
    probabilities = np.empty((m, longest))
    rows, x = np.arange(m), np.zeros((symbols, m))  # those that have not ended
    for t in range(longest):
        state, p = step(state, x)
        if t < len(start):
            symbol = np.full(len(rows), start[t])
        else:
            symbol = sampling.categorical(p, temperature, rng)
        sampled[rows, t] = symbol
        probabilities[rows, t] = p[symbol, np.arange(len(rows))]
        open_ = symbol != end
        rows, state, x = rows[open_], state[:, open_], one_hot[:, symbol[open_]]
        if not len(rows):
            break
    lengths = np.count_nonzero(sampled != end, axis=1)
    return (
        [row[:n].tolist() for row, n in zip(sampled, lengths, strict=True)],
        [p[: n + 1] for p, n in zip(probabilities, lengths, strict=True)],
    )
