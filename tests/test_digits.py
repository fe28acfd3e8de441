"""Digits: MNIST is read with care, drawn ones repeat, photos become like MNIST's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import digits


@pytest.fixture(scope="module")
def drawn():
    """Forty drawn digits, four of each."""
    return digits.make_digits(40, seed=1)


@pytest.fixture
def folder(tmp_path, monkeypatch, drawn):
    """`$DLS_KERAS_DATA` with four small training files and one to test on."""
    x, y = drawn
    (tmp_path / "mnist").mkdir()
    for i, name in enumerate((*digits.PARTS, digits.TEST_PART)):
        part = slice(8 * i, 8 * i + 8)
        np.savez(tmp_path / name, images=x[part], labels=y[part].astype("uint8"))
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    return tmp_path / "mnist"


def test_the_parts_come_back_in_order(folder, drawn):
    """The four of training behind each other, then the test digits."""
    x, y, x_test, y_test = digits.load_digits()
    np.testing.assert_array_equal(np.concatenate([x, x_test]), drawn[0])
    assert [*y, *y_test] == drawn[1].tolist() and y.dtype == y_test.dtype == np.int64


def test_keras_own_file_stands_in_for_the_parts(folder, drawn):
    """mnist.npz, which holds all four arrays."""
    (folder / "mnist_train_2.npz").unlink()
    x, y = drawn
    np.savez(
        folder / "mnist.npz",
        x_train=x[:30],
        y_train=y[:30],
        x_test=x[30:],
        y_test=y[:10],
    )
    data = digits.load_digits()
    np.testing.assert_array_equal(data.x_test, x[30:])
    assert len(data.x) == 30


def test_without_files_the_message_says_what_to_do(folder):
    """None is at hand and none may be fetched."""
    for part in folder.iterdir():
        part.unlink()
    with pytest.raises(MissingFileError, match="mnist.npz.*DLS_KERAS_OFFLINE"):
        digits.load_digits()


@pytest.mark.parametrize("arrays", [None, {"images": np.zeros((3, 28, 28), "uint8")}])
def test_a_damaged_part_is_told(folder, arrays):
    """A text, and a file without labels."""
    path = folder / "mnist_train_1.npz"
    path.write_text("no npz") if arrays is None else np.savez(path, **arrays)
    with pytest.raises(InputError, match=f"{path} does not hold the arrays images"):
        digits.load_digits()


def test_pictures_of_another_size_are_told(folder):
    """MNIST at 32 x 32 is another set."""
    wrong = {"images": np.zeros((2, 32, 32), "uint8"), "labels": np.zeros(2, "uint8")}
    np.savez(folder / "mnist_test.npz", **wrong)
    with pytest.raises(
        InputError, match=r"\(2, 32, 32\) uint8, expected \(2, 28, 28\)"
    ):
        digits.load_digits()


def test_drawn_digits_can_be_drawn_again(drawn):
    """The same seed gives the same digits, of which m only says how many."""
    x, y = digits.make_digits(7, seed=1)
    np.testing.assert_array_equal(x, drawn[0][:7])
    assert y.tolist() == [0, 1, 2, 3, 4, 5, 6] and y.dtype == np.int64
    assert (digits.make_digits(7, seed=2)[0] != x).any(axis=(1, 2)).all()


def test_no_digits_are_an_empty_set():
    """What stands behind real ones unless asked."""
    x, y = digits.make_digits(0)
    assert x.shape == (0, 28, 28) and y.shape == (0,)


def test_drawn_digits_are_prepared_like_those_of_mnist(drawn):
    """Twenty pixels on the longer side, the centre of mass on pixel (14, 14)."""
    for picture in drawn[0]:
        rows, columns = np.flatnonzero(picture.any(1)), np.flatnonzero(picture.any(0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        # Whole pixels: half a one is lost at most.
        centre = ndimage.center_of_mass(picture.astype(float))
        assert np.abs(np.subtract(centre, 14)).max() < 0.51


def test_a_digit_never_reaches_the_border_of_its_drawing():
    """Else it would be cut."""
    for seed in range(30):
        ink = np.asarray(digits.draw_digit(seed % 10, np.random.default_rng(seed), 64))
        assert ink.max() > 200
        assert not (ink[[0, -1]].any() or ink[:, [0, -1]].any())


def paper(picture, scale, dark, light, gradient, noise, seed):
    """A digit (28, 28) enlarged, in greys from `light` to `dark`, lit from one side."""
    rng = np.random.default_rng(seed)
    ink = np.asarray(
        Image.fromarray(picture).resize((28 * scale, 28 * scale), Image.BICUBIC), float
    )
    slope = np.linspace(0, gradient, 28 * scale)
    grey = light + (dark - light) * ink / 255 + slope + rng.normal(0, noise, ink.shape)
    return grey.clip(0, 255).astype("uint8")


@given(
    index=st.integers(0, 39),
    scale=st.sampled_from([2, 5, 12]),
    greys=st.sampled_from([(30, 200), (0, 255), (220, 20), (120, 180)]),
    gradient=st.sampled_from([-30, 0, 30]),
    noise=st.sampled_from([0, 2]),
)
@settings(max_examples=40)
def test_a_scan_becomes_the_digit_it_shows(drawn, index, scale, greys, gradient, noise):
    """Whatever its size, its greys and the light."""
    dark, light = greys
    digit = drawn[0][index]
    got = digits.prepare(paper(digit, scale, dark, light, gradient, noise, index))
    # Rounding may move it by a pixel. The blur of enlarging and reducing leaves 5 to 13
    # levels, another digit 30.
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    off = [np.abs(np.roll(got.astype(int), by, (0, 1)) - digit).mean() for by in moves]
    assert min(off) < 15


def test_a_prepared_digit_stays_as_it_is(drawn):
    """But for rounding and the few brightest levels, which become full white."""
    for digit in drawn[0]:
        again = digits.prepare(digit).astype(int)
        assert np.abs(again - digit).mean() < 2


def test_a_digit_off_the_middle_is_moved_there(drawn):
    """The same picture, wherever on the paper it stands."""
    page = np.full((90, 120), 255, "uint8")
    page[50:78, 85:113] -= drawn[0][3]
    middle = np.full((60, 60), 255, "uint8")
    middle[16:44, 16:44] -= drawn[0][3]
    # The plane is fitted to other pixels, which moves a grey by one level.
    off = digits.prepare(page).astype(int) - digits.prepare(middle)
    assert np.abs(off).max() <= 1


def test_specks_are_no_ink(drawn):
    """A dot in the corner would else stretch the box."""
    page = np.zeros((84, 84), "uint8")
    page[28:56, 28:56] = drawn[0][8]
    clean = digits.prepare(page)
    page[2:4, 2:4] = 255
    assert np.abs(digits.prepare(page).astype(int) - clean).max() <= 3


@pytest.mark.parametrize("blank", [np.zeros((28, 28)), np.full((9, 400), 0.7)])
def test_a_blank_picture_is_told(blank):
    """Black, and grey."""
    with pytest.raises(InputError, match="no digit in the picture"):
        digits.prepare(blank)


def test_digits_on_a_canvas_are_where_the_boxes_say():
    """Inside, apart from each other, and with the pixels of the source."""
    x, y = np.full((3, 28, 28), 200, "uint8"), np.array([4, 7, 1])
    canvases = digits.make_canvases(8, (x, y), seed=3)
    assert canvases.images.shape == (8, 160, 240)
    for picture, boxes, labels in zip(*canvases, strict=True):
        assert 2 <= len(boxes) == len(labels) <= 6 and set(labels) <= {1, 4, 7}
        cover = np.zeros(picture.shape, int)
        for y1, x1, y2, x2 in boxes.astype(int):
            assert (picture[y1:y2, x1:x2] == 200).all()
            cover[y1:y2, x1:x2] += 1
        assert cover.max() == 1


def test_canvases_can_be_drawn_again():
    """Canvas i is the same whatever m is."""
    source = digits.make_digits(20)
    few, more = (digits.make_canvases(m, source, seed=5) for m in (2, 4))
    np.testing.assert_array_equal(few.images, more.images[:2])
    assert few.labels[1].tolist() == more.labels[1].tolist()


@pytest.fixture
def table(tmp_path, drawn):
    """Kaggle's train.csv of twelve digits."""
    path = tmp_path / "train.csv"
    rows = [",".join(("label", *digits.PIXELS))]
    for digit, label in zip(*drawn, strict=True):
        rows.append(",".join(map(str, [label, *digit.ravel()])))
    path.write_text("\n".join(rows[:13]) + "\n")
    return path


def test_a_table_is_read_as_it_was_written(table, drawn):
    """Pictures and labels."""
    x, y = digits.read_csv(table)
    np.testing.assert_array_equal(x, drawn[0][:12])
    np.testing.assert_array_equal(y, drawn[1][:12])
    assert x.dtype == np.uint8 and y.dtype == np.int64


def test_a_table_without_labels_is_read(table, drawn):
    """Kaggle's test.csv, here as a spreadsheet on Windows writes it."""
    lines = [line.partition(",")[2] for line in table.read_text().splitlines()]
    table.write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    x, y = digits.read_csv(table)
    np.testing.assert_array_equal(x, drawn[0][:12])
    assert y is None


def replaced(line, column, cell):
    """Another cell in a line of the table, both from 0."""

    def change(lines):
        cells = lines[line].split(",")
        cells[column] = cell
        lines[line] = ",".join(cells)

    return change


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (replaced(3, 0, "11"), "line 4, column label.* 0 to 9, found '11'"),
        (replaced(5, 7, "256"), "line 6, column pixel6.* 0 to 255, found '256'"),
        (replaced(5, 7, "-1"), "line 6, column pixel6"),
        (replaced(2, 1, "nan"), "line 3, column pixel0.*'nan'"),
        (replaced(2, 784, ""), "line 3, column pixel783.*''"),
        (replaced(2, 784, "1,2"), "line 3: expected 785 cells.*found 786"),
        (replaced(0, 0, "digit"), "line 1: expected the columns.*'digit'"),
        (
            lambda lines: lines.append("3,0,0"),
            "line 14: expected 785.*found 3.*cut off",
        ),
        (lambda lines: lines.clear(), "line 1: expected the columns"),
        (lambda lines: lines.__delitem__(slice(1, None)), "no digits, only the names"),
    ],
)
def test_a_wrong_cell_is_named(table, change, words):
    """Its line, its column, and what it holds."""
    lines = table.read_text().splitlines()
    change(lines)
    table.write_text("\n".join(lines))
    with pytest.raises(InputError, match=words):
        digits.read_csv(table)


def test_a_table_that_is_none_is_told(tmp_path):
    """A missing file, and bytes."""
    with pytest.raises(MissingFileError, match="no table at"):
        digits.read_csv(tmp_path / "train.csv")
    (tmp_path / "x.csv").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="line 1: expected the columns"):
        digits.read_csv(tmp_path / "x.csv")


def test_a_submission_counts_from_one(tmp_path):
    """As Kaggle's sample_submission.csv does."""
    path = digits.write_submission(np.array([2, 0, 9]), tmp_path / "out.csv")
    assert path.read_text() == "ImageId,Label\n1,2\n2,0\n3,9\n"


def test_half_a_submission_is_never_written(tmp_path):
    """A label that is no number leaves the old file as it was."""
    path = tmp_path / "out.csv"
    path.write_text("old")
    with pytest.raises(ValueError):
        digits.write_submission([1, "nine"], path)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1


@pytest.fixture(scope="module")
def mnist():
    return digits.load_digits()


@pytest.mark.data
def test_mnist_is_complete_and_in_its_official_order(mnist):
    """As many of each digit as its makers count; the first five are 5, 0, 4, 1, 9."""
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.y).tolist() == counts
    assert mnist.y[:5].tolist() == [5, 0, 4, 1, 9] and mnist.y_test[:3].tolist() == [
        7,
        2,
        1,
    ]
    assert mnist.x.shape == (60_000, 28, 28) and mnist.x_test.shape == (10_000, 28, 28)


@pytest.mark.data
def test_mnist_is_already_prepared(mnist):
    """Nearly all of 300 digits come back unmoved, to a few grey levels."""
    x = mnist.x_test[:300]
    off = [np.abs(digits.prepare(digit).astype(int) - digit).mean() for digit in x]
    assert np.mean(np.array(off) < 2) > 0.98
