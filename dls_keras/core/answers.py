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
