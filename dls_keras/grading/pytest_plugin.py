"""The reference cases as tests: `pytest --dls NAME --dls-file my_solution.py`.

Each case of the assignment is one test. Without `--dls-file` the module of this package
is tested. Without `--dls` the plugin does nothing and imports nothing. The file is run
as by `dls-keras check`: in a separate process, once for all its cases.
"""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

FILE = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--dls`, `--dls-file` and `--dls-timeout`."""
    group = parser.getgroup("dls_keras")
    group.addoption(
        "--dls",
        metavar="NAME",
        help="Run the reference cases of this assignment instead of test files.",
    )
    group.addoption(
        "--dls-file",
        metavar="FILE",
        help="With --dls: the module or notebook to test. Default: that of dls_keras.",
    )
    group.addoption(
        "--dls-timeout",
        type=float,
        default=10,
        metavar="SECONDS",
        help="With --dls: CPU time limit per test. Default: 10.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """With `--dls`, collect only the file under test."""
    name, path = config.getoption("--dls"), config.getoption("--dls-file")
    if not name:
        if path:
            raise pytest.UsageError("--dls-file requires --dls NAME, the assignment.")
        return
    from dls_keras.core.errors import InputError
    from dls_keras.grading import runner

    try:
        row = runner.known(name)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    path = Path(path) if path else runner.package_file(row)
    if not path.is_file():
        raise pytest.UsageError(f"--dls-file {path} does not exist.")
    config.stash[FILE] = path.resolve()
    config.args = [str(config.stash[FILE])]


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(
    file_path: Path, parent: pytest.Collector
) -> Generator[None, Any, Any]:
    """Collect the cases for the file under test, which is not imported here."""
    found = yield
    if file_path != parent.config.stash.get(FILE, None):
        return found
    return [FileUnderTest.from_parent(parent, path=file_path, nodeid=file_path.name)]


class FileUnderTest(pytest.File):
    """The module or notebook under test."""

    def collect(self) -> Iterator[pytest.Item]:
        """One test per case, in the order of the reference file."""
        from dls_keras.grading import runner

        self._report: Any = None
        row = runner.known(self.config.getoption("--dls"))
        for function, cases in runner.case_names(row).items():
            for case in cases:
                yield CaseItem.from_parent(
                    self, name=f"{function}-{case}", tested=function, case=case
                )

    def verdict(self, function: str) -> Any:
        """The verdict on a function; the first call checks the file."""
        if self._report is None:
            from dls_keras.grading import runner

            name = self.config.getoption("--dls")
            timeout = self.config.getoption("--dls-timeout")
            self._report = runner.check(name, self.path, timeout=timeout)
        found = {verdict.function: verdict for verdict in self._report.verdicts}
        return found[function]


class CaseFailed(Exception):
    """A case failed; the message says how."""


class CaseItem(pytest.Item):
    """One reference case of one function."""

    def __init__(self, *, tested: str, case: str, **kwargs: Any):
        super().__init__(**kwargs)
        self.tested, self.case = tested, case

    def runtest(self) -> None:
        """Raise CaseFailed unless the case passed."""
        from dls_keras.grading import report

        assert isinstance(self.parent, FileUnderTest)
        verdict = self.parent.verdict(self.tested)
        if verdict.status in (*report.UNJUDGED, "cannot run here"):
            pytest.skip(report.sentence(verdict))
        if verdict.status == "ok":  # perhaps by the cases of another edition
            return
        message = verdict.messages.get(self.case, verdict.problem or verdict.status)
        if verdict.case in (self.case, ""):
            message = message and report.sentence(verdict)
        if message:
            raise CaseFailed(report.printable(message))

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """The message alone, without a traceback."""
        if isinstance(excinfo.value, CaseFailed):
            return str(excinfo.value)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        """The location of the test, and the heading of a failure."""
        return self.path, None, f"{self.tested}, case {self.case}"
