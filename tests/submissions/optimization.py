# ruff: noqa
"""A correct solution: a module that imports the course's opt_utils."""

import math

import numpy as np
from opt_utils import backward_propagation, compute_cost, forward_propagation
from opt_utils import initialize_parameters, load_dataset, predict


def update_parameters_with_gd(parameters, grads, learning_rate):
    for l in range(1, len(parameters) // 2 + 1):
        parameters[f"W{l}"] = parameters[f"W{l}"] - learning_rate * grads[f"dW{l}"]
        parameters[f"b{l}"] = parameters[f"b{l}"] - learning_rate * grads[f"db{l}"]
    return parameters


def random_mini_batches(X, Y, mini_batch_size=64, seed=0):
    np.random.seed(seed)
    m = X.shape[1]
    order = list(np.random.permutation(m))
    X, Y = X[:, order], Y[:, order].reshape((1, m))
    batches = []
    for k in range(math.ceil(m / mini_batch_size)):
        part = slice(k * mini_batch_size, (k + 1) * mini_batch_size)
        batches.append((X[:, part], Y[:, part]))
    return batches


def initialize_velocity(parameters):
    v = {}
    for l in range(1, len(parameters) // 2 + 1):
        v[f"dW{l}"] = np.zeros(parameters[f"W{l}"].shape)
        v[f"db{l}"] = np.zeros(parameters[f"b{l}"].shape)
    return v


def update_parameters_with_momentum(parameters, grads, v, beta, learning_rate):
    for l in range(1, len(parameters) // 2 + 1):
        for x in ("W", "b"):
            v[f"d{x}{l}"] = beta * v[f"d{x}{l}"] + (1 - beta) * grads[f"d{x}{l}"]
            parameters[f"{x}{l}"] = (
                parameters[f"{x}{l}"] - learning_rate * v[f"d{x}{l}"]
            )
    return parameters, v


def initialize_adam(parameters):
    return initialize_velocity(parameters), initialize_velocity(parameters)


def update_parameters_with_adam(
    parameters, grads, v, s, t, learning_rate=0.01, beta1=0.9, beta2=0.999, epsilon=1e-8
):
    vc, sc = {}, {}
    for l in range(1, len(parameters) // 2 + 1):
        for x in ("W", "b"):
            key = f"d{x}{l}"
            v[key] = beta1 * v[key] + (1 - beta1) * grads[key]
            s[key] = beta2 * s[key] + (1 - beta2) * grads[key] ** 2
            vc[key] = v[key] / (1 - beta1**t)
            sc[key] = s[key] / (1 - beta2**t)
            step = learning_rate * vc[key] / (np.sqrt(sc[key]) + epsilon)
            parameters[f"{x}{l}"] = parameters[f"{x}{l}"] - step
    return parameters, v, s, vc, sc


def update_lr(learning_rate0, epoch_num, decay_rate):
    return learning_rate0 / (1 + decay_rate * epoch_num)


def schedule_lr_decay(learning_rate0, epoch_num, decay_rate, time_interval=1000):
    return learning_rate0 / (1 + decay_rate * np.floor(epoch_num / time_interval))


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
    num_epochs=5000,
    print_cost=True,
    decay=None,
    decay_rate=1,
):
    t, seed, rate = 0, 10, learning_rate
    parameters = initialize_parameters(layers_dims)
    v, s = initialize_adam(parameters)
    for i in range(num_epochs):
        seed = seed + 1
        total = 0
        for batch_X, batch_Y in random_mini_batches(X, Y, mini_batch_size, seed):
            a3, caches = forward_propagation(batch_X, parameters)
            total += compute_cost(a3, batch_Y)
            grads = backward_propagation(batch_X, batch_Y, caches)
            if optimizer == "gd":
                update_parameters_with_gd(parameters, grads, learning_rate)
            elif optimizer == "momentum":
                update_parameters_with_momentum(
                    parameters, grads, v, beta, learning_rate
                )
            else:
                t = t + 1
                update_parameters_with_adam(
                    parameters, grads, v, s, t, learning_rate, beta1, beta2, epsilon
                )
        if decay:
            learning_rate = decay(rate, i, decay_rate)
        if print_cost and i % 1000 == 0:
            print("Cost after epoch %i: %f" % (i, total / X.shape[1]))
    return parameters
