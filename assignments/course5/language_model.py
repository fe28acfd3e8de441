# %% [markdown]
# # A word-level language model
#
# A language model predicts the next word of a text. You will train a GRU on two hundred
# sentences, measure its perplexity on held-out sentences, and let it generate new ones.
#
# The full run takes 10 seconds of CPU time, `--quick` 8. The shipped model has a
# perplexity of 20.7 on held-out sentences; a baseline that knows only the frequency of
# each word has 52.6.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course5 import language_model as lm
from dls_keras.datasets import sentence_corpus

QUICK = "--quick" in sys.argv
OUT = Path("out/language_model")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The text describes a year in a small harbour and was written for this package. Every
# eighth sentence is held out for the evaluation.

# %%
data, held_out = lm.load_data(), lm.load_data(held_out=True)
print(f"{len(data.x)} training sentences, {len(held_out.x)} held-out sentences")
for words in sentence_corpus.split(sentence_corpus.TEXT)[:3]:
    print("  ", " ".join(words))
counts = np.bincount(data.y[data.y >= 0])
shares = {data.words[i]: counts[i] / counts.sum() for i in np.argsort(-counts)[:10]}
figure = plots.probabilities(shares, title="The most frequent words")
plots.show(figure, OUT / "words.png")

# %% [markdown]
# ## Perplexity
# The perplexity is the exponential of the mean cross-entropy per word,
#
# $$\exp\left(-\frac1n \sum_t
#   \log \hat y^{\langle t\rangle}_{w^{\langle t\rangle}}\right)$$
#
# A uniform guess among k words has perplexity k. The unigram baseline predicts each
# word with its frequency, the bars above.

# %%
print(f"perplexity of the baseline: {lm.unigram_perplexity(data, held_out):.1f}")

# %% [markdown]
# ## Training
# An embedding turns words into vectors, a GRU reads them, and a dense layer outputs the
# logits of the next word. The inputs are the true previous words (teacher forcing).

# %%
model = lm.build_model()
print(f"{model.model.count_params():,} parameters, {len(model.words)} words")
losses = lm.train(model, data, epochs=8 if QUICK else 40)
curve = plots.curve(
    losses, title="Training loss", ylabel="cross-entropy per word, nats"
)
plots.show(curve, OUT / "loss.png")
print(f"perplexity of training sentences: {lm.perplexity(model, data):.1f}")
print(f"perplexity of held-out sentences: {lm.perplexity(model, held_out):.1f}")

# %% [markdown]
# ## Generating sentences
# The shipped weights continue a beginning: a word is sampled from the prediction and
# becomes the next input. A low temperature prefers likely words; at a high one the
# sentences are less grammatical. In the picture a likelier word is darker.

# %%
shipped = lm.load_pretrained()
for row in lm.evaluate(shipped):
    print(f"{row.what}: {row.ours:.1f} {row.goal}")
question, start = lm.example()
print(question)
for temperature in (0.2, 0.5, 1.5):
    answer = lm.infer(shipped, start, count=2, temperature=temperature)
    print(f"temperature {temperature}: {answer}")
plots.show(lm.picture(start, answer), OUT / "sentences.png")

# %% [markdown]
# ## What it cannot do
# Its vocabulary are the words that occur at least twice in its text. It has no model of
# a harbour, only of which words follow each other. Its state starts anew with every
# sentence, so the sentences do not form a story.
