# %% [markdown]
# # Face recognition
#
# A door should open for people of whom it has one photo each, far too few to train a
# classifier. So a network learns something more general: whether two faces show the
# same person. It then recognises people who were not in its training set. You will see
# distances between faces, a training with the triplet loss, how a threshold trades one
# error for another, and a door.
#
# The pretrained network answers in seconds: its decisions on pairs of ten held-out
# people are 92.4 % correct. Training it took 5 minutes on two CPU cores shared with
# other processes; the full run repeats that. `--quick` trains on thirty people for a
# moment, in 17 seconds.

# %%
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from dls_keras import plots
from dls_keras.core import face_database, images, verification
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import face_recognition as fr
from dls_keras.datasets import faces

QUICK = "--quick" in sys.argv
OUT = Path("out/face_recognition")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Forty people of AT&T (Olivetti Research Laboratory), ten photos each. Thirty are for
# training, the other ten for the test. If the photos are not available, synthetic faces
# replace them, and the numbers below differ.

# %%
try:
    people, kind = faces.load_att(), "AT&T people"
except MissingFileError:
    people, kind = faces.make_faces(40, 10, seed=3, size=fr.SIZE), "synthetic people"
x = np.stack([images.resized(face, fr.SIZE, fr.SIZE) for face in people.x])
held_out = people.y >= fr.TRAINING_PEOPLE
tested = len(np.unique(people.y[held_out]))
print(f"{kind}: {fr.TRAINING_PEOPLE} for training, {tested} held out")
shown = {f"{i}: person {people.y[i]}": x[i] for i in (0, 3, 8, 10, 14, 19)}
figure = plots.row(shown)
plots.show(figure, OUT / "people.png")

# %% [markdown]
# ## The idea
# The network maps a face to a point on a sphere, its encoding f(x). It is trained on
# triplets of an anchor A, a positive P of the same person and a negative N of another:
# N should be farther from A than P is, by a margin.
#
# $$J = \sum \max\left(\lVert f(A) - f(P)\rVert^2 -
#   \lVert f(A) - f(N)\rVert^2 + \alpha,\; 0\right)$$

# %%
A, P, N = (tf.constant([x]) for x in ([1.0, 0.0], [0.8, 0.6], [0.75, 0.66]))
print(f"N slightly farther than P: {fr.triplet_loss(None, (A, P, N)):.2f}")
print(f"N opposite to A:           {fr.triplet_loss(None, (A, P, -A)):.2f}")
print(f"N closer than P:           {fr.triplet_loss(None, (A, N, P)):.2f}")

# %% [markdown]
# ## Training
# Most triplets satisfy the margin from the start, and their gradient is zero. So in
# each batch the loss selects semi-hard negatives: farther than the positive, but as
# little as possible.

# %%
if QUICK or kind == "synthetic people":
    data = faces.TrainingFaces(
        (255 * x[~held_out]).astype("uint8"),
        people.y[~held_out],
        dict.fromkeys(range(fr.TRAINING_PEOPLE), 8),
    )
else:
    data = fr.load_data()
model = fr.build_model("mixed_bfloat16")
print(f"{model.count_params():,} parameters")


def pairs_of(model):
    """Distances of all pairs of held-out faces, and which are of one person."""
    encodings = fr.encode(model, x[held_out])
    return verification.pair_distances(encodings, people.y[held_out])


untrained = pairs_of(model)
losses = fr.train(model, data, epochs=4 if QUICK else 5)
curve = plots.curve(losses, title="Triplet loss", ylabel="mean loss of a triplet")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}; the margin is 0.2")

# %% [markdown]
# ## The cost of a threshold
# The door opens for distances below the threshold. A higher one admits more people who
# are not whom they claim to be (false accepts), a lower one keeps more people out who
# are (false rejects). Where both rates are equal is the equal error rate. Guessing has
# 50 %. An untrained network is better than that, because photos of one person were
# taken in the same light.

# %%
shipped = fr.load_pretrained()
networks = {
    "untrained": untrained,
    "trained here": pairs_of(model),
    "pretrained": pairs_of(shipped),
}
curves = {}
for name, (distances, same) in networks.items():
    rate, threshold = verification.equal_error_rate(distances, same)
    print(f"{name:12} equal error rate {rate:.1%} at the distance {threshold:.2f}")
    curves[name] = verification.roc(distances, same)[:2]
plots.show(plots.roc(curves, title="Ten held-out people"), OUT / "roc.png")
threshold = fr.threshold_of(shipped)
accuracy = verification.balanced_accuracy(*networks["pretrained"], threshold)
print(f"pretrained, at its threshold {threshold}: {accuracy:.1%} correct")

# %% [markdown]
# ## At the door
# Verification answers "Is this Ash?" with one comparison. Recognition answers "Who is
# it?" with one comparison per person, and each of them can be wrong. Encodings of
# different networks cannot be compared, so a database records which network computed
# them and refuses any other.

# %%
known = face_database.Identities(face_database.fingerprint(shipped))
visitors = faces.make_faces(6, 3, seed=2)
names = "Ash Blake Casey Drew Ellis Finn".split()
for name, photo in zip(names[:5], visitors.x[::3], strict=False):
    fr.enrol(known, name, photo, shipped)
ash, finn = visitors.x[1], visitors.x[16]
distance, _ = fr.verify(ash, "Ash", known, shipped)
print(f"distance {distance:.2f}")
distance, _ = fr.verify(ash, "Drew", known, shipped)
print(f"distance {distance:.2f}")
fr.who_is_it(visitors.x[10], known, shipped)
fr.who_is_it(finn, known, shipped)  # who is not in the database
known.save(OUT / "door.npz")
print("in the file:", ", ".join(face_database.load(OUT / "door.npz")))

# %% [markdown]
# ## Who is it?
# The three nearest people. Compare the distances: the background is encoded together
# with the face, and all of the course's photos show the same garden.

# %%
question, image = fr.example()
answer = fr.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(fr.picture(image, answer), OUT / "answer.png")

# %% [markdown]
# ## Limits
# This is not a lock. One of thirteen decisions is wrong, a photo of a friend opens the
# door, too, and thirty people do not represent mankind: the network is worse on faces
# unlike those of its training set, which a test on similar people does not show. For
# comparison, MobileFaceNet was trained on millions of faces. Both networks are tested
# on the six photos of the course's door camera.

# %%
try:
    print(f"ours, six photos of the camera: {fr.camera_accuracy(shipped):.0%}")
    published = fr.load_pretrained("mobile_face_net")
    print(f"MobileFaceNet:                  {fr.camera_accuracy(published):.0%}")
except MissingFileError:
    print("(the camera's photos, or MobileFaceNet, are not available)")
