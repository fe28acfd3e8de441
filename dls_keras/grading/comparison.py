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
from dls_keras.reference import cases, compare, editions, values
from dls_keras.reference.editions import Edition


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


def defaults(references: Iterable[cases.Reference]) -> dict[str, dict[str, Any]]:
    """The default values of parameters, by function, as far as they are plain."""
    return {
        name: {
            parameter: value
            for parameter, value in entry.get("defaults", {}).items()
            if not isinstance(value, str | dict)
        }
        for reference in references
        for name, entry in reference.functions.items()
    }


def editions_by_function(
    assignment: str, references: Iterable[cases.Reference]
) -> dict[str, tuple[Edition, ...]]:
    """The editions of each function that the learner writes, that of 2021 first."""
    references = list(references)
    entries = {k: v for reference in references for k, v in reference.functions.items()}
    return {
        function: editions.of(assignment, function, current, entries[function])
        for function, current in cases_by_function(references).items()
    }


def without_answers(
    by_function: Mapping[str, Iterable[Edition]],
) -> dict[str, tuple[Edition, ...]]:
    """The editions without the expected values of their cases."""
    found = {}
    for function, its_editions in by_function.items():
        stripped: dict[str, cases.Case] = {}
        found[function] = tuple(
            edition._replace(
                cases=tuple(
                    stripped.setdefault(case.id, cases.without_answers(case))
                    for case in edition.cases
                )
            )
            for edition in its_editions
        )
    return found


def chosen(
    its_editions: Sequence[Edition],
    seen: editions.Seen,
    signs: Iterable[str],
    messages: Mapping[str, str],
) -> Edition:
    """The edition by which a function is judged.

    The first one whose cases all passed; or else, of those whose signs it has, the one
    with the largest share of cases that passed; or else that of 2021.

    Args:
        seen: what is known of the function.
        signs: the labels of the editions whose signs were found in its source.
        messages: case id -> what is wrong, "" if the case passed.
    """
    allowed = [one for one in its_editions if editions.possible(one, seen)]
    for one in allowed:
        if one.cases and all(messages.get(case.id, "?") == "" for case in one.cases):
            return one

    def share(one):
        passed = [messages.get(case.id, "?") == "" for case in one.cases]
        return sum(passed) / max(1, len(passed))

    likely = [one for one in allowed if one.label in signs]
    return max(likely, key=share, default=its_editions[0])


def remark(edition: Edition, right: bool) -> list[str]:
    """What a report says of an edition that is not that of 2021, in a list."""
    if not edition.what:
        return []
    words = "is right for" if right else "is compared with"
    return [f"{words} the edition of {edition.label}: {edition.what}"]


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


def preload(functions: Mapping[str, Iterable[Edition]]) -> None:
    """Read the arrays that the cases pass to the functions."""
    for edition in itertools.chain.from_iterable(functions.values()):
        for case in edition.cases:
            for call in case.calls:
                written = [call.inputs, call.construct, call.weights]
                values.preload(written, case.folder)


def judged(case: cases.Case, facts: cases.Facts, form: OlderForm | None) -> str:
    """What is wrong in the facts that `CaseRunner.collect` found, "" if nothing is.

    Args:
        form: that of the learner's function, `older_form`.
    """
    message = cases.judge(adapted(case, form), facts).message
    path, colon, words = message.partition(": ")
    if path in case.expected:
        return f"{compare.named(path)}{colon}{words}"
    return message


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


def adapted(case: cases.Case, form: OlderForm | None) -> cases.Case:
    """The case, without comparisons that a function of an older form cannot pass."""
    if form and form.shapes_only:
        expected = {
            key: {"shape_only": value["shape"]}
            for key, value in case.expected.items()
            if "/" not in key and isinstance(value, dict) and "shape" in value
        }
        return dataclasses.replace(case, expected=expected)
    return case


def as_array(value: Any) -> np.ndarray | None:
    """`value` as an array of numbers, or None."""
    with contextlib.suppress(Exception):
        return compare.numbers(value)
    return None
