"""Learners' files for the tests of `check`: solutions, spoilt ones, notebooks.

The solutions in `submissions/` are in percent format. `spoilt` puts a mistake into
one; `notebook` writes it as people have it from the course, in the style of a year.
"""

import contextlib
import gc
import json
from pathlib import Path

from dls_keras.grading import course_helpers, judge, namespace, parse, runner
from dls_keras.grading.hints import choose
from dls_keras.reference import cases

FOLDER = Path(__file__).parent / "submissions"

# What stands in the first code cell of such notebooks.
OPENINGS = {
    "2017": "%matplotlib inline\n%load_ext autoreload\n!pip install h5py",
    "2021": "### v1.2\n%matplotlib inline\nfrom google.colab import drive\n"
    "drive.mount('/content/drive')",
}


def solution(name):
    """The text of a right solution."""
    return (FOLDER / f"{name}.py").read_text("utf-8")


def spoilt(name, *changes):
    """A solution after the changes (old, new), each of which must apply."""
    text = solution(name)
    for old, new in changes:
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    return text


def notebook(text, path, style="2021"):
    """Write a solution as a notebook; outputs, prose and magics are as people's."""
    sources = [OPENINGS[style], *text.split("# %%\n")]
    code = [
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {"collapsed": True},
            "outputs": [{"output_type": "stream", "text": ["def f(): broken"]}],
            # Both forms that the format allows.
            "source": source if style == "2017" else source.splitlines(keepends=True),
        }
        for source in sources
    ]
    prose = {"cell_type": "markdown", "metadata": {}, "source": ["# def g(: prose"]}
    content = {"nbformat": 4, "nbformat_minor": 2, "metadata": {}}
    content["cells"] = [prose, *code, prose]
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


@contextlib.contextmanager
def _as_in_a_new_process():
    """No garbage collection walks what other tests have left, within a time limit."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@_as_in_a_new_process()
def judged(name, path, *, timeout=5):
    """The verdicts of a file, {function: (verdict, hint)}, and its workspace.

    In this process, for speed: files that end it or do not end are for `check`.
    """
    space = namespace.Workspace(course_helpers.helpers(name))
    space.run(parse.read(path))
    references = [cases.read(file) for file in runner.known(name).reference]
    trials = judge.Judge(name, space, judge.signatures(references), timeout)
    found = {}
    for function, its in judge.subjects(references).items():
        if not trials.found(function):
            if not (
                function in space.supplied or course_helpers.optional(name, function)
            ):
                trials.leave(function)
                found[function] = ({"status": "missing"}, "")
            continue
        for case in its:
            trials.try_case(function, case)
        found[function] = (trials.verdict(function), "")
    for function, (verdict, _) in found.items():
        if verdict["status"] == "wrong":
            found[function] = (verdict, choose.on(trials, function))
    return found, space


def wrong(found):
    """The functions that are wrong or missing."""
    return {name for name, (told, _) in found.items() if told["status"] != "ok"}
