"""A progress bar with the estimated time left, on a terminal."""

import contextlib
from collections.abc import Iterator


class Bar:
    """A progress bar; `visible` is False when the output is not a terminal."""

    def __init__(self, rich_progress, task):
        self._progress, self._task = rich_progress, task
        self.visible = not rich_progress.disable

    def advance(self, steps: float = 1, note: str = "") -> None:
        """Advance by `steps`, and show a short note such as the loss."""
        self._progress.update(self._task, advance=steps, note=note)


@contextlib.contextmanager
def progress(title: str, total: float) -> Iterator[Bar]:
    """Show on stderr: `title`, a bar up to `total`, a note, and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}% {task.fields[note]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield Bar(bar, bar.add_task(title, total=total, note=""))
