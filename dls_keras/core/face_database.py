"""Who is known: names with the encodings of their faces, kept in one file.

A database is the course's dict {name: encoding} that also knows which network made
its encodings, since the numbers of two networks cannot be compared:

    known = Identities("mobile_face_net 0f3c…")
    known.add("younes", encodings)  # of one photo or several
    known.save("door.npz")

The file holds names and encodings, no photos, and nothing that Python would run on
reading. It is moved into place when it is whole.
"""

from pathlib import Path

import numpy as np

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError


class Identities(dict):
    """{name: encoding (1, d) float32 of unit length}.

    Attributes:
        network: which weights made the encodings.
    """

    def __init__(self, network: str):
        super().__init__()
        self.network = network

    def add(self, name: str, encodings: np.ndarray) -> None:
        """Add a person by the encodings (k, d) of k photos; kept is their mean.

        Raises:
            InputError: if the name is taken or cannot be printed, or these are no
                encodings.
        """
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise InputError(
                f"A person needs a name that can be printed, received {name!r}."
            )
        if name in self:
            raise InputError(f"{name!r} is known already. Remove that one first.")
        encodings = np.asarray(encodings, "float32")
        d = next((known.shape[1] for known in self.values()), None)
        if (
            encodings.ndim != 2
            or 0 in encodings.shape
            or d
            not in (
                None,
                encodings.shape[1],
            )
        ):
            raise InputError(
                f"The encodings of {name!r} have shape {encodings.shape}, expected "
                f"({'k, ' + str(d or 'd')}), a row a photo."
            )
        mean = encodings.mean(axis=0, keepdims=True)
        length = np.linalg.norm(mean)
        if not np.isfinite(length) or length < 1e-6:
            raise InputError(
                f"The encodings of {name!r} have no direction: their mean has length "
                f"{length:g}. Take other photos."
            )
        self[name] = mean / length

    def remove(self, name: str) -> None:
        """Forget a person.

        Raises:
            InputError: if nobody has that name.
        """
        if name not in self:
            raise InputError(f"Nobody here is called {name!r}; {self.who()}.")
        del self[name]

    def who(self) -> str:
        """The names, in words for a message."""
        return who(self)

    def save(self, path: str | Path) -> Path:
        """Write the database to `path`, whole or not at all."""
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
    """The database in a file.

    Raises:
        MissingFileError: if there is none.
        InputError: if the file is damaged or no database.
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no database at {path}. Check the path.")
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as npz:
            names, vectors = npz["names"].tolist(), npz["vectors"]
            identities = Identities(str(npz["network"]))
        if vectors.dtype != "float32" or len(vectors) != len(names):
            raise ValueError(f"{len(names)} names, {vectors.dtype} {vectors.shape}")
        lengths = np.linalg.norm(vectors, axis=-1)
        if not np.allclose(lengths, 1, atol=1e-3):
            raise ValueError("encodings that are not of length 1")
        for name, vector in zip(names, vectors, strict=True):
            identities.add(name, vector[np.newaxis])
    except Exception as error:  # damage shows in many ways
        raise InputError(
            f"{path} is no database of identities ({error}); it is "
            f"{files.what_is(path)}. Take a copy, or add the people anew."
        ) from error
    return identities


def who(database) -> str:
    """The names in a database, in words for a message."""
    names = list(database)
    if not names:
        return "the database is empty"
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"known are {', '.join(map(str, names[:8]))}{more}"
