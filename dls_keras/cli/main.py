"""The command `dls-keras`: every assignment from the shell.

Nothing heavy is imported before a command needs it. Results go to stdout, plain and
separated by tabs where nobody watches; progress and complaints go to stderr. A
user's mistake ends in one sentence and exit code 2, Ctrl-C in 130, a mistake of
ours in a traceback.
"""

import inspect
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click

import dls_keras
from dls_keras import catalog
from dls_keras.core.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg")
SOUNDS = (".mid", ".wav")


class Commands(click.Group):
    """A group of commands that tells a user's mistake in one sentence."""

    def main(self, args: Sequence[str] | None = None, **extra: Any) -> None:
        """Run the command line `args`, by default the shell's, and exit."""
        # TensorFlow reads this when it starts; its notes on the machine help no user.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        try:
            status = super().main(
                args, **{**extra, "prog_name": "dls-keras", "standalone_mode": False}
            )
        except click.UsageError as error:
            hint = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
            status = _complain(error.format_message() + hint)
        except (click.ClickException, InputError) as error:
            status = _complain(error)
        except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
            status = _complain(f"{error.filename}: {error.strerror}.")
        except click.Abort as error:
            if not isinstance(error.__cause__, KeyboardInterrupt):
                raise
            _complain("Stopped.")
            status = 130
        sys.exit(status)

    def list_commands(self, context: click.Context) -> list[str]:
        """The commands in the order of this file, for `--help`."""
        return list(self.commands)


def _complain(message: object) -> int:
    """Say what is wrong on stderr; return the exit code of a user's mistake."""
    click.echo(f"dls-keras: {message}", err=True)
    return 2


def _in_a_folder(context, option, path: Path | None) -> Path | None:
    """The path of a file to write, once its folder is known to exist."""
    if path and not path.parent.is_dir():
        raise click.BadParameter(f"the folder {path.parent} does not exist.")
    return path


def _new(context, option, path: Path | None) -> Path | None:
    """The path of a file to write that is not there yet."""
    if path and path.exists():
        raise click.BadParameter(f"{path} exists and stays; name another file.")
    return _in_a_folder(context, option, path)


def _picture(context, option, path: Path | None) -> Path | None:
    """The path of a picture to write."""
    if path and path.suffix.lower() not in PICTURES:
        endings = ", ".join(PICTURES)
        raise click.BadParameter(f"{path} names no picture; end it in {endings}.")
    return _in_a_folder(context, option, path)


def _answer(context, option, path: Path | None) -> Path | None:
    """The path of an answer to write: a picture, or sound where there is some."""
    if path and path.suffix.lower() in SOUNDS:
        return _in_a_folder(context, option, path)
    return _picture(context, option, path)


def _written(name: str, callback: Callable, text: str, **more: Any) -> Callable:
    """An option that takes the path of a file to write."""
    path = click.Path(dir_okay=False, path_type=Path)
    return click.option(
        name, type=path, metavar="FILE", callback=callback, help=text, **more
    )


NAME = click.argument("name")
FILE = click.Path(path_type=Path)
WEIGHTS = click.option(
    "--weights",
    default="default",
    metavar="VARIANT|FILE",
    help="Weights by name (see `dls-keras weights`), or a file of your own.",
)
JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object a line."
)


@click.group(
    "dls-keras",
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(dls_keras.__version__)
@click.pass_context
def main(context):
    """The assignments of the Deep Learning Specialization, running.

    Start with `dls-keras tour`.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@main.command("list")
@click.argument("course", required=False, type=click.IntRange(1, len(catalog.COURSES)))
def list_assignments(course):
    """List the assignments, of one COURSE (1 to 5) or of all."""
    for number in [course] if course else catalog.COURSES:
        click.secho(f"Course {number}: {catalog.COURSES[number]}", bold=True)
        rows = [a for a in catalog.ASSIGNMENTS if a.course == number]
        for a in rows:
            click.echo(f"  week {a.week}  {a.name:24} {a.title}")
        if not rows:
            click.echo("  none yet")


@main.command()
@NAME
def info(name):
    """Describe NAME: its idea, what it offers, its weights."""
    from dls_keras import models

    module, row = models.open_assignment(name), catalog.BY_NAME[name]
    click.secho(row.title, bold=True)
    click.echo(f"\n{module.__doc__.strip()}\n")
    facts = {
        "module": row.module,
        "course": f"{row.course}, {catalog.COURSES[row.course]}; week {row.week}",
        "offers": ", ".join(row.offers) or "the course's functions",
        "weights": ", ".join(e.variant for e in models.entries(name)) or "none",
    }
    for label, value in facts.items():
        click.echo(f"{label:8} {value}")


@main.command()
@NAME
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@WEIGHTS
@_written("--out", _answer, "Draw the answer (to one INPUT), or write its sound.")
@JSON
def infer(name, inputs, weights, out, as_json):
    """Answer each INPUT: a sentence, or the path of a picture.

    Prints the answer and its confidence, a tab between them; where several inputs
    came, each line opens with its own.

    \b
        dls-keras infer NAME "20th February 2016"
        dls-keras infer NAME photo.jpg --out answer.png
        dls-keras infer jazz "Dm7 G7 | Cmaj7" --out solo.wav
    """
    several = len(inputs) > 1
    if out and several:
        raise click.UsageError(f"--out takes one INPUT, {len(inputs)} came.")
    from dls_keras import models
    from dls_keras.cli import render
    from dls_keras.core import answers

    module = models.open_assignment(name, "infer", *["picture"] * bool(out))
    writers = getattr(module, "WRITERS", {})
    if out and out.suffix.lower() in SOUNDS and out.suffix.lower() not in writers:
        raise InputError(f"{name} makes no sound to write to {out}, only pictures.")
    model = models.load(name, weights)

    status = 0
    for given in inputs:
        shown = click.format_filename(given)
        try:
            answer = module.infer(model, given)
            reply = render.reply(model, answer)
        except InputError as error:
            told = str(error)
            status = _complain(told if shown in told else f"{shown}: {told}")
            if as_json:
                _print_json(input=given, error=told)
            continue
        if as_json:
            _print_json(
                input=given,
                answer=reply.text,
                confidence=reply.confidence,
                details=reply.details,
            )
        else:
            cells = [reply.text, answers.percent(reply.confidence)]
            click.echo("\t".join([shown] * several + cells))
        if out and (write := writers.get(out.suffix.lower())):
            write(answer, out)
        elif out:
            from dls_keras.core import images

            images.write(render.picture(module, model, given, answer), out)
    return status


@main.command()
@NAME
@click.option("--epochs", type=click.IntRange(1), help="Passes over the data.")
@click.option("--batch-size", type=click.IntRange(1), help="Examples a step.")
@click.option("--learning-rate", type=float, help="Length of a step.")
@click.option("--seed", type=int, help="Of the first weights and of all shuffling.")
@_written("--checkpoint", _in_a_folder, "Kept after each epoch; go on from it.")
@_written("--out", _new, "The weights, a new file.  [default: NAME.h5]")
@_written("--curve", _picture, "Draw the losses as a picture.")
def train(name, out, curve, **settings):
    """Train the assignment NAME anew and write its weights.

    Settings that are not given are those of our recipe.
    """
    from dls_keras import models

    module = models.open_assignment(name, "load_data", "build_model", "train")
    out = out or Path(f"{name}.h5")
    if out.exists():
        raise InputError(f"{out} exists and stays; name another file with --out.")
    takes = inspect.signature(module.train).parameters
    known = ", ".join(_flag(key) for key in settings if key in takes)
    settings = {key: value for key, value in settings.items() if value is not None}
    for key in settings:
        if key not in takes:
            raise InputError(f"{name} trains without {_flag(key)}; it takes {known}.")
    if "on_epoch" in takes and not sys.stderr.isatty():  # where there is no bar
        settings["on_epoch"] = lambda epoch, loss: click.echo(
            f"epoch {epoch}: loss {loss:.6g}", err=True
        )
    if "seed" in takes and "keras" in sys.modules:  # build_model draws weights, too
        seed = settings.get("seed", takes["seed"].default)
        sys.modules["keras"].utils.set_random_seed(seed)

    data, model = module.load_data(), module.build_model()
    start = time.perf_counter()
    losses = module.train(model, data, **settings)
    seconds = time.perf_counter() - start
    models.save(module, model, out)
    click.echo(
        f"{name}: {len(losses)} epochs in {seconds:.1f} s, "
        f"loss {losses[0]:.4g} -> {losses[-1]:.4g}, weights in {out}"
    )
    if curve:
        from dls_keras import plots
        from dls_keras.cli import render
        from dls_keras.core import images

        images.write(render.rendered(plots.curve(losses, title=name)), curve)


@main.command()
@NAME
@WEIGHTS
@JSON
def evaluate(name, weights, as_json):
    """Measure NAME on data it was not trained on, beside the goals."""
    from dls_keras import models

    module = models.open_assignment(name, "evaluate")
    given = () if weights == "default" else (models.load(name, weights),)
    if given and not inspect.signature(module.evaluate).parameters:
        raise InputError(f"{name} is measured without --weights.")
    rows = module.evaluate(*given)
    if as_json:
        for what, ours, goal in rows:
            _print_json(what=what, ours=ours, goal=goal)
    else:
        cells = [(what, f"{ours:.6g}", _goal(goal)) for what, ours, goal in rows]
        _print_table((name, "ours", "goal"), cells)


@main.group("weights", invoke_without_command=True)
@click.pass_context
def weights_group(context):
    """List weights, fetch them, verify them, tell where they are."""
    if context.invoked_subcommand is None:
        context.invoke(weights_list)


@weights_group.command("list")
def weights_list():
    """List all weights: ours with what was measured, and published ones."""
    from dls_keras import models, tables

    rows = []
    for entry in models.entries():
        facts = ("", "published")
        if entry.record:
            facts = (tables.size(entry.record.bytes), tables.measured(entry.record))
        rows.append((entry.name, entry.variant, *facts))
    _print_table(("assignment", "--weights", "size", "measured"), rows)


@weights_group.command("fetch")
@click.argument("text", metavar="NAME[/VARIANT]")
def weights_fetch(text):
    """Bring weights here, unless they are, check their hash, print their path."""
    from dls_keras import models

    for path in models.paths(models.entry(text), check=True):
        click.echo(path)


@weights_group.command("verify")
@click.argument("text", metavar="[NAME[/VARIANT]]", required=False)
def weights_verify(text):
    """Load weights with all checks: those of NAME, or all of ours."""
    from dls_keras import models

    chosen = [models.entry(text)] if text else [e for e in models.entries() if e.record]
    status = 0
    for entry in chosen:
        try:
            found = models.paths(entry, check=True)
            models.load(entry.name, entry.variant)
        except InputError as error:
            status = _complain(error)
        else:
            places = ", ".join(map(str, found))
            click.echo(f"{entry.name}/{entry.variant}\tok\t{places}")
    return status


@weights_group.command("path")
@click.argument("text", metavar="NAME[/VARIANT]")
def weights_path(text):
    """Print where weights are, fetched if need be."""
    from dls_keras import models

    for path in models.paths(models.entry(text)):
        click.echo(path)


@main.group(no_args_is_help=False)
def convert():
    """Read a foreign weight file and write one of ours."""


@convert.command("keras-h5")
@click.argument("file", type=FILE)
@click.option("--model", "name", required=True, metavar="NAME", help="Its assignment.")
@click.option(
    *("--architecture", "model_json"),
    type=FILE,
    metavar="FILE.json",
    help="What model.to_json() wrote, where FILE holds weights only.",
)
@_written("--out", _new, "Our weights, a new file.", required=True)
def convert_keras_h5(file, name, model_json, out):
    """Convert a FILE of Keras 1 or 2.

    `dls-keras infer NAME INPUT --weights` takes what is written.
    """
    from dls_keras import models

    module = models.open_assignment(name, "build_model")
    from dls_keras.converters import keras_h5  # late, since it brings Keras

    contents = keras_h5.read(file, model_json=model_json)
    gates = keras_h5.gates(contents)
    takes_gates = "gates" in inspect.signature(module.build_model).parameters
    settings = {"gates": gates} if gates and takes_gates else {}
    model = models.build(module, settings)
    network = keras_h5.fill(models.network(model), contents)
    models.save(module, model, out, settings=settings)
    said = f", {gates} gates" if gates else ""
    _print_converted(file, f"Keras {contents.keras_version}{said}", network, out)


@convert.command("darknet")
@click.argument("cfg", type=FILE, metavar="FILE.cfg")
@click.argument("file", type=FILE, metavar="FILE.weights")
@click.option(
    "--names",
    type=FILE,
    metavar="FILE.names",
    help="Class names, one a line.  [default: COCO's for 80 classes, VOC's for 20]",
)
@_written("--out", _new, "Our weights, a new file.", required=True)
def convert_darknet(cfg, file, names, out):
    """Convert a FILE.weights of Darknet and its FILE.cfg.

    `dls-keras infer car_detection PHOTO --weights` takes what is written. --names
    names the classes, one a line, as Darknet's .names files do.
    """
    from dls_keras import models

    module = models.open_assignment("car_detection")
    from dls_keras.converters import darknet  # late: it brings Keras

    network = darknet.load(cfg, file)
    if names is not None:
        names = names.read_text("utf-8").split("\n")
        names = [name.strip() for name in names if name.strip()]
    classes = darknet.class_names(network.heads, names)
    settings = {"cfg": darknet.read_cfg(cfg), "classes": classes}
    models.save(module, network, out, settings=settings)
    _print_converted(file, f"Darknet, {cfg.name}", network.model, out)


@main.command()
@NAME
@click.option("--notebook", is_flag=True, help="Write a notebook, not a module.")
@_written("--out", _in_a_folder, "What to write.  [default: NAME.py or NAME.ipynb]")
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
def start(name, notebook, out, force):
    """Write NAME's functions as stubs, to fill in yourself.

    Each has its signature, what it returns, and an error that says it is missing; the
    last cell checks what you have written.
    """
    from dls_keras.grading import skeleton

    ending = ".ipynb" if notebook else ".py"
    out = out or Path(f"{name}{ending}")
    if out.suffix not in ([".ipynb"] if notebook else skeleton.ENDINGS):
        raise InputError(f"{out} is no name for this; end it in {ending}.")
    if out.exists() and not force:
        raise InputError(
            f"{out} exists and stays; name another file with --out, or let --force "
            "replace it."
        )
    unwritten = skeleton.write(name, out)
    click.echo(
        f"{out}: {unwritten} functions to write; "
        f"`dls-keras check {name} {shlex.quote(str(out))}` checks them"
    )


@main.command()
@NAME
@click.argument("path", type=FILE, metavar="FILE|FOLDER")
@JSON
@_written("--junit", _in_a_folder, "Write JUnit XML, a test case a function.")
@_written("--csv", _in_a_folder, "Write a row a file, as for a class.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="Processor time that a case may take.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    metavar="MB",
    help="Memory that a file may use beyond its imports.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Files checked at once.  [default: a core each, memory allowing]",
)
def check(name, path, as_json, junit, csv, timeout, memory, workers):
    """Check your own solution of NAME.

    FILE is a module (.py) or a notebook (.ipynb), FOLDER holds those of a class. Each
    function is ok, missing, or wrong, with a hint. What you wrote runs in a process of
    its own, with limits; that is a convenience, not a sandbox against hostile code.
    The exit code is 0 where all is right, 1 where something is wrong or missing.
    """
    from dls_keras.core import files, progress
    from dls_keras.grading import report as reports
    from dls_keras.grading import runner

    runner.known(name)
    limits = {"timeout": timeout, "memory": memory}
    several = path.is_dir()
    paths = runner.solutions(path) if several else [path]
    if several:
        workers = min(workers or runner.workers(memory), len(paths))
        found = runner.check_all(name, paths, workers=workers, **limits)
    else:
        found = (runner.check(name, one, **limits) for one in paths)

    told = []
    with progress.progress(name, len(paths)) as bar:  # which takes stdout, too
        for report in found:
            told.append(report)
            bar.advance(note=Path(report.file).name)
    for report in told:
        if as_json:
            click.echo(reports.as_json(report))
        elif several:
            click.echo(reports.summary(report))
        elif sys.stdout.isatty():
            reports.show(report)
        else:
            click.echo(reports.lines(report))
    for out, write in ((junit, reports.as_junit), (csv, reports.as_csv)):
        if out:
            with files.atomic_write(out) as temporary:
                temporary.write_text(write(told), encoding="utf-8")
    return 0 if all(report.ok for report in told) else 1


@main.command()
@_written("--out", _in_a_folder, "The page.", default="tour.html", show_default=True)
def tour(out):
    """Let every assignment answer one question; make a page of it.

    Works offline, with the weights that came with the package.
    """
    from dls_keras.cli import tour as guide

    stops = guide.visit_all()
    _print_table(guide.HEADER, [guide.cells(stop) for stop in stops])
    guide.write(stops, out)
    click.echo(f"The pictures are in {out}: open it in a browser.")
    return 2 if any(stop.error for stop in stops) else 0


# Output.


def _flag(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"


def _goal(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _print_json(**values: Any) -> None:
    """One JSON object on a line; arrays become lists, NumPy's numbers numbers."""
    import json

    import numpy as np

    click.echo(json.dumps(values, default=lambda value: np.asarray(value).tolist()))


def _print_converted(file: Path, said: str, network: Any, out: Path) -> None:
    click.echo(
        f"{file} ({said}): {len(network.weights)} arrays, "
        f"{network.count_params():,} parameters, written to {out}"
    )


def _print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere one line a row, tabs between the cells."""
    if not sys.stdout.isatty():
        for row in (header, *rows):
            click.echo("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = list(rows)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title, *column in zip(header, *rows, strict=True):
        short = max(map(len, column), default=0) <= 24  # numbers and names stay whole
        table.add_column(title, no_wrap=short)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
