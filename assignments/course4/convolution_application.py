# %% [markdown]
# # A convolutional network recognises hand signs
#
# The dense network of course 2 has 308,000 parameters. You will see that 1310 reach the
# same accuracy: eight small filters, sixteen filters on their outputs, and a dense
# layer on the 64 numbers that remain.
#
# The shipped weights reach a test accuracy of 91.7 % on 120 photos. The full run trains
# for 150 epochs, takes 54 seconds on two busy CPU cores, and ends at 96.7 %. `--quick`
# trains for six epochs, and takes 16 seconds.

# %%
import sys
from pathlib import Path

import keras
import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import convolution_application as ca
from dls_keras.datasets import signs

QUICK = "--quick" in sys.argv
OUT = Path("out/convolution_application")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Hands that show 0 to 5: 1080 photos for training, 120 for testing. If they are not
# available and cannot be downloaded, synthetic images replace them, and the numbers
# below differ.

# %%
try:
    data, kind = ca.load_data(), "photos"
except MissingFileError:
    x, y = signs.make_signs(1200)
    x = x.astype("float32") / 255
    data, kind = signs.Signs(x[:1080], y[:1080], x[1080:], y[1080:]), "synthetic images"
print(f"{len(data.x)} {kind} for training, {len(data.x_test)} for testing")
first = [int(np.argmax(data.y == label)) for label in range(6)]
names = [f"label {label}" for label in signs.CLASSES]
figure = plots.row(dict(zip(names, data.x[first], strict=True)))
plots.show(figure, OUT / "signs.png")

# %% [markdown]
# ## The idea
# A pattern is useful at any position, so all positions share the weights of a filter;
# pooling keeps the largest output in each window of 8 x 8 pixels.
#
# $$X \rightarrow \text{conv}_{4 \times 4} \rightarrow \text{relu} \rightarrow
#   \text{max}_{8 \times 8} \rightarrow \text{conv}_{2 \times 2} \rightarrow \text{relu}
#   \rightarrow \text{max}_{4 \times 4} \rightarrow \text{flatten} \rightarrow
#   \text{dense} \rightarrow \text{softmax}$$

# %%
keras.utils.set_random_seed(3)
model = ca.build_model()
for layer in model.layers:
    shape = " x ".join(str(n) for n in layer.output.shape[1:])
    print(f"{type(layer).__name__:13} {shape:11} {layer.count_params():5} parameters")
print(f"{model.count_params()} in all")

# %% [markdown]
# ## Training
# The photos are augmented: in each epoch they are rotated, shifted and changed in
# brightness at random. A network this small does not overfit much, but its predictions
# should not depend on the position of a hand.


# %%
def accuracy(model, x, y):
    """The share of correct predictions."""
    return np.mean(model.predict(x, verbose=0).argmax(1) == y)


losses = ca.train(model, data, epochs=6 if QUICK else 150)
curve = plots.curve(losses, title="Hand signs", ylabel="cross-entropy (nats)")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}; of equal guesses: {np.log(6):.3f}")
print(f"test accuracy: {accuracy(model, data.x_test, data.y_test):.1%}")

# %% [markdown]
# ## The shipped weights
# Twelve test photos, all of a zero, have a near-duplicate in the training set, so the
# accuracy without them is the more honest one.

# %%
shipped = ca.load_pretrained()
share = accuracy(shipped, data.x_test, data.y_test)
print(f"shipped weights, test accuracy: {share:.1%}")
as_bytes = data._replace(x=255 * data.x, x_test=255 * data.x_test)
unique = ~signs.near_duplicates(as_bytes)
share = accuracy(shipped, data.x_test[unique], data.y_test[unique])
print(f"of the {unique.sum()} without near-duplicates: {share:.1%}")
question, image = ca.example()
answer = ca.infer(shipped, image)
print(f"{question} {answer}, {answer.confidence:.1%}")
plots.show(ca.picture(image, answer), OUT / "answer.png")

# %% [markdown]
# ## Feature maps
# The outputs of four of the first eight filters for one image, those with the largest
# sum. On a photo, one responds to the wall, another to skin, others to edges of one
# direction.

# %%
feature_maps = keras.Model(shipped.input, shipped.layers[2].output)
photo = data.x_test[np.argmax(data.y_test == 5)]
maps = np.asarray(feature_maps(photo[np.newaxis]))[0]  # (64, 64, 8), after relu
largest = np.argsort(-maps.sum(axis=(0, 1)))[:4]
shown = {"image": photo}
shown |= {f"filter {c + 1}": maps[..., c] / maps[..., c].max() for c in largest}
plots.show(plots.row(shown), OUT / "filters.png")

# %% [markdown]
# ## Limits
# The confusion matrix has one row per true class and one column per predicted class:
# neighbouring numbers are confused. Eight filters trained on photos also fail on
# synthetic images, which a larger network can learn as well (`residual_networks`
# recognises all of them).

# %%
predictions = shipped.predict(data.x_test, verbose=0).argmax(1)
confusion = np.zeros((6, 6), int)
np.add.at(confusion, (data.y_test, predictions), 1)
print(confusion)
x, y = signs.make_signs(120, seed=10_000)
share = accuracy(shipped, x.astype("float32") / 255, y)
print(f"accuracy on held-out synthetic images: {share:.1%}")
