"""Gradient checking: what the reference cases cannot say."""

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
    """Random X, Y, parameters and their gradients, of any three-layer network."""
    rng = np.random.default_rng(seed)
    widths = (*sizes, 1)
    nearest = 0.0
    while nearest < 1e-3:  # a ReLU has no slope at 0: no unit may pass it by a nudge
        parameters = {}  # anew, too: behind dead units Z2 is b2, whatever X is
        for layer in (1, 2, 3):
            n_in, n_out = widths[layer - 1], widths[layer]
            parameters[f"W{layer}"] = rng.normal(size=(n_out, n_in)) / np.sqrt(n_in)
            parameters[f"b{layer}"] = rng.normal(size=(n_out, 1))
        X, Y = rng.normal(size=(sizes[0], m)), rng.integers(2, size=(1, m))
        _, cache = gc.forward_propagation_n(X, Y, parameters)
        nearest = min(np.abs(cache[0]).min(), np.abs(cache[4]).min())
    return X, Y, parameters, gc.backward_propagation_n(X, Y, cache)


@given(sizes, seeds)
def test_parameters_survive_the_way_into_a_column_and_back(sizes, seed):
    """Every entry, with its name beside it, whatever the layers."""
    _, _, parameters, _ = problem(sizes, seed)
    theta, keys = gc.dictionary_to_vector(parameters)
    assert theta.shape == (len(keys), 1)
    shapes = {name: value.shape for name, value in parameters.items()}
    back = gc.vector_to_dictionary(theta, shapes=shapes)
    for name, value in parameters.items():
        np.testing.assert_array_equal(back[name], value)
        own = theta[[key == name for key in keys]]
        np.testing.assert_array_equal(own.ravel(), value.ravel())


@given(sizes, seeds)
def test_the_order_in_a_dict_does_not_matter(sizes, seed):
    """Parameters and gradients stand in one order, W1 b1 W2 b2 W3 b3."""
    _, _, parameters, gradients = problem(sizes, seed)
    backwards = dict(reversed(parameters.items()))
    np.testing.assert_array_equal(
        *(gc.dictionary_to_vector(given)[0] for given in (parameters, backwards))
    )
    backwards = dict(reversed(gradients.items()))
    np.testing.assert_array_equal(
        *(gc.gradients_to_vector(given) for given in (gradients, backwards))
    )


@settings(max_examples=40)
@given(sizes, seeds)
def test_a_right_gradient_passes(sizes, seed):
    """Of any three-layer network; noise of 1e-16 / 1e-5 against gradients of 1."""
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
def test_a_mistake_is_found_where_it_is(sizes, seed, name, factor):
    """One gradient is off by a factor: its difference shows it, no other does."""
    X, Y, parameters, gradients = problem(sizes, seed)
    assume(all(np.linalg.norm(gradients[f"d{key}"]) > 1e-3 for key in gc.SHAPES))
    wrong = gradients | {f"d{name}": factor * gradients[f"d{name}"]}
    found = gc.differences(parameters, wrong, X, Y)
    # |f g - g| / (|f g| + |g|): 1 for a wrong sign and for a gradient left out.
    expected = abs(factor - 1) / (abs(factor) + 1)
    assert found.pop(f"d{name}") == pytest.approx(expected, abs=1e-4)
    assert max(found.values()) < 1e-5


def test_the_course_s_two_mistakes_are_planted_and_found():
    """dW2 twice and db1 four times too large; the right gradient stays as it is."""
    X, Y, parameters, gradients = problem((4, 5, 3), 0)
    before = gradients["dW2"].copy()
    found = gc.differences(parameters, gc.planted(gradients), X, Y)
    assert {name for name, d in found.items() if d > 1e-4} == {"dW2", "db1"}
    assert found["dW2"] == pytest.approx(1 / 3) and found["db1"] == pytest.approx(3 / 5)
    np.testing.assert_array_equal(gradients["dW2"], before)


def test_checking_moves_no_parameter():
    """Each nudge is taken back to the bit."""
    X, Y, parameters, gradients = problem((4, 5, 3), 1)
    before = {name: value.copy() for name, value in parameters.items()}
    gc.gradient_check_n(parameters, gradients, X, Y)
    for name, value in before.items():
        np.testing.assert_array_equal(parameters[name], value)


def test_a_gradient_that_is_zero_everywhere_is_right():
    """Nothing is divided by nothing."""
    assert gc.gradient_check(0, 4) == 0
    dead = {name: np.zeros(shape) for name, shape in gc.SHAPES.items()}
    X, Y = np.ones((4, 2)), np.array([[0, 1]])  # a3 is one half for both
    _, cache = gc.forward_propagation_n(X, Y, dead)
    gradients = gc.backward_propagation_n(X, Y, cache)
    assert gc.gradient_check_n(dead, gradients, X, Y) == 0


def test_the_verdict_is_printed_when_asked_for(capsys, monkeypatch):
    """Green for a right gradient, yellow for a wrong one, silence by default."""
    right = gc.gradient_check(3, 4, print_msg=True)
    monkeypatch.setattr(gc, "backward_propagation", lambda x, theta: 2 * x)
    wrong = gc.gradient_check(3, 4, print_msg=True)
    assert wrong == pytest.approx(1 / 3)
    assert capsys.readouterr().out.splitlines() == [
        "\033[92mYour backward propagation works perfectly fine! "
        f"difference = {right}\033[0m",
        "\033[93mThere is a mistake in the backward propagation! "
        f"difference = {wrong}\033[0m",
    ]
    X, Y, parameters, gradients = problem((4, 5, 3), 0)
    assert gc.gradient_check(3, 4) == wrong
    gc.gradient_check_n(parameters, gradients, X, Y)
    assert capsys.readouterr().out == ""
    gc.gradient_check_n(parameters, gc.planted(gradients), X, Y, print_msg=True)
    assert "There is a mistake" in capsys.readouterr().out


def test_evaluate_gives_the_printed_differences():
    """Noise to its third digit, a mistake's difference to its ninth."""
    *_, right, wrong, found = rows = gc.evaluate()
    for what, ours, printed in rows[:2]:
        assert ours == pytest.approx(printed, abs=1e-12), what
    assert f"{right[1]:.2e}" == f"{right[2]:.2e}"
    assert wrong[1] == pytest.approx(wrong[2], rel=1e-9)
    assert found[1:] == (2, 2)


def test_nothing_imports_tensorflow():
    """Neither this nor the two assignments whose networks it checks."""
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
