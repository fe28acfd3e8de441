"""MobileFaceNet and OpenFace: their graphs, and readers of their weight files.

No OpenFace file was available, so its files are written here with random numbers, in
the layout that the readers expect.
"""

import json
import shutil

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from dls_keras.converters import face_networks
from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.networks.mobile_face_net import mobile_face_net
from dls_keras.networks.open_face import (
    L2Pooling,
    LocalResponseNormalization,
    open_face,
)

RNG = np.random.default_rng(0)
FACES = RNG.uniform(size=(2, 112, 112, 3)).astype("float32")


@pytest.fixture(scope="module")
def mobile():
    return randomised(mobile_face_net())


@pytest.fixture(scope="module")
def openface():
    return randomised(open_face())


def randomised(model):
    """The model with random weights, including those of batch normalisations."""
    rng = np.random.default_rng(1)
    for variable in model.weights:
        values = rng.normal(0, 0.1, variable.shape)
        if variable.name in ("gamma", "moving_variance"):
            values = rng.uniform(0.5, 1.5, variable.shape)
        variable.assign(np.round(64 * values) / 64)  # exact in seven digits
    return model


def arrays_of(model):
    """Copies of a model's arrays under "layer/variable"."""
    return {
        f"{layer.name}/{variable.name}": variable.numpy()
        for layer in model.layers
        for variable in layer.weights
    }


# The networks.


@pytest.mark.parametrize(
    ("network", "size", "parameters"),
    [(mobile_face_net, 112, 1_022_720), (open_face, 96, 3_743_280)],
)
def test_a_network_has_the_published_parameters(network, size, parameters):
    """MobileFaceNet's file has 1,022,848, of which 128 gammas are not used."""
    model = network()
    assert model.count_params() == parameters
    assert model.input_shape == (None, size, size, 3)
    assert model.output_shape == (None, 128)


def test_encodings_have_unit_length(mobile, openface):
    """Of both networks, with any weights."""
    for model, x in ((mobile, FACES), (openface, FACES[:, :96, :96])):
        lengths = np.linalg.norm(model(x, training=False), axis=1)
        np.testing.assert_allclose(lengths, 1, rtol=1e-5)


def test_l2_pooling_is_the_root_of_the_sum_of_squares():
    """In windows without overlap, compared with a loop over them."""
    x = RNG.normal(size=(2, 6, 9, 3)).astype("float32")
    out = L2Pooling(3)(x)
    assert out.shape == (2, 2, 3, 3)
    for i, j in np.ndindex(2, 3):
        window = x[:, 3 * i : 3 * i + 3, 3 * j : 3 * j + 3]
        norm = np.sqrt(np.square(window).sum(axis=(1, 2)))
        np.testing.assert_allclose(out[:, i, j], norm, rtol=1e-5)


def test_l2_pooling_of_zeros_has_a_finite_gradient():
    """After a relu whole windows are zero, where a root has an infinite slope."""
    x = tf.zeros((1, 3, 3, 1))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(L2Pooling(3)(x))
    assert np.isfinite(tape.gradient(y, x)).all()


def test_response_normalisation_uses_five_channels_on_either_side():
    """Each value is divided by (1 + 1e-4 * sum of squares of 11 channels) ** 0.75."""
    x = 50 * RNG.normal(size=(1, 2, 2, 14)).astype("float32")
    out = LocalResponseNormalization()(x)
    for channel in range(14):
        near = x[..., max(0, channel - 5) : channel + 6]
        scale = (1 + 1e-4 * np.square(near).sum(-1)) ** 0.75
        np.testing.assert_allclose(out[..., channel], x[..., channel] / scale, 1e-4)


@pytest.mark.parametrize("name", ["mobile", "openface"])
def test_a_saved_network_gives_the_same_encodings(name, request, tmp_path):
    """Loaded from a .keras file without custom objects, and cloned."""
    model = request.getfixturevalue(name)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    x = FACES[:, : model.input_shape[1], : model.input_shape[2]]
    for other in (loaded, clone):
        np.testing.assert_array_equal(
            other(x, training=False), model(x, training=False)
        )


@pytest.mark.data
def test_mobile_face_net_is_the_published_graph(mobile):
    """Every node of InsightFace's graph has its layer, with the same numbers."""
    path = files.in_data_folder("faces/mobilefacenet_graph.json")
    nodes = {node["name"]: node for node in json.loads(path.read_text())["nodes"]}
    kinds = {node["op"] for node in nodes.values()}
    assert kinds == {
        *("Convolution", "BatchNorm", "LeakyReLU", "FullyConnected"),
        *("elemwise_add", "_minus_scalar", "_mul_scalar"),
    }
    additions = [layer for layer in mobile.layers if type(layer).__name__ == "Add"]
    assert len(additions) == sum(n["op"] == "elemwise_add" for n in nodes.values())
    for name, node in nodes.items():
        if node["op"] == "Convolution":
            layer = mobile.get_layer(name)
            assert [*layer.kernel_size] == node["kernel"]
            assert [*layer.strides] == node["stride"]
            assert layer.output.shape[-1] == node["filters"]
            assert (node["groups"] > 1) == isinstance(
                layer, keras.layers.DepthwiseConv2D
            )
            side = layer.input.shape[1]
            if node["stride"] == [2, 2]:
                side -= 2 * node["pad"][0]  # added by a ZeroPadding2D
            elif node["pad"] == [1, 1]:
                assert layer.padding == "same"
            else:
                assert node["kernel"] == [1, 1] or layer.padding == "valid"
        elif node["op"] == "BatchNorm":
            assert mobile.get_layer(name).epsilon == pytest.approx(node["eps"])
            assert mobile.get_layer(name).scale != node["fix_gamma"]
        elif node["op"] == "LeakyReLU":
            assert isinstance(mobile.get_layer(name), keras.layers.PReLU)
    scaled = np.asarray(mobile.get_layer("scaled")(np.array([0.0, 1.0])))
    minus, times = (nodes[name]["scalar"] for name in ("_minusscalar0", "_mulscalar0"))
    np.testing.assert_allclose(scaled, [-minus * times, (255 - minus) * times], 1e-6)


# MXNet.


def mxnet_names(arrays):
    """Arrays of MobileFaceNet under the names of MXNet's file."""
    renamed = {}
    for name, array in arrays.items():
        layer, part = name.split("/")
        part = {"kernel": "weight", "moving_variance": "moving_var"}.get(part, part)
        if part == "alpha":
            part, array = "gamma", array[0, 0]
        if name == "pre_fc1/kernel":
            layer = "fc1"
        renamed[f"{layer}_{part}"] = array
    renamed["fc1_gamma"] = np.full(128, 7, "float32")  # which is not used
    return renamed


@pytest.fixture(scope="module")
def mxnet(mobile, tmp_path_factory):
    """A file of random numbers with MXNet's names: 284 arrays, as published."""
    path = tmp_path_factory.mktemp("mxnet") / "mobilefacenet.npz"
    arrays = mxnet_names(arrays_of(mobile))
    assert len(arrays) == 284
    np.savez(path, **arrays)
    return path


def test_weights_in_mxnet_format_are_read_unchanged(mobile, mxnet):
    """A model filled from the file gives the encodings of the one that wrote it."""
    model = face_networks.fill(mobile_face_net(), face_networks.read_mxnet(mxnet))
    np.testing.assert_allclose(
        model(FACES, training=False), mobile(FACES, training=False), atol=1e-6
    )


@pytest.mark.data
def test_the_published_file_has_the_names_of_this_test(mobile):
    """`mxnet_names` gives the names and shapes of the real file."""
    with np.load(files.in_data_folder("faces/mobilefacenet.npz")) as npz:
        real = {name: npz[name].shape for name in npz.files}
    made = {name: a.shape for name, a in mxnet_names(arrays_of(mobile)).items()}
    assert made == real


def test_files_without_the_mxnet_arrays_are_refused(mxnet, tmp_path):
    """Missing, text, truncated, a single array, other names, pickled objects."""
    with pytest.raises(MissingFileError, match="no file"):
        face_networks.read_mxnet(tmp_path / "none.npz")
    wrong = tmp_path / "wrong.npz"
    for content in (b"", b"text", mxnet.read_bytes()[:100_000]):
        wrong.write_bytes(content)
        with pytest.raises(InputError, match="not a readable npz"):
            face_networks.read_mxnet(wrong)
    with open(wrong, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(InputError, match="not a readable npz"):
        face_networks.read_mxnet(wrong)
    np.savez(wrong, conv_1_conv2d_weight=np.array([{"a": 1}]))
    with pytest.raises(InputError, match="the type object"):
        face_networks.read_mxnet(wrong)
    np.savez(wrong, images=np.zeros(3))
    with pytest.raises(InputError, match="'images'"):
        face_networks.read_mxnet(wrong)


def test_invalid_arrays_do_not_change_the_model(mobile):
    """One missing, one unknown, one of another shape, NaN, a negative variance."""
    good = arrays_of(mobile)
    name = "conv_1_conv2d/kernel"
    variance = "fc1/moving_variance"
    cases = {
        f"missing: {name}": {k: v for k, v in good.items() if k != name},
        "unknown: conv_9/kernel": good | {"conv_9/kernel": good[name]},
        "has shape": good | {name: good[name][:2]},
        "NaN or inf": good | {name: np.full_like(good[name], np.nan)},
        "negative": good | {variance: -good[variance]},
    }
    model = mobile_face_net()
    before = arrays_of(model)
    for message, arrays in cases.items():
        with pytest.raises(InputError, match=message):
            face_networks.fill(model, arrays)
    for key, array in arrays_of(model).items():
        np.testing.assert_array_equal(array, before[key])


# OpenFace.


@pytest.fixture(scope="module")
def csv_folder(openface, tmp_path_factory):
    """Random numbers as CSV files in Torch's order, one line per output channel."""
    folder = tmp_path_factory.mktemp("csv")
    ends = {"kernel": "w", "bias": "b", "gamma": "w", "beta": "b"}
    ends |= {"moving_mean": "m", "moving_variance": "v"}
    for name, array in arrays_of(openface).items():
        layer, part = name.split("/")
        if array.ndim == 4:
            array = np.einsum("hwio->oihw", array)
        elif array.ndim == 2:
            array = array.T
        file = f"{layer.replace('dense_layer', 'dense')}_{ends[part]}.csv"
        known = {value: f"{value:.7g}" for value in np.unique(array).tolist()}
        lines = (
            ",".join(map(known.get, line))
            for line in array.reshape(len(array), -1).tolist()
        )
        (folder / file).write_text("\n".join(lines) + "\n")
    return folder


def test_openface_csv_files_are_read_unchanged(openface, csv_folder):
    """The 224 files give the encodings of the network that wrote them."""
    assert len([*csv_folder.iterdir()]) == len(openface.weights) == 224
    model = open_face()
    face_networks.fill(model, face_networks.read_open_face_csv(csv_folder, model))
    x = FACES[:, :96, :96]
    np.testing.assert_allclose(
        model(x, training=False), openface(x, training=False), atol=1e-5
    )


def test_invalid_csv_files_are_refused(openface, csv_folder, tmp_path):
    """Missing, not numbers, too few of them."""
    folder = shutil.copytree(csv_folder, tmp_path / "csv")
    bias = folder / "conv1_b.csv"
    for content, message in (
        (b"1,2,3", "holds 3 numbers, expected 64"),
        (b"<html>", "a web page"),
        (b"", "empty"),
        (b"\xff\xfe", "not a list of numbers"),
    ):
        bias.write_bytes(content)
        with pytest.raises(InputError, match=message):
            face_networks.read_open_face_csv(folder, openface)
    bias.unlink()
    with pytest.raises(MissingFileError, match="conv1_b.csv"):
        face_networks.read_open_face_csv(folder, openface)


@pytest.mark.parametrize("keras_version", [1, 2])
def test_an_openface_h5_is_read_unchanged(openface, keras_version, tmp_path):
    """By the names of the layers, in any order, in the layout of Keras 1 and 2."""
    path = tmp_path / "nn4.small2.v1.h5"
    with h5py.File(path, "w") as file:
        group = file if keras_version == 1 else file.create_group("model_weights")
        layers = [*openface.layers][::-1]
        group.attrs["layer_names"] = [layer.name.encode() for layer in layers]
        for layer in layers:
            held = group.create_group(layer.name)
            names = [f"{layer.name}/{v.name}:0" for v in layer.weights]
            if keras_version == 1:
                old = {"kernel": "W", "bias": "b", "moving_variance": "running_std"}
                names = [
                    f"{layer.name}_{old.get(v.name, v.name)}" for v in layer.weights
                ]
            held.attrs["weight_names"] = [name.encode() for name in names]
            for name, variable in zip(names, layer.weights, strict=True):
                held[name] = variable.numpy()
    model = face_networks.fill(open_face(), face_networks.read_open_face_h5(path))
    x = FACES[:, :96, :96]
    np.testing.assert_allclose(
        model(x, training=False), openface(x, training=False), atol=1e-6
    )
