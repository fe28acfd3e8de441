"""Any picture becomes the RGB that a person sees; what is none gets a sentence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image

from dls_keras.core import images
from dls_keras.core.errors import InputError, MissingFileError

RED, WHITE = (255, 0, 0), (255, 255, 255)


def pixels(source):
    """What `images.read` makes of it, as an array."""
    picture = images.read(source)
    assert picture.mode == "RGB"
    return np.asarray(picture)


@pytest.fixture
def photo():
    """A photo, 30 rows of 40 pixels, each pixel different: (30, 40, 3) uint8."""
    rows, columns = np.mgrid[:30, :40]
    return np.stack([8 * rows, 6 * columns, rows + columns], axis=-1).astype("uint8")


def test_a_grey_picture_has_three_equal_channels(tmp_path, photo):
    """From a file as from an array with or without a channel axis."""
    grey = photo[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    for source in (tmp_path / "grey.png", grey, grey[..., np.newaxis]):
        np.testing.assert_array_equal(pixels(source), np.repeat(grey[..., None], 3, 2))


def test_transparent_pixels_are_laid_on_white(tmp_path):
    """Full, half and no cover of red: red, pink and white."""
    array = np.array([[(*RED, 255), (*RED, 128), (*RED, 0)]], "uint8")
    Image.fromarray(array).save(tmp_path / "a.png")
    expected = [[RED, (255, 127, 127), WHITE]]
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), array):
        np.testing.assert_array_equal(pixels(source), expected)


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_the_transparent_colour_of_a_palette_becomes_white(tmp_path, suffix):
    """One entry of the palette, black by its numbers, is declared transparent."""
    picture = Image.new("P", (2, 1))
    picture.putpalette([0, 0, 0, *RED])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / f"p.{suffix}", transparency=0)
    np.testing.assert_array_equal(pixels(tmp_path / f"p.{suffix}"), [[WHITE, RED]])


@pytest.mark.parametrize("mode, clear", [("RGB", (0, 0, 0)), ("L", 0), ("1", 0)])
def test_a_colour_declared_transparent_becomes_white(tmp_path, mode, clear):
    """PNG can do so without an alpha channel."""
    Image.new(mode, (3, 2)).save(tmp_path / "t.png", transparency=clear)
    assert (pixels(tmp_path / "t.png") == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, suffix):
    """65535 is white; half of it is grey, not white as well."""
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype("uint16")
    Image.fromarray(ramp).save(tmp_path / f"deep.{suffix}")
    # Rounding to whole levels moves a value by half a level at most.
    assert np.abs(pixels(tmp_path / f"deep.{suffix}")[..., 0] - ramp / 257).max() <= 0.5


@pytest.mark.parametrize("top", [255, 65535])
def test_wide_integers_are_taken_by_their_range(tmp_path, top):
    """A 32-bit TIFF holds 8-bit values, or 16-bit ones."""
    Image.fromarray(np.array([[0, top]], "int32")).save(tmp_path / "wide.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "wide.tif")[0, :, 0], [0, 255])


def test_a_float_tiff_is_read_in_its_range(tmp_path):
    """Values in [0, 1] are scaled; others get the sentence that arrays get."""
    Image.fromarray(np.array([[0, 0.5, 1]], "float32")).save(tmp_path / "f.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "f.tif")[0, :, 0], [0, 128, 255])
    Image.fromarray(np.array([[0, 300]], "float32")).save(tmp_path / "f.tif")
    with pytest.raises(InputError, match=r"^A picture of floats.*\[0, 300\]"):
        images.read(tmp_path / "f.tif")


def test_printers_colours_become_rgb(tmp_path):
    """A CMYK JPEG of full magenta and yellow is red."""
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "p.jpg")
    # JPEG and ink move a level by a few.
    assert np.abs(pixels(tmp_path / "p.jpg") - np.array(RED, int)).max() <= 4


@pytest.mark.parametrize(
    "orientation, turned",
    [
        (1, lambda a: a),
        (2, lambda a: a[:, ::-1]),
        (3, lambda a: a[::-1, ::-1]),
        (4, lambda a: a[::-1]),
        (5, lambda a: a.swapaxes(0, 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: a[::-1, ::-1].swapaxes(0, 1)),
        (8, lambda a: np.rot90(a)),
    ],
)
def test_a_photo_stands_as_its_exif_says(tmp_path, photo, orientation, turned):
    """All eight ways to hold a camera, from a file and from an opened picture."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo).save(tmp_path / "held.png", exif=exif)
    np.testing.assert_array_equal(pixels(tmp_path / "held.png"), turned(photo))
    with Image.open(tmp_path / "held.png") as opened:
        np.testing.assert_array_equal(pixels(opened), turned(photo))


def test_of_an_animation_the_first_picture_is_taken(tmp_path):
    """And its file is closed again: an open one would warn here."""
    first, second = (Image.new("RGB", (4, 4), colour) for colour in (RED, WHITE))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=[second])
    assert (pixels(tmp_path / "moving.gif") == RED).all()


def test_the_given_picture_stays_as_it_was(photo):
    """Reading makes another picture; arrays are not changed either."""
    before = photo.copy()
    picture = Image.fromarray(photo)
    images.read(picture).putpixel((0, 0), WHITE)
    images.read(photo).putpixel((0, 0), WHITE)
    np.testing.assert_array_equal(np.asarray(picture), before)
    np.testing.assert_array_equal(photo, before)


def test_one_pixel_is_a_picture():
    """1 x 1 fills whatever size is asked for."""
    image = images.resized(np.array([[[51, 102, 204]]], "uint8"), 5, 7)
    assert image.shape == (5, 7, 3) and image.dtype == np.float32
    np.testing.assert_allclose(image, np.broadcast_to([0.2, 0.4, 0.8], (5, 7, 3)))


def test_a_large_photo_is_read_and_reduced(tmp_path):
    """20 megapixels of a half black, half white picture stay so at 64 x 64."""
    large = Image.new("L", (5472, 3648))
    large.paste(255, (2736, 0, 5472, 3648))
    large.save(tmp_path / "large.jpg")
    small = images.resized(tmp_path / "large.jpg", 64, 64)
    assert (small[:, :30] < 0.01).all() and (small[:, 34:] > 0.99).all()


@pytest.mark.parametrize("side", [9_440, 9_500, 14_000])
def test_too_large_a_picture_is_refused_before_it_is_unpacked(tmp_path, side):
    """Below where Pillow warns of a bomb, there, and where it refuses."""
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(InputError, match="more than 89,000,000 pixels. Reduce it"):
        images.read(tmp_path / "bomb.png")


def test_a_missing_picture_is_named(tmp_path):
    """A folder is no picture either."""
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(MissingFileError, match=f"There is no picture at {path}"):
            images.read(path)


@pytest.mark.parametrize("content", [b"", b"Dear Sir or Madam,\n", b"\xff\xd8\xff"])
def test_a_file_that_is_no_picture_is_told(tmp_path, content):
    """Empty, a text named .jpg, three bytes of a JPEG."""
    (tmp_path / "letter.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"letter\.jpg is not a picture"):
        images.read(tmp_path / "letter.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tif", "webp"])
def test_half_a_file_is_told(tmp_path, photo, suffix):
    """No format gives out half a picture with the rest in grey."""
    path = tmp_path / f"half.{suffix}"
    Image.fromarray(photo).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"half\.{suffix} is "):
        images.read(path)


# Random bytes in a file make Pillow's readers warn of strange tags.
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=200, deadline=None)
@given(
    suffix=st.sampled_from(["jpeg", "png", "gif", "bmp", "tiff", "webp"]),
    place=st.floats(0, 0.999),
    damage=st.binary(min_size=1, max_size=8),
)
def test_damaged_bytes_give_a_picture_or_a_sentence(
    tmp_path_factory, suffix, place, damage
):
    """Whatever stands in the file, nothing else than InputError comes out."""
    folder = tmp_path_factory.getbasetemp()
    path, exif = folder / f"damaged.{suffix}", Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    picture = Image.linear_gradient("L").resize((20, 20))
    picture.save(path, exif=exif) if suffix != "gif" else picture.save(path)
    content = bytearray(path.read_bytes())
    start = int(place * len(content))
    content[start : start + len(damage)] = damage
    path.write_bytes(content)
    try:
        assert images.read(path).mode == "RGB"
    except InputError as error:
        assert str(path) in str(error)


@settings(max_examples=50, deadline=None)
@given(
    st_numpy.arrays(
        "uint8",
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3)),
    )
)
def test_arrays_survive_a_round_trip(array):
    """As bytes, as PNG, and as floats in [0, 1] of three precisions."""
    np.testing.assert_array_equal(pixels(array), array)
    np.testing.assert_array_equal(pixels(array.astype("int64")), array)
    for dtype in ("float16", "float32", "float64"):
        np.testing.assert_array_equal(pixels((array / 255).astype(dtype)), array)
    resized = images.resized(array, *array.shape[:2])
    np.testing.assert_array_equal(pixels(resized), array)


@pytest.mark.parametrize(
    "array, words",
    [
        (np.zeros(3), r"received \(3,\)"),
        (np.zeros((2, 2, 2)), r"received \(2, 2, 2\)"),
        (np.zeros((1, 4, 4, 3)), r"received \(1, 4, 4, 3\)"),
        (np.zeros((3, 8, 8)), "channels last"),
        (None, r"received \(\)"),
        (np.zeros((0, 4, 3)), "no pixels"),
        (np.full((2, 2), np.nan), "NaN"),
        (np.full((2, 2, 3), np.inf), "infinite"),
        (np.full((2, 2), -0.25), r"received \[-0\.25, -0\.25\]"),
        (np.array([[0, 255.0]]), r"received \[0, 255\].*Divide by 255"),
        (np.array([[0, 256]]), r"received \[0, 256\]"),
        (np.array([[-1, 5]]), r"received \[-1, 5\]"),
        (np.full((2, 2), 40_000, "uint16"), "received .40000, 40000"),
        (np.ones((2, 2), bool), "received bool"),
        (np.ones((2, 2), complex), "received complex128"),
        ([["a", "b"]], "received <U1"),
        ([[1, 2], [3]], "This is no picture"),
    ],
)
def test_an_array_that_is_no_picture_is_told(array, words):
    """The sentence holds the shape, the type or the range that came."""
    with pytest.raises(InputError, match=words):
        images.read(array)


def test_no_pixel_is_skipped_where_a_picture_shrinks():
    """A fine chequered board becomes grey, not black or white."""
    board = np.indices((64, 64)).sum(0) % 2 * 255
    # At the border the filter sees fewer squares, which shifts the grey a little.
    np.testing.assert_allclose(images.resized(board, 8, 8), 0.5, atol=0.03)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG", ".tiff"])
def test_a_written_picture_can_be_read_again(tmp_path, photo, suffix):
    """Without loss in these formats; the suffix may be in capitals."""
    path = images.write(photo, tmp_path / f"out{suffix}")
    assert path == tmp_path / f"out{suffix}"
    np.testing.assert_array_equal(pixels(path), photo)
    assert list(tmp_path.iterdir()) == [path]


def test_a_picture_with_alpha_can_be_written_as_jpeg(tmp_path):
    """JPEG knows no transparency: it is laid on white first."""
    path = images.write(Image.new("RGBA", (8, 8)), tmp_path / "out.jpg")
    assert (pixels(path) == 255).all()


@pytest.mark.parametrize("name", ["out", "out.txt", "out.psd", "out.h5", "out.pdf"])
def test_a_suffix_of_no_picture_is_told_before_writing(tmp_path, photo, name):
    """Also one that Pillow reads but cannot write."""
    with pytest.raises(InputError, match=r"suffixes \.png, \.jpg"):
        images.write(photo, tmp_path / name)
    assert list(tmp_path.iterdir()) == []
