"""The process in which a learner's code runs.

It reads its task from the first line of stdin and writes one message per line to
stdout, both as JSON: what it starts, and the results. The learner's code has no access
to either; its own output is discarded. The parent process may stop this process at any
time and start another one that skips what did not end.
"""

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

MEGABYTE = 2**20


def main() -> None:
    """Run the task that stdin describes and write the results to stdout."""
    task = json.loads(sys.stdin.readline())
    send = _sender()
    os.environ["MPLBACKEND"] = "Agg"
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="dls_keras_check_") as folder:
        os.chdir(folder)
        check(task, send)
        os.chdir("/")
    os._exit(0)  # even if the learner's code has left threads running


def _sender():
    """A function that writes a message to stdout.

    After this call the file descriptors 0, 1 and 2 lead to the null device.
    """
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)

    def send(**message):
        out.write(json.dumps(message) + "\n")
        out.flush()

    return send


def check(task: dict[str, Any], send: Callable[..., None]) -> None:
    """Check a file, function by function.

    Args:
        task: `assignment`, `path`, `timeout` in seconds, `memory` in megabytes, and
            `skip`, the keys of functions and statements that ended an earlier worker.
        send: called with each message as keyword arguments.
    """
    from dls_keras import catalog
    from dls_keras.core.errors import InputError
    from dls_keras.grading import course_helpers, judge, parse
    from dls_keras.grading.call_record import TimeLimitExceeded
    from dls_keras.grading.hints import choose
    from dls_keras.grading.namespace import Namespace, allow_imports_next_to
    from dls_keras.reference import cases

    name, path, timeout = task["assignment"], Path(task["path"]), task["timeout"]
    skipped = set(task["skip"])

    def begin(key, importing=False):
        if key not in skipped:
            send(begin=key, limit=None if importing else timeout)
        return key not in skipped

    try:
        pieces = parse.read(path)
    except (InputError, OSError) as error:
        send(error=str(error))
        return
    namespace = Namespace(course_helpers.helpers(name))
    allow_imports_next_to(path)
    namespace.run(pieces, begin, timeout)
    begin("the reference values", importing=True)
    references = [cases.read(file) for file in catalog.BY_NAME[name].reference]
    functions = judge.cases_by_function(references)
    send(functions=list(functions))
    runner = judge.CaseRunner(name, namespace, judge.signatures(references), timeout)
    _limit_memory(task["memory"])

    wrong = []
    for function, its_cases in functions.items():
        if not runner.name_in_file(function):
            why = namespace.undefined.get(function, "")
            optional = course_helpers.optional(name, function)
            provided = not why and (function in namespace.provided or optional)
            send(undefined=function, why=why, provided=provided)
            if not provided:
                runner.skip(function)
        elif function in skipped:
            runner.skip(function)
        elif not its_cases:
            send(unchecked=function)
        else:
            for case in its_cases:
                begin(function)
                result = runner.record_case(function, case)
                send(function=function, case=case.id, message=result.message)
                if isinstance(result.call.error, TimeLimitExceeded):
                    break
            verdict = runner.verdict(function)
            send(verdict=verdict)
            wrong += [function] * (verdict["status"] == "wrong")
    for function in wrong:
        if begin(f"a hint on {function}"):
            send(hint=choose.hint(runner, function), function=function)
    send(notes=namespace.notes, done=True)


def _limit_memory(megabytes):
    """Allow that much memory beyond what is in use now, if the system supports it."""
    try:
        import resource

        status = Path("/proc/self/status").read_text()
        used = int(status.split("VmData:")[1].split()[0]) // 1024
    except (ImportError, OSError, IndexError, ValueError):
        return
    limit = (used + megabytes) * MEGABYTE
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    main()
