"""The TensorFlow tutorial of 2017: what the reference cases do not cover."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.course2 import tensorflow_introduction as ti
from dls_keras.course2 import tensorflow_tutorial as tt
from dls_keras.datasets import signs

labels = st.lists(st.integers(0, 5), min_size=1, max_size=12)


@pytest.fixture(scope="module")
def synthetic():
    """24 synthetic images: X (12288, 24) in [0, 1] and Y (6, 24)."""
    x, y = signs.make_signs(24, seed=4)
    return ti.columns(x.astype("float32") / 255), tt.convert_to_one_hot(y, 6)


def test_functions_return_arrays():
    """As a session did, and no tensors."""
    for value in (
        tt.linear_function(),
        tt.ones([2]),
        tt.one_hot_matrix([1], 2),
        tt.sigmoid([0, 1]),
        tt.cost(np.zeros(2), np.zeros(2)),
    ):
        assert isinstance(value, np.ndarray)


@settings(deadline=None)
@given(st.floats(-1e4, 1e4), st.integers(0, 1))
def test_the_cost_of_any_logit_is_finite(z, y):
    """It is log(1 + e^z) - y z, in a form that cannot overflow."""
    expected = np.logaddexp(0, z) - y * z
    np.testing.assert_allclose(tt.cost([z], [y]), [expected], rtol=1e-5, atol=1e-6)


@settings(deadline=None)
@given(labels)
def test_both_one_hot_functions_agree(labels):
    """One column per label, with a single 1 in the row of the label."""
    matrix = tt.one_hot_matrix(labels, 6)
    np.testing.assert_array_equal(matrix, tt.convert_to_one_hot(np.array(labels), 6))
    assert matrix.shape == (6, len(labels))
    assert matrix.argmax(axis=0).tolist() == labels


@settings(deadline=None)
@given(labels, st.integers(0, 2**32 - 1))
def test_the_cost_of_2017_is_the_mean_of_2021_s_losses(labels, seed):
    """The same cross-entropy, divided by the number of examples."""
    Z3 = np.random.default_rng(seed).normal(size=(6, len(labels))).astype("float32")
    Y = tf.constant(tt.one_hot_matrix(labels, 6))
    total = ti.compute_total_loss(tf.constant(Z3), Y)
    np.testing.assert_allclose(tt.compute_cost(Z3, Y), total / len(labels), rtol=1e-5)


def test_initial_weights_are_xavier_s():
    """Uniform within +-sqrt(6 / (n_prev + n)), biases zero, for any global seed."""
    tf.random.set_seed(5)
    first = tt.initialize_parameters()
    tf.random.set_seed(6)
    second = tt.initialize_parameters()
    assert list(first) == ["W1", "b1", "W2", "b2", "W3", "b3"]
    for layer in (1, 2, 3):
        W, b = first[f"W{layer}"].numpy(), first[f"b{layer}"].numpy()
        limit = np.sqrt(6 / sum(W.shape))
        assert 0.9 * limit < np.abs(W).max() <= limit
        assert not b.any() and b.shape == (len(W), 1)
        np.testing.assert_array_equal(W, second[f"W{layer}"])
    samples = first["W1"].numpy().ravel()
    # The deviation of a uniform distribution; 307,200 samples estimate it to 0.1 %.
    limit = np.sqrt(6 / (12288 + 25))
    assert samples.std() == pytest.approx(limit / np.sqrt(3), rel=0.005)


def test_an_epoch_is_the_course_s_loop_over_mini_batches(synthetic):
    """Shuffled with seed 4, then 5; the last of four has 24 - 3 * 7 images."""
    X, Y = synthetic
    parameters, expected = tt.initialize_parameters(), tt.initialize_parameters()
    costs = list(tt.run_epochs(parameters, X, Y, 0.001, 2, minibatch_size=7))

    variables = list(expected.values())
    adam = keras.optimizers.Adam(0.001, epsilon=1e-8)
    for epoch, seed in enumerate((4, 5)):
        total = 0.0
        for x, y in tt.random_mini_batches(X, Y, 7, seed):
            with tf.GradientTape() as tape:
                Z3 = tt.forward_propagation(tf.constant(x), expected)
                batch_cost = tt.compute_cost(Z3, tf.constant(y, tf.float32))
            adam.apply(tape.gradient(batch_cost, variables), variables)
            total += float(batch_cost)
        # A graph adds the 12288 products in another order.
        assert costs[epoch] == pytest.approx(total / 3, rel=1e-4)
    for name in expected:
        np.testing.assert_allclose(parameters[name], expected[name], atol=1e-4)


def test_model_prints_the_course_s_lines(synthetic, capsys):
    """The cost of each hundredth epoch, then both accuracies."""
    X, Y = synthetic
    parameters = tt.model(X, Y, X[:, :6], Y[:, :6], num_epochs=101, minibatch_size=12)
    *costs, done, train, test = capsys.readouterr().out.splitlines()
    first, last = (float(line.split(": ")[1]) for line in costs)
    assert costs == [
        f"Cost after epoch 0: {first:f}",
        f"Cost after epoch 100: {last:f}",
    ]
    assert last < first
    assert done == "Parameters have been trained!"
    accuracy = ti.accuracy(parameters, X, Y.argmax(axis=0))
    assert train == f"Train Accuracy: {accuracy:.6g}"
    accuracy = ti.accuracy(parameters, X[:, :6], Y[:, :6].argmax(axis=0))
    assert test == f"Test Accuracy: {accuracy:.6g}"
    assert all(isinstance(value, np.ndarray) for value in parameters.values())


def test_without_print_cost_no_costs_are_printed(synthetic, capsys):
    """Only the last lines, as in the course."""
    X, Y = synthetic
    tt.model(X, Y, X, Y, num_epochs=1, print_cost=False)
    assert "Cost" not in capsys.readouterr().out


def test_it_is_trained_by_the_functions_of_the_introduction(synthetic):
    """From its own initial parameters; the answer is one of the six classes."""
    X, Y = synthetic
    hands = X.T.reshape(24, 64, 64, 3)
    data = signs.Signs(hands, Y.argmax(axis=0), hands[:0], None)
    model = tt.build_model()
    losses = tt.train(model, data, epochs=6, batch_size=12)
    assert losses[-1] < losses[0]
    assert tt.infer(model, hands[0]) in signs.CLASSES


@pytest.mark.data
def test_the_cost_of_the_first_epoch_is_the_printed_one():
    """1.8557, to 0.02, because the order of the photos is another one."""
    data = signs.shuffle_if_sorted(tt.load_data())
    Y = tt.convert_to_one_hot(data.y, 6)
    parameters = tt.initialize_parameters()
    costs = list(tt.run_epochs(parameters, tt.columns(data.x), Y, 0.0001, 20))
    assert costs[0] == pytest.approx(1.855702, abs=0.02)
    assert costs[-1] < costs[0] - 0.05
