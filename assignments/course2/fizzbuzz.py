# %% [markdown]
# # FizzBuzz without a division
#
# In the game, players count and say "fizz" for a multiple of 3, "buzz" for a multiple
# of 5 and "fizzbuzz" for a multiple of both. You will see a network learn this from the
# binary digits of 101 to 1023, be tested on 1 to 100, which are held out, and how large
# it has to be.
#
# The full run takes 6 seconds on one CPU core, `--quick` 5, with fewer epochs. It ends
# with all numbers from 1 to 100 correct; without a hidden layer 53 are.

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
# The network need not divide. The remainders of powers of two, divided by 15, repeat
# 1, 2, 4, 8, so the word depends on a single weighted sum of the digits:
#
# $$S = \sum_i d_i \cdot (2^i \bmod 15) \equiv n \pmod{15}$$
#
# S is between 0 and 33, and the word changes many times along it, which a softmax of
# the digits cannot represent. A hidden layer of ReLUs is a piecewise linear function
# with as many changes of slope as it has units.

# %%
S = (np.arange(1024)[:, np.newaxis] >> np.arange(10) & 1) @ (2 ** np.arange(10) % 15)
print("S from", S.min(), "to", S.max())
print("same remainder:", np.array_equal(S % 15, np.arange(1024) % 15))

# %% [markdown]
# ## Training

# %%
epochs = 60 if QUICK else 200
losses = {}
for hidden in ((), (32,), (1024,)):
    model = fb.build_model(hidden)
    name = f"{hidden[0]} hidden units" if hidden else "no hidden layer"
    losses[name] = fb.train(model, data, epochs=epochs)
    training, test = (
        np.mean(np.argmax(model(x), axis=1) == y)
        for x, y in ((data.x, data.y), (data.x_test, data.y_test))
    )
    print(f"{name:17} training accuracy {training:4.0%}, test accuracy {test:4.0%}")
figure = plots.curves(
    losses, title="FizzBuzz", xlabel="epoch", ylabel="cross-entropy (nats)"
)
plots.show(figure, OUT / "loss.png")

# %% [markdown]
# Thirty-two changes of slope would be enough at the right positions, but training does
# not find these. A thousand units make it easy. Although there are sixteen times as
# many parameters as training examples, the network generalises: it learns the sum.
#
# ## The shipped weights

# %%
shipped = fb.load_pretrained()
print(" ".join(fb.infer(shipped, n) for n in range(1, 16)))
predicted = np.array([str(fb.infer(shipped, n)) for n in range(1, 101)])
true = [fb.WORDS[word] if word else str(n) for n, word in enumerate(data.y_test, 1)]
print(f"test accuracy, 1 to 100: {np.mean(predicted == true):.0%}")
question, number = fb.example()
answer = fb.infer(shipped, number)
print(f"{question} {answer}")
plots.show(fb.picture(number, answer), OUT / "answer.png")
