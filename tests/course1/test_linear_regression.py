"""Linear regression: gradient descent against the closed form."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError
from dls_keras.course1 import linear_regression as lr
from dls_keras.datasets import house_prices

seeds = st.integers(0, 2**32 - 1)


@pytest.fixture(scope="module")
def model():
    """The line of the default houses."""
    model = lr.build_model()
    lr.train(model, lr.load_data())
    return model


def test_the_line_is_that_of_least_squares():
    """The contract, 1e-6; the distance falls as 0.8^200, so it is rounding alone."""
    rows = {what: (ours, goal) for what, ours, goal in lr.evaluate()}
    apart, goal = rows.pop("largest difference to least squares")
    assert apart < 1e-9 < goal == 1e-6
    for ours, goal in rows.values():
        assert ours == pytest.approx(goal, abs=1e-9)


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(2, 30), seeds, st.floats(-1e3, 1e3), st.floats(1e-2, 1e3))
def test_any_cloud_has_its_line(m, seed, centre, spread):
    """From any start, wherever the points lie; the closed form is NumPy's `polyfit`."""
    rng = np.random.default_rng(seed)
    x, y = centre + spread * rng.normal(size=m), 10 * rng.normal(size=m)
    assume(np.std(x) > 1e-3 * max(1, abs(centre)))  # elsewhere no method has digits
    model = {"w": rng.normal(), "b": rng.normal()}
    lr.train(model, (x, y))
    w, b = lr.least_squares(x, y)
    # Heights within the cloud; w and b by themselves lose the digits of centre/spread.
    line, closed = model["w"] * x + model["b"], w * x + b
    np.testing.assert_allclose(line, closed, rtol=0, atol=1e-7)
    np.testing.assert_allclose(
        closed, np.polynomial.Polynomial.fit(x, y, 1)(x), rtol=0, atol=1e-7
    )


@settings(deadline=None)
@given(st.integers(1, 20), seeds, st.integers(0, 30), st.floats(0, 0.9))
def test_every_step_is_the_textbook_s(m, seed, steps, learning_rate):
    """TensorFlow's gradient is 2/m sum (y_hat - y) x, and 2/m sum (y_hat - y) for b."""
    rng = np.random.default_rng(seed)
    x, y, (w, b) = rng.normal(size=m), rng.normal(size=m), rng.normal(size=2)
    rate = learning_rate / (1 + np.max(x**2))  # steep clouds must not diverge
    got_w, got_b, losses = lr.gradient_descent(x, y, w, b, steps, rate)
    expected = []
    for _ in range(steps):
        error = w * x + b - y
        expected.append(np.mean(error**2))
        w, b = w - rate * 2 * np.mean(error * x), b - rate * 2 * np.mean(error)
    np.testing.assert_allclose([got_w, got_b], [w, b], rtol=0, atol=1e-12)
    np.testing.assert_allclose(losses, np.reshape(expected, -1), rtol=0, atol=1e-12)


def test_all_steps_of_all_data_are_one_graph(model):
    """However many points and steps there are, TensorFlow traces the loop once."""
    for m, epochs in ((5, 3), (50, 3), (50, 40)):
        losses = lr.train(lr.build_model(), lr.load_data(m), epochs=epochs)
        assert len(losses) == epochs
    assert lr.gradient_descent.experimental_get_tracing_count() == 1


def test_the_rate_of_one_half_arrives_in_one_step():
    """In units of the spread the bowl is round: its slope points at the bottom."""
    data, model = lr.load_data(), lr.build_model()
    losses = lr.train(model, data, epochs=2, learning_rate=0.5)
    w, b = lr.least_squares(*data)
    assert (model["w"], model["b"]) == pytest.approx((w, b), rel=1e-12)
    assert losses[1] == pytest.approx(np.mean((w * data.x + b - data.y) ** 2))


def test_training_twice_is_training_longer():
    """20 steps and 30 more end where 50 do."""
    data, halves, whole = lr.load_data(), lr.build_model(), lr.build_model()
    losses = [loss for n in (20, 30) for loss in lr.train(halves, data, epochs=n)]
    expected = lr.train(whole, data, epochs=50)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    assert halves == pytest.approx(whole, rel=1e-12)
    assert np.all(np.diff(losses) < 0)


@pytest.mark.parametrize("x", [[], [3.0], [2.0, 2.0], [1.0, np.nan]])
def test_points_above_each_other_have_no_line(x):
    """One sentence, and the model stays as it was."""
    model = lr.build_model()
    with pytest.raises(InputError, match="two points with different x"):
        lr.train(model, (np.array(x), np.ones(len(x))))
    assert model == lr.build_model()


def test_infer_reads_a_number_or_its_text(model):
    """120 square metres cost about 50 + 3 x 120 thousand euros."""
    price = lr.infer(model, 120)
    assert type(price) is float and price == lr.infer(model, " 120 ")
    assert price == pytest.approx(
        house_prices.INTERCEPT + 120 * house_prices.SLOPE, abs=10
    )
    axes = lr.picture(model, 120).axes[0]
    assert axes.lines[-1].get_xydata().tolist() == [[120, price]]


@pytest.mark.parametrize("size", ["", "large", "1 2", None, np.nan, "inf", [1, 2]])
def test_what_is_no_size_gets_one_sentence(model, size):
    """It shows what a size looks like."""
    with pytest.raises(InputError, match="one finite number"):
        lr.infer(model, size)


def test_houses_scatter_around_their_line():
    """Sizes in [40, 200), prices on the line but for the noise; a seed repeats."""
    x, y = house_prices.make_houses(1000, noise=10, seed=3)
    assert x.shape == y.shape == (1000,) and 40 <= x.min() and x.max() < 200
    residual = y - house_prices.INTERCEPT - house_prices.SLOPE * x
    assert abs(residual.mean()) < 1.5 and 9 < residual.std() < 11
    np.testing.assert_array_equal(house_prices.make_houses(1000, noise=10, seed=3).y, y)
    assert not np.array_equal(house_prices.make_houses(1000, noise=10, seed=4).y, y)
