# %% [markdown]
# # Trigger word detection
#
# A network that listens for one word: "activate". You will synthesise recordings from
# voices and noises, look at their spectrograms, train a small recurrent network on
# them, and hear a chime after each detection.
#
# On 100 clips of held-out voices the shipped network has an F1 score of 96.6 %. Its
# training took 23 minutes on two shared CPU cores; `--quick` takes 14 seconds of CPU
# time and trains for six steps, too few to detect anything.

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
# Hours of recordings with labels are not available. But words can be overlaid on a
# background at known positions. The course's recordings are used if they are available;
# generated voices and noises need no file.

# %%
made = keyword_clips.make_recordings(4, 8, 2)
print(f"{len(made.activates)} times the word, {len(made.negatives)} other words")
mixed = keyword_clips.mix(made, 3, seed=1, vary=False)
for ends in mixed.ends:
    print("the word ends at", *(f"{end:.1f} s" for end in ends))

# %% [markdown]
# The spectrogram has, for each window of 200 samples, the power of each frequency: time
# on the horizontal axis, frequency on the vertical one. Below it the labels: 1 for
# 0.36 s after each end of the word, since only then the network has heard all of it.

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
    title="A synthetic clip and its labels",
)
plots.show(figure, OUT / "clip.png")
audio.write(OUT / "clip.wav", clip)

# %% [markdown]
# ## The idea
# A 1-D convolution with a kernel of 15 frames and a stride of 4, two GRU layers, and a
# sigmoid unit that predicts at every step whether the word has just ended:
#
# $$a^{\langle t\rangle} = \mathrm{relu}\left(\mathrm{BN}\left(
#   \sum_{k=0}^{14} W_k x^{\langle 4t+k\rangle} + b\right)\right)\qquad
#   \hat y^{\langle t\rangle} = \sigma\left(w \cdot
#   \mathrm{GRU}(\mathrm{GRU}(a))^{\langle t\rangle} + b\right)$$
#
# The network is causal, so it can process a stream of sound.

# %%
model = tw.build_model()
larger = tw.modelf((tw.TX, tw.N_FREQ))
print(f"{model.count_params():,} parameters; the course's {larger.count_params():,}")

# %% [markdown]
# ## Training

# %%
data = tw.load_data(8 if QUICK else 1000)
recipe = {"epochs": 3, "batch_size": 4} if QUICK else {"epochs": 20}
losses = tw.train(model, data, **recipe)
curve = plots.curve(losses, title="Trigger word", ylabel="cross-entropy per step")
plots.show(curve, OUT / "loss.png")

# %% [markdown]
# ## The shipped weights
# A detection within half a second of the end of a word is a hit; misses and false
# alarms lower the F1 score equally. These voices, words and noises were held out.

# %%
listener = tw.load_pretrained()
others = keyword_clips.make_recordings(8, 16, 4, seed=1, held_out=True)
test = keyword_clips.mix(others, 10 if QUICK else 100, seed=1)
print(f"F1 on {len(test.x)} clips of held-out voices: {tw.f1(listener, test):.1%}")
question, sound = tw.example()
answer = tw.infer(listener, sound)
print(f"{question} {answer} ({answer.confidence:.1%})")
plots.show(tw.picture(sound, answer), OUT / "detections.png")

# %% [markdown]
# ## A chime
# A bell follows each detection: listen to `chime.wav`.

# %%
recording = OUT / "recording.wav"
audio.write(recording, audio.read(sound) if isinstance(sound, str) else sound)
predictions = tw.detect_triggerword(recording, model=listener)
chimed = tw.chime_on_activate(recording, predictions, 0.5, output=OUT / "chime.wav")
bells = len(tw.spikes(predictions[0, :, 0]))
print(f"bells in {chimed.duration_seconds:.1f} s: {bells}")

# %% [markdown]
# ## Streaming
# `listen` takes a recording in pieces, here tenths of a second from a generator, and
# yields outputs every 0.4 s. It keeps 23 ms of sound and the GRU states: a day needs no
# more memory than a minute.

# %%
blocks = (chimed[start : start + 100] for start in range(0, len(chimed), 100))
heard = np.concatenate(list(tw.listen(listener, blocks)))
whole = tw.predict(listener, chimed.samples[:, 0][np.newaxis])[0]
apart = np.abs(heard - whole).max()
print(f"{len(heard)} outputs, at most {apart:.0e} from those for the whole")

# %% [markdown]
# ## What it cannot do
# It detects only this word, does not recognise the speaker, and words that sound
# similar cause false alarms. A voice that is very different from those of the training
# may have to repeat the word.
