# %% [markdown]
# # Jazz
#
# A solo is described by tokens: how a note fits its chord, how long it is, and the
# interval from the preceding note. An LSTM is trained to predict the next token, and
# then improvises over any chords that you give it. You will see a tune become tokens,
# and end with a solo to listen to.
#
# The shipped network reaches a next-token accuracy of 44.8 % on held-out tunes; a
# bigram baseline reaches 25.7 %. Training from scratch took 5 minutes on two CPU cores
# that were shared with other work; `--quick` takes 10 seconds of CPU time and trains
# for 24 steps, too few to sound like jazz.

# %%
import sys
from pathlib import Path

from dls_keras import plots
from dls_keras.core.errors import MissingFileError
from dls_keras.course5 import jazz
from dls_keras.music import grammar, metrics, midi_and_wav, tunes

QUICK = "--quick" in sys.argv
OUT = Path("out/jazz")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# The course's tune is under copyright, so these tunes are composed by rules and a seed:
# the chords of blues and standards, a few rhythms, and a melody of chord tones, scale
# tones and approach tones.

# %%
tune = tunes.make_tune(0)
print(tune)
figure = plots.piano_roll(tune.notes, tune.chords, title="A composed tune")
plots.show(figure, OUT / "tune.png")

# %% [markdown]
# As tokens: C is a chord tone, S another tone of the chord's scale, A an approach tone
# (a semitone away from a chord tone), X any other, R a rest. Then follow the length in
# quarter notes and a range for the interval from the preceding note. Tokens contain no
# absolute pitches, so what is learned over one harmony can be played over another.

# %%
for measure in grammar.from_tune(tune, rests=True)[:4]:
    print(measure)

# %% [markdown]
# ## The idea
# This is a language model whose tokens are notes. An LSTM reads one token after the
# other and keeps what it needs in its state. The same softmax layer at every time step
# turns the state into probabilities of the next token.
#
# $$a^{\langle t\rangle}, c^{\langle t\rangle} = \mathrm{LSTM}\left(
#   x^{\langle t\rangle}, a^{\langle t-1\rangle}, c^{\langle t-1\rangle}\right)\qquad
#   \hat y^{\langle t\rangle} =
#   \mathrm{softmax}\left(W a^{\langle t\rangle} + b\right)$$
#
# To improvise, a token is sampled and becomes the next input.

# %%
solos = tunes.make_tunes(range(40) if QUICK else jazz.TRAINING_SEEDS)
data = jazz.load_data(solos)
model = jazz.build_model(data.vocabulary)
print(f"{len(solos)} tunes, {len(data.X)} windows of {data.X.shape[1]} tokens,")
print(f"{len(data.vocabulary)} distinct tokens")

# %% [markdown]
# ## Training

# %%
losses = jazz.train(model, data, **({"epochs": 4, "batch_size": 16} if QUICK else {}))
curve = plots.curve(losses, title="Jazz", ylabel="nats per window")
plots.show(curve, OUT / "loss.png")
held_out = tunes.make_tunes(jazz.HELD_OUT_SEEDS)
accuracy = jazz.next_token_accuracy(model, held_out)
print(f"next-token accuracy on held-out tunes: {accuracy:.1%}")

# %% [markdown]
# ## The weights that ship with the package

# %%
pretrained = jazz.load_pretrained()
accuracy = jazz.next_token_accuracy(pretrained, held_out)
print(f"next-token accuracy on held-out tunes: {accuracy:.1%}")
question, chords = jazz.example()
answer = jazz.infer(pretrained, chords)
print(f"{question} {answer}")
plots.show(jazz.picture(chords, answer), OUT / "solo.png")

# %% [markdown]
# As a MIDI file for any notation program, and as sound.

# %%
solo = answer.details["tune"]
midi_and_wav.write_midi(solo, OUT / "solo.mid")
midi_and_wav.write_wav(solo, OUT / "solo.wav")
print(f"{metrics.in_harmony([solo]):.0%} of its notes are in the chord or its scale")

# %% [markdown]
# At a low temperature the most probable tokens come again and again. At a high one the
# solos use more different tokens, and more notes are outside the harmony. Ten solos at
# each temperature:

# %%
for temperature in (0.2, 0.8, 2.0):
    answers = [
        jazz.infer(pretrained, chords, temperature=temperature, seed=seed)
        for seed in range(10)
    ]
    solos = [answer.details["tune"] for answer in answers]
    distinct = len(set(grammar.tokens(solos, rests=False)))
    share = metrics.in_harmony(solos)
    print(f"at {temperature}: {distinct} tokens, {share:.0%} in the chord or its scale")

# %% [markdown]
# ## The course's tune
# If its file is available, the same network improvises over its chords.

# %%
try:
    course = tunes.load_tune()
    print(f"the course's tune: {course}")
    print(f"over its chords: {jazz.infer(pretrained, course)}")
except MissingFileError:
    print("The course's tune is not available.")

# %% [markdown]
# ## What it cannot do
# The network remembers four measures at best: it has no plan, no climax and no theme
# that returns. It imitates rules, not a musician, and it does not listen to other
# players.
