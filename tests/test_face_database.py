"""The database of known people: its file, its checks and its distances."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from dls_keras.core import face_database
from dls_keras.core.errors import InputError, MissingFileError


def unit(*shape, seed=0):
    """Random encodings of unit length."""
    x = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


@pytest.fixture
def network():
    """A Keras model of four weights."""
    keras.utils.set_random_seed(0)
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)], name="tiny")


NAMES = st.text(min_size=1).filter(lambda name: name.strip() and name.isprintable())


@given(
    names=st.lists(NAMES, unique=True, max_size=5),
    data=st.data(),
)
def test_a_saved_database_is_loaded_unchanged(names, data, tmp_path_factory):
    """Names in any script, their order, their encodings and the network."""
    known = face_database.Identities("net 0123")
    elements = st.floats(-1, 1, width=32)
    for name in names:
        x = data.draw(arrays.arrays("float32", (2, 4), elements=elements))
        x[:, 0] += 3  # so that no mean is zero
        known.add(name, x)
    path = tmp_path_factory.mktemp("known") / "door.npz"
    again = face_database.load(known.save(path))
    assert again.network == "net 0123"
    assert [*again] == [*known]
    for name in names:
        assert again[name].dtype == "float32"
        np.testing.assert_allclose(again[name], known[name], atol=1e-6)


def test_a_person_has_the_mean_direction_of_all_photos():
    """One row of unit length, for any number of photos."""
    known, x = face_database.Identities("net"), unit(3, 8)
    known.add("one", x[:1])
    known.add("three", x)
    np.testing.assert_allclose(known["one"], x[:1], atol=1e-6)
    mean = x.mean(0) / np.linalg.norm(x.mean(0))
    np.testing.assert_allclose(known["three"], mean[np.newaxis], atol=1e-6)


def test_invalid_people_are_refused():
    """A name in use, empty or unknown; encodings of a wrong shape or no direction."""
    known = face_database.Identities("net")
    known.add("ada", unit(1, 8))
    for name, x, message in (
        ("ada", unit(1, 8), "already in the database"),
        ("", unit(1, 8), "printable text, received ''"),
        ("ada\0", unit(1, 8), "printable text"),
        (7, unit(1, 8), "printable text, received 7"),
        ("ben", unit(8), r"shape \(8,\)"),
        ("ben", unit(1, 9), r"expected \(k, 8\)"),
        ("ben", np.empty((0, 8)), "shape"),
        ("ben", np.full((1, 8), np.nan), "no mean direction"),
        ("ben", np.zeros((1, 8)), "no mean direction"),
    ):
        with pytest.raises(InputError, match=message):
            known.add(name, x)
    with pytest.raises(InputError, match="'ben' is not in the database; it holds ada"):
        known.remove("ben")
    known.remove("ada")
    assert known == {}
    with pytest.raises(InputError, match="empty"):
        known.remove("ada")


def test_a_message_lists_at_most_eight_names():
    """The others are counted."""
    names = [f"p{i}" for i in range(11)]
    assert face_database.listed(names[:2]) == "it holds p0, p1"
    assert face_database.listed(names).endswith("p7 and 3 more")


def test_files_that_are_not_a_database_are_refused(tmp_path):
    """Missing, damaged, other arrays, pickled objects, encodings not of length 1."""
    path = tmp_path / "door.npz"
    with pytest.raises(MissingFileError):
        face_database.load(path)
    known = face_database.Identities("net")
    known.add("ada", unit(1, 8))
    whole = known.save(path).read_bytes()
    names, network = np.array(["ada"]), np.array("net")
    path.write_bytes(whole[:-40])
    for contents in (
        None,
        {"vectors": unit(1, 8), "names": names},
        {"vectors": unit(2, 8), "names": names, "network": network},
        {"vectors": 2 * unit(1, 8), "names": names, "network": network},
        {"vectors": unit(1, 8) * np.nan, "names": names, "network": network},
        {"vectors": unit(1, 8).astype("f8"), "names": names, "network": network},
        {"vectors": unit(1, 8), "names": np.array([{}]), "network": network},
        {"vectors": unit(2, 8), "names": np.array(["a", "a"]), "network": network},
    ):
        if contents:
            np.savez(path, **contents)
        with pytest.raises(InputError, match="a database of identities|expected"):
            face_database.load(path)


def test_a_failed_save_keeps_the_old_file(tmp_path, monkeypatch):
    """And leaves no temporary file."""
    path = tmp_path / "door.npz"
    known = face_database.Identities("net")
    known.add("ada", unit(1, 8))
    known.save(path)

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    known.add("ben", unit(1, 8))
    with pytest.raises(InputError, match="disk full"):
        known.save(path)
    assert [*tmp_path.iterdir()] == [path]
    assert [*face_database.load(path)] == ["ada"]


def test_a_fingerprint_depends_on_every_weight(network):
    """The same for equal weights, another for one changed weight."""
    before = face_database.fingerprint(network)
    assert before.startswith("tiny ")
    assert face_database.fingerprint(network) == before
    kernel, bias = network.get_weights()
    network.set_weights([kernel, bias + 1e-3])
    assert face_database.fingerprint(network) != before


def test_encodings_of_another_network_are_refused(network):
    """The message names both networks; a plain dict records none."""
    known = face_database.Identities(face_database.fingerprint(network))
    known.add("ada", unit(1, 8))
    face_database.check_network(known, network)
    network.set_weights([w + 1e-3 for w in network.get_weights()])
    face_database.check_network(dict(known), network)
    with pytest.raises(InputError, match="computed by tiny .*, but this network is"):
        face_database.check_network(known, network)


def test_distances_are_sorted_and_need_comparable_encodings():
    """The nearest person comes first; an empty database has none."""
    x = unit(3, 8)
    known = {name: x[i : i + 1] for i, name in enumerate("abc")}
    found = face_database.distances(x[1:2], known)
    assert found[0] == ("b", 0.0)
    assert [d for _, d in found] == sorted(d for _, d in found)
    assert dict(found)["a"] == pytest.approx(np.linalg.norm(x[0] - x[1]), abs=1e-6)
    for database, message in (
        ({}, "database is empty"),
        ({"old": unit(1, 128)}, r"'old' has shape \(1, 128\), expected \(1, 8\)"),
        ({"nan": np.full((1, 8), np.nan)}, "finite"),
    ):
        with pytest.raises(InputError, match=message):
            face_database.distances(x[:1], database)
