# %% [markdown]
# # Question answering
#
# "The kitchen is north of the hallway. What is the hallway south of?" A small encoder
# reads question and facts together and points at the words that answer. You will draw
# the map behind a story, see how an answer becomes two numbers, and ask your own.
#
# Pretrained weights answer all 1,000 real test stories without a mistake. Training anew
# took 11 minutes on a share of two busy CPU cores; `--quick` takes 14 seconds of CPU
# time, learns for 60 steps and is then right a little more often than every other time.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.course5 import question_answering as qa
from dls_keras.datasets import stories

QUICK = "--quick" in sys.argv
OUT = Path("out/question_answering")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Task 4 of bAbI, where it is at hand: three places in a line, two facts. Our own
# stories have the same grammar; longer ones tell of up to six places. One fact in five
# is in none that is learnt from, so that a reader can be tested on what it never saw.

# %%
try:
    tested, kind = stories.load_stories().test, "real"
except MissingFileError:
    tested, kind = stories.make_stories(1000, seed=2, held_out=True), "written"
if QUICK:
    tested = tested[:200]
long_story = max(stories.make_long_stories(20), key=lambda story: len(story.facts))
for story in (tested[0], long_story):
    print(*story.facts, story.question, story.answer, sep="\n   ")

# %% [markdown]
# The facts of a story are a map that nobody shows to the network. That of the longer
# one is quickly drawn: set down a place, then whatever lies beside one that stands.

# %%
facts = [fact.rstrip(".").split() for fact in long_story.facts]
spots = {facts[0][1]: np.zeros(2)}
for _ in facts:
    for _, place, _, direction, _, _, other in facts:
        step = np.array(stories.STEPS[direction])
        if other in spots:
            spots[place] = spots[other] + step
        elif place in spots:
            spots[other] = spots[place] - step
plots.show(plots.words([*spots.values()], [*spots]), OUT / "map.png")

# %% [markdown]
# ## The idea
# Question and facts become one row of pieces, here whole words, and an encoder lets
# each look at all others. From what it makes of piece i, two scores say whether the
# answer begins there, and whether it ends there:
#
# $$p_{start}(i) = \mathrm{softmax}_i\left(w_s \cdot z_i + b_s\right)\qquad
#   p_{end}(j) = \mathrm{softmax}_j\left(w_e \cdot z_j + b_e\right)$$
#
# The answer is the text with the largest $p_{start}(i)\, p_{end}(j)$, i not behind j.
# So nothing is ever said that the story does not hold.

# %%
example = qa.get_question_and_facts(stories.to_babi(tested[0]))
example |= qa.get_start_end_idx(example)
aligned = qa.tokenize_align(example, qa.default_pieces())
print(f"characters {example['str_idx']} to {example['end_idx']} of the facts")
print(f"pieces {aligned['start_positions']} to {aligned['end_positions']} of the row")
print(*aligned["input_ids"])

# %% [markdown]
# ## Learning
# From written stories alone: no real one is learnt from.

# %%
data = qa.load_data(1_000 if QUICK else 40_000)
reader = qa.build_model()
print(f"{reader.model.count_params():,} parameters, {len(data.x):,} stories")
losses = qa.train(reader, data, epochs=4 if QUICK else 8)
curve = plots.curve(losses, title="Stories", ylabel="nats per end")
plots.show(curve, OUT / "loss.png")
print(f"exact on {len(tested):,} {kind} stories: {qa.exact(reader, tested):.1%}")

# %% [markdown]
# ## The weights that ship with the package

# %%
shipped = qa.load_pretrained()
print(f"exact on {len(tested):,} {kind} stories: {qa.exact(shipped, tested):.1%}")
longer = stories.make_long_stories(len(tested), seed=2, held_out=True)
print(f"exact on as many longer ones: {qa.exact(shipped, longer):.1%}")

# %% [markdown]
# The words of the facts, the darker the likelier they belong to the answer.

# %%
text, asked = qa.example()
answer = qa.infer(shipped, asked)
print(f"{text} {answer}, {answer.confidence:.1%}")
plots.show(qa.picture(shipped, asked), OUT / "answer.png")

# %% [markdown]
# ## What it cannot do
# It reads these few words and no others, and it answers even what is left open, with
# whatever words of the story seem least wrong; only its confidence betrays it.

# %%
for asked in (
    "The garden is west of the hallway. What is north of the hallway?",
    "The cat is west of the hallway. What is west of the hallway?",
):
    try:
        answer = qa.infer(shipped, asked)
        print(f"{asked} {answer}, {answer.confidence:.1%}")
    except InputError as error:
        print(f"{asked}\n   {error}")
