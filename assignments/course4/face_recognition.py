# %% [markdown]
# # Face recognition
#
# Whoever is to be recognised has given one photo; nobody can train a class on that. So
# a network learns what it means that two faces are the same person's, and then it knows
# people that it has never met. You will see distances, a network learn them, what a
# threshold costs, and a door.
#
# Pretrained weights answer in seconds: 92.4 % right decisions about pairs of ten people
# never met. They took 5 minutes of training on two CPU cores shared with other work;
# that is the full run. `--quick` learns from thirty people for a moment, in 17 seconds.

# %%
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from dls_keras import plots
from dls_keras.core import images
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import face_recognition as fr
from dls_keras.datasets import faces

QUICK = "--quick" in sys.argv
OUT = Path("out/face_recognition")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Forty people of AT&T (Olivetti Research Laboratory), ten pictures each. Thirty are to
# learn from, the other ten are met only in the test. Where they are not at hand, drawn
# people stand in, with other numbers below.

# %%
try:
    people, kind = faces.load_att(), "people"
except MissingFileError:
    people, kind = faces.make_faces(40, 10, seed=3, size=fr.SIZE), "drawn people"
x = np.stack([images.resized(face, fr.SIZE, fr.SIZE) for face in people.x])
unseen = people.y >= fr.LEARNT
print(
    f"{fr.LEARNT} {kind} to learn from, {len(np.unique(people.y[unseen]))} to test on"
)
shown = {f"{i}: person {people.y[i]}": x[i] for i in (0, 3, 8, 10, 14, 19)}
figure = plots.row(shown)
plots.show(figure, OUT / "people.png")

# %% [markdown]
# ## The idea
# The network turns a face into a point on a sphere, its encoding f(x). It learns from
# triplets of an anchor A, a positive P of the same person and a negative N of another:
# N is to be farther than P, by a margin.
#
# $$J = \sum \max\left(\lVert f(A) - f(P)\rVert^2 -
#   \lVert f(A) - f(N)\rVert^2 + \alpha,\; 0\right)$$

# %%
A, P, N = (tf.constant([x]) for x in ([1.0, 0.0], [0.8, 0.6], [0.75, 0.66]))
print(f"N a little farther than P: {fr.triplet_loss(None, (A, P, N)):.2f}")
print(f"N on the far side:         {fr.triplet_loss(None, (A, P, -A)):.2f}")
print(f"N nearer than P:           {fr.triplet_loss(None, (A, N, P)):.2f}")

# %% [markdown]
# ## Learning
# Most triplets are right from the start and teach nothing. So each batch looks for
# negatives that are farther than the positive, but only just.

# %%
if QUICK or kind == "drawn people":
    lesson = fr.TrainingFaces(
        (255 * x[~unseen]).astype("uint8"),
        people.y[~unseen],
        dict.fromkeys(range(fr.LEARNT), 8),
    )
else:
    lesson = fr.load_data()
model = fr.build_model("mixed_bfloat16")
print(f"{model.count_params():,} parameters")


def pairs_of(model):
    """Distances of all pairs of faces never met, and which are of one person."""
    return fr.pair_distances(fr.encode(model, x[unseen]), people.y[unseen])


untrained = pairs_of(model)
losses = fr.train(model, lesson, epochs=4 if QUICK else 5)
curve = plots.curve(losses, title="Triplets", ylabel="loss per triplet")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}; the margin is 0.2")

# %% [markdown]
# ## What a threshold costs
# Below it the door opens. Higher, it lets strangers in; lower, it keeps friends out.
# Where both happen equally often is the equal error rate. Guessing has 50 %, but an
# untrained network does not: pictures of one afternoon are alike to any eye.

# %%
shipped = fr.load_pretrained()
networks = {
    "untrained": untrained,
    "trained here": pairs_of(model),
    "shipped": pairs_of(shipped),
}
curves = {}
for name, (distances, same) in networks.items():
    rate, threshold = fr.equal_error_rate(distances, same)
    print(f"{name:12} equal error rate {rate:.1%} at the distance {threshold:.2f}")
    curves[name] = fr.roc(distances, same)[:2]
plots.show(plots.roc(curves, title="Ten people never met"), OUT / "roc.png")
right = fr.verification_accuracy(*networks["shipped"], fr.threshold_of(shipped))
print(f"shipped, at its threshold {fr.threshold_of(shipped)}: {right:.1%} right")

# %% [markdown]
# ## At the door
# Two ways to ask. "I am Ash" is verification, one comparison. "Who is it?" is
# recognition, as many comparisons as there are people, and as many chances to be wrong.
# Encodings of another network would mean nothing here, so a database remembers which
# weights made it, and refuses others.

# %%
known = fr.new_database(shipped)
drawn = faces.make_faces(6, 3, seed=2)
names = "Ash Blake Casey Drew Ellis Finn".split()
for name, photo in zip(names[:5], drawn.x[::3], strict=False):
    fr.enrol(known, name, photo, shipped)
ash, finn = drawn.x[1], drawn.x[16]
distance, _ = fr.verify(ash, "Ash", known, shipped)
print(f"at {distance:.2f}")
distance, _ = fr.verify(ash, "Drew", known, shipped)
print(f"at {distance:.2f}")
fr.who_is_it(drawn.x[10], known, shipped)
fr.who_is_it(finn, known, shipped)  # whom nobody has enrolled
known.save(OUT / "door.npz")
print("in the file:", fr.load_database(OUT / "door.npz", shipped).who())

# %% [markdown]
# ## Who is it?
# The nearest three. Look at the distances of the others, too: what is beside a face is
# encoded with it, and the course's people all stand before one garden.

# %%
question, image = fr.example()
answer = fr.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(fr.picture(shipped, image), OUT / "answer.png")

# %% [markdown]
# ## What it cannot do
# It is no lock. One in thirteen decisions is wrong, a photo of a friend opens the door
# as the friend does, and thirty people are not mankind: on faces unlike theirs it is
# worse, which nobody notices who measures on people like them. Here it stands beside a
# network that has seen millions of faces, on six photos of the camera at the course's
# door.

# %%
try:
    print(f"ours, the camera's six photos: {fr.camera_accuracy(shipped):.0%}")
    published = fr.load_pretrained("mobile_face_net")
    print(f"MobileFaceNet:                 {fr.camera_accuracy(published):.0%}")
except MissingFileError:
    print("(the camera's photos, or MobileFaceNet, are not at hand)")
