"""The WordPiece tokenizer: BERT's pieces, with their offsets in the text."""

import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core import files, word_pieces
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.word_pieces import WordPieceTokenizer

SMALL = "[PAD] [UNK] [CLS] [SEP] un ##aff ##able a ##b b ! hello 中 ##a".split()
TEXTS = ["low lower lowest", "new newer newest wide wider widest"]
PLAIN = st.characters(min_codepoint=32, max_codepoint=126)
LETTERS = WordPieceTokenizer(word_pieces.learn_vocabulary(TEXTS, 200))


@pytest.fixture(scope="module")
def bert():
    return WordPieceTokenizer.read(files.find_data(word_pieces.STANDARD))


def test_words_are_split_into_the_longest_pieces_from_left_to_right():
    """A word that cannot be split to its end is unknown as a whole."""
    tokenizer = WordPieceTokenizer(SMALL)
    assert tokenizer.tokenize("unaffable") == ["un", "##aff", "##able"]
    assert tokenizer.tokenize("UNABLE, Hello!") == [
        "un",
        "##able",
        "[UNK]",
        "hello",
        "!",
    ]
    assert tokenizer.tokenize("unaffablex hello") == ["[UNK]", "hello"]
    assert tokenizer.tokenize("ab" * 50)[0] == "a"
    assert tokenizer.tokenize("ab" * 50 + "a") == ["[UNK]"]


def test_words_end_at_blanks_punctuation_and_chinese_characters():
    """Blanks of every kind; control characters are dropped."""
    words = word_pieces.words("Zoë's\u00a0A\u0000-b\t中文c $5.0\ufffd")
    assert [word.text for word in words] == "zoe ' s a - b 中 文 c $ 5 . 0".split()


def test_offsets_point_into_the_original_text():
    """With its accents, capitals and composed letters."""
    text = "  Un\u0301a\u0308ble Å"
    encoding = LETTERS.encode(text)
    spelled = [text[start:end] for start, end in encoding.offsets[1:-1]]
    assert "".join(spelled).replace("\u0301", "").replace("\u0308", "") == "UnableÅ"
    assert encoding.word_ids[1:-1] == [0] * (len(spelled) - 1) + [1]
    assert encoding.offsets[0] == encoding.offsets[-1] == (0, 0)


@given(st.text(PLAIN, max_size=90))
def test_the_pieces_of_a_plain_text_are_its_characters(text):
    """At their offsets, in lower case; only blanks are left out."""
    encoding = LETTERS.encode(text)
    for i, (start, end) in list(zip(encoding.ids, encoding.offsets, strict=True))[1:-1]:
        assert LETTERS.vocab[i].removeprefix("##") == text[start:end].lower()
    kept = "".join(text[start:end] for start, end in encoding.offsets)
    assert kept == text.replace(" ", "")


@given(st.text())
def test_offsets_and_words_are_in_order(text):
    """In any text; all offsets are inside the text."""
    encoding = LETTERS.encode(text)
    pieces = list(zip(encoding.offsets, encoding.word_ids, strict=True))[1:-1]
    assert all(0 <= start < end <= len(text) for (start, end), _ in pieces)
    assert sorted(pieces) == pieces


@given(st.text(PLAIN, max_size=90))
def test_decoding_restores_the_words(text):
    """Encoding them again gives the same ids."""
    ids = LETTERS.encode(text).ids
    decoded = LETTERS.decode(ids)
    assert decoded.split() == [word.text for word in word_pieces.words(text)]
    assert LETTERS.encode(decoded).ids == ids


@given(st.text("abc! ", max_size=30), st.text("abc! ", max_size=30), st.integers(3, 40))
def test_pairs_are_truncated_at_the_longer_text_and_padded(text, pair, max_length):
    """All lists have the length `max_length`; both [SEP] remain."""
    encoding = LETTERS.encode(text, pair, max_length=max_length, pad=True)
    assert {len(row) for row in encoding} == {max_length}
    used = sum(encoding.attention_mask)
    assert encoding.attention_mask == [1] * used + [0] * (max_length - used)
    assert encoding.ids[used:] == [LETTERS.ids["[PAD]"]] * (max_length - used)
    assert encoding.ids.count(LETTERS.ids["[SEP]"]) == 2
    assert encoding.ids[used - 1] == LETTERS.ids["[SEP]"]
    assert encoding.type_ids[:used] == sorted(encoding.type_ids[:used])
    first, second = encoding.type_ids[:used].count(0) - 2, sum(encoding.type_ids) - 1
    whole = [len(LETTERS.tokenize(part)) for part in (text, pair)]
    assert first + second == min(sum(whole), max_length - 3)
    assert first == whole[0] or first >= second
    assert second == whole[1] or second >= first - 1


def test_byte_pair_encoding_joins_frequent_pairs():
    """The vocabulary depends on counts only and is never larger than requested."""
    vocab = word_pieces.learn_vocabulary(TEXTS, 200)
    assert vocab == word_pieces.learn_vocabulary(reversed(TEXTS), 200)
    assert vocab[-3:] == ["##st", "newe", "lowe"]  # each occurs twice
    assert LETTERS.tokenize("lowest newer") == ["lowe", "##st", "newe", "##r"]
    assert word_pieces.learn_vocabulary(TEXTS, 110) == vocab[:110]
    alone = word_pieces.learn_vocabulary(
        ["abab"], 1000
    )  # "ab" and "##ab" differ: no pair repeats
    assert "ab" not in alone


def test_an_invalid_vocabulary_is_reported():
    """Special pieces missing or out of place, a piece twice, a size too small."""
    with pytest.raises(InputError, match=r"lacks \[CLS\], \[SEP\]"):
        WordPieceTokenizer(["[PAD]", "[UNK]", "a"])
    with pytest.raises(InputError, match=r"must be \[PAD\]"):
        WordPieceTokenizer(SMALL[1:])
    with pytest.raises(InputError, match="'un' more than once"):
        WordPieceTokenizer([*SMALL, "un"])
    with pytest.raises(InputError, match="size must be at least"):
        word_pieces.learn_vocabulary(TEXTS, 50)


def test_a_file_that_is_not_a_vocabulary_is_reported(tmp_path):
    """A missing file, binary data, another text; line ends of Windows are accepted."""
    path = tmp_path / "vocab.txt"
    with pytest.raises(MissingFileError):
        WordPieceTokenizer.read(path)
    for content in (b"\xff\xfe\x00", b"a\nb\n", b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is not a vocabulary"):
            WordPieceTokenizer.read(path)
    path.write_bytes("\r\n".join([*SMALL, "\u2028"]).encode())
    assert WordPieceTokenizer.read(path).vocab == (*SMALL, "\u2028")


def test_a_vocabulary_is_saved_as_an_array_of_bytes():
    """An array is what a weight file holds; a file without one is reported."""
    array = WordPieceTokenizer(SMALL).to_array()
    assert array.dtype.kind == "S"
    assert WordPieceTokenizer.from_array(array).vocab == tuple(SMALL)
    with pytest.raises(InputError, match="no vocabulary"):
        WordPieceTokenizer.from_array(None)


@given(st.integers(1, 200), st.integers(4, 30), st.integers(0, 3))
def test_windows_cover_a_row(length, size, overlap):
    """Each shares `overlap` entries with the next, and none is superfluous."""
    row = [*range(length)]
    windows = word_pieces.split_windows(row, size, overlap, padding=-1)
    assert {len(window) for window in windows} == {size}
    used = [[i for i in window if i >= 0] for window in windows]
    assert all(len(window) == size for window in used[:-1])
    assert used[0][0] == 0
    assert used[-1][-1] == length - 1
    for one, other in zip(used, used[1:], strict=False):
        assert other[0] == one[-1] + 1 - overlap
        assert other[-1] > one[-1]


@given(st.integers(1, 200), st.integers(4, 30), st.integers(0, 3))
def test_joining_windows_restores_the_row(length, size, overlap):
    """Of outputs that depend on the entry only."""
    row = [*range(length)]
    windows = word_pieces.split_windows(row, size, overlap)
    outputs = [np.array(window)[:, np.newaxis] for window in windows]
    joined = word_pieces.join_windows(outputs, length, overlap)
    np.testing.assert_array_equal(joined[:, 0], row)


def test_the_edge_of_a_window_is_left_to_its_neighbour():
    """Two windows of 6 share 4 entries: each provides the 2 far from its edge."""
    outputs = [np.full((6, 1), number) for number in (1, 2)]
    joined = word_pieces.join_windows(outputs, 8, 4)
    np.testing.assert_array_equal(joined[:, 0], [1, 1, 1, 1, 2, 2, 2, 2])


def test_pieces_are_averaged_per_word():
    """Special pieces, which belong to no word, are left out."""
    values = np.array([[9.0], [1], [3], [5], [9]])
    means = word_pieces.mean_per_word(values, [None, 0, 0, 1, None])
    np.testing.assert_array_equal(means, [[2], [5]])


def test_what_is_not_a_text_cannot_be_encoded():
    """Nor is a `max_length` below the number of special pieces accepted."""
    for wrong in (None, 3, b"text", ["a"]):
        with pytest.raises(InputError, match="text"):
            LETTERS.encode(wrong)
    with pytest.raises(InputError, match="at least 3"):
        LETTERS.encode("a", "b", max_length=2)


@pytest.mark.data
@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("unaffable", "una ##ffa ##ble"),
        ("Hello, world!", "hello , world !"),
        ("I have a new GPU!", "i have a new gp ##u !"),
        ("embeddings", "em ##bed ##ding ##s"),
        ("Using a Transformer network", "using a transform ##er network"),
        ("naïve café", "naive cafe"),
        ("don't", "don ' t"),
        ("[MASK]", "[ mask ]"),
        ("", ""),
    ],
)
def test_texts_are_split_as_by_uncased_bert(bert, text, pieces):
    """Examples whose pieces are published in many places."""
    assert bert.tokenize(text) == pieces.split()


@pytest.mark.data
def test_ids_are_those_of_uncased_bert(bert):
    """A greeting, and the pair of texts of the first BERT tutorial for PyTorch."""
    assert len(bert) == 30_522
    assert bert.encode("hello world").ids == [101, 7592, 2088, 102]
    pair = bert.encode("Who was Jim Henson?", "Jim Henson was a puppeteer")
    assert pair.ids[:7] == [101, 2040, 2001, 3958, 27227, 1029, 102]
    assert pair.ids[7:] == [3958, 27227, 2001, 1037, 13997, 11510, 102]
    assert pair.type_ids == [0] * 7 + [1] * 7


@pytest.mark.data
def test_every_whole_word_of_bert_is_one_piece(bert):
    """Except special pieces, "..." and those that the normalisation changes."""
    odd = [
        piece
        for piece in bert.vocab
        if not piece.startswith(("##", "["))
        and bert.tokenize(piece) != [piece]
        and unicodedata.normalize("NFD", piece.lower()) == piece
    ]
    assert odd == ["..."]  # three punctuation marks
