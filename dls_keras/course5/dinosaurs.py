"""Dinosaur island: a network learns to make up names, letter by letter (C5 W1 A2).

A plain recurrent network reads a name and guesses each next letter. It learns by
stochastic gradient descent, one name a step, its gradients cut to [-5, 5] so that a
step never leaps; it writes by drawing a letter from its softmax and reading what it
wrote:

    a<t> = tanh(Wax x<t> + Waa a<t-1> + b)      y<t> = softmax(Wya a<t> + by)
    loss = - sum over t of log y<t>[next letter]

Shapes: n_a = 50 units, 27 letters (newline is 0, a to z are 1 to 26), everything in
columns, one name at a time. Edition: 2021, which prints every 1000 iterations, clips
a copy of the gradients and returns the last name; in 2017 `model(data, …)` read the
file itself. Paper: Karpathy (2015), "The unreasonable effectiveness of recurrent
neural networks". NumPy alone until `train`, which compiles with TensorFlow.

What the course prints comes out here: the names up to iteration 4000 and, to all six
digits, the losses up to 12,000. Later the last bit decides. At 14,000 the loss is
23.382338, as printed, where the BLAS below NumPy multiplies and adds in two steps
(OPENBLAS_CORETYPE=Sandybridge), and 23.382339 where it does so in one (Haswell,
SkylakeX); after 22,001 iterations the last name is the Trodonosaurus that the notebook
of 2021 asserts, or Trododon, or Trodoeosaurus, by the same formulas. Two runs of which
one begins with the last bit of one weight changed stay within 1e-12 for 9000
iterations; from 10,000 on their difference grows 200 times in every thousand, and at
15,000 they are strangers. The cause is the step: a loss that bends by more than
2 / learning_rate = 200 is overshot, and rounding errors grow with it. Of the losses of
twelve names none bends by 150 up to iteration 8000; from 10,000 on, when the spectral
radius of Waa has passed 1.8, some bend by 200 to 1000.
"""

import functools
import os

import numpy as np

from dls_keras.core import files, weights
from dls_keras.core.answers import Answer
from dls_keras.core.errors import InputError
from dls_keras.course5.recurrent_steps import draw, softmax
from dls_keras.datasets import dinosaur_names
from dls_keras.datasets.dinosaur_names import LETTERS, LONGEST, NEWLINE

N_A = 50
CLIP = 5  # a gradient's largest entry


# The assignment: the course's functions under the course's signatures.


def smooth(loss, cur_loss):
    """The running loss, a thousandth of the way nearer to the current one."""
    return 0.999 * loss + 0.001 * cur_loss


def get_initial_loss(vocab_size, seq_length):
    """The loss of guessing blindly: seq_length * log(vocab_size) nats."""
    return seq_length * np.log(vocab_size)


def get_sample(sample_ix, ix_to_char):
    """The characters of a list of indices joined, the first one a capital."""
    text = "".join(ix_to_char[ix] for ix in sample_ix)
    return text[:1].upper() + text[1:]


def initialize_parameters(n_a, n_x, n_y):
    """Small random weights, drawn with seed 1, and biases of zero.

    Returns:
        Dict of Wax (n_a, n_x), Waa (n_a, n_a), Wya (n_y, n_a), b (n_a, 1), by (n_y, 1).
    """
    rng = np.random.RandomState(1)
    return {
        "Wax": rng.randn(n_a, n_x) * 0.01,
        "Waa": rng.randn(n_a, n_a) * 0.01,
        "Wya": rng.randn(n_y, n_a) * 0.01,
        "b": np.zeros((n_a, 1)),
        "by": np.zeros((n_y, 1)),
    }


def rnn_step_forward(parameters, a_prev, x):
    """One step: the new state (n_a, 1) and the probabilities p_t (n_y, 1).

    Args:
        a_prev: (n_a, 1), the state before.
        x: (n_x, 1), one-hot, or zeros before the first letter.
    """
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    a_next = np.tanh(Wax @ x + Waa @ a_prev + parameters["b"])
    return a_next, softmax(Wya @ a_next + parameters["by"])


def rnn_forward(X, Y, a0, parameters, vocab_size=27):
    """Read a name and guess each next letter.

    Args:
        X: the letters read, indices; None stands for a column of zeros.
        Y: the letters to be guessed, X one step on, then newline.
        a0: (n_a, 1), the first state.

    Returns:
        loss: in nats, summed over the name.
        cache: (y_hat, a, x), dicts from steps to columns; a[-1] is a0.
    """
    x, a, y_hat = {}, {-1: np.copy(a0)}, {}
    loss = 0
    for t, (letter, following) in enumerate(zip(X, Y, strict=True)):
        x[t] = np.zeros((vocab_size, 1))
        if letter is not None:
            x[t][letter] = 1
        a[t], y_hat[t] = rnn_step_forward(parameters, a[t - 1], x[t])
        loss -= np.log(y_hat[t][following, 0])
    return loss, (y_hat, a, x)


def rnn_step_backward(dy, gradients, parameters, x, a, a_prev):
    """Go one step back: add to `gradients` in place and return them.

    Args:
        dy: (n_y, 1), the gradient of the loss by Wya a + by.
        gradients: dict of dWax, dWaa, dWya, db, dby, and of da_next, which this
            step's share of the state's gradient replaces.
    """
    gradients["dWya"] += dy @ a.T
    gradients["dby"] += dy
    da = parameters["Wya"].T @ dy + gradients["da_next"]  # by output and by next step
    daraw = (1 - a * a) * da  # tanh' = 1 - tanh^2
    gradients["db"] += daraw
    gradients["dWax"] += daraw @ x.T
    gradients["dWaa"] += daraw @ a_prev.T
    gradients["da_next"] = parameters["Waa"].T @ daraw
    return gradients


def rnn_backward(X, Y, parameters, cache):
    """The gradients of the loss of `rnn_forward`, and its states a."""
    y_hat, a, x = cache
    gradients = {f"d{name}": np.zeros_like(p) for name, p in parameters.items()}
    gradients["da_next"] = np.zeros_like(a[-1])
    for t in reversed(range(len(X))):
        dy = np.copy(y_hat[t])
        dy[Y[t]] -= 1  # of softmax and cross-entropy together
        rnn_step_backward(dy, gradients, parameters, x[t], a[t], a[t - 1])
    return gradients, a


def update_parameters(parameters, gradients, lr):
    """Move each parameter in place by -lr times its gradient; return them."""
    for name in parameters:
        parameters[name] += -lr * gradients[f"d{name}"]
    return parameters


def clip(gradients, maxValue):
    """New dict of dWaa, dWax, dWya, db, dby, cut to [-maxValue, maxValue]."""
    names = ("dWaa", "dWax", "dWya", "db", "dby")
    return {name: np.clip(gradients[name], -maxValue, maxValue) for name in names}


def sample(parameters, char_to_ix, seed):
    """A name, letter by letter, each drawn with a generator of its own.

    The course seeds NumPy's generator before every letter, with seed, seed + 2,
    seed + 4 and so on; the same numbers are drawn here from generators of our own.

    Returns:
        The indices of at most 50 letters and a newline.
    """
    newline = char_to_ix["\n"]
    n_y = len(parameters["by"])
    x, a = np.zeros((n_y, 1)), np.zeros_like(parameters["b"])
    indices = []
    for counter in range(LONGEST):
        a, y = rnn_step_forward(parameters, a, x)
        rng = np.random.RandomState(seed + 2 * counter)
        idx = int(rng.choice(n_y, p=y.ravel()))
        indices.append(idx)
        if idx == newline:
            return indices
        x = np.zeros((n_y, 1))
        x[idx] = 1
    return [*indices, newline]


def optimize(X, Y, a_prev, parameters, learning_rate=0.01):
    """One step of gradient descent on one name, `parameters` changed in place.

    Returns:
        The loss before the step, the clipped gradients, and the last state (n_a, 1).
    """
    loss, cache = rnn_forward(X, Y, a_prev, parameters, len(parameters["by"]))
    gradients, a = rnn_backward(X, Y, parameters, cache)
    gradients = clip(gradients, CLIP)
    update_parameters(parameters, gradients, learning_rate)
    return loss, gradients, a[len(X) - 1]


def model(
    data_x,
    ix_to_char,
    char_to_ix,
    num_iterations=35000,
    n_a=50,
    dino_names=7,
    vocab_size=27,
    verbose=False,
):
    """Learn names, and print the loss and `dino_names` new ones every 1000 steps.

    Args:
        data_x: list of names, a line each.
        verbose: print the first example, and where a pass over the names begins.

    Returns:
        The parameters, and the last name printed, with its newline.
    """
    parameters = initialize_parameters(n_a, vocab_size, vocab_size)
    loss = get_initial_loss(vocab_size, dino_names)
    examples = shuffled(data_x)
    a_prev = np.zeros((n_a, 1))
    last_dino_name = ""
    for j in range(num_iterations):
        idx = j % len(examples)
        letters = [char_to_ix[letter] for letter in examples[idx]]
        X, Y = [None, *letters], [*letters, char_to_ix["\n"]]
        # The state is handed on from name to name, as in the course.
        cur_loss, _, a_prev = optimize(X, Y, a_prev, parameters)
        loss = smooth(loss, cur_loss)
        if verbose and j == 0:
            print(f"{examples[idx]}: X = {X}, Y = {Y}")
        if verbose and idx == 0:
            print(f"j = {j}, idx = {idx}")
        if j % 1000 == 0:
            print(f"Iteration: {j}, Loss: {loss:f}\n")
            for seed in range(dino_names):
                indices = sample(parameters, char_to_ix, seed)
                last_dino_name = get_sample(indices, ix_to_char)
                print(last_dino_name.rstrip("\n"))
            print()
    return parameters, last_dino_name


def shuffled(names):
    """The names without blanks around them, in the order of the course's seed 0."""
    names = [name.strip() for name in names]
    np.random.RandomState(0).shuffle(names)
    return names


# The verses: an LSTM of Keras that the course trained on Shakespeare's sonnets.


def build_data(text, Tx=40, stride=3):
    """Windows of Tx characters, every `stride` characters, and what follows each.

    Returns:
        X, a list of texts, and Y, a list of characters.
    """
    starts = range(0, len(text) - Tx, stride)
    return [text[i : i + Tx] for i in starts], [text[i + Tx] for i in starts]


def vectorization(X, Y, n_x, char_indices, Tx=40):
    """Windows and what follows them, one-hot: x (m, Tx, n_x) and y (m, n_x) booleans.

    Args:
        X: list of m texts of Tx characters.
        Y: list of m characters.
        char_indices: dict from each of the n_x characters to its number.
    """
    eye = np.eye(n_x, dtype=bool)
    windows = np.array([[char_indices[c] for c in text] for text in X], int)
    return eye[windows.reshape(len(X), Tx)], eye[[char_indices[c] for c in Y]]


# The application. The model of names is the dict of arrays that `model` learns; that
# of verses is a Keras model. TensorFlow comes late: made-up names need none.


# Printed by the notebooks of 2017 and 2021 for the course's list of names.
PRINTED_LOSSES = {
    2000: 27.884160,
    4000: 25.901815,
    6000: 24.608779,
    8000: 24.070350,
    10000: 23.844446,
    12000: 23.291971,
}
PRINTED_NAMES = {
    2000: "Liusskeomnolxeros Hmdaairus Hytroligoraurus Lecalosapaus Xusicikoraurus "
    "Abalpsamantisaurus Tpraneronxeros",
    4000: "Mivrosaurus Inee Ivtroplisaurus Mbaaisaurus Wusichisaurus Cabaselachus "
    "Toraperlethosdarenitochusthiamamumamaon",
}

_REPOSITORY = (
    "https://raw.githubusercontent.com/abdur75648/"
    "Deep-Learning-Specialization-Coursera/cd9cb9a20b62aa2e1fbe52766a09f12edbb19001/"
    "Sequence%20Models/week1/w1a2/"
)
SONNETS = files.Remote(
    name="dinosaurus/shakespeare.txt",
    url=f"{_REPOSITORY}shakespeare.txt",
    sha256="1b454b67b44e6f367c83a17ed295c46c5d4a1173cf5d09161882af4041bae023",
)

# Nats for the next character and accuracy, every 60th window, gates of Keras 2.
VERSES = {"shakespeare": (3.2216, 0.4137), "shakespeare-other": (2.2707, 0.4481)}
VERSE_LETTERS = "\n !'(),-.:;?abcdefghijklmnopqrstuvwxyz"
TX = 40  # characters that the verses' network sees
LONGEST_LINE = 80


def load_data(names=None):
    """Names to learn from, in the order of the course's shuffle.

    Args:
        names: a list of names, in capitals or not, or the path of a file with one
            name a line. By default the course's 1,536 names where
            `$DLS_KERAS_DATA` has them, else the 853 of our own list,
            `dinosaur_names.make_names()`.

    Returns:
        A `dinosaur_names.Names`.
    """
    if names is None:
        names = files.in_data_folder(dinosaur_names.COURSE.name)
        names = names or dinosaur_names.make_names()
    if isinstance(names, str | os.PathLike):
        names = dinosaur_names.load_names(names)
    return dinosaur_names.encode(shuffled([name.lower() for name in names]))


def build_model(n_a=N_A):
    """The course's first parameters, a dict of arrays in float64."""
    return initialize_parameters(n_a, len(LETTERS), len(LETTERS))


def train(model, data, *, epochs=50, learning_rate=0.01):
    """Fit `model` in place, one name a step; return each epoch's mean loss a name."""
    m = len(data.lengths)
    losses = descend(model, data, epochs * m, learning_rate)
    return losses.reshape(epochs, m).mean(axis=1).tolist()


def descend(model, data, iterations, learning_rate=0.01):
    """The loop of the course's `model` in one compiled graph, `model` changed in place.

    Each pass over the names is one call of an XLA program in float64, in which loops
    over names and letters run on; a name takes as many steps as it has letters, and
    all matrix products but the recurrence are made for its letters together. 22,001
    names took 0.93 s of CPU time where the lesson's loop took 11.0 s, 11 times as
    much (medians of five, alternated, on two busy cores); compiling takes 4 s once.

    Returns:
        losses: (iterations,) float64, equal to those of `optimize` to 1e-12 until the
            last bit decides (see the module's docstring).
    """
    import tensorflow as tf

    m, _ = data.x.shape
    rate = tf.constant(learning_rate, tf.float64)  # a cast would pass through float32
    run = _compiled_pass()
    names = sorted(model)
    losses = []
    # A chain of tiny products: the CPU is faster than any GPU.
    with tf.device("/CPU:0"):
        state = [tf.constant(model[name], tf.float64) for name in names]
        state.append(tf.zeros((1, model["b"].size), tf.float64))
        arrays = [tf.constant(array) for array in (data.x, data.y, data.lengths)]
        for first in range(0, iterations, m):
            n = min(m, iterations - first)
            some, *state = run(*state, *arrays, tf.constant(n), rate)
            losses.append(some.numpy()[:n])
    for name, array in zip(names, state[:-1], strict=True):
        model[name][...] = array.numpy()
    return np.concatenate([np.empty(0), *losses])


def load_pretrained(variant="default"):
    """A trained model.

    Args:
        variant: "default" is ours, shipped: the dict of arrays for names. "shakespeare"
            is the course's Keras model for verses, "shakespeare-other" its sibling;
            both run through the gates of Keras 2 with which they were trained.
    """
    if variant == "default":
        return weights.load(_from_arrays, "dinosaurs", outputs=_first_letter)
    from dls_keras.converters import keras_h5

    (path,) = weights.find_published("dinosaurs", variant)
    contents = keras_h5.read(path)
    return keras_h5.fill(verse_model(keras_h5.keras2_hard_sigmoid), contents)


def _from_arrays(arrays):
    return {name: array.astype(float) for name, array in arrays.items()}


def _first_letter(parameters):
    """The probabilities (27, 1) of a name's first letter."""
    n_a = len(parameters["Waa"])
    _, p = rnn_step_forward(parameters, np.zeros((n_a, 1)), np.zeros((27, 1)))
    return p


def verse_model(gates="sigmoid"):
    """The course's network for verses, untrained: (m, 40, 38) -> softmax (m, 38).

    Args:
        gates: activation of the LSTMs' gates.
    """
    import keras
    from keras import layers

    x = keras.Input((TX, len(VERSE_LETTERS)))
    lstm = functools.partial(layers.LSTM, 128, recurrent_activation=gates)
    z = layers.Dropout(0.5)(lstm(return_sequences=True)(x))
    z = layers.Dropout(0.5)(lstm()(z))
    return keras.Model(x, layers.Dense(len(VERSE_LETTERS), activation="softmax")(z))


def invent(model, count, *, start="", temperature=1.0, seed=0):
    """Many names at once; a name that has ended is dropped from the batch.

    Args:
        model: the dict of parameters.
        start: the letters that all names begin with, at most 49.
        temperature: more than 0; below 1 likely letters become likelier.

    Returns:
        names: `count` texts in lower case, of at most 50 letters.
        probabilities: for each name what the model gave to its letters, also to
            those of `start`, and last to newline if the name ended.

    Raises:
        InputError: for another letter than a to z, a `start` that leaves no room, a
            `count` below 1 or a temperature not above 0.
    """
    if count < 1:
        raise InputError(f"{count} names were asked for. Expected 1 or more.")
    first = _letters(start)
    rng = np.random.default_rng(seed)
    one_hot = np.eye(len(LETTERS))
    letters = np.full((count, LONGEST), NEWLINE)
    probabilities = np.empty((count, LONGEST))
    names = np.arange(count)  # those that go on, a column each
    x, a = np.zeros((len(LETTERS), count)), np.zeros((len(model["b"]), count))
    for t in range(LONGEST):
        a, p = rnn_step_forward(model, a, x)  # (n_a, names), (27, names)
        if t < len(first):
            drawn = np.full(len(names), first[t])
        else:
            drawn = draw(p, temperature, rng)
        letters[names, t] = drawn
        probabilities[names, t] = p[drawn, np.arange(len(names))]
        on = drawn != NEWLINE
        names, a, x = names[on], a[:, on], one_hot[:, drawn[on]]
        if not len(names):
            break
    lengths = np.count_nonzero(letters != NEWLINE, axis=1)
    texts = [
        "".join(LETTERS[i] for i in row[:n])
        for row, n in zip(letters, lengths, strict=True)
    ]
    return texts, [p[: n + 1] for p, n in zip(probabilities, lengths, strict=True)]


def continue_verse(model, start, *, lines=4, temperature=0.5, seed=0):
    """Go on with a verse until `lines` lines have ended.

    The network sees the last 40 characters, filled up with zeros from the left; after
    79 characters a line is ended.

    Args:
        model: the Keras model.
        start: a text in the 38 characters of the sonnets, in capitals or not.

    Returns:
        text: what follows `start`, in lower case.
        probabilities: what the model gave to each of its characters.
    """
    _check_verse(start)
    if lines < 1:
        raise InputError(f"{lines} lines were asked for. Expected 1 or more.")
    rng = np.random.default_rng(seed)
    text, probabilities, column = start.lower(), [], 0
    newline = VERSE_LETTERS.index("\n")
    while lines:
        p = model.predict_on_batch(windows([text]))  # (1, 38)
        column += 1
        if column == LONGEST_LINE:
            drawn = newline
        else:
            drawn = draw(p.T.astype(float), temperature, rng).item()
        text += VERSE_LETTERS[drawn]
        probabilities.append(p[0, drawn])
        if drawn == newline:
            lines, column = lines - 1, 0
    return text[len(start) :], np.array(probabilities, float)


def windows(texts):
    """The last 40 characters of each text, one-hot, (m, 40, 38) float32.

    A shorter text stands at the end, behind rows of zeros.
    """
    x = np.zeros((len(texts), TX, len(VERSE_LETTERS)), "float32")
    for row, text in zip(x, texts, strict=True):
        for t, character in enumerate(reversed(text[-TX:].lower())):
            row[-1 - t, VERSE_LETTERS.index(character)] = 1
    return x


def infer(model, start, *, count=5, temperature=0.7, seed=0):
    """Names that begin with `start`, which may be ""; or the verses that follow it.

    Args:
        model: what `load_pretrained` gives: of names, or of verses.
        count: how many names, or lines of verse.
        temperature: more than 0; 1 draws as the model learnt, less what is likelier.

    Returns:
        An `Answer`: the names, or `start` and the verses. Its confidence is the
        geometric mean of the letters' probabilities; `details` holds the "rows",
        names or lines, and their "probabilities".
    """
    if isinstance(model, dict):
        names, probabilities = invent(
            model, count, start=start, temperature=temperature, seed=seed
        )
        rows = [name.capitalize() for name in names]
        text = ", ".join(rows)
    else:
        text, chances = continue_verse(
            model, start, lines=count, temperature=temperature, seed=seed
        )
        rows = text.splitlines(keepends=True)
        ends = np.cumsum([len(row) for row in rows])[:-1]
        probabilities = np.split(chances, ends)
        text = (start + text).rstrip("\n")
    confidence = np.exp(np.mean(np.log(np.concatenate(probabilities))))
    return Answer(text, confidence, rows=rows, probabilities=probabilities)


def nats_per_letter(model, names):
    """The mean loss for each letter and newline of `names`, each name read afresh."""
    data = dinosaur_names.encode(names)
    m, T = data.x.shape
    one_hot = np.eye(len(LETTERS) + 1)[: len(LETTERS)]  # `NOTHING` is a column of zeros
    a, chances = np.zeros((len(model["b"]), m)), []
    for letters, following in zip(data.x.T, data.y.T, strict=True):
        a, p = rnn_step_forward(model, a, one_hot[:, letters])
        chances.append(p[following, np.arange(m)])
    counts = np.arange(T)[:, np.newaxis] < data.lengths
    return -np.log(np.array(chances)[counts]).mean()


def evaluate(model=None):
    """What was measured, as rows (what, ours, goal).

    Of a model of names: its perplexity, beside that of the frequencies of letters,
    and how many names that it makes up are new. Where the course's files are at
    hand, its printed run again, and the verses' models on the sonnets; their goals
    are the numbers that Keras 2 gives.
    """
    if model is not None and not isinstance(model, dict):
        return _verse_rows("this model", model, (None, None))
    model = model or load_pretrained()
    known = set(dinosaur_names.OURS)
    learnt = dinosaur_names.split(dinosaur_names.OURS)
    unseen = dinosaur_names.split(dinosaur_names.OURS, held_out=True)
    counts = np.bincount([LETTERS.index(c) for name in learnt for c in name + "\n"])
    blind = -np.log(counts / counts.sum())
    blind = np.mean([blind[LETTERS.index(c)] for name in unseen for c in name + "\n"])
    names, _ = invent(model, 1000)
    rows = [
        ("perplexity of a letter, by frequencies alone", np.exp(blind), None),
        (
            f"perplexity of a letter, {len(unseen)} names never read",
            np.exp(nats_per_letter(model, unseen)),
            np.exp(blind),
        ),
        ("share of 1,000 made-up names that differ", len(set(names)) / 1000, None),
        ("share in no list", np.mean([name not in known for name in names]), None),
    ]
    if files.in_data_folder(dinosaur_names.COURSE.name):
        rows += _printed_rows()
    for variant, goals in VERSES.items():
        sonnets = files.in_data_folder(SONNETS.name)
        if sonnets and weights.available("dinosaurs", variant):
            rows += _verse_rows(variant, load_pretrained(variant), goals)
    return rows


def picture(model, start):
    """What `infer` wrote, the likelier letters darker, a matplotlib figure."""
    from dls_keras import plots  # matplotlib: late, so that names come without it

    answer = infer(model, start)
    probabilities = answer.details["probabilities"]
    rows = [
        [*row.rstrip("\n"), "↵"][: len(p)]
        for row, p in zip(answer.details["rows"], probabilities, strict=True)
    ]
    title = "each letter, and how likely the model found it"
    return plots.written(rows, probabilities, title=title)


def example():
    """The question of the tour: a name that begins as a famous one does."""
    return "What else could a dinosaur be called whose name begins with Tri?", "Tri"


def _printed_rows():
    """The run that the course prints, by the compiled loop."""
    data, rows = load_data(), []
    losses = descend(build_model(), data, max(PRINTED_LOSSES) + 1)
    loss = get_initial_loss(len(LETTERS), 7)
    for j, cur_loss in enumerate(losses):
        loss = smooth(loss, cur_loss)
        if j in PRINTED_LOSSES:
            rows.append((f"loss at iteration {j}", loss, PRINTED_LOSSES[j]))
    to_letter = dict(enumerate(LETTERS))
    to_index = {letter: i for i, letter in to_letter.items()}
    for j, printed in PRINTED_NAMES.items():
        parameters = build_model()
        descend(parameters, data, j + 1)
        ours = [
            get_sample(sample(parameters, to_index, seed), to_letter)
            for seed in range(7)
        ]
        same = np.equal(ours, [f"{name}\n" for name in printed.split()])
        rows.append((f"names as printed at iteration {j}", same.mean(), 1.0))
    parameters, a_prev, gap = build_model(), np.zeros((N_A, 1)), 0.0
    for x, y, n, cur_loss in zip(data.x, data.y, data.lengths, losses, strict=False):
        X = [None, *x[1:n].tolist()]
        lesson, _, a_prev = optimize(X, y[:n].tolist(), a_prev, parameters)
        gap = max(gap, abs(lesson - cur_loss))
    what = f"largest difference of {len(data.x)} losses, compiled and lesson's loop"
    return [*rows, (what, gap, 1e-12)]


def _verse_rows(name, model, goals):
    """Loss and accuracy of the next character, every 60th window of the sonnets."""
    text = files.find_data(SONNETS).read_text("utf-8").lower()
    X, Y = build_data(text, TX, 60)
    p = model.predict_on_batch(windows(X))
    y = np.array([VERSE_LETTERS.index(character) for character in Y])
    # The published numbers were measured with 1e-9 added, against log 0.
    nats = -np.log(p[np.arange(len(y)), y].astype(float) + 1e-9).mean()
    right = np.mean(p.argmax(axis=1) == y)
    return [
        (f"{name}: nats for the next character of the sonnets", nats, goals[0]),
        (f"{name}: next character guessed", right, goals[1]),
    ]


def _letters(start):
    """The letters of `start` as indices, checked."""
    if not isinstance(start, str):
        raise InputError(
            f"A name begins with letters, 'tri'; received {type(start).__name__}."
        )
    start = start.strip().lower()
    dinosaur_names.check([start])
    if len(start) >= LONGEST:
        raise InputError(
            f"The beginning has {len(start)} letters, and a name at most {LONGEST}. "
            "Begin with fewer."
        )
    return [LETTERS.index(letter) for letter in start]


def _check_verse(start):
    """Raise InputError unless `start` is a text in the sonnets' characters."""
    if not isinstance(start, str):
        raise InputError(f"A verse begins with text; received {type(start).__name__}.")
    if strange := sorted(set(start.lower()) - set(VERSE_LETTERS)):
        raise InputError(
            f"The network has never read the character {strange[0]!r}. Write with "
            f"letters, blanks, new lines and these: {VERSE_LETTERS[2:12]}"
        )


@functools.cache
def _compiled_pass():
    """The compiled program that learns n of m names, one after the other."""
    import tensorflow as tf

    @tf.function(jit_compile=True)
    def run(Waa, Wax, Wya, b, by, a, x, y, lengths, n, learning_rate):
        m, T = x.shape
        bound = tf.constant(CLIP, tf.float64)
        losses = tf.TensorArray(tf.float64, m, element_shape=())
        j = 0
        while j < n:
            # `tf.gather`, since indexing a constant by j would compile for every j.
            length = tf.gather(lengths, j)
            read = tf.one_hot(tf.gather(x, j), Wax.shape[1], dtype=tf.float64)
            following = tf.one_hot(tf.gather(y, j), Wya.shape[0], dtype=tf.float64)

            # Forward: only the states go step by step.
            inputs = read @ tf.transpose(Wax) + tf.transpose(b)  # (T, n_a)
            states = tf.TensorArray(tf.float64, T + 1, clear_after_read=False)
            states = states.write(0, a[0])
            turned = tf.transpose(Waa)
            t = 0
            while t < length:
                mixed = states.read(t)[tf.newaxis] @ turned
                states = states.write(t + 1, tf.tanh(inputs[t] + mixed[0]))
                t += 1
            A_prev, A = states.stack()[:-1], states.stack()[1:]  # (T, n_a)
            a = states.read(length)[tf.newaxis]
            counts = tf.sequence_mask(length, T, tf.float64)[:, tf.newaxis]
            P = tf.nn.softmax(A @ tf.transpose(Wya) + tf.transpose(by))  # (T, n_y)
            chances = tf.reduce_sum(P * following, axis=1)
            loss = -tf.reduce_sum(tf.math.log(chances) * counts[:, 0])

            # Backward: only the states' gradients go step by step.
            dY = (P - following) * counts
            slope = 1 - A * A
            outer = slope * (dY @ Wya)
            draws = tf.TensorArray(tf.float64, T + 1, clear_after_read=False)
            draws = draws.write(length, tf.zeros_like(a[0]))
            t = length - 1
            while t >= 0:
                later = draws.read(t + 1)[tf.newaxis] @ Waa
                draws = draws.write(t, outer[t] + slope[t] * later[0])
                t -= 1
            dA = draws.stack()[:-1]  # (T, n_a), by what stands in the tanh

            def moved(parameter, gradient):
                gradient = tf.clip_by_value(gradient, -bound, bound)
                return parameter - learning_rate * gradient

            Waa = moved(Waa, tf.matmul(dA, A_prev, transpose_a=True))
            Wax = moved(Wax, tf.matmul(dA, read, transpose_a=True))
            Wya = moved(Wya, tf.matmul(dY, A, transpose_a=True))
            b = moved(b, tf.reduce_sum(dA, axis=0)[:, tf.newaxis])
            by = moved(by, tf.reduce_sum(dY, axis=0)[:, tf.newaxis])
            losses = losses.write(j, loss)
            j += 1
        return losses.stack(), Waa, Wax, Wya, b, by, a

    return run
