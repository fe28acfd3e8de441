"""Recurrent networks, step by step, and a language model of words (C5 W1 A1).

A recurrent network reads a sequence one step after the other and carries what it
has read in a state. The plain cell mixes state and input anew at each step; an LSTM
keeps a memory c beside its state a and learns when to forget, to write and to show
it; a GRU does with two gates:

    RNN   a<t> = tanh(Wax x<t> + Waa a<t-1> + ba)       y<t> = softmax(Wya a<t> + by)
    LSTM  c<t> = f * c<t-1> + i * tanh(Wc [a<t-1>; x<t>] + bc)
          a<t> = o * tanh(c<t>)            f, i, o = sigmoid(W [a<t-1>; x<t>] + b)
    GRU   c<t> = u * tanh(Wc [r * c<t-1>; x<t>] + bc) + (1 - u) * c<t-1>

Going backward, each cell hands the gradient of its state on to the cell before, and
the gradients of the shared weights add up over the steps.

`lstm_backward` follows the true gradients. The notebook of 2017 hands neither the
gradient of the state nor that of the memory to the step before, so that the numbers
it prints (da0[2][3] = -0.0959 instead of 0.3128) fail any gradient check; 2021 is
right. `rnn_cell_backward` was right in 2017, too, but printed other numbers, since
its example kept a bias from an earlier cell of the notebook.

Below the cells stands what they are for: a language model that guesses the next
word of a text and is judged by its perplexity, the number of words among which it
still hesitates. The one that guesses letters is `dinosaurs`.

Shapes: m sequences of T_x steps, x (n_x, m, T_x), states (n_a, m, T_x), outputs
(n_y, m, T_x). Edition: 2021. The cells are NumPy alone, in float64. Papers: Elman
(1990); Hochreiter & Schmidhuber (1997); Cho et al. (2014),
https://arxiv.org/abs/1406.1078; Schuster & Paliwal (1997) for both directions.
"""

import re
from typing import Any, NamedTuple

import numpy as np

from dls_keras.core import weights
from dls_keras.core.answers import Answer
from dls_keras.core.errors import InputError
from dls_keras.course1.numpy_basics import sigmoid
from dls_keras.datasets import sentence_corpus

# The assignment: the course's functions under the course's signatures.


def softmax(x):
    """Positive numbers in proportion to e^x that sum to one along axis 0."""
    e = np.exp(x - np.max(x, axis=0))
    return e / np.sum(e, axis=0)


def rnn_cell_forward(xt, a_prev, parameters):
    """One step of the plain cell.

    Args:
        xt: (n_x, m), the input of this step.
        a_prev: (n_a, m), the state after the step before.
        parameters: dict of Wax (n_a, n_x), Waa (n_a, n_a), Wya (n_y, n_a),
            ba (n_a, 1), by (n_y, 1).

    Returns:
        a_next (n_a, m); yt_pred (n_y, m), columns that sum to one; and the cache
        (a_next, a_prev, xt, parameters) for the way back.
    """
    Wax, Waa, Wya = parameters["Wax"], parameters["Waa"], parameters["Wya"]
    a_next = np.tanh(Wax @ xt + Waa @ a_prev + parameters["ba"])
    yt_pred = softmax(Wya @ a_next + parameters["by"])
    return a_next, yt_pred, (a_next, a_prev, xt, parameters)


def rnn_forward(x, a0, parameters):
    """The plain cell over all T_x steps.

    Args:
        x: (n_x, m, T_x).
        a0: (n_a, m), the first state.

    Returns:
        a (n_a, m, T_x), y_pred (n_y, m, T_x), and caches: (one a step, x).
    """
    a_next, states, outputs, caches = a0, [], [], []
    for xt in steps(x):
        a_next, yt_pred, cache = rnn_cell_forward(xt, a_next, parameters)
        states.append(a_next)
        outputs.append(yt_pred)
        caches.append(cache)
    return np.stack(states, axis=2), np.stack(outputs, axis=2), (caches, x)


def lstm_cell_forward(xt, a_prev, c_prev, parameters):
    """One step of the LSTM cell.

    Args:
        xt: (n_x, m).
        a_prev, c_prev: (n_a, m), state and memory after the step before.
        parameters: dict of Wf, Wi, Wc, Wo (n_a, n_a + n_x), which act on the state
            stacked on the input, bf, bi, bc, bo (n_a, 1), Wy (n_y, n_a), by (n_y, 1).

    Returns:
        a_next, c_next (n_a, m); yt_pred (n_y, m); and the cache (a_next, c_next,
        a_prev, c_prev, ft, it, cct, ot, xt, parameters).
    """
    p = parameters
    concat = np.concatenate([a_prev, xt])  # (n_a + n_x, m)
    ft = sigmoid(p["Wf"] @ concat + p["bf"])  # how much of the memory to keep
    it = sigmoid(p["Wi"] @ concat + p["bi"])  # how much of the candidate to write
    cct = np.tanh(p["Wc"] @ concat + p["bc"])  # the candidate
    ot = sigmoid(p["Wo"] @ concat + p["bo"])  # how much of the memory to show
    c_next = ft * c_prev + it * cct
    a_next = ot * np.tanh(c_next)
    yt_pred = softmax(p["Wy"] @ a_next + p["by"])
    cache = (a_next, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters)
    return a_next, c_next, yt_pred, cache


def lstm_forward(x, a0, parameters):
    """The LSTM cell over all T_x steps, from an empty memory.

    Returns:
        a (n_a, m, T_x), y (n_y, m, T_x), c (n_a, m, T_x), and caches: (one a step, x).
    """
    a_next, c_next = a0, np.zeros_like(a0)
    states, outputs, memories, caches = [], [], [], []
    for xt in steps(x):
        a_next, c_next, yt, cache = lstm_cell_forward(xt, a_next, c_next, parameters)
        states.append(a_next)
        outputs.append(yt)
        memories.append(c_next)
        caches.append(cache)
    a, y, c = (np.stack(s, axis=2) for s in (states, outputs, memories))
    return a, y, c, (caches, x)


def rnn_cell_backward(da_next, cache):
    """The gradients of one step of the plain cell.

    Args:
        da_next: (n_a, m), the gradient of the loss by a_next, from this step's
            output and from all later steps together.

    Returns:
        Dict of dxt (n_x, m), da_prev (n_a, m), dWax, dWaa and dba (n_a, 1).
    """
    a_next, a_prev, xt, parameters = cache
    dz = da_next * (1 - a_next**2)  # tanh' = 1 - tanh^2
    return {
        "dxt": parameters["Wax"].T @ dz,
        "da_prev": parameters["Waa"].T @ dz,
        "dWax": dz @ xt.T,
        "dWaa": dz @ a_prev.T,
        "dba": np.sum(dz, axis=1, keepdims=True),
    }


def rnn_backward(da, caches):
    """The gradients of the plain cell over all steps.

    Args:
        da: (n_a, m, T), what each state contributes to the loss directly; where T
            is less than T_x only the first T steps are gone back through.
        caches: as `rnn_forward` returns them.

    Returns:
        Dict of dx (n_x, m, T), da0 (n_a, m), dWax, dWaa and dba.
    """
    cells, _ = caches
    dx, sums = [], {}
    da_prev = np.zeros_like(da[:, :, 0])
    for da_t, cache in reversed([*zip(steps(da), cells, strict=False)]):
        # A state counts twice: for its own output and for the next step.
        gradients = rnn_cell_backward(da_t + da_prev, cache)
        dx.append(gradients.pop("dxt"))
        da_prev = gradients.pop("da_prev")
        sums = {name: sums.get(name, 0) + g for name, g in gradients.items()}
    return {"dx": np.stack(dx[::-1], axis=2), "da0": da_prev, **sums}


def lstm_cell_backward(da_next, dc_next, cache):
    """The gradients of one step of the LSTM cell.

    Args:
        da_next, dc_next: (n_a, m), the gradients of the loss by state and memory.

    Returns:
        Dict of dxt (n_x, m), da_prev and dc_prev (n_a, m), dWf, dbf, dWi, dbi, dWc,
        dbc, dWo and dbo.
    """
    _, c_next, a_prev, c_prev, ft, it, cct, ot, xt, parameters = cache
    n_a = len(a_prev)
    shown = np.tanh(c_next)
    dc = dc_next + da_next * ot * (1 - shown**2)  # through both uses of c_next
    dz = {  # of each gate before its sigmoid or tanh
        "f": dc * c_prev * ft * (1 - ft),
        "i": dc * cct * it * (1 - it),
        "c": dc * it * (1 - cct**2),
        "o": da_next * shown * ot * (1 - ot),
    }
    concat = np.concatenate([a_prev, xt])
    dconcat = sum(parameters[f"W{gate}"].T @ dz[gate] for gate in dz)
    gradients = {"dxt": dconcat[n_a:], "da_prev": dconcat[:n_a], "dc_prev": dc * ft}
    for gate in dz:
        gradients[f"dW{gate}"] = dz[gate] @ concat.T
        gradients[f"db{gate}"] = np.sum(dz[gate], axis=1, keepdims=True)
    return gradients


def lstm_backward(da, caches):
    """The gradients of the LSTM cell over all steps, through state and memory.

    Args:
        da: (n_a, m, T), as for `rnn_backward`.
        caches: as `lstm_forward` returns them.

    Returns:
        Dict of dx (n_x, m, T), da0 (n_a, m), dWf, dbf, dWi, dbi, dWc, dbc, dWo, dbo.
    """
    cells, _ = caches
    dx, sums = [], {}
    da_prev = dc_prev = np.zeros_like(da[:, :, 0])
    for da_t, cache in reversed([*zip(steps(da), cells, strict=False)]):
        gradients = lstm_cell_backward(da_t + da_prev, dc_prev, cache)
        dx.append(gradients.pop("dxt"))
        da_prev, dc_prev = gradients.pop("da_prev"), gradients.pop("dc_prev")
        sums = {name: sums.get(name, 0) + g for name, g in gradients.items()}
    return {"dx": np.stack(dx[::-1], axis=2), "da0": da_prev, **sums}


def steps(x):
    """The T_x steps (n, m) of an array (n, m, T_x), in order."""
    return np.moveaxis(x, 2, 0)


# From the lectures: the GRU, both directions, and layers on each other.


def gru_cell_forward(xt, c_prev, parameters):
    """One step of the GRU, whose state is its memory (a = c).

    Args:
        xt: (n_x, m).
        c_prev: (n_a, m).
        parameters: dict of Wu, Wr, Wc (n_a, n_a + n_x), which act on the state
            stacked on the input, bu, br, bc (n_a, 1), Wy (n_y, n_a), by (n_y, 1).

    Returns:
        c_next (n_a, m), and yt_pred (n_y, m).
    """
    p = parameters
    concat = np.concatenate([c_prev, xt])
    ut = sigmoid(p["Wu"] @ concat + p["bu"])  # update: how much of the candidate
    rt = sigmoid(p["Wr"] @ concat + p["br"])  # relevance of the state for it
    cct = np.tanh(p["Wc"] @ np.concatenate([rt * c_prev, xt]) + p["bc"])
    c_next = ut * cct + (1 - ut) * c_prev
    return c_next, softmax(p["Wy"] @ c_next + p["by"])


def gru_forward(x, c0, parameters):
    """The GRU over all T_x steps: c (n_a, m, T_x) and y (n_y, m, T_x)."""
    c_next, states, outputs = c0, [], []
    for xt in steps(x):
        c_next, yt_pred = gru_cell_forward(xt, c_next, parameters)
        states.append(c_next)
        outputs.append(yt_pred)
    return np.stack(states, axis=2), np.stack(outputs, axis=2)


def rnn_states(x, a0, parameters):
    """The states (n_a, m, T_x) of a plain layer that has no outputs of its own.

    Args:
        parameters: dict of Wax, Waa and ba.
    """
    a_next, states = a0, []
    for xt in steps(x):
        a_next = np.tanh(
            parameters["Wax"] @ xt + parameters["Waa"] @ a_next + parameters["ba"]
        )
        states.append(a_next)
    return np.stack(states, axis=2)


def bidirectional_rnn_forward(x, a0, parameters):
    """Two plain layers, one of which reads the sequence from its end.

    Args:
        x: (n_x, m, T_x).
        a0: a pair of first states (n_a, m), of the reader ahead and of the other.
        parameters: dict of "ahead" and "back", each with Wax, Waa and ba; of Wya
            (n_y, 2 n_a), which sees both, and by.

    Returns:
        a (2 n_a, m, T_x), where `a<t>` knows what stands before and behind t; and
        y_pred (n_y, m, T_x).
    """
    ahead = rnn_states(x, a0[0], parameters["ahead"])
    back = rnn_states(x[:, :, ::-1], a0[1], parameters["back"])[:, :, ::-1]
    a = np.concatenate([ahead, back])
    return a, _outputs(a, parameters)


def deep_rnn_forward(x, a0, parameters):
    """Plain layers on each other: the states of one are the input of the next.

    Args:
        a0: the first state (n_a, m) of each layer.
        parameters: dict of "layers", each with Wax, Waa and ba, bottom first; of
            Wya, which sees the top layer, and by.

    Returns:
        a: the states (n_a, m, T_x) of each layer, and y_pred (n_y, m, T_x).
    """
    a = []
    for layer, first in zip(parameters["layers"], a0, strict=True):
        a.append(rnn_states(a[-1] if a else x, first, layer))
    return a, _outputs(a[-1], parameters)


def _outputs(a, parameters):
    """The softmax (n_y, m, T_x) of every step of the states a (n_a, m, T_x)."""
    Wya, by = parameters["Wya"], parameters["by"]
    return softmax(np.tensordot(Wya, a, axes=1) + by[:, :, np.newaxis])


# The application: a language model of words. Keras comes late, so that the cells
# above run without TensorFlow.


class Writer(NamedTuple):
    """A language model: the Keras network, and the words it knows by number."""

    model: Any
    words: tuple[str, ...]


def load_data(path=None, *, held_out=False):
    """The sentences of a text as numbers, a `sentence_corpus.Sentences`.

    The vocabulary is that of the sentences to learn from: words that stand there
    twice or more.

    Args:
        path: a text file; by default our own text, a year in a harbour.
        held_out: take every eighth sentence, which is for testing, not the others.
    """
    text = sentence_corpus.OURS if path is None else sentence_corpus.load_text(path)
    learnt, chosen = (
        sentence_corpus.split(text),
        sentence_corpus.split(text, held_out=held_out),
    )
    if not chosen:
        raise InputError(
            f"The text has {len(learnt)} sentences, too few to hold some out. Expected "
            f"{sentence_corpus.HELD_OUT} or more."
        )
    return sentence_corpus.encode(chosen, sentence_corpus.vocabulary(learnt))


def build_model(words=None, *, n_e=64, n_a=64):
    """A GRU between an embedding and a softmax over the next word, untrained.

    Args:
        words: the vocabulary of the text, `load_data(path).words`; by default that
            of our own text.
        n_e, n_a: lengths of a word's vector and of the state.
    """
    import keras
    from keras import layers

    words = words or load_data().words
    x = keras.Input((sentence_corpus.LONGEST + 1,), dtype="int32")
    vectors = layers.Dropout(0.5)(layers.Embedding(len(words), n_e)(x))
    states = layers.Dropout(0.5)(layers.GRU(n_a, return_sequences=True)(vectors))
    return Writer(keras.Model(x, layers.Dense(len(words))(states)), tuple(words))


def train(
    model,
    data,
    *,
    epochs=40,
    batch_size=16,
    learning_rate=0.005,
    seed=0,
    on_epoch=None,
    checkpoint=None,
):
    """Fit `model` in place; return each epoch's mean loss, in nats per word."""
    import keras

    from dls_keras.core import training
    from dls_keras.fast.layers import Adam

    keras.utils.set_random_seed(seed)
    network = model.model
    steps = len(data.x) // batch_size
    drops = [
        layer for layer in network.layers if isinstance(layer, keras.layers.Dropout)
    ]
    return training.fit(
        lambda x, y: _nats(network(x, training=True), y),
        (data.x, data.y),
        network.trainable_variables,
        Adam(keras.optimizers.schedules.CosineDecay(learning_rate, epochs * steps)),
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        state=[drop.seed_generator.state for drop in drops],
        on_epoch=on_epoch,
        checkpoint=checkpoint,
        jit_compile=False,  # on a GPU the GRU is cuDNN's, which XLA does not know
    )


def load_pretrained(variant="default"):
    """The language model of our own text with shipped weights, checked."""
    writer = build_model()
    weights.load(writer.model, "recurrent_steps", variant)
    return writer


def perplexity(model, data):
    """Among how many words the model hesitates, on average: e^(nats per word).

    Args:
        data: a `sentence_corpus.Sentences` in the model's own vocabulary.
    """
    return float(np.exp(_nats(model.model(data.x), data.y)))


def unigram_perplexity(data, unseen):
    """The perplexity of guessing by the frequencies of the words alone.

    Args:
        data, unseen: `sentence_corpus.Sentences`; the frequencies are those of `data`,
            each count one more, since a word that never came still may.
    """
    counts = 1 + np.bincount(data.y[data.y >= 0], minlength=len(data.words))
    nats = -np.log(counts / counts.sum())
    return float(np.exp(nats[unseen.y[unseen.y >= 0]].mean()))


def draw(p, temperature, rng):
    """One index for each column of p, drawn in proportion to p^(1/temperature).

    The largest of q / E, with E from the exponential distribution, falls on each index
    in proportion to q: so a whole batch is drawn at once (the Gumbel-max trick, before
    its logarithm).

    Args:
        p: (n, m) probabilities, of which some may be 0.
        temperature: 1 draws from p itself, less prefers what is likely.
        rng: a NumPy generator.

    Raises:
        InputError: if the temperature is not a finite number above 0.
    """
    if not (temperature > 0 and np.isfinite(temperature)):
        raise InputError(
            f"The temperature must be a number above 0; received {temperature}. "
            "Try 1, or 0.5 for what is likelier."
        )
    q = (p / p.max(axis=0)) ** (1 / max(temperature, 1e-300))
    return np.argmax(q / rng.standard_exponential(q.shape), axis=0)


def write(model, start="", *, count=1, temperature=0.5, seed=0):
    """Sentences, word by word, each word drawn from the softmax.

    Args:
        start: the words that all of them begin with, fewer than
            `sentence_corpus.LONGEST`.
        temperature: see `draw`.

    Returns:
        sentences: `count` lists of words; the last word is "." unless the sentence
            broke off after `sentence_corpus.LONGEST` words.
        probabilities: for each sentence what the model gave to its words, (words,),
            also to those of `start`.

    Raises:
        InputError: if a word of `start` is not in the vocabulary, there are too many,
            `count` is not positive, or the temperature is not above 0.
    """
    if count < 1:
        raise InputError(f"{count} sentences were asked for. Expected 1 or more.")
    first = _numbers(model, start)
    known = np.ones((len(model.words), 1))
    known[sentence_corpus.UNKNOWN] = 0  # which is never written
    rng = np.random.default_rng(seed)
    ids = np.full((count, sentence_corpus.LONGEST + 1), sentence_corpus.END, "int32")
    probabilities = np.empty((count, sentence_corpus.LONGEST))
    for t in range(sentence_corpus.LONGEST):
        z = model.model.predict_on_batch(ids)[:, t].astype(float)  # (count, words)
        p = softmax(z.T)
        if t < len(first):
            drawn = np.full(count, first[t])
        else:
            drawn = draw(p * known, temperature, rng)
        ids[:, t + 1] = drawn
        probabilities[:, t] = p[drawn, np.arange(count)]
        if (ids[:, 1 : t + 2] == sentence_corpus.END).any(axis=1).all():
            break
    ended = ids[:, 1:] == sentence_corpus.END
    lengths = np.where(
        ended.any(axis=1), ended.argmax(axis=1) + 1, sentence_corpus.LONGEST
    )
    sentences = [
        [model.words[i] for i in row[1 : n + 1]]
        for row, n in zip(ids, lengths, strict=True)
    ]
    return sentences, [p[:n] for p, n in zip(probabilities, lengths, strict=True)]


def infer(model, start, *, count=3, temperature=0.5, seed=0):
    """`count` sentences that begin with the words `start`, which may be "".

    Returns:
        An `Answer`: the sentences; its confidence is the geometric mean of the
        words' probabilities, 1 over the perplexity; `details` holds the "sentences"
        as lists of words and their "probabilities".
    """
    sentences, probabilities = write(
        model, start, count=count, temperature=temperature, seed=seed
    )
    text = " ".join(" ".join(words) for words in sentences)
    text = text.replace(" ,", ",").replace(" .", ".")
    text = re.sub(r"(^|\. )\w", lambda found: found[0].upper(), text)
    confidence = np.exp(np.mean(np.log(np.concatenate(probabilities))))
    return Answer(text, confidence, sentences=sentences, probabilities=probabilities)


def evaluate(model=None):
    """Perplexities as rows (what, ours, goal); the goal is what a word count knows."""
    model = model or load_pretrained()
    data, unseen = load_data(), load_data(held_out=True)
    counted = unigram_perplexity(data, unseen)
    return [
        ("perplexity, by the frequencies of words alone", counted, None),
        (
            f"perplexity, {len(unseen.x)} sentences never read",
            perplexity(model, unseen),
            counted,
        ),
        ("perplexity, the sentences it learnt", perplexity(model, data), counted),
    ]


def picture(model, start):
    """The sentences of `infer`, the likelier words darker, a matplotlib figure."""
    from dls_keras import plots  # matplotlib: late, so that the cells come without it

    answer = infer(model, start)
    return plots.written(
        answer.details["sentences"],
        answer.details["probabilities"],
        title="each word, and how likely the model found it",
    )


def example():
    """The question of the tour: how sentences go on."""
    return 'How does a sentence go on that begins with "The keeper"?', "The keeper"


def _nats(z, y):
    """The mean cross-entropy of the words y under the logits z, in nats a word."""
    import tensorflow as tf

    counts = tf.cast(y != sentence_corpus.NOTHING, tf.float32)
    nats = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(y, 0), z)
    return tf.reduce_sum(nats * counts) / tf.reduce_sum(counts)


def _numbers(model, start):
    """The words of `start` as their numbers, all known."""
    if not isinstance(start, str):
        raise InputError(
            "A sentence begins with words such as 'The keeper'; received "
            f"{type(start).__name__}."
        )
    words = sentence_corpus.PIECE.findall(start.lower().rstrip(" .!?;:"))
    known = model.words[len(sentence_corpus.MARKS) :]
    for word in words:
        if word not in known:
            raise InputError(
                f"The model does not know the word {word!r}. Begin with words of the "
                f"text it has read, such as {', '.join(known[:6])}."
            )
    if len(words) >= sentence_corpus.LONGEST:
        raise InputError(
            f"The beginning has {len(words)} words. Expected fewer than "
            f"{sentence_corpus.LONGEST}."
        )
    return [model.words.index(word) for word in words]
