"""Errors that a user can fix; any other exception is a bug of the package."""


class InputError(ValueError):
    """An argument, a file or an option is not valid.

    The message says what was expected, what was received, and what to do. The command
    line prints it and exits with code 2.
    """


class MissingFileError(InputError, FileNotFoundError):
    """A required file does not exist."""

    def __str__(self):  # FileNotFoundError would otherwise format an errno.
        return str(self.args[0])
