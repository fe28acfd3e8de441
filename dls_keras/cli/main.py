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
import math
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

import click

import dls_keras
from dls_keras import catalog
from dls_keras.cli.data import data_group
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
            sys.exit(_report_error("Standard output is closed; redirect it to a file."))
        args = sys.argv[1:] if args is None else list(args)
        failure = None
        try:
            if any("\0" in argument for argument in args):
                raise InputError("An argument has a NUL character. Remove it.")
            status = super().main(
                args, **{**extra, "prog_name": "dls-keras", "standalone_mode": False}
            )
        except click.UsageError as error:
            hint = f" See `{error.ctx.command_path} --help`." if error.ctx else ""
            status = _report_error(error.format_message() + hint)
        except (click.ClickException, InputError) as error:
            status = _report_error(error)
        except ClosedPipe:
            status = CLOSED_PIPE
        except OSError as error:
            status, failure = 2, _flush(sys.stdout)
            if error.filename is None and error.errno in FULL:
                failure = error  # every other file that is written has a name
            if not failure:
                where = f"{error.filename}: " if error.filename else ""
                _report_error(f"{where}{error.strerror or error}.")
        except click.Abort as error:
            if not isinstance(error.__cause__, KeyboardInterrupt):
                raise
            _report_error("Stopped.")
            status = 130
        failure = failure or _flush(sys.stdout)
        if isinstance(failure, BrokenPipeError):
            status = CLOSED_PIPE
        elif failure:
            reason = failure.strerror or failure
            status = _report_error(f"Cannot write to standard output: {reason}.")
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


def _report_error(message: object) -> int:
    """Print an error message to stderr; return the exit code of invalid input."""
    with contextlib.suppress(OSError):  # stderr may be full or closed, too
        click.echo(f"dls-keras: {message}", err=True)
    return 2


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


class Number(click.FloatRange):
    """A number in a range, which NaN is not."""

    def convert(self, value: Any, option: Any, context: Any) -> float:
        """The number."""
        number = super().convert(value, option, context)
        if math.isnan(number):
            self.fail(f"{value} is not a number.", option, context)
        return number


def _in_a_folder(context, option, path: Path | None) -> Path | None:
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
    help="Weights by name (see `dls-keras weights`), or your own file.",
)
JSON = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object per line."
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
                click.echo(f"  week {a.week}  {a.name:24} {a.title}")


@main.command()
@NAME
def info(name: str) -> None:
    """Describe NAME: its idea, its functions, its weights."""
    from dls_keras import models

    module, row = models.open_assignment(name), catalog.BY_NAME[name]
    click.secho(row.title, bold=True)
    click.echo(f"\n{inspect.getdoc(module)}\n")
    facts = {
        "module": row.module,
        "course": f"{row.course}, {catalog.COURSES[row.course]}; week {row.week}",
        "edition": row.edition,
        "has": ", ".join(row.offers) or "the course's functions",
        "weights": ", ".join(e.variant for e in models.entries(name)) or "none",
    }
    for label, value in facts.items():
        click.echo(f"{label:8} {value}")


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
    """Run the model of NAME on each INPUT, a text or an image file.

    The INPUT "-" is what standard input contains: an image, or a text in each line.
    Prints the answer and its confidence, separated by a tab; with several inputs,
    each line begins with its input.

    \b
        dls-keras infer NAME "20th February 2016"
        dls-keras infer NAME photo.jpg --out answer.png
        dls-keras infer jazz "Dm7 G7 | Cmaj7" --out solo.wav
    """
    given_inputs: list[str | bytes] = []
    for text in inputs:
        given_inputs += _from_stdin() if text == "-" else [text]
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
    for given in given_inputs:
        shown = "-" if isinstance(given, bytes) else click.format_filename(given)
        try:
            answer = module.infer(model, given)
        except InputError as error:
            message = str(error)
            status = _report_error(
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


def _from_stdin() -> list[str | bytes]:
    """What standard input contains: a text in each line, or the bytes of a file."""
    from dls_keras.core import files, readers

    content = sys.stdin.buffer.read(readers.LARGEST_TEXT + 1)
    if len(content) > readers.LARGEST_TEXT:
        raise InputError(
            f"Standard input has more than {files.size(readers.LARGEST_TEXT)}. Save "
            "it as a file, and name that."
        )
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        return [content]
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise InputError("Standard input is empty. Expected a text or an image.")
    return [*texts]


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
        _print_table((name, "measured", "goal"), cells)


@main.group("weights", invoke_without_command=True)
@click.pass_context
def weights_group(context: click.Context) -> None:
    """List, download, verify or locate weights."""
    if context.invoked_subcommand is None:
        context.invoke(weights_list)


@weights_group.command("list")
def weights_list() -> None:
    """List all weights: shipped ones with their metrics, and published ones."""
    from dls_keras import models
    from dls_keras.core import files

    rows = []
    for entry in models.entries():
        facts = ("", "published")
        if entry.record:
            facts = (files.size(entry.record.bytes), entry.record.measured)
        rows.append((entry.name, entry.variant, *facts))
    _print_table(("assignment", "--weights", "size", "measured"), rows)


@weights_group.command("fetch")
@click.argument("text", metavar="NAME[/VARIANT]")
def weights_fetch(text: str) -> None:
    """Download weights if needed, verify the checksum, print the path."""
    from dls_keras import models

    for path in models.paths(models.entry(text), check=True):
        click.echo(path)


@weights_group.command("verify")
@click.argument("text", metavar="[NAME[/VARIANT]]", required=False)
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
            status = _report_error(error)
        else:
            places = ", ".join(map(str, found))
            click.echo(f"{entry.name}/{entry.variant}\tok\t{places}")
    return status


@weights_group.command("path")
@click.argument("text", metavar="NAME[/VARIANT]")
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
@click.option("--model", "name", required=True, metavar="NAME", help="Its assignment.")
@click.option(
    "--architecture",
    "model_json",
    type=FILE,
    metavar="FILE.json",
    help="Architecture from model.to_json(), if FILE holds weights only.",
)
@_written("--out", _new, "The converted weights, a new file.", required=True)
def convert_keras_h5(file: Path, name: str, model_json: Path | None, out: Path) -> None:
    """Convert a FILE of Keras 1 or 2.

    Use the result with `dls-keras infer NAME INPUT --weights OUT.h5`.
    """
    from dls_keras import models

    module = models.open_assignment(name, "build_model")
    from dls_keras.converters import keras_h5  # lazy import of Keras

    contents = keras_h5.read(file, model_json=model_json)
    gates = keras_h5.gates(contents)
    takes_gates = "gates" in inspect.signature(module.build_model).parameters
    settings = {"gates": gates} if gates and takes_gates else {}
    model = models.build(module, settings)
    network = keras_h5.fill(models.network(model), contents)
    models.save(module, model, out, settings=settings)
    with_gates = f", {gates} gates" if gates else ""
    source = f"Keras {contents.keras_version}{with_gates}"
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


@main.command()
@NAME
@click.argument("path", type=FILE, metavar="FILE|FOLDER")
@JSON
@_written("--junit", _in_a_folder, "Write JUnit XML, one test case per function.")
@_written("--csv", _in_a_folder, "Write a CSV table, one row per file.")
@click.option(
    "--timeout",
    type=Number(min=0, min_open=True),
    default=10,
    show_default=True,
    metavar="SECONDS",
    help="CPU time limit per test.",
)
@click.option(
    "--memory",
    type=click.IntRange(min=1),
    default=2000,
    show_default=True,
    metavar="MB",
    help="Memory limit per file, beyond its imports.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Files checked in parallel.  [default: as cores and memory allow]",
)
def check(
    name: str,
    path: Path,
    as_json: bool,
    junit: Path | None,
    csv: Path | None,
    timeout: float,
    memory: int,
    workers: int | None,
) -> int:
    """Check your own solution of NAME.

    FILE is a module (.py) or a notebook (.ipynb), FOLDER holds those of a class. Each
    function is ok, missing, or wrong, with a hint. Your code runs in a separate
    process with limits; this is a convenience, not a sandbox against hostile code.
    The exit code is 0 if everything is right, 1 if something is wrong or missing.
    """
    from dls_keras.core import files, progress
    from dls_keras.grading import report as reports
    from dls_keras.grading import runner

    runner.known(name)
    limits: dict[str, Any] = {"timeout": timeout, "memory": memory}
    several = path.is_dir()
    paths = runner.solutions(path) if several else [path]
    if several:
        workers = min(workers or runner.workers(memory), len(paths))
        found = runner.check_all(name, paths, workers=workers, **limits)
    else:
        found = (runner.check(name, one, **limits) for one in paths)

    done = []
    with runner.sigterm_ends(), progress.progress(name, len(paths)) as bar:
        for report in found:  # it uses stdout, too
            done.append(report)
            bar.advance(note=Path(report.file).name)
    for report in done:
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
                temporary.write_text(write(done), encoding="utf-8")
    return 0 if all(report.ok for report in done) else 1


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
        _print_table(guide.HEADER, [guide.cells(stop) for stop in stops])
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


def _print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table on a terminal; elsewhere one line per row, cells separated by tabs."""
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
        short = max(map(len, column), default=0) <= 24  # numbers and names do not wrap
        table.add_column(title, no_wrap=short)
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)
