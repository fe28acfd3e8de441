"""The cases of a function, run on a learner's: what came of them.

A verdict tells one problem, the first: where it is, one number and one shape. Expected
arrays and our own code are never shown. What may be the matter says `advice`.
"""

import contextlib
import dataclasses
import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from dls_keras.grading import call_record, course_helpers, namespace
from dls_keras.grading.call_record import OutOfTime, Recorded
from dls_keras.grading.hints import from_source
from dls_keras.reference import cases, compare
from dls_keras.reference import values as reference_values


class Trial(NamedTuple):
    """One case, run: what is wrong, "" if nothing, and the recorded call.

    `direct` tells that the case is about what the function returns, not about what a
    harness makes of it.
    """

    case: cases.Case
    message: str
    record: Recorded
    direct: bool = True


class Part(NamedTuple):
    """A part of a result: its path, what came, what was expected, and the difference.

    `words` is "" where they agree; `actual` is None where there is no such part.
    """

    path: str
    actual: object
    expected: object
    terms: compare.Terms
    words: str


def signatures(references: Iterable[cases.Reference]) -> dict[str, tuple[str, ...]]:
    """The parameters of the functions, in the order of 2021."""
    return {
        name: tuple(entry.get("signature", ()))
        for reference in references
        for name, entry in reference.functions.items()
    }


def subjects(references: Iterable[cases.Reference]) -> dict[str, list[cases.Case]]:
    """The cases by the function of the learner's that each is about.

    A case calls its function itself or hands it to a harness. Harnesses and runs, which
    take long, are left out; a function whose cases all need what is not here has an
    empty list.
    """
    found = {}
    for reference in references:
        for case in (*reference.cases, *reference.models):
            if name := _subject(case, reference):
                found.setdefault(name, [])
                if not cases.unmet(case):
                    found[name].append(case)
    return found


def _subject(case, reference):
    """The function that a case is about, "" if it is none of the learner's."""
    if not case.calls:
        return ""
    call = case.calls[0]
    harnesses = importlib.import_module(reference_values.STAND_INS).HARNESSES
    if call.function not in harnesses:
        return call.function if call.function in reference.functions else ""
    for value in call.inputs.values():
        if isinstance(value, dict) and value.get("function") in reference.functions:
            return value["function"]
    return ""


class Judge:
    """Runs the cases of an assignment on the functions of a workspace.

    Attributes:
        assignment, space, timeout: what it was made with; seconds of processor time.
        signatures: those of the functions of the assignment.
        trials: function -> what came of its cases; an empty list for a function that
            is missing or cannot be tried.
    """

    def __init__(
        self,
        assignment: str,
        space: namespace.Workspace,
        signatures: dict[str, tuple[str, ...]],
        timeout: float,
    ):
        self.assignment, self.space, self.timeout = assignment, space, timeout
        self.signatures = signatures
        self.trials: dict[str, list[Trial]] = {}
        self._fits: dict[str, course_helpers.Fit | None] = {}
        self._remarks: dict[str, list[str]] = {}

    def found(self, function: str) -> str:
        """The name by which the file has `function`, "" if it has it under none."""
        names = self.space.names
        for name in (
            function,
            course_helpers.OLD_NAMES.get((self.assignment, function)),
        ):
            if name and callable(names.get(name)) and name not in self.space.supplied:
                if not isinstance(names[name], namespace.Absent):
                    return name
        return ""

    def node(self, function: str):
        """The definition of a function as the learner wrote it, None if it has none."""
        statement = self.space.nodes.get(self.found(function))
        return statement.node if statement else None

    def right(self, function: str) -> bool:
        """Whether a function has been tried and all its cases agree."""
        trials = self.trials.get(function)
        return bool(trials) and not any(trial.message for trial in trials)

    # Trying.

    def leave(self, function: str) -> None:
        """Remember a function that cannot be tried, so that others may wait for it."""
        self.trials[function] = []

    def try_case(self, function: str, case: cases.Case) -> Trial:
        """Run one case and remember it."""
        trial = self.attempt(function, case)
        count = course_helpers.OLD_COUNTS.get((self.assignment, function))
        result = trial.record.result
        if trial.message and isinstance(result, tuple) and len(result) == count:
            fewer = _first_values(trial.case, count)
            trial = self.attempt(function, fewer)
            self._remark(function, f"returns {count} values, as in 2017")
        self.trials.setdefault(function, []).append(trial)
        return trial

    def attempt(
        self,
        function: str,
        case: cases.Case,
        names: dict | None = None,
        limit: float | None = None,
        adapt: Callable[[dict], tuple] | None = None,
    ) -> Trial:
        """Run a case and do not remember it.

        Args:
            names: in the place of the names of the workspace.
            limit: seconds, in the place of the time limit.
            adapt: makes other arguments of those of the case, as that of a `Fit` does.
        """
        names = names or self.space.names
        own = names[self.found(function)]
        fit = course_helpers.Fit(adapt, "") if adapt else self._fit(function, own)
        record = Recorded(own, self.signatures[function], fit)
        case = _fitted(case, fit)
        direct = case.calls[0].function == function
        try:
            with call_record.within(limit or self.timeout):
                outcome = cases.run_case(case, {**names, function: record})
        except OutOfTime as error:
            return Trial(case, str(error), record, direct)
        return Trial(case, outcome.message, record, direct)

    def passes(self, function: str, node, names: dict | None = None) -> bool:
        """Whether all cases agree with a function that is defined as `node`.

        Args:
            node: a definition, perhaps not the learner's own.
            names: what it finds as globals; it is put among them.
        """
        names = dict(self.space.names) if names is None else names
        try:
            with call_record.within(self.timeout):
                cell = self.space.nodes[self.found(function)].cell
                namespace.run(node, cell, names)
        except (Exception, OutOfTime):
            return False
        trials = sorted(self.trials[function], key=lambda trial: not trial.message)
        limit = 2 * max(trial.record.seconds for trial in trials) + 0.5
        return not any(
            self.attempt(function, trial.case, names, limit).message for trial in trials
        )

    def _fit(self, function, code):
        """The older form that the learner's function may have."""
        if function not in self._fits:
            self._fits[function] = None
            signature = self.signatures[function]
            if not inspect.isclass(code) and signature:
                with contextlib.suppress(TypeError, ValueError):
                    takes = inspect.signature(code).parameters.values()
                    plain = [p.name for p in takes if p.kind is p.POSITIONAL_OR_KEYWORD]
                    fit = course_helpers.fit(
                        self.assignment, function, plain, signature
                    )
                    self._fits[function] = fit
                    if fit:
                        self._remark(function, fit.note)
        return self._fits[function]

    def _remark(self, function, text):
        remarks = self._remarks.setdefault(function, [])
        if text not in remarks:
            remarks.append(text)

    # Telling.

    def verdict(self, function: str) -> dict:
        """What came of all trials of a function: the fields of `runner.Verdict`."""
        trials = self.trials.get(function, [])
        wrong = [trial for trial in trials if trial.message]
        own = self.found(function)
        if own != function:
            self._remark(function, f"is called {own} here, as in another edition")
        if any(trial.record.flooded for trial in trials):
            flood = f"prints more than {call_record.FLOOD:,} characters a call"
            self._remark(function, flood)
        told = {
            "function": function,
            "status": "wrong" if wrong else "ok",
            "passed": len(trials) - len(wrong),
            "cases": len(trials),
            "seconds": round(sum(trial.record.seconds for trial in trials), 3),
            "remarks": self._remarks.get(function, []),
        }
        return told | (self._problem(wrong[0]) if wrong else {})

    def _problem(self, trial):
        """The first thing that is wrong: a sentence, a place, a number, a shape."""
        told = {"case": trial.case.id, "problem": trial.message}
        error = trial.record.error
        if error is not None:
            cells = {statement.cell for statement in self.space.nodes.values()}
            line = call_record.line_of(error, cells)
            words = from_source.told(error)
            told["problem"] = f"{words} ({line[0]}, line {line[1]})" if line else words
            return told
        place = self.place(trial)
        if place is None:
            return told
        where = "the result" if place.path == "return" else place.path
        told["where"] = where
        actual, expected = array(place.actual), array(place.expected)
        if actual is None or expected is None:
            if not isinstance(place.expected, reference_values.Rule):
                kinds = _kind(place.expected), _kind(place.actual)
                told["problem"] = "{}: expected {}, received {}".format(where, *kinds)
            return told
        told["shape"] = [list(actual.shape), list(expected.shape)]
        if actual.shape != expected.shape:
            shapes = _shaped(expected), _shaped(actual)
            told["problem"] = "{}: expected {}, received {}".format(where, *shapes)
            return told
        index = _worst(actual, expected, place.terms)
        came, wanted = actual[index], expected[index]
        told["number"] = [np.asarray(came).item(), np.asarray(wanted).item()]
        spot = f"[{', '.join(map(str, index))}]" if index else ""
        told["problem"] = (
            f"{where}{spot}: expected {compare.shown(wanted)}, "
            f"received {compare.shown(came)}"
        ) + (f" (shape {actual.shape} is right)" if index else "")
        return told

    def place(self, trial: Trial) -> Part | None:
        """Where the result differs first, as deep as one can tell; None if nowhere."""
        record = trial.record
        if not trial.direct or record.error:
            return None
        for part in self.parts(trial.case, record.result):
            if part.words:
                return _deepest(part)
        for name, written in trial.case.expected_inputs.items():
            actual, expected = record.after.get(name), self._decode(trial.case, written)
            terms = trial.case.terms
            if words := compare.difference(actual, expected, terms):
                path = f"{name} after the call"
                return _deepest(Part(path, actual, expected, terms, words))
        return None

    def parts(self, case: cases.Case, result: object) -> Iterator[Part]:
        """The parts of a result that a case asks for."""
        order = case.calls[0].returns_order
        for key, written in case.expected.items():
            path = key.removeprefix("#0:")
            if path == "printed_costs":
                continue
            terms = case.terms._replace(**case.tol.get(key, {}))
            expected, actual = self._decode(case, written), None
            try:
                actual = compare.pick(result, path, order)
                words = compare.difference(actual, expected, terms)
            except Exception as error:  # reading a strange result may raise anything
                words = str(error) or type(error).__name__
            if (
                isinstance(expected, reference_values.Rule)
                and expected.kind == "any_of"
            ):
                expected = expected.argument[0]
            yield Part(path, actual, expected, terms, words)

    def _decode(self, case, written):
        sources = reference_values.Sources(case.folder, None, self.space.names.get)
        return reference_values.decode(written, sources)


def array(value: object) -> np.ndarray | None:
    """`value` as an array of numbers, or None."""
    with contextlib.suppress(Exception):
        return compare.numbers(value)
    return None


# Cases, for a function of an older form.


def _fitted(case, fit):
    """The case as a function of an older form can meet it."""
    if fit and fit.mutates:
        return dataclasses.replace(case, inputs_unchanged=())
    if fit and fit.shapes_only:
        expected = {
            key: {"shape_only": value["shape"]}
            for key, value in case.expected.items()
            if "/" not in key and isinstance(value, dict) and "shape" in value
        }
        return dataclasses.replace(case, expected=expected)
    return case


def _first_values(case, count):
    """The case of a function that returns the first `count` values alone."""
    call = case.calls[0]
    order = call.returns_order[:count]
    expected = {k: v for k, v in case.expected.items() if k.split("/")[0] in order}
    call = dataclasses.replace(call, returns_order=order)
    return dataclasses.replace(case, calls=(call,), expected=expected)


# Results.


def _deepest(part: Part) -> Part:
    """The part within nested dicts and tuples where values differ first."""
    actual, expected, terms = part.actual, part.expected, part.terms
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        keys = [key for key in expected if key in actual]
        if len(keys) < len(expected):
            return part  # a key is missing, which is to be told
    elif isinstance(expected, tuple | list) and array(expected) is None:
        if not isinstance(actual, tuple | list) or len(actual) != len(expected):
            return part
        keys = range(len(expected))
    else:
        return part
    for key in keys:
        if words := compare.difference(actual[key], expected[key], terms):
            path = f"{part.path}[{key!r}]".removeprefix("return")
            return _deepest(Part(path, actual[key], expected[key], terms, words))
    return part


def _worst(actual, expected, terms):
    """The index of the number that is furthest from what is allowed."""
    if not actual.ndim:
        return ()
    with np.errstate(all="ignore"):
        gap = np.abs(actual.astype(float) - expected.astype(float))
        gap -= terms.atol + terms.rtol * np.abs(expected.astype(float))
    gap = np.where(np.isnan(expected), 0, np.nan_to_num(gap, nan=np.inf))
    return tuple(map(int, np.unravel_index(np.argmax(gap), gap.shape)))


def _kind(value):
    """What a value is, in a few words; a list by its length, whatever it holds."""
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)} values"
    return compare.described(value)


def _shaped(values):
    return f"shape {values.shape}" if values.ndim else "a number"
