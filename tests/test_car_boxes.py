"""Images of roads: the real frames are checked when read, synthetic boxes are exact."""

import numpy as np
import pytest
from PIL import Image

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import car_boxes
from dls_keras.datasets.draw import roads

LINE = "vid_4_10.jpg,20.5,30,120,90\n"


@pytest.fixture(scope="module")
def synthetic():
    """24 small synthetic images."""
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
    """Frames 9, 10 and 100; the last one has no boxes."""
    found = car_boxes.load_car_boxes(folder)
    assert found.frames.tolist() == [9, 10, 100] and found.frames.dtype == np.int64
    assert found.images.shape == (3, 380, 676, 3) and found.images.dtype == np.uint8
    # JPEG may change a value by one or two.
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
    """The message has the file and the number of the line, here 3."""
    table = folder / "boxes.csv"
    table.write_text(f"{','.join(car_boxes.HEADER)}\n{LINE}{line}\n")
    with pytest.raises(InputError, match=r"boxes\.csv, line 3"):
        car_boxes.load_car_boxes(folder)


@pytest.mark.parametrize("header", ["", "image,x,y,w,h\n"])
def test_a_wrong_header_is_named(folder, header):
    """A table with other columns is an error in line 1."""
    (folder / "boxes.csv").write_text(header)
    with pytest.raises(InputError, match=r"boxes\.csv, line 1"):
        car_boxes.load_car_boxes(folder)


@pytest.mark.parametrize("name", ["vid_4_10.jpg", "holiday.jpg"])
def test_a_wrong_name_in_the_list_of_images_without_cars_is_named(folder, name):
    """An image that has boxes, or one with another kind of name."""
    (folder / "images_without_cars.txt").write_text(f"vid_4_100.jpg\n{name}\n")
    with pytest.raises(InputError, match=r"without_cars\.txt, line 2"):
        car_boxes.load_car_boxes(folder)


@pytest.mark.parametrize(
    "name", ["boxes.csv", "images_without_cars.txt", "images/vid_4_9.jpg"]
)
def test_a_missing_file_is_named(folder, name):
    """Whichever file of the folder is missing."""
    (folder / name).unlink()
    with pytest.raises(MissingFileError, match=name.split("/")[-1]):
        car_boxes.load_car_boxes(folder)


def test_an_image_of_another_size_is_an_error(folder):
    """The boxes are in pixels of 676 x 380."""
    Image.new("RGB", (100, 50)).save(folder / "images" / "vid_4_9.jpg")
    with pytest.raises(InputError, match="100 x 50 pixels, expected 676 x 380"):
        car_boxes.load_car_boxes(folder)


def test_without_data_there_are_no_road_photos(monkeypatch):
    """The course's photos are not necessary."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    assert car_boxes.road_photos() == []


def test_the_last_frames_are_the_test_set():
    """Sorted by number whatever the order, with their own boxes."""
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
def test_a_split_with_an_empty_part_is_an_error(synthetic, last):
    """Fractions that are not between 0 and 1."""
    with pytest.raises(InputError, match="leaves one part empty"):
        car_boxes.split_by_time(synthetic, last)


def test_the_same_seed_gives_the_same_images():
    """Whatever their number m is."""
    first, second = (
        car_boxes.make_roads(m, height=80, width=120, seed=4) for m in (2, 3)
    )
    np.testing.assert_array_equal(first.images, second.images[:2])
    for a, b in zip(first.boxes, second.boxes[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    other = car_boxes.make_roads(2, height=80, width=120, seed=5)
    assert (other.images != first.images).any()


def test_synthetic_roads_have_the_form_of_the_real_ones(synthetic):
    """Same types and axes; at most four boxes, each of positive size, in the image."""
    images, boxes, frames = synthetic
    assert images.shape == (24, 120, 200, 3) and images.dtype == np.uint8
    assert frames.tolist() == list(range(24)) and frames.dtype == np.int64
    counts = {len(box) for box in boxes}
    assert counts <= {0, 1, 2, 3, 4} and {0, 1, 2} <= counts
    for box in boxes:
        assert box.shape[1:] == (4,) and box.dtype == np.float32
        assert (box[:, :2] >= 0).all() and (box[:, 2:] <= [120, 200]).all()
        assert (box[:, :2] < box[:, 2:]).all()
    assert all(image.std() > 5 for image in images)  # no blank image


def test_boxes_end_where_the_pixels_of_the_car_end():
    """On all four sides."""
    compared = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        canvas = roads.Canvas(rng, car_boxes.HEIGHT, car_boxes.WIDTH)
        lanes, _ = roads.draw_ground(rng, canvas)
        for car in roads.place_cars(rng, canvas, lanes):
            canvas.owner.paste(0, (0, 0, car_boxes.WIDTH, car_boxes.HEIGHT))
            car.paint()
            rows, columns = np.nonzero(np.asarray(canvas.owner) == car.number)
            pixels = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
            for box in roads.visible_boxes(canvas, [car]):
                # Polygons are filled with whole pixels, edges included.
                np.testing.assert_allclose(pixels, box, atol=1)
                compared += 1
    assert compared > 6


def test_a_hidden_car_has_no_box():
    """If a wall hides half of the car, it still has one."""
    rng = np.random.default_rng(0)
    canvas = roads.Canvas(rng, car_boxes.HEIGHT, car_boxes.WIDTH)
    middle = 20 * canvas.ahead
    car = roads.Car(rng, canvas, middle, heading=np.pi)
    car.number = 1
    car.paint()
    wall = 10 * canvas.ahead
    canvas.upright(*(wall - 5 * canvas.right), 5, 0, 5, (90, 90, 90))
    assert len(roads.visible_boxes(canvas, [car])) == 1
    canvas.upright(*wall, 5, 0, 5, (90, 90, 90))
    assert len(roads.visible_boxes(canvas, [car])) == 0


def test_enlarged_boxes_have_the_same_centres_and_stay_in_the_image():
    """They are 13 % wider and 36 % taller, clipped to the image."""
    images = np.zeros((2, 100, 200, 3), "uint8")
    boxes = [np.float32([[40, 50, 60, 150]]), np.float32([[0, 0, 90, 200]])]
    exact = car_boxes.Roads(images, boxes, np.arange(2))
    inside, clipped = car_boxes.enlarged(exact).boxes
    np.testing.assert_allclose(inside, [[36.4, 43.5, 63.6, 156.5]], rtol=1e-6)
    np.testing.assert_array_equal(clipped, [[0, 0, 100, 200]])


def test_training_arrays_have_one_size_and_relative_boxes(synthetic):
    """Boxes as fractions of the image; rows of zeros after the last one."""
    x, y = car_boxes.training_arrays(synthetic, 60, 50, 3)
    assert x.shape == (24, 60, 50, 3) and x.dtype == np.uint8
    assert y.shape == (24, 3, 4) and y.dtype == np.float32
    for rows, boxes in zip(y, synthetic.boxes, strict=True):
        boxes = boxes[:3]
        pixels = rows[: len(boxes)] * [120, 200, 120, 200]
        np.testing.assert_allclose(pixels, boxes, atol=1e-4)
        assert not rows[len(boxes) :].any()


@pytest.mark.parametrize("wrong", [{"m": 0}, {"m": 1, "height": 20}])
def test_no_images_or_too_small_ones_are_an_error(wrong):
    """At least one image of at least 64 x 64 pixels."""
    with pytest.raises(InputError, match="at least one image"):
        car_boxes.make_roads(**wrong)


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
def test_road_photos_are_found():
    """The course's 1280 x 720 photos, sorted by name."""
    photos = car_boxes.road_photos()
    assert photos == sorted(photos) and photos
    with Image.open(photos[0]) as photo:
        assert photo.size == (1280, 720)
