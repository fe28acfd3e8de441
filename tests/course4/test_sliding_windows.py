"""One convolutional pass against separate crops, and detection of digits."""

import keras
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from keras import layers
from PIL import Image

from dls_keras.core.detections import Detections, box_ious, f1_score
from dls_keras.core.errors import InputError
from dls_keras.course4 import sliding_windows as sw
from dls_keras.datasets import digit_windows, digits


def chain(*stack, shape=(14, 14, 2)):
    return keras.Sequential([keras.Input(shape), *stack])


def lecture():
    """The network of the lecture: 14 x 14 windows, two pixels apart."""
    return chain(
        layers.Conv2D(4, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(6, activation="relu"),
        layers.Dense(6, activation="tanh"),
        layers.Dense(4, activation="softmax"),
    )


def normalised():
    """Strides, batch normalisation with trained statistics, dropout, other kernels."""
    model = chain(
        layers.Conv2D(3, (3, 4), strides=(2, 1), use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.AveragePooling2D((2, 3), strides=(1, 2)),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(5, use_bias=False),
        layers.Activation("softmax"),
        shape=(12, 17, 2),
    )
    for i, weight in enumerate(model.layers[1].weights):
        weight.assign(np.linspace(0.5, 1.5, 3) + i)
    return model


def two_parts():
    """A functional model without a dense layer."""
    X = keras.Input((8, 8, 2))
    return keras.Model(X, layers.Flatten()(layers.Conv2D(3, 8)(X)))


@pytest.fixture(scope="module")
def models():
    """Models by name, each with its convolutional form."""
    found = {
        "lecture": lecture(),
        "normalised": normalised(),
        "two_parts": two_parts(),
        "digits": sw.build_model().model,
    }
    return {name: (model, sw.convolutional(model)) for name, model in found.items()}


@given(
    name=st.sampled_from(["lecture", "normalised", "two_parts", "digits"]),
    more=st.tuples(st.integers(0, 21), st.integers(0, 21)),
    m=st.integers(1, 2),
    seed=st.integers(0, 1000),
)
@settings(max_examples=15, phases=[Phase.generate])  # shrinking would take minutes
def test_one_pass_equals_separate_crops(models, name, more, m, seed):
    """For images of any size, to 1e-5."""
    model, network = models[name]
    n_H, n_W, n_C = model.input_shape[1:]
    pictures = np.random.default_rng(seed).normal(
        size=(m, n_H + more[0], n_W + more[1], n_C)
    )
    pictures = pictures.astype("float32")
    one_pass = np.asarray(network(pictures, training=False))
    by_crops = sw.crop_by_crop(model, pictures)
    down, right = sw.stride(model)
    rows, columns = more[0] // down + 1, more[1] // right + 1
    assert by_crops.shape == (m, rows, columns, model.output_shape[-1])
    if name != "normalised":  # whose strides do not use the last row of a window
        assert one_pass.shape == by_crops.shape
    # float32 sums in another order
    np.testing.assert_allclose(one_pass[:, :rows, :columns], by_crops, atol=1e-5)


def test_an_image_of_the_size_of_a_window_has_the_same_output(models):
    """One row and one column."""
    model, network = models["digits"]
    x = np.random.default_rng(0).uniform(size=(3, 28, 28, 1)).astype("float32")
    np.testing.assert_allclose(network(x)[:, 0, 0], model(x), atol=1e-6)


def test_a_dense_layer_has_the_same_weights():
    """(h * w * n_C, units) becomes (h, w, n_C, units)."""
    model = lecture()
    before = [np.ravel(w) for w in model.get_weights()]
    after = [np.ravel(w) for w in sw.convolutional(model).get_weights()]
    np.testing.assert_array_equal(np.concatenate(before), np.concatenate(after))


def test_the_weights_are_copied():
    """A change of one model does not change the other."""
    model = lecture()
    x = np.ones((1, 20, 20, 2), "float32")
    network = sw.convolutional(model)
    before = np.asarray(network(x))
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape))
    np.testing.assert_array_equal(network(x), before)


def test_the_convolutional_form_computes_the_same_after_keras_saving(models, tmp_path):
    """As a .keras file, and as a clone with copied weights."""
    x = np.random.default_rng(0).uniform(size=(1, 40, 50, 1)).astype("float32")
    _, network = models["digits"]
    network.save(tmp_path / "network.keras")
    clone = keras.models.clone_model(network)
    clone.set_weights(network.get_weights())
    for copy in (keras.models.load_model(tmp_path / "network.keras"), clone):
        np.testing.assert_array_equal(copy(x), network(x))


@pytest.mark.parametrize(
    "following",
    [
        [],
        [layers.Activation("softmax")],
        [layers.BatchNormalization(), layers.Dense(2)],
    ],
)
def test_a_flatten_without_a_dense_layer_after_it_is_an_error(following):
    """The next layer would have the channels of one pixel as its input, not of all."""
    with pytest.raises(InputError, match="Put a Dense directly after Flatten"):
        sw.convolutional(chain(layers.Conv2D(3, 5), layers.Flatten(), *following))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.Conv2D(3, 3, padding="same"), "padding='same'"),
        (layers.MaxPooling2D(2, padding="same"), "padding='same'"),
        (layers.GlobalAveragePooling2D(), "GlobalAveragePooling2D"),
        (layers.LayerNormalization(), "LayerNormalization"),
    ],
)
def test_a_layer_without_a_convolutional_form_is_an_error(layer, words):
    """Padding, and statistics of the whole image."""
    with pytest.raises(InputError, match=words):
        sw.convolutional(chain(layer))


def test_multiplications_by_hand():
    """The lecture's network on 16 x 16: 12 x 12 x 5 x 5 x 2 x 4, and so on."""
    dense = 2 * 2 * (5 * 5 * 4 * 6 + 6 * 6 + 6 * 4)
    expected = 12 * 12 * 5 * 5 * 2 * 4 + dense
    assert sw.multiplications(lecture(), 16, 16) == expected


def test_one_pass_is_faster_and_gives_the_same_numbers(models):
    """At least twice as fast on a canvas; it needs a tenth of the multiplications."""
    pictures = np.random.default_rng(0).uniform(size=(1, 160, 240, 1))
    times, difference = sw.speed_up(models["digits"][0], pictures.astype("float32"))
    assert times > 2 and difference < 1e-5


def test_windows_match_their_labels():
    """Near a white square, windows with its label are mostly white."""
    image = np.zeros((160, 240), "uint8")
    image[40:90, 100:150] = 255
    box = np.float32([[40, 100, 90, 150]])
    rng = np.random.default_rng(0)
    x, y = digit_windows.sample_windows(
        image, box, np.array([1]), rng, near=200, far=200
    )
    assert set(y) == {1, sw.BACKGROUND}
    assert x.dtype == np.uint8 and x.shape[1:] == (28, 28, 1)
    white = x.mean((1, 2, 3)) / 255
    # With an IoU of 0.6 at least 0.6 of the window is inside the box.
    assert white[y == 1].min() > 0.58
    assert white[y == sw.BACKGROUND].min() == 0


def test_windows_of_a_canvas_without_digits_are_background():
    """All of them."""
    none = np.zeros((0, 4), "float32"), np.zeros(0, int)
    rng = np.random.default_rng(0)
    x, y = digit_windows.sample_windows(np.zeros((60, 160), "uint8"), *none, rng)
    assert len(x) == len(y) > 0 and (y == sw.BACKGROUND).all()


def constant_detector(k):
    """A detector that predicts class k for every window."""
    detector = sw.build_model()
    for weight in detector.model.weights:
        weight.assign(np.zeros(weight.shape))
    detector.model.layers[-1].bias.assign(20.0 * np.eye(11)[k])
    return detector


def test_hard_negatives_are_wrong_detections_in_the_background():
    """If a detector predicts 3 everywhere, these are the windows without the box."""
    image = np.zeros((1, 64, 64), "uint8")
    image[0, 16:48, 16:48] = 255
    canvas = digits.Canvases(image, [np.float32([[16, 16, 48, 48]])], [np.array([3])])
    detector = constant_detector(3)
    x, y = sw.hard_negatives(detector, canvas, np.random.default_rng(0), most=1000)
    assert len(x) == len(y) > 50 and (y == sw.BACKGROUND).all()
    # With an IoU below 0.4 less than 0.66 of a 28 x 28 window is inside the box.
    assert 0.4 < x.mean((1, 2, 3)).max() / 255 < 0.67
    few, _ = sw.hard_negatives(detector, canvas, np.random.default_rng(0), most=5)
    assert few.shape == (5, 28, 28, 1) and few.dtype == np.uint8


def test_a_detector_without_detections_has_no_hard_negatives():
    """The arrays are empty."""
    canvas = digits.make_canvases(2, digits.make_digits(10))
    detector = constant_detector(sw.BACKGROUND)
    x, y = sw.hard_negatives(detector, canvas, np.random.default_rng(0))
    assert x.shape == (0, 28, 28, 1) and y.shape == (0,)


def test_training_lowers_the_loss():
    """On windows of eight canvases."""
    rng = np.random.default_rng(0)
    canvases = zip(*digits.make_canvases(8, digits.make_digits(30)), strict=True)
    parts = [digit_windows.sample_windows(*canvas, rng) for canvas in canvases]
    data = sw.Windows(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    losses = sw.train(sw.build_model(), data, epochs=4, batch_size=32)
    assert losses[-1] < 0.8 * losses[0]


def test_f1_by_hand():
    """1 for a perfect detector; wrong digits are no hits, a second box is wrong."""
    box, other, far = [0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]
    truths, labels = [np.float32([box, other])], [np.array([3, 7])]

    def f1(*boxes_and_digits):
        boxes = np.float32([box for box, _ in boxes_and_digits]).reshape(-1, 4)
        found = np.array([digit for _, digit in boxes_and_digits], int)
        one = Detections(boxes, np.ones(len(boxes), "float32"), found)
        return f1_score([one], truths, labels)

    assert f1((box, 3), (other, 7)) == 1
    assert f1((box, 7), (other, 3)) == 0
    assert f1((box, 3), (box, 3), (other, 7), (far, 7)) == pytest.approx(2 * 2 / 6)
    assert f1() == 0


@pytest.fixture(scope="module")
def pretrained():
    return sw.load_pretrained()


@pytest.fixture(scope="module")
def canvases():
    """Ten held-out canvases with synthetic digits."""
    return digits.make_canvases(10, digits.make_digits(100, seed=20_000), seed=20_000)


def test_synthetic_digits_are_detected(pretrained, canvases):
    """F1 is 0.997 on 200 canvases."""
    assert sw.f1_on(pretrained, canvases) > 0.95


def test_scribbles_are_not_detected(pretrained, canvases):
    """Without the digits, at most one box on ten canvases."""
    scribbles = canvases.images.copy()
    for image, boxes in zip(scribbles, canvases.boxes, strict=True):
        for y1, x1, y2, x2 in boxes.astype(int):
            image[y1:y2, x1:x2] = 0
    assert scribbles.any((1, 2)).all()
    found = sw.find_all(pretrained, scribbles)
    assert sum(len(one.boxes) for one in found) <= 1


def test_boxes_are_in_pixels_of_the_given_image(pretrained, canvases):
    """Five times as large and inverted: the same digits, coordinates times five."""
    image = Image.fromarray(canvases.images[0])
    large = Image.fromarray(255 - canvases.images[0]).resize((1200, 800))
    found, again = sw.find_all(pretrained, [image, large])
    same = 0
    for box, digit in zip(found.boxes, found.classes, strict=True):
        near = box_ious(5 * box, again.boxes) > 0.5
        same += (again.classes[near] == digit).any()
    assert same >= 0.7 * len(found.boxes) > 0


def test_an_answer_lists_the_boxes_of_find_all(pretrained, canvases):
    """With the highest score as its confidence; the figure shows each box."""
    image = canvases.images[0]
    ((boxes, scores, classes),) = sw.find_all(pretrained, [image])
    answer = sw.infer(pretrained, image)
    listed = answer.details["boxes"]
    assert [box["class"] for box in listed] == [sw.CLASSES[k] for k in classes]
    assert [box["score"] for box in listed] == scores.tolist()
    assert [box["box"] for box in listed] == boxes.tolist()
    assert answer.confidence == scores[0]
    (axes,) = sw.picture(image, answer).axes
    labels = [text.get_text() for text in axes.texts]
    assert labels == [f"{box['class']} {box['score']:.2f}" for box in listed]


@pytest.mark.parametrize("size", [(1, 1), (27, 300), (28, 28)])
def test_black_images_have_no_digits(pretrained, size):
    """Also those that are smaller than a window."""
    image = Image.new("L", size)
    answer = sw.infer(pretrained, image)
    assert (answer, answer.confidence) == ("nothing found", None)
    ((boxes, scores, classes),) = sw.find_all(pretrained, [image])
    assert boxes.shape == (0, 4) and scores.shape == classes.shape == (0,)


def test_an_input_that_is_not_an_image_is_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "canvas.jpg"
    text.write_text("not an image")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64), np.nan)):
        with pytest.raises(InputError):
            sw.infer(pretrained, wrong)


@pytest.mark.data
def test_digits_of_the_test_set_are_detected(pretrained):
    """On 40 canvases with MNIST's test digits."""
    mnist = digits.load_digits()
    real = digits.make_canvases(40, (mnist.x_test, mnist.y_test), seed=20_000)
    assert sw.f1_on(pretrained, real) > 0.94
