# %% [markdown]
# # FizzBuzz without a division
#
# Counting aloud, one says "fizz" for a multiple of 3, "buzz" for one of 5, "fizzbuzz"
# for both. You will see a network learn it from the binary digits of 101 to 1023 and
# then count from 1 to 100, which it has never seen, and how large it has to be for
# that.
#
# The full run takes 6 seconds of one CPU core, `--quick` 5, with fewer epochs. It ends
# with all numbers from 1 to 100 right; without a hidden layer 53 are.

# %%
import sys
from pathlib import Path

import numpy as np

from dls_keras import plots
from dls_keras.course2 import fizzbuzz as fb

QUICK = "--quick" in sys.argv
OUT = Path("out/fizzbuzz")
OUT.mkdir(parents=True, exist_ok=True)

# %% [markdown]
# ## The data
# Ten binary digits, the lowest first, -1 for 0 and 1 for 1; four classes.

# %%
data = fb.load_data()
print("x", data.x.shape, "x_test", data.x_test.shape)
for n in (6, 9, 10, 15):
    digits = fb.binary_digits([n])[0].astype(int)
    print(f"{n:3} {digits} {fb.WORDS[fb.fizzbuzz(n)]}")

# %% [markdown]
# ## The idea
# Does a network divide? It need not. Powers of two repeat 1, 2, 4, 8 when divided by
# 15, so a single weighted sum of the digits,
#
# $$S = \sum_i d_i \cdot (2^i \bmod 15) \equiv n \pmod{15},$$
#
# tells the word. It runs from 0 to 33, and the words come and go along it, which a
# softmax of the digits cannot follow. One hidden layer of ReLUs bends as often as it
# has units.

# %%
S = (np.arange(1024)[:, np.newaxis] >> np.arange(10) & 1) @ (2 ** np.arange(10) % 15)
print("S from", S.min(), "to", S.max())
print("same remainder:", np.array_equal(S % 15, np.arange(1024) % 15))

# %% [markdown]
# ## Learning

# %%
epochs = 60 if QUICK else 200
losses = {}
for hidden in ((), (32,), (1024,)):
    model = fb.build_model(hidden)
    name = f"{hidden[0]} hidden units" if hidden else "no hidden layer"
    losses[name] = fb.train(model, data, epochs=epochs)
    learnt, new = (
        np.mean(np.argmax(model(x), axis=1) == y)
        for x, y in ((data.x, data.y), (data.x_test, data.y_test))
    )
    print(f"{name:17} 101 to 1023: {learnt:4.0%} right, 1 to 100: {new:4.0%}")
figure = plots.curves(losses, title="FizzBuzz", xlabel="epoch", ylabel="nats")
plots.show(figure, OUT / "loss.png")

# %% [markdown]
# Thirty-two bends would do if they sat in the right places, but training does not find
# these. A thousand units make it easy: and although there are sixteen times as many
# parameters as numbers to learn from, it is the sum that they find.
#
# ## The weights that ship with the package

# %%
shipped = fb.load_pretrained()
print(" ".join(fb.infer(shipped, n) for n in range(1, 16)))
said = np.array([str(fb.infer(shipped, n)) for n in range(1, 101)])
true = [fb.WORDS[word] if word else str(n) for n, word in enumerate(data.y_test, 1)]
print(f"right from 1 to 100: {np.mean(said == true):.0%}")
question, number = fb.example()
print(f"{question} {fb.infer(shipped, number)}")
plots.show(fb.picture(shipped, number), OUT / "answer.png")
