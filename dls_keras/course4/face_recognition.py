"""Face recognition: a network trained with the triplet loss (C4 W4 A1).

A network maps a face to a point on the unit sphere, its encoding f(x), such that
encodings of one person are close together and those of different people far apart. It
is trained on triplets of an anchor A, a positive P (the same person on another photo)
and a negative N (another person), until each negative is farther from its anchor than
the positive is, by a margin alpha:

    J = sum of max(|f(A) - f(P)|^2 - |f(A) - f(N)|^2 + alpha, 0)

A new person then needs no training: one photo gives one encoding (one-shot learning).
`verify` compares a face with one person, `who_is_it` with everybody in a database. Two
faces whose distance is below a threshold count as one person. A higher threshold
accepts more pairs of different people, a lower one rejects more pairs of one person:
see `core.verification`.

Shapes: m faces, encodings of d = 128 numbers; a database is {name: (1, d)}. A distance
is the L2 norm of the difference of two unit vectors, from 0 to 2: d^2 = 2 - 2 cosine.
Edition: 2021, with FaceNet's threshold of 0.7. In 2017 faces were 96 x 96 with channels
first, the network itself returned encodings of unit length, and the first version of
`triplet_loss` summed over all examples before it took the maximum.
Papers: Schroff, Kalenichenko & Philbin (2015), FaceNet,
https://arxiv.org/abs/1503.03832; Taigman et al. (2014), DeepFace.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from matplotlib.figure import Figure

from dls_keras import plots
from dls_keras.converters import face_networks
from dls_keras.core import (
    augment,
    examples,
    face_database,
    files,
    images,
    inputs,
    pretrained,
    settings,
    training,
    verification,
    weights,
)
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.datasets import faces

# Keras's Adam and BatchNormalization on faster kernels; tests compare them.
from dls_keras.fast.layers import Adam, BatchNormalization
from dls_keras.networks.mobile_face_net import mobile_face_net
from dls_keras.networks.open_face import open_face

# For each network its threshold, the distance at its equal error rate, and the scale of
# a logistic regression of "same person" on distance. Both were measured on AT&T people
# who are not in the test set of `evaluate`.
CALIBRATION = {
    "face_recognition": (0.816, 0.082),
    "mobile_face_net": (1.143, 0.026),
}
UNKNOWN = (0.7, 0.1)  # of other networks; 0.7 is the course's threshold for FaceNet

# The assignment: the course's functions with the course's signatures.


def triplet_loss(y_true, y_pred, alpha=0.2):
    """The triplet loss: by how much positives are not closer than negatives by `alpha`.

    Args:
        y_true: not used; Keras passes it to every loss.
        y_pred: encodings of anchors, positives and negatives, (m, d) each, or (d,) each
            for one triplet.
        alpha: the margin, between squared distances.

    Returns:
        The sum over the triplets, a scalar tensor.
    """
    anchor, positive, negative = y_pred
    pos_dist = tf.reduce_sum(tf.square(tf.subtract(anchor, positive)), axis=-1)
    neg_dist = tf.reduce_sum(tf.square(tf.subtract(anchor, negative)), axis=-1)
    return tf.reduce_sum(tf.maximum(pos_dist - neg_dist + alpha, 0.0))


def img_to_encoding(image_path, model):
    """The encoding of a face, (1, d) of unit length.

    Args:
        image_path: an image of a face (path, PIL image or array). It is resized to the
            input of the model without keeping the aspect ratio. Background is encoded,
            too, so crop the face first, by hand or with `faces.crop_face`.
        model: from (m, height, width, 3), RGB in [0, 1], to (m, d).
    """
    return encode(model, [image_path])


def verify(image_path, identity, database, model, *, threshold=None):
    """Verification: decide and print whether a face is that of `identity`.

    Args:
        image_path: see `img_to_encoding`.
        identity: a name in the database.
        database: {name: encoding (1, d)}, a dict or `face_database.Identities`.
        threshold: the door opens for smaller distances; default: `threshold_of(model)`.

    Returns:
        The distance of the two encodings, and whether the door opens.

    Raises:
        InputError: if nobody in the database is called `identity`.
    """
    face_database.check_network(database, model)
    if identity not in database:
        raise InputError(
            f"{identity!r} is not in the database; {face_database.listed(database)}. "
            "Use one of these names, or add the person with `enrol`."
        )
    encoding = img_to_encoding(image_path, model)
    # dist = |f(image) - f(identity)|
    ((_, dist),) = face_database.distances(encoding, {identity: database[identity]})
    door_open = dist < (threshold_of(model) if threshold is None else threshold)
    if door_open:
        print(f"It's {identity}, welcome in!")
    else:
        print(f"It's not {identity}, please go away")
    return dist, door_open


def who_is_it(image_path, database, model, *, threshold=None):
    """Recognition: find and print the person in the database nearest to a face.

    Args:
        image_path, database: see `verify`.
        threshold: a face farther than this from everybody is not in the database;
            default: `threshold_of(model)`.

    Returns:
        The distance and the name of the nearest person, also beyond the threshold.
    """
    face_database.check_network(database, model)
    encoding = img_to_encoding(image_path, model)
    min_dist, identity = face_database.distances(encoding, database)[0][::-1]
    if min_dist > (threshold_of(model) if threshold is None else threshold):
        print("Not in the database.")
    else:
        print(f"It's {identity}, the distance is {min_dist:.3f}")
    return min_dist, identity


# The application: the names that every assignment shares.

SIZE = 64  # height and width of a face for our network, in pixels
TRAINING_PEOPLE = 30  # of AT&T's 40; the other ten are held out for the test
PHOTOS = 4  # of each person in a batch
SHOWN = 3  # nearest people in `picture`


def threshold_of(model: Any) -> float:
    """The distance below which two faces count as one person: calibrated, or 0.7."""
    threshold, _ = CALIBRATION.get(getattr(model, "name", ""), UNKNOWN)
    return threshold


def encode(model: Any, pictures: Sequence | np.ndarray) -> np.ndarray:
    """The encodings of faces, (m, d) float32 of unit length, 64 at a time.

    Args:
        model: see `img_to_encoding`. Images are resized to its `input_shape`, or to
            160 x 160 if it has none.
        pictures: m images as `images.read` accepts them.
    """
    height, width = getattr(model, "input_shape", (None, 160, 160, 3))[1:3]
    parts = []
    for start in range(0, len(pictures), 64):
        batch = pictures[start : start + 64]
        x = np.stack([images.resized(picture, height, width) for picture in batch])
        parts.append(np.asarray(model(x, training=False)))
    encodings = np.concatenate(parts)
    return encodings / np.linalg.norm(encodings, axis=1, keepdims=True)


def enrol(
    database: face_database.Identities, name: str, photos: Any, model: Any
) -> None:
    """Add a person to a database, with one photo or a list of photos.

    Raises:
        InputError: if another network computed the encodings of the database, `photos`
            is empty, or the name is taken.
    """
    face_database.check_network(database, model)
    photos = photos if isinstance(photos, list | tuple) else [photos]
    if not photos:
        raise InputError(f"Enrolling {name!r} takes at least one photo, received none.")
    database.add(name, encode(model, photos))


def load_data(
    extra: int = 300, others: int = 3000, seed: int = 0, *, synthetic: bool = False
) -> faces.TrainingFaces:
    """Faces of thirty AT&T people, of synthetic people and of the smiles data set.

    See `datasets.faces.load_training_faces`; the other ten AT&T people are held out.

    Args:
        extra: how many synthetic people.
        others: how many of the smiles data set.
        synthetic: synthetic people alone; needs no files.
    """
    how: dict[str, Any] = {"size": SIZE, "seed": seed, "synthetic": synthetic}
    return faces.load_training_faces(TRAINING_PEOPLE, extra, others, **how)


@settings.keras_defaults()
def build_model(dtype: str = "float32") -> keras.Model:
    """Our network, untrained: five convolutions on a grey face.

    Args:
        dtype: of the arithmetic; "mixed_bfloat16" trains three times as fast on CPUs
            with AMX. The variables are float32 in both cases.

    Returns:
        A model from (m, 64, 64, 3) float32, RGB in [0, 1], to (m, 128) float32
        encodings of unit length; 596,128 parameters.
    """

    def convolution(x, filters, strides=1):
        x = layers.Conv2D(filters, 3, strides, "same", use_bias=False, dtype=dtype)(x)
        x = BatchNormalization(momentum=0.9, dtype=dtype)(x)
        return layers.Activation("relu", dtype=dtype)(x)

    face = keras.Input((SIZE, SIZE, 3), name="face")
    x = keras.ops.image.rgb_to_grayscale(face, data_format="channels_last")
    # Mean 0 and variance 1 within each image: removes brightness and contrast.
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


def semi_hard_triplet_loss(
    encodings: tf.Tensor, y: tf.Tensor, alpha: float = 0.2
) -> tf.Tensor:
    """The mean triplet loss of a batch with semi-hard negatives, a scalar tensor.

    Every two photos of one person are an anchor and a positive. Their negative is the
    nearest photo of another person that is farther from the anchor than the positive
    (semi-hard), or the farthest one if there is none. The hardest negatives of all
    would make an untrained network map every face to one point.

    Args:
        encodings: (m, d) of unit length.
        y: (m,) the number of the person on each photo.
        alpha: the margin, as in `triplet_loss`.
    """
    same = y[:, None] == y[None, :]
    # |a - b|^2 = 2 - 2 a.b on the unit sphere; rounding may make it negative.
    squared = tf.maximum(2 - 2 * tf.matmul(encodings, encodings, transpose_b=True), 0)
    farthest = tf.reduce_max(tf.where(same, 0.0, squared), axis=1, keepdims=True)
    # For anchor a, positive p, negative n: (m, m, m). No squared distance exceeds 4.
    semi_hard = ~same[:, None, :] & (squared[:, None, :] > squared[:, :, None])
    nearest = tf.reduce_min(tf.where(semi_hard, squared[:, None, :], 4.1), axis=2)
    negative = tf.where(nearest <= 4.0, nearest, farthest)
    losses = tf.nn.relu(squared - negative + alpha)
    pairs = tf.cast(same & ~tf.eye(y.shape[0], dtype=tf.bool), tf.float32)
    return tf.reduce_sum(losses * pairs) / tf.reduce_sum(pairs)


@examples.accepted(pixels="uint8")
def train(
    model: keras.Model,
    data: faces.TrainingFaces,
    *,
    epochs: int = 5,
    batch_size: int = 16,
    learning_rate: float = 0.001,
    seed: int = 0,
    **settings: Any,
) -> list[float]:
    """Train `model` in place on randomly transformed faces.

    Args:
        data: people with any number of photos; a photo of somebody with one photo only
            is its own positive, transformed in another way.
        batch_size: people per batch; four photos of each are sampled at random.
        settings: further settings of `core.training.fit`.

    Returns:
        Each epoch's mean triplet loss.
    """
    keras.utils.set_random_seed(seed)
    people, counts = np.unique(data.y, return_counts=True)
    # The rows of each person's photos, repeated to the same length: (people, most).
    most = max(PHOTOS, counts.max())
    rows = np.stack([np.resize(np.flatnonzero(data.y == k), most) for k in people])
    chosen = getattr(data, "repeats", {})
    repeats = [chosen.get(int(k), 1) for k in people]
    rows, y = np.repeat(rows, repeats, axis=0), np.repeat(people, repeats)
    x = tf.constant(data.x)

    def sample_photos(seed, rows, y):
        """Four random photos of each person, transformed: (4 batch_size, 64, 64, 3)."""
        draws = tf.random.stateless_uniform(tf.shape(rows), seed + 1)
        chosen = tf.gather(rows, tf.argsort(draws)[:, :PHOTOS], batch_dims=1)
        faces = tf.cast(tf.gather(x, tf.reshape(chosen, [-1])), tf.float32) / 255
        faces = tf.ensure_shape(faces, (batch_size * PHOTOS, *x.shape[1:]))
        faces = augment.affine(
            seed, faces, rotation=0.15, shift=0.08, zoom=0.12, flip=True
        )
        faces = augment.colour_jitter(seed, faces, brightness=0.2, contrast=0.3)
        return faces, tf.repeat(y, PHOTOS)

    steps = epochs * (len(rows) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, steps))
    return training.fit(
        lambda x, y: semi_hard_triplet_loss(model(x, training=True), y),
        (rows.astype("int32"), y),
        model.trainable_variables,
        Adam(schedule),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=model.non_trainable_variables,
        augment=sample_photos,
        model=model,
        **settings,
    )


@pretrained.or_own_file
@settings.undisturbed()
def load_pretrained(variant: str = "default") -> keras.Model:
    """A network with trained weights.

    Args:
        variant: "default" is our network, whose weights ship with the package: 92.4 %
            balanced verification accuracy on ten held-out people. "mobile_face_net"
            (an npz of its MXNet file) and "openface" (h5 or CSV files) are published
            networks; their files must be in `$DLS_KERAS_DATA/faces` or in the cache.
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


@inputs.batched(inputs.PICTURE)
def infer(
    model: Any,
    photos: Any,
    *,
    database: Mapping[str, np.ndarray] | None = None,
    threshold: float | None = None,
) -> list[Answer]:
    """Recognise the person on an image.

    Args:
        photos: an image as `img_to_encoding` takes it, or a list of them.
        database: {name: encoding (1, d)}; default: `faces.example_people`.
        threshold: a face at least as far from everybody is unknown; default:
            `threshold_of(model)`.

    Returns:
        An `Answer`: a name or "unknown". `confidence`, from 0.5 to 1, is the
        probability that this decision is right, a logistic function of the distance
        minus the threshold (see `CALIBRATION`). `details` holds the "distance" of the
        nearest person, the "threshold" and everybody's "distances", nearest first.
    """
    people = {}
    if database is None:
        people = faces.example_people()
        known = encode(model, [*people.values()])[:, np.newaxis]
        database = dict(zip(people, known, strict=True))
    face_database.check_network(database, model)
    threshold = threshold_of(model) if threshold is None else threshold
    _, scale = CALIBRATION.get(model.name, UNKNOWN)
    return [
        _answer(face_database.distances(one, database), threshold, scale, people)
        for one in encode(model, photos)[:, np.newaxis]
    ]


def _answer(nearest, threshold, scale, people):
    """The answer for one face, from pairs (name, distance), the nearest first."""
    name, distance = nearest[0]
    same = 1 / (1 + np.exp((distance - threshold) / scale))
    shown = [who for who, _ in nearest[:SHOWN] if who in people]
    return Answer(
        name if distance < threshold else "unknown",
        max(same, 1 - same),
        distance=distance,
        threshold=threshold,
        distances=dict(nearest),
        for_picture={"photos": {who: images.read(people[who]) for who in shown}},
    )


def evaluate(model: Any = None, *, synthetic: bool = False) -> list[Row]:
    """Verification accuracy and other metrics on people not used for training.

    The accuracy is over all pairs of photos of a set, weighted so that half of them are
    of one person; thresholds were set on other people.

    Args:
        synthetic: only the rows of synthetic people; needs no files.
    """
    model = model or load_pretrained()
    threshold = threshold_of(model)
    people = faces.make_faces(20, seed=1, size=SIZE)
    pairs = verification.pair_distances(encode(model, people.x), people.y)
    made = Row(
        "balanced verification accuracy, 20 held-out synthetic people",
        verification.balanced_accuracy(*pairs, threshold),
    )
    if synthetic:
        return [made]
    att = faces.load_att()
    held_out = att.y >= TRAINING_PEOPLE
    x, y = att.x[held_out], att.y[held_out]
    encodings = encode(model, x)
    pairs = verification.pair_distances(encodings, y)
    rows = [
        Row(
            "balanced verification accuracy, 10 held-out AT&T people",
            verification.balanced_accuracy(*pairs, threshold),
            at_least=0.95,
        ),
        Row("equal error rate, same pairs", verification.equal_error_rate(*pairs)[0]),
        Row(
            "rank-1 identification, their 100 photos",
            float(verification.nearest_is_same(encodings, y).mean()),
        ),
        made,
    ]
    if weights.available("face_recognition", "mobile_face_net"):
        published = load_pretrained("mobile_face_net")
        pairs = verification.pair_distances(encode(published, x), y)
        accuracy = verification.balanced_accuracy(*pairs, threshold_of(published))
        camera, ours = camera_accuracy(published), camera_accuracy(model)
        rows += [
            Row("MobileFaceNet: verification, same pairs", accuracy, at_least=0.98),
            Row("MobileFaceNet: photos of the camera", camera, at_least=1.0),
            Row("our network: photos of the camera", ours),
        ]
    return rows


def camera_accuracy(model: Any) -> float:
    """The share of the camera's six photos recognised among the twelve portraits."""
    photos = faces.load_photos()
    known = encode(model, [*photos.portraits.values()])
    taken = encode(model, photos.camera)
    names = np.array([*photos.portraits])[(taken @ known.T).argmax(axis=1)]
    return float(np.mean(names == photos.names))


def picture(image: Any, answer: Answer) -> Figure:
    """The image next to the photos of the nearest people, with their distances.

    If `infer` had a database, which holds no photos, their names are above the image.
    """
    photos = answer.for_picture["photos"]
    nearest = [*answer.details["distances"].items()][:SHOWN]
    titles = {name: f"{name}, distance {distance:.2f}" for name, distance in nearest}
    if not photos:
        return plots.row({"\n".join([f"Answer: {answer}", *titles.values()]): image})
    shown = {titles[name]: photo for name, photo in photos.items()}
    return plots.row({f"Answer: {answer}": image} | shown)


def example() -> tuple[str, Path | np.ndarray]:
    """A question and its image: a real photo if available, else a synthetic face."""
    photo = files.in_data_folder("faces/photos/camera_2.jpg")
    if photo:
        return "Who is at the door?", photo
    return "Which of six synthetic people is this?", faces.make_faces(4, 2, seed=2).x[7]
