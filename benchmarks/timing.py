"""Benchmarks: our implementation and baselines, timed in turn in one process.

In each round every implementation runs once, or often enough to last a twentieth of a
second, after a warm-up run that is not timed. A ratio is the median over the rounds of
a baseline's time divided by ours, so a machine that is slow for a while affects both.
Before anything is timed the results are compared, so that no implementation is faster
because it computes less.

Two baselines compute nothing. The roofline bound is the time of the floating-point
operations that no implementation can avoid, at the rate of the best of a few large
matrix products, which are timed in each round, too. The latency target is a time to
stay below.
"""

import contextlib
import math
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

SHORTEST = 0.05  # seconds that a timing lasts at least
QUIET = 0.3  # cores; if other programs use more, no ratio to PyTorch is reported
ROOFLINE, LATENCY = "roofline bound", "latency target"


class Benchmark(NamedTuple):
    """One computation, our implementation of it and baselines.

    Attributes:
        ours: computes it and returns the result.
        baselines: other implementations by name.
        difference: a function of two results.
        tolerance: the largest difference to ours, of all baselines or of each.
        fraction: of the computation that one call of a baseline does; default: 1.
        flops: floating-point operations that cannot be avoided, in `dtype`; 0 if
            memory traffic or latency limits the speed instead.
        units: by which all times are divided: the examples of a call.
    """

    ours: Callable[[], Any]
    baselines: dict[str, Callable[[], Any]]
    difference: Callable[[Any, Any], float]
    tolerance: float | dict[str, float]
    fraction: dict[str, float] = {}
    flops: float = 0.0
    dtype: str = "float32"
    units: int = 1


class TrainingBenchmark(NamedTuple):
    """Training of one network on the same data, timed epoch by epoch.

    Attributes:
        train: our training, a function of the number of epochs and `on_epoch`, which
            it calls after each epoch; returns the losses.
        baselines: each call trains for one epoch, from our initial weights and on the
            same examples, and returns the loss.
        tolerance: the largest relative difference of the loss to ours.
        whole_curve: whether the losses of all epochs are compared, or only those of
            the first. An epoch of one batch has only one order of examples; with
            several batches the orders differ. (Keras's `fit` has the same order in
            each call, so it fits random labels faster.)
        flops: as in `Benchmark`, of an epoch.
        units: the steps of an epoch, if a row is about one step.
    """

    train: Callable[[int, Callable[[int, float], None]], list[float]]
    baselines: dict[str, Callable[[], float]]
    tolerance: float = 0.1
    whole_curve: bool = False
    flops: float = 0.0
    dtype: str = "float32"
    units: int = 1


class Row(NamedTuple):
    """Our time compared with one baseline; NaN where a number is not reported."""

    name: str
    baseline: str
    seconds: float  # ours, the median of the rounds
    baseline_seconds: float
    ratio: float  # baseline's time / ours, the median of the rounds
    goal: float | None  # the ratio to reach
    difference: float = 0.0  # of the results

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None without a goal, or without a ratio."""
        known = self.goal is not None and not math.isnan(self.ratio)
        return bool(self.ratio >= self.goal) if known else None


def run(
    name: str,
    benchmark: Benchmark | TrainingBenchmark,
    goals: dict[str, float],
    rounds: int,
) -> list[Row]:
    """One row per baseline.

    Args:
        goals: the ratio to reach for each baseline; for `LATENCY` the seconds to stay
            below.

    Raises:
        ArithmeticError: if a baseline's result differs from ours.
    """
    training = isinstance(benchmark, TrainingBenchmark)
    measure = _time_training if training else _time_calls
    before = busy_cores()
    times, differences = measure(name, benchmark, rounds)
    busy = max(before, busy_cores())
    if LATENCY in goals:
        times[LATENCY] = [goals[LATENCY] * benchmark.units] * rounds
    ours = times.pop("ours")
    rows = []
    for baseline, others in times.items():
        medians = [statistics.median(t) / benchmark.units for t in (ours, others)]
        ratio = statistics.median(t / o for t, o in zip(others, ours, strict=True))
        if baseline.startswith("PyTorch") and busy > QUIET:
            ratio = math.nan  # its threads wait for each other, so it loses most
        goal = 1.0 if baseline == LATENCY else goals.get(baseline)
        difference = differences.get(baseline, 0.0)
        rows.append(Row(name, baseline, *medians, ratio, goal, difference))
    return rows


def _time_calls(name, benchmark, rounds):
    """Seconds of each implementation by round, and differences of the results."""
    works = {"ours": benchmark.ours, **benchmark.baselines}
    results = {who: work() for who, work in works.items()}  # a warm-up, too
    differences = {
        baseline: float(benchmark.difference(results["ours"], results[baseline]))
        for baseline in benchmark.baselines
    }
    for baseline, difference in differences.items():
        tolerance = benchmark.tolerance
        if isinstance(tolerance, dict):
            tolerance = tolerance[baseline]
        if not difference <= tolerance:
            raise ArithmeticError(
                f"{name}: the results of ours and of {baseline} differ by "
                f"{difference:.1e}, expected at most {tolerance:.0e}."
            )
    counts = {who: repeats(work) for who, work in works.items()}
    times = {who: [] for who in works}
    for turn in range(rounds):
        order = list(works) if turn % 2 else list(works)[::-1]
        for who in order:
            if counts[who] > 1:  # the others' turns have evicted its data from caches
                works[who]()
            each = seconds(works[who], counts[who])
            times[who].append(each / benchmark.fraction.get(who, 1.0))
        _add_roofline(times, benchmark)
    return times, differences


def _time_training(name, benchmark, rounds):
    """The same for epochs: the baselines train between two epochs of ours."""
    times = {who: [] for who in ("ours", *benchmark.baselines)}
    losses = {baseline: [] for baseline in benchmark.baselines}
    mark = time.perf_counter()

    def on_epoch(epoch, loss):
        nonlocal mark
        times["ours"].append(time.perf_counter() - mark)
        for baseline, train in benchmark.baselines.items():
            start = time.perf_counter()
            losses[baseline].append(train())
            times[baseline].append(time.perf_counter() - start)
        _add_roofline(times, benchmark)
        mark = time.perf_counter()

    ours = benchmark.train(rounds + 1, on_epoch)  # the first epoch traces
    differences = {}
    for baseline, others in losses.items():
        count = len(ours) if benchmark.whole_curve else 1
        relative = np.abs(np.divide(others, ours)[:count] - 1)
        differences[baseline] = float(np.max(relative))
        if not differences[baseline] <= benchmark.tolerance:
            curves = [", ".join(f"{loss:.4g}" for loss in c) for c in (ours, others)]
            raise ArithmeticError(
                f"{name}: the losses of ours and of {baseline} differ. By epoch they "
                f"are {curves[0]} and {curves[1]}."
            )
    return {who: t[1:] for who, t in times.items()}, differences


def _add_roofline(times, benchmark):
    """The time of the FLOPs at the present rate of the processor."""
    if benchmark.flops:
        bound = benchmark.flops / matmul_rate(benchmark.dtype)
        times.setdefault(ROOFLINE, []).append(bound)


def seconds(work: Callable[[], Any], repeats: int = 1) -> float:
    """The time of one call of `work`, the mean of some."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def repeats(work: Callable[[], Any]) -> int:
    """How many calls of `work` last `SHORTEST`."""
    each = seconds(work)
    if each < SHORTEST:  # again, now that caches are warm
        each = seconds(work)
    return max(1, round(SHORTEST / max(each, 1e-7)))


def largest_difference(a: Any, b: Any) -> float:
    """The largest absolute difference of two arrays, or lists of arrays."""
    if isinstance(a, list | tuple):
        return max(largest_difference(x, y) for x, y in zip(a, b, strict=True))
    return float(np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0.0))


def relative_difference(a: Any, b: Any) -> float:
    """The largest difference, divided by the largest absolute number in `a`."""
    parts = a if isinstance(a, list | tuple) else [a]
    return largest_difference(a, b) / max(np.max(np.abs(part)) for part in parts)


# The machine.


def matmul_rate(dtype: str) -> float:
    """Floating-point operations per second of the best of five matrix products."""
    n = 2048
    a = np.random.default_rng(0).random((n, n)).astype("float32")
    if dtype == "bfloat16":  # which NumPy does not have
        import tensorflow as tf

        a = tf.cast(a, tf.bfloat16)
    else:
        a = a.astype(dtype)
    return 2 * n**3 / min(seconds(lambda: np.asarray((a @ a)[0])) for _ in range(5))


def busy_cores(interval: float = 1.0) -> float:
    """How many cores other programs use during `interval` seconds; NaN if unknown."""
    try:
        before, own = _busy_ticks(), time.process_time()
        time.sleep(interval)
        ticks = _busy_ticks() - before
    except OSError:
        return float("nan")
    own = time.process_time() - own  # a library's threads may spin while they wait
    return max(0.0, ticks / os.sysconf("SC_CLK_TCK") - own) / interval


def _busy_ticks():
    """The clock ticks that all cores have worked since the machine was started."""
    user, nice, system, _, _, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return user + nice + system + irq + softirq


def machine() -> str:
    """Cores, instruction sets and versions in one line."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    known = ("avx2", "avx512f", "avx512_bf16", "amx_tile")
    units = [unit for unit in known if unit in flags]
    packages = []
    for name in ("tensorflow", "keras", "numpy", "torch"):
        with contextlib.suppress(PackageNotFoundError):  # torch is an extra
            packages.append(f"{name} {version(name)}")
    with contextlib.suppress(OSError):
        packages.append(f"load average {os.getloadavg()[0]:.2f}")
    cores = f"{os.cpu_count()} cores of {platform.machine()} {' '.join(units)}"
    return ", ".join([cores.strip(), f"Python {platform.python_version()}", *packages])
