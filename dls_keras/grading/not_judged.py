"""Why a function that fails is not called wrong: not written, or of an older stack."""

from dls_keras.grading import parse
from dls_keras.grading.hints import from_source
from dls_keras.grading.judge import CaseRunner


def reason(runner: CaseRunner, function: str) -> tuple[str, str]:
    """The status of a function that failed instead of "wrong", and why; or two "".

    The reason takes the place of a problem and a hint.

    Args:
        runner: has run the cases of all functions.
        function: one with a case that failed.
    """
    if why := unwritten(runner, function):
        return "not written", why
    return "", ""


def unwritten(runner: CaseRunner, function: str) -> str:
    """Where a placeholder is left in a function, "" if there is none."""
    found = runner.namespace.definitions.get(runner.name_in_file(function))
    if found is None:
        return ""
    if empty := parse.gaps(found.text):
        line = found.node.lineno + empty[0]
        return f"Not implemented yet: no code follows the marker in line {line}."
    error = runner.results[function][0].call.error
    if line := from_source.placeholder(found.node, error):
        return f"Not implemented yet: line {line} has a placeholder."
    return ""
