"""Enough cases: a constant answer fails, a mistake fails, the values are right.

The values of the cases called made-11 and following come from the lessons; here they
are compared with computations that share no code with them.
"""

import dataclasses
import functools
import itertools
import json
import math

import mutation_score
import numpy as np
import pytest

from dls_keras import catalog
from dls_keras.grading import comparison
from dls_keras.reference import cases, values

NAMES = mutation_score.names()
NUMPY = [
    row.name
    for row in catalog.ASSIGNMENTS
    if row.name in NAMES and row.course <= 2 and "tensorflow" not in row.name
]
NUMPY += ["convolution_steps", "recurrent_steps", "dinosaurs", "word_vectors"]

# A function without parameters has one answer, and 2017 only its shape.
WITHOUT_PARAMETERS = {
    ("tensorflow_introduction", "linear_function"),
    ("tensorflow_introduction", "initialize_parameters"),
    ("tensorflow_tutorial", "linear_function"),
    ("convolution_application", "happyModel"),
    ("convolution_application", "initialize_parameters"),
    ("transfer_learning", "data_augmenter"),
}
# One model, which no constant can be: its weights are set, or counted.
MODELS = {
    ("happy_house", "HappyModel"),
    ("residual_networks", "ResNet50"),
    ("transfer_learning", "alpaca_model"),
    ("convolution_application", "convolutional_model"),
    ("date_translation", "modelf"),
    ("trigger_word", "modelf"),
    ("emojify", "Emojify_V2"),
    ("jazz", "djmodel"),
    ("jazz", "music_inference_model"),
    ("image_segmentation", "unet_model"),
}


@functools.cache
def cases_of(assignment):
    """Function -> its cases."""
    return comparison.cases_by_function(comparison.references(assignment))


def differ(one, other):
    """Whether no result passes both cases."""
    if one.raises or other.raises:
        return one.raises != other.raises
    return any(
        json.dumps(one.expected[key]) != json.dumps(other.expected[key])
        for key in one.expected.keys() & other.expected.keys()
    )


@pytest.mark.parametrize("name", NAMES)
def test_each_function_has_two_cases_with_different_answers(name):
    """So that no constant answer is right."""
    for function, its_cases in cases_of(name).items():
        if (name, function) in WITHOUT_PARAMETERS:
            continue
        assert len(its_cases) >= 2, function
        if (name, function) not in MODELS:
            pairs = itertools.combinations(its_cases, 2)
            assert any(differ(*pair) for pair in pairs), function


def record(answers, function, *args, **kwargs):
    """Call a function and keep its answer."""
    answers.append(function(*args, **kwargs))
    return answers[-1]


def last(answers, *args, **kwargs):
    """The last answer that was kept, for any arguments."""
    return answers[-1]


@pytest.mark.parametrize("name", NUMPY)
def test_a_constant_answer_is_wrong(name):
    """A function that returns what ours returns for one case fails another one."""
    module = catalog.load(name)
    for function, its_cases in cases_of(name).items():
        case = next(case for case in its_cases if not case.raises)
        answers = []
        recorded = functools.partial(record, answers, getattr(module, function))
        assert cases.run_case(case, [{function: recorded}, vars(module)]).ok
        constant = {function: functools.partial(last, answers)}
        assert not all(cases.run_case(c, [constant, module]).ok for c in its_cases)


# Mutants.


def test_nearly_all_mutants_of_two_assignments_fail_a_case(capsys):
    """The mutation score of two NumPy assignments; it is printed."""
    names = ("numpy_basics", "deep_network_steps")
    found = [row for name in names for row in mutation_score.scores(name)]
    with capsys.disabled():
        print("\n" + mutation_score.report(found))
    assert mutation_score.ratio(found) >= 0.95


@pytest.mark.large
@pytest.mark.parametrize("course", [1, 2, 4, 5])
def test_nearly_all_mutants_of_a_course_fail_a_case(course, capsys):
    """The mutation score of a course: one of eight mutants that build models."""
    found = []
    for row in catalog.ASSIGNMENTS:
        if row.course == course and row.reference:
            every = 1 if row.name in NUMPY else 8
            found += mutation_score.in_a_process(row.name, (), every)
    with capsys.disabled():
        print("\n" + mutation_score.report(found))
    assert mutation_score.ratio(found) >= 0.95


def test_a_mutant_that_no_case_sees_is_reported():
    """With a case that compares nothing, only mutants that fail are killed."""
    its_cases = cases_of("numpy_basics")["L1"]
    module = vars(catalog.load("numpy_basics"))
    source = mutation_score.source("numpy_basics", "L1", module, {"L1": its_cases})
    blind = [dataclasses.replace(its_cases[0], expected={})]
    found = mutation_score.score("numpy_basics", "L1", source, blind)
    changes = [change for _, change, _ in found.survivors]
    assert any("np.subtract(y, yhat)) -> np.sum(" in change for change in changes) or (
        any("** 0.5" in change for change in changes)
    )
    assert mutation_score.ratio([found]) < 0.95


# The values, by computations that share no code with the lessons.


def values_of(file, function, number=11):
    """The inputs of the case made-NUMBER, by name, and its expected values."""
    (case,) = [
        case
        for case in cases.read(file).cases
        if case.function == function and case.id == f"made-{number}"
    ]
    decode = functools.partial(values.decode, sources=values.Sources(case.folder))
    inputs = {name: decode(value) for name, value in case.calls[0].inputs.items()}
    return inputs, {key: decode(value) for key, value in case.expected.items()}


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("c1w2_numpy_basics", "x"),
        ("c1w2_logistic_regression", "z"),
        ("c1w3_planar", "x"),
        ("c2w1_initialization", "x"),
        ("c2w2_optimization", "x"),
        ("c5w1_rnn_step_by_step", "x"),
    ],
)
def test_the_sigmoids_of_the_cases_are_right(file, name):
    """Compared with the formula, number by number."""
    inputs, expected = values_of(file, "sigmoid")
    found = [1 / (1 + math.exp(-number)) for number in inputs[name].flat]
    np.testing.assert_allclose(expected["return"].ravel(), found, rtol=1e-9)


@pytest.mark.parametrize(
    ("file", "axis"),
    [
        ("c1w2_numpy_basics", 1),
        ("c5w1_rnn_step_by_step", 0),
        ("c5w1_dinosaurus", 0),
        ("c5w2_emojify", 0),
    ],
)
def test_the_softmaxes_of_the_cases_are_right(file, axis):
    """Compared with the formula, for each column or row."""

    def softmax(x):
        total = sum(math.exp(number) for number in x)
        return [math.exp(number) / total for number in x]

    inputs, expected = values_of(file, "softmax")
    found = np.apply_along_axis(softmax, axis, inputs["x"])
    np.testing.assert_allclose(expected["return"], found, rtol=1e-9)


@pytest.mark.parametrize("number", range(11, 18))
def test_the_overlaps_of_boxes_are_right(number):
    """Compared with the number of cells of half a pixel in both boxes."""

    def cells(box):
        x1, y1, x2, y2 = (round(2 * side) for side in box)
        return set(itertools.product(range(x1, x2), range(y1, y2)))

    inputs, expected = values_of("c4w3_yolo_car_detection", "iou", number)
    one, other = cells(inputs["box1"]), cells(inputs["box2"])
    assert expected["return"] == pytest.approx(len(one & other) / len(one | other))


@pytest.mark.parametrize("number", [12, 13])
def test_the_masked_attention_of_the_cases_is_right(number):
    """A masked key has no weight, the others those of their exponentials."""
    inputs, expected = values_of(
        "c5w4_transformer", "scaled_dot_product_attention", number
    )
    q, k, v, mask = (
        np.asarray(inputs[name], float) for name in ("q", "k", "v", "mask")
    )
    weights = np.exp(q @ np.swapaxes(k, -1, -2) / k.shape[-1] ** 0.5) * mask
    weights /= weights.sum(-1, keepdims=True)
    for name, found in (("attention_weights", weights), ("output", weights @ v)):
        accepted = expected[name].argument
        np.testing.assert_allclose(accepted[0], found, atol=1e-6)
        assert not np.allclose(accepted[0], accepted[1])


def test_the_convolutions_of_the_cases_are_right():
    """The forward pass and the gradients, compared with those of TensorFlow."""
    import tensorflow as tf

    file = "c4w1_convolution_step_by_step"
    inputs, expected = values_of(file, "conv_forward")
    gradient, expected_gradients = values_of(file, "conv_backward")
    A, W, b = (tf.Variable(inputs[name]) for name in ("A_prev", "W", "b"))
    np.testing.assert_array_equal(gradient["cache"][1], inputs["W"])
    with tf.GradientTape() as tape:
        Z = tf.nn.conv2d(A, W, 1, [[0, 0], [1, 1], [1, 1], [0, 0]]) + b
    found = tape.gradient(Z, [A, W, b], gradient["dZ"])
    np.testing.assert_allclose(expected["Z"], Z, atol=1e-9)
    for name, value in zip(("dA_prev", "dW", "db"), found, strict=True):
        np.testing.assert_allclose(expected_gradients[name], value, atol=1e-9)


@pytest.mark.parametrize(("number", "pool"), [(11, "MAX"), (12, "AVG")])
def test_the_pooling_of_the_cases_is_right(number, pool):
    """The forward pass and the gradients, compared with those of TensorFlow."""
    import tensorflow as tf

    file = "c4w1_convolution_step_by_step"
    inputs, expected = values_of(file, "pool_forward", number)
    A = tf.nn.pool(inputs["A_prev"], [2, 2], pool, strides=[2, 2], padding="VALID")
    np.testing.assert_allclose(expected["A"], A, atol=1e-9)
    inputs, expected = values_of(file, "pool_backward", number)
    A_prev = tf.Variable(inputs["cache"][0])
    with tf.GradientTape() as tape:
        A = tf.nn.pool(A_prev, [2, 2], pool, strides=[1, 1], padding="VALID")
    found = tape.gradient(A, A_prev, inputs["dA"])
    np.testing.assert_allclose(expected["return"], found, atol=1e-9)


@pytest.mark.parametrize(
    ("file", "function"),
    [
        ("c2w1_initialization", "backward_propagation"),
        ("c2w1_regularization", "backward_propagation"),
        ("c2w1_regularization", "backward_propagation_with_regularization"),
        ("c2w1_regularization", "backward_propagation_with_dropout"),
        ("c2w1_gradient_checking", "backward_propagation_n"),
        ("c2w2_optimization", "backward_propagation"),
    ],
)
def test_the_gradients_of_three_layers_are_right(file, function):
    """Compared with central differences; the cached values have four digits."""
    inputs, expected = values_of(file, function)
    expected = expected.get("return", expected)
    X, Y, cache = inputs["X"], inputs["Y"], inputs["cache"]
    keep_prob, masks = inputs.get("keep_prob", 1), (1, 1)
    if len(cache) == 14:
        _, D1, _, W1, b1, _, D2, _, W2, b2, _, _, W3, b3 = cache
        masks = D1, D2
    else:
        _, _, W1, b1, _, _, W2, b2, _, _, W3, b3 = cache
    parameters = {"W1": W1, "b1": b1, "W2": W2, "b2": b2, "W3": W3, "b3": b3}

    def cost(p):
        a1 = np.maximum(p["W1"] @ X + p["b1"], 0) * masks[0] / keep_prob
        a2 = np.maximum(p["W2"] @ a1 + p["b2"], 0) * masks[1] / keep_prob
        z3 = p["W3"] @ a2 + p["b3"]
        squares = sum((p[name] ** 2).sum() for name in ("W1", "W2", "W3"))
        losses = np.log(1 + np.exp(-z3)) + (1 - Y) * z3
        return losses.mean() + inputs.get("lambd", 0) / (2 * X.shape[1]) * squares

    for name, value in parameters.items():
        found = np.zeros(value.shape)
        for place in np.ndindex(*value.shape):
            step = np.zeros(value.shape)
            step[place] = 1e-5
            above, below = (
                cost({**parameters, name: value + sign * step}) for sign in (1, -1)
            )
            found[place] = (above - below) / 2e-5
        np.testing.assert_allclose(expected[f"d{name}"], found, atol=2e-3)


def test_the_gradients_of_recurrent_cells_are_right():
    """Compared with those of TensorFlow; the cached values have four digits."""
    import tensorflow as tf

    file = "c5w1_rnn_step_by_step"
    inputs, expected = values_of(file, "rnn_backward")
    (steps, x) = inputs["caches"]
    a0, parameters = steps[0][1], steps[0][3]
    variables = {name: tf.Variable(value) for name, value in parameters.items()}
    a0 = variables["a0"] = tf.Variable(a0)
    with tf.GradientTape() as tape:
        states, a = [], a0
        for t in range(x.shape[2]):
            p = variables
            a = tf.tanh(p["Wax"] @ x[:, :, t] + p["Waa"] @ a + p["ba"])
            states.append(a)
        loss = tf.reduce_sum(tf.stack(states, axis=2) * inputs["da"])
    names = ("a0", "Wax", "Waa", "ba")
    found = tape.gradient(loss, [variables[name] for name in names])
    for name, value in zip(names, found, strict=True):
        np.testing.assert_allclose(expected[f"d{name}"], value, atol=2e-3)
