"""Learners' files for the tests of `check`: correct and wrong solutions, notebooks.

The solutions in `submissions/` are in percent format. `with_mistake` adds a mistake to
one; `notebook` writes one as a notebook in the style of an edition of the course.
"""

import contextlib
import gc
import json
from pathlib import Path

from dls_keras.grading import (
    comparison,
    course_helpers,
    judge,
    messages,
    not_judged,
    parse,
)
from dls_keras.grading.hints import choose
from dls_keras.grading.namespace import Namespace
from dls_keras.reference import editions

FOLDER = Path(__file__).parent / "submissions"

# The first code cell of such notebooks.
OPENINGS = {
    "2017": "%matplotlib inline\n%load_ext autoreload\n!pip install h5py",
    "2021": "### v1.2\n%matplotlib inline\nfrom google.colab import drive\n"
    "drive.mount('/content/drive')",
}


def solution(name):
    """The source of a correct solution."""
    return (FOLDER / f"{name}.py").read_text("utf-8")


def with_mistake(name, *changes):
    """A solution after the replacements (old, new), each of which must apply."""
    text = solution(name)
    for old, new in changes:
        assert old in text, f"{name} has no {old!r}"
        text = text.replace(old, new)
    return text


def notebook(text, path, style="2021"):
    """Write a solution as a notebook with outputs, Markdown cells and magics."""
    sources = [OPENINGS[style], *text.split("# %%\n")]
    code = [
        {
            "cell_type": "code",
            "execution_count": 1,
            "metadata": {"collapsed": True},
            "outputs": [{"output_type": "stream", "text": ["def f(): broken"]}],
            # The format allows both forms.
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
    """Keep objects of other tests out of garbage collections, which take CPU time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@_as_in_a_new_process()
def checked(name, path, *, timeout=5, older_stack=False, hints=True):
    """The verdicts of a file, {function: (verdict, hint)}, and its namespace.

    With `older_stack`, libraries of this process are changed for older code. Without
    `hints` none are looked for, which is faster.
    The file runs in this process, which is faster. Files that end the process or do not
    end are tested with `runner.check`.
    """
    space = Namespace(course_helpers.helpers(name), older_stack)
    space.run(parse.read(path))
    references = comparison.references(name)
    signatures = comparison.signatures(references)
    defaults = comparison.defaults(references)
    case_runner = judge.CaseRunner(name, space, signatures, timeout, defaults)
    full = comparison.editions_by_function(name, references)
    found = {}
    for function, its_editions in comparison.without_answers(full).items():
        status = case_runner.status(function, its_editions)
        if status["status"] != "defined":
            if status["status"] not in ("provided", "given"):
                case_runner.skip(function)
                found[function] = ({"status": "missing"}, "")
            continue
        parameters = status["parameters"]
        form = comparison.older_form(name, function, parameters, signatures[function])
        answers = {case.id: case for one in full[function] for case in one.cases}
        results = {}
        considered = editions.considered(its_editions, status["signs"])
        for variants in editions.Plan(considered):
            for result, facts in case_runner.collect(function, variants):
                sent = json.loads(json.dumps(messages.encode_facts(facts)))
                facts, case = messages.decode_facts(sent), answers[result.case.id]
                results[case.id] = comparison.judged(case, facts, form)
        seen = editions.Seen(status["name"], parameters)
        considered = editions.considered(full[function], status["signs"])
        edition = comparison.chosen(considered, seen, status["signs"], results)
        case_runner.judge(function, edition.cases, results)
        verdict = case_runner.verdict(function) | {"edition": edition.label}
        verdict["remarks"] += comparison.remark(edition, verdict["status"] == "ok")
        if verdict["status"] == "wrong":
            other, why = not_judged.reason(case_runner, function)
            if other:
                verdict |= {"status": other, "problem": "", "hint": why}
        found[function] = (verdict, verdict.get("hint", ""))
    for function, (verdict, _) in found.items():
        if verdict["status"] == "wrong" and hints:
            found[function] = (verdict, choose.hint(case_runner, function))
    return found, space


def wrong(found):
    """The functions that are wrong or missing."""
    return {name for name, (verdict, _) in found.items() if verdict["status"] != "ok"}
