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
PAGES = ("memory", "growth")  # not timed side by side, so they have no rows


@click.command()
@click.argument(
    "names", nargs=-1, metavar="[NAME...]", type=click.Choice([*WORKLOADS, *PAGES])
)
@click.option("--quick", is_flag=True, help="Small sizes, one round: do they run?")
@click.option("--rounds", default=5, show_default=True, help="Timings of each.")
@click.option("--device", default="cpu", type=click.Choice(["cpu", "gpu"]))
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the rows.")
@click.option("--results", type=click.Path(path_type=Path), help="Write RESULTS.md.")
def main(names, quick, rounds, device, path, results):
    """Time our fast forms against what a user would pick instead, by default all."""
    if device == "gpu":
        from dls_keras.core import training  # late: TensorFlow's start is timed, too

        if not training.use_xla():
            print("TensorFlow sees no GPU here, so nothing is timed on one.")
            return
    names = names or (*WORKLOADS, *PAGES)
    for file in filter(None, (path, results)):  # before the work, not after it
        file.parent.mkdir(parents=True, exist_ok=True)
    busy = timing.others()
    print(f"{timing.machine()}; {busy:.1f} cores are busy with other work")
    if not mirror.available():
        print("PyTorch is not installed, so its rows are left out: the extra bench.")
    rows = []
    for name in names:
        if name in WORKLOADS:
            found = race(name, quick, 1 if quick else rounds, device)
            rows += found
            for row in found:
                print(told(row), flush=True)
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
        facts = {"machine": timing.machine(), "others": busy, "quick": quick}
        facts["rows"] = [row._asdict() for row in rows]
        path.write_text(json.dumps(facts, indent=1), "utf-8")
    if results:
        results.write_text(page(rows, busy, pages), "utf-8")


def race(name, quick, rounds, device):
    """The rows of a workload; on a GPU the step is looked at, and TF32 tried, too."""
    work, goals = WORKLOADS[name]
    contest = work(quick) if device == "cpu" or work in ON_GPU else None
    if contest is None:
        print(f"{name}: left out, for want of its files or of use for a GPU")
        return []
    if device == "cpu":
        return timing.race(name, contest, goals, rounds)
    mirror.DEVICE = "cuda"
    if isinstance(contest, timing.Training):
        print(gpu.check(name, work(quick)))
    rows = []
    for what, allowed in ((name, False), (f"{name}, TF32", True)):
        with gpu.tensor_float_32(allowed):
            # The goals and the limit are those of two CPU cores.
            rows += timing.race(what, work(quick)._replace(work=0.0), {}, rounds)
    return rows


def told(row):
    """One line as soon as it is known."""
    if math.isnan(row.ratio):
        return f"{row.name}: no ratio to {row.peer}, other programs are at work"
    if row.peer in ("limit", "clock"):
        return f"{row.name}: {1 / row.ratio:.3g} times the {row.peer}"
    return f"{row.name}: {row.ratio:.3g} times as fast as {row.peer}"


HEADER = ("workload", "against", "ours, ms", "theirs, ms", "ratio", "goal")


def cells(row):
    """A row under `HEADER`."""
    if math.isnan(row.ratio):
        theirs, ratio = "", "too busy"
    else:
        theirs, ratio = f"{1000 * row.theirs:.4g}", f"{row.ratio:.3g}"
    goal = "" if row.goal is None else f"{row.goal:.3g}"
    return row.name, row.peer, f"{1000 * row.ours:.4g}", theirs, ratio, goal


def table(rows, quick):
    """All rows, the goals beside them; a quick run proves nothing about those."""
    colours = {None: "", True: "green", False: "red"}
    result = Table(*HEADER)
    for row in rows:
        result.add_row(*cells(row), style=colours[None if quick else row.reached])
    return result


def page(rows, busy, pages):
    """RESULTS.md: what each workload is, and how it went."""
    lines = [
        "# Results",
        "",
        f"{datetime.date.today()}, {timing.machine()}; {busy:.1f} cores were busy with "
        "other work. All take turns; times are medians of the rounds, and so is a "
        "ratio: how many times as long the other took. Missed goals in bold. The limit "
        "is what the operations that cannot be saved would take as one matrix product, "
        "the clock a time to stay below.",
        "",
        *("| " + " | ".join(line) + " |" for line in (HEADER, ["---"] * len(HEADER))),
    ]
    for row in rows:
        name, peer, ours, theirs, ratio, goal = cells(row)
        if row.reached is False:
            ratio = f"**{ratio}**"
        line = (f"`{name}`", peer, ours, theirs, ratio, goal)
        lines.append("| " + " | ".join(line) + " |")
    names = dict.fromkeys(row.name.split(",")[0] for row in rows)
    lines += ["", *(f"- `{name}`: {WORKLOADS[name][0].__doc__}" for name in names), ""]
    for title, more in pages.items():
        lines += [f"## {title}", "", *more, ""]
    return "\n".join(lines)


main()
