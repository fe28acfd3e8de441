"""What may be the matter with a wrong function: one hint.

The looks below are tried in their order, the surest first. Some read the function,
some its result, and some run it again: with the functions that it calls mended, with
an argument in the order of another edition, or with one small change.
"""

import ast
import contextlib
import difflib
import itertools
import time
from collections.abc import Mapping

from dls_keras import catalog
from dls_keras.grading import course_helpers, namespace
from dls_keras.grading.call_record import OutOfTime
from dls_keras.grading.hints import from_mutations, from_numbers, from_source
from dls_keras.grading.judge import Judge, Trial, array

REPAIR_SECONDS = 1.0  # of processor time, a function
QUICK, SLOW = 0.15, 2.0  # seconds; what takes longer is not run over and over


def on(judge: Judge, function: str) -> str:
    """A sentence or two on a wrong function; "" if there is nothing to say."""
    trial = next(trial for trial in judge.trials[function] if trial.message)
    for look in LOOKS if trial.direct else LOOKS_FROM_OUTSIDE:
        with contextlib.suppress(OutOfTime):
            if words := look(judge, function, trial):
                return words
    return ""


# Looks at the text of the function, and at what it calls.


def _unwritten(judge, function, trial: Trial):
    node = judge.node(function)
    line = node and from_source.placeholder(node)
    return f"Not written yet: line {line} still holds a gap." if line else ""


def _waits(judge, function, trial):
    """Whether the function is right as soon as those that it calls are."""
    node = judge.node(function)
    if node is None or isinstance(trial.record.error, OutOfTime):
        return ""
    called = namespace.uses(node) & judge.trials.keys() - {function}
    suspects = sorted(name for name in called if not judge.right(name))
    if not suspects:
        return ""
    ours = catalog.load(judge.assignment)
    mended = {name: getattr(ours, name) for name in suspects if hasattr(ours, name)}
    if not judge.passes(function, node, {**judge.space.names, **mended}):
        return ""
    return f"It is right as soon as {' and '.join(suspects)} is: mend that first."


def _silent(judge, function, trial):
    node, record = judge.node(function), trial.record
    if record.error or record.result is not None or isinstance(node, ast.ClassDef):
        return ""
    returns = [n for n in ast.walk(node) if isinstance(n, ast.Return)] if node else [0]
    return "" if returns else "It returns nothing: is a `return` missing?"


def _in_place(judge, function, trial):
    if "which must not change" not in trial.message:
        return ""
    name = trial.message.split(",")[0]
    return (
        f"It changes its argument {name} in place (+=, -=, or [...] = on it): work "
        "on a copy, or write W = W - ... instead of W -= ..."
    )


def _built_in_loop(judge, function, trial):
    """Layers made anew in each turn of a loop, so that nothing is shared."""
    model, expected = trial.record.result, trial.case.expected
    node = judge.node(function)
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
        f"Line {line} makes a layer inside a loop, a new one with weights of its own "
        "each time. Make it once, before the loop, and call it inside."
    )


def _mask(judge, function, trial):
    """An attention of Keras 3 takes a fourth argument for another mask."""
    node = judge.node(function)
    line = (
        from_source.mask_by_position(node) if isinstance(node, ast.ClassDef) else None
    )
    return (
        f"Line {line} hands a mask to the attention as its fourth argument, which in "
        "Keras 3 is another one: write attention_mask=mask."
        if line
        else ""
    )


# Looks that run it again.


def _old_tuple(judge, function, trial):
    """Whether the function expects a tuple argument in the order of 2017."""
    key = (judge.assignment, function)
    if key not in course_helpers.OLD_TUPLES or isinstance(
        trial.record.error, OutOfTime
    ):
        return ""
    name, order = course_helpers.OLD_TUPLES[key]

    def adapt(arguments):
        turned = tuple(arguments[name][number] for number in order)
        return [], {**arguments, name: turned}

    if judge.attempt(function, trial.case, adapt=adapt).message:
        return ""
    return f"It is right for {name} in the order of 2017; 2021 has another one."


def _mended(judge, function, trial):
    """One small change that makes all cases pass."""
    node = judge.node(function)
    if node is None or isinstance(node, ast.ClassDef) or trial.record.seconds > SLOW:
        return ""
    warm = (judge.attempt(function, trial.case).record.seconds for _ in range(3))
    if all(seconds > QUICK for seconds in warm):  # a pause of the machine is no answer
        return ""
    until = time.process_time() + REPAIR_SECONDS
    found = from_mutations.find(
        node,
        passes=lambda changed: judge.passes(function, changed),
        more=lambda: time.process_time() < until,
    )
    if not found:
        return ""
    cell = judge.space.nodes[judge.found(function)].cell
    line, question = found
    return f"Look at line {line} of {cell}. {question[0].upper()}{question[1:]}"


# Looks at what came.


def _order(judge, function, trial):
    """A tuple whose values come in another order, or too many or too few."""
    case, result = trial.case, trial.record.result
    order = case.calls[0].returns_order
    if trial.record.error or isinstance(trial.record.function, type):
        return ""

    def agrees(value):
        return not any(part.words for part in judge.parts(case, value))

    if len(order) < 2:
        alone = isinstance(result, tuple) and any(map(agrees, result))
        alone = alone and "One of the values it returns is right: return it alone."
        return alone or ""
    if not isinstance(result, tuple | list) or len(result) != len(order):
        received = len(result) if isinstance(result, tuple | list) else "one value"
        return f"Return {len(order)} values, ({', '.join(order)}); {received} came."
    if len(order) <= 5:
        for numbers in itertools.permutations(range(len(order))):
            if agrees(tuple(result[number] for number in numbers)):
                return f"Return the values in the order ({', '.join(order)})."
    return ""


def _raised(judge, function, trial):
    return from_source.hint(trial.record.error) if trial.record.error else ""


def _sure(judge, function, trial):
    """A hypothesis that is hardly ever true by chance."""
    return _compared(judge, function, trial, sure=True)


def _compared(judge, function, trial, sure=False):
    """A hypothesis on the array that differs."""
    place = judge.place(trial)
    actual, expected = (array(place.actual), array(place.expected)) if place else (0, 0)
    if place is None or actual is None or expected is None:
        return ""
    evidence = from_numbers.Evidence(
        actual.astype(float),
        expected.astype(float),
        place.terms,
        trial.record.arguments,
        trial.record.drew,
    )
    return from_numbers.of_arrays(evidence, sure=sure)


def _key(judge, function, trial):
    """A key of a dict that is missing, and the one that may be meant."""
    place = judge.place(trial)
    if place is None:
        return ""
    came, wanted = place.actual, place.expected
    if not isinstance(wanted, Mapping):  # the path itself may be a key of the result
        came, wanted = trial.record.result, [place.path.split("/")[0]]
    if not isinstance(came, Mapping):
        return ""
    missing = [str(key) for key in wanted if key not in came]
    if not missing:
        return ""
    same = [str(key) for key in came if str(key).lower() == missing[0].lower()]
    close = same or difflib.get_close_matches(missing[0], map(str, came), 1)
    meant = f" Is {close[0]!r} meant to be it?" if close else ""
    return f"The dict lacks the key {missing[0]!r}.{meant}"


def _right_parts(judge, function, trial):
    """Which parts of the result are right, where one is wrong."""
    if trial.record.error:
        return ""
    if trial.record.result is None:
        return "It returns None: does every path end in a `return` of the value?"
    right, wrong = [], []
    for part in judge.parts(trial.case, trial.record.result):
        named = part.path.removeprefix("return/")
        (wrong if part.words else right).append(named)
    if not right or not wrong:
        return ""
    return f"Right: {', '.join(right[:6])}. Wrong: {', '.join(wrong[:6])}."


LOOKS = (_unwritten, _waits, _silent, _order, _in_place, _built_in_loop, _mask)
LOOKS += (_old_tuple, _sure, _mended, _raised, _compared, _key, _right_parts)
LOOKS_FROM_OUTSIDE = (_unwritten, _waits, _silent, _mended, _raised)
