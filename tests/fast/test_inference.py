"""Frozen networks: folded batch norms, types of weights, and independence of training.

`small_nets_forms.py` compares their outputs with those of the model.
"""

import numpy as np
import pytest
import tensorflow as tf
from small_nets_forms import branched_network

from dls_keras.fast import inference


@pytest.fixture
def model():
    return branched_network()


@pytest.fixture
def x():
    return np.random.default_rng(0).random((2, 8, 8, 3), dtype="float32")


def test_only_unambiguous_batch_norms_are_folded(model):
    """Not those whose convolution, or which themselves, have another use."""
    copy = inference.fold_batch_norms(model)
    left = {layer.name for layer in copy.layers if "norm" in layer.name}
    kept = "norm_after_relu", "norm_of_shared", "norm_of_output", "norm_of_two"
    assert left == {*kept}
    assert copy.get_layer("plain").use_bias


def test_folding_leaves_the_model_unchanged(model):
    """The convolution of the original still has no bias."""
    inference.fold_batch_norms(model)
    assert not model.get_layer("plain").use_bias


def test_later_training_does_not_change_a_frozen_network(model, x):
    """Its weights are constants of the graph, which captures no variable."""
    predict = inference.freeze(model)
    before, _ = predict(x)
    for variable in model.weights:
        variable.assign(variable * 2)
    np.testing.assert_array_equal(predict(x)[0], before)
    assert not predict.get_concrete_function(tf.constant(x)).captured_inputs


def test_bfloat16_is_accurate_to_two_digits_and_returned_as_float32(model, x):
    """bfloat16 has 8 significant bits."""
    for got, expected in zip(
        inference.freeze(model, dtype="mixed_bfloat16")(x),
        model(x, training=False),
        strict=True,
    ):
        assert got.dtype == tf.float32
        scale = np.abs(expected).max()
        np.testing.assert_allclose(got / scale, expected / scale, atol=0.03)


def test_kernels_are_stored_in_the_compute_dtype(model):
    """Otherwise each call would cast them; batch norms keep float32 weights."""
    copy = inference.fold_batch_norms(model, dtype="mixed_bfloat16")
    assert copy.get_layer("plain").kernel.dtype == "bfloat16"
    assert copy.get_layer("norm_after_relu").gamma.dtype == "float32"
