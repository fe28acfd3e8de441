"""Choose one hint about a wrong function.

The hint rules below are tried in order, the most reliable first. Some read the source
of the function, some compare its result. Others run it again: with correct versions of
the functions that it calls, with an argument in the order of another edition, or with a
single edit.
"""

import ast
import contextlib
import difflib
import itertools
import time
from collections.abc import Callable, Mapping

from dls_keras import catalog
from dls_keras.grading.call_record import TimeLimitExceeded
from dls_keras.grading.hints import from_mutations, from_numbers, from_source
from dls_keras.grading.judge import CaseResult, CaseRunner, as_array
from dls_keras.grading.namespace import used_names
from dls_keras.reference import compare

MUTATION_SECONDS = 1.0  # CPU time for the mutations of one function
# Functions that take longer, in seconds per case, are not mutated: SLOW by their first
# call, QUICK by the fastest of three more calls.
QUICK, SLOW = 0.15, 2.0

HintRule = Callable[[CaseRunner, str, CaseResult], str]


def hint(runner: CaseRunner, function: str) -> str:
    """A hint of one or two sentences about a wrong function; "" if no rule applies.

    Args:
        runner: has run the cases of all functions.
        function: one with a case that failed.
    """
    result = next(result for result in runner.results[function] if result.message)
    for rule in RULES if result.direct else HARNESS_RULES:
        with contextlib.suppress(TimeLimitExceeded):
            if words := rule(runner, function, result):
                return words
    return ""


# Rules about the source of the function and the functions that it calls.


def _wrong_callee(runner: CaseRunner, function: str, result: CaseResult) -> str:
    """The function is right if the functions that it calls are."""
    node = runner.definition(function)
    if node is None or isinstance(result.call.error, TimeLimitExceeded):
        return ""
    called = used_names(node) & runner.results.keys() - {function}
    wrong = sorted(name for name in called if not runner.is_right(name))
    if not wrong:
        return ""
    if not right_with(runner, function, wrong):
        return ""
    if len(wrong) == 1:
        return f"It will be right when {wrong[0]} is right: fix that first."
    return f"It will be right when {' and '.join(wrong)} are right: fix them first."


def right_with(runner: CaseRunner, function: str, others: list[str]) -> bool:
    """Whether a function is right with this package's versions of other functions."""
    package, node = catalog.load(runner.assignment), runner.definition(function)
    right = {name: getattr(package, name) for name in others if hasattr(package, name)}
    names = {**runner.namespace.names, **right}
    return node is not None and runner.passes(function, node, names)


def _no_return(runner: CaseRunner, function: str, result: CaseResult) -> str:
    node, call = runner.definition(function), result.call
    if call.error or call.result is not None or node is None:
        return ""
    if isinstance(node, ast.ClassDef):
        return ""
    returns = any(isinstance(part, ast.Return) for part in ast.walk(node))
    return "" if returns else "It returns nothing: is a `return` missing?"


def _changed_in_place(runner: CaseRunner, function: str, result: CaseResult) -> str:
    if "which must not change" not in result.message:
        return ""
    name = result.message.split(",")[0]
    return (
        f"It changes its argument {name} in place (with +=, -= or [...] =): work on a "
        "copy, or write W = W - ... instead of W -= ..."
    )


def _layer_in_loop(runner: CaseRunner, function: str, result: CaseResult) -> str:
    """A model has too many weights: a loop creates layers that should be shared."""
    model, expected = result.call.result, result.case.expected
    node = runner.definition(function)
    if not hasattr(model, "count_params") or node is None:
        return ""
    comparator = expected.get("return")
    comparator = comparator if isinstance(comparator, dict) else {}
    architecture = comparator.get("architecture", {})
    counts = [value for key, value in expected.items() if key.endswith("@params")]
    counts += [architecture["total_params"]] if "total_params" in architecture else []
    line = from_source.layer_in_loop(node)
    if line is None or not counts or model.count_params() <= counts[0]:
        return ""
    return (
        f"Line {line} creates a layer inside a loop, so each step has a new layer with "
        "its own weights. Create it once, before the loop, and call it inside."
    )


def _mask(runner: CaseRunner, function: str, result: CaseResult) -> str:
    """The fourth argument of MultiHeadAttention is another mask in Keras 3."""
    node = runner.definition(function)
    if not isinstance(node, ast.ClassDef):
        return ""
    line = from_source.mask_by_position(node)
    if line is None:
        return ""
    return (
        f"Line {line} passes the mask to the attention layer as its fourth argument, "
        "which is another mask in Keras 3: write attention_mask=mask."
    )


# Rules that run the function again.


def _mutation(runner: CaseRunner, function: str, result: CaseResult) -> str:
    """All cases pass after a single edit."""
    node = runner.definition(function)
    if node is None or isinstance(node, ast.ClassDef) or result.call.seconds > SLOW:
        return ""
    if isinstance(result.call.error, NameError | ImportError):
        return ""  # an edit that avoids the name is no explanation
    # Three calls, since the machine may pause during one of them.
    durations = (runner.run_case(function, result.case).call.seconds for _ in range(3))
    if all(seconds > QUICK for seconds in durations):
        return ""
    until = time.process_time() + MUTATION_SECONDS
    found = from_mutations.find(
        node,
        passes=lambda mutated: runner.passes(function, mutated),
        time_left=lambda: time.process_time() < until,
        # With few cases, rounding down may be right by chance.
        rounds=result.call.error is not None or len(runner.results[function]) > 2,
    )
    if not found:
        return ""
    cell = runner.namespace.definitions[runner.name_in_file(function)].cell
    line, question = found
    return f"Look at line {line} of {cell}. {question[0].upper()}{question[1:]}"


# Rules about the result.


def _order(runner: CaseRunner, function: str, result: CaseResult) -> str:
    """A tuple with its values in another order, or with too many or too few."""
    case, value = result.case, result.call.result
    order = case.calls[0].returns_order
    if result.call.error or isinstance(result.call.function, type):
        return ""

    def agrees(value):
        return not any(part.difference for part in runner.parts(case, value))

    if len(order) < 2:
        if isinstance(value, tuple) and any(map(agrees, value)):
            return "One of the returned values is right: return only that one."
        return ""
    if not isinstance(value, tuple | list) or len(value) != len(order):
        count = len(value) if isinstance(value, tuple | list) else "one value"
        return f"Return {len(order)} values, ({', '.join(order)}), not {count}."
    if len(order) <= 5:
        if agrees(value):
            return ""
        for numbers in itertools.permutations(range(len(order))):
            if agrees(tuple(value[number] for number in numbers)):
                return f"Return the values in the order ({', '.join(order)})."
    return ""


def _exception(runner: CaseRunner, function: str, result: CaseResult) -> str:
    return from_source.hint(result.call.error) if result.call.error else ""


def _certain_numbers(runner: CaseRunner, function: str, result: CaseResult) -> str:
    """A rule about numbers that rarely applies by coincidence."""
    return _numbers(runner, function, result, certain=True)


def _numbers(
    runner: CaseRunner, function: str, result: CaseResult, certain: bool = False
) -> str:
    """A rule about the array that differs."""
    part = runner.first_difference(result)
    if part is None:
        return ""
    actual, expected = as_array(part.actual), as_array(part.expected)
    if actual is None or expected is None:
        return ""
    evidence = from_numbers.Evidence(
        actual.astype(float),
        expected.astype(float),
        part.terms,
        result.call.arguments,
        result.call.used_random,
    )
    return from_numbers.hint(evidence, certain=certain)


def _missing_key(runner: CaseRunner, function: str, result: CaseResult) -> str:
    """A key is missing from a dict; another key may be a misspelling of it."""
    part = runner.first_difference(result)
    if part is None:
        return ""
    actual, expected = part.actual, part.expected
    if not isinstance(expected, Mapping):
        if actual is not None:
            return ""
        # The path itself may be a key of the result.
        actual, expected = result.call.result, [part.path.split("/")[0]]
    if not isinstance(actual, Mapping):
        return ""
    missing = [str(key) for key in expected if key not in actual]
    if not missing:
        return ""
    same = [str(key) for key in actual if str(key).lower() == missing[0].lower()]
    close = same or difflib.get_close_matches(missing[0], map(str, actual), 1)
    question = f" Should {close[0]!r} be {missing[0]!r}?" if close else ""
    return f"The key {missing[0]!r} is missing from the dict.{question}"


def _right_parts(runner: CaseRunner, function: str, result: CaseResult) -> str:
    """The parts of the result that are right, and those that are wrong."""
    if result.call.error:
        return ""
    if result.call.result is None:
        return "It returns None: does every branch end with a `return` of the value?"
    parts = list(runner.parts(result.case, result.call.result))
    found: dict[str, list[bool]] = {}
    for part in parts:
        if "@" not in part.path:
            found.setdefault(compare.named(part.path), []).append(not part.difference)
    wrong = [name for name, agree in found.items() if not all(agree)]
    right = [name for name in found if name not in wrong]
    if not right or not wrong:
        return ""
    return f"Right: {', '.join(right[:6])}. Wrong: {', '.join(wrong[:6])}."


RULES: tuple[HintRule, ...] = (
    _wrong_callee,
    _no_return,
    _changed_in_place,
    _order,
    _layer_in_loop,
    _mask,
    _certain_numbers,
    _mutation,
    _exception,
    _numbers,
    _missing_key,
    _right_parts,
)

# A harness compares a model built from the function, not the returned value itself.
HARNESS_RULES: tuple[HintRule, ...] = (
    _wrong_callee,
    _no_return,
    _mutation,
    _exception,
)
