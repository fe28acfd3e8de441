# ruff: noqa
# %%
import numpy as np
import sklearn.datasets
from init_utils import sigmoid, relu, compute_loss, forward_propagation
from init_utils import backward_propagation, update_parameters, predict, load_dataset

train_X, train_Y, test_X, test_Y = load_dataset()


# %%
def model(
    X, Y, learning_rate=0.01, num_iterations=15000, print_cost=True, initialization="he"
):
    costs = []
    layers_dims = [X.shape[0], 10, 5, 1]
    chosen = {
        "zeros": initialize_parameters_zeros,
        "random": initialize_parameters_random,
        "he": initialize_parameters_he,
    }
    parameters = chosen[initialization](layers_dims)
    for i in range(0, num_iterations):
        a3, cache = forward_propagation(X, parameters)
        cost = compute_loss(a3, Y)
        grads = backward_propagation(X, Y, cache)
        parameters = update_parameters(parameters, grads, learning_rate)
        if print_cost and i % 1000 == 0:
            print("Cost after iteration {}: {}".format(i, cost))
            costs.append(cost)
    return parameters


# %%
def initialize_parameters_zeros(layers_dims):
    parameters = {}
    for l in range(1, len(layers_dims)):
        parameters["W" + str(l)] = np.zeros((layers_dims[l], layers_dims[l - 1]))
        parameters["b" + str(l)] = np.zeros((layers_dims[l], 1))
    return parameters


# %%
def initialize_parameters_random(layers_dims):
    np.random.seed(3)
    parameters = {}
    for l in range(1, len(layers_dims)):
        parameters["W" + str(l)] = (
            np.random.randn(layers_dims[l], layers_dims[l - 1]) * 10
        )
        parameters["b" + str(l)] = np.zeros((layers_dims[l], 1))
    return parameters


# %%
def initialize_parameters_he(layers_dims):
    np.random.seed(3)
    parameters = {}
    for l in range(1, len(layers_dims)):
        parameters["W" + str(l)] = np.random.randn(
            layers_dims[l], layers_dims[l - 1]
        ) * np.sqrt(2 / layers_dims[l - 1])
        parameters["b" + str(l)] = np.zeros((layers_dims[l], 1))
    return parameters
