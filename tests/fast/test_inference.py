"""Frozen networks: the same answers, fewer layers, and nothing that learns later."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from dls_keras.fast import inference
from dls_keras.fast.layers import BatchNormalization


def branches():
    """Convolutions of all kinds, some of which a normalisation cannot go into."""
    picture = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", use_bias=False, name="plain")(picture)
    x = BatchNormalization(name="after_plain")(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.BatchNormalization(scale=False, name="after_depthwise")(x)
    x = layers.LeakyReLU(0.1)(x)
    bent = layers.Conv2D(4, 1, activation="relu", name="bent")(x)
    bent = BatchNormalization(name="after_bent")(bent)
    twice = layers.Conv2D(4, 1, name="twice")(x)
    normal = BatchNormalization(center=False, name="after_twice")(twice)
    x = layers.Concatenate()([bent, layers.Add()([twice, normal])])
    return keras.Model(picture, [layers.GlobalAveragePooling2D()(x), twice])


@pytest.fixture
def learnt():
    """The network with statistics as if it had learnt, and two pictures."""
    keras.utils.set_random_seed(0)
    rng, model = np.random.default_rng(0), branches()
    for variable in model.weights:
        low = 0.5 if variable.name in ("gamma", "moving_variance") else -1.0
        variable.assign(rng.uniform(low, 1.0, variable.shape))
    return model, rng.random((2, 8, 8, 3), dtype="float32")


def test_a_frozen_network_answers_as_before(learnt):
    """Two outputs, to the rounding of float32."""
    model, x = learnt
    expected = model(x, training=False)
    for one, other in zip(inference.frozen(model)(x), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_only_what_can_be_folded_is(learnt):
    """Behind an activation, or where the convolution is read by others, it stays."""
    copy = inference.folded(learnt[0])
    left = {layer.name for layer in copy.layers if "after" in layer.name}
    assert left == {"after_bent", "after_twice"}
    assert copy.get_layer("plain").use_bias
    assert not learnt[0].get_layer("plain").use_bias


def test_what_is_learnt_later_changes_nothing(learnt):
    """The weights are constants of the graph."""
    model, x = learnt
    answer = inference.frozen(model)
    before, _ = answer(x)
    for variable in model.weights:
        variable.assign(variable * 2)
    np.testing.assert_array_equal(answer(x)[0], before)
    assert not answer.get_concrete_function(tf.constant(x)).captured_inputs


def test_half_precision_is_near_and_comes_back_whole(learnt):
    """Two digits or three of bfloat16; float32 to the caller."""
    model, x = learnt
    for one, other in zip(
        inference.frozen(model, dtype="mixed_bfloat16")(x),
        model(x, training=False),
        strict=True,
    ):
        assert one.dtype == tf.float32
        scale = np.abs(other).max()
        np.testing.assert_allclose(one / scale, other / scale, atol=0.03)


def test_filters_are_kept_in_the_type_they_compute_in(learnt):
    """Else each call would make halves of them; normalisations need them whole."""
    copy = inference.folded(learnt[0], dtype="mixed_bfloat16")
    assert copy.get_layer("plain").kernel.dtype == "bfloat16"
    assert copy.get_layer("after_bent").gamma.dtype == "float32"
