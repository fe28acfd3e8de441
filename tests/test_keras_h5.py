"""Keras 1 and 2 files: read, assigned to a model in order, or rejected with a reason.

The files are written here with h5py in the layout of Keras 2 (one group per layer, the
order in the attributes `layer_names` and `weight_names`). Outputs are compared with an
LSTM in NumPy, with tf_keras if it is installed, and with the predictions recorded for
the course's own weight files.
"""

import json
import re
import wave

import h5py
import keras
import matplotlib.mlab
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from dls_keras.converters import keras_h5
from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course5 import date_translation
from dls_keras.datasets import dates

# Float32 against float64 over a few steps; a wrong gate changes outputs by over 1e-3.
CLOSE = {"rtol": 1e-5, "atol": 1e-6}


def write(path, weights, *, config=None, whole=False, encode=True, **attributes):
    """Write a file as Keras 2 did: {layer: {weight name: array}}, in that order.

    With `encode`, texts are bytes of fixed length, which h5py reads as bytes; without,
    they are written as by current versions of h5py.
    """

    def text(value):
        return np.bytes_(value) if encode else value

    def texts(values):
        return np.asarray([*map(str.encode, values)]) if encode else list(values)

    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole else file
        if config is not None:
            file.attrs["model_config"] = text(json.dumps(config))
        for key, value in {"keras_version": "2.1.3", **attributes}.items():
            if value is not None:
                group.attrs[key] = text(value)
        group.attrs["layer_names"] = texts(weights)
        for layer, arrays in weights.items():
            layer_group = group.create_group(layer)
            layer_group.attrs["weight_names"] = texts(arrays)
            for name, array in arrays.items():
                layer_group[name] = array
    return path


def random(*shape, seed=0):
    """Weights as float32, large enough that hard sigmoids saturate."""
    return np.random.default_rng([seed, *shape]).normal(0, 1.5, shape).astype("float32")


def reader_weights():
    """An LSTM of 3 units over 4 features and a Dense of 2, named as in real files."""
    return {
        "input_3": {},
        "lstm_5": {
            "lstm_5_2/kernel:0": random(4, 12),
            "lstm_5_2/recurrent_kernel:0": random(3, 12),
            "lstm_5_2/bias:0": random(12),
        },
        "dropout_3": {},
        "dense_3": {"dense_3_2/kernel:0": random(3, 2), "dense_3_2/bias:0": random(2)},
    }


def reader_config(activation="hard_sigmoid", key="recurrent_activation"):
    """The architecture of `reader_weights`, a functional model as in Keras 2.0.6."""
    entries = [
        ("InputLayer", "input_3", {}),
        ("LSTM", "lstm_5", {"units": 3, key: activation}),
        ("Dropout", "dropout_3", {"rate": 0.5}),
        ("Dense", "dense_3", {"units": 2}),
    ]
    return {
        "class_name": "Model",
        "config": {
            "layers": [
                {"class_name": kind, "name": name, "config": config | {"name": name}}
                for kind, name, config in entries
            ]
        },
    }


def build_reader(recurrent_activation=keras_h5.keras2_hard_sigmoid):
    """The model that `reader_weights` fit."""
    lstm = layers.LSTM(3, recurrent_activation=recurrent_activation)
    return keras.Sequential(
        [keras.Input((6, 4)), lstm, layers.Dropout(0.5), layers.Dense(2)]
    )


def clip_gate(x):
    """Keras 2's hard_sigmoid, in NumPy."""
    return np.clip(0.2 * x + 0.5, 0, 1)


def lstm(x, kernel, recurrent, bias, gate=clip_gate):
    """The last state of an LSTM with gates i, f, c, o, in float64."""
    n = len(recurrent)
    h = c = np.zeros((len(x), n))
    for t in range(x.shape[1]):
        z = x[:, t].astype(float) @ kernel + h @ recurrent + bias
        i, f, g, o = (z[:, k * n : (k + 1) * n] for k in range(4))
        c = gate(f) * c + gate(i) * np.tanh(g)
        h = gate(o) * np.tanh(c)
    return h


def expected(x, gate=clip_gate):
    """The output of a model with `reader_weights`."""
    _, recurrent, _, dense = reader_weights().values()
    kernel, bias = dense.values()
    return lstm(x, *recurrent.values(), gate) @ kernel + bias


def values(model):
    """Copies of all weights of a model."""
    return [weight.numpy() for weight in model.weights]


def message_of(action, *arguments, **keywords):
    """The message of the InputError that an action raises."""
    with pytest.raises(InputError) as error:
        action(*arguments, **keywords)
    return str(error.value)


# Reading.


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("encode", [False, True], ids=["text", "bytes"])
def test_layers_are_in_the_order_of_the_file(tmp_path, whole, encode):
    """HDF5 lists groups alphabetically; the attributes have the order of the layers."""
    path = write(tmp_path / "m.h5", reader_weights(), whole=whole, encode=encode)
    contents = keras_h5.read(path)
    assert [layer.name for layer in contents.layers] == list(reader_weights())
    assert contents.keras_version == "2.1.3"
    for layer in contents.layers:
        wanted = reader_weights()[layer.name]
        assert list(layer.weights) == list(wanted)
        for name, array in layer.weights.items():
            np.testing.assert_array_equal(array, wanted[name])


def test_a_long_list_of_names_is_read_from_its_pieces(tmp_path):
    """Keras splits lists over 64 KB into name0, name1, ...; all are read."""
    path = write(tmp_path / "m.h5", reader_weights())
    with h5py.File(path, "a") as file:
        names = file.attrs["layer_names"]
        del file.attrs["layer_names"]
        file.attrs["layer_names0"], file.attrs["layer_names1"] = names[:1], names[1:]
    contents = keras_h5.read(path)
    assert [layer.name for layer in contents.layers] == list(reader_weights())


@pytest.mark.parametrize("encode", [False, True], ids=["text", "bytes"])
def test_the_layers_of_a_whole_model_have_classes(tmp_path, encode):
    """Class and configuration are read from `model_config`."""
    config = reader_config()
    path = write(
        tmp_path / "m.h5", reader_weights(), config=config, whole=True, encode=encode
    )
    kinds = [layer.class_name for layer in keras_h5.read(path).layers]
    assert kinds == ["InputLayer", "LSTM", "Dropout", "Dense"]


def test_an_architecture_may_be_in_a_file_of_its_own(tmp_path):
    """Weights only and the JSON file have the information of a whole model."""
    path = write(tmp_path / "m.h5", reader_weights())
    model_json = tmp_path / "m.json"
    model_json.write_text(json.dumps(reader_config("sigmoid")))
    contents = keras_h5.read(path, model_json=model_json)
    assert contents.layers[1].class_name == "LSTM"
    assert keras_h5.gates(contents) == "sigmoid"


def test_the_byte_code_of_a_lambda_is_never_run(tmp_path):
    """It is read as a string."""
    code = {"function": ["4wEAAAAAAAAA", None, None], "function_type": "lambda"}
    config = [{"class_name": "Lambda", "config": {"name": "lambda_1", **code}}]
    path = write(
        tmp_path / "m.h5",
        {"lambda_1": {}},
        config={"class_name": "Sequential", "config": config},
    )
    (layer,) = keras_h5.read(path).layers
    assert layer.class_name == "Lambda" and layer.config["function"] == code["function"]


@pytest.mark.parametrize(
    ("activation", "key", "gate"),
    [
        ("hard_sigmoid", "recurrent_activation", "keras2_hard_sigmoid"),
        ("sigmoid", "recurrent_activation", "sigmoid"),
        ("hard_sigmoid", "inner_activation", "keras2_hard_sigmoid"),  # Keras 1
    ],
)
def test_gates_are_those_that_the_file_names(tmp_path, activation, key, gate):
    """Under its old name the hard sigmoid is the old function."""
    config = reader_config(activation, key)
    path = write(tmp_path / "m.h5", reader_weights(), config=config)
    assert keras_h5.gates(keras_h5.read(path)) == gate


def test_gates_are_found_inside_wrappers(tmp_path):
    """A Bidirectional has its LSTM one level deeper."""
    config = reader_config()
    wrapped = config["config"]["layers"][1]
    inner = {"class_name": "LSTM", "config": wrapped["config"]}
    wrapped |= {"class_name": "Bidirectional", "config": {"layer": inner}}
    path = write(tmp_path / "m.h5", reader_weights(), config=config)
    assert keras_h5.gates(keras_h5.read(path)) == "keras2_hard_sigmoid"


def test_gates_are_unknown_without_an_architecture(tmp_path):
    """The result is None, not a guess."""
    assert (
        keras_h5.gates(keras_h5.read(write(tmp_path / "m.h5", reader_weights())))
        is None
    )


def test_different_gates_in_one_file_are_an_error(tmp_path):
    """One result for two kinds of gates would be wrong for one of them."""
    config = reader_config()
    config["config"]["layers"][3]["config"]["recurrent_activation"] = "sigmoid"
    path = write(tmp_path / "m.h5", reader_weights(), config=config)
    assert "keras2_hard_sigmoid', 'sigmoid" in message_of(
        keras_h5.gates, keras_h5.read(path)
    )


# What cannot be read.


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:90", "Git LFS"),
        (b"<!DOCTYPE html><html>Not found</html>", "a web page"),
        (b"four bytes and more of something else", "damaged"),
    ],
)
def test_a_file_that_is_not_hdf5_is_an_error(tmp_path, content, reason):
    """Its first bytes distinguish a Git LFS pointer and a web page from damage."""
    path = tmp_path / "m.h5"
    path.write_bytes(content)
    message = message_of(keras_h5.read, path)
    assert str(path) in message and reason in message


def test_a_missing_file_is_an_error(tmp_path):
    """The weights, or the JSON file."""
    with pytest.raises(MissingFileError, match=r"no\.h5"):
        keras_h5.read(tmp_path / "no.h5")
    path = write(tmp_path / "m.h5", reader_weights())
    with pytest.raises(MissingFileError, match=r"no\.json"):
        keras_h5.read(path, model_json=tmp_path / "no.json")


# Half a second now and then, on a busy machine, is no failure.
@settings(deadline=None, max_examples=50)
@given(part=st.floats(0, 0.999))
def test_a_truncated_file_is_rejected_wherever_it_ends(tmp_path_factory, part):
    """A partial download is not read as a model."""
    path = write(tmp_path_factory.mktemp("cut") / "m.h5", reader_weights())
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    assert f"{path} is not a model or its weights" in message_of(keras_h5.read, path)


@pytest.mark.parametrize("names", [["no/kernel:0"], ["lstm_5_2"], [b"\xff"], 7])
def test_wrong_weight_names_are_damage(tmp_path, names):
    """No such data set, a group, not a text, not a list: the message has the path."""
    path = write(tmp_path / "m.h5", reader_weights())
    with h5py.File(path, "a") as file:
        attributes = file["lstm_5"].attrs
        kind = h5py.string_dtype() if names != 7 else None
        attributes.create("weight_names", names, dtype=kind)
    assert str(path) in message_of(keras_h5.read, path)


# The second is the version of every attribute (message 12 in HDF5's list).
@pytest.mark.parametrize("mark", [b"SNOD", rb"(?s)(?<=\x0c\x00..\x00{4})\x01"])
def test_damage_inside_the_file_is_detected(tmp_path, mark):
    """Damaged structures of HDF5, for which h5py raises different errors."""
    path = write(tmp_path / "m.h5", reader_weights())
    damaged, places = re.subn(mark, b"?", path.read_bytes())
    path.write_bytes(damaged)
    assert places and str(path) in message_of(keras_h5.read, path)


# Keras 3.15 saves with `np.array(variable)`, for which NumPy 2.4 warns.
@pytest.mark.parametrize("suffix", [".weights.h5", ".h5", ".keras"])
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_files_of_keras_3_are_recognised(tmp_path, suffix):
    """In its three formats; the message names Keras 3."""
    path = tmp_path / f"m{suffix}"
    model = build_reader()
    model.save_weights(path) if suffix == ".weights.h5" else model.save(path)
    assert "Keras 3" in message_of(keras_h5.read, path)


def test_a_data_set_is_an_error(tmp_path):
    """The course's data are .h5 files, too; the message names what is in them."""
    path = tmp_path / "train_signs.h5"
    with h5py.File(path, "w") as file:
        file["train_set_x"] = np.zeros((2, 4, 4, 3), "uint8")
        file["train_set_y"] = np.zeros(2, "int64")
        file[b"\xff"] = 0  # a name that is not UTF-8
    message = message_of(keras_h5.read, path)
    assert "train_set_x, train_set_y, \ufffd" in message and "data set" in message


@pytest.mark.parametrize("value", [np.nan, np.inf, b"text"])
def test_arrays_must_hold_finite_numbers(tmp_path, value):
    """After a diverged training, or if the file has texts; the array is named."""
    weights = {"dense_1": {"dense_1/kernel:0": np.array([[value]])}}
    path = write(tmp_path / "m.h5", weights)
    assert "dense_1/kernel:0" in message_of(keras_h5.read, path)


@pytest.mark.parametrize("text", ["{", "[]", '{"config": {"layers": [{"name": "a"}]}}'])
def test_json_that_is_not_an_architecture_is_an_error(tmp_path, text):
    """Invalid JSON, and JSON of another kind."""
    path = write(tmp_path / "m.h5", reader_weights())
    model_json = tmp_path / "m.json"
    model_json.write_text(text)
    message = message_of(keras_h5.read, path, model_json=model_json)
    assert "m.json" in message and "to_json" in message


def test_an_architecture_of_another_model_is_an_error(tmp_path):
    """Its layers have other names than those of the file."""
    config = reader_config()
    config["config"]["layers"][1]["name"] = "lstm_9"
    path = write(tmp_path / "m.h5", reader_weights(), config=config)
    assert "lstm_5" in message_of(keras_h5.read, path)


def test_kernels_in_theanos_order_are_rejected(tmp_path):
    """Recognised by the backend, by dim_ordering or, given a model, by their shape."""
    name, path = "conv_1/kernel:0", tmp_path / "m.h5"
    write(path, {"conv_1": {name: random(3, 3, 2, 8)}}, backend="theano")
    assert "Theano" in message_of(keras_h5.read, path)

    entry = {"class_name": "Convolution2D", "config": {"name": "conv_1"}}
    entry["config"]["dim_ordering"] = "th"
    config = {"class_name": "Sequential", "config": [entry]}
    write(path, {"conv_1": {name: random(8, 8, 8, 8)}}, config=config)
    assert "Theano" in message_of(keras_h5.read, path)

    write(path, {"conv_1": {name: random(8, 2, 3, 3)}})
    conv = layers.Conv2D(8, 3, use_bias=False)
    model = keras.Sequential([keras.Input((5, 5, 2)), conv])
    assert "Theano" in message_of(keras_h5.fill, model, keras_h5.read(path))


def test_recurrent_weights_of_theano_are_accepted(tmp_path):
    """Only kernels of convolutions have another order there."""
    path = write(tmp_path / "m.h5", reader_weights(), backend="theano")
    model = keras_h5.fill(build_reader(), keras_h5.read(path))
    x = random(5, 6, 4)
    np.testing.assert_allclose(model(x), expected(x), **CLOSE)


# Filling a model with the arrays of a file.


@pytest.mark.parametrize("gate", [clip_gate, lambda z: 1 / (1 + np.exp(-z))])
def test_a_filled_model_computes_what_its_arrays_define(tmp_path, gate):
    """Compared with an LSTM in NumPy, for both kinds of gates."""
    old = gate is clip_gate
    config = reader_config("hard_sigmoid" if old else "sigmoid")
    path = write(tmp_path / "m.h5", reader_weights(), config=config, whole=True)
    built = build_reader(keras_h5.keras2_hard_sigmoid if old else "sigmoid")
    before = values(built)
    model = keras_h5.fill(built, keras_h5.read(path))
    assert model is built
    assert not any(map(np.array_equal, before, values(model)))
    x = random(5, 6, 4)
    np.testing.assert_allclose(model(x), expected(x, gate), **CLOSE)


def test_the_hard_sigmoid_of_keras_3_is_another_function(tmp_path):
    """Same arrays and same name, but other outputs; so it is rejected."""
    x = np.array([-3, -2.5, -1, 0, 1, 2.5, 3], "float32")
    np.testing.assert_allclose(
        keras_h5.keras2_hard_sigmoid(x), [0, 0, 0.3, 0.5, 0.7, 1, 1], atol=1e-6
    )
    assert abs(keras.activations.hard_sigmoid(x) - clip_gate(x)).numpy().max() > 0.03

    path = write(tmp_path / "m.h5", reader_weights(), config=reader_config())
    contents, model = keras_h5.read(path), build_reader("hard_sigmoid")
    assert "keras2_hard_sigmoid" in message_of(keras_h5.fill, model, contents)
    keras_h5.fill(model, contents, gates="as built")
    x = random(5, 6, 4)
    assert abs(np.asarray(model(x)) - expected(x)).max() > 1e-2


def test_other_gates_than_the_files_are_rejected_by_default(tmp_path):
    """Before the model is changed; gates="as built" accepts them."""
    path = write(tmp_path / "m.h5", reader_weights(), config=reader_config())
    contents, model = keras_h5.read(path), build_reader("sigmoid")
    before = values(model)
    message = message_of(keras_h5.fill, model, contents)
    assert "lstm_5" in message and "keras2_hard_sigmoid" in message
    assert all(map(np.array_equal, before, values(model)))
    assert "as is" in message_of(keras_h5.fill, model, contents, gates="as is")

    keras_h5.fill(model, contents, gates="as built")
    x = random(5, 6, 4)
    wanted = expected(x, lambda z: 1 / (1 + np.exp(-z)))
    np.testing.assert_allclose(model(x), wanted, **CLOSE)


def bidirectional(recurrent_activation):
    """Three units per direction over 4 features."""
    reader = layers.LSTM(3, recurrent_activation=recurrent_activation)
    return keras.Sequential([keras.Input((6, 4)), layers.Bidirectional(reader)])


def test_a_bidirectional_is_filled_forward_first(tmp_path):
    """The second half of its arrays is for the backward layer; gates are compared."""
    names = ("kernel", "recurrent_kernel", "bias")
    shapes = (4, 12), (3, 12), (12,)
    halves = {
        way: {
            f"both_1/{way}_lstm_1/{name}:0": random(*shape, seed=seed)
            for name, shape in zip(names, shapes, strict=True)
        }
        for seed, way in enumerate(("forward", "backward"))
    }
    config = {"layer": {"class_name": "LSTM", "config": {}}, "name": "both_1"}
    config["layer"]["config"]["recurrent_activation"] = "hard_sigmoid"
    path = write(
        tmp_path / "m.h5",
        {"both_1": halves["forward"] | halves["backward"]},
        config={"config": [{"class_name": "Bidirectional", "config": config}]},
    )
    contents = keras_h5.read(path)
    assert "sigmoid" in message_of(keras_h5.fill, bidirectional("sigmoid"), contents)
    model = keras_h5.fill(bidirectional(keras_h5.keras2_hard_sigmoid), contents)
    x = random(5, 6, 4)
    wanted = np.hstack(
        [
            lstm(x, *halves["forward"].values()),
            lstm(x[:, ::-1], *halves["backward"].values()),
        ]
    )
    np.testing.assert_allclose(model(x), wanted, **CLOSE)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_the_old_gate_survives_saving_inside_a_wrapper(tmp_path):
    """It is registered, since Bidirectional and `load_model` look it up by name."""
    model = bidirectional(keras_h5.keras2_hard_sigmoid)
    model.save(tmp_path / "m.keras")
    again = keras.models.load_model(tmp_path / "m.keras")
    x = random(2, 6, 4)
    np.testing.assert_array_equal(again(x), model(x))


def test_the_single_gates_of_keras_1_are_concatenated(tmp_path):
    """Twelve arrays in the order i, c, f, o become three in the order i, f, c, o."""
    _, recurrent, _, dense = reader_weights().values()
    part = dict(zip("WUb", recurrent.values(), strict=True))
    order = {"i": 0, "f": 1, "c": 2, "o": 3}
    weights = {
        "lstm_1": {
            f"lstm_1_{p}_{g}:0": part[p][..., 3 * order[g] : 3 * order[g] + 3]
            for g in "icfo"
            for p in "WUb"
        },
        "dense_1": dict(
            zip(["dense_1_W:0", "dense_1_b:0"], dense.values(), strict=True)
        ),
    }
    path = write(tmp_path / "m.h5", weights, keras_version=None)
    contents = keras_h5.read(path)
    assert contents.keras_version == "1"
    model = keras_h5.fill(build_reader(), contents)
    x = random(5, 6, 4)
    np.testing.assert_allclose(model(x), expected(x), **CLOSE)


def test_the_message_names_the_first_array_that_does_not_fit(tmp_path):
    """In one line, with its variable and the number of all of them."""
    path = write(tmp_path / "m.h5", reader_weights())
    model = keras.Sequential(
        [keras.Input((6, 4)), layers.LSTM(3, name="read"), layers.Dense(5, name="say")]
    )
    before = values(model)
    (line,) = message_of(keras_h5.fill, model, keras_h5.read(path)).splitlines()
    assert "5 arrays" in line and "5 variables" in line
    assert "dense_3/kernel (3, 2) -> say/kernel (3, 5)" in line
    assert "lstm_5" not in line
    assert all(map(np.array_equal, before, values(model)))


def test_too_many_or_too_few_layers_are_rejected(tmp_path):
    """Their counterpart is "nothing"; the model is not changed."""
    contents = keras_h5.read(write(tmp_path / "m.h5", reader_weights()))
    short = keras.Sequential([keras.Input((6, 4)), layers.LSTM(3)])
    long = keras.Sequential([*build_reader().layers, layers.Dense(2, name="more")])
    long.build((None, 6, 4))
    for model, row in [
        (short, "dense_3/kernel (3, 2) -> nothing"),
        (long, "nothing -> more/kernel (2, 2)"),
    ]:
        before = values(model)
        assert row in message_of(keras_h5.fill, model, contents)
        assert all(map(np.array_equal, before, values(model)))


def test_a_model_without_input_is_an_error(tmp_path):
    """A Sequential without keras.Input has no variables yet."""
    contents = keras_h5.read(write(tmp_path / "m.h5", reader_weights()))
    model = keras.Sequential([layers.LSTM(3), layers.Dense(2)])
    assert "keras.Input" in message_of(keras_h5.fill, model, contents)


@pytest.mark.parametrize("reset_after", [False, True])
def test_the_kind_of_gru_is_recognised_by_its_bias(tmp_path, reset_after):
    """The other kind is rejected; the message has the argument for the right one."""
    bias = random(2, 9) if reset_after else random(9)
    arrays = {
        "kernel:0": random(4, 9),
        "recurrent_kernel:0": random(3, 9),
        "bias:0": bias,
    }
    path = write(tmp_path / "m.h5", {"gru": arrays})
    contents = keras_h5.read(path)

    def build(reset_after):
        gru = layers.GRU(3, reset_after=reset_after)
        return keras.Sequential([keras.Input((6, 4)), gru])

    message = message_of(keras_h5.fill, build(not reset_after), contents)
    assert f"reset_after={reset_after}" in message
    model = keras_h5.fill(build(reset_after), contents)
    np.testing.assert_array_equal(model.weights[2], bias)


def test_arrays_of_equal_shape_are_distinguished_by_name(tmp_path):
    """A beta is not assigned to a gamma, although both have the same shape."""
    names = ("beta:0", "moving_mean:0", "moving_variance:0")
    arrays = {f"bn/{name}": random(3, seed=i) for i, name in enumerate(names)}
    contents = keras_h5.read(write(tmp_path / "m.h5", {"bn": arrays}))

    def build(**kind):
        norm = layers.BatchNormalization(**kind)
        return keras.Sequential([keras.Input((3,)), norm])

    assert "bn/beta (3,)" in message_of(keras_h5.fill, build(center=False), contents)
    keras_h5.fill(build(scale=False), contents)


def test_a_frozen_layer_is_filled_like_a_trainable_one(tmp_path):
    """Its arrays have the same order: gamma, beta, mean, variance."""
    names = ("gamma:0", "beta:0", "moving_mean:0", "moving_variance:0")
    arrays = {f"bn/{name}": random(3, seed=i) for i, name in enumerate(names)}
    contents = keras_h5.read(write(tmp_path / "m.h5", {"bn": arrays}))
    norm = layers.BatchNormalization(trainable=False)
    model = keras_h5.fill(keras.Sequential([keras.Input((3,)), norm]), contents)
    for weight, array in zip(model.weights, arrays.values(), strict=True):
        np.testing.assert_array_equal(weight, array)


def test_a_model_for_each_time_step_is_rejected(tmp_path):
    """The order of its arrays in old files is unknown."""
    contents = keras_h5.read(write(tmp_path / "m.h5", reader_weights()))
    model = keras.Sequential(
        [keras.Input((2, 6, 4)), layers.TimeDistributed(build_reader())]
    )
    assert "applies a model" in message_of(keras_h5.fill, model, contents)


def test_shared_variables_with_different_values_are_an_error(tmp_path):
    """With equal values they are accepted."""
    weights = {
        f"dense_{i}": {f"dense_{i}/kernel:0": random(2, 2, seed=i)} for i in (1, 2)
    }
    contents = keras_h5.read(write(tmp_path / "m.h5", weights))
    shared = layers.Dense(2, use_bias=False)
    x = keras.Input((3, 2))
    model = keras.Model(x, shared(layers.TimeDistributed(shared)(x)))
    before = values(model)
    assert "two layers share" in message_of(keras_h5.fill, model, contents)
    assert all(map(np.array_equal, before, values(model)))
    weights["dense_2"] = {"dense_2/kernel:0": random(2, 2, seed=1)}
    contents = keras_h5.read(write(tmp_path / "m.h5", weights))
    np.testing.assert_array_equal(
        keras_h5.fill(model, contents).weights[0], random(2, 2, seed=1)
    )


# The course's own files, and the predictions recorded for them with Keras 2.

# Recorded with 5 or 6 decimals on another machine, with a tolerance of 1e-3.
AS_RECORDED = {"rtol": 0, "atol": 1e-3}


@pytest.fixture(scope="module")
def recorded():
    """The recorded predictions of the sequence models."""
    path = files.data_folder() / "reference_predictions_sequence.json"
    return json.loads(path.read_text())


@pytest.mark.data
@pytest.mark.parametrize("variant", ["keras2_hard_sigmoid_gates", "sigmoid_gates"])
def test_the_date_translators_output_is_the_recorded_one(recorded, variant):
    """For both kinds of gates: twelve sentences, ten characters each."""
    contents = keras_h5.read(files.data_folder() / "nmt" / "nmt_model.h5")
    assert keras_h5.gates(contents) == "keras2_hard_sigmoid"
    if variant == "sigmoid_gates":  # as the 2021 course loads it
        model = date_translation.build_model("sigmoid")
        assert "as built" in message_of(keras_h5.fill, model, contents)
        keras_h5.fill(model, contents, gates="as built")
    else:
        model = date_translation.build_model(keras_h5.keras2_hard_sigmoid)
        keras_h5.fill(model, contents)
    sentences = recorded["nmt"][variant]
    x = dates.one_hot([dates.indices(s, 30) for s in sentences], len(dates.HUMAN_VOCAB))
    zeros = np.zeros((len(x), 64), "float32")
    y_hat = np.stack(model([x, zeros, zeros]), axis=1)
    for probabilities, answer in zip(y_hat, sentences.values(), strict=True):
        assert dates.decode(probabilities.argmax(-1)) == answer["output"]
        wanted = answer["char_probabilities"]
        np.testing.assert_allclose(probabilities.max(-1), wanted, **AS_RECORDED)


@pytest.mark.data
@pytest.mark.parametrize(
    "file", ["model_shakespeare_kiank.h5", "model_shakespeare_kiank_350_epoch.h5"]
)
def test_the_shakespeare_models_output_is_the_recorded_one(recorded, file):
    """The distribution of the next character, and 120 characters of greedy decoding."""
    contents = keras_h5.read(files.data_folder() / "dinosaurus" / file)
    gate = {"recurrent_activation": keras_h5.keras2_hard_sigmoid}
    model = keras.Sequential(
        [
            keras.Input((40, 38)),
            layers.LSTM(128, return_sequences=True, **gate),
            layers.Dropout(0.5),
            layers.LSTM(128, **gate),
            layers.Dropout(0.5),
            layers.Dense(38, activation="softmax"),
        ]
    )
    keras_h5.fill(model, contents)
    vocabulary = recorded["shakespeare"]["vocabulary"]
    answers = recorded["shakespeare"]["models"][file]

    def next_character(text):
        x = np.zeros((1, 40, 38), "float32")
        for t, character in enumerate(f"{text:0>40}"[-40:]):
            x[0, t, [vocabulary.index(c) for c in character if c != "0"]] = 1
        return model.predict_on_batch(x)[0]

    for prompt, distribution in answers["next_char_distribution"].items():
        np.testing.assert_allclose(next_character(prompt), distribution, **AS_RECORDED)
    for prompt, text in answers["greedy_120_after_prompt"].items():
        written = prompt
        for _ in range(120):
            written += vocabulary[next_character(written).argmax()]
        assert written == text


@pytest.mark.data
@pytest.mark.parametrize("name", ["model", "model_new8"])
def test_the_trigger_word_models_output_is_the_recorded_one(recorded, name):
    """A file of weights only with its JSON file, on a clip of ten seconds."""
    folder = files.data_folder() / "trigger_word"
    path, model_json = (folder / "models" / f"{name}{end}" for end in (".h5", ".json"))
    assert keras_h5.gates(keras_h5.read(path)) is None
    contents = keras_h5.read(path, model_json=model_json)
    assert keras_h5.gates(contents) == "sigmoid"
    gru = {"return_sequences": True, "reset_after": True}
    parts = [
        keras.Input((5511, 101)),
        layers.Conv1D(196, 15, strides=4),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Dropout(0.8),
        layers.GRU(128, **gru),
        layers.Dropout(0.8),
        layers.BatchNormalization(),
        layers.GRU(128, **gru),
        layers.Dropout(0.8),
        layers.BatchNormalization(),
        layers.Dropout(0.8),
        # The file's TimeDistributed, which Keras 3 unrolls: 20 seconds for 1,375 steps.
        layers.Dense(1, activation="sigmoid"),
    ]
    model = keras_h5.fill(keras.Sequential(parts), contents)
    clip = "audio_examples/insert_reference.wav"
    with wave.open(str(folder / clip)) as sound:
        samples = np.frombuffer(sound.readframes(-1), "<i2")[:: sound.getnchannels()]
    power, _, _ = matplotlib.mlab.specgram(samples, NFFT=200, Fs=8000, noverlap=120)
    y_hat = model.predict_on_batch(power.T[np.newaxis].astype("float32"))[0, :, 0]
    wanted = recorded["trigger_word"]["models"][name][clip]["raw"]
    assert y_hat.argmax() == wanted["argmax"]
    np.testing.assert_allclose(y_hat[::25], wanted["every_25th"], **AS_RECORDED)


# tf_keras, which is Keras 2, writes the file and gives the expected outputs.


@pytest.fixture
def tf_keras():
    """The reference implementation, installed by hand without its dependencies."""
    return pytest.importorskip("tf_keras", reason="pip install --no-deps tf_keras")


# tf_keras warns of an old file format and of old NumPy calls.
no_warnings = pytest.mark.filterwarnings("ignore")


def recurrent(kind, *, hard=False, bidirectional=False, **keywords):
    """How to make a recurrent layer of 4 units from `keras.layers` or tf_keras's."""

    def make(library):
        if hard:
            old = keras_h5.keras2_hard_sigmoid
            gate = old if library is layers else "hard_sigmoid"
            layer = getattr(library, kind)(4, recurrent_activation=gate, **keywords)
        else:
            layer = getattr(library, kind)(4, **keywords)
        return library.Bidirectional(layer) if bidirectional else layer

    return make


# Input shape, then how to make each layer from either library.
ZOO = {
    "perceptron": (
        (5,),
        lambda of: of.Dense(7, "tanh"),
        lambda of: of.BatchNormalization(),
        lambda of: of.LayerNormalization(),
        lambda of: of.PReLU(),
        lambda of: of.Dense(3, "softmax"),
    ),
    "pictures": (
        (9, 9, 3),
        lambda of: of.Conv2D(4, 3, use_bias=False),
        lambda of: of.BatchNormalization(scale=False, trainable=False),
        lambda of: of.DepthwiseConv2D(3),
        lambda of: of.SeparableConv2D(5, 3, padding="same"),
        lambda of: of.Conv2DTranspose(2, 2, strides=2),
        lambda of: of.Flatten(),
        lambda of: of.Dense(3),
    ),
    "trigger": (
        (12, 6),
        lambda of: of.Conv1D(5, 3, strides=2),
        lambda of: of.BatchNormalization(),
        recurrent("GRU", return_sequences=True),
        lambda of: of.Dropout(0.8),
        recurrent("GRU", return_sequences=True, reset_after=False),
        lambda of: of.TimeDistributed(of.Dense(1, activation="sigmoid")),
    ),
    "reader": (
        (6,),
        lambda of: of.Embedding(3, 5),
        recurrent("LSTM", hard=True, bidirectional=True, return_sequences=True),
        recurrent("GRU", hard=True, bidirectional=True, return_sequences=True),
        recurrent("SimpleRNN", return_sequences=True),
        recurrent("LSTM", hard=True),
        lambda of: of.Dense(3),
    ),
}


def build(library, name):
    """A model of the zoo, made by Keras or by tf_keras."""
    shape, *makers = ZOO[name]
    made = [make(library.layers) for make in makers]
    return library.Sequential([library.Input(shape), *made])


@no_warnings
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", ZOO)
def test_converted_models_equal_those_of_tf_keras(tf_keras, tmp_path, name, whole):
    """Layers of every kind with random weights, equal to 1e-5."""
    saved, rng = build(tf_keras, name), np.random.default_rng(1)
    for variable in saved.weights:
        array = rng.normal(size=variable.shape) / np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(abs(array) + 0.5 if "variance" in variable.name else array)
    path = tmp_path / "m.h5"
    saved.save(path) if whole else saved.save_weights(path)
    contents = keras_h5.read(path)
    if whole and name in ("trigger", "reader"):
        gate = "keras2_hard_sigmoid" if name == "reader" else "sigmoid"
        assert keras_h5.gates(contents) == gate
    converted = keras_h5.fill(build(keras, name), contents)
    x = rng.uniform(0, 3, (8, *ZOO[name][0])).astype("float32")
    np.testing.assert_allclose(converted(x), saved(x), rtol=0, atol=1e-5)


@no_warnings
def test_gates_of_keras_1_are_concatenated_as_by_tf_keras(tf_keras, tmp_path):
    """LSTM and GRU arrays, gate by gate, in a file without a version."""
    weights = {
        layer: {
            f"{layer}_{part}_{gate}": array + 0.1 * i
            for i, gate in enumerate(gates)
            for part, array in [
                ("W", random(n, 4)),
                ("U", random(4, 4)),
                ("b", random(4)),
            ]
        }
        for layer, gates, n in [("gru_1", "zrh", 5), ("lstm_1", "icfo", 4)]
    }
    path = write(tmp_path / "m.h5", weights, keras_version=None)
    models = [
        library.Sequential(
            [
                library.Input((6, 5)),
                library.layers.GRU(4, return_sequences=True, reset_after=False),
                library.layers.LSTM(4),
            ]
        )
        for library in (keras, tf_keras)
    ]
    models[1].load_weights(path)
    keras_h5.fill(models[0], keras_h5.read(path))
    x = random(8, 6, 5)
    np.testing.assert_allclose(models[0](x), models[1](x), rtol=0, atol=1e-5)
