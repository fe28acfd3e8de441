# ruff: noqa
# optimization of 2017: no decay, and Adam returns three values.
import numpy as np
from opt_utils import *
from testCases import *


def random_mini_batches(X, Y, mini_batch_size=64, seed=0):
    np.random.seed(seed)
    m = X.shape[1]
    permutation = list(np.random.permutation(m))
    X, Y = X[:, permutation], Y[:, permutation].reshape((1, m))
    return [
        (X[:, k : k + mini_batch_size], Y[:, k : k + mini_batch_size])
        for k in range(0, m, mini_batch_size)
    ]


def update_parameters_with_gd(parameters, grads, learning_rate):
    for l in range(len(parameters) // 2):
        for name in ("W" + str(l + 1), "b" + str(l + 1)):
            parameters[name] = parameters[name] - learning_rate * grads["d" + name]
    return parameters


def initialize_velocity(parameters):
    return {"d" + name: np.zeros(value.shape) for name, value in parameters.items()}


def update_parameters_with_momentum(parameters, grads, v, beta, learning_rate):
    for name in parameters:
        v["d" + name] = beta * v["d" + name] + (1 - beta) * grads["d" + name]
        parameters[name] = parameters[name] - learning_rate * v["d" + name]
    return parameters, v


def initialize_adam(parameters):
    return initialize_velocity(parameters), initialize_velocity(parameters)


def update_parameters_with_adam(
    parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8
):
    for name in parameters:
        g = grads["d" + name]
        v["d" + name] = beta1 * v["d" + name] + (1 - beta1) * g
        s["d" + name] = beta2 * s["d" + name] + (1 - beta2) * g**2
        step = v["d" + name] / (1 - beta1**t)
        root = np.sqrt(s["d" + name] / (1 - beta2**t)) + epsilon
        parameters[name] = parameters[name] - learning_rate * step / root
    return parameters, v, s


def model(
    X,
    Y,
    layers_dims,
    optimizer,
    learning_rate=0.0007,
    mini_batch_size=64,
    beta=0.9,
    beta1=0.9,
    beta2=0.999,
    epsilon=1e-8,
    num_epochs=10000,
    print_cost=True,
):
    t, seed = 0, 10
    parameters = initialize_parameters(layers_dims)
    if optimizer == "momentum":
        v = initialize_velocity(parameters)
    elif optimizer == "adam":
        v, s = initialize_adam(parameters)
    for i in range(num_epochs):
        seed = seed + 1
        for x, y in random_mini_batches(X, Y, mini_batch_size, seed):
            a3, caches = forward_propagation(x, parameters)
            cost = compute_cost(a3, y)
            grads = backward_propagation(x, y, caches)
            if optimizer == "gd":
                parameters = update_parameters_with_gd(parameters, grads, learning_rate)
            elif optimizer == "momentum":
                parameters, v = update_parameters_with_momentum(
                    parameters, grads, v, beta, learning_rate
                )
            else:
                t = t + 1
                parameters, v, s = update_parameters_with_adam(
                    parameters, grads, v, s, t, learning_rate, beta1, beta2, epsilon
                )
        if print_cost and i % 1000 == 0:
            print("Cost after epoch %i: %f" % (i, cost))
    return parameters
