"""How data sets are made from what their sources publish.

Each function takes a downloaded file and a folder, and writes the files of the data set
of its name in `catalog.DATA_SETS` below that folder. Members of an archive are found by
their names, read within bounds, and written under names of our own, so that no archive
can write elsewhere.

What must be the same bytes or pixels is compared with its sha256. Photos that are
reduced and compressed again are not the same bytes with each version of a library: they
are compared with `fingerprints`, which such a change leaves almost as they are.

`CHECKS` has the functions that compare files which were made before.
"""

import contextlib
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dls_keras.core import files, images, readers
from dls_keras.core.errors import InputError
from dls_keras.datasets import camvid as camvid_set
from dls_keras.datasets import catalog, fingerprints

LARGEST_MEMBER = 32 * readers.MEGABYTE  # of an archive; the photos have less than 2
ALPACA_SIDE = 224  # pixels of the shorter side; the course reads 160 x 160
# sha256 of what is the same with any library.
FOOTBALL = "c4c41811c9bcecfe26ffe574ed5b22a6bf65255fd50bc9efc65c82b6ae1f1025"
ATT_FACES = "2e4844a9f4fa4397058f69d6208047170f2e9d399cda18b55c1e8d28f0a83431"
BOXES = "3a88f027a001a6e28c294231e5b854e1b900e0ab013a80b29ed06f43face6210"
NO_CARS = "942ad55adce347d0c4a95d57c82ef7744f5fbf218a54bb6b5edf615189638a9e"
SMILES = "c9b3a323cae0199a69c666bdc7a97b7288e5793fe32ebf01fd0d50b41e41f893"
MASKS = {
    "train": "3437cdd5e4da1ec31f810466cbe85afa0c5e643739c5bfee7016e2ea195b34c1",
    "val": "7aee0cae2f27816e6f1f36112f448a7f7ef6c32561a33d5121f9849081e25582",
    "test": "6554e4872da099c8edaabefa552355b5bc048a870b034eb2913d97096d5b98b4",
}
# The frames without cars that the set has, of 646; chosen at random.
FRAMES_WITHOUT_CARS = """
10160 10200 10240 10320 10400 10540 10600 10680 11140 11320 11500 12700 13540 14040 1600
16220 16460 16800 16980 18900 18980 19200 19440 20240 20460 20480 21380 21740 21860
21900 21920 22400 22760 22880 23040 23120 23420 23460 23640 24780 25880 25920 26080
27040 28280 28320 29360 29420 3420 3660 3700 3980 4180 5900 6920 7220 7500 820 9180 9480
"""


def football(mat: Path, folder: Path) -> None:
    """courses12/french_football.npz from the course's data.mat."""
    from scipy import io as scipy_io

    with readers.reading(mat, "the course's data.mat"):
        found = scipy_io.loadmat(mat, variable_names=["X", "y", "Xval", "yval"])
        arrays = {
            name: found[name].astype("float64" if name[0] == "X" else "int64")
            for name in ("X", "y", "Xval", "yval")
        }
    path = _new(folder, catalog.DATA_SETS["football"].files[0].name)
    np.savez(path, **arrays)  # type: ignore[arg-type]  # none is named allow_pickle
    check_football([path])


def check_football(paths: Sequence[Path]) -> None:
    """Raise InputError unless the points are those of the course."""
    arrays = readers.read_npz(paths[0], "the file of football points")
    content = b"".join(
        arrays[name].tobytes() for name in ("X", "y", "Xval", "yval") if name in arrays
    )
    _compare(hashlib.sha256(content), FOOTBALL, paths[0])


def recordings(archive: Path, folder: Path) -> None:
    """The files of trigger_word/raw_data from the course's raw_data.zip."""
    pattern = r"(?:raw_data/)?((?:activates|negatives|backgrounds|dev)/\w+\.wav)"
    with _opened(archive, pattern) as read:
        for remote in catalog.DATA_SETS["recordings"].files:
            path = _new(folder, remote.name)
            path.write_bytes(read(remote.name.split("/", 2)[2]))
            files.check_hash(path, remote)


def smiles(archive: Path, folder: Path) -> None:
    """happy/smiles_64x64_jpg.zip: 1500 smiling and 1500 other faces, unchanged."""
    pattern = r".*SMILEs/\w+/(positives7/\d+|negatives7/\d+)\.jpg"
    path = _new(folder, catalog.DATA_SETS["smiles"].files[0].name)
    with _opened(archive, pattern) as read, zipfile.ZipFile(path, "w") as made:
        for kind, there in (("smile", "positives7"), ("no_smile", "negatives7")):
            for number in fingerprints.smiles(kind):
                made.writestr(f"{kind}/{number}.jpg", read(f"{there}/{number}"))
    check_smiles([path])


def check_smiles(paths: Sequence[Path]) -> None:
    """Raise InputError unless the archive holds the 3000 photos."""
    sha256 = hashlib.sha256()
    with _opened(paths[0], r"(\w+/\d+)\.jpg") as read:
        for kind in ("smile", "no_smile"):
            for number in fingerprints.smiles(kind):
                sha256.update(read(f"{kind}/{number}"))
    _compare(sha256, SMILES, paths[0])


def att_faces(archive: Path, folder: Path) -> None:
    """faces/att_faces.npz: the photos of s1 to s40, numbers 1 to 10 in order."""
    path = _new(folder, catalog.DATA_SETS["att_faces"].files[0].name)
    x = []
    with _opened(archive, r"att_faces/(s\d+/\d+)\.pgm") as read:
        for person in range(1, 41):
            for number in range(1, 11):
                name = f"s{person}/{number}"
                with Image.open(io.BytesIO(read(name)), formats=["PPM"]) as photo:
                    if (photo.mode, photo.size) != ("L", (92, 112)):
                        raise ValueError(f"{name}.pgm is no grey photo of 92 x 112")
                    x.append(np.asarray(photo))
    labels = np.repeat(np.arange(40, dtype="uint8"), 10)
    np.savez_compressed(path, images=np.stack(x), labels=labels)
    check_att_faces([path])


def check_att_faces(paths: Sequence[Path]) -> None:
    """Raise InputError unless the photos are those of AT&T, in order."""
    arrays = readers.read_npz(paths[0], "the file of AT&T faces", ["images"])
    _compare(hashlib.sha256(arrays["images"].tobytes()), ATT_FACES, paths[0])


def alpacas(archive: Path, folder: Path) -> None:
    """The photos of the folders alpaca and "not alpaca", reduced."""
    pattern = r"dataset/(?:.*/)?((?:alpaca|not alpaca)/[0-9a-f]{16}\.jpg)"
    with _opened(archive, pattern) as read:
        for name in read.names:
            photo = images.read(read(name))
            scale = ALPACA_SIDE / min(photo.size)
            size = (round(photo.width * scale), round(photo.height * scale))
            small = photo.resize(size, Image.Resampling.LANCZOS)
            small.save(_new(folder, f"alpaca/{name}"), "JPEG", quality=90)
    check_alpacas([folder / "alpaca/alpaca", folder / "alpaca/not alpaca"])


def check_alpacas(paths: Sequence[Path]) -> None:
    """Raise InputError unless the two folders hold the 327 photos."""
    photos = [photo for path in paths for photo in sorted(path.glob("*.jpg"))]
    _compare_photos("alpacas", map(images.read, photos), paths[0].parent)


def car_boxes(archive: Path, folder: Path) -> None:
    """The frames with cars, 60 of the others, and both lists."""
    pattern = r"data/(?:.*/)?(vid_4_\d+\.jpg|[^/]*bounding_boxes[^/]*\.csv)"
    place = folder / "car_boxes"
    with _opened(archive, pattern) as read:
        (table,) = (name for name in read.names if name.endswith(".csv"))
        text = read(table).replace(b"\r\n", b"\n")
        _new(place, "boxes.csv").write_bytes(text)
        names = [f"vid_4_{n}.jpg" for n in FRAMES_WITHOUT_CARS.split()]
        _new(place, "images_without_cars.txt").write_text("\n".join(names) + "\n")
        with_cars = re.findall(rb"^(vid_4_\d+\.jpg),", text, re.MULTILINE)
        for name in {*names, *(name.decode() for name in with_cars)}:
            frame = images.read(read(name))
            frame.save(_new(place, f"images/{name}"), "JPEG", quality=75)
    listed = catalog.DATA_SETS["car_boxes"].files
    check_car_boxes([folder / remote.name for remote in listed])


def check_car_boxes(paths: Sequence[Path]) -> None:
    """Raise InputError unless the lists and the frames are those of the set."""
    table, without_cars, frames = paths
    for path, expected in ((table, BOXES), (without_cars, NO_CARS)):
        with readers.reading(path, "a list of frames"):
            readers.check_size(path, readers.MEGABYTE)
            _compare(hashlib.sha256(path.read_bytes()), expected, path)
    photos = sorted(frames.glob("vid_4_*.jpg"))
    _compare_photos("car_boxes", map(images.read, photos), frames)


def camvid(archive: Path, folder: Path) -> None:
    """An archive for each split, images and masks of 256 x 192 pixels."""
    pattern = r"CamVid/((?:train|val|test)(?:annot)?/\w+\.png)"
    paths = []
    with _opened(archive, pattern) as read:
        for split, remote in camvid_set.SPLITS.items():
            paths.append(_new(folder, remote.name))
            with zipfile.ZipFile(paths[-1], "w") as made:
                for name in read.names:
                    if name.startswith(f"{split}/"):
                        _add_scene(made, read, name)
    check_camvid(paths)


def _add_scene(made: zipfile.ZipFile, read: Any, name: str) -> None:
    """Add an image and its mask, reduced, to an archive."""
    mask = name.replace("/", "annot/")
    x, y = camvid_set.pair(
        (io.BytesIO(read(name)), name), (io.BytesIO(read(mask)), mask)
    )
    stem = Path(name).stem
    for target, array, how in (
        (f"images/{stem}.jpg", x, {"format": "JPEG", "quality": 88}),
        (f"masks/{stem}.png", y, {"format": "PNG"}),
    ):
        content = io.BytesIO()
        Image.fromarray(array).save(content, **how)
        made.writestr(target, content.getvalue())


def check_camvid(paths: Sequence[Path]) -> None:
    """Raise InputError unless the archives hold the images and masks of their splits.

    The folder CamVid itself is not compared: its images may have any size.
    """
    if len(paths) != len(MASKS):
        return
    photos = []
    for path, (split, expected) in zip(paths, MASKS.items(), strict=True):
        x, y = camvid_set.read_archive(path, split)
        _compare(hashlib.sha256(y.tobytes()), expected, path)
        photos += [Image.fromarray(image) for image in x]
    _compare_photos("camvid", photos, paths[0].parent)


CHECKS: dict[str, Callable[[Sequence[Path]], None]] = {
    "football": check_football,
    "smiles": check_smiles,
    "att_faces": check_att_faces,
    "alpacas": check_alpacas,
    "car_boxes": check_car_boxes,
    "camvid": check_camvid,
}


# Archives and comparisons.


class _Members:
    """Reads members of an archive by what a pattern takes from their names."""

    def __init__(self, archive: zipfile.ZipFile, names: Mapping[str, str]):
        self._archive, self._names = archive, names
        self.names = sorted(names)

    def __call__(self, name: str) -> bytes:
        if name not in self._names:
            raise ValueError(f"it has no {name}")
        full = self._names[name]
        return readers.member(self._archive, full, limit=LARGEST_MEMBER)


@contextlib.contextmanager
def _opened(path: Path, pattern: str) -> Iterator[_Members]:
    """The members whose names below the folder of the repository match `pattern`.

    `pattern` has one group, by which they are read. If several members have the same,
    the first counts.
    """
    matches = re.compile(rf"(?:{re.escape(path.stem)}/)?{pattern}")
    with readers.opened_zip(path, "the archive of this data set") as archive:
        found: dict[str, str] = {}
        for name in archive.namelist():
            if match := matches.fullmatch(name):
                found.setdefault(match[1], name)
        yield _Members(archive, found)


def _new(folder: Path, name: str) -> Path:
    """The path of a new file in a folder of its own."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _compare(sha256: Any, expected: str, path: Path) -> None:
    """Raise InputError unless a digest is the expected one."""
    if sha256.hexdigest() != expected:
        raise InputError(
            f"The content of {path} has sha256 {sha256.hexdigest()}, expected "
            f"{expected}. It is damaged, or another version. Delete it and fetch it "
            "again."
        )


def _compare_photos(name: str, photos: Any, path: Path) -> None:
    """Raise InputError unless photos, in order, are like those of a data set."""
    if difference := fingerprints.difference(name, photos):
        raise InputError(
            f"The photos in {path} are not those of {name}: {difference}. Delete them "
            "and fetch them again."
        )
