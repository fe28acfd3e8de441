"""GloVe: the word vectors published by the Stanford NLP group.

A text file with one line per word, most frequent words first: the word, then its
numbers, separated by single spaces. The vectors of glove.6B were trained on Wikipedia
2014 and Gigaword 5; licence: Public Domain Dedication (PDDL) 1.0.
Paper: Pennington, Socher & Manning (2014), https://nlp.stanford.edu/pubs/glove.pdf
"""

import contextlib
import io
import re
import warnings
import zipfile
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from dls_keras.core import files, readers, weights
from dls_keras.core.errors import InputError, MissingFileError

FOLDER = "word_vectors"
INSTEAD = (
    "Download https://nlp.stanford.edu/data/glove.6B.zip (862 MB, no hash is "
    "published) and put glove.6B.{dimension}d.txt, or the zip, into the folder "
    "word_vectors below DLS_KERAS_DATA; or pass the path of a GloVe file."
)
BLOCK = 1 << 18  # bytes of text that are parsed at a time
LONGEST = 1 << 16  # bytes of a line; the longest known is below 4,000
LARGEST = 6 * 10**9  # bytes of text; glove.840B.300d.txt has 5.6e9
EXPANSION = 10  # bytes of text for each byte of an archive; those of GloVe have 3
A_FILE = "a GloVe text or zip"
HEADER = re.compile(rb"(\d{1,9}) (\d{1,9})\s*")  # of word2vec: words and dimension
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Index(Mapping):
    """A mapping from words to 0, 1, 2, … in a third of the memory of a dict.

    For 400,000 words a dict takes 28 MB, since each number is an object; this takes 8
    MB. It is a hash table with open addressing and linear probing: a slot holds a
    number, or -1 if it is free, and at least half of the slots are free.
    """

    def __init__(self, words: Iterable[str] = ()):
        self._words: list[str] = []
        self._slots = array("i", [-1] * 8)
        for word in words:
            self.add(word)

    def add(self, word: str) -> bool:
        """Give `word` the next number; return False if it has one already."""
        slot = self._slot(word)
        if self._slots[slot] >= 0:
            return False
        self._slots[slot] = len(self._words)
        self._words.append(word)
        if 2 * len(self._words) > len(self._slots):
            self._slots = array("i", [-1]) * (2 * len(self._slots))
            for number, known in enumerate(self._words):
                self._slots[self._slot(known)] = number
        return True

    def _slot(self, word):
        """The slot of `word`, or the free slot where it would be inserted."""
        slots, words = self._slots, self._words
        slot = hash(word) % len(slots)
        while (number := slots[slot]) >= 0 and words[number] != word:
            slot = (slot + 1) % len(slots)
        return slot

    def __getitem__(self, word: str) -> int:
        number = self._slots[self._slot(word)]
        if number < 0:
            raise KeyError(word)
        return number

    def __iter__(self) -> Iterator[str]:
        return iter(self._words)

    def __len__(self) -> int:
        return len(self._words)

    def __reduce__(self):
        return Index, (self._words,)  # string hashes differ between processes


class WordVectors(Mapping):
    """A mapping from words to vectors, which are the rows of one matrix.

    It suits 400,000 words: `vectors["cat"]` is a view of a row, not a copy.

    Attributes:
        index: maps each word to its row, in the order of the rows.
        matrix: (words, dimension) float64.
    """

    def __init__(self, index: Mapping[str, int], matrix: np.ndarray):
        self.index = index
        self.matrix = matrix

    def __getitem__(self, word: str) -> np.ndarray:
        return self.matrix[self.index[word]]

    def __iter__(self) -> Iterator[str]:
        return iter(self.index)

    def __len__(self) -> int:
        return len(self.index)

    def __contains__(self, word) -> bool:
        return word in self.index


def load_glove(path: str | Path | None = None, dimension: int = 50) -> WordVectors:
    """The vectors of a GloVe file, by default of the one that is available locally.

    Args:
        path: a GloVe text file, or a zip archive of one. By default
            `$DLS_KERAS_DATA/word_vectors` and the cache are searched for
            glove.6B.50d.txt, its zip, glove.6B.zip, and the public parts of it (14,208
            words of dimension 50).
        dimension: of the vectors: 50, 100, 200 or 300 in glove.6B.

    Raises:
        InputError: if a line is not a word and its numbers, or the archive is damaged.
        MissingFileError: if there is no such file.
    """
    member = f"glove.6B.{dimension}d.txt"
    if path is not None:
        return read([path], member)
    for name in (member, f"{member}.zip", "glove.6B.zip"):
        for folder in (files.data_folder(), files.home() / "data"):
            if folder and (folder / FOLDER / name).is_file():
                return read([folder / FOLDER / name], member)
    published = weights.published("word_vectors")["glove"]
    parts = [files.in_data_folder(remote.name) for remote in published]
    local = [part for part in parts if part is not None]
    if dimension == 50 and len(local) == len(published):
        return read(local)
    raise MissingFileError(
        f"{member} is not available. {INSTEAD.format(dimension=dimension)}"
    )


def read(paths: Sequence[str | Path], member: str | None = None) -> WordVectors:
    """The vectors in GloVe files; of a repeated word the first vector counts.

    Args:
        paths: text files, or zip archives of one, all of the same dimension. A first
            line with two integers (word2vec's "words dimension") is checked and
            skipped.
        member: the file to read from an archive of several.
    """
    index, matrix, dimension = Index(), np.empty((0, 0)), None
    for path in paths:
        declared, count = None, 0
        with _opened(path, member) as file:
            for first, lines in _blocks(path, file):
                if first == 1:
                    lines[0] = lines[0].removeprefix(BYTE_ORDER_MARK)
                    if declared := HEADER.fullmatch(lines[0]):
                        dimension = dimension or int(declared[2])
                        lines[0] = b""
                words, rows = _numbers(path, first, lines, dimension)
                count += len(words)
                if not words:
                    continue
                dimension, start = rows.shape[1], len(index)
                new = [i for i, word in enumerate(words) if index.add(word)]
                # Grown in place, so that there are never two copies of all vectors.
                matrix.resize((start + len(new), dimension), refcheck=False)
                matrix[start:] = rows[new]
        if declared and count != int(declared[1]):
            raise InputError(
                f"{path} has {count:,} words, but its first line declares "
                f"{int(declared[1]):,}. Use the complete file."
            )
    if not index:
        names = ", ".join(map(str, paths))
        raise InputError(f"There are no word vectors in {names}: the file is empty.")
    return WordVectors(index, matrix)


@contextlib.contextmanager
def _opened(path, member) -> Iterator[IO[bytes]]:
    """The open text file, also if it is inside a zip archive."""
    with readers.reading(path, A_FILE):
        readers.check_size(path, LARGEST)
        with open(path, "rb") as file:
            zipped = file.read(4) == b"PK\3\4"  # also if the rest is missing
            if not (zipped or zipfile.is_zipfile(path)):
                file.seek(0)
                yield file
                return
    with readers.opened_zip(path, A_FILE) as archive:
        texts = [name for name in archive.namelist() if name.endswith(".txt")]
        chosen = member if member in texts else texts[0] if len(texts) == 1 else None
        if chosen is None:
            some = ", ".join(name[:60] for name in texts[:5]) or "no text file"
            raise InputError(
                f"{path} contains {some}, expected {member}. Unzip it and pass the "
                "path of the text file."
            )
        packed = archive.getinfo(chosen).compress_size
        limit = min(LARGEST, max(readers.MEGABYTE, EXPANSION * packed))
        with readers.opened_member(archive, chosen, limit=limit) as file:
            yield file


def _blocks(path, file):
    """The number of the first line, from 1, and the lines of each block of the file."""
    first, rest = 1, b""
    while block := file.read(BLOCK):
        *lines, rest = (rest + block).split(b"\n")
        if b"\0" in block or len(rest) > LONGEST:
            raise InputError(
                f"{path} is not a GloVe file: up to line {first + len(lines)} one has "
                f"zero bytes, or more than {LONGEST:,} bytes. {readers.COPY}"
            )
        if lines:
            yield first, lines
        first += len(lines)
    if rest:
        yield first, [rest]


def _numbers(path, first, lines, dimension):
    """The words of some lines, and their vectors (words, dimension) float64."""
    numbered = [(n, line.strip()) for n, line in enumerate(lines, first)]
    numbered = [(n, line) for n, line in numbered if line]
    if not numbered:
        return [], None
    dimension = dimension or numbered[0][1].count(b" ")
    parts = [_parted(line, dimension) for _, line in numbered]
    try:
        if dimension < 1:
            raise ValueError("no numbers")
        words = [word.decode() for word, _ in parts]
        text = b"\n".join(numbers for _, numbers in parts)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns that there are no numbers
            rows = np.loadtxt(io.BytesIO(text), ndmin=2, comments=None)
        if rows.shape != (len(words), dimension) or not _finite(rows):
            raise ValueError(f"shape {rows.shape}")
    except (ValueError, Warning) as error:
        faulty = (n for n, p in zip(numbered, parts, strict=True) if _bad(p, dimension))
        number, line = next(faulty, numbered[0])
        raise InputError(
            f"{path}, line {number}: expected a word and {dimension} numbers with "
            f"single spaces between, received {readers.quoted(line)}. Is this a GloVe "
            "file in UTF-8, with finite vectors of one dimension?"
        ) from error
    return words, rows


def _parted(line, dimension):
    """The word of a line, and its numbers as text."""
    if line.count(b" ") == dimension:
        word, _, numbers = line.partition(b" ")
        return word, numbers
    # A word may contain spaces (". . ." in glove.840B), a number may not.
    word, *numbers = line.rsplit(b" ", dimension)
    return word, b" ".join(numbers)


def _bad(part, dimension):
    """Whether a split line is not a word in UTF-8 and its numbers."""
    word, text = part
    try:
        word.decode()
        numbers = np.array(text.split(b" ") if text else [], float)
        return len(numbers) != max(dimension, 1) or not _finite(numbers)
    except ValueError:
        return True


def _finite(numbers):
    """Whether all numbers are in the range of float32, whose squares are finite."""
    return (np.abs(numbers) <= np.finfo("float32").max).all()
