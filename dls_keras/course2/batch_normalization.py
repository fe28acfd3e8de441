"""Batch normalization: give each hidden unit a fixed mean and variance (C2 W3).

Scaling the inputs of a network makes its cost rounder and gradient descent faster.
Batch normalization does the same for the inputs of every hidden unit: it subtracts the
mean of the mini-batch and divides by its standard deviation. Two learned parameters,
gamma and beta, then set the standard deviation and the mean that the unit needs:

    mu = 1/m sum z[i]                      sigma2 = 1/m sum (z[i] - mu)^2
    z_norm = (z - mu) / s                  s = sqrt(sigma2 + epsilon)
    z_tilde = gamma z_norm + beta

In the backward pass each z[j] has an effect on the whole batch, through mu and s:

    dmu/dz[j] = 1/m,   ds/dz[j] = 1/(2 s) 2 (z[j] - mu) / m = z_norm[j] / m,   so
    dz_norm[i]/dz[j] = 1/s ((i == j) - 1/m - z_norm[i] z_norm[j] / m)

and with g = gamma dz_tilde, the gradient with respect to z_norm, the chain rule is

    dz[j] = sum over i of g[i] dz_norm[i]/dz[j]
          = 1/s (g[j] - mean(g) - z_norm[j] mean(g z_norm))
    dgamma = sum dz_tilde z_norm           dbeta = sum dz_tilde

With epsilon = 0, dz is orthogonal to the vector of ones and to z_norm, because shifting
or scaling the whole batch does not change the output. So a bias before batch
normalization has no effect, nor has the scale of the weights. At test time a single
example has no batch; running averages of mu and sigma2 from training replace the
statistics of the batch.

Shapes: Z (n, m), a unit per row and an example per column; gamma, beta, mu, sigma2
(n, 1). A topic of the lectures; the course has no assignment on it. `EPSILON` and
`MOMENTUM` are the arguments epsilon and momentum of Keras's layer; a test compares
these functions with it.
NumPy alone, no TensorFlow. Paper: Ioffe & Szegedy (2015),
https://arxiv.org/abs/1502.03167
"""

import numpy as np

from dls_keras.core import examples
from dls_keras.core.answers import Row
from dls_keras.course2.initialization import compute_loss, relu, sigmoid
from dls_keras.course2.optimization import (
    random_mini_batches,
    update_parameters_with_gd,
)
from dls_keras.datasets import planar

EPSILON = 1e-3  # keeps s above zero; Keras's default
MOMENTUM = 0.9  # of the running averages; Keras's 0.99 needs 500 steps to converge
RATES = (0.01, 0.1, 1.0)  # learning rates that `evaluate` tries
SCALES = {
    "moons": lambda x: x,
    "moons / 100": lambda x: x / 100,
    "moons * 10 + 10": lambda x: x * 10 + 10,
}

# The lesson.


def batch_norm_forward(
    Z: np.ndarray, gamma: np.ndarray, beta: np.ndarray, epsilon: float = EPSILON
) -> tuple[np.ndarray, tuple]:
    """Normalise each row of Z over the batch, then scale by gamma and shift by beta.

    Args:
        Z: (n, m), float64.
        gamma, beta: (n, 1), the new standard deviation and the new mean.

    Returns:
        Z_tilde: (n, m).
        cache: (Z_norm, mu, sigma2, s, gamma), for the backward pass and for
            `update_averages`.
    """
    mu = Z.mean(axis=1, keepdims=True)
    sigma2 = Z.var(axis=1, keepdims=True)
    s = np.sqrt(sigma2 + epsilon)
    Z_norm = (Z - mu) / s
    return gamma * Z_norm + beta, (Z_norm, mu, sigma2, s, gamma)


def batch_norm_backward(
    dZ_tilde: np.ndarray, cache: tuple
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients with respect to the arguments of `batch_norm_forward`.

    Returns:
        dZ: (n, m).
        dgamma, dbeta: (n, 1).
    """
    Z_norm, _, _, s, gamma = cache
    g = gamma * dZ_tilde
    mean_g = g.mean(axis=1, keepdims=True)
    mean_g_Z_norm = np.mean(g * Z_norm, axis=1, keepdims=True)
    dZ = (g - mean_g - Z_norm * mean_g_Z_norm) / s
    dgamma = np.sum(dZ_tilde * Z_norm, axis=1, keepdims=True)
    dbeta = np.sum(dZ_tilde, axis=1, keepdims=True)
    return dZ, dgamma, dbeta


def update_averages(
    mu: np.ndarray, sigma2: np.ndarray, cache: tuple, momentum: float = MOMENTUM
) -> tuple[np.ndarray, np.ndarray]:
    """The running averages after one more batch: new mu and sigma2, (n, 1)."""
    _, batch_mu, batch_sigma2, _, _ = cache
    return (
        momentum * mu + (1 - momentum) * batch_mu,
        momentum * sigma2 + (1 - momentum) * batch_sigma2,
    )


def batch_norm_inference(
    Z: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    mu: np.ndarray,
    sigma2: np.ndarray,
    epsilon: float = EPSILON,
) -> np.ndarray:
    """Batch normalization at test time, with running averages mu and sigma2.

    Each column of the result, (n, m), depends only on the same column of Z.
    """
    return gamma * (Z - mu) / np.sqrt(sigma2 + epsilon) + beta


# A two-layer network with or without batch norm: linear -> batch norm -> ReLU ->
# linear -> sigmoid. Without it, the first layer has a bias b1.


def forward_propagation(
    X: np.ndarray, parameters: dict[str, np.ndarray]
) -> tuple[np.ndarray, tuple]:
    """The forward pass in training, with the statistics of the batch.

    Args:
        X: (n_x, m).
        parameters: a dict such as `build_model` returns.

    Returns:
        A2: (1, m), the probability of label 1.
        cache: for `backward_propagation`; its last element is that of
            `batch_norm_forward`, or None without batch norm.
    """
    Z1 = parameters["W1"] @ X
    if "gamma" in parameters:
        Z1, cache = batch_norm_forward(Z1, parameters["gamma"], parameters["beta"])
    else:
        Z1, cache = Z1 + parameters["b1"], None
    A1 = relu(Z1)
    A2 = sigmoid(parameters["W2"] @ A1 + parameters["b2"])
    return A2, (A1, A2, parameters["W2"], cache)


def backward_propagation(
    X: np.ndarray, Y: np.ndarray, cache: tuple
) -> dict[str, np.ndarray]:
    """The backward pass: the gradient of the mean cross-entropy.

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


def predict(X: np.ndarray, parameters: dict[str, np.ndarray]) -> np.ndarray:
    """The probability of label 1 at test time, (1, m), with the running averages."""
    Z1 = parameters["W1"] @ X
    if "gamma" in parameters:
        gamma, beta, mu, sigma2 = (
            parameters[name] for name in ("gamma", "beta", "mu", "sigma2")
        )
        Z1 = batch_norm_inference(Z1, gamma, beta, mu, sigma2)
    else:
        Z1 = Z1 + parameters["b1"]
    return sigmoid(parameters["W2"] @ relu(Z1) + parameters["b2"])


# The application: the names that every assignment shares. The model is the dict of
# parameters.


def load_data(m: int = 300, seed: int = 3, *, synthetic: bool = False) -> planar.Points:
    """m synthetic points of two moons: x (2, m) float64 and y (1, m) int64.

    Args:
        synthetic: changes nothing, since these data are generated anyway.
    """
    return planar.make_moons(m, seed=seed)


def build_model(
    hidden: int = 16, *, batch_norm: bool = True, seed: int = 0
) -> dict[str, np.ndarray]:
    """The untrained network for points of the plane.

    Args:
        hidden: units of the hidden layer.
        batch_norm: whether it has "gamma", "beta", "mu" and "sigma2", or "b1".
    """
    rng = np.random.default_rng(seed)
    ones, zeros = np.ones((hidden, 1)), np.zeros((hidden, 1))
    layer = {"gamma": ones, "beta": zeros, "mu": zeros, "sigma2": ones}
    return {
        "W1": rng.normal(size=(hidden, 2)),  # He's scale for two inputs: sqrt(2 / 2)
        **(layer if batch_norm else {"b1": zeros}),
        "W2": rng.normal(size=(1, hidden)) / np.sqrt(hidden),
        "b2": np.zeros((1, 1)),
    }


@examples.accepted(columns=True)
def train(
    model: dict[str, np.ndarray],
    data: tuple,
    *,
    epochs: int = 100,
    batch_size: int = 64,
    learning_rate: float = 1.0,
    seed: int = 0,
) -> list[float]:
    """Fit `model` in place by mini-batch gradient descent.

    The loop is written in NumPy and takes no callbacks.

    Returns:
        The mean loss of each epoch, in nats.
    """
    X, Y, *_ = data
    losses = []
    for epoch in range(epochs):
        total = 0.0
        for x, y in random_mini_batches(X, Y, batch_size, seed + epoch):
            A2, cache = forward_propagation(x, model)
            total += compute_loss(A2, y) * y.size
            grads = backward_propagation(x, y, cache)
            trainable = {name[1:]: model[name[1:]] for name in grads}
            model.update(update_parameters_with_gd(trainable, grads, learning_rate))
            if "gamma" in model:
                averages = update_averages(model["mu"], model["sigma2"], cache[-1])
                model["mu"], model["sigma2"] = averages
        losses.append(total / Y.size)
    return losses


def evaluate(*, synthetic: bool = False) -> list[Row]:
    """Test accuracies with and without batch norm, for inputs on three scales.

    Each row is the mean of three networks on 2,000 held-out points, with the learning
    rate of `RATES` that reaches the smallest training loss.

    Args:
        synthetic: changes nothing, since no files are needed anyway.
    """
    rows = []
    for scale, change in SCALES.items():
        for batch_norm, name, goal in ((True, "with", 0.95), (False, "without", None)):
            results = [_trained(change, batch_norm, rate) for rate in RATES]
            _, accuracy = min(results)
            what = f"{scale}: test accuracy {name} batch norm"
            rows.append(Row(what, accuracy, at_least=goal))
    return rows


def _trained(change, batch_norm, learning_rate):
    """Mean final loss and mean test accuracy of three networks after 100 epochs."""
    data, held_out = load_data(), load_data(2000, seed=4)
    losses, accuracies = [], []
    for seed in range(3):
        model = build_model(batch_norm=batch_norm, seed=seed)
        # A large learning rate can make training diverge.
        with np.errstate(over="ignore", invalid="ignore"):
            changed = change(data.x), data.y
            losses.append(train(model, changed, learning_rate=learning_rate)[-1])
            y_hat = predict(change(held_out.x), model) > 0.5
        accuracies.append(np.mean(y_hat == held_out.y))
    return np.nan_to_num(np.mean(losses), nan=np.inf), np.mean(accuracies)
