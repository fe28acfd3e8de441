"""Names of assignments and weights on the command line, completed by the shell."""

from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from dls_keras import catalog
from dls_keras.core.errors import InputError


class Assignment(click.ParamType):
    """The name of an assignment; the shell completes it and shows the title."""

    name = "name"

    def shell_complete(
        self, context: click.Context, option: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The names that begin with `incomplete`."""
        return [
            CompletionItem(row.name, help=row.title)
            for row in catalog.ASSIGNMENTS
            if row.name.startswith(incomplete)
        ]


class Weights(click.ParamType):
    """NAME/VARIANT, or the variants of the assignment that the command line names."""

    name = "weights"

    def shell_complete(
        self, context: click.Context, option: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """The weights that begin with `incomplete`; files, if they are an option."""
        from dls_keras import models

        # Where the option to complete has no value yet, click parses no argument.
        name = context.params.get("name") or next(iter(context.args), None)
        if name in catalog.BY_NAME:
            known = [one.variant for one in models.entries(name)]
        else:
            entries = models.entries()
            known = [
                *dict.fromkeys(one.name for one in entries),
                *(f"{one.name}/{one.variant}" for one in entries),
            ]
            if "/" not in incomplete:  # first the name, then its variant
                known = [one for one in known if "/" not in one]
        found = [CompletionItem(one) for one in known if one.startswith(incomplete)]
        return found or [CompletionItem(incomplete, type="file")]


def found(text: str) -> str:
    """The assignment that a name, or words of a name or a title, mean.

    Raises:
        InputError: if there is none, or there are several, which are listed.
    """
    if text in catalog.BY_NAME:
        return text
    matching = catalog.search(text)
    if len(matching) > 1:
        raise InputError(
            f"{len(matching)} assignments match {text!r}: {', '.join(matching)}. "
            "Choose one."
        )
    if not matching:
        catalog.check(text)  # raises
    return matching[0]


def facts(entry: Any) -> dict[str, Any]:
    """What is known of weights (a `models.Entry`), in the types of JSON."""
    values = {"assignment": entry.name, "variant": entry.variant}
    if entry.record is None:
        remotes = entry.remotes
        return values | {
            "kind": "published",
            "files": [Path(remote.name).name for remote in remotes],
            "urls": [remote.url for remote in remotes],
            "sha256": [remote.sha256 for remote in remotes],
            "licence": [remote.licence for remote in remotes],
        }
    record = entry.record
    return values | {
        "kind": "shipped",
        "name": record.name,
        "files": [record.file],
        "sha256": [record.sha256],
        "bytes": record.bytes,
        "params": record.params,
        "input": record.input,
        "classes": record.classes,
        "licence": [record.licence],
        "metrics": dict(record.metrics),
        "date": record.date,
    }
