"""`train` of every assignment takes named tuples, pairs and `tf.data` datasets."""

import inspect
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from dls_keras import catalog
from dls_keras.core import examples, training
from dls_keras.core.answers import Losses
from dls_keras.core.errors import InputError

RNG = np.random.default_rng(0)


def pixels(*shape, m=4):
    """m images, uint8."""
    return RNG.integers(0, 256, (m, *shape), "uint8")


def one_hot(length, classes, m=4):
    """m sequences of one-hot vectors, float32."""
    return np.eye(classes, dtype="float32")[RNG.integers(0, classes, (m, length))]


def indices(*shape, most, m=4):
    """m arrays of integers below `most`, int64 as NumPy makes them."""
    return RNG.integers(1, most, (m, *shape))


CLASSES = np.arange(4) % 2
BOXES = np.tile(np.array([0.2, 0.2, 0.5, 0.6], "float32"), (4, 8, 1))
SENTENCES = np.array(["I love you", "I am sad", "let us eat", "not funny"])
# Of each assignment that trains with `training.fit`: x and y, examples first.
NETWORKS = {
    "fizzbuzz": (RNG.integers(0, 2, (4, 10)).astype("float32"), CLASSES),
    "tensorflow_introduction": (pixels(64, 64, 3), CLASSES),
    "car_detection": (pixels(192, 352, 3), BOXES),
    "classic_networks": (pixels(32, 32, 1), CLASSES),
    "convolution_application": (pixels(64, 64, 3), CLASSES),
    "digit_recognizer": (pixels(28, 28), CLASSES),
    "face_recognition": (pixels(64, 64, 3), CLASSES),
    "happy_house": (pixels(64, 64, 3) / np.float32(255), CLASSES),
    "image_segmentation": (pixels(96, 128, 3), pixels(96, 128) % 12),
    "residual_networks": (pixels(64, 64, 3), CLASSES),
    "sliding_windows": (pixels(28, 28, 1), CLASSES),
    "transfer_learning": (pixels(160, 160, 3), CLASSES),
    "date_translation": (one_hot(30, 37), one_hot(10, 11)),
    "transformer": (indices(30, most=20), indices(10, most=10)),
    "emojify": (SENTENCES, CLASSES),
    "language_model": (indices(31, most=9), indices(31, most=9)),
    "question_answering": (indices(50, most=20), indices(2, most=20)),
    "shakespeare": (one_hot(40, 38) > 0, one_hot(1, 38)[:, 0] > 0),
    "trigger_word": (
        RNG.integers(-900, 900, (4, 441_000)).astype("int16"),
        (one_hot(1375, 2)[..., 0]).astype("uint8"),
    ),
}
NO_VALIDATION = {"face_recognition"}
COLUMNS = {  # the number of rows of x of those that train in NumPy
    **dict.fromkeys(["logistic_regression", "deep_network_application"], 12_288),
    **dict.fromkeys(["planar_classification", "initialization"], 2),
    **dict.fromkeys(["regularization", "optimization", "batch_normalization"], 2),
}
# Their data are not pairs of examples and labels: names, tunes, counts, crops, texts
# with spans; a plain tuple of the same arrays is accepted by some.
OTHER = {"dinosaurs", "jazz", "word_vectors", "style_transfer", "named_entities"}


class Pair(NamedTuple):
    """As `load_data` returns it."""

    x: np.ndarray
    y: np.ndarray


def forms(x, y):
    """Pairs and datasets of the same examples."""
    data = tf.data.Dataset.from_tensor_slices((x, y))
    return [
        (x, y),
        [tf.constant(x), y.tolist()],
        data,
        data.batch(3),
        data.batch(2, drop_remainder=True),
        data.map(lambda x, y: (x, tf.expand_dims(y, -1))).batch(3),
    ]


def test_every_assignment_that_trains_is_tested():
    """Here, or its data are of another kind, or it has the `train` of another."""
    trains = {row.name for row in catalog.ASSIGNMENTS if "train" in row.offers}
    same = {"linear_regression", "tensorflow_tutorial"}
    assert trains == {*NETWORKS, *COLUMNS, *OTHER, *same}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gets_the_same_arrays_from_every_form(name, monkeypatch):
    """And the loss of held-out data is finite, computed without training."""
    received = []

    def fit(loss_fn, data, variables, optimizer, *, validation_data=None, **settings):
        received.append((*data, *(validation_data or ())))
        if validation_data:
            batch = map(tf.constant, validation_data)
            assert np.isfinite(loss_fn(*batch, training=False))
        return [0.5]

    monkeypatch.setattr(training, "fit", fit)
    module, (x, y) = catalog.load(name), NETWORKS[name]
    model, settings = module.build_model(), {"epochs": 1, "batch_size": 2}
    for data in forms(x, y):
        losses = module.train(model, data, **settings)
        assert isinstance(losses, Losses) and losses == [0.5]
    if name not in NO_VALIDATION:
        module.train(model, (x, y), validation_data=forms(x, y)[3], **settings)
    for arrays in received[1:]:
        for one, other in zip(arrays[:2], received[0], strict=True):
            assert one.dtype.itemsize <= 4 or one.dtype.kind == "U"
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [*COLUMNS, "linear_regression"])
def test_numpy_trains_alike_on_every_form(name):
    """A pair has its examples as columns, a dataset first."""
    module, rows = catalog.load(name), COLUMNS.get(name)
    x = RNG.uniform(size=(4, rows) if rows else 4)
    y = CLASSES if rows else x * 3 + 1
    pair = (x.T, y[np.newaxis]) if rows else (x, y)
    data = tf.data.Dataset.from_tensor_slices((x, y))
    several = [Pair(*pair), pair, (x.T, y), data, data.batch(3)]
    losses = [module.train(module.build_model(), one, epochs=2) for one in several]
    assert len(losses[0]) == 2 and losses[0].history == {"loss": losses[0]}
    for other in losses[1:]:
        np.testing.assert_allclose(other, losses[0], rtol=1e-6)


@pytest.mark.parametrize(
    "name", [*COLUMNS, "linear_regression", "dinosaurs", "word_vectors"]
)
def test_training_in_numpy_says_that_it_takes_no_callbacks(name):
    """In its docstring."""
    text = inspect.getdoc(catalog.load(name).train)
    assert "no callbacks" in " ".join(text.split())


@examples.accepted(pixels="uint8")
def train(model, data, *, validation_data=None):
    """A train that returns nothing but keeps what it got."""
    model.append((data, validation_data))
    return [1.0]


def refused(data, words):
    """`train` refuses the data with these words, as data and for validation."""
    with pytest.raises(InputError, match=words):
        train([], data)
    with pytest.raises(InputError, match=words):
        train([], (pixels(8, 8, 3), CLASSES), validation_data=data)


def test_images_are_converted_to_the_type_of_the_assignment():
    """Floats in [0, 1] and integers in [0, 255]; named tuples stay as they are."""
    x, got = pixels(8, 8, 3), []
    for given in (x, x / 255, x.astype("int64"), (x / 255).astype("float16")):
        train(got, (given, CLASSES.astype(float).reshape(4, 1)))
        assert got[-1][0].x.dtype == np.uint8 and got[-1][0].y.shape == (4,)
        assert np.abs(got[-1][0].x.astype(int) - x).max() <= 1
    pair = Pair(x / 255, CLASSES)
    train(got, pair)
    assert got[-1][0] is pair


def ragged():
    """A dataset of sequences of several lengths."""
    rows = tf.ragged.constant([[1, 2], [3]])
    return tf.data.Dataset.from_tensor_slices((rows, [0, 1]))


def generated(*elements):
    """A dataset of unknown length."""
    spec = (tf.TensorSpec(None, tf.uint8), tf.TensorSpec(None, tf.int32))
    return tf.data.Dataset.from_generator(lambda: elements, output_signature=spec)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: pixels(8, 8, 3), "received ndarray"),
        (lambda: (pixels(8, 8, 3),), "received tuple of 1"),
        (lambda: 7, "received int"),
        (lambda: (pixels(8, 8, 3), [0, 1]), "4 examples and 2 labels"),
        (lambda: ([[1], [1, 2]], [0, 1]), "differ in shape"),
        (lambda: (pixels(8, 8, 3) * 1.0, CLASSES), r"Scale them first"),
        (lambda: (pixels(8, 8, 3) / np.nan, CLASSES), r"Scale them first"),
        (lambda: ({"a": 1}, [1]), "an array of object"),
        (ragged, "dense tensors"),
        (lambda: tf.data.Dataset.range(3), "dense tensors"),
        (lambda: tf.data.Dataset.from_tensors((1, 2)).repeat(), "has no end"),
        (lambda: generated(), "is empty"),
        (lambda: generated(([1], 0), ([1, 2], 1)), "as one array"),
        (lambda: generated(([1], [[0, 1]])), "labels of 0 axes"),
        (lambda: generated(([1], "a")), "as one array"),
    ],
)
def test_other_data_are_refused(make, words):
    """In one message that says what was expected."""
    refused(make(), words)


def test_a_dataset_without_end_is_refused(monkeypatch):
    """If its length is unknown, when it has more bytes than fit into memory."""
    monkeypatch.setattr(examples, "LARGEST", 1000)
    data = generated(([1, 2, 3], 0), ([1, 2, 3], 1))
    train([], data)
    refused(data.filter(lambda x, y: True).repeat(1000), "or no end")


def test_callbacks_stop_the_training_of_an_assignment():
    """`EarlyStopping` of Keras, with held-out numbers; the history is as in Keras."""
    import keras

    module = catalog.load("fizzbuzz")
    data, model = module.load_data(), module.build_model(hidden=(8,))
    held_out = tf.data.Dataset.from_tensor_slices((data.x_test, data.y_test))
    stop = keras.callbacks.EarlyStopping(min_delta=10, restore_best_weights=True)
    losses = module.train(
        model,
        (data.x, data.y),
        epochs=6,
        validation_data=held_out.batch(32),
        callbacks=[stop, keras.callbacks.TerminateOnNaN()],
    )
    assert len(losses) == 2 == len(losses.history["val_loss"])
    y_hat = model(data.x_test, training=False)
    entropy = keras.losses.sparse_categorical_crossentropy(data.y_test, y_hat)
    best = losses.history["val_loss"][0]  # the weights after the first epoch
    np.testing.assert_allclose(np.mean(entropy), best, rtol=1e-5)
