"""Files to write: checked before the work, written completely, never lost.

A limit on the size of files stands for a full disk, see `full_disks`.
"""

import errno
import functools
import io
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import fake_assignments
import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from full_disks import full_disk
from PIL import Image

from dls_keras import catalog, models
from dls_keras.cli.main import main
from dls_keras.core import audio, files, images, outputs, weights
from dls_keras.core.errors import InputError

PLANAR = "planar_classification"  # a small network without TensorFlow


def fails(*args):
    """The one-line message on stderr of `dls-keras ARGS`, which exits with code 2."""
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    lines = result.stderr.splitlines()
    (line,) = [line for line in lines if not line.startswith("epoch ")]
    return line.removeprefix("dls-keras: ")


def everything_below(folder):
    """The paths of all files and folders in a folder, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.fixture
def echo(monkeypatch, tmp_path):
    """The fake assignment `echo`, in an empty folder `here`, with an empty `tmp`."""
    for name in ("weights", "here", "tmp"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return fake_assignments.register(monkeypatch, tmp_path / "weights")


# Paths that cannot be written.

UNWRITABLE = {
    "file.txt/out": "file.txt is not a folder",
    "none/out": "the folder none does not exist",
    "folder": "is a ",  # "is a folder", or "is a directory" from click
    "x" * 300: "File name too long",
    "x/" * 3000 + "out": "File name too long",
    "/dev/full": "it is a device or a pipe",
    "/proc/out": "No such file or directory in the folder /proc",
    "a\0b": "NUL character",
}
paths = pytest.mark.parametrize("path", UNWRITABLE, ids=lambda path: path[:12])


@pytest.fixture
def here(monkeypatch, tmp_path):
    """A folder with a file and a folder, which is the current one."""
    (tmp_path / "file.txt").write_text("precious")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@paths
def test_an_unwritable_path_is_an_error_before_the_work(here, path):
    """It names the path, and no file is left behind."""
    before = everything_below(here)
    words = UNWRITABLE[path]
    with pytest.raises(InputError, match=words):
        files.check_writable(path)
    with pytest.raises(InputError, match=words), files.atomic_write(path):
        pytest.fail("the work began")
    assert everything_below(here) == before


def test_a_path_in_a_folder_without_permission_is_an_error(here):
    """Not for root, who may write everywhere."""
    if os.geteuid() == 0:
        pytest.skip("permissions do not hold for root")
    (here / "folder").chmod(0o500)
    with pytest.raises(InputError, match="Permission denied in the folder"):
        files.check_writable(here / "folder" / "out")


def test_a_writable_path_is_left_as_it_was(here):
    """An existing file keeps its content, a new one does not exist."""
    files.check_writable("file.txt")
    files.check_writable("new.txt")
    assert (here / "file.txt").read_text() == "precious"
    assert everything_below(here) == ["file.txt", "folder"]


def test_a_disk_without_room_for_the_content_is_an_error_before_the_work(here):
    """Of the whole content, where its size is known."""
    with full_disk(2000), pytest.raises(InputError, match="File too large"):
        files.check_writable("new.txt", bytes(3000))
    with full_disk(0), pytest.raises(InputError, match="File too large"):
        files.check_writable("new.txt")
    assert everything_below(here) == ["file.txt", "folder"]


def test_a_symbolic_link_remains_one(here):
    """The file that it names is replaced."""
    (here / "link.txt").symlink_to("folder/target.txt")
    with files.atomic_write("link.txt") as temporary:
        temporary.write_text("new")
    assert (here / "link.txt").is_symlink()
    assert (here / "folder" / "target.txt").read_text() == "new"


# A full disk.


def noise(path):
    """Write an image that cannot be compressed."""
    rng = np.random.default_rng(0)
    images.write(rng.integers(0, 256, (64, 64, 3), "uint8"), path)


WRITERS = {
    "a.txt": lambda path: _write_text(path),
    "a.png": noise,
    "a.jpg": noise,
    "a.bmp": noise,
    "a.wav": lambda path: audio.write(path, np.zeros(3000, "int16")),
    "a.h5": lambda path: weights.save_arrays({"w": np.ones(3000)}, path),
}


def _write_text(path):
    with files.atomic_write(path) as temporary:
        temporary.write_text("x" * 3000)


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_an_error_that_leaves_no_file(here, name):
    """No half-written one, and no hidden one."""
    with full_disk(2000), pytest.raises(InputError, match=f"Cannot write {name}: "):
        WRITERS[name](Path(name))
    assert everything_below(here) == ["file.txt", "folder"]
    WRITERS[name](Path(name))
    assert everything_below(here) == sorted([name, "file.txt", "folder"])


def test_a_full_disk_keeps_the_old_file(here):
    """It is replaced when the new one is complete."""
    with full_disk(2000), pytest.raises(InputError):
        _write_text("file.txt")
    assert (here / "file.txt").read_text() == "precious"


def test_an_error_about_another_file_is_not_one_of_writing(here):
    """Such as of a file that is read in the block."""
    with pytest.raises(FileNotFoundError), files.atomic_write("new") as temporary:
        temporary.write_bytes(Path("none").read_bytes())
    assert everything_below(here) == ["file.txt", "folder"]


# Results of long work.


def test_a_result_that_cannot_be_written_goes_into_the_temporary_folder(echo, tmp_path):
    """The message says where it is; the file has the same name."""
    with pytest.raises(InputError, match="none does not exist.* It is in ") as caught:
        outputs.write_or_rescue(_write_text, "none/a.txt", "It is in")
    place = Path(str(caught.value).partition("It is in ")[2].removesuffix("."))
    assert place.name == "a.txt" and place.is_relative_to(tmp_path / "tmp")
    assert place.read_text() == "x" * 3000


@pytest.mark.parametrize("missing", [False, True])
def test_without_a_place_for_a_result_the_first_error_is_raised(
    echo, tmp_path, monkeypatch, missing
):
    """If the temporary folder is full or does not exist, too."""
    if missing:
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with (
        full_disk(2000),
        pytest.raises(InputError, match=r"Cannot write a.txt: .*path\.$"),
    ):
        outputs.write_or_rescue(_write_text, "a.txt", "It is in")
    assert (
        everything_below(tmp_path / "tmp") == everything_below(tmp_path / "here") == []
    )


@pytest.mark.parametrize("loss", [np.nan, np.inf, -np.inf, np.float32("nan")])
def test_a_loss_that_is_not_finite_is_an_error(loss):
    """It says which epoch it is, and what to do."""
    with pytest.raises(
        InputError, match=r"epoch 7 is -?(nan|inf), .* smaller learning"
    ):
        outputs.check_loss(loss, 7)
    outputs.check_loss(1e300, 7)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39, -1e39])
def test_an_array_that_is_not_finite_is_not_saved(tmp_path, value):
    """Also beyond float32, as such a file would be refused when it is loaded."""
    arrays = {"a": np.arange(3), "layer/b": np.array([[0, 1], [value, 2]]), "c": b"x"}
    with pytest.raises(InputError, match="layer/b holds .* smaller learning rate"):
        weights.save_arrays(arrays, tmp_path / "w.h5")
    assert everything_below(tmp_path) == []


def test_arrays_of_other_types_are_saved(tmp_path):
    """Empty ones, integers, half precision and bytes."""
    arrays = {
        "a": np.empty(0),
        "b": np.arange(3),
        "c": np.ones(2, "float16"),
        "d": np.array([b"cat"]),
        "e": np.float32(3e38),
    }
    loaded = weights.load_arrays(weights.save_arrays(arrays, tmp_path / "w.h5"))
    assert loaded.keys() == arrays.keys()


def test_a_mapping_of_arrays_is_saved(tmp_path):
    """Such as word vectors, which are no dict."""
    module = models.open_assignment("word_vectors")
    model = module.build_model(["cat", "dog"])
    models.save(module, model, tmp_path / "w.h5")
    loaded = weights.load_arrays(tmp_path / "w.h5")
    assert np.array_equal(loaded["dog"], model["dog"]) and len(loaded) == 2


# The command line.


@paths
@pytest.mark.parametrize(
    "command",
    ["train echo --out", "train echo --curve", "train echo --checkpoint"]
    + ["infer echo hi --out", "start fizzbuzz --out", "tour --out"]
    + ["check fizzbuzz x.py --csv", "check fizzbuzz x.py --junit"]
    + ["convert keras-h5 x.h5 --model echo --out", "convert darknet a b --out"],
)
def test_an_unwritable_output_is_one_line_before_the_work(
    echo, tmp_path, command, path
):
    """Nothing is trained, read or printed."""
    (tmp_path / "here" / "file.txt").write_text("precious")
    (tmp_path / "here" / "folder").mkdir()
    (tmp_path / "here" / "folder.png").mkdir()
    before = everything_below(tmp_path)
    if command.endswith(("curve", "hi --out")) and path != "/dev/full":
        path += ".png"
    fails(*command.split(), path)
    assert fake_assignments.CALLS == []
    assert everything_below(tmp_path) == before


def test_the_default_output_is_checked_before_the_work(echo, tmp_path, monkeypatch):
    """NAME.h5 in the current folder."""
    with full_disk(0):
        assert "echo.h5: File too large in the current folder" in fails("train", "echo")
    assert fake_assignments.CALLS == []


def test_two_outputs_have_two_files(echo):
    """Otherwise one would replace the other."""
    message = fails("train", "echo", "--out", "a.png", "--curve", "./a.png")
    assert "a.png is the file of --" in message
    message = fails("train", "echo", "--checkpoint", "echo.h5")
    assert message.startswith("echo.h5 is the file of --checkpoint")
    assert fake_assignments.CALLS == []


def test_trained_weights_are_not_lost(echo, tmp_path, monkeypatch):
    """They go into the temporary folder if the last write fails."""
    train = echo.train
    (tmp_path / "here" / "new").mkdir()

    @functools.wraps(train)  # for the options of the command line
    def and_remove_folder(model, data, **settings):
        (tmp_path / "here" / "new").rmdir()
        return train(model, data, **settings)

    monkeypatch.setattr(echo, "train", and_remove_folder)
    message = fails("train", "echo", "--seed", 3, "--out", "new/mine.h5")
    assert "the folder new does not exist" in message
    place = message.partition("The trained weights are in ")[2].removesuffix(".")
    assert models.load("echo", place)["w"].tolist() == [3, 3, 3]
    assert everything_below(tmp_path / "here") == []


def test_a_file_that_appears_during_the_training_is_not_replaced(
    echo, tmp_path, monkeypatch
):
    """The weights go into the temporary folder."""
    monkeypatch.setattr(echo, "train", lambda *_: Path("a.h5").write_text("x") and [0])
    message = fails("train", "echo", "--out", "a.h5")
    assert "a.h5 already exists" in message and "weights are in" in message
    assert (tmp_path / "here" / "a.h5").read_text() == "x"


@pytest.mark.parametrize(
    ("args", "name"),
    [
        (["infer", "echo", "hi", "--out", "a.png"], "a.png"),
        (["infer", "echo", "hi", "--out", "a.jpg"], "a.jpg"),
        (["train", "echo", "--curve", "a.png"], "a.png"),
        (["tour", "--out", "a.html"], "a.html"),
    ],
)
def test_an_output_on_a_full_disk_is_one_line(echo, tmp_path, monkeypatch, args, name):
    """What was written before, such as the weights, stays; no hidden file does."""
    rng = np.random.default_rng(0)
    drawn = Image.fromarray(rng.integers(0, 256, (90, 90, 3), "uint8"))
    monkeypatch.setattr(echo, "picture", lambda *_: drawn)
    with full_disk(4000):
        assert f"Cannot write {name}: " in fails(*args)
    kept = ["echo.h5"] if "train" in args else []
    assert everything_below(tmp_path / "here") == kept


def test_stubs_on_a_full_disk_are_one_line(tmp_path, monkeypatch):
    """Of the real assignment, as a module and as a notebook."""
    monkeypatch.chdir(tmp_path)
    for more in ([], ["--notebook"]):
        with full_disk(2000):
            assert f"Cannot write {PLANAR}" in fails("start", PLANAR, *more)
    assert everything_below(tmp_path) == []


def test_a_program_with_a_full_disk_ends_with_one_line(tmp_path):
    """Not with a segmentation fault of libhdf5; the temporary folder is full, too."""
    done = dls_keras(
        *("train", PLANAR, "--epochs", "1", "--out", "a.h5"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)),
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    )
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("dls-keras: Cannot write a.h5: File too large")
    assert everything_below(tmp_path) == []


# Numbers that are not finite.


@pytest.mark.parametrize("rate", ["nan", "inf", "-inf", "-1", "-1e-9", "1e30", "x"])
@pytest.mark.parametrize(
    "name", [row.name for row in catalog.ASSIGNMENTS if "train" in row.offers]
)
def test_a_learning_rate_is_a_finite_number(monkeypatch, tmp_path, name, rate):
    """Others are refused before anything is imported or loaded."""
    monkeypatch.chdir(tmp_path)
    message = fails("train", name, "--learning-rate", rate)
    assert message.startswith("Invalid value for '--learning-rate': ")
    assert everything_below(tmp_path) == []


@pytest.mark.parametrize("value", [-1, 2**31, 2**32, 10**30, "nan"])
@pytest.mark.parametrize("option", ["--seed", "--epochs", "--batch-size"])
def test_a_whole_number_is_one_that_tensorflow_takes(echo, option, value):
    """It has 32 bits with a sign."""
    assert f"Invalid value for '{option}'" in fails("train", "echo", option, value)
    assert fake_assignments.CALLS == []


def test_the_largest_seed_and_a_learning_rate_of_zero_are_taken(monkeypatch, tmp_path):
    """With zero, the weights remain those of the beginning."""
    monkeypatch.chdir(tmp_path)
    args = ["train", PLANAR, "--epochs", "2", "--learning-rate", "0"]
    assert CliRunner().invoke(main, args).exit_code == 0
    arrays = weights.load_arrays(f"{PLANAR}.h5")
    expected = models.open_assignment(PLANAR).build_model()
    assert all(np.array_equal(arrays[name], expected[name]) for name in expected)
    args = ["train", "batch_normalization", "--epochs", "1", "--seed", str(2**31 - 1)]
    assert CliRunner().invoke(main, args).exit_code == 0


@pytest.mark.parametrize("losses", [[1, np.nan, 2], [1, np.inf], [-np.inf]])
def test_a_diverged_training_writes_no_file(echo, tmp_path, monkeypatch, losses):
    """The message says which epoch, and what to do."""
    monkeypatch.setattr(echo, "train", lambda model, data: losses)
    message = fails("train", "echo", "--curve", "a.png")
    epoch = int(np.argmin(np.isfinite(losses))) + 1
    assert f"the loss of epoch {epoch} is {losses[epoch - 1]}" in message
    assert "smaller learning rate" in message
    assert everything_below(tmp_path / "here") == []
    assert everything_below(tmp_path / "tmp") == []


def test_weights_that_are_not_finite_are_not_written(echo, tmp_path, monkeypatch):
    """Even if the losses, which are those before each step, are finite."""

    def train(model, data):
        model["w"] = np.array([1, np.nan])
        return [1.0]

    monkeypatch.setattr(echo, "train", train)
    assert fails("train", "echo").startswith("w holds NaN or inf")
    assert everything_below(tmp_path / "here") == []
    assert everything_below(tmp_path / "tmp") == []


@pytest.mark.parametrize(
    "name",
    ["linear_regression", "logistic_regression", "deep_network_application", PLANAR]
    + ["initialization", "regularization", "optimization", "batch_normalization"],
)
@pytest.mark.parametrize("rate", [1e3, 1e6])
def test_a_large_learning_rate_writes_finite_weights_or_none(
    monkeypatch, tmp_path, name, rate
):
    """NumPy's warnings are not printed."""
    monkeypatch.chdir(tmp_path)
    args = ["train", name, "--synthetic", "--epochs", 20, "--learning-rate", rate]
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert isinstance(result.exception, SystemExit | None), result.exception
    assert result.exit_code in (0, 2)
    if result.exit_code == 0:
        arrays = weights.load_arrays(f"{name}.h5")
        assert all(np.isfinite(array).all() for array in arrays.values())
    else:
        assert "smaller learning rate" in result.stderr
        assert everything_below(tmp_path) == []


# Standard streams.


def dls_keras(*args, **settings):
    """A finished process of `dls-keras ARGS`."""
    settings = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | settings
    return subprocess.run(
        [sys.executable, "-m", "dls_keras", *args], text=True, check=False, **settings
    )


unbuffered = pytest.mark.parametrize("unbuffered", ["", "1"])


@unbuffered
@pytest.mark.parametrize("command", [["list"], ["--help"], ["weights", "list"]])
def test_a_full_stdout_is_one_line(command, unbuffered):
    """It is not a traceback; the exit code is 2."""
    with open("/dev/full", "w") as full:
        done = dls_keras(
            *command, stdout=full, env=os.environ | {"PYTHONUNBUFFERED": unbuffered}
        )
    assert done.returncode == 2
    assert done.stderr == (
        "dls-keras: Cannot write to standard output: No space left on device.\n"
    )


@unbuffered
@pytest.mark.parametrize("command", [["list"], ["--help"], ["weights", "list"]])
def test_a_closed_pipe_ends_the_program_quietly(command, unbuffered):
    """As `head` closes it; with the exit code that shells give for SIGPIPE."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        done = dls_keras(
            *command, stdout=pipe, env=os.environ | {"PYTHONUNBUFFERED": unbuffered}
        )
    assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_stdout_is_one_line():
    """As after `>&-`: a file would get its number otherwise."""
    done = dls_keras("list", preexec_fn=lambda: os.close(1))
    assert done.returncode == 2
    assert done.stderr == (
        "dls-keras: Standard output is closed; redirect it to a file.\n"
    )


@pytest.mark.parametrize("closed", [[0], [2], [0, 2]])
def test_other_closed_streams_change_nothing(tmp_path, closed):
    """Neither the output nor the files that are written."""
    done = dls_keras(
        *("train", PLANAR, "--epochs", "2", "--out", "a.h5"),
        preexec_fn=lambda: [os.close(descriptor) for descriptor in closed],
        cwd=tmp_path,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{PLANAR}: 2 epochs in ")
    assert h5py.is_hdf5(tmp_path / "a.h5")


@unbuffered
def test_a_full_stderr_changes_no_exit_code(unbuffered):
    """Neither that of an error nor that of a success."""
    with open("/dev/full", "w") as full:
        settings = {
            "stderr": full,
            "env": os.environ | {"PYTHONUNBUFFERED": unbuffered},
        }
        assert dls_keras("lst", **settings).returncode == 2
        assert dls_keras("list", **settings).returncode == 0


def test_a_full_stdout_loses_no_weights(echo, tmp_path, monkeypatch):
    """Nor does a full stderr, to which the losses go."""

    class Full(io.StringIO):
        def write(self, text):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        def flush(self):
            self.write("")

    monkeypatch.setattr(sys, "stdout", Full())
    monkeypatch.setattr(sys, "stderr", Full())
    with pytest.raises(SystemExit) as end:
        main(["train", "echo"])
    assert end.value.code == 2
    assert everything_below(tmp_path / "here") == ["echo.h5"]


def test_a_name_that_is_no_unicode_is_one_line(echo):
    """The bytes of a name in another encoding."""
    assert "not valid UTF-8" in fails("train", "echo", "--out", "caf\udce9.h5")


@pytest.mark.parametrize("name", ["HOME", "DATA", "WEIGHTS"])
def test_the_home_folder_of_nobody_is_one_line(echo, monkeypatch, name):
    """The message names the environment variable."""
    monkeypatch.setenv(f"DLS_KERAS_{name}", "~nosuchuser/folder")
    message = fails("infer", "echo", "hi")
    assert message.startswith(f"DLS_KERAS_{name} is ~nosuchuser/folder, but there is")


def test_any_error_of_the_operating_system_is_one_line(echo, monkeypatch):
    """With the name of the file, if it has one."""
    for error, expected in (
        (
            OSError(errno.EIO, "Input/output error", "/disk"),
            "/disk: Input/output error.",
        ),
        (OSError(errno.EIO, "Input/output error"), "Input/output error."),
        (OSError("cannot decode"), "cannot decode."),
        (FileNotFoundError(2, "No such file or directory", "/x"), "/x: No such file"),
    ):

        def broken(*_, error=error):
            raise error

        monkeypatch.setattr(echo, "infer", broken)
        assert fails("infer", "echo", "hi").startswith(expected)
