"""`python -m benchmarks [NAME...] [--quick] [--json FILE] [--results FILE.md]`."""

import datetime
import json
import math
import os
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks import networks, sequences, start, steps, timing  # noqa: E402  TensorFlow reads the line above

WORKLOADS = {
    work.__name__: (work, goals)
    for module in (steps, networks, sequences, start)
    for work, goals in module.WORKLOADS.items()
}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]", type=click.Choice([*WORKLOADS]))
@click.option("--quick", is_flag=True, help="Small sizes, one round: do they run?")
@click.option("--rounds", default=5, show_default=True, help="Timings of each.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the rows.")
@click.option("--results", type=click.Path(path_type=Path), help="Write RESULTS.md.")
def main(names, quick, rounds, path, results):
    """Time our fast forms against what a user would pick instead, by default all."""
    busy = timing.others()
    print(f"{timing.machine()}; {busy:.1f} cores are busy with other work")
    rows = []
    for name in names or WORKLOADS:
        work, goals = WORKLOADS[name]
        contest = work(quick)
        if contest is None:
            print(f"{name}: left out, as its files are not at hand")
            continue
        found = timing.race(name, contest, goals, 1 if quick else rounds)
        rows += found
        for row in found:
            print(told(row), flush=True)
    Console().print(table(rows, quick))
    if path:
        facts = {"machine": timing.machine(), "others": busy, "quick": quick}
        facts["rows"] = [row._asdict() for row in rows]
        path.write_text(json.dumps(facts, indent=1), "utf-8")
    if results:
        results.write_text(page(rows, busy), "utf-8")


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


def page(rows, busy):
    """RESULTS.md: what each workload is, and how it went."""
    lines = [
        "# Results",
        "",
        f"{datetime.date.today()}, {timing.machine()}; {busy:.1f} cores were busy with "
        "other work. Medians of rounds in which all take turns; a ratio says how many "
        "times as long the other takes. Missed goals in bold. The limit is what the "
        "operations that cannot be saved would take as one matrix product, the clock a "
        "time to stay below.",
        "",
        *("| " + " | ".join(line) + " |" for line in (HEADER, ["---"] * len(HEADER))),
    ]
    for row in rows:
        name, peer, ours, theirs, ratio, goal = cells(row)
        if row.reached is False:
            ratio = f"**{ratio}**"
        line = (f"`{name}`", peer, ours, theirs, ratio, goal)
        lines.append("| " + " | ".join(line) + " |")
    names = dict.fromkeys(row.name for row in rows)
    lines += ["", *(f"- `{name}`: {WORKLOADS[name][0].__doc__}" for name in names), ""]
    return "\n".join(lines)


main()
