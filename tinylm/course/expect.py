"""What is right on each input, and where an outcome parts from another; knows nothing of students."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinylm.course.compare import same
from tinylm.course.exercise import Case
from tinylm.course.outcome import Here, Outcome
from tinylm.course.problem import Problem, plain
from tinylm.course.spelling import value_of

__all__ = ["changed", "difference", "expected_of", "names_of", "quiet", "settings_key", "similar", "view"]

_EXPECTED: dict[Any, tuple[Any, tuple[Outcome, ...]]] = {}


def settings_key(problem: Problem) -> tuple[Any, ...]:
    """What two problems have in common that are one and the same, variant included; holds while `problem` lives."""
    chosen = tuple(sorted((name, repr(value)) for name, value in problem.chosen.items()))
    return problem.name, id(problem.live), id(problem.inputs), id(problem.faults), chosen


def expected_of(problem: Problem, cases: tuple[Case, ...]) -> tuple[Outcome, ...]:
    """What the reference does on these cases; worked out once a process for each variant."""
    key = settings_key(problem), id(cases)
    if key not in _EXPECTED:
        with quiet():
            outcomes = tuple(Here(problem.reference, problem.drive).calls(cases))
        _EXPECTED[key] = (problem, cases), outcomes  # keeps both alive, and their ids
    return _EXPECTED[key][1]


def view(problem: Problem, each: Case, outcome: Outcome) -> Any:
    """What counts of an outcome that returned."""
    return problem.view(outcome.value, each.args if outcome.after is None else outcome.after)


def changed(each: Case, outcome: Outcome) -> tuple[int, ...]:
    """The places of the arguments that a call changed; those by name stand behind the others."""
    if outcome.after is None:
        return ()
    pairs = enumerate(zip((*each.args, *each.settings.values()), outcome.after, strict=False))
    plain = [(i, before, after) for i, (before, after) in pairs if value_of(before) is before]
    return tuple(i for i, before, after in plain if same(before, after) is not None)


def difference(problem: Problem, each: Case, expected: Outcome, got: Outcome) -> str | None:
    """Where an answer parts from what is right, "" where what is shown says it all; None where they agree.

    An error must be of a kind that the expected one also is. An argument may be changed only where the reference
    changes it as well.
    """
    if got.stopped:
        return ""
    if expected.error is not None:
        wanted = expected.error.kinds
        if got.error is not None and (set(wanted) & set(got.error.kinds) or wanted == ("Exception",)):
            return None
        return f"it should raise {wanted[-1]} here"
    if got.error is not None:
        return ""
    try:
        found = problem.compare(view(problem, each, expected), view(problem, each, got))
    except (Exception, SystemExit) as error:  # an object of the student's own that cannot be compared
        return f"what came cannot be compared ({type(error).__name__})"
    if found is None and got.after is not None:
        allowed = changed(each, expected)
        for place in changed(each, got):
            if place not in allowed:
                name = [*names_of(problem, each)[: len(each.args)], *each.settings][place]
                return f"what came is right, but the call changed {name}; work on a copy"
    return found


def names_of(problem: Problem, each: Case) -> list[str]:
    """What the positional arguments of a call are called, those that it leaves out behind them."""
    names = _positional(problem.drive)[1:] if problem.drive else []
    names = names or _positional(plain(problem.live))  # also of a drive that passes on whatever it gets
    return names + [f"argument {i + 1}" for i in range(len(names), len(each.args))]


def _positional(function: Any) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [each.name for each in parameters if each.kind in kinds]


def similar(problem: Problem, each: Case, one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes, right or wrong, are the same thing: both raise, or both return and change alike."""
    if one.stopped or other.stopped:
        return one.stopped == other.stopped
    if one.error is not None or other.error is not None:
        return one.error is not None and other.error is not None
    try:
        return problem.compare(view(problem, each, one), view(problem, each, other)) is None and changed(
            each, one
        ) == changed(each, other)
    except (Exception, SystemExit):
        return False


@contextmanager
def quiet() -> Iterator[None]:
    """Without the warnings of NumPy on what overflows or is no number: a wrong answer is not an error here."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
