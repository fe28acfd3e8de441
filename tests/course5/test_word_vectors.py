"""What the reference cases of the word vectors cannot say."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.distance import cosine

from dls_keras.core.errors import InputError
from dls_keras.course5 import word_vectors as wv
from dls_keras.datasets import toy_corpus

vectors = hnp.arrays(
    float, 5, elements=st.floats(-10, 10).filter(lambda x: x == 0 or abs(x) > 1e-3)
)


@pytest.fixture(scope="module")
def pretrained():
    return wv.load_pretrained()


@given(vectors, vectors)
def test_the_cosine_is_scipys(u, v):
    """One minus SciPy's distance; 0 where a vector has no length, 1 for equals."""
    ours = wv.cosine_similarity(u, v)
    if np.array_equal(u, v):
        assert ours == 1
    elif not u.any() or not v.any():
        assert ours == 0
    else:
        assert ours == pytest.approx(1 - cosine(u, v), abs=1e-12)


@given(vectors, vectors.filter(np.any))
def test_a_neutralized_word_has_no_component_along_the_axis(e, g):
    """The removed component is parallel to the axis."""
    neutral = wv.neutralize("word", g, {"word": e})
    assert neutral @ g == pytest.approx(0, abs=1e-9)
    removed = e - neutral
    assert abs(removed @ g) == pytest.approx(
        np.linalg.norm(removed) * np.linalg.norm(g), abs=1e-7
    )


@pytest.mark.parametrize("edition", ["2017", "2022"])
def test_equalized_words_differ_by_the_axis_alone(edition):
    """They mirror each other, so any neutral word is as near to one as to the other."""
    rng = np.random.default_rng(0)
    g, man, woman, nurse = rng.normal(size=(4, 6))
    g /= np.linalg.norm(g)
    man, woman = (v / np.linalg.norm(v) for v in (man, woman))
    e_1, e_2 = wv.equalize(
        ("man", "woman"), g, {"man": man, "woman": woman}, edition=edition
    )
    difference = e_1 - e_2
    np.testing.assert_allclose(difference, difference @ g * g, atol=1e-12)
    if edition == "2017":
        neutral = wv.neutralize("nurse", g, {"nurse": nurse})
        np.testing.assert_allclose(neutral @ e_1, neutral @ e_2, atol=1e-12)
        np.testing.assert_allclose(e_1 @ g, -(e_2 @ g), atol=1e-12)


def test_an_analogy_is_the_loop_of_the_course():
    """The first word of the largest cosine, whatever kind of mapping is asked."""
    rng = np.random.default_rng(1)
    table = {f"w{i}": rng.normal(size=4) for i in range(30)}
    a, b, c = "w3", "w8", "w20"
    step = table[b] - table[a]
    scores = {
        d: wv.cosine_similarity(step, e - table[c]) for d, e in table.items() if d != c
    }
    assert wv.complete_analogy(a.upper(), b, c, table) == max(scores, key=scores.get)
    first, second, *_ = sorted(scores, key=scores.get, reverse=True)
    assert wv.complete_analogy(a, b, c, table, left_out=[c, first]) == second


def test_cooccurrences_are_counted_as_by_hand():
    """A neighbour at distance d counts 1 / d; sentences are separate."""
    x, words = wv.count_cooccurrence(["a b a", "c a"])
    assert words == ["a", "b", "c"]
    # a-a: two apart, seen from both ends; a-b: next to each other twice.
    np.testing.assert_allclose(x, [[1, 2, 1], [2, 0, 0], [1, 0, 0]])
    with pytest.raises(InputError, match="expected at least 2"):
        wv.count_cooccurrence(["word"])


def test_every_sample_of_the_toy_corpus_has_the_whole_vocabulary():
    """Two samples have the same words, among them those of all analogies."""
    words = wv.load_data(5000, seed=1).words
    assert words == wv.load_data(5000, seed=2).words
    assert {word for question in toy_corpus.analogies() for word in question} <= set(
        words
    )


def test_training_lowers_the_loss_and_repeats():
    """The same seed gives the same vectors, another one others."""
    data = wv.load_data(500)
    one, two, other = (wv.build_model(data.words, seed) for seed in (0, 0, 1))
    losses = wv.train(one, data, epochs=20)
    assert losses[-1] < losses[0] / 2
    wv.train(two, data, epochs=20)
    np.testing.assert_array_equal(one.matrix, two.matrix)
    wv.train(other, data, epochs=20, seed=1)
    assert not np.allclose(one.matrix, other.matrix)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("man woman king", "queen"),
        ("Man is to woman as king is to what?", "queen"),
        ("france: paris, italy:", "rome"),
        ("small smaller big", "bigger"),
    ],
)
def test_analogies_are_completed(pretrained, question, answer):
    """In several forms of the question."""
    got = wv.infer(pretrained, question)
    assert got == answer
    assert next(iter(got.details["nearest"])) == answer
    assert 0 < got.confidence <= 1


@pytest.mark.parametrize(
    ("question", "words"),
    [
        ("man woman", "has 2 words"),
        ("man woman king queen", "has 4 words"),
        ("", "has 0 words"),
        ("man woman kingg", "Did you mean king"),
    ],
)
def test_an_invalid_question_is_an_error(pretrained, question, words):
    """Too few words, too many, or unknown ones, with similar words."""
    with pytest.raises(InputError, match=words):
        wv.infer(pretrained, question)


def test_answers_need_no_tensorflow():
    """Loading the vectors and asking them imports NumPy alone."""
    code = (
        "import sys; from dls_keras import word_vectors as wv;"
        "assert wv.infer(wv.load_pretrained(), 'man woman king') == 'queen';"
        "assert not {'tensorflow', 'keras', 'matplotlib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_record_states_the_accuracy_on_analogies(pretrained):
    """97.0 % of 1,896, as `evaluate` counts them."""
    row, *_ = wv.evaluate(pretrained)
    assert "1896" in row.what
    assert row.ours == pytest.approx(0.970, abs=5e-4)
    assert row.ours >= row.at_least


@pytest.mark.data
def test_the_printed_numbers_of_glove_are_reproduced():
    """To 1e-6: the available vector of "crocodile" has only four decimals."""
    _, *rows = wv.evaluate()
    assert len(rows) == 9
    for row in rows:
        assert row.ours == pytest.approx(row.equals, abs=1e-6), row.what


@pytest.mark.data
def test_leaving_out_all_three_words_is_the_answer_of_2017():
    """2021 allows word_b: "large" is to "smaller" as printed there."""
    vectors = wv.load_pretrained("glove")
    question = ("small", "smaller", "large")
    assert wv.complete_analogy(*question, vectors) == "smaller"
    assert wv.complete_analogy(*question, vectors, left_out=question) == "larger"
