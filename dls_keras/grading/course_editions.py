"""Differences between the editions of the course, as data.

The reference cases follow the edition of 2021. Learners also have notebooks of 2017,
where some functions have another name, another order or number of arguments, or return
fewer values. `older_form` says how to call such a function with the arguments of 2021.
"""

import collections
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

# Assignment -> functions that only one edition has; a file may lack them.
ONE_EDITION = {
    "convolution_application": ("initialize_parameters", "compute_cost"),
    "numpy_basics": ("basic_sigmoid",),
    "style_transfer": ("clip_0_1", "tensor_to_image", "total_cost"),
    "emojify": ("model",),
    "optimization": ("update_lr", "schedule_lr_decay"),
}

# (assignment, function of `ONE_EDITION`) -> a word in files that should have it.
NEEDED_WITH = {
    ("optimization", "update_lr"): "decay",
    ("optimization", "schedule_lr_decay"): "decay",
}

# (assignment, function) -> the names of the function in other editions.
OLD_NAMES = {
    ("numpy_basics", "normalize_rows"): ("normalizeRows",),
    ("numpy_basics", "sigmoid_derivative"): ("sigmoid_grad",),
    ("date_translation", "modelf"): ("model",),
    ("trigger_word", "modelf"): ("model",),
    ("car_detection", "get_colors_for_classes"): ("generate_colors",),
    ("transfer_learning", "data_augmenter"): ("data_augmentation",),
    ("happy_house", "HappyModel"): ("happyModel", "model"),
    ("tensorflow_introduction", "compute_total_loss"): ("compute_cost",),
}


class OlderForm(NamedTuple):
    """How to call a function of an older edition with the arguments of 2021.

    Attributes:
        adapt: converts a dict of the arguments of 2021 into (positional arguments,
            keyword arguments) of the function.
        note: a remark for the report, without its subject ("takes ...").
        shapes_only: whether only the shapes of its results can be compared.
        global_arguments: global variables that the function reads instead of
            arguments: global name -> argument name.
    """

    adapt: Callable[[dict[str, Any]], tuple[list, dict[str, Any]]]
    note: str
    shapes_only: bool = False
    global_arguments: dict[str, str] = {}


def older_form(
    assignment: str, function: str, parameters: Iterable[str], signature: Iterable[str]
) -> OlderForm | None:
    """The form of a learner's function; None if it is that of 2021, or unknown.

    Args:
        parameters: the names of the function's parameters, in its order.
        signature: those of 2021.
    """
    parameters, signature = tuple(parameters), tuple(signature)
    if parameters == signature:
        return None
    if set(parameters) == set(signature):
        return OlderForm(
            lambda arguments: ([], arguments),
            f"takes ({', '.join(parameters)}), in another order than that of 2021, "
            f"({', '.join(signature)}); it is called with keyword arguments",
        )
    if left := LATER.get((assignment, function)):
        if set(signature) - set(parameters) == set(left) and "stage" not in parameters:
            return OlderForm(
                lambda arguments: (
                    [],
                    {k: v for k, v in arguments.items() if k not in left},
                ),
                "",  # the edition says it
            )
    return OLD_FORMS.get((assignment, function, parameters[:4]))


class _UnusedParameters(collections.defaultdict):
    """A dict for `parameters` that a function unpacks but does not use."""

    def __init__(self):
        super().__init__(lambda: np.zeros((1, 1)))


def _residual_block_of_2017(arguments):
    positional = [arguments[name] for name in ("X", "f", "filters")]
    strides = {"s": arguments["s"]} if "s" in arguments else {}
    return positional, {"stage": 2, "block": "a", **strides}


class _Session:
    """A session of TensorFlow 1 that gives the activations of the style image."""

    def __init__(self, activations):
        self._activations = activations  # id of a tensor -> array

    def run(self, tensor):
        return self._activations[id(tensor)]


def _style_cost_of_2017(arguments):
    """A `model` that is a dict of activations, and a session for the style image."""
    pairs = [*zip(*map(arguments.get, STYLE_ARGUMENTS), strict=True)][:-1]
    model = {f"layer{n}": generated for n, (_, generated) in enumerate(pairs)}
    arguments["sess"] = _Session({id(made): np.asarray(style) for style, made in pairs})
    layers = arguments.get("STYLE_LAYERS") or [("", 1 / len(pairs))] * len(pairs)
    weights = [weight for _, weight in layers]
    return [model, [*zip(model, weights, strict=True)]], {}


STYLE_ARGUMENTS = "style_image_output", "generated_image_output"
RESIDUAL_BLOCK = OlderForm(
    _residual_block_of_2017,
    "has the form of 2017, without an initializer: only shapes can be compared",
    shapes_only=True,
)

# (assignment, function) -> parameters of 2021 that later editions leave out.
LATER = {
    ("residual_networks", "identity_block"): ("training",),
    ("residual_networks", "convolutional_block"): ("training",),
}

# (assignment, function, its first four parameters) -> form
OLD_FORMS: dict[tuple[str, str, tuple[str, ...]], OlderForm] = {
    (
        "planar_classification",
        "compute_cost",
        ("A2", "Y", "parameters"),
    ): OlderForm(
        lambda a: ([a["A2"], a["Y"], _UnusedParameters()], {}),
        "also takes `parameters`, as in 2017",
    ),
    (
        "residual_networks",
        "identity_block",
        ("X", "f", "filters", "stage"),
    ): RESIDUAL_BLOCK,
    (
        "residual_networks",
        "convolutional_block",
        ("X", "f", "filters", "stage"),
    ): RESIDUAL_BLOCK,
    (
        "style_transfer",
        "compute_content_cost",
        ("a_C", "a_G"),
    ): OlderForm(
        lambda a: ([a["content_output"][-1], a["generated_output"][-1]], {}),
        "takes the activations of one layer, as in 2017",
    ),
    (
        "style_transfer",
        "compute_style_cost",
        ("model", "STYLE_LAYERS"),
    ): OlderForm(
        _style_cost_of_2017,
        "takes a model and reads `sess`, as in 2017",
        global_arguments={"sess": "sess"},
    ),
    (
        "jazz",
        "djmodel",
        ("Tx", "n_a", "n_values"),
    ): OlderForm(
        lambda a: ([a["Tx"], a["LSTM_cell"].units, a["densor"].units], {}),
        "takes (Tx, n_a, n_values) and reads its layers from global variables, as in "
        "2017",
        global_arguments={
            "LSTM_cell": "LSTM_cell",
            "densor": "densor",
            "reshaper": "reshaper",
            "reshapor": "reshaper",  # the spelling of 2017
        },
    ),
    (
        "jazz",
        "music_inference_model",
        ("LSTM_cell", "densor", "n_values", "n_a"),
    ): OlderForm(
        lambda a: (
            [a["LSTM_cell"], a["densor"], a["densor"].units, a["LSTM_cell"].units],
            {"Ty": a["Ty"]} if "Ty" in a else {},
        ),
        "also takes n_values and n_a, as in 2017",
    ),
}
