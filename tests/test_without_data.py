"""Every assignment works without data: on a machine with two empty folders."""

import inspect

import numpy as np
import pytest

from dls_keras import catalog
from dls_keras.core import downloads
from dls_keras.core.errors import InputError
from dls_keras.datasets import (
    alpaca,
    camvid,
    car_boxes,
    cats,
    digits,
    emoji,
    faces,
    keyword_clips,
    signs,
    smiles,
)

WITH_DATA = [row.name for row in catalog.ASSIGNMENTS if "load_data" in row.offers]
TRAINED = [row.name for row in catalog.ASSIGNMENTS if "train" in row.offers]
EVALUATED = [row.name for row in catalog.ASSIGNMENTS if "evaluate" in row.offers]
SMALL = {"m": 8, "extra": 4, "composed": 4, "photos": 4}  # arguments where there are
SIZES = {  # of the generated data sets, so that the tests are quick
    alpaca: (4, 2),
    camvid: (2, 2, 2),
    car_boxes: 5,
    cats: (6, 4),
    digits: (30, 10),
    emoji: (10, 5),
    faces: 3,
    signs: (12, 6),
    smiles: (6, 4),
}
SLOW = {  # to read
    *("face_recognition", "sliding_windows", "car_detection", "image_segmentation"),
    *("classic_networks", "digit_recognizer"),
}
COLUMNS = {"logistic_regression", "deep_network_application", "regularization"}

# What load_data returns: the type, and of each array its type and its shape without
# the axis of the examples.
U8, F4, F8, I8 = np.uint8, np.float32, np.float64, np.int64
PICTURES = [("x", F8, (12288,)), ("y", I8, (1,))]
PHOTOS = [("x", F4, (64, 64, 3)), ("y", I8, ())]
DIGITS = [("x", U8, (28, 28)), ("y", I8, ())]
STREETS = [("x", U8, (192, 256, 3)), ("y", U8, (192, 256))]
EXPECTED = {
    "logistic_regression": ("Cats", PICTURES, "_test"),
    "deep_network_application": ("Cats", PICTURES, "_test"),
    "regularization": ("Football", [("x", F8, (2,)), ("y", I8, (1,))], "_test"),
    "tensorflow_introduction": ("Signs", PHOTOS, "_test"),
    "tensorflow_tutorial": ("Signs", PHOTOS, "_test"),
    "convolution_application": ("Signs", PHOTOS, "_test"),
    "residual_networks": ("Signs", PHOTOS, "_test"),
    "digit_recognizer": ("Digits", DIGITS, "_test"),
    "classic_networks": ("Digits", [("x", F4, (32, 32, 1)), DIGITS[1]], "_test"),
    "happy_house": ("Happy", PHOTOS, "_test"),
    "transfer_learning": ("Alpacas", [("x", U8, (160, 160, 3)), PHOTOS[1]], "_val"),
    "sliding_windows": ("Windows", [("x", U8, (28, 28, 1)), ("y", I8, ())]),
    "car_detection": ("TrainingData", [("x", U8, (192, 352, 3)), ("y", F4, (8, 4))]),
    "image_segmentation": ("Streets", STREETS, "_val", "_test"),
    "face_recognition": ("TrainingFaces", [("x", U8, (64, 64, 3)), ("y", I8, ())]),
    "style_transfer": ("SyntheticCrops", [("x", U8, (96, 96, 3))]),
    "dinosaurs": (
        "Names",
        [("x", np.int32, (24,)), ("y", np.int32, (24,)), ("lengths", np.int32, ())],
    ),
    "shakespeare": ("Windows", [("x", np.bool_, (40, 38)), ("y", np.bool_, (38,))]),
    "jazz": ("Jazz", []),
    "emojify": ("Emoji", [("x", np.str_, ()), ("y", I8, ())], "_test"),
}


@pytest.fixture
def nothing(monkeypatch, tmp_path):
    """Empty folders in place of the data and the cache; a download is a mistake."""

    def refuse(url, *args, **kwargs):
        pytest.fail(f"load_data opens a connection to {url}")

    for name in ("DLS_KERAS_DATA", "DLS_KERAS_HOME"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("DLS_KERAS_OFFLINE", raising=False)
    monkeypatch.setattr(downloads, "download", refuse)
    make_few(monkeypatch)


def make_few(monkeypatch):
    """Make the generators of large sets generate few examples."""
    for module, size in SIZES.items():
        monkeypatch.setattr(module, "SYNTHETIC", size)
    make_digits, make_recordings = digits.make_digits, keyword_clips.make_recordings
    monkeypatch.setattr(
        digits, "make_digits", lambda m, **how: make_digits(min(m, 40), **how)
    )
    monkeypatch.setattr(
        keyword_clips,
        "make_recordings",
        lambda *m, **how: make_recordings(2, 2, 1, **how),
    )
    monkeypatch.setattr(catalog.load("jazz"), "TRAINING_SEEDS", range(40))


def load(name, **more):
    """The data of an assignment, with few examples."""
    function = catalog.load(name).load_data
    takes = inspect.signature(function).parameters
    small = {key: value for key, value in SMALL.items() if key in takes}
    if name in {"jazz", "word_vectors"}:  # counts of windows, and of sentences
        small["m"] = 100
    return function(**small, **more)


def described(name, data):
    """[(field, type, shape without the axis of the examples)] of a named tuple."""
    keep = slice(None, -1) if name in COLUMNS else slice(1, None)
    return [
        (field, array.dtype.type, array.shape[keep])
        for field, array in data._asdict().items()
        if isinstance(array, np.ndarray)
    ]


@pytest.mark.parametrize("name", WITH_DATA)
def test_generated_data_need_no_files(name, nothing):
    """`load_data(synthetic=True)` returns what the documentation says."""
    data = load(name, synthetic=True)
    assert isinstance(data, tuple) and len(data[0]) > 0
    if name in EXPECTED:
        kind, fields, *parts = EXPECTED[name]
        expected = [
            (field + part, *rest) for part in ("", *parts) for field, *rest in fields
        ]
        assert type(data).__name__ == kind
        assert described(name, data)[: len(expected)] == expected


@pytest.mark.parametrize("name", WITH_DATA)
def test_load_data_works_or_names_the_switch_and_the_command(name, nothing):
    """In at most three lines; exactly those that have generated data work."""
    if name not in EXPECTED:
        load(name)
        return
    with pytest.raises(InputError) as caught:
        load(name)
    message = str(caught.value)
    assert "--synthetic" in message and "`dls-keras data fetch " in message
    assert "http" not in message and message.count("\n") < 3


@pytest.mark.data
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.large) if name in SLOW else name
        for name in EXPECTED
        if name not in {"dinosaurs", "jazz"}  # whose shapes depend on names or tunes
    ],
)
def test_generated_data_look_like_the_courses(name, monkeypatch):
    """The same types and shapes as the data that they replace."""
    make_few(monkeypatch)
    real, made = load(name), load(name, synthetic=True)
    assert isinstance(made, type(real))
    assert described(name, made) == described(name, real)


@pytest.mark.parametrize("name", sorted(set(WITH_DATA) - set(EXPECTED)))
def test_the_switch_changes_nothing_where_data_are_generated_anyway(name, nothing):
    """The arrays are equal."""
    for one, other in zip(load(name), load(name, synthetic=True), strict=True):
        np.testing.assert_equal(one, other)


@pytest.mark.large
@pytest.mark.parametrize("name", [n for n in WITH_DATA if n in TRAINED])
def test_training_needs_no_files(name, nothing):
    """One epoch on a few generated examples; the model is built for the data."""
    module, data = catalog.load(name), load(name, synthetic=True)
    fields, takes = data._asdict(), inspect.signature(module.build_model).parameters
    model = module.build_model(**{k: v for k, v in fields.items() if k in takes})
    settings = inspect.signature(module.train).parameters
    batch = {"batch_size": 2} if "batch_size" in settings else {}
    losses = module.train(model, data, epochs=1, **batch)
    assert np.isfinite(losses).all() and len(losses) >= 1


@pytest.mark.large
@pytest.mark.parametrize("name", EVALUATED)
def test_evaluation_needs_no_files(name, nothing):
    """Every row has a finite number."""
    rows = catalog.load(name).evaluate(synthetic=True)
    assert rows and np.isfinite([row.ours for row in rows]).all()
