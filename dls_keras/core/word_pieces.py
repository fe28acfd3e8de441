"""Text as word pieces, the way BERT reads: "unaffable" is un ##aff ##able.

A text is cleaned (control characters out, lower case, accents off), cut at blanks,
around each mark and around each Chinese character, and every word is spelled with the
longest pieces of a vocabulary, from left to right; "##" marks a piece that goes on.
Each piece knows which characters of the text it stands for, so that what a network
says about pieces can be shown in the text.

The vocabulary is a text of one piece a line: that of uncased BERT (`STANDARD`), or one
of your own, which `learn` finds in texts: letters first, then, again and again, the
two neighbours joined that stand side by side most often.

Papers: Wu et al. (2016), "Google's neural machine translation system",
https://arxiv.org/abs/1609.08144; Sennrich, Haddow & Birch (2016), https://arxiv.org/abs/1508.07909
"""

import functools
import string
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from dls_keras.core import files
from dls_keras.core.errors import InputError, MissingFileError

PAD, UNKNOWN, START, END = SPECIAL = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
LONGEST = 100  # letters; a longer word is unknown

STANDARD = files.Remote(
    name="transformers/tokenizer/vocab.txt",
    url="https://huggingface.co/google-bert/bert-base-uncased/resolve/main/vocab.txt",
    sha256="07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
    licence="Apache-2.0",
)


class Word(NamedTuple):
    """A word as it is looked up, and for each letter its place in the text."""

    text: str
    places: tuple[int, ...]

    @property
    def start(self) -> int:
        return self.places[0]

    @property
    def end(self) -> int:
        return self.places[-1] + 1


class Encoding(NamedTuple):
    """A text, or a pair of texts, as T pieces; lists of length T.

    Special pieces and the filling have the offsets (0, 0) and None for a word.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]  # text[start:end] is what the piece stands for
    word_ids: list[int | None]  # the piece's word, counted from 0 in its text
    type_ids: list[int]  # 1 in the second text and its [SEP]
    mask: list[int]  # 0 in the filling


class WordPieces:
    """Cuts texts into the pieces of a vocabulary and back.

    Text is text: "[MASK]" in it means a bracket, a word and a bracket.

    >>> pieces = WordPieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##able", "!"])
    >>> pieces.tokenize("Unable!")
    ['un', '##able', '!']
    >>> pieces.encode("Unable!").offsets
    [(0, 0), (0, 2), (2, 6), (6, 7), (0, 0)]
    """

    def __init__(self, vocab: Sequence[str]):
        """Take the pieces; their places in `vocab` are their ids.

        Raises:
            InputError: if [PAD] is not the first, another special piece is missing, or
                one stands there twice.
        """
        self.vocab = tuple(vocab)
        self.ids = {piece: i for i, piece in enumerate(self.vocab)}
        if self.vocab[:1] != (PAD,):
            raise InputError(
                f"The vocabulary of {len(self.vocab)} pieces does not begin with "
                f"{PAD}, the filling, whose id is 0. Hand in that of uncased BERT, or "
                "what `word_pieces.learn` returns."
            )
        missing = [piece for piece in SPECIAL if piece not in self.ids]
        if missing:
            raise InputError(
                f"The vocabulary of {len(self.vocab)} pieces lacks "
                f"{', '.join(missing)}. Add them: special pieces stand at both ends of "
                "each text and for what is unknown."
            )
        if len(self.ids) != len(self.vocab):
            (twice, _), *_ = Counter(self.vocab).most_common(1)
            raise InputError(
                f"The vocabulary has {twice!r} more than once. Name each piece once."
            )
        self._spelled: dict[str, list[tuple[int, int, int]]] = {}

    @classmethod
    def read(cls, path: str | Path) -> "WordPieces":
        """The pieces of a vocabulary file, UTF-8, one a line.

        Raises:
            InputError: if it is no such file.
        """
        if not Path(path).is_file():
            raise MissingFileError(
                f"{path} does not exist. Expected a vocabulary, one piece a line."
            )
        try:
            text = Path(path).read_text("utf-8")
            # Not `splitlines`: the vocabulary has a piece that it takes for a line end.
            return cls([line.rstrip("\r") for line in text.rstrip("\n").split("\n")])
        except UnicodeDecodeError as error:
            raise InputError(
                f"{path} is no vocabulary: it is not a text in UTF-8. "
                "Expected one piece a line."
            ) from error
        except InputError as error:
            raise InputError(f"{path} is no vocabulary. {error}") from error

    def __len__(self) -> int:
        return len(self.vocab)

    def tokenize(self, text: str) -> list[str]:
        """The pieces of a text, without the special ones."""
        return [
            self.vocab[i] for word in words(text) for i, _, _ in self._spell(word.text)
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
            max_length: of all pieces; of two texts the longer one is cut first.
            pad: fill up to `max_length` with [PAD].

        Raises:
            InputError: if a text is no text, or `max_length` has no room for the
                special pieces.
        """
        parts = [self._pieces(part) for part in (text, pair) if part is not None]
        if not parts:
            raise InputError("Expected a text, got None. Pass a text.")
        special = 1 + len(parts)
        if max_length is not None:
            if max_length < special:
                raise InputError(
                    f"max_length is {max_length}, and {special} special pieces need "
                    f"their place. Choose at least {special}."
                )
            while sum(map(len, parts)) > max_length - special:
                max(parts[::-1], key=len).pop()
        rows = [(self.ids[START], (0, 0), None, 0, 1)]
        for kind, part in enumerate(parts):
            rows += [(*piece, kind, 1) for piece in part]
            rows.append((self.ids[END], (0, 0), None, kind, 1))
        if pad and max_length is not None:
            filling = (self.ids[PAD], (0, 0), None, 0, 0)
            rows += [filling] * (max_length - len(rows))
        return Encoding(*map(list, zip(*rows, strict=True)))

    def decode(self, ids: Iterable[int]) -> str:
        """The words of pieces, a blank between any two; special pieces are left out.

        Case, accents and the original blanks are gone for good.
        """
        text = " ".join(
            self.vocab[i] for i in ids if self.vocab[i] not in (PAD, START, END)
        )
        return text.replace(" ##", "")

    def _pieces(self, text):
        """(id, (start, end), number of the word) of each piece of a text."""
        return [
            (i, (word.places[a], word.places[b - 1] + 1), number)
            for number, word in enumerate(words(text))
            for i, a, b in self._spell(word.text)
        ]

    def _spell(self, word):
        """The longest pieces from left to right: (id, start, end) in the word."""
        if word not in self._spelled:
            self._spelled[word] = self._longest_first(word)
        return self._spelled[word]

    def _longest_first(self, word):
        whole = [(self.ids[UNKNOWN], 0, len(word))]
        if len(word) > LONGEST:
            return whole
        pieces, start = [], 0
        while start < len(word):
            goes_on = "##" if start else ""
            for end in range(len(word), start, -1):
                if (i := self.ids.get(goes_on + word[start:end])) is not None:
                    break
            else:
                return whole
            pieces.append((i, start, end))
            start = end
        return pieces


def words(text: str) -> list[Word]:
    """The words and marks of a text, in lower case and without accents."""
    if not isinstance(text, str):
        raise InputError(f"Expected a text, got {type(text).__name__}. Pass a text.")
    found, letters, places = [], [], []

    def finish():
        if letters:
            found.append(Word("".join(letters), tuple(places)))
            letters.clear()
            places.clear()

    for place, character in enumerate(text):
        blank, apart, plain = _reading(character)
        if blank or apart:
            finish()
        for letter in plain:
            mark = _is_mark(letter)
            if mark:
                finish()
            letters.append(letter)
            places.append(place)
            if mark:
                finish()
        if apart:
            finish()
    finish()
    return found


def learn(texts: Iterable[str], size: int) -> list[str]:
    """A vocabulary of at most `size` pieces for texts like these.

    The special pieces, the letters of the texts and the printable ASCII ones are
    always in it, so that a plain text holds nothing unknown.

    Raises:
        InputError: if `size` has no room for them.
    """
    counts = Counter(word.text for text in texts for word in words(text))
    plain = {*string.ascii_lowercase, *string.digits}
    letters = {letter for word in counts for letter in word} | plain
    inside = {letter for word in counts for letter in word[1:]} | plain
    vocab = [*SPECIAL, *sorted(letters | {*string.punctuation})]
    vocab += ["##" + letter for letter in sorted(inside)]
    if len(vocab) > size:
        raise InputError(
            f"A vocabulary of {size} has no room for {len(vocab)} letters, marks and "
            f"special pieces. Choose at least {len(vocab)}."
        )
    spelled = {w: [w[0], *("##" + c for c in w[1:])] for w in counts}
    pairs, holders = Counter(), defaultdict(set)  # how often, and in which words

    def count(word, sign):
        for pair in zip(spelled[word], spelled[word][1:], strict=False):
            pairs[pair] += sign * counts[word]
            holders[pair].add(word)
            if not pairs[pair]:
                del pairs[pair]

    for word in sorted(counts):
        count(word, 1)
    seen = {*vocab}
    while len(vocab) < size and pairs:
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        if pairs[best] < 2:
            break
        joined = best[0] + best[1].removeprefix("##")
        if joined not in seen:  # two pairs may make one piece
            seen.add(joined)
            vocab.append(joined)
        for word in holders.pop(best):
            count(word, -1)
            spelled[word] = _join(spelled[word], best, joined)
            count(word, 1)
    return vocab


def _join(pieces, pair, joined):
    """The pieces of a word, each occurrence of the pair made one."""
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
def _reading(character):
    """Whether a character is a blank or a word by itself, and its plain letters."""
    kind = unicodedata.category(character)
    if character in "\t\n\r" or kind == "Zs":
        return True, False, ""
    if character == "\ufffd" or kind[0] == "C":
        return False, False, ""
    plain = unicodedata.normalize("NFD", character.lower())
    plain = "".join(c for c in plain if unicodedata.category(c) != "Mn")
    return False, _is_chinese(character), plain


@functools.lru_cache(maxsize=4096)
def _is_mark(letter):
    """Punctuation, and every printable ASCII character but letters and digits."""
    return letter in string.punctuation or unicodedata.category(letter)[0] == "P"


# The blocks of Chinese characters: BERT has a piece for each, and they know no blanks.
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
