"""Word pieces: BERT's spelling, offsets that lead back into the text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dls_keras.core import files, word_pieces
from dls_keras.core.errors import InputError, MissingFileError
from dls_keras.core.word_pieces import WordPieces

SMALL = "[PAD] [UNK] [CLS] [SEP] un ##aff ##able a ##b b ! hello 中 ##a".split()
TEXTS = ["low lower lowest", "new newer newest wide wider widest"]
PLAIN = st.characters(min_codepoint=32, max_codepoint=126)
LETTERS = WordPieces(word_pieces.learn(TEXTS, 200))


@pytest.fixture(scope="module")
def bert():
    return WordPieces.read(files.find_data(word_pieces.STANDARD))


def test_the_longest_piece_comes_first():
    """From left to right; what cannot be spelled to its end is unknown as a whole."""
    pieces = WordPieces(SMALL)
    assert pieces.tokenize("unaffable") == ["un", "##aff", "##able"]
    assert pieces.tokenize("UNABLE, Hello!") == ["un", "##able", "[UNK]", "hello", "!"]
    assert pieces.tokenize("unaffablex hello") == ["[UNK]", "hello"]
    assert pieces.tokenize("ab" * 50)[0] == "a"
    assert pieces.tokenize("ab" * 50 + "a") == ["[UNK]"]


def test_marks_chinese_characters_and_blanks_part_words():
    """Blanks of every kind; control characters are not there at all."""
    words = [
        w.text for w in word_pieces.words("Zoë's\u00a0A\u0000-b\t中文c $5.0\ufffd")
    ]
    assert words == [
        "zoe",
        "'",
        "s",
        "a",
        "-",
        "b",
        "中",
        "文",
        "c",
        "$",
        "5",
        ".",
        "0",
    ]


def test_offsets_point_into_the_text_as_it_was():
    """Accents, capitals and composed letters: the piece stands for these."""
    text = "  Un\u0301a\u0308ble Å"
    encoding = LETTERS.encode(text)
    spelled = [text[start:end] for start, end in encoding.offsets[1:-1]]
    assert "".join(spelled).replace("\u0301", "").replace("\u0308", "") == "UnableÅ"
    assert encoding.word_ids[1:-1] == [0] * (len(spelled) - 1) + [1]
    assert encoding.offsets[0] == encoding.offsets[-1] == (0, 0)


@given(st.text(PLAIN, max_size=90))
def test_a_plain_text_is_cut_into_its_own_characters(text):
    """The pieces, put in place, are the text without its blanks and capitals."""
    encoding = LETTERS.encode(text)
    for i, (start, end) in list(zip(encoding.ids, encoding.offsets, strict=True))[1:-1]:
        assert LETTERS.vocab[i].removeprefix("##") == text[start:end].lower()
    kept = "".join(text[start:end] for start, end in encoding.offsets)
    assert kept == text.replace(" ", "")


@given(st.text())
def test_offsets_never_go_back(text):
    """In any text at all: within it, in order, and one word after the other."""
    encoding = LETTERS.encode(text)
    pieces = list(zip(encoding.offsets, encoding.word_ids, strict=True))[1:-1]
    assert all(0 <= start < end <= len(text) for (start, end), _ in pieces)
    assert sorted(pieces) == pieces


@given(st.text(PLAIN, max_size=90))
def test_decoding_gives_the_words_back(text):
    """And encoding those once more gives the same ids."""
    ids = LETTERS.encode(text).ids
    decoded = LETTERS.decode(ids)
    assert decoded.split() == [word.text for word in word_pieces.words(text)]
    assert LETTERS.encode(decoded).ids == ids


@given(st.text("abc! ", max_size=30), st.text("abc! ", max_size=30), st.integers(3, 40))
def test_pairs_are_cut_from_their_longer_text_and_filled(text, pair, max_length):
    """One length, both [SEP], a mask of ones before its zeros."""
    encoding = LETTERS.encode(text, pair, max_length=max_length, pad=True)
    assert {len(row) for row in encoding} == {max_length}
    used = sum(encoding.mask)
    assert encoding.mask == [1] * used + [0] * (max_length - used)
    assert encoding.ids[used:] == [LETTERS.ids["[PAD]"]] * (max_length - used)
    assert encoding.ids.count(LETTERS.ids["[SEP]"]) == 2
    assert encoding.ids[used - 1] == LETTERS.ids["[SEP]"]
    assert encoding.type_ids[:used] == sorted(encoding.type_ids[:used])
    first, second = encoding.type_ids[:used].count(0) - 2, sum(encoding.type_ids) - 1
    whole = [len(LETTERS.tokenize(part)) for part in (text, pair)]
    assert first + second == min(sum(whole), max_length - 3)
    assert first == whole[0] or first >= second
    assert second == whole[1] or second >= first - 1


def test_a_learnt_vocabulary_joins_what_is_frequent():
    """Deterministic, never larger than asked for, each piece made of earlier ones."""
    vocab = word_pieces.learn(TEXTS, 200)
    assert vocab == word_pieces.learn(reversed(TEXTS), 200)
    assert vocab[-3:] == ["##st", "newe", "lowe"]  # what stands there twice
    assert LETTERS.tokenize("lowest newer") == ["lowe", "##st", "newe", "##r"]
    assert word_pieces.learn(TEXTS, 110) == vocab[:110]
    alone = word_pieces.learn(["abab"], 1000)  # "ab" and "##ab" differ: no pair repeats
    assert "ab" not in alone


def test_a_vocabulary_without_the_special_pieces_is_told():
    """Missing, out of place, twice, or too small to hold the letters."""
    with pytest.raises(InputError, match=r"lacks \[CLS\], \[SEP\]"):
        WordPieces(["[PAD]", "[UNK]", "a"])
    with pytest.raises(InputError, match=r"begin with \[PAD\]"):
        WordPieces(SMALL[1:])
    with pytest.raises(InputError, match="'un' more than once"):
        WordPieces([*SMALL, "un"])
    with pytest.raises(InputError, match="no room for"):
        word_pieces.learn(TEXTS, 50)


def test_a_file_that_is_no_vocabulary_is_told(tmp_path):
    """Not there, not a text, or another text; lines may end as they do on Windows."""
    path = tmp_path / "vocab.txt"
    with pytest.raises(MissingFileError):
        WordPieces.read(path)
    for content in (b"\xff\xfe\x00", b"a\nb\n", b""):
        path.write_bytes(content)
        with pytest.raises(InputError, match="is no vocabulary"):
            WordPieces.read(path)
    path.write_bytes("\r\n".join([*SMALL, "\u2028"]).encode())
    assert WordPieces.read(path).vocab == (*SMALL, "\u2028")


def test_what_cannot_be_encoded_is_told():
    """No text, or no room for the special pieces."""
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
def test_known_texts_are_cut_as_bert_cuts_them(bert, text, pieces):
    """Spellings that everybody sees who uses uncased BERT."""
    assert bert.tokenize(text) == pieces.split()


@pytest.mark.data
def test_known_ids_are_berts(bert):
    """A greeting, and the pair of the first BERT tutorial for PyTorch."""
    assert len(bert) == 30_522
    assert bert.encode("hello world").ids == [101, 7592, 2088, 102]
    pair = bert.encode("Who was Jim Henson?", "Jim Henson was a puppeteer")
    assert pair.ids[:7] == [101, 2040, 2001, 3958, 27227, 1029, 102]
    assert pair.ids[7:] == [3958, 27227, 2001, 1037, 13997, 11510, 102]
    assert pair.type_ids == [0] * 7 + [1] * 7


@pytest.mark.data
def test_every_whole_piece_of_bert_is_read_as_itself(bert):
    """But for the special ones, "..." and those that clean-up and capitals rule out."""
    odd = [
        piece
        for piece in bert.vocab
        if not piece.startswith(("##", "["))
        and bert.tokenize(piece) != [piece]
        and unicodedata.normalize("NFD", piece.lower()) == piece
    ]
    assert odd == ["..."]  # three marks
