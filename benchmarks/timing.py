"""Contenders at the same work, timed turn about in one process.

In each round everybody works once, or often enough to last a twentieth of a second,
behind a first time that does not count. A ratio is the median of the rounds' ratios of
a peer's time to ours, so what slows the machine for a while disturbs both. Before
anything is timed the results are compared, so that nobody wins by doing less.

Two peers never do the work. "limit" is what the operations that cannot be saved would
take at the rate of the best of a few large matrix products, which take their turn, too;
"clock" is a time to stay below.
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
QUIET = 0.3  # cores; where others use more, no ratio to PyTorch is reported


class Contest(NamedTuple):
    """One piece of work and who does it.

    `apart` says how far two results are from each other, and `tolerance` how far they
    may be. A peer in `share` does only that part of the work in a call. `work` counts
    the floating point operations that cannot be saved, in `dtype`; 0 where bytes or
    latency are the limit instead. `of` divides all times: the examples of a call.
    """

    ours: Callable[[], Any]
    peers: dict[str, Callable[[], Any]]
    apart: Callable[[Any, Any], float]
    tolerance: float | dict[str, float]
    share: dict[str, float] = {}
    work: float = 0.0
    dtype: str = "float32"
    of: int = 1


class Training(NamedTuple):
    """The same network and data, an epoch at a time.

    `learn(epochs, on_epoch)` is our training, which tells when an epoch has ended; each
    peer trains for one epoch when it is called, from our weights and on the same
    examples. All return losses, which may be `tolerance` of ours apart: the mean of the
    first epoch, or the `whole` curve where an epoch is one batch, so that all have one
    order. (Keras's `fit` shuffles alike in each call, so it learns noise sooner.)
    `work` counts the operations of an epoch, and `of` its steps where a row is about
    one step.
    """

    learn: Callable[[int, Callable[[int, float], None]], list[float]]
    peers: dict[str, Callable[[], float]]
    tolerance: float = 0.1
    whole: bool = False
    work: float = 0.0
    dtype: str = "float32"
    of: int = 1


class Row(NamedTuple):
    """How ours fared against one peer; times and ratio are nan where not reported."""

    name: str
    peer: str
    ours: float  # seconds, the median of the rounds
    theirs: float
    ratio: float  # how many times as long the peer takes, the median of the rounds
    goal: float | None  # the ratio to reach
    apart: float = 0.0  # between the results

    @property
    def reached(self) -> bool | None:
        """Whether the goal is reached; None where there is none, or no ratio."""
        known = self.goal is not None and not math.isnan(self.ratio)
        return bool(self.ratio >= self.goal) if known else None


def race(name, contest: Contest | Training, goals: dict[str, float], rounds: int):
    """The rows of a contest, one for each peer.

    Args:
        goals: the ratio to reach for each peer; for "clock" the seconds to stay below.

    Raises:
        ArithmeticError: if a peer's result is another one than ours.
    """
    run = _train_turn_about if isinstance(contest, Training) else _work_turn_about
    before = others()
    times, apart = run(name, contest, rounds)
    busy = max(before, others())
    if "clock" in goals:
        times["clock"] = [goals["clock"] * contest.of] * rounds
    ours = times.pop("ours")
    rows = []
    for peer, theirs in times.items():
        seconds = [statistics.median(t) / contest.of for t in (ours, theirs)]
        ratio = statistics.median(t / o for t, o in zip(theirs, ours, strict=True))
        if peer.startswith("PyTorch") and busy > QUIET:
            ratio = math.nan  # its threads wait for each other, so it loses most
        goal = 1.0 if peer == "clock" else goals.get(peer)
        rows.append(Row(name, peer, *seconds, ratio, goal, apart.get(peer, 0.0)))
    return rows


def _work_turn_about(name, contest, rounds):
    """Each contender's seconds by round, and how far peers' results are away."""
    contenders = {"ours": contest.ours, **contest.peers}
    results = {who: work() for who, work in contenders.items()}  # warms up, too
    apart = {
        who: float(contest.apart(results["ours"], results[who]))
        for who in contest.peers
    }
    for peer, distance in apart.items():
        tolerance = contest.tolerance
        if isinstance(tolerance, dict):
            tolerance = tolerance[peer]
        if not distance <= tolerance:
            raise ArithmeticError(
                f"{name}: ours and {peer} are {distance:.1e} apart, expected at most "
                f"{tolerance:.0e}. They do not do the same."
            )
    often = {who: _repeats(work) for who, work in contenders.items()}
    times = {who: [] for who in contenders}
    for turn in range(rounds):
        order = list(contenders) if turn % 2 else list(contenders)[::-1]
        for who in order:
            if often[who] > 1:  # others' turns have left its memory cold
                contenders[who]()
            seconds = _seconds(contenders[who], often[who])
            times[who].append(seconds / contest.share.get(who, 1.0))
        _add_limit(times, contest)
    return times, apart


def _train_turn_about(name, contest, rounds):
    """The same for epochs: while ours rests between two of them, the peers train."""
    times = {who: [] for who in ("ours", *contest.peers)}
    losses = {peer: [] for peer in contest.peers}
    mark = time.perf_counter()

    def on_epoch(epoch, loss):
        nonlocal mark
        times["ours"].append(time.perf_counter() - mark)
        for peer, train in contest.peers.items():
            start = time.perf_counter()
            losses[peer].append(train())
            times[peer].append(time.perf_counter() - start)
        _add_limit(times, contest)
        mark = time.perf_counter()

    learnt = contest.learn(rounds + 1, on_epoch)  # the first epoch traces
    apart = {}
    for peer, theirs in losses.items():
        few = len(learnt) if contest.whole else 1
        apart[peer] = float(np.max(np.abs(np.divide(theirs, learnt)[:few] - 1)))
        if not apart[peer] <= contest.tolerance:
            curves = [", ".join(f"{loss:.4g}" for loss in c) for c in (learnt, theirs)]
            raise ArithmeticError(
                f"{name}: ours and {peer} do not learn the same. The losses of the "
                f"epochs are {curves[0]} and {curves[1]}."
            )
    return {who: t[1:] for who, t in times.items()}, apart


def _add_limit(times, contest):
    """What the work would take at the rate of the processor just now."""
    if contest.work:
        times.setdefault("limit", []).append(contest.work / rate(contest.dtype))


def _seconds(work, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def _repeats(work):
    """How often `work` is done in one timing."""
    seconds = _seconds(work, 1)
    if seconds < SHORTEST:  # once more, now warm
        seconds = _seconds(work, 1)
    return max(1, round(SHORTEST / max(seconds, 1e-7)))


def largest(a, b) -> float:
    """The largest absolute difference between two arrays, or lists of arrays."""
    if isinstance(a, list | tuple):
        return max(largest(x, y) for x, y in zip(a, b, strict=True))
    return float(np.max(np.abs(np.asarray(a) - np.asarray(b)), initial=0.0))


def relative(a, b) -> float:
    """The same over the largest number in `a`."""
    parts = a if isinstance(a, list | tuple) else [a]
    return largest(a, b) / max(np.max(np.abs(part)) for part in parts)


# The machine.


def rate(dtype: str) -> float:
    """Floating point operations a second of the best of five matrix products."""
    n = 2048
    a = np.random.default_rng(0).random((n, n)).astype("float32")
    if dtype == "bfloat16":  # not NumPy's
        import tensorflow as tf

        a = tf.cast(a, tf.bfloat16)
    else:
        a = a.astype(dtype)
    return 2 * n**3 / min(_seconds(lambda: np.asarray((a @ a)[0]), 1) for _ in range(5))


def others(seconds: float = 1.0) -> float:
    """How many cores other programs use while we sleep; nan where nobody tells."""
    try:
        before, ours = _busy(), time.process_time()
        time.sleep(seconds)
        ticks = _busy() - before
    except OSError:
        return float("nan")
    ours = time.process_time() - ours  # threads of a library that wait for more work
    return max(0.0, ticks / os.sysconf("SC_CLK_TCK") - ours) / seconds


def _busy():
    """Ticks that all cores together have worked since the machine started."""
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
    return ", ".join(
        [
            f"{os.cpu_count()} cores of {platform.machine()} {' '.join(units)}".strip(),
            f"Python {platform.python_version()}",
            *packages,
        ]
    )
