"""Every reader gives a right answer or one InputError, whatever the file holds."""

import re
from pathlib import Path

import pytest

from dls_keras.core import files
from tests.robustness import runner, table

WITHOUT_A_ROW = {
    "catalog": "archives for recipes, whose members have recorded hashes",
    "recipes": "as catalog",
    "editions": "a file of this package",
    "course_h5": "read by signs_h5 and happy_h5",
    "transfer_learning": "its MobileNetV2 takes seconds to build for each mutant",
}


def problems(names, mutations):
    """The failures of so many mutants of each reader, a line each."""
    found = runner.run(names, mutations=mutations)
    return [*found.broken.values(), *map(runner.described, found.failures)]


@pytest.mark.parametrize("group", table.groups())
def test_every_reader_gives_a_right_answer_or_one_input_error(group):
    """20 mutants of each reader, the same ones in each run."""
    assert problems(table.groups()[group], 20) == []


@pytest.mark.large
@pytest.mark.parametrize("group", table.groups())
def test_every_reader_survives_200_mutants(group):
    """All kinds of mutations of each reader, several times."""
    assert problems(table.groups()[group], 200) == []


def test_every_module_that_reads_files_has_a_row():
    """A module that calls `core.readers` or decodes images is named in the table."""
    source = Path(table.__file__).read_text("utf-8")
    calls = re.compile(r"\breaders\.(?:reading|read_|opened_)|\bimages\.opened\(")
    modules = [
        path.stem
        for path in sorted(files.PACKAGE.rglob("*.py"))
        if calls.search(path.read_text("utf-8"))
    ]
    assert len(modules) > 10
    missing = {name for name in modules if not re.search(rf"\b{name}\b", source)}
    assert missing == WITHOUT_A_ROW.keys()
