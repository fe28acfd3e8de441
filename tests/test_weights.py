"""Weight files are checked when they are loaded; every shipped file has a record."""

import dataclasses
import subprocess
import sys
import tomllib

import h5py
import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dls_keras import catalog, models
from dls_keras.core import files, weights
from dls_keras.core.errors import InputError, MissingFileError


def small_model(units=3, activation="softmax", name=None):
    """Convolution, batch norm and a dense layer: (m, 4, 4, 1) -> (m, units)."""
    return keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(2, 3),
            keras.layers.BatchNormalization(),
            keras.layers.Conv2D(2, 1),
            keras.layers.Flatten(),
            keras.layers.Dense(units, activation=activation, name=name),
        ]
    )


def values(model):
    """Copies of all variables, in order."""
    return [variable.numpy().copy() for variable in model.weights]


@pytest.fixture
def model():
    """A small model whose variables all differ from their initial values."""
    model = small_model()
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.1, 1, variable.shape))
    return model


def set_record(monkeypatch, record):
    """Make `weights.record` return `record` for every assignment and variant."""
    monkeypatch.setattr(weights, "record", lambda assignment, variant: record)


@pytest.fixture
def record(model, tmp_path, monkeypatch):
    """The record of the model's file, which is in `$DLS_KERAS_WEIGHTS`."""
    path = weights.save(model, tmp_path / "small-v1.h5")
    monkeypatch.setenv("DLS_KERAS_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    record = weights.Record(
        name="small/v1",
        input="(m, 4, 4, 1) float32",
        data="none",
        licence="none",
        recipe="random",
        seed=0,
        metrics=(),
        date="2026-01-01",
        **weights.facts(path, model),
    )
    set_record(monkeypatch, record)
    return record


def test_saving_and_loading_in_full_precision_keeps_every_bit(model, tmp_path):
    """Another model of the same architecture has the same outputs afterwards."""
    path = weights.save(model, tmp_path / "w.h5")
    other = weights.load_file(small_model(), path)
    for saved, loaded in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(saved, loaded)
    x = np.ones((1, 4, 4, 1))
    np.testing.assert_array_equal(model(x), other(x))


def test_half_precision_is_loaded_as_float32(model, tmp_path):
    """The file has float16; the loaded values are those rounded once."""
    path = weights.save(model, tmp_path / "w.h5", half=True)
    assert {a.dtype for a in weights.load_arrays(path).values()} == {np.dtype("f4")}
    with h5py.File(path) as file:
        datasets = [file[name] for name in weights.load_arrays(path)]
        assert {dataset.dtype for dataset in datasets} == {np.dtype("f2")}
    other = weights.load_file(small_model(), path)
    for saved, loaded in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(saved.astype("float16"), loaded)


def test_half_precision_refuses_values_outside_its_range(tmp_path):
    """A variance of 70,000 would become infinite; no file is written."""
    arrays = {"000/norm/moving_variance": np.array([1, 7e4], "float32")}
    with pytest.raises(InputError, match=r"moving_variance holds 70000.*65504"):
        weights.save_arrays(arrays, tmp_path / "w.h5", half=True)
    assert list(tmp_path.iterdir()) == []
    weights.save_arrays(arrays, tmp_path / "w.h5")


def test_array_names_do_not_depend_on_models_built_before(model, tmp_path):
    """Keras numbers layers of the same type per process; the names in files do not."""
    path = weights.save(model, tmp_path / "w.h5")
    small_model()
    later = small_model()
    assert later.weights[0].path != model.weights[0].path  # conv2d, conv2d_7
    assert list(weights.arrays(later)) == list(weights.arrays(model))
    weights.load_file(later, path)


def test_strings_are_not_counted_as_parameters(tmp_path):
    """They are stored as bytes, also in files of half precision."""
    words = np.array([word.encode() for word in ("cat", "café")])
    arrays = {"words": words, "x": np.ones((2, 3))}
    path = weights.save_arrays(arrays, tmp_path / "w.h5", half=True)
    loaded = weights.load_arrays(path)
    assert [word.decode() for word in loaded["words"]] == ["cat", "café"]
    assert weights.facts(path)["params"] == 6


def test_arrays_are_loaded_with_their_names_and_types(tmp_path):
    """For models that are not Keras models: a matrix, a number, integers."""
    arrays = {"w": np.ones((5, 1)), "b": np.float64(0.25), "n": np.arange(3)}
    loaded = weights.load_arrays(weights.save_arrays(arrays, tmp_path / "w.h5"))
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(loaded[name], array)
        assert loaded[name].dtype == array.dtype


def test_an_existing_file_is_never_overwritten(model, tmp_path):
    """A released name always means the same file."""
    path = weights.save(model, tmp_path / "w.h5")
    before = path.read_bytes()
    model.weights[0].assign(model.weights[0] + 1)
    with pytest.raises(InputError, match="never overwritten"):
        weights.save(model, path)
    assert path.read_bytes() == before


def test_a_recorded_file_is_loaded(model, record):
    """All checks pass, and the values are those of the saved model."""
    other = weights.load(small_model(), "small")
    for saved, loaded in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(saved, loaded)


def test_facts_describe_the_file_and_the_model(model, record, tmp_path):
    """Size, hash, number of parameters and golden output, computed independently."""
    path = tmp_path / record.file
    assert record.file == "small-v1.h5"
    assert record.bytes == len(path.read_bytes())
    assert record.params == model.count_params()
    assert record.sha256 == files.sha256(path)
    outputs = model.predict_on_batch(weights.fixed_input(model))
    np.testing.assert_allclose(record.golden, outputs[0], rtol=1e-4)  # five digits
    assert weights.facts(path)["golden"] == ()


def test_golden_values_are_the_first_five_of_the_first_output():
    """Also of models with several inputs and outputs, in lists or dicts."""
    a, b = keras.Input((2,), name="a"), keras.Input((3, 2), name="b")
    total = keras.layers.Flatten()(b)
    model = keras.Model([a, b], [total, a])
    rng = np.random.default_rng(0)
    rng.uniform(size=(1, 2))
    expected = rng.uniform(size=6)[:5]
    np.testing.assert_allclose(weights.golden(model), expected, rtol=1e-4)
    for inputs in ([a, b], {"a": a, "b": b}):
        named = keras.Model(inputs, {"first": total, "second": a})
        assert weights.golden(named) == weights.golden(model)


def test_the_fixed_input_has_length_64_along_unknown_axes():
    """So that a network for images of any size has golden values, too."""
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Flatten()])
    assert weights.fixed_input(model).shape == (1, 64, 64, 3)


@pytest.mark.parametrize("wrap", [list, tuple, lambda x: x[0]])
def test_a_model_may_have_its_input_in_a_list(wrap):
    """The fixed input has the structure with which the model was built."""
    x = keras.Input((2,))
    model = keras.Model(wrap([x]), keras.layers.Flatten()(x))
    expected = np.random.default_rng(0).uniform(size=2)
    np.testing.assert_allclose(weights.golden(model), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (None, "damaged"),
    ],
)
def test_a_file_that_is_not_a_weight_file_is_recognized(record, content, words):
    """By `load`, which compares the hash, and by `load_file`, which has none."""
    path = weights.find(record)
    content = path.read_bytes()[:-100] if content is None else content
    path.write_bytes(content)
    model = small_model()
    before = values(model)
    with pytest.raises(InputError, match=f"expected {record.sha256}.*{words}"):
        weights.load(model, "small")
    with pytest.raises(
        InputError, match=f"not a weight file that can be read.*{words}"
    ):
        weights.load_file(model, path)
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.fixture(scope="module")
def file_bytes(tmp_path_factory):
    """The bytes of a small weight file."""
    arrays = {"000/conv/kernel": np.ones((3, 3, 2, 4)), "001/conv/bias": np.ones(4)}
    path = tmp_path_factory.mktemp("small") / "w.h5"
    return weights.save_arrays(arrays, path).read_bytes()


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(share=st.floats(0, 1, exclude_max=True), damage=st.binary(max_size=8))
def test_a_damaged_file_raises_no_other_error(file_bytes, tmp_path, share, damage):
    """A truncated file is an InputError; one with other bytes may still be read."""
    path, place = tmp_path / "w.h5", int(share * len(file_bytes))
    path.write_bytes(file_bytes[:place])
    with pytest.raises(InputError, match="not a weight file that can be read"):
        weights.load_arrays(path)
    rest = file_bytes[place + len(damage) :]
    path.write_bytes(file_bytes[:place] + damage + rest)
    try:
        weights.load_arrays(path)
    except InputError as error:
        assert str(path) in str(error)


def test_the_error_for_a_missing_file_contains_its_path(tmp_path):
    """It is a MissingFileError."""
    with pytest.raises(MissingFileError, match=r"no file at .*none\.h5.*a weight file"):
        weights.load_arrays(tmp_path / "none.h5")


@pytest.mark.parametrize(
    "other, words",
    [
        (lambda: keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]), "has 2"),
        (lambda: small_model(units=4), r"shape \(8, 3\).*expects shape \(8, 4\)"),
        (lambda: small_model(name="spell"), "no such array for .*spell/kernel"),
    ],
    ids=["number", "shape", "name"],
)
def test_the_file_of_another_model_does_not_change_the_model(record, other, words):
    """Number, shapes and names of the arrays are compared before any is assigned."""
    model = other()
    before = values(model)
    with pytest.raises(InputError, match=f"{words}.*another model"):
        weights.load(model, "small")
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_other_settings_are_detected_by_the_golden_values(record):
    """Names and shapes agree, but the activation of the output layer differs."""
    with pytest.raises(InputError, match="small/v1 gives .* other settings"):
        weights.load(small_model(activation="sigmoid"), "small")


@pytest.mark.parametrize("golden", [(), (0.5,), (0.1, 0.2, 0.3, 0.4)])
def test_golden_values_must_have_the_length_of_the_output(record, golden, monkeypatch):
    """An empty tuple is not accepted either."""
    set_record(monkeypatch, dataclasses.replace(record, golden=golden))
    with pytest.raises(InputError, match="for its fixed input"):
        weights.load(small_model(), "small")


def test_weights_are_looked_up_in_a_fixed_order(record, tmp_path, monkeypatch):
    """$DLS_KERAS_WEIGHTS, the shipped files, the cache, and the url last."""
    content = weights.find(record).read_bytes()
    folders = [tmp_path, tmp_path / "shipped", tmp_path / "home/weights"]
    monkeypatch.setattr(files, "shipped_weights", lambda: folders[1])
    for folder in folders[1:]:
        folder.mkdir(parents=True)
        (folder / record.file).write_bytes(content)
    for folder in folders:
        assert weights.find(record) == folder / record.file
        (folder / record.file).unlink()

    with pytest.raises(MissingFileError, match=f"ships with.*sha256 {record.sha256}"):
        weights.find(record)
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    url = "https://example.org/small-v1.h5"
    with pytest.raises(MissingFileError, match=f"forbids.*{record.sha256} from {url}"):
        weights.find(dataclasses.replace(record, url=url))


def test_reading_weights_needs_no_tensorflow():
    """So that assignments with NumPy alone start quickly."""
    code = (
        "import sys, dls_keras.core.weights; "
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "set()\n", run.stderr


SHIPPED = [entry for entry in models.entries() if entry.record]
each = pytest.mark.parametrize("entry", SHIPPED, ids=lambda e: f"{e.name}/{e.variant}")


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Shipped files only: no network, an empty cache and no folder of the user."""
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("DLS_KERAS_WEIGHTS", raising=False)


@each
def test_every_record_agrees_with_its_file(entry):
    """Name, hash, size and number of parameters are compared."""
    path = files.shipped_weights() / entry.record.file
    facts = weights.facts(path)
    del facts["golden"]  # compared by `load`, see the tests below
    assert facts == {field: getattr(entry.record, field) for field in facts}
    # Both names contain the version.
    assert entry.record.file == entry.record.name.replace("/", "-") + path.suffix
    for array in weights.load_arrays(path).values():
        assert array.dtype.kind == "S" or np.isfinite(array).all()


@each
def test_weights_are_found_by_variant_and_by_released_name(entry):
    """Also if the released name begins with another assignment."""
    assert models.entry(f"{entry.name}/{entry.variant}") == entry
    assert models.entry(entry.record.name) == entry


@each
def test_every_loader_compares_the_golden_values(entry, offline, monkeypatch):
    """The shipped file loads; with other golden values in the record it is refused."""
    load = catalog.load(entry.name).load_pretrained
    assert load(entry.variant)
    golden = tuple(1.5 * value + 0.1 for value in entry.record.golden)
    set_record(monkeypatch, dataclasses.replace(entry.record, golden=golden))
    with pytest.raises(InputError, match="for its fixed input"):
        load(entry.variant)


@each
def test_no_golden_answer_fits_an_untrained_or_a_certain_model(entry):
    """Equal outputs, a one-hot vector, and outputs on another scale are refused."""
    golden = np.array(entry.record.golden)
    if len(golden) > 1:
        equal = [np.full(len(golden), value) for value in (0, 0.5, 1, golden.mean())]
    else:
        equal = [np.zeros(1), np.ones(1)]
    one_hot = (golden == golden.max()).astype(float)
    for got in (*equal, one_hot, 1.1 * golden, golden + 0.05 * np.abs(golden).max()):
        assert not weights.agrees(got, golden)
    assert weights.agrees(1.001 * golden, golden)


@each
def test_an_unknown_variant_is_refused_by_every_loader(entry):
    """The message lists the variants."""
    with pytest.raises(InputError, match="'v0'.*default"):
        catalog.load(entry.name).load_pretrained("v0")


def test_every_shipped_file_has_a_record():
    """And every record a file."""
    text = (files.shipped_weights() / "records.toml").read_text("utf-8")
    tables = tomllib.loads(text)
    described = {
        table["file"]
        for part in ("shipped", "parts")
        for variants in tables[part].values()
        for table in variants.values()
    }
    found = {path.name for path in files.shipped_weights().glob("*-v*.*")}
    assert found == described
