# %% [markdown]
# # Named entities in resumes
#
# Who is the applicant, where did they work, what are their skills? A small Transformer
# labels every word of a resume. You will see how a text is split into word pieces, how
# labels are aligned with the pieces, and how well the network labels resumes whose
# names and layouts were held out from training.
#
# On 300 such resumes the shipped network finds the entities with an F1 of 95.5 %. Its
# training took 29 minutes on two CPU cores shared with other work; `--quick` takes 16
# seconds of CPU time and trains for a few steps, which is too short to find a name.

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
# Synthetic resumes, composed of layouts and invented names: no real person's data is in
# this package. The test resumes have layouts and names of their own.

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
# No vocabulary contains every name, so a WordPiece tokenizer splits words into pieces:
# frequent words are one piece, rare ones several; "##" marks a piece that continues a
# word. All pieces of a word have its label, and -100 marks pieces that are excluded
# from the loss.

# %%
tagger = ne.build_model(ne.vocabulary(data.x, 800) if QUICK else None)
tokenizer = tagger.tokenizer
words = "Marta Velindo, Data Analyst"
print([tokenizer.vocab[i] for i in tokenizer.encode(words).ids])
(tags,) = ne.clean_dataset([(words, [(0, 13, "Name"), (15, 27, "Designation")])])
print(tags)
x, y = ne.tokenize_and_align_labels(tokenizer, [words], [tags], max_len=16)
print(*y[0])

# %% [markdown]
# ## The idea
# The encoder of `transformer` applies self-attention to all pieces, two convolutions
# combine each piece with its neighbours, and a softmax predicts one of twelve labels
# for each piece:
#
# $$\hat y^{\langle t\rangle} = \mathrm{softmax}(W a^{\langle t\rangle} + b)\qquad
#   L = -\frac1n \sum_{t\ \text{labelled}} \log
#   \hat y^{\langle t\rangle}_{y^{\langle t\rangle}}$$
#
# The network reads 128 pieces. Longer texts are split into overlapping windows; a piece
# in two windows has the prediction of the window in which it is farther from the edge.

# %%
print(f"{tagger.model.count_params():,} parameters, {len(tokenizer):,} pieces")

# %% [markdown]
# ## Training

# %%
losses = ne.train(tagger, data, epochs=2 if QUICK else 5)
curve = plots.curve(losses, title="Resumes", ylabel="cross-entropy per piece")
plots.show(curve, OUT / "loss.png")
test = ne.load_data(30 if QUICK else 300, seed=1, split="test")
of_entities, of_words = ne.f1_scores(tagger, test)
print(f"trained here:    F1 of entities {of_entities:.1%}, of words {of_words:.1%}")

# %% [markdown]
# ## The weights that ship with the package
# F1 is the harmonic mean of precision (the share of the predictions that are correct)
# and recall (the share of the entities that are found). An entity is correct only if
# both of its ends and its label are.

# %%
shipped = ne.load_pretrained()
of_entities, of_words = ne.f1_scores(shipped, test)
print(f"shipped weights: F1 of entities {of_entities:.1%}, of words {of_words:.1%}")
question, resume = ne.example()
answer = ne.infer(shipped, resume)
print(question, *answer.split("; "), sep="\n   ")
plots.show(ne.picture(resume, answer), OUT / "answer.png")

# %% [markdown]
# ## Limits
# The network was trained on synthetic English resumes only. In other texts it finds
# entities of resumes, too:

# %%
for text in (
    "Marie Curie discovered radium in Paris.",
    "Two eggs, a cup of flour, and an hour in a warm oven.",
):
    print(f"{text} {ne.infer(shipped, text)}")
