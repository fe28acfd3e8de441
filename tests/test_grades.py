"""Points, late submissions, tables, feedback pages and files of results."""

import csv
import datetime
import html.parser
import json
from pathlib import Path

import pytest

from dls_keras.core import files
from dls_keras.core.errors import InputError
from dls_keras.grading import feedback, gradebook, grades
from dls_keras.grading.classes import Checked
from dls_keras.grading.grades import Rules
from dls_keras.grading.runner import Report, Verdict
from dls_keras.grading.students import Submission

FUNCTIONS = ["f", "g", "h"]
DEADLINE = datetime.datetime(2026, 11, 30, 23, 59)


def checked(*verdicts, student="ann", **more):
    """What the check of a submission found."""
    submission = Submission(student, path=f"class/{student}.py", **more)
    return Checked(submission, Report("a", submission.path, verdicts), "123")


def verdict(function, status, passed=0, cases=4, **more):
    return Verdict(function, status, passed, cases, **more)


# Points


def test_functions_share_the_points_and_cases_those_of_a_function():
    """A right function has all its points, a wrong one the share of its cases."""
    found = checked(verdict("f", "ok", 4), verdict("g", "wrong", 1))
    grade = grades.grade(found, Rules(FUNCTIONS))
    assert [(part.points, part.most) for part in grade.parts] == [(50, 50), (12.5, 50)]
    assert (grade.raw, grade.score, grade.most) == (62.5, 62.5, 100)


@pytest.mark.parametrize(
    ("status", "points", "most", "look_at"),
    [
        ("ok", 20, 20, ()),
        ("wrong", 15, 20, ()),
        ("missing", 10, 20, ()),
        ("not written", 10, 20, ()),
        ("given", 10, 10, ()),
        ("provided", 10, 10, ()),
        ("unchecked", 10, 10, ("g: unchecked",)),
        ("cannot run here", 10, 20, ("g: cannot run here",)),
        ("something new", 10, 20, ("g: something new",)),
    ],
)
def test_each_status_counts_points_and_maximum(status, points, most, look_at):
    """An unknown status counts no points, and the teacher is asked to look."""
    found = checked(verdict("f", "ok", 4), verdict("g", status, 2))
    grade = grades.grade(found, Rules(FUNCTIONS, points={"f": 10, "g": 10}))
    assert (grade.raw, grade.most, grade.look_at) == (points, most, look_at)


def test_a_wrong_function_never_has_all_points():
    """Even if all of its cases pass, or it has none."""
    for cases in (0, 1, 4):
        found = checked(verdict("f", "wrong", cases, cases))
        assert grades.grade(found, Rules(FUNCTIONS)).raw <= 75


def test_an_unreadable_file_has_no_points_of_all():
    """The maximum is that of the class, and the teacher is asked to look."""
    found = checked()
    found = found._replace(report=found.report._replace(error="It is damaged."))
    grade = grades.grade(found, Rules(FUNCTIONS, points={"f": 3, "h": 4}))
    assert (grade.raw, grade.most, grade.look_at) == (0, 7, ("the file",))
    assert grades.first_problem(found) == ("It is damaged.", "")


@pytest.mark.parametrize(
    ("name", "text", "points"),
    [
        ("a.toml", "f = 2\ng = 0.5", {"f": 2, "g": 0.5}),
        ("a.toml", "[points]\nf = 2", {"f": 2}),
        ("a.csv", "function,points\nf,2\n", {"f": 2}),
        ("a.csv", "f;2,5\ng;1\n", {"f": 2.5, "g": 1}),
    ],
)
def test_points_are_read_from_toml_and_csv(tmp_path, name, text, points):
    """With a header or without, separated by commas or semicolons."""
    (tmp_path / name).write_text(text)
    assert grades.read_points(tmp_path / name, FUNCTIONS) == points


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.toml", "f = -1", "expected a number from 0"),
        ("a.toml", "f = nan", "expected a number from 0"),
        ("a.toml", "f = true", "expected a number from 0"),
        ("a.toml", "x = 1", "has points for x, expected functions"),
        ("a.toml", "f = ", "is not a table of points"),
        ("a.csv", "f,many", "expected a number from 0"),
        ("a.csv", "", "has no points"),
        ("b.csv", None, "no file"),
    ],
)
def test_invalid_points_are_an_input_error(tmp_path, name, text, words):
    """The message says what was expected."""
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=words):
        grades.read_points(tmp_path / name, FUNCTIONS)


# Late submissions


def late(tmp_path, text, penalty=0, **more):
    """The grade of Ann's right solution with this table of times."""
    (tmp_path / "times.csv").write_text(text)
    people = grades.read_times(tmp_path / "times.csv", DEADLINE)
    rules = Rules(FUNCTIONS, None, DEADLINE, people, penalty)
    return grades.grade(checked(verdict("f", "ok"), **more), rules)


def test_a_late_submission_loses_points_for_each_day(tmp_path):
    """A day that has begun counts; nobody has fewer points than none."""
    on_time = late(tmp_path, "student,time\nAnn,2026-11-30T23:59\n", 10)
    assert (on_time.late, on_time.score) == ("no", 100)
    grade = late(tmp_path, "student;time\nAnn ;2026-12-02 00:59\n", 10)
    assert (grade.late, grade.penalty, grade.score) == ("25.0 hours", 20, 80)
    assert late(tmp_path, "ann,2027-12-02", 10).score == 0
    assert late(tmp_path, "ann,2027-12-02").score == 100


def test_the_last_time_of_a_student_counts(tmp_path):
    """A student is found by the name or the number; others have no time."""
    text = "student,time\nann,2026-11-01\nann,2026-12-01\n7,2026-11-02\n"
    assert late(tmp_path, text).late == "0.1 hours"
    assert late(tmp_path, text, student="Ann (7)", id="7").late == "no"
    unknown = late(tmp_path, text, student="bo")
    assert (unknown.late, unknown.look_at) == ("", ("the time: not known",))


def test_the_export_may_say_that_a_submission_is_late(tmp_path):
    """Canvas marks it; Blackboard states the time."""
    marked = late(tmp_path, "x,2026-11-01", 10, late=True)
    assert (marked.late, marked.score) == ("yes", 90)
    stated = late(tmp_path, "x,2026-11-01", 10, time="2026-12-01T11:59:00")
    assert (stated.late, stated.score) == ("12.0 hours", 90)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("ann,tomorrow", "Expected a time such as 2026-11-30T23:59, received 'tomor"),
        ("ann,2026-11-30T10:00+01:00", "Write a time zone"),
        ("", "is not a CSV table"),
    ],
)
def test_an_invalid_time_is_an_input_error(tmp_path, text, words):
    """A time zone in only one of time and deadline, too."""
    with pytest.raises(InputError, match=words):
        late(tmp_path, text)


# Tables


def rows(path):
    """The rows of a table as dictionaries."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_table_is_on_the_disk_after_each_row(tmp_path):
    """At the end it is sorted by student."""
    rules = Rules(FUNCTIONS)
    with gradebook.Table(
        tmp_path / "a.csv", gradebook.header(FUNCTIONS), "student"
    ) as t:
        for count, student in enumerate(["zoe", "Ann", "bo"], start=1):
            found = checked(verdict("f", "ok"), student=student)
            t.write(gradebook.row(found, grades.grade(found, rules), FUNCTIONS))
            assert len(rows(tmp_path / "a.csv")) == count
    found = rows(tmp_path / "a.csv")
    assert [row["student"] for row in found] == ["Ann", "bo", "zoe"]
    assert (found[0]["score"], found[0]["f"], found[0]["g"]) == ("100.0", "ok", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("kind", ["results", "table"])
def test_a_full_disk_is_an_input_error_that_names_the_file(tmp_path, monkeypatch, kind):
    """At the first row that does not fit; nothing more is written."""
    monkeypatch.setattr(files, "check_writable", lambda path: None)
    (tmp_path / "a").symlink_to("/dev/full")
    with pytest.raises(InputError, match=f"Cannot write {tmp_path}/a: No space left"):
        if kind == "results":
            monkeypatch.setattr(gradebook, "_cut", lambda path: None)
            with gradebook.Results(tmp_path / "a") as results:
                results.write("x")
        else:
            with gradebook.Table(tmp_path / "a", ["b"], "b") as table:
                table.write(["x"])


def test_no_cell_is_a_formula_or_longer_than_2000_characters(tmp_path):
    """Whatever a student writes as a name, a file or a message."""
    problem = "=HYPERLINK(1)" + "x" * 5000
    for student in ("=1+1", "+1", "-1", "@x", " =1", "\t=1", "\uff1d1"):
        found = checked(
            verdict("f", "wrong", problem=problem, hint="@"), student=student
        )
        grade = grades.grade(found, Rules(FUNCTIONS))
        with gradebook.Table(
            tmp_path / "a.csv", gradebook.header(["f"]), "student"
        ) as t:
            t.write(gradebook.row(found, grade, ["f"]))
        (row,) = rows(tmp_path / "a.csv")
        assert row["student"].startswith("'")
        assert row["hint"] == "'@"
        assert len(row["problem"]) == 2000
        assert max(map(len, row.values())) <= 2000


def test_the_columns_of_nbgrader_are_filled(tmp_path):
    """With what the table of times says about a student."""
    text = (
        "student,time,email,first_name,last_name,student_id\nann,2026-12-01,a@b.c,A,L,7"
    )
    (tmp_path / "times.csv").write_text(text)
    people = grades.read_times(tmp_path / "times.csv", DEADLINE)
    rules = Rules(FUNCTIONS, None, DEADLINE, people, 10)
    found = checked(verdict("f", "ok"))
    row = gradebook.nbgrader_row(found, grades.grade(found, rules), rules)
    assert dict(zip(gradebook.NBGRADER, row, strict=True)) == {
        "assignment": "a",
        "duedate": "2026-11-30 23:59:00",
        "timestamp": "2026-12-01 00:00:00",
        "student_id": "7",
        "last_name": "L",
        "first_name": "A",
        "email": "a@b.c",
        "raw_score": 100,
        "late_submission_penalty": 10,
        "score": 90,
        "max_score": 100,
    }


def test_results_of_gradescope_have_its_fields():
    """The scores of the tests add up to that of the submission."""
    found = checked(verdict("f", "ok"), verdict("g", "wrong", 1, problem="\x1b<b>"))
    content = json.loads(gradebook.gradescope(found, grades.grade(found, Rules())))
    assert content["score"] == sum(t["score"] for t in content["tests"]) == 62.5
    assert [t["status"] for t in content["tests"]] == ["passed", "failed"]
    assert {t["max_score"] for t in content["tests"]} == {50}
    assert content["tests"][1]["output"] == "?<b>."
    assert content["visibility"] == "visible"


# Feedback


class Tags(html.parser.HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)

    def handle_data(self, data):
        self.text += data


def test_nothing_of_a_learner_is_interpreted_on_a_page(tmp_path):
    """Tags in names, messages and hints are text."""
    bad = "<script>alert(1)</script><img src=x onerror=y>&lt;"
    plain = Tags(feedback.page(checked(verdict("f", "ok")), grades.Grade((), 1, 1)))
    found = checked(
        verdict(bad, "wrong", problem=bad, hint=bad, remarks=[bad]), student=bad
    )
    found = found._replace(report=found.report._replace(notes=(bad,), error=bad))
    path = feedback.write(found, grades.grade(found, Rules()), tmp_path)
    shown = Tags(path.read_text("utf-8"))
    assert shown.tags == plain.tags
    assert shown.text.count("<script>alert(1)</script>") >= 5


def test_each_student_has_a_page_of_their_own(tmp_path):
    """No name leads out of the folder, and similar names do not meet."""
    names = ["ann", "Ann", "a/nn", "../ann", "a nn", "..", "", "x" * 300, "\udce9"]
    for name in names:
        path = feedback.write(checked(student=name), grades.Grade((), 0, 0), tmp_path)
        assert path.parent == tmp_path
    assert len({path.name.lower() for path in tmp_path.iterdir()}) == len(names)


def test_a_page_says_how_late_a_submission_is():
    """And which points it loses."""
    grade = grades.Grade((), 50, 100, 5, "3.0 hours")
    page = feedback.page(checked(verdict("f", "ok")), grade)
    assert "45 of 100 points. Late: 3.0 hours, 5 points less." in page


# Results


def test_results_are_read_as_they_were_written(tmp_path):
    """The submission, all verdicts and notes; a last line without an end is cut."""
    own = verdict("f", "wrong", 1, problem="é", number=[1.5, 2], remarks=["b"])
    found = checked(own, late=True)
    found = found._replace(report=found.report._replace(notes=("a",)), looks_like="b")
    path = tmp_path / "a.jsonl"
    with gradebook.Results(path) as results:
        results.write(gradebook.record(found, grades.grade(found, Rules())))
    with path.open("a") as file:
        file.write('{"student": ')
    assert list(gradebook.read_results(path)) == [found]
    with gradebook.Results(path) as results:
        results.write(gradebook.record(found, grades.grade(found, Rules())))
    assert list(gradebook.read_results(path, "a")) == [found, found]
    with pytest.raises(InputError, match="has results of a, expected those of b"):
        list(gradebook.read_results(path, "b"))


@pytest.mark.parametrize(
    "text",
    [
        *("[]\n", "x\n", '{"student": 1}\n', "\n"),
        '{"student":"","id":"","time":"","path":"","digest":"","looks_like":"",'
        '"assignment":"","file":"","error":"","late":false,"notes":[],"seconds":0,'
        '"functions":[{"function":1}]}\n',
    ],
)
def test_another_file_is_no_file_of_results(tmp_path, text):
    """The message names what is expected."""
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(InputError, match="is not a file of results"):
        list(gradebook.read_results(tmp_path / "a.jsonl"))
