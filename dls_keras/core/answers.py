"""What a network answers: a string that also knows how sure the network is."""


class Answer(str):
    """The answer as text, with `confidence` in [0, 1] and `details` by name.

    >>> answer = Answer("2009-06-25", 0.98, characters=[0.99, 0.99])
    >>> answer == "2009-06-25", answer.confidence
    (True, 0.98)
    """

    def __new__(cls, text, confidence, **details):
        answer = super().__new__(cls, text)
        answer.confidence = float(confidence)
        answer.details = details
        return answer


def likeliest(classes, probabilities) -> Answer:
    """The class of the largest probability, an `Answer`; `details` has one a class.

    >>> likeliest(("cat", "dog"), [0.25, 0.75]).details
    {'probabilities': {'cat': 0.25, 'dog': 0.75}}
    """
    by_name = dict(zip(classes, map(float, probabilities), strict=True))
    best = max(by_name, key=by_name.get)
    return Answer(best, by_name[best], probabilities=by_name)


def percent(confidence: float | None) -> str:
    """A confidence in [0, 1] as "98.3 %"; never "100.0 %" for less than all."""
    if confidence is None:
        return "-"
    rounded = round(100 * confidence, 1)
    return "> 99.9 %" if rounded == 100 > 100 * confidence else f"{rounded:.1f} %"
