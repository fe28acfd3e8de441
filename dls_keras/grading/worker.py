"""The process in which a learner's code runs.

It reads its task from the first line of stdin and writes one message per line to
stdout, both as JSON. It runs the cases without their expected values: what the
functions returned goes to the runner, which compares it and answers with the results.
For the functions that are wrong, the worker then describes the problem and looks for a
hint. The runner may stop this process at any time and start another one that skips what
did not end.

The messages, in this order, by their `kind`:

    file        how many statements follow at most; or `error`, it cannot be read
    begin       a statement of the file is executed next
    defined     the functions of the file
    facts       what a case gave, one message per case
    problem     the description of a wrong function, after the results have come
"""

import json
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dls_keras.grading import processes


def main() -> None:
    """Run the task that stdin describes and write the results to stdout."""
    task = json.loads(sys.stdin.readline())
    folder = Path(task["folder"])
    folder.mkdir(mode=0o700)
    processes.supervise(lambda: run(task, folder), folder)
    os._exit(0)  # even if the learner's code has left threads running


def run(task: dict[str, Any], folder: Path) -> None:
    """Run the task in this process, with the folder for all temporary files."""
    send, receive = _messages()
    os.environ["MPLBACKEND"] = "Agg"
    os.environ["TMPDIR"] = os.environ["TEMP"] = str(folder)
    warnings.simplefilter("ignore")
    os.chdir(folder)
    check(task, send, receive)
    os.chdir("/")


def _messages():
    """A function that sends a message, and one that receives one.

    After this call the file descriptors 0, 1 and 2 lead to the null device.
    """
    into = os.fdopen(os.dup(0), encoding="utf-8")
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(null, number)
    dumps = json.dumps  # the learner's code may replace it

    def send(kind, **message):
        out.write(dumps({"kind": kind, **message}) + "\n")
        out.flush()

    return send, lambda: json.loads(into.readline())


def check(
    task: dict[str, Any],
    send: Callable[..., None],
    receive: Callable[[], dict[str, Any]],
) -> None:
    """Run the cases of a file, and describe what is wrong.

    Args:
        task: `assignment`, `path`, `timeout` in seconds, `memory` in megabytes, and
            `skip`, the keys of functions and statements that ended an earlier worker.
        send: called with the kind of each message and its content.
        receive: returns the next message of the runner.
    """
    from dls_keras.core import files
    from dls_keras.core.errors import InputError
    from dls_keras.grading import (
        call_record,
        comparison,
        course_files,
        course_helpers,
        guard,
        judge,
        messages,
        parse,
    )
    from dls_keras.grading.namespace import Namespace, allow_imports_next_to
    from dls_keras.reference import editions

    name, path, timeout = task["assignment"], Path(task["path"]), task["timeout"]
    skipped = set(task["skip"])
    try:
        pieces = parse.read(path)
    except (InputError, OSError) as error:
        send("file", error=str(error))
        return
    references = comparison.references(name)
    signatures, defaults = (
        comparison.signatures(references),
        comparison.defaults(references),
    )
    functions = comparison.without_answers(
        comparison.editions_by_function(name, references)
    )
    del references  # the answers
    editions.differences.cache_clear()
    comparison.preload(functions)
    send("file", statements=len(pieces))
    if files.PACKAGE not in path.parents:  # our own modules import each other
        guard.install()

    limit = processes.MemoryLimit(task["memory"])

    def begin(key, importing):
        used = limit.begin(importing)
        if key not in skipped:
            send("begin", key=key, importing=importing, used=used)
        return key not in skipped

    namespace = Namespace(course_helpers.helpers(name), older_stack=True)
    allow_imports_next_to(path)
    course_files.write_data_files(name, Path.cwd())
    namespace.run(pieces, begin, timeout)
    runner = judge.CaseRunner(name, namespace, signatures, timeout, defaults)
    defined = {f: runner.status(f, its) for f, its in functions.items()}
    used = limit.begin(importing=False)
    send("defined", functions=defined, notes=namespace.notes, used=used)

    def end(function):
        own = runner.name_in_file(function)
        _never_again(namespace.names, own, call_record.CallAborted)

    for function, its_editions in functions.items():
        if defined[function]["status"] != "defined" or function in skipped:
            if defined[function]["status"] not in ("provided", "given"):
                runner.skip(function)
            if function in skipped:
                end(function)
            continue
        signs = defined[function]["signs"]
        plan = editions.Plan(editions.considered(its_editions, signs))
        for variants in plan:
            timeout_reached = False
            for result, facts in runner.collect(function, variants):
                send(
                    "facts",
                    function=function,
                    case=result.case.id,
                    facts=messages.encode_facts(facts),
                    seconds=result.call.seconds,
                    remarks=runner.remarks(function),
                    timeout=result.timeout,
                )
                timeout_reached |= result.timeout
            if timeout_reached:
                plan.did_not_end(variants)
        if not plan.ended:
            end(function)

    answer = receive()
    with guard.lifted():  # the results are known
        from dls_keras.grading import not_judged
        from dls_keras.grading.hints import choose

        full = comparison.editions_by_function(name, comparison.references(name))
        for function, results in answer["results"].items():
            label = answer["editions"][function]
            edition = next(one for one in full[function] if one.label == label)
            runner.judge(function, edition.cases, results)
        for function in answer["wrong"]:
            fields = runner.verdict(function)
            status, hint = not_judged.reason(runner, function)
            if status:
                fields |= {"status": status, "problem": ""}
            else:
                hint = choose.hint(runner, function)
            send("problem", fields=fields, hint=hint)


def _never_again(names: dict[str, Any], name: str, aborted: type[Exception]) -> None:
    """Let functions that call this one, which did not end, fail at once."""

    def replacement(*args: Any, **kwargs: Any) -> None:
        raise aborted(f"calls {name}, which did not end and is not run again")

    if name:
        names[name] = replacement


if __name__ == "__main__":
    main()
