"""VGG-19's network, its weights from three formats, and the compact network."""

import h5py
import keras
import numpy as np
import pytest
from scipy import io

from dls_keras.converters import vgg19 as converter
from dls_keras.core.errors import InputError
from dls_keras.networks import vgg19

NAMES = ("block1_conv1", "block1_conv2", "block2_conv1")


@pytest.fixture(scope="module")
def arrays():
    """Random kernels and biases of the first three layers."""
    rng = np.random.default_rng(0)
    shapes = ((3, 64), (64, 64), (64, 128))
    return {
        name: (
            rng.normal(0, 0.05, (3, 3, *shape)).astype("float32"),
            rng.normal(0, 0.1, shape[1]).astype("float32"),
        )
        for name, shape in zip(NAMES, shapes, strict=True)
    }


def keras_file(arrays, path):
    """A file in the layout of Keras 1, in 2016."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [b"input_1", *(n.encode() for n in arrays)]
        file.create_group("input_1").attrs["weight_names"] = np.array([], "S1")
        for name, (kernel, bias) in arrays.items():
            group = file.create_group(name)
            names = [f"{name}_W_1:0", f"{name}_b_1:0"]
            group.attrs["weight_names"] = [n.encode() for n in names]
            group[names[0]], group[names[1]] = kernel, bias
    return path


def matconvnet_file(arrays, path, old=False):
    """MatConvNet's layout: kernels for RGB, and layers without weights in between."""
    layers = []
    for name, (kernel, bias) in arrays.items():
        if name == "block1_conv1":
            kernel = kernel[:, :, ::-1]
        block, i = name[5], name[-1]
        layer = {"name": f"conv{block}_{i}", "type": "conv"}
        if old:
            layer |= {"filters": kernel, "biases": bias[np.newaxis]}
        else:
            both = np.empty(2, object)
            both[:] = [kernel, bias[:, np.newaxis]]
            layer["weights"] = both
        layers += [layer, {"name": f"relu{block}_{i}", "type": "relu"}]
    cells = np.empty(len(layers), object)
    cells[:] = layers
    io.savemat(path, {"layers": cells, "meta": {"classes": 0}})
    return path


def filled(arrays):
    """A network of three layers with the weights `arrays`."""
    network = vgg19.vgg19("block2_conv1")
    converter.fill(network, arrays)
    return network


@pytest.mark.parametrize("size", [(32, 32), (17, 40)])
def test_the_network_is_that_of_keras(arrays, size):
    """Same numbers as `keras.applications.VGG19` after its `preprocess_input`."""
    oracle = keras.applications.VGG19(include_top=False, weights=None)
    for name, values in arrays.items():
        oracle.get_layer(name).set_weights(values)
    oracle = keras.Model(oracle.input, oracle.get_layer(NAMES[-1]).output)
    image = np.random.default_rng(1).uniform(size=(2, *size, 3)).astype("float32")
    expected = oracle(keras.applications.vgg19.preprocess_input(255 * image))
    ours = filled(arrays)(image)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-3)


def test_the_number_of_parameters_is_that_of_the_paper():
    """Without the classifier, and up to the third block."""
    assert vgg19.vgg19().count_params() == 20_024_384
    assert vgg19.vgg19("block3_conv4").count_params() == 2_325_568


def test_the_compact_network_has_the_output_shapes_of_vgg():
    """Channels, heights and widths, also for sides that are not multiples of four."""
    compact, image = vgg19.compact_vgg19(width=8), np.zeros((1, 21, 30, 3), "float32")
    for name, output in zip(vgg19.SCALES, compact(image), strict=True):
        halvings = int(name[5]) - 1
        expected = (1, 21 >> halvings, 30 >> halvings, vgg19.LAYERS[name])
        assert output.shape == expected
        assert compact.get_layer(name).output.shape[-1] == expected[-1]


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_saved_network_gives_the_same_activations(dtype, tmp_path):
    """Loaded from a .keras file, and cloned."""
    model = vgg19.vgg19("block2_conv1", dtype=dtype)
    model.save(tmp_path / "vgg19.keras")
    loaded = keras.models.load_model(tmp_path / "vgg19.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    x = np.random.default_rng(0).uniform(size=(1, 21, 30, 3)).astype("float32")
    for other in (loaded, clone):
        np.testing.assert_array_equal(other(x), model(x))


def test_a_perfect_estimate_has_no_loss_and_explains_all_variance():
    """A constant estimate, the mean of each layer, explains none of it."""
    rng = np.random.default_rng(0)
    names = ("block1_conv1", "block3_conv1")
    scaled = [rng.normal(size=(2, 4, 4, n)).astype("float32") for n in (3, 5)]
    a = [x * vgg19.SCALES[name] for name, x in zip(names, scaled, strict=True)]
    assert float(vgg19.distillation_loss(names, a, scaled)) < 1e-9
    shares = vgg19.explained_variance(names, a, scaled)
    assert [*shares] == [*names]
    assert min(shares.values()) > 1 - 1e-9
    means = [np.full_like(x, x.mean()) for x in scaled]
    assert float(vgg19.distillation_loss(names, a, means)) > 1
    shares = vgg19.explained_variance(names, a, means)
    np.testing.assert_allclose(list(shares.values()), 0, atol=1e-6)


def test_three_formats_hold_the_same_weights(arrays, tmp_path):
    """Keras's file, both editions of MatConvNet's, and one npz per layer."""
    for name, (kernel, bias) in arrays.items():
        np.savez(tmp_path / f"{name}.npz", kernel=kernel, bias=bias)
    read = (
        converter.read_keras(keras_file(arrays, tmp_path / "vgg19.h5")),
        converter.read_matconvnet(matconvnet_file(arrays, tmp_path / "new.mat")),
        converter.read_matconvnet(
            matconvnet_file(arrays, tmp_path / "old.mat", old=True)
        ),
        converter.read_npz(*(tmp_path / f"{name}.npz" for name in NAMES)),
    )
    for found in read:
        network = filled(found)
        for name, values in arrays.items():
            for ours, value in zip(
                network.get_layer(name).weights, values, strict=True
            ):
                np.testing.assert_array_equal(ours, value)


def test_files_without_the_weights_are_refused(arrays, tmp_path):
    """A text file, a missing file, a truncated one, arrays of other names."""
    text, cut, other = (
        tmp_path / n for n in ("text.npz", "cut.mat", "block1_conv1.npz")
    )
    text.write_text("<html>not here</html>")
    cut.write_bytes(matconvnet_file(arrays, tmp_path / "a.mat").read_bytes()[:5000])
    np.savez(other, weights=np.zeros(3))
    for read, path, message in (
        (converter.read_npz, text, "web page"),
        (converter.read_npz, other, "kernel"),
        (converter.read_npz, tmp_path / "none.npz", "no file"),
        (converter.read_matconvnet, cut, "cut.mat is not"),
        (converter.read_matconvnet, text, "web page"),
        (converter.read_matconvnet, tmp_path / "none.mat", "no file"),
        (converter.read_keras, text, "text.npz"),
    ):
        with pytest.raises(InputError, match=message):
            read(path)


def test_invalid_weights_do_not_change_the_network(arrays):
    """Missing, of another shape, or NaN."""
    network = filled(arrays)
    kernel, bias = arrays["block2_conv1"]
    for wrong in ((), (kernel[..., :-1], bias), (kernel * np.nan, bias)):
        with pytest.raises(InputError, match="block2_conv1"):
            converter.fill(network, {**arrays, "block2_conv1": wrong})
    for name, values in arrays.items():
        for ours, value in zip(network.get_layer(name).weights, values, strict=True):
            np.testing.assert_array_equal(ours, value)


def test_an_unknown_layer_is_refused():
    """The message names those that exist."""
    with pytest.raises(InputError, match="'block3_conv5'.*block3_conv4"):
        vgg19.vgg19("block3_conv5")
