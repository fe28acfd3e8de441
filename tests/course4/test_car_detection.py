"""What the reference cases of car detection cannot say."""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core.errors import InputError
from dls_keras.course4 import car_detection as cd
from dls_keras.datasets import car_boxes
from dls_keras.fast import boxes as fast_boxes
from dls_keras.networks.darknet import Head

IMAGE_SHAPE = (720, 1280)


def feats_of(seed, rows=6, columns=9, n_a=3, classes=4, spread=2.0):
    """Raw numbers as a network gives them, (rows, columns, channels) float32."""
    rng = np.random.default_rng(seed)
    shape = (rows, columns, n_a * (5 + classes))
    return rng.normal(0, spread, shape).astype("float32")


def region(n_a=3, classes=4):
    anchors = tuple((1.0 + i, 0.5 + i) for i in range(n_a))
    return Head("region", anchors, classes, 16)


def by_the_course(feats, head, **settings):
    """boxes, scores, classes by `yolo_head` and `yolo_eval`."""
    outputs = cd.yolo_head(feats[None], head.anchors, head.classes)
    scores, boxes, classes = cd.yolo_eval(outputs, IMAGE_SHAPE, **settings)
    return np.asarray(boxes), np.asarray(scores), np.asarray(classes)


@given(
    seed=st.integers(0, 10_000),
    max_boxes=st.integers(1, 12),
    score_threshold=st.sampled_from([0.05, 0.3, 0.6, 0.95]),
    iou_threshold=st.sampled_from([0.3, 0.5, 0.7]),
)
@settings(max_examples=25, deadline=None)
def test_the_lazy_form_finds_what_the_course_functions_find(seed, **settings):
    """The same boxes in the same order, in NumPy."""
    feats, head = feats_of(seed), region()
    expected = by_the_course(feats, head, **settings)
    got = fast_boxes.detect([feats], [head], IMAGE_SHAPE, **settings)
    np.testing.assert_array_equal(got.classes, expected[2])
    # float32 through other formulas of sigmoid and softmax
    np.testing.assert_allclose(got.scores, expected[1], rtol=1e-5)
    np.testing.assert_allclose(got.boxes, expected[0], rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize("seed", range(3))
def test_the_graph_form_finds_what_the_course_functions_find(seed):
    """The same boxes in the same order, in one tf.function that is traced once."""
    feats, head = feats_of(seed), region()
    before = cd.detect_in_graph.experimental_get_tracing_count()
    for threshold in (0.3, 0.6):
        scores, boxes, classes = cd.detect_in_graph(
            tf.constant(feats),
            tf.constant(head.anchors),
            tf.constant(IMAGE_SHAPE, tf.float32),
            tf.constant(10),
            tf.constant(threshold),
            tf.constant(0.5),
        )
        expected = by_the_course(feats, head, score_threshold=threshold)
        np.testing.assert_allclose(boxes, expected[0], rtol=1e-4, atol=1e-2)
        np.testing.assert_allclose(scores, expected[1], rtol=1e-5)
        np.testing.assert_array_equal(classes, expected[2])
    assert cd.detect_in_graph.experimental_get_tracing_count() <= before + 1


def test_nothing_there_is_no_error():
    """No logit reaches the threshold: three empty arrays."""
    feats = feats_of(0) - 100
    boxes, scores, classes = fast_boxes.detect([feats], [region()], IMAGE_SHAPE)
    assert boxes.shape == (0, 4) and scores.shape == classes.shape == (0,)


def test_a_yolov3_head_scores_each_class_by_itself():
    """One cell, one anchor in pixels: the numbers worked out by hand."""
    feats = np.zeros((2, 2, 7), "float32")
    feats[..., 4] = -50
    feats[1, 0] = [0, 0, 0, 0, 50, 1.0, 2.0]
    head = Head("yolo", ((32.0, 16.0),), 2, 32)
    boxes, scores, classes = fast_boxes.detect(
        [feats], [head], (64, 64), score_threshold=0.5
    )
    np.testing.assert_allclose(boxes, [[40, 0, 56, 32]])
    np.testing.assert_allclose(scores, 1 / (1 + np.exp(-2.0)), rtol=1e-6)
    assert classes == [1]


boxes_xy = st.tuples(*[st.integers(0, 20)] * 4).map(
    lambda b: (b[0], b[1], b[0] + b[2] + 1, b[1] + b[3] + 1)
)


@given(boxes_xy, boxes_xy)
@settings(max_examples=50, deadline=None)
def test_iou_counts_pixels(box1, box2):
    """Intersection over union equals the counts on a grid of unit cells."""

    def painted(box):
        x1, y1, x2, y2 = box
        grid = np.zeros((45, 45), bool)
        grid[y1:y2, x1:x2] = True
        return grid

    one, two = painted(box1), painted(box2)
    expected = np.sum(one & two) / np.sum(one | two)
    assert cd.iou(box1, box2) == pytest.approx(expected, abs=1e-12)
    assert fast_boxes.box_ious(np.float64(box1), np.float64([box2]))[
        0
    ] == pytest.approx(expected)


@given(st.integers(0, 10_000), st.sampled_from([0.2, 0.5, 0.8]))
@settings(max_examples=25, deadline=None)
def test_suppression_keeps_what_tensorflow_keeps(seed, iou_threshold):
    """Our loop against tf.image.non_max_suppression."""
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 50, (30, 2))
    boxes = np.hstack([corner, corner + rng.uniform(5, 30, (30, 2))]).astype("float32")
    scores = rng.permutation(30).astype("float32") / 30
    expected = tf.image.non_max_suppression(boxes, scores, 12, iou_threshold)
    kept = fast_boxes.non_max_suppression(boxes, scores, 12, iou_threshold)
    np.testing.assert_array_equal(kept, expected)


@given(st.integers(0, 10_000), st.integers(1, 80), st.sampled_from([3, 10, 90]))
@settings(max_examples=25, deadline=None)
def test_pictures_together_have_the_boxes_of_each(seed, most, max_boxes):
    """Three crowded pictures at once and one by one: the same boxes, best first."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, most + 1, 3)
    pictures = rng.permutation(np.repeat(range(3), counts))
    corner = rng.uniform(0, 99, (len(pictures), 2))
    boxes = np.hstack([corner, corner + rng.uniform(5, 30, corner.shape)])
    scores = rng.permutation(len(pictures)) / (len(pictures) + 1)
    together = fast_boxes.non_max_suppression(boxes, scores, max_boxes, 0.3, pictures)
    alone = []
    for picture in range(3):
        own = np.flatnonzero(pictures == picture)
        kept = fast_boxes.non_max_suppression(boxes[own], scores[own], max_boxes, 0.3)
        alone += own[kept].tolist()
    assert together.tolist() == alone


@pytest.mark.parametrize("threshold", [0.05, 0.6, 1.0])
def test_a_batch_is_detected_as_its_pictures_are(threshold):
    """Two heads and pictures of several shapes; one of them shows nothing."""
    feats = [
        np.stack([feats_of(s), feats_of(s + 3), feats_of(s) - 100]) for s in (0, 1)
    ]
    shapes, heads = [IMAGE_SHAPE, (50, 60), (8, 8)], [region(), region()]
    found = fast_boxes.detect_all(feats, heads, shapes, score_threshold=threshold)
    for i, together in enumerate(found):
        parts, shape = [part[i] for part in feats], shapes[i]
        alone = fast_boxes.detect(parts, heads, shape, score_threshold=threshold)
        for one, other in zip(together, alone, strict=True):
            np.testing.assert_array_equal(one, other)
    assert len(found[2].boxes) == 0


def detections(*boxes_and_scores):
    boxes = np.float32([box for box, _ in boxes_and_scores]).reshape(-1, 4)
    scores = np.float32([score for _, score in boxes_and_scores])
    return fast_boxes.Detections(boxes, scores, np.zeros(len(scores), int))


def test_average_precision_by_hand():
    """Right, wrong, right: precision 1 up to half the recall, then 2/3."""
    box, other, far = [0, 0, 10, 10], [20, 20, 30, 30], [50, 50, 60, 60]
    found = [detections((box, 0.9), (far, 0.8), (other, 0.7))]
    truths = [np.float32([box, other])]
    assert fast_boxes.average_precision(found, truths) == pytest.approx(
        0.5 + 0.5 * 2 / 3
    )


def test_average_precision_counts_a_box_once():
    """The second box on the same car is wrong, and a missed car costs recall."""
    box = [0, 0, 10, 10]
    twice = [detections((box, 0.9), (box, 0.8)), detections()]
    truths = [np.float32([box]), np.float32([box])]
    assert fast_boxes.average_precision(twice, truths) == pytest.approx(0.5)
    assert fast_boxes.average_precision([detections()] * 2, truths) == 0.0


def test_a_crop_moves_boxes_with_their_pixels():
    """White boxes on black stay exactly where the moved boxes say."""
    x = np.zeros((16, 48, 64, 3), "float32")
    boxes = np.zeros((16, 2, 4), "float32")
    boxes[:, 0] = np.float32([12, 24, 30, 44]) / [48, 64, 48, 64]
    x[:, 12:30, 24:44] = 1
    x, boxes = cd._crop(tf.constant([3, 4]), tf.constant(x), tf.constant(boxes))
    for picture, (box, none) in zip(x.numpy(), boxes.numpy(), strict=True):
        rows, columns = np.nonzero(picture[..., 0] > 0.5)
        seen = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_allclose(box * [48, 64, 48, 64], seen, atol=1.6)
        assert not none.any()


def test_the_loss_is_lowest_at_the_truth():
    """Numbers that decode to the true box cost less than any neighbour's."""
    anchors = ((1.0, 1.0), (3.0, 1.5))
    box = np.float32([[[0.30, 0.20, 0.55, 0.60], [0, 0, 0, 0]]])
    rows, columns = 6, 8
    cx, cy, w, h = 0.40 * columns, 0.425 * rows, 0.40 * columns, 0.25 * rows
    best = np.full((rows, columns, 2, 6), -9, "float32")
    best[..., :4] = 0
    logit = lambda p: np.log(p / (1 - p))  # noqa: E731
    best[int(cy), int(cx), 1] = [
        *(logit(cx % 1), logit(cy % 1), np.log(w / 3.0), np.log(h / 1.5)),
        *(9, 0),
    ]

    def loss(feats):
        return float(
            cd.yolo_loss(
                tf.constant(feats.reshape(1, rows, columns, 12)),
                tf.constant(box),
                anchors,
            )
        )

    lowest = loss(best)
    assert lowest < 0.1
    for k, change in ((0, 1.0), (1, -1.0), (2, 0.5), (3, -0.5), (4, -4.0)):
        worse = best.copy()
        worse[int(cy), int(cx), 1, k] += change
        assert loss(worse) > lowest + 0.01


def test_training_goes_downhill():
    """Five epochs on eight drawn roads, each epoch less wrong than the first."""
    pictures = car_boxes.make_roads(8)
    data = cd.TrainingData(cd._shrink(pictures.images), cd._padded(pictures))
    losses = cd.train(cd.build_model(), data, epochs=5, batch_size=4)
    assert losses[-1] < losses[0]


@pytest.fixture(scope="module")
def pretrained():
    return cd.load_pretrained()


def test_drawn_cars_are_found(pretrained):
    """AP@0.5 on 30 drawn roads that training has never seen."""
    pictures = cd.loosened(car_boxes.make_roads(30, seed=20_000))
    assert cd.average_precision_on(pretrained, pictures) > 0.5


def test_many_pictures_have_the_boxes_of_each(pretrained):
    """Beyond sixteen a frozen network answers, in batches of one size."""
    pictures = car_boxes.make_roads(18, seed=30_000).images
    together = cd.find_all(pretrained, pictures)
    assert len(together) == 18
    for picture, found in zip(pictures, together, strict=True):
        (alone,) = cd.find_all(pretrained, [picture])
        np.testing.assert_array_equal(found.classes, alone.classes)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.05)  # pixels
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)


def test_boxes_are_in_pixels_of_the_picture_given(pretrained):
    """The same road in twice the size has its best boxes at twice the place."""
    road = Image.fromarray(cd.example_road())
    small = cd.infer(pretrained, road)
    large = cd.infer(pretrained, road.resize((road.width * 2, road.height * 2)))
    for box in 2 * small.boxes[small.scores > 0.9]:
        assert fast_boxes.box_ious(box, large.boxes).max() > 0.8


@pytest.mark.parametrize("mode", ["L", "RGBA", "P"])
def test_pictures_of_any_mode_are_searched(pretrained, mode):
    """Grey, transparent and palette pictures; one pixel and 20 megapixels too."""
    road = Image.fromarray(cd.example_road())
    assert len(cd.infer(pretrained, road.convert(mode))) == 3
    assert len(cd.infer(pretrained, Image.new(mode, (1, 1)))) == 3
    assert len(cd.infer(pretrained, Image.new(mode, (5477, 3652)))) == 3


def test_what_is_no_picture_is_told(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "road.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64, 3), np.nan)):
        with pytest.raises(InputError):
            cd.infer(pretrained, wrong)


def test_predict_prints_and_draws(pretrained, tmp_path, capsys):
    """The course's call: scores, boxes, classes, and a picture where asked."""
    photo, out = tmp_path / "road.png", tmp_path / "found.png"
    Image.fromarray(cd.example_road()).save(photo)
    scores, boxes, classes = cd.predict(photo, model=pretrained, out=out)
    assert f"Found {len(boxes)} boxes for" in capsys.readouterr().out
    assert len(scores) == len(boxes) == len(classes) > 0
    before, after = np.asarray(Image.open(photo)), np.asarray(Image.open(out))
    assert before.shape == after.shape and (before != after).any()


def test_an_unknown_variant_is_told():
    """The variants that exist are named."""
    with pytest.raises(InputError, match="yolo-fastest-1.1-xl"):
        cd.load_pretrained("yolo9000")


@pytest.mark.data
@pytest.mark.parametrize("variant", ["yolo-fastest-1.1-xl", "yolo-fastest-1.1"])
def test_published_detectors_find_the_cars_of_the_course(variant):
    """The five large cars of test.jpg, as any detector of COCO should."""
    photo = cd.files.in_data_folder("yolo/road_images/test.jpg")
    detector = cd.load_pretrained(variant)
    boxes, _, classes = cd.infer(detector, photo)
    cars = boxes[classes == detector.classes.index("car")]
    # Printed in the course for YOLOv2: (x1, y1, x2, y2) in pixels.
    for x1, y1, x2, y2 in [
        (367, 300, 745, 648),
        (159, 303, 346, 440),
        (947, 324, 1280, 705),
    ]:
        assert fast_boxes.box_ious(np.float32([y1, x1, y2, x2]), cars).max() > 0.6


@pytest.mark.data
def test_precision_is_what_the_contract_wants(pretrained):
    """Every row with a goal reaches it."""
    rows = cd.evaluate(pretrained)
    assert len(rows) == 3
    for what, ours, goal in rows:
        assert goal is None or ours >= goal, what
