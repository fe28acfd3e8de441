"""Faces: 40 AT&T people, the course's portraits, synthetic people, and face crops.

`load_att` reads 400 grey photos, ten each of forty people, taken at Olivetti Research
in Cambridge from 1992 to 1994: lighting, expression and glasses vary, the background
is dark. Terms: give credit to Olivetti Research Laboratory (Samaria & Harter 1994,
"Parameterisation of a stochastic model for human face identification"). `load_photos`
reads the course's twelve portraits and six photos of a door camera, 96 x 96 RGB
(licence: none stated). `make_faces` generates synthetic people, which need no files.
"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from dls_keras.core import images, readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import catalog, smiles
from dls_keras.datasets.draw import faces

SYNTHETIC = 40  # people in place of those of AT&T
(ATT,) = catalog.DATA_SETS["att_faces"].files
ATT_SIZE = 112  # height, and after padding also width, of an AT&T photo in pixels

NAMES = (
    "andrew", "arnaud", "benoit", "bertrand", "dan", "danielle",
    "felix", "kevin", "kian", "sebastiano", "tian", "younes",
)  # fmt: skip
# The people on camera_0.jpg to camera_5.jpg.
CAMERA_NAMES = ("younes", "bertrand", "benoit", "bertrand", "dan", "arnaud")


class Faces(NamedTuple):
    """Images of faces and the person on each.

    Fields:
        x: (m, height, width) grey or (m, height, width, 3) RGB, uint8.
        y: (m,) int64, a number for each person.
    """

    x: np.ndarray
    y: np.ndarray


class TrainingFaces(NamedTuple):
    """A training set of faces for the triplet loss.

    Fields:
        x: (m, height, width, 3) uint8 RGB.
        y: (m,) int64, a number for each person.
        repeats: {person: how often an epoch uses that person}, once if not listed.
    """

    x: np.ndarray
    y: np.ndarray
    repeats: dict[int, int]


class Photos(NamedTuple):
    """The course's photos, as paths.

    Fields:
        portraits: {name: photo} of twelve people.
        camera: six photos of the door camera.
        names: the people on these six.
    """

    portraits: dict[str, Path]
    camera: tuple[Path, ...]
    names: tuple[str, ...]


def load_att(path: str | Path | None = None, *, synthetic: bool = False) -> Faces:
    """The 400 AT&T photos, x (400, 112, 112) uint8 grey.

    The originals are 92 pixels wide. To make them square without changing the aspect
    ratio, their left and right borders are repeated ten times. People are numbered from
    0 to 39, with ten consecutive photos each.

    Args:
        path: att_faces.npz; by default the one in `$DLS_KERAS_DATA/faces` or the cache.
        synthetic: forty people of `make_faces` in their place, which need no files.

    Raises:
        MissingFileError: if the file is not on this machine.
        InputError: if the file holds something else.
    """
    if synthetic:
        people = make_faces(SYNTHETIC, seed=3, size=ATT_SIZE)
        grey = people.x @ np.array([0.299, 0.587, 0.114])
        return people._replace(x=np.rint(grey).astype("uint8"))
    path = catalog.find(ATT, path)
    names = "images", "labels"
    arrays = readers.read_npz(
        path, "the file of AT&T faces", names, limit=64 * readers.MEGABYTE
    )
    x, y = (arrays[name] for name in names)
    if (x.shape[:1], y.shape) != ((400,), (400,)):
        raise InputError(
            f"{path} holds images of shape {x.shape} and labels of shape {y.shape}, "
            "expected (400, 112, 92) and (400,). Use another copy."
        )
    x, y = readers.labelled_images(x, y, (ATT_SIZE, 92), 40, path)
    side = (ATT_SIZE - x.shape[2]) // 2
    return Faces(np.pad(x, ((0, 0), (0, 0), (side, side)), "edge"), y)


def load_photos() -> Photos:
    """The course's photos, in faces/photos of `$DLS_KERAS_DATA` or of the cache.

    Raises:
        MissingFileError: if one is missing.
    """

    known = {Path(r.name).stem: r for r in catalog.DATA_SETS["portraits"].files}

    def photo(name):
        return catalog.find(known[name])

    return Photos(
        {name: photo(name) for name in NAMES},
        tuple(photo(f"camera_{i}") for i in range(len(CAMERA_NAMES))),
        CAMERA_NAMES,
    )


def make_faces(
    people: int, pictures: int = 10, *, seed: int = 0, size: int = 96
) -> Faces:
    """Synthetic people, x (people * pictures, size, size, 3) uint8 RGB.

    Args:
        people: how many people, at most 10,000.
        pictures: how many images of each.
        seed: another seed generates other people.
        size: height and width in pixels.
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


def load_training_faces(
    people: int = 30,
    extra: int = 300,
    others: int = 3000,
    *,
    size: int = 64,
    seed: int = 0,
    synthetic: bool = False,
) -> TrainingFaces:
    """A training set of three kinds of people, x (m, size, size, 3).

    The first `people` of AT&T, with ten photos each, show what varies between photos of
    one person: expression, pose, glasses. They are few, so `extra` synthetic people
    with ten images each are added, and `others` of `smiles.load_smiles`, one photo per
    person, who serve as negatives. An epoch uses an AT&T person 80 times, a synthetic
    person 3 times and one of the others once.

    Args:
        synthetic: synthetic people in place of those of AT&T, and none of the others:
            no files are needed.
    """
    att = load_att(synthetic=synthetic)
    generated = make_faces(extra, seed=seed, size=size)
    chosen = att.y < people
    photos = np.stack([images.resized(face, size, size) for face in att.x[chosen]])
    x = [np.rint(255 * photos).astype("uint8"), generated.x]
    y = [att.y[chosen], people + generated.y]
    if others and not synthetic:
        grey = smiles.load_smiles().x[:others, :, :, np.newaxis]
        x.append(np.repeat(grey, 3, axis=3))
        y.append(people + extra + np.arange(len(grey)))
    repeats = dict.fromkeys(range(people), 80)
    repeats |= dict.fromkeys(range(people, people + extra), 3)
    return TrainingFaces(np.concatenate(x), np.concatenate(y), repeats)


def example_people() -> dict[str, Any]:
    """{name: photo}: the course's portraits if available, else six synthetic faces."""
    if catalog.places("portraits"):
        return dict(load_photos().portraits)
    people = make_faces(6, 1, seed=2)
    return dict(zip("Ash Blake Casey Drew Ellis Finn".split(), people.x, strict=True))


def crop_face(source: Any) -> Image.Image:
    """The largest face of a photo, cropped to a square as in the AT&T photos.

    Args:
        source: an image as `images.read` accepts it, with a frontal face.

    Returns:
        A square PIL image, RGB.

    Raises:
        InputError: if OpenCV is not installed, or detects no face.
    """
    try:
        import cv2
    except ImportError:
        raise InputError(
            "Detecting a face takes OpenCV, which is not installed. Run "
            "`pip install dls-keras[faces]`, or crop the face yourself."
        ) from None
    photo = images.read(source)
    # The detector finds faces of 24 pixels and more, so small photos are enlarged.
    # Local histogram equalisation helps with faces in shadow.
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
            f"OpenCV detects no face in this photo of {photo.width} x {photo.height} "
            "pixels. Use one with a frontal face, or crop the face yourself."
        )
    left, top, width, height = max(found, key=lambda box: box[2] * box[3]) / scale
    # The detected box ends at eyebrows and chin. The AT&T photos show this much more;
    # outside the photo its border is repeated.
    side = round(1.3 * width)
    x, y = round(left - 0.15 * width), round(top - 0.23 * height)
    margin = max(0, -x, -y, x + side - photo.width, y + side - photo.height)
    pixels = np.pad(
        np.asarray(photo), ((margin, margin), (margin, margin), (0, 0)), "edge"
    )
    x, y = x + margin, y + margin
    return Image.fromarray(pixels[y : y + side, x : x + side])
