"""Metrics of verification: do two encodings belong to the same person?

A verification system accepts a pair of faces if the distance of their encodings is
below a threshold. Two errors are possible, and the threshold trades one for the other:

    false accept rate = accepted pairs of different people / all such pairs
    false reject rate = rejected pairs of one person / all such pairs

The ROC curve shows both for every threshold. Where they are equal is the equal error
rate, one number for the whole curve.
"""

import numpy as np


def pair_distances(
    encodings: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The distance of each pair of m faces, and whether it is of one person.

    Args:
        encodings: (m, d) of unit length.
        y: (m,) the number of the person on each face.

    Returns:
        Distances (k,) and same (k,) bool, with k = m (m - 1) / 2.
    """
    first, second = np.triu_indices(len(y), 1)
    cosine = (encodings @ encodings.T)[first, second]
    return np.sqrt(np.maximum(2 - 2 * cosine, 0)), y[first] == y[second]


def roc(
    distances: np.ndarray, same: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The ROC curve: false and true accept rates for every threshold.

    Args:
        distances: (k,) of pairs of faces.
        same: (k,) bool, whether a pair is of one person.

    Returns:
        false_accepts, true_accepts (rates in [0, 1]) and thresholds, each (j,) and
        increasing. A pair is accepted if its distance is at most the threshold.
    """
    thresholds = np.unique(distances)
    false_accepts, true_accepts = (
        np.searchsorted(np.sort(distances[kind]), thresholds, "right") / kind.sum()
        for kind in (~same, same)
    )
    return false_accepts, true_accepts, thresholds


def equal_error_rate(distances: np.ndarray, same: np.ndarray) -> tuple[float, float]:
    """The rate at which false accepts and false rejects are equal, and the threshold.

    Between two thresholds of the data the rate is the mean of both errors.
    """
    false_accepts, true_accepts, thresholds = roc(distances, same)
    false_rejects = 1 - true_accepts
    i = np.abs(false_accepts - false_rejects).argmin()
    return float(false_accepts[i] + false_rejects[i]) / 2, float(thresholds[i])


def balanced_accuracy(
    distances: np.ndarray, same: np.ndarray, threshold: float
) -> float:
    """The accuracy of accepting distances below `threshold`, in [0, 1].

    It is the mean of the accuracies on pairs of one person and on pairs of different
    people, as if there were equally many of each.
    """
    accepted = distances < threshold
    return float(accepted[same].mean() + (~accepted[~same]).mean()) / 2


def nearest_is_same(encodings: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each of m faces whether the nearest other one shows the same person, (m,).

    The mean is the rank-1 identification rate.
    """
    cosine = encodings @ encodings.T
    np.fill_diagonal(cosine, -2)
    return y[cosine.argmax(axis=1)] == y
