"""What `infer` takes: one input, or a list of them.

An `infer` whose model computes a batch at once is written for a list:

    @inputs.batched(inputs.PICTURE)
    def infer(model, photos):
        x = np.stack([images.resized(photo, 64, 64) for photo in photos])
        return [likeliest(CLASSES, p) for p in model(x)]

The decorated function takes one photo and returns an `Answer`, or takes a list of
photos and returns a list of answers. Where each input is computed alone, `infer` is
written for one of them and decorated by `one_by_one`.

Only a list is several inputs. A tuple is one input, such as a point, and so is a list
of numbers, if an array of this shape is one: `[3, -1.5]` is a point.
"""

import functools
import inspect
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

# How many axes one input has, at most, if it is an array or nested lists of numbers.
NUMBER = TEXT = 0
POINT = 1
SOUND = 2  # (n,) or (n, channels)
PICTURE = 3  # (height, width) or (height, width, channels)
BATCH = 32  # inputs that a network gets at once


def batched(axes: int = TEXT, size: int = BATCH) -> Callable[[Callable], Callable]:
    """Decorate an `infer` that takes a list of inputs and returns a list of answers.

    Args:
        axes: `TEXT`, `NUMBER`, `POINT`, `SOUND` or `PICTURE`.
        size: longer lists are divided into batches of this size, which bounds the
            memory.
    """

    def decorate(infer):
        def of_list(model, given, **settings):
            answers = []
            for start in range(0, len(given), size):
                answers += infer(model, given[start : start + size], **settings)
            return answers

        return _decorated(infer, of_list, axes, size)

    return decorate


def one_by_one(axes: int = TEXT) -> Callable[[Callable], Callable]:
    """Decorate an `infer` that takes one input and returns one answer."""

    def decorate(infer):
        def of_list(model, given, **settings):
            return [infer(model, one, **settings) for one in given]

        return _decorated(infer, of_list, axes, 1)

    return decorate


def is_several(given: Any, axes: int = TEXT) -> bool:
    """Whether it is a list of inputs, not one input.

    >>> is_several(["a.png", "b.png"], PICTURE), is_several("a.png", PICTURE)
    (True, False)
    >>> is_several([3, -1.5], POINT), is_several([[3, -1.5], [0, 1]], POINT)
    (False, True)
    >>> is_several([3, -1.5], NUMBER)
    True
    """
    if not isinstance(given, list):
        return False
    depth, inner = 0, given
    while isinstance(inner, list | tuple) and inner:
        depth, inner = depth + 1, inner[0]
    return depth > axes or not isinstance(inner, numbers.Number | np.generic)


def by_shape(
    arrays: Sequence[np.ndarray], compute: Callable[[np.ndarray], Any]
) -> list[Any]:
    """What `compute` returns for each array; those of one shape are one batch.

    Args:
        compute: takes (m, *shape), returns m results.

    >>> by_shape([np.ones(2), np.ones(3), np.ones(2)], lambda x: x.sum(1))
    [np.float64(2.0), np.float64(3.0), np.float64(2.0)]
    """
    rows: dict[tuple[int, ...], list[int]] = {}
    for i, array in enumerate(arrays):
        rows.setdefault(array.shape, []).append(i)
    results: list[Any] = [None] * len(arrays)
    for chosen in rows.values():
        found = compute(np.stack([arrays[i] for i in chosen]))
        for i, result in zip(chosen, found, strict=True):
            results[i] = result
    return results


def _decorated(infer, of_list, axes, size):
    """`infer` for one input or a list, with what the command line needs to know."""
    signature = inspect.signature(infer)

    @functools.wraps(infer)
    def one_or_several(*arguments, **settings):
        bound = signature.bind(*arguments, **settings)
        model, given = bound.args
        if is_several(given, axes):
            return of_list(model, given, **bound.kwargs)
        (answer,) = of_list(model, [given], **bound.kwargs)
        return answer

    one_or_several.axes = axes  # type: ignore[attr-defined]
    one_or_several.batch_size = size  # type: ignore[attr-defined]
    return one_or_several
