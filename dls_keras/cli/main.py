"""The command `dls-keras`: every assignment from the shell.

Heavy libraries are imported by the commands that need them. Results go to stdout, as
plain text separated by tabs where stdout is not a terminal; progress and error
messages go to stderr. Invalid input, and an error of the operating system such as a
full disk, prints a message, not a traceback, and exits with code 2, Ctrl-C with 130, a
closed pipe such as that of `head` with 141; a bug of ours prints a traceback.

Files to write are checked before the work begins.
"""

import contextlib
import errno
import inspect
import io
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

import dls_keras
from dls_keras import catalog
from dls_keras.cli import check, errors, names, table
from dls_keras.cli.data import data_group
from dls_keras.cli.options import FILE, JSON, NAME, Number
from dls_keras.cli.options import in_a_folder as _in_a_folder
from dls_keras.cli.options import written as _written
from dls_keras.core import log_lines
from dls_keras.core.errors import InputError

PICTURES = (".png", ".jpg", ".jpeg")
SOUNDS = (".mid", ".wav")
LARGEST_RATE = 1_000_000  # a larger learning rate overflows float32 in a few steps
LARGEST_INTEGER = 2**31 - 1  # TensorFlow takes the seed and counts as int32
FOLDERS = ("DLS_KERAS_HOME", "DLS_KERAS_DATA", "DLS_KERAS_WEIGHTS")
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
CLOSED_PIPE = 141  # as the shell reports a program that SIGPIPE ended


class ClosedPipe(Exception):
    """The program that reads our output has ended."""


class Commands(click.Group):
    """A group of commands that reports invalid input without a traceback."""

    def main(  # type: ignore[override]  # click has overloads that no caller needs
        self, args: Sequence[str] | None = None, **extra: Any
    ) -> None:
        """Run the command line `args`, by default the shell's, and exit."""
        # TensorFlow reads this when it starts; its log lines help no user.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        if not _open_closed_streams():
            sys.exit(errors.report("Standard output is closed; redirect it to a file."))
        args = sys.argv[1:] if args is None else list(args)
        failure = None
        if table.without_colour():
            extra["color"] = False
        try:
            if any("\0" in argument for argument in args):
                raise InputError("An argument has a NUL character. Remove it.")
            status = super().main(
                args, **{**extra, "prog_name": "dls-keras", "standalone_mode": False}
            )
        except click.UsageError as error:
            hint = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
            status = errors.report(error.format_message() + hint)
        except (click.ClickException, InputError) as error:
            status = errors.report(error)
        except ClosedPipe:
            status = CLOSED_PIPE
        except OSError as error:
            status, failure = 2, _flush(sys.stdout)
            if error.filename is None and error.errno in FULL:
                failure = error  # every other file that is written has a name
            if not failure:
                where = f"{error.filename}: " if error.filename else ""
                errors.report(f"{where}{error.strerror or error}.")
        except click.Abort as error:
            if not isinstance(error.__cause__, KeyboardInterrupt):
                raise
            errors.report("Stopped.")
            status = 130
        failure = failure or _flush(sys.stdout)
        if isinstance(failure, BrokenPipeError):
            status = CLOSED_PIPE
        elif failure:
            reason = failure.strerror or failure
            status = errors.report(f"Cannot write to standard output: {reason}.")
        _flush(sys.stderr)
        sys.exit(status)

    def make_context(self, *args: Any, **more: Any) -> click.Context:
        """The context of a command line; `--help` prints in here."""
        with _closed_pipe():
            return super().make_context(*args, **more)

    def invoke(self, context: click.Context) -> Any:
        """Run the command."""
        for name in FOLDERS:
            try:
                Path(os.environ.get(name, "")).expanduser()
            except RuntimeError:
                raise InputError(
                    f"{name} is {os.environ[name]}, but there is no such home folder. "
                    "Set it to the path of a folder."
                ) from None
        with _closed_pipe():
            return super().invoke(context)

    def list_commands(self, context: click.Context) -> list[str]:
        """The commands in the order of this file, for `--help`."""
        return list(self.commands)


def _open_closed_streams() -> bool:
    """Whether stdout is open; the null device takes the place of closed streams.

    Otherwise the next file that is opened would get the number of a standard stream.
    """
    if None in (sys.stdin, sys.stdout, sys.stderr):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")  # for names of files
    return sys.stdout is not None


def _flush(stream: TextIO) -> OSError | None:
    """Write what a stream still holds; if that fails, drop it and return the error."""
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError):  # such as of a stream without a descriptor
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, stream.fileno())
            os.close(null)
        return error
    return None


@contextlib.contextmanager
def _closed_pipe() -> Iterator[None]:
    """Tell a closed pipe from other errors, before click and rich exit with 1."""
    try:
        yield
    except BrokenPipeError as error:
        raise ClosedPipe from error
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):
            raise ClosedPipe from error
        raise


def _new(context, option, path: Path | None) -> Path | None:
    """The path of a new file to write."""
    path = _in_a_folder(context, option, path)
    if path and path.exists():
        raise click.BadParameter(f"{path} already exists; choose another name.")
    return path


def _picture(context, option, path: Path | None) -> Path | None:
    """The path of an image file to write."""
    if path and path.suffix.lower() not in PICTURES:
        raise click.BadParameter(
            f"unsupported image format {path.suffix!r}; use .png, .jpg or .jpeg."
        )
    return _in_a_folder(context, option, path)


def _answer(context, option, path: Path | None) -> Path | None:
    """The path of an answer to write: an image, or MIDI or sound."""
    if path and path.suffix.lower() in SOUNDS:
        return _in_a_folder(context, option, path)
    return _picture(context, option, path)


WEIGHTS = click.option(
    "--weights",
    default="default",
    type=names.Weights(),
    metavar="VARIANT|FILE",
    help="Weights by name (see `dls-keras weights`), or your own file.",
)
SYNTHETIC = click.option(
    "--synthetic",
    is_flag=True,
    help="Generated data in place of the course's; needs no files.",
)


@click.group(
    "dls-keras",
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(dls_keras.__version__)
@click.pass_context
def main(context: click.Context) -> None:
    """The assignments of the Deep Learning Specialization, running.

    Start with `dls-keras tour`.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


@main.command("list")
@click.argument("course", required=False, type=click.IntRange(1, len(catalog.COURSES)))
def list_assignments(course: int | None) -> None:
    """List the assignments of one COURSE (1 to 5), or all."""
    for number in [course] if course else catalog.COURSES:
        click.secho(f"Course {number}: {catalog.COURSES[number]}", bold=True)
        for a in catalog.ASSIGNMENTS:
            if a.course == number:
                line = f"  week {a.week}  {a.name:24} {a.title}"
                click.echo(table.wrapped(line, hang=4))


@main.command()
@NAME
def info(name: str) -> None:
    """Describe NAME: its idea, its functions, its weights.

    NAME may also be words of the title, such as "yolo".
    """
    from dls_keras import models

    name = names.found(name)
    module, row = models.open_assignment(name), catalog.BY_NAME[name]
    click.secho(table.wrapped(row.title), bold=True)
    click.echo(table.wrapped(f"\n{inspect.getdoc(module)}\n"))
    facts = {
        "module": row.module,
        "course": f"{row.course}, {catalog.COURSES[row.course]}; week {row.week}",
        "edition": row.edition,
        "has": ", ".join(row.offers) or "the course's functions",
        "weights": ", ".join(e.variant for e in models.entries(name)) or "none",
    }
    for label, value in facts.items():
        click.echo(table.wrapped(f"{label:8} {value}", hang=9))


@main.command()
@NAME
@click.argument("inputs", nargs=-1, required=True, metavar="INPUT...")
@WEIGHTS
@_written("--out", _answer, "Save the answer to one INPUT as an image, MIDI or sound.")
@JSON
@click.option(
    "--details", is_flag=True, help="With --json: large details, too, such as maps."
)
def infer(
    name: str,
    inputs: tuple[str, ...],
    weights: str,
    out: Path | None,
    as_json: bool,
    details: bool,
) -> int:
    """Run the model of NAME on each INPUT, a text or a file.

    The INPUT "-" is what standard input contains: an image, a sound, or a text in
    each line. An http(s) address is what its server sends. Prints the answer and its
    confidence, separated by a tab; with several inputs, each line begins with its
    input.

    \b
        dls-keras infer NAME "20th February 2016"
        dls-keras infer NAME photo.jpg --out answer.png
        dls-keras infer jazz "Dm7 G7 | Cmaj7" --out solo.wav
    """
    from dls_keras.cli import inputs as of_command_line

    given_inputs = of_command_line.given(inputs)
    several = len(given_inputs) > 1
    if out and several:
        raise click.UsageError(
            f"--out accepts a single INPUT; got {len(given_inputs)}."
        )
    from dls_keras import models
    from dls_keras.cli import render
    from dls_keras.core import answers

    module = models.open_assignment(name, "infer", *["picture"] * bool(out))
    writers = getattr(module, "WRITERS", {})
    if out and out.suffix.lower() in SOUNDS and out.suffix.lower() not in writers:
        raise InputError(
            f"{name} has no sound to write to {out}; use .png, .jpg or .jpeg."
        )
    model = models.load(name, weights)

    status = 0
    for one in of_command_line.answered(module.infer, model, given_inputs):
        given, answer, message = one.given.value, one.answer, one.error
        shown = click.format_filename(one.given.shown)
        if message:
            status = errors.report(
                message if shown in message else f"{shown}: {message}"
            )
            if as_json:
                _print_json(input=shown, error=message)
            continue
        if as_json:
            whole = answer if details else answer.brief()
            click.echo(whole.to_json(input=shown))
        else:
            cells = [str(answer), answers.percent(answer.confidence)]
            click.echo("\t".join([shown] * several + cells))
        if out and (write := writers.get(out.suffix.lower())):
            write(answer, out)
        elif out:
            from dls_keras.core import images

            images.write(render.picture(module, given, answer), out)
    return status


@main.command()
@NAME
@click.option(
    "--epochs",
    type=click.IntRange(1, LARGEST_INTEGER),
    help="Epochs: passes over the training set.",
)
@click.option(
    "--batch-size", type=click.IntRange(1, LARGEST_INTEGER), help="Batch size."
)
@click.option("--learning-rate", type=Number(0, LARGEST_RATE), help="Learning rate.")
@click.option(
    "--seed",
    type=click.IntRange(0, LARGEST_INTEGER),
    help="Seed of the initial weights and of shuffling.",
)
@_written(
    "--checkpoint",
    _in_a_folder,
    "Checkpoint, saved after every epoch; resumes from it if it exists.",
)
@_written("--out", _new, "Where to save the weights.  [default: NAME.h5]")
@_written("--curve", _picture, "Save the loss curve as an image.")
@SYNTHETIC
def train(
    name: str, out: Path | None, curve: Path | None, synthetic: bool, **settings: Any
) -> None:
    """Train the model of NAME from scratch and save its weights.

    Options left out have the defaults of the assignment. The shipped weights may have
    been trained on more data: weights/README.md states their recipes.
    """
    import numpy as np

    from dls_keras import models
    from dls_keras.core import files, outputs

    module = models.open_assignment(name, "load_data", "build_model", "train")
    out = out or Path(f"{name}.h5")
    if out.exists():
        raise InputError(
            f"{out} already exists and is never overwritten; choose another name with "
            "--out."
        )
    if out == settings["checkpoint"]:
        raise InputError(f"{out} is the file of --checkpoint, too; pass another --out.")
    files.check_writable(out)
    takes = _options_of(module.train)
    known = ", ".join(_flag(key) for key in settings if key in takes)
    settings = {key: value for key, value in settings.items() if value is not None}
    for key in settings:
        if key not in takes:
            raise InputError(f"{name} has no {_flag(key)}; its options are {known}.")
    if "on_epoch" in takes and not sys.stderr.isatty():  # no progress bar there
        settings["on_epoch"] = _print_epoch
    if "seed" in takes and "keras" in sys.modules:  # for the initial weights
        seed = settings.get("seed", takes["seed"])
        sys.modules["keras"].utils.set_random_seed(seed)

    data = module.load_data(synthetic=True) if synthetic else module.load_data()
    sizes = inspect.signature(module.build_model).parameters
    fields: dict[str, Any] = getattr(data, "_asdict", dict)()  # such as a vocabulary
    model = module.build_model(**{k: v for k, v in fields.items() if k in sizes})
    start = time.perf_counter()
    with np.errstate(all="ignore"):  # the losses and the weights are checked
        losses = module.train(model, data, **settings)
    seconds = time.perf_counter() - start
    for epoch, loss in enumerate(losses, 1):
        outputs.check_loss(loss, epoch)
    outputs.write_or_rescue(
        lambda path: models.save(module, model, path), out, "The trained weights are in"
    )
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
@SYNTHETIC
@JSON
def evaluate(name: str, weights: str, synthetic: bool, as_json: bool) -> None:
    """Evaluate NAME on held-out data and compare with its goals."""
    from dls_keras import models

    module = models.open_assignment(name, "evaluate")
    given = () if weights == "default" else (models.load(name, weights),)
    if given and not {*inspect.signature(module.evaluate).parameters} - {"synthetic"}:
        raise InputError(f"{name} evaluates no model, so it takes no --weights.")
    rows = module.evaluate(*given, **{"synthetic": True} if synthetic else {})
    if as_json:
        for row in rows:
            _print_json(**row._asdict())
    else:
        cells = [(row.what, f"{row.ours:.6g}", row.goal) for row in rows]
        table.show((name, "measured", "goal"), cells)


@main.group("weights", invoke_without_command=True)
@click.pass_context
def weights_group(context: click.Context) -> None:
    """List, download, verify or locate weights."""
    if context.invoked_subcommand is None:
        context.invoke(weights_list)


@weights_group.command("list")
@click.argument("name", required=False, type=names.Assignment())
@JSON
def weights_list(name: str | None, as_json: bool) -> None:
    """List the weights of NAME, or all: shipped with metrics, and published."""
    from dls_keras import models
    from dls_keras.core import files

    if name is not None:
        catalog.check(name)
    entries = models.entries(*([name] if name else []))
    if as_json:
        for entry in entries:
            _print_json(**names.facts(entry))
        return
    rows = []
    for entry in entries:
        facts = ("", "published")
        if entry.record:
            facts = (files.size(entry.record.bytes), entry.record.measured)
        rows.append((entry.name, entry.variant, *facts))
    table.show(("assignment", "--weights", "size", "measured"), rows)


@weights_group.command("fetch")
@click.argument("text", type=names.Weights(), metavar="NAME[/VARIANT]")
def weights_fetch(text: str) -> None:
    """Download weights if needed, verify the checksum, print the path."""
    from dls_keras import models

    for path in models.paths(models.entry(text), check=True):
        click.echo(path)


@weights_group.command("verify")
@click.argument(
    "text", type=names.Weights(), metavar="[NAME[/VARIANT]]", required=False
)
def weights_verify(text: str | None) -> int:
    """Verify weights by loading them: those of NAME, or all that ship."""
    from dls_keras import models

    chosen = [models.entry(text)] if text else [e for e in models.entries() if e.record]
    status = 0
    for entry in chosen:
        try:
            found = models.paths(entry, check=True)
            models.load(entry.name, entry.variant)
        except InputError as error:
            status = errors.report(error)
        else:
            places = ", ".join(map(str, found))
            click.echo(f"{entry.name}/{entry.variant}\tok\t{places}")
    return status


@weights_group.command("path")
@click.argument("text", type=names.Weights(), metavar="NAME[/VARIANT]")
def weights_path(text: str) -> None:
    """Print the path of weights, after a download if needed."""
    from dls_keras import models

    for path in models.paths(models.entry(text)):
        click.echo(path)


main.add_command(data_group)


@main.group(no_args_is_help=False)
def convert() -> None:
    """Convert weights of Keras 1, Keras 2 or Darknet."""


@convert.command("keras-h5")
@click.argument("file", type=FILE)
@click.option(
    "--model",
    "name",
    required=True,
    type=names.Assignment(),
    metavar="NAME",
    help="Its assignment.",
)
@click.option(
    "--architecture",
    "model_json",
    type=FILE,
    metavar="FILE.json",
    help="Architecture from model.to_json(), if FILE holds weights only.",
)
@click.option(
    "--glove",
    type=FILE,
    metavar="FILE.txt",
    help="Word vectors of the network's words, for emojify.",
)
@_written("--out", _new, "The converted weights, a new file.", required=True)
def convert_keras_h5(
    file: Path, name: str, model_json: Path | None, glove: Path | None, out: Path
) -> None:
    """Convert a FILE of Keras 1 or 2.

    Use the result with `dls-keras infer NAME INPUT --weights OUT.h5`.
    """
    from dls_keras import models

    models.open_assignment(name, "build_model")
    with log_lines.first_dropped():
        from dls_keras.cli import convert as conversion  # lazy import of Keras

    source, network = conversion.from_keras_h5(file, name, model_json, glove, out)
    _print_converted(file, source, network, out)


@convert.command("darknet")
@click.argument("cfg", type=FILE, metavar="FILE.cfg")
@click.argument("file", type=FILE, metavar="FILE.weights")
@click.option(
    "--names",
    type=FILE,
    metavar="FILE.names",
    help="Class names, one per line.  [default: COCO's 80 or Pascal VOC's 20]",
)
@_written("--out", _new, "The converted weights, a new file.", required=True)
def convert_darknet(cfg: Path, file: Path, names: Path | None, out: Path) -> None:
    """Convert a FILE.weights of Darknet and its FILE.cfg.

    Use the result with `dls-keras infer car_detection PHOTO --weights OUT.h5`.
    """
    from dls_keras import models

    module = models.open_assignment("car_detection")
    from dls_keras.converters import darknet  # lazy import of Keras
    from dls_keras.core import readers

    network = darknet.load(cfg, file)
    known = None
    if names is not None:
        text = readers.read_text(names, "a list of class names", limit=readers.MEGABYTE)
        known = [line.strip() for line in text.splitlines() if line.strip()]
    classes = darknet.class_names(network.heads, known)
    settings = {"cfg": darknet.read_cfg(cfg), "classes": classes}
    models.save(module, network, out, settings=settings)
    _print_converted(file, f"Darknet, {cfg.name}", network.model, out)


@main.command()
@NAME
@click.option("--notebook", is_flag=True, help="Write a notebook instead of a module.")
@_written("--out", _in_a_folder, "Output file.  [default: NAME.py or NAME.ipynb]")
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
def start(name: str, notebook: bool, out: Path | None, force: bool) -> None:
    """Write NAME's functions as stubs for you to implement.

    Each stub has the signature, the return values, and an error that says it is not
    implemented; the last cell checks your code.
    """
    from dls_keras.grading import skeleton

    ending = ".ipynb" if notebook else ".py"
    out = out or Path(f"{name}{ending}")
    if out.suffix not in ([".ipynb"] if notebook else skeleton.ENDINGS):
        raise InputError(f"{out} has the wrong suffix; expected {ending}.")
    if out.exists() and not force:
        raise InputError(
            f"{out} already exists; choose another name with --out, or overwrite it "
            "with --force."
        )
    unwritten = skeleton.write(name, out)
    click.echo(
        f"{out}: {unwritten} functions to implement; "
        f"`dls-keras check {name} {shlex.quote(str(out))}` checks them"
    )


main.add_command(check.check)
main.add_command(check.grades)


@main.command()
@_written(
    "--out", _in_a_folder, "The web page.", default="tour.html", show_default=True
)
def tour(out: Path) -> int:
    """Let each model answer one question; write a web page.

    Works offline, with all shipped weights.
    """
    from dls_keras.cli import tour as guide

    stops = guide.visit_all()
    try:
        table.show(guide.HEADER, [guide.cells(stop) for stop in stops])
    finally:  # a full stdout does not lose the page, nor a full disk the table
        guide.write(stops, out)
    click.echo(f"Open {out} in a browser to see the pictures.")
    return 2 if any(stop.error for stop in stops) else 0


def _options_of(train: Callable) -> dict[str, Any]:
    """The settings that a `train` takes, with their defaults.

    One that passes `**settings` on to `core.training.fit` takes those of `fit`, too.
    """
    parameters = inspect.signature(train).parameters.values()
    takes = {p.name: p.default for p in parameters}
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        takes |= {"on_epoch": None, "checkpoint": None}
    return takes


# Output.


def _flag(parameter: str) -> str:
    return f"--{parameter.replace('_', '-')}"


def _print_epoch(epoch: int, loss: float) -> None:
    with contextlib.suppress(OSError):  # a full or closed stderr ends no training
        click.echo(f"epoch {epoch}: loss {loss:.6g}", err=True)


def _print_json(**values: Any) -> None:
    """One JSON object on a line, in the types of `answers.plain`."""
    import json

    from dls_keras.core import answers

    click.echo(json.dumps(answers.plain(values), ensure_ascii=False))


def _print_converted(file: Path, source: str, network: Any, out: Path) -> None:
    click.echo(
        f"{file} ({source}): {len(network.weights)} arrays, "
        f"{network.count_params():,} parameters, written to {out}"
    )
