"""The benchmarks: comparison of results, measurement, tables and figures."""

import json
import math
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from benchmarks import gpu, growth, memory, networks, timing
from dls_keras.core import training
from dls_keras.fast import layers, recurrent

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="peaks are read from Linux's /proc"
)
CURVES = [
    growth.Curve(
        "One", "dots", [1, 4, 16, 64], [1e-5, 2e-5, 3e-4, 1e-2], [0, 1, 9, 2e3]
    ),
    growth.Curve("Two", "cores", [1, 2], [1.0, 0.5], [1.0, 1.0]),
    growth.Curve("Three", "words", [1000], [0.25], [0.0]),
]


def test_a_child_process_returns_the_result_of_a_function():
    """Of any module; if it fails, the message has its traceback."""
    assert memory.in_child(math.hypot, 3, 4) == 5.0
    with pytest.raises(RuntimeError, match="math domain error"):
        memory.in_child(math.sqrt, -1)


@linux
def test_growth_is_the_increase_of_the_peak():
    """Memory that is freed at the end counts, earlier memory does not."""
    before = bytearray(b"x" * 40_000_000)

    def work():
        return len(bytearray(b"x") * 30_000_000)

    result, megabytes = memory.growth(work)
    assert (result, len(before)) == (30_000_000, 40_000_000)
    assert 29 < megabytes < 35


@linux
def test_the_memory_of_a_check_is_that_of_all_its_processes():
    """Importing NumPy alone takes 20 MB, and two files are checked."""
    assert memory.check_files(2) > 40


@linux
def test_reading_word_vectors_takes_less_than_twice_their_memory():
    """But more than the vectors alone."""
    assert 1 < memory.word_vectors(quick=True).ratio < 2


def test_a_missed_promise_is_bold():
    """In the table in Markdown, one row per promise."""
    rows = [memory.Memory("a", 12.0, 10.0, 1.3), memory.Memory("b", 15.0, 10.0, 1.3)]
    assert [row.reached for row in rows] == [True, False]
    assert memory.table(rows)[2:] == [
        "| a | 12.0 | 10.0 | 1.200 | 1.30 |",
        "| b | 15.0 | 10.0 | **1.500** | 1.30 |",
    ]


@linux
def test_a_point_is_a_time_and_an_amount_of_memory():
    """For the shortest workload."""
    seconds, megabytes = growth.point("boxes", 10, quick=True)
    assert 0 < seconds < 1
    assert 0 <= megabytes < 100


def test_the_exponent_is_fitted_to_the_larger_half_of_the_sizes():
    """2 for squares; fixed costs of small sizes and costs of 0 are left out."""
    sizes = [1, 10, 100, 1000]
    assert growth.exponent(sizes, [n**2 for n in sizes]) == pytest.approx(2)
    assert growth.exponent(sizes, [100, 100, 100, 1000]) == pytest.approx(1)
    assert growth.exponent([1, 2], [1.0, 0.5]) == pytest.approx(-1)
    assert math.isnan(growth.exponent([1, 2], [0.0, 0.5]))


def test_a_row_has_the_costs_of_the_smallest_and_the_largest_size():
    """In suitable units, with the exponents."""
    assert growth.table(CURVES)[2:] == [
        "| One | 1 to 64 dots | 10 µs to 10 ms | size^2.5 | 0 kB to 2 GB | size^3.9 |",
        "| Two | 1 to 2 cores | 1 s to 500 ms | size^-1.0 | 1 MB | size^0.0 |",
        "| Three | 1,000 words | 250 ms |  | 0 kB |  |",
    ]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_figure_is_a_small_png(tmp_path, n):
    """For any number of panels."""
    path = tmp_path / "growth.png"
    growth.picture(CURVES[:n], path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 150_000


def test_a_step_on_the_cpu_fails_the_check_of_the_gpu():
    """The message names the device."""
    if training.use_xla():
        pytest.skip("there is a GPU")
    x = np.ones((4, 1), "float32")
    weight = keras.Variable(np.ones((1, 1)), dtype="float32")

    def train(epochs, on_epoch):
        return training.fit(
            lambda x: tf.reduce_mean(tf.square(x @ weight.value)),
            (x,),
            [weight],
            keras.optimizers.SGD(0.1),
            epochs=epochs,
            batch_size=2,
            on_epoch=on_epoch,
        )

    with pytest.raises(ArithmeticError, match="CPU.*, not on a GPU"):
        gpu.check("a neuron", timing.TrainingBenchmark(train, {}))


@pytest.mark.parametrize("number", [float, np.float64])
def test_reached_is_true_false_or_none(number):
    """Python's own bool, for NumPy's numbers, too."""

    def reached(ratio, goal):
        return timing.Row("a", "b", 1.0, 2.0, number(ratio), goal).reached

    assert reached(2.0, 1.5) is True
    assert reached(2.0, 2.5) is False
    assert reached(2.0, None) is None
    assert reached(math.nan, 2.5) is None


def test_a_baseline_with_another_result_is_an_error():
    """Results and losses are compared."""
    benchmark = timing.Benchmark(
        lambda: 1.0, {"other": lambda: 1.1}, timing.largest_difference, 0.05
    )
    with pytest.raises(ArithmeticError, match="of other differ by 1.0e-01"):
        timing.run("sum", benchmark, {}, 1)

    def train(epochs, on_epoch):
        for epoch in range(epochs):
            on_epoch(epoch + 1, 1.0)
        return [1.0] * epochs

    benchmark = timing.TrainingBenchmark(train, {"other": lambda: 2.0})
    with pytest.raises(ArithmeticError, match="losses of ours and of other differ"):
        timing.run("sum", benchmark, {}, 1)


def test_a_ratio_is_the_median_of_the_rounds(monkeypatch):
    """A round in which the machine is ten times slower changes times, not ratios."""
    seconds = {"ours": iter([1.0, 10.0, 2.0]), "other": iter([2.0, 20.0, 6.0])}
    monkeypatch.setattr(timing, "busy_cores", lambda: 0.0)
    monkeypatch.setattr(timing, "repeats", lambda work: 1)
    monkeypatch.setattr(timing, "seconds", lambda work, _: next(seconds[work()]))
    monkeypatch.setattr(timing, "matmul_rate", lambda dtype: 2.0)
    benchmark = timing.Benchmark(
        lambda: "ours",
        {"other": lambda: "other"},
        lambda a, b: 0.0,
        0.0,
        flops=1.0,
    )
    goals = {"other": 2.5, timing.LATENCY: 1.0}
    other, roofline, latency = timing.run("sum", benchmark, goals, 3)
    assert (other.seconds, other.baseline_seconds) == (2.0, 6.0)
    assert (other.ratio, other.reached) == (2.0, False)
    assert (roofline.baseline_seconds, roofline.ratio) == (0.5, 0.25)
    assert (latency.baseline_seconds, latency.ratio) == (1.0, 0.5)


def test_no_ratio_to_pytorch_is_reported_on_a_busy_machine(monkeypatch):
    """Those to other baselines, roofline bound and latency target are."""
    monkeypatch.setattr(timing, "busy_cores", lambda: 0.5)
    monkeypatch.setattr(timing, "SHORTEST", 1e-4)
    same = {"PyTorch": lambda: 0.0, "Keras": lambda: 0.0}
    benchmark = timing.Benchmark(
        lambda: 0.0, same, timing.largest_difference, 0.0, flops=1e6, units=2
    )
    goals = {"PyTorch": 1.0, timing.LATENCY: 3600.0}
    rows = {row.baseline: row for row in timing.run("zero", benchmark, goals, 1)}
    assert set(rows) == {"PyTorch", "Keras", timing.ROOFLINE, timing.LATENCY}
    assert np.isnan(rows["PyTorch"].ratio) and rows["PyTorch"].reached is None
    assert rows["Keras"].ratio > 0 and rows["Keras"].reached is None
    assert rows[timing.LATENCY].reached


def test_flops_do_not_count_products_with_padding():
    """Of the 36 products of a 3 x 3 kernel on a 2 x 2 image, 16 are inside it."""
    x = keras.Input((2, 2, 5))
    model = keras.Model(x, keras.layers.Conv2D(7, 3, padding="same")(x))
    assert networks.flops(model) == pytest.approx(2 * 16 * 5 * 7)
    x = keras.Input((6, 7, 5))
    y = keras.layers.Conv1D(3, 2, strides=2, padding="same")(x[:, 0])
    model = keras.Model(x, keras.layers.Dense(2)(y))
    # The last of the four windows has one position inside the sequence.
    assert networks.flops(model) == pytest.approx(2 * 7 * 5 * 3 + 2 * 4 * 3 * 2)


def test_the_stock_model_has_keras_own_layers():
    """In place of the package's layers, with and without weights."""
    x = keras.Input((6, 3))
    y = layers.Dropout(0.5)(recurrent.GRU(4, return_sequences=True)(x))
    model = keras.Model(x, keras.layers.ReLU()(y))
    stock = networks.stock(model)
    assert [type(layer) for layer in stock.layers[1:]] == [
        keras.layers.GRU,
        keras.layers.Dropout,
        keras.layers.ReLU,
    ]
    x = np.ones((1, 6, 3))
    np.testing.assert_allclose(stock(x), model(x), rtol=1e-5)


def test_folders_for_results_are_created(tmp_path):
    """Before the benchmarks, which take minutes."""
    rows, page = tmp_path / "new/rows.json", tmp_path / "newer/RESULTS.md"
    options = ("--quick", "--json", rows, "--results", page)
    command = [sys.executable, "-m", "benchmarks", "pooling_forward", *options]
    subprocess.run(command, check=True, capture_output=True)
    (row,) = json.loads(rows.read_text("utf-8"))["rows"]
    assert row["name"] == "pooling_forward" and row["baseline"] == "loops"
    assert "| `pooling_forward` | loops |" in page.read_text("utf-8")
