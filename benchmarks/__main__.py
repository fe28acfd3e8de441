"""`python -m benchmarks [NAME...] [--quick] [--device gpu] [--results FILE.md]`."""

import datetime
import json
import math
import os
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks import (  # noqa: E402  TensorFlow reads the line above
    gpu,
    growth,
    memory,
    mirror,
    networks,
    sequences,
    start,
    steps,
    timing,
)

ON_GPU = networks.WORKLOADS | sequences.WORKLOADS
WORKLOADS = {
    work.__name__: (work, goals)
    for works in (steps.WORKLOADS, ON_GPU, start.WORKLOADS)
    for work, goals in works.items()
}
PAGES = ("memory", "growth")  # without baselines, so they have no rows


@click.command()
@click.argument(
    "names", nargs=-1, metavar="[NAME...]", type=click.Choice([*WORKLOADS, *PAGES])
)
@click.option("--quick", is_flag=True, help="Small sizes, one round: a smoke test.")
@click.option("--rounds", default=5, show_default=True, help="Timings of each.")
@click.option("--device", default="cpu", type=click.Choice(["cpu", "gpu"]))
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the rows.")
@click.option("--results", type=click.Path(path_type=Path), help="Write RESULTS.md.")
def main(names, quick, rounds, device, path, results):
    """Time the fast forms against baselines; by default all workloads."""
    if device == "gpu":
        from dls_keras.core import training  # lazy: importing TensorFlow is timed, too

        if not training.use_xla():
            print("TensorFlow finds no GPU on this machine, so nothing is timed.")
            return
    names = names or (*WORKLOADS, *PAGES)
    for file in filter(None, (path, results)):  # fail now, not after the benchmarks
        file.parent.mkdir(parents=True, exist_ok=True)
    busy = timing.busy_cores()
    print(f"{timing.machine()}; other programs use {busy:.1f} cores")
    if not mirror.available():
        print("PyTorch is not installed (extra `bench`), so its rows are left out.")
    rows = []
    for name in names:
        if name in WORKLOADS:
            found = run(name, quick, 1 if quick else rounds, device)
            rows += found
            for row in found:
                print(summary(row), flush=True)
    Console().print(table(rows, quick))
    pages = {}
    if device == "cpu" and "memory" in names:
        pages["Memory"] = memory.table(memory.measure(quick))
    if device == "cpu" and "growth" in names:
        curves = growth.measure(quick)
        pages["How cost grows"] = growth.table(curves)
        if results:
            growth.picture(curves, results.with_name("growth.png"))
            pages["How cost grows"] += ["", "![Time and memory by size](growth.png)"]
    for title, lines in pages.items():
        print("", title, *lines, sep="\n")
    if path:
        facts = {"machine": timing.machine(), "busy_cores": busy, "quick": quick}
        facts["rows"] = [row._asdict() for row in rows]
        path.write_text(json.dumps(facts, indent=1), "utf-8")
    if results:
        results.write_text(page(rows, busy, pages), "utf-8")


def run(name: str, quick: bool, rounds: int, device: str) -> list[timing.Row]:
    """The rows of a workload; on a GPU its step is checked, and TF32 timed, too."""
    work, goals = WORKLOADS[name]
    benchmark = work(quick) if device == "cpu" or work in ON_GPU else None
    if benchmark is None:
        print(f"{name}: skipped, its files are missing or it does not run on a GPU")
        return []
    if device == "cpu":
        return timing.run(name, benchmark, goals, rounds)
    mirror.DEVICE = "cuda"
    if isinstance(benchmark, timing.TrainingBenchmark):
        print(gpu.check(name, work(quick)))
    rows = []
    for what, allowed in ((name, False), (f"{name}, TF32", True)):
        with gpu.tensor_float_32(allowed):
            # Goals and roofline bound are those of two CPU cores.
            rows += timing.run(what, work(quick)._replace(flops=0.0), {}, rounds)
    return rows


def summary(row: timing.Row) -> str:
    """One line, printed as soon as a row is measured."""
    if math.isnan(row.ratio):
        return f"{row.name}: no ratio to {row.baseline}, other programs are running"
    if row.baseline in (timing.ROOFLINE, timing.LATENCY):
        return f"{row.name}: {1 / row.ratio:.3g} times the {row.baseline}"
    return f"{row.name}: {row.ratio:.3g} times as fast as {row.baseline}"


HEADER = ("workload", "baseline", "ours, ms", "baseline, ms", "ratio", "goal")


def cells(row: timing.Row) -> tuple[str, ...]:
    """A row under `HEADER`."""
    if math.isnan(row.ratio):
        milliseconds, ratio = "", "too busy"
    else:
        milliseconds, ratio = f"{1000 * row.baseline_seconds:.4g}", f"{row.ratio:.3g}"
    goal = "" if row.goal is None else f"{row.goal:.3g}"
    ours = f"{1000 * row.seconds:.4g}"
    return row.name, row.baseline, ours, milliseconds, ratio, goal


def table(rows: list[timing.Row], quick: bool) -> Table:
    """All rows, coloured by their goals; a quick run says nothing about those."""
    colours = {None: "", True: "green", False: "red"}
    result = Table(*HEADER)
    for row in rows:
        result.add_row(*cells(row), style=colours[None if quick else row.reached])
    return result


def page(rows: list[timing.Row], busy: float, pages: dict[str, list[str]]) -> str:
    """RESULTS.md: the rows, and what each workload is."""
    lines = [
        "# Results",
        "",
        f"{datetime.date.today()}, {timing.machine()}; other programs used {busy:.1f} "
        "cores. Implementations are timed in turn. Times are medians of the rounds, "
        "and so is the ratio, the time of the baseline divided by ours. Missed goals "
        "are bold. The roofline bound is the time of the floating-point operations "
        "that cannot be avoided, at the rate of a large matrix product. The latency "
        "target is a time to stay below.",
        "",
        *("| " + " | ".join(line) + " |" for line in (HEADER, ["---"] * len(HEADER))),
    ]
    for row in rows:
        name, baseline, ours, milliseconds, ratio, goal = cells(row)
        if row.reached is False:
            ratio = f"**{ratio}**"
        line = (f"`{name}`", baseline, ours, milliseconds, ratio, goal)
        lines.append("| " + " | ".join(line) + " |")
    names = dict.fromkeys(row.name.split(",")[0] for row in rows)
    lines += ["", *(f"- `{name}`: {WORKLOADS[name][0].__doc__}" for name in names), ""]
    for title, more in pages.items():
        lines += [f"## {title}", "", *more, ""]
    return "\n".join(lines)


main()
