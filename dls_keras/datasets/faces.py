"""Faces: forty people of AT&T, the course's portraits, people drawn, faces cut out.

`load_att` reads 400 grey pictures, ten each of forty people, taken at Olivetti
Research in Cambridge from 1992 to 1994: light, look and glasses change, the wall
behind is dark. Terms: give credit to Olivetti Research Laboratory (Samaria & Harter
1994, "Parameterisation of a stochastic model for human face identification").
`load_photos` reads the course's twelve portraits and six photos of a door's camera,
96 x 96 RGB (licence: none stated). `make_faces` draws people for whom has neither.
"""

import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from dls_keras.core import files, images
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets.draw import faces

ATT = files.Remote(
    name="faces/att_faces.npz",
    sha256="dd4d7aabbbab9a0406a3b022f94c6a9597754859b72ca02e2cb78aa34eca5427",
    licence="give credit to Olivetti Research Laboratory",
    instead=(
        "Put att_faces.npz, with `images` (400, 112, 92) uint8 and `labels` (400,) "
        "uint8, into the folder faces below the one that DLS_KERAS_DATA names, or "
        "draw people with dls_keras.datasets.faces.make_faces."
    ),
)
ATT_SIZE = 112  # height and, once the sides are repeated, width of an AT&T picture

NAMES = (
    *("andrew", "arnaud", "benoit", "bertrand", "dan", "danielle"),
    *("felix", "kevin", "kian", "sebastiano", "tian", "younes"),
)
# Whom camera_0.jpg to camera_5.jpg show.
AT_THE_DOOR = ("younes", "bertrand", "benoit", "bertrand", "dan", "arnaud")


class Faces(NamedTuple):
    """Faces and whose they are.

    Fields:
        x: (m, height, width) grey or (m, height, width, 3) RGB, uint8.
        y: (m,) int64, a number for each person.
    """

    x: np.ndarray
    y: np.ndarray


class Photos(NamedTuple):
    """The course's photos, as paths.

    Fields:
        portraits: maps each of twelve names to a photo.
        camera: six photos of the door's camera.
        names: whom these six show.
    """

    portraits: dict[str, Path]
    camera: tuple[Path, ...]
    names: tuple[str, ...]


def load_att(path: str | Path | None = None) -> Faces:
    """The 400 AT&T pictures, x (400, 112, 112) uint8 grey.

    They are 92 wide; to be square, and so never stretched, they repeat their left
    and right borders ten times. People are numbered from 0 to 39, ten pictures each
    in a row.

    Raises:
        MissingFileError: if they are nowhere; says where to put them.
        InputError: if the file holds something else.
    """
    path = files.find_data(ATT, path)
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as npz:
            x, y = npz["images"], npz["labels"]
    except (
        *(OSError, ValueError, KeyError, TypeError, AttributeError, EOFError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        raise InputError(
            f"{path} is not the AT&T faces ({error}); it is {files.what_is(path)}. "
            "Take another copy."
        ) from error
    if x.shape != (400, 112, 92) or y.shape != (400,) or x.dtype != "uint8":
        raise InputError(
            f"{path} holds images {x.dtype} {x.shape} and labels {y.shape}, expected "
            "uint8 (400, 112, 92) and (400,). Take another copy."
        )
    side = (ATT_SIZE - x.shape[2]) // 2
    x = np.pad(x, ((0, 0), (0, 0), (side, side)), "edge")
    return Faces(x, y.astype("int64"))


def load_photos() -> Photos:
    """The course's photos below `$DLS_KERAS_DATA/faces/photos`.

    Raises:
        MissingFileError: if one is missing.
    """

    def photo(name):
        for suffix in (".jpg", ".png"):
            if path := files.in_data_folder(f"faces/photos/{name}{suffix}"):
                return path
        raise MissingFileError(
            f"There is no photo {name}.jpg. Put the pictures of the course's face "
            "recognition (andrew.jpg … younes.jpg, camera_0.jpg … camera_5.jpg) into "
            "the folder faces/photos below the one that DLS_KERAS_DATA names, or draw "
            "people with dls_keras.datasets.faces.make_faces."
        )

    return Photos(
        {name: photo(name) for name in NAMES},
        tuple(photo(f"camera_{i}") for i in range(len(AT_THE_DOOR))),
        AT_THE_DOOR,
    )


def make_faces(
    people: int, pictures: int = 10, *, seed: int = 0, size: int = 96
) -> Faces:
    """Drawn people, `pictures` of each: x (people * pictures, size, size, 3) uint8 RGB.

    Another seed draws other people (for up to 10,000 of each).
    """
    x = [
        faces.face(10_000 * seed + person, size=size, seed=picture)
        for person in range(people)
        for picture in range(pictures)
    ]
    return Faces(
        np.reshape(x, (len(x), size, size, 3)).astype("uint8"),
        np.repeat(np.arange(people), pictures),
    )


def crop_face(source) -> Image.Image:
    """The largest face of a photo as a square, framed as the AT&T faces are.

    Args:
        source: what `images.read` takes; the face looks into the camera.

    Returns:
        A square PIL image, RGB.

    Raises:
        InputError: if OpenCV is not installed, or sees no face.
    """
    try:
        import cv2
    except ImportError:
        raise InputError(
            "Finding a face takes OpenCV, which is not installed. Run "
            "`pip install dls-keras[faces]`, or cut the face out yourself."
        ) from None
    photo = images.read(source)
    # The detector looks for faces of 24 pixels and more, so small photos are enlarged;
    # evening out the light by places finds faces in the shade.
    scale = max(1.0, 400 / min(photo.size))
    grey = photo.convert("L").resize(
        (round(photo.width * scale), round(photo.height * scale))
    )
    grey = cv2.createCLAHE(3.0, (4, 4)).apply(np.asarray(grey))
    cascade = cv2.CascadeClassifier(
        f"{cv2.data.haarcascades}haarcascade_frontalface_default.xml"
    )
    found = cascade.detectMultiScale(grey, 1.1, 5, minSize=(60, 60))
    if len(found) == 0:
        raise InputError(
            f"OpenCV sees no face in this photo of {photo.width} x {photo.height} "
            "pixels. Take one that looks into the camera, or cut the face out yourself."
        )
    left, top, width, height = max(found, key=lambda box: box[2] * box[3]) / scale
    # The detector's box ends at brows and chin. Measured against it, the squares of
    # AT&T show this much more; beyond the photo its border repeats.
    side = round(1.3 * width)
    x, y = round(left - 0.15 * width), round(top - 0.23 * height)
    beyond = max(0, -x, -y, x + side - photo.width, y + side - photo.height)
    pixels = np.pad(photo, ((beyond, beyond), (beyond, beyond), (0, 0)), "edge")
    x, y = x + beyond, y + beyond
    return Image.fromarray(pixels[y : y + side, x : x + side])
