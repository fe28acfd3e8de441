"""Damaged and hostile weight files: one InputError each, and no model half changed.

The files are written by h5py, NumPy and SciPy, and then damaged.
"""

import json
import struct
import subprocess
import sys

import h5py
import keras
import numpy as np
import pytest
from scipy import io

from dls_keras import models
from dls_keras.converters import (
    darknet as darknet_files,
)
from dls_keras.converters import (
    face_networks,
    keras_h5,
    matconvnet,
    mobilenet_int8,
)
from dls_keras.converters import (
    vgg19 as vgg19_files,
)
from dls_keras.core import files, isolated, readers, weights
from dls_keras.core.errors import InputError
from dls_keras.course1 import deep_network_application, logistic_regression
from dls_keras.course4 import car_detection
from dls_keras.course5 import emojify, named_entities, question_answering
from dls_keras.music import midi_and_wav, tunes
from dls_keras.networks import darknet


def refused(action, *arguments, **keywords):
    """The message of the InputError that an action raises, of at most three lines."""
    with pytest.raises(InputError) as error:
        action(*arguments, **keywords)
    message = str(error.value)
    assert 0 < len(message) <= 1000 and message.count("\n") < 3
    return message


def small_model():
    """A batch normalisation and a dense layer."""
    layers = [keras.layers.BatchNormalization(), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((3,)), *layers])


def values(model):
    """Copies of all variables."""
    return [variable.numpy() for variable in model.weights]


def unchanged(model, before):
    """Whether all variables have the values `before`."""
    return all(map(np.array_equal, values(model), before))


def test_a_file_that_keeps_libhdf5_busy_without_end_is_refused(tmp_path):
    """A text of variable length is in a list of objects; here the first has no size."""
    pytest.importorskip("resource", reason="needs limits of processes")
    path = tmp_path / "m.h5"
    with h5py.File(path, "w") as file:
        file["a"] = np.zeros(3)
        file.attrs["keras_version"] = "2.1.3"
    content = bytearray(path.read_bytes())
    first = content.index(b"GCOL") + 16
    content[first : first + 16] = bytes(16)
    path.write_bytes(content)
    assert "m.h5 is not a weight file" in refused(weights.load_arrays, path)


def test_a_file_with_a_recorded_hash_is_read_without_a_trial(monkeypatch):
    """The shipped weights load without another process."""
    monkeypatch.setattr(isolated, "run", None)
    models.load("dinosaurs")


def test_an_unchanged_file_is_tried_once(tmp_path, monkeypatch):
    """Its settings and its arrays are read one after the other."""
    path = weights.save_arrays({"a": np.ones(3)}, tmp_path / "a.h5", settings={"n": 1})
    tried = []
    monkeypatch.setattr(isolated, "run", lambda *a, **k: tried.append(a))
    weights.load_arrays(path)
    assert weights.load_settings(path) == {"n": 1} and len(tried) == 1
    path.write_bytes(path.read_bytes())
    weights.load_arrays(path)
    assert len(tried) == 2


# HDF5. Each function damages an array, `name`, of an open file.


def external_storage(file, name, folder):
    """The numbers are those of another file."""
    (folder / "secret.bin").write_bytes(b"TOPSECRETTOKEN!!" * 99)
    shape = file[name].shape
    del file[name]
    size = 4 * int(np.prod(shape))
    storage = [(str(folder / "secret.bin"), 0, size)]
    file.create_dataset(name, shape, "f4", external=storage)


def virtual_array(file, name, folder):
    """The numbers are those of an array in another file."""
    shape = file[name].shape
    with h5py.File(folder / "secret.h5", "w") as other:
        other["secret"] = np.ones(shape, "f4")
    del file[name]
    layout = h5py.VirtualLayout(shape, "f4")
    layout[...] = h5py.VirtualSource(folder / "secret.h5", "secret", shape)
    file.create_virtual_dataset(name, layout)


def external_link(file, name, folder):
    with h5py.File(folder / "secret.h5", "w") as other:
        other["secret"] = np.ones(file[name].shape, "f4")
    del file[name]
    file[name] = h5py.ExternalLink(folder / "secret.h5", "secret")


def soft_link(file, name, folder):
    file["elsewhere"] = file[name][()]
    del file[name]
    file[name] = h5py.SoftLink("/elsewhere")


def four_tebibytes(file, name, folder):
    """Declared by 1,400 bytes."""
    del file[name]
    file.create_dataset(name, (2**40,), "f4", chunks=True, compression="gzip")


def replaced(change):
    """A damage that replaces an array by another one."""

    def damage(file, name, folder):
        array = change(file[name][()])
        del file[name]
        file[name] = array

    return damage


DAMAGES = {
    "external storage": external_storage,
    "virtual array": virtual_array,
    "external link": external_link,
    "soft link": soft_link,
    "4 TiB": four_tebibytes,
    "NaN": replaced(lambda array: array * np.nan),
    "inf": replaced(lambda array: np.full_like(array, np.inf)),
    "complex": replaced(lambda array: array + 1j),
    "bytes": replaced(lambda array: np.full(array.shape, b"text")),
    "texts": replaced(lambda array: np.full(array.shape, "text", h5py.string_dtype())),
    "beyond float32": replaced(lambda array: np.full(array.shape, 1e300)),
    "longdouble": replaced(lambda array: array.astype("g")),
    "no array": replaced(lambda array: h5py.Empty("f4")),
    "one axis more": replaced(lambda array: array[..., np.newaxis]),
    "a single number": replaced(lambda array: np.float32(1)),
}
each_damage = pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)


@each_damage
def test_a_damaged_weight_file_changes_no_variable(damage, tmp_path):
    """Neither the damaged variable nor those before it."""
    path = weights.save(small_model(), tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        (kernel,) = (n for n in weights.load_arrays(path) if n.endswith("kernel"))
        damage(file, kernel, tmp_path)
    model = small_model()
    for variable in model.weights:
        variable.assign(variable + 1)
    before = values(model)
    refused(weights.load_file, model, path)
    assert unchanged(model, before)


def test_a_negative_variance_is_refused(tmp_path):
    """The outputs would be NaN."""
    arrays = weights.arrays(small_model())
    (name,) = (name for name in arrays if name.endswith("moving_variance"))
    path = weights.save_arrays(arrays | {name: -arrays[name]}, tmp_path / "w.h5")
    assert "negative" in refused(weights.load_file, small_model(), path)


def test_float64_and_half_precision_are_read(tmp_path):
    """A valid file may have either."""
    for kind in ("f8", "f2"):
        arrays = weights.arrays(small_model())
        arrays = {name: array.astype(kind) for name, array in arrays.items()}
        path = weights.save_arrays(arrays, tmp_path / f"{kind}.h5")
        model = weights.load_file(small_model(), path)
        for variable, array in zip(model.weights, arrays.values(), strict=True):
            np.testing.assert_array_equal(variable, array.astype("f4"))


@pytest.mark.parametrize("nested", [False, True])
def test_thousands_of_arrays_are_refused_at_once(nested, tmp_path):
    """20,000 tiny ones took nine seconds; groups may be nested without end."""
    path = weights.save(small_model(), tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        if nested:
            group = file
            for _ in range(1000):
                group = group.create_group("a")
        else:
            group = file.create_group("many")
            scalar = h5py.h5s.create(h5py.h5s.SCALAR)
            for i in range(20_000):
                name = str(i).encode()
                h5py.h5d.create(group.id, name, h5py.h5t.IEEE_F32LE, scalar)
    refused(weights.load_arrays, path)


@pytest.mark.parametrize("text", ["[" * 9999, "[1]", "{", "NaN", "1" * 5000, 7])
def test_settings_that_are_no_json_object_are_refused(text, tmp_path):
    """Nested without end, another type, cut, or not text."""
    path = weights.save_arrays({"w": np.ones(3)}, tmp_path / "w.h5")
    with h5py.File(path, "a") as file:
        file.attrs["settings"] = text
    assert str(path) in refused(weights.load_settings, path)


# Settings.


@pytest.fixture(scope="module")
def trigger_word_file(tmp_path_factory):
    """A file of a small trigger word network, and its module."""
    module = models.open_assignment("trigger_word")
    path = tmp_path_factory.mktemp("settings") / "w.h5"
    models.save(module, module.build_model(units=8), path, settings={"units": 8})
    return path


def with_settings(path, folder, settings):
    """A copy of a weight file with other settings."""
    copy = folder / "w.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "a") as file:
        file.attrs["settings"] = json.dumps(settings)
    return copy


def test_valid_settings_build_the_model(trigger_word_file):
    """The number of units is not the default."""
    model = models.load("trigger_word", str(trigger_word_file))
    assert model.layers[3].filters == 8


@pytest.mark.parametrize(
    "settings",
    [
        *({"units": value} for value in (10**9, 10**400, -1, 0, 8.0, "8", None, True)),
        *({"units": value} for value in ([8], {"a": 8}, float("inf"), 101)),
        {"cfg": 10**9},
        {"no such": 1},
    ],
)
def test_absurd_settings_are_refused(trigger_word_file, tmp_path, settings):
    """Before a model is built: 10**9 units would need an exabyte."""
    path = with_settings(trigger_word_file, tmp_path, settings)
    refused(models.load, "trigger_word", str(path))


def test_a_model_is_not_larger_than_its_file(tmp_path):
    """A size that occurs in the file can still be one of too large a model."""
    path = weights.save_arrays(
        {"000/w": np.ones((1, 20_000), "f4")},
        tmp_path / "w.h5",
        settings={"units": 20_000},
    )
    assert "fewer than the model" in refused(models.load, "trigger_word", str(path))


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden": 64},
        {"hidden": [64.5]},
        {"hidden": ["64"]},
        {"hidden": [[64]]},
        {"hidden": [64] * 1000},
        {"hidden": [10**9]},
        {"hidden": [-64]},
        {"seed": "a"},
        {"seed": -1},
        {"seed": [1, 2]},
    ],
)
def test_a_list_of_sizes_is_checked(tmp_path, settings):
    """Its types, its length, and each size."""
    module = models.open_assignment("fizzbuzz")
    path = tmp_path / "mine.h5"
    models.save(module, module.build_model((64,)), path, settings={"hidden": [64]})
    assert models.load("fizzbuzz", str(path))
    refused(models.load, "fizzbuzz", str(with_settings(path, tmp_path, settings)))


@pytest.mark.parametrize(
    ("assignment", "settings"),
    [
        ("date_translation", {"gates": {"class_name": "function", "config": "exit"}}),
        ("date_translation", {"gates": ["sigmoid"]}),
        ("date_translation", {"gates": "x" * 300_000}),
        ("date_translation", {"gates": None}),
        ("car_detection", {"cfg": "[net]", "classes": "car"}),
        ("car_detection", {"cfg": 7}),
        ("car_detection", {"cfg": "[" * 99_999}),
        ("car_detection", {"classes": [1, 2]}),
        ("digit_recognizer", {"dtype": "no such"}),
        ("digit_recognizer", {"dtype": 32}),
        ("jazz", {"n_a": 10**9}),
        ("jazz", {"vocabulary": "abc"}),
        ("jazz", {"vocabulary": ["a", "a"]}),
        ("deep_network_application", {"layers_dims": [10**9, 10**9]}),
        ("batch_normalization", {"batch_norm": 0}),
        ("word_vectors", {}),
    ],
)
def test_settings_of_other_kinds_are_checked(assignment, settings, tmp_path):
    """Texts, lists of texts, and truth values."""
    path = weights.save_arrays({"w": np.ones(3)}, tmp_path / "w.h5", settings=settings)
    refused(models.load, assignment, str(path))


# Models that are dicts, and vocabularies.


@pytest.mark.parametrize("assignment", ["planar_classification", "jazz"])
@pytest.mark.parametrize("change", ["missing", "additional", "bytes", "shape", "NaN"])
def test_a_dict_of_other_arrays_is_refused(assignment, change, tmp_path):
    """Names, shapes, types and values are compared."""
    arrays = models.open_assignment(assignment).build_model()
    valid = weights.save_arrays(arrays, tmp_path / "valid.h5")
    assert models.load(assignment, str(valid)).keys() == arrays.keys()
    name = next(name for name in arrays if arrays[name].dtype.kind == "f")
    array = arrays[name]
    arrays |= {
        "missing": {},
        "additional": {"more": array},
        "bytes": {name: np.full(array.shape, b"a")},
        "shape": {name: array[..., :-1]},
        "NaN": {name: array},
    }[change]
    if change == "missing":
        del arrays[name]
    path = weights.save_arrays(arrays, tmp_path / "w.h5")
    if change == "NaN":
        with h5py.File(path, "a") as file:
            file[name][...] = np.nan
    refused(models.load, assignment, str(path))


VOCABULARIES = {
    "numbers": lambda array: np.arange(len(array)),
    "two axes": lambda array: array[:, np.newaxis],
    "one text": lambda array: array[0],
    "empty": lambda array: array[:0],
    "not UTF-8": lambda array: np.array([*array[:-1], b"\xff\xfe"]),
    "twice": lambda array: np.array([*array[:-1], array[0]]),
    "one more": lambda array: np.array([*array, b"one more"]),
    "one less": lambda array: array[:-1],
    "none": lambda array: None,
}
MODULES = {
    emojify: "words",
    question_answering: "pieces",
    named_entities: "vocab",
}


@pytest.fixture(scope="module")
def shipped():
    """The arrays of the shipped file of each assignment with a vocabulary."""
    names = (module.__name__.rpartition(".")[2] for module in MODULES)
    return {
        module: weights.load_arrays(weights.find(weights.record(name)))
        for module, name in zip(MODULES, names, strict=True)
    }


@pytest.mark.parametrize("change", VOCABULARIES.values(), ids=VOCABULARIES)
@pytest.mark.parametrize("module", MODULES, ids=MODULES.values())
def test_a_wrong_vocabulary_is_refused(module, change, shipped):
    """Another type or shape, not UTF-8, a text twice, another number of texts."""
    arrays, name = dict(shipped[module]), MODULES[module]
    vocabulary = change(arrays.pop(name))
    if vocabulary is not None:
        arrays[name] = vocabulary
    refused(module.from_arrays, arrays)


@pytest.mark.parametrize("module", MODULES, ids=MODULES.values())
def test_other_arrays_than_those_of_the_model_are_refused(module, shipped):
    """One missing, one more, of another type, NaN."""
    arrays = shipped[module]
    name = next(name for name in arrays if name.startswith("trained/"))
    array = arrays[name]
    without = {other: a for other, a in arrays.items() if other != name}
    for wrong in (
        without,
        {**arrays, "trained/99": array},
        {**arrays, name: np.full(array.shape, b"a")},
        {**arrays, name: array * np.nan},
        {},
    ):
        refused(module.from_arrays, wrong)


def test_vectors_must_be_one_for_each_word(shipped):
    """Missing, of one axis, too few, too long, NaN."""
    arrays = shipped[emojify]
    vectors = arrays["vectors"]
    without = {name: array for name, array in arrays.items() if name != "vectors"}
    refused(emojify.from_arrays, without)
    for wrong in (
        vectors.ravel(),
        vectors[:-1],
        np.ones((len(vectors), 2000), "f4"),
        vectors * np.nan,
        np.full(vectors.shape, b"a"),
    ):
        refused(emojify.from_arrays, {**arrays, "vectors": wrong})


# Keras 1 and 2.


def keras_file(path, config=None):
    """A whole model of Keras 2: an LSTM of 3 units over 4 features, a Dense of 2."""
    shapes = {
        "lstm_1": {"kernel:0": (4, 12), "recurrent_kernel:0": (3, 12), "bias:0": (12,)},
        "dense_1": {"kernel:0": (3, 2), "bias:0": (2,)},
    }
    rng = np.random.default_rng(0)
    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [name.encode() for name in shapes]
        root.attrs["keras_version"] = b"2.1.3"
        for layer, arrays in shapes.items():
            group = root.create_group(layer)
            names = [f"{layer}/{name}" for name in arrays]
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, shape in zip(names, arrays.values(), strict=True):
                group[name] = rng.normal(size=shape).astype("f4")
        file.create_group("optimizer_weights")["bad"] = np.array([np.nan])
        if config is not None:
            file.attrs["model_config"] = config
    return path


def keras_model():
    """The model of `keras_file`."""
    layers = [keras.layers.LSTM(3), keras.layers.Dense(2)]
    return keras.Sequential([keras.Input((6, 4)), *layers])


@each_damage
def test_a_damaged_file_of_keras_changes_no_variable(damage, tmp_path):
    """The last array is damaged; those of the optimizer are not read."""
    path = keras_file(tmp_path / "m.h5")
    keras_h5.fill(keras_model(), keras_h5.read(path))
    with h5py.File(path, "a") as file:
        damage(file, "model_weights/dense_1/dense_1/bias:0", tmp_path)
    model = keras_model()
    before = values(model)
    refused(lambda: keras_h5.fill(model, keras_h5.read(path)))
    assert unchanged(model, before)


@pytest.mark.parametrize(
    "names",
    [np.full(9999, b"a"), [b"\xff"], 7, "dense_1", np.zeros((2, 2)), ["a/" * 999]],
)
@pytest.mark.parametrize("attribute", ["layer_names", "weight_names"])
def test_wrong_names_in_a_file_of_keras_are_refused(names, attribute, tmp_path):
    """Too many, not UTF-8, not texts, nested without end."""
    path = keras_file(tmp_path / "m.h5")
    with h5py.File(path, "a", libver="latest") as file:
        group = file["model_weights"]
        group = group if attribute == "layer_names" else group["dense_1"]
        group.attrs[attribute] = names
    refused(lambda: keras_h5.fill(keras_model(), keras_h5.read(path)))


def architecture(**lstm):
    """An architecture in JSON, with other entries for the LSTM."""
    entry = {"class_name": "LSTM", "config": {"name": "lstm_1"}} | lstm
    dense = {"class_name": "Dense", "config": {"name": "dense_1"}}
    return json.dumps({"class_name": "Sequential", "config": [entry, dense]})


@pytest.mark.parametrize(
    "config",
    [
        "[" * 99_999,
        '{"config": ' + '{"a":' * 900 + "1" + "}" * 901,
        "null",
        "7",
        '{"config": 7}',
        '{"config": [7]}',
        '{"config": [[]]}',
        '{"config": {"layers": {"a": 1}}}',
        architecture(class_name=None),
        architecture(config=None),
        architecture(config=[["name", "lstm_1"]]),
        architecture(name=7),
        architecture(name={"a": 1}),
        architecture(name="lstm_2"),
        architecture(config={"name": "dense_1"}),
        architecture(config={"name": "lstm_1", "recurrent_activation": 7}),
        architecture(config={"name": "lstm_1", "recurrent_activation": ""}),
        architecture(config={"name": "lstm_1", "recurrent_activation": ["a"]}),
        architecture(config={"name": "lstm_1", "recurrent_activation": {"a": "b"}}),
        np.zeros(3),
    ],
)
def test_a_wrong_architecture_is_refused(config, tmp_path):
    """Nested without end, or of other types, in the file and beside it."""
    refused(keras_h5.read, keras_file(tmp_path / "m.h5", config))
    if isinstance(config, str):
        model_json = tmp_path / "m.json"
        model_json.write_text(config)
        path = keras_file(tmp_path / "n.h5")
        refused(keras_h5.read, path, model_json=model_json)


def test_a_deep_architecture_is_read(tmp_path):
    """Nesting that JSON allows is no error, and gates are found at any depth."""
    inner = {"recurrent_activation": "sigmoid"}
    for _ in range(300):
        inner = {"layer": inner}
    config = architecture(config={"name": "lstm_1", "layer": inner})
    contents = keras_h5.read(keras_file(tmp_path / "m.h5", config))
    assert keras_h5.gates(contents) == "sigmoid"


# MATLAB.


def matlab_file(path, **first):
    """MatConvNet's layout of three tiny layers, with other entries for the first."""
    rng = np.random.default_rng(0)
    layers = []
    for name in ("conv1_1", "relu1_1", "conv1_2"):
        layer = {"name": name, "type": name[:4]}
        if name.startswith("conv"):
            both = np.empty(2, object)
            both[:] = [
                rng.normal(size=(3, 3, 3, 2)).astype("f4"),
                rng.normal(size=(2, 1)).astype("f4"),
            ]
            layer["weights"] = both
        layers.append(layer)
    layers[0] |= first
    cells = np.empty(len(layers), object)
    cells[:] = layers
    io.savemat(path, {"layers": cells})
    return path


def test_a_mat_file_is_read_by_another_process(tmp_path):
    """Its arrays are those that were written."""
    path = matlab_file(tmp_path / "a b.mat")
    arrays = vgg19_files.read_matconvnet(path)
    assert [*arrays] == ["block1_conv1", "block1_conv2"]
    assert {array.dtype for pair in arrays.values() for array in pair} == {
        np.dtype("f4")
    }
    in_process = matconvnet.convolutions(str(path))
    for name, (kernel, bias) in arrays.items():
        np.testing.assert_array_equal(kernel, in_process[f"{name}/kernel"])
        np.testing.assert_array_equal(bias, in_process[f"{name}/bias"])


CONTENT = {
    "another name": {"name": "conv9_9"},
    "no name": {"name": 7},
    "no weights": {"weights": np.zeros((0, 0))},
    "NaN": {"filters": 0, "weights": [np.full((3, 3, 3, 2), np.nan), np.zeros(2)]},
    "complex": {"weights": [np.full((3, 3, 3, 2), 1j), np.zeros(2)]},
    "one axis less": {"weights": [np.zeros((3, 3, 3)), np.zeros(2)]},
    "texts": {"weights": ["a", "b"]},
    "twice": {"name": "conv1_2"},
}


@pytest.mark.parametrize("content", CONTENT.values(), ids=CONTENT)
def test_a_mat_file_with_other_content_is_refused(content, tmp_path):
    """The message is one line that names the file."""
    path = matlab_file(tmp_path / "vgg.mat", **content)
    assert "vgg.mat is not MatConvNet's" in refused(vgg19_files.read_matconvnet, path)


@pytest.mark.parametrize("place", [316, 320, 384, 496])
def test_a_bit_that_crashes_scipy_is_one_error(place, tmp_path):
    """In this process it would be a segmentation fault, which nothing can catch."""
    path = matlab_file(tmp_path / "vgg.mat")
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)
    assert "vgg.mat is not MatConvNet's" in refused(vgg19_files.read_matconvnet, path)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import os; os.abort()", "crashed or took too long"),
        ("while True: pass", "crashed or took too long"),
        ("import time; time.sleep(99)", "it was not read in 2 seconds"),
        ("bytearray(3 * 2**30)", "MemoryError"),
        ("open('big', 'wb').write(bytes(300 * 2**20))", "File too large"),
        ("print('x' * 99); raise ValueError('a\\nb' * 999)", ""),
    ],
    ids=["crash", "loop", "sleep", "memory", "disk", "error"],
)
def test_a_process_that_fails_is_one_error(code, message, tmp_path, monkeypatch):
    """SciPy may crash, loop without end, or ask for gigabytes."""
    pytest.importorskip("resource", reason="needs limits of processes")
    package = tmp_path / "fake_reader.py"
    package.write_text(
        "import os, sys\nfrom dls_keras.converters import matconvnet\n"
        f"os.chdir({str(tmp_path)!r})\n"
        f"def fail(path):\n    {code}\n"
        "matconvnet.convolutions = fail\nmatconvnet.main()\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(matconvnet, "__name__", "fake_reader")
    if "sleep" in code:
        monkeypatch.setattr(isolated, "START", 2)
    path = matlab_file(tmp_path / "vgg.mat")
    assert message in refused(vgg19_files.read_matconvnet, path)


def test_the_reading_process_imports_neither_keras_nor_tensorflow():
    """It starts in a second."""
    code = (
        "import sys, dls_keras.converters.matconvnet, scipy.io; "
        "print({'tensorflow', 'keras', 'h5py'} & set(sys.modules))"
    )
    command = [sys.executable, "-P", "-c", code]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.stdout == "set()\n", run.stderr


# npz.


def test_damaged_npz_files_of_layers_are_refused(tmp_path):
    """Another type, NaN, pickled objects, more members, a cut archive."""
    path = tmp_path / "block1_conv1.npz"
    kernel, bias = np.ones((3, 3, 3, 64), "f4"), np.ones(64, "f4")
    for wrong in (
        {"kernel": kernel},
        {"kernel": kernel * np.nan, "bias": bias},
        {"kernel": kernel + 1j, "bias": bias},
        {"kernel": np.array([{}]), "bias": bias},
    ):
        np.savez(path, **wrong)
        refused(vgg19_files.read_npz, path)
    np.savez(path, kernel=kernel, bias=bias)
    content = path.read_bytes()
    for cut in (0, 30, 1000, len(content) - 1):
        path.write_bytes(content[:cut])
        refused(vgg19_files.read_npz, path)
    path.write_bytes(content[:3000] + bytes(64) + content[3064:])
    refused(vgg19_files.read_npz, path)


def test_an_array_with_two_names_of_mxnet_is_refused(tmp_path):
    """Both would be the kernel of one layer."""
    path = tmp_path / "m.npz"
    np.savez(path, fc1_weight=np.ones(3), pre_fc1_weight=np.ones(3))
    assert "twice" in refused(face_networks.read_mxnet, path)


def test_infinite_products_of_a_quantised_layer_are_refused():
    """A finite scale can be too large; the model is not changed."""
    model = keras.applications.MobileNetV2((32, 32, 3), weights=None, include_top=False)
    layers = {}
    for layer in model.layers:
        if hasattr(layer, "kernel"):
            kernel = np.full(layer.kernel.shape, 100, "int8")
            n_C = layer.output.shape[-1]
            one = np.ones(n_C, "f4")
            layers[layer.name] = mobilenet_int8.Layer(kernel, one, one)
    layers["Conv_1"] = layers["Conv_1"]._replace(scale=np.full(1280, 3e38, "f4"))
    before = values(model)
    refused(mobilenet_int8.fill, model, layers)
    assert unchanged(model, before)


@pytest.mark.parametrize(
    "text", ["nan,1", "1e400", "1_0", "٣", "0x10", "1;2", "1," * 9999, "a" * 300_000]
)
def test_numbers_in_csv_files_are_plain(text, tmp_path):
    """Finite, in ASCII, and about as many as expected."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="conv1")])
    for part in "wb":
        (tmp_path / f"conv1_{part}.csv").write_text("1,2\n" if part == "b" else text)
    assert "conv1_w.csv" in refused(face_networks.read_open_face_csv, tmp_path, model)


# Darknet.

CFG = """[net]
height=32
width=32
channels=3
[convolutional]
batch_normalize=1
filters=4
size=3
stride=1
pad=1
activation=leaky
[maxpool]
size=2
stride=2
[route]
layers=-1,1
[convolutional]
filters=16
size=1
[region]
anchors=1,2,3,4
classes=3
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *(("filters=4", f"filters={n}") for n in (10**9, 10**6, 0, -1, "9" * 5000)),
        *(("filters=4", f"filters={n}") for n in ("1_0", "٣", "１", "4.0", "nan", "")),
        *(("size=3", f"size={n}") for n in (10**9, 10**5, 0, -3)),
        *(("stride=1", f"stride={n}") for n in (10**9, 0, -1)),
        *(("pad=1", f"pad={n}") for n in (-1, "x")),
        ("pad=1", f"padding={10**6}"),
        *(("width=32", f"width={n}") for n in (10**7, 10**6, -1, 0, "1e3")),
        ("channels=3", f"channels={10**6}"),
        ("stride=2", "stride=0"),
        ("[maxpool]\nsize=2\nstride=2", "[upsample]\nstride=10000"),
        ("[maxpool]\nsize=2\nstride=2", "[reorg]\nstride=0"),
        ("[maxpool]\nsize=2\nstride=2", "[dropout]\nprobability=7"),
        ("[maxpool]\nsize=2\nstride=2", "[shortcut]\nfrom=5"),
        ("layers=-1,1", "layers=99"),
        ("layers=-1,1", "layers=-99"),
        ("layers=-1,1", "layers=2"),
        ("layers=-1,1", "layers=" + "-1," * 99_999),
        ("layers=-1,1", "layers=,"),
        ("filters=16", f"groups={10**6}"),
        ("classes=3", "classes=0"),
        ("classes=3", f"classes={10**9}"),
        ("anchors=1,2,3,4", "anchors=1,2,3"),
        ("anchors=1,2,3,4", "anchors=nan,2,3,4"),
        ("anchors=1,2,3,4", "anchors=-1,2,3,4"),
        ("anchors=1,2,3,4", "anchors=1e400,2,3,4"),
        ("[route]", "[dropout]\n" * 100_000 + "[route]"),
        ("[route]", "[" + "x" * 300_000 + "]"),
        ("[region]", "[connected]\noutput=1000000000\n[region]"),
    ],
)
def test_an_absurd_cfg_is_refused(old, new):
    """Before a layer is built that needs gigabytes."""
    assert darknet.build(darknet.parse(CFG)).heads
    refused(lambda: darknet.build(darknet.parse(CFG.replace(old, new, 1))))


def test_channels_that_double_are_refused():
    """A short cfg of routes could ask for 2**99 channels."""
    refused(lambda: darknet.build(darknet.parse(CFG + "[route]\nlayers=-2,-2\n" * 99)))


@pytest.mark.parametrize("count", [295, 400])
def test_a_network_that_is_too_deep_is_refused(count):
    """Keras calls itself once for each layer, of which a section has up to four."""
    section = "[convolutional]\nbatch_normalize=1\nsize=3\nstride=2\npad=1\nfilters=1\n"
    cfg = CFG.replace("[route]", section * count + "[route]")
    refused(
        lambda: darknet.build(darknet.parse(cfg.replace("layers=-1,1", "layers=1")))
    )


def darknet_weights(count):
    """A .weights file of so many numbers."""
    numbers = np.random.default_rng(0).random(count, "float32")
    return struct.pack("<iiiQ", 0, 2, 5, 64) + numbers.tobytes()


def test_the_weights_limit_the_size_of_the_network(tmp_path):
    """One of 71 million parameters is not built for a file of 1,000 numbers."""
    (tmp_path / "n.cfg").write_text(CFG.replace("filters=4", "filters=900000\nsize=5"))
    (tmp_path / "n.weights").write_bytes(darknet_weights(1000))
    paths = tmp_path / "n.cfg", tmp_path / "n.weights"
    assert "at most 1,001,000" in refused(darknet_files.load, *paths)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_change_no_variable(value):
    """The last number is not finite."""
    sections = darknet.parse(CFG)
    model = darknet.build(sections).model
    count = model.count_params()
    numbers = np.ones(count, "f4")
    numbers[-1] = value
    before = values(model)
    refused(darknet_files.fill, model, sections, numbers)
    assert unchanged(model, before)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<iii", 0, 2, 5),
        struct.pack("<iiiQ", -1, 2, 5, 0),
        struct.pack("<iiiQ", 2**30, 2, 5, 0),
        darknet_weights(10)[:-1],
        b"\x89HDF\r\n\x1a\n" + bytes(999),
    ],
)
def test_other_headers_of_darknet_are_refused(content, tmp_path):
    """Empty, cut, other versions, another format."""
    path = tmp_path / "n.weights"
    path.write_bytes(content)
    assert str(path) in refused(darknet_files.read, path)


def test_a_sparse_file_of_64_gib_is_not_read(tmp_path):
    """Its size is compared first."""
    path = tmp_path / "huge"
    path.write_bytes(darknet_weights(10))
    with open(path, "r+b") as file:
        file.truncate(2**36)
    for read in (
        darknet_files.read,
        darknet_files.read_cfg,
        vgg19_files.read_matconvnet,
        vgg19_files.read_npz,
        keras_h5.read,
        weights.load_arrays,
        tunes.load_tune,
    ):
        refused(read, path)


@pytest.mark.parametrize("names", ["abc", [1, 2, 3], [None] * 3, ["a", "b"]])
def test_class_names_are_texts(names):
    """One for each class."""
    heads = (darknet.Head("region", ((1, 2),), 3, 32),)
    refused(darknet_files.class_names, heads, names)
    refused(car_detection.build_model, CFG, names)


# MIDI.


def midi(track, division=480, tracks=1):
    """A MIDI file with one track many times."""
    chunk = b"MTrk" + struct.pack(">I", len(track)) + track
    return b"MThd" + struct.pack(">IHHH", 6, 1, tracks, division) + tracks * chunk


END = b"\0\xff\x2f\0"
NOTE = b"\0\x90\x40\x40\x60\x80\x40\x40"  # of 96 ticks


@pytest.mark.parametrize(
    "content",
    [
        midi(NOTE * 9 + END, division=0, tracks=2),
        midi(NOTE * 9 + END, division=0xE250, tracks=2),
        midi(NOTE * 9 + END, division=0xE719, tracks=2),  # counts seconds
        midi(NOTE * 9 + END, tracks=3)[:-9],
        midi(b"\0\x90\x40\x40" * 9 + END, tracks=2),  # no note ends
        midi(b"\0\x90\x40\x40" * 999 + b"\x60\x80\x40\x40" * 999 + END, tracks=2),
        midi(NOTE * 12_000 + END, tracks=2),
        midi(END, tracks=15_000),
        midi(
            NOTE * 9 + b"\xff\xff\xff\x7f\x90\x40\x40\x60\x80\x40\x40" + END, tracks=2
        ),
        midi(NOTE * 9 + END, tracks=1) + bytes(300_000),
        midi(b"\0\xf0\xff\xff\xff\x7f" + NOTE * 9 + END, tracks=2),
        midi(b"", tracks=2),
        b"MThd" + bytes(99),
    ],
)
def test_a_damaged_midi_file_is_one_error(content, tmp_path):
    """No division, other clocks, notes that never end, thousands of tracks."""
    pytest.importorskip("music21", reason="needs music21: pip install music21")
    path = tmp_path / "tune.mid"
    path.write_bytes(content)
    assert str(path) in refused(tunes.load_tune, path)


def test_a_cut_midi_file_is_a_tune_or_an_error(tmp_path):
    """Wherever it ends."""
    pytest.importorskip("music21", reason="needs music21: pip install music21")
    path = tmp_path / "tune.mid"
    midi_and_wav.write_midi(tunes.make_tune(0), path)
    content = path.read_bytes()
    for cut in range(0, len(content), 97):
        path.write_bytes(content[:cut])
        try:
            assert tunes.load_tune(path).notes
        except InputError as error:
            assert str(path) in str(error)


# Dicts of verified files.


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (logistic_regression, {"w": np.zeros((12288, 1)), "b": np.float64(0)}),
        (deep_network_application, deep_network_application.build_model()),
    ],
)
def test_arrays_like_those_of_a_dict_are_taken(module, expected):
    """Others are refused, with the first difference."""
    assert weights.like(expected, expected).keys() == expected.keys()
    name = next(iter(expected))
    for wrong in (
        {},
        {**expected, "more": np.zeros(3)},
        {**expected, name: expected[name][:-1]},
        {**expected, name: np.full(expected[name].shape, b"a")},
        {**expected, name: expected[name] + np.inf},
    ):
        refused(weights.like, module.build_model(), wrong)


def test_the_bounds_allow_all_shipped_files():
    """And the largest published one."""
    for path in files.shipped_weights().glob("*.h5"):
        assert weights.load_arrays(path)
    assert readers.LARGEST > 575_000_000  # vgg19_weights_tf_dim_ordering_tf_kernels.h5
