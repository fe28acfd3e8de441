"""Dinosaur island: a character-level RNN generates names (C5 W1 A2).

A basic RNN reads a name letter by letter and predicts each next letter. It is trained
by stochastic gradient descent, one name per step, with gradient clipping: each entry of
a gradient is limited to [-5, 5], so that an exploding gradient does not destroy what
was learned. To generate a name, a letter is sampled from the softmax and becomes the
next input:

    a<t> = tanh(Wax x<t> + Waa a<t-1> + b)      y<t> = softmax(Wya a<t> + by)
    loss = - sum over t of log y<t>[next letter]

Shapes: n_a = 50 units, 27 letters (newline is 0, a to z are 1 to 26), columns for one
name at a time. Edition: 2021, which prints every 1000 iterations, clips a copy of the
gradients and returns the last name; in 2017 `model(data, ...)` read the file itself.
Paper: Karpathy (2015), "The unreasonable effectiveness of recurrent neural networks".
Generating names needs NumPy alone, `train` TensorFlow. The notebook's optional part, an
LSTM that continues Shakespeare's sonnets, is the assignment `shakespeare`.

The names that the course prints are reproduced up to iteration 4000, the losses up to
12,000. After that training is chaotic: if one weight changes by one ulp, the difference
of two runs grows by a factor of 200 per thousand iterations. The cause is the learning
rate. Gradient descent amplifies rounding errors where the curvature of the loss, the
largest eigenvalue of its Hessian, exceeds 2 / learning_rate = 200; that happens from
iteration 10,000 on.
"""

import functools
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from dls_keras.core import inputs, pretrained, sampling, weights
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError
from dls_keras.course5.recurrent_steps import softmax
from dls_keras.datasets import catalog, dinosaur_names
from dls_keras.datasets.dinosaur_names import LETTERS, LONGEST, NEWLINE, Names
from dls_keras.fast import batch_sampling

N_A = 50
CLIP = 5  # the largest entry of a clipped gradient


# The assignment: the course's functions under the course's signatures.


def smooth(loss, cur_loss):
    """The exponential moving average of the loss, with weight 0.001 for the new one."""
    return 0.999 * loss + 0.001 * cur_loss


def get_initial_loss(vocab_size, seq_length):
    """The loss of a uniform guess: seq_length * log(vocab_size) nats."""
    return seq_length * np.log(vocab_size)


def get_sample(sample_ix, ix_to_char):
    """The text of a list of indices, with a capital first letter."""
    text = "".join(ix_to_char[ix] for ix in sample_ix)
    return text[:1].upper() + text[1:]


def initialize_parameters(n_a, n_x, n_y):
    """Small random weights, sampled with seed 1, and biases of zero.

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
    """One step: the new state (n_a, 1) and the next letter's probabilities (n_y, 1).

    Args:
        a_prev: (n_a, 1), the previous state.
        x: (n_x, 1), one-hot, or zeros before the first letter.
    """
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    a_next = np.tanh(Wax @ x + Waa @ a_prev + parameters["b"])
    return a_next, softmax(Wya @ a_next + parameters["by"])


def rnn_forward(X, Y, a0, parameters, vocab_size=27):
    """The loss of predicting each next letter of a name.

    Args:
        X: the indices of the inputs; None is a column of zeros.
        Y: the indices of the targets: X shifted by one step, then newline.
        a0: (n_a, 1), the initial state.

    Returns:
        loss: the cross-entropy summed over the name, in nats.
        cache: (y_hat, a, x), dicts from steps to columns; a[-1] is a0.
    """
    x, a, y_hat = {}, {-1: np.copy(a0)}, {}
    loss = 0
    for t, (letter, target) in enumerate(zip(X, Y, strict=True)):
        x[t] = np.zeros((vocab_size, 1))
        if letter is not None:
            x[t][letter] = 1
        a[t], y_hat[t] = rnn_step_forward(parameters, a[t - 1], x[t])
        loss -= np.log(y_hat[t][target, 0])
    return loss, (y_hat, a, x)


def rnn_step_backward(dy, gradients, parameters, x, a, a_prev):
    """The backward pass of one step: add to `gradients` in place and return them.

    Args:
        dy: (n_y, 1), the gradient of the loss with respect to Wya a + by.
        gradients: dict of dWax, dWaa, dWya, db, dby, and of da_next, the gradient with
            respect to a; it is replaced by that with respect to a_prev.
    """
    gradients["dWya"] += dy @ a.T
    gradients["dby"] += dy
    da = parameters["Wya"].T @ dy + gradients["da_next"]  # output and next step
    daraw = (1 - a * a) * da  # tanh' = 1 - tanh^2
    gradients["db"] += daraw
    gradients["dWax"] += daraw @ x.T
    gradients["dWaa"] += daraw @ a_prev.T
    gradients["da_next"] = parameters["Waa"].T @ daraw
    return gradients


def rnn_backward(X, Y, parameters, cache):
    """The gradients of the loss, and the states a, after `rnn_forward`."""
    y_hat, a, x = cache
    gradients = {f"d{name}": np.zeros_like(p) for name, p in parameters.items()}
    gradients["da_next"] = np.zeros_like(a[-1])
    for t in reversed(range(len(X))):
        dy = np.copy(y_hat[t])
        dy[Y[t]] -= 1  # the gradient of cross-entropy and softmax: y_hat - one-hot y
        rnn_step_backward(dy, gradients, parameters, x[t], a[t], a[t - 1])
    return gradients, a


def update_parameters(parameters, gradients, lr):
    """One step of gradient descent with learning rate lr, in place."""
    for name in parameters:
        parameters[name] += -lr * gradients[f"d{name}"]
    return parameters


def clip(gradients, maxValue):
    """A new dict of dWaa, dWax, dWya, db, dby, clipped to [-maxValue, maxValue]."""
    names = ("dWaa", "dWax", "dWya", "db", "dby")
    return {name: np.clip(gradients[name], -maxValue, maxValue) for name in names}


def sample(parameters, char_to_ix, seed):
    """Sample a name letter by letter.

    The course seeds NumPy's global generator before every letter, with seed, seed + 2,
    seed + 4 and so on. Here a new generator with that seed gives the same numbers and
    leaves the global one unchanged.

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
    """One step of gradient descent on one name; `parameters` are updated in place.

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
    """Train on names; print the loss and `dino_names` samples every 1000 iterations.

    Args:
        data_x: list of names, one line each.
        ix_to_char, char_to_ix: dicts from indices to letters, and back.
        verbose: also print the first example, and j at the start of each epoch.

    Returns:
        The parameters, and the last printed name with its newline.
    """
    parameters = initialize_parameters(n_a, vocab_size, vocab_size)
    loss = get_initial_loss(vocab_size, dino_names)
    examples = shuffled(data_x)
    last_dino_name = ""
    losses = descend(parameters, examples, char_to_ix, num_iterations)
    for j, cur_loss in enumerate(losses):
        idx = j % len(examples)
        loss = smooth(loss, cur_loss)
        if verbose and j == 0:
            X, Y = inputs_and_targets(examples[idx], char_to_ix)
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


def descend(
    parameters: dict[str, np.ndarray],
    examples: Sequence[str],
    char_to_ix: dict[str, int],
    num_iterations: int,
    learning_rate: float = 0.01,
) -> Iterator[float]:
    """Yield the loss of each iteration; iteration j trains on one name, in order.

    As in the course, the last state of a name is the initial state of the next name.
    """
    a_prev = np.zeros_like(parameters["b"])
    for j in range(num_iterations):
        X, Y = inputs_and_targets(examples[j % len(examples)], char_to_ix)
        loss, _, a_prev = optimize(X, Y, a_prev, parameters, learning_rate)
        yield loss


def inputs_and_targets(
    name: str, char_to_ix: dict[str, int]
) -> tuple[list[int | None], list[int]]:
    """X and Y of `optimize`: None, then the letters; the letters, then newline."""
    letters = [char_to_ix[letter] for letter in name]
    return [None, *letters], [*letters, char_to_ix["\n"]]


def shuffled(names: Iterable[str]) -> list[str]:
    """The names without surrounding blanks, shuffled with the course's seed 0."""
    names = [name.strip() for name in names]
    np.random.RandomState(0).shuffle(names)
    return names


# Helpers that the course provides for its optional part; see `shakespeare`.


def build_data(text, Tx=40, stride=3):
    """Windows of Tx characters, every `stride` characters, and the next character.

    Returns:
        X, a list of texts, and Y, a list of characters.
    """
    starts = range(0, len(text) - Tx, stride)
    return [text[i : i + Tx] for i in starts], [text[i + Tx] for i in starts]


def vectorization(X, Y, n_x, char_indices, Tx=40):
    """One-hot windows x (m, Tx, n_x) and next characters y (m, n_x), as booleans.

    `char_indices` is a dict from each of the n_x characters to its index.
    """
    eye = np.eye(n_x, dtype=bool)
    windows = np.array([[char_indices[c] for c in text] for text in X], int)
    return eye[windows.reshape(len(X), Tx)], eye[[char_indices[c] for c in Y]]


# The application. A model is the dict of arrays that `initialize_parameters` returns.

Parameters = dict[str, np.ndarray]
IX_TO_CHAR = dict(enumerate(LETTERS))
CHAR_TO_IX = {letter: i for i, letter in IX_TO_CHAR.items()}

# Iterations and the losses printed there by the notebooks of 2017 and 2021.
PRINTED_LOSSES = {2000: 27.884160, 4000: 25.901815, 6000: 24.608779}
PRINTED_LOSSES |= {8000: 24.070350, 10000: 23.844446, 12000: 23.291971}


def load_data(
    names: Iterable[str] | str | os.PathLike | None = None, *, synthetic: bool = False
) -> Names:
    """Names to train on, in the order of the course's shuffle.

    Args:
        names: the path of a file with one name per line, or names, in lower case or
            not. By default the course's 1,536 names.
        synthetic: the 853 names of this package, `dinosaur_names.NAMES`; needs no
            files.
    """
    if synthetic:
        names = dinosaur_names.make_names()
    elif names is None:
        names = dinosaur_names.load_names()
    if isinstance(names, str | os.PathLike):
        names = dinosaur_names.load_names(os.fspath(names))
    return dinosaur_names.encode(shuffled([name.lower() for name in names]))


def build_model(n_a: int = N_A) -> Parameters:
    """The course's initial parameters, float64."""
    return initialize_parameters(n_a, len(LETTERS), len(LETTERS))


def train(
    model: Parameters, data: Names, *, epochs: int = 50, learning_rate: float = 0.01
) -> list[float]:
    """Train `model` in place as `descend` does, 11 times as fast.

    The loop is written in NumPy and takes no callbacks.

    Returns:
        Each epoch's mean loss per name, in nats.
    """
    m = len(data.names)
    losses = _losses(model, data, epochs * m, learning_rate)
    return losses.reshape(epochs, m).mean(axis=1).tolist()


@pretrained.or_own_file
def load_pretrained(variant: str = "default") -> Parameters:
    """The parameters with shipped weights, trained on `dinosaur_names.NAMES`."""

    def in_float64(arrays):
        return {name: array.astype(float) for name, array in arrays.items()}

    return weights.load(in_float64, "dinosaurs", variant, outputs=_first_letter)


@inputs.one_by_one()
def infer(
    model: Parameters,
    start: str,
    *,
    count: int = 5,
    temperature: float = 0.7,
    seed: int = 0,
) -> Answer:
    """`count` names that begin with the letters `start`, which may be "", all at once.

    Args:
        temperature: 1 samples from the model's probabilities; below 1 likely letters
            become likelier.

    Returns:
        An `Answer`: the names. Its confidence is the geometric mean of the letters'
        probabilities, 1 / perplexity. `details` holds the "names" and, for each name,
        the "probabilities" of its letters and of the newline if it has ended.

    Raises:
        InputError: if `start` has another character than a to z or 50 letters, `count`
            is not positive, or the temperature is not above 0.
    """
    if count < 1:
        raise InputError(f"Expected count to be at least 1, received {count}.")
    sequences, probabilities = batch_sampling.sample_sequences(
        functools.partial(rnn_step_forward, model),
        np.zeros((len(model["b"]), count)),
        len(LETTERS),
        start=dinosaur_names.encode_start(start),
        end=NEWLINE,
        longest=LONGEST,
        temperature=temperature,
        rng=np.random.default_rng(seed),
    )
    names = [get_sample(sequence, IX_TO_CHAR) for sequence in sequences]
    confidence = sampling.geometric_mean(probabilities)
    return Answer(
        ", ".join(names), confidence, names=names, probabilities=probabilities
    )


def perplexity(model: Parameters, names: Iterable[str]) -> float:
    """exp(mean cross-entropy per letter or newline); each name starts from a = 0."""
    a0 = np.zeros_like(model["b"])
    loss, count = 0.0, 0
    for name in names:
        X, Y = inputs_and_targets(name, CHAR_TO_IX)
        loss += rnn_forward(X, Y, a0, model)[0]
        count += len(Y)
    return float(np.exp(loss / count))


def unigram_perplexity(names: Iterable[str], held_out: Iterable[str]) -> float:
    """The perplexity on `held_out` if only the frequencies in `names` are known."""
    letters, targets = (
        [CHAR_TO_IX[letter] for name in group for letter in f"{name}\n"]
        for group in (names, held_out)
    )
    counts = np.bincount(letters)
    return 1 / sampling.geometric_mean([(counts / counts.sum())[targets]])


def evaluate(model: Parameters | None = None, *, synthetic: bool = False) -> list[Row]:
    """The perplexity on held-out names, and how many generated names are new.

    If the course's list of names is available, also the losses that the course prints.

    Args:
        synthetic: without these losses, so that no files are read.
    """
    model = model or load_pretrained()
    known = dinosaur_names.NAMES
    held_out = dinosaur_names.split(known, held_out=True)
    baseline = unigram_perplexity(dinosaur_names.split(known), held_out)
    names = infer(model, "", count=1000, temperature=1.0).details["names"]
    new = float(np.mean([name.lower() not in known for name in names]))
    rows = [
        Row("perplexity per letter, unigram baseline", baseline),
        Row(
            f"perplexity per letter, {len(held_out)} held-out names",
            perplexity(model, held_out),
            at_most=baseline,
        ),
        Row("share of distinct names among 1,000 generated", len(set(names)) / 1000),
        Row("share of new names among 1,000 generated", new),
    ]
    if catalog.place(dinosaur_names.COURSE) and not synthetic:
        losses = _losses(build_model(), load_data(), 12_001)
        loss = get_initial_loss(len(LETTERS), 7)
        for j, cur_loss in enumerate(losses):
            loss = smooth(loss, cur_loss)
            if j in PRINTED_LOSSES:
                rows.append(Row(f"loss, iteration {j}", loss, equals=PRINTED_LOSSES[j]))
    return rows


def picture(start: str, answer: Answer) -> Any:
    """The names, a likelier letter on darker ground; a matplotlib figure."""
    from dls_keras import plots  # lazy import: infer needs no matplotlib

    probabilities = answer.details["probabilities"]
    rows = [
        [*name, "↵"][: len(p)]
        for name, p in zip(answer.details["names"], probabilities, strict=True)
    ]
    return plots.written(rows, probabilities, title="letters and their probabilities")


def example() -> tuple[str, str]:
    """The question of the tour: names that begin as a famous one does."""
    return "Which other dinosaur names could begin with Tri?", "Tri"


def _first_letter(parameters):
    """The probabilities (27, 1) of a name's first letter."""
    a0, nothing = np.zeros_like(parameters["b"]), np.zeros_like(parameters["by"])
    return rnn_step_forward(parameters, a0, nothing)[1]


def _losses(model, data, iterations, learning_rate=0.01):
    """The losses of `descend`, from a compiled program that a test compares with it."""
    from dls_keras.fast import char_rnn  # lazy import: generating needs no TensorFlow

    settings = {"learning_rate": learning_rate, "max_gradient": CLIP}
    return char_rnn.descend(model, *data[:3], iterations, **settings)
