"""Answers in words, with their confidence, and as pictures.

What the command line and the tour share. Answers come in four kinds: an `Answer`
of a classifier or translator, the boxes of a detector, a picture, and plain text.
"""

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

IRREGULAR = {"person": "people", "mouse": "mice", "knife": "knives", "sheep": "sheep"}


class Reply(NamedTuple):
    """An answer in words.

    `confidence` is in [0, 1], or None where the network does not say how sure it
    is; `details` holds whatever else it said, by name.
    """

    text: str
    confidence: float | None
    details: dict[str, Any]


def reply(model, answer) -> Reply:
    """What `infer` returned, in words.

    Args:
        model: the model that answered; the one of boxes has `classes`, their names.
        answer: an `Answer`, a named tuple of `boxes`, `scores` and `classes` (the
            confidence is then the best score), a PIL image, or anything with a text.
    """
    if hasattr(answer, "confidence"):
        return Reply(str(answer), answer.confidence, answer.details)
    if hasattr(answer, "boxes"):
        boxes = [
            {"class": model.classes[k], "score": float(score), "box": box.tolist()}
            for box, score, k in zip(
                answer.boxes, answer.scores, answer.classes, strict=True
            )
        ]
        best = max((box["score"] for box in boxes), default=None)
        counts = Counter(box["class"] for box in boxes)
        text = ", ".join(_counted(n, name) for name, n in counts.items())
        return Reply(text or "nothing found", best, {"boxes": boxes})
    if isinstance(answer, Image.Image):
        text = f"a picture of {answer.width} x {answer.height} pixels"
        return Reply(text, None, {})
    return Reply(str(answer), None, {})


def picture(module, model, given, answer=None) -> Image.Image:
    """The assignment's picture of its answer to one input.

    An `answer` that is a picture is returned as it is.
    """
    if isinstance(answer, Image.Image):
        return answer
    return rendered(module.picture(model, given))


def rendered(drawing) -> Image.Image:
    """A PIL image as it is, a matplotlib figure as one, 150 dots an inch."""
    if isinstance(drawing, Image.Image):
        return drawing
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    drawing.set_dpi(150)
    canvas = FigureCanvasAgg(drawing)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _counted(n, name):
    """ "1 car", "2 cars", "3 people"."""
    if n == 1 or name.endswith(("skis", "scissors")):
        return f"{n} {name}"
    ending = "es" if name.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{n} {IRREGULAR.get(name, name + ending)}"
