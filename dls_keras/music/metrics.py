"""Metrics of solos: how well they fit the harmony, and how much of them is copied."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable

import numpy as np

from dls_keras.music import grammar
from dls_keras.music.tunes import Tune


def in_harmony(solos: Iterable[Tune]) -> float:
    """The share of notes that are tones of their chord or of its scale."""
    tokens = grammar.tokens(solos, rests=False)
    return float(np.mean([token[0] in "CS" for token in tokens]))


def copied(solos: Iterable[Tune], training: Iterable[Tune], length: int) -> float:
    """The share of runs of `length` tokens that a training tune contains, too."""
    known = {run for tune in training for run in _runs(tune, length)}
    return float(
        np.mean([run in known for solo in solos for run in _runs(solo, length)])
    )


def _runs(tune, length):
    """All sequences of `length` consecutive tokens of a tune."""
    tokens = grammar.tokens([tune])
    return [tuple(tokens[i : i + length]) for i in range(len(tokens) - length + 1)]


def bigram_accuracy(training: Iterable[Tune], held_out: Iterable[Tune]) -> float:
    """Next-token accuracy of a bigram baseline.

    It predicts the token that followed the preceding one most often in training.
    """
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for first, second in itertools.pairwise(grammar.tokens(training)):
        counts[first][second] += 1
    successor = {token: c.most_common(1)[0][0] for token, c in counts.items()}
    pairs = itertools.pairwise(grammar.tokens(held_out))
    return float(np.mean([successor.get(first) == second for first, second in pairs]))
