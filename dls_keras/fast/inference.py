"""A trained convolutional network as a graph that can do nothing but answer.

Each batch normalisation is folded into the convolution before it: with its running mean
mu and variance v,

    gamma (W x + b - mu) / sqrt(v + epsilon) + beta  =  (W s) x + (b - mu) s + beta
    s = gamma / sqrt(v + epsilon)

All weights become constants of the graph, so TensorFlow fuses convolution, bias and
activation into one kernel and lays the filters out for it once. YOLOv2 takes a third to
two thirds of the time of `model.predict` so, in bfloat16 less than half (measured:
benchmarks/RESULTS.md). TensorFlow copies constants many times before a first answer:
YOLOv2's 200 MB take it 14 s and 4 GB, networks of 4 MB no longer than variables.
"""

import keras
import numpy as np
import tensorflow as tf

CONVOLUTIONS = keras.layers.Conv2D, keras.layers.DepthwiseConv2D


def frozen(model, *, dtype="float32"):
    """A compiled function that answers as `model` does now, whatever it learns later.

    Args:
        model: a functional Keras model.
        dtype: of the arithmetic; "mixed_bfloat16" is faster on CPUs that have such
            units, its answers are good to two or three digits.

    Returns:
        A function of a batch, traced once for each shape, to what the model returns,
        in float32.
    """
    network = constant(folded(model, dtype=dtype))

    @tf.function(autograph=False)
    def answer(x):
        return keras.tree.map_structure(
            lambda part: tf.cast(part, tf.float32), network(x)
        )

    return answer


def constant(model):
    """A function that answers as `model` does now, whose graphs own its weights."""
    weights = [
        [variable.numpy() for variable in variables]
        for variables in (model.trainable_variables, model.non_trainable_variables)
    ]

    def answer(x):
        # Made here they are the graph's own; tensors from outside would be its inputs.
        constants = [[tf.constant(value) for value in part] for part in weights]
        y, _ = model.stateless_call(*constants, x, training=False)
        return y

    return answer


def folded(model, *, dtype="float32"):
    """A copy of `model` for inference, without the normalisations it can do without.

    Args:
        model: a functional Keras model, which stays as it is.
        dtype: as in `frozen`.
    """
    before = {}  # the convolution that a normalisation goes into, by names
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            (convolution,) = (n.operation for n in layer._inbound_nodes[0].parent_nodes)
            if _takes(convolution, layer):
                before[layer.name] = convolution.name

    def copied(layer):
        # Filters in the type they compute in: TensorFlow would turn them in each call.
        halved = isinstance(layer, CONVOLUTIONS)
        kind = dtype.removeprefix("mixed_") if halved else dtype
        config = layer.get_config() | {"dtype": kind}
        if layer.name in before.values():
            config["use_bias"] = True
        return type(layer).from_config(config)

    def called(layer, *inputs, **options):
        return inputs[0] if layer.name in before else layer(*inputs, **options)

    copy = keras.models.clone_model(model, clone_function=copied, call_function=called)
    into = {convolution: name for name, convolution in before.items()}
    for layer in model.layers:
        weights = layer.get_weights()
        if layer.name in into:
            weights = _joined(layer, weights, model.get_layer(into[layer.name]))
        if weights and layer.name not in before:
            copy.get_layer(layer.name).set_weights(weights)
    return copy


def _takes(convolution, normalisation):
    """Whether the one's output goes to the other alone, just as it is."""
    return (
        isinstance(convolution, CONVOLUTIONS)
        and convolution.activation is keras.activations.linear
        and len(convolution._outbound_nodes) == len(convolution._inbound_nodes) == 1
        and normalisation.axis in (-1, len(convolution.output.shape) - 1)
    )


def _joined(convolution, weights, normalisation):
    """Kernel and bias of a convolution and the normalisation behind it."""
    kernel, *bias = weights
    mean, variance = (
        np.asarray(moving)
        for moving in (normalisation.moving_mean, normalisation.moving_variance)
    )
    s = 1 / np.sqrt(variance + normalisation.epsilon)
    if normalisation.scale:
        s = s * np.asarray(normalisation.gamma)
    shift = np.asarray(normalisation.beta) if normalisation.center else 0.0
    depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)
    scaled = kernel * (s.reshape(kernel.shape[2:]) if depthwise else s)
    return [scaled, ((bias[0] if bias else 0.0) - mean) * s + shift]
