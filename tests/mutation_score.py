"""The mutation score: how many wrong forms of our functions fail a reference case.

    python -m tests.mutation_score [NAME[.FUNCTION] ...] [--jobs N] [--every N]

Each function that a learner writes is taken from its lesson and changed by each rule of
`hints.from_mutations`, one mutation at a time. The mutant is killed if a case of the
function fails, raises an exception or takes too long. The survivors are printed: they
are mistakes that `check` would not find.

A mutant is left out if it is equal to the function for every input that the course
allows. `_silent` and `_same` are general rules, `EQUIVALENT` the other ones, each with
its reason.
"""

import argparse
import ast
import contextlib
import inspect
import io
import json
import re
import subprocess
import sys
import textwrap
import time
import warnings
from collections.abc import Iterator, Sequence
from multiprocessing.pool import ThreadPool
from pathlib import Path
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np

from dls_keras import catalog
from dls_keras.grading import comparison
from dls_keras.grading.call_record import TimeLimitExceeded, time_limit
from dls_keras.grading.hints import from_mutations
from dls_keras.reference import cases

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "tests"))
from equivalent_mutants import EQUIVALENT, OURS, PLAIN_FORMS  # noqa: E402

Definition = ast.FunctionDef | ast.ClassDef


class Mutant(NamedTuple):
    """A changed function.

    Attributes:
        line: the number of the line within the file of the lesson.
        change: "old code -> new code".
        question: that of the hint.
        definitions: the function and its helpers, one of which is changed.
    """

    line: int
    change: str
    question: str
    definitions: list[Definition]


class Score(NamedTuple):
    """How many mutants of a function were killed, and those that were not."""

    function: str
    killed: int
    survivors: tuple[tuple[int, str, str], ...]  # line, change, question
    seconds: float

    @property
    def total(self) -> int:
        return self.killed + len(self.survivors)


class Source(NamedTuple):
    """A function of a lesson: its name there, its globals, its definitions."""

    name: str
    space: dict[str, Any]
    definitions: list[Definition]  # of the function, then of its helpers


def scores(
    assignment: str, functions: Sequence[str] = (), every: int = 1
) -> list[Score]:
    """The score of each function of an assignment that has cases.

    Args:
        functions: their names; by default all.
        every: run one mutant of so many, to save time.
    """
    references = comparison.references(assignment)
    found = comparison.cases_by_function(references)
    comparison.preload(comparison.editions_by_function(assignment, references))
    module = vars(catalog.load(assignment))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return [
            score(
                assignment,
                name,
                source(assignment, name, module, found),
                its_cases,
                every,
            )
            for name, its_cases in found.items()
            if its_cases and (not functions or name in functions)
        ]


def source(assignment, name, module, tested) -> Source:
    """The source of a function and of the helpers that no case tests themselves."""
    plain = PLAIN_FORMS.get((assignment, name), name)
    function = _unwrapped(module[plain])
    space = vars(sys.modules[function.__module__])
    done, waiting, definitions = set(), [function], []
    while waiting:
        function = waiting.pop(0)
        definition = _definition(function)
        definitions.append(definition)
        done.add(definition.name)
        for helper in sorted(_globals(definition) - done - tested.keys() - OURS):
            value = _unwrapped(space.get(helper))
            if isinstance(value, FunctionType) and value.__name__ == helper:
                if value.__module__ == space["__name__"] and value not in waiting:
                    waiting.append(value)
    return Source(plain, space, definitions)


def _globals(definition):
    """The names that a function reads and does not set, except in silent nodes."""
    silent = {id(n) for n in _silent(definition)}
    nodes = [n for n in ast.walk(definition) if id(n) not in silent]
    names = [n for n in nodes if isinstance(n, ast.Name)]
    own = {n.arg for n in nodes if isinstance(n, ast.arg)}
    own |= {n.id for n in names if isinstance(n.ctx, ast.Store)}
    return {n.id for n in names} - own


def _unwrapped(function):
    return inspect.unwrap(getattr(function, "python_function", function))


def _definition(function):
    """The syntax tree of a function or class, with the line numbers of its file."""
    lines, first = inspect.getsourcelines(function)
    (definition,) = ast.parse(textwrap.dedent("".join(lines))).body
    return ast.increment_lineno(definition, first - 1)


def mutants(source: Source) -> Iterator[Mutant]:
    """The mutants of a function and of its helpers, without equivalent ones."""
    for number, definition in enumerate(source.definitions):
        parts = [definition]
        if isinstance(definition, ast.ClassDef):
            parts = [n for n in definition.body if isinstance(n, ast.FunctionDef)]
        for part in parts:
            silent = {id(n) for n in _silent(part)}
            around = {id(n): parent for parent, n in _with_parents(part)}
            zeros = _zeros(part)
            for mutation in from_mutations.mutations(part):
                target, build, question = mutation
                old, new = ast.unparse(target), ast.unparse(build(_copied(target)))
                context = _context(target, around)
                if (
                    id(target) in silent
                    or _same(target, old, new, question, zeros, context)
                    # The arguments of a helper are not those of the course.
                    or (number and NAMED_FACTOR.match(question))
                ):
                    continue
                definitions = list(source.definitions)
                changed = from_mutations.mutated(definition, mutation)
                definitions[number] = changed
                line = getattr(target, "lineno", part.lineno)
                change = f"{old} -> {new}" + (f" in {context}" if context else "")
                yield Mutant(line, change, question, definitions)


def _context(node, around):
    """The expression around a short one, "" if it is long itself."""
    first, text = node, ast.unparse(node)
    while len(text) < 12 and id(node) in around:
        node = around[id(node)]
        text = ast.unparse(node).split("\n")[0]
    return "" if node is first else text


def _copied(node):
    """A copy of a node that a mutation may change."""
    return from_mutations.mutated(node, (node, lambda n: n, ""))


def _with_parents(function):
    for parent in ast.walk(function):
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.expr):
                yield parent, node


def _silent(function):
    """The nodes whose change no result shows: messages, output, checks of arguments."""
    for node in ast.walk(function):
        if _is_silent(node):
            yield from ast.walk(node)


def _is_silent(node):
    """Whether a statement or call raises or prints, and nothing else."""
    if isinstance(node, ast.Raise | ast.Assert):
        return True
    if isinstance(node, ast.If):
        return all(map(_is_silent, node.body)) and not node.orelse
    if isinstance(node, ast.Expr):
        node = node.value
    return isinstance(node, ast.Call) and (
        isinstance(node.func, ast.Name)
        and node.func.id.removeprefix("_").startswith("print")
    )


def _zeros(function):
    """The names of arrays that a function creates, to set each element once."""
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and FILLED.match(ast.unparse(node)):
            for target in node.targets:
                yield from (n.id for n in ast.walk(target) if isinstance(n, ast.Name))


def _same(target, old, new, question, zeros, context):
    """Whether a mutation changes no result, by a rule for all functions."""
    if old == new or question.startswith("this changes an argument in place"):
        return True  # a new array instead of a changed one is right
    # The last axis of an array of two axes has two numbers.
    if new.replace("axis=-1", "axis=1") == old.replace("axis=-1", "axis=1"):
        return True
    if question.endswith("missing?"):
        if FILLED.match(old):  # zeros, or numbers that are replaced
            return True
        if COUNTER.match(old) and NAMED_FACTOR.match(question):  # 0 stays 0
            return True
        if question.startswith("is a square root") and _is_indicator(target):
            return True
        if question.startswith("is a minus before") and NO_SIGN.match(old):
            return True
    if question.startswith("are the two sides of -") and DISTANCE.search(context):
        return True
    if question.startswith("did you mean +=") and isinstance(target, ast.Assign):
        place = target.targets[0]
        names = {n.id for n in ast.walk(place) if isinstance(n, ast.Name)}
        if isinstance(place, ast.Subscript) and names & set(zeros):
            return True
    # NumPy computes the length of an axis that is given as any negative number.
    if (old, new) == ("1", "2") and REST.search(context):
        return True
    # The softmax is the same for all numbers plus a constant, and for minus e^x.
    if SHIFT.match(old) or old.startswith("e = np.exp(x - np.max(x"):
        return "axis" not in question and "root" not in question
    # Which of < and <= stands before a real number matters for that number alone.
    return question in BOUNDARIES and not any(word in old for word in WHOLE_NUMBERS)


def _is_indicator(node):
    """Whether a statement or expression consists of zeros and ones."""
    value = getattr(node, "value", node)
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
        if value.func.attr == "astype":
            value = value.func.value
    one = isinstance(value, ast.Constant) and value.value == 1
    text = ast.unparse(value)
    words = ("predict", "np.eye(", "one_hot(", "any(")
    return one or isinstance(value, ast.Compare) or any(w in text for w in words)


NAMED_FACTOR = re.compile(r"is a (division by|factor) \w+ missing\?")
COUNTER = re.compile(r"\w+ % \d+$")  # it is compared with 0
FILLED = re.compile(
    r"(.* = |return )?\(?(np|tf)\.(zeros|empty)|\w+ = 0(\.0)?$|return 0\.0$"
    r"|.* = keras\.Input\("  # the model begins after what is done with its input
)
# Even functions, and those that read a shape only.
NO_SIGN = re.compile(
    r"((np|tf|tf\.math)\.)?"
    r"(abs|square|linalg\.norm|size|ndim|shape|zeros_like|ones_like|layer_sizes)\(\w+"
)
DISTANCE = re.compile(r"(square|abs|norm)\((\w+\(?\w*) - (\w+\(?\w*)\)")
REST = re.compile(r"reshape\(.*-1\b")
SHIFT = re.compile(r"(x - )?np\.max\(x[^)]*\)$")
BOUNDARIES = {f"did you mean {a}=, not {a}?" for a in "<>"}
BOUNDARIES |= {f"did you mean {a}, not {a}=?" for a in "<>"}
WHOLE_NUMBERS = ("len(", "count", "retry", "segment", "previous_", "%")


def score(
    assignment: str,
    name: str,
    source: Source,
    its_cases: list[cases.Case],
    every: int = 1,
) -> Score:
    """Run the cases on each mutant of a function; the quick cases come first."""
    started = time.perf_counter()
    timed = []
    for case in its_cases:
        before = time.perf_counter()
        # In the same way as a mutant, so that the lesson's plain form is tested, too.
        if words := failure(case, name, source, source.definitions, 600):
            raise AssertionError(f"{assignment}.{name} fails {case.id}: {words}")
        timed.append((time.perf_counter() - before, case))
    timed.sort(key=lambda pair: pair[0])
    known = EQUIVALENT.get((assignment, name), {})
    known = EQUIVALENT.get((assignment, ""), {}) | known
    killed, survivors = 0, []
    chosen = [
        mutant
        for mutant in mutants(source)
        if not any(part in mutant.change for part in known)
    ]
    for mutant in chosen[::every]:
        if any(
            failure(case, name, source, mutant.definitions, 4 * seconds + 1)
            for seconds, case in timed
        ):
            killed += 1
        else:
            survivors.append((mutant.line, mutant.change, mutant.question))
    seconds = time.perf_counter() - started
    return Score(f"{assignment}.{name}", killed, tuple(survivors), seconds)


def failure(case, name, source, definitions, seconds) -> str:
    """Why a case fails with these definitions in place of the lesson's, "" if not."""
    space = dict(source.space)
    try:
        with time_limit(seconds), contextlib.redirect_stdout(io.StringIO()):
            module = ast.Module(definitions[::-1], type_ignores=[])
            code = compile(ast.fix_missing_locations(module), "<mutant>", "exec")
            exec(code, space)
            space[name] = space[source.name]
            return cases.run_case(case, space).message
    except (Exception, TimeLimitExceeded) as error:
        return f"{type(error).__name__}: {error}"


def report(found: list[Score], show_all: bool = False) -> str:
    """The scores as text, with the survivors."""
    lines = []
    for row in found:
        if row.survivors or show_all:
            lines.append(
                f"{row.function}: {row.killed} of {row.total} ({row.seconds:.1f} s)"
            )
        for line, change, question in row.survivors:
            lines.append(f"    line {line}: {change}   [{question}]")
    for name in dict.fromkeys(row.function.split(".")[0] for row in found):
        lines.append(
            f"{name}: {_share(r for r in found if r.function.startswith(name + '.'))}"
        )
    lines.append(f"all: {_share(found)}")
    return "\n".join(lines)


def _share(found):
    found = list(found)
    killed, total = sum(r.killed for r in found), sum(r.total for r in found)
    seconds = sum(r.seconds for r in found)
    return f"{killed} of {total} killed, {killed / max(total, 1):.2%}, {seconds:.0f} s"


def ratio(found: list[Score]) -> float:
    """The share of the mutants that were killed."""
    return sum(r.killed for r in found) / sum(r.total for r in found)


def names() -> list[str]:
    """The assignments with reference cases."""
    return [row.name for row in catalog.ASSIGNMENTS if row.reference]


def in_a_process(
    assignment: str, functions: Sequence[str] = (), every: int = 1
) -> list[Score]:
    """`scores` in a process of its own, which a mutant may fill or stop."""
    command = [sys.executable, "-m", "tests.mutation_score", "--json"]
    command += ["--every", str(every)]
    named = [f"{assignment}.{function}" for function in functions] or [assignment]
    done = subprocess.run(
        [*command, *named], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{assignment}: the process ended with {done.returncode}")
    rows = json.loads(done.stdout.splitlines()[-1])
    return [Score(n, k, tuple(map(tuple, left)), t) for n, k, left, t in rows]


def main() -> None:
    """Print the scores of the named assignments, by default of all."""
    parser = argparse.ArgumentParser(description="The mutation score of the cases.")
    parser.add_argument("names", nargs="*", help="NAME or NAME.function")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--every", type=int, default=1, help="one mutant of so many")
    parser.add_argument("--all", action="store_true", help="show all functions")
    parser.add_argument("--json", action="store_true", help="in this process, as JSON")
    options = parser.parse_args()
    wanted: dict[str, list[str]] = {}
    for name in options.names or names():
        assignment, _, function = name.partition(".")
        wanted.setdefault(assignment, []).extend([function] if function else [])
    if options.json:
        found = [r for n, f in wanted.items() for r in scores(n, f, options.every)]
        print(json.dumps(found))
        return
    found = []
    with ThreadPool(options.jobs) as pool:
        for rows in pool.imap(
            lambda job: in_a_process(*job, options.every), wanted.items()
        ):
            found += rows
            print(report(rows, options.all).rsplit("\n", 1)[0], flush=True)
    print(report(found).rsplit("\n", 1)[1])


if __name__ == "__main__":
    main()
