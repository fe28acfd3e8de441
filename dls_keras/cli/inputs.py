"""The INPUTs of `dls-keras infer`: what they stand for, and their answers in batches.

An INPUT is a text or a path as it stands; "-" is what standard input contains, and an
address that begins with "http://" or "https://" is what a server sends.
"""

import contextlib
import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from dls_keras.core import files, inputs, readers
from dls_keras.core.errors import InputError

LIMIT = readers.LARGEST_TEXT  # bytes of standard input, or from an address
ADDRESSES = ("http://", "https://")


class Given(NamedTuple):
    """One input: the text that stands for it in messages, and what `infer` gets."""

    shown: str
    value: str | bytes


class Answered(NamedTuple):
    """One input with its answer, or with the error message in its place."""

    given: Given
    answer: Any = None
    error: str = ""


def given(texts: Sequence[str]) -> list[Given]:
    """The inputs of the command line, standard input in the place of "-"."""
    found = []
    for text in texts:
        parts = _from_stdin() if text == "-" else [text]
        found += [Given("-" if isinstance(p, bytes) else p, p) for p in parts]
    return found


def answered(infer: Any, model: Any, several: Iterable[Given]) -> Iterator[Answered]:
    """The answers, computed in batches; a bad input does not stop the others.

    Args:
        infer: that of an assignment; `core.inputs` tells how it takes lists.
    """
    if not hasattr(infer, "batch_size"):  # of an assignment that does not
        infer = inputs.one_by_one()(infer)
    remaining = iter(several)
    while batch := list(itertools.islice(remaining, infer.batch_size)):
        yield from _batch(infer, model, [_fetched(one, infer.axes) for one in batch])


def _batch(infer, model, batch):
    """Inputs, some of which may have an error already, with answers or errors."""
    good = [one.given.value for one in batch if not one.error]
    found: Iterator[Any] = iter(())
    if len(good) > 1:
        with contextlib.suppress(InputError):  # of one of them: then all alone
            found = iter(infer(model, good))
    for one in batch:
        if one.error:
            yield one
        elif (answer := next(found, None)) is not None:
            yield one._replace(answer=answer)
        else:
            yield _alone(infer, model, one)


def _alone(infer, model, one):
    """One input with the answer that it has alone, or its error."""
    try:
        return one._replace(answer=infer(model, one.given.value))
    except InputError as error:
        return one._replace(error=str(error))


def _fetched(one, axes):
    """The input with the content of its address, if it is one; or its error."""
    text = one.value
    if not (isinstance(text, str) and text.lower().startswith(ADDRESSES)):
        return Answered(one)
    from dls_keras.core import downloads  # lazy import of requests

    try:
        content = downloads.content(text, LIMIT)
        if axes >= inputs.SOUND:
            return Answered(one._replace(value=content))
        return Answered(one._replace(value=content.decode("utf-8-sig").strip()))
    except UnicodeDecodeError:
        return Answered(one, error=f"{text} is not a text in UTF-8. Expected a text.")
    except InputError as error:
        return Answered(one, error=str(error))


def _from_stdin() -> list[str | bytes]:
    """What standard input contains: a text in each line, or the bytes of a file."""
    content = sys.stdin.buffer.read(LIMIT + 1)
    if len(content) > LIMIT:
        raise InputError(
            f"Standard input has more than {files.size(LIMIT)}. Save it as a file, and "
            "name that."
        )
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return [content]
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise InputError(
            "Standard input is empty. Expected a text, an image or a sound."
        )
    return [*texts]
