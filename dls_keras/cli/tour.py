"""The tour: every assignment that has an example answers it, offline.

The answers become a table, and one HTML page that holds its pictures itself. An
assignment that fails says why in its row; the others go on.
"""

import base64
import html
import io
import os
import platform
import string
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image

import dls_keras
from dls_keras import catalog, models
from dls_keras.cli import render
from dls_keras.core import answers, files
from dls_keras.core.errors import InputError
from dls_keras.core.progress import progress

WIDTH = 1200  # largest width or height of a picture, in pixels


class Stop(NamedTuple):
    """What one assignment did: an answer and its picture, or an error."""

    assignment: catalog.Assignment
    question: str = ""
    answer: answers.Answer | None = None
    milliseconds: float = 0.0  # of the answer, after one that warmed up
    picture: Image.Image | None = None
    error: str = ""


def visit_all() -> list[Stop]:
    """The stops at all assignments that offer an example."""
    wanted = [a for a in catalog.ASSIGNMENTS if "example" in a.offers]
    stops = []
    with progress("tour", total=len(wanted)) as bar:
        for assignment in wanted:
            bar.advance(0, assignment.name)
            stops.append(visit(assignment))
            bar.advance(1)
    return stops


def visit(assignment: catalog.Assignment) -> Stop:
    """Let one assignment answer its question; an exception becomes the stop's error."""
    stop = Stop(assignment)
    try:
        module = models.open_assignment(assignment.name)
        question, given = module.example()
        stop = stop._replace(question=question)
        model = module.load_pretrained()
        module.infer(model, given)
        start = time.perf_counter()
        answer = module.infer(model, given)
        milliseconds = 1000 * (time.perf_counter() - start)
        return stop._replace(
            answer=answer,
            milliseconds=milliseconds,
            picture=render.picture(module, given, answer),
        )
    except InputError as error:
        return stop._replace(error=str(error))
    except Exception as error:  # a bug of one assignment; the others go on
        return stop._replace(error=f"{type(error).__name__}: {error}")


HEADER = ("assignment", "question", "answer", "confidence", "ms")


def cells(stop: Stop) -> tuple[str, ...]:
    """The row of a stop under `HEADER`."""
    if stop.answer is None:
        return stop.assignment.name, stop.question, f"failed: {stop.error}", "", ""
    return (
        stop.assignment.name,
        stop.question,
        str(stop.answer),
        answers.percent(stop.answer.confidence),
        f"{stop.milliseconds:.1f}" if stop.milliseconds >= 0.1 else "< 0.1",
    )


def write(stops: Sequence[Stop], path: str | Path) -> None:
    """Write the page of the tour, one file that needs no other."""
    with files.atomic_write(path) as temporary:
        temporary.write_text(page(stops), "utf-8")


def page(stops: Sequence[Stop]) -> str:
    """The page as HTML, its pictures as data: URIs, without scripts."""
    answered = sum(stop.answer is not None for stop in stops)
    template = Path(__file__).with_name("tour.html").read_text("utf-8")
    return string.Template(template).substitute(
        summary=f"{answered} of {len(stops)} assignments answered",
        rows="\n".join(map(_row, stops)),
        stops="\n".join(map(_article, stops)),
        version=dls_keras.__version__,
        machine=html.escape(
            f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPU cores, "
            f"Python {platform.python_version()}"
        ),
    )


def _row(stop):
    name, question, answer, *numbers = map(html.escape, cells(stop))
    kind = ' class="failed"' if stop.answer is None else ""
    return (
        f'<tr{kind}><th scope="row"><a href="#{name}">{name}</a></th>'
        f"<td>{question}</td><td>{answer}</td>"
        + "".join(f'<td class="number">{number}</td>' for number in numbers)
        + "</tr>"
    )


def _article(stop):
    name, question, answer, confidence, milliseconds = map(html.escape, cells(stop))
    a = stop.assignment
    figure = ""
    if stop.picture is not None:
        source, width, height = _embedded(stop.picture)
        figure = (
            f'<figure><img src="{source}" width="{width}" height="{height}" '
            f'alt="{question} The picture of the answer: {answer}."></figure>'
        )
    failed = stop.answer is None
    facts = "no answer" if failed else f"confidence {confidence}, {milliseconds} ms"
    return f"""<article id="{name}">
<p class="label">Course {a.course}, week {a.week} · <code>{name}</code></p>
<h2>{html.escape(a.title)}</h2>
<p class="question">{question}</p>
<p class="{"answer failed" if failed else "answer"}">{answer}</p>
<p class="facts">{facts}</p>
{figure}
</article>"""


def _embedded(picture):
    """A picture as a data: URI, its width and its height."""
    picture = picture.convert("RGB")
    picture.thumbnail((WIDTH, WIDTH))
    coded = {}
    for kind, settings in {"png": {"optimize": True}, "jpeg": {"quality": 88}}.items():
        buffer = io.BytesIO()
        picture.save(buffer, kind, **settings)
        coded[kind] = base64.b64encode(buffer.getvalue()).decode()
    kind = min(coded, key=lambda kind: len(coded[kind]))  # png for plots, as a rule
    return f"data:image/{kind};base64,{coded[kind]}", *picture.size
