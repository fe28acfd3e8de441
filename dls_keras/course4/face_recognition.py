"""Face recognition: whose face is it, by triplets and distances (C4 W4 A1).

A network turns a face into a point on a sphere, its encoding f(x), such that
pictures of one person lie close together and those of others lie apart. It learns
from triplets of an anchor A, a positive P of the same person and a negative N of
another, until every negative is farther than every positive by a margin:

    J = sum of max(|f(A) - f(P)|^2 - |f(A) - f(N)|^2 + alpha, 0)

Then nobody needs to be learnt anew: one photo of a new person gives one encoding,
and whoever is nearer than a threshold is recognised. The threshold trades strangers
let in against friends kept out; `roc` shows all such trades.

Shapes: m faces, d numbers an encoding (128); a database is {name: (1, d)}. Distances
are plain L2 between encodings of unit length, from 0 to 2, and d^2 = 2 - 2 cosine.
Edition: 2021, with FaceNet's threshold of 0.7; in 2017 faces were 96 x 96 with
channels first, the network gave encodings of unit length itself, and the first
version of `triplet_loss` summed over all examples before it took the maximum.
Papers: Schroff, Kalenichenko & Philbin (2015), FaceNet,
https://arxiv.org/abs/1503.03832; Taigman et al. (2014), DeepFace.
"""

import hashlib
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from dls_keras import plots
from dls_keras.converters import face_networks
from dls_keras.core import augment, face_database, files, images, training, weights
from dls_keras.core.answers import Answer
from dls_keras.core.errors import InputError
from dls_keras.datasets import faces, smiles
from dls_keras.fast.layers import Adam, BatchNormalization
from dls_keras.networks.mobile_face_net import mobile_face_net
from dls_keras.networks.open_face import open_face

THRESHOLD = 0.7  # the course's, for FaceNet

# For our networks by name, measured on the thirty AT&T people that `evaluate` does not
# test: the distance where as many friends are refused as strangers let in, and how far
# from it one is e times surer (the slope of a logistic regression). For ours three
# networks learnt (1 and 2 epochs) from twenty of the thirty and met the other ten.
SCALES = {
    "face_recognition": (0.816, 0.082),
    "mobile_face_net": (1.143, 0.026),
}

# The assignment: the course's functions under the course's signatures.


def triplet_loss(y_true, y_pred, alpha=0.2):
    """How far positives are from being nearer than negatives by `alpha`.

    Args:
        y_true: not used; Keras hands it to every loss.
        y_pred: encodings of anchors, positives and negatives, (m, d) each; for one
            triplet (d,) will do.
        alpha: the margin, between squared distances.

    Returns:
        The sum over the triplets, a scalar.
    """
    anchor, positive, negative = y_pred
    pos_dist = tf.reduce_sum(tf.square(tf.subtract(anchor, positive)), axis=-1)
    neg_dist = tf.reduce_sum(tf.square(tf.subtract(anchor, negative)), axis=-1)
    return tf.reduce_sum(tf.maximum(pos_dist - neg_dist + alpha, 0.0))


def img_to_encoding(image_path, model):
    """The encoding of a face, (1, d) of unit length.

    Args:
        image_path: a picture of a face (path, PIL image or array), stretched to the
            input of the model. What else is in the picture counts, too: cut the face
            out first, by hand or with `faces.crop_face`.
        model: from (m, height, width, 3), RGB in [0, 1], to (m, d).
    """
    return encode(model, [image_path])


def verify(image_path, identity, database, model, *, threshold=None):
    """Whether a face is that of `identity`; says so.

    Args:
        image_path: see `img_to_encoding`.
        database: {name: encoding (1, d)}, a dict or `face_database.Identities`.
        threshold: the door opens to less; default: `threshold_of(model)`.

    Returns:
        The distance of the two encodings, and whether the door opens.

    Raises:
        InputError: if nobody in the database is called `identity`.
    """
    _check(database, model)
    if identity not in database:
        raise InputError(
            f"Nobody here is called {identity!r}: {face_database.who(database)}."
        )
    encoding = img_to_encoding(image_path, model)
    ((_, dist),) = distances(encoding, {identity: database[identity]})
    door_open = dist < (threshold_of(model) if threshold is None else threshold)
    if door_open:
        print(f"It's {identity}, welcome in!")
    else:
        print(f"It's not {identity}, please go away")
    return dist, door_open


def who_is_it(image_path, database, model, *, threshold=None):
    """Whom in the database a face comes nearest to; says so.

    Args:
        threshold: one who is farther is told to be nobody of the database; default:
            `threshold_of(model)`.

    Returns:
        The distance and the name of the nearest, however far.
    """
    _check(database, model)
    nearest = distances(img_to_encoding(image_path, model), database)
    identity, min_dist = nearest[0]
    if min_dist > (threshold_of(model) if threshold is None else threshold):
        print("Not in the database.")
    else:
        print(f"It's {identity}, the distance is {min_dist:.3f}")
    return min_dist, identity


# What stands behind both.


def threshold_of(model):
    """The distance below which two faces are one person's: measured, or 0.7."""
    return SCALES.get(getattr(model, "name", None), (THRESHOLD, None))[0]


def encode(model, pictures):
    """The encodings of faces, (m, d) float32 of unit length, 64 at a time.

    Args:
        pictures: m of what `images.read` takes, each stretched to the model's input,
            160 x 160 if it does not say.
    """
    height, width = getattr(model, "input_shape", (None, 160, 160, 3))[1:3]
    parts = []
    for start in range(0, len(pictures), 64):
        batch = pictures[start : start + 64]
        x = np.stack([images.resized(picture, height, width) for picture in batch])
        parts.append(np.asarray(model(x, training=False)))
    encodings = np.concatenate(parts)
    return encodings / np.linalg.norm(encodings, axis=1, keepdims=True)


def distances(encoding, database):
    """Everybody's distance from one encoding (1, d): [(name, distance)], nearest first.

    Raises:
        InputError: if the database is empty, or holds what cannot be compared.
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
                f"{encoding.shape} of finite numbers. Was it made by another network? "
                "Encode that person again."
            )
        found.append((name, float(np.linalg.norm(known.ravel() - encoding.ravel()))))
    return sorted(found, key=lambda pair: pair[1])


def fingerprint(model):
    """A network's name and a hash of its weights, such as "mobile_face_net 4f2a…"."""
    digest = hashlib.sha256()
    for variable in model.weights:
        digest.update(np.ascontiguousarray(variable.numpy()))
    return f"{model.name} {digest.hexdigest()[:16]}"


def new_database(model):
    """An empty `face_database.Identities` for the encodings of `model`."""
    return face_database.Identities(fingerprint(model))


def enrol(database, name, photos, model):
    """Add a person to an `face_database.Identities`, by one photo or a list of them."""
    _check(database, model)
    photos = photos if isinstance(photos, list | tuple) else [photos]
    if not photos:
        raise InputError(f"Nobody can know {name!r} without a photo. Hand in one.")
    database.add(name, encode(model, photos))


def load_database(path, model):
    """The database in a file, once it is known that `model` made its encodings."""
    database = face_database.load(path)
    _check(database, model)
    return database


def _check(database, model):
    """Refuse a database whose encodings another network made."""
    made_by = getattr(database, "network", None)
    if made_by is not None and made_by != (mine := fingerprint(model)):
        raise InputError(
            f"The encodings of this database were made by {made_by}, this network is "
            f"{mine}: their distances mean nothing. Load the weights it was made "
            "with, or add its people anew."
        )


# What thresholds mean.


def pair_distances(encodings, y):
    """All pairs of m faces: distances (k,), and whether each is of one person (k,).

    Args:
        encodings: (m, d) of unit length.
        y: (m,) a number for each person.
    """
    first, second = np.triu_indices(len(y), 1)
    cosine = (encodings @ encodings.T)[first, second]
    return np.sqrt(np.maximum(2 - 2 * cosine, 0)), y[first] == y[second]


def roc(distances, same):
    """What each threshold lets in.

    Args:
        distances: (k,) of pairs of faces.
        same: (k,) bool, whether a pair is of one person.

    Returns:
        strangers and friends, the shares let in of pairs of different people and of
        one person, and thresholds, each (j,) and rising. A pair is let in whose
        distance is at most the threshold.
    """
    thresholds = np.unique(distances)
    strangers, friends = (
        np.searchsorted(np.sort(distances[kind]), thresholds, "right") / kind.sum()
        for kind in (~same, same)
    )
    return strangers, friends, thresholds


def equal_error_rate(distances, same):
    """The rate at which both errors are equally frequent, and the threshold there."""
    strangers, friends, thresholds = roc(distances, same)
    errors = strangers, 1 - friends
    i = np.abs(errors[0] - errors[1]).argmin()
    return float(errors[0][i] + errors[1][i]) / 2, float(thresholds[i])


def verification_accuracy(distances, same, threshold):
    """The share of right decisions where half of the pairs are of one person.

    All pairs count: it is the mean of two shares, friends let in (distance below
    `threshold`) and strangers refused.
    """
    near = distances < threshold
    return (near[same].mean() + (~near[~same]).mean()) / 2


def nearest_is_right(encodings, y):
    """For each of m faces whether its nearest other is of the same person, (m,)."""
    cosine = encodings @ encodings.T
    np.fill_diagonal(cosine, -2)
    return y[cosine.argmax(axis=1)] == y


# The application: the names that every assignment shares.

SIZE = 64  # height and width of a face for our network, in pixels
LEARNT = 30  # people of AT&T; the ten behind them are for testing
PICTURES = 4  # of each person in a batch


class TrainingFaces(NamedTuple):
    """Faces to learn from.

    Fields:
        x: (m, 64, 64, 3) uint8 RGB.
        y: (m,) int64, a number for each person.
        times: {person: how often an epoch meets that person}, once if not named.
    """

    x: np.ndarray
    y: np.ndarray
    times: dict


def load_data(drawn=300, strangers=3000, seed=0):
    """Three kinds of people to learn from.

    Thirty of AT&T, ten pictures each, teach what does not change a person: look and
    pose. They are few, so `drawn` people join them, ten pictures each, and as many
    `strangers` of `happy.load_smiles`, one picture each, who teach what tells people
    apart. An epoch meets those of AT&T 80 times, drawn ones 3 times, strangers once.

    Returns:
        A `TrainingFaces`.
    """
    att, people = faces.load_att(), faces.make_faces(drawn, seed=seed, size=SIZE)
    learnt = att.y < LEARNT
    real = np.stack([images.resized(face, SIZE, SIZE) for face in att.x[learnt]])
    x = [np.rint(255 * real).astype("uint8"), people.x]
    y = [att.y[learnt], LEARNT + people.y]
    if strangers:
        others = smiles.load_smiles().x[:strangers, :, :, np.newaxis]
        x.append(np.repeat(others, 3, axis=3))
        y.append(LEARNT + drawn + np.arange(len(others)))
    return TrainingFaces(
        np.concatenate(x),
        np.concatenate(y),
        dict.fromkeys(range(LEARNT), 80)
        | dict.fromkeys(range(LEARNT, LEARNT + drawn), 3),
    )


def build_model(dtype="float32"):
    """Our network, untrained: five convolutions on a grey face.

    Args:
        dtype: "mixed_bfloat16" trains three times as fast on CPUs with AMX; the
            variables are float32 in both.

    Returns:
        A model from (m, 64, 64, 3) float32, RGB in [0, 1], to (m, 128) float32
        encodings of unit length; 596,128 parameters.
    """

    def convolution(x, filters, strides=1):
        x = layers.Conv2D(filters, 3, strides, "same", use_bias=False, dtype=dtype)(x)
        x = BatchNormalization(momentum=0.9, dtype=dtype)(x)
        return layers.Activation("relu", dtype=dtype)(x)

    face = keras.Input((SIZE, SIZE, 3), name="face")
    x = keras.ops.image.rgb_to_grayscale(face)
    # Mean 0 and variance 1 in each picture by itself: the light's strength is gone.
    x = layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)(x)
    x = convolution(x, 32, strides=2)  # (m, 32, 32, 32)
    for filters in (64, 96, 128):
        x = convolution(x, filters)
        x = layers.MaxPooling2D(dtype=dtype)(x)
    x = convolution(x, 128)  # (m, 4, 4, 128)
    x = layers.Flatten(dtype=dtype)(x)
    x = layers.Dense(128, dtype=dtype)(x)
    x = layers.UnitNormalization(dtype="float32", name="encoding")(x)
    return keras.Model(face, x, name="face_recognition")


def semi_hard_loss(encodings, y, alpha=0.2):
    """The mean triplet loss of a batch, whose triplets are found on the way.

    Every two pictures of one person are an anchor and a positive. Their negative is
    semi-hard: the nearest picture of another person that is farther than the
    positive; where there is none, the farthest. The hardest ones of all would draw
    an untrained network into one point.

    Args:
        encodings: (m, d) of unit length.
        y: (m,) people.
    """
    same = y[:, None] == y[None, :]
    # |a - b|^2 = 2 - 2 a.b on the sphere; rounding may take it below zero.
    squared = tf.maximum(2 - 2 * tf.matmul(encodings, encodings, transpose_b=True), 0)
    farthest = tf.reduce_max(tf.where(same, 0.0, squared), axis=1, keepdims=True)
    # For anchor a, positive p, negative n: (m, m, m).
    fits = ~same[:, None, :] & (squared[:, None, :] > squared[:, :, None])
    nearest = tf.reduce_min(tf.where(fits, squared[:, None, :], 4.1), axis=2)
    negative = tf.where(nearest <= 4.0, nearest, farthest)
    losses = tf.nn.relu(squared - negative + alpha)
    pairs = tf.cast(same & ~tf.eye(y.shape[0], dtype=tf.bool), tf.float32)
    return tf.reduce_sum(losses * pairs) / tf.reduce_sum(pairs)


def train(
    model,
    data,
    *,
    epochs=5,
    batch_size=16,
    learning_rate=0.001,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place on turned, moved, mirrored and relit faces.

    Args:
        data: a `TrainingFaces`; people may have any number of pictures.
        batch_size: people a batch; each brings four pictures, chosen anew.

    Returns:
        Each epoch's mean triplet loss.
    """
    keras.utils.set_random_seed(seed)
    people, counts = np.unique(data.y, return_counts=True)
    # Whose pictures are where, those of few pictures again and again: (people, most).
    most = max(PICTURES, counts.max())
    rows = np.stack([np.resize(np.flatnonzero(data.y == k), most) for k in people])
    times = [data.times.get(int(k), 1) for k in people]
    rows, y = np.repeat(rows, times, axis=0), np.repeat(people, times)
    x = tf.constant(data.x)

    def choose(seed, rows, y):
        draws = tf.random.stateless_uniform(tf.shape(rows), seed + 1)
        chosen = tf.gather(rows, tf.argsort(draws)[:, :PICTURES], batch_dims=1)
        faces = tf.cast(tf.gather(x, tf.reshape(chosen, [-1])), tf.float32) / 255
        faces = tf.ensure_shape(faces, (batch_size * PICTURES, *x.shape[1:]))
        faces = augment.affine(
            seed, faces, rotation=0.15, shift=0.08, zoom=0.12, flip=True
        )
        faces = augment.light(seed, faces, brightness=0.2, contrast=0.3)
        return faces, tf.repeat(y, PICTURES)

    steps = epochs * (len(rows) // batch_size)
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, steps))
    return training.fit(
        lambda x, y: semi_hard_loss(model(x, training=True), y),
        (rows.astype("int32"), y),
        model.trainable_variables,
        Adam(rate),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        augment=choose,
        on_epoch=on_epoch,
        checkpoint=checkpoint,
    )


def load_pretrained(variant="default"):
    """A network with trained weights.

    Args:
        variant: "default" is ours, shipped. "mobile_face_net" (from the npz of its
            MXNet file) and "openface" (h5 or CSV files) are published ones, found
            below `$DLS_KERAS_DATA/faces` or in the cache.
    """
    if variant == "default":
        return weights.load(build_model(), "face_recognition")
    csv = files.in_data_folder("faces/openface/conv1_w.csv")
    if variant == "openface" and csv:
        model = open_face()
        arrays = face_networks.read_open_face_csv(csv.parent, model)
        return face_networks.fill(model, arrays)
    (path,) = weights.find_published("face_recognition", variant)
    if variant == "openface":
        return face_networks.fill(open_face(), face_networks.read_open_face_h5(path))
    return face_networks.fill(mobile_face_net(), face_networks.read_mxnet(path))


def infer(model, image, *, database=None, threshold=None):
    """Say whose face a picture shows.

    Args:
        image: see `img_to_encoding`.
        database: {name: encoding (1, d)}; default: the people of `example_people`.
        threshold: who is as far is unknown; default: `threshold_of(model)`.

    Returns:
        An `Answer`, a name or "unknown". `details["distance"]` is that of the
        nearest, `details["distances"]` everybody's, nearest first.
    """
    if database is None:
        names, photos = zip(*example_people().items(), strict=True)
        database = dict(zip(names, encode(model, photos)[:, np.newaxis], strict=True))
    _check(database, model)
    nearest = distances(img_to_encoding(image, model), database)
    name, distance = nearest[0]
    _, width = SCALES.get(model.name, (THRESHOLD, 0.1))
    threshold = threshold_of(model) if threshold is None else threshold
    same = 1 / (1 + np.exp((distance - threshold) / width))
    return Answer(
        name if distance < threshold else "unknown",
        max(same, 1 - same),
        distance=distance,
        threshold=threshold,
        distances=dict(nearest),
    )


def evaluate(model=None):
    """Recognition of people never seen, as rows (what, ours, goal).

    Pairs are all those of the ten AT&T people that our network never met, weighed so
    that half of them are of one person; thresholds were set on the other thirty.
    """
    model = model or load_pretrained()
    att = faces.load_att()
    unseen = att.y >= LEARNT
    x, y = att.x[unseen], att.y[unseen]
    encodings = encode(model, x)
    pairs = pair_distances(encodings, y)
    drawn = faces.make_faces(20, seed=1, size=SIZE)
    drawn_pairs = pair_distances(encode(model, drawn.x), drawn.y)
    limit = threshold_of(model)
    rows = [
        (
            "verification, ten AT&T people never seen",
            verification_accuracy(*pairs, limit),
            0.95,
        ),
        ("equal error rate of the same pairs", equal_error_rate(*pairs)[0], None),
        (
            "nearest neighbour of their 100 pictures",
            nearest_is_right(encodings, y).mean(),
            None,
        ),
        (
            "verification, 20 drawn people never seen",
            verification_accuracy(*drawn_pairs, limit),
            None,
        ),
    ]
    if weights.available("face_recognition", "mobile_face_net"):
        published = load_pretrained("mobile_face_net")
        pairs = pair_distances(encode(published, x), y)
        accuracy = verification_accuracy(*pairs, threshold_of(published))
        rows += [
            ("MobileFaceNet: verification of the same pairs", accuracy, 0.98),
            ("MobileFaceNet: photos of the camera", camera_accuracy(published), 1.0),
            ("ours: photos of the camera", camera_accuracy(model), None),
        ]
    return rows


def camera_accuracy(model):
    """The share of the camera's six photos recognised among the twelve portraits."""
    photos = faces.load_photos()
    known = encode(model, list(photos.portraits.values()))
    seen = encode(model, photos.camera)
    names = np.array([*photos.portraits])[(seen @ known.T).argmax(axis=1)]
    return np.mean(names == photos.names)


def roc_picture(networks):
    """What thresholds let in of the ten AT&T people never seen, a matplotlib figure.

    Args:
        networks: {name: model}, each drawn as a curve.
    """
    att = faces.load_att()
    unseen = att.y >= LEARNT
    curves = {}
    for name, model in networks.items():
        pairs = pair_distances(encode(model, att.x[unseen]), att.y[unseen])
        curves[name] = roc(*pairs)[:2]
    return plots.roc(curves, title="ten people never seen")


def picture(model, image, *, people=None):
    """The photo beside the three nearest people with their distances, a figure.

    Args:
        people: {name: photo}; default: those of `example_people`.
    """
    people = example_people() if people is None else people
    names, photos = zip(*people.items(), strict=True)
    database = dict(zip(names, encode(model, photos)[:, np.newaxis], strict=True))
    answer = infer(model, image, database=database)
    nearest = list(answer.details["distances"].items())[:3]
    return plots.row(
        {f"{answer}?" if answer == "unknown" else str(answer): image}
        | {f"{name}, at {distance:.2f}": people[name] for name, distance in nearest}
    )


def example_people():
    """{name: photo}: the course's portraits where they are at hand, else six drawn."""
    if files.in_data_folder("faces/photos/younes.jpg"):
        return faces.load_photos().portraits
    drawn = faces.make_faces(6, 1, seed=2)
    return dict(zip("Ash Blake Casey Drew Ellis Finn".split(), drawn.x, strict=True))


def example():
    """The question of the tour: a real photo where it is at hand, else a drawing."""
    photo = files.in_data_folder("faces/photos/camera_2.jpg")
    if photo:
        return "Who stands at the door?", photo
    return "Who of six drawn people is this?", faces.make_faces(4, 2, seed=2).x[7]
