"""Answers survive pickling and copying, compare, and become JSON."""

import base64
import copy
import io
import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from dls_keras import catalog
from dls_keras.cli import render
from dls_keras.core.answers import Answer, Row, detected, likeliest, percent

SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text()
DETAILS = st.dictionaries(
    st.text(st.characters(categories=["Ll"]), min_size=1).filter(
        lambda name: name not in ("text", "confidence", "for_picture", "cls")
    ),
    st.recursive(SCALARS, st.lists, max_leaves=5),
    max_size=3,
)
CONFIDENCES = st.none() | st.floats(0, 1)


def answer():
    """An answer with an array, a NaN, a picture, and something for its picture."""
    return Answer(
        "cat",
        0.75,
        for_picture={"grid": np.eye(2)},
        mask=np.array([[1, 0]], "uint8"),
        scores=[0.5, float("nan")],
        image=Image.new("RGB", (2, 1), "red"),
    )


@pytest.mark.parametrize(
    "again",
    [
        copy.copy,
        copy.deepcopy,
        lambda a: pickle.loads(pickle.dumps(a)),
        lambda a: pickle.loads(pickle.dumps(a, protocol=2)),
    ],
)
def test_an_answer_survives_copying_and_pickling(again):
    """With all it carries."""
    other = again(answer())
    assert type(other) is Answer
    assert other == answer() and not other != answer()
    assert other.confidence == 0.75
    np.testing.assert_array_equal(other.details["mask"], [[1, 0]])
    np.testing.assert_array_equal(other.for_picture["grid"], np.eye(2))


@given(st.text(), CONFIDENCES, DETAILS)
def test_any_answer_equals_its_copy(text, confidence, details):
    """And the plain string with its text; so their hashes agree."""
    one, two = Answer(text, confidence, **details), Answer(text, confidence, **details)
    assert one == two == text and hash(one) == hash(text)


@pytest.mark.parametrize(
    "other",
    [
        Answer("dog", 0.5, x=np.ones(2)),
        Answer("cat", 0.6, x=np.ones(2)),
        Answer("cat", None, x=np.ones(2)),
        Answer("cat", 0.5, x=np.zeros(2)),
        Answer("cat", 0.5, x=np.ones((2, 1))),
        Answer("cat", 0.5, y=np.ones(2)),
        Answer("cat", 0.5),
        Answer("cat", 0.5, x="ones"),
        "dog",
        1,
    ],
)
def test_different_answers_are_not_equal(other):
    """By text, confidence, or any detail."""
    one = Answer("cat", 0.5, x=np.ones(2))
    assert one != other and not one == other


@given(st.text(), CONFIDENCES, DETAILS)
def test_any_answer_becomes_strict_json(text, confidence, details):
    """One line, without NaN or Infinity."""
    line = Answer(text, confidence, **details).to_json(input="x")

    def refuse(constant):
        raise AssertionError(constant)

    value = json.loads(line, parse_constant=refuse)
    assert value["answer"] == text and value["input"] == "x"
    assert value["confidence"] == confidence
    assert value["details"].keys() == details.keys()


def test_arrays_and_images_become_lists_and_data_uris():
    """What only `picture` needs is left out."""
    value = json.loads(answer().to_json())
    assert value["details"]["mask"] == [[1, 0]]
    assert value["details"]["scores"] == [0.5, None]
    assert "grid" not in value["details"]
    head, _, data = value["details"]["image"].partition(",")
    assert head == "data:image/png;base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert image.size == (2, 1) and image.getpixel((0, 0)) == (255, 0, 0)


def test_likeliest_names_the_class_of_the_largest_probability():
    """Its confidence is that probability; the details hold all."""
    found = likeliest(("cat", "dog"), np.float32([0.25, 0.75]), note="hi")
    assert found == "dog" and found.confidence == 0.75
    assert found.details == {"probabilities": {"cat": 0.25, "dog": 0.75}, "note": "hi"}


NAMES = ("person", "car", "bus", "toothbrush", "scissors")


@pytest.mark.parametrize(
    ("classes", "text"),
    [
        ([], "nothing found"),
        ([1], "1 car"),
        ([1, 1], "2 cars"),
        ([1, 0, 1, 0, 0], "2 cars, 3 people"),
        ([2, 2, 3, 3], "2 buses, 2 toothbrushes"),
        ([0, 4, 4], "1 person, 2 scissors"),
    ],
)
def test_boxes_are_counted_by_class(classes, text):
    """In the order of the best box of each class, whose score is the confidence."""
    n = len(classes)
    boxes = np.arange(4 * n, dtype="float32").reshape(n, 4)
    scores = np.float32(0.9) - np.arange(n, dtype="float32") / 10
    found = detected(boxes, scores, np.array(classes, "int64"), NAMES)
    assert found == text
    assert found.confidence == (pytest.approx(0.9) if n else None)
    assert [box["class"] for box in found.details["boxes"]] == [
        NAMES[k] for k in classes
    ]
    assert [box["box"] for box in found.details["boxes"]] == boxes.tolist()
    assert json.loads(found.to_json())["details"] == found.details


@pytest.mark.parametrize(
    ("confidence", "text"),
    [
        *((None, "-"), (0.0, "0.0 %"), (0.8346, "83.5 %"), (1.0, "100.0 %")),
        *((0.9994, "99.9 %"), (0.99999, "> 99.9 %")),
    ],
)
def test_percent_rounds_to_100_only_what_is_100(confidence, text):
    """One decimal place."""
    assert percent(confidence) == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        ({}, ""),
        ({"at_least": 0.99}, ">= 0.99"),
        ({"at_most": 2.0}, "<= 2"),
        ({"equals": 24.608779}, "= 24.6088"),
        ({"at_least": 0.0}, ">= 0"),
    ],
)
def test_a_row_says_in_which_direction_its_goal_lies(bounds, text):
    """At least, at most, or equal."""
    assert Row("accuracy", 0.5, **bounds).goal == text


WITH_EXAMPLES = [a.name for a in catalog.ASSIGNMENTS if "example" in a.offers]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_every_assignment_returns_an_answer_that_travels(name, monkeypatch):
    """It is pickled, copied, written as JSON, and drawn without a model."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    module = catalog.load(name)
    _, given = module.example()
    answer = module.infer(module.load_pretrained(), given)
    assert type(answer) is Answer and answer
    assert answer.confidence is None or 0 <= answer.confidence <= 1
    travelled = copy.deepcopy(pickle.loads(pickle.dumps(answer)))
    assert travelled == answer

    def refuse(constant):
        raise AssertionError(constant)

    value = json.loads(travelled.to_json(), parse_constant=refuse)
    assert value["answer"] == str(answer)
    assert value["details"].keys() == answer.details.keys()
    monkeypatch.delattr(module, "infer")
    assert render.rendered(module.picture(given, travelled)).width > 100
