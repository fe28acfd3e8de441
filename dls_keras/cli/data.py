"""The commands `dls-keras data`: the data sets of others, on this machine or not."""

import os
from pathlib import Path

import click

from dls_keras.cli import errors, table
from dls_keras.core.errors import InputError

NAME = click.argument("name")


@click.group("data", invoke_without_command=True)
@click.pass_context
def data_group(context: click.Context) -> None:
    """List, download, verify or locate data sets."""
    if context.invoked_subcommand is None:
        context.invoke(data_list)


@data_group.command("list")
def data_list() -> None:
    """List all data sets: size, licence, source, place, and assignments."""
    from dls_keras.core import files
    from dls_keras.datasets import catalog

    rows = []
    for row in catalog.DATA_SETS.values():
        found = catalog.places(row.name)
        partly = any(catalog.place(remote) for remote in row.files)
        where = "incomplete" if partly else "not here"
        rows.append(
            (
                row.name,
                files.size(row.bytes),
                row.licence,
                row.source,
                _folder(found) if found else where,
                ", ".join(row.used_by),
            )
        )
    header = ("data set", "size", "licence", "source", "where", "assignments")
    table.show(header, rows)


@data_group.command("fetch")
@click.argument("name", required=False)
@click.option("--all", "everything", is_flag=True, help="All that can be downloaded.")
def data_fetch(name: str | None, everything: bool) -> int:
    """Download data sets if needed, verify them, print their paths."""
    from dls_keras.datasets import catalog

    if everything == bool(name):
        raise click.UsageError("Name one data set, or pass --all.")
    if name:
        for path in catalog.fetch(name):
            click.echo(path)
        return 0
    return _fetch_all()


def _fetch_all() -> int:
    """Fetch all data sets with an address; the exit code."""
    from dls_keras.core import files
    from dls_keras.datasets import catalog

    status = 0
    chosen = [row for row in catalog.DATA_SETS.values() if row.can_be_fetched]
    for number, row in enumerate(chosen, 1):
        click.echo(
            f"{number} of {len(chosen)}: {row.name}, {files.size(row.bytes)}", err=True
        )
        try:
            found = catalog.fetch(row.name)
        except InputError as error:
            status = errors.report(error)
        else:
            click.echo(f"{row.name}\t{files.size(row.bytes)}\t{_folder(found)}")
    return status


def _folder(paths: list[Path]) -> str:
    """The folder that holds all of the files."""
    return os.path.commonpath([path.parent for path in paths])


@data_group.command("verify")
@click.argument("name", required=False)
def data_verify(name: str | None) -> int:
    """Verify the data set NAME, or all that are on this machine."""
    from dls_keras.datasets import catalog

    status = 0
    for one in [name] if name else filter(catalog.places, catalog.DATA_SETS):
        try:
            found = catalog.verify(one)
        except InputError as error:
            status = errors.report(error)
        else:
            click.echo(f"{one}\tok\t{', '.join(map(str, found))}")
    return status


@data_group.command("path")
@NAME
def data_path(name: str) -> None:
    """Print the paths of the data set NAME, after a download if needed."""
    from dls_keras.datasets import catalog

    for path in catalog.fetch(name):
        click.echo(path)
