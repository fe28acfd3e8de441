"""Batch normalization: compared with Keras and with finite differences."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.course2 import batch_normalization as bn
from dls_keras.course2.initialization import compute_loss

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(st.integers(1, 5), st.integers(1, 8))  # n, m


def batch(n, m, seed):
    """Random Z, gamma and beta; each unit has its own mean and variance."""
    rng = np.random.default_rng(seed)
    Z = rng.normal(size=(n, 1)) + rng.uniform(0.5, 2, (n, 1)) * rng.normal(size=(n, m))
    return Z, rng.normal(size=(n, 1)), rng.normal(size=(n, 1))


def keras_layer(gamma, beta, momentum, epsilon):
    """Keras's layer in float64 with these parameters; examples are rows there."""
    import keras

    layer = keras.layers.BatchNormalization(
        momentum=momentum, epsilon=epsilon, dtype="float64"
    )
    layer.build((None, len(gamma)))
    layer.gamma.assign(gamma[:, 0])
    layer.beta.assign(beta[:, 0])
    return layer


def central_differences(f, x, h=1e-5):
    """Of the number f(x) in each element of x."""
    found = np.empty_like(x)
    for index in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[index] = h
        found[index] = (f(x + step) - f(x - step)) / (2 * h)
    return found


# The lesson.


@given(st.integers(1, 5), st.integers(2, 9), seeds)
def test_the_output_has_mean_beta_and_standard_deviation_gamma(n, m, seed):
    """For any input; epsilon reduces the variance by the factor below."""
    Z, gamma, beta = batch(n, m, seed)
    Z_tilde, (Z_norm, mu, sigma2, s, _) = bn.batch_norm_forward(Z, gamma, beta)
    np.testing.assert_allclose(Z_tilde.mean(axis=1), beta[:, 0], atol=1e-12)
    deviation = np.abs(gamma) * np.sqrt(sigma2 / (sigma2 + bn.EPSILON))
    np.testing.assert_allclose(Z_tilde.std(axis=1), deviation[:, 0], atol=1e-12)
    np.testing.assert_allclose(mu + s * Z_norm, Z, atol=1e-12)


@given(sizes, seeds, st.floats(-100, 100), st.floats(0.01, 100))
def test_shifting_and_scaling_the_batch_has_no_effect(size, seed, shift, scale):
    """With epsilon = 0; so a bias before batch normalization has no effect."""
    Z, gamma, beta = batch(size[0], size[1] + 1, seed)
    expected, _ = bn.batch_norm_forward(Z, gamma, beta, epsilon=0)
    got, _ = bn.batch_norm_forward(scale * Z + shift, gamma, beta, epsilon=0)
    # 100 + 0.01 z keeps about 12 digits of z, fewer if the variance of z is small.
    deviation = Z.std(axis=1).min()
    np.testing.assert_allclose(got, expected, atol=1e-9 / min(deviation, 1))


@given(sizes, seeds)
def test_the_gradients_equal_finite_differences(size, seed):
    """With respect to Z, gamma and beta, also for a batch of one example."""
    Z, gamma, beta = batch(*size, seed)
    weight = np.random.default_rng(seed).normal(size=Z.shape)

    def total(Z=Z, gamma=gamma, beta=beta):
        return np.sum(weight * bn.batch_norm_forward(Z, gamma, beta, 0.1)[0])

    _, cache = bn.batch_norm_forward(Z, gamma, beta, 0.1)
    dZ, dgamma, dbeta = bn.batch_norm_backward(weight, cache)
    # s is at least sqrt(0.1), so third derivatives times h^2 are below 1e-7.
    expected = central_differences(lambda x: total(Z=x), Z)
    np.testing.assert_allclose(dZ, expected, atol=1e-6)
    expected = central_differences(lambda x: total(gamma=x), gamma)
    np.testing.assert_allclose(dgamma, expected, atol=1e-8)
    expected = central_differences(lambda x: total(beta=x), beta)
    np.testing.assert_allclose(dbeta, expected, atol=1e-8)


@given(st.integers(1, 5), st.integers(2, 9), seeds)
def test_the_gradient_is_orthogonal_to_ones_and_to_z_norm(n, m, seed):
    """With epsilon = 0, the sums of dZ and of dZ Z_norm over the batch are zero."""
    _, gamma, beta = batch(n, m, seed)
    rng = np.random.default_rng(seed)
    # Values about 1 apart in random order, so that sigma2 is not near zero.
    Z = rng.permuted(np.arange(m) + rng.uniform(0, 0.5, (n, m)), axis=1)
    weight = rng.normal(size=Z.shape)
    _, cache = bn.batch_norm_forward(Z, gamma, beta, epsilon=0)
    dZ, *_ = bn.batch_norm_backward(weight, cache)
    np.testing.assert_allclose(dZ.sum(axis=1), 0, atol=1e-11)
    np.testing.assert_allclose((dZ * cache[0]).sum(axis=1), 0, atol=1e-11)
    if m > 2:  # for m = 2 these two directions are the whole space
        assert np.abs(dZ).max() > 1e-6


@pytest.mark.parametrize("m", [1, 2, 7])
def test_keras_has_the_same_output_and_gradients(m):
    """In float64, with Keras's default epsilon."""
    import tensorflow as tf

    Z, gamma, beta = batch(4, m, m)
    weight = np.random.default_rng(0).normal(size=Z.shape)
    Z_tilde, cache = bn.batch_norm_forward(Z, gamma, beta)
    dZ, dgamma, dbeta = bn.batch_norm_backward(weight, cache)
    layer = keras_layer(gamma, beta, 0.99, bn.EPSILON)
    rows = tf.constant(Z.T)
    with tf.GradientTape() as tape:
        tape.watch(rows)
        out = layer(rows, training=True)
        total = tf.reduce_sum(weight.T * out)
    gradients = tape.gradient(total, [rows, *layer.trainable_variables])
    # Keras stores epsilon, 1e-3, in float32: with an absolute error of 1e-10.
    for array, tensor in zip(
        (Z_tilde, dZ, dgamma, dbeta), (out, *gradients), strict=True
    ):
        expected = array.T.reshape(tensor.shape)
        np.testing.assert_allclose(tensor.numpy(), expected, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("momentum", [0.9, 0.99])
def test_keras_has_the_same_running_averages_and_output_at_test_time(momentum):
    """After each of twenty batches, the last one smaller; for a single example."""
    Z, gamma, beta = batch(3, 157, 1)
    layer = keras_layer(gamma, beta, momentum, bn.EPSILON)
    mu, sigma2 = np.zeros((3, 1)), np.ones((3, 1))
    for k in range(0, 157, 8):
        part = Z[:, k : k + 8]
        _, cache = bn.batch_norm_forward(part, gamma, beta)
        mu, sigma2 = bn.update_averages(mu, sigma2, cache, momentum)
        layer(part.T, training=True)
        means, variances = layer.moving_mean.numpy(), layer.moving_variance.numpy()
        np.testing.assert_allclose(means, mu[:, 0], rtol=1e-6)
        np.testing.assert_allclose(variances, sigma2[:, 0], rtol=1e-6)
    one = Z[:, :1]
    got = bn.batch_norm_inference(one, gamma, beta, mu, sigma2)
    np.testing.assert_allclose(got.T, layer(one.T).numpy(), rtol=1e-6)


@given(sizes, seeds)
def test_inference_with_the_statistics_of_the_batch_equals_training(size, seed):
    """At test time only the origin of mu and sigma2 is different."""
    Z, gamma, beta = batch(*size, seed)
    Z_tilde, (_, mu, sigma2, _, _) = bn.batch_norm_forward(Z, gamma, beta)
    got = bn.batch_norm_inference(Z, gamma, beta, mu, sigma2)
    np.testing.assert_allclose(got, Z_tilde, atol=1e-12)


# The network.


@pytest.mark.parametrize("batch_norm", [True, False])
def test_the_gradient_of_the_network_equals_finite_differences(batch_norm):
    """For every trainable parameter, and there are no other gradients."""
    data = bn.load_data(12)
    model = bn.build_model(5, batch_norm=batch_norm)
    grads = bn.backward_propagation(
        data.x, data.y, bn.forward_propagation(data.x, model)[1]
    )
    trainable = {name for name in model if name not in ("mu", "sigma2")}
    assert set(grads) == {f"d{name}" for name in trainable}
    for name in trainable:

        def loss(value, name=name):
            A2, _ = bn.forward_propagation(data.x, model | {name: value})
            return compute_loss(A2, data.y)

        expected = central_differences(loss, model[name])
        np.testing.assert_allclose(grads[f"d{name}"], expected, atol=1e-8)


def test_keras_has_the_same_training():
    """Ten epochs of SGD on the same batches: losses, weights, running averages."""
    import keras
    import tensorflow as tf

    from dls_keras.course2.optimization import random_mini_batches

    data, model = bn.load_data(100), bn.build_model(6)
    dense = {"dtype": "float64"}
    network = keras.Sequential(
        [
            keras.Input((2,), **dense),
            keras.layers.Dense(6, use_bias=False, **dense),
            keras_layer(model["gamma"], model["beta"], bn.MOMENTUM, bn.EPSILON),
            keras.layers.ReLU(**dense),
            keras.layers.Dense(1, activation="sigmoid", **dense),
        ]
    )
    first, norm, _, last = network.layers
    first.set_weights([model["W1"].T])
    last.set_weights([model["W2"].T, model["b2"][0]])
    expected = []
    for epoch in range(10):
        total = 0.0
        for x, y in random_mini_batches(*data, 64, epoch):
            with tf.GradientTape() as tape:
                y_hat = network(x.T, training=True)
                loss = tf.reduce_mean(keras.losses.binary_crossentropy(y.T, y_hat))
            gradients = tape.gradient(loss, network.trainable_variables)
            for variable, gradient in zip(
                network.trainable_variables, gradients, strict=True
            ):
                variable.assign_sub(0.5 * gradient)
            total += float(loss) * y.size
        expected.append(total / 100)
    losses = bn.train(model, data, epochs=10, learning_rate=0.5)
    # Keras stores epsilon and momentum in float32; errors of twenty steps add up.
    np.testing.assert_allclose(losses, expected, rtol=1e-5)
    np.testing.assert_allclose(model["W1"].T, first.kernel.numpy(), atol=1e-5)
    np.testing.assert_allclose(model["mu"][:, 0], norm.moving_mean.numpy(), atol=1e-5)
    np.testing.assert_allclose(
        model["sigma2"][:, 0], norm.moving_variance.numpy(), rtol=1e-5
    )
    test = bn.predict(data.x, model)
    np.testing.assert_allclose(test.T, network(data.x.T).numpy(), atol=1e-5)


def test_a_prediction_depends_on_one_point_only():
    """At test time; in training it also depends on the other points of the batch."""
    data, model = bn.load_data(40), bn.build_model()
    bn.train(model, data, epochs=3)
    whole = bn.predict(data.x, model)
    alone = [bn.predict(data.x[:, [i]], model).item() for i in range(40)]
    np.testing.assert_allclose(alone, whole[0], rtol=1e-12)
    training = bn.forward_propagation(data.x, model)[0]
    part = bn.forward_propagation(data.x[:, :10], model)[0]
    assert np.abs(training[:, :10] - part).max() > 1e-3


def test_training_is_reproducible():
    """The seed determines initialization; the global generator is not used."""
    state = np.random.get_state()[1].copy()
    data, losses = bn.load_data(), []
    for seed in (1, 1, 2):
        model = bn.build_model(seed=seed)
        losses.append(bn.train(model, data, epochs=5))
    np.testing.assert_array_equal(np.random.get_state()[1], state)
    assert losses[0] == losses[1] != losses[2]


def test_the_scale_of_the_inputs_does_not_matter_with_batch_norm():
    """For moons divided by 100: above 95 % with it, below 85 % without."""
    data, held_out = bn.load_data(), bn.load_data(1000, seed=4)
    accuracies = []
    for batch_norm in (True, False):
        model = bn.build_model(batch_norm=batch_norm)
        bn.train(model, (data.x / 100, data.y))
        y_hat = bn.predict(held_out.x / 100, model) > 0.5
        accuracies.append(np.mean(y_hat == held_out.y))
    assert accuracies[0] > 0.95 > 0.85 > accuracies[1]


@pytest.mark.large
def test_with_batch_norm_the_goal_is_reached_on_every_scale():
    """95 %; without it the accuracy is lower, even with the best learning rate."""
    rows = bn.evaluate()
    for with_norm, without in zip(rows[::2], rows[1::2], strict=True):
        assert with_norm.ours >= with_norm.at_least, with_norm.what
        assert with_norm.ours > without.ours, with_norm.what


def test_the_lesson_does_not_import_tensorflow():
    """Nor do the two assignments that it imports."""
    program = """if True:
        import sys
        from dls_keras.course2 import batch_normalization as bn
        bn.train(bn.build_model(), bn.load_data(20), epochs=2)
        heavy = {"tensorflow", "keras", "torch", "jax", "matplotlib"} & {*sys.modules}
        sys.exit(f"imported {heavy}" if heavy else 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
