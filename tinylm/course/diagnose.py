"""Which known fault, or which two at once, an answer behaves like; knows only what came, not how it is written."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

from tinylm.course.cases import Enough, cases_of, order, search, text
from tinylm.course.exercise import Case
from tinylm.course.expect import difference, expected_of, quiet, settings_key, similar
from tinylm.course.outcome import Answer, Here, Outcome
from tinylm.course.problem import Fault, Problem
from tinylm.course.verdict import LIKE, Named

__all__ = ["diagnose"]

FEW = 3  # drawn inputs that tell a fault from a right answer; where there are fewer, the smallest is looked for
SEARCH = 300  # inputs that are drawn in looking for it
ASKS = 100  # inputs that are tried in making it smaller
LEAST = 5  # such inputs: one slip in four would be a matter of luck


@dataclass
class Catalogue:
    """What the faults of a problem do on the drawn inputs and on further ones that tell them apart."""

    problem: Problem
    cases: tuple[Case, ...]  # the drawn ones first
    expected: tuple[Outcome, ...]
    faults: tuple[Fault, ...]  # by name, so that their order in the catalogue does not matter; those that can be made
    outcomes: dict[tuple[str, ...], dict[int, Outcome]] = field(default_factory=dict)
    answers: dict[tuple[str, ...], Here | None] = field(default_factory=dict)
    wrong: dict[tuple[str, ...], frozenset[int]] = field(default_factory=dict)

    def outcome(self, faults: tuple[Fault, ...], at: int) -> Outcome:
        """What the wrong version with these faults does on one input."""
        key = tuple(fault.name for fault in faults)
        known = self.outcomes.setdefault(key, {})
        if at not in known:
            answer = self.answer(faults)
            assert answer is not None
            known[at] = next(answer.calls((self.cases[at],)))
        return known[at]

    def answer(self, faults: tuple[Fault, ...]) -> Here | None:
        """The wrong version with these faults; None where their edits collide, or no longer fit the live source."""
        key = tuple(fault.name for fault in faults)
        if key not in self.answers:
            try:
                whole = len(faults) > 1 and any(fault.answer is not None for fault in faults)
                self.answers[key] = None if whole else Here(self.problem.faulty(*faults), self.problem.drive)
            except (ValueError, SyntaxError):
                self.answers[key] = None
        return self.answers[key]

    def told(self, fault: Fault) -> frozenset[int]:
        """The inputs on which a fault differs from a right answer."""
        key = (fault.name,)
        if key not in self.wrong:
            self.wrong[key] = frozenset(
                i
                for i, (each, right) in enumerate(zip(self.cases, self.expected, strict=True))
                if difference(self.problem, each, right, self.outcome((fault,), i)) is not None
            )
        return self.wrong[key]


_CATALOGUES: dict[Any, tuple[Problem, Catalogue]] = {}
_WITNESSES: dict[Any, tuple[Problem, tuple[Case, ...], Catalogue]] = {}


def diagnose(
    problem: Problem, answer: Answer, outcomes: Sequence[Outcome], *, seed: int = 0, tries: int = 100
) -> tuple[Named, ...]:
    """The faults as which an answer behaves: one that agrees wherever either goes wrong; else two at once that do;
    else one or two that do but for the inputs on which the answer or the library alone raises an error; else the one
    that it is most like; else none.

    outcomes  what the answer did on the drawn inputs, in order; fewer where it was stopped and is not asked again

    Where several agree alike, the one that goes wrong on more inputs comes first, then the one that is a smaller
    change of the source.
    """
    known = _catalogue(problem, seed, tries)
    drawn = len(cases_of(problem, seed=seed, tries=tries))
    got = list(outcomes)
    with quiet():
        if len(got) == drawn and not any(each.stopped for each in got):
            got += answer.calls(known.cases[drawn:])
        asked = range(len(got))
        wrong = {i for i in asked if difference(problem, known.cases[i], known.expected[i], got[i]) is not None}

        def agrees(faults: tuple[Fault, ...], at: int) -> bool:
            return similar(problem, known.cases[at], known.outcome(faults, at), got[at])

        found = []
        for fault in known.faults:
            where = wrong | {i for i in known.told(fault) if i < len(got)}
            agree = sum(agrees((fault,), i) for i in sorted(where))
            found.append((agree / max(len(where), 1), agree, len(where), fault))
        found.sort(key=lambda each: (-each[0], -each[2], _length(each[3]), each[3].name))
        if found and found[0][0] == 1:
            return (_named(*found[0][1:]),)
        crashes = {i for i in wrong if (got[i].error is None) != (known.expected[i].error is None)}
        none: set[int] = set()
        for apart in (none, crashes) if crashes and len(wrong) - len(crashes) >= LEAST else (none,):
            rest = [i for i in (*sorted(wrong), *(i for i in asked if i not in wrong)) if i not in apart]
            versions = [(fault,) for fault in known.faults] if apart else []
            for faults in (*versions, *_pairs(known)):
                if all(agrees(faults, i) for i in rest):
                    return tuple(_named(len(wrong) - len(apart), len(wrong), fault) for fault in faults)
    if found and found[0][0] >= LIKE and found[0][2] >= LEAST:
        return (_named(*found[0][1:]),)
    return ()


def _pairs(known: Catalogue) -> list[tuple[Fault, ...]]:
    pairs = combinations(known.faults, 2)
    return sorted(
        (pair for pair in pairs if known.answer(pair) is not None),
        key=lambda pair: (sum(map(_length, pair)), pair[0].name),
    )


def _named(agree: int, of: int, fault: Fault) -> Named:
    return Named(fault.name, fault.says, fault.hint, agree, of)


def _length(fault: Fault) -> int:
    """How much of the source a fault changes, in characters."""
    if fault.answer is not None:
        return 10_000
    return sum(len(old) + len(new) for old, new in fault.edits)


def _catalogue(problem: Problem, seed: int, tries: int) -> Catalogue:
    key = settings_key(problem), seed, tries
    if key not in _CATALOGUES:
        cases = cases_of(problem, seed=seed, tries=tries)
        ordered = tuple(sorted(problem.faults, key=lambda fault: fault.name))
        builder = Catalogue(problem, cases, (), ordered)
        faults = tuple(fault for fault in ordered if builder.answer((fault,)) is not None)
        expected = expected_of(problem, cases)
        extra, drawn = _witnesses(replace(problem, chosen={}), faults, seed, tries)
        with quiet():
            expected += tuple(Here(problem.reference, problem.drive).calls(extra))
        known = Catalogue(problem, cases + extra, expected, faults)
        if not problem.chosen:  # what the faults did while witnesses were looked for
            known.outcomes.update({names: dict(done) for names, done in drawn.outcomes.items()})
        _CATALOGUES[key] = problem, known
    return _CATALOGUES[key][1]


def _witnesses(
    problem: Problem, faults: tuple[Fault, ...], seed: int, tries: int
) -> tuple[tuple[Case, ...], Catalogue]:
    """Small inputs that tell a fault from a right answer, or from another fault, where few of the drawn ones do.

    With them comes what the faults do on the drawn ones.
    """
    key = settings_key(problem), seed, tries
    if key in _WITNESSES:
        return _WITNESSES[key][1:]
    cases = cases_of(problem, seed=seed, tries=tries)
    drawn = Catalogue(problem, cases, expected_of(problem, cases), faults)
    reference = Here(problem.reference, problem.drive)
    found: dict[str, Case] = {}

    def look(one: Here, other: Here) -> None:
        best: list[Case] = []
        asked = 0

        def differ(each: Case) -> bool:
            nonlocal asked
            asked += bool(best)
            if asked > ASKS:
                raise Enough
            unlike = not similar(problem, each, *(next(version.calls((each,))) for version in (one, other)))
            if unlike and (not best or order(each) < order(best[0])):
                best[:] = [each]
            return unlike

        search(problem, differ, seed=seed + 1, tries=SEARCH)
        found.update((text(each), each) for each in best)

    with quiet():
        for fault in faults:
            wrong = drawn.answer((fault,))
            if wrong is not None and len(drawn.told(fault)) < FEW:
                look(reference, wrong)
        for one, other in combinations(faults, 2):
            if drawn.told(one) == drawn.told(other) and all(
                similar(problem, cases[i], drawn.outcome((one,), i), drawn.outcome((other,), i))
                for i in sorted(drawn.told(one))
            ):
                pair = drawn.answer((one,)), drawn.answer((other,))
                if pair[0] is not None and pair[1] is not None:
                    look(pair[0], pair[1])
    new = {key: each for key, each in found.items() if key not in set(map(text, cases))}
    _WITNESSES[key] = problem, tuple(sorted(new.values(), key=order)), drawn
    return _WITNESSES[key][1:]
