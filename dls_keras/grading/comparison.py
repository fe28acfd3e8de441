"""The cases of an assignment, and the comparison with their expected values.

The runner compares here, in its own process, what the functions of a learner's file
gave in a worker. So this module imports neither TensorFlow nor what runs such a file.
"""

import contextlib
import dataclasses
import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dls_keras import catalog
from dls_keras.grading import course_editions
from dls_keras.grading.course_editions import OlderForm
from dls_keras.reference import cases, compare, values


def references(assignment: str) -> list[cases.Reference]:
    """The reference files of an assignment."""
    return [cases.read(file) for file in catalog.BY_NAME[assignment].reference]


def signatures(references: Iterable[cases.Reference]) -> dict[str, tuple[str, ...]]:
    """The parameters of each function, in the order of 2021."""
    return {
        name: tuple(entry.get("signature", ()))
        for reference in references
        for name, entry in reference.functions.items()
    }


def cases_by_function(
    references: Iterable[cases.Reference],
) -> dict[str, list[cases.Case]]:
    """The cases of each function that the learner writes.

    A case calls its function directly or through a harness. Harnesses themselves and
    runs, which take long, are not included. A function has an empty list if all its
    cases need data that is not available.
    """
    found: dict[str, list[cases.Case]] = {}
    for reference in references:
        for case in (*reference.cases, *reference.models):
            if name := _function_under_test(case, reference):
                found.setdefault(name, [])
                if not cases.unmet(case):
                    found[name].append(case)
    return found


def _function_under_test(case, reference):
    """The name of the learner's function that a case tests, "" if there is none."""
    if not case.calls:
        return ""
    call = case.calls[0]
    if call.function not in values.stand_ins().HARNESSES:
        return call.function if call.function in reference.functions else ""
    for value in call.inputs.values():
        if isinstance(value, dict) and value.get("function") in reference.functions:
            return value["function"]
    return ""


def preload(functions: Mapping[str, Iterable[cases.Case]]) -> None:
    """Read the arrays that the cases pass to the functions."""
    for case in itertools.chain.from_iterable(functions.values()):
        for call in case.calls:
            written = [call.inputs, call.construct, call.weights]
            values.preload(written, case.folder)


def judged(
    assignment: str,
    function: str,
    case: cases.Case,
    facts: cases.Facts,
    form: OlderForm | None,
    count: int = 0,
) -> cases.Outcome:
    """Compare the facts that `CaseRunner.collect` found with the expected values.

    Args:
        form: that of the learner's function, `older_form`.
        count: how many values the function returns, if they are fewer than expected,
            as in a form that is known; else 0.
    """
    known = course_editions.OLD_COUNTS.get((assignment, function), 0)
    return cases.judge(adapted(case, form, count if count == known else 0), facts)


def older_form(
    assignment: str,
    function: str,
    parameters: Sequence[str] | None,
    signature: Sequence[str],
) -> OlderForm | None:
    """The older form of a function with these parameters, or None."""
    if parameters is None or not signature:
        return None
    return course_editions.older_form(assignment, function, parameters, signature)


# Cases for a function of an older form.


def adapted(case: cases.Case, form: OlderForm | None, count: int = 0) -> cases.Case:
    """The case, without comparisons that a function of an older form cannot pass.

    Args:
        count: how many values the function returns, if they are fewer; else 0.
    """
    case = first_values(case, count) if count else case
    if form and form.changes_arguments:
        return dataclasses.replace(case, inputs_unchanged=())
    if form and form.shapes_only:
        expected = {
            key: {"shape_only": value["shape"]}
            for key, value in case.expected.items()
            if "/" not in key and isinstance(value, dict) and "shape" in value
        }
        return dataclasses.replace(case, expected=expected)
    return case


def first_values(case: cases.Case, count: int) -> cases.Case:
    """The case for a function that returns only the first `count` values."""
    call = case.calls[0]
    order = call.returns_order[:count]
    expected = {k: v for k, v in case.expected.items() if k.split("/")[0] in order}
    call = dataclasses.replace(call, returns_order=order)
    return dataclasses.replace(case, calls=(call,), expected=expected)


def as_array(value: Any) -> np.ndarray | None:
    """`value` as an array of numbers, or None."""
    with contextlib.suppress(Exception):
        return compare.numbers(value)
    return None
