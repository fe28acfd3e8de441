"""Keras 1 and 2 `.h5` files -> Keras 3 models that are built in code.

The course's weights were saved between 2017 and 2021. The `load_model` of Keras 3 fails
on most of these files and gives wrong numbers for others, so the model is built in
code, and the arrays are assigned to it in layer order:

    contents = keras_h5.read("model.h5")
    model = keras_h5.fill(build_model(), contents)

A file that also states its architecture is compared with the model in every option that
changes numbers, see `architecture`: an epsilon is taken over, anything else is refused.

No array is transposed: Keras 3 keeps the axes and the gate order (LSTM i, f, c, o;
GRU z, r, h) of Keras 2 with TensorFlow. Only the arrays of Keras 1, which saved each
gate separately, are concatenated. Files that were saved with Theano are rejected if
they state it.

Five traps lie on this road, and none of them raises an error of its own:

* `hard_sigmoid`, the gates' activation until TensorFlow 2, was clip(0.2 x + 0.5, 0, 1)
  and is relu6(x + 3) / 6 in Keras 3: the date translator falls from 99.4 % exact
  dates to 32.9 %. `gates` returns the activation that a file names,
  `keras2_hard_sigmoid` is the old function, and `fill` rejects a model that was built
  with other gates.
* A softmax over another axis than the last was a function of the course's own; the
  file names it just "softmax" (the date translator's attention, over time, axis 1).
* `load_weights(by_name=True)` loads nothing if names differ. `fill` goes by order and
  shape, and checks afterwards that every variable has its array.
* A GRU's `reset_after` shows in the shape of its bias: (3 u,) without, (2, 3 u) with.
* `Adam(decay=...)` is ignored by Keras 3: use an `InverseTimeDecay` schedule.

Of an architecture only the JSON is read: the byte code of a Lambda layer is never run.
"""

import itertools
import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import h5py
import keras
import numpy as np

from dls_keras.converters import architecture
from dls_keras.core import files, hdf5, origin, readers
from dls_keras.core.errors import InputError

# Names with the same meaning in all versions: arrays of equal shape are distinguished
# by them.
ROLES = {"kernel", "recurrent_kernel", "bias"}
ROLES |= {"gamma", "beta", "moving_mean", "moving_variance"}

GATES = ("recurrent_activation", "inner_activation")  # of Keras 2, of Keras 1

LARGEST_JSON = 8 * readers.MEGABYTE
ARCHITECTURE = "an architecture as `model.to_json()` writes it"
EXPECTED = "a model or its weights, saved by Keras 1 or 2"

# Keras 1's "lstm_1_W_i:0": kernel (W), recurrent kernel (U) or bias (b) of gate i.
ONE_GATE = re.compile(r"(?P<layer>.+)_(?P<part>[WUb])_(?P<gate>[ifcozrh])(:0)?")
SHOWN = 3  # differences that a message lists
STATE = re.compile("StateVar|seed_generator")  # of random layers, not a weight
PARTS = {"W": "kernel", "U": "recurrent_kernel", "b": "bias"}


@keras.saving.register_keras_serializable(package="dls_keras")
def keras2_hard_sigmoid(x: Any) -> Any:
    """The `hard_sigmoid` of Keras 1 and 2: clip(0.2 x + 0.5, 0, 1)."""
    return keras.ops.clip(0.2 * x + 0.5, 0.0, 1.0)


def gate_activation(gates: Any) -> Any:
    """The `recurrent_activation` of a layer for the gates that a file names.

    Args:
        gates: "sigmoid", "keras2_hard_sigmoid" or any other activation of Keras.

    Raises:
        InputError: if there is no such activation.
    """
    if gates == keras2_hard_sigmoid.__name__:
        return keras2_hard_sigmoid
    try:
        return keras.activations.get(gates)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"Expected the activation of the gates, such as 'sigmoid' or "
            f"'keras2_hard_sigmoid', received {readers.quoted(str(gates))}."
        ) from error


class Layer(NamedTuple):
    """One layer of a file, with the names that the file has."""

    name: str
    weights: dict[str, np.ndarray]  # "lstm_5_2/kernel:0" and so on, in order
    class_name: str | None  # "LSTM"; None in a file of weights only
    config: dict[str, Any]  # from the JSON; empty in a file of weights only

    @property
    def gates(self) -> str | None:
        """The gate activation in the file, also of a wrapped layer; None without."""
        named = next(_values(self.config, *GATES), None)
        return "keras2_hard_sigmoid" if named == "hard_sigmoid" else named


class Contents(NamedTuple):
    """The result of `read`: the layers in the file's order, most without weights."""

    layers: tuple[Layer, ...]
    path: Path
    keras_version: str  # "2.1.3"; "1" if the file does not state it
    graph: architecture.Graph | None = None  # its architecture, if it is stated


def read(path: str | Path, *, model_json: str | Path | None = None) -> Contents:
    """The layers of a Keras 1 or 2 `.h5` file, weights only or a whole model.

    Args:
        path: the `.h5` file.
        model_json: a file with the architecture that `model.to_json()` returned, for
            an `.h5` file of weights only.

    Raises:
        MissingFileError: if a file does not exist.
        InputError: if the file is not HDF5, has no Keras weights, was written by
            Keras 3 or with Theano, is damaged or contains NaN.
    """
    path = Path(path)
    if files.exists(path) and not h5py.is_hdf5(path) and zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is a .keras archive of Keras 3. Expected {EXPECTED}; read this "
            "one with keras.models.load_model."
        )
    text = None if model_json is None else readers.read_text(model_json, ARCHITECTURE)
    advice = "Expected an HDF5 file that Keras 1 or 2 wrote."
    with hdf5.opened(path, EXPECTED, advice) as file:
        root = "model_weights" if "model_weights" in file else ""
        facts = file.attributes() | file.attributes(root)
        version = str(_text(facts.get("keras_version", "1")))
        names = _names(facts, "layer_names")
        top = [_text(name) for name in file.groups()]
        if version.startswith("3.") or (not names and {"layers", "vars"} & set(top)):
            raise InputError(
                f"{path} was written by Keras 3. Expected a file of Keras 1 or 2; for "
                "this one, build the model and call its `load_weights`."
            )
        if not names:
            raise InputError(
                f"{path} has no Keras weights (no layer_names), but "
                f"{', '.join(top) or 'nothing'}. Expected {EXPECTED}; this may be a "
                "data set."
            )
        arrays = _arrays(file, {name: f"{root}/{name}" for name in names})
        text = facts.get("model_config") if text is None else text
        known, graph = _architecture(text, model_json or path)
        if known and not known.keys() >= arrays.keys():
            raise InputError(
                f"The architecture in {model_json or path} has not all layers of "
                f"{path}: it lacks {min(arrays.keys() - known.keys())}. Use the JSON "
                "of the model that was saved."
            )
        # Keras 2 saved the backend; Keras 1 a dim_ordering, "th" or "tf".
        convolves = any(a.ndim > 2 for layer in arrays.values() for a in layer.values())
        theano = convolves and _text(facts.get("backend")) == "theano"
        if theano or "th" in _values([*known.values()], "dim_ordering"):
            raise InputError(
                f"{path} has convolution kernels in Theano's order. Expected "
                "TensorFlow's; save the file again by Keras 2 with TensorFlow."
            )
        layers = [
            leaf
            for name, several in arrays.items()
            for leaf in _leaves_of(
                Layer(name, _join_gates(several), *known.get(name, (None, {})))
            )
        ]
    return Contents(tuple(layers), path, version, graph)


def gates(contents: Contents) -> str | None:
    """The gate activation in the file: "sigmoid" or "keras2_hard_sigmoid".

    None if the file does not name one: it has weights only, or no recurrent layer.

    Raises:
        InputError: if its layers have different gates.
    """
    named = {layer.gates for layer in contents.layers if layer.gates}
    if len(named) > 1:
        raise InputError(
            f"The layers of {contents.path} have different gates: {sorted(named)}. "
            "Build each one with the `gates` of its own layer in `contents.layers`."
        )
    return named.pop() if named else None


def default_gates(contents: Contents) -> str | None:
    """The gate activation that layers had by default in the version of the file.

    None for the one version of Keras where this depends on that of TensorFlow.
    """
    version = contents.keras_version
    numbers = re.findall("[0-9]{1,4}", f"{version}.0.0")
    major, minor = map(int, numbers[:2])
    if version == "2.2.4-tf":  # TensorFlow 1.13 to 2.1
        return None
    return "sigmoid" if (major, minor) >= (2, 3) else "keras2_hard_sigmoid"


def is_recurrent(contents: Contents) -> bool:
    """Whether a layer of the file has the arrays of an LSTM, a GRU or a simple RNN."""
    names = (name for layer in contents.layers for name in layer.weights)
    return any("recurrent_kernel" in name for name in names)


def reset_after(contents: Contents) -> bool | None:
    """Whether the file's GRUs have `reset_after`, by their biases; None without GRU."""
    found = None
    for layer in contents.layers:
        shapes = [array.shape for array in layer.weights.values()]
        if len(shapes) == 3 and len(shapes[0]) == len(shapes[1]) == 2:
            (_, columns), (units, same), bias = shapes
            if columns == same == 3 * units:
                found = bias == (2, columns)
    return found


def fill(
    model: keras.Model,
    contents: Contents,
    *,
    gates: Literal["as in file", "as built"] = "as in file",
) -> keras.Model:
    """Assign the file's arrays to `model`, in layer order; return it.

    The number of arrays, every shape and the gates are compared before the model is
    changed, and so is the architecture, if the file states it. An epsilon of the file
    is taken over. A file of weights only does not name its gates: `read` it with its
    `model_json`, or find them out in another way.

    The model is marked, see `core.origin`: `infer` then gives it the course's inputs.

    Args:
        model: built in code; a Sequential or functional model within it is filled, too.
        gates: "as built" keeps the model's gates although the file names others,
            as the 2021 course does with its date translator.

    Raises:
        InputError: if the file does not fit the model, which is then as it was; the
            message names the first array that does not fit, with its variable.
    """
    if gates not in ("as in file", "as built"):
        raise InputError(
            f'gates must be "as in file" or "as built", received {gates!r}.'
        )
    leaves = dict(_leaves(model))
    layers = [
        leaf
        for layer in contents.layers
        for leaf in _split(layer, [path for path in leaves if "/" in path])
    ]
    compared = _compared(model, contents.graph, layers)
    places = {path: i for i, path in enumerate(leaves)}
    weighted = {layer.name for layer in layers if layer.weights}
    if compared and weighted <= compared.pairs.keys():
        layers.sort(key=lambda one: places.get(compared.pairs.get(one.name, ""), -1))
    stored = [
        _Slot(layer, name.removesuffix(":0").rpartition("/")[-1], array)
        for layer in layers
        for name, array in layer.weights.items()
    ]
    wanted = [
        _Slot(layer, v.name, v) for layer in leaves.values() for v in layer.weights
    ]
    plan = list(itertools.zip_longest(stored, wanted))
    values: dict[int, np.ndarray] = {}  # of each variable, by its id
    for source, target in plan:
        if not (source and target and _fits(source, target)):
            raise InputError(
                f"{contents.path} ({len(stored)} arrays) does not fit {model.name!r} "
                f"({len(wanted)} variables): {source or 'nothing'} -> "
                f"{target or 'nothing'}. {_advice(source, target)}"
            )
        first = values.setdefault(id(target.value), source.value)
        if not np.array_equal(first, source.value):
            raise InputError(
                f"{contents.path} has other values for {source} than for an earlier "
                f"layer, but the two layers share the variable {target} of the model. "
                "Build the model with separate layers."
            )
        named, built = source.layer.gates, _gates(target.layer)
        if gates == "as in file" and named and named != built:
            raise InputError(
                f"{source.layer.name} of {contents.path} has {named} gates, "
                f"{target.layer.name} of the model has {built}: the outputs would "
                "differ. Build the model with the file's recurrent_activation (the "
                "hard_sigmoid of Keras 1 and 2 is keras_h5.keras2_hard_sigmoid), or "
                'keep its gates with fill(..., gates="as built").'
            )
    if compared and (found := compared.differences):
        raise InputError(
            f"{contents.path} describes another network than {model.name!r}, so that "
            f"its numbers would mean something else: {'; '.join(found[:SHOWN])}"
            f"{f'; and {len(found) - SHOWN} more' if len(found) > SHOWN else ''}. "
            "Build the model like the file, or save the file from a model like this "
            "one."
        )
    for source, target in plan:
        target.value.assign(source.value)
    for place, epsilon in compared.epsilons.items() if compared else ():
        getattr(leaves[place], "layer", leaves[place]).epsilon = epsilon
        model.predict_function = None  # it was compiled with the old one
    origin.mark(model)
    return model


class _Slot(NamedTuple):
    """An array of the file, or a variable of the model, with its layer."""

    layer: Any
    name: str
    value: Any

    def __str__(self):
        return f"{self.layer.name}/{self.name} {tuple(self.value.shape)}"


def _arrays(file: hdf5.File, groups: Mapping[str, str]) -> dict[str, dict]:
    """The arrays of each layer by name, from the groups of the layers."""
    arrays: dict[str, dict[str, np.ndarray]] = {}
    left = readers.MOST_ARRAYS
    for layer, group in groups.items():
        names = _names(file.attributes(group), "weight_names")
        left -= len(names)
        if left < 0:
            raise ValueError(f"more than {readers.MOST_ARRAYS:,} arrays")
        arrays[layer] = {}
        for name in names:
            if STATE.search(name):
                continue
            array = file.array(f"{group}/{name}")
            if array.dtype.kind not in "fiu":
                raise ValueError(f"{name} has the type {array.dtype}")
            arrays[layer][name] = array
    return arrays


def _architecture(
    text: Any, source: str | Path
) -> tuple[dict[str, tuple[str, dict]], architecture.Graph | None]:
    """Class and configuration of each layer of an architecture in JSON, and its graph.

    The layers of models within the model are not among the former, by name.
    """
    if text is None:
        return {}, None
    with readers.reading(source, ARCHITECTURE):
        if len(text) > LARGEST_JSON:
            raise ValueError(f"it has more than {LARGEST_JSON:,} characters")
        config = json.loads(text)["config"]
        known: dict[str, tuple[str, dict]] = {}
        # The Sequential of Keras 1 and early Keras 2 is a bare list of its layers.
        for entry in config if isinstance(config, list) else config["layers"]:
            kind, inner = entry["class_name"], entry["config"]
            name = entry.get("name") or inner["name"]
            gates = [*_values(inner, *GATES)]
            texts = all(isinstance(text, str) and text for text in (kind, name, *gates))
            if not texts or not isinstance(inner, dict) or name in known:
                raise ValueError(f"wrong entry {readers.quoted(str(entry))}")
            known[name] = kind, inner
        return known, architecture.graph(config, old=True)


def _leaves_of(layer: Layer) -> list[Layer]:
    """The layers of a model within the model; other layers are returned alone."""
    if layer.class_name not in architecture.CONTAINERS:
        return [layer]
    inner = dict(architecture.layers(layer.config, f"{layer.name}/"))
    return [
        leaf._replace(class_name=entry["class_name"], config=entry["config"])
        if (entry := inner.get(leaf.name))
        else leaf
        for leaf in _split(layer, [*inner])
    ]


def _split(layer: Layer, paths: Sequence[str]) -> list[Layer]:
    """A layer with the arrays of several, such as "outer/inner", as these layers.

    Keras 2 saved the arrays of a model within the model as those of one layer, in an
    order that depends on which were trainable. Their names are "inner/kernel:0".
    """
    if layer.class_name is not None and layer.class_name not in architecture.CONTAINERS:
        return [layer]
    owners = {path.rpartition("/")[-1]: path for path in paths}
    parts: dict[str, dict[str, np.ndarray]] = {path: {} for path in paths}
    for name, array in layer.weights.items():
        owner = next((owners[p] for p in name.split("/")[:-1] if p in owners), None)
        if owner is None:
            return [layer]
        parts[owner][name] = array
    if not layer.weights:
        return [layer]
    return [Layer(path, arrays, None, {}) for path, arrays in parts.items() if arrays]


def _leaves(model: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The layers of a model by name, those of models within it as "outer/inner"."""
    for layer in model.layers:
        if isinstance(getattr(layer, "layer", None), keras.Model):
            raise InputError(
                f"Layer {layer.name} applies a model to each time step. Keras 2 saved "
                "its arrays in an order that depends on which were trainable. Build "
                "the model without it."
            )
        if isinstance(layer, keras.Model):
            yield from _leaves(layer, f"{prefix}{layer.name}/")
        else:
            yield f"{prefix}{layer.name}", layer


def _compared(model, stated, layers) -> architecture.Comparison | None:
    """The comparison of the file's architecture with the model's, if it is stated."""
    if stated is None:
        return None
    if isinstance(model, keras.Sequential) and model.built:  # it states no shapes
        model = keras.Model(model.inputs, model.outputs)
    config = model.get_config()
    if "layers" not in config or not model.layers:  # a class of its own
        return None
    built = architecture.graph(json.loads(json.dumps(config, default=str)), old=False)
    weighted = {layer.name for layer in layers if layer.weights}
    return architecture.compare(stated, built, weighted)


def _join_gates(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A layer's arrays, Keras 1's single gates concatenated in the order i, f, c, o."""
    matches = [match for name in weights if (match := ONE_GATE.fullmatch(name))]
    if len(matches) < len(weights):
        return weights
    joined: dict[str, dict[str, np.ndarray]] = {}
    # The arrays of a Bidirectional's forward layer come first.
    for match, array in zip(matches, weights.values(), strict=True):
        part = f"{match['layer']}/{PARTS[match['part']]}"
        joined.setdefault(part, {})[match["gate"]] = array
    return {
        part: np.concatenate([one[gate] for gate in "ifcozrh" if gate in one], axis=-1)
        for part, one in joined.items()
    }


def _gates(layer: Any) -> str | None:
    """The name of a built layer's gate activation, also of a wrapped layer."""
    if activation := getattr(layer, "recurrent_activation", None):
        return getattr(activation, "__name__", repr(activation))
    inner = (getattr(layer, name, None) for name in ("forward_layer", "layer", "cell"))
    return next((_gates(one) for one in inner if one is not None), None)


def _fits(source: _Slot, target: _Slot) -> bool:
    """Whether this array of the file can be assigned to this variable of the model."""
    other_role = source.name != target.name and {source.name, target.name} <= ROLES
    return source.value.shape == tuple(target.value.shape) and not other_role


def _advice(source: _Slot | None, target: _Slot | None) -> str:
    """What to do about an array that does not fit its variable."""
    if source and target:
        array, variable = source.value.shape, tuple(target.value.shape)
        if target.name == "bias" and (2, *array) == variable:
            return f"A bias {array} is that of a GRU with reset_after=False."
        if target.name == "bias" and array == (2, *variable):
            return f"A bias {array} is that of a GRU with reset_after=True."
        if len(array) == 4 and (*array[2:], *array[1::-1]) == variable:
            return "Kernels in Theano's order (out, in, y, x) are not converted."
    return "Build every layer of the file, starting with a keras.Input."


def _values(config: Any, *keys: str) -> Iterator[Any]:
    """Every value under one of `keys`, at any depth."""
    waiting = [config]
    while waiting:
        config = waiting.pop()
        if isinstance(config, dict):
            yield from (config[key] for key in keys if key in config)
            waiting += reversed(config.values())
        elif isinstance(config, (list, tuple)):
            waiting += reversed(config)


def _names(attributes: Mapping[str, Any], name: str) -> list[str]:
    """A list of names, which Keras splits into name0, name1, ... if it is long."""
    numbered = (f"{name}{i}" for i in itertools.count())
    pieces = itertools.takewhile(attributes.__contains__, numbered)
    whole = [name] if name in attributes else pieces
    names = [_text(item) for piece in whole for item in attributes[piece]]
    if len(names) > readers.MOST_ARRAYS or not all(isinstance(n, str) for n in names):
        raise ValueError(f"{len(names):,} entries in {name}, expected names")
    return names


def _text(value: Any) -> Any:
    """`value`, decoded if it is bytes, which older versions of h5py wrote."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value
