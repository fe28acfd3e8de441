"""The code, the commands and the report in the README and the documentation work."""

import re
import shlex
from pathlib import Path

import click
import pytest

from dls_keras.cli import main
from dls_keras.grading import report as reports
from dls_keras.grading import runner

ROOT = Path(__file__).parent.parent
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs" / "pages").glob("*.md"))]


def blocks(language, *pages):
    """The code blocks in a language of the given pages, by default of the README."""
    text = "\n".join(page.read_text("utf-8") for page in pages or (README,))
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("block", blocks("python", *PAGES))
def test_python_code_prints_what_its_comments_show(
    block, capsys, tmp_path, monkeypatch
):
    """Each `print(...)  # answer` prints its answer."""
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    answers = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == answers


COMMANDS = sorted(
    {
        line.removeprefix("$ ")
        for block in blocks("console", *PAGES)
        for line in block.splitlines()
        if line.startswith("$ dls-keras ") and "&&" not in line
    }
)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_documentation_is_parsed(command, tmp_path, monkeypatch):
    """Its name, options and number of arguments are valid; its files exist."""
    monkeypatch.chdir(tmp_path)
    _, *words = shlex.split(command)
    for word in words:
        if re.fullmatch(r"[\w-]+\.\w+", word):
            Path(word).touch()
        elif word.endswith("/"):
            Path(word).mkdir()
    group, context = main.main, click.Context(main.main)
    while isinstance(group, click.Group) and words:
        name, group, words = group.resolve_command(context, words)
        context = click.Context(group, parent=context, info_name=name)
    if not isinstance(group, click.Group):
        outputs = {"--out", "--csv", "--junit"}  # an existing file would be refused
        for option, path in zip(words, words[1:], strict=False):
            if option in outputs:
                Path(path).unlink(missing_ok=True)
        group.parse_args(context, words)


def test_the_report_in_the_documentation_is_the_one_of_check(tmp_path):
    """For the file mine.py that precedes it on the page, word by word."""
    page = (ROOT / "docs" / "pages" / "your-solution.md").read_text("utf-8")
    (source,) = re.findall(r'```python title="mine.py"\n(.*?)```', page, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    (tmp_path / "mine.py").write_text(source, "utf-8")
    report = runner.check("logistic_regression", tmp_path / "mine.py")
    lines = [
        f"{v.function}: {v.status}. {reports.sentence(v)}".removesuffix(". ")
        for v in report.verdicts
    ]
    assert " ".join(lines).split() == shown.split()


def test_ci_runs_the_two_commands_of_the_readme():
    """The script has exactly the commands with which a new user begins."""
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    console, *_ = [b for b in blocks("console") if "pip install" in b]
    commands = [line.removeprefix("$ ") for line in console.splitlines()]
    assert len(commands) == 2
    assert set(commands) <= set(script)
