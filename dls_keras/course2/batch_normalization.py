"""Batch normalization: each hidden unit gets a mean and a spread to rely on (C2 W3).

Scaled inputs make a cost round and its descent quick. Batch normalization does the
same for the inputs of every hidden unit, with the mean and variance of the
mini-batch at hand; two learnt parameters then let the unit have any mean and
spread it likes:

    mu = 1/m sum z[i]                      sigma2 = 1/m sum (z[i] - mu)^2
    z_norm = (z - mu) / s                  s = sqrt(sigma2 + epsilon)
    z_tilde = gamma z_norm + beta

Going back, each z[j] moves all of the batch, through mu and through s:

    dmu/dz[j] = 1/m,   ds/dz[j] = 1/(2 s) 2 (z[j] - mu) / m = z_norm[j] / m,   so
    dz_norm[i]/dz[j] = 1/s ((i == j) - 1/m - z_norm[i] z_norm[j] / m)

and with g = gamma dz_tilde, the gradient with respect to z_norm, the chain rule is

    dz[j] = sum over i of g[i] dz_norm[i]/dz[j]
          = 1/s (g[j] - mean(g) - z_norm[j] mean(g z_norm))
    dgamma = sum dz_tilde z_norm           dbeta = sum dz_tilde

dz has no mean and no part along z_norm: to shift or stretch the whole batch changes
nothing. So a bias before it would be idle, and the scale of the weights is. A
single example has no batch; at test time averages that ran along take the place of
mu and sigma2.

Shapes: Z (n, m), a unit a row and an example a column; gamma, beta, mu, sigma2
(n, 1). Of the lectures; the course has no assignment on it. `EPSILON` and
`MOMENTUM` are those of Keras's layer, to which a test compares. NumPy alone, no
TensorFlow. Paper: Ioffe & Szegedy (2015), https://arxiv.org/abs/1502.03167
"""

import numpy as np

from dls_keras.course2.initialization import compute_loss, relu, sigmoid
from dls_keras.course2.optimization import (
    random_mini_batches,
    update_parameters_with_gd,
)
from dls_keras.datasets import planar

EPSILON = 1e-3  # keeps s from zero; Keras's default
RATES = (0.01, 0.1, 1.0)  # that `evaluate` tries
UNITS = {
    "moons": lambda x: x,
    "moons / 100": lambda x: x / 100,
    "moons * 10 + 10": lambda x: x * 10 + 10,
}
MOMENTUM = 0.9  # of the running averages; Keras's 0.99 takes 500 steps to arrive

# The lesson.


def batch_norm_forward(Z, gamma, beta, epsilon=EPSILON):
    """Each row of Z normalised over the batch, then stretched and shifted.

    Args:
        Z: (n, m), float64.
        gamma, beta: (n, 1), the new spread and the new mean.

    Returns:
        Z_tilde: (n, m).
        cache: (Z_norm, mu, sigma2, s, gamma), for the way back and for
            `update_averages`.
    """
    mu = Z.mean(axis=1, keepdims=True)
    sigma2 = Z.var(axis=1, keepdims=True)
    s = np.sqrt(sigma2 + epsilon)
    Z_norm = (Z - mu) / s
    return gamma * Z_norm + beta, (Z_norm, mu, sigma2, s, gamma)


def batch_norm_backward(dZ_tilde, cache):
    """The gradient with respect to what `batch_norm_forward` took.

    Returns:
        dZ: (n, m).
        dgamma, dbeta: (n, 1).
    """
    Z_norm, _, _, s, gamma = cache
    g = gamma * dZ_tilde
    along = np.mean(g * Z_norm, axis=1, keepdims=True)
    dZ = (g - g.mean(axis=1, keepdims=True) - Z_norm * along) / s
    dgamma = np.sum(dZ_tilde * Z_norm, axis=1, keepdims=True)
    dbeta = np.sum(dZ_tilde, axis=1, keepdims=True)
    return dZ, dgamma, dbeta


def update_averages(mu, sigma2, cache, momentum=MOMENTUM):
    """The running averages after one more batch: new mu and sigma2, (n, 1)."""
    _, batch_mu, batch_sigma2, _, _ = cache
    return (
        momentum * mu + (1 - momentum) * batch_mu,
        momentum * sigma2 + (1 - momentum) * batch_sigma2,
    )


def batch_norm_inference(Z, gamma, beta, mu, sigma2, epsilon=EPSILON):
    """What `batch_norm_forward` does, with averages in place of the batch's own.

    Each column of the result, (n, m), depends on its own column of Z alone.
    """
    return gamma * (Z - mu) / np.sqrt(sigma2 + epsilon) + beta


# A network of two layers, with and without it: linear -> batch norm -> ReLU ->
# linear -> sigmoid. Without it, W1 has a bias b1.


def forward_propagation(X, parameters):
    """The probability of label 1 while learning, from the batch's own statistics.

    Args:
        X: (n_x, m).
        parameters: of `build_model`.

    Returns:
        A2: (1, m).
        cache: for `backward_propagation`; its last element is that of
            `batch_norm_forward`, None where there is no batch norm.
    """
    Z1 = parameters["W1"] @ X
    if "gamma" in parameters:
        Z1, cache = batch_norm_forward(Z1, parameters["gamma"], parameters["beta"])
    else:
        Z1, cache = Z1 + parameters["b1"], None
    A1 = relu(Z1)
    A2 = sigmoid(parameters["W2"] @ A1 + parameters["b2"])
    return A2, (A1, A2, parameters["W2"], cache)


def backward_propagation(X, Y, cache):
    """The gradient of the mean cross-entropy with respect to what is learnt.

    Returns:
        Dict of "dW1", "dW2", "db2" and "dgamma", "dbeta" or, without batch norm, "db1".
    """
    A1, A2, W2, norm_cache = cache
    dZ2 = (A2 - Y) / X.shape[1]
    dZ1 = W2.T @ dZ2 * (A1 > 0)
    grads = {"dW2": dZ2 @ A1.T, "db2": dZ2.sum(axis=1, keepdims=True)}
    if norm_cache:
        dZ1, grads["dgamma"], grads["dbeta"] = batch_norm_backward(dZ1, norm_cache)
    else:
        grads["db1"] = dZ1.sum(axis=1, keepdims=True)
    return grads | {"dW1": dZ1 @ X.T}


def predict(X, parameters):
    """The probability of label 1 at test time, each point by itself: (1, m)."""
    Z1 = parameters["W1"] @ X
    if "gamma" in parameters:
        names = ("gamma", "beta", "mu", "sigma2")
        Z1 = batch_norm_inference(Z1, *(parameters[name] for name in names))
    else:
        Z1 = Z1 + parameters["b1"]
    return sigmoid(parameters["W2"] @ relu(Z1) + parameters["b2"])


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data(m=300, seed=3):
    """m points of two moons, generated: x (2, m) float64 and y (1, m) int64."""
    return planar.make_moons(m, seed=seed)


def build_model(hidden=16, *, batch_norm=True, seed=0):
    """The network for points of the plane before it learns: a dict of arrays.

    Args:
        hidden: units of the hidden layer.
        batch_norm: whether it has "gamma", "beta", "mu" and "sigma2", or "b1".
    """
    rng = np.random.default_rng(seed)
    ones, zeros = np.ones((hidden, 1)), np.zeros((hidden, 1))
    layer = {"gamma": ones, "beta": zeros, "mu": zeros, "sigma2": ones}
    return {
        "W1": rng.normal(size=(hidden, 2)),  # He's scale: sqrt(2 / 2)
        **(layer if batch_norm else {"b1": zeros}),
        "W2": rng.normal(size=(1, hidden)) / np.sqrt(hidden),
        "b2": np.zeros((1, 1)),
    }


def train(model, data, *, epochs=100, batch_size=64, learning_rate=1.0, seed=0):
    """Fit `model` in place by mini-batches; return each epoch's mean loss, in nats."""
    X, Y, *_ = data
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for x, y in random_mini_batches(X, Y, batch_size, seed + epoch):
            A2, cache = forward_propagation(x, model)
            total += compute_loss(A2, y) * y.size
            grads = backward_propagation(x, y, cache)
            learnt = {name[1:]: model[name[1:]] for name in grads}
            model.update(update_parameters_with_gd(learnt, grads, learning_rate))
            if "gamma" in model:
                averages = update_averages(model["mu"], model["sigma2"], cache[-1])
                model["mu"], model["sigma2"] = averages
        losses.append(total / Y.size)
    return losses


def evaluate():
    """What it buys: the same moons in three units, as rows (what, ours, goal).

    Three networks each, with 2,000 points that they never saw. For each unit the
    learning rate, of `RATES`, is the one that ended with the smallest loss.
    """
    rows = []
    for units, change in UNITS.items():
        for batch_norm, name, goal in ((True, "with", 0.95), (False, "without", None)):
            ends = [_end(change, batch_norm, rate) for rate in RATES]
            _, accuracy = min(ends)
            rows.append((f"{units}: accuracy {name} batch norm", accuracy, goal))
    return rows


def _end(change, batch_norm, learning_rate):
    """Mean loss and test accuracy of three networks after 100 epochs."""
    data, unseen = load_data(), load_data(2000, seed=4)
    losses, accuracies = [], []
    for seed in range(3):
        model = build_model(batch_norm=batch_norm, seed=seed)
        with np.errstate(over="ignore", invalid="ignore"):  # where steps are too long
            losses.append(
                train(model, (change(data.x), data.y), learning_rate=learning_rate)[-1]
            )
            y_hat = predict(change(unseen.x), model) > 0.5
        accuracies.append(np.mean(y_hat == unseen.y))
    return np.nan_to_num(np.mean(losses), nan=np.inf), np.mean(accuracies)
