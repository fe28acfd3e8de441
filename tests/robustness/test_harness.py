"""The harness finds each kind of failure, and stores what it found."""

import pytest

from tests.robustness import mutations, runner, table, worker
from tests.robustness.runner import Child, Task


@pytest.fixture(scope="module")
def child(tmp_path_factory):
    """A worker that knows readers with one fault each."""
    folder = tmp_path_factory.mktemp("worker")
    with Child(folder, "tests.robustness.bad_readers") as child:
        yield child


@pytest.mark.parametrize("fault", worker.FAILURES)
def test_each_kind_of_failure_is_found(child, fault, monkeypatch):
    """By a reader that has just this fault, among the mutations of any file."""
    if fault == "hang":
        monkeypatch.setattr(runner, "STOP", 3.0)
    tasks = [Task(fault, 0, number) for number in range(len(mutations.FOR["any"]))]
    assert any(child.run(task).kind == fault for task in tasks)


def test_a_stored_failure_can_be_replayed(child, tmp_path):
    """The same outcome, from the stored file."""
    task = Task("wrong answer", 0, 0)
    outcome = child.run(task)
    runner.store(outcome, child.folder, tmp_path)
    (path,) = tmp_path.glob(f"*{runner.ENDING}")
    again = runner.replay(path, "tests.robustness.bad_readers")
    assert again.kind == outcome.kind == "wrong answer"


def test_a_mutant_depends_on_its_number_and_seed_alone(tmp_path):
    """The same bytes twice, other bytes for other numbers."""
    made = set()
    for number in (3, 3, 4, 5):
        (tmp_path / "valid").mkdir(exist_ok=True)
        path = table.READERS["wav_16"].make(tmp_path / "valid")
        valid = worker.Valid(tmp_path / "valid", path, None)
        task = Task("wav_16", 0, number)
        name, _ = worker.mutant(task, valid, tmp_path, tmp_path)
        made.add((number, name))
    assert len(made) == 3
