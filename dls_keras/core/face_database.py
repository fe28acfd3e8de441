"""A database of known people: names and the encodings of their faces, in one file.

A database is the course's dict {name: encoding} that also records which network
computed its encodings, since encodings of two networks cannot be compared:

    known = Identities(fingerprint(model))
    known.add("younes", encodings)  # of one photo or several
    known.save("door.npz")

The file holds names and encodings, no photos and no code that runs when it is read.
It is written to a temporary name and then moved into place, so it is never incomplete.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dls_keras.core import files, readers
from dls_keras.core.errors import InputError

A_DATABASE = "a database of identities"
LARGEST = 64 * readers.MEGABYTE  # of a file: 100,000 people


class Identities(dict):
    """{name: encoding (1, d) float32 of unit length}.

    Attributes:
        network: the `fingerprint` of the network that computed the encodings.
    """

    def __init__(self, network: str):
        super().__init__()
        self.network = network

    def add(self, name: str, encodings: np.ndarray) -> None:
        """Add a person with the mean direction of the encodings of some photos.

        Args:
            name: printable and not in the database yet.
            encodings: (k, d), one row per photo.

        Raises:
            InputError: if the name is taken or not printable, or the encodings have
                another shape or no mean direction.
        """
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InputError(
                f"The name of a person must be printable text, received {name!r}."
            )
        if name in self:
            raise InputError(
                f"{name!r} is already in the database. Remove that person first, or "
                "choose another name."
            )
        encodings = np.asarray(encodings, "float32")
        d = next((known.shape[1] for known in self.values()), None)
        two_axes = encodings.ndim == 2 and encodings.size > 0
        if not two_axes or d not in (None, encodings.shape[1]):
            raise InputError(
                f"The encodings of {name!r} have shape {encodings.shape}, expected "
                f"(k, {d or 'd'}), one row per photo."
            )
        mean = encodings.mean(axis=0, keepdims=True)
        length = np.linalg.norm(mean)
        if not np.isfinite(length) or length < 1e-6:
            raise InputError(
                f"The encodings of {name!r} have no mean direction: their mean has "
                f"length {length:g}. Use other photos."
            )
        self[name] = mean / length

    def remove(self, name: str) -> None:
        """Remove a person.

        Raises:
            InputError: if nobody in the database has that name.
        """
        if name not in self:
            raise InputError(f"{name!r} is not in the database; {listed(self)}.")
        del self[name]

    def save(self, path: str | Path) -> Path:
        """Write the database to `path`, completely or not at all."""
        vectors = np.concatenate([*self.values()]) if self else np.empty((0, 0))
        with files.atomic_write(path) as temporary, open(temporary, "wb") as file:
            np.savez(
                file,
                names=np.array([*self], "U"),
                vectors=vectors.astype("float32"),
                network=self.network,
            )
        return Path(path)


def load(path: str | Path) -> Identities:
    """Read a database that `Identities.save` wrote.

    Raises:
        MissingFileError: if there is no such file.
        InputError: if the file is damaged or not a database.
    """
    advice = "Use another copy, or add the people again."
    parts = "names", "vectors", "network"
    with readers.reading(path, A_DATABASE, advice):
        arrays = readers.read_npz(path, A_DATABASE, parts, limit=LARGEST, advice=advice)
        names, vectors, network = (arrays[part] for part in parts)
        if {names.dtype.kind, network.dtype.kind} != {"U"}:
            raise ValueError("its names are not text")
        if (names.ndim, network.ndim) != (1, 0) or (
            vectors.dtype != "float32" or vectors.shape[:-1] != names.shape
        ):
            raise ValueError(f"{names.shape} names, {vectors.dtype} {vectors.shape}")
        lengths = np.linalg.norm(vectors, axis=-1)
        if not np.allclose(lengths, 1, atol=1e-3):
            raise ValueError("its encodings are not of length 1")
        identities = Identities(str(network))
        try:
            for name, vector in zip(names.tolist(), vectors, strict=True):
                identities.add(name, vector[np.newaxis])
        except InputError as error:
            raise ValueError(error) from error
    return identities


def fingerprint(model: Any) -> str:
    """The name of a Keras model and a hash of its weights, "open_face 4f2a…"."""
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(variable.numpy().tobytes())
    return f"{model.name} {digest.hexdigest()[:16]}"


def check_network(database: Mapping[str, np.ndarray], model: Any) -> None:
    """Check that `model` computed the encodings of a database, as far as it records it.

    Raises:
        InputError: if the database records another network.
    """
    made_by = getattr(database, "network", None)
    if made_by is not None and made_by != (this := fingerprint(model)):
        raise InputError(
            f"The encodings of this database were computed by {made_by}, but this "
            f"network is {this}: their distances have no meaning. Load the weights "
            "that computed them, or add the people again."
        )


def distances(
    encoding: np.ndarray, database: Mapping[str, np.ndarray]
) -> list[tuple[str, float]]:
    """The distance of one encoding to that of each person, nearest first.

    Args:
        encoding: (1, d) of unit length.
        database: {name: encoding (1, d)}.

    Returns:
        Pairs of a name and an L2 distance, from 0 to 2.

    Raises:
        InputError: if the database is empty, or an encoding in it has another size
            or is not finite.
    """
    if not database:
        raise InputError(
            "The database is empty, so nobody can be recognised. Add people first: "
            "`enrol(database, name, photos, model)`."
        )
    found = []
    for name, known in database.items():
        known = np.asarray(known, "float32")
        if known.size != encoding.size or not np.isfinite(known).all():
            raise InputError(
                f"The encoding of {name!r} has shape {known.shape}, expected "
                f"{encoding.shape} of finite numbers. If another network computed it, "
                "encode that person again."
            )
        found.append((name, float(np.linalg.norm(known.ravel() - encoding.ravel()))))
    return sorted(found, key=lambda pair: pair[1])


def listed(database: Iterable[str]) -> str:
    """The names in a database, for an error message: at most eight of them."""
    names = list(database)
    if not names:
        return "the database is empty"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"it holds {', '.join(map(str, names[:8]))}{more}"
