"""Reference cases: read from their files, run on any functions, told in a sentence.

`read` turns a file of `reference/` into cases; `run_case` calls the functions of
whatever namespace it is handed, ours or a learner's, and compares. Three kinds of
entries become one kind of `Case`:

    a case of a function   one call, its result compared
    a run                  calls in a row, a later one taking earlier results
    a model comparator     a model built by the call of a case, its layers compared

The format is described by the modules that read it: values and rules in
`reference_values`, paths and comparison in `agreement`. Nothing here imports
TensorFlow; a case without tensors is checked without it.
"""

import contextlib
import dataclasses
import functools
import importlib
import io
import itertools
import json
import random
import re
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.reference import compare, values
from dls_keras.reference.compare import Terms
from dls_keras.reference.values import Sources

FOLDER = files.PACKAGE / "reference"

# "Cost after iteration 100: 0.58", "Cost after epoch 1: [[0.7]]"
PRINTED_COST = re.compile(
    r"cost after (?:iteration|epoch) +(\d+) *:? *\[*"
    r"([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf)",
    re.IGNORECASE,
)

Namespace = ModuleType | Mapping[str, object]


class Outcome(NamedTuple):
    """What came of a case: whether it agrees and, if not, one sentence on why."""

    ok: bool
    message: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a function under test; values are still as the file writes them.

    `construct` and `method` are those of a class: its object is made and, with
    `weights` given to it, called.
    """

    function: str
    inputs: dict
    signature: tuple[str, ...]
    returns_order: tuple[str, ...] = ()
    construct: dict | None = None
    method: str = "__call__"
    weights: list | None = None
    seeds: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """Calls and what is expected of them; values as the file writes them.

    `expected` maps paths (see `compare.pick`) to values or rules; "#0:" before
    a path means the first call instead of the last. `skip` says why no runner can
    run the case, "" if one can.
    """

    function: str
    id: str
    calls: tuple[Call, ...]
    expected: dict
    terms: Terms = compare.DEFAULT
    tol: dict = dataclasses.field(default_factory=dict)
    expected_inputs: dict = dataclasses.field(default_factory=dict)
    inputs_unchanged: tuple[str, ...] = ()
    raises: str = ""
    skip: str = ""
    folder: Path = FOLDER


class Reference(NamedTuple):
    """A reference file: its functions as written, and everything to be run."""

    name: str
    title: str
    functions: dict[str, dict]
    cases: tuple[Case, ...]
    runs: tuple[Case, ...]
    models: tuple[Case, ...]


# Reading.


def read(name: str, folder: str | Path = FOLDER) -> Reference:
    """The reference file `name` ("c1w2_logistic_regression") in `folder`.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if the file is not in version 1 of the format.
    """
    path = Path(folder) / f"{name}.json"
    if not path.is_file():
        raise MissingFileError(f"There are no reference values at {path}.")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON: {error}. Take another copy.") from None
    if content.get("format") != 1:
        raise InputError(
            f"{path} has format {content.get('format')!r}, expected 1. "
            "Take a file of this version, or a newer package."
        )
    functions = content["functions"]
    aside = content.get("reference_only", {})
    cases = [
        *_cases(functions, path.parent),
        *_cases(aside, path.parent, skip="kept for reading only"),
    ]
    runs = [_run(run, functions, path.parent) for run in content.get("runs", ())]
    models = [
        _model(name, comparator, cases)
        for name, comparator in content.get("models", {}).items()
    ]
    title = content.get("title", name)
    return Reference(name, title, functions, tuple(cases), tuple(runs), tuple(models))


def _cases(functions, folder, skip=""):
    """The cases of all functions, in the order of the file."""
    for name, entry in functions.items():
        for case in entry["cases"]:
            call = _call(name, entry, case)
            yield _case(name, case, [call], folder, skip)


def _case(name, entry, calls, folder, skip=""):
    """What the entries of cases and of runs have in common."""
    data = entry.get("data")  # of a run
    needs = entry.get("needs") or (isinstance(data, dict) and data.get("needs"))
    return Case(
        function=name,
        id=entry["id"],
        calls=tuple(calls),
        expected=entry.get("expected", {}),
        terms=Terms(**{name: entry[name] for name in Terms._fields if name in entry}),
        tol=entry.get("tol", {}),
        expected_inputs=entry.get("expected_inputs", {}),
        inputs_unchanged=tuple(entry.get("inputs_unchanged", ())),
        raises=entry.get("raises", ""),
        skip=entry.get("skip_runner") or (f"needs {needs}" if needs else skip),
        folder=folder,
    )


def _call(name, entry, case):
    """The call of a case; `entry` is that of the function in the file."""
    construct = {} if entry.get("kind") == "class" else None
    return Call(
        function=name,
        inputs=case["inputs"],
        signature=tuple(entry.get("signature", ())),
        returns_order=tuple(entry.get("returns_order", ())),
        construct=case.get("construct", construct),
        method=case.get("method", "__call__"),
        weights=case.get("weights"),
        seeds=case.get("seed_before", {}),
    )


def _run(run, functions, folder):
    """A run of the file; without calls it keeps the reason why it is skipped."""
    steps = run.get("call", [])
    steps = steps if isinstance(steps, list) else [steps]
    calls = [
        _call(step["function"], functions.get(step["function"], {}) | step, step)
        for step in steps
    ]
    if calls and "seed_before" in run:
        calls[0] = dataclasses.replace(calls[0], seeds=run["seed_before"])
    return _case("run", run, calls, folder, "" if calls else "no call does this run")


def _model(name, comparator, cases):
    """A comparator as a case: its layers are expected of a model that a case builds.

    The comparator tells the arguments in words; the case that builds a model of as
    many parameters with the same builder has them as values.
    """
    builder = comparator["builder"]
    for case in cases:
        uses = [case.function, *case.calls[0].inputs.values()]
        same = builder in uses or {"function": builder} in uses
        count = case.expected.get("return/@params", "unknown")
        if same and count == comparator.get("total_params"):
            expected = {"return": {"architecture": comparator}}
            return dataclasses.replace(
                case, function="model", id=name, expected=expected
            )
    skip = f"no case has the arguments of its builder: {builder}"
    return Case(function="model", id=name, calls=(), expected={}, skip=skip)


# Running.


class Done(NamedTuple):
    """A call that has been made: its arguments, what it returned and printed."""

    call: Call
    arguments: dict
    result: object
    printed: str


class Disagreement(Exception):
    """A case failed; the message says how, in a sentence."""


def unmet(case: Case, data_folder: str | Path | None = None) -> str:
    """Why `case` cannot be run here, "" if it can.

    Args:
        case: a case of a `Reference`.
        data_folder: the folder with NAME.npz of each data set.
    """
    if case.skip:
        return case.skip
    written = [*case.expected.values()]
    for call in case.calls:
        written += call.inputs.values()
    for name in values.datasets(written):
        try:
            values.dataset_path(name, data_folder)
        except MissingFileError as error:
            return str(error)
    return ""


def run_case(
    case: Case,
    namespace: Namespace | Sequence[Namespace],
    *,
    data_folder: str | Path | None = None,
) -> Outcome:
    """Call what `case` calls and compare what comes back.

    A function that is missing, raises or returns the wrong thing makes an Outcome,
    not an exception. What the functions print is not shown.

    Args:
        case: a case, run or model of a `Reference`.
        namespace: where the functions are: a module, a dict from names, or a list
            of these, searched in order.
        data_folder: the folder with NAME.npz of each data set.
    """
    if reason := unmet(case, data_folder):
        return Outcome(False, f"cannot be run: {reason}")
    if not isinstance(namespace, Sequence):
        namespace = [namespace]
    try:
        _check(case, namespace, data_folder)
    except Disagreement as disagreement:
        return Outcome(False, str(disagreement))
    return Outcome(True)


def _check(case, namespaces, data_folder):
    """Make the calls of `case` and raise a Disagreement at the first difference."""
    done = []

    def result(number, path):
        value, order = done[number].result, done[number].call.returns_order
        return compare.pick(value, path, order) if path else value

    function = functools.partial(_find, namespaces=namespaces)
    sources = Sources(case.folder, data_folder, function, result)
    decode = functools.partial(values.decode, sources=sources)
    try:
        for call in case.calls:
            done.append(_perform(call, decode, function))
    except Disagreement as failed:
        kinds = {kind.__name__ for kind in type(failed.__cause__).__mro__}
        if case.raises in kinds:
            return
        if case.raises:
            raise Disagreement(f"expected a {case.raises}, but {failed}") from None
        raise
    if case.raises:
        received = compare.described(done[-1].result)
        raise Disagreement(f"expected a {case.raises}, received {received}")
    _compare_results(case, done, decode)
    _compare_arguments(case, done[-1].arguments, decode)


def _perform(call, decode, find):
    """Make one call, its prints kept aside; raise a Disagreement if it fails."""
    function = find(call.function)
    try:
        arguments = {name: decode(value) for name, value in call.inputs.items()}
    except LookupError as error:  # a path into an earlier result
        raise Disagreement(f"no arguments for {call.function}: {error}") from None
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            result = _result(call, function, arguments, decode)
    except Exception as error:  # the code under test may raise anything
        first_line = f"{type(error).__name__}: {error}".split("\n")[0][:300]
        raise Disagreement(
            f"{call.function} raised {first_line}{_place(error)}"
        ) from error
    return Done(call, arguments, result, printed.getvalue())


def _result(call, function, arguments, decode):
    """What the call returns; the object of a class is made, and given weights."""
    given = list(itertools.takewhile(arguments.__contains__, call.signature))
    positional = [arguments[name] for name in given]
    keyword = {name: arguments[name] for name in arguments if name not in given}
    _seed(call.seeds)
    if call.construct is not None:
        made = function(**{name: decode(v) for name, v in call.construct.items()})
        function = getattr(made, call.method)
        if call.weights is not None:
            function(*positional, **keyword)  # makes the variables
            made.set_weights(decode(call.weights))
            _seed(call.seeds)
    return function(*positional, **keyword)


def _seed(seeds):
    """Seed the named global generators."""
    if "numpy" in seeds:
        np.random.seed(seeds["numpy"])
    if "python" in seeds:
        random.seed(seeds["python"])
    if "tensorflow" in seeds:
        import tensorflow as tf

        tf.random.set_seed(seeds["tensorflow"])


def _find(name, namespaces):
    """The function `name` of the first namespace that has it, or a stand-in."""
    for space in namespaces:
        found = space.get(name) if isinstance(space, Mapping) else vars(space).get(name)
        if found is not None:
            return found
    stand_ins = importlib.import_module(values.STAND_INS)
    if name in stand_ins.HARNESSES:
        return getattr(stand_ins, name)
    raise Disagreement(f"there is no function {name}")


def _place(error):
    """Where the code under test raised: " (line 12 of solution.py)"."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "site-packages" not in frame.filename
    ]
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f" (line {own[-1].lineno} of {Path(own[-1].filename).name})" if own else ""


def _compare_results(case, done, decode):
    """Compare what the calls returned and printed with all that is expected."""
    for key, written in case.expected.items():
        number, path = re.fullmatch(r"(?:#(\d+):)?(.+)", key).groups()
        step = done[-1 if number is None else int(number)]
        expected, order = decode(written), step.call.returns_order
        find = functools.partial(compare.pick, step.result, path, order)
        if path == "printed_costs":
            printed = _printed_costs(step.printed)
            expected = {count: expected[count] for count in printed.keys() & expected}
            find = functools.partial(dict, printed)
        where = "the result" if path == "return" else path
        where = f"{where} of {step.call.function}" if len(done) > 1 else where
        terms = case.terms._replace(**case.tol.get(key, {}))
        _compare(where, find, expected, terms)
    if case.terms.exact_keys and isinstance(done[-1].result, Mapping):
        firsts = {path.split("/")[0] for path in case.expected}
        further = [key for key in done[-1].result if key not in firsts]
        if further and "return" not in firsts:
            raise Disagreement(f"there is a further key {further[0]!r} in the result")


def _compare_arguments(case, arguments, decode):
    """Compare what became of the arguments of the last call."""
    for name, written in case.expected_inputs.items():
        find = functools.partial(arguments.get, name)
        _compare(f"{name} after the call", find, decode(written), case.terms)
    for name in case.inputs_unchanged:
        before = decode(case.calls[-1].inputs[name])
        find = functools.partial(arguments.get, name)
        _compare(f"{name}, to be left as it was", find, before, compare.EXACTLY)


def _compare(where, find, expected, terms):
    """Raise a Disagreement unless what `find` finds is what is expected."""
    try:
        words = compare.difference(find(), expected, terms)
    except Exception as error:  # reading a strange result may raise anything
        words = str(error)
    if words:
        raise Disagreement(f"{where}: {words}")


def _printed_costs(text):
    """Iteration -> cost of the lines "Cost after iteration N: cost" in `text`."""
    return {count: float(cost) for count, cost in PRINTED_COST.findall(text)}
