"""Weight files are checked before they are used, and every shipped record is true."""

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
    """One layer of each sort that has several variables; 4 * 4 * 1 -> `units`."""
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
    """A small model whose variables all differ from those of a fresh one."""
    model = small_model()
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.1, 1, variable.shape))
    return model


def known(monkeypatch, record):
    """Let `record` be what the records say of small/default."""
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
        recipe="drawn",
        seed=0,
        metrics=(),
        date="2026-01-01",
        **weights.facts(path, model),
    )
    known(monkeypatch, record)
    return record


def test_full_precision_comes_back_bit_for_bit(model, tmp_path):
    """Into another model of the same build, whose answers are then the same."""
    path = weights.save(model, tmp_path / "w.h5")
    other = weights.load_file(small_model(), path)
    for ours, theirs in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    x = np.ones((1, 4, 4, 1))
    np.testing.assert_array_equal(model(x), other(x))


def test_half_precision_comes_back_as_float32_rounded_once(model, tmp_path):
    """The file is smaller; what is read is the nearest half-precision number."""
    path = weights.save(model, tmp_path / "w.h5", half=True)
    assert {a.dtype for a in weights.load_arrays(path).values()} == {np.dtype("f4")}
    with h5py.File(path) as file:
        sets = [file[name] for name in weights.load_arrays(path)]
        assert {array.dtype for array in sets} == {np.dtype("f2")}
    other = weights.load_file(small_model(), path)
    for ours, theirs in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(ours.astype("float16"), theirs)


def test_half_precision_refuses_what_it_cannot_hold(tmp_path):
    """A variance of 70,000 would become infinite; no file is left."""
    arrays = {"000/norm/moving_variance": np.array([1, 7e4], "float32")}
    with pytest.raises(InputError, match=r"moving_variance holds 70000.*65504"):
        weights.save_arrays(arrays, tmp_path / "w.h5", half=True)
    assert list(tmp_path.iterdir()) == []
    weights.save_arrays(arrays, tmp_path / "w.h5")


def test_names_do_not_depend_on_what_was_built_before(model, tmp_path):
    """Keras numbers repeated layers through the whole process; files do not."""
    path = weights.save(model, tmp_path / "w.h5")
    small_model()
    later = small_model()
    assert later.weights[0].path != model.weights[0].path  # conv2d, conv2d_7
    assert list(weights._names(later)) == list(weights._names(model))
    weights.load_file(later, path)


def test_words_beside_numbers_are_no_parameters(tmp_path):
    """They are written as bytes, in half precision's files too."""
    words = np.array([word.encode() for word in ("cat", "café")])
    arrays = {"words": words, "x": np.ones((2, 3))}
    path = weights.save_arrays(arrays, tmp_path / "w.h5", half=True)
    back = weights.load_arrays(path)
    assert [word.decode() for word in back["words"]] == ["cat", "café"]
    assert weights.facts(path)["params"] == 6


def test_plain_arrays_come_back_by_name(tmp_path):
    """Models that are no Keras models save arrays: a matrix, a number, integers."""
    arrays = {"w": np.ones((5, 1)), "b": np.float64(0.25), "n": np.arange(3)}
    found = weights.load_arrays(weights.save_arrays(arrays, tmp_path / "w.h5"))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


def test_an_existing_file_is_never_overwritten(model, tmp_path):
    """A released name always means the same file."""
    path = weights.save(model, tmp_path / "w.h5")
    before = path.read_bytes()
    model.weights[0].assign(model.weights[0] + 1)
    with pytest.raises(InputError, match="never overwritten"):
        weights.save(model, path)
    assert path.read_bytes() == before


def test_a_recorded_file_is_loaded(model, record):
    """With all its checks passed, values and answers are those of the first model."""
    other = weights.load(small_model(), "small")
    for ours, theirs in zip(values(model), values(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_facts_are_read_off_the_file_and_the_model(model, record, tmp_path):
    """Size, hash, parameters and answer, each counted in another way."""
    path = tmp_path / record.file
    assert record.file == "small-v1.h5"
    assert record.bytes == len(path.read_bytes())
    assert record.params == model.count_params()
    assert record.sha256 == files.sha256(path)
    outputs = model.predict_on_batch(weights.fixed_input(model))
    np.testing.assert_allclose(record.golden, outputs[0], rtol=1e-4)  # five digits
    assert weights.facts(path)["golden"] == ()


def test_the_golden_answer_takes_the_first_five_of_the_first_output():
    """Models with several inputs and outputs, or dicts of them, have one too."""
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


def test_axes_of_any_length_have_64_entries():
    """A network for pictures of any size has a golden answer, too."""
    model = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Flatten()])
    assert weights.fixed_input(model).shape == (1, 64, 64, 3)


@pytest.mark.parametrize("wrap", [list, tuple, lambda x: x[0]])
def test_one_input_may_stand_alone_or_in_a_list(wrap):
    """The example has the structure that the model was built with."""
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
def test_what_stands_in_place_of_a_weight_file_is_named(record, content, words):
    """By `load`, which compares hashes, and by `load_file`, which has none."""
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
def test_damaged_files_give_arrays_or_a_sentence(file_bytes, tmp_path, share, damage):
    """Cut at any place, or with other bytes there: never another exception."""
    path, place = tmp_path / "w.h5", int(share * len(file_bytes))
    path.write_bytes(file_bytes[:place])
    with pytest.raises(InputError, match="not a weight file that can be read"):
        weights.load_arrays(path)
    rest = file_bytes[place + len(damage) :]
    path.write_bytes(file_bytes[:place] + damage + rest)
    try:
        weights.load_arrays(path)
    except InputError as error:
        assert "not a weight file that can be read" in str(error)


def test_a_missing_file_is_named(tmp_path):
    """Its path stands in the sentence."""
    with pytest.raises(MissingFileError, match=r"no weight file at .*none\.h5"):
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
def test_the_file_of_another_model_leaves_the_model_untouched(record, other, words):
    """Another number of arrays, another shape, another name: all seen before."""
    model = other()
    before = values(model)
    with pytest.raises(InputError, match=f"{words}.*another model"):
        weights.load(model, "small")
    for old, new in zip(before, values(model), strict=True):
        np.testing.assert_array_equal(old, new)


def test_other_settings_are_told_by_the_golden_answer(record):
    """Names and shapes agree, but this model ends in a sigmoid."""
    with pytest.raises(InputError, match="small/v1 gives .* other settings"):
        weights.load(small_model(activation="sigmoid"), "small")


@pytest.mark.parametrize("golden", [(), (0.5,), (0.1, 0.2, 0.3, 0.4)])
def test_a_golden_answer_of_another_length_is_no_match(record, golden, monkeypatch):
    """Nor is an empty one, which would agree with anything."""
    known(monkeypatch, dataclasses.replace(record, golden=golden))
    with pytest.raises(InputError, match="for its fixed input"):
        weights.load(small_model(), "small")


def test_weights_are_looked_for_in_this_order(record, tmp_path, monkeypatch):
    """The variable's folder, the shipped files, the cache, and the url last."""
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
    """NumPy-only assignments read theirs in a tenth of a second."""
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
    """Shipped files only: no connection, no cache, no folder of the user's."""
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("DLS_KERAS_WEIGHTS", raising=False)


@each
def test_every_record_agrees_with_its_file(entry):
    """File, hash, size and number of parameters."""
    path = files.shipped_weights() / entry.record.file
    facts = weights.facts(path)
    del facts["golden"]  # `load` compares it, next test
    assert facts == {field: getattr(entry.record, field) for field in facts}
    # A version in both names: better weights come under a new one.
    assert entry.record.file == entry.record.name.replace("/", "-") + path.suffix
    for array in weights.load_arrays(path).values():
        assert array.dtype.kind == "S" or np.isfinite(array).all()


@each
def test_weights_are_found_by_their_variant_and_by_their_released_name(entry):
    """Also where the released name is that of another assignment."""
    assert models.entry(f"{entry.name}/{entry.variant}") == entry
    assert models.entry(entry.record.name) == entry


@each
def test_every_loader_compares_the_golden_answer(entry, offline, monkeypatch):
    """The shipped file loads; with another golden answer in its record it does not."""
    load = catalog.load(entry.name).load_pretrained
    assert load(entry.variant)
    golden = tuple(1.5 * value + 0.1 for value in entry.record.golden)
    other = dataclasses.replace(entry.record, golden=golden)
    known(monkeypatch, other)
    with pytest.raises(InputError, match="for its fixed input"):
        load(entry.variant)


@each
def test_an_unknown_variant_is_refused_by_every_loader(entry):
    """The message lists the variants."""
    with pytest.raises(InputError, match="'v0'.*default"):
        catalog.load(entry.name).load_pretrained("v0")


def test_no_shipped_file_is_without_a_record():
    """Every weight file in the folder is described."""
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
