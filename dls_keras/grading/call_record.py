"""Record how a function under test was called and how the call ended."""

import contextlib
import copy
import inspect
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TextIO

import numpy as np

from dls_keras.grading.course_editions import OlderForm

MAX_OUTPUT = 100_000  # printed characters per call that are kept


class TimeLimitExceeded(BaseException):
    """The time limit of a call is over. `except Exception` does not catch it."""


class CallAborted(Exception):
    """A call ended without returning and without an ordinary exception."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TimeLimitExceeded in a block that uses more CPU time, if supported.

    Code that waits instead of computing is stopped by the parent process, which
    measures wall-clock time.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def expire(number, frame):
        raise TimeLimitExceeded(f"takes longer than {seconds:g} seconds")

    previous = signal.signal(signal.SIGPROF, expire)
    # It repeats each second, in case a bare `except:` catches the first one.
    signal.setitimer(signal.ITIMER_PROF, seconds, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)


class RecordedFunction:
    """A function that records its last call.

    Attributes:
        arguments: copies of the arguments by name, made before the call.
        arguments_after: the same arguments, as the call left them.
        result: the returned value.
        error: the exception that was raised, or None.
        seconds: the duration of all calls so far.
        used_random: whether the call used NumPy's global generator.
        output_truncated: whether a call printed more than is kept.
        filled: the parameters that had no default, so that the course's was passed.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        signature: Sequence[str] = (),
        form: OlderForm | None = None,
        defaults: Mapping[str, Any] | None = None,
    ):
        self.defaults = defaults or {}
        self.filled: set[str] = set()
        self.function, self.signature, self.form = function, tuple(signature), form
        self.arguments: dict[str, Any] = {}
        self.arguments_after: dict[str, Any] = {}
        self.result: Any = None
        self.error: BaseException | None = None
        self.seconds = 0.0
        self.used_random = self.output_truncated = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        named = dict(zip(self.signature, args, strict=False)) | kwargs
        positional: Sequence[Any] = args
        if self.form:
            positional, kwargs = self.form.adapt(named)
        kwargs = self._fitted(positional, kwargs)
        self.arguments, self.arguments_after = copied(named), named
        self.result = self.error = None
        state = _generator_state()
        started = time.perf_counter()
        output = BoundedOutput(sys.stdout)
        try:
            with contextlib.redirect_stdout(output), self._global_arguments(named):
                self.result = self.function(*positional, **kwargs)
        except TimeLimitExceeded as error:
            self.error = error
            raise CallAborted(str(error)) from error
        except Exception as error:
            self.error = error
            raise
        except BaseException as error:
            self.error = error
            what = "sys.exit" if isinstance(error, SystemExit) else type(error).__name__
            raise CallAborted(f"calls {what}") from error
        finally:
            self.seconds += time.perf_counter() - started
            self.used_random = state != _generator_state()
            self.output_truncated |= output.truncated
        if inspect.isclass(self.function):
            return RecordedObject(self.result, self)
        return self.result

    def _fitted(self, positional, kwargs):
        """The keyword arguments that suit the function's own parameters.

        Those that this package has added to the course's are left out, and parameters
        without a default get that of the course.
        """
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):
            return kwargs
        parameters = signature.parameters
        if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
            return kwargs
        known = {*self.signature, *parameters}
        fitted = {name: value for name, value in kwargs.items() if name in known}
        for name in list(parameters)[len(positional) :]:
            required = parameters[name].default is inspect.Parameter.empty
            if required and name not in fitted and name in self.defaults:
                fitted[name] = self.defaults[name]
                self.filled.add(name)
        return fitted

    @contextlib.contextmanager
    def _global_arguments(self, named):
        """Define, during a call, the arguments that the function reads as globals."""
        names = getattr(self.function, "__globals__", {})
        wanted = self.form.global_arguments if self.form else {}
        previous = {name: names[name] for name in wanted if name in names}
        names.update(
            {
                name: named[argument]
                for name, argument in wanted.items()
                if argument in named
            }
        )
        try:
            yield
        finally:
            for name in wanted:
                names.pop(name, None)
            names.update(previous)


class RecordedObject:
    """An object of a class under test; calls of the object are recorded, too."""

    def __init__(self, made: Any, record: RecordedFunction):
        self._made, self._record = made, record

    def __getattr__(self, name: str) -> Any:
        return getattr(self._made, name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            self._record.result = self._made(*args, **kwargs)
        except BaseException as error:
            self._record.error = error
            if isinstance(error, Exception):
                raise
            raise CallAborted(str(error)) from error
        return self._record.result


class BoundedOutput:
    """A text stream that forwards at most `limit` characters and drops the rest."""

    def __init__(self, stream: TextIO, limit: int = MAX_OUTPUT):
        self._stream, self._left, self.truncated = stream, limit, False

    def write(self, text: str) -> int:
        """Forward the characters that the limit still allows."""
        self.truncated |= len(text) > self._left
        self._stream.write(text[: self._left])
        self._left = max(0, self._left - len(text))
        return len(text)

    def flush(self) -> None:
        """Flush the underlying stream."""
        self._stream.flush()

    def isatty(self) -> bool:
        """Always False."""
        return False


def copied(value: Any) -> Any:
    """A copy of nested lists, tuples, dicts, sets and arrays.

    Other objects are returned as they are.
    """
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(copied, value))
    return copy.copy(value) if isinstance(value, set) else value


def learner_line(
    error: BaseException, cells: Collection[str]
) -> tuple[str, int] | None:
    """The cell and line of the innermost frame in the learner's code, or None."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename in cells]
    return (own[-1].filename, own[-1].lineno or 0) if own else None


def _generator_state():
    """A number that changes whenever NumPy's global generator is used."""
    _, keys, position, *_ = np.random.get_state()
    return hash((keys.tobytes(), position))
