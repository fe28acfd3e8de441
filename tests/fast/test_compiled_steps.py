"""Every compiled step fits XLA, holds no Python and is traced once.

A case is a piece of work in miniature: it trains, or answers, three times over with the
least data and the smallest network that its module takes. Whoever adds a module that
compiles adds a case; the last test tells who forgot.
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
from dls_keras.fast import char_rnn, inference, layers, recurrent
from dls_keras.fast import transformer as fast_transformer
from dls_keras.networks import darknet, vgg19, yolo_v2

Function = type(tf.function(lambda: None))
CASES = []
CPU = not training.use_xla()  # on a GPU stock GRUs and LSTMs are cuDNN's


class Case(NamedTuple):
    """A piece of work, and what is to be expected of its graph."""

    module: ModuleType  # in which it is compiled
    prepare: Callable  # returns the work, a function without arguments
    xla: bool  # whether XLA knows all of its operations


def case(module, *marks, xla=True):
    """Make a case of the decorated function, which prepares the work."""

    def add(prepare):
        one = Case(module, prepare, xla)
        CASES.append(pytest.param(one, id=prepare.__name__, marks=marks))
        return prepare

    return add


class Data(NamedTuple):
    """What a training takes."""

    x: np.ndarray
    y: np.ndarray


def drawn(*shape, seed=0):
    """Numbers in [0, 1), float32."""
    return np.random.default_rng(seed).random(shape, "float32")


def labels(m, classes):
    """m labels, each class in turn."""
    return np.arange(m) % classes


# Course 1 and 2.


@case(linear_regression)
def gradient_descent():
    x = np.arange(5.0)
    return lambda: linear_regression.train({"w": 0.0, "b": 0.0}, (x, 2 * x), epochs=3)


@case(fizzbuzz)
def fizzbuzz_train():
    model, data = fizzbuzz.build_model(hidden=(4,)), Data(drawn(8, 10), labels(8, 4))
    return lambda: fizzbuzz.train(model, data, epochs=3, batch_size=4)


@case(tensorflow_introduction)
def tensorflow_introduction_train():
    model = tensorflow_introduction.build_model()
    data = Data(drawn(8, 64, 64, 3), labels(8, 6))
    return lambda: tensorflow_introduction.train(model, data, epochs=3, batch_size=4)


@case(tensorflow_introduction)
def tensorflow_introduction_model():
    sets = drawn(8, 12288), np.eye(6, dtype="float32")[labels(8, 6)]
    x, y = map(tf.data.Dataset.from_tensor_slices, sets)
    return lambda: tensorflow_introduction.model(
        *(x, y, x, y), num_epochs=3, minibatch_size=4
    )


@case(tensorflow_tutorial)
def tensorflow_tutorial_model():
    X, Y = drawn(12288, 8), np.eye(6)[:, labels(8, 6)]
    return lambda: tensorflow_tutorial.model(
        *(X, Y, X, Y), num_epochs=3, minibatch_size=4
    )


# Course 4.


@case(convolution_application)
def convolution_application_train():
    model = convolution_application.build_model()
    data = Data(drawn(4, 64, 64, 3), labels(4, 6))
    return lambda: convolution_application.train(model, data, epochs=3, batch_size=2)


@case(convolution_application)
def convolution_application_model():
    X, Y = drawn(4, 64, 64, 3), np.eye(6)[labels(4, 6)]
    return lambda: convolution_application.model(
        *(X, Y, X, Y), num_epochs=3, minibatch_size=2
    )


@case(digit_recognizer)
def digit_recognizer_train():
    model = digit_recognizer.build_model()
    data = Data(drawn(4, 28, 28), labels(4, 10))
    return lambda: digit_recognizer.train(model, data, epochs=3, batch_size=2)


@case(classic_networks)
def classic_networks_train():
    model = classic_networks.build_model()
    data = Data(drawn(4, 32, 32, 1), labels(4, 10))
    return lambda: classic_networks.train(model, data, epochs=3, batch_size=2)


@case(happy_house)
def happy_house_train():
    model = happy_house.HappyModel((16, 16, 3))
    data = Data(drawn(4, 16, 16, 3), labels(4, 2))
    return lambda: happy_house.train(model, data, epochs=3, batch_size=2)


@case(residual_networks)
def residual_networks_train():
    x = X = keras.Input((8, 8, 3))
    X = residual_networks.convolutional_block(X, 3, [2, 2, 4], training=None)
    X = residual_networks.identity_block(X, 3, [2, 2, 4], training=None)
    X = keras.layers.Flatten()(X)
    model = keras.Model(x, keras.layers.Dense(6, activation="softmax")(X))
    data = Data(drawn(4, 8, 8, 3), labels(4, 6))
    return lambda: residual_networks.train(model, data, epochs=3, batch_size=2)


@case(residual_networks, pytest.mark.large)
def residual_networks_train_all_fifty():
    model = residual_networks.build_model()
    data = Data(drawn(2, 64, 64, 3), labels(2, 6))
    return lambda: residual_networks.train(model, data, epochs=3, batch_size=2)


@case(transfer_learning)
def transfer_learning_fit_head():
    head = keras.Sequential(
        [keras.Input((5,)), keras.layers.Dropout(0.2), keras.layers.Dense(1)]
    )
    x, y = drawn(8, 5), labels(8, 2)
    return lambda: transfer_learning.fit_head(head, x, y, epochs=3, batch_size=4)


@case(transfer_learning)
def transfer_learning_train():
    model = transfer_learning.build_model()
    data = Data((255 * drawn(2, 160, 160, 3)).astype("uint8"), labels(2, 2))
    return lambda: transfer_learning.train(model, data, epochs=3, batch_size=2)


@case(transfer_learning, pytest.mark.large)
def transfer_learning_train_by_distillation():
    model, teacher = (transfer_learning.build_model() for _ in range(2))
    data = Data((255 * drawn(2, 160, 160, 3)).astype("uint8"), labels(2, 2))
    return lambda: transfer_learning.train(
        model, data, epochs=3, batch_size=2, teacher=teacher
    )


@case(sliding_windows)
def sliding_windows_train():
    model = sliding_windows.build_model()
    data = Data((255 * drawn(4, 28, 28, 1)).astype("uint8"), labels(4, 11))
    return lambda: sliding_windows.train(model, data, epochs=3, batch_size=2)


@case(sliding_windows)
def sliding_windows_infer():
    """One graph for all sizes of a picture."""
    model, image = sliding_windows.build_model(), drawn(60, 50)
    return lambda: sliding_windows.infer(model, (255 * image).astype("uint8"))


@case(car_detection)
def car_detection_train():
    network = yolo_v2.compact_yolo_v2((32, 64, 3), anchors=2)
    head = darknet.Head("region", car_detection.ANCHORS[:2], 1, car_detection.STRIDE)
    detector = car_detection.Detector(network, (head,), ("car",))
    x = (255 * drawn(4, 32, 64, 3)).astype("uint8")
    boxes = np.tile(np.float32([[0.2, 0.2, 0.7, 0.6], [0, 0, 0, 0]]), (4, 1, 1))
    data = car_detection.TrainingData(x, boxes)
    return lambda: car_detection.train(detector, data, epochs=3, batch_size=2)


@case(layers)
def prelu_train():
    x = drawn(8, 4, 4, 3)
    bent = layers.PReLU(shared_axes=(1, 2))
    model = keras.Sequential([keras.Input(x.shape[1:]), bent])

    def loss(x):
        return tf.reduce_mean(model(x, training=True) ** 2)

    adam, weights = layers.Adam(), model.trainable_variables
    return lambda: training.fit(loss, (x,), weights, adam, epochs=3, batch_size=4)


@case(inference)
def inference_frozen():
    network = yolo_v2.compact_yolo_v2((32, 32, 3), 2, 1)
    answer = inference.freeze(network)

    def work():
        for seed in range(3):
            answer(tf.constant(drawn(2, 32, 32, 3, seed=seed)))

    return work


@case(image_segmentation, pytest.mark.large)
def image_segmentation_train():
    model = image_segmentation.build_model(n_filters=2)
    x = (255 * drawn(2, 32, 32, 3)).astype("uint8")
    data = Data(x, x[..., 0] % 12)
    return lambda: image_segmentation.train(model, data, epochs=3, batch_size=2)


@case(image_segmentation, xla=False)  # which has no resizing against aliases
def image_segmentation_confusion():
    model = image_segmentation.build_model(n_filters=2)
    x = (255 * drawn(6, 32, 32, 3)).astype("uint8")
    return lambda: image_segmentation.confusion(model, x, x[..., 0] % 12, batch_size=2)


@case(face_recognition)
def face_recognition_train():
    model = face_recognition.build_model()
    x = (255 * drawn(8, 64, 64, 3)).astype("uint8")
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
    data = paintings.Crops((255 * drawn(4, 96, 96, 3)).astype("uint8"))

    def work():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(style_transfer, "load_pretrained", lambda *_, **__: teacher)
            style_transfer.train(model, data, epochs=3, batch_size=2)

    return work


@case(style_transfer)
def style_transfer_infer():
    image = x = keras.Input((None, None, 3))
    looks = [keras.layers.Conv2D(4, 3, padding="same") for _ in range(2)]
    model = keras.Model(image, [x := look(x) for look in looks])
    photo, painting = drawn(32, 40, 3), drawn(40, 32, 3, seed=1)
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
    """One program for all epochs, also for those that stop before the last name."""
    model = dinosaurs.build_model(n_a=2)
    x, y, lengths, _ = data = dinosaurs.load_data(["abc", "de", "fg"])
    settings = {"learning_rate": 0.1, "max_gradient": 5.0}

    def work():
        dinosaurs.train(model, data, epochs=3)
        for iterations in (1, 5):
            char_rnn.descend(model, x, y, lengths, iterations, **settings)

    return work


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
    model = emojify.build_model({"good": drawn(2), "bad": drawn(2, seed=1)})
    data = Data(np.array(["good", "bad", "good good", "not bad"]), labels(4, 5))
    return lambda: emojify.train(model, data, epochs=3, batch_size=2)


def translator(Tx):
    """A translator of dates of Tx characters with states of two numbers."""
    vocabularies = len(dates.HUMAN_VOCAB), len(dates.MACHINE_VOCAB)
    return date_translation.modelf(Tx, date_translation.TY, 2, 2, *vocabularies)


@case(date_translation)
def date_translation_train():
    model = translator(3)
    data = Data(drawn(4, 3, 37), drawn(4, date_translation.TY, 11))
    return lambda: date_translation.train(model, data, epochs=3, batch_size=2)


@case(trigger_word, xla=CPU)
def trigger_word_train():
    model = trigger_word.build_model(2)
    n = trigger_word.REACH + 6 * trigger_word.HOP  # samples of seven answers
    data = Data((99 * drawn(4, n)).astype("int16"), drawn(4, 7))
    return lambda: trigger_word.train(model, data, epochs=3, batch_size=2)


@case(trigger_word, xla=CPU)  # which makes the spectrograms
@case(recurrent, xla=CPU)
def trigger_word_listen():
    model = trigger_word.build_model(2)
    sound = (99 * drawn(trigger_word.REACH + 20 * trigger_word.HOP)).astype("int16")
    return lambda: list(trigger_word.listen(model, [sound], steps=7))


def small_transformer():
    """One layer of two heads that translates dates."""
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

    def work():
        for day in "345":
            transformer.translate(model, [f"{day} May 1979"])

    return work


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


# What holds for all of them.


class Call(NamedTuple):
    """The first call of a compiled function, and how the later ones differ."""

    traces: int  # before it
    outermost: bool  # made from plain Python, not from within another graph
    arguments: tuple  # args and kwargs, tensors as their shapes and types
    kinds: set  # the arguments of all calls, written out

    def traced(self):
        """How often it may be: a layer's once for each shape within a graph."""
        return self.traces + (1 if self.outermost else len(self.kinds))


def watched(work):
    """Do the work.

    Returns:
        calls: a dict from the package's compiled functions that were called to `Call`.
        steps: those of them that `compile_step` made.
    """
    calls, steps = {}, []
    call, compile_step = Function.__call__, training.compile_step

    def noted_call(function, *args, **kwargs):
        if function.python_function.__module__.startswith("dls_keras"):
            arguments = tf.nest.map_structure(shape_and_type, (args, kwargs))
            traces = function.experimental_get_tracing_count()
            first = Call(traces, tf.executing_eagerly(), arguments, set())
            calls.setdefault(function, first).kinds.add(str(arguments))
        return call(function, *args, **kwargs)

    def noted_step(*args, **kwargs):
        steps.append(compile_step(*args, **kwargs))
        return steps[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Function, "__call__", noted_call)
        patch.setattr(training, "compile_step", noted_step)
        work()
    return calls, steps


def shape_and_type(argument):
    """Of a tensor or an array; anything else as it is."""
    if isinstance(argument, (tf.Tensor, np.ndarray)):
        return tf.TensorSpec(argument.shape, argument.dtype)
    return argument


def operations(function, call):
    """The kinds of all operations in a function and in whatever it calls."""
    args, kwargs = call.arguments
    graph = function.get_concrete_function(*args, **kwargs).graph.as_graph_def()
    bodies = [graph.node, *(inner.node_def for inner in graph.library.function)]
    return {node.op for body in bodies for node in body}


def lowered(function, call):
    """The function in XLA's own language, for the shapes of its first call."""
    given = tf.nest.flatten(call.arguments)

    # Traced anew: a loop is drawn in another way where XLA will read it.
    @tf.function(jit_compile=True)
    def alone(*tensors):
        left = iter(tensors)
        flat = [next(left) if isinstance(g, tf.TensorSpec) else g for g in given]
        args, kwargs = tf.nest.pack_sequence_as(call.arguments, flat)
        return function.python_function(*args, **kwargs)

    tensors = [g for g in given if isinstance(g, tf.TensorSpec)]
    return alone.experimental_get_compiler_ir(*tensors)(stage="hlo")


@pytest.mark.parametrize("case", CASES)
def test_a_step_is_traced_once_fits_xla_and_holds_no_python(case):
    """All shapes inside are known to XLA: none is written as a bound, `f32[<=8]`."""
    calls, steps = watched(case.prepare())
    assert calls
    for function, call in calls.items():
        assert function.experimental_get_tracing_count() <= call.traced()
        if call.outermost:
            kinds = operations(function, call)
            assert not [kind for kind in kinds if "PyFunc" in kind]
        if case.xla and (function in steps if steps else call.outermost):
            hlo = lowered(function, call)
            assert "HloModule" in hlo
            assert not re.search(r"\[[^]]*<=", hlo)


@pytest.mark.parametrize(
    "prepare",
    [emojify_train, language_model_train, shakespeare_train, trigger_word_train],
)
def test_what_cudnn_computes_is_kept_from_xla(prepare, monkeypatch):
    """On GPUs Keras hands GRUs and LSTMs to cuDNN, whose operations XLA lacks."""
    asked = {}
    monkeypatch.setattr(training, "fit", lambda *_, **settings: asked.update(settings))
    prepare()()
    assert asked["jit_compile"] is False


def test_whatever_compiles_has_a_case():
    """Each module has one, and an assignment one for each place in which it compiles.

    All trainings go through `core.training`, which needs none of its own.
    """
    cases = Counter(parameters.values[0].module.__name__ for parameters in CASES)
    missing, idle = {}, set(cases)
    for path in sorted(files.PACKAGE.rglob("*.py")):
        parts = path.relative_to(files.PACKAGE.parent).with_suffix("").parts
        name, found = ".".join(parts), places(path)
        idle -= {name} if found else set()
        needed = len(found) if ".course" in name else min(1, len(found))
        if name != training.__name__ and cases[name] < needed:
            missing[name] = found
    assert missing == {}
    assert idle == set()


def places(path):
    """The top-level definitions of a source file in which something is compiled."""
    words = {"tf.function", "training.fit", "training.compile_step", "compile_step"}
    return [
        ast.unparse(statement).partition("\n")[0]
        for statement in ast.parse(path.read_text("utf-8")).body
        if any(
            isinstance(part, ast.Attribute | ast.Name) and ast.unparse(part) in words
            for part in ast.walk(statement)
        )
    ]
