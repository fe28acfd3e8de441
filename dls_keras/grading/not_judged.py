"""Why a function that fails is not called wrong: not written, or it cannot run here."""

import re

from dls_keras.grading import guard, parse
from dls_keras.grading.call_record import CallAborted, TimeLimitExceeded
from dls_keras.grading.hints import choose, from_source
from dls_keras.grading.judge import CaseRunner
from dls_keras.grading.namespace import used_names

# A pattern of "Type: message" -> what changed, and how to write it today. {0} is the
# first group of the pattern.
REFUSALS = {
    r"A KerasTensor cannot be used|KerasTensor is symbolic": (
        "Keras 3 refuses functions of TensorFlow on the symbolic inputs of a model: "
        "call them in a Lambda layer, or use keras.ops."
    ),
    r"Only input tensors may be passed as positional": (
        "Keras 3 takes only tensors by position: pass training= and mask= by keyword."
    ),
    r"TypeError: missing a required argument: '(inputs|sequences|x)'": (
        "Keras 3 refuses `inputs=` in the call of a layer: pass the tensor by position."
    ),
    r"Unrecognized keyword arguments? passed to (\w+): \{'(\w+)'": (
        "Keras 3 refuses `{1}=` of {0}, which Keras 2 took: leave it out, or see the "
        "documentation for its new name."
    ),
    r"Argument\(s\) not recognized: \{'(\w+)'": (
        "Keras 3 refuses `{0}=`: `lr=` is `learning_rate=` today, and `decay=` a "
        "schedule."
    ),
    r"Attempting to capture an EagerTensor|`tf.Session|The Session graph is empty|"
    r"Tensor.graph is undefined when eager|placeholder\(\) is not compatible with eager"
    r"|Cannot convert a symbolic|is out of scope": (
        "TensorFlow 2 computes eagerly, without graphs and sessions: call functions "
        "on tensors, and read their values with .numpy()."
    ),
    r"has no attribute 'as_list'|has no attribute 'get_shape'": (
        "In Keras 3 a shape is a tuple: write list(x.shape)."
    ),
    r"URL fetch failure|HTTPError|URLError": (
        "It needs a download, and a file under check has no network."
    ),
    r"'types.SimpleNamespace' object has no attribute '(\w+)'": (
        "{0} was in a part of TensorFlow 1 or Keras 2 that has no successor of this "
        "name: use the layer or function of tf.keras."
    ),
    r"channels_first|NCHW|only supports .*NHWC": (
        "TensorFlow computes convolutions on a CPU with channels last only: leave out "
        "data_format='channels_first'."
    ),
}
# "module 'numpy' has no attribute 'float_'": names that the module once had.
ATTRIBUTE = re.compile(r"module '([\w.]+)' has no attribute '(\w+)'")
NUMPY_NAMES = re.compile(
    r"(?:float|int|complex|unicode|string|cfloat|singlecomplex)_|asfarray|asscalar|msort"
    r"|trapz|in1d|mat|set_string_function|cast|source|find_common_type|obj2sctype"
)
KERAS_NAMES = re.compile(
    r"get_session|set_session|set_learning_phase|learning_phase|placeholder|function|"
    r"gradients|update_add|control_flow_ops|tf|backend|engine|legacy|merge|Merge|"
    r"CuDNN\w+|Convolution\dD|MaxoutDense|Highway|experimental|objectives|wrappers"
)


def reason(runner: CaseRunner, function: str) -> tuple[str, str]:
    """The status of a function that failed instead of "wrong", and why; or two "".

    The reason takes the place of a problem and a hint.

    Args:
        runner: has run the cases of all functions.
        function: one with a case that failed.
    """
    if why := unwritten(runner, function):
        return "not written", why
    failed = next(result for result in runner.results[function] if result.message)
    why = refusal(runner, failed.call.error)
    if not failed.direct and not why:
        why = _refused(failed.message)
    if why:
        return "cannot run here", why
    if names := _unwritten_callees(runner, function):
        be = "are" if len(names) > 1 else "is"
        return "not written", f"It needs {' and '.join(names)}, which {be} not written."
    return "", ""


def unwritten(runner: CaseRunner, function: str) -> str:
    """Where a placeholder is left in a function, "" if there is none."""
    found = runner.namespace.definitions.get(runner.name_in_file(function))
    if found is None:
        why = runner.namespace.undefined.get(function, "")
        return why if function in runner.namespace.unwritten else ""
    if empty := parse.gaps(found.text):
        first = found.node.lineno + empty[0]
        return f"Not implemented yet: no code follows the marker in line {first}."
    errors = [result.call.error for result in runner.results.get(function, ())]
    error = next((error for error in errors if error), None)
    if line := from_source.placeholder(found.node, error):
        return f"Not implemented yet: line {line} has a placeholder."
    return ""


def refusal(runner: CaseRunner, error: BaseException | None) -> str:
    """What today's libraries refuse in code that was right for older ones, or ""."""
    if error is None or isinstance(error, TimeLimitExceeded | CallAborted):
        return ""
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, guard.SolutionImportError) or "of dls_keras" in text:
        return ""
    if why := _refused(text):
        return why
    if match := ATTRIBUTE.search(text):
        return _lost_name(*match.groups())
    if type(error).__name__ == "MissingImportError":
        name = str(error).split("\n")[0]
        return f"{name}: install it, or put it in the folder of your file."
    if match := re.match(r"NameError: name '(\w+)' is not defined", text):
        if why := runner.namespace.unbound.get(match[1]):
            return f"{match[1]} has no value, since {why}"
    return ""


def _refused(text):
    """What an error message says of a refusal, or ""."""
    for pattern, words in REFUSALS.items():
        if match := re.search(pattern, text):
            return words.format(*match.groups())
    return ""


def _lost_name(module, name):
    """A name that a module of an older version had; "" if it never had it."""
    if module == "numpy" and NUMPY_NAMES.fullmatch(name):
        return f"np.{name} was removed from NumPy: use its newer name."
    if module.startswith("tensorflow") and name in ("contrib", "flags", "logging"):
        return (
            f"tf.{name} belongs to TensorFlow 1, and TensorFlow 2 has nothing like it."
        )
    if "keras" in module and KERAS_NAMES.fullmatch(name):
        return f"Keras 3 has no {module.split('.')[-1]}.{name} any more."
    return ""


def _unwritten_callees(runner, function):
    """The functions that are not written and alone make this one fail."""
    node = runner.definition(function)
    if node is None or not runner.results[function][0].direct:
        return []
    wrong = _wrong_callees(runner, function)
    roots = sorted(_roots(runner, wrong, {function}))
    return roots if roots and choose.right_with(runner, function, wrong) else []


def _wrong_callees(runner, function):
    """The functions of the assignment that a function calls and that are not right."""
    node = runner.definition(function)
    if node is None:
        return []
    called = used_names(node) & runner.results.keys() - {function}
    return [name for name in sorted(called) if not runner.is_right(name)]


def _roots(runner, names, seen):
    """What is not written among functions and those that they call, or nothing.

    Nothing if one of them is wrong for another reason.
    """
    found = set()
    for name in set(names) - seen:
        seen.add(name)
        if unwritten(runner, name):
            found.add(name)
            continue
        inner = _roots(runner, _wrong_callees(runner, name), seen)
        if not inner:
            return set()
        found |= inner
    return found
