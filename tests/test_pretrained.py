"""`load_pretrained` takes a variant, a version, or a file of the user's own."""

import numpy as np
import pytest

from dls_keras import catalog, models
from dls_keras.core import weights
from dls_keras.core.errors import InputError, MissingFileError

SHIPPED = [row.name for row in catalog.ASSIGNMENTS if weights.shipped(row.name)]
# Their files hold the network alone, as those of the others; building takes seconds.
SLOW = {"image_segmentation", "residual_networks", "car_detection", "transformer"}
SLOW |= {"jazz"}


def arrays(name, model):
    """All numbers of a model, as its file holds them."""
    module = catalog.load(name)
    if hasattr(module, "to_arrays"):
        model = module.to_arrays(model)
    if isinstance(model, dict):
        return [np.asarray(model[name]) for name in sorted(model)]
    return [np.asarray(variable) for variable in models.network(model).weights]


@pytest.mark.parametrize("name", sorted({*SHIPPED} - SLOW - {"word_vectors"}))
def test_a_file_of_ones_own_is_loaded(name, tmp_path, monkeypatch):
    """As the shipped model, from a copy that `models.save` wrote, below "~"."""
    module = catalog.load(name)
    shipped = module.load_pretrained()
    models.save(module, shipped, tmp_path / "mine.h5")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path in ("~/mine.h5", tmp_path / "mine.h5"):
        own = module.load_pretrained(path)
        for one, other in zip(arrays(name, own), arrays(name, shipped), strict=True):
            np.testing.assert_array_equal(one, other)
        assert type(own) is type(shipped)


def test_a_version_is_a_variant():
    """The newest shipped version, under its name in `weights/records.toml`."""
    module = catalog.load("planar_classification")
    newest, default = module.load_pretrained("v1"), module.load_pretrained()
    np.testing.assert_array_equal(newest["W1"], default["W1"])
    loaded = models.load("planar_classification", "v1")
    np.testing.assert_array_equal(loaded["W1"], default["W1"])


@pytest.mark.parametrize(
    ("variant", "error", "words"),
    [
        ("v0", InputError, "has no weights 'v0'. Choose one of default"),
        ("mine.h5", MissingFileError, "There is no file at mine.h5"),
        (__file__, InputError, "is not a weight file"),
    ],
)
def test_what_is_neither_is_refused(variant, error, words):
    """With the variants that exist, or what the file is."""
    with pytest.raises(error, match=words):
        catalog.load("planar_classification").load_pretrained(variant)


def test_the_file_of_another_model_is_refused(tmp_path):
    """The names and shapes of its arrays differ."""
    path = weights.find(weights.record("logistic_regression"))
    with pytest.raises(InputError, match="belongs to another model"):
        catalog.load("planar_classification").load_pretrained(path)


def test_a_file_has_its_own_settings():
    """Further arguments, which style transfer has, would have no effect."""
    path = weights.find(weights.record("style_transfer"))
    with pytest.raises(InputError, match="dtype cannot be set for a file"):
        catalog.load("style_transfer").load_pretrained(path, dtype="mixed_bfloat16")
