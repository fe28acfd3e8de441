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
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from dls_keras.converters import spelling
from dls_keras.core.readers import quoted

MOST_CALLS = 20_000  # of layers in an architecture
DEEPEST = 10  # models in models

CONTAINERS = {"Model", "Functional", "Sequential", "Graph"}


# The tensors, as (layer, call, output); the other arguments; the shape of the input.
Call = tuple[list[tuple[str, int, int]], dict[str, Any], tuple[int | None, ...]]


class Step(NamedTuple):
    """One call of one layer.

    Attributes:
        layer: its name; in a model within the model, "outer/inner".
        kind: "Conv2D", "activation", "pooling2D" and so on.
        facts: what changes its outputs, apart from its arrays.
        inputs: (step, which of its outputs) each.
        shape: of its layer's input, where that is known.
    """

    layer: str
    kind: str
    facts: dict[str, Any]
    inputs: tuple[tuple[int, int], ...] = ()
    shape: tuple[int | None, ...] = ()

    def __str__(self) -> str:
        if self.kind == "activation":
            return f"the activation {self.facts['function']}"
        if self.kind == "affine":
            return f"a scaling, {self.facts['scale']:g} x + {self.facts['offset']:g}"
        if self.kind == "Lambda":
            return "a Lambda layer, whose program is not read"
        if self.kind == "input":
            return "the input"
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
    entries = _entries(config)
    # A Sequential of Keras 1 and 2 may have no input layer.
    found = [e for e in entries if _is_input(e)] or [*entries[:1]]
    order = [] if isinstance(config, list) else _references(config.get("input_layers"))
    names = [name for name, _, _ in order]
    found.sort(key=lambda e: names.index(_name(e)) if _name(e) in names else 0)
    sources = [(i, 0) for i in range(len(found))]
    for i, entry in enumerate(found):
        shape = entry["config"].get(
            "batch_input_shape", entry["config"].get("batch_shape")
        )
        facts = {"number": i} | ({"shape": tuple(shape[1:])} if shape else {})
        builder.steps.append(Step("the input", "input", facts))
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
                sources = self.call(entry, sources, {}, f"{prefix}{_name(entry)}", ())
            return sources
        by_name = {_name(entry): entry for entry in entries}
        if len(by_name) < len(entries):
            raise ValueError("two layers have the same name")
        inputs = [name for name, _, _ in _references(config.get("input_layers"))]
        inputs = inputs or [n for n in by_name if _is_input(by_name[n])]
        outputs = _references(config.get("output_layers")) or [
            (_name(entries[-1]), 0, 0)
        ]
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
        begun: set[tuple[str, int]] = set()
        while waiting:
            now = waiting[-1]
            if now in done:
                waiting.pop()
                continue
            name, call = now
            tensors, options, shape = calls[name][call]
            missing = [key(t) for t in tensors if key(t) not in done]
            if missing:
                if now in begun or len(begun) > MOST_CALLS:
                    raise ValueError("its layers are connected in a circle")
                begun.add(now)
                waiting += missing
                continue
            given = [_pick(done[key(t)], t[2]) for t in tensors]
            path = f"{prefix}{name}"
            done[now] = self.call(by_name[name], given, options, path, shape)
            waiting.pop()
        return [_pick(done[key(reference)], reference[2]) for reference in outputs]

    def call(self, entry, given, options, path, shape) -> list[tuple[int, int]]:
        """The outputs of one call of a layer, after its steps are added."""
        if _is_input(entry):
            return given
        kind, config = entry["class_name"], entry["config"]
        if kind in CONTAINERS:
            return self.run(config, given, f"{path}/")
        for what, facts in spelling.steps(kind, config, options, old=self.old):
            if what == "affine":
                given, facts = self.joined(given, facts)
                if facts == {"scale": 1.0, "offset": 0.0}:
                    continue
            if len(self.steps) >= MOST_CALLS:
                raise ValueError(f"it has more than {MOST_CALLS:,} layers")
            self.steps.append(Step(path, what, facts, tuple(given), shape))
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
    found = [(name, call, output) for name, call, output, *_ in several]
    if not all(tuple(map(type, one)) == (str, int, int) for one in found):
        raise ValueError(f"wrong tensors {quoted(str(found))}")
    return found


def _calls(entry) -> list[Call]:
    """The calls of a layer in this model."""
    found: list[Call] = []
    for node in entry.get("inbound_nodes") or []:
        tensors: list[tuple[str, int, int]] = []
        if isinstance(node, Mapping):  # Keras 3
            shape: tuple[int | None, ...] = ()
            for tensor in _tensors([node["args"], node["kwargs"]]):
                name, call, output = tensor["keras_history"]
                tensors.append((name, call, output))
                shape = shape or tuple(tensor["shape"])
            numbers = [arg for arg in node["args"][1:] if spelling.is_number(arg)]
            found.append((tensors, {"y": numbers[0]} if numbers else {}, shape))
            continue
        node = [node] if isinstance(node[0], str) else node
        options: dict[str, Any] = {}
        tensors = _references(node)
        for _, _, _, *more in node:
            options |= more[0] if more else {}
        for value in options.values():  # such as initial_state=[["s0", 0, 0], ...]
            tensors += _references_in(value)
        found.append((tensors, options, ()))
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
    used = itertools.chain(
        outputs, *(t for several in calls.values() for t, *_ in several)
    )
    last: dict[str, int] = {}
    for name, call, _ in used:
        last[name] = max(last.get(name, 0), call)
    return {
        name: max(0, last.get(name, 0) + 1 - len(several))
        for name, several in calls.items()
    }


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
                self.found.append(
                    (f, f"{step.layer} is {step}, this network has none there")
                )
                return [(step.inputs[0], (m, 0))]
            if missing and not surplus:
                text = f"this network has {other} ({other.layer}) after {step.layer}"
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
        text = f"{step.layer} is {step} where this network has {other} ({other.layer})"
        self.found.append((f, text))
        return zip(step.inputs, other.inputs, strict=False)

    def pair(self, f, layer, other):
        """Record that two layers are at the same place."""
        expected = self.pairs.setdefault(layer, other)
        back = self.counterparts.setdefault(other, layer)
        if (expected, back) != (other, layer):
            self.found.append(
                (f, f"{layer} is used in other places than in this network")
            )

    def compare_facts(self, f, step, other):
        """Record each fact that both steps state, with other values."""
        for fact in step.facts.keys() & other.facts.keys():
            mine, built = step.facts[fact], other.facts[fact]
            if fact == "epsilon" and isinstance(mine, float) and 0 < mine < 1:
                if not _equal(mine, built):
                    self.epsilons[other.layer] = float(mine)
            elif (
                fact == "axis"
                and spelling.is_number(mine)
                and spelling.is_number(built)
            ):
                if not _same_axis(mine, built, len(other.shape)):
                    self.differ(f, step, other, fact)
            elif fact == "padding" and _covers(step, other):
                pass
            elif fact == "shape" and step.kind == "input":
                if not _same_shape(mine, built):
                    self.differ(f, step, other, fact)
            elif not _equal(mine, built):
                self.differ(f, step, other, fact)

    def differ(self, f, step, other, fact):
        """Record a difference in one fact."""
        mine, built = step.facts[fact], other.facts[fact]
        if fact in ("function", "pooling"):
            text = f"{step.layer} is {step}, in this network {other}"
        else:
            text = (
                f"{step.layer} has {fact} {_shown(mine)}, this network {_shown(built)}"
            )
        self.found.append((f, text))

    def inputs(self, side, number) -> Sequence[tuple[int, int]]:
        """The inputs of a step, those of a sum in an order that both graphs share."""
        step = (self.file, self.model)[side].steps[number]
        if step.kind not in spelling.ANY_ORDER:
            return step.inputs
        return sorted(step.inputs, key=lambda one: self.forms[side][one[0]])


def _forms(graph: Graph, numbers: dict[Any, int]) -> list[int]:
    """A number for each step that stands for its kind and those of all its inputs."""
    forms: list[int] = []
    for step in graph.steps:
        inputs = [forms[i] for i, _ in step.inputs]
        if step.kind in spelling.ANY_ORDER:
            inputs.sort()
        forms.append(numbers.setdefault((step.kind, *inputs), len(numbers)))
    return forms


def _alike(step: Step, other: Step) -> bool:
    """Whether two steps are of one kind; activations, of one function."""
    functions = step.facts.get("function"), other.facts.get("function")
    return step.kind == other.kind and functions[0] == functions[1]


def _equal(a, b) -> bool:
    """Whether two values of a fact mean the same."""
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-6)
    if isinstance(a, tuple) != isinstance(b, tuple):
        a, b = (one if isinstance(one, tuple) else (one,) for one in (a, b))
    if isinstance(a, tuple) and min(len(a), len(b)) == 1:  # one number for all axes
        return all(one == a[0] for one in (*a, *b))
    return a == b


def _covers(step: Step, other: Step) -> bool:
    """Whether two poolings cover the whole image, so that no padding is added."""
    size, strides = (other.facts.get(key) for key in ("pool_size", "strides"))
    if not size or size != strides or step.facts.get("strides") != strides:
        return False
    sides = other.shape[1:-1]
    return bool(sides) and all(
        side is not None and side % stride == 0
        for side, stride in zip(sides, strides, strict=False)
    )


def _same_axis(a, b, rank) -> bool:
    """Whether two numbers, one of which may count from the end, are one axis."""
    if a == b:
        return True
    return (a < 0) != (b < 0) and (not rank or abs(a - b) == rank)


def _same_shape(a, b) -> bool:
    """Whether two shapes agree where both state a size."""
    pairs = zip(a, b, strict=False)
    return len(a) == len(b) and all(
        None in pair or pair[0] == pair[1] for pair in pairs
    )


def _shown(value) -> str:
    """A value for a message, on one line and short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
