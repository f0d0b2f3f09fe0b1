"""Choosing among the steps of a trace: by number, by module, by op, by what went wrong."""

import difflib
import operator
from collections.abc import Iterator, Mapping
from typing import Literal, SupportsIndex, overload

from tinylm.tracing.step import KINDS, TraceStep
from tinylm.tracing.table import steps_table
from tinylm.tracing.values import Stored, Value

__all__ = ["NotInTrace", "Part"]


class NotInTrace(KeyError):
    """Something was asked for that a trace does not have, or has several times."""

    def __str__(self) -> str:
        return str(self.args[0])


class Named(Mapping[str, Value]):
    """The arrays of some steps by name, where each name means one array."""

    def __init__(self, steps: list[TraceStep], part: Literal["inputs", "kept", "outputs"], where: str):
        self._part, self._where = part, where
        self._found: dict[str, list[tuple[TraceStep, Stored]]] = {}
        for step in steps:
            for name, value in getattr(step, part).raw.items():
                self._found.setdefault(name, []).append((step, value))

    def __getitem__(self, name: str) -> Value:
        found = self._found.get(name)
        if not found:
            raise NotInTrace(
                f"no {name!r} among the {self._part} of {self._where}; there are {', '.join(self._found) or 'none'}"
            )
        if any(value is not found[0][1] for _, value in found):
            steps = ", ".join(f"{step.number} ({step.op})" for step, _ in found[:8])
            raise NotInTrace(
                f"{name!r} stands {len(found)} times among the {self._part} of {self._where}, in the steps {steps}"
                f"{', …' * (len(found) > 8)}; say which, as in trace[{found[0][0].number}].{self._part}[{name!r}], "
                "or take one pass: trace.passes[0][...]"
            )
        value: Value = getattr(found[0][0], self._part)[name]
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    def __repr__(self) -> str:
        return f"<{self._part} of {self._where}: {', '.join(self._found) or 'none'}>"


class Part:
    """Some steps of a trace, in order.

    part[12]             the step with that number; part[-1] the last one, part[:3] a list of the first three
    part["h.0.attn"]     the steps of that module and of all inside it; "model": of the outermost itself
    part.of("linear")    the steps of that op; part.kind("choice"), the steps of that kind
    part.kept["p"]       the array of that name, where there is just one; also .inputs and .outputs; those of
                         backward steps only where there are no others

    Raises NotInTrace, saying what there is.
    """

    def __init__(self, steps: list[TraceStep], where: str):
        self.steps, self.where = steps, where

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[TraceStep]:
        return iter(self.steps)

    @overload
    def __getitem__(self, which: SupportsIndex) -> TraceStep: ...
    @overload
    def __getitem__(self, which: slice) -> list[TraceStep]: ...
    @overload
    def __getitem__(self, which: str) -> "Part": ...

    def __getitem__(self, which: "SupportsIndex | slice | str") -> "TraceStep | list[TraceStep] | Part":
        if isinstance(which, str):
            return self._module(which)
        if isinstance(which, slice):
            return self.steps[which]
        try:
            number = operator.index(which)
        except TypeError:
            raise TypeError(
                f"a trace takes a step's number, a slice or a module's name, got a {type(which).__name__}"
            ) from None
        if not self.steps:
            raise NotInTrace(f"{self.where} has no steps")
        if -len(self.steps) <= number < 0:
            return self.steps[number]
        for step in self.steps[number : number + 1] if len(self.steps) > number >= 0 else ():
            if step.number == number:
                return step
        for step in self.steps:
            if step.number == number:
                return step
        raise NotInTrace(
            f"no step {number} in {self.where}; there are {self.steps[0].number} … {self.steps[-1].number}"
        )

    def _module(self, scope: str) -> "Part":
        inside = [s for s in self.steps if s.scope == scope or s.scope.startswith(f"{scope}.")]
        if not inside and scope == "model":
            inside = [s for s in self.steps if not s.scope and s.kind in ("forward", "backward")]
        if not inside:
            scopes = self.scopes
            near = difflib.get_close_matches(scope, scopes, 5, 0.3) or scopes[:12]
            there = f"there are {', '.join(map(repr, near))}, …" if near else "no module ran"
            raise NotInTrace(f"no module {scope!r} in {self.where}; {there}")
        return Part(inside, scope)

    @property
    def scopes(self) -> list[str]:
        """The modules that ran, in order of their first step; modules that only called others are among them."""
        found: dict[str, None] = {}
        for step in self.steps:
            parts = step.scope.split(".")
            for end in range(1, len(parts) + 1):
                found.setdefault(".".join(parts[:end]))
        return [scope for scope in found if scope]

    def of(self, op: str) -> "Part":
        """The steps of one op, or of one optimizer, by its name."""
        found = [step for step in self.steps if step.op == op]
        if not found:
            there = dict.fromkeys(step.op for step in self.steps)
            raise NotInTrace(f"no step of {op!r} in {self.where}; there are {', '.join(there) or 'none'}")
        return Part(found, f"{op} in {self.where}")

    def kind(self, kind: str) -> "Part":
        """The steps of one kind, perhaps none; raises ValueError for a kind that does not exist."""
        if kind not in KINDS:
            raise ValueError(f"the kinds of steps are {', '.join(KINDS)}; got {kind!r}")
        return Part([step for step in self.steps if step.kind == kind], f"{kind} steps of {self.where}")

    @property
    def forward(self) -> "Part":
        return self.kind("forward")

    @property
    def backward(self) -> "Part":
        return self.kind("backward")

    @property
    def passes(self) -> "list[Part]":
        """The forward passes, each with all that came before the next: one begins where the first op runs again."""
        key: tuple[str, str] | None = None
        found: list[list[TraceStep]] = []
        for step in self.steps:
            if step.kind == "forward":
                key = key or (step.scope, step.op)
                if (step.scope, step.op) == key:
                    found.append([])
            if found:
                found[-1].append(step)
        return [Part(steps, f"pass {number} of {self.where}") for number, steps in enumerate(found)]

    def _named(self, part: Literal["inputs", "kept", "outputs"]) -> Named:
        steps = [step for step in self.steps if step.kind != "backward"]
        return Named(steps or self.steps, part, self.where)

    @property
    def inputs(self) -> Mapping[str, Value]:
        return self._named("inputs")

    @property
    def kept(self) -> Mapping[str, Value]:
        return self._named("kept")

    @property
    def outputs(self) -> Mapping[str, Value]:
        return self._named("outputs")

    def find(self, what: Literal["nan", "inf"]) -> TraceStep | None:
        """The first step whose output holds a NaN, or an infinity; None where there is none."""
        if what not in ("nan", "inf"):
            raise ValueError(f'find takes "nan" or "inf", got {what!r}')
        return next((step for step in self.steps if step.has(what)), None)

    def table(self, limit: int | None = None) -> str:
        """A line for every step, or for the first `limit`: number, kind, what it is, shapes, time, bytes, values."""
        return steps_table(self.steps, limit)

    def __repr__(self) -> str:
        return f"<{self.where}: {len(self.steps)} steps>"
