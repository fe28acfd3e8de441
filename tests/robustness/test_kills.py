"""A kill leaves complete files or none, and training resumes bit for bit."""

import pytest

from tests.robustness import kills


def test_a_kill_leaves_complete_files_and_a_checkpoint_that_resumes():
    """Six kills at random moments: of writers, and of `dls-keras train`."""
    faults, _ = kills.run(6)
    assert faults == []


def test_an_incomplete_file_is_found(tmp_path):
    """Half an image under the final name, and a file of another name."""
    kills.WRITES["image.png"](tmp_path / "image.png", 0)
    assert kills.wrong_files(tmp_path) == []
    content = (tmp_path / "image.png").read_bytes()
    (tmp_path / "image.png").write_bytes(content[: len(content) // 2])
    (tmp_path / "image.png.part").touch()
    left, incomplete = kills.wrong_files(tmp_path)
    assert left == "left image.png.part" and "image.png is not complete" in incomplete


@pytest.mark.large
def test_20_kills_leave_complete_files_and_checkpoints_that_resume():
    """At other moments; `python -m tests.robustness --kills 200` tries more."""
    faults, _ = kills.run(20, seed=1)
    assert faults == []
