"""Hyperparameter search: samples, search spaces and the result on the moons."""

import doctest
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.course2 import hyperparameter_search as hs

seeds = st.integers(0, 2**32 - 1)
SPACE = {
    "rate": hs.Range(1e-4, 1, "log"),
    "beta": hs.Range(0.9, 0.999, "log from one"),
    "units": hs.Range(2, 9, whole=True),
    "share": hs.Range(-0.5, 0.5),
}


def bowl(rate, beta, units, share):
    """A cost with its minimum, 0, at 0.01, 0.99, 5 and 0.25."""
    return (
        (np.log10(rate) + 2) ** 2
        + (np.log10(1 - beta) + 2) ** 2
        + 0.1 * (units - 5) ** 2
        + (share - 0.25) ** 2
    )


def is_in(trial, space):
    """Whether every value is in its range."""
    return all(w.low <= trial.values[name] <= w.high for name, w in space.items())


@pytest.mark.parametrize(
    ("where", "limit", "expected"),
    [
        (hs.Range(1e-4, 1, "log"), 1e-2, 0.5),
        (hs.Range(1e-4, 1, "log"), 1e-1, 0.75),
        (hs.Range(0.9, 0.999, "log from one"), 0.99, 0.5),
        (hs.Range(50, 100), 75, 0.5),
    ],
)
def test_samples_are_uniform_on_their_scale(where, limit, expected):
    """4000 samples: the fraction below a limit, within 4 standard deviations."""
    rng = np.random.default_rng(0)
    samples = [hs.sample({"x": where}, rng)["x"] for _ in range(4000)]
    assert np.mean(np.array(samples) < limit) == pytest.approx(expected, abs=0.032)
    assert where.low <= min(samples) and max(samples) <= where.high


@given(st.floats(1e-6, 10), st.floats(1.01, 1e4), st.sampled_from(["linear", "log"]))
def test_fractions_0_and_1_are_the_ends_of_a_range(low, factor, scale):
    """And values increase with the fraction."""
    where = hs.Range(low, low * factor, scale)
    first, middle, last = (hs.value_at(where, fraction) for fraction in (0, 0.5, 1))
    # 10^log10(x) is x up to rounding.
    assert first == pytest.approx(where.low) and last == pytest.approx(where.high)
    assert where.low <= first < middle < last <= where.high


@given(seeds, st.integers(1, 30))
def test_a_search_is_reproducible_and_sorted(seed, trials):
    """Values are in their ranges, and integers where the range is whole."""
    found = hs.random_search(bowl, SPACE, trials, seed=seed)
    assert found == hs.random_search(bowl, SPACE, trials, seed=seed)
    assert [t.cost for t in found] == sorted(bowl(**t.values) for t in found)
    assert len(found) == trials
    for trial in found:
        assert is_in(trial, SPACE)
        assert isinstance(trial.values["units"], int)
    other = hs.random_search(bowl, SPACE, trials, seed=seed, stage=2)
    assert other[0].values != found[0].values


@given(seeds)
def test_narrow_gives_a_part_of_the_space_with_the_best_trials(seed):
    """On the same scales."""
    best = hs.random_search(bowl, SPACE, 20, seed=seed)[:3]
    for name, where in hs.narrow(SPACE, best).items():
        before = SPACE[name]
        # The conversion to the scale and back may change the last digit.
        assert before.low - 1e-12 <= where.low <= where.high <= before.high + 1e-12
        assert where[2:] == before[2:]
        values = [trial.values[name] for trial in best]
        assert where.low - 1e-12 <= min(values) and max(values) <= where.high + 1e-12


def test_coarse_to_fine_is_better_than_the_same_number_of_coarse_trials():
    """On a quadratic cost: 20 + 20 + 20 trials and 60, mean of ten seeds."""
    fine = [
        hs.coarse_to_fine(bowl, SPACE, 20, stages=3, seed=seed)[0].cost
        for seed in range(10)
    ]
    coarse = [
        hs.random_search(bowl, SPACE, 60, seed=seed)[0].cost for seed in range(10)
    ]
    assert np.mean(fine) < 0.5 * np.mean(coarse)


def test_the_table_has_the_trials_of_all_stages_sorted_by_cost():
    """One row per trial, in columns of equal width."""
    found = hs.coarse_to_fine(bowl, SPACE, 4, stages=3, keep=2)
    assert sorted(t.stage for t in found) == [1] * 4 + [2] * 4 + [3] * 4
    assert [t.cost for t in found] == sorted(t.cost for t in found)
    head, *rows = hs.table(found).splitlines()
    assert head.split() == ["stage", *SPACE, "cost"]
    assert len(rows) == 12 and len({len(row) for row in rows}) == 1
    for row, trial in zip(rows, found, strict=True):
        stage, *values, cost = map(float, row.split())
        assert stage == trial.stage and cost == pytest.approx(trial.cost, rel=1e-3)
        assert values == pytest.approx(list(trial.values.values()), rel=1e-3)


def test_trials_with_a_cost_of_nan_or_infinity_are_last():
    """After those with a finite cost."""
    costs = iter([math.nan, 2.0, math.inf, 1.0])
    found = hs.random_search(lambda x: next(costs), {"x": hs.Range(0, 1)}, 4)
    assert [t.cost for t in found[:2]] == [1, 2]
    assert not any(math.isfinite(t.cost) for t in found[2:])


def test_the_scatter_plot_has_one_panel_per_hyperparameter():
    """On its scale, with 1 - beta for beta, and one colour per stage."""
    found = hs.coarse_to_fine(bowl, SPACE, 5)
    found[-1] = found[-1]._replace(cost=math.inf)  # which cannot be plotted
    figure = hs.scatter(found, SPACE)
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == ["rate", "1 - beta", "units", "share"]
    assert [axes.get_xscale() for axes in figure.axes] == ["log"] * 2 + ["linear"] * 2
    assert {axes.get_yscale() for axes in figure.axes} == {"log"}
    names = [text.get_text() for text in figure.axes[-1].get_legend().get_texts()]
    assert names == ["stage 1", "stage 2"]
    points = np.concatenate([c.get_offsets() for c in figure.axes[1].collections])
    expected = [(1 - t.values["beta"], t.cost) for t in found[:-1]]
    np.testing.assert_allclose(sorted(map(tuple, points)), sorted(expected))


def test_training_dev_and_test_points_are_disjoint():
    """And each set has as many points of either moon."""
    data = hs.load_data()
    sets = [{*map(tuple, x.T)} for x in (data.x, data.x_dev, data.x_test)]
    assert [len(s) for s in sets] == [300, 300, 1000]
    assert not sets[0] & sets[1] | sets[0] & sets[2] | sets[1] & sets[2]
    for y in (data.y, data.y_dev, data.y_test):
        assert y.mean() == 0.5 and y.shape[0] == 1


def test_the_search_finds_better_settings_than_the_course():
    """After a hundred epochs: 95 % of the test points, and 69 %."""
    rows = hs.evaluate()
    course, coarse, fine = (row.ours for row in rows if row.what.startswith("dev"))
    assert course > 2 * coarse and coarse >= fine
    assert len(rows) == 6
    goals = [row for row in rows if row.at_least is not None]
    assert len(goals) == 2 and all(row.ours >= row.at_least for row in goals)


def test_the_examples_in_the_docstrings_are_correct():
    """All doctests of the module."""
    failed, tried = doctest.testmod(hs)
    assert failed == 0 and tried >= 3


def test_a_search_imports_neither_tensorflow_nor_matplotlib():
    """NumPy alone; `scatter` imports matplotlib."""
    program = (
        "import sys; from dls_keras.course2 import hyperparameter_search as hs;"
        "hs.search(hs.load_data(), trials=1, epochs=1); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not {"tensorflow", "keras", "matplotlib"} & set(done.stdout.split())
