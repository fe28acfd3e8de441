"""The process in which a learner's code runs.

The first line on stdin says what to do; each line on stdout tells what is being done
or what came of it, as JSON. The learner's code sees neither: its own output goes
nowhere. The parent may stop this process at any time and start another one that
leaves out what did not end.
"""

import json
import os
import sys
import tempfile
import warnings
from pathlib import Path

MEGABYTE = 2**20


def main() -> None:
    """Do what stdin says, and tell it line by line."""
    task = json.loads(sys.stdin.readline())
    tell = _teller()
    os.environ["MPLBACKEND"] = "Agg"
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory(prefix="dls_keras_check_") as folder:
        os.chdir(folder)
        check(task, tell)
        os.chdir("/")
    os._exit(0)  # whatever threads a learner's code has left running


def _teller():
    """What writes a line to the parent; stdin, stdout and stderr lead nowhere."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)

    def tell(**line):
        out.write(json.dumps(line) + "\n")
        out.flush()

    return tell


def check(task: dict, tell) -> None:
    """Check a file, function by function.

    Args:
        task: `assignment`, `path`, `timeout` in seconds, `memory` in megabytes, and
            `leave_out`, the keys of what did not end before.
        tell: called with what there is to tell, by keyword.
    """
    from dls_keras import catalog
    from dls_keras.core.errors import InputError
    from dls_keras.grading import course_helpers, judge, namespace, parse
    from dls_keras.grading.hints import choose
    from dls_keras.reference import cases

    name, path, timeout = task["assignment"], Path(task["path"]), task["timeout"]
    left_out = set(task["leave_out"])

    def begin(key, importing=False):
        if key not in left_out:
            tell(begin=key, limit=None if importing else timeout)
        return key not in left_out

    try:
        pieces = parse.read(path)
    except (InputError, OSError) as error:
        tell(error=str(error))
        return
    space = namespace.Workspace(course_helpers.helpers(name))
    namespace.beside(path)
    space.run(pieces, begin, timeout)
    begin("the reference values", importing=True)
    references = [cases.read(file) for file in catalog.BY_NAME[name].reference]
    subjects = judge.subjects(references)
    tell(functions=list(subjects))
    trials = judge.Judge(name, space, judge.signatures(references), timeout)
    _bound_memory(task["memory"])

    wrong = []
    for function, its_cases in subjects.items():
        if not trials.found(function):
            why = space.unreadable.get(function, "")
            handed_out = course_helpers.optional(name, function)
            given = not why and (function in space.supplied or handed_out)
            tell(absent=function, why=why, given=given)
            if not given:
                trials.leave(function)
        elif function in left_out:
            trials.leave(function)
        elif not its_cases:
            tell(unchecked=function)
        else:
            for case in its_cases:
                begin(function)
                trial = trials.try_case(function, case)
                tell(function=function, case=case.id, message=trial.message)
                if isinstance(trial.record.error, judge.OutOfTime):
                    break
            told = trials.verdict(function)
            tell(verdict=told)
            wrong += [function] * (told["status"] == "wrong")
    for function in wrong:
        if begin(f"a hint on {function}"):
            tell(hint=choose.on(trials, function), function=function)
    tell(notes=space.notes, done=True)


def _bound_memory(megabytes):
    """Allow so many megabytes more than are in use now, where the system can."""
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
