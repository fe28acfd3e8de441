"""What `benchmarks` measures in processes of its own, and how it shows that."""

import math
import sys

import pytest

from benchmarks import growth, memory

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
