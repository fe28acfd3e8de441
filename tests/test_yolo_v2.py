"""YOLOv2: the published sizes of the networks, anchors, random crops and the loss."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.course4 import car_detection
from dls_keras.networks import darknet, yolo_v2

# The networks.


def test_yolo_v2_has_the_published_number_of_parameters():
    """As the course's notebook prints it, and the shape of the output."""
    model = yolo_v2.yolo_v2()
    trainable = sum(int(np.prod(v.shape)) for v in model.trainable_variables)
    assert (model.count_params(), trainable) == (50_983_561, 50_962_889)
    assert model.output_shape == (None, 19, 19, 425)


def test_yolo_v2_can_have_the_passthrough_of_the_course():
    """Darknet's order is for Darknet's file, space_to_depth for `yolo.h5`."""
    model = yolo_v2.yolo_v2((32, 32, 3), classes=1, darknet_reorg=False)
    x = np.random.default_rng(0).random((1, 2, 2, 64), "float32")
    expected = tf.nn.space_to_depth(x, 2)
    np.testing.assert_array_equal(model.get_layer("reorg_27")(x), expected)


def test_the_compact_network_has_the_size_of_its_docstring():
    """Parameters and operations: 2 x kernel x positions for each convolution."""
    model = yolo_v2.compact_yolo_v2()
    assert model.output_shape == (None, 12, 22, 30)
    assert model.count_params() == 1_264_206
    convolutions = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    operations = sum(
        2 * np.prod(layer.kernel.shape) * np.prod(layer.output.shape[1:3])
        for layer in convolutions
    )
    assert round(operations / 1e9, 2) == 0.52
    assert yolo_v2.compact_yolo_v2((64, 96, 3), 3, 7).output_shape == (None, 4, 6, 36)


@pytest.mark.parametrize("darknet_reorg", [True, False])
def test_yolo_v2_computes_the_same_after_keras_saving(tmp_path, darknet_reorg):
    """With either order of its passthrough."""
    model = yolo_v2.yolo_v2((32, 64, 3), classes=1, darknet_reorg=darknet_reorg)
    model.save(tmp_path / "yolo.keras")
    x = np.random.default_rng(0).random((1, 32, 64, 3), "float32")
    loaded = keras.models.load_model(tmp_path / "yolo.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.data
def test_coco_anchors_are_the_published_ones():
    """Equal to the file that the course provides."""
    text = files.in_data_folder("yolo/yolo_anchors.txt").read_text()
    numbers = [float(number) for number in text.split(",")]
    assert np.ravel(yolo_v2.COCO_ANCHORS).tolist() == numbers


@pytest.mark.data
def test_yolo_v2_in_code_is_yolo_v2_in_the_cfg():
    """The same weights under the same names give the same numbers."""
    shape = (64, 96, 3)
    code = yolo_v2.yolo_v2(shape)
    cfg = files.in_data_folder("yolo/cfg/yolov2.cfg").read_text()
    model = darknet.build(darknet.parse(cfg), input_shape=shape).model
    assert model.count_params() == 50_983_561
    rng = np.random.default_rng(0)
    for layer in model.layers:
        same = code.get_layer(layer.name)
        if layer.name.startswith("bn"):
            layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.weights])
        assert [w.shape for w in same.weights] == [w.shape for w in layer.weights]
        same.set_weights(layer.get_weights())
    x = rng.random((1, *shape), "float32")
    expected = np.asarray(model(x))
    np.testing.assert_allclose(code(x), expected, atol=1e-5 * np.abs(expected).max())


# Anchors.


def test_iou_of_sizes_by_hand():
    """2 x 2 and 1 x 4 share 2 of 6; with themselves everything."""
    sizes = np.array([[2.0, 2], [1, 4]])
    np.testing.assert_allclose(
        yolo_v2.size_iou(sizes, sizes), [[1, 1 / 3], [1 / 3, 1]], rtol=1e-15
    )


def test_one_anchor_is_the_mean_size():
    """With one cluster k-means is a mean, of (width, height)."""
    boxes = [np.array([[0, 0, 1, 2], [5, 5, 8, 9]]), np.zeros((0, 4)), [[0, 0, 5, 3]]]
    np.testing.assert_allclose(yolo_v2.find_anchors(boxes, 1), [[3, 3]], rtol=1e-6)


def test_anchors_are_the_centres_of_clusters():
    """Three clusters of sizes give three anchors, ascending by area."""
    rng = np.random.default_rng(1)
    sizes = np.repeat([[100.0, 40], [10, 12], [30, 60]], 50, axis=0)
    sizes = sizes * rng.uniform(0.95, 1.05, sizes.shape)
    corners = np.hstack([np.zeros((150, 2)), sizes[:, ::-1]])
    found = yolo_v2.find_anchors(corners, 3)
    assert found.dtype == np.float32
    # The mean of 50 sizes with errors up to 5 % is within 1.5 %.
    np.testing.assert_allclose(found, [[10, 12], [30, 60], [100, 40]], rtol=0.015)
    np.testing.assert_array_equal(found, yolo_v2.find_anchors(corners, 3))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_anchors_fit_better_than_random_boxes(seed, n_a):
    """Their mean IoU is at least that of n_a random boxes, on average of 20 choices."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(3, 0.6, (60, 2)))
    found = yolo_v2.find_anchors(np.hstack([np.zeros((60, 2)), sizes[:, ::-1]]), n_a)

    def score(others):
        return yolo_v2.size_iou(sizes, others).max(axis=1).mean()

    random = [score(rng.choice(sizes, n_a, replace=False)) for _ in range(20)]
    assert score(found) >= np.mean(random)


@pytest.mark.parametrize("boxes, n_a", [([], 1), ([[[0, 0, 1, 1]] * 4], 2)])
def test_fewer_different_sizes_than_anchors_are_an_error(boxes, n_a):
    """Equal boxes count once."""
    with pytest.raises(InputError, match="number of different box sizes"):
        yolo_v2.find_anchors(boxes, n_a)


# Random crops.


def test_boxes_move_with_the_pixels_of_a_crop():
    """A white rectangle on black stays where its box is."""
    x = np.zeros((16, 48, 64, 3), "float32")
    boxes = np.zeros((16, 2, 4), "float32")
    boxes[:, 0] = np.float32([12, 24, 30, 44]) / [48, 64, 48, 64]
    x[:, 12:30, 24:44] = 1
    crops, boxes = yolo_v2.random_crops(
        tf.constant([3, 4]), tf.constant(x), tf.constant(boxes)
    )
    for crop, (box, none) in zip(crops.numpy(), boxes.numpy(), strict=True):
        rows, columns = np.nonzero(crop[..., 0] > 0.5)
        white = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        np.testing.assert_allclose(box * [48, 64, 48, 64], white, atol=1.6)
        assert not none.any()


def test_some_crops_are_flipped():
    """A rectangle at the left appears at the right in about half of the crops."""
    x = np.zeros((64, 32, 32, 3), "float32")
    boxes = np.tile(np.float32([0.3, 0.3, 0.7, 0.5]), (64, 1, 1))
    _, boxes = yolo_v2.random_crops(
        tf.constant([0, 1]), tf.constant(x), tf.constant(boxes)
    )
    centres = boxes.numpy()[:, 0, 1::2].mean(axis=1)
    assert 16 < np.sum(centres > 0.5) < 48


# The loss.

ANCHORS = ((1.0, 1.0), (3.0, 1.5))
ROWS, COLUMNS = 6, 8


def loss_of(feats, box):
    """The loss of the outputs (6, 8, 2, 6) for one image with one true box."""
    feats = tf.constant(feats.reshape(1, ROWS, COLUMNS, 12))
    box_xy, box_wh, _, _ = car_detection.yolo_head(feats, ANCHORS, 1)
    predicted = car_detection.yolo_boxes_to_corners(box_xy, box_wh)
    boxes = tf.constant(np.float32([[box, [0, 0, 0, 0]]]))
    return float(yolo_v2.yolo_v2_loss(feats, predicted, boxes, ANCHORS))


BOX = [0.30, 0.20, 0.55, 0.60]


def perfect_outputs():
    """The outputs that decode to BOX, and the cell and anchor that predict it."""
    x, y, w, h = 0.40 * COLUMNS, 0.425 * ROWS, 0.40 * COLUMNS, 0.25 * ROWS
    feats = np.full((ROWS, COLUMNS, 2, 6), -9, "float32")
    feats[..., :4] = 0

    def logit(p):
        return np.log(p / (1 - p))

    xy, wh = (logit(x % 1), logit(y % 1)), (np.log(w / 3.0), np.log(h / 1.5))
    index = int(y), int(x), 1
    feats[index] = [*xy, *wh, 9, 0]
    return feats, index


def test_the_loss_is_lowest_at_the_true_box():
    """A change of any of the five numbers of its anchor increases it."""
    best, index = perfect_outputs()
    lowest = loss_of(best, BOX)
    assert lowest < 0.1
    for k, change in ((0, 1.0), (1, -1.0), (2, 0.5), (3, -0.5), (4, -4.0)):
        worse = best.copy()
        worse[*index, k] += change
        assert loss_of(worse, BOX) > lowest + 0.01


def test_objectness_costs_only_where_no_true_box_is_near():
    """An unassigned anchor has no loss if its box has IoU >= 0.5 with a true box."""
    best, (row, column, anchor) = perfect_outputs()
    near, far = best.copy(), best.copy()
    near[row, column, 0] = best[row, column, anchor]  # the same centre,
    near[row, column, 0, 2:4] = np.log([3.2 / 1.0, 1.5 / 1.0])  # and the same size
    far[0, 0, 0, 4] = 9
    assert loss_of(near, BOX) <= loss_of(best, BOX)
    assert loss_of(far, BOX) > loss_of(best, BOX) + 8


def test_a_box_is_assigned_to_the_cell_of_its_centre_and_the_anchor_of_its_shape():
    """Image, row, column and anchor; a centre on the border counts as inside."""
    centres = tf.constant([[[3.2, 2.5], [8.0, 6.0]]])
    sizes = tf.constant([[[3.2, 1.5], [0.5, 0.8]]])
    anchors = tf.constant(ANCHORS)
    found = yolo_v2.assigned_anchors(centres, sizes, anchors, ROWS, COLUMNS)
    np.testing.assert_array_equal(found, [[[0, 2, 3, 1], [0, 5, 7, 0]]])
