"""The format of the reference files, with small files and functions made for them."""

import json
import random
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.reference import cases, compare, values


@pytest.fixture
def read(tmp_path):
    """A function that writes a reference file of the given content and reads it."""

    def read(functions=None, **content):
        content = {"format": 1, "functions": functions or {}, **content}
        (tmp_path / "made.json").write_text(json.dumps(content))
        return cases.read("made", tmp_path)

    return read


@pytest.fixture
def outcome(read, tmp_path):
    """A function that runs one case of `f`; data sets are in the folder of the file."""

    def outcome(f, inputs, expected, entry=None, **case):
        case = {"id": "1", "inputs": inputs, "expected": expected, **case}
        entry = {"signature": list(inputs), "cases": [case], **(entry or {})}
        (case,) = read({"f": entry}).cases
        return cases.run_case(case, {"f": f, "twice": twice}, data_folder=tmp_path)

    return outcome


def same(x):
    return x


def twice(x):
    return 2 * x


def draws(seed, *calls):
    """The results of successive calls of NumPy's legacy generator."""
    generator = np.random.RandomState(seed)
    return [getattr(generator, name)(*shape).tolist() for name, *shape in calls]


# Values.

ROW = {"arange": [4], "dtype": "int64"}
FACES = {"npz": "made.npz", "key": "X"}
STANDARD = {"seed": 1, "method": "randn", "args": [2]}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({"dtype": "int64", "shape": [2, 2], "data": [1, 2, 3, 4]}, [[1, 2], [3, 4]]),
        ({"dtype": "float64", "shape": [], "data": [0.5]}, 0.5),
        ({"arange": [1, 7, 2]}, [1, 3, 5]),
        ({"recipe": STANDARD}, draws(1, ("randn", 2))[0]),
        (
            {"recipe": STANDARD, "order": 2},
            draws(1, ("randn", 2), ("randn", 2), ("randn", 2))[2],
        ),
        (
            {"recipe": {**STANDARD, "before": [["rand", [3]], ["randn", [1]]]}},
            draws(1, ("rand", 3), ("randn", 1), ("randn", 2))[2],
        ),
        (
            {
                "recipe": {
                    "seed": 1,
                    "method": "randint",
                    "kwargs": {"high": 9, "low": 8},
                }
            },
            8,
        ),
        (FACES, [[1, 2, 3], [4, 5, 6]]),
        ({"dataset": "made", "key": "X"}, [[1, 2, 3], [4, 5, 6]]),
        ({**FACES, "post": [["T"]]}, [[1, 4], [2, 5], [3, 6]]),
        ({**FACES, "post": [["reshape", [3, 2]]]}, [[1, 2], [3, 4], [5, 6]]),
        ({**FACES, "post": [["index", "[:,0]"]]}, [1, 4]),
        ({**FACES, "post": [["index", "[-1, 1:3]"], ["sub", 1]]}, [4, 5]),
        ({**ROW, "post": [["mul", 3], ["add", 1], ["div", 2]]}, [0.5, 2, 3.5, 5]),
        ({**ROW, "post": [["add", 1], ["mul", 3]]}, [3, 6, 9, 12]),
        ({**ROW, "post": [["gt", 1]]}, [False, False, True, True]),
        ({**ROW, "post": [["lt", 1]]}, [True, False, False, False]),
        ({**ROW, "post": [["neg"], ["abs"], ["pow", 2]]}, [0, 1, 4, 9]),
        ({**ROW, "post": [["neg"]]}, [0, -1, -2, -3]),
        ({**ROW, "post": [["mod", 3]]}, [0, 1, 2, 0]),
        ({**ROW, "post": [["div", 2], ["astype", "int64"]]}, [0, 0, 1, 1]),
        ({"arange": [2], "post": [["onehot", 3]]}, [[1, 0, 0], [0, 1, 0]]),
        (float("nan"), float("nan")),
        (float("-inf"), float("-inf")),
        (None, None),
        (["a", {"b": True}], ["a", {"b": True}]),
    ],
)
def test_a_written_value_is_decoded(outcome, tmp_path, written, value):
    """The function receives the array, list, dict or number that was written."""
    np.savez(tmp_path / "made.npz", X=np.arange(1, 7).reshape(2, 3))
    result = outcome(same, {"x": written}, {"return": value})
    assert result.ok, result.message

    def wrong(x):
        return x + 1 if isinstance(x, np.ndarray) else 0

    assert not outcome(wrong, {"x": written}, {"return": value}).ok


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ({"tuple": [1, [2]]}, (1, [2])),
        ({"items": [[0, "a"], [[1, 2], "b"]]}, {0: "a", (1, 2): "b"}),
        ({"items": [[{"tuple": [1, 2]}, {"tuple": [3]}]]}, {(1, 2): (3,)}),
        ({"dict": {"tuple": {"tuple": [1]}}}, {"tuple": (1,)}),
        ({"set": ["a", 1]}, {"a", 1}),
        ({"function": "twice"}, twice),
        ({"callable": "numpy:tanh"}, np.tanh),
        ({"callable": "numpy:linalg.norm"}, np.linalg.norm),
    ],
)
def test_a_written_container_or_function_is_decoded(outcome, written, value):
    """Its type is that of the Python object."""
    received = []
    assert outcome(received.append, {"x": written}, {"return": None}).ok
    assert received == [value] and type(received[0]) is type(value)


def test_the_dtypes_of_arrays_are_those_written(outcome):
    """The key "return/@dtype" compares the dtype; without it, it is not compared."""
    written = {"dtype": "float32", "shape": [1], "data": [0.1]}
    assert outcome(same, {"x": written}, {"return/@dtype": "float32"}).ok
    assert not outcome(same, {"x": written}, {"return/@dtype": "float64"}).ok
    assert outcome(same, {"x": written}, {"return": [0.1]}).ok


def test_tensors_variables_and_data_sets_are_made(outcome):
    """Values marked as tensor, variable or tf_dataset are TensorFlow objects."""
    import tensorflow as tf

    row = {"dtype": "float64", "shape": [2], "data": [1, 2]}
    shape = {"shape": [40, 50], "seed": 1}

    def kinds(a, b, one, two, draw):
        assert tf.is_tensor(a) and isinstance(b, tf.Variable)
        assert isinstance(one, tf.data.Dataset) and draw.dtype == "float32"
        return {
            "dtypes": [a.dtype.name, b.dtype.name],
            "one": [element.numpy() for element in one],
            "two": [first + second for first, second in two.as_numpy_iterator()],
            "tensors": [a, b],
            "draw": draw,
        }

    inputs = {
        "a": {"tensor": row},
        "b": {"variable": row, "dtype": "float32"},
        "one": {"tf_dataset": [row]},
        "two": {"tf_dataset": [row, row]},
        "draw": {"glorot_normal": shape},
    }
    limit = 2 * np.sqrt(2 / 90) / 0.8796  # a normal draw cut at two deviations
    expected = {
        "dtypes": ["float64", "float32"],
        "one": [1, 2],
        "two": [2, 4],
        "tensors": [[1, 2], [1, 2]],
        "draw/@shape": [40, 50],
        "draw/@std": {"between": [0.145, 0.153]},  # sqrt(2 / 90) = 0.149, 2000 draws
        "draw/@max": {"between": [0.9 * limit, limit]},
    }
    result = outcome(kinds, inputs, expected)
    assert result.ok, result.message
    assert not outcome(kinds, inputs, {"tensors": [[1, 2], [1, 3]]}).ok


def test_a_case_with_a_missing_data_set_is_unmet(read, tmp_path):
    """`unmet` names the file, and running the case fails."""
    inputs = {"x": {"tuple": [{"dataset": "moons", "key": "X"}]}}
    case = {"id": "1", "inputs": inputs, "expected": {}}
    (case,) = read({"f": {"signature": ["x"], "cases": [case]}}).cases
    assert "moons.npz" in cases.unmet(case, tmp_path)
    assert "moons.npz" in cases.unmet(case, None)
    assert not cases.run_case(case, {"f": same}, data_folder=tmp_path).ok
    np.savez(tmp_path / "moons.npz", X=[1])
    assert cases.unmet(case, tmp_path) == ""


# Comparison.

NINE = {"dtype": "float64", "shape": [3, 3], "data": list(range(9))}


@pytest.mark.parametrize(
    ("received", "expected", "words"),
    [
        (np.arange(9).reshape(3, 3), NINE, ""),
        (np.arange(9), NINE, "expected an array of shape (3, 3), received an array"),
        (np.eye(3), NINE, "9 of 9 values in shape (3, 3) differ, most at [2,"),
        (np.array([1.0, np.nan]), [1, float("nan")], ""),
        (np.array([1.0, 2.0]), [1, float("nan")], "at [1]: expected nan, received 2"),
        (np.array([5.0]), [float("inf")], "expected inf, received 5"),
        (np.array([True, False]), [1, 0], ""),
        ([1, 2], {"dtype": "int64", "shape": [2], "data": [1, 2]}, ""),
        ((1.0, 2.0), [1, 2], ""),
        ([None, 2, 3], [None, 3], "expected 2 values, received 3"),
        ((1, 2, 3), [1, 2], "expected [1, 2], received [1, 2, 3]"),
        ([[1, 2], [3]], [[1, 2], [3]], ""),
        ([[1, 2], [3]], [[1, 2], [4]], "element 1: 1 of 1 values"),
        ([1, "b"], [1, "c"], "element 1: expected 'c', received 'b'"),
        ([1, "b"], [1, "b", 2], "expected 3 values, received 2"),
        (np.array(["a", "b"]), ["a", "b"], ""),
        (["a", "b"], ["a", "c"], "element 1: expected 'c', received 'b'"),
        (5.8, 5.8, ""),
        (np.float32(5.8), 5.8, ""),
        (5.9, 5.8, "expected 5.8, received 5.9, 0.1 apart where 6.8e-06 is allowed"),
        (np.array([[5.8]]), 5.8, "expected 5.8, received an array of shape (1, 1)"),
        (None, 5.8, "expected 5.8, received None (is a `return` missing?)"),
        (True, True, ""),
        (False, True, "expected True, received False"),
        ("cat", "cat", ""),
        (3, "cat", "expected 'cat', received 3"),
        (None, None, ""),
        (0, None, "expected None, received 0"),
        ({"a": 1, "b": 2}, {"a": 1}, ""),
        ({"a": 1}, {"a": 2}, "key 'a': expected 2, received 1"),
        ({"b": 1}, {"a": 1}, "the key 'a' is missing from a dict with the keys 'b'"),
        ([1], {"a": 1}, "expected a dict with the keys 'a', received [1]"),
        ({1: "a"}, {"items": [[1, "a"]]}, ""),
        ({1, 2}, {"set": [2, 1]}, ""),
        ({1, 3}, {"set": [2, 1]}, "expected the set of 1, 2, received the set of 1, 3"),
        ([1, 2], {"set": [2, 1]}, "expected the set of 1, 2, received [1, 2]"),
        (twice, {"function": "twice"}, ""),
        (same, {"function": "twice"}, "received an object of type function"),
        (np.zeros((2, 3)), {"shape_only": [2, 3]}, ""),
        (np.zeros((3, 2)), {"shape_only": [2, 3]}, "expected shape [2, 3], received"),
        (2, {"any_of": [1, 2]}, ""),
        (3, {"any_of": [1, 2]}, "none of 2 accepted values; of the first, expected 1"),
        ([1, 2], {"less_than": 3}, ""),
        ([1, 3], {"less_than": 3}, "numbers less than 3, received numbers from 1 to 3"),
        ([4, 5], {"greater_than": 3}, ""),
        (3, {"greater_than": 3}, "expected a number greater than 3, received 3"),
        ([0.0, 1.0], {"between": [0, 1]}, ""),
        ([0.0, 1.5], {"between": [0, 1]}, "between 0 and 1, received numbers from 0"),
        (float("nan"), {"between": [0, 1]}, "between 0 and 1, received nan"),
        ("x", {"between": [0, 1]}, "expected numbers, received 'x'"),
        ([1, 0, 1, 1], {"agrees_with": [1, 1, 1, 1], "fraction": 0.75}, ""),
        (
            [1, 0, 1, 0],
            {"agrees_with": [1, 1, 1, 1], "fraction": 0.75, "atol": 0.01},
            "expected 0.75 of the elements to be right, received 0.5",
        ),
        ([1, 0], {"agrees_with": [1], "fraction": 1}, "expected shape (1,), received"),
    ],
)  # fmt: skip
def test_a_result_is_compared_with_the_expected_value(
    outcome, received, expected, words
):
    """The message is empty if both agree; else it describes the difference."""
    result = outcome(lambda: received, {}, {"return": expected})
    assert result.ok == (words == "")
    assert words in result.message


@pytest.mark.parametrize(
    ("options", "agrees"),
    [
        ({}, False),
        ({"atol": 0.1}, True),
        ({"rtol": 0.01}, True),
        ({"rtol": 0.0001}, False),
        ({"tol": {"return": {"atol": 0.1}}}, True),
        ({"tol": {"Z": {"atol": 0.1}}}, False),
        ({"atol": 0.1, "tol": {"return": {"atol": 0.001, "rtol": 0}}}, False),
    ],
)
def test_a_case_may_set_its_tolerances(outcome, options, agrees):
    """|actual - expected| <= atol + rtol |expected|; `tol` sets them per key."""
    assert outcome(lambda: 10.05, {}, {"return": 10}, **options).ok == agrees


def test_options_of_a_case_make_the_comparison_looser_or_stricter(outcome):
    """An array of size 1 may replace a number; further keys may be forbidden."""
    assert outcome(lambda: np.array([[3]]), {}, {"return": 3}, loose_scalar=True).ok
    assert not outcome(lambda: np.ones(2), {}, {"return": 1}, loose_scalar=True).ok
    for expected in ({"a": 1}, {"return": {"a": 1}}):
        assert outcome(lambda: {"a": 1, "b": 2}, {}, expected).ok
        result = outcome(lambda: {"a": 1, "b": 2}, {}, expected, exact_keys=True)
        assert "unexpected key 'b'" in result.message
        assert outcome(lambda: {"a": 1}, {}, expected, exact_keys=True).ok


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None)  # a busy machine is not a failure
@given(json_values)
def test_a_value_agrees_with_itself(value):
    """With a tolerance of zero, for any JSON value."""
    assert compare.difference(value, value, compare.EXACTLY) == ""


@settings(deadline=None)
@given(json_values, json_values)
def test_comparing_any_two_values_raises_no_exception(actual, expected):
    """A learner's result of an unexpected type is described."""
    assert isinstance(compare.difference(actual, expected), str)


# Paths.

RESULT = {
    "grads": {"dw": np.arange(6.0).reshape(2, 3)},
    "cache": (1, [2, 3], {5: "five", -1: "last"}),
    "point": SimpleNamespace(x=7),
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("return/grads/dw", [[0, 1, 2], [3, 4, 5]]),
        ("grads/dw/[1,2]", 5),
        ("grads/dw/[0, :2]", [0, 1]),
        ("grads/dw/[..., -1]", [2, 5]),
        ("grads/dw/[::-1,0]", [3, 0]),
        ("cache/0", 1),
        ("cache/1/1", 3),
        ("cache/1/-1", 3),
        ("cache/2/5", "five"),
        ("cache/2/-1", "last"),
        ("point/x", 7),
        ("grads/dw/size", 6),
        ("grads/dw/@mean", 2.5),
        ("grads/dw/@sum", 15),
        ("grads/dw/@min", 0),
        ("grads/dw/@max", 5),
        ("grads/dw/@norm", 55**0.5),
        ("grads/dw/@std", (35 / 12) ** 0.5),
        ("grads/dw/@shape", [2, 3]),
        ("grads/dw/[0]/@shape", [3]),
        ("cache/@len", 3),
        ("grads/dw/@dtype", "float64"),
        ("cache/@type", "tuple"),
        ("return/@keys", ["point", "grads", "cache"]),
        ("cache/0/@str", "1"),
        ("grads/dw/[0,1]/@int", 1),
        ("cache/1/@numpy", [2, 3]),
    ],
)
def test_a_path_leads_to_a_value(outcome, path, value):
    """Keys, indices, attributes, array indices and operations are followed."""
    result = outcome(lambda: RESULT, {}, {path: value})
    assert result.ok, result.message
    wrong = outcome(lambda: RESULT, {}, {path: "something else"})
    assert wrong.message.startswith(f"{path}: expected 'something else'")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("db", "there is no 'db' in a dict with the keys 'grads', 'cache', 'point'"),
        ("cache/9", "index out of range"),
        ("point/y", "there is no 'y' in an object of type SimpleNamespace"),
        ("grads/dw/[7,0]", "index 7 is out of bounds"),
        ("cache/@mean", "expected numbers, received a tuple of 3 values"),
    ],
)
def test_a_path_without_a_value_is_reported(outcome, path, words):
    """The message contains the path and what was found instead."""
    result = outcome(lambda: RESULT, {}, {path: 1})
    assert not result.ok and result.message.startswith(path) and words in result.message


def test_returns_order_names_the_elements_of_a_tuple(outcome):
    """A single name means the result itself."""
    pair = {"returns_order": ["grads", "cost"]}
    good = outcome(lambda: ({"dw": 1}, 2), {}, {"grads/dw": 1, "cost": 2}, entry=pair)
    assert good.ok, good.message
    assert outcome(lambda: [1, 2], {}, {"return": [1, 2], "cost": 2}, entry=pair).ok
    words = "expected a tuple of 2 values (grads, cost), received"
    for wrong in (np.ones((2, 2)), (1, 2, 3), {"grads": 1, "cost": 2}, None):
        assert words in outcome(lambda x=wrong: x, {}, {"cost": 2}, entry=pair).message
    single = {"returns_order": ["A"]}
    assert outcome(lambda: [1, 2], {}, {"A": [1, 2]}, entry=single).ok


# Calls.


def test_arguments_are_passed_by_position_up_to_the_first_missing_one(outcome):
    """So that a learner may give parameters other names."""

    def f(first, /, b=10, *, c, d):
        return [first, b, c, d]

    inputs = {"d": 4, "c": 3, "a": 1}
    entry = {"signature": ["a", "b", "c"]}
    assert outcome(f, inputs, {"return": [1, 10, 3, 4]}, entry=entry).ok


def test_generators_are_seeded_right_before_the_call(outcome):
    """Both the legacy generator of NumPy and Python's own."""

    def draw():
        return [np.random.rand(), random.random()]

    seeds = {"numpy": 3, "python": 1}
    expected = [np.random.RandomState(3).rand(), random.Random(1).random()]
    assert outcome(draw, {}, {"return": expected}, seed_before=seeds).ok
    assert not outcome(draw, {}, {"return": expected}, seed_before={"numpy": 3}).ok


def test_tensorflow_is_seeded_right_before_the_call(outcome):
    """With the same global seed TensorFlow samples the same numbers."""
    import tensorflow as tf

    tf.random.set_seed(5)
    expected = float(tf.random.normal([]))
    draw, seeds = (lambda: tf.random.normal([])), {"tensorflow": 5}
    assert outcome(draw, {}, {"return": expected}, seed_before=seeds).ok
    assert not outcome(draw, {}, {"return": expected}, seed_before={"tensorflow": 6}).ok


def test_changes_of_arguments_are_checked(outcome):
    """`expected_inputs` requires a change in place, `inputs_unchanged` forbids it."""

    def grow(a, b):
        a.append(2)

    inputs = {"a": [1], "b": [1]}
    assert outcome(grow, inputs, {}, expected_inputs={"a": [1, 2]}).ok
    result = outcome(grow, inputs, {}, expected_inputs={"b": [1, 2]})
    assert result.message.startswith("b after the call: expected")
    assert outcome(grow, inputs, {}, inputs_unchanged=["b"]).ok
    result = outcome(grow, inputs, {}, inputs_unchanged=["b", "a"])
    assert result.message.startswith("a, which must not change: expected")


def test_an_expected_exception_may_be_a_subclass(outcome):
    """`raises` names a class; another exception or a result is a failure."""
    assert outcome(lambda: {}["a"], {}, {}, raises="LookupError").ok
    result = outcome(lambda: 1 / 0, {}, {}, raises="LookupError")
    assert "expected a LookupError, but f raised ZeroDivision" in result.message
    result = outcome(lambda: 3, {}, {}, raises="LookupError")
    assert result.message == "expected a LookupError, received 3"


def test_an_exception_is_reported_with_its_line(outcome):
    """In one sentence instead of a traceback."""
    message = outcome(lambda: [][1], {}, {"return": 1}).message
    assert message.startswith("f raised IndexError: list index out of range (line ")
    assert message.endswith("of test_cases.py)") and "\n" not in message


def test_functions_are_looked_up_in_order(read):
    """In each namespace, a module or a mapping, then among the provided helpers."""
    case = {"id": "1", "inputs": {}, "expected": {"return": 1}}
    (case,) = read({"f": {"cases": [case]}}).cases
    one, two = {"f": lambda: 1}, SimpleNamespace(f=lambda: 2)
    assert cases.run_case(case, [one, two]).ok
    assert not cases.run_case(case, [two, one]).ok
    assert cases.run_case(case, [{}, one]).ok
    assert cases.run_case(case, [{}]).message == "there is no function f"

    inputs = {"layer": {"function": "twice"}, "inputs": [3]}
    case = {"id": "1", "inputs": inputs, "expected": {"return": [6, 6]}}
    (case,) = read({"layer_out": {"signature": ["layer"], "cases": [case]}}).cases
    assert cases.run_case(case, {"twice": lambda x: np.tile(2 * x, 2)}).ok
    assert cases.run_case(case, {}).message == "there is no function twice"


class Scale:
    """A simple layer, whose weights exist after the first call."""

    def __init__(self, start, shift=0):
        self.start, self.shift = start, shift
        self.weights = None

    def __call__(self, x):
        if self.weights is None:
            self.weights = [self.start]
        return self.weights[0] * x + self.shift

    def set_weights(self, weights):
        assert len(weights) == len(self.weights)
        self.weights = weights

    def negative(self, x):
        return -self(x)


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ({}, 6),
        ({"method": "negative"}, -6),
        ({"weights": [5]}, 15),
        ({"construct": {"start": 2, "shift": 1}}, 7),
    ],
)
def test_a_class_is_constructed_given_weights_and_called(outcome, options, value):
    """`construct` has its arguments; `weights` are set after a first call."""
    options = {"construct": {"start": 2}, **options}
    entry = {"kind": "class"}
    assert outcome(Scale, {"x": 3}, {"return": value}, entry=entry, **options).ok
    assert not outcome(Scale, {"x": 3}, {"return": 0}, entry=entry, **options).ok


# Runs.


def train(n, print_cost=False):
    costs = [1 / (step + 1) for step in range(n)]
    for step in range(0, n, 10):
        if print_cost:
            print(f"Cost after iteration {step}: {costs[step]}")
    return {"w": n}, costs


RUN = {
    "id": "both",
    "call": [
        {
            "function": "train",
            "signature": ["n"],
            "returns_order": ["parameters", "costs"],
            "inputs": {"n": 20, "print_cost": True},
        },
        {
            "function": "predict",
            "inputs": {"w": {"result": 0, "path": "parameters/w"}, "x": {"result": 0}},
        },
    ],
}


def predict(w, x):
    return w * len(x)


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ({"return": 40, "#0:parameters/w": 20, "#0:costs/[1]": 0.5}, ""),
        ({"#1:return": 41}, "the result of predict: expected 41, received 40"),
        ({"#0:costs/[1]": 1}, "costs/[1] of train: expected 1, received 0.5"),
        ({"#0:printed_costs": {"0": 1, "10": 1 / 11}}, ""),
        (
            {"#0:printed_costs": {"0": 1, "10": 2}},
            "key '10': expected 2, received 0.09",
        ),
        ({"#0:printed_costs": {"15": 9}}, ""),  # not among the printed lines
        ({"#1:printed_costs": {"0": 9}}, ""),  # nothing printed, nothing compared
    ],
)
def test_a_run_passes_results_on_and_compares_each(read, expected, words):
    """A later call takes earlier results; the prefix "#0:" means the first result."""
    (run,) = read(runs=[{**RUN, "expected": expected}]).runs
    result = cases.run_case(run, {"train": train, "predict": predict})
    assert result.ok == (words == "") and words in result.message


def test_a_result_that_cannot_be_passed_on_is_reported(read):
    """The first call of the run returns a number instead of a tuple."""
    (run,) = read(runs=[{**RUN, "expected": {"return": 40}}]).runs
    result = cases.run_case(run, {"train": lambda n, print_cost: 3, "predict": predict})
    assert result.message == (
        "no arguments for predict: expected a tuple of 2 values (parameters, costs), "
        "received 3"
    )


@pytest.mark.parametrize(
    ("text", "costs"),
    [
        ("Cost after iteration 100: 0.584508\n", {"100": 0.584508}),
        ("Cost after epoch 0: 1.9e+00\nCost after epoch 5: nan", {"0": 1.9, "5": None}),
        ("Cost after iteration 2: [[0.7]]", {"2": 0.7}),
        ("After iteration 2 the cost is 0.7", {}),
    ],
)
def test_printed_costs_are_read(read, text, costs):
    """In the formats of all editions; other lines are ignored."""
    expected = {step: value or float("nan") for step, value in costs.items()}
    wrong = {step: -1 for step in costs}
    for printed_costs, agrees in ((expected, True), (wrong, not costs)):
        run = {"id": "1", "call": {"function": "f", "inputs": {}}}
        run["expected"] = {"printed_costs": printed_costs}
        (run,) = read(runs=[run]).runs
        assert cases.run_case(run, {"f": lambda: print(text)}).ok == agrees


# Cases that cannot be run, and invalid files.


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"runs": [{"id": "1", "expected": {}}]}, "no call does this run"),
        ({"runs": [{"id": "1", "data": {"needs": "SIGNS"}}]}, "needs SIGNS"),
        ({"cases": {"needs": "glove"}}, "needs glove"),
        ({"cases": {"skip_runner": "superseded"}}, "superseded"),
        ({"reference_only": {}}, "for reading only"),
        ({"models": {"M": {"builder": "model.json"}}}, "no case has the arguments"),
    ],
)
def test_a_case_that_cannot_be_run_has_a_reason(read, content, reason):
    """`unmet` returns it; no case of a file is dropped silently."""
    case = {"id": "1", "inputs": {}, "expected": {}}
    if "cases" in content:
        content = {"functions": {"f": {"cases": [case | content["cases"]]}}}
    if "reference_only" in content:
        content = {"reference_only": {"f": {"cases": [case]}}}
    reference = read(**content)
    (case,) = (*reference.cases, *reference.runs, *reference.models)
    assert reason in cases.unmet(case)
    assert not cases.run_case(case, {"f": same}).ok


def test_an_invalid_reference_file_is_refused(tmp_path):
    """Missing, damaged and newer files have different messages."""
    with pytest.raises(MissingFileError, match="no file at"):
        cases.read("missing", tmp_path)
    (tmp_path / "cut.json").write_text('{"format": 1, "func')
    with pytest.raises(InputError, match="is not a file of reference values"):
        cases.read("cut", tmp_path)
    (tmp_path / "newer.json").write_text('{"format": 2}')
    with pytest.raises(InputError, match="has format 2, expected 1"):
        cases.read("newer", tmp_path)
    np.savez(tmp_path / "made.npz", X=[1])
    with pytest.raises(InputError, match="has no array 'Y'"):
        sources = values.Sources(tmp_path)
        values.decode({"npz": "made.npz", "key": "Y"}, sources)


def test_a_case_without_tensors_needs_no_tensorflow():
    """So that NumPy assignments are checked within a second."""
    program = (
        "import sys, numpy\n"
        "from dls_keras.reference import cases\n"
        "sigmoid = lambda z: 1 / (1 + numpy.exp(-z))\n"
        "for case in cases.read('c1w2_logistic_regression').cases:\n"
        "    if case.function == 'sigmoid':\n"
        "        assert cases.run_case(case, {'sigmoid': sigmoid}).ok\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


# Comparators of models.


@pytest.fixture(scope="module")
def build():
    """A builder of a small model with the layers of the comparators."""
    import keras
    from keras import layers

    def build(rate=0.5, activation="relu", extra=False, shift=1):
        x = start = keras.Input((8, 8, 3))
        x = layers.Conv2D(4, 3, padding="same", kernel_initializer="he_normal")(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Flatten()(x) * shift  # arithmetic, which makes no layer
        if extra:
            x = layers.Dropout(0.0)(x)
        x = layers.Dropout(rate)(x)
        return keras.Model(start, layers.Dense(2, activation=activation)(x))

    return build


COMPARATOR = {
    "builder": "build",
    "layers": [
        ["InputLayer", [None, 8, 8, 3], 0],
        ["MaxPooling2D", [None, 4, 4, 4], 0, [2, 2], [2, 2], "valid"],
        ["Conv2D", [None, 8, 8, 4], 112, "same", "linear", "HeNormal"],
        ["Flatten", [None, 64], 0],
        ["TensorFlowOpLayer", [None, 64], 0],
        ["Dropout", [None, 64], 0, 0.5],
        ["Dense", [None, 2], 130, "relu"],
    ],
    "total_params": 242,
    "trainable_params": 242,
}


@pytest.mark.parametrize(
    ("inputs", "changes", "words"),
    [
        ({}, {}, ""),
        ({}, {"layers": []}, ""),
        (
            {"rate": 0.4},
            {},
            "expected the layer ['Dropout', [None, 64], 0, 0.5], recei",
        ),
        ({"activation": "tanh"}, {}, "received ['Dense', [None, 2], 130, 'tanh',"),
        ({"extra": True}, {}, "unexpected layer ['Dropout', [None, 64], 0]"),
        ({}, {"trainable_params": 240}, "expected 240 trainable parameters, received"),
    ],
)
def test_a_model_is_compared_with_the_comparator(read, build, inputs, changes, words):
    """The case with as many parameters gives the arguments; layers may be reordered."""
    case = {"id": "1", "inputs": inputs, "expected": {"return/@params": 242}}
    functions = {"build": {"signature": [], "cases": [case]}}
    (model,) = read(functions, models={"small": {**COMPARATOR, **changes}}).models
    result = cases.run_case(model, {"build": build})
    assert result.ok == (words == "") and words in result.message
    assert not cases.run_case(model, {"build": lambda **_: None}).ok


def test_layers_and_weights_of_a_model_are_read(outcome, build):
    """`@layers` lists class, output shape and parameters; `@weights` the arrays."""
    layers = [row[:3] for row in COMPARATOR["layers"] if row[0][:6] != "Tensor"]
    layers[1], layers[2] = layers[2], layers[1]
    assert outcome(build, {}, {"return/@layers": layers, "return/@params": 242}).ok
    assert not outcome(build, {}, {"return/@layers": layers[::-1]}).ok
    zeros = {
        "return/layers/-1/@weights/1": [0, 0],
        "return/outputs/0/@shape": [None, 2],
    }
    result = outcome(build, {}, zeros)
    assert result.ok, result.message
