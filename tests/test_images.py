"""Any image becomes RGB as a person sees it; other input raises a clear error."""

import io
import subprocess
import sys

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
    """The output of `images.read`, as an array."""
    image = images.read(source)
    assert image.mode == "RGB"
    return np.asarray(image)


@pytest.fixture
def photo():
    """A photo, 30 rows of 40 pixels, each pixel different: (30, 40, 3) uint8."""
    rows, columns = np.mgrid[:30, :40]
    return np.stack([8 * rows, 6 * columns, rows + columns], axis=-1).astype("uint8")


def test_a_grey_image_gets_three_equal_channels(tmp_path, photo):
    """From a file, and from an array with or without a channel axis."""
    grey = photo[..., 0]
    Image.fromarray(grey).save(tmp_path / "grey.png")
    for source in (tmp_path / "grey.png", grey, grey[..., np.newaxis]):
        np.testing.assert_array_equal(pixels(source), np.repeat(grey[..., None], 3, 2))


def test_transparent_pixels_are_blended_with_white(tmp_path):
    """Opaque, half transparent and transparent red become red, pink and white."""
    array = np.array([[(*RED, 255), (*RED, 128), (*RED, 0)]], "uint8")
    Image.fromarray(array).save(tmp_path / "a.png")
    expected = [[RED, (255, 127, 127), WHITE]]
    for source in (tmp_path / "a.png", str(tmp_path / "a.png"), array):
        np.testing.assert_array_equal(pixels(source), expected)


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_the_transparent_colour_of_a_palette_becomes_white(tmp_path, suffix):
    """One entry of the palette, black, is declared transparent."""
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, *RED])
    image.putpixel((1, 0), 1)
    image.save(tmp_path / f"p.{suffix}", transparency=0)
    np.testing.assert_array_equal(pixels(tmp_path / f"p.{suffix}"), [[WHITE, RED]])


@pytest.mark.parametrize("mode, clear", [("RGB", (0, 0, 0)), ("L", 0), ("1", 0)])
def test_a_colour_declared_transparent_becomes_white(tmp_path, mode, clear):
    """As PNG allows without an alpha channel."""
    Image.new(mode, (3, 2)).save(tmp_path / "t.png", transparency=clear)
    assert (pixels(tmp_path / "t.png") == 255).all()


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_to_eight(tmp_path, suffix):
    """65535 is white; half of it is grey."""
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype("uint16")
    Image.fromarray(ramp).save(tmp_path / f"deep.{suffix}")
    # Rounding to whole levels moves a value by half a level at most.
    assert np.abs(pixels(tmp_path / f"deep.{suffix}")[..., 0] - ramp / 257).max() <= 0.5


@pytest.mark.parametrize("top", [255, 65535])
def test_32_bit_integers_are_scaled_by_their_range(tmp_path, top):
    """A 32-bit TIFF holds 8-bit or 16-bit values."""
    Image.fromarray(np.array([[0, top]], "int32")).save(tmp_path / "wide.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "wide.tif")[0, :, 0], [0, 255])


def test_a_float_tiff_must_be_in_range(tmp_path):
    """Values in [0, 1] are scaled; others raise the error of arrays."""
    Image.fromarray(np.array([[0, 0.5, 1]], "float32")).save(tmp_path / "f.tif")
    np.testing.assert_array_equal(pixels(tmp_path / "f.tif")[0, :, 0], [0, 128, 255])
    Image.fromarray(np.array([[0, 300]], "float32")).save(tmp_path / "f.tif")
    with pytest.raises(InputError, match=r"floats in .*\[0, 300\]"):
        images.read(tmp_path / "f.tif")


def test_cmyk_becomes_rgb(tmp_path):
    """A JPEG of full magenta and yellow is red."""
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "p.jpg")
    # JPEG and the conversion change a value by a few levels.
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
def test_the_exif_orientation_is_applied(tmp_path, photo, orientation, turned):
    """All eight values, from a file and from an open image."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(photo).save(tmp_path / "held.png", exif=exif)
    np.testing.assert_array_equal(pixels(tmp_path / "held.png"), turned(photo))
    with Image.open(tmp_path / "held.png") as opened:
        np.testing.assert_array_equal(pixels(opened), turned(photo))


def test_the_first_frame_of_an_animation_is_taken(tmp_path):
    """Its file is closed again; an open one would raise a warning here."""
    first, second = (Image.new("RGB", (4, 4), colour) for colour in (RED, WHITE))
    first.save(tmp_path / "moving.gif", save_all=True, append_images=[second])
    assert (pixels(tmp_path / "moving.gif") == RED).all()


def test_reading_copies_the_image(photo):
    """Neither a PIL image nor an array changes with the copy."""
    before = photo.copy()
    image = Image.fromarray(photo)
    images.read(image).putpixel((0, 0), WHITE)
    images.read(photo).putpixel((0, 0), WHITE)
    np.testing.assert_array_equal(np.asarray(image), before)
    np.testing.assert_array_equal(photo, before)


def test_one_pixel_is_an_image():
    """Resized, it fills the requested size."""
    image = images.resized(np.array([[[51, 102, 204]]], "uint8"), 5, 7)
    assert image.shape == (5, 7, 3) and image.dtype == np.float32
    np.testing.assert_allclose(image, np.broadcast_to([0.2, 0.4, 0.8], (5, 7, 3)))


def test_a_large_photo_is_read_and_reduced(tmp_path):
    """20 megapixels, half black and half white, are so at 64 x 64, too."""
    large = Image.new("L", (5472, 3648))
    large.paste(255, (2736, 0, 5472, 3648))
    large.save(tmp_path / "large.jpg")
    small = images.resized(tmp_path / "large.jpg", 64, 64)
    assert (small[:, :30] < 0.01).all() and (small[:, 34:] > 0.99).all()


@pytest.mark.parametrize("side", [9_440, 9_500, 14_000])
def test_an_image_with_too_many_pixels_is_refused_before_decoding(tmp_path, side):
    """Below the size at which Pillow warns, at that size, and where it raises."""
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    with pytest.raises(InputError, match="more than 89,000,000 pixels. Reduce it"):
        images.read(tmp_path / "bomb.png")


def test_the_message_names_a_missing_image(tmp_path):
    """A folder is not an image, either."""
    for path in (tmp_path / "none.jpg", tmp_path):
        with pytest.raises(MissingFileError, match=f"There is no image at {path}"):
            images.read(path)


@pytest.mark.parametrize("content", [b"", b"Dear Sir or Madam,\n", b"\xff\xd8\xff"])
def test_a_file_that_is_not_an_image_is_refused(tmp_path, content):
    """Empty, a text named .jpg, three bytes of a JPEG."""
    (tmp_path / "letter.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"letter\.jpg is not an image"):
        images.read(tmp_path / "letter.jpg")


@pytest.mark.parametrize("suffix", ["jpg", "png", "gif", "bmp", "tif", "webp"])
def test_a_truncated_file_is_refused(tmp_path, photo, suffix):
    """No format returns half an image with the rest in grey."""
    path = tmp_path / f"half.{suffix}"
    Image.fromarray(photo).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=rf"half\.{suffix} is "):
        images.read(path)


# Random bytes in a file make Pillow's readers warn of invalid tags.
@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=200, deadline=None)
@given(
    suffix=st.sampled_from(["jpeg", "png", "gif", "bmp", "tiff", "webp"]),
    place=st.floats(0, 0.999),
    damage=st.binary(min_size=1, max_size=8),
)
def test_damaged_bytes_give_an_image_or_an_input_error(
    tmp_path_factory, suffix, place, damage
):
    """No other error, for any bytes; the message names the file."""
    folder = tmp_path_factory.getbasetemp()
    path, exif = folder / f"damaged.{suffix}", Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    image = Image.linear_gradient("L").resize((20, 20))
    image.save(path, exif=exif) if suffix != "gif" else image.save(path)
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
def test_arrays_are_read_unchanged(array):
    """As integers of two types, and as floats in [0, 1] of three precisions."""
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
        (np.full((2, 2), -0.25), r"received values in \[-0\.25, -0\.25\]"),
        (np.array([[0, 255.0]]), r"received values in \[0, 255\].*Divide by 255"),
        (np.array([[0, 256]]), r"received values in \[0, 256\]"),
        (np.array([[-1, 5]]), r"received values in \[-1, 5\]"),
        (np.full((2, 2), 40_000, "uint16"), r"received values in \[40000, 40000"),
        (np.ones((2, 2), bool), "received bool"),
        (np.ones((2, 2), complex), "received complex128"),
        ([["a", "b"]], "received <U1"),
        ([[1, 2], [3]], "This is not an image"),
    ],
)
def test_an_array_that_is_not_an_image_is_refused(array, words):
    """The message holds the shape, the type or the range that was received."""
    with pytest.raises(InputError, match=words):
        images.read(array)


def test_reducing_an_image_uses_every_pixel():
    """A fine checkerboard becomes grey, not black or white."""
    board = np.indices((64, 64)).sum(0) % 2 * 255
    # At the border the filter covers fewer squares, which changes the grey slightly.
    np.testing.assert_allclose(images.resized(board, 8, 8), 0.5, atol=0.03)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".PNG", ".tiff"])
def test_a_written_image_is_read_unchanged(tmp_path, photo, suffix):
    """Without loss in these formats; the suffix may be in capitals."""
    path = images.write(photo, tmp_path / f"out{suffix}")
    assert path == tmp_path / f"out{suffix}"
    np.testing.assert_array_equal(pixels(path), photo)
    assert list(tmp_path.iterdir()) == [path]


def test_an_image_with_transparency_can_be_written_as_jpeg(tmp_path):
    """JPEG has no transparency, so it is blended with white."""
    path = images.write(Image.new("RGBA", (8, 8)), tmp_path / "out.jpg")
    assert (pixels(path) == 255).all()


@pytest.mark.parametrize("name", ["out", "out.txt", "out.psd", "out.h5", "out.pdf"])
def test_an_unknown_suffix_is_refused_before_writing(tmp_path, photo, name):
    """Also one that Pillow reads but cannot write."""
    with pytest.raises(InputError, match=r"suffixes \.png, \.jpg"):
        images.write(photo, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_uploaded_files_are_read(tmp_path, photo):
    """As bytes, as a buffer that was just written, and as an open file."""
    buffer = io.BytesIO()
    Image.fromarray(photo).save(buffer, "png")
    (tmp_path / "a.png").write_bytes(buffer.getvalue())
    for source in (buffer.getvalue(), bytearray(buffer.getvalue()), buffer):
        np.testing.assert_array_equal(pixels(source), photo)
    with open(tmp_path / "a.png", "rb") as file:
        np.testing.assert_array_equal(pixels(file), photo)
    with pytest.raises(InputError, match="not an image"):
        images.read(b"")


def test_the_home_folder_is_found(tmp_path, photo, monkeypatch):
    """For "~", as in the shell; there may be no such user."""
    monkeypatch.setenv("HOME", str(tmp_path))
    images.write(photo, tmp_path / "a.png")
    np.testing.assert_array_equal(pixels("~/a.png"), photo)
    with pytest.raises(MissingFileError):
        images.read("~nosuchuser/a.png")


def test_a_jpeg_of_108_megapixels_is_read_at_half_the_size():
    """Phones take such photos; other formats cannot be decoded reduced."""
    buffer = io.BytesIO()
    Image.new("L", (12_000, 9_000), 77).save(buffer, "jpeg")
    image = images.read(buffer)
    assert image.size == (6_000, 4_500)
    assert image.getpixel((3_000, 2_000)) == (77, 77, 77)


def test_a_heic_picture_is_read_or_named(photo, monkeypatch):
    """Phones take such pictures; the library that reads them is an extra."""
    header = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(300)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"dls-keras\[photos\]"):
        images.read(header)
    monkeypatch.undo()
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    flat = Image.new("RGB", (64, 48), (200, 30, 10))
    pillow_heif.from_pillow(flat).save(buffer)
    assert np.abs(pixels(buffer).astype(int) - (200, 30, 10)).max() <= 2
    with pytest.raises(InputError):
        images.read(header)


@pytest.mark.parametrize("suffix", ["jpg", "png", "eps"])
def test_no_program_is_started_for_postscript(tmp_path, suffix):
    """Pillow would hand it to Ghostscript; nor for an image that is already open."""
    path = tmp_path / f"photo.{suffix}"
    path.write_bytes(
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"
    )
    with pytest.raises(InputError, match="Expected a JPEG"):
        images.read(path)
    with Image.open(path) as opened, pytest.raises(InputError, match="Expected a JPEG"):
        images.read(opened)


def test_values_of_16_bits_become_8_in_little_memory(tmp_path):
    """24 million pixels need less than 10 bytes each, besides the result."""
    Image.fromarray(np.full((4_000, 6_000), 3_000, "uint16")).save(tmp_path / "a.png")
    program = (
        "import resource, sys; from dls_keras.core import images;"
        "usage = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss;"
        "before = usage(); image = images.read(sys.argv[1]);"
        "print(image.getpixel((0, 0))[0], usage() - before)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "a.png")]
    value, kilobytes = map(int, subprocess.check_output(command).split())
    assert value == round(3_000 / 257)
    assert kilobytes * 1024 < 14 * 24_000_000
