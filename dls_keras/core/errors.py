"""The errors a user can mend; every other exception is a mistake of ours."""


class InputError(ValueError):
    """What was handed in cannot be used.

    The message says what was expected, what came, and what to do next. The
    command line prints it as one sentence and exits with code 2.
    """


class MissingFileError(InputError, FileNotFoundError):
    """A file that is needed is nowhere to be found."""

    def __str__(self):  # FileNotFoundError would otherwise format an errno.
        return str(self.args[0])
