# %% [markdown]
# # Jazz
#
# A solo is told in words: how a note sits in its chord, how long it is, how far it
# leapt. An LSTM learns which word follows, and then improvises over any chords you give
# it. You will see a tune become words, and end with a solo to listen to.
#
# Of tunes it has never learnt the shipped network foretells 44.8 % of the words; what
# mostly follows the word before, 25.7 %. Training anew took 5 minutes on two CPU cores
# that did other work beside it; `--quick` takes 10 seconds of CPU time and learns for
# 24 steps, too few to swing.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course5 import jazz
from dls_keras.music import tunes

QUICK = "--quick" in sys.argv
OUT = Path("out/jazz")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The course's tune is under copyright, so ours are composed, by rules and a seed:
# chords of blues and standards, a few figures of rhythm, and a line that walks through
# the harmony.

# %%
tune = tunes.make_tune(0)
print(tune)
figure = plots.piano_roll(tune.notes, tune.chords, title="A composed tune")
plots.show(figure, OUT / "tune.png")

# %% [markdown]
# In words: C is a tone of the chord, S one of its scale, A a semitone's approach to a
# tone of the chord, X none of these, R a rest; then the length in quarter notes, and
# the range of the interval from the note before. Keys are nowhere in it, so that what
# is learnt over one harmony can be played over another.

# %%
for measure in tunes.grammar(tune, rests=True)[:4]:
    print(measure)

# %% [markdown]
# ## The idea
# A language model whose words are notes: an LSTM reads a word, keeps what it needs in
# its state, and one softmax for all times says what may follow.
#
# $$a^{\langle t\rangle}, c^{\langle t\rangle} = \mathrm{LSTM}\left(
#   x^{\langle t\rangle}, a^{\langle t-1\rangle}, c^{\langle t-1\rangle}\right)\qquad
#   \hat y^{\langle t\rangle} =
#   \mathrm{softmax}\left(W a^{\langle t\rangle} + b\right)$$
#
# To improvise, a word is drawn, and read as the next input.

# %%
learnt = jazz.composed(range(40) if QUICK else jazz.LEARNT)
data = jazz.load_data(learnt)
model = jazz.build_model(data.values)
print(f"{len(learnt)} tunes, {len(data.X)} windows of {data.X.shape[1]} words,")
print(f"{len(data.values)} distinct words")

# %% [markdown]
# ## Learning

# %%
losses = jazz.train(model, data, **({"epochs": 4, "batch_size": 16} if QUICK else {}))
curve = plots.curve(losses, title="Jazz", ylabel="nats per window")
plots.show(curve, OUT / "loss.png")
unseen = jazz.composed(jazz.UNSEEN)
print(f"next word right, tunes never learnt: {jazz.accuracy(model, unseen):.1%}")

# %% [markdown]
# ## The weights that ship with the package

# %%
shipped = jazz.load_pretrained()
print(f"next word right, tunes never learnt: {jazz.accuracy(shipped, unseen):.1%}")
question, changes = jazz.example()
solo = jazz.infer(shipped, changes)
print(f"{question} {solo}")
plots.show(jazz.picture(shipped, changes), OUT / "solo.png")

# %% [markdown]
# As a file for any notation program, and as sound.

# %%
jazz.write_midi(solo, OUT / "solo.mid")
jazz.write_wav(solo, OUT / "solo.wav")
inside = [word[0] in "CS" for word in tunes.words([solo], rests=False)]
print(f"{np.mean(inside):.0%} of its notes are in the chord or its scale")

# %% [markdown]
# The temperature says how daring to be. Low, and the likeliest figures come again and
# again; high, and more words are tried, and more notes leave the harmony. Of ten solos
# each:

# %%
for temperature in (0.2, 0.8, 2.0):
    solos = [
        jazz.infer(shipped, changes, temperature=temperature, seed=seed)
        for seed in range(10)
    ]
    told = tunes.words(solos, rests=False)
    inside = np.mean([word[0] in "CS" for word in told])
    print(f"at {temperature}: {len(set(told))} words, {inside:.0%} in chord or scale")

# %% [markdown]
# ## The course's tune
# Where its file and music21 are at hand, the same network plays over its chords.

# %%
try:
    course = tunes.load_tune()
    print(f"the course's tune: {course}")
    print(f"over its chords: {jazz.infer(shipped, course)}")
except MissingFileError:
    print("The course's tune is not at hand.")

# %% [markdown]
# ## What it cannot do
# It hears four measures at best: there is no plan, no climax, no theme that comes back
# changed. What it plays is in the style of rules, not of a musician, and it hears no
# other player.
