"""Assignments and their weights, found by the names that people type.

`open_assignment` imports a module, `entry` finds weights by NAME/VARIANT, `load`
returns a model with the weights of a variant or of a file, `save` writes such a file.
`core.pretrained` states the forms that a model may have.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from dls_keras import catalog
from dls_keras.core import files, origin, pretrained, weights
from dls_keras.core.errors import InputError
from dls_keras.core.pretrained import build, network

__all__ = ["build", "network"]  # besides what is defined here


def open_assignment(name: str, *needed: str) -> ModuleType:
    """The module of the assignment `name`, imported now by `catalog.load`.

    Raises:
        InputError: if there is no such assignment, or it does not offer all of
            `needed`, such as "train".
    """
    module = catalog.load(name)
    offers = catalog.BY_NAME[name].offers
    for function in needed:
        if function not in offers:
            rest = ", ".join(offers) or "the course's functions"
            raise InputError(f"{name} has no {function}. It has {rest}.")
    return module


class Entry(NamedTuple):
    """Weights of an assignment: a record of a shipped file, or published files."""

    name: str
    variant: str
    record: weights.Record | None
    remotes: tuple[files.Remote, ...] = ()


def entries(*names: str) -> list[Entry]:
    """All weights of the assignments `names`, by default of all."""
    found = []
    for name in names or catalog.BY_NAME:
        shipped, published = weights.shipped(name), weights.published(name)
        found += [Entry(name, variant, record) for variant, record in shipped.items()]
        found += [Entry(name, v, None, remotes) for v, remotes in published.items()]
    return found


def entry(text: str) -> Entry:
    """The weights that NAME, NAME/VARIANT or NAME/VERSION means.

    Raises:
        InputError: if there are none; a close name is suggested.
    """
    name, _, variant = text.partition("/")
    variant = variant or "default"
    catalog.check(name)
    found = entries(name)
    for one in found:
        if variant == one.variant:
            return one
    for one in entries():  # a released name stays when the assignment is renamed
        if one.record and text == one.record.name:
            return one
    if not found:
        raise InputError(
            f"{name} has no pretrained weights. Train it with `dls-keras train {name}` "
            "and pass the file with --weights."
        )
    known = [one.variant for one in found]
    close = difflib.get_close_matches(variant, known, n=1)
    raise InputError(
        f"{name} has no weights {variant!r}, only {', '.join(known)}."
        + (f" Did you mean {close[0]!r}?" if close else "")
    )


def paths(entry: Entry, *, check: bool = False) -> list[Path]:
    """Where the files are, downloaded if need be, their hashes compared if asked."""
    if entry.record:
        find = weights.verify if check else weights.find
        return [find(entry.record)]
    found = [files.find_data(remote) for remote in entry.remotes]
    if check:
        for path, remote in zip(found, entry.remotes, strict=True):
            files.check_hash(path, remote)
    return found


def load(name: str, choice: str = "default") -> Any:
    """The model of an assignment with weights.

    Args:
        choice: a variant, a version such as "v1", or else the path of a file that
            `save` wrote.

    Raises:
        InputError: if it is neither, or the file does not fit the assignment.
    """
    module = open_assignment(name)
    variant = weights.variant(name, choice)
    if variant is None and not files.exists(files.expanded(choice)):
        entry(f"{name}/{choice}")  # raises, and lists the variants
    if variant is not None:
        return module.load_pretrained(variant)
    return pretrained.load_file(module, choice)


def save(
    module: ModuleType,
    model: Any,
    path: Path,
    *,
    settings: Mapping[str, Any] | None = None,
) -> None:
    """Write a trained model of an assignment to a new file that `load` reads.

    A network that a converter filled is marked in the file, too, see `core.origin`.

    Args:
        settings: arguments of `build_model` that `load` needs, as JSON knows them.
    """
    stated = dict(settings or {})
    if pretrained.is_of_keras(model):
        stated |= origin.settings(network(model))
    if hasattr(module, "to_arrays"):
        arrays = module.to_arrays(model)
    else:
        by_name = isinstance(model, Mapping)
        arrays = model if by_name else weights.arrays(network(model))
    weights.save_arrays(arrays, path, settings=stated)
