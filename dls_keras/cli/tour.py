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

WIDTH = 1200  # a picture's largest on the page, in pixels


class Stop(NamedTuple):
    """What one assignment did: an answer and its picture, or an error."""

    assignment: catalog.Assignment
    question: str = ""
    reply: render.Reply | None = None
    milliseconds: float = 0.0  # of the answer, after one to warm up
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
    """Ask one assignment its question; whatever goes wrong is the stop's error."""
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
            reply=render.reply(model, answer),
            milliseconds=milliseconds,
            picture=render.picture(module, model, given),
        )
    except InputError as error:
        return stop._replace(error=str(error))
    except Exception as error:  # a mistake of ours, which the others survive
        return stop._replace(error=f"{type(error).__name__}: {error}")


HEADER = ("assignment", "question", "answer", "confidence", "ms")


def cells(stop: Stop) -> tuple[str, ...]:
    """The row of a stop under `HEADER`."""
    if stop.reply is None:
        return stop.assignment.name, stop.question, f"failed: {stop.error}", "", ""
    return (
        stop.assignment.name,
        stop.question,
        stop.reply.text,
        answers.percent(stop.reply.confidence),
        f"{stop.milliseconds:.1f}" if stop.milliseconds >= 0.1 else "< 0.1",
    )


def write(stops: Sequence[Stop], path: str | Path) -> None:
    """Write the page of the tour, one file that needs no other."""
    with files.atomic_write(path) as temporary:
        temporary.write_text(page(stops), "utf-8")


def page(stops: Sequence[Stop]) -> str:
    """The page as HTML, its pictures as data: URIs, without scripts."""
    answered = sum(stop.reply is not None for stop in stops)
    return PAGE.substitute(
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
    kind = "" if stop.reply else ' class="failed"'
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
    facts = f"confidence {confidence}, {milliseconds} ms" if stop.reply else "no answer"
    return f"""<article id="{name}">
<p class="label">Course {a.course}, week {a.week} · <code>{name}</code></p>
<h2>{html.escape(a.title)}</h2>
<p class="question">{question}</p>
<p class="{"answer" if stop.reply else "answer failed"}">{answer}</p>
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


PAGE = string.Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>dls_keras: the tour</title>
<style>
:root {
  color-scheme: light dark;
  --paper: #fbfaf7; --ink: #1d2228; --soft: #5c6670; --line: #dcd9d1;
  --card: #ffffff; --accent: #1f5fa8; --failed: #a8321f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171b; --ink: #e8e6e1; --soft: #a0a8b0; --line: #333a42;
    --card: #1c2127; --accent: #8ab8ef; --failed: #f0937f;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 3rem 1.25rem 4rem; max-width: 54rem;
  background: var(--paper); color: var(--ink);
  font: 1.0625rem/1.6 Charter, "Bitstream Charter", Cambria, Georgia, serif;
}
h1, h2 { line-height: 1.2; text-wrap: balance; }
h1 { font-size: 2.25rem; margin: 0 0 .5rem; }
h2 { font-size: 1.375rem; margin: .25rem 0 1rem; }
a { color: var(--accent); text-underline-offset: .15em; }
code, .label, .facts, table, footer {
  font-family: system-ui, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
code { font-size: .94em; }
.lead, .label, .facts, footer { color: var(--soft); }
.label, .facts, footer { font-size: .875rem; margin: 0; }
.scroll { overflow-x: auto; margin: 2rem 0 3rem; }
table {
  border-collapse: collapse; width: 100%; min-width: 36rem; font-size: .9375rem;
}
th, td {
  text-align: left; vertical-align: top; padding: .5rem 1rem .5rem 0;
  border-bottom: 1px solid var(--line); font-weight: normal;
}
thead th { color: var(--soft); font-size: .8125rem; }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
th:last-child, td:last-child { padding-right: 0; }
article {
  background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: 1.5rem; margin: 0 0 1.5rem;
}
.question { margin: 0; }
.answer {
  margin: .25rem 0; font-size: 1.75rem; line-height: 1.3; overflow-wrap: anywhere;
}
.failed, .failed td { color: var(--failed); }
.answer.failed { font-size: 1.0625rem; }
figure { margin: 1.25rem 0 0; text-align: center; }
img {
  max-width: 100%; max-height: 32rem; width: auto; height: auto;
  border-radius: .375rem; background: #fff; vertical-align: middle;
}
footer { margin-top: 2.5rem; }
</style>
</head>
<body>
<header>
<h1>The tour</h1>
<p class="lead">The programming assignments of the Deep Learning Specialization, each
answering one question with the weights that came with dls_keras. $summary.</p>
</header>
<main>
<div class="scroll" role="region" aria-label="All answers" tabindex="0"><table>
<thead><tr><th scope="col">assignment</th><th scope="col">question</th>
<th scope="col">answer</th><th scope="col" class="number">confidence</th>
<th scope="col" class="number">milliseconds</th></tr></thead>
<tbody>
$rows
</tbody>
</table></div>
$stops
</main>
<footer>Written by <code>dls-keras tour</code>, dls_keras $version, on $machine.
Milliseconds are those of one answer after another that warmed up.</footer>
</body>
</html>
""")
