"""Operations on word vectors: man is to woman as king is to queen (C5 W2 A1).

A word vector is trained so that words with similar co-occurrence counts have similar
vectors. Then differences have a meaning: woman - man is nearly queen - king.

    cos(u, v) = u . v / (|u| |v|)
    a is to b as c is to d:  the d that maximises cos(e_d - e_c, e_b - e_a)
    neutralize:  e - (e . g / |g|^2) g, a vector without its projection on the axis g
    GloVe fits  w_i . v_j + b_i + c_j = log(1 + X_ij) to the co-occurrence counts X

Shapes: a vector has n numbers, 50 in the course's GloVe file. Edition: 2021, and
`equalize` in the form of 2022; the differences of 2017 are options of the functions.
Papers: Pennington, Socher & Manning (2014), "GloVe"; Bolukbasi et al. (2016), "Man is
to computer programmer as woman is to homemaker?", https://arxiv.org/abs/1607.06520
"""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from dls_keras.core import inputs, pretrained, weights
from dls_keras.core.answers import Answer, Row
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.datasets import glove, toy_corpus
from dls_keras.reference import cases

DIMENSION = 32  # of the vectors trained here
WINDOW = 6  # context size: words on either side that are counted


# The assignment: the course's functions under the course's signatures.


def cosine_similarity(u, v):
    """The cosine of the angle between u and v, in [-1, 1]; 0 for a zero vector.

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
        left_out: words that are excluded; default: word_c, as in 2021. In 2017 all
            three were excluded: [word_a, word_b, word_c].

    Returns:
        A word; the first, if several are equally good.
    """
    a, b, c = word_a.lower(), word_b.lower(), word_c.lower()
    e_a, e_b, e_c = (word_to_vec_map[word] for word in (a, b, c))
    words, E = _table(word_to_vec_map)
    similarity = _cosines(E - e_c, e_b - e_a)
    for word in [c] if left_out is None else left_out:
        similarity[words.index(word.lower())] = -np.inf
    return words[np.argmax(similarity)]


def neutralize(word, g, word_to_vec_map):
    """The vector of `word` without its projection on the axis g.

    Args:
        g: (n,), such as e_woman - e_man.
    """
    e = word_to_vec_map[word]
    return e - np.dot(e, g) / np.dot(g, g) * g


def equalize(pair, bias_axis, word_to_vec_map, *, edition="2022"):
    """Two vectors that differ only along the axis, at equal distance from zero on it.

    With mu the mean of the pair, mu_B its projection on the axis and mu_orth the rest:

        e = mu_orth + sqrt(|1 - |mu_orth|^2|) (e_B - mu_B) / d

    Args:
        pair: two words, such as ("man", "woman").
        bias_axis: (n,).
        edition: selects d: |e - mu_B| in "2022", for vectors of length 1;
            |e - mu_orth - mu_B| in "2017", and the elementwise absolute difference in
            "2021". (In the paper d = |e_B - mu_B|.)

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
    """The set of words in a GloVe file, and a dict of their vectors (n,) float64."""
    vectors = glove.read([glove_file])
    return set(vectors), dict(vectors)


def _table(word_to_vec_map):
    """The words as a list and their vectors as a matrix, without a copy if possible."""
    words = list(word_to_vec_map)
    if isinstance(word_to_vec_map, glove.WordVectors):
        return words, word_to_vec_map.matrix
    return words, np.array([word_to_vec_map[word] for word in words], float)


def _cosines(E, v):
    """`cosine_similarity` of each row of E (words, n) with v (n,)."""
    lengths = np.linalg.norm(E, axis=1) * np.linalg.norm(v)
    return np.divide(E @ v, lengths, out=np.zeros(len(E)), where=lengths > 0)


# The application: the names that every assignment shares.


class Cooccurrence(NamedTuple):
    """Weighted co-occurrence counts of words.

    `x` (words, words) float64 is symmetric; a neighbour at distance d counts 1 / d.
    `words` are in alphabetical order.
    """

    x: np.ndarray
    words: list[str]


def load_data(
    m: int = 60_000, seed: int = 0, *, synthetic: bool = False
) -> Cooccurrence:
    """The co-occurrence counts of m sentences of the toy corpus.

    Args:
        synthetic: changes nothing, since these data are generated anyway.
    """
    return count_cooccurrence(toy_corpus.make_sentences(m, seed=seed))


def count_cooccurrence(sentences: Iterable[str]) -> Cooccurrence:
    """The co-occurrence counts of the words of some sentences, split at spaces."""
    split = [sentence.split() for sentence in sentences]
    words = sorted({word for sentence in split for word in sentence})
    if len(words) < 2:
        raise InputError(
            f"The {len(split)} sentences have {len(words)} different words, expected "
            "at least 2. Pass more text."
        )
    index = {word: i for i, word in enumerate(words)}
    stop = len(words)  # separates sentences, so that no pair crosses a boundary
    rows = [[index[word] for word in s] + [stop] * WINDOW for s in split]
    ids = np.concatenate(rows)
    x = np.zeros((stop + 1, stop + 1))
    for d in range(1, WINDOW + 1):
        pairs = ids[:-d] * (stop + 1) + ids[d:]
        x += np.bincount(pairs, minlength=x.size).reshape(x.shape) / d
    return Cooccurrence((x + x.T)[:-1, :-1], words)


def build_model(words: Sequence[str] | None = None, seed: int = 0) -> glove.WordVectors:
    """Small random vectors for `words`, by default the words of the toy corpus."""
    words = load_data().words if words is None else words
    rng = np.random.default_rng(seed)
    start = rng.uniform(-0.5, 0.5, (len(words), DIMENSION)) / DIMENSION
    return glove.WordVectors({word: i for i, word in enumerate(words)}, start)


def train(
    model: glove.WordVectors,
    data: Cooccurrence,
    *,
    epochs: int = 300,
    learning_rate: float = 0.05,
    seed: int = 0,
) -> list[float]:
    """Train the vectors of `model` in place with GloVe; return the loss of each epoch.

    All pairs form one batch, since the counts of a small vocabulary fit into one
    matrix. log(1 + X) is fitted, as the paper suggests for zero counts; pairs that do
    not occur have weight 0.1, since in a toy corpus a zero count is informative. The
    function takes no callbacks.

    Args:
        data: the counts of the words of `model`, in its order.
    """
    import keras  # lazy import: everything but training needs NumPy alone
    import tensorflow as tf

    from dls_keras.core import training

    keras.utils.set_random_seed(seed)
    log_counts = tf.constant(np.log1p(data.x))
    # The weighting function f(x) of the paper's section 3, with x_max = 100.
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
    model.matrix[:] = W.numpy() + V.numpy()  # their sum, as in the paper
    return losses


def from_arrays(arrays: Mapping[str, np.ndarray]) -> glove.WordVectors:
    """The vectors in the arrays of a weight file, one for each word."""
    words = sorted(arrays)
    expected = dict.fromkeys(words, np.zeros(DIMENSION))
    matrix = np.array([*weights.like(expected, arrays).values()], float)
    return glove.WordVectors({word: i for i, word in enumerate(words)}, matrix)


@pretrained.or_own_file
def load_pretrained(variant: str = "default") -> glove.WordVectors:
    """Pretrained word vectors.

    Args:
        variant: "default" has the words of the toy corpus; "glove" is GloVe 6B of
            dimension 50, or the part of it that is available locally.
    """
    if variant == "glove":
        return glove.load_glove()
    return weights.load(
        from_arrays, "word_vectors", variant, outputs=lambda model: model["king"]
    )


@inputs.one_by_one()
def infer(model: glove.WordVectors, question: str) -> Answer:
    """The word that completes an analogy.

    Args:
        question: three words, "man woman king", or a sentence with "is to" and "as"
            between them: "man is to woman as king is to what?".

    Returns:
        An `Answer`; its confidence is cos(e_d - e_c, e_b - e_a), or 0 if that is
        negative, and `details["nearest"]` maps the five best words to their cosines.
        The three words of the question are excluded.

    Raises:
        InputError: if the question does not have three words of the vocabulary.
    """
    a, b, c = _three_words(model, question)
    words, E = _table(model)
    similarity = _cosines(E - model[c], model[b] - model[a])
    for word in (a, b, c):
        similarity[model.index[word]] = -1
    best = np.argsort(-similarity)[:5]
    nearest = {words[i]: float(similarity[i]) for i in best}
    answer = words[best[0]]
    vectors = np.array([model[word] for word in (a, b, c, *nearest)])
    return Answer(
        answer,
        max(0.0, nearest[answer]),
        nearest=nearest,
        for_picture={"words": (a, b, c, *nearest), "vectors": vectors},
    )


def _three_words(model, question):
    """The words a, b, c of a question, each of them in the vocabulary."""
    found = re.findall(r"[^\s:,?]+", str(question).lower())
    joining = {"is", "to", "as", "what"}
    words = [word for word in found if word not in joining]
    if len(words) != 3:
        raise InputError(
            f"{question!r} has {len(words)} words, expected 3, such as "
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


def evaluate(
    model: glove.WordVectors | None = None, *, synthetic: bool = False
) -> list[Row]:
    """The accuracy on analogies, and the course's numbers if GloVe is available.

    Args:
        synthetic: without GloVe, so that no files are read.
    """
    model = load_pretrained() if model is None else model
    questions = toy_corpus.analogies()
    right = [infer(model, f"{a} {b} {c}") == d for a, b, c, d in questions]
    name = f"accuracy, {len(right)} held-out analogies of the toy corpus"
    rows = [Row(name, np.mean(right), at_least=0.95)]
    if synthetic:
        return rows
    try:
        return rows + _printed(load_pretrained("glove"))
    except MissingFileError:
        return rows


def _printed(vectors):
    """The numbers that the notebooks print for GloVe."""
    printed = {
        (case.function, case.id): case.expected
        for case in cases.read("c5w2_word_vectors").cases
    }
    units = {w: vectors[w] / np.linalg.norm(vectors[w]) for w in ("man", "woman")}
    g = vectors["woman"] - vectors["man"]
    rows = [
        Row(
            f"cosine of {u} and {v}",
            cosine_similarity(vectors[u], vectors[v]),
            equals=goal,
        )
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
    rows.append(Row("printed analogies, share that agree", np.mean(found), equals=1.0))
    goal = printed["neutralize", "2017-print"]
    neutral = neutralize("receptionist", g, vectors)
    rows += [
        Row(
            f"cosine of receptionist and g, {when} neutralizing",
            cosine_similarity(e, g),
            equals=goal[f"cosine {when}"],
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
            Row(
                f"cosine of {word} and g, equalized as in {edition}",
                cosine_similarity(e, axis),
                equals=goal,
            )
            for word, e, goal in zip(("man", "woman"), pair, goals, strict=True)
        ]
    return rows


def picture(question: str, answer: Answer) -> Any:
    """The words of the analogy in two dimensions, a matplotlib figure."""
    from dls_keras import plots  # lazy import of matplotlib

    names, E = answer.for_picture["words"], answer.for_picture["vectors"]
    # The plane of the two principal components of the analogy's four words.
    centre = E[:4].mean(axis=0)
    _, _, axes = np.linalg.svd(E[:4] - centre)
    return plots.words((E - centre) @ axes[:2].T, names, arrows=[(0, 1), (2, 3)])


def example() -> tuple[str, str]:
    """The question of the tour."""
    return "Man is to woman as king is to what?", "man woman king"
