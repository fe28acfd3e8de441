# %% [markdown]
# # Word vectors
#
# A word is known by the company it keeps. You will count that company in a small world
# of kings, capitals and cold nights, learn a vector of 32 numbers for each word from
# the counts, and do sums with them: king - man + woman.
#
# The full run takes 5 seconds of CPU time, and `--quick` hardly less. The shipped
# vectors answer 97.0 % of 1,896 analogies of their world; none was ever trained on.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course5 import word_vectors as wv
from dls_keras.datasets import toy_corpus

QUICK = "--quick" in sys.argv
OUT = Path("out/word_vectors")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Sentences drawn from templates, and for each pair of words how often they stand near
# each other: a neighbour d words away counts 1/d.

# %%
for sentence in toy_corpus.make_sentences(5):
    print(sentence)
data = wv.load_data(15_000 if QUICK else 60_000)
print(f"{len(data.words)} words, {np.mean(data.x > 0):.0%} of all pairs ever met")


def company(word):
    """The share that each of the commonest neighbours has in the company of a word."""
    counts = data.x[data.words.index(word)]
    return {data.words[i]: counts[i] / counts.sum() for i in np.argsort(-counts)[:8]}


figure = plots.probabilities(company("queen"), title="The company of the queen")
plots.show(figure, OUT / "company.png")

# %% [markdown]
# ## The idea
# GloVe looks for two vectors a word, w as a word and v as company, whose product is the
# logarithm of the count, but for a share b and c that each word has by itself. Pairs
# that met often weigh more (f):
#
# $$J = \sum_{i,j} f(X_{ij}) \left(w_i \cdot v_j + b_i + c_j -
#   \log(1 + X_{ij})\right)^2$$
#
# What tells "king" from "queen" is then what tells "man" from "woman": whether "he" or
# "she" stands near. In logarithms a ratio is a difference, and a difference of vectors
# is an arrow.

# %%
model = wv.build_model(data.words)
print(f"{len(model)} words of {wv.DIMENSION} numbers")

# %% [markdown]
# ## Learning

# %%
losses = wv.train(model, data, epochs=80 if QUICK else 300)
curve = plots.curve(losses, title="A small world", xlabel="step")
plots.show(curve, OUT / "loss.png")


def right(vectors):
    """The share of a hundred analogies that the vectors answer."""
    questions = toy_corpus.analogies()[::19]
    return np.mean([wv.infer(vectors, f"{a} {b} {c}") == d for a, b, c, d in questions])


print(f"before: {right(wv.build_model(data.words)):.0%} of the analogies")
print(f"after:  {right(model):.0%}")

# %% [markdown]
# ## The weights that ship with the package
# Similar is what points the same way, whatever its length:
#
# $$\cos(u, v) = \frac{u \cdot v}{\lVert u\rVert\,\lVert v\rVert}$$

# %%
vectors = wv.load_pretrained()
print(f"shipped vectors: {right(vectors):.0%}")
for u, v in (("king", "queen"), ("paris", "rome"), ("king", "paris")):
    print(f"{u} and {v}: {wv.cosine_similarity(vectors[u], vectors[v]):.2f}")

# %% [markdown]
# An analogy asks for a word whose step from the third word points along the step from
# the first to the second. The picture shows the plane on which the four lie flattest.

# %%
question, words = wv.example()
answer = wv.infer(vectors, words)
print(f"{question} {answer} (cosine of the two steps {answer.confidence:.2f})")
plots.show(wv.picture(vectors, words), OUT / "queen.png")
for words in ("france paris japan", "small smaller cold", "french france greek"):
    a, b, c = words.split()
    print(f"{a} is to {b} as {c} is to {wv.infer(vectors, words)}")

# %% [markdown]
# ## Taking a prejudice out
# The step from "he" to "she" is an axis g, and every word points a little along it.
# "King" and "queen" may; a child is neither, and is neutralised:
#
# $$e^{\text{neutral}} = e - \frac{e \cdot g}{\lVert g\rVert^2}\, g$$

# %%
g = vectors["she"] - vectors["he"]
for word in ("king", "queen", "child"):
    print(f"{word:5} {wv.cosine_similarity(vectors[word], g):+.2f} along he -> she")
neutral = wv.neutralize("child", g, vectors)
print(f"child {wv.cosine_similarity(neutral, g):+.2f} when neutralised")

# %% [markdown]
# A pair that may differ in nothing but the axis is equalised: then both lie equally far
# from every neutral word. This is done with vectors of length 1.

# %%
units = {word: vectors[word] / np.linalg.norm(vectors[word]) for word in vectors}
axis = units["she"] - units["he"]
pair = ("actor", "actress")
for when, both in (
    ("before", [units[word] for word in pair]),
    ("after", wv.equalize(pair, axis, units)),
):
    shares = [f"{wv.cosine_similarity(e, axis):+.2f}" for e in both]
    print(f"{when:6} {', '.join(shares)}")

# %% [markdown]
# ## The large world
# GloVe's own vectors, learnt from six billion words, where they are at hand. They know
# what our sentences never said, and the prejudices of what people wrote, too.

# %%
try:
    large = wv.load_pretrained("glove")
    for words in ("italy italian spain", "india delhi japan", "small smaller large"):
        a, b, c = words.split()
        print(f"{a} is to {b} as {c} is to {wv.infer(large, words)}")
    g = large["woman"] - large["man"]
    for word in ("receptionist", "engineer"):
        print(f"{word}: {wv.cosine_similarity(large[word], g):+.2f} along man -> woman")
except (MissingFileError, KeyError) as error:
    print(error)

# %% [markdown]
# ## What they cannot do
# A word has one vector, whichever of its meanings is meant, and a word that was never
# read has none. Opposites keep the same company, so that "big" and "small" are close,
# and a word that lies in the right direction need not be the right one:

# %%
print(f"big and small: {wv.cosine_similarity(vectors['big'], vectors['small']):.2f}")
print(f"small is to smaller as old is to {wv.infer(vectors, 'small smaller old')}")
