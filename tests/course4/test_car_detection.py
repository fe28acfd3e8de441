"""What the reference cases of car detection do not cover."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core import files
from dls_keras.core.detections import Detections, average_precision, box_ious
from dls_keras.core.errors import InputError
from dls_keras.course4 import car_detection as cd
from dls_keras.datasets import car_boxes
from dls_keras.fast import boxes as fast_boxes
from dls_keras.networks.darknet import Head

# Decoding and non-max suppression.


def region_head(n_a=3, classes=4):
    anchors = tuple((1.0 + i, 0.5 + i) for i in range(n_a))
    return Head("region", anchors, classes, 16)


def outputs(seed, n_a=3, classes=4):
    """Random outputs of a network for one image, (1, 6, 9, channels) float32."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (1, 6, 9, n_a * (5 + classes))).astype("float32")


@given(
    seed=st.integers(0, 10_000),
    max_boxes=st.integers(1, 12),
    score_threshold=st.sampled_from([0.05, 0.3, 0.6, 0.95]),
    iou_threshold=st.sampled_from([0.3, 0.5, 0.7]),
)
@settings(max_examples=15)
def test_decoding_in_numpy_gives_the_boxes_of_yolo_eval(seed, **settings):
    """For random outputs and thresholds; tests/fast has further cases."""
    feats, head, shape = outputs(seed), region_head(), (720, 1280)
    (got,) = fast_boxes.detect_all([feats], [head], [shape], **settings)
    decoded = cd.yolo_head(feats, head.anchors, head.classes)
    scores, boxes, classes = cd.yolo_eval(decoded, shape, **settings)
    np.testing.assert_array_equal(got.classes, classes)
    # float32 by other formulas of the sigmoid and the softmax
    np.testing.assert_allclose(got.scores, scores, rtol=1e-5)
    np.testing.assert_allclose(got.boxes, boxes, rtol=1e-4, atol=1e-2)


def test_an_image_without_objects_has_empty_arrays():
    """No objectness reaches the threshold."""
    (found,) = fast_boxes.detect_all([outputs(0) - 100], [region_head()], [(9, 9)])
    assert found.boxes.shape == (0, 4)
    assert found.scores.shape == found.classes.shape == (0,)


def test_the_classes_of_a_yolov3_head_are_independent():
    """One cell and one anchor in pixels; the numbers are calculated by hand."""
    feats = np.zeros((1, 2, 2, 7), "float32")
    feats[..., 4] = -50
    feats[0, 1, 0] = [0, 0, 0, 0, 50, 1.0, 2.0]
    head = Head("yolo", ((32.0, 16.0),), 2, 32)
    ((boxes, scores, classes),) = fast_boxes.detect_all(
        [feats], [head], [(64, 64)], score_threshold=0.5
    )
    np.testing.assert_allclose(boxes, [[40, 0, 56, 32]])
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-2.0)), rtol=1e-6)
    assert classes == [1]


@pytest.mark.parametrize("threshold", [0.05, 0.6, 1.0])
def test_a_batch_has_the_boxes_of_its_images(threshold):
    """Two heads and images of several sizes; one of them has no objects."""
    feats = [
        np.concatenate([outputs(seed), outputs(seed + 3), outputs(seed) - 100])
        for seed in (0, 1)
    ]
    shapes, heads = [(720, 1280), (50, 60), (8, 8)], [region_head(), region_head()]
    found = fast_boxes.detect_all(feats, heads, shapes, score_threshold=threshold)
    for i, together in enumerate(found):
        (alone,) = fast_boxes.detect_all(
            [part[i : i + 1] for part in feats],
            heads,
            shapes[i : i + 1],
            score_threshold=threshold,
        )
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(found[2].boxes) == 0


corners = st.tuples(*[st.integers(0, 20)] * 4).map(
    lambda b: (b[0], b[1], b[0] + b[2] + 1, b[1] + b[3] + 1)
)


@given(corners, corners)
@settings(max_examples=50)
def test_iou_counts_pixels(box1, box2):
    """Intersection over union equals the counts on a grid of unit cells."""

    def covered(box):
        x1, y1, x2, y2 = box
        grid = np.zeros((45, 45), bool)
        grid[y1:y2, x1:x2] = True
        return grid

    one, two = covered(box1), covered(box2)
    expected = np.sum(one & two) / np.sum(one | two)
    assert cd.iou(box1, box2) == pytest.approx(expected, abs=1e-12)


@given(st.integers(0, 10_000), st.integers(1, 80), st.sampled_from([3, 10, 90]))
@settings(max_examples=25)
def test_suppression_keeps_for_several_images_the_boxes_of_each(seed, most, max_boxes):
    """Three crowded images at once and one by one, highest score first."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, most + 1, 3)
    owners = rng.permutation(np.repeat(range(3), counts))
    corner = rng.uniform(0, 99, (len(owners), 2))
    boxes = np.hstack([corner, corner + rng.uniform(5, 30, corner.shape)])
    scores = rng.permutation(len(owners)) / (len(owners) + 1)
    together = fast_boxes.non_max_suppression(boxes, scores, max_boxes, 0.3, owners)
    alone = []
    for image in range(3):
        own = np.flatnonzero(owners == image)
        kept = fast_boxes.non_max_suppression(boxes[own], scores[own], max_boxes, 0.3)
        alone += own[kept].tolist()
    assert together.tolist() == alone


# Average precision.


def detections(*boxes_and_scores):
    boxes = np.float32([box for box, _ in boxes_and_scores]).reshape(-1, 4)
    scores = np.float32([score for _, score in boxes_and_scores])
    return Detections(boxes, scores, np.zeros(len(scores), int))


def test_average_precision_by_hand():
    """Correct, wrong, correct: precision 1 up to half the recall, then 2/3."""
    box, other, far = [0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]
    found = [detections((box, 0.9), (far, 0.8), (other, 0.7))]
    truths = [np.float32([box, other])]
    assert average_precision(found, truths) == pytest.approx(0.5 + 0.5 * 2 / 3)


def test_average_precision_counts_a_true_box_once():
    """A second box on the same car is wrong, and a missed car lowers the recall."""
    box = [0, 0, 10, 10]
    twice = [detections((box, 0.9), (box, 0.8)), detections()]
    truths = [np.float32([box]), np.float32([box])]
    assert average_precision(twice, truths) == pytest.approx(0.5)
    assert average_precision([detections()] * 2, truths) == 0.0


def test_a_class_that_the_detector_does_not_have_is_an_error():
    """The message lists the classes it has."""
    detector = cd.Detector(None, (), ("person", "dog"))
    with pytest.raises(InputError, match="no class car; its classes are person, dog"):
        cd.average_precision_on(detector, car_boxes.make_roads(1))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"1,2,3\n",
        b"1,2,x,4",
        b"1,nan",
        b"1,inf",
        b"1,1e300",
        b"1,-2",
        b"1,0",
        b"1,2,",
        b"\xff\xfe1\0,\0",
        b"1,2\0",
        b"1," + b"9" * 2**21,
    ],
    ids=range(13),
)
def test_a_damaged_list_of_anchors_is_refused(tmp_path, content):
    """Pairs of positive, finite numbers are expected in the first line."""
    path = tmp_path / "anchors.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="anchors"):
        cd.read_anchors(path)
    path.write_bytes(b"0.5,0.6, 1.5,2\nanother line")
    assert cd.read_anchors(str(path)).tolist() == [[0.5, 0.6], [1.5, 2]]


@pytest.mark.parametrize(
    "content", [b"", b" \n", b"caf\xe9", b"c\0a\0r\0", b"y" * 2**21]
)
def test_a_damaged_list_of_classes_is_refused(tmp_path, content):
    """A text in UTF-8 is expected; the last line end may be missing."""
    path = tmp_path / "classes.txt"
    path.write_bytes(content)
    with pytest.raises(InputError, match="classes"):
        cd.read_classes(path)
    path.write_bytes("person \r\ncaf\u00e9".encode())
    assert cd.read_classes(str(path)) == ["person", "caf\u00e9"]


# The detector.


def test_training_lowers_the_loss():
    """Five epochs on eight synthetic roads."""
    roads = car_boxes.make_roads(8)
    arrays = car_boxes.training_arrays(roads, cd.HEIGHT, cd.WIDTH, cd.MAX_CARS)
    data = cd.TrainingData(*arrays)
    losses = cd.train(cd.build_model(), data, epochs=5, batch_size=4)
    assert losses[-1] < losses[0]


def test_a_network_with_other_outputs_than_those_of_yolov2_is_not_trained():
    """Such as YOLOv3, which has several outputs, or independent classes."""
    detector = cd.build_model()
    (head,) = detector.heads
    yolo, logistic = head._replace(kind="yolo"), head._replace(softmax=False)
    for heads in ((head, head), (yolo,), (logistic,)):
        with pytest.raises(InputError, match="one region head.* received"):
            cd.train(detector._replace(heads=heads), None)


@pytest.fixture(scope="module")
def pretrained():
    return cd.load_pretrained()


def example_road():
    """A synthetic image with cars, (380, 676, 3) uint8."""
    return car_boxes.make_roads(3, seed=7).images[2]


def test_cars_on_held_out_synthetic_roads_are_detected(pretrained):
    """AP@0.5 on 30 of them."""
    roads = car_boxes.enlarged(car_boxes.make_roads(30, seed=20_000))
    assert cd.average_precision_on(pretrained, roads) > 0.5


def test_many_images_have_the_boxes_of_each(pretrained):
    """More than sixteen images use a frozen network, in batches of one size."""
    roads = car_boxes.make_roads(18, seed=30_000).images
    together = cd.find_all(pretrained, roads)
    assert len(together) == 18
    for road, found in zip(roads, together, strict=True):
        (alone,) = cd.find_all(pretrained, [road])
        np.testing.assert_array_equal(found.classes, alone.classes)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.05)  # pixels
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)


def test_an_answer_lists_the_boxes_of_find_all(pretrained):
    """With the highest score as its confidence, and the number of cars as its text."""
    road = example_road()
    ((boxes, scores, _),) = cd.find_all(pretrained, [road])
    answer = cd.infer(pretrained, road)
    listed = answer.details["boxes"]
    assert [box["score"] for box in listed] == scores.tolist()
    assert [box["box"] for box in listed] == boxes.tolist()
    assert {box["class"] for box in listed} == {"car"}
    assert answer.confidence == scores[0]
    assert answer == f"{len(boxes)} cars"


def test_thresholds_select_the_boxes_of_an_answer(pretrained):
    """A lower score threshold gives more boxes, max_boxes the best of them."""
    road = example_road()
    many = cd.infer(pretrained, road, score_threshold=0.01, iou_threshold=0.9)
    few = cd.infer(
        pretrained, road, score_threshold=0.01, iou_threshold=0.9, max_boxes=2
    )
    default = cd.infer(pretrained, road)
    assert len(many.details["boxes"]) > len(default.details["boxes"])
    assert few.details["boxes"] == many.details["boxes"][:2]


def test_boxes_are_in_pixels_of_the_given_image(pretrained):
    """An image of twice the size has its best boxes at twice the coordinates."""
    road = Image.fromarray(example_road())
    large = road.resize((road.width * 2, road.height * 2))
    small, large = cd.find_all(pretrained, [road]) + cd.find_all(pretrained, [large])
    assert small.scores[0] > 0.9
    for box in 2 * small.boxes[small.scores > 0.9]:
        assert box_ious(box, large.boxes).max() > 0.8


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_images_of_any_mode_and_size_have_an_answer(pretrained, mode):
    """Grey, transparent and palette images; one pixel and 20 megapixels, too."""
    road = Image.fromarray(example_road())
    assert "car" in cd.infer(pretrained, road.convert(mode))
    for size in ((1, 1), (5477, 3652)):
        answer = cd.infer(pretrained, Image.new(mode, size))
        assert (answer, answer.confidence) == ("nothing found", None)


def test_an_input_that_is_not_an_image_is_an_error(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "road.jpg"
    text.write_text("not an image")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64, 3), np.nan)):
        with pytest.raises(InputError):
            cd.infer(pretrained, wrong)


def test_a_picture_shows_the_boxes_of_the_answer(pretrained):
    """It has the size of the image, which does not change."""
    road = example_road()
    before = road.copy()
    answer = cd.infer(pretrained, road)
    figure = np.asarray(cd.picture(road, answer))
    np.testing.assert_array_equal(road, before)
    assert figure.shape == road.shape
    changed = (figure != road).any(axis=2)
    for box in answer.details["boxes"]:
        y1, x1, y2, x2 = (int(edge) for edge in box["box"])
        assert changed[y2, x1:x2].all() and changed[y1:y2, x1].all()
        middle = changed[y1 + 25 : y2 - 5, x1 + 5 : x2 - 5]
        assert middle.mean() < 0.5


def test_predict_prints_the_count_and_writes_the_boxes(pretrained, tmp_path, capsys):
    """The course's function: it returns scores, boxes and classes."""
    photo, out = tmp_path / "road.png", tmp_path / "found.png"
    Image.fromarray(example_road()).save(photo)
    scores, boxes, classes = cd.predict(photo, model=pretrained, out=out)
    assert f"Found {len(boxes)} boxes for" in capsys.readouterr().out
    assert len(scores) == len(boxes) == len(classes) > 0
    before, after = np.asarray(Image.open(photo)), np.asarray(Image.open(out))
    assert before.shape == after.shape and (before != after).any()


def test_the_network_computes_the_same_after_keras_saving(pretrained, tmp_path):
    """As a .keras file, and as a clone with copied weights."""
    model, path = pretrained.model, tmp_path / "cars.keras"
    model.save(path)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    x = np.random.default_rng(0).random((1, cd.HEIGHT, cd.WIDTH, 3), "float32")
    for copy in (keras.models.load_model(path), clone):
        np.testing.assert_array_equal(copy(x), model(x))


def test_an_unknown_variant_is_an_error():
    """The message lists the variants."""
    with pytest.raises(InputError, match="yolo-fastest-1.1-xl"):
        cd.load_pretrained("yolo9000")


@pytest.mark.data
@pytest.mark.parametrize("variant", ["yolo-fastest-1.1-xl", "yolo-fastest-1.1"])
def test_published_detectors_detect_the_cars_of_the_course(variant):
    """Three large cars of test.jpg."""
    photo = files.in_data_folder("yolo/road_images/test.jpg")
    detector = cd.load_pretrained(variant)
    ((boxes, _, classes),) = cd.find_all(detector, [photo])
    cars = boxes[classes == detector.classes.index("car")]
    # Printed in the course for YOLOv2: (x1, y1, x2, y2) in pixels.
    for x1, y1, x2, y2 in [
        (367, 300, 745, 648),
        (159, 303, 346, 440),
        (947, 324, 1280, 705),
    ]:
        assert box_ious(np.float32([y1, x1, y2, x2]), cars).max() > 0.6


@pytest.mark.data
def test_every_goal_of_evaluate_is_reached(pretrained):
    """Of the rows that have one."""
    rows = cd.evaluate(pretrained)
    assert len(rows) == 3
    for row in rows:
        assert row.at_least is None or row.ours >= row.at_least, row.what
