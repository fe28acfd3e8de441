"""What the README shows is what happens."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"


def blocks(language):
    """The code blocks of the README in one language."""
    return re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)


@pytest.mark.parametrize("block", blocks("python"))
def test_python_prints_what_its_comments_say(block, capsys, tmp_path, monkeypatch):
    """Each `print(...)  # answer` prints its answer."""
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    answers = re.findall(r"^print\(.*\)  # (.*)$", block, re.MULTILINE)
    assert capsys.readouterr().out.splitlines() == answers


def test_ci_runs_the_two_commands_of_the_readme():
    """Letter by letter, so that CI sees what a new user sees."""
    script = (README.parent / ".ci" / "run").read_text().splitlines()
    (console,) = [b for b in blocks("console") if "pip install" in b]
    commands = [line.removeprefix("$ ") for line in console.splitlines()]
    assert len(commands) == 2
    assert set(commands) <= set(script)
