# %% [markdown]
# # Translating dates with attention
#
# People write "25th of June, 2009"; machines need "2009-06-25". You will see a network
# learn this translation from examples, plot which input characters it attends to while
# it outputs each character, and try it on dates of your own.
#
# The pretrained weights answer in seconds. Training from scratch ends with 100 % exact
# matches on held-out days (22 minutes on two CPU cores that were shared with other
# work); with `--quick` it takes about a minute and ends near 90 %.

# %%
import sys
from pathlib import Path

import keras

from dls_keras import plots
from dls_keras.course5 import date_translation as dt
from dls_keras.datasets import dates

QUICK = "--quick" in sys.argv
OUT = Path("out/date_translation")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# A generator writes dates in the forms that people use. One day in eleven is held out
# for testing: the training set does not contain it in any form.

# %%
for human, machine in dates.make_pairs(8):
    print(f"{human:32} {machine}")

# %% [markdown]
# ## The idea
# The encoder, an LSTM in both directions, computes a vector `a<t'>` for each input
# character. Before the decoder, another LSTM, outputs a character, a small network
# compares every `a<t'>` with the decoder's state. A softmax turns the results into
# attention weights, which are positive and sum to one, and the decoder reads the
# weighted average of the vectors:
#
# $$\alpha^{\langle t,t'\rangle} = \mathrm{softmax}_{t'}\,
#   e\left(a^{\langle t'\rangle}, s^{\langle t-1\rangle}\right)\qquad
#   \mathrm{context}^{\langle t\rangle} =
#   \sum_{t'} \alpha^{\langle t,t'\rangle} a^{\langle t'\rangle}$$

# %%
keras.utils.set_random_seed(0)  # of the initial weights
model = dt.build_model()
print(f"{model.count_params():,} parameters")

# %% [markdown]
# ## Training

# %%
data = dt.load_data(12_000 if QUICK else 200_000)
recipe = {"epochs": 8} if QUICK else {"epochs": 15, "batch_size": 200}
losses = dt.train(model, data, **recipe)
curve = plots.curve(losses, title="Dates", ylabel="nats per date")
plots.show(curve, OUT / "loss.png")
held_out = dates.make_pairs(1_000, seed=1, held_out=True)
print(f"exact matches on held-out days: {dt.exact_match(model, held_out):.1%}")

# %% [markdown]
# ## The weights that ship with the package

# %%
translator = dt.load_pretrained()
print(f"exact matches on held-out days: {dt.exact_match(translator, held_out):.1%}")
for sentence, _ in dt.EXAMPLES:
    answer = dt.infer(translator, sentence)
    print(f"{sentence:24} {answer}   {answer.confidence:.1%}")

# %% [markdown]
# ## The attention weights
# Each row is an output character, each column an input character. While the decoder
# outputs the year, it attends to the year, wherever in the sentence that is.

# %%
sentence = "25th of June, 2009"
answer = dt.infer(translator, sentence)
plots.show(dt.picture(sentence, answer), OUT / "attention.png")
