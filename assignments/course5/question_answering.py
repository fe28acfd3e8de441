# %% [markdown]
# # Question answering
#
# "The kitchen is north of the hallway. What is the hallway south of?" A small encoder
# reads question and facts together and predicts where the answer starts and ends. You
# will plot the map of a story, see how an answer becomes two numbers, and ask your own
# questions.
#
# The pretrained weights answer all 1,000 test stories of bAbI correctly. Training took
# 11 minutes on two CPU cores shared with other work; `--quick` takes 14 seconds of CPU
# time and trains for 60 steps, after which a little more than half of the answers are
# correct.

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
# Task 4 of bAbI, if it is in the data folder: three places in a line, two facts. The
# generated stories have the same grammar; longer ones have up to six places. One fact
# in five is held out from training, so that the model can be tested on new facts.

# %%
try:
    test, kind = stories.load_stories().test, "bAbI"
except MissingFileError:
    test, kind = stories.make_stories(1000, seed=2, held_out=True), "generated"
if QUICK:
    test = test[:200]
long_story = max(stories.make_long_stories(20), key=lambda story: len(story.facts))
for story in (test[0], long_story):
    print(*story.facts, story.question, story.answer, sep="\n   ")

# %% [markdown]
# The facts of a story describe a map, which the network never sees. To plot that of the
# longer story, put one place at the origin and then each place next to a known one.

# %%
facts = [fact.rstrip(".").split() for fact in long_story.facts]
positions = {facts[0][1]: np.zeros(2)}
for _ in facts:
    for _, place, _, direction, _, _, other in facts:
        step = np.array(stories.STEPS[direction])
        if other in positions:
            positions[place] = positions[other] + step
        elif place in positions:
            positions[other] = positions[place] - step
plots.show(plots.words([*positions.values()], [*positions]), OUT / "map.png")

# %% [markdown]
# ## The idea
# Question and facts are one sequence of tokens, here whole words, for the encoder of a
# Transformer. From its output for token i, two scores predict whether the answer starts
# there, and whether it ends there:
#
# $$p_{start}(i) = \mathrm{softmax}_i\left(w_s \cdot z_i + b_s\right)\qquad
#   p_{end}(j) = \mathrm{softmax}_j\left(w_e \cdot z_j + b_e\right)$$
#
# The answer is the text with the largest $p_{start}(i)\, p_{end}(j)$ with $i \le j$. So
# every answer is a part of the story.

# %%
example = qa.get_question_and_facts(stories.to_babi(test[0]))
example |= qa.get_start_end_idx(example)
aligned = qa.tokenize_align(example, qa.default_tokenizer())
print(f"characters {example['str_idx']} to {example['end_idx']} of the facts")
print(f"tokens {aligned['start_positions']} to {aligned['end_positions']}")
print(*aligned["input_ids"])

# %% [markdown]
# ## Training
# On generated stories only.

# %%
data = qa.load_data(1_000 if QUICK else 40_000)
reader = qa.build_model()
print(f"{reader.model.count_params():,} parameters, {len(data.x):,} stories")
losses = qa.train(reader, data, epochs=4 if QUICK else 8)
curve = plots.curve(losses, title="Stories", ylabel="mean cross-entropy of both ends")
plots.show(curve, OUT / "loss.png")
share = qa.exact_match(reader, test)
print(f"exact matches on {len(test):,} {kind} stories: {share:.1%}")

# %% [markdown]
# ## The weights that ship with the package

# %%
shipped = qa.load_pretrained()
share = qa.exact_match(shipped, test)
print(f"exact matches on {len(test):,} {kind} stories: {share:.1%}")
longer = stories.make_long_stories(len(test), seed=2, held_out=True)
share = qa.exact_match(shipped, longer)
print(f"exact matches on as many longer ones: {share:.1%}")

# %% [markdown]
# The facts; a token is darker if it more probably belongs to the answer.

# %%
text, story = qa.example()
answer = qa.infer(shipped, story)
print(f"{text} {answer}, {answer.confidence:.1%}")
plots.show(qa.picture(story, answer), OUT / "answer.png")

# %% [markdown]
# ## Limits
# The vocabulary has only these few words. Questions that the facts leave open are
# answered with some words of the story, too, but with a low confidence.

# %%
for story in (
    "The garden is west of the hallway. What is north of the hallway?",
    "The cat is west of the hallway. What is west of the hallway?",
):
    try:
        answer = qa.infer(shipped, story)
        print(f"{story} {answer}, {answer.confidence:.1%}")
    except InputError as error:
        print(f"{story}\n   {error}")
