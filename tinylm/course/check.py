"""Trying a student's function on the cases of an exercise: right, not written yet, or the smallest that fails."""

import copy
import inspect
import linecache
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from tinylm.autograd import Tensor
from tinylm.course.compare import same
from tinylm.course.exercise import Case, Exercise, exercise_named, exercises
from tinylm.course.report import verdict_html, verdict_text
from tinylm.course.spelling import show, value_of
from tinylm.course.style import panel
from tinylm.course.verdict import Verdict

if TYPE_CHECKING:
    from tinylm.course.problem import Problem

__all__ = ["Failure", "Result", "check"]

WIDTH = 88  # columns of a statement in the text form; calls and values are never broken


@dataclass(frozen=True, slots=True)
class Failure:
    """The smallest call that went wrong: the line to paste, what was expected, what came, and where they differ."""

    number: int
    call: str
    expected: str
    got: str
    difference: str


@dataclass(frozen=True, slots=True, repr=False)
class Result:
    """What `check` found; shows itself as text and in a notebook.

    right     every case went well
    written   there was something to try
    cases     how many the exercise has
    verdict   what was found besides, where the exercise is a graded one
    """

    exercise: str
    statement: str
    right: bool
    written: bool
    cases: int
    reason: str = ""
    failure: Failure | None = None
    verdict: Verdict | None = None

    def rows(self) -> list[tuple[str, str]]:
        """What there is to say besides the headline, as (label, text)."""
        if self.failure is None:
            return [] if self.right else [("to do", self.statement)]
        fail = self.failure
        rows = [("call", fail.call), ("expected", fail.expected), ("got", fail.got), ("differs", fail.difference)]
        said = f"{fail.got}, expected {fail.expected}"  # of two plain numbers the rows above say it all
        return [(label, text) for label, text in rows if text and text != said]

    @property
    def headline(self) -> str:
        """The result in one sentence."""
        if self.right:
            return f"{self.exercise}: right, in all {self.cases} cases"
        if not self.written:
            return f"{self.exercise}: not written yet{f' ({self.reason})' if self.reason else ''}"
        if self.failure is None:
            return f"{self.exercise}: {self.reason}"
        return f"{self.exercise}: not yet right; the smallest case that fails is {self.failure.number} of {self.cases}"

    def __repr__(self) -> str:
        if self.verdict is not None:
            return verdict_text(self.verdict)
        mark = "✓" if self.right else "✗" if self.written else "…"
        lines = [f"{mark} {self.headline}"]
        for label, text in self.rows():
            if label == "to do":
                text = "\n".join(line for part in text.splitlines() for line in textwrap.wrap(part, WIDTH) or [""])
            lines.append(f"  {label:<9} " + text.replace("\n", "\n" + " " * 12))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        if self.verdict is not None:
            return verdict_html(self.verdict)
        rows = ""
        for label, text in self.rows():
            tag = "span" if label == "to do" else "code"
            inside = re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text)) if label == "to do" else escape(text)
            rows += f'<tr><th scope="row">{label}</th><td><{tag}>{inside}</{tag}></td></tr>'
        kind = "right" if self.right else "wrong" if self.written else "open"
        return panel(kind, escape(self.headline), f"<table>{rows}</table>" if rows else "")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call did: it returned a value, or raised."""

    value: Any = None
    error: BaseException | None = None

    def show(self, code: Any = None) -> str:
        if self.error is None:
            return show(self.value)
        return f"{_name(self.error)}{_place(self.error.__traceback__, code)}"


def check(name: str, answer: Any) -> Result:
    """Try a function on every case of the exercise `name`, the smallest first, and stop at the first that fails.

    Never raises for what the function does. It is "not written yet" where it raises NotImplementedError, or returns
    ... or None, on the smallest case. What it must not do is change its arguments. A call for which the library raises
    is right when the answer raises the same kind of error.

    The name may also be that of a graded exercise (`tinylm stub --list`): its cases are drawn, and the result says
    which known fault the function behaves like. Where both have the name, a function whose first argument is called
    `xp` is taken for the graded one.

    Raises UnknownExerciseError for a name that no exercise has.
    """
    if name not in exercises() or _first_argument(answer) == "xp":
        from tinylm.course.problem import problems  # the whole library, and what draws inputs: not for every notebook

        if name in (graded := problems()):
            return _graded(graded[name], answer)
    exercise = exercise_named(name)

    def result(right: bool = False, written: bool = True, reason: str = "", failure: Failure | None = None) -> Result:
        return Result(
            exercise.name, exercise.statement, right, written, len(exercise.cases), reason=reason, failure=failure
        )

    if answer is None or isinstance(answer, EllipsisType):
        return result(written=False)
    if not callable(answer):
        return result(reason=f'give the function itself: check("{name}", {name}); got {show(answer)}')
    for number, each in enumerate(exercise.cases, 1):
        expected, _ = _call(exercise.reference, each)
        got, changed = _call(answer, each)
        if number == 1 and (reason := _unwritten(expected, got)):
            return result(written=False, reason=reason)
        difference = _difference(exercise, expected, got)
        if difference is None:
            difference = changed
        if difference is not None:
            code = getattr(answer, "__code__", None)
            line = each.call(_called(answer, exercise.name))
            return result(failure=Failure(number, line, expected.show(), got.show(code), difference))
    return result(right=True)


def _first_argument(answer: Any) -> str:
    try:
        return next(iter(inspect.signature(answer).parameters), "")
    except (TypeError, ValueError):
        return ""


def _graded(problem: "Problem", answer: Any) -> Result:
    """The result for a graded exercise."""
    from tinylm.course.judge import judge
    from tinylm.course.outcome import Here

    statement = (inspect.getdoc(problem.reference) or problem.name).partition("\n")[0]
    if answer is None or isinstance(answer, EllipsisType):
        return Result(problem.name, statement, right=False, written=False, cases=0)
    if not callable(answer):
        reason = f'give the answer itself: check("{problem.name}", {problem.symbol}); got {show(answer)}'
        return Result(problem.name, statement, right=False, written=True, cases=0, reason=reason)
    verdict = judge(problem, Here(answer, problem.drive, problem.work.count if problem.work else None))
    fail = verdict.failing
    return Result(
        problem.name,
        statement,
        verdict.right,
        written=verdict.status != "unwritten",
        cases=verdict.tried,
        reason=verdict.sentence,
        failure=Failure(1, fail.call, fail.expected, fail.got, fail.difference) if fail else None,
        verdict=verdict,
    )


def _call(function: Callable[..., Any], each: Case) -> tuple[Outcome, str | None]:
    """What the function does with copies of the arguments, and which of them it changed."""
    args = [_copy(value) for value in each.args]
    settings = {key: _copy(value) for key, value in each.settings.items()}
    try:
        value = function(*args, **settings)
        outcome = Outcome(list(value) if isinstance(value, Iterator) else value)
    except (Exception, SystemExit) as error:
        return Outcome(error=error), None
    for place, (before, after) in enumerate(zip(each.args, args, strict=True)):
        if not _untouched(before, after):
            return outcome, f"it changed its argument number {place + 1}; work on a copy"
    return outcome, None


def _copy(value: Any) -> Any:
    return value_of(value) if value_of(value) is not value else copy.deepcopy(value)


def _untouched(before: Any, after: Any) -> bool:
    """Whether plain data is what it was; of other objects nothing is asked."""
    if isinstance(before, (list, tuple, dict, np.ndarray, Tensor)):
        return same(before, after) is None
    return True


def _unwritten(expected: Outcome, got: Outcome) -> str | None:
    if isinstance(got.error, NotImplementedError):
        return "it raises NotImplementedError"
    if got.error is None and expected.value is not None and (got.value is None or isinstance(got.value, EllipsisType)):
        return f"it returns {'...' if isinstance(got.value, EllipsisType) else 'None'}"
    return None


def _difference(exercise: Exercise, expected: Outcome, got: Outcome) -> str | None:
    """Where the two part, "" where the shown error says it all; None where they agree."""
    if expected.error is not None:
        kinds = tuple(kind for kind in type(expected.error).__mro__ if kind not in (Exception, BaseException, object))
        if got.error is None:
            return f"it should raise {kinds[-1].__name__} here"
        return None if isinstance(got.error, kinds) else f"it should raise {kinds[-1].__name__} here"
    if got.error is not None:
        return ""
    try:
        return exercise.compare(expected.value, got.value)
    except (Exception, SystemExit) as error:  # an object of the student's own that cannot be compared
        return f"what came cannot be compared: {_name(error)}"


def _called(answer: Any, otherwise: str) -> str:
    name = getattr(answer, "__name__", otherwise)
    return name if isinstance(name, str) and name.isidentifier() else otherwise


def _name(error: BaseException) -> str:
    try:
        return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    except Exception:
        return type(error).__name__


def _place(trace: TracebackType | None, code: Any) -> str:
    """The innermost line of the student's own code in a traceback."""
    found = ""
    while trace is not None:
        here = trace.tb_frame.f_code
        if code is not None and here.co_filename == code.co_filename:
            text = linecache.getline(here.co_filename, trace.tb_lineno).strip()
            found = f"\nin line {trace.tb_lineno}{f': {text}' if text else ''}"
        trace = trace.tb_next
    return found
