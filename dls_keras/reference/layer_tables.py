"""The layers of a Keras model as rows, compared with the course's comparators.

A comparator of the course lists `[class name, output shape, parameters, further
descriptors]` for each layer, as in TensorFlow 2.3. Keras 3 differs in two ways that do
not change the network: arithmetic on tensors creates no layer (or a Lambda), and
parallel branches come in another order.
"""

import dataclasses
import math
from typing import Any

# Layers that TensorFlow 2.3 created for slicing, argmax and similar operations.
ARITHMETIC = {"TensorFlowOpLayer", "TFOpLambda", "SlicingOpLambda", "Lambda"}

# Layers that are another layer with an argument: Softmax() and Activation("softmax").
SAME = {"Softmax": "Activation"}

DESCRIPTORS = (
    "activation",
    "kernel_initializer",
    "kernel_size",
    "n",
    "padding",
    "pool_size",
    "rate",
    "return_sequences",
    "strides",
)


@dataclasses.dataclass(frozen=True)
class ModelFacts:
    """What `difference` needs to know of a model.

    `layers` has a pair for each layer: the row of `table`, and the descriptors that a
    comparator may list.
    """

    total_params: int
    trainable_params: int
    layers: list[tuple[list, list]]


def table(model: Any) -> list[list]:
    """[class name, output shape, number of parameters] of each layer, in order."""
    return [_row(layer) for layer in model.layers]


def is_model(value: Any) -> bool:
    """Whether `value` is a model: it has layers and counts its parameters."""
    return hasattr(value, "layers") and hasattr(value, "count_params")


def facts(model: Any) -> ModelFacts:
    """The facts about a Keras model."""
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    layers = [_layer_facts(layer) for layer in model.layers]
    return ModelFacts(model.count_params(), trainable, layers)


def difference(model: Any, comparator: dict) -> str:
    """A description of how `model` differs from the course's; "" if it does not.

    Args:
        model: a Keras model, or its `ModelFacts`.
        comparator: an entry of `models`: `layers`, `total_params` and
            `trainable_params`, each of which may be absent or empty. A descriptor is
            identified by its value, since its position varies among comparators.
    """
    if is_model(model):
        model = facts(model)
    if not isinstance(model, ModelFacts):
        return f"expected a Keras model, received a {type(model).__name__}"
    for name in ("total_params", "trainable_params"):
        received = getattr(model, name)
        expected = comparator.get(name, received)
        if received != expected:
            what = name.replace("_params", " parameters")
            return f"expected {expected:,} {what}, received {received:,}"
    expected = [
        row for row in comparator.get("layers") or () if row[0] not in ARITHMETIC
    ]
    return _layers_difference(model.layers, expected) if expected else ""


def _layers_difference(layers, expected):
    """The first missing or unexpected layer, in any order."""
    left = [(row, found) for row, found in layers if row[0] not in ARITHMETIC]
    for row in expected:
        for number, (plain, found) in enumerate(left):
            if plain == row[:3] and all(value in found for value in row[3:]):
                del left[number]
                break
        else:
            near = [plain + found for plain, found in left if plain[0] == row[0]]
            received = near[0] if near else f"no other {row[0]}"
            return f"expected the layer {row}, received {received}"
    return f"unexpected layer {left[0][0]}" if left else ""


def _layer_facts(layer):
    """The row and the descriptors of a layer; it may never have been called."""
    try:
        return _row(layer), _descriptors(layer)
    except Exception as error:  # an unusual layer may raise anything
        return [type(layer).__name__, str(error), 0], []


def _row(layer):
    name = SAME.get(type(layer).__name__, type(layer).__name__)
    return [name, _shapes(layer.output), layer.count_params()]


def _descriptors(layer):
    """The values of `layer` that a comparator may list after the parameters."""
    inner = getattr(layer, "layer", layer)  # of TimeDistributed
    found = [getattr(inner, name) for name in DESCRIPTORS if hasattr(inner, name)]
    if hasattr(inner, "return_sequences"):
        found.append(f"return_sequences {str(inner.return_sequences).lower()}")
    if isinstance(layer.input, list):
        found.append(_shapes(layer.input))
    return [_plain(value) for value in found]


def _shapes(tensors):
    """The shape of a Keras tensor, or the shapes of a list of them."""
    if isinstance(tensors, list | tuple):
        return [list(tensor.shape) for tensor in tensors]
    return list(tensors.shape)


def _plain(value):
    """An attribute of a layer in the form of the comparators."""
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return getattr(value, "__name__", type(value).__name__)
