"""The TensorFlow tutorial of 2017, without sessions (C2 W3).

The first edition built a graph of placeholders and ran it in a session. The graph still
exists: `tf.function` traces it when it is called, and its arguments take the place of
the placeholders. The network is that of `tensorflow_introduction`, the edition of 2021,
with other initial parameters, another cost and other mini-batches:

    weights uniform in +-sqrt(6 / (n_prev + n)), biases zero      (Xavier)
    cost = mean, not sum, over the examples of the cross-entropy
    mini-batches reshuffled in each epoch

Shapes: m photos as the columns of X (12288, m), labels one-hot (6, m). Edition: 2017,
a later revision. The first revision passed sigmoid(z) to `cost` instead of z. For the
cost of an epoch some revisions divide the sum over mini-batches by the number of full
ones, 33, as `model` does, others by their size, 32.
"""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from dls_keras.core import training
from dls_keras.core.answers import Row
from dls_keras.course2 import tensorflow_introduction
from dls_keras.course2.optimization import random_mini_batches
from dls_keras.course2.tensorflow_introduction import (  # noqa: F401
    LAYERS,
    Parameters,
    accuracy,
    columns,
    forward_propagation,
    infer,
    load_data,
    picture,
    train,
)
from dls_keras.datasets import signs

# Keras's Adam in fewer operations; a test compares the two.
from dls_keras.fast.layers import Adam
from dls_keras.reference import cases

# The assignment: the course's functions under the course's signatures. They return
# arrays, as a session did.


def linear_function():
    """W X + b of random X (3, 1), W (4, 3), b (4, 1), NumPy seeded with 1: (4, 1)."""
    return tensorflow_introduction.linear_function().numpy()


def sigmoid(z):
    """1 / (1 + e^-z) in float32."""
    return tensorflow_introduction.sigmoid(z).numpy()


def cost(logits, labels):
    """The cross-entropy of each element for logits of any size, float32.

    -(y log(sigmoid(z)) + (1 - y) log(1 - sigmoid(z))), in nats.
    """
    logits, labels = (tf.cast(value, tf.float32) for value in (logits, labels))
    return tf.nn.sigmoid_cross_entropy_with_logits(labels, logits).numpy()


def one_hot_matrix(labels, C):
    """m labels as the columns of a float32 matrix (C, m)."""
    return tf.one_hot(labels, C, axis=0).numpy()


def ones(shape):
    """A float32 array of ones."""
    return tf.ones(shape).numpy()


def convert_to_one_hot(Y, C):
    """Labels of any shape as the columns of a float64 matrix (C, m)."""
    return np.eye(C)[np.ravel(Y)].T


def xavier(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """A sample of TensorFlow 1's Xavier initializer with the graph seed 1.

    Numbers are uniform in +-sqrt(6 / (n_in + n_out)). Only this function still runs a
    session: in eager mode each call with the same seeds gives other numbers.

    Args:
        shape: of a matrix or of the filters (f, f, n_in, n_out) of a convolution.
        seed: of the operation.
    """
    limit = np.float32(np.sqrt(6 / (np.prod(shape[:-2]) * sum(shape[-2:]))))
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        uniform = tf.raw_ops.RandomUniform(
            shape=shape, dtype=tf.float32, seed=1, seed2=seed
        )
        return session.run(uniform * (2 * limit) - limit)


def initialize_parameters():
    """The course's initial parameters: W1 (25, 12288), b1 (25, 1), ..., b3, variables.

    The weights are those of TensorFlow 1's Xavier initializer with both seeds 1.
    """
    parameters = {}
    for layer in range(1, len(LAYERS)):
        n, n_prev = LAYERS[layer], LAYERS[layer - 1]
        parameters[f"W{layer}"] = tf.Variable(xavier((n, n_prev), seed=1))
        parameters[f"b{layer}"] = tf.Variable(tf.zeros((n, 1)))
    return parameters


def compute_cost(Z3, Y):
    """The mean over the examples of the cross-entropy, in nats; both are (6, m)."""
    losses = tf.nn.softmax_cross_entropy_with_logits(Y, Z3, axis=0)
    return tf.reduce_mean(losses)


def model(
    X_train,
    Y_train,
    X_test,
    Y_test,
    learning_rate=0.0001,
    num_epochs=1500,
    minibatch_size=32,
    print_cost=True,
):
    """Train the network on photos X_train (12288, m), shuffled before each epoch.

    Returns:
        The parameters, a dict of arrays.
    """
    parameters = initialize_parameters()
    costs = run_epochs(
        parameters, X_train, Y_train, learning_rate, num_epochs, minibatch_size
    )
    for epoch, epoch_cost in enumerate(costs):
        if print_cost and epoch % 100 == 0:
            print(f"Cost after epoch {epoch}: {epoch_cost:f}")
    print("Parameters have been trained!")
    for name, X, Y in (("Train", X_train, Y_train), ("Test", X_test, Y_test)):
        share = accuracy(parameters, tf.cast(X, tf.float32), np.argmax(Y, axis=0))
        print(f"{name} Accuracy: {share:.6g}")
    return {name: variable.numpy() for name, variable in parameters.items()}


def run_epochs(
    parameters: Parameters,
    X: np.ndarray,
    Y: np.ndarray,
    learning_rate: float,
    num_epochs: int,
    minibatch_size: int = 32,
) -> Iterator[float]:
    """Train `parameters` epoch by epoch, and yield the cost of each epoch.

    The cost is the sum over the mini-batches divided by the number of full ones: for
    1080 photos there are 34 mini-batches, 33 of them full.
    """
    m = X.shape[1]
    photos, labels = tf.constant(X.T, tf.float32), tf.constant(Y, tf.float32)

    def loss_fn(chosen):
        Z3 = forward_propagation(tf.transpose(tf.gather(photos, chosen)), parameters)
        return compute_cost(Z3, tf.gather(labels, chosen, axis=1))

    step = training.compile_step(
        loss_fn,
        list(parameters.values()),
        Adam(learning_rate, epsilon=1e-8),  # TensorFlow 1's epsilon
    )

    @tf.function
    def run(order):
        total = 0.0
        for k in range(0, m, minibatch_size):
            total += step(order[k : k + minibatch_size])
        return total

    indices = np.arange(m)[np.newaxis]  # shuffled in place of the large photos
    for epoch in range(num_epochs):
        batches = random_mini_batches(indices, indices, minibatch_size, seed=epoch + 4)
        order = np.hstack([chosen for chosen, _ in batches])[0]
        yield float(run(order)) / max(1, m // minibatch_size)


# The application: the names that every assignment shares. `load_data`, `train`, `infer`
# and `picture` are those of `tensorflow_introduction`.


def build_model() -> Parameters:
    """The untrained network with the course's initial parameters of 2017."""
    return initialize_parameters()


def evaluate(*, synthetic: bool = False) -> list[Row]:
    """The numbers of the course's printed run of 1500 epochs.

    They depend on the order of the photos, which is unknown if the JPEG copy replaces
    the course's file: in seven orders of eight the test accuracy was 66 to 85 %; in the
    eighth all units died at the start. The run takes 1 to 2 minutes on 2 CPU cores.

    Args:
        synthetic: the same run on synthetic images, whose rows say so and are compared
            with nothing; needs no files.
    """
    data = signs.shuffle_if_sorted(load_data(synthetic=synthetic))
    (run,) = cases.read("c2w3_tensorflow_tutorial").runs
    parameters, X = initialize_parameters(), columns(data.x)
    Y = convert_to_one_hot(data.y, LAYERS[-1])
    costs = list(run_epochs(parameters, X, Y, 0.0001, 1500))
    rows = [
        Row(f"cost after epoch {epoch}", costs[int(epoch)], equals=printed)
        for epoch, printed in run.expected["costs"].items()
    ]
    rows.append(
        Row(
            f"train accuracy, {len(data.y)} photos",
            accuracy(parameters, X, data.y),
            equals=run.expected["train_accuracy"],
        )
    )
    rows.append(
        Row(
            f"test accuracy, {len(data.y_test)} photos",
            accuracy(parameters, columns(data.x_test), data.y_test),
            equals=run.expected["test_accuracy"],
        )
    )
    if synthetic:
        return [
            Row(f"synthetic images: {r.what.removesuffix(' photos')}", r.ours)
            for r in rows
        ]
    return rows
