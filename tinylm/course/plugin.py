"""A student's exercises as tests of pytest: `my_work.py::layer_norm`, whose failure is the report.

The student's code runs guarded, never in pytest's process. pytest_tinylm.py offers the option, and loads this module
where it is given.
"""

import os
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tinylm.course.grade import How, UnreadableError, exercises_in, grading, lacking
from tinylm.course.report import verdict_text
from tinylm.course.sandbox import Nursery, protections
from tinylm.course.verdict import Verdict

__all__ = ["Exercise", "NotRight", "Solution"]


class NotRight(Exception):
    """An exercise that is not right yet, or not at all."""

    def __init__(self, verdict: Verdict) -> None:
        super().__init__(verdict.sentence)
        self.verdict = verdict


class _Grading:
    """What all exercises of a run share: the settings, and the process that answers are forked from."""

    def __init__(self, config: pytest.Config) -> None:
        self.path = Path(os.path.abspath(config.invocation_params.dir / str(config.getoption("solution"))))
        self.student = (config.getoption("solution_variant") or "").strip()
        secret = os.environ.get("TINYLM_SECRET", "")
        if self.student and not secret:
            raise pytest.UsageError("--solution-variant needs the secret of the course: set TINYLM_SECRET")
        self.how = How(secret=secret if self.student else "")
        try:
            self.names = exercises_in(self.path)
        except (OSError, UnreadableError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else problem
            raise pytest.UsageError(f"--solution {config.getoption('solution')}: {why}") from problem
        if not self.names:
            raise pytest.UsageError(
                f"--solution {config.getoption('solution')}: no exercise in it; expected functions or classes at top "
                "level that are called as in tinylm stub --list"
            )
        self.nursery = Nursery(self.how.limits)

    def verdict(self, name: str) -> Verdict:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what answers do is in the verdict; pytest's filters are for tests
            [verdict] = grading(self.path, [name], student=self.student, how=self.how, nursery=self.nursery)
        return verdict

    def protections(self) -> dict[str, str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return protections(self.nursery)


GRADING = pytest.StashKey[_Grading]()


def pytest_configure(config: pytest.Config) -> None:
    grading = config.stash[GRADING] = _Grading(config)
    config.add_cleanup(grading.nursery.close)
    if not config.option.file_or_dir:
        config.args[:] = []  # not every test below this folder, but those of the file alone


def pytest_report_header(config: pytest.Config) -> list[str]:
    grading = config.stash[GRADING]
    found = f"solution: {grading.path.name}: {', '.join(grading.names)}"
    return [found, *(f"solution: {sentence}" for sentence in lacking(grading.protections()))]


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """The session also has the student's file: by no way that goes through folders, and so loads their conftest.py."""
    report = yield
    if isinstance(collector, pytest.Session) and report.passed:
        path = collector.config.stash[GRADING].path
        if path not in collector._initialpaths:
            report.result.append(Solution.from_parent(collector, path=path))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator[None, Any, Any]:
    """Nobody else collects the student's file: to import it would be to run it."""
    collectors = yield
    if file_path != parent.config.stash[GRADING].path:
        return collectors
    return [Solution.from_parent(parent, path=file_path)] if file_path in parent.session._initialpaths else []


class Solution(pytest.File):
    """A student's file."""

    def collect(self) -> Iterator["Exercise"]:
        for name in self.config.stash[GRADING].names:
            yield Exercise.from_parent(self, name=name)


class Exercise(pytest.Item):
    """One exercise in it."""

    def runtest(self) -> None:
        verdict = self.config.stash[GRADING].verdict(self.name)
        self.user_properties.append(("status", verdict.status))
        self.user_properties += [("fault", each.fault) for each in verdict.named]
        if verdict.status != "right":
            raise NotRight(verdict)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotRight):
            return verdict_text(excinfo.value.verdict)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int | None, str]:
        return self.path, None, self.name
