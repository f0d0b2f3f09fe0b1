"""A small call that goes wrong: looked for, shrunk by Hypothesis, and put into words."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import numpy as np

from tinylm.autograd import Tensor, tensor
from tinylm.course.cases import Enough, order, search, text
from tinylm.course.drive_text import WrongReturnError
from tinylm.course.exercise import Case
from tinylm.course.expect import difference, quiet, view
from tinylm.course.outcome import Answer, Here, Outcome
from tinylm.course.problem import Problem
from tinylm.course.spelling import Source, show
from tinylm.course.verdict import Failing
from tinylm.course.when import Tried

__all__ = ["ask", "call_of", "in_words", "smallest"]

ASKS = 120  # calls of the answer while shrinking: three times as many seldom found a smaller input
LONG = 1000  # characters of an error message
NOISE = {8: 1e-13, 4: 1e-6, 2: 1e-2}  # bytes of a number → what is shown as 0 beside a 1: some roundings of the type
STOPS = {
    "time": "it did not come back in time: is there a loop that never ends?",
    "memory": "it asked for more memory than there is for an exercise",
    "output": "it printed more than anybody could read, and was ended",
    "exit": "it left Python (sys.exit, quit or os._exit) in place of returning",
    "killed": "its process was ended from outside, or crashed",
}


def smallest(
    problem: Problem, answer: Answer, met: dict[str, bool], best: tuple[Case, Outcome, Outcome], seed: int, tries: int
) -> tuple[tuple[Case, Outcome, Outcome], list[Tried]]:
    """The smallest failing case that is found by shrinking from the drawn ones: (case, expected, got); and all calls
    that were made in looking for it.

    met   whether the answer fails, for each case that it has been asked already, by its text
    best  the smallest of those that fail
    """
    asked: list[Tried] = []
    reference = Here(problem.reference, problem.drive)

    def fails(each: Case) -> bool:
        nonlocal best
        key = text(each)
        if key not in met:
            if len(asked) == ASKS:
                raise Enough
            expected, got = ask(reference, each), ask(answer, each)
            met[key] = difference(problem, each, expected, got) is not None
            asked.append((each, expected, got, met[key]))
            if met[key] and order(each) < order(best[0]):
                best = each, expected, got
            if got.stopped:
                raise Enough
        return met[key]

    search(problem, fails, seed=seed, tries=tries)
    return best, asked


def ask(answer: Answer, each: Case) -> Outcome:
    """One call."""
    with quiet():
        return next(iter(answer.calls((each,))))


def call_of(problem: Problem, each: Case, name: str = "") -> str:
    """The call as a line that can be pasted and run beside the student's code, in which the answer has this name."""
    name = name or problem.symbol
    if problem.drive is None:
        return each.call(name)
    drive = problem.drive
    line = Case((Source(name, None), *each.args), each.settings).call(drive.__name__)
    return f"from {drive.__module__} import {drive.__name__}; {line}"


def in_words(problem: Problem, each: Case, expected: Outcome, got: Outcome, name: str = "") -> Failing:
    """A failing call for a reader; numbers with six digits, which are alike on every machine, where those tell."""
    call = call_of(problem, each, name)
    words = difference(problem, each, expected, got) or ""
    want, have = _viewed(problem, each, expected), _viewed(problem, each, got)
    said = _said(expected, want), _said(got, have)
    if expected.error is not None:
        said = (
            str(replace(expected.error, line=0)),
            said[1],
        )  # where the library raises it is none of the student's lines
    if expected.error is None and got.error is None and not got.stopped:
        scale = max(_largest(want), _largest(have))
        tidy = _tidy(want, scale), _tidy(have, scale)
        shorter = show(tidy[0]), show(tidy[1])
        if shorter[0] != shorter[1] or said[0] == said[1]:
            said = shorter
            with suppress(Exception, SystemExit):  # then the sentence of the unrounded values stands
                words = problem.compare(*tidy) or words
    repeated = words == f"{said[1]}, expected {said[0]}"
    return Failing(call, said[0], said[1], "" if repeated else words)


def _viewed(problem: Problem, each: Case, outcome: Outcome) -> Any:
    try:
        return view(problem, each, outcome)
    except (Exception, SystemExit):
        return outcome.value


def _said(outcome: Outcome, viewed: Any) -> str:
    if outcome.stopped:
        return outcome.detail or STOPS.get(outcome.stopped, f"it was stopped: {outcome.stopped}")
    if outcome.error is not None and outcome.error.kinds[0] == WrongReturnError.__name__:
        return outcome.error.message
    if outcome.error is not None:
        return f"{str(outcome.error)[:LONG]} …" if len(str(outcome.error)) > LONG else str(outcome.error)
    return show(viewed)


def _largest(value: Any) -> float:
    """The greatest finite magnitude among all numbers in a value."""
    if isinstance(value, Tensor):
        value = value.numpy()
    if isinstance(value, (float, np.floating, np.ndarray)):
        array = np.asarray(value).reshape(-1)
        finite = array[np.isfinite(array)] if array.dtype.kind == "f" else array[:0]
        return float(np.abs(finite).max(initial=0.0)) if finite.size else 0.0
    inside = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return max(map(_largest, inside), default=0.0)


def _tidy(value: Any, scale: float) -> Any:
    """The value with its floating-point numbers at six digits, and those that are mere rounding as 0."""
    if isinstance(value, Tensor):
        return tensor(_tidy(value.numpy(), scale))
    if isinstance(value, float) and not isinstance(value, np.generic):
        return _short(value, scale, 8)
    if isinstance(value, np.floating):
        return type(value)(_short(float(value), scale, value.itemsize))
    if isinstance(value, np.ndarray) and value.dtype.kind == "f":
        flat = [_short(x, scale, value.itemsize) for x in value.ravel().tolist()]
        return np.array(flat, value.dtype).reshape(value.shape)
    if type(value) in (list, tuple):
        return type(value)(_tidy(each, scale) for each in value)
    if type(value) is dict:
        return {key: _tidy(each, scale) for key, each in value.items()}
    return value


def _short(x: float, scale: float, itemsize: int) -> float:
    if not np.isfinite(x):
        return x
    if abs(x) <= NOISE.get(itemsize, 0.0) * scale:
        return 0.0
    return float(f"{float(f'{x:.12g}'):.6g}")  # by way of twelve digits: a half is rounded one way everywhere
