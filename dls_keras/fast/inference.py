"""Freeze a trained CNN for inference: fold batch norms, make weights constants.

A batch normalisation in inference is a linear map of each channel, so it can be folded
into the convolution before it. With its moving mean mu and moving variance v,

    gamma (W x + b - mu) / sqrt(v + epsilon) + beta  =  (W s) x + (b - mu) s + beta
    s = gamma / sqrt(v + epsilon)

All weights become constants of the graph, so TensorFlow fuses convolution, bias and
activation into one kernel and packs each convolution kernel once, not at every call.
Times are in benchmarks/RESULTS.md: YOLOv2 needs a third of the time of `model.predict`,
and a tenth in bfloat16. The first call is slow for large networks, because TensorFlow
copies constants many times: the 200 MB of YOLOv2 need 14 s and 4 GB of memory. Networks
of 4 MB start as fast as with variables.
"""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

CONVOLUTIONS = keras.layers.Conv2D, keras.layers.DepthwiseConv2D


def freeze(model: keras.Model, *, dtype: str = "float32") -> Callable:
    """Compile `model` with its current weights; later training does not change it.

    Args:
        model: a functional Keras model.
        dtype: the type of the arithmetic. "mixed_bfloat16" is faster on CPUs with
            bfloat16 units; its outputs are accurate to two or three digits.

    Returns:
        A function from a batch to the outputs of the model, in float32. It is traced
        once for each input shape.
    """
    network = with_constant_weights(fold_batch_norms(model, dtype=dtype))

    @tf.function(autograph=False)
    def predict(x):
        return keras.tree.map_structure(
            lambda part: tf.cast(part, tf.float32), network(x)
        )

    return predict


def with_constant_weights(model: keras.Model) -> Callable:
    """`model` as a function; its current weights are constants of the calling graph."""
    weights = [
        [variable.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def predict(x):
        # Constants created here belong to the graph that is being traced. Tensors
        # created outside would be inputs of that graph.
        constants = [[tf.constant(value) for value in part] for part in weights]
        y, _ = model.stateless_call(*constants, x, training=False)
        return y

    return predict


def fold_batch_norms(model: keras.Model, *, dtype: str = "float32") -> keras.Model:
    """A copy of `model` for inference, with batch norms folded into convolutions.

    A batch normalisation stays where it cannot be folded: after an activation, if it is
    called more than once, or if another layer or an output of the model also uses the
    output of the convolution.

    Args:
        model: a functional Keras model; it is not changed.
        dtype: as in `freeze`.
    """
    outputs = [tensor._keras_history.operation for tensor in model.outputs]
    folds = {}  # the name of each batch norm that is folded: that of its convolution
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            (convolution,) = (n.operation for n in layer._inbound_nodes[0].parent_nodes)
            if convolution not in outputs and _can_fold(convolution, layer):
                folds[layer.name] = convolution.name

    def clone(layer):
        # Store kernels in the compute dtype, or TensorFlow casts them at every call.
        stored_as_computed = isinstance(layer, CONVOLUTIONS)
        policy = dtype.removeprefix("mixed_") if stored_as_computed else dtype
        config = layer.get_config() | {"dtype": policy}
        if layer.name in folds.values():
            config["use_bias"] = True
        return type(layer).from_config(config)

    def call(layer, *inputs, **options):
        return inputs[0] if layer.name in folds else layer(*inputs, **options)

    copy = keras.models.clone_model(model, clone_function=clone, call_function=call)
    batch_norms = {convolution: name for name, convolution in folds.items()}
    for layer in model.layers:
        weights = layer.get_weights()
        if layer.name in batch_norms:
            batch_norm = model.get_layer(batch_norms[layer.name])
            weights = _folded_weights(layer, weights, batch_norm)
        if weights and layer.name not in folds:
            copy.get_layer(layer.name).set_weights(weights)
    return copy


def _can_fold(convolution, batch_norm):
    """Whether only the batch norm uses the convolution's output, without activation."""
    return (
        isinstance(convolution, CONVOLUTIONS)
        and convolution.activation is keras.activations.linear
        and len(batch_norm._inbound_nodes) == 1
        and len(convolution._outbound_nodes) == len(convolution._inbound_nodes) == 1
        and batch_norm.axis in (-1, len(convolution.output.shape) - 1)
    )


def _folded_weights(convolution, weights, batch_norm):
    """Kernel and bias of the convolution that replaces convolution and batch norm.

    Args:
        weights: of the convolution: its kernel and, if it has one, its bias.
    """
    kernel, *bias = weights
    mean, variance = (
        np.asarray(moving)
        for moving in (batch_norm.moving_mean, batch_norm.moving_variance)
    )
    s = 1 / np.sqrt(variance + batch_norm.epsilon)
    if batch_norm.scale:
        s = s * np.asarray(batch_norm.gamma)
    beta = np.asarray(batch_norm.beta) if batch_norm.center else 0.0
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    scaled = kernel * (s.reshape(kernel.shape[2:]) if depthwise else s)
    return [scaled, ((bias[0] if bias else 0.0) - mean) * s + beta]
