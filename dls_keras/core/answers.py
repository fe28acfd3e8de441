"""What models return: answers of `infer`, losses of `train`, rows of `evaluate`."""

import base64
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

LARGEST = 100  # numbers of a detail in `Answer.brief`
IRREGULAR = {"person": "people", "mouse": "mice", "knife": "knives", "sheep": "sheep"}


class Answer(str):
    """The answer as text, with a confidence and details.

    An answer can be pickled, copied and written as JSON. It equals a plain string with
    its text, and another answer if confidence and details agree, too.

    >>> answer = Answer("2009-06-25", 0.98, characters=[0.99, 0.99])
    >>> answer == "2009-06-25", answer.confidence, answer.details["characters"]
    (True, 0.98, [0.99, 0.99])

    Attributes:
        confidence: in [0, 1], or None where the model does not state one. What it
            measures is written in the docstring of each `infer`.
        details: whatever else the model computed, by name: probabilities, boxes,
            masks, pictures.
        for_picture: what the assignment's `picture` needs besides, by name; it is not
            written as JSON.
    """

    confidence: float | None
    details: dict[str, Any]
    for_picture: dict[str, Any]

    def __new__(
        cls,
        text: str,
        confidence: float | None = None,
        *,
        for_picture: Mapping[str, Any] | None = None,
        **details: Any,
    ):
        answer = super().__new__(cls, text)
        answer.confidence = None if confidence is None else float(confidence)
        answer.details = details
        answer.for_picture = dict(for_picture or {})
        return answer

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Answer):
            return str.__eq__(self, other)
        return str.__eq__(self, str(other)) and _equal(
            (self.confidence, self.details), (other.confidence, other.details)
        )

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = str.__hash__

    def brief(self) -> "Answer":
        """The answer without large details: pictures, and arrays of over 100 numbers.

        >>> Answer("cat", 0.9, box=[0, 8], mask=np.ones((64, 64))).brief().details
        {'box': [0, 8]}
        """
        small = {
            name: value
            for name, value in self.details.items()
            if not (_is_picture(value) or getattr(value, "size", 0) > LARGEST)
        }
        return Answer(str(self), self.confidence, **small)

    def to_json(self, **more: Any) -> str:
        """One JSON object: "answer", "confidence", "details" and the pairs in `more`.

        Arrays become lists, pictures become data: URIs of PNG files, and numbers that
        are not finite become null.
        """
        values = {
            **more,
            "answer": str(self),
            "confidence": self.confidence,
            "details": self.details,
        }
        return json.dumps(plain(values), ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """A value in the types of JSON; see `Answer.to_json`."""
    if isinstance(value, str) or value is None:
        return None if value is None else str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if _is_picture(value):
        buffer = io.BytesIO()
        value.save(buffer, "png")
        return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(part) for part in value]
    value = np.asarray(value).tolist()
    if isinstance(value, list):
        return [plain(part) for part in value]
    finite = not isinstance(value, float) or np.isfinite(value)
    return value if finite else None


def _is_picture(value: Any) -> bool:
    """Whether it is a PIL image, which need not be imported for that."""
    return hasattr(value, "save") and hasattr(value, "getexif")


def _equal(a: Any, b: Any) -> bool:
    """Whether two details are equal: arrays by shape and entries, NaN equal to NaN."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        a, b = np.asarray(a), np.asarray(b)
        floats = a.dtype.kind in "fc" and b.dtype.kind in "fc"
        return np.array_equal(a, b, equal_nan=floats)
    return bool(a == b) or (a != a and b != b)


def likeliest(
    classes: Sequence[str], probabilities: Sequence[float], **more: Any
) -> Answer:
    """The class of the largest probability; `details` holds the probability of each.

    >>> likeliest(("cat", "dog"), [0.25, 0.75]).details
    {'probabilities': {'cat': 0.25, 'dog': 0.75}}

    Args:
        more: further arguments of `Answer`.
    """
    by_name = dict(zip(classes, map(float, probabilities), strict=True))
    best = max(by_name, key=by_name.__getitem__)
    return Answer(best, by_name[best], probabilities=by_name, **more)


def detected(
    boxes: np.ndarray,
    scores: np.ndarray,
    classes: np.ndarray,
    names: Sequence[str],
) -> Answer:
    """The boxes of a detector as an answer such as "2 cars, 1 person".

    Args:
        boxes: (n, 4) corners (y1, x1, y2, x2) in pixels.
        scores: (n,), in [0, 1].
        classes: (n,) indices of `names`.

    Returns:
        An `Answer`; its confidence is the best score, None without a box, and
        `details["boxes"]` lists each box as {"class", "score", "box"}.
    """
    found = [
        {"class": names[k], "score": float(score), "box": [float(v) for v in box]}
        for box, score, k in zip(boxes, scores, classes, strict=True)
    ]
    best = max((box["score"] for box in found), default=None)
    counts = Counter(box["class"] for box in found)
    text = ", ".join(counted(n, name) for name, n in counts.items())
    return Answer(text or "nothing found", best, boxes=found)


def counted(n: int, name: str) -> str:
    """A number and a noun.

    >>> counted(1, "car"), counted(2, "bus"), counted(3, "person")
    ('1 car', '2 buses', '3 people')
    """
    if n == 1 or name.endswith(("skis", "scissors")):
        return f"{n} {name}"
    ending = "es" if name.endswith(("s", "x", "ch", "sh")) else "s"
    return f"{n} {IRREGULAR.get(name, name + ending)}"


def percent(confidence: float | None) -> str:
    """A confidence in [0, 1] as "98.3 %".

    Values that would round up to 100 % become "> 99.9 %", and None "-".
    """
    if confidence is None:
        return "-"
    rounded = round(100 * confidence, 1)
    return "> 99.9 %" if rounded == 100 > 100 * confidence else f"{rounded:.1f} %"


class Losses(list):
    """The mean loss of each epoch, and whatever else was measured after each epoch.

    >>> losses = Losses([0.7, 0.5], {"val_loss": [0.8, 0.9]})
    >>> losses[-1], losses.history
    (0.5, {'loss': [0.7, 0.5], 'val_loss': [0.8, 0.9]})

    Attributes:
        history: lists of numbers by name, one for each epoch, as in the `History` of
            Keras: "loss", which is the list itself, and "val_loss" where `train` was
            given `validation_data`.
    """

    history: dict[str, list[float]]

    def __init__(
        self,
        losses: Iterable[float],
        more: Mapping[str, list[float]] | None = None,
    ):
        super().__init__(losses)
        self.history = {"loss": list(self), **(more or {})}

    @classmethod
    def of(cls, losses: Sequence[float]) -> "Losses":
        """A list of losses with a history, which it may have already."""
        return losses if isinstance(losses, cls) else cls(losses)


class Row(NamedTuple):
    """One measured number of `evaluate`, with the bound it is compared with, if any.

    `at_least` and `at_most` are goals; `equals` is the number that the course prints
    or another implementation computes.
    """

    what: str
    ours: float | np.floating
    at_least: float | None = None
    at_most: float | None = None
    equals: float | None = None

    @property
    def goal(self) -> str:
        """The bound as text: ">= 0.99", "<= 2", "= 24.6", or "".

        >>> Row("accuracy", 0.995, at_least=0.99).goal
        '>= 0.99'
        """
        signs = {">=": self.at_least, "<=": self.at_most, "=": self.equals}
        return next((f"{s} {v:.6g}" for s, v in signs.items() if v is not None), "")
