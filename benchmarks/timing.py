"""Contenders at the same work, timed turn about in one process.

A ratio is the median time of a peer over the median time of ours, from rounds in which
each works once (or often enough to last a twentieth of a second). Turn about means that
whatever else the machine does disturbs all of them alike. Before anything is timed
the results are compared, so that nobody wins by doing less.
"""

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
    latency are the limit instead.
    """

    ours: Callable[[], Any]
    peers: dict[str, Callable[[], Any]]
    apart: Callable[[Any, Any], float]
    tolerance: float
    share: dict[str, float] = {}
    work: float = 0.0
    dtype: str = "float32"


class Training(NamedTuple):
    """The same network and data, an epoch at a time.

    `learn(epochs, on_epoch)` is our training, which tells when an epoch has ended;
    each peer trains for one epoch when it is called. All return losses.
    """

    learn: Callable[[int, Callable[[int, float], None]], list[float]]
    peers: dict[str, Callable[[], float]]


class Row(NamedTuple):
    """How ours fared against one peer."""

    name: str
    peer: str
    ours: float  # seconds
    theirs: float  # seconds, for all of the work
    ratio: float  # theirs / ours
    goal: float | None  # the ratio to reach
    apart: float  # between the results
    over_limit: float | None  # ours / (work / rate of the machine)


def race(name, contest: Contest | Training, goals: dict[str, float], rounds: int):
    """The rows of a contest, one for each peer."""
    run = _train_turn_about if isinstance(contest, Training) else _work_turn_about
    return run(name, contest, goals, rounds)


def _work_turn_about(name, contest, goals, rounds):
    """The rows of a contest.

    Raises:
        ArithmeticError: if a peer's result is another one than ours.
    """
    contenders = {"ours": contest.ours, **contest.peers}
    results = {who: work() for who, work in contenders.items()}  # warms up, too
    apart = {who: contest.apart(results["ours"], results[who]) for who in contest.peers}
    for peer, distance in apart.items():
        if not distance <= contest.tolerance:
            raise ArithmeticError(
                f"{name}: ours and {peer} are {distance:.1e} apart, expected at most "
                f"{contest.tolerance:.0e}. They do not do the same."
            )
    often = {who: _repeats(work) for who, work in contenders.items()}
    times = {who: [] for who in contenders}
    for turn in range(rounds):
        order = list(contenders) if turn % 2 else list(contenders)[::-1]
        for who in order:
            times[who].append(_seconds(contenders[who], often[who]))
    medians = {who: statistics.median(values) for who, values in times.items()}
    ours = medians["ours"]
    limit = contest.work / rate(contest.dtype) if contest.work else None
    return [
        Row(
            *(name, peer, ours, medians[peer] / contest.share.get(peer, 1.0)),
            medians[peer] / contest.share.get(peer, 1.0) / ours,
            goals.get(peer),
            apart[peer],
            ours / limit if limit else None,
        )
        for peer in contest.peers
    ]


def _train_turn_about(name, contest, goals, rounds):
    """The rows of a training: while ours rests between two epochs, the peers train.

    Raises:
        ArithmeticError: if a peer's mean loss is more than half of ours away.
    """
    ours, theirs = [], {peer: [] for peer in contest.peers}
    losses = {peer: [] for peer in contest.peers}
    mark = time.perf_counter()

    def on_epoch(epoch, loss):
        nonlocal mark
        ours.append(time.perf_counter() - mark)
        for peer, train in contest.peers.items():
            start = time.perf_counter()
            losses[peer].append(train())
            theirs[peer].append(time.perf_counter() - start)
        mark = time.perf_counter()

    learnt = contest.learn(rounds + 1, on_epoch)  # the first epoch traces
    seconds = statistics.median(ours[1:])
    rows = []
    for peer, times in theirs.items():
        apart = abs(np.mean(losses[peer]) / np.mean(learnt) - 1)
        if not apart <= 0.5:  # they meet the examples in another order
            raise ArithmeticError(
                f"{name}: the mean losses of ours and {peer} are "
                f"{np.mean(learnt):.3g} and {np.mean(losses[peer]):.3g}. "
                "They do not learn the same."
            )
        median = statistics.median(times[1:])
        rows.append(
            Row(
                name,
                peer,
                seconds,
                median,
                median / seconds,
                goals.get(peer),
                apart,
                None,
            )
        )
    return rows


def _seconds(work, repeats):
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def _repeats(work):
    """How often `work` is done in one timing."""
    return max(1, round(SHORTEST / max(_seconds(work, 1), 1e-7)))


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


def rate(dtype: str, n: int = 2048) -> float:
    """Floating point operations a second of the best of five n x n matrix products."""
    a = np.random.default_rng(0).random((n, n)).astype(dtype)
    return 2 * n**3 / min(_seconds(lambda: a @ a, 1) for _ in range(5))


def others(seconds: float = 1.0) -> float:
    """How many cores other programs use while we sleep; nan where nobody tells."""
    try:
        before = _busy()
        time.sleep(seconds)
        return (_busy() - before) / os.sysconf("SC_CLK_TCK") / seconds
    except OSError:
        return float("nan")


def _busy():
    """Ticks that all cores together have worked since the machine started."""
    user, nice, system, _, _, irq, softirq, *_ = map(
        int, Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    )
    return user + nice + system + irq + softirq


def machine() -> str:
    """Cores, instruction sets and versions in one line."""
    from importlib.metadata import version

    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        flags = set()
    units = [unit for unit in ("avx2", "avx512f", "amx_tile") if unit in flags]
    packages = [f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy")]
    return ", ".join(
        [
            f"{os.cpu_count()} cores of {platform.machine()} {' '.join(units)}".strip(),
            f"Python {platform.python_version()}",
            *packages,
        ]
    )
