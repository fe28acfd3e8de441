"""A WordPiece tokenizer, as BERT has it: "unaffable" becomes un ##aff ##able.

A text is normalised (lower case, without accents and control characters) and split into
words: at blanks, around each punctuation mark and around each Chinese character. Each
word is then split into the longest pieces of a vocabulary, from left to right; "##"
marks a piece that continues a word. Each piece has its offsets in the text, so that
what a network predicts for pieces can be shown in the text.

A vocabulary is a list of pieces, one per line in a file: that of uncased BERT
(`STANDARD`), or one from `learn_vocabulary`, which is byte-pair encoding: it begins
with single characters and repeatedly joins the most frequent pair of adjacent pieces.

Papers: Wu et al. (2016), "Google's neural machine translation system",
https://arxiv.org/abs/1609.08144; Sennrich, Haddow & Birch (2016), "Neural machine
translation of rare words with subword units", https://arxiv.org/abs/1508.07909
"""

import contextlib
import functools
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dls_keras.core import files, readers
from dls_keras.core.errors import InputError

PAD, UNKNOWN, START, END = SPECIAL = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
LONGEST = 100  # characters; a longer word becomes [UNK]
LARGEST = 8 * readers.MEGABYTE  # of a file; that of BERT has 232 kB

STANDARD = files.Remote(
    name="transformers/tokenizer/vocab.txt",
    url="https://huggingface.co/google-bert/bert-base-uncased/resolve/main/vocab.txt",
    sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    licence="Apache-2.0",
)


class Word(NamedTuple):
    """A normalised word, and the position in the text of each of its characters."""

    text: str
    positions: tuple[int, ...]

    @property
    def start(self) -> int:
        """The position of the first character."""
        return self.positions[0]

    @property
    def end(self) -> int:
        """The position after the last character."""
        return self.positions[-1] + 1


class Encoding(NamedTuple):
    """A text, or a pair of texts, as T pieces: five lists of length T.

    Special pieces and padding have the offsets (0, 0) and the word None.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]  # the piece comes from text[start:end]
    word_ids: list[int | None]  # the word of the piece, counted from 0 in its text
    type_ids: list[int]  # 1 in the second text and its [SEP], else 0
    attention_mask: list[int]  # 0 in the padding, else 1


class WordPieceTokenizer:
    """Splits texts into the pieces of a vocabulary, and joins pieces to texts.

    Special pieces are not recognised in a text: "[MASK]" is a bracket, a word and a
    bracket.

    >>> vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##able", "!"]
    >>> tokenizer = WordPieceTokenizer(vocab)
    >>> tokenizer.tokenize("Unable!")
    ['un', '##able', '!']
    >>> tokenizer.encode("Unable!").offsets
    [(0, 0), (0, 2), (2, 6), (6, 7), (0, 0)]

    Attributes:
        vocab: the pieces; the id of a piece is its index.
        ids: the id of each piece.
    """

    def __init__(self, vocab: Sequence[str]):
        """Build a tokenizer.

        Raises:
            InputError: if [PAD] is not the first piece, another special piece is
                missing, or a piece is empty or occurs twice.
        """
        self.vocab = tuple(vocab)
        self.ids = {piece: i for i, piece in enumerate(self.vocab)}
        if self.vocab[:1] != (PAD,):
            first = readers.quoted("".join(self.vocab[:1]))
            raise InputError(
                f"The first of the {len(self.vocab)} pieces must be {PAD}, whose id is "
                f"0, received {first}. Pass the vocabulary of uncased BERT, or the "
                "result of `word_pieces.learn_vocabulary`."
            )
        missing = [piece for piece in SPECIAL if piece not in self.ids]
        if missing:
            raise InputError(
                f"The vocabulary of {len(self.vocab)} pieces lacks "
                f"{', '.join(missing)}. Add these special pieces: they mark both ends "
                "of each text and unknown words."
            )
        if "" in self.ids:
            raise InputError(
                f"Piece {self.ids['']} of the vocabulary is empty. Remove it."
            )
        if len(self.ids) != len(self.vocab):
            (twice, _), *_ = Counter(self.vocab).most_common(1)
            raise InputError(
                f"The vocabulary has {readers.quoted(twice)} more than once. List each "
                "piece once."
            )
        self._splits: dict[str, list[tuple[int, int, int]]] = {}

    @classmethod
    def read(cls, path: str | Path) -> "WordPieceTokenizer":
        """A tokenizer from a vocabulary file: UTF-8, one piece per line.

        Raises:
            MissingFileError: if the file does not exist.
            InputError: if it is not a vocabulary.
        """
        expected = "a vocabulary in UTF-8, one piece per line"
        text = readers.read_text(path, expected, limit=LARGEST)
        try:
            # Not `splitlines`, which also splits at a piece of BERT's vocabulary.
            return cls([line.rstrip("\r") for line in text.rstrip("\n").split("\n")])
        except InputError as error:
            raise InputError(f"{path} is not a vocabulary. {error}") from error

    @classmethod
    def from_array(cls, array: np.ndarray | None) -> "WordPieceTokenizer":
        """A tokenizer from what `to_array` returned.

        Raises:
            InputError: if the array is None, as where a weight file lacks it, or holds
                no vocabulary.
        """
        with contextlib.suppress(UnicodeDecodeError):
            if array is not None and array.ndim == 1 and array.dtype.kind == "S":
                return cls([piece.decode() for piece in array])
        raise InputError(
            "The weight file has no vocabulary of word pieces. The file belongs to "
            "another model."
        )

    def to_array(self) -> np.ndarray:
        """The vocabulary as an array of bytes, to be saved in a weight file."""
        return np.array([piece.encode() for piece in self.vocab])

    def __len__(self) -> int:
        """The number of pieces in the vocabulary."""
        return len(self.vocab)

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text, without special pieces."""
        return [
            self.vocab[i] for word in words(text) for i, _, _ in self._split(word.text)
        ]

    def encode(
        self,
        text: str,
        pair: str | None = None,
        *,
        max_length: int | None = None,
        pad: bool = False,
    ) -> Encoding:
        """[CLS] text [SEP], or [CLS] text [SEP] pair [SEP], as ids.

        Args:
            max_length: truncate to so many pieces, special ones included; of two texts
                the longer one is truncated first.
            pad: append [PAD] up to `max_length`.

        Raises:
            InputError: if a text is not a str, or `max_length` is smaller than the
                number of special pieces.
        """
        parts = [self._pieces(part) for part in (text, pair) if part is not None]
        if not parts:
            raise InputError("Expected a text, received None. Pass a text.")
        special = 1 + len(parts)
        if max_length is not None:
            if max_length < special:
                raise InputError(
                    f"max_length must be at least {special}, the number of special "
                    f"pieces; received {max_length}."
                )
            while sum(map(len, parts)) > max_length - special:
                max(parts[::-1], key=len).pop()
        rows = [(self.ids[START], (0, 0), None, 0, 1)]
        for kind, part in enumerate(parts):
            rows += [(*piece, kind, 1) for piece in part]
            rows.append((self.ids[END], (0, 0), None, kind, 1))
        if pad and max_length is not None:
            padding = (self.ids[PAD], (0, 0), None, 0, 0)
            rows += [padding] * (max_length - len(rows))
        return Encoding(*map(list, zip(*rows, strict=True)))

    def decode(self, ids: Iterable[int]) -> str:
        """The words of the pieces, separated by blanks, without special pieces.

        Case, accents and the original blanks cannot be restored.
        """
        text = " ".join(
            self.vocab[i] for i in ids if self.vocab[i] not in (PAD, START, END)
        )
        return text.replace(" ##", "")

    def _pieces(self, text):
        """(id, (start, end), number of the word) of each piece of a text."""
        return [
            (i, (word.positions[a], word.positions[b - 1] + 1), number)
            for number, word in enumerate(words(text))
            for i, a, b in self._split(word.text)
        ]

    def _split(self, word):
        """The pieces of a word, longest first: (id, start, end) in the word."""
        if word not in self._splits:
            self._splits[word] = self._longest_match_first(word)
        return self._splits[word]

    def _longest_match_first(self, word):
        unknown = [(self.ids[UNKNOWN], 0, len(word))]
        if len(word) > LONGEST:
            return unknown
        pieces, start = [], 0
        while start < len(word):
            prefix = "##" if start else ""
            for end in range(len(word), start, -1):
                if (i := self.ids.get(prefix + word[start:end])) is not None:
                    break
            else:
                return unknown
            pieces.append((i, start, end))
            start = end
        return pieces


def words(text: str) -> list[Word]:
    """The words and punctuation marks of a text, in lower case and without accents.

    Raises:
        InputError: if `text` is not a str.
    """
    if not isinstance(text, str):
        raise InputError(f"Expected a text, received {type(text).__name__}.")
    found: list[Word] = []
    letters: list[str] = []
    positions: list[int] = []

    def finish():
        if letters:
            found.append(Word("".join(letters), tuple(positions)))
            letters.clear()
            positions.clear()

    for position, character in enumerate(text):
        blank, is_word, normalised = _normalise(character)
        if blank or is_word:
            finish()
        for letter in normalised:
            mark = _is_punctuation(letter)
            if mark:
                finish()
            letters.append(letter)
            positions.append(position)
            if mark:
                finish()
        if is_word:
            finish()
    finish()
    return found


def split_windows(
    row: Sequence[int], size: int, overlap: int, padding: int = 0
) -> list[list[int]]:
    """A row as windows of `size` entries, each overlapping the next; the last padded.

    >>> split_windows([1, 2, 3, 4, 5, 6], size=4, overlap=1)
    [[1, 2, 3, 4], [4, 5, 6, 0]]
    """
    windows = [[*row[part]] for part in _windows(len(row), size, overlap)]
    windows[-1] += [padding] * (size - len(windows[-1]))
    return windows


def _windows(length, size, overlap):
    """Slices of `size` positions that cover `length` positions."""
    step = size - overlap
    count = 1 + max(0, -(-(length - size) // step))
    return [slice(i * step, i * step + size) for i in range(count)]


def join_windows(
    outputs: Sequence[np.ndarray], length: int, overlap: int
) -> np.ndarray:
    """The outputs (length, n) of all positions from those of their windows.

    Where two windows overlap, each provides the half that is farther from its edge.

    Args:
        outputs: (size, n) for each window of `split_windows`; those for the padding of
            the last window are dropped.
    """
    joined = np.zeros((length, outputs[0].shape[-1]))
    parts = _windows(length, len(outputs[0]), overlap)
    for part, output in zip(parts, outputs, strict=True):
        skipped = overlap // 2 if part.start else 0
        inside = joined[part]
        inside[skipped:] = output[skipped : len(inside)]
    return joined


def mean_per_word(values: np.ndarray, word_ids: Sequence[int | None]) -> np.ndarray:
    """The means over the pieces of each word, (words, n), from values (T, n)."""
    words = np.array([-1 if word is None else word for word in word_ids])
    total = np.zeros((words.max() + 1, values.shape[-1]))
    np.add.at(total, words[words >= 0], values[words >= 0])
    return total / np.bincount(words[words >= 0])[:, np.newaxis]


def learn_vocabulary(texts: Iterable[str], size: int) -> list[str]:
    """A vocabulary of at most `size` pieces, by byte-pair encoding of the texts.

    It contains the special pieces, all characters of the texts and the printable ASCII
    characters, so that a text of these has no unknown words.

    Raises:
        InputError: if `size` is too small for them.
    """
    counts = Counter(word.text for text in texts for word in words(text))
    plain = {*string.ascii_lowercase, *string.digits}
    letters = {letter for word in counts for letter in word} | plain
    inside = {letter for word in counts for letter in word[1:]} | plain
    vocab = [*SPECIAL, *sorted(letters | {*string.punctuation})]
    vocab += ["##" + letter for letter in sorted(inside)]
    if len(vocab) > size:
        raise InputError(
            f"size must be at least {len(vocab)}, the number of characters and special "
            f"pieces; received {size}."
        )
    splits = {w: [w[0], *("##" + c for c in w[1:])] for w in counts}
    # How often each pair of adjacent pieces occurs, and in which words.
    pairs: Counter[tuple[str, str]] = Counter()
    holders = defaultdict(set)

    def count(word, sign):
        """Add the adjacent pairs of a word to the counts, or subtract them."""
        for pair in zip(splits[word], splits[word][1:], strict=False):
            pairs[pair] += sign * counts[word]
            holders[pair].add(word)
            if not pairs[pair]:
                del pairs[pair]

    for word in sorted(counts):
        count(word, 1)
    known = {*vocab}
    while len(vocab) < size and pairs:
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] < 2:
            break
        joined = best[0] + best[1].removeprefix("##")
        if joined not in known:  # two pairs may result in the same piece
            known.add(joined)
            vocab.append(joined)
        for word in holders.pop(best):
            count(word, -1)
            splits[word] = _join(splits[word], best, joined)
            count(word, 1)
    return vocab


def _join(pieces, pair, joined):
    """The pieces of a word, with each occurrence of `pair` replaced by `joined`."""
    result, i = [], 0
    while i < len(pieces):
        if tuple(pieces[i : i + 2]) == pair:
            result.append(joined)
            i += 2
        else:
            result.append(pieces[i])
            i += 1
    return result


@functools.lru_cache(maxsize=4096)
def _normalise(character):
    """Whether a character is a blank, or a word by itself; and its letters.

    The letters are in lower case and without accents; control characters have none.
    """
    kind = unicodedata.category(character)
    if character in "\t\n\r" or kind == "Zs":
        return True, False, ""
    if character == "\ufffd" or kind[0] == "C":
        return False, False, ""
    plain = unicodedata.normalize("NFD", character.lower())
    plain = "".join(c for c in plain if unicodedata.category(c) != "Mn")
    return False, _is_chinese(character), plain


@functools.lru_cache(maxsize=4096)
def _is_punctuation(letter):
    """Punctuation, or an ASCII symbol such as "$", as in BERT."""
    return letter in string.punctuation or unicodedata.category(letter)[0] == "P"


# The Unicode blocks of Chinese characters, which are written without blanks; BERT has a
# piece for each character.
_CHINESE = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B820, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)


def _is_chinese(character):
    return any(first <= ord(character) <= last for first, last in _CHINESE)
