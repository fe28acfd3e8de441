"""The command line: `python -m tests.robustness --help`."""

import argparse
import sys

from dls_keras.core.progress import progress
from tests.robustness import kills, runner, table


def main():
    """Run mutants or kills; the exit code is 1 if there is a failure."""
    parser = argparse.ArgumentParser(prog="python -m tests.robustness")
    parser.add_argument("--mutations", type=int, default=20, help="for each reader")
    parser.add_argument(
        "--reader",
        action="append",
        metavar="NAME",
        help="a regular expression; may be repeated  [default: all readers]",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=runner.processors())
    parser.add_argument("--keep", metavar="FOLDER", help="for the failing mutants")
    parser.add_argument("--replay", metavar="FILE", help="an .outcome.json of --keep")
    parser.add_argument("--kills", type=int, help="kill writers and training")
    given = parser.parse_args()
    if given.replay:
        outcome = runner.replay(given.replay)
        print(runner.described(outcome))
        return outcome.kind in runner.FAILURES
    if given.kills:
        return _kill(given.kills, given.seed)
    names = table.names_like(given.reader or [".*"])
    with progress("mutants", len(names) * given.mutations) as bar:
        found = runner.run(
            names,
            mutations=given.mutations,
            seed=given.seed,
            jobs=given.jobs,
            keep=given.keep,
            on_outcome=lambda outcome: bar.advance(1, outcome.task.reader),
        )
    failures = map(runner.described, found.failures)
    print("\n".join([*failures, *found.broken.values(), *found.lines()]))
    return bool(found.failures or found.broken)


def _kill(count, seed):
    with progress("kills", count) as bar:
        faults, facts = kills.run(count, seed=seed, on_kill=bar.advance)
    print("\n".join([*faults, facts]))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
