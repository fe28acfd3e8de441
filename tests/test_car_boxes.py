"""Road pictures: the real frames are read with care, the drawn ones are exact."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import car_boxes
from dls_keras.datasets.draw import roads

LINE = "vid_4_10.jpg,20.5,30,120,90\n"


@pytest.fixture(scope="module")
def drawn():
    """24 small drawn scenes."""
    return car_boxes.make_roads(24, height=120, width=200)


@pytest.fixture
def folder(tmp_path):
    """A car_boxes folder of three frames: two boxes in 10, one in 9, none in 100."""
    (tmp_path / "images").mkdir()
    for frame in (9, 10, 100):
        picture = Image.new("RGB", (car_boxes.WIDTH, car_boxes.HEIGHT), (frame, 0, 0))
        picture.save(tmp_path / "images" / f"vid_4_{frame}.jpg")
    header = ",".join(car_boxes.HEADER) + "\n"
    lines = header + LINE + "vid_4_9.jpg,0,0,676,380\n" + LINE
    (tmp_path / "boxes.csv").write_text(lines)
    (tmp_path / "images_without_cars.txt").write_text("vid_4_100.jpg\n")
    return tmp_path


def test_frames_come_in_order_of_time_with_their_boxes(folder):
    """Frame 9 stands before 10 before 100, which has zero boxes."""
    found = car_boxes.load_car_boxes(folder)
    assert found.frames.tolist() == [9, 10, 100] and found.frames.dtype == np.int64
    assert found.images.shape == (3, 380, 676, 3) and found.images.dtype == np.uint8
    # JPEG may move a level by one or two.
    assert np.abs(found.images[:, 0, 0, 0] - [9.0, 10, 100]).max() <= 2
    assert [box.shape for box in found.boxes] == [(1, 4), (2, 4), (0, 4)]
    assert all(box.dtype == np.float32 for box in found.boxes)
    assert found.boxes[1][0].tolist() == [30, 20.5, 90, 120]  # rows first


@pytest.mark.parametrize(
    "line",
    [
        "vid_4_10.jpg,1,2,3",
        "vid_4_10.jpg,1,2,3,4,5",
        "vid_4_10.jpg,one,2,30,40",
        "vid_4_10.jpg,nan,2,30,40",
        "vid_4_10.jpg,1,2,677,40",
        "vid_4_10.jpg,-1,2,30,40",
        "vid_4_10.jpg,30,2,30,40",
        "vid_4_10.jpg,1,40,30,2",
        "../vid_4_10.jpg,1,2,30,40",
        "vid_4_ten.jpg,1,2,30,40",
        "",
    ],
)
def test_a_malformed_line_is_named(folder, line):
    """The message holds the file and the line's number, here 3."""
    table = folder / "boxes.csv"
    table.write_text(f"{','.join(car_boxes.HEADER)}\n{LINE}{line}\n")
    with pytest.raises(InputError, match=r"boxes\.csv, line 3"):
        car_boxes.load_car_boxes(folder)


@pytest.mark.parametrize("header", ["", "image,x,y,w,h\n"])
def test_a_wrong_header_is_named(folder, header):
    """A table of other columns is refused at line 1."""
    (folder / "boxes.csv").write_text(header)
    with pytest.raises(InputError, match=r"boxes\.csv, line 1"):
        car_boxes.load_car_boxes(folder)


@pytest.mark.parametrize("name", ["vid_4_10.jpg", "holiday.jpg"])
def test_a_wrong_name_among_the_pictures_without_cars_is_named(folder, name):
    """A picture with boxes, or of another kind, cannot stand in the list."""
    (folder / "images_without_cars.txt").write_text(f"vid_4_100.jpg\n{name}\n")
    with pytest.raises(InputError, match=r"without_cars\.txt, line 2"):
        car_boxes.load_car_boxes(folder)


@pytest.mark.parametrize(
    "name", ["boxes.csv", "images_without_cars.txt", "images/vid_4_9.jpg"]
)
def test_a_missing_file_is_named(folder, name):
    """Each of the files that the folder needs is asked for by name."""
    (folder / name).unlink()
    with pytest.raises(MissingFileError, match=name.split("/")[-1]):
        car_boxes.load_car_boxes(folder)


def test_a_picture_of_another_size_is_refused(folder):
    """The boxes are pixels of 676 x 380; another size would misplace them."""
    Image.new("RGB", (100, 50)).save(folder / "images" / "vid_4_9.jpg")
    with pytest.raises(InputError, match="100 x 50 pixels, expected 676 x 380"):
        car_boxes.load_car_boxes(folder)


def test_without_data_the_message_names_the_drawn_roads(monkeypatch, tmp_path):
    """The set is no single file to download: put it there, or draw."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    with pytest.raises(MissingFileError, match="as one file.*make_roads"):
        car_boxes.load_car_boxes()
    assert car_boxes.road_photos() == []


def test_the_last_frames_are_the_test_set():
    """Sorted by number whatever the order, boxes stay with their pictures."""
    frames = np.array([30, 10, 50, 20, 40])
    images = np.zeros((5, 2, 2, 3), np.uint8) + frames[:, None, None, None]
    boxes = [np.full((1, 4), frame, np.float32) for frame in frames]
    parts = car_boxes.split_by_time(
        car_boxes.Roads(images.astype(np.uint8), boxes, frames)
    )
    for part, expected in zip(parts, ([10, 20, 30, 40], [50]), strict=True):
        assert part.frames.tolist() == expected
        assert part.images[:, 0, 0, 0].tolist() == expected
        assert [box[0, 0] for box in part.boxes] == expected


@pytest.mark.parametrize("last", [0, 1, -0.5, 3])
def test_a_split_leaves_no_part_empty(drawn, last):
    """Shares at or beyond 0 and 1 are refused."""
    with pytest.raises(InputError, match="leaves one part empty"):
        car_boxes.split_by_time(drawn, last)


def test_drawn_roads_can_be_drawn_again():
    """The same seed gives the same pictures, of which m only says how many."""
    first, second = (
        car_boxes.make_roads(m, height=80, width=120, seed=4) for m in (2, 3)
    )
    np.testing.assert_array_equal(first.images, second.images[:2])
    for a, b in zip(first.boxes, second.boxes[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    other = car_boxes.make_roads(2, height=80, width=120, seed=5)
    assert (other.images != first.images).any()


def test_drawn_roads_have_the_form_of_the_real_ones(drawn):
    """Same types and axes; at most four boxes, each with an inside, in the picture."""
    assert drawn.images.shape == (24, 120, 200, 3) and drawn.images.dtype == np.uint8
    assert drawn.frames.tolist() == list(range(24)) and drawn.frames.dtype == np.int64
    counts = {len(box) for box in drawn.boxes}
    assert counts <= {0, 1, 2, 3, 4} and {0, 1, 2} <= counts
    for box in drawn.boxes:
        assert box.shape[1:] == (4,) and box.dtype == np.float32
        assert (box[:, :2] >= 0).all() and (box[:, 2:] <= [120, 200]).all()
        assert (box[:, :2] < box[:, 2:]).all()
    assert all(image.std() > 5 for image in drawn.images)  # nothing blank


def test_drawn_boxes_touch_the_painted_car_on_all_sides():
    """The pixels that a car fills end where its box does."""
    seen = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        canvas = roads._Canvas(rng, car_boxes.HEIGHT, car_boxes.WIDTH)
        lanes, _ = roads._draw_ground(rng, canvas)
        for car in roads._place_cars(rng, canvas, lanes):
            canvas.owner.paste(0, (0, 0, car_boxes.WIDTH, car_boxes.HEIGHT))
            car.paint()
            rows, columns = np.nonzero(np.asarray(canvas.owner) == car.number)
            pixels = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            for box in roads._seen_boxes(canvas, [car]):
                # Polygons are filled with whole pixels, edges included.
                np.testing.assert_allclose(pixels, box, atol=1)
                seen += 1
    assert seen > 6


def test_a_hidden_car_has_no_box():
    """A wall before a car takes its box away; one that hides half leaves it."""
    rng = np.random.default_rng(0)
    canvas = roads._Canvas(rng, car_boxes.HEIGHT, car_boxes.WIDTH)
    middle = 20 * canvas.ahead
    car = roads._Car(rng, canvas, middle, heading=np.pi)
    car.number = 1
    car.paint()
    wall = 10 * canvas.ahead
    canvas.upright(*(wall - 5 * canvas.right), 5, 0, 5, (90, 90, 90))
    assert len(roads._seen_boxes(canvas, [car])) == 1
    canvas.upright(*wall, 5, 0, 5, (90, 90, 90))
    assert len(roads._seen_boxes(canvas, [car])) == 0


@pytest.mark.parametrize("wrong", [{"m": 0}, {"m": 1, "height": 20}])
def test_impossible_drawings_are_refused(wrong):
    """No pictures, or pictures too small for a road."""
    with pytest.raises(InputError, match="at least one picture"):
        car_boxes.make_roads(**wrong)


def test_iou_of_sizes_by_hand():
    """2 x 2 against 1 x 4 share 2 of 6; against themselves all."""
    sizes = np.array([[2.0, 2], [1, 4]])
    np.testing.assert_allclose(
        car_boxes.size_iou(sizes, sizes), [[1, 1 / 3], [1 / 3, 1]], rtol=1e-15
    )


def test_one_anchor_is_the_mean_size():
    """With k = 1 the k-means is a mean, of (width, height)."""
    boxes = [np.array([[0, 0, 1, 2], [5, 5, 8, 9]]), np.zeros((0, 4)), [[0, 0, 5, 3]]]
    np.testing.assert_allclose(car_boxes.anchors(boxes, k=1), [[3, 3]], rtol=1e-6)


def test_anchors_find_the_sizes_that_were_there():
    """Three kinds of boxes, a little shaken, give three anchors by area."""
    rng = np.random.default_rng(1)
    sizes = np.repeat([[100.0, 40], [10, 12], [30, 60]], 50, axis=0)
    sizes = sizes * rng.uniform(0.95, 1.05, sizes.shape)
    corners = np.hstack([np.zeros((150, 2)), sizes[:, ::-1]])
    found = car_boxes.anchors(corners, k=3)
    assert found.dtype == np.float32
    # The mean of 50 sizes shaken by 5 % lies within 1.5 %.
    np.testing.assert_allclose(found, [[10, 12], [30, 60], [100, 40]], rtol=0.015)
    np.testing.assert_array_equal(found, car_boxes.anchors(corners, k=3))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 6))
def test_anchors_fit_better_than_boxes_drawn_by_lot(seed, k):
    """Their mean IoU is at least that of k random boxes, in the mean of 20 draws."""
    rng = np.random.default_rng(seed)
    sizes = np.exp(rng.normal(3, 0.6, (60, 2)))
    found = car_boxes.anchors(np.hstack([np.zeros((60, 2)), sizes[:, ::-1]]), k)

    def score(others):
        return car_boxes.size_iou(sizes, others).max(axis=1).mean()

    by_lot = [score(rng.choice(sizes, k, replace=False)) for _ in range(20)]
    assert score(found) >= np.mean(by_lot)


@pytest.mark.parametrize("boxes, k", [([], 1), ([[[0, 0, 1, 1]] * 4], 2)])
def test_too_few_boxes_for_k_anchors_are_refused(boxes, k):
    """Equal boxes count once."""
    with pytest.raises(InputError, match="number of different box sizes"):
        car_boxes.anchors(boxes, k)


@pytest.mark.data
def test_the_real_frames_are_all_there():
    """415 frames, 355 of them with 559 boxes; the split keeps their order."""
    found = car_boxes.load_car_boxes()
    assert found.images.shape == (415, 380, 676, 3)
    assert (np.diff(found.frames) > 0).all()
    assert sum(map(len, found.boxes)) == 559
    assert sum(len(box) > 0 for box in found.boxes) == 355
    train, test = car_boxes.split_by_time(found)
    assert len(train.boxes) == 332 and len(test.boxes) == 83
    assert train.frames[-1] < test.frames[0]


@pytest.mark.data
def test_class_names_and_anchors_are_the_published_ones():
    """Equal to the files that the course hands out."""
    folder = files.data_folder() / "yolo"
    names = (folder / "coco_classes.txt").read_text().splitlines()
    assert list(car_boxes.COCO_CLASSES) == names and len(names) == 80
    numbers = [float(x) for x in (folder / "yolo_anchors.txt").read_text().split(",")]
    assert np.ravel(car_boxes.YOLO_ANCHORS).tolist() == numbers


@pytest.mark.data
def test_road_photos_are_found():
    """The course's 1280 x 720 photos, sorted by name."""
    photos = car_boxes.road_photos()
    assert photos == sorted(photos) and photos
    with Image.open(photos[0]) as photo:
        assert photo.size == (1280, 720)
