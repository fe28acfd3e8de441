# %% [markdown]
# # The TensorFlow tutorial of 2017, without sessions
#
# The first edition of the course drew a graph of placeholders and ran it in a session.
# Sessions are gone, the graph is not. You will see each line of then beside that of
# today, and the network of the hand signs with the start and the mini-batches of 2017.
#
# The full run takes 20 seconds of one CPU core, `--quick` 11. Its 200 epochs (20 with
# `--quick`) end at 70 % of the course's 120 test photos; the 1500 of the course, which
# ended at 71.7 %, take 1 to 2 minutes on two cores.

# %%
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course2 import tensorflow_tutorial as tt
from dls_keras.datasets import signs

QUICK = "--quick" in sys.argv
OUT = Path("out/tensorflow_tutorial")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## From then to now
# In 2017 this line said what to compute, and computed nothing:
#
#     z = tf.placeholder(tf.float32, name="z")
#     a = tf.sigmoid(z)
#     with tf.Session() as session:
#         result = session.run(a, feed_dict={z: 12})
#
# Today a line computes at once. What a session ran, `tf.function` draws when it is
# first called: the arguments are the placeholders, the function is the session.


# %%
@tf.function
def activation(z):
    """The sigmoid; the print happens only while the graph is drawn."""
    print("drawing the graph")
    return tf.sigmoid(z)


for z in (0.0, 12.0):
    print(f"sigmoid({z:g}) = {activation(tf.constant(z)):.6f}")

# %% [markdown]
# ## The parts
# The functions of the assignment return arrays, as a session did.

# %%
print("W X + b", tt.linear_function().ravel().round(4))
print("sigmoid(0)", tt.sigmoid(0))
print("one-hot")
print(tt.one_hot_matrix(np.array([1, 2, 3, 0, 2, 1]), C=4))

# %% [markdown]
# The cost wants logits z. The notebook's first revision handed it sigmoid(z), so that
# the sigmoid was taken twice; its printed values are those of that mistake.
#
# $$-\left(y \log \sigma(z) + (1 - y) \log(1 - \sigma(z))\right)$$

# %%
z = np.array([0.2, 0.4, 0.7, 0.9])
y = np.array([0, 0, 1, 1])
print("of z:         ", tt.cost(z, y).round(4))
print("of sigmoid(z):", tt.cost(tt.sigmoid(z), y).round(4), "as first printed")

# %% [markdown]
# ## The data
# The hand signs of `tensorflow_introduction`, photos or drawn hands; labels are one-hot
# columns.

# %%
try:
    data, kind = tt.load_data(), "photos"
except MissingFileError:
    x, labels = signs.make_signs(1200, seed=1)
    x = x.astype("float32") / 255
    data = signs.Signs(x[:1080], labels[:1080], x[1080:], labels[1080:])
    kind = "drawn hands"
data = tt.in_mixed_order(data)
X, X_test = tt.columns(data.x), tt.columns(data.x_test)
Y, Y_test = (tt.convert_to_one_hot(labels, 6) for labels in (data.y, data.y_test))
print(f"{kind}: X {X.shape}, Y {Y.shape}")

# %% [markdown]
# ## The network
# 25, 12 and 6 units, weights uniform in $\pm\sqrt{6 / (n^{[l-1]} + n^{[l]})}$ (Xavier),
# biases zero, the mean cost, and photos shuffled anew for each epoch.

# %%
parameters = tt.model(X, Y, X_test, Y_test, num_epochs=20 if QUICK else 200)

# %% [markdown]
# Much hangs on the order of the photos, which the JPEG copy of the set has lost. In
# seven orders of eight the course's 1500 epochs end between 66 and 85 % of the test
# photos; in one all units die at once. So 71.7 %, the printed number, is one draw.

# %%
network = tt.build_model()
losses = tt.train(network, data, epochs=10 if QUICK else 40)
curve = plots.curve(losses, title="The start of 2017, our training", ylabel="nats")
plots.show(curve, OUT / "loss.png")
for name, weights in (("as in 2017", parameters), ("our training", network)):
    print(f"{name:12} test {tt.accuracy(weights, X_test, data.y_test):.1%}")

# %% [markdown]
# ## The answer

# %%
answer = tt.infer(network, data.x_test[0])
print(f"true {data.y_test[0]}, read as {answer}, {answer.confidence:.1%}")
plots.show(tt.picture(network, data.x_test[0]), OUT / "answer.png")
