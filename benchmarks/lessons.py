"""The course's own way, as plain as its notebooks have it: loops over everything."""

import numpy as np

from dls_keras.course5 import dinosaurs
from dls_keras.datasets.dinosaur_names import LETTERS

# Names of dinosaurs: one letter at a time.


def dinosaur_losses(parameters, data, iterations, learning_rate=0.01):
    """The losses of the course's loop, the parameters changed in place."""
    a_prev, losses = np.zeros((len(parameters["b"]), 1)), []
    for j in range(iterations):
        letters = [LETTERS.index(c) for c in data.names[j % len(data.names)]]
        X, Y = [None, *letters], [*letters, 0]
        loss, _, a_prev = dinosaurs.optimize(X, Y, a_prev, parameters, learning_rate)
        losses.append(loss)
    return losses
