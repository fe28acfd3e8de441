"""Error messages of the command line, on stderr."""

import contextlib

import click


def report(message: object) -> int:
    """Print an error message to stderr; return the exit code of invalid input."""
    with contextlib.suppress(OSError):  # stderr may be full or closed, too
        click.echo(f"dls-keras: {message}", err=True)
    return 2
