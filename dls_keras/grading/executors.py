"""Run one function on many arguments with any executor, and yield results as they come.

An executor is whatever has `submit(function, *arguments)`, which returns an object with
`done()`, `result()` and `cancel()`: those of `concurrent.futures`, that of Dask
(`client.get_executor()`), of `submitit` for Slurm, of Ray. None of them is imported.
"""

import contextlib
import functools
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable
from concurrent import futures
from typing import Any, Protocol

AHEAD = 256  # calls that wait or run at a time, so that few results are in memory
POLL = 0.2  # seconds between two looks at jobs that are no futures of Python


class Executor(Protocol):
    """What is needed of an executor."""

    def submit(self, function: Callable, /, *arguments: Any) -> Any:
        """Start a call; the returned object has `done`, `result` and `cancel`."""


def run_all(
    function: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    failed: Callable[..., Any],
    *,
    workers: int = 1,
    executor: Executor | None = None,
) -> Generator[Any, None, None]:
    """Yield the result of each call as it comes, from an executor or from threads.

    Args:
        function: takes the arguments of a call, and by keyword `threads`, how many
            threads a call may use, and `stopped`, which is set if nobody waits for
            its result any more. Only the threads that are started here set these.
        failed: as in `as_they_come`.
        workers: how many threads are started if there is no executor.
    """
    if executor is not None:
        yield from as_they_come(executor, function, calls, failed)
        return
    stopped = threading.Event()
    threads = max(1, (os.cpu_count() or 1) // workers)
    one = functools.partial(function, threads=threads, stopped=stopped)
    pool = futures.ThreadPoolExecutor(workers)
    results = as_they_come(pool, one, calls, failed, ahead=2 * workers)
    with pool, contextlib.closing(results):
        try:
            yield from results
        finally:
            stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)


def as_they_come(
    executor: Executor,
    function: Callable[..., Any],
    calls: Iterable[tuple[Any, ...]],
    failed: Callable[..., Any],
    *,
    ahead: int = AHEAD,
) -> Generator[Any, None, None]:
    """Yield the result of each call, in the order in which they end.

    If the caller stops before the end, calls that have not begun are cancelled.

    Args:
        function: called with the arguments of each call. For an executor with other
            processes or machines, it and its arguments must be picklable.
        failed: called with the exception and the arguments if a call raises one, such
            as a broken pool; what it returns is yielded.
        ahead: how many calls are submitted before their results are taken.
    """
    waiting = iter(calls)
    pending: dict[Any, tuple[Any, ...]] = {}
    try:
        while True:
            while len(pending) < ahead and (call := next(waiting, None)) is not None:
                try:
                    pending[executor.submit(function, *call)] = call
                except RuntimeError as error:  # a pool that is broken or shut down
                    yield failed(error, *call)
            if not pending:
                return
            for job in _done(pending):
                call = pending.pop(job)
                try:
                    result = job.result()
                except Exception as error:  # the other calls go on
                    result = failed(error, *call)
                yield result
    finally:
        for job in pending:
            job.cancel()


def _done(jobs):
    """The jobs that have ended; waits until there is one."""
    if all(isinstance(job, futures.Future) for job in jobs):
        ended = futures.wait(jobs, return_when=futures.FIRST_COMPLETED).done
        return [job for job in jobs if job in ended]  # in the order of submission
    while not (found := [job for job in jobs if job.done()]):
        time.sleep(POLL)
    return found
