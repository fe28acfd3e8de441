"""Invented resumes, and files of the course's form."""

import json
import re

import numpy as np
import pytest

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import resume_templates as layouts
from dls_keras.datasets import resumes

BOTH = pytest.mark.parametrize("templates", ["train", "test"])


@pytest.fixture(scope="module")
def made():
    return {
        templates: resumes.make_resumes(150, seed=3, templates=templates)
        for templates in ("train", "test")
    }


def texts_of(data, *labels):
    """What the spans of these labels hold."""
    return [
        text[start:end]
        for text, spans in zip(*data, strict=True)
        for start, end, label in spans
        if label in labels
    ]


@BOTH
def test_spans_are_in_order_and_hold_their_thing(made, templates):
    """Never over one another, no blanks at their ends, every label with its looks."""
    for text, spans in zip(*made[templates], strict=True):
        ends = [0, *(end for _, end, _ in spans)]
        for (start, end, _), before in zip(spans, ends, strict=False):
            assert before <= start < end <= len(text)
            assert text[start:end] == text[start:end].strip()
    for label, form in (
        ("Graduation Year", r"(19|20)\d\d"),
        ("Years of Experience", r"(\d+(\.5|\+)?|[a-z]+) (years|yrs)"),
        ("Email Address", r"\S+@\S+\.example\.\w+|\S+@example\.\w+|resumes\.\S+"),
        ("UNKNOWN", r"[A-Z]{2}-\d{5}"),
    ):
        found = texts_of(made[templates], label)
        assert found
        assert all(re.fullmatch(form, text) for text in found)
    assert {label for spans in made[templates].y for *_, label in spans} == {
        *resumes.LABELS[1:]
    }


@BOTH
def test_much_stands_there_to_mislead(made, templates):
    """Most years are no graduation year; clients and people stand in no span."""
    data = made[templates]
    years = sum(len(re.findall(r"\b(?:19|20)\d\d\b", text)) for text in data.x)
    assert years > 3 * len(texts_of(data, "Graduation Year"))
    outside = [
        "".join(
            text[start:end]
            for start, end in zip(
                [0, *(e for _, e, _ in spans)],
                [*(s for s, _, _ in spans), None],
                strict=True,
            )
        )
        for text, spans in zip(*data, strict=True)
    ]
    firms = sum(len(re.findall(r"\b(Ltd|GmbH|Group|Labs)\b", text)) for text in outside)
    assert firms > len(data.x) / 10


def test_train_and_test_share_no_layout():
    """Nor, but for the test's own, an order of fields where layouts are composed."""
    assert layouts.TRAIN.keys() == layouts.TEST.keys()
    for section, written in layouts.TEST.items():
        assert not {*written} & {*layouts.TRAIN[section]}
    someone = resumes._Applicant(np.random.default_rng(0), "train")
    for section, (always, others) in layouts.FIELDS.items():

        def order(layout, known=(*always, *others)):
            return [f for f in re.findall(r"\{(\w+)\}", layout) if f in known]

        orders = [order(layout) for layout in layouts.TEST[section]]
        for _ in range(300):
            assert order(someone.composed(section)) not in orders


def test_train_and_test_share_no_name(made):
    """Of people, firms, colleges and towns; only the trade's own words are in both."""
    labels = "Name", "Companies worked at", "College Name", "Location"
    own = " ".join((*layouts.FIRMS, *layouts.COLLEGES, *layouts.REGIONS, "Port New"))
    words = {
        templates: set(re.findall(r"[^\W\d_]{2,}", " ".join(texts_of(data, *labels))))
        for templates, data in made.items()
    }
    assert words["train"] & words["test"] <= {*re.findall(r"\w+", own)}
    assert len(words["train"]) > 1000
    for templates, data in made.items():
        names = " ".join(texts_of(data, "Name")).split()
        assert {resumes.held_out(name) for name in names} == {templates == "test"}


def test_a_seed_gives_the_same_resumes():
    """The first of them whatever their number; others for another seed."""
    three, five = (resumes.make_resumes(m, seed=1) for m in (3, 5))
    assert (five.x[:3], five.y[:3]) == (three.x, three.y)
    assert resumes.make_resumes(3, seed=2).x != three.x
    with pytest.raises(InputError, match="'both'"):
        resumes.make_resumes(3, templates="both")


def test_a_file_gives_back_what_was_written(tmp_path, made):
    """Line ends become blanks, so that every span stays where it is."""
    path = tmp_path / "resumes.json"
    resumes.write_resumes(made["test"], path)
    read = resumes.load_resumes(path)
    assert read.x == [text.replace("\n", " ") for text in made["test"].x]
    assert read.y == made["test"].y


@pytest.mark.parametrize("too_small", [0, 2, 4, 36])
def test_offsets_that_are_too_small_are_mended(tmp_path, too_small):
    """By the text beside them; what has no label or is nowhere is left out."""
    content = "A" * 40 + "\r\nInes\nVel, Ines\nVel"
    start = content.index("Ines") - too_small

    def annotation(label, text):
        point = {"start": start, "end": start + len(text) - 1, "text": text}
        return {"label": label, "points": [point]}

    record = {
        "content": content,
        "annotation": [
            annotation(["Name"], "Ines\nVel"),
            annotation([], "Ines"),
            annotation(["Skills"], "nowhere"),
        ],
        "extras": None,
    }
    path = tmp_path / "ner.json"
    path.write_text("\n" + json.dumps(record) + "\n")
    data = resumes.load_resumes(path)
    assert data.x == ["A" * 40 + "  Ines Vel, Ines Vel"]
    assert data.y == [[(42, 50, "Name")]]


def test_without_its_text_an_offset_is_taken_as_it_is(tmp_path):
    """`end` is the last character; an annotation may be missing."""
    point = {"start": 0, "end": 3}
    path = tmp_path / "ner.json"
    path.write_text(
        json.dumps(
            {
                "content": "Ines Vel",
                "annotation": [{"label": ["Name"], "points": [point]}],
            }
        )
        + '\n{"content": "Nobody", "annotation": null}'
    )
    assert resumes.load_resumes(path).y == [[(0, 4, "Name")], []]


@pytest.mark.parametrize(
    "line",
    [
        "no JSON",
        "[1, 2]",
        '{"content": 3, "annotation": []}',
        '{"content": "a"}',
        '{"content": "a", "annotation": [{"label": ["Name"]}]}',
        '{"content": "a", "annotation": [{"label": ["Name"], "points": [{"end": 0}]}]}',
        '{"content": "a", "annotation": [{"label": ["Nom"], "points": '
        '[{"start": 0, "end": 0, "text": "a"}]}]}',
    ],
)
def test_a_line_that_is_no_resume_is_told(tmp_path, line):
    """With its number."""
    path = tmp_path / "ner.json"
    path.write_text('{"content": "a", "annotation": []}\n' + line)
    with pytest.raises(InputError, match="line 2"):
        resumes.load_resumes(path)


def test_a_missing_file_is_told(tmp_path):
    """And one that is no text."""
    with pytest.raises(MissingFileError, match="does not exist"):
        resumes.load_resumes(tmp_path / "ner.json")
    (tmp_path / "ner.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        resumes.load_resumes(tmp_path / "ner.json")
