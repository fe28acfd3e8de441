"""Arguments and options that several commands of `dls-keras` take."""

import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from dls_keras.cli import names
from dls_keras.core.errors import InputError


class Number(click.FloatRange):
    """A number in a range, which NaN is not."""

    def convert(self, value: Any, option: Any, context: Any) -> float:
        """The number."""
        number = super().convert(value, option, context)
        if math.isnan(number):
            self.fail(f"{value} is not a number.", option, context)
        return number


def in_a_folder(
    context: click.Context, option: click.Parameter, path: Path | None
) -> Path | None:
    """The path of a file to write, in a folder where that is possible."""
    if path is None:
        return None
    from dls_keras.core import files

    others = context.meta.setdefault("dls_keras.outputs", {})
    place = os.path.realpath(path)
    if others.setdefault(place, option.opts[0]) != option.opts[0]:
        raise click.BadParameter(f"{path} is the file of {others[place]}, too.")
    try:
        os.fspath(path).encode()
        files.check_writable(path)
    except UnicodeEncodeError:
        raise click.BadParameter(f"{str(path)!r} is not valid UTF-8.") from None
    except InputError as error:
        raise click.BadParameter(str(error)) from None
    return path


def written(name: str, callback: Callable, text: str, **more: Any) -> Callable:
    """An option that takes the path of a file to write."""
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option(
        name, type=path, metavar="FILE", callback=callback, help=text, **more
    )


NAME = click.argument("name", type=names.Assignment())
FILE = click.Path(path_type=Path)
JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line."
)
