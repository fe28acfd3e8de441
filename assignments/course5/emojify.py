# %% [markdown]
# # Emojify
#
# A hundred and thirty-two labelled sentences are very few to learn English from. But
# vectors learnt from billions of words already know that "adore" is near "love". You
# will see one network average them and another read them in order, and find that the
# simple one is hard to beat where examples are few.
#
# The full run takes 21 seconds of CPU time, `--quick` 14. On the course's 56 test
# sentences the average is right in 80.4 %, the shipped reader in 78.6 %: one sentence
# apart, which is no difference.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course5 import emojify as ej
from dls_keras.datasets import emoji, glove

QUICK = "--quick" in sys.argv
OUT = Path("out/emojify")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The course's sentences, where they are at hand; otherwise composed ones of the same
# five kinds, which are easier, so that every number below is then another one.

# %%
try:
    data = ej.load_data()
except MissingFileError:
    data = emoji.Emoji(*emoji.make_emoji(132), *emoji.make_emoji(56, seed=1))
for label, sentence in list(zip(data.y, data.x, strict=True))[:8]:
    print(ej.label_to_emoji(label), emoji.CLASSES[label], "-", sentence)
shares = np.bincount(data.y) / len(data.y)
figure = plots.probabilities(
    dict(zip(emoji.CLASSES, shares, strict=True)),
    title=f"{len(data.y)} sentences to learn from",
)
plots.show(figure, OUT / "labels.png")

# %% [markdown]
# ## What the words bring along
# GloVe's vectors have 50 numbers each. The weights that ship with the package contain
# those of the words they know, so this runs without any other file. On the plane that
# shows most of their differences, ball games, meals and feelings lie apart, untaught;
# but "sad" lies beside "smile", since both keep the same company.

# %%
shipped = ej.load_pretrained()
try:
    vectors = glove.load_glove()
except MissingFileError:
    matrix = shipped.model.get_layer(index=1).get_weights()[0]
    vectors = {word: matrix[i] for word, i in shipped.word_to_index.items()}
print(f"{len(vectors):,} words with a vector")
shown = "love adore heart baseball ball game happy smile sad upset eat lunch food"
names = [word for word in shown.split() if word in vectors]
points = np.array([vectors[name] for name in names])
points -= points.mean(axis=0)
_, _, axes = np.linalg.svd(points)
plots.show(plots.words(points @ axes[:2].T, names), OUT / "words.png")

# %% [markdown]
# ## The first idea: an average
# The mean of a sentence's vectors, and a softmax over it:
#
# $$z = W\, \overline{e} + b\qquad a = \mathrm{softmax}(z)\qquad
#   \frac{\partial L}{\partial z} = a - y$$

# %%
np.random.seed(1)
_, W, b = ej.model(data.x, data.y, vectors, num_iterations=101 if QUICK else 400)
print("on the test sentences:")
_ = ej.predict(data.x_test, data.y_test, W, b, vectors)

# %% [markdown]
# An average does not know what stood where: these two are the same to it.

# %%
for sentence in ("work is hard not easy", "work is easy not hard"):
    a = ej.softmax(W @ ej.sentence_to_avg(sentence, vectors) + b)
    print(f"{sentence}: {ej.label_to_emoji(a.argmax())} {a.max():.6f}")

# %% [markdown]
# ## The second idea: to read in order
# Two layers of LSTM read one vector after the other, and the vectors stay as they are:
# 132 sentences could only spoil them. Sentences are numbers of words, filled up with 0.

# %%
print(ej.sentences_to_indices(data.x[:2], shipped.word_to_index, ej.MAX_LEN))
reader = ej.build_model()
print(f"{reader.model.count_params():,} parameters, vectors included")

# %% [markdown]
# ## Learning
# The shipped recipe sees the course's sentences four times in each epoch and 1,000
# composed ones beside them; `--quick` sees the data above alone.

# %%
if QUICK:
    losses = ej.train(reader, data, epochs=8)
else:
    x, y = emoji.make_emoji(1000)
    more = data._replace(
        x=np.concatenate([np.tile(data.x, 4), x]),
        y=np.concatenate([np.tile(data.y, 4), y]),
    )
    losses = ej.train(reader, more)
curve = plots.curve(losses, title="Emojify", ylabel="nats per sentence")
plots.show(curve, OUT / "loss.png")


def right(model):
    """The share of the test sentences that get their emoji."""
    pairs = zip(data.x_test, data.y_test, strict=True)
    return np.mean([ej.infer(model, x) == ej.label_to_emoji(y) for x, y in pairs])


print(f"trained here:    {right(reader):.1%} of {len(data.x_test)} test sentences")
print(f"shipped weights: {right(shipped):.1%}")

# %% [markdown]
# ## The weights that ship with the package

# %%
question, sentence = ej.example()
answer = ej.infer(shipped, sentence)
print(f"{question} {answer} {answer.confidence:.1%}")
for other in ("let us play ball", "what is for dinner", "not feeling happy"):
    answer = ej.infer(shipped, other)
    print(f"{other}: {answer} {answer.confidence:.1%}")
plots.show(ej.picture(shipped, sentence), OUT / "sister.png")

# %% [markdown]
# ## What it cannot do
# To read in order is one thing, to understand "not" another: hardly a sentence showed
# it what the word does, and so it is sure of itself and wrong. More such sentences
# would teach it.

# %%
for other in ("I am not happy", "I am not sad", "he is not nice to me"):
    answer = ej.infer(shipped, other)
    print(f"{other}: {answer} {answer.confidence:.1%}")
plots.show(ej.picture(shipped, "I am not happy"), OUT / "not_happy.png")
