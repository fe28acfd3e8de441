# %% [markdown]
# # Transfer learning: alpaca or not
#
# A few hundred photos are too few to learn good features from scratch. A network that
# was trained on a million photos has them already. You will see its features, a new
# classification layer for them, and how few photos this layer needs.
#
# If MobileNetV2's weights are available, a new layer on its frozen base classifies 95.4
# % of 65 validation photos correctly. They do not ship with this package; a compact
# network does, which reaches 75.4 %. It was trained for 18 minutes on two busy CPU
# cores by knowledge distillation, with MobileNetV2 as its teacher. The full run trains
# such a network without a teacher, which takes as long, and fine-tunes MobileNetV2 in
# two minutes. `--quick` trains for a few steps only and takes 16 seconds.

# %%
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

from dls_keras import plots
from dls_keras.core.answers import percent
from dls_keras.core.errors import MissingFileError
from dls_keras.course4 import transfer_learning as tl
from dls_keras.datasets import alpaca

QUICK = "--quick" in sys.argv
OUT = Path("out/transfer_learning")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# 262 photos of alpacas (including llamas and vicunas) and of other animals are for
# training, 65 for validation. If they are not available, synthetic images replace them.

# %%
try:
    data, kind = tl.load_data(extra=0 if QUICK else 66), "images"
except MissingFileError:
    x, y = alpaca.make_alpacas(100 if QUICK else 400)
    cut, kind = len(x) * 4 // 5, "synthetic images"
    data = alpaca.Alpacas(x[:cut], y[:cut], x[cut:], y[cut:])
print(f"{len(data.x)} {kind} for training, {len(data.x_val)} for validation")
titles = [f"{i}: {alpaca.CLASSES[data.y[i]]}" for i in range(5)]
figure = plots.row(dict(zip(titles, data.x[:5], strict=True)))
plots.show(figure, OUT / "animals.png")

# %% [markdown]
# ## From scratch
# A compact residual network with nine 3 x 3 convolutions, trained on these images
# alone.

# %%
keras.utils.set_random_seed(0)
scratch = tl.build_model("mixed_bfloat16")
print(f"{scratch.count_params():,} parameters")
small = data._replace(x=data.x[:48], y=data.y[:48]) if QUICK else data
losses = tl.train(scratch, small, epochs=2 if QUICK else 80)
curve = plots.curve(losses, title="From scratch", ylabel="cross-entropy (nats)")
plots.show(curve, OUT / "loss.png")
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; of equal guesses: {np.log(2):.2f}")
print(f"validation accuracy: {tl.accuracy(scratch, data.x_val, data.y_val):.1%}")

# %% [markdown]
# ## The idea
# MobileNetV2's last layer, which classifies a thousand classes, is removed. The rest is
# frozen: each image then is a vector of 1280 features, which is constant over the
# epochs and computed only once.
#
# $$\text{logit} = w \cdot \text{mean over pixels of }
#   \mathrm{base}(\text{image} / 127.5 - 1) + b$$
#
# If MobileNetV2 is not available, the features of the compact network are used. It was
# trained for this task, on these photos, so this is no transfer, but the same code.

# %%
try:
    base, whose = tl.load_pretrained("imagenet_int8"), "MobileNetV2"
except MissingFileError:
    base, whose = tl.load_pretrained(), "compact network"
x = tl.features(base, data.x)
x_val = tl.features(base, data.x_val)
print(f"{whose}: {data.x.shape} -> {x.shape}")

# %% [markdown]
# ## How many images are needed?
# A new head is trained on the first 8, 24, 72 or all images. With good features, a few
# dozen images give a higher accuracy than hundreds do from scratch.

# %%
counts, shares = [8, 24, 72, len(x)], []
for n in counts:
    keras.utils.set_random_seed(0)
    head = keras.Sequential(
        [keras.Input(x.shape[1:]), layers.Dropout(0.2), layers.Dense(1)]
    )
    tl.fit_head(head, x[:n], data.y[:n], batch_size=8, learning_rate=0.003)
    logits = head.predict(x_val, verbose=0)[:, 0]
    shares.append(np.mean((logits > 0) == data.y_val))
    print(f"{n:3} images: {shares[-1]:.1%}")

# %% [markdown]
# ## Errors
# The most confident errors of the head that was trained on all images: the true class,
# and the predicted probability of an alpaca.

# %%
wrong = np.flatnonzero((logits > 0) != data.y_val)
worst = wrong[np.argsort(-np.abs(logits[wrong]))][:5]
print(f"{len(wrong)} of {len(logits)} wrong")
if len(wrong):
    p = 1 / (1 + np.exp(logits))
    names = [alpaca.CLASSES[data.y_val[i]] for i in worst]
    titles = [
        f"{name}, alpaca {p[i]:.1%}" for name, i in zip(names, worst, strict=True)
    ]
    figure = plots.row(dict(zip(titles, data.x_val[worst], strict=True)))
    plots.show(figure, OUT / "wrong.png")

# %% [markdown]
# ## Fine-tuning
# Then the upper layers of the base are trained, too, with a small learning rate, so
# that they keep what they have learned. Batch normalisation stays frozen: its
# statistics come from a million photos.

# %%
if tl.base_of(base) is not None:
    tl.unfreeze(base)
    trainable = sum(int(np.prod(v.shape)) for v in base.trainable_variables)
    print(f"{trainable:,} of {base.count_params():,} parameters are trainable")
    if not QUICK:
        tl.transfer(base, data)
        correct = tl.accuracy(base, data.x_val, data.y_val)
        print(f"fine-tuned: validation accuracy {correct:.1%}")

# %% [markdown]
# ## The weights that ship with the package
# The compact network was trained by knowledge distillation: to predict the labels and,
# at the same time, MobileNetV2's features. Its accuracy shows how much is lost without
# the million photos. Both networks know two classes only: there is no third one for an
# image without an animal.

# %%
shipped = tl.load_pretrained()
correct = tl.accuracy(shipped, data.x_val, data.y_val)
print(f"compact network: validation accuracy {correct:.1%}")
question, image = tl.example()
for name, network in ((whose, base), ("compact network", shipped)):
    answer = tl.infer(network, image)
    print(f"{name}: {question} {answer}, {percent(answer.confidence)}")
plots.show(tl.picture(image, answer), OUT / "answer.png")
