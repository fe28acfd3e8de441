"""The command line: its output, its files and its exit codes."""

import http.server
import io
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import fake_assignments
import h5py
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dls_keras import catalog, models
from dls_keras.cli import inputs
from dls_keras.cli.main import main
from dls_keras.core import answers
from dls_keras.core import inputs as core_inputs
from dls_keras.core.errors import InputError

HEAVY = {"tensorflow", "keras", "numpy", "h5py", "matplotlib", "PIL", "rich", "pooch"}


def run(*args):
    """The result of `dls-keras ARGS`, which must not raise an exception."""
    result = CliRunner().invoke(main, [str(arg) for arg in args])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def fails(*args):
    """The one-line message on stderr of `dls-keras ARGS`, which exits with code 2."""
    result = run(*args)
    assert result.exit_code == 2
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line.removeprefix("dls-keras: ")


@pytest.fixture
def echo(monkeypatch, tmp_path):
    """The fake assignment `echo` in a catalogue of two, in an empty folder."""
    (tmp_path / "weights").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return fake_assignments.register(monkeypatch, tmp_path / "weights")


# Help, list and usage errors


def test_parsing_imports_nothing_heavy():
    """Help, the list and usage errors need no TensorFlow, Keras, NumPy or rich."""
    program = """
import contextlib, sys
from dls_keras.cli.main import main
for line in "--help", "--version", "list", "list 4", "infer --help", "train", "lst":
    with contextlib.suppress(SystemExit):
        main(line.split())
print(*{name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(done.stdout.splitlines()[-1].split())


def test_list_names_every_assignment():
    """It prints one line per assignment and a title per course."""
    lines = run("list").stdout.splitlines()
    for assignment in catalog.ASSIGNMENTS:
        assert any(assignment.name in line.split() for line in lines)
    assert sum(line.startswith("Course ") for line in lines) == len(catalog.COURSES)


def test_list_of_a_course_names_no_other(echo):
    """`list 4` prints course 4 only; a course without assignments has a title."""
    assert run("list", 4).stdout.splitlines() == [
        "Course 4: Convolutional neural networks",
        "  week 3  finder                   Find a half",
    ]
    (title,) = run("list", 2).stdout.splitlines()
    assert title.startswith("Course 2: ")


def test_help_lists_the_commands_in_order_of_use():
    """`dls-keras` without a command prints the help; no sentence is truncated."""
    shown = run().stdout
    names = ["list", "info", "infer", "train", "evaluate", "weights", "convert"]
    names += ["start", "check", "tour"]
    positions = [shown.index(f"\n  {name} ") for name in names]
    assert positions == sorted(positions)
    assert "..." not in shown.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["lst"], "No such command 'lst'. Did you mean 'list'?"),
        (["list", "6"], "6 is not in the range"),
        (["infer"], "Missing argument 'NAME'. See `dls-keras infer --help`."),
        (["infer", "echo"], "Missing argument 'INPUT...'"),
        (["infer", "ecco", "hello"], "no assignment 'ecco'. Did you mean 'echo'?"),
        (["infer", "echo", "hello", "--weight", "x"], "Did you mean '--weights'?"),
        (["infer", "echo", "hi", "--weights", "defalt"], "Did you mean 'default'?"),
        (["infer", "echo", "hi", "--out", "a.gif"], "use .png, .jpg or .jpeg"),
        (["infer", "echo", "hi", "--out", "a.wav"], "echo has no sound to write"),
        (["infer", "echo", "hi", "--out", "no/a.png"], "folder no does not exist"),
        (["infer", "echo", "hi", "ho", "--out", "a.png"], "a single INPUT; got 2"),
        (["infer", "finder", "hi", "--out", "a.png"], "finder has no picture"),
        (["infer", "finder", "no.jpg"], "no image at no.jpg"),
        (["infer", "echo", ""], "The sentence is empty. Say something."),
        (["train", "echo", "--epochs", "0"], "0 is not in the range"),
        (
            ["train", "echo", "--batch-size", "3"],
            "echo has no --batch-size; its options are --epochs, --seed, --checkpoint.",
        ),
        (["train", "finder"], "finder has no load_data. It has load_pretrained"),
        (["evaluate", "finder"], "finder has no evaluate"),
        (["weights", "path", "echo/v2"], "no weights 'v2', only default, published."),
        (["weights", "path", "ecco"], "Did you mean 'echo'?"),
        (["weights", "fetsh", "echo"], "Did you mean 'fetch'?"),
        (["weights", "verify", "echo/published"], "echo.txt cannot be downloaded"),
        (["convert"], "Missing command."),
        (["convert", "onnx", "x"], "No such command 'onnx'."),
        (["convert", "keras-h5", "x.h5", "--out", "y.h5"], "Missing option '--model'"),
        (["tour", "--out", "no/tour.html"], "the folder no does not exist"),
        (["tour", "--out", "."], "is a directory"),
    ],
)
def test_invalid_input_prints_one_line_and_exits_with_2(echo, args, words):
    """Nothing is printed on stdout; the line on stderr says what to do."""
    assert words in fails(*args)


def test_a_bug_of_the_package_keeps_its_traceback(echo):
    """Only errors that the user can fix are reported as one line."""
    result = CliRunner().invoke(main, ["infer", "echo", "bug"])
    assert isinstance(result.exception, ZeroDivisionError)


def test_ctrl_c_exits_with_130(echo):
    """The exit code that shells expect of an interrupted program."""
    result = run("infer", "echo", "wait")
    assert result.exit_code == 130
    assert result.stderr.split() == ["dls-keras:", "Stopped."]


def test_an_error_of_the_operating_system_is_one_line(echo, monkeypatch):
    """For instance a folder without permission."""

    def forbidden(model, sentence):
        raise PermissionError(13, "Permission denied", "/locked")

    monkeypatch.setattr(echo, "infer", forbidden)
    assert fails("infer", "echo", "hi") == "/locked: Permission denied."


# info, infer


def test_info_prints_docstring_functions_and_weights(echo):
    """The functions are those of the catalogue, the weights are the variants."""
    shown = run("info", "echo").stdout
    assert "the sentence in capitals (C1 W2 A1)" in shown
    assert "has      load_data, build_model, train" in shown
    assert "weights  default, published" in shown


def test_a_dash_reads_texts_from_standard_input(echo):
    """One text in each line; a byte order mark and empty lines are left out."""
    command = ["infer", "echo", "-"]
    result = CliRunner().invoke(main, command, input="\ufeffhello\r\n\nyou\n")
    assert (
        result.stdout.splitlines()
        == run("infer", "echo", "hello", "you").stdout.split("\n")[:2]
    )
    result = CliRunner().invoke(main, command, input=" \n")
    assert result.exit_code == 2 and "Standard input is empty" in result.stderr


def test_a_dash_reads_an_image_from_standard_input():
    """As the bytes of its file."""
    content = io.BytesIO()
    Image.new("RGB", (64, 64), "gray").save(content, "png")
    command = ["infer", "happy_house", "-", "--json"]
    result = CliRunner().invoke(main, command, input=content.getvalue())
    row = json.loads(result.stdout)
    assert row["input"] == "-" and row["answer"] in ("happy", "not happy", "unhappy")
    result = CliRunner().invoke(main, command[:-1], input=b"\xff\xfe not an image")
    assert result.exit_code == 2 and "not an image" in result.stderr


def test_large_details_are_printed_if_asked_for():
    """The map of the attention has 300 numbers."""
    command = ("infer", "date_translation", "5 April 09", "--json")
    brief, whole = (
        json.loads(run(*command, *more).stdout) for more in ((), ["--details"])
    )
    assert np.shape(whole["details"].pop("attention")) == (10, 30)
    assert brief == whole and brief["details"]


def test_nan_is_no_time_limit(echo):
    """Nor a learning rate."""
    assert "nan is not a number" in fails(
        "check", "echo", "mine.py", "--timeout", "nan"
    )


def test_infer_prints_answer_and_confidence(echo):
    """With a single input, its name is not repeated."""
    assert run("infer", "echo", "hello").stdout == "HELLO!!!\t75.0 %\n"


def test_an_invalid_input_does_not_stop_the_others(echo, tmp_path):
    """Each valid input has a line on stdout, each invalid one a line on stderr."""
    Image.new("RGB", (20, 10)).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_text("no picture")
    paths = [tmp_path / name for name in ("good.png", "bad.jpg", "good.png")]
    result = run("infer", "finder", *paths)
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [f"{paths[0]}\t1 car\t50.0 %"] * 2
    assert result.stderr.count("bad.jpg") == 1
    named = run("infer", "echo", "hello", "")
    assert named.stderr == "dls-keras: The sentence is empty. Say something.\n"


def test_json_is_one_object_per_line(echo):
    """NumPy values become JSON values; an invalid input has an error in its object."""
    result = run("infer", "echo", "hi", "", "ho", "--json")
    assert result.exit_code == 2
    objects = [json.loads(line) for line in result.stdout.splitlines()]
    assert objects[0] == {
        "input": "hi",
        "answer": "HI!!!",
        "confidence": 0.75,
        "details": {"letters": 2, "w": [1.0, 1.0, 1.0]},
    }
    assert objects[1] == {"input": "", "error": "The sentence is empty. Say something."}
    assert objects[2]["answer"] == "HO!!!"


def test_json_of_detections_has_class_score_and_corners(echo, tmp_path):
    """The corners are in pixels; without a detection the list is empty."""
    Image.new("RGB", (20, 10)).save(tmp_path / "wide.png")
    Image.new("RGB", (5, 10)).save(tmp_path / "narrow.png")
    result = run(
        "infer", "finder", tmp_path / "wide.png", tmp_path / "narrow.png", "--json"
    )
    wide, narrow = map(json.loads, result.stdout.splitlines())
    box = {"class": "car", "score": 0.5, "box": [0, 0, 10, 10]}
    assert (wide["answer"], wide["confidence"]) == ("1 car", 0.5)
    assert wide["details"] == {"boxes": [box]}
    assert (narrow["answer"], narrow["confidence"]) == ("nothing found", None)


@pytest.mark.parametrize(("name", "kind"), [("a.png", "PNG"), ("a.JPG", "JPEG")])
def test_out_writes_the_image(echo, tmp_path, name, kind):
    """The suffix determines the format; no other file is written."""
    assert run("infer", "echo", "hi", "--out", tmp_path / name).exit_code == 0
    with Image.open(tmp_path / name) as image:
        assert (image.format, image.size) == (kind, (40, 20))
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [name, "here", "weights"]
    )


# train, evaluate


def test_train_writes_weights_that_infer_loads(echo, tmp_path):
    """The options are passed to `train`; the file is NAME.h5 in the current folder."""
    result = run("train", "echo", "--epochs", 3, "--seed", 2, "--checkpoint", "c")
    assert fake_assignments.CALLS == [{"epochs": 3, "seed": 2, "checkpoint": Path("c")}]
    assert result.stdout.startswith("echo: 3 epochs in ")
    assert result.stdout.endswith("loss 1 -> 0.3333, weights in echo.h5\n")
    assert result.stderr.splitlines()[1] == "epoch 2: loss 0.5"
    shown = run("infer", "echo", "hi", "--weights", "echo.h5").stdout
    assert shown == "HI!!!!!!\t75.0 %\n"  # three weights of 2, the seed


def test_train_without_options_uses_the_defaults_of_the_assignment(echo):
    """Options that are not given are not passed."""
    run("train", "echo")
    assert fake_assignments.CALLS == [{"epochs": 2, "seed": 0, "checkpoint": None}]


def test_train_never_overwrites_a_file(echo, tmp_path):
    """The error is raised before the training."""
    for args in (["train", "echo"], ["train", "echo", "--out", "mine.h5"]):
        out = tmp_path / "here" / (args[-1] if len(args) > 2 else "echo.h5")
        out.write_text("precious")
        assert "already exists" in fails(*args)
        assert out.read_text() == "precious"
    assert fake_assignments.CALLS == []


def test_train_plots_the_losses(echo, tmp_path):
    """`--curve` writes an image of the learning curve."""
    run("train", "echo", "--curve", tmp_path / "losses.png")
    with Image.open(tmp_path / "losses.png") as image:
        assert image.width > image.height > 100


def test_the_weights_of_another_model_are_refused(echo, tmp_path):
    """Shapes are compared; a web page is recognized."""
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["w"] = np.zeros(4)
    message = fails("infer", "echo", "hi", "--weights", tmp_path / "other.h5")
    assert "The file belongs to another model." in message
    (tmp_path / "page.h5").write_text("<html>")
    message = fails("infer", "echo", "hi", "--weights", tmp_path / "page.h5")
    assert "a web page" in message


def test_evaluate_prints_measured_values_and_goals(echo):
    """As a table, or as JSON with --json."""
    lines = run("evaluate", "echo").stdout.splitlines()
    assert lines == ["echo\tmeasured\tgoal", "sum of w\t3\t>= 3", "bias\t0\t"]
    first, second = run("evaluate", "echo", "--json").stdout.splitlines()
    assert json.loads(first) == {
        "what": "sum of w",
        "ours": 3.0,
        "at_least": 3.0,
        "at_most": None,
        "equals": None,
    }
    assert json.loads(second)["at_least"] is None


def test_evaluate_measures_the_given_weights(echo):
    """`--weights FILE` replaces the pretrained weights."""
    run("train", "echo", "--seed", 5, "--out", "mine.h5")
    lines = run("evaluate", "echo", "--weights", "mine.h5").stdout.splitlines()
    assert lines[1:] == ["sum of w\t15\t>= 3", "bias\t1.5\t"]


def test_train_and_evaluate_take_generated_data(echo):
    """`--synthetic` is passed to `load_data` and to `evaluate`."""
    run("train", "echo", "--synthetic", "--out", "mine.h5")
    weights = ["--weights", "mine.h5"]
    lines = run("evaluate", "echo", "--synthetic", *weights).stdout.splitlines()
    assert lines[1:] == ["bias, synthetic data\t3.5\t"]
    assert run("evaluate", "echo", *weights).stdout.splitlines()[2] == "bias\t3.5\t"


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_without_data_the_message_names_the_switch(command, monkeypatch, tmp_path):
    """And the command that downloads them, in two lines."""
    monkeypatch.setenv("DLS_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("DLS_KERAS_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = run(command, "logistic_regression")
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr == (
        "dls-keras: The data set cats is not on this machine.\n"
        "Run `dls-keras data fetch cats`, or take generated data: --synthetic (in "
        "Python: synthetic=True).\n"
    )


# weights


def test_weights_list_prints_sizes_and_metrics(echo):
    """`weights` without a subcommand is `weights list`."""
    size = (models.paths(models.entry("echo"))[0]).stat().st_size
    assert run("weights").stdout == run("weights", "list").stdout
    assert run("weights").stdout.splitlines()[1:] == [
        f"echo\tdefault\t{size / 1000:.1f} kB\tloudness | dB: 90",
        "echo\tpublished\t\tpublished",
        "finder\tdefault\t\tpublished",
    ]


@pytest.mark.parametrize("name", ["echo", "echo/default", "echo/v1"])
def test_weights_are_found_by_variant_and_released_name(echo, tmp_path, name):
    """`path` and `fetch` print the path of the file."""
    path = str(tmp_path / "weights" / "echo-v1.h5")
    assert run("weights", "path", name).stdout.splitlines() == [path]
    assert run("weights", "fetch", name).stdout.splitlines() == [path]


def test_verify_finds_a_damaged_file(echo, tmp_path):
    """All shipped weights are checked; the error names the file."""
    path = tmp_path / "weights" / "echo-v1.h5"
    assert run("weights", "verify").stdout == f"echo/default\tok\t{path}\n"
    path.write_bytes(path.read_bytes() + b"!")
    assert f"{path} has sha256" in fails("weights", "verify")
    assert f"{path} has sha256" in fails("weights", "fetch", "echo")


# With TensorFlow


def test_log_lines_of_tensorflows_import_are_hidden(monkeypatch, tmp_path, capfd):
    """Errors are shown; TF_CPP_MIN_LOG_LEVEL=0 shows all lines."""
    (tmp_path / "noisy.py").write_text(
        "import os\n"
        "os.write(2, b'WARNING: All log messages before absl::InitializeLog()...\\n')\n"
        "os.write(2, b'I0000 00:00:1 port.cc:153] oneDNN operations are on\\n')\n"
        "os.write(2, b'E0000 00:00:1 something is really wrong\\n')\n"
    )
    row = catalog.Assignment("noisy", 1, 1, "Noise", "2021", ())
    monkeypatch.setattr(catalog.Assignment, "module", "noisy")
    monkeypatch.setattr(catalog, "BY_NAME", {"noisy": row})
    monkeypatch.syspath_prepend(tmp_path)
    for level, lines in (("3", 1), ("0", 3)):
        monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", level)
        monkeypatch.delitem(sys.modules, "noisy", raising=False)
        monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
        models.open_assignment("noisy")
        assert len(capfd.readouterr().err.splitlines()) == lines


def test_an_import_in_python_prints_no_log_lines():
    """Through the package or its course, where the user wants no log."""
    program = "import dls_keras; from dls_keras.course2 import fizzbuzz"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")


def test_a_stream_that_cannot_encode_gets_escape_sequences():
    """Such as cp1252, which has no emoji; TensorFlow, imported late, logs nothing."""
    done = subprocess.run(
        [sys.executable, "-m", "dls_keras", "infer", "emojify", "I love you"],
        env=os.environ | {"PYTHONIOENCODING": "cp1252", "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.splitlines() == [rb"\u2764\ufe0f" + b"\t> 99.9 %"]
    assert done.stderr == b""


def test_infer_prints_one_line_and_nothing_on_stderr(tmp_path):
    """In a process of its own, with the real date translator and TensorFlow."""
    environment = {k: v for k, v in os.environ.items() if k != "TF_CPP_MIN_LOG_LEVEL"}
    program = "from dls_keras.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "infer", "date_translation", "5 April 09"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
    )
    assert (done.stderr, done.returncode) == ("", 0)
    assert done.stdout.split("\t")[0] == "2009-04-05"


def test_the_seed_determines_the_initial_weights(monkeypatch, tmp_path):
    """Also those of a Keras model, which `build_model` initializes before `train`."""
    module = models.open_assignment("date_translation")
    monkeypatch.setattr(module, "load_data", lambda: None)
    monkeypatch.setattr(module, "train", lambda model, data, *, seed=0: [0.0])
    monkeypatch.chdir(tmp_path)
    for seed, out in ((3, "a.h5"), (3, "b.h5"), (4, "c.h5")):
        run("train", "date_translation", "--seed", seed, "--out", out)
    first, again, other = (
        np.concatenate([a.ravel() for a in models.weights.load_arrays(out).values()])
        for out in ("a.h5", "b.h5", "c.h5")
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_model_in_a_named_tuple_is_saved_and_loaded(tmp_path):
    """The file contains the detector's network; `build_model` makes the rest."""
    module = models.open_assignment("car_detection")
    detector = module.build_model()
    models.save(module, detector, tmp_path / "cars.h5")
    loaded = models.load("car_detection", str(tmp_path / "cars.h5"))
    assert loaded[1:] == detector[1:]
    pairs = zip(loaded.model.weights, detector.model.weights, strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


@pytest.mark.data
def test_converted_course_weights_give_the_same_answers(tmp_path):
    """As `load_pretrained("course")`; the gates remain Keras 2's hard sigmoids."""
    from dls_keras.core import files

    source = files.in_data_folder("nmt/nmt_model.h5")
    out = tmp_path / "nmt.h5"
    result = run(
        "convert", "keras-h5", source, "--model", "date_translation", "--out", out
    )
    assert "15 arrays, 52,960 parameters" in result.stdout
    assert "keras2_hard_sigmoid gates" in result.stdout
    dates = ["3 May 1979", "25th of June, 2009", "Saturday May 9 2018"]
    converted, published = (
        run("infer", "date_translation", *dates, "--json", "--weights", which).stdout
        for which in (out, "course")
    )
    assert converted == published
    assert "already exists" in fails(
        "convert", "keras-h5", source, "--model", "date_translation", "--out", out
    )


@pytest.mark.data
def test_a_converted_darknet_file_contains_every_parameter(tmp_path):
    """The 346,062 parameters of YOLO-Fastest."""
    from dls_keras.core import files

    cfg, weights = (
        files.in_data_folder(f"yolo/yolo_fastest/yolo-fastest-1.1.{suffix}")
        for suffix in ("cfg", "weights")
    )
    out = tmp_path / "yolo.h5"
    result = run("convert", "darknet", cfg, weights, "--out", out)
    assert "346,062 parameters" in result.stdout
    assert sum(a.size for a in models.weights.load_arrays(out).values()) == 346_062
    assert "is not a Darknet .weights file" in fails(
        "convert", "darknet", weights, cfg, "--out", tmp_path / "other.h5"
    )


# Inputs from addresses, and batches


PAGES = {  # what a local server sends
    "/hello.txt": b"\xef\xbb\xbfhello\n",
    "/bad.bin": b"\xff\xfe\x00",
    "/empty": b"",
    "/large": b"x" * 5000,
}


class Pages(http.server.BaseHTTPRequestHandler):
    """Sends `PAGES`, redirections, and an image."""

    def do_GET(self):
        redirections = {"/moved": "/hello.txt", "/local": "file:///etc/hostname"}
        self.send_response(302 if self.path in redirections else 200)
        if self.path in redirections:
            self.send_header("Location", redirections[self.path])
            self.end_headers()
            return
        content = PAGES.get(self.path)
        if content is None:
            image = io.BytesIO()
            Image.new("RGB", (64, 64), "gray").save(image, "png")
            content = image.getvalue()
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args):
        """Print nothing."""


@pytest.fixture
def address(monkeypatch):
    """The address of a local server."""
    monkeypatch.delenv("DLS_KERAS_OFFLINE", raising=False)
    monkeypatch.setattr(inputs, "LIMIT", 4000)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("/bad.bin", "is not a text in UTF-8"),
        ("/empty", "sends no content"),
        ("/large", "more than 4.0 kB"),
        ("/local", "connection adapters"),
    ],
)
def test_an_address_without_a_text_is_one_error(echo, address, page, words):
    """Too much, nothing, or a redirection to a file of this machine."""
    assert words in fails("infer", "echo", address + page)


def test_an_image_is_read_from_an_address(address):
    """As the bytes of its file."""
    row = json.loads(run("infer", "happy_house", f"{address}/a.png", "--json").stdout)
    assert row["input"] == f"{address}/a.png" and 0 <= row["confidence"] <= 1


def test_texts_are_read_from_addresses(echo, address, monkeypatch):
    """Each address is one input; redirections are followed; not when offline."""
    pages = [address + page for page in ("/hello.txt", "/moved", "/bad.bin")]
    result = run("infer", "echo", *pages)
    assert result.stdout.splitlines() == [f"{p}\tHELLO!!!\t75.0 %" for p in pages[:2]]
    assert result.stderr.count("\n") == 1 and result.exit_code == 2
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    assert "DLS_KERAS_OFFLINE" in fails("infer", "echo", pages[0])


def test_an_address_that_does_not_answer_is_one_error(echo, monkeypatch):
    """Nothing listens on the port of a closed socket."""
    monkeypatch.delenv("DLS_KERAS_OFFLINE", raising=False)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    message = fails("infer", "echo", f"http://127.0.0.1:{port}/x")
    assert "Connection refused" in message and "Check the address" in message
    assert "Cannot read" in fails("infer", "echo", "https:///nothing")


def test_several_inputs_are_batches_and_a_bad_one_stops_none():
    """All together, or alone if one of a batch is bad; in the order of the shell."""
    sizes = []

    @core_inputs.batched(size=3)
    def infer(model, texts):
        sizes.append(len(texts))
        if "bad" in texts:
            raise InputError("This is bad.")
        return [answers.Answer(text.upper()) for text in texts]

    found = list(inputs.answered(infer, None, inputs.given(["a", "b", "c", "d", "e"])))
    assert [str(one.answer) for one in found] == [*"ABCDE"] and sizes == [3, 2]
    found = list(inputs.answered(infer, None, inputs.given(["a", "bad", "c", "d"])))
    assert [one.error or one.answer for one in found] == ["A", "This is bad.", "C", "D"]
    assert sizes[2:] == [3, 1, 1, 1, 1]
