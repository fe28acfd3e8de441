"""Errors that a user can fix; any other exception is a bug of the package."""

LONGEST = 900  # characters of a message, which may quote a damaged file
MOST_LINES = 3


class InputError(ValueError):
    """An argument, a file or an option is not valid.

    The message says what was expected, what was received, and what to do. The command
    line prints it and exits with code 2. It has at most three lines: what it quotes
    from a file is shortened.
    """

    def __init__(self, message: object = "") -> None:
        super().__init__(shortened(str(message)))


class MissingFileError(InputError, FileNotFoundError):
    """A required file does not exist."""

    def __str__(self):  # FileNotFoundError would otherwise format an errno.
        return str(self.args[0])


def shortened(text: str, longest: int = LONGEST) -> str:
    """`text` in at most three lines, without its middle if it is longer than `longest`.

    >>> shortened("a" * 20 + "b" * 20, longest=15)
    'aaaaa ... bbbbb'
    """
    lines = text.split("\n")
    text = "\n".join([*lines[: MOST_LINES - 1], " ".join(lines[MOST_LINES - 1 :])])
    text = text.rstrip()
    if len(text) <= longest:
        return text
    end = longest // 3  # the advice stands at the end
    return f"{text[: longest - end - 5]} ... {text[-end:]}"
