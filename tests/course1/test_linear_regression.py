"""Linear regression: gradient descent compared with the closed form."""

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


def test_gradient_descent_converges_to_least_squares():
    """Within the goal of 1e-6; after 0.8^200 only rounding errors are left."""
    rows = {row.what: row for row in lr.evaluate()}
    difference = rows.pop("largest difference from least squares")
    assert difference.ours < 1e-9 < difference.at_most == 1e-6
    for row in rows.values():
        assert row.ours == pytest.approx(row.equals, abs=1e-9)


@settings(deadline=None)  # a busy machine is no failure
@given(st.integers(2, 30), seeds, st.floats(-1e3, 1e3), st.floats(1e-2, 1e3))
def test_training_fits_any_points_from_any_start(m, seed, centre, spread):
    """Like the closed form, which is that of NumPy's `polyfit`."""
    rng = np.random.default_rng(seed)
    x, y = centre + spread * rng.normal(size=m), 10 * rng.normal(size=m)
    assume(np.std(x) > 1e-3 * max(1, abs(centre)))  # else every method loses digits
    model = {"w": rng.normal(), "b": rng.normal()}
    lr.train(model, (x, y))
    w, b = lr.least_squares(x, y)
    # Predictions are compared, as w and b alone lose the digits of centre / spread.
    line, closed = model["w"] * x + model["b"], w * x + b
    np.testing.assert_allclose(line, closed, rtol=0, atol=1e-7)
    np.testing.assert_allclose(
        closed, np.polynomial.Polynomial.fit(x, y, 1)(x), rtol=0, atol=1e-7
    )


@settings(deadline=None)
@given(st.integers(1, 20), seeds, st.integers(0, 30), st.floats(0, 0.9))
def test_every_step_uses_the_textbook_gradient(m, seed, steps, learning_rate):
    """dJ/dw = 2/m sum (y_hat - y) x and dJ/db = 2/m sum (y_hat - y)."""
    rng = np.random.default_rng(seed)
    x, y, (w, b) = rng.normal(size=m), rng.normal(size=m), rng.normal(size=2)
    rate = learning_rate / (1 + np.max(x**2))  # small enough not to diverge
    got_w, got_b, losses = lr.gradient_descent(x, y, w, b, steps, rate)
    expected = []
    for _ in range(steps):
        error = w * x + b - y
        expected.append(np.mean(error**2))
        w, b = w - rate * 2 * np.mean(error * x), b - rate * 2 * np.mean(error)
    np.testing.assert_allclose([got_w, got_b], [w, b], rtol=0, atol=1e-12)
    np.testing.assert_allclose(losses, np.reshape(expected, -1), rtol=0, atol=1e-12)


def test_the_loop_is_traced_once(model):
    """Whatever the numbers of points and steps."""
    for m, epochs in ((5, 3), (50, 3), (50, 40)):
        losses = lr.train(lr.build_model(), lr.load_data(m), epochs=epochs)
        assert len(losses) == epochs
    assert lr.gradient_descent.experimental_get_tracing_count() == 1


def test_a_learning_rate_of_one_half_converges_in_one_step():
    """With standardised x the cost has the same curvature in every direction."""
    data, model = lr.load_data(), lr.build_model()
    losses = lr.train(model, data, epochs=2, learning_rate=0.5)
    w, b = lr.least_squares(*data)
    assert (model["w"], model["b"]) == pytest.approx((w, b), rel=1e-12)
    assert losses[1] == pytest.approx(np.mean((w * data.x + b - data.y) ** 2))


def test_training_can_be_continued():
    """20 steps and then 30 give the same line as 50 steps."""
    data, twice, once = lr.load_data(), lr.build_model(), lr.build_model()
    losses = [loss for n in (20, 30) for loss in lr.train(twice, data, epochs=n)]
    expected = lr.train(once, data, epochs=50)
    np.testing.assert_allclose(losses, expected, rtol=1e-12)
    assert twice == pytest.approx(once, rel=1e-12)
    assert np.all(np.diff(losses) < 0)


@pytest.mark.parametrize(
    ("x", "y", "distinct", "infinite"),
    [
        ([], [], 0, 0),
        ([3.0], [1.0], 1, 0),
        ([2.0, 2.0], [1.0, 1.0], 1, 0),
        ([1.0, np.nan], [1.0, 1.0], 2, 1),
        ([1.0, np.inf], [1.0, 1.0], 2, 1),
        ([1.0, 2.0], [np.nan, -np.inf], 2, 2),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
def test_points_without_two_distinct_x_or_not_finite_raise_an_error(
    x, y, distinct, infinite
):
    """And the model is not modified."""
    model = lr.build_model()
    received = f"received {distinct} distinct x, and {infinite} values"
    with pytest.raises(InputError, match=received):
        lr.train(model, (np.array(x), np.array(y)))
    assert model == lr.build_model()


def test_infer_returns_the_price_as_text_and_as_a_number(model):
    """120 square metres cost about 50 + 3 x 120 thousand euros."""
    answer = lr.infer(model, 120)
    price = answer.details["price"]
    assert answer == f"{price:.0f} thousand euros"
    assert price == model["w"] * 120 + model["b"]
    assert price == pytest.approx(
        house_prices.INTERCEPT + 120 * house_prices.SLOPE, abs=10
    )
    assert answer.confidence is None
    assert lr.infer(model, " 120 ") == answer


def test_the_picture_shows_the_line_and_the_price(model):
    """The line of the model, and a star at the size and its price."""
    answer = lr.infer(model, 120)
    axes = lr.picture("120", answer).axes[0]
    line, star = axes.lines
    x, y = line.get_data()
    np.testing.assert_allclose(y, model["w"] * x + model["b"])
    assert star.get_xydata().tolist() == [[120, answer.details["price"]]]
    assert axes.get_title() == f"120 m²: {answer}"


@pytest.mark.parametrize("size", ["", "large", "1 2", None, np.nan, "inf", (1, 2)])
def test_what_is_not_a_size_raises_an_error(model, size):
    """The message gives an example of a size."""
    with pytest.raises(InputError, match="one finite number"):
        lr.infer(model, size)


def test_synthetic_houses_scatter_around_the_line():
    """Sizes in [40, 200), residuals with the given standard deviation; seeded."""
    x, y = house_prices.make_houses(1000, noise=10, seed=3)
    assert x.shape == y.shape == (1000,) and 40 <= x.min() and x.max() < 200
    residual = y - house_prices.INTERCEPT - house_prices.SLOPE * x
    assert abs(residual.mean()) < 1.5 and 9 < residual.std() < 11
    np.testing.assert_array_equal(house_prices.make_houses(1000, noise=10, seed=3).y, y)
    assert not np.array_equal(house_prices.make_houses(1000, noise=10, seed=4).y, y)
