"""Quantised MobileNetV2: every layer is loaded, and errors name what is wrong."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dls_keras.converters import mobilenet_int8 as converter
from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError


@pytest.fixture(scope="module")
def model():
    """The smallest that Keras builds with a classifier for a thousand classes."""
    return keras.applications.MobileNetV2((32, 32, 3), weights=None)


@pytest.fixture(scope="module")
def random_layers(model):
    """Random layers of the right shapes."""
    rng = np.random.default_rng(0)
    found = {}
    for layer in model.layers:
        if not hasattr(layer, "kernel"):
            continue
        n_C = layer.output.shape[-1]
        found[layer.name] = converter.Layer(
            rng.integers(-127, 128, layer.kernel.shape, "int8"),
            rng.uniform(1e-4, 1e-3, n_C).astype("float32"),
            rng.normal(size=n_C).astype("float32"),
        )
    return found


def save(layers, path):
    """Write layers as the npz that `read` reads."""
    arrays = {
        f"{name}/{part}": array
        for name, layer in layers.items()
        for part, array in layer._asdict().items()
    }
    np.savez(path, **arrays)
    return path


def test_a_file_is_read_as_it_was_written(random_layers, tmp_path):
    """All 53 layers, bit for bit."""
    read = converter.read(save(random_layers, tmp_path / "net.npz"))
    assert list(read) == list(random_layers) and len(read) == 53
    for name, layer in read.items():
        for got, written in zip(layer, random_layers[name], strict=True):
            np.testing.assert_array_equal(got, written)


@pytest.mark.parametrize(
    ("name", "norm", "convolve"),
    [
        ("Conv1", "bn_Conv1", tf.nn.conv2d),
        ("block_2_depthwise", "block_2_depthwise_BN", tf.nn.depthwise_conv2d),
        ("block_5_project", "block_5_project_BN", tf.nn.conv2d),
        ("Conv_1", "Conv_1_bn", tf.nn.conv2d),
    ],
)
def test_a_layer_and_its_normalisation_are_a_convolution_plus_bias(
    model, random_layers, name, norm, convolve
):
    """Each output channel has its own scale."""
    converter.fill(model, random_layers)
    layer, norm = model.get_layer(name), model.get_layer(norm)
    kernel, scale, bias = random_layers[name]
    channels = kernel.shape[2]
    x = np.random.default_rng(1).normal(size=(2, 6, 6, channels)).astype("float32")
    unscaled = convolve(x, kernel.astype("float32"), [1, *layer.strides, 1], "SAME")
    if layer.padding == "valid" and layer.kernel_size != (1, 1):
        unscaled = convolve(
            x, kernel.astype("float32"), [1, *layer.strides, 1], "VALID"
        )
    got = norm(layer(x), training=False)
    # float32 sums in another order.
    np.testing.assert_allclose(got, unscaled * scale + bias, rtol=1e-4, atol=1e-4)


def test_the_classifier_is_loaded_if_the_model_has_one(model, random_layers):
    """A base without top has the other 52 layers."""
    converter.fill(model, random_layers)
    kernel, scale, bias = random_layers["predictions"]
    dense = model.get_layer("predictions")
    np.testing.assert_allclose(dense.kernel, kernel * scale, rtol=1e-6)
    np.testing.assert_array_equal(dense.bias, bias)
    base = keras.applications.MobileNetV2((32, 32, 3), weights=None, include_top=False)
    converter.fill(base, random_layers)
    kernels = (m.get_layer("Conv_1").kernel for m in (base, model))
    np.testing.assert_array_equal(*kernels)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda net: net.pop("block_3_expand"), r"differ in \['block_3_expand'\]"),
        (lambda net: net.update(extra=net["Conv1"]), r"differ in \['extra'\]"),
        (
            lambda net: net.update(Conv1=net["block_3_expand"]),
            r"Conv1 has a kernel of shape \(1, 1, 24, 144\).*\(3, 3, 3, 32\)",
        ),
    ],
)
def test_layers_of_another_network_leave_the_model_unchanged(
    model, random_layers, change, words
):
    """One layer is missing, one too many, one of another shape."""
    before = [w.numpy() for w in model.weights]
    net = {
        name: layer._replace(bias=layer.bias + 1)
        for name, layer in random_layers.items()
    }
    change(net)
    with pytest.raises(InputError, match=words):
        converter.fill(model, net)
    for old, new in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer._replace(kernel=layer.kernel.astype("float32")),
        lambda layer: layer._replace(scale=layer.scale[:-1]),
        lambda layer: layer._replace(bias=layer.bias[:, None]),
        lambda layer: layer._replace(kernel=layer.kernel[0, 0, 0]),
    ],
)
def test_a_wrong_type_or_shape_is_an_error(random_layers, tmp_path, change):
    """The message names the layer and what its arrays are."""
    path = save({"Conv1": change(random_layers["Conv1"])}, tmp_path / "net.npz")
    with pytest.raises(InputError, match="Conv1 of .* is not a layer: kernel"):
        converter.read(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and then nothing", b"text"])
def test_a_file_that_is_not_an_npz_is_an_error(tmp_path, content):
    """Empty, truncated, or a text."""
    path = tmp_path / "net.npz"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a quantised MobileNetV2"):
        converter.read(path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_must_be_finite(random_layers, tmp_path, value):
    """The message names the array."""
    layer = random_layers["Conv1"]
    wrong = layer._replace(scale=np.full_like(layer.scale, value))
    path = save({"Conv1": wrong}, tmp_path / "net.npz")
    with pytest.raises(InputError, match="Conv1/scale in .* holds NaN or inf"):
        converter.read(path)


def test_an_npz_with_other_arrays_is_an_error(random_layers, tmp_path):
    """Other names, one array more, none at all; and a missing file."""
    np.savez(tmp_path / "a.npz", x=np.zeros(3))
    np.savez(tmp_path / "none.npz")
    layer = random_layers["Conv1"]._asdict().items()
    arrays = {f"Conv1/{part}": array for part, array in layer}
    np.savez(tmp_path / "more.npz", **arrays, **{"Conv1/variance": np.ones(32)})
    for name in ("a", "none", "more"):
        with pytest.raises(InputError, match=f"{name}.npz"):
            converter.read(tmp_path / f"{name}.npz")
    with pytest.raises(MissingFileError, match="no file"):
        converter.read(tmp_path / "nowhere.npz")


@pytest.mark.data
def test_four_photos_are_classified_as_by_the_quantised_network():
    """It gives Egyptian cat 0.71, dragonfly 0.85, macaw 0.93 and samoyed 0.89.

    Within 0.05: another filter for resizing the photos changes them by that much.
    """
    from dls_keras.core import images

    folder = files.data_folder() / "mobilenet_v2"
    network = keras.applications.MobileNetV2(weights=None)
    layers = converter.read(folder / "mobilenet_v2_1.0_224_int8.npz")
    converter.fill(network, layers)
    classes = (folder / "imagenet_classes.txt").read_text("utf-8").splitlines()
    names = ("cat", "dragonfly", "parrot", "samoyed")
    x = [images.resized(folder / f"check_images/{n}.jpg", 224, 224) for n in names]
    y_hat = np.asarray(network(2 * np.stack(x) - 1, training=False))
    answers = [classes[k].split(",")[0] for k in y_hat.argmax(1)]
    expected = ["egyptian cat", "dragonfly", "macaw", "samoyed"]
    assert [answer.lower() for answer in answers] == expected
    np.testing.assert_allclose(y_hat.max(1), (0.71, 0.85, 0.93, 0.89), atol=0.05)
