"""Synthetic resumes, and files in the course's format."""

import json
import re

import numpy as np
import pytest

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import resume_templates as layouts
from dls_keras.datasets import resumes

SPLITS = pytest.mark.parametrize("split", ["train", "test"])


@pytest.fixture(scope="module")
def made():
    return {
        split: resumes.make_resumes(150, seed=3, split=split)
        for split in ("train", "test")
    }


def texts_of(data, *labels):
    """The texts of the spans with these labels."""
    return [
        text[start:end]
        for text, spans in zip(*data, strict=True)
        for start, end, label in spans
        if label in labels
    ]


@SPLITS
def test_spans_do_not_overlap_and_fit_their_labels(made, split):
    """In order, without blanks at their ends; each label has texts of its form."""
    for text, spans in zip(*made[split], strict=True):
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
        found = texts_of(made[split], label)
        assert found
        assert all(re.fullmatch(form, text) for text in found)
    assert {label for spans in made[split].y for *_, label in spans} == {
        *resumes.LABELS[1:]
    }


@SPLITS
def test_resumes_have_many_distractors(made, split):
    """Years that are not graduation years, companies that were not employers."""
    data = made[split]
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
    """Composed layouts for training have no order of fields of the test layouts."""
    assert layouts.TRAIN.keys() == layouts.TEST.keys()
    for section, written in layouts.TEST.items():
        assert not {*written} & {*layouts.TRAIN[section]}
    rng = np.random.default_rng(0)
    for section, (always, others) in layouts.FIELDS.items():

        def order(layout, known=(*always, *others)):
            return [f for f in re.findall(r"\{(\w+)\}", layout) if f in known]

        orders = [order(layout) for layout in layouts.TEST[section]]
        for _ in range(300):
            assert order(resumes.compose_layout(section, rng)) not in orders


def test_train_and_test_share_no_name(made):
    """Of people, companies, colleges and towns, except the words of the patterns."""
    labels = "Name", "Companies worked at", "College Name", "Location"
    shared = " ".join((*layouts.FIRMS, *layouts.COLLEGES, *layouts.REGIONS, "Port New"))
    words = {
        split: set(re.findall(r"[^\W\d_]{2,}", " ".join(texts_of(data, *labels))))
        for split, data in made.items()
    }
    assert words["train"] & words["test"] <= {*re.findall(r"\w+", shared)}
    assert len(words["train"]) > 1000
    for split, data in made.items():
        names = " ".join(texts_of(data, "Name")).split()
        assert {resumes.is_held_out(name) for name in names} == {split == "test"}


def test_a_seed_gives_the_same_resumes():
    """More resumes of the same seed begin with them; another seed gives others."""
    three, five = (resumes.make_resumes(m, seed=1) for m in (3, 5))
    assert (five.x[:3], five.y[:3]) == (three.x, three.y)
    assert resumes.make_resumes(3, seed=2).x != three.x
    with pytest.raises(InputError, match="'both'"):
        resumes.make_resumes(3, split="both")


def test_written_resumes_can_be_loaded(tmp_path, made):
    """Line ends become blanks, so that all offsets remain valid."""
    path = tmp_path / "resumes.json"
    resumes.write_resumes(made["test"], path)
    read = resumes.load_resumes(path)
    assert read.x == [text.replace("\n", " ") for text in made["test"].x]
    assert read.y == made["test"].y


@pytest.mark.parametrize("too_small", [0, 2, 4, 36])
def test_offsets_that_are_too_small_are_corrected(tmp_path, too_small):
    """By the annotated text. Without a label or not found, it is skipped."""
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


def test_an_offset_without_a_text_is_used_as_it_is(tmp_path):
    """`end` is the last character; `annotation` may be null."""
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
def test_an_invalid_line_is_reported(tmp_path, line):
    """With its number."""
    path = tmp_path / "ner.json"
    path.write_text('{"content": "a", "annotation": []}\n' + line)
    with pytest.raises(InputError, match="line 2"):
        resumes.load_resumes(path)


def test_a_file_that_cannot_be_read_is_reported(tmp_path):
    """A missing one, and one that is not a text."""
    with pytest.raises(MissingFileError, match="no file at"):
        resumes.load_resumes(tmp_path / "ner.json")
    (tmp_path / "ner.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="UTF-8"):
        resumes.load_resumes(tmp_path / "ner.json")
