"""Gradient checking: properties beyond the reference cases."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dls_keras.course2 import gradient_checking as gc

seeds = st.integers(0, 2**32 - 1)
sizes = st.tuples(*[st.integers(1, 5)] * 3)  # n[0], n[1], n[2]; one output


def problem(sizes, seed, m=4):
    """Random X, Y, parameters and their gradients for a three-layer network."""
    rng = np.random.default_rng(seed)
    widths = (*sizes, 1)
    # A ReLU has no derivative at 0: sample until no Z can change its sign. New
    # parameters each time, because after dead units Z2 is b2 for any X.
    nearest = 0.0
    while nearest < 1e-3:
        parameters = {}
        for layer in (1, 2, 3):
            n_in, n_out = widths[layer - 1], widths[layer]
            parameters[f"W{layer}"] = rng.normal(size=(n_out, n_in)) / np.sqrt(n_in)
            parameters[f"b{layer}"] = rng.normal(size=(n_out, 1))
        X, Y = rng.normal(size=(sizes[0], m)), rng.integers(2, size=(1, m))
        _, cache = gc.forward_propagation_n(X, Y, parameters)
        nearest = min(np.abs(cache[0]).min(), np.abs(cache[4]).min())
    return X, Y, parameters, gc.backward_propagation_n(X, Y, cache)


@given(sizes, seeds)
def test_vector_to_dictionary_inverts_dictionary_to_vector(sizes, seed):
    """For layers of any size; the keys name the parameter of each entry."""
    _, _, parameters, _ = problem(sizes, seed)
    theta, keys = gc.dictionary_to_vector(parameters)
    assert theta.shape == (len(keys), 1)
    shapes = {name: value.shape for name, value in parameters.items()}
    restored = gc.vector_to_dictionary(theta, shapes=shapes)
    for name, value in parameters.items():
        np.testing.assert_array_equal(restored[name], value)
        own = theta[[key == name for key in keys]]
        np.testing.assert_array_equal(own.ravel(), value.ravel())


@given(sizes, seeds)
def test_the_order_of_the_dict_does_not_matter(sizes, seed):
    """The order in the column is always W1, b1, W2, b2, W3, b3."""
    _, _, parameters, gradients = problem(sizes, seed)
    theta, _ = gc.dictionary_to_vector(parameters)
    other, _ = gc.dictionary_to_vector(dict(reversed(parameters.items())))
    np.testing.assert_array_equal(theta, other)
    np.testing.assert_array_equal(
        gc.gradients_to_vector(gradients),
        gc.gradients_to_vector(dict(reversed(gradients.items()))),
    )


@settings(max_examples=40)
@given(sizes, seeds)
def test_a_correct_gradient_has_a_small_difference(sizes, seed):
    """For layers of any size; the rounding error is about 1e-16 / 1e-5."""
    X, Y, parameters, gradients = problem(sizes, seed)
    assume(np.linalg.norm(gc.gradients_to_vector(gradients)) > 1e-2)
    assert gc.gradient_check_n(parameters, gradients, X, Y, epsilon=1e-5) < 1e-6


@settings(max_examples=40)
@given(
    sizes,
    seeds,
    st.sampled_from(sorted(gc.SHAPES)),
    st.sampled_from([-1.0, 0.0, 0.9, 1.1, 2.0, 4.0]),
)
def test_differences_finds_the_gradient_with_a_mistake(sizes, seed, name, factor):
    """If one gradient has a wrong factor, only its difference is large."""
    X, Y, parameters, gradients = problem(sizes, seed)
    assume(all(np.linalg.norm(gradients[f"d{key}"]) > 1e-3 for key in gc.SHAPES))
    wrong = gradients | {f"d{name}": factor * gradients[f"d{name}"]}
    found = gc.differences(parameters, wrong, X, Y)
    # |f g - g| / (|f g| + |g|): 1 for a wrong sign and for a gradient of zero.
    expected = abs(factor - 1) / (abs(factor) + 1)
    assert found.pop(f"d{name}") == pytest.approx(expected, abs=1e-4)
    assert max(found.values()) < 1e-5


def test_the_two_mistakes_of_the_course_are_injected_and_found():
    """dW2 times 2 and db1 times 4; the argument is not modified."""
    X, Y, parameters, gradients = problem((4, 5, 3), 0)
    before = gradients["dW2"].copy()
    found = gc.differences(parameters, gc.inject_mistakes(gradients), X, Y)
    assert {name for name, d in found.items() if d > 1e-4} == {"dW2", "db1"}
    assert found["dW2"] == pytest.approx(1 / 3) and found["db1"] == pytest.approx(3 / 5)
    np.testing.assert_array_equal(gradients["dW2"], before)


def test_checking_does_not_modify_the_parameters():
    """Not even by rounding."""
    X, Y, parameters, gradients = problem((4, 5, 3), 1)
    before = {name: value.copy() for name, value in parameters.items()}
    gc.gradient_check_n(parameters, gradients, X, Y)
    for name, value in before.items():
        np.testing.assert_array_equal(parameters[name], value)


def test_a_gradient_of_zero_can_be_correct():
    """Without a division of zero by zero."""
    assert gc.gradient_check(0, 4) == 0
    dead = {name: np.zeros(shape) for name, shape in gc.SHAPES.items()}
    X, Y = np.ones((4, 2)), np.array([[0, 1]])  # A3 is one half for both
    _, cache = gc.forward_propagation_n(X, Y, dead)
    gradients = gc.backward_propagation_n(X, Y, cache)
    assert gc.gradient_check_n(dead, gradients, X, Y) == 0


def test_the_result_is_printed_with_print_msg(capsys, monkeypatch):
    """In green for a correct gradient, in yellow for a wrong one."""
    correct = gc.gradient_check(3, 4, print_msg=True)
    monkeypatch.setattr(gc, "backward_propagation", lambda x, theta: 2 * x)
    wrong = gc.gradient_check(3, 4, print_msg=True)
    assert wrong == pytest.approx(1 / 3)
    assert capsys.readouterr().out.splitlines() == [
        "\033[92mYour backward propagation works perfectly fine! "
        f"difference = {correct}\033[0m",
        "\033[93mThere is a mistake in the backward propagation! "
        f"difference = {wrong}\033[0m",
    ]
    X, Y, parameters, gradients = problem((4, 5, 3), 0)
    assert gc.gradient_check(3, 4) == wrong
    gc.gradient_check_n(parameters, gradients, X, Y)
    assert capsys.readouterr().out == ""
    wrong_gradients = gc.inject_mistakes(gradients)
    gc.gradient_check_n(parameters, wrong_gradients, X, Y, print_msg=True)
    assert "There is a mistake" in capsys.readouterr().out


def test_evaluate_gives_the_differences_that_the_course_prints():
    """Rounding error to three digits, the difference of a mistake to nine."""
    *one_dimension, correct, wrong, found = gc.evaluate()
    for row in one_dimension:
        assert row.ours == pytest.approx(row.equals, abs=1e-12), row.what
    assert f"{correct.ours:.2e}" == f"{correct.equals:.2e}"
    assert wrong.ours == pytest.approx(wrong.equals, rel=1e-9)
    assert found.ours == found.equals == 2


def test_the_lesson_does_not_import_tensorflow():
    """Nor do the two assignments whose networks it checks."""
    program = """if True:
        import sys
        from dls_keras.course2 import gradient_checking
        gradient_checking.evaluate()
        heavy = {"tensorflow", "keras", "torch", "jax", "matplotlib"} & {*sys.modules}
        sys.exit(f"imported {heavy}" if heavy else 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
