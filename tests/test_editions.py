"""The editions of the course: right files are right in theirs, wrong ones in none."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from learner_files import FOLDER, checked

from dls_keras import catalog
from dls_keras.grading import (
    comparison,
    guard,
    not_judged,
    older_numpy,
    parse,
    runner,
)
from dls_keras.grading import report as reports
from dls_keras.reference import compare, editions

EDITIONS = FOLDER / "editions"
SCRIPT = Path(__file__).parent / "older_files.py"

OLD = "2017-2020"
SPRING = "spring 2021"
# Files that need NumPy alone -> the editions of those functions that are not of 2021.
NUMPY_FILES = {
    "deep_network_application_2018": {"two_layer_model": OLD, "L_layer_model": OLD},
    "deep_network_steps_v1": {
        "linear_backward": "2017 v1",
        "linear_activation_backward": "2017 v1",
        "L_model_backward": "2017 v1",
        "update_parameters": OLD,
    },
    "deep_network_steps_v3": {"L_model_backward": "2017-2018"},
    "gradient_checking_2017": {},
    "logistic_regression_2017": {},
    "optimization_2017": {"update_parameters_with_adam": OLD, "model": OLD},
    "planar_classification_2017": {"initialize_parameters": OLD, "nn_model": OLD},
    "recurrent_steps_v1": {"lstm_backward": "2017"},
    "word_vectors_2021": {"equalize": "early 2021"},
}
# Files whose code is for an older NumPy, Keras or TensorFlow.
STACK_FILES = {
    "car_detection_2017": {"yolo_eval": OLD},
    "convolution_application_2017": {},
    "convolution_application_2021": {},
    "convolution_steps_arrays": {},
    "convolution_steps_v1": {"conv_single_step": "2017 v1", "conv_forward": "2017 v1"},
    "dinosaurs_2017": {"clip": OLD, "model": OLD},
    "emojify_2017": {
        "sentence_to_avg": OLD,
        "model": OLD,
        "pretrained_embedding_layer": OLD,
        "Emojify_V2": OLD,
    },
    "face_recognition_2017": {"triplet_loss": OLD},
    "happy_house_2017": {"HappyModel": OLD},
    "style_transfer_2017": {},
    "tensorflow_introduction_2021": {
        "one_hot_matrix": SPRING,
        "compute_total_loss": "2021 to early 2022",
    },
    "tensorflow_tutorial_2017": {},
    "transformer_spring_2021": {
        "create_padding_mask": SPRING,
        "create_look_ahead_mask": SPRING,
        "scaled_dot_product_attention": SPRING,
    },
}
SLOW_FILES = {
    "date_translation_2017": {},
    "jazz_2017": {"music_inference_model": OLD},
    "jazz_2021": {},
    "residual_networks_2017": {"ResNet50": OLD},
    "residual_networks_2022": {"identity_block": "2022"},
    "transfer_learning_2021": {},
    "transformer_2021": {},
    "trigger_word_2017": {"insert_audio_clip": OLD},
}

# File, text to replace, its replacement, the function that is wrong then.
NUMPY_MISTAKES = [
    (
        "deep_network_application_2018",
        "caches)\n        parameters = u",
        "caches)\n        u",
        "L_layer_model",
    ),
    ("deep_network_steps_v1", "/ m\n    dA_prev", "\n    dA_prev", "linear_backward"),
    (
        "deep_network_steps_v1",
        "-(np.divide(Y, AL)",
        "(np.divide(Y, AL)",
        "L_model_backward",
    ),
    (
        "deep_network_steps_v1",
        '"W" + str(l + 1)] -=',
        '"W" + str(l + 1)] +=',
        "update_parameters",
    ),
    (
        "deep_network_steps_v3",
        'activation="relu"\n',
        'activation="sigmoid"\n',
        "L_model_backward",
    ),
    (
        "gradient_checking_2017",
        "/ (2 * epsilon)\n    grad =",
        "/ epsilon\n    grad =",
        "gradient_check",
    ),
    (
        "logistic_regression_2017",
        "b = b - learning_rate",
        "b = b + learning_rate",
        "optimize",
    ),
    (
        "optimization_2017",
        "beta2**t)) + epsilon",
        "beta1**t)) + epsilon",
        "update_parameters_with_adam",
    ),
    ("optimization_2017", "seed = seed + 1\n", "seed = seed\n", "model"),
    ("planar_classification_2017", "seed(2)", "seed(3)", "initialize_parameters"),
    (
        "planar_classification_2017",
        "W2 = np.random.randn(n_y, n_h) * 0.01",
        "W2 = np.random.randn(n_y, n_h)",
        "initialize_parameters",
    ),
    ("recurrent_steps_v1", "reversed(range(T_x))", "range(T_x)", "lstm_backward"),
    (
        "word_vectors_2021",
        "return c1 + mu_orth, c2 + mu_orth",
        "return c1 + mu, c2 + mu",
        "equalize",
    ),
    (
        "word_vectors_2021",
        "np.linalg.norm(mu_orth) ** 2",
        "np.linalg.norm(mu_orth)",
        "equalize",
    ),
]
STACK_MISTAKES = [
    (
        "car_detection_2017",
        "K.argmax(box_scores",
        "K.argmax(box_class_probs * 0 + box_scores[..., ::-1]",
        "yolo_filter_boxes",
    ),
    ("car_detection_2017", "boxes = scale_boxes", "scale_boxes", "yolo_eval"),
    (
        "convolution_steps_v1",
        "np.multiply(a_slice_prev, W) + b",
        "np.multiply(a_slice_prev, W) - b",
        "conv_single_step",
    ),
    (
        "convolution_steps_arrays",
        "Z = Z + float(b)",
        "Z = Z - float(b)",
        "conv_single_step",
    ),
    ("dinosaurs_2017", "-maxValue, maxValue, out", "0, maxValue, out", "clip"),
    ("dinosaurs_2017", "x.lower().strip()", "x.lower()", "model"),
    ("emojify_2017", "avg / len(words)", "avg", "sentence_to_avg"),
    ("emojify_2017", "LSTM(128)(X)", "LSTM(64)(X)", "Emojify_V2"),
    ("emojify_2017", "np.random.seed(1)", "np.random.seed(2)", "model"),
    (
        "face_recognition_2017",
        "pos_dist, neg_dist)",
        "neg_dist, pos_dist)",
        "triplet_loss",
    ),
    ("face_recognition_2017", "dist < 0.7:", "dist > 0.7:", "verify"),
    (
        "happy_house_2017",
        'Dense(1, activation="sigmoid")',
        'Dense(2, activation="softmax")',
        "HappyModel",
    ),
    (
        "style_transfer_2017",
        "J_style += coeff *",
        "J_style = coeff *",
        "compute_style_cost",
    ),
    (
        "tensorflow_introduction_2021",
        "tf.reduce_mean",
        "tf.reduce_max",
        "compute_total_loss",
    ),
    ("tensorflow_tutorial_2017", "axis=0", "axis=1", "one_hot_matrix"),
    ("tensorflow_tutorial_2017", "tf.sigmoid(x)", "tf.tanh(x)", "sigmoid"),
    (
        "transformer_spring_2021",
        "logits += mask * -1e9",
        "logits += mask * 1e9",
        "scaled_dot_product_attention",
    ),
    ("transformer_spring_2021", "return 1 - tf", "return tf", "create_look_ahead_mask"),
]


def assignment_of(file):
    """The assignment of a file, the longest name with which its own begins."""
    return max((name for name in catalog.BY_NAME if file.startswith(name)), key=len)


def with_text_replaced(tmp_path, file, old, new):
    """A copy of a file of an older edition with a mistake."""
    text = (EDITIONS / f"{file}.py").read_text("utf-8")
    assert old in text, f"{file} has no {old!r}"
    path = tmp_path / f"{file}.py"
    path.write_text(text.replace(old, new), encoding="utf-8")
    return path


def written(tmp_path, text):
    """The path of a module with this text."""
    path = tmp_path / "mine.py"
    path.write_text(text, encoding="utf-8")
    return path


def in_older_stack(tasks):
    """The verdicts of (file, path) pairs from a process of their own."""
    pairs = [[assignment_of(file), str(path)] for file, path in tasks]
    done = subprocess.run(
        [sys.executable, SCRIPT],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        cwd=SCRIPT.parent,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


def assert_right(file, verdicts, expected):
    """All functions that the file defines are right, each in its edition."""
    tree = ast.parse((EDITIONS / f"{file}.py").read_text("utf-8"))
    names = [name for name, (status, *_) in verdicts.items() if status != "missing"]
    assert names and len(names) <= len(tree.body)
    for name in names:
        status, edition, words = verdicts[name]
        assert status == "ok", f"{file}, {name}: {words}"
        assert edition == expected.get(name, editions.CURRENT)
    assert set(expected) <= set(names)


# Right and wrong files


@pytest.mark.parametrize("file", NUMPY_FILES)
def test_a_file_is_right_in_its_own_edition(file):
    """Every function of the file, by the cases of its edition."""
    found, _ = checked(assignment_of(file), EDITIONS / f"{file}.py")
    verdicts = {
        name: (v["status"], v.get("edition", ""), f"{v.get('problem')} {hint}")
        for name, (v, hint) in found.items()
    }
    assert_right(file, verdicts, NUMPY_FILES[file])


@pytest.mark.parametrize(("file", "old", "new", "function"), NUMPY_MISTAKES)
def test_a_wrong_function_is_right_in_no_edition(tmp_path, file, old, new, function):
    """A mistake in a file of an older edition is found by that edition's cases."""
    path = with_text_replaced(tmp_path, file, old, new)
    found, _ = checked(assignment_of(file), path, hints=False)
    assert found[function][0]["status"] == "wrong"


def test_code_for_an_older_stack_is_judged_after_all(tmp_path):
    """Sessions, Keras 2 arguments and arrays of one element run; mistakes are found."""
    right = [(file, EDITIONS / f"{file}.py") for file in STACK_FILES]
    wrong = []
    for number, (file, old, new, _) in enumerate(STACK_MISTAKES):
        (folder := tmp_path / str(number)).mkdir()
        wrong.append((file, with_text_replaced(folder, file, old, new)))
    found = in_older_stack([*right, *wrong])
    for (file, expected), verdicts in zip(STACK_FILES.items(), found, strict=False):
        assert_right(file, verdicts, expected)
    for (file, _, _, function), verdicts in zip(
        STACK_MISTAKES, found[len(right) :], strict=True
    ):
        assert verdicts[function][0] == "wrong", f"{file}: {function}"


@pytest.mark.large
def test_models_of_an_older_stack_are_judged_after_all():
    """Large models: ResNet50, jazz of two editions, the date translator."""
    found = in_older_stack([(file, EDITIONS / f"{file}.py") for file in SLOW_FILES])
    for (file, expected), verdicts in zip(SLOW_FILES.items(), found, strict=True):
        assert_right(file, verdicts, expected)


# The table


def entries():
    """The entry of each function in the reference files, by assignment."""
    for row in catalog.ASSIGNMENTS:
        if row.reference:
            for reference in comparison.references(row.name):
                for function, entry in reference.functions.items():
                    yield row.name, function, entry


def test_each_row_of_the_table_names_a_function_and_its_cases():
    """An id that is dropped or changed exists; each edition has cases."""
    known = {(name, function): entry for name, function, entry in entries()}
    for row in editions.differences():
        key = row["assignment"], row["function"]
        references = comparison.references(row["assignment"])
        current = comparison.cases_by_function(references)[row["function"]]
        ids = {case.id for case in current}
        assert {*row.get("drop", ()), *row.get("expected", {})} <= ids, key
        found = editions.of(*key, current, known[key])
        assert row["edition"] in [one.label for one in found]
        assert all(one.cases for one in found), key


@pytest.mark.parametrize("name", [r.name for r in catalog.ASSIGNMENTS if r.reference])
def test_the_cases_of_all_editions_have_different_names(name):
    """The worker and the runner know a case by its name."""
    by_function = comparison.editions_by_function(name, comparison.references(name))
    for its_editions in by_function.values():
        groups = editions.groups(its_editions)
        names = [case.id for variants in groups for case in variants]
        assert len(names) == len(set(names))
        assert set(names) == {c.id for one in its_editions for c in one.cases}


def test_the_worker_does_not_keep_the_answers():
    """Cases without answers have paths alone, in every edition."""
    references = comparison.references("word_vectors")
    full = comparison.editions_by_function("word_vectors", references)
    for edition in comparison.without_answers(full)["equalize"]:
        for case in edition.cases:
            assert set(case.expected.values()) == {None}


def gender(unit):
    """GloVe's man and woman, of length 1 if `unit`; skips without the vectors."""
    import os

    path = Path(os.environ.get("DLS_KERAS_DATA", ""), "word_vectors")
    path /= "glove.6B.50d.top9163.txt"
    if not path.is_file():
        pytest.skip("needs GloVe vectors")
    words = {}
    for line in path.read_text("utf-8").splitlines():
        word, *numbers = line.split()
        if word in ("man", "woman"):
            words[word] = np.array(numbers, float)
    if unit:
        words = {w: v / np.linalg.norm(v) for w, v in words.items()}
    return words


EQUALIZE = """
import numpy as np

def equalize(pair, bias_axis, word_to_vec_map):
    n, g = np.linalg.norm, bias_axis
    def along(v):
        return v @ g / n(g) ** {power} * g
    e = [word_to_vec_map[word] for word in pair]
    mu = (e[0] + e[1]) / 2
    mu_B = along(mu)
    mu_orth = mu - mu_B
    s = np.sqrt(np.abs(1 - n(mu_orth) ** 2))
    return tuple(mu_orth + s * (along(v) - mu_B) / {distance} for v in e)
"""


@pytest.mark.parametrize(
    ("edition", "power", "distance", "unit", "printed"),
    [
        (
            "2017-2020 and 2023",
            2,
            "n(v - mu_orth - mu_B)",
            False,
            (-0.7004, 0.7004),
        ),
        ("early 2021", 1, "n(v - mu_orth - mu_B)", False, (-0.9427, 0.9232)),
        ("2021 v2a", 2, "np.abs(v - mu_orth - mu_B)", False, None),
        ("2021", 2, "n(v - mu_B)", True, (-0.0586, 0.0586)),
        (
            "2017-2020 and 2023",
            2,
            "n(along(v) - mu_B)",
            True,
            (-0.2387, 0.2387),
        ),
    ],
)
def test_each_form_of_equalize_is_right_and_prints_the_course_s_numbers(
    tmp_path, edition, power, distance, unit, printed
):
    """Five published forms; the cosines with the axis are those of the notebooks."""
    text = EQUALIZE.format(power=power, distance=distance)
    found, space = checked("word_vectors", written(tmp_path, text))
    assert found["equalize"][0]["status"] == "ok"
    assert found["equalize"][0]["edition"] == edition
    if printed:
        words = gender(unit)
        axis = words["woman"] - words["man"]
        both = space.names["equalize"](("man", "woman"), axis, words)
        cosines = [e @ axis / np.linalg.norm(e) / np.linalg.norm(axis) for e in both]
        np.testing.assert_allclose(cosines, printed, atol=6e-5)


def test_no_edition_hides_a_mistake_of_the_current_one():
    """Without signs, the report of a function that is right nowhere is that of 2021."""
    references = comparison.references("word_vectors")
    full = comparison.editions_by_function("word_vectors", references)["equalize"]
    messages = {case.id: "wrong" for one in full for case in one.cases}
    seen = editions.Seen("equalize", ["pair", "bias_axis", "word_to_vec_map"])
    assert comparison.chosen(full, seen, [], messages).label == editions.CURRENT
    assert comparison.chosen(full, seen, ["2021 v2a"], messages).label == "2021 v2a"


# What is not judged


GAP = """
import numpy as np

def sigmoid(x):
    #(≈ 1 line of code)
    # s = ...
    # YOUR CODE STARTS HERE


    # YOUR CODE ENDS HERE
    return s

def image2vector(image):
    ### START CODE HERE ### (≈ 1 line of code)
    v = None
    ### END CODE HERE ###
    return v

def normalize_rows(x):
    for row in x:
        # YOUR CODE STARTS HERE

        # YOUR CODE ENDS HERE
    return x

def sigmoid_derivative(x):
    s = sigmoid(x)
    return s * (1 - s)

def softmax(x):
    if x.ndim == 1:
        raise NotImplementedError("one row")
    return np.exp(x)
"""


def test_a_function_that_is_not_written_is_not_wrong(tmp_path):
    """An empty gap, None, a loop without a body, and what needs one of these."""
    path = written(tmp_path, GAP)
    report = runner.check("numpy_basics", path)
    found = {v.function: v for v in report.verdicts}
    for name in ("sigmoid", "image2vector", "normalize_rows", "sigmoid_derivative"):
        assert found[name].status == "not written", name
    assert found["softmax"].status == "wrong"  # it raises the error for other input
    assert "line 7" in found["sigmoid"].hint
    assert "It needs sigmoid" in found["sigmoid_derivative"].hint
    assert "NameError" not in reports.sentence(found["sigmoid"])
    assert not report.ok


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("def f():\n    # YOUR CODE STARTS HERE\n\n    # YOUR CODE ENDS HERE", [1]),
        ("    ### START CODE HERE ###\n    a = 1\n    ### END CODE HERE ###", []),
        ("    # START CODE HERE\n    # only a comment", [0]),
        ("    x = 1", []),
    ],
)
def test_an_empty_place_for_code_is_found(text, lines):
    """Comments between the markers are no code."""
    assert parse.gaps(text) == lines


def test_functions_from_another_file_are_given(tmp_path):
    """They are not judged, and helpers of the course do not count against the file."""
    helper = "import numpy as np\ndef sigmoid(x): return x\ndef relu(x): return x\n"
    helper += "def forward_propagation(X, parameters): return np.int(1)\n"
    (tmp_path / "init_utils.py").write_text(helper, encoding="utf-8")
    text = "from init_utils import *\nimport numpy as np\n"
    text += "def initialize_parameters_zeros(d):\n    return {"
    text += "k + str(l): v for l in range(1, len(d)) for k, v in "
    text += "(('W', np.zeros((d[l], d[l - 1]))), ('b', np.zeros((d[l], 1))))}\n"
    report = runner.check("initialization", written(tmp_path, text))
    found = {verdict.function: verdict.status for verdict in report.verdicts}
    assert found["initialize_parameters_zeros"] == "ok"
    assert found["sigmoid"] == found["forward_propagation"] == "given"
    assert found["compute_loss"] == "provided"


def test_a_solution_in_another_file_is_not_the_learner_s(tmp_path):
    """A function that the learner should write is given, and the report says so."""
    solution = "def L1(yhat, y):\n    return abs(yhat - y).sum()\n"
    (tmp_path / "theirs.py").write_text(solution, encoding="utf-8")
    report = runner.check("numpy_basics", written(tmp_path, "from theirs import L1"))
    verdict = next(v for v in report.verdicts if v.function == "L1")
    assert verdict.status == "given"
    assert "imported from theirs" in reports.sentence(verdict)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("A KerasTensor cannot be used as input to ..."), "keras.ops"),
        (ValueError("Only input tensors may be passed as positional"), "by keyword"),
        (TypeError("missing a required argument: 'sequences'"), "refuses `inputs=`"),
        (AttributeError("module 'numpy' has no attribute 'float_'"), "np.float_"),
        (AttributeError("module 'numpy' has no attribute 'flaot'"), ""),
        (AttributeError("'tuple' object has no attribute 'as_list'"), "list(x.shape)"),
        (ValueError("shapes (2,) and (3,) not aligned"), ""),
        (guard.SolutionImportError("course1 of dls_keras"), ""),
    ],
)
def test_a_refusal_of_today_s_libraries_is_told_from_a_mistake(tmp_path, error, words):
    """With what changed and how to write it today; a mistake has no such text."""
    path = written(tmp_path, "x = 1")
    _, space = checked("numpy_basics", path)
    fake = type("Runner", (), {"namespace": space})
    found = not_judged.refusal(fake, error)
    assert words in found and bool(found) == bool(words)


def test_a_missing_file_is_no_mistake_of_a_function(tmp_path):
    """A global that needs it has no value, and the function cannot run here."""
    text = "SCALE = float(open('scale.txt').read())\n"
    text += "def L1(yhat, y):\n    return SCALE * abs(yhat - y).sum()\n"
    found, _ = checked("numpy_basics", written(tmp_path, text))
    assert found["L1"][0]["status"] == "cannot run here"
    assert "scale.txt" in found["L1"][1]


def test_modules_of_a_helper_file_are_brought_along(tmp_path):
    """`from public_tests import *` binds np, which the functions use."""
    text = "from public_tests import *\n\ndef L2(yhat, y):\n"
    text += "    return np.dot(y - yhat, y - yhat)\n"
    found, _ = checked("numpy_basics", written(tmp_path, text))
    assert found["L2"][0]["status"] == "ok"


def test_a_function_that_is_bound_to_its_result_is_found_by_its_definition(tmp_path):
    """As in the notebooks: `model = model(...)`."""
    text = "import numpy as np\n\ndef sigmoid(x):\n    return 1 / (1 + np.exp(-x))\n\n"
    text += "def sigmoid_derivative(x):\n    s = 1 / (1 + np.exp(-x))\n"
    text += "    return s * (1 - s)\n\nsigmoid = sigmoid(3)\nprint(sigmoid)\n"
    text += "def L1(yhat, y):\n    return 0 * sigmoid + abs(yhat - y).sum()\n"
    found, _ = checked("numpy_basics", written(tmp_path, text))
    assert found["sigmoid"][0]["status"] == found["L1"][0]["status"] == "ok"


# Arrays of one element


def test_arrays_of_one_element_are_numbers_again():
    """In float(), int(), % and assignments; other arrays still raise."""
    one = np.ones((1, 1, 1))
    text = "def f(a, one):\n    a[0, 1:2] = 5\n    a[0, 0] = one\n"
    text += "    return float(one), int(one), '%d %.1f' % (7, one), a\n"
    names = dict(older_numpy.FUNCTIONS)
    tree = ast.Module([older_numpy.rewritten(ast.parse(text).body[0])], [])
    exec(compile(ast.fix_missing_locations(tree), "cell", "exec"), names)
    *values, a = names["f"](np.zeros((2, 2)), one)
    assert values == [1.0, 1, "7 1.0"] and a[0].tolist() == [1.0, 5.0]
    assert names["f"].__code__.co_firstlineno == 1
    with pytest.raises(ValueError, match="sequence"):
        older_numpy.store(np.zeros(2), 0, np.ones(3))
    with pytest.raises(TypeError):
        older_numpy.as_float(np.ones(2))


def test_methods_of_a_class_are_rewritten():
    """A name with two underscores would be private to the class."""
    text = "class Layer:\n    def call(self, a):\n        a['x'] = float(1)\n"
    names = dict(older_numpy.FUNCTIONS)
    tree = ast.Module([older_numpy.rewritten(ast.parse(text).body[0])], [])
    exec(compile(ast.fix_missing_locations(tree), "cell", "exec"), names)
    names["Layer"]().call(found := {})
    assert found == {"x": 1.0}


def test_lists_and_dicts_are_stored_as_they_are():
    """An array of one element in a dict stays an array."""
    found = {}
    older_numpy.store(found, "W1", np.ones((1, 1)))
    assert found["W1"].shape == (1, 1)


# Hints


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("return", "the result"),
        ("grads/dw", "grads['dw']"),
        ("return/dA2", "dA2"),
        ("dxt/[1, 2]", "dxt[1, 2]"),
        ("Z/[0,:4]/@mean", "the mean of Z[0,:4]"),
        ("return/@layers", "the list of layers of the result"),
        ("cache/0/1", "cache[0][1]"),
    ],
)
def test_a_path_is_named_in_words(path, words):
    """A learner does not know the paths of the reference files."""
    assert compare.named(path) == words


def test_a_change_in_place_is_named_as_such(tmp_path):
    """Not as values in another order."""
    text = (EDITIONS / "logistic_regression_2017.py").read_text("utf-8")
    text = text.replace("w = w - learning_rate *", "w -= learning_rate *")
    found, _ = checked("logistic_regression", written(tmp_path, text))
    assert "in place" in found["optimize"][1]


def test_the_same_mistake_in_two_lines_is_found(tmp_path):
    """Two lines that differ only in numbers need one edit each."""
    text = (EDITIONS / "planar_classification_2017.py").read_text("utf-8")
    for layer in "12":
        old = f"np.sum(dZ{layer}, axis=1, keepdims=True)"
        assert old in text
        text = text.replace(old, f"np.sum(dZ{layer}, axis=0, keepdims=True)")
    found, _ = checked("planar_classification", written(tmp_path, text))
    assert "right axis" in found["backward_propagation"][1]
