"""The submissions of a class are found in folders and archives of all exports."""

import json
import os
import stat
import zipfile

import pytest
from learner_files import notebook, solution

from dls_keras.core.errors import InputError
from dls_keras.grading import class_files, definitions, parse, students

NAME = "numpy_basics"
TWO = "def sigmoid(x):\n    pass\ndef softmax(x):\n    pass\n"


def cells(*sources):
    """A notebook with these code cells, as text."""
    code = [{"cell_type": "code", "source": source} for source in sources]
    return json.dumps({"nbformat": 4, "cells": code})


def write(root, **contents):
    """Write files below a folder: path -> content, by default a notebook."""
    for path, content in contents.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(content or cells(TWO), encoding="utf-8")
    return root


def named(root, name=NAME):
    """The submissions of a class: student -> submission."""
    return {one.student: one for one in students.find(root, name).submissions}


def archive(path, **members):
    """A zip archive with these members: name -> content, by default a notebook."""
    with zipfile.ZipFile(path, "w") as opened:
        for name, content in members.items():
            opened.writestr(name, content or cells(TWO))
    return path


# Exports


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["Ann Lee/a.ipynb", "bo/week/b.py"], {"Ann Lee", "bo"}),
        (["ann.ipynb", "bo.py"], {"ann", "bo"}),
        (
            [
                "Ann Lee_12345_assignsubmission_file_/a.ipynb",
                "Bo_C_77_assignsubmission_file_b.ipynb",
                "Dan_78_assignsubmission_onlinetext_/onlinetext.html",
            ],
            {"Ann Lee", "Bo_C", "Dan"},
        ),
        (["foo-ann/a.ipynb", "foo-bo/a.py"], {"foo-ann", "foo-bo"}),
        (["numpy-basics-ann/a.ipynb", "numpy-basics-bo-c/a.py"], {"ann", "bo-c"}),
        (["hw1-ann/a.ipynb", "hw1-bo/a.ipynb"], {"ann", "bo"}),
        (["student-1/a.ipynb", "student-2/a.ipynb"], {"student-1", "student-2"}),
        (["ann-lee/a.ipynb", "ann-may/a.ipynb"], {"ann-lee", "ann-may"}),
        (
            ["leeann_123_456_a.ipynb", "leebo_late_124_457_a_b-1.ipynb"],
            {"leeann", "leebo"},
        ),
        (
            ["hw_ann_attempt_2026-11-30-20-15-00_a.ipynb", "hw_bo_attempt_"
             "2026-11-30-21-15-00.txt"],
            {"ann", "bo"},
        ),
    ],
)  # fmt: skip
def test_students_are_named_as_in_the_export(tmp_path, paths, expected):
    """Coursera, files alone, Moodle, GitHub Classroom, Canvas, Blackboard."""
    for path in paths:
        write(tmp_path, **{path: TWO if path.endswith(".py") else ""})
    assert set(named(tmp_path)) == expected
    # The same in an archive, in which a folder surrounds all files.
    members = {f"export/{path}": (tmp_path / path).read_text() for path in paths}
    assert set(named(archive(tmp_path / "class.zip", **members))) == expected


def test_students_of_the_same_name_have_their_number(tmp_path):
    """Moodle's and Canvas's numbers keep them apart; `late` is read."""
    for number in ("1", "2"):
        write(tmp_path, **{f"Ann_{number}_assignsubmission_file_/a.ipynb": ""})
    write(tmp_path, **{"bo_LATE_5_6_a.ipynb": ""})
    found = named(tmp_path)
    assert set(found) == {"Ann (1)", "Ann (2)", "bo"}
    assert found["Ann (2)"].id == "2"
    assert found["bo"].late and not found["Ann (1)"].late
    write(tmp_path / "other", **{"cid.ipynb": "", "cid/a.ipynb": ""})
    root = tmp_path / "other"
    assert set(named(root)) == {f"cid ({root}/cid.ipynb)", f"cid ({root}/cid/a.ipynb)"}


def test_a_cloned_repository_shows_the_prefix_of_github_classroom(tmp_path):
    """Although no word of it is known; files in .git are not submissions."""
    write(
        tmp_path, **{"foo-ann/.git/a.py": TWO, "foo-ann/a.py": TWO, "foo-bo/a.py": TWO}
    )
    assert set(named(tmp_path)) == {"ann", "bo"}


def test_a_folder_around_all_files_of_an_archive_is_no_student(tmp_path):
    """Unless it has the files of one student."""
    members = {"week 2/ann.ipynb": "", "week 2/bo.py": TWO}
    assert set(named(archive(tmp_path / "a.zip", **members))) == {"ann", "bo"}
    members = {"bo/mine.ipynb": "", "bo/data/x.txt": "x", "__MACOSX/bo/._mine.py": "x"}
    assert set(named(archive(tmp_path / "b.zip", **members))) == {"bo"}


# Helpers, several files


def test_helper_modules_are_no_students(tmp_path):
    """Beside a notebook; imported; with no function, or only the course's helpers."""
    write(tmp_path, **{"ann.ipynb": cells("import tools\n" + TWO), "bo.py": TWO})
    write(tmp_path, **{"tools.py": TWO, "plots.py": "def show():\n    pass\n"})
    write(tmp_path, **{"utils.py": "def basic_sigmoid(x):\n    pass\n"})
    write(tmp_path, **{"shared/more.py": "def load():\n    pass\n"})
    found = students.find(tmp_path, NAME)
    assert [one.student for one in found.submissions] == ["ann", "bo"]
    assert found.others == ("plots.py", "shared/more.py", "tools.py", "utils.py")


def test_a_module_beside_a_notebook_can_be_imported(tmp_path):
    """Also from an archive, and under the name that it had before the export."""
    own = {"ann_1_2_a.ipynb": "", "ann_1_3_tools.py": "x = 1"}
    (one,) = named(archive(tmp_path / "class.zip", **own)).values()
    with students.opened(one) as path:
        assert (path.parent / "tools.py").read_text() == "x = 1"
        assert len(parse.read(path)) == 2
    assert not path.exists()


@pytest.mark.parametrize(
    ("names", "best", "why"),
    [
        (["a.ipynb", "a (1).ipynb", "a (10).ipynb", "a (2).ipynb"], "a (10)", "number"),
        (["mine_v2.ipynb", "mine_v3.ipynb", "mine.ipynb"], "mine_v3", "number"),
        (["new.ipynb", "old.ipynb"], "new", "time"),
        (["a.py", "b.py"], "a", "time"),
    ],
)
def test_of_several_files_the_newest_is_checked(tmp_path, names, best, why):
    """By its number or its time; a note says which, and which are not."""
    for age, name in enumerate(names):
        write(tmp_path, **{f"ann/{name}": TWO if name.endswith(".py") else ""})
        os.utime(tmp_path / "ann" / name, (10**9 - 100 * age,) * 2)
    (one,) = named(tmp_path).values()
    assert one.path.rpartition("/")[2].startswith(f"{best}.")
    (note,) = one.notes
    assert f"the newest by its {why}; not " in note


def test_the_notebook_of_this_assignment_is_checked(tmp_path):
    """Not a newer one of another assignment, nor an unreadable one."""
    write(tmp_path, **{"ann/a.ipynb": "", "ann/week5.ipynb": cells("def lstm(): pass")})
    write(tmp_path, **{"ann/broken.ipynb": "{", "ann/.ipynb_checkpoints/a.ipynb": ""})
    (one,) = named(tmp_path).values()
    assert one.path.endswith("a.ipynb")
    assert len(one.notes) == 1 and "broken.ipynb could not be read" in one.notes[0]


def test_a_student_without_a_readable_file_has_an_error(tmp_path):
    """Which names what is there instead."""
    write(
        tmp_path, **{"ann/essay.pdf": "x", "bo/work.zip": "no archive", "cid/a.py": TWO}
    )
    found = named(tmp_path)
    assert found["ann"].error.endswith("received essay.pdf.")
    assert "work.zip could not be read: " in found["bo"].error
    assert found["cid"].error == ""


def test_a_class_without_files_is_an_error(tmp_path):
    """Of a folder and of an archive; a missing one is another error."""
    write(tmp_path, **{"a/notes.txt": "x"})
    with pytest.raises(InputError, match="in the folder .* found none"):
        students.find(tmp_path, NAME)
    with pytest.raises(InputError, match="in the archive .* found none"):
        students.find(archive(tmp_path / "a.zip", **{"a.txt": "x"}), NAME)
    with pytest.raises(InputError, match="There is no file at"):
        students.find(tmp_path / "none", NAME)


# Archives


def test_archives_inside_a_class_are_searched(tmp_path):
    """In a folder and in an archive."""
    inner = archive(tmp_path / "hw.zip", **{"deep/a.ipynb": "", "deep/b.txt": "x"})
    content = inner.read_bytes()
    with zipfile.ZipFile(tmp_path / "class.zip", "w") as opened:
        opened.writestr("ann_1_2_hw.zip", content)
    (tmp_path / "class" / "bo").mkdir(parents=True)
    inner.rename(tmp_path / "class" / "bo" / "hw.zip")
    for root, student in (("class.zip", "ann"), ("class", "bo")):
        (one,) = named(tmp_path / root).values()
        assert one.student == student
        with students.opened(one) as path:
            assert len(parse.read(path)) == 2
        assert len(students.digest(one)) == 64


def test_a_path_out_of_the_archive_and_a_link_are_not_read(tmp_path):
    """They have a row with an error, and nothing is written outside."""
    path = archive(tmp_path / "class.zip", **{"../bad.py": TWO, "ann.py": TWO})
    with zipfile.ZipFile(path, "a") as opened:
        link = zipfile.ZipInfo("cid.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc/passwd")
    found = named(path)
    assert "leads out of the archive" in found["bad"].error
    assert "it is a link" in found["cid"].error
    assert found["ann"].error == ""
    assert [one.name for one in tmp_path.iterdir()] == ["class.zip"]


def test_a_link_in_a_folder_is_not_followed(tmp_path):
    """It may lead to a file of the teacher."""
    write(tmp_path, **{"secret.py": TWO, "class/ann.py": TWO})
    (tmp_path / "class" / "bo.py").symlink_to(tmp_path / "secret.py")
    assert "it is a link" in named(tmp_path / "class")["bo"].error


def test_a_member_that_is_too_large_is_an_error(tmp_path, monkeypatch):
    """Before it is unpacked."""
    path = archive(tmp_path / "class.zip", **{"ann/a.ipynb": "x" * 5000})
    (one,) = named(path).values()
    monkeypatch.setattr(class_files, "LARGEST", 1000)
    with pytest.raises(InputError, match="more than the 1.0 kB"):
        with students.opened(one):
            pass


def test_names_in_utf8_are_read_from_any_archive(tmp_path):
    """Some programs do not declare the encoding of names."""
    path = tmp_path / "class.zip"
    with zipfile.ZipFile(path, "w") as opened:
        opened.writestr("JoseX/a.ipynb", cells(TWO))
    path.write_bytes(path.read_bytes().replace(b"JoseX", "José".encode()))
    assert set(named(path)) == {"José"}


# Shards, other assignments, encodings


def test_shards_are_a_stable_partition(tmp_path):
    """Each student is in one part; one more student moves no other."""
    found = [students.Submission(f"student {number}") for number in range(100)]
    parts = [students.shard(found, number, 3) for number in (1, 2, 3)]
    assert sorted(one for part in parts for one in part) == sorted(found)
    assert min(map(len, parts)) > 15
    more = [students.Submission("another"), *found]
    assert set(students.shard(more, 2, 3)) >= set(parts[1])


def test_a_file_of_another_assignment_is_recognised():
    """By the functions that it defines; helpers of the course do not count."""
    for name in ("dinosaurs", "optimization", "recurrent_steps"):
        found = frozenset(parse.DEFINES.findall(solution(name)))
        assert definitions.looks_like(found, NAME) == name
        assert definitions.looks_like(found, name) == ""
    assert definitions.looks_like({"sigmoid"}, "planar_classification") == ""
    assert definitions.looks_like({"sigmoid", "relu", "plot"}, NAME) == ""


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_files_in_utf16_are_read(tmp_path, encoding):
    """With a byte order mark or without; the suffix may be in upper case."""
    path = notebook(solution(NAME), tmp_path / "a.ipynb")
    (tmp_path / "b.IPYNB").write_text(path.read_text("utf-8"), encoding)
    (tmp_path / "c.Py").write_text("# é\n" + solution(NAME), encoding)
    (tmp_path / "d.py").write_text(solution(NAME), "utf-8")
    for other, same in (("b.IPYNB", path), ("c.Py", tmp_path / "d.py")):
        assert len(parse.read(tmp_path / other)) == len(parse.read(same)) > 8
        assert definitions.read(tmp_path / other) == definitions.read(same)
