"""Every compiled step can be compiled by XLA, calls no Python and is traced once.

A case runs a compiled function three times, in training or inference, with the smallest
data and network that its module accepts. A module that compiles a function needs a
case; the last test finds the modules without one.
"""

import ast
import re
from collections import Counter
from collections.abc import Callable
from types import ModuleType
from typing import NamedTuple

import keras
import numpy as np
import pytest
import tensorflow as tf

from dls_keras.core import files, training
from dls_keras.core.word_pieces import WordPieceTokenizer
from dls_keras.course1 import linear_regression
from dls_keras.course2 import fizzbuzz, tensorflow_introduction, tensorflow_tutorial
from dls_keras.course4 import (
    car_detection,
    classic_networks,
    convolution_application,
    digit_recognizer,
    face_recognition,
    happy_house,
    image_segmentation,
    residual_networks,
    sliding_windows,
    style_transfer,
    transfer_learning,
)
from dls_keras.course5 import (
    date_translation,
    dinosaurs,
    emojify,
    jazz,
    language_model,
    named_entities,
    question_answering,
    shakespeare,
    transformer,
    trigger_word,
    word_vectors,
)
from dls_keras.datasets import dates, faces, paintings, sentence_corpus
from dls_keras.fast import char_rnn, inference, layers, recurrent, streaming
from dls_keras.fast import transformer as fast_transformer
from dls_keras.networks import darknet, vgg19, yolo_v2

Function = type(tf.function(lambda: None))
CASES = []
CPU = not training.use_xla()  # on a GPU stock GRUs and LSTMs are cuDNN's


class Case(NamedTuple):
    """A function that runs compiled code, and the properties of its graph."""

    module: ModuleType  # in which the code is compiled
    prepare: Callable  # returns a function without arguments that runs it
    xla: bool  # whether XLA implements all operations of the graph


def case(module, *marks, xla=True):
    """Add a case of the decorated function `prepare`."""

    def add(prepare):
        one = Case(module, prepare, xla)
        CASES.append(pytest.param(one, id=prepare.__name__, marks=marks))
        return prepare

    return add


class Data(NamedTuple):
    """A training set."""

    x: np.ndarray
    y: np.ndarray


def random(*shape, seed=0):
    """Random numbers in [0, 1), float32."""
    return np.random.default_rng(seed).random(shape, "float32")


def labels(m, classes):
    """m labels 0, 1, ..., classes - 1, 0, 1, ..."""
    return np.arange(m) % classes


# Course 1 and 2.


@case(linear_regression)
def gradient_descent():
    x = np.arange(5.0)
    return lambda: linear_regression.train({"w": 0.0, "b": 0.0}, (x, 2 * x), epochs=3)


@case(fizzbuzz)
def fizzbuzz_train():
    model, data = fizzbuzz.build_model(hidden=(4,)), Data(random(8, 10), labels(8, 4))
    return lambda: fizzbuzz.train(model, data, epochs=3, batch_size=4)


@case(tensorflow_introduction)
def tensorflow_introduction_train():
    model = tensorflow_introduction.build_model()
    data = Data(random(8, 64, 64, 3), labels(8, 6))
    return lambda: tensorflow_introduction.train(model, data, epochs=3, batch_size=4)


@case(tensorflow_introduction)
def tensorflow_introduction_model():
    sets = random(8, 12288), np.eye(6, dtype="float32")[labels(8, 6)]
    x, y = map(tf.data.Dataset.from_tensor_slices, sets)
    return lambda: tensorflow_introduction.model(
        x, y, x, y, num_epochs=3, minibatch_size=4
    )


@case(tensorflow_tutorial)
def tensorflow_tutorial_model():
    X, Y = random(12288, 8), np.eye(6)[:, labels(8, 6)]
    return lambda: tensorflow_tutorial.model(X, Y, X, Y, num_epochs=3, minibatch_size=4)


# Course 4.


@case(convolution_application)
def convolution_application_train():
    model = convolution_application.build_model()
    data = Data(random(4, 64, 64, 3), labels(4, 6))
    return lambda: convolution_application.train(model, data, epochs=3, batch_size=2)


@case(convolution_application)
def convolution_application_model():
    X, Y = random(4, 64, 64, 3), np.eye(6)[labels(4, 6)]
    return lambda: convolution_application.model(
        X, Y, X, Y, num_epochs=3, minibatch_size=2
    )


@case(digit_recognizer)
def digit_recognizer_train():
    model = digit_recognizer.build_model()
    data = Data(random(4, 28, 28), labels(4, 10))
    return lambda: digit_recognizer.train(model, data, epochs=3, batch_size=2)


@case(classic_networks)
def classic_networks_train():
    model = classic_networks.build_model()
    data = Data(random(4, 32, 32, 1), labels(4, 10))
    return lambda: classic_networks.train(model, data, epochs=3, batch_size=2)


@case(happy_house)
def happy_house_train():
    model = happy_house.HappyModel((16, 16, 3))
    data = Data(random(4, 16, 16, 3), labels(4, 2))
    return lambda: happy_house.train(model, data, epochs=3, batch_size=2)


@case(residual_networks)
def residual_networks_train():
    x = X = keras.Input((8, 8, 3))
    X = residual_networks.convolutional_block(X, 3, [2, 2, 4], training=None)
    X = residual_networks.identity_block(X, 3, [2, 2, 4], training=None)
    X = keras.layers.Flatten()(X)
    model = keras.Model(x, keras.layers.Dense(6, activation="softmax")(X))
    data = Data(random(4, 8, 8, 3), labels(4, 6))
    return lambda: residual_networks.train(model, data, epochs=3, batch_size=2)


@case(residual_networks, pytest.mark.large)
def residual_networks_train_all_fifty():
    model = residual_networks.build_model()
    data = Data(random(2, 64, 64, 3), labels(2, 6))
    return lambda: residual_networks.train(model, data, epochs=3, batch_size=2)


@case(transfer_learning)
def transfer_learning_fit_head():
    head = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    )
    x, y = random(8, 5), labels(8, 2)
    return lambda: transfer_learning.fit_head(head, x, y, epochs=3, batch_size=4)


@case(transfer_learning)
def transfer_learning_train():
    model = transfer_learning.build_model()
    data = Data((255 * random(2, 160, 160, 3)).astype("uint8"), labels(2, 2))
    return lambda: transfer_learning.train(model, data, epochs=3, batch_size=2)


@case(transfer_learning, pytest.mark.large)
def transfer_learning_train_by_distillation():
    model, teacher = (transfer_learning.build_model() for _ in range(2))
    data = Data((255 * random(2, 160, 160, 3)).astype("uint8"), labels(2, 2))
    return lambda: transfer_learning.train(
        model, data, epochs=3, batch_size=2, teacher=teacher
    )


@case(sliding_windows)
def sliding_windows_train():
    model = sliding_windows.build_model()
    data = Data((255 * random(4, 28, 28, 1)).astype("uint8"), labels(4, 11))
    return lambda: sliding_windows.train(model, data, epochs=3, batch_size=2)


@case(sliding_windows)
def sliding_windows_infer():
    """One graph for images of all sizes."""
    model, image = sliding_windows.build_model(), random(60, 50)
    return lambda: sliding_windows.infer(model, (255 * image).astype("uint8"))


@case(car_detection)
def car_detection_train():
    network = yolo_v2.compact_yolo_v2((32, 64, 3), anchors=2)
    head = darknet.Head("region", car_detection.ANCHORS[:2], 1, car_detection.STRIDE)
    detector = car_detection.Detector(network, (head,), ("car",))
    x = (255 * random(4, 32, 64, 3)).astype("uint8")
    boxes = np.tile(np.float32([[0.2, 0.2, 0.7, 0.6], [0, 0, 0, 0]]), (4, 1, 1))
    data = car_detection.TrainingData(x, boxes)
    return lambda: car_detection.train(detector, data, epochs=3, batch_size=2)


@case(layers)
def prelu_train():
    x = random(8, 4, 4, 3)
    prelu = layers.PReLU(shared_axes=(1, 2))
    model = keras.Sequential([keras.Input(x.shape[1:]), prelu])

    def loss(x):
        return tf.reduce_mean(model(x, training=True) ** 2)

    adam, weights = layers.Adam(), model.trainable_variables
    return lambda: training.fit(loss, (x,), weights, adam, epochs=3, batch_size=4)


@case(inference)
def inference_frozen():
    network = yolo_v2.compact_yolo_v2((32, 32, 3), 2, 1)
    predict = inference.freeze(network)

    def run():
        for seed in range(3):
            predict(tf.constant(random(2, 32, 32, 3, seed=seed)))

    return run


@case(image_segmentation, pytest.mark.large)
def image_segmentation_train():
    model = image_segmentation.build_model(n_filters=2)
    x = (255 * random(2, 32, 32, 3)).astype("uint8")
    data = Data(x, x[..., 0] % 12)
    return lambda: image_segmentation.train(model, data, epochs=3, batch_size=2)


@case(image_segmentation, xla=False)  # XLA has no resizing with antialiasing
def image_segmentation_confusion():
    model = image_segmentation.build_model(n_filters=2)
    x = (255 * random(6, 32, 32, 3)).astype("uint8")
    return lambda: image_segmentation.confusion(model, x, x[..., 0] % 12, batch_size=2)


@case(face_recognition)
def face_recognition_train():
    model = face_recognition.build_model()
    x = (255 * random(8, 64, 64, 3)).astype("uint8")
    data = faces.TrainingFaces(x, labels(8, 4), {})
    return lambda: face_recognition.train(model, data, epochs=3, batch_size=2)


@case(style_transfer)
def style_transfer_train():
    teacher, model = (
        style_transfer.get_layer_outputs(
            vgg19.compact_vgg19(width=4), style_transfer.SHALLOW
        )
        for _ in range(2)
    )
    data = paintings.Crops((255 * random(4, 96, 96, 3)).astype("uint8"))

    def run():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(style_transfer, "load_pretrained", lambda *_, **__: teacher)
            style_transfer.train(model, data, epochs=3, batch_size=2)

    return run


@case(style_transfer)
def style_transfer_infer():
    image = keras.Input((None, None, 3))
    first = keras.layers.Conv2D(4, 3, padding="same")(image)
    second = keras.layers.Conv2D(4, 3, padding="same")(first)
    model = keras.Model(image, [first, second])
    photo, painting = random(32, 40, 3), random(40, 32, 3, seed=1)
    return lambda: style_transfer.infer(model, photo, style=painting, steps=3)


# Course 5.


@case(language_model, xla=CPU)
def language_model_train():
    words = tuple("abcdef")
    model = language_model.build_model(words, n_e=2, n_a=2)
    x = np.tile(labels(sentence_corpus.LONGEST + 1, 6), (4, 1)).astype("int32")
    return lambda: language_model.train(model, Data(x, x), epochs=3, batch_size=2)


@case(char_rnn)
def dinosaurs_train():
    """One trace for all epochs, also for those that stop before the last name."""
    model = dinosaurs.build_model(n_a=2)
    x, y, lengths, _ = data = dinosaurs.load_data(["abc", "de", "fg"])
    settings = {"learning_rate": 0.1, "max_gradient": 5.0}

    def run():
        dinosaurs.train(model, data, epochs=3)
        for iterations in (1, 5):
            char_rnn.descend(model, x, y, lengths, iterations, **settings)

    return run


@case(shakespeare, xla=CPU)
def shakespeare_train():
    model = shakespeare.build_model()
    x = np.eye(38, dtype=bool)[np.tile(labels(shakespeare.TX, 38), (4, 1))]
    data = shakespeare.Windows(x, x[:, 0])
    return lambda: shakespeare.train(model, data, epochs=3, batch_size=2)


@case(jazz)
def jazz_train():
    words = [f"C,{n}.000" for n in range(5)]
    model = jazz.build_model(words, n_a=2)
    X = np.eye(5, dtype=bool)[np.tile(labels(3, 5), (4, 1))]  # (4, 3, 5)
    data = jazz.Jazz(X, X.swapaxes(0, 1), tuple(words))
    return lambda: jazz.train(model, data, epochs=3, batch_size=2)


@case(word_vectors)
def word_vectors_train():
    data = word_vectors.count_cooccurrence(["a man is a man", "a king is a man"])
    model = word_vectors.build_model(data.words)
    return lambda: word_vectors.train(model, data, epochs=3)


@case(emojify, xla=CPU)
def emojify_train():
    model = emojify.build_model({"good": random(2), "bad": random(2, seed=1)})
    data = Data(np.array(["good", "bad", "good good", "not bad"]), labels(4, 5))
    return lambda: emojify.train(model, data, epochs=3, batch_size=2)


def translator(Tx):
    """A date translator for Tx characters with two units per LSTM."""
    vocabularies = len(dates.HUMAN_VOCAB), len(dates.MACHINE_VOCAB)
    return date_translation.modelf(Tx, date_translation.TY, 2, 2, *vocabularies)


@case(date_translation)
def date_translation_train():
    model = translator(3)
    data = Data(random(4, 3, 37), random(4, date_translation.TY, 11))
    return lambda: date_translation.train(model, data, epochs=3, batch_size=2)


@case(trigger_word, xla=CPU)
def trigger_word_train():
    model = trigger_word.build_model(2)
    n = trigger_word.REACH + 6 * trigger_word.HOP  # samples for seven outputs
    data = Data((99 * random(4, n)).astype("int16"), random(4, 7))
    return lambda: trigger_word.train(model, data, epochs=3, batch_size=2)


@case(trigger_word, xla=CPU)  # computes the spectrograms
@case(recurrent, xla=CPU)
@case(streaming, xla=CPU)
def trigger_word_listen():
    model = trigger_word.build_model(2)
    sound = (99 * random(trigger_word.REACH + 20 * trigger_word.HOP)).astype("int16")
    return lambda: list(trigger_word.listen(model, [sound], steps=7))


def small_transformer():
    """A date translator of one layer with two heads."""
    sizes = 1, 4, 2, 4, len(dates.HUMAN_VOCAB), 1 + dates.START
    model = transformer.Transformer(*sizes, transformer.TX, transformer.TY)
    model.build((None, transformer.TX), (None, transformer.TY))
    return model


@case(transformer)
def transformer_train():
    model, data = small_transformer(), transformer.load_data(4)
    return lambda: transformer.train(model, data, epochs=3, batch_size=2)


@case(fast_transformer)
def transformer_translate():
    model = small_transformer()

    def run():
        for day in "345":
            transformer.translate(model, [f"{day} May 1979"])

    return run


@case(question_answering)
def question_answering_train():
    tokenizer = question_answering.default_tokenizer()
    network = question_answering.SpanPredictor(1, 4, 2, 4, len(tokenizer))
    network.build((None, question_answering.TX))
    model = question_answering.Reader(network, tokenizer)
    data = question_answering.load_data(4)
    return lambda: question_answering.train(model, data, epochs=3, batch_size=2)


@case(named_entities)
def named_entities_train():
    data = named_entities.load_data(2)
    tokenizer = WordPieceTokenizer(named_entities.vocabulary(data.x, 200))
    network = named_entities.TokenClassifier(len(tokenizer), 1, 4, 2, 0.1)
    network.build((None, named_entities.TX))
    model = named_entities.Tagger(network, tokenizer)
    return lambda: named_entities.train(model, data, epochs=3, batch_size=2)


# The tests of all cases.


class Call(NamedTuple):
    """The first call of a compiled function, and the signatures of all its calls."""

    traces: int  # before the call
    outermost: bool  # called from Python, not while another function is traced
    arguments: tuple  # args and kwargs, tensors as their shapes and types
    signatures: set  # the arguments of all calls as strings

    def allowed_traces(self):
        """One, or inside another graph one per signature (layers of several shapes)."""
        return self.traces + (1 if self.outermost else len(self.signatures))


def recorded(run):
    """Call `run` and record the compiled functions.

    Returns:
        calls: a dict from the package's compiled functions that were called to `Call`.
        steps: those of them that `compile_step` returned.
    """
    calls, steps = {}, []
    call, compile_step = Function.__call__, training.compile_step

    def recorded_call(function, *args, **kwargs):
        if function.python_function.__module__.startswith("dls_keras"):
            arguments = tf.nest.map_structure(shape_and_type, (args, kwargs))
            traces = function.experimental_get_tracing_count()
            first = Call(traces, tf.executing_eagerly(), arguments, set())
            calls.setdefault(function, first).signatures.add(str(arguments))
        return call(function, *args, **kwargs)

    def recorded_step(*args, **kwargs):
        steps.append(compile_step(*args, **kwargs))
        return steps[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Function, "__call__", recorded_call)
        patch.setattr(training, "compile_step", recorded_step)
        run()
    return calls, steps


def shape_and_type(argument):
    """The TensorSpec of a tensor or an array; other arguments are returned as such."""
    if isinstance(argument, (tf.Tensor, np.ndarray)):
        return tf.TensorSpec(argument.shape, argument.dtype)
    return argument


def operations(function, call):
    """The types of all operations in a function and in the functions that it calls."""
    args, kwargs = call.arguments
    graph = function.get_concrete_function(*args, **kwargs).graph.as_graph_def()
    bodies = [graph.node, *(inner.node_def for inner in graph.library.function)]
    return {node.op for body in bodies for node in body}


def hlo_of(function, call):
    """The function in HLO, the language of XLA, for the shapes of its first call."""
    arguments = tf.nest.flatten(call.arguments)

    # Traced again, because loops have another form in graphs for XLA.
    @tf.function(jit_compile=True)
    def for_xla(*tensors):
        left = iter(tensors)
        flat = [next(left) if isinstance(a, tf.TensorSpec) else a for a in arguments]
        args, kwargs = tf.nest.pack_sequence_as(call.arguments, flat)
        return function.python_function(*args, **kwargs)

    tensors = [a for a in arguments if isinstance(a, tf.TensorSpec)]
    return for_xla.experimental_get_compiler_ir(*tensors)(stage="hlo")


@pytest.mark.parametrize("case", CASES)
def test_a_compiled_step_is_traced_once_fits_xla_and_calls_no_python(case):
    """All shapes in HLO are static: none is a bound such as `f32[<=8]`."""
    calls, steps = recorded(case.prepare())
    assert calls
    for function, call in calls.items():
        assert function.experimental_get_tracing_count() <= call.allowed_traces()
        if call.outermost:
            types = operations(function, call)
            assert not [name for name in types if "PyFunc" in name]
        if case.xla and (function in steps if steps else call.outermost):
            hlo = hlo_of(function, call)
            assert "HloModule" in hlo
            assert not re.search(r"\[[^]]*<=", hlo)


@pytest.mark.parametrize(
    "prepare",
    [emojify_train, language_model_train, shakespeare_train, trigger_word_train],
)
def test_networks_with_keras_grus_and_lstms_are_trained_without_xla(
    prepare, monkeypatch
):
    """On GPUs Keras calls cuDNN for these layers; XLA does not support that."""
    received = {}

    def fit(*_, **given):
        received.update(given)
        return []

    monkeypatch.setattr(training, "fit", fit)
    prepare()()
    assert received["jit_compile"] is False


def test_every_module_that_compiles_has_a_case():
    """An assignment has one for each definition in which something is compiled.

    `core.training` needs none of its own, because every training calls it.
    """
    cases = Counter(parameters.values[0].module.__name__ for parameters in CASES)
    missing, unused = {}, set(cases)
    for path in sorted(files.PACKAGE.rglob("*.py")):
        parts = path.relative_to(files.PACKAGE.parent).with_suffix("").parts
        name, found = ".".join(parts), compiling(path)
        unused -= {name} if found else set()
        needed = len(found) if ".course" in name else min(1, len(found))
        if name != training.__name__ and cases[name] < needed:
            missing[name] = found
    assert missing == {}
    assert unused == set()


def compiling(path):
    """The top-level definitions of a source file in which something is compiled."""
    names = {"tf.function", "training.fit", "training.compile_step", "compile_step"}
    return [
        ast.unparse(statement).partition("\n")[0]
        for statement in ast.parse(path.read_text("utf-8")).body
        if any(
            isinstance(part, ast.Attribute | ast.Name) and ast.unparse(part) in names
            for part in ast.walk(statement)
        )
    ]
