"""One pass equals the crops, and what the windows find."""

import keras
import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from keras import layers
from PIL import Image

from dls_keras.core.errors import InputError
from dls_keras.course4 import sliding_windows as sw
from dls_keras.datasets import digits
from dls_keras.fast import boxes as fast_boxes


def chain(*stack, shape=(14, 14, 2)):
    return keras.Sequential([keras.Input(shape), *stack])


def lecture():
    """The lecture's network: 14 x 14 windows, two pixels apart."""
    return chain(
        layers.Conv2D(4, 5, activation="relu"),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dense(6, activation="relu"),
        layers.Dense(6, activation="tanh"),
        layers.Dense(4, activation="softmax"),
    )


def normalised():
    """Strides, batch normalisation with moved statistics, dropout, other windows."""
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
def test_one_pass_equals_the_crops(models, name, more, m, seed):
    """For pictures of any size, to 1e-5."""
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
    if name != "normalised":  # whose strides leave the last row of a window unused
        assert one_pass.shape == by_crops.shape
    # float32 sums in another order
    np.testing.assert_allclose(one_pass[:, :rows, :columns], by_crops, atol=1e-5)


def test_a_window_of_its_own_size_gets_the_same_answer(models):
    """One row, one column."""
    model, network = models["digits"]
    x = np.random.default_rng(0).uniform(size=(3, 28, 28, 1)).astype("float32")
    np.testing.assert_allclose(network(x)[:, 0, 0], model(x), atol=1e-6)


def test_a_dense_layer_has_the_same_weights():
    """(h * w * n_C, units) becomes (h, w, n_C, units), nothing else."""
    model = lecture()
    before = [np.ravel(w) for w in model.get_weights()]
    after = [np.ravel(w) for w in sw.convolutional(model).get_weights()]
    np.testing.assert_array_equal(np.concatenate(before), np.concatenate(after))


def test_the_weights_are_copied():
    """To move one model leaves the other as it is."""
    model = lecture()
    x = np.ones((1, 20, 20, 2), "float32")
    network = sw.convolutional(model)
    before = np.asarray(network(x))
    for weight in model.weights:
        weight.assign(np.zeros(weight.shape))
    np.testing.assert_array_equal(network(x), before)


@pytest.mark.parametrize(
    "behind",
    [
        [],
        [layers.Activation("softmax")],
        [layers.BatchNormalization(), layers.Dense(2)],
    ],
)
def test_a_flatten_that_no_dense_layer_follows_is_told(behind):
    """Such a layer would get one pixel's channels where it had all of them."""
    with pytest.raises(InputError, match="Put a Dense right behind Flatten"):
        sw.convolutional(chain(layers.Conv2D(3, 5), layers.Flatten(), *behind))


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.Conv2D(3, 3, padding="same"), "padding 'same'"),
        (layers.MaxPooling2D(2, padding="same"), "padding 'same'"),
        (layers.GlobalAveragePooling2D(), "GlobalAveragePooling2D"),
        (layers.LayerNormalization(), "LayerNormalization"),
    ],
)
def test_a_layer_that_sees_more_than_its_window_is_told(layer, words):
    """Padding, and statistics of the whole picture."""
    with pytest.raises(InputError, match=words):
        sw.convolutional(chain(layer))


def test_multiplications_by_hand():
    """The lecture's network on 16 x 16: 12 x 12 x 5 x 5 x 2 x 4, and so on."""
    dense = 2 * 2 * (5 * 5 * 4 * 6 + 6 * 6 + 6 * 4)
    expected = 12 * 12 * 5 * 5 * 2 * 4 + dense
    assert sw.multiplications(lecture(), 16, 16) == expected


def test_speed_up_says_how_far_both_are_apart(models):
    """On a canvas one pass is at least twice as fast; here it saves nine tenths."""
    pictures = np.random.default_rng(0).uniform(size=(1, 160, 240, 1))
    times, difference = sw.speed_up(models["digits"][0], pictures.astype("float32"))
    assert times > 2 and difference < 1e-5


def test_windows_show_what_their_labels_say():
    """Cut about a bright square, windows labelled 1 are bright."""
    image = np.zeros((160, 240), "uint8")
    image[40:90, 100:150] = 255
    box = np.float32([[40, 100, 90, 150]])
    rng = np.random.default_rng(0)
    x, y = sw.cut_windows(image, box, np.array([1]), rng, near=200, far=200)
    assert set(y) == {1, sw.NOTHING}
    assert x.dtype == np.uint8 and x.shape[1:] == (28, 28, 1)
    share = x.mean((1, 2, 3)) / 255
    # An overlap of 0.6 of the union is 0.6 of the window at least.
    assert share[y == 1].min() > 0.58
    assert share[y == sw.NOTHING].min() == 0


def test_a_canvas_without_digits_shows_nothing():
    """Windows anywhere, all of them labelled so."""
    none = np.zeros((0, 4), "float32"), np.zeros(0, int)
    rng = np.random.default_rng(0)
    x, y = sw.cut_windows(np.zeros((60, 160), "uint8"), *none, rng)
    assert len(x) == len(y) > 0 and (y == sw.NOTHING).all()


def seer(digit):
    """A detector that is sure to see one digit in any window."""
    detector = sw.build_model()
    for weight in detector.model.weights:
        weight.assign(np.zeros(weight.shape))
    detector.model.layers[-1].bias.assign(20.0 * np.eye(11)[digit])
    return detector


def test_mistakes_are_windows_off_every_box():
    """Of one who sees threes all over, none shows the bright square as a whole."""
    image = np.zeros((1, 64, 64), "uint8")
    image[0, 16:48, 16:48] = 255
    canvas = digits.Canvases(image, [np.float32([[16, 16, 48, 48]])], [np.array([3])])
    x, y = sw.mistakes(seer(3), canvas, np.random.default_rng(0), most=1000)
    assert len(x) == len(y) > 50 and (y == sw.NOTHING).all()
    # An overlap under 0.4 of the union is under 0.66 of a 28 x 28 window.
    assert 0.4 < x.mean((1, 2, 3)).max() / 255 < 0.67
    few, _ = sw.mistakes(seer(3), canvas, np.random.default_rng(0), most=5)
    assert few.shape == (5, 28, 28, 1) and few.dtype == np.uint8


def test_who_sees_nothing_makes_no_mistakes():
    """Windows of the right shape, none of them."""
    canvas = digits.make_canvases(2, digits.make_digits(10))
    x, y = sw.mistakes(seer(sw.NOTHING), canvas, np.random.default_rng(0))
    assert x.shape == (0, 28, 28, 1) and y.shape == (0,)


def test_training_goes_downhill():
    """On windows of eight canvases."""
    rng = np.random.default_rng(0)
    canvases = digits.make_canvases(8, digits.make_digits(30))
    parts = [sw.cut_windows(*scene, rng) for scene in zip(*canvases, strict=True)]
    data = sw.Windows(*(np.concatenate(part) for part in zip(*parts, strict=True)))
    losses = sw.train(sw.build_model(), data, epochs=4, batch_size=32)
    assert losses[-1] < 0.8 * losses[0]


def test_a_perfect_detector_scores_one(monkeypatch):
    """And one that reads every other digit wrong, or finds each twice, scores less."""
    canvases = digits.make_canvases(5, digits.make_digits(50))

    def found(change):
        return lambda *_: [
            fast_boxes.Detections(*change(boxes, np.ones(len(boxes)), labels))
            for boxes, labels in zip(canvases.boxes, canvases.labels, strict=True)
        ]

    def twice(*parts):
        return [np.concatenate([part, part]) for part in parts]

    monkeypatch.setattr(sw, "find_all", found(lambda *parts: parts))
    assert sw.found_and_read(None, canvases) == 1
    monkeypatch.setattr(sw, "find_all", found(lambda b, s, k: (b, s, (k + 1) % 10)))
    assert sw.found_and_read(None, canvases) == 0
    monkeypatch.setattr(sw, "find_all", found(twice))
    assert sw.found_and_read(None, canvases) == pytest.approx(2 / 3)


@pytest.fixture(scope="module")
def pretrained():
    return sw.load_pretrained()


@pytest.fixture(scope="module")
def canvases():
    """Ten canvases of drawn digits that training has never seen."""
    return digits.make_canvases(10, digits.make_digits(100, seed=20_000), seed=20_000)


def test_drawn_digits_are_found_and_read(pretrained, canvases):
    """Nearly all of them; the record says 0.997 for 200 canvases."""
    assert sw.found_and_read(pretrained, canvases) > 0.95


def test_scribbles_are_left_alone(pretrained, canvases):
    """With the digits painted over, at most one box on ten canvases."""
    scribbles = canvases.images.copy()
    for image, boxes in zip(scribbles, canvases.boxes, strict=True):
        for y1, x1, y2, x2 in boxes.astype(int):
            image[y1:y2, x1:x2] = 0
    assert scribbles.any((1, 2)).all()
    found = sw.find_all(pretrained, scribbles)
    assert sum(len(one.boxes) for one in found) <= 1


def test_boxes_are_in_pixels_of_the_picture_given(pretrained, canvases):
    """Five times as large, dark on light: the same digits at five times the place."""
    picture = Image.fromarray(canvases.images[0])
    large = Image.fromarray(255 - canvases.images[0]).resize((1200, 800))
    found, again = sw.infer(pretrained, picture), sw.infer(pretrained, large)
    same = 0
    for box, digit in zip(found.boxes, found.classes, strict=True):
        near = fast_boxes.box_ious(5 * box, again.boxes) > 0.5
        same += (again.classes[near] == digit).any()
    assert same >= 0.7 * len(found.boxes) > 0


@pytest.mark.parametrize("size", [(1, 1), (27, 300), (28, 28)])
def test_small_pictures_are_searched(pretrained, size):
    """Too small for a window: nothing is found; all black: nothing either."""
    boxes, scores, classes = sw.infer(pretrained, Image.new("L", size))
    assert boxes.shape == (0, 4) and scores.shape == classes.shape == (0,)


def test_what_is_no_picture_is_told(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "canvas.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64), np.nan)):
        with pytest.raises(InputError):
            sw.infer(pretrained, wrong)


@pytest.mark.data
def test_test_digits_are_found_and_read(pretrained):
    """On 40 canvases with digits of MNIST's test set, well over nine of ten."""
    mnist = digits.load_digits()
    real = digits.make_canvases(40, (mnist.x_test, mnist.y_test), seed=20_000)
    assert sw.found_and_read(pretrained, real) > 0.94
