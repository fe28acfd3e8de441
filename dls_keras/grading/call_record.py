"""A function under test that remembers how it was called and what came of it."""

import contextlib
import copy
import inspect
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from dls_keras.grading.course_helpers import Fit

FLOOD = 100_000  # characters printed in one call that are kept


class OutOfTime(BaseException):
    """The time limit of a call is over; no `except Exception` catches it."""


class Stopped(Exception):
    """A call ended otherwise than by returning or by an ordinary exception."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise OutOfTime in a block that takes more processor time, where one can.

    What waits instead of computing is stopped by the parent process, by the clock.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return

    def ring(number, frame):
        raise OutOfTime(f"takes longer than {seconds:g} seconds")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1)  # again, should it be swallowed
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


class Recorded:
    """`function` with a memory of its last call.

    Attributes:
        arguments: the positional and keyword arguments as they came, copied.
        after: the same objects, as the call left them.
        result: what it returned.
        error: what it raised, or None.
        seconds: how long it took, 0 before the first call.
        drew: whether NumPy's global generator moved.
        flooded: whether it printed more than is kept.
    """

    def __init__(self, function: Callable, signature=(), fit: Fit | None = None):
        self.function, self.signature, self.fit = function, tuple(signature), fit
        self.arguments, self.after = {}, {}
        self.result = self.error = None
        self.seconds, self.drew, self.flooded = 0.0, False, False

    def __call__(self, *args, **kwargs):
        named = dict(zip(self.signature, args, strict=False)) | kwargs
        if self.fit:
            args, kwargs = self.fit.adapt(named)
        self.arguments, self.after = copied(named), named
        self.result = self.error = None
        state = _state()
        started = time.perf_counter()
        out = Bounded(sys.stdout)
        try:
            with contextlib.redirect_stdout(out), self._outside(named):
                self.result = self.function(*args, **kwargs)
        except OutOfTime as error:
            self.error = error
            raise Stopped(str(error)) from error
        except Exception as error:
            self.error = error
            raise
        except BaseException as error:
            self.error = error
            what = "sys.exit" if isinstance(error, SystemExit) else type(error).__name__
            raise Stopped(f"calls {what}") from error
        finally:
            self.seconds += time.perf_counter() - started
            self.drew = state != _state()
            self.flooded |= out.over
        if inspect.isclass(self.function):
            return Method(self.result, self)
        return self.result

    @contextlib.contextmanager
    def _outside(self, named):
        """Put arguments that the function finds among its globals there."""
        names = getattr(self.function, "__globals__", {})
        wanted = self.fit.outside if self.fit else ()
        before = {name: names[name] for name in wanted if name in names}
        names.update({name: named[name] for name in wanted if name in named})
        if "reshapor" in wanted and "reshaper" in named:  # as 2017 spells it
            names["reshapor"] = named["reshaper"]
        try:
            yield
        finally:
            for name in wanted:
                names.pop(name, None)
            names.update(before)


class Method:
    """An object of a class under test whose calls are remembered, too."""

    def __init__(self, made, record):
        self._made, self._record = made, record

    def __getattr__(self, name):
        return getattr(self._made, name)

    def __call__(self, *args, **kwargs):
        try:
            self._record.result = self._made(*args, **kwargs)
        except BaseException as error:
            self._record.error = error
            if isinstance(error, Exception):
                raise
            raise Stopped(str(error)) from error
        return self._record.result


class Bounded:
    """A text stream that passes on so many characters and drops the rest."""

    def __init__(self, stream, most: int = FLOOD):
        self._stream, self._left, self.over = stream, most, False

    def write(self, text):
        self.over |= len(text) > self._left
        self._stream.write(text[: self._left])
        self._left = max(0, self._left - len(text))
        return len(text)

    def flush(self):
        self._stream.flush()

    def isatty(self):
        return False


def copied(value):
    """A copy of nested lists, tuples, dicts and arrays; anything else as it is."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return (
            type(value)(map(copied, value)) if type(value) in (list, tuple) else value
        )
    return copy.copy(value) if isinstance(value, set) else value


def line_of(error: BaseException, cells) -> tuple[str, int] | None:
    """The cell and line of the innermost frame of the learner's that raised."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename in cells]
    return (own[-1].filename, own[-1].lineno) if own else None


def _state():
    """A number that changes when NumPy's global generator is drawn from."""
    _, keys, place, *_ = np.random.get_state()
    return hash((keys.tobytes(), place))
