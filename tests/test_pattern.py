"""Every assignment of the catalogue has the common interface."""

import importlib
import inspect
import re
import tomllib

import numpy as np
import pytest

import dls_keras
from dls_keras import catalog
from dls_keras.core import files, weights

SHARED = (*catalog.FIVE, "evaluate", "picture", "example")
SETTINGS = ("epochs", "batch_size", "learning_rate", "seed", "on_epoch", "checkpoint")

every = pytest.mark.parametrize("row", catalog.ASSIGNMENTS, ids=lambda row: row.name)


def offering(*names):
    """Parametrize a test with the assignments that offer all of `names`."""
    rows = [row for row in catalog.ASSIGNMENTS if set(names) <= set(row.offers)]
    return pytest.mark.parametrize("row", rows, ids=[row.name for row in rows])


def parameters(row, name):
    """The parameters of a shared function: (positional, keyword-only)."""
    found = inspect.signature(getattr(catalog.load(row.name), name)).parameters
    keywords = [p for p in found.values() if p.kind is p.KEYWORD_ONLY]
    return [p for p in found.values() if p not in keywords], keywords


def public_functions(module):
    """The public functions and classes that the module itself defines."""
    return [
        thing
        for name, thing in vars(module).items()
        if not name.startswith("_")
        and (inspect.isfunction(thing) or inspect.isclass(thing))
        and thing.__module__ == module.__name__
    ]


@every
def test_a_module_has_exactly_the_shared_functions_of_its_row(row):
    """And no other function with a shared name."""
    module = catalog.load(row.name)
    assert set(row.offers) <= set(SHARED)
    assert {name for name in SHARED if hasattr(module, name)} == set(row.offers)
    assert all(callable(getattr(module, name)) for name in row.offers)


@every
def test_an_assignment_is_an_attribute_of_the_package_and_its_course(row):
    """`dir` of both lists it, too."""
    module = catalog.load(row.name)
    course = importlib.import_module(f"dls_keras.course{row.course}")
    assert getattr(dls_keras, row.name) is module
    assert getattr(course, row.name) is module
    assert row.name in dir(dls_keras)
    assert row.name in dir(course)


@every
def test_the_docstring_opens_with_a_sentence_and_the_label(row):
    """For instance "Car detection: … (C4 W3 A1)."; course and week are the row's."""
    text = catalog.load(row.name).__doc__
    opening = re.match(r"([A-Z].{10,}?) \(C(\d) W(\d)( A\d)?\)\.\n\n", text, re.DOTALL)
    assert opening, text[:90]
    assert (int(opening[2]), int(opening[3])) == (row.course, row.week)


@every
def test_every_public_function_has_a_docstring(row):
    """Its first paragraph ends with a full stop or a colon."""
    undocumented = [
        function.__name__
        for function in public_functions(catalog.load(row.name))
        if not (inspect.getdoc(function) or "").split("\n\n")[0].endswith((".", ":"))
    ]
    assert undocumented == []


@every
def test_the_reference_cases_of_a_row_exist(row):
    """The files NAME.json in `reference/`."""
    for name in row.reference:
        assert (files.PACKAGE / "reference" / f"{name}.json").is_file()


@offering("load_data")
def test_load_data_works_without_arguments(row):
    """All its parameters have defaults; one is the switch for generated data."""
    before, after = parameters(row, "load_data")
    assert all(p.default is not p.empty for p in before + after)
    assert ("synthetic", False) in [(p.name, p.default) for p in after]


@offering("build_model")
def test_build_model_works_without_arguments(row):
    """All its parameters have defaults."""
    before, after = parameters(row, "build_model")
    assert all(p.default is not p.empty for p in before + after)


@offering("train")
def test_train_takes_model_data_and_settings(row):
    """The shared settings that it has are in one order; it may have others."""
    before, after = parameters(row, "train")
    others = [p for p in before if p.kind is p.VAR_KEYWORD]  # passed on to `fit`
    before = [p for p in before if p not in others]
    assert [p.default for p in before] == [inspect.Parameter.empty] * 2
    assert before[1].name == "data"
    assert [p.name for p in others] in ([], ["settings"])
    names = [p.name for p in after]
    shared = [name for name in names if name in SETTINGS]
    assert shared == [name for name in SETTINGS if name in names]
    assert "epochs" in names
    assert all(p.default is not p.empty for p in after)
    assert all(p.default is None for p in after if p.name in SETTINGS[4:])


@offering("load_pretrained")
def test_load_pretrained_takes_a_variant(row):
    """It is the only parameter, by default "default"."""
    (variant, *others), _ = parameters(row, "load_pretrained")
    assert (variant.name, variant.default, others) == ("variant", "default", [])


@offering("infer")
def test_infer_takes_the_model_and_an_input(row):
    """Further settings are keyword-only and have defaults."""
    before, after = parameters(row, "infer")
    assert [p.default for p in before] == [inspect.Parameter.empty] * 2
    assert all(p.default is not p.empty for p in after)


@offering("evaluate")
def test_evaluate_takes_a_model_or_none(row):
    """None means the pretrained model; some evaluate no model. All have the switch."""
    before, after = parameters(row, "evaluate")
    assert [p.default for p in before] in ([], [None])
    assert [(p.name, p.default) for p in after] == [("synthetic", False)]


@offering("picture")
def test_picture_takes_the_input_and_the_answer(row):
    """It takes no model, because it shows what `infer` computed."""
    (given, answer, *others), _ = parameters(row, "picture")
    assert given.default is answer.default is inspect.Parameter.empty
    assert answer.name == "answer"
    assert others == []


@offering("example")
def test_an_example_is_a_question_and_an_input(row, monkeypatch):
    """Without a data folder an image is synthetic; the weights are shipped."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    module = catalog.load(row.name)
    question, given = module.example()
    assert question.endswith("?")
    assert not isinstance(given, np.ndarray) or "synthetic" in question
    assert {"load_pretrained", "infer", "picture"} <= set(row.offers)
    assert (files.shipped_weights() / weights.record(row.name).file).is_file()


@offering("load_pretrained")
def test_every_variant_has_a_record_or_files(row):
    """One variant is the default; shipped and published variants differ in name."""
    shipped, published = weights.shipped(row.name), weights.published(row.name)
    assert "default" in {*shipped, *published}
    assert not set(shipped) & set(published)


def test_released_names_of_weights_begin_with_an_assignment_and_are_unique():
    """Records keep their names when an assignment is split or renamed."""
    shipped = [weights.shipped(name).values() for name in catalog.BY_NAME]
    names = [record.name for records in shipped for record in records]
    assert len(set(names)) == len(names)
    assert {name.partition("/")[0] for name in names} <= catalog.BY_NAME.keys()


def test_every_record_belongs_to_an_assignment():
    """No table of `weights/records.toml` has an unknown name."""
    text = (files.shipped_weights() / "records.toml").read_text("utf-8")
    owners = [name for part in tomllib.loads(text).values() for name in part]
    assert set(owners) <= catalog.BY_NAME.keys()


def test_the_catalogue_is_in_the_order_of_the_syllabus():
    """The rows are sorted by course and week, and each name occurs once."""
    places = [(row.course, row.week) for row in catalog.ASSIGNMENTS]
    assert places == sorted(places)
    assert len(catalog.BY_NAME) == len(catalog.ASSIGNMENTS)


def test_every_module_of_a_course_has_a_row():
    """Otherwise the common tests would not test it."""
    found = {
        (int(path.parent.name[-1]), path.stem)
        for path in files.PACKAGE.glob("course[1-5]/*.py")
        if path.stem != "__init__"
    }
    assert found == {(row.course, row.name) for row in catalog.ASSIGNMENTS}
