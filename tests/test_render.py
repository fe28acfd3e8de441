"""Answers in words, and pictures of both kinds."""

from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from dls_keras.cli import render
from dls_keras.core import answers
from dls_keras.core.answers import Answer

MODEL = SimpleNamespace(classes=("person", "car", "bus", "toothbrush", "scissors"))


def boxes(*classes):
    """An answer with one box for each of `classes`, scores from 0.9 downwards."""
    return SimpleNamespace(
        boxes=np.ones((len(classes), 4), "float32"),
        scores=np.float32(0.9) - np.arange(len(classes), dtype="float32") / 10,
        classes=np.array(classes, "int64"),
    )


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
    """In the order of the best box of each class."""
    assert render.reply(MODEL, boxes(*classes)).text == text


def test_the_confidence_of_boxes_is_the_best_score():
    """And there is none where there is no box."""
    assert render.reply(MODEL, boxes(1, 0)).confidence == pytest.approx(0.9)
    assert render.reply(MODEL, boxes()).confidence is None


def test_an_answer_keeps_its_details():
    """A plain str comes out, with what the `Answer` knew."""
    reply = render.reply(None, Answer("cat", 0.75, probabilities={"cat": 0.75}))
    assert reply == ("cat", 0.75, {"probabilities": {"cat": 0.75}})
    assert type(reply.text) is str


def test_any_other_answer_is_its_text():
    """Without a confidence."""
    assert render.reply(None, "a long tale") == ("a long tale", None, {})


def test_a_picture_is_its_own_answer():
    """In words its size; it is not drawn once more."""
    painted = Image.new("RGB", (40, 30))
    reply = render.reply(None, painted)
    assert reply == ("a picture of 40 x 30 pixels", None, {})
    assert render.picture(None, None, "photo.jpg", painted) is painted


@pytest.mark.parametrize(
    ("confidence", "text"),
    [
        *((None, "-"), (0.0, "0.0 %"), (0.8346, "83.5 %"), (1.0, "100.0 %")),
        *((0.9994, "99.9 %"), (0.99999, "> 99.9 %")),
    ],
)
def test_percent_rounds_to_certainty_only_what_is_certain(confidence, text):
    """One decimal place."""
    assert answers.percent(confidence) == text


def test_a_figure_becomes_a_picture_of_its_size():
    """150 dots an inch, RGB, with what was drawn on it."""
    figure = Figure(figsize=(2, 1))
    figure.add_axes((0, 0, 1, 1)).imshow([[0, 1]], cmap="gray", aspect="auto")
    image = render.rendered(figure)
    assert (image.size, image.mode) == ((300, 150), "RGB")
    assert image.getpixel((75, 75)) == (0, 0, 0)
    assert image.getpixel((225, 75)) == (255, 255, 255)
