"""Compare the architecture that a Keras file states with a network built in code.

Shapes alone do not tell "same" from "valid" padding on a flattened layer, tanh from
relu, or average from maximum pooling: the arrays fit, and the numbers are wrong. A
whole-model file, or the JSON next to a file of weights, states these facts:

    file = architecture.graph(json_of_the_file["config"], old=True)
    model = architecture.graph(model.get_config(), old=False)
    found = architecture.compare(file, model, weighted)
    found.differences   # ["conv1 has padding 'same', this network 'valid'", ...]
    found.pairs         # layer of the file -> layer of the model

Both are read as a graph: every call of a layer is a step, with its inputs. Names of
Keras 1, 2 and 3 are translated to one spelling; an activation is a step of its own,
whether it is an argument or a layer; nested models are part of the graph around them;
layers that do nothing in inference, such as dropout, are left out. Then the two graphs
are compared from the outputs back to the inputs. Inputs of a sum may have either order,
so a layer is paired with its counterpart by its place, not by its number.

Only configurations are read. A Lambda layer is a step with an unknown function.
"""

import itertools
import math
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

MOST_CALLS = 20_000  # of layers in an architecture
DEEPEST = 10  # models in models

CONTAINERS = {"Model", "Functional", "Sequential", "Graph"}

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
ANY_ORDER = {"Add", "Multiply", "Average", "Maximum", "Minimum"}

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
NUMBERS = {"strides", "dilation_rate", "pool_size", "size"}
ACTIVATIONS = {"swish": "silu", "None": "linear"}


class Step(NamedTuple):
    """One call of one layer.

    Attributes:
        layer: its name; in a model within the model, "outer/inner".
        kind: "Conv2D", "activation", "pooling2D" and so on.
        facts: what changes its outputs, apart from its arrays.
        inputs: (step, which of its outputs) each.
        rank: number of axes of its input, where that is known.
    """

    layer: str
    kind: str
    facts: dict[str, Any]
    inputs: tuple[tuple[int, int], ...] = ()
    rank: int | None = None

    def __str__(self) -> str:
        if self.kind == "activation":
            return f"the activation {self.facts['function']}"
        if self.kind == "Lambda":
            return "a Lambda layer, whose program is not read"
        kind = self.kind.replace("Pooling", f"{self.facts.get('pooling', '')}Pooling")
        return f"a layer {kind}"


class Graph(NamedTuple):
    """All steps, each after its inputs, and those that return the outputs."""

    steps: list[Step]
    outputs: list[tuple[int, int]]


class Comparison(NamedTuple):
    """What `compare` finds.

    Attributes:
        differences: those that change numbers, in the order of the file's layers.
        epsilons: of normalisation layers by the names of the model, where they differ.
        pairs: the layers of the file and their counterparts in the model.
    """

    differences: list[str]
    epsilons: dict[str, float]
    pairs: dict[str, str]


def compare(file: "Graph", model: "Graph", weighted: Container[str]) -> Comparison:
    """Compare the graph of a file with that of a model, call by call.

    Args:
        weighted: the layers of the file that have arrays.
    """
    return _Pairing(file, model, weighted).compare()


def layers(config: Any, prefix: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Path and entry of each layer of an architecture, of nested models, too."""
    if prefix.count("/") > DEEPEST:
        raise ValueError(f"models are nested deeper than {DEEPEST}")
    for entry in _entries(config):
        name = f"{prefix}{_name(entry)}"
        if entry["class_name"] in CONTAINERS:
            yield from layers(entry["config"], f"{name}/")
        else:
            yield name, entry


# Graphs.


def graph(config: Any, *, old: bool) -> Graph:
    """The steps of an architecture.

    Args:
        config: of a Sequential or functional model, in the types of JSON.
        old: whether Keras 1 or 2 wrote it, where "hard_sigmoid" is another function.

    Raises:
        KeyError, TypeError, ValueError and other errors of wrong types: if it is not
            an architecture.
    """
    builder = _Builder(old)
    # One input for each input layer; a Sequential of Keras 1 and 2 may have none.
    count = max(1, sum(e["class_name"] == "InputLayer" for e in _entries(config)))
    sources = []
    for i in range(count):
        builder.steps.append(Step("", "input", {"number": i}))
        sources.append((i, 0))
    return Graph(builder.steps, builder.run(config, sources, ""))


class _Builder:
    """Collects the steps of an architecture."""

    def __init__(self, old: bool):
        self.old = old
        self.steps: list[Step] = []

    def run(self, config, sources, prefix) -> list[tuple[int, int]]:
        """The outputs of a model that is called with `sources`."""
        if prefix.count("/") > DEEPEST:
            raise ValueError(f"models are nested deeper than {DEEPEST}")
        entries = _entries(config)
        if not any(entry.get("inbound_nodes") for entry in entries):
            for entry in entries:
                sources = self.call(entry, sources, {}, f"{prefix}{_name(entry)}", None)
            return sources
        by_name = {_name(entry): entry for entry in entries}
        if len(by_name) < len(entries):
            raise ValueError("two layers have the same name")
        inputs = [name for name, _, _ in _references(config.get("input_layers"))]
        inputs = inputs or [n for n in by_name if _is_input(by_name[n])]
        outputs = _references(config.get("output_layers")) or [(_name(entries[-1]), 0, 0)]
        calls = {name: _calls(entry) for name, entry in by_name.items()}
        first = _first_calls(calls, outputs)
        done: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for name in by_name:
            if _is_input(by_name[name]):
                done[name, 0] = [sources[inputs.index(name)]]

        def key(reference):
            name, call, _ = reference
            return name, call if (name, call) in done else call - first[name]

        waiting = [key(reference) for reference in outputs]
        begun = set()
        while waiting:
            now = waiting[-1]
            if now in done:
                waiting.pop()
                continue
            name, call = now
            tensors, options, rank = calls[name][call]
            missing = [key(t) for t in tensors if key(t) not in done]
            if missing:
                if now in begun or len(begun) > MOST_CALLS:
                    raise ValueError("its layers are connected in a circle")
                begun.add(now)
                waiting += missing
                continue
            given = [_pick(done[key(t)], t[2]) for t in tensors]
            path = f"{prefix}{name}"
            done[now] = self.call(by_name[name], given, options, path, rank)
            waiting.pop()
        return [_pick(done[key(reference)], reference[2]) for reference in outputs]

    def call(self, entry, given, options, path, rank) -> list[tuple[int, int]]:
        """The outputs of one call of a layer, after its steps are added."""
        if _is_input(entry):
            return given
        kind, config = entry["class_name"], entry["config"]
        if kind in CONTAINERS:
            return self.run(config, given, f"{path}/")
        shape = (entry.get("build_config") or {}).get("input_shape")
        if rank is None and shape and not isinstance(shape[0], list):
            rank = len(shape)
        for kind, facts in _steps(kind, config, options, self.old):
            if kind == "affine":
                given, facts = self.joined(given, facts)
                if facts == {"scale": 1.0, "offset": 0.0}:
                    continue
            if len(self.steps) >= MOST_CALLS:
                raise ValueError(f"it has more than {MOST_CALLS:,} layers")
            self.steps.append(Step(path, kind, facts, tuple(given), rank))
            given = [(len(self.steps) - 1, 0)]
        return given

    def joined(self, given, facts):
        """Input and facts of two linear functions as one: a (b x + c) + d."""
        before = self.steps[given[0][0]]
        if before.kind != "affine":
            return given, facts
        scale = facts["scale"] * before.facts["scale"]
        offset = facts["scale"] * before.facts["offset"] + facts["offset"]
        return list(before.inputs), {"scale": scale, "offset": offset}


def _pick(outputs, number):
    """One output of a call; the step itself, if it has several, such as an LSTM."""
    if len(outputs) > 1:
        return outputs[number]
    step, _ = outputs[0]
    return step, number


def _entries(config) -> list[Mapping[str, Any]]:
    """The layers; the Sequential of Keras 1 and early Keras 2 is a bare list."""
    return config if isinstance(config, list) else config["layers"]


def _name(entry) -> str:
    return entry.get("name") or entry["config"]["name"]


def _is_input(entry) -> bool:
    return entry["class_name"] == "InputLayer"


def _references(value) -> list[tuple[str, int, int]]:
    """(layer, call, output) of each tensor; Keras 3 does not wrap a single one."""
    if not value:
        return []
    if isinstance(value, Mapping):
        value = list(value.values())
    several = [value] if isinstance(value[0], str) else value
    return [(name, call, output) for name, call, output, *_ in several]


def _calls(entry) -> list[tuple[list[tuple[str, int, int]], dict[str, Any], int | None]]:
    """The tensors and the other arguments of each call of a layer, and the rank."""
    found = []
    for node in entry.get("inbound_nodes") or []:
        if isinstance(node, Mapping):  # Keras 3
            tensors, rank = [], None
            for tensor in _tensors([node["args"], node["kwargs"]]):
                tensors.append(tuple(tensor["keras_history"]))
                rank = rank or len(tensor["shape"])
            numbers = [arg for arg in node["args"][1:] if _is_number(arg)]
            found.append((tensors, {"y": numbers[0]} if numbers else {}, rank))
            continue
        node = [node] if isinstance(node[0], str) else node
        options: dict[str, Any] = {}
        tensors = _references(node)
        for _, _, _, *more in node:
            options |= more[0] if more else {}
        for value in options.values():  # such as initial_state=[["s0", 0, 0], ...]
            tensors += _references_in(value)
        found.append((tensors, options, None))
    return found


def _references_in(value) -> list[tuple[str, int, int]]:
    """The tensors among the arguments of a call in Keras 2."""
    if not isinstance(value, list):
        return []
    if len(value) in (3, 4) and isinstance(value[0], str):
        name, call, output = value[:3]
        whole = type(call) is int and type(output) is int
        return [(name, call, output)] if whole else []
    return [found for item in value for found in _references_in(item)]


def _tensors(value) -> Iterator[Mapping[str, Any]]:
    """The tensors among the arguments of a call in Keras 3."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            yield value["config"]
        else:
            yield from _tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def _first_calls(calls, outputs) -> dict[str, int]:
    """The number of each layer's first call in this model.

    A model has been called when it was made, so that its first call in another model
    has the number 1.
    """
    used = itertools.chain(outputs, *(t for several in calls.values() for t, *_ in several))
    last: dict[str, int] = {}
    for name, call, _ in used:
        last[name] = max(last.get(name, 0), call)
    return {
        name: max(0, last.get(name, 0) + 1 - len(several))
        for name, several in calls.items()
    }


# Steps: one spelling for the layers of all versions.


def _steps(kind, config, options, old) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kind and facts of each step of a layer; none if it does nothing."""
    kind = re.sub("V[12]$", "", kind)
    kind = CLASSES.get(kind, kind)
    if kind == "Merge":
        kind = MERGES.get(config.get("mode"), kind)
    if IDLE.fullmatch(kind):
        return
    if affine := _affine(kind, config, options):
        yield "affine", affine
        return
    if kind in ("TimeDistributed", "Bidirectional"):
        yield from _wrapped(kind, config, old)
        return
    if kind == "Lambda":
        yield kind, {}
        return
    if kind in ("Activation", "ReLU", "LeakyReLU", "ThresholdedReLU", "ELU", "Softmax"):
        yield from _activation(kind, config, old)
        return
    facts = {}
    if pooling := re.fullmatch("(Global)?(Max|Average|Avg)Pool(?:ing)?([123]D)", kind):
        whole, how, rank = pooling.groups()
        facts["pooling"] = "Max" if how == "Max" else "Average"
        kind = f"{'Global' if whole else ''}Pooling{rank}"
    facts |= _facts(config)
    if kind.startswith("Pooling") and not facts.get("strides"):
        facts["strides"] = facts.get("pool_size")
    if kind in ("LSTM", "GRU", "SimpleRNN"):
        facts["activation"] = _function(config.get("activation", "tanh"), old)
        yield kind, facts
        return
    yield kind, facts
    yield from _activation("Activation", config, old)


def _wrapped(kind, config, old):
    """The steps of the layer that a wrapper applies."""
    inner = config["layer"]
    (first, facts), *rest = _steps(inner["class_name"], inner["config"], {}, old)
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
    yield "activation", {
        "function": "relu",
        "max_value": largest,
        "negative_slope": float(_number(slope)),
        "threshold": float(_number(threshold or 0.0)),
    }


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
        if _is_number(scale) and _is_number(offset):
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
    if not _is_number(number):
        return None
    number = float(number)
    if operation.lower() in ("truediv", "true_divide", "truedivide", "divide", "realdiv"):
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


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# Comparison.


class _Pairing:
    """Walks through two graphs at once, from the outputs to the inputs."""

    def __init__(self, file: Graph, model: Graph, weighted: Container[str]):
        self.file, self.model, self.weighted = file, model, weighted
        numbers: dict[Any, int] = {}  # shared: equal numbers mean equal kinds
        self.forms = [_forms(one, numbers) for one in (file, model)]
        self.found: list[tuple[int, str]] = []  # step of the file, difference
        self.epsilons: dict[str, float] = {}
        self.pairs: dict[str, str] = {}
        self.counterparts: dict[str, str] = {}

    def compare(self) -> Comparison:
        """Both graphs as a whole."""
        ends, others = self.file.outputs, self.model.outputs
        if len(ends) != len(others):
            text = f"the file has {len(ends)} outputs, this network {len(others)}"
            self.found.append((len(self.file.steps), text))
        waiting = list(zip(ends, others, strict=False))
        seen = set()
        while waiting:
            (f, i), (m, j) = pair = waiting.pop()
            if pair in seen:
                continue
            seen.add(pair)
            self.compare_outputs(f, i, m, j)
            waiting += self.compare_steps(f, m)
        ordered = dict.fromkeys(text for _, text in sorted(self.found))
        return Comparison(list(ordered), self.epsilons, self.pairs)

    def compare_outputs(self, f, i, m, j):
        """Record if another output of a layer is used, such as an LSTM's cell state."""
        step = self.file.steps[f]
        # Output 1 of an LSTM, its last state, is its output 0 without sequences.
        last = not step.facts.get("return_sequences")
        if i != j and not (last and {i, j} == {0, 1}):
            text = f"output {i} of {step.layer} is used, in this network output {j}"
            self.found.append((f, text))

    def compare_steps(self, f, m) -> Iterable[tuple[tuple[int, int], tuple[int, int]]]:
        """Compare two steps; return pairs of their inputs."""
        step, other = self.file.steps[f], self.model.steps[m]
        before = [self.file.steps[i] for i, _ in step.inputs[:1]]
        before_other = [self.model.steps[i] for i, _ in other.inputs[:1]]
        if not _alike(step, other):  # is there a step too many on one side?
            surplus = any(_alike(one, other) for one in before)
            missing = any(_alike(step, one) for one in before_other)
            if surplus and not missing:
                self.found.append((f, f"{step.layer} is {step}, this network has none there"))
                return [(step.inputs[0], (m, 0))]
            if missing and not surplus:
                place = step.layer or "the input"
                text = f"this network has {other} ({other.layer}) after {place}"
                self.found.append((f, text))
                return [((f, 0), other.inputs[0])]
        if step.kind == other.kind:
            if step.layer in self.weighted and step.kind not in ("activation", "input"):
                self.pair(f, step.layer, other.layer)
            self.compare_facts(f, step, other)
            inputs = self.inputs(0, f), self.inputs(1, m)
            if len(inputs[0]) != len(inputs[1]):
                text = (
                    f"{step.layer} has {len(inputs[0])} inputs, "
                    f"{other.layer} of this network {len(inputs[1])}"
                )
                self.found.append((f, text))
            return zip(*inputs, strict=False)
        first = f"{step.layer} is {step}" if step.layer else "the file has its input"
        second = f"{other} ({other.layer})" if other.layer else "its input"
        self.found.append((f, f"{first} where this network has {second}"))
        return zip(step.inputs, other.inputs, strict=False)

    def pair(self, f, layer, other):
        """Record that two layers are at the same place."""
        expected = self.pairs.setdefault(layer, other)
        back = self.counterparts.setdefault(other, layer)
        if (expected, back) != (other, layer):
            self.found.append((f, f"{layer} is used in other places than in this network"))

    def compare_facts(self, f, step, other):
        """Record each fact that both steps state, with other values."""
        for fact in step.facts.keys() & other.facts.keys():
            mine, built = step.facts[fact], other.facts[fact]
            if fact == "epsilon" and _is_number(mine) and 0 < mine < 1:
                if not _equal(mine, built):
                    self.epsilons[other.layer] = float(mine)
            elif fact == "axis" and _is_number(mine) and _is_number(built):
                if not _same_axis(mine, built, other.rank):
                    self.differ(f, step, other, fact)
            elif not _equal(mine, built):
                self.differ(f, step, other, fact)

    def differ(self, f, step, other, fact):
        """Record a difference in one fact."""
        mine, built = step.facts[fact], other.facts[fact]
        if fact in ("function", "pooling"):
            text = f"{step.layer} is {step}, in this network {other}"
        else:
            text = f"{step.layer} has {fact} {_shown(mine)}, this network {_shown(built)}"
        self.found.append((f, text))

    def inputs(self, side, number) -> Sequence[tuple[int, int]]:
        """The inputs of a step, those of a sum in an order that both graphs share."""
        step = (self.file, self.model)[side].steps[number]
        if step.kind not in ANY_ORDER:
            return step.inputs
        return sorted(step.inputs, key=lambda one: self.forms[side][one[0]])


def _forms(graph: Graph, numbers: dict[Any, int]) -> list[int]:
    """A number for each step that stands for its kind and those of all its inputs."""
    forms: list[int] = []
    for step in graph.steps:
        inputs = [forms[i] for i, _ in step.inputs]
        if step.kind in ANY_ORDER:
            inputs.sort()
        forms.append(numbers.setdefault((step.kind, *inputs), len(numbers)))
    return forms


def _alike(step: Step, other: Step) -> bool:
    """Whether two steps are of one kind, and of one function if they are activations."""
    functions = step.facts.get("function"), other.facts.get("function")
    return step.kind == other.kind and functions[0] == functions[1]


def _equal(a, b) -> bool:
    """Whether two values of a fact mean the same."""
    if _is_number(a) and _is_number(b):
        return math.isclose(a, b, rel_tol=1e-6)
    if isinstance(a, tuple) and isinstance(b, tuple) and 1 in (len(a), len(b)):
        return all(one == a[0] for one in (*a, *b))
    return a == b


def _same_axis(a, b, rank) -> bool:
    """Whether two numbers, one of which may count from the end, are one axis."""
    if a == b:
        return True
    return (a < 0) != (b < 0) and (rank is None or abs(a - b) == rank)


def _shown(value) -> str:
    """A value for a message, on one line and short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
