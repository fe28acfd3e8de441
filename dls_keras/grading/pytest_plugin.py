"""The reference cases as tests: `pytest --dls NAME --dls-file my_solution.py`.

Each case of the assignment is one test. Without `--dls-file` our own module is
checked; without `--dls` this plugin does nothing and imports nothing. The file runs
as `dls-keras check` runs it, in a process of its own, once for all its cases.
"""

from pathlib import Path

import pytest

FILE = pytest.StashKey()


def pytest_addoption(parser):
    """Add `--dls`, `--dls-file` and `--dls-timeout`."""
    group = parser.getgroup("dls_keras")
    group.addoption(
        "--dls",
        metavar="NAME",
        help="Test the reference cases of this assignment of dls_keras, and no files.",
    )
    group.addoption(
        "--dls-file",
        metavar="FILE",
        help="With --dls: the module or notebook to test. Default: dls_keras itself.",
    )
    group.addoption(
        "--dls-timeout",
        type=float,
        default=10,
        metavar="SECONDS",
        help="With --dls: processor time that a case may take. Default: 10.",
    )


def pytest_configure(config):
    """Let `--dls` name the one file to collect."""
    name, path = config.getoption("--dls"), config.getoption("--dls-file")
    if not name:
        if path:
            raise pytest.UsageError("--dls-file needs --dls NAME, the assignment.")
        return
    from dls_keras.core.errors import InputError
    from dls_keras.grading import runner

    try:
        row = runner.known(name)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    path = Path(path) if path else runner.our_file(row)
    if not path.is_file():
        raise pytest.UsageError(f"--dls-file {path} does not exist.")
    config.stash[FILE] = path.resolve()
    config.args = [str(config.stash[FILE])]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path, parent):
    """Collect cases of the file under `--dls`; it is not imported here."""
    found = yield
    if file_path != parent.config.stash.get(FILE, None):
        return found
    return [File.from_parent(parent, path=file_path, nodeid=file_path.name)]


class File(pytest.File):
    """The module or notebook under test."""

    def collect(self):
        """A test a case, in the order of the reference file."""
        from dls_keras.grading import runner

        self._report = None
        row = runner.known(self.config.getoption("--dls"))
        for function, cases in runner.case_names(row).items():
            for case in cases:
                yield Case.from_parent(
                    self, name=f"{function}-{case}", tested=function, case=case
                )

    def verdict(self, function):
        """What came of a function; the first call checks the file."""
        if self._report is None:
            from dls_keras.grading import runner

            name = self.config.getoption("--dls")
            timeout = self.config.getoption("--dls-timeout")
            self._report = runner.check(name, self.path, timeout=timeout)
        found = {verdict.function: verdict for verdict in self._report.verdicts}
        return found[function]


class Disagreement(Exception):
    """A case does not agree; the message says how."""


class Case(pytest.Item):
    """One reference case of one function."""

    def __init__(self, *, tested, case, **kwargs):
        super().__init__(**kwargs)
        self.tested, self.case = tested, case

    def runtest(self):
        """Look up what came of the case."""
        from dls_keras.grading import report

        verdict = self.parent.verdict(self.tested)
        if verdict.status == "given":
            pytest.skip(report.sentence(verdict))
        message = verdict.trials.get(self.case, verdict.problem or verdict.status)
        if verdict.case in (self.case, ""):
            message = message and report.sentence(verdict)
        if message:
            raise Disagreement(report.printable(message))

    def repr_failure(self, excinfo):
        """The sentence alone, without a traceback."""
        if isinstance(excinfo.value, Disagreement):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        """What stands above a failure."""
        return self.path, None, f"{self.tested}, case {self.case}"
