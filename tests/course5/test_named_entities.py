"""Labels of word pieces, windows over long texts, and entities found in resumes."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core import weights, word_pieces
from dls_keras.core.errors import InputError
from dls_keras.core.word_pieces import WordPieces
from dls_keras.course5 import named_entities as ne
from dls_keras.datasets import resumes
from dls_keras.datasets.resumes import LABELS

TEXT = "Ines Vel, Lisbon (since 2009)"
SPANS = [(0, 8, "Name"), (10, 16, "Location")]
PIECES = WordPieces(word_pieces.learn([TEXT] * 2, 200))


@pytest.fixture(scope="module")
def pretrained():
    return ne.load_pretrained()


@pytest.fixture(scope="module")
def untrained():
    return ne.build_model(PIECES.vocab)


class Echo:
    """A network whose labels are whatever a function of its input says."""

    def __init__(self, say):
        self.say = say

    def predict(self, x, **_):
        return np.eye(len(LABELS))[self.say(x)]


spans = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9), st.sampled_from(LABELS[1:4])).map(
        lambda span: (span[0], span[0] + span[1], span[2])
    )
)


@given(spans)
def test_merged_spans_lie_side_by_side(intervals):
    """In order; each is one of the spans, or several of its label; twice is once."""
    merged = ne.mergeIntervals(intervals)
    assert ne.mergeIntervals(merged) == merged == sorted(merged)
    for (_, end, _), (start, _, _) in zip(merged, merged[1:], strict=False):
        assert end <= start
    for start, end, label in merged:
        own = [span for span in intervals if span[2] == label]
        assert start in [span[0] for span in own]
        assert end in [span[1] for span in own]


def test_overlaps_join_or_the_longer_stays():
    """Of two labels the longer span; of one label both together."""
    assert ne.mergeIntervals([(3, 9, "A"), (0, 4, "A")]) == [(0, 9, "A")]
    assert ne.mergeIntervals([(3, 9, "B"), (0, 4, "A")]) == [(3, 9, "B")]
    assert ne.mergeIntervals([(3, 5, "B"), (0, 4, "A")]) == [(0, 4, "A")]
    assert ne.mergeIntervals([(4, 5, "B"), (0, 4, "A")]) == [(0, 4, "A"), (4, 5, "B")]


def test_spans_lose_the_blanks_at_their_ends():
    """And are gone where they hold nothing else."""
    data = [("  Ines Vel \n", [(0, 12, "Name"), (0, 2, "Skills"), (2, 6, "Degree")])]
    trimmed = [(2, 10, "Name"), (2, 6, "Degree")]
    assert ne.trim_entity_spans(data) == [(data[0][0], trimmed)]


def test_words_get_the_label_of_their_span():
    """Marks are words of their own; a span within a word labels all of it."""
    words = [word.text for word in word_pieces.words(TEXT)]
    assert words == ["ines", "vel", ",", "lisbon", "(", "since", "2009", ")"]
    name, place, none = "Name", "Location", "Empty"
    (tags,) = ne.clean_dataset([(TEXT, SPANS)])
    assert tags == [name, name, none, place, *[none] * 4]
    (tags,) = ne.clean_dataset([(TEXT, [(1, 2, name)])])
    assert tags == [name, *[none] * 7]


@pytest.mark.parametrize("label_all_tokens", [True, False])
def test_pieces_get_the_label_of_their_word(label_all_tokens):
    """All of them or the first; -100 for [CLS], [SEP] and the filling."""
    tags = ne.clean_dataset([(TEXT, SPANS), ("", [])])
    x, y = ne.tokenize_and_align_labels(
        PIECES, [TEXT, ""], tags, max_len=40, label_all_tokens=label_all_tokens
    )
    encoding = PIECES.encode(TEXT, max_length=40, pad=True)
    assert x.dtype == y.dtype == "int32"
    np.testing.assert_array_equal(x, [encoding.ids, [2, 3, *[0] * 38]])
    seen = set()
    for word, label in zip(encoding.word_ids, y[0], strict=True):
        if word is None or (word in seen and not label_all_tokens):
            assert label == ne.IGNORED
        else:
            assert LABELS[label] == tags[0][word]
        seen.add(word)
    assert set(y[1]) == {ne.IGNORED}


def test_labels_of_other_words_are_told():
    """Cut at blanks there are too few of them; and labels nobody knows."""
    for labels in (["Name"] * len(TEXT.split()), ["Surname"] * 8):
        with pytest.raises(InputError, match="8 words"):
            ne.tokenize_and_align_labels(PIECES, [TEXT], [labels])


@given(st.integers(1, 200), st.integers(4, 30), st.integers(0, 3))
def test_windows_cover_a_text(length, max_len, overlap):
    """Each begins `overlap` before the end of the last; none is there for nothing."""
    places = np.arange(length)
    windows = [places[part] for part in ne._windows(length, max_len, overlap)]
    assert {len(window) for window in windows[:-1]} <= {max_len}
    assert windows[0][0] == 0
    assert windows[-1][-1] == length - 1
    for one, other in zip(windows, windows[1:], strict=False):
        assert other[0] == one[-1] + 1 - overlap
        assert other[-1] > one[-1]


def test_a_text_is_cut_where_no_further_window_is_wanted():
    """As the course does it; its [SEP] stays."""
    tags = ne.clean_dataset([(TEXT, SPANS)])
    x, y = ne.tokenize_and_align_labels(PIECES, [TEXT], tags, max_len=6, overlap=None)
    np.testing.assert_array_equal(x, [PIECES.encode(TEXT, max_length=6).ids])
    assert y[0, -1] == ne.IGNORED
    x, _ = ne.tokenize_and_align_labels(PIECES, [TEXT], tags, max_len=6, overlap=2)
    assert len(x) > 1


def test_windows_are_put_together_without_a_seam():
    """What depends on a piece alone is the same in one window as in many."""
    text = " ".join([TEXT] * 30)
    model = ne.Tagger(Echo(lambda x: x % len(LABELS)), PIECES)
    said, alone = ne.word_probabilities(model, [text, TEXT])
    np.testing.assert_allclose(said, np.tile(alone, (30, 1)))
    np.testing.assert_allclose(said.sum(1), 1)


def test_the_edge_of_a_window_is_left_to_its_neighbour():
    """Nothing is labelled from a window's outer quarters but at the text's ends."""
    text = "a " * 500
    edge = np.minimum(np.arange(ne.TX), ne.TX - 1 - np.arange(ne.TX)) < 32
    model = ne.Tagger(Echo(lambda x: np.tile(edge, (len(x), 1)).astype(int)), PIECES)
    (said,) = ne.word_probabilities(model, [text])
    labels = said.argmax(1)
    assert labels[:31].all()  # [CLS] has the first place
    assert not labels[31:-40].any()


def test_neighbours_of_one_label_are_an_entity():
    """As the text has them, with their mean confidence; marks alone are none."""
    names = ["Name", "Name", "Empty", "Location", "Skills", "Empty", "Degree", "Empty"]
    rows = 0.5 * np.eye(len(LABELS))[[LABELS.index(name) for name in names]]
    rows[1] *= 1.5
    entities = ne.found(TEXT, rows)
    assert [(e["label"], e["text"]) for e in entities] == [
        ("Name", "Ines Vel"),
        ("Location", "Lisbon"),
        ("Degree", "2009"),
    ]
    assert entities[0]["confidence"] == pytest.approx((0.5 + 0.75) / 2)
    assert all(TEXT[e["start"] : e["end"]] == e["text"] for e in entities)


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    """Two right of three found, of four to find: P 2/3, R 1/2."""
    assert ne.f1_score({1, 2, 3, 4}, {1, 2, 9}) == pytest.approx(4 / 7)
    assert ne.f1_score({1}, {2}) == 0
    assert ne.f1_score(set(), set()) == 1


def test_a_perfect_network_scores_one():
    """And one that says "Name" to all words scores what chance gives it."""
    data = ne.load_data(3, templates="test")
    texts = [ne._with_line_ends(text) for text in data.x]
    pieces = WordPieces(ne.vocabulary(texts, 250))
    tags = ne.clean_dataset(zip(texts, data.y, strict=True))
    x, y = ne.tokenize_and_align_labels(pieces, texts, tags, overlap=ne.OVERLAP)
    known = {row.tobytes(): labels for row, labels in zip(x, y, strict=True)}
    perfect = Echo(lambda x: np.maximum([known[row.tobytes()] for row in x], 0))
    assert ne.scores(ne.Tagger(perfect, pieces), data) == (1, 1)
    stubborn = Echo(lambda x: np.full_like(x, LABELS.index("Name")))
    of_entities, of_words = ne.scores(ne.Tagger(stubborn, pieces), data)
    count = sum(len(row) for row in tags)
    names = sum(row.count("Name") for row in tags)
    tagged = count - sum(row.count("Empty") for row in tags)
    assert of_entities == 0
    assert of_words == pytest.approx(2 * names / (count + tagged))


def test_the_filling_is_not_read(untrained):
    """A window that is not full says what it says without filling."""
    model = untrained
    ids = np.array([PIECES.encode(TEXT).ids])
    filled = np.pad(ids, [(0, 0), (0, ne.TX - ids.shape[1])])
    short = model.model(ids)
    np.testing.assert_allclose(model.model(filled)[:, : ids.shape[1]], short, atol=1e-5)


def test_training_moves_every_weight_and_lowers_the_loss():
    """Two epochs on 16 resumes, dropout included."""
    data = ne.load_data(16)
    keras.utils.set_random_seed(0)
    model = ne.build_model(ne.vocabulary(data.x[:4], 250))
    before = [variable.numpy() for variable in model.model.weights]
    losses = ne.train(model, data, epochs=2, batch_size=16)
    assert losses[-1] < losses[0]
    still = [
        v.path
        for v, old in zip(model.model.weights, before, strict=True)
        if np.array_equal(v, old) and "key/bias" not in v.path
    ]
    # A key's bias adds the same to all scores of a query: its gradient is nothing.
    assert still == []


def test_pieces_and_weights_come_back_from_a_file(tmp_path, untrained):
    """Rounded once to half precision."""
    model = untrained
    path = tmp_path / "named_entities-v9.h5"
    weights.save_arrays(ne.to_arrays(model), path, half=True)
    arrays = weights.load_arrays(path)
    assert tuple(piece.decode() for piece in arrays.pop("vocab")) == PIECES.vocab
    for i, variable in enumerate(model.model.weights):
        np.testing.assert_allclose(arrays[f"trained/{i}"], variable, atol=1e-3)


def test_a_file_of_the_courses_form_becomes_data(tmp_path):
    """Overlapping spans made one, blanks trimmed."""
    path = tmp_path / "ner.json"
    spans = [(0, 9, "Name"), (5, 9, "Name"), (10, 16, "Location")]
    resumes.write_resumes(resumes.Resumes(["Ines Vel\n Lisbon"], [spans]), path)
    data = ne.load_data(path=path)
    assert data.x == ["Ines Vel  Lisbon"]
    assert data.y == [[(0, 8, "Name"), (10, 16, "Location")]]


def test_the_resume_of_the_tour_is_understood(pretrained):
    """All of its entities, none besides, each where it stands."""
    _, text = ne.example()
    answer = ne.infer(pretrained, text)
    entities = answer.details["entities"]
    assert answer.startswith("Name: Marta Velindo; Designation: Data Analyst, ")
    assert all(text[e["start"] : e["end"]] == e["text"] for e in entities)
    assert all(0 < e["confidence"] <= 1 for e in entities)
    by_label = {e["label"]: e["text"] for e in entities}
    assert by_label["Email Address"] == "marta.velindo@example.org"
    assert by_label["Years of Experience"] == "Seven years"
    assert by_label["College Name"] == "Quorra University"
    assert by_label["Graduation Year"] == "2017"
    assert answer.confidence > 0.8


def test_unseen_layouts_and_names_are_understood(pretrained):
    """40 resumes such as the goal is measured on, with a few points for chance."""
    of_entities, of_words = ne.scores(pretrained, ne.load_data(40, templates="test"))
    assert of_entities > 0.92
    assert of_words > 0.92


def test_a_long_resume_is_read_to_its_end(pretrained):
    """A second one behind the first is found where it stands."""
    _, text = ne.example()
    entities = ne.infer(pretrained, "\n\n".join([text] * 4)).details["entities"]
    last = [e for e in entities if e["start"] >= 3 * (len(text) + 2)]
    assert {e["text"] for e in last} >= {"Quorra University", "2017", "Lisbon"}


def test_the_picture_marks_the_entities(pretrained):
    """As many boxes as entities, where each fits its line; the text is all there."""
    _, text = ne.example()
    figure = ne.picture(pretrained, text)
    (axes,) = figure.axes
    entities = ne.infer(pretrained, text).details["entities"]
    assert len(axes.patches) == len(entities)
    assert "\n".join(line.get_text() for line in axes.texts) == text
    (legend,) = figure.legends
    assert {t.get_text() for t in legend.get_texts()} == {e["label"] for e in entities}


def test_a_text_without_entities_is_said_to_have_none():
    """And the answer is still an answer."""
    answer = ne.infer(ne.Tagger(Echo(np.zeros_like), PIECES), TEXT)
    assert (answer, answer.confidence) == ("no entities", 1)
    assert answer.details["entities"] == []


@pytest.mark.parametrize("text", ["", " \n", None, 3, ["Ines"]])
def test_what_is_no_text_is_told(pretrained, text):
    """Before anything is computed."""
    with pytest.raises(InputError, match="text"):
        ne.infer(pretrained, text)
