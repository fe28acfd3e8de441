"""The words of an embedding layer, which a Keras file does not have.

The course numbers the words of a GloVe file in alphabetical order from 1; row 0 of the
embedding is for padding. The file holds the vectors, so the list of words is right if
these are the vectors of its words.
"""

from collections.abc import Mapping

import numpy as np

from dls_keras.converters.keras_h5 import Contents
from dls_keras.core.errors import InputError

EQUAL = 0.5  # share of the vectors that a network trained further has not changed


def word_vectors(
    contents: Contents, vectors: Mapping[str, np.ndarray], source: str
) -> dict[str, np.ndarray]:
    """The vectors (n,) float32 of the words of a file's embedding.

    Args:
        vectors: of the words that the network was trained with.
        source: where they are from, for messages.

    Raises:
        InputError: if the file has no embedding, or its rows are not those words.
    """
    found = [array for layer in contents.layers for array in layer.weights.values()]
    if not found or found[0].ndim != 2:
        raise InputError(
            f"{contents.path} does not begin with an embedding of words. Expected the "
            "weights of the course's Emojify_V2."
        )
    rows = found[0][1:]
    if len(rows) != len(vectors):
        raise InputError(
            f"{contents.path} has vectors of {len(rows):,} words, but not the words; "
            f"{source} has {len(vectors):,}. Pass the file of word vectors that the "
            "network was trained with: --glove glove.6B.50d.txt."
        )
    words = sorted(vectors)
    expected = np.stack([vectors[word] for word in words])
    same = expected.shape == rows.shape
    same = same and np.isclose(rows, expected, rtol=1e-3, atol=1e-3).all(1).mean()
    if not same or same < EQUAL:
        raise InputError(
            f"The vectors in {contents.path} are not those of {source}, so that its "
            "words are not known. Pass the file of word vectors that the network was "
            "trained with: --glove glove.6B.50d.txt."
        )
    return dict(zip(words, rows, strict=True))
