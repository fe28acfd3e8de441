"""Classic networks: the tables of their papers, Keras's own networks, and digits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from dls_keras.core.errors import InputError
from dls_keras.course4 import classic_networks as cn
from dls_keras.datasets import digits
from dls_keras.datasets.draw import digits as draw_digits


@pytest.fixture
def shapes_of():
    """Builds a model whose variables have shapes but no memory."""

    def build_without_memory(build, **settings):
        with keras.StatelessScope(initialize_variables=False):
            return build(**settings)

    yield build_without_memory
    keras.utils.clear_session()  # otherwise Keras would initialise them later


@pytest.fixture
def slim(monkeypatch):
    """Builds networks with dense layers of 16 units in place of 4096."""
    dense = keras.layers.Dense

    def build(units, **settings):
        return dense(16 if units == 4096 else units, **settings)

    monkeypatch.setattr(cn.layers, "Dense", build)


def counts(model):
    """The number of parameters of each layer with parameters, by name."""
    return {
        layer.name: layer.count_params()
        for layer in model.layers
        if layer.count_params()
    }


def sides(model, *names):
    """The output shape (n_H, n_W, n_C) of each of these layers."""
    return [model.get_layer(name).output.shape[1:] for name in names]


# LeNet-5.


def test_lenet_has_the_paper_s_60_000_parameters():
    """Section II B of the 1998 paper, layer by layer."""
    model = cn.LeNet5()
    expected = {"C1": 156, "S2": 12, "C3": 1516, "S4": 32, "C5": 48_120, "F6": 10_164}
    assert counts(model) == expected
    assert model.count_params() == 60_000
    assert sides(model, "C1", "S2", "C3", "S4", "C5") == [
        (28, 28, 6),
        (14, 14, 6),
        (10, 10, 16),
        (5, 5, 16),
        (1, 1, 120),
    ]


def test_c3_has_the_paper_s_connections():
    """Six filters use three neighbouring maps, nine use four maps, one uses all."""
    inputs = [len(maps) for maps in cn.TABLE_I]
    assert inputs == [3] * 6 + [4] * 9 + [6]
    assert all(list(maps) == sorted(set(maps)) for maps in cn.TABLE_I)
    # Each map of S2 is used by ten filters: the columns of the paper's table I.
    assert [sum(c in maps for maps in cn.TABLE_I) for c in range(6)] == [10] * 6
    multiplications = 10 * 10 * (25 * sum(inputs) + 16)  # with the biases
    assert multiplications == 151_600


def test_a_partial_convolution_uses_only_its_connections():
    """A change of another channel does not change its output."""
    layer = cn.PartialConv2D(((0, 2), (1,), (0, 1, 2)), 3)
    X = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype("float32")
    before = layer(X).numpy()
    assert before.shape == (2, 3, 4, 3)
    for channel, unconnected in ((0, {1}), (1, {0}), (2, {1})):
        changed = X.copy()
        changed[..., channel] += 1
        same = np.isclose(layer(changed), before, atol=1e-6).all(axis=(0, 1, 2))
        assert {*np.flatnonzero(same)} == unconnected


def test_a_partial_convolution_with_all_connections_is_a_convolution():
    """Keras's Conv2D, its kernel split into pairs of a channel and a filter."""
    X = np.random.default_rng(0).normal(size=(2, 5, 6, 2)).astype("float32")
    whole = keras.layers.Conv2D(3, 3)
    expected = whole(X)
    layer = cn.PartialConv2D([(0, 1)] * 3, 3)
    layer.build(X.shape)
    kernel, bias = whole.get_weights()
    kernel = kernel.transpose(3, 2, 0, 1).reshape(6, 9)  # filter by filter
    layer.set_weights([kernel, bias])
    np.testing.assert_allclose(layer(X), expected, atol=1e-6)


def test_a_subsampling_layer_is_a_coefficient_and_a_bias():
    """squash(coefficient * mean of four pixels + bias)."""
    model = cn.LeNet5()
    rng = np.random.default_rng(0)
    coefficient, bias = rng.normal(size=(2, 6)).astype("float32")
    model.get_layer("S2").set_weights([coefficient.reshape(1, 1, 6, 1), bias])
    part = keras.Model(
        model.input, [model.get_layer("C1").output, model.get_layer("S2").output]
    )
    C1, S2 = part(rng.uniform(size=(2, 32, 32, 1)).astype("float32"))
    four = np.reshape(C1, (2, 14, 2, 14, 2, 6)).mean(axis=(2, 4))
    expected = 1.7159 * np.tanh(2 / 3 * (coefficient * four + bias))
    np.testing.assert_allclose(S2, expected, atol=1e-5)


def test_the_squashing_function_has_fixed_points_at_one_and_minus_one():
    """Its second derivative is largest there, to 0.02, as the paper intends."""
    np.testing.assert_allclose(cn.squash(np.array([-1.0, 1.0])), [-1, 1], atol=1e-4)
    a = np.linspace(0, 3, 301)
    curvature = np.abs(np.diff(cn.squash(a), 2))
    assert a[1 + curvature.argmax()] == pytest.approx(1, abs=0.02)


def test_codes_are_far_from_each_other():
    """Two differ in 20 pixels or more, so the penalties halfway are above J."""
    codes = digits.load_codes()
    apart = np.square(codes[:, None] - codes).sum(-1)[np.triu_indices(10, 1)]
    assert apart.min() / 4 >= 2 * cn.J
    penalties = cn.RadialBasis()(codes).numpy()
    np.testing.assert_array_equal(penalties.argmin(1), np.arange(10))
    np.testing.assert_array_equal(np.diag(penalties), 0)


def test_the_lectures_lenet_has_61_706_parameters():
    """156 + 2,416 + 48,120 + 10,164 + 850."""
    model = cn.LeNet5_modern()
    assert [*counts(model).values()] == [156, 2416, 48_120, 10_164, 850]
    y_hat = model(np.ones((2, 32, 32, 1), "float32"))
    np.testing.assert_allclose(np.sum(y_hat, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (cn.LeNet5, (32, 32, 1)),
        (cn.LeNet5_modern, (32, 32, 1)),
        (lambda: cn.AlexNet((67, 67, 3), 5), (67, 67, 3)),
        (lambda: cn.GoogLeNet((64, 64, 3), 5), (64, 64, 3)),
    ],
    ids=["LeNet5", "LeNet5_modern", "AlexNet", "GoogLeNet"],
)
def test_saved_and_cloned_models_give_the_same_outputs(build, shape, slim, tmp_path):
    """Bit by bit, custom layers included."""
    model = build()
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    x = np.random.default_rng(0).uniform(size=(2, *shape)).astype("float32")
    for other in (loaded, clone):
        np.testing.assert_array_equal(other(x), model(x))


# AlexNet.


def test_alexnet_has_the_parameters_of_its_figure(shapes_of):
    """Figure 2 of the 2012 paper: 60 million, which section 1 says too."""
    model = shapes_of(cn.AlexNet)
    assert counts(model) == {
        "conv1": 96 * (11 * 11 * 3 + 1),
        "conv2": 256 * (5 * 5 * 48 + 1),
        "conv3": 384 * (3 * 3 * 256 + 1),
        "conv4": 384 * (3 * 3 * 192 + 1),
        "conv5": 256 * (3 * 3 * 192 + 1),
        "fc6": 4096 * (6 * 6 * 256 + 1),
        "fc7": 4096 * (4096 + 1),
        "fc8": 1000 * (4096 + 1),
    }
    assert model.count_params() == 60_965_224
    assert sides(model, "conv1", "conv2", "conv3", "conv4", "conv5") == [
        (55, 55, 96),
        (27, 27, 256),
        (13, 13, 384),
        (13, 13, 384),
        (13, 13, 256),
    ]


def test_the_groups_of_alexnet_are_separate(shapes_of):
    """A change in the first half of the channels stays in the first half."""
    layer = shapes_of(cn.AlexNet).get_layer("conv2")
    small = keras.layers.Conv2D.from_config(layer.get_config() | {"filters": 6})
    A = np.random.default_rng(0).uniform(size=(1, 7, 7, 4)).astype("float32")
    before = small(A).numpy()
    A[..., :2] = 0
    changed = (small(A).numpy() != before).any(axis=(0, 1, 2))
    assert changed[:3].any()
    assert not changed[3:].any()


def test_local_response_normalisation_is_its_formula():
    """Section 3.3 of the paper: k = 2, n = 5, alpha = 1e-4, beta = 0.75."""
    A = np.random.default_rng(0).normal(scale=100, size=(2, 3, 3, 7)).astype("float32")
    expected = np.empty_like(A)
    for c in range(7):
        neighbours = A[..., max(0, c - 2) : c + 3]
        expected[..., c] = A[..., c] / (2 + 1e-4 * (neighbours**2).sum(-1)) ** 0.75
    np.testing.assert_allclose(
        cn.LocalResponseNormalization(depth_radius=2, bias=2.0)(A),
        expected,
        rtol=1e-5,
        atol=1e-5,
    )


# VGG-16.


def test_vgg_has_the_layers_of_keras_s_vgg16(shapes_of):
    """The same names, shapes and 138,357,544 parameters, so its weights fit."""
    ours = shapes_of(cn.VGG16)
    keras_s = shapes_of(keras.applications.VGG16, weights=None)
    assert ours.count_params() == 138_357_544
    assert counts(ours) == counts(keras_s)
    for layer in keras_s.layers[1:]:
        assert ours.get_layer(layer.name).output.shape == layer.output.shape
    assert [w.shape for w in ours.weights] == [w.shape for w in keras_s.weights]


# GoogLeNet: sides, channels and parameters of table 1.

TABLE_1 = {
    # name: (output side, channels, thousands of parameters)
    "inception_3a": (28, 256, 159),
    "inception_3b": (28, 480, 380),
    "inception_4a": (14, 512, 364),
    "inception_4b": (14, 512, 437),
    "inception_4c": (14, 512, 463),
    "inception_4d": (14, 528, 580),
    "inception_4e": (14, 832, 840),
    "inception_5a": (7, 832, 1072),
    "inception_5b": (7, 1024, 1388),
}


def test_googlenet_has_the_modules_of_its_table(shapes_of):
    """Sides, channels, and parameters as computed from the filters of each module.

    The table gives parameters in units of 1024, and not all of them agree with its own
    filters: most to 2 %, 5a to 5 % and 4c to 8 %.
    """
    model = shapes_of(cn.GoogLeNet)
    found = counts(model)
    n_C_prev = 192
    for name, (side, channels, thousands) in TABLE_1.items():
        assert sides(model, name) == [(side, side, channels)]
        n1, reduce3, n3, reduce5, n5, n_pool = cn.INCEPTION[name[-2:]]
        before = n1 + reduce3 + reduce5 + n_pool  # 1 x 1 convolutions of the input
        expected = (n_C_prev + 1) * before
        expected += (9 * reduce3 + 1) * n3 + (25 * reduce5 + 1) * n5
        assert sum(n for k, n in found.items() if k.startswith(name)) == expected
        assert expected / 1024 == pytest.approx(thousands, rel=0.08)
        n_C_prev = channels
    assert sides(model, "conv1", "conv2") == [(112, 112, 64), (56, 56, 192)]
    assert (found["conv2_reduce"] + found["conv2"]) / 1024 == pytest.approx(
        112, rel=0.04
    )
    assert found["classifier"] == 1000 * 1025
    assert model.count_params() == 6_998_552


def test_the_two_auxiliary_heads_do_not_change_the_rest(shapes_of):
    """Pooling 5 x 5, 128 filters of 1 x 1, 1024 units: section 5 of the paper."""
    plain, model = shapes_of(cn.GoogLeNet), shapes_of(cn.GoogLeNet, auxiliary=True)
    heads = {n: k for n, k in counts(model).items() if n.startswith("auxiliary")}
    assert {n: k for n, k in counts(model).items() if n not in heads} == counts(plain)
    assert heads == {
        "auxiliary_4a_conv": 128 * (512 + 1),
        "auxiliary_4a_dense": 1024 * (4 * 4 * 128 + 1),
        "auxiliary_4a": 1000 * 1025,
        "auxiliary_4d_conv": 128 * (528 + 1),
        "auxiliary_4d_dense": 1024 * (4 * 4 * 128 + 1),
        "auxiliary_4d": 1000 * 1025,
    }
    assert [output.shape[1] for output in model.outputs] == [1000] * 3
    assert model.count_params() == 13_378_280


def test_an_inception_module_concatenates_its_four_branches():
    """The receptive fields are 1 x 1, 3 x 3, 5 x 5 and, of the pooling, 3 x 3."""
    X = keras.Input((9, 9, 3))
    model = keras.Model(X, cn.inception_module(X, (2, 4, 3, 4, 5, 1)))
    for weight in model.weights:  # positive, so that no relu is inactive
        weight.assign(tf.ones_like(weight) / 10)
    a = np.full((1, 9, 9, 3), 0.5, "float32")
    b = a.copy()
    b[0, 4, 4] = 1
    changed = np.not_equal(model(a), model(b))[0]  # (9, 9, 2 + 3 + 5 + 1)
    reach = changed.sum(axis=(0, 1))
    np.testing.assert_array_equal(reach, [1] * 2 + [9] * 3 + [25] * 5 + [9])


@pytest.mark.parametrize(
    ("build", "side"), [(cn.AlexNet, 67), (cn.VGG16, 32), (cn.GoogLeNet, 64)]
)
def test_each_network_has_probabilities_and_gradients(build, side, slim):
    """On small images."""
    model = build((side, side, 3), 5)
    x = np.random.default_rng(0).uniform(size=(2, side, side, 3)).astype("float32")
    with tf.GradientTape() as tape:
        y_hat = model(x, training=True)
        loss = -tf.reduce_mean(tf.math.log(y_hat[:, 0]))
    np.testing.assert_allclose(np.sum(y_hat, axis=1), 1, rtol=1e-5)
    gradients = tape.gradient(loss, model.trainable_weights)
    assert all(np.abs(gradient).max() > 0 for gradient in gradients)


# Digits.


@pytest.fixture(scope="module")
def pretrained():
    return cn.load_pretrained()


def test_training_lowers_the_loss():
    """Four epochs of synthetic digits; every variable changes."""
    x, y = digits.make_digits(200)
    data = digits.Digits(digits.as_inputs(x, cn.SIZE), y, None, None)
    keras.utils.set_random_seed(0)
    model = cn.build_model()
    before = [w.numpy() for w in model.weights]
    losses = cn.train(model, data, epochs=4, batch_size=20)
    assert losses[-1] < 0.8 * losses[0]
    for old, new in zip(before, model.weights, strict=True):
        assert not np.array_equal(old, new)


def test_the_loss_is_the_paper_s(pretrained):
    """Equation 9 of the 1998 paper, computed by NumPy."""
    x, y = digits.make_digits(20, seed=5)
    x = digits.as_inputs(x, cn.SIZE)
    penalties = pretrained(x).numpy().astype("float64")
    rest = np.log(np.exp(-cn.J) + np.exp(-penalties).sum(1))
    expected = np.mean(penalties[np.arange(20), y] + rest)
    got = cn.penalty_loss(y, penalties.astype("float32"))
    assert float(got) == pytest.approx(expected, rel=1e-3)


def test_held_out_synthetic_digits_are_recognised(pretrained):
    """At least 97 % of 300."""
    x, y = digits.make_digits(300, seed=20_000)
    penalties = pretrained(digits.as_inputs(x, cn.SIZE)).numpy()
    assert np.mean(penalties.argmin(1) == y) >= 0.97


@pytest.mark.parametrize("dark", [True, False])
def test_dark_and_light_ink_are_recognised(pretrained, dark):
    """In images of any size, grey or in colour."""
    for digit in (2, 5, 8):
        ink = np.asarray(draw_digits.digit(digit, np.random.default_rng(digit), 200))
        grey = 255 - ink if dark else ink
        for image in (grey, Image.fromarray(grey).convert("RGB").resize((90, 120))):
            answer = cn.infer(pretrained, image)
            assert answer == str(digit)
            assert answer.confidence == answer.details["probabilities"][str(digit)]


def test_probabilities_are_those_of_the_digits_and_of_none(pretrained):
    """Eleven that sum to one."""
    (x,), _ = digits.make_digits(1)
    probabilities = cn.infer(pretrained, x).details["probabilities"]
    assert [*probabilities] == [*digits.CLASSES, "none"]
    assert sum(probabilities.values()) == pytest.approx(1)


def test_a_picture_shows_the_answer(pretrained):
    """The digit, the activations of F6, which are the code of 0, and eleven bars."""
    (x,), _ = digits.make_digits(1)
    photo, bars = cn.picture(x, cn.infer(pretrained, x)).axes
    assert photo.get_title().startswith("0 (")
    assert len(bars.patches) == 11
    F6 = photo.images[0].get_array()[16::32, -208::32, 0]  # the middle of each pixel
    code = digits.load_codes()[0].reshape(12, 7)
    assert np.mean((F6 < 128) == (code > 0)) > 0.95


def test_invalid_inputs_raise_an_error(pretrained, tmp_path):
    """A blank image, a missing file, NaN, an unknown variant."""
    for wrong in (np.zeros((28, 28)), tmp_path / "none.png", np.full((9, 9), np.nan)):
        with pytest.raises(InputError):
            cn.infer(pretrained, wrong)
    with pytest.raises(InputError, match="Choose one of default"):
        cn.load_pretrained("imagenet")


@pytest.mark.data
def test_the_test_accuracy_reaches_its_goal(pretrained):
    """99 %, as in the paper."""
    for row in cn.evaluate(pretrained):
        assert row.at_least is None or row.ours >= row.at_least, row.what


@pytest.mark.data
def test_load_data_appends_synthetic_digits():
    """To the 60,000 training digits, all zero-padded to 32 x 32."""
    data = cn.load_data(extra=10)
    assert data.x.shape == (60_010, 32, 32, 1)
    assert data.x_test.shape == (10_000, 32, 32, 1)
    np.testing.assert_array_equal(data.y[-10:], np.arange(10))
