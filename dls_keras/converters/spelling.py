"""One spelling for the layers of Keras 1, 2 and 3.

A layer becomes one or more steps, each with a kind and facts: what changes its outputs,
apart from its arrays. The option "subsample" of a Convolution2D of Keras 1 and the
"strides" of a Conv2D are one fact, and so are the activation of a Dense layer, an
Activation layer and a ReLU layer. Options that change no number in inference, such as
initial values, have no fact.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

# Older names of layer classes; a suffix V1 or V2 is dropped, too.
CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "AtrousConvolution1D": "Conv1D",
    "AtrousConvolution2D": "Conv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "SeparableConvolution1D": "SeparableConv1D",
    "SeparableConvolution2D": "SeparableConv2D",
    "DepthwiseConvolution2D": "DepthwiseConv2D",
    "TimeDistributedDense": "Dense",
    "SyncBatchNormalization": "BatchNormalization",
}
# Keras 1's names of options, and Keras 2's.
OPTIONS = {
    "border_mode": "padding",
    "subsample": "strides",
    "subsample_length": "strides",
    "stride": "strides",
    "atrous_rate": "dilation_rate",
    "pool_length": "pool_size",
    "length": "size",
    "dim_ordering": "data_format",
    "concat_axis": "axis",
    "dot_axes": "axes",
    "alpha": "negative_slope",
    "theta": "threshold",
}
MERGES = {  # the mode of Keras 1's Merge
    **{"sum": "Add", "mul": "Multiply", "ave": "Average", "max": "Maximum"},
    **{"concat": "Concatenate", "dot": "Dot"},
}
FUNCTIONS = {"relu", "relu6", "sigmoid", "tanh", "softmax", "elu", "selu", "silu"}
ANY_ORDER = {"Add", "Multiply", "Average", "Maximum", "Minimum"}

# Layers that are activations.
LAYERS = {"Activation", "ReLU", "LeakyReLU", "ThresholdedReLU", "ELU", "Softmax"}

# Layers that return their input unless they are trained.
IDLE = re.compile(
    "(Spatial|Alpha|Gaussian)?Dropout([123]D)?|GaussianNoise|ActivityRegularization|"
    "Identity|Random[A-Z].*|Cast"
)
WRAPPED_BY_STEP = {"Dense", "activation", "Dropout"}  # act on each time step anyway

# Options that change no number in inference, that the shapes of the arrays show, or, as
# the gates, that `keras_h5.fill` compares.
IGNORED = re.compile(
    "name|dtype|trainable|batch_(input_)?shape|input_(shape|dtype|dim|length)|sparse|"
    "ragged|seed|rate|p|noise_shape|momentum|.*_(initializer|regularizer|constraint)|"
    "[WUb]_(regularizer|constraint)|init|inner_init|forget_bias_init|weights|"
    "beta_init|gamma_init|"
    "(recurrent_)?dropout|dropout_[WU]|implementation|consume_less|unroll|stateful|"
    "return_state|unit_forget_bias|time_major|zero_output_for_mask|use_cudnn|"
    "recurrent_activation|inner_activation|reset_after|use_bias|bias|center|scale|"
    "filters|kernel_size|nb_filter|nb_row|nb_col|filter_length|units|output_dim|"
    "depth_multiplier|nb_output|renorm.*|fused|virtual_batch_size|adjustment|"
    "synchronized|mode|output_shape|output_mask|arguments|node_def|quantization.*|"
    "lora.*|.*_axes|axes_of.*|optional|build_config|shared_axes|output_padding"
)
KERNEL_SIZES = ("kernel_size", "nb_row", "nb_col", "filter_length")
NUMBERS = {"strides", "dilation_rate", "pool_size", "size"}
ACTIVATIONS = {"swish": "silu", "None": "linear"}


def steps(
    kind: str, config: Mapping[str, Any], options: Mapping[str, Any], *, old: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and facts of each step of a layer; none if it does nothing.

    Args:
        kind: the name of its class.
        config: its options, in the types of JSON.
        options: the other arguments of a call, such as "y" of x + y.
        old: whether Keras 1 or 2 wrote it, where "hard_sigmoid" is another function.
    """
    kind = re.sub("V[12]$", "", kind)
    kind = CLASSES.get(kind, kind)
    if kind == "Merge":
        kind = MERGES.get(str(config.get("mode")), kind)
    if IDLE.fullmatch(kind):
        return
    if affine := _affine(kind, config, options):
        yield "affine", affine
        return
    if kind in ("TimeDistributed", "Bidirectional"):
        yield from _wrapped(kind, config, old)
        return
    if kind == "Lambda":
        # The one whose name says what it does: the passthrough of the course's yolo.h5.
        passthrough = config.get("name") == "space_to_depth_x2"
        if passthrough:
            yield "Reorg", {"strides": (2,), "darknet": False}
        else:
            yield kind, {}
        return
    if kind == "TFOpLambda":
        operation = str(config.get("function", "")).rpartition(".")[2]
        if operation in FUNCTIONS:
            yield from _activation("Activation", {"activation": operation}, old)
            return
        kind = operation.title() if operation.title() in ANY_ORDER else operation
        config = {}
    if kind == "BatchNormalization" and config.get("mode"):  # Keras 1: of the input
        kind = f"BatchNormalization with mode {config['mode']}"
    if kind in LAYERS:
        yield from _activation(kind, config, old)
        return
    facts: dict[str, Any] = {}
    if pooling := re.fullmatch("(Global)?(Max|Average|Avg)Pool(?:ing)?([123]D)", kind):
        whole, how, axes = pooling.groups(default="")
        facts["pooling"] = "Max" if how == "Max" else "Average"
        kind = f"{whole}Pooling{axes}"
    facts |= _facts(config)
    if kind.startswith("Pooling") and not facts.get("strides"):
        facts["strides"] = facts.get("pool_size")
    sizes = [config[key] for key in KERNEL_SIZES if key in config]
    if sizes and {*_flat(sizes)} == {1}:  # "same" and "valid" are one
        facts.pop("padding", None)
    if kind in ("LSTM", "GRU", "SimpleRNN"):
        facts["activation"] = _function(config.get("activation", "tanh"), old)
        yield kind, facts
        return
    yield kind, facts
    yield from _activation("Activation", config, old)


def _wrapped(kind, config, old):
    """The steps of the layer that a wrapper applies."""
    inner = config["layer"]
    found = [*steps(inner["class_name"], inner["config"], {}, old=old)]
    if not found:
        return
    (first, facts), *rest = found
    if kind == "Bidirectional":
        facts = facts | {"merge_mode": config.get("merge_mode", "concat")}
        first = f"{kind} {first}"
    elif first not in WRAPPED_BY_STEP:
        first = f"{kind} {first}"
    yield first, facts
    yield from rest


def _facts(config) -> dict[str, Any]:
    """The options of a layer that change its outputs, under one name each."""
    facts = {}
    for option, value in config.items():
        option = OPTIONS.get(option, option)
        if IGNORED.fullmatch(option) or option == "activation":
            continue
        if option == "data_format":
            value = {None: "channels_last", "tf": "channels_last"}.get(value, value)
            value = "channels_first" if value == "th" else value
            if value == "default":
                continue
        elif option in NUMBERS and value is not None:
            value = tuple(value) if isinstance(value, list | tuple) else (value,)
        elif option in ("padding", "cropping") and not isinstance(value, str):
            value = _margins(value)
        elif option == "axis" and isinstance(value, list | tuple) and len(value) == 1:
            (value,) = value
        elif isinstance(value, list):
            value = _tuples(value)
        facts[option] = value
    return facts


def _flat(values):
    """The items of a list of numbers and lists of them."""
    return [n for one in values for n in (one if isinstance(one, list) else [one])]


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _margins(value):
    """What is added or cut before and after each axis, as pairs, or as one number."""
    flat = [value] if isinstance(value, int) else value
    if all(isinstance(one, int) for one in flat):
        if len({*flat}) == 1:
            return flat[0]
        if len(flat) == 4:  # Keras 1: top, bottom, left, right
            return (tuple(flat[:2]), tuple(flat[2:]))
        return tuple(flat)
    pairs = tuple((one, one) if isinstance(one, int) else tuple(one) for one in flat)
    sides = {side for pair in pairs for side in pair}
    return sides.pop() if len(sides) == 1 else pairs


def _activation(kind, config, old):
    """The step of an activation, whether it is a layer or an argument."""
    if kind == "Softmax":
        yield "activation", {"function": "softmax", "axis": config.get("axis", -1)}
        return
    if kind == "ELU":
        slope = config.get("alpha", 1.0)
        yield "activation", {"function": "elu", "alpha": float(slope)}
        return
    if kind == "Activation":
        given = config.get("activation")
        if isinstance(given, Mapping) and given.get("class_name") in LAYERS:
            yield from _activation(given["class_name"], given["config"], old)
            return
        name = _function(config.get("activation", "linear"), old)
        largest, slope, threshold = None, 0.0, 0.0
        if name == "linear":
            return
        if name == "softmax_over_time":  # the course's own function named softmax
            yield "activation", {"function": "softmax"}
            return
        if name == "relu6":
            name, largest = "relu", 6.0
        elif name == "leaky_relu":
            name, slope = "relu", 0.2
        elif name != "relu":
            facts = {"softmax": {"axis": -1}, "elu": {"alpha": 1.0}}.get(name, {})
            yield "activation", {"function": name, **facts}
            return
    else:
        largest = config.get("max_value")
        slope = config.get("negative_slope", config.get("alpha"))
        if slope is None:
            slope = 0.3 if kind == "LeakyReLU" else 0.0
        theta = 1.0 if kind == "ThresholdedReLU" else 0.0
        threshold = config.get("threshold", config.get("theta", theta))
    yield (
        "activation",
        {
            "function": "relu",
            "max_value": largest,
            "negative_slope": float(_number(slope)),
            "threshold": float(_number(threshold or 0.0)),
        },
    )


def _number(value):
    """A number, also where Keras wrote it as an array: {"value": 0.3}."""
    return value["value"] if isinstance(value, Mapping) else value


def _function(value, old) -> str:
    """The name of an activation function, without its package."""
    while isinstance(value, Mapping):
        value = value.get("config") or value.get("class_name")
        if isinstance(value, Mapping) and "name" in value:
            value = value["name"]
    name = str(value).rpartition(">")[2]
    if old and name == "hard_sigmoid":
        return "keras2_hard_sigmoid"
    return ACTIVATIONS.get(name, name)


def _affine(kind, config, options) -> dict[str, float] | None:
    """scale and offset, if a layer computes scale x + offset with two numbers."""
    if kind == "Rescaling":
        scale, offset = config.get("scale"), config.get("offset", 0.0)
        if is_number(scale) and is_number(offset):
            return {"scale": float(scale), "offset": float(offset)}
        return None
    operation, number = kind, options.get("y")
    if kind == "TFOpLambda":
        operation = str(config.get("function", "")).rpartition(".")[2]
    elif kind == "TensorFlowOpLayer":
        operation = re.sub('.*"?op"?: "([A-Za-z]+)".*', r"\1", _op(config))
        number = next(iter((config.get("constants") or {}).values()), None)
    if operation.lower() == "cast":
        return {"scale": 1.0, "offset": 0.0}
    if not is_number(number):
        return None
    number = float(number)
    if operation.lower() in (
        "truediv",
        "true_divide",
        "truedivide",
        "divide",
        "realdiv",
    ):
        return {"scale": 1 / number, "offset": 0.0} if number else None
    if operation.lower() in ("multiply", "mul"):
        return {"scale": number, "offset": 0.0}
    if operation.lower() in ("add", "addv2", "subtract", "sub"):
        sign = -1 if operation.lower().startswith("sub") else 1
        return {"scale": 1.0, "offset": sign * number}
    return None


def _op(config) -> str:
    """The operation of a TensorFlowOpLayer, whose node is an object or its text."""
    node = config.get("node_def", "")
    return f'"op": "{node.get("op")}"' if isinstance(node, Mapping) else str(node)


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)
