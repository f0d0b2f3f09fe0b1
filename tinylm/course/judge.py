"""Judging an answer: tried on every drawn input beside the live library, the smallest failing call, what it is like."""

from collections.abc import Mapping
from math import inf, log2
from types import EllipsisType
from typing import Any

import numpy as np

from tinylm.course.cases import cases_of, text
from tinylm.course.diagnose import diagnose
from tinylm.course.exercise import Case
from tinylm.course.expect import difference, expected_of, quiet, settings_key, similar
from tinylm.course.failing import ask, in_words, smallest
from tinylm.course.outcome import Answer, Here, Outcome
from tinylm.course.problem import Problem
from tinylm.course.symptom import symptom
from tinylm.course.verdict import LIBRARYS, Verdict
from tinylm.course.when import Ask, Tried

__all__ = ["judge"]

MOST = 1 << 60  # of anything that is counted
STOPS = 2  # calls that run into a limit before an answer is asked no more: each may cost the whole limit
UNSTEADY = (
    "The same call does not do the same each time: something is kept from one call to the next (a default argument "
    "that is a list? a global?), or drawn at random."
)
LOADING = {"MissingAnswer": "missing", "AnswerRefused": "refused", "BrokenFile": "broken"}

Others = Mapping[str, Mapping[str, Any]]


def judge(
    problem: Problem, answer: Answer, *, seed: int = 0, tries: int = 100, others: Others | None = None
) -> Verdict:
    """What there is to say of an answer; equal answers get equal verdicts, on every machine.

    others  id of a student → the settings of their variant; whose variant a wrong answer solves is said

    Never raises for what the answer does. The work is judged only where everything else is right.
    """
    cases = cases_of(problem, seed=seed, tries=tries)
    expected = expected_of(problem, cases)
    got = _outcomes(answer, cases)
    told: dict[str, Any] = {"tried": len(got), "variant": dict(problem.chosen) or None}

    def verdict(status: str, sentence: str, **more: Any) -> Verdict:
        printed = str(getattr(answer, "printed", ""))
        return Verdict(problem.name, status, sentence, printed=printed, **{**told, **more})

    if (loading := _loading(got)) is not None:
        return verdict(*loading, tried=0)
    if (reason := _unwritten(expected, got, str(getattr(answer, "printed", "")))) is not None:
        return verdict("unwritten", reason, tried=0)
    met = {
        text(each): difference(problem, each, right, came) is not None
        for each, right, came in zip(cases, expected, got, strict=False)
    }
    if not any(met.values()):
        slow, work = _work(problem, answer)
        sentence = f"right, on all {len(got)} inputs"
        return (
            verdict("slow", f"{sentence}, but it does too much work", work=work)
            if slow
            else verdict("right", sentence, work=work)
        )
    tried = list(zip(cases, expected, got, strict=False))
    best = next(each for each in tried if met[text(each[0])])
    stopped = any(each.stopped for each in got)
    more: list[Tried] = []
    if not stopped:
        best, more = smallest(problem, answer, dict(met), best, seed, tries)
    failing = in_words(problem, *best, name=_name(answer))
    named = diagnose(problem, answer, got, seed=seed, tries=tries)
    sure = bool(named) and named[0].agree == named[0].of
    words = (
        ""
        if sure
        else symptom(problem, [(*each, met[text(each[0])]) for each in tried], more, _asking(problem, answer, stopped))
    )
    went_well = [each for each in tried if not met[text(each[0])]]
    if not stopped and not _steady(problem, answer, best, *went_well[-1:]):
        words = f"{UNSTEADY} {words}".rstrip()
    solves, whose = _solves(problem, cases, got, others or {})
    words = f"{whose} {words}".strip() if whose else words
    wrong = sum(met.values())
    status, sentence = "wrong", f"not right yet: {wrong} of {len(got)} inputs go wrong"
    if best[2].stopped:
        status, sentence = "stopped", f"not right yet: {failing.got}"
    return verdict(status, sentence, failing=failing, named=named, symptom=words, solves=solves)


def _outcomes(answer: Answer, cases: tuple[Case, ...]) -> list[Outcome]:
    """What the answer does, in order; no more after a few calls that had to be stopped."""
    got, stops = [], 0
    with quiet():
        for outcome in answer.calls(cases):
            got.append(outcome)
            stops += bool(outcome.stopped)
            if stops == STOPS:
                break
    return got


def _asking(problem: Problem, answer: Answer, stopped: bool) -> Ask:
    """Ask for one call more, on an input that was not drawn: it says something where the library takes it."""
    reference = Here(problem.reference, problem.drive)

    def asked(each: Case) -> Tried | None:
        nonlocal stopped
        expected = ask(reference, each)
        if stopped or expected.error is not None:
            return None
        got = ask(answer, each)
        stopped = bool(got.stopped)
        return None if stopped else (each, expected, got, difference(problem, each, expected, got) is not None)

    return asked


def _loading(got: list[Outcome]) -> tuple[str, str] | None:
    """The status and sentence of an answer that cannot be called at all."""
    error = got[0].error if got else None
    status = next((LOADING[kind] for kind in error.kinds if kind in LOADING), None) if error else None
    return (status, error.message or str(error)) if status and error else None


def _unwritten(expected: tuple[Outcome, ...], got: list[Outcome], printed: str) -> str | None:
    """Why an answer is taken for one that is not written yet: no call of it gives anything.

    What prints, raises another error or changes something is begun.
    """
    if all(each.error is not None and "NotImplementedError" in each.error.kinds for each in got):
        return "not written yet: it raises NotImplementedError"
    asked = [
        came for right, came in zip(expected, got, strict=False) if right.error is None and right.value is not None
    ]
    empty = [came for came in asked if came.value is None or isinstance(came.value, EllipsisType)]
    if not asked or any(came.error is not None or came.stopped for came in asked) or len(empty) < len(asked):
        return None
    if isinstance(empty[0].value, EllipsisType):
        return "not written yet: it returns ..."
    working = printed or any(each.error is not None or each.after is not None for each in got)
    return f"it returns None: {'' if working else 'not written yet, or '}is a `return` missing?"


def _name(answer: Answer) -> str:
    """What a function in a notebook is called; a student's file has the name that was asked for."""
    name = getattr(answer.function, "__name__", "") if isinstance(answer, Here) else ""
    return name if isinstance(name, str) and name.isidentifier() else ""


def _steady(problem: Problem, answer: Answer, *calls: tuple[Case, Outcome, Outcome]) -> bool:
    """Whether these calls give the same again when they are made once more, by themselves."""
    for each, _, got in calls:
        again = ask(answer, each)
        if not again.stopped and not similar(problem, each, got, again):
            return False
    return True


def _solves(
    problem: Problem, cases: tuple[Case, ...], got: list[Outcome], others: Others
) -> tuple[tuple[str, ...], str]:
    """Whose variant the answer solves in place of its own, and whether it is the library's."""
    known: dict[Any, bool] = {}

    def solved(chosen: Mapping[str, Any]) -> bool:
        theirs = problem.variant(chosen)
        key = settings_key(theirs)
        if key not in known:
            right = zip(cases, expected_of(theirs, cases), got, strict=False)
            known[key] = len(got) == len(cases) and all(difference(theirs, *each) is None for each in right)
        return known[key]

    ids = tuple(sorted(who for who, chosen in others.items() if solved(chosen)))
    if not problem.chosen or not solved({}):
        return ids, ""
    own = ", ".join(f"{name}={value!r}" for name, value in problem.chosen.items())
    return ids, f"{LIBRARYS}; yours has {own}."


def _work(problem: Problem, answer: Answer) -> tuple[bool, str]:
    """Whether the counted work grows too fast, and the counts in words; (False, "") where nothing is counted."""
    work = problem.work
    if work is None:
        return False, ""
    with quiet():
        outcomes = list(answer.counts([work.at(n) for n in work.sizes]))
    bad = next((each for each in outcomes if each.error is not None or each.stopped), None)
    sizes = ", ".join(map(str, work.sizes))
    if bad is not None or len(outcomes) < len(work.sizes):
        if bad is not None and bad.stopped == "time":
            return True, f"At sizes {sizes} it did not come back in time: {work.says}."
        return False, f"The {work.unit} could not be counted: {bad.show() if bad else 'it ended early'}."
    counts = [each.value for each in outcomes]
    if not all(isinstance(each, (int, np.integer)) and 0 <= each <= MOST for each in counts):
        return True, f"The {work.unit} could not be counted: what came is no number of them."
    grows = log2(max(counts[-1], 1) / counts[-2]) if counts[-2] else (inf if counts[-1] else 0.0)
    text = f"{', '.join(map(str, counts))} {work.unit} at sizes {sizes}: it grows as n^{grows:.1f}"
    if grows <= work.limit:
        return False, f"{text}, as it may (n^{work.limit:g} at most)."
    return True, f"{text}, where n^{work.limit:g} is the most that is needed: {work.says}."
