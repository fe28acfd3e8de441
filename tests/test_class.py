"""`dls-keras check` on a class: rows as they come, resumed, merged, with executors."""

import csv
import importlib.util
import json
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from concurrent import futures
from pathlib import Path
from xml.etree import ElementTree

import pytest
from click.testing import CliRunner
from learner_files import notebook, solution, with_mistake

from dls_keras.cli.main import main
from dls_keras.grading import classes, executors, runner, students

NAME = "numpy_basics"
MISTAKE = ("np.abs(y - yhat)", "np.abs(y + yhat)")
COMMAND = [sys.executable, "-m", "dls_keras", "check", NAME]


def run(*args):
    """The result of `dls-keras ARGS`; it must not raise an exception."""
    result = CliRunner().invoke(main, [*map(str, args)])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result


def make_class(folder, count=3):
    """A class of which every third student has one function wrong."""
    for number in range(count):
        text = with_mistake(NAME, MISTAKE) if number % 3 == 2 else solution(NAME)
        own = folder / f"student {number:04}"
        own.mkdir(parents=True)
        notebook(f"{text}\n# {number}", own / "mine.ipynb")
    return folder


@pytest.fixture(scope="module")
def checked_class(tmp_path_factory):
    """A class that has been checked with all outputs: the folder, and the result."""
    folder = tmp_path_factory.mktemp("class")
    make_class(folder / "in")
    (folder / "in" / "zoe").mkdir()
    (folder / "in" / "zoe" / "essay.txt").write_text("x")
    (folder / "times.csv").write_text("student,time\nzoe,2026-11-30\nyan,2026-11-30\n")
    (folder / "points.toml").write_text("[points]\nL1 = 3\nL2 = 1\n")
    outputs = [
        *("--results", folder / "a.jsonl", "--csv", folder / "a.csv"),
        *("--nbgrader", folder / "n.csv", "--feedback", folder / "pages"),
        *("--junit", folder / "a.xml", "--points", folder / "points.toml"),
        *("--times", folder / "times.csv", "--deadline", "2026-12-01"),
    ]
    return folder, run("check", NAME, folder / "in", *outputs, "--workers", 2)


def rows(path):
    """The rows of a CSV table."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# Rows


def test_each_student_has_one_row_in_every_table(checked_class):
    """With points, the first problem and a hint; unreadable files included."""
    folder, result = checked_class
    names = ["student 0000", "student 0001", "student 0002", "zoe"]
    assert result.exit_code == 1
    assert sorted(line.split(":")[0] for line in result.stdout.splitlines()) == names
    table = rows(folder / "a.csv")
    assert [row["student"] for row in table] == names
    assert [row["score"] for row in table] == ["4.0", "4.0", "1.0", "0.0"]
    assert {row["max_score"] for row in table} == {"4.0"}
    assert table[2]["problem"].startswith("L1: the result: expected")
    assert "received essay.txt" in table[3]["problem"]
    assert [row["late"] for row in table] == ["", "", "", "no"]
    assert [row["student_id"] for row in rows(folder / "n.csv")] == names
    assert len(list((folder / "pages").iterdir())) == 4
    assert len(ElementTree.parse(folder / "a.xml").getroot()) == 4
    lines = (folder / "a.jsonl").read_text().splitlines()
    assert {json.loads(line)["student"] for line in lines} == set(names)
    assert "times.csv has students without a submission: yan." in result.stderr


def test_merged_results_are_graded_again(checked_class, tmp_path):
    """With other points; a student who is in two files counts once."""
    folder, _ = checked_class
    lines = (folder / "a.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "1.jsonl").write_text("".join(lines[:3]))
    (tmp_path / "2.jsonl").write_text("".join(lines[2:]))
    table, merged = tmp_path / "all.csv", tmp_path / "all.jsonl"
    parts = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    result = run("grades", "merge", *parts, "--csv", table, "--out", merged)
    assert result.exit_code == 1
    assert [row["score"] for row in rows(table)] == ["100.0", "100.0", "87.5", "0.0"]
    assert result.stderr.startswith("In several files, of which the last one counts: ")
    again = run("grades", "merge", merged, "--json")
    assert len(again.stdout.splitlines()) == 4


def test_a_class_continues_where_it_stopped(checked_class, tmp_path, monkeypatch):
    """Only students who are new, or whose file has changed, are checked."""
    folder, _ = checked_class
    lines = (folder / "a.jsonl").read_text().splitlines(keepends=True)
    lines = sorted(lines, key=lambda line: json.loads(line)["student"])
    (tmp_path / "a.jsonl").write_text("".join(lines[1:]) + '{"unfinished": ')
    own = folder / "in" / "student 0001" / "mine.ipynb"
    own.write_text(own.read_text().replace("# 1", "# changed"))
    seen = []
    check = runner.check

    def recorded(name, path, **more):
        seen.append(Path(path).parent.name)
        return check(name, path, **more)

    monkeypatch.setattr(runner, "check", recorded)
    args = "check", NAME, folder / "in", "--results", tmp_path / "a.jsonl"
    result = run(*args)
    assert result.exit_code == 2
    assert "already exists. Continue it with --resume" in result.stderr
    result = run(*args, "--resume", "--csv", tmp_path / "a.csv")
    assert sorted(seen) == ["student 0000", "student 0001"]
    assert len(result.stdout.splitlines()) == len(rows(tmp_path / "a.csv")) == 4
    assert len((tmp_path / "a.jsonl").read_text().splitlines()) == 5


def test_every_row_is_on_the_disk_before_the_next_student(tmp_path):
    """A class that is stopped keeps its rows, and no process goes on."""
    make_class(tmp_path / "in", 12)
    table, results = tmp_path / "a.csv", tmp_path / "a.jsonl"
    outputs = ["--csv", str(table), "--results", str(results), "--workers", "1"]
    with subprocess.Popen([*COMMAND, str(tmp_path / "in"), *outputs]) as process:
        until = time.monotonic() + 60
        while not (results.exists() and results.read_text().count("\n") > 1):
            assert time.monotonic() < until
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.wait(20)
    assert 2 <= len(rows(table)) < 12
    assert all(json.loads(line) for line in results.read_text().splitlines())


# Other forms of a class


def test_an_archive_of_canvas_is_checked_without_unpacking(tmp_path):
    """A helper is imported under its own name; another assignment is recognised."""
    helped = "from tools import magnitude\n" + with_mistake(
        NAME, ("np.sum(np.abs(y - yhat))", "magnitude(y - yhat)")
    )
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("ann_late_1_2_mine.py", helped)
        tools = (
            "import numpy as np\n\ndef magnitude(x):\n    return np.sum(np.abs(x))\n"
        )
        archive.writestr("ann_late_1_3_tools.py", tools)
        archive.writestr("bo_2_4_mine.py", solution("dinosaurs"))
    arguments = "--csv", tmp_path / "a.csv", "--late-penalty", 25
    result = run("check", NAME, tmp_path / "c.zip", *arguments)
    ann, bo = rows(tmp_path / "a.csv")
    assert (ann["student"], ann["late"], ann["score"]) == ("ann", "yes", "75.0")
    assert bo["problem"] == "This looks like dinosaurs, not numpy_basics."
    assert "This looks like dinosaurs" in result.stdout
    assert len(list(tmp_path.iterdir())) == 2


def test_results_for_gradescope_are_those_of_one_submission(tmp_path):
    """A folder with all that one student submitted."""
    write = tmp_path / "submission"
    write.mkdir()
    (write / "mine.py").write_text(solution(NAME))
    (write / "tools.py").write_text("x = 1\n")
    result = run("check", NAME, write, "--gradescope", tmp_path / "results.json")
    assert result.exit_code == 0
    content = json.loads((tmp_path / "results.json").read_text())
    assert content["score"] == 100
    assert len(content["tests"]) == 8


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--resume"], "--resume continues the file of --results; name it."),
        (["--shard", "0/3"], "expected I/N with I from 1 to N"),
        (["--shard", "4/3"], "expected I/N with I from 1 to N"),
        (["--deadline", "soon"], "Expected a time such as 2026-11-30T23:59"),
        (["--deadline", "2026-11-30"], "--deadline needs --times"),
        (["--late-penalty", "101"], "101.0 is not in the range"),
        (["--points", "none.toml"], "no file at none.toml"),
        (["--csv", "x.csv", "--results", "x.csv"], "is the file of --"),
        (["--feedback", "in/ann.py"], "is a file"),
    ],
)
def test_an_invalid_option_of_a_class_exits_with_2(tmp_path, monkeypatch, args, words):
    """Before any submission is checked."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "ann.py").write_text(solution(NAME))
    result = run("check", NAME, "in", *args)
    assert (result.exit_code, result.stdout) == (2, "")
    assert words in " ".join(result.stderr.split())


def test_results_of_another_assignment_are_not_merged(checked_class, tmp_path):
    """Nor is an empty file."""
    folder, _ = checked_class
    line = (folder / "a.jsonl").read_text().splitlines(keepends=True)[0]
    (tmp_path / "b.jsonl").write_text(line.replace(f'"{NAME}"', '"jazz"', 1))
    result = run("grades", "merge", folder / "a.jsonl", tmp_path / "b.jsonl")
    assert result.exit_code == 2
    assert "has results of jazz, expected those of numpy_basics" in result.stderr
    (tmp_path / "b.jsonl").write_text("")
    assert "has no results" in run("grades", "merge", tmp_path / "b.jsonl").stderr


def test_a_function_that_did_not_end_is_run_once(tmp_path):
    """Its callers fail at once, and so they do after another one ends the process."""
    text = (
        "import os\n\ndef sigmoid(x):\n    while True:\n        pass\n\n"
        "def sigmoid_derivative(x):\n    return sigmoid(x)\n\n"
        "def softmax(x):\n    os._exit(1)\n\n"
        "def L1(yhat, y):\n    return sigmoid(y)\n\n"
        "def L2(yhat, y):\n    return softmax(y)\n"
    )
    (tmp_path / "mine.py").write_text(text)
    report = runner.check(NAME, tmp_path / "mine.py", timeout=0.5)
    found = {verdict.function: verdict.problem for verdict in report.verdicts}
    assert found["sigmoid"].startswith("It takes longer than 0.5 seconds")
    for caller, function in (
        ("sigmoid_derivative", "sigmoid"),
        ("L1", "sigmoid"),
        ("L2", "softmax"),
    ):
        words = f"It calls {function}, which did not end and is not run again"
        assert found[caller].startswith(words)


# Executors


class Job:
    """A job as that of `submitit`: not a future of Python."""

    def __init__(self, function, arguments):
        self._call, self.cancelled, self._looks = (function, arguments), False, 0

    def done(self):
        self._looks += 1
        return self._looks > 1

    def result(self):
        function, arguments = pickle.loads(pickle.dumps(self._call))
        return pickle.loads(pickle.dumps(function(*arguments)))

    def cancel(self):
        self.cancelled = True


class Cluster:
    """An executor as that of `submitit`; what is sent must be picklable."""

    def __init__(self):
        self.jobs = []

    def submit(self, function, *arguments):
        self.jobs.append(Job(function, arguments))
        return self.jobs[-1]


def dask():
    """Dask's executor, if it is installed, otherwise one of processes."""
    try:
        from distributed import Client
    except ImportError:
        context = multiprocessing.get_context("spawn")
        return futures.ProcessPoolExecutor(1, mp_context=context)
    return Client(processes=False, n_workers=1, dashboard_address=None).get_executor()


@pytest.mark.parametrize("make", [Cluster, dask, lambda: futures.ThreadPoolExecutor(2)])
def test_a_class_is_checked_with_any_executor(tmp_path, make, monkeypatch):
    """Of threads, of processes, of a cluster."""
    monkeypatch.setattr(executors, "POLL", 0)
    found = students.find(make_class(tmp_path / "in"), NAME).submissions
    executor = make()
    done = list(classes.check_class(NAME, found, executor=executor))
    assert {one.submission for one in done} == set(found)
    assert sum(one.report.ok for one in done) == 2
    getattr(executor, "shutdown", lambda: None)()


def test_files_are_checked_with_an_executor(tmp_path):
    """One that cannot be read has a report with an error."""
    (tmp_path / "a.py").write_text(solution(NAME))
    paths = [tmp_path / "none.py", tmp_path / "a.py"]
    with futures.ThreadPoolExecutor(1) as pool:
        found = {r.file: r for r in runner.check_all(NAME, paths, executor=pool)}
    assert found[str(paths[1])].ok
    assert "does not exist" in found[str(paths[0])].error


def test_results_come_before_all_calls_are_submitted():
    """The slowest call delays no other, and few wait at a time."""
    go = threading.Event()

    def work(number):
        if number == 0:
            go.wait(20)
        return number

    with futures.ThreadPoolExecutor(2) as pool:
        calls = ((number,) for number in range(50))
        found = executors.as_they_come(pool, work, calls, str, ahead=4)
        first = [next(found) for _ in range(40)]
        go.set()
        rest = list(found)
    assert 0 not in first
    assert sorted(first + rest) == list(range(50))


def test_a_call_that_fails_does_not_stop_the_others():
    """Nor does a pool that is broken; calls are cancelled if nobody waits."""
    failed = lambda error, number: (type(error).__name__, number)  # noqa: E731
    calls = [(1,), (0,), (2,)]
    with futures.ThreadPoolExecutor(1) as pool:
        found = list(executors.as_they_come(pool, lambda n: 1 / n, calls, failed))
    assert found == [1, ("ZeroDivisionError", 0), 0.5]
    found = list(executors.as_they_come(pool, abs, calls, failed))  # it is shut down
    assert found == [("RuntimeError", n) for (n,) in calls]
    cluster = Cluster()
    results = executors.as_they_come(cluster, abs, calls, failed)
    next(results)
    results.close()
    assert any(job.cancelled for job in cluster.jobs)


# Examples of the documentation

PAGE = Path(__file__).parent.parent / "docs" / "pages" / "your-solution.md"
# Used where Dask is not installed.
STAND_IN = """
import multiprocessing
from concurrent import futures

class Client(futures.ProcessPoolExecutor):
    def __init__(self, n_workers, **settings):
        context = multiprocessing.get_context("spawn")
        super().__init__(n_workers, mp_context=context)

    def get_executor(self):
        return self
"""


def example(title):
    """The code block of the page with this title."""
    text = PAGE.read_text("utf-8")
    (found,) = re.findall(rf'```\w+ title="{title}"\n(.*?)```', text, re.DOTALL)
    return found


@pytest.fixture
def two_students(tmp_path):
    """The class of the examples, and the environment in which they run."""
    for student, text in (("ann", solution("logistic_regression")), ("bo", "x = 1\n")):
        (tmp_path / "submissions" / student).mkdir(parents=True)
        (tmp_path / "submissions" / student / "mine.py").write_text(text)
    command = tmp_path / "bin" / "dls-keras"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m dls_keras "$@"\n')
    command.chmod(0o755)
    paths = [str(PAGE.parents[2]), os.environ.get("PYTHONPATH", "")]
    return tmp_path, {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, paths)),
    }


def test_the_example_with_dask_grades_a_class(two_students):
    """With Dask if it is installed, otherwise with an executor of processes."""
    folder, environment = two_students
    if importlib.util.find_spec("distributed") is None:
        (folder / "distributed.py").write_text(STAND_IN)
    (folder / "on_dask.py").write_text(example("on_dask.py"))
    done = subprocess.run(
        [sys.executable, "on_dask.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert sorted(done.stdout.splitlines()) == [
        "ann: 100.0 of 100.0",
        "bo: 0.0 of 100.0",
    ], done.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("title", ["grade.sbatch", "grade.yaml"])
def test_the_examples_of_slurm_and_kubernetes_check_every_student(two_students, title):
    """Each part by itself; wrong functions are no failure of a job."""
    folder, environment = two_students
    script = example(title)
    if title == "grade.yaml":
        lines = script.partition("- |\n")[2].partition("          resources:")[0]
        script = textwrap.dedent(lines).replace("/20", "/2")
    for part in (1, 2):
        numbers = {
            "SLURM_ARRAY_TASK_ID": str(part),
            "SLURM_ARRAY_TASK_COUNT": "2",
            "JOB_COMPLETION_INDEX": str(part - 1),
        }
        subprocess.run(
            ["bash", "-c", script], cwd=folder, env=environment | numbers, check=True
        )
    parts = folder / "part-1.jsonl", folder / "part-2.jsonl"
    assert len(run("grades", "merge", *parts).stdout.splitlines()) == 2


# Large classes


def peak(pid):
    """The largest resident memory of a process so far, in megabytes."""
    with open(f"/proc/{pid}/status") as file:
        sizes = [int(line.split()[1]) / 1024 for line in file if "VmHWM" in line]
    return sizes[0] if sizes else 0.0  # none once it has ended


@pytest.mark.large
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_thousand_submissions_take_little_memory(tmp_path):
    """The command stays below 300 MB; DLS_KERAS_CLASS sets another number."""
    count = int(os.environ.get("DLS_KERAS_CLASS", "1000"))
    make_class(tmp_path / "in", count)
    results, memory, first = tmp_path / "a.jsonl", 0.0, 0.0
    outputs = ["--csv", str(tmp_path / "a.csv"), "--results", str(results)]
    start = time.monotonic()
    with subprocess.Popen([*COMMAND, str(tmp_path / "in"), *outputs]) as process:
        while process.poll() is None:
            memory = max(memory, peak(process.pid))
            if not first and results.exists() and results.stat().st_size:
                first = time.monotonic() - start
            time.sleep(0.2)
    seconds = time.monotonic() - start
    print(
        f"{count} submissions: {seconds:.0f} s, {count / seconds:.2f} per second, "
        f"first row after {first:.1f} s, peak memory {memory:.0f} MB"
    )
    assert len(rows(tmp_path / "a.csv")) == count
    assert 0 < first < seconds / 2
    assert memory < 300
