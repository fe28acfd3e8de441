"""What the course hands out with an assignment, and where its editions differ.

A notebook imports helpers from files that lie beside it on the course's machines
(`dnn_utils`, `reg_utils`, `rnn_utils`). Where such a file is missing, the functions
below come from this package instead. No function that a learner is to write is among
them. `OLD_NAMES` and `OLD_FORMS` say how the edition of 2017 called things.
"""

import collections
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dls_keras import catalog

# Assignment -> the helpers of the course, by the module of ours that has them.
HELPERS = {
    "planar_classification": {"planar_classification": ("sigmoid",)},
    "deep_network_steps": {
        "deep_network_steps": ("sigmoid", "relu", "sigmoid_backward", "relu_backward")
    },
    "deep_network_application": {
        "deep_network_application": (
            *("initialize_parameters", "initialize_parameters_deep", "predict"),
        ),
        "deep_network_steps": (
            *("sigmoid", "relu", "sigmoid_backward", "relu_backward"),
            *("linear_forward", "linear_activation_forward", "L_model_forward"),
            *("compute_cost", "linear_backward", "linear_activation_backward"),
            *("L_model_backward", "update_parameters"),
        ),
    },
    "initialization": {
        "initialization": (
            *("sigmoid", "relu", "compute_loss", "forward_propagation"),
            *("backward_propagation", "update_parameters", "predict", "predict_dec"),
        )
    },
    "regularization": {
        "regularization": (
            *("sigmoid", "relu", "initialize_parameters", "forward_propagation"),
            *("backward_propagation", "compute_cost", "update_parameters"),
            *("predict", "predict_dec"),
        )
    },
    "gradient_checking": {
        "gradient_checking": (
            *("dictionary_to_vector", "vector_to_dictionary", "gradients_to_vector"),
        ),
        "initialization": ("sigmoid", "relu"),
    },
    "optimization": {
        "optimization": (
            *("sigmoid", "relu", "initialize_parameters", "forward_propagation"),
            *("backward_propagation", "compute_cost", "predict", "predict_dec"),
        )
    },
    "tensorflow_introduction": {"tensorflow_introduction": ("normalize",)},
    "tensorflow_tutorial": {
        "tensorflow_tutorial": ("convert_to_one_hot", "random_mini_batches")
    },
    "convolution_application": {
        "convolution_application": ("convert_to_one_hot", "random_mini_batches")
    },
    "car_detection": {
        "car_detection": (
            *("yolo_head", "yolo_boxes_to_corners", "scale_boxes", "read_classes"),
            *("read_anchors", "get_colors_for_classes", "preprocess_image"),
            "draw_boxes",
        )
    },
    "style_transfer": {"style_transfer": ("reshape_and_normalize_image",)},
    "recurrent_steps": {"recurrent_steps": ("sigmoid", "softmax")},
    "dinosaurs": {
        "dinosaurs": (
            *("softmax", "smooth", "get_initial_loss", "get_sample"),
            *("initialize_parameters", "rnn_step_forward", "rnn_forward"),
            *("rnn_step_backward", "rnn_backward", "update_parameters"),
            *("build_data", "vectorization"),
        )
    },
    "jazz": {"jazz": ("data_processing",)},
    "word_vectors": {"word_vectors": ("read_glove_vecs",)},
    "emojify": {
        "emojify": (
            *("softmax", "convert_to_one_hot", "label_to_emoji", "read_glove_vecs"),
            *("read_csv", "predict"),
        )
    },
    "date_translation": {
        "date_translation": (
            *("softmax", "string_to_int", "int_to_string", "preprocess_data"),
        )
    },
    "trigger_word": {
        "trigger_word": (
            *("get_random_time_segment", "match_target_amplitude", "graph_spectrogram"),
        )
    },
    "transformer": {"transformer": ("FullyConnected",)},
}

# Functions that one edition alone has; where a file lacks them, nothing is missing.
ONE_EDITION = {
    "convolution_application": ("initialize_parameters", "compute_cost"),
    "numpy_basics": ("basic_sigmoid",),
    "style_transfer": ("clip_0_1", "tensor_to_image", "total_cost"),
    "emojify": ("model",),
}

OLD_NAMES = {
    ("numpy_basics", "normalize_rows"): "normalizeRows",
    ("numpy_basics", "sigmoid_derivative"): "sigmoid_grad",
    ("date_translation", "modelf"): "model",
    ("trigger_word", "modelf"): "model",
    ("car_detection", "get_colors_for_classes"): "generate_colors",
    ("transfer_learning", "data_augmenter"): "data_augmentation",
    ("happy_house", "HappyModel"): "happyModel",
}


def helpers(assignment: str) -> dict[str, Callable[[], object]]:
    """The helpers of an assignment by their names; each is imported when called for."""

    def loader(module, name):
        return lambda: getattr(catalog.load(module), name)

    return {
        name: loader(module, name)
        for module, names in HELPERS.get(assignment, {}).items()
        for name in names
    }


def optional(assignment: str, function: str) -> bool:
    """Whether a file may do without the function."""
    handed_out = HELPERS.get(assignment, {}).get(assignment, ())
    return function in (*handed_out, *ONE_EDITION.get(assignment, ()))


# The order and the number of arguments.


class Fit(NamedTuple):
    """How to call a function of an older form with the arguments of today's.

    `adapt` makes what it takes, (positional, by keyword), of a dict of the arguments;
    `outside` names arguments that the function finds among its globals instead.
    `shapes_only` tells that its numbers cannot be compared, `mutates` that it may
    change its arguments.
    """

    adapt: Callable[[dict], tuple[list, dict]]
    note: str
    shapes_only: bool = False
    outside: tuple[str, ...] = ()
    mutates: bool = False


def fit(assignment, function, takes, signature) -> Fit | None:
    """The form of a learner's function; None where it is that of today.

    Args:
        takes: the names of the function's parameters, in its order.
        signature: those of today's form.
    """
    takes, signature = tuple(takes), tuple(signature)
    if takes == signature:
        return None
    if set(takes) == set(signature):
        return Fit(
            lambda arguments: ([], arguments),
            f"takes ({', '.join(takes)}), another order than that of 2021, "
            f"({', '.join(signature)}); it is called by name",
        )
    return OLD_FORMS.get((assignment, function, takes[:4]))


class _Anything(collections.defaultdict):
    """In the place of `parameters` that a function unpacks and never uses."""

    def __init__(self):
        super().__init__(lambda: np.zeros((1, 1)))


def _block_2017(arguments):
    names = ("X", "f", "filters")
    strides = {"s": arguments["s"]} if "s" in arguments else {}
    given = [arguments[name] for name in names]
    return given, {"stage": 2, "block": "a", **strides}


BLOCK = Fit(
    _block_2017,
    "has the form of 2017, which takes no initializer: only shapes can be compared",
    shapes_only=True,
)

OLD_FORMS = {
    (
        *("deep_network_steps", "update_parameters"),
        ("parameters", "grads", "learning_rate"),
    ): Fit(
        lambda a: (list(a.values()), {}),
        "may change its first argument, as in 2017",
        mutates=True,
    ),
    ("planar_classification", "compute_cost", ("A2", "Y", "parameters")): Fit(
        lambda a: ([a["A2"], a["Y"], _Anything()], {}),
        "takes `parameters` besides, as in 2017",
    ),
    ("residual_networks", "identity_block", ("X", "f", "filters", "stage")): BLOCK,
    ("residual_networks", "convolutional_block", ("X", "f", "filters", "stage")): BLOCK,
    ("style_transfer", "compute_content_cost", ("a_C", "a_G")): Fit(
        lambda a: ([a["content_output"][-1], a["generated_output"][-1]], {}),
        "takes the activations of one layer, as in 2017",
    ),
    ("jazz", "djmodel", ("Tx", "n_a", "n_values")): Fit(
        lambda a: ([a["Tx"], a["LSTM_cell"].units, a["densor"].units], {}),
        "takes (Tx, n_a, n_values) and finds its layers among the globals, as in 2017",
        outside=("LSTM_cell", "densor", "reshaper", "reshapor"),
    ),
    (
        *("jazz", "music_inference_model"),
        ("LSTM_cell", "densor", "n_values", "n_a"),
    ): Fit(
        lambda a: (
            [a["LSTM_cell"], a["densor"], a["densor"].units, a["LSTM_cell"].units],
            {"Ty": a["Ty"]} if "Ty" in a else {},
        ),
        "takes n_values and n_a besides, as in 2017",
    ),
}


# A tuple among the arguments that the editions order differently: where a function is
# wrong on today's order and right on the other one, that is said instead.
OLD_TUPLES = {
    ("car_detection", "yolo_eval"): ("yolo_outputs", (2, 0, 1, 3)),
}


# How many values of its tuple a function gave in 2017.
OLD_COUNTS = {("optimization", "update_parameters_with_adam"): 3}
