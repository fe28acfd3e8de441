"""How `benchmarks` compares, measures and shows."""

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


def test_a_child_answers_what_the_function_returns():
    """Of any module; where it fails, its own words are told."""
    assert memory.in_child(math.hypot, 3, 4) == 5.0
    with pytest.raises(RuntimeError, match="math domain error"):
        memory.in_child(math.sqrt, -1)


@linux
def test_the_growth_is_the_most_there_was():
    """What is freed by the end counts; what was there before does not."""
    before = bytearray(b"x" * 40_000_000)

    def work():
        return len(bytearray(b"x") * 30_000_000)

    result, megabytes = memory.growth(work)
    assert (result, len(before)) == (30_000_000, 40_000_000)
    assert 29 < megabytes < 35


@linux
def test_a_check_is_more_than_one_process():
    """An import of NumPy alone takes 20 MB, and two files are checked."""
    assert memory._check(2) > 40


@linux
def test_words_take_more_memory_than_their_vectors():
    """But not twice as much."""
    assert 1 < memory.word_vectors(quick=True).ratio < 2


def test_a_missed_promise_is_bold():
    """A row of markdown each."""
    rows = [memory.Memory("a", 12.0, 10.0, 1.3), memory.Memory("b", 15.0, 10.0, 1.3)]
    assert [row.reached for row in rows] == [True, False]
    assert memory.table(rows)[2:] == [
        "| a | 12.0 | 10.0 | 1.200 | 1.30 |",
        "| b | 15.0 | 10.0 | **1.500** | 1.30 |",
    ]


@linux
def test_a_point_has_a_time_and_a_memory():
    """The shortest work of all."""
    seconds, megabytes = growth.point("boxes", 10, quick=True)
    assert 0 < seconds < 1
    assert 0 <= megabytes < 100


def test_the_exponent_is_that_of_the_larger_half():
    """Squares are 2; fixed costs of small sizes do not count, nor does a zero."""
    sizes = [1, 10, 100, 1000]
    assert growth.exponent(sizes, [n**2 for n in sizes]) == pytest.approx(2)
    assert growth.exponent(sizes, [100, 100, 100, 1000]) == pytest.approx(1)
    assert growth.exponent([1, 2], [1.0, 0.5]) == pytest.approx(-1)
    assert math.isnan(growth.exponent([1, 2], [0.0, 0.5]))


def test_a_row_says_how_costs_grow():
    """From the smallest size to the largest, in units that suit."""
    assert growth.table(CURVES)[2:] == [
        "| One | 1 to 64 dots | 10 µs to 10 ms | size^2.5 | 0 kB to 2 GB | size^3.9 |",
        "| Two | 1 to 2 cores | 1 s to 500 ms | size^-1.0 | 1 MB | size^0.0 |",
        "| Three | 1,000 words | 250 ms |  | 0 kB |  |",
    ]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_the_picture_is_a_small_png(tmp_path, n):
    """Whatever the number of its panels."""
    path = tmp_path / "growth.png"
    growth.picture(CURVES[:n], path)
    content = path.read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < 150_000


def test_a_step_that_stands_on_the_cpu_is_no_step_on_a_gpu():
    """The check trains, finds its step and says where its loss came from."""
    if training.use_xla():
        pytest.skip("there is a GPU")
    x = np.ones((4, 1), "float32")
    weight = keras.Variable(np.ones((1, 1)), dtype="float32")

    def learn(epochs, on_epoch):
        return training.fit(
            lambda x: tf.reduce_mean(tf.square(x @ weight.value)),
            (x,),
            [weight],
            keras.optimizers.SGD(0.1),
            epochs=epochs,
            batch_size=2,
            on_epoch=on_epoch,
        )

    with pytest.raises(ArithmeticError, match="CPU.*, not from a GPU"):
        gpu.check("a neuron", timing.Training(learn, {}))


@pytest.mark.parametrize("number", [float, np.float64])
def test_a_goal_is_reached_or_missed_or_there_is_none(number):
    """Answered in Python's words, so that a missed one is bold."""

    def reached(ratio, goal):
        return timing.Row("a", "limit", 1.0, 2.0, number(ratio), goal).reached

    assert reached(2.0, 1.5) is True
    assert reached(2.0, 2.5) is False
    assert reached(2.0, None) is None
    assert reached(math.nan, 2.5) is None


def test_peers_that_do_something_else_are_found_out():
    """Results and losses are compared before anybody is timed."""
    contest = timing.Contest(lambda: 1.0, {"peer": lambda: 1.1}, timing.largest, 0.05)
    with pytest.raises(ArithmeticError, match="1.0e-01 apart"):
        timing.race("sum", contest, {}, 1)

    def learn(epochs, on_epoch):
        for epoch in range(epochs):
            on_epoch(epoch + 1, 1.0)
        return [1.0] * epochs

    lazy = timing.Training(learn, {"peer": lambda: 2.0})
    with pytest.raises(ArithmeticError, match="do not learn the same"):
        timing.race("sum", lazy, {}, 1)


def test_a_ratio_is_the_median_of_the_rounds(monkeypatch):
    """A machine that is ten times as slow for a round changes times, not ratios."""
    seconds = {"ours": iter([1.0, 10.0, 2.0]), "peer": iter([2.0, 20.0, 6.0])}
    monkeypatch.setattr(timing, "others", lambda: 0.0)
    monkeypatch.setattr(timing, "_repeats", lambda work: 1)
    monkeypatch.setattr(timing, "_seconds", lambda work, _: next(seconds[work()]))
    monkeypatch.setattr(timing, "rate", lambda dtype: 2.0)
    contest = timing.Contest(
        lambda: "ours",
        {"peer": lambda: "peer"},
        lambda ours, theirs: 0.0,
        0.0,
        work=1.0,
    )
    peer, limit, clock = timing.race("sum", contest, {"peer": 2.5, "clock": 1.0}, 3)
    assert (peer.ours, peer.theirs, peer.ratio, peer.reached) == (2.0, 6.0, 2.0, False)
    assert (limit.theirs, limit.ratio) == (0.5, 0.25)
    assert (clock.theirs, clock.ratio) == (1.0, 0.5)


def test_no_ratio_to_pytorch_is_told_on_a_busy_machine(monkeypatch):
    """The other peers', the limit's and the clock's still are."""
    monkeypatch.setattr(timing, "others", lambda: 0.5)
    monkeypatch.setattr(timing, "SHORTEST", 1e-4)
    same = {"PyTorch": lambda: 0.0, "Keras": lambda: 0.0}
    contest = timing.Contest(lambda: 0.0, same, timing.largest, 0.0, work=1e6, of=2)
    goals = {"PyTorch": 1.0, "clock": 3600.0}
    rows = {row.peer: row for row in timing.race("zero", contest, goals, 1)}
    assert set(rows) == {"PyTorch", "Keras", "limit", "clock"}
    assert np.isnan(rows["PyTorch"].ratio) and rows["PyTorch"].reached is None
    assert rows["Keras"].ratio > 0 and rows["Keras"].reached is None
    assert rows["clock"].reached


def test_the_limit_leaves_out_the_zeros_beside_a_picture():
    """Of 3 x 3 taps on 2 x 2 places, 16 of 36 meet a place."""
    x = keras.Input((2, 2, 5))
    model = keras.Model(x, keras.layers.Conv2D(7, 3, padding="same")(x))
    assert networks.operations(model) == pytest.approx(2 * 16 * 5 * 7)
    x = keras.Input((6, 7, 5))
    y = keras.layers.Conv1D(3, 2, strides=2, padding="same")(x[:, 0])
    model = keras.Model(x, keras.layers.Dense(2)(y))
    # The last of four pairs has one place in it.
    assert networks.operations(model) == pytest.approx(2 * 7 * 5 * 3 + 2 * 4 * 3 * 2)


def test_keras_trains_with_its_own_layers():
    """Those of ours that it has, too, whether or not they learn."""
    x = keras.Input((6, 3))
    y = layers.Dropout(0.5)(recurrent.GRU(4, return_sequences=True)(x))
    ours = keras.Model(x, keras.layers.ReLU()(y))
    theirs = networks.stock(ours)
    assert [type(layer) for layer in theirs.layers[1:]] == [
        keras.layers.GRU,
        keras.layers.Dropout,
        keras.layers.ReLU,
    ]
    np.testing.assert_allclose(
        theirs(np.ones((1, 6, 3))), ours(np.ones((1, 6, 3))), rtol=1e-5
    )


def test_results_go_into_a_folder_that_is_not_there_yet(tmp_path):
    """It is made before the work, which takes minutes."""
    rows, page = tmp_path / "new/rows.json", tmp_path / "newer/RESULTS.md"
    options = ("--quick", "--json", rows, "--results", page)
    command = [sys.executable, "-m", "benchmarks", "pooling_forward", *options]
    subprocess.run(command, check=True, capture_output=True)
    (row,) = json.loads(rows.read_text("utf-8"))["rows"]
    assert row["name"] == "pooling_forward" and row["peer"] == "loops"
    assert "| `pooling_forward` | loops |" in page.read_text("utf-8")
