"""What the reference cases of face recognition cannot say."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core import face_database, files, images, weights
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course4 import face_recognition as fr
from dls_keras.datasets import faces


@pytest.fixture(scope="module")
def pretrained():
    return fr.load_pretrained()


@pytest.fixture(scope="module")
def network():
    """A small network that encodes the mean colours of 4 x 4 cells."""
    keras.utils.set_random_seed(0)
    face = keras.Input((8, 8, 3))
    x = keras.layers.AveragePooling2D(2)(face)
    x = keras.layers.Dense(5)(keras.layers.Flatten()(x))
    return keras.Model(face, x, name="small")


@pytest.fixture(scope="module")
def people():
    """Three drawn people, two pictures each: (6, 32, 32, 3)."""
    return faces.make_faces(3, 2, seed=7, size=32).x


@pytest.fixture
def database(network, people):
    known = fr.new_database(network)
    for name, photo in zip(("ada", "ben", "cleo"), people[::2], strict=True):
        fr.enrol(known, name, photo, network)
    return known


def unit(*shape, seed=0):
    """Drawn encodings of unit length."""
    x = np.random.default_rng(seed).normal(size=shape).astype("float32")
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


# The loss.


def test_the_loss_counts_each_triplet_by_itself():
    """The hinge stands within the sum: an easy triplet pays for no hard one."""
    a, p, n = np.zeros((3, 2, 2), "float32")
    p[0], n[0] = (1, 0), (3, 0)  # 1 - 9 + 0.2 < 0
    p[1], n[1] = (2, 0), (0, 1)  # 4 - 1 + 0.2
    assert float(fr.triplet_loss(None, (a, p, n))) == pytest.approx(3.2)


def semi_hard_by_loops(encodings, y, alpha):
    """The definition of `semi_hard_loss`, one pair at a time."""
    squared = np.square(encodings[:, None] - encodings[None]).sum(-1)
    losses = []
    for a, p in np.ndindex(len(y), len(y)):
        if a == p or y[a] != y[p]:
            continue
        others = squared[a][y != y[a]]
        farther = others[others > squared[a, p]]
        negative = farther.min() if farther.size else others.max()
        losses.append(max(squared[a, p] - negative + alpha, 0))
    return np.mean(losses)


@given(seed=st.integers(0, 1000), alpha=st.sampled_from([0.1, 0.5, 2.0]))
def test_semi_hard_negatives_are_those_of_the_definition(seed, alpha):
    """Loops and tensors agree to 1e-5 (float32)."""
    encodings, y = unit(8, 3, seed=seed), np.array([0, 0, 0, 1, 1, 2, 2, 2])
    loss = fr.semi_hard_loss(tf.constant(encodings), tf.constant(y), alpha)
    expected = semi_hard_by_loops(encodings.astype("float64"), y, alpha)
    assert float(loss) == pytest.approx(expected, abs=1e-5)


def test_people_on_opposite_sides_cost_nothing():
    """All of one person in one point, all of the other in the opposite one."""
    encodings = tf.constant([[1.0, 0], [1, 0], [-1, 0], [-1, 0]])
    assert float(fr.semi_hard_loss(encodings, tf.constant([0, 0, 1, 1]))) == 0


# Verifying and recognising.


def test_encodings_do_not_depend_on_the_batch(network, people):
    """70 pictures, over two batches, and one at a time; rounding apart."""
    pictures = [people[i % 6] for i in range(70)]
    together = fr.encode(network, pictures)
    assert together.shape == (70, 5)
    alone = np.concatenate([fr.img_to_encoding(p, network) for p in pictures[:6]])
    np.testing.assert_allclose(together[:6], alone, atol=1e-6)
    np.testing.assert_allclose(together[64:], together[4:10], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("plain", [True, False])
def test_a_dict_and_a_database_answer_alike(network, people, database, plain, capsys):
    """The same photo is nearest to itself, at no distance."""
    known = dict(database) if plain else database
    min_dist, identity = fr.who_is_it(people[2], known, network)
    assert identity == "ben"
    assert min_dist == pytest.approx(0, abs=1e-3)
    assert "It's ben" in capsys.readouterr().out
    dist, door_open = fr.verify(people[2], "ben", known, network)
    assert door_open
    assert dist == pytest.approx(min_dist)
    assert "welcome in" in capsys.readouterr().out


def test_the_threshold_decides(network, people, database, capsys):
    """The nearest is named however far, but told not to be in the database."""
    distance, name = fr.who_is_it(people[3], database, network, threshold=0)
    assert distance > 0
    assert "Not in the database" in capsys.readouterr().out
    for threshold, opens in ((distance * 1.01, True), (distance * 0.99, False)):
        _, door_open = fr.verify(
            people[3], name, database, network, threshold=threshold
        )
        assert door_open is opens
        answer = fr.infer(network, people[3], database=database, threshold=threshold)
        assert answer == (name if opens else "unknown")
        assert 0.5 <= answer.confidence < 0.6


def test_our_networks_have_thresholds_of_their_own(network):
    """Measured; any other network has the course's."""
    assert fr.threshold_of(network) == 0.7
    assert fr.threshold_of(object()) == 0.7
    assert fr.threshold_of(fr.build_model()) != 0.7


def test_a_person_of_several_photos_is_their_mean(network, people):
    """The encodings' mean direction."""
    known = fr.new_database(network)
    fr.enrol(known, "ada", [people[0], people[1]], network)
    mean = fr.encode(network, people[:2]).mean(axis=0)
    np.testing.assert_allclose(known["ada"][0], mean / np.linalg.norm(mean), atol=1e-6)


def test_what_cannot_be_compared_is_told(network, people, database):
    """Nobody known, an unknown name, other lengths, NaN, no photo."""
    photo = people[0]
    for known in ({}, fr.new_database(network)):
        for ask in (fr.who_is_it, lambda p, d, m: fr.infer(m, p, database=d)):
            with pytest.raises(InputError, match="database is empty"):
                ask(photo, known, network)
    with pytest.raises(InputError, match="known are ada, ben, cleo"):
        fr.verify(photo, "dora", database, network)
    with pytest.raises(InputError, match=r"'old' has shape \(1, 128\)"):
        fr.who_is_it(photo, {"old": unit(1, 128)}, network)
    with pytest.raises(InputError, match="finite"):
        fr.who_is_it(photo, {"nan": np.full((1, 5), np.nan)}, network)
    with pytest.raises(InputError, match="without a photo"):
        fr.enrol(database, "dora", [], network)
    with pytest.raises(InputError):
        fr.verify("no/such/photo.jpg", "ada", database, network)


def test_a_database_of_other_weights_is_refused(network, people, database, tmp_path):
    """Also those of the same network, trained on; the message names both."""
    path = database.save(tmp_path / "door.npz")
    again = fr.load_database(path, network)
    assert again.keys() == database.keys()
    other = keras.models.clone_model(network)
    other.set_weights([weight + 1e-3 for weight in network.get_weights()])
    for refused in (
        lambda: fr.load_database(path, other),
        lambda: fr.who_is_it(people[0], database, other),
        lambda: fr.verify(people[0], "ada", database, other),
        lambda: fr.infer(other, people[0], database=database),
        lambda: fr.enrol(database, "dora", people[0], other),
    ):
        with pytest.raises(InputError, match="made by small .*, this network is"):
            refused()


# Thresholds.


@given(
    cells=st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2).filter(
        lambda cells: {same for _, same in cells} == {True, False}
    )
)
def test_the_roc_counts_what_each_threshold_lets_in(cells):
    """As counting says at every threshold, ties included; it ends at all of both."""
    distances = np.array([d / 10 for d, _ in cells])
    same = np.array([s for _, s in cells])
    strangers, friends, thresholds = fr.roc(distances, same)
    for i, threshold in enumerate(thresholds):
        let_in = distances <= threshold
        assert strangers[i] == pytest.approx(let_in[~same].mean())
        assert friends[i] == pytest.approx(let_in[same].mean())
    assert strangers[-1] == friends[-1] == 1
    rate, threshold = fr.equal_error_rate(distances, same)
    assert 0 <= rate <= 1
    assert threshold in thresholds


def test_the_equal_error_rate_of_two_normal_crowds():
    """Apart by two widths the rate is that of one width: 15.9 % (40,000 pairs)."""
    rng = np.random.default_rng(0)
    distances = np.concatenate([rng.normal(0, 1, 20_000), rng.normal(2, 1, 20_000)])
    rate, threshold = fr.equal_error_rate(distances, np.arange(40_000) < 20_000)
    assert rate == pytest.approx(0.1587, abs=0.005)
    assert threshold == pytest.approx(1, abs=0.03)


def test_pairs_are_all_pairs_once():
    """Distances as NumPy's norm gives them, to 1e-3 where they are small."""
    encodings, y = unit(6, 4), np.array([0, 0, 1, 1, 1, 2])
    distances, same = fr.pair_distances(encodings, y)
    assert len(distances) == 15
    assert same.sum() == 1 + 3
    first, second = np.triu_indices(6, 1)
    norms = np.linalg.norm(encodings[first] - encodings[second], axis=1)
    np.testing.assert_allclose(distances, norms, atol=1e-3)
    nearest = fr.nearest_is_right(encodings, y)
    full = np.full((6, 6), 9.0)
    full[first, second] = full[second, first] = norms
    np.testing.assert_array_equal(nearest, y[full.argmin(axis=1)] == y)


def test_verification_weighs_friends_and_strangers_alike():
    """One friend of two let in, all of eight strangers refused: 75 %."""
    distances = np.array([0.1, 0.9, *[0.8] * 8])
    same = np.array([True, True, *[False] * 8])
    assert fr.verification_accuracy(distances, same, 0.5) == 0.75


# The application.


def test_training_teaches_drawn_people():
    """Few steps on few people: the loss falls, weights move, people may have less."""
    drawn = faces.make_faces(4, 5, size=fr.SIZE)
    keep = np.arange(20) != 19  # four pictures of the last
    data = fr.TrainingFaces(drawn.x[keep], drawn.y[keep], {0: 2})
    keras.utils.set_random_seed(0)
    model = fr.build_model()
    before = [weight.numpy() for weight in model.weights]
    losses = fr.train(model, data, epochs=12, batch_size=4)
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    moved = [
        not np.array_equal(a, b) for a, b in zip(before, model.weights, strict=True)
    ]
    assert all(moved)


def test_training_takes_people_of_one_picture():
    """Which is then its own positive, turned and moved in other ways."""
    drawn = faces.make_faces(3, 1, size=fr.SIZE)
    model = fr.build_model()
    (loss,) = fr.train(model, fr.TrainingFaces(*drawn, {}), epochs=1, batch_size=3)
    assert np.isfinite(loss)


def test_both_precisions_have_the_same_variables():
    """Weights trained in bfloat16 load into the float32 network."""
    half, full = fr.build_model("mixed_bfloat16"), fr.build_model()
    assert full.count_params() == 596_128
    assert [(w.shape, w.dtype) for w in half.weights] == [
        (w.shape, w.dtype) for w in full.weights
    ]


def test_the_strength_of_the_light_does_not_matter():
    """Pictures of half and of full light have one encoding, to 1e-2."""
    model = fr.build_model()
    x = np.random.default_rng(0).uniform(0, 1, (1, 64, 64, 3)).astype("float32")
    np.testing.assert_allclose(model(x), model(x / 2), atol=1e-2)


def test_drawn_people_never_seen_are_told_apart(pretrained):
    """Pictures of one person lie closer than those of two, at least 85 of 100 times."""
    x, y = faces.make_faces(12, 3, seed=3, size=fr.SIZE)
    pairs = fr.pair_distances(fr.encode(pretrained, x), y)
    near, far = (np.sort(pairs[0][kind]) for kind in (pairs[1], ~pairs[1]))
    closer = np.searchsorted(far, near, "left") / len(far)  # far pairs below
    assert 1 - closer.mean() >= 0.85


def test_an_answer_holds_everybodys_distance(pretrained):
    """Nearest first, with the threshold that decided."""
    answer = fr.infer(pretrained, fr.example_people().popitem()[1])
    assert answer.details["distance"] < 1e-3
    everybody = answer.details["distances"]
    assert [*everybody] == sorted(everybody, key=everybody.get)
    assert [*everybody][0] == answer
    assert len(everybody) == len(fr.example_people())
    assert answer.details["threshold"] == fr.threshold_of(pretrained)
    assert answer.confidence > 0.99


@pytest.mark.parametrize("size", [(96, 96), (960, 640), (33, 900)])
def test_photos_of_any_size_and_kind_are_answered(pretrained, size):
    """Grey ones, transparent ones, large ones."""
    photo = images.read(faces.make_faces(1, 1, seed=2).x[0]).resize(size)
    for kind in (photo, photo.convert("L"), photo.convert("RGBA")):
        answer = fr.infer(pretrained, kind)
        assert answer in {*fr.example_people(), "unknown"}


def test_what_is_no_picture_is_told(pretrained, tmp_path):
    """A text file named .jpg, a missing file, NaN."""
    text = tmp_path / "face.jpg"
    text.write_text("not a picture")
    for wrong in (text, tmp_path / "none.png", np.full((64, 64, 3), np.nan)):
        with pytest.raises(InputError):
            fr.infer(pretrained, wrong)


def test_the_drawn_example_is_recognised(pretrained, monkeypatch):
    """What the tour asks where no data are at hand; another picture than the known."""
    monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    _, photo = fr.example()
    assert all((photo != known).any() for known in fr.example_people().values())
    assert fr.infer(pretrained, photo) == "Drew"


def test_a_picture_shows_the_photo_and_the_three_nearest(pretrained, people):
    """Beside the photo people stand in the order of their distances."""
    known = {"ada": people[0], "ben": people[2], "cleo": people[4], "dora": people[5]}
    figure = fr.picture(pretrained, people[2], people=known)
    titles = [axes.get_title() for axes in figure.axes]
    assert titles[:2] == ["ben", "ben, at 0.00"]
    assert len(titles) == 4
    np.testing.assert_array_equal(figure.axes[0].images[0].get_array(), people[2])


def test_published_weights_that_are_not_here_are_told(monkeypatch, tmp_path):
    """Where to take them and where to put them."""
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    for variant in weights.published("face_recognition"):
        with pytest.raises(MissingFileError, match="DLS_KERAS_DATA names"):
            fr.load_pretrained(variant)
    with pytest.raises(InputError, match="mobile_face_net"):
        fr.load_pretrained("facenet")


@pytest.mark.data
def test_mobile_face_net_knows_who_stands_at_the_door():
    """6 of 6 photos, each nearer than the threshold, under which a stranger is not."""
    model = fr.load_pretrained("mobile_face_net")
    assert fr.camera_accuracy(model) == 1
    photos = faces.load_photos()
    for photo, name in zip(photos.camera, photos.names, strict=True):
        assert fr.infer(model, photo) == name


@pytest.mark.data
def test_the_numbers_are_those_of_the_record(pretrained):
    """Ours to half a per cent; MobileFaceNet's reach the goals of the contract."""
    rows = fr.evaluate(pretrained)
    recorded = weights.record("face_recognition").metrics
    for (what, ours, _), (_, stated) in zip(rows, recorded, strict=False):
        assert 100 * ours == pytest.approx(float(stated.split()[0]), abs=0.5), what
    published = [row for row in rows if row[0].startswith("MobileFaceNet")]
    assert len(published) == 2
    for what, theirs, goal in published:
        assert theirs >= goal, what


@pytest.mark.data
def test_the_real_example_is_recognised(pretrained):
    """What the tour asks where the course's photos are at hand."""
    question, photo = fr.example()
    assert files.in_data_folder("faces/photos/" + photo.name) == photo
    assert fr.infer(pretrained, photo) in faces.AT_THE_DOOR


def test_identities_know_their_network(pretrained):
    """The fingerprint is that of the weights: the same on every machine."""
    known = fr.new_database(pretrained)
    assert isinstance(known, face_database.Identities)
    assert known.network == fr.fingerprint(fr.load_pretrained())
    assert known.network != fr.fingerprint(fr.build_model())
