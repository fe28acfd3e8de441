"""Run the reference cases of a learner's functions and describe what is wrong.

A verdict describes one problem, the first one: its position in the result, one number
and one shape. It never shows expected arrays or the code of this package. What may have
caused the problem is the task of `hints`.
"""

import ast
import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dls_keras.grading import (
    call_record,
    course_editions,
    course_helpers,
    older_tensorflow,
)
from dls_keras.grading.call_record import (
    RecordedFunction,
    TimeLimitExceeded,
    time_limit,
)
from dls_keras.grading.comparison import adapted, as_array, older_form
from dls_keras.grading.course_editions import OlderForm
from dls_keras.grading.hints import from_source
from dls_keras.grading.namespace import (
    DefinitionNode,
    Namespace,
    execute,
)
from dls_keras.reference import cases, compare, editions
from dls_keras.reference import values as reference_values


class CaseResult(NamedTuple):
    """The result of one case.

    Attributes:
        message: what is wrong, "" if the case passed or has not been judged yet.
        call: the recorded call of the learner's function.
        direct: whether the case compares the function's own result, not that of a
            harness which calls the function.
    """

    case: cases.Case
    message: str
    call: RecordedFunction
    direct: bool = True

    @property
    def timeout(self) -> bool:
        """Whether the call exceeded its time limit."""
        return isinstance(self.call.error, TimeLimitExceeded)


class Part(NamedTuple):
    """A part of a result that a case compares.

    Attributes:
        path: its path in the result, such as "grads/dw".
        actual: the received value, None if the path does not exist.
        difference: a description of the difference, "" if the values agree.
    """

    path: str
    actual: Any
    expected: Any
    terms: compare.Terms
    difference: str


class CaseRunner:
    """Runs the cases of an assignment on the functions of a namespace.

    Args:
        assignment: the name of an assignment.
        namespace: the learner's functions.
        signatures: the parameters of the assignment's functions.
        timeout: the CPU time limit of a case in seconds.
        defaults: the course's default values of parameters, by function.

    Attributes:
        results: function -> the results of its cases, in order; an empty list for a
            function that is missing or cannot be run.
    """

    def __init__(
        self,
        assignment: str,
        namespace: Namespace,
        signatures: dict[str, tuple[str, ...]],
        timeout: float,
        defaults: Mapping[str, dict[str, Any]] | None = None,
    ):
        self.assignment, self.namespace = assignment, namespace
        self.signatures, self.timeout = signatures, timeout
        self.defaults = defaults or {}
        self.results: dict[str, list[CaseResult]] = {}
        self._forms: dict[str, OlderForm | None] = {}
        self._remarks: dict[str, list[str]] = {}

    def name_in_file(self, function: str) -> str:
        """The name of `function` in the file, which an edition may spell differently.

        "" if the file does not define it.
        """
        key = (self.assignment, function)
        for name in (function, *course_editions.OLD_NAMES.get(key, ())):
            if name in self.namespace.own():
                return name
        return ""

    def definition(self, function: str) -> DefinitionNode | None:
        """The syntax tree of the learner's function, None if there is none."""
        found = self.namespace.definitions.get(self.name_in_file(function))
        return found.node if found else None

    def is_right(self, function: str) -> bool:
        """Whether the function has been run and all its cases passed."""
        results = self.results.get(function)
        return bool(results) and not any(result.message for result in results or ())

    # Run cases.

    def skip(self, function: str) -> None:
        """Record that a function cannot be run, for hints about its callers."""
        self.results[function] = []

    def status(
        self, function: str, its_editions: Iterable[editions.Edition] = ()
    ) -> dict[str, Any]:
        """Whether the file defines a function, and what is known of it.

        Returns:
            `status`: "defined", "missing", "provided", "given", or "wrong" or "not
            written" if its definition failed; `why`: the reason; `name`: that in the
            file; `parameters`: those of the function, None if they are not known or
            do not matter; `signs`: the labels of the editions that it looks like.
        """
        found: dict[str, Any] = {"why": "", "name": "", "parameters": None, "signs": []}
        space = self.namespace
        if name := self.name_in_file(function):
            parameters = self._parameters(function, space.own()[name])
            node = self.definition(function)
            source = ast.unparse(node) if node else ""
            seen = editions.Seen(name, parameters, source)
            signs = [e.label for e in its_editions if editions.recognised(e, seen)]
            found |= {"name": name, "parameters": parameters, "signs": signs}
            return found | {"status": "defined"}
        helper = course_helpers.optional(self.assignment, function)
        why = space.undefined.get(function, "")
        if why:
            status = "not written" if function in space.unwritten else "wrong"
        elif module := {**space.taken(), **space.imported}.get(function, ""):
            status = "given"
            if not helper:
                why = f"It is imported from {module}: only what the file defines itself"
                why += " is checked"
        else:
            word = course_editions.NEEDED_WITH.get((self.assignment, function))
            nodes = [found.node for found in space.definitions.values()]
            needed = word and any(word in ast.unparse(node) for node in nodes)
            provided = (helper and not needed) or function in space.provided
            status = "provided" if provided else "missing"
        return found | {"status": status, "why": why}

    def collect(
        self, function: str, variants: Sequence[cases.Case]
    ) -> list[tuple[CaseResult, cases.Facts]]:
        """Make one call and collect what each of some cases compares.

        The expected values of the cases need not be known. `judge` selects results.
        """
        found, call = self._facts(function, variants)
        direct = variants[0].calls[0].function == function
        pairs = [
            (CaseResult(case, "", call, direct), facts)
            for case, facts in zip(variants, found, strict=True)
        ]
        self.results.setdefault(function, []).extend(result for result, _ in pairs)
        return pairs

    def judge(
        self,
        function: str,
        its_cases: Iterable[cases.Case],
        messages: Mapping[str, str],
    ) -> None:
        """Keep the results of an edition; add the expected values and the messages.

        Args:
            its_cases: the cases of the edition.
            messages: case id -> what is wrong, "" if the case passed.
        """
        form = self._forms.get(function)
        results = {result.case.id: result for result in self.results[function]}
        self.results[function] = [
            results[case.id]._replace(
                case=adapted(case, form), message=messages[case.id]
            )
            for case in its_cases
            if case.id in results
        ]

    def _facts(self, function, variants):
        """Run cases with the same call: the facts of each, and the recorded call."""
        own = self.namespace.own()[self.name_in_file(function)]
        call = self._recorded(function, own, self._form(function, own))
        try:
            with time_limit(self.timeout):
                names = {**self.namespace.names, function: call}
                return cases.facts_of_all(variants, names), call
        except TimeLimitExceeded as error:
            return [cases.Facts(failure=f"It {error}")] * len(variants), call

    def _recorded(self, function, code, form):
        """A recorder of the calls of the learner's function."""
        defaults = self.defaults.get(function, {})
        if self.namespace.needs_graph(self.name_in_file(function)):
            code = older_tensorflow.in_graph(code)
        return RecordedFunction(code, self.signatures[function], form, defaults)

    def run_case(
        self,
        function: str,
        case: cases.Case,
        names: dict[str, Any] | None = None,
        limit: float | None = None,
        adapt: Callable[[dict[str, Any]], tuple[list, dict]] | None = None,
    ) -> CaseResult:
        """Run one case without adding its result to `results`.

        Args:
            names: global variables to use instead of those of the namespace.
            limit: CPU time limit in seconds, by default `timeout`.
            adapt: converts the arguments of the case, as `OlderForm.adapt` does.
        """
        name = self.name_in_file(function)
        own = names[name] if names else self.namespace.own()[name]
        names = names or self.namespace.names
        form = OlderForm(adapt, "") if adapt else self._form(function, own)
        call = self._recorded(function, own, form)
        case = adapted(case, form)
        direct = case.calls[0].function == function
        try:
            with time_limit(limit or self.timeout):
                outcome = cases.run_case(case, {**names, function: call})
        except TimeLimitExceeded as error:
            return CaseResult(case, f"It {error}", call, direct)
        return CaseResult(case, outcome.message, call, direct)

    def passes(
        self,
        function: str,
        definition: ast.stmt,
        names: dict[str, Any] | None = None,
    ) -> bool:
        """Whether all cases pass with another definition of the function.

        Args:
            definition: a definition, such as a mutation of the learner's.
            names: its global variables, by default a copy of the namespace. The
                function is added to them.
        """
        names = dict(self.namespace.names) if names is None else names
        try:
            with time_limit(self.timeout):
                own = self.namespace.definitions[self.name_in_file(function)]
                execute(definition, own.cell, names)
        except (Exception, TimeLimitExceeded):
            return False
        # The cases that failed come first: most mutations fail them again.
        results = sorted(self.results[function], key=lambda result: not result.message)
        limit = 2 * max(result.call.seconds for result in results) + 0.5
        return not any(
            self.run_case(function, result.case, names, limit).message
            for result in results
        )

    def _parameters(self, function, code):
        """The names of the parameters of the learner's function, or None."""
        if inspect.isclass(code) or not self.signatures[function]:
            return None
        with contextlib.suppress(TypeError, ValueError):
            parameters = inspect.signature(code).parameters.values()
            return [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        return None

    def _form(self, function, code):
        """The older form that the learner's function may have, or None."""
        if function not in self._forms:
            found = self._parameters(function, code)
            form = older_form(
                self.assignment, function, found, self.signatures[function]
            )
            self._forms[function] = form
            if form and form.note:
                self._remark(function, form.note)
        return self._forms[function]

    def _remark(self, function, text):
        remarks = self._remarks.setdefault(function, [])
        if text not in remarks:
            remarks.append(text)

    # Describe the results.

    def remarks(self, function: str) -> list[str]:
        """Further remarks on a function whose cases have been run."""
        own = self.name_in_file(function)
        if own != function:
            self._remark(function, f"is called {own} here, as in another edition")
        results = self.results.get(function, [])
        if any(result.call.output_truncated for result in results):
            limit = f"{call_record.MAX_OUTPUT:,}"
            self._remark(function, f"prints more than {limit} characters per call")
        missing = {name for result in results for name in result.call.filled}
        if missing:
            words = ", ".join(sorted(missing))
            words = f"has no default for {words}, as in the edition of 2017-2020"
            self._remark(function, words)
        return self._remarks.get(function, [])

    def verdict(self, function: str) -> dict[str, Any]:
        """The fields of a `runner.Verdict` on a function whose cases have been run."""
        results = self.results.get(function, [])
        wrong = [result for result in results if result.message]
        fields = {
            "function": function,
            "status": "wrong" if wrong else "ok",
            "passed": len(results) - len(wrong),
            "cases": len(results),
            "seconds": round(sum(result.call.seconds for result in results), 3),
            "remarks": self.remarks(function),
        }
        return fields | (self._problem(wrong[0]) if wrong else {})

    def _problem(self, result):
        """The fields of a verdict that describe the first problem."""
        fields = {"case": result.case.id, "problem": result.message}
        error = result.call.error
        if error is not None:
            cells = {found.cell for found in self.namespace.definitions.values()}
            line = call_record.learner_line(error, cells)
            place = f" ({line[0]}, line {line[1]})" if line else ""
            fields["problem"] = f"It {from_source.described(error)}{place}"
            return fields
        part = self.first_difference(result)
        if part is None:
            return fields
        where = compare.named(part.path)
        fields["where"] = where
        actual, expected = as_array(part.actual), as_array(part.expected)
        if actual is None or expected is None:
            if not isinstance(part.expected, reference_values.Rule):
                kinds = _kind(part.expected), _kind(part.actual)
                fields["problem"] = "{}: expected {}, received {}".format(where, *kinds)
            return fields
        fields["shape"] = [list(actual.shape), list(expected.shape)]
        if actual.shape != expected.shape:
            shapes = _shape_words(expected), _shape_words(actual)
            fields["problem"] = "{}: expected {}, received {}".format(where, *shapes)
            return fields
        index = _worst_index(actual, expected, part.terms)
        received, wanted = actual[index], expected[index]
        fields["number"] = [np.asarray(received).item(), np.asarray(wanted).item()]
        position = f"[{', '.join(map(str, index))}]" if index else ""
        fields["problem"] = (
            f"{where}{position}: expected {compare.shown(wanted)}, "
            f"received {compare.shown(received)}"
        ) + (f" (shape {actual.shape} is right)" if index else "")
        return fields

    def first_difference(self, result: CaseResult) -> Part | None:
        """The innermost part of the result that differs first.

        None if no part differs, or the case does not compare the result directly.
        """
        call = result.call
        if not result.direct or call.error:
            return None
        for part in self.parts(result.case, call.result):
            if part.difference:
                return _innermost(part)
        for name, written in result.case.expected_inputs.items():
            actual = call.arguments_after.get(name)
            expected = self._decode(result.case, written)
            terms = result.case.terms
            if words := compare.difference(actual, expected, terms):
                part = _innermost(Part(name, actual, expected, terms, words))
                return part._replace(path=f"{compare.named(part.path)} after the call")
        return None

    def parts(self, case: cases.Case, result: Any) -> Iterator[Part]:
        """The parts of a result that a case compares."""
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
            except Exception as error:  # an unusual object may raise anything
                words = str(error) or type(error).__name__
            rule = expected if isinstance(expected, reference_values.Rule) else None
            if rule and rule.kind == "any_of":
                accepted: Any = rule.argument
                expected = accepted[0]
            yield Part(path, actual, expected, terms, words)

    def _decode(self, case, written):
        names = self.namespace.names
        sources = reference_values.Sources(case.folder, None, names.get)
        return reference_values.decode(written, sources)


# Results.


def _innermost(part: Part) -> Part:
    """The first differing part within nested dicts and tuples."""
    actual, expected, terms = part.actual, part.expected, part.terms
    keys: Iterable[Any]
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        if not all(key in actual for key in expected):
            return part  # a key is missing: the dict itself is the problem
        keys = expected
    elif isinstance(expected, tuple | list) and as_array(expected) is None:
        if not isinstance(actual, tuple | list) or len(actual) != len(expected):
            return part
        keys = range(len(expected))
    else:
        return part
    for key in keys:
        if words := compare.difference(actual[key], expected[key], terms):
            path = f"{part.path}/{key}"
            return _innermost(Part(path, actual[key], expected[key], terms, words))
    return part


def _worst_index(actual, expected, terms):
    """The index of the number that exceeds its tolerance most."""
    if not actual.ndim:
        return ()
    with np.errstate(all="ignore"):
        gap = np.abs(actual.astype(float) - expected.astype(float))
        gap -= terms.atol + terms.rtol * np.abs(expected.astype(float))
    gap = np.where(np.isnan(expected), 0, np.nan_to_num(gap, nan=np.inf))
    return tuple(map(int, np.unravel_index(np.argmax(gap), gap.shape)))


def _kind(value):
    """A short description of a value; of a list, its length only."""
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)} values"
    return compare.described(value)


def _shape_words(values):
    return f"shape {values.shape}" if values.ndim else "a number"
