"""The catalogue: one row per assignment.

The command line, the tour, the checker, the tables of the README and the tests find the
assignments here; a new assignment is one module and one row.
"""

import importlib
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

from dls_keras.core import log_lines

COURSES = {
    1: "Neural networks and deep learning",
    2: "Improving deep neural networks",
    3: "Structuring machine learning projects",
    4: "Convolutional neural networks",
    5: "Sequence models",
}

FIVE = ("load_data", "build_model", "train", "load_pretrained", "infer")


class Assignment(NamedTuple):
    """One assignment.

    `offers` lists which of the shared functions the module has: those of `FIVE`;
    `evaluate`, which measures a model on held-out data; `picture`, which draws an
    answer; `example`, the question that it answers in the tour. `edition` is that of
    the course which the functions follow, "none" if the course has no such assignment.
    """

    name: str
    course: int
    week: int
    title: str
    edition: str
    offers: tuple[str, ...]
    reference: tuple[str, ...] = ()  # files in `reference/`, without suffix

    @property
    def module(self) -> str:
        return f"dls_keras.course{self.course}.{self.name}"


ASSIGNMENTS = (
    Assignment(
        "numpy_basics",
        course=1,
        week=2,
        title="Python basics with NumPy",
        edition="2021",
        offers=(),
        reference=("c1w2_numpy_basics",),
    ),
    Assignment(
        "logistic_regression",
        course=1,
        week=2,
        title="Logistic regression with a neural network mindset: cat or not",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c1w2_logistic_regression",),
    ),
    Assignment(
        "planar_classification",
        course=1,
        week=3,
        title="Planar data classification with one hidden layer",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c1w3_planar",),
    ),
    Assignment(
        "deep_network_steps",
        course=1,
        week=4,
        title="Building a deep neural network, step by step",
        edition="2021",
        offers=(),
        reference=("c1w4_deep_nn_step_by_step",),
    ),
    Assignment(
        "deep_network_application",
        course=1,
        week=4,
        title="Deep neural network application: cat or not, with up to four layers",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c1w4_deep_nn_application",),
    ),
    Assignment(
        "linear_regression",
        course=1,
        week=4,
        title="Linear regression by gradient descent, one compiled graph",
        edition="none",
        offers=("load_data", "build_model", "train", "infer", "evaluate", "picture"),
    ),
    Assignment(
        "initialization",
        course=2,
        week=1,
        title="Initialization: zeros, too large, He",
        edition="2021",
        offers=("load_data", "build_model", "train", "infer", "evaluate", "picture"),
        reference=("c2w1_initialization",),
    ),
    Assignment(
        "regularization",
        course=2,
        week=1,
        title="Regularization: L2, dropout, early stopping, more data",
        edition="2021",
        offers=("load_data", "build_model", "train", "infer", "evaluate", "picture"),
        reference=("c2w1_regularization",),
    ),
    Assignment(
        "gradient_checking",
        course=2,
        week=1,
        title="Gradient checking: find the mistake in the backward pass",
        edition="2021",
        offers=("evaluate",),
        reference=("c2w1_gradient_checking",),
    ),
    Assignment(
        "optimization",
        course=2,
        week=2,
        title="Optimization methods: momentum, RMSprop, Adam, decay",
        edition="2021",
        offers=("load_data", "build_model", "train", "infer", "evaluate", "picture"),
        reference=("c2w2_optimization",),
    ),
    Assignment(
        "tensorflow_introduction",
        course=2,
        week=3,
        title="Introduction to TensorFlow: three layers classify hand signs",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c2w3_tensorflow_introduction",),
    ),
    Assignment(
        "tensorflow_tutorial",
        course=2,
        week=3,
        title="The TensorFlow tutorial of 2017, without sessions",
        edition="2017",
        offers=("load_data", "build_model", "train", "infer", "evaluate", "picture"),
        reference=("c2w3_tensorflow_tutorial",),
    ),
    Assignment(
        "batch_normalization",
        course=2,
        week=3,
        title="Batch normalization, forward, backward and at test time",
        edition="none",
        offers=("load_data", "build_model", "train", "evaluate"),
    ),
    Assignment(
        "hyperparameter_search",
        course=2,
        week=3,
        title="Hyperparameter search: at random, on the right scale, coarse to fine",
        edition="none",
        offers=("load_data", "evaluate"),
    ),
    Assignment(
        "fizzbuzz",
        course=2,
        week=3,
        title="FizzBuzz: a network learns it from binary digits",
        edition="none",
        offers=(*FIVE, "evaluate", "picture", "example"),
    ),
    Assignment(
        "strategy",
        course=3,
        week=1,
        title="Strategy: error analysis, bias and variance, what to do next",
        edition="none",
        offers=(),
    ),
    Assignment(
        "convolution_steps",
        course=4,
        week=1,
        title="Building a convolutional network, step by step",
        edition="2021",
        offers=(),
        reference=("c4w1_convolution_step_by_step",),
    ),
    Assignment(
        "convolution_application",
        course=4,
        week=1,
        title="Convolutional model, application: hand signs with 1,310 parameters",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c4w1_convolution_application",),
    ),
    Assignment(
        "digit_recognizer",
        course=4,
        week=1,
        title="Digit recognizer for Kaggle: augmentation and an ensemble of crops",
        edition="none",
        offers=(*FIVE, "evaluate", "picture", "example"),
    ),
    Assignment(
        "classic_networks",
        course=4,
        week=2,
        title="Classic networks: LeNet-5 on digits; AlexNet, VGG-16, GoogLeNet",
        edition="none",
        offers=(*FIVE, "evaluate", "picture", "example"),
    ),
    Assignment(
        "happy_house",
        course=4,
        week=2,
        title="Keras tutorial, the Happy House: a smiling face or not",
        edition="2017",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c4w2_keras_tutorial",),
    ),
    Assignment(
        "residual_networks",
        course=4,
        week=2,
        title="Residual networks: ResNet50 classifies hand signs",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c4w2_residual_networks",),
    ),
    Assignment(
        "transfer_learning",
        course=4,
        week=2,
        title="Transfer learning with MobileNetV2: alpaca or not",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c4w2_mobilenet_transfer_learning",),
    ),
    Assignment(
        "sliding_windows",
        course=4,
        week=3,
        title="Sliding windows: all windows in one convolutional pass",
        edition="none",
        offers=(*FIVE, "evaluate", "picture", "example"),
    ),
    Assignment(
        "car_detection",
        course=4,
        week=3,
        title="Autonomous driving: car detection with YOLO",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c4w3_yolo_car_detection",),
    ),
    Assignment(
        "image_segmentation",
        course=4,
        week=3,
        title="Image segmentation: U-Net classifies every pixel of a street",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c4w3_unet",),
    ),
    Assignment(
        "face_recognition",
        course=4,
        week=4,
        title="Face recognition: the triplet loss and distances of embeddings",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c4w4_face_recognition",),
    ),
    Assignment(
        "style_transfer",
        course=4,
        week=4,
        title="Neural style transfer: a photo in the style of a painting",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c4w4_neural_style_transfer",),
    ),
    Assignment(
        "recurrent_steps",
        course=5,
        week=1,
        title="Building a recurrent network, step by step: RNN, LSTM, GRU",
        edition="2021",
        offers=(),
        reference=("c5w1_rnn_step_by_step",),
    ),
    Assignment(
        "language_model",
        course=5,
        week=1,
        title="Word-level language model: a GRU predicts the next word",
        edition="none",
        offers=(*FIVE, "evaluate", "picture", "example"),
    ),
    Assignment(
        "dinosaurs",
        course=5,
        week=1,
        title="Dinosaur island: a character-level RNN generates names",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c5w1_dinosaurus",),
    ),
    Assignment(
        "shakespeare",
        course=5,
        week=1,
        title="Writing like Shakespeare: two LSTMs continue a poem",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture"),
    ),
    Assignment(
        "jazz",
        course=5,
        week=1,
        title="Jazz: improvise a solo over chords with an LSTM",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c5w1_jazz",),
    ),
    Assignment(
        "word_vectors",
        course=5,
        week=2,
        title="Operations on word vectors: analogies and debiasing",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c5w2_word_vectors",),
    ),
    Assignment(
        "emojify",
        course=5,
        week=2,
        title="Emojify: an emoji for a sentence",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c5w2_emojify",),
    ),
    Assignment(
        "date_translation",
        course=5,
        week=3,
        title="Neural machine translation with attention: dates",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c5w3_nmt_attention",),
    ),
    Assignment(
        "trigger_word",
        course=5,
        week=3,
        title="Trigger word detection: a network that listens for one word",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c5w3_trigger_word",),
    ),
    Assignment(
        "transformer",
        course=5,
        week=4,
        title="The Transformer: translating dates with attention alone",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
        reference=("c5w4_transformer",),
    ),
    Assignment(
        "question_answering",
        course=5,
        week=4,
        title="Question answering: the span of a story that answers a question",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
    ),
    Assignment(
        "named_entities",
        course=5,
        week=4,
        title="Named entities: names, employers and skills in a resume",
        edition="2021",
        offers=(*FIVE, "evaluate", "picture", "example"),
    ),
)

BY_NAME = {assignment.name: assignment for assignment in ASSIGNMENTS}


def check(name: str) -> None:
    """Raise InputError unless there is an assignment `name`; suggest close names."""
    if name not in BY_NAME:
        import difflib

        from dls_keras.core.errors import InputError

        close = difflib.get_close_matches(name, BY_NAME, n=1) or search(name)
        hint = f"Did you mean {close[0]!r}?" if close else "See `dls-keras list`."
        raise InputError(f"There is no assignment {name!r}. {hint}")


def search(text: str) -> list[str]:
    """The assignments in whose name or title all words of a text occur.

    >>> search("yolo"), search("Face recognition")
    (['car_detection'], ['face_recognition'])
    """
    words = text.lower().replace("_", " ").split()
    return [
        row.name
        for row in ASSIGNMENTS
        if words and all(w in f"{row.name} {row.title}".lower() for w in words)
    ]


def load(name: str) -> ModuleType:
    """The module of the assignment `name`, imported now.

    `core.log_lines` says when TensorFlow's first log lines are dropped.

    Raises:
        InputError: if there is no such assignment; close names are suggested; or if
            Keras cannot be imported, because its backend is not installed.
    """
    check(name)
    try:
        with log_lines.first_dropped():
            return importlib.import_module(BY_NAME[name].module)
    except ModuleNotFoundError as error:
        if error.name in ("jax", "torch", "openvino"):
            from dls_keras.core import settings
            from dls_keras.core.errors import InputError

            raise InputError(settings.WRONG_BACKEND.format(error.name)) from error
        raise


def lazy(package: str, course: int | None = None) -> tuple[Callable, Callable]:
    """The `__getattr__` and `__dir__` (PEP 562) that import assignments lazily."""
    names = [a.name for a in ASSIGNMENTS if course in (None, a.course)]

    def __getattr__(name):
        if name in names:
            return load(name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def __dir__():
        return sorted({*importlib.import_module(package).__dict__, *names})

    return __getattr__, __dir__
