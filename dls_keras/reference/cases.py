"""Reference cases: test cases that are read from files and run on any functions.

`read` parses a file of `reference/` into cases; `run_case` calls the functions of a
namespace, of this package or of a learner, and compares their results. Three kinds of
entries become one kind of `Case`:

    a case of a function   one call and its expected result
    a run                  several calls; later ones use the results of earlier ones
    a model comparator     a model that the call of a case builds, and its layers

The format is described by the modules that read it: values and rules by `values`, paths
and comparison by `compare`. This module does not import TensorFlow; a case without
tensors runs without it.
"""

import contextlib
import dataclasses
import functools
import io
import itertools
import random
import re
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from dls_keras.core import files, readers
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
    """The result of a case: whether it passed and, if not, a message."""

    ok: bool
    message: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Call:
    """One call of a function under test; its values are not decoded yet.

    `construct`, `method` and `weights` are for a class: an object is constructed, its
    weights are set, and the method is called.
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
    """Calls and their expected results; the values are not decoded yet.

    `expected` maps paths (see `compare.pick`) to values or rules; the prefix "#0:" of a
    path means the first call instead of the last. `skip` says why the case cannot be
    run, "" if it can.
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
    """A reference file: the entries of its functions, and all its cases."""

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
    path, expected = Path(folder) / f"{name}.json", "a file of reference values"
    with readers.reading(path, expected, "Reinstall the package."):
        return _reference(name, path, readers.read_json(path, expected))


def _reference(name, path, content):
    """The reference values of a file, from its content."""
    if content.get("format") != 1:
        raise InputError(
            f"{path} has format {content.get('format')!r}, expected 1. "
            "Use a newer version of the package."
        )
    functions = content["functions"]
    not_run = content.get("reference_only", {})
    cases = [
        *_cases(functions, path.parent),
        *_cases(not_run, path.parent, skip="for reading only"),
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


def single(name: str, entry: Mapping[str, Any], case: dict[str, Any]) -> Case:
    """A `Case` of one call, which is not written in a reference file.

    Args:
        name: the function.
        entry: the entry of the function in its file.
        case: the case, as such a file has it.
    """
    return _case(name, case, [_call(name, entry, case)], FOLDER)


def _case(name, entry, calls, folder, skip=""):
    """A `Case` from the entry of a case or of a run."""
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
    """A `Case` from a run; without calls it is skipped."""
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
    """A `Case` from a model comparator: the layers of a model that some case builds.

    The comparator describes the arguments in words; the case that builds a model with
    the same function and the same number of parameters has their values.
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
    """A finished call: its arguments, its result and its output."""

    call: Call
    arguments: dict
    result: object
    printed: str


class NotFound(NamedTuple):
    """The reason why `Facts` has no value for a path."""

    words: str


class Facts(NamedTuple):
    """What the calls of a case gave, without a comparison.

    `judge` needs nothing else, so the calls can be made in another process, which does
    not know the expected values.

    Attributes:
        found: key of `Case.expected` -> the value at its path, or `NotFound`.
        arguments: the arguments of the last call after it that the case compares.
        keys: the keys of the last result, if it is a dict.
        failure: why a call did not return: "f raised ValueError: ..."; or "".
        raised: the names of the classes of the exception that it raised.
        received: a description of the result, if the case expects an exception.
    """

    found: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    keys: list | None = None
    failure: str = ""
    raised: tuple[str, ...] = ()
    received: str = ""


class Disagreement(Exception):
    """A case failed; the message says how."""


def unmet(case: Case, data_folder: str | Path | None = None) -> str:
    """The reason why `case` cannot be run, "" if it can.

    Args:
        case: a case of a `Reference`.
        data_folder: a folder with a file NAME.npz per data set.
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
    """Make the calls of `case` and compare their results.

    A function that is missing, raises or returns a wrong value gives a failed Outcome,
    not an exception. The output of the functions is captured.

    Args:
        case: a case, run or model of a `Reference`.
        namespace: the functions under test: a module, a dict by name, or a list of
            these, which is searched in order.
        data_folder: a folder with a file NAME.npz per data set.
    """
    if reason := unmet(case, data_folder):
        return Outcome(False, f"cannot be run: {reason}")
    done: list[Done] = []
    sources = _sources(case, namespace, data_folder, done)
    return judge(case, _facts(case, sources, done), sources)


def facts(case: Case, namespace: Namespace | Sequence[Namespace]) -> Facts:
    """Make the calls of `case`, which needs no data sets, without a comparison."""
    return facts_of_all([case], namespace)[0]


def facts_of_all(
    variants: Sequence[Case], namespace: Namespace | Sequence[Namespace]
) -> list[Facts]:
    """The facts of cases that differ in what they compare; the calls are made once."""
    done: list[Done] = []
    first = _facts(variants[0], _sources(variants[0], namespace, None, done), done)
    if first.failure:
        return [first] * len(variants)
    return [
        first,
        *(
            _collected(case, [step._replace(call=case.calls[0]) for step in done])
            for case in variants[1:]
        ),
    ]


def judge(case: Case, facts: Facts, sources: Sources | None = None) -> Outcome:
    """Compare the facts with the expected values.

    Args:
        case: a case of a `Reference`.
        facts: those of `facts`, for this case.
        sources: needed only if an expected value is a function or an earlier result.
    """
    decode = functools.partial(
        values.decode, sources=sources or Sources(case.folder, None)
    )
    try:
        if facts.failure or case.raises:
            _compare_failure(case, facts)
        else:
            _compare_results(case, facts, decode)
            _compare_arguments(case, facts.arguments, decode)
    except Disagreement as disagreement:
        return Outcome(False, str(disagreement))
    return Outcome(True)


def without_answers(case: Case) -> Case:
    """The case for `facts` alone: the paths of its expected values, not the values."""
    return dataclasses.replace(
        case,
        expected=dict.fromkeys(case.expected),
        expected_inputs=dict.fromkeys(case.expected_inputs),
    )


def _sources(case, namespace, data_folder, done):
    """The sources of the values of a case, among them the results in `done`."""
    namespaces = namespace if isinstance(namespace, Sequence) else [namespace]

    def result(number, path):
        value, order = done[number].result, done[number].call.returns_order
        return compare.pick(value, path, order) if path else value

    function = functools.partial(_find, namespaces=namespaces)
    return Sources(case.folder, data_folder, function, result)


def _facts(case, sources, done):
    """Make the calls of `case`, add them to `done`, and collect the facts."""
    decode = functools.partial(values.decode, sources=sources)
    try:
        for call in case.calls:
            done.append(_perform(call, decode, sources.function))
    except Disagreement as failed:
        raised = tuple(kind.__name__ for kind in type(failed.__cause__).__mro__)
        return Facts(failure=str(failed), raised=raised)
    return _collected(case, done)


def _collected(case, done):
    """The facts that a case compares, from its finished calls."""
    last = done[-1]
    compared = (*case.expected_inputs, *case.inputs_unchanged)
    return Facts(
        found={key: _found(key, done) for key in case.expected},
        arguments={name: last.arguments.get(name) for name in compared},
        keys=list(last.result) if isinstance(last.result, Mapping) else None,
        received=compare.described(last.result) if case.raises else "",
    )


def _found(key, done):
    """The value at the path of an expected value."""
    step, path = done[_number(key)], _path(key)
    if path == "printed_costs":
        return _printed_costs(step.printed)
    try:
        return compare.pick(step.result, path, step.call.returns_order)
    except Exception as error:  # an unusual object may raise anything
        return NotFound(str(error) or type(error).__name__)


def _number(key):
    """The number of the call that a key of `expected` denotes; -1 for the last."""
    number = re.match(r"#(\d+):", key)
    return int(number[1]) if number else -1


def _path(key):
    """The path of a key of `expected`, without the number of a call."""
    return re.sub(r"^#\d+:", "", key)


def _perform(call, decode, find):
    """Make one call and capture its output; raise Disagreement if it fails."""
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
    """The result of the call; for a class, an object is constructed first."""
    given = list(itertools.takewhile(arguments.__contains__, call.signature))
    positional = [arguments[name] for name in given]
    keyword = {name: arguments[name] for name in arguments if name not in given}
    _seed(call.seeds)
    if call.construct is not None:
        made = function(**{name: decode(v) for name, v in call.construct.items()})
        function = getattr(made, call.method)
        if call.weights is not None:
            function(*positional, **keyword)  # builds the variables
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
    stand_ins = values.stand_ins()
    if name in stand_ins.HARNESSES:
        return getattr(stand_ins, name)
    raise Disagreement(f"there is no function {name}")


def _place(error):
    """The line of the code under test that raised: " (line 12 of solution.py)"."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if frame.filename != __file__ and "site-packages" not in frame.filename
    ]
    own = [frame for frame in frames if frame.filename == frames[0].filename]
    return f" (line {own[-1].lineno} of {Path(own[-1].filename).name})" if own else ""


def _compare_failure(case, facts):
    """Compare the exception of a call, or the missing one, with the expected one."""
    if not facts.failure:
        received = facts.received
        raise Disagreement(f"expected a {case.raises}, received {received}")
    if not case.raises:
        raise Disagreement(facts.failure)
    if case.raises not in facts.raised:
        raise Disagreement(f"expected a {case.raises}, but {facts.failure}")


def _compare_results(case, facts, decode):
    """Compare the results and the output of the calls with the expected ones."""
    for key, written in case.expected.items():
        path, expected = _path(key), decode(written)
        found = facts.found.get(key, NotFound("there is no such value"))
        if path == "printed_costs" and isinstance(found, Mapping):
            expected = {count: expected[count] for count in found.keys() & expected}
        where = "the result" if path == "return" else path
        if len(case.calls) > 1:
            where = f"{where} of {case.calls[_number(key)].function}"
        terms = case.terms._replace(**case.tol.get(key, {}))
        _compare(where, found, expected, terms)
    if case.terms.exact_keys and facts.keys is not None:
        firsts = {path.split("/")[0] for path in case.expected}
        further = [key for key in facts.keys if key not in firsts]
        if further and "return" not in firsts:
            raise Disagreement(f"unexpected key {further[0]!r} in the result")


def _compare_arguments(case, arguments, decode):
    """Compare the arguments of the last call after it."""
    for name, written in case.expected_inputs.items():
        _compare(
            f"{name} after the call", arguments.get(name), decode(written), case.terms
        )
    for name in case.inputs_unchanged:
        before = decode(case.calls[-1].inputs[name])
        where = f"{name}, which must not change"
        _compare(where, arguments.get(name), before, compare.EXACTLY)


def _compare(where, found, expected, terms):
    """Raise Disagreement unless the value that was found is the expected one."""
    if isinstance(found, NotFound):
        raise Disagreement(f"{where}: {found.words}")
    try:
        words = compare.difference(found, expected, terms)
    except Exception as error:  # an unusual object may raise anything
        words = str(error) or type(error).__name__
    if words:
        raise Disagreement(f"{where}: {words}")


def _printed_costs(text):
    """The costs by iteration, from lines "Cost after iteration N: cost" of `text`."""
    return {count: float(cost) for count, cost in PRINTED_COST.findall(text)}
