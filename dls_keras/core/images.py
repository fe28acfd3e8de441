"""Read and write images: any file or array becomes a plain 8-bit RGB image."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.files import atomic_write

MAX_PIXELS = 89_000_000  # Pillow warns of a decompression bomb at 89.5 million
WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def read(source: Any) -> Image.Image:
    """Convert a path, an open PIL image or an array to an RGB image.

    Args:
        source: a file path, a `PIL.Image.Image`, or an array (height, width),
            (height, width, 1), (height, width, 3) or (height, width, 4): integers
            in [0, 255] or floats in [0, 1]. Transparent pixels are blended with white,
            16-bit values are scaled to 8 bits, the EXIF orientation of a photo is
            applied, and of an animation the first frame is taken.

    Returns:
        A `PIL.Image.Image` in mode "RGB".

    Raises:
        InputError: if `source` is not an image.
    """
    if isinstance(source, str | Path):
        return _read_file(Path(source))
    return _to_rgb(source if isinstance(source, Image.Image) else _from_array(source))


def write(image: Image.Image | np.ndarray, path: str | Path) -> Path:
    """Write an image to `path`, completely or not at all; the suffix is the format."""
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise InputError(
            f"Cannot write an image as {path.name!r}: expected one of the suffixes "
            f"{', '.join(WRITTEN)}, received {path.suffix!r}."
        )
    with atomic_write(path) as temporary:
        read(image).save(temporary)
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


def _read_file(path: Path) -> Image.Image:
    if not path.is_file():
        raise MissingFileError(f"There is no image at {path}. Check the path.")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return _to_rgb(image)
    except UnidentifiedImageError:
        raise InputError(
            f"{path} is not an image that can be read. "
            "Expected a JPEG, PNG, GIF, BMP, TIFF or WebP file."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(
            f"{path} has more than {MAX_PIXELS:,} pixels. Reduce it first."
        ) from None
    except InputError:
        raise
    except Exception as error:  # a decoder may raise anything for damaged bytes
        raise InputError(f"{path} is damaged: {error}. Use another copy.") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    """The image with EXIF orientation applied, in 8 bits, on white, as RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16- or 32-bit integers, which convert() clips
        grey = np.asarray(image)
        image = _from_array(
            np.rint(grey / 257).astype(int) if grey.max() > 255 else grey
        )
    elif image.mode == "F":
        image = _from_array(np.asarray(image))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, image)
    return image.convert("RGB")


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
            "channels last."
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
