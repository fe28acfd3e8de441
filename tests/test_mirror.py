"""Networks converted to PyTorch give Keras's numbers, so their times are comparable.

Outputs agree to 1e-5 of their scale (float32 sums in another order), losses in training
to 1e-3, since Adam amplifies small differences of small gradients.
"""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from keras import layers

from benchmarks import mirror
from dls_keras.course4 import happy_house, image_segmentation, residual_networks
from dls_keras.course5 import trigger_word
from dls_keras.fast.layers import Adam, BatchNormalization
from dls_keras.networks import darknet, mobile_face_net, vgg19, yolo_v2

torch = pytest.importorskip("torch")

FASTEST = """
[net]
height=32
width=32
channels=3
[convolutional]
batch_normalize=1
filters=8
size=3
stride=2
pad=1
activation=leaky
[convolutional]
batch_normalize=1
filters=8
groups=8
size=3
stride=1
pad=1
activation=leaky
[dropout]
probability=.15
[convolutional]
batch_normalize=1
filters=8
size=1
activation=linear
[shortcut]
from=-4
activation=linear
[maxpool]
size=3
stride=1
[maxpool]
size=2
stride=2
[convolutional]
filters=12
size=1
activation=linear
[yolo]
mask=0,1
anchors=4,8, 8,4, 16,16
classes=1
[route]
layers=-3
[upsample]
stride=2
[route]
layers=-1,0
[convolutional]
filters=6
size=1
activation=linear
[yolo]
mask=2
anchors=4,8, 8,4, 16,16
classes=1
"""

NETWORKS = {
    "happy_house": happy_house.build_model,
    "residual_networks": residual_networks.build_model,
    "image_segmentation": lambda: image_segmentation.unet_model((32, 48, 3), 4, 5),
    "yolo_v2": lambda: yolo_v2.yolo_v2((64, 64, 3)),
    "compact_yolo_v2": lambda: yolo_v2.compact_yolo_v2((64, 96, 3)),
    "vgg19": lambda: vgg19.vgg19("block3_conv1"),
    "compact_vgg19": vgg19.compact_vgg19,
    "mobile_face_net": mobile_face_net.mobile_face_net,
    "trigger_word": lambda: trigger_word.build_model(8),
    "trigger_word, course": lambda: trigger_word.modelf((55, 101)),
    "YOLO-Fastest": lambda: darknet.build(darknet.parse(FASTEST)).model,
}


def randomised(model):
    """The model with random weights and statistics, none at its initial value."""
    rng = np.random.default_rng(0)
    for variable in model.weights:
        name = variable.path.split("/")[-1]
        if name in ("gamma", "moving_variance"):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
        elif "kernel" not in name and "seed" not in name:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    return model


def inputs(model, m=2):
    """Random inputs; axes of any length have 40 entries."""
    shape = [n or 40 for n in model.inputs[0].shape[1:]]
    return np.random.default_rng(1).random((m, *shape), "float32")


def difference(model, module, x):
    """The largest difference of outputs, relative to the largest of each output."""
    expected = keras.tree.flatten(model(x, training=False))
    with torch.inference_mode():
        outputs = keras.tree.flatten(module(torch.tensor(x)))
    return max(
        np.abs(np.asarray(one) - other.numpy()).max() / np.abs(one).max()
        for one, other in zip(expected, outputs, strict=True)
    )


@pytest.mark.parametrize("build", NETWORKS.values(), ids=NETWORKS)
def test_a_converted_network_gives_the_outputs_of_keras(build):
    """As it is, and with folded batch normalisations."""
    model = randomised(build())
    x = inputs(model)
    module = mirror.mirror(model).eval()
    folded = mirror.fold_batch_norm(module)
    assert difference(model, module, x) < 1e-5
    assert difference(model, folded, x) < 1e-5
    assert difference(model, module, x[:1]) < 1e-5  # folding makes a copy


def test_batch_normalisations_after_convolutions_are_folded():
    """All of them in YOLO; those after GRUs remain."""

    def normalisations(build):
        modules = mirror.fold_batch_norm(mirror.mirror(build())).modules()
        return sum(isinstance(one, torch.nn.BatchNorm2d) for one in modules)

    assert normalisations(NETWORKS["compact_yolo_v2"]) == 0
    assert normalisations(NETWORKS["trigger_word"]) == 2


# Layers one by one.


def network(*chain, shape=(13, 10, 4)):
    """The layers one after another."""
    return randomised(keras.Sequential([keras.Input(shape), *chain]))


SHARED = layers.Conv2D(4, 3)
CHAINS = {
    "depthwise": [layers.DepthwiseConv2D(3, 2, "same", depth_multiplier=2)],
    "groups": [layers.Conv2D(6, 3, groups=2, activation="silu")],
    "pads": [layers.ZeroPadding2D(((0, 1), (2, 1))), layers.Conv2D(2, 3, 2, "same")],
    "pads after": [layers.ZeroPadding2D(((0, 1), (0, 2))), layers.Conv2D(2, 3)],
    "pads pooled": [layers.ZeroPadding2D(1), layers.MaxPooling2D(3, 2)],
    "max, same": [layers.MaxPooling2D(3, 2, "same")],
    "max, even": [layers.MaxPooling2D(2, 1, "same")],
    "mean": [layers.Conv2D(4, 3, 2, "same"), layers.AveragePooling2D(3, 2)],
    "global": [layers.GlobalAveragePooling2D(), layers.ReLU()],
    "softmax": [layers.Conv2D(3, 1, activation="softmax")],
    "dense": [layers.Dense(3, activation="tanh"), layers.Dropout(0.5)],
    "flat": [layers.Conv2D(4, 3, 2, "same"), layers.Flatten(), layers.Dense(3)],
    "upsampled": [layers.UpSampling2D((2, 3)), layers.Conv2D(3, 3, (3, 2), "same")],
    "twice": [SHARED, BatchNormalization(), SHARED, BatchNormalization()],
    "unit": [layers.Rescaling(0.5), layers.UnitNormalization()],
    "nested": [
        keras.Sequential([layers.Conv2DTranspose(4, 3, 2, "same", name="same")]),
        layers.Conv2D(4, 3, name="same"),
    ],
    "reorg": [layers.Conv2D(4, 1), darknet.Reorg(2), layers.Conv2D(3, 3, 2, "same")],
    "obvious": [darknet.Reorg(2, darknet=False), layers.Conv2D(3, 3), layers.ReLU()],
    "scales": [layers.Rescaling(2.0, [1, 2, 3, 4]), layers.PReLU(shared_axes=(1, 2))],
}


@pytest.mark.parametrize("chain", CHAINS.values(), ids=CHAINS)
def test_each_layer_gives_the_outputs_of_keras(chain):
    """Also for sides that are not multiples of the strides."""
    model = network(*chain, shape=(12, 14, 4) if len(chain) == 3 else (13, 10, 4))
    module = mirror.mirror(model).eval()
    x = inputs(model) - 0.5
    assert difference(model, module, x) < 1e-5
    assert difference(model, mirror.fold_batch_norm(module), x) < 1e-5


@settings(max_examples=40)
@given(
    kind=st.sampled_from(["conv", "max", "transposed"]),
    sides=st.tuples(st.integers(7, 12), st.integers(7, 12)),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    stride=st.integers(1, 3),
    padding=st.sampled_from(["same", "valid"]),
)
def test_windows_are_at_the_positions_of_keras(kind, sides, size, stride, padding):
    """Also after a strided layer, for which the network is rotated."""
    options = {"strides": stride, "padding": padding}
    if kind == "conv":
        layer = layers.Conv2D(2, size, **options)
    elif kind == "max":
        layer = layers.MaxPooling2D(size, **options)
    else:
        # PyTorch crops by strides only.
        size = [max(k | 1 if stride == 1 else k, stride) for k in size]
        layer = layers.Conv2DTranspose(2, size, **options)
    x = np.random.default_rng(0).normal(size=(1, *sides, 2)).astype("float32")
    for before in ([], [layers.Conv2D(2, 2, 2, "same")]):
        model = keras.Sequential([keras.Input(x.shape[1:]), *before, layer])
        assert difference(model, mirror.mirror(model).eval(), x) < 1e-5


def test_in_place_operations_overwrite_nothing_that_is_used_again():
    """Sums and activations are in place only if their input has no other user."""
    x = keras.Input((6, 6, 4))
    a = layers.Conv2D(4, 3, padding="same")(x)
    b = layers.ReLU()(a)
    c = layers.Add()([a, b])
    d = layers.LeakyReLU(0.2)(c)
    e = layers.ReLU()(x)
    f = layers.Dropout(0.5)(a)
    g = layers.ReLU()(f)
    model = randomised(keras.Model(x, [layers.Add()([d, e, g]), c, a, x]))
    x = inputs(model) - 0.5
    before = x.copy()
    module = mirror.mirror(model)
    assert difference(model, module.eval(), x) < 1e-5
    np.testing.assert_array_equal(x, before)
    sum(y.sum() for y in module.train()(torch.tensor(x))).backward()


def test_a_gru_may_return_its_last_state_only():
    """Its gates have another order in PyTorch."""
    model = network(layers.GRU(3, return_sequences=True), layers.GRU(2), shape=(7, 5))
    assert difference(model, mirror.mirror(model).eval(), inputs(model)) < 1e-5


# Training.


def losses(model, x, y, learning_rate, steps=3):
    """The mean squared errors of a training with Keras."""
    optimizer = Adam(learning_rate)
    found = []
    for _ in range(steps):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - y) ** 2)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        found.append(float(loss))
    return found


def network_to_train():
    """A network with every kind of trainable layer except GRU."""
    x = image = keras.Input((16, 16, 3))
    x = layers.Rescaling(2.0, -1.0)(x)
    x = layers.Conv2D(8, 3, 2, "same", use_bias=False)(x)
    x = a = layers.LeakyReLU(0.1)(BatchNormalization()(x))
    x = layers.PReLU(shared_axes=(1, 2))(layers.DepthwiseConv2D(3, padding="same")(x))
    x = layers.Add()([BatchNormalization(scale=False)(layers.Conv2D(8, 1)(x)), a])
    x = layers.Activation("relu")(x)
    x = layers.Conv2DTranspose(4, 3, 2, "same", activation="relu")(x)
    x = layers.MaxPooling2D()(layers.Concatenate()([x, image]))
    x = BatchNormalization()(layers.Dense(6)(layers.Flatten()(x)))
    return randomised(keras.Model(image, layers.Dense(2, activation="softmax")(x)))


@pytest.mark.parametrize(
    "build, learning_rate",
    [
        (network_to_train, 0.003),
        (happy_house.build_model, 0.0005),
        (lambda: network(layers.GRU(4), layers.Dense(1), shape=(9, 3)), 0.01),
    ],
    ids=["all kinds", "happy_house", "gru"],
)
def test_training_gives_the_losses_of_keras(build, learning_rate):
    """For three steps of Adam from the same initial weights."""
    model = build()
    x = inputs(model, 8)
    y = np.random.default_rng(2).random((8, model.outputs[0].shape[-1]), "float32")
    step = mirror.training_step(
        mirror.mirror(model), torch.nn.functional.mse_loss, learning_rate
    )
    found = [step(x, y) for _ in range(3)]
    expected = losses(model, x, y, learning_rate)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert abs(expected[2] / expected[0] - 1) > 0.01  # the loss changes


def test_training_in_bfloat16_gives_similar_losses():
    """To its 8 bits of mantissa; outputs are float32."""
    model = network_to_train()
    x = inputs(model, 8)
    y = np.zeros((8, 2), "float32")
    dtypes = set()

    def loss(y_hat, y):
        dtypes.add(y_hat.dtype)
        return torch.nn.functional.mse_loss(y_hat, y)

    steps = [
        mirror.training_step(mirror.mirror(model), loss, 0.01, dtype)
        for dtype in (None, "mixed_bfloat16")
    ]
    full, half = ([step(x, y) for _ in range(3)] for step in steps)
    assert full != half
    np.testing.assert_allclose(half, full, rtol=0.05)
    assert dtypes == {torch.float32}


# What is not supported.


@pytest.mark.parametrize(
    "layer, message",
    [
        (layers.LayerNormalization(name="odd"), "'odd' is a LayerNormalization"),
        (layers.ReLU(6.0, name="odd"), "'odd' has max_value=6.0, expected None"),
        (layers.Conv2D(1, 1, activation="gelu", name="odd"), "activation 'gelu'"),
        (layers.PReLU(name="odd"), "one slope per position"),
        (layers.UpSampling2D(interpolation="bilinear"), "expected 'nearest'"),
    ],
)
def test_unsupported_layers_and_options_are_errors(layer, message):
    """They would give other numbers; the message names them."""
    with pytest.raises(ValueError, match=message):
        mirror.mirror(network(layer))


def test_a_rotated_network_needs_a_fixed_size():
    """The padding depends on it."""
    with pytest.raises(ValueError, match="expected known sizes"):
        mirror.mirror(network(layers.Conv2D(1, 3, 2, "same"), shape=(None, None, 3)))


def test_pytorch_is_an_extra(monkeypatch):
    """The module can be imported without it, and `available` returns False."""
    code = "import benchmarks.mirror as m, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
    assert mirror.available()
    monkeypatch.setattr(mirror.importlib.util, "find_spec", lambda name: None)
    assert not mirror.available()
