"""What an exercise is: a statement, the live function that answers it, and calls to try; and all of them by name."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tinylm.course.compare import Compare, same
from tinylm.course.spelling import imports_of, size, source

__all__ = ["Case", "Exercise", "UnknownExerciseError", "case", "exercise_named", "exercises", "register"]


class UnknownExerciseError(LookupError):
    """A name that no exercise has."""


@dataclass(frozen=True, slots=True)
class Case:
    """The arguments of one call; a function among them comes as Source("lambda x: x * x", lambda x: x * x)."""

    args: tuple[Any, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How much there is to read."""
        return size(self.args) + size(self.settings)

    def call(self, name: str) -> str:
        """The call as a line that can be pasted and run where the function has this name.

        >>> case([1, 2], base=10).call("digits")
        'digits([1, 2], base=10)'
        """
        parts = [*map(source, self.args), *(f"{key}={source(value)}" for key, value in self.settings.items())]
        line = f"{name}({', '.join(parts)})"
        return imports_of(line) + line


def case(*args: Any, **settings: Any) -> Case:
    """The call that has these arguments."""
    return Case(args, settings)


@dataclass(frozen=True, slots=True)
class Exercise:
    """Something to be written by a student.

    name        what the function is called, and by what `check` finds it
    statement   what it must do, in a sentence or two
    reference   the library's own function: what it returns or raises is right
    cases       calls to try; they are put in order, smallest first
    compare     (expected, got) → None where they agree, else where they differ

    Raises ValueError where there is nothing to try.
    """

    name: str
    statement: str
    reference: Callable[..., Any]
    cases: tuple[Case, ...]
    compare: Compare = same

    def __init__(
        self,
        name: str,
        statement: str,
        reference: Callable[..., Any],
        cases: Iterable[Case],
        compare: Compare = same,
    ) -> None:
        ordered = tuple(sorted(cases, key=lambda each: each.size))
        if not name.isidentifier() or not statement or not ordered:
            raise ValueError(f"exercise {name!r}: expected a Python name, a statement and at least one case")
        for attribute, value in zip(self.__slots__, (name, statement, reference, ordered, compare), strict=True):
            object.__setattr__(self, attribute, value)


_EXERCISES: dict[str, Exercise] = {}


def register(exercise: Exercise) -> Exercise:
    """Make an exercise known by its name; raises ValueError where another has it."""
    if exercise.name in _EXERCISES:
        raise ValueError(f"an exercise called {exercise.name!r} exists already; choose another name")
    _EXERCISES[exercise.name] = exercise
    return exercise


def exercises() -> dict[str, Exercise]:
    """All exercises by name, in the order in which they were registered."""
    return dict(_EXERCISES)


def exercise_named(name: str) -> Exercise:
    """The exercise of that name; raises UnknownExerciseError with what there is, the nearest first."""
    if name not in _EXERCISES:
        near = difflib.get_close_matches(str(name), _EXERCISES, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UnknownExerciseError(f"no exercise {name!r}; {hint}There are: {', '.join(_EXERCISES)}")
    return _EXERCISES[name]
