# %% [markdown]
# # Named entities in resumes
#
# Who applies, where did they work, what can they do? A small transformer labels every
# word of a resume. You will see a text cut into pieces, labels follow the pieces, and
# the network read applicants whose names and layouts it has never met.
#
# On 300 resumes with layouts and names that it has never met the shipped network finds
# the entities with an F1 of 95.5 %. Its training took 29 minutes on a quarter of two
# busy CPU cores; `--quick` takes 16 seconds of CPU time and learns for a few steps, too
# few to find a name.

# %%
import sys
from collections import Counter
from pathlib import Path

from dls_keras import plots
from dls_keras.course5 import named_entities as ne
from dls_keras.datasets import resumes

QUICK = "--quick" in sys.argv
OUT = Path("out/named_entities")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Resumes of people who never were, composed from layouts and invented names: nobody's
# life is in this package. Those for testing have layouts and names of their own.

# %%
data = ne.load_data(100 if QUICK else 9_000)
text, spans = data.x[0], data.y[0]
figure = plots.spans(text, spans, resumes.LABELS[1:])
plots.show(figure, OUT / "resume.png")
print(f"{len(data.x):,} resumes; in all of them")
for label, count in Counter(label for y in data.y for *_, label in y).most_common():
    print(f"{count:7,} {label}")

# %% [markdown]
# ## Words, pieces, labels
# No list of words has every name, so words are spelt in pieces, frequent ones in one,
# rare ones in several; "##" goes on with a word. A label holds for all pieces of its
# word, and -100 marks what the loss leaves out.

# %%
tagger = ne.build_model(ne.vocabulary(data.x, 800) if QUICK else None)
pieces = tagger.pieces
words = "Marta Velindo, Data Analyst"
print([pieces.vocab[i] for i in pieces.encode(words).ids])
(tags,) = ne.clean_dataset([(words, [(0, 13, "Name"), (15, 27, "Designation")])])
print(tags)
x, y = ne.tokenize_and_align_labels(pieces, [words], [tags], max_len=16)
print(*y[0])

# %% [markdown]
# ## The idea
# The encoder of `transformer` lets all pieces look at each other, two convolutions look
# at neighbours, and a softmax over twelve labels stands at every piece:
#
# $$\hat y^{\langle t\rangle} = \mathrm{softmax}(W a^{\langle t\rangle} + b)\qquad
#   L = -\frac1n \sum_{t\ \text{labelled}} \log
#   \hat y^{\langle t\rangle}_{y^{\langle t\rangle}}$$
#
# It sees 128 pieces. Longer texts are read in windows that overlap, and each half is
# told by the window in which it lies farther from the edge.

# %%
print(f"{tagger.model.count_params():,} parameters, {len(pieces):,} pieces")

# %% [markdown]
# ## Learning

# %%
losses = ne.train(tagger, data, epochs=2 if QUICK else 5)
curve = plots.curve(losses, title="Resumes", ylabel="nats per piece")
plots.show(curve, OUT / "loss.png")
unseen = ne.load_data(30 if QUICK else 300, seed=1, templates="test")
of_entities, of_words = ne.scores(tagger, unseen)
print(f"trained here:    F1 of entities {of_entities:.1%}, of words {of_words:.1%}")

# %% [markdown]
# ## The weights that ship with the package
# F1 joins the share of what was found that is right and the share of what is there that
# was found. An entity counts as right only from its first to its last character.

# %%
shipped = ne.load_pretrained()
of_entities, of_words = ne.scores(shipped, unseen)
print(f"shipped weights: F1 of entities {of_entities:.1%}, of words {of_words:.1%}")
question, resume = ne.example()
answer = ne.infer(shipped, resume)
print(question, *answer.split("; "), sep="\n   ")
plots.show(ne.picture(shipped, resume), OUT / "answer.png")

# %% [markdown]
# ## What it cannot do
# It learnt from invented resumes in English and knows their manners. In a text that is
# no resume it sees applicants all the same:

# %%
for text in (
    "Marie Curie discovered radium in Paris.",
    "Two eggs, a cup of flour, and an hour in a warm oven.",
):
    print(f"{text} {ne.infer(shipped, text)}")
