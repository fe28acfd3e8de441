"""Labels of word pieces, windows of long texts, and entities in resumes."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras import models
from dls_keras.core import word_pieces
from dls_keras.core.errors import InputError
from dls_keras.core.word_pieces import WordPieceTokenizer
from dls_keras.course5 import named_entities as ne
from dls_keras.datasets import resumes
from dls_keras.datasets.resumes import LABELS

TEXT = "Ines Vel, Lisbon (since 2009)"
SPANS = [(0, 8, "Name"), (10, 16, "Location")]
TOKENIZER = WordPieceTokenizer(word_pieces.learn_vocabulary([TEXT] * 2, 200))


@pytest.fixture(scope="module")
def pretrained():
    return ne.load_pretrained()


@pytest.fixture(scope="module")
def untrained():
    return ne.build_model(TOKENIZER.vocab)


class Stub:
    """A network whose labels are a given function of its input."""

    def __init__(self, labels):
        self.labels = labels

    def predict(self, x, **_):
        return np.eye(len(LABELS))[self.labels(x)]


spans = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9), st.sampled_from(LABELS[1:4])).map(
        lambda span: (span[0], span[0] + span[1], span[2])
    )
)


@given(spans)
def test_merged_spans_do_not_overlap(intervals):
    """They are sorted and consist of given spans; merging again changes nothing."""
    merged = ne.mergeIntervals(intervals)
    assert ne.mergeIntervals(merged) == merged == sorted(merged)
    for (_, end, _), (start, _, _) in zip(merged, merged[1:], strict=False):
        assert end <= start
    for start, end, label in merged:
        own = [span for span in intervals if span[2] == label]
        assert start in [span[0] for span in own]
        assert end in [span[1] for span in own]


def test_overlapping_spans_are_joined_or_the_longer_is_kept():
    """They are joined if they have the same label."""
    assert ne.mergeIntervals([(3, 9, "A"), (0, 4, "A")]) == [(0, 9, "A")]
    assert ne.mergeIntervals([(3, 9, "B"), (0, 4, "A")]) == [(3, 9, "B")]
    assert ne.mergeIntervals([(3, 5, "B"), (0, 4, "A")]) == [(0, 4, "A")]
    assert ne.mergeIntervals([(4, 5, "B"), (0, 4, "A")]) == [(0, 4, "A"), (4, 5, "B")]


def test_blanks_at_the_ends_of_spans_are_removed():
    """So are spans of blanks alone."""
    data = [("  Ines Vel \n", [(0, 12, "Name"), (0, 2, "Skills"), (2, 6, "Degree")])]
    trimmed = [(2, 10, "Name"), (2, 6, "Degree")]
    assert ne.trim_entity_spans(data) == [(data[0][0], trimmed)]


def test_words_have_the_label_of_their_span():
    """Punctuation marks are words; a span inside a word labels the whole word."""
    words = [word.text for word in word_pieces.words(TEXT)]
    assert words == ["ines", "vel", ",", "lisbon", "(", "since", "2009", ")"]
    name, place, none = "Name", "Location", "Empty"
    (tags,) = ne.clean_dataset([(TEXT, SPANS)])
    assert tags == [name, name, none, place, *[none] * 4]
    (tags,) = ne.clean_dataset([(TEXT, [(1, 2, name)])])
    assert tags == [name, *[none] * 7]


@pytest.mark.parametrize("label_all_tokens", [True, False])
def test_pieces_have_the_label_of_their_word(label_all_tokens):
    """All of them or the first; [CLS], [SEP] and padding have -100."""
    tags = ne.clean_dataset([(TEXT, SPANS), ("", [])])
    x, y = ne.tokenize_and_align_labels(
        TOKENIZER, [TEXT, ""], tags, max_len=40, label_all_tokens=label_all_tokens
    )
    encoding = TOKENIZER.encode(TEXT, max_length=40, pad=True)
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


def test_labels_that_do_not_fit_the_words_are_reported():
    """Too few, as after splitting at blanks only, or unknown ones."""
    for labels in (["Name"] * len(TEXT.split()), ["Surname"] * 8):
        with pytest.raises(InputError, match="8 words"):
            ne.tokenize_and_align_labels(TOKENIZER, [TEXT], [labels])


def test_without_an_overlap_texts_are_truncated():
    """As in the course; the [SEP] is kept."""
    tags = ne.clean_dataset([(TEXT, SPANS)])
    x, y = ne.tokenize_and_align_labels(
        TOKENIZER, [TEXT], tags, max_len=6, overlap=None
    )
    np.testing.assert_array_equal(x, [TOKENIZER.encode(TEXT, max_length=6).ids])
    assert y[0, -1] == ne.IGNORED
    x, _ = ne.tokenize_and_align_labels(TOKENIZER, [TEXT], tags, max_len=6, overlap=2)
    assert len(x) > 1


def test_the_length_of_a_text_does_not_change_its_probabilities():
    """Where they depend on the piece only, many windows give those of one."""
    text = " ".join([TEXT] * 30)
    model = ne.Tagger(Stub(lambda x: x % len(LABELS)), TOKENIZER)
    long, short = ne.word_probabilities(model, [text, TEXT])
    np.testing.assert_allclose(long, np.tile(short, (30, 1)))
    np.testing.assert_allclose(long.sum(1), 1)


def test_predictions_at_the_edges_of_windows_are_not_used():
    """Except at both ends of the text."""
    text = "a " * 500
    edge = np.minimum(np.arange(ne.TX), ne.TX - 1 - np.arange(ne.TX)) < 32
    model = ne.Tagger(Stub(lambda x: np.tile(edge, (len(x), 1)).astype(int)), TOKENIZER)
    (probabilities,) = ne.word_probabilities(model, [text])
    labels = probabilities.argmax(1)
    assert labels[:31].all()  # the first piece is [CLS]
    assert not labels[31:-40].any()


def test_adjacent_words_with_one_label_are_an_entity():
    """Their confidence is the mean; punctuation alone is not an entity."""
    names = ["Name", "Name", "Empty", "Location", "Skills", "Empty", "Degree", "Empty"]
    rows = 0.5 * np.eye(len(LABELS))[[LABELS.index(name) for name in names]]
    rows[1] *= 1.5
    entities = ne.group_entities(TEXT, rows)
    assert [(e["label"], e["text"]) for e in entities] == [
        ("Name", "Ines Vel"),
        ("Location", "Lisbon"),
        ("Degree", "2009"),
    ]
    assert entities[0]["confidence"] == pytest.approx((0.5 + 0.75) / 2)
    assert all(TEXT[e["start"] : e["end"]] == e["text"] for e in entities)


def test_f1_is_the_harmonic_mean_of_precision_and_recall():
    """Two of three predictions are correct, of four expected: P = 2/3, R = 1/2."""
    assert ne.f1_score({1, 2, 3, 4}, {1, 2, 9}) == pytest.approx(4 / 7)
    assert ne.f1_score({1}, {2}) == 0
    assert ne.f1_score(set(), set()) == 1


def test_a_perfect_network_has_an_f1_of_one():
    """One that predicts "Name" for all words has the F1 of that prediction."""
    data = ne.load_data(3, split="test")
    texts = [ne.mark_line_ends(text) for text in data.x]
    tokenizer = WordPieceTokenizer(ne.vocabulary(texts, 250))
    tags = ne.clean_dataset(zip(texts, data.y, strict=True))
    x, y = ne.tokenize_and_align_labels(tokenizer, texts, tags, overlap=ne.OVERLAP)
    known = {row.tobytes(): labels for row, labels in zip(x, y, strict=True)}
    perfect = Stub(lambda x: np.maximum([known[row.tobytes()] for row in x], 0))
    assert ne.f1_scores(ne.Tagger(perfect, tokenizer), data) == (1, 1)
    constant = Stub(lambda x: np.full_like(x, LABELS.index("Name")))
    of_entities, of_words = ne.f1_scores(ne.Tagger(constant, tokenizer), data)
    count = sum(len(row) for row in tags)
    names = sum(row.count("Name") for row in tags)
    tagged = count - sum(row.count("Empty") for row in tags)
    assert of_entities == 0
    assert of_words == pytest.approx(2 * names / (count + tagged))


def test_padding_has_no_influence(untrained):
    """The probabilities of a short window are the same without its padding."""
    ids = np.array([TOKENIZER.encode(TEXT).ids])
    padded = np.pad(ids, [(0, 0), (0, ne.TX - ids.shape[1])])
    short = untrained.model(ids)
    np.testing.assert_allclose(
        untrained.model(padded)[:, : ids.shape[1]], short, atol=1e-5
    )


def test_training_lowers_the_loss_and_changes_every_weight():
    """Two epochs on 16 resumes, with dropout."""
    data = ne.load_data(16)
    keras.utils.set_random_seed(0)
    model = ne.build_model(ne.vocabulary(data.x[:4], 250))
    before = [variable.numpy() for variable in model.model.weights]
    losses = ne.train(model, data, epochs=2, batch_size=16)
    assert losses[-1] < losses[0]
    unchanged = [
        v.path
        for v, old in zip(model.model.weights, before, strict=True)
        if np.array_equal(v, old) and "key/bias" not in v.path
    ]
    # A key's bias adds the same number to all scores of a query; its gradient is 0.
    assert unchanged == []


def test_weights_and_vocabulary_are_restored_from_a_file(tmp_path, untrained):
    """Without the module's default vocabulary."""
    models.save(ne, untrained, tmp_path / "mine.h5")
    loaded = models.load("named_entities", str(tmp_path / "mine.h5"))
    assert loaded.tokenizer.vocab == TOKENIZER.vocab
    for found, expected in zip(
        loaded.model.get_weights(), untrained.model.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_a_saved_network_gives_the_same_numbers(tmp_path, untrained):
    """So does one that is built from its config and given the weights."""
    x, _ = ne.tokenize_and_align_labels(
        TOKENIZER, [TEXT], ne.clean_dataset([(TEXT, SPANS)])
    )
    untrained.model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    copy = ne.TokenClassifier.from_config(untrained.model.get_config())
    copy.build((None, ne.TX))
    copy.set_weights(untrained.model.get_weights())
    for network in (loaded, copy):
        assert type(network) is ne.TokenClassifier
        np.testing.assert_array_equal(network(x), untrained.model(x))


def test_a_file_of_the_course_is_loaded(tmp_path):
    """Overlapping spans are merged and blanks trimmed."""
    path = tmp_path / "ner.json"
    spans = [(0, 9, "Name"), (5, 9, "Name"), (10, 16, "Location")]
    resumes.write_resumes(resumes.Resumes(["Ines Vel\n Lisbon"], [spans]), path)
    data = ne.load_data(path=path)
    assert data.x == ["Ines Vel  Lisbon"]
    assert data.y == [[(0, 8, "Name"), (10, 16, "Location")]]


def test_the_entities_of_the_example_are_found(pretrained):
    """With their labels and offsets."""
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


def test_entities_are_found_in_held_out_layouts_and_names(pretrained):
    """In 40 resumes; the bounds are a few points below those of `evaluate`."""
    of_entities, of_words = ne.f1_scores(pretrained, ne.load_data(40, split="test"))
    assert of_entities > 0.92
    assert of_words > 0.92


def test_entities_are_found_at_the_end_of_a_long_text(pretrained):
    """Four resumes one after the other."""
    _, text = ne.example()
    entities = ne.infer(pretrained, "\n\n".join([text] * 4)).details["entities"]
    last = [e for e in entities if e["start"] >= 3 * (len(text) + 2)]
    assert {e["text"] for e in last} >= {"Quorra University", "2017", "Lisbon"}


def test_the_picture_highlights_the_entities(pretrained):
    """One box per entity if no entity is wrapped; the whole text is shown."""
    _, text = ne.example()
    answer = ne.infer(pretrained, text)
    figure = ne.picture(text, answer)
    (axes,) = figure.axes
    entities = answer.details["entities"]
    assert len(axes.patches) == len(entities)
    assert "\n".join(line.get_text() for line in axes.texts) == text
    (legend,) = figure.legends
    assert {t.get_text() for t in legend.get_texts()} == {e["label"] for e in entities}


def test_a_text_without_entities_has_the_answer_no_entities():
    """The confidence is that of the label "Empty"."""
    answer = ne.infer(ne.Tagger(Stub(np.zeros_like), TOKENIZER), TEXT)
    assert (answer, answer.confidence) == ("no entities", 1)
    assert answer.details["entities"] == []


@pytest.mark.parametrize("text", ["", " \n", None, 3, ("Ines",)])
def test_an_input_without_words_is_reported(pretrained, text):
    """Empty texts and other types."""
    with pytest.raises(InputError, match="text"):
        ne.infer(pretrained, text)
