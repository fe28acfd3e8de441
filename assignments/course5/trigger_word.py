# %% [markdown]
# # Trigger word detection
#
# A network that waits for one word: "activate". You will mix recordings from voices and
# noises, look at sound as a picture, train a small recurrent network on it, and hear a
# chime after each word that it notices.
#
# In 100 clips of voices that it has never heard the shipped network finds the word with
# an F1 of 96.6 %. Its training took 23 minutes on two CPU cores that did other work
# beside it; `--quick` takes 14 seconds of CPU time and learns for six steps, too
# few to hear anything.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.core import audio
from dls_keras.course5 import trigger_word as tw
from dls_keras.datasets import keyword_clips

QUICK = "--quick" in sys.argv
OUT = Path("out/trigger_word")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Nobody has hours of recordings in which every "activate" is marked. But words can be
# laid over a background, and where they were laid is known. The course's recordings are
# used where they are at hand; generated voices and noises need no file.

# %%
made = keyword_clips.make_recordings(4, 8, 2)
print(f"{len(made.activates)} times the word, {len(made.negatives)} other words")
mixed = keyword_clips.mix(made, 3, seed=1, vary=False)
for ends in mixed.ends:
    print("the word ends at", *(f"{end:.1f} s" for end in ends))

# %% [markdown]
# Of each window of 200 samples the spectrogram holds the power of each frequency: a
# picture in which time goes across and pitch goes up. Below it the labels: 1 for 0.36 s
# after each end of the word, since the network can know it only then.

# %%
loudest = np.argmax([len(ends) for ends in mixed.ends])
clip = mixed.x[loudest]
figure = plots.listening(
    clip / audio.LOUDEST,
    tw.spectrogram(clip),
    mixed.y[loudest],
    rate=audio.RATE,
    hop=tw.HOP,
    marks=mixed.ends[loudest],
    title="A mixed clip, and its labels",
)
plots.show(figure, OUT / "clip.png")
audio.write(OUT / "clip.wav", clip)

# %% [markdown]
# ## The idea
# A convolution looks at 15 columns of the picture and moves on by four; two layers of
# GRU remember what was heard; one unit says at every step whether the word just ended:
#
# $$a^{\langle t\rangle} = \mathrm{relu}\left(\mathrm{BN}\left(
#   \sum_{k=0}^{14} W_k x^{\langle 4t+k\rangle} + b\right)\right)\qquad
#   \hat y^{\langle t\rangle} = \sigma\left(w \cdot
#   \mathrm{GRU}(\mathrm{GRU}(a))^{\langle t\rangle} + b\right)$$
#
# No layer looks ahead, so that it can listen while somebody speaks.

# %%
model = tw.build_model()
larger = tw.modelf((tw.TX, tw.N_FREQ))
print(f"{model.count_params():,} parameters; the course's {larger.count_params():,}")

# %% [markdown]
# ## Learning

# %%
data = tw.load_data(8 if QUICK else 1000)
recipe = {"epochs": 3, "batch_size": 4} if QUICK else {"epochs": 20}
losses = tw.train(model, data, **recipe)
curve = plots.curve(losses, title="Trigger word", ylabel="nats per step")
plots.show(curve, OUT / "loss.png")

# %% [markdown]
# ## The weights that ship with the package
# A word heard within half a second of its end is a hit; F1 counts misses and false
# alarms alike. These voices, words and noises were never learnt from.

# %%
listener = tw.load_pretrained()
others = keyword_clips.make_recordings(8, 16, 4, seed=1, held_out=True)
unseen = keyword_clips.mix(others, 10 if QUICK else 100, seed=1)
print(f"F1 on {len(unseen.x)} clips of other voices: {tw.f1(listener, unseen):.1%}")
question, sound = tw.example()
answer = tw.infer(listener, sound)
print(f"{question} {answer} ({answer.confidence:.1%})")
plots.show(tw.picture(listener, sound), OUT / "heard.png")

# %% [markdown]
# ## A chime
# After each word that is heard comes a bell: listen to `chime.wav`.

# %%
recording = OUT / "recording.wav"
audio.write(recording, audio.read(sound) if isinstance(sound, str) else sound)
predictions = tw.detect_triggerword(recording, model=listener)
chimed = tw.chime_on_activate(recording, predictions, 0.5, output=OUT / "chime.wav")
bells = len(tw.spikes(predictions[0, :, 0]))
print(f"bells in {chimed.duration_seconds:.1f} s: {bells}")

# %% [markdown]
# ## While somebody speaks
# `listen` takes a recording as it comes, here tenths of a second from a generator, and
# answers every 0.4 s. It keeps 23 ms of sound and its states: a day needs no more
# memory than a minute.

# %%
blocks = (chimed[start : start + 100] for start in range(0, len(chimed), 100))
heard = np.concatenate(list(tw.listen(listener, blocks)))
whole = tw.predict(listener, chimed.samples[:, 0][np.newaxis])[0]
apart = np.abs(heard - whole).max()
print(f"{len(heard)} answers, at most {apart:.0e} from those to the whole")

# %% [markdown]
# ## What it cannot do
# It waits for this word and takes no other command, cannot tell who speaks, and a word
# that sounds alike may ring the bell. Whoever speaks quite unlike all voices it learnt
# from may have to say it twice.
