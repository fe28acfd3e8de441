"""Read and write images: any file or array becomes a plain 8-bit RGB image.

With `pillow_heif` (extra `photos`), also the HEIC pictures of phones are read.
"""

import contextlib
import io
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.files import atomic_write

MAX_PIXELS = 89_000_000  # Pillow warns of a decompression bomb at 89.5 million
MAX_JPEG_PIXELS = 220_000_000  # beyond MAX_PIXELS, JPEG is read at half the size
HEIC = {b"ftyp" + brand for brand in (b"heic", b"heix", b"heim", b"mif1", b"msf1")}
ROWS = 256  # of a large image that are converted at a time
# Pillow would hand the pictures of some other formats, such as PostScript, to programs.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP")
ORIENTATION = 274  # the EXIF tag
WRITTEN = {  # the suffixes of files that are written, with their formats
    **{".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"},
    **{".gif": "gif", ".bmp": "bmp", ".tif": "tiff", ".tiff": "tiff"},
}


def read(source: Any) -> Image.Image:
    """Convert a file, a PIL image or an array to an RGB image.

    Args:
        source: a path, the bytes of a file, a binary file object, a
            `PIL.Image.Image`, or an array or tensor (height, width),
            (height, width, 1), (height, width, 3) or (height, width, 4): integers
            in [0, 255] or floats in [0, 1]. Transparent pixels are blended with white,
            16-bit values are scaled to 8 bits, the EXIF orientation of a photo is
            applied, and of an animation the first frame is taken.

    Returns:
        A `PIL.Image.Image` in mode "RGB".

    Raises:
        InputError: if `source` is not an image.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        source = io.BytesIO(source)
    if isinstance(source, str | Path) or hasattr(source, "read"):
        with opened(source) as image:
            return _to_rgb(image)
    if not isinstance(source, Image.Image):
        return _to_rgb(_from_array(source))
    with _explained("The image"):
        return _to_rgb(_checked(source))


def write(image: Image.Image | np.ndarray, path: str | Path) -> Path:
    """Write an image to `path`, completely or not at all; the suffix is the format."""
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise InputError(
            f"Cannot write an image as {path.name!r}: expected one of the suffixes "
            f"{', '.join(WRITTEN)}, received {path.suffix!r}."
        )
    content = io.BytesIO()  # Pillow would not say that a disk is full
    read(image).save(content, WRITTEN[path.suffix.lower()])
    with atomic_write(path) as temporary:
        temporary.write_bytes(content.getbuffer())
    return path


def resized(
    source: Any,
    height: int,
    width: int,
    resample: Image.Resampling = Image.Resampling.BICUBIC,
) -> np.ndarray:
    """The image as an array (height, width, 3), float32 in [0, 1].

    It is resized without keeping the aspect ratio. Pillow's filters are antialiased:
    where the image shrinks, every pixel contributes.
    """
    image = read(source).resize((width, height), resample)
    return np.asarray(image, "float32") / 255


def letter_boxed(
    source: Any, height: int, width: int, *, keep_aspect_ratio: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """An image resized into the middle of another one, between grey bars.

    Returns:
        image: (height, width, 3) float32 in [0, 1]; the bars are 0.5.
        covered: (2,) float32, the shares of the width and of the height without bars.
    """
    image = read(source)
    rows, columns = height, width
    if keep_aspect_ratio and width * image.height < height * image.width:
        rows = max(1, image.height * width // image.width)
    elif keep_aspect_ratio:
        columns = max(1, image.width * height // image.height)
    boxed = np.full((height, width, 3), 0.5, "float32")
    top, left = (height - rows) // 2, (width - columns) // 2
    inner = resized(image, rows, columns, Image.Resampling.BILINEAR)
    boxed[top : top + rows, left : left + columns] = inner
    return boxed, np.array([columns / width, rows / height], "float32")


@contextlib.contextmanager
def opened(
    file: str | Path | IO[bytes], name: str = "The image"
) -> Iterator[Image.Image]:
    """An image of one of `FORMATS`, not yet decoded; errors in the block are explained.

    Args:
        file: a path, or a binary file, which the messages call `name`.

    Raises:
        InputError: if it is another kind of file, has more than `MAX_PIXELS`, or the
            block raises an exception, which a damaged image causes.
    """
    with contextlib.ExitStack() as stack:
        if isinstance(file, str | Path):
            name, path = str(file), files.expanded(file)
            if not files.exists(path):
                raise MissingFileError(f"There is no image at {file}. Check the path.")
            file = stack.enter_context(open(path, "rb"))
        stack.enter_context(_explained(name))
        file.seek(0)
        start = file.read(16)
        file.seek(0)
        yield _checked(stack.enter_context(_opened(file, start)))


def _opened(file, start):
    """The image in a binary file that begins with the bytes `start`."""
    if start.startswith(b"\xff\xd8\xff"):
        try:  # `Image.open` would refuse a large one
            image = JpegImagePlugin.JpegImageFile(file)
        except SyntaxError as error:
            raise UnidentifiedImageError from error
        pixels = image.width * image.height
        if MAX_PIXELS < pixels <= MAX_JPEG_PIXELS:
            image.draft("RGB", (image.width // 2, image.height // 2))
        return image
    if start[4:12] in HEIC:
        try:
            import pillow_heif  # lazy import of an extra
        except ImportError:
            raise InputError(
                "This is an HEIC picture, as phones take them. Convert it to JPEG, or "
                "`pip install 'dls-keras[photos]'`, with which it is read."
            ) from None
        return pillow_heif.open_heif(file).to_pillow()
    return Image.open(file, formats=FORMATS)


@contextlib.contextmanager
def _explained(name):
    """Replace the exceptions of Pillow by an InputError that names the image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # such as that of truncated EXIF data
            yield
    except UnidentifiedImageError:
        raise InputError(
            f"{name} is not an image that can be read. "
            "Expected a JPEG, PNG, GIF, BMP, TIFF or WebP file."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(
            f"{name} has more than {MAX_PIXELS:,} pixels. Reduce it first."
        ) from None
    except InputError:
        raise
    except Exception as error:  # a decoder may raise anything for damaged bytes
        raise InputError(f"{name} is damaged: {error}. Use another copy.") from error


def _checked(image):
    """The image, unless decoding it would start a program or need too much memory."""
    # None is no file; MPO is what Pillow makes of a JPEG file with several pictures.
    if image.format not in (None, "MPO", "HEIF", *FORMATS):
        raise UnidentifiedImageError
    if image.width * image.height > MAX_PIXELS:
        raise Image.DecompressionBombError
    return image


def _to_rgb(image: Image.Image) -> Image.Image:
    """The image with EXIF orientation applied, in 8 bits, on white, as RGB."""
    given = image
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    image = _in_8_bits(image)
    if "A" in image.getbands() or "transparency" in image.info:
        return _by_rows(image, "RGB", _on_white)
    # A large image takes 350 MB, so it is not copied twice.
    return image.convert("RGB") if image is given or image.mode != "RGB" else image


def _in_8_bits(image):
    """An image of 16-bit, 32-bit or floating-point grey values in 8 bits.

    Pillow's own conversion would clip the values.
    """
    if not image.mode.startswith(("I", "F")):
        return image
    image.load()
    scale = 257 if image.mode != "F" and image.getextrema()[1] > 255 else 1

    def convert(rows):
        grey = np.asarray(rows)
        return _from_array(np.rint(grey / scale).astype(int) if scale > 1 else grey)

    return _by_rows(image, "L", convert)


def _on_white(image):
    """An image with transparent pixels, blended with white."""
    image = image.convert("RGBA")
    background = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(background, image).convert("RGB")


def _by_rows(image, mode, convert):
    """The image converted a few rows at a time, which takes little memory."""
    image.load()
    converted = Image.new(mode, image.size)
    for top in range(0, image.height, ROWS):
        box = (0, top, image.width, min(top + ROWS, image.height))
        converted.paste(convert(image.crop(box)), box)
    return converted


def _from_array(array) -> Image.Image:
    """The image of an array, once its shape, type and range have been checked."""
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise InputError(f"This is not an image: {error}") from error
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or array.ndim == 3 and array.shape[2] in (3, 4)):
        raise InputError(
            "Expected an image of shape (height, width), (height, width, 3) or "
            f"(height, width, 4), received {array.shape}. Pass one image, with the "
            "channels last; of a batch `x`, pass the images one by one."
        )
    if array.size == 0:
        raise InputError(f"The image has no pixels: its shape is {array.shape}.")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError("The image holds NaN or infinite values. Replace them.")
        if array.min() < 0 or array.max() > 1:
            raise InputError(
                "Expected an image of floats in [0, 1], received values in "
                f"[{array.min():g}, {array.max():g}]. Divide by 255, or pass uint8."
            )
        array = np.rint(array * 255)
    elif array.dtype.kind not in "iu":
        raise InputError(
            "Expected an image of integers in [0, 255] or floats in [0, 1], received "
            f"{array.dtype}. Convert it first."
        )
    elif array.min() < 0 or array.max() > 255:
        raise InputError(
            "Expected an image of integers in [0, 255], received values in "
            f"[{array.min()}, {array.max()}]. Scale it first."
        )
    return Image.fromarray(array.astype("uint8"))
