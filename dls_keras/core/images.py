"""Photos in and out: any file or array becomes one plain RGB picture."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.files import atomic_write

MAX_PIXELS = 89_000_000  # Pillow warns of a decompression bomb at 89.5 million
WRITTEN = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")


def read(source) -> Image.Image:
    """The picture behind a path, an open PIL image or an array, as RGB.

    Args:
        source: a file path, a `PIL.Image.Image`, or an array (height, width),
            (height, width, 1), (height, width, 3) or (height, width, 4): integers
            in [0, 255] or floats in [0, 1]. Transparent pixels are laid on white,
            16-bit greys are scaled to 8 bits, a photo's EXIF rotation is applied, and
            of an animation the first picture is taken.

    Returns:
        A `PIL.Image.Image` in mode "RGB".

    Raises:
        InputError: if there is no picture in `source`.
    """
    if isinstance(source, str | Path):
        return _read_file(Path(source))
    return _plain(source if isinstance(source, Image.Image) else _from_array(source))


def write(image: Image.Image | np.ndarray, path: str | Path) -> Path:
    """Write a picture to `path`, format by its suffix; never half a file."""
    path = Path(path)
    if path.suffix.lower() not in WRITTEN:
        raise InputError(
            f"Cannot write a picture as {path.name!r}: expected one of the suffixes "
            f"{', '.join(WRITTEN)}, received {path.suffix!r}."
        )
    with atomic_write(path) as temporary:
        read(image).save(temporary)
    return path


def resized(
    source, height: int, width: int, resample=Image.Resampling.BICUBIC
) -> np.ndarray:
    """The picture stretched to (height, width, 3), float32 in [0, 1].

    Pillow's filters widen where a picture shrinks, so nothing is skipped.
    """
    image = read(source).resize((width, height), resample)
    return np.asarray(image, "float32") / 255


def _read_file(path: Path) -> Image.Image:
    if not path.is_file():
        raise MissingFileError(f"There is no picture at {path}. Check the path.")
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            return _plain(image)
    except UnidentifiedImageError:
        raise InputError(
            f"{path} is not a picture that can be read. "
            "Expected a JPEG, PNG, GIF, BMP, TIFF or WebP file."
        ) from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(
            f"{path} has more than {MAX_PIXELS:,} pixels. Reduce it first."
        ) from None
    except InputError:
        raise
    except Exception as error:  # on damaged bytes a decoder may raise anything
        raise InputError(f"{path} is damaged: {error}. Take another copy.") from error


def _plain(image: Image.Image) -> Image.Image:
    """The picture upright, in 8 bits, on white paper, as RGB."""
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # integers of 16 or 32 bits, which convert() clips
        grey = np.asarray(image)
        image = _from_array(
            np.rint(grey / 257).astype(int) if grey.max() > 255 else grey
        )
    elif image.mode == "F":
        image = _from_array(np.asarray(image))
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        paper = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(paper, image)
    return image.convert("RGB")


def _from_array(array) -> Image.Image:
    try:
        array = np.asarray(array)
    except ValueError as error:
        raise InputError(f"This is no picture: {error}") from error
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if not (array.ndim == 2 or array.ndim == 3 and array.shape[2] in (3, 4)):
        raise InputError(
            "A picture as an array has shape (height, width), or (height, width, 3) "
            f"or 4; received {array.shape}. Hand in one picture, channels last."
        )
    if array.size == 0:
        raise InputError(f"The picture has no pixels: its shape is {array.shape}.")
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InputError("The picture holds NaN or infinite values. Clean it.")
        if array.min() < 0 or array.max() > 1:
            raise InputError(
                "A picture of floats has values in [0, 1]; received "
                f"[{array.min():g}, {array.max():g}]. Divide by 255, or hand in uint8."
            )
        array = np.rint(array * 255)
    elif array.dtype.kind not in "iu":
        raise InputError(
            "A picture as an array holds integers in [0, 255] or floats in [0, 1]; "
            f"received {array.dtype}. Convert it first."
        )
    elif array.min() < 0 or array.max() > 255:
        raise InputError(
            "A picture of integers has values in [0, 255]; received "
            f"[{array.min()}, {array.max()}]. Scale it first."
        )
    return Image.fromarray(array.astype("uint8"))
