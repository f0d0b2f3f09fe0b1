"""An exercise that is cut from the live source: what is asked, on which inputs it is tried, and how it goes wrong.

An `Exercise` (exercise.py) is a notebook's: fixed calls, tried in place. A `Problem` is graded: its inputs are drawn,
its stub is the library's own signature and docstring, and plausible wrong versions of it are known by name.
"""

import ast
import difflib
import inspect
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from tinylm.course.compare import Compare, same
from tinylm.course.exercise import Case, UnknownExerciseError, case
from tinylm.course.spelling import Source
from tinylm.ops.op import Op

__all__ = ["XP", "Fault", "Problem", "Work", "backward_case", "first", "live_source", "problem_named", "problems"]

XP = Source("np", np)
"""The first argument of an op, in a case: the array library."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A plausible wrong version of an answer.

    name    a word or two joined by _, unique within its problem
    says    what the answer would have to be: it completes "behaves as if ..."
    edits   (old, new) texts, made in the live source; each `old` occurs there exactly once
    hint    what to look at next, a sentence to a student that does not give the answer away
    answer  a wrong version in full, where an edit cannot say it; then there are no edits
    """

    name: str
    says: str
    edits: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    answer: Callable[..., Any] | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What an answer may cost: work that is counted, never timed, and how it grows with the size of the input.

    unit    what is counted, in the plural: "look-ups of a pair"
    count   (answer, case) → how many it took; runs where the answer runs
    at      n → the case of that size
    sizes   three sizes, each twice the one before
    limit   the greatest exponent: work(2n) / work(n) ≤ 2 ** limit, at the two largest sizes
    says    what it means to go over it: "every merge looks at every pair again"
    """

    unit: str
    count: Callable[[Any, Case], int]
    at: Callable[[int], Case]
    sizes: tuple[int, int, int]
    limit: float
    says: str


@dataclass(frozen=True)
class Problem:
    """An exercise cut from the live source.

    name      what `tinylm stub` and `tinylm grade` call it
    live      the library's own function, class or op part: its source is the answer, its docstring the statement
    topic     "operations", "attention", "autograd", "model", "tokenizer", "optimizer", "sampling", ...
    level     1 (a line or two) to 4 (an afternoon)
    minutes   how long it takes somebody who knows the topic
    inputs    () → Hypothesis strategy of Case; Hypothesis is imported inside
    corners   cases that are asked about besides those that are drawn: what a hundred draws may miss
    faults    plausible wrong versions
    needs     what to have understood before, names of problems; none of them has to be solved
    symbol    the name in the student's file; the problem's own where it is not given
    helpers   live functions that the answer calls and a student writes too; faults may edit them
    view      what counts of (what was returned, the arguments after the call)
    compare   (expected, got) → None where they agree, else where they differ
    drive     (answer, *args, **settings) → plain data, for an answer that is not one function of plain data; a function
              at the top of a module of tinylm: it runs where the answer runs
    places    "module:attribute" for everything to be replaced when a student's answer stands in for the library's
    imports   lines at the head of the stub
    variants  a setting of the live function → the values among which a student's variant is picked
    work      what it may cost
    notes     one more sentence or two for the stub's docstring, where the live one does not say enough to begin
    """

    name: str
    live: Any
    topic: str
    level: int
    minutes: int
    inputs: Callable[[], Any]
    faults: tuple[Fault, ...]
    needs: tuple[str, ...] = ()
    symbol: str = ""
    helpers: tuple[Any, ...] = ()
    view: Callable[[Any, tuple[Any, ...]], Any] = lambda value, after: value
    compare: Compare = same
    drive: Callable[..., Any] | None = None
    places: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    variants: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    work: Work | None = None
    notes: str = ""
    corners: tuple[Case, ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)  # of the variants: set by `variant`

    def __post_init__(self) -> None:
        if not self.symbol:
            object.__setattr__(self, "symbol", self.name)
        names = [fault.name for fault in self.faults]
        if not self.name.isidentifier() or not 1 <= self.level <= 4 or len(set(names)) != len(names):
            raise ValueError(
                f"problem {self.name!r}: expected a Python name, a level of 1 to 4, faults of unequal names"
            )

    @cached_property
    def reference(self) -> Any:
        """The answer: the live object itself, with the settings of the variant as its defaults."""
        return self.settled(plain(self.live))

    def settled(self, answer: Any) -> Any:
        """An answer with the settings of the variant put in wherever a call does not give them itself."""
        if not self.chosen:
            return answer

        def with_chosen(*args: Any, **settings: Any) -> Any:
            return answer(*args, **{**self.chosen, **settings})

        return with_chosen

    def faulty(self, *faults: Fault) -> Any:
        """The wrong version that has these faults at once; ValueError where an edit does not fit the live source."""
        if len(faults) == 1 and faults[0].answer is not None:
            return self.settled(faults[0].answer)
        sources = self.sources()
        for fault in faults:
            for old, new in fault.edits:
                found = [i for i, text in enumerate(sources) if old in text]
                if len(found) != 1 or sources[found[0]].count(old) != 1:
                    raise ValueError(f"{self.name}, fault {fault.name!r}: {old!r} must occur once in the live source")
                sources[found[0]] = sources[found[0]].replace(old, new)
        return self.built(sources, ", ".join(fault.name for fault in faults))

    def sources(self) -> list[str]:
        """The live source of the answer, then of its helpers."""
        return [live_source(each) for each in (self.live, *self.helpers)]

    def built(self, sources: Sequence[str], label: str) -> Any:
        """An answer from changed sources, in the order of `sources()`; what they refer to is what it was."""
        home = inspect.getmodule(plain(self.live))
        namespace: dict[str, Any] = {**vars(home)} if home else {}
        for each, text in zip((self.live, *self.helpers), sources, strict=True):
            other = inspect.getmodule(plain(each))
            for name, value in vars(other).items() if other is not home and other else ():
                namespace.setdefault(name, value)
            exec(compile(text, f"<{self.name}: {label}>", "exec"), namespace)  # our own
        return self.settled(namespace[plain(self.live).__name__])

    def variant(self, chosen: Mapping[str, Any]) -> "Problem":
        """The same problem with these settings in place of the live defaults."""
        unknown = [name for name, value in chosen.items() if value not in self.variants.get(name, ())]
        if unknown:
            raise ValueError(f"{self.name}: no such variant of {', '.join(unknown)}; there are {dict(self.variants)}")
        return replace(self, chosen=dict(chosen))


def plain(live: Any) -> Any:
    """The function behind an op or a method, as it stands in the source."""
    return live.__wrapped__ if isinstance(live, Op) else live


def live_source(live: Any) -> str:
    """The source of a live function or class, without decorators and unindented."""
    text = textwrap.dedent(inspect.getsource(plain(live)))
    first_line = ast.parse(text).body[0].lineno  # of `def`, below the decorators
    return "".join(text.splitlines(keepends=True)[first_line - 1 :])


def first(value: Any, after: tuple[Any, ...]) -> Any:
    """What counts of an op's forward: y, whether it comes alone or with what was kept."""
    return value[0] if isinstance(value, tuple) and len(value) == 2 and isinstance(value[1], dict) else value


def backward_case(op: Op, dy: Any, *args: Any, **settings: Any) -> Case:
    """The call of an op's backward after its forward with these arguments: dy, and by name what was kept.

    dy   an array, or a function from y to one
    """
    y, kept = op.reference.forward(np, *args, **settings)
    dy = dy(y) if callable(dy) else dy
    known = {**op.settings, **settings, **kept, "needs": (True,) * len(args)}
    return case(XP, dy, **{name: known[name] for name in op.reference.wanted if name in known})


_PROBLEMS: dict[str, Problem] = {}


def add(*problems: Problem) -> None:
    """Make problems known; ValueError where another has the name."""
    for problem in problems:
        if problem.name in _PROBLEMS:
            raise ValueError(f"a problem called {problem.name!r} exists already; choose another name")
        _PROBLEMS[problem.name] = problem


def problems() -> dict[str, Problem]:
    """All problems by name, in the order of a course."""
    import tinylm.course.problems  # noqa: F401  (the import makes them known)

    return dict(_PROBLEMS)


def problem_named(name: str) -> Problem:
    """The problem of that name; raises UnknownExerciseError naming the nearest."""
    known = problems()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownExerciseError(f"no exercise is called {name!r}; {hint}tinylm stub --list shows all {len(known)}")
    return known[name]
