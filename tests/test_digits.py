"""Digits: MNIST and Kaggle's tables, synthetic digits, photos in the form of MNIST."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import ndimage

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import digits
from dls_keras.datasets.draw import digits as draw_digits


@pytest.fixture(scope="module")
def synthetic():
    """Forty synthetic digits, four of each."""
    return digits.make_digits(40, seed=1)


@pytest.fixture
def folder(tmp_path, monkeypatch, synthetic):
    """`$DLS_KERAS_DATA` with four small training files and one test file."""
    x, y = synthetic
    (tmp_path / "mnist").mkdir()
    for i, name in enumerate((*digits.PARTS, digits.TEST_PART)):
        part = slice(8 * i, 8 * i + 8)
        np.savez(tmp_path / name, images=x[part], labels=y[part].astype("uint8"))
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    return tmp_path / "mnist"


def test_the_parts_are_read_in_order(folder, synthetic):
    """The four training files one after the other, then the test digits."""
    x, y, x_test, y_test = digits.load_digits()
    np.testing.assert_array_equal(np.concatenate([x, x_test]), synthetic[0])
    assert [*y, *y_test] == synthetic[
        1
    ].tolist() and y.dtype == y_test.dtype == np.int64


def test_keras_s_file_replaces_the_parts(folder, synthetic):
    """mnist.npz, which holds all four arrays."""
    (folder / "mnist_train_2.npz").unlink()
    x, y = synthetic
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


@pytest.mark.parametrize("arrays", [None, {"images": np.zeros((3, 28, 28), "uint8")}])
def test_a_damaged_part_raises_an_error(folder, arrays):
    """A text, and a file without labels."""
    path = folder / "mnist_train_1.npz"
    path.write_text("no npz") if arrays is None else np.savez(path, **arrays)
    with pytest.raises(InputError, match=f"{path} is not a file of MNIST"):
        digits.load_digits()


def test_images_of_another_size_raise_an_error(folder):
    """MNIST at 32 x 32 is another data set."""
    wrong = {"images": np.zeros((2, 32, 32), "uint8"), "labels": np.zeros(2, "uint8")}
    np.savez(folder / "mnist_test.npz", **wrong)
    words = r"\(2, 32, 32\), expected \(2, 28, 28\)"
    with pytest.raises(InputError, match=words):
        digits.load_digits()


def test_synthetic_digits_depend_on_the_seed_alone(synthetic):
    """Digit i is the same for any m."""
    x, y = digits.make_digits(7, seed=1)
    np.testing.assert_array_equal(x, synthetic[0][:7])
    assert y.tolist() == [0, 1, 2, 3, 4, 5, 6] and y.dtype == np.int64
    assert (digits.make_digits(7, seed=2)[0] != x).any(axis=(1, 2)).all()


def test_zero_digits_are_an_empty_set():
    """In the shape of the others."""
    x, y = digits.make_digits(0)
    assert x.shape == (0, 28, 28) and y.shape == (0,)


def test_synthetic_digits_have_the_form_of_mnist(synthetic):
    """Twenty pixels on the longer side, the centre of mass on pixel (14, 14)."""
    for digit in synthetic[0]:
        rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
        assert max(np.ptp(rows), np.ptp(columns)) + 1 == 20
        # Digits are moved by whole pixels, so half a pixel remains at most.
        centre = ndimage.center_of_mass(digit.astype(float))
        assert np.abs(np.subtract(centre, 14)).max() < 0.51


def test_a_digit_never_reaches_the_border_of_its_image():
    """Otherwise it would be cut off."""
    for seed in range(30):
        ink = np.asarray(draw_digits.digit(seed % 10, np.random.default_rng(seed), 64))
        assert ink.max() > 200
        assert not (ink[[0, -1]].any() or ink[:, [0, -1]].any())


def scan(digit, scale, dark, light, gradient, noise, seed):
    """A digit (28, 28) enlarged, on paper whose grey changes from left to right."""
    rng = np.random.default_rng(seed)
    ink = np.asarray(
        Image.fromarray(digit).resize((28 * scale, 28 * scale), Image.BICUBIC), float
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
def test_a_scan_becomes_the_digit_it_shows(
    synthetic, index, scale, greys, gradient, noise
):
    """For any size, greys and light."""
    dark, light = greys
    digit = synthetic[0][index]
    got = digits.prepare(scan(digit, scale, dark, light, gradient, noise, index))
    # Rounding may move it by a pixel. Enlarging and reducing changes a pixel by 5 to 13
    # grey levels on average; another digit differs by 30.
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    off = [np.abs(np.roll(got.astype(int), by, (0, 1)) - digit).mean() for by in moves]
    assert min(off) < 15


def test_a_prepared_digit_hardly_changes(synthetic):
    """Only by rounding, and the brightest levels become full white."""
    for digit in synthetic[0]:
        again = digits.prepare(digit).astype(int)
        assert np.abs(again - digit).mean() < 2


def test_a_digit_anywhere_on_the_page_is_centred(synthetic):
    """The result does not depend on its position."""
    page = np.full((90, 120), 255, "uint8")
    page[50:78, 85:113] -= synthetic[0][3]
    middle = np.full((60, 60), 255, "uint8")
    middle[16:44, 16:44] -= synthetic[0][3]
    # The plane is fitted to other pixels, which changes a grey by one level.
    off = digits.prepare(page).astype(int) - digits.prepare(middle)
    assert np.abs(off).max() <= 1


def test_specks_are_ignored(synthetic):
    """Otherwise a dot in the corner would enlarge the bounding box."""
    page = np.zeros((84, 84), "uint8")
    page[28:56, 28:56] = synthetic[0][8]
    clean = digits.prepare(page)
    page[2:4, 2:4] = 255
    assert np.abs(digits.prepare(page).astype(int) - clean).max() <= 3


@pytest.mark.parametrize("blank", [np.zeros((28, 28)), np.full((9, 400), 0.7)])
def test_a_blank_image_raises_an_error(blank):
    """Black, and grey."""
    with pytest.raises(InputError, match="Found no digit"):
        digits.prepare(blank)


def test_synthetic_digits_are_appended_to_the_training_digits(folder, synthetic):
    """The test digits stay as they are."""
    data = digits.load_digits()
    more = digits.with_synthetic(data, 3, seed=1)
    np.testing.assert_array_equal(more.x[-3:], synthetic[0][:3])
    assert more.y.tolist() == [*data.y, 0, 1, 2]
    np.testing.assert_array_equal(more.x_test, data.x_test)


@pytest.mark.parametrize("size", [28, 32])
def test_inputs_are_zero_padded_and_scaled(synthetic, size):
    """(m, size, size, 1), values in [0, 1], the digit in the middle."""
    x = synthetic[0][:3]
    inputs = digits.as_inputs(x, size)
    assert inputs.shape == (3, size, size, 1) and inputs.dtype == np.float32
    inside = slice((size - 28) // 2, (size + 28) // 2)
    np.testing.assert_allclose(255 * inputs[:, inside, inside, 0], x, atol=1e-4)
    assert inputs.sum() * 255 == pytest.approx(x.sum(), rel=1e-5)


def test_codes_are_images_of_plus_and_minus_one():
    """Of 7 x 12 pixels; ink is 1."""
    codes = digits.load_codes()
    assert codes.shape == (10, 84) and codes.dtype == np.float32
    assert {*np.unique(codes)} == {-1, 1}
    one = codes[1].reshape(12, 7)
    assert (one[2:-1, 3:5] == 1).all()  # the stem


def test_digits_on_a_canvas_are_in_their_boxes():
    """Boxes do not overlap, and hold the pixels of the source."""
    x, y = np.full((3, 28, 28), 200, "uint8"), np.array([4, 7, 1])
    canvases = digits.make_canvases(8, (x, y), seed=3)
    assert canvases.images.shape == (8, 160, 240)
    for canvas, boxes, labels in zip(*canvases, strict=True):
        assert 2 <= len(boxes) == len(labels) <= 6 and set(labels) <= {1, 4, 7}
        cover = np.zeros(canvas.shape, int)
        for y1, x1, y2, x2 in boxes.astype(int):
            assert (canvas[y1:y2, x1:x2] == 200).all()
            cover[y1:y2, x1:x2] += 1
        assert cover.max() == 1


def test_canvases_depend_on_the_seed_alone():
    """Canvas i is the same for any m."""
    source = digits.make_digits(20)
    few, more = (digits.make_canvases(m, source, seed=5) for m in (2, 4))
    np.testing.assert_array_equal(few.images, more.images[:2])
    assert few.labels[1].tolist() == more.labels[1].tolist()


@pytest.fixture
def table(tmp_path, synthetic):
    """Kaggle's train.csv with twelve digits."""
    path = tmp_path / "train.csv"
    rows = [",".join(("label", *digits.PIXELS))]
    for digit, label in zip(*synthetic, strict=True):
        rows.append(",".join(map(str, [label, *digit.ravel()])))
    path.write_text("\n".join(rows[:13]) + "\n")
    return path


def test_a_table_with_labels_is_read(table, synthetic):
    """Images and labels are those that were written."""
    x, y = digits.read_csv(table)
    np.testing.assert_array_equal(x, synthetic[0][:12])
    np.testing.assert_array_equal(y, synthetic[1][:12])
    assert x.dtype == np.uint8 and y.dtype == np.int64


def test_a_table_without_labels_is_read(table, synthetic):
    """Kaggle's test.csv, here as a spreadsheet on Windows writes it."""
    lines = [line.partition(",")[2] for line in table.read_text().splitlines()]
    table.write_bytes("\ufeff".encode() + "\r\n".join(lines).encode())
    x, y = digits.read_csv(table)
    np.testing.assert_array_equal(x, synthetic[0][:12])
    assert y is None


FROM_1 = [f"pixel{i}" for i in range(1, 785)]
BY_PLACE = [f"{row}x{column}" for row in range(1, 29) for column in range(1, 29)]
LABELLED = {  # the names of the columns; the cells of a row, its label and its pixels
    "MNIST in CSV": (["label", *BY_PLACE], lambda i, y, x: [y, *x]),
    "Fashion-MNIST": (["label", *FROM_1], lambda i, y, x: [y, *x]),
    "OpenML": ([*FROM_1, "class"], lambda i, y, x: [*x, y]),
    "pandas": (["", "Label", *digits.PIXELS], lambda i, y, x: [i, y, *x]),
    "R": (
        ['""', *(f'"V{i}"' for i in range(1, 785)), '"label"'],
        lambda i, y, x: [f'"{i}"', *x, f'"{y}"'],
    ),
    "quotes": (
        [f'"{name}"' for name in ("label", *digits.PIXELS)],
        lambda i, y, x: [f'"{value}"' for value in (y, *x)],
    ),
    "decimals": (["label", *digits.PIXELS], lambda i, y, x: [f"{y}.0", *map(float, x)]),
    "no names": ([], lambda i, y, x: [y, *x]),
    "decimals, no names": ([], lambda i, y, x: [float(value) for value in (y, *x)]),
}
UNLABELLED = {
    "Kannada-MNIST": (["id", *digits.PIXELS], lambda i, y, x: [i, *x]),
    "pandas": (["", *digits.PIXELS], lambda i, y, x: [i, *x]),
    "pandas, shuffled": (["", *digits.PIXELS], lambda i, y, x: [7 * i, *x]),
    "pandas, twice": (
        ["Unnamed: 0.1", "Unnamed: 0", *digits.PIXELS],
        lambda i, y, x: [i, i, *x],
    ),
    "pandas, no names": (range(784), lambda i, y, x: x),
    "R": (['""', *FROM_1], lambda i, y, x: [f'"row, {i}"', *x]),
    "no names": ([], lambda i, y, x: x),
}


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    ("form", "labelled"),
    [*((f, True) for f in LABELLED), *((f, False) for f in UNLABELLED)],
)
def test_tables_of_other_programs_are_read(
    tmp_path, synthetic, monkeypatch, form, labelled, separator
):
    """Names from 0, from 1 or by row and column; row numbers; quotes; decimals."""
    monkeypatch.setattr(digits, "BLOCK", 7)
    header, row = (LABELLED if labelled else UNLABELLED)[form]
    pairs = enumerate(zip(*synthetic, strict=True))
    rows = [header, *(row(i, y, x.ravel().tolist()) for i, (x, y) in pairs)]
    end, mark = {",": ("\n", ""), ";": ("\r\n", "\ufeff"), "\t": ("\r", "")}[separator]
    text = end.join(separator.join(map(str, cells)) for cells in rows if cells)
    path = tmp_path / "table.csv"
    path.write_text(mark + text + end + end, "utf-8", newline="")
    x, y = digits.read_csv(path)
    np.testing.assert_array_equal(x, synthetic[0])
    assert x.dtype == np.uint8 and x.flags.c_contiguous
    assert (y is not None) == labelled
    if labelled:
        np.testing.assert_array_equal(y, synthetic[1])
        assert y.dtype == np.int64


def moved(lines, column):
    """The lines with their labels, the first cells, in another column or unnamed."""
    for i, line in enumerate(lines):
        label, _, pixels = line.partition(",")
        lines[i] = f"{pixels},{label}" if column == "last" else f"{label},{pixels}"
    lines[0] = lines[0].replace("label", "")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lines: moved(lines, "first"), "line 1: column 1 has no name.*labels"),
        (lambda lines: moved(lines, "last"), "line 1: column 785 has no name.*labels"),
        (
            lambda lines: (moved(lines, "last"), lines.pop(0)),
            "labels in the first or in the last column. Add a first line",
        ),
        (
            lambda lines: lines.__setitem__(0, "class," + lines[0]),
            "line 1: expected the columns.*786 columns",
        ),
    ],
)
def test_labels_that_may_be_in_two_columns_raise_an_error(table, change, words):
    """They have no name and are not row numbers, or two columns have a name."""
    lines = table.read_text().splitlines()[:1] + table.read_text().splitlines()[3:]
    change(lines)
    table.write_text("\n".join(lines))
    with pytest.raises(InputError, match=words):
        digits.read_csv(table)


def replaced(line, column, cell):
    """A function that replaces one cell; line and column are counted from 0."""

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
        (replaced(2, 1, "0.5"), "line 3, column pixel0.*'0.5'"),
        (replaced(0, 3, "pixel1"), "line 1: expected the columns"),
        (replaced(2, 784, ""), "line 3, column pixel783.*''"),
        (replaced(2, 784, "1,2"), "line 3: expected 785 cells.*found 786"),
        (replaced(0, 0, "digit"), "line 1: expected the columns.*'digit'"),
        (
            lambda lines: lines.append("3,0,0"),
            "line 14: expected 785.*found 3.*truncated",
        ),
        (lambda lines: lines.clear(), "line 1: expected the columns"),
        (lambda lines: lines.__delitem__(slice(1, None)), "no rows, only the names"),
    ],
)
def test_a_wrong_cell_raises_an_error_that_names_it(table, change, words):
    """Its line, its column and its content."""
    lines = table.read_text().splitlines()
    change(lines)
    table.write_text("\n".join(lines))
    with pytest.raises(InputError, match=words):
        digits.read_csv(table)


def test_a_file_that_is_not_a_table_raises_an_error(tmp_path):
    """A missing file, and bytes."""
    with pytest.raises(MissingFileError, match="no file at"):
        digits.read_csv(tmp_path / "train.csv")
    (tmp_path / "x.csv").write_bytes(bytes(range(256)))
    with pytest.raises(InputError, match="line 1: expected the columns"):
        digits.read_csv(tmp_path / "x.csv")


def test_image_ids_of_a_submission_start_at_one(tmp_path):
    """As in Kaggle's sample_submission.csv."""
    path = digits.write_submission(np.array([2, 0, 9]), tmp_path / "out.csv")
    assert path.read_text() == "ImageId,Label\n1,2\n2,0\n3,9\n"


def test_an_incomplete_submission_is_never_written(tmp_path):
    """After a label that is not a number the old file is unchanged."""
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
    """The official count of each digit; the first five are 5, 0, 4, 1, 9."""
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(mnist.y).tolist() == counts
    assert mnist.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert mnist.y_test[:3].tolist() == [7, 2, 1]
    assert mnist.x.shape == (60_000, 28, 28) and mnist.x_test.shape == (10_000, 28, 28)


@pytest.mark.data
def test_preparing_mnist_hardly_changes_it(mnist):
    """Nearly all of 300 digits are not moved, and change by a few grey levels."""
    x = mnist.x_test[:300]
    off = [np.abs(digits.prepare(digit).astype(int) - digit).mean() for digit in x]
    assert np.mean(np.array(off) < 2) > 0.98
