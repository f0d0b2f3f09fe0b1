"""A place in a trace, and the ways to move it: on, back, to a number, a module, an op, a word; knows no screen."""

from collections.abc import Callable
from typing import Any

from tinylm.tracing.select import NotInTrace, Part
from tinylm.tracing.step import KINDS, TraceStep

__all__ = ["Stepper"]

Key = Callable[[TraceStep], Any]
Fits = Callable[[TraceStep], bool]


class Stepper:
    """A position among the steps of a trace, never outside of them.

    Every move returns whether it moved; one for which there is no room stays where it is. `jump` and `search` raise
    NotInTrace, saying what there is, and stay too.

    >>> import tinylm
    >>> with tinylm.trace() as t:
    ...     y = tinylm.functional.softmax(tinylm.tensor([1.0, 2.0]) * 3)
    >>> here = Stepper(t)
    >>> here.step.op, here.next(), here.step.op, here.next(), here.back(), here.place
    ('multiply', True, 'softmax', False, True, 0)
    """

    def __init__(self, part: Part, place: int = 0):
        if not part.steps:
            raise NotInTrace(f"{part.where} has no steps; let something happen inside the block")
        self.part, self.steps = part, part.steps
        self.place = min(max(place, 0), len(self.steps) - 1)
        self.sought = ""

    @property
    def step(self) -> TraceStep:
        """The step where it stands."""
        return self.steps[self.place]

    def _to(self, place: int) -> bool:
        before, self.place = self.place, min(max(place, 0), len(self.steps) - 1)
        return self.place != before

    def next(self, count: int = 1) -> bool:
        return self._to(self.place + count)

    def back(self, count: int = 1) -> bool:
        return self._to(self.place - count)

    def first(self) -> bool:
        return self._to(0)

    def last(self) -> bool:
        return self._to(len(self.steps) - 1)

    def next_module(self) -> bool:
        """On to the first step of the next run of another module; to the last step where there is none."""
        return self._to(self._run_after(lambda step: (step.kind, step.scope)))

    def back_module(self) -> bool:
        """Back to the beginning of this run of one module, or of the one before."""
        return self._to(self._run_before(lambda step: (step.kind, step.scope)))

    def next_kind(self) -> bool:
        """On to where another kind of steps begins: backward, updates, a choice, the next forward pass."""
        return self._to(self._run_after(lambda step: step.kind))

    def back_kind(self) -> bool:
        return self._to(self._run_before(lambda step: step.kind))

    def _run_after(self, key: Key) -> int:
        here = key(self.step)
        for place in range(self.place + 1, len(self.steps)):
            if key(self.steps[place]) != here:
                return place
        return len(self.steps) - 1

    def _run_before(self, key: Key) -> int:
        place = max(self.place - 1, 0)
        here = key(self.steps[place])
        while place > 0 and key(self.steps[place - 1]) == here:
            place -= 1
        return place

    def jump(self, where: int | str) -> bool:
        """Go to a step by number; or by word: "nan", "inf", a kind, a module, an op, a number in words.

        A word goes to the next such step after this one, from the beginning again where there is none.
        """
        if isinstance(where, str):
            where = where.strip()
            if not where.lstrip("-").isdecimal():
                return self._to(self._named(where))
            where = int(where)
        for place, step in enumerate(self.steps):
            if step.number == where:
                return self._to(place)
        raise NotInTrace(f"no step {where}; there are {self.steps[0].number} … {self.steps[-1].number}")

    def _named(self, word: str) -> int:
        if word.lower() in ("nan", "inf"):
            found = self._around(lambda step: step.has("nan" if word.lower() == "nan" else "inf"))
            if found is None:
                raise NotInTrace(f"no {word} in any output of {self.part.where}")
            return found
        for fits in (
            lambda step: step.kind == word,
            lambda step: step.scope == word,
            lambda step: step.scope.startswith(f"{word}."),
            lambda step: step.op == word,
            lambda step: word in step.leaves.values(),
        ):
            found = self._around(fits)
            if found is not None:
                return found
        kinds = [kind for kind in KINDS if any(step.kind == kind for step in self.steps)]
        raise NotInTrace(
            f"no step {word!r}; give a number, a module ({_some(self.part.scopes)}), an op "
            f"({_some(list(dict.fromkeys(step.op for step in self.steps)))}), a kind ({', '.join(kinds)}), nan or inf"
        )

    def _around(self, fits: Fits) -> int | None:
        """The next place after this one whose step fits, the beginning coming after the end; this one is the last."""
        size = len(self.steps)
        return next(
            (p % size for p in range(self.place + 1, self.place + 1 + size) if fits(self.steps[p % size])), None
        )

    def search(self, text: str = "") -> bool:
        """On to the next step with these words in its line or equation, capitals or not; "": the last ones again."""
        self.sought = text or self.sought
        if not self.sought:
            raise NotInTrace("nothing to look for; type some words")
        words = self.sought.lower().split()

        def fits(step: TraceStep) -> bool:
            line = f"{step.kind} {step.title} {step.equation} {step.source} {' '.join(step.leaves.values())}".lower()
            return all(word in line for word in words)

        found = self._around(fits)
        if found is None:
            raise NotInTrace(f"no step has {self.sought!r} in it")
        return self._to(found)


def _some(names: list[str], most: int = 5) -> str:
    names = [name for name in names if name]
    return ", ".join(names[:most]) + (", …" if len(names) > most else "") or "none"
