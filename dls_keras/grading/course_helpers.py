"""The helper functions that the course provides with an assignment.

A notebook of the course imports helpers from files in its own folder (`dnn_utils`,
`reg_utils`, `rnn_utils`). If such a file is missing, the helpers are taken from this
package. They include no function that the learner implements in this assignment.
"""

import builtins
import itertools
from collections.abc import Callable
from types import CodeType, FunctionType
from typing import Any

from dls_keras import catalog
from dls_keras.grading import course_files, guard
from dls_keras.grading.course_editions import ONE_EDITION

# Assignment -> module of this package -> its functions that are helpers.
HELPERS: dict[str, dict[str, tuple[str, ...]]] = {
    "planar_classification": {"planar_classification": ("sigmoid",)},
    "deep_network_steps": {
        "deep_network_steps": ("sigmoid", "relu", "sigmoid_backward", "relu_backward")
    },
    "deep_network_application": {
        "deep_network_application": (
            "initialize_parameters",
            "initialize_parameters_deep",
            "predict",
        ),
        "deep_network_steps": (
            "sigmoid",
            "relu",
            "sigmoid_backward",
            "relu_backward",
            "linear_forward",
            "linear_activation_forward",
            "L_model_forward",
            "compute_cost",
            "linear_backward",
            "linear_activation_backward",
            "L_model_backward",
            "update_parameters",
        ),
    },
    "initialization": {
        "initialization": (
            "sigmoid",
            "relu",
            "compute_loss",
            "forward_propagation",
            "backward_propagation",
            "update_parameters",
            "predict",
            "predict_dec",
        )
    },
    "regularization": {
        "regularization": (
            "sigmoid",
            "relu",
            "initialize_parameters",
            "forward_propagation",
            "backward_propagation",
            "compute_cost",
            "update_parameters",
            "predict",
            "predict_dec",
        )
    },
    "gradient_checking": {
        "gradient_checking": (
            "dictionary_to_vector",
            "vector_to_dictionary",
            "gradients_to_vector",
        ),
        "initialization": ("sigmoid", "relu"),
    },
    "optimization": {
        "optimization": (
            "sigmoid",
            "relu",
            "initialize_parameters",
            "forward_propagation",
            "backward_propagation",
            "compute_cost",
            "predict",
            "predict_dec",
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
            "yolo_head",
            "yolo_boxes_to_corners",
            "scale_boxes",
            "read_classes",
            "read_anchors",
            "get_colors_for_classes",
            "preprocess_image",
            "draw_boxes",
        )
    },
    "face_recognition": {"face_recognition": ("img_to_encoding",)},
    "style_transfer": {"style_transfer": ("reshape_and_normalize_image",)},
    "recurrent_steps": {"recurrent_steps": ("sigmoid", "softmax")},
    "dinosaurs": {
        "dinosaurs": (
            "softmax",
            "smooth",
            "get_initial_loss",
            "get_sample",
            "initialize_parameters",
            "rnn_step_forward",
            "rnn_forward",
            "rnn_step_backward",
            "rnn_backward",
            "update_parameters",
            "build_data",
            "vectorization",
        )
    },
    "jazz": {"jazz": ("data_processing",)},
    "word_vectors": {"word_vectors": ("read_glove_vecs",)},
    "emojify": {
        "emojify": (
            "softmax",
            "convert_to_one_hot",
            "label_to_emoji",
            "read_glove_vecs",
            "read_csv",
            "predict",
        )
    },
    "date_translation": {
        "date_translation": (
            "softmax",
            "string_to_int",
            "int_to_string",
            "preprocess_data",
        )
    },
    "trigger_word": {
        "trigger_word": (
            "get_random_time_segment",
            "match_target_amplitude",
            "graph_spectrogram",
        )
    },
    "transformer": {"transformer": ("FullyConnected",)},
}


def helpers(assignment: str) -> dict[str, Callable[[], Any]]:
    """The helpers of an assignment: name -> a function that imports and returns it."""

    def loader(module, name):
        def load():
            with guard.lifted():
                return _alone(getattr(catalog.load(module), name), {})

        return load

    found = {
        name: loader(module, name)
        for module, names in HELPERS.get(assignment, {}).items()
        for name in names
    }
    return course_files.functions(assignment) | found


def _alone(helper, copies):
    """A copy of a helper whose `__globals__` has only what it needs, not solutions.

    Args:
        copies: the copies made so far, by function; it is added to.
    """
    if not isinstance(helper, FunctionType) or not guard.closed(helper.__module__):
        return helper
    if helper not in copies:
        names = {"__name__": helper.__module__, "__builtins__": builtins}
        copy = FunctionType(
            helper.__code__,
            names,
            helper.__name__,
            helper.__defaults__,
            helper.__closure__,
        )
        copy.__kwdefaults__, copy.__doc__ = helper.__kwdefaults__, helper.__doc__
        copies[helper] = copy
        for name in _global_names(helper.__code__):
            if name in helper.__globals__:
                names[name] = _alone(helper.__globals__[name], copies)
    return copies[helper]


def _global_names(code):
    """The global names that a function may read, and those inside it."""
    inner = [part for part in code.co_consts if isinstance(part, CodeType)]
    return {*code.co_names, *itertools.chain.from_iterable(map(_global_names, inner))}


def optional(assignment: str, function: str) -> bool:
    """Whether a file may lack the function: a helper, or one of a single edition."""
    provided = HELPERS.get(assignment, {}).get(assignment, ())
    return function in (*provided, *ONE_EDITION.get(assignment, ()))
