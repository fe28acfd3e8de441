"""Files that try to pass `dls-keras check` without a solution."""

import importlib
import json

import pytest
from learner_files import solution

from dls_keras.core import files
from dls_keras.grading import guard, messages, runner
from dls_keras.grading import report as reports
from dls_keras.reference import cases
from dls_keras.reference.cases import Facts, NotFound

OUR_FILE = files.PACKAGE / "course1" / "numpy_basics.py"
HONEST = """
import numpy as np

def L2(yhat, y):
    return np.dot(y - yhat, y - yhat)
"""


def checked(tmp_path, text, name="numpy_basics", **limits):
    """The report on a file with this text, and {function: (status, sentence)}."""
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    report = runner.check(name, path, **limits)
    assert report.error == ""
    return report, {
        v.function: (v.status, reports.sentence(v)) for v in report.verdicts
    }


def right(found):
    """The functions that are right."""
    return {function for function, (status, _) in found.items() if status == "ok"}


# Imports of our solutions


@pytest.mark.parametrize(
    "text",
    [
        "from dls_keras.course1.numpy_basics import *",
        "from dls_keras.course1.numpy_basics import sigmoid, L1",
        "import dls_keras.course1.numpy_basics as m\nsigmoid = m.sigmoid\nL1 = m.L1",
        "import dls_keras\nsigmoid = dls_keras.numpy_basics.sigmoid\n"
        "def sigmoid_derivative(x):\n    return sigmoid(x) * (1 - sigmoid(x))",
        "from importlib import import_module\n"
        "m = import_module('dls_keras.course1.numpy_basics')\n"
        "def normalize_rows(x):\n    return m.normalize_rows(x)",
        "from dls_keras import numpy_basics\nsigmoid = numpy_basics.sigmoid",
    ],
)
def test_an_imported_solution_is_missing(tmp_path, text):
    """The notes say why; the functions of the file itself are still checked."""
    report, found = checked(tmp_path, text + HONEST)
    assert right(found) == {"L2"}
    assert {found["sigmoid"][0], found["L1"][0]} == {"missing"}
    assert not report.ok
    (note,) = [note for note in report.notes if "belongs to the solutions" in note]
    assert "write the function yourself" in note


WRAPPERS = f"""
import functools, importlib.util, os, runpy, sys, tempfile
import dls_keras
import dls_keras.course1.numpy_basics as m
from dls_keras import catalog, models

def basic_sigmoid(x):
    return functools.partial(m.basic_sigmoid)(x)

def sigmoid(x):
    return m.sigmoid(x)

def sigmoid_derivative(x):
    from dls_keras.course1.numpy_basics import sigmoid_derivative
    return sigmoid_derivative(x)

def image2vector(image):
    return catalog.load("numpy_basics").image2vector(image)

def normalize_rows(x):
    return sys.modules["dls_keras.course1.numpy_basics"].normalize_rows(x)

def softmax(x):
    return runpy.run_path({str(OUR_FILE)!r})["softmax"](x)

def L1(yhat, y):
    names = {{}}
    exec(open(os.path.relpath({str(OUR_FILE)!r})).read(), names)
    return names["L1"](yhat, y)

def L2(yhat, y):
    path = os.path.join(tempfile.mkdtemp(), "own.py")
    os.symlink({str(OUR_FILE)!r}, path)
    spec = importlib.util.spec_from_file_location("own", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.L2(yhat, y)
"""


def test_a_function_that_calls_our_solution_is_wrong(tmp_path):
    """Through whichever way it looks for it."""
    _, found = checked(tmp_path, WRAPPERS)
    assert {status for status, _ in found.values()} == {"wrong"}
    for function in ("sigmoid_derivative", "image2vector", "softmax", "L1", "L2"):
        assert "belongs to the solutions of dls_keras" in found[function][1]


EXPECTED = f"""
import json, sys
import dls_keras.core.files
import dls_keras.datasets

FOLDER = {str(files.PACKAGE / "reference")!r}

def sigmoid(x):  # the expected value of the case that runs
    frame = sys._getframe()
    while frame:
        if "case" in frame.f_locals:
            return frame.f_locals["case"].expected["return"]
        frame = frame.f_back

def softmax(x):
    from dls_keras.reference import cases
    return cases.read("c1w2_numpy_basics").functions["softmax"]

def L1(yhat, y):
    return json.load(open(FOLDER + "/c1w2_numpy_basics.json"))
"""


def test_the_expected_values_are_not_where_the_functions_run(tmp_path):
    """Neither in the calling frames nor in modules nor in files that they can open."""
    _, found = checked(tmp_path, EXPECTED + HONEST)
    assert right(found) == {"L2"}
    assert found["sigmoid"][0] == "wrong"
    for function in ("softmax", "L1"):
        assert "belongs to the solutions of dls_keras" in found[function][1]


def test_helpers_may_be_imported_from_dls_keras(tmp_path):
    """As the last cell of `dls-keras start` suggests; other names may not."""
    text = solution("deep_network_steps")
    for function in ("sigmoid", "relu", "sigmoid_backward", "relu_backward"):
        assert f"def {function}(" not in text
    text = text.replace(
        "from dnn_utils_v2 ", "from dls_keras.course1.deep_network_steps "
    )
    assert "from dls_keras" in text
    report, found = checked(tmp_path, text, "deep_network_steps")
    assert report.ok and "dls_keras" not in "".join(report.notes)
    assert found["relu"][0] == "provided"


def test_a_helper_does_not_lead_to_the_solution(tmp_path):
    """Its global names are only those that it needs."""
    text = """
import numpy as np
from dnn_utils_v2 import sigmoid, relu

def linear_forward(A, W, b):
    return sigmoid.__globals__["linear_forward"](A, W, b)

def linear_activation_forward(A_prev, W, b, activation):
    for function in (sigmoid, relu):
        assert "linear_activation_forward" not in function.__globals__
        assert not hasattr(function, "__wrapped__")
    return {}[activation]
"""
    _, found = checked(tmp_path, text, "deep_network_steps")
    assert "KeyError: 'linear_forward'" in found["linear_forward"][1]
    assert "KeyError: " in found["linear_activation_forward"][1]


def test_the_modules_of_the_package_may_import_each_other():
    """`pytest --dls NAME` checks our own solution."""
    row = runner.known("deep_network_application")
    assert runner.check(row.name, runner.package_file(row)).ok


@pytest.mark.parametrize(
    ("module", "closed"),
    [
        ("dls_keras.course1", True),
        ("dls_keras.course5.transformer", True),
        ("dls_keras.fast.layers", True),
        ("dls_keras.reference.cases", True),
        ("dls_keras", False),
        ("dls_keras.core.files", False),
        ("dls_keras.datasets.faces", False),
        ("my_package.course1", False),
    ],
)
def test_only_modules_with_solutions_are_closed(module, closed):
    """The course's solutions, their fast forms, and what judges them."""
    assert guard.closed(module) == closed


# Patches


PATCHES = """
import builtins, gc, json, sys, types
import numpy as np

def sigmoid(x):
    for module in [m for m in gc.get_objects() if isinstance(m, types.ModuleType)]:
        if module.__name__.startswith("dls_keras."):
            for name in ("difference", "pick", "numbers"):
                if hasattr(module, name):
                    setattr(module, name, lambda *args, **more: "")
    return 0.123

def softmax(x):
    np.allclose = np.array_equal = lambda *args, **more: True
    np.testing.assert_allclose = np.testing.assert_array_equal = print
    return "nonsense"

def normalize_rows(x):
    np.abs = np.isfinite = np.isnan = np.asarray = lambda *args, **more: np.zeros(3)
    return x

def sigmoid_derivative(x):
    builtins.abs = lambda x: 0
    builtins.any = lambda x: False
    builtins.all = lambda x: True
    return x

def image2vector(image):
    json.dumps = lambda *args, **more: '{"kind": "facts"}'
    json.loads = lambda *args, **more: {}
    return image

def basic_sigmoid(x):
    sys.stdout = sys.stderr = None
    return 1
"""


def test_patches_do_not_make_a_function_right(tmp_path):
    """Of our modules, NumPy, the built-in functions, json and the streams."""
    _, found = checked(tmp_path, PATCHES + HONEST)
    assert right(found) <= {"L2"}


def test_a_patch_of_the_comparison_spoils_no_other_function(tmp_path):
    """A right function that runs after it is still right."""
    text = PATCHES.partition("def normalize_rows")[0].partition("def softmax")
    text = "import numpy as np\n" + "".join(text[1:]) + HONEST
    _, found = checked(tmp_path, text)
    assert right(found) == {"L2"}


OBJECTS = """
import numpy as np

class Any:
    shape = ()
    dtype = float
    def __eq__(self, other): return True
    def __array__(self, *args, **more): raise Exception
    def __len__(self): return 1
    def __getattr__(self, name): return self
    def __getitem__(self, key): raise Exception
    def __float__(self): return 0.5
    __hash__ = None

class Text(str):
    def __eq__(self, other): return True
    __hash__ = str.__hash__

class Array(np.ndarray):
    def __eq__(self, other): return np.ones(self.shape, bool)
    def __sub__(self, other): return np.zeros(self.shape)
    astype = lambda self, *args: self

def sigmoid(x): return Any()
def softmax(x): return Text("a")
def L1(yhat, y): return np.ones(()).view(Array)
def normalize_rows(x): return np.ones(x.shape).view(Array)
def image2vector(image): raise AssertionError
"""


def test_an_object_that_equals_everything_is_wrong(tmp_path):
    """Only plain values reach the comparison."""
    _, found = checked(tmp_path, OBJECTS + HONEST)
    assert right(found) == {"L2"}


# Messages of the learner's code


FORGED = """
import json, os, sys
import numpy as np

def write(*lines):
    for number in range(3, 40):
        try:
            if "pipe" in os.readlink(f"/proc/self/fd/{number}"):
                for line in lines:
                    os.write(number, json.dumps(line).encode() + b"\\n")
        except OSError:
            pass

def sigmoid(x):
    write(
        {"verdict": {"function": "sigmoid", "status": "ok", "passed": 2, "cases": 2}},
        {"done": True, "notes": []},
    )
    return 0.1

def softmax(x):
    facts = {"found": {"return": 1}, "arguments": {}, "keys": None, "failure": ""}
    facts |= {"raised": [], "received": ""}
    for case in ("2021-print", "1", "2"):
        write({"kind": "facts", "function": "softmax", "case": case, "count": 0,
               "facts": facts, "seconds": 0, "remarks": [], "timeout": False})
    return 0.1

def L1(yhat, y):
    write({"kind": "defined", "notes": [], "used": 0, "functions": {}}, 3, [], None)
    return 0.1

def image2vector(image):
    write("[" * 100_000)
    os.write(1, b"ok\\n"), os.write(2, b"ok\\n")
    return 0.1
"""


def test_forged_messages_make_no_function_right(tmp_path):
    """They end the worker; the next one checks the other functions."""
    _, found = checked(tmp_path, FORGED + HONEST)
    assert right(found) == {"L2"}
    for function in ("sigmoid", "softmax", "L1", "image2vector"):
        assert found[function][0] == "wrong"
    assert "writes to the pipe of the check" in found["sigmoid"][1]


def test_a_forged_message_at_the_top_makes_no_function_right(tmp_path):
    """Functions that are missing do not become helpers of the course."""
    text = FORGED.partition("def sigmoid")[0] + (
        "NAMES = ['basic_sigmoid', 'sigmoid', 'sigmoid_derivative', 'image2vector',"
        " 'normalize_rows', 'softmax', 'L1']\n"
        "ONE = {'status': 'provided', 'why': '', 'parameters': None}\n"
        "ALL = dict.fromkeys(NAMES, ONE)\n"
        "ALL['L2'] = {'status': 'defined', 'why': '', 'parameters': None}\n"
        "ZERO = write({'kind': 'defined', 'functions': ALL, 'notes': [], 'used': 0})\n"
    )
    report, found = checked(tmp_path, text + HONEST.replace("np.dot", "ZERO or np.dot"))
    assert right(found) <= {"L2"} and not report.ok
    assert found["softmax"][0] == "missing"


# The format of the messages


@pytest.mark.parametrize(
    "value",
    [
        *(None, True, 3, 0.5, float("inf"), "text", [1, [2.5, None]], (1, "a"), {1, 2}),
        {"a": 1, (1, 2): {3: [4]}},
        NotFound("there is none"),
    ],
)
def test_plain_values_are_sent_unchanged(value):
    """Through JSON, with the types of collections and keys."""
    sent = messages.decode(json.loads(json.dumps(messages.encode(value))))
    assert sent == value and type(sent) is type(value)


def test_arrays_and_objects_are_sent_as_plain_values():
    """Arrays with type and shape; objects only with their type, shape and dtype."""
    import numpy as np

    def sent(value):
        return messages.decode(json.loads(json.dumps(messages.encode(value))))

    for array in (
        np.arange(6.0).reshape(2, 3),
        np.zeros((0, 2), "int8"),
        np.eye(2) > 0,
    ):
        assert sent(array).dtype == array.dtype
        np.testing.assert_array_equal(sent(array), array)
    assert sent(np.float32(0.1)) == np.float32(0.1)
    assert sent(np.array([["a"], ["b"]])).tolist() == [["a"], ["b"]]
    assert sent(range(3)).tolist() == [0, 1, 2]

    class Symbolic:
        shape, dtype = (None, 3), "float32"

        def __array__(self):
            raise ValueError

    found = sent(Symbolic())
    assert type(found).__name__ == "Symbolic" and found.shape == (None, 3)
    nested = []
    for _ in range(100):
        nested = [nested]
    for large in (np.zeros(messages.LARGEST), nested):
        with pytest.raises(ValueError, match="larger|nested"):
            messages.encode(large)
    facts = messages.encode_facts(Facts({"return": nested}))
    assert "nested" in messages.decode_facts(facts).found["return"].words
    for forged in ({"array": "O", "shape": [1], "data": ""}, {"pickle": 1}):
        with pytest.raises(ValueError):
            messages.decode(forged)


def test_an_exception_without_a_text_is_no_agreement():
    """A result that raises whenever it is read is wrong."""

    class Empty:
        def __getitem__(self, key):
            raise AssertionError

        def __array__(self, *args, **more):
            raise AssertionError

    call = cases.Call(function="f", inputs={}, signature=())
    for path in ("return", "return/0", "return/[0]"):
        case = cases.Case(function="f", id="1", calls=(call,), expected={path: 1})
        assert not cases.run_case(case, {"f": Empty}).ok


def test_the_answers_of_a_case_can_be_removed():
    """`facts` needs only the paths; `judge` adds the comparison."""
    reference = cases.read("c1w2_numpy_basics")
    module = importlib.import_module("dls_keras.course1.numpy_basics")
    for case in reference.cases:
        if not cases.unmet(case) and case.function == "softmax":
            without = cases.without_answers(case)
            assert set(without.expected.values()) == {None}
            found = cases.facts(without, module)
            assert cases.judge(case, found).ok
            assert not cases.judge(case, Facts()).ok
