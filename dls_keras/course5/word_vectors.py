"""Operations on word vectors: man is to woman as king is to queen (C5 W2 A1).

A word is a point, learnt so that words which keep the same company lie near each
other. Then directions mean something: the step from "man" to "woman" is nearly the
step from "king" to "queen".

    cos(u, v) = u . v / (|u| |v|)
    a is to b as c is to d:  the d whose e_d - e_c points most nearly along e_b - e_a
    neutralize:  e - (e . g / |g|^2) g, a word without its share of the axis g
    GloVe learns  w_i . v_j + b_i + c_j = log(1 + X_ij) for the counts X of company

Shapes: a vector has n numbers, 50 in the course's GloVe file. Edition: 2021, and
`equalize` in the form of 2022; what 2017 did otherwise is an option of the functions.
Papers: Pennington, Socher & Manning (2014), "GloVe"; Bolukbasi et al. (2016), "Man is
to computer programmer as woman is to homemaker?", https://arxiv.org/abs/1607.06520
"""

import difflib
import re
from typing import NamedTuple

import numpy as np

from dls_keras.core import weights
from dls_keras.core.answers import Answer
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import glove, toy_corpus
from dls_keras.reference import cases

DIMENSION = 32  # numbers in a vector of our own
WINDOW = 6  # words to either side that count as company


# The assignment: the course's functions under the course's signatures.


def cosine_similarity(u, v):
    """The cosine of the angle between u and v, in [-1, 1]; 0 where one has no length.

    Equal vectors give exactly 1. (2017 divides by the zero length.)
    """
    if np.all(u == v):
        return 1
    lengths = np.linalg.norm(u) * np.linalg.norm(v)
    return np.dot(u, v) / lengths if lengths else 0


def complete_analogy(word_a, word_b, word_c, word_to_vec_map, *, left_out=None):
    """The word d for which "a is to b as c is to d" holds best.

    Args:
        word_to_vec_map: maps words in lower case to vectors (n,).
        left_out: words that d must not be; default: word_c, as in 2021. In 2017 all
            three were: [word_a, word_b, word_c].

    Returns:
        A word; of words equally good the first.
    """
    a, b, c = word_a.lower(), word_b.lower(), word_c.lower()
    e_a, e_b, e_c = (word_to_vec_map[word] for word in (a, b, c))
    words, E = _table(word_to_vec_map)
    similarity = _cosines(E - e_c, e_b - e_a)
    for word in [c] if left_out is None else left_out:
        similarity[words.index(word.lower())] = -np.inf
    return words[np.argmax(similarity)]


def neutralize(word, g, word_to_vec_map):
    """The vector of `word` without what it has along g, so that it is neutral to it.

    Args:
        g: (n,), such as e_woman - e_man.
    """
    e = word_to_vec_map[word]
    return e - np.dot(e, g) / np.dot(g, g) * g


def equalize(pair, bias_axis, word_to_vec_map, *, edition="2022"):
    """Two vectors that differ by nothing but the axis, at equal distance from it.

    With mu the middle of the pair, B the part along the axis and the rest mu_orth:

        e = mu_orth + sqrt(|1 - |mu_orth|^2|) (e_B - mu_B) / d

    Args:
        pair: two words, such as ("man", "woman").
        bias_axis: (n,).
        edition: what d is: |e - mu_B| in "2022", whose vectors have length 1;
            |e - mu_orth - mu_B| in "2017", and the same difference element by
            element in "2021". (In the paper d = |e_B - mu_B|.)

    Returns:
        Two vectors (n,).
    """
    e_1, e_2 = (word_to_vec_map[word] for word in pair)

    def along(e):
        return np.dot(e, bias_axis) / np.dot(bias_axis, bias_axis) * bias_axis

    mu = (e_1 + e_2) / 2
    mu_B = along(mu)
    mu_orth = mu - mu_B
    size = np.sqrt(np.abs(1 - np.dot(mu_orth, mu_orth)))

    def corrected(e):
        if edition == "2022":
            d = np.linalg.norm(e - mu_B)
        elif edition == "2021":
            d = np.abs(e - mu_orth - mu_B)
        else:
            d = np.linalg.norm(e - mu_orth - mu_B)
        return mu_orth + size * (along(e) - mu_B) / d

    return corrected(e_1), corrected(e_2)


def read_glove_vecs(glove_file):
    """The set of words in a GloVe text, and a dict of their vectors (n,) float64."""
    vectors = glove.read([glove_file])
    return set(vectors), dict(vectors)


def _table(word_to_vec_map):
    """The words as a list and their vectors as rows, copied only where they must be."""
    words = list(word_to_vec_map)
    if isinstance(word_to_vec_map, glove.WordVectors):
        return words, word_to_vec_map.matrix
    return words, np.array([word_to_vec_map[word] for word in words], float)


def _cosines(E, v):
    """`cosine_similarity` of each row of E (words, n) with v (n,)."""
    lengths = np.linalg.norm(E, axis=1) * np.linalg.norm(v)
    return np.divide(E @ v, lengths, out=np.zeros(len(E)), where=lengths > 0)


# The application: the names that every assignment shares.


class Company(NamedTuple):
    """How often words stand near each other.

    `x` (words, words) float64 is symmetric and counts a neighbour d words away as
    1 / d; `words` are in alphabetical order.
    """

    x: np.ndarray
    words: list[str]


def load_data(m=60_000, seed=0):
    """The company that words keep in m sentences of the small world."""
    return count_company(toy_corpus.make_sentences(m, seed=seed))


def count_company(sentences):
    """The `Company` of the words of a list of sentences, split at blanks."""
    split = [sentence.split() for sentence in sentences]
    words = sorted({word for sentence in split for word in sentence})
    if len(words) < 2:
        raise InputError(
            f"The {len(split)} sentences hold {len(words)} different words. "
            "Give text of at least two."
        )
    index = {word: i for i, word in enumerate(words)}
    stop = len(words)  # stands between sentences, so that no company crosses them
    ids = [[*(index[word] for word in s), *[stop] * WINDOW] for s in split]
    ids = np.concatenate(ids)
    x = np.zeros((stop + 1, stop + 1))
    for d in range(1, WINDOW + 1):
        pairs = ids[:-d] * (stop + 1) + ids[d:]
        x += np.bincount(pairs, minlength=x.size).reshape(x.shape) / d
    return Company((x + x.T)[:-1, :-1], words)


def build_model(words=None, seed=0):
    """Small random vectors for `words`, by default those of the small world."""
    words = load_data().words if words is None else words
    rng = np.random.default_rng(seed)
    start = rng.uniform(-0.5, 0.5, (len(words), DIMENSION)) / DIMENSION
    return glove.WordVectors({word: i for i, word in enumerate(words)}, start)


def train(model, data, *, epochs=300, learning_rate=0.05, seed=0):
    """Learn the vectors of `model` in place by GloVe; return each epoch's loss.

    All pairs are one batch of one compiled step, since a small vocabulary's counts
    fit into one table. As the paper allows for its zeros, log(1 + X) is fitted; pairs
    never seen weigh 0.1, since in a small world what is never said says much.

    Args:
        data: the `Company` of the words of `model`, in its order.
    """
    import keras  # late: all but training needs NumPy alone
    import tensorflow as tf

    from dls_keras.core import training

    keras.utils.set_random_seed(seed)
    log_counts = tf.constant(np.log1p(data.x))
    # Frequent pairs count more, up to 100 times; f(x) of the paper's section 3.
    weight = tf.constant(np.clip((data.x / 100) ** 0.75, 0.1, 1.0))
    context = build_model(data.words, seed + 1).matrix
    none = np.zeros((len(context), 1))
    W, V, b, c = variables = [
        keras.Variable(start, dtype="float64")
        for start in (model.matrix, context, none, none)
    ]

    def loss_fn():
        error = tf.matmul(W, V, transpose_b=True) + b + tf.transpose(c) - log_counts
        return tf.reduce_sum(weight * error**2)

    optimizer = keras.optimizers.Adagrad(learning_rate, 1e-8)
    step = training.compile_step(loss_fn, variables, optimizer)
    losses = [float(step()) for _ in range(epochs)]
    model.matrix[:] = W.numpy() + V.numpy()  # the paper's sum of both
    return losses


def load_pretrained(variant="default"):
    """Words and their vectors, a `glove.WordVectors`.

    Args:
        variant: "default" are ours, learnt from the small world; "glove" is GloVe 6B
            with 50 numbers, all of it or the part that is at hand.
    """
    if variant == "glove":
        return glove.load_glove()

    def from_arrays(arrays):
        words = sorted(arrays)
        matrix = np.array([arrays[word] for word in words], float)
        return glove.WordVectors({word: i for i, word in enumerate(words)}, matrix)

    return weights.load(
        from_arrays, "word_vectors", variant, outputs=lambda model: model["king"]
    )


def infer(model, question):
    """The word that completes an analogy.

    Args:
        question: three words, "man woman king", or a sentence with "is to" and "as"
            between them: "man is to woman as king is to what?".

    Returns:
        An `Answer`; its confidence is the cosine of the two steps (0 where negative),
        and `details["nearest"]` maps the five best words to theirs. The three words of
        the question are left out.
    """
    a, b, c = _three_words(model, question)
    words, E = _table(model)
    similarity = _cosines(E - model[c], model[b] - model[a])
    for word in (a, b, c):
        similarity[model.index[word]] = -1
    best = np.argsort(-similarity)[:5]
    nearest = {words[i]: float(similarity[i]) for i in best}
    answer = words[best[0]]
    return Answer(answer, max(0.0, nearest[answer]), nearest=nearest)


def _three_words(model, question):
    """The words a, b, c of a question, each of them known."""
    found = re.findall(r"[^\s:,?]+", str(question).lower())
    joining = {"is", "to", "as", "what"}
    words = [word for word in found if word not in joining]
    if len(words) != 3:
        raise InputError(
            f"{question!r} names {len(words)} words, expected three, such as "
            "'man woman king' or 'man is to woman as king is to what?'."
        )
    for word in words:
        if word not in model:
            close = difflib.get_close_matches(word, model, n=3)
            hint = f"Did you mean {' or '.join(close)}?" if close else "Try another."
            raise InputError(
                f"There is no vector for {word!r} among the {len(model)} words. {hint}"
            )
    return words


def evaluate(model=None):
    """Analogies of the small world, and the course's numbers where GloVe is at hand."""
    model = load_pretrained() if model is None else model
    questions = toy_corpus.analogies()
    right = [infer(model, f"{a} {b} {c}") == d for a, b, c, d in questions]
    rows = [(f"analogies of the small world, {len(right)}", np.mean(right), 0.95)]
    try:
        return rows + _printed(load_pretrained("glove"))
    except MissingFileError:
        return rows


def _printed(vectors):
    """What the notebooks print for GloVe, as rows (what, ours, printed)."""
    printed = {
        (case.function, case.id): case.expected
        for case in cases.read("c5w2_word_vectors").cases
    }
    units = {w: vectors[w] / np.linalg.norm(vectors[w]) for w in ("man", "woman")}
    g = vectors["woman"] - vectors["man"]
    rows = [
        (f"cosine of {u} and {v}", cosine_similarity(vectors[u], vectors[v]), goal)
        for u, v, goal in (
            (
                "father",
                "mother",
                printed["cosine_similarity", "2017-print-1"]["return"],
            ),
            (
                "ball",
                "crocodile",
                printed["cosine_similarity", "2017-print-2"]["return"],
            ),
        )
    ]
    found = [
        complete_analogy(*question, vectors)
        == printed["complete_analogy", id]["return"]
        for id, question in (
            ("2017-print-1", ("italy", "italian", "spain")),
            ("2017-print-2", ("india", "delhi", "japan")),
        )
    ]
    rows.append(("printed analogies found again", np.mean(found), 1.0))
    goal = printed["neutralize", "2017-print"]
    neutral = neutralize("receptionist", g, vectors)
    rows += [
        (
            f"cosine of receptionist and g, {when}",
            cosine_similarity(e, g),
            goal[f"cosine {when}"],
        )
        for when, e in (("before", vectors["receptionist"]), ("after", neutral))
    ]
    for edition, table, id in (
        ("2017", vectors, "2017-print"),
        ("2022", units, "2021-print-unit"),
    ):
        axis = table["woman"] - table["man"]
        pair = equalize(("man", "woman"), axis, table, edition=edition)
        goals = printed["equalize", id]["cosine after"]
        rows += [
            (
                f"cosine of {word} and g, equalized as in {edition}",
                cosine_similarity(e, axis),
                goal,
            )
            for word, e, goal in zip(("man", "woman"), pair, goals, strict=True)
        ]
    return rows


def picture(model, question):
    """The four words of an analogy on the plane that shows most of them, a figure."""
    from dls_keras import plots  # matplotlib: late, so that answers come without it

    a, b, c = _three_words(model, question)
    nearest = infer(model, question).details["nearest"]
    names = [a, b, c, *nearest]
    E = np.array([model[name] for name in names])
    # The plane on which the four words of the analogy lie flattest.
    centre = E[:4].mean(axis=0)
    _, _, axes = np.linalg.svd(E[:4] - centre)
    return plots.words((E - centre) @ axes[:2].T, names, arrows=[(0, 1), (2, 3)])


def example():
    """The question of the tour."""
    return "Man is to woman as king is to what?", "man woman king"
