"""What wrong results have in common where no known fault fits: how they relate to the right ones, and when they come.

Nothing is claimed that does not hold for every input that goes wrong.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tinylm.course.compare import same
from tinylm.course.expect import changed, names_of, quiet, view
from tinylm.course.problem import Problem
from tinylm.course.resemblance import listed, resemblance
from tinylm.course.when import Ask, Trial, Tried

__all__ = ["symptom"]

MISFIT = "WrongReturnError"  # of drive_text.py: its message says all, and the answer has raised nothing


def symptom(problem: Problem, tried: Sequence[Tried], more: Sequence[Tried] = (), ask: Ask = lambda each: None) -> str:
    """A few sentences on the wrong results of an answer; "" where nothing is found.

    more   further calls, of whatever origin: nothing is said that does not hold of them, too
    ask    makes one call more, which may refute a sentence; or None
    """
    trial = Trial(problem, tried, more, ask)
    wrong = [each for each in (*tried, *more) if each[3]]
    crashes = [each for each in wrong if _crashed(each)]
    with quiet():
        if any(got.stopped for _, _, got, _ in wrong):
            return trial.when(lambda each: each[3], "It goes wrong")
        silent = [each for each in wrong if each[1].error is not None and not _crashed(each)]
        if silent and not crashes and len(silent) < len(wrong):
            others = [each for each in wrong if each[1].error is None]
            besides = trial.when(
                lambda each: each[3] if each[1].error is None else None, "Besides, it goes wrong", "the other"
            )
            return " ".join(filter(None, (_what(problem, silent), besides, _what(problem, others))))
        if not crashes or len(crashes) == len(wrong):
            when = trial.when(lambda each: each[3], "It goes wrong")
            if crashes and any(each is not None and each[3] and not _crashed(each) for each in trial.asked.values()):
                return when  # it goes wrong without an error, too
            return f"{_what(problem, wrong)} {when}".strip()
        # two things are wrong; each is looked at by itself
        others = [each for each in wrong if not _crashed(each)]
        first = trial.when(lambda each: each[3] and _crashed(each), _raises(crashes)) or (
            f"{_raises(crashes)} on some inputs."
        )
        second = trial.when(lambda each: None if _crashed(each) else each[3], "Besides, it goes wrong", "the other")
        return f"{first} {second} {_what(problem, others)}".strip().replace("  ", " ")


def _crashed(each: Tried) -> bool:
    return each[2].error is not None


def _raises(crashes: Sequence[Tried]) -> str:
    kinds = {got.error.kinds[0] for _, _, got, _ in crashes if got.error is not None}
    if kinds == {MISFIT}:
        return "What it returns does not fit"
    return f"It raises {kinds.pop()}" if len(kinds) == 1 else "It raises an error"


def _what(problem: Problem, wrong: Sequence[Tried]) -> str:
    if all(map(_crashed, wrong)):
        misfit = all(got.error is not None and got.error.kinds[0] == MISFIT for _, _, got, _ in wrong)
        return "" if misfit else f"{_raises(wrong)} wherever it goes wrong."
    if all(expected.error is not None for _, expected, _, _ in wrong):
        kinds = {expected.error.kinds[-1] for _, expected, _, _ in wrong if expected.error is not None}
        return f"It returns something where it should raise {kinds.pop()}." if len(kinds) == 1 else ""
    if any(expected.error is not None for _, expected, _, _ in wrong):
        return ""
    try:
        pairs = [(view(problem, each, want), view(problem, each, have)) for each, want, have, _ in wrong]
        if all(problem.compare(*pair) is None for pair in pairs):
            extra = {tuple(set(changed(each, have)) - set(changed(each, want))) for each, want, have, _ in wrong}
            return "What it returns is right, but it changes its arguments." if extra != {()} else ""
        return _left_alone(problem, wrong, pairs) or resemblance(pairs)
    except Exception:  # objects of the student's own, of which nothing can be said
        return ""


def _left_alone(problem: Problem, wrong: Sequence[Tried], pairs: Sequence[tuple[Any, Any]]) -> str:
    """Of results by name, which are arguments that should change: those that are what they were before the call."""
    if not all(isinstance(each, Mapping) for pair in pairs for each in pair):
        return ""
    bad = [key for key in pairs[0][0] if any(same(want[key], have[key]) is not None for want, have in pairs)]
    for (each, _, _, _), (_, have) in zip(wrong, pairs, strict=True):
        given = dict(zip(names_of(problem, each), each.args, strict=False))
        if not bad or not all(key in given and same(given[key], have[key]) is None for key in bad):
            return ""
    many = len(bad) > 1
    return (
        f"{listed(bad)} {'are' if many else 'is'} as {'they were' if many else 'it was'} given: was a new array made "
        f"({bad[0]} = …) in place of writing into the one that is there ({bad[0]}[...] = …)?"
    )
