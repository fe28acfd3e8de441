"""`dls-keras tour` prints a table and writes one HTML page."""

import base64
import html.parser
import io
import re
import sys

import fake_assignments
import pytest
from click.testing import CliRunner
from PIL import Image

from dls_keras import catalog
from dls_keras.cli import tour
from dls_keras.cli.main import main
from dls_keras.core.errors import InputError


class Page(html.parser.HTMLParser):
    """The tags of a page, its images and its text."""

    VOID = {"meta", "img"}

    def __init__(self, text):
        super().__init__()
        self.tags, self.images, self.text, self.open = [], [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture
def echo(monkeypatch, tmp_path):
    """The fake assignment `echo` in a catalogue of two, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    return fake_assignments.register(monkeypatch, tmp_path / "weights")


def run_tour(*args):
    """The exit code, the cells of the printed rows and the text of the page."""
    result = CliRunner().invoke(main, ["tour", *args])
    assert isinstance(result.exception, SystemExit | None)
    _, *rows, last = result.stdout.splitlines()
    path = last.removeprefix("Open ").partition(" in a browser")[0]
    with open(path, encoding="utf-8") as file:
        return result.exit_code, [row.split("\t") for row in rows], file.read()


def test_the_tour_runs_the_assignments_that_have_an_example(echo):
    """The fake `finder` has none."""
    code, rows, page = run_tour()
    assert code == 0
    assert [row[:4] for row in rows] == [
        ["echo", 'What is <"hello"> & co., shouted?', "HELLO!!!", "75.0 %"]
    ]
    assert re.fullmatch(r"< 0\.1|\d+\.\d", rows[0][4])
    assert "1 of 1 assignments answered" in page


def test_the_page_contains_no_script_and_no_external_file(echo, tmp_path):
    """Images are data URLs; links lead to anchors of the page."""
    _, _, text = run_tour("--out", str(tmp_path / "page.html"))
    page = Page(text)
    names = {tag for tag, _ in page.tags}
    assert not names & {"script", "link", "iframe", "object", "base"}
    ids = {attrs["id"] for _, attrs in page.tags if "id" in attrs}
    for _, attrs in page.tags:
        assert not any(name.startswith("on") for name in attrs)
        if "href" in attrs:
            assert attrs["href"].removeprefix("#") in ids
    assert all(image["src"].startswith("data:image/") for image in page.images)
    assert "url(" not in text and "@import" not in text
    assert page.open == []  # every tag is closed


def test_the_page_shows_question_answer_and_image(echo):
    """Special characters are escaped; the image has an alternative text."""
    page = Page(run_tour()[2])
    (image,) = page.images
    question = 'What is <"hello"> & co., shouted?'
    assert page.text.count(question) == 2  # in the table and next to the image
    assert question in image["alt"] and "HELLO!!!" in image["alt"]
    kind, content = re.fullmatch(r"data:image/(\w+);base64,(.+)", image["src"]).groups()
    with Image.open(io.BytesIO(base64.b64decode(content))) as picture:
        assert picture.format.lower() == kind
        assert picture.size == (int(image["width"]), int(image["height"])) == (40, 20)
        assert picture.getpixel((0, 0))[0] > 200  # it is red


def test_a_large_image_is_reduced(echo, monkeypatch):
    """So that a page of photos remains small."""
    monkeypatch.setattr(echo, "picture", lambda *_: Image.new("RGBA", (3000, 1500)))
    (image,) = Page(run_tour()[2]).images
    assert (image["width"], image["height"]) == (str(tour.WIDTH), str(tour.WIDTH // 2))


@pytest.mark.parametrize(
    ("function", "error", "words"),
    [
        ("load_pretrained", InputError("No <weights>."), "No <weights>."),
        ("infer", ZeroDivisionError("oh"), "ZeroDivisionError: oh"),
        ("picture", KeyError("box"), "KeyError: 'box'"),
    ],
)
def test_a_failure_is_reported_and_the_tour_continues(
    echo, monkeypatch, function, error, words
):
    """Its row contains the reason, the next assignment runs, the exit code is 2."""

    def broken(*args):
        raise error

    rows = catalog.ASSIGNMENTS
    good = rows[0]._replace(name="good")
    monkeypatch.setattr(catalog, "ASSIGNMENTS", (*rows, good))
    monkeypatch.setitem(catalog.BY_NAME, "good", good)
    monkeypatch.setitem(sys.modules, good.module, fake_assignments.echo())
    monkeypatch.setattr(echo, function, broken)
    code, rows, page = run_tour()
    assert code == 2
    assert rows[0][2] == f"failed: {words}"
    assert rows[1][2] == "HELLO!!!"
    assert f"failed: {words}" in Page(page).text


def test_ctrl_c_ends_the_tour(echo, monkeypatch):
    """It is not reported as a failure of the current assignment."""

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(echo, "infer", interrupted)
    assert CliRunner().invoke(main, ["tour"]).exit_code == 130


def test_the_second_call_of_infer_is_timed(echo, monkeypatch):
    """The first call is a warm-up."""
    seconds = [0.0]
    durations = iter([3.0, 0.5])
    infer = echo.infer

    def slow(*args):
        seconds[0] += next(durations)
        return infer(*args)

    monkeypatch.setattr(tour.time, "perf_counter", lambda: seconds[0])
    monkeypatch.setattr(echo, "infer", slow)
    assert tour.visit(catalog.ASSIGNMENTS[0]).milliseconds == 500
    assert next(durations, None) is None  # infer was called twice


REAL = pytest.param(True, marks=[pytest.mark.data, pytest.mark.large])


@pytest.mark.parametrize("real", [REAL, False])
def test_the_tour_of_the_real_assignments_succeeds(real, monkeypatch, tmp_path):
    """With real photos, and with synthetic inputs if there is no data folder."""
    if not real:
        monkeypatch.delenv("DLS_KERAS_DATA", raising=False)
    monkeypatch.setenv("DLS_KERAS_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    code, rows, page = run_tour()
    expected = [a.name for a in catalog.ASSIGNMENTS if "example" in a.offers]
    assert [row[0] for row in rows] == expected
    assert [row[2] for row in rows if row[2].startswith("failed")] == []
    assert code == 0
    assert len(Page(page).images) == len(expected)
    assert len(page) < 3_000_000
