"""`python -m benchmarks [NAME...] [--quick] [--json FILE]`."""

import json
import os
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks import networks, steps, timing  # noqa: E402  TensorFlow reads the line above

WORKLOADS = {
    work.__name__: (work, goals)
    for work, goals in (steps.WORKLOADS | networks.WORKLOADS).items()
}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]", type=click.Choice([*WORKLOADS]))
@click.option("--quick", is_flag=True, help="Small sizes, one round: do they run?")
@click.option("--rounds", default=5, show_default=True, help="Timings of each.")
@click.option("--json", "path", type=click.Path(path_type=Path), help="Write the rows.")
def main(names, quick, rounds, path):
    """Time our fast forms against what a user would pick instead, by default all."""
    busy = timing.others()
    print(f"{timing.machine()}; {busy:.1f} cores are busy with other work")
    rows = []
    for name in names or WORKLOADS:
        work, goals = WORKLOADS[name]
        contest = work(quick)
        rows += timing.race(name, contest, goals, 1 if quick else rounds)
        for row in rows[-len(contest.peers) :]:
            print(told(row), flush=True)
    Console().print(table(rows, quick))
    if path:
        facts = {"machine": timing.machine(), "others": busy, "quick": quick}
        facts["rows"] = [row._asdict() for row in rows]
        path.write_text(json.dumps(facts, indent=1), "utf-8")


def told(row):
    """One line as soon as it is known."""
    return f"{row.name}: {row.ratio:.1f} times as fast as {row.peer}"


def table(rows, quick):
    """All rows, the goals beside them; a quick run proves nothing about those."""
    result = Table("workload", "against", "ours", "theirs", "ratio", "goal", "limit")
    for row in rows:
        met = row.goal is not None and row.ratio >= row.goal
        colour = "" if quick or row.goal is None else "green" if met else "red"
        result.add_row(
            row.name,
            row.peer,
            f"{1000 * row.ours:.3f} ms",
            f"{1000 * row.theirs:.1f} ms",
            f"{row.ratio:.1f}x",
            "" if row.goal is None else f"{row.goal:.3g}x",
            "" if row.over_limit is None else f"{row.over_limit:.1f} x the limit",
            style=colour,
        )
    return result


main()
